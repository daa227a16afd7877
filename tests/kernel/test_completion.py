"""Completion where a user meets it: in our cells of a real kernel and shell, and in no other."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.completer import provisionalcompleter
from shells import REPLY_S, Kernel, Shell, fill, kernel, shell

import kernel_ext
from kernel_ext import completion
from kernel_ext.arguments import read_usage, usage, words

OWN = {"table", "column", "function", "keyword", "value", "variable", "option", "type"}
FIND = (
    "usage: %lhfind [--in DATASET] [--where SQL] [--to {df,pl}] [-k K] query [query ...]\n\nFind.\n\n"
    "positional arguments:\n  query                 in plain words\n\noptions:\n"
    "  --in DATASET, --dataset DATASET\n                        dataset or a version of it\n"
    "  --where SQL           any SQL condition\n  --to {df,pl}          hits as a table\n"
    "  -k K                  how many\n"
    "  --city CITY           only this city\n  --why                 open the reasons\n"
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel with the extension on a lake of 500 workers."""
    folder = tmp_path_factory.mktemp("kernel")
    with kernel(folder, LH_LAKE=str(fill(folder))) as started:
        assert started.run("%load_ext kernel_ext").status == "ok"
        assert started.run("floor = 0.5; import os; frame = None").status == "ok"
        yield started


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("lake"))


@pytest.fixture
def here(lake: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell of this process with the extension on that lake."""
    monkeypatch.setenv("LH_LAKE", str(lake))
    with shell() as opened:
        opened.run("%load_ext kernel_ext")
        yield opened


def asked(running: Kernel, marked: str) -> dict[str, Any]:
    """The kernel's reply at the bar in a cell."""
    at = marked.index("|")
    message = running.client.complete(marked.replace("|", "", 1), at)
    while (reply := running.client.get_shell_msg(timeout=REPLY_S))["parent_header"].get("msg_id") != message:
        pass
    assert reply["content"]["status"] == "ok"
    return dict(reply["content"])


def settled(running: Kernel, marked: str, wanted: str = "") -> dict[str, Any]:
    """The reply once the facts are there: what is late is not offered, but there for the next keystroke."""
    until = time.monotonic() + REPLY_S
    while time.monotonic() < until:
        reply = asked(running, marked)
        if wanted in reply["matches"] if wanted else reply["matches"]:
            break
    return reply


def replaced(marked: str, reply: dict[str, Any]) -> list[str]:
    """The cell as it would be with each candidate taken."""
    text = marked.replace("|", "", 1)
    return [text[: reply["cursor_start"]] + match + text[reply["cursor_end"] :] for match in reply["matches"]]


def kinds(reply: dict[str, Any]) -> dict[str, str]:
    return {c["text"]: c["type"] for c in reply["metadata"]["_jupyter_types_experimental"]}


def offered(opened: Shell, marked: str) -> list[tuple[str, str]]:
    """(text, type) that IPython's completer gives at the bar."""
    completer = opened.ipython.Completer
    with provisionalcompleter():
        found = completer.completions(marked.replace("|", "", 1), marked.index("|"))
        return [(c.text, c.type) for c in found]


def ready(opened: Shell, marked: str, wanted: str = "") -> list[tuple[str, str]]:
    """What is offered once the facts are there."""
    until = time.monotonic() + REPLY_S
    while time.monotonic() < until:
        found = offered(opened, marked)
        if wanted in [text for text, _ in found] if wanted else found:
            break
    return found


# -- through the protocol that JupyterLab speaks -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "expected", "kind"),
    [
        ("%%lhsql\nSELECT w.ro| FROM workers w", "%%lhsql\nSELECT w.role FROM workers w", "column"),
        ("%%lhsql --as x\n-- é ü 😀\nSELECT 'Zoë😀', ro|\nFROM workers",
         "%%lhsql --as x\n-- é ü 😀\nSELECT 'Zoë😀', role\nFROM workers", "column"),
        ("\n\n%%lhsql\nSELECT * FROM wor|", "\n\n%%lhsql\nSELECT * FROM workers", "table"),
        ("%%lhsql\nFROM workers WHERE state = 'O|' LIMIT 3",
         "%%lhsql\nFROM workers WHERE state = 'OH' LIMIT 3", "value"),
        ("%%lhsql\nSELECT * FROM workers WHERE role = 'Fork|",
         "%%lhsql\nSELECT * FROM workers WHERE role = 'Forklift Operator'", "value"),
        ("%%lhsql\nWITH x AS (SELECT role AS rôle FROM workers)\nSELECT rô| FROM x",
         '%%lhsql\nWITH x AS (SELECT role AS rôle FROM workers)\nSELECT "rôle" FROM x', "column"),
        ("%%lhsql\nSELECT * FROM workers WHERE availability > {{flo|",
         "%%lhsql\nSELECT * FROM workers WHERE availability > {{floor}}", "variable"),
        ("%%lhsql --expl|\nSELECT 1", "%%lhsql --explain\nSELECT 1", "option"),
        ("%%lhsql --to ar|\nSELECT 1", "%%lhsql --to arrow\nSELECT 1", "value"),
        ("é = 1\nfound = %lhsql SELECT avail| FROM workers\nx = 2",
         "é = 1\nfound = %lhsql SELECT availability FROM workers\nx = 2", "column"),
        ("%time\n%lhsql --as y SELECT joi| FROM workers", "%time\n%lhsql --as y SELECT joined FROM workers", "column"),
        ("%%time\n%%lhsql\nSELECT joi| FROM workers", "%%time\n%%lhsql\nSELECT joined FROM workers", "column"),
        ("%%lhsql --plot ba|\nSELECT 1", "%%lhsql --plot bar\nSELECT 1", "value"),
        ("%%lhsql --plot bar role n|\nSELECT role, count(*) AS nr FROM workers GROUP BY ALL",
         "%%lhsql --plot bar role nr\nSELECT role, count(*) AS nr FROM workers GROUP BY ALL", "column"),
    ],
)  # fmt: skip
def test_a_candidate_is_put_where_it_belongs(running: Kernel, cell: str, expected: str, kind: str) -> None:
    reply = settled(running, cell)
    assert replaced(cell, reply)[0] == expected
    assert kinds(reply)[reply["matches"][0]] == kind


