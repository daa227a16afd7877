"""Similarities of texts to all titles of the dictionary at once, in a fraction of a millisecond."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DimensionError, InvalidError
from workbench.trades.dictionary import Dictionary

# Texts of one call of the kernel: 64 rows of 53,767 int32 are 14 MB.
_ROWS = 64


class TitleScan:
    """Cosines of text vectors to the titles of ``dictionary``, over int8 codes.

    ``vectors`` (titles, d), float32 unit rows in the order of ``dictionary.titles``. The titles of one occupation share
    a scale; the integer products are exact, so a text has the same bits alone and in any batch. The error of a cosine
    is below 0.005. Safe for threads. Raises InvalidError when the vectors are not one per title.
    """

    def __init__(self, dictionary: Dictionary, vectors: NDArray[np.float32]) -> None:
        import numkong

        if vectors.ndim != 2 or len(vectors) != len(dictionary.titles):
            raise InvalidError(f"{len(dictionary.titles):,} titles came with vectors of shape {vectors.shape}.")
        self.dictionary = dictionary
        self.dimension = int(vectors.shape[1])
        starts = dictionary.starts
        largest = np.maximum(vectors.max(axis=1), -vectors.min(axis=1))[dictionary.pair_titles]
        scales = np.maximum.reduceat(largest, starts[:-1]) / np.float32(127)
        scales[scales == 0] = 1
        self._scales: NDArray[np.float32] = scales.astype(np.float32)
        self._pair_scales = np.repeat(self._scales, np.diff(starts))
        codes = np.empty((len(dictionary.pair_titles), self.dimension), np.int8)
        for start in range(0, len(codes), 4096):
            part = slice(start, start + 4096)
            codes[part] = np.rint(vectors[dictionary.pair_titles[part]] / self._pair_scales[part, None])
        self._packed = numkong.dots_pack(codes)

    def nearest(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of each of ``vectors`` (m, d), unit rows, the cosine to its nearest title in each occupation.

        Shape (m, occupations), float32. Raises DimensionError for another d.
        """
        out = np.empty((len(vectors), len(self._scales)), np.float32)
        for start in range(0, len(vectors), _ROWS):
            dots, scales = self._dots(vectors[start : start + _ROWS])
            best = np.maximum.reduceat(dots, self.dictionary.starts[:-1], axis=1)
            out[start : start + _ROWS] = best * self._scales * scales[:, None]
        return out

    def pairs(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cosine of one ``vector`` (d,) to every pair of the dictionary, shape (pairs,)."""
        dots, scales = self._dots(vector[None])
        out: NDArray[np.float32] = dots[0] * self._pair_scales * scales[0]
        return out

    def _dots(self, vectors: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        import numkong

        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise DimensionError(
                f"The titles have vectors of dimension {self.dimension}, the texts of shape {vectors.shape}.",
                hint="Embed both with the same model.",
            )
        scales = (np.abs(vectors).max(axis=1) / 127).astype(np.float32)
        scales[scales == 0] = 1
        codes = np.rint(vectors / scales[:, None]).astype(np.int8)
        return np.asarray(numkong.dots_packed(np.ascontiguousarray(codes), self._packed)), scales
