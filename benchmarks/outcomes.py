"""What an outcome costs beside a bare append to a Delta table, in turn in one process. Prints medians and the ratio."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

import workbench
from workbench.staffing import write_csvs
from workbench.staffing.demo import load_demo

TABLES = ("workers", "clients", "job_orders", "assignments", "do_not_return", "submissions", "credentials")
ROW = pa.table({"order_id": ["JO-000001"], "worker": ["W-1"], "outcome": ["offered"]})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2,000 workers and 40 outcomes")
    quick = parser.parse_args().quick
    workers, count = (2_000, 40) if quick else (20_000, 300)
    with tempfile.TemporaryDirectory() as folder:
        write_csvs(Path(folder) / "csv", workers=workers)
        with workbench.connect(Path(folder) / "lake") as wb:
            list(load_demo(wb.lake, Path(folder) / "csv", only=TABLES))
            wb.record_outcome("JO-000001", 1, "no_answer")
            bare, ours = [], []
            for n in range(count):
                bare.append(timed(lambda: write_deltalake(f"{folder}/bare", ROW, mode="append")))
                ours.append(timed(lambda n=n: wb.record_outcome("JO-000001", n + 20, "no_answer")))
    said = [f"{name} {statistics.median(each) * 1000:.1f} ms" for name, each in (("bare", bare), ("outcome", ours))]
    ratio = statistics.median(ours) / statistics.median(bare)
    print(f"{count} outcomes on a roster of {workers:,}: {', '.join(said)}, ratio {ratio:.1f}")


def timed(act: Callable[[], object]) -> float:
    """Seconds."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
