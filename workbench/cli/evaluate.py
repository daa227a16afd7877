"""``lh eval``: how well search finds what people marked as right, and which weights find it best."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, app, workbench
from workbench.cli.progress import Bar
from workbench.cli.search import InOption
from workbench.errors import InvalidError, NotFoundError, QueryError

if TYPE_CHECKING:
    from workbench.search.ranking.evaluate import Labelled, Report
    from workbench.search.ranking.fusion import Weights
    from workbench.search.ranking.noise import Interval
    from workbench.search.trial import Choice, Trial
    from workbench.session import Workbench

_SPLITS = ("tune", "test", "all")
_ARMS = ("vector", "text")
_NAMED = 5
_LINE = """{"id": "t1", "class": "typo", "query": "weldor", "split": "tune", "relevant": "role = 'Welder'"}"""


@app.command("eval")
def evaluate(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE.jsonl…", help="Labelled queries; else those of the package.")
    ] = None,
    dataset: InOption = "workers",
    split: Annotated[str, typer.Option(help="tune, test or all.")] = "test",
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="How many hits count.")] = 10,
    choose: Annotated[
        bool, typer.Option("--choose", help="First choose the weights on the tune split, and keep what is better.")
    ] = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Measure search on labelled queries: hybrid beside its arms, with the noise; choose its weights by that."""
    if split not in _SPLITS:
        raise InvalidError(f"There is no split {split!r}.", hint=f"--split {', '.join(_SPLITS[:-1])} or {_SPLITS[-1]}")
    entries = _labelled(files or [])
    with workbench(lake) as wb:
        choice = _chosen(wb, dataset, _tunable(entries), k) if choose else None
        report, weights = _measured(wb, dataset, _of(entries, split), k), wb.searcher.weights_of(dataset)
    if as_json:
        show.json_out(_json(report, choice, dataset, split))
        return
    if choice:
        show.line(f"{_said(choice)}\n")
    told(report)
    show.remark(f"{dataset} · split {split} · hybrid: {_weights(weights)}")


def told(report: Report) -> None:
    """The tables: ranking by class, what is said of queries that nothing is close to, and where hybrid is behind."""
    _ranking(report)
    _distance(report)
    show.line(f"\n{_verdict(report)}")
    if left := report.unanswerable:
        names = ", ".join(left[:_NAMED]) + (" …" if len(left) > _NAMED else "")
        show.remark(f"{len(left)} left out, as no row is right for them: {names}")
    show.remark("mean and 95 % interval over the queries; an nDCG of 1 is the best list there could be")


def _ranking(report: Report) -> None:
    measures = {"ndcg": f"nDCG@{report.k}", "recall": f"recall@{report.k}", "mrr": f"MRR@{report.k}"}
    ranked = [row for row in report.rows if "ndcg" in row.intervals]
    lines = [
        [row.class_ if row.system == report.systems[0] else " ", row.system, row.intervals["ndcg"].count]
        + [_interval(row.intervals[m]) for m in measures]
        for row in ranked
    ]
    if lines:
        show.table(["class", "system", "n", *measures.values()], lines, right=["n"])


def _distance(report: Report) -> None:
    """Whether each system says that nothing is close where that is true, and only there."""
    from workbench.search.ranking.evaluate import ALL

    names = {"false_alarm": "wrongly: in domain", "detected": "rightly: out of domain"}
    lines = []
    for measure, name in names.items():
        rows = [r for r in report.rows if measure in r.intervals and (measure == "detected" or r.class_ == ALL)]
        if rows:
            lines.append([name, *(_interval(row.intervals[measure]) for row in rows[: len(report.systems)])])
    show.line("")
    show.table(['says "nothing is close"', *report.systems], lines)


def _interval(at: Interval) -> str:
    return f"{at.mean:.2f} {at.low:.2f}–{at.high:.2f}"


def _verdict(report: Report) -> str:
    from workbench.search.ranking.evaluate import ALL

    if not any("ndcg" in row.intervals for row in report.rows):
        return "No query in domain: there is no ranking to compare."
    behind = report.behind("hybrid", _ARMS)
    if not behind:
        return "On no class is hybrid behind the better of its arms by more than noise."
    said = [f"{d.class_} ({d.by.mean:+.2f} {d.by.low:+.2f}…{d.by.high:+.2f})" for d in behind if d.class_ != ALL]
    said += ["all in domain" for d in behind if d.class_ == ALL]
    return f"Hybrid is behind the better of its arms by more than noise on: {', '.join(said)}."


