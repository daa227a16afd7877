"""A page asks the engine for no more rows than it shows, and shows the rows that the whole statement begins with."""

from __future__ import annotations

import pytest

from workbench.lake.sql.engine import connect
from workbench.lake.sql.paging import limited, table_of_every_row
from workbench.lake.sql.parser import Parser

PAGED = [
    "SELECT i, i % 7 AS g FROM range(50) AS t(i)",
    "SELECT i, i % 7 AS g FROM range(50) AS t(i) ORDER BY g, i DESC -- the last word",
    "WITH x AS (SELECT i FROM range(50) AS t(i)) FROM x",
    "SELECT i FROM range(9) AS t(i) UNION ALL SELECT -i FROM range(9) AS u(i) ORDER BY 1",
    "VALUES (1), (2), (3), (4), (5), (6), (7)",
    "SELECT 1 AS a, 2 AS a, 3 AS A FROM range(9)",
    "(SELECT i FROM range(50) AS t(i) LIMIT 6)",
    "SELECT i FROM range(50) AS t(i) ;  ",
    "SELECT DISTINCT ON (i % 9) i FROM range(50) AS t(i) ORDER BY i % 9, i",
    "SELECT i FROM range(50) AS t(i) WHERE i > $least",
]
WHOLE = [
    "SELECT i FROM range(50) AS t(i) LIMIT 6",
    "SELECT i FROM range(50) AS t(i) OFFSET 3",
    "SELECT i FROM range(50) AS t(i) LIMIT 10 OFFSET 3",
    "SELECT i FROM range(50) AS t(i) LIMIT 40%",
    "SELECT i FROM range(50) AS t(i); -- done",
    "SELECT i FROM range(50) AS t(i) /* open",
    "SELECT 'a",
    "",
]


@pytest.fixture(scope="module")
def con():
    opened = connect()
    yield opened
    opened.close()


@pytest.mark.parametrize("rows", [1, 5, 60])
@pytest.mark.parametrize("sql", PAGED)
def test_a_page_is_the_beginning_of_the_whole(con, sql, rows):
    paged = limited(Parser(con.cursor()), sql, rows)
    assert paged.endswith(f"LIMIT {rows}")
    values = {"least": 2} if "$least" in sql else None
    page, whole = (con.sql(text, params=values).to_arrow_table() for text in (paged, sql))
    assert page.schema == whole.schema
    assert page.to_pylist() == whole.slice(0, rows).to_pylist()


@pytest.mark.parametrize("sql", WHOLE)
def test_a_statement_that_ends_in_something_else_stays_as_it_is(con, sql):
    assert limited(Parser(con.cursor()), sql, 5) == sql


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("SELECT * FROM t", "t"),
        ("FROM t", "t"),
        ("SELECT a, w.* EXCLUDE (b) FROM t AS w ORDER BY a", "t"),
        ("SELECT COLUMNS('a.*') FROM t", "t"),
        *[
            (text, None)
            for text in (
                "SELECT * FROM t WHERE a = 1",
                "SELECT a FROM t GROUP BY a",
                "SELECT DISTINCT a FROM t",
                "SELECT a FROM t GROUP BY ALL",
                "SELECT a + 1 FROM t",
                "SELECT unnest(a) FROM t",
                "SELECT a, unnest(b) FROM t",
                "SELECT count(*) FROM t",
                "SELECT a FROM t HAVING true",
                "SELECT a FROM t QUALIFY true",
                "SELECT a FROM t LIMIT 3",
                "SELECT a FROM t USING SAMPLE 10%",
                "SELECT a FROM t TABLESAMPLE 10%",
                "SELECT a FROM t, u",
                "SELECT a FROM t JOIN u USING (a)",
                "WITH t AS (SELECT 1 AS a) SELECT a FROM t",
                "SELECT a FROM t UNION ALL SELECT a FROM u",
                "SELECT * FROM (SELECT * FROM t)",
                "SELECT * FROM range(5)",
            )
        ],
    ],
)
def test_only_a_statement_that_gives_every_row_once_has_the_rows_of_its_table(con, sql, table):
    [statement] = Parser(con.cursor()).tree(sql)["statements"]
    assert table_of_every_row(statement["node"]) == table
