"""A thousand lying models, a thousand honest ones, a thousand that correct themselves."""

from __future__ import annotations

import datetime as dt
import json
import random
from dataclasses import replace

import pytest
from small_desk import FIT, STOCK, go, proposed

from workbench.llm.attempts import Limits, Run
from workbench.llm.chat import Ask
from workbench.llm.lies import LIES, honest
from workbench.llm.scripted import Scripted
from workbench.llm.sessions import alarms, to_record

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
