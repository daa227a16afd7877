"""The embedding cache: vectors by model, side and text, in memory and, if wanted, on disk.

Reading is one look in a plain dict and takes no lock: with a lock, ten threads fall to a tenth of one thread's rate.
What was used is only flagged; the one who must make room moves a hand around the ring of entries, takes away flags and
evicts the first entry without one (CLOCK, whose hit rate equals that of least-recently-used within a per cent).

The embedded default needs no tier on disk: it computes a vector about as fast as a file is read.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench.errors import InvalidError
from workbench.search.embedding.disk_cache import DiskCache
from workbench.search.embedding.embed import Embedder, Side, check_texts
from workbench.search.embedding.whole import Embedded, fit, too_long

ENTRIES = 10_000
_UNCOUNTED = 1024

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class CacheStats:
    """Texts asked for since the start: found in memory, on disk, or embedded (``misses``); vectors now in each tier.

    ``disk_size`` is None without a disk tier; ``trouble`` says what last went wrong with it.
    """

    memory_hits: int
    disk_hits: int
    misses: int
    size: int
    disk_size: int | None
    trouble: str

    @property
    def hits(self) -> int:
        """Texts that needed no model."""
        return self.memory_hits + self.disk_hits

    @property
    def hit_rate(self) -> float:
        """Share of texts that needed no model, 0..1; 0 before the first text."""
        asked = self.hits + self.misses
        return self.hits / asked if asked else 0.0


class EmbedCache:
    """Vectors of any number of models: at most ``entries`` in memory (0: none there), and ``disk`` where given.

    Share one between threads, and the disk tier between processes. Errors are never kept.
    """

    def __init__(self, *, entries: int = ENTRIES, disk: DiskCache | None = None) -> None:
        if entries < 0:
            raise InvalidError(f"A cache of {entries} entries makes no sense.", hint="0 turns it off.")
        self.entries, self.disk = entries, disk
        self.flights: dict[tuple[str, Side, str], _Flight] = {}
        self.taking_off = threading.Lock()
        self._shelves: dict[tuple[str, Side], Shelf] = {}
        self._ring: list[_Entry] = []
        self._hand = 0
        self._changing = threading.Lock()
        self._memory_hits, self._disk_hits, self._misses = _Tally(), _Tally(), _Tally()

    @property
    def is_off(self) -> bool:
        """Whether nothing is kept anywhere."""
        return not self.entries and self.disk is None

    def shelf(self, digest: str, side: Side) -> Shelf:
        """The entries of one model and side, by text: read it freely, never change it."""
        return self._shelves.setdefault((digest, side), {})

    def keep(self, shelf: Shelf, vectors: Iterable[tuple[str, Vector]]) -> None:
        """Put vectors (each (d,), owned by the cache from now on) on a shelf in memory, evicting what must go."""
        if not self.entries:
            return
        with self._changing:
            for text, vector in vectors:
                if text not in shelf:
                    self._place(_Entry(shelf, text, vector))

    def count(self, *, memory_hits: int = 0, disk_hits: int = 0, misses: int = 0) -> None:
        """Add to the statistics."""
        for tally, number in ((self._memory_hits, memory_hits), (self._disk_hits, disk_hits), (self._misses, misses)):
            if number:
                tally.add(number)

    def stats(self) -> CacheStats:
        """Hits, misses and sizes by tier."""
        return CacheStats(
            memory_hits=self._memory_hits.total(),
            disk_hits=self._disk_hits.total(),
            misses=self._misses.total(),
            size=len(self._ring),
            disk_size=None if self.disk is None else len(self.disk),
            trouble="" if self.disk is None else self.disk.trouble,
        )

    def _place(self, entry: _Entry) -> None:
        if len(self._ring) < self.entries:
            self._ring.append(entry)
        else:
            while self._ring[self._hand].used:
                self._ring[self._hand].used = False
                self._hand = (self._hand + 1) % self.entries
            old = self._ring[self._hand]
            del old.shelf[old.text]
            self._ring[self._hand] = entry
            self._hand = (self._hand + 1) % self.entries
        entry.shelf[entry.text] = entry


class CachedEmbedder:
    """``embedder`` behind ``cache``: an Embedder that keeps the same laws.

    A batch that is all in the cache asks nothing of the embedder; of a mixed one only the texts that are missing are
    embedded, each once, in one call. Threads that miss the same text at the same time wait for one call. Arrays are
    read-only. Texts beyond the model's window are not kept.
    """

    def __init__(self, embedder: Embedder, cache: EmbedCache) -> None:
        self.embedder, self.cache = embedder, cache

    @property
    def name(self) -> str:
        """The embedder's."""
        return self.embedder.name

    @property
    def digest(self) -> str:
        """The embedder's: a cached vector is the same vector."""
        return self.embedder.digest

    @property
    def dimension(self) -> int:
        """The embedder's."""
        return self.embedder.dimension

    def embed(self, texts: Sequence[str], *, side: Side) -> Vector:
        """Vectors of ``texts``, shape (len(texts), dimension), read-only. Errors as in the embedder's ``embed``."""
        found = self.embed_fitting(texts, side=side)
        if len(found.long):
            raise too_long(self.name, found.long, len(texts))
        return found.vectors

    def embed_fitting(self, texts: Sequence[str], *, side: Side) -> Embedded:
        """As ``embed``, but texts beyond the model's window are named and their rows are zero."""
        shelf = self.cache.shelf(self.embedder.digest, side)
        entries = _look_up(shelf, texts)
        if entries is None:
            return self._fetch(texts, side, shelf)
        for entry in entries:
            entry.used = True
        self.cache.count(memory_hits=len(entries))
        return Embedded(_matrix([entry.vector for entry in entries]), _NONE)

    def _fetch(self, texts: Sequence[str], side: Side, shelf: Shelf) -> Embedded:
        check_texts(texts)
        if self.cache.is_off:
            self.cache.count(misses=len(texts))
            return fit(self.embedder, texts, side=side)
        request = _Request(self.embedder, self.cache, side, shelf, texts)
        found = request.run()
        zero = np.zeros(self.embedder.dimension, np.float32)
        rows = [zero if (vector := found[text]) is None else vector for text in texts]
        long = [place for place, text in enumerate(texts) if found[text] is None]
        return Embedded(_matrix(rows), np.array(long, np.int64))


