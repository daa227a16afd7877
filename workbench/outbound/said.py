"""The words of a server, short and clean enough for an error message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

_SAID_CHARS = 200


def said_in(body: bytes, headers: Mapping[str, str], key: str) -> str:
    """The server's own words in short, never the key, and nothing of a list: some servers repeat the input there."""
    text = ""
    try:
        text = _words(msgspec.json.decode(body))
    except msgspec.DecodeError:
        if is_page(body) or "html" in headers.get("content-type", ""):
            text = "a web page"
        elif headers.get("content-type", "").startswith("text/plain"):
            text = body[:_SAID_CHARS].decode("utf-8", "replace")
    if key:
        text = text.replace(key, "***")
    return printable(re.sub(r"\bsk-[\w*-]{4,}", "***", text))[:_SAID_CHARS].strip().rstrip(".")


def _words(answer: Any) -> str:
    """``{"error": "…"}`` (Ollama), ``{"error": {"message": "…"}}`` (OpenAI), ``message`` or ``detail`` (others)."""
    if not isinstance(answer, dict):
        return ""
    said = answer.get("error") or answer.get("message") or answer.get("detail") or ""
    if isinstance(said, dict):
        said = said.get("message", "")
    return said if isinstance(said, str) else ""


def printable(text: str) -> str:
    """The text with a space for each character that a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def is_page(body: bytes) -> bool:
    """Whether this is a web page."""
    return body[:200].lstrip().lower().startswith((b"<!doctype", b"<html"))
