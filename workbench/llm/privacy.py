"""The privacy gate: a provider that is not trusted gets placeholders for what is personal; the answer gets it back.

A placeholder that the model invents stays as it is, so that no validator takes it for a person.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from workbench.llm.chat import Ask, ChatModel, Completion, check_cancel, closing_after
from workbench.llm.pseudonyms import Hidden, Restoring
from workbench.pii.roster import Roster

People = Callable[[], Roster]
"""Gives the people that are known now. Called only when a request is to leave the machine."""


class Pseudonymised:
    """A `ChatModel` in front of ``model``, which sees no personal value; ``Completion.pseudonymised`` counts them.

    Raises what ``model`` does, and what ``people`` does: when it is not known who is known, nothing is sent.
    """

    def __init__(self, model: ChatModel, people: People) -> None:
        self._model, self._people = model, people

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        """The whole answer at once; see `ChatModel`."""
        hidden = self._hidden(ask, cancel)
        done = self._model.complete(hidden.ask, cancel=cancel)
        text = hidden.restore(done.text, cut_off=done.finish == "length")
        return replace(done, text=text, pseudonymised=hidden.count)

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        """The answer as it comes, a placeholder held back until it is whole; see `ChatModel`."""
        hidden = self._hidden(ask, cancel)
        going, texts = Restoring(hidden), []
        with closing_after(self._model.stream(hidden.ask, cancel=cancel)) as pieces:
            for piece in pieces:
                if isinstance(piece, Completion):
                    texts.append(going.end(cut_off=piece.finish == "length"))
                    yield from texts[-1:] if texts[-1] else ()
                    yield replace(piece, text="".join(texts), pseudonymised=hidden.count)
                elif text := going.feed(piece):
                    texts.append(text)
                    yield text

    def _hidden(self, ask: Ask, cancel: threading.Event | None) -> Hidden:
        check_cancel(cancel)
        hidden = Hidden(ask, self._people())
        check_cancel(cancel)
        return hidden
