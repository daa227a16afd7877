"""Notebooks run in real kernels: parameters, failures and resuming, dead kernels, the masked page."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import workbench
from workbench.cli.entry import main
from workbench.errors import BusyError, ConflictError, InvalidError, NotFoundError, WorkbenchError
from workbench.pii.roster import Roster

nbformat = pytest.importorskip("nbformat", reason="pip install 'lakehouse-workbench[notebook]'")
pytest.importorskip("papermill", reason="pip install 'lakehouse-workbench[notebook]'")

from workbench.notebook import parameters, record  # noqa: E402
from workbench.notebook.cells import Limits  # noqa: E402
from workbench.notebook.kernel import ticket_of  # noqa: E402
from workbench.notebook.markup import cover_page  # noqa: E402
from workbench.notebook.page import to_html  # noqa: E402
from workbench.notebook.runner import Outcome, Request, run  # noqa: E402
from workbench.notebook.seat import Ticket, born, lives, wanted  # noqa: E402

DEADLINE_S = 60
NOTICED_S = 5  # about 0.5 s on a quiet machine, with the end of the run in it
PARAMETERS = "state = 'WI'\nfloor = 0.1\nzip = '06001'\nroles = ['picker']\nseed = None\nmade = len('abc')"
PEOPLE = Roster([("name", "Jane Doe"), ("name", "Mary-Ann O'Neil"), ("phone", "815-555-0101"), ("email", "j@x")])
COVER = "••••••"
Run = Callable[..., Outcome]


def write(path: Path, *sources: str, tagged: bool = False) -> Path:
    """A notebook of these cells; ``tagged``: the first one holds the parameters."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    if tagged:
        cells[0].metadata["tags"] = ["parameters"]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def said(path: Path) -> list[str]:
    """What each code cell of an output notebook printed."""
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in cells]


def kernel_of(out: Path) -> Ticket:
    ticket = Ticket.load(ticket_of(out))
    assert ticket is not None
    return ticket


