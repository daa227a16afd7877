"""Replay: the next run is shaped by what is retrieved, not by training.

A task is compared with every row of the RAG export, the nearest rows become a bundle (examples, warnings, validation
steps), the bundle becomes a prompt, and a gate judges the answer. Everything here is pure but for the model that is
asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import records
from workbench.errors import CancelledError, InvalidError, NotFoundError, WorkbenchError
from workbench.llm.chat import Ask, ChatModel, Message

SCHEMA = "replay_run.v1"
TOP = 8
MAX_EXAMPLES = 3
MAX_WARNINGS = 2
MIN_ANSWER_CHARS = 80
MAX_SHOWN_CHARS = 1_200
"""An example in a prompt is cut here [ours]: three long runs would fill a small model's window."""
REFUSALS = (
    "i cannot",
    "i can't",
    "i can not",
    "i am unable",
    "i'm unable",
    "i am not able",
    "i'm not able",
    "i won't",
    "i am sorry, but",
    "i'm sorry, but",
    "as an ai",
    "as a language model",
)
"""Phrases of a refusal [ours]; compared in lower case with straight apostrophes."""
HEDGES = (
    "i'm not sure",
    "i am not sure",
    "i don't know",
    "i do not know",
    "it depends",
    "hard to say",
    "cannot be determined",
    "might possibly",
    "without more information",
)
"""Phrases of an answer that does not commit itself [ours]."""
_STEP = re.compile(r"^[\s>*•\-–]*(?:\d+[.)]\s*)?(?:\[[ xX]?\]\s*)?((?:verify|check|assert|ensure)\b.*)$", re.IGNORECASE)
_TOKEN = re.compile(r"\w+")
_GRAMMAR = frozenset(
    {
        "a",
        "an",
        "and",
        "are",
        "as",
        "at",
        "be",
        "by",
        "check",
        "ensure",
        "assert",
        "verify",
        "for",
        "from",
        "has",
        "have",
    }
    | {
        "if",
        "in",
        "is",
        "it",
        "its",
        "no",
        "not",
        "of",
        "on",
        "or",
        "that",
        "the",
        "then",
        "there",
        "this",
        "to",
        "was",
    }
    | {"were", "will", "with"}
)
"""Words that any answer holds: sharing one of them with a validation step says nothing."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A row of the RAG export, as far as replay reads it."""

    id: str
    title: str
    content: str
    success_score: str


@dataclass(frozen=True, slots=True)
class Retrieved:
    """A sample and its overlap with the task, 0 to 1."""

    sample: Sample
    overlap: float


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was retrieved for a task: at most `TOP` rows, of them the examples and warnings, and the validation
    steps.
    """

    retrieved: tuple[Retrieved, ...] = ()
    examples: tuple[Sample, ...] = ()
    warnings: tuple[Sample, ...] = ()
    validation_steps: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields; rows by their id."""
        rows = [
            {"id": r.sample.id, "overlap": r.overlap, "success_score": r.sample.success_score} for r in self.retrieved
        ]
        return {
            "retrieved": rows,
            "examples": [one.id for one in self.examples],
            "warnings": [one.id for one in self.warnings],
            "validation_steps": list(self.validation_steps),
        }


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate says of an answer; ``reasons`` is empty when it passed."""

    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Nothing is wrong with the answer."""
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of a model: its answer, or why there is none, and what the gate says."""

    model: str
    text: str
    error: str
    gate: Gate

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        gate = {"passed": self.gate.passed, "reasons": list(self.gate.reasons)}
        return {"model": self.model, "text": self.text, "error": self.error, "gate": gate}


@dataclass(frozen=True, slots=True)
class Models:
    """Who is asked: ``chat`` is a provider or the router, ``local`` and ``strong`` are models it knows.

    ``strong`` is asked once more after a failure, and only when escalation is allowed.
    """

    chat: ChatModel
    local: str
    strong: str = ""


@dataclass(frozen=True, slots=True)
class ReplayRun:
    """One replay, whole: what was asked, retrieved, said and judged. ``attempts`` holds one, or two after
    escalation.
    """

    task: str
    recorded_at: str
    bundle: Bundle
    prompt: str
    attempts: tuple[Attempt, ...]
    dry_run: bool
    no_retrieval: bool
    allow_escalation: bool

    @property
    def passed(self) -> bool:
        """The last answer passed the gate."""
        return self.attempts[-1].gate.passed

    @property
    def escalated(self) -> bool:
        """The stronger model was asked."""
        return len(self.attempts) > 1

    def to_dict(self) -> dict[str, Any]:
        """A line of ``replay_runs.jsonl``."""
        return {
            "schema": SCHEMA,
            "task": self.task,
            "recorded_at": self.recorded_at,
            "dry_run": self.dry_run,
            "no_retrieval": self.no_retrieval,
            "allow_escalation": self.allow_escalation,
            "bundle": self.bundle.to_dict(),
            "prompt": self.prompt,
            "attempts": [one.to_dict() for one in self.attempts],
            "escalated": self.escalated,
            "passed": self.passed,
        }


def tokens(text: str) -> frozenset[str]:
    """The different words of a text, in lower case."""
    return frozenset(_TOKEN.findall(text.lower()))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Shared words of all words, 0 to 1; 0 when both are empty."""
    union = len(a | b)
    return len(a & b) / union if union else 0.0