def test_snapshots_say_when_and_why(running: Kernel) -> None:
    reply = settled(running, "%%lhsql\nSELECT * FROM workers@|", "1")
    assert reply["matches"][-3:] == ["1", "today", "yesterday"]
    assert re.fullmatch(r"snapshot \d{4}-\d\d-\d\d \d\d:\d\d \w.*", kinds(reply)["1"])


def test_names_of_people_are_never_offered(running: Kernel) -> None:
    assert settled(running, "%%lhsql\nSELECT * FROM workers WHERE role = '|'")["matches"]
    assert asked(running, "%%lhsql\nSELECT * FROM workers WHERE name = '|'")["matches"] == []


def test_results_and_frames_of_the_notebook(running: Kernel) -> None:
    assert running.run("%%lhsql --as picked\nSELECT role, count(*) AS n FROM workers GROUP BY ALL").status == "ok"
    assert running.run("import pandas; sheet = pandas.DataFrame({'Pay rate': [1], 'city': ['x']})").status == "ok"
    assert "picked" in settled(running, "%%lhsql\nSELECT * FROM pic|")["matches"]
    assert settled(running, "%%lhsql\nSELECT p.| FROM picked p")["matches"] == ["role", "n"]
    assert settled(running, "%%lhsql\nSELECT pay| FROM sheet")["matches"] == ['"Pay rate"']


@pytest.mark.parametrize(
    "cell",
    [
        "SELECT ro|",
        "query = 'SELECT ro|'",
        "workers = 1\nwork|",
        'text = """\n%%lhsql\nSELECT ro| FROM workers\n"""',
        'text = """\n%lhsql SELECT ro| FROM workers\n"""',
        "total = (7\n%lhsql SELECT ro| FROM workers)",
        "%%bash\n%lhsql SELECT ro| FROM workers",
        "%%writefile a.sql\nSELECT ro| FROM workers",
        "# %lhsql SELECT ro| FROM workers",
    ],
)
def test_nothing_of_ours_elsewhere(running: Kernel, cell: str) -> None:
    reply = asked(running, cell)
    assert "role" not in reply["matches"]
    assert "round(" not in reply["matches"]


