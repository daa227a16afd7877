"""A budget: how often a model may be asked, how many tokens it may take, and for how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from workbench.errors import CancelledError, ProviderTimeoutError, TooLargeError
from workbench.llm.chat import Ask, ChatModel, Completion, Usage, closing_after

CHARS_A_TOKEN = 4
"""For what a provider did not count. English in current tokenizers; platform.openai.com/tokenizer."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits for all requests together; None is no limit. ``tokens`` are those of prompts and answers."""

    attempts: int | None = None
    tokens: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What was used up so far; ``tokens`` are estimated where the provider did not count, failed requests included."""

    attempts: int = 0
    tokens: int = 0
    seconds: float = 0.0


class Budgeted:
    """A model with a budget for everything that is asked of it, from the first request on. Safe for threads.

    What is left of the tokens bounds ``max_tokens`` of each request; what is left of the seconds ends a request that
    runs. Raises TooLargeError once attempts or tokens are used up, ProviderTimeoutError once the seconds are; both say
    what was spent in ``details``.
    """

    def __init__(self, model: ChatModel, budget: Budget, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.budget = budget
        self._model, self._clock = model, clock
        self._began: float | None = None
        self._attempts = self._tokens = 0
        self._lock = threading.Lock()

    @property
    def spent(self) -> Spent:
        """What was used up so far."""
        with self._lock:
            return Spent(self._attempts, self._tokens, self._seconds())

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        """The whole answer at once; see `ChatModel`."""
        own, limit = self._begin(ask, cancel)
        taken: list[str | Completion] = []
        try:
            with self._in_time(limit):
                done = self._model.complete(own, cancel=limit)
            taken.append(done)
        finally:
            self._count(own, taken)
        return done

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        """The answer as it comes; see `ChatModel`."""
        own, limit = self._begin(ask, cancel)
        taken: list[str | Completion] = []
        try:
            with self._in_time(limit), closing_after(self._model.stream(own, cancel=limit)) as pieces:
                for piece in pieces:
                    taken.append(piece)
                    yield piece
        finally:
            self._count(own, taken)

    def _begin(self, ask: Ask, cancel: threading.Event | None) -> tuple[Ask, threading.Event | None]:
        """Count an attempt: the request cut to what is left, and what ends it when the seconds do."""
        budget = self.budget
        with self._lock:
            if self._began is None:
                self._began = self._clock()
            if budget.attempts is not None and self._attempts >= budget.attempts:
                raise self._used_up(f"{budget.attempts:,} attempts")
            if budget.tokens is not None and self._tokens >= budget.tokens:
                raise self._used_up(f"{budget.tokens:,} tokens")
            if budget.seconds is not None and self._seconds() >= budget.seconds:
                raise self._out_of_time()
            self._attempts += 1
            if budget.tokens is not None:
                ask = replace(ask, max_tokens=min(ask.max_tokens, budget.tokens - self._tokens))
            if budget.seconds is None:
                return ask, cancel
            return ask, _Deadline(self._began + budget.seconds, cancel, self._clock)

    def _count(self, ask: Ask, taken: Sequence[str | Completion]) -> None:
        """Count the tokens of a request, of which this came back."""
        done = taken[-1] if taken and isinstance(taken[-1], Completion) else None
        text = done.text if done else "".join(piece for piece in taken if isinstance(piece, str))
        used = done.usage if done else Usage()
        asked = sum(len(message.content) for message in ask.messages) // CHARS_A_TOKEN
        with self._lock:
            self._tokens += asked if used.prompt_tokens is None else used.prompt_tokens
            self._tokens += -(-len(text) // CHARS_A_TOKEN) if used.completion_tokens is None else used.completion_tokens

    @contextmanager
    def _in_time(self, limit: threading.Event | None) -> Iterator[None]:
        """What the end of the seconds cancels is out of time; what somebody cancels is cancelled."""
        try:
            yield
        except CancelledError as error:
            if isinstance(limit, _Deadline) and not limit.is_asked:
                raise self._out_of_time() from error
            raise

    def _seconds(self) -> float:
        return 0.0 if self._began is None else self._clock() - self._began

    def _details(self) -> dict[str, float]:
        return {"attempts": self._attempts, "tokens": self._tokens, "seconds": round(self._seconds(), 3)}

    def _used_up(self, what: str) -> TooLargeError:
        return TooLargeError(
            f"The budget of {what} is used up.", hint="Allow more, or ask for less.", details=self._details()
        )

    def _out_of_time(self) -> ProviderTimeoutError:
        return ProviderTimeoutError(
            f"The budget of {self.budget.seconds:g} s is used up.", hint="Allow more time.", details=self._details()
        )


class _Deadline(threading.Event):
    """An event that is set when another is, or a moment has passed."""

    def __init__(self, at: float, asked: threading.Event | None, clock: Callable[[], float]) -> None:
        super().__init__()
        self._at, self._asked, self._clock = at, asked, clock

    @property
    def is_asked(self) -> bool:
        """Whether somebody asked for it, and not the clock."""
        return super().is_set() or (self._asked is not None and self._asked.is_set())

    def is_set(self) -> bool:
        return self.is_asked or self._clock() >= self._at

    def wait(self, timeout: float | None = None) -> bool:
        left = max(0.0, self._at - self._clock())
        (self._asked or threading.Event()).wait(left if timeout is None else min(timeout, left))
        return self.is_set()
