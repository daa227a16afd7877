"""How answers of ``lh distill`` look in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from workbench.cli import show

if TYPE_CHECKING:
    from workbench.distill.audit import Audit
    from workbench.distill.records import StageReceipt
    from workbench.distill.root import Root


def stages(done: Sequence[StageReceipt]) -> None:
    """A line per stage, and what each found wrong."""
    columns = ["stage", "in", "out", "accepted", "rejected", "quarantined", "skipped", "passed"]
    rows = []
    for one in done:
        stats = (one.stats.accepted, one.stats.rejected, one.stats.quarantined, one.stats.skipped)
        counts = (one.inputs.record_count, one.outputs.record_count, *stats)
        rows.append((one.stage, *(f"{count:,}" for count in counts), "yes" if one.validation.passed else "no"))
    show.table(columns, rows, right=columns[1:7])
    for one in done:
        for fault in one.validation.errors:
            show.caution(f"{one.stage}: {fault}")


def datasets(sets: Any) -> str:
    """The rows of the three exports, in one line."""
    return f"{sets.rag:,} RAG · {sets.sft:,} SFT · {sets.preference:,} preference"


def write_report(root: Root, done: Audit) -> None:
    """Write the report of an audit below the root."""
    from workbench.distill.audit import to_markdown
    from workbench.records import replacing

    with replacing(root.audit_report) as file:
        file.write(to_markdown(done).encode())
    show.remark(f"report: {root.audit_report}")


def audited(done: Audit) -> None:
    """A line per check, and how many required ones hold."""
    rows = [
        ("✓" if one.ok else "✗", f"{one.phase}", one.name, "" if one.required else "informs", one.says)
        for one in done.findings
    ]
    show.table(["", "phase", "check", "", "seen"], rows, wrap=True)
    required = [one for one in done.findings if one.required]
    show.line(f"{sum(one.ok for one in required)} of {len(required)} required checks hold")


def metrics(rows: Sequence[Any]) -> None:
    """A line per metric of a baseline."""
    told = [
        (
            row.metric,
            "" if row.baseline is None else f"{row.baseline:g}",
            f"{row.current:g}",
            "" if row.pct_change is None else f"{row.pct_change:+.1%}",
            row.flag,
        )
        for row in rows
    ]
    show.table(["metric", "baseline", "now", "change", "flag"], told, right=["baseline", "now", "change"])


def replayed(done: Any) -> None:
    """The answer, what it was made with, and what the gate says of it."""
    last = done.attempts[-1]
    show.line(last.text or last.error)
    bundle = done.bundle
    used = f"{len(bundle.examples)} examples, {len(bundle.warnings)} warnings, {len(bundle.validation_steps)} steps"
    show.remark(f"{used}; asked {', '.join(one.model for one in done.attempts)}")
    for reason in last.gate.reasons:
        show.caution(reason)
