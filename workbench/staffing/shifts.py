"""Shifts: the four that orders name, and how a résumé says which of them its worker takes.

A worker's shifts stand in his résumé text only, as words: "Open to 2nd shift (evenings) and weekends. No 3rd shift."
A sentence that refuses a shift names it too, so a search for the words alone is wrong; these functions know.
"""

from __future__ import annotations

import re

SHIFTS = ("1st", "2nd", "3rd", "weekend")

_WORDS = {"1st": "1st shift", "2nd": "2nd shift", "3rd": "3rd shift", "weekend": "weekends"}
_DETAIL = {"1st": " (days)", "2nd": " (evenings)", "3rd": " (nights)", "weekend": " (Sat and Sun)"}
_REFUSAL = r"\b(?:no|not|never|cannot|except)\b[^.;\n]*\b"


def say_shifts(shifts: tuple[str, ...], *, detail: bool = False) -> str:
    """``("1st", "weekend")`` → ``"1st shift and weekends"``; with ``detail`` each is explained in brackets."""
    said = [_WORDS[shift] + (_DETAIL[shift] if detail else "") for shift in shifts]
    return said[0] if len(said) == 1 else ", ".join(said[:-1]) + " and " + said[-1]


def stated_shifts(resume_text: str) -> frozenset[str]:
    """The shifts that a résumé offers; those it refuses are left out."""
    return frozenset(
        shift
        for shift, words in _WORDS.items()
        if re.search(rf"\b{words}\b", resume_text, re.IGNORECASE)
        and not re.search(rf"{_REFUSAL}{words}\b", resume_text, re.IGNORECASE)
    )


def offers_shift_sql(column: str, shift: str) -> str:
    """The same as a DuckDB condition on a text column; raises ``KeyError`` for a shift that is not in ``SHIFTS``."""
    words = _WORDS[shift]
    return rf"(regexp_matches({column}, '(?i)\b{words}\b') AND NOT regexp_matches({column}, '(?i){_REFUSAL}{words}\b'))"
