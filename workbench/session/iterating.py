"""The loop on a lake: a model proposes from real candidates, the rules and validators of this lake decide."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from workbench.errors import NotFoundError
from workbench.lake.tables.mapping import literal, quote
from workbench.llm.attempts import Complaint, Limits, Report, Ruled, Run, Task
from workbench.llm.iterate import Watch
from workbench.llm.iterate import iterate as propose_and_judge
from workbench.session.briefing import WORKERS, Asked, Brief, Open, brief
from workbench.staffing.order_conditions import Condition
from workbench.staffing.validate.ids import normal_id
from workbench.staffing.validate.judge import check_kind
from workbench.staffing.validate.roster import NAMES

if TYPE_CHECKING:
    from workbench.lake.tables.manifest import Manifest
    from workbench.llm.chat import ChatModel
    from workbench.search.corpora import OnEmbed
    from workbench.staffing.validate.verdict import Verdict

Begin = Callable[[Brief], object]
GIVEN = "given"
"""What the record calls a model that came as an object and has no name."""


def iterate(
    wb: Open,
    kind: str,
    prompt: str,
    *,
    model: str | ChatModel = "",
    system: str = "",
    context: Mapping[str, Any] | None = None,
    candidates: Sequence[int | str] | None = None,
    k: int = 20,
    max_iterations: int = 3,
    temperature: float = 0.2,
    max_tokens: int = 4096,
    tokens: int | None = None,
    seconds: float | None = None,
    today: date | None = None,
    trace_id: str = "",
    cancel: threading.Event | None = None,
    watch: Watch | None = None,
    begin: Begin | None = None,
    on_progress: OnEmbed | None = None,
) -> Run:
    """Let a model propose a ``kind`` of artifact until the validator passes it: how it went, whichever way it ended.

    The prompt of a fill is an order's text: it is read into the validator's context (what ``context`` says wins), and
    the ``k`` best workers for it are the candidates that the model is given, unless ``candidates`` are ids. An email's
    ``context`` names whom it is about (candidate_id), for whom it is (audience), and the text of the ``order``.

    ``run.require()`` is the accepted artifact, or RejectedError (422) with the history. ``model``: a name, else the
    setting chat_model, or a `ChatModel`. ``tokens`` and ``seconds`` bound the run, ``max_tokens`` one answer. ``begin``
    is told the brief, ``watch`` each attempt as it ends; a set ``cancel`` ends the run. The session log has a line of
    each run.

    Raises ProviderError and its kind (502) when the model's server fails, the history in ``details``; InvalidError,
    NotFoundError and RejectedError before any model is asked, as `brief` does.
    """
    check_kind(kind)
    limits = Limits(max_iterations, tokens, seconds)
    asked = Asked(kind, prompt, context, candidates, k, today, on_progress)
    made = brief(wb, asked)
    trace_id = trace_id or uuid.uuid4().hex
    chosen, name = _chosen(wb, model, kind, trace_id)
    task = Task(
        kind,
        prompt,
        name,
        system,
        made.candidates,
        made.facts,
        made.context,
        temperature=temperature,
        max_tokens=max_tokens,
        trace_id=trace_id,
    )
    bench = _Bench(wb, made, today)
    if begin is not None:
        begin(made)
    with _names_shown(wb, made):
        return propose_and_judge(
            chosen,
            bench.judge,
            task,
            limits=limits,
            ground=bench.ground,
            cancel=cancel,
            watch=watch,
            log=wb.logs.sessions.note,
        )


def _chosen(wb: Open, model: str | ChatModel, kind: str, trace_id: str) -> tuple[ChatModel, str]:
    """The model to ask, each call noted in the ledger under this run, and its name."""
    noted = {"task": f"iterate:{kind}", "trace_id": trace_id}
    if isinstance(model, str):
        return wb.llm.for_task(**noted), model or wb.llm.default
    return wb.llm.noted(model, **noted), f"{GIVEN}/{type(model).__name__}"


@contextmanager
def _names_shown(wb: Open, made: Brief) -> Iterator[None]:
    """A model and whoever watches it see names of the roster: a row of the access log says so."""
    with wb.logs.looking("iterate", made.prompt, shown=bool(made.candidates)) as seeing:
        if seeing.look:
            roster = wb.lake.get(WORKERS)
            seen = (f"{roster.name}@{roster.version}",)
            seeing.look.saw(datasets=seen, columns=("name",), rows=len(made.candidates))
        yield


@dataclass(frozen=True, slots=True)
class Refused:
    """A report of the order's own conditions: what the validator passed does not meet them."""

    findings: tuple[Complaint, ...]

    @property
    def ok(self) -> bool:
        """It never is."""
        return False

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"ok": False, "findings": [finding.to_dict() for finding in self.findings]}


