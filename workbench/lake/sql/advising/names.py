"""Advice for names and types that the engine does not find or cannot fit: columns, tables, functions, comparisons."""

from __future__ import annotations

import re
from collections.abc import Callable

from workbench.lake.sql.advising.mistake import Advice, Mistake, did_you_mean, near
from workbench.lake.sql.guard import FUNCTIONS
from workbench.lake.sql.typed.edited import Edit
from workbench.lake.tables.mapping import literal

_AFTER_WHERE = ("group", "having", "qualify", "window", "order", "limit", "offset", "union", "except", "intersect", ";")
_TYPES = (
    "BIGINT", "BLOB", "BOOLEAN", "DATE", "DECIMAL", "DOUBLE", "FLOAT", "HUGEINT", "INTEGER", "INTERVAL", "JSON", "REAL",
    "SMALLINT", "TIME", "TIMESTAMP", "TIMESTAMPTZ", "TINYINT", "UUID", "VARCHAR", "TEXT", "INT",
)  # fmt: skip
# What other engines call it (SQL Server, Oracle, MySQL, Snowflake, BigQuery), and what does it here.
_ELSEWHERE = {
    "nvl": "coalesce", "ifnull": "coalesce", "getdate": "get_current_timestamp",
    "sysdate": "get_current_timestamp", "now": "get_current_timestamp", "charindex": "instr",
    "to_date": "strptime", "str_to_date": "strptime", "date_format": "strftime", "to_char": "strftime",
    "group_concat": "string_agg", "listagg": "string_agg", "safe_divide": "divide", "ucase": "upper",
    "stuff": "replace", "datepart": "date_part", "array_length": "len", "countif": "count_if",
}  # fmt: skip
_PARTS = frozenset({
    "microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade",
    "dow", "doy", "isodow", "epoch",
})  # fmt: skip
_OF_PARTS = frozenset(
    {"datediff", "date_diff", "datesub", "date_sub", "datetrunc", "date_trunc", "datepart", "date_part"}
)
_COMPARISONS = frozenset({"=", "==", "<>", "!=", "<", ">", "<=", ">=", "like", "ilike", "in", "("})


def column(mistake: Mistake, found: re.Match[str]) -> Advice | None:
    """A column that no table has: misspelled, or a text without its quotes."""
    name = found["name"]
    index = mistake.find(name)
    if index is None:
        return None
    token = mistake.tokens[index]
    if name.lower() in _PARTS and index > 1 and mistake.tokens[index - 2].low in _OF_PARTS:
        return mistake.instead(index, literal(name.lower()), "The unit is a text and stands in single quotes.")
    # Of a CTE or a subquery only the engine knows the columns.
    offered = re.findall(r'"([^"]+)"', mistake.words.partition("Candidate bindings:")[2])
    inner = sum(t.low in {"select", "from"} for t in mistake.tokens) > 2
    names = [c.rpartition(".")[2] for c in offered] if inner and offered else mistake.columns()
    alike = near(name, names)
    if "‘" in name or "“" in name:
        plain = re.sub("[‘’“”]", "", name)
        return mistake.instead(index, literal(plain), "A text stands in straight single quotes.")
    if token.text.startswith('"') and name not in alike and not _sure(name, alike):
        return mistake.instead(index, literal(name), "Double quotes are for names; a text stands in single quotes.")
    compared = index > 0 and mistake.tokens[index - 1].low in _COMPARISONS
    if alike and not (compared and name.isupper() and not _sure(name, alike)):
        return mistake.instead(index, alike[0], did_you_mean(alike))
    if compared:
        return mistake.instead(index, literal(name), "A text stands in single quotes.")
    some = ", ".join(names[:8])
    return mistake.advice(index, f"There are: {some}." if some else "")


def _sure(name: str, alike: list[str]) -> bool:
    return bool(alike) and alike[0].casefold()[:2] == name.casefold()[:2] and len(name) > 2


def no_from(mistake: Mistake, found: re.Match[str]) -> Advice | None:
    """A column, and no table."""
    index = mistake.find(found["name"])
    if index is None:
        return None
    if mistake.tokens[index].text.startswith('"'):
        return mistake.instead(index, literal(found["name"]), "A text stands in single quotes.")
    name = found["name"].casefold()
    having = [t for t, columns in mistake.known.columns.items() if name in {c.casefold() for c in columns}]
    if not having:
        return mistake.advice(index, "The statement names no table.")
    table = having[0]
    end = mistake.word("where", *_AFTER_WHERE)
    at = mistake.tokens[end - 1].end if end else mistake.tokens[-1].end
    return mistake.advice(index, "The statement names no table.", Edit(at, at, f" FROM {table}"))


