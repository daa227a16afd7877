"""A fallback chain: the next model when one fails, but never after the first piece of an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain

from workbench.errors import ConfigError, NotFoundError, ProviderError, WorkbenchError
from workbench.llm.chat import Ask, ChatModel, Completion, closing_after

_PASSED_ON = (ProviderError, NotFoundError, ConfigError)


class Fallback:
    """Asks ``Ask.model`` of ``model``, and on failure the models named in ``then``, in order, each once.

    Only what lies with the provider is passed on: a failure, a refusal, no key, no such model; not a cancel, and not a
    request that means nothing. Once a piece of a stream is out, its failure is the chain's: two answers are never
    joined. ``Completion.failed`` says who failed and why; when all do, the last one's error is raised, and its hint
    says it.
    """

    def __init__(self, model: ChatModel, then: Sequence[str]) -> None:
        self._model, self._then = model, tuple(then)

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        """The whole answer at once; see `ChatModel`."""
        failed: list[str] = []
        for own, last in self._asks(ask):
            try:
                return _with(self._model.complete(own, cancel=cancel), failed)
            except _PASSED_ON as error:
                _note(error, own, failed, last=last)
        raise AssertionError("the last failure was raised")

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        """The answer as it comes; see `ChatModel`."""
        failed: list[str] = []
        for own, last in self._asks(ask):
            with closing_after(self._model.stream(own, cancel=cancel)) as pieces:
                try:
                    first = next(pieces)
                except _PASSED_ON as error:
                    _note(error, own, failed, last=last)
                    continue
                for piece in chain([first], pieces):
                    yield _with(piece, failed) if isinstance(piece, Completion) else piece
                return

    def _asks(self, ask: Ask) -> Iterator[tuple[Ask, bool]]:
        """Each request of the chain, and whether it is the last."""
        names = list(dict.fromkeys([ask.model, *self._then]))
        for place, name in enumerate(names, 1):
            yield replace(ask, model=name), place == len(names)


def _note(error: WorkbenchError, ask: Ask, failed: list[str], *, last: bool) -> None:
    """Remember why a model failed; raise it when there is none after it."""
    if not last:
        failed.append(f"{ask.model}: {error.message}")
        return
    if failed:
        error.hint = "\n".join([*([error.hint] if error.hint else []), "Failed before it:", *failed])
        error.details = {**error.details, "failed": list(failed)}
    raise error


def _with(done: Completion, failed: Sequence[str]) -> Completion:
    return replace(done, failed=(*failed, *done.failed)) if failed else done
