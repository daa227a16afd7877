"""The refining view, driven through its real widgets: what is changed, what is shown, and the line that it writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from kernel_ext.hits import Search
from kernel_ext.refine import Refine, as_typed, conditions, joined
from workbench.errors import QueryError
from workbench.session import Workbench

Run = Callable[[str], Any]
LINE = """%lhsearch "forklift operator" --where "city = 'Joliet' AND availability BETWEEN 0.1 AND 0.9" -k 6 --why"""


class Shell(InteractiveShell):
    """A shell that keeps what it would put into a new cell, as a notebook's does."""

    def set_next_input(self, text: str, replace: bool = False) -> None:
        self.rl_next_input = (text, replace)


@pytest.fixture
def shell(staffed: Workbench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    monkeypatch.setenv("LH_LAKE", staffed.settings.lake)
    config = Config()
    config.HistoryManager.enabled = False
    opened = Shell.instance(config=config)
    opened.run_line_magic("load_ext", "kernel_ext")
    yield opened
    ipywidgets.Widget.close_all()
    opened.run_line_magic("unload_ext", "kernel_ext")
    Shell.clear_instance()


@pytest.fixture
def run(shell: Shell) -> Run:
    """Run a cell; its value, or the error it ended with."""

    def cell(text: str) -> Any:
        done = shell.run_cell(text)
        if done.error_before_exec or done.error_in_exec:
            raise done.error_before_exec or done.error_in_exec
        return done.result

    return cell


@pytest.fixture
def view(run: Run) -> Refine:
    """The view on a search with two filters."""
    shown = run(f"{LINE} --refine")
    assert isinstance(shown, Refine)
    return shown


def chips(view: Refine) -> list[str]:
    return [chip.description.removesuffix("×").strip() for chip in view.chips.children]


def said(widget: ipywidgets.HTML) -> str:
    """The text of a widget, without the style sheet that comes with it."""
    return re.sub(r"<style>.*?</style>|<[^>]+>", "", widget.value, flags=re.DOTALL)


def test_the_view_shows_the_search_as_it_was_asked(view: Refine, run: Run) -> None:
    found = run(LINE)
    assert view.hits.ids == found.ids
    assert view.magic == LINE
    assert (view.query.value, view.k.value, view.mode.value) == ("forklift operator", 6, "hybrid")
    assert chips(view) == ["city = 'Joliet'", "availability BETWEEN 0.1 AND 0.9"]
    assert "Joliet" in view.city.options
    assert "Forklift Operator" in view.role.options
    assert view.shown.value.count("<details open>") == 6
    assert "application/vnd.jupyter.widget-view+json" in view._repr_mimebundle_()


@pytest.mark.parametrize(
    ("control", "value", "option"),
    [
        ("query", "welder nights", '"welder nights"'),
        ("k", 3, "-k 3"),
        ("role", "Forklift Operator", '--role "Forklift Operator"'),
        ("city", "Joliet", "--city Joliet"),
        ("mode", "text", "--mode text"),
        ("query", 'a "b" $c -nights \\', """'a "b" $c -nights \\'"""),
    ],
)
def test_a_change_is_asked_and_written_down(control: str, value: Any, option: str, view: Refine, run: Run) -> None:
    before = view.hits
    getattr(view, control).value = value
    assert view.hits is not before
    assert option in view.magic
    again = run(view.magic)
    assert again.search == view.search
    assert again.ids == view.hits.ids
    assert view.hits._repr_html_() == view.shown.value
    assert option in said(view.line).replace("&quot;", '"').replace("&#x27;", "'")


def test_a_filter_is_a_chip_that_can_be_taken_away(view: Refine, run: Run, staffed: Workbench) -> None:
    view.chips.children[0].click()
    assert chips(view) == ["availability BETWEEN 0.1 AND 0.9"]
    told = staffed.search("forklift operator", where="availability BETWEEN 0.1 AND 0.9", k=6)
    assert view.hits.ids == [hit.id for hit in told.hits]
    assert "Joliet" not in view.magic
    view.chips.children[0].click()
    assert view.search.where == ""
    assert view.hits.ids == [hit.id for hit in staffed.search("forklift operator", k=6).hits]
    assert run(view.magic).ids == view.hits.ids


def test_a_filter_that_is_typed_becomes_chips(view: Refine, run: Run, staffed: Workbench) -> None:
    view.added.value = "state = 'IL' OR state = 'IN'"
    assert view.added.value == ""
    view.added.value = "worker_id > 5 and name is not null"
    assert chips(view)[2:] == ["state = 'IL' OR state = 'IN'", "worker_id > 5", "name is not null"]
    where = (
        "city = 'Joliet' AND availability BETWEEN 0.1 AND 0.9 AND (state = 'IL' OR state = 'IN') "
        "AND worker_id > 5 AND name is not null"
    )
    assert view.search.where == where
    assert view.hits.ids == [hit.id for hit in staffed.search("forklift operator", where=where, k=6).hits]
    again = run(f"{view.magic} --refine")
    assert again.hits.ids == view.hits.ids
    assert [chip.strip("()") for chip in chips(again)] == chips(view)


def test_a_row_that_is_left_out_is_a_chip_too(run: Run) -> None:
    first = run("%lhsearch welder -k 2").ids[0]
    view = run(f"%lhsearch welder -k 2 --exclude {first} --refine")
    assert chips(view) == [f"not {first}"]
    assert first not in view.hits.ids
    view.chips.children[0].click()
    assert first == view.hits.ids[0]
    assert "--exclude" not in view.magic


@pytest.mark.parametrize(
    ("control", "value", "words"),
    [
        ("query", "  ", "nothing to search for"),
        ("added", "ctiy = 'Gary'", "ctiy"),
        ("added", "1 = 1) OR (2 = 2", ""),
        ("added", "DROP TABLE workers", ""),
        ("query", "welder near:Nowhereville", "Nowhereville"),
    ],
)
def test_what_cannot_be_asked_is_said_in_place_and_the_hits_stay(
    control: str, value: str, words: str, view: Refine
) -> None:
    hits, line, shown = view.hits, view.magic, view.shown.value
    getattr(view, control).value = value
    assert words in said(view.problem)
    assert said(view.problem).strip()
    assert (view.hits, view.magic, view.shown.value) == (hits, line, shown)
    assert getattr(view, control).value == value  # to be corrected, not to be typed again
    view.query.value = "welder"
    assert said(view.problem) == ""
    assert view.hits is not hits


def test_a_fault_of_ours_is_said_in_place_too(view: Refine) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("by zero")

    lame = Refine(view._session, view.hits, broken)
    lame.k.value = 2
    assert "ZeroDivisionError: by zero" in said(lame.problem)
    assert lame.hits is view.hits


def test_the_line_goes_into_a_new_cell(view: Refine, shell: Shell) -> None:
    view.k.value = 2
    view.button.click()
    assert shell.rl_next_input == (view.magic, False)
    assert "new cell" in said(view.said)


def test_the_view_is_read_under_its_name_as_it_is_now(run: Run) -> None:
    view = run("%lhsearch welder -k 4 --refine --as looked_at")
    view.k.value = 2
    rows = run("%%lhsql --to arrow\nSELECT worker_id FROM looked_at ORDER BY rank")
    assert rows["worker_id"].to_pylist() == view.hits.ids
    assert len(view.df()) == len(view.pl()) == view.arrow().num_rows == 2


def test_a_dataset_without_cities_has_no_such_control(copied: Workbench, tmp_path, monkeypatch, run: Run) -> None:
    monkeypatch.setenv("LH_LAKE", copied.settings.lake)
    (tmp_path / "jobs.csv").write_text("job_id,notes\n1,welder nights\n2,packer\n")
    copied.ingest(tmp_path / "jobs.csv", "jobs")
    view = run("%lhsearch welder --in jobs --refine")
    assert (view.city, view.role) == (None, None)
    view.query.value = "packer"
    assert view.hits.ids[0] == 2


def test_values_that_are_personal_are_not_offered(copied: Workbench, tmp_path, monkeypatch, run: Run) -> None:
    monkeypatch.setenv("LH_LAKE", copied.settings.lake)
    (tmp_path / "rich.csv").write_text(
        "id,role,city,notes\n1,ann@example.com,Gary,welder\n2,bob@example.com,Gary,cook\n"
    )
    copied.ingest(tmp_path / "rich.csv", "rich")
    assert "role" in copied.lake.get("rich").pii
    assert run("%lhsearch welder --in rich --refine").role.options == ()
    assert "ann@example.com" in run("%lhsearch welder --in rich --refine --show-pii").role.options


@pytest.mark.parametrize(
    ("where", "parts"),
    [
        ("", ()),
        ("city = 'a AND b'", ("city = 'a AND b'",)),
        ("city = 'x' OR state = 'y' AND name IS NULL", ("city = 'x' OR state = 'y' AND name IS NULL",)),
        ("city like 'J%' and state = 'IL'", ("city like 'J%'", "state = 'IL'")),
        (
            "availability between 0 and 1 AND worker_id BETWEEN 1 AND 2",
            ("availability between 0 and 1", "worker_id BETWEEN 1 AND 2"),
        ),
        (
            "CASE WHEN city = 'x' AND state = 'y' THEN true ELSE false END AND worker_id > 1",
            ("CASE WHEN city = 'x' AND state = 'y' THEN true ELSE false END", "worker_id > 1"),
        ),
        ("city = 'x' -- AND\n AND state = 'y'", ("city = 'x'", "state = 'y'")),
        ("(city = 'x' AND state = 'y')", ("city = 'x'", "state = 'y'")),
    ],
)
def test_a_condition_is_split_at_its_outer_ands(where: str, parts: tuple[str, ...], staffed: Workbench) -> None:
    assert conditions(staffed, Search("x", where=where)) == parts


@pytest.mark.parametrize("where", ["true) OR (true", "city = 'x' AND", "; DROP TABLE workers"])
def test_what_is_no_condition_is_refused(where: str, staffed: Workbench) -> None:
    with pytest.raises(QueryError):
        conditions(staffed, Search("x", where=where))


_ATOM = st.sampled_from([
    "city = 'Joliet'", "availability > 0.5", "state IN ('IL', 'IN')", "worker_id BETWEEN 5 AND 900", "name IS NULL",
    "(city = 'Gary' OR state = 'IL')", "city = 'Gary' OR state = 'IL'", "NOT city = 'Gary'", "city LIKE '%AND%'",
])  # fmt: skip


@given(st.lists(_ATOM, min_size=1, max_size=4))
def test_parts_that_are_joined_split_into_the_same(staffed: Workbench, atoms: list[str]) -> None:
    manifest = staffed.lake.get("workers")
    where = joined(atoms)
    parts = as_typed(where, lambda text: staffed.lake.queries.clauses(manifest, text))
    assert len(parts) == len(atoms)
    queries = staffed.lake.queries
    assert queries.matching(manifest, "worker_id", joined(parts)) == queries.matching(manifest, "worker_id", where)
    assert joined(parts) == where


VERSIONED = "worker_id IN (SELECT worker_id FROM workers@1 WHERE state = 'IL' OR availability > 0.9)"


def test_a_condition_that_cannot_be_taken_apart_is_one_chip(run: Run) -> None:
    view = run(f'%lhsearch "forklift operator" -k 3 --refine --where "{VERSIONED}"')
    assert chips(view) == [VERSIONED]
    view.added.value = "availability > 0.2"
    assert chips(view) == [VERSIONED, "availability > 0.2"]
    again = run(view.magic)
    assert again.ids == view.hits.ids
    view.chips.children[0].click()
    assert view.search.where == "availability > 0.2"


def test_such_a_condition_can_be_added_too_but_none_that_closes_a_bracket_of_ours(view: Refine) -> None:
    before = view.search.where
    view.added.value = VERSIONED
    assert view.search.where == f"{before} AND {VERSIONED}"
    view.added.value = "1 = 1) OR (worker_id IN (SELECT worker_id FROM workers@1)"
    assert view.search.where == f"{before} AND {VERSIONED}"
    assert "more than a condition" in said(view.problem)


def test_what_went_wrong_is_said_as_a_cell_says_it(view: Refine) -> None:
    view.added.value = "citi = 'Gary'"
    assert said(view.problem).endswith("→ Did you mean city?")
    view.query.value = ""
    assert "%lhsearch" in said(view.problem)
