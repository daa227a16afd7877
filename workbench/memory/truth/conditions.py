"""The conditions of rules: each says where it holds. A rule acts when its condition holds.

One principle for all comparisons: what is missing or null is not known, and what is not known is neither equal nor
different nor greater. `FieldEmpty` is the condition that asks whether something is there. On a list a condition holds
where it holds for some item. Texts are compared without case and surplus space; true and 1 differ, 1 and 1.0 do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from workbench.memory.truth.paths import DottedPath, Place, is_empty
from workbench.pii.plain import to_plain

Facts = Mapping[str, Any]
Scalar = str | int | float | bool

_NAMED = 3  # values told in a line of words
_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)|--[^\n]*", re.DOTALL)
_NUMBER = re.compile(r"[-+]?\$?(\d{1,3}(,\d{3})+|\d+)(\.\d+)?")


class Condition(Protocol):
    """What every condition answers."""

    @property
    def reads(self) -> tuple[DottedPath, ...]:
        """The paths that it looks at."""

    @property
    def needs(self) -> str:
        """The part of the facts without which it cannot tell; '' when it can always."""

    @property
    def says(self) -> str:
        """In words, after "when"."""

    def hits(self, facts: Facts) -> Iterator[Place]:
        """Where it holds, with what stands there; nothing when it does not."""

    def to_dict(self) -> dict[str, Any]:
        """Its JSON form: ``{"type": …}`` and its fields."""


@dataclass(frozen=True, slots=True)
class Always:
    """Holds."""

    reads: tuple[DottedPath, ...] = ()
    needs: str = ""
    says: str = "always"

    def hits(self, facts: Facts) -> Iterator[Place]:  # noqa: ARG002
        """One hit, of no place."""
        yield Place((), None)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"type": "Always"}


@dataclass(frozen=True, slots=True)
class Against:
    """What a field is compared with: values that the rule names, or what stands at another path."""

    values: tuple[Scalar, ...] = ()
    other: DottedPath | None = None

    def known(self, facts: Facts) -> tuple[Any, ...]:
        """The values to compare with; none when the other side is not known."""
        return self.values if self.other is None else tuple(place.value for place in self.other.values(facts))

    @property
    def paths(self) -> tuple[DottedPath, ...]:
        """The other path, if it is one."""
        return () if self.other is None else (self.other,)

    @property
    def says(self) -> str:
        """In words."""
        return self.other.text if self.other else _either(self.values)

    def to_dict(self, name: str) -> dict[str, Any]:
        """``{"other": path}``, or the values under the name that the condition gives them."""
        if self.other is not None:
            return {"other": self.other.text}
        return {name: self.values[0] if len(self.values) == 1 else list(self.values)}


@dataclass(frozen=True, slots=True)
class FieldEquals:
    """Holds where the field is known and equals the value, one of the values, or the other field."""

    field: DottedPath
    against: Against

    @property
    def reads(self) -> tuple[DottedPath, ...]:
        """Its field, and the other."""
        return (self.field, *self.against.paths)

    @property
    def needs(self) -> str:
        """Nothing: what is not known equals nothing."""
        return ""

    @property
    def says(self) -> str:
        """In words."""
        return f"{self.field.text} is {self.against.says}"

    def hits(self, facts: Facts) -> Iterator[Place]:
        """Every place that equals."""
        known = self.against.known(facts)
        return (place for place in self.field.values(facts) if any(same(place.value, one) for one in known))

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"type": "FieldEquals", "field": self.field.text, **self.against.to_dict("value")}


@dataclass(frozen=True, slots=True)
class FieldMismatch:
    """Holds where both sides are known and the field equals none of the other."""

    field: DottedPath
    against: Against

    @property
    def reads(self) -> tuple[DottedPath, ...]:
        """Its field, and the other."""
        return (self.field, *self.against.paths)

    @property
    def needs(self) -> str:
        """Nothing: what is not known is no mismatch."""
        return ""

    @property
    def says(self) -> str:
        """In words."""
        return f"{self.field.text} is not {self.against.says}"

    def hits(self, facts: Facts) -> Iterator[Place]:
        """Every place that differs."""
        known = self.against.known(facts)
        if not known:
            return iter(())
        return (place for place in self.field.values(facts) if not any(same(place.value, one) for one in known))

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"type": "FieldMismatch", "field": self.field.text, **self.against.to_dict("value")}


@dataclass(frozen=True, slots=True)
class FieldEmpty:
    """Holds where the field is missing, null, blank, or an empty list or object."""

    field: DottedPath

    @property
    def reads(self) -> tuple[DottedPath, ...]:
        """Its field."""
        return (self.field,)

    @property
    def needs(self) -> str:
        """The part that it looks into: without it nobody can say that something lacks in it."""
        return self.field.root

    @property
    def says(self) -> str:
        """In words."""
        return f"{self.field.text} is empty"

    def hits(self, facts: Facts) -> Iterator[Place]:
        """Every place where nothing is."""
        return (place for place in self.field.find(facts) if is_empty(place.value))

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"type": "FieldEmpty", "field": self.field.text}


@dataclass(frozen=True, slots=True)
class FieldGreater:
    """Holds where the field is greater than the threshold, or than all that stands at the other path.

    A text that is plainly a number ("1,250.50", "$18") counts as that number. What is no number on either side cannot
    be shown to be within the limit, so the condition holds there.
    """

    field: DottedPath
    against: Against

    @property
    def reads(self) -> tuple[DottedPath, ...]:
        """Its field, and the other."""
        return (self.field, *self.against.paths)

    @property
    def needs(self) -> str:
        """Nothing: what is not known is not greater."""
        return ""

    @property
    def says(self) -> str:
        """In words."""
        return f"{self.field.text} is greater than {self.against.says}"

    def hits(self, facts: Facts) -> Iterator[Place]:
        """Every place that is greater, or no number."""
        known = [number(one) for one in self.against.known(facts)]
        if not known:
            return iter(())
        limits = [one for one in known if one is not None]
        limit = max(limits) if len(limits) == len(known) else None
        return (place for place in self.field.values(facts) if _is_over(place.value, limit))

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"type": "FieldGreater", "field": self.field.text, **self.against.to_dict("threshold")}


@dataclass(frozen=True, slots=True)
class FieldContainsAny:
    """Holds where a text at the field, or anywhere below it, has one of the needles in it.

    Case, kinds and amount of space, look-alikes of ASCII and invisible characters do not matter, nor do comments of
    SQL. ``words``: only where the needle does not go on as part of a longer word. A hit's value is the needle alone.
    """

    field: DottedPath
    needles: tuple[str, ...]
    words: bool = False

    @property
    def reads(self) -> tuple[DottedPath, ...]:
        """Its field."""
        return (self.field,)

    @property
    def needs(self) -> str:
        """Nothing: what is not there contains nothing."""
        return ""

    @property
    def says(self) -> str:
        """In words."""
        return f"{self.field.text} contains {_either(self.needles)}"

    def hits(self, facts: Facts) -> Iterator[Place]:
        """Every text with a needle in it, with the needle that stands first as its value."""
        sought = _sought(self.needles, self.words)
        for place in self.field.find(facts):
            for text in _texts(place):
                found = sought.search(fold(text.value)) or sought.search(_uncommented(text.value))
                if found:
                    yield Place(text.where, found[0])

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        words = {"words": True} if self.words else {}
        return {"type": "FieldContainsAny", "field": self.field.text, "needles": list(self.needles), **words}


def same(one: Any, other: Any) -> bool:
    """Equal: texts but for case and space, numbers by value, and no value of one kind equals one of another."""
    if one is other:
        return True
    if isinstance(one, str) and isinstance(other, str):
        return one == other or fold(one) == fold(other)
    if isinstance(one, bool) or isinstance(other, bool):
        return False
    return isinstance(one, int | float) and isinstance(other, int | float) and one == other


def fold(text: str) -> str:
    """A text as it is compared: without case, look-alikes, invisible characters and surplus space."""
    return " ".join(to_plain(text)[0].casefold().split())


def number(value: Any) -> float | int | None:
    """A number, also one written as text; None for all else, and for what is no number (NaN)."""
    if isinstance(value, str):
        text = to_plain(value)[0].strip()
        return float(text.replace("$", "").replace(",", "")) if _NUMBER.fullmatch(text) else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if value == value else None  # noqa: PLR0124 - NaN alone differs from itself


def _either(values: Sequence[Scalar]) -> str:
    """The first few values in words."""
    more = [f"{len(values) - _NAMED} more"] if len(values) > _NAMED else []
    return " or ".join([*map(repr, values[:_NAMED]), *more])


@cache
def _sought(needles: tuple[str, ...], words: bool) -> re.Pattern[str]:  # noqa: FBT001 - as the rule says it
    either = "|".join(re.escape(fold(one)) for one in needles)
    return re.compile(rf"(?<!\w)(?:{either})(?!\w)" if words else either)


def _uncommented(text: str) -> str:
    """The folded text without comments of SQL; '' when there is none in it."""
    return fold(_COMMENT.sub(" ", text)) if "/*" in text or "--" in text else ""


def _is_over(value: Any, limit: float | None) -> bool:
    of = number(value)
    return of is None or limit is None or of > limit


def _texts(place: Place) -> Iterator[Place]:
    """Every text at a place and below it, names of fields and numbers included."""
    value = place.value
    if isinstance(value, str):
        yield place
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            where = (*place.where, str(name))
            yield Place(where, str(name))
            yield from _texts(Place(where, inner))
    elif isinstance(value, list | tuple):
        for n, inner in enumerate(value):
            yield from _texts(Place((*place.where, n), inner))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield Place(place.where, str(value))
