"""Older snapshots in SQL: what is a version reference, what is not, and what a time means."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench
from workbench.errors import InvalidError, NotFoundError, QueryError
from workbench.lake.sql.versions import moment, parse_ref, ref_sql, rewrite_versions


@pytest.fixture(scope="module")
def wb(tmp_path_factory):
    """workers: version 1 has 1 row, version 2 has 2, version 3 has 3; so has "name", a keyword."""
    folder = tmp_path_factory.mktemp("versions")
    with workbench.connect(folder / "lake") as opened:
        for n in (1, 2, 3):
            pq.write_table(pa.table({"id": [n], "mail": [f"ann@{n}"]}), folder / f"{n}.parquet")
            for name in ("workers", "name"):
                opened.ingest(folder / f"{n}.parquet", name)
        yield opened


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT count(*) FROM workers@1", [[1]]),
        ("SELECT count(*) FROM workers@2", [[2]]),
        ("SELECT count(*) FROM workers", [[3]]),
        ('SELECT count(*) FROM "workers"@2', [[2]]),
        ("SELECT count(*) FROM WORKERS@2", [[2]]),
        ("SELECT count(*) FROM name@2", [[2]]),
        ("SELECT count(*) FROM workers a JOIN name@1 b USING (id)", [[1]]),
        ("SELECT count(*) FROM workers@today", [[3]]),
        ("SELECT count(*) FROM workers@'today'", [[3]]),
        ("SELECT count(*) FROM workers AT (VERSION => 2)", [[2]]),
        ("SELECT count(*) FROM workers at(version=>1) w", [[1]]),
        ("SELECT count(*) FROM name AT (VERSION => 1)", [[1]]),
        ("SELECT count(*) FROM workers AT (TIMESTAMP => 'today')", [[3]]),
        ("SELECT a.id FROM workers a LEFT JOIN workers@2 b USING (id) WHERE b.id IS NULL", [[3]]),
        ("SELECT count(*) FROM workers@1, workers@2, workers@3", [[6]]),
        ("SELECT workers.id FROM workers@1", [[1]]),
        ("SELECT w.id FROM workers@1 w", [[1]]),
        ("SELECT w.id FROM workers@1 AS w", [[1]]),
        ("WITH old AS (FROM workers@1) SELECT count(*) FROM old", [[1]]),
        ("WITH workers AS (FROM workers@2) SELECT count(*) FROM workers", [[2]]),
        ("SELECT (SELECT count(*) FROM workers@1)", [[1]]),
        ("SELECT count(*) FROM workers WHERE id IN (SELECT id FROM workers@2)", [[2]]),
        ("SELECT count(*) FROM workers@1 UNION ALL SELECT count(*) FROM workers@2", [[1], [2]]),
        ("SELECT '😀' AS e, count(*) FROM workers@2", [["😀", 2]]),
        ("SELECT count(*) /* é */ FROM /* x */ workers@2 -- workers@1", [[2]]),
        # Not references: strings, comments, quoted identifiers, operators.
        ("SELECT id FROM workers WHERE mail = 'ann@2'", [[2]]),
        ("SELECT id FROM workers WHERE mail = $$ann@2$$", [[2]]),
        ("SELECT 'workers@9' AS a, $a$workers@9$a$ AS b /* workers@9 */ -- workers@9", [["workers@9", "workers@9"]]),
        ('SELECT 1 AS "workers@9"', [[1]]),
        ("SELECT @ -5 AS a, @(-5) AS b", [[5, 5]]),
        ("SELECT @id FROM workers@1", [[1]]),
        ("SELECT [1, 2] @> [1], [1] <@ [1, 2]", [[True, True]]),
        ("SELECT 'it''s workers@9' || E'\\'workers@9'", [["it's workers@9'workers@9"]]),
    ],
)
def test_a_reference_is_found_where_it_is_one(wb, sql, rows):
    answer = wb.sql(sql, show_pii=True)
    assert [list(r.values()) for r in answer.table.to_pylist()] == rows


def test_an_answer_names_every_version_it_read(wb):
    assert wb.sql("SELECT 1 FROM workers@2").snapshots == {"workers": 2}
    assert wb.sql('SELECT 1 FROM workers a, workers@3 b, "name"@1').snapshots == {"workers": 3, "name": 1}
    assert wb.sql("SELECT 1 FROM workers, workers@1").snapshots == {"workers@1": 1, "workers@3": 3}


@pytest.mark.parametrize(
    ("sql", "near"),
    [("FROM workers@9", "1 to 3"), ("FROM workers@0", "1 to 3"), ("FROM workers@'1999-01-01'", "it begins at"),
     ("FROM worker@1", "workers"), ("FROM worker@'today'", "workers"), ("FROM workers AT (VERSION => 9)", "1 to 3"),
     ('FROM "worker"@1', "workers")],
)  # fmt: skip
def test_an_unknown_version_says_which_there_are(wb, sql, near):
    with pytest.raises(NotFoundError) as missing:
        wb.sql(sql)
    assert near in str(missing.value)
    assert missing.value.hint


@pytest.mark.parametrize(
    "sql",
    ["FROM workers@'soon'", "FROM workers@''", "FROM workers@'2026-13-01'", "FROM workers@" + "9" * 5000,
     "FROM workers@'9999-12-31T25:00'", "FROM workers@'0001-01-01 00:00'", "FROM workers AT (TIMESTAMP => 'soon')",
     "FROM workers@soon", "FROM workers@", "FROM workers@1.5", "FROM workers@-1", "FROM workers @ 1", "FROM workers@²",
     "FROM workers AT (VERSION => -1)", "FROM workers AT (VERSION => (SELECT 1))", "FROM x.workers@1", "FROM @1",
     "FROM workers@'2026-01-01", "SELECT workers@2 FROM workers"],
)  # fmt: skip
def test_what_is_no_version_is_an_error_of_ours(wb, sql):
    with pytest.raises((InvalidError, NotFoundError)) as refused:
        wb.sql(sql)
    assert len(str(refused.value)) < 600


def test_an_injection_through_a_reference_stays_a_name(wb):
    for sql in ("FROM workers@'1\" UNION SELECT 1 --'", 'FROM "x""; SELECT 1"@1', "FROM workers@'today''; SELECT 1'"):
        with pytest.raises((InvalidError, NotFoundError, QueryError)):
            wb.sql(sql)


NOW = dt.datetime(2026, 11, 20, 15, 0, tzinfo=ZoneInfo("America/Chicago"))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2026-11-01", "2026-11-01T23:59:59.999999-06:00"),
        (" 2026-11-01 ", "2026-11-01T23:59:59.999999-06:00"),
        ("2026-07-01", "2026-07-01T23:59:59.999999-05:00"),
        ("today", "2026-11-20T23:59:59.999999-06:00"),
        ("Yesterday", "2026-11-19T23:59:59.999999-06:00"),
        ("2026-11-01 14:30", "2026-11-01T14:30:00-06:00"),
        ("2026-11-01T14:30:15", "2026-11-01T14:30:15-06:00"),
        ("2026-11-01 14:30Z", "2026-11-01T14:30:00+00:00"),
        ("2026-11-01T14:30+02:00", "2026-11-01T14:30:00+02:00"),
        ("9999-12-31", "9999-12-31T23:59:59.999999-06:00"),
    ],
)
def test_what_a_time_means(text, meant):
    assert moment(text, now=NOW) == dt.datetime.fromisoformat(meant)


def test_without_a_clock_given_the_readers_own_zone_counts():
    local = dt.datetime(2026, 7, 1, 23, 59, 59, 999999).astimezone()
    assert moment("2026-07-01") == local
    assert moment("2026-07-01").utcoffset() == local.utcoffset()


@pytest.mark.parametrize("text", ["", "soon", "2026-02-30", "12:00", "2026", "2026-W10-1", "tomorrow", "x" * 500])
def test_what_is_no_time(text):
    with pytest.raises(InvalidError, match="is no version") as refused:
        moment(text)
    assert "workers@2" in refused.value.hint


def test_references_outside_sql():
    assert parse_ref("workers") == ("workers", None, None)
    assert parse_ref(" workers@2 ") == ("workers", 2, None)
    assert parse_ref("workers@2026-07-01") == ("workers", None, moment("2026-07-01"))
    assert parse_ref("workers@'2026-07-01'") == ("workers", None, moment("2026-07-01"))
    assert ref_sql("workers") == '"workers"'
    assert ref_sql("workers@2") == '"workers"@2'
    assert ref_sql("workers@2026-07-01") == "\"workers\"@'2026-07-01'"
    for wrong in ("workers@", "workers@²", "workers@" + "1" * 30, "workers@x'; SELECT 1"):
        with pytest.raises(InvalidError):
            ref_sql(wrong)


@given(st.text(max_size=60), st.text(max_size=60))
def test_text_around_a_reference_is_kept_to_the_letter(before, after):
    before, after = (t.replace("@", "").replace("\0", "").encode(errors="ignore").decode() for t in (before, after))
    literal = "'" + before.replace("'", "''") + "@2'"
    comment = "/* " + after.replace("*", "") + "x@3 */"
    sql = f"SELECT {literal}, é {comment} FROM workers@2"
    rewritten = rewrite_versions(sql)
    assert rewritten.sql == f'SELECT {literal}, é {comment} FROM "workers@2"'
    assert [(t.name, t.version) for t in rewritten.tables] == [("workers", 2)]


@given(st.text(alphabet="ab@2'\"$ -/*(.;\n[]=é😀", max_size=40))
def test_any_text_is_rewritten_or_left(text):
    rewritten = rewrite_versions(text)
    if not rewritten.tables:
        assert rewritten.sql == text
    for ref in rewritten.tables:
        assert '"' + ref.alias.replace('"', '""') + '"' in rewritten.sql
