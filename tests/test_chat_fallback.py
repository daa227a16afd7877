"""A chain goes on before the first piece and never after it; a budget ends what would take too much."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from workbench.errors import (
    CancelledError,
    InvalidError,
    NotFoundError,
    ProviderError,
    ProviderTimeoutError,
    RateLimitedError,
    TooLargeError,
)
from workbench.llm import local_chat_server as faults
from workbench.llm.budget import Budget, Budgeted
from workbench.llm.chat import Ask, ChatModel, Completion, Message
from workbench.llm.fallback import Fallback
from workbench.llm.local_chat_server import LocalChatServer, Served
from workbench.llm.router import Router
from workbench.outbound import Patience

KEY = "very-secret-0123456789"
DEADLINE_S = 30


@pytest.fixture
def server() -> Iterator[LocalChatServer]:
    with LocalChatServer(lambda messages: messages[-1]["content"], models=["first", "second", "third"]) as running:
        yield running


@pytest.fixture
def router(server: LocalChatServer) -> Iterator[Router]:
    made = Router(
        urls={"ollama": server.url, "kimi": server.openai_url}, environ={"KIMI_API_KEY": KEY}, wait=lambda _: None
    )
    yield made
    made.close()


@pytest.fixture
def chain(router: Router) -> Fallback:
    return Fallback(router, ["kimi/second", "third"])


def asking(name: str = "first", text: str = "one two three four", **options: int) -> Ask:
    return Ask(name, (Message("user", text),), **options)  # type: ignore[arg-type]


def answered(model: ChatModel, how: str, ask: Ask, cancel: threading.Event | None = None) -> Completion:
    if how == "whole":
        return model.complete(ask, cancel=cancel)
    *pieces, done = model.stream(ask, cancel=cancel)
    assert isinstance(done, Completion)
    assert "".join(map(str, pieces)) == done.text
    return done


def drain(pieces: Iterator[str | Completion], got: list[str | Completion]) -> None:
    for piece in pieces:
        got.append(piece)


BOTH = pytest.mark.parametrize("how", ["whole", "stream"])


@BOTH
def test_the_first_that_answers_is_the_answer_and_nobody_else_is_asked(chain, server, how):
    done = answered(chain, how, asking())
    assert (done.model, done.failed, len(server.requests)) == ("first", (), 1)


@BOTH
@pytest.mark.parametrize(
    "fault",
    [
        faults.refuse(401),
        faults.refuse(400, "no"),
        faults.refuse(429, "wait", retry_after="900"),
        faults.refuse(501),
        faults.malformed(),
        faults.empty_choices,
        faults.web_page,
        faults.fail("fell over"),
    ],
)
def test_the_next_is_asked_when_one_fails_and_the_answer_says_who_failed_and_why(chain, server, how, fault):
    server.faults += [fault]
    done = answered(chain, how, asking())
    assert (done.text, done.provider, done.model) == ("one two three four", "kimi", "second")
    assert len(done.failed) == 1
    assert done.failed[0].startswith("first: Ollama at ")
    assert len(server.requests) == 2


@BOTH
def test_a_model_that_is_not_there_and_a_provider_without_key_are_passed_over(router, how):
    done = answered(Fallback(router, ["openrouter/a/b", "third"]), how, asking("none"))
    assert done.model == "third"
    assert "'none'" in done.failed[0]
    assert "OPENROUTER_API_KEY" in done.failed[1]


@BOTH
def test_when_all_fail_the_last_error_says_who_failed_before_it(chain, server, how):
    server.faults += [
        faults.refuse(400, "bad"),
        faults.refuse(402, "pay"),
        faults.refuse(429, "wait", retry_after="99"),
    ]
    with pytest.raises(RateLimitedError, match="wait") as caught:
        answered(chain, how, asking())
    assert caught.value.retry_after_s == 99.0
    assert [line.partition(":")[0] for line in caught.value.details["failed"]] == ["first", "kimi/second"]
    assert "bad" in caught.value.hint
    assert "pay" in caught.value.hint


@pytest.mark.parametrize("fault", [faults.cut(3), faults.end_early(3), faults.malformed(3), faults.fail("gone", 3)])
def test_after_the_first_piece_nobody_else_is_asked_and_no_two_answers_are_joined(chain, server, fault):
    server.faults += [fault]
    got: list[str | Completion] = []
    with pytest.raises(ProviderError):
        drain(chain.stream(asking()), got)
    assert got == ["one", " two", " three"]
    assert [request["model"] for request in server.requests] == ["first"]


@BOTH
def test_a_cancel_ends_the_chain(chain, server, how):
    cancel = threading.Event()

    def cancelling(served: Served) -> Served:
        cancel.set()
        return faults.refuse(400)(served)

    server.faults += [cancelling]
    with pytest.raises(CancelledError):
        answered(chain, how, asking(), cancel)
    assert len(server.requests) == 1


@BOTH
def test_attempts_are_counted_over_all_requests_failed_ones_too(router, server, how):
    model = Budgeted(router, Budget(attempts=3))
    server.faults += [faults.refuse(400)]
    with pytest.raises(ProviderError):
        answered(model, how, asking())
    answered(model, how, asking())
    answered(model, how, asking())
    with pytest.raises(TooLargeError, match="3 attempts") as caught:
        answered(model, how, asking())
    assert caught.value.details["attempts"] == 3
    assert len(server.requests) == 3


@BOTH
def test_tokens_of_prompts_and_answers_are_counted_and_bound_the_next_answer(router, server, how):
    model = Budgeted(router, Budget(tokens=14))
    answered(model, how, asking(max_tokens=100))  # 4 asked, 4 answered
    assert model.spent.tokens == 8
    done = answered(model, how, asking(text="a b c d e f g h", max_tokens=100))
    assert (done.text, done.finish) == ("a b c d e f", "length")
    assert [request["options"]["num_predict"] for request in server.requests] == [14, 6]
    with pytest.raises(TooLargeError, match="14 tokens"):
        answered(model, how, asking())


def test_tokens_of_a_stream_that_breaks_are_counted_too(router, server):
    model = Budgeted(router, Budget(tokens=1000))
    server.faults += [faults.end_early(3)]
    got: list[str | Completion] = []
    with pytest.raises(ProviderError):
        drain(model.stream(asking()), got)
    assert got == ["one", " two", " three"]
    assert model.spent.tokens == len("one two three four") // 4 + 4  # estimated, at 4 characters a token


def test_seconds_are_over_before_a_request(router, server):
    now = [100.0]
    model = Budgeted(router, Budget(seconds=10), clock=lambda: now[0])
    model.complete(asking())
    now[0] = 109.9
    model.complete(asking())
    now[0] = 110.0
    with pytest.raises(ProviderTimeoutError, match="budget of 10 s"):
        model.complete(asking())
    assert len(server.requests) == 2


@BOTH
def test_seconds_end_a_request_that_runs(router, server, how):
    freed = threading.Event()
    server.faults += [faults.slow(freed)]
    model = Budgeted(router, Budget(seconds=0.3))
    with pytest.raises(ProviderTimeoutError, match=r"budget of 0\.3 s"):
        answered(model, how, asking())
    freed.set()
    assert model.spent.attempts == 1


@BOTH
def test_a_cancel_within_a_budget_is_a_cancel(router, server, how):
    freed, cancel = threading.Event(), threading.Event()
    server.faults += [faults.slow(freed)]
    threading.Timer(0.2, cancel.set).start()
    with pytest.raises(CancelledError):
        answered(Budgeted(router, Budget(seconds=60)), how, asking(), cancel)
    freed.set()


def test_a_request_that_means_nothing_is_not_passed_on(server):
    asked: list[str] = []

    class Refusing:
        def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
            asked.append(ask.model)
            raise InvalidError("No.")

        def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
            asked.append(ask.model)
            raise InvalidError("No.")
            yield ""

    chain = Fallback(Refusing(), ["second"])
    for how in ("whole", "stream"):
        with pytest.raises(InvalidError):
            answered(chain, how, asking())
    assert asked == ["first", "first"]


def test_a_chain_asks_no_model_twice_and_each_with_a_limit_of_its_own(server):
    freed = threading.Event()
    server.faults += [faults.slow(freed)]
    patient = Router(urls={"ollama": server.url}, environ={}, patience=Patience(timeout_s=0.3))
    done = Fallback(patient, ["first", "second"]).complete(asking())
    freed.set()
    assert (done.model, len(done.failed)) == ("second", 1)
    assert "0.3 s" in done.failed[0]
    with pytest.raises(NotFoundError):
        Fallback(patient, ["none"]).complete(asking("none"))
    patient.close()
