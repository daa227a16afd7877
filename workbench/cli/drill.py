"""``lh drill``: prove on this machine that nothing is lost when writers die."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, app
from workbench.cli.progress import Bar
from workbench.errors import InvalidError
from workbench.lake.drill import Outcome, Plan, drill, open_by_url
from workbench.lake.drill_crew import Opener
from workbench.session import connect

_SHOWN = 12


@app.command("drill")
def drill_command(
    writers: Annotated[int, typer.Option(min=1, help="Processes that write at once.")] = 8,
    readers: Annotated[int, typer.Option(min=0, help="Processes that read meanwhile.")] = 4,
    kills: Annotated[int, typer.Option(min=0, help="Writers killed at random points.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the random points.")] = 7,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Kill writers at random points and prove that the lake lost nothing. Runs on a lake of its own."""
    with ExitStack() as stack:
        url = lake or stack.enter_context(tempfile.TemporaryDirectory(prefix="lh-drill-"))
        opener = _opener(url)
        show.lake_line(url, "drill")
        bar = stack.enter_context(Bar())
        outcome = drill(url, Plan(writers, readers, kills=kills, seed=seed), opener=opener, progress=bar)
    show.json_out(outcome.to_dict()) if as_json else _told(outcome)
    raise typer.Exit(0 if outcome.passed else 1)


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
    for fault in o.faults[:_SHOWN]:
        show.line(f"✗ {fault}")
    if more := len(o.faults[_SHOWN:]):
        show.line(f"✗ and {more:,} more; --json shows all")
    show.line(f"{'nothing lost, nothing torn, nothing to repair' if o.passed else 'FAILED'}  {o.elapsed_s:.0f} s")
