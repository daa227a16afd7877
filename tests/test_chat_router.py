"""Which provider answers for which name, what a provider without its key says, and requests that mean nothing."""

from __future__ import annotations

import json
import pickle
import threading
from pathlib import Path

import pytest

import workbench
from workbench.errors import ConfigError, InvalidError, NotFoundError, ProviderError, ProviderTimeoutError
from workbench.llm.chat import Ask, Message
from workbench.llm.local_chat_server import LocalChatServer, slow
from workbench.llm.router import PROVIDERS, Router, route

KEY = "very-secret-0123456789"
HELLO = (Message("user", "hello"),)


@pytest.mark.parametrize(
    ("name", "provider", "model"),
    [
        ("ollama/qwen3", "ollama", "qwen3"),
        ("ollama/qwen3:8b", "ollama", "qwen3:8b"),
        ("ollama/gpt-oss:cloud", "ollama", "gpt-oss:cloud"),
        ("ollama_cloud/gpt-oss:120b", "ollama_cloud", "gpt-oss:120b"),
        ("ollama_cloud/glm-5:cloud", "ollama_cloud", "glm-5"),
        ("glm-5:cloud", "ollama_cloud", "glm-5"),
        ("openrouter/qwen/qwen3-8b", "openrouter", "qwen/qwen3-8b"),
        ("openrouter/qwen/qwen3-8b:free", "openrouter", "qwen/qwen3-8b:free"),
        ("opencode/big-pickle", "opencode", "big-pickle"),
        ("kimi/kimi-k2", "kimi", "kimi-k2"),
        ("qwen3", "ollama", "qwen3"),
        ("qwen3:8b-cloud", "ollama", "qwen3:8b-cloud"),
        ("hf.co/bartowski/some-model", "ollama", "hf.co/bartowski/some-model"),
        ("kimi", "ollama", "kimi"),
        ("kimi/", "ollama", "kimi/"),
        (" ollama/qwen3 ", "ollama", "qwen3"),
        ("ollama:qwen3:8b", "ollama", "qwen3:8b"),
        ("ollama_cloud:glm-5:cloud", "ollama_cloud", "glm-5"),
        ("openrouter:qwen/qwen3-8b:free", "openrouter", "qwen/qwen3-8b:free"),
        ("opencode:big-pickle", "opencode", "big-pickle"),
        ("kimi:kimi-k2", "kimi", "kimi-k2"),
        ("kimi:cloud", "ollama_cloud", "kimi"),
        ("kimi/cloud", "kimi", "cloud"),
        ("kimi:", "ollama", "kimi:"),
        ("scripted/corrected", "scripted", "corrected"),
        ("scripted:corrected", "scripted", "corrected"),
    ],
)
def test_the_name_says_who_answers(name, provider, model):
    assert route(name) == (provider, model)


@pytest.mark.parametrize("row", PROVIDERS, ids=lambda row: row.prefix)
def test_each_provider_speaks_its_wire_form_under_the_name_without_prefix(row):
    asked = "vendor/demo" if row.prefix == "openrouter" else "demo"
    with LocalChatServer(lambda _: "hello back", models=[asked], key=KEY if row.variable else "") as server:
        url = server.url if row.wire == "ollama" else server.openai_url
        router = Router(urls={row.prefix: url}, environ={row.variable: KEY})
        done = router.complete(Ask(f"{row.prefix}/{asked}", HELLO))
        assert (done.text, done.provider, done.model) == ("hello back", row.prefix, asked)
        assert server.requests[0]["model"] == asked
        router.close()


