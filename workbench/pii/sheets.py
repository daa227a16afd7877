"""Social security numbers in the cells of a sheet within a text: bare nine digits, known by the header above them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from workbench.pii.kinds import Kind, Span

_MARKS = ("|", "\t", ";", ",", " / ")
_NINE = re.compile(r"[\"' ]*([0-9]{3}[- ]?[0-9]{2}[- ]?[0-9]{4})[\"' \r]*")
_OUR_HEAD = re.compile(r"(?<![a-z])(?:ssn|ss ?#|social[ _-]?security|soc ?sec|itin|taxpayer[ _-]?id)(?![a-z])")
# Headers that name no number in particular; the sheet then has to be about pay, taxes or birth.
_ANY_HEAD = re.compile(r"(?:id|nr|num|number|no)\.?(?:[ _]?(?:no|number|nr)\.?)?|#")
_TAXES = re.compile(
    r"(?<![a-z0-9])(?:w-?[24]|i-9|109[59]|e-verify|payroll tax|tax(?:es|payer)?|withh[eo]ld\w*|wages|dob"
    r"|date of birth|birth|direct deposit)(?![a-z0-9])"
)
_DIGIT = re.compile("[0-9]")
_NEAR = 3  # lines between what says that it is about taxes and the sheet
_LONGEST = 2_000  # characters of a line of a sheet


@dataclass(slots=True)
class _Sheet:
    """The sheet that is read: what parts its cells, how many there are, which hold the numbers (None: any)."""

    mark: str
    cells: int
    places: frozenset[int] | None


def find_in_sheets(plain: str, low: str) -> Iterator[Span]:
    """Nine digits that fill a cell below a header such as SSN; below "number" where the text is about taxes."""
    if "\n" not in plain or not (_TAXES.search(low) or _OUR_HEAD.search(low)):
        return
    sheet, taxes, start = None, -_NEAR - 1, 0
    for count, line in enumerate(low.split("\n")):
        if _TAXES.search(line):
            taxes = count
        if sheet and line.count(sheet.mark) != sheet.cells - 1:
            sheet = None
        sheet = sheet or _begun(line, about_taxes=count - taxes <= _NEAR)
        if sheet:
            yield from (Span(start + left, start + right, Kind.SSN) for left, right in _in_row(sheet, line))
        start += len(line) + 1


def _begun(line: str, *, about_taxes: bool) -> _Sheet | None:
    """The sheet that begins with this line: with a header, or, about taxes, with its first row."""
    mark = next((each for each in _MARKS if each in line), None)
    if mark is None or len(line) > _LONGEST:
        return None
    cells = [cell.strip(" \"'\r") for cell in line.split(mark)]
    places = frozenset(place for place, cell in enumerate(cells) if _OUR_HEAD.search(cell))
    if about_taxes and not places:
        if _DIGIT.search(line):
            return _Sheet(mark, len(cells), None) if any(map(_NINE.fullmatch, cells)) else None
        places = frozenset(place for place, cell in enumerate(cells) if _ANY_HEAD.fullmatch(cell))
    return _Sheet(mark, len(cells), places)


def _in_row(sheet: _Sheet, line: str) -> Iterator[tuple[int, int]]:
    """Where in the line the cells of the sheet hold nine digits and nothing else."""
    start = 0
    for place, cell in enumerate(line.split(sheet.mark)):
        match = _NINE.fullmatch(cell) if sheet.places is None or place in sheet.places else None
        if match:
            yield start + match.start(1), start + match.end(1)
        start += len(cell) + len(sheet.mark)
