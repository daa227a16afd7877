"""A chat server on this machine: Ollama's and OpenAI's protocols in front of any function from messages to text.

For tools that speak only these protocols, for demos without a model server, and for tests of the clients: it answers
whole and in a stream as the real servers do, refusals included, and can be told to misbehave in its next answers.

Wording and status of the refusals: Ollama, server/routes.go; OpenAI's error codes guide.
"""

from __future__ import annotations

import hmac
import json
import socketserver
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from types import TracebackType
from typing import Any, Literal, Self

from workbench.llm.local_answers import Said, error_body, ollama_parts, openai_parts, tags

_MAX_BODY = 4 << 20
_IDLE_S = 60.0
_BUSY = 0.02
_JSON = "application/json; charset=utf-8"

Wire = Literal["ollama", "openai"]
Reply = Callable[[list[dict[str, str]]], str]
"""From the messages of a conversation to the text of the answer."""


@dataclass(frozen=True, slots=True)
class Served:
    """An HTTP answer: its status, its body in parts (a stream sends each as it comes), and its headers.

    A part that is None breaks off the connection. ``stream``: sent chunk by chunk, without a length.
    """

    wire: Wire
    parts: Iterator[bytes | None]
    status: int = 200
    stream: bool = False
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": _JSON})


Fault = Callable[[Served], Served]
"""What to send in place of the right answer."""


def refuse(status: int, message: str = "try again", *, retry_after: str = "") -> Fault:
    """Answer ``status`` with an error in the form of the protocol, with a ``Retry-After`` header when given."""
    headers = {"Content-Type": _JSON} | ({"Retry-After": retry_after} if retry_after else {})
    return lambda served: Served(served.wire, iter([error_body(served.wire, message)]), status, headers=headers)


def slow(until: threading.Event, after: int = 0, limit_s: float = _IDLE_S) -> Fault:
    """Hold everything after the first ``after`` parts back until ``until`` is set, at most ``limit_s`` seconds."""

    def held(parts: Iterator[bytes | None]) -> Iterator[bytes | None]:
        yield from islice(parts, after)
        until.wait(limit_s)
        yield from parts

    return lambda served: replace(served, parts=held(served.parts))


def cut(after: int = 0) -> Fault:
    """Break off the connection after the first ``after`` parts."""

    def broken(parts: Iterator[bytes | None]) -> Iterator[bytes | None]:
        yield from islice(parts, after)
        yield None

    return lambda served: replace(served, parts=broken(served.parts))


def end_early(after: int) -> Fault:
    """Send the first ``after`` parts and then end the answer properly, as if that were all."""
    return lambda served: replace(served, parts=islice(served.parts, after))


def malformed(after: int = 0) -> Fault:
    """Send half a JSON value in place of part ``after``."""
    return instead(after, lambda served: (b"data: " if served.stream and served.wire == "openai" else b"") + b'{"mes\n')


def fail(message: str, after: int = 0) -> Fault:
    """Tell of a failure inside an answer of status 200, in place of part ``after``."""

    def told(served: Served) -> bytes:
        body = error_body(served.wire, message)
        return b"data: " + body + b"\n\n" if served.stream and served.wire == "openai" else body + b"\n"

    return instead(after, told)


def instead(after: int, part: Callable[[Served], bytes]) -> Fault:
    """Send ``part(served)`` in place of part ``after`` and of all that follow it."""

    def changed(served: Served) -> Iterator[bytes | None]:
        yield from islice(served.parts, after)
        yield part(served)

    return lambda served: replace(served, parts=changed(served))


def empty_choices(served: Served) -> Served:
    """Answer with no choice at all (OpenAI), without a message (Ollama)."""
    body = json.dumps({"choices": []} if served.wire == "openai" else {}).encode()
    if not served.stream:
        return replace(served, parts=iter([body]))
    events = [b"data: " + body + b"\n\n", b"data: [DONE]\n\n"] if served.wire == "openai" else [body + b"\n"]
    return replace(served, parts=iter(events))


def web_page(served: Served) -> Served:
    """Answer with a web page, as a proxy or another program on the port does."""
    body = b"<!DOCTYPE html><html><body>Welcome</body></html>"
    return Served(served.wire, iter([body]), headers={"Content-Type": "text/html"})


