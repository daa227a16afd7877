# ruff: noqa: DTZ001 - times without a zone are what is bound here
"""Placeholders: values are bound and come back as they went in, names are names, and nothing is ever read as SQL."""

from __future__ import annotations

import datetime as dt
import enum
import json
import uuid
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench
from workbench.errors import InvalidError, NotFoundError
from workbench.lake.sql.typed.placeholders import fill

CORPUS = [json.loads(line) for line in (Path(__file__).parent / "data" / "injection.txt").read_text().splitlines()]
HALF = [value for value in CORPUS if any("\ud800" <= char <= "\udfff" for char in value)]
WHOLE = [value for value in CORPUS if value not in HALF]


@pytest.fixture(scope="module")
def wb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled")
    (folder / "workers.csv").write_text("worker_id,name,city\n1,Ann Lee,Joliet\n2,Bo Cruz,Gary\n")
    with workbench.connect(folder / "lake", folder=folder) as opened:
        opened.ingest(folder / "workers.csv", "workers")
        yield opened


@pytest.fixture(scope="module")
def engine():
    with duckdb.connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        yield con


def said(engine, sql, **names):
    """The rows of a filled statement on a bare engine."""
    filled = fill(sql, names)
    return engine.sql(filled.sql, params=dict(filled.params) or None).to_arrow_table().to_pylist()


def one(engine, sql, **names):
    (row,) = said(engine, sql, **names)
    return next(iter(row.values()))


def test_the_corpus_is_hostile_enough():
    assert len(CORPUS) >= 150
    assert len(set(CORPUS)) == len(CORPUS)
    assert len(HALF) >= 2


@pytest.mark.parametrize("value", WHOLE, ids=lambda value: repr(value[:30]))
def test_a_hostile_value_comes_back_as_it_went_in(wb, value):
    filled = fill("SELECT {{x}} AS x, count(*) AS n FROM workers WHERE city <> {{x}}", {"x": value})
    assert (
        value not in filled.sql
        or len(value) < 3
        or value in "SELECT $x AS x, count(*) AS n FROM workers WHERE city <> $x"
    )
    answer = wb.relation(filled, show_pii=True).fetch()
    assert answer.table.to_pylist() == [{"x": value, "n": 2 - (value in {"Joliet", "Gary"})}]
    listed = wb.relation(fill("SELECT {{x}} IN {{l}} AS yes, 'no' IN {{l}} AS no", {"x": value, "l": [value, "z"]}))
    assert listed.fetch().table.to_pylist() == [{"yes": True, "no": False}]


@pytest.mark.parametrize("value", HALF, ids=ascii)
def test_half_a_character_is_refused_whole(value):
    for sql in ("SELECT {{x}}", "SELECT 1 IN {{y}}", "SELECT {{x!ident}} FROM workers"):
        with pytest.raises(InvalidError):
            fill(sql, {"x": value, "y": [value]})


@pytest.mark.parametrize("value", WHOLE, ids=lambda value: repr(value[:30]))
def test_a_hostile_name_is_a_name_and_nothing_else(engine, wb, value):
    if not value or "\0" in value:
        with pytest.raises(InvalidError, match="cannot be a name"):
            fill("SELECT 1 AS {{x!ident}}", {"x": value})
        return
    filled = fill("SELECT 1 AS {{x!ident}}", {"x": value})
    assert engine.sql(filled.sql).columns == [value]
    # as a table it is one name that no dataset has
    if value.lower() not in {"workers", "workers@1"}:
        with pytest.raises(NotFoundError):
            wb.relation(fill("SELECT * FROM {{x!ident}}", {"x": value}))


