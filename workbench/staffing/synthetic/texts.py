"""Texts: columns of words built by taking and joining whole Arrow arrays, never row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.staffing.synthetic.draws import Flags, Ints


def words(choices: Sequence[str | None], codes: Ints) -> Any:
    """A string array with ``choices[code]`` for each code."""
    return pa.array(choices, pa.string()).take(pa.array(codes))


def join(parts: Sequence[Any], separator: str = "", *, skip_nulls: bool = False) -> Any:
    """Join string arrays (or plain strings) row by row; a null makes the row null, or is skipped."""
    return pc.binary_join_element_wise(*parts, separator, null_handling="skip" if skip_nulls else "emit_null")


def where(flags: Flags, yes: Any, no: Any) -> Any:
    """``yes`` where the flag is set, else ``no``; either may be one string, ``no`` may be None."""
    absent = pa.scalar(None, pa.string())
    return pc.if_else(pa.array(flags), absent if yes is None else yes, absent if no is None else no)


def numbers(values: Ints) -> Any:
    """Integers as decimal text."""
    return pc.cast(pa.array(values), pa.string())


def decimals(values: Ints, scale: int, precision: int = 9) -> Any:
    """Integers as decimal128(precision, scale): 1725 with scale 2 is 17.25, exact on every platform."""
    halves = np.empty((len(values), 2), dtype="<i8")
    halves[:, 0] = values
    halves[:, 1] = values >> 63
    return pa.Array.from_buffers(pa.decimal128(precision, scale), len(values), [None, pa.py_buffer(halves)])


@dataclass(frozen=True, slots=True)
class Ragged:
    """Lists of words of different lengths, one list an owner (a role, a place …), kept flat for fast taking."""

    values: Any
    starts: Ints
    lengths: Ints

    @classmethod
    def of(cls, lists: Sequence[Sequence[str | None]]) -> Ragged:
        """Build from plain lists; the owner's code is the position."""
        lengths = np.array([len(entry) for entry in lists], dtype=np.int64)
        flat = [word for entry in lists for word in entry]
        return cls(pa.array(flat, pa.string()), np.cumsum(lengths) - lengths, lengths)

    def take(self, owners: Ints, positions: Ints) -> Any:
        """The word at ``positions`` (0-based) of each owner's list."""
        return self.values.take(pa.array(self.starts[owners] + positions))
