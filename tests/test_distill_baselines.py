"""Baselines: what an audit counted, and how far the next one is from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from workbench.distill.baselines import METRICS, Baseline, append, drift_rows, read_last
from workbench.errors import InvalidError

FULL = dict.fromkeys(METRICS, 10)


def baseline(**metrics: float) -> Baseline:
    return Baseline("2026-11-20T08:00:00Z", "a" * 40, {**FULL, **metrics})


def test_a_missing_file_is_a_first_run(tmp_path: Path) -> None:
    assert read_last(tmp_path / "none.jsonl") is None
    rows = drift_rows(FULL, None)
    assert [row.metric for row in rows] == sorted(METRICS)
    assert {(row.flag, row.baseline, row.pct_change) for row in rows} == {("first_run", None, None)}


def test_the_last_line_counts_and_blank_lines_do_not(tmp_path: Path) -> None:
    path = tmp_path / "kb" / "audit_baselines.jsonl"
    append(path, baseline())
    append(path, baseline(p3_accepted=7))
    path.write_bytes(b"\n" + path.read_bytes() + b"\n  \n")
    found = read_last(path)
    assert found is not None
    assert found.metrics["p3_accepted"] == 7
    assert found.git_commit == "a" * 40


def test_appending_leaves_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    append(path, baseline())
    path.write_bytes(path.read_bytes().rstrip(b"\n"))  # an editor took the last newline
    before = path.read_bytes()
    append(path, baseline(p3_human=3))
    assert path.read_bytes().startswith(before + b"\n")
    assert [json.loads(line)["metrics"]["p3_human"] for line in path.read_text().splitlines()] == [10, 3]


@pytest.mark.parametrize(
    "line",
    [
        '{"recorded_at":"2026-11-20T08:00:00Z","git_com',
        "[]",
        '{"recorded_at":"2026-11-20T08:00:00Z","git_commit":"a"}',
        '{"recorded_at":"","git_commit":"a","metrics":{}}',
        '{"recorded_at":"2026-11-20T08:00:00Z","git_commit":"a","metrics":{"p3_accepted":"6"}}',
        '{"recorded_at":"2026-11-20T08:00:00Z","git_commit":"a","metrics":{"p3_accepted":true}}',
        '{"recorded_at":"2026-11-20T08:00:00Z","git_commit":"a","metrics":{"p3_accepted":-1}}',
    ],
)
def test_a_malformed_last_line_is_an_error_and_is_not_buried(tmp_path: Path, line: str) -> None:
    path = tmp_path / "b.jsonl"
    append(path, baseline())
    path.write_text(path.read_text() + line)
    before = path.read_bytes()
    with pytest.raises(InvalidError, match="line 2"):
        read_last(path)
    with pytest.raises(InvalidError, match="line 2"):
        append(path, baseline())
    assert path.read_bytes() == before


def test_a_malformed_line_before_the_last_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    path.write_text("{torn\n" + json.dumps(baseline().to_dict()) + "\n")
    assert read_last(path) == baseline()


def test_unknown_keys_are_tolerated(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    row = baseline().to_dict() | {"host": "ci", "metrics": {**FULL, "p9_new": 4, "p9_note": "text"}}
    path.write_text(json.dumps(row))
    found = read_last(path)
    assert found is not None
    assert found.metrics["p9_new"] == 4
    assert [row.flag for row in drift_rows(FULL, found)] == ["ok"] * len(METRICS)


@pytest.mark.parametrize(
    ("before", "now", "change", "flag"),
    [
        (10, 12, 0.2, "ok"),
        (10, 8, -0.2, "ok"),
        (5, 6, 0.2, "ok"),
        (35, 42, 0.2, "ok"),
        (1000, 1201, 0.201, "warn"),
        (10, 7, -0.3, "warn"),
        (10, 10, 0.0, "ok"),
        (0, 0, None, "ok"),
        (0, 1, None, "warn"),
        (4, 0, -1.0, "warn"),
    ],
)
def test_more_than_a_fifth_is_a_warning(before: float, now: float, change: float | None, flag: str) -> None:
    [row] = drift_rows({"m": now}, Baseline("t", "c", {"m": before}))
    assert row.flag == flag
    assert row.pct_change == (None if change is None else pytest.approx(change))


def test_a_metric_that_the_baseline_lacks_is_a_first_run() -> None:
    rows = drift_rows({"b": 1, "a": 2}, Baseline("t", "c", {"b": 1}))
    assert [(row.metric, row.flag) for row in rows] == [("a", "first_run"), ("b", "ok")]


def test_no_line_is_written_that_could_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "b.jsonl"
    with pytest.raises(InvalidError):
        append(path, baseline(p3_accepted=float("nan")))
    assert not path.exists()
