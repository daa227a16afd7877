"""Columns of values to hashes, a whole column at once: what `Roster` would make of them one by one, ten times as fast.

Only ASCII is taken here; what is not is left to who knows letters, and is rare in the columns that are long.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.pii.hashes import FACTOR, hashes_of

LEAST = 7  # signs of a number or code: a shorter one would hide years, zips and counts
MOST_WORDS = 6  # of a name
MOST_STREET = 12  # words of an address
TITLES = frozenset(["mr", "mrs", "ms", "miss", "dr", "prof", "jr", "sr", "ii", "iii", "iv"])

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Words:
    """The words of many texts one after the other: ``codes`` into ``words``, ``rows``: the text of each, ascending."""

    words: list[str]
    hashes: Codes
    codes: Codes
    rows: Codes
    count: int

    @classmethod
    def of(cls, texts: Any, between: str) -> Words:
        """The words of an Arrow array of lower-case ASCII texts; ``between`` is a pattern of what parts them."""
        plain = pc.ascii_trim(pc.replace_substring_regex(texts, between, " "), " ")
        lists = pc.split_pattern(plain, " ")
        coded = lists.flatten().dictionary_encode()
        words = coded.dictionary.to_pylist()
        hashes = hashes_of(words, len(words))
        rows = np.asarray(pc.list_parent_indices(lists)).astype(np.int64)
        return cls(words, hashes, np.asarray(coded.indices).astype(np.int64), rows, len(texts))

    def only(self, wanted: NDArray[np.bool_]) -> Words:
        """Without the words (in ``words``) that are not wanted."""
        kept = wanted[self.codes]
        return Words(self.words, self.hashes, self.codes[kept], self.rows[kept], self.count)

    def of_rows(self, wanted: NDArray[np.bool_], most: int = 1 << 40) -> Words:
        """The first words of the wanted texts, which must have some; these are numbered anew."""
        numbers = np.cumsum(wanted) - 1
        kept = wanted[self.rows] & (self.places < most)
        return Words(self.words, self.hashes, self.codes[kept], numbers[self.rows[kept]], int(wanted.sum()))

    @property
    def counts(self) -> Codes:
        """How many words each text has."""
        return np.bincount(self.rows, minlength=self.count)

    @property
    def places(self) -> Codes:
        """The place of each word in its text, from 0."""
        counts = self.counts
        return np.arange(len(self.rows)) - (np.cumsum(counts) - counts)[self.rows]

    @property
    def ends(self) -> tuple[Codes, Codes]:
        """Codes of the first and of the last word of each text; all must have one."""
        after = np.cumsum(self.counts)
        return self.codes[after - self.counts], self.codes[after - 1]

    def sums(self, weighed: Codes) -> Codes:
        """The sum of ``weighed``, one number for each word, by text, modulo 2**64; all must have a word."""
        return np.add.reduceat(weighed, np.cumsum(self.counts) - self.counts) if len(weighed) else weighed


@dataclass(frozen=True, slots=True)
class Names:
    """What a column of names comes to: the words in them, hashes of the names by the sum of their words, their sizes,
    and of names in part the hashes as `Shortened` makes them.
    """

    words: list[tuple[str, int]]
    names: Codes
    sizes: set[int]
    initials: Codes
    pairs: Codes


def names_of(array: Any, *, turned: bool) -> Names:
    """Of an Arrow array of ASCII names in lower case. ``turned``: all with a comma, for "doe, jane" is jane doe."""
    written = every = Words.of(array, "[^a-z]+")
    if turned:
        every = Words.of(pc.replace_substring_regex(array, r"(?s)^([^,]*),(.*)$", r"\2 \1"), "[^a-z]+")
    titled = np.array([word in TITLES or not word for word in every.words], dtype=np.bool_)
    single = np.array([len(word) < 2 for word in every.words], dtype=np.bool_)
    enough = every.only(~titled & ~single).counts > 1
    if not enough.any():
        nothing = np.empty(0, dtype=np.int64)
        return Names([], nothing, set(), nothing, nothing)
    # Which words come first and last is asked of the name as it is written.
    kept = np.array([len(word) > 1 and word not in TITLES for word in written.words], dtype=np.bool_)
    named = written.only(kept).of_rows(enough)
    first, last = named.ends
    some = named.of_rows(np.ones(named.count, dtype=np.bool_), MOST_WORDS)
    known = np.unique(np.concatenate([some.codes, last]))
    ends = (named.hashes[first] + named.hashes[last])[named.counts > 2]
    names = np.concatenate([some.sums(some.hashes[some.codes]), ends])
    words = [(named.words[code], int(named.hashes[code])) for code in known.tolist()]
    sizes = {2, *np.unique(some.counts).tolist()}
    return Names(words, names, sizes, *_in_part(every.only(~titled).of_rows(enough, MOST_WORDS)))


def _in_part(names: Words) -> tuple[Codes, Codes]:
    """(initials, pairs) of names of two words and more, first name first: as `Shortened.add` for each."""
    letter = hashes_of([word[:1] for word in names.words], len(names.words))
    own, places, counts = names.hashes, names.places, names.counts
    first, last = names.ends
    second = names.codes[np.cumsum(counts) - counts + 1]
    before = places < counts[names.rows] - 1
    rest = places > 0
    leading, following = names.codes[before], names.codes[rest]
    at, behind = names.rows[before], names.rows[rest]
    long = counts[names.rows] > 2
    more = names.codes[before & long], names.rows[before & long]
    initials = (
        own[leading] * FACTOR + letter[last[at]],
        own[more[0]] * FACTOR + letter[second[more[1]]],
        (letter[first[behind]] * FACTOR + hash("")) * FACTOR + own[following],
    )
    one, other = names.codes[before & long], names.codes[rest & long]
    return np.concatenate(initials), own[one] * FACTOR + own[other]


def emails_of(array: Any) -> Codes:
    """Of an Arrow array of ASCII addresses in lower case."""
    return _hashed(pc.ascii_trim(pc.ascii_trim_whitespace(array), "."))[0]


def phones_of(array: Any) -> tuple[Codes, int]:
    """(hashes, length of the longest) of an Arrow array of ASCII phone numbers: with and without their country code."""
    digits = pc.replace_substring_regex(array, "[^0-9]+", "")
    national = pc.utf8_slice_codeunits(pc.replace_substring_regex(digits, "^1", ""), 0, 10)
    last = pc.utf8_slice_codeunits(digits, -10)
    others = [one.filter(pc.not_equal(one, digits)) for one in (national, last)]
    return _hashed(_long(pa.concat_arrays([digits, *others])))


def codes_of(array: Any) -> tuple[Codes, int]:
    """(hashes, length of the longest) of an Arrow array of ASCII numbers in lower case, without their separators.

    A single word of letters is a word of the language as well, and none of them.
    """
    squeezed = _long(pc.replace_substring_regex(array, "[^a-z0-9]+", ""))
    return _hashed(squeezed.filter(pc.match_substring_regex(squeezed, "[0-9]")))


def runs_of(array: Any) -> tuple[Codes, Iterator[tuple[str, int]], Any]:
    """(hashes, (first word, how many) of each, those of one word) of an Arrow array of ASCII texts in lower case."""
    words = Words.of(array, "[^a-z0-9]+")
    words = words.only(np.array([bool(word) for word in words.words], dtype=np.bool_))
    counts = words.counts
    runs = words.of_rows((counts > 1) & (counts <= MOST_STREET), MOST_STREET)
    sizes = runs.counts
    powers = np.array([pow(FACTOR, n, 1 << 64) for n in range(MOST_STREET)], dtype=np.uint64).astype(np.int64)
    weighed = runs.hashes[runs.codes] * powers[sizes[runs.rows] - 1 - runs.places]
    starts = np.unique(runs.ends[0] * (MOST_STREET + 1) + sizes) if len(sizes) else sizes
    streets = ((runs.words[one // (MOST_STREET + 1)], one % (MOST_STREET + 1)) for one in starts.tolist())
    # pa.array() of a numpy array imports pandas, a quarter of a second.
    single = pa.py_buffer(np.packbits(counts == 1, bitorder="little"))
    return runs.sums(weighed), streets, array.filter(pa.Array.from_buffers(pa.bool_(), len(array), [None, single]))


def _long(array: Any) -> Any:
    return array.filter(pc.greater_equal(pc.binary_length(array), LEAST))


def _hashed(array: Any) -> tuple[Codes, int]:
    longest = pc.max(pc.binary_length(array)).as_py() or 0
    return hashes_of(array.to_pylist(), len(array)), longest
