"""A text and what was replaced in it, so that a place in the new text leads back to the place in the old one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """Characters ``start`` to ``end`` of the old text become ``text``."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Edited:
    """The new text, and the edits (in order, apart from each other) that made it from the old one."""

    text: str
    edits: tuple[Edit, ...] = ()

    @classmethod
    def of(cls, typed: str, edits: Iterable[Edit]) -> Edited:
        """``typed`` with these edits made."""
        ordered = tuple(sorted(edits, key=lambda edit: (edit.start, edit.end)))
        pieces, done = [], 0
        for edit in ordered:
            pieces += [typed[done : edit.start], edit.text]
            done = edit.end
        return cls("".join([*pieces, typed[done:]]), ordered)

    def origin(self, offset: int) -> int:
        """Place in the old text of a place in the new one; what was put in lies where it was put."""
        shift = 0
        for edit in self.edits:
            begins = edit.start + shift
            if offset < begins:
                break
            if offset < begins + len(edit.text):
                return edit.start
            shift += len(edit.text) - (edit.end - edit.start)
        return offset - shift
