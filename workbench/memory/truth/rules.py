"""A rule: what it is about, when it acts, and what it does then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.memory.truth.conditions import Condition
from workbench.memory.truth.paths import DottedPath

BUILT_IN = "built-in"
"""Where the rules of the package come from, in words."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Nothing follows. It is seen in a trial; it never outweighs another rule's no."""

    says: str = "pass"

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"type": "Pass"}


@dataclass(frozen=True, slots=True)
class Reject:
    """The artifact is refused; the validators still say what else is wrong, and a model may mend it."""

    message: str

    @property
    def says(self) -> str:
        """In words."""
        return f"reject: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"type": "Reject", "message": self.message}


@dataclass(frozen=True, slots=True)
class Redact:
    """What stands at the fields is covered before anything else sees it."""

    fields: tuple[DottedPath, ...]

    @property
    def says(self) -> str:
        """In words."""
        return f"redact {', '.join(path.text for path in self.fields)}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"type": "Redact", "fields": [path.text for path in self.fields]}


@dataclass(frozen=True, slots=True)
class Block:
    """The task ends here: nothing else judges it and no model is asked again."""

    message: str

    @property
    def says(self) -> str:
        """In words."""
        return f"block: {self.message}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"type": "Block", "message": self.message}


Action = Pass | Reject | Redact | Block


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. ``file`` is `BUILT_IN` or the name of its file, ``line`` where it begins there (None: not known)."""

    id: str
    task_class: str
    description: str
    condition: Condition
    action: Action
    file: str = BUILT_IN
    line: int | None = None

    @property
    def source(self) -> str:
        """Where it comes from: ``built-in`` or ``night.toml:12``."""
        return self.file if self.line is None or self.file == BUILT_IN else f"{self.file}:{self.line}"

    def to_dict(self) -> dict[str, Any]:
        """JSON form, the place left out: where a rule is written does not change what it says."""
        return {
            "id": self.id,
            "task_class": self.task_class,
            "description": self.description,
            "condition": self.condition.to_dict(),
            "action": self.action.to_dict(),
        }
