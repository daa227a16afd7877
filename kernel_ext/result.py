"""What a query gave: its first page to look at, and the relation behind it to read on from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kernel_ext import grid
from workbench.errors import InvalidError, MissingExtraError, QueryTimeoutError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from kernel_ext.session import Session
    from workbench.lake.saving import Saved
    from workbench.lake.sql.lazy import Relation
    from workbench.lake.sql.query import Answer

SHOWN = 1_000  # rows that a page of HTML can hold without slowing the notebook
COUNT_BUDGET_S = 0.15
_SQL_SHOWN = 60
_PLAIN_ROWS = 20  # rows of the plain text that a notebook keeps beside the table


@dataclass(frozen=True, slots=True)
class Asking:
    """How a statement was asked: its text as typed, what the output has to say, and at most how many rows to show."""

    sql: str
    notes: tuple[str, ...] = ()
    timeout_s: float | None = None
    shown: int | None = None


class Result:
    """Rows of a statement on the snapshots that it read: the first page is here, all of them are one call away.

    ``sql`` is the text as typed, ``params`` the values that were bound, ``snapshots`` dataset → version, ``elapsed_s``
    the seconds the page took, ``table`` the page (Arrow). A later ``FROM name`` reads ``relation``: the same snapshots
    and the same values, whatever changed since.
    """

    def __init__(
        self, session: Session, relation: Relation | None, page: Answer, asking: Asking, *, total: int | None = None
    ) -> None:
        self._session = session
        self._page = page
        self._asking = asking
        self.relation = relation
        self.total = total if page.truncated else page.row_count

    @property
    def sql(self) -> str:
        """The statement as it was typed."""
        return self._asking.sql

    @property
    def params(self) -> Mapping[str, Any]:
        """The values that were bound."""
        params = self._page.params or {}
        return params if isinstance(params, Mapping) else {str(i): v for i, v in enumerate(params, 1)}

    @property
    def snapshots(self) -> Mapping[str, int]:
        """Dataset → version that it reads."""
        return dict(self._page.snapshots)

    @property
    def elapsed_s(self) -> float:
        """Seconds that the first page took."""
        return self._page.elapsed_s

    @property
    def masked(self) -> tuple[str, ...]:
        """Columns whose values are masked whole."""
        return self._page.masked

    @property
    def table(self) -> pa.Table:
        """The page as an Arrow table."""
        return self._page.table

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self.table.column_names)

    def arrow(self) -> pa.Table:
        """All rows as an Arrow table."""
        return self._all().table

    def df(self) -> pd.DataFrame:
        """All rows as a pandas DataFrame. Raises MissingExtraError without pandas."""
        frame: pd.DataFrame = converted(self._all(), "df")
        return frame

    def pl(self) -> pl.DataFrame:
        """All rows as a polars DataFrame. Raises MissingExtraError without polars."""
        frame: pl.DataFrame = converted(self._all(), "pl")
        return frame

    def count(self) -> int:
        """How many rows there are; counted when it is not known yet."""
        if self.total is None and self.relation is not None:
            with self._session.running(self._asking.timeout_s, stage="count") as watch:
                self.total = self.relation.count(watch=watch)
        return len(self)

    def _all(self) -> Answer:
        if self.relation is None or not self._page.truncated:
            return self._page
        with self._session.running(self._asking.timeout_s, stage="fetch") as watch:
            return self.relation.fetch(None, watch=watch)

    def __len__(self) -> int:
        if self.total is None:
            raise InvalidError("How many rows there are is not known yet.", hint="Count them: .count()")
        return self.total

    def __bool__(self) -> bool:
        return True  # a result, also one without rows

    def __repr__(self) -> str:
        text = " ".join(self.sql.split())
        short = text if len(text) <= _SQL_SHOWN else text[: _SQL_SHOWN - 1] + "…"
        return f"<Result {short!r}: {self.caption()}>"

    def __str__(self) -> str:
        return self.to_text()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython's own signature
        if cycle:
            printer.text("<Result …>")
            return
        # A notebook draws the HTML and keeps this beside it; a terminal shows nothing else.
        rows = _PLAIN_ROWS if hasattr(self._session.shell, "kernel") else SHOWN
        printer.text(self.to_text(rows, width=None if hasattr(self._session.shell, "kernel") else terminal_width()))

    def _repr_html_(self) -> str:
        shown = min(self.table.num_rows, self._asking.shown or SHOWN)
        return grid.to_html(self.table.slice(0, shown), caption=self.caption(shown), note=self._asking.notes)

    def to_text(self, rows: int = SHOWN, *, width: int | None = None) -> str:
        """The page as plain text, at most so many ``rows``."""
        shown = min(self.table.num_rows, rows, self._asking.shown or SHOWN)
        return grid.to_text(
            self.table.slice(0, shown), caption=self.caption(shown), note=self._asking.notes, width=width
        )

    def caption(self, shown: int | None = None) -> str:
        """The line below: rows shown of how many, columns, time, snapshots, what is masked."""
        wide = self.table.num_columns
        rows = self.table.num_rows if shown is None else shown
        parts = [
            f"{_rows(rows, self.total)} × {counted(wide, 'column')}",
            "there are more (--all)" if self.total is None else "",
            duration(self.elapsed_s),
            versions(self.snapshots),
            f"masked: {', '.join(self.masked)} (--show-pii)" if self.masked else "",
        ]
        return " · ".join(part for part in parts if part)


def _rows(shown: int, total: int | None) -> str:
    if total is None:
        return f"first {counted(shown, 'row')}"
    if shown < total:
        return f"{shown:,} of {counted(total, 'row')}"
    return counted(total, "row")


def counted(n: int, what: str) -> str:
    """``1 row``, ``20,000 rows``."""
    return f"{n:,} {what}{'s'[: n != 1]}"


def duration(seconds: float) -> str:
    """``12 ms``, ``3.4 s``, ``2 min 5 s``."""
    if seconds < 0.9995:
        return f"{max(round(seconds * 1000), 1)} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)} min {int(seconds % 60)} s"


def versions(snapshots: Mapping[str, int]) -> str:
    """``workers@3 orders@1``."""
    said = [name if "@" in name else f"{name}@{version}" for name, version in snapshots.items()]
    return " ".join(dict.fromkeys(said))


def below(relation: Relation, elapsed_s: float) -> str:
    """The end of the line below what was made of a relation: time and snapshots."""
    return " · ".join(part for part in (duration(elapsed_s), versions(relation.snapshots)) if part)


def terminal_width() -> int:
    """Columns of the terminal."""
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


def cheap_count(relation: Relation) -> int | None:
    """How many rows a relation has, if that is known within 0.15 s."""
    from workbench.lake.sql.engine import Watch

    try:
        return relation.count(watch=Watch(timeout_s=COUNT_BUDGET_S))
    except QueryTimeoutError:
        return None


def converted(answer: Answer, kind: str) -> Any:
    """An answer as ``df``, ``pl`` or ``arrow``. Raises MissingExtraError for a library that is not installed."""
    names = answer.table.column_names
    if kind == "pl" and (twice := [name for at, name in enumerate(names) if name in names[:at]]):
        raise InvalidError(
            f"Two columns are named {twice[0]}, and polars tells them apart by their names.",
            hint=f"Name one of them: … AS {twice[0]}_2",
        )
    make: dict[str, Callable[[], Any]] = {
        "df": lambda: to_pandas(answer.table),
        "pl": answer.pl,
        "arrow": answer.arrow,
    }
    try:
        return make[kind]()
    except ModuleNotFoundError as error:
        raise missing(error) from None


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """A DataFrame as DuckDB's own ``df()`` makes it: decimals as float64, dates as datetime64; Arrow is exact."""
    import pyarrow as pa

    from workbench.lake.sql import carriers

    fields = [field.with_type(pa.float64()) if pa.types.is_decimal(field.type) else field for field in table.schema]
    frame: pd.DataFrame = table.cast(pa.schema(fields)).to_pandas(date_as_object=False)
    return carriers.to_attrs(table, frame)


