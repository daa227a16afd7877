"""Hits: what ``%lhsearch`` found, as a table with scores and reasons that can be read on: in SQL, in pandas, by eye."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kernel_ext import hits_html
from kernel_ext.result import missing, terminal_width
from workbench.cli import grid, reasons
from workbench.errors import NotFoundError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from workbench.search.answer import Freshness, Results, WhyNot
    from workbench.search.ranking.hits import Hit, Id
    from workbench.session import Workbench

_PLAIN_WORD = re.compile(r"[\w./@-]+")
_EXPANDED = re.compile(r"[$`!]")  # what a terminal's shell would expand between double quotes
_SPECIAL = re.compile(r'["\\$`!]')
_OURS = ("rank", "score", "why")


@dataclass(frozen=True, slots=True)
class Search:
    """A search as it is typed: the options of ``lh search`` by their names; see `Searcher.search`."""

    query: str
    dataset: str = "workers"
    where: str = ""
    k: int = 10
    role: str = ""
    city: str = ""
    exclude: tuple[str, ...] = ()
    mode: str = "hybrid"
    columns: tuple[str, ...] = ()
    show_pii: bool = False

    def options(self) -> dict[str, Any]:
        """The keywords of ``wb.search``."""
        names = ("dataset", "where", "k", "role", "city", "exclude", "mode", "columns", "show_pii")
        return {name: getattr(self, name) for name in names}

    def magic(self, *, why: bool = False) -> str:
        """The one line that asks the same: ``%lhsearch "welder" --where "city = 'Joliet'" -k 20``.

        It can be typed in a terminal too, as ``lh search …``. A line break, which a line cannot hold, becomes a space.
        """
        plain = Search("")
        words = ["%lhsearch", quoted(self.query, always=True)]
        words += [f"--where {quoted(self.where, always=True)}"] if self.where else []
        words += [f"-k {self.k}"] if self.k != plain.k else []
        for name in ("role", "city", "dataset", "mode"):
            if (value := getattr(self, name)) != getattr(plain, name):
                words.append(f"--{name} {quoted(value)}")
        words += [f"--exclude {quoted(row)}" for row in self.exclude]
        words += [f"--column {quoted(name)}" for name in self.columns]
        words += ["--show-pii"] if self.show_pii else []
        return " ".join([*words, *(["--why"] if why else [])])


def quoted(text: str, *, always: bool = False) -> str:
    """``text`` as one word of a shell: bare where that is safe, else in the quotes that read best."""
    flat = " ".join(text.splitlines()) if text.splitlines() != [text] else text
    if not always and not flat.startswith("-") and _PLAIN_WORD.fullmatch(flat):
        return flat
    if not _SPECIAL.search(flat):
        return f'"{flat}"'
    if "'" not in flat:
        return f"'{flat}'"
    return shlex.quote(flat) if _EXPANDED.search(flat) else '"' + re.sub(r'(["\\])', r"\\\1", flat) + '"'


@dataclass(frozen=True)
class Why:
    """Why one row is, or is not, among the hits; ``text`` is the answer in a few lines."""

    id: Id
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return hits_html.lines(self.text.splitlines())


@dataclass(frozen=True, eq=False)
class Hits:
    """The rows that a search found, best first.

    It knows the ``search`` that was asked and the whole answer, ``results``. ``table`` has rank (int64), score (double,
    0 … 1) and why (string) before the columns of the row; SQL reads it by the name that ``--as`` gave.
    ``notes``: what the reader should know of the values that were written into the condition.
    """

    search: Search
    results: Results
    wb: Workbench = field(repr=False)
    open_why: bool = False
    notes: tuple[str, ...] = ()

    @property
    def query(self) -> str:
        """What was asked."""
        return self.search.query

    @property
    def options(self) -> dict[str, Any]:
        """The options it was asked with, by name."""
        return self.search.options()

    @property
    def search_id(self) -> str:
        """Its entry in the search log, "" when there is none."""
        return self.results.search_id

    @property
    def freshness(self) -> Freshness:
        """How new the answer is."""
        return self.results.freshness

    @property
    def funnel(self) -> str:
        """``20,000 workers → 445 in Joliet → 5 shown``."""
        return reasons.funnel(self.results)

    @property
    def ids(self) -> list[Id]:
        """The ids of the rows, best first."""
        return [hit.id for hit in self.results.hits]

    @property
    def magic(self) -> str:
        """The line that asks the same again."""
        return self.search.magic(why=self.open_why)

    @property
    def table(self) -> pa.Table:
        """rank, score and why, then the columns of the row. A column of the row that is called as one of these gets
        the name of the dataset before its own: ``workers_rank``.
        """
        import pyarrow as pa

        found = self.results
        told = [hits_html.soft(reasons.reasons(hit)) for hit in found.hits]
        ours = [
            pa.array(range(1, len(found.hits) + 1), pa.int64()),
            pa.array([hit.score for hit in found.hits], pa.float64()),
            pa.array(told, pa.string()),
        ]
        names = _own_names(found.table.column_names, found.dataset)
        return pa.table([*ours, *found.table.columns], names=[*_OURS, *names])

    def arrow(self) -> pa.Table:
        """`table`."""
        return self.table

    def df(self) -> pd.DataFrame:
        """`table` as a pandas DataFrame. Raises MissingExtraError without pandas."""
        frame: pd.DataFrame = self._as("df")
        return frame

    def pl(self) -> pl.DataFrame:
        """`table` as a polars DataFrame. Raises MissingExtraError without polars."""
        frame: pl.DataFrame = self._as("pl")
        return frame

    def _as(self, kind: str) -> Any:
        try:
            if kind == "df":
                return self.table.to_pandas()
            import polars as pl

            return pl.from_arrow(self.table)
        except ModuleNotFoundError as error:
            raise missing(error) from None

    def chosen(self, ids: Id | Sequence[Id]) -> None:
        """Note in the search log which of these rows were chosen. Raises NotFoundError for one that is not here."""
        rows = [ids] if isinstance(ids, int | str) else list(ids)
        self.wb.chosen(self.search_id, [self._hit(row)[1].id for row in rows])

    def why(self, row: Id) -> Why:
        """Why a row (``12`` or ``W-12``) is among the hits, or is not and what would bring it in.

        Raises NotFoundError for an id that the dataset does not have.
        """
        try:
            place, hit = self._hit(row)
        except NotFoundError:
            return why_not(self.wb, row, self.search)
        first = f"{hit.id}  {reasons.ordinal(place)} with {hit.score:.3f}"
        told = [hits_html.soft(reasons.reasons(hit)), hit.snippet, hit.trade]
        return Why(hit.id, "\n  ".join([first, *filter(None, told)]))

    def _hit(self, row: Id) -> tuple[int, Hit]:
        """Its place, from 1, and the hit."""
        wanted = {str(row), str(row).upper().removeprefix("W-")}
        for place, hit in enumerate(self.results.hits, 1):
            if str(hit.id) in wanted:
                return place, hit
        raise NotFoundError(
            f"{row} is not among the {len(self.results.hits)} hits.",
            hint=f"hits.why({row!r}) says what would bring it in.",
        )

    def __len__(self) -> int:
        return len(self.results.hits)

    def __repr__(self) -> str:
        return self.text()

    def text(self, width: int | None = None) -> str:
        """The table as plain text, then how it came about; the reasons with ``--why``. ``width`` None: uncut."""
        found = self.results
        parts = [*self.notes, *([_text_table(found, width)] if found.hits else [])]
        if self.open_why:
            alike = len({hit.trade for hit in found.hits}) == 1 < len(found.hits)
            for place, hit in enumerate(found.hits, 1):
                parts += reasons.hit_lines(place, hit, width, trade=not alike)
        parts += [self.funnel, reasons.source(found), reasons.formula(found), *_meant(found)]
        parts += [f"! {said}" for said in reasons.cautions(found)]
        return "\n".join(grid.clean(part) for part in parts if part)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython calls it so
        printer.text("Hits(…)" if cycle else self.text(terminal_width()))

    def _repr_html_(self) -> str:
        return hits_html.hits(self.results, open_why=self.open_why, notes=self.notes)


def find(
    wb: Workbench, search: Search, *, open_why: bool = False, on_progress: Callable[[Any], None] | None = None
) -> Hits:
    """Ask. Raises as `Searcher.search` does."""
    return Hits(search, wb.search(search.query, on_progress=on_progress, **search.options()), wb, open_why)


def why_not(wb: Workbench, row: Id, search: Search) -> Why:
    """Why ``row`` is not among the hits of ``search``, in the words of ``lh why``. Raises as `wb.why_not`."""
    from workbench.cli import why  # loads the command line, which only this needs

    options = search.options()
    mode = options.pop("mode")
    del options["columns"]
    found = wb.why_not(row, search.query, **options)
    said = io.StringIO()
    with redirect_stdout(said):
        why.told(found, _facts(wb, search, found), search.k, _typed(search, row))
    lines = said.getvalue().rstrip().splitlines()
    if mode != "hybrid":
        lines.append(f"  Ranked by all parts here, not by --mode {mode} alone.")
    return Why(found.id, "\n".join(lines))


def _typed(search: Search, row: Id) -> dict[str, str]:
    """What an answer calls the options, and how they were typed."""
    said = {
        f"{name}:{value}": f"--{name} {quoted(value)}" for name in ("role", "city") if (value := getattr(search, name))
    }
    return said | ({"its id from those that are excluded": f"--exclude {row}"} if search.exclude else {})


def _facts(wb: Workbench, search: Search, found: WhyNot) -> dict[str, str]:
    """The columns of the row as they may be shown, by name in lower case."""
    from workbench.lake.tables.mapping import quote
    from workbench.search.corpora import key_column

    manifest = wb.lake.get(search.dataset)
    sql = f"SELECT * FROM {quote(manifest.name)}@{manifest.version} WHERE {quote(key_column(manifest).name)} = $id"
    first = wb.sql(sql, {"id": found.id}, row_cap=1, show_pii=search.show_pii).table.to_pylist()[0]
    return {name.casefold(): grid.cell(value) for name, value in first.items()}


def _own_names(columns: Sequence[str], dataset: str) -> list[str]:
    taken = {name.casefold() for name in (*columns, *_OURS)}
    out = []
    for name in columns:
        free = name
        while free.casefold() in _OURS or (free != name and free.casefold() in taken):
            free = f"{dataset}_{free}"
        out.append(free)
    return out


def _meant(found: Results) -> list[str]:
    """What each role or trade means; of the trades that are too many to name each hit names its own."""
    return [said for said in reasons.meant(found) if not said.endswith("--json names them")]


def _text_table(found: Results, width: int | None) -> str:
    from rich.console import Console

    body = grid.of_arrow(found.table)
    rows = [
        (f"{at}", f"{hit.score:.3f}", *row) for at, (hit, row) in enumerate(zip(found.hits, body.rows, strict=True), 1)
    ]
    right = frozenset({0, 1, *(place + 2 for place in body.right)})
    out = io.StringIO()
    # Inside a notebook rich would draw into the cell itself.
    console = Console(file=out, width=width or 10_000, highlight=False, color_system=None, force_jupyter=False)
    grid.draw(grid.Grid(("", "score", *body.columns), tuple(rows), right), console, width)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())
