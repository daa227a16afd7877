"""``lh chat`` and ``lh models``: what is printed where, and how they end."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workbench.cli.entry import main
from workbench.llm import local_chat_server as faults
from workbench.llm.local_chat_server import LocalChatServer

KEY = "very-secret-0123456789"
ROOT = Path(__file__).parents[1]
DEADLINE_S = 60
Lh = Callable[..., tuple[int, str, str]]


@pytest.fixture
def server() -> Iterator[LocalChatServer]:
    with LocalChatServer(lambda messages: messages[-1]["content"], models=["demo", "gemma3:4b"]) as running:
        yield running


@pytest.fixture
def lh(
    server: LocalChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Lh:
    """Run a command line in this process; its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("LH_OLLAMA_URL", server.url)
    monkeypatch.setenv("LH_CHAT_MODEL", "ollama/demo")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_the_answer_goes_to_stdout_and_what_it_took_to_stderr(lh, server):
    code, out, err = lh("chat", "one two", "--model", "ollama/demo", "--system", "Be short.", "--max-tokens", "50")
    assert (code, out) == (0, "one two\n")
    assert "ollama/demo · 4 + 2 tokens" in err
    assert [message["role"] for message in server.requests[0]["messages"]] == ["system", "user"]
    assert server.requests[0]["options"]["num_predict"] == 50


def test_streamed_it_is_the_same_text(lh, server):
    assert lh("chat", "one two\nthree", "--stream")[:2] == (0, "one two\nthree\n")
    assert server.requests[0]["stream"] is True


def test_as_json_it_is_the_whole_completion(lh):
    for more in ((), ("--stream",)):
        code, out, _ = lh("chat", "one two", "--json", *more)
        told = json.loads(out)
        assert code == 0
        assert (told["text"], told["provider"], told["model"], told["finish"]) == ("one two", "ollama", "demo", "stop")
        assert told["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "cost_usd": None}


def test_json_mode_is_asked_for(lh, server):
    lh("chat", "{}", "--json-mode")
    assert server.requests[0]["format"] == "json"


def test_the_question_may_come_from_stdin(lh, server, monkeypatch):
    monkeypatch.setitem(sys.__dict__, "stdin", io.TextIOWrapper(io.BytesIO("é from a pipe".encode())))
    assert lh("chat", "-")[:2] == (0, "é from a pipe\n")


def test_what_would_steer_a_terminal_is_taken_out(lh):
    for more in ((), ("--stream",)):
        _, out, _ = lh("chat", "a \x1b[31mred\x1b[0m", *more)
        assert "\x1b" not in out
        assert "red" in out


def test_an_answer_that_was_cut_off_says_how_to_get_all(lh):
    code, out, err = lh("chat", "a b c d", "--max-tokens", "2")
    assert (code, out) == (0, "a b\n")
    assert "--max-tokens" in err


def test_who_failed_before_is_said(lh, server, monkeypatch):
    monkeypatch.setenv("LH_CHAT_FALLBACK", "demo")
    code, out, err = lh("chat", "one", "--model", "kimi/k2")
    assert (code, out) == (0, "one\n")
    assert "asked before it: kimi/k2: Kimi is not registered: KIMI_API_KEY is not set" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "kimi/k2"), "KIMI_API_KEY"),
        (("--model", "nobody"), "ollama pull nobody"),
        (("--temperature", "9"), "temperature"),
        (("--max-tokens", "0"), "max_tokens"),
    ],
)
def test_what_cannot_be_answered_is_told_and_the_exit_code_is_1(lh, words, said):
    code, out, err = lh("chat", "one", *words)
    assert (code, out) == (1, "")
    assert said in err


def test_a_stream_that_breaks_ends_its_line_and_fails(lh, server):
    server.faults += [faults.end_early(2)]
    code, out, err = lh("chat", "one two three", "--stream")
    assert (code, out) == (1, "one two\n")
    assert "broke off in the middle" in err


def test_an_error_as_json_has_the_one_form(lh):
    code, out, _ = lh("chat", "one", "--model", "kimi/k2", "--json")
    assert code == 1
    assert json.loads(out)["error"]["code"] == "not_found"


def test_models_says_who_is_there_and_what_the_others_lack(lh, monkeypatch):
    monkeypatch.setenv("OPENROUTER_API_KEY", KEY)
    code, out, err = lh("models")
    assert code == 0
    for said in ("openrouter", "KIMI_API_KEY is not set", "ollama/demo", "ollama/gemma3:4b"):
        assert said in out
    assert "ollama/demo" in err
    assert KEY not in out + err
    told = json.loads(lh("models", "--json")[1])
    assert {row["name"]: row["registered"] for row in told["providers"]} == {
        "ollama": True,
        "ollama_cloud": False,
        "openrouter": True,
        "opencode": False,
        "kimi": False,
    }
    assert told["local"] == ["ollama/demo", "ollama/gemma3:4b"]


def test_models_without_ollama_says_how_to_start_it(lh, server):
    server.close()
    code, out, err = lh("models")
    assert code == 0
    assert "kimi" in out
    assert "ollama serve" in err
    assert "ollama serve" in json.loads(lh("models", "--json")[1])["local_problem"]


def test_pieces_are_printed_as_they_come(server, tmp_path):
    """A real process: its first words can be read while the server still holds the rest back."""
    freed = threading.Event()
    server.faults += [faults.slow(freed, after=2, limit_s=DEADLINE_S)]
    start = [sys.executable, "-c", "from workbench.cli.entry import main; main()"]
    command = [*start, "chat", "one two three", "--stream", "--model", "demo", "--lake", str(tmp_path / "lake")]
    environ = {"LH_OLLAMA_URL": server.url, "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, cwd=ROOT) as process:
        assert process.stdout is not None
        first = process.stdout.read(7)
        freed.set()
        rest, err = process.communicate(timeout=DEADLINE_S)
    assert (first, rest) == (b"one two", b" three\n")
    assert process.returncode == 0, err
