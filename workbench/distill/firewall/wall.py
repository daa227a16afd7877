"""The wall that the texts of a row pass, or not: contamination first, then people, then what is left of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.distill.firewall.contamination import EvaluationSets
from workbench.distill.firewall.people import mask_people, replace_people
from workbench.pii import Kind, Span, find
from workbench.pii.roster import Roster, cover

PII_FOUND = "pii_found"
CONTAMINATED = "contaminated"
HALLUCINATED = "hallucinated_file_path"

_NOTHING = hashlib.sha256().hexdigest()
_SHORT, _MOST_SHORT = 200, 20_000  # characters; texts: task ids and errors repeat, so their masks are kept
_ID_OF_PERSON = re.compile(r"@|[0-9]{3}-[0-9]{2}-[0-9]{4}")
_IN_IDS = frozenset({Kind.EMAIL, Kind.SSN})
# A path with a folder and an ending, as a model cites it; a web address is none.
_PATH = re.compile(r"(?<![\w./:@-])(?:\./)?((?:[\w.-]+/)+[\w-]+\.[A-Za-z]{1,5})(?![\w/])")


@dataclass(frozen=True, slots=True)
class Passed:
    """The texts as they may leave; ``replaced`` values became placeholders."""

    texts: dict[str, str]
    replaced: int = 0


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why a row stays: the quarantine reason, one line for each find, never the value itself."""

    reason: str
    errors: tuple[str, ...]


@dataclass(frozen=True)
class Firewall:
    """What is declared: the people we know, the sets a model is judged by, and the files that exist.

    ``files``: paths of the repository that reviews speak of; with it, a text that cites a path which is none of them is
    stopped (hallucinated_file_path), without it none is. ``fingerprint`` is a SHA-256 of all that was declared: an
    export under another wall has another input.
    """

    roster: Roster = field(default_factory=Roster)
    evaluation: EvaluationSets = field(default_factory=EvaluationSets)
    files: frozenset[str] | None = None
    fingerprint: str = _NOTHING
    _short: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def declare(
        cls,
        people: Iterable[tuple[str, str]] = (),
        *,
        evaluation: Sequence[Path] = (),
        files: Iterable[str] | None = None,
    ) -> Firewall:
        """A wall from the roster's ``(kind, value)`` pairs, evaluation files and known paths, each optional.

        Raises what `EvaluationSets.read` raises: an evaluation set that cannot be read guards nothing.
        """
        known = sorted(set(people))
        sets = EvaluationSets.read(evaluation)
        paths = None if files is None else frozenset(_normal(path) for path in files)
        said = hashlib.sha256()
        for part in (*(f"{kind}\0{value}" for kind, value in known), sets.fingerprint, *sorted(paths or ())):
            said.update(hashlib.sha256(part.encode("utf-8", "surrogatepass")).digest())
        said.update(b"files" if paths is not None else b"")
        return cls(Roster(known), sets, paths, said.hexdigest())

    def judge(self, texts: Mapping[str, str], kept: Mapping[str, str] | None = None) -> Passed | Stopped:
        """The texts of one row, field by field, as they may leave; or why not.

        ``kept``: fields that must leave as they are (a run id that leads back to the source): a person's data there
        cannot be replaced.
        """
        if lines := [line for name, text in texts.items() for line in self._overlaps(name, text)]:
            return Stopped(CONTAMINATED, tuple(lines))
        if lines := [line for name, text in texts.items() for line in self._invented(name, text)]:
            return Stopped(HALLUCINATED, tuple(lines))
        names = list(texts)
        told = replace_people(list(texts.values()), self.roster)
        lines = [_named(line, names) for line in told.left]
        lines += [f"{name}: cannot be replaced" for name, text in (kept or {}).items() if self._identifies(text)]
        if lines:
            return Stopped(PII_FOUND, tuple(lines))
        return Passed(dict(zip(names, told.texts, strict=True)), told.count)

    def mask(self, value: Any) -> Any:
        """A JSON value as quarantine keeps it: every text in it with people and overlaps covered."""
        if isinstance(value, str):
            return self._masked(value)
        if isinstance(value, Mapping):
            return {name: self.mask(inner) for name, inner in value.items()}
        return [self.mask(inner) for inner in value] if isinstance(value, list | tuple) else value

    def _identifies(self, name: str) -> bool:
        """Whether an id names a person. Its numbers are times and counters, so only what cannot be one counts."""
        if self.roster.find(name):
            return True
        return bool(_ID_OF_PERSON.search(name)) and any(span.kind in _IN_IDS for span in find(name))

    def _masked(self, text: str) -> str:
        if len(text) > _SHORT:
            return self._covered(text)
        if text not in self._short:
            if len(self._short) >= _MOST_SHORT:
                self._short.clear()
            self._short[text] = self._covered(text)
        return self._short[text]

    def _covered(self, text: str) -> str:
        overlaps = self.evaluation.find(text)
        text = cover(text, (Span(one.start, one.end, Kind.NAME) for one in overlaps)) if overlaps else text
        return mask_people(text, self.roster)

    def _overlaps(self, name: str, text: str) -> Iterable[str]:
        for overlap in self.evaluation.find(text):
            yield f"{name}: characters {overlap.start} to {overlap.end} are in {overlap.name}"

    def _invented(self, name: str, text: str) -> Iterable[str]:
        if self.files is None or "/" not in text:
            return
        for path in sorted({_normal(match[1]) for match in _PATH.finditer(text)}):
            if path not in self.files:
                yield f"{name}: there is no {mask_people(path, self.roster)}"


def _normal(path: str) -> str:
    return path.removeprefix("./")


def _named(line: str, names: Sequence[str]) -> str:
    """``text 1: SSN at 14`` with the name of the field in place of its number."""
    number, _, rest = line.removeprefix("text ").partition(": ")
    return f"{names[int(number)]}: {rest}"
