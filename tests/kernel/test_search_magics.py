"""``%lhsearch`` in a real IPython shell over a real lake: what is shown, what can be read on from it, and its words."""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from kernel_ext import search_magics
from kernel_ext.hits import Hits, Search, quoted
from kernel_ext.written import written
from workbench.cli import reasons
from workbench.errors import InvalidError, NotFoundError, QueryCancelledError, QueryError, WorkbenchError
from workbench.search.embedding.embed import Side, WordllamaEmbedder
from workbench.search.embedding.local_server import LocalServer
from workbench.session import Workbench, connect

Run = Callable[[str], Any]
NASTY = (
    "O'Hare", "'; DROP TABLE workers; --", "' OR '1'='1", "\\", "\\'", "''", "'", '"', "a\nb", "a\r\n--b", "/*",
    "*/ OR 1=1", "$x", "{{x}}", "$$", "é", "😀", "", " ", "%", "_", "--", "x' || (SELECT 1) || '", "\u2028", "U&", "E'",
    "\x1b[2J",
)  # fmt: skip
VALUES = (
    *NASTY, 0, -5, 2**70, 1.5, -0.1, float("inf"), float("nan"), True, False, None, Decimal("1.50"), Decimal("-7"),
    dt.date(2026, 2, 28), dt.datetime.fromisoformat("2026-02-28 01:02:03.000004"),
    dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.time(9, 30), dt.timedelta(days=-2, seconds=1), uuid.UUID(int=7),
    b"\x00'\xff", ["a", "b'c"], [1, -2], [],
)  # fmt: skip


@pytest.fixture
def shell(staffed: Workbench, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    """A shell with the extension loaded, on a lake of 2,000 workers."""
    monkeypatch.setenv("LH_LAKE", staffed.settings.lake)
    monkeypatch.setenv("COLUMNS", "120")
    config = Config()
    config.HistoryManager.enabled = False
    opened = InteractiveShell.instance(config=config)
    opened.run_line_magic("load_ext", "kernel_ext")
    yield opened
    opened.run_line_magic("unload_ext", "kernel_ext")
    InteractiveShell.clear_instance()


@pytest.fixture
def run(shell: InteractiveShell) -> Run:
    """Run a cell; its value, or the error it ended with."""

    def cell(text: str) -> Any:
        done = shell.run_cell(text)
        if done.error_before_exec or done.error_in_exec:
            raise done.error_before_exec or done.error_in_exec
        return done.result

    return cell


# -- what is found ----------------------------------------------------------------------------------------------------


def test_a_line_finds_what_python_finds(run: Run, staffed: Workbench) -> None:
    found = run("""%lhsearch "forklift, OSHA-30, nights" --where "city = 'Joliet'" -k 7 --why""")
    told = staffed.search("forklift, OSHA-30, nights", where="city = 'Joliet'", k=7)
    assert isinstance(found, Hits)
    assert found.ids == [hit.id for hit in told.hits]
    assert [hit.score for hit in found.results.hits] == [hit.score for hit in told.hits]
    assert (found.query, found.options["k"], found.funnel) == (told.query, 7, reasons.funnel(told))
    assert found.freshness.version == told.version
    assert found.search_id not in {"", told.search_id}


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("welder", {}),
        ("welder who can tig", {"query": "welder who can tig"}),
        ('"fork truck" -k3 --city "Joliet, IL"', {"query": "fork truck", "k": 3, "city": "Joliet, IL"}),
        ("nurse --role 'registered nurse'", {"query": "nurse", "role": "registered nurse"}),
        ("welder --exclude W-5 --exclude 7", {"exclude": ["W-5", "7"]}),
        ("welder --mode text --in workers@1", {"mode": "text", "dataset": "workers@1"}),
        ("welder --dataset workers --mode vector --show-pii", {"mode": "vector", "show_pii": True}),
        ("welder --column city --column role", {"columns": ["city", "role"]}),
    ],
)  # fmt: skip
def test_an_option_is_that_of_the_verb(line: str, options: dict[str, Any], run: Run, staffed: Workbench) -> None:
    found = run(f"%lhsearch {line}")
    asked = {"query": "welder"} | options
    told = staffed.search(asked.pop("query"), **asked)
    assert found.ids == [hit.id for hit in told.hits]
    assert found.results.table.equals(told.table)
    assert found.results.funnel == told.funnel


