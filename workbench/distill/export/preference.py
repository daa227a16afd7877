"""Pairs: two answers to one task, the accepted one first; never padded, never across tasks.

A pair is made of rows that passed the gates. In a task the first accepted row meets the first that was not, the second
the second, as long as there are both; rejected rows come before partially accepted ones. A reviewer's fix makes one
pair of its own with what it fixed, whatever category that had.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np

from workbench.distill.export import gate, wording
from workbench.distill.export.engine import (
    Exported,
    Outlet,
    Shape,
    finish,
    inputs_of,
    is_stale,
    not_read_again,
    outlet,
    sample_id,
)
from workbench.distill.export.join import Joined, join
from workbench.distill.export.quarantine import Refusal, source_record
from workbench.distill.export.reviewed import decisions
from workbench.distill.firewall import Firewall
from workbench.distill.records import Errors, PreferenceSample, validate
from workbench.distill.root import Root
from workbench.distill.stage import Progress, alone

NAME = "preference"
GATES = (gate.provenance, gate.content)
STAGE = "export-preference"
_GOOD, _LOW = 1, 2
_SIDES = {"accepted": _GOOD, "rejected": _LOW, gate.PARTIAL: _LOW}


@dataclass
class _Task:
    """The rows of a task that were met until now, and how many are still to come."""

    left: int
    good: list[Joined] = field(default_factory=list)
    rejected: list[Joined] = field(default_factory=list)
    partial: list[Joined] = field(default_factory=list)
    known: set[tuple[str, str]] = field(default_factory=set)

    def take(self, row: Joined) -> None:
        """Add a row to its side, once: the same row in another partition is the same answer."""
        key = row.run_id, row.sig_hash
        if key not in self.known:
            self.known.add(key)
            {"accepted": self.good, "rejected": self.rejected}.get(row.category, self.partial).append(row)


def export_preference(
    root: Root, *, recorded_at: str, firewall: Firewall, progress: Progress | None = None
) -> Exported:
    """Write ``exports/preference/chosen_rejected.jsonl`` and its quarantine anew.

    ``records_in`` counts pairs, rows refused before they could be one side of a pair, and tasks without a pair, which
    are the ``skipped``. Raises as `export_rows` does. Memory: nine bytes a row, and the rows of tasks under way.
    """
    decide = decisions(root)

    def met(stage: str = "", told: Progress | None = None) -> Iterator[Joined]:
        return (row for row in map(decide, join(root, stage=stage, progress=told)) if not is_stale(row))

    with alone(root), outlet(root, NAME, firewall, recorded_at, not_read_again) as out:
        awaited, tasks = _awaited(met())
        out.skip(tasks - len(awaited))
        send = partial(_send, out, firewall)
        fixed: set[str] = set()
        for row in met(STAGE, progress):
            if row.original is not None and row.run_id not in fixed:
                fixed.add(row.run_id)
                send(row, row.original)
            _meet(awaited, row, out, send)
    return out.told(inputs_of(root), (root.export(NAME), root.quarantine(NAME)))


def build(chosen: Joined, low: Joined) -> dict[str, Any]:
    """A PreferenceSample, not yet checked."""
    evidence = chosen.evidence or {}
    return {
        "schema_version": 1,
        "id": sample_id("pref", chosen.run_id, chosen.sig_hash, low.run_id, low.sig_hash),
        "prompt": wording.instruction(chosen.stream, evidence),
        "chosen": chosen.text,
        "rejected": low.text,
        "reason": f"{low.category} -> {chosen.category}" + (" (fixed by a reviewer)" if chosen.original else ""),
        "chosen_run_id": chosen.run_id,
        "rejected_run_id": low.run_id,
        "created_at": chosen.scored.get("scored_at"),
        "provenance": evidence.get("provenance"),
    }


def pairing(chosen: Joined, low: Joined) -> Refusal | None:
    """Whether two rows of one task can be a pair at all."""
    if chosen.run_id == low.run_id:
        return Refusal("self_pairing", (f"rejected_run_id: {low.run_id} is both sides of the pair",))
    if chosen.stream != low.stream:
        streams = f"{chosen.stream} and {low.stream}"
        return Refusal("invalid_preference_pairing", (f"prompt: {streams} do not answer the same request",))
    if chosen.text.strip() == low.text.strip():
        return Refusal("invalid_preference_pairing", ("rejected: says the same as chosen",))
    return None


def _awaited(rows: Iterator[Joined]) -> tuple[dict[int, _Task], int]:
    """The tasks that have both an accepted row and one that was not, by key, and how many tasks there are in all."""
    keys, sides = array("Q"), array("B")
    for row in rows:
        keys.append(_key(row))
        sides.append(_SIDES.get(row.category, 0))
    if not keys:
        return {}, 0
    order = np.argsort(np.frombuffer(keys, np.uint64), kind="stable")
    ordered, side = np.frombuffer(keys, np.uint64)[order], np.frombuffer(sides, np.uint8)[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    both = np.bitwise_or.reduceat(side, starts) == _GOOD | _LOW
    counts = np.add.reduceat((side > 0).astype(np.int64), starts)
    kept = zip(ordered[starts[both]].tolist(), counts[both].tolist(), strict=True)
    return {key: _Task(count) for key, count in kept}, len(starts)


def _meet(awaited: dict[int, _Task], row: Joined, out: Outlet, send: Callable[[Joined, Joined], None]) -> None:
    """Take a row into its task, when the task can have a pair; with its last row the task is done and forgotten."""
    key = _key(row)
    task = awaited.get(key)
    if task is None or row.category not in _SIDES:
        return
    task.left -= 1
    refusal = next((refusal for each in GATES if (refusal := each(row))), None)
    if refusal:
        out.send(refusal, row)
    else:
        task.take(row)
    if not task.left:
        _close(awaited.pop(key), out, send)


def _close(task: _Task, out: Outlet, send: Callable[[Joined, Joined], None]) -> None:
    pairs = list(zip(task.good, [*task.rejected, *task.partial], strict=False))
    for chosen, low in pairs:
        send(chosen, low)
    if not pairs:
        out.skip(1)


def _send(out: Outlet, firewall: Firewall, chosen: Joined, low: Joined) -> None:
    ready = pairing(chosen, low) or finish(SHAPE, build(chosen, low), firewall)
    out.send(ready, chosen, {"chosen": source_record(chosen), "rejected": source_record(low)})


def _key(row: Joined) -> int:
    return int.from_bytes(blake2b(row.task_id.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _reason(errors: Errors) -> str:
    paired = {"chosen", "rejected", "chosen_run_id", "rejected_run_id"}
    wrong = any(problem.path in paired for problem in errors.problems)
    return "invalid_preference_pairing" if wrong else "schema_violation"


SHAPE = Shape(
    texts=("prompt", "chosen", "rejected"),
    kept=("chosen_run_id", "rejected_run_id"),
    check=partial(validate, PreferenceSample),
    refused=_reason,
)
