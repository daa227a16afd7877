"""Named vector indexes: vectors that a caller brings are data, durable in the lake before a call returns.

`VectorLog` is the truth (a Delta table per index); what is held here in memory is read from it and follows it: every
call first looks whether anybody committed since, and reads only what is new.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from workbench.errors import ConflictError, DimensionError, InvalidError, NotFoundError
from workbench.lake.tables.catalog import Catalog
from workbench.search.named import rows as vector_rows
from workbench.search.named.items import check_ids, check_items, check_where
from workbench.search.named.log import ROOT, State, VectorLog, VectorSpec
from workbench.search.named.rows import VectorRows, drop
from workbench.search.named.table import VectorTable
from workbench.search.vectors.distance import Distance, check_distance
from workbench.search.vectors.index import DEFAULT_K, MAX_K

MAX_DIMENSION = 65_536
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class VectorHit:
    """One vector found: its distance by the one kernel, its metadata (``{}`` for none)."""

    id: str
    distance: float
    metadata: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """JSON form, as the wire promises it."""
        return {"id": self.id, "distance": self.distance, "metadata": self.metadata}


@dataclass(frozen=True, slots=True)
class VectorIndexInfo:
    """What there is to know of an index without a search. ``created_at`` is ISO 8601 in UTC."""

    name: str
    dimension: int
    distance: Distance
    count: int
    m: int
    ef_construction: int
    ef_search: int
    created_at: str
    version: int
    size_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {k: getattr(self, k) for k in self.__slots__}


class VectorStore:
    """The named indexes of one lake. Threads may share one; several processes may each have their own."""

    def __init__(self, catalog: Catalog) -> None:
        self.storage = catalog.storage
        self._decide = catalog.decide
        self._lock = Lock()
        self._tables: dict[str, VectorTable] = {}

    def create(
        self,
        name: str,
        dimension: int,
        distance: Distance = "cosine",
        *,
        m: int = 16,
        ef_construction: int = 200,
        ef_search: int = 256,
    ) -> VectorIndexInfo:
        """Make an empty index. ``m``, ``ef_construction`` and ``ef_search`` shape the graph of a large one.

        Raises ConflictError when the name is taken, InvalidError for a name or number that means nothing.
        """
        _check_name(name)
        _check_count("dimension", dimension, MAX_DIMENSION)
        for what, value in (("m", m), ("ef_construction", ef_construction), ("ef_search", ef_search)):
            _check_count(what, value, 10_000)
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        spec = VectorSpec(dimension, check_distance(distance), m, ef_construction, ef_search, now)
        log = VectorLog(self.storage, name)

        def step() -> State:
            # Looked at before the log is: what another process creates meanwhile is not something else.
            others = any("/_delta_log/" not in e.key for e in self.storage.entries(f"{log.key}/", limit=20))
            found = log.load()
            if found is not None and found.spec is not None:
                raise ConflictError(
                    f"A vector index {name!r} exists: dimension {found.spec.dimension}, {found.spec.distance}.",
                    hint="Add to it, choose another name, or delete it first.",
                )
            if found is None and others:
                raise InvalidError(
                    f"{log.key} in the lake holds something else than a vector index.", hint="Choose another name."
                )
            return log.create(spec, found)

        return _info(name, self._decide(step), 0)

    def get(self, name: str) -> VectorIndexInfo:
        """Dimension, distance, count and the rest of one index. Raises NotFoundError naming near matches."""
        state = self._log(name).load()
        if state is None or state.spec is None:
            raise self._unknown(name)
        return _info(name, state, len(self._table(name)) if state.count is None else state.count)

    def delete(self, name: str) -> None:
        """Remove an index and its vectors. Raises NotFoundError."""
        log = self._log(name)

        def step() -> State:
            state = log.load()
            if state is None or state.spec is None:
                raise self._unknown(name)
            log.delete(state)
            return state

        drop(log, self._decide(step).files)
        with self._lock:
            self._tables.pop(name, None)

    def add(self, name: str, items: Iterable[Mapping[str, Any]]) -> int:
        """Add ``items`` {id, vector, metadata?}, all or none, durable when this returns; returns how many ids are new.

        An id that is there is replaced; of one that comes twice the last counts. Metadata left out stays as it was,
        ``{}`` clears it. Raises NotFoundError, DimensionError naming both, InvalidError naming the item: NaN, infinity,
        under cosine the zero vector, metadata that is no JSON object.
        """
        spec = self._table(name).spec
        return self._write(name, spec, check_items(items, spec.dimension, spec.distance), "add")

    def remove(self, name: str, ids: Iterable[str]) -> int:
        """Remove ``ids``, passing over unknown ones; returns how many were there. Raises NotFoundError."""
        table = self._table(name)
        there = table.present(check_ids(ids))
        spec = table.spec
        return self._write(name, spec, VectorRows.removed(there, spec.dimension), "remove")

    def search(
        self,
        name: str,
        vector: ArrayLike,
        k: int = DEFAULT_K,
        *,
        where: Mapping[str, Any] | None = None,
        exclude_ids: Iterable[str] = (),
    ) -> tuple[VectorHit, ...]:
        """The ``k`` (1 to 1,000) nearest to ``vector`` (d,), nearest first, ties by id; min(k, matching) always.

        ``where``: metadata keys that must all have this value, or one of a list of values; 1 equals 1.0, and a row
        without the key does not match. Raises NotFoundError, DimensionError naming both, InvalidError.
        """
        _check_count("k", k, MAX_K)
        found = self._table(name).search(vector, int(k), check_where(where), set(check_ids(exclude_ids)))
        return tuple(VectorHit(*one) for one in found)

    def merge(self, source: str, dest: str, *, clear_source: bool = False) -> int:
        """Add every vector of ``source`` to ``dest``, replacing equal ids; returns how many there were.

        With ``clear_source`` the source is empty afterwards; what somebody adds to it meanwhile is merged too. Raises
        NotFoundError, DimensionError naming both, InvalidError for an index and itself.
        """
        if source == dest:
            raise InvalidError(f"{source!r} cannot be merged with itself.", hint="Name two indexes.")

        def step() -> int:
            src, dst = self._table(source), self._table(dest)
            if src.spec.dimension != dst.spec.dimension:
                raise DimensionError(
                    f"{source!r} has dimension {src.spec.dimension}, {dest!r} has {dst.spec.dimension}.",
                    hint="Vectors of one model belong together.",
                    details={"expected": dst.spec.dimension, "got": src.spec.dimension},
                )
            state, rows = src.content()
            said = [None if text is None else json.loads(text) for text in rows.metadata]
            items = zip(rows.ids, rows.vectors, said, strict=True)
            self.add(dest, [{"id": i, "vector": v, "metadata": m} for i, v, m in items])
            if clear_source and state.files:
                src.clear(state)
            return len(rows)

        return self._decide(step)

    def _write(self, name: str, spec: VectorSpec, rows: VectorRows, operation: str) -> int:
        if not len(rows):
            return 0
        files = vector_rows.save(self._log(name), rows)

        def step() -> int:
            table = self._table(name)
            if table.spec != spec:  # deleted and made anew since the rows were checked
                raise ConflictError(f"The vector index {name!r} was made anew meanwhile.", hint="Add again.")
            return table.write(files, rows, operation)

        # After a failure the files stay: who lost the answer of a store cannot know that they were not committed.
        told = self._decide(step)
        self._table(name).tidy(self._decide)
        return told

    def _table(self, name: str) -> VectorTable:
        """The index as it is now in the lake."""
        log = self._log(name)
        with self._lock:
            table = self._tables.setdefault(name, VectorTable(log))
        if not table.refresh():
            with self._lock:
                self._tables.pop(name, None)
            raise self._unknown(name)
        return table

    def _log(self, name: str) -> VectorLog:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise self._unknown(str(name))
        return VectorLog(self.storage, name)

    def _unknown(self, name: str) -> NotFoundError:
        return NotFoundError.named("vector index", name, (i.name for i in self.list()))

    def list(self) -> tuple[VectorIndexInfo, ...]:
        """Every index, by name."""
        found = []
        for name in self.storage.folders(ROOT):
            # Folders of derived vectors have no log.
            if _NAME.fullmatch(name) and self.storage.folders(f"{ROOT}/{name}") == ["_delta_log"]:
                with suppress(NotFoundError):
                    found.append(self._listed(name))
        return tuple(found)

    def _listed(self, name: str) -> VectorIndexInfo:
        state = VectorLog(self.storage, name).load()
        if state is None or state.spec is None:
            raise NotFoundError(name)
        return _info(name, state, len(self._table(name)) if state.count is None else state.count)


def _info(name: str, state: State, count: int) -> VectorIndexInfo:
    spec = state.spec
    assert spec is not None
    return VectorIndexInfo(
        name, spec.dimension, spec.distance, count, spec.m, spec.ef_construction, spec.ef_search, spec.created_at,
        state.version, sum(f.size_bytes for f in state.files),
    )  # fmt: skip


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidError(
            f"{name!r} cannot name a vector index.",
            hint="Up to 100 letters, digits, '_', '-' and '.', beginning with a letter or a digit: resumes_2026",
        )


def _check_count(what: str, value: Any, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not 1 <= value <= most:
        raise InvalidError(
            f"{what} is {value!r}; it can be a whole number from 1 to {most:,}.", hint="Nothing was done."
        )