class LocalChatServer:
    """Serves ``reply`` on a free loopback port from ``start`` (or ``with``) until ``close``.

    ``models``: the names it knows; ``key``: what it wants as ``Authorization: Bearer <key>`` (none: nothing). Each
    chat uses up one of ``faults``; ``requests`` lists the bodies that were understood, and ``keys`` what came with each
    as authorization. ``left`` is set when a client went away before the end of its answer. An answer is one
    token a word; ``max_tokens`` cuts it. Only this machine can reach it.
    """

    def __init__(self, reply: Reply, *, models: Sequence[str] = ("demo",), key: str = "") -> None:
        self.reply, self.models, self.key = reply, tuple(models), key
        self.faults: deque[Fault] = deque()
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.left = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_BUSY,), daemon=True)

    @property
    def url(self) -> str:
        """Base address for Ollama's protocol."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def openai_url(self) -> str:
        """Base address for OpenAI's protocol."""
        return f"{self.url}/v1"

    def start(self) -> Self:
        """Begin to answer."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop answering and break off open connections; a second call does nothing."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.break_off()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def answer(self, method: str, path: str, body: bytes, authorization: str) -> Served:
        """The answer to one request, faults applied."""
        if (method, path) == ("GET", "/api/tags"):
            return Served("ollama", iter([tags(self.models)]))
        wires: dict[tuple[str, str], Wire] = {
            ("POST", "/api/chat"): "ollama",
            ("POST", "/v1/chat/completions"): "openai",
        }
        wire = wires.get((method, path))
        if wire is None:
            return Served("ollama", iter([b"404 page not found"]), 404, headers={"Content-Type": "text/plain"})
        served = self._chat(wire, body, authorization)
        return self.faults.popleft()(served) if self.faults else served

    def _chat(self, wire: Wire, body: bytes, authorization: str) -> Served:
        if self.key and not hmac.compare_digest(authorization.encode(), f"Bearer {self.key}".encode()):
            given = authorization.removeprefix("Bearer ")
            return self._refusal(wire, 401, f"Incorrect API key provided: {given}.")
        try:
            asked = json.loads(body)
            model, messages = str(asked["model"]), list(asked["messages"])
        except (ValueError, KeyError, TypeError):
            return self._refusal(wire, 400, "missing request body")
        if model.removesuffix(":latest") not in self.models:
            return self._refusal(wire, 404, f"model '{model}' not found")
        self.requests.append(asked)
        self.keys.append(authorization)
        stream = bool(asked.get("stream", wire == "ollama"))
        cap = asked.get("options", {}).get("num_predict") if wire == "ollama" else asked.get("max_tokens")
        said = Said.of(self.reply(messages), model, messages, cap)
        parts = (ollama_parts if wire == "ollama" else openai_parts)(said, stream=stream)
        kind = "text/event-stream" if wire == "openai" else "application/x-ndjson"
        return Served(wire, parts, stream=stream, headers={"Content-Type": kind if stream else _JSON})

    def _refusal(self, wire: Wire, status: int, message: str) -> Served:
        return refuse(status, message)(Served(wire, iter(())))


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, local: LocalChatServer) -> None:
        self.local = local
        self._open: set[Any] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        # HTTPServer asks the name service for this machine's name, which can take seconds and is not needed.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""

    def break_off(self) -> None:
        for request in tuple(self._open):
            super().shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_S
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > _MAX_BODY:
            self.close_connection = True
            self._send(refuse(413, "a body of at most 4 MiB with its length is expected")(Served("ollama", iter(()))))
            return
        self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        served = self.server.local.answer(self.command, self.path, body, self.headers.get("Authorization", ""))
        try:
            self._send(served)
        except OSError:
            self.server.local.left.set()
            raise

    def _send(self, served: Served) -> None:
        if served.stream:
            self._head(served, "Transfer-Encoding", "chunked")
            self._chunks(served.parts)
            return
        parts = list(served.parts)
        body = b"".join(part for part in parts if part)
        if None in parts and not body:  # broken off before a word
            self.close_connection = True
            return
        self._head(served, "Content-Length", str(len(body) + parts.count(None)))
        self.wfile.write(body)
        self.wfile.flush()
        self.close_connection = self.close_connection or None in parts

    def _chunks(self, parts: Iterator[bytes | None]) -> None:
        for part in parts:
            if part is None:
                self.close_connection = True
                return
            self.wfile.write(b"%X\r\n%s\r\n" % (len(part), part))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def _head(self, served: Served, name: str, value: str) -> None:
        self.send_response(served.status)
        for header, content in served.headers.items():
            self.send_header(header, content)
        self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """Say nothing: texts and addresses do not belong on the screen."""