@pytest.mark.parametrize(
    "value",
    [True, False, 0, -1, 2**63, -(2**127), 2**127 - 1, 1.5, float("inf"), "a", "", b"\0\xff", Decimal("1.50"),
     Decimal("1E+5"), Decimal("-0.000001"), dt.date(2026, 11, 1), dt.date.max, dt.datetime(2026, 11, 1, 5, 6, 7, 8),
     dt.time(1, 2, 3, 4), dt.timedelta(days=-1, microseconds=5), None],
    ids=repr,
)  # fmt: skip
def test_values_keep_their_type(engine, value):
    found = one(engine, "SELECT {{x}} AS x", x=value)
    wide = isinstance(value, int) and abs(value) > 2**64  # Arrow has these as decimals, and intervals of its own
    if not isinstance(value, dt.timedelta):
        assert found == value
        assert wide or type(found) is type(value)
    assert one(engine, "SELECT {{x}} IS NOT DISTINCT FROM {{y}} AS same", x=value, y=value) is True


def test_values_of_other_libraries_are_what_they_mean(engine):
    class Kind(enum.Enum):
        IL = "IL"

    day = dt.datetime(2026, 11, 1, 5, tzinfo=ZoneInfo("America/Chicago"))
    key = uuid.uuid4()
    for value, meant in (
        (np.int64(5), 5), (np.float32(0.5), 0.5), (np.bool_(True), True), (np.str_("a'b"), "a'b"), (np.array(7), 7),
        (np.datetime64("2026-11-01"), dt.date(2026, 11, 1)), (np.datetime64("NaT"), None),
        (pd.NaT, None), (pd.NA, None),
        (np.datetime64("2026-11-01T05:00:00", "ns"), dt.datetime(2026, 11, 1, 5)),
        (np.timedelta64(5, "s"), dt.timedelta(seconds=5)),
        (pd.Timestamp("2026-11-01 05:00"), dt.datetime(2026, 11, 1, 5)), (pd.Timedelta("1D"), dt.timedelta(1)),
        (Kind.IL, "IL"), (pa.scalar(3), 3), (bytearray(b"x"), b"x"),
    ):  # fmt: skip
        assert fill("SELECT {{x}}", {"x": value}).params == {"x": meant}
        assert one(engine, "SELECT {{x}} IS NOT DISTINCT FROM {{y}} AS same", x=value, y=meant) is True
    assert one(engine, "SELECT {{x}} = TIMESTAMPTZ '2026-11-01 11:00:00+00' AS same", x=day) is True
    assert one(engine, "SELECT {{x}}::VARCHAR AS x", x=key) == str(key)


@pytest.mark.parametrize(
    "make",
    [list, tuple, set, np.array, pd.Series, pd.Index, pl.Series, pa.array, lambda v: pa.chunked_array([v])],
    ids=["list", "tuple", "set", "numpy", "series", "index", "polars", "arrow", "chunked"],
)
def test_lists_of_every_make_stand_after_in(engine, make):
    values = make([3, 5, 7])
    sql = "SELECT i FROM range(10) t(i) WHERE i {} ORDER BY i"
    for form in ("IN {{x}}", "IN ({{x}})", "in /* c */ ( {{ x }} )", "IN\n{{x}}"):
        assert [row["i"] for row in said(engine, sql.format(form), x=values)] == [3, 5, 7]
    assert len(said(engine, sql.format("NOT IN {{x}}"), x=values)) == 7
    assert sorted(one(engine, "SELECT {{x}} AS l", x=values)) == [3, 5, 7]
    assert one(engine, "SELECT [i + 1 FOR i IN {{x}}] AS l", x=[1, 2]) == [2, 3]


@pytest.mark.parametrize(
    "values",
    [["a", "b'"], [dt.date(2026, 1, 1)], [Decimal("1.50"), Decimal("2")], [1, 2.5], [b"x"], [True],
     [dt.datetime(2026, 1, 1, 5)], [uuid.UUID(int=5)], [2**100, 1], [Decimal("1.5"), 10**20]],
    ids=repr,
)  # fmt: skip
def test_in_compares_values_of_each_kind(engine, values):
    for value in values:
        assert one(engine, "SELECT {{v}} IN {{x}} AS yes", v=value, x=values) is True
        assert one(engine, "SELECT {{v}} NOT IN {{x}} AS yes", v=value, x=values) is False


