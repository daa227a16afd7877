"""One row at a time through gates, firewall and schema, into an export or into quarantine, whole or not at all.

An export is made anew from every partition each time: what a row leaves as depends on the row alone, not on the day of
the run, so a re-run gives the same bytes, a killed run leaves the old files, and a decision that was undone is gone.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from workbench import records
from workbench.distill.export.join import Joined, evidence_of, join
from workbench.distill.export.quarantine import UNREAD, Refusal, entry, source_record
from workbench.distill.export.reviewed import REVIEW_VERSION, decisions
from workbench.distill.firewall import Firewall, Stopped
from workbench.distill.records import Errors, Record, encode
from workbench.distill.root import Root
from workbench.distill.scorer import SCORER_VERSION
from workbench.distill.stage import Counts, Progress, alone

Gate = Callable[[Joined], Refusal | None]
Check = Callable[[Mapping[str, Any]], Record | Errors]


@dataclass(frozen=True)
class Shape:
    """What a sample is: which fields are texts, and its schema.

    ``texts`` pass the firewall and may leave with placeholders; ``kept`` leave as they are or not at all. ``refused``
    names the reason for the schema's errors.
    """

    texts: tuple[str, ...]
    kept: tuple[str, ...]
    check: Check
    refused: Callable[[Errors], str]


@dataclass(frozen=True)
class Exporter:
    """What one export is: its gates in order, how a sample is built, and its shape.

    ``verify`` reads the written file once more, before it is published, and raises.
    """

    name: str
    gates: tuple[Gate, ...]
    build: Callable[[Joined], dict[str, Any]]
    shape: Shape
    verify: Callable[[Path], None]


def not_read_again(path: Path) -> None:
    """The ``verify`` of an export that has no third place to check."""
    del path


@dataclass(frozen=True)
class Exported:
    """What an export did. ``counts.accepted`` are the rows that left; ``refused`` counts quarantine by reason;
    ``replaced`` values of people became placeholders; ``inputs`` were read and ``outputs`` are the two files.
    """

    name: str
    counts: Counts
    refused: Mapping[str, int] = field(default_factory=dict)
    replaced: int = 0
    inputs: tuple[Path, ...] = ()
    outputs: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Ready:
    """A sample that may leave: its line, its id, and how many values of people in it became placeholders."""

    line: bytes
    id: str
    replaced: int


def judge(exporter: Exporter, row: Joined, firewall: Firewall) -> Ready | Refusal:
    """A row as it leaves, or why it stays. Pure."""
    for gate in exporter.gates:
        if refusal := gate(row):
            return refusal
    return finish(exporter.shape, exporter.build(row), firewall)


def finish(shape: Shape, sample: dict[str, Any], firewall: Firewall) -> Ready | Refusal:
    """A built sample through the firewall and its schema. Pure."""
    kept = {name: text for name in shape.kept if isinstance(text := sample.get(name), str)}
    verdict = firewall.judge({name: sample[name] for name in shape.texts}, kept)
    if isinstance(verdict, Stopped):
        return Refusal(verdict.reason, verdict.errors)
    made = shape.check(sample | verdict.texts)
    if isinstance(made, Errors):
        return Refusal(shape.refused(made), tuple(made.texts()))
    return Ready(encode(made), str(sample["id"]), verdict.replaced)


def sample_id(prefix: str, *parts: str) -> str:
    """``<prefix>-`` and the SHA-256 over run ids and source hashes."""
    return f"{prefix}-{hashlib.sha256('|'.join(parts).encode('utf-8', 'surrogatepass')).hexdigest()}"


def row_id(prefix: str, row: Joined) -> str:
    """The id of what one row becomes in one export."""
    return sample_id(prefix, row.run_id, row.sig_hash)


class Outlet:
    """The two files of one export while they are written, and the count of what went where."""

    def __init__(self, name: str, left: IO[bytes], stayed: IO[bytes], firewall: Firewall, recorded_at: str) -> None:
        self._name, self._left, self._stayed = name, left, stayed
        self._firewall, self._recorded_at = firewall, recorded_at
        self._seen: dict[int, str] = {}
        self._tally: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()

    def send(self, ready: Ready | Refusal, row: Joined, source: Mapping[str, Any] | None = None) -> None:
        """Write a row to where it goes; ``source`` is what quarantine keeps of it, the row itself by default.

        An id that left from another partition is the same row collected twice, and deduped; twice in one partition
        is against the rules of collect, and refused.
        """
        self._tally["in"] += 1
        if isinstance(ready, Ready):
            key = int(ready.id[-16:], 16)
            before = self._seen.get(key)
            if before is None:
                self._seen[key] = row.partition
                self._leave(ready)
                return
            if before != row.partition:
                self._tally["deduped"] += 1
                return
            ready = Refusal("duplicate_id", (f"id: {ready.id} is there already",))
        if source is None:
            source = source_record(row, text=ready.reason not in UNREAD)
        self._refuse(ready, row, source)

    def skip(self, rows: int = 1) -> None:
        """Count rows that are no matter of this export."""
        self._tally["in"] += rows
        self._tally["skipped"] += rows

    def told(self, inputs: tuple[Path, ...], outputs: tuple[Path, ...]) -> Exported:
        """What was done until now."""
        tally = self._tally
        counts = Counts(
            records_in=tally["in"],
            records_out=tally["out"],
            skipped=tally["skipped"],
            deduped=tally["deduped"],
            accepted=tally["out"],
            quarantined=sum(self._reasons.values()),
        )
        reasons = dict(sorted(self._reasons.items()))
        return Exported(self._name, counts, reasons, tally["replaced"], inputs, outputs)

    def _leave(self, ready: Ready) -> None:
        self._left.write(ready.line)
        self._tally["out"] += 1
        self._tally["replaced"] += ready.replaced

    def _refuse(self, refusal: Refusal, row: Joined, source: Mapping[str, Any]) -> None:
        self._reasons[refusal.reason] += 1
        provenance = (row.evidence or row.scored).get("provenance")
        # The time of the judgement, not of this run: the same row is refused in the same bytes tomorrow.
        scored_at = row.scored.get("scored_at")
        at = scored_at if isinstance(scored_at, str) and scored_at else self._recorded_at
        self._stayed.write(records.encode(entry(self._name, refusal, source, provenance, at, self._firewall)))


@contextmanager
def outlet(
    root: Root, name: str, firewall: Firewall, recorded_at: str, verify: Callable[[Path], None]
) -> Iterator[Outlet]:
    """The two files of an export, published together when the block ends well and the written file stands its test."""
    with (
        records.replacing(root.quarantine(name)) as stayed,
        records.replacing(root.export(name)) as left,
    ):
        yield Outlet(name, left, stayed, firewall, recorded_at)
        left.flush()
        verify(Path(left.name))


def export_rows(
    root: Root,
    exporter: Exporter,
    *,
    recorded_at: str,
    firewall: Firewall,
    progress: Progress | None = None,
) -> Exported:
    """Every row below the root through one exporter; a row on which a reviewer decided, as the decision made it.

    Raises FirewallError when the written file holds what must never leave (it is not published), InvalidError at a
    line that is no JSON, BusyError when another stage is at work below the root.
    """
    with alone(root), outlet(root, exporter.name, firewall, recorded_at, exporter.verify) as out:
        for row in map(decisions(root), join(root, stage=f"export-{exporter.name}", progress=progress)):
            if is_stale(row):
                out.skip()
            else:
                out.send(judge(exporter, row, firewall), row)
    return out.told(inputs_of(root), (root.export(exporter.name), root.quarantine(exporter.name)))


def is_stale(row: Joined) -> bool:
    """Whether a scorer judged it that is not today's: another row has, or will have, today's judgement of it."""
    return row.scored.get("scorer_version") not in {SCORER_VERSION, REVIEW_VERSION}


def inputs_of(root: Root) -> tuple[Path, ...]:
    """The files an export reads: scored runs, the evidence they judged, the decisions of reviewers."""
    scored = root.scored_files()
    read = (*scored, *(evidence_of(root, path) for path in scored), root.reviews)
    return tuple(path for path in read if path.exists())
