"""What every index promises, checked against brute force with the one distance kernel."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.errors import DimensionError, InvalidError
from workbench.search.graphs.costs import Costs
from workbench.search.graphs.graph import Graph
from workbench.search.graphs.hnsw import HnswIndex
from workbench.search.graphs.planned import PlannedIndex
from workbench.search.vectors.codes import encode
from workbench.search.vectors.distance import Distance, distances
from workbench.search.vectors.index import BlockIndex, ExactIndex, GrowingIndex, Index
from workbench.search.vectors.lance_index import LanceIndex
from workbench.search.vectors.scan import Block, Blocks

D = 3


@dataclass(frozen=True)
class Kind:
    """An implementation: ``make`` gets vectors (n, D) and gives them ids 0 … n − 1."""

    distance: Distance
    make: Callable[[np.ndarray], Index]
    unit: bool = False
    exact: bool = True


def blocks_of(vectors: np.ndarray) -> Blocks:
    cuts = sorted({0, len(vectors) // 3, len(vectors) // 2, len(vectors)})
    parts = [vectors[low:high] for low, high in pairwise(cuts) if high > low]
    return Blocks(vectors.shape[1], tuple(Block(np.ascontiguousarray(part)) for part in parts))


def block_index(vectors: np.ndarray) -> Index:
    return BlockIndex(blocks_of(vectors))


def coded_index(vectors: np.ndarray) -> Index:
    blocks = blocks_of(vectors)
    return PlannedIndex(blocks, codes=encode(blocks), costs=Costs(scan=1.0, gather=3.0, visit=1e12, start=0.0))


GRAPH_IS_FREE = Costs(scan=1e6, gather=1e6, visit=0.0, start=1e9)


def graph_index(vectors: np.ndarray) -> Index:
    """Three quarters of the rows in the graph, the others fresh; the graph is asked whenever it can be."""
    known = len(vectors) - len(vectors) // 4
    if not known:
        return PlannedIndex(blocks_of(vectors))
    graph = Graph.build(vectors[:known], threads=1)
    graph.set_ef(256)
    return PlannedIndex(blocks_of(vectors), graph, np.arange(known), costs=GRAPH_IS_FREE)


def hnsw_index(distance: Distance) -> Callable[[np.ndarray], Index]:
    def make(vectors: np.ndarray) -> Index:
        index = HnswIndex(vectors.shape[1], distance, ef=256, graph_from=8, costs=GRAPH_IS_FREE)
        order = np.random.default_rng(len(vectors)).permutation(len(vectors))
        for part in np.array_split(order, 3):
            index.add(part, vectors[part])
        return index

    return make


def exact_index(distance: Distance) -> Callable[[np.ndarray], Index]:
    def make(vectors: np.ndarray) -> Index:
        index = ExactIndex(vectors.shape[1], distance)
        order = np.random.default_rng(len(vectors)).permutation(len(vectors))
        for part in np.array_split(order, 3):
            index.add(part, vectors[part])
        return index

    return make


def lance_index(distance: Distance, *, index_from: int = 10**9) -> Callable[[np.ndarray], Index]:
    """In a folder of its own; from ``index_from`` rows with an inverted file, which knows nine tenths of them."""

    def make(vectors: np.ndarray) -> Index:
        index = LanceIndex(new_folder(), vectors.shape[1], distance, index_from=index_from)
        order = np.random.default_rng(len(vectors)).permutation(len(vectors))
        for part in np.split(order, [len(order) // 2, len(order) - len(order) // 15]):
            index.add(part, vectors[part])
        return index

    return make


def new_folder() -> Path:
    return Path(tempfile.mkdtemp(dir=FOLDERS.name))


FOLDERS = tempfile.TemporaryDirectory(prefix="lance-laws-")
KINDS = {
    "blocks-cosine": Kind("cosine", block_index, unit=True),
    "exact-cosine": Kind("cosine", exact_index("cosine")),
    "exact-euclidean": Kind("euclidean", exact_index("euclidean")),
    "exact-dot": Kind("dot", exact_index("dot")),
    "coded-cosine": Kind("cosine", coded_index, unit=True),
    "graph-cosine": Kind("cosine", graph_index, unit=True, exact=False),
    "hnsw-cosine": Kind("cosine", hnsw_index("cosine"), exact=False),
    "hnsw-euclidean": Kind("euclidean", hnsw_index("euclidean"), exact=False),
    "hnsw-dot": Kind("dot", hnsw_index("dot")),
    "lance-cosine": Kind("cosine", lance_index("cosine")),
    "lance-euclidean": Kind("euclidean", lance_index("euclidean")),
    "lance-dot": Kind("dot", lance_index("dot")),
    "lance-clusters-cosine": Kind("cosine", lance_index("cosine", index_from=256), exact=False),
    "lance-clusters-euclidean": Kind("euclidean", lance_index("euclidean", index_from=256), exact=False),
}
# Few distinct values make many ties; the wide ones overflow and vanish in float32 products.
few = st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0])
wide = st.floats(-(2.0**127), 2.0**127, width=32)
each_kind = pytest.mark.parametrize("name", sorted(KINDS))
each_exact_kind = pytest.mark.parametrize("name", sorted(name for name, kind in KINDS.items() if kind.exact))
each_graph_kind = pytest.mark.parametrize("name", sorted(name for name, kind in KINDS.items() if not kind.exact))
GROWING: dict[str, Callable[[Distance], GrowingIndex]] = {
    "exact": lambda distance: ExactIndex(D, distance),
    "hnsw": lambda distance: HnswIndex(D, distance, ef=64, graph_from=8, costs=GRAPH_IS_FREE),
    "lance": lambda distance: LanceIndex(new_folder(), D, distance),
}


def rows(kind: Kind, vectors: np.ndarray) -> np.ndarray:
    vectors = vectors[vectors.any(axis=1)] if kind.distance == "cosine" else vectors
    if kind.unit:
        wide_rows = vectors.astype(np.float64)
        wide_rows /= np.abs(wide_rows).max(axis=1, keepdims=True)
        vectors = (wide_rows / np.linalg.norm(wide_rows, axis=1, keepdims=True)).astype(np.float32)
    return np.ascontiguousarray(vectors, np.float32)


def brute(vectors: np.ndarray, query: np.ndarray, k: int, distance: Distance, ids: np.ndarray):
    far = distances(vectors[ids], query, distance)
    order = np.lexsort((ids, far))[:k]
    return ids[order], far[order]


@each_exact_kind
@settings(max_examples=60, deadline=None)
@given(
    vectors=st.one_of(
        arrays(np.float32, st.tuples(st.integers(1, 40), st.just(D)), elements=few),
        arrays(np.float32, st.tuples(st.integers(1, 40), st.just(D)), elements=wide),
    ),
    query=st.one_of(arrays(np.float32, D, elements=few), arrays(np.float32, D, elements=wide)),
    k=st.integers(1, 50),
    share=st.sampled_from([None, 0.0, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 9),
)
def test_the_answer_is_that_of_brute_force_in_ids_bits_and_order(name, vectors, query, k, share, seed):
    kind = KINDS[name]
    vectors = rows(kind, vectors)
    if kind.distance == "cosine" and (not query.any() or not len(vectors)):
        return
    index = kind.make(vectors)
    rng = np.random.default_rng(seed)
    ids = np.arange(len(vectors)) if share is None else np.flatnonzero(rng.random(len(vectors)) < share)
    allowed = None if share is None else np.append(rng.permutation(ids), [len(vectors) + 5, -3])

    got = index.search(query, k, allowed=allowed)

    want_ids, want_far = brute(vectors, query, k, kind.distance, ids)
    assert got.ids.tolist() == want_ids.tolist()
    assert got.distances.tobytes() == want_far.tobytes()
    assert len(got) == min(k, len(ids))


def assert_honest(got, kind: Kind, vectors: np.ndarray, query: np.ndarray, k: int, ids: np.ndarray) -> None:
    """All that a graph cannot be excused from: never short, only what is allowed, the kernel's bits, in order."""
    assert len(got) == min(k, len(ids))
    assert np.isin(got.ids, ids).all()
    assert len(set(got.ids.tolist())) == len(got)
    assert got.distances.tobytes() == distances(vectors[got.ids], query, kind.distance).tobytes()
    assert np.lexsort((got.ids, got.distances)).tolist() == list(range(len(got)))