def test_empty_lists_nulls_and_long_lists(engine):
    assert one(engine, "SELECT 'a' IN {{x}} AS a", x=[]) is False
    assert one(engine, "SELECT 'a' NOT IN {{x}} AS a", x=[]) is True
    assert one(engine, "SELECT DATE '2026-01-01' NOT IN ({{x}}) AS a", x=()) is True
    assert "is empty" in fill("SELECT 1 IN {{x}}", {"x": []}).notes[0]
    assert one(engine, "SELECT 1 IN {{x}} AS a", x=[1, None]) is True
    assert one(engine, "SELECT 2 NOT IN {{x}} AS a", x=[1, None]) is None
    assert "holds None" in fill("SELECT 1 NOT IN {{x}}", {"x": [None]}).notes[0]
    missing = pd.Series([1.0, float("nan")])
    assert fill("SELECT 1 IN {{x}}", {"x": missing}).params == {"x": [1.0, None]}
    many = fill("SELECT count(*) AS n FROM range(200000) t(i) WHERE i IN {{x}}", {"x": range(0, 200_000, 2)})
    assert engine.sql(many.sql, params=dict(many.params)).fetchall() == [(100_000,)]
    assert len(many.sql) < 100


@pytest.mark.parametrize(
    ("value", "said_"),
    [
        ({}, "type dict"),
        (pd.DataFrame({"a": [1]}), "type DataFrame"),
        (pa.table({"a": [1]}), "type Table"),
        pytest.param(object(), "type object", id="object"),
        (len, "type builtin_function_or_method"),
        (1j, "type complex"),
        ([[1]], "type list"),
        ([{}], "type dict"),
        (np.zeros((2, 2)), "2 dimensions"),
        ([1, "a"], "several kinds: int, str"),
        ([True, 1], "several kinds: bool, int"),
        ([dt.date(2026, 1, 1), dt.datetime(2026, 1, 1)], "several kinds"),
        ([0.5, 2**60 + 1], "no common type"),
        ([0.5, Decimal("0.1")], "no common type"),
        (2**127, "128 bits"),
        ([Decimal(10**37), Decimal("1E-5")], "no common type"),
        (2**128, "128 bits"),
        (-(2**127) - 1, "128 bits"),
        (Decimal("NaN"), "no such value"),
        (Decimal("1" * 39), "39 digits"),
        (Decimal("1E-40"), "40 digits"),
        (pd.Timestamp("2026-01-01 00:00:00.000000001"), "finer than a microsecond"),
        (np.datetime64("2026-01-01T00:00:00.000000001"), "finer than a microsecond"),
        ("\ud800", "half a character"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_cannot_be_bound_as_it_is_is_refused_with_words(value, said_):
    with pytest.raises(InvalidError, match=said_) as refused:
        fill("SELECT 1 IN {{x}}", {"x": value})
    assert refused.value.hint


@pytest.mark.parametrize(
    ("sql", "message", "hint"),
    [
        ("SELECT '%{{x}}%'", "inside a string", "'%' || {{x}} || '%'"),
        ("SELECT '{{x}}'", "inside a string", "Write {{x}}."),
        ("SELECT 'a {{ x }}'", "inside a string", "'a ' || {{x}}."),
        ("SELECT 'it''s {{x}}'", "inside a string", "'it''s ' || {{x}}"),
        (r"SELECT E'\'{{x}}'", "inside a string", "|| {{x}} ||"),
        ("SELECT $$ {{x}} $$", "inside a string", "{{x}}"),
        ("SELECT $q$ $$ {{x}} $q$", "inside a string", "{{x}}"),
        ("SELECT DATE'{{x}}'", "inside a string", "{{x}}"),
        ("SELECT '{{x!sql}}'", "inside a string", "{{x}}"),
        ("SELECT '{{df.name}}'", "inside a string", "{{df}}"),
        ('SELECT "{{x}}"', "double quotes", "{{x!ident}}"),
        ('SELECT "a {{x}}"', "double quotes", "whole name"),
        ("SELECT '{{x}}", "inside a string", "{{x}}"),
        ("SELECT {{x", "has no }}", "{{name}}"),
        ("SELECT {{x.y}}", "no name of a variable", "x = x.y"),
        ("SELECT {{x + 1}}", "no name of a variable", "x = x + 1"),
        ("SELECT {{}}", "no name of a variable", "{{x}}"),
        ("SELECT {{x!}}", "not known", "{{x!ident}}"),
        ("SELECT {{x!raw}}", "'raw'", "{{x!sql}}"),
        ("SELECT {{'a'}}", "no name of a variable", "first"),
        ("SELECT * FROM {{x}}", "a table is named", "{{x!ident}}"),
        ("SELECT * FROM a JOIN {{x}} USING (b)", "a table is named", "{{x!ident}}"),
        ("SELECT w.{{x}} FROM w", "a column is named", "{{x!ident}}"),
        ("SELECT 1 IN ({{l}}, 3)", "beside other values", "IN {{l}}"),
        ("SELECT {{l!sql}}", "needs a text", "binds"),
        ("SELECT {{n!ident}}", "needs a name", "city"),
    ],
)
def test_a_placeholder_in_the_wrong_place_is_refused_with_the_way_to_write_it(sql, message, hint):
    with pytest.raises(InvalidError) as refused:
        fill(sql, {"x": "v", "l": ["a"], "n": 5, "df": 1})
    assert message in refused.value.message
    assert hint in refused.value.hint


def test_an_unknown_name_is_named_with_its_neighbours_and_nothing_runs():
    with pytest.raises(NotFoundError, match="'stat'") as missing:
        fill("SELECT {{stat}}, {{floor}}", {"state": 1, "floor": 2})
    assert "state" in missing.value.hint
    with pytest.raises(NotFoundError) as missing:
        fill("SELECT {{zzz}}", {})
    assert missing.value.hint == "Give it a value first: zzz = …"


@pytest.mark.parametrize(
    "comment",
    [
        "-- {{y}}\n",
        "/* {{y}} */",
        "/* /* */ {{y}} */",
        "-- '{{y}}'\r",
        "/* ' */",
        "-- it's {{y}}\n",
        "/* $$ {{y}} */",
        "/*{{y!sql}}*/",
    ],
)
def test_in_comments_nothing_binds(engine, comment):
    filled = fill(f"SELECT {comment} {{{{x}}}} AS x {comment}", {"x": 5})
    assert filled.sql.count(comment) == 2
    assert filled.params == {"x": 5}
    assert engine.sql(filled.sql, params={"x": 5}).fetchall() == [(5,)]


@pytest.mark.parametrize(
    "before",
    ["'a' ||", "'it''s' ||", r"E'\'' ||", "$$ ' $$ ||", "$t$ $$ ' $t$ ||", "'--' ||", "'/*' ||", '"a" ||', '"a""b" ||',
     "/* ' */", "'{' || '{' ||",
     "(DATE'2026-01-01')::VARCHAR ||", "'\\' ||", "a$b$ ||", "-- '\n"],
)  # fmt: skip
def test_after_quotes_of_every_kind_a_placeholder_binds(engine, before):
    table = """(SELECT 'q' AS a, 'r' AS "a""b", 's' AS "a$b$")"""
    found = said(engine, f"SELECT {before} {{{{x}}}} AS x FROM {table}", x="'v'")
    assert found[0]["x"].endswith("'v'")


def test_raw_sql_is_the_one_door_and_is_listed(engine):
    filled = fill("SELECT {{what!sql}} FROM range(3) t(i) WHERE i < {{top}}", {"what": "max(i) AS m", "top": 2})
    assert (filled.raw, filled.params) == (("what",), {"top": 2})
    assert engine.sql(filled.sql, params=dict(filled.params)).fetchall() == [(1,)]
    # what is in the raw text is not filled again, and cannot take a value into its quotes or comments
    assert fill("SELECT {{a!sql}}", {"a": "'{{b}}'", "b": 1}).sql == "SELECT '{{b}}'"
    for raw in ("'", "/*", "1 --", '"', "$$", "'a' || '"):
        with pytest.raises(InvalidError, match="opens a quote or a comment"):
            fill("SELECT {{a!sql}}, {{x}}", {"a": raw, "x": 1})


def test_identifiers_are_quoted_one_or_many(engine):
    rows = said(engine, 'SELECT {{c!ident}} FROM (SELECT 1 AS a, 2 AS "b ""c", 3 AS d)', c=["a", 'b "c'])
    assert rows == [{"a": 1, 'b "c': 2}]
    for bad in ([], [1], "", 5, None):
        with pytest.raises(InvalidError):
            fill("SELECT {{c!ident}}", {"c": bad})


def test_our_parameters_never_meet_those_of_the_reader(engine):
    filled = fill("SELECT $state AS a, {{state}} AS b, {{State}} AS c, $STATE_2 AS d", {"state": 1, "State": 2})
    given_ = {**filled.params, "state": "mine", "STATE_2": "also mine"}
    assert len({name.lower() for name in given_}) == 4
    assert engine.sql(filled.sql, params=given_).fetchall() == [("mine", 1, 2, "also mine")]
    # DuckDB's shorthand for a session variable is $x as well: a bound value comes first, and is ours
    with duckdb.connect() as con:
        con.execute("SET VARIABLE state = 'of the session'")
        ours = fill("SELECT {{state}} AS x", {"state": "bound"})
        assert con.sql(ours.sql, params=dict(ours.params)).fetchall() == [("bound",)]
        both = fill("SELECT {{state}} AS x, getvariable('state') AS y", {"state": "bound"})
        assert con.sql(both.sql, params=dict(both.params)).fetchall() == [("bound", "of the session")]
    raw = fill("SELECT {{x}}, {{r!sql}}", {"x": 1, "r": "$x"})
    assert "x" not in raw.params
    assert fill("SELECT {{größe}}", {"größe": 1}).params == {"value": 1}


@pytest.mark.parametrize(
    ("sql", "note"),
    [
        ("a = {{x}}", "IS NOT DISTINCT FROM {{x}}"), ("{{x}} = a", "IS NOT DISTINCT FROM {{x}}"),
        ("a <> {{x}}", "IS DISTINCT FROM {{x}}"), ("a != /* c */ {{x}}", "IS DISTINCT FROM {{x}}"),
        ("a > {{x}}", "> NULL matches nothing"), ("a IS NOT DISTINCT FROM {{x}}", ""), ("coalesce(a, {{x}})", ""),
    ],
)  # fmt: skip
def test_none_beside_a_comparison_is_told(sql, note):
    notes = fill(f"SELECT * FROM t WHERE {sql}", {"x": None}).notes
    assert (note in notes[0]) if note else notes == ()


def test_places_where_values_do_stand(engine):
    day = dt.date(2026, 11, 1)
    assert one(engine, "SELECT extract(year FROM {{d}}) AS y", d=day) == 2026
    assert one(engine, "SELECT 1 IS DISTINCT FROM {{d}} AS y", d=1) is False
    assert one(engine, "SELECT {{d}} + INTERVAL {{n}} DAY AS y", d=day, n=3) == dt.datetime(2026, 11, 4)
    assert len(said(engine, "SELECT * FROM range(9) LIMIT {{n}}", n=2)) == 2
    assert one(engine, "SELECT 5 IN {{n}} AS y", n=5) is True
    assert one(engine, "SELECT {{d}}::VARCHAR AS y", d=day) == "2026-11-01"
    assert one(engine, "SELECT trim({{s}} FROM 'xax') AS y", s="x") == "a"


def test_a_place_in_the_filled_text_leads_back_to_the_typed_one():
    typed = "SELECT {{c!ident}}, é, {{a_long_name}} FROM t WHERE b IN {{l}} AND z = 1"
    filled = fill(typed, {"c": ["x", "y"], "a_long_name": 1, "l": [1]})
    for token in ("SELECT", "é", "FROM", "WHERE", "IN", "AND", "z ="):
        assert filled.origin(filled.sql.index(token)) == typed.index(token)
    assert filled.origin(filled.sql.index("$a_long_name") + 3) == typed.index("{{a_long")
    assert filled.origin(len(filled.sql)) == len(typed)
    assert filled.typed == typed


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_VALUE = st.one_of(
    _TEXT, st.booleans(), st.integers(-(2**127), 2**127 - 1), st.floats(allow_nan=False), st.binary(max_size=8),
    st.dates(), st.datetimes(min_value=dt.datetime(1, 1, 1)), st.none(), st.lists(_TEXT, min_size=1, max_size=4),
)  # fmt: skip


def _quoted(text: str) -> list[str]:
    clean = text.replace("{", "").replace("}", "").replace("\0", "")
    doubled = clean.replace("'", "''")
    return [
        f"'{doubled}'",
        "'{ {' || '" + doubled + "'",
        f"/* {clean.replace('*', '').replace('/', '')} {{{{no}}}} */ 'c'",
    ]


@given(st.lists(st.tuples(_TEXT, st.integers(0, 2), _VALUE), min_size=1, max_size=5))
def test_values_among_any_quoted_texts_come_back(parts):
    names = {f"v{i}": value for i, (_, _, value) in enumerate(parts)}
    items = [f"{_quoted(text)[form]} AS q{i}, {{{{ v{i} }}}} AS v{i}" for i, (text, form, _) in enumerate(parts)]
    filled = fill("SELECT " + ", ".join(items), names)
    with duckdb.connect() as con:
        row = con.sql(filled.sql, params=dict(filled.params)).to_arrow_table().to_pylist()[0]
    assert {name: row[name] for name in names} == names


@given(_TEXT.filter(lambda text: text and "\0" not in text))
def test_any_text_is_quoted_to_that_very_name(text):
    with duckdb.connect() as con:
        assert con.sql(fill("SELECT 1 AS {{x!ident}}", {"x": text}).sql).columns == [text]


@given(st.text(alphabet=st.sampled_from(list("'\"$-/*{}x!\n eE\\ ;")), max_size=25))
def test_no_text_makes_fill_bind_where_the_engine_sees_no_value(text):
    """Whatever the text, it is refused or each parameter of it is one to the engine too."""
    try:
        filled = fill(text, {"x": 1, "e": 2, "E": 3})
    except workbench.WorkbenchError:
        return
    kinds = dict(duckdb.tokenize(filled.sql))
    for name in filled.params:
        at = filled.sql.index(f"${name}")
        assert str(kinds[len(filled.sql[:at].encode())]).endswith("operator")


@pytest.mark.parametrize(
    ("end", "what"),
    [
        ("ORDER BY {{x}}", "ORDER"),
        ("ORDER BY b, {{x}} DESC LIMIT 3", "ORDER"),
        ("GROUP BY {{x}} ORDER BY 1", "GROUP"),
        ("QUALIFY rank() OVER (PARTITION BY {{ x }} ORDER BY a) = 1", "PARTITION"),
        ("ORDER BY {{x!ident}}", ""),
        ("ORDER BY a = {{x}}", ""),
        ("ORDER BY {{x}} = a", ""),
        ("GROUP BY a HAVING a < {{x}}", ""),
        ("ORDER BY a LIMIT 3 OFFSET {{x}}", ""),
    ],
)
def test_a_value_where_a_column_is_meant_is_said(end, what):
    notes = fill(f"SELECT a FROM t {end}", {"x": "city"}).notes
    assert notes == ((f"{what} BY {{{{x}}}} is by a value, not a column: {{{{x!ident}}}}",) if what else ())
