"""No log of what people and models wrote holds a name, phone or number in the clear: not on disk, not in SQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lake_desk import ORDER, TODAY, fill_of, model, name_of, open_desk

from workbench.errors import ProviderError
from workbench.llm.attempts import Attempt, Complaint, Limits, Run, Task
from workbench.llm.chat import Ask, Message
from workbench.llm.scripted import Scripted
from workbench.session import Workbench
from workbench.session.covering import NOT_KEPT, covering

WHO = name_of(7)  # Hal Ash
PHONE = "815-555-0007"


@pytest.fixture
def wb(tmp_path: Path) -> Iterator[Workbench]:
    with open_desk(tmp_path, chat_log_text=True) as opened:
        yield opened


def written(wb: Workbench, dataset: str) -> str:
    """All that a dataset holds, unmasked, and what waits on this machine."""
    rows = wb.sql(f"SELECT * FROM {dataset}", show_pii=True).table.to_pylist()
    assert rows
    waiting = [path.read_text() for path in Path(wb.folders.state or "").rglob("*.jsonl")]
    return "\n".join([*(str(value) for row in rows for value in row.values()), *waiting])


def run_saying(raw: str, **more: Any) -> Run:
    attempt = Attempt(1, raw, "validation_failed", provider="scripted", **more)
    return Run(
        Task("fill", f"Not {WHO.upper()} again.", "scripted/x", trace_id="s"), Limits(), (attempt,), "iterations", 0.1
    )


SPELLINGS = {
    "as it is": WHO,
    "in capitals": WHO.upper(),
    "turned": "Ash, Hal",
    "in JSON": json.dumps({"name": WHO}),
    "escaped": "".join(f"\\u{ord(sign):04x}" for sign in WHO),
    "in a string in JSON": json.dumps(json.dumps({"first": "Hal", "last": "Ash"})),
    "zero width": "Hal\u200b Ash",
}


@pytest.mark.parametrize("raw", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_no_session_line_holds_a_name_of_the_roster(wb, raw):
    wb.logs.sessions.note(run_saying(f"We take {raw} at {PHONE}."))
    said = written(wb, "iterate_sessions").casefold()
    assert not [word for word in ("hal", "ash", "555-0007", "\\u0068") if word in said.replace("share", "")]
    assert "we take" in said


def test_neither_a_finding_nor_a_path_nor_a_change_names_anybody(wb):
    told = Complaint("phantom_id", f"Nearest: W-7 {WHO}", f"fills[0].{WHO}", got={WHO: PHONE}, nearest_valid=(WHO,))
    wb.logs.sessions.note(run_saying("{}", findings=(told,)))
    said = written(wb, "iterate_sessions")
    assert "Nearest: W-7 " in said  # ids are what the log is read for
    assert not [word for word in (WHO, "Hal", "555-0007") if word in said]


def test_a_whole_run_leaves_no_name_but_in_what_was_accepted(wb):
    wrong = {**fill_of(1), "candidate_id": "W-99812"}
    turns = [json.dumps({"fills": [wrong, fill_of(2), fill_of(3)]}), json.dumps({"fills": [fill_of(7)]})]
    run = wb.iterate("fill", ORDER, model=model(*turns), today=TODAY)
    assert run.accepted
    (row,) = wb.sql("SELECT * FROM iterate_sessions", show_pii=True).table.to_pylist()
    assert not [name for name in map(name_of, range(40)) if name in row["attempts"] or name in row["prompt"]]
    assert WHO in row["artifact"]
    shown = wb.sql("SELECT * FROM iterate_sessions").table.to_pylist()
    assert WHO not in str(shown)


def test_no_call_of_a_model_keeps_a_name_in_its_texts(wb):
    asked = wb.llm.noted(Scripted([f"{WHO} can come, {PHONE}."]), "chat")
    asked.complete(Ask("scripted/x", (Message("system", f"About {WHO}."), Message("user", f"Ask {WHO.lower()}?"))))
    said = written(wb, "llm_calls")
    assert "can come" in said
    assert not [word for word in (WHO, WHO.lower(), "555-0007") if word in said]


def test_what_a_server_repeats_of_a_request_in_its_error_is_covered_too(wb):
    repeated = ProviderError(f"Ollama said: cannot read 'Dear {WHO}'.", details={"said": WHO})
    asked = wb.llm.noted(Scripted([repeated]), "chat")
    with pytest.raises(ProviderError):
        asked.complete(Ask("scripted/x", (Message("user", "hi"),)))
    said = written(wb, "llm_calls")
    assert "Ollama said" in said
    assert WHO not in said


def test_nothing_is_kept_when_nobody_can_say_who_there_is():
    def gone() -> Any:
        raise ProviderError("The lake is gone.")

    assert covering(gone)(f"Take {WHO}.") == NOT_KEPT
