"""A page of a statement: how many rows the engine is asked for, and how many there are, where the text says it."""

from __future__ import annotations

from collections.abc import Mapping
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


def table_of_every_row(node: Mapping[str, Any]) -> str | None:
    """The table whose rows a statement gives, each once; None when it chooses, joins, groups or makes rows.

    ``node``: of the serialised statement. Whatever is not known here counts as choosing.
    """
    if node.get("type") != "SELECT_NODE" or not node.keys() <= _PARTS or any(node.get(name) for name in _CHOOSING):
        return None
    plain = all(column["class"] in {"COLUMN_REF", "STAR"} for column in node["select_list"])
    ordered = all(modifier["type"] == "ORDER_MODIFIER" for modifier in node["modifiers"])
    source = node["from_table"]
    whole = source["type"] == "BASE_TABLE" and not source.get("sample") and not source.get("at_clause")
    if not (plain and ordered and whole) or node["cte_map"]["map"] or node["aggregate_handling"] != "STANDARD_HANDLING":
        return None
    return str(source["table_name"])


_CHOOSING = ("where_clause", "group_expressions", "group_sets", "having", "sample", "qualify")
_PARTS = {"type", "modifiers", "cte_map", "select_list", "from_table", "aggregate_handling", *_CHOOSING}


def _node(parser: Parser, sql: str) -> dict[str, Any] | None:
    tree = parser.tree(sql)
    statements = [] if tree.get("error") else tree["statements"]
    return statements[0]["node"] if len(statements) == 1 else None
