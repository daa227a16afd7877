"""``--open``: the whole engine for who asks for it. It is not read-only: it writes and reads any file that the user
may (``COPY … TO``, ``ATTACH``, ``read_csv``, the lake's own files too); nothing is masked, nothing is pinned.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from workbench.lake.sql.engine import Watch
    from workbench.lake.sql.query import Answer
    from workbench.lake.tables.manifest import Manifest
    from workbench.session import Workbench

NOTE = "--open: the whole engine, not read-only: it can write files (COPY); nothing is masked"


class OpenEngine:
    """One engine for a session, so that what a cell creates is there for the next.

    Datasets are views here, so CREATE, INSERT and DELETE reach none of them; COPY can write over any file.
    """

    def __init__(self, wb: Workbench) -> None:
        from workbench.lake.sql.engine import Limits, connect

        limits = Limits(memory_mb=wb.settings.memory_mb, threads=wb.settings.threads)
        self._wb = wb
        self._con: duckdb.DuckDBPyConnection = connect(wb.storage, limits)

    def run(self, sql: str, params: Mapping[str, Any], frames: Mapping[str, Any], watch: Watch) -> Answer:
        """One statement, run once, all of its rows. Raises QueryError in the engine's words."""
        import duckdb

        from workbench.lake.sql import versions
        from workbench.lake.sql.engine import query_error
        from workbench.lake.sql.query import Answer

        started = time.perf_counter()
        rewritten = versions.rewrite_versions(sql)
        try:
            read = self._bring(rewritten, frames)
            table = watch.run(self._con, lambda: self._rows(rewritten.sql, params))
        except duckdb.Error as error:
            raise query_error(error) from None
        return Answer(table, sql, params, snapshots=read, elapsed_s=time.perf_counter() - started)

    def close(self) -> None:
        """Close the engine; what was created in it is gone."""
        self._con.close()

    def _rows(self, sql: str, params: Mapping[str, Any]) -> pa.Table:
        import pyarrow as pa

        done = self._con.sql(sql, params=dict(params) or None)
        return pa.table({}) if done is None else done.to_arrow_table()

    def _bring(self, rewritten: Any, frames: Mapping[str, Any]) -> dict[str, int]:
        """Make views of what the statement may name: datasets first, then tables of the notebook."""
        from workbench.lake.sql.relation import select_sql
        from workbench.lake.tables.mapping import quote

        words = {word.casefold() for word in re.findall(r"\w+", rewritten.sql)}
        for name, frame in frames.items():
            if name.casefold() in words:
                self._con.register(name, frame.arrow() if hasattr(frame, "fetch") else frame)
        read = {}
        for alias, manifest in self._datasets(rewritten, words).items():
            self._con.execute(f"CREATE OR REPLACE TEMP VIEW {quote(alias)} AS {select_sql(self._wb.storage, manifest)}")
            read[manifest.name if alias == manifest.name else f"{manifest.name}@{manifest.version}"] = manifest.version
        return read

    def _datasets(self, rewritten: Any, words: set[str]) -> dict[str, Manifest]:
        catalog = self._wb.catalog
        named = {name: catalog.get(name) for name in catalog.names() if name.casefold() in words}
        for ref in rewritten.tables:
            version = ref.version if ref.at is None else f"'{ref.at}'"
            named[ref.alias] = self._wb.lake.get(f"{ref.name}@{version}")
        return named
