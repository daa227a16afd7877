"""What can stand at the cursor on the line of a magic: its options, their values, datasets, conditions.

A magic is asked for its ``--help`` once: that says its options and what each takes (DATASET, SQL, {df,pl,arrow}).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.lake.sql.completion.complete import Candidate, Known

_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*(?:"|\Z)|'[^']*(?:'|\Z)|\\.|[^\s"'\\])+""")
_FLAG = re.compile(r"(?P<name>--?[A-Za-z][\w-]*)(?:[ =](?P<takes>\{[^}]*\}|\S+))?")
_DATASETS = frozenset({"dataset", "datasets", "ref", "old", "new", "name", "verb"})
_FILES = frozenset({"file", "files", "path", "paths", "csv"})
_CONDITIONS = frozenset({"sql", "condition", "where"})
_COLUMNS = frozenset({"column", "columns", "key", "keys", "by"})
_KINDS = ("bar", "line", "scatter", "hist")
_VARIABLES = frozenset({"variable"})
_ARTIFACTS = ("fill", "email", "playbook")
_VALUES = frozenset({"city", "state", "role"})  # options named after the column whose values they take


@dataclass(frozen=True, slots=True)
class Usage:
    """What a magic understands: option → what it takes ('' for nothing), and its arguments' names, in lower case."""

    options: dict[str, str]
    arguments: tuple[str, ...]
    verbs: tuple[str, ...] = ()  # the words that an argument VERB takes


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a line: where it starts, and its text as typed, quotes included."""

    start: int
    text: str

    @property
    def plain(self) -> str:
        """The word without its quotes."""
        return self.text.strip("\"'")


def usage(magic: Callable[[str], object]) -> Usage:
    """What the magic says of itself."""
    said = io.StringIO()
    with redirect_stdout(said):
        magic("--help")
    found = read_usage(said.getvalue())
    return replace(found, options={**found.options, "--help": ""})


def read_usage(text: str) -> Usage:
    """The options and arguments of an argparse help text."""
    options: dict[str, str] = {}
    arguments: list[str] = []
    verbs: tuple[str, ...] = ()
    section = ""
    for line in text.splitlines():
        if line and not line.startswith(" "):
            section = line.rstrip(":")
        head = re.split(r"\s{2,}", line.strip())[0]
        if not line.startswith("  ") or not head or line.startswith("     "):
            continue
        if head.startswith("-"):
            found = list(_FLAG.finditer(head))
            takes = next((f["takes"].strip(",") for f in found if f["takes"]), "")
            options |= {f["name"]: takes for f in found}
        elif section.startswith("positional"):
            arguments.append(head.split()[0].lower())
            if arguments[-1] == "verb":
                verbs = tuple(w for w in line.split()[1:] if w.endswith(","))
    return Usage(options, tuple(arguments), tuple(w.strip(",") for w in verbs))


def words(line: str) -> list[Word]:
    """The words of a line as a shell reads them; a quote that is open goes on to the end."""
    return [Word(found.start(), found[0]) for found in _WORD.finditer(line)]


def complete_line(
    line: str, at: int, takes: Usage, known: Known, outputs: Callable[[], Sequence[str]]
) -> list[Candidate] | None:
    """What can stand at character ``at`` of what follows a magic's name; None where a file is meant.

    ``outputs``: the columns of the magic's statement, which ``--plot bar x y`` takes.
    """
    return _Line(line, at, takes, known, outputs).found()


class _Line:
    """One line with its cursor."""

    def __init__(self, line: str, at: int, takes: Usage, known: Known, outputs: Callable[[], Sequence[str]]) -> None:
        self.line, self.at, self.takes, self.known, self.outputs = line, at, takes, known, outputs
        every = words(line)
        self.current = next((w for w in every if w.start < at <= w.start + len(w.text)), Word(at, ""))
        self.before = [w for w in every if w.start + len(w.text) <= at and w is not self.current]
        self.every = every

    def found(self) -> list[Candidate] | None:
        from workbench.lake.sql.completion.complete import Candidate

        fragment = self.line[self.current.start : self.at]
        last = self.before[-1].text if self.before else ""
        if fragment.startswith("-"):
            given = {w.text for w in self.every if w is not self.current}
            names = [n for n in self.takes.options if n.startswith(fragment) and n not in given]
            return [Candidate(n, "option", self.current.start, self.takes.options[n]) for n in names]
        drawn = self._drawn()
        if drawn is not None:
            return list(self._plain(self.outputs() if drawn else _KINDS, "column" if drawn else "value"))
        if self.takes.options.get(last):
            return self._value(last.lstrip("-"), self.takes.options[last])
        return self._argument()

    def _argument(self) -> list[Candidate] | None:
        """What stands where no option is: by the argument whose turn it is."""
        given, skipped = 0, False
        for word in self.before:
            given += not (skipped or word.text.startswith("-"))
            skipped = not skipped and bool(self.takes.options.get(word.text))
        if not self.takes.arguments:
            return []
        name = self.takes.arguments[min(given, len(self.takes.arguments) - 1)]
        if name in _FILES:
            return None
        if name == "expectation":
            return self._expectation()
        if name in _VARIABLES or name == "kind":
            return list(self._plain(self.known.names() if name in _VARIABLES else _ARTIFACTS, "value"))
        verbs = list(self._plain(self.takes.verbs, "keyword")) if name == "verb" else []
        return verbs + (list(self._datasets()) if name in _DATASETS else [])

    def _expectation(self) -> list[Candidate]:
        """``unique(worker_id)``: its name, and inside its brackets columns."""
        from workbench.lake.expectations import FORMS
        from workbench.lake.sql.completion.complete import Candidate

        typed = re.split(r"""["' ,(]""", self.line[self.current.start : self.at])[-1]
        inside = "(" in self.line[self.current.start : self.at]
        fields = (self.known.fields(self._dataset(), "") or ()) if inside else ()
        names = [(f.name, "column") for f in fields] if inside else [(f"{form}(", "function") for form in FORMS]
        return [Candidate(n, kind, self.at - len(typed)) for n, kind in names if n.lower().startswith(typed.lower())]

    def _value(self, option: str, takes: str) -> list[Candidate] | None:
        """The value of an option, by what its help says that it takes."""
        kind = takes.lower()
        if takes.startswith("{"):
            return list(self._plain(takes.strip("{}").split(","), "value"))
        if kind in _FILES:
            return None
        if kind in _CONDITIONS or option in _CONDITIONS:
            return self._condition()
        if kind == "expectation":
            return self._expectation()
        if kind in _VARIABLES:
            return list(self._plain(self.known.names(), "value"))
        if option in _COLUMNS or kind.partition("=")[0] in _COLUMNS:
            fields = self.known.fields(self._dataset(), "") or ()
            return list(self._plain([f.name + "=" * ("=" in kind) for f in fields], "column", listed="," in kind))
        if option in _VALUES:
            return list(self._plain(self.known.values(self._dataset(), "", option), "value"))
        return list(self._datasets()) if kind in _DATASETS else []

    def _drawn(self) -> int | None:
        """How many words of ``--plot KIND X Y`` stand before the cursor; None where it takes no more."""
        given = [w.text for w in self.before]
        if "--plot" not in given:
            return None
        after = given[given.index("--plot") + 1 :]
        return len(after) if len(after) < 3 and not any(w.startswith("-") for w in after) else None

    def _datasets(self) -> Iterator[Candidate]:
        """Datasets and, after ``workers@``, their versions."""
        from workbench.lake.sql.completion.complete import Candidate

        name, at, version = self.line[self.current.start : self.at].partition("@")
        if not at:
            yield from self._plain(self.known.datasets(), "table")
            return
        for one in self.known.versions(name):
            if str(one.number).startswith(version):
                yield Candidate(str(one.number), "snapshot", self.at - len(version), one.line)

    def _condition(self) -> list[Candidate]:
        from workbench.lake.sql.completion.complete import complete_condition

        text = self.current.text
        quoted = text[:1] in {'"', "'"}
        inside = text[1:].removesuffix(text[0]) if quoted and len(text) > 1 else text[quoted:]
        base = self.current.start + quoted
        found = complete_condition(inside, self.at - base, self._dataset(), self.known)
        return [replace(c, start=c.start + base) for c in found]

    def _dataset(self) -> str:
        """The dataset that the line speaks of."""
        for option, value in zip(self.every, self.every[1:], strict=False):
            if self.takes.options.get(option.text, "").lower() in _DATASETS and option.text.startswith("--"):
                return value.plain
        if set(self.takes.arguments) & _DATASETS:
            return next((w.plain for w in self.every if not w.text.startswith("-")), "workers")
        return "workers"

    def _plain(self, names: Sequence[str], kind: str, *, listed: bool = False) -> Iterator[Candidate]:
        """Names that begin as typed, quoted for the shell where they need it; ``listed``: after the last comma."""
        from workbench.lake.sql.completion.complete import Candidate

        if listed and "," in (said := self.line[self.current.start : self.at]):
            last = said.rpartition(",")[2]
            yield from (Candidate(n, kind, self.at - len(last)) for n in names if n.lower().startswith(last.lower()))
            return
        fragment = self.line[self.current.start : self.at]
        quote = fragment[:1] if fragment[:1] in {'"', "'"} else ""
        closed = bool(quote) and self.current.text.endswith(quote) and len(self.current.text) > 1
        for name in names:
            if not name.lower().startswith(fragment[len(quote) :].lower()):
                continue
            if closed:
                yield Candidate(name, kind, self.current.start + 1)
            elif quote or re.search(r"[^\w@.:,=+-]", name):
                mark = quote or ("'" if '"' in name else '"')
                yield Candidate(f"{mark}{name}{mark}", kind, self.current.start)
            else:
                yield Candidate(name, kind, self.current.start)
