"""Whether any cell of delimited text has a blank at an end, told from its bytes: then nothing is to be trimmed.

Asking the engine for every cell costs a quarter of the load; here it is a few operations on 64 bytes at once, over
bits that `workbench.lake.files.tally` makes anyway. The answer may be a false yes, never a false no: a quote that opens
in the middle of a cell, or one before a no-break space, counts as one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Words = np.ndarray  # of uint64: bit i of word w is byte 64 w + i
Bits = Callable[[int], Words]
"""Which bytes have a value."""

_NBSP = "\u00a0".encode()
_SPACE, _TAB = ord(" "), ord("\t")


class Edges:
    """``tidy``: no cell so far has a blank (see `records.BLANKS`) at an end, cells being cut at ``delimiter``."""

    def __init__(self, delimiter: str) -> None:
        self.delimiter = delimiter
        self.tidy = len(delimiter) == 1 and delimiter.isascii() and delimiter not in ' \r\n"'
        # Of the two bytes before: what cuts cells, quotes, blanks, and what a cell can begin after.
        self._separators, self._quotes, self._blanks = (True, True), (False, False), (False, False)
        self._openings = (True, True)
        self._maybe, self._last = False, b""

    def add(self, block: bytes, bits: Bits, ends: Words, quotes: Words, inside: Words) -> None:
        """Look at one block. ``ends``: line ends of both kinds; ``inside``: an odd number of quotes before or there."""
        if not self.tidy:
            return
        separators = (ends | bits(ord(self.delimiter))) & ~inside
        blanks = bits(_SPACE) | (ends & inside)
        if b"\t" in block:
            blanks |= bits(_TAB) & ~separators
        wide = self._wide(block, bits)
        if wide is not None:
            blanks |= wide
        edges, openings = separators | quotes, separators | (quotes & inside)
        after = later(edges, 1, self._separators[1] or self._quotes[1])
        before = later(blanks, 1, self._blanks[1])
        maybe = (blanks & after) | (edges & before)
        untidy = quotes & inside & ~after  # a quote that opens within a cell: the cells may be others
        if wide is not None:
            untidy |= wide & later(openings, 2, *self._openings)
        if self._maybe or maybe.any():  # many quotes are no edge of a cell
            untidy |= (blanks & later(separators, 1, self._separators[1])) | (separators & before)  # `, x`, `x ,`
            quoted = later(quotes, 1, self._quotes[1])
            untidy |= blanks & quoted & later(separators, 2, *self._separators)  # `," x`
            untidy |= separators & quoted & later(blanks, 2, *self._blanks)  # `x ",`
        self.tidy = not untidy.any()
        size = len(block)
        self._maybe = bit_at(maybe, size - 1)  # whether that quote is one, the next byte tells
        self._openings = _last_two(openings, size, self._openings)
        self._separators = _last_two(separators, size, self._separators)
        self._quotes, self._blanks = _last_two(quotes, size, self._quotes), _last_two(blanks, size, self._blanks)
        self._last = block[-1:]

    def all_tidy(self) -> bool:
        """Whether all cells are, the last one too, which may have no line end."""
        return self.tidy and not (self._blanks[1] or (self._quotes[1] and self._blanks[0]))

    def _wide(self, block: bytes, bits: Bits) -> Words | None:
        """The second bytes of no-break spaces; None if there is none."""
        goes_on = self._last + block[:1] == _NBSP
        if block.isascii() or not (goes_on or _NBSP[:1] in block):  # one byte is found ten times as fast as two
            return None
        wide: Words = bits(_NBSP[1]) & later(bits(_NBSP[0]), 1, goes_on)
        return wide


def later(bits: Words, by: int, *before: bool) -> Words:
    """Bits moved to the bytes ``by`` places later; ``before`` are the bits of the bytes before the first."""
    carried = np.concatenate([[np.uint64(0)], bits[:-1] >> np.uint64(64 - by)])
    for place, bit in enumerate(before):
        carried[0] |= np.uint64(int(bit) << place)
    moved: Words = (bits << np.uint64(by)) | carried
    return moved


def bit_at(bits: Words, place: int) -> bool:
    """One bit."""
    return bool((int(bits[place // 64]) >> (place % 64)) & 1)


def _last_two(bits: Words, size: int, before: tuple[bool, bool]) -> tuple[bool, bool]:
    return (bit_at(bits, size - 2) if size > 1 else before[1], bit_at(bits, size - 1))
