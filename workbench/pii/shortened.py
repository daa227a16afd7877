"""Names of known people given in part: "Jane D.", "J. Doe", and a first or last name alone where a person is meant.

A name alone is a word of the language as often as not (Will, May, Mark, Rose), so it counts only where the words before
it ask for a person: a greeting, a title, a verb of calling or telling, or the line below "Thanks,". For such a word a
verb is not enough unless it has a capital ("ask will they come").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from workbench.pii.hashes import Hashes, in_order

# First and last names that are words as well; what stands in another text behind "call" or "ask".
ORDINARY = frozenset(
    """
    will may mark rose grace hope faith joy dawn april june august art bill pat chase grant hunter mason cook
    baker porter carpenter driver long young day days price banks bank park parks reed cole green brown white
    black gray grey king bishop page rich drew frank jack ray sunny summer autumn winter violet daisy lily ivy
    holly ginger ruby pearl crystal jade amber miles lane dale glen cliff rocky rusty sandy dusty buck guy gene
    norm stone wood woods hill field rivers lake brooks law bush ford marsh moss snow frost love best savage
    small short strong wise power case chance cash victor rush miller taylor smith fisher weaver potter butler
    carter cooper farmer gardener turner walker singer shepherd palmer brewer bell ball barber beach bird blue
    boss bond booth box branch brick bridge burns bright church close coffee cross dean early east west north
    south english french german fair fields flowers fox gates gold good hall hand hardy hart head heart home
    house hood hurt just keys kind knight lamb land last left light little lord low lucky major mercy merry
    mills money moody moon noble nice paige penny person piper poor pope post powers prince pride quick race
    rain read roads rock root sage sales salt sands savvy self sharp shell silver singh skye sky smart son
    spring star steel sterling story street swift sweet temple trinity trip true tucker wade wagner ward ware
    waters way wells wheeler winner wolf worth wren
    """.split()  # noqa: SIM905
)
# Too short or too common to be anybody alone: they count with the word beside them ("Mr. van der Berg").
_PARTICLES = frozenset(
    """
    van von der den de del della di da do dos das du el la le al an as at be bin ben is it in on or so to no my me the
    """.split()  # noqa: SIM905
)
_LETTER = r"[^\W\d_]"
_O = rf"(?:{_LETTER}['’])?"  # the O of O'Neil
_WORD = re.compile(rf"{_LETTER}+")
_WORD_AFTER = re.compile(rf"[ \u00a0-]({_LETTER}+)")
_WORD_BEFORE = re.compile(rf"({_LETTER}{{2,30}})[ \u00a0-]\Z")
_INITIAL_AFTER = re.compile(rf"[ \u00a0]({_LETTER})(\.|(?![^\W_]|['’]))")
_INITIAL_BEFORE = re.compile(rf"(?<![^\W_])({_LETTER})\.[ \u00a0]?{_O}\Z")
_CUE = re.compile(
    r"(?<![^\W_])(?:"
    r"(?P<title>(?:mr|mrs|ms|miss|mx|dr|prof|nurse|señora?|sra?|srta)\.?[ \u00a0])"
    r"|(?P<greeting>(?:hi|hello|hey|dear|hola|good (?:morning|afternoon|evening))(?: there)?,?[ \u00a0])"
    r"|(?P<closing>(?:thanks|thank you|thx|cheers|regards|best|sincerely|gracias)[,.!]?"
    r"(?:[ \u00a0]|[ \t]{0,4}\r?\n\s{0,4}))"
    r"|(?P<pronoun>(?:i|we|he|she) (?:just )?(?:called|texted|asked|told|emailed)[ \u00a0])"
    r"|(?P<verb>(?:call(?:ed|ing)?|ask(?:ed|ing)?|tell|told|text(?:ed)?|e-?mail(?:ed)?|remind(?:ed)?|contact(?:ed)?"
    r"|(?:sp[eo]a?ke?|talk(?:ed)?|met) (?:to|with)|hear(?:d)? from|waiting (?:for|on)|message from|let)[ \u00a0])"
    rf"){_O}\Z",
    re.IGNORECASE,
)
_O_BEFORE = re.compile(rf"(?<![^\W_]){_LETTER}['’]\Z")
_ENDS = re.compile(r"[ \t]*(?:[\n\r.,;:!?)\-–—]|\Z)")
_REACH = 36  # characters before a name in which its cue stands


class Shortened:
    """The pieces of known names and how they go together; holds hashes."""

    def __init__(self) -> None:
        self._initials = Hashes()
        self._pairs = Hashes()

    def add(self, words: Sequence[str]) -> None:
        """One name, first name first, its words folded, single letters among them."""
        first, rest = words[0], words[1:]
        for word in words[:-1]:
            self._initials.add(_together(word, words[-1][0]))
            self._initials.add(_together(word, rest[0][0]))
        for word in rest:
            self._initials.add(_together(first[0], "", word))
        for pair in zip(words, rest, strict=False) if len(words) > 2 else ():
            self._pairs.add(_together(*pair))

    def add_hashes(self, initials: NDArray[np.int64], pairs: NDArray[np.int64]) -> None:
        """The same of many names, as `gather.names_of` makes them."""
        self._initials.extend(initials)
        self._pairs.extend(pairs)

    def settle(self) -> None:
        """From now on what was added is found."""
        self._initials.settle()
        self._pairs.settle()

    def find(self, text: str, start: int, end: int, fold: Callable[[str], str]) -> tuple[int, int] | None:
        """Where the name in part stands to which the known word from ``start`` to ``end`` of the text belongs."""
        word = fold(text[start:end])
        if after := self._with_initial(text, word, start, end):
            return self._left(text, word, start, fold), after
        left, right = self._left(text, word, start, fold), self._right(text, word, end, fold)
        before, leading = _INITIAL_BEFORE.search(text, max(left - 6, 0), left), _WORD.match(text, left)
        if before and leading and _together(fold(before[1]), "", fold(leading[0])) in self._initials:
            return before.start(), right
        if word in _PARTICLES and (left, right) == (start, end):
            return None
        if not _is_meant(text, left, right, word):
            return None
        lead = _O_BEFORE.search(text, max(left - 2, 0), left)
        return lead.start() if lead else left, right

    def _with_initial(self, text: str, word: str, start: int, end: int) -> int | None:
        found = _INITIAL_AFTER.match(text, end)
        if not found or _together(word, found[1].lower()) not in self._initials:
            return None
        if found[2]:
            return found.end() - 1
        sure = word not in ORDINARY and word not in _PARTICLES and text[start].isupper() and found[1].isupper()
        return found.end() if sure else None

    def _right(self, text: str, word: str, end: int, fold: Callable[[str], str]) -> int:
        while self._pairs and (found := _WORD_AFTER.match(text, end)):
            beside = fold(found[1])
            if _together(word, beside) not in self._pairs:
                break
            word, end = beside, found.end()
        return end

    def _left(self, text: str, word: str, start: int, fold: Callable[[str], str]) -> int:
        while self._pairs and (found := _WORD_BEFORE.search(text, max(start - 31, 0), start)):
            beside = fold(found[1])
            if _together(beside, word) not in self._pairs:
                break
            word, start = beside, found.start()
        return start


def _together(*words: str) -> int:
    return in_order(map(hash, words))


def _is_meant(text: str, start: int, end: int, word: str) -> bool:
    """Whether the words before say that this is a person."""
    cue = _CUE.search(text, max(start - _REACH, 0), start)
    if not cue:
        return False
    if word not in ORDINARY or cue["greeting"] or cue["pronoun"]:
        return True
    if cue["closing"]:
        return bool(_ENDS.match(text, end))
    return text[start].isupper() or bool(cue["title"] and not cue["title"].lower().startswith(("nurse", "s", "dr")))
