"""What a reviewer should look at next: the rows from which a decision teaches most, each with the reason it is
shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.distill.review.decisions import Standing

WEIGHTS = {"disagreement": 0.5, "uncertainty": 0.3, "coverage": 0.2}
"""How much each part counts [ours]: a dispute is settled only by a person, a thin stream is only slow to learn from."""
_CATEGORY_DOUBT = {"needs_human_review": 1.0, "partially_accepted": 0.5, "accepted": 0.0, "rejected": 0.0}
_AGAINST = {("accept", "rejected"), ("reject", "accepted"), ("reject", "partially_accepted")}
"""What an observer and the scorer cannot both be right about."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A scored row as the queue sees it.

    ``stream`` the source it came from, ``verdict`` what the observer said (accept, reject, cycle or ""), ``confidence``
    of the observer, 0 to 1, or None.
    """

    run_id: str
    task_id: str
    stream: str
    category: str
    verdict: str = ""
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """A row in the queue: its value 0 to 1, the parts of it, and why in words."""

    run_id: str
    task_id: str
    stream: str
    category: str
    value: float
    parts: Mapping[str, float]
    why: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {name: getattr(self, name) for name in self.__slots__} | {"parts": dict(self.parts)}


def queue(
    candidates: Iterable[Candidate], standing: Standing, *, guideline_version: str = "", reviewer: str = ""
) -> tuple[Queued, ...]:
    """What is still to be judged, most valuable first, then by run id.

    A run that is settled is not in it, unless it was judged under another guideline than ``guideline_version``; nor
    is one on which ``reviewer`` has decided already, a skip too. A run that the scorer is sure of comes only where
    something disagrees with the scorer.
    """
    rows = sorted({one.run_id: one for one in candidates}.values(), key=lambda one: one.run_id)
    again = set(standing.under_another_guideline(guideline_version)) if guideline_version else set()
    decided = Counter(one.stream for one in rows if standing.deciding(one.run_id))
    split = _split_tasks(rows)
    out = []
    for one in rows:
        mine = [made for made in standing.by_run.get(one.run_id, ()) if made.decision.reviewer == reviewer]
        if one.run_id not in again and (standing.deciding(one.run_id) or mine):
            continue
        found = _valued(one, standing, decided, again=one.run_id in again, split=one.task_id in split)
        if found.parts["disagreement"] or found.parts["uncertainty"]:
            out.append(found)
    return tuple(sorted(out, key=lambda one: (-one.value, one.run_id)))


def _split_tasks(rows: Iterable[Candidate]) -> set[str]:
    """The tasks of which one run is accepted and another rejected."""
    seen: dict[str, set[str]] = {}
    for one in rows:
        seen.setdefault(one.task_id, set()).add(one.category)
    return {task for task, categories in seen.items() if {"accepted", "rejected"} <= categories}


def _valued(one: Candidate, standing: Standing, decided: Counter[str], *, again: bool, split: bool) -> Queued:
    judged = len(standing.by_run.get(one.run_id, ()))
    against = (one.verdict, one.category) in _AGAINST
    reasons = {
        f"{judged} reviewers disagree": 1.0 if standing.contested(one.run_id) else 0.0,
        f"the observer says {one.verdict}, the scorer {one.category}": 0.8 if against else 0.0,
        "the guideline has changed since it was judged": 0.6 if again else 0.0,
        "runs of the same task are accepted and rejected": 0.4 if split else 0.0,
    }
    unsure = _doubt(one)
    disagreement = max(reasons.values())
    parts = {"disagreement": disagreement, "uncertainty": unsure, "coverage": 1 / (1 + decided[one.stream])}
    why = [says for says, weight in reasons.items() if weight]
    if unsure:
        sure = "" if one.confidence is None else f", the observer's confidence is {one.confidence:.2f}"
        why.append(f"the scorer says {one.category}{sure}")
    why.append(f"{decided[one.stream]} of {one.stream} judged so far")
    value = sum(WEIGHTS[name] * share for name, share in parts.items())
    return Queued(one.run_id, one.task_id, one.stream, one.category, round(value, 6), parts, "; ".join(why))


def _doubt(one: Candidate) -> float:
    """1 where nobody can say, 0 where the scorer or the observer is sure."""
    doubt = _CATEGORY_DOUBT.get(one.category, 1.0)
    if one.confidence is None or doubt:
        return doubt
    return 1 - abs(2 * min(max(one.confidence, 0.0), 1.0) - 1)
