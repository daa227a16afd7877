"""Review: decisions as appended lines, undo, what stands, and what to look at next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.distill.records import EvidenceRecord, ScoredRun, checked
from workbench.distill.review import log
from workbench.distill.review.decisions import Decision, Gold, Logged, Standing, standing, undo_of
from workbench.distill.review.derived import deciding, derive
from workbench.distill.review.queue import Candidate, queue
from workbench.distill.root import Root
from workbench.errors import ConflictError, InvalidError, NotFoundError
from workbench.records import sig_hash

AT = "2026-11-20T08:00:00Z"


def decided(run: str = "r1", reviewer: str = "ann", said: str = "accept", **more: Any) -> Decision:
    more.setdefault("corrected_text", "better" if said == "fix" else "")
    return Decision(run, reviewer, said, AT, more.pop("guideline_version", "g1"), **more)


def log_of(*decisions: Decision) -> list[Logged]:
    return [Logged(line, one) for line, one in enumerate(decisions)]


def plays(*decisions: Decision) -> Standing:
    return standing(log_of(*decisions))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"run_id": " "}, "run_id must not be blank"),
        ({"decision": "perhaps"}, "decision is one of"),
        ({"at": "2026-11-20T08:00:00"}, "zone"),
        ({"at": "yesterday"}, "zone"),
        ({"decision": "fix"}, "corrected_text"),
        ({"corrected_text": "x"}, "corrected_text"),
        ({"guideline_version": ""}, "guideline_version"),
        ({"adjudicates": True, "decision": "skip"}, "adjudicates"),
        ({"note": "x"}, "no field note"),
        ({"schema": "review.v2"}, "schema"),
    ],
)
def test_a_line_that_is_no_decision(change: dict[str, Any], says: str) -> None:
    row = decided().to_dict()
    assert Decision.from_dict(row) == decided()
    with pytest.raises(InvalidError, match=says):
        Decision.from_dict(row | change)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidError) as caught:
        Decision.from_dict({"schema": "review.v1", "decision": "perhaps", "at": 5})
    assert len(caught.value.details["errors"]) >= 5


def test_a_later_decision_replaces_an_earlier_one_of_the_same_reviewer() -> None:
    now = plays(decided(said="accept"), decided(said="reject"))
    assert [one.decision.decision for one in now.by_run["r1"]] == ["reject"]


def test_undo_brings_back_what_was_replaced() -> None:
    made = [decided(said="accept"), decided(said="reject"), decided(said="undo")]
    found = plays(*made).deciding("r1")
    assert found is not None
    assert (found.line, found.decision.decision) == (0, "accept")
    assert plays(*made, decided(said="undo")).by_run == {}


def test_undo_goes_fifty_deep_in_reverse_order() -> None:
    made = log_of(*(decided(f"r{n}") for n in range(50)))
    undone = []
    for _ in range(50):
        line = undo_of(made, "ann", at=AT)
        undone.append(line.run_id)
        made.append(Logged(len(made), line))
    assert undone == [f"r{n}" for n in reversed(range(50))]
    assert standing(made).by_run == {}
    with pytest.raises(NotFoundError):
        undo_of(made, "ann", at=AT)


def test_an_undo_takes_back_ones_own_decisions_only() -> None:
    made = log_of(decided("r1", "ann"), decided("r2", "bob"))
    assert undo_of(made, "ann", at=AT).run_id == "r1"
    assert set(plays(*(one.decision for one in made), undo_of(made, "ann", at=AT)).by_run) == {"r2"}


@given(st.lists(st.tuples(st.sampled_from(["r1", "r2"]), st.sampled_from(["accept", "reject", "skip", "fix", "undo"]))))
def test_undo_after_undo_takes_back_everything(steps: list[tuple[str, str]]) -> None:
    made = log_of(*(decided(run, said=said) for run, said in steps))
    for _ in range(len(steps) + 1):
        try:
            line = undo_of(made, "ann", at=AT)
        except NotFoundError:
            break
        before = standing(made).by_run
        made.append(Logged(len(made), line))
        assert standing(made).by_run != before
    assert standing(made).by_run == {}


def test_a_dispute_decides_nothing_until_it_is_settled() -> None:
    dispute = [decided(reviewer="ann", said="accept"), decided(reviewer="bob", said="reject")]
    assert plays(*dispute).contested("r1")
    assert plays(*dispute).deciding("r1") is None
    settled = plays(*dispute, decided(reviewer="cyd", said="reject", adjudicates=True))
    found = settled.deciding("r1")
    assert found is not None
    assert found.line == 2
    assert not settled.contested("r1")
    assert not plays(*dispute, decided(reviewer="bob", said="accept")).contested("r1")


def test_a_skip_is_no_judgement() -> None:
    now = plays(decided(said="skip"))
    assert now.deciding("r1") is None
    assert not now.contested("r1")


def test_a_changed_guideline_names_what_is_to_be_judged_again() -> None:
    now = plays(decided("r1", guideline_version="g1"), decided("r2", guideline_version="g2"))
    assert now.under_another_guideline("g2") == ("r1",)


@pytest.mark.parametrize(
    ("run", "said", "version"), [("", "accept", "g1"), ("r1", "skip", "g1"), ("r1", "accept", " ")]
)
def test_what_is_no_gold_item(run: str, said: Any, version: str) -> None:
    with pytest.raises(InvalidError):
        Gold(run, said, version)


def row(run: str, category: str = "needs_human_review", **more: Any) -> Candidate:
    return Candidate(run, more.pop("task", f"t-{run}"), more.pop("stream", "audits"), category, **more)


def test_the_queue_shows_disputes_first_then_doubt_and_not_what_is_sure() -> None:
    rows = [row("doubt"), row("sure", "accepted"), row("half", "partially_accepted"), row("dispute", "accepted")]
    now = plays(decided("dispute", "ann", "accept"), decided("dispute", "bob", "reject"))
    found = queue(rows, now)
    assert [one.run_id for one in found] == ["dispute", "doubt", "half"]
    assert "2 reviewers disagree" in found[0].why
    assert found[1].why == "the scorer says needs_human_review; 0 of audits judged so far"


def test_the_observer_against_the_scorer_and_a_split_task_are_shown() -> None:
    rows = [row("a", "accepted", verdict="reject"), row("b", "accepted", verdict="accept")]
    rows += [row("c", "rejected", verdict="reject"), row("d", "accepted", verdict="cycle")]
    assert [one.run_id for one in queue(rows, Standing({}))] == ["a"]
    rows = [row("a", "accepted", task="t"), row("b", "rejected", task="t"), row("c", "accepted", task="u")]
    assert [one.run_id for one in queue(rows, Standing({}))] == ["a", "b"]


def test_a_thin_stream_comes_before_one_that_was_judged_often() -> None:
    rows = [row(f"a{n}") for n in range(4)] + [row("z", stream="outcomes")]
    now = plays(*(decided(f"a{n}") for n in range(3)))
    assert [one.run_id for one in queue(rows, now)] == ["z", "a3"]


def test_what_is_settled_comes_again_under_another_guideline() -> None:
    now = plays(decided("a", guideline_version="g1"))
    assert queue([row("a")], now, guideline_version="g1") == ()
    [found] = queue([row("a", "accepted")], now, guideline_version="g2")
    assert "guideline has changed" in found.why


def test_a_reviewer_is_not_shown_again_what_they_skipped() -> None:
    now = plays(decided("a", "ann", "skip"))
    assert queue([row("a")], now, reviewer="ann") == ()
    assert len(queue([row("a")], now, reviewer="bob")) == 1


def test_an_unsure_observer_makes_a_sure_category_doubtful() -> None:
    [found] = queue([row("a", "accepted", confidence=0.5), row("b", "accepted", confidence=1.0)], Standing({}))
    assert (found.run_id, found.parts["uncertainty"]) == ("a", 1.0)


@given(st.permutations([row("a"), row("b"), row("c", "partially_accepted"), row("d", "accepted", confidence=0.6)]))
def test_the_order_does_not_depend_on_the_order_of_the_rows(rows: list[Candidate]) -> None:
    assert [one.run_id for one in queue(rows, Standing({}))] == ["a", "b", "d", "c"]


EVIDENCE = {
    "run_id": "r1",
    "task_id": "t1",
    "timestamp": "2026-11-01T00:00:00Z",
    "schema_version": 1,
    "text": "as it was",
    "model_role": "executor",
    "metadata": {"kept": 1},
    "provenance": {
        "source_file": "data/_kb/audits.jsonl",
        "line_offset": 0,
        "sig_hash": "a" * 64,
        "recorded_at": "2026-11-01T00:00:00Z",
    },
}
SCORED = {
    "schema_version": 1,
    "evidence_run_id": "r1",
    "evidence_task_id": "t1",
    "category": "needs_human_review",
    "reasons": ["nobody could say"],
    "scored_at": "2026-11-01T00:00:00Z",
    "scorer_version": "v1.0.0",
    "provenance": EVIDENCE["provenance"],
}


@pytest.mark.parametrize(
    ("said", "category", "text"),
    [("accept", "accepted", "as it was"), ("reject", "rejected", "as it was"), ("fix", "accepted", "better")],
)
def test_a_decision_becomes_rows_of_the_contract(said: str, category: str, text: str) -> None:
    one = Logged(7, decided(said=said, reason="seen"))
    made = derive(one, EVIDENCE, SCORED, source_file="data/_kb/reviews.jsonl")
    checked(EvidenceRecord, made.evidence)
    checked(ScoredRun, made.scored)
    assert made.evidence["run_id"] == made.scored["evidence_run_id"] == "r1#review:7"
    assert (made.scored["category"], made.scored["scorer_version"]) == (category, "review.v1")
    assert (made.evidence["text"], made.evidence["model_role"]) == (text, "executor")
    assert made.evidence["metadata"]["kept"] == 1
    where = made.scored["provenance"]
    assert (where["source_file"], where["line_offset"]) == ("data/_kb/reviews.jsonl", 7)
    assert where["sig_hash"] == sig_hash(one.decision.to_dict())
    assert made.original is (EVIDENCE if said == "fix" else None)
    assert EVIDENCE["text"] == "as it was"
    assert EVIDENCE["metadata"] == {"kept": 1}


def test_the_log_gives_back_what_was_written_and_undo_withdraws_what_left(tmp_path: Path) -> None:
    root = Root(tmp_path)
    assert log.read(root) == ()
    log.write(root, decided(said="fix", reason="Ö"))
    assert set(deciding(standing(log.read(root)))) == {"r1"}
    log.write(root, undo_of(log.read(root), "ann", at=AT))
    assert [one.line for one in log.read(root)] == [0, 1]
    assert deciding(standing(log.read(root))) == {}


def test_a_line_of_the_log_that_is_no_decision_is_named(tmp_path: Path) -> None:
    root = Root(tmp_path)
    log.write(root, decided())
    with root.reviews.open("a") as file:
        file.write('{"schema":"review.v1","decision":"accept"}\n')
    with pytest.raises(InvalidError, match="line 2"):
        log.read(root)


def test_a_guideline_version_never_changes_its_text(tmp_path: Path) -> None:
    root = Root(tmp_path)
    first = log.add_guideline(root, "g1", "be strict", at=AT)
    assert log.add_guideline(root, "g1", "be strict", at="2026-11-21T00:00:00Z") == first
    with pytest.raises(ConflictError):
        log.add_guideline(root, "g1", "be kind", at=AT)
    log.add_guideline(root, "g2", "be kind", at=AT)
    assert [one.version for one in log.guidelines(root)] == ["g1", "g2"]
    path = log.guideline_file(root)
    path.write_text(path.read_text().replace("be strict", "be lenient"))
    with pytest.raises(InvalidError, match="line 1"):
        log.guidelines(root)


def test_gold_items_are_kept_and_replaced(tmp_path: Path) -> None:
    root = Root(tmp_path)
    log.add_gold(root, Gold("r1", "accept", "g1"))
    log.add_gold(root, Gold("r1", "reject", "g1"))
    assert log.gold(root) == (Gold("r1", "reject", "g1"),)
    with log.gold_file(root).open("a") as file:
        file.write('{"run_id":"r2"}\n')
    with pytest.raises(InvalidError, match="line 3"):
        log.gold(root)
