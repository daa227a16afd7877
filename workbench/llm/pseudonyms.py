"""Placeholders for what is personal in a request (PERSON_1, PHONE_2), and the way back, also piece by piece."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from workbench.llm.chat import Ask, Message
from workbench.llm.personal import ALL_LABELS, Place, parts, places, same, unescaped
from workbench.pii.roster import Roster

_DIGITS = 9
# A word begins after no letter or digit, or after an escape inside a JSON string.
_BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9a-fA-F]{4}))"
_CONTEXT = 6  # characters before a word that decide whether it is one
_NAMES = "|".join(ALL_LABELS)
_TOKEN = re.compile(rf"{_BEFORE}({_NAMES})\\?_([0-9]{{1,{_DIGITS}}})(?![A-Za-z0-9])", re.IGNORECASE)
_STARTS = "|".join(sorted({label[:end] for label in ALL_LABELS for end in range(1, len(label) + 1)}, reverse=True))
_OPEN = re.compile(rf"{_BEFORE}(?:(?:{_NAMES})\\?(?:_[0-9]{{0,{_DIGITS}}})?|{_STARTS})\Z", re.IGNORECASE)
_LONGEST = max(map(len, ALL_LABELS)) + _DIGITS + 2


class Hidden:
    """One request as it may leave the machine (``ask``), and the values behind its placeholders.

    A value has one placeholder in the whole request, however it is written, and is put back as it was written first.
    What looks like a placeholder in the request already is never used for another value, and stays as it is.
    """

    def __init__(self, ask: Ask, roster: Roster) -> None:
        self._values: dict[tuple[str, int], str] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._last: dict[str, int] = {}
        texts = [message.content for message in ask.messages]
        self._taken = {(found[1].upper(), int(found[2])) for text in texts for found in _TOKEN.finditer(text)}
        told = [self._told(text, spots) for text, spots in zip(texts, places(texts, roster), strict=True)]
        if self._values:
            messages = tuple(replace(one, content=text) for one, text in zip(ask.messages, told, strict=True))
            ask = replace(ask, messages=_explained(messages, self._examples()))
        self.ask = ask

    @property
    def count(self) -> int:
        """How many values are hidden."""
        return len(self._values)

    def restore(self, text: str, *, cut_off: bool = False) -> str:
        """The text with the values in place of their placeholders; ``cut_off`` as in `Restoring.end`."""
        going = Restoring(self)
        return going.feed(text) + going.end(cut_off=cut_off)

    def value(self, token: re.Match[str]) -> str:
        """What a placeholder stands for; itself, when it stands for nothing."""
        return self._values.get((token[1].upper(), int(token[2])), token[0])

    def _told(self, text: str, spots: Sequence[Place]) -> str:
        pieces, done = [], 0
        for place in spots:
            for left, right in parts(text, place):
                if right > done:
                    pieces += [text[done:left], self._placeholder(place.label, unescaped(text[left:right])[0])]
                    done = right
        return "".join([*pieces, text[done:]])

    def _placeholder(self, label: str, value: str) -> str:
        key = label, same(label, value)
        if key not in self._numbers:
            number = self._last.get(label, 0) + 1
            while (label, number) in self._taken:
                number += 1
            self._last[label] = self._numbers[key] = number
            self._values[label, number] = value
        return f"{label}_{self._numbers[key]}"

    def _examples(self) -> str:
        firsts = dict(reversed(self._values))
        return ", ".join(f"{label}_{number}" for label, number in firsts.items())


class Restoring:
    """Puts the values of ``hidden`` into a text that comes in pieces, each of which may end within a placeholder."""

    def __init__(self, hidden: Hidden) -> None:
        self._hidden = hidden
        self._before = ""  # the last characters that are out, as they came
        self._held = ""

    def feed(self, piece: str) -> str:
        """As much of the text so far as can no longer change."""
        self._held += piece
        text = self._before + self._held
        tail = _OPEN.search(text, max(len(self._before), len(text) - _LONGEST))
        return self._out(text, tail.start() if tail else len(text))

    def end(self, *, cut_off: bool = False) -> str:
        """The rest. ``cut_off``: the text did not end here, so a PERSON_1 may be half of PERSON_12 and stays."""
        if cut_off:
            rest, self._held = self._held, ""
            return rest
        text = self._before + self._held
        return self._out(text, len(text))

    def _out(self, text: str, to: int) -> str:
        pieces, done = [], len(self._before)
        for token in _TOKEN.finditer(text, done):
            if token.end() > to:
                break
            pieces += [text[done : token.start()], self._hidden.value(token)]
            done = token.end()
        pieces.append(text[done:to])
        self._before, self._held = text[max(0, to - _CONTEXT) : to], text[to:]
        return "".join(pieces)


def _explained(messages: tuple[Message, ...], examples: str) -> tuple[Message, ...]:
    """The conversation with the words that tell the model what a placeholder is, in its system message."""
    words = f"Words such as {examples} stand for real values. Copy them exactly as they are, and never make up another."
    first = messages[0]
    if first.role == "system":
        return replace(first, content=f"{first.content}\n\n{words}"), *messages[1:]
    return Message("system", words), *messages
