"""An order that the patterns understand in part, and what a model may add to it."""

from __future__ import annotations

import json
from datetime import date

import pytest

import workbench
from workbench.errors import ProviderError, RateLimitedError
from workbench.llm.chat import Ask
from workbench.llm.local_chat_server import LocalChatServer
from workbench.llm.scripted import Scripted
from workbench.session.order_help import BY_MODEL, completed
from workbench.staffing.order_reader import read_orders

DAY = date(2026, 11, 20)
TEXT = "Can you get me three people for the pallet barn, in Jolly-ette, after supper, and they hold the ten hour card?"


def read(text: str):
    return read_orders(text, DAY)


def order(text: str = TEXT):
    (only,) = read(text)
    return only


def answered(*answers: object) -> Scripted:
    return Scripted([one if isinstance(one, str) else json.dumps(one) for one in answers])


def helped(answer: object, text: str = TEXT):
    return completed(order(text), read, answered(answer), "demo")


def said(quote: str, means: str) -> dict[str, str]:
    return {"quote": quote, "means": means}


def test_the_text_of_these_tests_is_left_open_by_the_patterns():
    plain = order()
    assert (plain.count.value, plain.city, plain.shift, plain.must) == (3, None, None, ())
    assert {"pallet barn", "Jolly-ette"} <= {one.value for one in plain.unparsed}


def test_a_model_fills_what_is_open_with_what_we_know():
    full = helped(
        {
            "role": said("pallet barn", "Warehouse Associate"),
            "city": said("Jolly-ette", "Joliet, IL"),
            "shift": said("after supper", "2nd shift"),
            "must": [said("the ten hour card", "OSHA-10")],
        }
    )
    assert (full.role.value, full.city.value, full.state.value) == ("Warehouse Associate", "Joliet", "IL")
    assert [TEXT[slice(*one.span)] for one in (full.role, full.city, full.state)] == [
        "pallet barn", "Jolly-ette", "Jolly-ette"
    ]  # fmt: skip
    assert {one.sure for one in (full.role, full.city, full.state, full.shift)} == {BY_MODEL}
    assert [one.value for one in full.must] == ["OSHA-10"]
    assert full.to_search().city == "Joliet"
    assert "pallet barn" not in [one.value for one in full.unparsed]
    assert "The text does not say where." in order().doubts
    assert "The text does not say where." not in full.doubts
    assert 'demo reads "Jolly-ette" as city Joliet, IL: is that right?' in full.doubts


@pytest.mark.parametrize(
    "answer",
    [
        {"city": said("Springfield", "Joliet, IL")},  # not in the text
        {"city": said("three people", "Joliet, IL")},  # words that were understood
        {"city": said("Jolly-ette", "Atlantis")},
        {"city": said("Jolly-ette", "Joliet, IL and 40 welders from Gary, IN")},
        {"role": said("pallet barn", "Dragon Tamer")},
        {"role": said("pallet barn", "worker")},
        {"must": [said("the ten hour card", "the ten hour card")]},
        {"shift": said("after supper", "x" * 200)},
        {"city": "Joliet"},
        {"city": {"quote": 7, "means": None}},
        {"client_id": said("pallet barn", "C-1"), "excluded": ["W-1"], "pay": said("pallet barn", "$90")},
        {},
    ],
)
def test_what_does_not_hold_changes_nothing(answer):
    assert helped(answer) == order()


def test_what_the_patterns_read_stays():
    text = "Need 3 welders in Joliet, IL for the pallet barn"
    plain = order(text)
    assert helped({"role": said("pallet barn", "Picker"), "count": said("pallet barn", "40")}, text) == plain


def test_an_order_that_is_understood_asks_nobody():
    text = "Need 3 welders in Joliet, IL"
    assert completed(order(text), read, answered(), "demo") == order(text)


def test_the_model_is_told_what_is_open_and_what_was_not_understood():
    seen: list[Ask] = []

    def answer(ask: Ask) -> str:
        seen.append(ask)
        return "{}"

    completed(order(), read, Scripted(answer), "demo")
    (ask,) = seen
    told = json.loads(ask.messages[-1].content)
    assert told["order"] == TEXT
    assert "pallet barn" in told["not_understood"]
    assert "city" in told["fields"]
    assert "count" not in told["fields"]
    assert ask.as_json


@pytest.mark.parametrize("error", [ProviderError("The server is down."), RateLimitedError("Slow down.")])
def test_a_server_that_fails_leaves_the_order_as_it_was_and_says_so(error):
    def fail(ask: Ask) -> str:
        raise error

    left = completed(order(), read, Scripted(fail), "demo")
    assert left.doubts == (*order().doubts, f"demo could not help: {error.message}")
    assert (left.role, left.city, left.unparsed) == (order().role, order().city, order().unparsed)


def test_an_answer_without_json_is_said():
    assert "demo could not help" in helped("I would rather talk about the weather.").doubts[-1]


def test_through_the_workbench_a_model_on_a_server_finds_the_people(staffed, tmp_path):
    reply = json.dumps({"city": said("Jolly-ette", "Joliet, IL"), "role": said("pallet barn", "Warehouse Associate")})
    lake = staffed.settings.lake
    with (
        LocalChatServer(lambda messages: reply, models=["demo"]) as server,
        workbench.connect(lake, folder=tmp_path, ollama_url=server.url) as wb,
    ):
        (found,) = wb.order(TEXT, today=DAY, model="ollama/demo")
        (plain,) = wb.order(TEXT, today=DAY)
    assert found.options["city"] == "Joliet, IL"
    assert found.results.hits
    assert set(found.results.table.column("city").to_pylist()) == {"Joliet"}
    assert plain.results is None  # no word of it is a role, a paper, a skill or a shift
