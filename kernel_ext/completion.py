"""Completion in our cells and on our lines, and nowhere else: a matcher of IPython's completer (API version 2).

In a Python cell it says nothing; in ours it speaks alone, for what jedi makes of SQL is noise. It watches somebody
type: whatever goes wrong, the worst is that nothing is offered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from kernel_ext import arguments
from kernel_ext.arguments import Usage

if TYPE_CHECKING:
    from IPython.core.completer import CompletionContext, MatcherAPIv2, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

    from kernel_ext.session import Session
    from workbench.lake.sql.completion.complete import Candidate, Version
    from workbench.lake.sql.completion.facts import Facts
    from workbench.lake.sql.completion.scope import Field
    from workbench.session import Workbench

IDENTIFIER = "lakehouse"
PRIORITY = 1_000  # before all of IPython's own, so that none of them works in vain
SQL_MAGIC = "lhsql"
_CELL = re.compile(r"%%(?P<name>\w+)(?P<rest>[^\n]*)")
_LINE = re.compile(
    r"(?P<indent>[ \t]*)(?:[^\W\d][\w.]*(?:[ \t]*,[ \t]*[^\W\d][\w.]*)*[ \t]*=[ \t]*)?%(?P<name>lh\w*)[ \t]"
)
_WRAPPERS = frozenset({"time", "timeit", "capture", "prun"})  # cell magics that run their body as a cell
_ESCAPED = re.compile(r"[ \t]*(?:[\w., \t]*=[ \t]*)?[%!?]")
_STATEMENT = re.compile(r"(?:select|from|with|values)\b|\(|--\(|/\*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Ours:
    """A place of ours in a cell: characters ``start`` to ``end`` belong to the magic ``name``, as SQL or as a line."""

    name: str
    start: int
    end: int
    sql: bool


def matcher(session: Session) -> MatcherAPIv2:
    """What `shell.Completer.custom_matchers` takes."""
    from IPython.core.completer import context_matcher

    own = _Matcher(session)

    def complete_ours(context: CompletionContext) -> SimpleMatcherResult:
        return own.match(context)

    made: MatcherAPIv2 = context_matcher(priority=PRIORITY, identifier=IDENTIFIER)(complete_ours)
    return made


def add(shell: InteractiveShell, session: Session) -> None:
    """Complete in our cells from now on; a second time changes nothing."""
    remove(shell)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(matcher(session))


def remove(shell: InteractiveShell) -> None:
    """Complete in our cells no more."""
    if shell.Completer is not None:
        kept = [m for m in shell.Completer.custom_matchers if getattr(m, "matcher_identifier", "") != IDENTIFIER]
        shell.Completer.custom_matchers[:] = kept


class _Matcher:
    """Answers the completer of one shell."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.known = _Notebook(session)
        self.usages: dict[str, Usage] = {}

    def match(self, context: CompletionContext) -> SimpleMatcherResult:
        """The candidates at the cursor; none, and others may speak, where the place is not ours."""
        try:
            return self._match(context)
        except Exception:  # an observer must not break the observed
            self.session.shell.log.debug("completion failed", exc_info=True)
            return {"completions": [], "suppress": False}

    def _match(self, context: CompletionContext) -> SimpleMatcherResult:
        from IPython.core.completer import SimpleCompletion

        text = context.full_text
        at = offset(text, context.cursor_line, context.cursor_position)
        place = ours(text, at)
        found = self._candidates(text, at, place) if place is not None else None
        if found is None:
            return {"completions": [], "suppress": False}
        start = found[0].start if found else at
        shown = [SimpleCompletion(c.text, type=_kind(c)) for c in found]
        return {
            "completions": shown or _Silence(),
            "matched_fragment": text[start:at],
            "suppress": True,
            "ordered": True,
        }

    def _candidates(self, text: str, at: int, place: Ours) -> Sequence[Candidate] | None:
        from dataclasses import replace

        from workbench.lake.sql.completion.complete import complete

        self.known.begin()
        inside = text[place.start : place.end]
        if place.sql:
            found: Sequence[Candidate] | None = complete(inside, at - place.start, self.known)
        else:
            found = arguments.complete_line(
                inside, at - place.start, self._usage(place.name), self.known, lambda: self._outputs(text, place)
            )
            if not found and found is not None and place.name == SQL_MAGIC:
                found = self._first_words(inside, at - place.start)
        return None if found is None else [replace(c, start=c.start + place.start) for c in found]

    def _outputs(self, text: str, place: Ours) -> list[str]:
        """The columns that the statement after the options gives."""
        from workbench.lake.sql.completion.scope import output_fields

        return [f.name for f in output_fields(text[place.start + sql_at(text[place.start :]) :], self.known.fields)]

    def _first_words(self, line: str, at: int) -> Sequence[Candidate]:
        """The words that a statement begins with, where the options of ``%lhsql`` have ended."""
        from dataclasses import replace

        from workbench.lake.sql.completion.complete import complete

        word = re.search(r"(?:^|(?<=\s))[A-Za-z]*\Z", line[:at])
        if word is None or re.search(r"(?:--as|--save|-m|--message|--timeout|--limit)\s+\S*\Z", line[:at]):
            return ()
        return [replace(c, start=c.start + word.start()) for c in complete(word[0], len(word[0]), self.known)]

    def _usage(self, name: str) -> Usage:
        if name not in self.usages:
            magic = self.session.shell.magics_manager.magics["line"].get(name)
            home = type(getattr(magic, "__self__", None)).__module__
            if magic is None or not home.startswith("kernel_ext"):
                return Usage({}, ())
            self.usages[name] = arguments.usage(magic)
        return self.usages[name]


