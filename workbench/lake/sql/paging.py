"""A page of a statement: the engine is told how many rows are wanted, where that cannot change which they are."""

from __future__ import annotations

from typing import Any

from workbench.lake.sql.parser import Parser


def limited(parser: Parser, sql: str, rows: int) -> str:
    """``sql``, one judged statement, with a LIMIT of ``rows`` behind it; as it is where that has no place.

    What comes back is proven by the engine's parser to be the same statement with that limit outermost. Its first
    ``rows`` rows are those of ``sql``, for the engine keeps the order in which rows were inserted.
    """
    paged = f"{sql.rstrip().removesuffix(';')}\nLIMIT {rows}"
    whole, page = _node(parser, sql), _node(parser, paged)
    if whole is None or page is None:
        return sql
    modifiers = page.pop("modifiers")
    if not modifiers or modifiers[:-1] != whole.pop("modifiers") or page != whole:
        return sql
    return paged


def _node(parser: Parser, sql: str) -> dict[str, Any] | None:
    tree = parser.tree(sql)
    statements = [] if tree.get("error") else tree["statements"]
    return statements[0]["node"] if len(statements) == 1 else None