@each_graph_kind
@settings(max_examples=60, deadline=None)
@given(
    vectors=st.one_of(
        arrays(np.float32, st.tuples(st.integers(1, 40), st.just(D)), elements=few),
        arrays(np.float32, st.tuples(st.integers(1, 40), st.just(D)), elements=wide),
    ),
    query=st.one_of(arrays(np.float32, D, elements=few), arrays(np.float32, D, elements=wide)),
    k=st.integers(1, 50),
    share=st.sampled_from([None, 0.0, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 9),
)
def test_a_graph_is_never_short_and_every_bit_it_returns_is_the_kernels(name, vectors, query, k, share, seed):
    kind = KINDS[name]
    vectors = rows(kind, vectors)
    if kind.distance == "cosine" and (not query.any() or not len(vectors)):
        return
    rng = np.random.default_rng(seed)
    ids = np.arange(len(vectors)) if share is None else np.flatnonzero(rng.random(len(vectors)) < share)
    allowed = None if share is None else np.append(rng.permutation(ids), [len(vectors) + 5, -3])
    assert_honest(kind.make(vectors).search(query, k, allowed=allowed), kind, vectors, query, k, ids)


def six_thousand(kind: Kind, rng: np.random.Generator) -> np.ndarray:
    vectors = rows(kind, rng.standard_normal((6000, 16)).astype(np.float32))
    vectors[4000:4500] = vectors[77]
    return vectors


@pytest.fixture(scope="module")
def built():
    """Kind → its index of six thousand, made once: it is only searched."""
    return cache(lambda name: KINDS[name].make(six_thousand(KINDS[name], np.random.default_rng(3))))


@each_graph_kind
@pytest.mark.parametrize("share", [None, 0.001, 0.05, 0.4, 1.0])
def test_recall_of_a_graph_is_at_least_99_per_cent(built, name, share):
    kind = KINDS[name]
    rng = np.random.default_rng(3)
    vectors = six_thousand(kind, rng)
    index, found = built(name), []
    ids = np.arange(len(vectors)) if share is None else np.flatnonzero(rng.random(len(vectors)) < share)
    for query in vectors[rng.integers(0, 6000, 25)] + np.float32(0.05):
        got = index.search(query, 20, allowed=None if share is None else ids)
        assert_honest(got, kind, vectors, query, 20, ids)
        want = brute(vectors, query, 20, kind.distance, ids)[1]
        found.append(np.mean(got.distances <= want[-1]))
    assert np.mean(found) >= 0.99


@pytest.mark.parametrize("distance", ["cosine", "euclidean", "dot"])
@pytest.mark.parametrize("name", sorted(GROWING))
@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(0, 12), min_size=1, max_size=12), st.integers(0, 9)), max_size=8
    )
)
def test_adding_replacing_and_removing_leave_what_a_dict_would(name, distance, steps):
    index, kept = GROWING[name](distance), {}
    for adding, ids, seed in steps:
        vectors = np.random.default_rng(seed).choice([-1.0, 0.5, 1.0], (len(ids), D)).astype(np.float32)
        if adding:
            new = len(set(ids) - set(kept))
            assert index.add(ids, vectors) == new
            kept.update(zip(ids, vectors, strict=True))
        else:
            assert index.remove(ids) == len(set(ids) & set(kept))
            kept = {key: value for key, value in kept.items() if key not in ids}
        got = index.search([1.0, -0.5, 0.25], 99)
        assert len(index) == len(got) == len(kept)
        assert set(got.ids.tolist()) == set(kept)
        stored = np.array([kept[key] for key in got.ids.tolist()], np.float32).reshape(-1, D)
        query = np.array([1.0, -0.5, 0.25], np.float32)
        assert got.distances.tobytes() == distances(stored, query, distance).tobytes()


