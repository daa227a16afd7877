"""What ``%lhiterate`` gives: the attempts of a model one below the other, what was found in each, how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kernel_ext import covered, model_html
from kernel_ext.covered import Cover
from kernel_ext.result import duration
from kernel_ext.verdict import digests, finding_lines, verdict_in_words
from workbench.cli.grid import clean

if TYPE_CHECKING:
    import pyarrow as pa

    from kernel_ext.live import Place
    from workbench.llm.attempts import Attempt, Report, Run
    from workbench.session.briefing import Brief


_ID = 12  # characters that tell two runs apart
_NAMES = {"target_count": "places", "must": "with", "must_not": "without", "exclude_ids": "not"}


@dataclass(frozen=True)
class Timeline:
    """A run of the loop. ``run`` is what ``wb.iterate`` gave; ``FROM name`` reads its attempts as a table."""

    run: Run
    show_pii: bool = False
    notes: tuple[str, ...] = ()  # what the reader should know of the order
    matching: int | None = None  # how many fit the order, of whom the model was given the best
    _printed: list[bool] = field(default_factory=list, repr=False)  # a terminal has seen the attempts come

    @property
    def accepted(self) -> bool:
        """Whether there is an artifact that may be used."""
        return self.run.accepted

    @property
    def artifact(self) -> dict[str, Any] | None:
        """What was accepted, exactly as it was judged; None when nothing was."""
        return self.run.artifact

    @property
    def report(self) -> Report | None:
        """The validator's report on what was accepted."""
        return self.run.report

    @property
    def history(self) -> list[dict[str, Any]]:
        """The attempts as JSON."""
        return self.run.history

    @property
    def says(self) -> str:
        """The end in one sentence."""
        return self.run.says

    def require(self) -> dict[str, Any]:
        """The accepted artifact. Raises RejectedError when there is none."""
        return self.run.require()

    @cached_property
    def shown(self) -> Run:
        """The run with personal data covered."""
        run, hide = self.run, self._hide
        task = replace(
            run.task,
            model=hide(run.task.model),
            facts=covered.nested(run.task.facts, hide),
            trace_id=hide(run.task.trace_id),
        )
        return replace(
            run,
            task=task,
            attempts=tuple(attempt_shown(attempt, hide) for attempt in run.attempts),
            artifact=covered.nested(run.artifact, hide),
            problem=hide(run.problem),
        )

    @cached_property
    def table(self) -> pa.Table:
        """The attempts: iteration, status, errors, findings, changed, kept, tokens, duration_s, model."""
        import pyarrow as pa

        shown = self.shown.attempts
        return pa.table({
            "iteration": pa.array([a.iteration for a in shown], pa.int64()),
            "status": pa.array([a.status for a in shown], pa.string()),
            "errors": pa.array([sum(f.severity == "error" for f in a.findings) for a in shown], pa.int64()),
            "findings": pa.array([[f.message for f in a.findings] for a in shown], pa.list_(pa.string())),
            "changed": pa.array([len(a.diff) for a in shown], pa.int64()),
            "kept": pa.array([a.kept for a in shown], pa.int64()),
            "tokens": pa.array([a.tokens for a in shown], pa.int64()),
            "duration_s": pa.array([a.duration_s for a in shown], pa.float64()),
            "model": pa.array([a.model for a in shown], pa.string()),
        })  # fmt: skip

    @property
    def line(self) -> str:
        """What the run took, and what the verdict holds for."""
        run = self.shown
        grounded = "everybody is on the roster" if run.grounded else ""
        verdict = getattr(run.report, "verdict", None)
        took = f"{run.tokens:,} tokens · {duration(run.duration_s)}"
        trace = f"run {run.task.trace_id[:_ID]}"
        return " · ".join(filter(None, [took, grounded, digests(verdict) if verdict else "", trace]))

    def __repr__(self) -> str:
        return self.to_text()

    def to_text(self) -> str:
        """As plain text: every attempt, then the end."""
        task = self.shown.task
        top = [*map(self._hide, self.notes), understood_text(task.facts, len(task.candidates), self.matching)]
        return "\n".join([*map(clean, filter(None, top)), *map(attempt_text, self.shown.attempts), self.end_text()])

    def end_text(self) -> str:
        """How it ended, and what was accepted."""
        run = self.shown
        problem = [clean(f"  {run.problem}")] if run.problem else []
        return "\n".join([self.says, *problem, *_artifact_lines(run.artifact or {}), self.line])

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython's own signature
        is_printed = bool(self._printed and self._printed.pop())
        printer.text("…" if cycle else self.end_text() if is_printed else self.to_text())

    def _repr_html_(self) -> str:
        mark, tone = ("✓", "good") if self.accepted else ("✗", "bad")
        run, task = self.shown, self.shown.task
        return model_html.framed(
            model_html.head(self.says, asked(task.kind, task.model), mark=mark, tone=tone),
            model_html.notes((*map(self._hide, self.notes), *filter(None, [run.problem]))),
            understood(task.facts, len(task.candidates), self.matching),
            steps(run.attempts),
            model_html.artifact(run.artifact) if run.artifact else "",
            model_html.line(self.line),
        )

    @property
    def _hide(self) -> Cover:
        return covered.cover(show_pii=self.show_pii)


