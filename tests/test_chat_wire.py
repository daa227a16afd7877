"""The two wire forms against a real server: what is sent, what is read, and every way in which a server fails."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from workbench.errors import (
    CancelledError,
    NotFoundError,
    ProviderError,
    ProviderTimeoutError,
    RateLimitedError,
    WorkbenchError,
)
from workbench.llm import local_chat_server as faults
from workbench.llm.chat import Ask, Completion, Message
from workbench.llm.local_chat_server import Fault, LocalChatServer, Served
from workbench.llm.ollama import OllamaChat, local_models, ollama_endpoint
from workbench.llm.openai_chat import OpenAIChat
from workbench.llm.server_chat import ServerChat
from workbench.outbound import Endpoint, Patience, Secret

KEY = "very-secret-0123456789"
DEADLINE_S = 30
ROOT = Path(__file__).parents[1]
ASK = Ask(
    "demo", (Message("system", "Be short."), Message("user", "one two three four")), temperature=0.5, max_tokens=9
)


@pytest.fixture
def server() -> Iterator[LocalChatServer]:
    with LocalChatServer(lambda messages: messages[-1]["content"]) as running:
        yield running


@dataclass
class Desk:
    """A client of one wire form, its server, the pauses it made, and one of its two verbs."""

    server: LocalChatServer
    wire: str
    how: str
    pauses: list[float]

    def open(self, **options: object) -> ServerChat:
        options = {"wait": self.pauses.append} | options
        secret = Secret("DEMO_KEY", environ={"DEMO_KEY": KEY})
        if self.wire == "ollama":
            return OllamaChat(ollama_endpoint(self.server.url, secret), "ollama", **options)  # type: ignore[arg-type]
        return OpenAIChat(Endpoint("Demo", self.server.openai_url, "Look.", secret), "demo", **options)  # type: ignore[arg-type]

    def ask(
        self, ask: Ask = ASK, cancel: threading.Event | None = None, got: list[str] | None = None, **options: object
    ) -> Completion:
        client = self.open(**options)
        try:
            if self.how == "whole":
                return client.complete(ask, cancel=cancel)
            for piece in client.stream(ask, cancel=cancel):
                if isinstance(piece, Completion):
                    return piece
                (got if got is not None else []).append(piece)
            raise AssertionError("a stream without an end")
        finally:
            client.close()

    def refused(self, kind: type[WorkbenchError], fault: Fault, **options: object) -> WorkbenchError:
        self.server.faults += [fault] * 9
        with pytest.raises(kind) as caught:
            self.ask(**options)  # type: ignore[arg-type]
        assert type(caught.value) is kind
        assert KEY not in str(caught.value) + repr(caught.value) + json.dumps(caught.value.to_dict())
        return caught.value


@pytest.fixture(params=["ollama-whole", "ollama-stream", "openai-whole", "openai-stream"])
def desk(request: pytest.FixtureRequest, server: LocalChatServer) -> Desk:
    wire, _, how = request.param.partition("-")
    return Desk(server, wire, how, [])


def streams(desk: Desk) -> bool:
    return desk.how == "stream"


def test_what_is_sent(desk):
    desk.ask(ASK)
    messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "one two three four"}]
    common = {"model": "demo", "messages": messages, "stream": streams(desk)}
    if desk.wire == "ollama":
        own = {"think": False, "truncate": False, "options": {"temperature": 0.5, "num_predict": 9}}
    else:
        own = {"temperature": 0.5, "max_tokens": 9} | (
            {"stream_options": {"include_usage": True}} if streams(desk) else {}
        )
    assert desk.server.requests == [common | own]
    assert desk.server.keys == [f"Bearer {KEY}"]


def test_json_mode_is_asked_for(desk):
    desk.ask(Ask("demo", ASK.messages, as_json=True))
    mode = {"ollama": ("format", "json"), "openai": ("response_format", {"type": "json_object"})}[desk.wire]
    assert mode in desk.server.requests[0].items()


def test_a_local_ollama_gets_no_key(server):
    client = OllamaChat(ollama_endpoint(server.url), "ollama")
    assert client.complete(ASK).text == "one two three four"
    assert server.keys == [""]
    client.close()


def test_the_key_is_read_for_each_request(server):
    environ = {"DEMO": "old"}
    client = OpenAIChat(Endpoint("Demo", server.openai_url, secret=Secret("DEMO", environ=environ)), "demo")
    client.complete(ASK)
    environ["DEMO"] = "new"
    client.complete(ASK)
    assert server.keys == ["Bearer old", "Bearer new"]
    client.close()


def test_tokens_are_those_that_the_server_counts(desk):
    done = desk.ask()
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (6, 4)


@pytest.mark.parametrize("fault", [faults.refuse(429), faults.refuse(500), faults.refuse(503), faults.cut()])
def test_what_may_pass_is_tried_again_and_the_answer_is_whole(desk, fault):
    desk.server.faults += [fault, fault]
    got: list[str] = []
    assert desk.ask(got=got).text == "one two three four"
    assert len(desk.pauses) == 2
    assert "".join(got) in {"", "one two three four"}


def test_retry_after_is_what_is_waited(desk):
    desk.server.faults += [faults.refuse(429, retry_after="7")]
    desk.ask()
    assert desk.pauses == [7.0]


def test_429_is_a_pause_to_make(desk):
    error = desk.refused(RateLimitedError, faults.refuse(429, "slow down", retry_after="3600"))
    assert (error.retry_after_s, desk.pauses) == (3600.0, [])  # type: ignore[attr-defined]
    assert "slow down" in error.message


def test_401_names_the_variable(desk):
    error = desk.refused(ProviderError, faults.refuse(401, f"Incorrect API key provided: {KEY}."))
    assert error.hint == "Check the key in DEMO_KEY."
    assert "***" in error.message
    assert desk.pauses == []


@pytest.mark.parametrize("status", [400, 402, 403, 413, 422, 500, 501, 503])
def test_every_other_refusal_is_the_providers_failure(desk, status):
    error = desk.refused(ProviderError, faults.refuse(status, "no such luck"))
    assert error.details["status"] == status
    assert "no such luck" in error.message


def test_a_404_is_a_model_that_is_not_there(desk):
    with pytest.raises(NotFoundError, match="'none'") as caught:
        desk.ask(Ask("none", ASK.messages))
    assert caught.value.hint


@pytest.mark.parametrize(
    "fault",
    [faults.malformed(), faults.empty_choices, faults.web_page, faults.fail("the model fell over")],
    ids=["malformed", "empty", "page", "error"],
)
def test_an_answer_that_is_none_is_the_providers_failure_and_not_repeated(desk, fault):
    error = desk.refused(ProviderError, fault)
    assert len(desk.server.faults) == 8
    assert desk.pauses == []
    assert error.details["status"] in {200, 502}


def test_the_words_of_a_failure_inside_an_answer_are_told_without_the_key(desk):
    assert "fell over ***" in desk.refused(ProviderError, faults.fail(f"fell over {KEY}")).message


@pytest.mark.parametrize("wire", ["ollama", "openai"])
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.cut(4), "broke off the connection"),
        (faults.end_early(4), "broke off in the middle"),
        (faults.malformed(4), "not JSON"),
        (faults.fail("out of memory", 4), "out of memory"),
    ],
    ids=["cut", "ended", "malformed", "failed"],
)
def test_a_stream_that_breaks_in_the_middle_is_an_error_and_never_begun_again(server, wire, fault, said):
    desk = Desk(server, wire, "stream", [])
    server.faults += [fault, fault]
    got: list[str] = []
    with pytest.raises(ProviderError, match=said):
        desk.ask(got=got)
    assert 2 <= len(got) < 5  # what came before it was given, and nothing twice
    assert got == ["one", " two", " three", " four"][: len(got)]
    assert len(server.requests) == 1


def test_an_answer_that_breaks_off_in_the_middle_is_asked_for_again_when_it_is_whole(server):
    desk = Desk(server, "openai", "whole", [])
    server.faults += [faults.cut(1)]
    assert desk.ask().text == "one two three four"
    assert len(desk.pauses) == 1


def test_ollama_without_memory_is_not_asked_again(server):
    desk = Desk(server, "ollama", "whole", [])
    said = "model requires more system memory (5.6 GiB) than is available (3.1 GiB)"
    error = desk.refused(ProviderError, faults.refuse(500, said))
    assert said in error.message
    assert desk.pauses == []


def test_a_port_with_something_else_is_not_ollama(server):
    client = OllamaChat(ollama_endpoint(f"{server.url}/elsewhere"), "ollama")
    with pytest.raises(ProviderError, match="is not Ollama"):
        client.complete(ASK)
    with pytest.raises(ProviderError, match="is not Ollama"):
        local_models(f"{server.url}/elsewhere")
    client.close()


def test_a_server_that_is_not_there(desk):
    desk.server.close()
    with pytest.raises(ProviderError, match="does not answer"):
        desk.ask()
    assert len(desk.pauses) == 2


def test_a_whole_that_is_late_is_given_up_once(desk):
    freed = threading.Event()
    desk.server.faults += [faults.slow(freed, after=2 if streams(desk) else 0)] * 2
    with pytest.raises(ProviderTimeoutError, match=r"did not finish its answer within 0\.3 s"):
        desk.ask(patience=Patience(timeout_s=0.3))
    freed.set()
    assert len(desk.server.requests) == 1


@pytest.mark.parametrize("wire", ["ollama", "openai"])
@pytest.mark.parametrize("after", [0, 1])
def test_a_first_token_that_is_late_is_given_up(server, wire, after):
    """Also when comments and empty pieces came before it: they are no token."""
    freed = threading.Event()
    server.faults += [faults.slow(freed, after=after if wire == "openai" else 0)]
    with pytest.raises(ProviderTimeoutError, match=r"did not begin its answer within 0\.2 s"):
        Desk(server, wire, "stream", []).ask(patience=Patience(timeout_s=60, first_s=0.2))
    freed.set()


@pytest.mark.parametrize("wire", ["ollama", "openai"])
def test_the_limit_for_the_first_token_ends_with_it(server, wire):
    desk, freed = Desk(server, wire, "stream", []), threading.Event()
    server.faults += [faults.slow(freed, after=4)]
    threading.Timer(0.9, freed.set).start()
    assert desk.ask(patience=Patience(timeout_s=60, first_s=0.6)).text == "one two three four"


def test_a_thinking_model_has_begun(server):
    freed = threading.Event()

    def thinks(served: Served) -> Served:
        def parts() -> Iterator[bytes | None]:
            yield b'data: {"choices": [{"delta": {"reasoning": "hm"}}]}\n\n'
            freed.wait(DEADLINE_S)
            yield from served.parts

        return Served(served.wire, parts(), stream=True)

    server.faults += [thinks]
    threading.Timer(0.9, freed.set).start()
    done = Desk(server, "openai", "stream", []).ask(patience=Patience(timeout_s=60, first_s=0.6))
    assert done.text == "one two three four"


def held(desk: Desk) -> tuple[Fault, threading.Event, threading.Event]:
    """A fault that holds the answer back; what says that it does, and what frees it."""
    reached, freed = threading.Event(), threading.Event()

    def hold(served: Served) -> Served:
        def parts() -> Iterator[bytes | None]:
            if streams(desk):
                yield next(served.parts)
            reached.set()
            freed.wait(DEADLINE_S)
            while not desk.server.left.is_set():  # until it notices that nobody listens
                yield b" " * 65536

        return Served(served.wire, parts(), stream=True)

    return hold, reached, freed


def test_a_cancel_from_another_thread_ends_it_at_once_and_the_server_learns_of_it(desk):
    hold, reached, freed = held(desk)
    desk.server.faults += [hold] * 2
    cancel = threading.Event()
    caught: list[BaseException] = []

    def run() -> None:
        try:
            desk.ask(cancel=cancel)
        except WorkbenchError as error:
            caught.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert reached.wait(DEADLINE_S)
    cancel.set()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert [type(error) for error in caught] == [CancelledError]
    freed.set()
    assert desk.server.left.wait(DEADLINE_S)
    assert len(desk.server.requests) == 1


def test_a_cancel_ends_a_pause(desk):
    cancel = threading.Event()
    desk.server.faults += [faults.refuse(503, retry_after="25")] * 2
    threading.Timer(0.2, cancel.set).start()
    client = desk.open(wait=time.sleep)
    verb: Callable[[], object] = {
        "whole": lambda: client.complete(ASK, cancel=cancel),
        "stream": lambda: list(client.stream(ASK, cancel=cancel)),
    }[desk.how]
    with pytest.raises(CancelledError):
        verb()
    assert len(desk.server.faults) == 1
    client.close()


@pytest.mark.parametrize("wire", ["ollama", "openai"])
def test_a_stream_left_early_frees_the_server(server, wire):
    desk = Desk(server, wire, "stream", [])
    client, freed = desk.open(), threading.Event()
    first = {
        "ollama": b'{"message": {"content": "one"}}\n',
        "openai": b'data: {"choices":[{"delta":{"content":"one"}}]}\n',
    }[wire]

    def once(served: Served) -> Served:
        def parts() -> Iterator[bytes | None]:
            yield first
            freed.wait(DEADLINE_S)
            while not server.left.is_set():
                yield b" " * 65536

        return Served(served.wire, parts(), stream=True)

    server.faults += [once]
    pieces = client.stream(ASK)
    assert next(pieces) == "one"
    pieces.close()  # type: ignore[attr-defined]
    freed.set()
    assert server.left.wait(DEADLINE_S)
    client.close()


@pytest.mark.parametrize(
    ("wire", "said", "finish"),
    [
        ("openai", '{"choices": [{"message": {"content": "x"}, "finish_reason": "content_filter"}]}', "other"),
        ("openai", '{"choices": [{"message": {"content": "x"}, "finish_reason": "error"}]}', "error"),
        ("openai", '{"choices": [{"message": {"content": null}, "finish_reason": "stop"}]}', "stop"),
        ("openai", '{"choices": [{"message": {"content": "x"}}]}', "other"),
        ("ollama", '{"message": {"content": "x"}, "done": true, "done_reason": "load"}', "other"),
        ("ollama", '{"message": {"content": "x"}, "done": true}', "other"),
        ("ollama", '{"message": {"content": "x"}, "done": true, "done_reason": "length"}', "length"),
    ],
)
def test_the_reason_of_the_end_and_counts_that_are_not_given(server, wire, said, finish):
    server.faults += [lambda served: Served(served.wire, iter([said.encode()]))]
    done = Desk(server, wire, "whole", []).ask()
    assert done.finish == finish
    assert (done.usage.prompt_tokens, done.usage.completion_tokens) == (None, None)


def test_an_upstream_limit_told_inside_a_stream_is_a_limit(server):
    event = b'data: {"error": {"code": 429, "message": "slow down"}, "choices": []}\n\n'
    server.faults += [lambda served: Served(served.wire, iter([event]), stream=True)]
    with pytest.raises(RateLimitedError, match="slow down"):
        Desk(server, "openai", "stream", []).ask()


@pytest.mark.parametrize("name", ["openrouter", "kimi"])
@pytest.mark.parametrize("how", ["whole", "stream"])
def test_what_openrouter_says_that_an_answer_cost_is_kept_and_asked_of_nobody_else(server, name, how):
    body = b'{"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": {"cost": 0.0125}}'
    server.faults += [lambda served: Served(served.wire, iter([body]), stream=how == "stream")]
    client = OpenAIChat(Endpoint("Demo", server.openai_url), name)
    *_, done = [client.complete(ASK)] if how == "whole" else client.stream(ASK)
    client.close()
    assert isinstance(done, Completion)
    assert done.usage.cost_usd == (0.0125 if name == "openrouter" else None)
    assert ("usage" in server.requests[0]) == (name == "openrouter")


LONG = Ask("demo", (Message("system", "Be short."), Message("user", "word " * 40)))


def test_what_is_longer_than_the_context_is_said_with_what_to_do(desk):
    desk.server.window_words = 30
    with pytest.raises(ProviderError, match="does not fit into the context of 'demo'") as caught:
        desk.ask(LONG)
    assert "42" in caught.value.message
    assert "30" in caught.value.message
    assert ("num_ctx" if desk.wire == "ollama" else "a longer context") in caught.value.hint
    assert (desk.pauses, caught.value.details["status"]) == ([], 400)


def test_a_server_that_cuts_in_silence_is_found_out_by_its_count(desk):
    """Ollama before 0.12.6 does not know ``truncate``; OpenRouter cuts for small models."""
    desk.server.window_words, desk.server.cuts = 30, True
    with pytest.raises(ProviderError, match="cut the conversation: it read 30 tokens of 42 words") as caught:
        desk.ask(LONG)
    assert caught.value.hint
    assert (desk.pauses, len(desk.server.requests)) == ([], 1)
    assert desk.ask(ASK).text == "one two three four"


@pytest.mark.parametrize(
    "said", ["input length exceeds the context length", "prompt is too long", "exceeded model token limit"]
)
def test_a_limit_of_tokens_a_minute_is_no_context(desk, said):
    limit = desk.refused(RateLimitedError, faults.refuse(429, f"{said} a minute", retry_after="99"))
    assert "does not fit" not in limit.message
    desk.server.faults.clear()
    assert "does not fit" in desk.refused(ProviderError, faults.refuse(400, said)).message


def test_a_context_that_is_told_inside_a_stream_is_explained_too(server):
    server.faults += [faults.fail("This model's maximum context length is 10 tokens", 0)]
    with pytest.raises(ProviderError, match="does not fit into the context"):
        Desk(server, "openai", "stream", []).ask()


SERVE = """
import sys, threading
from workbench.llm.local_chat_server import LocalChatServer, slow
with LocalChatServer(lambda messages: messages[-1]["content"]) as server:
    server.faults += [slow(threading.Event(), after=4)]
    print(server.url, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("wire", ["ollama", "openai"])
def test_a_server_process_that_is_killed_in_the_middle_of_an_answer(wire):
    with subprocess.Popen(
        [sys.executable, "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        if wire == "ollama":
            client: ServerChat = OllamaChat(ollama_endpoint(url), "ollama", wait=lambda _: None)
        else:
            client = OpenAIChat(Endpoint("Demo", f"{url}/v1"), "demo", wait=lambda _: None)
        pieces = client.stream(ASK)
        assert next(pieces) == "one"
        process.kill()
        with pytest.raises(ProviderError, match="broke off"):
            list(pieces)
        process.wait(DEADLINE_S)
        with pytest.raises(ProviderError, match="does not answer"):
            client.complete(ASK)
        client.close()


def test_the_models_of_this_machine():
    with LocalChatServer(lambda _: "", models=["qwen3", "gemma3:4b"]) as server:
        assert local_models(server.url) == ["gemma3:4b", "qwen3"]
