"""Vector engines behind one small face: built in a process of their own, saved, opened, asked.

Row numbers are ids everywhere. ``effort`` is what an engine calls ef, nprobe …: tuned per engine, see ``EFFORTS``.
Engines are imported when they are used: each is optional, but for ours and hnswlib.
"""

from __future__ import annotations

from abc import abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from _vectors import Data, Filter, K
from numpy.typing import NDArray

M, EF_CONSTRUCTION = 16, 200
THREADS = 2
_GRAPH_EFFORTS = (16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 2048)
_PROBE_EFFORTS = (4, 8, 16, 32, 64, 128, 256, 512, 1024)
_LANCE_REFINE = 5
_CHROMA_BATCH = 5000

Found = NDArray[np.int64]


class UnsupportedError(Exception):
    """The engine has no such search."""


class Engine(Protocol):
    """One engine over the vectors of ``data``, its files in ``folder``."""

    data: Data
    package: ClassVar[str]
    modules: ClassVar[tuple[str, ...]]
    efforts: ClassVar[tuple[int, ...]]

    def __init__(self, data: Data, folder: Path) -> None: ...

    def build(self) -> None:
        """Index all vectors and save."""

    def open(self) -> None:
        """Make ready to search what ``build`` saved."""

    def set_effort(self, effort: int) -> None:
        """How hard to search from now on."""

    def search(self, query: NDArray[np.float32], wanted: Filter | None = None) -> Found:
        """Row numbers of the K nearest, among ``wanted``. Raises UnsupportedError where it cannot filter."""


class _Base:
    package: ClassVar[str] = ""
    modules: ClassVar[tuple[str, ...]] = ()
    efforts: ClassVar[tuple[int, ...]] = (0,)

    def __init__(self, data: Data, folder: Path) -> None:
        self.data, self.folder = data, folder
        self.effort = self.efforts[0]

    def set_effort(self, effort: int) -> None:
        self.effort = effort


class _Ours(_Base):
    """PlannedIndex: graph, codes, planner."""

    modules = ("workbench.search.graphs.planned", "workbench.search.graphs.graph", "hnswlib", "numkong")
    efforts = _GRAPH_EFFORTS
    graph_wanted: ClassVar[bool] = True

    def build(self) -> None:
        from workbench.search.graphs.graph import Graph
        from workbench.search.vectors.codes import encode

        self.codes = encode(self.blocks())
        if self.graph_wanted:
            self.graph = Graph.build(self.data.vectors, m=M, ef_construction=EF_CONSTRUCTION, threads=THREADS)
            self.graph.save(self.folder / "our.graph")

    def open(self) -> None:
        from workbench.search.graphs.graph import Graph
        from workbench.search.graphs.planned import PlannedIndex
        from workbench.search.vectors.codes import encode

        blocks = self.blocks()
        self.graph = Graph.load(self.folder / "our.graph", blocks.dimension)
        self.index = PlannedIndex(blocks, self.graph, codes=encode(blocks))

    def set_effort(self, effort: int) -> None:
        if self.graph is not None:
            self.graph.set_ef(effort)

    def search(self, query: NDArray[np.float32], wanted: Filter | None = None) -> Found:
        return self.index.search(query, K, allowed=None if wanted is None else wanted.mask).ids

    def blocks(self) -> Any:
        from workbench.search.vectors.scan import Block, Blocks

        return Blocks(self.data.vectors.shape[1], (Block(np.asarray(self.data.vectors)),))


class _OursExact(_Ours):
    """The same without a graph: exact by codes."""

    efforts = (0,)
    graph_wanted = False


class _Hnswlib(_Base):
    """hnswlib bare; it filters by a Python callback."""

    package = "hnswlib"
    modules = ("hnswlib",)
    efforts = _GRAPH_EFFORTS

    def build(self) -> None:
        self.index = self._bare()
        self.index.init_index(len(self.data.vectors), ef_construction=EF_CONSTRUCTION, M=M)
        self.index.add_items(self.data.vectors, num_threads=THREADS)
        self.index.save_index(str(self.folder / "index.hnsw"))

    def open(self) -> None:
        self.index = self._bare()
        self.index.load_index(str(next(self.folder.glob("*.hnsw"))))

    def set_effort(self, effort: int) -> None:
        self.index.set_ef(effort)

    def search(self, query: NDArray[np.float32], wanted: Filter | None = None) -> Found:
        if wanted is None:
            return self.index.knn_query(query, K, num_threads=1)[0][0]
        try:
            return self.index.knn_query(query, K, num_threads=1, filter=wanted.mask.item)[0][0]
        except RuntimeError:  # it found fewer than K, and hands out none
            return np.empty(0, np.int64)

    def _bare(self) -> Any:
        import hnswlib

        return hnswlib.Index(space="ip", dim=self.data.vectors.shape[1])