class _Request:
    """One batch that is not all in memory. A text found to be beyond the window has None for a vector."""

    def __init__(self, embedder: Embedder, cache: EmbedCache, side: Side, shelf: Shelf, texts: Sequence[str]) -> None:
        self._embedder, self._cache, self._side = embedder, cache, side
        self._shelf, self._texts = shelf, texts
        self._digest = embedder.digest
        self._found: dict[str, Vector | None] = {}
        self._landed = threading.Event()

    def run(self) -> dict[str, Vector | None]:
        """The vector of each distinct text."""
        missing = list(dict.fromkeys(self._texts))
        sent = 0
        from_disk = 0
        while missing := self._not_in_memory(missing):
            read = self._read_disk(missing)
            from_disk += read
            mine: dict[str, _Flight] = {}
            self._landed = threading.Event()  # one for all: making one takes longer than finding a text
            try:
                others = self._claim([text for text in missing if text not in self._found], mine)
                sent += len(mine)
                self._embed(list(mine))
            finally:
                self._land(mine)
            for text, flight in others:
                flight.landed.wait()
                if not flight.failed:
                    self._found[text] = flight.vector
            # Who we waited for may have failed for a reason that is not ours: try ourselves.
            missing = [text for text, flight in others if flight.failed]
        self._cache.count(memory_hits=len(self._texts) - from_disk - sent, disk_hits=from_disk, misses=sent)
        return self._found

    def _not_in_memory(self, texts: list[str]) -> list[str]:
        for text in texts:
            if entry := self._shelf.get(text):
                entry.used = True
                self._found[text] = entry.vector
        return [text for text in texts if text not in self._found]

    def _read_disk(self, texts: list[str]) -> int:
        if self._cache.disk is None:
            return 0
        keys = {self._key(text): text for text in texts}
        read = self._cache.disk.get(list(keys), self._embedder.dimension)
        found = [(keys[key], _frozen(vector)) for key, vector in read.items()]
        self._found.update(found)
        self._cache.keep(self._shelf, found)
        return len(found)

    def _claim(self, texts: list[str], mine: dict[str, _Flight]) -> list[tuple[str, _Flight]]:
        """Put those of ``texts`` that this thread must embed into ``mine``; return what others are embedding now."""
        others: list[tuple[str, _Flight]] = []
        with self._cache.taking_off:
            # A flight that landed since we looked has left its vector in memory.
            for text in self._not_in_memory(texts):
                flight = self._cache.flights.setdefault((self._digest, self._side, text), new := _Flight(self._landed))
                if flight is new:
                    mine[text] = flight
                else:
                    others.append((text, flight))
        return others

    def _embed(self, texts: list[str]) -> None:
        if not texts:
            return
        vectors = self._ask(texts)
        kept = [(text, vector) for text, vector in vectors.items() if vector is not None]
        self._cache.keep(self._shelf, kept)
        if self._cache.disk is not None and kept:
            self._cache.disk.put({self._key(text): vector for text, vector in kept})
        self._found.update(vectors)

    def _land(self, flights: dict[str, _Flight]) -> None:
        """Let those who wait go on, come what may."""
        with self._cache.taking_off:
            for text, flight in flights.items():
                del self._cache.flights[self._digest, self._side, text]
                flight.failed = text not in self._found
                flight.vector = self._found.get(text)
        self._landed.set()

    def _ask(self, texts: list[str]) -> dict[str, Vector | None]:
        try:
            asked: Sequence[str] = texts
            got = fit(self._embedder, texts, side=self._side)
        except InvalidError:
            if len(texts) == len(self._texts):
                raise
            # The message counts the texts it was given: let it count the caller's.
            asked = self._texts
            got = fit(self._embedder, asked, side=self._side)
        long = set(got.long.tolist())
        return {
            text: None if place in long else _frozen(vector)
            for place, (text, vector) in enumerate(zip(asked, got.vectors, strict=True))
        }

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self._digest}\x1f{self._side}\x1f{text}".encode()).digest()


