"""Records from mappings, with all errors at once, and records as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from workbench import records
from workbench.distill.records.base import MOMENT, SAID, Record
from workbench.distill.records.samples import RagSample
from workbench.errors import InvalidError

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Problem:
    """One broken rule: the field's path as in ``provenance.sig_hash`` or ``reasons[0]``, and what is wrong there."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(frozen=True, slots=True)
class Errors:
    """Everything that is wrong with a mapping; never empty."""

    problems: tuple[Problem, ...]

    def texts(self) -> list[str]:
        """One text for each problem, ``path: message``."""
        return [str(problem) for problem in self.problems]

    def __str__(self) -> str:
        return "; ".join(self.texts())


def validate(model: type[R], row: Any, *, include_review: bool = False) -> R | Errors:
    """``row`` as a frozen record, or **all** that is wrong with it. Nothing is converted and nothing is dropped.

    ``include_review`` is the opt-in under which a ``RagSample`` may have the score needs_human_review.
    """
    if not isinstance(row, Mapping):
        return Errors((Problem("", "a mapping is expected"),))
    found: list[Problem] = []
    record: R | None = None
    try:
        record = model.model_validate(row)
    except ValidationError as error:
        found += [_problem(each) for each in error.errors(include_url=False, include_input=False) if each["loc"]]
    found += [Problem(path, what) for path, what in model.relations(row)]
    if model is RagSample and row.get("success_score") == "needs_human_review" and not include_review:
        found.append(Problem("success_score", "needs_human_review leaves only under the opt-in flag"))
    if record is None or found:
        return Errors(tuple(found))
    return record


def checked(model: type[R], row: Any, *, include_review: bool = False) -> R:
    """``row`` as a frozen record.

    Raises ``InvalidError`` with all that is wrong in its message and, as a list, in ``details["errors"]``.
    """
    record = validate(model, row, include_review=include_review)
    if isinstance(record, Errors):
        raise InvalidError(f"This is no {model.name}: {record}.", details={"errors": record.texts()})
    return record


def encode(record: Record) -> bytes:
    """A record as its line: fields in the order its model declares them, unknown ones after, numbers as RFC 8785.

    A field that was never given is not written; empty texts, zeros and given nulls are.
    """
    return records.encode(record.model_dump(exclude_unset=True, by_alias=True))


def _problem(error: Any) -> Problem:
    path = ""
    for step in error["loc"]:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else str(step)
    pattern = error.get("ctx", {}).get("pattern", "")
    return Problem(path, _said(pattern) or error["msg"].removeprefix("Value error, "))


def _said(pattern: str) -> str:
    if pattern.startswith(MOMENT):
        return "must be a time in ISO 8601" if pattern.endswith("?$") else "must be a time in ISO 8601 with zone"
    return SAID.get(pattern, "")
