"""Acceptance: the 15-row fixture through the whole pipeline, twice and once more in place, and 22 invariants judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.distill.fixture import ACCEPTANCE_RECORDED_AT, write_acceptance
from workbench.distill.invariants import INVARIANTS, Runs, Told, data_files, fingerprint
from workbench.distill.root import Root
from workbench.distill.run import Order, run
from workbench.distill.stage import GitState
from workbench.errors import InvalidError, WorkbenchError

_GIT = GitState("0" * 40, dirty=False)


@dataclass(frozen=True, slots=True)
class Invariant:
    """One of the 22, with what was expected and what is there."""

    name: str
    expected: Any
    actual: Any

    @property
    def ok(self) -> bool:
        """They are the same."""
        return bool(self.expected == self.actual)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        told = {"expected": fingerprint(self.expected), "actual": fingerprint(self.actual)}
        return {"name": self.name, "ok": self.ok, **told}


@dataclass(frozen=True, slots=True)
class Acceptance:
    """All invariants; ``stopped`` says why a run did not come to its end, and is empty when all did."""

    invariants: tuple[Invariant, ...]
    stopped: str

    @property
    def failed(self) -> tuple[str, ...]:
        """The names of those that do not hold."""
        return tuple(one.name for one in self.invariants if not one.ok)

    @property
    def ok(self) -> bool:
        """22 of 22, and every run came to its end."""
        return not self.failed and not self.stopped

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        held = len(self.invariants) - len(self.failed)
        told = [one.to_dict() for one in self.invariants]
        return {"ok": self.ok, "held": held, "of": len(told), "stopped": self.stopped, "invariants": told}


def accept(folder: Path) -> Acceptance:
    """Run the fixture below an empty folder and judge it.

    A run that breaks is told in ``stopped``, and the invariants are judged on what it left. Raises InvalidError for a
    folder that is not empty.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InvalidError(f"Acceptance needs an empty folder, not {folder}.", hint="Name one that is not there.")
    first, second = write_acceptance(folder / "first"), write_acceptance(folder / "second")
    stopped: list[str] = []
    _run(first, "first-run", stopped)
    before = data_files(first)
    _run(second, "another-run", stopped)
    _run(first, "run-in-place", stopped)
    return judge(Runs(first, second, "first-run", "run-in-place", "another-run", before), "; ".join(stopped))


def judge(
    runs: Runs, stopped: str = "", *, invariants: Mapping[str, Callable[[Runs], Told]] = INVARIANTS
) -> Acceptance:
    """All invariants of finished runs. One that cannot even be judged does not hold, and the others are still
    judged.
    """
    return Acceptance(tuple(_judged(name, told, runs) for name, told in invariants.items()), stopped)


def _run(root: Root, run_id: str, stopped: list[str]) -> None:
    try:
        run(root, Order(ACCEPTANCE_RECORDED_AT, run_id, _GIT))
    except WorkbenchError as error:
        stopped.append(f"{run_id}: {type(error).__name__}: {error.message}")


def _judged(name: str, told: Callable[[Runs], Told], runs: Runs) -> Invariant:
    try:
        expected, actual = told(runs)
    except Exception as error:  # noqa: BLE001 - what a broken run left may break a proof in any way: that is told
        return Invariant(name, "judged", f"not judged: {type(error).__name__}: {error}")
    return Invariant(name, expected, actual)
