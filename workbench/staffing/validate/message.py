"""A message, field by field and as one plain text in which every place is still known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.pii.plain import to_plain

_OWN = ("to", "subject", "body", "kind", "_context")


@dataclass(frozen=True, slots=True)
class Part:
    """A text of a message: subject and body together, or another field. ``plain`` is its plain form, ``low`` that in
    lower case; ``cut``: where the body begins in ``text``.
    """

    path: str
    text: str
    plain: str
    low: str
    offsets: tuple[int, ...] | None
    cut: int = 0

    @classmethod
    def of(cls, path: str, text: str, cut: int = 0) -> Part:
        """The part of a text."""
        plain, offsets = to_plain(text)
        # İ is the one letter that grows in lower case, and the places must stay the same.
        low = plain.replace("İ", "I").lower()
        return cls(path, text, plain, low, None if offsets is None else tuple(offsets), cut)

    def place(self, start: int, end: int) -> tuple[str, dict[str, Any]]:
        """(path, {"start", "end"}) of a place in the plain text: characters of the field as it was written."""
        first, last = (start, end) if self.offsets is None else (self.offsets[start], self.offsets[end - 1] + 1)
        if not self.cut:
            return self.path, {"start": first, "end": last}
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
    for key, value in artifact.items():
        if key not in _OWN:
            yield from (Part.of(path, text) for path, text in _texts(str(key), str(key), value))


def _texts(path: str, name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(f"{path}.{key}", str(key), inner)
    elif isinstance(value, list | tuple):
        for n, inner in enumerate(value):
            yield from _texts(f"{path}[{n}]", name, inner)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield path, f"{name}: {value}"
