"""What a run of the loop is made of: the task, the limits, the attempts and how it ended. Frozen values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from workbench.errors import InvalidError, RejectedError
from workbench.llm.changes import Change

RAW_CHARS = 2_000
"""How much of an answer the history keeps (contract: raw ≤ 2,000)."""
ITERATIONS = 20
"""The most that may be asked for."""

Status = Literal["no_json", "validation_failed", "accepted"]
Stopped = Literal[
    "accepted", "iterations", "repeated", "tokens", "seconds", "cancelled", "validator_failed", "model_failed"
]
FinalVerdict = Literal["accepted", "max_iter_exhausted", "infra_error"]

ENDS: Mapping[Stopped, tuple[FinalVerdict, str]] = {
    "accepted": ("accepted", "the validator passed it"),
    "iterations": ("max_iter_exhausted", "the attempts are used up"),
    "repeated": ("max_iter_exhausted", "the same findings came twice"),
    "tokens": ("max_iter_exhausted", "the budget of tokens is used up"),
    "seconds": ("max_iter_exhausted", "the budget of seconds is used up"),
    "cancelled": ("infra_error", "it was cancelled"),
    "validator_failed": ("infra_error", "the validator failed, and what is not judged is refused"),
    "model_failed": ("infra_error", "the model's server failed"),
}
"""Each end of a run: what the session log calls it, and in words. ``infra_error`` says nothing about the model."""


class Finding(Protocol):
    """What the loop reads of a validator's finding."""

    @property
    def code(self) -> str:
        """What kind of finding."""

    @property
    def path(self) -> str:
        """Where in the artifact: ``fills[3].candidate_id``."""

    @property
    def severity(self) -> str:
        """info, warning or error; only errors refuse."""

    @property
    def message(self) -> str:
        """One sentence that the model is given."""

    @property
    def got(self) -> Any:
        """What stood there."""

    @property
    def expected(self) -> Any:
        """What should have."""

    @property
    def nearest_valid(self) -> Sequence[str]:
        """What would pass, nearest first."""

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""


class Report(Protocol):
    """What the loop reads of a validator's answer."""

    @property
    def ok(self) -> bool:
        """Whether it passed."""

    @property
    def findings(self) -> Sequence[Finding]:
        """All findings, not the first alone."""

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """A report, and the artifact that it speaks of where that is not the one proposed: a rule masked something."""

    report: Report
    artifact: Mapping[str, Any]


Validate = Callable[[dict[str, Any]], Report | Ruled]
Ground = Callable[[dict[str, Any]], bool | None]
"""Whether every id of the artifact is on the roster, found by other means than the validator; None: does not apply."""


@dataclass(frozen=True, slots=True)
class Complaint:
    """A finding of the loop itself: no JSON, a validator that failed."""

    code: str
    message: str
    path: str = ""
    severity: str = "error"
    got: Any = None
    expected: Any = None
    nearest_valid: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The same JSON form as a validator's finding."""
        return {
            "code": self.code,
            "path": self.path,
            "severity": self.severity,
            "message": self.message,
            "got": self.got,
            "expected": self.expected,
            "nearest_valid": list(self.nearest_valid),
            "evidence": {},
        }


@dataclass(frozen=True, slots=True)
class Task:
    """What the model is asked for. ``kind`` names the artifact: fill, email, playbook.

    ``candidates``: the real people (or other rows) that it may propose, given to it one line each, in their order.
    ``facts``: what else it is told. ``context``: what its answers are judged by, for the record; it is not told.
    """

    kind: str
    prompt: str
    model: str
    system: str = ""
    candidates: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] | None = None
    temperature: float = 0.2
    max_tokens: int = 4096
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """The budget of one run: attempts, tokens (prompt and answer together), seconds. None: no such limit.

    Raises InvalidError for limits that leave no room for one attempt.
    """

    max_iterations: int = 3
    tokens: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.max_iterations <= ITERATIONS:
            raise InvalidError(f"max_iterations is {self.max_iterations}; it is 1 to {ITERATIONS}.")
        for name in ("tokens", "seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise InvalidError(f"The budget of {name} is {value}; it is more than 0, or none.")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One turn of the model and what was found in it.

    ``artifact`` is what was judged (with the items that were kept), ``diff`` what changed since the last one judged.
    ``kept`` counts the items that the model was not asked for again. ``tokens`` are the provider's, or where it gave
    none an estimate of four characters each, and then ``estimated`` is true.
    """

    iteration: int
    raw: str
    status: Status
    findings: tuple[Finding, ...] = ()
    diff: tuple[Change, ...] = ()
    artifact: dict[str, Any] | None = None
    kept: int = 0
    model: str = ""
    provider: str = ""
    finish: str = ""
    tokens: int = 0
    estimated: bool = False
    duration_s: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """A row of ``history``: the contract's three fields first."""
        return {
            "iteration": self.iteration,
            "raw": self.raw[:RAW_CHARS],
            "status": self.status,
            "findings": [finding.to_dict() for finding in self.findings],
            "diff": [change.to_dict() for change in self.diff],
            "kept": self.kept,
            "tokens": self.tokens,
            "estimated": self.estimated,
            "duration_ms": round(self.duration_s * 1000),
        }


@dataclass(frozen=True, slots=True)
class Run:
    """How it went, whichever way it ended. ``artifact`` and ``report`` are there only when it was accepted."""

    task: Task
    limits: Limits
    attempts: tuple[Attempt, ...]
    stopped: Stopped
    duration_s: float
    artifact: dict[str, Any] | None = None
    report: Report | None = None
    grounded: bool | None = None
    problem: str = field(default="", compare=False)
    """What the model's server or the validator said when it failed."""

    @property
    def accepted(self) -> bool:
        """Whether the artifact may be used."""
        return self.stopped == "accepted"

    @property
    def final_verdict(self) -> FinalVerdict:
        """What the session log calls the end."""
        return ENDS[self.stopped][0]

    @property
    def says(self) -> str:
        """The end in one sentence."""
        count = len(self.attempts)
        times = f"{count} attempt{'' if count == 1 else 's'}"
        return f"{'Accepted' if self.accepted else 'Not accepted'} after {times}: {ENDS[self.stopped][1]}."

    @property
    def tokens(self) -> int:
        """Of all attempts, prompts included: retries are not free."""
        return sum(attempt.tokens for attempt in self.attempts)

    @property
    def history(self) -> list[dict[str, Any]]:
        """The attempts as JSON."""
        return [attempt.to_dict() for attempt in self.attempts]

    def to_dict(self) -> dict[str, Any]:
        """The contract's ``{artifact, validation, iterations, history, trace_id}``, the first two only when accepted,
        and what else is known of the run.
        """
        won = {"artifact": self.artifact, "validation": self.report.to_dict()} if self.report is not None else {}
        problem = {"problem": self.problem} if self.problem else {}
        return {
            **won,
            "iterations": len(self.attempts),
            "history": self.history,
            "trace_id": self.task.trace_id,
            "kind": self.task.kind,
            "model": self.task.model,
            "stopped": self.stopped,
            "final_verdict": self.final_verdict,
            "grounded_in_roster": self.grounded,
            "tokens": self.tokens,
            "duration_ms": round(self.duration_s * 1000),
            **problem,
        }

    def require(self) -> dict[str, Any]:
        """The accepted artifact. Raises RejectedError, its details the history, when there is none."""
        if self.artifact is None:
            last = next((f.message for a in reversed(self.attempts) for f in a.findings if f.severity == "error"), "")
            raise RejectedError(self.says, hint=f"Last finding: {last}" if last else "", details=self.to_dict())
        return self.artifact
