"""The guard: which SQL a door may run, judged on the parse tree, and an engine that could do no more if it wanted to.

Two fences, each enough against what it is for. The *tree*: one statement, made of nothing but query nodes, reading
nothing but datasets by their plain names and a short list of table functions. The *engine*: it may open the files of
the datasets named and no other, writes nothing, loads nothing, and its settings are locked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from workbench.errors import NotFoundError, QueryError
from workbench.lake.mapping import quote

QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"})
TABLE_NODES = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "PIVOT"})
TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "icu_calendar_names"}
)
# Scalar functions that read settings, variables, the session or the catalog's inside, wait, log, or throw their
# argument as an error text. Everything else computes from its arguments (reviewed for DuckDB 2.0; a test lists the
# functions of the installed engine that nobody has reviewed).
DENIED = frozenset(
    {"getvariable", "getenv", "current_setting", "error", "write_log", "pg_sleep", "sleep_ms", "sleep", "nextval",
     "currval", "setval", "current_query", "current_query_id", "current_connection_id", "current_transaction_id",
     "txid_current", "json_serialize_plan", "json_execute_serialized_sql", "stats", "in_search_path", "invoke",
     "parse_duckdb_log_message", "current_schemas", "format_pg_type", "map_to_pg_oid", "which_secret", "add_parquet_key",
     "col_description", "obj_description", "shobj_description", "query", "query_table", "read_text", "read_blob"}
)  # fmt: skip
DENIED_STARTS = ("pg_get_", "pg_sleep", "has_", "duckdb_", "pragma_", "read_", "parquet_", "sniff_", "glob")
_LOCATION = ("position", "line", "column")


@dataclass(frozen=True, slots=True)
class Judged:
    """A statement that passed: its text, its tree (``node`` of the serialised statement), the datasets it reads."""

    sql: str
    tree: Mapping[str, Any]
    tables: frozenset[str]


def judge(con: duckdb.DuckDBPyConnection, sql: str, *, known: Callable[[str], bool]) -> Judged:
    """Judge one statement. ``known`` says whether a name is a dataset. Nothing is run or bound.

    Raises QueryError with the engine's words for what does not parse and with the SELECT form for what is no SELECT;
    NotFoundError for a table that is no dataset.
    """
    node = _parse(con, sql)
    reader = _Reader(known)
    reader.query(node, frozenset())
    return Judged(sql, node, frozenset(reader.tables))


def judge_condition(
    con: duckdb.DuckDBPyConnection, condition: str, *, table: str, known: Callable[[str], bool]
) -> Judged:
    """Judge a text that shall stand in a WHERE: alone in its brackets, and nothing beside it.

    Subqueries on datasets are fine. Raises QueryError for a text that is more than a condition.
    """
    if not _balanced(condition):
        raise _no_condition(condition)
    try:
        judged = judge(con, f"SELECT 1 FROM {quote(table)} WHERE (\n{condition}\n)", known=known)
    except QueryError as error:
        raise QueryError(
            f"The condition {condition[:80]!r} cannot be read: {error.message}",
            hint=error.hint or "--where \"city = 'Joliet' AND availability > 0.5\"",
        ) from None
    node = judged.tree
    plain = node["type"] == "SELECT_NODE" and node["from_table"]["type"] == "BASE_TABLE" and node["where_clause"]
    more = node["modifiers"] or node.get("group_expressions") or node.get("having") or node.get("qualify")
    if not plain or more or node.get("sample") or len(node["select_list"]) != 1:
        raise _no_condition(condition)
    return judged


def _no_condition(condition: str) -> QueryError:
    return QueryError(
        f"{condition[:80]!r} is more than a condition.", hint="--where takes what stands after WHERE, and only that."
    )


def _balanced(text: str) -> bool:
    depth = 0
    raw = text.encode()
    for start, kind in duckdb.tokenize(text):
        if str(kind).endswith("operator"):
            depth += {b"(": 1, b")": -1}.get(raw[start : start + 1], 0)
        if depth < 0:
            return False
    return depth == 0


def _parse(con: duckdb.DuckDBPyConnection, sql: str) -> dict[str, Any]:
    if "\0" in sql:
        raise QueryError("The SQL holds a NUL character.", hint="Remove it.")
    tree = json.loads(con.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()[0][0])
    if tree["error"]:
        raise _refusal(tree, sql)
    if len(tree["statements"]) != 1:
        raise QueryError(
            f"{len(tree['statements'])} statements were given; a query is one SELECT.", hint="Run them one by one."
        )
    node: dict[str, Any] = tree["statements"][0]["node"]
    return node


_INSTEAD = {
    "pivot": "Use the SELECT form: SELECT count(*) FILTER (state = 'IL') AS il FROM workers.",
    "show": "`lh ls` lists the datasets.",
    "describe": "`lh describe NAME` shows the columns.",
    "desc": "`lh describe NAME` shows the columns.",
    "summarize": "`lh profile NAME` shows facts of every column.",
    "explain": "Run the SELECT itself.",
    "copy": '`lh export "SELECT …" out.csv` writes a file.',
    "export": "`lh export NAME out.csv` writes a file.",
    "insert": "`lh ingest FILE --name NAME` adds rows.",
    "update": "`lh ingest FILE --name NAME --key ID` changes rows.",
    "merge": "`lh ingest FILE --name NAME --key ID` changes rows.",
    "create": "`lh ingest FILE --name NAME` makes a dataset.",
    "delete": "Datasets are never changed in place; ingest the rows that shall stay with --replace.",
}


def _refusal(tree: Mapping[str, Any], sql: str) -> QueryError:
    words = str(tree.get("error_message", ""))
    if "Only SELECT" in words:
        first = (sql.split() or [""])[0].casefold().rstrip(";")
        return QueryError(
            f"{first.upper()} is not a SELECT, and queries here only read." if first else "This is not a SELECT.",
            hint=_INSTEAD.get(first, "One SELECT over the datasets; `lh ls` lists them."),
        )
    details: dict[str, Any] = {}
    if str(tree.get("position", "")).isdigit():
        at = int(tree["position"])
        before = sql.encode()[:at].decode(errors="ignore")
        place = (at, before.count("\n") + 1, len(before) - before.rfind("\n"))
        details = dict(zip(_LOCATION, place, strict=True))
    kind = "Parser Error: " if tree.get("error_type") == "parser" else ""
    hint = f"At line {details['line']}, column {details['column']}." if details else "Check the SQL."
    return QueryError(f"{kind}{words}", hint=hint, details=details)


class _Reader:
    """Walks a tree once, with the common table expressions in scope, and refuses what is not on a list."""

    def __init__(self, known: Callable[[str], bool]) -> None:
        self.known = known
        self.tables: set[str] = set()

    def query(self, node: Mapping[str, Any], scope: frozenset[str]) -> None:
        """A query node: its CTEs first, each in the scope of those before it (and of itself when recursive)."""
        if node["type"] not in QUERY_NODES:
            raise QueryError(
                f"A query may not hold {node['type'].removesuffix('_NODE').replace('_', ' ').lower()}.",
                hint="Queries here only read: SELECT.",
            )
        for entry in node["cte_map"]["map"]:
            name = entry["key"].casefold()
            self.query(entry["value"]["query_node"], scope | {name})
            scope |= {name}
        if node["type"] == "RECURSIVE_CTE_NODE":
            scope |= {str(node.get("cte_name", "")).casefold()}
        self.walk({k: v for k, v in node.items() if k != "cte_map"}, scope)

    def walk(self, value: Any, scope: frozenset[str]) -> None:
        """Everything below: values of the tree in any order."""
        if isinstance(value, list):
            for item in value:
                self.walk(item, scope)
        elif isinstance(value, dict):
            self._mapping(value, scope)

    def _mapping(self, value: dict[str, Any], scope: frozenset[str]) -> None:
        if "function_name" in value:
            self._function(value)
        for key, item in value.items():
            if isinstance(item, dict) and "cte_map" in item:
                self.query(item, scope)
            elif isinstance(item, list) and item and isinstance(item[0], dict) and "cte_map" in item[0]:
                for node in item:
                    self.query(node, scope)
            elif key in {"from_table", "left", "right", "source"} and isinstance(item, dict) and "class" not in item:
                self._table(item, scope)
            else:
                self.walk(item, scope)

    def _table(self, ref: dict[str, Any], scope: frozenset[str]) -> None:
        kind = ref.get("type", "")
        if kind == "SHOW_REF":
            raise QueryError(
                "DESCRIBE, SHOW and SUMMARIZE are no queries here.",
                hint="`lh describe NAME`, `lh ls` and `lh profile NAME` show the same.",
            )
        if kind not in TABLE_NODES:
            raise QueryError(f"A query may not read from {kind.replace('_', ' ').lower() or 'this'}.", hint="lh ls")
        if kind == "BASE_TABLE":
            self._base(ref, scope)
        elif kind == "TABLE_FUNCTION":
            name = ref["function"].get("function_name", "")
            if name.casefold() not in TABLE_FUNCTIONS:
                raise QueryError(
                    f"The table function {name} is not available in a query.",
                    hint=f"Files come in by `lh ingest`. Available: {', '.join(sorted(TABLE_FUNCTIONS))}.",
                )
        self._mapping(ref, scope)

    def _base(self, ref: dict[str, Any], scope: frozenset[str]) -> None:
        name = ref["table_name"]
        if ref.get("catalog_name") or ref.get("schema_name"):
            raise QueryError(f"{'.'.join(ref['qualified_name']['path'])} is not a dataset.", hint="`lh ls` lists them.")
        if ref.get("at_clause"):
            raise QueryError("This AT clause names no version.", hint="workers@2 or workers@'2026-11-01'")
        if name.casefold() in scope:
            return
        if not self.known(name):
            raise NotFoundError(f"No dataset is named {name[:80]!r}.", details={"table": name})
        self.tables.add(name)

    def _function(self, call: Mapping[str, Any]) -> None:
        name = str(call["function_name"]).casefold()
        if name in DENIED or (name.startswith(DENIED_STARTS) and name not in TABLE_FUNCTIONS):
            raise QueryError(
                f"The function {name} is not available in a query.",
                hint="Queries compute from datasets and values only.",
            )


def guarded_connection(
    files: Mapping[str, Sequence[str]],
    views: Mapping[str, str],
    *,
    filesystem: Any = None,
    threads: int | None = None,
    memory_limit: str | None = None,
) -> duckdb.DuckDBPyConnection:
    """An engine that sees these views over these files and nothing else, and cannot be talked out of it.

    ``files``: view → addresses it reads; ``views``: view → its SELECT. Raises what the engine raises for a file that
    is not there.
    """
    config: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
    }
    config |= {"threads": threads} if threads else {}
    config |= {"memory_limit": memory_limit} if memory_limit else {}
    con = duckdb.connect(":memory:", config=config)
    if filesystem is not None:
        con.register_filesystem(filesystem)
    con.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false; SET enable_object_cache = true")
    allowed = sorted({address for addresses in files.values() for address in addresses})
    con.execute("SET allowed_paths = ?", [allowed])
    for name, select in views.items():
        con.execute(f"CREATE VIEW {quote(name)} AS {select}")
    con.execute("SET enable_external_access = false; SET lock_configuration = true")
    return con
