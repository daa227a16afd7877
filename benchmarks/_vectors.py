"""What the search benchmarks run on: workers' texts and their vectors, real queries, filters and the exact answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

K = 10
ANCHORS = 8
SHARES = (0.5, 0.05, 0.005, 0.0005)
KINDS = ("random", "correlated", "anti")
_TITLES = 200
_SLACK = 1e-6  # a row as far as the tenth, up to float32, counts as found


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows with ``low`` ≤ column ``column`` < ``high``, as a range for databases and as ``mask`` (n,) for libraries."""

    column: str
    low: int
    high: int
    mask: NDArray[np.bool_]

    @property
    def sql(self) -> str:
        """The condition."""
        return f"{self.column} >= {self.low} AND {self.column} < {self.high}"


@dataclass(frozen=True, slots=True)
class Cell:
    """Queries (q, d) of one filtered measurement with the filter of each."""

    share: float
    kind: str
    queries: NDArray[np.float32]
    filters: tuple[Filter, ...]


@dataclass(frozen=True)
class Data:
    """``vectors`` (n, d) unit rows, mapped; ``queries`` (q, d), none of them a stored vector, and their ``words``.

    ``places`` (n, 1 + anchors) int32: columns to filter by. The first is a random order of the rows, the others their
    order by nearness to one of ``anchors`` (a, d): a range of it goes with that query or turns away from it.
    """

    folder: Path
    vectors: NDArray[np.float32]
    queries: NDArray[np.float32]
    words: tuple[str, ...]
    anchors: NDArray[np.float32]
    places: NDArray[np.int32]

    @property
    def columns(self) -> list[str]:
        """Names of ``places``."""
        return [f"place_{at}" for at in range(self.places.shape[1])]

    def cells(self) -> Iterator[Cell]:
        """Every share with every kind of filter."""
        n = len(self.vectors)
        for share in SHARES:
            count = max(int(share * n), 1)
            yield Cell(share, "random", self.queries[: 5 * ANCHORS], (self._range(0, 0, count),) * (5 * ANCHORS))
            for kind, low in (("correlated", 0), ("anti", n - count)):
                own = tuple(self._range(1 + at, low, low + count) for at in range(len(self.anchors)))
                yield Cell(share, kind, self.anchors, own)

    def _range(self, at: int, low: int, high: int) -> Filter:
        column = self.places[:, at]
        return Filter(self.columns[at], low, high, (column >= low) & (column < high))


def prepare(folder: Path, rows: int, seed: int = 7) -> dict[str, Any]:
    """Make the lake of ``rows`` workers, index it, and put vectors, queries and filter columns into ``folder``.

    Returns what was seen on the way: seconds, texts.
    """
    import workbench
    from workbench.staffing import write_workers

    write_workers(folder / "workers.csv", workers=rows, seed=seed)
    with workbench.connect(folder / "lake") as wb:
        wb.ingest(folder / "workers.csv", "workers")
        (folder / "workers.csv").unlink()
        done = wb.searcher.index("workers")
        corpus = wb.searcher.corpora.of(wb.lake.get("workers")).corpus
        vectors = corpus.blocks.take(corpus.positions)
        np.save(folder / "vectors.npy", vectors)
        words = _queries(wb)
        queries = wb.embedder.embed(list(words), side="query")
    order = np.random.default_rng(seed).permutation(len(words))
    words, queries = tuple(words[at] for at in order), queries[order]
    anchors = queries[:: max(len(queries) // ANCHORS, 1)][:ANCHORS]
    np.save(folder / "queries.npy", queries)
    np.save(folder / "anchors.npy", anchors)
    np.save(folder / "places.npy", _places(vectors, anchors, seed))
    (folder / "words.json").write_text(json.dumps(words))
    return {"rows": rows, "texts": len(vectors), "intake_s": done.corpus.elapsed_s, "graph_s": done.build_s}


def load(folder: Path) -> Data:
    """What ``prepare`` left in ``folder``."""
    mapped = np.load(folder / "vectors.npy", mmap_mode="r")
    arrays = [np.load(folder / f"{name}.npy") for name in ("queries", "anchors", "places")]
    words = tuple(json.loads((folder / "words.json").read_text()))
    return Data(folder, mapped, arrays[0], words, arrays[1], arrays[2])


def texts_of(wb: Any) -> tuple[list[int], list[str]]:
    """Ids and texts of all workers, as they are indexed."""
    from workbench.search.texts.template import text_template

    template = text_template(wb.lake.get("workers").columns)
    rows = wb.sql(f"SELECT worker_id, {template.to_sql()} AS text FROM workers", show_pii=True).table
    ids, texts = (column.to_pylist() for column in rows.columns)
    return ids, texts


class Truth:
    """Exact answers by float32 products, and how much of them an engine found."""

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors

    def limits(self, queries: NDArray[np.float32], mask: NDArray[np.bool_] | None = None) -> list[float]:
        """Likeness of the K-th nearest to each query (the last one where fewer match)."""
        out: list[float] = []
        for query in queries:
            likeness = self._vectors @ query
            likeness = likeness if mask is None else likeness[mask]
            most = min(K, len(likeness))
            out.append(float(np.partition(likeness, -most)[-most]))
        return out

    def recall(self, found: NDArray[np.int64], query: NDArray[np.float32], limit: float, matching: int) -> float:
        """Share of the min(K, ``matching``) nearest that is in ``found``."""
        wanted = min(K, matching)
        near = int((self._vectors[np.unique(found)] @ query >= limit - _SLACK).sum()) if len(found) else 0
        return min(near, wanted) / wanted


def _queries(wb: Any) -> list[str]:
    """What people ask: the tuning half of the labelled queries, and titles of the trade dictionary."""
    from workbench.staffing.labelled import read_labelled

    labelled = [entry.query for entry in read_labelled("tune") if entry.class_ != "out of domain"]
    titles = wb.trades.dictionary.titles
    return list(dict.fromkeys([*labelled, *titles[:: max(len(titles) // _TITLES, 1)]]))


def _places(vectors: NDArray[np.float32], anchors: NDArray[np.float32], seed: int) -> NDArray[np.int32]:
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(vectors)), *(np.argsort(-(vectors @ anchor), kind="stable") for anchor in anchors)]
    places = np.empty((len(vectors), len(orders)), np.int32)
    for at, order in enumerate(orders):
        places[order, at] = np.arange(len(vectors))
    return places
