"""The application object, and what every command shares."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from workbench.cli import show
from workbench.errors import InvalidError
from workbench.session import Workbench, connect

app = typer.Typer(
    name="lh",
    help="Lakehouse Workbench: CSV files in, versioned tables, SQL answers and ranked workers out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

LakeOption = Annotated[
    str | None, typer.Option("--lake", help="Folder or s3://bucket/prefix; else LH_LAKE, else lakehouse.toml.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PiiOption = Annotated[bool, typer.Option("--show-pii", help="Do not mask names, phones and other personal data.")]


@contextmanager
def workbench(lake: str | None) -> Iterator[Workbench]:
    """The workbench that a command works on; its lake is named on stderr."""
    with connect(lake) as wb:
        show.lake_line(wb.settings.lake, wb.settings.origins["lake"])
        yield wb


def pairs(entries: list[str], option: str) -> dict[str, str]:
    """``["a=b"]`` as a dict. Raises InvalidError for an entry without '='."""
    out = {}
    for entry in entries:
        left, equals, right = entry.partition("=")
        if not equals or not left:
            raise InvalidError(f"{option} takes name=value, not {entry!r}.", hint=f"{option} column=value")
        out[left] = right
    return out


def params(entries: list[str]) -> dict[str, Any] | None:
    """``["n=5", "city=Chicago"]`` as bind parameters; JSON values where they parse, else text."""
    out: dict[str, Any] = {}
    for name, text in pairs(entries, "--param").items():
        try:
            out[name] = json.loads(text)
        except ValueError:
            out[name] = text
    return out or None
