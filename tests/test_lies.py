"""A thousand lying models, honest ones and ones that correct themselves in the loop; hundreds of them on a lake."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import lake_desk
import pytest
from lake_desk import ORDER, TODAY, answering, open_desk
from small_desk import FIT, STOCK, go, proposed

from workbench.llm.attempts import Limits, Run
from workbench.llm.chat import Ask
from workbench.llm.lies import LIES, Stock, all_lies, honest
from workbench.llm.scripted import Scripted
from workbench.llm.sessions import alarms, to_record
from workbench.session import Workbench

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


def lying(seed: int) -> Scripted:
    """Another lie at every turn, each of them at some time; every other model says the truth now and then, garbled."""
    rng = random.Random(seed)
    kinds = list(LIES)

    def turn(ask: Ask) -> str:
        stock = replace(STOCK, good=rng.sample(FIT, 8), phantom=f"W-{rng.randrange(60, 10**6)}")
        said = LIES[kinds[(seed + rng.randrange(2)) % len(kinds)]](stock)
        return rng.choice([said, f"```json\n{said}\n```", f"So: {said}", f"[{said}]"])

    return Scripted(turn)


def true_of(run: Run) -> bool:
    """By a way of its own: three different people of the order's, and no number among the words."""
    chosen = proposed(run)
    fit = {fill["candidate_id"] for fill in FIT}
    return len(set(chosen)) == len(chosen) == 3 and set(chosen) <= fit and "219-09-9999" not in json.dumps(run.artifact)


def test_a_thousand_lying_models_bring_nothing_ungrounded_through():
    logged: list[Run] = []
    for seed in range(1000):
        go(lying(seed), limits=Limits(max_iterations=1 + seed % 4), log=logged.append)
    assert len(logged) == 1000
    records = [to_record(run, timestamp=NOW) for run in logged]
    assert not any(map(alarms, records))
    accepted = [run for run in logged if run.accepted]
    assert all(map(true_of, accepted))
    assert all("artifact" not in record for record in records if record["final_verdict"] != "accepted")
    assert len(accepted) < 500, "most lies end refused"


@pytest.mark.parametrize("lie", [kind for kind in LIES if kind != "other name"])
def test_a_model_that_repeats_its_lie_ends_refused(lie):
    run = go(Scripted([LIES[lie](STOCK)], again=True), limits=Limits(max_iterations=9))
    assert (run.stopped, run.accepted, len(run.attempts) <= 3) == ("repeated", False, True)


def test_a_thousand_honest_models_are_all_accepted():
    rng = random.Random(1)
    for _ in range(1000):
        stock = replace(STOCK, good=rng.sample(FIT, 5))
        said = rng.choice(["{}", "```json\n{}\n```", "Of course: {} as asked.", "[{}]"]).replace("{}", honest(stock))
        assert true_of(go([said]))


def test_a_thousand_models_that_correct_themselves_are_all_accepted():
    for seed in range(1000):
        lie = list(LIES)[seed % len(LIES)]
        assert true_of(go([LIES[lie](STOCK), honest(STOCK)]))


# the same through wb.iterate, on a lake whose validators, rules and records judge; who fits is known by number


@pytest.fixture(scope="module")
def wb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    with open_desk(tmp_path_factory.mktemp("desk"), search_log="false") as wb:
        yield wb


REAL = lake_desk.STOCK
GIVEN = [str(fill["candidate_id"]) for fill in REAL.good]
LYING = 300  # at least twice each kind of lie in each garble, and others after it
GARBLES = ["{}", "```json\n{}\n```", "So: {} as asked.", "[{}]"]


def ask(wb: Workbench, model: Any, **options: Any) -> Run:
    return wb.iterate("fill", ORDER, model=model, candidates=GIVEN, today=TODAY, **options)


def shuffled(rng: random.Random) -> Stock:
    return replace(REAL, good=rng.sample(list(REAL.good), 8), phantom=f"W-{rng.randrange(60, 10**6)}")


def a_true_fill(run: Run) -> bool:
    """Three different people of those who fit, by number, and nothing beside them that a client must not read."""
    chosen = proposed(run)
    return len(set(chosen)) == 3 and set(chosen) <= set(GIVEN) and "219-09-9999" not in json.dumps(run.artifact)


def test_three_hundred_lying_models_bring_no_ungrounded_fill_into_the_lake(wb):
    """Another lie at every turn, each kind in each garble at some time; now and then the truth among them."""
    ended = []
    ways = [*product(all_lies(REAL), GARBLES)]
    for seed in range(LYING):
        rng, first = random.Random(seed), [ways[seed % len(ways)]]

        def turn(_ask: Ask, rng: random.Random = rng, first: list[tuple[str, str]] = first) -> str:
            kind, garble = first.pop() if first else rng.choice(ways)
            stock = shuffled(rng)
            return garble.replace("{}", all_lies(stock)[kind](stock))

        ended.append(ask(wb, answering(turn), max_iterations=1 + seed % 3))
    accepted = [run for run in ended if run.accepted]
    assert all(map(a_true_fill, accepted))
    assert len(accepted) < LYING / 4, "most lies end refused"
    assert wb.logs.alarm() == []
    told = wb.sql("SELECT final_verdict, count(*) AS n FROM iterate_sessions GROUP BY ALL").table.to_pylist()
    counts = {row["final_verdict"]: row["n"] for row in told}
    assert counts["accepted"] >= len(accepted)
    assert sum(counts.values()) >= LYING, "each run has its line"


def test_two_hundred_honest_models_are_all_accepted_on_the_lake(wb):
    rng = random.Random(1)
    for _ in range(200):
        said = rng.choice(GARBLES).replace("{}", honest(shuffled(rng)))
        assert a_true_fill(ask(wb, Scripted([said])))


@pytest.mark.parametrize("lie", [kind for kind in all_lies(REAL) if kind != "other name"])
def test_each_lie_is_refused_on_the_lake_and_then_corrected(wb, lie):
    run = ask(wb, Scripted([all_lies(REAL)[lie](REAL), honest(REAL)]))
    assert run.attempts[0].status != "accepted"
    assert a_true_fill(run)


def test_another_name_than_the_rosters_is_only_a_warning(wb):
    run = ask(wb, Scripted([LIES["other name"](REAL)]))
    assert [(found.code, found.severity) for found in run.attempts[0].findings] == [("name_differs", "warning")]
    assert a_true_fill(run)
