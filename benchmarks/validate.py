"""Validators on a roster of 500,000: how long it takes to load, what it holds, how fast a fill of 50 is judged.

``python benchmarks/validate.py [--workers 500000] [--emails 150000] [--planted 10000] [--quick]``. Beside the columns,
in a process of its own each, stands the plain way: a dict of dicts by id. Memory is what the process grew by: its own
(anonymous) memory after loading, and all of it at its height. Fills are judged by the validators alone, and as
`Workbench.validate` does it, in a lake, with the truth rules before; a hundred proposals in turn, so that nothing is
remembered of the last one.
"""

from __future__ import annotations

import argparse
import datetime as dt
import itertools
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from workbench import connect
from workbench.staffing.validate import Records, Roster, judge
from workbench.staffing.validate.records import Desk

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from ssn_texts import phone_text, planted_text

FILLS = 50
REPEATS = 200
ROLES = [f"Role {n}" for n in range(60)]
CITIES = [("Joliet", "IL"), ("Chicago", "IL"), ("Toledo", "OH"), ("Gary", "IN"), ("Houston", "TX")]
CONTEXT = {"role": "Role 0", "city": "Joliet", "state": "IL", "client_id": "CL-0001", "start": "2026-11-23"}
TODAY = dt.date(2026, 11, 20)
COLUMNS = ("worker_id", "name", "role", "city", "state", "availability")


def write(path: Path, count: int) -> None:
    """A roster in Parquet, one of its 60 roles and five cities per row."""
    rng = np.random.default_rng(1)
    ids = np.arange(1, count + 1)
    place = rng.integers(0, len(CITIES), count)
    table = pa.table(
        {
            "worker_id": ids,
            "name": [f"First{n % 991} Last{n % 7919}" for n in ids],
            "role": np.array(ROLES)[rng.integers(0, len(ROLES), count)],
            "city": np.array([city for city, _ in CITIES])[place],
            "state": np.array([state for _, state in CITIES])[place],
            "availability": rng.random(count).round(2),
        }
    )
    pq.write_table(table, path)


def read(path: Path) -> pa.Table:
    """As the lake reads it: DuckDB over Parquet, in Arrow batches."""
    names = ", ".join(COLUMNS)
    return duckdb.sql(f"SELECT {names} FROM '{path}'").to_arrow_table()


def load(path: Path, side: str) -> Any:
    """The roster in columns, or as a dict of dicts."""
    if side == "columns":
        return Roster.of(read(path), snapshot="workers@1")
    return {str(row["worker_id"]): row for row in read(path).to_pylist()}


def measure(path: Path, side: str) -> dict[str, float]:
    """Seconds and MB of loading, in this process; a first small load pays for the libraries."""
    duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall()
    Roster.of(pa.table({"id": [1], "name": ["a"], "role": ["b"], "city": ["c"], "availability": [0.5]}))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # begin the record of the height anew
    low = _status_mb("VmRSS")
    before, cpu, wall = _status_mb("RssAnon"), time.process_time(), time.perf_counter()
    held = load(path, side)
    took = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    peak = _status_mb("VmHWM") - low
    pa.default_memory_pool().release_unused()
    said = took | {"held_mb": _status_mb("RssAnon") - before, "peak_mb": peak}
    return said | {"own_mb": held.nbytes / 1e6} if side == "columns" else said


def _status_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def naive(roster: dict[str, dict[str, Any]], artifact: dict[str, Any]) -> list[str]:
    """The same existence, activity, city, state and role checks on a dict of dicts; says only what is wrong."""
    wrong = []
    seen = set()
    for fill in artifact["fills"]:
        row = roster.get(fill["candidate_id"].upper().removeprefix("W-"))
        if row is None or fill["candidate_id"] in seen:
            wrong.append(fill["candidate_id"])
            continue
        seen.add(fill["candidate_id"])
        wrong += [name for name in ("role", "city", "state") if row[name] != CONTEXT[name]]
        wrong += ["inactive"] * (row["availability"] <= 0)
    return wrong


def records(table: pa.Table) -> dict[str, pa.Table]:
    """Papers, bookings, bans and pitches of every third worker, none of which refuses."""
    ids = np.asarray(table["worker_id"])[::3]
    days = pa.array([dt.date(2026, 9, 1)] * len(ids))
    far = pa.array([dt.date(2030, 1, 1)] * len(ids))
    client = pa.array(["CL-0002"] * len(ids))
    tables = {
        "credentials": {"credential": pa.array(["Forklift"] * len(ids)), "expires": far},
        "assignments": {"client_id": client, "start": days, "end": days},
        "do_not_return": {"client_id": client, "since": days},
        "submissions": {"client_id": client, "at": days},
    }
    return {name: pa.table({"worker_id": ids} | columns) for name, columns in tables.items()}


