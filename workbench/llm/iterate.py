"""The loop: a model proposes, a validator decides, its findings go back, until it passes or the budget is used up.

Nothing is accepted but what the validator passed in full, as the bytes that it judged. Whatever fails, fails closed: a
validator that raises, contradicts itself or says something that is not yes, and an id that is not on the roster.
"""

from __future__ import annotations

import copy
import math
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from workbench.errors import CancelledError, InvalidError, WorkbenchError
from workbench.llm.asking import again, opening, whole
from workbench.llm.attempts import (
    Attempt,
    Complaint,
    Finding,
    Ground,
    Limits,
    Report,
    Ruled,
    Run,
    Status,
    Stopped,
    Task,
    Validate,
)
from workbench.llm.changes import changes
from workbench.llm.chat import Ask, ChatModel, Completion, Message
from workbench.llm.extract import NoJson, find_json
from workbench.llm.keeping import Keeping, keep, merge
from workbench.llm.scripted import tokens

CONTEXT = "_context"
"""A key that a model may not set: it would choose what it is judged by."""
CRASHED = "validator_crashed"
"""The code of a finding that says that nothing was judged."""
FINAL = {CRASHED, "rule_crashed", "rule_blocked"}
"""Codes that no model can mend: asking again would only cost."""
POLL_S = 0.05
"""How soon a cancel is seen in the pauses of a model under a budget of seconds."""

Watch = Callable[[Attempt], object]
Log = Callable[[Run], object]
Clock = Callable[[], float]


def iterate(
    model: ChatModel,
    validate: Validate,
    task: Task,
    *,
    limits: Limits | None = None,
    ground: Ground | None = None,
    cancel: threading.Event | None = None,
    watch: Watch | None = None,
    log: Log | None = None,
    clock: Clock = time.monotonic,
) -> Run:
    """Ask, judge, ask again: how it went, whichever way it ended. ``run.require()`` is the artifact or RejectedError.

    ``validate`` judges an artifact; ``ground`` says whether all its ids are on the roster, and is asked of what
    ``validate`` passed (a fill needs one). ``watch`` sees every attempt as it ends, ``log`` the run in every case,
    also when the model's server fails. ``clock``: seconds; a budget of seconds also ends an answer under way.

    Raises InvalidError for a fill without ``ground`` and for what no model can be asked. Passes on what the model
    raises (ProviderError and its kind, NotFoundError, ConfigError) after ``log``, the attempts so far in its details,
    and KeyboardInterrupt, which is logged as cancelled.
    """
    if task.kind == "fill" and ground is None:
        raise InvalidError(
            "A fill is accepted only when its people are known to be on the roster.",
            hint="Pass ground=: a function of the artifact that looks its ids up.",
        )
    Ask(task.model, opening(task), task.temperature, task.max_tokens)  # what cannot be asked is not begun
    task = task if task.trace_id else replace(task, trace_id=uuid.uuid4().hex)
    judge = _Judge(validate, ground, needs_ground=task.kind == "fill")
    loop = _Loop(model, judge, task, limits or Limits(), cancel, clock, watch)
    keep_line = log or (lambda _run: None)
    try:
        stopped = loop.go()
    except CancelledError:
        stopped = loop.interrupted()
    except WorkbenchError as error:
        run = loop.run("model_failed", problem=error.message)
        keep_line(run)
        error.details = {**error.details, **run.to_dict()}
        raise
    except BaseException as error:
        by_hand = isinstance(error, KeyboardInterrupt)
        keep_line(loop.run("cancelled" if by_hand else "model_failed", problem=type(error).__name__))
        raise
    run = loop.run(stopped)
    keep_line(run)
    return run


@dataclass(frozen=True, slots=True)
class _Ruling:
    """What became of an artifact. ``broken``: it could not be judged, so there is no use in asking again."""

    findings: tuple[Finding, ...]
    artifact: dict[str, Any]
    report: Report | None = None
    grounded: bool | None = None
    broken: bool = False

    @property
    def passed(self) -> bool:
        return self.report is not None