class _Silence(Sequence[Any]):
    """No candidate at all, and nobody else's: IPython lets other matchers speak for an empty list."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __getitem__(self, index: Any) -> Any:
        raise IndexError(index)


class _Notebook:
    """What completion knows: the lake, and the names of the notebook."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._wb: Workbench | None = None
        self._facts: Facts | None = None
        self._seen: dict[str, Any] | None = None  # the tables, looked up once for each completion

    def begin(self) -> None:
        """A new completion: look whether the notebook has moved to another lake."""
        from workbench.errors import WorkbenchError

        self._seen = None
        try:
            wb = self._session.wb
        except WorkbenchError:  # the next magic says why
            self._wb = self._facts = None
            return
        if wb is not self._wb:
            self.close()
            self._wb, self._facts = wb, self._open(wb)
        if self._facts:
            self._facts.begin()

    def close(self) -> None:
        """Stop what is looked up in the background."""
        if self._facts:
            self._facts.close()
        self._wb = self._facts = None

    def datasets(self) -> Sequence[str]:
        """Names of all datasets."""
        return self._facts.datasets() if self._facts else ()

    def fields(self, name: str, version: str) -> Sequence[Field] | None:
        """Columns of a dataset, else of a table of the notebook."""
        found = self._facts.fields(name, version) if self._facts else None
        if found is not None or version:
            return found
        written = next((n for n in self._tables() if n.lower() == name.lower()), None)
        return None if written is None else self._columns(self._session.shell.user_ns[written])

    def frames(self) -> Sequence[str]:
        """Names of results and DataFrames."""
        return sorted(self._tables())

    def matching(self, prefix: str) -> Sequence[Field]:
        """Columns of any dataset by the beginning of their names."""
        return self._facts.matching(prefix) if self._facts else ()

    def values(self, dataset: str, version: str, column: str) -> Sequence[str]:
        """The few distinct texts of a column."""
        return self._facts.values(dataset, version, column) if self._facts else ()

    def versions(self, dataset: str) -> Sequence[Version]:
        """Snapshots, newest first."""
        return self._facts.versions(dataset) if self._facts else ()

    def names(self) -> Sequence[str]:
        """Variables of the notebook that hold values."""
        shell, tables = self._session.shell, self._tables()
        hidden: Mapping[str, Any] = shell.user_ns_hidden
        return sorted(
            name
            for name, value in shell.user_ns.copy().items()
            if not (name.startswith("_") or name in hidden or name in tables)
            and not (callable(value) or isinstance(value, ModuleType))
        )

    def _tables(self) -> dict[str, Any]:
        if self._seen is None:
            self._seen = self._session.frames()
        return self._seen

    def _columns(self, value: Any) -> list[Field]:
        """The columns of a result, a relation or a DataFrame."""
        from workbench.lake.sql.completion.scope import Field, output_fields

        schema: Any = getattr(getattr(value, "table", value), "schema", None)
        if hasattr(schema, "field"):  # Arrow: a result's page, the table of hits
            return [Field(f.name, str(f.type)) for f in list(schema)]
        if hasattr(value, "snapshots"):  # a relation has not run: its text says
            return output_fields(value.sql, self.fields)
        return [Field(str(name)) for name in value.columns]  # pandas, polars

    @staticmethod
    def _open(wb: Workbench) -> Facts | None:
        from workbench.errors import WorkbenchError
        from workbench.lake.sql.completion.facts import Facts

        try:
            return Facts(wb.lake.queries)
        except WorkbenchError:
            return None


