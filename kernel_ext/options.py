"""The options of a magic: read as a shell would, wrong ones told with a near match, ``--help`` for each."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from workbench.errors import InvalidError

_HELP = {"-h", "--help", "-?"}
_OPEN = "create insert update delete drop alter copy attach detach set call pragma"
# Words that begin a statement: what stands before the first of them on the line are options.
_STARTS = frozenset(
    ("select from with values table describe desc summarize pivot unpivot show explain " + _OPEN).split()
)
# A token as a shell reads it: runs of quoted and bare text without a space between them.
_TOKEN = re.compile(r"""\s*(?P<token>(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+)""")


class Options:
    """What a magic understands on its line.

    >>> options = Options("%lhdemo", "Show how options are read.")
    >>> options.add("dataset")
    >>> options.add("-k", type=int, default=10)
    >>> options.read("workers -k 3")
    Namespace(dataset='workers', k=3)
    """

    def __init__(self, name: str, about: str, *, epilog: str = "", mixed: bool = False) -> None:
        self._mixed = mixed  # the words of an argument may stand before, between and after the options
        self._parser = _Parser(
            prog=name if name.startswith("%") else f"%{name}",
            description=about,
            epilog=epilog,
            add_help=False,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def add(self, *names: str, **about: Any) -> None:
        """One option or argument, as argparse's ``add_argument`` takes it."""
        self._parser.add_argument(*names, **about)

    def read(self, line: str) -> argparse.Namespace | None:
        """The options on a line; None after ``--help`` was answered.

        Quotes work as in a shell. Raises InvalidError with the near match, or with the usage.
        """
        words = _words(line, self._parser)
        if _HELP & set(words):
            sys.stdout.write(self.help())
            return None
        if not self._mixed:
            return self._parser.parse_args(words)
        # argparse would make this text itself, and forget that our names hold a percent sign.
        self._parser.usage = self._parser.usage or self._parser.format_usage()[len("usage: ") :].replace("%", "%%")
        return self._parser.parse_intermixed_args(words)

    def read_sql(self, line: str) -> tuple[argparse.Namespace | None, str]:
        """Options, and the statement that follows them on the line, as typed: its quotes are SQL's own.

        Raises as `read` does, and InvalidError for an option behind the statement.
        """
        at = _sql_at(line)
        # After the statement an option would be a comment of SQL's, and nobody would know.
        if late := next((word for word in _tokens(line, at) if self._parser.knows(word)), None):
            raise InvalidError(
                f"{self._parser.prog}: {late} stands after the statement.",
                hint=f"Options come first: {self._parser.prog} {late} … {line[at:].split(maxsplit=1)[0]} …",
            )
        return self.read(line[:at]), line[at:].strip()

    def help(self) -> str:
        """What ``--help`` shows."""
        return self._parser.format_help()


class _Parser(argparse.ArgumentParser):
    """argparse that raises instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"unrecognized arguments: (.*)", message, re.DOTALL)
        option = re.match(r"argument ([^\s:]+): ", message)
        hint = (unknown and self._near(unknown[1])) or (option and self._takes(option[1]))
        raise InvalidError(f"{self.prog}: {message}.", hint=hint or " ".join(self.format_usage().split()))

    def knows(self, word: str) -> bool:
        """Whether a word is one of the options."""
        return word.startswith("--") and word in self._option_string_actions

    def _takes(self, option: str) -> str:
        """What an option takes, as ``--help`` says it."""
        name = option.partition("/")[0]
        action = next((action for action in self._actions if name in action.option_strings), None)
        return f"{name}: {action.help}. {self.prog} --help lists the options." if action and action.help else ""

    def _near(self, said: str) -> str:
        """What an unknown word may have meant; empty where nothing is near."""
        word = said.partition(" ")[0]
        if self.prog == "%lhsql" and not word.startswith("-"):
            if word.casefold() in _STARTS:
                return f"SQL stands without quotes around it: {self.prog} {said}"
            start = get_close_matches(word.casefold(), _STARTS, n=1, cutoff=0.6)
            return f"Did you mean {start[0].upper()}?" if start else f"SQL begins with SELECT, FROM or WITH: {said}"
        known = [name for action in self._actions for name in action.option_strings]
        near = get_close_matches(word.partition("=")[0], known, n=1, cutoff=0.6)
        return f"Did you mean {near[0]}? {self.prog} --help lists the options." if near else ""


def _words(line: str, parser: argparse.ArgumentParser) -> Sequence[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise InvalidError(
            f"{parser.prog}: {str(error).lower()} in {line.strip()!r}.", hint="Close the quote, or leave it out."
        ) from None


def _sql_at(line: str) -> int:
    """Where the statement begins on the line of a magic; its length where there is none."""
    for found in _TOKEN.finditer(line):
        token = found["token"]
        if token.casefold() in _STARTS or token.startswith(("(", "/*")):
            return found.start("token")
    return len(line)


def _tokens(line: str, at: int) -> Iterator[str]:
    return (found["token"] for found in _TOKEN.finditer(line, at))
