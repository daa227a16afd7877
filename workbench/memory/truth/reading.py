"""Rules out of the text of a TOML file. What cannot be meant is an error that says where and what was meant instead."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import Any, NoReturn

from workbench.errors import ConfigError
from workbench.memory.truth.conditions import (
    Against,
    Always,
    Condition,
    FieldContainsAny,
    FieldEmpty,
    FieldEquals,
    FieldGreater,
    FieldMismatch,
    Scalar,
)
from workbench.memory.truth.facts import FACTS, MASKABLE, classes_of_rules
from workbench.memory.truth.paths import DottedPath
from workbench.memory.truth.rules import Action, Block, Pass, Redact, Reject, Rule

SIZE_BYTES = 256 * 1024
"""The most that a file of rules may have: some thousand rules; more was not written by hand."""
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

_SAID_CHARS = 300
_KEYS = ("id", "task_class", "description", "condition", "action")
_TABLES = ("rule", "rules")
_LONG_KEY = re.compile(r"""(?<![\w"'-])(?:[\w"'-]++\s*+\.\s*+){31}""")
_HEADER = re.compile(r"""^\s*\[\[\s*["']?rules?["']?\s*]]""")


@dataclass(frozen=True, slots=True)
class _Block:
    """Where a rule stands: the file, its lines, and its id when that is known."""

    file: str
    lines: tuple[str, ...]
    first: int | None
    id: str = ""

    def wrong(self, what: str, *, key: str = "", hint: str = "") -> NoReturn:
        line = self._line_of(key)
        where = f"{self.file}{f', line {line}' if line else ''}{f', rule {self.id!r}' if self.id else ''}"
        raise ConfigError(
            f"{where}: {what}.", hint=hint or "lh rules prints every rule; docs/decisions.md has the form."
        )

    def _line_of(self, key: str) -> int | None:
        written = re.compile(rf"""(?:^|[{{,.\[])\s*["']?{re.escape(key)}\b""")
        found = (n for n, line in enumerate(self.lines) if key and written.search(line))
        return None if self.first is None else self.first + next(found, 0)


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a rule, read key by key."""

    values: Mapping[str, Any]
    what: str
    block: _Block

    def only(self, *keys: str) -> None:
        for key in self.values:
            if key not in keys:
                takes = f"It takes {', '.join(keys)}." if keys else "It takes no field."
                self.block.wrong(f"{self.what} has no field {key!r}", key=key, hint=_near(key, keys, takes))

    def text(self, key: str) -> str:
        value = self.need(key)
        if not isinstance(value, str) or not value.strip():
            self.block.wrong(f"{key} of {self.what} is no text", key=key, hint=f'{key} = "…"')
        return " ".join(value.split())

    def need(self, key: str) -> Any:
        if key not in self.values:
            self.block.wrong(f"{self.what} lacks the field {key}", hint=f"{key} = …")
        return self.values[key]

    def path(self, key: str) -> DottedPath:
        return _path(self.text(key), key, self.block)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.need(key)
        if not isinstance(value, list) or not value or not all(isinstance(one, str) and one.strip() for one in value):
            self.block.wrong(f"{key} of {self.what} is no list of texts", key=key, hint=f'{key} = ["…", "…"]')
        return tuple(value)

    def against(self, key: str, read: Callable[[_Table, str], tuple[Scalar, ...]]) -> Against:
        if ("other" in self.values) == (key in self.values):
            hint = f'{key} = … compares with a value, other = "context.city" with another field.'
            self.block.wrong(f"{self.what} takes either {key} or other", hint=hint)
        return Against(other=self.path("other")) if "other" in self.values else Against(read(self, key))


def read_rules(data: bytes, file: str) -> list[Rule]:
    """The rules of a file, in its order. Raises ConfigError naming file, line and rule for what cannot be meant."""
    text = _text(data, file)
    if _LONG_KEY.search(text):  # the TOML reader takes quadratic time for it
        raise ConfigError(
            f"{file} has a key of 32 parts or more.", hint="A rule has fields, a condition and an action."
        )
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}", hint="A rule begins with a line [[rule]].") from None
    except RecursionError:
        raise ConfigError(f"{file} is nested too deep.", hint="A rule has fields, a condition and an action.") from None
    lines = text.split("\n")
    top = _Block(file, tuple(lines), 1)
    for name in tables:
        if name not in _TABLES:
            hint = _near(name, _TABLES, "A rule begins with [[rule]].")
            top.wrong(f"{name!r} is no table of rules", key=name, hint=hint)
    if len(tables) > 1:
        top.wrong("rules stand under rule and under rules", key="rules", hint="Begin each with [[rule]].")
    written: Any = next(iter(tables.values()), [])
    if not isinstance(written, list) or not all(isinstance(one, dict) for one in written):
        top.wrong("rule is no list of tables", key="rule", hint="Begin each rule with [[rule]], in two brackets.")
    blocks = _blocks(file, lines, len(written))
    return [_rule(table, block) for table, block in zip(written, blocks, strict=True)]


def _text(data: bytes, file: str) -> str:
    if len(data) > SIZE_BYTES:
        said = f"{file} has more than the {SIZE_BYTES:,} bytes that a file of rules may have."
        raise ConfigError(said, hint="Split it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        hint = f"Save it as UTF-8: iconv -t UTF-8 {file}"
        raise ConfigError(f"{file} is not UTF-8 at byte {error.start:,}.", hint=hint) from None


def _blocks(file: str, lines: list[str], count: int) -> list[_Block]:
    """The lines of each rule. The TOML reader does not say; where the headers do not tell, there are none."""
    heads = [n for n, line in enumerate(lines) if _HEADER.match(line)]
    if len(heads) != count:
        return [_Block(file, (), None)] * count
    ends = [*heads[1:], len(lines)][: len(heads)]
    return [_Block(file, tuple(lines[a:b]), a + 1) for a, b in zip(heads, ends, strict=True)]


def _rule(table: Mapping[str, Any], block: _Block) -> Rule:
    given = table.get("id")
    block = _Block(block.file, block.lines, block.first, given if isinstance(given, str) else "")
    whole = _Table(table, "the rule", block)
    whole.only(*_KEYS)
    id_ = whole.text("id")
    if not ID.fullmatch(id_):
        block.wrong(f"{id_!r} is no id", key="id", hint="Letters, digits, dot, dash and underscore: night-shift-pay")
    task_class = whole.text("task_class")
    known = classes_of_rules()
    if task_class not in known:
        hint = _near(task_class, known, f"There are: {', '.join(known)}.")
        block.wrong(f"{task_class!r} is no task class", key="task_class", hint=hint)
    description = whole.text("description")
    condition = _named(whole, "condition", _CONDITIONS)
    action = _named(whole, "action", _ACTIONS)
    return Rule(id_, task_class, description, condition, action, block.file, block.first)


def _named(whole: _Table, key: str, known: Mapping[str, Callable[[_Table], Any]]) -> Any:
    """A condition or an action: ``"Always"``, ``{type = "Reject", message = "…"}`` or ``{Reject = {message = …}}``."""
    value, block = whole.need(key), whole.block
    if isinstance(value, str):
        name, fields = value, {}
    elif isinstance(value, dict) and isinstance(value.get("type"), str):
        name, fields = value["type"], {inner: one for inner, one in value.items() if inner != "type"}
    elif isinstance(value, dict) and len(value) == 1 and isinstance(next(iter(value.values())), dict):
        [(name, fields)] = value.items()
    else:
        block.wrong(f"the {key} is none", key=key, hint=f'{key} = {{ type = "{next(iter(known))}", … }}')
    if name not in known:
        hint = _near(name, known, f"There are: {', '.join(known)}.")
        block.wrong(f"there is no {key} {name!r}", key=key, hint=hint)
    return known[name](_Table(fields, name, block))


def _always(table: _Table) -> Condition:
    table.only()
    return Always()


def _equals(table: _Table) -> Condition:
    table.only("field", "value", "other")
    return FieldEquals(table.path("field"), table.against("value", _scalars))


def _mismatch(table: _Table) -> Condition:
    table.only("field", "value", "other")
    return FieldMismatch(table.path("field"), table.against("value", _scalars))


def _empty(table: _Table) -> Condition:
    table.only("field")
    return FieldEmpty(table.path("field"))


def _greater(table: _Table) -> Condition:
    table.only("field", "threshold", "other")
    return FieldGreater(table.path("field"), table.against("threshold", _limit))


def _contains(table: _Table) -> Condition:
    table.only("field", "needles", "words")
    words = table.values.get("words", False)
    if not isinstance(words, bool):
        table.block.wrong("words is neither true nor false", key="words", hint="words = true: whole words only")
    return FieldContainsAny(table.path("field"), table.texts("needles"), words)


def _pass(table: _Table) -> Action:
    table.only()
    return Pass()


def _reject(table: _Table) -> Action:
    table.only("message")
    return Reject(table.text("message"))


def _block(table: _Table) -> Action:
    table.only("message")
    return Block(table.text("message"))


def _redact(table: _Table) -> Action:
    table.only("fields")
    paths = tuple(_path(" ".join(text.split()), "fields", table.block) for text in table.texts("fields"))
    for path in paths:
        if path.root not in MASKABLE or len(path.parts) < 2:
            hint = "Name a field below artifact or context: artifact.notes"
            table.block.wrong(f"{path.text!r} cannot be masked", key="fields", hint=hint)
    return Redact(paths)


_CONDITIONS: Mapping[str, Callable[[_Table], Condition]] = {
    "FieldEquals": _equals,
    "FieldMismatch": _mismatch,
    "FieldEmpty": _empty,
    "FieldGreater": _greater,
    "FieldContainsAny": _contains,
    "Always": _always,
}
_ACTIONS: Mapping[str, Callable[[_Table], Action]] = {
    "Reject": _reject,
    "Redact": _redact,
    "Block": _block,
    "Pass": _pass,
}


def _scalars(table: _Table, key: str) -> tuple[Scalar, ...]:
    value = table.values[key]
    given = value if isinstance(value, list) else [value]
    read = tuple(_scalar(one) for one in given)
    if not read or any(one is None for one in read):
        hint = f'{key} = "active", a number, true or false, or a list of these'
        table.block.wrong(f"{key} of {table.what} is no value to compare with", key=key, hint=hint)
    return tuple(one for one in read if one is not None)


def _scalar(value: Any) -> Scalar | None:
    """A value as JSON has it: days and times as text. None for a table, a list, NaN and infinity."""
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float) else None


def _limit(table: _Table, key: str) -> tuple[Scalar, ...]:
    value = table.values[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        table.block.wrong(f"{key} of {table.what} is no number", key=key, hint=f"{key} = 18.5")
    return (value,)


def _path(text: str, key: str, block: _Block) -> DottedPath:
    path = DottedPath(text)
    if not all(part.strip() == part != "" for part in path.parts) or "[" in text:
        hint = "Write context.city, artifact.fills.name (of every fill) or artifact.fills.0.name (of the first)."
        block.wrong(f"{text!r} is no dotted path", key=key, hint=hint)
    if "_context" in path.parts:
        block.wrong(f"{text!r} leads to nothing", key=key, hint="What was asked for is context: context.city")
    if path.root not in FACTS:
        hint = _near(path.root, FACTS, f"A path begins with {', '.join(FACTS)}.")
        block.wrong(f"{text!r} begins with no part of the facts", key=key, hint=hint)
    below = FACTS[path.root]
    names = [part for part in path.parts[1:] if not part.isdecimal()]
    if below is not None and (len(names) > 1 or (names and names[0] not in below)):
        takes = f"{path.root} has {', '.join(below)}." if below else f"{path.root} has nothing below it."
        block.wrong(f"{text!r} leads to nothing", key=key, hint=_near(names[0], below, takes))
    return path


def _near(name: str, known: Iterable[str], else_: str) -> str:
    folded = {one.casefold(): one for one in known}
    near = get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return f"Did you mean {folded[near[0]]}?" if near else else_
