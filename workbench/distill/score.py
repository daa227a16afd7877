"""Score: a scored run for each evidence row, in the same partition; once for each version of the scorer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import compress
from typing import IO, Any

from pydantic import ValidationError

from workbench import records
from workbench.distill.flow import Block, blocks, crew
from workbench.distill.records.evidence import CATEGORIES, EvidenceRecord
from workbench.distill.root import Root
from workbench.distill.scorer import SCORER_VERSION, score
from workbench.distill.seen import Seen, digest, stored
from workbench.distill.stage import Counts, Meter, Progress, Scored, alone, check_instant

NAME = "score"


@dataclass(frozen=True, slots=True)
class Turned:
    """Scored lines of a block of evidence, with digests (joined) and categories, and the reasons of unscored lines."""

    rows: list[bytes]
    digests: bytes
    categories: list[str]
    skips: list[str]


def score_all(root: Root, *, recorded_at: str, progress: Progress | None = None, workers: int = 1) -> Scored:
    """Score every evidence partition of the root; rows that this version of the scorer has judged are deduped.

    ``recorded_at`` becomes ``scored_at``. An evidence line that fails its schema is skipped and counted.
    Raises ``BusyError`` when another stage is at work below the root, ``InvalidError`` for a bad ``recorded_at``.
    """
    check_instant(recorded_at)
    partitions = root.evidence_files()
    meter = Meter(NAME, progress, sum(path.stat().st_size for path in partitions))
    totals = _Totals({}, Counter(), Counter())
    with ExitStack() as held:
        held.enter_context(alone(root))
        mapped = held.enter_context(crew(workers, meter.total))
        for path in partitions:
            target = root.scored_of(path)
            seen = Seen()
            for digests in stored(target, scorer_version=SCORER_VERSION):
                seen.add(digests)
            with records.replacing(target, keep=True) as out:
                turn = partial(turned, scored_at=recorded_at)
                totals.take(path.stem, meter.over(mapped(turn, blocks(path))), seen, out)
    outputs = tuple(root.scored_of(path) for path in partitions)
    return Scored(
        counts=sum(totals.by_stream.values(), Counts()),
        by_stream=totals.by_stream,
        categories={category: totals.categories[category] for category in CATEGORIES},
        skips=dict(sorted(totals.skips.items())),
        inputs=partitions,
        outputs=tuple(path for path in outputs if path.exists()),
    )


def turned(block: Block, *, scored_at: str) -> Turned:
    """The scored runs of one block of evidence; pure but for reading the block."""
    done = Turned([], b"", [], [])
    digests: list[bytes] = []
    for _, raw in records.lines(block.path, start=block.start, stop=block.stop, first=block.first):
        evidence = records.parse(raw)
        if isinstance(evidence, records.Unreadable):
            done.skips.append(evidence.reason)
            continue
        try:
            EvidenceRecord.model_validate(evidence)
        except ValidationError:
            done.skips.append("schema_violation")
            continue
        scored = score(evidence, scored_at=scored_at)
        done.rows.append(_encode(scored))
        done.categories.append(scored["category"])
        digests.append(digest(evidence["provenance"]["sig_hash"]))
    return Turned(done.rows, b"".join(digests), done.categories, done.skips)


def _encode(scored: dict[str, Any]) -> bytes:
    """The line of a scored run: besides texts it holds small integers and, where it was measured, the grounding."""
    if "anchor_grounding" in scored["sub_scores"]:
        return records.encode(scored)
    return records.encode_plain(scored)


@dataclass(frozen=True, slots=True)
class _Totals:
    by_stream: dict[str, Counts]
    categories: Counter[str]
    skips: Counter[str]

    def take(self, stream: str, results: Iterable[Turned], seen: Seen, out: IO[bytes]) -> None:
        for result in results:
            new = seen.add(result.digests)
            fresh, skipped = sum(new), len(result.skips)
            out.write(b"".join(compress(result.rows, new)))
            tally = Counter(result.categories)
            self.categories.update(tally)
            self.skips.update(result.skips)
            self.by_stream[stream] = self.by_stream.get(stream, Counts()) + Counts(
                records_in=len(new) + skipped,
                records_out=fresh,
                skipped=skipped,
                deduped=len(new) - fresh,
                accepted=tally["accepted"],
                rejected=tally["rejected"],
            )
