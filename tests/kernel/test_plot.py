"""``--plot``: the engine computes the points, some hundred travel, and the page asks no other host."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from shells import Kernel, Shell, fill, kernel, shell

from kernel_ext.chart import Chart
from workbench.errors import InvalidError, NotFoundError

OTHER_HOST = re.compile(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|import\(["']https?:""")
LIBRARY_BYTES = 500_000


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("plot"))


@pytest.fixture
def nb(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setenv("LH_LAKE", str(lake))
    with shell() as opened:
        opened.run("%load_ext kernel_ext")
        yield opened


def chart(nb: Shell, words: str, sql: str) -> Chart:
    ran = nb.run(f"%lhsql --plot {words} {sql}")
    assert ran.error is None, ran.text
    assert isinstance(ran.value, Chart)
    return ran.value


def test_bars_are_sums_the_largest_first(nb: Shell) -> None:
    made = chart(nb, "bar role availability", "FROM workers")
    want = nb.run("%lhsql SELECT role, sum(availability) AS s FROM workers GROUP BY 1 ORDER BY 2 DESC, 1").value.df()
    assert made.table["x"].to_pylist() == want["role"].tolist()
    assert made.table["y"].to_pylist() == pytest.approx(want["s"].tolist())
    assert made.caption.startswith("availability summed by role · ")
    assert made.caption.endswith("workers@1")


def test_the_bars_beyond_thirty_are_one_and_said(nb: Shell) -> None:
    made = chart(nb, "bar x", "SELECT x // 2 AS x FROM range(100) t(x)")
    assert made.table.num_rows == 31
    assert made.table.to_pylist()[-1] == {"x": None, "y": 40.0, "place": 20, "rest": True}
    assert "the largest 30, and 20 more as one" in made.caption
    assert "20 more" in repr(made)


def test_bars_of_days_stay_in_their_order_and_null_is_a_bar(nb: Shell) -> None:
    made = chart(nb, "bar joined", "FROM workers")
    assert made.table["x"].to_pylist() == [f"2024-{month:02d}-01" for month in range(1, 13)]
    assert None in chart(nb, "bar x", "SELECT NULL::VARCHAR AS x UNION ALL SELECT 'a'").table["x"].to_pylist()


def test_a_line_of_many_rows_is_buckets_that_keep_the_mean(nb: Shell) -> None:
    made = chart(nb, "line x y", "SELECT x, 2.0 * x AS y FROM range(100000) t(x)")
    assert made.table.num_rows == 200
    assert made.table["y"].to_pylist() == pytest.approx([2 * x for x in made.table["x"].to_pylist()])
    assert "mean y in 200 buckets of x" in made.caption
    assert chart(nb, "line joined", "FROM workers").table.num_rows == 12


def test_a_scatter_of_many_rows_is_a_grid_and_says_so(nb: Shell) -> None:
    few = chart(nb, "scatter worker_id availability", "FROM workers")
    assert few.table.num_rows == 490  # ten are NULL
    many = chart(nb, "scatter x y", "SELECT x, (x * 7919) % 1000 AS y FROM range(50000) t(x)")
    assert many.table.num_rows <= 60 * 40
    assert sum(many.table["n"].to_pylist()) == 50_000
    assert "50,000 rows in a grid of 60 × 40" in many.caption


def test_a_histogram_counts_every_row_once(nb: Shell) -> None:
    made = chart(nb, "hist availability", "FROM workers")
    assert made.table.num_rows == 30
    assert sum(made.table["y"].to_pylist()) == 490
    assert chart(nb, "hist x", "SELECT 5 AS x FROM range(9)").table.to_pylist() == [{"x": 5.0, "width": 1.0, "y": 9.0}]
    strange = chart(nb, "hist x", "SELECT unnest([1.0, 2.0, 'NaN'::DOUBLE, 'inf'::DOUBLE, NULL]) AS x")
    assert sum(strange.table["y"].to_pylist()) == 2


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ("bar", InvalidError, "X"),
        ("hist availability role", InvalidError, "X"),
        ("hist role", InvalidError, "number or time"),
        ("line role", InvalidError, "bar role"),
        ("bar role state", InvalidError, "number"),
        ("scatter role availability", InvalidError, "number"),
        ("bar roel", NotFoundError, "role"),
        ("bar name", InvalidError, "--show-pii"),
        ("hist nothing", InvalidError, "no value"),
    ],
)
def test_what_cannot_be_drawn_is_said(nb: Shell, words: str, error: type[Exception], said: str) -> None:
    ran = nb.run(f"%lhsql --plot {words} SELECT *, NULL::DOUBLE AS nothing FROM workers")
    assert isinstance(ran.error, error)
    assert said in ran.text


