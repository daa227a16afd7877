"""The magic in a notebook: ours against magic_duckdb, JupySQL and no magic at all, over the same Parquet files.

1, 1,000 and 1,000,000 rows; on every side the same work: a fetch of all rows as DataFrame, the same as Arrow, and
what a person sees first, a page of 100 rows drawn as HTML. Peers are optional: `make bench` installs them.

    python benchmarks/magic.py [--rows 1000000] [--rounds 21] [--quick]
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.metadata
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from _sides import Sample, heading, in_turn, table

PAGE = 100
UNMASKED = "ours, --show-pii"  # what the peers do: no value is looked at for personal data
PACKAGES = ("duckdb", "magic_duckdb", "jupysql", "ipython", "pandas", "pyarrow")
Side = Callable[[str], Any]  # the name of a dataset → its rows


def plain(con: Any) -> dict[str, Side]:
    """DuckDB with no magic: what no notebook can be faster than."""
    return {
        "df": lambda name: con.execute(f"SELECT * FROM {name}").df(),
        "arrow": lambda name: con.sql(f"SELECT * FROM {name}").to_arrow_table(),  # execute() would copy the rows
        "page": lambda name: con.execute(f"SELECT * FROM {name} LIMIT {PAGE}").df()._repr_html_(),
    }


def ours(shell: Any, lake: Path, options: str = "") -> dict[str, Side]:
    """``%lhsql``: guarded, pinned to the newest snapshot; personal data masked, unless ``--show-pii``."""
    shell.run_line_magic("load_ext", "kernel_ext")
    import kernel_ext

    kernel_ext.opened().use(lake)

    def ask(line: str) -> Any:
        return shell.run_line_magic("lhsql", f"{options} {line}")

    return {
        "df": lambda name: ask(f"--to df SELECT * FROM {name}"),
        "arrow": lambda name: ask(f"--to arrow SELECT * FROM {name}"),
        "page": lambda name: ask(f"--limit {PAGE} SELECT * FROM {name}")._repr_html_(),
    }


def magic_duckdb(shell: Any, con: Any) -> dict[str, Side]:
    """``%dql`` on a connection of its own."""
    shell.run_line_magic("load_ext", "magic_duckdb")
    shell.user_ns["magic_con"] = con
    shell.run_line_magic("dql", "-co magic_con")

    def ask(line: str) -> Any:
        return shell.run_line_magic("dql", line)

    return {
        "df": lambda name: ask(f"-t df SELECT * FROM {name}"),
        "arrow": lambda name: ask(f"-t arrow SELECT * FROM {name}"),
        "page": lambda name: ask(f"-t df SELECT * FROM {name} LIMIT {PAGE}")._repr_html_(),
    }


def jupysql(shell: Any, con: Any) -> dict[str, Side]:
    """``%sql`` on a DuckDB connection as such (no SQLAlchemy between), all rows to pandas. It has no Arrow."""
    os.environ["PLOOMBER_STATS_ENABLED"] = "false"
    shell.run_line_magic("load_ext", "sql")
    shell.user_ns["sql_con"] = con
    for setting in ("autopandas = True", "feedback = 0", "displaycon = False"):
        shell.run_line_magic("config", f"SqlMagic.{setting}")
    shell.run_line_magic("sql", "sql_con --alias duckdb")

    def ask(line: str) -> Any:
        return shell.run_line_magic("sql", line)

    return {
        "df": lambda name: ask(f"SELECT * FROM {name}"),
        "page": lambda name: ask(f"SELECT * FROM {name} LIMIT {PAGE}")._repr_html_(),
    }


PEERS: dict[str, tuple[str, Callable[[Any, Any], dict[str, Side]]]] = {
    "magic_duckdb": ("magic_duckdb", magic_duckdb),
    "jupysql": ("sql", jupysql),
}


def sides(shell: Any, lake: Path, files: Mapping[str, list[str]]) -> dict[str, dict[str, Side]]:
    """Every side that is installed, plain DuckDB first."""
    # JupySQL's module is called sql; benchmarks/sql.py, beside this script, must not be taken for it.
    sys.path[:] = [place for place in sys.path if Path(place).resolve() != Path(__file__).parent]
    found = {
        "plain duckdb": plain(_connection(files)),
        "ours": ours(shell, lake),
        UNMASKED: ours(shell, lake, "--show-pii"),
    }
    for name, (module, make) in PEERS.items():
        if find_spec(module):
            with _quiet():
                found[name] = make(shell, _connection(files))
        else:
            print(f"{name} is not installed: make bench installs it")
    return found


def _connection(files: Mapping[str, list[str]]) -> Any:
    import duckdb

    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")
    for name, paths in files.items():
        con.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({paths})")
    return con


def fill(folder: Path, most: int) -> dict[str, list[str]]:
    """A lake with a dataset of 1, of 1,000 and of ``most`` rows × 6; the Parquet files of each."""
    import duckdb

    import workbench
    from workbench.lake.sql.relation import uris

    files = {}
    with workbench.connect(folder / "lake") as wb:
        for rows in (1, 1000, most):
            name = f"shifts_{rows}"
            source = str(folder / f"{name}.parquet")
            duckdb.sql(
                "SELECT i AS shift_id, i % 97 AS site, (i * 7919 % 10000) / 100 AS hours, 'role ' || (i % 40) AS role, "
                "DATE '2026-01-01' + (i % 300)::INT AS worked_on, i % 3 = 0 AS paid "
                f"FROM range({rows}) AS t (i)"
            ).write_parquet(source)
            wb.ingest(source, name)
            files[name] = [str(path) for path in uris(wb.storage, wb.lake.get(name))]
    return files


def timed(side: Side, name: str) -> Callable[[], Sample]:
    def run() -> Sample:
        gc.collect()  # a side pays for its own garbage only
        with _quiet():
            began = time.perf_counter()
            kept = side(name)
            seconds = time.perf_counter() - began
        del kept
        return Sample(seconds, 0.0)

    return run


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def able(work: str, found: Mapping[str, Mapping[str, Side]], name: str) -> dict[str, Side]:
    """The sides that can do this work, and do the same: a peer that fails is named and left out."""
    sizes, kept = {}, {}
    for side, ways in found.items():
        if work not in ways:
            continue
        try:
            with _quiet():
                sizes[side], kept[side] = _size(ways[work](name)), ways[work]
        except Exception as error:  # a peer may fail in any way; ours is raised again
            if side not in PEERS:
                raise
            print(f"\n{side} is left out of {work}: {type(error).__name__}: {error}")
    assert len(set(sizes.values())) == 1, f"{work} of {name}: {sizes}"
    return kept


def _size(found: Any) -> Any:
    return f"HTML with {min(found.count('<tr'), PAGE)} rows" if isinstance(found, str) else found.shape


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--quick", action="store_true", help="100,000 rows at most, 7 rounds")
    asked = parser.parse_args()
    most, rounds = (100_000, 7) if asked.quick else (asked.rows, asked.rounds)
    import pandas as pd

    pd.set_option("display.max_rows", PAGE)  # it draws ten rows of a hundred otherwise, and we all of them
    heading(" · ".join(f"{name} {version}" for name, version in _versions()))
    medians: dict[tuple[str, int, str], float] = {}
    with tempfile.TemporaryDirectory(prefix="lh-bench-") as folder, _shell(Path(folder)) as shell:
        files = fill(Path(folder), most)
        found = sides(shell, Path(folder) / "lake", files)
        for work in ("df", "arrow", "page"):
            for name, rows in zip(files, (1, 1000, most), strict=True):
                ways = able(work, found, name)
                samples = in_turn({side: timed(ask, name) for side, ask in ways.items()}, rounds)
                table(f"{work}: {rows:,} rows × 6", samples, unit="ms")
                medians |= {(work, rows, side): statistics.median(s.seconds for s in samples[side]) for side in ways}
    _verdict(medians, most)


def _verdict(medians: Mapping[tuple[str, int, str], float], most: int) -> None:
    print()
    for side in ("ours", UNMASKED):
        for work in ("df", "arrow", "page"):
            over = medians[work, 1, side] - medians[work, 1, "plain duckdb"]
            ratio = medians[work, most, side] / medians[work, most, "plain duckdb"]
            print(
                f"{side:<18}{work:<6}{over * 1000:+7.2f} ms at one row (aim: at most 5), "
                f"{ratio:.3f} × plain DuckDB at {most:,} rows (aim: at most 1.1)"
            )


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            yield name, importlib.metadata.version(name)


@contextlib.contextmanager
def _shell(folder: Path) -> Iterator[Any]:
    """An IPython shell in this process that keeps its history and settings in ``folder``."""
    os.environ["IPYTHONDIR"] = str(folder / "ipython")
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    yield shell
    InteractiveShell.clear_instance()


if __name__ == "__main__":
    main()
