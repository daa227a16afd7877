"""Streams of the HTTP client: lines, what is repeated, and what ends an exchange from outside."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import CancelledError, ProviderError, ProviderTimeoutError
from workbench.llm import local_chat_server as faults
from workbench.llm.local_chat_server import LocalChatServer, Served
from workbench.outbound import Endpoint, Outbound, Patience, Secret
from workbench.outbound.lifeline import Lifeline
from workbench.outbound.lines import split_lines

BODY = {"model": "demo", "messages": [{"role": "user", "content": "one two three"}]}
DEADLINE_S = 30


@pytest.fixture
def server() -> Iterator[LocalChatServer]:
    with LocalChatServer(lambda messages: messages[-1]["content"]) as running:
        yield running


@pytest.fixture
def client(server: LocalChatServer) -> Iterator[Outbound]:
    made = Outbound(Endpoint("Demo", server.url), wait=lambda _: None)
    yield made
    made.close()


@given(st.lists(st.binary(max_size=12)))
def test_lines_are_the_same_however_the_bytes_arrive(parts):
    whole = b"".join(parts)
    expected = [line.strip() for line in whole.split(b"\n") if line.strip()]
    assert list(split_lines(parts)) == expected
    assert list(split_lines([bytes([byte]) for byte in whole])) == expected


def test_only_a_line_feed_ends_a_line():
    text = "a\u2028b\x85c\x0bd\x0ce".encode()
    assert list(split_lines([text + b"\r\n\r\nend"])) == [text, b"end"]


def test_a_stream_is_read_to_its_end_and_the_connection_is_used_again(client, server):
    for _ in range(3):
        with client.stream("/api/chat", BODY) as lines:
            assert len(list(lines)) == 4
    assert len(server.requests) == 3


def test_a_stream_over_the_bound_is_not_read_to_its_end(server):
    client = Outbound(Endpoint("Demo", server.url), max_bytes=200)
    with pytest.raises(ProviderError, match="more than 200 bytes"), client.stream("/api/chat", BODY) as lines:
        list(lines)
    client.close()


def test_what_breaks_before_the_first_line_is_repeated_and_nothing_after_it(client, server):
    server.faults += [faults.cut(), faults.refuse(503)]
    with client.stream("/api/chat", BODY) as lines:
        assert len(list(lines)) == 4
    assert len(server.requests) == 3
    server.faults += [faults.cut(1)]
    with pytest.raises(ProviderError, match="broke off"), client.stream("/api/chat", BODY) as lines:
        list(lines)
    assert len(server.requests) == 4


def test_an_answer_that_just_ends_when_its_socket_is_shut_is_a_cancel_and_no_end(client, server):
    """Without a length the shut socket looks like the end of the answer."""
    reached, freed, cancel = threading.Event(), threading.Event(), threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}\n")
                reached.set()
                freed.wait(DEADLINE_S)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        near = Outbound(Endpoint("Demo", f"http://127.0.0.1:{listener.getsockname()[1]}"), keep_alive=False)
        with near.stream("/", {}, cancel=cancel) as lines:
            assert next(iter(lines)) == b"{}"
            cancel.set()
            with pytest.raises(CancelledError):
                list(lines)
        freed.set()
        thread.join(DEADLINE_S)
        near.close()


def test_a_cancel_reaches_a_request_that_has_no_answer_yet(server):
    reached, freed, cancel = threading.Event(), threading.Event(), threading.Event()

    def hold(served: Served) -> Served:
        reached.set()
        freed.wait(DEADLINE_S)
        return served

    server.faults += [hold]
    near = Outbound(Endpoint("Demo", server.url), keep_alive=False)
    caught: list[type[BaseException]] = []

    def run() -> None:
        try:
            near.post("/api/chat", BODY, dict, cancel=cancel)
        except CancelledError as error:
            caught.append(type(error))

    thread = threading.Thread(target=run)
    thread.start()
    assert reached.wait(DEADLINE_S)
    cancel.set()
    thread.join(DEADLINE_S)
    assert caught == [CancelledError]
    freed.set()
    near.close()


@pytest.mark.parametrize("verb", ["post", "stream"])
def test_what_is_cancelled_before_it_begins_reads_no_key_and_asks_nobody(server, verb):
    cancel = threading.Event()
    cancel.set()
    near = Outbound(Endpoint("Demo", server.url, secret=Secret("DEMO_KEY", environ={})))  # no key: reading it raises
    with pytest.raises(CancelledError):
        getattr(near, verb)(*["/api/chat", BODY, dict][: 3 if verb == "post" else 2], cancel=cancel)
    assert server.requests == []
    near.close()


def test_a_connection_that_goes_back_to_the_others_is_left_alone(client, server):
    """A limit that passes after the answer is complete does not shut the connection that others use now."""
    cancel = threading.Event()
    with client.stream("/api/chat", BODY, cancel=cancel) as lines:
        assert len(list(lines)) == 4
    cancel.set()
    with client.stream("/api/chat", BODY) as lines:
        assert len(list(lines)) == 4


@dataclass
class Held:
    """The part of a connection that a lifeline needs."""

    socket: socket.socket

    def get_extra_info(self, _: str) -> socket.socket:
        return self.socket


def test_a_lifeline_shuts_a_connection_that_comes_after_the_limit_and_none_after_its_release():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        cancel = threading.Event()
        cancel.set()
        late = Lifeline(total_s=60, cancel=cancel)
        late.start()
        theirs.settimeout(DEADLINE_S)
        late.hold(Held(ours))
        assert theirs.recv(1) == b""  # shut, whichever came first
        assert late.cut == "cancelled"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = Lifeline(total_s=0.0)
        done.hold(Held(ours))
        done.release()
        done.start()
        ours.sendall(b"x")
        assert theirs.recv(1) == b"x"
        assert done.cut == ""


def test_a_stream_that_never_begins_is_late_by_its_own_limit(server):
    freed = threading.Event()
    server.faults += [faults.slow(freed)]
    near = Outbound(Endpoint("Demo", server.url), patience=Patience(timeout_s=60, first_s=0.2), keep_alive=False)
    with pytest.raises(ProviderTimeoutError, match=r"did not begin its answer within 0\.2 s"):
        near.stream("/api/chat", BODY)
    freed.set()
    near.close()
