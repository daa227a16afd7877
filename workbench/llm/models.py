"""Everything that can be asked, as the settings make it: the router, a fallback chain, a recording."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import ConfigError
from workbench.llm.chat import Ask, ChatModel, Completion, Message
from workbench.llm.fallback import Fallback
from workbench.llm.ledger import TASK, Book, Ledger
from workbench.llm.ollama import local_models
from workbench.llm.privacy import People
from workbench.llm.recording import Recorder, Replay
from workbench.llm.router import LOCAL, Registration, Router
from workbench.llm.server_chat import TIMEOUT_S
from workbench.pii.roster import Roster


@dataclass(frozen=True, slots=True)
class Choice:
    """What the settings say: the model asked by default, those asked when it fails, a recording to use, and the seconds
    that a whole answer may take.

    Raises ConfigError when one file is to be recorded and replayed at once.
    """

    model: str
    then: Sequence[str] = ()
    record: Path | None = None
    replay: Path | None = None
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        if self.record and self.replay:
            raise ConfigError("The settings chat_record and chat_replay exclude each other.", hint="Unset one of them.")


class Models:
    """``wb.llm``: a chat model over all providers, and who they are. It is itself a `ChatModel`.

    With ``book`` every call is noted in the ledger.
    """

    def __init__(self, router: Router, choice: Choice, book: Book | None = None) -> None:
        self.router, self.default = router, choice.model
        self._inner, self._book = _opened(router, choice), book
        self._model = self.for_task(TASK)

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        """The whole answer at once; see `ChatModel`."""
        return self._model.complete(ask, cancel=cancel)

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        """The answer as it comes; see `ChatModel`."""
        return self._model.stream(ask, cancel=cancel)

    def for_task(self, task: str, *, trace_id: str = "") -> ChatModel:
        """The same model; its calls stand in the ledger under ``task``, such as ``iterate:fill``, and ``trace_id``."""
        return self.noted(self._inner, task, trace_id=trace_id)

    def noted(self, model: ChatModel, task: str, *, trace_id: str = "") -> ChatModel:
        """Any other model, its calls in the same ledger."""
        return Ledger(model, self._book, task=task, trace_id=trace_id) if self._book else model

    def ask(self, prompt: str, *, model: str = "", system: str = "", **options: Any) -> Ask:
        """A request of one message of the user, after a system message when given; ``options`` as in `Ask`."""
        first = (Message("system", system),) if system else ()
        return Ask(model or self.default, (*first, Message("user", prompt)), **options)

    def chat(self, prompt: str, **options: Any) -> Completion:
        """Ask once: ``wb.llm.chat("…", model="kimi/k2", system="…", as_json=True).text``; options as in `ask`."""
        return self.complete(self.ask(prompt, **options))

    def providers(self) -> list[Registration]:
        """All five providers, each with what it lacks."""
        return self.router.registrations()

    def local_models(self) -> list[str]:
        """The models of this machine's Ollama. Raises ProviderError when none answers."""
        return local_models(next(row.url for row in self.providers() if row.name == LOCAL))

    def close(self) -> None:
        """Close the connections."""
        self.router.close()


def open_models(
    choice: Choice,
    urls: Mapping[str, str],
    secrets_file: Path,
    environ: Mapping[str, str],
    book: Book | None = None,
    *,
    trusted: Collection[str] = (),
    people: People = Roster,
) -> Models:
    """The models that the settings name, their calls noted in ``book``; nothing is asked of a server yet.

    Personal data is hidden from all but the ``trusted`` providers, that of ``people`` as well.
    """
    router = Router(
        urls=urls,
        secrets_file=secrets_file,
        environ=environ,
        trusted=trusted,
        people=people,
        timeout_s=choice.timeout_s,
    )
    return Models(router, choice, book)


def _opened(router: Router, choice: Choice) -> ChatModel:
    if choice.replay:
        return Replay(choice.replay)
    model: ChatModel = Fallback(router, choice.then) if choice.then else router
    return Recorder(model, choice.record) if choice.record else model
