"""The people that the lake knows: a roster of what its tagged columns hold, made when it is needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench.lake.tables.mapping import quote
from workbench.llm import sessions
from workbench.pii.kinds import Kind
from workbench.pii.roster import Roster

if TYPE_CHECKING:
    from workbench.lake.lake import Lake
    from workbench.lake.tables.manifest import Manifest


class KnownPeople:
    """The people of a lake, read when they are first asked for, and again when a dataset that holds some has changed.

    Safe for threads. ``lake`` opens it, which is not done before. Raises what reading the lake does.
    """

    def __init__(self, lake: Callable[[], Lake]) -> None:
        self._lake = lake
        self._lock = threading.Lock()
        self._read: tuple[tuple[str, int], ...] | None = None
        self._roster = Roster()

    def __call__(self) -> Roster:
        """The roster as of now."""
        lake = self._lake()
        now = tuple((manifest.name, manifest.version) for manifest in _tagged(lake))
        with self._lock:
            if now != self._read:
                self._roster, self._read = known_people(lake), now
            return self._roster


def known_people(lake: Lake) -> Roster:
    """The roster of all datasets, each in its newest version. Streams; holds hashes of the values only."""
    return Roster(known_values(lake))


def known_values(lake: Lake) -> Iterator[tuple[str, str]]:
    """``(kind, value)`` of everything personal in all datasets, each in its newest version; what a roster is made
    of.
    """
    for manifest in _tagged(lake):
        yield from _values(lake, manifest.name, manifest.pii)


def _tagged(lake: Lake) -> list[Manifest]:
    """Datasets that hold people. What the loop noted of its runs is about people of the others."""
    return [manifest for manifest in lake.catalog.all() if manifest.pii and manifest.name != sessions.DATASET]


def _values(lake: Lake, dataset: str, kinds: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    columns = ", ".join(f"CAST({quote(name)} AS VARCHAR)" for name in kinds)
    _, batches = lake.queries.stream(f"SELECT {columns} FROM {quote(dataset)}", show_pii=True)
    names = [place for place, kind in enumerate(kinds.values()) if kind == Kind.NAME]
    for batch in batches:
        for kind, column in zip(kinds.values(), batch.columns, strict=True):
            for value in column.unique().drop_null().to_pylist():
                yield kind, value
        yield from _joined(batch, names)


def _joined(batch: pa.RecordBatch, names: list[int]) -> Iterator[tuple[str, str]]:
    """First and last name in columns of their own are a name together."""
    for left, right in combinations(names, 2):
        pairs = zip(batch.column(left).to_pylist(), batch.column(right).to_pylist(), strict=True)
        for first, last in pairs:
            if first and last and " " not in first.strip() and " " not in last.strip():
                yield Kind.NAME, f"{first} {last}"
