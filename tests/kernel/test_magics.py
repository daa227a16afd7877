"""``%%lhsql`` in real shells: options, results, names, errors, loading and unloading."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from shells import ROOT, Kernel, Shell, fill, kernel, shell

import kernel_ext
from kernel_ext.options import Options
from kernel_ext.result import duration, missing, reading
from kernel_ext.session import RESERVED
from workbench.errors import InvalidError, MissingExtraError, NotFoundError, QueryError


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("magics"))


@pytest.fixture
def nb(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setenv("LH_LAKE", str(lake))
    with shell() as opened:
        assert opened.run("%load_ext kernel_ext").error is None
        yield opened


@pytest.fixture
def own(lake: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell on a copy of it that the test may write to."""
    shutil.copytree(lake.parent, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "lake"))
    with shell() as opened:
        opened.run("%load_ext kernel_ext")
        yield opened


# What comes back


def test_a_cell_gives_a_page_with_an_honest_line(nb: Shell) -> None:
    ran = nb.run("%%lhsql\nSELECT worker_id, role FROM workers")
    assert ran.value.table.num_rows == 100
    assert ran.value.total == len(ran.value) == 500
    assert ran.value.caption(100).startswith("100 of 500 rows × 2 columns · ")
    assert ran.value.caption().endswith(" · workers@1")
    assert ran.value.snapshots == {"workers": 1}
    assert nb.names["_lh"] is ran.value


def test_a_whole_answer_counts_itself_and_names_what_is_masked(nb: Shell) -> None:
    ran = nb.run("%lhsql SELECT name FROM workers LIMIT 3")
    assert ran.value.caption().startswith("3 rows × 1 column · ")
    assert ran.value.caption().endswith("masked: name (--show-pii)")
    assert "Fischer" not in ran.text
    assert "Fischer" in nb.run("%lhsql --show-pii SELECT name FROM workers LIMIT 3").text


def test_a_total_that_is_not_known_is_not_invented(nb: Shell) -> None:
    # Two thousand million rows that have to be made to be counted.
    ran = nb.run("%lhsql --limit 5 SELECT x FROM range(2000000000) t(x) WHERE length(sha256('' || x)) > 1")
    assert ran.value.total is None
    assert ran.value.caption().startswith("first 5 rows × 1 column · there are more (--all)")
    with pytest.raises(InvalidError, match="not known"):
        len(ran.value)
    assert bool(ran.value)


def test_limit_and_all_say_how_many_rows_come(nb: Shell) -> None:
    assert nb.run("%lhsql --limit 7 FROM workers").value.table.num_rows == 7
    assert nb.run("%lhsql --all FROM workers").value.table.num_rows == 500
    assert nb.run("%lhsql --all FROM range(3000)").value.caption(1000).startswith("1,000 of 3,000 rows")


def test_a_result_gives_all_of_its_rows_in_three_forms(nb: Shell) -> None:
    result = nb.run("%lhsql SELECT worker_id FROM workers ORDER BY 1").value
    assert result.df()["worker_id"].tolist() == list(range(500))
    assert result.pl()["worker_id"].to_list() == list(range(500))
    assert result.arrow()["worker_id"].to_pylist() == list(range(500))


@pytest.mark.parametrize(("kind", "made"), [("df", pd.DataFrame), ("pl", pl.DataFrame), ("arrow", pa.Table)])
def test_to_makes_the_cells_value_all_rows_in_another_form(nb: Shell, kind: str, made: type) -> None:
    ran = nb.run(f"%lhsql --as kept --to {kind} SELECT worker_id FROM workers")
    assert isinstance(ran.value, made)
    assert len(ran.value) == 500
    assert nb.names["kept"] is ran.value is nb.names["_lh"]


