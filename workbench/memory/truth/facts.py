"""What a rule may be about and what it may look at: a table, so that a misspelt name is an error and no dead rule."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.errors import InvalidError, NotFoundError

ANY = "any"
"""A rule for ``staffing.any`` is asked of every task class that begins with ``staffing.``."""

CLASSES = ("staffing.fill", "staffing.email", "staffing.playbook", "staffing.terraform", "staffing.ansible")
"""The task classes: one for each kind of artifact that can be judged."""

FACTS: Mapping[str, tuple[str, ...] | None] = {
    "artifact": None,
    "context": None,
    "workers": ("id", "role", "city", "state", "status", "active"),
    "endorsed_count": (),
}
"""The parts that a dotted path may begin with, and the names below each (None: whatever is there).

``artifact``: what was proposed, without its ``_context``. ``context``: what was asked for. ``workers``: of a fill, what
the roster knows of each person proposed, in their order, empty for nobody. ``endorsed_count``: how many are proposed.
"""

MASKABLE = ("artifact", "context")
"""The parts that a Redact action may mask: what the roster says is nobody's text."""


def check_class(task_class: str) -> None:
    """Raise InvalidError unless something is judged under this name."""
    if task_class not in CLASSES:
        hint = NotFoundError.named("task class", task_class, CLASSES).hint
        raise InvalidError(f"{task_class!r} is no task class.", hint=hint)


def classes_of_rules() -> tuple[str, ...]:
    """What a rule may name as its task class."""
    return (*CLASSES, *sorted({f"{name.partition('.')[0]}.{ANY}" for name in CLASSES}))


def covers(rule_class: str, task_class: str) -> bool:
    """Whether a rule of one class is asked of a task of the other."""
    family, _, name = rule_class.rpartition(".")
    return rule_class == task_class or (name == ANY and task_class.startswith(f"{family}."))
