"""A dataset of a log that an older or newer version of the product made: whose it is, which columns fit both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from workbench.lake.lake import Lake
from workbench.lake.logs.shape import Shape
from workbench.lake.tables.delta import parse_type
from workbench.lake.tables.manifest import Column, Manifest, fingerprint
from workbench.lake.tables.mapping import quote


def fits(lake: Lake, shape: Shape, base: Manifest) -> bool:
    """Whether the dataset is this log's: its very columns, or a log of this name was written into it and no column that
    both have is of another type.
    """
    ours = {column.name: column.type for column in shape.columns}
    if base.fingerprint == fingerprint(ours.items()):
        return True
    theirs = {column.name: column.type for column in base.columns}
    if any(name not in theirs for name in shape.identity) or any(
        theirs.get(n, kind) != kind for n, kind in ours.items()
    ):
        return False
    said = ((one.message, one.source.file if one.source else "") for one in lake.catalog.history(shape.dataset))
    return (shape.title, source_name(shape)) in said


def source_name(shape: Shape) -> str:
    """What the snapshots of a log say that they came from."""
    return f"{shape.dataset}.jsonl"


def fitted(shape: Shape, base: Manifest | None) -> tuple[Column, ...]:
    """The columns after the next write: all that are there, with their tags, and those of ours that are not."""
    held = base.columns if base else ()
    known = {column.name for column in held}
    tagged = tuple(replace(c, pii=c.pii or shape.tags.get(c.name, "")) for c in held)
    return (*tagged, *(column for column in shape.columns if column.name not in known))


def schema_of(columns: Sequence[Column]) -> pa.Schema:
    """The Arrow schema in which these columns are stored."""
    return pa.schema([pa.field(c.name, parse_type(c.stored or c.type)) for c in columns])


def old_batches(lake: Lake, base: Manifest, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """The rows that are there already, under wider columns."""
    held = {column.name for column in base.columns}
    kept = [name for name in schema.names if name in held]
    for batch in lake.queries.read(base, ", ".join(map(quote, kept))):
        arrays = [batch.column(kept.index(n)) if n in held else pa.nulls(batch.num_rows) for n in schema.names]
        yield from pa.table(arrays, names=schema.names).cast(schema).to_batches()
