"""Social security numbers: nowhere in what is sent or proposed, and never repeated in what is said about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from workbench.pii.kinds import COVER
from workbench.pii.ssn import find_ssns
from workbench.pii.stretches import stretches
from workbench.staffing.validate.markup import as_seen
from workbench.staffing.validate.message import Part, named_parts
from workbench.staffing.validate.report import Finding, error

HIDDEN = f"{COVER * 3}-{COVER * 2}-{COVER * 4}"

# Three, two and four digits, each on a line of its own. The mask of the lake takes them for three cells of a table and
# lets them be; what is sent to somebody is refused, for a false alarm costs an edit, a leak cannot be taken back.
_BREAK = r"[ \t]{0,4}(?:\r?\n[ \t>]{0,4}){1,2}"
_IN_LINES = re.compile(
    rf"[0-9](?<![0-9{COVER}][0-9])(?<![0-9][-.,/][0-9])[0-9]{{2}}{_BREAK}[0-9]{{2}}{_BREAK}[0-9]{{4}}"
    rf"(?![0-9{COVER}]|[-.,/][0-9])"
)
# Nine digits, whatever stands between. From the beginning and possessive, so that a text is gone through once.
_NINE = re.compile(r"\D*+\d" * 9)


def find_numbers(part: Part) -> Iterator[tuple[int, int]]:
    """(start, end) in ``part.plain`` of every social security number, in every notation that is known."""
    for stretch in stretches(part.plain, part.low):
        yield from ((span.start, span.end) for span in find_ssns(stretch))
    yield from (match.span() for match in _IN_LINES.finditer(part.plain))


def check_numbers(artifact: Any) -> Iterator[Finding]:
    """No text of an artifact, in whatever field a model put it, may hold a social security number."""
    for part in named_parts(artifact, only=_NINE):
        if any(True for _ in find_numbers(part)) or _is_seen(part):
            said = f"{part.path} holds a number that looks like a social security number."
            yield error("ssn", part.path, said, got=HIDDEN, expected="none")


def _is_seen(part: Part) -> bool:
    """Whether one shows once markup is resolved."""
    text = as_seen(part.text)
    return text is not None and any(True for _ in find_numbers(Part.of(part.path, text)))


def hide_numbers(found: Finding) -> Finding:
    """The finding without any such number that it repeats: reports are logged, and read by models."""
    told = {name: getattr(found, name) for name in ("path", "message", "got", "expected", "nearest_valid", "evidence")}
    hidden = {name: _hide(value) for name, value in told.items()}
    return replace(found, **hidden) if hidden != told else found


def _hide(value: Any) -> Any:
    if isinstance(value, str):
        return _hide_text(value)
    if isinstance(value, Mapping):
        return {_hide(key): _hide(inner) for key, inner in value.items()}
    return type(value)(map(_hide, value)) if isinstance(value, list | tuple) else value


def _hide_text(text: str) -> str:
    if not _NINE.match(text):
        return text
    part = Part.of("", text)
    spans = sorted(find_numbers(part), reverse=True)
    for start, end in spans:
        _, place = part.place(start, end)
        text = f"{text[: place['start']]}{HIDDEN}{text[place['end'] :]}"
    return text
