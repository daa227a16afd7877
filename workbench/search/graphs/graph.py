"""Graph: hnswlib behind a guard.

hnswlib 0.8.0 checks next to nothing: a query of another length corrupts the heap, a file that cannot be read leaves an
object that kills the process at its next use, a flipped byte does so at some later search, a full disk goes unnoticed.
So no bare index ever leaves this module, and nothing reaches one that was not checked here.

The graph is derived: the vectors are the truth, and what a search returns here only says where to look. Equal vectors
break such graphs (half copies: recall 0.6), so each distinct vector is one node and its copies are kept beside it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidError, MissingExtraError
from workbench.search.graphs.copies import Copies, Groups, marks_of
from workbench.search.graphs.graph_file import Checked, Facts, publish, read_checked
from workbench.search.graphs.turns import ReadWriteLock
from workbench.search.vectors.distance import Distance, check_vector, check_vectors, distances, row_norms
from workbench.search.vectors.keys import KeyTable
from workbench.search.vectors.scan import Block, Blocks, nearest
from workbench.search.vectors.segment import Keys

Space = Literal["cosine", "euclidean"]
Labels = NDArray[np.int64]

DEFAULT_M = 16
DEFAULT_EF_CONSTRUCTION = 200
DEFAULT_EF = 64
EF_STEPS = (64, 128, 256, 512, 1024, 2048)
RECALL_GOAL = 0.99
_RECALL_K = 10
_ADD_ROWS = 4096
# Rows added in one turn, about 0.1 s: so long a search may have to wait.
_TURN_ROWS = 512
_UNIT_SLACK = 1e-4
# Lengths whose squares float32 cannot hold make every product of the graph infinite or zero.
MAX_LENGTH = 1e15
# Per node beside its vector: links 2·m·4 + 4, label 8, upper levels and their pointers, the lock and the label table;
# 222 bytes at m = 16 (500,000 × 256: 623 MB, design/vectors.md 2.2), rounded up for the growth of the process.
_NODE_BYTES_AT_16 = 260
# CPU seconds a row, design/vectors.md 2.2: 500,000 rows at ef_construction 200 took 175 s at 256 and 348 s at 768.
_ROW_S, _ROW_S_PER_NUMBER = 177e-6, 0.68e-6


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a build will take: ``memory_bytes`` of the finished graph, ``build_s`` on ``threads`` threads.

    From measured coefficients of two Zen 4 cores (500,000 rows; linear in rows · log rows): the memory within some per
    cent, the time within a factor of two, as it depends on how the vectors cluster.
    """

    memory_bytes: int
    build_s: float


def estimate(
    n: int,
    d: int,
    *,
    m: int = DEFAULT_M,
    ef_construction: int = DEFAULT_EF_CONSTRUCTION,
    threads: int | None = None,
) -> Estimate:
    """Memory and time of a build over ``n`` vectors of length ``d``, before it begins."""
    memory = n * (4 * d + _NODE_BYTES_AT_16 + 12 * (m - DEFAULT_M))
    depth = np.log2(max(n, 2)) / np.log2(500_000)
    seconds = n * (_ROW_S + _ROW_S_PER_NUMBER * d) * depth * ef_construction / DEFAULT_EF_CONSTRUCTION
    return Estimate(memory, float(seconds / (threads or _cores())))


