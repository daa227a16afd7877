"""One notebook, from top to bottom in a kernel of its own, into an output notebook that is written as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from workbench.errors import InvalidError
from workbench.notebook import parameters, record
from workbench.notebook.cells import Hooks, Limits, Stopped, run_cells
from workbench.notebook.kernel import Kernel, ticket_of
from workbench.notebook.record import DONE, Ran

KEPT_S = 1800.0
NO_LIMITS = Limits()

OnCell = Callable[[int, int, str, float | None], None]


@dataclass(frozen=True, slots=True)
class Request:
    """One run. ``values``: texts by parameter; ``environ``: of the kernel; ``keep_s``: how long a kernel waits for
    ``--resume`` after a failure, 0 not at all.
    """

    path: Path
    out: Path
    environ: Mapping[str, str]
    values: Mapping[str, str]
    resume: bool = False
    limits: Limits = NO_LIMITS
    keep_s: float = KEPT_S


@dataclass(frozen=True, slots=True)
class Failure:
    """The cell that failed: its number among the code cells, its first lines, the error in its own words."""

    number: int
    source: str
    error: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. ``reused``: code cells whose results of the last run stand; ``notes``: what its reader must
    know of how it came about; ``kept_s``: how long the kernel waits, 0 when it is gone.
    """

    out: Path
    cells: int
    ran: int
    reused: int
    elapsed_s: float
    notes: tuple[str, ...] = ()
    failure: Failure | None = None
    kept_s: float = 0.0


