"""Ids: written ``W-12``, ``w-12`` or ``12``, and found among half a million in microseconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

# No leading zeros: "W-012" is not how anybody's id is written, and what reads it later may not think it W-12.
_NUMBERED = re.compile(r"(?:[wW]-)?(0|[1-9][0-9]{0,17})")
_NUMBERED_COLUMN = r"^(w-)?(0|[1-9][0-9]{0,17})$"
_SLICE = 65_536


def normal_id(text: str) -> str:
    """The form that ids are compared in: ``12`` for ``W-12`` and ``w-12``, else the text in lower case."""
    found = _NUMBERED.fullmatch(text)
    if found:
        return found[1]
    low = text.lower()
    # The sign of kelvin is a k in lower case; an id that only looks like another one is not that one.
    return text if low.isascii() and not text.isascii() else low


@dataclass(frozen=True, slots=True)
class IdIndex:
    """Sorted ids. ``keys`` is int64, or bytes of one width; ``rows`` int64: the row of the column behind each key."""

    keys: NDArray[Any]
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, column: Any) -> IdIndex:
        """The ids of an Arrow column of whole numbers or text. Rows without one are left out."""
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        rows = np.flatnonzero(np.asarray(pc.is_valid(array))) if array.null_count else np.arange(len(array))
        keys = _keys(array.drop_null())
        if np.all(keys[:-1] <= keys[1:]):
            return cls(keys, rows)
        order = np.argsort(keys, kind="stable")
        return cls(keys[order], rows[order])

    def find(self, ids: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(first, end) int64[n]: the places in ``keys`` that hold each id, none where they are equal."""
        known, wanted = self._wanted(ids)
        first = self.keys.searchsorted(wanted, side="left")
        end = self.keys.searchsorted(wanted, side="right")
        return first, np.where(known, end, first)

    def _wanted(self, ids: Sequence[str]) -> tuple[NDArray[np.bool_], NDArray[Any]]:
        if self.keys.dtype.kind == "i":
            return _numbers(tuple(ids))
        texts = [normal_id(text).encode("utf-8", "surrogatepass") for text in ids]
        # What is longer than every key would be cut to one, and a NUL at the end would be lost.
        known = np.array([len(text) <= self.keys.itemsize and b"\0" not in text for text in texts], dtype=np.bool_)
        return known, np.array([text if ok else b"" for text, ok in zip(texts, known, strict=True)], self.keys.dtype)


@lru_cache(maxsize=8)  # one proposal is looked up in the roster and in each record
def _numbers(ids: tuple[str, ...]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """(known, numbers): of each id whether it is numbered, and its number, 0 without one. Not to be written to."""
    found = list(map(_NUMBERED.fullmatch, ids))
    known = np.array([one is not None for one in found], dtype=np.bool_)
    numbers = np.array([int(one[1]) if one else 0 for one in found], dtype=np.int64)
    known.flags.writeable = numbers.flags.writeable = False
    return known, numbers


def _keys(array: Any) -> NDArray[Any]:
    if pa.types.is_integer(array.type):
        return np.asarray(array.cast(pa.int64()))
    low = pc.utf8_lower(array.cast(pa.string()))
    numbered = pc.match_substring_regex(low, _NUMBERED_COLUMN)
    bare = pc.if_else(numbered, pc.replace_substring(low, "w-", ""), low)
    if pc.all(numbered, min_count=0).as_py():
        return np.asarray(bare.cast(pa.int64()))
    width = pc.max(pc.binary_length(bare)).as_py() or 1
    keys = np.empty(len(bare), dtype=f"S{width}")
    for start in range(0, len(bare), _SLICE):  # a slice at a time: one Python object per id for a moment only
        keys[start : start + _SLICE] = [text.encode() for text in bare.slice(start, _SLICE).to_pylist()]
    return keys
