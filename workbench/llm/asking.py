"""The words in which the loop asks a model, and asks again. Pure: the same attempt gives the same messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbench.llm.attempts import Finding, Task
from workbench.llm.chat import Message
from workbench.llm.keeping import ID, LIST, Keeping

SYSTEM = (
    "You propose; a validator checks every value against the records, and refuses what it cannot find there. "
    "Answer with one JSON object and nothing else. Never invent a person, an id or a fact: "
    "use only what you are given."
)
SHAPES: Mapping[str, str] = {
    "fill": '{"fills": [{"candidate_id": "…", "name": "…"}]}',
    "email": '{"to": "…", "subject": "…", "body": "…", "kind": "email"}',
    "playbook": '{"operation": "fill: …", "endorsed_names": ["…"], "fingerprint": "…"}',
}
"""What each kind of artifact looks like (contract: Validators)."""

PEOPLE: Mapping[str, str] = {
    "fill": "The candidates, one a line. Propose these and nobody else:",
    "email": "Whom the message is about:",
}
"""What the rows are that a model is given; candidates, where a kind does not say."""

QUOTED_CHARS = 16_000  # of the refused answer, about 4,000 tokens: as much as it may have been
FINDINGS = 40  # told at once; more would bury the first
NEAREST = 5
FREE = 10


def opening(task: Task) -> tuple[Message, ...]:
    """The first request: what the answer must look like, the prompt, and the real candidates."""
    shape = SHAPES.get(task.kind)
    system = [task.system or SYSTEM, *([f"The object looks like this: {shape}"] if shape else [])]
    user = [task.prompt]
    if task.facts:
        user += ["", f"What is known: {_json(task.facts)}"]
    if task.candidates:
        user += ["", PEOPLE.get(task.kind, PEOPLE["fill"]), *map(_json, task.candidates)]
    return Message("system", whole("\n".join(system))), Message("user", whole("\n".join(user)))


def again(
    task: Task, raw: str, artifact: Mapping[str, Any] | None, findings: Sequence[Finding], keeping: Keeping | None
) -> tuple[Message, ...]:
    """The request after a refusal: the opening, the refused answer (with the items kept, which the paths speak of),
    every error, and what to send.
    """
    said = raw if artifact is None else json.dumps(artifact, ensure_ascii=False)
    errors = [finding for finding in findings if finding.severity == "error"]
    lines = [f"- {_line(finding)}" for finding in errors[:FINDINGS]]
    if len(errors) > FINDINGS:
        lines.append(f"- and {len(errors) - FINDINGS} more.")
    words = ["That was refused:", *lines, "", _request(keeping), *_free(task, artifact)]
    refused = said[:QUOTED_CHARS] if said.strip() else "(no answer)"
    return *opening(task), Message("assistant", whole(refused)), Message("user", whole("\n".join(words)))


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, default=str)


def _request(keeping: Keeping | None) -> str:
    if keeping is None:
        return "Answer with the whole object, corrected, and nothing else."
    kept = ", ".join(_names(keeping.kept))
    return (
        f"These items are good and stay as they are; do not send them again: {kept}.\n"
        f'Answer with {{"{LIST}": […]}} that holds exactly {keeping.wanted} new '
        f"item{'' if keeping.wanted == 1 else 's'} in place of the refused ones, and nothing else."
    )


def _free(task: Task, artifact: Mapping[str, Any] | None) -> Iterable[str]:
    """Who is left to choose from: what a finding calls nearest need not be a candidate."""
    items = (artifact or {}).get(LIST)
    if not task.candidates or not isinstance(items, list):
        return
    there = {str(item.get(ID)) for item in items if isinstance(item, dict)}
    free = [str(row[ID]) for row in task.candidates if ID in row and str(row[ID]) not in there]
    if free:
        yield f"Candidates that you have not named yet: {', '.join(free[:FREE])}."


def _names(items: Iterable[Any]) -> Iterable[str]:
    return (str(item.get(ID, item)) if isinstance(item, dict) else str(item) for item in items)


def _line(finding: Finding) -> str:
    near = [value for value in finding.nearest_valid[:NEAREST] if value not in finding.message]
    said = f"{finding.path}: {finding.message}" if finding.path else finding.message
    return f"{said} Nearest valid: {', '.join(near)}." if near else said


def whole(text: str) -> str:
    """The text without half characters (lone surrogates), which no wire and no log can carry."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
