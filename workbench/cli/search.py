"""``lh search`` and ``lh index``: ask in plain words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, PiiOption, app, workbench
from workbench.cli.progress import Bar

if TYPE_CHECKING:
    from workbench.search.intake import EmbedProgress


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="In plain words.")],
    dataset: Annotated[str, typer.Option("--in", help="Dataset, or a version of it.")] = "workers",
    where: Annotated[str, typer.Option(help="Any SQL condition on its columns.")] = "",
    k: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 10,
    column: Annotated[list[str] | None, typer.Option(help="Columns to show; repeatable.")] = None,
    why: Annotated[bool, typer.Option("--why/--no-why", help="Say why each is there.")] = True,
    show_pii: PiiOption = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Rank the rows that match a condition by how near they are to the words."""
    with workbench(lake) as wb, Bar() as bar:
        found = wb.search(
            query,
            dataset=dataset,
            where=where,
            k=k,
            columns=column or (),
            show_pii=show_pii,
            on_progress=_embedding(bar),
        )
    show.json_out(found.to_dict()) if as_json else show.results(found, why=why)


@app.command()
def index(dataset: Annotated[str, typer.Argument(help="Dataset.")] = "workers", lake: LakeOption = None) -> None:
    """Embed what is new in a dataset, so that the next search finds it at once."""
    with workbench(lake) as wb, Bar() as bar:
        done = wb.searcher.index(dataset, on_progress=_embedding(bar))
    aside = [(done.no_text, "without text"), (done.no_id, "without an id"), (done.repeated_ids, "with a repeated id")]
    left = "".join(f", {n:,} {what}" for n, what in aside if n)
    show.line(
        f"{dataset}  {done.rows:,} rows, {done.unique:,} different texts: {done.embedded:,} embedded now, "
        f"{done.reused:,} known{left}  {done.elapsed_s:.1f} s"
    )


def _embedding(bar: Bar) -> Callable[[EmbedProgress], None]:
    def on_progress(at: EmbedProgress) -> None:
        bar("embed", at.rows, 0)

    return on_progress
