"""Rows per second and peak memory of collect and score, by number of rows; each size in a process of its own.

The rate is of CPU seconds, all processes together: on a shared machine wall time says more of the neighbours. ``cores``
is what one core does; the aim (50,000 rows/s for both stages on two cores) is 25,000 for one.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.distill.collect import collect
from workbench.distill.fixture import write_fixture
from workbench.distill.root import Root
from workbench.distill.score import score_all

AT = "2026-04-27T00:00:00.000Z"
SIZES = (10_000, 100_000, 1_000_000)
QUICK = (5_000, 20_000, 80_000)
SEED = 7
STAGES: dict[str, Callable[..., Any]] = {"collect": collect, "score": score_all}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"at most {QUICK[-1]:,} rows")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--side", nargs=2, metavar=("ROOT", "ROWS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        print(json.dumps(measured(Root(Path(asked.side[0])), int(asked.side[1]), asked.workers)))
        return
    print(f"{'rows':>10} {'stage':>8} {'CPU us/row':>11} {'rows/s and core':>16} {'wall rows/s':>12} {'peak MB':>8}")
    for rows in QUICK if asked.quick else SIZES:
        with tempfile.TemporaryDirectory() as folder:
            write_fixture(Path(folder), rows, SEED)
            show(rows, apart(Path(folder), rows, asked.workers))


def show(rows: int, sides: dict[str, dict[str, float]]) -> None:
    sides["both"] = {name: sum(side[name] for side in sides.values()) for name in ("cpu_s", "wall_s")}
    sides["both"]["peak_mb"] = max(side["peak_mb"] for side in sides.values() if "peak_mb" in side)
    for stage, side in sides.items():
        rate, wall = rows / side["cpu_s"], rows / side["wall_s"]
        print(f"{rows:>10,} {stage:>8} {1e6 / rate:>11.1f} {rate:>16,.0f} {wall:>12,.0f} {side['peak_mb']:>8.0f}")


def apart(folder: Path, rows: int, workers: int) -> dict[str, dict[str, float]]:
    command = [sys.executable, __file__, "--workers", str(workers), "--side", str(folder), str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said: dict[str, dict[str, float]] = json.loads(done.stdout)
    return said


def measured(root: Root, rows: int, workers: int) -> dict[str, dict[str, float]]:
    """Seconds of each stage, children included, and the largest process so far in MB. Checks that no row was lost."""
    said = {}
    for name, stage in STAGES.items():
        before, began = _cpu_s(), time.perf_counter()
        done = stage(root, recorded_at=AT, workers=workers)
        said[name] = {"wall_s": time.perf_counter() - began, "cpu_s": _cpu_s() - before, "peak_mb": _peak_mb()}
        assert done.counts.lost() == 0
        assert done.counts.records_in > 0.9 * rows
    return said


def _cpu_s() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
