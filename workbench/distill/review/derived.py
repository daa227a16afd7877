"""What leaves by a reviewer's word: a derived evidence row and its score beside the original, which is never changed.

An exporter that passes an evidence row whose run is in `Standing` with a deciding decision takes the derived row **in
place of** the original: else an accepted text would leave twice, and one that a reviewer rejected would leave after
all. Nothing derived is stored, so an undo withdraws it at the next export.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench import records
from workbench.distill.review.decisions import Logged, Standing

SCORER_VERSION = "review.v1"
REVIEWED = "#review:"
"""Stands in a derived run id between the run and the line of the review log."""
CATEGORY = {"accept": "accepted", "fix": "accepted", "reject": "rejected"}
"""What a judgement makes of a run."""


@dataclass(frozen=True, slots=True)
class Derived:
    """One decision as rows of the contract.

    ``evidence`` (an EvidenceRecord) and ``scored`` (a ScoredRun) carry the run id ``<run_id>#review:<line>`` and the
    review line as provenance. ``original`` is the untouched evidence row of a fix, the rejected side of its preference
    pair, and None for any other decision.
    """

    evidence: dict[str, Any]
    scored: dict[str, Any]
    original: Mapping[str, Any] | None


def deciding(standing: Standing) -> dict[str, Logged]:
    """The decision that counts, of every run that has one."""
    found = {run: standing.deciding(run) for run in sorted(standing.by_run)}
    return {run: one for run, one in found.items() if one is not None}


def derive(one: Logged, evidence: Mapping[str, Any], scored: Mapping[str, Any], *, source_file: str) -> Derived:
    """The rows that a decision makes of an evidence row and its score; ``source_file`` is the log, relative to the
    root.

    Pure: its times are the decision's own, so every export makes the same bytes.
    """
    said = one.decision
    run_id = f"{said.run_id}{REVIEWED}{one.line}"
    provenance = {
        "source_file": source_file,
        "line_offset": one.line,
        "sig_hash": records.sig_hash(said.to_dict()),
        "recorded_at": said.at,
    }
    row = {**evidence, "run_id": run_id, "timestamp": said.at, "provenance": provenance}
    if said.decision == "fix":
        row["text"] = said.corrected_text
    row["metadata"] = {
        **(evidence.get("metadata") or {}),
        "review_of": said.run_id,
        "review_of_sig_hash": evidence["provenance"]["sig_hash"],
        "guideline_version": said.guideline_version,
    }
    score = {
        **scored,
        "evidence_run_id": run_id,
        "evidence_task_id": evidence["task_id"],
        "category": CATEGORY[said.decision],
        "reasons": [f"reviewed: {said.decision}" + (f": {said.reason}" if said.reason else "")],
        "scored_at": said.at,
        "scorer_version": SCORER_VERSION,
        "provenance": provenance,
    }
    return Derived(row, score, evidence if said.decision == "fix" else None)
