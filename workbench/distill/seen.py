"""Which source rows are there already: 16 bytes of each SHA-256, in sorted arrays; millions fit in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from workbench import records

DIGEST_BYTES = 16  # of 32: two of 10^9 rows agree in them with a chance below 10^-20
BATCH = 8192
Pairs = npt.NDArray[np.uint64]


class Seen:
    """A growing set of digests: sorted runs, merged when two are of a size; 16 bytes for each digest."""

    def __init__(self) -> None:
        self._runs: list[Pairs] = []

    def __len__(self) -> int:
        return sum(len(run) for run in self._runs)

    def add(self, digests: bytes) -> list[bool]:
        """Take in digests (16 bytes each, joined); for each, in order, whether it was new."""
        pairs = np.frombuffer(digests, dtype=">u8").astype(np.uint64).reshape(-1, 2)
        if not len(pairs):
            return []
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))  # stable: of two that are equal the earlier one stays first
        ranked = pairs[order]
        fresh = np.ones(len(pairs), dtype=bool)
        fresh[1:] = (ranked[1:] != ranked[:-1]).any(axis=1)
        for run in self._runs:
            fresh &= ~_within(ranked, run)
        self._keep(ranked[fresh])
        new = np.empty(len(pairs), dtype=bool)
        new[order] = fresh
        return list(new.tolist())

    def _keep(self, run: Pairs) -> None:
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            both = np.concatenate((self._runs.pop(), run))
            run = both[np.lexsort((both[:, 1], both[:, 0]))]
        if len(run):
            self._runs.append(run)


def digest(sig_hash: str) -> bytes:
    """The bytes of a hexadecimal SHA-256 that a ``Seen`` keeps."""
    return bytes.fromhex(sig_hash)[:DIGEST_BYTES]


def stored(path: Path, *, scorer_version: str | None = None) -> Iterator[bytes]:
    """The digests of a partition of evidence, or of the scored runs of one scorer version, in joined batches.

    A line that cannot be read has none: whoever reads the rows tells of it.
    """
    decoder: msgspec.json.Decoder[_Line] = msgspec.json.Decoder(_Line)
    found: list[bytes] = []
    for _, raw in records.lines(path):
        try:
            row = decoder.decode(raw)
            if scorer_version is None or row.scorer_version == scorer_version:
                found.append(digest(row.provenance.sig_hash))
        except (msgspec.MsgspecError, ValueError):
            continue
        if len(found) >= BATCH:
            yield b"".join(found)
            found.clear()
    yield b"".join(found)


class _Origin(msgspec.Struct):
    sig_hash: str


class _Line(msgspec.Struct):
    provenance: _Origin
    scorer_version: str | None = None


def _within(ranked: Pairs, run: Pairs) -> npt.NDArray[np.bool_]:
    """Which of the sorted pairs are in the sorted run."""
    place = np.searchsorted(run[:, 0], ranked[:, 0])
    inside = np.minimum(place, len(run) - 1)
    found = (run[inside] == ranked).all(axis=1)
    # Two digests that agree in 8 bytes and not in 16 hide one another from a search on the first 8: look at each.
    for index in np.flatnonzero(~found & (run[inside, 0] == ranked[:, 0])):
        high, low = ranked[index]
        stop = np.searchsorted(run[:, 0], high, side="right")
        found[index] = low in run[place[index] : stop, 1]
    return np.asarray(found)
