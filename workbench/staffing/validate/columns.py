"""Columns kept small: few distinct texts as codes, days as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Coded:
    """A column of text: ``values[codes[row]]``. The last value is None, so that the code of null, −1, names it."""

    codes: NDArray[Any]
    values: tuple[str | None, ...]

    @classmethod
    def of(cls, column: Any, rows: NDArray[np.int64]) -> Coded:
        """The rows of an Arrow column, in that order; None for a column of nulls."""
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        coded = array.cast(pa.string()).dictionary_encode()
        values = tuple(coded.dictionary.to_pylist())
        small = np.int16 if len(values) < 2**15 else np.int32
        return cls(np.asarray(pc.fill_null(coded.indices, -1)).astype(small)[rows], (*values, None))

    @classmethod
    def unknown(cls, count: int) -> Coded:
        """A column that is not there: null in every row, without memory for each."""
        return cls(np.broadcast_to(np.int16(-1), (count,)), (None,))

    @classmethod
    def always(cls, value: str, count: int) -> Coded:
        """The same text in every row, without memory for each."""
        return cls(np.broadcast_to(np.int16(0), (count,)), (value, None))

    def beside(self, other: Coded) -> Coded:
        """These rows, then those of another."""
        first = len(self.values) - 1
        moved = np.where(other.codes < 0, -1, other.codes.astype(np.int32) + first)
        values = (*self.values[:-1], *other.values)
        small = np.int16 if len(values) < 2**15 else np.int32
        return Coded(np.concatenate([self.codes, moved]).astype(small), values)

    def taken(self, rows: NDArray[np.int64]) -> Coded:
        """Some rows, in that order."""
        return Coded(self.codes[rows], self.values)

    def __getitem__(self, row: int) -> str | None:
        return self.values[int(self.codes[row])]

    def at(self, rows: NDArray[np.int64]) -> list[str | None]:
        """The values of some rows."""
        values = self.values
        return [values[code] for code in self.codes[rows].tolist()]

    def among(self, wanted: Sequence[bool]) -> NDArray[np.bool_]:
        """Rows whose value is wanted: ``wanted`` says it of each of ``values``."""
        rows: NDArray[np.bool_] = np.asarray(wanted, dtype=np.bool_)[self.codes]
        return rows


def days_of(column: Any, rows: NDArray[np.int64], *, unknown: int) -> NDArray[np.int32]:
    """Days since 1970 of an Arrow column of dates or timestamps, int32; ``unknown`` for null."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    days = array.cast(pa.date32(), safe=False).cast(pa.int32())
    return np.asarray(pc.fill_null(days, unknown))[rows]


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - EPOCH).days


def day_of(number: int) -> date:
    """The day by its number."""
    return EPOCH + timedelta(days=int(number))
