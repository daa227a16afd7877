"""Write: a whole staffing set as CSV files, as a customer would hand it over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from workbench.staffing.scenarios import read_scenarios
from workbench.staffing.synthetic.bookings import (
    Bookings,
    assignment_table,
    ban_table,
    credential_table,
    draw_bookings,
    submission_table,
)
from workbench.staffing.synthetic.candidates import candidate_table, draw_candidates
from workbench.staffing.synthetic.cast import (
    Cast,
    cast_assignments,
    cast_bans,
    cast_credentials,
    cast_submissions,
    cast_workers,
    read_cast,
)
from workbench.staffing.synthetic.clients import make_clients
from workbench.staffing.synthetic.contacts import call_table, draw_calls, email_table
from workbench.staffing.synthetic.csv_files import write_csv
from workbench.staffing.synthetic.days import DEFAULT_EPOCH, Days
from workbench.staffing.synthetic.draws import Draws, Ints
from workbench.staffing.synthetic.orders import fill_event_table, make_orders
from workbench.staffing.synthetic.people import Crowd, draw_crowd
from workbench.staffing.synthetic.placements import draw_placements, placement_table, timesheet_table
from workbench.staffing.synthetic.planted import PAIRED, Made, Planted, client_pairs, list_planted, place_table
from workbench.staffing.synthetic.size import Size
from workbench.staffing.synthetic.slots import WORKERS
from workbench.staffing.synthetic.vocabulary import Vocabulary
from workbench.staffing.synthetic.workers import worker_table

CHUNK_ROWS = 20_000

Chunks = Iterator[pa.Table]


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
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(table.rows for table in self.tables)

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
    on_progress: Callable[[str, int, int | None], None] | None = None,
) -> Written:
    """Write the 14 tables of a staffing set and ``planted.json`` into ``folder`` (made if it is missing).

    The same arguments give the same bytes. A worker depends on seed, epoch and id alone: the first rows of ``workers``
    are the same in a set of any size, and the cast of the scenarios is the same for any seed. ``full`` is 500,000
    workers and 2,469,278 rows in the seven tables from candidates to email_log. Rows go through in chunks: memory does
    not grow with ``workers``. Each file appears when it is complete. ``on_progress`` is called after each
    chunk with the table, the rows so far and the rows expected (or None). Raises InvalidError when ``workers`` is out
    of range.
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


def _reporter(
    on_progress: Callable[[str, int, int | None], None] | None, name: str, expected: int | None
) -> Callable[[int], None] | None:
    if on_progress is None:
        return None
    return lambda rows: on_progress(name, rows, expected)


@dataclass(frozen=True, slots=True)
class _Plan:
    """Every table as (name, rows expected if known, chunks still to be made), and the list of what is planted."""

    tables: tuple[tuple[str, int | None, Chunks], ...]
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
    roster = _Roster(size, draws, vocabulary, days, cast)
    planted = list_planted(made, vocabulary, seed, days.epoch.isoformat(), roster.client_pairs())
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
        ("credentials", None, roster.credentials()),
        ("assignments", None, roster.assignments()),
        ("do_not_return", None, roster.bans()),
        ("submissions", None, roster.submissions()),
        ("places", len(vocabulary.places) + 1, iter([place_table(vocabulary)])),
    )
    return _Plan(tables, planted)


def _chunked(make: Callable[[Ints], pa.Table], total: int) -> Chunks:
    for start in range(1, total + 1, CHUNK_ROWS):
        yield make(np.arange(start, min(start + CHUNK_ROWS, total + 1)))


@dataclass(frozen=True, slots=True)
class _Roster:
    """The tables that follow the workers, chunk by chunk; the first chunk holds the cast."""

    size: Size
    draws: Draws
    vocabulary: Vocabulary
    days: Days
    cast: Cast

    def workers(self) -> Chunks:
        first = cast_workers(self.cast, self.vocabulary, self.days)
        for crowd in self._crowds():
            yield self._with(first, worker_table(self.draws, self.vocabulary, self.days, crowd), crowd)

    def credentials(self) -> Chunks:
        first = cast_credentials(self.cast, self.vocabulary, self.days)
        for booked in self._bookings():
            yield self._with(first, credential_table(self.draws, self.vocabulary, self.days, booked), booked.crowd)

    def assignments(self) -> Chunks:
        first = cast_assignments(self.cast, self.vocabulary, self.days)
        for booked in self._bookings():
            yield self._with(first, assignment_table(self.vocabulary, self.days, booked), booked.crowd)

    def bans(self) -> Chunks:
        first = cast_bans(self.cast, self.days)
        for booked in self._bookings():
            yield self._with(first, ban_table(self.draws, self.days, booked), booked.crowd)

    def submissions(self) -> Chunks:
        first = cast_submissions(self.cast, self.days)
        for booked in self._bookings():
            yield self._with(first, submission_table(self.draws, self.days, booked), booked.crowd)

    def client_pairs(self) -> dict[str, list[object]]:
        """The planted pairs of a client and a worker, from the planted workers alone."""
        planted = np.array(sorted(row for kind in PAIRED for row in WORKERS.rows(kind, self.size.workers)))
        crowd = draw_crowd(self.draws, self.vocabulary, planted)
        return client_pairs(draw_bookings(self.draws, crowd, self.size.clients))

    def _crowds(self) -> Iterator[Crowd]:
        for start in range(1, self.size.workers + 1, CHUNK_ROWS):
            ids = np.arange(start, min(start + CHUNK_ROWS, self.size.workers + 1))
            yield draw_crowd(self.draws, self.vocabulary, ids[~np.isin(ids, self.cast.ids)])

    def _bookings(self) -> Iterator[Bookings]:
        for crowd in self._crowds():
            yield draw_bookings(self.draws, crowd, self.size.clients)

    def _with(self, first: pa.Table, table: pa.Table, crowd: Crowd) -> pa.Table:
        if crowd.ids[0] > CHUNK_ROWS:
            return table
        both = pa.concat_tables([first, table])
        return both.take(pa.array(np.argsort(both["worker_id"].to_numpy(), kind="stable")))