class Growing:
    """The timeline while the loop runs: `begin` is told the brief, and each attempt calls it as it ends."""

    def __init__(self, place: Place, title: str, most: int, hide: Cover) -> None:
        self._place, self._title, self._most, self._hide = place, title, most, hide
        self._attempts: list[Attempt] = []
        self._top: tuple[str, str] = ("", "")  # what was understood, as HTML and as text
        self.notes: tuple[str, ...] = ()
        self.matching: int | None = None

    def begin(self, brief: Brief) -> None:
        """The order was read and the candidates are there; now the model is asked."""
        doubts = brief.order.doubts if brief.order else ()
        self.notes = tuple(self._hide(said) for said in (*doubts, *brief.notes))
        self.matching = brief.matching
        facts = covered.nested(brief.facts, self._hide)
        text = understood_text(facts, len(brief.candidates), brief.matching)
        html = model_html.notes(self.notes) + understood(facts, len(brief.candidates), brief.matching)
        self._top = (html, "\n".join(filter(None, (*self.notes, text))))
        self._place.say(f"{self._top[1]}\n" if self._top[1] else "")
        self._draw(1)

    def __call__(self, attempt: Attempt) -> None:
        """One more attempt has ended."""
        shown = attempt_shown(attempt, self._hide)
        self._attempts.append(shown)
        self._place.say(attempt_text(shown) + "\n")
        is_over = attempt.status == "accepted" or attempt.iteration >= self._most
        self._draw(0 if is_over else attempt.iteration + 1)

    def _draw(self, waiting: int) -> None:
        """``waiting``: the number of the attempt that is under way, 0 for none."""
        said = f"attempt {waiting} of at most {self._most}" if waiting else ""
        top = model_html.head(self._title, said)
        html = model_html.framed(top, self._top[0], steps(self._attempts, waiting=waiting))
        texts = [self._title, self._top[1], *(attempt_text(one) for one in self._attempts), said]
        self._place.draw(html, "\n".join(filter(None, texts)))


