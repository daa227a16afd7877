"""A model behind a server: what the two wire forms have in common."""

from __future__ import annotations

import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from workbench.errors import ProviderError, RateLimitedError
from workbench.llm.chat import Ask, Completion, Finish, Usage
from workbench.outbound import Endpoint, Lines, Outbound, Patience

TIMEOUT_S = 300.0
LOCAL = Patience(timeout_s=TIMEOUT_S, first_s=120.0, tries=3)
"""A model on this machine may first have to be loaded."""
REMOTE = Patience(timeout_s=TIMEOUT_S, first_s=30.0, tries=3)
LOOK = Patience(timeout_s=5.0, connect_s=2.0, tries=1)
"""For a question that a server answers at once, or is not asked again."""

# What Ollama, llama.cpp, OpenAI, OpenRouter and others say of a conversation that is longer than the model's context.
_TOO_LONG = re.compile(
    r"context[ _](?:length|size|window|limit)|(?:prompt|input) (?:length )?(?:is )?(?:too long|exceeds)"
    r"|maximum (?:prompt|model) length|token limit",
    re.IGNORECASE,
)
_SURE = 0.8
"""A word is a token or more in all common tokenizers; a count this far below the words tells of a cut."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one line of a stream, or a whole answer, brings: text, and at the end why it ended and what it took.

    ``thinking``: the model is at work, though it says nothing yet.
    """

    text: str = ""
    finish: Finish | None = None
    usage: Usage | None = None
    last: bool = False
    thinking: bool = False


class ServerChat(ABC):
    """A provider: one server, any of its models (``Ask.model`` without prefix). Safe for threads.

    ``name`` goes into every `Completion`; ``timeout_s`` is for a whole answer; ``patience`` sets every limit.
    Subclasses put an Ask into the server's words and read its answers.
    """

    path: str
    more_context = "Ask for less, or a model with a longer context."

    def __init__(
        self,
        endpoint: Endpoint,
        name: str,
        *,
        timeout_s: float = TIMEOUT_S,
        patience: Patience | None = None,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._clock = name, clock
        patience = patience or replace(LOCAL if endpoint.is_loopback else REMOTE, timeout_s=timeout_s)
        self.server = Outbound(endpoint, patience=patience, wait=wait, keep_alive=False)

    def close(self) -> None:
        """Close the connections."""
        self.server.close()

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        """The whole answer at once; see `ChatModel`."""
        began = self._clock()
        with self._explained(ask):
            piece = self._whole(ask, cancel)
        return self._completion(ask, piece.text, piece, began)

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        """The answer as it comes; see `ChatModel`."""
        began = self._clock()
        texts: list[str] = []
        end = Piece()
        body = self._body(ask, stream=True)
        with (
            self._explained(ask),
            self.server.stream(self.path, body, final=self._is_final, cancel=cancel) as lines,
        ):
            for piece in self._pieces(lines):
                end = _joined(end, piece)
                if piece.text or piece.thinking:
                    lines.begun()
                if piece.text:
                    texts.append(piece.text)
                    yield piece.text
                if piece.last:
                    break
            self._check_end(end, sum(map(len, texts)))
        yield self._completion(ask, "".join(texts), end, began)

    @abstractmethod
    def models(self, *, patience: Patience = LOOK) -> list[str]:
        """Names of the models that are there. Raises as `ChatModel` does."""

    @contextmanager
    def _explained(self, ask: Ask) -> Iterator[None]:
        """A 404 and a conversation that is too long, in words that say what to do."""
        try:
            yield
        except LookupError as error:
            raise self._missing(ask, error) from error
        except ProviderError as error:
            said = str(error.details.get("said", ""))
            if isinstance(error, RateLimitedError) or not _TOO_LONG.search(said):
                raise
            place = f"{self.server.endpoint.name} at {self.server.endpoint.url}"
            message = f"What is asked does not fit into the context of {ask.model!r}; {place}: {said}."
            raise ProviderError(message, hint=self.more_context, details=error.details) from error

    def _check_read(self, ask: Ask, usage: Usage) -> None:
        """Raise when the server read less than it was sent: Ollama before 0.12.6, and some models after, cut the
        beginning off, and nothing but this count tells.
        """
        words = sum(len(message.content.split()) for message in ask.messages)
        if usage.prompt_tokens is not None and usage.prompt_tokens < words * _SURE:
            raise ProviderError(
                f"{self.server.endpoint.name} at {self.server.endpoint.url} cut the conversation: it read "
                f"{usage.prompt_tokens:,} tokens of {words:,} words, for {ask.model!r} has no room for more.",
                hint=self.more_context,
                details={"status": 200, "said": "cut", "words": words, "prompt_tokens": usage.prompt_tokens},
            )

    def _check_end(self, end: Piece, chars: int) -> None:
        if end.finish is None and not (end.last and chars):
            raise ProviderError(
                f"{self.server.endpoint.name} at {self.server.endpoint.url} broke off in the middle of its answer."
                if chars
                else f"{self.server.endpoint.name} at {self.server.endpoint.url} sent no answer.",
                hint="Ask again.",
                details={"status": 200, "said": "no end", "received_chars": chars},
            )

    def _completion(self, ask: Ask, text: str, end: Piece, began: float) -> Completion:
        self._check_read(ask, end.usage or Usage())
        took = self._clock() - began
        return Completion(text, ask.model, self.name, end.usage or Usage(), end.finish or "other", took)

    def _is_final(self, status: int, said: str) -> bool:  # noqa: ARG002 - a server may know refusals that stay
        return False

    @abstractmethod
    def _body(self, ask: Ask, *, stream: bool) -> dict[str, Any]:
        """The request in the server's words."""

    @abstractmethod
    def _whole(self, ask: Ask, cancel: threading.Event | None) -> Piece:
        """Ask for the whole answer."""

    @abstractmethod
    def _pieces(self, lines: Lines) -> Iterator[Piece]:
        """Read a stream."""

    @abstractmethod
    def _missing(self, ask: Ask, error: LookupError) -> Exception:
        """What a 404 means."""


def _joined(end: Piece, piece: Piece) -> Piece:
    """What is known of the end so far: reason and usage may come in different lines."""
    return Piece(finish=piece.finish or end.finish, usage=piece.usage or end.usage, last=piece.last)
