"""Vocabulary: the words that a corpus, its role texts, the trade dictionary and English know, and which of them a word
that none of them knows may have meant.

Three sources, from the weightiest: the distinct role texts of the dataset, the dictionary's titles, the terms of the
corpus. English only says what is no error. Everything is made when first asked for.
"""

from __future__ import annotations

import gzip
import math
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Literal

from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from workbench.search.lexical.words import fold, stem

Why = Literal["typo", "short for", "initials"]
Terms = Callable[[], Iterable[tuple[str, int]]]
"""Gives the terms of a corpus, as ``words.stem`` makes them, and how many texts have each."""

_WORD = re.compile(r"[a-z]+|\n")
_LINKS = frozenset({"and", "of", "the", "for", "in", "or", "a"})
_RUN = 3  # words whose initials are known
# How much a target counts. Set on the tuning half of the labelled queries; the order matters, the size hardly.
_ROLE, _PER_DECADE = 0.5, 0.1
_PAIR_OF_ROLES, _PAIR_OF_TITLES, _PAIR_PER_DECADE = 1.2, 0.7, 0.1
_ONE_OFF, _TWO_OFF, _OTHER_FIRST, _SWAPPED_IN = 1.1, 0.42, 0.5, 0.15
_LONG, _LONG_BONUS = 9, 0.2
_LONGEST_SHORT, _LONGEST_WORD = 12, 30  # letters
_MOST = 8  # readings of one word


@dataclass(frozen=True, slots=True)
class Reading:
    """What a word may mean: ``words`` (one, or several for initials), how well that fits by itself, and why."""

    words: tuple[str, ...]
    fit: float
    why: Why

    @property
    def text(self) -> str:
        """The words with a space between."""
        return " ".join(self.words)


