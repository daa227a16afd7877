"""SQL over a lake: ours (guarded, masked, newest snapshot looked up) against DuckDB on the same Parquet file.

Also pandas and polars where the query is theirs to answer, and listing 1,000 datasets.

    python benchmarks/sql.py [--rows 500000] [--rounds 15] [--quick]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from _sides import Sample, heading, in_turn, table

import workbench
from workbench.lake.sql.relation import uris
from workbench.lake.tables.manifest import Column

ONE_ROW = "SELECT role FROM workers WHERE worker_id = 4711"
TEN = (
    "SELECT role, count(*) AS n FROM workers GROUP BY 1 ORDER BY 2 DESC",
    "SELECT city, state, avg(reliability) AS r FROM workers GROUP BY ALL ORDER BY r DESC LIMIT 10",
    "SELECT count(*) FROM workers WHERE availability > 0.5 AND role = 'Forklift Operator'",
    "SELECT archetype, quantile_cont(responsiveness, 0.9) FROM workers GROUP BY 1",
    "SELECT role, city, count(*) FROM workers GROUP BY CUBE (role, city) HAVING count(*) > 500",
    "SELECT worker_id, reliability FROM workers ORDER BY reliability DESC, worker_id LIMIT 100",
    "SELECT role, worker_id FROM workers QUALIFY row_number() OVER (PARTITION BY role ORDER BY engagement DESC) <= 3",
    "SELECT count(*) FROM workers WHERE resume_text ILIKE '%night%'",
    "SELECT count(DISTINCT zip), count(DISTINCT skills) FROM workers",
    "SELECT a.role, count(*) FROM workers a JOIN workers b USING (zip, role) WHERE a.worker_id < 2000 GROUP BY 1",
)


def timed(work: Callable[[], object]) -> Callable[[], Sample]:
    def run() -> Sample:
        began = time.perf_counter()
        work()
        return Sample(time.perf_counter() - began, 0.0)

    return run


def queries(wb: workbench.Workbench, rounds: int) -> None:
    import duckdb

    files = uris(wb.storage, wb.lake.get("workers"))
    con = duckdb.connect()
    con.execute(f"CREATE VIEW workers AS SELECT * FROM read_parquet({files})")
    for label, sql, unit in [("one row", ONE_ROW, "ms"), *((f"query {i}", q, "ms") for i, q in enumerate(TEN, 1))]:
        direct = timed(lambda sql=sql: con.execute(sql).to_arrow_table())
        ours = timed(lambda sql=sql: wb.sql(sql))
        assert wb.sql(sql, show_pii=True).row_count == con.execute(sql).to_arrow_table().num_rows
        samples = in_turn({"duckdb": direct, "ours": ours}, rounds)
        table(f"{label}: {sql[:80]}", samples, unit=unit)
        totals.setdefault("duckdb", []).append(samples["duckdb"])
        totals.setdefault("ours", []).append(samples["ours"])


totals: dict[str, list[list[Sample]]] = {}


def peers(wb: workbench.Workbench, rounds: int) -> None:
    import pandas as pd
    import polars as pl

    file = uris(wb.storage, wb.lake.get("workers"))[0]
    table(
        "group by role, from the file",
        in_turn(
            {
                "ours": timed(lambda: wb.sql(TEN[0])),
                "polars": timed(
                    lambda: pl.scan_parquet(file).group_by("role").len().sort("len", descending=True).collect()
                ),
                "pandas": timed(lambda: pd.read_parquet(file, columns=["role"]).value_counts()),
            },
            rounds,
        ),
        unit="ms",
    )


def listing(folder: Path, rounds: int, datasets: int) -> None:
    lake = folder / "many"
    with workbench.connect(lake) as wb:
        for i in range(datasets):
            wb.lake.catalog.register(f"d{i:04}", [Column("id", "int64"), Column("name", "string")])
        wb.lake.datasets()
        warm = timed(wb.lake.datasets)
        code = f"import workbench; workbench.connect({str(lake)!r}).lake.datasets()"
        cold = timed(lambda: subprocess.run([sys.executable, "-c", code], check=True))
        bare = timed(lambda: subprocess.run([sys.executable, "-c", "import duckdb, deltalake, pyarrow"], check=True))
        table(
            f"listing {datasets:,} datasets (first line: a Python that only imports the engines)",
            in_turn({"imports alone": bare, "cold process": cold, "warm": warm}, min(rounds, 7)),
            unit="ms",
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="50,000 rows, 5 rounds, 200 datasets")
    asked = parser.parse_args()
    rows, rounds, datasets = (50_000, 5, 200) if asked.quick else (asked.rows, asked.rounds, 1_000)
    with tempfile.TemporaryDirectory(prefix="lh-bench-") as name:
        from workbench.staffing import write_workers

        folder = Path(name)
        write_workers(folder / "workers.csv", workers=rows)
        with workbench.connect(folder / "lake") as wb:
            wb.ingest(folder / "workers.csv", "workers")
            heading(f"SQL over {rows:,} × 18")
            queries(wb, rounds)
            peers(wb, rounds)
        listing(folder, rounds, datasets)
        import statistics

        def total(side: str) -> float:
            return sum(statistics.median(s.seconds for s in q) for q in totals[side][1:])

        print(f"\nten analytical queries, sum of medians: ours / duckdb = {total('ours') / total('duckdb'):.3f}")
        one = [statistics.median(s.seconds for s in totals[side][0]) * 1000 for side in ("duckdb", "ours")]
        print(f"one row: {one[0]:.2f} ms direct, {one[1]:.2f} ms ours, overhead {one[1] - one[0]:.2f} ms")


if __name__ == "__main__":
    main()
