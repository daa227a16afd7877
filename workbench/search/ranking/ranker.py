"""Ranker: the arms of one corpus asked together, and one score out of their parts.

Each arm proposes texts (by meaning, by words, by occupation). Every proposed text is then given all parts, whichever
arm proposed it, so that a score never depends on who found it. Rows follow from texts; ties go by row, that is by id.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from workbench.search.graphs.planned import PlannedIndex
from workbench.search.lexical.lexical import LexicalIndex
from workbench.search.lexical.question import Question
from workbench.search.ranking.fusion import PARTS, Part, Values, Weights, scored
from workbench.search.texts.corpus import Corpus, Mask, Places
from workbench.search.vectors.codes import Seen
from workbench.search.vectors.distance import distances
from workbench.search.vectors.index import Plan
from workbench.search.vectors.keys import ABSENT

_DEPTH = 150
"""Texts that each arm proposes at least; deeper lists changed no top 20 of the labelled set (docs/decisions.md)."""
_ROLES = 3
"""Occupations' role texts whose rows are looked through by themselves."""
_LEADING, _LIKE = 0.8, 0.2
"""A role leads when it is so near to the one most like the query, and so like it at all."""
_UNRANKED = 0
# Scores are rounded to four decimals; asked for in two ways a sum may come out on either side.
_ROUNDED = np.float32(2e-4)


@dataclass(frozen=True, slots=True)
class Probe:
    """A query as the arms take it: its ``vector`` (d,) float32, its words, and for each role text of the corpus how
    like the query's occupations it is, (roles,) float64 0 … 1; None when nothing is known of occupations.
    """

    vector: NDArray[np.float32]
    question: Question
    trade: Values | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows best first: their numbers, ``scores``, the ``values`` of their parts (n, 3) and ``ranks`` (n, 3; 0: none).

    ``weights`` (3,) are those of the query, ``coverage`` how well its words are covered (0 where they were not asked),
    ``plan`` how the vectors were searched (None: they were not), ``matching`` how many rows were in question.
    """

    rows: Places
    scores: Values
    values: Values
    ranks: Places
    weights: Values
    coverage: float
    plan: Plan | None
    matching: int

    def parts(self, place: int) -> tuple[Part, ...]:
        """The parts of the row at ``place``."""
        return tuple(
            Part(name, float(value), float(weight), int(rank) or None)
            for name, value, weight, rank in zip(
                PARTS, self.values[place], self.weights, self.ranks[place], strict=True
            )
        )


@dataclass(frozen=True, slots=True, eq=False)
class Proposals:
    """Texts that the arms propose, ascending, with ``values`` (n, 3) of their parts and ``ranks`` (n, 3) in the arms'
    lists (0: not in it). They do not depend on any weights. ``trade``: whether something is known of occupations.
    """

    texts: Places
    values: Values
    ranks: Places
    coverage: float
    plan: Plan | None
    trade: bool


@dataclass(frozen=True, slots=True)
class _Proposed:
    texts: Places
    values: Values


_NOTHING = _Proposed(np.empty(0, np.int64), np.empty(0))


class _Numbers:
    """How an arm of ``size`` entries numbers the texts: ``own`` (texts,), and ``texts`` (size,), the way back."""

    def __init__(self, own: Places, size: int) -> None:
        self.own = own
        self.texts = np.full(size, ABSENT, np.int64)
        texts = np.arange(len(own))
        self.texts[own] = texts
        self._whole = len(own) == size
        self._same = self._whole and bool((own == texts).all())

    def mask(self, texts: Mask | None) -> Mask | None:
        """``texts`` (texts,) by the arm's numbers (size,); None for all that it has."""
        if self._same or (self._whole and texts is None):
            return texts
        mask = np.zeros(len(self.texts), np.bool_)
        mask[self.own if texts is None else self.own[texts]] = True
        return mask

    def of_mask(self, mask: Mask) -> Mask:
        """The way back: a mask by the arm's numbers (size,) as one over the texts."""
        return mask if self._same else mask[self.own]