@dataclass(frozen=True, slots=True)
class _Judge:
    validate: Validate
    ground: Ground | None
    needs_ground: bool

    def rule(self, judged: bytes) -> _Ruling:
        """Validator and roster each get a copy of their own, so that neither can change what was judged."""
        proposed = msgspec.json.decode(judged)
        try:
            said = self.validate(msgspec.json.decode(judged))
            report = said.report if isinstance(said, Ruled) else said
            if isinstance(said, Ruled):
                proposed = msgspec.json.decode(msgspec.json.encode(dict(said.artifact)))
            findings = tuple(report.findings)
            for finding in findings:
                msgspec.convert((finding.code, finding.path, finding.message), tuple[str, str, str], strict=True)
                msgspec.json.encode(finding.to_dict())  # it has to go into the history and the log
            errors = [finding for finding in findings if finding.severity == "error"]
            ok = report.ok
        except Exception as error:  # noqa: BLE001 - a validator that crashes has passed nothing
            return _failed(proposed, f"The validator failed: {type(error).__name__}: {error}")
        if ok is False and errors:
            return _Ruling(findings, proposed, broken=any(finding.code in FINAL for finding in errors))
        if ok is not True or errors:
            return _failed(proposed, f"The validator contradicts itself: ok is {ok!r} with {len(errors)} errors.")
        return self._on_roster(proposed, report, findings)

    def _on_roster(self, proposed: dict[str, Any], report: Report, findings: tuple[Finding, ...]) -> _Ruling:
        try:
            grounded = None if self.ground is None else self.ground(copy.deepcopy(proposed))
        except Exception as error:  # noqa: BLE001 - an id that could not be looked up is not known to be on the roster
            return _failed(proposed, f"The roster could not be asked: {type(error).__name__}: {error}")
        if grounded is True or (grounded is None and not self.needs_ground):
            return _Ruling(findings, proposed, report, grounded)
        said = "The validator passed an artifact that names people who are not on the roster."
        return _failed(proposed, said, "not_grounded")


def _failed(proposed: dict[str, Any], message: str, code: str = CRASHED) -> _Ruling:
    return _Ruling((Complaint(code, whole(message)),), proposed, broken=True)


