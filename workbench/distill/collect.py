"""Collect: source logs become partitions of evidence; what cannot is a skip with its reason.

Safe to kill and run again: a stream's partition is replaced whole, the skips last, and a row that is there already is
not written twice; so the next run ends with the same bytes.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from itertools import compress
from pathlib import Path
from typing import IO, Any

import msgspec
from pydantic import ValidationError

from workbench import records
from workbench.distill.flow import Block, blocks, crew
from workbench.distill.records.evidence import EvidenceRecord
from workbench.distill.records.validation import Errors, validate
from workbench.distill.root import Root
from workbench.distill.seen import DIGEST_BYTES, Seen, stored
from workbench.distill.stage import Collected, Counts, Meter, Progress, alone, check_instant
from workbench.distill.streams import TRANSFORMS, Skip

NAME = "collect"
SKIP_VERSION = 1


@dataclass(frozen=True, slots=True)
class Turned:
    """What became of a block of source lines: evidence lines with their digests (joined), and skips as rows."""

    rows: list[bytes]
    digests: bytes
    skips: list[dict[str, Any]]


def collect(
    root: Root,
    *,
    recorded_at: str,
    progress: Progress | None = None,
    partition_only: bool = False,
    dry_run: bool = False,
    workers: int = 1,
) -> Collected:
    """Turn every source log below ``root`` into evidence of the day of ``recorded_at``.

    ``partition_only``: a row is a duplicate only when the day's own partition has it (else: any partition of the root).
    ``dry_run`` counts and writes nothing. ``workers`` > 1 uses as many processes when there is enough to do.
    Raises ``BusyError`` when another stage is at work below the root, ``InvalidError`` for a ``recorded_at`` that is no
    ISO 8601 time with zone.
    """
    check_instant(recorded_at)
    sources = root.sources()
    meter = Meter(NAME, progress, sum(path.stat().st_size for path in sources.values()))
    counts: dict[str, Counts] = {}
    with ExitStack() as held:
        if not dry_run:
            held.enter_context(alone(root))
        mapped = held.enter_context(crew(workers, meter.total))
        skips = held.enter_context(_skip_log(root, dry_run=dry_run))
        for stream, path in sources.items():
            target = root.evidence(recorded_at, stream)
            seen = _known([target] if partition_only else list(root.evidence_files(stream)))
            turn = partial(turned, stream=stream, source_file=root.relative(path), recorded_at=recorded_at)
            with _partition(target, dry_run=dry_run) as out:
                counts[stream] = _gather(meter.over(mapped(turn, blocks(path))), seen, out, skips)
    outputs = [root.evidence(recorded_at, stream) for stream in sources]
    return Collected(
        counts=sum(counts.values(), Counts()),
        by_stream=counts,
        skips=dict(sorted(skips.reasons.items())),
        inputs=tuple(sources.values()),
        outputs=tuple(path for path in (*outputs, root.skips) if path.exists()),
    )


def turned(block: Block, *, stream: str, source_file: str, recorded_at: str) -> Turned:
    """The evidence and the skips of one block of a source log; pure but for reading the block."""
    done = Turned([], b"", [])
    digests: list[bytes] = []
    for number, raw in records.lines(block.path, start=block.start, stop=block.stop, first=block.first):
        result = materialize(raw, stream, source_file, number, recorded_at)
        if isinstance(result, Skip):
            done.skips.append(skip_row(raw, result, stream, source_file, number, recorded_at))
        else:
            digests.append(result[0])
            done.rows.append(result[1])
    return Turned(done.rows, b"".join(digests), done.skips)


def materialize(raw: bytes, stream: str, source_file: str, number: int, recorded_at: str) -> tuple[bytes, bytes] | Skip:
    """One source line as ``(digest, evidence line)``, or why it becomes none."""
    read = records.signed(raw)
    if isinstance(read, records.Unreadable):
        return Skip(read.reason, (read.detail,))
    row, sig_hash = read
    at = records.Provenance(source_file, sig_hash, recorded_at, number)
    made = TRANSFORMS[stream](row, at, recorded_at, number)
    if isinstance(made, Skip):
        return made
    try:
        EvidenceRecord.model_validate(made)
    except ValidationError:
        problems = validate(EvidenceRecord, made)
        return Skip("schema_violation", tuple(problems.texts()) if isinstance(problems, Errors) else ())
    # The evidence holds values of the row and texts of ours: what was plain stays plain.
    encode = records.encode_plain if records.is_plain(row) else records.encode
    return bytes.fromhex(sig_hash)[:DIGEST_BYTES], encode(made)


def skip_row(raw: bytes, skip: Skip, stream: str, source_file: str, number: int, recorded_at: str) -> dict[str, Any]:
    """A line of the skip log; ``sig_hash`` is that of the line's bytes, which may be no JSON."""
    return {
        "schema_version": SKIP_VERSION,
        "stream": stream,
        "source_file": source_file,
        "line_offset": number,
        "sig_hash": hashlib.sha256(raw).hexdigest(),
        "reason": skip.reason,
        "errors": list(skip.errors),
        "recorded_at": recorded_at,
    }


def _gather(results: Iterable[Turned], seen: Seen, out: IO[bytes], skips: _Skips) -> Counts:
    counts = Counts()
    for result in results:
        new = seen.add(result.digests)
        fresh = sum(new)
        out.write(b"".join(result.rows if fresh == len(new) else compress(result.rows, new)))
        skips.note(result.skips)
        skipped, deduped = len(result.skips), len(new) - fresh
        counts += Counts(records_in=len(new) + skipped, records_out=fresh, skipped=skipped, deduped=deduped)
    return counts


def _known(partitions: list[Path]) -> Seen:
    seen = Seen()
    for path in partitions:
        for digests in stored(path):
            seen.add(digests)
    return seen


@contextmanager
def _partition(path: Path, *, dry_run: bool) -> Iterator[IO[bytes]]:
    if dry_run:
        yield _Nowhere()
        return
    with records.replacing(path, keep=True) as out:
        yield out


@contextmanager
def _skip_log(root: Root, *, dry_run: bool) -> Iterator[_Skips]:
    seen = Seen()
    for _, raw in records.lines(root.skips):
        row = records.parse(raw)
        if not isinstance(row, records.Unreadable):
            seen.add(_identity(row))
    with _partition(root.skips, dry_run=dry_run) as out:
        yield _Skips(seen, out)


@dataclass(frozen=True)
class _Skips:
    """The skip log being written: a skip that is there already is counted and not written again."""

    seen: Seen
    out: IO[bytes]
    reasons: Counter[str] = field(default_factory=Counter)

    def note(self, skips: list[dict[str, Any]]) -> None:
        new = self.seen.add(b"".join(map(_identity, skips)))
        self.out.write(b"".join(map(records.encode, compress(skips, new))))
        self.reasons.update(skip["reason"] for skip in skips)


def _identity(skip: Mapping[str, Any]) -> bytes:
    """What makes two skips one: the place, the bytes there, the reason; not when it was seen."""
    key = [skip.get(name) for name in ("source_file", "line_offset", "sig_hash", "reason")]
    return hashlib.sha256(msgspec.json.encode(key)).digest()[:DIGEST_BYTES]


class _Nowhere(BytesIO):
    def write(self, data: Any, /) -> int:
        return len(data)
