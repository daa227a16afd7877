"""Measures against hand-computed values and a plain reference; intervals against data whose mean is known."""

from __future__ import annotations

import json
from math import log2, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import InvalidError, NotFoundError
from workbench.search.ranking.evaluate import (
    ALL,
    Labelled,
    Ranking,
    Report,
    dcg,
    evaluate,
    ndcg,
    parse_labelled,
    recall,
    reciprocal_rank,
)
from workbench.search.ranking.noise import bootstrap, paired, share

ROWS = {"right": {1, 2, 3}, "near": {3, 4, 5}, "one": {9}, "none": set()}


def ranked(*ids: int, nothing_close: bool = False):
    return lambda query, k: Ranking(ids, nothing_close)


def asked(class_: str = "trade", right: str = "right", near: str = "near", name: str = "q1") -> Labelled:
    return Labelled(name, class_, f"query {name}", right, near)


def values(system, entry: Labelled, k: int = 10) -> dict[str, float]:
    return dict(evaluate([entry], {"s": system}, ROWS.__getitem__, k=k, resamples=10).scores[0].values)


def test_dcg_by_hand():
    assert dcg([2, 0, 1]) == pytest.approx(3 + 0 + 1 / 2)
    assert dcg([1, 2]) == pytest.approx(1 + 3 / log2(3))
    assert dcg([]) == 0


def test_ndcg_by_hand():
    assert ndcg([2, 0, 1], right=1, near=2, k=3) == pytest.approx(3.5 / (3 + 1 / log2(3) + 1 / 2))
    assert ndcg([0, 2], right=1, near=0, k=10) == pytest.approx(1 / log2(3))
    assert ndcg([2, 2, 1, 1], right=40, near=3, k=2) == 1


def test_recall_is_divided_by_what_fits_into_k():
    assert recall([2, 2, 0, 2], right=40, k=4) == 3 / 4
    assert recall([2, 0, 0, 0], right=2, k=4) == 1 / 2
    assert recall([1, 1, 1, 1], right=2, k=4) == 0


def test_reciprocal_rank_is_that_of_the_first_right_row_within_k():
    assert reciprocal_rank([1, 0, 2, 2], k=4) == pytest.approx(1 / 3)
    assert reciprocal_rank([1, 0, 2, 2], k=2) == 0


def reference(ids: list[int], right: set[int], near: set[int], k: int) -> tuple[float, float, float]:
    """The definitions of the docstring, over the grade of every row of a dataset of 30."""
    grade = {row: 2 if row in right else 1 if row in near else 0 for row in range(30)}
    gain = [2.0 ** grade[row] - 1 for row in ids[:k]]
    best = sorted((2.0**g - 1 for g in grade.values()), reverse=True)[:k]
    discount = [1 / np.log2(rank + 2) for rank in range(k)]
    top = sum(a * b for a, b in zip(best, discount, strict=True))
    found = [rank for rank, row in enumerate(ids[:k], 1) if row in right]
    return (
        sum(a * b for a, b in zip(gain, discount, strict=False)) / top,
        len(found) / min(k, len(right)),
        1 / found[0] if found else 0.0,
    )


@given(
    ids=st.lists(st.integers(0, 29), unique=True, max_size=20),
    right=st.sets(st.integers(0, 29), min_size=1),
    near=st.sets(st.integers(0, 29)),
    k=st.integers(1, 15),
)
def test_measures_are_those_of_a_plain_reference(ids, right, near, k):
    rows = {"right": right, "near": near}
    report = evaluate([asked()], {"s": ranked(*ids)}, rows.__getitem__, k=k, resamples=1)
    got = report.scores[0].values
    assert (got["ndcg"], got["recall"], got["mrr"]) == pytest.approx(reference(ids, right, near, k))
    assert all(0 <= value <= 1 for value in got.values())


