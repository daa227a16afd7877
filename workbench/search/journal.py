"""The search log: what was looked for, who was shown, who was chosen. An append-only dataset, ``searches``.

No search waits for it, and nothing here raises into one; see `workbench.lake.logs`.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.lake.lake import Lake
from workbench.lake.logs import Log, LogStats, Noted, Shape
from workbench.lake.logs.shape import whole
from workbench.pii import mask_text

DATASET = "searches"
SCHEMA = pa.schema(
    [
        ("event", pa.string()),  # search | choice
        ("search_id", pa.string()),
        ("happened_at", pa.timestamp("us", tz="UTC")),
        ("position", pa.string()),
        ("dataset", pa.string()),
        ("snapshot", pa.int64()),
        ("query", pa.string()),
        ("filters", pa.string()),
        ("criteria", pa.string()),
        ("shown", pa.list_(pa.field("element", pa.string()))),
        ("chosen", pa.list_(pa.field("element", pa.string()))),
    ]
)
SHAPE = Shape(
    DATASET,
    SCHEMA,
    identity=("event", "search_id", "happened_at"),
    plain=frozenset({"event", "search_id", "dataset", "criteria", "shown", "chosen"}),
    title="search log",
)


@dataclass(frozen=True, slots=True)
class SearchEntry:
    """One search. ``snapshot``: the dataset's version; ``shown``: ids in the order of the answer; ``filters``: the SQL
    condition; ``criteria``: whatever else narrowed it, JSON-ready; ``position``: the job it was made for, if known.
    """

    query: str
    dataset: str
    snapshot: int
    shown: Sequence[str | int]
    filters: str = ""
    position: str = ""
    criteria: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Choice:
    """The ids that were chosen of those a search showed."""

    chosen: Sequence[str | int]


JournalStats = LogStats


class Journal:
    """The search log of one lake. ``spool`` is a private folder of this machine, one per lake, shared by its processes.

    Entries go into the dataset when ``every`` have come, ``seconds`` after the first, and at ``close``.
    """

    def __init__(self, lake: Lake, spool: Path | None, *, every: int = 200, seconds: float = 30.0) -> None:
        self.log = Log(lake, spool, SHAPE, to_row=_to_row, every=every, seconds=seconds)

    def note(self, entry: SearchEntry) -> str:
        """Remember a search, in microseconds; returns its id. Never raises and never waits."""
        search_id = secrets.token_hex(12)
        self.log.note((search_id, entry))
        return search_id

    def choose(self, search_id: str, ids: Sequence[str | int]) -> None:
        """Remember which of the ids that a search showed were chosen. Never raises and never waits."""
        self.log.note((search_id, Choice(tuple(ids))))

    def stats(self) -> JournalStats:
        """What has become of the entries."""
        return self.log.stats()

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until all that was noted, and what dead processes left, is in the dataset; False when it is not."""
        return self.log.flush(timeout_s)

    def close(self, *, write: bool = True, timeout_s: float = 10.0) -> None:
        """End it. With ``write`` the dataset gets what waits, if it takes it within ``timeout_s``; see `Log.close`."""
        self.log.close(write=write, timeout_s=timeout_s)


def _to_row(noted: Noted) -> dict[str, Any]:
    search_id, entry = noted.what
    row = {"search_id": search_id, "happened_at": noted.at}
    if isinstance(entry, Choice):
        return row | {"event": "choice", "chosen": entry.chosen}
    return row | {
        "event": "search",
        "position": entry.position or None,
        "dataset": entry.dataset,
        "snapshot": entry.snapshot,
        "query": entry.query or None,
        "filters": entry.filters or None,
        "criteria": json.dumps(_covered(entry.criteria), ensure_ascii=False) if entry.criteria else None,
        "shown": entry.shown,
    }


def _covered(value: Any) -> Any:
    """A JSON value with personal data in its texts covered."""
    if isinstance(value, Mapping):
        return {whole(k): _covered(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_covered(v) for v in value]
    return value if value is None or isinstance(value, bool | int | float) else mask_text(whole(value))
