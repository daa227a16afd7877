"""``%%lhsql``: SQL over the lake and the notebook's own tables, as a cell or on one line."""

from __future__ import annotations

import argparse
import re
import time
from collections import ChainMap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.magic import (  # noqa: TID253 - this is IPython's own door
    Magics,
    line_cell_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)

from kernel_ext.hints import mend
from kernel_ext.options import Options
from kernel_ext.result import Asking, Kept, Result, Text, below, cheap_count, converted, reading
from kernel_ext.session import Asked, Session, told
from workbench.errors import InvalidError, WorkbenchError

if TYPE_CHECKING:
    from kernel_ext.chart import Chart
    from workbench.lake.sql.lazy import Relation
    from workbench.lake.sql.query import Answer
    from workbench.lake.sql.typed.placeholders import Filled

PAGE = 100
KINDS = ("bar", "line", "scatter", "hist")
_BARE = re.compile(r"%%lh(?:sql|chat|validate|iterate)(?:\s|$)")
_ONE_OF = ("to", "plot", "save", "explain", "profile")


def _options() -> Options:
    options = Options(
        "%lhsql",
        "Ask the lake in SQL. {{x}} binds the value of the variable x; {{x!ident}} quotes it as a name; {{x!sql}}\n"
        "inserts it as SQL. Datasets (workers, workers@2), results (--as) and DataFrames are tables.",
        epilog="A cell: %%lhsql and the statement below it. On one line: %lhsql --as n SELECT count(*) FROM workers\n"
        "The last result is _lh.",
    )
    options.add("--as", dest="name", metavar="NAME", help="keep the result: FROM NAME, NAME.df()")
    options.add("--to", choices=("df", "pl", "arrow"), help="all rows as pandas, polars or Arrow")
    options.add("--save", metavar="DATASET", help="save all rows as a dataset, with what they came from")
    options.add("-m", "--message", metavar="WHY", default="", help="with --save: why, for the history")
    options.add("--replace", action="store_true", help="with --save: a new version of a dataset that is there")
    options.add("--append", action="store_true", help="with --save: more rows of a dataset that is there")
    options.add("--plot", nargs="+", metavar=("KIND", "X"), help="draw it: bar X [Y], line X [Y], scatter X Y, hist X")
    options.add("--explain", action="store_true", help="the plan; nothing runs")
    options.add("--profile", action="store_true", help="run it and say where the time went")
    options.add("--timeout", type=float, metavar="S", help="seconds it may run (setting timeout_s)")
    options.add("--limit", type=int, metavar="N", help=f"rows of the page ({PAGE})")
    options.add("--all", action="store_true", help="fetch all rows")
    options.add("--show-pii", action="store_true", help="show personal data as it is")
    options.add(
        "--open", action="store_true", help="the whole engine: not read-only (COPY writes files), nothing masked"
    )
    return options


