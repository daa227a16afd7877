"""Evaluation: how well a system ranks the rows that people marked as right, per class of query, with its noise.

Pure: a system is any callable from query and k to ranked ids, relevance is a set of ids per SQL condition. Grades are
2 (right), 1 (near) and 0. With g(i) the grade of the hit at rank i, n2 and n1 the rows of each grade in the dataset:

- nDCG@k = DCG / DCG of the best possible list, DCG = Σ (2^g(i) − 1) / log2(i + 1). The discount and the ideal list are
  Järvelin & Kekäläinen (2002), "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4); the gain 2^g − 1 is
  Burges et al. (2005), "Learning to rank using gradient descent", ICML: a near row is worth a third of a right one.
- recall@k = right rows among the first k / min(k, n2). A near row does not count: where thousands are near, it says
  nothing.
- MRR@k = mean of 1 / rank of the first right row, 0 when none is among the first k (Voorhees 1999, TREC-8 QA track).

Every mean carries its interval over queries, every difference of two systems a paired one (``noise``). They hold for
queries like these; no interval knows how well the labels stand for what people ask.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from workbench.errors import InvalidError, NotFoundError
from workbench.search.ranking.hits import Id
from workbench.search.ranking.noise import RESAMPLES, SEED, Interval, Verdict, bootstrap, paired, share

RIGHT, NEAR = 2, 1
ALL = "all in domain"
MEASURES = ("ndcg", "recall", "mrr", "false_alarm", "detected")
"""In domain: nDCG@k, recall@k, MRR@k and the share of queries wrongly called far; out of domain: the share detected."""

_SHARES = frozenset({"false_alarm", "detected"})
_LOWER_IS_BETTER = frozenset({"false_alarm"})
Split = Literal["tune", "test"]


@dataclass(frozen=True, slots=True)
class Labelled:
    """One query with the rows it should find: SQL conditions on the dataset for grade 2 and for grade 1.

    No ``where_relevant`` means: out of domain, nothing is right and the system should say so. ``split`` keeps the
    queries that weights may be tuned on apart from those that measure.
    """

    id: str
    class_: str
    query: str
    where_relevant: str = ""
    where_near: str = ""
    split: Split = "test"

    @property
    def in_domain(self) -> bool:
        """True when some row should be found."""
        return bool(self.where_relevant.strip())


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a system answered: ids, best first, and whether it says that nothing is close."""

    ids: tuple[Id, ...]
    nothing_close: bool = False


System = Callable[[str, int], Ranking]
Judge = Callable[[str], Collection[Id]]


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"class_": "class"}):
    id: str
    class_: str
    query: str
    split: Split
    relevant: str = ""
    near: str = ""


def parse_labelled(files: Mapping[str, str]) -> tuple[Labelled, ...]:
    """Labelled queries out of JSONL texts (file name → text); a line is
    ``{"id", "class", "query", "split": "tune" | "test", "relevant"?, "near"?}``, blank lines are skipped.

    Raises InvalidError that names file, line and reason: not JSON, a field missing, unknown or of the wrong type, an
    empty id, class or query, ``near`` without ``relevant``, an id or a query that came before.
    """
    lines = [
        (f"{name}, line {number}", line)
        for name, text in files.items()
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip()
    ]
    out: list[Labelled] = []
    seen: dict[tuple[str, str], str] = {}
    for place, line in lines:
        entry = _parsed(line, place)
        for kind, value in (("id", entry.id), ("query", " ".join(entry.query.casefold().split()))):
            if first := seen.get((kind, value)):
                raise _refused(place, f"the {kind} {value!r} came before, in {first}")
            seen[kind, value] = place
        out.append(Labelled(entry.id, entry.class_, entry.query, entry.relevant, entry.near, entry.split))
    return tuple(out)


def _parsed(line: str, place: str) -> _Line:
    try:
        entry = msgspec.json.decode(line, type=_Line)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise _refused(place, str(error)) from None
    for field, value in (("id", entry.id), ("class", entry.class_), ("query", entry.query)):
        if not value.strip():
            raise _refused(place, f"{field} is empty")
    if entry.near.strip() and not entry.relevant.strip():
        raise _refused(place, "it says what is near, but not what is relevant")
    return entry


def _refused(place: str, reason: str) -> InvalidError:
    return InvalidError(
        f"The labelled queries cannot be read: {place}: {reason}.",
        hint='A line is {"id": "t1", "class": "typo", "query": "weldor", "split": "test", "relevant": "role = …"}',
    )


def dcg(grades: Sequence[int]) -> float:
    """Σ (2^grade − 1) / log2(rank + 1) over the grades of a list, best rank first."""
    return sum(((1 << grade) - 1) / log2(rank + 1) for rank, grade in enumerate(grades, 1))