def offset(text: str, line: int, column: int) -> int:
    """The cursor as a number of characters from the beginning."""
    lines = text.split("\n")
    return sum(len(before) + 1 for before in lines[:line]) + column


def ours(text: str, at: int) -> Ours | None:
    """The place of ours that holds character ``at``, if one does."""
    start = len(text) - len(text.lstrip("\n"))  # IPython drops empty lines before a cell magic
    while (cell := _CELL.match(text, start)) and cell["name"] in _WRAPPERS:
        start = cell.end() + 1
    if cell is None:
        return _line(text, at)
    if cell["name"] != SQL_MAGIC:
        return _argued(cell, at) if cell["name"].startswith("lh") else None
    begins = cell.start("rest") + sql_at(cell["rest"])
    if at >= begins and begins < cell.end():
        return Ours(SQL_MAGIC, begins, len(text), sql=True)
    return _argued(cell, at) or (Ours(SQL_MAGIC, cell.end() + 1, len(text), sql=True) if at > cell.end() else None)


def _argued(cell: re.Match[str], at: int) -> Ours | None:
    """The options on the first line of a cell."""
    if cell.start("rest") < at <= cell.end():
        return Ours(cell["name"], cell.start("rest"), cell.end(), sql=False)
    return None


def _line(text: str, at: int) -> Ours | None:
    """One of our line magics in a Python cell."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at) if "\n" in text[at:] else len(text)
    found = _LINE.match(text, start, end)
    if found is None or at < found.end() or not _begins_statement(text[:start], found["indent"]):
        return None
    if found["name"] == SQL_MAGIC:
        begins = found.end() + sql_at(text[found.end() : end])
        if begins < end and at >= begins:
            return Ours(SQL_MAGIC, begins, end, sql=True)
    return Ours(found["name"], found.end(), end, sql=False)


def _begins_statement(before: str, indent: str) -> bool:
    """Whether Python begins a statement on the line after ``before``: not inside a string or brackets."""
    from IPython.core.inputtransformer2 import make_tokens_by_line

    # Other magics' lines are no Python; only where they stand matters.
    typed = before.splitlines(keepends=True)
    lines = [f"{line[: len(line) - len(line.lstrip())]}0\n" if _ESCAPED.match(line) else line for line in typed]
    by_line = make_tokens_by_line([*lines, f"{indent}lh_here\n"])
    number = len(lines) + 1
    return any(
        next((t.string for t in row if t.string.strip()), "") == "lh_here" and row and row[-1].start[0] >= number
        for row in by_line
    )


def sql_at(line: str) -> int:
    """Where the statement begins after the options of ``%lhsql``; the line's length where there is none."""
    return next((w.start for w in arguments.words(line) if _STATEMENT.match(w.text)), len(line))


def _kind(candidate: Candidate) -> str:
    """The type that a front end shows; of a snapshot also what it is."""
    return f"{candidate.kind} {candidate.detail}" if candidate.kind == "snapshot" else candidate.kind