def judging(path: Path) -> None:
    """Fills of 50 judged: all right, all wrong, and with the records; and the dict of dicts beside them."""
    table = read(path)
    roster = Roster.of(table, snapshot="workers@1")
    rows = {str(row["worker_id"]): row for row in table.to_pylist()}
    right = [
        {"candidate_id": f"W-{row['worker_id']}", "name": row["name"]}
        for row in rows.values()
        if (row["role"], row["city"]) == (CONTEXT["role"], CONTEXT["city"]) and row["availability"] > 0
    ]
    turns = itertools.cycle({"fills": right[n : n + FILLS]} for n in range(min(100, len(right) - FILLS)))
    good = next(turns)
    lies = {"fills": [{"candidate_id": f"W-{9_000_000 + n}", "name": "Alex Nobody"} for n in range(FILLS)]}
    tables = records(table)
    plain = Desk(roster=roster)
    full = Desk(roster=roster, **{name: Records.of(name, each) for name, each in tables.items()})
    assert judge("fill", good, CONTEXT, desk=full, today=TODAY).ok
    assert not naive(rows, good)
    assert not judge("fill", lies, CONTEXT, desk=full, today=TODAY).ok
    base, wall = _ms(lambda: naive(rows, good))
    print(f"{'CPU ms, lowest tenth (wall, median)':<44}")
    print(f"{'dict of dicts, checks alone':<44}{base:8.3f} ({wall:.3f})")
    for name, desk in (("roster", plain), ("roster and four records", full)):
        took, wall = _ms(lambda desk=desk: judge("fill", next(turns), CONTEXT, desk=desk, today=TODAY))
        print(f"{f'judge {FILLS} fills by {name}':<44}{took:8.3f} ({wall:.3f})  {took / base:5.1f} ×")
    for name, took, wall in with_rules(path, tables, turns):
        print(f"{f'{name}, {FILLS} fills':<44}{took:8.3f} ({wall:.3f})  {took / base:5.1f} ×")
    took, wall = _ms(lambda: judge("fill", lies, CONTEXT, desk=full, today=TODAY), repeats=20)
    print(f"{f'judge {FILLS} invented workers, with nearest':<44}{took:8.3f} ({wall:.3f})")


def with_rules(path: Path, tables: dict[str, pa.Table], turns: Iterator[Any]) -> Iterator[tuple[str, float, float]]:
    """(what, CPU ms, wall ms) of the validators of a lake, and of the truth rules and them."""
    with connect(path.with_name("lake"), folder=path.parent) as wb:
        wb.ingest(path, "workers")
        for name, table in tables.items():
            pq.write_table(table, path.with_name(f"{name}.parquet"))
            wb.ingest(path.with_name(f"{name}.parquet"), name)
        assert wb.validate("fill", next(turns), CONTEXT, today=TODAY).ok
        alone = _ms(lambda: wb.validators.judge("fill", next(turns), CONTEXT, today=TODAY))
        both = _ms(lambda: wb.validate("fill", next(turns), CONTEXT, today=TODAY))
    yield "validators of a lake alone", *alone
    yield "wb.validate: truth rules and validators", *both


def _ms(work: Callable[[], Any], repeats: int = REPEATS) -> tuple[float, float]:
    """(lowest tenth of CPU, median of wall): on a busy machine others drive our data out of the processor's cache."""
    times = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpus, walls = zip(*times, strict=True)
    return sorted(cpus)[len(cpus) // 10] * 1000, statistics.median(walls) * 1000


def emails(count: int, planted: int) -> None:
    """Messages full of phones, EINs, zip+4 and ids, and messages with a number planted in some notation."""
    rng = random.Random(7)
    start = time.process_time()
    false = [text for _ in range(count) if _is_refused(text := phone_text(rng))]
    print(f"{count:,} messages full of phones: {len(false)} refused, {time.process_time() - start:.1f} CPU s")
    missed = [text for _ in range(planted) if not _is_refused(text := planted_text(rng))]
    print(f"{planted:,} messages with a planted number: {len(missed)} missed")
    for text in (false + missed)[:5]:
        print(f"   {text!r}")


def _is_refused(text: str) -> bool:
    report = judge("email", {"to": "a@example.com", "body": text}, today=TODAY)
    return any(found.code == "ssn" for found in report.findings)


def main() -> None:
    """Both sides of loading in processes of their own, then judging here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=500_000)
    parser.add_argument("--emails", type=int, default=150_000)
    parser.add_argument("--planted", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="a tenth of it all")
    parser.add_argument("--side", default="")
    parser.add_argument("--data", type=Path, default=None)
    asked = parser.parse_args()
    if asked.side:
        print(json.dumps(measure(asked.data, asked.side)))
        return
    if asked.quick:
        asked.workers, asked.emails, asked.planted = (n // 10 for n in (asked.workers, asked.emails, asked.planted))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "workers.parquet"
        write(path, asked.workers)
        for side in ("columns", "dicts"):
            command = [sys.executable, __file__, "--side", side, "--data", str(path)]
            said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            print(f"load {asked.workers:,} as {side}: " + ", ".join(f"{k} {v:.2f}" for k, v in said.items()))
        judging(path)
    emails(asked.emails, asked.planted)


if __name__ == "__main__":
    main()
