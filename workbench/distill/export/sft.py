"""Instruction and response: what a model answered and was accepted, and never anything else.

``SFT_NEVER`` is checked in three places that know nothing of each other: the gate of the exporter, the schema of the
sample, and the written file when it is read once more before it is published.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from workbench import records
from workbench.distill.export import gate, wording
from workbench.distill.export.engine import Exported, Exporter, Shape, export_rows, row_id
from workbench.distill.export.join import Joined
from workbench.distill.firewall import Firewall
from workbench.distill.records import SFT_NEVER, Errors, SftSample, validate
from workbench.distill.root import Root
from workbench.distill.stage import Progress
from workbench.errors import FirewallError

SAFE = frozenset({"accepted", "partially_accepted"})


def export_sft(
    root: Root,
    *,
    recorded_at: str,
    firewall: Firewall,
    include_partial: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write ``exports/sft/instruction_response.jsonl`` and its quarantine anew; raises as `export_rows` does."""
    exporter = sft_exporter(include_partial=include_partial)
    return export_rows(root, exporter, recorded_at=recorded_at, firewall=firewall, progress=progress)


def sft_exporter(*, include_partial: bool = False) -> Exporter:
    """What the export of instructions and responses is."""
    return Exporter(
        name="sft",
        gates=(
            partial(gate.sft_category, include_partial=include_partial),
            gate.author,
            gate.provenance,
            gate.content,
        ),
        build=build,
        shape=Shape(
            texts=("instruction", "context", "response"),
            kept=("source_run_id",),
            check=partial(validate, SftSample),
            refused=_reason,
        ),
        verify=verify_file,
    )


def build(row: Joined) -> dict[str, Any]:
    """An SftSample, not yet checked, of a row that passed the gates."""
    evidence = row.evidence or {}
    return {
        "schema_version": 1,
        "id": row_id("sft", row),
        "instruction": wording.instruction(row.stream, evidence),
        "context": wording.context(evidence),
        "response": row.text,
        "source_run_id": row.run_id,
        "quality_score": row.category,
        "created_at": row.scored.get("scored_at"),
        "provenance": evidence.get("provenance"),
    }


def verify_file(path: Path) -> None:
    """The third of the three places: read the file as written.

    Raises FirewallError at a line whose quality_score is in ``SFT_NEVER`` or is none that may leave; InvalidError at
    a line that is no JSON object.
    """
    for number, row in records.rows(path):
        score = row.get("quality_score")
        if score in SFT_NEVER or score not in SAFE:
            raise FirewallError(
                f"Line {number + 1} of the SFT export has quality_score {score!r}, which is never trained on.",
                hint="The file was not published and the last one stands; this is a fault of the exporter, report it.",
                details={"line": number + 1, "quality_score": score, "id": row.get("id")},
            )


def _reason(errors: Errors) -> str:
    unsafe = any(problem.path == "quality_score" for problem in errors.problems)
    return "unsafe_sft_category" if unsafe else "schema_violation"
