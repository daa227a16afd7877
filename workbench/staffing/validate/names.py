"""People's names: when two spellings are one."""

from __future__ import annotations

import re
import unicodedata

_SHORT = re.compile(r"(\S+) (\w)\.?")


def fold_name(name: str) -> str:
    """A name without case, accents, dots, apostrophes and hyphens: "José O'Neil-Díaz" → "jose oneil diaz"."""
    low = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)).casefold()
    return " ".join(re.sub(r"['’ʼ.]", "", low).replace("-", " ").split())


def same_name(one: str, other: str) -> bool:
    """The same but for case, accents and marks; "Diaz, Ana" is "Ana Diaz"."""
    return one == other or _turned(one) == _turned(other)


def is_called(name: str, said: str) -> bool:
    """Whether a full name is the one said, in full or as first name and initial: "Mike R."."""
    if same_name(name, said):
        return True
    short = _SHORT.fullmatch(fold_name(said))
    parts = fold_name(name).split()
    return bool(short and len(short[2]) == 1 and len(parts) > 1 and parts[0] == short[1] and parts[-1][0] == short[2])


def _turned(name: str) -> str:
    last, comma, first = name.partition(",")
    return fold_name(f"{first} {last}" if comma and first.strip() else name)