@pytest.mark.parametrize("row", PROVIDERS[1:], ids=lambda row: row.prefix)
@pytest.mark.parametrize("verb", ["complete", "stream"])
def test_a_provider_without_its_key_is_not_found_and_names_the_variable(row, verb, tmp_path):
    router = Router(secrets_file=tmp_path / "secrets.toml", environ={})
    with pytest.raises(NotFoundError) as caught:
        list(getattr(router, verb)(Ask(f"{row.prefix}/demo", HELLO)))
    assert row.variable in caught.value.message
    assert (
        caught.value.hint
        == f"Set {row.variable}, or write api_key under [{row.prefix}] in {tmp_path / 'secrets.toml'}."
    )
    assert caught.value.http_status == 404
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("verb", ["complete", "stream"])
@pytest.mark.parametrize("name", ["openruter/a/b", "openruter:a", "nobody/a"])
def test_an_unknown_prefix_lists_the_five_and_why_each_is_off(verb, name):
    with LocalChatServer(lambda _: "") as server:
        router = Router(urls={"ollama": server.url}, environ={"KIMI_API_KEY": KEY})
        with pytest.raises(NotFoundError, match=name) as caught:
            list(getattr(router, verb)(Ask(name, HELLO)))
        router.close()
    first, _, said = caught.value.hint.partition("\n")
    assert first == f"ollama pull {name}"
    off = {row.prefix: f"{row.prefix} ({row.variable} is not set)" for row in PROVIDERS[1:4]}
    listed = ", ".join(off.get(row.prefix, row.prefix) for row in PROVIDERS)
    assert said.endswith(f" is no provider. They are: {listed}, and scripted.")


def test_an_unknown_prefix_is_said_too_when_no_ollama_is_there():
    router = Router(urls={"ollama": "http://127.0.0.1:1"}, environ={}, wait=lambda _: None)
    with pytest.raises(ProviderError, match="does not answer") as caught:
        router.complete(Ask("openruter/a", HELLO))
    assert "openrouter (OPENROUTER_API_KEY is not set)" in caught.value.hint
    with pytest.raises(ProviderError) as plain:
        router.complete(Ask("qwen3:8b", HELLO))
    assert "openrouter" not in plain.value.hint
    router.close()


def test_a_scripted_model_needs_no_server():
    router = Router(urls={"ollama": "http://127.0.0.1:1"}, environ={})
    with pytest.raises(NotFoundError, match="none"):
        router.complete(Ask("scripted/none", HELLO))
    assert router.complete(Ask("scripted/honest", HELLO)).provider == "scripted"


@pytest.mark.parametrize("row", PROVIDERS, ids=lambda row: row.prefix)
def test_no_key_in_logs(row, caplog):
    with LocalChatServer(lambda _: "yes", key=KEY if row.variable else "") as server, caplog.at_level("DEBUG"):
        url = server.url if row.wire == "ollama" else server.openai_url
        router = Router(urls={row.prefix: url}, environ={row.variable: KEY})
        router.complete(Ask(f"{row.prefix}/demo", HELLO))
        list(router.stream(Ask(f"{row.prefix}/demo", HELLO)))
        router.close()
    assert "HTTP Request" in caplog.text  # the client does log
    assert KEY not in caplog.text


def test_a_setting_bounds_the_time_of_an_answer(tmp_path: Path):
    freed = threading.Event()
    with LocalChatServer(lambda _: "late") as server:
        server.faults += [slow(freed)]
        settings = {"ollama_url": server.url, "chat_timeout_s": "0.2"}
        with (
            workbench.connect(tmp_path / "lake", folder=tmp_path, **settings) as wb,
            pytest.raises(ProviderTimeoutError, match=r"0\.2 s"),
        ):
            wb.llm.chat("hello", model="demo")
        freed.set()


def test_a_key_may_come_from_the_private_file_and_the_environment_wins(tmp_path: Path):
    file = tmp_path / "secrets.toml"
    file.write_text(f'[kimi]\napi_key = "{KEY}"\n')
    file.chmod(0o600)
    environ: dict[str, str] = {}
    with LocalChatServer(lambda _: "yes") as server:
        router = Router(urls={"kimi": server.openai_url}, secrets_file=file, environ=environ)
        router.complete(Ask("kimi/demo", HELLO))
        environ["KIMI_API_KEY"] = "mine"
        router.complete(Ask("kimi/demo", HELLO))
        assert server.keys == [f"Bearer {KEY}", "Bearer mine"]
        del environ["KIMI_API_KEY"]
        file.unlink()
        with pytest.raises(NotFoundError, match="KIMI_API_KEY"):  # taken away while it runs
            router.complete(Ask("kimi/demo", HELLO))
        router.close()


