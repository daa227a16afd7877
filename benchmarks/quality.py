"""Retrieval quality on the labelled queries: search as it stands against its peers, with confidence intervals.

20,000 generated workers in a temporary lake; the test half of the labels unless ``--tune``. Add a system in `systems`.

    python benchmarks/quality.py [--tune] [--workers 20000] [--seed 7] [--json report.json]
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

import workbench
from workbench.search.ranking.evaluate import Ranking, Report, System, evaluate
from workbench.search.texts.template import text_template
from workbench.search.vectors.index import BlockIndex
from workbench.staffing import write_workers
from workbench.staffing.labelled import read_labelled

BASE = "hybrid"


def product(wb: workbench.Workbench, mode: str) -> System:
    """Search as the product does it, by all parts or by one arm alone."""

    def ask(query: str, k: int) -> Ranking:
        found = wb.searcher.search(query, k=k, mode=mode)
        return Ranking(tuple(hit.id for hit in found.hits), found.nothing_close)

    return ask


def model(wb: workbench.Workbench) -> System:
    """The embedding model alone: the query as it was typed, the nearest texts, nothing else."""
    corpus = wb.searcher.corpora.of(wb.lake.get("workers")).corpus
    index = BlockIndex(corpus.blocks)

    def ask(query: str, k: int) -> Ranking:
        near = index.search(wb.embed([query])[0], k, allowed=corpus.positions)
        texts = np.flatnonzero(np.isin(corpus.positions, near.ids))
        order = np.argsort([near.ids.tolist().index(corpus.positions[text]) for text in texts], kind="stable")
        rows, _ = corpus.rows_with(texts[order], None)
        return Ranking(tuple(corpus.ids.take(pa.array(rows[:k])).to_pylist()))

    return ask


def bm25(wb: workbench.Workbench) -> System:
    """Plain tantivy over the same texts: its English stemmer, any word may match, its own BM25.

    Without stop words left out: on the tuning half that was the stronger peer (nDCG@10 0.559 against 0.550).
    """
    import tantivy

    schema = tantivy.SchemaBuilder()
    schema.add_integer_field("id", stored=True)
    schema.add_text_field("text", tokenizer_name="en_stem")
    index = tantivy.Index(schema.build())
    writer = index.writer(num_threads=1)  # one segment: ties fall alike in every run
    template = text_template(wb.lake.get("workers").columns)
    rows = wb.sql(f"SELECT worker_id, {template.to_sql()} AS text FROM workers", show_pii=True).table
    for key, text in zip(*(column.to_pylist() for column in rows.columns), strict=True):
        writer.add_document(tantivy.Document(id=key, text=text))
    writer.commit()
    index.reload()
    searcher = index.searcher()

    def ask(query: str, k: int) -> Ranking:
        words = " ".join(re.findall(r"\w+", query.casefold()))
        parsed, _ = index.parse_query_lenient(words, ["text"])
        hits = searcher.search(parsed, k).hits
        ids = tuple(searcher.doc(address)["id"][0] for _, address in hits)
        return Ranking(ids, nothing_close=not ids)

    return ask


def systems(wb: workbench.Workbench) -> Mapping[str, System]:
    """Name → system, in the order of the table; the first is what the others are compared with."""
    arms = {mode: product(wb, mode) for mode in ("hybrid", "vector", "text")}
    return arms | {"model alone": model(wb), "bm25": bm25(wb)}


def verdicts(report: Report) -> None:
    """Print every other system against the first, class by class."""
    first, *others = report.systems
    for other in others:
        print(f"\n{other} less {first}, nDCG@{report.k}, paired bootstrap, 95 % (each class by itself)")
        for found in report.compare(other, first):
            print(
                f"  {found.class_:<20}{found.by.mean:+.3f} [{found.by.low:+.3f} {found.by.high:+.3f}]  {found.verdict}"
            )


def strangers(report: Report) -> None:
    """Print what was called far: plain strangers, and traps that talk of the trades' things instead of people."""
    for system in report.systems:
        said = [
            (("trap" in s.id), s.values["detected"])
            for s in report.scores
            if s.system == system and "detected" in s.values
        ]
        parts = [
            (name, [value for trap, value in said if trap == kind])
            for name, kind in (("plain", False), ("traps", True))
        ]
        print(f"{system}: far said for " + ", ".join(f"{sum(v):.0f} of {len(v)} {name}" for name, v in parts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tune", action="store_true", help="the half of the labels for tuning")
    parser.add_argument("--quick", action="store_true", help="6,000 workers")
    parser.add_argument("--workers", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=7, help="of the generated workers")
    parser.add_argument("--json", type=Path, help="write the whole report, with every query")
    asked = parser.parse_args()
    asked.workers = 6_000 if asked.quick else asked.workers
    split = "tune" if asked.tune else "test"
    labelled = read_labelled(split)
    with tempfile.TemporaryDirectory(prefix="lh-bench-") as name:
        folder = Path(name)
        write_workers(folder / "workers.csv", workers=asked.workers, seed=asked.seed)
        with workbench.connect(folder / "lake") as wb:
            wb.ingest(folder / "workers.csv", "workers")
            manifest = wb.lake.get("workers")
            began = time.process_time()
            report = evaluate(
                labelled,
                systems(wb),
                lambda condition: wb.lake.queries.matching(manifest, "worker_id", condition).to_pylist(),
            )
            spent = time.process_time() - began
    print(f"{len(labelled)} queries of the {split} half, {asked.workers:,} workers, {spent:.0f} s of CPU time\n")
    print(report.to_text())
    print()
    strangers(report)
    verdicts(report)
    if asked.json:
        asked.json.write_text(json.dumps(report.to_dict(), indent=1) + "\n")


if __name__ == "__main__":
    main()
