"""The 22 invariants of acceptance, each a function of two finished runs that gives what was expected and what is there.

They read the files that the runs left and believe no count that a stage told of itself where the disk can be asked.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import records
from workbench.distill import proofs
from workbench.distill.receipts import STAGES, read_receipts
from workbench.distill.records import Errors, FileFact, RunSummary, StageReceipt, validate
from workbench.distill.root import EXPORTS, Root

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Runs:
    """Two roots with the same sources. ``first`` was run twice in place, ``second`` once; the run ids differ.

    ``before`` are the data files of ``first`` after its first run, as `data_files` gives them.
    """

    first: Root
    second: Root
    first_run: str
    again_run: str
    second_run: str
    before: Mapping[str, str]


Told = tuple[Any, Any]
"""What was expected, and what is there."""


def data_files(root: Root) -> dict[str, str]:
    """SHA-256 by path of what a run makes: evidence, scored runs, skips, exports, quarantine; receipts are not data."""
    folders = [root.path / "data" / "evidence", root.path / "data" / "scored-runs", root.path / "exports"]
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    paths += [root.skips] if root.skips.exists() else []
    return {root.relative(path): records.sha256_file(path) for path in sorted(paths)}


def summary(root: Root, run_id: str) -> RunSummary | Errors | None:
    """The summary of a run: the record, all that is wrong with it, or None when there is none."""
    path = root.reports(run_id) / "summary.json"
    if not path.is_file():
        return None
    row = records.parse(path.read_bytes())
    return validate(RunSummary, row if isinstance(row, dict) else {})


def _evidence_rows(runs: Runs) -> Told:
    return 14, proofs.count(runs.first.evidence_files())


def _evidence_skips(runs: Runs) -> Told:
    return 1, proofs.count([runs.first.skips])


def _skip_names_reason(runs: Runs) -> Told:
    told = [
        f"{row.get('stream')}: {row.get('reason')} {row.get('errors')}" for _, row in records.rows(runs.first.skips)
    ]
    return "scrum_reviews, reviewed_at", (
        "scrum_reviews, reviewed_at"
        if len(told) == 1 and told[0].startswith("scrum_reviews: ") and "reviewed_at" in told[0]
        else told
    )


def _category(name: str, count: int) -> Callable[[Runs], Told]:
    return lambda runs: (count, proofs.categories(runs.first).get(name, 0))


def _scored_joins_evidence(runs: Runs) -> Told:
    evidence = [row["run_id"] for path in runs.first.evidence_files() for _, row in records.rows(path)]
    scored = [row["evidence_run_id"] for path in runs.first.scored_files() for _, row in records.rows(path)]
    return sorted(set(evidence)) or "evidence", sorted(scored)


def _provenance_complete(runs: Runs) -> Told:
    judged = [*runs.first.evidence_files(), *runs.first.scored_files(), *map(runs.first.export, EXPORTS)]
    return "every row", proofs.incomplete_provenance(runs.first) or ("every row" if proofs.count(judged) else "no row")


def _sig_hash_recomputes(runs: Runs) -> Told:
    judged = proofs.count(runs.first.evidence_files())
    wrong = proofs.stale_hashes(runs.first)
    return "14 of 14", wrong or f"{judged} of {judged}"


def _nobody_left(kind: str, proof: Callable[[Root], list[str]]) -> Callable[[Runs], Told]:
    """The proof finds nothing, and in an export that is not empty: an empty one proves nothing."""

    def told(runs: Runs) -> Told:
        rows = proofs.count([runs.first.export(kind)])
        return "rows, none of them", (
            "rows, none of them" if rows and not proof(runs.first) else [rows, *proof(runs.first)]
        )

    return told


def _preference_distinct(runs: Runs) -> Told:
    same = [*proofs.self_pairs(runs.first), *proofs.identical_pairs(runs.first)]
    pairs = proofs.count([runs.first.export("preference")])
    return "pairs, all distinct", same or ("pairs, all distinct" if pairs else "no pair")


def _preference_from_same_task(runs: Runs) -> Told:
    found = proofs.pairs_across_tasks(runs.first)
    return "1 pair of one task", found or f"{proofs.count([runs.first.export('preference')])} pair of one task"


def _nothing_lost(runs: Runs) -> Told:
    root, receipts = runs.first, _valid_receipts(runs)
    evidence, scored = proofs.count(root.evidence_files()), proofs.count(root.scored_files())
    sources = proofs.count(root.sources().values())
    came = {"collect": sources, "score": evidence, "export-rag": scored, "export-sft": scored}
    came["export-preference"] = receipts["export-preference"].inputs.record_count
    went = {"collect": evidence + proofs.count([root.skips]), "score": scored + receipts["score"].stats.skipped}
    for kind in EXPORTS:
        files = [root.export(kind), root.quarantine(kind)]
        told = receipts[f"export-{kind}"].stats
        went[f"export-{kind}"] = proofs.count(files) + told.skipped + int(getattr(told, "deduped", 0))
    said = {stage: receipt.inputs.record_count for stage, receipt in receipts.items()}
    return {"came": came, "receipts": came}, {"came": went, "receipts": said}


def _receipts_five_valid(runs: Runs) -> Told:
    found = {
        stage: "valid" if isinstance(receipt, StageReceipt) and receipt.stage == stage else str(receipt)
        for stage, receipt in read_receipts(runs.first, runs.first_run).items()
    }
    return dict.fromkeys(STAGES, "valid"), found


def _receipts_match_disk(runs: Runs) -> Told:
    """The receipts of the root that was run once: nothing has written there since."""
    receipts = read_receipts(runs.second, runs.second_run)
    wrong = [f"{stage}: no valid receipt" for stage, one in receipts.items() if not isinstance(one, StageReceipt)]
    for stage, one in receipts.items():
        if isinstance(one, StageReceipt):
            facts = [*one.inputs.files, *one.outputs.files]
            wrong += [f"{stage}: {fact.path} is another file" for fact in facts if not _is_that(runs.second, fact)]
            rows = proofs.count(_rows_of(runs.second, stage))
            wrong += [f"{stage}: says {one.outputs.record_count}, {rows} on disk"] * (one.outputs.record_count != rows)
    return [], wrong


def _is_that(root: Root, fact: FileFact) -> bool:
    path = root.path / fact.path
    return path.is_file() and (records.sha256_file(path), path.stat().st_size) == (fact.sha256, fact.bytes)


def _rows_of(root: Root, stage: str) -> tuple[Path, ...]:
    files = {"collect": root.evidence_files(), "score": root.scored_files()}
    return files.get(stage) or (root.export(stage.removeprefix("export-")),)


def _summary_valid(runs: Runs) -> Told:
    made = [summary(root, run) for root, run in ((runs.first, runs.first_run), (runs.second, runs.second_run))]
    hashes = [one.run_hash if isinstance(one, RunSummary) else f"{one}" for one in made]
    stages = [list(one.stages) if isinstance(one, RunSummary) else [] for one in made]
    same = len(set(hashes)) == 1 and bool(_SHA256.fullmatch(hashes[0]))
    ran = stages == [list(STAGES)] * 2 and all(
        isinstance(one, RunSummary) and one.overall_passed is False for one in made
    )
    wanted = "two run ids, one run_hash, five stages, not passed: a row was skipped"
    return wanted, wanted if same and ran else [hashes, stages]


def _rerun_byte_identical(runs: Runs) -> Told:
    return runs.before or "files", data_files(runs.second)


def _rerun_in_place_adds_nothing(runs: Runs) -> Told:
    return runs.before or "files", data_files(runs.first)


def _valid_receipts(runs: Runs) -> dict[str, StageReceipt]:
    found = read_receipts(runs.first, runs.first_run)
    return {stage: one for stage, one in found.items() if isinstance(one, StageReceipt)}


def fingerprint(told: Any) -> Any:
    """What is printed of a long answer: a listing of files as their number and one SHA-256 over them."""
    if isinstance(told, dict) and len(told) > 6 and all(isinstance(value, str) for value in told.values()):
        return f"{len(told)} files, {hashlib.sha256(repr(sorted(told.items())).encode()).hexdigest()[:12]}"
    return told


INVARIANTS: Mapping[str, Callable[[Runs], Told]] = {
    "evidence_rows": _evidence_rows,
    "evidence_skips": _evidence_skips,
    "skip_names_reason": _skip_names_reason,
    "accepted": _category("accepted", 6),
    "rejected": _category("rejected", 4),
    "partial": _category("partially_accepted", 2),
    "human": _category("needs_human_review", 2),
    "scored_joins_evidence": _scored_joins_evidence,
    "provenance_complete": _provenance_complete,
    "sig_hash_recomputes": _sig_hash_recomputes,
    "sft_no_never": _nobody_left("sft", proofs.sft_leaks),
    "sft_no_partial_by_default": _nobody_left("sft", proofs.sft_partial),
    "rag_no_rejected": _nobody_left("rag", proofs.rag_rejected),
    "rag_no_human_by_default": _nobody_left("rag", proofs.rag_human),
    "preference_distinct": _preference_distinct,
    "preference_from_same_task": _preference_from_same_task,
    "nothing_lost": _nothing_lost,
    "receipts_five_valid": _receipts_five_valid,
    "receipts_match_disk": _receipts_match_disk,
    "summary_valid": _summary_valid,
    "rerun_byte_identical": _rerun_byte_identical,
    "rerun_in_place_adds_nothing": _rerun_in_place_adds_nothing,
}
"""By name, in the order in which they are told."""