@dataclass(slots=True)
class _Bench:
    """What judges the proposals of one run. ``verdict``: the one on what passed last."""

    wb: Open
    brief: Brief
    today: date | None
    verdict: Verdict | None = field(default=None)

    def judge(self, artifact: dict[str, Any]) -> Report | Ruled:
        """Rules, validators, and what an order demands that none of them looks at (shift, skills, not last time's)."""
        judged = self.wb.judging.judge(self.brief.kind, artifact, self.brief.context, today=self.today)
        self.verdict = judged.report.verdict
        if judged.report.ok and self.brief.kind == "fill" and (unmet := self._unmet(judged.artifact)):
            return Ruled(Refused(unmet), judged.artifact)
        return Ruled(judged.report, judged.artifact)

    def ground(self, artifact: dict[str, Any]) -> bool | None:
        """Whether everybody named is in the very snapshot that the verdict is of.

        By SQL: a fault in the validator's own index of the roster would not be seen by that index.
        """
        ids = _ids(self.brief, artifact)
        if not ids:
            return None if self.brief.kind != "fill" else False
        return {normal_id(one) for one in ids} <= self._matching(ids)

    def _unmet(self, artifact: Mapping[str, Any]) -> tuple[Complaint, ...]:
        """A complaint for each worker and condition of the order that he does not meet; candidates meet them all."""
        given = {normal_id(str(row["candidate_id"])) for row in self.brief.candidates}
        places = {normal_id(fill["candidate_id"]): at for at, fill in enumerate(artifact["fills"])}
        others = list(places.keys() - given)
        there = self._matching(others) if others else set()  # who is not there at all is for `ground` to say
        if not there:
            return ()
        near = tuple(str(row["candidate_id"]) for row in self.brief.candidates)
        free = tuple(one for one in near if normal_id(one) not in places)[:3]
        return tuple(
            _complaint(places[who], artifact, condition, free)
            for condition in self.brief.conditions
            for who in sorted(there - self._matching(list(there), condition.sql), key=places.__getitem__)
        )

    def _matching(self, ids: Sequence[str], condition: str = "true") -> set[str]:
        """Those of the ids that are in the snapshot and meet the condition, as `normal_id` writes them."""
        manifest, key = self._roster()
        among = f"lower(CAST({quote(key)} AS VARCHAR)) IN ({', '.join(map(literal, _forms(ids)))})"
        found = self.wb.lake.queries.matching(manifest, key, f"{among} AND ({condition})")
        return {normal_id(str(one)) for one in found.to_pylist()}

    def _roster(self) -> tuple[Manifest, str]:
        """The snapshot that the verdict is of, and its column of ids."""
        if self.verdict is None or not self.verdict.roster:
            raise NotFoundError("The verdict names no roster.", hint="lh ingest workers.csv")
        manifest = self.wb.lake.get(self.verdict.roster)
        return manifest, next(column.name for name in NAMES["id"] if (column := manifest.column(name)))


def _forms(ids: Sequence[str]) -> list[str]:
    """How a roster may write the ids, in lower case."""
    return sorted({form for one in ids for form in (normal_id(one), f"w-{normal_id(one)}")})


def _complaint(at: int, artifact: Mapping[str, Any], condition: Condition, free: tuple[str, ...]) -> Complaint:
    path, who = f"fills[{at}].candidate_id", artifact["fills"][at]["candidate_id"]
    said = f"{who} does not meet the order: {condition.name}."
    return Complaint("order_condition", said, path, got=who, expected=condition.name, nearest_valid=free)


def _ids(made: Brief, artifact: Mapping[str, Any]) -> list[str]:
    """The people that an artifact is about, by id."""
    if made.kind == "fill":
        return [str(fill["candidate_id"]) for fill in artifact["fills"]]
    who = (made.context or {}).get("candidate_id")
    return [str(who)] if who is not None and made.kind == "email" else []
