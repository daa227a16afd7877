"""Write: a whole staffing set as CSV files, as a customer would hand it over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from workbench.staffing.synthetic.candidates import candidate_table, draw_candidates
from workbench.staffing.synthetic.cast import read_cast
from workbench.staffing.synthetic.clients import make_clients
from workbench.staffing.synthetic.contacts import call_table, draw_calls, email_table
from workbench.staffing.synthetic.csv_files import write_csv
from workbench.staffing.synthetic.days import DEFAULT_EPOCH, Days
from workbench.staffing.synthetic.draws import Draws, Ints
from workbench.staffing.synthetic.orders import fill_event_table, make_orders
from workbench.staffing.synthetic.placements import draw_placements, placement_table, timesheet_table
from workbench.staffing.synthetic.planted import Made, Planted, list_planted, place_table
from workbench.staffing.synthetic.roster import CHUNK_ROWS, Chunks, Roster
from workbench.staffing.synthetic.scenarios import read_scenarios
from workbench.staffing.synthetic.size import Size
from workbench.staffing.synthetic.vocabulary import Vocabulary

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class WrittenTable:
    """One CSV file: its dataset name, path, rows and size."""

    name: str
    path: Path
    rows: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Written:
    """What ``write_csvs`` left in ``folder``: the tables in the order they were written, and what is planted."""

    folder: Path
    tables: tuple[WrittenTable, ...]
    planted: Planted

    @property
    def rows(self) -> dict[str, int]:
        """Rows of each table, in the order they were written."""
        return {table.name: table.rows for table in self.tables}

    @property
    def size_bytes(self) -> int:
        """Bytes of all tables."""
        return sum(table.size_bytes for table in self.tables)


def write_csvs(
    folder: Path,
    *,
    workers: int = 20_000,
    seed: int = 7,
    full: bool = False,
    epoch: date = DEFAULT_EPOCH,
    on_progress: Progress | None = None,
) -> Written:
    """Write the 14 tables of a staffing set and ``planted.json`` into ``folder`` (made if it is missing).

    The same arguments give the same bytes. A worker depends on seed, epoch and id alone: the first rows of ``workers``
    are the same in a set of any size, and the cast of the scenarios is the same for any seed. ``full`` is 500,000
    workers and 2,469,278 rows in the seven tables from candidates to email_log. Rows go through in chunks: memory does
    not grow with ``workers``. Each file appears when it is complete. ``on_progress`` is called after each
    chunk with the table, the rows so far and the rows expected (0 while not known). Raises InvalidError when
    ``workers`` is out of range.
    """
    size = Size.of(workers, full=full)
    folder.mkdir(parents=True, exist_ok=True)
    plan = _plan(size, Draws(seed), Days(epoch), seed)
    tables = []
    for name, expected, chunks in plan.tables:
        path = folder / f"{name}.csv"
        rows, size_bytes = write_csv(path, chunks, _reporter(on_progress, name, expected))
        tables.append(WrittenTable(name, path, rows, size_bytes))
    plan.planted.save(folder)
    return Written(folder, tuple(tables), plan.planted)


def write_workers(path: Path, *, workers: int = 20_000, seed: int = 7, epoch: date = DEFAULT_EPOCH) -> int:
    """Write the ``workers`` table alone (18 columns, the same rows as ``write_csvs``) as the CSV file ``path``.

    Its folder is made if it is missing. Gives back the size of the file in bytes. Raises InvalidError when ``workers``
    is out of range.
    """
    roster = Roster(Size.of(workers).workers, Draws(seed), Vocabulary.read(), Days(epoch), read_cast())
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_csv(path, roster.workers())[1]


def _reporter(on_progress: Progress | None, name: str, expected: int) -> Callable[[int], None] | None:
    if on_progress is None:
        return None
    return lambda rows: on_progress(name, rows, expected)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Every table as (name, rows expected or 0, chunks still to be made), and the list of what is planted."""

    tables: tuple[tuple[str, int, Chunks], ...]
    planted: Planted


def _plan(size: Size, draws: Draws, days: Days, seed: int) -> _Plan:
    vocabulary, cast = Vocabulary.read(), read_cast()
    scenarios = read_scenarios(cast, vocabulary, days.epoch)
    clients = make_clients(draws, vocabulary, days, cast, size.clients)
    orders = make_orders(draws, vocabulary, days, clients, scenarios, size.job_orders)
    candidates = draw_candidates(draws, vocabulary, size)
    placements = draw_placements(draws, vocabulary, candidates, orders.facts, size.placements)
    calls = draw_calls(draws, candidates, size.call_log)
    made = Made(size, len(scenarios) + 1, candidates, placements, calls)
    roster = Roster(size.workers, draws, vocabulary, days, cast)
    pools = clients.pools(vocabulary)
    planted = list_planted(made, vocabulary, seed, days.epoch.isoformat(), roster.client_pairs(pools))
    facts = orders.facts

    def timesheets(rows: Ints) -> pa.Table:
        return timesheet_table(draws, days, facts, placements, rows, size.timesheets)

    def call_log(rows: Ints) -> pa.Table:
        return call_table(draws, vocabulary, days, facts, calls, rows)

    def email_log(rows: Ints) -> pa.Table:
        return email_table(draws, vocabulary, days, clients, facts, candidates, rows, size.email_log)

    fills = fill_event_table(draws, vocabulary, days, clients, facts, size.fill_events)
    tables = (
        ("workers", size.workers, roster.workers()),
        ("candidates", size.candidates, iter([candidate_table(draws, vocabulary, days, candidates)])),
        ("clients", size.clients, iter([clients.table])),
        ("job_orders", size.job_orders, iter([orders.table])),
        ("placements", size.placements, iter([placement_table(draws, vocabulary, days, facts, placements)])),
        ("timesheets", size.timesheets, _chunked(timesheets, size.timesheets)),
        ("call_log", size.call_log, _chunked(call_log, size.call_log)),
        ("email_log", size.email_log, _chunked(email_log, size.email_log)),
        ("fill_events", size.fill_events, iter([fills])),
        ("credentials", 0, roster.credentials(pools)),
        ("assignments", 0, roster.assignments(pools)),
        ("do_not_return", 0, roster.bans(pools)),
        ("submissions", 0, roster.submissions(pools)),
        ("places", len(vocabulary.places) + 1, iter([place_table(vocabulary)])),
    )
    return _Plan(tables, planted)


def _chunked(make: Callable[[Ints], pa.Table], total: int) -> Chunks:
    for start in range(1, total + 1, CHUNK_ROWS):
        yield make(np.arange(start, min(start + CHUNK_ROWS, total + 1)))