class _Entry:
    __slots__ = ("shelf", "text", "used", "vector")

    def __init__(self, shelf: Shelf, text: str, vector: Vector) -> None:
        self.shelf, self.text, self.vector = shelf, text, vector
        self.used = False


Shelf = dict[str, _Entry]
"""Entries of one model and side by text."""


@dataclass(slots=True)
class _Flight:
    """One text on its way; read ``failed`` and ``vector`` after ``landed``."""

    landed: threading.Event
    failed: bool = False
    vector: Vector | None = None


class _Tally:
    """A counter to which threads add without waiting: a deque's ``append`` needs no lock."""

    def __init__(self) -> None:
        self._added: deque[int] = deque()
        self._sum = 0
        self._summing = threading.Lock()

    def add(self, number: int) -> None:
        self._added.append(number)
        if len(self._added) > _UNCOUNTED:
            self.total()

    def total(self) -> int:
        with self._summing:
            while self._added:
                self._sum += self._added.popleft()
            return self._sum


_NONE = np.empty(0, np.int64)


def _look_up(shelf: Shelf, texts: Sequence[str]) -> list[_Entry] | None:
    """The entries of all ``texts``, or None when one is missing or what was given is no list of texts."""
    if isinstance(texts, str):
        return None
    try:
        entries = list(map(shelf.get, texts))
    except TypeError:  # something without a hash: no text
        return None
    return None if None in entries or not entries else entries  # type: ignore[return-value]


def _matrix(rows: list[Vector]) -> Vector:
    if len(rows) == 1:
        return rows[0].reshape(1, -1)  # a view; the entry itself is read-only
    matrix = np.concatenate(rows).reshape(len(rows), -1)
    matrix.flags.writeable = False
    return matrix


def _frozen(vector: Vector) -> Vector:
    """A copy of its own, read-only: a view would keep its whole batch in memory."""
    own = vector.copy()
    own.flags.writeable = False
    return own