@given(right=st.sets(st.integers(0, 29), min_size=1), near=st.sets(st.integers(0, 29)))
def test_the_best_list_has_one_everywhere_and_its_opposite_less(right, near):
    rows = {"right": right, "near": near}
    others = [row for row in range(30) if row not in right | near]
    best = [*right, *(near - right), *others]
    report = evaluate([asked()], {"best": ranked(*best), "worst": ranked(*best[::-1])}, rows.__getitem__, resamples=1)
    up, down = (score.values for score in report.scores)
    assert up["ndcg"] == up["recall"] == up["mrr"] == pytest.approx(1)
    assert down["ndcg"] < 1 or not others


def test_a_row_that_is_right_and_near_is_right():
    assert values(ranked(3), asked())["mrr"] == 1


def test_a_repeated_id_earns_nothing_the_second_time():
    assert values(ranked(1, 1, 1), asked())["recall"] == pytest.approx(1 / 3)
    assert values(ranked(1, 1, 2), asked())["ndcg"] == pytest.approx(values(ranked(1, 77, 2), asked())["ndcg"])


def test_ids_beyond_k_earn_nothing():
    assert values(ranked(7, 8, 1, 2, 3), asked(), k=2) == {"ndcg": 0, "recall": 0, "mrr": 0, "false_alarm": 0}


def test_an_empty_answer_earns_nothing():
    assert values(ranked(nothing_close=True), asked()) == {"ndcg": 0, "recall": 0, "mrr": 0, "false_alarm": 1}


def test_out_of_domain_counts_only_whether_the_system_says_so():
    strange = Labelled("q", "out", "recipe for soup")
    assert values(ranked(1, 2, nothing_close=True), strange) == {"detected": 1}
    assert values(ranked(1, 2), strange) == {"detected": 0}


def test_each_condition_is_judged_once():
    calls: list[str] = []

    def judge(condition: str) -> set[int]:
        calls.append(condition)
        return ROWS[condition]

    entries = [asked(name=f"q{n}") for n in range(5)]
    evaluate(entries, {"a": ranked(1), "b": ranked(2)}, judge, resamples=1)
    assert sorted(calls) == ["near", "right"]


def test_a_query_without_a_right_row_is_left_out_and_named():
    report = evaluate([asked(), asked(right="none", name="q2")], {"s": ranked(1)}, ROWS.__getitem__, resamples=1)
    assert report.unanswerable == ("q2",)
    assert [score.id for score in report.scores] == ["q1"]
    assert "q2" in report.to_text()


@pytest.mark.parametrize(
    ("entries", "systems", "k"),
    [([], {"s": ranked(1)}, 10), ([asked(right="none")], {"s": ranked(1)}, 10), ([asked()], {}, 10),
     ([asked()], {"s": ranked(1)}, 0)],
)  # fmt: skip
def test_an_evaluation_of_nothing_is_refused(entries, systems, k):
    with pytest.raises(InvalidError):
        evaluate(entries, systems, ROWS.__getitem__, k=k)


def report() -> Report:
    entries = [asked("a", name=f"a{n}") for n in range(6)]
    entries += [asked("b", right="one", near="", name=f"b{n}") for n in range(6)]
    entries += [Labelled(f"o{n}", "out", f"soup {n}") for n in range(4)]
    systems = {"good": ranked(1, 2, 3, 4, 5, nothing_close=False), "shy": ranked(9, nothing_close=True)}
    return evaluate(entries, systems, ROWS.__getitem__, resamples=200)


def test_the_report_has_a_row_per_class_and_system_and_one_for_all_in_domain():
    rows = {(row.class_, row.system): row.intervals for row in report().rows}
    assert list(rows) == [(c, s) for c in (ALL, "a", "b", "out") for s in ("good", "shy")]
    assert rows["a", "good"]["ndcg"].mean == pytest.approx(1)
    assert rows["b", "good"]["ndcg"].mean == 0
    assert rows[ALL, "good"]["ndcg"].mean == pytest.approx(0.5)
    assert rows[ALL, "good"]["ndcg"].count == 12
    assert rows["out", "shy"]["detected"].mean == 1
    assert set(rows["out", "shy"]) == {"detected"}
    assert "detected" not in rows[ALL, "shy"]


