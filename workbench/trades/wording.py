"""How people write a job title, and how two ways of writing the same one are recognised."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_BETWEEN_WORDS = re.compile(r"[^\w+#]+|_+")
_OWNER = re.compile(r"['’`]s\b")
_ASIDE = re.compile(r"\s*[(\[{][^)\]}]*[)\]}]?\s*")
_SHORT = {
    "admin": "administrative",
    "assoc": "associate",
    "asst": "assistant",
    "dev": "developer",
    "eng": "engineer",
    "maint": "maintenance",
    "mech": "mechanic",
    "mfg": "manufacturing",
    "mgr": "manager",
    "op": "operator",
    "opr": "operator",
    "rep": "representative",
    "supv": "supervisor",
    "tech": "technician",
    "whse": "warehouse",
}
# Words at either end of a title that say level, shift or terms of work, not trade.
_AROUND = frozenset({
    "i", "ii", "iii", "iv", "v", "1", "2", "3", "4", "1st", "2nd", "3rd", "first", "second", "third", "level",
    "entry", "senior", "sr", "junior", "jr", "lead", "experienced", "trainee", "night", "day", "evening",
    "overnight", "weekend", "shift", "part", "full", "time", "temp", "temporary", "seasonal", "only", "am", "pm",
})  # fmt: skip
# Of who drives a machine, titles say one or the other.
_DRIVERS = ("operator", "driver")
# What a title that names only the machine or the place leaves out.
_LEFT_OUT = ("operator", "driver", "worker", "technician")


def fold(text: str) -> str:
    """Words of ``text`` in small letters and in the singular, one space between; "" for a text without words.

    "Hi-Lo Drivers" and "hi lo driver" fold to the same. ``+`` and ``#`` stay ("C++", "C#").
    """
    plain = (text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold()
    if not plain.replace(" ", "").isalnum():  # most titles are only words: 43,892 of them are folded at the first role
        plain = _BETWEEN_WORDS.sub(" ", _OWNER.sub("", plain))
    return " ".join(map(_singular, plain.split()))


def sorted_words(folded: str) -> str:
    """The same words in one order for all orders: "driver, forklift" is "forklift driver"."""
    return " ".join(sorted(folded.split()))


def joined(folded: str) -> str:
    """Without the spaces: "fork lift", "forklift"."""
    return folded.replace(" ", "")


def parts(title: str) -> Iterator[str]:
    """What a dictionary title names: itself; for "CAT Driver (Caterpillar Driver)" also both of its forms."""
    yield title
    if "(" in title:
        outside, _, inside = title.partition("(")
        yield outside
        yield inside.removesuffix(")")


def spellings(text: str) -> Iterator[tuple[str, ...]]:
    """Folded forms under which the title that ``text`` means may stand, in tiers, the safest first.

    As written · without level, shift and asides · short words in full · "driver" for "operator" · with the word that a
    bare machine or place leaves out ("tow motor"). May repeat; empty for a text without words.
    """
    whole = fold(text)
    if not whole:
        return
    bare = _trade_words(fold(_ASIDE.sub(" ", text))) or whole
    long = _in_full(bare)
    yield (whole,)
    yield (bare,)
    yield (_in_full(whole), long)
    rest, _, last = long.rpartition(" ")
    if last not in _LEFT_OUT:
        yield tuple(f"{long} {word}" for word in _LEFT_OUT)
    elif rest and last in _DRIVERS:
        yield tuple(f"{rest} {other}" for other in _DRIVERS if other != last)


def names_no_trade(folded: str) -> bool:
    """Whether only level, shift or terms of work are said: "night shift"."""
    return _AROUND.issuperset(folded.split())


def _trade_words(folded: str) -> str:
    words = folded.split()
    while len(words) > 1 and words[-1] in _AROUND:
        words.pop()
    while len(words) > 1 and words[0] in _AROUND:
        words.pop(0)
    return " ".join(words)


def _in_full(folded: str) -> str:
    return " ".join(_SHORT.get(word, word) for word in folded.split())


@lru_cache(maxsize=32_768)
def _singular(word: str) -> str:
    if word[-1:] != "s" or len(word) < 4:
        return "op" if word == "ops" else word
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    return word if word[-2] in "sui" else word[:-1]
