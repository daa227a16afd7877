"""Fusion: the parts of a score and how much each of them counts.

A score is Σ weight × part and nothing else. Parts and weights are 0 … 1 and the weights of a query sum to 1, so the
score is 0 … 1 too. How much the words count is decided per query by how well the corpus covers them: equal weights
halve the quality where no word matches, since BM25 then returns confident noise (shared/design/vectors.md, 1.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidError

PARTS = ("meaning", "words", "trade")
"""meaning: cosine of the vectors · words: BM25 against its ideal · trade: likeness of the occupations."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a score: ``value`` and ``weight`` 0 … 1; ``rank`` in the list of its own arm, None when beyond it
    or when that arm was not asked, as it has no weight.
    """

    name: str
    value: float
    weight: float
    rank: int | None = None

    @property
    def share(self) -> float:
        """What it adds to the score."""
        return self.value * self.weight

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"part": self.name, "value": self.value, "weight": self.weight, "rank": self.rank}


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each arm counts in one corpus, chosen by ``lh eval`` on labelled queries.

    ``words`` holds at full coverage and falls with coverage ** ``power``; ``meaning`` and ``trade`` are as given. The
    three are scaled to sum 1 for each query. Raises InvalidError for a negative one or when all are zero.
    """

    meaning: float = 1.0
    words: float = 4.0
    trade: float = 0.6
    power: float = 2.0

    def __post_init__(self) -> None:
        given = (self.meaning, self.words, self.trade)
        if not all(np.isfinite(given)) or min(given) < 0 or sum(given) == 0 or not 0 <= self.power <= 10:
            raise InvalidError(
                f"Weights {given} with power {self.power} cannot rank.",
                hint="Give three numbers from 0 up, one of them above 0, and a power of 0 to 10.",
            )

    def of(self, coverage: float, *, trade: bool) -> Values:
        """The weights (3,) of a query whose words are covered to ``coverage`` 0 … 1; sum 1.

        ``trade`` False: the corpus or the query has no occupations and that part counts nothing.
        """
        raw = np.array([self.meaning, self.words * coverage**self.power, self.trade if trade else 0.0])
        total = raw.sum()
        return raw / total if total else np.array([1.0, 0.0, 0.0])


VECTOR_ONLY = Weights(1.0, 0.0, 0.0)
TEXT_ONLY = Weights(0.0, 1.0, 0.0, power=0.0)


def scored(values: Values, weights: Values) -> Values:
    """Scores of ``values`` (n, 3): the bits of a row depend on that row and the weights alone."""
    out: Values = values[:, 0] * weights[0]
    for part in range(1, values.shape[1]):
        out = out + values[:, part] * weights[part]
    return out
