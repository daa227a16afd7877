"""Drift: a run beside the newest earlier one on disk. Arithmetic over receipts; only `prior_run` looks at the disk.

ok: nothing moved by more than a fifth. warn: a count or the share of a category did, or there is a new class of error.
alert: the same input gave another output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from workbench import records
from workbench.distill.baselines import WARN_ABOVE
from workbench.distill.receipts import STAGES, read_receipts
from workbench.distill.records import DriftReport, Errors, RunSummary, StageReceipt, checked, validate
from workbench.distill.root import Root

Severity = Literal["ok", "warn", "alert"]
FIRST_RUN = "first_run"


def compare(
    run_id: str,
    current: Mapping[str, StageReceipt],
    prior_run_id: str | None,
    prior: Mapping[str, StageReceipt],
    *,
    generated_at: str,
) -> DriftReport:
    """The drift of one run against another, by stage. Pure.

    Without a prior run every delta is 0, every match None, the severity ok and the flag ``first_run``. A change is a
    share of the prior count (0.25: a quarter more); from 0 there is none, and anything more than 0 is a warning.
    """
    stages, flags = [], [] if prior_run_id else [FIRST_RUN]
    for stage in (stage for stage in STAGES if stage in current):
        row, found = _stage(current[stage], prior.get(stage))
        stages.append(row)
        flags += [f"{stage}: {flag}" for flag in found]
    severity: Severity = "ok"
    if any(row["deterministic_violation"] for row in stages):
        severity = "alert"
    elif any(flag != FIRST_RUN for flag in flags):
        severity = "warn"
    hashes = {stage: receipt.outputs.hash for stage, receipt in current.items()}
    return checked(
        DriftReport,
        {
            "schema_version": 2,
            "run_id": run_id,
            "prior_run_id": prior_run_id,
            "generated_at": generated_at,
            "severity": severity,
            "stages": stages,
            "flags": flags,
            "provenance": {
                "source_file": f"reports/distillation/{run_id}",
                "sig_hash": records.sig_hash(hashes),
                "recorded_at": generated_at,
            },
        },
    )


def moved(before: float, now: float) -> bool:
    """Whether a count or a share moved by more than a fifth of what it was; from 0, by anything at all."""
    # Without a division: 12 beside 10 is exactly a fifth, and 0.2 is no binary number.
    return abs(now - before) * 100 > WARN_ABOVE * 100 * abs(before) if before else now > 0


def prior_run(root: Root, run_id: str, recorded_at: str) -> str | None:
    """The newest run on disk that is not later than ``recorded_at`` and is another one; None when there is none.

    Runs of one ``recorded_at`` are ordered by when their summary was written. A run without a valid summary did not end
    and is passed over.
    """
    best: tuple[datetime, int] | None = None
    found = None
    for name, at, written in _summaries(root):
        if name != run_id and at <= _instant(recorded_at) and (best is None or (at, written) > best):
            best, found = (at, written), name
    return found


def drift_of(root: Root, run_id: str, *, recorded_at: str) -> DriftReport:
    """The drift of a run whose receipts are on disk against the newest earlier one."""
    prior = prior_run(root, run_id, recorded_at)
    return compare(run_id, _valid(root, run_id), prior, _valid(root, prior) if prior else {}, generated_at=recorded_at)


def _stage(now: StageReceipt, before: StageReceipt | None) -> tuple[dict[str, Any], list[str]]:
    row: dict[str, Any] = {
        "stage": now.stage,
        "delta_records_in": 0,
        "delta_records_out": 0,
        "delta_accepted": 0,
        "delta_quarantined": 0,
        "pct_change_out": None,
        "input_hash_match": None,
        "output_hash_match": None,
        "deterministic_violation": False,
        "notes": ["there is no earlier receipt of this stage"],
    }
    if before is None:
        return row, []
    was, out = before.outputs.record_count, now.outputs.record_count
    same_in, same_out = before.inputs.hash == now.inputs.hash, before.outputs.hash == now.outputs.hash
    violation = same_in and not same_out
    flags = [*_counts(now, before), *_shares(now, before), *_new_errors(now, before)]
    if violation:
        flags.append("the same input gave another output")
    return row | {
        "delta_records_in": now.inputs.record_count - before.inputs.record_count,
        "delta_records_out": out - was,
        "delta_accepted": now.stats.accepted - before.stats.accepted,
        "delta_quarantined": now.stats.quarantined - before.stats.quarantined,
        "pct_change_out": (out - was) / was if was else None,
        "input_hash_match": same_in,
        "output_hash_match": same_out,
        "deterministic_violation": violation,
        "notes": list(flags),
    }, flags


def _counts(now: StageReceipt, before: StageReceipt) -> Iterator[str]:
    for name, was, count in (
        ("records in", before.inputs.record_count, now.inputs.record_count),
        ("records out", before.outputs.record_count, now.outputs.record_count),
        ("accepted", before.stats.accepted, now.stats.accepted),
        ("rejected", before.stats.rejected, now.stats.rejected),
        ("quarantined", before.stats.quarantined, now.stats.quarantined),
        ("skipped", before.stats.skipped, now.stats.skipped),
    ):
        if moved(was, count):
            yield f"{name} went from {was} to {count}"


def _shares(now: StageReceipt, before: StageReceipt) -> Iterator[str]:
    was, is_now = _extra(before, "categories"), _extra(now, "categories")
    for name in sorted({*was, *is_now}):
        old, new = _share(was, name), _share(is_now, name)
        if was and is_now and moved(old, new):
            yield f"the share of {name} went from {old:.1%} to {new:.1%}"


def _new_errors(now: StageReceipt, before: StageReceipt) -> Iterator[str]:
    for name in sorted({*_extra(now, "reasons")} - {*_extra(before, "reasons")}):
        yield f"new error class {name}"


def _extra(receipt: StageReceipt, name: str) -> Mapping[str, int]:
    """Counts that our receipts have beside those of the contract; a predecessor's have none."""
    value = getattr(receipt.stats, name, None)
    return value if isinstance(value, dict) else {}


def _share(counts: Mapping[str, int], name: str) -> float:
    total = sum(counts.values())
    return counts.get(name, 0) / total if total else 0.0


def _valid(root: Root, run_id: str) -> dict[str, StageReceipt]:
    found = read_receipts(root, run_id)
    return {stage: receipt for stage, receipt in found.items() if isinstance(receipt, StageReceipt)}


def _summaries(root: Root) -> Iterator[tuple[str, datetime, int]]:
    """``(run id, recorded at, when written in ns)`` of every run with a valid summary, by name."""
    for path in sorted(root.reports().glob("*/summary.json")):
        row = records.parse(path.read_bytes())
        summary = validate(RunSummary, row) if isinstance(row, dict) else None
        if summary is None or isinstance(summary, Errors) or summary.run_id != path.parent.name:
            continue
        yield summary.run_id, _instant(summary.provenance.recorded_at), path.stat().st_mtime_ns


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
