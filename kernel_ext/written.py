"""Values of the notebook written into a condition as literals, where nothing can be bound: ``--where`` is one text.

The places are found, and the values judged, by `placeholders.fill`; what it would have bound is written here as the
literal of the same value and type. A text becomes nothing but a quoted string, whatever is in it.
"""

from __future__ import annotations

import datetime as dt
import math
import os
import re
import uuid
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from workbench.errors import InvalidError
from workbench.lake.sql.completion.tokens import Token, tokens
from workbench.lake.sql.typed.placeholders import fill
from workbench.lake.tables.mapping import literal

_WHOLE = re.compile(r"\s*\{\{[^{}]*\}\}\s*")
_NONE = ("select", "unnest", "(")
# What str.splitlines, and so a cell, takes for the end of a line; in a literal it is written by its number.
_BREAK = re.compile("([\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029])")


@dataclass(frozen=True, slots=True)
class Written:
    """A condition with its values in it; ``notes`` are what the reader should know of them."""

    sql: str
    notes: tuple[str, ...] = ()


def written(where: str, names: Mapping[str, Any]) -> Written:
    """``where`` with each ``{{x}}`` as a literal of the value of ``x``. Raises as `placeholders.fill`."""
    if "{{" not in where:
        return Written(where)
    filled = fill(where, names)
    raw = tuple(f"raw SQL inserted: {{{{{name}!sql}}}}" for name in filled.raw)
    found = tokens(filled.sql)
    out, done = [], 0
    for at, token in enumerate(found):
        name = token.text[1:]
        if token.kind != "param" or name not in filled.params:
            continue
        value = filled.params[name]
        start, text = token.start, _literal(name, value)
        if isinstance(value, list) and value and tuple(t.word for t in found[at - 3 : at]) == _NONE:
            # A list after IN: its items say the same as the query that binds it, and read better.
            start, text = found[at - 3].start, ", ".join(_literal(name, item) for item in value)
        # A space keeps what stands before it from being read as a prefix of the string (U&'…').
        out += [filled.sql[done:start], " " if token.glued and found[at - 1].text != "(" else "", text]
        done = _end(found, at) if start != token.start else token.end
    return Written("".join([*out, filled.sql[done:]]), (*raw, *filled.notes))


def spoken(text: str, names: Mapping[str, Any], option: str) -> str:
    """The text that a word which is ``{{x}}`` and nothing else stands for; any other word as it is.

    Raises NotFoundError for a name that is not there, InvalidError for a value that is no text.
    """
    if "{{" not in text:
        return text
    if not _WHOLE.fullmatch(text):
        raise InvalidError(f"In {option} a {{{{x}}}} stands alone: {text!r}.", hint="Put the words together before.")
    params = fill(text, names).params
    value = next(iter(params.values()), None)
    if not isinstance(value, str):
        raise InvalidError(f"{text.strip()} for {option} is no text but {value!r}.", hint="A text is needed.")
    return value


def speak_all(asked: Namespace, names: Mapping[str, Any]) -> None:
    """Put into the options of a line what each word that is ``{{x}}`` stands for. Raises as `spoken`."""

    def said(word: Any, option: str) -> Any:
        if isinstance(word, list):
            return [said(one, option) for one in word]
        if not isinstance(word, str | Path):
            return word
        whole = _WHOLE.fullmatch(str(word))
        held = names.get(str(word).strip("{ }")) if whole else None
        text = os.fspath(held) if isinstance(held, Path) else spoken(str(word), names, option)
        return type(word)(text)

    for name, word in list(vars(asked).items()):
        setattr(asked, name, said(word, name))


def _end(found: Sequence[Token], at: int) -> int:
    """The end of the bracket that holds the value."""
    return found[at + 1].end


def _literal(name: str, value: Any) -> str:
    """A value that can be bound, as SQL writes it."""
    if isinstance(value, list):
        return f"[{', '.join(_literal(name, item) for item in value)}]"
    if value is None or isinstance(value, bool):
        return {None: "NULL", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return _text(name, value)
    text = _number(value) if isinstance(value, int | float | Decimal) else _other(value)
    # Brackets: "x -{{n}}" must not become a comment.
    return f"({text})" if text.startswith("-") else text


def _text(name: str, value: str) -> str:
    if "\0" in value:
        raise InvalidError(f"{{{{{name}}}}} holds a zero character, which SQL cannot write.", hint="%%lhsql binds it.")
    parts = [f"chr({ord(part)})" if _BREAK.fullmatch(part) else literal(part) for part in _BREAK.split(value) if part]
    if not parts:
        return "''"
    return parts[0] if len(parts) == 1 else f"({' || '.join(parts)})"


def _number(value: float | Decimal) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Decimal):
        text = f"{value:f}"
        return text if "." in text else f"CAST({text} AS DECIMAL(38, 0))"
    if not math.isfinite(value):
        return f"CAST('{value}' AS DOUBLE)"
    text = repr(value)
    return text if "e" in text else f"{text}e0"  # without an exponent it would be a DECIMAL


def _other(value: Any) -> str:
    """Times, bytes and UUIDs: their text holds no quote."""
    if isinstance(value, dt.datetime):
        return f"{'TIMESTAMPTZ' if value.tzinfo else 'TIMESTAMP'} '{value.isoformat(' ')}'"
    if isinstance(value, dt.date):
        return f"DATE '{value.isoformat()}'"
    if isinstance(value, dt.time):
        return f"{'TIMETZ' if value.tzinfo else 'TIME'} '{value.isoformat()}'"
    if isinstance(value, dt.timedelta):
        return f"to_microseconds({value // dt.timedelta(microseconds=1)})"
    if isinstance(value, uuid.UUID):
        return f"CAST('{value}' AS UUID)"
    return f"from_hex('{value.hex()}')"
