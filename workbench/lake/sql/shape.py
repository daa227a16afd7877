"""What a query node gives and a SELECT can name: columns with the kind of personal data they may carry.

The values that `taint` follows through a statement. Names are folded as the engine compares them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.lake.sql.guard import fold

DERIVED = "derived"


def join(kinds: Iterable[str]) -> str:
    """The kind of what may be any of these: the one that there is, DERIVED for several."""
    found = {k for k in kinds if k}
    return found.pop() if len(found) == 1 else DERIVED if found else ""


def mixed(kinds: Iterable[str]) -> str:
    """The kind of what is computed from these."""
    return DERIVED if any(kinds) else ""


@dataclass(slots=True)
class Column:
    """A column and its kind, '' for none."""

    name: str  # folded; '' when only the engine knows it
    kind: str


@dataclass(slots=True)
class Shape:
    """Columns of a relation. ``rest``: kind of further columns of unknown names, None when there are none.

    ``ordered``: the columns stand in this order and there are no others.
    """

    columns: list[Column] = field(default_factory=list)
    rest: str | None = None
    ordered: bool = True
    alias: str = ""
    source: int = 0  # the FROM item that it stands for, by its identity in the tree

    def any(self) -> str:
        """DERIVED when anything in it is tainted."""
        return mixed([self.rest or "", *(c.kind for c in self.columns)])

    def find(self, name: str) -> list[Column]:
        """Columns of a folded name."""
        return [c for c in self.columns if c.name == name]

    def kind(self, name: str) -> str | None:
        """Kind of a column by folded name; None when it surely has none of that name."""
        found = [c.kind for c in self.find(name)]
        if self.rest is not None:
            found.append(self.rest)
        return join(found) if found else None

    def settled(self) -> Shape:
        """As a table to read from: of columns with one name the engine renames all but the first."""
        names = [c.name for c in self.columns if c.name]
        if len(set(names)) < len(names) and self.any():
            self.rest = DERIVED
        return self

    def renamed(self, aliases: Sequence[str]) -> Shape:
        """With the first columns renamed, as ``t(a, b)`` does."""
        if not aliases:
            return self
        if not self.ordered or self.rest is not None:
            kind = self.any()
            return Shape([Column(fold(a), kind) for a in aliases], kind, ordered=False, alias=self.alias)
        fresh = [Column(fold(a), c.kind) for a, c in zip(aliases, self.columns, strict=False)]
        return Shape([*fresh, *self.columns[len(fresh) :]], None, alias=self.alias)

    def named(self, outputs: Sequence[str]) -> list[str]:
        """Kinds of the result's columns: by position when all names agree, else by name, in doubt yes."""
        pairs = list(zip(self.columns, outputs, strict=False))
        exact = self.ordered and self.rest is None and len(self.columns) == len(outputs)
        if exact and all(not c.name or c.name == fold(name) for c, name in pairs):
            return [c.kind for c, _ in pairs]
        return [k if (k := self.kind(fold(name))) is not None else self.any() for name in outputs]


@dataclass(slots=True)
class Frame:
    """What one SELECT can name: the relations of its FROM, and its own aliases."""

    relations: list[Shape] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    meant: dict[str, Any] = field(default_factory=dict)  # alias → its expression in the tree

    def lookup(self, parts: Sequence[str]) -> list[str]:
        """Every kind that the reference may have here; empty when the name is not of this frame."""
        found: list[str] = []
        for relation in self.relations:
            if len(parts) > 1 and parts[0] == relation.alias:
                kind = relation.kind(parts[1])
                found += [] if kind is None else [kind if len(parts) == 2 else mixed([kind])]
            columns = relation.find(parts[0])
            found += [c.kind if len(parts) == 1 else mixed([c.kind]) for c in columns]
            if columns and relation.rest:
                found.append(relation.rest)
            if len(parts) == 1 and parts[0] == relation.alias and not columns:
                found.append(relation.any())
        if not found and parts[0] in self.aliases:
            found.append(self.aliases[parts[0]] if len(parts) == 1 else mixed([self.aliases[parts[0]]]))
        if not found:
            found = [r.rest for r in self.relations if r.rest is not None]
        return found


def rest_of(kinds: Iterable[str | None]) -> str | None:
    """`Shape.rest` of several together."""
    known = [k for k in kinds if k is not None]
    return mixed(known) if known else None