def test_a_dataframe_has_the_types_that_duckdb_gives_it(nb: Shell) -> None:
    sql = "SELECT 1.5::DECIMAL(9, 2) AS pay, DATE '2024-02-01' AS day, 'a' AS t, 1::BIGINT AS n, 2.5::DOUBLE AS f"
    frame = nb.run(f"%lhsql --to df {sql}").value
    with duckdb.connect() as con:
        plain = con.sql(sql).df()
    assert [kind.kind for kind in frame.dtypes] == [kind.kind for kind in plain.dtypes]
    assert frame.astype(plain.dtypes).equals(plain)
    assert nb.run(f"%lhsql --to arrow {sql}").value["pay"][0].as_py() == Decimal("1.50")


def test_an_assignment_keeps_the_result_under_its_own_name(nb: Shell) -> None:
    nb.run("found = %lhsql SELECT 7 AS n")
    assert nb.run("%lhsql SELECT n + 1 AS m FROM found").value.df()["m"].tolist() == [8]


def test_a_statement_on_the_line_and_in_the_cell_are_one(nb: Shell) -> None:
    assert nb.run("%%lhsql SELECT worker_id\nFROM workers\nWHERE worker_id = 3").value.df().iloc[0, 0] == 3


# Names and values


def test_a_kept_result_is_read_by_the_next_cell_with_the_values_of_its_time(nb: Shell) -> None:
    nb.run("state = 'IL'")
    nb.run("%%lhsql --as few\nSELECT worker_id, state FROM workers WHERE state = {{state}}")
    nb.run("state = 'OH'")
    again = nb.run("%lhsql SELECT DISTINCT state FROM few").value
    assert again.df()["state"].tolist() == ["IL"]
    assert again.snapshots == {"workers": 1}


def test_a_kept_result_stays_on_its_snapshot(own: Shell) -> None:
    own.run("%lhsql --as before SELECT count(*) AS n FROM workers")
    assert own.run("%lhsql --save workers --append SELECT * FROM workers LIMIT 1").error is None
    assert own.run("%lhsql SELECT count(*) AS n FROM workers").value.df()["n"].tolist() == [501]
    assert own.run("%lhsql FROM before").value.df()["n"].tolist() == [500]
    assert own.names["before"].df()["n"].tolist() == [500]


def test_values_arrive_as_they_are(nb: Shell) -> None:
    nb.names.update(day=dt.date(2024, 2, 1), money=Decimal("1.50"), roles=["Picker", "Welder"], no=None)
    row = nb.run("%lhsql SELECT {{day}} AS d, {{money}} AS m, {{no}} IS NULL AS n").value.arrow().to_pylist()[0]
    assert row == {"d": dt.date(2024, 2, 1), "m": Decimal("1.50"), "n": True}
    assert nb.run("%lhsql SELECT DISTINCT role FROM workers WHERE role IN {{roles}} ORDER BY 1").value.df()[
        "role"
    ].tolist() == ["Picker", "Welder"]


def test_a_magic_in_a_function_sees_the_functions_own_names(nb: Shell) -> None:
    nb.run("def ask(city):\n    return get_ipython().run_line_magic('lhsql', 'SELECT {{city}} AS c')\n")
    assert nb.run("ask('Joliet').df()['c'].tolist()").value == ["Joliet"]


@pytest.mark.parametrize("text", ["$x", "{x}", "{{'a': 1}}", "$HOME", "${x}"])
def test_the_shell_expands_nothing_in_our_lines(nb: Shell, text: str) -> None:
    nb.names["x"] = "gone"
    ran = nb.run(f"%lhsql SELECT '{text.replace(chr(39), chr(39) * 2)}' AS t")
    if ran.error is None:
        assert ran.value.df()["t"].tolist() == [text]
    else:  # {{…}} inside a string is refused by name, never replaced
        assert isinstance(ran.error, InvalidError)
        assert "gone" not in ran.text


def test_raw_sql_is_said(nb: Shell) -> None:
    nb.names["part"] = "role, state"
    ran = nb.run("%lhsql SELECT {{part!sql}} FROM workers LIMIT 1")
    assert ran.value.columns == ["role", "state"]
    assert "raw SQL inserted: {{part!sql}}" in ran.text
    assert "raw SQL inserted: {{part!sql}}" in ran.value._repr_html_()


