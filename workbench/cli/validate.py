"""``lh validate``: a fill, a message or a playbook judged before anybody acts on it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, app, workbench
from workbench.errors import InvalidError, NotFoundError

if TYPE_CHECKING:
    from workbench.staffing.validate.report import Finding, Report

_MARKS = {"error": ("✗", "bold red"), "warning": ("!", "yellow"), "info": ("·", "dim")}


@app.command()
def validate(
    kind: Annotated[str, typer.Argument(help="fill, email or playbook.")],
    file: Annotated[str, typer.Argument(help="A JSON file with the artifact; - reads it from stdin.")],
    context: Annotated[
        Path | None, typer.Option(help='A JSON file: {"target_count", "role", "city", "client_id", …}.')
    ] = None,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Judge a proposed fill, email or playbook by roster and records; exit 1 when it is refused."""
    from workbench.staffing.validate.judge import check_kind

    check_kind(kind)
    artifact = read_json(file)
    asked = read_json(str(context)) if context else None
    with workbench(lake) as wb:
        report = wb.validate(kind, artifact, asked)
    show.json_out(report.to_dict()) if as_json else told(report)
    if not report.ok:
        raise typer.Exit(1)


def read_json(file: str) -> Any:
    """The JSON of a file, or of stdin for ``-``. Raises NotFoundError, and InvalidError with the place of the fault."""
    name = "stdin" if file == "-" else file
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_once, parse_constant=_refused)
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {file}.", hint="lh validate fill FILE, or - for stdin") from None
    except OSError as problem:
        raise InvalidError(f"{file} cannot be read: {problem.strerror}.", hint="Give a JSON file.") from None
    except UnicodeDecodeError:
        raise InvalidError(f"{name} is not UTF-8 text.", hint="iconv -t UTF-8 FILE") from None
    except ValueError as problem:
        raise InvalidError(f"{name} is not JSON: {problem}.", hint='{"fills": [{"candidate_id", "name"}]}') from None
    except RecursionError:
        raise InvalidError(f"{name} is nested too deep.", hint="Give the artifact itself.") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, unless a key stands in it twice: who reads the file next may take the other value for the judged."""
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise ValueError(f"the key {name!r} stands twice in one object")
        made[name] = value
    return made


def _refused(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def told(report: Report) -> None:
    """A line per finding, errors first as they were found, and what the verdict stands for."""
    for found in report.findings:
        _line(found)
    refused = sum(found.severity == "error" for found in report.findings)
    verdict = f"refused, {refused} {'error' if refused == 1 else 'errors'}" if refused else "passed"
    show.line(f"{report.kind}: {verdict}")
    if report.verdict:
        read = " · ".join(one for one in (report.verdict.roster, *report.verdict.snapshots) if one)
        show.remark(f"artifact {report.verdict.artifact_sha256[:12]} · {read or 'no dataset read'}")


def _line(found: Finding) -> None:
    mark, style = _MARKS[found.severity]
    show.line(f"{show.styled(mark, style, sys.stdout)} {found.layer} {found.code}  {found.path}  {found.message}")