def test_python_cells_complete_as_ever(running: Kernel) -> None:
    assert "os.path" in {f"os.{m}".replace("os.os.", "os.") for m in asked(running, "os.pat|")["matches"]}
    assert "floor" in asked(running, "flo|")["matches"]


def test_python_is_silent_in_our_cells(running: Kernel) -> None:
    for cell in (
        "%%lhsql\nSELECT 'flo|'",
        "%%lhsql\nSELECT 1 AS flo|",
        "%%lhsql\n-- os.pa|",
        "%%lhsql\nSELECT os.pat|",
    ):
        reply = asked(running, cell)
        assert (reply["matches"], kinds(reply)) == ([], {})


# -- in a shell of this process ----------------------------------------------------------------------------------


def test_every_position_of_a_cell_has_an_answer(here: Shell) -> None:
    cell = (
        "%%lhsql --as x --to df\nWITH a AS (SELECT state s, '😀' AS \"q q\" FROM workers@1 w "
        "WHERE w.role IN ('Picker', {{y}}))\nSELECT a.s, count(*) FROM a JOIN workers USING (state) -- é\nGROUP BY ALL"
    )
    for at in range(len("%%lhsql "), len(cell) + 1):
        for text in (cell[:at], cell):
            marked = f"{text[:at]}|{text[at:]}"
            assert {kind.split(" ")[0] for _, kind in offered(here, marked)} <= OWN | {"snapshot"}


def test_no_lake_no_noise_and_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "none"))
    with shell() as opened:
        opened.run("%load_ext kernel_ext")
        assert ("SELECT", "keyword") in offered(opened, "%%lhsql\nSEL|")
        assert offered(opened, "%%lhsql\nSELECT * FROM wor|") == []
        assert not (tmp_path / "none").exists()


def test_a_broken_setting_is_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    (tmp_path / "file").write_text("no lake")
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "file"))
    with shell() as opened:
        opened.run("%load_ext kernel_ext")
        capfd.readouterr()
        assert offered(opened, "%%lhsql\nSELECT * FROM wor|") == []
        assert ("SELECT", "keyword") in offered(opened, "%%lhsql\nSEL|")
        assert "".join(capfd.readouterr()) == ""


def test_a_fault_of_ours_is_silence(here: Shell, capfd: Any) -> None:
    class Faulty:
        shell = here.ipython

        @property
        def wb(self) -> Any:
            raise ZeroDivisionError

    completion.add(here.ipython, Faulty())  # type: ignore[arg-type]
    capfd.readouterr()
    assert "column" not in {kind for _, kind in offered(here, "%%lhsql\nSELECT ro| FROM workers")}
    assert "".join(capfd.readouterr()) == ""


def test_added_twice_it_speaks_once_and_goes_without_a_trace(here: Shell) -> None:
    before = len(here.ipython.Completer.custom_matchers)
    completion.add(here.ipython, kernel_ext._sessions[here.ipython])
    assert len(here.ipython.Completer.custom_matchers) == before
    ready(here, "%%lhsql\nSELECT ro| FROM workers", "role")
    here.run("%unload_ext kernel_ext")
    assert len(here.ipython.Completer.custom_matchers) == before - 1
    assert "column" not in {kind for _, kind in offered(here, "%%lhsql\nSELECT ro| FROM workers")}


def test_another_lake_has_other_names(here: Shell, tmp_path: Path) -> None:
    assert ready(here, "%%lhsql\nSELECT * FROM wor|") == [("workers", "table")]
    kernel_ext._sessions[here.ipython].use(tmp_path / "empty")
    assert offered(here, "%%lhsql\nSELECT * FROM wor|") == []


def test_a_keystroke_is_answered_at_once(here: Shell) -> None:
    cell = "%%lhsql\nSELECT w.role, count(*) FROM workers w WHERE w.state = 'IL' AND w.ava| > 0 GROUP BY ALL"
    ready(here, cell)
    used = []
    for _ in range(20):
        started = time.process_time()
        offered(here, cell)
        used.append(time.process_time() - started)
    assert sorted(used)[10] < 0.05


