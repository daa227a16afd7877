"""All rules in force, and what they say of the facts of one task."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workbench.memory.truth.facts import covers
from workbench.memory.truth.paths import Place, at, cover
from workbench.memory.truth.rules import Block, Redact, Reject, Rule

State = Literal["held", "not held", "not checked", "crashed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one rule. ``places``: where its condition held; ``crash``: the kind of fault that stopped it."""

    rule: Rule
    state: State
    places: tuple[Place, ...] = ()
    crash: str = ""

    @property
    def rejects(self) -> bool:
        """Whether it refuses the artifact."""
        return self.state == "held" and isinstance(self.rule.action, Reject)

    @property
    def blocks(self) -> bool:
        """Whether it ends the task. A rule that crashed does: what it would have refused or masked is not known."""
        return self.state == "crashed" or (self.state == "held" and isinstance(self.rule.action, Block))


@dataclass(frozen=True, slots=True)
class Ruling:
    """What all rules said, in their order. ``facts`` are the facts with what is to be masked covered.

    When a rule crashed, ``facts`` is empty: nobody knows what should have been covered.
    """

    outcomes: tuple[Outcome, ...]
    facts: Mapping[str, Any]

    @property
    def blocked(self) -> bool:
        """Whether the task ends here."""
        return any(one.blocks for one in self.outcomes)

    @property
    def crashed(self) -> bool:
        """Whether a rule could not be judged."""
        return any(one.state == "crashed" for one in self.outcomes)

    @property
    def ok(self) -> bool:
        """Whether no rule refuses."""
        return not any(one.blocks or one.rejects for one in self.outcomes)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The rules in force: those that are built in, then those of the files, by the names of the files."""

    rules: tuple[Rule, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of what the rules say, in their order, hex: another rule, another digest."""
        text = json.dumps([rule.to_dict() for rule in self.rules], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def of(self, task_class: str) -> tuple[Rule, ...]:
        """The rules that a task of this class is judged by."""
        return tuple(rule for rule in self.rules if covers(rule.task_class, task_class))

    def judge(self, task_class: str, facts: Mapping[str, Any]) -> Ruling:
        """Ask every rule. All look at the facts as they are; what is to be masked is covered afterwards, at once.

        So no rule can hide from another what that one would refuse. Never raises: a rule that crashes is an outcome.
        """
        outcomes = [_asked(rule, facts) for rule in self.of(task_class)]
        masked: Mapping[str, Any] = facts
        for n, outcome in enumerate(outcomes):
            if outcome.state == "held" and isinstance(outcome.rule.action, Redact):
                outcomes[n], masked = _redacted(outcome, outcome.rule.action, masked)
        crashed = any(outcome.state == "crashed" for outcome in outcomes)
        return Ruling(tuple(outcomes), {} if crashed else masked)


def _asked(rule: Rule, facts: Mapping[str, Any]) -> Outcome:
    try:
        if rule.condition.needs and rule.condition.needs not in facts:
            return Outcome(rule, "not checked")
        places = tuple(rule.condition.hits(facts))
    except Exception as crash:  # noqa: BLE001 - a rule that crashes must refuse, whatever went wrong in it
        return Outcome(rule, "crashed", crash=type(crash).__name__)
    return Outcome(rule, "held" if places else "not held", places)


def _redacted(outcome: Outcome, action: Redact, facts: Mapping[str, Any]) -> tuple[Outcome, Mapping[str, Any]]:
    """The facts with the fields covered; the places of the outcome are then those that really were."""
    try:
        places = tuple(place for path in action.fields for place in path.find(facts))
        masked = facts
        for path in action.fields:
            masked = cover(masked, path.parts)
        changed = tuple(Place(place.where, now) for place in places if (now := at(masked, place)) != place.value)
    except Exception as crash:  # noqa: BLE001 - what could not be masked must go nowhere
        return Outcome(outcome.rule, "crashed", crash=type(crash).__name__), facts
    return Outcome(outcome.rule, "held", changed), masked
