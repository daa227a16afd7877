"""What a dataset is expected to hold, said in one line each: ``unique(worker_id)``, ``range(availability, 0, 1)``.

A line is a kind and its arguments in brackets, apart by commas. The first arguments are columns, plain or in double
quotes; what follows are values: numbers, dates and words as they are, any text in single quotes (``''`` for a quote).
An end of a range that is left empty is open: ``rows(1, )``. NULL passes everything but ``not_null``, as in SQL.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import InvalidError, NotFoundError

FORMS = {
    "unique": "unique(worker_id)",
    "not_null": "not_null(name, city)",
    "range": "range(availability, 0, 1)",
    "pattern": r"pattern(zip, '\d{5}')",
    "reference": "reference(city, cities.city)",
    "values": "values(state, 'IL', 'IN')",
    "rows": "rows(1, )",
}
_TOKEN = re.compile(
    r"""\s*(?:(?P<mark>[(),])|(?P<text>'(?:[^']|'')*')|(?P<name>(?:[\w@]+\.)?"(?:[^"]|"")+"(?:\.(?:"(?:[^"]|"")+"|\w+))?)"""
    r"""|(?P<bare>[^\s(),'"](?:[^(),'"]*[^\s(),'"])?))"""
)
_PART = re.compile(r'"((?:[^"]|"")+)"|([\w@]+)')
_PLAIN = re.compile(r"[^\W\d][\w@]*")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Value:
    """A value as written: ``quoted`` says that it stood in single quotes."""

    text: str
    quoted: bool = False

    @property
    def is_number(self) -> bool:
        """Whether it was written as a number."""
        return not self.quoted and bool(_NUMBER.fullmatch(self.text))

    def __str__(self) -> str:
        return "'" + self.text.replace("'", "''") + "'" if self.quoted else self.text


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that shall hold of every row, or of the table.

    ``kind`` is one of `FORMS`. ``values``: the two ends of a range (None: open), the allowed values, the pattern.
    ``other``: dataset and column of a reference.
    """

    kind: str
    columns: tuple[str, ...] = ()
    values: tuple[Value | None, ...] = ()
    other: tuple[str, str] | None = None

    @classmethod
    def parse(cls, text: str) -> Expectation:
        """The expectation that a line says. Raises InvalidError for a line that says none, with the form to use."""
        kind, given = _read(text)
        return _MAKERS[kind](text, given)

    @property
    def text(self) -> str:
        """The line that says it; `parse` gives the same expectation back."""
        said = [_name(column) for column in self.columns]
        said += [".".join(map(_name, self.other))] if self.other else []
        if self.kind in {"range", "rows"}:
            low, high = self.values
            ends = f"{'' if low is None else low}, {'' if high is None else high}"
            return f"{self.kind}({', '.join([*said, ends])})"
        return f"{self.kind}({', '.join([*said, *map(str, self.values)])})"

    def __str__(self) -> str:
        return self.text

    def single(self) -> tuple[Expectation, ...]:
        """The expectations that it is made of: one per column for ``not_null``, else itself."""
        if self.kind != "not_null":
            return (self,)
        return tuple(Expectation("not_null", (column,)) for column in self.columns)


def parse_all(lines: Iterable[str | Expectation]) -> tuple[Expectation, ...]:
    """Expectations of lines, each once, in their order; what is one already stays. Raises InvalidError."""
    return tuple(dict.fromkeys(e if isinstance(e, Expectation) else Expectation.parse(e) for e in lines))


def without_values(lines: Iterable[str], columns: Collection[str]) -> tuple[str, ...]:
    """The lines but for those that list values of one of these columns (in lower case)."""

    def lists(line: str) -> bool:
        one = Expectation.parse(line)
        return one.kind == "values" and one.columns[0].casefold() in columns

    return tuple(line for line in lines if not lists(line))


def read_file(path: Path, dataset: str) -> tuple[Expectation, ...]:
    """The expectations of one dataset in a TOML file: its name, and a list of lines (or one text with a line each).

    Raises NotFoundError for a file that is not there or says nothing of the dataset, InvalidError for one that cannot
    be read.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {path}.", hint=_in_file(dataset)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidError(f"{path} cannot be read: {error}", hint="It is a TOML file in UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidError(
            f"{path}: {error}", hint=f"{_in_file(dataset)}  A backslash needs '''…''' around the line."
        ) from None
    if dataset not in said:
        raise NotFoundError.named("dataset in the file", dataset, said, hint=_in_file(dataset))
    return parse_all(_lines(said[dataset], path, dataset))


def _lines(said: Any, path: Path, dataset: str) -> list[str]:
    lines = said.splitlines() if isinstance(said, str) else said
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise InvalidError(f"{path}: {dataset} is no list of expectations.", hint=_in_file(dataset))
    return [line for line in lines if line.strip()]


def _in_file(dataset: str) -> str:
    return f'{dataset} = ["unique(worker_id)", "not_null(name, city)"]'


@dataclass(frozen=True, slots=True)
class _Given:
    """An argument: its value, and whether it stood in double quotes (then ``parts`` has one or two names)."""

    value: Value
    names: tuple[str, ...] = ()


