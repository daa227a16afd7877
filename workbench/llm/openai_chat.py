"""Any server that speaks OpenAI's ``/chat/completions``: OpenRouter, OpenCode, Kimi, and many on one's own machine.

Wire form: OpenAI's API reference, Chat; server-sent events by the HTML standard, section 9.2 (each event of these
servers is one ``data:`` line; lines that begin with a colon are comments that keep the connection open).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.errors import NotFoundError
from workbench.llm.chat import Ask, Finish, Usage
from workbench.llm.server_chat import LOOK, Piece, ServerChat
from workbench.outbound import Lines, Patience

_FINISH: dict[str, Finish] = {"stop": "stop", "length": "length", "error": "error"}
_DONE = b"[DONE]"


class _Text(msgspec.Struct):
    content: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct):
    message: _Text | None = None
    delta: _Text | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None


class _Failure(msgspec.Struct):
    message: str = ""
    code: int | str | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: _Failure | str | None = None


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]


OPENROUTER = "openrouter"
"""The one provider that tells what an answer cost: ``usage.cost``, in credits of one US dollar (openrouter.ai/docs)."""


class OpenAIChat(ServerChat):
    """The models of one server that speaks OpenAI's protocol; the key goes as ``Authorization: Bearer``."""

    path = "/chat/completions"

    def models(self, *, patience: Patience = LOOK) -> list[str]:
        """Names of the models that are there. Raises as `ChatModel` does."""
        return sorted(model.id for model in self.server.get("/models", _Models, patience=patience).data)

    def _body(self, ask: Ask, *, stream: bool) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": ask.model,
            "messages": [{"role": message.role, "content": message.content} for message in ask.messages],
            "temperature": ask.temperature,
            "max_tokens": ask.max_tokens,
            "stream": stream,
        }
        if stream:
            body["stream_options"] = {"include_usage": True}
        if self.name == OPENROUTER:
            body["usage"] = {"include": True}
        return {**body, "response_format": {"type": "json_object"}} if ask.as_json else body

    def _whole(self, ask: Ask, cancel: threading.Event | None) -> Piece:
        answer = self.server.post(self.path, self._body(ask, stream=False), _Answer, cancel=cancel)
        piece = self._piece(answer)
        if not answer.choices:
            self._check_end(Piece(), 0)
        return piece

    def _pieces(self, lines: Lines) -> Iterator[Piece]:
        for line in lines:
            name, _, data = line.partition(b":")
            if name != b"data":  # a comment, or a field of the event that says nothing
                if line[:1] in b"{<":  # no event at all: a bare answer, or a web page
                    yield self._piece(self.server.decode(line, _Answer))
                continue
            if data.strip() == _DONE:
                yield Piece(last=True)
            else:
                yield self._piece(self.server.decode(data.strip(), _Answer))

    def _piece(self, answer: _Answer) -> Piece:
        if answer.error is not None:
            failure = answer.error if isinstance(answer.error, _Failure) else _Failure(answer.error)
            raise self.server.failure(failure.message, failure.code if isinstance(failure.code, int) else 502)
        usage = self._usage(answer.usage) if answer.usage else None
        if not answer.choices:
            return Piece(usage=usage)
        choice = answer.choices[0]
        said = choice.message or choice.delta or _Text()
        finish = _FINISH.get(choice.finish_reason, "other") if choice.finish_reason else None
        thinking = bool(said.reasoning or said.reasoning_content)
        return Piece(said.content or "", finish, usage, thinking=thinking)

    def _usage(self, said: _Usage) -> Usage:
        cost = said.cost if self.name == OPENROUTER else None
        return Usage(said.prompt_tokens, said.completion_tokens, cost)

    def _missing(self, ask: Ask, error: LookupError) -> Exception:
        said = str(getattr(error, "details", {}).get("said", "")) or "nothing more"
        endpoint = self.server.endpoint
        return NotFoundError(
            f"{endpoint.name} at {endpoint.url} has no model {ask.model!r} or no {self.path} ({said}).",
            hint="Check the model's name, and the address in the settings.",
        )
