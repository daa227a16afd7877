"""The way in: every command file registers on `app`; errors become exit codes here and nowhere else."""

from __future__ import annotations

import sys

import typer

from workbench.cli import admin, datasets, demo, drill, ingest, query, search, show, smoke
from workbench.cli.app import app
from workbench.errors import WorkbenchError

COMMANDS = (ingest, datasets, query, search, demo, drill, smoke, admin)


def main(argv: list[str] | None = None) -> None:
    """Run ``lh``. Exit codes: 0 done, 1 refused or failed, 2 configuration or usage, 130 interrupted."""
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
    except Exception as error:  # click's usage errors have no public common base in typer
        code = show.usage_error(error)
        if code is None:
            raise
        sys.exit(code)
