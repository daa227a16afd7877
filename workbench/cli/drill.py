"""``lh drill``: prove on this machine that nothing is lost when writers die."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, app
from workbench.cli.progress import Bar
from workbench.errors import InvalidError
from workbench.lake.drill import Outcome, Plan, drill, open_by_url
from workbench.lake.drill_crew import Opener
from workbench.session import connect

if TYPE_CHECKING:
    from workbench.search.drill import Outcome as SearchOutcome

_SHOWN = 12


@app.command("drill")
def drill_command(
    writers: Annotated[
        int | None, typer.Option(min=1, help="Processes that write at once: 8, with --search 3.")
    ] = None,
    readers: Annotated[int, typer.Option(min=0, help="Processes that read meanwhile; not with --search.")] = 4,
    kills: Annotated[
        int | None, typer.Option(min=0, help="Writers killed at random points: 200, with --search 100.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the random points.")] = 7,
    search: Annotated[bool, typer.Option("--search", help="Kill what indexes, adds vectors and searches.")] = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Kill writers at random points and prove that the lake lost nothing. Runs on a lake of its own."""
    if search:
        _search(writers or 3, 100 if kills is None else kills, seed, lake, as_json)
    with ExitStack() as stack:
        url = lake or stack.enter_context(tempfile.TemporaryDirectory(prefix="lh-drill-"))
        opener = _opener(url)
        show.lake_line(url, "drill")
        bar = stack.enter_context(Bar())
        plan = Plan(writers or 8, readers, kills=200 if kills is None else kills, seed=seed)
        outcome = drill(url, plan, opener=opener, progress=bar)
    show.json_out(outcome.to_dict()) if as_json else _told(outcome)
    raise typer.Exit(0 if outcome.passed else 1)


def _search(workers: int, kills: int, seed: int, lake: str | None, as_json: bool) -> None:
    """The drill over search; ends the command."""
    from workbench.search import drill as search_drill

    with ExitStack() as stack:
        url = lake or stack.enter_context(tempfile.TemporaryDirectory(prefix="lh-drill-"))
        _opener(url)
        if "://" in url:
            raise InvalidError("The search drill runs in a folder.", hint="lh drill --search, without --lake")
        show.lake_line(url, "drill")
        bar = stack.enter_context(Bar())
        plan = search_drill.Plan(workers, kills=kills, seed=seed)
        outcome = search_drill.drill(Path(url).expanduser().absolute(), plan, progress=bar)
    show.json_out(outcome.to_dict()) if as_json else _told_of_search(outcome)
    raise typer.Exit(0 if outcome.passed else 1)


def _told_of_search(o: SearchOutcome) -> None:
    where = ", ".join(f"{n} in {phase}" for phase, n in sorted(o.killed_in.items(), key=lambda p: -p[1]))
    show.line(f"killed  {o.kills:,} processes with SIGKILL: {where or 'none'}")
    show.line(f"kept    {o.batches:,} batches and {o.vectors:,} changes of vectors acknowledged")
    show.line(f"looked  {o.checks:,} new processes opened what was left and compared it with what was acknowledged")
    show.line(f"made    {o.rows:,} rows, {o.graph_texts:,} texts in the graph")
    show.line(f"left    {o.left:,} half-written files, of which ordinary use leaves {o.stayed:,}")
    _told_faults(o.faults)
    show.line(f"{'nothing lost, nothing wrong, nothing to repair' if o.passed else 'FAILED'}  {o.elapsed_s:.0f} s")


def _told_faults(faults: Sequence[str]) -> None:
    for fault in faults[:_SHOWN]:
        show.line(f"✗ {fault}")
    if more := len(faults[_SHOWN:]):
        show.line(f"✗ and {more:,} more; --json shows all")


def _opener(url: str) -> Opener:
    """How every process of the drill opens the lake, which must hold nothing yet."""
    wb = connect(url)
    if wb.storage.folders("datasets"):
        raise InvalidError(f"{url} holds datasets; a drill wants a lake of its own.", hint="lh drill, without --lake")
    return partial(open_by_url, secrets_file=Path(wb.settings.secrets_file).expanduser())


def _told(o: Outcome) -> None:
    where = ", ".join(f"{n} in {phase}" for phase, n in sorted(o.killed_in.items(), key=lambda p: -p[1]))
    show.line(f"killed  {o.kills:,} writers with SIGKILL: {where or 'none'}")
    show.line(f"kept    {o.acknowledged:,} batches acknowledged; {o.batches:,} found, {o.rows:,} rows, value by value")
    show.line(f"read    {o.reads:,} times meanwhile; {o.versions:,} versions examined, file by file")
    show.line(f"after   the next writer took {o.stranded_s:.1f} s; {o.left:,} files of dead writers swept")
    _told_faults(o.faults)
    show.line(f"{'nothing lost, nothing torn, nothing to repair' if o.passed else 'FAILED'}  {o.elapsed_s:.0f} s")
