"""Chat: what is asked of a model, what it answers, and the protocol that every model keeps."""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol, get_args

from workbench.errors import CancelledError, InvalidError

Role = Literal["system", "user", "assistant"]
Finish = Literal["stop", "length", "error", "other"]
MAX_TEMPERATURE = 2.0


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. Raises InvalidError for a role that is none."""

    role: Role
    content: str

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            raise InvalidError(f"There is no role {self.role!r}.", hint=f"One of: {', '.join(get_args(Role))}.")
        if not isinstance(self.content, str):
            raise InvalidError(f"The content of a message is a text, not {type(self.content).__name__}.")
        if not self.content.isascii() and any("\ud800" <= letter <= "\udfff" for letter in self.content):
            raise InvalidError("A message holds half a character (a lone surrogate).", hint="Read it as UTF-8.")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: the conversation so far, and how to answer it.

    ``model`` as the router knows it (``kimi/k2``), ``max_tokens`` bounds the answer, ``as_json`` asks for one JSON
    value. Raises InvalidError for what no provider could answer.
    """

    model: str
    messages: tuple[Message, ...]
    temperature: float = 0.2
    max_tokens: int = 4096
    as_json: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "messages", tuple(self.messages))
        if not self.model.strip():
            raise InvalidError("The request names no model.", hint="For example ollama/qwen3.")
        if not self.messages:
            raise InvalidError("The request holds no message.", hint="Give at least one message of the user.")
        if not (math.isfinite(self.temperature) and 0 <= self.temperature <= MAX_TEMPERATURE):
            raise InvalidError(f"A temperature is 0 to {MAX_TEMPERATURE:g}, not {self.temperature!r}.")
        if self.max_tokens < 1:
            raise InvalidError(f"max_tokens is at least 1, not {self.max_tokens!r}.")

    @property
    def digest(self) -> str:
        """SHA-256 of everything that is asked, as 64 hexadecimal digits: the same for the same request."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {**asdict(self), "messages": [asdict(message) for message in self.messages]}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them, and what it says the call cost in US dollars; None where it did not."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole answer.

    ``model`` without its prefix, as the provider knows it; ``finish`` "length" when the answer was cut at
    ``max_tokens``; ``duration_s`` from asking to the last byte; ``failed`` says, for a fallback chain, who was asked
    before and why that failed, one line each; ``pseudonymised`` how many values were replaced before they left.
    """

    text: str
    model: str
    provider: str
    usage: Usage
    finish: Finish
    duration_s: float
    failed: tuple[str, ...] = ()
    pseudonymised: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return asdict(self)


class ChatModel(Protocol):
    """One provider, the router, a fallback chain, a budget, a recording or a script.

    Both verbs raise NotFoundError (no such model or provider), ConfigError (a key that cannot be used),
    RateLimitedError, ProviderTimeoutError, ProviderError, and CancelledError once ``cancel`` is set, by any thread.
    """

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        """The whole answer at once."""
        ...

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        """The answer in pieces of text as they come, none of them empty, and last the `Completion` with all of it.

        Nothing is asked before the first ``next``. Closing the iterator breaks off the answer. An error after the first
        piece ends the stream: what was given before it is no answer.
        """
        ...


@contextmanager
def closing_after(pieces: Iterator[str | Completion]) -> Iterator[Iterator[str | Completion]]:
    """The stream itself; left before its end, it breaks off the answer at once and not when memory is tidied."""
    try:
        yield pieces
    finally:
        if close := getattr(pieces, "close", None):
            close()


def check_cancel(cancel: threading.Event | None) -> None:
    """Raise CancelledError when ``cancel`` is set: for models that ask no server."""
    if cancel is not None and cancel.is_set():
        raise CancelledError("The request was cancelled.")
