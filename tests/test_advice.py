"""Errors of SQL: the engine's words, a caret under the token as typed, did you mean, one line to copy."""

from __future__ import annotations

import pyarrow as pa
import pytest

import workbench
from workbench.errors import InvalidError, NotFoundError, QueryError
from workbench.lake.sql.typed.placeholders import fill

ROSTER = (
    "worker_id,name,city,phone,state,availability,start\n1,Ann Lee,Joliet,815-555-0100,IL,0.5,2026-01-01\n"
    "2,Bo Cruz,Chicago,312-555-0101,IL,0.7,2026-01-02\n"
)


@pytest.fixture(scope="module")
def wb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("advice")
    for name, text in (("workers", ROSTER), ("jobs", "job_id,city,pay\n1,Joliet,20\n2,Gary,30\n")):
        (folder / f"{name}.csv").write_text(text)
    with workbench.connect(folder / "lake", folder=folder) as opened:
        for name in ("workers", "jobs"):
            opened.ingest(folder / f"{name}.csv", name)
        yield opened


def refused(wb, sql, **more):
    with pytest.raises(workbench.WorkbenchError) as error:
        wb.sql(sql, **more)
    return error.value


def under_caret(error):
    """What stands over the caret, from the message alone."""
    *_, line, caret = error.message.split("\n")
    assert set(caret) <= {" ", "^"}
    return line[caret.index("^") : caret.rindex("^") + 1]


