"""A reviewer's decision at the door: the row made from it leaves in the original's place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from workbench.distill.export.gate import provenance
from workbench.distill.export.join import Joined
from workbench.distill.review import derived, log
from workbench.distill.review.decisions import standing
from workbench.distill.root import Root

REVIEW_VERSION = derived.SCORER_VERSION
"""The scorer version of rows made from reviewers' decisions."""


def decisions(root: Root) -> Callable[[Joined], Joined]:
    """What stands in the review log now, as a function of a row: the row made from the decision on it, else itself.

    The row of a fix carries its original. A row that cannot say where it came from stays as it is, for its gate.
    Raises what reading the review log raises.
    """
    deciding = derived.deciding(standing(log.read(root)))
    source_file = root.relative(root.reviews)

    def decide(row: Joined) -> Joined:
        said = deciding.get(row.run_id)
        if said is None or row.evidence is None or provenance(row):
            return row
        made = derived.derive(said, row.evidence, row.scored, source_file=source_file)
        return replace(row, scored=made.scored, evidence=made.evidence, original=row if made.original else None)

    return decide
