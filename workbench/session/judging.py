"""Truth rules, then validators: the one way in which anything is judged, through whichever door it comes.

A rule that rejects or blocks is a finding of the report in the layer Policy: what the house lays down is a policy, and
the order of the layers in the wire form is fixed, so what a validator says of schema, count and roster stays first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

from workbench.errors import InvalidError, RejectedError
from workbench.memory.truth import Redact, RuleBook, Ruling, check_class, cover, read_book, stamp
from workbench.memory.truth.folder import Stamp
from workbench.session.ruled import ITEMS, findings_of
from workbench.staffing.validate.desks import LakeDesk
from workbench.staffing.validate.email import ORDER
from workbench.staffing.validate.judge import check_kind, judge
from workbench.staffing.validate.records import Desk
from workbench.staffing.validate.report import LAYERS, Finding, Report, error, in_order
from workbench.staffing.validate.roster import Lookup, SameRole, Wanted, Worker
from workbench.staffing.validate.verdict import VERSION, Verdict, digest, effective_context

CONTEXT = "_context"
FAMILY = "staffing"
"""What the task classes of all kinds of artifact begin with: ``staffing.fill``."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A report, and what it holds for: artifact and context with everything covered that a Redact rule covers.

    Nobody may be given the originals: ``report.allows`` says yes to these alone. Both are empty when a rule crashed,
    since nobody knows what it would have covered.
    """

    report: Report
    artifact: Any
    context: Any = None

    @property
    def ok(self) -> bool:
        """Whether it passed."""
        return self.report.ok

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, those of the rules among them."""
        return self.report.findings


class Judging:
    """Judges by the rules in force and, where none of them ends the task, by the validators."""

    def __init__(self, validators: LakeDesk, folder: Path | None = None) -> None:
        self._validators = validators
        self._folder = folder
        self._kept: tuple[Stamp, RuleBook, str] | None = None

    @property
    def book(self) -> RuleBook:
        """The rules in force, read again when a file of the folder has changed. Raises ConfigError as `read_book`."""
        return self._book()[0]

    def judge(self, kind: str, artifact: Any, context: Any = None, *, today: date | None = None) -> Judged:
        """Rules first: what they cover no validator sees, and a block ends it. Then the validators of the kind.

        ``context`` as in `judge`. A rule that crashes refuses. The verdict names the version of the rules. Raises
        InvalidError for an unknown kind, ConfigError for rules that cannot be read.
        """
        check_kind(kind)
        book, version = self._book()
        desk = self._validators.desk(kind, context)
        if desk.roster is not None:
            desk = replace(desk, roster=_Remembering(desk.roster))
        try:
            facts = _facts(kind, artifact, effective_context(artifact, context), desk)
        except Exception as crash:  # noqa: BLE001 - what no rule can look at does not pass
            said = f"No rule could look at the {kind} ({type(crash).__name__}); what cannot be judged does not pass."
            return Judged(Report(kind, (error("rule_crashed", "artifact", said),)), {})
        ruling = book.judge(f"{FAMILY}.{kind}", facts)
        ruled = findings_of(ruling, facts, kind)
        if ruling.crashed:
            return Judged(Report(kind, ruled), {})
        artifact, context = _covered(ruling, artifact, context)
        if ruling.blocked:
            report = Report(kind, ruled, _refusal(kind, artifact, context, desk, today))
        else:
            report = _merged(judge(kind, artifact, context, desk=desk, today=today), ruled)
        return Judged(_versioned(report, version), artifact, context)

    def admit(self, kind: str, context: Any) -> Any:
        """The context as a model may see it, before it is asked for anything: what a Redact rule covers is covered.

        Raises RejectedError with the report in its details when a rule that needs no more than the context says no,
        InvalidError for an unknown kind, ConfigError for rules that cannot be read.
        """
        check_kind(kind)
        facts = {} if context is None else {"context": context}
        ruling = self.book.judge(f"{FAMILY}.{kind}", facts)
        if not ruling.ok:
            report = Report(kind, findings_of(ruling, facts, kind))
            first = next(found for found in report.findings if found.severity == "error")
            raise RejectedError(
                f"No model is asked for this {kind}: {first.message}",
                hint="lh rules prints the rules in force.",
                details=report.to_dict(),
            )
        return _covered(ruling, None, context)[1]

    def trial(
        self, task_class: str, artifact: Any = None, context: Any = None, *, book: RuleBook | None = None
    ) -> Ruling:
        """What every rule of a task class says of an artifact and a context, or of the context alone; no validator.

        ``book``: other rules than those in force. Raises InvalidError for an unknown task class.
        """
        check_class(task_class)
        facts: Mapping[str, Any] = {} if context is None else {"context": context}
        if artifact is not None:
            kind = task_class.removeprefix(f"{FAMILY}.")
            facts = _facts(kind, artifact, effective_context(artifact, context), self._validators.desk(kind))
        return (book or self.book).judge(task_class, facts)

    def _book(self) -> tuple[RuleBook, str]:
        now = stamp(self._folder)
        kept = self._kept
        if kept is None or kept[0] != now:
            book = read_book(self._folder)
            self._kept = kept = (now, book, book.digest)
        return kept[1], kept[2]