# statement, words of the engine that stay, what the caret marks, the line to copy
CASES = [
    ("SELECT nme FROM workers", 'Referenced column "nme" not found', "nme", "SELECT name FROM workers"),
    ("SELECT w.nme FROM workers w", 'column named "nme"', "nme", "SELECT w.name FROM workers w"),
    ("SELECT x.name FROM workers w", 'Referenced table "x" not found', "x", "SELECT w.name FROM workers w"),
    ("SELECT city, avail FROM workers", '"avail" not found', "avail", "SELECT city, availability FROM workers"),
    ("SELECT city FROM workers ORDER BY nme", '"nme"', "nme", "SELECT city FROM workers ORDER BY name"),
    (
        "SELECT city, count(*) FROM workers", "GROUP BY clause", "city",
        "SELECT city, count(*) FROM workers GROUP BY ALL",
    ),
    (
        "SELECT city, count(*) FROM workers GROUP BY state LIMIT 1", "GROUP BY clause", "city",
        "SELECT city, count(*) FROM workers GROUP BY ALL LIMIT 1",
    ),
    (
        "SELECT city FROM workers GROUP BY city HAVING state = 'IL'", "GROUP BY clause", "state",
        "SELECT city FROM workers GROUP BY city HAVING any_value(state) = 'IL'",
    ),
    (
        "SELECT * FROM workers WHERE state LIKE %IL%", 'at or near "%"', "%IL%",
        "SELECT * FROM workers WHERE state LIKE '%IL%'",
    ),
    (
        "SELECT * FROM workers WHERE city LIKE %New York% AND state = 'IL'", "at or near", "%New York%",
        "SELECT * FROM workers WHERE city LIKE '%New York%' AND state = 'IL'",
    ),
    (
        "SELECT * FROM workers WHERE name NOT LIKE Ann% AND city = 'x'", 'at or near "AND"', "Ann%",
        "SELECT * FROM workers WHERE name NOT LIKE 'Ann%' AND city = 'x'",
    ),
    ("SELECT * FROM workers LIMIT 5, 10;", 'at or near ","', "LIMIT 5, 10", "SELECT * FROM workers LIMIT 10 OFFSET 5;"),
    (
        "SELECT state count(*) FROM workers GROUP BY state", 'at or near "("', "count",
        "SELECT state, count(*) FROM workers GROUP BY state",
    ),
    ("SELECT * FROM workers@latest w", 'at or near "@"', "@latest", "SELECT * FROM workers w"),
    (
        "SELECT datediff(day, start, start) FROM workers, jobs", '"day" not found', "day",
        "SELECT datediff('day', start, start) FROM workers, jobs",
    ),
    ("SELECT (city FROM workers", 'at or near "FROM"', "(", "SELECT (city) FROM workers"),
    ("SELECT upper(city FROM workers", 'at or near "FROM"', "(", "SELECT upper(city) FROM workers"),
    ("SELECT city) FROM workers", 'at or near ")"', ")", "SELECT city FROM workers"),
    ("SELECT city name state FROM workers", 'at or near "state"', "state", "SELECT city, name, state FROM workers"),
    ("SELECT city,, state FROM workers", 'at or near ","', ",", "SELECT city, state FROM workers"),
    (
        'SELECT city FROM workers WHERE city = "Chicago"', '"Chicago" not found', '"Chicago"',
        "SELECT city FROM workers WHERE city = 'Chicago'",
    ),
    (
        'SELECT city FROM workers WHERE city LIKE "Chi%"', '"Chi%" not found', '"Chi%"',
        "SELECT city FROM workers WHERE city LIKE 'Chi%'",
    ),
    (
        "SELECT city FROM workers WHERE state = IL", '"IL" not found', "IL",
        "SELECT city FROM workers WHERE state = 'IL'",
    ),
    (
        "SELECT city FROM workers WHERE state = ‘IL’", "not found", "‘IL’",
        "SELECT city FROM workers WHERE state = 'IL'",
    ),
    (
        "SELECT city FROM workers LIMIT 5 WHERE state = 'IL'", 'at or near "WHERE"', "WHERE",
        "SELECT city FROM workers WHERE state = 'IL' LIMIT 5",
    ),
    (
        "SELECT city FROM workers ORDER BY city WHERE state = 'IL';", 'at or near "WHERE"', "WHERE",
        "SELECT city FROM workers WHERE state = 'IL' ORDER BY city;",
    ),
    ("SELECT uper(city) FROM workers", "function uper is not available", "uper", "SELECT upper(city) FROM workers"),
    ("SELECT nvl(city, 'x') FROM workers", "nvl", "nvl", "SELECT coalesce(city, 'x') FROM workers"),
    ("SELECT city FROM workers, jobs", "Ambiguous reference", "city", "SELECT workers.city FROM workers, jobs"),
    (
        "SELECT * FROM workers WHERE city > 5", "Cannot compare", "city > 5",
        "SELECT * FROM workers WHERE TRY_CAST(city AS DOUBLE) > 5",
    ),
    (
        "SELECT city WHERE state = 'IL'", "FROM clause is missing", "state",
        "SELECT city FROM workers WHERE state = 'IL'",
    ),
    ("SELEC city FROM workers", 'at or near "SELEC"', "SELEC", "SELECT city FROM workers"),
    ("SELECT city FORM workers", 'at or near "workers"', "FORM", "SELECT city FROM workers"),
    (
        "SELECT city FROM workers WERE state = 'IL'", "syntax error", "WERE",
        "SELECT city FROM workers WHERE state = 'IL'",
    ),
    (
        "SELECT city FROM workers WHERE state = 'IL", "unterminated", "'IL",
        "SELECT city FROM workers WHERE state = 'IL'",
    ),
    (
        "SELECT city FROM workers WHERE city = 'O'Hare'", "unterminated", "'",
        "SELECT city FROM workers WHERE city = 'O''Hare'",
    ),
    ("SELECT 1 AS one /* why", "unterminated /*", "/*", "SELECT 1 AS one /* why */"),
    ("SELECT city FROM workers WHERE", 'at or near "WHERE"', "WHERE", "SELECT city FROM workers"),
    ("SELECT city FROM workers WHERE city = 'a' AND", '"AND"', "AND", "SELECT city FROM workers WHERE city = 'a'"),
    ("SELECT city FROM workers GROUP city", 'at or near "city"', "GROUP", "SELECT city FROM workers GROUP BY city"),
    ("SELECT top 5 city FROM workers", 'at or near "5"', "top 5", "SELECT city FROM workers LIMIT 5"),
    (
        "SELECT CASE WHEN city = 'x' THEN 1 FROM workers", 'at or near "FROM"', "CASE",
        "SELECT CASE WHEN city = 'x' THEN 1 END FROM workers",
    ),
    ("SELECT sum(city) FROM workers", "'sum(VARCHAR)'", "sum", "SELECT sum(TRY_CAST(city AS DOUBLE)) FROM workers"),
    ("SELECT year(city) FROM workers", "'year(VARCHAR)'", "year", "SELECT year(TRY_CAST(city AS DATE)) FROM workers"),
    (
        "SELECT city + 1 FROM workers", "+(VARCHAR, INTEGER_LITERAL)", "city + 1",
        "SELECT TRY_CAST(city AS DOUBLE) + 1 FROM workers",
    ),
    (
        "SELECT city FROM workers WHERE count(*) > 1", "WHERE clause cannot contain aggregates", "WHERE count(*) > 1",
        "SELECT city FROM workers GROUP BY ALL HAVING count(*) > 1",
    ),
    (
        "SELECT city, count(*) AS n FROM workers WHERE n > 1 GROUP BY city", "cannot contain aggregates", "WHERE n > 1",
        "SELECT city, count(*) AS n FROM workers GROUP BY city HAVING n > 1",
    ),
    (
        "SELECT date_diff(start, current_date) FROM workers", "date_diff(DATE, DATE)", "date_diff",
        "SELECT date_diff('day', start, current_date) FROM workers",
    ),
    ("SELECT CAST(pay AS INTEGR) FROM jobs", "INTEGR", "INTEGR", "SELECT CAST(pay AS INTEGER) FROM jobs"),
    ("SELECT city::INT FROM workers", "Could not convert", "city", "SELECT TRY_CAST(city AS INT) FROM workers"),
    ("SELECT CAST(city AS INT) FROM workers", "Could not convert", "city", "SELECT TRY_CAST(city AS INT) FROM workers"),
    (
        "SELECT city FROM workers WHERE state ! = 'IL'", "factorial", "! =",
        "SELECT city FROM workers WHERE state != 'IL'",
    ),
    ("SELECT pay FROM jobs WHERE pay => 3", "=>", "=>", "SELECT pay FROM jobs WHERE pay >= 3"),
    (
        "SELECT * FROM workers JOIN jobs USING (cty)", '"cty" does not exist', "cty",
        "SELECT * FROM workers JOIN jobs USING (city)",
    ),
    ("SELECT city FROM worker", "No dataset is named 'worker'", "worker", "SELECT city FROM workers"),
    (
        "SELECT row_number() FROM workers", "Window", "row_number()",
        "SELECT row_number() OVER (ORDER BY 1) FROM workers",
    ),
    (
        "WITH a AS (SELECT city FROM workers) SELECT cty FROM a", '"cty"', "cty",
        "WITH a AS (SELECT city FROM workers) SELECT city FROM a",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "words", "marked", "fix"), CASES, ids=[case[0][:40] for case in CASES])
