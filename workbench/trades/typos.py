"""Typing errors in role texts: words that no title has, read as words that titles do have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import islice, product

_LETTERS = 5  # a shorter word is one letter away from too many
_ALIKE = 0.8
_READINGS = 3  # of one word
_TRIED = 27


class TitleWords:
    """The words of ``folded`` titles, to set typing errors right. The first letter of a word is taken as typed."""

    def __init__(self, folded: Iterable[str]) -> None:
        self._words = {word for title in folded for word in title.split()}
        self._by_letter: dict[str, list[str]] = defaultdict(list)
        for word in sorted(self._words):
            self._by_letter[word[0]].append(word)

    def readings(self, folded: str) -> Iterator[str]:
        """What ``folded`` may have meant, the likeliest first; nothing when a word is like none or all are known."""
        choices = [self._alike(word) for word in folded.split()]
        for words in islice(product(*choices), _TRIED):
            if (reading := " ".join(words)) != folded:
                yield reading

    def _alike(self, word: str) -> list[str]:
        if word in self._words or len(word) < _LETTERS:
            return [word]
        near = [other for other in self._by_letter.get(word[0], ()) if abs(len(other) - len(word)) <= 2]
        return get_close_matches(word, near, n=_READINGS, cutoff=_ALIKE)
