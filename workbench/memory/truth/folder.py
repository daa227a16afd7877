"""Where rules come from: the file of the package, and the files of the operator's folder."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from pathlib import Path

from workbench.errors import ConfigError
from workbench.memory.truth.book import RuleBook
from workbench.memory.truth.reading import SIZE_BYTES, read_rules
from workbench.memory.truth.rules import BUILT_IN, Rule

Stamp = tuple[tuple[str, int, int, int], ...]

_PACKAGED = Path(__file__).parents[1] / "data" / "truth.toml"


def read_book(folder: Path | None) -> RuleBook:
    """The rules that are built in, and those of every ``.toml`` file of the folder, by the names of the files.

    Raises ConfigError for a folder that is not there, a file that cannot be read or is no rules, and an id that is
    there already, naming both places.
    """
    built_in = read_rules(_PACKAGED.read_bytes(), BUILT_IN)
    return with_files(RuleBook(tuple(built_in)), rule_files(folder) if folder else ())


def with_files(book: RuleBook, files: Iterable[Path]) -> RuleBook:
    """The same rules and those of the files, in this order. Raises as `read_book`."""
    rules = list(book.rules)
    for file in files:
        rules += _read(file)
    seen: dict[str, Rule] = {}
    for rule in rules:
        first = seen.setdefault(rule.id.casefold(), rule)
        if first is not rule:
            raise ConfigError(
                f"{_place(rule)}: the id {rule.id!r} is there already, in {_place(first)}.",
                hint="Give the rule an id of its own; rules add to those that are built in, they replace none.",
            )
    return RuleBook(tuple(rules))


def stamp(folder: Path | None) -> Stamp:
    """What tells that a file of the folder was added, changed or taken away. Raises ConfigError as `read_book`."""
    if folder is None:
        return ()
    return tuple(
        (entry.name, entry.stat().st_mtime_ns, entry.stat().st_size, entry.stat().st_ino) for entry in _entries(folder)
    )


def rule_files(folder: Path) -> list[Path]:
    """The files of rules of a folder, by name: those that end in .toml and are not hidden. Raises as `read_book`."""
    return [folder / entry.name for entry in _entries(folder)]


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            entries = [one for one in found if one.name.casefold().endswith(".toml") and not one.name.startswith(".")]
    except OSError as error:
        raise ConfigError(
            f"The folder of rules {folder} cannot be read: {error.strerror}.",
            hint=f"Make it, or name another: mkdir -p {shlex.quote(str(folder))}, or the setting truth_folder.",
        ) from None
    for entry in entries:
        if not entry.is_file():
            raise ConfigError(
                f"{folder / entry.name} is no file.", hint=f"See what it is: ls -l {shlex.quote(str(folder))}"
            )
    return sorted(entries, key=lambda entry: entry.name)


def _read(file: Path) -> list[Rule]:
    try:
        with file.open("rb") as opened:
            data = opened.read(SIZE_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"The rules {file} cannot be read: {error.strerror}.", hint=f"ls -l {shlex.quote(str(file))}"
        ) from None
    return read_rules(data, str(file))


def _place(rule: Rule) -> str:
    if rule.file == BUILT_IN:
        return "the rules that are built in"
    return f"{rule.file}, line {rule.line}" if rule.line else rule.file