@each_exact_kind
@pytest.mark.parametrize("share", [None, 0.001, 0.05, 0.4, 1.0])
def test_many_rows_in_many_chunks_and_every_plan(name, share):
    kind = KINDS[name]
    rng = np.random.default_rng(3)
    vectors = rows(kind, rng.standard_normal((30_000, 16)).astype(np.float32))
    vectors[20_000:20_500] = vectors[77]
    index, query = kind.make(vectors), vectors[77] + np.float32(0.01)
    ids = np.arange(len(vectors)) if share is None else np.flatnonzero(rng.random(len(vectors)) < share)

    got = index.search(query, 40, allowed=None if share is None else ids)

    want_ids, want_far = brute(vectors, query, 40, kind.distance, ids)
    assert got.ids.tolist() == want_ids.tolist()
    assert got.distances.tobytes() == want_far.tobytes()


@each_exact_kind
def test_rows_that_float32_products_cannot_tell_apart_are_still_ranked_right(name):
    kind = KINDS[name]
    rng = np.random.default_rng(11)
    base = rng.standard_normal(257)
    vectors = rows(kind, (base + 1e-6 * rng.standard_normal((3000, 257))).astype(np.float32))
    query = (base + 0.3 * rng.standard_normal(257)).astype(np.float32)

    got = kind.make(vectors).search(query, 5)

    want_ids, want_far = brute(vectors, query, 5, kind.distance, np.arange(3000))
    assert got.ids.tolist() == want_ids.tolist()
    assert got.distances.tobytes() == want_far.tobytes()


@each_exact_kind
@pytest.mark.parametrize("scale", [1e-42, 1e-20, 1.0, 1e25, 3e38])
@pytest.mark.parametrize("spread", [(-43, -42), (-42, 38.4), (38, 38.4)])
def test_numbers_at_the_ends_of_float32_are_ranked_right(name, scale, spread):
    kind = KINDS[name]
    rng = np.random.default_rng(12)
    scales = 10.0 ** rng.uniform(*spread, (400, 1))
    vectors = rows(kind, (rng.uniform(-1, 1, (400, 16)) * scales).astype(np.float32))
    query = (rng.uniform(-1, 1, 16) * scale).astype(np.float32)

    got = kind.make(vectors).search(query, 5)

    want_ids, want_far = brute(vectors, query, 5, kind.distance, np.arange(len(vectors)))
    assert got.ids.tolist() == want_ids.tolist()
    assert got.distances.tobytes() == want_far.tobytes()


