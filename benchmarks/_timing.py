"""Engines timed in turn: builds and openings in processes of their own, searches round after round in one."""

from __future__ import annotations

import importlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from _engines import ENGINES, Engine, UnsupportedError
from _vectors import Data, Filter, K, Truth, load
from numpy.typing import NDArray

GOAL = 0.99
_STATUS = Path("/proc/self/status")


@dataclass
class Asked:
    """Seconds of every search of one engine, and its answer by query."""

    seconds: list[float] = field(default_factory=list)
    answers: dict[int, NDArray[np.int64]] = field(default_factory=dict)

    def ms(self, share: float) -> float:
        """Quantile of the times in ms."""
        return float(np.quantile(self.seconds, share)) * 1000 if self.seconds else float("nan")


def apart(script: Path, side: str, name: str, data: Path) -> dict[str, float]:
    """Run ``side`` (``build`` or ``open``) of an engine in a process of its own; see ``run_side``."""
    command = [sys.executable, str(script), "--side", side, "--engine", name, "--data", str(data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name}, {side} failed:\n{done.stderr[-2000:]}")
    said: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


def run_side(side: str, name: str, data: Path) -> None:
    """Build or open an engine here and print seconds (imports left out) and growth of this process's own memory."""
    folder = engine_folder(data, name)
    engine: Engine = ENGINES[name](load(data), folder)
    for module in ENGINES[name].modules:
        importlib.import_module(module)
    query = engine.data.queries[0]
    before, began, cpu = _anonymous_mb(), time.perf_counter(), time.process_time()
    if side == "build":
        engine.build()
    else:
        engine.open()
        engine.search(query)
    said = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}
    said["memory_mb"] = _anonymous_mb() - before
    said["disk_mb"] = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    print(json.dumps(said))


def engine_folder(data: Path, name: str) -> Path:
    """Where an engine keeps its files."""
    folder = data / "engines" / name.replace(" ", "_")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def opened(names: Sequence[str], data: Data) -> dict[str, Engine]:
    """The engines as built before, open."""
    engines: dict[str, Engine] = {}
    for name in names:
        engines[name] = ENGINES[name](data, engine_folder(data.folder, name))
        engines[name].open()
    return engines


def tune(engine: Engine, queries: NDArray[np.float32], limits: Sequence[float], truth: Truth) -> tuple[int, float]:
    """Set the least effort with recall ≥ GOAL over ``queries``, else the greatest; returned with its recall."""
    recall, effort = 0.0, engine.efforts[0]
    for effort in engine.efforts:
        engine.set_effort(effort)
        shares = [truth.recall(engine.search(q), q, limit, K) for q, limit in zip(queries, limits, strict=True)]
        recall = float(np.mean(shares))
        if recall >= GOAL:
            break
    return effort, recall


def in_rounds(
    engines: Mapping[str, Engine],
    queries: NDArray[np.float32],
    filters: Sequence[Filter] | None = None,
    *,
    rounds: int,
    budget_s: float,
) -> dict[str, Asked]:
    """Ask every engine all queries, engine after engine, round after round, at most ``budget_s`` a round each.

    An engine that cannot search so is left out.
    """
    asked = {name: Asked() for name in engines}
    order = list(engines)
    for turn in range(rounds):
        random.Random(turn).shuffle(order)
        for name in [name for name in order if name in asked]:
            try:
                _round(engines[name], queries, filters, asked[name], start=turn * 7, budget_s=budget_s)
            except UnsupportedError:
                del asked[name]
    return asked


def recall_of(
    asked: Asked, queries: NDArray[np.float32], limits: Sequence[float], matching: Sequence[int], truth: Truth
) -> tuple[float, float]:
    """(mean recall, mean rows returned) of the answers."""
    shares = [truth.recall(ids, queries[at], limits[at], matching[at]) for at, ids in asked.answers.items()]
    return float(np.mean(shares)), float(np.mean([len(ids) for ids in asked.answers.values()]))


def _round(
    engine: Engine,
    queries: NDArray[np.float32],
    filters: Sequence[Filter] | None,
    asked: Asked,
    *,
    start: int,
    budget_s: float,
) -> None:
    clock = time.perf_counter
    places = np.roll(np.arange(len(queries)), -start).tolist()
    engine.search(queries[places[0]], None if filters is None else filters[places[0]])  # warm
    end = clock() + budget_s
    for at in places:
        wanted = None if filters is None else filters[at]
        began = clock()
        found = engine.search(queries[at], wanted)
        done = clock()
        asked.seconds.append(done - began)
        asked.answers.setdefault(at, found)
        if done > end:
            return


def _anonymous_mb() -> float:
    """Memory of this process that is its own: mapped files, which the system can drop, are not counted."""
    if not _STATUS.exists():
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024