@magics_class
class SqlMagics(Magics):
    """The magics that ask SQL."""

    _options = _options()

    def __init__(self, shell: Any, *, session: Session) -> None:
        super().__init__(shell)
        self._session = session

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    @told
    def lhsql(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Any:
        """Ask the lake in SQL: ``%lhsql --help`` lists the options."""
        options, sql = self._options.read_sql(line)
        if options is None:
            return None
        sql = "\n".join(part for part in (sql, cell or "") if part.strip())
        _check(options, sql)
        if options.name:
            self._session.check_free(options.name)
        try:
            return _Query(self._session, options, sql, local_ns or {}).run()
        except WorkbenchError as error:
            mend(error, sql, self._session.shell.user_ns)
            raise


def with_a_body(lines: list[str]) -> list[str]:
    """A step of IPython's reading of cells: ``%%lhsql`` (and our other cells) alone gets an empty line below it.

    IPython refuses a cell magic without one before the magic is asked, also for ``--help``.
    """
    bare = bool(lines) and _BARE.match(lines[0]) is not None and not "".join(lines[1:])
    return [lines[0].rstrip("\n") + "\n", "\n"] if bare else lines


def _check(options: argparse.Namespace, sql: str) -> None:
    """Raise InvalidError for options that exclude each other or mean nothing."""
    chosen = [f"--{name}" for name in _ONE_OF if getattr(options, name)]
    if len(chosen) > 1:
        raise InvalidError(f"{' and '.join(chosen)} exclude each other.", hint="Choose one of them.")
    if options.all and options.limit is not None:
        raise InvalidError("--all and --limit exclude each other.", hint="Choose one of them.")
    if options.limit is not None and options.limit < 1:
        raise InvalidError(f"--limit {options.limit}: a page has at least one row.", hint=f"--limit {PAGE}")
    if options.timeout is not None and not 0 < options.timeout < float("inf"):
        raise InvalidError(f"--timeout {options.timeout:g}: seconds above 0 are needed.", hint="--timeout 60")
    if options.open and (late := [name for name in chosen if name != "--to"]):
        raise InvalidError(
            f"--open does not go with {late[0]}.", hint="--open --as NAME, then FROM NAME without --open."
        )
    if options.replace and options.append:
        raise InvalidError("--replace and --append exclude each other.", hint="Choose one of them.")
    if not options.save and (options.message or options.replace or options.append):
        raise InvalidError("-m, --replace and --append belong to --save.", hint='--save DATASET -m "why"')
    if options.name and options.save and options.name.casefold() == options.save.casefold():
        raise InvalidError(
            f"--as {options.name}: --save makes a dataset of that name, and FROM {options.name} would read that.",
            hint=f"Leave --as out: FROM {options.save} reads the rows.",
        )
    if not sql.strip():
        raise InvalidError("There is no SQL to run.", hint="%lhsql SELECT * FROM workers LIMIT 5")


class _Query:
    """One run of the magic."""

    def __init__(self, session: Session, options: argparse.Namespace, sql: str, local: Mapping[str, Any]) -> None:
        self.session = session
        self.options = options
        self.sql = sql
        self.local = local
        self.notes: tuple[str, ...] = ()

    def run(self) -> Any:
        """The cell's value."""
        value = self._open() if self.options.open else self._value(self._relation())
        if self.options.name:
            self.session.keep(self.options.name, value)
        self.session.last(value)
        return value

    def _open(self) -> Any:
        from kernel_ext.engine import NOTE

        filled = self._filled()
        frames = self.session.frames(self.local)
        with self.session.running(self.options.timeout) as watch:
            answer = self.session.engine.run(filled.sql, filled.params, frames, watch)
        self.session.history.append(
            Asked(self.sql, filled.params, answer.snapshots, answer.row_count, answer.elapsed_s)
        )
        if self.options.to:
            return converted(answer, self.options.to)
        asking = Asking(self.sql, (NOTE, *self.notes, *filled.notes), self.options.timeout, self.options.limit)
        return Result(self.session, None, answer, asking)

    def _filled(self) -> Filled:
        from workbench.lake.sql.typed.placeholders import fill

        filled = fill(self.sql, ChainMap(dict(self.local), self.session.shell.user_ns))
        raw = (f"raw SQL inserted: {', '.join(f'{{{{{name}!sql}}}}' for name in filled.raw)}",) if filled.raw else ()
        self.notes = raw
        return filled

    def _relation(self) -> Relation:
        filled = self._filled()
        frames = self.session.frames(self.local)
        return self.session.wb.relation(filled, frames=frames, show_pii=self.options.show_pii)

    def _value(self, relation: Relation) -> Any:
        if self.options.explain:
            return Text(relation.explain(), note=(*self.notes, *relation.notes))
        if self.options.plot:
            return self._chart(relation)
        if self.options.profile:
            return self._profile(relation)
        if self.options.save:
            return self._save(relation)
        if self.options.to:
            return converted(self._fetched(relation, None), self.options.to)
        return self._page(relation)

    def _page(self, relation: Relation) -> Result:
        answer = self._fetched(relation, None if self.options.all else self.options.limit or PAGE)
        total = cheap_count(relation) if answer.truncated else None
        notes = (*self.notes, *answer.notes)
        return Result(self.session, relation, answer, Asking(self.sql, notes, self.options.timeout), total=total)

    def _profile(self, relation: Relation) -> Text:
        with self.session.running(self.options.timeout, stage="profile") as watch:
            plan = relation.explain(analyze=True, watch=watch)
        return Text(plan, caption=reading(plan), note=(*self.notes, *relation.notes))

    def _save(self, relation: Relation) -> Kept:
        options = self.options
        mode = "replace" if options.replace else "append" if options.append else "new"
        with self.session.running(options.timeout, stage="save") as watch:
            saved = self.session.wb.save(relation, options.save, message=options.message, mode=mode, watch=watch)
        self._note(relation, saved.rows, saved.elapsed_s)
        return Kept(saved, relation, tuple(dict.fromkeys((*self.notes, *relation.notes, *saved.notes))))

    def _chart(self, relation: Relation) -> Chart:
        from kernel_ext.chart import Chart
        from kernel_ext.plot import prepare

        started = time.perf_counter()
        with self.session.running(self.options.timeout, stage="plot") as watch:
            drawing = prepare(self.session, relation, self.options.plot, watch=watch)
            elapsed_s = time.perf_counter() - started
            self._note(relation, drawing.points.num_rows, elapsed_s)
            return Chart(self.session, drawing, note=(*self.notes, *relation.notes), below=below(relation, elapsed_s))

    def _note(self, relation: Relation, rows: int, elapsed_s: float) -> None:
        self.session.history.append(Asked(self.sql, relation.params or {}, relation.snapshots, rows, elapsed_s))

    def _fetched(self, relation: Relation, limit: int | None) -> Answer:
        with self.session.running(self.options.timeout) as watch:
            answer = relation.fetch(limit, watch=watch)
        self._note(relation, answer.row_count, answer.elapsed_s)
        return answer