class Ranker:
    """One corpus with its arms: ``index`` over its vectors and, if there is one, ``lexical`` over its words.

    ``slots`` (texts,) are the places of its texts in ``lexical``, where the caller knows them.
    """

    def __init__(
        self, corpus: Corpus, index: PlannedIndex, lexical: LexicalIndex | None, slots: Places | None = None
    ) -> None:
        self.corpus, self.index, self.lexical = corpus, index, lexical
        self._vectors = _Numbers(corpus.positions, len(corpus.blocks))
        if slots is None:
            slots = lexical.find(corpus.keys) if lexical is not None else np.empty(0, np.int64)
        self.slots = slots
        self._words_of = _Numbers(slots, len(lexical) if lexical is not None else 0)
        self._roles = _by_role(corpus)

    def rank(self, probe: Probe, k: int, weights: Weights, *, rows: Mask | None = None) -> Ranked:
        """The best ``k`` of ``rows`` (None: all), never fewer than min(k, rows): rows without text come last.

        An arm without weight is not asked: the ranks in its list are 0 then, and ``coverage`` without words too.
        """
        found = self.propose(probe, max(_DEPTH, 2 * k), rows, weights, most=k)
        return self.order(found, k, weights, rows=rows)

    def placed(
        self, probe: Probe, row: int, counts: tuple[int, int], weights: Weights, *, rows: Mask | None = None
    ) -> tuple[Ranked, int | None]:
        """The best ``counts[0]`` of ``rows``, and the rank of ``row`` in them; if it is further down, how many to ask
        for so that it is shown, up to ``counts[1]``; None when it is beyond these too.
        """

        def ranked(count: int) -> tuple[Ranked, int | None]:
            found = self.rank(probe, count, weights, rows=rows)
            at = np.flatnonzero(found.rows == row)
            return found, int(at[0]) + 1 if len(at) else None

        usual, most = counts
        first, rank = ranked(usual)
        if rank is None and usual < most:
            rank = ranked(most)[1]
            # The arms propose less to a search for less, so it is tried.
            if rank and ranked(rank)[1] is None:
                rank = most
        return first, rank

    def propose(
        self,
        probe: Probe,
        depth: int,
        rows: Mask | None = None,
        weights: Weights | None = None,
        *,
        most: int | None = None,
    ) -> Proposals:
        """What the arms propose for ``probe``, ``depth`` texts each, every one with all of its parts.

        By ``weights`` an arm that counts nothing is not asked; too few words still are filled up by meaning. With
        ``most`` those are left out that by these weights are surely not among the ``most`` best.
        """
        texts = self.corpus.texts_with(rows)
        said, coverage, beyond = _NOTHING, 0.0, np.inf
        if weights is None or weights.words:
            said, coverage, beyond = self._said(probe.question, depth, texts)
        near, plan, seen = _NOTHING, None, Seen() if probe.trade is not None else None
        if weights is None or weights.meaning or len(said.texts) < depth:
            near, plan = self._near(probe, depth, texts, seen)
        lead = self._lead(probe, depth, texts, near, seen)
        found = np.unique(np.concatenate([near.texts, said.texts, lead.texts]))
        meanings, trades = self._meanings(probe, found, near, lead), self._trades(probe, found)
        ranks = np.stack([_rank(near.texts, found), _rank(said.texts, found), np.zeros_like(found)], 1)
        if weights is not None and most is not None and most <= len(said.texts):
            bounds = np.full(len(found), beyond)
            bounds[np.searchsorted(found, said.texts)] = said.values
            of_query = weights.of(coverage, trade=probe.trade is not None)
            keep = _may_win(np.stack([meanings, bounds, trades], 1), ranks[:, 1] != _UNRANKED, of_query, most)
            found, meanings, trades, ranks = found[keep], meanings[keep], trades[keep], ranks[keep]
        values = np.stack([meanings, self._words(probe, found, said, beyond), trades], 1)
        return Proposals(found, values, ranks, coverage, plan, trade=probe.trade is not None)

    def order(self, found: Proposals, k: int, weights: Weights, *, rows: Mask | None = None) -> Ranked:
        """The best ``k`` rows among those that carry the proposed texts, by ``weights``; ``rows`` as in ``propose``."""
        of_query = weights.of(found.coverage, trade=found.trade)
        scores = scored(found.values, of_query)
        picked, owners = self.corpus.rows_with(found.texts, rows)
        best = np.lexsort((picked, -scores[owners]))[:k]
        picked, owners = picked[best], owners[best]
        rest = self.corpus.textless(rows)[: k - len(picked)] if len(picked) < k else picked[:0]
        none = np.zeros((len(rest), len(PARTS)))
        return Ranked(
            np.concatenate([picked, rest]),
            np.concatenate([scores[owners], none[:, 0]]),
            np.concatenate([found.values[owners], none]),
            np.concatenate([found.ranks[owners], none.astype(np.int64)]),
            of_query,
            found.coverage,
            found.plan,
            len(self.corpus) if rows is None else int(np.count_nonzero(rows)),
        )

    def having(self, question: Question) -> Mask:
        """The texts (texts,) that keep to the must, must-not and phrases of ``question``."""
        if self.lexical is None:
            return np.ones(len(self.corpus.keys), np.bool_)
        return self._words_of.of_mask(self.lexical.matching(question))

    def _near(self, probe: Probe, depth: int, texts: Mask | None, seen: Seen | None) -> tuple[_Proposed, Plan | None]:
        allowed = self._vectors.mask(texts)
        found = self.index.search(probe.vector, depth, allowed=allowed, ties=True, seen=seen)
        return _Proposed(self._vectors.texts[found.ids], _likeness(found.distances)), found.plan

    def _said(self, question: Question, depth: int, texts: Mask | None) -> tuple[_Proposed, float, float]:
        """What the words propose, the coverage, and what the part of any other text does not exceed."""
        if self.lexical is None or not question.terms:
            return _NOTHING, 0.0, 0.0
        found = self.lexical.search(question, depth, allowed=self._words_of.mask(texts))
        coverage = self.lexical.coverage(question, found)
        # A list that is not full has every text with one of the words.
        last = found.scores[-1:] + _ROUNDED if len(found.slots) >= depth else np.zeros(1, np.float32)
        parts = self.lexical.parts(question, np.concatenate([found.scores, last]))
        return _Proposed(self._words_of.texts[found.slots], parts[:-1]), coverage, float(parts[-1])

    def _lead(self, probe: Probe, depth: int, texts: Mask | None, near: _Proposed, seen: Seen | None) -> _Proposed:
        """The nearest texts of the role texts that are most like the query's occupations.

        Where the nearest of all are of these roles anyway, they are the same texts and nothing is searched.
        """
        if probe.trade is None or not len(probe.trade):
            return _NOTHING
        ranked = np.argsort(-probe.trade, kind="stable")[:_ROLES]
        leading = ranked[probe.trade[ranked] >= max(_LEADING * float(probe.trade[ranked[0]]), _LIKE)]
        of_near = self.corpus.rows.role_of[near.texts]
        leading = leading[[int((of_near == code).sum()) < depth // _ROLES for code in leading]]
        if not len(leading):
            return _NOTHING
        mine = np.concatenate([self._roles[code] for code in leading.tolist()])
        mine = mine if texts is None else mine[texts[mine]]
        allowed = np.sort(self.corpus.positions[mine], kind="stable")  # runs in order: nearly free
        found = self.index.search(probe.vector, depth, allowed=allowed, ties=True, seen=seen)
        return _Proposed(self._vectors.texts[found.ids], _likeness(found.distances))

    def _meanings(self, probe: Probe, found: Places, *known: _Proposed) -> Values:
        values = np.full(len(found), np.nan)
        for proposed in known:
            values[np.searchsorted(found, proposed.texts)] = proposed.values
        missing = np.flatnonzero(np.isnan(values))
        vectors = self.corpus.blocks.take(self.corpus.positions[found[missing]])
        values[missing] = _likeness(distances(vectors, probe.vector, "cosine"))
        return values

    def _words(self, probe: Probe, found: Places, said: _Proposed, beyond: float) -> Values:
        """The parts of ``found``, which has all that ``said`` has; no other text has one above ``beyond``."""
        values = np.zeros(len(found))
        if self.lexical is None or not probe.question.terms:
            return values
        known = np.searchsorted(found, said.texts)
        values[known] = said.values
        if not beyond:
            return values
        other = np.ones(len(found), np.bool_)
        other[known] = False
        missing = np.flatnonzero(other)
        scores = self.lexical.scores(probe.question, self.slots[found[missing]])
        values[missing] = self.lexical.parts(probe.question, scores)
        return values

    def _trades(self, probe: Probe, found: Places) -> Values:
        if probe.trade is None:
            return np.zeros(len(found))
        likeness: Values = np.append(probe.trade, 0.0)[self.corpus.rows.role_of[found]]
        return likeness


def _likeness(far: Values) -> Values:
    return np.clip(1.0 - far, 0.0, 1.0)


def _may_win(values: Values, known: Mask, weights: Values, most: int) -> Mask:
    """Which texts may be among the ``most`` best by ``values`` (n, 3), exact where ``known`` (n,), else not too low.

    All that are known stay. A larger value never makes a smaller score, whatever is rounded.
    """
    scores = scored(values, weights)
    least = float(np.partition(scores[known], -most)[-most])
    may: Mask = known | (scores >= least)
    return may


def _rank(listed: Places, found: Places) -> Places:
    """1-based place of each of ``found`` in an arm's list, 0 where it is not in it."""
    ranks = np.full(len(found), _UNRANKED, np.int64)
    ranks[np.searchsorted(found, listed)] = np.arange(1, len(listed) + 1)
    return ranks


def _by_role(corpus: Corpus) -> list[Places]:
    codes = corpus.rows.role_of
    order = np.argsort(codes, kind="stable")
    cuts = np.searchsorted(codes[order], np.arange(len(corpus.rows.roles) + 1))
    return [order[low:high] for low, high in pairwise(cuts)]