def until_gone(kernel: Ticket) -> None:
    until(lambda: not lives(kernel.pid, kernel.born), "the kernel lives on")
    assert not Path(kernel.folder).exists()


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition, with a deadline."""
    pause, deadline = threading.Event(), time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        pause.wait(0.02)


@pytest.fixture
def go(tmp_path: Path) -> Iterator[Run]:
    """Run a notebook of this test into out.ipynb; kernels that were kept end with the test."""

    def start(path: Path, values: dict[str, str] | None = None, **options: Any) -> Outcome:
        out = options.pop("out", tmp_path / "out.ipynb")
        return run(Request(path, out, os.environ, values or {}, **options), options.pop("on_cell", None))

    yield start
    for path in tmp_path.glob(".*.kernel"):
        ticket = Ticket.load(path)
        path.unlink()  # which ends it
        if ticket:
            until_gone(ticket)


@pytest.fixture(scope="module")
def declared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = write(tmp_path_factory.mktemp("declared") / "n.ipynb", f"%matplotlib inline\n{PARAMETERS}", tagged=True)
    return parameters.declared(record.read(path))


# --- parameters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("state", "IL", "IL"), ("state", "1", "1"), ("zip", "06001", "06001"), ("floor", "0.5", 0.5), ("floor", "1", 1),
        ("seed", "True", True), ("seed", "None", None), ("seed", "x y", "x y"), ("seed", "nan", "nan"),
        ("roles", "['a', 'b']", ["a", "b"]), ("made", "7", 7),
    ],
)  # fmt: skip
def test_a_value_has_the_type_that_papermill_or_the_default_gives(
    declared: dict[str, Any], name: str, text: str, value: Any
) -> None:
    assert parameters.given({name: text}, declared, "n.ipynb") == {name: value}


def test_what_means_nothing_is_refused_before_anything_runs(declared: dict[str, Any]) -> None:
    with pytest.raises(NotFoundError, match="no parameter 'stat'") as unknown:
        parameters.given({"stat": "IL"}, declared, "n.ipynb")
    assert "Did you mean state?" in unknown.value.hint
    assert "zip='06001'" in unknown.value.hint
    with pytest.raises(InvalidError, match="roles is a list"):
        parameters.given({"roles": "picker"}, declared, "n.ipynb")
    with pytest.raises(NotFoundError, match="has no parameters"):
        parameters.given({"state": "IL"}, {}, "n.ipynb")


def test_what_is_no_notebook_of_python_is_said(go: Run, tmp_path: Path) -> None:
    (tmp_path / "broken.ipynb").write_text("{not json")
    for path, error, words in (
        (tmp_path / "none.ipynb", NotFoundError, "There is no notebook"),
        (tmp_path / "broken.ipynb", InvalidError, "is not a notebook"),
    ):
        with pytest.raises(error, match=words):
            go(path)
    good = write(tmp_path / "good.ipynb", "1")
    with pytest.raises(InvalidError, match="replace the notebook itself"):
        go(good, out=good)
    with pytest.raises(ConflictError, match="no run wrote it"):
        go(good, out=write(tmp_path / "work.ipynb", "'mine'"))
    with pytest.raises(InvalidError, match="no run to resume"):
        go(good, resume=True)


# --- runs ------------------------------------------------------------------------------------------------------------


def test_a_notebook_runs_with_its_parameters(go: Run, tmp_path: Path) -> None:
    path = write(
        tmp_path / "n.ipynb", PARAMETERS, "print(state, floor, zip)", "import os; print(os.getcwd())", tagged=True
    )
    before, seen = path.read_bytes(), []
    done = run(
        Request(path, tmp_path / "out.ipynb", os.environ, {"state": "IL", "zip": "01002"}),
        lambda *told: seen.append(told),
    )
    assert (done.cells, done.ran, done.failure) == (4, 4, None)
    assert said(done.out)[2:] == ["IL 0.1 01002\n", f"{tmp_path}\n"]
    assert [(i, n, line) for i, n, line, _ in seen][2] == (3, 4, "print(state, floor, zip)")
    assert path.read_bytes() == before
    assert {file.name for file in tmp_path.iterdir()} == {"n.ipynb", "out.ipynb"}  # no ticket, no draft
    with pytest.raises(InvalidError, match="nothing to resume"):
        go(path, {"state": "IL", "zip": "01002"}, resume=True)


def test_a_failed_run_goes_on_in_its_kernel_once_the_cell_is_mended(go: Run, tmp_path: Path) -> None:
    begin = ("floor = 0.1", "import os\nprint(os.getpid(), floor)")
    path = write(tmp_path / "n.ipynb", *begin, "1 / 0", "print('end')", tagged=True)
    failed = go(path, {"floor": "0.5"})
    assert failed.failure
    assert (failed.failure.number, failed.failure.source) == (4, "1 / 0")
    assert failed.failure.error == "ZeroDivisionError: division by zero"
    kernel = kernel_of(failed.out)
    assert ticket_of(failed.out).stat().st_mode & 0o077 == 0  # who can read it can run code in the kernel

    write(path, *begin, "print(floor * 2)", "print('end')", tagged=True)
    done = go(path, resume=True)  # with the parameters of the first run
    assert (done.failure, done.reused, done.ran, done.notes) == (None, 3, 2, ())
    assert said(done.out)[2:] == [f"{kernel.pid} 0.5\n", "1.0\n", "end\n"]
    assert not ticket_of(done.out).exists()
    until_gone(kernel)


def test_an_earlier_cell_that_changed_makes_all_run_again(go: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "n.ipynb", "print('one')", "print('two')", "1 / 0")
    kernel = kernel_of(go(path).out)
    write(path, "print('one')", "print('TWO')", "print('three')")
    done = go(path, resume=True)
    assert done.notes == ("cell 2 changed since, so all cells ran again in a fresh kernel",)
    assert (done.reused, said(done.out)) == (0, ["one\n", "TWO\n", "three\n"])
    until_gone(kernel)


def test_without_its_kernel_the_earlier_cells_run_again_and_that_is_said(go: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "n.ipynb", "import os\nprint(os.getpid())", "1 / 0")
    failed = go(path, keep_s=0.0)
    assert failed.kept_s == 0
    assert not ticket_of(failed.out).exists()
    [first, _] = said(failed.out)
    write(path, "import os\nprint(os.getpid())", "print('mended')")
    done = go(path, resume=True)
    assert done.notes == ("the last run's kernel is gone, so cell 1 ran again in a fresh one",)
    assert said(done.out)[0] != first
    assert said(done.out)[1] == "mended\n"


def test_a_ticket_that_is_over_ends_a_kernel(tmp_path: Path) -> None:
    ticket = Ticket(2, 0.0, owner=0, owner_born=0.0, until=time.time() + 60, folder="/tmp/lh-kernel-")
    path = tmp_path / "ticket"
    assert not wanted(path)
    ticket.save(path)
    assert wanted(path)
    Ticket(2, 0.0, 0, 0.0, time.time() - 1, "/tmp/lh-kernel-").save(path)
    assert not wanted(path)


def test_a_ticket_from_elsewhere_removes_nothing_and_lends_no_kernel(go: Run, tmp_path: Path) -> None:
    """A notebook's folder may come from anywhere, with a ticket in it that we never wrote."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "work.txt").write_text("years")
    (tmp_path / "lh-kernel-x").symlink_to(precious)
    path = write(tmp_path / "n.ipynb", "print('ran')")
    planted = tmp_path / ".n.run.ipynb.kernel"
    dead, alive = (4_000_000, 0.0), (os.getpid(), time.time() + 60)
    for folder, (pid, until) in (
        (precious, dead), (precious, alive), (tmp_path / "lh-kernel-x", alive),
        (tmp_path / "lh-kernel-" / "..", dead), ("lh-kernel-y/../precious", alive),
    ):  # fmt: skip
        Ticket(pid, born(os.getpid()), 0, 0.0, until, str(folder)).save(planted)
        assert go(path).failure is None
        assert (precious / "work.txt").read_text() == "years"
    mine = tmp_path / "lh-kernel-mine"
    mine.mkdir(mode=0o700)
    good = tmp_path / "ticket"
    Ticket(2, 0.0, 0, 0.0, time.time() + 60, str(mine)).save(good)
    assert wanted(good)
    good.chmod(0o666)  # others may write what they like into it
    assert not wanted(good)
    good.chmod(0o600)
    mine.chmod(0o777)
    assert not wanted(good)
    (tmp_path / "link").symlink_to(good)
    assert Ticket.load(tmp_path / "link") is None


