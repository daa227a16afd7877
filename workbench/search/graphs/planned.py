"""The planner: for each search the cheapest way that is right, over vectors that lie elsewhere (a slab).

Ways: copy the matching rows out and compare them exactly; one exact pass over all (by codes where there are some); the
graph, with as much depth as the filter needs, and the filter afterwards. What the graph returns is a prefix of the
true order, up to its measured recall, so what passes the filter is in order too; where fewer than k pass (a filter that
turns away from the query) the exact way takes over, so no answer is ever short. Rows that the graph does not know yet
are compared exactly beside it. Every distance returned comes from the one kernel, whatever the way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import InvalidError
from workbench.search.graphs.costs import Costs, measure
from workbench.search.graphs.graph import Graph
from workbench.search.vectors.chosen import Chosen
from workbench.search.vectors.codes import Codes, Seen, encode, nearest_by_codes
from workbench.search.vectors.distance import Distance, distances
from workbench.search.vectors.index import DEFAULT_K, Allowed, Ids, Neighbors, Plan, PlanKind, ranked, sized_query
from workbench.search.vectors.scan import Blocks, nearest

GONE = -1
"""Position of a label whose vector is no longer searched."""

# Up to so many rows the float32 scan is done before the codes have been looked at.
_FEW_ROWS = 1024
# How much deeper the graph goes than a filter independent of the query needs.
_DEEPER, _SPARE = 1.5, 16
# The last ranks of a graph search are the least sure: a filtered answer that reaches into them is not trusted.
_SURE_RANKS = 0.85
# A filtered graph search may come back thin and its cost is lost then, so it must promise at least this much.
_WORTH = 0.5
# Squared length of a query within which float32 products neither overflow nor vanish.
_SAFE_SQUARE = (1e-20, 1e20)


@dataclass(frozen=True, slots=True)
class _Reach:
    """What a graph covers of the rows: ``positions`` of its labels, how many of them live, the member rows it lacks."""

    graph: Graph
    positions: Ids
    live: int
    fresh: Ids
    straight: bool  # label = row number for all, none gone

    @classmethod
    def of(cls, graph: Graph, positions: Ids, members: Chosen) -> _Reach:
        if len(positions) > len(graph):  # fewer: the graph has grown since, and the rest is fresh here
            raise InvalidError(f"{len(positions)} positions came with a graph of {len(graph)} labels.")
        total = members.total
        if len(positions) and (positions.min() < GONE or positions.max() >= total):
            raise InvalidError(f"A position lies outside the {total:,} rows of the index.")
        lives = positions >= 0
        if not members.everything and total:
            lives &= members.mask()[positions]
        positions = np.where(lives, positions, GONE)
        covered = np.zeros(total, np.bool_)
        covered[positions[lives]] = True
        fresh = np.flatnonzero(~covered if members.everything else members.mask() & ~covered)
        straight = bool(lives.all()) and bool((positions == np.arange(len(positions))).all())
        return cls(graph, positions, int(lives.sum()), fresh, straight)


class PlannedIndex:
    """An ``Index`` over the rows of ``blocks``; the ids are their row numbers. Read-only, safe for threads.

    ``graph`` with ``positions`` (its labels,) int64: the row of each label, −1 for one that is gone. ``members``: the
    rows that belong to this index, as row numbers or mask (None: all). ``codes`` of ``blocks``, for unit vectors under
    cosine. ``costs``: None has them measured, once, when first needed (about 20 ms).

    ``search`` takes as ``allowed`` also a ready mask over the rows, which saves making one.
    """

    def __init__(
        self,
        blocks: Blocks,
        graph: Graph | None = None,
        positions: Ids | None = None,
        *,
        members: Allowed | None = None,
        codes: Codes | None = None,
        distance: Distance = "cosine",
        costs: Costs | None = None,
    ) -> None:
        self.dimension = blocks.dimension
        self.distance: Distance = distance
        self._blocks = blocks
        self._members = Chosen.of(members, Chosen(len(blocks)))
        self._codes = None if codes is None else codes.extended(blocks)
        self._reach: _Reach | None = None
        if graph is not None and len(graph):
            if graph.dimension != blocks.dimension or graph.facts.space != distance:
                raise InvalidError(
                    f"A {graph.facts.space} graph of dimension {graph.dimension} came to a {distance} index of "
                    f"dimension {blocks.dimension}."
                )
            found = np.arange(len(graph)) if positions is None else positions
            self._reach = _Reach.of(graph, found, self._members)
        self._rate = (blocks.dimension + 16) * 2.0**-23
        self._costs = costs
        self._costs_given = costs is not None
        self._measuring = Lock()

    def __len__(self) -> int:
        return self._members.count

    @property
    def fresh(self) -> int:
        """How many rows the graph does not know; they are compared exactly in each search that may return them."""
        return len(self._members.rows()) if self._reach is None else len(self._reach.fresh)

    def encode(self) -> None:
        """Make the codes of all rows, for faster exact scans from then on: 0.15 s of 100,000 × 256, plus reading them.

        Searches go on meanwhile, so this may run in a thread of its own. Does nothing where there are codes, where they
        do not work, or under another distance than cosine.
        """
        if self._codes is None and self.distance == "cosine":
            codes = encode(self._blocks)
            with self._measuring:
                self._codes = codes
                if not self._costs_given:
                    self._costs = None

    def costs(self) -> Costs:
        """What the steps of a search take here; measured at the first call unless given."""
        costs = self._costs
        if costs is None:
            with self._measuring:
                graph = None if self._reach is None else self._reach.graph
                costs = self._costs or measure(self._blocks, self.distance, self._codes, graph)
                self._costs = costs
        return costs

    def search(
        self,
        vector: ArrayLike,
        k: int = DEFAULT_K,
        *,
        allowed: Allowed | None = None,
        ties: bool = False,
        seen: Seen | None = None,
    ) -> Neighbors:
        """As ``Index.search``; ``allowed`` may also be a mask (rows of ``blocks``,) bool. ``plan`` is set.

        ``seen`` goes from one search to the next ones of the same vector among rows that the first one allowed.
        """
        query, k, size = sized_query(vector, k, self)
        chosen = Chosen.of(allowed, self._members)
        depth = self._depth(size, k, chosen)
        if self._reach is None or not depth:
            return self._exact(query, k, chosen, ties=ties, seen=seen)
        found = self._by_graph(self._reach, query, math.sqrt(size), k, chosen, depth, ties=ties)
        return found or self._exact(query, k, chosen, ties=ties, seen=seen, tried=depth)

    def _depth(self, size: float, k: int, chosen: Chosen) -> int:
        """How deep to search the graph, 0 for not at all."""
        reach, wanted = self._reach, chosen.count
        if reach is None or not reach.live or wanted <= k or (self._costs is None and wanted <= _FEW_ROWS // 4):
            return 0
        if not _SAFE_SQUARE[0] < size < _SAFE_SQUARE[1]:
            return 0
        labels = len(reach.positions)
        depth = max(reach.graph.ef, 2 * k + _SPARE)
        share = min(wanted, reach.live) / labels
        if share < 1.0:
            depth = max(depth, int(_DEEPER * k / share) + _SPARE)
        costs = self.costs()
        price = depth * costs.visit
        if len(reach.fresh):
            price += costs.exact(min(len(reach.fresh), wanted), len(self._blocks))
        promise = costs.exact(wanted, len(self._blocks)) * (1.0 if chosen is self._members else _WORTH)
        return depth if price < promise else 0

    def _by_graph(
        self,
        reach: _Reach,
        query: NDArray[np.float32],
        length: float,
        k: int,
        chosen: Chosen,
        depth: int,
        *,
        ties: bool,
    ) -> Neighbors | None:
        """The answer by the graph, or None when too few of the rows it saw are chosen."""
        fresh = reach.fresh if chosen is self._members else reach.fresh[chosen.holds(reach.fresh)]
        rows = self._near(reach, query, length, k, chosen, depth)
        if rows is None or len(rows) < min(k, chosen.count - len(fresh)):
            return None
        far = distances(self._blocks.take(rows), query, self.distance)
        if len(fresh):
            new, new_far = self._scan(query, k, Chosen(chosen.total, rows=fresh))[:2]
            rows, far = np.concatenate([rows, new]), np.concatenate([far, new_far])
        ids, far = _cut(rows, far, k, ties=ties)
        scanned = int(np.isin(ids, fresh, assume_unique=True).sum()) if len(fresh) else 0
        return Neighbors(ids, far, Plan("graph", len(fresh), len(ids) - scanned, scanned, depth))

    def _near(
        self, reach: _Reach, query: NDArray[np.float32], length: float, k: int, chosen: Chosen, depth: int
    ) -> Ids | None:
        """The chosen rows that the graph saw and that may be among its k nearest; None when they cannot be trusted."""
        plain = reach.live == len(reach.positions) == len(reach.graph) and chosen is self._members
        if plain:
            labels, rough = reach.graph.visit(query, depth, k + _SPARE)
            limit = self._limit(rough, k, length)
            if len(rough) <= k or float(rough[-1]) > limit:
                if len(rough) > k:
                    labels = labels[: k if float(rough[k]) > limit else int(rough.searchsorted(limit, side="right"))]
                return labels if reach.straight else reach.positions[labels]
        labels, rough = reach.graph.visit(query, depth)
        known = labels < len(reach.positions)  # it may have grown since this index was made
        labels, rough = labels[known], rough[known]
        rows = labels if reach.straight else reach.positions[labels]
        keep = np.flatnonzero((rows >= 0) & chosen.holds(rows))
        whole = len(rows) >= len(reach.positions)
        if not plain and not whole and len(keep) >= k and keep[k - 1] >= _SURE_RANKS * len(rows):
            return None
        rough = rough[keep]
        return rows[keep[: int(rough.searchsorted(self._limit(rough, k, length), side="right"))]]

    def _limit(self, rough: NDArray[np.float32], k: int, length: float) -> float:
        """Float32 cannot tell rows apart that are as near as this to the k-th: the kernel decides among them.

        ``length`` is the query's.
        """
        if len(rough) <= k:
            return math.inf
        last = float(rough[k - 1])
        return last + self._rate * (last if self.distance == "euclidean" else length)

    def _exact(
        self, query: NDArray[np.float32], k: int, chosen: Chosen, *, ties: bool, seen: Seen | None, tried: int = 0
    ) -> Neighbors:
        rows, far, kind, scanned = self._scan(query, k, chosen, seen)
        found = ranked(rows, far, k, ties=ties)
        plan = Plan("graph, then scan" if tried else kind, scanned, 0, len(found), tried)
        return Neighbors(found.ids, found.distances, plan)

    def _scan(
        self, query: NDArray[np.float32], k: int, chosen: Chosen, seen: Seen | None = None
    ) -> tuple[Ids, NDArray[np.float64], PlanKind, int]:
        """The k nearest of the chosen rows and all as far as the last; how they were found; how many were compared."""
        total, wanted, codes = len(self._blocks), chosen.count, self._codes
        if codes is None or wanted <= _FEW_ROWS:
            rows = None if chosen.everything else chosen.rows()
            found, far = nearest(self._blocks, query, k, self.distance, rows)
            return found, far, "scan" if rows is None else "rows", wanted
        costs = self.costs()
        if (seen is not None and seen.cosines is not None) or costs.gather * wanted < costs.scan * total:
            found, far = nearest_by_codes(codes, self._blocks, query, k, rows=chosen.rows(), seen=seen)
            return found, far, "rows", wanted
        mask = None if chosen.everything else chosen.mask()
        found, far = nearest_by_codes(codes, self._blocks, query, k, mask=mask, seen=seen)
        return found, far, "scan", total


def _cut(rows: Ids, far: NDArray[np.float64], k: int, *, ties: bool) -> tuple[Ids, NDArray[np.float64]]:
    order = np.lexsort((rows, far))
    if len(order) > k:
        end = k
        if ties:
            end = int(np.searchsorted(far[order], far[order[k - 1]], side="right"))
        order = order[:end]
    return rows[order], far[order]