def test_frames_are_tables_and_a_clash_is_said(nb: Shell) -> None:
    nb.names.update(people=pd.DataFrame({"a": [1, 2]}), more=pl.DataFrame({"a": [3]}), rest=pa.table({"a": [4]}))
    ran = nb.run("%lhsql SELECT sum(a) AS s FROM (FROM people UNION ALL FROM more UNION ALL FROM rest)")
    assert ran.value.df()["s"].tolist() == [10]
    nb.names["workers"] = pd.DataFrame({"a": [1]})
    ran = nb.run("%lhsql SELECT count(*) AS n FROM workers")
    assert ran.value.df()["n"].tolist() == [500]
    assert "workers: the dataset was read, not the DataFrame of that name" in ran.text


@pytest.mark.parametrize("name", ["workers", "Workers", "class", "order", "2nd", "a-b"])
def test_a_name_that_could_not_be_read_is_refused_before_anything_runs(nb: Shell, name: str) -> None:
    ran = nb.run(f"%lhsql --as {name} SELECT 1 AS n")
    assert isinstance(ran.error, InvalidError)
    assert name in str(ran.error)
    assert name not in nb.names


def test_the_words_that_sql_keeps_are_the_engines() -> None:
    asked = "SELECT DISTINCT keyword_name FROM duckdb_keywords() WHERE keyword_category = 'reserved'"
    with duckdb.connect() as con:
        assert {row[0] for row in con.execute(asked).fetchall()} == RESERVED


# Saving, plans, the open engine


def test_save_makes_a_dataset_with_lineage_that_the_next_cell_reads(own: Shell) -> None:
    ran = own.run("%lhsql --save pickers -m \"for June\" SELECT * FROM workers WHERE role = 'Picker'")
    assert ran.error is None
    assert "pickers@1 created · 125 rows × 6 columns · from workers@1" in ran.text
    assert own.run("%lhsql SELECT count(*) AS n FROM pickers").value.df()["n"].tolist() == [125]
    assert own.run("%lhsql SELECT name FROM pickers LIMIT 1").value.masked == ("name",)
    again = own.run("%lhsql --save pickers SELECT 1 AS n")
    assert again.error is not None
    assert "pickers" in str(again.error)
    assert own.run("%lhsql --save pickers --replace SELECT 1 AS n").error is None


def test_explain_shows_the_plan_and_profile_where_the_time_went(nb: Shell) -> None:
    plan = nb.run("%lhsql --explain SELECT role, count(*) FROM workers GROUP BY 1")
    assert "READ_PARQUET" in plan.text.upper()
    assert "<pre" in plan.value._repr_html_()
    profile = nb.run("%lhsql --profile SELECT role, count(*) FROM workers GROUP BY 1")
    assert "rows" in profile.value.text
    assert "of work on all cores" in profile.value.caption


def test_a_reading_names_the_slowest_steps() -> None:
    plan = "order by · 1 row · 2.0 ms\n  Order By: n\n  scan · 1,000 rows · 6.0 ms\n    project · 5 rows · 0.0 ms"
    assert reading(plan) == "8 ms of work on all cores: scan 75 % (6 ms), order by 25 % (2 ms)"
    assert reading("scan\n  rows") == ""


def test_open_writes_files_as_it_says(nb: Shell, tmp_path: Path) -> None:
    ran = nb.run(f"%lhsql --open COPY (SELECT name FROM workers LIMIT 1) TO '{tmp_path / 'out.csv'}'")
    assert "it can write files" in ran.text
    assert (tmp_path / "out.csv").read_text().splitlines() == ["name", "Janice Fischer"]


