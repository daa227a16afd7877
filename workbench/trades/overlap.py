"""How far a text and each title of the dictionary share words, rare words counting most."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


class WordOverlap:
    """Cosine of texts and ``folded`` titles as sets of words weighted by rarity, ln(1 + n / (1 + titles with it))."""

    def __init__(self, folded: Sequence[str]) -> None:
        numbers: dict[str, int] = {}
        sets = [set(title.split()) for title in folded]
        lengths = np.fromiter(map(len, sets), np.int64, len(sets))
        words = np.array([numbers.setdefault(word, len(numbers)) for own in sets for word in own], np.int64)
        titles = np.repeat(np.arange(len(sets)), lengths)
        counts = np.bincount(words, minlength=len(numbers))
        self._numbers, self._n = numbers, len(folded)
        self._squares: NDArray[np.float64] = np.log1p(self._n / (1.0 + counts)) ** 2
        self._titles = titles[np.argsort(words, kind="stable")]
        self._ends = np.cumsum(counts)
        norms = np.sqrt(np.bincount(titles, self._squares[words], minlength=self._n))
        self._norms: NDArray[np.float64] = np.where(norms > 0, norms, 1.0)

    def similarities(self, folded: str) -> NDArray[np.float32]:
        """Of a folded text to every title, shape (titles,), 0 … 1; words that no title has count against it."""
        shared = np.zeros(self._n, np.float64)
        total = 0.0
        for word in sorted(set(folded.split())):
            number = self._numbers.get(word)
            if number is None:
                total += float(np.log1p(self._n)) ** 2
                continue
            end = int(self._ends[number])
            start = int(self._ends[number - 1]) if number else 0
            shared[self._titles[start:end]] += self._squares[number]
            total += float(self._squares[number])
        cosines: NDArray[np.float64] = shared / (self._norms * np.sqrt(total or 1.0))
        return cosines.astype(np.float32)
