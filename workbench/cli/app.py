"""The application object, and what every command shares."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from workbench import __version__
from workbench.cli import show
from workbench.errors import InvalidError

if TYPE_CHECKING:
    from workbench.session import Workbench

# Command → its file and what `lh --help` says of it. A file is loaded when one of its commands is called, so that
# no command waits for the engines of another; a test holds these lines equal to the commands' own first lines.
COMMANDS = {
    "demo": ("demo", "Make a staffing agency's data as CSV, load it, search it, and show the first answers."),
    "ingest": ("ingest", "Load a file into a dataset as a new snapshot: typed, checked, tagged, all or nothing."),
    "ls": ("datasets", "List the datasets."),
    "sql": ("query", "Ask the lake in SQL: read-only, personal data masked."),
    "search": ("search", "Find the best rows for a query in plain words, each with the reason."),
    "why": ("why", "Say why a row is not among the hits of a search, and the smallest change that would bring it in."),
    "order": (
        "order",
        "Read a client's order and rank the workers who may fill it: papers, bookings and bans checked.",
    ),
    "history": (
        "history",
        "Show the last searches, or calls of models, runs of the loop, looks at personal data; the newest first.",
    ),
    "index": ("search", "Take in what is new in a dataset, so that the next search is fast at once."),
    "role": ("role", "Say which trade a role text means, and how that is known."),
    "chat": ("chat", "Ask a model once and print its answer; - reads the question from stdin."),
    "models": ("models", "List who provides models, what each lacks and may see, and the models of this machine."),
    "embed": ("embed", "Print the vectors of texts as JSON: the model, its dimension, and a vector per text."),
    "eval": (
        "evaluate",
        "Measure search on labelled queries: hybrid beside its arms, with the noise; choose its weights by that.",
    ),
    "describe": ("datasets", "Show what the catalog knows of a dataset; with options, say more of it."),
    "profile": ("datasets", "Facts of every column: nulls, distinct values, range, most common values."),
    "check": ("check", "Check what a dataset is expected to hold; exit 1 when something does not."),
    "export": ("query", "Write a dataset or an answer to a file, whole or not at all; personal data masked."),
    "rejects": ("ingest", "Rows that ingests set aside: where, why, and their raw text; mend and replay them."),
    "snapshots": ("datasets", "All versions of a dataset, newest first."),
    "diff": ("datasets", "What changed between two versions: counts, columns, changed rows."),
    "restore": ("datasets", "Make an older version the newest, as a new snapshot; nothing is lost."),
    "compact": ("datasets", "Rewrite a dataset's many files as one."),
    "expire": ("datasets", "Give up old versions and the files that only they need."),
    "validate": (
        "validate",
        "Judge a proposed fill, email or playbook by roster and records; exit 1 when it is refused.",
    ),
    "shortlist": ("desk", "Put workers on the shortlist of an order, take them off, or show who is on it."),
    "outcome": (
        "desk",
        "Record what became of a worker for an order, judged again first; without an outcome, show what is recorded.",
    ),
    "saved": ("desk", "List the saved searches, run one, save one, or drop one."),
    "rules": (
        "rules",
        "List the truth rules in force, check a file of rules, or try the rules on a task; exit 1 when they refuse it.",
    ),
    "iterate": (
        "iterate",
        "Let a model propose and the validators decide, until it passes or the budget ends; exit 1 when it is refused.",
    ),
    "distill": ("distill", "Make training data of run logs: collect, score, export, audit, replay, review."),
    "run": (
        "run",
        "Run a notebook from top to bottom in a kernel of its own; a failing cell is named and ends it.",
    ),
    "config": ("admin", "Every setting, its value and where it comes from."),
    "doctor": ("admin", "What is missing or broken, and the command that mends it; exit 1 when something required is."),
    "drill": (
        "drill",
        "Kill writers at random points and prove that the lake lost nothing. Runs on a lake of its own.",
    ),
    "smoke": (
        "smoke",
        "Run the predecessors' gates, each on a lake of its own; exit 1 when one of them does not pass.",
    ),
}


class Commands(TyperGroup):
    """The commands by the table: listed from it, loaded when called."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command if it is loaded, else its name and line for the list."""
        found = super().get_command(ctx, cmd_name)
        return _listed(cmd_name) if found is None and cmd_name in COMMANDS else found

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Load the file of the command that is called."""
        if args and args[0] in COMMANDS:
            import_module(f"workbench.cli.{COMMANDS[args[0]][0]}")
            self.commands = typer.main.get_group(app).commands
        else:  # a wrong name is told with the nearest of all names
            self.commands = {name: _listed(name) for name in COMMANDS}
        return super().resolve_command(ctx, args)


def _listed(name: str) -> TyperCommand:
    return TyperCommand(name, callback=None, help=COMMANDS[name][1])


app = typer.Typer(
    name="lh",
    cls=Commands,
    help="Lakehouse Workbench: CSV files in, versioned tables, SQL answers and ranked workers out.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

LakeOption = Annotated[
    str | None, typer.Option("--lake", help="Folder or s3://bucket/prefix; else LH_LAKE, else lakehouse.toml.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PiiOption = Annotated[bool, typer.Option("--show-pii", help="Do not mask names, phones and other personal data.")]


def _version(asked: bool) -> None:
    if asked:
        show.line(f"lh {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Lakehouse Workbench: CSV files in, versioned tables, SQL answers and ranked workers out."""


def run(args: list[str]) -> int:
    """Run one command line; its exit code. Raises what the command raises, KeyboardInterrupt and BrokenPipeError too.

    Typer's own way to run would turn an interrupt, an exit code and a broken pipe into return values.
    """
    command = typer.main.get_command(app)
    try:
        with command.make_context("lh", args) as context:
            command.invoke(context)
    except typer.Exit as done:
        return done.exit_code
    except typer.Abort:
        raise KeyboardInterrupt from None
    return 0


@contextmanager
def workbench(lake: str | None) -> Iterator[Workbench]:
    """The workbench that a command works on; its lake is named on stderr."""
    from workbench.session import connect

    with connect(lake, door="cli") as wb:
        show.lake_line(wb.settings.lake, wb.settings.origins["lake"])
        yield wb


def pairs(entries: list[str] | None, option: str, form: str = "column=value") -> dict[str, str]:
    """``["a=b"]`` as a dict. Raises InvalidError for an entry without '=', and for a name given twice."""
    out: dict[str, str] = {}
    for entry in entries or []:
        left, equals, right = entry.partition("=")
        if not equals or not left:
            raise InvalidError(f"{option} takes {form}, not {entry!r}.", hint=f"{option} {form}")
        if left in out:
            raise InvalidError(f"{option} names {left} twice.", hint="Keep one of them.")
        out[left] = right
    return out


def params(entries: list[str] | None) -> dict[str, Any] | None:
    """``["n=5", "city=Chicago"]`` as bind parameters; JSON values where they parse, else text."""
    out: dict[str, Any] = {}
    for name, text in pairs(entries, "--param", "name=value").items():
        try:
            out[name] = json.loads(text)
        except ValueError:
            out[name] = text
    return out or None
