"""Roster: the workers and what hangs on each of them, made chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from workbench.staffing.synthetic.bookings import (
    Bookings,
    assignment_table,
    ban_table,
    credential_table,
    draw_bookings,
    submission_table,
)
from workbench.staffing.synthetic.cast import (
    Cast,
    cast_assignments,
    cast_bans,
    cast_credentials,
    cast_submissions,
    cast_workers,
)
from workbench.staffing.synthetic.clients import Pools
from workbench.staffing.synthetic.days import Days
from workbench.staffing.synthetic.draws import Draws
from workbench.staffing.synthetic.people import Crowd, draw_crowd
from workbench.staffing.synthetic.planted import PAIRED, client_pairs
from workbench.staffing.synthetic.slots import WORKERS
from workbench.staffing.synthetic.vocabulary import Vocabulary
from workbench.staffing.synthetic.workers import worker_table

CHUNK_ROWS = 20_000

Chunks = Iterator[pa.Table]


@dataclass(frozen=True, slots=True)
class Roster:
    """The workers 1 … ``count`` and the tables that follow them, chunk by chunk; the first chunk holds the cast.

    ``pools`` are the clients that order each trade.
    """

    count: int
    draws: Draws
    vocabulary: Vocabulary
    days: Days
    cast: Cast

    def workers(self) -> Chunks:
        """The 18 columns."""
        first = cast_workers(self.cast, self.vocabulary, self.days)
        for crowd in self._crowds():
            yield self._with(first, worker_table(self.draws, self.vocabulary, self.days, crowd), crowd)

    def credentials(self, pools: Pools) -> Chunks:
        """Papers held, with their dates."""
        first = cast_credentials(self.cast, self.vocabulary, self.days)
        for booked in self._bookings(pools):
            yield self._with(first, credential_table(self.draws, self.vocabulary, self.days, booked), booked.crowd)

    def assignments(self, pools: Pools) -> Chunks:
        """Who works where and when."""
        first = cast_assignments(self.cast, self.vocabulary, self.days)
        for booked in self._bookings(pools):
            yield self._with(first, assignment_table(self.vocabulary, self.days, booked), booked.crowd)

    def bans(self, pools: Pools) -> Chunks:
        """Who must not return where."""
        first = cast_bans(self.cast, self.days)
        for booked in self._bookings(pools):
            yield self._with(first, ban_table(self.draws, self.days, booked), booked.crowd)

    def submissions(self, pools: Pools) -> Chunks:
        """Who was proposed where."""
        first = cast_submissions(self.cast, self.days)
        for booked in self._bookings(pools):
            yield self._with(first, submission_table(self.draws, self.days, booked), booked.crowd)

    def client_pairs(self, pools: Pools) -> dict[str, list[object]]:
        """The planted pairs of a client and a worker, from the planted workers alone."""
        planted = np.array(sorted(row for kind in PAIRED for row in WORKERS.rows(kind, self.count)))
        crowd = draw_crowd(self.draws, self.vocabulary, planted)
        return client_pairs(draw_bookings(self.draws, crowd, pools))

    def _crowds(self) -> Iterator[Crowd]:
        for start in range(1, self.count + 1, CHUNK_ROWS):
            ids = np.arange(start, min(start + CHUNK_ROWS, self.count + 1))
            yield draw_crowd(self.draws, self.vocabulary, ids[~np.isin(ids, self.cast.ids)])

    def _bookings(self, pools: Pools) -> Iterator[Bookings]:
        for crowd in self._crowds():
            yield draw_bookings(self.draws, crowd, pools)

    def _with(self, first: pa.Table, table: pa.Table, crowd: Crowd) -> pa.Table:
        if crowd.ids[0] > CHUNK_ROWS:
            return table
        both = pa.concat_tables([first, table])
        return both.take(pa.array(np.argsort(both["worker_id"].to_numpy(), kind="stable")))
