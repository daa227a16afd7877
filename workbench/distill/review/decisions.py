"""What reviewers decided, as appended lines: nothing is edited, and an undo is a line of its own.

The log is a list of `Decision` in the order of the file. `standing` plays it: a later decision of the same reviewer
on the same run replaces the earlier one, an undo takes back that reviewer's newest one and brings back what it had
replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, get_args

from workbench.errors import InvalidError, NotFoundError

SCHEMA = "review.v1"
Verdict = Literal["accept", "fix", "reject", "skip", "undo"]
VERDICTS: tuple[str, ...] = get_args(Verdict)
JUDGEMENTS = ("accept", "fix", "reject")
"""The decisions that say something of a run."""
_TEXTS = ("run_id", "reviewer", "guideline_version", "at")
_FREE = ("reason", "corrected_text")


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the review log.

    ``run_id`` names the evidence row, ``corrected_text`` is what the answer should have been (for a fix, and only
    then), ``guideline_version`` what the reviewer went by, ``at`` ISO 8601 with zone, ``adjudicates`` settles a
    dispute of others. Raises InvalidError that lists everything that is wrong.
    """

    run_id: str
    reviewer: str
    decision: Verdict
    at: str
    guideline_version: str
    reason: str = ""
    corrected_text: str = ""
    adjudicates: bool = False

    def __post_init__(self) -> None:
        if wrong := _faults(self):
            raise InvalidError(f"No decision of a review: {'; '.join(wrong)}.", details={"errors": wrong})

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields, in the order they are written."""
        return {"schema": SCHEMA, **{name: getattr(self, name) for name in self.__slots__}}

    @classmethod
    def from_dict(cls, row: Any) -> Decision:
        """A line as it was written. Raises InvalidError for another schema, a field too many and what `Decision`
        refuses.
        """
        if not isinstance(row, Mapping):
            raise InvalidError("No decision of a review: it is no object.")
        if row.get("schema") != SCHEMA:
            raise InvalidError(f"No decision of a review: its schema is {row.get('schema')!r}, not {SCHEMA!r}.")
        fields = {name: value for name, value in row.items() if name != "schema"}
        known = set(cls.__slots__)
        if unknown := sorted(set(fields) - known):
            raise InvalidError(f"No decision of a review: there is no field {', '.join(unknown)}.")
        return cls(**{name: fields.get(name, "" if name in (*_TEXTS, *_FREE, "decision") else False) for name in known})


def _faults(one: Any) -> list[str]:
    wrong = [f"{name} must be a text" for name in (*_TEXTS, *_FREE) if not isinstance(getattr(one, name), str)]
    wrong += [
        f"{name} must not be blank" for name in _TEXTS if isinstance(v := getattr(one, name), str) and not v.strip()
    ]
    if one.decision not in VERDICTS:
        wrong.append(f"decision is one of {', '.join(VERDICTS)}, not {one.decision!r}")
    if not isinstance(one.adjudicates, bool):
        wrong.append("adjudicates must be true or false")
    elif one.adjudicates and one.decision not in JUDGEMENTS:
        wrong.append(f"adjudicates needs {', '.join(JUDGEMENTS)}")
    if not isinstance(one.corrected_text, str) or (one.decision == "fix") != bool(one.corrected_text.strip()):
        wrong.append("corrected_text is given with a fix and with nothing else")
    if isinstance(one.at, str) and one.at.strip() and not _zoned(one.at):
        wrong.append(f"at is ISO 8601 with a zone, not {one.at!r}")
    return wrong


def _zoned(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Logged:
    """A decision and the number of its line in the log, from 0: with it the decision is named for good."""

    line: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class Gold:
    """An item whose answer is known: salted into the queue, it tells how a reviewer judges."""

    run_id: str
    decision: Verdict
    guideline_version: str

    def __post_init__(self) -> None:
        if self.decision not in JUDGEMENTS or not self.run_id.strip() or not self.guideline_version.strip():
            raise InvalidError(
                f"A gold item names a run, a guideline version and one of {', '.join(JUDGEMENTS)}.",
                hint=f"This one: {self.run_id!r}, {self.guideline_version!r}, {self.decision!r}.",
            )


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force after the whole log: per run, each reviewer's newest decision that was not taken back.

    ``by_run[run_id]`` is in the order in which the decisions were made.
    """

    by_run: Mapping[str, tuple[Logged, ...]]

    def decisions(self) -> tuple[Decision, ...]:
        """All of them."""
        return tuple(one.decision for run in sorted(self.by_run) for one in self.by_run[run])

    def deciding(self, run_id: str) -> Logged | None:
        """The decision that counts for a run: the newest that adjudicates, else the newest if all judge alike.

        None where nobody judged, or where reviewers judge differently and nobody settled it.
        """
        judged = [one for one in self.by_run.get(run_id, ()) if one.decision.decision in JUDGEMENTS]
        settled = [one for one in judged if one.decision.adjudicates]
        if settled:
            return settled[-1]
        return judged[-1] if len({one.decision.decision for one in judged}) == 1 else None

    def contested(self, run_id: str) -> bool:
        """Reviewers judge this run differently and nobody settled it."""
        judged = any(one.decision.decision in JUDGEMENTS for one in self.by_run.get(run_id, ()))
        return judged and self.deciding(run_id) is None

    def under_another_guideline(self, version: str) -> tuple[str, ...]:
        """The runs whose deciding decision went by another version of the guideline: these are to be looked at
        again.
        """
        decided = {run: self.deciding(run) for run in sorted(self.by_run)}
        return tuple(run for run, one in decided.items() if one and one.decision.guideline_version != version)


def standing(log: Iterable[Logged]) -> Standing:
    """Play the log. An undo that finds nothing to take back changes nothing: two doors may have undone at once."""
    stacks: dict[tuple[str, str], list[Logged]] = {}
    for one in log:
        stack = stacks.setdefault((one.decision.run_id, one.decision.reviewer), [])
        if one.decision.decision != "undo":
            stack.append(one)
        elif stack:
            stack.pop()
    by_run: dict[str, list[Logged]] = {}
    for (run_id, _), stack in stacks.items():
        if stack:
            by_run.setdefault(run_id, []).append(stack[-1])
    return Standing({run: tuple(sorted(found, key=lambda one: one.line)) for run, found in by_run.items()})


def undo_of(log: Sequence[Logged], reviewer: str, *, at: str, reason: str = "") -> Decision:
    """The line that takes back what this reviewer decided last and has not taken back yet, however long ago it was.

    Called again it goes one decision further back, down to the first of the log. Raises NotFoundError when nothing is
    left.
    """
    stacks: dict[str, int] = {}
    made: list[Logged] = []
    for one in log:
        if one.decision.reviewer != reviewer:
            continue
        run = one.decision.run_id
        if one.decision.decision != "undo":
            made.append(one)
            stacks[run] = stacks.get(run, 0) + 1
        elif stacks.get(run, 0):
            stacks[run] -= 1
            newest = max(at for at, other in enumerate(made) if other.decision.run_id == run)
            del made[newest]
    if not made:
        raise NotFoundError(
            f"{reviewer} has nothing left to undo.", hint="lh distill review log shows what was decided."
        )
    last = made[-1].decision
    return Decision(last.run_id, reviewer, "undo", at, last.guideline_version, reason)