def test_open_is_the_whole_engine_and_says_so(nb: Shell) -> None:
    made = nb.run("%lhsql --open CREATE TABLE mine AS SELECT name FROM workers LIMIT 2")
    assert made.error is None
    ran = nb.run("%lhsql --open --as seen SELECT * FROM mine")
    assert "Fischer" in ran.text
    assert "--open: the whole engine, not read-only: it can write files (COPY); nothing is masked" in ran.text
    assert nb.run("%lhsql SELECT count(*) AS n FROM seen").value.df()["n"].tolist() == [2]
    assert isinstance(nb.run("%lhsql CREATE TABLE other AS SELECT 1").error, QueryError)
    nb.names["words"] = pd.DataFrame({"a": [5]})
    assert nb.run("%lhsql --open SELECT a + {{add}} AS b FROM words").error is not None
    nb.names["add"] = 1
    assert nb.run("%lhsql --open --to df SELECT a + {{add}} AS b FROM words").value["b"].tolist() == [6]


# Errors


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("%lhsql SELECT rol FROM workers", "rol"),
        ("%lhsql SELECT * FROM wrkers", "workers"),
        ("%lhsql SELECT {{nothing}}", "nothing"),
        ("%lhsql --too df SELECT 1", "--to"),
        ("%lhsql --to xl SELECT 1", "xl"),
        ("%lhsql --as 'x SELECT 1", "quot"),
        ("%lhsql --limit 0 SELECT 1", "--limit"),
        ("%lhsql --timeout 0 SELECT 1", "--timeout"),
        ("%lhsql --to df --explain SELECT 1", "exclude"),
        ("%lhsql --all --limit 3 SELECT 1", "exclude"),
        ("%lhsql SELECT 1 --limit 3", "first"),
        ("%lhsql --as x", "no SQL"),
        ("%lhsql -m why SELECT 1", "--save"),
        ("%lhsql --open --save x SELECT 1", "--open"),
        ("%lhsql --plot pie role FROM workers", "bar|line"),
        ("%lhsql --plot bar rle FROM workers", "role"),
    ],
)
def test_an_error_is_a_few_lines_that_name_the_way_out(nb: Shell, code: str, words: str) -> None:
    ran = nb.run(code)
    assert ran.error is not None
    assert words in ran.text
    assert "Traceback" not in ran.text
    assert "magics.py" not in ran.text
    assert len(ran.text.strip().splitlines()) <= 8


def test_a_fault_of_our_own_is_two_lines_and_says_how_to_see_more(nb: Shell) -> None:
    nb.run("import kernel_ext\n")
    session = next(iter(kernel_ext._sessions.values()))
    session.history = None  # type: ignore[assignment]  # broken from outside: what it does then is a fault
    ran = nb.run("%lhsql SELECT 1")
    assert isinstance(ran.error, AttributeError)
    assert len(ran.text.strip().splitlines()) == 2
    assert "magics.py:" in ran.text
    assert "print_exception" in ran.text


def test_a_fault_of_our_own_shows_no_personal_data(nb: Shell) -> None:
    class Full(list[object]):
        def append(self, _: object) -> None:
            raise LookupError("no row of ann.lee@x.example, 815-555-0134")

    nb.run("import kernel_ext\n")
    next(iter(kernel_ext._sessions.values())).history = Full()  # type: ignore[assignment]  # broken from outside
    ran = nb.run("%lhsql SELECT 1")
    assert isinstance(ran.error, LookupError)
    assert "LookupError: no row of" in ran.text
    assert "ann.lee" not in ran.text
    assert "0134" not in ran.text


def test_a_library_that_is_not_there_is_named_with_its_command(nb: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "polars", None)
    ran = nb.run("%lhsql --to pl SELECT 1 AS n")
    assert isinstance(ran.error, MissingExtraError)
    assert "polars" in ran.text
    assert "Traceback" not in ran.text
    assert "lakehouse-workbench[plot]" in missing(ModuleNotFoundError(name="holoviews.core")).hint
    assert "lakehouse-workbench[notebook]" in missing(ModuleNotFoundError(name="pandas")).hint


def test_help_lists_the_options(nb: Shell) -> None:
    ran = nb.run("%lhsql --help")
    assert ran.value is None
    for option in (
        "--as NAME",
        "--to",
        "--save",
        "--plot",
        "--explain",
        "--profile",
        "--timeout",
        "--show-pii",
        "--open",
    ):
        assert option in ran.text


