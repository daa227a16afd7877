"""The ledger: a model around a model that notes every call, whichever way it ended, as a row of ``llm_calls``."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from workbench.errors import CancelledError, WorkbenchError
from workbench.lake.logs import Log, Noted, Shape
from workbench.llm.chat import Ask, ChatModel, Completion, Message, Usage, closing_after
from workbench.llm.scripted import tokens
from workbench.pii import mask_text

DATASET = "llm_calls"
TASK = "chat"
FREE = frozenset({"ollama", "scripted"})
"""Providers on this machine: a call of theirs costs nothing."""
_COLUMNS = (
    ("call_id", pa.string()),
    ("happened_at", pa.timestamp("us", tz="UTC")),
    ("task", pa.string()),  # chat | iterate:fill | …
    ("trace_id", pa.string()),
    ("user", pa.string()),
    ("asked", pa.string()),  # the model that was asked for
    ("provider", pa.string()),  # who answered, null when nobody did
    ("model", pa.string()),
    ("outcome", pa.string()),  # ok | cancelled | cut_off (its reader left) | the code of an error
    ("error", pa.string()),
    ("finish", pa.string()),
    ("prompt_tokens", pa.int64()),
    ("completion_tokens", pa.int64()),
    ("estimated", pa.bool_()),  # tokens that the provider did not count: four characters each
    ("cost_usd", pa.float64()),  # null is unknown
    ("duration_s", pa.float64()),
    ("first_token_s", pa.float64()),  # null for an answer that came whole
    ("failed", pa.list_(pa.field("element", pa.string()))),  # who was asked before and why that failed
    ("pseudonymised", pa.int64()),
    ("replayed", pa.bool_()),  # from a recording: nobody was asked
    ("prompt_digest", pa.string()),
    ("prompt", pa.string()),
    ("answer", pa.string()),
)
SHAPE = Shape(
    DATASET,
    pa.schema(_COLUMNS),
    identity=("call_id",),
    plain=frozenset({"call_id", "task", "trace_id", "user", "provider", "outcome", "finish", "prompt_digest"}),
    title="call ledger",
)

Prices = Mapping[str, tuple[float, float]]
"""Model as the router knows it → US dollars for a million tokens of prompt, and of answer."""


@dataclass(frozen=True, slots=True)
class Book:
    """Where calls are noted and what is said of them: who asks, whether texts are kept, what models cost.

    ``replayed``: the answers come from a recording. ``cover`` takes what is personal out of texts, in the log's thread.
    """

    log: Log
    user: str = ""
    keep_text: bool = False
    prices: Prices = field(default_factory=dict)
    replayed: bool = False
    cover: Callable[[str], str] = mask_text

    def note(self, call: Call) -> None:
        """Note a call that has ended. Never raises and never waits."""
        self.log.note((self, call))


@dataclass(slots=True)
class Call:
    """One call as it goes. Times are of ``clock``, in seconds; ``happened_at`` in seconds since 1970."""

    ask: Ask
    task: str
    trace_id: str
    began: float
    happened_at: float
    first: float | None = None
    pieces: list[str] = field(default_factory=list)
    done: Completion | None = None
    error: BaseException | None = None
    took_s: float = 0.0

    @property
    def outcome(self) -> str:
        """How it ended, in one word."""
        if self.error is None:
            return "ok"
        if isinstance(self.error, GeneratorExit):
            # Who has all of the answer and asks for no more has not left in the middle.
            return "cut_off" if self.done is None else "ok"
        if isinstance(self.error, CancelledError | KeyboardInterrupt):
            return "cancelled"
        return self.error.code if isinstance(self.error, WorkbenchError) else type(self.error).__name__


class Ledger:
    """A `ChatModel` that asks another and notes each call in ``book``; a stream that its reader leaves is noted too.

    ``task`` says what the calls are for, ``trace_id`` to which run they belong.
    """

    def __init__(
        self,
        model: ChatModel,
        book: Book,
        *,
        task: str = TASK,
        trace_id: str = "",
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._model, self._book, self._clock = model, book, clock
        self._task, self._trace_id = task, trace_id

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        """The whole answer at once; see `ChatModel`."""
        with self._noted(ask) as call:
            call.done = self._model.complete(ask, cancel=cancel)
            return call.done

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        """The answer as it comes; see `ChatModel`."""
        with self._noted(ask) as call, closing_after(self._model.stream(ask, cancel=cancel)) as pieces:
            for piece in pieces:
                if isinstance(piece, Completion):
                    call.done = piece
                else:
                    call.first = self._clock() if call.first is None else call.first
                    call.pieces.append(piece)
                yield piece

    @contextmanager
    def _noted(self, ask: Ask) -> Iterator[Call]:
        """A call that is noted when it ends, also when its reader leaves (GeneratorExit)."""
        call = Call(ask, self._task, self._trace_id, self._clock(), time.time())
        try:
            yield call
        except BaseException as error:
            call.error = error
            raise
        finally:
            call.took_s = self._clock() - call.began
            self._book.note(call)


def to_row(noted: Noted) -> dict[str, Any]:
    """The row of a call, made in the log's thread."""
    book, call = noted.what
    done, failed = call.done, _failed(call)
    text = done.text if done else "".join(call.pieces)
    used, estimated = _used(call, text)
    return {
        "call_id": secrets.token_hex(12),
        "happened_at": call.happened_at,
        "task": call.task,
        "trace_id": call.trace_id or None,
        "user": book.user or None,
        "asked": call.ask.model,
        "provider": done.provider if done else None,
        "model": done.model if done else None,
        "outcome": call.outcome,
        "error": _said(call.error, book.cover) if call.error and call.outcome not in {"ok", "cut_off"} else None,
        "finish": done.finish if done else None,
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.completion_tokens,
        "estimated": estimated,
        "cost_usd": _cost(book, done, used),
        "duration_s": call.took_s,
        "first_token_s": None if call.first is None else call.first - call.began,
        "failed": failed,
        "pseudonymised": done.pseudonymised if done else None,
        "replayed": book.replayed,
        "prompt_digest": prompt_digest(call.ask.messages),
        "prompt": _told(book, "\n\n".join(f"{m.role}: {m.content}" for m in call.ask.messages)),
        "answer": _told(book, text),
    }


