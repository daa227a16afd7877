"""Copies: which labels of a graph have equal vectors. Each distinct vector is one node; its copies come with it."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from workbench.search.vectors.segment import Keys

Labels = NDArray[np.int64]
Copies = NDArray[np.int64]
"""Labels whose vector an earlier label has: shape (c, 2), columns label and earliest label, ascending by label."""

_MARK_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Groups:
    """Copies by node: those of ``nodes[i]`` are ``copies[starts[i] : starts[i + 1]]``; ``nodes`` ascending."""

    nodes: Labels
    starts: Labels
    copies: Labels

    @classmethod
    def of(cls, copies: Copies) -> Groups:
        """The groups of ``copies`` (c, 2), c ≥ 1."""
        order = np.argsort(copies[:, 1], kind="stable")
        nodes, starts = np.unique(copies[order, 1], return_index=True)
        return cls(nodes, np.append(starts, len(copies)), copies[order, 0])

    def spread(self, labels: Labels, rough: NDArray[np.float32]) -> tuple[Labels, NDArray[np.float32]]:
        """``labels`` each followed by its copies, with the distances that belong to them."""
        places = np.searchsorted(self.nodes, labels)
        places[places == len(self.nodes)] = 0
        with_copies = np.flatnonzero(self.nodes[places] == labels)
        if not len(with_copies):
            return labels, rough
        counts = np.ones(len(labels), np.int64)
        held = places[with_copies]
        counts[with_copies] += self.starts[held + 1] - self.starts[held]
        out = np.repeat(labels, counts)
        begins = np.cumsum(counts) - counts
        for begin, low, high in zip(
            begins[with_copies].tolist(), self.starts[held].tolist(), self.starts[held + 1].tolist(), strict=True
        ):
            out[begin + 1 : begin + 1 + high - low] = self.copies[low:high]
        return out, np.repeat(rough, counts)


def marks_of(vectors: NDArray[np.float32]) -> Keys:
    """SHA-256 of the bytes of each row (−0 as 0): equal rows have equal marks. About 1 s a million rows of 256."""
    digests = bytearray()
    for low in range(0, len(vectors), _MARK_ROWS):
        rows = np.ascontiguousarray(vectors[low : low + _MARK_ROWS], np.float32) + np.float32(0.0)
        digests += b"".join(sha256(row).digest() for row in rows)
    return np.frombuffer(bytes(digests), "<u8").reshape(-1, 4)
