"""The way out of an error as a cell takes it: magics instead of commands, and what to type in place of a statement."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workbench.errors import NotFoundError, QueryError, WorkbenchError

_COMMAND = re.compile(r"(?<![\w%!/])lh ([a-z]+)\b")
_MAGIC = {
    "ingest": "%lhingest", "profile": "%lhprofile", "diff": "%lhdiff", "check": "%lhcheck", "history": "%lhhistory",
    "search": "%lhsearch", "ls": "%lh ls", "describe": "%lh describe", "sql": "%lhsql",
    "chat": "%lhchat", "validate": "%lhvalidate", "iterate": "%lhiterate",
}  # fmt: skip
_QUOTED_SQL = re.compile(r"""(?<![\w%!/])lh sql (?:"([^"]*)"|'([^']*)')""")
_NO_TABLE = re.compile(r"No dataset or table is named '(?P<name>\w+)'")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_NAME_OPTION = re.compile(r"Use --name (?=\w)")
_TYPED = re.compile(r"\b(date|timestamp|timestamptz|time|interval)\s+\{\{\s*(\w+)\s*\}\}", re.IGNORECASE)
_BY_VALUE = re.compile(r"\border\s+by\b[^;()]*?\{\{\s*(\w+)\s*\}\}", re.IGNORECASE)
_INSTEAD = {
    "describe": "%lh describe {name}", "desc": "%lh describe {name}", "show": "%lh lists the datasets.",
    "summarize": "%lhprofile {name}",
    "explain": "%%lhsql --explain shows the plan of a SELECT; --profile runs it and says where the time went.",
    "create": "%%lhsql --save NAME keeps the rows of a SELECT as a dataset; --as NAME names them for the next cell.",
    "insert": "%%lhsql --save NAME --append adds the rows of a SELECT to a dataset.",
    "copy": "%lhingest FILE loads a file; %lhsql --to df gives the rows to pandas.",
}  # fmt: skip
# What makes a table of a value that is none, by the type's package and name; "" stands for every type of a package.
_TABLE_OF = {
    ("pandas", "Series"): "{0}_table = {0}.to_frame()", ("pandas", ""): "{0}_table = {0}.to_frame()",
    ("polars", "Series"): "{0}_table = {0}.to_frame()", ("polars", "LazyFrame"): "{0}_table = {0}.collect()",
    ("numpy", "ndarray"): "{0}_table = pd.DataFrame({0})", ("builtins", "list"): "{0}_table = pd.DataFrame({0})",
    ("builtins", "dict"): "{0}_table = pd.DataFrame({0})",
    ("pyarrow", "RecordBatchReader"): "{0}_table = {0}.read_all()",
    ("builtins", "str"): "{{{{{0}!ident}}}} reads the table whose name it holds.",
}  # fmt: skip


def as_magics(text: str) -> str:
    """Commands in a hint as a cell takes them: the magic where there is one, else ``!lh …``."""
    text = _QUOTED_SQL.sub(lambda found: f"%lhsql {found[1] or found[2]}", text)
    return _COMMAND.sub(lambda found: _MAGIC.get(found[1], f"!lh {found[1]}"), text)


def speak(error: WorkbenchError) -> None:
    """Let the hint name magics; its further lines stand under the first."""
    lines = as_magics(error.hint).split("\n")
    error.hint = "\n    ".join(line.lstrip() for line in lines)


def mend(error: WorkbenchError, sql: str, names: Mapping[str, Any]) -> None:
    """Put into an error what only a notebook knows of a statement: a magic that does it, a variable of another kind."""
    if isinstance(error, QueryError):
        error.hint = (instead(sql) if "queries here" in error.message else _misplaced(sql, error)) or error.hint
    error.hint = _NAME_OPTION.sub("Use --save ", error.hint)
    missing = _NO_TABLE.match(error.message) if isinstance(error, NotFoundError) else None
    if missing and (written := next((n for n in names if n.lower() == missing["name"].lower()), "")):
        error.hint = _no_table(written, names[written])


def _misplaced(sql: str, error: QueryError) -> str:
    """What to write where a value stands in place of a column, or behind the name of its type."""
    if (typed := _TYPED.search(sql)) and 'near "$"' in error.message:
        return f"{{{{{typed[2]}}}}} has its type already: leave {typed[1]} out."
    if (by := _BY_VALUE.search(sql)) and "kept back" in error.message:
        name = by[1]
        return f"{{{{{name}}}}} is a value there, not a column; {{{{{name}!ident}}}} is the column of that name."
    return ""


def instead(sql: str) -> str:
    """The magic that does what a statement is meant to do; empty for one without."""
    found = re.match(r"\s*(\w+)(?:\s+(?:table\s+)?([\w@]+))?", _COMMENT.sub(" ", sql), re.IGNORECASE)
    if found is None:
        return ""
    name = found[2] if found[2] and found[2].casefold() not in {"select", "from", "with"} else "workers"
    return _INSTEAD.get(found[1].casefold(), "").format(name=name)


def _no_table(name: str, value: Any) -> str:
    kind = type(value)
    home = kind.__module__.partition(".")[0]
    make = _TABLE_OF.get((home, kind.__name__)) or (_TABLE_OF.get((home, "")) if hasattr(value, "to_frame") else None)
    said = f"The variable {name} is a {kind.__name__}, and SQL reads results, DataFrames and Arrow tables."
    if make is None:
        return said
    way = make.format(name)
    return f"{said} {way if home == 'builtins' and kind is str else f'{way}, then FROM {name}_table'}"