def retrieve(task: str, corpus: Iterable[Sample]) -> Bundle:
    """The bundle of a task: every row is compared, one without a shared word is left out, ties go by id."""
    wanted = tokens(task)
    scored = (Retrieved(one, jaccard(wanted, tokens(f"{one.title}\n{one.content}"))) for one in corpus)
    found = sorted((one for one in scored if one.overlap > 0), key=lambda one: (-one.overlap, one.sample.id))[:TOP]
    accepted = [one.sample for one in found if one.sample.success_score == "accepted"]
    partial = [one.sample for one in found if one.sample.success_score == "partially_accepted"]
    return Bundle(
        tuple(found),
        tuple(accepted[:MAX_EXAMPLES]),
        tuple(partial[:MAX_WARNINGS]),
        tuple(dict.fromkeys(step for one in accepted for step in validation_steps(one.content))),
    )


def validation_steps(content: str) -> Iterator[str]:
    """The lines of a text that start with verify, check, assert or ensure; a list mark before the word is no part of
    it.
    """
    for line in content.splitlines():
        if found := _STEP.match(line):
            yield found[1].strip()


def prompt_of(task: str, bundle: Bundle) -> str:
    """The prompt: the task, then what came out well, what came out half, and what is to be checked."""
    parts = [f"Task:\n{task.strip()}"]
    parts += [f"Example that was accepted ({one.title}):\n{_cut(one.content)}" for one in bundle.examples]
    parts += [f"Warning, only partially accepted ({one.title}):\n{_cut(one.content)}" for one in bundle.warnings]
    if bundle.validation_steps:
        parts.append("Before you answer:\n" + "\n".join(f"- {step}" for step in bundle.validation_steps))
    parts.append("Answer the task. Name the checks you made.")
    return "\n\n".join(parts)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARS else text[:MAX_SHOWN_CHARS].rstrip() + " …"


def judge(answer: str, bundle: Bundle) -> Gate:
    """The gate: long enough, no refusal, no hedging, and a word of the validation steps when there are any."""
    said = " ".join(answer.lower().replace("’", "'").split())
    reasons = []
    if len(answer.strip()) < MIN_ANSWER_CHARS:
        reasons.append(f"shorter than {MIN_ANSWER_CHARS} characters")
    reasons += [f"refuses: {phrase!r}" for phrase in REFUSALS if phrase in said]
    reasons += [f"hedges: {phrase!r}" for phrase in HEDGES if phrase in said]
    steps = tokens("\n".join(bundle.validation_steps))
    telling = steps - _GRAMMAR or steps
    if telling and not telling & tokens(answer):
        reasons.append("shares no word with the validation steps")
    return Gate(tuple(reasons))


