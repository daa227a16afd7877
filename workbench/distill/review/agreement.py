"""How far two reviewers agree beyond chance, with how sure that number is; and how often one meets the gold answer.

Sources: kappa is J. Cohen, "A coefficient of agreement for nominal scales", Educ. Psychol. Meas. 20 (1960) 37–46; its
large-sample standard error is J. L. Fleiss, J. Cohen, B. S. Everitt, "Large sample standard errors of kappa and
weighted kappa", Psychol. Bull. 72 (1969) 323–327; the interval of a share is E. B. Wilson, J. Am. Stat. Assoc. 22
(1927) 209–212.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from workbench.distill.review.decisions import JUDGEMENTS, Decision, Gold

Z_95 = 1.959963984540054
"""The normal quantile of a two-sided 95 % interval."""


@dataclass(frozen=True, slots=True)
class Kappa:
    """Cohen's kappa of two reviewers over ``items`` that both judged.

    ``observed`` and ``expected`` are shares of items. ``kappa`` and ``interval`` (95 %, low and high) are None where
    they mean nothing: no item, or both gave one and the same judgement throughout, so that chance alone would agree.
    """

    items: int
    observed: float | None
    expected: float | None
    kappa: float | None
    interval: tuple[float, float] | None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Pairwise:
    """The agreement of two reviewers, by name."""

    first: str
    second: str
    kappa: Kappa


@dataclass(frozen=True, slots=True)
class GoldScore:
    """How often a reviewer gave the gold answer; ``interval`` is Wilson's 95 % interval of the share."""

    reviewer: str
    right: int
    items: int
    interval: tuple[float, float]

    @property
    def share(self) -> float:
        """Right of all."""
        return self.right / self.items


def kappa(judged: Iterable[tuple[str, str]]) -> Kappa:
    """Cohen's kappa of pairs of judgements, one pair per item.

    Where every item agrees, or none does, the standard error may be 0, which says more than a few items can: the
    interval then comes from Wilson's interval of the observed agreement.
    """
    cells = Counter(judged)
    items = sum(cells.values())
    if not items:
        return Kappa(0, None, None, None, None)
    shares = {cell: count / items for cell, count in cells.items()}
    rows, columns = _margin(shares, 0), _margin(shares, 1)
    agreed = sum(count for (a, b), count in cells.items() if a == b)
    observed = agreed / items
    expected = sum(share * columns.get(label, 0.0) for label, share in rows.items())
    if math.isclose(expected, 1.0):
        return Kappa(items, observed, expected, None, None)
    value = (observed - expected) / (1 - expected)
    error = _standard_error(shares, rows, columns, items)
    if math.isclose(error, 0.0, abs_tol=1e-9):
        low, high = ((end - expected) / (1 - expected) for end in wilson(agreed, items))
    else:
        low, high = value - Z_95 * error, value + Z_95 * error
    return Kappa(items, observed, expected, value, (max(-1.0, low), min(1.0, high)))


def _margin(shares: dict[tuple[str, str], float], side: int) -> dict[str, float]:
    out: dict[str, float] = {}
    for cell, share in shares.items():
        out[cell[side]] = out.get(cell[side], 0.0) + share
    return out


def _standard_error(
    shares: dict[tuple[str, str], float], rows: dict[str, float], columns: dict[str, float], items: int
) -> float:
    """Fleiss, Cohen and Everitt (1969), equation 13, for weights 1 on the diagonal and 0 beside it."""
    observed = sum(share for (a, b), share in shares.items() if a == b)
    expected = sum(share * columns.get(label, 0.0) for label, share in rows.items())
    on = sum(
        share * ((1 - expected) - (rows[a] + columns[a]) * (1 - observed)) ** 2
        for (a, b), share in shares.items()
        if a == b
    )
    off = sum(share * (columns.get(a, 0.0) + rows.get(b, 0.0)) ** 2 for (a, b), share in shares.items() if a != b) * (
        (1 - observed) ** 2
    )
    rest = (observed * expected - 2 * expected + observed) ** 2
    return math.sqrt(max(0.0, on + off - rest) / items) / (1 - expected) ** 2


def wilson(hits: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share; all of 0..1 when nothing was counted."""
    if of == 0:
        return (0.0, 1.0)
    share, square = hits / of, Z_95 * Z_95
    middle = (share + square / (2 * of)) / (1 + square / of)
    spread = Z_95 * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return (0.0 if hits == 0 else max(0.0, middle - spread), 1.0 if hits == of else min(1.0, middle + spread))


def between(standing: Iterable[Decision]) -> tuple[Pairwise, ...]:
    """The agreement of every two reviewers who judged some run both; a skip is no judgement. Sorted by names."""
    by_reviewer: dict[str, dict[str, str]] = {}
    for one in standing:
        if one.decision in JUDGEMENTS:
            by_reviewer.setdefault(one.reviewer, {})[one.run_id] = one.decision
    out = []
    for first, second in combinations(sorted(by_reviewer), 2):
        mine, other = by_reviewer[first], by_reviewer[second]
        both = sorted(mine.keys() & other.keys())
        if both:
            out.append(Pairwise(first, second, kappa((mine[run], other[run]) for run in both)))
    return tuple(out)


def against_gold(standing: Iterable[Decision], gold: Iterable[Gold]) -> tuple[GoldScore, ...]:
    """Each reviewer's judgements of gold items beside the gold answers, sorted by name."""
    answers = {item.run_id: item.decision for item in gold}
    right: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for one in standing:
        if one.decision in JUDGEMENTS and one.run_id in answers:
            seen[one.reviewer] += 1
            right[one.reviewer] += one.decision == answers[one.run_id]
    return tuple(GoldScore(name, right[name], seen[name], wilson(right[name], seen[name])) for name in sorted(seen))
