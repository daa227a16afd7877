"""Role texts brought to occupations: the operator's synonym, the exact title, the nearest title, or unknown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidError
from workbench.trades.dictionary import Dictionary, Occupation
from workbench.trades.overlap import WordOverlap
from workbench.trades.scan import TitleScan
from workbench.trades.synonyms import Synonym, shorthand
from workbench.trades.typos import TitleWords
from workbench.trades.wording import fold, joined, names_no_trade, parts, sorted_words, spellings

How = Literal["synonym", "exact", "near", "unknown"]
Grade = Literal["same", "family", "other", "off"]
"""Of two roles: they may be one occupation · one broad group · neither · the gate is off, as one of them is unknown."""

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to vectors (n, d), float32 unit rows, by the model that embedded the titles."""

# Nearness of a title: the mean of cosine and word overlap. Measured on 65 role phrases of staffing orders, of which ten
# are no titles (one is led to a wrong trade, "yard jockey"), and 40 phrases that are no roles (five pass: "banana").
_NEAR = 0.65
# An occupation's score is the mean of its nearest title and of its five nearest. Held-out titles: right occupation
# first for 46 of 100 instead of 39 by the nearest title alone.
_BEST = 5
_CANDIDATES = 12
_NEAR_RIVAL = 0.06
_EXACT_RIVAL = 0.12
# "Picker" is an orchard's, a warehouse's (0.21 behind the first) and, 0.28 behind, a logger's.
_FAR_BEHIND = 0.25
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Ranked:
    """An occupation that a role text may mean; ``score`` 0 … 1 is how well it fits, 1 when it is the only one."""

    occupation: Occupation
    score: float


@dataclass(frozen=True, slots=True)
class RoleMatch:
    """What a role text means.

    ``ranked``: the occupations it may mean, the likeliest first; empty when ``how`` is "unknown". ``title``: the title
    or phrase that was recognised. ``ambiguous``: the second fits about as well as the first. ``note`` says so in words.
    """

    text: str
    how: How
    title: str = ""
    ranked: tuple[Ranked, ...] = ()
    ambiguous: bool = False
    note: str = ""

    @property
    def occupation(self) -> Occupation | None:
        """The likeliest occupation; None when unknown."""
        return self.ranked[0].occupation if self.ranked else None

    @property
    def meant(self) -> tuple[Occupation, ...]:
        """The occupations that count: when it is ambiguous all that are not far behind, else the likeliest alone."""
        counted = self.ranked if self.ambiguous else self.ranked[:1]
        return tuple(r.occupation for r in counted if r.score >= self.ranked[0].score - _FAR_BEHIND)

    @property
    def says(self) -> str:
        """For the reasons of a hit: "tow motor operator = Industrial Truck and Tractor Operators (O*NET 53-7051)"."""
        if self.occupation is None:
            return f"{self.text} = no known occupation"
        named = f"{self.occupation.title} (O*NET {self.occupation.short})"
        if self.ambiguous:
            return f"{self.text} = one of {len(self.ranked)} occupations, such as {named}"
        return f"{self.text} = {named}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        ranked = [r.occupation.to_dict() | {"score": round(r.score, 3)} for r in self.ranked]
        return {"text": self.text, "how": self.how, "title": self.title, "ambiguous": self.ambiguous,
                "occupations": ranked, "note": self.note, "says": self.says}  # fmt: skip


def grade(one: RoleMatch, other: RoleMatch) -> Grade:
    """How near two roles are as trades. An ambiguous role is each of its occupations: one in common is enough."""
    if not one.ranked or not other.ranked:
        return "off"
    if set(one.meant) & set(other.meant):
        return "same"
    return "family" if {o.family for o in one.meant} & {o.family for o in other.meant} else "other"