def _said(choice: Choice) -> str:
    """What became of the choice, and why."""
    from workbench.search.ranking.evaluate import ALL

    ndcg = {row.system: row.intervals["ndcg"] for row in choice.report.rows if row.class_ == ALL}
    by, k = choice.by.by, choice.report.k
    measured = f"nDCG@{k} {ndcg['best'].mean:.3f} on {by.count} tune queries, {ndcg['present'].mean:.3f} before"
    change = f"{by.mean:+.3f} {by.low:+.3f}…{by.high:+.3f}"
    if choice.kept:
        return f"Kept: {_weights(choice.weights)}: {measured} ({change})."
    if not (by.mean or by.low or by.high):
        return f"Nothing changed: no weights of the grid are better than the present ones ({measured})."
    return f"Nothing changed: {_weights(choice.weights)} is no better beyond noise: {measured} ({change})."


def _weights(weights: Weights) -> str:
    return f"meaning {weights.meaning:g}, words {weights.words:g} × coverage^{weights.power:g}, trade {weights.trade:g}"


def _json(report: Report, choice: Choice | None, dataset: str, split: str) -> dict[str, Any]:
    in_domain = any("ndcg" in row.intervals for row in report.rows)
    behind = report.behind("hybrid", _ARMS) if in_domain else ()
    out = {"dataset": dataset, "split": split, "behind": [d.to_dict() for d in behind]} | report.to_dict()
    if choice:
        w = choice.weights
        weights = {"meaning": w.meaning, "words": w.words, "trade": w.trade, "power": w.power}
        out["choice"] = {"kept": choice.kept, "weights": weights, "by": choice.by.to_dict(), "says": _said(choice)}
    return out


def _chosen(wb: Workbench, dataset: str, entries: Sequence[Labelled], k: int) -> Choice:
    with _trial(wb, dataset, entries) as (trial, bar):
        return trial.choose(entries, k=k, on_asked=_asking(bar, "choose"))


def _measured(wb: Workbench, dataset: str, entries: Sequence[Labelled], k: int) -> Report:
    with _trial(wb, dataset, entries) as (trial, bar):
        return trial.measure(entries, k=k, on_asked=_asking(bar, "ask"))


@contextmanager
def _trial(wb: Workbench, dataset: str, entries: Sequence[Labelled]) -> Iterator[tuple[Trial, Bar]]:
    from workbench.search.trial import Trial

    trial = Trial(wb.searcher, dataset)
    try:
        with Bar() as bar:
            bar("labels", 0, 0)
            yield trial, bar
    except QueryError:
        _check_conditions(trial, entries)
        raise


def _asking(bar: Bar, stage: str) -> Callable[[int, int], None]:
    return lambda done, total: bar(stage, done, total)


def _check_conditions(trial: Trial, entries: Sequence[Labelled]) -> None:
    """Raise InvalidError that names the query whose condition the dataset refuses."""
    told = ((entry, condition) for entry in entries for condition in (entry.where_relevant, entry.where_near))
    for entry, condition in told:
        try:
            if condition.strip():
                trial.judge(condition)
        except QueryError as error:
            raise InvalidError(
                f"The labelled query {entry.id!r} says what is right by a condition that {trial.dataset} refuses: "
                f"{error.message}",
                hint=error.hint,
            ) from error


def _labelled(files: Sequence[Path]) -> tuple[Labelled, ...]:
    from workbench.search.ranking.evaluate import parse_labelled
    from workbench.staffing.labelled import read_labelled

    return parse_labelled({str(path): _text(path) for path in files}) if files else read_labelled()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        near = (str(p) for p in path.parent.glob("*.jsonl"))
        raise NotFoundError.named("file", str(path), near) from None
    except IsADirectoryError:
        raise InvalidError(f"{path} is a folder; labelled queries are a file.", hint="lh eval FILE.jsonl …") from None
    except UnicodeDecodeError:
        raise InvalidError(f"{path} is not UTF-8 text.", hint=f"iconv -t UTF-8 {shlex.quote(str(path))}") from None


def _of(entries: Sequence[Labelled], split: str) -> list[Labelled]:
    kept = [entry for entry in entries if split in ("all", entry.split)]
    if not entries:
        raise InvalidError("There is no labelled query in what was given.", hint=f"A line is {_LINE}")
    if not kept:
        raise InvalidError(
            f"No labelled query is of the split {split}; given: {len(entries):,}.",
            hint='Each line says it: "split": "tune" or "split": "test". To ask all: --split all',
        )
    return kept


def _tunable(entries: Sequence[Labelled]) -> list[Labelled]:
    """The queries that weights can be chosen by: of the tune split, and some row is right."""
    kept = [entry for entry in _of(entries, "tune") if entry.in_domain]
    if not kept:
        raise InvalidError(
            "No labelled query of the split tune says which rows are right, so no weights can be chosen by them.",
            hint=f"A line is {_LINE}",
        )
    return kept