def _read(text: str) -> tuple[str, list[_Given | None]]:
    """Kind and arguments of a line; None for an argument that was left empty."""
    kind, bracket, _ = text.partition("(")
    kind = kind.strip().casefold()
    if kind not in FORMS:
        near = NotFoundError.named("expectation", kind, FORMS).hint
        raise InvalidError(f"{text.strip()[:80]!r} is no expectation. {near}", hint=_forms())
    if not bracket:
        raise _wrong(kind, text, "has no brackets")
    given: list[_Given | None] = [None]
    at, end, closed = text.index("(") + 1, len(text.rstrip()), False
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None or closed:
            raise _wrong(kind, text, f"cannot be read from {text[at:].strip()[:20]!r} on")
        at = token.end()
        if token["mark"] == ",":
            given.append(None)
        elif token["mark"] == ")":
            closed = True
        elif token["mark"] or given[-1] is not None:
            raise _wrong(kind, text, f"cannot be read at {token[0].strip()[:20]!r}")
        else:
            given[-1] = _argument(token)
    if not closed:
        raise _wrong(kind, text, "has no closing bracket")
    return kind, given


def _argument(token: re.Match[str]) -> _Given:
    if token["text"]:
        return _Given(Value(token["text"][1:-1].replace("''", "'"), quoted=True))
    if token["name"]:
        names = tuple(quoted.replace('""', '"') or plain for quoted, plain in _PART.findall(token["name"]))
        return _Given(Value(token["name"]), names)
    return _Given(Value(token["bare"]))


def _column(kind: str, text: str, given: _Given | None) -> str:
    if given is None or given.value.quoted:
        raise _wrong(kind, text, "names no column" if given is None else f"has the text {given.value} for a column")
    return given.names[0] if given.names else given.value.text


def _value(kind: str, text: str, given: _Given | None) -> Value:
    if given is None:
        raise _wrong(kind, text, "has an empty value")
    return Value(given.names[0], quoted=True) if given.names else given.value


def _of_columns(kind: str, text: str, given: Sequence[_Given | None]) -> Expectation:
    columns = tuple(_column(kind, text, one) for one in given)
    twice = next((c for i, c in enumerate(columns) if c.casefold() in map(str.casefold, columns[:i])), "")
    if twice:
        raise _wrong(kind, text, f"names {twice} twice")
    return Expectation(kind, columns)


def _ends(kind: str, text: str, given: Sequence[_Given | None]) -> tuple[Value | None, ...]:
    if len(given) != 2:
        raise _wrong(kind, text, "needs two ends, of which one may be empty")
    if given[0] is None and given[1] is None:
        raise _wrong(kind, text, "has two open ends")
    return tuple(None if one is None else _value(kind, text, one) for one in given)


def _range(text: str, given: Sequence[_Given | None]) -> Expectation:
    return Expectation("range", (_column("range", text, given[0]),), _ends("range", text, given[1:]))


def _rows(text: str, given: Sequence[_Given | None]) -> Expectation:
    ends = _ends("rows", text, given)
    if any(end is not None and (end.quoted or not end.text.isdecimal()) for end in ends):
        raise _wrong("rows", text, "takes whole numbers")
    return Expectation("rows", (), ends)


def _pattern(text: str, given: Sequence[_Given | None]) -> Expectation:
    if len(given) != 2 or given[1] is None or not given[1].value.quoted:
        raise _wrong("pattern", text, "needs a column and a pattern in single quotes")
    return Expectation("pattern", (_column("pattern", text, given[0]),), (given[1].value,))


def _values(text: str, given: Sequence[_Given | None]) -> Expectation:
    if len(given) < 2:
        raise _wrong("values", text, "names no value")
    allowed = dict.fromkeys(_value("values", text, one) for one in given[1:])
    return Expectation("values", (_column("values", text, given[0]),), tuple(allowed))


def _reference(text: str, given: Sequence[_Given | None]) -> Expectation:
    other = given[1] if len(given) == 2 else None
    if other is None or other.value.quoted:
        raise _wrong("reference", text, "needs a column, and dataset.column")
    dataset, column = other.names if len(other.names) == 2 else other.value.text.partition(".")[::2]
    if not dataset or not column:
        raise _wrong("reference", text, f"needs a column of {dataset or 'a dataset'}")
    return Expectation("reference", (_column("reference", text, given[0]),), (), (dataset, column))


_MAKERS = {
    "unique": lambda text, given: _of_columns("unique", text, given),
    "not_null": lambda text, given: _of_columns("not_null", text, given),
    "range": _range,
    "pattern": _pattern,
    "reference": _reference,
    "values": _values,
    "rows": _rows,
}


def _wrong(kind: str, text: str, what: str) -> InvalidError:
    return InvalidError(f"{text.strip()[:80]!r} {what}.", hint=f"Write it like {FORMS[kind]}")


def _forms() -> str:
    return "One of: " + ", ".join(FORMS.values())


def _name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else '"' + name.replace('"', '""') + '"'
