"""Drift between two runs, receipts against the disk, the summary: arithmetic on made receipts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workbench import records
from workbench.distill.drift import compare, drift_of, moved, prior_run
from workbench.distill.receipts import (
    STAGES,
    UNKNOWN_COMMIT,
    Done,
    command_receipt,
    files_hash,
    mismatches,
    read_receipts,
    stage_receipt,
    write_receipt,
)
from workbench.distill.records import DriftReport, Errors, Receipt, RunSummary, StageReceipt, encode, validate
from workbench.distill.root import Root
from workbench.distill.stage import Counts, GitState
from workbench.distill.summary import run_hash, summarize, to_markdown

AT = "2026-11-22T01:00:00+00:00"
GIT = GitState("a" * 40, dirty=False)


def receipt(
    tmp_path: Path, stage: str = "score", *, source: str = "in", output: str = "x\n" * 10, **changes: Any
) -> Any:
    """A receipt over two real files; ten rows in, ten out."""
    root = Root(tmp_path)
    for name, text in (("in", source), ("out", output)):
        (tmp_path / f"{stage}.{name}").write_text(text)
    done = Done(
        stage,
        Counts(records_in=10, records_out=10, accepted=5, rejected=5, quarantined=0),
        [tmp_path / f"{stage}.in"],
        [tmp_path / f"{stage}.out"],
        [tmp_path / f"{stage}.out"],
        categories={"accepted": 5, "rejected": 5},
    )
    return stage_receipt(root, replace(done, **changes), run_id="r", recorded_at=AT, git=GIT, duration_ms=3)


def drift(now: StageReceipt, before: StageReceipt | None) -> DriftReport:
    prior = {} if before is None else {before.stage: before}
    return compare("now", {now.stage: now}, "before" if before else None, prior, generated_at=AT)


@pytest.mark.parametrize(
    ("before", "now", "warns"),
    [(10, 10, False), (10, 12, False), (10, 8, False), (10, 13, True), (10, 7, True), (100, 121, True), (0, 0, False),
     (0, 1, True), (5, 6, False), (0.3, 0.36, False), (3, 0, True)],
)  # fmt: skip
def test_more_than_a_fifth_is_moved_and_exactly_a_fifth_is_not(before: float, now: float, warns: bool) -> None:
    assert moved(before, now) == warns


def test_a_first_run_is_ok_and_says_so(tmp_path: Path) -> None:
    report = drift(receipt(tmp_path), None)
    assert (report.severity, report.prior_run_id, report.flags) == ("ok", None, ["first_run"])
    (stage,) = report.stages
    assert stage.input_hash_match is None
    assert stage.output_hash_match is None
    assert stage.pct_change_out is None
    assert stage.delta_records_out == 0


def test_the_same_run_again_is_ok(tmp_path: Path) -> None:
    report = drift(receipt(tmp_path), receipt(tmp_path))
    (stage,) = report.stages
    assert (report.severity, report.flags) == ("ok", [])
    assert (stage.input_hash_match, stage.output_hash_match, stage.deterministic_violation) == (True, True, False)
    assert stage.pct_change_out == 0


def test_the_same_input_with_another_output_is_an_alert(tmp_path: Path) -> None:
    before = receipt(tmp_path)
    report = drift(receipt(tmp_path, output="y\n" * 10), before)
    assert report.severity == "alert"
    assert report.stages[0].deterministic_violation
    assert report.flags == ["score: the same input gave another output"]


def test_another_setting_is_another_input(tmp_path: Path) -> None:
    before = receipt(tmp_path, settings={"include_partial": False})
    report = drift(receipt(tmp_path, output="y\n" * 10, settings={"include_partial": True}), before)
    assert report.severity == "ok"
    assert report.stages[0].input_hash_match is False


@pytest.mark.parametrize(
    ("changes", "flag"),
    [
        ({"output": "x\n" * 13}, "records out went from 10 to 13"),
        ({"counts": Counts(records_in=13, accepted=5, rejected=5)}, "records in went from 10 to 13"),
        ({"counts": Counts(records_in=10, accepted=7, rejected=5)}, "accepted went from 5 to 7"),
        ({"counts": Counts(records_in=10, accepted=5, rejected=5, quarantined=1)}, "quarantined went from 0 to 1"),
        ({"categories": {"accepted": 7, "rejected": 5}}, None),
        ({"categories": {"accepted": 8, "rejected": 2}}, "the share of accepted went from 50.0% to 80.0%"),
        ({"reasons": {"pii_found": 1}}, "new error class pii_found"),
    ],
)
def test_what_moved_is_a_warning_and_is_named(changes: dict[str, Any], flag: str | None, tmp_path: Path) -> None:
    before = receipt(tmp_path)
    report = drift(receipt(tmp_path, source="other", **changes), before)
    assert report.severity == ("warn" if flag else "ok")
    assert (f"score: {flag}" in report.flags) == bool(flag)


def test_from_nothing_there_is_no_share_of_change(tmp_path: Path) -> None:
    report = drift(receipt(tmp_path, source="b"), receipt(tmp_path, output=""))
    assert report.stages[0].pct_change_out is None
    assert report.stages[0].delta_records_out == 10
    assert report.severity == "warn"


def test_deltas_and_shares_are_of_the_receipts(tmp_path: Path) -> None:
    before = receipt(tmp_path)
    now = receipt(tmp_path, source="b", output="x\n" * 5, counts=Counts(records_in=9, accepted=4, quarantined=2))
    (stage,) = drift(now, before).stages
    assert (stage.delta_records_in, stage.delta_records_out, stage.pct_change_out) == (-1, -5, -0.5)
    assert (stage.delta_accepted, stage.delta_quarantined) == (-1, 2)


# --- which run is the prior one


def leave(root: Root, run_id: str, at: str, made: StageReceipt) -> None:
    write_receipt(root.reports(run_id) / "score.json", made)
    with records.replacing(root.reports(run_id) / "summary.json") as file:
        file.write(encode(summarize(run_id, [made], recorded_at=at)))


def test_the_newest_earlier_run_that_ended_is_the_prior_one(tmp_path: Path) -> None:
    root, made = Root(tmp_path), receipt(tmp_path)
    leave(root, "zz-old", "2026-11-20T01:00:00Z", made)
    leave(root, "aa-new", "2026-11-21T01:00:00Z", made)
    leave(root, "mm-later", "2026-11-30T01:00:00Z", made)
    write_receipt(root.reports("killed") / "score.json", made)
    (root.reports("torn")).mkdir()
    (root.reports("torn") / "summary.json").write_text("{")
    assert prior_run(root, "now", "2026-11-22T01:00:00Z") == "aa-new"
    # 23:30 an hour west of Greenwich is 00:30 the next day there.
    assert prior_run(root, "now", "2026-11-20T23:30:00-02:00") == "aa-new"
    assert prior_run(root, "aa-new", "2026-11-21T01:00:00Z") == "zz-old"
    assert prior_run(root, "now", "2026-11-19T01:00:00Z") is None
    report = drift_of(root, "aa-new", recorded_at="2026-11-21T01:00:00Z")
    assert (report.prior_run_id, report.severity) == ("zz-old", "ok")


# --- receipts


def test_a_receipt_is_read_back_and_tells_when_the_disk_is_another(tmp_path: Path) -> None:
    root, made = Root(tmp_path), receipt(tmp_path)
    assert made.outputs.record_count == 10
    assert mismatches(root, made) == []
    (tmp_path / "score.out").write_text("tampered\n")
    (tmp_path / "score.in").unlink()
    assert mismatches(root, made) == [
        "inputs.files[0]: score.in is gone",
        "outputs.files[0]: score.out is another file now",
    ]


def test_receipts_are_found_by_stage_valid_or_not(tmp_path: Path) -> None:
    root = Root(tmp_path)
    write_receipt(root.reports("r") / "score.json", receipt(tmp_path))
    (root.reports("r") / "collect.json").write_text('{"schema_version": 2}')
    found = read_receipts(root, "r")
    assert list(found) == list(STAGES)
    assert isinstance(found["score"], StageReceipt)
    assert isinstance(found["collect"], Errors)
    assert found["export-rag"] is None


def test_the_order_of_files_does_not_change_their_hash_and_settings_do() -> None:
    facts = [{"path": "a", "sha256": "1"}, {"path": "b", "sha256": "2"}]
    assert files_hash(facts, {}) == files_hash(facts[::-1], {})
    assert files_hash(facts, {}) != files_hash(facts, {"x": 1})


def test_the_receipt_of_a_command_sums_its_stages(tmp_path: Path) -> None:
    stages = [receipt(tmp_path, "collect", errors=("1 source row: not_json",)), receipt(tmp_path)]
    made = command_receipt("run", stages, recorded_at=AT, git=GIT, duration_ms=1_500)
    assert isinstance(made, Receipt)
    assert (made.validation_pass, made.errors, made.warnings) == (False, ["1 source row: not_json"], [])
    assert (made.started_at, made.ended_at) == (AT, "2026-11-22T01:00:01.500000+00:00")
    assert [fact.path for fact in made.output_files] == ["collect.out", "score.out"]
    nowhere = command_receipt(
        "run", stages[1:], recorded_at=AT, git=GitState(UNKNOWN_COMMIT, dirty=False), duration_ms=0
    )
    assert nowhere.warnings == ["git_sha: not a git checkout, the commit is not known"]
    assert nowhere.validation_pass


# --- summary


def test_the_summary_sums_and_its_hash_is_of_the_outputs_alone(tmp_path: Path) -> None:
    stages = [receipt(tmp_path, stage) for stage in STAGES]
    one, other = (summarize(run_id, stages, recorded_at=AT) for run_id in ("one", "other"))
    assert isinstance(validate(RunSummary, one.model_dump()), RunSummary)
    assert one.run_hash == other.run_hash == run_hash(stages)
    assert run_hash([receipt(tmp_path, stage, source="other") for stage in STAGES]) == one.run_hash
    assert run_hash([*stages[:-1], receipt(tmp_path, STAGES[-1], output="z\n")]) != one.run_hash
    assert (one.totals.records_in, one.totals.accepted) == (50, 25)
    assert one.overall_passed
    assert not summarize("x", [receipt(tmp_path, errors=("e",))], recorded_at=AT).overall_passed


def test_the_page_names_stages_reasons_errors_and_drift(tmp_path: Path) -> None:
    made = receipt(tmp_path, reasons={"pii_found": 3}, errors=("2 rows: not_json",))
    page = to_markdown(summarize("r", [made], recorded_at=AT), [made], drift(made, None))
    for said in ("| score | 10 | 10 | 5 | 5 | 0 | 0 | no |", "| score | pii_found | 3 |", "- score: 2 rows: not_json",
                 "- drift: ok, first run", "**did not pass**"):  # fmt: skip
        assert said in page
