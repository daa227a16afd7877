"""Trial: labelled queries asked of a dataset's own search, to measure it and to choose its weights."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from workbench.errors import InvalidError
from workbench.search.ranking.evaluate import ALL, Difference, Labelled, Ranking, Report, System, evaluate
from workbench.search.ranking.fusion import TEXT_ONLY, VECTOR_ONLY, Weights
from workbench.search.ranking.hits import Id
from workbench.search.ranking.ranker import Proposals
from workbench.search.ranking.tuning import GRID, Chosen, save_weights
from workbench.search.reading.gates import funnel
from workbench.search.searcher import Look, Searcher, is_far

_DEPTH = 150
_MOST_K = 100

OnAsked = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Choice:
    """What ``choose`` found: the best ``weights`` of the grid, the report of best and present, and whether they were
    ``kept``, which they are only when they are better than the present ones beyond noise (``by``).
    """

    weights: Weights
    report: Report
    by: Difference
    kept: bool


@dataclass
class Trial:
    """One dataset with its search. What the arms propose is remembered per query, so many weights cost one search."""

    searcher: Searcher
    dataset: str
    _known: dict[str, tuple[Look, Proposals] | None] = field(default_factory=dict)

    def measure(self, labelled: Sequence[Labelled], *, k: int = 10, on_asked: OnAsked | None = None) -> Report:
        """The search as it is (``hybrid``) beside its arms alone (``vector``, ``text``).

        Raises as ``evaluate`` does.
        """
        weights = self.searcher.weights_of(self.dataset)
        systems = {"hybrid": weights, "vector": VECTOR_ONLY, "text": TEXT_ONLY}
        return evaluate(labelled, self._systems(systems, len(labelled), on_asked), self.judge, k=k)

    def choose(self, labelled: Sequence[Labelled], *, k: int = 10, on_asked: OnAsked | None = None) -> Choice:
        """The weights of the grid with the best mean nDCG, kept for the dataset when better beyond noise."""
        present = self.searcher.weights_of(self.dataset)
        grid = {str(at): weights for at, weights in enumerate(GRID)}
        asked = self._systems(grid, len(labelled), on_asked)
        report = evaluate(labelled, asked, self.judge, k=k, resamples=1)
        means = {row.system: row.intervals["ndcg"].mean for row in report.rows if row.class_ == ALL}
        best = grid[max(means, key=lambda name: (means[name], -int(name)))]
        final = evaluate(labelled, self._systems({"best": best, "present": present}, 0, None), self.judge, k=k)
        by = next(found for found in final.compare("best", "present") if found.class_ == ALL)
        if kept := by.verdict == "better":
            self._save(best, final)
        return Choice(best, final, by, kept)

    def judge(self, condition: str) -> Collection[Id]:
        """Ids of the rows that match an SQL condition."""
        opened = self.searcher.corpora.of(self.searcher.lake.get(self.dataset))
        found: pa.Array = self.searcher.lake.queries.matching(opened.manifest, opened.key.name, condition)
        return frozenset(found.to_pylist())

    def _systems(self, weights: Mapping[str, Weights], queries: int, on_asked: OnAsked | None) -> dict[str, System]:
        return {name: self._system(each, queries, on_asked) for name, each in weights.items()}

    def _system(self, weights: Weights, queries: int, on_asked: OnAsked | None) -> System:
        mode = {VECTOR_ONLY: "vector", TEXT_ONLY: "text"}.get(weights, "hybrid")

        def ask(query: str, k: int) -> Ranking:
            known = self._proposed(query)
            if on_asked:
                on_asked(len(self._known), queries)
            if known is None:
                return Ranking((), nothing_close=True)
            look, found = known
            rows = funnel(self.dataset, 0, look.gates)[1]
            ranked = look.opened.ranker.order(found, k, weights, rows=rows)
            ids = look.opened.corpus.ids.take(pa.array(ranked.rows)).to_pylist()
            return Ranking(tuple(ids), is_far(ranked, mode))

        return ask

    def _proposed(self, query: str) -> tuple[Look, Proposals] | None:
        """What the arms propose; None for a query in which the model knows no word."""
        if query not in self._known:
            try:
                look = self.searcher.look(query, self.dataset)
            except InvalidError:
                self._known[query] = None
            else:
                rows = funnel(self.dataset, 0, look.gates)[1]
                self._known[query] = look, look.opened.ranker.propose(look.probe, _DEPTH, rows)
        return self._known[query]

    def _save(self, best: Weights, final: Report) -> None:
        ndcg = {row.system: row.intervals["ndcg"] for row in final.rows if row.class_ == ALL}
        chosen = Chosen(
            best.meaning,
            best.words,
            best.trade,
            best.power,
            ndcg["best"].count,
            round(ndcg["best"].mean, 4),
            round(ndcg["present"].mean, 4),
            dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        )
        save_weights(self.searcher.cache_dir, self.dataset, chosen)
