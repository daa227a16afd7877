"""SQL as a tree, by the engine's own parser."""

from __future__ import annotations

import functools
import json
from typing import Any

import duckdb

from workbench.lake.tables.mapping import literal

KEPT_TREES, MOST_KEPT_CHARACTERS = 256, 4_096


class Parser:
    """The engine's own parser. A text always has the same tree, so those of the last few hundred are kept."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._kept = functools.lru_cache(maxsize=KEPT_TREES)(self._serialised)

    def tree(self, sql: str) -> dict[str, Any]:
        """The statements of a text as the engine parses them, or what it has against them; a fresh copy."""
        text = self._kept(sql) if len(sql) <= MOST_KEPT_CHARACTERS else self._serialised(sql)
        tree: dict[str, Any] = json.loads(text)
        return tree

    def text(self, tree: dict[str, Any]) -> str:
        """A tree from `tree` as SQL again."""
        written = self._con.cursor().execute(f"SELECT json_deserialize_sql({literal(json.dumps(tree))})").fetchall()
        return str(written[0][0])

    def close(self) -> None:
        """Close the engine."""
        self._con.close()

    def _serialised(self, sql: str) -> str:
        return str(self._con.cursor().execute(f"SELECT json_serialize_sql({literal(sql)})").fetchall()[0][0])