@dataclass(slots=True)
class _Loop:
    """The state between two attempts: what was refused last, what of it is kept, which findings were seen."""

    model: ChatModel
    judge: _Judge
    task: Task
    limits: Limits
    cancel: threading.Event | None
    clock: Clock
    watch: Watch | None
    attempts: list[Attempt] = field(default_factory=list)
    began: float = 0.0
    seen: set[frozenset[tuple[str, str, str]]] = field(default_factory=set)
    before: dict[str, Any] | None = None  # the artifact judged last
    keeping: Keeping | None = None
    ruling: _Ruling | None = None  # on the last attempt; None while there was no JSON to judge

    def go(self) -> Stopped:
        """Attempts until one of the ends. Raises what the model raises."""
        self.began = self.clock()
        messages = opening(self.task)
        while (stopped := self._spent(messages)) is None:
            ask = self._ask(messages)
            completion = self.model.complete(ask, cancel=self._until())
            attempt = self._attempt(ask, completion)
            self.attempts.append(attempt)
            if self.watch is not None:
                self.watch(attempt)
            if (stopped := self._ends(attempt)) is not None:
                return stopped
            messages = again(self.task, completion.text, attempt.artifact, attempt.findings, self.keeping)
        return stopped

    def run(self, stopped: Stopped, problem: str = "") -> Run:
        """The frozen account of it all."""
        ruling = self.ruling if stopped == "accepted" else None
        return Run(
            task=self.task,
            limits=self.limits,
            attempts=tuple(self.attempts),
            stopped=stopped,
            duration_s=self.clock() - self.began,
            artifact=self.before if ruling else None,
            report=ruling.report if ruling else None,
            grounded=ruling.grounded if ruling else None,
            problem=problem,
        )

    def _spent(self, messages: tuple[Message, ...]) -> Stopped | None:
        if self.cancel is not None and self.cancel.is_set():
            return "cancelled"
        if len(self.attempts) >= self.limits.max_iterations:
            return "iterations"
        if self._room(messages) < 1:
            return "tokens"
        if self.limits.seconds is not None and self.clock() - self.began >= self.limits.seconds:
            return "seconds"
        return None

    def _ends(self, attempt: Attempt) -> Stopped | None:
        if attempt.status == "accepted":
            return "accepted"
        if self.ruling is not None and self.ruling.broken:
            return "validator_failed"
        same = frozenset((f.code, f.path, f.message) for f in attempt.findings if f.severity == "error")
        if same in self.seen:
            return "repeated"
        self.seen.add(same)
        return None

    def interrupted(self) -> Stopped:
        """Who ended an answer under way."""
        asked = self.cancel is not None and self.cancel.is_set()
        return "cancelled" if asked or self.limits.seconds is None else "seconds"

    def _room(self, messages: tuple[Message, ...]) -> int:
        """How many tokens an answer may have: what the budget leaves when the request is paid for."""
        if self.limits.tokens is None:
            return self.task.max_tokens
        spent = sum(attempt.tokens for attempt in self.attempts) + _tokens_in(messages)
        return min(self.task.max_tokens, self.limits.tokens - spent)

    def _ask(self, messages: tuple[Message, ...]) -> Ask:
        return Ask(self.task.model, messages, self.task.temperature, self._room(messages), as_json=True)

    def _until(self) -> threading.Event | None:
        if self.limits.seconds is None:
            return self.cancel
        return _Until(self.began + self.limits.seconds, self.clock, self.cancel)

    def _attempt(self, ask: Ask, completion: Completion) -> Attempt:
        spent, estimated = _tokens_of(ask, completion)
        made = Attempt(
            iteration=len(self.attempts) + 1,
            raw=whole(completion.text),
            status="no_json",
            kept=len(self.keeping.kept) if self.keeping else 0,
            model=completion.model,
            provider=completion.provider,
            finish=completion.finish,
            tokens=spent,
            estimated=estimated,
            duration_s=completion.duration_s,
        )
        found = find_json(completion.text)
        if isinstance(found, NoJson):
            self.ruling = None
            return replace(made, findings=(_no_json(found, completion),))
        return self._judged(made, found.value)

    def _judged(self, made: Attempt, answer: dict[str, Any]) -> Attempt:
        proposed = {key: value for key, value in answer.items() if key != CONTEXT}
        judged = msgspec.json.encode(merge(self.keeping, proposed) if self.keeping else proposed)
        self.ruling = ruling = self.judge.rule(judged)
        artifact = ruling.artifact
        if artifact != msgspec.json.decode(judged):  # a rule covered something: it must not stand in the history either
            made = replace(made, raw=whole(msgspec.json.encode(artifact).decode()))
        diff = () if self.before is None else changes(self.before, artifact)
        self.before = artifact
        self.keeping = None if ruling.passed else keep(artifact, ruling.findings)
        status: Status = "accepted" if ruling.passed else "validation_failed"
        return replace(made, status=status, findings=ruling.findings, diff=diff, artifact=artifact)


def _tokens_in(messages: tuple[Message, ...]) -> int:
    return sum(tokens(message.content) for message in messages)


def _tokens_of(ask: Ask, completion: Completion) -> tuple[int, bool]:
    """What an attempt cost, and whether any of it is our estimate."""
    prompt, answer = completion.usage.prompt_tokens, completion.usage.completion_tokens
    if prompt is not None and answer is not None:
        return prompt + answer, False
    return (_tokens_in(ask.messages) if prompt is None else prompt) + (
        tokens(completion.text) if answer is None else answer
    ), True


def _no_json(found: NoJson, completion: Completion) -> Complaint:
    cut = " It was cut off at the limit of tokens; answer in fewer words." if completion.finish == "length" else ""
    return Complaint("no_json", found.message + cut, got=found.why)


class _Until(threading.Event):
    """The caller's cancel, or the end of the budget of seconds, whichever comes first."""

    def __init__(self, ends: float, clock: Clock, cancel: threading.Event | None) -> None:
        super().__init__()
        self._ends, self._clock, self._cancel = ends, clock, cancel

    def is_set(self) -> bool:
        return super().is_set() or self._clock() >= self._ends or (self._cancel is not None and self._cancel.is_set())

    def wait(self, timeout: float | None = None) -> bool:
        until = math.inf if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left_s = until - time.monotonic()
            if left_s <= 0:
                return False
            super().wait(min(left_s, POLL_S))
        return True
