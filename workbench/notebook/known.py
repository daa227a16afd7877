"""The people that the lake knows: a roster of what its tagged columns hold, made when it is needed and never kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench.pii.kinds import Kind
from workbench.pii.roster import Roster

if TYPE_CHECKING:
    from workbench.session import Workbench


def known_people(wb: Workbench) -> Roster:
    """The roster of all datasets, each in its newest version. Streams; holds hashes of the values only."""
    tagged = (manifest for manifest in wb.datasets() if manifest.pii)
    return Roster(value for manifest in tagged for value in _values(wb, manifest.name, manifest.pii))


def _values(wb: Workbench, dataset: str, kinds: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    from workbench.lake.tables.mapping import quote

    columns = ", ".join(f"CAST({quote(name)} AS VARCHAR)" for name in kinds)
    _, batches = wb.lake.queries.stream(f"SELECT {columns} FROM {quote(dataset)}", show_pii=True)
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