def replay(
    task: str,
    corpus: Iterable[Sample],
    *,
    recorded_at: str,
    models: Models | None,
    allow_escalation: bool = False,
    no_retrieval: bool = False,
) -> ReplayRun:
    """Retrieve, ask, judge. ``models`` None is a dry run: no model is asked, and the answer is made from the bundle.

    A call that fails and an answer that the gate refuses are data in the run. Raises InvalidError for an empty task and
    for an escalation without a stronger model, and CancelledError.
    """
    if not task.strip():
        raise InvalidError("A replay needs a task.", hint='lh distill replay "review the change of the scheduler"')
    if allow_escalation and models and not models.strong:
        raise InvalidError("Escalation needs a stronger model.", hint="Name one, or do not allow escalation.")
    bundle = Bundle() if no_retrieval else retrieve(task, corpus)
    prompt = prompt_of(task, bundle)
    if models is None:
        text = _dry_answer(task, bundle)
        attempts = [Attempt("dry-run", text, "", judge(text, bundle))]
    else:
        attempts = [_asked(models.chat, models.local, prompt, bundle)]
        if allow_escalation and not attempts[0].gate.passed:
            attempts.append(_asked(models.chat, models.strong, prompt, bundle))
    return ReplayRun(task, recorded_at, bundle, prompt, tuple(attempts), models is None, no_retrieval, allow_escalation)


def _asked(chat: ChatModel, model: str, prompt: str, bundle: Bundle) -> Attempt:
    try:
        text = chat.complete(Ask(model, (Message("user", prompt),), temperature=0.0)).text
    except CancelledError:
        raise
    except WorkbenchError as error:
        return Attempt(model, "", f"{error.code}: {error.message}", Gate((f"the call failed: {error.code}",)))
    return Attempt(model, text, "", judge(text, bundle))


def _dry_answer(task: str, bundle: Bundle) -> str:
    """What a model that keeps to the bundle would begin with: a dry run shows the bundle and proves nothing of a
    model.
    """
    used = f"{len(bundle.examples)} accepted examples and {len(bundle.warnings)} warnings"
    steps = "\n".join(f"- {step}" for step in bundle.validation_steps) or "- none was retrieved"
    return f"Dry run, no model was asked. Task: {task.strip()}\nThe prompt holds {used}. Validation steps:\n{steps}"


def read_corpus(path: Path) -> tuple[Sample, ...]:
    """The RAG export as samples.

    Raises NotFoundError when it is not there, and InvalidError that names a line which is no sample: a replay on a part
    of the corpus would look like one on all of it.
    """
    if not path.is_file():
        raise NotFoundError(f"There is no corpus at {path}.", hint="lh distill export rag")
    out = []
    for number, row in records.rows(path):
        wrong = [name for name in ("id", "title", "content", "success_score") if not isinstance(row.get(name), str)]
        if wrong:
            raise InvalidError(
                f"{path}, line {number + 1} is no RAG sample: {', '.join(wrong)} must be a text.",
                hint="Mend that line; lh distill export rag writes what is missing.",
            )
        out.append(Sample(row["id"], row["title"], row["content"], row["success_score"]))
    return tuple(out)


def append(path: Path, run: ReplayRun) -> None:
    """Add a run to the log, with its whole bundle. Raises OSError when it cannot be written."""
    records.append(path, run.to_dict())


def last_live(path: Path) -> dict[str, Any] | None:
    """The newest run of a log that asked a model; None when there is none. Raises InvalidError for a line that is no
    JSON.
    """
    found = None
    for _, run in records.rows(path):
        if run.get("schema") == SCHEMA and run.get("dry_run") is False:
            found = run
    return found