@pytest.mark.parametrize("query", ["-nights welder", "-welder packer", "--why", "-k 3 forklift", "-5 degrees freezer"])
def test_what_is_quoted_is_no_option(query: str, run: Run, staffed: Workbench) -> None:
    for line in (f'"{query}" -k 2', f"-k 2 '{query}'", f"-k 2 --why '{query}'"):
        assert run(f"%lhsearch {line}").ids == [hit.id for hit in staffed.search(query, k=2).hits]


def test_a_query_of_conditions_alone_is_told_so(run: Run) -> None:
    with pytest.raises(InvalidError, match="no words to rank by"):
        run('%lhsearch "-nights"')


@pytest.mark.parametrize(
    ("line", "error", "said"),
    [
        ("welder --wher x", InvalidError, "--where"),
        ("welder --mode best", InvalidError, "vector"),
        ('"welder', InvalidError, "quote"),
        ("welder -k many", InvalidError, "-k"),
        ("welder -k 0", InvalidError, "k is 0"),
        ("welder --as select", InvalidError, "SQL keeps this word"),
        ("welder --as workers", InvalidError, "is a dataset of the lake"),
        ("welder --in workesr", NotFoundError, "workers"),
        ("welder --where 'cty = 1'", QueryError, "cty"),
        ("welder --where 'true) OR (true'", QueryError, ""),
        ("welder --refine --to df", InvalidError, "--refine"),
        ("", InvalidError, "query"),
    ],
)
def test_what_cannot_be_asked_is_said_in_words(line: str, error: type[WorkbenchError], said: str, run: Run) -> None:
    with pytest.raises(error) as raised:
        run(f"%lhsearch {line}")
    assert said in str(raised.value)
    assert len(raised.value._render_traceback_()) <= 6


