"""Vector search side by side: ours against hnswlib, faiss, usearch, LanceDB, Chroma and DuckDB, and search as a whole.

Vectors are the texts of generated workers under the embedded default, queries are what people type (the tuning half of
the labelled queries, titles of the trades). Databases evaluate a filter themselves, on columns of their own; libraries
are handed a ready mask, as ours is by SQL. Every engine searches as deep as recall@10 of 0.99 needs on half of the
queries; what is printed is measured on the other half.

    python benchmarks/search.py [--rows 100000] [--rounds 5] [--engines ours,hnswlib] [--quick] [--keep FOLDER]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from _engines import ENGINES, Engine, missing, same_graph
from _sides import heading
from _timing import GOAL, Asked, apart, in_rounds, opened, recall_of, run_side, tune
from _vectors import Cell, Data, K, Truth, load, prepare
from _whole import graph_build, whole

HERE = Path(__file__)
_ALWAYS = ("ours", "hnswlib")
_LEARN = 100  # queries to find the effort with


def present(asked: Sequence[str]) -> list[str]:
    """The engines asked for that are installed; the others are named, with the command that installs them."""
    wanted = [name for name in ENGINES if not asked or name in asked or name in _ALWAYS]
    for name in [name for name in wanted if missing(name)]:
        print(f"left out: {name}, not installed: pip install {ENGINES[name].package}   (all of them: make bench)")
        wanted.remove(name)
    return wanted


def builds(names: Sequence[str], data: Path, rounds: int) -> None:
    """Print build, memory and opening of every engine, each in processes of its own."""
    seen: dict[str, list[list[dict[str, float]]]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names:
            sides = ("build", "open") if turn == 0 else ("open",)
            seen[name].append([apart(HERE, side, name, data) for side in sides])
    base = seen["hnswlib"][0][0]["cpu_s"]
    print("\nbuild, once, 2 threads; memory is the process's own after it opened and answered (mapped files left out)")
    print(f"{'':<16}{'CPU ratio':>10}{'s':>8}{'CPU s':>8}{'open s':>8}{'memory MB':>11}{'disk MB':>9}")
    for name, runs in seen.items():
        build, opens = runs[0][0], [run[-1] for run in runs]
        open_s = statistics.median(run["seconds"] for run in opens)
        memory = statistics.median(run["memory_mb"] for run in opens)
        print(
            f"{name:<16}{build['cpu_s'] / base:>10.2f}{build['seconds']:>8.1f}{build['cpu_s']:>8.1f}{open_s:>8.2f}"
            f"{memory:>11.0f}{opens[0]['disk_mb']:>9.0f}"
        )


def unfiltered(engines: Mapping[str, Engine], data: Data, truth: Truth, rounds: int, budget_s: float) -> dict[str, int]:
    """Tune every engine on half of the queries, print it on the other half; returns the efforts."""
    half = len(data.queries) // 2
    learn, test = data.queries[: min(half, _LEARN)], data.queries[half:]
    learn_limits, limits = truth.limits(learn), truth.limits(test)
    efforts = {name: tune(engine, learn, learn_limits, truth)[0] for name, engine in engines.items()}
    asked = in_rounds(engines, test, rounds=rounds, budget_s=budget_s)
    base = asked["hnswlib"].ms(0.5)
    print(f"\nten nearest, no filter: {len(test)} queries, {rounds} rounds; effort = least with recall {GOAL}")
    print(f"{'':<16}{'ratio':>8}{'effort':>8}{'recall':>8}{'p50 ms':>9}{'p99 ms':>9}")
    for name, own in asked.items():
        recall, _ = recall_of(own, test, limits, [K] * len(test), truth)
        print(
            f"{name:<16}{own.ms(0.5) / base:>8.2f}{efforts[name]:>8}{recall:>8.3f}"
            f"{own.ms(0.5):>9.3f}{own.ms(0.99):>9.3f}"
        )
    return efforts


def overhead(data: Data, ours: Engine, efforts: Sequence[int], rounds: int) -> None:
    """Print our graph search against bare knn_query over the same graph at the same depths."""
    pair = same_graph(ours)
    print("\nour graph search, checks and exact distances included, against bare hnswlib over the same graph")
    print(f"{'ef':<8}{'ratio p50':>10}{'bare ms':>10}{'ours ms':>10}{'ratio p99':>10}")
    for ef in efforts:
        for engine in pair.values():
            engine.set_effort(ef)
        asked = in_rounds(pair, data.queries, rounds=2 * rounds, budget_s=1.0)
        bare, own = asked["hnswlib"], asked["ours"]
        print(
            f"{ef:<8}{own.ms(0.5) / bare.ms(0.5):>10.2f}{bare.ms(0.5):>10.3f}{own.ms(0.5):>10.3f}"
            f"{own.ms(0.99) / bare.ms(0.99):>10.2f}"
        )


def filtered(engines: Mapping[str, Engine], data: Data, truth: Truth, rounds: int, budget_s: float) -> None:
    """Print every filter: p50 ms, recall, and rows returned where they are fewer than there should be."""
    print(f"\nten nearest under a filter: p50 ms, recall, [rows returned, where short of min({K}, matching)]")
    print(f"{'':<20}" + "".join(f"{name:>21}" for name in engines))
    lost: list[str] = []
    ours_short = 0.0
    for cell in data.cells():
        limits = [truth.limits(q[None], f.mask)[0] for q, f in zip(cell.queries, cell.filters, strict=True)]
        matching = [int(f.mask.sum()) for f in cell.filters]
        asked = in_rounds(engines, cell.queries, cell.filters, rounds=rounds, budget_s=budget_s)
        scores = {name: recall_of(own, cell.queries, limits, matching, truth) for name, own in asked.items()}
        wanted = min(K, matching[0])
        print(f"{_name(cell):<20}" + "".join(f"{_cell(name, asked, scores, wanted):>21}" for name in engines))
        ours_short += wanted - scores["ours"][1]
        sure = [name for name, (recall, rows) in scores.items() if recall >= GOAL and rows >= wanted]
        fastest = min(sure, key=lambda name: asked[name].ms(0.5), default="none")
        if not fastest.startswith("ours"):
            lost.append(f"{_name(cell)} to {fastest}")
    print(f"not the fastest at recall {GOAL}: {'; '.join(lost) or 'never'}. Rows that ours came short: {ours_short:g}.")


def _name(cell: Cell) -> str:
    return f"{cell.share * 100:g} % {cell.kind}"


def _cell(name: str, asked: Mapping[str, Asked], scores: Mapping[str, tuple[float, float]], wanted: int) -> str:
    if name not in asked:
        return "no filter"
    recall, rows = scores[name]
    short = f" [{rows:.1f}]" if rows < wanted else ""
    return f"{asked[name].ms(0.5):.2f} {recall:.2f}{short}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="20,000 rows, 2 rounds, less time an engine")
    parser.add_argument("--engines", default="", help=f"only these and ours and hnswlib: {', '.join(ENGINES)}")
    parser.add_argument("--keep", type=Path, help="a folder for lake and vectors, used again where it has them")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        run_side(asked.side, asked.engine, asked.data)
        return
    rows, rounds, budget_s = (20_000, 2, 0.15) if asked.quick else (asked.rows, asked.rounds, 0.5)
    names = present([name for name in asked.engines.split(",") if name])
    with tempfile.TemporaryDirectory(prefix="lh-bench-") as temporary:
        folder = asked.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "words.json").exists():
            made = prepare(folder, rows)
            print(f"prepared: {', '.join(f'{name} {value:,.1f}' for name, value in made.items())}")
        data = load(folder)
        heading(f"Search over {len(data.vectors):,} × {data.vectors.shape[1]}, {len(data.queries)} queries")
        builds(names, folder, 1 if asked.quick else 3)
        engines, truth = opened(names, data), Truth(np.ascontiguousarray(data.vectors))
        efforts = unfiltered(engines, data, truth, rounds, budget_s)
        filtered(engines, data, truth, rounds, budget_s)
        overhead(data, engines["ours"], (64, 256) if asked.quick else (64, 128, 256, 512), rounds)
        graph_build(data, 5_000 if asked.quick else 20_000, rounds)
        whole(data, efforts["hnswlib"], engines["hnswlib"], 5_000 if asked.quick else 20_000, rounds)


if __name__ == "__main__":
    main()
