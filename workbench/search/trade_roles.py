"""The trade dictionary composed with an embedder: role texts to occupations, and occupation profiles of texts.

The dictionary's titles are embedded once per model and kept in a slab of their own, so that a later process only maps
them; searches of the model's other vectors do not pass over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.search.embedding.embed import Embedder
from workbench.search.lexical.words import EMPTY_WORDS, Token, tokens
from workbench.search.texts.slab import VectorSlab
from workbench.search.vectors.keys import ABSENT, text_keys
from workbench.trades.dictionary import Dictionary
from workbench.trades.profiles import Profiles, ProfileTable
from workbench.trades.roles import RoleMatch, Roles, shipped_titles
from workbench.trades.scan import TitleScan
from workbench.trades.synonyms import read_synonyms

_BATCH = 1024
_REMEMBERED = 10_000
_LONGEST_TITLE = 5  # words
# Whoever is wanted is one of these; the trade stands in the other words.
_PEOPLE = frozenset(
    (
        "anyone",
        "crew",
        "folks",
        "gal",
        "guy",
        "guys",
        "man",
        "men",
        "people",
        "person",
        "somebody",
        "someone",
        "staff",
        "worker",
        "workers",
    )
)


@dataclass(frozen=True, eq=False)
class TradeTable:
    """The roles of a dataset as trades: what each means, and its profile."""

    matches: tuple[RoleMatch, ...]
    profiles: ProfileTable

    @cached_property
    def codes(self) -> tuple[frozenset[str], ...]:
        """Codes of the occupations that each role may mean."""
        return tuple(map(_codes, self.matches))


@dataclass(frozen=True, slots=True, eq=False)
class TradeLikeness:
    """The trade of a query: what it ``named`` (None: nothing), its ``profile``, and the likeness 0 … 1 of each role."""

    named: RoleMatch | None
    profile: ProfileTable
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trades:
    """Everything about trades for one model: the dictionary, ``roles`` (text → occupations), ``profiles``."""

    dictionary: Dictionary
    embedder: Embedder
    roles: Roles
    profiles: Profiles
    _of_title: dict[str, ProfileTable] = field(default_factory=dict)

    def role(self, text: str) -> RoleMatch:
        """What a role text means; see `Roles.of`."""
        return self.roles.of(text)

    def mention(self, text: str) -> RoleMatch | None:
        """The trade that a query names: the whole of it without words of asking, else its longest run of two words or
        more that is a title. One word of a longer text is no mention: "house" is a title too.
        """
        words = [token for token in tokens(text) if not token.covers]
        content = [word for word in words if word.raw not in EMPTY_WORDS and word.raw not in _PEOPLE]
        whole = (text, " ".join(text[word.start : word.end] for word in content))
        said = (name for name in (*whole, *_runs(text, words)) if name)
        return next((found for name in said if (found := self.roles.named(name))), None)

    def likeness(self, text: str, table: TradeTable) -> TradeLikeness:
        """How like the trade of a query each role of ``table`` is.

        1 where the query names a trade and the role is of it, else the cosine of their profiles. Raises InvalidError
        when the model knows no word of ``text``.
        """
        named = self.mention(text)
        mine = self._of_named(named.text) if named else self.profile([text])
        values = self.profiles.similarities(mine, table.profiles).astype(np.float64)
        if named:
            asked = _codes(named)  # one occupation in common is what `grade` calls the same trade
            same = np.array([not asked.isdisjoint(codes) for codes in table.codes], np.bool_)
            values = np.where(same, 1.0, values)
        return TradeLikeness(named, mine, values)

    def _of_named(self, title: str) -> ProfileTable:
        """The profile of a trade's name, remembered: queries name the same few trades again and again."""
        found = self._of_title.get(title)
        if found is None:
            if len(self._of_title) >= _REMEMBERED:
                self._of_title.clear()
            found = self._of_title[title] = self.profile([title])
        return found

    def table(self, roles: Sequence[str]) -> TradeTable:
        """What is known of the distinct role texts of a dataset; about 0.4 ms a role."""
        return TradeTable(tuple(map(self.role, roles)), self.profile(roles))

    def profile(self, texts: Sequence[str]) -> ProfileTable:
        """Occupation profiles of ``texts``; see `Profiles.of`. Raises InvalidError as ``Embedder.embed`` does."""
        return self.profiles.of(self.embedder.embed(texts, side="document"))


def open_trades(embedder: Embedder, cache_dir: Path | None, *, synonyms: Path | None = None) -> Trades:
    """The trades of ``embedder``, its title vectors kept under ``cache_dir`` (None: computed and forgotten).

    Meant for the embedded default, whatever model the corpora have: the thresholds were measured with it, and another
    model would have to embed 43,892 titles first. First time about 0.8 s of CPU time and 46 MB on disk, later about
    0.15 s. Raises ConfigError for a bad ``synonyms`` file and when the folder cannot be made.
    """
    titles = shipped_titles()
    dictionary = titles.dictionary
    known = read_synonyms(synonyms, dictionary, titles.occupations) if synonyms else {}
    scan = TitleScan(dictionary, _vectors(dictionary.titles, embedder, cache_dir))

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        return embedder.embed(texts, side="document")

    return Trades(dictionary, embedder, Roles(titles, scan, embed, known), Profiles(scan))


def _vectors(titles: Sequence[str], embedder: Embedder, cache_dir: Path | None) -> NDArray[np.float32]:
    if cache_dir is None:
        return _embed(titles, embedder)
    slab = VectorSlab(cache_dir / embedder.digest[:16], embedder)
    keys = text_keys(titles)
    places = slab.find(keys)
    missing = np.flatnonzero(places == ABSENT)
    if len(missing):
        slab.append(keys[missing], _embed([titles[row] for row in missing.tolist()], embedder))
        places = slab.find(keys)
    return slab.take(places)


def _embed(titles: Sequence[str], embedder: Embedder) -> NDArray[np.float32]:
    parts = (titles[start : start + _BATCH] for start in range(0, len(titles), _BATCH))
    return np.concatenate([embedder.embed(part, side="document") for part in parts])


def _codes(role: RoleMatch) -> frozenset[str]:
    return frozenset(occupation.code for occupation in role.meant)


def _runs(text: str, words: Sequence[Token]) -> Iterator[str]:
    """Runs of two words or more of ``text``, the longest first, that neither begin nor end with a word of asking."""
    for length in range(min(_LONGEST_TITLE, len(words)), 1, -1):
        for first in range(len(words) - length + 1):
            ends = (words[first].raw, words[first + length - 1].raw)
            if not any(raw in EMPTY_WORDS for raw in ends) and ends[1] not in _PEOPLE:
                yield text[words[first].start : words[first + length - 1].end]
