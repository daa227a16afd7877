"""Ollama's chat, of this machine, another, or Ollama's cloud: ``POST /api/chat``, answers as lines of JSON.

Wire form: github.com/ollama/ollama, docs/api.md and api/types.go (ChatRequest, ChatResponse).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.errors import NotFoundError, ProviderError, ProviderTimeoutError
from workbench.llm.chat import Ask, Finish, Usage
from workbench.llm.server_chat import LOOK, Piece, ServerChat
from workbench.outbound import Endpoint, Lines, Outbound, Patience, Secret

URL = "http://127.0.0.1:11434"
CLOUD_URL = "https://ollama.com"
CLOUD_SUFFIX = ":cloud"
GLANCE = Patience(timeout_s=0.5, connect_s=0.3, tries=1)
"""Patience for a look whether a server is there."""

_FINISH: dict[str | None, Finish] = {"stop": "stop", "length": "length"}


class _Message(msgspec.Struct):
    content: str = ""
    thinking: str | None = None


class _Answer(msgspec.Struct):
    message: _Message | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: str = ""


class _Model(msgspec.Struct):
    name: str


class _Tags(msgspec.Struct):
    models: list[_Model]


class _Shown(msgspec.Struct):
    remote_host: str = ""


class OllamaChat(ServerChat):
    """The models of one Ollama server: thinking off, the finish reason from ``done_reason``.

    ``truncate: false`` asks it to refuse a conversation that does not fit instead of cutting it in silence; servers
    before 0.12.6 do not know it. NotFoundError names the ``ollama pull`` command for a model that is not there.
    """

    path = "/api/chat"
    more_context = "Ask for less, or give the model more: OLLAMA_CONTEXT_LENGTH, or num_ctx in its Modelfile."

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._elsewhere: dict[str, bool] = {}

    def models(self, *, patience: Patience = LOOK) -> list[str]:
        """Names of the models that are there, ``:latest`` left out. Raises as `ChatModel` does."""
        try:
            found = self.server.get("/api/tags", _Tags, patience=patience).models
        except NotFoundError as error:
            raise self._not_ollama("/api/tags") from error
        return sorted(model.name.removesuffix(":latest") for model in found)

    def is_elsewhere(self, model: str) -> bool:
        """Whether this server passes requests for ``model`` on to another: Ollama's cloud models have an entry on this
        machine too (``remote_host``). Asked once a model; true when it is there and cannot say.
        """
        if model.endswith((CLOUD_SUFFIX, "-cloud")):
            return True
        if model not in self._elsewhere:
            look = Outbound(self.server.endpoint, patience=LOOK)
            try:
                self._elsewhere[model] = bool(look.post("/api/show", {"model": model}, _Shown).remote_host)
            except NotFoundError:
                return False
            except ProviderError as error:
                return bool(error.details) or isinstance(error, ProviderTimeoutError)
            finally:
                look.close()
        return self._elsewhere[model]

    def _body(self, ask: Ask, *, stream: bool) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": ask.model,
            "messages": [{"role": message.role, "content": message.content} for message in ask.messages],
            "stream": stream,
            "think": False,
            "truncate": False,
            "options": {"temperature": ask.temperature, "num_predict": ask.max_tokens},
        }
        return {**body, "format": "json"} if ask.as_json else body

    def _whole(self, ask: Ask, cancel: threading.Event | None) -> Piece:
        body = self._body(ask, stream=False)
        piece = self._piece(self.server.post(self.path, body, _Answer, final=self._is_final, cancel=cancel))
        if not piece.last:
            self._check_end(Piece(), len(piece.text))
        return piece

    def _pieces(self, lines: Lines) -> Iterator[Piece]:
        for line in lines:
            yield self._piece(self.server.decode(line, _Answer))

    def _piece(self, answer: _Answer) -> Piece:
        if answer.error:
            raise self.server.failure(answer.error)
        said = answer.message or _Message()
        if not answer.done:
            return Piece(said.content, thinking=bool(said.thinking))
        usage = Usage(answer.prompt_eval_count, answer.eval_count)
        return Piece(said.content, _FINISH.get(answer.done_reason, "other"), usage, last=True)

    def _is_final(self, status: int, said: str) -> bool:
        # "model requires more system memory (5.6 GiB) than is available (3.1 GiB)" comes as a 500
        return status >= 500 and ("system memory" in said or "context" in said)

    def _missing(self, ask: Ask, error: LookupError) -> Exception:
        said = str(getattr(error, "details", {}).get("said", ""))
        if "model" not in said:
            return self._not_ollama(self.path)
        pull = f"ollama pull {ask.model}" if self.server.endpoint.secret is None else "See the models at ollama.com."
        return NotFoundError(
            f"{self.server.endpoint.name} at {self.server.endpoint.url} has no model {ask.model!r}.", hint=pull
        )

    def _not_ollama(self, path: str) -> ProviderError:
        return ProviderError(
            f"What answers at {self.server.endpoint.url} is not Ollama: it has no {path}.",
            hint=f"Set the address of Ollama; it is {URL} unless it was changed.",
        )


def ollama_endpoint(url: str = URL, secret: Secret | None = None) -> Endpoint:
    """Where an Ollama is, with what to do when it does not answer; with a key it is Ollama's cloud."""
    if secret is not None:
        return Endpoint("Ollama's cloud", url, "Check the network, or use a model of this machine.", secret)
    start = "Start it with `ollama serve`" if Endpoint("Ollama", url).is_loopback else "Check that Ollama runs there"
    return Endpoint("Ollama", url, f"{start}, or set another address (setting ollama_url).")


def local_models(url: str = URL, *, patience: Patience = GLANCE) -> list[str]:
    """Names of the models that the Ollama at ``url`` has, from ``/api/tags``; by default waits 0.5 s at most.

    Raises ProviderError when there is no Ollama.
    """
    server = OllamaChat(ollama_endpoint(url), "ollama")
    try:
        return server.models(patience=patience)
    finally:
        server.close()
