"""What the rules said, as findings of a report."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from workbench.memory.truth import Block, Outcome, Redact, Reject, Ruling
from workbench.memory.truth.conditions import FieldGreater, FieldMismatch
from workbench.memory.truth.paths import MISSING, at, shown
from workbench.pii.masks import WHOLE, mask_text
from workbench.staffing.validate.report import Finding, error

ITEMS = {"fill": "fills", "playbook": "endorsed_names"}
"""The field of an artifact that lists who is proposed."""

_SHOWN_CHARS = 200


def findings_of(ruling: Ruling, facts: Mapping[str, Any], kind: str) -> tuple[Finding, ...]:
    """Every no, everything that was covered, and what could not be checked, in the order of the rules.

    ``facts``: as the rules saw them. What was covered is told in no finding, whichever rule found it.
    """
    items = ITEMS.get(kind, "artifact")
    return tuple(found for outcome in ruling.outcomes for found in _said(outcome, facts, ruling.facts, items))


def _said(outcome: Outcome, facts: Mapping[str, Any], masked: Mapping[str, Any], items: str) -> Iterator[Finding]:
    rule = outcome.rule
    evidence = {"rule": rule.id, "from": rule.source, "task_class": rule.task_class}
    action = rule.action
    if outcome.state == "crashed":
        said = f"The rule {rule.id} crashed ({outcome.crash}); what it cannot judge does not pass."
        yield error("rule_crashed", "artifact", said, evidence=evidence)
    elif outcome.state == "not checked":
        root = rule.condition.needs
        said = f"The rule {rule.id} was not checked: there is no {root}."
        yield Finding("not_checked", place_of((root,), items), "info", said, evidence=evidence)
    elif outcome.state == "held" and isinstance(action, Redact):
        for place in outcome.places:
            said = f"{place_of(place.where, items)} was covered by the rule {rule.id}."
            yield Finding("rule_redacted", place_of(place.where, items), "info", said, WHOLE, evidence=evidence)
    elif outcome.state == "held" and isinstance(action, Reject | Block):
        code = "rule_blocked" if isinstance(action, Block) else "rule_rejected"
        expected = _expected(outcome, masked)
        for place in outcome.places:
            got = _told(place.value) if at(facts, place) == at(masked, place) else WHOLE
            said = f"{action.message} (rule {rule.id})"
            yield error(code, place_of(place.where, items), said, got=got, expected=expected, evidence=evidence)


def _expected(outcome: Outcome, masked: Mapping[str, Any]) -> Any:
    """What would have passed, where the condition says it."""
    condition = outcome.rule.condition
    if not isinstance(condition, FieldMismatch | FieldGreater):
        return None
    known = [_told(one) for one in condition.against.known(masked)]
    if isinstance(condition, FieldGreater):
        return f"at most {' and '.join(map(str, known))}"
    return known[0] if len(known) == 1 else known


def place_of(where: tuple[str | int, ...], items: str) -> str:
    """A place among the facts as findings name places: ``fills[3].candidate_id`` for the fourth worker.

    ``items``: the field of the artifact that lists who is proposed.
    """
    root, below = where[:1], where[1:]
    if root == ("context",):
        return shown(("_context", *below))
    if root == ("workers",):
        return shown((items, below[0], "candidate_id")) if below and isinstance(below[0], int) else items
    if root == ("endorsed_count",):
        return items
    return shown(below) or "artifact"


def _told(value: Any) -> Any:
    """A value as a finding may tell it: a scalar, personal data covered, and no longer than a line or two."""
    if isinstance(value, str):
        return mask_text(value)[:_SHOWN_CHARS]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or value is MISSING or isinstance(value, bool | int | float):
        return None if value is MISSING else value
    return type(value).__name__