def test_two_runs_at_once_do_not_meet(go: Run, tmp_path: Path) -> None:
    path = write(tmp_path / "n.ipynb", "which = 0", "print(which)", tagged=True)
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(go, path, {"which": f"{i}"}, out=tmp_path / f"out{i}.ipynb") for i in (1, 2)]
        done = [each.result() for each in runs]
    assert [said(one.out)[-1] for one in done] == ["1\n", "2\n"]


def test_a_flood_of_output_and_a_silence_before_it_lose_nothing(go: Run, tmp_path: Path) -> None:
    """Papermill gives the channel of outputs four seconds after a cell has ended, and loses what comes later."""
    flood = "import threading\nthreading.Event().wait(5)\nfor i in range(50_000): print(i, 'x' * 40)"
    done = go(write(tmp_path / "n.ipynb", flood, "print('end')"))
    assert done.failure is None
    lines = said(done.out)[0].splitlines()
    assert (len(lines), lines[-1], said(done.out)[1]) == (50_000, f"49999 {'x' * 40}", "end\n")


# --- kernels that die ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "limits", "words", "advice"),
    [
        ("import os\nos.kill(os.getpid(), 9)", {}, "The kernel died (SIGKILL) in this cell", "--memory"),
        ("import os\nos._exit(3)", {}, "The kernel died (exit status 3) in this cell", "os._exit"),
        ("a = []\nwhile True: a.append(bytearray(8_000_000))", {"memory_mb": 300}, "--memory allows 300", "LIMIT"),
        ("import time\nwhile True: time.sleep(1)", {"timeout_s": 0.5}, "longer than --timeout 0.5 s", "--timeout"),
        ("exit()", {}, "asked its kernel to end", "exit()"),
    ],
    ids=["killed", "exited", "memory", "timeout", "exit()"],
)  # fmt: skip
def test_a_cell_that_ends_its_kernel_is_told(
    go: Run, tmp_path: Path, source: str, limits: dict[str, float], words: str, advice: str
) -> None:
    done = go(write(tmp_path / "n.ipynb", "print('one')", source, "print('no')"), limits=Limits(**limits), keep_s=0.0)
    assert done.failure
    assert done.failure.number == 2
    assert words in done.failure.error
    assert advice in done.failure.advice
    assert done.elapsed_s < DEADLINE_S
    assert said(done.out)[0] == "one\n"
    assert said(done.out)[2] == ""
    assert not ticket_of(done.out).exists()