def test_systems_are_compared_class_by_class():
    found = {d.class_: (round(d.by.mean, 6), d.verdict) for d in report().compare("good", "shy")}
    assert found["a"] == (1, "better")
    assert found["b"] == (-1, "worse")
    assert found[ALL] == (0, "no difference within noise")
    assert "out" not in found


def test_fewer_false_alarms_are_better_and_more_detections_too():
    alarms = {d.class_: d for d in report().compare("good", "shy", "false_alarm")}
    assert (alarms["a"].by.mean, alarms["a"].verdict) == (-1, "better")
    assert alarms["a"].by.low <= alarms["a"].by.mean <= alarms["a"].by.high
    detected = report().compare("good", "shy", "detected")
    assert [(d.class_, d.by.mean, d.verdict) for d in detected] == [("out", -1, "worse")]


def test_a_system_is_held_against_the_best_of_its_arms_in_every_class():
    entries = [asked("a", name=f"a{n}") for n in range(6)]
    entries += [asked("b", right="one", near="", name=f"b{n}") for n in range(6)]
    arms = {"words": ranked(1, 2, 3, 4, 5), "vectors": ranked(9, nothing_close=True)}
    both = arms | {"fused": ranked(1, 9, 2, 3, 4, 5), "perfect": ranked(9, 1, 2, 3, 4, 5)}
    found = evaluate(entries, both, ROWS.__getitem__, resamples=200)
    assert [d.class_ for d in found.behind("words", ["vectors"])] == ["b"]
    assert [d.class_ for d in found.behind("fused", ["words", "vectors"])] == ["a", "b"]
    assert [d.class_ for d in found.behind("perfect", ["words", "vectors"])] == ["a"]
    assert found.behind("words", ["vectors", "words"], "false_alarm") == ()
    assert {d.class_ for d in found.behind("vectors", ["words", "fused"], "false_alarm")} == {ALL, "a", "b"}


def test_unknown_names_are_refused_with_what_there_is():
    with pytest.raises(NotFoundError, match="god"):
        report().compare("god", "shy")
    with pytest.raises(NotFoundError, match="map"):
        report().values("good", "a", "map")
    with pytest.raises(InvalidError, match="no ndcg"):
        report().values("good", "out", "ndcg")


def test_the_report_as_json_holds_every_query_and_every_row():
    out = json.loads(json.dumps(report().to_dict()))
    assert len(out["scores"]) == 2 * 16
    row = next(row for row in out["rows"] if (row["class"], row["system"]) == ("a", "good"))
    assert row["recall"] == {"mean": 1.0, "low": 1.0, "high": 1.0, "count": 6}
    assert out["scores"][0] == {
        "system": "good", "id": "a0", "class": "a", "ndcg": pytest.approx(1), "recall": 1, "mrr": 1, "false_alarm": 0
    }  # fmt: skip


def test_the_table_says_class_system_count_and_intervals():
    head, *lines = report().to_text().splitlines()
    assert head.split() == ["class", "system", "n", "nDCG@10", "recall@10", "MRR@10", "false", "alarm", "detected"]
    assert len(lines) == 8
    assert lines[2].split()[:5] == ["a", "good", "6", "1.000", "[1.000"]


def test_a_difference_as_json():
    one = report().compare("good", "shy")[1].to_dict()
    assert one == {
        "class": "a",
        "measure": "ndcg",
        "by": {"mean": pytest.approx(1), "low": pytest.approx(1), "high": pytest.approx(1), "count": 6},
        "verdict": "better",
    }


def test_bootstrap_is_seeded_and_its_width_is_that_of_the_mean():
    sample = np.random.default_rng(3).normal(5, 2, 1000)
    first = bootstrap(sample)
    assert first == bootstrap(sample)
    assert first != bootstrap(sample, seed=8)
    half = 1.96 * sample.std() / sqrt(len(sample))
    assert (first.high - first.low) / 2 == pytest.approx(half, rel=0.05)
    assert first.mean == pytest.approx(sample.mean())


