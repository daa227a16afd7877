"""``lh doctor`` and ``lh models`` on providers: keys, reach, models that are there, one token when asked, no key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workbench.cli.entry import main
from workbench.lake.health import Check
from workbench.llm import health
from workbench.llm import local_chat_server as faults
from workbench.llm.local_chat_server import LocalChatServer
from workbench.llm.router import PROVIDERS, Router

KEY = "very-secret-0123456789"
Lh = Callable[..., tuple[int, str, str]]


@pytest.fixture
def server() -> Iterator[LocalChatServer]:
    with LocalChatServer(lambda messages: "yes indeed", models=["demo", "gemma3:4b"], key=KEY) as running:
        yield running


@pytest.fixture
def local() -> Iterator[LocalChatServer]:
    with LocalChatServer(lambda messages: "yes indeed", models=["demo"]) as running:
        yield running


@pytest.fixture
def router(server: LocalChatServer, local: LocalChatServer) -> Iterator[Router]:
    urls = {row.prefix: server.url if row.wire == "ollama" else server.openai_url for row in PROVIDERS}
    environ = {"KIMI_API_KEY": KEY, "OPENROUTER_API_KEY": KEY + "x", "OLLAMA_API_KEY": KEY}
    made = Router(urls=urls | {"ollama": local.url}, environ=environ, trusted=["kimi"])
    yield made
    made.close()


@pytest.fixture
def lh(
    server: LocalChatServer,
    local: LocalChatServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Lh:
    """Run a command line in this process; its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("LH_OLLAMA_URL", local.url)
    monkeypatch.setenv("LH_KIMI_URL", server.openai_url)
    monkeypatch.setenv("KIMI_API_KEY", KEY)
    monkeypatch.setenv("LH_CHAT_MODEL", "ollama/demo")
    monkeypatch.setenv("LH_CHAT_FALLBACK", "kimi/demo")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        assert KEY not in said.out + said.err
        return int(ended.value.code or 0), said.out, said.err

    return run


def by_name(found: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in found}


def test_each_provider_says_its_key_or_which_variable_is_missing(router):
    found = by_name(health.checks(router, []))
    assert (found["provider opencode"].state, found["provider opencode"].message) == (
        "info",
        "off: OPENCODE_API_KEY is not set",
    )
    assert "OPENCODE_API_KEY" in found["provider opencode"].fix
    assert found["provider kimi"].message == "key in KIMI_API_KEY; sees personal data; not spoken to"
    assert "gets placeholders for personal data" in found["provider openrouter"].message
    assert KEY not in repr(found)


class Listening(LocalChatServer):
    """Remembers which paths were asked for."""

    def answer(self, method: str, path: str, body: bytes, authorization: str) -> faults.Served:
        self.paths = [*getattr(self, "paths", []), path]
        return super().answer(method, path, body, authorization)


def test_without_being_asked_only_this_machine_is_spoken_to():
    with Listening(lambda _: "") as near, Listening(lambda _: "") as far:
        router = Router(urls={"ollama": near.url, "kimi": far.openai_url}, environ={"KIMI_API_KEY": KEY})
        health.checks(router, ["ollama/demo", "kimi/demo"])
        assert (near.paths, getattr(far, "paths", [])) == (["/api/tags"], [])
        health.checks(router, ["kimi/demo"], ask=True)
        assert far.paths == ["/v1/models", "/v1/chat/completions"]
        router.close()


def test_asked_each_provider_with_a_key_says_its_models_and_how_long_it_took(router):
    found = by_name(health.checks(router, [], ask=True))
    for name in ("ollama_cloud", "kimi"):
        assert found[f"provider {name}"].state == "ok"
        assert "2 models in " in found[f"provider {name}"].message
        assert found[f"provider {name}"].message.endswith(" ms")
    assert "1 model in" in found["provider ollama"].message
    assert found["provider opencode"].state == "info"