class Phrases:
    """Words of ``texts`` (role texts or titles), how often each stands there, and which stand next to each other."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    @cached_property
    def words(self) -> Counter[str]:
        """How often each folded word stands in the texts."""
        return Counter(word for word in self._flat if word != "\n")

    @cached_property
    def stems(self) -> frozenset[str]:
        """The terms of ``words``."""
        return frozenset(map(stem, self.words))

    @cached_property
    def pairs(self) -> Counter[tuple[str, str]]:
        """How often two terms stand next to each other; words such as "and" are passed over."""
        return Counter(pair for pair in pairwise(self._terms) if "\n" not in pair)

    @cached_property
    def by_initials(self) -> Mapping[str, Counter[tuple[str, ...]]]:
        """Runs of two or three words by their first letters, and how often each run stands there."""
        found: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
        for text in self._texts:
            words = [word for word in _WORD.findall(fold(text)) if word not in _LINKS]
            for length in range(2, _RUN + 1):
                for start in range(len(words) - length + 1):
                    run = tuple(words[start : start + length])
                    found["".join(word[0] for word in run)][run] += 1
        return found

    @cached_property
    def _terms(self) -> list[str]:
        terms = {word: stem(word) for word in self.words}
        return [terms.get(word, word) for word in self._flat if word not in _LINKS]

    @property
    def _flat(self) -> list[str]:
        return _WORD.findall(fold("\n".join(self._texts)))


class Titles(Phrases):
    """The titles of the trade dictionary; see `titles_of`."""

    def beside(self, letters: str, neighbour: str, *, before: bool) -> list[tuple[str, str]]:
        """Pairs of terms with the first letters ``letters`` (two) that titles have before, or after, ``neighbour``; the
        commonest first.
        """
        terms, found = self._terms, Counter[tuple[str, str]]()
        for place in self._places.get(stem(neighbour), ()):
            start = place - 2 if before else place + 1
            if start >= 0 and "".join(term[0] for term in terms[start : start + 2]) == letters:
                found[terms[start], terms[start + 1]] += 1
        return [pair for pair, _ in found.most_common()]

    @cached_property
    def _places(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for place, term in enumerate(self._terms):
            found[term].append(place)
        return found


@lru_cache(maxsize=1)
def titles_of(titles: tuple[str, ...]) -> Titles:
    """``titles`` as a vocabulary, made once for all that a process opens: it takes 0.2 s of CPU time."""
    return Titles(titles)


class Vocabulary:
    """What is known about words, for one corpus. ``terms`` is called once, when first needed; ``roles`` are its role
    texts, ``titles`` the dictionary's.
    """

    def __init__(self, terms: Terms, roles: Sequence[str], titles: Titles) -> None:
        self._terms = terms
        self.roles, self.titles = Phrases(roles), titles

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many texts of the corpus have each term."""
        return dict(self._terms())

    def knows(self, word: str) -> bool:
        """Whether the corpus or a role has the folded ``word``, in any of its forms, or more than one title."""
        # One title of 43,892 may have anything in it: "op", "pharm".
        return self.says(word) or self._titled(word, stem(word))

    def says(self, word: str) -> bool:
        """Whether the corpus itself or a role has the folded ``word``."""
        term = stem(word)
        return term in self.counts or term in self.roles.stems

    def is_english(self, word: str) -> bool:
        """Whether the folded ``word`` is a word of English, though nobody here uses it."""
        return stem(word) in english()

    def together(self, left: str, right: str) -> float:
        """How much it says that two words stand next to each other."""
        pair = (stem(left), stem(right))
        if pair in self.roles.pairs:
            return _PAIR_OF_ROLES
        count = self.titles.pairs.get(pair, 0)
        return _PAIR_OF_TITLES + _PAIR_PER_DECADE * math.log10(count) if count else 0.0

    def meant(self, word: str) -> list[Reading]:
        """Known words that differ from the folded ``word`` by typing errors, the likeliest first."""
        if len(word) > _LONGEST_WORD:
            return []
        most = 2 if len(word) >= 6 else 1
        near = extract(word, self._by_letter.get(word[0], ()), scorer=OSA.distance, score_cutoff=most, limit=None)
        found = [self._typo(word, target, distance) for target, distance, _ in near if stem(target) != stem(word)]
        if not found and len(word) >= 5:
            others = extract(word, self._long, scorer=OSA.distance, score_cutoff=1, limit=None)
            found = [self._typo(word, target, distance) for target, distance, _ in others]
        return sorted(found, key=_best)[:_MOST]

    def short(self, word: str, *, dotted: bool) -> list[Reading]:
        """Known words that the folded ``word`` may be short for, the likeliest first."""
        found = [self._shortened(word, target, dotted=dotted) for target in self._holding(word)]
        return sorted((reading for reading in found if reading.fit > -1.0), key=_best)[:_MOST]

    def usual(self, word: str) -> list[Reading]:
        """What ``word`` as typed stands for in staffing notes; the first is the likeliest unless the words beside it
        say otherwise.
        """
        means = usual_short_words().get(word, ())
        return [Reading(tuple(one.split()), 1.4 - 0.3 * place, "short for") for place, one in enumerate(means)]

    def initials(self, letters: str, before: Iterable[str] = (), after: Iterable[str] = ()) -> list[Reading]:
        """Neighbouring words that begin with ``letters``: of role texts, or of titles where they stand next to one of
        the words ``before`` or ``after``; the likeliest first.
        """
        runs = [*self.roles.by_initials.get(letters, ())]
        pairs = [pair for word in after for pair in self.titles.beside(letters, word, before=True)[:_MOST]]
        pairs += [pair for word in before for pair in self.titles.beside(letters, word, before=False)[:_MOST]]
        found = {run: Reading(run, 0.4, "initials") for run in runs}
        for left, right in pairs:
            words = (self._written(left), self._written(right))
            found.setdefault(words, Reading(words, 0.1 * self.together(left, right), "initials"))
        return sorted(found.values(), key=_best)[:_MOST]

    def weight(self, word: str) -> float:
        """How likely a folded known word is to be meant."""
        own = _ROLE if word in self.roles.words else 0.0
        return own + _PER_DECADE * (
            math.log10(1 + self.titles.words.get(word, 0)) + math.log10(1 + self.counts.get(stem(word), 0))
        )

    def _titled(self, word: str, term: str) -> bool:
        count = self.titles.words.get(word, 0)
        return count > 1 or (count == 1 and len(word) > 5) or (not count and term in self.titles.stems)

    def _written(self, term: str) -> str:
        """A word for a term that stands for several forms."""
        return self._forms.get(term, term)

    @cached_property
    def _forms(self) -> dict[str, str]:
        common = sorted(self.titles.words.items(), key=lambda item: item[1])
        return {stem(word): word for word, _ in common}

    @cached_property
    def _by_letter(self) -> Mapping[str, list[str]]:
        known = {word for word, count in self.titles.words.items() if len(word) > 2 and (count > 1 or len(word) > 5)}
        known |= {word for word in self.roles.words if len(word) > 2}
        stems = self.titles.stems
        # A term that no title has: a name, a tool, a product. One that few texts have may be an error of theirs.
        rare = max(1, max(self.counts.values(), default=0) // 10_000)
        known |= {
            term
            for term, count in self.counts.items()
            if count >= rare and len(term) > 2 and term.isalpha() and term.isascii() and term not in stems
        }
        found: dict[str, list[str]] = defaultdict(list)
        for word in sorted(known):
            found[word[0]].append(word)
        return found

    @cached_property
    def _long(self) -> list[str]:
        return [word for words in self._by_letter.values() for word in words if len(word) > 4]

    @cached_property
    def _lines(self) -> Mapping[str, str]:
        return {letter: "\n".join(words) for letter, words in self._by_letter.items()}

    def _holding(self, word: str) -> Iterator[str]:
        """Known longer words that begin as ``word`` does and have all its letters in order."""
        if len(word) > _LONGEST_SHORT or not word.isascii():
            return
        rest = "".join(f"[^{letter}\n]*{letter}" for letter in word[1:] if letter.isalpha())
        pattern = re.compile(f"^{word[0]}{rest}.*$", re.MULTILINE)  # nothing in it is tried twice
        for match in pattern.finditer(self._lines.get(word[0], "")):
            if len(match.group()) > len(word):
                yield match.group()

    def _typo(self, word: str, target: str, distance: float) -> Reading:
        fit = _ONE_OFF if distance <= 1 else _TWO_OFF
        fit += _LONG_BONUS if len(word) >= _LONG else 0.0
        fit -= {3: 1.8, 4: 0.5, 5: 0.2}.get(len(word), 0.0)
        fit -= 0.0 if target[0] == word[0] else _OTHER_FIRST
        # A letter lost, doubled or out of its place is likelier than another one typed.
        fit -= _SWAPPED_IN if len(target) == len(word) and sorted(target) != sorted(word) else 0.0
        return Reading((target,), fit + self.weight(target), "typo")

    def _shortened(self, word: str, target: str, *, dotted: bool) -> Reading:
        fit = 0.4 if dotted else 0.0
        if target.startswith(word):
            fit += 0.1 * min(len(word), 6)
        else:
            share = len(_skeleton(word)) / len(_skeleton(target))
            fit += 0.3 + 0.5 * min(share, 1.0) if word[-1] == target[-1] else 0.35 * share
            fit -= 0.45 * sum(letter in "aeiou" for letter in word[1:])
        fit -= 0.9 if len(word) == 2 else 0.0
        return Reading((target,), fit + self.weight(target), "short for")


@lru_cache(1)
def english() -> frozenset[str]:
    """Terms of common English words; see the note in the file for source and terms of use."""
    packed = (files("workbench.search") / "data" / "english.gz").read_bytes()
    return frozenset(line for line in gzip.decompress(packed).decode("ascii").split("\n") if line[:1] != "#")


@lru_cache(1)
def usual_short_words() -> Mapping[str, tuple[str, ...]]:
    """Short forms of staffing notes; those in capitals count only in capitals."""
    text = (files("workbench.search") / "data" / "short_words.toml").read_text("utf-8")
    return {short: tuple(means) for short, means in tomllib.loads(text).items()}


@lru_cache(1)
def words_meant() -> frozenset[str]:
    """The words that usual short forms stand for; they are read as they are, whoever knows them."""
    return frozenset(word for means in usual_short_words().values() for one in means for word in one.split())


def _best(reading: Reading) -> tuple[float, tuple[str, ...]]:
    return -reading.fit, reading.words


def _skeleton(word: str) -> str:
    return word[:1] + "".join(letter for letter in word[1:] if letter not in "aeiou")