class TitleIndex:
    """Exact lookup of titles, whatever their case, number, punctuation, spaces and order of words."""

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary

    def find(self, forms: Sequence[str]) -> tuple[int, ...]:
        """Numbers of the titles that one of these folded ``forms`` is, ascending; empty when none is."""
        for table, key in ((self._exact, str), (self._sorted, sorted_words), (self._joined, joined)):
            if found := {number for form in forms for number in table.get(key(form), ())}:
                return tuple(sorted(found))
        return ()

    def owners(self, titles: Sequence[int]) -> tuple[int, ...]:
        """Numbers of the occupations that have one of these titles, ascending."""
        return tuple(sorted({owner for title in titles for owner in self.dictionary.owners[title]}))

    def occupations(self, text: str) -> tuple[int, ...]:
        """Numbers of the occupations of the title ``text``, by its safest spelling; empty when it is no title."""
        return next((self.owners(titles) for forms in spellings(text) if (titles := self.find(forms))), ())

    @cached_property
    def folded(self) -> tuple[str, ...]:
        """Each title of the dictionary, folded; 0.1 s of CPU time when first asked for."""
        return tuple(map(fold, self.dictionary.titles))

    @cached_property
    def shorthand(self) -> Mapping[str, Synonym]:
        """The shipped short words of staffing, by their folded phrase."""
        return shorthand(self.dictionary, self.occupations)

    @cached_property
    def words(self) -> TitleWords:
        """The words of the titles, against typing errors."""
        return TitleWords(self.folded)

    @cached_property
    def overlap(self) -> WordOverlap:
        """The words that a text shares with each title."""
        return WordOverlap(self.folded)

    @cached_property
    def _exact(self) -> dict[str, list[int]]:
        out: dict[str, list[int]] = {}
        for number, (title, folded) in enumerate(zip(self.dictionary.titles, self.folded, strict=True)):
            for form in {fold(part) for part in parts(title)} if "(" in title else (folded,):
                out.setdefault(form, []).append(number)
        return out

    @cached_property
    def _sorted(self) -> dict[str, list[int]]:
        return _regrouped(self._exact, sorted_words)

    @cached_property
    def _joined(self) -> dict[str, list[int]]:
        return _regrouped(self._exact, joined)


@cache
def shipped_titles() -> TitleIndex:
    """The titles of the shipped dictionary: one index for all that a process opens, as it takes 0.5 s of CPU time."""
    return TitleIndex(Dictionary.load())


