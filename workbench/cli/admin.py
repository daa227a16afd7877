"""``lh config`` and ``lh doctor``: what is set, and what is wrong."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from pathlib import Path

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, app, workbench
from workbench.errors import WorkbenchError
from workbench.lake.health import Check
from workbench.session import connect

_REQUIRED = ("duckdb", "deltalake", "pyarrow", "numpy", "msgspec", "tokenizers", "safetensors", "wordllama", "rich")
_EXTRAS = {"s3fs": ("s3", "lakes on S3"), "python_calamine": ("excel", "Excel files")}
_ROOM_BYTES = 2 * 1024**3


@app.command()
def config(as_json: JsonOption = False, lake: LakeOption = None) -> None:
    """Every setting, its value and where it comes from."""
    with workbench(lake) as wb:
        rows = wb.settings.rows()
    if as_json:
        show.json_out(rows)
    else:
        names = ["name", "value", "origin", "variable", "help"]
        show.table(names, [[r[n] for n in names] for r in rows])


@app.command()
def doctor(as_json: JsonOption = False, lake: LakeOption = None) -> None:
    """What is missing or broken, and the command that mends it; exit 1 when something required is."""
    found = [*machine(), *_lake(lake)]
    if as_json:
        show.json_out({"ok": not any(c.failed for c in found), "checks": [c.to_dict() for c in found]})
    else:
        show.checks(found)
    raise typer.Exit(1 if any(c.failed for c in found) else 0)


def machine() -> list[Check]:
    """What the workbench needs of this machine."""
    return [_python(), *map(_package, _REQUIRED), *(_extra(m, *e) for m, e in _EXTRAS.items()), _compiler(), _room()]


def _lake(lake: str | None) -> list[Check]:
    try:
        with connect(lake) as wb:
            show.lake_line(wb.settings.lake, wb.settings.origins["lake"])
            return wb.checks()
    except WorkbenchError as error:
        return [Check("lake", "broken", error.message, error.hint)]


def _python() -> Check:
    return Check("python", "ok", platform.python_version())


def _package(name: str) -> Check:
    if importlib.util.find_spec(name) is None:
        return Check(name, "missing", "not installed", f"pip install -c constraints.txt {name}")
    return Check(name, "ok", importlib.metadata.version(name))


def _extra(module: str, extra: str, purpose: str) -> Check:
    if importlib.util.find_spec(module) is None:
        fix = f"pip install -c constraints.txt 'lakehouse-workbench[{extra}]'"
        return Check(module, "info", f"not installed; only {purpose} need it", fix)
    return Check(module, "ok", f"{importlib.metadata.version(module.replace('_', '-'))}, for {purpose}")


def _compiler() -> Check:
    found = next((c for c in ("c++", "g++", "clang++") if shutil.which(c)), None)
    if found is None:
        fix = "xcode-select --install" if sys.platform == "darwin" else "apt-get install g++"
        return Check("c++ compiler", "info", "none; the coming vector index is built from source", fix)
    return Check("c++ compiler", "ok", found)


def _room() -> Check:
    free = shutil.disk_usage(Path.home()).free
    state = "ok" if free > _ROOM_BYTES else "warning"
    return Check("disk", state, f"{show.size(free)} free at home", "make room, or set LH_LAKE to a larger disk")
