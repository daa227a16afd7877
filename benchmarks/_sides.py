"""Timing several ways of doing one thing, in turn, in processes of their own, as ratios against the first.

Machines are shared: an absolute time means nothing, the ratio of medians taken in turn does.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: seconds of the work itself (imports left out) and peak memory of its process in MB."""

    seconds: float
    peak_mb: float


def in_process(script: Path, *arguments: str) -> Sample:
    """Run ``script --side …`` in a fresh process; it prints one Sample as JSON (see `report_self`)."""
    done = subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return Sample(**json.loads(done.stdout.strip().splitlines()[-1]))


def report_self(work: Callable[[], object]) -> None:
    """Time ``work`` and print the Sample of this process."""
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status")
    if status.exists():  # VmHWM is this process alone; ru_maxrss keeps the forking parent's peak
        peak_kb = next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    else:
        import resource

        peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": seconds, "peak_mb": peak_kb / 1024}))


def in_turn(sides: Mapping[str, Callable[[], Sample]], rounds: int) -> dict[str, list[Sample]]:
    """Run every side once per round, round after round, so that a slow minute of the machine hits all alike."""
    samples: dict[str, list[Sample]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            samples[name].append(run())
    return samples


def table(title: str, samples: Mapping[str, list[Sample]], *, unit: str = "s") -> None:
    """Print medians and ratios against the first side."""
    scale = {"s": 1.0, "ms": 1000.0}[unit]
    names = list(samples)
    base = statistics.median(s.seconds for s in samples[names[0]])
    print(f"\n{title}   (median of {len(samples[names[0]])}, in turn)")
    print(f"{'':<28}{'ratio':>8}{unit:>10}{'peak MB':>10}")
    for name in names:
        median = statistics.median(s.seconds for s in samples[name])
        peak = max(s.peak_mb for s in samples[name])
        print(f"{name:<28}{median / base:>8.2f}{median * scale:>10.3f}{peak if peak else 0:>10.0f}")


def heading(what: str) -> None:
    """Print what is compared and on what."""
    print(f"{what} · Python {platform.python_version()} · {platform.machine()} · ratios travel, times do not")