@each_kind
def test_a_distance_has_the_same_bits_whatever_else_is_in_the_index(name):
    kind = KINDS[name]
    vectors = rows(kind, np.random.default_rng(5).standard_normal((500, 257)).astype(np.float32))
    query = vectors[3] * np.float32(1.0)
    whole = kind.make(vectors).search(query, 500)
    far = dict(zip(whole.ids.tolist(), whole.distances.tolist(), strict=True))

    for row in (0, 3, 250, 499):
        alone = kind.make(vectors[row : row + 1]).search(query, 1)
        assert alone.distances[0] == far[row]


@each_kind
def test_ties_go_by_id_and_can_all_be_had(name):
    kind = KINDS[name]
    index = kind.make(np.array([[0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]], np.float32))

    assert index.search([1, 0, 0], 2).ids.tolist() == [1, 2]
    assert index.search([1, 0, 0], 2, ties=True).ids.tolist() == [1, 2, 4]
    assert index.search([1, 0, 0], 4, ties=True).ids.tolist() == [1, 2, 4, 0, 3]


@each_kind
@pytest.mark.parametrize("k", [0, -1, True, 2.0, "3", None])
def test_k_is_a_whole_number_above_zero(name, k):
    with pytest.raises(InvalidError, match="k must be"):
        KINDS[name].make(np.eye(3, dtype=np.float32)).search([1, 0, 0], k)


@each_kind
def test_another_dimension_is_refused_with_both(name):
    index = KINDS[name].make(np.eye(3, dtype=np.float32))
    with pytest.raises(DimensionError, match=r"dimension 3, the vector has 4") as caught:
        index.search([1, 0, 0, 0], 1)
    assert caught.value.details == {"expected": 3, "got": 4}


@each_kind
@pytest.mark.parametrize("bad", [[np.nan, 0, 1], [np.inf, 0, 1], [1e300, 0, 1]])
def test_nan_and_infinity_are_refused(name, bad):
    with pytest.raises(InvalidError, match="NaN or infinity"):
        KINDS[name].make(np.eye(3, dtype=np.float32)).search(bad, 1)


@each_kind
def test_the_zero_vector_has_no_cosine_and_other_distances(name):
    kind = KINDS[name]
    index = kind.make(np.eye(3, dtype=np.float32))
    if kind.distance == "cosine":
        with pytest.raises(InvalidError, match="is zero"):
            index.search([0, 0, 0], 1)
    else:
        assert index.search([0, 0, 0], 9).distances.tolist() == [1.0, 1.0, 1.0]


@each_kind
@pytest.mark.parametrize(
    "bad", [["a", "b", "c"], ["1", "2", "3"], [[1, 0, 0]], [1j, 0, 0], [True, False, True], 5, [[1], 2]]
)
def test_what_is_not_one_vector_of_numbers_is_refused(name, bad):
    with pytest.raises(InvalidError):
        KINDS[name].make(np.eye(3, dtype=np.float32)).search(bad, 1)


@each_kind
def test_nothing_in_or_nothing_allowed_is_an_empty_answer(name):
    kind = KINDS[name]
    assert len(kind.make(np.eye(3, dtype=np.float32)).search([1, 0, 0], 5, allowed=np.array([], np.int64))) == 0
    assert len(kind.make(np.eye(3, dtype=np.float32)).search([1, 0, 0], 5, allowed=[77, 78])) == 0
    empty = kind.make(np.empty((0, 3), np.float32))
    assert (len(empty), len(empty.search([1, 0, 0], 5))) == (0, 0)


@each_kind
def test_allowed_ids_may_come_in_any_order_and_twice(name):
    index = KINDS[name].make(np.eye(3, dtype=np.float32))
    assert index.search([1, 0, 0], 5, allowed=[2, 0, 2, 0]).ids.tolist() == [0, 2]
    assert index.search([1, 0, 0], 5, allowed=[0, 0, 2]).ids.tolist() == [0, 2]


@each_kind
@pytest.mark.parametrize("bad", [["a"], [0.5], np.array([2**63], np.uint64), [[1]]])
def test_allowed_ids_are_whole_numbers(name, bad):
    with pytest.raises(InvalidError, match="Ids of an index"):
        KINDS[name].make(np.eye(3, dtype=np.float32)).search([1, 0, 0], 5, allowed=bad)
