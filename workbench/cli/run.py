"""``lh run``: a notebook from top to bottom, with parameters, without a browser."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import grid, show
from workbench.cli.app import LakeOption, PiiOption, app, pairs, workbench
from workbench.errors import MissingExtraError, WorkbenchError

if TYPE_CHECKING:
    from typing import Self

    from rich.progress import Progress

    from workbench.notebook.runner import Outcome, Request
    from workbench.session import Workbench

_EXTRA = frozenset(["papermill", "nbconvert", "nbclient", "nbformat", "jupyter_client", "ipykernel", "psutil"])
_LINES = 8  # of an error: the rest is in the output notebook
_FIRST_LINE = 60


@app.command(name="run")
def run_notebook(
    notebook: Annotated[Path, typer.Argument(help="A notebook (.ipynb) of Python.")],
    param: Annotated[list[str] | None, typer.Option("-p", "--param", help="name=value; repeatable.")] = None,
    out: Annotated[Path | None, typer.Option(help="The notebook with outputs; else NOTEBOOK.run.ipynb.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also a page of HTML; personal data masked by value.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on at the cell that failed in the last run.")] = False,
    timeout: Annotated[float | None, typer.Option(min=0.1, help="Seconds one cell may run.")] = None,
    memory: Annotated[float | None, typer.Option(min=1, help="MB of memory the kernel may hold.")] = None,
    no_keep: Annotated[bool, typer.Option("--no-keep", help="Keep no kernel for --resume after a failure.")] = False,
    show_pii: PiiOption = False,
    lake: LakeOption = None,
) -> None:
    """Run a notebook from top to bottom in a kernel of its own; a failing cell is named and ends it."""
    values, target = pairs(param, "-p", "name=value"), out or _beside(notebook)
    _check_extra()
    with workbench(lake) as wb, _Cells() as cells:
        from workbench.notebook.cells import Limits
        from workbench.notebook.runner import KEPT_S, Request, run

        limits, keep_s = Limits(timeout, memory), 0.0 if no_keep else KEPT_S
        request = Request(notebook, target, _environ(wb), values, resume=resume, limits=limits, keep_s=keep_s)
        done = run(request, cells)
        page = _page(wb, request, html, show_pii=show_pii) if html else ""
    _told(done, request, html, page, show_pii=show_pii)


def _check_extra() -> None:
    from importlib.util import find_spec

    missing = sorted(name for name in _EXTRA if find_spec(name) is None)
    if missing:
        raise MissingExtraError(
            f"Running a notebook needs {', '.join(missing)}.", hint="pip install 'lakehouse-workbench[notebook]'"
        )


def _environ(wb: Workbench) -> dict[str, str]:
    """What the kernel gets: the same lake that this command names, wherever the notebook is."""
    url = wb.settings.lake
    return os.environ | {"LH_LAKE": url if "://" in url else str(Path(url).expanduser().absolute())}


def _page(wb: Workbench, request: Request, path: Path, *, show_pii: bool) -> str:
    """Write the page; what is told of it."""
    from workbench.lake.shown import Shown
    from workbench.notebook import page, record
    from workbench.session.people import known_people

    roster = None if show_pii else known_people(wb.lake)
    made, covered = page.to_html(record.read(request.out), request.path.stem, request.path.absolute().parent, roster)
    record.put(made, path)
    if show_pii:
        wb.logs.access.note(Shown("page", statement=f"{request.path.name} to {path.name}"))
    if roster is not None and not roster:
        show.caution("this lake knows no people, so names on the page are not covered: --lake names another")
    return "personal data shown" if show_pii else page.told(covered)


def _told(done: Outcome, request: Request, html: Path | None, page: str, *, show_pii: bool) -> None:
    """What came of it. Raises WorkbenchError after a failure."""
    for note in done.notes:
        show.remark(note)
    reused = f", {done.reused} taken over from the last run" if done.reused else ""
    show.line(f"{done.out}  {done.ran} of {done.cells} cells ran{reused}  {done.elapsed_s:.1f} s")
    if html:
        show.line(f"{html}  {page}")
    if done.failure is None:
        return
    raise _failure(done, request, show_pii=show_pii)


def _failure(done: Outcome, request: Request, *, show_pii: bool) -> WorkbenchError:
    """The failing cell, its first lines, the error in its own words, and how to go on."""
    from workbench.pii import mask_text

    failed = done.failure
    assert failed is not None
    source = "".join(f"\n  {line}" for line in failed.source.splitlines())
    words = "\n".join(failed.error.splitlines()[:_LINES])
    message = f"Cell {failed.number} of {done.cells} failed:{source}\n{words}"
    again = shlex.join(["lh", "run", str(request.path), *_out_words(request), "--resume"])
    waits = f" (its kernel waits {done.kept_s / 60:.0f} minutes)" if done.kept_s else ""
    ways = [failed.advice, f"Mend the cell, then: {again}{waits}"]
    return WorkbenchError(message if show_pii else mask_text(message), hint="\n".join(way for way in ways if way))


def _out_words(request: Request) -> list[str]:
    return [] if request.out == _beside(request.path) else ["--out", str(request.out)]


def _beside(notebook: Path) -> Path:
    return notebook.with_name(f"{notebook.stem}.run.ipynb")


class _Cells:
    """Called before each cell; on a terminal one line that says which runs, how long it has, what is left."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def __call__(self, i: int, n: int, line: str, left_s: float | None) -> None:
        if self._progress is None:
            return
        left = "" if left_s is None else f"  about {left_s:,.0f} s left"
        text = grid.clean(f"cell {i} of {n}  {line[:_FIRST_LINE]}{left}")
        for task in self._progress.task_ids:
            self._progress.update(task, description=text, completed=i - 1, total=n)

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (BarColumn(16), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._progress.add_task("starting the kernel", total=None)
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
