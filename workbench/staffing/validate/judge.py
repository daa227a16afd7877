"""One door for all validators: the kind chooses the rules, a crash refuses, a verdict names what was judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from workbench.errors import InvalidError, NotFoundError
from workbench.staffing.validate.email import ORDER, check_email
from workbench.staffing.validate.fill import check_fill
from workbench.staffing.validate.numbers import hide_numbers
from workbench.staffing.validate.playbook import check_playbook
from workbench.staffing.validate.records import Desk
from workbench.staffing.validate.report import LAYERS, Finding, Layer, Report, error, in_order
from workbench.staffing.validate.verdict import VERSION, Verdict, canonical, digest, effective_context

Check = Callable[[Any, Any, Desk, date], Iterable[Finding]]

_NOT_IMPLEMENTED = ("terraform", "ansible")
KINDS = ("fill", "email", "playbook", *_NOT_IMPLEMENTED)
EMPTY = Desk()


def _none_of(kind: str) -> Check:
    def check(_artifact: Any, _context: Any, _desk: Desk, _today: date) -> Iterable[Finding]:
        yield error("not_implemented", "kind", f"Validation of {kind} artifacts is not implemented.", got=kind)

    return check


_CHECKS: Mapping[str, tuple[Check, tuple[Layer, ...]]] = {
    "fill": (check_fill, LAYERS),
    "email": (lambda artifact, context, desk, _: check_email(artifact, context, desk), ORDER),
    "playbook": (lambda artifact, context, _desk, _day: check_playbook(artifact, context), LAYERS),
    **{kind: (_none_of(kind), LAYERS) for kind in _NOT_IMPLEMENTED},
}


def check_kind(kind: str) -> None:
    """Raise InvalidError unless ``kind`` is one of `KINDS`."""
    if kind not in KINDS:
        hint = NotFoundError.named("kind of artifact", str(kind), KINDS).hint
        raise InvalidError(f"{kind!r} is no kind of artifact.", hint=hint)


def judge(kind: str, artifact: Any, context: Any = None, *, desk: Desk = EMPTY, today: date | None = None) -> Report:
    """Everything that is wrong with an artifact, and a verdict that holds for exactly these bytes.

    ``context`` describes what was asked for; only without one the artifact's own ``_context`` is read. ``today``: from
    which a pitch is recent. A validator that crashes refuses. Raises InvalidError for an unknown kind.
    """
    check_kind(kind)
    day = today or datetime.now().astimezone().date()
    check, layers = _CHECKS[kind]
    verdict = None
    try:
        asked = effective_context(artifact, context)
        before = digest(artifact), digest(asked)
        findings = list(check(artifact, asked, desk, day))
        if context is not None and isinstance(artifact, Mapping) and _differs(artifact.get("_context"), context):
            said = "The artifact brings a _context of its own; the caller's was used instead."
            findings.append(Finding("bad_context", "_context", "warning", said))
        judged = in_order(findings, layers)
        verdict = _verdict(kind, before, desk, day, passed=Report(kind, judged).ok)
    except InvalidError as problem:
        judged = (error("bad_artifact", "artifact", problem.message),)
    except Exception as crash:  # noqa: BLE001 - a validator that crashes must refuse, whatever went wrong in it
        said = f"The {kind} validator crashed ({type(crash).__name__}); what it cannot judge does not pass."
        judged = (error("validator_crashed", "artifact", said, evidence={"crash": str(crash)[:500]}),)
    return Report(kind, tuple(map(hide_numbers, judged)), verdict)


def _differs(own: Any, given: Any) -> bool:
    return own is not None and canonical(own) != canonical(given)


def _verdict(kind: str, digests: tuple[str, str], desk: Desk, day: date, *, passed: bool) -> Verdict:
    roster = desk.roster.snapshot if desk.roster else ""
    return Verdict(passed, *digests, roster, desk.snapshots, f"{kind}/{VERSION}", day)