def run(request: Request, on_cell: OnCell | None = None) -> Outcome:
    """Run a notebook; a failing cell is an outcome, not an exception.

    ``on_cell(i, n, first line, seconds left or None)`` is called before the i-th of n code cells. Raises NotFoundError
    and InvalidError for a notebook or a parameter that is none, ConflictError for an output that no run wrote,
    BusyError when another run writes it.
    """
    started = time.monotonic()
    if request.out.absolute() == request.path.absolute():
        raise InvalidError("The output would replace the notebook itself.", hint="Another name: --out FILE.ipynb")
    notebook = record.read(request.path)
    record.check_ours(request.out)
    before = record.read(request.out) if request.out.exists() else None
    plan = _plan(request, notebook, before)
    found = Kernel.find(ticket_of(request.out))
    if not plan.reused and found:
        found.end()
        found = None
    job = _Job(request, plan, on_cell)
    stopped = job.run(found)
    return job.outcome(stopped, time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class _Plan:
    """The notebook to run, the places of its code cells, how many results of the last run stand if its kernel lives."""

    notebook: NotebookNode
    places: tuple[int, ...]
    values: Mapping[str, Any]
    reused: int = 0
    note: str = ""
    took: Mapping[str, float] = field(default_factory=dict)  # source → seconds, of the last run


def _plan(request: Request, notebook: NotebookNode, before: NotebookNode | None) -> _Plan:
    ran, last_values = record.noted(before) if before is not None else ([], {})
    if request.resume and not ran:
        raise InvalidError(f"There is no run to resume: {request.out} is not there.", hint=f"lh run {request.path}")
    values = parameters.given(request.values, parameters.declared(notebook), request.path.name)
    if request.resume and not values:
        values = last_values
    whole = parameters.inject(notebook, values)
    places = tuple(record.to_run(whole))
    took = {one.source: one.seconds for one in ran if one.state == DONE}
    plan = _Plan(whole, places, values, took=took)
    return _resumed(plan, before, ran) if request.resume and before is not None else plan


def _resumed(plan: _Plan, before: NotebookNode, ran: list[Ran]) -> _Plan:
    """The plan with the results of the last run in the cells that ended well and are unchanged up to the failed one."""
    ended = [one.source for one in ran if one.state == DONE]
    now = [record.digest(plan.notebook.cells[place].source) for place in plan.places]
    if len(ended) == len(now) and ended == now:
        raise InvalidError("The last run got to its end: there is nothing to resume.", hint="Leave out --resume.")
    changed = next((i for i, source in enumerate(ended) if i >= len(now) or now[i] != source), None)
    if changed is not None:
        return replace(plan, note=f"cell {changed + 1} changed since, so all cells ran again in a fresh kernel")
    for place, old in zip(plan.places, record.to_run(before)[: len(ended)], strict=False):
        was = before.cells[old]
        plan.notebook.cells[place].update(
            outputs=deepcopy(was.outputs), execution_count=was.execution_count, metadata=deepcopy(was.metadata)
        )
    return replace(plan, reused=len(ended))


class _Job:
    """A run under way."""

    def __init__(self, request: Request, plan: _Plan, on_cell: OnCell | None) -> None:
        self._request = request
        self._plan = plan
        self._on_cell = on_cell
        self._notes = [plan.note] if plan.note else []
        cells = plan.notebook.cells
        self._ran = [
            Ran(digest, DONE, plan.took.get(digest, 0.0))
            for place in plan.places[: plan.reused]
            for digest in [record.digest(cells[place].source)]
        ]
        self._reused = plan.reused
        self._kept_s = 0.0

    def run(self, found: Kernel | None) -> Stopped | None:
        """Run what is to run, in the kernel that was kept or in a fresh one."""
        request, plan = self._request, self._plan
        if found is None and plan.reused:
            again = f"cells 1 to {plan.reused}" if plan.reused > 1 else "cell 1"
            self._notes.append(f"the last run's kernel is gone, so {again} ran again in a fresh one")
            self._ran, self._reused = [], 0
        for place in plan.places[self._reused :]:
            plan.notebook.cells[place].update(outputs=[], execution_count=None)
        if found is not None:
            found.take()
        folder = request.path.absolute().parent
        kernel = found or Kernel.start(ticket_of(request.out), folder, request.environ)
        asked = False
        try:
            hooks = Hooks(self._begin, self._done, self._save)
            left, keep = plan.places[self._reused :], request.keep_s > 0
            stopped = run_cells(plan.notebook, left, kernel, request.limits, hooks, keep=keep)
            asked = stopped is None or not keep
            if stopped:
                self._mark("dead" if stopped.dead else "failed")
                if request.keep_s and not stopped.dead:
                    kernel.keep(request.keep_s)
                    self._kept_s = request.keep_s
        finally:
            self._save()
            if not self._kept_s:
                kernel.end(asked=asked)
        return stopped

    def outcome(self, stopped: Stopped | None, elapsed_s: float) -> Outcome:
        """What is told of it."""
        plan = self._plan
        failure = None
        if stopped:
            source = plan.notebook.cells[stopped.place].source
            number = plan.places.index(stopped.place) + 1
            failure = Failure(number, record.first_lines(source, 3), stopped.error, stopped.advice)
        ran = sum(one.state == DONE for one in self._ran) - self._reused
        return Outcome(
            self._request.out, len(plan.places), ran, self._reused, elapsed_s, tuple(self._notes), failure, self._kept_s
        )

    def _begin(self, place: int) -> None:
        source = self._plan.notebook.cells[place].source
        if self._on_cell:
            i, n = self._plan.places.index(place), len(self._plan.places)
            self._on_cell(i + 1, n, record.first_lines(source), self._left(i))
        self._ran.append(Ran(record.digest(source), "running"))
        self._save()

    def _done(self, place: int, seconds: float) -> None:  # noqa: ARG002 - the cell that is running is the last one
        self._mark(DONE, seconds)
        self._save()

    def _mark(self, state: str, seconds: float = 0.0) -> None:
        if self._ran:
            self._ran[-1] = replace(self._ran[-1], state=state, seconds=round(seconds, 3))

    def _left(self, i: int) -> float | None:
        """Seconds that the i-th cell and those behind it took in the last run; None when that is not known."""
        cells = self._plan.notebook.cells
        took = [self._plan.took.get(record.digest(cells[place].source)) for place in self._plan.places[i:]]
        known = [seconds for seconds in took if seconds is not None]
        return sum(known) if len(known) == len(took) else None

    def _save(self) -> None:
        record.note(self._plan.notebook, self._ran, self._plan.values, self._request.limits.memory_mb)
        record.write(self._plan.notebook, self._request.out)
