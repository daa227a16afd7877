"""What the lake's magics give: a table to look at and to go on with, with lines about it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kernel_ext import grid
from kernel_ext.hits import quoted
from kernel_ext.result import missing, terminal_width

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from kernel_ext.session import Session
    from workbench.lake.findings import Finding


class Sheet:
    """A table with a line below (``caption``) and lines above (``notes``).

    ``table`` holds all there is (Arrow), ``data`` the workbench's own value: manifests, a report, a diff. ``FROM name``
    reads the table once it has a name: ``sheet = %lhprofile workers``.
    """

    def __init__(
        self,
        session: Session,
        table: pa.Table,
        *,
        caption: str = "",
        notes: Sequence[str] = (),
        data: Any = None,
        shown: pa.Table | None = None,
        details: Sequence[str] | None = None,
    ) -> None:
        self._session = session
        self._shown = table if shown is None else shown
        self._details = details
        self.table = table
        self.caption = caption
        self.notes = tuple(note for note in notes if note)
        self.data = data

    def arrow(self) -> pa.Table:
        """All of it as an Arrow table."""
        return self.table

    def df(self) -> pd.DataFrame:
        """All of it as a pandas DataFrame. Raises MissingExtraError without pandas."""
        frame: pd.DataFrame = _with_library(self.table.to_pandas)
        return frame

    def pl(self) -> pl.DataFrame:
        """All of it as a polars DataFrame. Raises MissingExtraError without polars."""
        frame: pl.DataFrame = _with_library(lambda: _polars(self.table))
        return frame

    def to_text(self, *, width: int | None = None) -> str:
        """As plain text."""
        return grid.to_text(self._shown, caption=self.caption, note=self.notes, width=width)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __bool__(self) -> bool:
        return True  # an answer, also an empty one

    def __repr__(self) -> str:
        return self.to_text()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython's own signature
        width = None if hasattr(self._session.shell, "kernel") else terminal_width()
        printer.text("…" if cycle else self.to_text(width=width))

    def _repr_html_(self) -> str:
        return grid.to_html(self._shown, caption=self.caption, note=self.notes, details=self._details)


class Checked(Sheet):
    """What came of a dataset's expectations. ``findings`` are the workbench's own; ``ok`` says that all hold."""

    def __init__(self, session: Session, findings: Sequence[Finding], ref: str, *, kept: bool = False) -> None:
        self.findings = tuple(findings)
        self.ref = ref
        failed = sum(bool(f.failed) for f in findings)
        said = f"{failed} of {len(findings)} failed" if failed else f"all {len(findings)} hold"
        rows = f" · {findings[0].rows:,} rows" if findings else ""
        table = tabled({
            "": ["✗" if f.failed else "✓" for f in findings],
            "expectation": [f.expectation.text for f in findings],
            "finding": [f.says for f in findings],
            "failed": [f.failed for f in findings],
            "of": [f.rows for f in findings],
            "examples": [" · ".join(map(str, f.examples)) for f in findings],
            "sql": [f.sql for f in findings],
        })  # fmt: skip
        super().__init__(
            session,
            table,
            caption=f"{said} · {ref}{rows}{' · kept with it' if kept else ''}",
            data=self.findings,
            shown=table.select(["", "expectation", "finding"]),
            details=[self._detail(f, ref) for f in findings],
        )

    @property
    def ok(self) -> bool:
        """Whether everything holds."""
        return not any(f.failed for f in self.findings)

    def to_text(self, *, width: int | None = None) -> str:
        """The table, then for each that failed its examples and the SQL of the rows."""
        below = [f"{f.expectation.text}\n{self._detail(f, self.ref)}" for f in self.findings if f.failed]
        return "\n".join([super().to_text(width=width), *below])

    @staticmethod
    def _detail(finding: Finding, ref: str) -> str:
        if not finding.failed:
            return ""
        if not finding.sql:  # it cannot be checked, so no rows are at fault
            name = ref.partition("@")[0]
            return f"%lhcheck {name} {quoted(finding.expectation.text, always=True)} --drop expects it no longer"
        return "\n".join([*map(str, finding.examples), f"%lhsql {finding.sql}"])


class Lines(Sheet):
    """A table of one column whose texts are there to be copied: plain text never cuts them."""

    def to_text(self, *, width: int | None = None) -> str:  # noqa: ARG002 - a line is as long as it is
        """A line each."""
        return "\n".join([*self.notes, *self.table.column(0).to_pylist(), self.caption]).rstrip()


def without_empty(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """The table without those of these columns that say nothing in any row."""
    silent = [name for name in names if not any(table.column(name).to_pylist())]
    return table.drop_columns(silent) if table.num_rows else table


def tabled(columns: dict[str, Iterable[Any]]) -> pa.Table:
    """Columns of plain values as a table; one without any value is text."""
    arrays = {name: pa.array(list(values)) for name, values in columns.items()}
    return pa.table({n: a.cast(pa.string()) if pa.types.is_null(a.type) else a for n, a in arrays.items()})


def printed(say: Callable[[], None]) -> list[str]:
    """The lines that a command of ``lh`` would print, so that both doors say the same."""
    out = io.StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        say()
    return [line.rstrip() for line in out.getvalue().splitlines()]


def _polars(table: pa.Table) -> Any:
    import polars as pl

    return pl.from_arrow(table)


def _with_library(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ModuleNotFoundError as error:
        raise missing(error) from None
