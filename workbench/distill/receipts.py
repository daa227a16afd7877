"""Receipts: what a stage read and wrote, counted and hashed from the files themselves, not from what the stage says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from workbench import records
from workbench.distill.records import Errors, Receipt, StageReceipt, checked, encode, validate
from workbench.distill.root import Root
from workbench.distill.stage import Counts, GitState

STAGES = ("collect", "score", "export-rag", "export-sft", "export-preference")
"""The stages of a run in their order; each leaves ``reports/distillation/<run_id>/<stage>.json``."""
COMMAND_FILE = "receipt.json"
UNKNOWN_COMMIT = "0" * 40
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Done:
    """What a stage did, as its receipt tells it.

    ``rows_of`` are those ``outputs`` whose lines are the stage's rows. ``reasons`` counts skips or quarantine by
    reason, ``categories`` the scored categories. ``settings`` are what beside the input files decides the output; they
    enter the input hash. A stage with ``errors`` did not pass.
    """

    stage: str
    counts: Counts
    inputs: Sequence[Path]
    outputs: Sequence[Path]
    rows_of: Sequence[Path]
    reasons: Mapping[str, int] = field(default_factory=dict)
    categories: Mapping[str, int] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def stage_receipt(
    root: Root, done: Done, *, run_id: str, recorded_at: str, git: GitState, duration_ms: int
) -> StageReceipt:
    """The receipt of a stage, from the files as they are on disk now. Raises InvalidError when it breaks its schema."""
    inputs = _side(root, done.inputs, done.counts.records_in, done.settings)
    outputs = _side(root, done.outputs, sum(map(_lines, done.rows_of)), {})
    return checked(
        StageReceipt,
        {
            "schema_version": 1,
            "run_id": run_id,
            "stage": done.stage,
            "inputs": inputs,
            "outputs": outputs,
            "stats": {
                "accepted": done.counts.accepted,
                "rejected": done.counts.rejected,
                "quarantined": done.counts.quarantined,
                "skipped": done.counts.skipped,
                "deduped": done.counts.deduped,
                "written": done.counts.records_out,
                "reasons": dict(sorted(done.reasons.items())),
                "categories": dict(sorted(done.categories.items())),
            },
            "validation": {"passed": not done.errors, "errors": list(done.errors), "warnings": list(done.warnings)},
            "git_commit": git.sha,
            "duration_ms": duration_ms,
            "provenance": _provenance(inputs["files"], done.stage, inputs["hash"], recorded_at),
        },
    )


def command_receipt(
    command: str, receipts: Sequence[StageReceipt], *, recorded_at: str, git: GitState, duration_ms: int
) -> Receipt:
    """The receipt of one command over its stages: it began at ``recorded_at`` and took ``duration_ms``.

    ``record_counts`` are the rows that came into the first stage and that the stages wrote, skipped and deduped.
    """
    inputs = receipts[0].inputs
    outputs = {fact.path: fact for each in receipts for fact in each.outputs.files}
    known = git.sha != UNKNOWN_COMMIT
    return checked(
        Receipt,
        {
            "schema_version": 1,
            "command": command,
            "git_sha": git.sha,
            "git_dirty": git.dirty,
            "started_at": recorded_at,
            "ended_at": _later(recorded_at, duration_ms),
            "duration_ms": duration_ms,
            "input_files": [fact.model_dump() for fact in inputs.files],
            "output_files": [outputs[path].model_dump() for path in sorted(outputs)],
            "record_counts": {
                "in": inputs.record_count,
                "out": sum(_stat(each, "written") for each in receipts),
                "skipped": sum(each.stats.skipped for each in receipts),
                "deduped": sum(_stat(each, "deduped") for each in receipts),
            },
            "errors": [error for each in receipts for error in each.validation.errors],
            "warnings": [
                *(warning for each in receipts for warning in each.validation.warnings),
                *([] if known else ["git_sha: not a git checkout, the commit is not known"]),
            ],
            "validation_pass": all(each.validation.passed for each in receipts),
            "provenance": _provenance([fact.model_dump() for fact in inputs.files], command, inputs.hash, recorded_at),
        },
    )


def write_receipt(path: Path, receipt: StageReceipt | Receipt) -> None:
    """Write a receipt whole or not at all."""
    with records.replacing(path) as file:
        file.write(encode(receipt))


def read_receipts(root: Root, run_id: str) -> dict[str, StageReceipt | Errors | None]:
    """The five receipts of a run by stage: the record, all that is wrong with it, or None when it is not there."""
    return {stage: _read(root.reports(run_id) / f"{stage}.json") for stage in STAGES}


def files_hash(facts: Iterable[Mapping[str, Any]], settings: Mapping[str, Any]) -> str:
    """One SHA-256 over paths and hashes of files and the settings beside them; in any order."""
    files = sorted([fact["path"], fact["sha256"]] for fact in facts)
    return records.sig_hash({"files": files, "settings": dict(settings)})


def mismatches(root: Root, receipt: StageReceipt) -> list[str]:
    """Where a receipt and the disk differ: one line for each file that is gone or other, and for each wrong sum."""
    found = []
    for name, side in (("inputs", receipt.inputs), ("outputs", receipt.outputs)):
        facts = [fact.model_dump() for fact in side.files]
        for number, fact in enumerate(facts):
            path = root.path / fact["path"]
            if not path.is_file():
                found.append(f"{name}.files[{number}]: {fact['path']} is gone")
            elif _fact(root, path) != fact:
                found.append(f"{name}.files[{number}]: {fact['path']} is another file now")
        if files_hash(facts, getattr(side, "settings", {})) != side.hash:
            found.append(f"{name}.hash: is not over its files")
    return found


def _side(root: Root, paths: Sequence[Path], record_count: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    facts = [_fact(root, path) for path in sorted(set(paths)) if path.is_file()]
    side = {"files": facts, "record_count": record_count, "hash": files_hash(facts, settings)}
    return side | ({"settings": dict(settings)} if settings else {})


def _fact(root: Root, path: Path) -> dict[str, Any]:
    return {"path": root.relative(path), "sha256": records.sha256_file(path), "bytes": path.stat().st_size}


def _lines(path: Path) -> int:
    """Lines of a file that we wrote: each ends in a line end."""
    if not path.is_file():
        return 0
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(_BLOCK), b""))


def _provenance(files: Sequence[Mapping[str, Any]], what: str, sig_hash: str, recorded_at: str) -> dict[str, Any]:
    source = str(files[0]["path"]) if files else what
    return {"source_file": source, "sig_hash": sig_hash, "recorded_at": recorded_at}


def _read(path: Path) -> StageReceipt | Errors | None:
    if not path.is_file():
        return None
    row = records.parse(path.read_bytes())
    return validate(StageReceipt, row if isinstance(row, dict) else {})


def _stat(receipt: StageReceipt, name: str) -> int:
    return int(getattr(receipt.stats, name, 0))


def _later(recorded_at: str, duration_ms: int) -> str:
    try:
        return (datetime.fromisoformat(recorded_at) + timedelta(milliseconds=duration_ms)).isoformat()
    except ValueError:  # a leap of the calendar that the schema allows and datetime does not
        return recorded_at
