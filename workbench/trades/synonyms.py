"""The operator's own words for trades: a file of ``phrase = "code, title or other phrase"``. It wins over all else."""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from workbench.errors import ConfigError, NotFoundError
from workbench.trades.dictionary import Dictionary
from workbench.trades.wording import fold, parts

_CODE = re.compile(r"\d\d-\d{4}(\.\d\d)?")
_HINT = 'A line says: "hi lo" = "53-7051" (a code), or = "forklift driver" (a title).'

Titles = Callable[[str], tuple[int, ...]]
"""Occupations that have a title, by their numbers; empty for a text that is no title."""


@dataclass(frozen=True, slots=True)
class Synonym:
    """One line of the file: what is written, what it means as written, and the occupations that are meant."""

    phrase: str
    means: str
    occupations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    phrase: str
    means: str


def read_synonyms(path: Path, dictionary: Dictionary, titles: Titles) -> dict[str, Synonym]:
    """The synonyms of a file (.toml, else CSV of two columns), by folded phrase.

    A phrase may mean an occupation's code, a title of the dictionary, or another phrase of the file. Raises ConfigError
    naming the line, with near matches, for what means nothing, for a phrase that comes twice or leads to itself, and
    for a file that cannot be read.
    """
    lines = _toml(path) if path.suffix.lower() == ".toml" else _csv(path)
    by_phrase: dict[str, _Line] = {}
    for line in lines:
        key = fold(line.phrase)
        if not key or not line.means.strip():
            raise _wrong(path, line.number, "a phrase and what it means are needed")
        if key in by_phrase:
            raise _wrong(path, line.number, f"{line.phrase!r} stands already in line {by_phrase[key].number}")
        by_phrase[key] = line
    return {key: Synonym(line.phrase, line.means, _meant(path, line, by_phrase, dictionary, titles))
            for key, line in by_phrase.items()}  # fmt: skip


def shorthand(dictionary: Dictionary, titles: Titles) -> dict[str, Synonym]:
    """The shipped short words of staffing ("RN", "PIT operator"), as ``read_synonyms``; the dictionary wins over it."""
    return read_synonyms(Path(__file__).parent / "data" / "shorthand.toml", dictionary, titles)


def _meant(
    path: Path, line: _Line, by_phrase: dict[str, _Line], dictionary: Dictionary, titles: Titles
) -> tuple[int, ...]:
    seen, means = {fold(line.phrase)}, line.means.strip()
    while not _CODE.fullmatch(means):
        key = fold(means)
        if key not in by_phrase:
            return titles(means) or _no_title(path, line, means, dictionary)
        if key in seen:
            raise _wrong(path, line.number, f"{line.phrase!r} leads back to {means!r}")
        seen.add(key)
        means = by_phrase[key].means.strip()
    try:
        return dictionary.with_code(means)
    except NotFoundError as error:
        raise _wrong(path, line.number, error.message.rstrip("."), hint=error.hint) from None


def _no_title(path: Path, line: _Line, means: str, dictionary: Dictionary) -> tuple[int, ...]:
    known = {fold(part): part.strip() for title in dictionary.titles for part in parts(title)}
    near = [known[key] for key in get_close_matches(fold(means), known, n=3, cutoff=0.75)]
    hint = f"Did you mean {' or '.join(near)}?" if near else _HINT
    raise _wrong(path, line.number, f"no occupation has the title {means!r}", hint=hint)


def _toml(path: Path) -> list[_Line]:
    text = _text(path)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML: {error}", hint=_HINT) from error
    out = []
    for phrase, means in table.items():
        number = _line_of(phrase, text)
        if not isinstance(means, str):
            raise _wrong(path, number, f"{phrase!r} means no text but {type(means).__name__}")
        out.append(_Line(number, phrase, means))
    return out


def _line_of(phrase: str, text: str) -> int:
    """Where a key stands: the TOML reader does not say."""
    key = re.compile(rf"""\s*\[*["']?{re.escape(phrase)}\b""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if key.match(line)), 1)


def _csv(path: Path) -> list[_Line]:
    out = []
    reader = csv.reader(_text(path).splitlines())
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#") or (reader.line_num == 1 and cells[0].casefold() == "phrase"):
            continue
        if len(cells) != 2:
            raise _wrong(path, reader.line_num, f"{len(cells)} columns instead of two (phrase, meaning)")
        out.append(_Line(reader.line_num, *cells))
    return out


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"The synonyms {path} cannot be read: {error.strerror}.", hint="See where it is.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"The synonyms {path} are not UTF-8 at byte {error.start:,}.", hint="Save as UTF-8."
        ) from None


def _wrong(path: Path, number: int, what: str, *, hint: str = _HINT) -> ConfigError:
    return ConfigError(f"{path}, line {number}: {what}.", hint=hint)
