"""Texts longer than a model's window: found, split at natural places, never cut in silence.

A model reads only so many tokens. Servers cut the rest unless told not to, and then a vector stands for the beginning
of its text alone. Here such a text is embedded in pieces; the caller learns which texts were.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidError, TooLargeError
from workbench.search.embedding.embed import Embedder, Side
from workbench.search.vectors.distance import row_norms

# A window this small is a fault of the server, not a long text.
_LEAST_CHARS = 8
# Where a text may be split, best first: blank line, line, sentence, clause, word.
_BOUNDARIES = tuple(
    re.compile(pattern) for pattern in (r"\n\s*\n", r"\n", r"(?<=[.!?。！？])\s+", r"(?<=[;,])\s+", r"\s+")
)


@dataclass(frozen=True, slots=True)
class Embedded:
    """``vectors`` (n, d) float32 and ``long``: positions (0-based, ascending, int64) of texts beyond the window."""

    vectors: NDArray[np.float32]
    long: NDArray[np.int64]


@runtime_checkable
class Windowed(Protocol):
    """An embedder whose model has a window."""

    def embed_fitting(self, texts: Sequence[str], *, side: Side) -> Embedded:
        """Like ``Embedder.embed``, but texts beyond the window are named in ``long`` and their rows are zero."""


def too_long(name: str, long: NDArray[np.int64], count: int) -> TooLargeError:
    """The error of ``Embedder.embed`` for texts beyond the window; ``details["positions"]`` are 0-based."""
    shown = ", ".join(str(place + 1) for place in long[:5]) + (" …" if len(long) > 5 else "")
    return TooLargeError(
        f"{len(long)} of {count} texts {'is' if len(long) == 1 else 'are'} longer than {name} can read: {shown}.",
        hint="Shorten them, or choose a model with a longer context.",
        details={"positions": long.tolist()},
    )


def fit(embedder: Embedder, texts: Sequence[str], *, side: Side) -> Embedded:
    """Embed what fits the window of ``embedder``; an embedder without one reads every text whole."""
    if isinstance(embedder, Windowed):
        return embedder.embed_fitting(texts, side=side)
    return Embedded(embedder.embed(texts, side=side), np.empty(0, np.int64))


def embed_whole(embedder: Embedder, texts: Sequence[str], *, side: Side) -> Embedded:
    """Vectors of ``texts``, each of its whole text; ``long`` names those that had to be split.

    A text beyond the window is halved at the boundary nearest to its middle until each piece fits; its vector is the
    mean of the pieces' vectors weighted by their length, scaled to length 1. Every vector is a unit row. Raises what
    the embedder raises, and TooLargeError when not even a few characters fit.
    """
    found = fit(embedder, texts, side=side)
    if not len(found.long):
        return found
    sums = found.vectors.astype(np.float64)
    pieces = [(place, half) for place in found.long.tolist() for half in _halves(texts[place], place)]
    while pieces:
        part = fit(embedder, [text for _, text in pieces], side=side)
        over = set(part.long.tolist())
        for row, (place, text) in enumerate(pieces):
            if row not in over:
                sums[place] += len(text) * part.vectors[row].astype(np.float64)
        pieces = [(pieces[row][0], half) for row in sorted(over) for half in _halves(pieces[row][1], pieces[row][0])]
    vectors = np.array(found.vectors)
    vectors[found.long] = _unit(sums[found.long].astype(np.float32), found.long)
    return Embedded(vectors, found.long)


def _halves(text: str, place: int) -> list[str]:
    text = text.strip()
    if len(text) < _LEAST_CHARS:
        raise TooLargeError(
            f"Of text {place + 1} not even {len(text)} characters fit the model.",
            hint="The model server has too small a context: raise it, or choose another model.",
            details={"positions": [place]},
        )
    cut = _middle(text)
    return [half for half in (text[:cut].strip(), text[cut:].strip()) if half]


def _middle(text: str) -> int:
    """Where to split: at the best kind of boundary in the middle half of ``text``, the one nearest to its middle."""
    middle, low, high = len(text) // 2, len(text) // 4, len(text) * 3 // 4
    for boundary in _BOUNDARIES:
        cuts = [match.end() for match in boundary.finditer(text, low, high)]
        if cuts:
            return min(cuts, key=lambda cut: abs(cut - middle))
    return middle


def _unit(rows: NDArray[np.float32], places: NDArray[np.int64]) -> NDArray[np.float32]:
    lengths = row_norms(rows)
    if not lengths.all():
        place = int(places[int(np.flatnonzero(lengths == 0)[0])]) + 1
        raise InvalidError(f"The pieces of text {place} cancel each other out.", hint="Shorten the text.")
    return (rows / lengths[:, None]).astype(np.float32)
