"""Occupation profiles: what a text is about, as shares of a few occupations; sparse, so comparing costs nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.trades.dictionary import Dictionary, Occupation
from workbench.trades.scan import TitleScan

# Measured on an expert-labelled job-title set (ARCHITECTURE, embedded embedder).
_SHARPNESS = 8.0
_KEPT = 20
_TOLD = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class ProfileTable:
    """Profiles of ``m`` texts, row by row.

    ``occupations`` (m, 20) int16, numbers in the dictionary, strongest first; ``weights`` (m, 20) float32, each row of
    length 1. A dictionary of fewer occupations has fewer columns.
    """

    occupations: NDArray[np.int16]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.weights)

    def row(self, number: int) -> ProfileTable:
        """The profile of one text, as a table of one row."""
        return ProfileTable(self.occupations[number : number + 1], self.weights[number : number + 1])


@dataclass(frozen=True, slots=True)
class Shared:
    """An occupation that two profiles have in common, and its share of their similarity, 0 … 1."""

    occupation: Occupation
    share: float


class Profiles:
    """Makes and compares profiles. Safe for threads; a text has the same bits alone and in any batch."""

    def __init__(self, scan: TitleScan) -> None:
        self.dictionary: Dictionary = scan.dictionary
        self._scan = scan

    def of(self, vectors: NDArray[np.float32]) -> ProfileTable:
        """Profiles of texts by their ``vectors`` (m, d), float32 unit rows, of the model that embedded the titles.

        Similarity s to the nearest title of each occupation, weight exp(8 s), the 20 largest kept, length 1. About
        0.6 ms of CPU time for one text, 0.4 ms each for many. Raises DimensionError for another d.
        """
        similar = self._scan.nearest(vectors)
        kept = min(_KEPT, similar.shape[1])
        top = np.argpartition(-similar, kept - 1, axis=1)[:, :kept]
        values = np.take_along_axis(similar, top, axis=1)
        order = np.lexsort((top, -values), axis=1)
        top, values = np.take_along_axis(top, order, axis=1), np.take_along_axis(values, order, axis=1)
        weights = np.exp(_SHARPNESS * (values.astype(np.float64) - values[:, :1]))
        weights /= np.sqrt(np.add.reduce(weights * weights, axis=1))[:, None]
        return ProfileTable(top.astype(np.int16), weights.astype(np.float32))

    def similarities(self, query: ProfileTable, roles: ProfileTable) -> NDArray[np.float32]:
        """Cosine of the one profile ``query`` to each of ``roles``, shape (len(roles),), 0 … 1."""
        dense = np.zeros(len(self.dictionary), np.float64)
        dense[query.occupations[0]] = query.weights[0]
        products = dense[roles.occupations] * roles.weights
        cosines: NDArray[np.float32] = np.clip(np.add.reduce(products, axis=1), 0.0, 1.0).astype(np.float32)
        return cosines

    def explain(self, query: ProfileTable, role: ProfileTable, most: int = 3) -> tuple[Shared, ...]:
        """The occupations that two profiles (of one row each) share, the largest share first, at most ``most`` of them.

        Those with less than 1 % of the similarity are left out.
        """
        theirs = dict(zip(role.occupations[0].tolist(), role.weights[0].tolist(), strict=True))
        mine = zip(query.occupations[0].tolist(), query.weights[0].tolist(), strict=True)
        products = {number: weight * theirs[number] for number, weight in mine if number in theirs}
        whole = sum(products.values())
        told = [number for number, product in products.items() if product >= _TOLD * whole]
        ranked = sorted(told, key=lambda number: (-products[number], number))[:most]
        return tuple(Shared(self.dictionary.occupations[number], products[number] / whole) for number in ranked)
