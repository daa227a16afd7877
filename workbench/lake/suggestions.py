"""Expectations that hold of a dataset now, found from its profile: a beginning for a person to change.

Columns with personal data give no values and no ends: what is kept with a dataset is read by everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from workbench import pii
from workbench.lake import findings
from workbench.lake.expectations import Expectation, Value
from workbench.lake.faulty import plain, versioned
from workbench.lake.profile import ColumnProfile, profile
from workbench.lake.sql.engine import Watch
from workbench.lake.sql.query import Access, Queries
from workbench.lake.tables.manifest import Manifest
from workbench.pii.kinds import COVER

MOST_VALUES = 12  # a text column with no more different values than this is a choice from a list,
ROWS_PER_VALUE = 10  # when each stands in this many rows on average
_NEARLY = 0.95  # the profile's count of different values is an estimate, within a few per cent
_NUMBERS = ("int", "uint", "float", "double", "decimal")


def suggest(queries: Queries, manifest: Manifest, *, watch: Watch | None = None) -> tuple[Expectation, ...]:
    """Keys that are unique, columns without NULL, ends of numbers and dates, values of enum-like columns.

    Each was put to the rows and holds. A dataset without rows gives none.
    """
    if not manifest.row_count:
        return ()
    profiles = profile(queries.catalog.storage, manifest, show_pii=True, watch=watch)
    wanted = [Expectation("rows", (), (Value("1"), None)), *_unique(profiles), *_not_null(profiles)]
    wanted += [e for p in profiles if not p.pii for e in (*_range(p), *_values(queries, manifest, p))]
    found = findings.check(queries, manifest, wanted, watch=watch)
    failed = {finding.expectation for finding in found if finding.failed}
    return tuple(e for e in wanted if not failed.intersection(e.single()))


def _unique(profiles: Sequence[ColumnProfile]) -> Iterator[Expectation]:
    for p in profiles:
        name = p.name.casefold()
        called = name.endswith(("id", "_no", "number", "code", "email", "phone"))
        if called and not p.nulls and p.distinct >= p.rows * _NEARLY:
            yield Expectation("unique", (p.name,))


def _not_null(profiles: Sequence[ColumnProfile]) -> Iterator[Expectation]:
    names = tuple(p.name for p in profiles if not p.nulls)
    if names:
        yield Expectation("not_null", names)


def _range(p: ColumnProfile) -> Iterator[Expectation]:
    """Ends that the next file will keep too: 0 to 1, not below zero, not before the first day."""
    if not p.least or p.name.casefold().endswith("id"):
        return
    if p.type.startswith("date32"):
        yield Expectation("range", (p.name,), (Value(p.least), None))
    elif p.type.startswith(_NUMBERS) and float(p.least) >= 0:
        share = float(p.greatest) <= 1 and not p.type.startswith(("int", "uint"))
        yield Expectation("range", (p.name,), (Value("0"), Value("1") if share else None))


def _values(queries: Queries, manifest: Manifest, p: ColumnProfile) -> Iterator[Expectation]:
    if p.type != "string" or not 0 < p.distinct <= MOST_VALUES or p.rows < p.distinct * ROWS_PER_VALUE:
        return
    name = plain(p.name)
    sql = f"SELECT DISTINCT {name} FROM {versioned(manifest)} WHERE {name} IS NOT NULL ORDER BY 1"
    held = queries.run(sql, access=Access(row_cap=MOST_VALUES + 1)).table.column(0).to_pylist()
    listed = len(held) <= MOST_VALUES and not any(COVER in value for value in held)
    if listed and not pii.tag_column(p.name, held):  # a person may have taken the tag off: few names are names too
        yield Expectation("values", (p.name,), tuple(Value(value, quoted=True) for value in held))
