"""The ledger: every call is a row, however it ended; no text unless allowed; costs that are known and no others."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import workbench
from workbench.cli.entry import main
from workbench.errors import CancelledError, ConfigError, ProviderError, RateLimitedError
from workbench.lake.lake import Lake
from workbench.lake.logs import Log
from workbench.lake.tables.storage import LocalStorage
from workbench.llm.chat import Ask, Completion, Message, Usage
from workbench.llm.fallback import Fallback
from workbench.llm.ledger import DATASET, SHAPE, Book, Ledger, prompt_digest, to_row
from workbench.llm.local_chat_server import LocalChatServer
from workbench.llm.scripted import Breaks, Scripted
from workbench.session import Workbench

ASK = Ask("kimi/k2", (Message("system", "Be short."), Message("user", "Call 312-555-0101 about W-2.")))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(LocalStorage(tmp_path / "lake"))


@pytest.fixture
def log(lake: Lake, tmp_path: Path) -> Iterator[Log]:
    made = Log(lake, tmp_path / "spool", SHAPE, to_row=to_row)
    yield made
    made.close(write=False)


def rows(lake: Lake, log: Log) -> list[dict[str, Any]]:
    assert log.flush(), log.stats()
    return lake.sql(f"SELECT * FROM {DATASET} ORDER BY happened_at").table.to_pylist()


def row(lake: Lake, log: Log) -> dict[str, Any]:
    (found,) = rows(lake, log)
    return found


class Elsewhere:
    """A model that answers as some provider does, with what it counted and charged."""

    def __init__(self, usage: Usage, provider: str = "kimi", model: str = "k2") -> None:
        self.done = Completion("Done, 312-555-0199.", model, provider, usage, "stop", 0.1, pseudonymised=3)

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        return self.done

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        yield from ("Done, ", "312-555-0199.", self.done)


def test_a_whole_answer_is_a_row(lake, log):
    model = Ledger(Scripted(["Hello."]), Book(log, "ann"), task="iterate:fill", trace_id="run-1")
    assert model.complete(replace(ASK, model="scripted/demo")).text == "Hello."
    found = row(lake, log)
    assert found.pop("happened_at").timestamp() == pytest.approx(time.time(), abs=60)
    assert len(found.pop("call_id")) == 24
    assert 0 <= found.pop("duration_s") < 60
    assert found == {
        "task": "iterate:fill", "trace_id": "run-1", "user": "ann", "asked": "scripted/demo", "provider": "scripted",
        "model": "demo", "outcome": "ok", "error": None, "finish": "stop", "prompt_tokens": 10, "completion_tokens": 2,
        "estimated": False, "cost_usd": 0.0, "first_token_s": None, "failed": [], "pseudonymised": 0,
        "replayed": False, "prompt_digest": prompt_digest(ASK.messages), "prompt": None, "answer": None,
    }  # fmt: skip


def test_a_streamed_answer_is_a_row_with_the_time_of_its_first_piece(lake, log):
    ticks = iter([10.0, 10.5, 12.0])
    model = Ledger(Scripted(["one two three"], piece=4), Book(log), clock=lambda: next(ticks))
    assert [piece for piece in model.stream(ASK) if isinstance(piece, str)] == ["one ", "two ", "thre", "e"]
    found = row(lake, log)
    assert (found["outcome"], found["first_token_s"], found["duration_s"]) == ("ok", 0.5, 2.0)
    assert (found["finish"], found["completion_tokens"], found["estimated"]) == ("stop", 4, False)


def test_nothing_is_noted_before_the_stream_is_asked_for(lake, log):
    Ledger(Scripted(["never"]), Book(log)).stream(ASK)
    assert log.flush()
    assert lake.catalog.find(DATASET) is None


def test_a_stream_that_is_left_in_the_middle_is_a_row_with_what_came(lake, log):
    pieces = Ledger(Scripted(["one two three"], piece=4), Book(log)).stream(ASK)
    next(pieces)
    next(pieces)
    pieces.close()
    found = row(lake, log)
    assert (found["outcome"], found["error"], found["provider"]) == ("cut_off", None, None)
    assert (found["completion_tokens"], found["estimated"]) == (2, True)


def test_who_has_all_of_the_answer_has_not_left_in_the_middle(lake, log):
    pieces = Ledger(Scripted(["one"]), Book(log)).stream(ASK)
    assert [next(pieces), next(pieces).text] == ["one", "one"]
    pieces.close()
    assert row(lake, log)["outcome"] == "ok"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ProviderError("It fell over at 312-555-0101."), "provider"),
        (RateLimitedError("Too many."), RateLimitedError.code),
        (CancelledError("Stopped."), "cancelled"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_a_failure_is_a_row_and_goes_on_to_the_caller(lake, log, error, outcome, streamed):
    model = Ledger(Scripted([Breaks("half an answer", error)]), Book(log))
    with pytest.raises(type(error)):
        list(model.stream(ASK)) if streamed else model.complete(ASK)
    found = row(lake, log)
    assert found["outcome"] == outcome
    assert "312" not in found["error"]
    assert (found["finish"], found["cost_usd"]) == (None, None)
    assert (found["completion_tokens"], found["estimated"]) == ((4, True) if streamed else (None, False))


def test_a_cancel_by_the_reader_is_a_row(lake, log):
    cancel = threading.Event()
    pieces = Ledger(Scripted(["one two three"], piece=4), Book(log)).stream(ASK, cancel=cancel)
    next(pieces)
    cancel.set()
    with pytest.raises(CancelledError):
        next(pieces)
    assert row(lake, log)["outcome"] == "cancelled"


def test_a_fallback_chain_says_who_failed_before(lake, log):
    script = [ProviderError("The first is down."), "It is me."]
    Ledger(Fallback(Scripted(script), ["scripted/b"]), Book(log)).complete(replace(ASK, model="scripted/a"))
    found = row(lake, log)
    assert (found["asked"], found["model"], found["outcome"]) == ("scripted/a", "b", "ok")
    assert found["failed"] == ["scripted/a: The first is down."]


def test_a_chain_that_failed_whole_says_who_failed_before_the_last(lake, log):
    script = [ProviderError("The first is down."), ProviderError("So is the second.")]
    with pytest.raises(ProviderError):
        Ledger(Fallback(Scripted(script), ["b"]), Book(log)).complete(replace(ASK, model="a"))
    found = row(lake, log)
    assert (found["failed"], found["error"]) == (["a: The first is down."], "So is the second.")


def test_texts_are_kept_only_when_allowed_and_covered(lake, log):
    Ledger(Elsewhere(Usage(1, 1)), Book(log)).complete(ASK)
    Ledger(Elsewhere(Usage(1, 1)), Book(log, keep_text=True)).complete(ASK)
    without, with_text = rows(lake, log)
    assert (without["prompt"], without["answer"]) == (None, None)
    assert with_text["prompt"].startswith("system: Be short.\n\nuser: Call ")
    assert with_text["answer"].startswith("Done, ")
    assert "555" not in json.dumps([with_text["prompt"], with_text["answer"]])
    assert with_text["pseudonymised"] == 3


def test_what_is_not_kept_never_reaches_the_disk(lake, log, tmp_path):
    Ledger(Elsewhere(Usage(1, 1)), Book(log)).complete(ASK)
    (Path(lake.url)).mkdir()
    (Path(lake.url) / "_staging").write_bytes(b"in the way")
    assert not log.flush()
    (spool,) = (tmp_path / "spool").glob("*.jsonl")
    assert "Call" not in spool.read_text()
    assert "Done" not in spool.read_text()


@pytest.mark.parametrize(
    ("usage", "provider", "prices", "cost"),
    [
        (Usage(1_000_000, 500_000), "kimi", {"kimi/k2": (0.6, 2.5)}, 0.6 + 1.25),
        (Usage(1_000_000, 500_000, 0.125), "openrouter", {"openrouter/k2": (9.0, 9.0)}, 0.125),
        (Usage(1_000_000, 500_000), "kimi", {"kimi/k3": (0.6, 2.5)}, None),
        (Usage(10, 10), "kimi", {}, None),
        (Usage(10, 10), "ollama", {}, 0.0),
        (Usage(10, 10), "ollama_cloud", {}, None),
    ],
)
def test_a_cost_is_what_is_known(lake, log, usage, provider, prices, cost):
    Ledger(Elsewhere(usage, provider), Book(log, prices=prices)).complete(ASK)
    assert row(lake, log)["cost_usd"] == (None if cost is None else pytest.approx(cost))


def test_tokens_that_the_provider_did_not_count_are_estimated_and_priced(lake, log):
    prices = {"kimi/k2": (1_000_000.0, 0.0)}
    Ledger(Elsewhere(Usage(None, 7)), Book(log, prices=prices)).complete(ASK)
    found = row(lake, log)
    assert (found["prompt_tokens"], found["completion_tokens"], found["estimated"]) == (10, 7, True)
    assert found["cost_usd"] == 10.0


def test_the_same_prompt_has_the_same_digest_and_another_has_another():
    assert prompt_digest(ASK.messages) == prompt_digest(list(ASK.messages))
    assert prompt_digest(ASK.messages) != prompt_digest(ASK.messages[1:])
    said = b'[{"content":"Hi","role":"user"}]'
    assert prompt_digest([Message("user", "Hi")]) == hashlib.sha256(said).hexdigest()


@pytest.fixture
def server() -> Iterator[LocalChatServer]:
    with LocalChatServer(lambda messages: messages[-1]["content"]) as running:
        yield running


def connect(place: Path, server: LocalChatServer, **more: str) -> Workbench:
    return workbench.connect(place / "lake", ollama_url=server.url, chat_model="ollama/demo", user="ann", **more)


def test_sql_sees_a_call_as_soon_as_it_has_ended(tmp_path, home, server):
    with connect(tmp_path, server) as wb:
        wb.llm.chat("one two")
        asked = "SELECT task, user, provider, cost_usd, completion_tokens FROM LLM_Calls"
        assert wb.sql(asked).table.to_pylist() == [
            {"task": "chat", "user": "ann", "provider": "ollama", "cost_usd": 0.0, "completion_tokens": 2}
        ]
        list(wb.llm.for_task("iterate:fill", trace_id="run-1").stream(wb.llm.ask("three")))
        assert wb.relation("SELECT trace_id FROM llm_calls WHERE task <> 'chat'").fetch().table.to_pylist() == [
            {"trace_id": "run-1"}
        ]
        assert all(each["prompt"] is None for each in wb.sql("SELECT prompt FROM llm_calls").table.to_pylist())


def test_texts_are_kept_by_a_setting(tmp_path, home, server):
    with connect(tmp_path, server, chat_log_text="true") as wb:
        wb.llm.chat("one 312-555-0101")
        (found,) = wb.sql("SELECT prompt, answer FROM llm_calls", show_pii=True).table.to_pylist()
    assert found["prompt"].startswith("user: one ")
    assert "555" not in str(found)


def test_the_ledger_can_be_turned_off(tmp_path, home, server):
    with connect(tmp_path, server, chat_log="false") as wb:
        wb.llm.chat("one two")
        assert wb.logs.calls.flush()
        assert wb.catalog.find(DATASET) is None


def test_an_answer_from_a_recording_is_free_and_says_so(tmp_path, home, server):
    with connect(tmp_path, server, chat_record=str(tmp_path / "kept.jsonl")) as wb:
        wb.llm.chat("one two")
    with connect(tmp_path, server, chat_replay=str(tmp_path / "kept.jsonl"), chat_prices="ollama/demo=5:5") as wb:
        wb.llm.chat("one two")
        asked = "SELECT replayed, cost_usd FROM llm_calls ORDER BY happened_at"
        assert wb.sql(asked).table.to_pylist() == [
            {"replayed": False, "cost_usd": 0.0},
            {"replayed": True, "cost_usd": 0.0},
        ]


@pytest.mark.parametrize("price", ["kimi/k2", "kimi/k2=0.6", "kimi/k2=a:b", "=1:2", "kimi/k2=-1:2", "kimi/k2=inf:1"])
def test_a_price_that_is_none_is_refused(tmp_path, price):
    with pytest.raises(ConfigError, match="chat_prices"):
        workbench.connect(tmp_path / "lake", chat_prices=price)


def test_prices_are_read_by_model(tmp_path):
    with workbench.connect(tmp_path / "lake", chat_prices="kimi/k2=0.60:2.50, openrouter/a/b=1:2") as wb:
        assert wb.settings.chat_prices == {"kimi/k2": (0.6, 2.5), "openrouter/a/b": (1.0, 2.0)}


@pytest.fixture
def lh(tmp_path: Path, home: Path, server: LocalChatServer, monkeypatch, capsys):
    """Run a command line on the lake in this process; its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("LH_OLLAMA_URL", server.url)
    monkeypatch.setenv("COLUMNS", "220")

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_history_shows_calls_of_earlier_commands_the_newest_first(lh):
    assert lh("history", "--calls")[1] == ""
    lh("chat", "one two", "--model", "ollama/demo")
    lh("chat", "three", "--model", "ollama/nope")
    code, out, _ = lh("history", "--calls", "--json")
    failed, fine = json.loads(out)
    assert code == 0
    assert (failed["outcome"], failed["provider"]) == ("not_found", None)
    assert (fine["outcome"], fine["model"], fine["prompt"]) == ("ok", "demo", None)
    code, out, _ = lh("history", "--calls", "-k", "1")
    assert "not_found" in out
    assert "ollama/demo" not in out
    assert lh("history", "--calls", "--access")[0] == 1


def test_somebodys_own_dataset_of_that_name_is_left_alone_and_said(lh, tmp_path):
    (tmp_path / "llm_calls.csv").write_text("mine\n1\n")
    lh("ingest", "llm_calls.csv")
    lh("chat", "one two", "--model", "ollama/demo")
    code, out, err = lh("history", "--calls")
    assert (code, out) == (0, "")
    assert "The dataset llm_calls has other columns than the call ledger" in " ".join(err.split())
    assert json.loads(lh("sql", "SELECT * FROM llm_calls", "--json")[1])["rows"] == [[1]]
