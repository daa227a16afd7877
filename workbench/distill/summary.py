"""A run in one place: its summary as a record, and as a page to read."""

from __future__ import annotations

from collections.abc import Sequence

from workbench import records
from workbench.distill.records import DriftReport, RunSummary, StageReceipt, checked

DATASETS = {"rag": "export-rag", "sft": "export-sft", "preference": "export-preference"}


def run_hash(receipts: Sequence[StageReceipt]) -> str:
    """SHA-256 over path and bytes of every output file; nothing of the run's own id or time is in it."""
    files = {fact.path: fact.sha256 for each in receipts for fact in each.outputs.files}
    return records.sig_hash(files)


def summarize(run_id: str, receipts: Sequence[StageReceipt], *, recorded_at: str) -> RunSummary:
    """The summary of a run from its receipts, in their order. Pure.

    Totals are sums over all stages; ``datasets`` are the rows of the three export files.
    """
    by_stage = {receipt.stage: receipt for receipt in receipts}
    return checked(
        RunSummary,
        {
            "schema_version": 1,
            "run_id": run_id,
            "git_commit": receipts[0].git_commit,
            "run_hash": run_hash(receipts),
            "overall_passed": all(receipt.validation.passed for receipt in receipts),
            "stages": [receipt.stage for receipt in receipts],
            "totals": {
                "records_in": sum(receipt.inputs.record_count for receipt in receipts),
                "records_out": sum(receipt.outputs.record_count for receipt in receipts),
                "accepted": sum(receipt.stats.accepted for receipt in receipts),
                "rejected": sum(receipt.stats.rejected for receipt in receipts),
                "quarantined": sum(receipt.stats.quarantined for receipt in receipts),
                "skipped": sum(receipt.stats.skipped for receipt in receipts),
            },
            "datasets": {
                name: by_stage[stage].outputs.record_count if stage in by_stage else 0
                for name, stage in DATASETS.items()
            },
            "provenance": {
                "source_file": f"reports/distillation/{run_id}",
                "sig_hash": records.sig_hash([receipt.inputs.hash for receipt in receipts]),
                "recorded_at": recorded_at,
            },
        },
    )


def to_markdown(summary: RunSummary, receipts: Sequence[StageReceipt], drift: DriftReport) -> str:
    """The summary as a page: one line per stage, what was refused and why, and the drift."""
    totals, sets = summary.totals, summary.datasets
    lines = [
        f"# Distillation run {summary.run_id}",
        "",
        f"- recorded at {summary.provenance.recorded_at}, commit {summary.git_commit}",
        f"- {'passed' if summary.overall_passed else '**did not pass**'}, run hash `{summary.run_hash}`",
        f"- datasets: {sets.rag} RAG · {sets.sft} SFT · {sets.preference} preference",
        f"- {totals.quarantined} quarantined, {totals.skipped} skipped",
        f"- drift: {drift.severity}" + (f" against {drift.prior_run_id}" if drift.prior_run_id else ", first run"),
        "",
        "| stage | in | out | accepted | rejected | quarantined | skipped | passed |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for each in receipts:
        stats = each.stats
        counts = (stats.accepted, stats.rejected, stats.quarantined, stats.skipped)
        passed = "yes" if each.validation.passed else "no"
        cells = [each.inputs.record_count, each.outputs.record_count, *counts, passed]
        lines.append(f"| {each.stage} | {' | '.join(map(str, cells))} |")
    refused = [(each.stage, getattr(each.stats, "reasons", None) or {}) for each in receipts]
    if any(reasons for _, reasons in refused):
        lines += ["", "## What stayed, and why", "", "| stage | reason | rows |", "|---|---|---:|"]
        lines += [f"| {stage} | {name} | {count} |" for stage, reasons in refused for name, count in reasons.items()]
    said = [("Errors", [f"{each.stage}: {error}" for each in receipts for error in each.validation.errors])]
    said += [("Drift", drift.flags)]
    for heading, texts in said:
        if texts:
            lines += ["", f"## {heading}", "", *(f"- {text}" for text in texts)]
    return "\n".join(lines) + "\n"
