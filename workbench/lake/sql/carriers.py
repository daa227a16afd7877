"""Which columns of what a statement reads hold personal data: by the catalog's tags, and for frames by what is known.

A tag is about the column, not about one snapshot: one that somebody set later covers the older snapshots too, and the
relations that were pinned to them. A frame carries the tags of the answer that it came from as metadata (Arrow) or in
its ``attrs`` (pandas); where there are none, it is looked at as a file is at ingest, by header and values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from workbench import pii
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.manifest import Manifest

ATTRIBUTE = "workbench.pii"  # column → kind, as JSON in the metadata of a schema, as a dict in pandas' attrs
SAMPLE_ROWS = 2_000


def kinds(
    catalog: Catalog, tables: Mapping[str, Manifest], frames: Mapping[str, pa.Table]
) -> dict[str, dict[str, str]]:
    """Table name in the statement → each of its columns → its kind, '' for none."""
    newest = {name: catalog.find(name) for name in {m.name for m in tables.values()}}
    found = {}
    for alias, manifest in tables.items():
        now = newest[manifest.name]
        tagged = {name.casefold(): kind for name, kind in (now.pii if now else {}).items()}
        found[alias] = {c.name: c.pii or tagged.get(c.name.casefold(), "") for c in manifest.columns}
    return found | {name: dict.fromkeys(table.column_names, "") | carried(table) for name, table in frames.items()}


def carried(table: pa.Table) -> dict[str, str]:
    """Column → kind, as the metadata of a table says; without any where it says none."""
    try:
        said = json.loads((table.schema.metadata or {}).get(ATTRIBUTE.encode(), b"{}"))
    except ValueError:
        return {}
    return _read(said, table.column_names)


def with_kinds(table: pa.Table, columns: Mapping[str, str]) -> pa.Table:
    """The table with these kinds in its metadata; with none as it is."""
    if not columns:
        return table
    said = {ATTRIBUTE.encode(): json.dumps(dict(columns)).encode()}
    return table.replace_schema_metadata((table.schema.metadata or {}) | said)


def looked_at(table: pa.Table, attributes: Any = None) -> pa.Table:
    """A frame with the kinds that it carries, and those that a look at headers and values finds."""
    known = carried(table) | _read(attributes, table.column_names)
    step = max(-(-table.num_rows // SAMPLE_ROWS), 1)
    sample = table if step == 1 else table.take(pa.array(range(0, table.num_rows, step), pa.int64()))
    return with_kinds(table.replace_schema_metadata(None), pii.tag_table(sample) | known)


def to_attrs(table: pa.Table, frame: Any) -> Any:
    """The pandas DataFrame made of a table, with the kinds that the table carries."""
    if found := carried(table):
        frame.attrs[ATTRIBUTE] = found
    return frame


def _read(said: Any, names: Iterable[str]) -> dict[str, str]:
    """Only what is about these columns and in form: metadata may come from anywhere."""
    if not isinstance(said, Mapping):
        return {}
    there = set(names)
    return {str(name): str(kind) for name, kind in said.items() if name in there and kind}