def test_bootstrap_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(11)
    drawn = [rng.beta(2, 1, 40) for _ in range(400)]  # skewed towards 1, as nDCG is; the mean is 2/3
    found = [bootstrap(sample, resamples=1000) for sample in drawn]
    assert 0.91 <= np.mean([i.low <= 2 / 3 <= i.high for i in found]) <= 0.98


def test_paired_finds_a_small_steady_difference_that_unpaired_intervals_hide():
    rng = np.random.default_rng(5)
    theirs = rng.uniform(0, 1, 60)
    ours = theirs + rng.normal(0.03, 0.02, 60)
    by, verdict = paired(ours, theirs)
    assert verdict == "better"
    assert by.mean == pytest.approx(0.03, abs=0.01)
    assert paired(theirs, ours)[1] == "worse"
    assert bootstrap(ours).low < bootstrap(theirs).high


def test_paired_seldom_sees_a_difference_where_there_is_none():
    rng = np.random.default_rng(6)
    seen = [paired(*rng.beta(2, 1, (2, 40)), resamples=1000)[1] for _ in range(300)]
    assert np.mean([verdict != "no difference within noise" for verdict in seen]) <= 0.09


def test_equals_do_not_differ():
    assert paired([0.2, 0.4, 1], [0.2, 0.4, 1])[1] == "no difference within noise"
    assert paired([1, 0, 0], [0, 0, 0])[1] == "no difference within noise"  # one query decides nothing


def test_paired_needs_the_same_queries():
    with pytest.raises(InvalidError, match="same queries"):
        paired([1, 2], [1])


def test_a_mean_of_nothing_is_refused():
    for measure in (bootstrap, share):
        with pytest.raises(InvalidError):
            measure([])


def test_a_share_of_none_or_all_still_has_a_width():
    none, every = share([0] * 39), share([1] * 39)
    assert (none.low, none.high) == (0, pytest.approx(0.0897, abs=1e-4))  # z² / (n + z²)
    assert (every.low, every.high) == (pytest.approx(1 - 0.0897, abs=1e-4), 1)


def test_a_share_against_published_values():
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81/263 → 0.2553 to 0.3662; 15/148 → 0.0624 to 0.1605
    for ones, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605)):
        got = share([1] * ones + [0] * (n - ones))
        assert (got.low, got.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


GOOD = '{"id": "t1", "class": "typo", "query": "weldor", "split": "test", "relevant": "role = 1", "near": "role = 2"}'


def test_a_labelled_line_becomes_a_value():
    assert parse_labelled({"a.jsonl": f"\n{GOOD}\n"}) == (
        Labelled("t1", "typo", "weldor", "role = 1", "role = 2", "test"),
    )


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "truncated"),
        ("[]", "Expected `object`"),
        (GOOD.replace('"query": "weldor", ', ""), "missing required field `query`"),
        (GOOD.replace('"weldor"', "5"), "Expected `str`, got `int`"),
        (GOOD.replace("weldor", " "), "query is empty"),
        (GOOD.replace('"test"', '"dev"'), "dev"),
        (GOOD.replace('"near"', '"close"'), "unknown field `close`"),
        (GOOD.replace("role = 1", ""), "not what is relevant"),
        (GOOD.replace("weldor", "else"), "the id 't1' came before, in a.jsonl, line 1"),
        (GOOD.replace("t1", "t2").replace("weldor", " Weldor"), "the query 'weldor' came before, in a.jsonl, line 1"),
    ],
)
def test_a_bad_line_is_refused_with_file_line_and_reason(line, reason):
    with pytest.raises(InvalidError) as refused:
        parse_labelled({"a.jsonl": GOOD, "b.jsonl": f"\n{line}"})
    assert "b.jsonl, line 2: " in refused.value.message
    assert reason in refused.value.message
    assert refused.value.hint