class Roles:
    """Brings role texts to occupations. Answers are remembered; safe for threads.

    ``scan`` holds the vectors of the titles, ``embed`` is the model that made them; ``synonyms`` (by folded phrase)
    come from ``read_synonyms``. Only words are looked at: nothing about a person is inferred.
    """

    def __init__(
        self, titles: TitleIndex, scan: TitleScan, embed: Embed, synonyms: Mapping[str, Synonym] | None = None
    ) -> None:
        self._titles, self._scan, self._embed = titles, scan, embed
        self._dictionary = scan.dictionary
        self._synonyms = synonyms or {}
        self._known: dict[str, RoleMatch] = {}

    def of(self, text: str) -> RoleMatch:
        """What ``text`` ("hi-lo driver") means; about 3 ms when it is new and no exact title, then nothing."""
        found = self._known.get(text)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[text] = self._match(text.strip())
        return found

    def named(self, text: str) -> RoleMatch | None:
        """What ``text`` means when it is a title, a synonym or short for one; None when it could only be guessed."""
        known = self._known.get(text) or self._named(text.strip())
        if known is None or known.how not in {"synonym", "exact"}:
            return None
        return self._known.setdefault(text, known)

    def gate(self, query_role: str, role: str) -> Grade:
        """``grade`` of two role texts."""
        return grade(self.of(query_role), self.of(role))

    def _match(self, text: str) -> RoleMatch:
        if not fold(text):
            return RoleMatch(text, "unknown", note="There is no word in it.")
        return self._named(text) or self._misspelt(text) or self._near(text)

    def _named(self, text: str) -> RoleMatch | None:
        if synonym := self._synonyms.get(fold(text)):
            note = f"Your synonyms say: {synonym.phrase} = {synonym.means}."
            return self._shared(text, "synonym", synonym.phrase, synonym.occupations, note)
        return self._titled(text, text, "exact", "")

    def _titled(self, text: str, read: str, how: How, note: str) -> RoleMatch | None:
        """``text``, read as ``read``, when that is a title or short for one."""
        for forms in spellings(read):
            if titles := self._titles.find(forms):
                title = self._dictionary.titles[titles[0]]
                return self._shared(text, how, title, self._titles.owners(titles), note)
            known = self._titles.shorthand
            if short := next((known[form] for form in forms if form in known), None):
                said = f"{note} Short for it in staffing.".strip()
                return self._shared(text, how, short.phrase, short.occupations, said)
        return None

    def _misspelt(self, text: str) -> RoleMatch | None:
        """Only a reading that is a title counts: a role is not guessed from single words."""
        for read in self._titles.words.readings(fold(text)):
            if found := self._titled(text, read, "near", f"Read as {read!r}."):
                return found
        return None

    def _shared(self, text: str, how: How, title: str, occupations: tuple[int, ...], note: str) -> RoleMatch:
        if len(occupations) == 1:
            only = Ranked(self._dictionary.occupations[occupations[0]], 1.0)
            return RoleMatch(text, how, title, (only,), note=note)
        pairs = self._pairs(title)
        if pairs is None:  # a title in which the model finds nothing: the dictionary's order must do
            ranked = tuple(Ranked(self._dictionary.occupations[number], 1.0) for number in occupations)
        else:
            ranked = self._ranked(occupations, pairs)
        ambiguous = ranked[0].score - ranked[1].score <= _EXACT_RIVAL
        rest = "." if ambiguous else "; the first is much the likeliest."
        said = f"{len(ranked)} occupations share this title{rest}"
        return RoleMatch(text, how, title, ranked, ambiguous, " ".join(part for part in (note, said) if part))

    def _near(self, text: str) -> RoleMatch:
        if names_no_trade(fold(text)):
            return RoleMatch(text, "unknown", note="It says when or how, not what work.")
        pairs = self._pairs(text)
        if pairs is None:
            return RoleMatch(text, "unknown", note="The model knows no word of it.")
        best = int(pairs.argmax())
        title, nearness = self._dictionary.titles[self._dictionary.pair_titles[best]], float(pairs[best])
        if nearness < _NEAR:
            return RoleMatch(text, "unknown", note=f"The nearest title, {title!r}, is too far ({nearness:.2f}).")
        highest = np.maximum.reduceat(pairs, self._dictionary.starts[:-1])
        candidates = np.argsort(-highest, kind="stable")[:_CANDIDATES].tolist()
        ranked = self._ranked(candidates, pairs)
        ranked = tuple(r for r in ranked if r.score >= ranked[0].score - _NEAR_RIVAL)
        rivals = f"; {len(ranked)} occupations fit about as well" if len(ranked) > 1 else ""
        note = f"No title of that name; the nearest is {title!r} ({nearness:.2f}){rivals}."
        return RoleMatch(text, "near", title, ranked, len(ranked) > 1, note)

    def _ranked(self, occupations: Sequence[int], pairs: NDArray[np.float32]) -> tuple[Ranked, ...]:
        starts = self._dictionary.starts
        scored = []
        for number in occupations:
            nearest = np.sort(pairs[starts[number] : starts[number + 1]])[-_BEST:].astype(np.float64)
            scored.append((float(nearest[-1] + nearest.mean()) / 2, number))
        scored.sort(key=lambda entry: (-entry[0], entry[1]))
        return tuple(Ranked(self._dictionary.occupations[number], min(score, 1.0)) for score, number in scored)

    def _pairs(self, text: str) -> NDArray[np.float32] | None:
        """Nearness of ``text`` to every pair of the dictionary; None when the model finds nothing in it."""
        try:
            vector = self._embed([text])[0]
        except InvalidError:
            return None
        words = self._titles.overlap.similarities(fold(text))[self._dictionary.pair_titles]
        nearness: NDArray[np.float32] = (self._scan.pairs(vector) + words) / np.float32(2)
        return nearness


def _regrouped(table: Mapping[str, list[int]], key: Callable[[str], str]) -> dict[str, list[int]]:
    out: dict[str, list[int]] = {}
    for form, numbers in table.items():
        out.setdefault(key(form), []).extend(numbers)
    return out
