"""Packaged scripts, ``scripted/<name>``: they play a model, so that everything can be tried without a server.

``corrected`` makes the mistakes of a small model and mends them one by one, ``honest`` is right at once, ``stubborn``
repeats its mistake. Each reads the request as a model would and remembers nothing; what they propose is judged like
anybody's.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from workbench.errors import NotFoundError
from workbench.llm.chat import Ask, Completion
from workbench.llm.extract import NoJson, find_json
from workbench.llm.scripted import Scripted

PREFIX: Final = "scripted/"
PHANTOM: Final = {"candidate_id": "W-99999999", "name": "Pat Nobody"}
"""An id that nobody has."""
_SLIP = 1_000  # an id that is wrong in one digit is often somebody else's
_NUMBER = re.compile(r"(\D*)(\d+)")
_FACTS = re.compile(r"^What is known: (\{.*\})$", re.MULTILINE)
_SCRIPT = "I am a script, not a model: I fill orders and write messages about the candidates that I am given."


class Scripts:
    """A `ChatModel` over all packaged scripts; a name may come with its prefix or without."""

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        """The whole answer. Raises NotFoundError for a script that there is not, CancelledError."""
        return self._of(ask).complete(ask, cancel=cancel)

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        """The answer in pieces, and last the `Completion`. Raises as `complete`, before the first piece."""
        yield from self._of(ask).stream(ask, cancel=cancel)

    def _of(self, ask: Ask) -> Scripted:
        name = ask.model.strip().removeprefix(PREFIX)
        if name not in NAMES:
            raise NotFoundError.named("script", name, NAMES, hint="Write scripted/<name>.")
        return Scripted(_SCRIPTS[name])


def _corrected(ask: Ask) -> str:
    return _email_corrected(ask) if _is_email(ask) else _fill_corrected(ask)


def _honest(ask: Ask) -> str:
    return _email(ask) if _is_email(ask) else _fill(ask, _candidates(ask)[: _count(ask)])


def _stubborn(ask: Ask) -> str:
    if _is_email(ask):
        return _email(ask, "The rate is $24.50 an hour.")
    return _fill(ask, [*_candidates(ask)[: _count(ask) - 1], PHANTOM])


_SCRIPTS: Mapping[str, Callable[[Ask], str]] = {"corrected": _corrected, "honest": _honest, "stubborn": _stubborn}
NAMES: Final = tuple(_SCRIPTS)


def _fill_corrected(ask: Ask) -> str:
    """An id that nobody has; then, in its place, the id of somebody who does not fit; then somebody who does."""
    candidates, refused = _candidates(ask), _refused(ask)
    if not candidates:
        return _SCRIPT
    if refused is None:
        wrong = _fill(ask, [*candidates[: _count(ask) - 1], PHANTOM])
        return f"Sure! Here is who I would send:\n```json\n{wrong}\n```"
    there = {item.get("candidate_id") for item in refused.get("fills", ()) if isinstance(item, dict)}
    if PHANTOM["candidate_id"] in there:
        return _fill(ask, [{"candidate_id": _slipped(candidates[0]["candidate_id"]), "name": PHANTOM["name"]}])
    return _fill(ask, [row for row in candidates if row["candidate_id"] not in there][:1])


def _email_corrected(ask: Ask) -> str:
    """A message that states pay; then one about somebody else; then one that a client may read."""
    refused = _refused(ask)
    if refused is None:
        return _email(ask, "The rate is $24.50 an hour.")
    if "$" in str(refused.get("body")):
        rows = _candidates(ask)
        return _email(ask, about=f"{rows[0].get('name', '').partition(' ')[0]} Nobody" if rows else "")
    return _email(ask)


def _fill(ask: Ask, rows: list[Any]) -> str:
    if not _candidates(ask):
        return _SCRIPT
    return json.dumps({"fills": [{"candidate_id": row["candidate_id"], "name": row.get("name", "")} for row in rows]})


def _email(ask: Ask, more: str = "", about: str = "") -> str:
    rows = _candidates(ask)
    if not rows:
        return _SCRIPT
    name, role = about or rows[0].get("name", ""), rows[0].get("role", "worker")
    first = name.split()[0] if name else ""
    if _facts(ask).get("audience") == "worker":
        body = f"Hi {first}, we have work for you as {role}. Can you start? {more}"
    else:
        body = f"{name} is ready to start as {role}. Shall we go ahead? {more}"
    return json.dumps({"to": "the reader", "subject": f"{role}: {name}"[:78], "body": body.strip(), "kind": "email"})


def _is_email(ask: Ask) -> bool:
    return any(message.role == "system" and '"body"' in message.content for message in ask.messages)


def _asked(ask: Ask) -> str:
    return next((message.content for message in ask.messages if message.role == "user"), "")


def _candidates(ask: Ask) -> list[dict[str, Any]]:
    lines = [line for line in _asked(ask).splitlines() if line.startswith('{"candidate_id"')]
    return [json.loads(line) for line in lines]


def _facts(ask: Ask) -> dict[str, Any]:
    found = _FACTS.search(_asked(ask))
    return dict(json.loads(found[1])) if found else {}


def _count(ask: Ask) -> int:
    count = _facts(ask).get("target_count")
    return count if isinstance(count, int) and count > 0 else 1


def _refused(ask: Ask) -> dict[str, Any] | None:
    """The answer that came back, None at the first request."""
    said = [message.content for message in ask.messages if message.role == "assistant"]
    if not said:
        return None
    found = find_json(said[-1])
    return {} if isinstance(found, NoJson) else found.value


def _slipped(who: str) -> str:
    found = _NUMBER.fullmatch(who)
    return f"{found[1]}{int(found[2]) + _SLIP}" if found else f"{who}0"
