"""A chat server on this machine: Ollama's and OpenAI's protocols in front of any function from messages to text.

For tools that speak only these protocols, for demos without a model server, and for tests of the clients: it answers
whole and in a stream as the real servers do, refusals included, and can be told to misbehave in its next answers.

Wording and status of the refusals: Ollama, server/routes.go; OpenAI's error codes guide.
"""

from __future__ import annotations

import hmac
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal

from workbench.llm.local_answers import Said, error_body, listed, ollama_parts, openai_parts, shown, tags, too_long
from workbench.outbound.loopback import IDLE_S, JSON, Loopback

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
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": JSON})


Fault = Callable[[Served], Served]
"""What to send in place of the right answer."""


def refuse(status: int, message: str = "try again", *, retry_after: str = "") -> Fault:
    """Answer ``status`` with an error in the form of the protocol, with a ``Retry-After`` header when given."""
    headers = {"Content-Type": JSON} | ({"Retry-After": retry_after} if retry_after else {})
    return lambda served: Served(served.wire, iter([error_body(served.wire, message)]), status, headers=headers)


def slow(until: threading.Event, after: int = 0, limit_s: float = IDLE_S) -> Fault:
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


class LocalChatServer(Loopback):
    """Serves ``reply`` on a free loopback port from ``start`` (or ``with``) until ``close``.

    ``models``: the names it knows; ``key``: what it wants as ``Authorization: Bearer <key>`` (none: nothing);
    ``window_words``: how much it can read, none is all, and longer requests are refused; ``cuts`` makes it cut them in
    silence instead, as Ollama before 0.12.6 does; ``elsewhere``: model → the host to which it passes requests on. Each
    chat uses up one of ``faults``; ``requests`` lists the bodies that were understood, and ``keys`` what came with each
    as authorization. An answer is one token a word; ``max_tokens`` cuts it.
    """

    def __init__(
        self,
        reply: Reply,
        *,
        models: Sequence[str] = ("demo",),
        key: str = "",
        window_words: int = 0,
        cuts: bool = False,
        elsewhere: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self.reply, self.models, self.key = reply, tuple(models), key
        self.window_words, self.cuts, self.elsewhere = window_words, cuts, elsewhere or {}
        self.faults: deque[Fault] = deque()
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []

    def answer(self, method: str, path: str, body: bytes, authorization: str) -> Served:
        """The answer to one request, faults applied."""
        answers: dict[tuple[str, str], Callable[[], Served]] = {
            ("GET", "/api/tags"): lambda: Served("ollama", iter([tags(self.models)])),
            ("GET", "/v1/models"): lambda: self._listed(authorization),
            ("POST", "/api/show"): lambda: self._show(body),
            ("POST", "/api/chat"): lambda: self._faulty(self._chat("ollama", body, authorization)),
            ("POST", "/v1/chat/completions"): lambda: self._faulty(self._chat("openai", body, authorization)),
        }
        found = answers.get((method, path))
        if found is None:
            return Served("ollama", iter([b"404 page not found"]), 404, headers={"Content-Type": "text/plain"})
        return found()

    def _faulty(self, served: Served) -> Served:
        return self.faults.popleft()(served) if self.faults else served

    def _listed(self, authorization: str) -> Served:
        refused = self._unkeyed("openai", authorization)
        return refused or Served("openai", iter([listed(self.models)]))

    def _show(self, body: bytes) -> Served:
        name = str(json.loads(body).get("model")).removesuffix(":latest")
        if name not in self.models:
            return self._refusal("ollama", 404, f"model '{name}' not found")
        return Served("ollama", iter([shown(self.elsewhere.get(name, ""))]))

    def _unkeyed(self, wire: Wire, authorization: str) -> Served | None:
        if not self.key or hmac.compare_digest(authorization.encode(), f"Bearer {self.key}".encode()):
            return None
        given = authorization.removeprefix("Bearer ")
        return self._refusal(wire, 401, f"Incorrect API key provided: {given}.")

    def _chat(self, wire: Wire, body: bytes, authorization: str) -> Served:
        if refused := self._unkeyed(wire, authorization):
            return refused
        try:
            asked = json.loads(body)
            model, messages = str(asked["model"]), list(asked["messages"])
        except (ValueError, KeyError, TypeError):
            return self._refusal(wire, 400, "missing request body")
        if model.removesuffix(":latest") not in self.models:
            return self._refusal(wire, 404, f"model '{model}' not found")
        self.requests.append(asked)
        self.keys.append(authorization)
        words = sum(len(message["content"].split()) for message in messages)
        if self.window_words and words > self.window_words:
            if not self.cuts:
                return self._refusal(wire, 400, too_long(wire, self.window_words, words))
            messages = _end_of(messages, self.window_words)
        stream = bool(asked.get("stream", wire == "ollama"))
        cap = asked.get("options", {}).get("num_predict") if wire == "ollama" else asked.get("max_tokens")
        said = Said.of(self.reply(messages), model, messages, cap)
        parts = (ollama_parts if wire == "ollama" else openai_parts)(said, stream=stream)
        kind = "text/event-stream" if wire == "openai" else "application/x-ndjson"
        return Served(wire, parts, stream=stream, headers={"Content-Type": kind if stream else JSON})

    def _refusal(self, wire: Wire, status: int, message: str) -> Served:
        return refuse(status, message)(Served(wire, iter(())))


def _end_of(messages: list[dict[str, str]], words: int) -> list[dict[str, str]]:
    """The last ``words`` words of the last message: what is left when the beginning is cut off."""
    last = messages[-1]
    return [{**last, "content": " ".join(last["content"].split()[-words:])}]
