"""The slab: every vector that one model ever gave, on disk, found by the SHA-256 of its text.

It is the persistent cache of an embedder and at once what a corpus is searched from. It only grows, segment by segment
(``segment``), and is derived: deleting the folder costs a recomputation, never data. Several processes may add to one
slab at the same time; a text that two of them embed is stored twice and found once.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidError
from workbench.search.embedding.embed import Embedder, Side
from workbench.search.vectors.distance import check_vectors, row_norms
from workbench.search.vectors.keys import KeyTable, Positions
from workbench.search.vectors.scan import Block, Blocks
from workbench.search.vectors.segment import (
    SUFFIX,
    Keys,
    Unreadable,
    disk_errors,
    read_segment,
    sweep,
    write_segment,
)

# float32 rounding leaves a unit vector's length within about 1e-7 of 1; more means the provider did not normalise.
_UNIT_SLACK = 1e-5


class VectorSlab:
    """Unit vectors of one model and side, by key. A position, once seen, stays valid for the life of this object.

    ``folder`` belongs to one model; it is made when absent. Segments that are damaged or of another format are passed
    over, so their texts count as absent. With ``verify`` every byte is checked and damaged files are removed (reads
    the whole slab, about 2 GB/s); do that before adding. Raises ConfigError when the folder cannot be made.
    """

    def __init__(self, folder: Path, embedder: Embedder, *, side: Side = "document", verify: bool = False) -> None:
        self.folder = folder
        self.dimension = embedder.dimension
        self._identity = hashlib.sha256(f"{embedder.digest}\x1f{side}".encode()).digest()
        self._verify = verify
        self._seen: set[str] = set()
        self._table = KeyTable()
        self._blocks = Blocks(self.dimension)
        self._segments: list[tuple[str, int]] = []
        self.skipped: dict[str, str] = {}
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            sweep(folder)
        self.refresh()

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def blocks(self) -> Blocks:
        """All vectors, numbered by position; later additions do not change a value already taken."""
        return self._blocks

    @property
    def segments(self) -> tuple[tuple[str, int], ...]:
        """Name and rows of each segment, in the order of the positions."""
        return tuple(self._segments)

    def find(self, keys: Keys) -> Positions:
        """Position of each of ``keys`` (m, 4), −1 where the slab has no vector for it."""
        return self._table.find(keys)

    def take(self, positions: Positions) -> NDArray[np.float32]:
        """Vectors at ``positions``, shape (len(positions), dimension)."""
        return self._blocks.take(positions)

    def append(self, keys: Keys, vectors: NDArray[np.float32]) -> None:
        """Store ``vectors`` (n, d), unit rows, under ``keys`` (n, 4): durable and visible to every process on return.

        Raises DimensionError, InvalidError for NaN, infinity, zero or a length other than 1, ConfigError for the disk.
        """
        if len(keys) != len(vectors):
            raise InvalidError(f"{len(keys)} keys came with {len(vectors)} vectors.")
        matrix = check_vectors(vectors, dimension=self.dimension, distance="cosine", what="slab")
        if (np.abs(row_norms(matrix) - 1.0) > _UNIT_SLACK).any():
            raise InvalidError("A vector is not of length 1.", hint="An embedder returns normalised vectors.")
        if len(matrix):
            self._map(write_segment(self.folder, self._identity, keys, matrix))

    def refresh(self) -> int:
        """Take in the segments that other processes finished since; returns how many vectors came."""
        before = len(self)
        for name in sorted(path.name for path in self.folder.glob(f"*{SUFFIX}")):
            if name not in self._seen:
                self._map(name)
        return len(self) - before

    def _map(self, name: str) -> None:
        path = self.folder / name
        segment = read_segment(path, self._identity, self.dimension, verify=self._verify)
        self._seen.add(name)
        if isinstance(segment, Unreadable):
            self.skipped[name] = segment.reason
            if self._verify and not segment.foreign:
                path.unlink(missing_ok=True)
            return
        self._table.add(segment.keys)
        self._segments.append((name, len(segment.keys)))
        self._blocks = Blocks(self.dimension, (*self._blocks.blocks, Block(segment.vectors)))
