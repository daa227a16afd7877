"""Mentions: what stands where in an order's text, before it is decided which order it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

COVER = "\ue000"
"""Stands for a character that was understood already: no letter, no space, no punctuation."""


@dataclass(frozen=True, slots=True)
class Mention:
    """Something a text says: its ``kind``, its ``value``, the characters [start, end), how ``sure`` (0 … 1), and
    ``rank``: among mentions of one kind the highest decides.
    """

    kind: str
    value: Any
    start: int
    end: int
    sure: float = 1.0
    rank: int = 0


def cover(text: str, mentions: Iterable[Mention]) -> str:
    """The text with the characters of these mentions covered, so that nothing is read twice; as long as before."""
    chars = list(text)
    for mention in mentions:
        chars[mention.start : mention.end] = [
            char if char == "\n" else COVER for char in chars[mention.start : mention.end]
        ]
    return "".join(chars)