def _facts(kind: str, artifact: Any, asked: Any, desk: Desk) -> dict[str, Any]:
    """What the rules may look at: see `workbench.memory.truth.facts.FACTS`."""
    plain = isinstance(artifact, Mapping)
    facts: dict[str, Any] = {
        "artifact": {name: value for name, value in artifact.items() if name != CONTEXT} if plain else artifact
    }
    if asked is not None:
        facts["context"] = asked
    items = artifact.get(ITEMS.get(kind, "")) if plain else None
    if isinstance(items, list):
        facts["endorsed_count"] = len(items)
        if kind == "fill" and desk.roster is not None:
            facts["workers"] = _workers(items, desk.roster)
    return facts


def _workers(fills: Sequence[Any], roster: Lookup) -> list[dict[str, Any]]:
    """What the roster knows of each person proposed; {} for nobody, and for an entry that names none."""
    ids = [fill.get("candidate_id") if isinstance(fill, Mapping) else None for fill in fills]
    known = [one for one in ids if isinstance(one, str) and one.strip()]
    found = dict(zip(known, roster.find(known), strict=True))
    return [_worker(found.get(one)) if isinstance(one, str) else {} for one in ids]


def _worker(worker: Worker | None) -> dict[str, Any]:
    if worker is None:
        return {}
    return {
        "id": worker.id,
        "role": worker.role,
        "city": worker.city,
        "state": worker.state,
        "status": worker.status,
        "active": worker.active,
    }


class _Remembering:
    """A roster that remembers its last question: rules and validator ask for the same people."""

    def __init__(self, roster: Lookup) -> None:
        self._roster = roster
        self._last: tuple[list[str], list[Worker | None]] = ([], [])

    @property
    def snapshot(self) -> str:
        return self._roster.snapshot

    def find(self, ids: Sequence[str]) -> list[Worker | None]:
        if self._last[0] != list(ids):
            self._last = (list(ids), self._roster.find(ids))
        return self._last[1]

    def near(
        self, asked: Sequence[tuple[str, str]], wanted: Wanted, same_role: SameRole, *, without: Collection[str] = ()
    ) -> list[tuple[Worker, ...]]:
        return self._roster.near(asked, wanted, same_role, without=without)

    def called(self, names: Iterable[str]) -> tuple[str, ...]:
        return self._roster.called(names)


def _covered(ruling: Ruling, artifact: Any, context: Any) -> tuple[Any, Any]:
    """Both with the fields of the Redact rules that acted covered; a ``_context`` in the artifact as the context."""
    for outcome in ruling.outcomes:
        if outcome.state == "held" and isinstance(outcome.rule.action, Redact):
            for path in outcome.rule.action.fields:
                below = path.parts[1:]
                artifact = cover(artifact, below if path.root == "artifact" else (CONTEXT, *below))
                context = cover(context, below) if path.root == "context" else context
    return artifact, context


def _merged(report: Report, ruled: tuple[Finding, ...]) -> Report:
    """The rules' findings go before the validator's own of their layer: they were judged first."""
    if not ruled:
        return report
    layers = ORDER if report.kind == "email" else LAYERS
    return replace(report, findings=in_order([*ruled, *report.findings], layers))


def _versioned(report: Report, version: str) -> Report:
    if report.verdict is None:
        return report
    validator = f"{report.verdict.validator} rules/{version[:12]}"
    return replace(report, verdict=replace(report.verdict, validator=validator, passed=report.ok))


def _refusal(kind: str, artifact: Any, context: Any, desk: Desk, today: date | None) -> Verdict | None:
    """The verdict on what a rule ended: it names what was refused, if that can be written as JSON."""
    try:
        digests = digest(artifact), digest(effective_context(artifact, context))
    except InvalidError:
        return None
    day = today or datetime.now().astimezone().date()
    roster = desk.roster.snapshot if desk.roster else ""
    return Verdict(False, *digests, roster, desk.snapshots, f"{kind}/{VERSION}", day)  # noqa: FBT003