def test_a_wrong_key_is_broken_and_says_which_variable(router):
    check = by_name(health.checks(router, [], ask=True))["provider openrouter"]
    assert check.state == "broken"
    assert "refused the key (401)" in check.message
    assert check.fix == "Check the key in OPENROUTER_API_KEY."
    assert KEY not in repr(check)


def test_a_model_that_is_not_there_is_a_warning_with_the_command(router):
    found = by_name(health.checks(router, ["ollama/demo:latest", "ollama/none", "kimi/none"]))
    assert found["model ollama/demo:latest"].state == "ok"
    assert (found["model ollama/none"].state, found["model ollama/none"].fix) == ("warning", "ollama pull none")
    assert "model kimi/none" not in found  # nobody asked kimi


def test_asked_each_model_answers_with_one_token(router, server, local):
    found = by_name(health.checks(router, ["ollama/demo", "kimi/demo", "kimi/none", "opencode/demo"], ask=True))
    assert found["model ollama/demo"].message.startswith("1 token in ")
    assert found["model kimi/demo"].state == "ok"
    assert (found["model kimi/none"].state, found["model opencode/demo"].state) == ("broken", "broken")
    assert "OPENCODE_API_KEY" in found["model opencode/demo"].message
    assert [one["options"]["num_predict"] for one in local.requests] == [1]
    assert [one["max_tokens"] for one in server.requests] == [1]


def test_a_server_that_is_not_there_is_said_and_breaks_only_what_was_asked():
    router = Router(urls={"ollama": "http://127.0.0.1:1"}, environ={}, wait=lambda _: None)
    found = by_name(health.checks(router, ["ollama/demo"]))
    assert found["provider ollama"].state == "info"
    assert "does not answer" in found["provider ollama"].message
    assert "model ollama/demo" not in found
    assert not any(check.failed for check in found.values())
    asked = by_name(health.checks(router, ["ollama/demo"], ask=True))
    assert (asked["provider ollama"].state, asked["model ollama/demo"].state) == ("info", "broken")
    router.close()


def test_doctor_speaks_of_providers_and_asks_them_only_with_models(lh, server, local):
    code, out, _ = lh("doctor")
    assert code == 0
    assert "off: OPENROUTER_API_KEY is not set" in out
    assert (server.requests, local.requests) == ([], [])
    code, out, _ = lh("doctor", "--models", "--json")
    found = {check["name"]: check for check in json.loads(out)["checks"]}
    assert code == 0
    assert "2 models" in found["provider kimi"]["message"]
    assert found["model kimi/demo"]["state"] == "ok"
    assert len(server.requests) == len(local.requests) == 1


def test_doctor_fails_when_a_model_that_is_set_does_not_answer(lh, server):
    server.faults += [faults.refuse(400, "out of credit")]
    code, out, _ = lh("doctor", "--models")
    assert code == 1
    assert "out of credit" in out


def test_models_says_who_sees_personal_data_and_lists_all_only_when_asked(lh, server, monkeypatch):
    monkeypatch.setenv("LH_TRUSTED_PROVIDERS", "kimi")
    code, out, err = lh("models")
    assert (code, "kimi/gemma3:4b" in out) == (0, False)
    assert "scripted/" in err
    told = {row["name"]: row for row in json.loads(lh("models", "--all", "--json")[1])["providers"]}
    assert told["kimi"]["models"] == ["demo", "gemma3:4b"]
    assert told["kimi"]["latency_ms"] > 0
    assert {name: row["trusted"] for name, row in told.items()} == {
        "ollama": True,
        "ollama_cloud": False,
        "openrouter": False,
        "opencode": False,
        "kimi": True,
    }
    assert "kimi/gemma3:4b" in lh("models", "--all")[1]


def test_chat_says_what_was_hidden_from_whom(lh):
    code, out, err = lh("chat", "Mail bo@li.com, 815-555-0142", "--model", "kimi/demo")
    assert (code, out) == (0, "yes indeed\n")
    assert "kimi got placeholders for 2 personal values" in err
    assert "placeholders" not in lh("chat", "Mail bo@li.com")[2]