# Options by themselves


@pytest.mark.parametrize(
    ("line", "before", "sql"),
    [
        ("--as x SELECT 'a  b' AS \"c d\"", "x", "SELECT 'a  b' AS \"c d\""),
        ("--as=x from t", "x", "from t"),
        ("-m 'select the best' --as y WITH a AS (SELECT 1) FROM a", "y", "WITH a AS (SELECT 1) FROM a"),
        ("(SELECT 1)", None, "(SELECT 1)"),
        ("--as z", "z", ""),
        ("", None, ""),
    ],
)
def test_options_end_where_the_statement_begins(line: str, before: str | None, sql: str) -> None:
    options = Options("lhdemo", "Demo.")
    options.add("--as", dest="name")
    options.add("-m")
    read, text = options.read_sql(line)
    assert read is not None
    assert (read.name, text) == (before, sql)


def test_quotes_work_as_in_a_shell() -> None:
    options = Options("lhdemo", "Demo.")
    options.add("words", nargs="*")
    read = options.read("""one "two three" 'four five' six\\ seven""")
    assert read is not None
    assert read.words == ["one", "two three", "four five", "six seven"]


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.0001, "1 ms"), (0.0124, "12 ms"), (0.9999, "1.0 s"), (3.44, "3.4 s"), (125, "2 min 5 s")]
)
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


# Loading, unloading, other doors