# -- what a magic says of itself ---------------------------------------------------------------------------------


def test_usage_is_read_from_the_help_text() -> None:
    takes = read_usage(FIND)
    assert takes.arguments == ("query",)
    assert takes.options == {
        "--in": "DATASET", "--dataset": "DATASET", "--where": "SQL", "--to": "{df,pl}", "-k": "K", "--city": "CITY",
        "--why": "",
    }  # fmt: skip


def test_words_of_a_line() -> None:
    line = """--where "city = 'Jo" x 'a b"""
    assert [w.text for w in words(line)] == ["--where", '"city = \'Jo"', "x", "'a b"]
    assert all(line[w.start :].startswith(w.text) for w in words(line))


@pytest.fixture
def finding(here: Shell) -> Shell:
    """The shell with magics that have options and arguments of every kind."""
    from IPython.core.magic import Magics, line_magic, magics_class

    profile = (
        "usage: %lhprobe …\n\npositional arguments:\n  dataset  which\n  EXPECTATION  what\n\n"
        "options:\n  --key A,B     columns\n  --pii COLUMN=KIND  tag\n"
    )
    look = "usage: %lhlook …\n\npositional arguments:\n  VERB  ls, describe, or a dataset\n  NAME  which\n"
    load = "usage: %lhload FILE\n\npositional arguments:\n  FILE  what to load\n"

    @magics_class
    class Probes(Magics):
        @line_magic
        def lhfind(self, line: str) -> None:
            print(FIND)

        @line_magic
        def lhprobe(self, line: str) -> None:
            print(profile)

        @line_magic
        def lhlook(self, line: str) -> None:
            print(look)

        @line_magic
        def lhload(self, line: str) -> None:
            print(load)

    Probes.__module__ = "kernel_ext.probes"
    here.ipython.register_magics(Probes)
    return here


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%lhfind \"fork\" --wh|", ["--where", "--why"]),
        ("%lhfind --h|", ["--help"]),
        ("%lhfind --to |", ["df", "pl"]),
        ("%lhfind --in wor|", ["workers"]),
        ("%lhfind \"fork\" --where \"sta|", ["state", "starts_with("]),
        ("%lhfind \"fork\" --where \"state = 'O|'\" -k 3", ["OH"]),
        ("%lhfind \"fork\" --in workers@1 --where \"role = 'Fork|", ["'Forklift Operator'"]),
        ("%lhfind forklift|", []),
        ("%lhprobe wor|", ["workers"]),
        ("%lhprobe workers@1|", ["1"]),
        ("%lhprobe workers --key rol|", ["role"]),
        ("%lhprobe workers --key role,sta|", ["state"]),
        ("%lhprobe workers --pii nam|", ["name="]),
        ("%lhprobe workers --key role uni|", ["unique("]),
        ("%lhprobe workers \"not_null(name, sta|", ["state"]),
        ("%lhlook |", ["ls", "describe", "workers"]),
        ("%lhlook describe wor|", ["workers"]),
    ],
)  # fmt: skip
def test_lines_of_other_magics(finding: Shell, line: str, expected: list[str]) -> None:
    found = [text for text, _ in (ready(finding, line) if expected else offered(finding, line))]
    assert found[: max(len(expected), 1)] == expected


def test_a_file_is_ipythons_to_complete(finding: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "roster.csv").write_text("a\n1\n")
    assert "roster.csv" in [text for text, _ in offered(finding, "%lhload rost|")]


def test_every_magic_of_ours_tells_its_options(here: Shell) -> None:
    magics = here.ipython.magics_manager.magics
    ours = [n for n in itertools.chain(magics["line"], magics["cell"]) if n.startswith("lh")]
    assert ours
    for name in set(ours):
        said = usage(magics["line" if name in magics["line"] else "cell"][name])
        sign = "%" if name in magics["line"] else "%%"
        assert {text for text, _ in offered(here, f"{sign}{name} --|")} == {o for o in said.options if o[1] == "-"}, (
            name
        )