def test_a_death_is_noticed_at_once_and_the_dead_are_not_resumed(go: Run, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = write(
        tmp_path / "n.ipynb", "print('one')", f"import os\nopen({str(mark)!r}, 'w').close()\nos.kill(os.getpid(), 9)"
    )
    done = go(path)
    assert time.time() - mark.stat().st_mtime < NOTICED_S
    assert (done.kept_s, ticket_of(done.out).exists()) == (0, False)


def test_a_killed_run_leaves_what_it_had_and_no_kernel(go: Run, tmp_path: Path) -> None:
    path, out = (
        write(tmp_path / "n.ipynb", "print('one')", "import time\nwhile True: time.sleep(1)"),
        tmp_path / "out.ipynb",
    )
    command = [Path(sys.executable).with_name("lh"), "run", path, "--out", out, "--lake", tmp_path / "lake"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        until(
            lambda: out.exists() and [one.state for one in record.noted(record.read(out))[0]] == ["done", "running"],
            "no run",
        )
        kernel = kernel_of(out)
        with pytest.raises(BusyError, match="Another run"):
            go(path, out=out)
        process.send_signal(signal.SIGKILL)
    until_gone(kernel)
    assert said(out) == ["one\n", ""]


# --- the page --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "markup",
    [
        "<p>Jane Doe</p>", "<td>Jane</td><td>Doe</td>", "<b>Ja</b>ne <i>D&#111;e</i>", "<p>Doe,<br>Jane</p>",
        "<pre>n 'Jane \nDoe'</pre>", "<svg viewBox='0 0 1 1'><text>Jane Doe</text></svg>", "<!-- Jane Doe --><p>x</p>",
        "<a title='Jane Doe'>x</a>", "<a href='/q?n=Jane%20Doe'>x</a>",
        "<img alt='Doe, Jane' src='data:image/png;base64,AA'>",
        "<script>show({\"n\": [\"Jane Doe\", 'Jane D\\u006fe']})</script>", "<input value='Jane Doe'>",
        "<iframe srcdoc='<b>Jane</b> Doe'></iframe>", "<img src='data:image/svg+xml,<text>Jane Doe</text>'>",
        "<textarea>Jane Doe</textarea>", "<p>{'first': 'Jane', 'last': 'Doe'}</p>", "<option>JANE DOE</option>",
        "<td title='Jane Doe' title='x'>y</td>", "<td title='x' TITLE='Jane Doe'>y</td>", "<p title=Jane\u00a0Doe>",
        "<div class='celltag_Jane_Doe'>x</div>", "<p style=\"content: 'Jane Doe'\">x</p>", "<!DOCTYPE Jane Doe>",
        "<style>p:after{content:'Jane\\20 Doe'} /* Jane Doe */ i:after{content:'Jane Doe'}</style>",
        "<script>x(['Jane','Doe']) // Jane Doe</script>", '<script>x({"first":"Jane","last":"Doe"})</script>',
        '<script>x("<td>Jane</td><td>Doe</td>", \'Jane\\x20Doe\')</script>',
        "<script type='text/plain'>Jane Doe</script>", f"<script>x('{'A' * 220} Jane Doe')</script>",
        "<a href='data:text/csv;base64,SmFuZSBEb2U='>x</a>", "<a href='data:application/json,Jane%20Doe'>x</a>",
        "<p>{'n': 'Jane\\nDoe'}</p>", '<p>{"n": "J\\u0061ne\\u0020D\\u006fe"}</p>', "<p>D\\x6fe, Jane</p>",
        "<p>first name: Jane, last name: Doe</p>", "<a onclick='x(\"Jane\\u0020Doe\")'>x</a>",
    ],
)  # fmt: skip
def test_a_name_is_covered_wherever_it_stands_in_a_page(markup: str) -> None:
    page, _ = cover_page(f"<html><body>{markup}<p>kept &amp; well</p></body></html>", PEOPLE)
    assert "ane" not in page
    assert "Doe" not in page
    assert page.endswith("<p>kept &amp; well</p></body></html>")


@pytest.mark.parametrize(
    "head", ["data:;base64", "data:application/vnd.ms-excel;base64", "data:application/json;base64"]
)
def test_a_file_in_a_link_is_covered_or_left_out(head: str) -> None:
    for body in (b"Jane Doe", b"PK\x03\x04\xff Jane Doe"):
        packed = base64.b64encode(body).decode()
        page, _ = cover_page(f"<a download='x' href='{head},{packed}'>x</a>", PEOPLE)
        assert packed not in page
        assert cover_page(f"<a href='{head},{packed}'>x</a>", None)[0] == f"<a href='{head},{packed}'>x</a>"
    kept = "<img src='data:image/png;base64,iVBORw0KGgo='>"
    assert cover_page(kept, PEOPLE)[0] == kept


def test_a_known_number_is_found_however_it_is_grouped() -> None:
    for said in ("8,155,550,101", "815_555_0101", "815\u202f555\u202f0101", "815.555.0101"):
        assert cover_page(f"<td>{said}</td>", PEOPLE)[0] == f"<td>{COVER}</td>"


def test_what_is_not_known_stays_byte_for_byte() -> None:
    page = "<!DOCTYPE html><html><!----><P Class=a>1 &lt; 2 &#38; Jane</P><script>if (a < 'b') x(8155550101)</script>"
    covered, counted = cover_page(page, PEOPLE)
    assert covered == page.replace("<!---->", "")
    assert counted.values == 0


@pytest.mark.parametrize(
    "markup",
    [
        "<script src='https://a.example/x.js'></script>", "<link rel=stylesheet href='//a.example/x.css'>",
        "<style>@import url(https://a.example/x.css); @font-face {src: url('https://a.example/f')}</style>",
        "<img src='http://a.example/x.png'>", "<iframe src='https://a.example'></iframe>",
        "<p style='background: url(https://a.example/x)'>",
    ],
)  # fmt: skip
def test_nothing_is_loaded_from_the_web(markup: str) -> None:
    for roster in (PEOPLE, None):
        assert "a.example" not in cover_page(f"<p>{markup}</p>", roster)[0]


def drawn(roster: Roster | None, *outputs: Any, source: str = "x", **metadata: Any) -> str:
    cell = nbformat.v4.new_code_cell(source, outputs=list(outputs))
    text = nbformat.v4.new_markdown_cell("# Jane Doe\n\nJ**an**e Doe, $x^2$, ![Jane Doe](attachment:a.png)")
    text["attachments"] = {"a.png": {"image/png": "iVBORw0KGgo="}}
    notebook = nbformat.v4.new_notebook(cells=[text, cell], metadata={"language_info": {"name": "python"}, **metadata})
    return to_html(notebook, "Jane Doe", Path(), roster)[0]


def test_every_kind_of_output_is_covered_in_the_page() -> None:
    new = nbformat.v4.new_output
    display = [
        {"text/html": "<table title='Jane Doe'><tr><td>Jane</td><td>Doe</td></tr></table>", "text/plain": "Jane Doe"},
        {"text/plain": "Struct(n='Jane Doe', p='815-555-0101')"},
        {"text/markdown": "**Jane** Doe"},
        {"text/latex": "$Jane Doe$"},
        {"application/json": {"n": "Jane Doe"}, "text/plain": "{'n': 'Jane Doe'}"},
        {"image/svg+xml": "<svg viewBox='0 0 9 9' aria-label='Jane Doe'><text>Jane Doe</text></svg>"},
        {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "Text(value='Jane Doe')"},
        {"application/javascript": "show('Jane Doe')"},
    ]
    outputs = [
        new("stream", text="Jane \x1b[31mDoe\x1b[0m Mary Ann O’Neil 8155550101\n"),
        new("stream", name="stderr", text="Doe, Jane\n"),
        new(
            "error",
            ename="KeyError",
            evalue="'Jane Doe'",
            traceback=["\x1b[0;31mKeyError\x1b[0m: 'Jane \x1b[1mDoe\x1b[0m'"],
        ),
        *(new("display_data", data=data) for data in display),
    ]
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": {"1": {"state": {"value": "Jane Doe"}}}}}
    page = drawn(PEOPLE, *outputs, source="who = 'Jane Doe'  # Jane Doe", widgets=widgets)
    for value in ("Jane", "Doe", "Neil", "5550101", "555-0101"):
        assert value not in page, page[page.find(value) - 80 :][:160]
    [drawing] = re.findall(r"<img[^>]*src=\"data:image/svg\+xml;base64,([^\"]+)", page)
    assert (
        base64.b64decode(drawing).decode()
        == f"<svg viewBox='0 0 9 9' aria-label=\"{COVER}\"><text>{COVER}</text></svg>"
    )
    assert page.count(COVER) > 15
    assert "2 images shown as drawn: nothing in an image is covered" in page
    assert "$x^2$" in page
    assert "Jane Doe" in drawn(None, *outputs)


def test_a_page_brings_all_it_needs() -> None:
    page = drawn(PEOPLE)
    assert "default-src 'none'" in page[: page.index("<title>")]
    loads = [tag for tag in ("<script src", "<link", "import(", "@import", "url(http") if tag in page]
    assert loads == []


# --- lh run ----------------------------------------------------------------------------------------------------------


def lh(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


@pytest.fixture
def agency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake with workers, and one whose first and last names are columns of their own."""
    people = ("1,Wilhelmina Okonkwo,815-555-0134,wo@agency.example", "2,Jasper Abernathy,815-555-0135,ja@x.example")
    (tmp_path / "workers.csv").write_text("\n".join(["id,name,phone,email", *people]))
    (tmp_path / "contacts.csv").write_text("id,first_name,last_name\n1,Octavia,Brandenburg\n2,Percival,Lindqvist\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LH_LAKE", "lake")
    with workbench.connect("lake", folder=tmp_path) as wb:
        wb.ingest(tmp_path / "workers.csv", "workers")
        wb.ingest(tmp_path / "contacts.csv", "contacts")
    return tmp_path


def test_the_page_of_a_run_covers_the_people_of_the_lake(agency: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (agency / "deep").mkdir()
    path = write(
        agency / "deep" / "n.ipynb",
        "import workbench\nwb = workbench.connect()",
        "a = wb.sql('SELECT name AS x, {n: name, p: phone} AS s, name || id AS c FROM workers', show_pii=True).table\n"
        "print(a.to_pylist())",
        "print(wb.sql('SELECT first_name AS f, last_name AS g FROM contacts', show_pii=True).table.to_pylist())",
        "raise KeyError(a['x'][0].as_py().upper())",
    )
    code, told, err = lh(capsys, "run", path, "--html", agency / "page.html", "--no-keep")
    assert code == 1
    assert "Cell 4 of 4 failed:\n    raise KeyError(a['x'][0].as_py().upper())\n" in err
    assert "--resume" in err
    assert "personal data covered by value" in told
    page = (agency / "page.html").read_text(encoding="utf-8")
    for value in ("okonkwo", "abernathy", "wilhelmina", "jasper", "5550134", "555-0134", "octavia", "lindqvist"):
        assert value not in page.lower(), page[page.lower().find(value) - 80 :][:160]
    assert "Okonkwo" in (agency / "deep" / "n.run.ipynb").read_text(encoding="utf-8")  # the notebook stays as it ran
    lh(capsys, "run", path, "--html", agency / "page.html", "--no-keep", "--show-pii")
    assert "Okonkwo" in (agency / "page.html").read_text(encoding="utf-8")


def test_a_missing_extra_and_a_wrong_parameter_are_told(
    agency: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(agency / "n.ipynb", "state = 'WI'", tagged=True)
    code, _, err = lh(capsys, "run", path, "-p", "stat=IL")
    assert (code, "Did you mean state?" in err) == (1, True)
    monkeypatch.setitem(sys.modules, "papermill", None)
    code, _, err = lh(capsys, "run", path)
    assert code == 1
    assert "lakehouse-workbench[notebook]" in err


def test_a_kernel_that_does_not_start_is_told(go: Run, tmp_path: Path) -> None:
    (tmp_path / "ipykernel.py").write_text("raise SystemExit('no kernel today')")
    path = write(tmp_path / "n.ipynb", "1")
    with pytest.raises(WorkbenchError, match="no kernel today"):
        run(Request(path, tmp_path / "out.ipynb", os.environ | {"PYTHONPATH": str(tmp_path)}, {}))


def test_an_output_is_its_owners_alone_whatever_was_there(tmp_path: Path) -> None:
    for _ in range(2):
        record.put("{}", tmp_path / "n.run.ipynb")
        assert (tmp_path / "n.run.ipynb").stat().st_mode & 0o777 == 0o600
        (tmp_path / "n.run.ipynb").chmod(0o644)
    assert [path.name for path in tmp_path.iterdir()] == ["n.run.ipynb"]
