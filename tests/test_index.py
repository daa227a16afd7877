"""The growing exact index: what a caller may add, what it refuses whole, and what readers see meanwhile."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import DimensionError, InvalidError
from workbench.search.vectors.distance import distances
from workbench.search.vectors.index import ExactIndex

vector = st.lists(st.sampled_from([-1.0, 0.5, 1.0, 2.0]), min_size=3, max_size=3)
step = st.one_of(
    st.tuples(st.just("add"), st.lists(st.tuples(st.integers(-3, 12), vector), min_size=1, max_size=8)),
    st.tuples(st.just("remove"), st.lists(st.integers(-3, 12), max_size=6)),
)


@settings(max_examples=80, deadline=None)
@given(steps=st.lists(step, max_size=12), query=vector)
def test_any_history_answers_like_a_dictionary_of_vectors(steps, query):
    index, truth = ExactIndex(3, "euclidean"), {}
    for verb, what in steps:
        if verb == "add":
            new = len({key for key, _ in what} - truth.keys())
            assert index.add([key for key, _ in what], [row for _, row in what]) == new
            truth.update(what)
        else:
            gone = set(what) & truth.keys()
            assert index.remove(what) == len(gone)
            truth = {key: row for key, row in truth.items() if key not in gone}

    found = index.search(query, 100)

    ids = np.array(sorted(truth), np.int64)
    far = distances(
        np.array([truth[key] for key in sorted(truth)], np.float32).reshape(-1, 3), np.float32(query), "euclidean"
    )
    order = np.lexsort((ids, far))
    assert len(index) == len(truth)
    assert found.ids.tolist() == ids[order].tolist()
    assert found.distances.tobytes() == far[order].tobytes()


@pytest.mark.parametrize(
    ("ids", "vectors", "error"),
    [
        ([2, 3], [[1, 0], [np.nan, 0]], InvalidError),
        ([2, 3], [[1, 0], [0, -np.inf]], InvalidError),
        ([2, 3], [[1, 0], [0, 0]], InvalidError),
        ([2, 3], [[1, 0], [1, 0, 0]], InvalidError),
        ([2, 3], [[1, 0, 0], [1, 0, 0]], DimensionError),
        ([2], [[1, 0], [0, 1]], InvalidError),
        ([2, "x"], [[1, 0], [0, 1]], InvalidError),
        ([2, 2**70], [[1, 0], [0, 1]], InvalidError),
        ([2, 3], [["a", "b"], ["c", "d"]], InvalidError),
    ],
)
def test_a_bad_item_refuses_the_whole_batch(ids, vectors, error):
    index = ExactIndex(2)
    index.add([1], [[1, 1]])
    with pytest.raises(error):
        index.add(ids, vectors)
    assert index.search([1, 0], 9).ids.tolist() == [1]


def test_the_place_of_the_bad_vector_is_named():
    with pytest.raises(InvalidError, match="Vector 2 of 3 holds NaN"):
        ExactIndex(2).add([1, 2, 3], [[1, 0], [np.nan, 1], [1, 1]])
    with pytest.raises(InvalidError, match="Vector 3 of 3 is zero"):
        ExactIndex(2).add([1, 2, 3], [[1, 0], [1, 1], [0, 0]])


def test_an_id_twice_in_one_batch_the_last_wins_and_an_old_id_is_replaced():
    index = ExactIndex(2)
    assert index.add([7, 8, 7], [[1, 0], [1, 1], [0, 1]]) == 2
    assert index.search([0, 1], 1).ids.tolist() == [7]
    assert index.add([7], [[1, 0]]) == 0
    assert index.search([0, 1], 2).ids.tolist() == [8, 7]


def test_an_empty_batch_adds_nothing():
    assert ExactIndex(2).add([], []) == 0


@pytest.mark.parametrize("dimension", [0, -1, 2.0, True, "3"])
def test_a_dimension_is_a_whole_number_above_zero(dimension):
    with pytest.raises(InvalidError, match="dimension"):
        ExactIndex(dimension)


def test_an_unknown_distance_names_the_known_ones():
    with pytest.raises(InvalidError, match="manhattan") as caught:
        ExactIndex(2, "manhattan")
    assert "cosine, euclidean, dot" in caught.value.hint


def test_distances_are_what_their_names_say():
    rows, query = [[3.0, 4.0]], [0.0, 2.0]
    far = {}
    for name in ("cosine", "euclidean", "dot"):
        index = ExactIndex(2, name)
        index.add([1], rows)
        far[name] = index.search(query, 1).distances[0]
    assert far == {"cosine": pytest.approx(0.2), "euclidean": pytest.approx(13**0.5), "dot": -7.0}


def test_the_vector_itself_is_at_distance_zero_and_its_opposite_at_two():
    index = ExactIndex(3)
    index.add([1, 2], [[0.1, 0.7, 0.3], [-0.1, -0.7, -0.3]])
    near, opposite = index.search([0.1, 0.7, 0.3], 2).distances
    assert near == pytest.approx(0.0, abs=1e-15)
    assert opposite == pytest.approx(2.0)
    assert near >= 0.0
    assert opposite <= 2.0


def test_memory_of_replaced_rows_is_given_back():
    rows = np.random.default_rng(0).standard_normal((50, 1000)).astype(np.float32)
    index = ExactIndex(1000)
    tracemalloc.start()
    try:
        for turn in range(40):
            index.add(np.arange(50), rows + np.float32(turn))
        held_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held_bytes < 5 * rows.nbytes
    assert len(index) == 50
    assert index.search(rows[3] + np.float32(39), 1).ids.tolist() == [3]


def test_a_row_added_a_moment_ago_is_found():
    index = ExactIndex(2)
    index.add([1], [[1, 0]])
    index.search([1, 0], 1)
    index.add([2], [[0, 1]])
    assert index.search([0, 1], 1).ids.tolist() == [2]


def test_readers_see_whole_vectors_while_a_writer_replaces_them():
    dimension = 64
    index = ExactIndex(dimension, "euclidean")
    ids = np.arange(200)
    index.add(ids, np.full((200, dimension), 1.0))

    def write() -> None:
        for value in range(2, 60):
            index.add(ids, np.full((200, dimension), float(value)))

    def read() -> list[float]:
        seen = []
        while not writing.done() or not seen:
            found = index.search(np.zeros(dimension), 200)
            assert sorted(found.ids.tolist()) == ids.tolist()
            seen.extend(set((found.distances / dimension**0.5).tolist()))
        return seen

    with ThreadPoolExecutor(3) as pool:
        writing = pool.submit(write)
        seen = [value for reader in [pool.submit(read), pool.submit(read)] for value in reader.result()]
        writing.result()

    assert all(value == int(value) for value in seen)
