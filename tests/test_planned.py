"""The planner against brute force: every plan, every kind of filter, copies, fresh and gone rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import InvalidError
from workbench.search.graphs.costs import Costs, measure
from workbench.search.graphs.graph import Graph
from workbench.search.graphs.planned import GONE, PlannedIndex
from workbench.search.vectors.chosen import Chosen
from workbench.search.vectors.codes import Seen, candidates, encode, nearest_by_codes
from workbench.search.vectors.distance import distances
from workbench.search.vectors.scan import Block, Blocks, nearest

D = 16
N = 3000
GRAPH_IS_FREE = Costs(scan=1e6, gather=1e6, visit=0.0, start=1e9)
NO_GRAPH = Costs(scan=1.0, gather=4.0, visit=1e12, start=0.0)


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def made(seed: int = 7, copies: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    middles = rng.standard_normal((60, D))
    rows = unit(middles[rng.integers(0, 60, N)] + 0.5 * rng.standard_normal((N, D)))
    again = rng.random(N) < copies
    rows[again] = rows[rng.integers(0, 20, int(again.sum()))]
    return rows


def blocks_of(rows: np.ndarray) -> Blocks:
    return Blocks(rows.shape[1], tuple(Block(np.ascontiguousarray(part)) for part in np.array_split(rows, 4)))


ROWS = {"plain": made(), "copied": made(copies=0.5)}
GRAPHS = {name: Graph.build(rows, threads=1) for name, rows in ROWS.items()}
for _graph in GRAPHS.values():
    _graph.set_ef(128)


def brute(rows: np.ndarray, query: np.ndarray, k: int, ids: np.ndarray):
    far = distances(rows[ids], query, "cosine")
    order = np.lexsort((ids, far))[:k]
    return ids[order], far[order]


def matching(rows: np.ndarray, query: np.ndarray, how: str, share: float, seed: int) -> np.ndarray:
    likeness = rows @ query
    if how == "random":
        return np.random.default_rng(seed).random(len(rows)) < share
    edge = np.quantile(likeness, share if how == "anti" else 1 - share)
    return likeness <= edge if how == "anti" else likeness >= edge


def recall(got: np.ndarray, want: np.ndarray) -> float:
    return float((got <= want.max()).sum() / len(want)) if len(want) else 1.0


@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(sorted(ROWS)),
    how=st.sampled_from(["random", "correlated", "anti"]),
    share=st.sampled_from([0.0, 0.001, 0.02, 0.3, 0.9, 1.0]),
    k=st.sampled_from([1, 10, 64, N + 5]),
    coded=st.booleans(),
    masked=st.booleans(),
    ties=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_exact_plan_gives_the_bits_of_brute_force(name, how, share, k, coded, masked, ties, seed):
    rows, query = ROWS[name], unit(np.random.default_rng(seed).standard_normal(D))
    blocks = blocks_of(rows)
    mask = matching(rows, query, how, share, seed)
    index = PlannedIndex(blocks, codes=encode(blocks) if coded else None, costs=NO_GRAPH)

    got = index.search(query, k, allowed=mask if masked else np.flatnonzero(mask), ties=ties)

    want_ids, want_far = brute(rows, query, k, np.flatnonzero(mask))
    assert got.ids[:k].tolist() == want_ids.tolist()
    assert got.distances[:k].tobytes() == want_far.tobytes()
    assert (got.distances[k:] == got.distances[k - 1 : k]).all()
    assert len(got) == len(want_ids) or ties


@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(sorted(ROWS)),
    how=st.sampled_from(["random", "correlated", "anti"]),
    share=st.sampled_from([0.001, 0.02, 0.3, 0.9, 1.0]),
    k=st.sampled_from([1, 10, 64]),
    masked=st.booleans(),
    fresh=st.sampled_from([0, 40, 1000]),
    gone=st.sampled_from([0.0, 0.1, 0.6]),
    seed=st.integers(0, 99),
)
def test_with_the_graph_no_answer_is_short_wrong_or_out_of_order(name, how, share, k, masked, fresh, gone, seed):
    rng = np.random.default_rng(seed)
    rows = np.concatenate([ROWS[name], made(seed=3)[:fresh]])
    query = unit(rows[rng.integers(0, N)] + 0.4 * rng.standard_normal(D))
    positions = np.where(rng.random(N) < gone, GONE, np.arange(N))
    members = np.append(positions >= 0, np.ones(fresh, np.bool_))
    index = PlannedIndex(blocks_of(rows), GRAPHS[name], positions, members=members, costs=GRAPH_IS_FREE)
    mask = matching(rows, query, how, share, seed)

    got = index.search(query, k, allowed=mask if masked else np.flatnonzero(mask))

    ids = np.flatnonzero(mask & members)
    _, want_far = brute(rows, query, k, ids)
    assert len(got) == min(k, len(ids))
    assert len(set(got.ids.tolist())) == len(got)
    assert np.isin(got.ids, ids).all()
    assert got.distances.tobytes() == distances(rows[got.ids], query, "cosine").tobytes()
    assert np.lexsort((got.ids, got.distances)).tolist() == list(range(len(got)))
    assert recall(got.distances, want_far) >= 0.8
    assert got.plan is not None
    assert got.plan.from_graph + got.plan.from_scan == len(got)


@pytest.mark.parametrize("name", sorted(ROWS))
@pytest.mark.parametrize("how", ["random", "correlated", "anti"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 1.0])
def test_recall_is_at_least_99_per_cent(name, how, share):
    rng = np.random.default_rng(5)
    rows = ROWS[name]
    index = PlannedIndex(blocks_of(rows), GRAPHS[name], costs=GRAPH_IS_FREE)
    shares = []
    for query in unit(rows[rng.integers(0, N, 40)] + 0.3 * rng.standard_normal((40, D))):
        mask = matching(rows, query, how, share, 1)
        got = index.search(query, 10, allowed=mask)
        shares.append(recall(got.distances, brute(rows, query, 10, np.flatnonzero(mask))[1]))
    assert np.mean(shares) >= 0.99


def test_the_plan_says_what_was_done():
    rows = ROWS["plain"]
    blocks, query = blocks_of(rows), rows[5]
    free = PlannedIndex(blocks, GRAPHS["plain"], costs=GRAPH_IS_FREE)
    exact = PlannedIndex(blocks, GRAPHS["plain"], costs=NO_GRAPH)
    away = matching(rows, query, "anti", 0.5, 0)

    assert free.search(query, 10).plan.kind == "graph"
    assert free.search(query, 10).plan.ef == 128
    assert free.search(query, 10, allowed=away).plan.kind == "graph, then scan"
    assert exact.search(query, 10).plan.kind == "scan"
    assert exact.search(query, 10, allowed=[4, 5, 6]).plan.kind == "rows"
    assert exact.search(query, 10, allowed=[4, 5, 6]).plan.rows_scanned == 3


def test_fresh_rows_are_found_and_counted():
    rows = np.concatenate([ROWS["plain"], unit(np.random.default_rng(1).standard_normal((50, D)))])
    index = PlannedIndex(blocks_of(rows), GRAPHS["plain"], np.arange(N), costs=GRAPH_IS_FREE)

    got = index.search(rows[N + 20], 3)

    assert index.fresh == 50
    assert got.ids[0] == N + 20
    assert (got.plan.rows_scanned, got.plan.from_scan >= 1) == (50, True)


def test_positions_may_be_in_any_order_and_rows_of_others_are_left_out():
    rng = np.random.default_rng(2)
    place = rng.permutation(2 * N)[:N]
    rows = unit(rng.standard_normal((2 * N, D)))
    rows[place] = ROWS["plain"]
    index = PlannedIndex(blocks_of(rows), GRAPHS["plain"], place, members=np.sort(place), costs=GRAPH_IS_FREE)

    got = index.search(ROWS["plain"][9], 10)

    assert len(index) == N
    assert got.plan.kind == "graph"
    assert got.ids[0] == place[9]
    assert np.isin(got.ids, place).all()
    assert got.ids.tolist() == brute(rows, ROWS["plain"][9], 10, np.sort(place))[0].tolist()


def test_a_graph_that_grew_since_gives_no_row_that_is_not_there():
    rows = ROWS["plain"]
    graph = Graph.build(rows[:2000], threads=1)
    index = PlannedIndex(blocks_of(rows[:2000]), graph, costs=GRAPH_IS_FREE)
    graph.extend(rows[2000:])

    got = index.search(rows[2500], 10)

    assert len(got) == 10
    assert got.ids.max() < 2000


def test_what_does_not_fit_together_is_refused():
    blocks = blocks_of(ROWS["plain"])
    with pytest.raises(InvalidError, match="positions came with a graph"):
        PlannedIndex(blocks, GRAPHS["plain"], np.arange(N + 1))
    with pytest.raises(InvalidError, match="outside"):
        PlannedIndex(blocks_of(ROWS["plain"][:100]), GRAPHS["plain"])
    with pytest.raises(InvalidError, match="cosine graph"):
        PlannedIndex(blocks, GRAPHS["plain"], distance="euclidean")
    with pytest.raises(InvalidError, match="A mask of shape"):
        PlannedIndex(blocks).search(ROWS["plain"][0], 1, allowed=np.ones(5, np.bool_))


def test_measured_costs_are_those_of_this_machine():
    rows = unit(np.random.default_rng(0).standard_normal((10_000, 64)))
    blocks = blocks_of(rows)
    costs = measure(blocks, "cosine", encode(blocks), None)
    assert costs.scan > 0
    assert costs.exact(10, 10_000) < costs.exact(10_000, 10_000)
    assert measure(blocks_of(rows[:100]), "cosine", None, None) == Costs()


def test_codes_made_later_change_the_costs_and_not_the_answer():
    rows = unit(np.random.default_rng(0).standard_normal((9000, 64)))
    index = PlannedIndex(blocks_of(rows))
    before, first = index.search(rows[5], 50), index.costs()

    index.encode()

    after = index.search(rows[5], 50)
    assert index.costs() is not first
    assert after.ids.tolist() == before.ids.tolist()
    assert after.distances.tobytes() == before.distances.tobytes()


def test_chosen_rows_as_numbers_and_as_mask_are_the_same():
    rows = np.array([1, 4, 9])
    by_rows, by_mask = Chosen(12, rows=rows), Chosen(12, mask=Chosen(12, rows=rows).mask())
    probe = np.array([0, 1, 9, 11])
    assert by_rows.holds(probe).tolist() == by_mask.holds(probe).tolist() == [False, True, True, False]
    assert by_rows.rows().tolist() == by_mask.rows().tolist()
    assert (by_rows.count, by_mask.count, Chosen(12).count) == (3, 3, 12)
    assert Chosen(12, rows=rows[:0]).holds(probe).tolist() == [False] * 4


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), spread=st.sampled_from([1e-4, 0.05, 1.0]), k=st.sampled_from([1, 10, 200]))
def test_codes_never_lose_a_row_however_near_the_rows_lie_to_each_other(seed, spread, k):
    rng = np.random.default_rng(seed)
    rows = unit(rng.standard_normal(257) + spread * rng.standard_normal((5000, 257)) * rng.exponential(1, 257))
    query = (rng.standard_normal(257) * 10.0 ** rng.integers(-30, 30)).astype(np.float32)
    blocks = blocks_of(rows)
    codes = encode(blocks)

    got = nearest_by_codes(codes, blocks, query, k)

    want = nearest(blocks, query, k, "cosine")
    assert got[0].tolist() == want[0].tolist()
    assert got[1].tobytes() == want[1].tobytes()


@settings(max_examples=40, deadline=None)
@given(
    wide=st.sampled_from([0.02, 0.6, 1.0]), narrow=st.sampled_from([0.0, 0.5, 1.0]), k=st.sampled_from([1, 40, 3000]),
    big=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_a_second_search_among_what_the_first_allowed_gives_the_same_bits(wide, narrow, k, big, seed):
    rng = np.random.default_rng(seed)
    rows = np.tile(ROWS["copied"], (21 if big else 2, 1))  # 63,000: two threads
    blocks = blocks_of(rows)
    index = PlannedIndex(blocks, codes=encode(blocks), costs=Costs(scan=1.0, gather=1.2, visit=1e12, start=0.0))
    allowed = None if wide == 1.0 else rng.random(len(rows)) < wide
    among = np.flatnonzero((rng.random(len(rows)) < narrow) & (True if allowed is None else allowed))
    query, seen = unit(rng.standard_normal(D)), Seen()

    first = index.search(query, k, allowed=allowed, seen=seen)
    second = index.search(query, k, allowed=among, ties=True, seen=seen)

    assert first.ids.tolist() == index.search(query, k, allowed=allowed).ids.tolist()
    alone = index.search(query, k, allowed=among, ties=True)
    assert second.ids.tolist() == alone.ids.tolist()
    assert second.distances.tobytes() == alone.distances.tobytes()
    assert wide < 1.0 or seen.cosines is not None


def test_rows_are_taken_in_any_order_and_as_often_as_asked():
    rows = np.random.default_rng(2).integers(0, N, 5000)
    assert blocks_of(ROWS["plain"]).take(rows).tobytes() == ROWS["plain"][rows].tobytes()
    assert len(blocks_of(ROWS["plain"]).take(rows[:0])) == 0


def test_codes_keep_few_candidates_and_grow_with_the_rows():
    rows = unit(np.random.default_rng(4).standard_normal((70_000, 64)))  # enough for two threads
    whole = blocks_of(rows)
    grown = encode(Blocks(64, whole.blocks[:2])).extended(whole)
    found = candidates(grown, rows[3], 10)
    assert grown.codes.tobytes() == encode(whole).codes.tobytes()
    assert 10 <= len(found) < 300
    assert nearest_by_codes(grown, whole, rows[3], 10)[0].tolist() == nearest(whole, rows[3], 10, "cosine")[0].tolist()
