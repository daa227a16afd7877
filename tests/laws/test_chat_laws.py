"""What holds for everything that answers: each provider, the router, a chain, a budget, a recording, a script."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.errors import CancelledError, NotFoundError
from workbench.lake.lake import Lake
from workbench.lake.logs import Log
from workbench.lake.tables.storage import LocalStorage
from workbench.llm.budget import Budget, Budgeted
from workbench.llm.chat import Ask, ChatModel, Completion, Message
from workbench.llm.fallback import Fallback
from workbench.llm.ledger import SHAPE, Book, Ledger, to_row
from workbench.llm.local_chat_server import LocalChatServer
from workbench.llm.ollama import OllamaChat, ollama_endpoint
from workbench.llm.openai_chat import OpenAIChat
from workbench.llm.privacy import Pseudonymised
from workbench.llm.recording import Recorder, Replay
from workbench.llm.router import PROVIDERS, Router
from workbench.llm.scripted import Scripted
from workbench.outbound import Endpoint, Secret
from workbench.pii.roster import Roster

KEY = "very-secret-0123456789"
KNOWN = Roster([("name", "Jane Doe")])
ODD = 'é ß 漢🙂 "quoted" \\back\\ a\u2028b\u2029c\x85d {"json": [1]}\n\ndata: [DONE]\r\n\tend'


class RecordedThenReplayed:
    """Each request is recorded once, and answered from the recording alone."""

    def __init__(self, model: ChatModel, folder: Path) -> None:
        self.model, self.folder, self.places = model, folder, iter(range(1_000_000))

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        file = self.folder / f"{next(self.places)}.jsonl"
        Recorder(self.model, file).complete(ask, cancel=cancel)
        return Replay(file).complete(ask, cancel=cancel)

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        file = self.folder / f"{next(self.places)}.jsonl"
        list(Recorder(self.model, file).stream(ask, cancel=cancel))
        yield from Replay(file).stream(ask, cancel=cancel)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalChatServer]:
    with LocalChatServer(lambda messages: messages[-1]["content"], key=KEY) as running:
        yield running


MODELS = [
    "ollama",
    "openai",
    *(row.prefix for row in PROVIDERS),
    "fallback",
    "budgeted",
    "recorder",
    "replay",
    "scripted",
    "pseudonymised",
    "ledger",
]


@pytest.fixture(params=MODELS)
def named(request: pytest.FixtureRequest, server: LocalChatServer, tmp_path: Path) -> Iterator[tuple[ChatModel, str]]:
    """A model, and the name to ask it by."""
    environ = {row.variable: KEY for row in PROVIDERS if row.variable} | {"DEMO": KEY}
    secret = Secret("DEMO", environ=environ)
    urls = {row.prefix: server.url if row.wire == "ollama" else server.openai_url for row in PROVIDERS}
    router = Router(urls=urls, environ=environ)
    ollama = OllamaChat(ollama_endpoint(server.url, secret), "ollama")
    openai = OpenAIChat(Endpoint("Demo", server.openai_url, secret=secret), "demo")
    log = Log(Lake(LocalStorage(tmp_path / "lake")), tmp_path / "spool", SHAPE, to_row=to_row)
    made: dict[str, tuple[ChatModel, str]] = {
        "ollama": (ollama, "demo"),
        "openai": (openai, "demo"),
        **{row.prefix: (router, f"{row.prefix}/demo") for row in PROVIDERS[1:]},
        "fallback": (Fallback(router, ["kimi/demo"]), "openrouter/none"),
        "budgeted": (Budgeted(openai, Budget(attempts=10**6, tokens=10**9, seconds=600.0)), "demo"),
        "recorder": (Recorder(ollama, tmp_path / "kept.jsonl"), "demo"),
        "replay": (RecordedThenReplayed(ollama, tmp_path), "demo"),
        "ledger": (Ledger(openai, Book(log)), "demo"),
        "pseudonymised": (Pseudonymised(openai, lambda: KNOWN), "demo"),
        "scripted": (Scripted(lambda ask: ask.messages[-1].content, piece=3), "demo"),
    }
    yield made[request.param]
    log.close(write=False)
    router.close()
    ollama.close()
    openai.close()


def asking(name: str, text: str, **options: object) -> Ask:
    return Ask(name, (Message("system", "Repeat."), Message("user", text)), **options)  # type: ignore[arg-type]


def streamed(model: ChatModel, ask: Ask) -> tuple[list[str], Completion]:
    *pieces, done = model.stream(ask)
    assert all(isinstance(piece, str) and piece for piece in pieces)
    assert isinstance(done, Completion)
    return [str(piece) for piece in pieces], done


def test_a_whole_answer_has_text_model_provider_usage_and_reason(named):
    model, name = named
    done = model.complete(asking(name, "three short words"))
    assert (done.text, done.model, done.finish) == ("three short words", "demo", "stop")
    assert done.usage.prompt_tokens
    assert done.usage.completion_tokens
    assert done.provider
    assert done.duration_s > 0


def test_a_stream_is_pieces_and_last_the_same_whole(named):
    model, name = named
    whole = model.complete(asking(name, "one two three four"))
    pieces, done = streamed(model, asking(name, "one two three four"))
    assert len(pieces) > 2
    assert "".join(pieces) == done.text == whole.text
    assert (done.usage, done.finish, done.provider, done.model) == (
        whole.usage,
        whole.finish,
        whole.provider,
        whole.model,
    )


def test_every_character_comes_through_whole_and_streamed(named):
    model, name = named
    assert model.complete(asking(name, ODD)).text == ODD
    pieces, done = streamed(model, asking(name, ODD))
    assert "".join(pieces) == done.text == ODD


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_comes_through(named, text):
    model, name = named
    _, done = streamed(model, asking(name, text))
    assert done.text == text == model.complete(asking(name, text)).text


def test_an_answer_without_words_is_an_answer(named):
    model, name = named
    assert model.complete(asking(name, "")).text == ""
    pieces, done = streamed(model, asking(name, ""))
    assert (pieces, done.text, done.finish) == ([], "", "stop")


def test_what_is_cut_at_max_tokens_says_so(named):
    model, name = named
    text = "word " * 50
    whole = model.complete(asking(name, text, max_tokens=2))
    _, done = streamed(model, asking(name, text, max_tokens=2))
    assert whole.finish == done.finish == "length"
    assert whole.text == done.text
    assert text.startswith(done.text)
    assert 0 < len(done.text) <= 10


def times_asked(model: ChatModel, server: LocalChatServer) -> int:
    return len(model.asks) if isinstance(model, Scripted) else len(server.requests)


def test_a_stream_asks_nothing_before_its_first_piece_is_wanted(named, server):
    model, name = named
    before = times_asked(model, server)
    pieces = model.stream(asking(name, "abc d e"))
    assert times_asked(model, server) == before
    assert next(pieces) == "abc"
    assert times_asked(model, server) > before
    list(pieces)


def test_a_stream_that_is_left_early_harms_nothing(named):
    model, name = named
    pieces = model.stream(asking(name, "abc def ghi jkl"))
    assert next(pieces) == "abc"
    pieces.close()  # type: ignore[attr-defined]
    assert list(pieces) == []
    assert model.complete(asking(name, "again")).text == "again"


def test_what_is_cancelled_before_it_begins_is_not_asked(named, server):
    model, name = named
    cancel = threading.Event()
    cancel.set()
    before = times_asked(model, server)
    with pytest.raises(CancelledError):
        model.complete(asking(name, "a"), cancel=cancel)
    with pytest.raises(CancelledError):
        list(model.stream(asking(name, "a"), cancel=cancel))
    assert times_asked(model, server) == before


def test_a_model_that_is_not_there_is_not_found(named):
    model, name = named
    gone = asking(name.replace("demo", "none"), "a")
    if isinstance(model, Scripted):
        assert model.complete(gone).model == "none"  # it plays every model
        return
    if isinstance(model, Fallback):
        assert len(model.complete(gone).failed) == 1  # with another to ask it is answered
        return
    with pytest.raises(NotFoundError, match="none") as caught:
        model.complete(gone)
    assert caught.value.hint
    with pytest.raises(NotFoundError, match="none"):
        list(model.stream(gone))


def test_threads_get_each_its_own_answer(named):
    model, name = named
    texts = [f"text {n} " * (n + 1) for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        whole = list(pool.map(lambda text: model.complete(asking(name, text)).text, texts))
        parts = list(pool.map(lambda text: "".join(streamed(model, asking(name, text))[0]), texts))
    assert whole == parts == texts


def test_no_key_in_what_a_model_looks_like(named):
    model, name = named
    done = model.complete(asking(name, "a"))
    assert KEY not in repr(model) + repr(vars(model)) + repr(done)
