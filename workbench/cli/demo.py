"""``lh demo``: from nothing to answers, with made-up people."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import show
from workbench.cli.app import LakeOption, app, workbench
from workbench.cli.progress import Bar
from workbench.cli.search import indexed
from workbench.lake.sql.query import Access
from workbench.session import Workbench
from workbench.staffing import called_never_placed_sql, read_planted, write_csvs
from workbench.staffing.demo import check_own, load_demo

_ASKED = "someone who can drive a reach truck, no nights, near:Joliet,50mi"


@app.command()
def demo(
    workers: Annotated[int, typer.Option(help="How many workers to make.")] = 20_000,
    full: Annotated[bool, typer.Option("--full", help="500,000 workers and the seven-table set in full.")] = False,
    seed: Annotated[int, typer.Option(help="The same seed makes the same people.")] = 7,
    folder: Annotated[Path | None, typer.Option("--csv", help="Keep the CSV files here; else beside the lake.")] = None,
    lake: LakeOption = None,
) -> None:
    """Make a staffing agency's data as CSV, load it, search it, and show the first answers."""
    began = time.perf_counter()
    with workbench(lake) as wb:
        check_own(wb.lake)
        csvs = folder or _beside(wb)
        with Bar() as bar:
            _make(csvs, workers=500_000 if full else workers, seed=seed, full=full, bar=bar)
            for done in load_demo(wb.lake, csvs, progress=bar):
                show.report(done)
        _index(wb)
        _answer(wb, csvs)
    _go_on(lake, time.perf_counter() - began)


def _beside(wb: Workbench) -> Path:
    url = wb.settings.lake
    return Path("demo-csv") if url.startswith("s3://") else Path(url).expanduser() / "_csv"


def _make(folder: Path, *, workers: int, seed: int, full: bool, bar: Bar) -> None:
    began = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    made = write_csvs(folder, workers=workers, seed=seed, full=full, on_progress=lambda t, d, n: bar(t[:8], d, n))
    rows, files, taken = sum(made.rows.values()), len(made.rows), time.perf_counter() - began
    show.line(f"made    {rows:,} rows in {files} CSV files, {show.size(made.size_bytes)}, in {folder}  {taken:.1f} s")


def _index(wb: Workbench) -> None:
    began = time.perf_counter()
    done = indexed(wb, "workers")
    graph = f", a graph of {done.graph_texts:,}" if done.graph_texts else ""
    show.line(
        f"index   {done.corpus.unique:,} texts of {done.corpus.rows:,} workers, {done.corpus.embedded:,} new{graph}  "
        f"{time.perf_counter() - began:.1f} s"
    )


def _answer(wb: Workbench, folder: Path) -> None:
    show.line("\nWho is available in Chicago, by role?")
    query = "SELECT role, count(*) AS workers FROM workers WHERE city = 'Chicago' AND availability > 0 GROUP BY 1 ORDER BY 2 DESC LIMIT 5"  # noqa: E501
    show.arrow(wb.sql(query).table)
    show.line("\nEvery Java developer in Chicago we called five times and never placed:")
    params = {"role": "Java Developer", "city": "Chicago", "calls": 5}
    answer = wb.lake.sql(called_never_placed_sql(), params, access=Access(row_cap=5))
    show.arrow(answer.table)
    show.line(f"\n{_ASKED!r}, available:")
    found = wb.search(_ASKED, where="availability > 0.5", k=3)
    show.results(found, why=True)
    planted = read_planted(folder)
    violations = sum(len(found.ids) for found in planted.findings)
    show.remark(f"{folder / 'planted.json'} lists {violations:,} violations that were planted for validators to find")


def _go_on(lake: str | None, seconds: float) -> None:
    here = f" --lake {shlex.quote(lake)}" if lake else ""
    lh = "lh" if shutil.which("lh") else shlex.quote(os.path.relpath(sys.argv[0]))
    show.line(f"\nDone in {seconds:.0f} s. Go on:")
    for command in (
        f"{lh} ls{here}",
        f'{lh} sql "SELECT city, avg(reliability) FROM workers GROUP BY 1 ORDER BY 2 DESC"{here}',
        f'{lh} search "nurse who speaks Spanish, weekends" --where "state = \'IL\'"{here}',
        f'{lh} why W-12 "forklift operator city:Gary"{here}',
        f'{lh} role "hi-lo driver"{here}',
        f"{lh} eval{here}",
        f"{lh} doctor{here}",
    ):
        show.line(f"  {command}")
