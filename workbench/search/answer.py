"""Answers of a search, as frozen values: the rows, why each is there, and how the search came to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from workbench.search.ranking.hits import Hit, Id
from workbench.search.reading.asked import Asked
from workbench.search.reading.gates import Step
from workbench.search.vectors.index import Plan


@dataclass(frozen=True, slots=True)
class Freshness:
    """How new the answer is: the ``version`` searched, ``rows`` that this search had to take in first, how many of the
    nearest texts came ``from_graph`` and ``from_scan``, and the ``plan`` in a word.
    """

    version: int
    rows: int = 0
    from_graph: int = 0
    from_scan: int = 0
    plan: str = ""

    @classmethod
    def of(cls, version: int, rows: int, plan: Plan | None) -> Freshness:
        """The freshness of an answer found by ``plan``."""
        if plan is None:
            return cls(version, rows)
        return cls(version, rows, plan.from_graph, plan.from_scan, plan.kind)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "version": self.version,
            "new_rows": self.rows,
            "from_graph": self.from_graph,
            "from_scan": self.from_scan,
            "plan": self.plan,
        }


@dataclass(frozen=True)
class Results:
    """Ranked rows. ``table``: one row per hit, in order, masked unless asked; ``funnel``: from all rows to those that
    matched every condition. ``nothing_close`` says that even the best hit is far from the query. ``search_id`` is its
    entry in the search log, "" when there is none.
    """

    query: str
    asked: Asked
    dataset: str
    hits: tuple[Hit, ...]
    table: pa.Table
    funnel: tuple[Step, ...]
    freshness: Freshness
    coverage: float
    nothing_close: bool
    where: str = ""
    model: str = ""
    elapsed_s: float = 0.0
    notes: tuple[str, ...] = ()
    search_id: str = ""

    @property
    def version(self) -> int:
        """The version of the dataset that was searched."""
        return self.freshness.version

    @property
    def matching(self) -> int:
        """Rows that passed every condition."""
        return self.funnel[-1].rows

    def to_dict(self) -> dict[str, Any]:
        """JSON form: what every door hands out."""
        rows = self.table.to_pylist()
        return {
            "query": self.query,
            "dataset": self.dataset,
            "version": self.version,
            "where": self.where,
            "model": self.model,
            "rows": self.funnel[0].rows,
            "matching": self.matching,
            "funnel": [step.to_dict() for step in self.funnel],
            "not_understood": [item.value for item in self.asked.unread],
            "notes": list(self.notes),
            "nothing_close": self.nothing_close,
            "coverage": round(self.coverage, 4),
            "freshness": self.freshness.to_dict(),
            "hits": [hit.to_dict() | {"row": row} for hit, row in zip(self.hits, rows, strict=True)],
            "elapsed_s": round(self.elapsed_s, 4),
            "search_id": self.search_id,
        }


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why a row is not among the first k, or that it is.

    ``gate`` is the first condition that dropped it ("" for none), ``change`` the smallest change that would bring it
    in. ``rank`` and ``score`` are its own where it passed every gate (rank None: beyond the first 1,000);
    ``last_score`` is that of the last hit shown.
    """

    id: Id
    gate: str
    change: str
    rank: int | None = None
    score: float | None = None
    last_score: float | None = None
    hit: Hit | None = None

    @property
    def found(self) -> bool:
        """True when the row is among the first k after all: there is nothing to change."""
        return not self.change

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "id": self.id,
            "found": self.found,
            "gate": self.gate,
            "change": self.change,
            "rank": self.rank,
            "score": self.score,
            "last_score": self.last_score,
            "hit": self.hit.to_dict() if self.hit else None,
        }
