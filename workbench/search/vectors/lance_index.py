"""An index on disk for vectors that exceed memory: a Lance table, with an inverted file over it once it is large.

In memory are the ids and where each row lies, 24 bytes a row; the vectors stay on disk. The table is the truth. Its
inverted file only says where to look: rows that it does not know yet are compared exactly, and every distance comes
from the one kernel. Needs the extra ``lance`` (pylance, 217 MB installed).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workbench.errors import InvalidError
from workbench.search.vectors import lance_table
from workbench.search.vectors.distance import Distance, check_distance, distances, row_norms
from workbench.search.vectors.index import (
    DEFAULT_K,
    Allowed,
    Ids,
    Neighbors,
    Plan,
    PlanKind,
    as_ids,
    check_batch,
    check_query,
    ranked,
    square,
)
from workbench.search.vectors.lance_table import (
    DEPTH,
    ID,
    NORM,
    VECTOR,
    Table,
    clusters_of,
    made_of,
    metric,
    to_matrix,
    to_rows,
)
from workbench.search.vectors.scan import Block, Blocks, ascending, nearest

_DISTANCE = "_distance"
_INDEX_FROM = 100_000  # rows: below, Lance's own scan is as fast as its inverted file (design/vectors.md 2.4)
_INDEX_LEAST = 256  # fewer rows make no clusters
_FEW_ROWS = 2_000  # so many rows are read and compared in 20 ms; the inverted file takes 5 to 6 under a condition
_BATCH_ROWS = 8_192
_MORE, _SPARE = 4, 8  # the codes have 8 bits a number: of k wanted rows 4 (k + 8) are compared with their vectors,
_MOST_READ = 4_000  # and four times as many again, up to so many, while what the codes are off by leaves a doubt
_UNKNOWN_SHARE = 0.10  # of the rows not in the inverted file: merge them into it
_GROWN = 2.0  # times the rows it was made of: make it anew, with more clusters
_FRAGMENTS = 64  # more files than this are merged
_OLD = timedelta(minutes=10)  # a reader opens a version a moment after it learnt of it; older ones go
_PROBES, _RECALL, _TUNE_K = 48, 0.995, 10
_SAFE_SQUARE = (1e-24, 1e24)  # of a query whose float32 products neither vanish nor overflow
_LOOKS = 5


class LanceIndex:
    """A ``GrowingIndex`` in ``folder``, which is made when absent.

    What ``add`` and ``remove`` returned survives a kill and is seen by the next search of every process; writers take
    turns. ``index_from``: rows from which there is an inverted file (never under ``dot``). An answer is never short:
    where the file gives too few rows, they are scanned. Raises MissingExtraError without pylance, ConfigError for a
    folder that holds something else, DimensionError and InvalidError for an index of another dimension or distance.
    """

    def __init__(
        self, folder: Path, dimension: int, distance: Distance = "cosine", *, index_from: int = _INDEX_FROM
    ) -> None:
        if isinstance(dimension, bool) or not isinstance(dimension, int) or dimension < 1:
            raise InvalidError(f"The dimension must be a whole number above 0, not {dimension!r}.")
        self.folder = folder
        self.dimension = dimension
        self.distance: Distance = check_distance(distance)
        self._index_from = max(index_from, _INDEX_LEAST)
        self._changing = Lock()
        lance_table.make(folder, dimension, self.distance)
        self._table = self._read()

    def __len__(self) -> int:
        return len(self._fresh().ids)

    @property
    def clusters(self) -> tuple[int, int]:
        """How many clusters the inverted file has and how many an unfiltered search looks at; (0, 0) without one."""
        table = self._fresh()
        return table.clusters, table.depth

    def add(self, ids: Sequence[int] | Ids, vectors: ArrayLike) -> int:
        """As ``GrowingIndex.add``: one commit, all or none. Raises BusyError when another process writes for long."""
        batch, matrix = check_batch(ids, vectors, self)
        if not len(batch):
            return 0
        rows = to_rows(batch, matrix, self.distance)
        with lance_table.writing(self.folder):
            known = int(np.isin(batch, self._fresh().ids).sum())
            data = lance_table.opened(self.folder)  # a handle moves on with its writes: searches keep theirs
            if known:
                data.merge_insert(ID).when_matched_update_all().when_not_matched_insert_all().execute(rows)
            else:
                data.insert(rows)
            self._tidy(data)
            return len(batch) - known

    def remove(self, ids: Sequence[int] | Ids) -> int:
        """As ``GrowingIndex.remove``."""
        wanted = np.unique(as_ids(ids))
        with lance_table.writing(self.folder):
            gone = wanted[np.isin(wanted, self._fresh().ids)]
            if len(gone):
                data = lance_table.opened(self.folder)
                data.delete(f"{ID} IN ({', '.join(map(str, gone.tolist()))})")
                self._tidy(data)
            return len(gone)

    def search(
        self, vector: ArrayLike, k: int = DEFAULT_K, *, allowed: Allowed | None = None, ties: bool = False
    ) -> Neighbors:
        """As ``Index.search``; ``plan`` is set."""
        query, k = check_query(vector, k, self)
        for look in range(_LOOKS):
            table = self._fresh(again=look > 0)
            try:
                return self._answer(table, query, k, _places(table.ids, allowed), ties=ties)
            except OSError:  # its files went while another process merged them
                if look + 1 == _LOOKS:
                    raise
        raise AssertionError

    def _answer(self, table: Table, query: NDArray[np.float32], k: int, places: Ids | None, *, ties: bool) -> Neighbors:
        wanted = len(table.ids) if places is None else len(places)
        tried = 0
        if table.depth and k < wanted > _FEW_ROWS and _SAFE_SQUARE[0] < square(query) < _SAFE_SQUARE[1]:
            # Matching rows can lie anywhere, far from the query too: then every cluster is looked at.
            tried = table.depth if places is None else table.clusters
            found = self._by_clusters(table, query, k, places, tried)
            if found is not None and not (ties and _may_tie(found, k)):
                return self._with_fresh(table, query, k, places, found, tried)
        ids, far = self._scan(table, query, k, places)
        kind: PlanKind = "graph, then scan" if tried else "scan" if places is None else "rows"
        got = ranked(ids, far, k, ties=ties)
        return Neighbors(got.ids, got.distances, Plan(kind, wanted, 0, len(got), tried))

    def _with_fresh(
        self, table: Table, query: NDArray[np.float32], k: int, places: Ids | None, found: Neighbors, depth: int
    ) -> Neighbors:
        """What the inverted file found, and the rows it does not know, compared exactly."""
        fresh = table.fresh if places is None else table.fresh[np.isin(table.fresh, places, assume_unique=True)]
        ids, far = self._scan(table, query, k, fresh)
        new = set(ids.tolist())
        got = ranked(np.concatenate([found.ids, ids]), np.concatenate([found.distances, far]), k, ties=False)
        scanned = sum(one in new for one in got.ids.tolist())
        return Neighbors(got.ids, got.distances, Plan("graph", len(fresh), len(got) - scanned, scanned, depth))

    def _by_clusters(
        self, table: Table, query: NDArray[np.float32], k: int, places: Ids | None, depth: int
    ) -> Neighbors | None:
        """The k nearest in these clusters and some more, in order; None when they are too few or too alike."""
        allowed = None if places is None else self._addresses(table, places)
        wanted = _MORE * (k + _SPARE)
        while wanted <= max(_MOST_READ, _MORE * (k + _SPARE)):
            ids, far, rough = self._near(table, query, wanted, allowed, depth)
            if len(ids) < k:
                return None
            last = float(np.partition(far, k - 1)[k - 1])
            # Lance's numbers are the distances times something that depends on its version.
            rough = rough * (float(far @ far) / float(rough @ far)) if rough @ far else far
            off = float(np.abs(far - rough).max())
            # Who was not read is at least as far as the last code says, give or take what codes are off by.
            if len(ids) < wanted or float(rough.max()) - off >= last:
                order = np.lexsort((ids, far))
                return Neighbors(ids[order], far[order])
            wanted *= _MORE
        return None

    def _near(
        self, table: Table, query: NDArray[np.float32], wanted: int, allowed: bytes | None, depth: int
    ) -> tuple[Ids, NDArray[np.float64], NDArray[np.float64]]:
        """Ids of the ``wanted`` rows that are nearest by their codes, their distances, and those by the codes."""
        near = {"column": VECTOR, "q": query, "k": wanted, "nprobes": depth, "metric": metric(self.distance)}
        rows = table.data.scanner(
            columns=[ID, VECTOR, _DISTANCE],
            nearest=near,
            prefilter=True,
            fast_search=True,  # what the file does not know would come with numbers of another kind: see `fresh`
            row_addr_allowlist=allowed,
        ).to_table()
        far = distances(to_matrix(rows.column(VECTOR).combine_chunks(), self.dimension), query, self.distance)
        rough = rows.column(_DISTANCE).to_numpy().astype(np.float64)
        return rows.column(ID).to_numpy(), far, np.sqrt(rough) if self.distance == "euclidean" else rough

    def _scan(
        self, table: Table, query: NDArray[np.float32], k: int, places: Ids | None
    ) -> tuple[Ids, NDArray[np.float64]]:
        """The k nearest and all as far as the last, exactly, batch by batch."""
        if places is not None and not len(places):
            return np.empty(0, np.int64), np.empty(0)
        ids, far = np.empty(0, np.int64), np.empty(0)
        for batch_ids, norms, vectors in self._batches(table, places):
            block = Blocks(self.dimension, (Block(vectors, norms),))
            near, near_far = nearest(block, query, k, self.distance)
            ids, far = np.concatenate([ids, batch_ids[near]]), np.concatenate([far, near_far])
            if len(ids) > 4 * k + 1024:
                ids, far = _first(ids, far, k)
        return _first(ids, far, k)

    def _batches(
        self, table: Table, places: Ids | None
    ) -> Iterator[tuple[Ids, NDArray[np.float64], NDArray[np.float32]]]:
        allowed = None if places is None else self._addresses(table, places)
        scanner = table.data.scanner(
            columns=[ID, NORM, VECTOR], batch_size=_BATCH_ROWS, row_addr_allowlist=allowed, scan_in_order=False
        )
        for batch in scanner.to_batches():
            if batch.num_rows:
                vectors = to_matrix(batch.column(VECTOR), self.dimension)
                yield batch.column(ID).to_numpy(), batch.column(NORM).to_numpy(), vectors

    def _addresses(self, table: Table, places: Ids) -> bytes:
        from lance.dataset import serialize_row_addrs

        return bytes(serialize_row_addrs(np.sort(table.addresses[places]).tolist()))

    def _fresh(self, *, again: bool = False) -> Table:
        """The newest version; read only when somebody committed since."""
        table = self._table
        if again or table.stamp != lance_table.stamp(self.folder):
            with self._changing:
                if again or self._table.stamp != lance_table.stamp(self.folder):
                    self._table = self._read()
                table = self._table
        return table

    def _read(self) -> Table:
        return lance_table.read(self.folder, self.dimension, self.distance)

    def _tidy(self, data: Any) -> None:
        """Merge small files, keep the inverted file up to date, drop old versions. The caller holds ``writing``."""
        if len(data.get_fragments()) > _FRAGMENTS:
            data.optimize.compact_files()
            data.cleanup_old_versions(older_than=_OLD)
        table = self._fresh()
        rows = len(table.ids)
        if self.distance == "dot" or rows < self._index_from:
            return
        if rows > _GROWN * made_of(data):
            self._build(data, rows)
        elif len(table.fresh) > _UNKNOWN_SHARE * rows:
            data.optimize.optimize_indices()

    def _build(self, data: Any, rows: int) -> None:
        clusters = clusters_of(rows)
        # 8 bits a number and no graph inside the clusters: it is built in 2 s for 100,000 × 256 and finds the same.
        data.create_index(VECTOR, "IVF_SQ", name=f"near_{rows}", metric=metric(self.distance), num_partitions=clusters)
        for old in data.describe_indices():
            if old.name != f"near_{rows}":
                data.drop_index(old.name)
        data.update_config({DEPTH: str(self._tuned(data, clusters))})
        data.cleanup_old_versions(older_than=_OLD)

    def _tuned(self, data: Any, clusters: int) -> int:
        """Twice the least number of clusters that finds 99.5 % of the ten nearest to mixtures of stored rows.

        Twice, for 48 of them can flatter: with the least number, one build of about a hundred was below 0.99 for
        queries of another kind (Lance trains its clusters from no seed).
        """
        probes = self._probes(data)
        truth = self._last_of(data, probes)
        for depth in (d for d in (1 << n for n in range(31)) if d < clusters):
            near = [self._by_clusters(Table.bare(data), probe, _TUNE_K, None, depth) for probe in probes]
            hits = sum(
                _TUNE_K if found is None else int((found.distances[:_TUNE_K] <= last).sum())  # none: scanned exactly
                for found, last in zip(near, truth, strict=True)
            )
            if hits >= _RECALL * _TUNE_K * len(probes):
                return min(2 * depth, clusters)
        return clusters

    def _probes(self, data: Any) -> NDArray[np.float32]:
        rows = data.count_rows()
        rng = np.random.default_rng(rows)
        picked = rng.choice(rows, 2 * min(_PROBES, rows // 2), replace=False)
        vectors = to_matrix(
            data.take(picked.tolist(), columns=[VECTOR]).column(VECTOR).combine_chunks(), self.dimension
        )
        mixed = vectors[::2].astype(np.float64) * 0.65 + vectors[1::2].astype(np.float64) * 0.35
        squares = np.square(mixed).sum(axis=1)
        safe: NDArray[np.float32] = mixed[(squares > _SAFE_SQUARE[0]) & (squares < _SAFE_SQUARE[1])].astype(np.float32)
        return safe

    def _last_of(self, data: Any, probes: NDArray[np.float32]) -> NDArray[np.float64]:
        """Distance of the tenth nearest row to each probe, and a little more for float32, in one pass over all rows."""
        best = np.full((len(probes), 0), np.inf)
        lengths = row_norms(probes)
        for _, norms, vectors in self._batches(Table.bare(data), None):
            with np.errstate(all="ignore"):
                dots = (probes @ vectors.T).astype(np.float64)
                if self.distance == "cosine":
                    far = 1.0 - dots / (lengths[:, None] * norms)
                else:
                    far = np.sqrt(np.maximum(np.square(norms) + np.square(lengths)[:, None] - 2.0 * dots, 0.0))
            best = np.sort(np.concatenate([best, np.nan_to_num(far, nan=np.inf)], axis=1), axis=1)[:, :_TUNE_K]
        last: NDArray[np.float64] = best[:, -1] * (1 + 1e-5) + 1e-6
        return last


def _may_tie(found: Neighbors, k: int) -> bool:
    """Whether rows as far as the k-th may not all have come."""
    return bool(found.distances[k:].size == 0 or found.distances[-1] <= found.distances[k - 1] * (1 + 1e-5) + 1e-12)


def _first(ids: Ids, far: NDArray[np.float64], k: int) -> tuple[Ids, NDArray[np.float64]]:
    if len(ids) <= k:
        return ids, far
    keep = far <= np.partition(far, k - 1)[k - 1]
    return ids[keep], far[keep]


def _places(ids: Ids, allowed: Allowed | None) -> Ids | None:
    """Where in ``ids``, ascending, the allowed ones are; None for all."""
    if allowed is None:
        return None
    wanted = ascending(as_ids(allowed))
    at = np.searchsorted(ids, wanted)
    inside = at < len(ids)
    at, wanted = at[inside], wanted[inside]
    places: Ids = at[ids[at] == wanted]
    return places
