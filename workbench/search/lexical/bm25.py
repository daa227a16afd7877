"""BM25: ranking, conditions and coverage over one snapshot of the lexical index.

Score of a text for a question (tantivy 0.27, ``query/bm25.rs``; Robertson and Zaragoza 2009, k₁ = 1.2, b = 0.75)::

    Σ over the question's terms:  idf · (k₁ + 1) · tf / (tf + k₁ · (1 − b + b · length / mean length))
    idf = ln(1 + (N − df + 0.5) / (df + 0.5))

with N texts, df of them having the term, tf times in this one; lengths in terms, joined ones too. tantivy keeps a
text's length in one byte: exact up to 40, above that rounded down by at most an eighth. A term's addend stays below
idf · (k₁ + 1), which a very short text comes near: the sum of these bounds is the question's *ideal*.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import tantivy
from numpy.typing import NDArray

from workbench.search.lexical.generation import SLOT, TERMS
from workbench.search.lexical.question import Needle, Question

K1 = 1.2
Mask = NDArray[np.bool_]
Slots = NDArray[np.int64]
Scores = NDArray[np.float32]

# Scores are rounded: which of two sums of the same addends is larger in the last bit is no order.
_DECIMALS = 4
_MASKS_KEPT = 32
_SHOULD, _MUST = tantivy.Occur.Should, tantivy.Occur.Must


@dataclass(frozen=True, slots=True)
class Costs:
    """When allowed slots go into the query and when hits are fetched until enough are allowed (never what is found).

    ``slot``: price of a slot in the query in fetched hits (100,000 texts: 2.7 µs to 0.3 µs). Up to ``as_terms`` slots
    are cheaper as terms than as a set; beyond ``in_query`` fetching every hit is cheaper than either.
    """

    slot: int = 8
    as_terms: int = 4_000
    in_query: int = 20_000


@dataclass(frozen=True, slots=True)
class LexicalHits:
    """``slots`` (n,) int64 and ``scores`` (n,) float32, best first, ties by slot."""

    slots: Slots
    scores: Scores


@dataclass(frozen=True, slots=True)
class Weighted:
    """A term of a question in this index: ``word`` as typed, its ``idf``, and how many texts have it.

    ``covers``: the parts that a joined term stands for.
    """

    term: str
    word: str
    idf: float
    doc_freq: int
    covers: tuple[str, ...] = ()


class Snapshot:
    """What one searcher sees: ``count`` texts with slots 0 to count − 1. Safe for threads."""

    def __init__(self, index: tantivy.Index, searcher: tantivy.Searcher, costs: Costs) -> None:
        self._costs = costs
        self.count = int(searcher.num_docs)
        self._schema, self._searcher = index.schema, searcher
        self._masks: dict[Needle, Mask] = {}

    def vocabulary(self) -> list[tuple[str, int]]:
        """Every term with how many texts have it."""
        found: list[tuple[str, int]] = self._searcher.terms_with_prefix(TERMS, "")
        return found

    def weighted(self, question: Question) -> tuple[Weighted, ...]:
        """The terms that count: all parts, and joined ones that the index has (guessed ones: has as often)."""
        frequencies = {term.term: self._searcher.doc_freq(TERMS, term.term) for term in question.terms}
        kept: list[Weighted] = []
        for term in question.terms:
            frequency = frequencies[term.term]
            if term.guessed:
                rarest = min(frequencies.get(part, 0) for part in term.covers)
                counts = 0 < frequency >= rarest
            else:
                counts = frequency > 0 or not term.covers
            if counts:
                idf = math.log1p((self.count - frequency + 0.5) / (frequency + 0.5))
                kept.append(Weighted(term.term, term.word, idf, frequency, term.covers))
        return tuple(kept)

    def search(self, question: Question, k: int, allowed: Mask | None) -> LexicalHits:
        """The min(k, texts that match and are allowed) best; ``allowed`` (count,)."""
        query = self._any(question)
        number = self.count if allowed is None else int(np.count_nonzero(allowed))
        if query is None or not number:
            return LexicalHits(np.empty(0, np.int64), np.empty(0, np.float32))
        if allowed is None or number == self.count:
            return self._best(query, k, 2 * k + 32)
        if self._costs.slot * number * number > k * self.count:
            first = 64 + int(1.2 * k * self.count / number)
            if number > self._costs.in_query:
                return self._best(query, k, first, allowed)
            hits = self._best_of(query, k, first, allowed)
            if hits is not None:
                return hits
        return self._best(self._among(query, np.flatnonzero(allowed)), k, 2 * k + 32)

    def scores(self, question: Question, slots: Slots) -> Scores:
        """The scores of ``slots`` (n,), 0 where no term matches."""
        out = np.zeros(self.count, np.float32)
        query = self._any(question)
        if query is not None and len(slots):
            wanted = np.unique(slots)
            many = len(wanted) > self._costs.in_query
            limited, most = (query, self.count) if many else (self._among(query, wanted), len(wanted))
            found, scores = self._fetch(limited, most)
            out[found] = scores
        return out[slots]

    def matching(self, question: Question) -> Mask:
        """Which texts (count,) fulfil every condition of ``question``."""
        mask = np.ones(self.count, np.bool_)
        for needle in (*question.must, *question.phrases):
            mask &= self._with(needle)
        for needle in question.must_not:
            mask &= ~self._with(needle)
        return mask

    def coverage(self, question: Question, slot: int) -> float:
        """Share of the question's idf whose words the text at ``slot`` has; 0 … 1."""
        weighted = self.weighted(question)
        parts = [term for term in weighted if not term.covers]
        if not parts:
            return 0.0
        present = self._terms_at(slot)
        covered = {part for term in weighted if term.term in present for part in (term.covers or (term.term,))}
        return sum(term.idf for term in parts if term.term in covered) / sum(term.idf for term in parts)

    def stored(self, slots: Slots) -> list[tuple[str, str]]:
        """(parts, joined terms) of the texts at ``slots`` (ascending), as they were added."""
        every = self._searcher.search(tantivy.Query.all_query(), max(self.count, 1), order_by_field=SLOT)
        addresses = dict(every.hits)
        return [_pair(self._searcher.doc(addresses[slot])) for slot in slots.tolist()]

    def _any(self, question: Question) -> tantivy.Query | None:
        terms = [self._term(term.term, "freq") for term in self.weighted(question) if term.doc_freq]
        return tantivy.Query.boolean_query([(_SHOULD, term) for term in terms]) if terms else None

    def _among(self, query: tantivy.Query, slots: Slots) -> tantivy.Query:
        if len(slots) <= self._costs.as_terms:
            each = (tantivy.Query.term_query(self._schema, SLOT, slot, "basic") for slot in slots.tolist())
            here = tantivy.Query.boolean_query([(_SHOULD, one) for one in each])
        else:
            here = tantivy.Query.term_set_query(self._schema, SLOT, slots.tolist())
        return tantivy.Query.boolean_query([(_MUST, tantivy.Query.const_score_query(here, 0.0)), (_MUST, query)])

    def _best(self, query: tantivy.Query, k: int, limit: int, allowed: Mask | None = None) -> LexicalHits:
        """Fetch ``limit`` hits, then more, until the k best allowed are sure, with all that tie with the last."""
        while True:
            hits = self._best_of(query, k, limit, allowed)
            if hits is not None:
                return hits
            limit *= 4

    def _best_of(self, query: tantivy.Query, k: int, limit: int, allowed: Mask | None) -> LexicalHits | None:
        """The k best allowed when the first ``limit`` hits settle them, else None."""
        slots, scores = self._fetch(query, limit)
        worst = scores[-1] if len(scores) else 0.0
        whole = len(slots) < limit
        if allowed is not None:
            slots, scores = slots[allowed[slots]], scores[allowed[slots]]
        order = np.lexsort((slots, -scores))[:k]
        if whole or (len(order) == k and scores[order[-1]] > worst):
            return LexicalHits(slots[order], scores[order])
        return None

    def _fetch(self, query: tantivy.Query, limit: int) -> tuple[Slots, Scores]:
        hits = self._searcher.search(query, min(limit, self.count + 1), count=False).hits
        slots = self._searcher.fast_field_values(SLOT, [address for _, address in hits])
        scores = np.array([score for score, _ in hits], np.float32)
        return np.array(slots, np.int64), np.round(scores, _DECIMALS)

    def _with(self, needle: Needle) -> Mask:
        mask = self._masks.get(needle)
        if mask is None:
            mask = np.zeros(self.count, np.bool_)
            if self.count:
                found = self._searcher.search(self._needle(needle), self.count, count=False, order_by_field=SLOT)
                mask[[slot for slot, _ in found.hits]] = True
            if len(self._masks) >= _MASKS_KEPT:
                self._masks = {}
            self._masks[needle] = mask
        return mask

    def _needle(self, needle: Needle) -> tantivy.Query:
        if len(needle.words) == 1:
            return self._term(needle.words[0], "basic")
        row = tantivy.Query.phrase_query(self._schema, TERMS, [*needle.words])
        if not needle.joined:
            return row
        return tantivy.Query.boolean_query([(_SHOULD, row), (_SHOULD, self._term(needle.joined, "basic"))])

    def _term(self, term: str, option: str) -> tantivy.Query:
        return tantivy.Query.term_query(self._schema, TERMS, term, option)

    def _terms_at(self, slot: int) -> frozenset[str]:
        found = self._searcher.search(tantivy.Query.term_query(self._schema, SLOT, slot), 1, count=False)
        return frozenset(" ".join(_pair(self._searcher.doc(found.hits[0][1]))).split())


def ideal(weighted: tuple[Weighted, ...]) -> float:
    """What no text's score reaches: Σ idf · (k₁ + 1); 0 for a question without terms."""
    return sum(term.idf for term in weighted) * (K1 + 1.0)


def _pair(document: tantivy.Document) -> tuple[str, str]:
    words, joined = document.get_all(TERMS)
    return words, joined