def ndcg(grades: Sequence[int], right: int, near: int, k: int) -> float:
    """nDCG@k, 0 … 1, of a list with these grades, in a dataset with so many right and near rows (one at least)."""
    best = [RIGHT] * min(right, k) + [NEAR] * min(near, max(k - right, 0))
    return dcg(grades[:k]) / dcg(best)


def recall(grades: Sequence[int], right: int, k: int) -> float:
    """Right rows among the first k / min(k, right rows in the dataset), 0 … 1; ``right`` is 1 or more."""
    return sum(grade == RIGHT for grade in grades[:k]) / min(k, right)


def reciprocal_rank(grades: Sequence[int], k: int) -> float:
    """1 / rank of the first right row, 0 when it is not among the first k."""
    return next((1 / rank for rank, grade in enumerate(grades[:k], 1) if grade == RIGHT), 0.0)


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of one system less mean of another over the same queries of a class, with its paired interval."""

    class_: str
    measure: str
    by: Interval
    verdict: Verdict

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"class": self.class_, "measure": self.measure, "by": self.by.to_dict(), "verdict": self.verdict}


@dataclass(frozen=True, slots=True)
class Score:
    """What one system got for one query: value by measure (ndcg, recall, mrr, false_alarm in domain, else detected)."""

    system: str
    id: str
    class_: str
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a system on a class (or on all in domain), an interval by measure."""

    system: str
    class_: str
    intervals: Mapping[str, Interval]


@dataclass(frozen=True, slots=True)
class Report:
    """Every score, and the rows made of them. ``unanswerable``: queries left out, as no row of the dataset is right."""

    k: int
    systems: tuple[str, ...]
    classes: tuple[str, ...]
    scores: tuple[Score, ...]
    unanswerable: tuple[str, ...]
    rows: tuple[Row, ...]
    resamples: int = RESAMPLES
    seed: int = SEED

    def values(self, system: str, class_: str, measure: str) -> list[float]:
        """The values of a measure, query by query in the order of the labels; raises NotFoundError for unknown names,
        InvalidError for a measure that the class does not have.
        """
        self._check(("system", system), ("class", class_), ("measure", measure))
        mine = (s for s in self.scores if s.system == system and class_ in (ALL, s.class_))
        if not (found := [s.values[measure] for s in mine if measure in s.values]):
            raise InvalidError(f"The class {class_!r} has no {measure}.", hint=f"Measures: {', '.join(MEASURES)}.")
        return found

    def compare(self, system: str, other: str, measure: str = "ndcg") -> tuple[Difference, ...]:
        """``system`` against ``other``, for all in domain and each class that has the measure.

        Each class is judged by itself: of twenty comparisons of equals, one is called a difference. Raises
        NotFoundError for unknown names.
        """
        self._check(("system", system), ("system", other), ("measure", measure))
        lower_is_better = measure in _LOWER_IS_BETTER
        first, second = (other, system) if lower_is_better else (system, other)
        out = []
        for class_ in (row.class_ for row in self.rows if row.system == system and measure in row.intervals):
            sides = [self.values(side, class_, measure) for side in (first, second)]
            by, verdict = paired(*sides, resamples=self.resamples, seed=self.seed)
            shown = Interval(-by.mean, -by.high, -by.low, by.count) if lower_is_better else by
            out.append(Difference(class_, measure, shown, verdict))
        return tuple(out)

    def behind(self, system: str, others: Sequence[str], measure: str = "ndcg") -> tuple[Difference, ...]:
        """Where ``system`` is worse, by more than noise, than the best of ``others`` (by mean, class by class).

        Empty is what a fusion has to reach over its arms. Raises NotFoundError for unknown names.
        """
        against = [self.compare(system, other, measure) for other in others]
        worst = max if measure in _LOWER_IS_BETTER else min
        nearest = (worst(found, key=lambda d: d.by.mean) for found in zip(*against, strict=True))
        return tuple(found for found in nearest if found.verdict == "worse")

    def _check(self, *names: tuple[str, str]) -> None:
        known = {"system": self.systems, "class": (ALL, *self.classes), "measure": MEASURES}
        for kind, name in names:
            if name not in known[kind]:
                raise NotFoundError.named(kind, name, known[kind])

    def to_dict(self) -> dict[str, Any]:
        """JSON form, with the values of every query."""
        return {
            "k": self.k,
            "systems": list(self.systems),
            "classes": list(self.classes),
            "rows": [
                {"system": r.system, "class": r.class_, **{m: i.to_dict() for m, i in r.intervals.items()}}
                for r in self.rows
            ],
            "unanswerable": list(self.unanswerable),
            "scores": [{"system": s.system, "id": s.id, "class": s.class_, **s.values} for s in self.scores],
            "resamples": self.resamples,
            "seed": self.seed,
        }

    def to_text(self) -> str:
        """The table: a line per class and system, each mean with its 95 % interval; shares as 0 … 1."""
        measures = [m for m in MEASURES if any(m in row.intervals for row in self.rows)]
        titles = {"ndcg": f"nDCG@{self.k}", "recall": f"recall@{self.k}", "mrr": f"MRR@{self.k}"}
        head = ["class", "system", "n", *(titles.get(m, m.replace("_", " ")) for m in measures)]
        body = [
            [row.class_, row.system, str(max(i.count for i in row.intervals.values()))]
            + [str(row.intervals[m]) if m in row.intervals else "" for m in measures]
            for row in self.rows
        ]
        widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
        lines = [
            "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in (head, *body)
        ]
        if self.unanswerable:
            lines.append(f"left out, as no row is right: {', '.join(self.unanswerable)}")
        return "\n".join(lines)


