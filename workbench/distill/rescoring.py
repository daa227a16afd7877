"""Scorer drift: persisted scored runs beside what today's scorer says of the same evidence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.distill.export.join import join
from workbench.distill.root import Root
from workbench.distill.scorer import SCORER_VERSION, judge
from workbench.distill.stage import Progress


@dataclass(frozen=True, slots=True)
class Rescored:
    """How many persisted judgements today's scorer repeats.

    ``moves`` counts ``(from, to)`` of those it does not, most frequent first; ``lost`` are scored runs whose evidence
    is gone: nothing can be said of them.
    """

    scorer_version: str
    matched: int
    drifted: int
    lost: int
    moves: tuple[tuple[str, str, int], ...]

    @property
    def rate(self) -> float:
        """Drifted of all that could be judged again, 0 to 1; 0 when there is none."""
        judged = self.matched + self.drifted
        return self.drifted / judged if judged else 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {
            "scorer_version": self.scorer_version,
            "matched": self.matched,
            "drifted": self.drifted,
            "rate": self.rate,
            "lost": self.lost,
            "moves": [{"from": was, "to": now, "count": count} for was, now, count in self.moves],
        }


def rescore(root: Root, *, progress: Progress | None = None) -> Rescored:
    """Every scored run on disk, judged again. Only reads. Raises InvalidError at a line that is no JSON."""
    return compared((one.category, one.evidence) for one in join(root, stage="rescore", progress=progress))


def compared(judged: Iterable[tuple[str, Mapping[str, Any] | None]]) -> Rescored:
    """Pairs of a persisted category and the evidence it judged (None: it is gone). Pure."""
    matched = lost = 0
    moves: Counter[tuple[str, str]] = Counter()
    for was, evidence in judged:
        if evidence is None:
            lost += 1
            continue
        now, _ = judge(evidence)
        if now == was:
            matched += 1
        else:
            moves[was, now] += 1
    ordered = sorted(moves.items(), key=lambda move: (-move[1], move[0]))
    told = tuple((was, now, count) for (was, now), count in ordered)
    return Rescored(SCORER_VERSION, matched, sum(moves.values()), lost, told)