def test_every_mistake_has_a_caret_and_a_line_that_runs(wb, sql, words, marked, fix):
    error = refused(wb, sql)
    assert words in error.message
    assert under_caret(error) == marked
    assert error.details["fix"] == fix
    assert f"Write: {fix}" in error.hint
    wb.sql(fix)
    assert len(str(error).splitlines()) <= 12


# what only a person can mend still has its place and a word of advice
@pytest.mark.parametrize(
    ("sql", "marked", "hint"),
    [
        ("SELECT 'abc' > 5", "'abc'", "where the engine needs INT32"),
        ("SELECT city FROM workers WHERE worker_id = 'abc'", "'abc'", "where the engine needs INT64"),
        ("SELECT name || FROM workers", "||", "missing after ||"),
        ("SELECT * FROM workers WHERE availability BETWEEN 0.1", "0.1", "BETWEEN takes two ends"),
        ("SELECT upper(city, state) FROM workers", "upper", "upper(string VARCHAR)"),
        ("SELECT city FROM workers UNION SELECT city, state FROM workers", "UNION", "same number of columns"),
        ("SELECT 1 WHERE 1 IN (SELECT city, state FROM workers)", "SELECT", "name one column"),
        ("SELECT zzzzzz FROM workers", "zzzzzz", "There are: worker_id, name"),
        ("SELECT * FROM read_csv('x.csv')", "read_csv", "lh ingest"),
        ("SELECT foo_bar_baz(city) FROM workers", "foo_bar_baz", "functions that DuckDB documents"),
    ],
)
def test_what_cannot_be_mended_by_rule_is_still_shown(wb, sql, marked, hint):
    error = refused(wb, sql)
    assert under_caret(error) == marked
    assert hint in error.hint
    assert "fix" not in error.details


def test_the_caret_is_on_the_line_of_the_token_and_only_that_line_is_offered(wb):
    error = refused(wb, "SELECT city,\n       nme -- é, nme\nFROM workers\nWHERE state = 'IL'")
    assert error.message.endswith("2:        nme -- é, nme\n          ^^^")
    assert (error.details["line"], error.details["column"], error.details["length"]) == (2, 8, 3)
    assert error.details["fix"] == "name -- é, nme"
    tail = refused(wb, "SELECT city\nFROM workers\nWHERE state = 'é'\n  AND (city = 'x'\n")
    assert under_caret(tail) == "("
    assert tail.details["line"] == 4