class Graph:
    """An HNSW graph over the labels 0 … n − 1, one per text, safe for threads; searches go on beside each other.

    Made by ``build`` and ``load``. ``ef`` is the depth that reached ``recall`` on the probes of the build.
    """

    def __init__(self, index: Any, facts: Facts, keys: Keys | None, marks: Keys, copies: Copies) -> None:
        self._index = index
        self._facts = facts
        index.set_ef(facts.ef)
        self._keys = keys
        self._marks = marks
        self._table: KeyTable | None = None  # of the marks; made when the graph is first extended
        self._turns = ReadWriteLock()
        self._growth = Lock()  # one extension at a time, and no save within one
        self._growing = False
        self._set_copies(copies)

    def __len__(self) -> int:
        return self._facts.labels

    @property
    def facts(self) -> Facts:
        """Size, parameters and measured recall."""
        return self._facts

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return self._facts.dimension

    @property
    def ef(self) -> int:
        """Depth of a search that reaches the recall of ``facts``."""
        return self._facts.ef

    @property
    def keys(self) -> Keys | None:
        """SHA-256 of the text of each label, shape (n, 4), where they were given."""
        return self._keys

    @classmethod
    def build(
        cls,
        vectors: NDArray[np.float32],
        *,
        keys: Keys | None = None,
        m: int = DEFAULT_M,
        ef_construction: int = DEFAULT_EF_CONSTRUCTION,
        space: Space = "cosine",
        threads: int | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Graph:
        """A graph of ``vectors`` (n, d) float32 (mapped from disk or not), labels in their order.

        Under cosine every row has length 1. ``on_progress`` gets (rows done, rows) every 512 rows; what it raises
        ends the build. Raises InvalidError for NaN, infinity and bad parameters, DimensionError, MissingExtraError.
        """
        if vectors.ndim != 2 or not vectors.shape[1]:
            raise InvalidError(f"A graph needs a matrix (n, d) of vectors, not one of shape {vectors.shape}.")
        if not (2 <= m <= 512 and 1 <= ef_construction <= 100_000):
            raise InvalidError(
                f"m = {m}, ef_construction = {ef_construction}: no graph can be built.",
                hint="m lies in 2 … 512, ef_construction in 1 … 100,000; 16 and 200 are usual.",
            )
        dimension = vectors.shape[1]
        index = _bare(space, dimension)
        index.init_index(max_elements=max(len(vectors), 1), M=m, ef_construction=ef_construction)
        facts = Facts(dimension, space, 0, 0, m, ef_construction, DEFAULT_EF)
        graph = cls(index, facts, None, np.empty((0, 4), np.uint64), np.empty((0, 2), np.int64))
        graph.extend(vectors, keys=keys, threads=threads, on_progress=on_progress)
        return graph

    def extend(
        self,
        vectors: NDArray[np.float32],
        *,
        keys: Keys | None = None,
        threads: int | None = None,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Add ``vectors`` (a, d) under the next labels; searches take turns with the additions and see the new labels
        when all are in. Errors as ``build``; nothing is added then.

        With ``on_progress`` raising in the middle the graph is to be thrown away.
        """
        if (keys is None) != (self._keys is None) and self._facts.labels:
            raise InvalidError("Keys are given for all labels of a graph or for none.")
        if keys is not None and len(keys) != len(vectors):
            raise InvalidError(f"{len(keys)} keys came with {len(vectors)} vectors.")
        _check_rows(vectors, self._facts.dimension, self._facts.space)
        with self._growth:
            start = self._facts.labels
            marks, copies, fresh = self._new_nodes(vectors)
            nodes = self._facts.nodes + len(fresh)
            with self._turns.writing():
                self._growing = True
                if nodes > self._index.get_max_elements():
                    self._index.resize_index(nodes)
            for low in range(0, len(fresh), _TURN_ROWS):
                rows = fresh[low : low + _TURN_ROWS]
                block = np.ascontiguousarray(vectors[rows], np.float32)
                with self._turns.writing():
                    self._index.add_items(block, rows + start, num_threads=threads or _cores())
                if on_progress is not None:
                    on_progress(low + len(rows), len(fresh))
            with self._turns.writing():
                self._facts = msgspec.structs.replace(self._facts, labels=start + len(vectors), nodes=nodes)
                self._marks = marks
                self._set_copies(copies)
                if keys is not None:
                    self._keys = keys if self._keys is None else np.concatenate([self._keys, keys])
                self._growing = False

    def search(self, query: NDArray[np.float32], k: int, ef: int | None = None) -> tuple[Labels, NDArray[np.float32]]:
        """About the ``k`` nearest labels to ``query`` (d,) and their rough distances, nearest first.

        Both have shape (found,): all copies of a found vector come with it, so there may be more than ``k``; there may
        be fewer. Rough: 1 − cos, for a query of length 1, or the squared euclidean distance, in float32. Raises
        DimensionError, and InvalidError for k < 1, NaN, infinity and under cosine the zero vector.
        """
        query = check_vector(query, dimension=self._facts.dimension, distance=self._measure, what="graph")
        if k < 1:
            raise InvalidError(f"k must be a whole number above 0, not {k!r}.")
        if ef is not None and ef > k:
            labels, rough = self.visit(query, ef)
            end = int(np.searchsorted(rough, rough[min(k, len(rough)) - 1], side="right")) if len(rough) else 0
            return labels[:end], rough[:end]
        return self.visit(query, k)

    def visit(self, query: NDArray[np.float32], ef: int, most: int | None = None) -> tuple[Labels, NDArray[np.float32]]:
        """What a search of depth ``ef`` saw, as ``search`` returns it, for a ``query`` that was checked already.

        With ``most`` only the nearest so many nodes, where that is cheaper. Still refused: another length (it would
        corrupt memory).
        """
        if query.shape != (self._facts.dimension,) or query.dtype != np.float32:
            raise InvalidError(f"A query of shape {query.shape} came to a graph of dimension {self._facts.dimension}.")
        self._turns.begin_reading()
        try:
            # hnswlib's ``ef`` is one number for all threads, so another depth goes in as its k, which costs a fifth
            # more: all that was seen is handed out.
            depth = most if most is not None and ef == self._facts.ef else ef
            labels, rough = self._query(query, min(depth, self._facts.nodes))
            groups, growing, count = self._groups, self._growing, self._facts.labels
        finally:
            self._turns.end_reading()
        if growing:
            known = labels < count
            labels, rough = labels[known], rough[known]
        return (labels, rough) if groups is None else groups.spread(labels, rough)

    def tune(
        self, vectors: NDArray[np.float32], probes: NDArray[np.float32], *, goal: float = RECALL_GOAL
    ) -> tuple[int, float]:
        """Measure recall@10 on ``probes`` (p, d), real queries, against the exact scan of ``vectors``; set ``ef``.

        The least of 64, 128, 256 … that reaches ``goal`` is kept, or the last one; returned with its recall, and saved
        with the graph. A row exactly as far as the tenth counts as found.
        """
        probes = check_vectors(probes, dimension=self._facts.dimension, distance=self._measure, what="graph")
        if not len(probes) or not len(vectors):
            return self._facts.ef, 1.0
        blocks = Blocks(self._facts.dimension, (Block(vectors, self._norms(vectors)),))
        limits = [_farthest(blocks, probe, self._measure) for probe in probes]
        ef, recall = self._facts.ef, 0.0
        for ef in EF_STEPS:
            shares = [self._share(vectors, probe, limit, ef) for probe, limit in zip(probes, limits, strict=True)]
            recall = float(np.mean(shares))
            if recall >= goal or ef >= self._facts.nodes:
                break
        self._set_facts(ef=ef, recall=recall, probes=len(probes))
        return ef, recall

    def set_ef(self, ef: int) -> None:
        """Search at depth ``ef`` from now on; what was measured at another depth is forgotten."""
        if ef < 1:
            raise InvalidError(f"ef must be a whole number above 0, not {ef!r}.")
        self._set_facts(ef=ef, recall=None, probes=0)

    def save(self, path: Path) -> None:
        """Save at ``path`` (``….graph``), whole or not at all; see ``graph_file.publish``. Raises ConfigError."""
        with self._growth, self._turns.reading():
            keys = self._keys if self._keys is not None else np.zeros((self._facts.labels, 4), np.uint64)
            publish(path, self._facts, np.concatenate([keys, self._marks]), self._copies, self._write)

    @classmethod
    def load(cls, path: Path, dimension: int) -> Graph | None:
        """The graph saved at ``path``, or None when there is none that can be used.

        None: absent, damaged in any byte, of another format or dimension, hnswlib missing. About 1 s for 500,000 × 256.
        """
        found = read_checked(path, dimension)
        return None if found is None or not graphs_work() else cls._opened(found)

    @classmethod
    def _opened(cls, found: Checked) -> Graph | None:
        facts = found.facts
        if facts.space not in {"cosine", "euclidean"}:
            return None
        index = _bare(facts.space, facts.dimension)
        try:
            index.load_index(str(found.data), max_elements=max(facts.nodes, 1))
        except RuntimeError:
            return None  # the half-loaded object is dropped unused: touching it would crash
        if index.get_current_count() != facts.nodes or index.dim != facts.dimension:
            return None
        keys = found.keys if found.keys.any() or not len(found.keys) else None
        return cls(index, facts, keys, found.marks, found.copies)

    @property
    def _measure(self) -> Distance:
        return "cosine" if self._facts.space == "cosine" else "euclidean"

    def _norms(self, vectors: NDArray[np.float32]) -> NDArray[np.float64] | None:
        return None if self._facts.space == "cosine" else row_norms(vectors)

    def _set_facts(self, *, ef: int, recall: float | None, probes: int) -> None:
        with self._growth, self._turns.writing():
            self._facts = msgspec.structs.replace(self._facts, ef=ef, recall=recall, probes=probes)
            self._index.set_ef(ef)

    def _query(self, query: NDArray[np.float32], depth: int) -> tuple[Labels, NDArray[np.float32]]:
        while depth > 0:
            try:
                labels, rough = self._index.knn_query(query, k=depth, num_threads=1)
            except RuntimeError:  # fewer nodes can be reached than were asked for
                depth //= 2
                continue
            return labels[0].view(np.int64), rough[0]
        return np.empty(0, np.int64), np.empty(0, np.float32)

    def _share(self, vectors: NDArray[np.float32], probe: NDArray[np.float32], limit: float, ef: int) -> float:
        labels, _ = self.search(probe, _RECALL_K, ef)
        wanted = min(_RECALL_K, len(vectors))
        near = int((distances(vectors[labels], probe, self._measure) <= limit).sum())
        return min(near, wanted) / wanted

    def _write(self, path: Path) -> int:
        self._index.save_index(str(path))
        return int(self._index.index_file_size())

    def _set_copies(self, copies: Copies) -> None:
        self._copies = copies
        self._groups = Groups.of(copies) if len(copies) else None

    def _new_nodes(self, vectors: NDArray[np.float32]) -> tuple[Keys, Copies, Labels]:
        """Marks of all labels with those of ``vectors``, all copies, and the rows of ``vectors`` that become nodes."""
        start = self._facts.labels
        if self._table is None:
            self._table = KeyTable()
            self._table.add(self._marks)
        marks = marks_of(vectors)
        rows = np.arange(len(marks)) + start
        if len(self._table) == start:  # longer only after a failure half way: the marks are in it already
            self._table.add(marks)
        first = self._table.find(marks)
        own = first == rows
        copies = np.concatenate([self._copies, np.stack([rows[~own], first[~own]], axis=1)])
        return np.concatenate([self._marks, marks]), copies, rows[own] - start


def graphs_work() -> bool:
    """Whether hnswlib is installed; without it every search is exact."""
    return find_spec("hnswlib") is not None


def _bare(space: str, dimension: int) -> Any:
    try:
        import hnswlib
    except ImportError as error:
        raise MissingExtraError(
            "A graph needs hnswlib, which is not installed.",
            hint="pip install hnswlib (needs a C++ compiler). Searches go on exactly without it.",
        ) from error
    # Of unit vectors the cheapest measure of hnswlib is 1 − x·q; its own cosine would copy and normalise them again.
    return hnswlib.Index(space="ip" if space == "cosine" else "l2", dim=dimension)


def _check_rows(vectors: NDArray[np.float32], dimension: int, space: str) -> None:
    for low in range(0, len(vectors), _ADD_ROWS):
        measure: Distance = "cosine" if space == "cosine" else "euclidean"
        rows = check_vectors(vectors[low : low + _ADD_ROWS], dimension=dimension, distance=measure, what="graph")
        lengths = row_norms(rows)
        if space == "cosine" and (np.abs(lengths - 1.0) > _UNIT_SLACK).any():
            raise InvalidError("A vector for a cosine graph is not of length 1.", hint="Normalise the vectors first.")
        if (lengths > MAX_LENGTH).any():
            raise InvalidError(
                f"A vector is longer than {MAX_LENGTH:g}: a graph cannot compare it.", hint="Use the exact index."
            )


def _farthest(blocks: Blocks, probe: NDArray[np.float32], measure: Distance) -> float:
    return float(nearest(blocks, probe, _RECALL_K, measure)[1].max())


def _cores() -> int:
    return os.cpu_count() or 1
