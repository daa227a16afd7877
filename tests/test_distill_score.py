"""The contract's table of categories, cell by cell, and the scored partitions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from workbench import records
from workbench.distill import scorer
from workbench.distill.collect import collect
from workbench.distill.fixture import ACCEPTANCE_RECORDED_AT as AT
from workbench.distill.fixture import write_acceptance, write_fixture
from workbench.distill.records import CATEGORIES, ScoredRun, checked, encode
from workbench.distill.root import STREAMS, Root
from workbench.distill.score import score_all
from workbench.distill.scorer import SCORER_VERSION, judge, score

LATER = "2026-04-28T00:00:00.000Z"


def evidence(stream: str, **fields: Any) -> dict[str, Any]:
    at = records.Provenance(f"data/_kb/{stream}.jsonl", "a" * 64, AT, 0)
    base = {"run_id": f"{stream}:0", "task_id": "t", "timestamp": AT, "schema_version": 1, "provenance": at.to_dict()}
    return base | fields


def marks(good: str | None = None, bad: str | None = None) -> dict[str, Any]:
    found = {"success_markers": [good] if good else None, "failure_markers": [bad] if bad else None}
    return {name: value for name, value in found.items() if value is not None}


def test_the_version_is_the_contract_s():
    assert SCORER_VERSION == "v1.0.0"


def test_the_version_is_not_read_from_the_environment():
    code = "from workbench.distill.scorer import SCORER_VERSION as v; print(v)"
    environment = os.environ | {"SCORER_VERSION": "v9", "LH_SCORER_VERSION": "v9"}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert run.stdout == "v1.0.0\n"


@pytest.mark.parametrize(
    ("stream", "fields", "category"),
    [
        ("scrum_reviews", marks("accepted_on_attempt_1"), "accepted"),
        ("scrum_reviews", marks("accepted_on_attempt_2"), "partially_accepted"),
        ("scrum_reviews", marks("accepted_on_attempt_3"), "partially_accepted"),
        ("scrum_reviews", marks("accepted_on_attempt_4"), "partially_accepted"),
        ("scrum_reviews", marks("accepted_on_attempt_10"), "partially_accepted"),
        ("scrum_reviews", marks(), "needs_human_review"),
        ("scrum_reviews", marks("accepted_on_attempt_x"), "needs_human_review"),
        ("scrum_reviews", {"success_markers": []}, "needs_human_review"),
        ("observer_reviews", {"observer_verdict": "accept"}, "accepted"),
        ("observer_reviews", {"observer_verdict": "cycle"}, "partially_accepted"),
        ("observer_reviews", {"observer_verdict": "reject"}, "rejected"),
        ("observer_reviews", {}, "needs_human_review"),
        ("observer_reviews", {"observer_verdict": None}, "needs_human_review"),
        ("audits", marks("audit_severity_info"), "accepted"),
        ("audits", marks("audit_severity_low"), "accepted"),
        ("audits", marks(None, "audit_severity_medium"), "partially_accepted"),
        ("audits", marks(None, "audit_severity_high"), "rejected"),
        ("audits", marks(None, "audit_severity_critical"), "rejected"),
        ("audits", marks(), "needs_human_review"),
        ("audits", marks("high"), "needs_human_review"),
        ("contract_analyses", {"observer_verdict": "accept"}, "accepted"),
        ("contract_analyses", {"observer_verdict": "accept", "failure_markers": []}, "accepted"),
        ("contract_analyses", {"observer_verdict": "accept", "failure_markers": ["x"]}, "partially_accepted"),
        ("contract_analyses", {"observer_verdict": "reject"}, "rejected"),
        ("contract_analyses", {"observer_verdict": "cycle"}, "needs_human_review"),
        ("contract_analyses", {}, "needs_human_review"),
        ("auto_apply", marks("committed"), "accepted"),
        ("auto_apply", marks(None, "build_red_reverted"), "rejected"),
        ("auto_apply", marks("committed", "late_reverted"), "rejected"),
        ("auto_apply", marks(), "needs_human_review"),
        ("outcomes", marks("all_events_ok"), "accepted"),
        ("outcomes", {"validation_results": {"gap_signals": 1}}, "partially_accepted"),
        ("outcomes", marks("all_events_ok") | {"validation_results": {"gap_signals": 2}}, "accepted"),
        ("outcomes", {"validation_results": {"gap_signals": 0}}, "needs_human_review"),
        ("outcomes", {"validation_results": {"gap_signals": True}}, "needs_human_review"),
        ("outcomes", {"validation_results": {"gap_signals": "3"}}, "needs_human_review"),
        ("outcomes", {}, "needs_human_review"),
        ("mode_experiments", {"text": "a", "latency_ms": 120_001}, "partially_accepted"),
        ("mode_experiments", {"text": "a", "latency_ms": 120_000}, "needs_human_review"),
        ("mode_experiments", {"text": "a"}, "needs_human_review"),
        ("mode_experiments", {"text": ""}, "rejected"),
        ("mode_experiments", {"text": " \n", "latency_ms": 130_000}, "rejected"),
        ("mode_experiments", {}, "rejected"),
        ("sessions", {"success_markers": ["accepted_at_iteration_1", "grounded_in_roster"]}, "accepted"),
        ("sessions", {"success_markers": ["accepted_at_iteration_2", "grounded_in_roster"]}, "partially_accepted"),
        ("sessions", marks(None, "max_iter_exhausted"), "rejected"),
        ("sessions", marks("accepted_at_iteration_1", "not_grounded_in_roster"), "rejected"),
        ("sessions", marks(None, "infra_error"), "needs_human_review"),
        ("sessions", marks("accepted_at_iteration_1"), "needs_human_review"),
        ("sessions", {}, "needs_human_review"),
    ],
)
def test_the_table_of_categories(stream, fields, category):
    found, reason = judge(evidence(stream, **fields))
    assert found == category
    assert reason.strip()


def test_a_review_after_four_attempts_says_that_the_cost_was_high():
    assert "high cost" in judge(evidence("scrum_reviews", success_markers=["accepted_on_attempt_4"]))[1]
    assert "high cost" not in judge(evidence("scrum_reviews", success_markers=["accepted_on_attempt_3"]))[1]


@pytest.mark.parametrize("stream", [*(set(STREAMS) - set(scorer.RULES)), "unknown", "scrum_reviews_old"])
@pytest.mark.parametrize(
    "fields", [{}, {"observer_verdict": "accept"}, marks("committed"), marks("accepted_on_attempt_1")]
)
def test_extractions_and_unknown_streams_are_always_for_a_human(stream, fields):
    assert judge(evidence(stream, **fields))[0] == "needs_human_review"


def test_the_extraction_class_has_no_rule():
    extracted = {"distilled_facts", "distilled_procedures", "distilled_config_hints", "audit_facts"}
    assert set(STREAMS) - set(scorer.RULES) == extracted | {"observer_escalations"}


def test_a_scored_run_is_a_valid_record_in_the_record_s_order():
    row = evidence(
        "contract_analyses",
        observer_verdict="accept",
        validation_results={"anchor_grounding": 0.5, "pathway_replay_succeeded": True},
    )
    scored = score(row, scored_at=LATER)
    assert records.encode(scored) == encode(checked(ScoredRun, scored))
    assert scored["sub_scores"] == {
        "anchor_grounding": 0.5,
        "schema_valid": True,
        "pathway_replay_succeeded": True,
        "observer_verdict": "accept",
    }
    assert (scored["evidence_run_id"], scored["scored_at"], scored["provenance"]) == (
        "contract_analyses:0",
        LATER,
        row["provenance"],
    )


@pytest.mark.parametrize("grounding", [1.5, -1, True, "0.5", None])
def test_a_sub_score_out_of_bounds_is_left_out(grounding):
    row = evidence("audits", validation_results={"anchor_grounding": grounding})
    assert "anchor_grounding" not in score(row, scored_at=AT)["sub_scores"]
    checked(ScoredRun, score(row, scored_at=AT))


@pytest.fixture
def root(tmp_path) -> Root:
    made = write_acceptance(tmp_path)
    collect(made, recorded_at=AT)
    return made


def read(paths: tuple[Path, ...]) -> list[dict[str, Any]]:
    return [row for path in paths for _, row in records.rows(path)]


def test_each_evidence_row_has_one_scored_run_in_the_same_partition(root):
    done = score_all(root, recorded_at=LATER)
    assert [path.relative_to(root.path / "data/evidence") for path in root.evidence_files()] == [
        path.relative_to(root.path / "data/scored-runs") for path in root.scored_files()
    ]
    for before, after in zip(root.evidence_files(), root.scored_files(), strict=True):
        assert [row["run_id"] for row in read((before,))] == [row["evidence_run_id"] for row in read((after,))]
    assert (done.counts.records_in, done.counts.records_out, done.counts.lost()) == (14, 14, 0)
    assert done.categories == dict(zip(CATEGORIES, (6, 2, 4, 2), strict=True))
    assert done.outputs == root.scored_files()


def test_scoring_again_adds_nothing_on_any_day(root):
    score_all(root, recorded_at=AT)
    before = {path: path.read_bytes() for path in root.scored_files()}
    again = score_all(root, recorded_at=LATER)
    assert {path: path.read_bytes() for path in root.scored_files()} == before
    assert (again.counts.records_out, again.counts.deduped) == (0, 14)
    assert again.categories["accepted"] == 6


def test_a_new_version_of_the_scorer_judges_again_beside_the_old_runs(root):
    score_all(root, recorded_at=AT)
    for path in root.scored_files():
        path.write_bytes(path.read_bytes().replace(b'"scorer_version":"v1.0.0"', b'"scorer_version":"v0.9.0"'))
    again = score_all(root, recorded_at=LATER)
    assert again.counts.records_out == 14
    versions = [row["scorer_version"] for row in read(root.scored_files())]
    assert sorted(versions) == ["v0.9.0"] * 14 + ["v1.0.0"] * 14


def test_every_day_s_partition_is_scored(root):
    other = root.evidence("2026-05-01T00:00:00Z", "audits")
    other.parent.mkdir(parents=True)
    root.evidence(AT, "audits").rename(other)
    score_all(root, recorded_at=AT)
    assert len(read(root.scored_files("audits"))) == 3
    assert root.scored("2026-05-01T00:00:00Z", "audits").exists()


def test_an_evidence_line_that_is_none_is_counted_not_raised(root):
    path = root.evidence(AT, "audits")
    path.write_bytes(path.read_bytes() + b'{"torn\n[]\n{"run_id":"x"}\n')
    done = score_all(root, recorded_at=AT)
    assert done.skips == {"not_an_object": 1, "not_json": 1, "schema_violation": 1}
    assert (done.counts.skipped, done.counts.lost()) == (3, 0)


def test_two_runs_have_the_same_bytes_and_so_have_two_workers(tmp_path, root):
    score_all(root, recorded_at=AT)
    other = write_acceptance(tmp_path / "other")
    collect(other, recorded_at=AT)
    score_all(other, recorded_at=AT, workers=2)
    for one, two in zip(root.scored_files(), other.scored_files(), strict=True):
        assert one.read_bytes() == two.read_bytes()


def test_all_scored_runs_of_a_mixed_tree_are_valid_records(tmp_path):
    made = write_fixture(tmp_path, 650, 5)
    collect(made, recorded_at=AT)
    done = score_all(made, recorded_at=AT)
    for row in read(made.scored_files()):
        checked(ScoredRun, row)
    assert done.counts.skipped == 0
    assert all(done.categories[category] for category in CATEGORIES)
    assert sum(done.categories.values()) == done.counts.records_in


def test_the_rules_read_no_clock_and_no_environment():
    source = Path(scorer.__file__).read_text(encoding="utf-8")
    assert not re.search(r"\b(environ|getenv|datetime|time\.|random)\b", source)