def missing(error: ModuleNotFoundError) -> MissingExtraError:
    """The error for a library that is not installed, with the extra that brings it."""
    name = (error.name or "").partition(".")[0]
    extra = "plot" if name in {"hvplot", "holoviews", "bokeh", "panel"} else "notebook"
    command = "pip install polars" if name == "polars" else f"pip install 'lakehouse-workbench[{extra}]'"
    return MissingExtraError(f"This needs {name}, which is not installed.", hint=command)


class Text:
    """Fixed-width text as a cell's value: a plan. ``str`` gives it as it is."""

    def __init__(self, text: str, *, caption: str = "", note: Sequence[str] = ()) -> None:
        self.text = text
        self.caption = caption
        self.note = tuple(note)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return "\n".join([*self.note, self.text.rstrip(), *([self.caption] if self.caption else [])])

    def _repr_html_(self) -> str:
        return grid.text_to_html(self.text, caption=self.caption, note=self.note)


class Kept:
    """What ``--save`` made, as a cell's value: one line. ``saved`` has the version, the lineage and the columns."""

    def __init__(self, saved: Saved, relation: Relation, note: Sequence[str] = ()) -> None:
        self.saved = saved
        self.relation = relation
        self.note = tuple(note)

    def __repr__(self) -> str:
        return "\n".join([*self.note, self.saved.says])

    def _repr_html_(self) -> str:
        return grid.line_to_html(self.saved.says, note=self.note)


_TIMED = re.compile(r"^ *(?P<step>.+?) · [\d,]+ rows? · (?P<ms>[\d.,]+) ms$", re.MULTILINE)


def reading(plan: str) -> str:
    """Where the time of a plan went, in one line: its slowest steps.

    Cores work side by side, so the steps together can take longer than the wait.
    """
    steps = [(float(found["ms"].replace(",", "")), found["step"]) for found in _TIMED.finditer(plan)]
    spent = sum(ms for ms, _ in steps)
    if not spent:
        return ""
    slowest = sorted(steps, reverse=True)[:3]
    said = ", ".join(
        f"{step} {ms / spent:.0%} ({duration(ms / 1000)})".replace("%", " %") for ms, step in slowest if ms
    )
    return f"{duration(spent / 1000)} of work on all cores: {said}"
