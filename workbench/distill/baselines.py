"""Baselines: what one audit counted, kept as one appended line, and how far the next one is from it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workbench import records
from workbench.errors import InvalidError

METRICS = (
    "p2_evidence_rows",
    "p2_evidence_skips",
    "p3_accepted",
    "p3_partial",
    "p3_rejected",
    "p3_human",
    "p4_rag_rows",
    "p4_sft_rows",
    "p4_pref_pairs",
    "p4_total_quarantined",
)
"""What a baseline counts, all of them rows on disk."""
WARN_ABOVE = 0.2
"""A change of more than this share of the baseline is a warning; exactly this share is not."""

Flag = Literal["first_run", "ok", "warn"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """One line of ``audit_baselines.jsonl``. ``metrics`` may hold more names than `METRICS`; they are kept."""

    recorded_at: str
    git_commit: str
    metrics: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {"recorded_at": self.recorded_at, "git_commit": self.git_commit, "metrics": dict(self.metrics)}


@dataclass(frozen=True, slots=True)
class DriftRow:
    """One metric beside its baseline.

    ``pct_change`` is a share of the baseline (0.25: a quarter more) and None where there is nothing to divide by.
    """

    metric: str
    baseline: float | None
    current: float
    pct_change: float | None
    flag: Flag

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {name: getattr(self, name) for name in self.__slots__}


def drift_rows(current: Mapping[str, float], prior: Baseline | None) -> tuple[DriftRow, ...]:
    """A row per metric of ``current``, sorted by metric. One that the baseline does not hold is a first run."""
    before = prior.metrics if prior else {}
    return tuple(_row(metric, before.get(metric), current[metric]) for metric in sorted(current))


def _row(metric: str, before: float | None, now: float) -> DriftRow:
    if before is None:
        return DriftRow(metric, None, now, None, "first_run")
    if before == 0:
        return DriftRow(metric, before, now, None, "warn" if now > 0 else "ok")
    # The limit is compared without the division: 12 beside 10 is exactly 20 % and 0.2 is not a binary number.
    moved = abs(now - before) * 100 > WARN_ABOVE * 100 * abs(before)
    return DriftRow(metric, before, now, (now - before) / before, "warn" if moved else "ok")


def read_last(path: Path) -> Baseline | None:
    """The newest baseline of a file; None where there is no file or no line yet: a first run.

    Raises InvalidError when the last line that is not blank is no baseline: comparing with an older one in its place
    would hide that something is lost.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return None
    numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not numbered:
        return None
    number, last = numbered[-1]
    try:
        return _baseline(json.loads(last))
    except ValueError as error:
        raise InvalidError(
            f"The last baseline, line {number} of {path}, is malformed: {error}",
            hint="Mend or remove that line; the baseline before it then counts.",
        ) from None


def append(path: Path, baseline: Baseline) -> None:
    """Add a line. Raises InvalidError when the last line is malformed: a new one would bury it."""
    read_last(path)
    _baseline(baseline.to_dict())
    records.append(path, baseline.to_dict())


def _baseline(value: Any) -> Baseline:
    if not isinstance(value, dict):
        raise InvalidError("it is no object")
    recorded_at, git_commit = value.get("recorded_at"), value.get("git_commit")
    if not (isinstance(recorded_at, str) and recorded_at and isinstance(git_commit, str) and git_commit):
        raise InvalidError("recorded_at and git_commit must be a text")
    metrics = value.get("metrics")
    if not isinstance(metrics, dict):
        raise InvalidError("metrics must be an object")
    if wrong := [name for name, count in metrics.items() if name in METRICS and not _is_count(count)]:
        raise InvalidError(f"{', '.join(sorted(wrong))} must be a number, 0 or more")
    return Baseline(recorded_at, git_commit, {n: c for n, c in metrics.items() if _is_count(c)})


def _is_count(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
