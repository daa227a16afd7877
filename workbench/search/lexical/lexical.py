"""Lexical index: texts found by their words, ranked by BM25 (``bm25``), over tantivy.

It holds unique texts. Each has a *slot*, numbered in order of arrival, and is known by the SHA-256 of its text
(``keys``). The folder is derived and can be deleted at any time; it can always be filled again from the texts. Any
number of processes read it while one writes; readers never wait.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ConfigError, InvalidError
from workbench.search.lexical import generation as generations
from workbench.search.lexical.bm25 import Costs, LexicalHits, Mask, Scores, Slots, Snapshot, Weighted, ideal
from workbench.search.lexical.generation import Generation
from workbench.search.lexical.question import Question
from workbench.search.lexical.words import index_terms
from workbench.search.vectors.keys import ABSENT, KeyTable, Positions
from workbench.search.vectors.segment import Keys, disk_errors

# Stale texts cost space and shift the idf of their words; beyond this share the index is made anew without them.
_STALE_SHARE = 1 / 3


@dataclass(frozen=True, slots=True)
class Habits:
    """How an index works, never what it finds.

    ``timeout_s``: how long to wait for another writer. ``batch_texts``: texts of one commit, which is what an
    interruption may cost and what is held in memory at once. ``costs``: how filters are planned.
    """

    timeout_s: float = 30.0
    batch_texts: int = 1 << 17
    costs: Costs = field(default_factory=Costs)


class LexicalIndex:
    """The open index of ``folder``, from ``open_lexical``. Safe for threads; searches never wait for a writer.

    It shows one state until ``refresh``, ``add`` or ``keep``. Slots and masks belong to ``generation``: while that name
    stays the same slots keep their texts and new ones only come at the end. Who holds arrays by slot opens an index of
    its own and leaves it as it is.
    """

    def __init__(self, generation: Generation, habits: Habits) -> None:
        self.folder = generation.path.parent
        self._habits = habits
        self._lock = threading.RLock()
        self._take(generation)

    def __len__(self) -> int:
        return self._snapshot.count

    @property
    def generation(self) -> str:
        """Changes when slots are numbered anew."""
        return self._generation.path.name

    def refresh(self) -> bool:
        """Take in what any process committed since; whether there was something.

        Raises ConfigError when the index was damaged or removed; ``open_lexical(…, create=True)`` makes it anew.
        """
        with self._lock:
            before = self._generation
            fresh = generations.renew(before) if generations.is_current(before) else None
            fresh = fresh or generations.open_current(self.folder, verify=False)
            if fresh is None:
                raise ConfigError(
                    f"The text index {self.folder} is damaged or was removed.",
                    hint="It is derived from the texts: open it again with create and add them.",
                )
            if fresh.path == before.path and fresh.count == before.count:
                return False
            self._take(fresh)
            return True

    def find(self, keys: Keys) -> Positions:
        """Slot of each of ``keys`` (n, 4), −1 where its text is not here; shape (n,)."""
        with self._lock:
            return self._table.find(keys)

    def add(self, keys: Keys, texts: Sequence[str]) -> int:
        """Index ``texts`` under their ``keys`` (n, 4), passing over known ones; returns how many are new.

        On return they survive a kill and every process finds them after ``refresh``. Interrupted, it keeps whole
        batches. Raises InvalidError for unequal lengths, BusyError when another process writes for long,
        ConfigError for the disk.
        """
        if len(keys) != len(texts):
            raise InvalidError(f"{len(keys)} keys came with {len(texts)} texts.")
        if not (self.find(keys) == ABSENT).any():
            return 0
        with self._writing():
            fresh = _first_of_each(keys, np.flatnonzero(self.find(keys) == ABSENT))
            try:
                if len(fresh):
                    generations.grow(
                        self._generation, _batches(keys, texts, fresh, self._habits.batch_texts), len(fresh)
                    )
            finally:
                self.refresh()
            return len(fresh)

    def keep(self, keys: Keys, *, always: bool = False) -> bool:
        """Drop all texts but those of ``keys`` (n, 4) when more than a third are others; whether that was done.

        ``always``: also when fewer are (an erasure); what is dropped is then nowhere in the folder. Slots are numbered
        anew in the old order (``generation`` changes). Raises as ``add`` does.
        """
        with self._writing():
            found = self.find(keys)
            wanted = np.unique(found[found != ABSENT])
            stale = len(self) - len(wanted)
            if not stale or (stale <= _STALE_SHARE * len(self) and not always):
                return False
            fresh = generations.begin(self.folder)
            generations.grow(fresh, self._copied(wanted), len(wanted))
            generations.make_current(fresh)
            self.refresh()
            return True

    def search(self, question: Question, k: int, *, allowed: Mask | None = None) -> LexicalHits:
        """The ``k`` best texts for ``question`` by its terms, best first, ties by slot.

        ``allowed`` (n,) bool, one a slot; slots beyond its end are not allowed. Never shorter than min(k, texts that
        have a term and are allowed). Conditions are not looked at; pass ``matching``. Raises InvalidError for k < 1
        or another kind of mask.
        """
        if k < 1:
            raise InvalidError(f"k is {k}; it must be at least 1.")
        snapshot = self._snapshot
        return snapshot.search(question, k, None if allowed is None else _fitted(allowed, snapshot.count))

    def scores(self, question: Question, slots: Slots) -> Scores:
        """BM25 of each of ``slots`` (n,) as ``search`` would give it, 0 where no term matches; float32 (n,).

        Raises InvalidError for a slot that does not exist.
        """
        snapshot, slots = self._snapshot, np.asarray(slots, np.int64)
        if len(slots) and (slots.min() < 0 or slots.max() >= snapshot.count):
            raise InvalidError(f"A slot is not one of 0 to {snapshot.count - 1}.", hint="Slots come from find().")
        return snapshot.scores(question, slots)

    def matching(self, question: Question) -> Mask:
        """Which texts fulfil ``must``, ``must_not`` and ``phrases`` of ``question``, exactly; bool, one a slot."""
        return self._snapshot.matching(question)

    def vocabulary(self) -> list[tuple[str, int]]:
        """Every term of the index with how many texts have it; 1 ms for 20,000 texts."""
        return self._snapshot.vocabulary()

    def terms(self, question: Question) -> tuple[Weighted, ...]:
        """The terms of ``question`` that count in this index, with idf and how many texts have them."""
        return self._snapshot.weighted(question)

    def coverage(self, question: Question, found: LexicalHits | None = None) -> float:
        """Σ idf of the question's words that the best text of ``found`` has, over Σ idf of all its words; 0 … 1.

        ``found`` is what ``search`` gave for ``question`` (None: search without a limit). A word that no text has
        weighs the most. 0 for a question without words and when nothing was found.
        """
        snapshot = self._snapshot
        best = (found or snapshot.search(question, 1, None)).slots[:1].tolist()
        return snapshot.coverage(question, best[0]) if best else 0.0

    def parts(self, question: Question, scores: Scores) -> NDArray[np.float64]:
        """``scores`` of ``search`` or ``scores`` as parts 0 … 1 of a fused score: score / Σ idf · (k₁ + 1).

        Depends on question and text only, not on the other hits. A text of average length that has every word once
        gets 1 / (k₁ + 1) = 0.45; 1 is the limit for short texts that say nothing else.
        """
        best = ideal(self.terms(question))
        return np.clip(scores / best, 0.0, 1.0).astype(np.float64) if best else np.zeros(len(scores))

    def _take(self, generation: Generation) -> None:
        known = getattr(self, "_generation", None)
        same = known is not None and known.path == generation.path
        if not same:
            self._table = KeyTable()
        for block in generation.ledger.blocks[len(known.ledger.blocks) if known and same else 0 :]:
            self._table.add(block)
        self._generation = generation
        self._snapshot = Snapshot(generation.index, generation.searcher, self._habits.costs)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Be the only writer, on the newest state. Threads of this process go on reading."""
        with disk_errors(self.folder), generations.writing(self.folder, self._habits.timeout_s):
            self.refresh()
            yield

    def _copied(self, wanted: Slots) -> Iterator[tuple[Keys, list[tuple[str, str]]]]:
        keys = self._table.keys()
        size = self._habits.batch_texts
        for start in range(0, len(wanted), size):
            slots = wanted[start : start + size]
            yield keys[slots], self._snapshot.stored(slots)