def evaluate(
    labelled: Sequence[Labelled],
    systems: Mapping[str, System],
    judge: Judge,
    *,
    k: int = 10,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Report:
    """Ask every system every query for its ``k`` best and grade the answers.

    ``judge`` gives the ids of the rows that match an SQL condition; each condition is asked once. A row that is right
    and near is right; an id that a system gives again is worth nothing the second time. A query in domain for which
    no row of the dataset is right is left out and named. Raises InvalidError when no query or no system is left, or k
    is below 1.
    """
    if k < 1 or not systems:
        raise InvalidError(f"An evaluation needs a system and a k of 1 or more; k is {k}, systems: {len(systems)}.")
    grader = _Grader(judge, k)
    graded = [entry for entry in labelled if not entry.in_domain or grader.ids(entry.where_relevant)]
    if not graded:
        raise InvalidError("No labelled query has a right row in this dataset.", hint="lh ls shows the datasets.")
    scores = tuple(
        Score(name, entry.id, entry.class_, grader.measure(entry, ask(entry.query, k)))
        for entry in graded
        for name, ask in systems.items()
    )
    kept = {entry.id for entry in graded}
    classes = tuple(dict.fromkeys(entry.class_ for entry in graded))
    rows = tuple(_rows(scores, tuple(systems), classes, resamples, seed))
    left_out = tuple(entry.id for entry in labelled if entry.id not in kept)
    return Report(k, tuple(systems), classes, scores, left_out, rows, resamples, seed)


class _Grader:
    """Grades rankings at k; asks the judge once for each condition."""

    def __init__(self, judge: Judge, k: int) -> None:
        self._judge, self._k = judge, k
        self._known: dict[str, frozenset[Id]] = {"": frozenset()}

    def ids(self, condition: str) -> frozenset[Id]:
        """The rows that match; none for an empty condition."""
        if condition not in self._known:
            self._known[condition] = frozenset(self._judge(condition))
        return self._known[condition]

    def measure(self, entry: Labelled, ranking: Ranking) -> Mapping[str, float]:
        """Value by measure."""
        said = float(ranking.nothing_close)
        if not entry.in_domain:
            return MappingProxyType({"detected": said})
        right, k = self.ids(entry.where_relevant), self._k
        near = self.ids(entry.where_near) - right
        first = {key: rank for rank, key in reversed(list(enumerate(ranking.ids)))}
        grades = [
            (RIGHT if key in right else NEAR if key in near else 0) if first[key] == rank else 0
            for rank, key in enumerate(ranking.ids)
        ]
        return MappingProxyType(
            {
                "ndcg": ndcg(grades, len(right), len(near), k),
                "recall": recall(grades, len(right), k),
                "mrr": reciprocal_rank(grades, k),
                "false_alarm": said,
            }
        )


def _rows(
    scores: Sequence[Score], systems: Sequence[str], classes: Sequence[str], resamples: int, seed: int
) -> Iterator[Row]:
    for class_ in (ALL, *classes):
        for system in systems:
            mine = [s for s in scores if s.system == system and class_ in (ALL, s.class_)]
            values = {m: [s.values[m] for s in mine if m in s.values] for m in MEASURES}
            if class_ == ALL:
                values["detected"] = []
            intervals = {
                m: share(found) if m in _SHARES else bootstrap(found, resamples=resamples, seed=seed)
                for m, found in values.items()
                if found
            }
            if intervals:
                yield Row(system, class_, MappingProxyType(intervals))