def column_of(mistake: Mistake, found: re.Match[str]) -> Advice | None:
    """``w.nme``: a column that this table has not."""
    index = mistake.find(found["name"], before=".")
    if index is None:
        return None
    alike = near(found["name"], mistake.columns())
    return mistake.instead(index, alike[0], did_you_mean(alike)) if alike else mistake.advice(index, "")


def table_of(mistake: Mistake, found: re.Match[str]) -> Advice | None:
    """``x.name``: no table of the FROM goes by x."""
    index = mistake.find(found["name"], after=".")
    candidates = re.findall(r'"([^"]+)"', mistake.words.partition("Candidate tables:")[2])
    if index is None:
        return None
    alike = near(found["name"], candidates) or candidates[:1]
    return mistake.instead(index, alike[0], did_you_mean(alike)) if alike else mistake.advice(index, "")


def dataset(mistake: Mistake, found: re.Match[str]) -> Advice | None:
    """FROM a table that nobody has."""
    index = mistake.find(found["name"])
    if index is None:
        return None
    alike = near(found["name"], mistake.known.tables)
    return mistake.instead(index, alike[0], did_you_mean(alike)) if alike else mistake.advice(index, "")


def function(mistake: Mistake, found: re.Match[str]) -> Advice | None:
    """A function that is not on the list."""
    name = found["name"]
    if name == "=>":
        index = next((i for i, t in enumerate(mistake.tokens) if t.text.startswith("=")), None)
        return None if index is None else _arrow(mistake, index)
    index = mistake.find(name, after="(")
    if index is None:
        return None
    elsewhere = _ELSEWHERE.get(name.lower(), "")
    if mistake.words.startswith("The table function"):
        return mistake.advice(index, "")
    if name.lower() == "dateadd":
        return mistake.advice(index, "A time is added as an interval: start + INTERVAL 1 DAY.")
    alike = (
        [elsewhere] if elsewhere in FUNCTIONS | {"coalesce"} else near(name, [f for f in FUNCTIONS if f[0].isalpha()])
    )
    return mistake.instead(index, alike[0], did_you_mean(alike)) if alike else mistake.advice(index, "")


def _arrow(mistake: Mistake, index: int) -> Advice:
    token = mistake.tokens[index]
    end = token.end if token.text == "=>" else token.end + 1
    return Advice(token.start, end, "Did you mean >=?", (Edit(token.start, end, ">="),))


def arguments(mistake: Mistake, found: re.Match[str]) -> Advice | None:
    """A function for other types or another number of values."""
    name, types = found["name"], found["types"].split(", ")
    if name == "factorial" and (wrong := re.search(r"!\s+=", mistake.sql)):
        return Advice(wrong.start(), wrong.end(), "Did you mean !=?", (Edit(wrong.start(), wrong.end(), "!="),))
    if not name[0].isalpha():
        return _operator(mistake, name, types)
    index = mistake.find(name, after="(")
    if index is None:
        return None
    first = index + 2
    if name in {"date_diff", "datediff"} and len(types) == 2:
        at = mistake.tokens[first].start
        return mistake.advice(index, "It wants the unit first.", Edit(at, at, "'day', "))
    closed = first + 1 < len(mistake.tokens) and mistake.tokens[first + 1].text == ")"
    if types == ["VARCHAR"] and closed and (wanted := _wanted(mistake.words)):
        inside = mistake.tokens[first]
        edit = Edit(inside.start, inside.end, f"TRY_CAST({inside.text} AS {wanted})")
        return mistake.advice(index, f"{inside.text} is text; {name} needs {wanted}.", edit)
    takes = re.findall(rf'\t"?{re.escape(name)}"?(\([^)\n]*\))', mistake.words)
    return mistake.advice(index, f"It is called as {name}{takes[0]}." if takes else "")


def _wanted(words: str) -> str:
    offered = words.partition("Candidate functions:")[2]
    return next((kind for kind in ("DOUBLE", "DATE", "TIMESTAMP", "BIGINT") if kind in offered), "")


def _operator(mistake: Mistake, name: str, types: list[str]) -> Advice | None:
    index = next((i for i, t in enumerate(mistake.tokens) if t.text == name and i), None)
    if index is None:
        return None
    if name == "+" and all(kind in {"VARCHAR", "STRING_LITERAL"} for kind in types):
        return mistake.instead(index, "||", "Texts are joined with ||.")
    return _cast_beside(mistake, index, "Text and number do not mix.")


