"""Contamination: thirteen words in a row that also stand in a declared evaluation or acceptance set.

Words are runs of letters and digits without case, so that other blanks, punctuation and line ends hide nothing. The
length of thirteen is the convention of lm-evaluation-harness and of the GPT-3 report (Brown et al. 2020, appendix C).
A text of an evaluation set that is shorter than that counts when another text is the same, word by word.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import InvalidError, NotFoundError

GRAM = 13
"""Words of one gram."""

_WORD = re.compile(r"[^\W_]+")
_LEAST_WHOLE = 4  # words; "yes" is in every evaluation set


@dataclass(frozen=True, slots=True)
class Overlap:
    """Characters ``start`` to ``end`` (end excluded) of a text also stand in the evaluation set ``name``."""

    start: int
    end: int
    name: str


class EvaluationSets:
    """The grams of evaluation sets: ``(name of the set, text)``. The same texts in any order are the same sets."""

    def __init__(self, texts: Iterable[tuple[str, str]] = ()) -> None:
        self._words: dict[str, int] = {}
        self._grams: dict[tuple[int, ...], str] = {}
        self._wholes: dict[tuple[int, ...], str] = {}
        digests = set()
        for name, text in sorted(set(texts)):
            self._add(name, text)
            digests.add(hashlib.sha256(f"{name}\0{text}".encode("utf-8", "surrogatepass")).digest())
        self.fingerprint = hashlib.sha256(b"".join(sorted(digests))).hexdigest()

    @classmethod
    def read(cls, paths: Sequence[Path]) -> EvaluationSets:
        """The sets in these files, each named as its file: ``.jsonl`` and ``.json`` give every string in them, at any
        depth (keys are no text), any other file is one text per paragraph.

        Raises NotFoundError for a file that is not there, InvalidError for one that is no JSON or no UTF-8.
        """
        return cls((path.name, text) for path in paths for text in _texts(path))

    def __bool__(self) -> bool:
        return bool(self._grams or self._wholes)

    def find(self, text: str) -> tuple[Overlap, ...]:
        """Where the text overlaps, in order; overlaps that touch are one. Linear in the text."""
        if not self:
            return ()
        found = list(_WORD.finditer(text))
        known = [self._words.get(match[0].casefold(), -1) for match in found]
        if _LEAST_WHOLE <= len(known) < GRAM and (name := self._wholes.get(tuple(known))):
            return (Overlap(found[0].start(), found[-1].end(), name),)
        spans: list[Overlap] = []
        run = 0
        for place, word in enumerate(known):
            # A gram has none but known words: most words of a text end a run, and nothing is looked up.
            run = run + 1 if word >= 0 else 0
            if run >= GRAM and (name := self._grams.get(tuple(known[place - GRAM + 1 : place + 1]))):
                _grow(spans, Overlap(found[place - GRAM + 1].start(), found[place].end(), name))
        return tuple(spans)

    def _add(self, name: str, text: str) -> None:
        words = self._words
        ids = [words.setdefault(match[0].casefold(), len(words)) for match in _WORD.finditer(text)]
        if len(ids) < GRAM:
            if len(ids) >= _LEAST_WHOLE:
                self._wholes.setdefault(tuple(ids), name)
            return
        for place in range(len(ids) - GRAM + 1):
            self._grams.setdefault(tuple(ids[place : place + GRAM]), name)


def _grow(spans: list[Overlap], overlap: Overlap) -> None:
    if spans and overlap.start <= spans[-1].end:
        last = spans[-1]
        spans[-1] = Overlap(last.start, max(last.end, overlap.end), last.name)
    else:
        spans.append(overlap)


def _texts(path: Path) -> Iterator[str]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise NotFoundError(
            f"There is no evaluation set {path}.", hint="Name a file of JSON lines, JSON or text."
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidError(
            f"{path} is not UTF-8 at byte {error.start}.", hint="Save the evaluation set as UTF-8."
        ) from error
    if path.suffix == ".json":
        yield from _strings(_parsed(text, f"{path}"))
    elif path.suffix == ".jsonl":
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield from _strings(_parsed(line, f"{path} line {number}"))
    else:
        yield from (part for part in re.split(r"\n\s*\n", text) if part.strip())


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise InvalidError(
            f"{where} is no JSON: {error}.", hint="An evaluation set that cannot be read guards nothing; mend it."
        ) from error


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
