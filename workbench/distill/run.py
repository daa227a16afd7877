"""The pipeline: every stage alone, or all of them with receipts, summary and drift.

A run keeps no state of its own: each stage is safe to kill and to run again, so a killed run is resumed by running it
again, with the same bytes at the end.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from workbench import records
from workbench.distill import receipts as receipts_of
from workbench.distill.collect import collect
from workbench.distill.drift import drift_of
from workbench.distill.export import (
    FORMATS,
    Exported,
    export_preference,
    export_rag,
    export_sft,
    format_file,
    write_format,
)
from workbench.distill.firewall import Firewall
from workbench.distill.receipts import COMMAND_FILE, STAGES, UNKNOWN_COMMIT, Done, command_receipt, stage_receipt
from workbench.distill.records import DriftReport, RunSummary, StageReceipt, encode
from workbench.distill.root import Root
from workbench.distill.score import score_all
from workbench.distill.scorer import SCORER_VERSION
from workbench.distill.stage import GitState, Progress
from workbench.distill.summary import summarize, to_markdown
from workbench.errors import NotFoundError


@dataclass(frozen=True)
class Order:
    """What a run is asked to do. ``clock`` gives seconds and is only used for durations; ``workers`` are processes."""

    recorded_at: str
    run_id: str
    git: GitState
    firewall: Firewall = field(default_factory=Firewall)
    include_review: bool = False
    include_partial: bool = False
    partition_only: bool = False
    workers: int = 1
    progress: Progress | None = None
    clock: Callable[[], float] = time.perf_counter


@dataclass(frozen=True)
class Ran:
    """What a run left: its summary, its receipts in the order of `STAGES`, its drift."""

    summary: RunSummary
    receipts: tuple[StageReceipt, ...]
    drift: DriftReport


def run(root: Root, order: Order) -> Ran:
    """Collect, score, export three times; then receipts, summary and drift below ``reports/distillation/<run_id>``.

    ``summary.overall_passed`` is False when a stage did not pass, for one when collect skipped a row. Raises as the
    stages do, and leaves the receipts of those that ended.
    """
    began = order.clock()
    done = tuple(run_stage(root, stage, order) for stage in STAGES)
    folder = root.reports(order.run_id)
    took = _milliseconds(order.clock() - began)
    command = command_receipt("run", done, recorded_at=order.recorded_at, git=order.git, duration_ms=took)
    receipts_of.write_receipt(folder / COMMAND_FILE, command)
    drift = drift_of(root, order.run_id, recorded_at=order.recorded_at)
    summary = summarize(order.run_id, done, recorded_at=order.recorded_at)
    _write(folder / "drift.json", encode(drift))
    _write(folder / "summary.md", to_markdown(summary, done, drift).encode())
    # Last: a run with a summary is a run that ended.
    _write(folder / "summary.json", encode(summary))
    return Ran(summary, done, drift)


def run_stage(root: Root, stage: str, order: Order) -> StageReceipt:
    """One stage and its receipt, ``reports/distillation/<run_id>/<stage>.json``.

    Raises NotFoundError for an unknown stage, and as the stages do.
    """
    if stage not in _STAGES:
        raise NotFoundError.named("stage", stage, STAGES)
    began = order.clock()
    done = _STAGES[stage](root, order)
    took = _milliseconds(order.clock() - began)
    receipt = stage_receipt(
        root, done, run_id=order.run_id, recorded_at=order.recorded_at, git=order.git, duration_ms=took
    )
    receipts_of.write_receipt(root.reports(order.run_id) / f"{stage}.json", receipt)
    return receipt


def git_state(folder: Path | None = None) -> GitState:
    """The commit of the checkout that this code runs from, or zeros outside one.

    ``folder`` is asked in place of the package's own.
    """
    place = folder or Path(__file__).parents[1]
    sha = _git(place, "rev-parse", "HEAD")
    if sha is None or _git(place, "ls-files", "--error-unmatch", ".") is None:
        return GitState(UNKNOWN_COMMIT, dirty=False)  # no checkout, or one of something else around us
    return GitState(sha, dirty=bool(_git(place, "status", "--porcelain", "--untracked-files=no")))


def _collect(root: Root, order: Order) -> Done:
    made = collect(
        root,
        recorded_at=order.recorded_at,
        progress=order.progress,
        partition_only=order.partition_only,
        workers=order.workers,
    )
    evidence = root.evidence_files()
    # With --partition-only each day writes its own rows again: then the day decides the output too.
    settings = {"partition_only": order.recorded_at[:10]} if order.partition_only else {}
    return Done(
        "collect",
        made.counts,
        made.inputs,
        (*evidence, root.skips),
        evidence,
        reasons=made.skips,
        settings=settings,
        errors=_skipped(made.skips, "source rows could not become evidence"),
    )


def _score(root: Root, order: Order) -> Done:
    made = score_all(root, recorded_at=order.recorded_at, progress=order.progress, workers=order.workers)
    scored = root.scored_files()
    return Done(
        "score",
        made.counts,
        made.inputs,
        scored,
        scored,
        reasons=made.skips,
        categories=made.categories,
        settings={"scorer_version": SCORER_VERSION},
        errors=_skipped(made.skips, "evidence rows could not be scored"),
    )


def _rag(root: Root, order: Order) -> Done:
    made = export_rag(
        root,
        recorded_at=order.recorded_at,
        firewall=order.firewall,
        include_review=order.include_review,
        progress=order.progress,
    )
    return _exported(root, made, order, include_review=order.include_review)


def _sft(root: Root, order: Order) -> Done:
    made = export_sft(
        root,
        recorded_at=order.recorded_at,
        firewall=order.firewall,
        include_partial=order.include_partial,
        progress=order.progress,
    )
    return _exported(root, made, order, include_partial=order.include_partial)


def _preference(root: Root, order: Order) -> Done:
    made = export_preference(root, recorded_at=order.recorded_at, firewall=order.firewall, progress=order.progress)
    return _exported(root, made, order)


def _exported(root: Root, made: Exported, order: Order, **settings: bool) -> Done:
    # A training format made of the last export may hold rows that have left it since: a decision undone, a new wall.
    for name, (kind, _) in FORMATS.items():
        if kind == made.name and format_file(root, name).exists():
            write_format(root, name)
    lost = made.counts.lost()
    return Done(
        f"export-{made.name}",
        made.counts,
        made.inputs,
        made.outputs,
        made.outputs[:1],
        reasons=made.refused,
        settings={**settings, "firewall": order.firewall.fingerprint, "scorer_version": SCORER_VERSION},
        errors=(f"{lost} rows came in and are nowhere",) if lost else (),
    )


def _skipped(reasons: Mapping[str, int], what: str) -> tuple[str, ...]:
    return tuple(f"{count} {what}: {reason}" for reason, count in sorted(reasons.items()))


def _write(path: Path, text: bytes) -> None:
    with records.replacing(path) as file:
        file.write(text)


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _git(folder: Path, *words: str) -> str | None:
    try:
        said = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return said.stdout.strip() if said.returncode == 0 else None


_STAGES: Mapping[str, Callable[[Root, Order], Done]] = {
    "collect": _collect,
    "score": _score,
    "export-rag": _rag,
    "export-sft": _sft,
    "export-preference": _preference,
}