def test_help_is_shown_and_nothing_is_searched(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("%lhsearch --help") is None
    assert "--why-not ID" in capsys.readouterr().out


# -- what is shown ----------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """The elements of a page, its text, and whether they close as they opened."""

    VOID = frozenset({"br", "meta"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1] != "style":
            self.text += data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)


def test_the_page_is_a_table_whose_reasons_open_without_a_script(run: Run) -> None:
    found = run('%lhsearch "forklift, OSHA-30, nigths" -k 5')
    page = Page(found._repr_html_())
    assert (page.count("details"), page.count("summary"), page.count("script"), page.count("table")) == (5, 5, 0, 1)
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert not any("open" in attributes for tag, attributes in page.tags if tag == "details")
    for hit in found.results.hits:
        assert f"{hit.score:.3f}" in page.text
        assert hit.snippet in page.text
        assert reasons.reasons(hit, trade=False).replace("\u00a0", " ").split(" · ")[0] in page.text
    assert found.funnel in page.text
    assert "read 'nigths' as night" in page.text
    for name in found.results.table.column_names:
        assert name in page.text
    opened = Page(run('%lhsearch "forklift" -k 2 --why')._repr_html_())
    assert sum("open" in attributes for tag, attributes in opened.tags if tag == "details") == 2


def test_a_bar_is_as_long_as_its_score(run: Run) -> None:
    found = run('%lhsearch "forklift operator" -k 3')
    html = found._repr_html_()
    bars = re.findall(r'class="lh-bar">(.*?)</span>', html)
    for bar, hit in zip(bars, found.results.hits, strict=True):
        widths = [float(width) for width in re.findall(r"width:([\d.]+)%", bar)]
        assert sum(widths) == pytest.approx(100 * hit.score, abs=0.7)


def test_that_nothing_is_close_is_said_first(run: Run) -> None:
    page = Page(run('%lhsearch "sourdough bread recipe" -k 2')._repr_html_())
    assert page.text.index("Nothing here is close") < page.text.index("worker_id")
    empty = run("""%lhsearch welder --where "city = 'Atlantis'" """)
    assert "No row is left after: city = 'Atlantis'" in Page(empty._repr_html_()).text
    assert "No row is left after" in empty.text()
    assert len(empty) == 0


def test_no_text_of_a_row_or_a_query_becomes_markup(run: Run, copied: Workbench, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LH_LAKE", copied.settings.lake)
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    (tmp_path / "pets.csv").write_text(f'pet_id,name_of,notes\n1,"{evil}","welder {evil}"\n2,b,welder\n')
    copied.ingest(tmp_path / "pets.csv", "pets")
    found = run(f'%lhsearch "welder {evil}" --in pets -k 2 --why')
    page = Page(found._repr_html_())
    assert (page.count("script"), page.count("img")) == (0, 0)
    assert evil in page.text


def test_a_terminal_gets_the_words_of_the_command_line(run: Run) -> None:
    found = run('%lhsearch "forklift, OSHA-30, nights" -k 3 --why')
    text = found.text(100)
    lines = text.splitlines()
    assert lines[0].split()[:3] == ["score", "worker_id", "name"]
    assert [line.split()[1] for line in lines[1:4]] == [f"{hit.score:.3f}" for hit in found.results.hits]
    assert "  1. has " in text
    assert found.funnel in lines
    assert max(map(len, lines[:4])) <= 100
    assert "  1. has" not in run('%lhsearch "forklift" -k 3').text(100)
    assert repr(found) == found.text()


def test_personal_data_is_masked_unless_asked(run: Run) -> None:
    bare = run("%lhsearch welder -k 1 --show-pii")
    name = bare.table["name"][0].as_py()
    masked = run("%lhsearch welder -k 1 --why")
    assert masked.ids == bare.ids
    assert name in bare._repr_html_()
    for shown in (masked._repr_html_(), masked.text(), str(masked.df()), repr(masked.why(masked.ids[0]))):
        assert name not in shown


# -- what is read on --------------------------------------------------------------------------------------------------


def test_hits_are_a_table_in_every_form(run: Run) -> None:
    table = run("%lhsearch welder -k 4 --to arrow")
    assert isinstance(table, pa.Table)
    assert table.column_names[:4] == ["rank", "score", "why", "worker_id"]
    assert table["rank"].to_pylist() == [1, 2, 3, 4]
    assert table["score"].to_pylist() == sorted(table["score"].to_pylist(), reverse=True)
    assert all(why.startswith("has welder") for why in table["why"].to_pylist())
    assert run("%lhsearch welder -k 4 --to df").equals(table.to_pandas())
    assert run("%lhsearch welder -k 4 --to pl").to_arrow()["worker_id"].to_pylist() == table["worker_id"].to_pylist()


def test_hits_are_read_from_in_sql_under_their_name(run: Run) -> None:
    found = run("%lhsearch welder -k 5 --as found_welders")
    rows = run(
        "%%lhsql --to arrow\nSELECT rank, worker_id FROM found_welders WHERE rank <= 3 ORDER BY rank"
    ).to_pylist()
    assert [row["worker_id"] for row in rows] == found.ids[:3]
    joined = run(
        "%%lhsql --to arrow\n"
        "SELECT f.rank, w.city FROM found_welders f JOIN workers w USING (worker_id) ORDER BY f.rank"
    )
    assert joined["city"].to_pylist() == found.table["city"].to_pylist()
    assert run("_lh") is not None


def test_a_semicolon_keeps_the_output_quiet(run: Run, shell: InteractiveShell) -> None:
    assert run("%lhsearch welder -k 1 --as quiet_hits;") is None
    assert len(shell.user_ns["quiet_hits"]) == 1


def test_columns_that_are_called_as_ours_keep_apart(copied: Workbench, tmp_path: Path, run: Run, monkeypatch) -> None:
    monkeypatch.setenv("LH_LAKE", copied.settings.lake)
    (tmp_path / "jobs.csv").write_text("job_id,Rank,why,jobs_why,notes\n1,9,x,y,welder\n2,8,x,y,packer\n")
    copied.ingest(tmp_path / "jobs.csv", "jobs")
    names = run("%lhsearch welder --in jobs --column Rank --column why --column jobs_why --to arrow").column_names
    assert names[:3] == ["rank", "score", "why"]
    assert len({name.casefold() for name in names}) == len(names)
    assert "jobs_jobs_why" in names


def test_a_choice_is_noted_for_the_search_it_belongs_to(copied: Workbench, monkeypatch, run: Run) -> None:
    monkeypatch.setenv("LH_LAKE", copied.settings.lake)
    found = run("%lhsearch welder -k 3 --as picks")
    run("picks.chosen([picks.ids[1], f'W-{picks.ids[0]}'])")
    assert found.wb.journal is not None
    assert found.wb.journal.flush()
    rows = found.wb.sql(
        "SELECT event, chosen FROM searches WHERE search_id = $id ORDER BY event", {"id": found.search_id}
    ).table.to_pylist()
    assert [row["event"] for row in rows] == ["choice", "search"]
    assert rows[0]["chosen"] == [str(found.ids[1]), str(found.ids[0])]
    with pytest.raises(NotFoundError, match="is not among the 3 hits"):
        found.chosen(99999)


def test_why_tells_of_a_hit_and_of_a_row_that_is_none(run: Run, staffed: Workbench) -> None:
    found = run("""%lhsearch welder --where "city = 'Gary'" -k 3""")
    assert "2nd with" in repr(found.why(found.ids[1]))
    assert found.results.hits[1].snippet in repr(found.why(f"W-{found.ids[1]}"))
    [other] = staffed.search("welder", where="city <> 'Gary'", k=1).hits
    told = repr(found.why(other.id))
    assert "Dropped by: city = 'Gary' (city is " in told
    assert "To bring it in: leave out city = 'Gary'" in told
    same = run(f"""%lhsearch welder --where "city = 'Gary'" -k 3 --why-not {other.id}""")
    assert repr(same) == told
    assert "Dropped by" in Page(same._repr_html_()).text
    with pytest.raises(NotFoundError):
        run("%lhsearch welder --why-not 987654321")


def test_why_not_names_the_options_as_they_were_typed(run: Run, staffed: Workbench) -> None:
    [row] = staffed.search("forklift operator", k=1).hits
    told = repr(run(f"%lhsearch forklift operator --role 'registered nurse' --mode text --why-not W-{row.id}"))
    assert 'leave out --role "registered nurse"' in told
    assert "not by --mode text alone" in told


# -- values of the notebook -------------------------------------------------------------------------------------------


def test_a_variable_is_a_value_in_the_condition(run: Run, staffed: Workbench) -> None:
    run("towns = ['Joliet', \"O'Hare\"]; floor = 0.25; need = 'welder'; place = 'Gary, IN'; gone = None")
    found = run('%lhsearch {{need}} --where "city IN {{towns}} AND availability >= {{floor}}" -k 5')
    told = staffed.search("welder", where="city IN ('Joliet', 'O''Hare') AND availability >= 0.25", k=5)
    assert found.ids == [hit.id for hit in told.hits]
    assert run("%lhsearch {{need}} --city {{place}} -k 2").funnel.startswith("2,000 workers → ")
    assert "is None" in run('%lhsearch welder --where "city = {{gone}}"').text()
    assert run(found.magic).ids == found.ids
    with pytest.raises(NotFoundError, match="nead"):
        run("%lhsearch {{nead}}")
    with pytest.raises(InvalidError, match="stands alone"):
        run('%lhsearch "{{need}} nights"')
    with pytest.raises(InvalidError, match="no text"):
        run("%lhsearch {{floor}}")


def test_braces_and_dollars_arrive_as_they_are_typed(run: Run) -> None:
    run("x = 'SHOULD NOT BE SEEN'")
    for query in ("welder {x}", "welder $x", "welder ${x}"):
        assert run(f"%lhsearch '{query}' -k 1").query == query


def test_raw_text_says_so(run: Run) -> None:
    run("rule = 'availability > 0.5'")
    found = run('%lhsearch welder --where "{{rule!sql}}" -k 1')
    assert "raw SQL inserted" in found.text()
    assert "raw SQL inserted" in Page(found._repr_html_()).text


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_written_value_is_read_as_that_value_and_nothing_else(value: Any, staffed: Workbench) -> None:
    """Against the engine's own binding: the same value, and what stands beside it stays beside it."""
    said = written("({{x}}, 1)", {"x": value}).sql
    row = staffed.sql(f"SELECT {said}[1] IS NOT DISTINCT FROM $x AS same, typeof({said}[2]) AS after", {"x": value})
    assert row.table.to_pylist() == [{"same": True, "after": "INTEGER"}]
    beside = "true AND 'b' <> {{x}}" if isinstance(value, str) else "{{x}} IS NULL OR {{x}} IS NOT NULL"
    manifest = staffed.lake.get("workers")
    plain = staffed.lake.queries.clauses(manifest, written(beside, {"x": "a" if isinstance(value, str) else 1}).sql)
    assert len(staffed.lake.queries.clauses(manifest, written(beside, {"x": value}).sql)) == len(plain)


@pytest.mark.parametrize("before", ["E", "U&", "x", "$$", "'", '"', "--", "/*", "'a'\n"])
@pytest.mark.parametrize("value", [r"\' OR true --", "' OR true --", "ab"])
def test_no_prefix_turns_a_written_text_into_sql(before: str, value: str, staffed: Workbench) -> None:
    manifest = staffed.lake.get("workers")
    try:
        sql = written(f"city = {before}{{{{x}}}}", {"x": value}).sql
        rows = staffed.lake.queries.matching(manifest, "worker_id", sql)
    except WorkbenchError:
        return  # refused is as good
    assert len(rows) == 0


@given(st.text(max_size=30), st.text(max_size=10))
def test_any_text_that_is_written_comes_back(text: str, other: str) -> None:
    import duckdb

    if "\0" in text + other or not (text + other).isprintable():
        return
    said = written("({{x}}, {{y}})", {"x": text, "y": other}).sql
    assert "\n" not in said
    assert duckdb.sql(f"SELECT {said}").fetchall() == [((text, other),)]


# -- the line ---------------------------------------------------------------------------------------------------------

_LINE_TEXT = st.text(
    st.one_of(st.sampled_from("\"'\\$`!{}?;-% "), st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp", "Co"))),
    max_size=20,
)
_SEARCHES = st.builds(
    Search,
    query=_LINE_TEXT.filter(str.strip),
    dataset=st.sampled_from(["workers", "workers@1", "my data"]),
    where=_LINE_TEXT,
    k=st.integers(1, 1000),
    role=_LINE_TEXT,
    city=_LINE_TEXT,
    exclude=st.lists(_LINE_TEXT.filter(bool), max_size=3).map(tuple),
    mode=st.sampled_from(["hybrid", "vector", "text"]),
    columns=st.lists(_LINE_TEXT.filter(bool), max_size=3).map(tuple),
    show_pii=st.booleans(),
)


@given(_SEARCHES, st.booleans())
def test_any_search_comes_back_from_the_line_it_is_written_as(search: Search, why: bool) -> None:
    """Through IPython's own reading of a cell, and the magic's reading of its options."""
    from IPython.core.inputtransformer2 import TransformerManager

    line = search.magic(why=why)
    cell = TransformerManager().transform_cell(line)
    read: list[str] = []

    class Shell:
        def run_line_magic(self, name: str, rest: str) -> None:
            assert name == "lhsearch"
            read.append(rest)

    exec(cell, {"get_ipython": Shell})
    asked = search_magics.read(read[0])
    assert asked is not None
    assert asked.why is why
    assert search_magics.search_of(asked, {}) == search


def test_a_line_reads_well() -> None:
    asked = Search("forklift, OSHA-30, nights", where="city = 'Joliet'", k=20)
    assert asked.magic(why=True) == """%lhsearch "forklift, OSHA-30, nights" --where "city = 'Joliet'" -k 20 --why"""
    words = [quoted(text) for text in ("Joliet", "South Bend, IN", 'a "b"', """'a' "b" """, "a\nb", "-x", "")]
    assert words == ["Joliet", '"South Bend, IN"', """'a "b"'""", r'''"'a' \"b\" "''', '"a b"', '"-x"', '""']


def test_the_line_asks_the_same_again(run: Run) -> None:
    first = run("""%lhsearch 'welder "stick welding" -nights' --where "availability > 0.1 AND state = 'IN'" -k 4""")
    assert run(first.magic).ids == first.ids
    assert run(first.magic).magic == first.magic


# -- stop -------------------------------------------------------------------------------------------------------------


class Stopping(WordllamaEmbedder):
    """Makes vectors as ever, but the first time somebody presses the stop button meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.over = threading.Event()

    def embed(self, texts: Sequence[str], *, side: Side) -> Any:
        self.asked += 1
        if self.asked == 1:
            os.kill(os.getpid(), signal.SIGINT)
            self.over.wait(30)
        return super().embed(texts, side=side)


def test_the_stop_button_ends_the_first_reading_and_the_shell_lives(tmp_path: Path, monkeypatch, run: Run) -> None:
    (tmp_path / "workers.csv").write_text("worker_id,role\n1,Welder\n2,Picker\n3,Line Cook\n")
    model = Stopping()
    with LocalServer(model, model="demo") as server:
        monkeypatch.setenv("LH_LAKE", str(tmp_path / "lake"))
        monkeypatch.setenv("LH_EMBEDDER", "ollama/demo")
        monkeypatch.setenv("LH_OLLAMA_URL", server.url)
        with connect(tmp_path / "lake") as wb:
            wb.ingest(tmp_path / "workers.csv", "workers")
        with pytest.raises(QueryCancelledError, match="Stopped after"):
            run("%lhsearch welder -k 1")
        model.over.set()
        assert model.asked == 1
        assert run("%lhsearch welder -k 1").ids == [1]


def test_the_word_null_is_told_from_no_value(run: Run) -> None:
    found = run("%lhsearch welder -k 2 --column city")
    table = found.results.table
    at = table.column_names.index("city")
    table = table.set_column(at, "city", pa.array(["NULL", None]))
    page = replace(found, results=replace(found.results, table=table))._repr_html_()
    assert page.count("<td>NULL</td>") == page.count("<td><i>NULL</i></td>") == 1
