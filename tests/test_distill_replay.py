"""Replay: retrieval, the bundle, the gate, and what becomes of a call that fails."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.distill import replay as module
from workbench.distill.replay import (
    Bundle,
    Models,
    ReplayRun,
    Sample,
    jaccard,
    judge,
    prompt_of,
    replay,
    retrieve,
    tokens,
)
from workbench.errors import CancelledError, InvalidError, NotFoundError, ProviderTimeoutError, WorkbenchError
from workbench.llm.chat import Ask
from workbench.llm.scripted import Scripted

AT = "2026-11-20T08:00:00Z"
TASK = "review the scheduler for a missing timezone"
GOOD = (
    "The scheduler stores local times; I verified that every zone is written with its offset and reran the night shift."
)


def sample(name: str, content: str, score: str = "accepted") -> Sample:
    return Sample(name, f"title {name}", content, score)


CORPUS = (
    sample("a", "scheduler review\n- Verify the zone of each shift\nnothing else"),
    sample("b", "scheduler timezone drift", "partially_accepted"),
    sample("c", "completely unrelated"),
)


def run(script: Any = (GOOD,), **options: Any) -> tuple[ReplayRun, Scripted]:
    chat = Scripted(script)
    return replay(TASK, CORPUS, recorded_at=AT, models=Models(chat, "small", "big"), **options), chat


@given(st.text(), st.text())
def test_overlap_is_jaccard(a: str, b: str) -> None:
    one, two = tokens(a), tokens(b)
    assert jaccard(one, two) == jaccard(two, one)
    assert 0 <= jaccard(one, two) <= 1
    assert jaccard(one, one) == (1 if one else 0)


def test_overlap_by_hand() -> None:
    assert jaccard(tokens("Fix the Zone, fix it"), tokens("the zone")) == 2 / 4


def test_a_bundle_is_the_nearest_rows_three_examples_and_two_warnings() -> None:
    accepted = [sample(f"a{n}", f"scheduler review {'x ' * 1}filler{n}") for n in range(6)]
    partial = [sample(f"p{n}", f"scheduler timezone review filler{n}", "partially_accepted") for n in range(4)]
    found = retrieve(TASK, [*accepted, *partial])
    assert len(found.retrieved) == 8
    assert [one.overlap for one in found.retrieved] == sorted((one.overlap for one in found.retrieved), reverse=True)
    assert [one.id for one in found.warnings] == ["p0", "p1"]
    assert [one.id for one in found.examples] == ["a0", "a1", "a2"]


def test_a_row_that_shares_no_word_is_not_retrieved() -> None:
    assert {one.sample.id for one in retrieve(TASK, CORPUS).retrieved} == {"a", "b"}


def test_a_row_for_a_human_is_neither_example_nor_warning() -> None:
    found = retrieve(TASK, [sample("h", "scheduler review\nverify it", "needs_human_review")])
    assert len(found.retrieved) == 1
    assert (found.examples, found.warnings, found.validation_steps) == ((), (), ())


@given(st.permutations(CORPUS))
def test_a_bundle_does_not_depend_on_the_order_of_the_corpus(corpus: list[Sample]) -> None:
    assert retrieve(TASK, corpus) == retrieve(TASK, CORPUS)


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("verify the zone", "verify the zone"),
        ("  - Check it twice", "Check it twice"),
        ("3. ASSERT x == y", "ASSERT x == y"),
        ("* [ ] ensure the door is shut", "ensure the door is shut"),
        ("we verify the zone", None),
        ("checked it", None),
        ("verification", None),
    ],
)
def test_validation_steps(line: str, step: str | None) -> None:
    assert list(module.validation_steps(f"first\n{line}\nlast")) == ([step] if step else [])


def test_steps_of_rows_that_were_not_accepted_do_not_count() -> None:
    assert retrieve(TASK, [sample("p", "scheduler\nverify nothing", "partially_accepted")]).validation_steps == ()


STEPS = Bundle(validation_steps=("Verify the zone of each shift",))


@pytest.mark.parametrize(
    ("answer", "bundle", "reason"),
    [
        (GOOD, STEPS, None),
        (GOOD, Bundle(), None),
        ("y" * 80, Bundle(), None),
        ("y" * 79, Bundle(), "shorter"),
        (" " * 80, Bundle(), "shorter"),
        (f"I’m sorry, but {GOOD}", Bundle(), "refuses"),
        (f"I\ncannot do that. {GOOD}", Bundle(), "refuses"),
        (f"{GOOD} But it depends.", Bundle(), "hedges"),
        ("A long answer about payrolls and invoices, with sums that were added up and then added again.", STEPS,
        "shares no word"),
    ],
)  # fmt: skip
def test_the_gate(answer: str, bundle: Bundle, reason: str | None) -> None:
    gate = judge(answer, bundle)
    assert gate.passed == (reason is None)
    assert reason is None or reason in "; ".join(gate.reasons)


def test_a_good_answer_passes_and_the_model_sees_the_bundle() -> None:
    done, chat = run()
    assert done.passed
    assert not done.escalated
    [ask] = chat.asks
    assert ask.model == "small"
    said = ask.messages[0].content
    assert all(part in said for part in (TASK, "Verify the zone of each shift", "scheduler timezone drift", "title a"))


def test_without_retrieval_the_prompt_holds_the_task_alone() -> None:
    done, _ = run(no_retrieval=True)
    assert done.bundle == Bundle()
    assert done.prompt == prompt_of(TASK, Bundle())
    assert "title a" not in done.prompt


@pytest.mark.parametrize("first", ["too short", ProviderTimeoutError("slow"), NotFoundError("no such model")])
def test_a_failure_is_data_and_nobody_else_is_asked(first: str | WorkbenchError) -> None:
    done, chat = run((first, GOOD))
    assert not done.passed
    assert len(chat.asks) == 1
    row = json.loads(json.dumps(done.to_dict()))
    assert row["passed"] is False
    assert row["attempts"][0]["gate"]["reasons"]
    assert bool(row["attempts"][0]["error"]) == isinstance(first, WorkbenchError)


@pytest.mark.parametrize("first", ["too short", ProviderTimeoutError("slow")])
def test_escalation_asks_the_stronger_model_once(first: str | WorkbenchError) -> None:
    done, chat = run((first, GOOD), allow_escalation=True)
    assert [ask.model for ask in chat.asks] == ["small", "big"]
    assert done.passed
    assert done.escalated
    twice, chat = run((first, "short", GOOD), allow_escalation=True)
    assert not twice.passed
    assert len(chat.asks) == 2


def test_no_escalation_where_the_first_answer_passes() -> None:
    done, chat = run((GOOD, GOOD), allow_escalation=True)
    assert len(chat.asks) == 1
    assert not done.escalated


def test_a_dry_run_is_the_same_each_time_and_asks_nobody() -> None:
    runs = [replay(TASK, CORPUS, recorded_at=AT, models=None).to_dict() for _ in range(2)]
    assert runs[0] == runs[1]
    assert runs[0]["passed"]
    assert runs[0]["dry_run"]
    assert runs[0]["bundle"]["examples"] == ["a"]
    assert runs[0] != replay(TASK, CORPUS, recorded_at=AT, models=None, no_retrieval=True).to_dict()


def test_a_cancelled_replay_is_no_data() -> None:
    with pytest.raises(CancelledError):
        run((CancelledError("stop"),))


@pytest.mark.parametrize(("task", "models"), [(" ", None), (TASK, Models(Scripted([GOOD]), "small"))])
def test_what_cannot_be_replayed(task: str, models: Models | None) -> None:
    with pytest.raises(InvalidError):
        replay(task, CORPUS, recorded_at=AT, models=models, allow_escalation=True)


def test_a_script_that_reads_the_request_sees_temperature_zero() -> None:
    asked: list[Ask] = []
    script: Callable[[Ask], str] = lambda ask: asked.append(ask) or GOOD  # noqa: E731
    run(script)
    assert asked[0].temperature == 0


def test_every_run_is_appended_with_its_bundle(tmp_path: Path) -> None:
    path = tmp_path / "kb" / "replay_runs.jsonl"
    assert module.last_live(path) is None
    live, _ = run(("short",))
    module.append(path, live)
    module.append(path, replay(TASK, CORPUS, recorded_at=AT, models=None))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["dry_run"] for line in lines] == [False, True]
    assert [one["id"] for one in lines[0]["bundle"]["retrieved"]] == ["a", "b"]
    assert lines[0]["schema"] == "replay_run.v1"
    assert module.last_live(path) == lines[0]


def test_a_log_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "kb").write_text("a file where the folder should be")
    with pytest.raises(FileExistsError):
        module.append(tmp_path / "kb" / "replay_runs.jsonl", run()[0])


def test_a_corpus_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "playbooks.jsonl"
    with pytest.raises(NotFoundError):
        module.read_corpus(path)
    good = {"id": "a", "title": "t", "content": "c", "success_score": "accepted"}
    path.write_text(json.dumps(good) + "\n")
    assert module.read_corpus(path) == (Sample("a", "t", "c", "accepted"),)
    for bad in ("{torn", json.dumps(good | {"content": None})):
        path.write_text(json.dumps(good) + "\n" + bad + "\n")
        with pytest.raises(InvalidError, match="line 2"):
            module.read_corpus(path)
