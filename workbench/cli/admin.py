"""``lh config`` and ``lh doctor``: what is set, and what is wrong."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import platform
import re
import shlex
import shutil
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, app, workbench
from workbench.errors import WorkbenchError
from workbench.lake import leftovers
from workbench.lake.health import Check
from workbench.search.texts import roll
from workbench.search.vectors import segment
from workbench.session import Workbench, connect

_PACKAGE = "lakehouse-workbench"
_PURPOSES = {"s3": "lakes on S3", "excel": "Excel files"}
_LEAST_PYTHON = (3, 11)
# The files of derived vectors begin with eight bytes of kind and a version.
_VECTOR_FORMATS = {b"LHVECSEG": segment.VERSION, b"LHCORPUS": roll.VERSION}
_VECTOR_HEAD = struct.Struct("<8sI")


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
def doctor(
    sweep: Annotated[bool, typer.Option("--sweep", help="Remove what dead writers left, an hour old or more.")] = False,
    models: Annotated[
        bool, typer.Option("--models", help="Speak to every provider with a key; ask each set model for one token.")
    ] = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """What is missing or broken, and the command that mends it; exit 1 when something required is."""
    found = [*machine(), *_lake(lake, sweep=sweep, models=models)]
    sick = [c for c in found if c.failed]
    if as_json:
        show.json_out({"ok": not sick, "checks": [c.to_dict() for c in found]})
    else:
        show.checks(found)
        show.line(f"{len(sick)} to repair" if sick else "nothing to repair")
    raise typer.Exit(1 if sick else 0)


def machine() -> list[Check]:
    """What the workbench needs of this machine."""
    try:
        needed = importlib.metadata.requires(_PACKAGE) or []
    except importlib.metadata.PackageNotFoundError:
        told = Check(_PACKAGE, "missing", "not installed in this Python", f"{_pip()} -c constraints.txt -e .")
        return [python(sys.version_info[:3]), told]
    return [python(sys.version_info[:3]), *packages(needed, _version), compiler(shutil.which)]


def python(version: tuple[int, ...]) -> Check:
    """The running Python is one of those that the workbench is tested on."""
    said = f"{'.'.join(map(str, version))} ({platform.python_implementation()}), {sys.executable}"
    if version[:2] < _LEAST_PYTHON:
        return Check("python", "broken", f"{said}; 3.11 is the least", "make PYTHON=python3.12 demo")
    return Check("python", "ok", said)


def packages(requirements: Iterable[str], version_of: Callable[[str], str]) -> Iterator[Check]:
    """One finding per package: there, too old, missing; what only an extra needs is missed by nobody else.

    ``requirements`` as the package's own metadata give them; ``version_of`` raises PackageNotFoundError.
    """
    for line in requirements:
        spec, _, marker = (part.strip() for part in line.partition(";"))
        name = re.split(r"[^\w.-]", spec, maxsplit=1)[0]
        extra = (re.findall(r"extra\s*==\s*['\"]([\w-]+)", marker) or [""])[0]
        why = f", for {_PURPOSES.get(extra, extra)}" if extra else ""
        fix = f"{_pip()} {shlex.quote(spec)}"
        try:
            got = version_of(name)
        except importlib.metadata.PackageNotFoundError:
            state, only = ("info", f"; only {_PURPOSES.get(extra, extra)} need it") if extra else ("missing", "")
            yield Check(name, state, f"not installed{only}", fix)
            continue
        least = (re.findall(r">=\s*([\w.]+)", spec) or ["0"])[0]
        if _numbers(got) < _numbers(least):
            yield Check(name, "broken", f"{got} is too old, {least} is the least{why}", fix)
        else:
            yield Check(name, "ok", f"{got}{why}")


def compiler(which: Callable[[str], str | None]) -> Check:
    """A C++ compiler, which the coming vector index is built with."""
    found = next((c for c in ("c++", "g++", "clang++") if which(c)), None)
    if found is None:
        fix = "xcode-select --install" if sys.platform == "darwin" else "apt-get install g++"
        return Check("c++ compiler", "info", "none; the coming vector index is built from source", fix)
    return Check("c++ compiler", "ok", found)


def vectors(folder: Path) -> Check:
    """Files of derived vectors have the format that is read here; others are passed over and made anew."""
    files = [p for p in sorted(folder.rglob("*")) if p.suffix in {segment.SUFFIX, ".corpus"}]
    strange = [p for p in files if not _known_vectors(p)]
    if strange:
        message = f"{len(strange)} of {len(files)} vector files are damaged or of another format; they are made anew"
        return Check("vectors", "info", message, f"rm {' '.join(shlex.quote(str(p)) for p in strange[:3])}")
    return Check("vectors", "ok", f"{len(files)} file{'s'[: len(files) != 1]} of derived vectors")


def _known_vectors(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_VECTOR_HEAD.size)
    kind, version = _VECTOR_HEAD.unpack(head) if len(head) == _VECTOR_HEAD.size else (b"", 0)
    return bool(_VECTOR_FORMATS.get(kind) == version)


def _lake(lake: str | None, *, sweep: bool, models: bool) -> list[Check]:
    try:
        with connect(lake, door="cli") as wb:
            show.lake_line(wb.settings.lake, wb.settings.origins["lake"])
            return [
                *(_swept(wb) if sweep else []),
                *wb.checks(),
                vectors(wb.searcher.cache_dir),
                *_models(wb, ask=models),
            ]
    except WorkbenchError as error:
        return [Check("lake", "broken", error.message, error.hint)]


def _models(wb: Workbench, *, ask: bool) -> list[Check]:
    from workbench.llm import health

    return health.checks(wb.llm.router, [wb.settings.chat_model, *wb.settings.chat_fallback], ask=ask)


def _swept(wb: Workbench) -> Iterator[Check]:
    for one in leftovers.sweep(wb.lake.catalog, dt.datetime.now(dt.UTC)):
        yield Check(one.where, "ok", f"{len(one.keys):,} {one.kind} removed, {show.size(one.size_bytes)}")


def _version(name: str) -> str:
    return importlib.metadata.version(name)


def _numbers(version: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", version)]


def _pip() -> str:
    return f"{shlex.quote(sys.executable)} -m pip install"
