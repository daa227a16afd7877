"""A staffing agency that does not exist, loaded into a lake of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from workbench.errors import InvalidError
from workbench.lake.lake import Lake
from workbench.lake.loading.ingest import quiet
from workbench.lake.loading.report import Report, Request
from workbench.lake.sql.engine import Progress

MADE_UP = "made-up"
"""The tag of every dataset of the demo."""
OWN = frozenset({
    "searches", "llm_calls", "iterate_sessions", "pii_access", "outcomes", "shortlists", "saved_searches",
})  # fmt: skip
"""Datasets that the workbench itself writes while somebody works in a lake. The demo loads none of these names."""


def is_demo(lake: Lake) -> bool:
    """Whether a lake holds the demo's workers."""
    found = lake.catalog.find("workers")
    return found is not None and MADE_UP in found.about.tags


def check_own(lake: Lake) -> None:
    """Raise InvalidError for a lake with other datasets: a demo never mixes with somebody's data.

    What was written down of work in a demo is its own; without the demo's workers beside it, it is of other people.
    """
    there = [manifest for manifest in lake.datasets() if MADE_UP not in manifest.about.tags]
    strange = [one.name for one in there if one.name not in OWN or not is_demo(lake)]
    if strange:
        raise InvalidError(
            f"The lake {lake.url} holds {strange[0]}, which is not the demo's.", hint="lh demo --lake .lake/demo"
        )


def load_demo(lake: Lake, csvs: Path, *, only: Collection[str] = (), progress: Progress = quiet) -> Iterator[Report]:
    """Load the CSV files of ``csvs`` (all, or those named ``only``) as datasets tagged `MADE_UP`, one report each."""
    for path in sorted(csvs.glob("*.csv")):
        if only and path.stem not in only:
            continue
        done = lake.ingest(Request(path, mode="replace", message="lh demo"), progress)
        if done.outcome == "created":
            lake.annotate(done.name, owner="demo", tags=(MADE_UP,))
        yield done
