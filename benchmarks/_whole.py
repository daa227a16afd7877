"""Search as a whole, each part against the same work done bare: intake, graph, cache, words, hybrid."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _engines import EF_CONSTRUCTION, THREADS, Engine, M
from _vectors import Data, texts_of
from numpy.typing import NDArray

HYBRID_K = 20
_BATCH = 1024
_CACHE_TEXTS = 1000


def whole(data: Data, ef: int, bare: Engine, texts: int, rounds: int) -> None:
    """Print intake, cache and hybrid search over the lake of ``data``; ``bare`` is hnswlib, asked at depth ``ef``."""
    import workbench

    with workbench.connect(data.folder / "lake") as wb:
        ids, all_texts = texts_of(wb)
        _intake(wb.embedder, all_texts[:texts], rounds)
        _cache(wb.embedder, data.words)
        bare.set_effort(ef)
        words = _tantivy(ids, all_texts)
        _hybrid(wb, data, bare.index, words, len(ids))  # type: ignore[attr-defined]


def graph_build(data: Data, rows: int, rounds: int) -> None:
    """Print the build of our graph against hnswlib's ``add_items``, CPU seconds."""
    import hnswlib

    from workbench.search.graphs.graph import Graph

    vectors = np.ascontiguousarray(data.vectors[:rows])

    def bare() -> None:
        index = hnswlib.Index(space="ip", dim=vectors.shape[1])
        index.init_index(len(vectors), ef_construction=EF_CONSTRUCTION, M=M)
        index.add_items(vectors, num_threads=THREADS)

    def ours() -> None:
        Graph.build(vectors, m=M, ef_construction=EF_CONSTRUCTION, threads=THREADS)

    _pair(f"graph of {len(vectors):,}", "hnswlib", bare, "ours", ours, rounds)


def _intake(embedder: Any, texts: list[str], rounds: int) -> None:
    import pyarrow as pa

    from workbench.search.texts.corpus import embed_corpus

    batch = pa.RecordBatch.from_pydict({"id": np.arange(len(texts)), "text": texts})

    def bare() -> None:
        for low in range(0, len(texts), _BATCH):
            embedder.embed(texts[low : low + _BATCH], side="document")

    def ours() -> None:
        with tempfile.TemporaryDirectory(prefix="lh-bench-") as folder:
            embed_corpus([batch], embedder, Path(folder), "texts")

    bare_s = _pair(f"embedding {len(texts):,} texts", "model alone", bare, "intake", ours, rounds)
    print(f"  the model alone: {len(texts) / bare_s:,.0f} texts per CPU second")


def _cache(embedder: Any, words: tuple[str, ...]) -> None:
    from workbench.search.embedding.cache import CachedEmbedder, EmbedCache

    cached = CachedEmbedder(embedder, EmbedCache())
    texts = list(words)
    cached.embed(texts, side="query")
    said = []
    for size in (1, 64):
        rounds = max(_CACHE_TEXTS // size, 1)
        batches = [(texts * 3)[low : low + size] for low in range(len(texts))]
        began = time.perf_counter()
        for turn in range(rounds):
            cached.embed(batches[turn % len(batches)], side="query")
        said.append(f"{(time.perf_counter() - began) / (rounds * size) * 1e6:.2f} µs in calls of {size}")
    print(f"\ncached embed, a text: {', '.join(said)}")


def _hybrid(wb: Any, data: Data, index: Any, words: Any, rows: int) -> None:
    """Each query is new to both sides; they take turns."""
    embed = wb.embedder.embed
    bare_words: list[float] = []

    def bare(query: str) -> None:
        index.knn_query(embed([query], side="query")[0], k=HYBRID_K, num_threads=1)
        began = time.perf_counter()
        words(query)
        bare_words.append(time.perf_counter() - began)

    def ours(query: str) -> None:
        wb.search(query, k=HYBRID_K)

    sides: dict[str, Callable[[str], None]] = {"arms bare": bare, "wb.search": ours}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for query in ("forklift operator", "rn night shift", "welder tig"):
        bare(query)
        ours(query)
    for at, query in enumerate(data.words):
        for name in sorted(sides, reverse=bool(at % 2)):
            began = time.perf_counter()
            sides[name](query)
            times[name].append(time.perf_counter() - began)
    print(f"\nhybrid, top {HYBRID_K} of {rows:,} rows, {len(data.words)} queries, each new to both sides")
    print(f"{'':<28}{'ratio p50':>10}{'p50 ms':>9}{'p99 ms':>9}")
    times["of it tantivy"] = bare_words
    base = statistics.median(times["arms bare"])
    for name, seconds in times.items():
        middle, last = (float(np.quantile(seconds, share)) for share in (0.5, 0.99))
        print(f"{name:<28}{middle / base:>10.2f}{middle * 1000:>9.2f}{last * 1000:>9.2f}")


def _tantivy(ids: list[int], texts: list[str]) -> Callable[[str], NDArray[np.int64]]:
    import re

    import tantivy

    schema = tantivy.SchemaBuilder()
    schema.add_integer_field("id", stored=True, fast=True)
    schema.add_text_field("text", tokenizer_name="en_stem")
    index = tantivy.Index(schema.build())
    writer = index.writer(num_threads=1)
    for key, text in zip(ids, texts, strict=True):
        writer.add_document(tantivy.Document(id=key, text=text))
    writer.commit()
    index.reload()
    searcher = index.searcher()

    def ask(query: str) -> NDArray[np.int64]:
        parsed, _ = index.parse_query_lenient(" ".join(re.findall(r"\w+", query.casefold())), ["text"])
        hits = searcher.search(parsed, HYBRID_K).hits
        return np.array([searcher.doc(address)["id"][0] for _, address in hits], np.int64)

    return ask


def _pair(
    title: str, base_name: str, base: Callable[[], None], name: str, work: Callable[[], None], rounds: int
) -> float:
    """Print the CPU seconds of two pieces of work, done in turn; returns those of the first."""
    spent: dict[str, list[float]] = {base_name: [], name: []}
    for _ in range(max(rounds, 2)):
        for side, run in ((base_name, base), (name, work)):
            began = time.process_time()
            run()
            spent[side].append(time.process_time() - began)
    first, second = (statistics.median(spent[side]) for side in (base_name, name))
    print(f"\n{title}: {name} / {base_name} = {second / first:.2f}   (CPU s: {second:.2f} / {first:.2f})")
    return first