def _cast_beside(mistake: Mistake, index: int, hint: str) -> Advice:
    """TRY_CAST of the column next to an operator, when the other side is a number."""
    if index + 1 >= len(mistake.tokens):
        return mistake.advice(index, hint)
    left, right = mistake.tokens[index - 1], mistake.tokens[index + 1]
    side = left if right.kind == "numeric_const" else right if left.kind == "numeric_const" else None
    if side is None or not side.is_name:
        return mistake.advice(index, hint)
    edit = Edit(side.start, side.end, f"TRY_CAST({side.text} AS DOUBLE)")
    return mistake.advice(index - 1, hint, edit, last=index + 1)


def comparison(mistake: Mistake, _found: re.Match[str]) -> Advice | None:
    """Text against a number, and the like."""
    signs = {"=", "==", "<", ">", "<=", ">=", "<>", "!="}
    for i, token in enumerate(mistake.tokens[1:-1], 1):
        sides = {mistake.tokens[i - 1].kind, mistake.tokens[i + 1].kind}
        if token.text in signs and "numeric_const" in sides and "identifier" in sides:
            return _cast_beside(mistake, i, "A text is compared with a number.")
    index = next((i for i, t in enumerate(mistake.tokens) if t.text in signs or t.low == "in"), None)
    return None if index is None else mistake.advice(index, "Cast one side: TRY_CAST(… AS …).")


def conversion(mistake: Mistake, found: re.Match[str]) -> Advice | None:
    """A value that is no number, date, …: of a column, or written in the statement."""
    source = re.search(r"source column (\w+)", mistake.words)
    if source:
        return _try_cast(mistake, source[1])
    signs = {"=", "==", "<", ">", "<=", ">=", "<>", "!=", "+", "-", "*", "/"}
    for i, token in enumerate(mistake.tokens):
        beside = {t.text for t in mistake.tokens[max(i - 1, 0) : i + 2]}
        if token.kind == "string_const" and beside & signs and not re.fullmatch(r"'[\d.+-]+'", token.text):
            return mistake.advice(i, f"This text stands where the engine needs {found['type']}.")
    return None


def _try_cast(mistake: Mistake, name: str) -> Advice | None:
    index = mistake.find(name)
    if index is None:
        return None
    tokens = mistake.tokens
    token, rest = tokens[index], tokens[index + 1 :]
    if rest and rest[0].text == "::" and len(rest) > 1:
        edit = Edit(token.start, rest[1].end, f"TRY_CAST({token.text} AS {rest[1].text})")
        return mistake.advice(index, "TRY_CAST gives NULL for what does not fit.", edit)
    if index >= 2 and tokens[index - 2].low == "cast":
        return mistake.advice(
            index, "TRY_CAST gives NULL for what does not fit.",
            Edit(tokens[index - 2].start, tokens[index - 2].end, "TRY_CAST"),
        )  # fmt: skip
    return mistake.advice(index, "TRY_CAST(… AS …) gives NULL for what does not fit.")


def ambiguous(mistake: Mistake, found: re.Match[str]) -> Advice | None:
    """Two tables have the column."""
    name, first = found["name"], found["first"]
    for i, token in enumerate(mistake.tokens):
        if token.is_name and token.name.casefold() == name.casefold() and (not i or mistake.tokens[i - 1].text != "."):
            return mistake.instead(i, first, "Say of which table.")
    return None


def ungrouped(mistake: Mistake, found: re.Match[str]) -> Advice | None:
    """A column beside an aggregate that is not grouped by."""
    index = mistake.find(found["name"])
    if index is None:
        return None
    having = mistake.word("having")
    inside = mistake.find(found["name"]) if having is None else _after(mistake, found["name"], having)
    if having is not None and inside is not None:
        token = mistake.tokens[inside]
        return mistake.instead(inside, f"any_value({token.text})", "HAVING sees groups; WHERE, before, sees rows.")
    group = mistake.word("group")
    if group is None:
        end = mistake.word("having", "qualify", "order", "limit", ";")
        at = mistake.tokens[end - 1].end if end else mistake.tokens[-1].end
        return mistake.advice(index, "Group by what is not aggregated.", Edit(at, at, " GROUP BY ALL"))
    end = mistake.word("having", "qualify", "order", "limit", ";", start=group + 1)
    last = mistake.tokens[end - 1 if end else -1].end
    return mistake.advice(
        index, "Group by what is not aggregated.", Edit(mistake.tokens[group].start, last, "GROUP BY ALL")
    )


def _after(mistake: Mistake, name: str, start: int) -> int | None:
    for i in range(start, len(mistake.tokens)):
        if mistake.tokens[i].is_name and mistake.tokens[i].name.casefold() == name.casefold():
            return i
    return None


