"""What logs cost those they log: a query of one row, and a call of a model, with and without their log, in turns.

``python benchmarks/logs.py [--rounds 400]``. Ratios of medians within one run travel; absolute times do not.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import workbench
from workbench.lake.shown import Shown
from workbench.lake.sql.query import Access
from workbench.llm.chat import Ask, Message
from workbench.llm.scripted import Scripted

ROWS = 100_000
ASKED = "SELECT * FROM workers WHERE worker_id = 7"
ALL = Access(row_cap=None, show_pii=True)


def in_turns(rounds: int, **ways: Callable[[], object]) -> dict[str, float]:
    """Median seconds of each way; they take turns, so that all see the same machine."""
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            took[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in took.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=400)
    parser.add_argument("--quick", action="store_true", help="a quarter of the rounds")
    asked = parser.parse_args()
    rounds = asked.rounds // 4 if asked.quick else asked.rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lines = (f"{n},Ann Lee {n},312-555-{n % 10_000:04}\n" for n in range(ROWS))
        (folder / "workers.csv").write_text("worker_id,name,phone\n" + "".join(lines))
        environ = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}
        with workbench.connect(folder / "lake", environ=environ) as wb:
            wb.ingest(folder / "workers.csv")
            sql = in_turns(
                rounds,
                without=lambda: wb.lake.sql(ASKED, access=ALL),
                noted=lambda: wb.sql(ASKED, show_pii=True),
            )
            ask = Ask("scripted/x", (Message("user", "word " * 400),))
            bare = Scripted(["word " * 400], again=True)
            noted = wb.llm.noted(Scripted(["word " * 400], again=True), "bench")
            chat = in_turns(rounds, without=lambda: bare.complete(ask), noted=lambda: noted.complete(ask))
            look = Shown("sql", ("workers@1",), ("phone",), ASKED)
            note = in_turns(rounds, note=lambda: wb.logs.access.note(look))["note"]
            waiting = wb.logs.access.flush() and wb.logs.calls.flush()
    print(f"one-row SQL with show_pii, with / without the access log: {sql['noted'] / sql['without']:.3f}")
    print(f"a call's row adds {(chat['noted'] - chat['without']) * 1e6:.1f} µs to a call of a scripted model")
    print(f"noting a look: {note * 1e6:.1f} µs; all in the lake at the end: {waiting}")


if __name__ == "__main__":
    main()