def test_loading_twice_and_unloading_leave_nothing_behind(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LH_LAKE", str(lake))
    with shell() as nb:
        manager = nb.ipython.magics_manager
        before = {sort: set(names) for sort, names in manager.magics.items()}
        names = set(nb.names)
        matchers = list(nb.ipython.Completer.custom_matchers)
        for line in ("%load_ext kernel_ext", "%load_ext kernel_ext", "%reload_ext kernel_ext"):
            assert nb.run(line).error is None
        kernel_ext.load_ipython_extension(nb.ipython)
        assert len(nb.ipython.Completer.custom_matchers) == len(matchers) + 1
        assert set(nb.names) == names
        kept = nb.run("%lhsql --as kept FROM workers LIMIT 2").value
        assert nb.run("%unload_ext kernel_ext").error is None
        assert {sort: set(names) for sort, names in manager.magics.items()} == before
        assert not {"SqlMagics", "LakeMagics", "SearchMagics"} & set(manager.registry)
        assert list(nb.ipython.Completer.custom_matchers) == matchers
        assert "not found" in nb.run("%lhsql SELECT 1").text
        assert kept.table.num_rows == 2
        assert nb.run("%load_ext kernel_ext\n").error is None
        assert nb.run("%lhsql SELECT 1 AS n").value.df()["n"].tolist() == [1]


def test_there_is_no_session_outside_a_shell() -> None:
    with pytest.raises(NotFoundError, match="No session"):
        kernel_ext.workbench()


def test_history_remembers_what_was_asked(nb: Shell) -> None:
    nb.names["n"] = 3
    nb.run("%lhsql SELECT worker_id FROM workers WHERE worker_id < {{n}}")
    last = kernel_ext._sessions[nb.ipython].history[-1]
    assert last.sql == "SELECT worker_id FROM workers WHERE worker_id < {{n}}"
    assert (list(last.params.values()), last.snapshots, last.rows) == ([3], {"workers": 1}, 3)


def test_loading_brings_no_toolkit() -> None:
    code = (
        "import IPython.core.interactiveshell as i, json, sys\n"
        "i.InteractiveShell().run_line_magic('load_ext', 'kernel_ext')\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    heavy = {"pandas", "polars", "holoviews", "bokeh", "ipywidgets", "papermill", "hnswlib", "tantivy", "deltalake"}
    assert not heavy & set(json.loads(done.stdout))


@pytest.fixture(scope="module")
def running(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with kernel(tmp_path_factory.mktemp("kernel"), LH_LAKE=str(lake)) as started:
        started.run("%load_ext kernel_ext")
        yield started


def test_a_kernel_shows_a_table_and_keeps_plain_text_beside_it(running: Kernel) -> None:
    cell = running.run("%lhsql SELECT worker_id, role FROM workers")
    (shown,) = [m for m in cell.outputs if m["msg_type"] == "execute_result"]
    # On a slow machine the bar came and went before it; nothing else is there.
    assert all("display_id" in m["content"]["transient"] for m in cell.outputs if m is not shown)
    assert shown["content"]["data"]["text/html"].count("<tr>") == 101
    assert "20 of 500 rows" in shown["content"]["data"]["text/plain"]


def test_a_kernel_shows_an_error_without_a_traceback(running: Kernel) -> None:
    for code in ("%lhsql SELECT rol FROM workers", "%lhsql --too df SELECT 1", "%%lhsql\nSELECT {{no_such}}"):
        cell = running.run(code)
        assert cell.status == "error"
        assert [m["msg_type"] for m in cell.outputs] == ["error"]
        assert "Traceback" not in cell.text
        assert ".py" not in cell.text


def test_a_session_is_reached_from_python(running: Kernel) -> None:
    cell = running.run("import kernel_ext\nkernel_ext.workbench().sql('SELECT 42 AS n').df().iloc[0, 0]")
    assert "42" in cell.text


def test_papermills_runner_keeps_the_result_and_nothing_else(lake: Path, tmp_path: Path) -> None:
    # A second or two, which is longer than a bar waits before it shows itself.
    slow = "SELECT count(*) AS n FROM range(15000) a(x), range(15000) b(y) WHERE hash(x + y) = 1"
    sources = ["%load_ext kernel_ext", f"%%lhsql --as counted\n{slow}", "%lhsql FROM counted"]
    notebook = new_notebook(cells=[new_code_cell(source) for source in sources])
    env = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(tmp_path / "ipython"), "LH_LAKE": str(lake)}
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=place).execute(env=env)
    kinds = [[output["output_type"] for output in cell["outputs"]] for cell in notebook["cells"]]
    assert kinds == [[], ["execute_result"], ["execute_result"]]
    assert "1 row × 1 column" in notebook["cells"][1]["outputs"][0]["data"]["text/plain"]


# Names that a result cannot have


@pytest.mark.parametrize("name", ["print", "list", "class", "pd"])
def test_a_result_takes_no_name_that_python_needs(nb: Shell, name: str) -> None:
    nb.run("import pandas as pd")
    ran = nb.run(f"%lhsql --as {name} SELECT 1 AS n")
    assert isinstance(ran.error, InvalidError)
    assert "the next cells would miss it" in ran.error.message
    assert nb.run("pd.DataFrame, print, list").error is None
    # A name of the user's own may be used again, as in Python.
    assert nb.run("mine = 5\n%lhsql --as mine SELECT 1 AS n").error is None


def test_a_name_that_cannot_be_kept_is_refused_before_anything_runs(own: Shell) -> None:
    for line in ("--save fresh --as workers", "--save fresh --as pathlib", "--save fresh --as FRESH"):
        own.run("import pathlib")
        assert isinstance(own.run(f"%lhsql {line} SELECT 1 AS n").error, InvalidError)
    assert isinstance(own.run("%lhsql FROM fresh").error, NotFoundError)


def test_two_columns_of_one_name_are_told_apart_for_polars(nb: Shell) -> None:
    nb.run("twice = %lhsql SELECT 1 AS a, 2 AS b, 3 AS b")
    for cell in ("%lhsql --to pl FROM (SELECT 1 AS a), (SELECT 2 AS b), (SELECT 3 AS b)", "twice.pl()"):
        ran = nb.run(cell)
        assert isinstance(ran.error, InvalidError)
        assert ran.error.message.startswith("Two columns are named b")
    assert nb.run("%lhsql --to df SELECT 1 AS b, 3 AS b").value.to_numpy().tolist() == [[1, 3]]
