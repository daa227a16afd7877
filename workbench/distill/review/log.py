"""The files of review below a root: decisions, gold items, versions of the guideline; all are only ever appended to."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import records
from workbench.distill.review.decisions import Decision, Gold, Logged
from workbench.distill.root import Root
from workbench.errors import ConflictError, InvalidError


@dataclass(frozen=True, slots=True)
class Guideline:
    """One version of what reviewers go by; ``sha256`` of the text, so that no version changes under a decision."""

    version: str
    text: str
    sha256: str
    at: str


def gold_file(root: Root) -> Path:
    """Where the gold items are."""
    return root.kb / "review_gold.jsonl"


def guideline_file(root: Root) -> Path:
    """Where the versions of the guideline are."""
    return root.kb / "review_guidelines.jsonl"


def read(root: Root) -> tuple[Logged, ...]:
    """Every decision in the order of the log. Raises InvalidError that names a line which is no decision."""
    return tuple(Logged(number, one) for number, one in _parsed(root.reviews, Decision.from_dict))


def write(root: Root, decision: Decision) -> None:
    """Append a decision and push it to the disk."""
    records.append(root.reviews, decision.to_dict())


def gold(root: Root) -> tuple[Gold, ...]:
    """The gold items, the newest of each run."""
    found = {one.run_id: one for _, one in _parsed(gold_file(root), _gold)}
    return tuple(found[run] for run in sorted(found))


def add_gold(root: Root, item: Gold) -> None:
    """Append a gold item; it replaces an earlier one of the same run."""
    records.append(
        gold_file(root),
        {"run_id": item.run_id, "decision": item.decision, "guideline_version": item.guideline_version},
    )


def guidelines(root: Root) -> tuple[Guideline, ...]:
    """All versions, oldest first. Raises InvalidError for a text that is not what was recorded."""
    return tuple(one for _, one in _parsed(guideline_file(root), _guideline))


def add_guideline(root: Root, version: str, text: str, *, at: str) -> Guideline:
    """Record a version. The same text again changes nothing; raises ConflictError for another text of that version."""
    if not version.strip() or not text.strip():
        raise InvalidError("A guideline has a version and a text.", hint="lh distill review guideline g2 guideline.md")
    new = Guideline(version, text, _digest(text), at)
    for old in guidelines(root):
        if old.version == version and old.sha256 == new.sha256:
            return old
        if old.version == version:
            raise ConflictError(
                f"Guideline {version} was recorded with another text at {old.at}.",
                hint="Give the new text a new version.",
            )
    row = {"version": version, "text": text, "sha256": new.sha256, "at": at}
    records.append(guideline_file(root), row)
    return new


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _parsed(path: Path, make: Any) -> Iterator[tuple[int, Any]]:
    for number, row in records.rows(path):
        try:
            yield number, make(row)
        except (InvalidError, KeyError, TypeError) as error:
            said = error.message if isinstance(error, InvalidError) else f"a field is missing or too many: {error}"
            raise InvalidError(f"{path}, line {number + 1}: {said}", hint="Mend that line; nothing was read.") from None


def _gold(row: dict[str, Any]) -> Gold:
    return Gold(**row)


def _guideline(row: dict[str, Any]) -> Guideline:
    one = Guideline(**row)
    if one.sha256 != _digest(one.text):
        raise InvalidError(f"the text of guideline {one.version} is not the one that was recorded.")
    return one
