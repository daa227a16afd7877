"""A message, field by field and as one plain text in which every place is still known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.pii.plain import to_plain

_PLAIN = (str, int, float)
_OWN = ("to", "subject", "body", "kind", "_context")


@dataclass(frozen=True, slots=True)
class Part:
    """A text of a message: subject and body together, or another field. ``plain`` is its plain form, ``low`` that in
    lower case; ``cut``: where the body begins in ``text``; ``lead``: where the field does, behind its name.
    """

    path: str
    text: str
    plain: str
    low: str
    offsets: tuple[int, ...] | None
    cut: int = 0
    lead: int = 0

    @classmethod
    def of(cls, path: str, text: str, cut: int = 0, lead: int = 0) -> Part:
        """The part of a text."""
        plain, offsets = to_plain(text)
        # İ is the one letter that grows in lower case, and the places must stay the same.
        low = plain.replace("İ", "I").lower()
        return cls(path, text, plain, low, None if offsets is None else tuple(offsets), cut, lead)

    def place(self, start: int, end: int) -> tuple[str, dict[str, Any]]:
        """(path, {"start", "end"}) of a place in the plain text: characters of the field as it was written."""
        first, last = (start, end) if self.offsets is None else (self.offsets[start], self.offsets[end - 1] + 1)
        if not self.cut:
            return self.path, {"start": max(first - self.lead, 0), "end": max(last - self.lead, 0)}
        if first < self.cut:
            return "subject", {"start": first, "end": min(last, self.cut - 1)}
        return "body", {"start": first - self.cut, "end": last - self.cut}


def main_part(subject: str, body: str) -> Part:
    """Subject and body as one text: "SSN" in the one and the number in the other belong together."""
    return Part.of("body", f"{subject}\n{body}" if subject else body, len(subject) + 1 if subject else 0)


def parts(artifact: Mapping[str, Any], main: Part) -> Iterator[Part]:
    """The main part, then every other text and number of the artifact under its name: attachments leak too."""
    yield main
    if isinstance(to := artifact.get("to"), str):
        yield Part.of("to", to)
    yield from named_parts({key: value for key, value in artifact.items() if key not in _OWN})


def named_parts(value: Any, only: re.Pattern[str] | None = None) -> Iterator[Part]:
    """Every text and number of a JSON value, each as ``name: value``, for a name can say what it is:
    ``{"ssn": 219099999}``. The name of a field that holds neither is a text of its own.

    ``only``: just those that it matches from their beginning; to look takes far less time than to make a part.
    """
    yield from _parts(value, "", "", only)


def _parts(value: Any, path: str, name: str, only: re.Pattern[str] | None) -> Iterator[Part]:
    if _is_plain(value):
        lead = f"{name}: " if name else ""
        if only is None or only.match(f"{lead}{value}"):
            yield Part.of(path, f"{lead}{value}", lead=len(lead))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if only is not None and isinstance(inner, str) and not only.match(f"{key}: {inner}"):
                continue  # nearly all there is
            if not _is_plain(inner):
                yield Part.of(f"{path or 'artifact'} (the name of a field)", str(key))
            yield from _parts(inner, f"{path}.{key}" if path else str(key), str(key), only)
    elif isinstance(value, list | tuple):
        for n, inner in enumerate(value):
            yield from _parts(inner, f"{path}[{n}]", name, only)


def _is_plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) and not isinstance(value, bool)
