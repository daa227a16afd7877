"""Trial: labelled queries measure a dataset's own search, and weights change only when that is better beyond noise."""

from __future__ import annotations

import pytest

from workbench.errors import ConfigError
from workbench.search.ranking.evaluate import Labelled
from workbench.search.ranking.fusion import Weights
from workbench.search.ranking.tuning import GRID, Chosen, load_weights, save_weights, weights_path
from workbench.search.trial import Trial

LABELLED = (
    *(
        Labelled(f"t{number}", "title", query, f"role = '{role}'")
        for number, (query, role) in enumerate(
            [
                ("forklift operator", "Forklift Operator"),
                ("tow motor", "Forklift Operator"),
                ("hi-lo", "Forklift Operator"),
                ("welder", "Welder"),
                ("RN", "Registered Nurse"),
                ("somebody who cooks on the line", "Line Cook"),
                ("clean hotel rooms", "Housekeeper"),
                ("draw blood", "Phlebotomist"),
            ]
        )
    ),
    Labelled("c1", "city", "welder city:Chicago", "role = 'Welder' AND city = 'Chicago'"),
    Labelled("o1", "far", "photosynthesis in algae"),
    Labelled("o2", "far", "🙂"),
)


def chosen(weights: Weights) -> Chosen:
    return Chosen(
        weights.meaning, weights.words, weights.trade, weights.power, 9, 0.5, 0.4, "2026-01-01T00:00:00+00:00"
    )


def test_the_search_is_measured_beside_its_arms(staffed):
    told = []
    report = Trial(staffed.searcher, "workers").measure(LABELLED, on_asked=lambda done, of: told.append((done, of)))
    ndcg = {row.system: row.intervals["ndcg"].mean for row in report.rows if row.class_ == "all in domain"}
    assert set(ndcg) == {"hybrid", "vector", "text"}
    assert 0.7 < ndcg["hybrid"] <= 1
    assert ndcg["hybrid"] > ndcg["vector"]
    far = {row.system: row.intervals["detected"].mean for row in report.rows if row.class_ == "far"}
    assert far["hybrid"] == 1.0
    assert told[-1] == (len(LABELLED), len(LABELLED))


def test_what_is_measured_is_what_is_found(staffed):
    trial = Trial(staffed.searcher, "workers")
    ask = trial._system(staffed.searcher.weights_of("workers"), 1, None)
    for query in ("tow motor", "welder near:Joliet -nights"):
        assert list(ask(query, 10).ids) == [hit.id for hit in staffed.search(query).hits]


def test_the_judge_knows_the_rows_of_a_condition(staffed):
    judged = Trial(staffed.searcher, "workers").judge("worker_id < 4 AND city = city")
    assert set(judged) == {1, 2, 3}


def test_weights_are_kept_when_they_are_better_and_the_next_search_has_them(copied):
    searcher = copied.searcher
    assert searcher.weights_of("workers") == Weights()
    save_weights(searcher.cache_dir, "workers", chosen(Weights(1.0, 0.0, 0.0)))
    assert {part.name for part in copied.search("welder").hits[0].parts if part.weight} == {"meaning"}

    choice = Trial(searcher, "workers").choose(LABELLED)

    assert choice.kept
    assert choice.by.verdict == "better"
    assert choice.weights in GRID
    kept = load_weights(searcher.cache_dir, "workers")
    assert kept is not None
    assert kept.weights == choice.weights == searcher.weights_of("workers")
    assert kept.ndcg > kept.ndcg_before
    assert kept.queries == 9
    assert copied.search("tow motor").hits[0].parts[2].weight > 0

    again = Trial(searcher, "workers").choose(LABELLED)
    assert (again.weights, again.kept) == (choice.weights, False)
    assert load_weights(searcher.cache_dir, "workers") == kept


GOOD = '{"meaning": 1, "words": 4, "trade": 1, "power": 2, "queries": 9, "ndcg": 1, "ndcg_before": 0, "chosen_at": ""}'


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"meaning": "much"}', GOOD.replace("4", "-4"), GOOD.replace('"power": 2', '"power": 99')],
)
def test_a_broken_weights_file_is_an_error_that_says_what_to_do(tmp_path, content):
    path = weights_path(tmp_path, "workers")
    path.parent.mkdir(parents=True)
    path.write_text(GOOD)
    assert load_weights(tmp_path, "workers") is not None
    path.write_text(content)
    with pytest.raises(ConfigError, match="cannot be read") as refused:
        load_weights(tmp_path, "workers")
    assert "lh eval --choose" in (refused.value.hint or "")


def test_a_search_over_broken_weights_is_refused(copied):
    path = weights_path(copied.searcher.cache_dir, "workers")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="cannot be read"):
        copied.search("welder")