def test_what_is_registered_is_said_for_all_five_and_no_key_with_it(tmp_path: Path):
    file = tmp_path / "secrets.toml"
    file.write_text(f'[kimi]\napi_key = "{KEY}"\n')
    file.chmod(0o644)
    rows = Router(secrets_file=file, environ={"OPENROUTER_API_KEY": KEY}).registrations()
    assert [row.name for row in rows] == ["ollama", "ollama_cloud", "openrouter", "opencode", "kimi"]
    assert [row.registered for row in rows] == [True, False, True, False, False]
    assert "read by others" in rows[4].missing
    assert rows[4].hint == f"chmod 600 {file}"
    assert KEY not in repr(rows)


def test_a_key_file_open_to_others_is_said_and_not_used(tmp_path: Path):
    file = tmp_path / "secrets.toml"
    file.write_text(f'[kimi]\napi_key = "{KEY}"\n')
    file.chmod(0o644)
    with pytest.raises(NotFoundError, match="read by others") as caught:
        Router(secrets_file=file, environ={}).complete(Ask("kimi/demo", HELLO))
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Ask("", HELLO),
        lambda: Ask("demo", ()),
        lambda: Ask("demo", HELLO, temperature=-0.1),
        lambda: Ask("demo", HELLO, temperature=2.1),
        lambda: Ask("demo", HELLO, temperature=float("nan")),
        lambda: Ask("demo", HELLO, max_tokens=0),
        lambda: Message("boss", "hello"),  # type: ignore[arg-type]
        lambda: Message("user", None),  # type: ignore[arg-type]
        lambda: Message("user", "\ud800"),
    ],
)
def test_a_request_that_means_nothing_is_refused(make):
    with pytest.raises(InvalidError):
        make()


def test_the_digest_is_that_of_everything_that_is_asked():
    ask = Ask("demo", HELLO)
    others = [
        Ask("other", HELLO),
        Ask("demo", (Message("system", "hello"),)),
        Ask("demo", (Message("user", "hello "),)),
        Ask("demo", HELLO, temperature=0.3),
        Ask("demo", HELLO, max_tokens=7),
        Ask("demo", HELLO, as_json=True),
    ]
    assert ask.digest == Ask("demo", [Message("user", "hello")]).digest  # type: ignore[arg-type]
    assert len({one.digest for one in [ask, *others]}) == 7
    assert json.loads(json.dumps(ask.to_dict()))["messages"] == [{"role": "user", "content": "hello"}]


def test_the_workbench_asks_by_its_settings(tmp_path: Path):
    with LocalChatServer(lambda messages: messages[-1]["content"].upper()) as server:
        settings = {"ollama_url": server.url, "chat_model": "ollama/demo"}
        with workbench.connect(tmp_path / "lake", folder=tmp_path, **settings) as wb:
            assert wb.llm.chat("hello", system="Shout.").text == "HELLO"
            assert wb.llm.local_models() == ["demo"]
        assert [message["role"] for message in server.requests[0]["messages"]] == ["system", "user"]


def test_settings_set_every_address_the_chain_and_the_key(tmp_path: Path):
    with LocalChatServer(lambda _: "yes", key=KEY) as server:
        urls = {f"{row.prefix}_url": server.openai_url if row.wire == "openai" else server.url for row in PROVIDERS}
        urls["ollama_url"] = "http://127.0.0.1:1"
        environ = {row.variable: KEY for row in PROVIDERS if row.variable} | {
            "LH_CHAT_FALLBACK": "nobody:cloud, kimi/demo"
        }
        with workbench.connect(tmp_path / "lake", folder=tmp_path, environ=environ, **urls) as wb:
            for row in PROVIDERS[1:]:
                assert wb.llm.chat("hello", model=f"{row.prefix}/demo").provider == row.prefix
            done = wb.llm.chat("hello", model="opencode/none")
        assert (done.provider, len(done.failed)) == ("kimi", 2)


def test_a_list_as_chain_is_refused_with_the_right_form(tmp_path: Path):
    (tmp_path / "lakehouse.toml").write_text('chat_fallback = ["kimi/k2"]')
    with pytest.raises(ConfigError, match="chat_fallback"):
        workbench.connect(tmp_path / "lake", folder=tmp_path, environ={})


def test_no_server_is_asked_before_a_model_is(tmp_path: Path):
    with workbench.connect(tmp_path / "lake", folder=tmp_path, environ={}, ollama_url="http://127.0.0.1:1") as wb:
        assert len(wb.llm.providers()) == 5
        with pytest.raises(ProviderError, match="does not answer"):
            wb.llm.local_models()
