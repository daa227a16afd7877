"""The people that the lake knows: a roster of what its tagged columns hold, made when it is needed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from workbench.lake.tables.mapping import quote
from workbench.llm import sessions
from workbench.pii.kinds import Kind
from workbench.pii.roster import Roster

if TYPE_CHECKING:
    from workbench.lake.lake import Lake
    from workbench.lake.tables.manifest import Manifest

_ROWS = 100_000


class KnownPeople:
    """The people of a lake, read when they are first asked for, and again when a dataset that holds some has changed.

    Safe for threads. ``lake`` opens it, which is not done before. Raises what reading the lake does.
    """

    def __init__(self, lake: Callable[[], Lake]) -> None:
        self._lake = lake
        self._lock = threading.Lock()
        self._read: tuple[tuple[str, int, str], ...] | None = None
        self._roster = Roster()

    def __call__(self) -> Roster:
        """The roster as of now."""
        lake = self._lake()
        now = tuple((one.name, one.version, str(one.created_at)) for one in _tagged(lake))
        with self._lock:
            if now != self._read:
                self._roster, self._read = known_people(lake), now
            return self._roster


def known_people(lake: Lake) -> Roster:
    """The roster of all datasets, each in its newest version. Streams; keeps no value, and nothing on the disk."""
    return Roster(columns=_columns(lake))


def known_values(lake: Lake) -> Iterator[tuple[str, str]]:
    """``(kind, value)`` of all that is personal in the datasets, each in its newest version: a roster is made of it."""
    for kind, column in _columns(lake):
        yield from ((kind, value) for value in column.drop_null().to_pylist())


def _columns(lake: Lake) -> Iterator[tuple[str, pa.Array]]:
    for manifest in _tagged(lake):
        yield from _values(lake, manifest.name, manifest.pii)


def _tagged(lake: Lake) -> list[Manifest]:
    """Datasets that hold people. What the loop noted of its runs is about people of the others."""
    return [manifest for manifest in lake.catalog.all() if manifest.pii and manifest.name != sessions.DATASET]


def _values(lake: Lake, dataset: str, kinds: Mapping[str, str]) -> Iterator[tuple[str, pa.Array]]:
    columns = ", ".join(f"CAST({quote(name)} AS VARCHAR)" for name in kinds)
    _, batches = lake.queries.stream(f"SELECT {columns} FROM {quote(dataset)}", show_pii=True)
    names = [place for place, kind in enumerate(kinds.values()) if kind == Kind.NAME]
    for batch in _together(batches):
        yield from zip(kinds.values(), batch.columns, strict=True)
        yield from _joined(batch, names)


def _together(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of `_ROWS` or a little more: each costs some milliseconds, whatever its length."""
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(batch)
        if sum(one.num_rows for one in held) >= _ROWS:
            yield pa.concat_batches(held)
            held = []
    if held:
        yield pa.concat_batches(held)


def _joined(batch: pa.RecordBatch, names: list[int]) -> Iterator[tuple[str, pa.Array]]:
    """First and last name in columns of their own are a name together, which is null where one of them is none."""
    single = [pc.replace_substring_regex(batch.column(n), r"^\s+|\s+$", "") for n in names]
    single = [pc.if_else(pc.match_substring_regex(one, "^[^ ]+$"), one, None) for one in single]
    for left, right in combinations(single, 2):
        yield Kind.NAME, pc.binary_join_element_wise(left, right, " ")
