"""``lh iterate``: what is printed while it goes on, how it ends, where the prompt comes from, Ctrl-C."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lake_desk import ORDER, open_desk

from workbench.cli.entry import main
from workbench.llm.local_chat_server import LocalChatServer
from workbench.session import connect

Lh = Callable[..., tuple[int, str, str]]
DEADLINE_S = 120


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake with the desk of one order."""
    folder = tmp_path_factory.mktemp("desk")
    with open_desk(folder, search_log="false"):
        pass
    return folder / "lake"


@pytest.fixture
def lh(desk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Lh:
    """Run a command line in this process; its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LH_LAKE", str(desk))
    monkeypatch.setenv("LH_SEARCH_LOG", "false")
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_the_timeline_of_a_small_model_that_is_corrected(lh):
    code, out, err = lh("iterate", "fill", ORDER, "--model", "scripted/corrected")
    assert code == 0
    lines = out.splitlines()
    assert any('"forklift operators"' in line for line in lines), "what was read of the order, and from which words"
    attempts = [line for line in lines if line.startswith("attempt")]
    assert [line.partition("  (")[0] for line in attempts] == [
        "attempt 1  refused", "attempt 2  refused, 2 kept", "attempt 3  accepted, 2 kept",
    ]  # fmt: skip
    assert "W-99999999 Pat Nobody" in out
    assert "✗ phantom_id  fills[2].candidate_id  W-99999999 is not on the roster; nearest active" in out
    assert "  fills[2].candidate_id: W-99999999 → W-10" in out
    assert "fill: passed" in out
    assert "20 candidates of 25 who fit given to the model" in err
    assert "Accepted after 3 attempts: the validator passed it; everybody is on the roster" in err


def test_a_refusal_is_exit_1_and_says_why(lh):
    code, out, err = lh("iterate", "fill", ORDER, "--model", "scripted/stubborn", "--max-iterations", "5")
    assert code == 1
    assert out.count("attempt ") == 2
    assert "✗ Not accepted after 2 attempts: the same findings came twice." in err
    assert "Last finding: W-99999999 is not on the roster" in err


def test_as_json_it_is_the_200_of_the_contract(lh):
    code, out, _ = lh("iterate", "fill", ORDER, "--model", "scripted/honest", "--json")
    told = json.loads(out)
    assert code == 0
    assert list(told)[:5] == ["artifact", "validation", "iterations", "history", "trace_id"]
    assert len(told["artifact"]["fills"]) == 3


def test_as_json_a_refusal_is_the_error_with_the_history(lh):
    code, out, _ = lh("iterate", "fill", ORDER, "--model", "scripted/stubborn", "--json")
    error = json.loads(out)["error"]
    assert (code, error["code"]) == (1, "rejected")
    assert [row["status"] for row in error["details"]["history"]] == ["validation_failed"] * 2


def test_a_server_that_is_not_there_is_told_with_the_history(lh, monkeypatch):
    monkeypatch.setenv("LH_OLLAMA_URL", "http://127.0.0.1:1")
    code, out, err = lh("iterate", "fill", ORDER, "--model", "ollama/x", "--json")
    assert code == 1
    assert json.loads(out)["error"]["details"]["history"] == []
    assert "Ollama does not answer" in err


def test_the_prompt_may_come_from_a_file_or_from_stdin(lh, tmp_path, monkeypatch):
    (tmp_path / "order.txt").write_text(ORDER)
    code, _, err = lh("iterate", "fill", "order.txt", "--model", "scripted/honest")
    assert (code, "prompt read from order.txt" in err) == (0, True)
    monkeypatch.setitem(sys.__dict__, "stdin", io.TextIOWrapper(io.BytesIO(ORDER.encode())))
    assert lh("iterate", "fill", "-", "--model", "scripted/honest")[0] == 0


def test_a_prompt_that_is_no_text_is_refused(lh, tmp_path):
    (tmp_path / "order.bin").write_bytes(b"\xff\xfe3")
    code, _, err = lh("iterate", "fill", "order.bin", "--model", "scripted/honest")
    assert (code, "is not UTF-8 text" in err) == (1, True)


def test_a_context_file_wins_over_the_text(lh, tmp_path):
    (tmp_path / "context.json").write_text('{"target_count": 2}')
    out = lh("iterate", "fill", ORDER, "--context", "context.json", "--model", "scripted/honest", "--json")[1]
    assert len(json.loads(out)["artifact"]["fills"]) == 2


def test_candidates_budget_and_system_are_handed_on(lh):
    code, out, err = lh(
        "iterate", "fill", ORDER, "--model", "scripted/honest", "--candidate", "W-5", "--candidate", "6",
        "--candidate", "W-7", "--seconds", "60", "--system", "Be brief.",
    )  # fmt: skip
    assert code == 0
    assert "proposed: W-5 " in out
    assert "3 candidates given to the model" in err
    code, _, err = lh("iterate", "fill", ORDER, "--model", "scripted/honest", "--tokens", "5")
    assert (code, "the budget of tokens is used up" in err) == (1, True)


def test_an_answer_without_json_is_shown(lh):
    code, out, _ = lh("iterate", "playbook", "What worked?", "--model", "scripted/honest", "--max-iterations", "1")
    assert code == 1
    assert "attempt 1  no JSON in the answer" in out
    assert "  said: I am a script, not a model" in out


def test_a_message_is_shown_by_its_fields(lh, tmp_path):
    (tmp_path / "who.json").write_text('{"candidate_id": "W-3", "audience": "client"}')
    code, out, _ = lh("iterate", "email", "Tell them.", "--context", "who.json", "--model", "scripted/corrected")
    assert code == 0
    assert "pay_rate" in out
    assert "email: passed" in out


@pytest.fixture
def asked() -> Iterator[tuple[LocalChatServer, threading.Event]]:
    """A server that never answers, and an event that says it was asked."""
    begun, over = threading.Event(), threading.Event()

    def never(_messages: object) -> str:
        begun.set()
        over.wait(DEADLINE_S)
        return "{}"

    with LocalChatServer(never, models=["slow"]) as server:
        yield server, begun
        over.set()


def test_ctrl_c_ends_it_at_once_and_leaves_its_line(desk, asked, home):
    server, begun = asked
    environ = {**os.environ, "LH_LAKE": str(desk), "LH_OLLAMA_URL": server.url, "LH_SEARCH_LOG": "false"}
    command = [
        sys.executable,
        "-c",
        "from workbench.cli.entry import main; main()",
        "iterate",
        "fill",
        ORDER,
        "--model",
        "ollama/slow",
    ]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert begun.wait(DEADLINE_S), "the model was never asked"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 130
    assert "stopped" in err
    with connect(desk, search_log="false") as wb:
        ends = wb.sql("SELECT final_verdict FROM iterate_sessions WHERE model = 'ollama/slow'").table.to_pylist()
    assert ends == [{"final_verdict": "infra_error"}]
