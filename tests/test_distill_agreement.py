"""How far reviewers agree: kappa against a published table and against a derivative taken by numbers."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.distill.review.agreement import Z_95, against_gold, between, kappa, wilson
from workbench.distill.review.decisions import Decision, Gold

LABELS = "abc"
AT = "2026-11-20T08:00:00Z"


def pairs(table: dict[tuple[str, str], int]) -> list[tuple[str, str]]:
    return [cell for cell, count in table.items() for _ in range(count)]


def decided(run: str, reviewer: str, said: str) -> Decision:
    return Decision(run, reviewer, said, AT, "g1", "", "better" if said == "fix" else "")


def test_the_published_table() -> None:
    # Fleiss, Levin, Paik, Statistical Methods for Rates and Proportions (3rd ed.), table 18.1: kappa 0.68, 0.51 to 0.85
    table = {("p", "p"): 75, ("p", "n"): 1, ("p", "o"): 4, ("n", "p"): 5, ("n", "n"): 4, ("n", "o"): 1, ("o", "o"): 10}
    found = kappa(pairs(table))
    assert found.items == 100
    assert found.kappa == pytest.approx(0.676, abs=0.0005)
    assert found.interval == pytest.approx((0.51, 0.85), abs=0.006)


def value(shares: dict[tuple[str, str], float]) -> float:
    observed = sum(shares[a, a] for a in LABELS)
    rows = {a: sum(shares[a, b] for b in LABELS) for a in LABELS}
    columns = {b: sum(shares[a, b] for a in LABELS) for b in LABELS}
    expected = sum(rows[a] * columns[a] for a in LABELS)
    return (observed - expected) / (1 - expected)


@given(st.lists(st.integers(1, 30), min_size=9, max_size=9))
def test_the_interval_is_the_delta_method(counts: list[int]) -> None:
    cells = dict(zip(product(LABELS, LABELS), counts, strict=True))
    items = sum(counts)
    shares = {cell: count / items for cell, count in cells.items()}
    step = 1e-6
    slopes = {
        c: (value(shares | {c: shares[c] + step}) - value(shares | {c: shares[c] - step})) / step / 2 for c in shares
    }
    mean = sum(shares[c] * slopes[c] for c in shares)
    error = math.sqrt(sum(shares[c] * (slopes[c] - mean) ** 2 for c in shares) / items)
    found = kappa(pairs(cells))
    assert found.kappa == pytest.approx(value(shares), abs=1e-9)
    low, high = value(shares) - Z_95 * error, value(shares) + Z_95 * error
    assert found.interval == pytest.approx((max(-1, low), min(1, high)), abs=1e-5)


def test_full_agreement_of_few_items_is_not_certain() -> None:
    few, many = kappa([("a", "a"), ("b", "b")] * 2), kappa([("a", "a"), ("b", "b")] * 200)
    assert few.kappa == many.kappa == 1
    assert few.interval is not None
    assert many.interval is not None
    assert few.interval[0] < 0.2 < 0.9 < many.interval[0] < 1


def test_chance_alone_and_nothing_at_all() -> None:
    assert kappa(product("ab", "ab")).kappa == 0
    assert kappa([]).kappa is None
    assert kappa([("a", "a")] * 9).kappa is None  # both always say the same one: nothing to compare with


def test_opposite_judgements_are_below_chance() -> None:
    found = kappa([("a", "b"), ("b", "a")])
    assert found.kappa == -1
    assert found.interval is not None
    assert found.interval[0] >= -1


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1)]
)
def test_wilson(hits: int, of: int, low: float, high: float) -> None:
    assert wilson(hits, of) == pytest.approx((low, high), abs=0.0001)


def test_reviewers_are_compared_on_what_both_judged() -> None:
    log = [decided("1", "ann", "accept"), decided("2", "ann", "reject"), decided("3", "ann", "accept")]
    log += [decided("1", "bob", "accept"), decided("2", "bob", "fix"), decided("3", "bob", "skip")]
    log += [decided("9", "cyd", "accept")]
    [found] = between(log)
    assert (found.first, found.second, found.kappa.items, found.kappa.observed) == ("ann", "bob", 2, 0.5)


def test_gold_items_tell_how_a_reviewer_judges() -> None:
    gold = [Gold("1", "accept", "g1"), Gold("2", "reject", "g1")]
    log = [decided("1", "ann", "accept"), decided("2", "ann", "accept"), decided("7", "ann", "reject")]
    [found] = against_gold([*log, decided("2", "bob", "skip")], gold)
    assert (found.reviewer, found.right, found.items, found.share) == ("ann", 1, 2, 0.5)
    assert found.interval == wilson(1, 2)


def test_one_item_is_no_certainty_either_way() -> None:
    found = kappa([("a", "b")])
    assert found.kappa == 0
    assert found.interval is not None
    low, high = found.interval
    assert low <= 0 < 0.5 < high
