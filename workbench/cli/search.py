"""``lh search`` and ``lh index``: ask in plain words."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, PiiOption, app, workbench
from workbench.cli.progress import Bar

if TYPE_CHECKING:
    from workbench.search.corpora import Indexed
    from workbench.search.texts.intake import EmbedProgress
    from workbench.session import Workbench

InOption = Annotated[str, typer.Option("--in", help="Dataset, or a version of it.")]
WhereOption = Annotated[str, typer.Option(help="Any SQL condition on its columns.")]
CountOption = Annotated[int, typer.Option("-k", min=1, help="How many.")]
RoleOption = Annotated[str, typer.Option(help="Only this trade, by any of its names.")]
CityOption = Annotated[str, typer.Option(help='Only this city: Joliet, or "Joliet, IL".')]
ExcludeOption = Annotated[list[str] | None, typer.Option(help="Id of a row to leave out; repeatable.")]

_WORTH_SAYING_S = 3.0


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="In plain words.")],
    dataset: InOption = "workers",
    where: WhereOption = "",
    k: CountOption = 10,
    role: RoleOption = "",
    city: CityOption = "",
    exclude: ExcludeOption = None,
    mode: Annotated[str, typer.Option(help="hybrid, vector (by meaning alone) or text (by words alone).")] = "hybrid",
    column: Annotated[list[str] | None, typer.Option(help="Columns to show; repeatable.")] = None,
    why: Annotated[bool, typer.Option("--why/--no-why", help="Say why each is there.")] = True,
    show_pii: PiiOption = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Find the best rows for a query in plain words, each with the reason.

    In the query: "exact phrase", +must, -not, role:welder, city:Gary, near:Joliet,30mi, and plain "no nights".
    """
    options = {"where": where, "k": k, "role": role, "city": city, "exclude": exclude or (), "show_pii": show_pii}
    options |= {"dataset": dataset, "mode": mode, "columns": column or ()}
    with workbench(lake) as wb, Bar() as bar:
        seen = embedding(bar, lambda: wb.lake.get(dataset).row_count)
        found = wb.search(query, on_progress=seen, **options)
    show.json_out(found.to_dict()) if as_json else show.results(found, why=why)


@app.command()
def index(
    dataset: Annotated[str, typer.Argument(help="Dataset.")] = "workers",
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Take in what is new in a dataset, so that the next search is fast at once.

    Ctrl-C loses nothing: the next run goes on where this one stopped.
    """
    with workbench(lake) as wb:
        done = indexed(wb, dataset)
    show.json_out(asdict(done)) if as_json else _told(dataset, done)


def embedding(bar: Bar, rows: Callable[[], int] = int) -> Callable[[EmbedProgress], None]:
    """Shows on ``bar`` how far an intake is; ``rows`` says, when there is one, of how many rows (0: unknown)."""
    total: list[int] = []

    def on_progress(at: EmbedProgress) -> None:
        if not total:
            total.append(rows())
        bar("embed", at.rows, total[0])

    return on_progress


def indexed(wb: Workbench, dataset: str) -> Indexed:
    """Index a dataset with progress; what a build will take is said before it begins."""
    try:
        with ExitStack() as stack:
            bar = stack.enter_context(Bar())
            bar("read", 0, 0)
            build = Build(stack, wb.embedder.dimension)
            on_progress = embedding(bar, lambda: wb.lake.get(dataset).row_count)
            return wb.searcher.index(dataset, on_progress=on_progress, on_build=build)
    except KeyboardInterrupt:
        show.remark(f"\nwhat was embedded is kept; to go on: lh index {dataset}")
        raise


@dataclass
class Build:
    """The build of a graph: ends what ``stack`` shows, says what the build will take, then shows how far it is."""

    stack: ExitStack
    dimension: int
    bar: Bar | None = field(default=None)

    def __call__(self, done: int, total: int) -> None:
        """So many of its texts are in."""
        if self.bar is None:
            self.stack.close()
            _estimated(total, self.dimension)
            self.bar = self.stack.enter_context(Bar())
        if done < total:
            self.bar("graph", done, total)
        else:  # its depth is still to be tuned and its recall to be measured
            self.bar("tune", 0, 0)


def _estimated(texts: int, dimension: int) -> None:
    from workbench.search.graphs.graph import estimate

    took = estimate(texts, dimension)
    if took.build_s >= _WORTH_SAYING_S:
        memory = show.size(took.memory_bytes)
        show.remark(f"building the graph of {texts:,} texts: about {_duration(took.build_s)} and {memory} of memory")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _told(dataset: str, done: Indexed) -> None:
    c = done.corpus
    aside = [(c.no_text, "without text"), (c.no_id, "without an id"), (c.repeated_ids, "with a repeated id")]
    left = "".join(f", {n:,} {what}" for n, what in aside if n)
    show.line(
        f"{dataset}  {c.rows:,} rows, {c.unique:,} different texts: {c.embedded:,} embedded now, {c.reused:,} known"
        f"{left}  {c.elapsed_s:.1f} s"
    )
    if c.long:
        show.line(f"  · {c.long:,} texts are longer than the model reads at once and were embedded in pieces")
    if done.graph_texts:
        recall = "" if done.recall is None else f", recall {done.recall:.3f} at depth {done.ef}"
        how = f"built in {_duration(done.build_s)}" if done.build_s else "kept, it is fresh"
        show.line(f"  · graph of {done.graph_texts:,} texts{recall}: {how}")
