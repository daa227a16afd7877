"""An embedding server on this machine: Ollama's and OpenAI's protocols in front of any embedder.

For tools that speak only these protocols, for demos without a model server, and for tests of the clients: it answers as
the real servers do, refusals included, and can be told to misbehave in its next answers.

Wording and status of the refusals: Ollama, server/routes.go and github.com/ollama/ollama issues 14186 and 11401; OpenAI
as quoted in github.com/pingcap/autoflow issue 265.
"""

from __future__ import annotations

import hmac
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from workbench.errors import WorkbenchError
from workbench.outbound.loopback import JSON, MIB, Loopback
from workbench.search.embedding.embed import Embedder


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer: status, body and headers."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": JSON})
    stream: ClassVar[bool] = False

    @property
    def parts(self) -> Iterator[bytes | None]:
        """The body at once."""
        return iter([self.body])


Fault = Callable[[Reply], Reply | None]
"""What to send in place of the right answer; None breaks off the connection."""


def refuse(status: int, message: str = "try again", *, retry_after: str = "") -> Fault:
    """Answer ``status`` with an error in Ollama's form, with a ``Retry-After`` header when given."""
    reply = _json({"error": message}, status)
    if retry_after:
        reply = replace(reply, headers={**reply.headers, "Retry-After": retry_after})
    return lambda _: reply


def web_page(status: int = 200) -> Fault:
    """Answer with a web page, as a proxy or another program on the port does."""
    body = b"<!DOCTYPE html><html><body>Welcome</body></html>"
    return lambda _: Reply(status, body, {"Content-Type": "text/html"})


def redirect(location: str) -> Fault:
    """Answer that the resource is elsewhere."""
    return lambda _: Reply(307, b"", {"Location": location})


def hang(until: threading.Event, limit_s: float = 60.0) -> Fault:
    """Hold the answer back until ``until`` is set, at most ``limit_s`` seconds."""

    def wait(reply: Reply) -> Reply | None:
        return reply if until.wait(limit_s) else None

    return wait


def drop(_: Reply) -> None:
    """Break off the connection without an answer."""


def alter(change: Callable[[list[Any]], list[Any]]) -> Fault:
    """Send ``change(vectors)`` in place of the vectors (Ollama's form), for example a shorter or longer list."""

    def altered(reply: Reply) -> Reply:
        answer = json.loads(reply.body)
        return _json({**answer, "embeddings": change(answer["embeddings"])})

    return altered


class LocalServer(Loopback):
    """Serves ``embedder`` on a free loopback port from ``start`` (or ``with``) until ``close``.

    ``model`` is the name it goes by (default: the embedder's); ``window_words`` makes it refuse (or, as Ollama does
    unless told not to, cut) longer texts; ``key`` is what OpenAI's route wants as ``Authorization: Bearer <key>``. Each
    request for embeddings uses up one of ``faults``; ``requests`` lists the texts of each one that was understood.
    """

    max_body = 64 * MIB

    def __init__(self, embedder: Embedder, *, model: str = "", window_words: int = 0, key: str = "") -> None:
        super().__init__()
        self.embedder, self.model = embedder, model or embedder.name
        self.window_words, self.key = window_words, key
        self.faults: deque[Fault] = deque()
        self.requests: list[list[str]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._counting = threading.Lock()

    def answer(self, method: str, path: str, body: bytes, authorization: str) -> Reply | None:
        """The answer to one request, faults applied; None: break off."""
        routes: dict[tuple[str, str], Callable[[], Reply]] = {
            ("GET", "/"): lambda: Reply(200, b"Ollama is running", {"Content-Type": "text/plain; charset=utf-8"}),
            ("GET", "/api/tags"): self._tags,
            ("GET", "/v1/models"): self._models,
            ("POST", "/api/embed"): lambda: self._ollama(body),
            ("POST", "/v1/embeddings"): lambda: self._openai(authorization, body),
        }
        route = routes.get((method, path))
        if route is None:
            return Reply(404, b"404 page not found", {"Content-Type": "text/plain"})
        if method == "GET":
            return route()
        with self._counting:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            fault = self.faults.popleft() if self.faults else None
        try:
            return fault(route()) if fault else route()
        finally:
            with self._counting:
                self._at_once -= 1

    def _tags(self) -> Reply:
        name = self.model if ":" in self.model else f"{self.model}:latest"
        return _json({"models": [{"name": name, "model": name, "digest": self.embedder.digest}]})

    def _models(self) -> Reply:
        return _json({"object": "list", "data": [{"id": self.model, "object": "model", "owned_by": "local"}]})

    def _ollama(self, body: bytes) -> Reply:
        asked = _object(body)
        if asked is None:
            return _json({"error": "missing request body"}, 400)
        if str(asked.get("model")).removesuffix(":latest") != self.model.removesuffix(":latest"):
            return _json({"error": f"model '{asked.get('model')}' not found"}, 404)
        texts = _texts(asked.get("input"))
        if texts is None:
            return _json({"error": "invalid input type"}, 400)
        if self._longest(texts) > (self.window_words or float("inf")):
            if asked.get("truncate", True) is False:
                return _json({"error": "the input length exceeds the context length"}, 400)
            texts = [" ".join(text.split()[: self.window_words]) for text in texts]
        try:
            vectors = self._embed(texts) if texts else []
        except WorkbenchError as error:
            return _json({"error": error.message}, error.http_status)
        return _json({"model": asked["model"], "embeddings": vectors, "total_duration": 1, "load_duration": 1})

    def _openai(self, authorization: str, body: bytes) -> Reply:
        if self.key and not hmac.compare_digest(authorization.encode(), f"Bearer {self.key}".encode()):
            given = authorization.removeprefix("Bearer ")
            return _refusal(f"Incorrect API key provided: {given}.", "invalid_api_key", 401)
        asked = _object(body)
        texts = _texts(asked.get("input")) if asked else None
        if asked is None or not texts:
            return _refusal("'input' must be a string or a list of strings.", None, 400)
        if asked.get("model") != self.model:
            return _refusal(f"The model `{asked.get('model')}` does not exist.", "model_not_found", 404)
        longest = self._longest(texts)
        if longest > (self.window_words or float("inf")):
            message = (
                f"This model's maximum context length is {self.window_words} tokens, however you requested {longest} "
                f"tokens ({longest} in your prompt; 0 for the completion). Please reduce your prompt."
            )
            return _refusal(message, None, 400)
        try:
            vectors = self._embed(texts)
        except WorkbenchError as error:
            return _refusal(error.message, error.code, error.http_status)
        data = [{"object": "embedding", "index": place, "embedding": vector} for place, vector in enumerate(vectors)]
        return _json({"object": "list", "data": data, "model": self.model, "usage": {"prompt_tokens": 0}})

    def _longest(self, texts: list[str]) -> int:
        return max((len(text.split()) for text in texts), default=0)

    def _embed(self, texts: list[str]) -> list[list[float]]:
        with self._counting:
            self.requests.append(texts)
        vectors: list[list[float]] = self.embedder.embed(texts, side="document").tolist()
        return vectors


def _json(answer: Any, status: int = 200) -> Reply:
    return Reply(status, json.dumps(answer).encode())


def _refusal(message: str, code: str | None, status: int) -> Reply:
    return _json({"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}, status)


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        asked = json.loads(body)
    except ValueError:
        return None
    return asked if isinstance(asked, dict) else None


def _texts(given: Any) -> list[str] | None:
    texts = [given] if isinstance(given, str) else given
    return texts if isinstance(texts, list) and all(isinstance(text, str) for text in texts) else None
