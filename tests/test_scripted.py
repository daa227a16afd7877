"""The scripted model: turns, pieces, failures, usage; and the catalogue of lies."""

from __future__ import annotations

import json
import threading

import pytest

from workbench.errors import CancelledError, ProviderError, RateLimitedError
from workbench.llm.chat import Ask, ChatModel, Completion, Message
from workbench.llm.extract import extract_json, find_json
from workbench.llm.lies import LIES, Stock, honest
from workbench.llm.scripted import Breaks, Scripted, tokens

ASK = Ask("scripted/any", (Message("system", "Be short."), Message("user", "Hello?")))


def test_it_answers_turn_by_turn():
    model: ChatModel = Scripted(["one", "two"])
    assert [model.complete(ASK).text, model.complete(ASK).text] == ["one", "two"]


def test_a_script_that_has_ended_says_so():
    model = Scripted(["one"])
    model.complete(ASK)
    with pytest.raises(ProviderError, match="1 turns and was asked for number 2"):
        model.complete(ASK)


def test_it_can_repeat_its_last_turn():
    model = Scripted(["one", "two"], again=True)
    assert [model.complete(ASK).text for _ in range(4)] == ["one", "two", "two", "two"]


def test_an_empty_script_has_nothing_to_repeat():
    with pytest.raises(ProviderError):
        Scripted([], again=True).complete(ASK)


def test_a_function_of_the_request_is_a_script():
    model = Scripted(lambda ask: ask.messages[-1].content.upper())
    assert model.complete(ASK).text == "HELLO?"


def test_it_keeps_what_it_was_asked():
    model = Scripted(["one"])
    model.complete(ASK)
    assert model.asks == [ASK]


def test_it_streams_in_pieces_and_ends_with_the_whole():
    *pieces, last = Scripted(["abcdefg"], piece=3).stream(ASK)
    assert pieces == ["abc", "def", "g"]
    assert isinstance(last, Completion)
    assert (last.text, last.finish, last.model, last.provider) == ("abcdefg", "stop", "any", "scripted")


def test_an_empty_answer_has_no_pieces():
    assert [type(part) for part in Scripted([""]).stream(ASK)] == [Completion]


def test_usage_is_counted_of_all_messages_and_of_the_answer():
    usage = Scripted(["12345"]).complete(ASK).usage
    assert (usage.prompt_tokens, usage.completion_tokens) == (tokens("Be short.") + tokens("Hello?"), 2)


def test_an_answer_beyond_max_tokens_is_cut():
    answer = Scripted(["x" * 100]).complete(Ask("scripted", ASK.messages, max_tokens=10))
    assert (len(answer.text), answer.finish) == (40, "length")


def test_it_raises_the_error_of_the_script_and_goes_on():
    model = Scripted([RateLimitedError("Slow down.", retry_after_s=7), "two"])
    with pytest.raises(RateLimitedError) as raised:
        model.complete(ASK)
    assert raised.value.retry_after_s == 7
    assert model.complete(ASK).text == "two"


def test_it_breaks_off_in_the_middle_of_an_answer():
    stream = Scripted([Breaks("abcdef", ProviderError("The line is dead."))], piece=4).stream(ASK)
    assert [next(stream), next(stream)] == ["abcd", "ef"]
    with pytest.raises(ProviderError, match="dead"):
        next(stream)


def test_a_broken_answer_is_no_completion():
    with pytest.raises(ProviderError, match="dead"):
        Scripted([Breaks("abcdef", ProviderError("The line is dead."))]).complete(ASK)


def test_a_cancel_before_the_answer_takes_no_turn():
    cancel = threading.Event()
    cancel.set()
    model = Scripted(["one"])
    with pytest.raises(CancelledError):
        model.complete(ASK, cancel=cancel)
    assert model.complete(ASK).text == "one"


def test_a_cancel_between_two_pieces_ends_the_stream():
    cancel = threading.Event()
    stream = Scripted(["abcdef"], piece=2).stream(ASK, cancel=cancel)
    assert next(stream) == "ab"
    cancel.set()
    with pytest.raises(CancelledError):
        next(stream)


def test_threads_share_a_script_and_each_turn_is_given_once():
    model = Scripted([str(n) for n in range(200)])
    said: list[str] = []
    threads = [
        threading.Thread(target=lambda: said.extend(model.complete(ASK).text for _ in range(50))) for _ in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(int, said)) == list(range(200))


GOOD = [{"candidate_id": f"W-{n}", "name": f"Ann {n}"} for n in range(5)]
STOCK = Stock(
    good=GOOD,
    count=3,
    elsewhere=[{"candidate_id": "W-70", "name": "Far Away"}],
    inactive=[{"candidate_id": "W-80", "name": "At Rest"}],
)


def ids(text: str) -> list[str]:
    answer = extract_json(text)
    assert answer is not None
    return [fill["candidate_id"] for fill in answer.value["fills"]]


def test_the_honest_answer():
    assert json.loads(honest(STOCK)) == {"fills": GOOD[:3]}


def test_every_lie_differs_from_the_truth_and_is_told_apart_from_the_others():
    said = [lie(STOCK) for lie in LIES.values()]
    assert len({honest(STOCK), *said}) == len(LIES) + 1


def test_what_the_lies_say():
    assert ids(LIES["phantom id"](STOCK)) == ["W-0", "W-1", "W-987654321"]
    assert ids(LIES["wrong city"](STOCK)) == ["W-0", "W-1", "W-70"]
    assert ids(LIES["inactive"](STOCK)) == ["W-0", "W-1", "W-80"]
    assert ids(LIES["duplicate"](STOCK)) == ["W-0", "W-1", "W-0"]
    assert ids(LIES["duplicate"](Stock(GOOD, count=1))) == ["W-0", "W-0"]
    assert "Somebody Else" in LIES["other name"](STOCK)
    assert ids(LIES["short count"](STOCK)) == ["W-0", "W-1"]
    assert find_json(LIES["prose without JSON"](STOCK)).why == "nothing"
    assert find_json(LIES["cut-off JSON"](STOCK)).why == "cut_off"
    assert "219-09-9999" in LIES["SSN in text"](STOCK)
