"""A model that answers from a script: README, notebooks, demos and tests run on it, with no server and no weights.

>>> from workbench.llm.chat import Ask, Message
>>> Scripted(["Hello."]).complete(Ask("scripted", (Message("user", "Hi"),))).text
'Hello.'
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from workbench.errors import CancelledError, ProviderError, WorkbenchError
from workbench.llm.chat import Ask, Completion, Finish, Usage

TOKEN_CHARS = 4
"""A token is counted as four characters of text, a common rule of thumb for English; a script has no tokenizer."""


@dataclass(frozen=True, slots=True)
class Breaks:
    """An answer that fails on the way: ``text`` is sent, and then ``error`` is raised instead of an end."""

    text: str
    error: WorkbenchError


Step = str | WorkbenchError | Breaks
"""A turn of the script: an answer, an error to raise at once, or an answer that breaks off."""
Script = Sequence[Step] | Callable[[Ask], Step]


class Scripted:
    """A `ChatModel` that says what the script says, turn by turn, or what a function makes of the request.

    A list that has ended raises ProviderError, unless ``again`` lets it repeat its last turn. The answer streams in
    pieces of ``piece`` characters; beyond ``max_tokens`` it is cut, as a model's is, and ``finish`` is "length". What
    was asked is kept in ``asks``. Threads may share one; each turn is given once.
    """

    def __init__(self, script: Script, *, again: bool = False, piece: int = 24, provider: str = "scripted") -> None:
        self._script, self._again = script, again
        self._piece, self._provider = max(1, piece), provider
        self._lock = threading.Lock()
        self.asks: list[Ask] = []

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        """The whole answer. Raises what the script says, CancelledError once ``cancel`` is set."""
        *_, last = self.stream(ask, cancel=cancel)
        assert isinstance(last, Completion)
        return last

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        """The answer in pieces, and last the `Completion`. Raises as `complete`, also between two pieces."""
        began = time.perf_counter()
        _stop_if(cancel)
        step = self._next(ask)
        if isinstance(step, WorkbenchError):
            raise step
        said = step.text if isinstance(step, Breaks) else step
        text, finish = _cut(said, ask.max_tokens)
        for at in range(0, len(text), self._piece):
            _stop_if(cancel)
            yield text[at : at + self._piece]
        _stop_if(cancel)
        if isinstance(step, Breaks):
            raise step.error
        usage = Usage(sum(tokens(message.content) for message in ask.messages), tokens(text))
        yield Completion(text, _bare(ask.model), self._provider, usage, finish, time.perf_counter() - began)

    def _next(self, ask: Ask) -> Step:
        with self._lock:
            turn = len(self.asks)
            self.asks.append(ask)
        if callable(self._script):
            return self._script(ask)
        if turn < len(self._script):
            return self._script[turn]
        if self._again and self._script:
            return self._script[-1]
        raise ProviderError(
            f"The script has {len(self._script)} turns and was asked for number {turn + 1}.",
            hint="Give it another turn, or let it repeat the last one: Scripted(…, again=True).",
        )


def tokens(text: str) -> int:
    """About how many tokens a text is: characters by `TOKEN_CHARS`, rounded up."""
    return -(-len(text) // TOKEN_CHARS)


def _cut(text: str, max_tokens: int) -> tuple[str, Finish]:
    most = max_tokens * TOKEN_CHARS
    return (text, "stop") if len(text) <= most else (text[:most], "length")


def _bare(model: str) -> str:
    return model.removeprefix("scripted/")


def _stop_if(cancel: threading.Event | None) -> None:
    if cancel is not None and cancel.is_set():
        raise CancelledError("The request was cancelled.")
