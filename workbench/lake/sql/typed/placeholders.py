"""``{{x}}`` in SQL: a value that is bound, never text that is pasted.

``{{x}}`` binds, ``{{x!ident}}`` puts a quoted name, ``{{x!sql}}`` is the one door for raw text, and what came through
it is listed. In a comment nothing happens; in a string or a quoted name it is refused with the way to write it. After
the filling the engine's own tokens must agree that each value stands where a value can: a raw text that opens a quote
or a comment before it is found out, and nothing runs.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from workbench.errors import InvalidError, NotFoundError
from workbench.lake.sql.typed.edited import Edit, Edited
from workbench.lake.sql.typed.lexer import CODE, COMMENT, NAME, STRING, Stretch, stretches
from workbench.lake.sql.typed.values import bindable
from workbench.lake.tables.mapping import quote

BACK = 400  # characters before a placeholder that say what it stands in
_OPEN = re.compile(r"\{\{(?P<inside>.*?)\}\}", re.DOTALL)
_INSIDE = re.compile(r"\s*(?P<name>[^\W\d]\w*)\s*(?:!\s*(?P<how>\w*)\s*)?")
_QUOTED = re.compile(r"\{\{\s*(?P<name>[^\W\d]\w*)[^{}'\"]*\}\}")
_DOLLAR = re.compile(r"\$([A-Za-z_]\w*)", re.ASCII)
_IN = re.compile(r"\bin\s*(?P<open>\(?)\s*\Z", re.IGNORECASE)
_LOOP = re.compile(r"\bfor\s+\w+(?:\s*,\s*\w+)?\s+in\s*\Z", re.IGNORECASE)
_EQUALS_BEFORE = re.compile(r"(?<![<>=!])(?P<sign>==?|<>|!=|[<>]=?)\s*\Z")
_EQUALS_AFTER = re.compile(r"\A\s*(?P<sign>==?|<>|!=|[<>]=?)(?![<>=])")
_SORTED = re.compile(r"\b(?P<what>group|order|partition)\s+by\s(?P<between>[^();]*)\Z", re.IGNORECASE)
_ITEM_ENDS = re.compile(
    r"\s*(?:\Z|[,;)]|(?:asc|desc|nulls|having|qualify|order|limit|offset|rows|range)\b)", re.IGNORECASE
)
_OTHER_CLAUSE = re.compile(r"\b(?:having|qualify|window|limit|offset|where|from|select|case|union)\b", re.IGNORECASE)
_INTERVAL = re.compile(r"\binterval\s*\Z", re.IGNORECASE)
_DOT = re.compile(r"[\w\"]\s*\.\s*\Z")
_TABLE = re.compile(r"\b(?:from|join)\s*\Z", re.IGNORECASE)
_NO_TABLE = re.compile(
    r"\bdistinct\s+from\s*\Z|\b(?:extract|trim|substring|substr|overlay)\s*\([^()]*\sfrom\s*\Z", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Filled:
    """A statement with its values apart.

    ``sql`` has ``$names``, ``params`` their values, plain Python values that the engine binds as they are. ``raw``:
    names whose text was put in by ``!sql``. ``notes``: what the reader should know. ``typed``: the text as written.
    """

    sql: str
    params: Mapping[str, Any]
    raw: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    typed: str = ""
    _edited: Edited = field(default=Edited(""), repr=False)

    def origin(self, offset: int) -> int:
        """The character of the text as typed that a character of ``sql`` comes from."""
        return self._edited.origin(offset)


@dataclass(frozen=True, slots=True)
class _Place:
    """A placeholder in code: its name and kind, its characters, and the code around it without comments."""

    name: str
    how: str
    start: int
    end: int
    before: str
    after: str


@dataclass
class _Filling:
    """What is put in, so far."""

    names: Mapping[str, Any]
    taken: set[str]  # parameters that the text itself has, folded
    edits: list[Edit] = field(default_factory=list)
    params: dict[str, Any] = field(default_factory=dict)
    chosen: dict[str, str] = field(default_factory=dict)  # name of a value → its parameter
    raw: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def fill(sql: str, names: Mapping[str, Any]) -> Filled:
    """Bind every ``{{x}}`` of ``sql`` to the value of ``x`` in ``names``.

    A list after IN becomes a set of values of any length, elsewhere it binds as a LIST. Raises NotFoundError for a name
    that is not there (with its neighbours), InvalidError for a value that cannot be bound, a placeholder inside quotes,
    one that is no plain name, and a place where no value can stand. Nothing runs.
    """
    if "{{" not in sql:
        return Filled(sql, {}, typed=sql, _edited=Edited(sql))
    places = list(_places(sql))
    _check_names(places, names)
    texts = [names[p.name] for p in places if p.how == "sql" and isinstance(names[p.name], str)]
    filling = _Filling(names, {found[1].lower() for text in (sql, *texts) for found in _DOLLAR.finditer(text)})
    for place in places:
        _PUT[place.how](filling, place)
    edited = Edited.of(sql, filling.edits)
    _check_tokens(edited, places)
    return Filled(
        edited.text,
        filling.params,
        tuple(dict.fromkeys(filling.raw)),
        tuple(dict.fromkeys(filling.notes)),
        sql,
        edited,
    )


def _places(sql: str) -> Iterator[_Place]:
    parts = list(stretches(sql))
    for number, part in enumerate(parts):
        if part.kind in {STRING, NAME}:
            _refuse_quoted(sql, part)
        elif part.kind == CODE:
            yield from _in_code(sql, parts, number)


def _in_code(sql: str, parts: Sequence[Stretch], number: int) -> Iterator[_Place]:
    part = parts[number]
    text = sql[part.start : part.end]
    for found in _OPEN.finditer(text):
        inside = _INSIDE.fullmatch(found["inside"])
        if inside is None or inside["how"] not in {None, "ident", "sql"}:
            raise _no_name(found["inside"], inside)
        before = _plain(sql, parts[max(number - 6, 0) : number]) + text[: found.start()]
        after = text[found.end() :] + _plain(sql, parts[number + 1 : number + 3])
        start = part.start + found.start()
        yield _Place(inside["name"], inside["how"] or "", start, part.start + found.end(), before[-BACK:], after[:BACK])
    rest = _OPEN.sub("", text)
    if "{{" in rest:
        quoted = number + 1 < len(parts) and "}}" in sql[part.end :]
        raise _no_name(sql[sql.find("{{", part.start) + 2 :].partition("}}")[0], None) if quoted else _left_open()


def _plain(sql: str, parts: Sequence[Stretch]) -> str:
    """The last code of these stretches, comments as a blank."""
    return "".join(" " if p.kind == COMMENT else sql[max(p.start, p.end - BACK) : p.end] for p in parts)


def _left_open() -> InvalidError:
    return InvalidError("A {{ has no }}.", hint="{{name}} binds the value of a variable.")


def _no_name(inside: str, found: re.Match[str] | None) -> InvalidError:
    shown = inside.strip()[:60]
    if found is not None:
        return InvalidError(
            f"{{{{{shown}}}}} asks for {found['how']!r}, which is not known.",
            hint=f"{{{{{found['name']}}}}} binds it, {{{{{found['name']}!ident}}}} quotes a name, "
            f"{{{{{found['name']}!sql}}}} puts raw SQL.",
        )
    return InvalidError(
        f"{{{{{shown}}}}} is no name of a variable; between the braces stands a name alone.",
        hint=f"Give it a name first: x = {shown or '…'}, then {{{{x}}}}. (A struct as a key of a MAP: {{ {{…}}: … }})",
    )


def _refuse_quoted(sql: str, part: Stretch) -> None:
    text = sql[part.start : part.end]
    found = _QUOTED.search(text)
    if found is None:
        return
    name = found["name"]
    if part.kind == NAME:
        whole = text == f'"{found[0]}"'
        raise InvalidError(
            f"{found[0]} stands inside double quotes, so it would be a part of a name and not a value.",
            hint=f"A column or table by its name: {{{{{name}!ident}}}}"
            + ("" if whole else f", with {name} = the whole name"),
        )
    raise InvalidError(
        f"{found[0]} stands inside a string, where nothing is bound.",
        hint=f"Write {_outside(text, found, name)}. Braces that are meant: '{{' || '{{…'.",
    )


def _outside(text: str, found: re.Match[str], name: str) -> str:
    """The same string with the value joined to it."""
    if not text.startswith("'") or not text.endswith("'") or len(text) > 80:
        return f"'…' || {{{{{name}}}}} || '…'"
    parts = [text[: found.start()] + "'", f"{{{{{name}}}}}", "'" + text[found.end() :]]
    return " || ".join(p for p in parts if p != "''")


def _check_names(places: Sequence[_Place], names: Mapping[str, Any]) -> None:
    for place in places:
        if place.name in names:
            continue
        known = [str(n) for n in names if not str(n).startswith("_")]
        error = NotFoundError.named("variable", place.name, known)
        if not error.details["near"]:
            error.hint = f"Give it a value first: {place.name} = …"
        raise error


def _bind(filling: _Filling, place: _Place) -> None:
    value = bindable(place.name, filling.names[place.name])
    _check_stand(place)
    name = _param(filling, place.name)
    filling.params[name] = value
    filling.edits.append(Edit(place.start, place.end, _bound(filling, place, name, value)))
    if value is None:
        _note_none(filling, place)
    _note_sorted(filling, place)


def _bound(filling: _Filling, place: _Place, name: str, value: Any) -> str:
    within = None if _LOOP.search(place.before) else _IN.search(place.before)
    if _INTERVAL.search(place.before):
        return f"(${name})"
    if within is None or (within["open"] and not isinstance(value, list)):
        return f"${name}"
    if not isinstance(value, list):
        return f"(${name})"
    if within["open"] and not place.after.lstrip().startswith(")"):
        raise InvalidError(
            f"{{{{{place.name}}}}} is a list and stands in IN (…) beside other values.",
            hint=f"Write it alone: IN {{{{{place.name}}}}}",
        )
    _note_list(filling, place, value)
    query = f"SELECT unnest(${name})"
    return query if within["open"] else f"({query})"


def _note_list(filling: _Filling, place: _Place, value: list[Any]) -> None:
    if not value:
        filling.notes.append(f"{{{{{place.name}}}}} is empty: IN matches nothing, NOT IN everything")
    elif None in value:
        filling.notes.append(f"{{{{{place.name}}}}} holds None: NOT IN matches nothing, IN does not find NULL")


def _note_sorted(filling: _Filling, place: _Place) -> None:
    """``ORDER BY {{x}}``: all rows have the same value there, so it does nothing."""
    found = _SORTED.search(place.before)
    if found is None or _OTHER_CLAUSE.search(found["between"]) or not _ITEM_ENDS.match(place.after):
        return
    if not found["between"].strip() or found["between"].rstrip().endswith(","):
        what = f"{found['what'].upper()} BY {{{{{place.name}}}}}"
        filling.notes.append(f"{what} is by a value, not a column: {{{{{place.name}!ident}}}}")


def _note_none(filling: _Filling, place: _Place) -> None:
    before, after = _EQUALS_BEFORE.search(place.before), _EQUALS_AFTER.search(place.after)
    found = before or after
    if found is None:
        return
    sign = found["sign"]
    instead = {"=": "IS NOT DISTINCT FROM", "==": "IS NOT DISTINCT FROM"}.get(sign, "IS DISTINCT FROM")
    advice = f"; write {instead} {{{{{place.name}}}}}" if sign in {"=", "==", "<>", "!="} else ""
    filling.notes.append(f"{{{{{place.name}}}}} is None: {sign} NULL matches nothing{advice}")


def _check_stand(place: _Place) -> None:
    """Refuse a value where only a name can stand."""
    table = _TABLE.search(place.before) and not _NO_TABLE.search(place.before)
    if table or _DOT.search(place.before):
        what = "a table" if table else "a column"
        raise InvalidError(
            f"{{{{{place.name}}}}} stands where {what} is named, and a bound value is no name.",
            hint=f"{{{{{place.name}!ident}}}} puts the name that {place.name} holds.",
        )


def _param(filling: _Filling, name: str) -> str:
    """The parameter for a name: the name itself unless the text has one like it (the engine compares without case)."""
    if name in filling.chosen:
        return filling.chosen[name]
    stem = name if name.isascii() else "value"
    found, number = stem, 2
    while found.lower() in filling.taken:
        found, number = f"{stem}_{number}", number + 1
    filling.taken.add(found.lower())
    filling.chosen[name] = found
    return found


def _ident(filling: _Filling, place: _Place) -> None:
    value = filling.names[place.name]
    found = value if isinstance(value, list | tuple) else [value]
    if not found or not all(isinstance(item, str) for item in found):
        raise InvalidError(
            f"{{{{{place.name}!ident}}}} needs a name or a list of names, {place.name} is a {type(value).__name__}"
            + (" without items." if not found else "."),
            hint=f'{place.name} = "city", or {place.name} = ["city", "state"]',
        )
    for item in found:
        if not item or "\0" in item or any("\ud800" <= char <= "\udfff" for char in item):
            raise InvalidError(
                f"{{{{{place.name}!ident}}}}: {item[:60]!r} cannot be a name.", hint="`lh describe NAME` shows columns."
            )
    filling.edits.append(Edit(place.start, place.end, ", ".join(quote(str(item)) for item in found)))


def _raw(filling: _Filling, place: _Place) -> None:
    value = filling.names[place.name]
    if not isinstance(value, str):
        raise InvalidError(
            f"{{{{{place.name}!sql}}}} needs a text, {place.name} is a {type(value).__name__}.",
            hint=f"{{{{{place.name}}}}} binds it as a value.",
        )
    filling.raw.append(place.name)
    filling.edits.append(Edit(place.start, place.end, value))


_PUT = {"": _bind, "ident": _ident, "sql": _raw}


def _check_tokens(edited: Edited, places: Collection[_Place]) -> None:
    """The engine must see each value and name that was put in as one: not inside a string, not behind a comment."""
    if any("\ud800" <= char <= "\udfff" for char in edited.text):
        return  # the text as typed is no text; the guard says so
    raw = edited.text.encode()
    kinds = {start: str(kind).rpartition(".")[2] for start, kind in duckdb.tokenize(edited.text)}
    asked = {place.start: place for place in places}
    shift = 0
    for edit in edited.edits:
        begins = edit.start + shift
        shift += len(edit.text) - (edit.end - edit.start)
        place = asked[edit.start]
        if place.how == "sql":
            continue
        mark = begins + (edit.text.index("$") if place.how == "" else 0)
        at = len(edited.text[:mark].encode())
        if kinds.get(at) != ("operator" if place.how == "" else "identifier") or raw[at : at + 1] not in b'$"':
            raise InvalidError(
                f"{{{{{place.name}}}}} does not stand where a value can: what is before it opens a quote or a comment.",
                hint="Close it there, a raw text inside itself.",
            )
