"""The application object, what every command shares, and the one place that turns errors into exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from workbench.cli import show
from workbench.errors import InvalidError, WorkbenchError
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


def main(argv: list[str] | None = None) -> None:
    """Run ``lh``. Exit codes: 0 done, 1 refused or failed, 2 configuration or usage, 130 interrupted."""
    # Each of these files registers its commands on `app`.
    from workbench.cli import admin, datasets, demo, drill, ingest, query, search, smoke  # noqa: F401

    try:
        app(args=argv, standalone_mode=False)
    except WorkbenchError as error:
        if "--json" in (argv or sys.argv):
            show.json_out({"error": error.to_dict()})
        show.error(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        show.interrupted()
        sys.exit(130)
    except typer.Exit as done:
        sys.exit(done.exit_code)
    except typer.Abort:
        sys.exit(130)
    except BrokenPipeError:  # `lh sql … | head`
        sys.stderr.close()
        sys.exit(0)
    except Exception as error:  # noqa: BLE001 - click's usage errors have no public common base in typer
        code = show.usage_error(error)
        if code is None:
            raise
        sys.exit(code)
