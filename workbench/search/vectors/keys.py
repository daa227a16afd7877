"""Keys of texts, and the table that finds the position of millions of them in bounded memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from workbench.search.vectors.segment import Keys

Positions = NDArray[np.int64]

ABSENT = -1


def text_keys(texts: Iterable[str]) -> Keys:
    """SHA-256 of each text in UTF-8, shape (n, 4)."""
    digests = b"".join(hashlib.sha256(text.encode("utf-8")).digest() for text in texts)
    return np.frombuffer(digests, "<u8").reshape(-1, 4)


class KeyTable:
    """Positions of keys: the first key added has position 0.

    Sorted runs of the keys' first words, merged as they grow, so there are O(log n) of them: 16 bytes a key in memory
    beside the keys themselves (which may be mapped from disk). A match on the first word is checked on all four.
    """

    def __init__(self) -> None:
        self._blocks: list[Keys] = []
        self._starts: list[int] = [0]
        self._runs: list[tuple[NDArray[np.uint64], Positions]] = []

    def __len__(self) -> int:
        return self._starts[-1]

    def add(self, keys: Keys) -> None:
        """Append ``keys`` (n, 4). A key that is there already keeps its first position."""
        if not len(keys):
            return
        start = len(self)
        order = np.argsort(keys[:, 0], kind="stable")
        self._blocks.append(keys)
        self._starts.append(start + len(keys))
        self._runs.append((keys[order, 0], order + start))
        while len(self._runs) > 1 and 2 * len(self._runs[-1][0]) >= len(self._runs[-2][0]):
            self._merge_last()

    def find(self, keys: Keys) -> Positions:
        """Position of each of ``keys`` (m, 4), ABSENT where it was never added; shape (m,)."""
        found = np.full(len(keys), ABSENT, np.int64)
        for words, positions in self._runs:
            missing = np.flatnonzero(found == ABSENT)
            if not len(missing):
                break
            found[missing] = self._find_in(words, positions, keys[missing])
        return found

    def keys(self) -> Keys:
        """All keys in the order of their positions, shape (n, 4)."""
        return np.concatenate(self._blocks) if self._blocks else np.empty((0, 4), np.uint64)

    def _find_in(self, words: NDArray[np.uint64], positions: Positions, keys: Keys) -> Positions:
        found = np.full(len(keys), ABSENT, np.int64)
        order = np.argsort(keys[:, 0])  # neighbours in the question are neighbours in the run: fewer cache misses
        places = np.empty(len(keys), np.int64)
        places[order] = np.searchsorted(words, keys[order, 0])
        open_rows = np.arange(len(keys))
        while len(open_rows):
            inside = places[open_rows] < len(words)
            open_rows = open_rows[inside]
            open_rows = open_rows[words[places[open_rows]] == keys[open_rows, 0]]
            candidates = positions[places[open_rows]]
            same = (self._take(candidates) == keys[open_rows]).all(axis=1)
            found[open_rows[same]] = candidates[same]
            open_rows = open_rows[~same]
            places[open_rows] += 1  # another key with the same first word
        return found

    def _take(self, positions: Positions) -> Keys:
        out = np.empty((len(positions), 4), np.uint64)
        owners = np.searchsorted(self._starts, positions, side="right") - 1
        for owner in np.unique(owners):
            here = np.flatnonzero(owners == owner)
            out[here] = self._blocks[owner][positions[here] - self._starts[owner]]
        return out

    def _merge_last(self) -> None:
        second, first = self._runs.pop(), self._runs.pop()
        words = np.concatenate([first[0], second[0]])
        order = np.argsort(words, kind="stable")
        self._runs.append((words[order], np.concatenate([first[1], second[1]])[order]))