def test_a_place_counts_characters_not_bytes(wb):
    error = refused(wb, "SELECT 'ééé–', city FORM workers")
    assert under_caret(error) == "FORM"
    assert error.details["fix"] == "SELECT 'ééé–', city FROM workers"


def test_a_place_is_of_the_text_as_typed_when_versions_were_rewritten(wb):
    error = refused(wb, "SELECT workers.city FROM workers@1 WHERE (state = 'IL' ORDER BY 1 LIMIT 5 5")
    assert "at or near" in error.message
    assert error.details["position"] < len(
        "SELECT workers.city FROM workers@1 WHERE (state = 'IL' ORDER BY 1 LIMIT 5 5"
    )
    wrong = refused(wb, "SELECT workers.city FROM workers@1 WERE state = 'IL'")
    assert under_caret(wrong) == "WERE"
    assert wrong.details["fix"] == "SELECT workers.city FROM workers@1 WHERE state = 'IL'"


def test_a_long_line_is_cut_around_the_caret(wb):
    many = ", ".join(f"city AS c{i}" for i in range(200))
    error = refused(wb, f"SELECT {many}, nme, {many} FROM workers")
    assert under_caret(error) == "nme"
    assert max(map(len, error.message.splitlines())) < 130


def test_what_the_engine_suggests_of_its_own_inside_is_left_out(wb):
    for sql in ("SELECT pg_nam FROM workers", "SELECT * FROM pg_namespac", "SELECT w.pg_nam FROM workers w"):
        error = refused(wb, sql)
        assert "pg_namespace" not in str(error)
        assert "duckdb_" not in str(error)


def test_an_error_for_a_filled_cell_shows_the_cell(wb):
    filled = fill(
        "SELECT nme FROM workers WHERE state = {{state}} AND availability > {{floor}}", {"state": "IL", "floor": 0}
    )
    with pytest.raises(QueryError) as error:
        wb.relation(filled).fetch()
    assert under_caret(error.value) == "nme"
    assert error.value.details["fix"] == "SELECT name FROM workers WHERE state = {{state}} AND availability > {{floor}}"
    with pytest.raises(QueryError) as error:
        wb.relation(fill("SELECT {{state}}, city FORM workers", {"state": "a long value"}))
    assert under_caret(error.value) == "FORM"


def test_columns_of_frames_are_offered_too(wb):
    import pyarrow as pa

    frame = pa.table({"mileage": [1], "city": ["Joliet"]})
    with pytest.raises(QueryError) as error:
        wb.relation("SELECT milage FROM trips", frames={"trips": frame}).fetch()
    assert error.value.details["fix"] == "SELECT mileage FROM trips"
    with pytest.raises(NotFoundError) as missing:
        wb.relation("SELECT mileage FROM trip", frames={"trips": frame})
    assert missing.value.details["fix"] == "SELECT mileage FROM trips"


def test_no_value_of_a_row_comes_in_by_the_advice(wb):
    for sql in (
        "SELECT CAST(name AS INT) FROM workers",
        "SELECT phone::DATE FROM workers",
        "SELECT name + 1 FROM workers",
    ):
        told = str(refused(wb, sql)) + str(refused(wb, sql).details)
        assert "Ann" not in told
        assert "815" not in told


@pytest.mark.parametrize(
    "sql", ["", ";", "'", '"', "(", ")", "/*", "{{", "SELECT", "FROM", "WITH", "\\", "$$", "@", "é", "SELECT '\ud800'"]
)
def test_no_text_breaks_the_advice(wb, sql):
    assert isinstance(refused(wb, sql), workbench.WorkbenchError)


@pytest.mark.parametrize(
    ("sql", "hint"),
    [
        ("SELECT citty FROM beta", "There are: alpha, gamma."),
        ("SELECT zzz FROM beta, jobs", "There are: alpha, gamma, job_id, city, pay."),
        ("SELECT workers FROM jobs", "There are: job_id, city, pay."),
    ],
)
def test_only_columns_that_the_statement_can_read_are_named(wb, sql, hint):
    with pytest.raises(QueryError) as told:
        wb.relation(sql, frames={"beta": pa.table({"alpha": [1], "gamma": [2]})}).fetch()
    assert told.value.hint == hint


def test_the_newest_version_has_no_name(wb):
    with pytest.raises(InvalidError) as told:
        wb.lake.get("workers@latest")
    assert told.value.hint == "The newest version is the name alone: workers"
