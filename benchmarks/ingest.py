"""Loading a CSV of 500,000 × 18 workers: ours against a bare DuckDB COPY with types given, pandas and polars.

Ours also hashes the file, checks every value, collects rejects, tags PII and commits a snapshot; the others do not.

    python benchmarks/ingest.py [--rows 500000] [--rounds 5] [--quick]
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
from functools import partial
from pathlib import Path

from _sides import heading, in_process, in_turn, report_self, table

HERE = Path(__file__)
TYPES = (
    "{'worker_id':'BIGINT','name':'VARCHAR','role':'VARCHAR','email':'VARCHAR','phone':'VARCHAR','city':'VARCHAR',"
    "'state':'VARCHAR','zip':'VARCHAR','skills':'VARCHAR','certifications':'VARCHAR','archetype':'VARCHAR',"
    "'reliability':'DOUBLE','responsiveness':'DOUBLE','engagement':'DOUBLE','compliance':'DOUBLE',"
    "'availability':'DOUBLE','communications':'VARCHAR','resume_text':'VARCHAR'}"
)
SIDES = ("duckdb", "ours", "polars", "pandas")


def duckdb_side(source: Path, folder: Path) -> None:
    import duckdb

    con = duckdb.connect()
    target = folder / "out.parquet"
    report_self(
        lambda: con.execute(
            f"COPY (SELECT * FROM read_csv('{source}', header=true, columns={TYPES})) TO '{target}' (FORMAT parquet)"
        )
    )


def ours_side(source: Path, folder: Path) -> None:
    import workbench

    with workbench.connect(folder / "lake") as wb:
        _ = wb.lake
        report_self(lambda: wb.ingest(source, "workers"))


def again_side(source: Path, folder: Path) -> None:
    import workbench

    with workbench.connect(folder / "kept") as wb:
        _ = wb.lake
        report_self(lambda: wb.ingest(source, "workers"))


def polars_side(source: Path, folder: Path) -> None:
    import polars as pl

    text = dict.fromkeys(("phone", "zip"), pl.String)
    report_self(lambda: pl.read_csv(source, schema_overrides=text).write_parquet(folder / "out.parquet"))


def pandas_side(source: Path, folder: Path) -> None:
    import pandas as pd

    text = {"phone": str, "zip": str}
    report_self(lambda: pd.read_csv(source, dtype=text).to_parquet(folder / "out.parquet"))


def run(side: str, source: Path) -> None:
    with tempfile.TemporaryDirectory(dir=source.parent) as name:
        folder = source.parent if side == "again" else Path(name)
        {"duckdb": duckdb_side, "ours": ours_side, "again": again_side, "polars": polars_side, "pandas": pandas_side}[
            side
        ](source, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="50,000 rows, 3 rounds")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        run(asked.side, asked.source)
        return
    rows, rounds = (50_000, 3) if asked.quick else (asked.rows, asked.rounds)
    with tempfile.TemporaryDirectory(prefix="lh-bench-") as name:
        from workbench.staffing import write_workers

        folder = Path(name)
        source = folder / "workers.csv"
        write_workers(source, workers=rows)
        heading(f"CSV to Parquet, {rows:,} × 18, {source.stat().st_size / 1e6:,.0f} MB")
        sides = {s: partial(in_process, HERE, "--side", s, "--source", str(source)) for s in SIDES}
        table("load", in_turn(sides, rounds))
        first = in_process(HERE, "--side", "again", "--source", str(source))  # makes the lake that is kept
        again = [in_process(HERE, "--side", "again", "--source", str(source)) for _ in range(rounds)]
        median = statistics.median(s.seconds for s in again)
        print(f"\nthe same file again: {median:.3f} s (first {first.seconds:.2f} s)")
        shutil.rmtree(folder / "kept", ignore_errors=True)


if __name__ == "__main__":
    main()
