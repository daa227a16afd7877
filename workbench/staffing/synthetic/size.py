"""Size: how many rows each table of a generated set has."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.errors import InvalidError

FULL_WORKERS = 500_000
MIN_WORKERS = 400
MAX_WORKERS = 6_000_000


@dataclass(frozen=True, slots=True)
class Size:
    """Rows per table. The seven tables from candidates to email_log grow with the workers up to the full set of
    2,469,278 rows at 500,000 workers and stay there; below 5,000 workers they keep the size they have at 5,000.
    """

    workers: int = 20_000
    candidates: int = 4_000
    clients: int = 80
    job_orders: int = 1_200
    placements: int = 2_091
    timesheets: int = 40_000
    call_log: int = 32_000
    email_log: int = 19_400
    fill_events: int = 1_200

    @classmethod
    def of(cls, workers: int = 20_000, *, full: bool = False) -> Size:
        """The sizes that go with ``workers``; ``full`` is at least 500,000 of them.

        Raises InvalidError below 400 (the people of the scenarios and one of each planted violation need room) and
        above 6,000,000 (the fictitious phone numbers run out).
        """
        if full:
            workers = max(workers, FULL_WORKERS)
        if not MIN_WORKERS <= workers <= MAX_WORKERS:
            raise InvalidError(
                f"A staffing set of {workers:,} workers cannot be made.",
                hint=f"Choose between {MIN_WORKERS:,} and {MAX_WORKERS:,}, for example: lh demo --workers 20000",
            )
        scale = min(max(workers, 5_000), FULL_WORKERS)

        def share(rows: int, least: int = 0) -> int:
            return max(rows * scale // FULL_WORKERS, least)

        return cls(
            workers=workers,
            candidates=share(100_000),
            clients=share(2_000, 40),
            job_orders=share(30_000),
            placements=share(52_278),
            timesheets=share(1_000_000),
            call_log=share(800_000),
            email_log=share(485_000),
            fill_events=share(30_000),
        )

    @property
    def seven_tables(self) -> int:
        """Rows of candidates, clients, job_orders, placements, timesheets, call_log and email_log together."""
        return (
            self.candidates + self.clients + self.job_orders + self.placements
            + self.timesheets + self.call_log + self.email_log
        )  # fmt: skip
