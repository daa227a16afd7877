"""An index that takes vectors and answers from a graph once there are enough of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import InvalidError
from workbench.search.graphs.costs import Costs
from workbench.search.graphs.graph import DEFAULT_EF_CONSTRUCTION, DEFAULT_M, MAX_LENGTH, Graph, Space, graphs_work
from workbench.search.graphs.planned import PlannedIndex
from workbench.search.vectors.distance import Distance, check_distance
from workbench.search.vectors.held import MemoryRows
from workbench.search.vectors.index import DEFAULT_K, Allowed, Ids, Neighbors, as_ids, check_batch, check_query
from workbench.search.vectors.scan import ascending

# Exact search takes about as long as the graph up to 5 million numbers (design/vectors.md 2.5).
_GRAPH_FROM_NUMBERS = 5_000_000
# New rows are compared exactly until there are so many; then the graph takes them in one go.
_FRESH_ROWS, _FRESH_SHARE = 1000, 0.05
# Replaced and removed rows stay in the graph as stepping stones up to this share; then it is built anew.
_STALE_SHARE = 1 / 3
_PROBES = 64


class HnswIndex:
    """A ``GrowingIndex`` with a graph over its rows; exact while it is small, and always under ``dot``.

    The vectors, kept as given in float32, are the truth; the graph only says where to look, and all that it does not
    know yet is compared exactly, so a row is found as soon as ``add`` returns. Safe for threads: a search works on what
    was there when it began; writers take turns, and searches go on while a graph is built anew.

    ``graph_from``: rows from which there is a graph (None: 5,000,000 / dimension). ``ef``: depth of a search (None: the
    least that finds 99 % of the ten nearest to mixtures of stored rows).
    """

    def __init__(
        self,
        dimension: int,
        distance: Distance = "cosine",
        *,
        m: int = DEFAULT_M,
        ef_construction: int = DEFAULT_EF_CONSTRUCTION,
        ef: int | None = None,
        graph_from: int | None = None,
        costs: Costs | None = None,
    ) -> None:
        if isinstance(dimension, bool) or not isinstance(dimension, int) or dimension < 1:
            raise InvalidError(f"The dimension must be a whole number above 0, not {dimension!r}.")
        self.dimension = dimension
        self.distance: Distance = check_distance(distance)
        self._m, self._ef_construction, self._ef = m, ef_construction, ef
        self._graph_from = _GRAPH_FROM_NUMBERS // dimension if graph_from is None else graph_from
        self._costs = costs
        self._writer = Lock()
        self._place: dict[int, int] = {}
        self._state = _State(MemoryRows.empty(dimension), self.distance, None, costs)

    def __len__(self) -> int:
        return len(self._place)

    @property
    def graph(self) -> Graph | None:
        """The graph as it is now, for its size and recall."""
        return self._state.graph

    def add(self, ids: Sequence[int] | Ids, vectors: ArrayLike) -> int:
        """As ``GrowingIndex.add``."""
        batch, matrix = check_batch(ids, vectors, self)
        if not len(batch):
            return 0
        with self._writer:
            before, rows = len(self._place), self._state.rows
            rows = rows.without([self._place[key] for key in batch.tolist() if key in self._place])
            start = rows.count
            rows = rows.plus(batch, matrix)
            self._place.update(zip(batch.tolist(), range(start, start + len(batch)), strict=True))
            self._settle(rows)
            return len(self._place) - before

    def remove(self, ids: Sequence[int] | Ids) -> int:
        """As ``GrowingIndex.remove``."""
        with self._writer:
            gone = [self._place.pop(key) for key in dict.fromkeys(as_ids(ids).tolist()) if key in self._place]
            if gone:
                self._settle(self._state.rows.without(gone))
            return len(gone)

    def search(
        self, vector: ArrayLike, k: int = DEFAULT_K, *, allowed: Allowed | None = None, ties: bool = False
    ) -> Neighbors:
        """As ``Index.search``."""
        query, k = check_query(vector, k, self)
        state = self._state
        rows = None if allowed is None else state.rows_of(ascending(as_ids(allowed)))
        near = state.planned.search(query, k, allowed=rows, ties=True)
        ids = state.rows.ids[near.ids]
        order = np.lexsort((ids, near.distances))
        if not ties:
            order = order[:k]
        return Neighbors(ids[order], near.distances[order], near.plan)

    def _settle(self, rows: MemoryRows) -> None:
        """Publish ``rows``, with the graph made, extended or made anew as they need it."""
        graph = self._state.graph
        stale = rows.count - len(self._place)
        if stale > max(rows.count * _STALE_SHARE, 1):
            rows, graph = rows.packed(), None
            self._place = {key: row for row, key in enumerate(rows.ids[: rows.count].tolist())}
        self._state = _State(rows, self.distance, graph, self._costs)  # found before the graph has them
        grown = self._grown(rows, graph)
        if grown is not graph:
            self._state = _State(rows, self.distance, grown, self._costs)

    def _grown(self, rows: MemoryRows, graph: Graph | None) -> Graph | None:
        if self.distance == "dot" or rows.count < max(self._graph_from, 1) or not graphs_work():
            return graph
        if self.distance == "euclidean" and float(rows.norms[: rows.count].max()) > MAX_LENGTH:
            return None
        if graph is None:
            return self._built(rows)
        start = len(graph)
        if rows.count - start > max(_FRESH_ROWS, _FRESH_SHARE * rows.count):
            graph.extend(_for_graph(rows, start, self.distance))
            self._state = _State(rows, self.distance, graph, self._costs)
        return graph

    def _built(self, rows: MemoryRows) -> Graph:
        space: Space = "cosine" if self.distance == "cosine" else "euclidean"
        vectors = _for_graph(rows, 0, self.distance)
        graph = Graph.build(vectors, m=self._m, ef_construction=self._ef_construction, space=space)
        if self._ef is not None:
            graph.set_ef(self._ef)
        else:
            graph.tune(vectors, _mixtures(vectors, self.distance))
        return graph


@dataclass(frozen=True)
class _State:
    """What one search sees: rows, and the graph of their first ones (label = place of the row)."""

    rows: MemoryRows
    distance: Distance
    graph: Graph | None
    costs: Costs | None

    @cached_property
    def planned(self) -> PlannedIndex:
        """The planner over the living rows; made by the first search that needs it."""
        members = None if self.rows.alive is None else self.rows.alive
        graph = self.graph
        places = None if graph is None else np.arange(min(len(graph), self.rows.count))
        return PlannedIndex(
            self.rows.blocks(), graph, places, members=members, distance=self.distance, costs=self.costs
        )

    @cached_property
    def _by_id(self) -> tuple[Ids, Ids]:
        places = np.arange(self.rows.count) if self.rows.alive is None else np.flatnonzero(self.rows.alive)
        ids = self.rows.ids[places]
        order = np.argsort(ids)
        return ids[order], places[order]

    def rows_of(self, allowed: Ids) -> Ids:
        """Places of the living rows with these ids (ascending)."""
        ids, places = self._by_id
        found = np.searchsorted(ids, allowed)
        known = found < len(ids)
        known[known] = ids[found[known]] == allowed[known]
        return np.sort(places[found[known]])


def _for_graph(rows: MemoryRows, start: int, distance: Distance) -> NDArray[np.float32]:
    vectors = rows.vectors[start : rows.count]
    if distance != "cosine":
        return vectors
    # Twice, because lengths near the ends of float32 lose their last digits the first time.
    wide = vectors / rows.norms[start : rows.count, None]
    wide /= np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
    unit: NDArray[np.float32] = wide.astype(np.float32)
    return unit


def _mixtures(vectors: NDArray[np.float32], distance: Distance) -> NDArray[np.float32]:
    """Queries that are no rows themselves: halfway between two random rows."""
    rng = np.random.default_rng(1)
    pairs = rng.integers(0, len(vectors), (2, _PROBES))
    mixed = vectors[pairs[0]].astype(np.float64) + vectors[pairs[1]] * (0.5 if distance == "cosine" else 1.0)
    if distance != "cosine":
        half: NDArray[np.float32] = (mixed / 2).astype(np.float32)
        return half
    lengths = np.sqrt(np.einsum("ij,ij->i", mixed, mixed))
    keep = lengths > 1e-6
    unit: NDArray[np.float32] = (mixed[keep] / lengths[keep, None]).astype(np.float32)
    return unit