class _Faiss(_Base):
    package = "faiss-cpu"
    modules = ("faiss",)

    def build(self) -> None:
        import faiss

        faiss.omp_set_num_threads(THREADS)
        self.index = self._empty()
        vectors = np.ascontiguousarray(self.data.vectors)
        if not self.index.is_trained:
            self.index.train(vectors)
        self.index.add(vectors)
        faiss.write_index(self.index, str(self.folder / "index"))

    def open(self) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        self.index = faiss.read_index(str(self.folder / "index"))

    def search(self, query: NDArray[np.float32], wanted: Filter | None = None) -> Found:
        import faiss

        selector = None
        if wanted is not None:
            bits = np.packbits(wanted.mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
        found = self.index.search(query[None], K, params=self._parameters(selector))[1][0]
        return found[found >= 0]

    @abstractmethod
    def _empty(self) -> Any: ...

    @abstractmethod
    def _parameters(self, selector: Any) -> Any: ...


class _FaissHnsw(_Faiss):
    """faiss HNSWFlat; it filters by a bitmap of ids."""

    efforts = _GRAPH_EFFORTS

    def _empty(self) -> Any:
        import faiss

        index = faiss.IndexHNSWFlat(self.data.vectors.shape[1], M, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = EF_CONSTRUCTION
        return index

    def _parameters(self, selector: Any) -> Any:
        import faiss

        return faiss.SearchParametersHNSW(efSearch=self.effort, sel=selector)


class _FaissIvf(_Faiss):
    """faiss IVF with vectors of one byte a number; it filters by a bitmap of ids."""

    efforts = _PROBE_EFFORTS

    def _empty(self) -> Any:
        import faiss

        n, d = self.data.vectors.shape
        cells = int(4 * np.sqrt(n))
        self.coarse = faiss.IndexFlatIP(d)
        kind = faiss.ScalarQuantizer.QT_8bit
        return faiss.IndexIVFScalarQuantizer(self.coarse, d, cells, kind, faiss.METRIC_INNER_PRODUCT)

    def _parameters(self, selector: Any) -> Any:
        import faiss

        return faiss.SearchParametersIVF(nprobe=self.effort, sel=selector)


class _Usearch(_Base):
    """usearch; its Python face has no filter."""

    package = "usearch"
    modules = ("usearch.index",)
    efforts = _GRAPH_EFFORTS

    def build(self) -> None:
        from usearch.index import Index

        n, d = self.data.vectors.shape
        self.index = Index(ndim=d, metric="ip", dtype="f32", connectivity=M, expansion_add=EF_CONSTRUCTION)
        self.index.add(np.arange(n), np.ascontiguousarray(self.data.vectors), threads=THREADS)
        self.index.save(str(self.folder / "index"))

    def open(self) -> None:
        from usearch.index import Index

        self.index = Index.restore(str(self.folder / "index"))

    def set_effort(self, effort: int) -> None:
        self.index.expansion_search = effort

    def search(self, query: NDArray[np.float32], wanted: Filter | None = None) -> Found:
        if wanted is not None:
            raise UnsupportedError
        return self.index.search(query, K, threads=1).keys.astype(np.int64)


class _Lance(_Base):
    """LanceDB on disk, IVF with one byte a number, five times K looked at again in float32; it filters before."""

    package = "lancedb"
    modules = ("lancedb", "pyarrow")
    efforts = _PROBE_EFFORTS

    def build(self) -> None:
        table = self._database().create_table("vectors", _arrow(self.data))
        table.create_index(metric="dot", vector_column_name="vector", index_type="IVF_SQ")

    def open(self) -> None:
        self.table = self._database().open_table("vectors")

    def search(self, query: NDArray[np.float32], wanted: Filter | None = None) -> Found:
        ask = self.table.search(query, vector_column_name="vector").distance_type("dot").select(["id", "_distance"])
        ask = ask.nprobes(self.effort).refine_factor(_LANCE_REFINE).limit(K)
        if wanted is not None:
            ask = ask.where(wanted.sql, prefilter=True)
        return ask.to_arrow().column("id").to_numpy()

    def _database(self) -> Any:
        import lancedb

        return lancedb.connect(str(self.folder))


class _Chroma(_Base):
    """Chroma on disk, its HNSW; it filters by metadata."""

    package = "chromadb"
    modules = ("chromadb",)
    efforts = _GRAPH_EFFORTS

    def build(self) -> None:
        n = len(self.data.vectors)
        kept = {"space": "ip", "ef_construction": EF_CONSTRUCTION, "max_neighbors": M, "num_threads": THREADS}
        vectors = self._client().create_collection("vectors", configuration={"hnsw": kept}, embedding_function=None)
        for low in range(0, n, _CHROMA_BATCH):
            rows = range(low, min(low + _CHROMA_BATCH, n))
            places = self.data.places[rows.start : rows.stop].tolist()
            vectors.add(
                ids=[str(row) for row in rows],
                embeddings=self.data.vectors[rows.start : rows.stop],
                metadatas=[dict(zip(self.data.columns, own, strict=True)) for own in places],
            )

    def open(self) -> None:
        self.vectors = self._client().get_collection("vectors", embedding_function=None)

    def set_effort(self, effort: int) -> None:
        self.vectors.modify(configuration={"hnsw": {"ef_search": effort}})
        self._client().clear_system_cache()  # an open collection goes on with the depth it was opened with
        self.open()

    def search(self, query: NDArray[np.float32], wanted: Filter | None = None) -> Found:
        where = None
        if wanted is not None:
            where = {"$and": [{wanted.column: {"$gte": wanted.low}}, {wanted.column: {"$lt": wanted.high}}]}
        try:
            found = self.vectors.query(query_embeddings=query[None], n_results=K, where=where, include=[])
        except Exception:  # noqa: BLE001 - it raises several kinds when its graph finds fewer than K
            return np.empty(0, np.int64)
        return np.array([int(name) for name in found["ids"][0]], np.int64)

    def _client(self) -> Any:
        import chromadb
        from chromadb.config import Settings

        return chromadb.PersistentClient(str(self.folder), Settings(anonymized_telemetry=False))


class _Duckdb(_Base):
    """DuckDB, exact: array_cosine_distance over a column, the query as a table of one row."""

    package = "duckdb"
    modules = ("duckdb", "pyarrow")

    def build(self) -> None:
        self.con = self._connection()
        rows = _arrow(self.data)  # noqa: F841 - DuckDB finds it by its name
        d = self.data.vectors.shape[1]
        self.con.execute(f"CREATE TABLE vectors AS SELECT * REPLACE (vector::FLOAT[{d}] AS vector) FROM rows")
        self.con.close()

    def open(self) -> None:
        self.con = self._connection()

    def search(self, query: NDArray[np.float32], wanted: Filter | None = None) -> Found:
        asked = _vectors_column(query[None])
        import pyarrow as pa

        self.con.register("asked", pa.table({"query": asked}))
        where = "" if wanted is None else f"WHERE {wanted.sql}"
        near = f"ORDER BY array_cosine_distance(vector, query) LIMIT {K}"
        return self.con.execute(f"SELECT id FROM vectors, asked {where} {near}").fetchnumpy()["id"]

    def _connection(self) -> Any:
        import duckdb

        return duckdb.connect(str(self.folder / "vectors.duckdb"), config={"threads": THREADS})


ENGINES: dict[str, type[Any]] = {
    "ours": _Ours,
    "hnswlib": _Hnswlib,
    "ours exact": _OursExact,
    "faiss HNSW": _FaissHnsw,
    "faiss IVF-SQ8": _FaissIvf,
    "usearch": _Usearch,
    "LanceDB": _Lance,
    "Chroma": _Chroma,
    "DuckDB": _Duckdb,
}


def missing(name: str) -> bool:
    """Whether the package of an engine is not installed."""
    package = ENGINES[name].package
    return bool(package) and find_spec(ENGINES[name].modules[0].partition(".")[0]) is None


def _vectors_column(matrix: NDArray[np.float32]) -> Any:
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), matrix.shape[1])


def _arrow(data: Data) -> Any:
    import pyarrow as pa

    columns = {name: data.places[:, at] for at, name in enumerate(data.columns)}
    ids = np.arange(len(data.vectors))
    return pa.table({"id": ids, **columns, "vector": _vectors_column(np.ascontiguousarray(data.vectors))})


def same_graph(ours: Engine) -> dict[str, Engine]:
    """Bare hnswlib over the file of our graph, and ours with costs by which the planner always takes the graph."""
    from workbench.search.graphs.costs import Costs
    from workbench.search.graphs.planned import PlannedIndex

    assert isinstance(ours, _Ours)
    bare = _Hnswlib(ours.data, ours.folder)
    bare.open()
    other = _Ours(ours.data, ours.folder)
    other.graph = ours.graph
    other.index = PlannedIndex(other.blocks(), ours.graph, costs=Costs(scan=1e9, gather=1e9, visit=0.0))
    return {"hnswlib": bare, "ours": other}
