"""Recorded exchanges: kept whole or not at all, found by what was asked, and enough to work without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import workbench
from workbench.errors import ConfigError, InvalidError, NotFoundError, ProviderError
from workbench.llm import local_chat_server as faults
from workbench.llm.chat import Ask, Completion, Message
from workbench.llm.local_chat_server import LocalChatServer
from workbench.llm.ollama import OllamaChat, ollama_endpoint
from workbench.llm.recording import Recorder, Replay


@pytest.fixture
def server() -> Iterator[LocalChatServer]:
    counted = iter(range(1000))
    with LocalChatServer(lambda messages: f"{messages[-1]['content']} no {next(counted)}") as running:
        yield running


@pytest.fixture
def client(server: LocalChatServer) -> Iterator[OllamaChat]:
    made = OllamaChat(ollama_endpoint(server.url), "ollama")
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "kept.jsonl"


def asking(text: str = "answer", **options: bool) -> Ask:
    return Ask("demo", (Message("user", text),), **options)  # type: ignore[arg-type]


def test_what_was_recorded_is_answered_to_the_last_field_without_a_server(client, server, file):
    whole = Recorder(client, file).complete(asking())
    parts = list(Recorder(client, file).stream(asking("streamed")))
    server.close()
    assert Replay(file).complete(asking()) == whole
    assert list(Replay(file).stream(asking("streamed"))) == parts
    assert Replay(file).complete(asking("streamed")) == parts[-1]
    assert [str(piece) for piece in Replay(file).stream(asking())][:-1] == [whole.text]


def test_an_exchange_that_is_not_there_is_not_found_and_says_so(client, file):
    Recorder(client, file).complete(asking())
    for other in (asking("other"), asking(as_json=True), Ask("demo2", asking().messages)):
        with pytest.raises(NotFoundError, match="holds no answer of 'demo") as caught:
            Replay(file).complete(other)
        assert caught.value.details == {"digest": other.digest}
        assert str(file) in caught.value.message
        with pytest.raises(NotFoundError):
            list(Replay(file).stream(other))


def test_the_same_request_again_gets_the_next_answer_and_then_the_last(client, file):
    recorder = Recorder(client, file)
    texts = [recorder.complete(asking()).text for _ in range(3)]
    replay = Replay(file)
    assert [replay.complete(asking()).text for _ in range(5)] == [*texts, texts[2], texts[2]]


def test_a_failure_leaves_no_exchange(client, server, file):
    recorder = Recorder(client, file)
    server.faults += [faults.refuse(400), faults.end_early(2), faults.cut(2)]
    with pytest.raises(ProviderError):
        recorder.complete(asking())
    with pytest.raises(ProviderError):
        list(recorder.stream(asking()))
    with pytest.raises(ProviderError):
        list(recorder.stream(asking()))
    pieces = recorder.stream(asking())
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]
    assert not file.exists()


def test_a_line_is_the_request_its_digest_and_the_answer(client, file):
    done = Recorder(client, file).complete(asking())
    [line] = file.read_text().splitlines()
    kept = json.loads(line)
    assert kept["format"] == 1
    assert kept["digest"] == asking().digest
    assert kept["ask"] == asking().to_dict()
    assert kept["completion"]["text"] == done.text
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_line_that_a_crash_cut_off_spoils_none_but_itself(client, file):
    recorder = Recorder(client, file)
    first = recorder.complete(asking("first"))
    recorder.complete(asking("second"))
    file.write_bytes(file.read_bytes()[:-40])
    third = recorder.complete(asking("third"))
    replay = Replay(file)
    assert replay.complete(asking("first")) == first
    assert replay.complete(asking("third")) == third
    with pytest.raises(NotFoundError):
        replay.complete(asking("second"))


@pytest.mark.parametrize("line", ['{"format": 2}', "{}", "[]", "7", '{"format": 1, "digest": 7}'])
def test_another_format_is_refused_and_the_line_named(file, line):
    file.parent.mkdir()
    file.write_text(f"\n{line}\n")
    with pytest.raises(InvalidError, match="Line 2"):
        Replay(file)


def test_a_file_that_is_not_there_is_not_found(file):
    with pytest.raises(NotFoundError, match="There is no recording"):
        Replay(file)
    with pytest.raises(InvalidError, match="cannot be read"):
        Replay(file.parent.parent)


def test_threads_record_whole_lines(client, file):
    recorder = Recorder(client, file)
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: recorder.complete(asking(f"text {n} " * 200)), range(40)))
    replay = Replay(file)
    assert [replay.complete(asking(f"text {n} " * 200)) for n in range(40)] == done


def test_settings_record_and_then_replay_a_session(server, tmp_path: Path):
    kept = {"chat_record": str(tmp_path / "kept.jsonl")}
    asked = {"ollama_url": server.url, "chat_model": "ollama/demo", "folder": tmp_path}
    with workbench.connect(tmp_path / "lake", **asked, **kept) as wb:
        done = wb.llm.chat("answer")
    server.close()
    with workbench.connect(tmp_path / "lake", **asked, chat_replay=kept["chat_record"]) as wb:
        again = wb.llm.chat("answer")
        assert isinstance(again, Completion)
        assert again == done
        with pytest.raises(NotFoundError, match="holds no answer"):
            wb.llm.chat("something else")
    with (
        workbench.connect(tmp_path / "lake", **asked, **kept, chat_replay="x") as wb,
        pytest.raises(ConfigError, match="exclude"),
    ):
        wb.llm.chat("answer")
