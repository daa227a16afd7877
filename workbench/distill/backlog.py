"""What waits for a reviewer below a root: scored rows as the queue sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workbench.distill.export.join import join
from workbench.distill.review import log
from workbench.distill.review.decisions import Decision
from workbench.distill.review.queue import Candidate
from workbench.distill.root import Root
from workbench.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Shown:
    """A run as a reviewer sees it: what was asked is not in the evidence of every stream, its text is."""

    run_id: str
    task_id: str
    category: str
    reasons: tuple[str, ...]
    text: str


def candidates(root: Root) -> Iterator[Candidate]:
    """Every scored run that has its evidence. Raises InvalidError at a line that is no JSON."""
    for row in join(root):
        if row.evidence is not None:
            confidence = row.evidence.get("observer_confidence")
            yield Candidate(
                row.run_id,
                row.task_id,
                row.stream,
                row.category,
                row.evidence.get("observer_verdict") or "",
                float(confidence) if isinstance(confidence, int | float) else None,
            )


def shown(root: Root, run_id: str) -> Shown:
    """One run. Raises NotFoundError when no scored run has that id."""
    for row in join(root):
        if row.run_id == run_id and row.evidence is not None:
            reasons = tuple(map(str, row.scored.get("reasons") or ()))
            return Shown(row.run_id, row.task_id, row.category, reasons, row.text)
    raise NotFoundError(f"No scored run has the id {run_id!r}.", hint="lh distill review queue lists what waits.")


def decide(root: Root, decision: Decision) -> Shown:
    """Append a decision on a run that is there; the run as it was judged. Raises as `shown`."""
    found = shown(root, decision.run_id)
    log.write(root, decision)
    return found