def test_personal_data_is_drawn_only_when_asked_for(nb: Shell) -> None:
    made = nb.run("%lhsql --show-pii --plot bar name SELECT name FROM workers LIMIT 3").value
    assert "Fischer" in str(made.table["x"].to_pylist())


def test_strange_column_names_are_drawn(nb: Shell) -> None:
    made = nb.run("""%lhsql --plot bar 'a "b" c' SELECT 1 AS "a ""b"" c" """)
    assert made.error is None
    assert made.value.table["x"].to_pylist() == ["1"]


@pytest.fixture(scope="module")
def running(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with kernel(tmp_path_factory.mktemp("kernel"), LH_LAKE=str(lake)) as started:
        started.run("%load_ext kernel_ext")
        yield started


def page(running: Kernel, words: str, cell_id: str) -> str:
    cell = running.run(f"%lhsql --plot {words} FROM workers", cell_id=cell_id)
    assert cell.status == "ok", cell.text
    (shown,) = [m for m in cell.outputs if m["msg_type"] == "execute_result"]
    return str(shown["content"]["data"]["text/html"])


def test_a_notebook_gets_the_library_once_and_nothing_from_elsewhere(running: Kernel) -> None:
    running.run("import kernel_ext; kernel_ext.opened().chart_cell = None")  # as after a restart
    first = page(running, "bar role", "a")
    assert len(first) > LIBRARY_BYTES
    for words in ("line joined", "scatter worker_id availability", "hist availability", "bar role availability"):
        more = page(running, words, "b")
        assert len(more) < LIBRARY_BYTES
        assert OTHER_HOST.search(more) is None
    # The library itself names hosts in tools that we do not use; what we write around it names none.
    assert OTHER_HOST.search(first.partition("</script>")[2]) is None
    assert OTHER_HOST.search(first[:200]) is None
    # The cell that carries it carries it again: running it anew replaced its output.
    assert len(page(running, "bar role", "a")) > LIBRARY_BYTES


def test_a_chart_reads_the_themes_colours_and_has_no_toolbar(running: Kernel) -> None:
    drawn = page(running, "hist availability", "b")
    assert "--bk-major-label-text-color:var(--jp-content-font-color1" in drawn
    assert '"toolbar_location":null' in drawn.replace(" ", "")
    assert 'role="img"' in drawn
    assert "0,0.[000]" in drawn


@pytest.mark.parametrize("words", ["bar a", "bar a b", "line b", "scatter b b", "hist b"])
def test_no_rows_make_no_chart(nb: Shell, words: str) -> None:
    ran = nb.run(f"%lhsql --plot {words} SELECT 'x' AS a, 1 AS b WHERE false")
    assert isinstance(ran.error, InvalidError)
    assert ran.error.hint == "Look at the rows without --plot."


def test_one_value_is_one_bin(nb: Shell) -> None:
    assert chart(nb, "hist a", "SELECT 5 AS a FROM range(10)").table.to_pylist() == [
        {"x": 5.0, "width": 1.0, "y": 10.0}
    ]
    assert chart(nb, "hist a", "SELECT DATE '2024-01-01' AS a").table["y"].to_pylist() == [1.0]


def test_a_label_can_neither_end_nor_hide_the_script_of_its_chart() -> None:
    from kernel_ext.chart import _element, _html
    from kernel_ext.plot import Axis, Drawing

    label = "<!--<script></script><img src=x>"
    points = pa.table({"x": [label], "y": [1.0], "place": [1], "rest": [False]})
    drawing = Drawing("bar", points, Axis(label, "text"), "rows", label)
    page = _html(_element(drawing), drawing, label, (label,))
    assert page.count("<script>") == page.count("</script>") == 1
    for mark in ("<!--", "<img"):
        assert mark not in page
