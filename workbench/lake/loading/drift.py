"""What changed between a dataset's columns and a new file's, said so that a person can decide."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from workbench.errors import SchemaDriftError
from workbench.lake.tables.mapping import quote

RENAME_SHARE = 0.6  # of the sampled values that must be the same before a rename is worth proposing
_SAMPLE = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. ``kind``: added | removed | renamed | retyped. ``share`` 0..1: same values, for a rename."""

    kind: str
    column: str
    was: str = ""
    now: str = ""
    share: float = 0.0
    note: str = ""

    def __str__(self) -> str:
        if self.kind == "added":
            return f"+ {self.column} {self.now}"
        if self.kind == "removed":
            return f"- {self.column} {self.was}"
        if self.kind == "renamed":
            return f"~ {self.was} → {self.column} ({self.share:.1%} same values)"
        return f"! {self.column} {self.was} → {self.now}{f' ({self.note})' if self.note else ''}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {k: v for k in ("kind", "column", "was", "now", "share", "note") if (v := getattr(self, k))}


def compare(base: Mapping[str, str], incoming: Mapping[str, str]) -> tuple[Change, ...]:
    """Columns added, removed and retyped; both are name → type, names compared without case."""
    old = {k.casefold(): (k, v) for k, v in base.items()}
    new = {k.casefold(): (k, v) for k, v in incoming.items()}
    added = [Change("added", n, now=t) for k, (n, t) in new.items() if k not in old]
    removed = [Change("removed", n, was=t) for k, (n, t) in old.items() if k not in new]
    retyped = [Change("retyped", n, was=old[k][1], now=t) for k, (n, t) in new.items() if k in old and old[k][1] != t]
    return (*added, *removed, *retyped)


def find_renames(
    con: duckdb.DuckDBPyConnection, changes: Sequence[Change], base: str, incoming: str
) -> tuple[Change, ...]:
    """Turn an added and a removed column that hold the same values into one rename.

    ``base`` and ``incoming`` are relations with those columns. At most 10,000 distinct values of each pair are read.
    """
    added = [c for c in changes if c.kind == "added"]
    removed = [c for c in changes if c.kind == "removed"]
    pairs = []
    for new in added:
        for old in removed:
            share = _same_values(con, f"{base}", old.column, incoming, new.column)
            if share >= RENAME_SHARE:
                pairs.append((share, new, old))
    out = list(changes)
    for share, new, old in sorted(pairs, key=lambda p: -p[0]):
        if new in out and old in out:
            out[out.index(new)] = Change("renamed", new.column, was=old.column, now=new.now, share=share)
            out.remove(old)
    return tuple(out)


def _same_values(con: duckdb.DuckDBPyConnection, base: str, old: str, incoming: str, new: str) -> float:
    sql = f"""
        WITH n AS (SELECT DISTINCT CAST({quote(new)} AS VARCHAR) v FROM {incoming} WHERE {quote(new)} IS NOT NULL
                   LIMIT {_SAMPLE}),
             o AS (SELECT DISTINCT CAST({quote(old)} AS VARCHAR) v FROM {base})
        SELECT count(*), count(o.v) FROM n LEFT JOIN o USING (v)"""
    total, same = con.execute(sql).fetchall()[0]
    return same / total if total else 0.0


def drift_error(name: str, file: str, changes: Sequence[Change]) -> SchemaDriftError:
    """The 409: the diff in words, and the command for each way out."""
    listed = " · ".join(str(c) for c in changes)
    ways = commands(name, file, changes)
    return SchemaDriftError(
        f"{file} does not have the columns of {name}: {listed}",
        hint="\n".join(f"{why:<42}{command}" for why, command in ways.items()),
        details={"dataset": name, "changes": [c.to_dict() for c in changes], "ways_out": list(ways.values())},
    )


def commands(name: str, file: str, changes: Sequence[Change]) -> dict[str, str]:
    """Reason → command, ready to paste into a shell."""
    start = f"lh ingest {shlex.quote(file)} --name"
    renames = "".join(f" --rename {shlex.quote(f'{c.column}={c.was}')}" for c in changes if c.kind == "renamed")
    ignored = "".join(f" --ignore {shlex.quote(c.column)}" for c in changes if c.kind == "added")
    return {
        "take the new columns and types": f"{start} {name} --evolve{renames}",
        "keep the columns, set odd rows aside": f"{start} {name} --quarantine{renames}{ignored}",
        "load it as a dataset of its own": f"{start} {name}_new",
    }