def _facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was understood of an order: ``role`` and ``Forklift Operator``."""
    return [
        (_NAMES.get(name, name.replace("_", " ")), value if isinstance(value, str) else model_html.value(value))
        for name, value in facts.items()
        if value not in (None, "", [], ())
    ]


def _candidates(count: int, matching: int | None) -> str:
    if matching is not None:
        return f"the model may propose {count} of {matching:,} who fit"
    return f"the model may propose {count} candidate{'' if count == 1 else 's'}" if count else ""


def understood(facts: Mapping[str, Any], count: int, matching: int | None = None) -> str:
    """The facts as chips, and how many may be proposed."""
    chips = "".join(
        f"<span><i>{name}</i> {said}</span>" for name, said in (map(model_html.safe, f) for f in _facts(facts))
    )
    given = model_html.safe(_candidates(count, matching))
    return f'<div class="lh-facts">{chips}<div>{given}</div></div>' if chips or given else ""


def understood_text(facts: Mapping[str, Any], count: int, matching: int | None = None) -> str:
    """The same in a line."""
    return clean(" · ".join(filter(None, [*map(" ".join, _facts(facts)), _candidates(count, matching)])))


def asked(kind: str, model: str) -> str:
    """``fill by ollama/qwen3``."""
    return f"{kind} by {model}" if model else kind


def attempt_shown(attempt: Attempt, hide: Cover) -> Attempt:
    """An attempt with personal data covered."""
    return replace(
        attempt,
        raw=hide(attempt.raw),
        model=hide(attempt.model),
        provider=hide(attempt.provider),
        findings=covered.findings(attempt.findings, hide),
        diff=covered.changes(attempt.diff, hide),
        artifact=covered.nested(attempt.artifact, hide),
    )


def attempt_head(attempt: Attempt) -> tuple[str, str]:
    """``refused``, and ``2 errors · kept 1 · 412 tokens · 0.8 s``."""
    found = tuple(attempt.findings)
    end, _, counted = verdict_in_words(found).partition(": ")
    end = {"accepted": "accepted", "no_json": "no JSON in the answer"}.get(attempt.status, end)
    kept = f"{attempt.kept} kept" if attempt.kept else ""
    tokens = f"{'about ' if attempt.estimated else ''}{attempt.tokens:,} tokens"
    counted = "" if attempt.status == "no_json" else counted
    return end, " · ".join(x for x in (counted, kept, tokens, duration(attempt.duration_s)) if x)


def attempt_text(attempt: Attempt) -> str:
    """An attempt in a few lines: how it ended, what changed, what was found."""
    end, counted = attempt_head(attempt)
    mark = "✓" if attempt.status == "accepted" else "✗"
    changed = [f"    proposed: {proposed(attempt)}"] if proposed(attempt) else []
    changed += [f"    {c.path}: {model_html.value(c.was)} → {model_html.value(c.now)}"
               for c in attempt.diff[: model_html.CHANGES]]  # fmt: skip
    if len(attempt.diff) > model_html.CHANGES:
        changed.append(f"    and {len(attempt.diff) - model_html.CHANGES} more")
    found = finding_lines(tuple(f for f in attempt.findings if f.severity != "info"))
    return "\n".join([f"{attempt.iteration} {mark} {end} · {counted}", *map(clean, changed), *found])


def proposed(attempt: Attempt) -> str:
    """What was proposed, in a line, where no change says it: people by id and name, else its fields."""
    if attempt.diff or not attempt.artifact or attempt.status == "no_json":
        return ""
    fills = attempt.artifact.get("fills")
    if isinstance(fills, list) and fills and all(isinstance(fill, dict) for fill in fills):
        return " · ".join(" ".join(str(value) for value in fill.values()) for fill in fills)
    return " · ".join(f"{name}: {model_html.value(value)}" for name, value in attempt.artifact.items())


def steps(attempts: Sequence[Attempt], *, waiting: int = 0) -> str:
    """The attempts as a list with a line down its side; ``waiting``: the number of the one under way."""
    rows = [_step(attempt) for attempt in attempts]
    if waiting:
        rows.append(
            f'<li class="lh-wait"><i class="lh-dot" style="font-style:normal">{waiting}</i>'
            '<div class="lh-step-head" role="status"><span style="margin-left:0">the model is asked …</span></div></li>'
        )
    return f'<ol class="lh-steps">{"".join(rows)}</ol>' if rows else ""


def _step(attempt: Attempt) -> str:
    end, counted = attempt_head(attempt)
    tone, mark = ("good", "✓") if attempt.status == "accepted" else ("bad", "✗")
    answer = model_html.more("the model's answer", model_html.code(attempt.raw or "(nothing)"))
    return (
        f'<li class="lh-{tone}"><i class="lh-dot" style="font-style:normal" aria-hidden="true">{mark}</i>'
        f'<div class="lh-step-head"><b>Attempt {attempt.iteration} {model_html.safe(end)}</b> '
        f"<span>{model_html.safe(counted)}</span></div>"
        f"{_proposed_html(attempt)}{model_html.changes(attempt.diff)}{model_html.findings(attempt.findings)}{answer}</li>"
    )


def _proposed_html(attempt: Attempt) -> str:
    said = proposed(attempt)
    return f'<div class="lh-change">proposed {model_html.safe(said)}</div>' if said else ""


def _artifact_lines(made: dict[str, Any]) -> list[str]:
    out = []
    for name, held in made.items():
        rows = held if isinstance(held, list) and all(isinstance(row, dict) for row in held) else None
        if rows is None:
            out.append(clean(f"  {name}: {held if isinstance(held, str) else model_html.value(held, 2_000)}"))
        else:
            out += [f"  {name}:", *(clean(f"    {'  '.join(map(str, row.values()))}") for row in rows)]
    return out