def aggregate_in_where(mistake: Mistake, _found: re.Match[str]) -> Advice | None:
    """WHERE count(*) > 1: a condition on groups belongs in HAVING."""
    where = mistake.word("where")
    if where is None or where + 1 >= len(mistake.tokens):
        return None
    end = mistake.word(*_AFTER_WHERE, start=where + 1) or len(mistake.tokens)
    condition = mistake.sql[mistake.tokens[where + 1].start : mistake.tokens[end - 1].end]
    later = mistake.word("qualify", "order", "limit", ";", start=end)
    at = mistake.tokens[(later or len(mistake.tokens)) - 1].end
    group = "" if mistake.word("group") else "GROUP BY ALL "
    edits = [Edit(mistake.tokens[where - 1].end, mistake.tokens[end - 1].end, "")]
    if at == mistake.tokens[end - 1].end:
        edits = [Edit(mistake.tokens[where].start, at, f"{group}HAVING {condition}")]
    else:
        edits.append(Edit(at, at, f" {group}HAVING {condition}"))
    whole = end == where + 1 or not any(t.low in {"and", "or"} for t in mistake.tokens[where:end])
    return mistake.advice(where, "What is asked of groups stands in HAVING.", *(edits if whole else ()), last=end - 1)


def type_name(mistake: Mistake, found: re.Match[str]) -> Advice | None:
    """A type that there is not."""
    index = mistake.find(found["name"])
    alike = near(found["name"], _TYPES)
    if index is None:
        return None
    return mistake.instead(index, alike[0], did_you_mean(alike)) if alike else mistake.advice(index, "")


def window(mistake: Mistake, _found: re.Match[str]) -> Advice | None:
    """row_number() without OVER."""
    pattern = r"\b(row_number|rank|dense_rank|ntile|lag|lead)\s*\([^()]*\)(?!\s*over\b)"
    call = re.search(pattern, mistake.sql, re.IGNORECASE)
    if call is None:
        return None
    edit = Edit(call.end(), call.end(), " OVER (ORDER BY 1)")
    return Advice(call.start(), call.end(), "A window function says over which rows.", (edit,))


def set_operation(mistake: Mistake, _found: re.Match[str]) -> Advice | None:
    """UNION of different numbers of columns."""
    index = mistake.word("union", "except", "intersect")
    return None if index is None else mistake.advice(index, "Both sides give the same number of columns.")


def subquery(mistake: Mistake, _found: re.Match[str]) -> Advice | None:
    """A subquery of several columns where one value is meant."""
    for i, token in enumerate(mistake.tokens[1:], 1):
        if token.low in {"select", "from"} and mistake.tokens[i - 1].text == "(":
            return mistake.advice(i, "The subquery stands for one value: name one column.")
    return None


Rule = Callable[[Mistake, re.Match[str]], Advice | None]
_N = r'"(?P<name>(?:[^"]|"")+)"'
RULES: tuple[tuple[re.Pattern[str], Rule], ...] = tuple(
    (re.compile(pattern), rule)
    for pattern, rule in (
        (rf"Referenced column {_N} was not found because the FROM clause is missing", no_from),
        (rf"Referenced column {_N} not found", column),
        (rf"(?:Values list|Table) \"[^\"]*\" does not have a column named {_N}", column_of),
        (rf"Column {_N} does not exist on (?:left|right) side of join", column),
        (rf"Referenced table {_N} not found", table_of),
        (r"No dataset(?: or table)? is named '(?P<name>[^']*)'", dataset),
        (r"The (?:table )?function (?P<name>\S+) is not available", function),
        (r"No function matches the given name and argument types '(?P<name>[^(]+)\((?P<types>.*)\)'\.", arguments),
        (r'Could not choose a best candidate .* "(?P<name>[^(]+)\((?P<types>.*)\)"\.', arguments),
        (r"Cannot compare values of type", comparison),
        (r"Set operations can only apply", set_operation),
        (r"Subquery returns \d+ columns", subquery),
        (r"Could not (?:convert string|cast value) .* to (?P<type>[A-Z0-9]+)", conversion),
        (r"(?:invalid|Invalid) (?P<type>date|timestamp|time)\b", conversion),
        (rf"Ambiguous reference to column name {_N} \(use: '(?P<first>[^']+)'", ambiguous),
        (rf"column {_N} must appear in the GROUP BY clause", ungrouped),
        (r"WHERE clause cannot contain aggregates", aggregate_in_where),
        (r"Type with name (?P<name>\S+) does not exist", type_name),
        (r"Window functions are not supported here", window),
    )
)
