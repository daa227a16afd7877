"""An HTTP server on this machine, for the local servers that speak the protocols of model servers.

For tools that speak only these protocols, for demos without a model server, and for tests of the clients. It can also
misbehave as real servers do: hold an answer back, end it early, break off the connection.
"""

from __future__ import annotations

import json
import socketserver
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Protocol, Self

MIB = 1 << 20
JSON = "application/json; charset=utf-8"
IDLE_S = 60.0
_BUSY_S = 0.02


class Sent(Protocol):
    """An HTTP answer: ``status``, ``headers``, the body in ``parts``, of which None breaks off the connection.

    With ``stream`` each part is sent as it comes, chunk by chunk; otherwise all at once, with their length.
    """

    @property
    def status(self) -> int:
        """The status of HTTP."""

    @property
    def headers(self) -> Mapping[str, str]:
        """What stands above the body; the length comes by itself."""

    @property
    def parts(self) -> Iterator[bytes | None]:
        """The body, to be read once."""

    @property
    def stream(self) -> bool:
        """Whether each part is sent as it comes."""


class Loopback(ABC):
    """Serves what `answer` gives on a free loopback port from ``start`` (or ``with``) until ``close``.

    ``left`` is set when a client went away before the end of its answer. Only this machine can reach it.
    """

    max_body = 4 * MIB

    def __init__(self) -> None:
        self.left = threading.Event()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_BUSY_S,), daemon=True)

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

    @abstractmethod
    def answer(self, method: str, path: str, body: bytes, authorization: str) -> Sent | None:
        """The answer to one request, its path without a query; None breaks off. Called by many threads."""


class Plain:
    """A `Sent` of one JSON value."""

    stream = False

    def __init__(self, status: int, value: Any) -> None:
        self.status, self.headers = status, {"Content-Type": JSON}
        self.body = json.dumps(value).encode()

    @property
    def parts(self) -> Iterator[bytes | None]:
        """The body at once."""
        return iter([self.body])


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, local: Loopback) -> None:
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
    timeout = IDLE_S
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        length, most = self.headers.get("Content-Length", ""), self.server.local.max_body
        if not length.isdecimal() or int(length) > most:
            self.close_connection = True
            said = f"a body of at most {most // MIB} MiB with its length is expected"
            self._send(Plain(413, {"error": said}))
            return
        self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        path, authorization = self.path.partition("?")[0], self.headers.get("Authorization", "")
        try:
            sent = self.server.local.answer(self.command, path, body, authorization)
        except Exception as error:  # noqa: BLE001 - a fault of what answers is the client's to see, not the server's end
            sent = Plain(500, {"error": f"{type(error).__name__} in what answers"})
        if sent is None:
            self.close_connection = True
            return
        try:
            self._send(sent)
        except OSError:
            self.server.local.left.set()
            raise

    def _send(self, sent: Sent) -> None:
        if sent.stream:
            self._head(sent, "Transfer-Encoding", "chunked")
            self._chunks(sent.parts)
            return
        parts = list(sent.parts)
        body = b"".join(part for part in parts if part)
        if None in parts and not body:  # broken off before a word
            self.close_connection = True
            return
        self._head(sent, "Content-Length", str(len(body) + parts.count(None)))
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

    def _head(self, sent: Sent, name: str, value: str) -> None:
        self.send_response(sent.status)
        for header, content in sent.headers.items():
            self.send_header(header, content)
        self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()

    def log_message(self, *_: Any) -> None:
        """Say nothing: texts and addresses do not belong on the screen."""