def prompt_digest(messages: Sequence[Message]) -> str:
    """SHA-256 of the messages as canonical JSON, 64 hexadecimal digits: the same for the same prompt."""
    said = [{"content": message.content, "role": message.role} for message in messages]
    return hashlib.sha256(json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _failed(call: Call) -> list[str]:
    """Who was asked before, of a fallback chain; the last one's failure is the call's own."""
    if call.done:
        return list(call.done.failed)
    return [str(line) for line in getattr(call.error, "details", {}).get("failed", ())]


def _told(book: Book, text: str) -> str | None:
    return book.cover(text) if book.keep_text else None


def _said(error: BaseException, cover: Callable[[str], str]) -> str:
    """What an error says. Only a server's own words can repeat what it was told; who there is, is not read for less."""
    if not isinstance(error, WorkbenchError):
        return cover(str(error))
    return cover(error.message) if "said" in error.details else error.message


def _used(call: Call, text: str) -> tuple[Usage, bool]:
    """Tokens of the call, and whether any of them are estimated. A call that nobody answered may have used none."""
    counted = call.done.usage if call.done else Usage()
    if call.done is None and not call.pieces:
        return counted, False
    prompt, answer = counted.prompt_tokens, counted.completion_tokens
    if prompt is not None and answer is not None:
        return counted, False
    prompt = sum(tokens(m.content) for m in call.ask.messages) if prompt is None else prompt
    return Usage(prompt, tokens(text) if answer is None else answer, counted.cost_usd), True


def _cost(book: Book, done: Completion | None, used: Usage) -> float | None:
    """US dollars: nothing here or from a recording, what the provider says, what the operator's prices make of the
    tokens; None when nobody knows.
    """
    if book.replayed or (done and done.provider in FREE):
        return 0.0
    if done is None or used.cost_usd is not None:
        return used.cost_usd
    price = book.prices.get(f"{done.provider}/{done.model}")
    if price is None or used.prompt_tokens is None or used.completion_tokens is None:
        return None
    return (used.prompt_tokens * price[0] + used.completion_tokens * price[1]) / 1_000_000
