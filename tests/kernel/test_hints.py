"""The way out of an error as a cell takes it: magics, what to type instead, variables that are no tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from shells import Ran, Shell, fill, shell

from kernel_ext.hints import instead, speak
from kernel_ext.magics import with_a_body
from workbench.errors import InvalidError, NotFoundError, QueryError, WorkbenchError


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("hints"))


@pytest.fixture
def nb(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setenv("LH_LAKE", str(lake))
    with shell() as opened:
        assert opened.run("%load_ext kernel_ext").error is None
        yield opened


def hint(ran: Ran) -> str:
    assert isinstance(ran.error, WorkbenchError)
    return ran.error.hint


# Commands become magics, in every magic


@pytest.mark.parametrize(
    ("cell", "way"),
    [
        ("%%lhsql\n;", "%lhsql SELECT * FROM workers LIMIT 5"),
        ("%lhsql SELECT * FROM workers@99", "!lh snapshots workers"),
        ("%lhsql FROM nowhere_near_it", "`%lh ls` lists the datasets."),
        ('%lhsearch ""', '%lhsearch "forklift operator, nights"'),
        ("%lhsearch forklift --in wrkers", "`%lh ls` lists them."),
        ("%lhprofile wrkers", "`%lh ls` lists them."),
    ],
)
def test_no_magic_sends_its_reader_to_the_terminal(nb: Shell, cell: str, way: str) -> None:
    said = hint(nb.run(cell))
    assert way in said
    assert " lh " not in f" {said.replace('!lh', '')}".replace("%lh ", "")


def test_the_further_lines_of_a_hint_stand_under_the_first() -> None:
    error = InvalidError("No.", hint="one way   lh ls\n  another   lh sql 'SELECT 1'")
    speak(error)
    assert error._render_traceback_() == ["InvalidError: No.", "  → one way   %lh ls\n    another   %lhsql SELECT 1"]


@pytest.mark.parametrize(
    ("sql", "way"),
    [
        ("DESCRIBE workers", "%lh describe workers"),
        ("-- what is it\ndesc workers@2", "%lh describe workers@2"),
        ("/* DESCRIBE x */ SUMMARIZE workers", "%lhprofile workers"),
        ("SHOW TABLES", "%lh lists"),
        ("EXPLAIN SELECT 1", "--explain"),
        ("CREATE TABLE t AS SELECT 1", "--save NAME"),
        ("INSERT INTO t SELECT 1", "--append"),
        ("COPY workers TO 'x.csv'", "--to df"),
    ],
)
def test_a_statement_that_is_no_query_names_the_magic_that_does_it(nb: Shell, sql: str, way: str) -> None:
    ran = nb.run(f"%%lhsql\n{sql}")
    assert isinstance(ran.error, QueryError)
    assert way in hint(ran)


def test_what_no_magic_does_keeps_its_own_hint(nb: Shell) -> None:
    assert instead("PIVOT workers ON state USING count(*)") == ""
    assert "FILTER" in hint(nb.run("%lhsql PIVOT workers ON state USING count(*)"))


# What stands in the statement


def test_the_line_to_copy_has_the_braces_that_were_typed(nb: Shell) -> None:
    nb.run("state = 'IL'")
    ran = nb.run("%lhsql SELECT worker_id FROM workers WHERE stat = {{state}}")
    assert hint(ran).endswith("Write: SELECT worker_id FROM workers WHERE state = {{state}}")
    again = nb.run(f"%lhsql {hint(ran).partition('Write: ')[2]}")
    assert again.error is None
    assert again.value.params == {"state": "IL"}


def test_a_note_about_a_value_is_said_once(nb: Shell) -> None:
    ran = nb.run("nothing = None\n%lhsql SELECT 1 AS n WHERE 1 = {{nothing}}")
    assert ran.text.count("{{nothing}} is None") == 1
    assert str(ran.value).count("{{nothing}} is None") == 1
    assert repr(nb.run("%lhsql --profile SELECT 1 AS n WHERE 1 = {{nothing}}").value).count("is None") == 1
    assert str(nb.run("%lhsql --open SELECT 1 AS n WHERE 1 = {{nothing}}").value).count("is None") == 1


def test_a_value_behind_the_name_of_its_type(nb: Shell) -> None:
    nb.run("import datetime\nday = datetime.date(2024, 1, 1)")
    ran = nb.run("%lhsql SELECT DATE {{day}} AS d")
    assert hint(ran) == "{{day}} has its type already: leave DATE out."
    assert "SELECT DATE {{day}} AS d\n            ^" in str(ran.error)


def test_a_value_in_place_of_a_column(nb: Shell) -> None:
    nb.run("col = 'role'")
    assert "{{col!ident}} is the column" in hint(nb.run("%lhsql SELECT * FROM workers ORDER BY {{col}}"))
    assert nb.run("%lhsql SELECT role FROM workers ORDER BY {{col!ident}} LIMIT 1").error is None


@pytest.mark.parametrize(
    ("made", "way"),
    [
        ("import pandas as pd; it = pd.Series([1], name='v')", "it_table = it.to_frame()"),
        ("import pandas as pd; it = pd.Index([1])", "it_table = it.to_frame()"),
        ("import polars as pl; it = pl.Series([1])", "it_table = it.to_frame()"),
        ("import polars as pl; it = pl.DataFrame({'a': [1]}).lazy()", "it_table = it.collect()"),
        ("import numpy as np, pandas as pd; it = np.array([1])", "it_table = pd.DataFrame(it)"),
        ("import pandas as pd; it = [{'a': 1}]", "it_table = pd.DataFrame(it)"),
        ("import pandas as pd; it = {'a': [1]}", "it_table = pd.DataFrame(it)"),
    ],
)
def test_a_variable_that_is_no_table_says_how_it_becomes_one(nb: Shell, made: str, way: str) -> None:
    nb.run(made)
    ran = nb.run("%lhsql FROM IT")
    assert isinstance(ran.error, NotFoundError)
    assert hint(ran).endswith(f"{way}, then FROM it_table")
    nb.run(way)
    assert nb.run("%lhsql FROM it_table").error is None


def test_a_text_that_names_a_table_and_a_thing_that_is_none(nb: Shell) -> None:
    nb.run("it = 'workers'\nother = print")
    assert "{{it!ident}}" in hint(nb.run("%lhsql FROM it"))
    assert nb.run("%lhsql SELECT count(*) FROM {{it!ident}}").error is None
    assert hint(nb.run("%lhsql FROM other")).endswith("DataFrames and Arrow tables.")


# The line of options


@pytest.mark.parametrize(
    ("line", "way"),
    [
        ("--timeout soon SELECT 1", "--timeout: seconds it may run"),
        ("--to csv SELECT 1", "--to: all rows as pandas"),
        ("--plot SELECT 1", "bar X [Y]"),
        ("--as", "--as: keep the result"),
        ("--timout 3 SELECT 1", "Did you mean --timeout?"),
        ('"SELECT 1"', "SQL stands without quotes around it: %lhsql SELECT 1"),
        ("selct 1", "Did you mean SELECT?"),
        ("everything", "SQL begins with SELECT"),
    ],
)
def test_a_wrong_option_says_what_it_takes(nb: Shell, line: str, way: str) -> None:
    said = hint(nb.run(f"%lhsql {line}"))
    assert way in said
    assert "usage:" not in said


def test_a_dataset_that_is_saved_under_a_wrong_name_is_mended_by_the_option_of_the_magic(nb: Shell) -> None:
    assert hint(nb.run('%lhsql --save "bad name!" SELECT 1 AS a')) == "Use --save bad_name."


@pytest.mark.parametrize("cell", ["%%lhsql --help", "%%lhsql --help\n", "\n\n%%lhsql --help", "  %%lhsql --help"])
def test_a_cell_with_nothing_below_its_first_line_is_asked(nb: Shell, cell: str) -> None:
    ran = nb.run(cell)
    assert ran.error is None
    assert "--timeout S" in ran.text
    assert nb.run(cell.replace("--help", "SELECT 7 AS n")).value.df()["n"].tolist() == [7]
    assert isinstance(nb.run(cell.replace(" --help", "")).error, InvalidError)


def test_only_our_cells_get_a_body() -> None:
    for lines in (["%%lhsql --help\n", "SELECT 1\n"], ["%%lhsqlx\n"], ["%%time\n"], ["%%lhsql?\n"], ["x = 1\n"], []):
        assert with_a_body(lines) == lines


def test_reading_cells_is_as_before_after_unloading(nb: Shell) -> None:
    nb.run("%load_ext kernel_ext")
    assert nb.ipython.input_transformers_cleanup.count(with_a_body) == 1
    nb.run("%unload_ext kernel_ext")
    assert with_a_body not in nb.ipython.input_transformers_cleanup


# The condition of a search


def test_a_wrong_column_of_a_condition_is_named_with_the_line_to_copy(nb: Shell) -> None:
    ran = nb.run("%lhsearch forklift --where \"stat = 'IL'\"")
    assert isinstance(ran.error, QueryError)
    assert "stat = 'IL'\n^^^^" in ran.error.message
    assert hint(ran) == "Did you mean state? Write: state = 'IL'"


def test_a_name_that_cannot_be_kept_is_refused_before_the_search(nb: Shell) -> None:
    for name in ("workers", "print"):
        assert hint(nb.run(f"%lhsearch forklift --as {name}")) == f"Another name: --as {name}_found"