def open_lexical(
    folder: Path, *, create: bool = False, verify: bool | None = None, habits: Habits | None = None
) -> LexicalIndex | None:
    """The index in ``folder``; None when there is none that can be used: absent, damaged, or of another format.

    With ``create`` an empty one is made then, so the answer is never None. ``verify`` reads every byte and compares
    checksums (about 1 GB/s); the default is to do so with ``create``. Raises BusyError and ConfigError when it cannot
    be made.
    """
    habits = habits or Habits()
    check = create if verify is None else verify
    found = generations.open_current(folder, verify=check)
    if found or not create:
        return LexicalIndex(found, habits) if found else None
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with generations.writing(folder, habits.timeout_s):
            found = generations.open_current(folder, verify=check)  # another process may have made it meanwhile
            if found is None:
                found = generations.begin(folder)
                generations.make_current(found)
    return LexicalIndex(found, habits)


def _batches(
    keys: Keys, texts: Sequence[str], places: NDArray[np.int64], size: int
) -> Iterator[tuple[Keys, list[tuple[str, str]]]]:
    for start in range(0, len(places), size):
        here = places[start : start + size]
        yield keys[here], [index_terms(texts[place]) for place in here.tolist()]


def _first_of_each(keys: Keys, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of ``places`` whose key did not come at an earlier one."""
    first: dict[bytes, int] = {}
    for place in places.tolist():
        first.setdefault(keys[place].tobytes(), place)
    return np.fromiter(first.values(), np.int64, len(first))


def _fitted(allowed: Mask, count: int) -> Mask:
    mask = np.asarray(allowed)
    if mask.dtype != np.bool_ or mask.ndim != 1:
        raise InvalidError(
            f"Allowed slots are {mask.dtype} of shape {mask.shape}, not a mask.", hint="Pass one bool a slot."
        )
    return np.pad(mask, (0, max(0, count - len(mask))))[:count]
