"""Answers of a chat server in Ollama's and in OpenAI's form, whole and in parts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Said:
    """An answer: its words (each with the space before it), why it ended, and the tokens it took."""

    words: tuple[str, ...]
    model: str
    finish: str
    prompt_tokens: int

    @classmethod
    def of(cls, text: str, model: str, messages: Sequence[Mapping[str, str]], max_tokens: int | None) -> Self:
        """An answer of one token a word, cut at ``max_tokens``."""
        words = re.findall(r"\s*\S+(?:\s+$)?", text) or ([text] if text else [])
        kept = words if max_tokens is None else words[:max_tokens]
        prompt = sum(len(str(message.get("content", "")).split()) for message in messages)
        return cls(tuple(kept), model, "stop" if len(kept) == len(words) else "length", prompt)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.words)


def ollama_parts(said: Said, *, stream: bool) -> Iterator[bytes]:
    """One object, or a line of JSON a word and one more for the end."""
    counts = {"prompt_eval_count": said.prompt_tokens, "eval_count": len(said.words)}
    end = {"done": True, "done_reason": said.finish, "total_duration": 1, **counts}
    if not stream:
        yield _json(_ollama(said, said.text) | end)
        return
    for word in said.words:
        yield _json(_ollama(said, word) | {"done": False}) + b"\n"
    yield _json(_ollama(said, "") | end) + b"\n"


def openai_parts(said: Said, *, stream: bool) -> Iterator[bytes]:
    """One object, or server-sent events: a comment, the role, a word each, the reason, the usage, the end."""
    tokens = len(said.words)
    usage = {
        "prompt_tokens": said.prompt_tokens,
        "completion_tokens": tokens,
        "total_tokens": said.prompt_tokens + tokens,
    }
    if not stream:
        message = {"role": "assistant", "content": said.text}
        choice = {"index": 0, "message": message, "finish_reason": said.finish}
        yield _json({"object": "chat.completion", "model": said.model, "choices": [choice], "usage": usage})
        return
    yield b": PROCESSING\n\n"
    yield _event(said, {"role": "assistant", "content": ""})
    for word in said.words:
        yield _event(said, {"content": word})
    yield _event(said, {}, said.finish)
    yield b"data: " + _json({"object": "chat.completion.chunk", "model": said.model, "choices": [], "usage": usage})
    yield b"\n\ndata: [DONE]\n\n"


def error_body(wire: str, message: str) -> bytes:
    """A refusal in the form of the protocol."""
    if wire == "ollama":
        return _json({"error": message})
    return _json({"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}})


def too_long(wire: str, window: int, asked: int) -> str:
    """The words in which a conversation that is too long is refused."""
    if wire == "ollama":
        return f"request ({asked} tokens) exceeds the available context size ({window} tokens), try increasing it"
    return (
        f"This model's maximum context length is {window} tokens. However, your messages resulted in {asked} tokens. "
        "Please reduce the length of the messages."
    )


def tags(models: Sequence[str]) -> bytes:
    """The models that are there, as ``/api/tags`` lists them."""
    names = [name if ":" in name else f"{name}:latest" for name in models]
    return _json({"models": [{"name": name, "model": name} for name in names]})


def listed(models: Sequence[str]) -> bytes:
    """The models that are there, as ``/v1/models`` lists them."""
    return _json({"object": "list", "data": [{"id": name, "object": "model", "owned_by": "local"} for name in models]})


def shown(host: str) -> bytes:
    """A model as ``/api/show`` tells of it; ``host``: who really runs it, when it is not this server."""
    own = {
        "details": {"family": "demo"},
        "model_info": {"general.architecture": "demo"},
        "capabilities": ["completion"],
    }
    return _json(own | ({"remote_host": host, "remote_model": "demo"} if host else {}))


def _ollama(said: Said, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"model": said.model, "created_at": "2026-01-01T00:00:00Z", "message": message}


def _event(said: Said, delta: Mapping[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + _json({"object": "chat.completion.chunk", "model": said.model, "choices": [choice]}) + b"\n\n"


def _json(answer: Any) -> bytes:
    # Not escaped: U+2028 and its like stand in the stream as the real servers send them.
    return json.dumps(answer, ensure_ascii=False).encode()
