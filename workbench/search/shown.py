"""What is shown of hits: columns and text of their rows, from the files beside the corpus or from the dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from workbench.errors import NotFoundError
from workbench.lake.lake import Lake
from workbench.lake.sql.query import Access
from workbench.lake.tables.manifest import Column, Manifest
from workbench.lake.tables.mapping import literal, quote
from workbench.search.corpora import Opened, shown_columns
from workbench.search.texts.corpus import Places
from workbench.search.texts.template import text_template


def shown_rows(lake: Lake, opened: Opened, rows: Places, ids: Sequence[Any], columns: Sequence[str]) -> pa.Table:
    """The ``columns`` (none: the first few) and, last, the text of ``rows``, whose ids are ``ids``, in their order.

    Nothing is masked. Raises NotFoundError for a column that is not there.
    """
    wanted = _columns(opened.manifest, opened.key, columns)
    return _from_files(opened, rows, wanted) or _from_dataset(lake, opened.manifest, opened.key, ids, wanted)


def _columns(manifest: Manifest, key: Column, columns: Sequence[str]) -> list[str]:
    if not columns:
        return shown_columns(manifest)
    for name in columns:
        if manifest.column(name) is None:
            raise NotFoundError.named("column", name, (c.name for c in manifest.columns))
    return list(dict.fromkeys([key.name, *columns]))


def _from_files(opened: Opened, rows: Places, columns: Sequence[str]) -> pa.Table | None:
    """From the row files; None when these do not have them."""
    stored = [f"c:{name}" for name in columns]
    if opened.rows is None or not len(rows) or not opened.rows.columns.issuperset(stored):
        return None
    table = opened.rows.take(opened.corpus.rows.places[rows], [*stored, "text"])
    return None if table is None else table.rename_columns([*columns, "text"])


def _from_dataset(lake: Lake, manifest: Manifest, key: Column, ids: Sequence[Any], columns: Sequence[str]) -> pa.Table:
    wanted = ", ".join(str(i) if isinstance(i, int) else literal(i) for i in ids) or "NULL"
    select = ", ".join([*map(quote, columns), text_template(manifest.columns).to_sql()])
    name = f"{quote(manifest.name)}@{manifest.version}"
    sql = f"SELECT {select} FROM {name} WHERE {quote(key.name)} IN ({wanted})"
    rows = lake.sql(sql, access=Access(row_cap=None, show_pii=True)).table
    place = {value: i for i, value in enumerate(rows.column(key.name).to_pylist())}
    return rows.take(pa.array([place[i] for i in ids], pa.int64()))
