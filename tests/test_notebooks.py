"""The notebooks are the manual: each runs from top to bottom in a fresh kernel, offline, stored as it was written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
NAMES = {"tour", "ingest_and_query", "search_and_why", "validate_and_iterate"}
ADDRESS = re.compile(r"\b(?:https?|ftp|git\+\w+)://\S+", re.IGNORECASE)
LOADS = "%load_ext kernel_ext"

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path: Path, kind: str = "") -> list[dict[str, Any]]:
    found = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if not kind or cell["cell_type"] == kind]


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_the_manual_has_its_parts() -> None:
    assert {path.stem for path in NOTEBOOKS} >= NAMES


@each
def test_stored_without_outputs(path: Path) -> None:
    kept = [source(cell) for cell in cells(path, "code") if cell["outputs"] or cell["execution_count"] is not None]
    assert not kept, f"{path.name} keeps outputs: {kept}"


@each
def test_names_no_place_on_the_internet(path: Path) -> None:
    assert not [found[0] for cell in cells(path) if (found := ADDRESS.search(source(cell)))]


@each
def test_has_one_cell_of_parameters_with_the_lake(path: Path) -> None:
    tagged = [source(cell) for cell in cells(path, "code") if "parameters" in cell["metadata"].get("tags", ())]
    assert len(tagged) == 1
    assert re.search(r"^lake = ", tagged[0], re.MULTILINE)


@each
def test_reads_as_a_manual(path: Path) -> None:
    """A title, words before every few cells of code, and no paragraph that nobody reads."""
    assert source(cells(path)[0]).startswith("# ")
    kinds = "".join(cell["cell_type"][0] for cell in cells(path))
    assert "ccccc" not in kinds, f"{path.name}: five cells of code without a word"
    long = [text for cell in cells(path, "markdown") for text in source(cell).split("\n\n") if len(text.split()) > 90]
    assert not long, f"{path.name}: {long}"


@each
def test_ends_by_asserting_what_it_taught(path: Path) -> None:
    assert source(cells(path, "code")[-1]).count("assert ") >= 3


@each
def test_runs_from_top_to_bottom(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a fresh kernel, in an empty folder, with no lake set: as `make notebooks` does."""
    import papermill

    kernels(tmp_path, monkeypatch)
    out = tmp_path / path.name
    try:
        papermill.execute_notebook(path, out, cwd=tmp_path, progress_bar=False, kernel_name="python3")
    except papermill.PapermillExecutionError as failed:
        pytest.fail(f"{path.name}, cell {failed.cell_index}:\n{failed.source}\n→ {failed.ename}: {failed.evalue}")
    assert all(cell["execution_count"] for cell in cells(out, "code"))


def kernels(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel of this very Python, whatever is installed on the machine; nothing of it outside ``folder``."""
    spec = {"argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "Python 3"}
    at = folder / "jupyter" / "kernels" / "python3"
    at.mkdir(parents=True)
    (at / "kernel.json").write_text(json.dumps({**spec, "language": "python"}))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder / "jupyter"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder / "runtime"))
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))))


# docs/notebook.md


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """What ``--help`` says of each of our magics, asked of a real shell in a process of its own."""
    code = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "shell = InteractiveShell.instance()\n"
        "shell.run_line_magic('load_ext', 'kernel_ext')\n"
        "for name in sorted(n for n in shell.magics_manager.magics['line'] if n.startswith('lh')):\n"
        "    print('=== ' + name, flush=True)\n"
        "    shell.run_line_magic(name, '--help')\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    return dict(part.split("\n", 1) for part in done.stdout.split("=== ")[1:])


def documented() -> dict[str, str]:
    """The section of each magic in docs/notebook.md."""
    text = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")
    parts = re.split(r"^(?:### `%+(\w+)`|## .*)$", text, flags=re.MULTILINE)
    return {name: body for name, body in zip(parts[1::2], parts[2::2], strict=True) if name}


def test_the_page_has_every_magic(helps: dict[str, str]) -> None:
    assert set(documented()) == set(helps)


def test_the_page_names_every_option_and_none_that_is_not_there(helps: dict[str, str]) -> None:
    option = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")
    for name, body in documented().items():
        told = {found for code in re.findall(r"```.*?```|`[^`]+`", body, re.DOTALL) for found in option.findall(code)}
        known = {
            found for line in re.findall(r"^  (-.*)$", helps[name], re.MULTILINE) for found in option.findall(line)
        }
        spelled = {found for found in option.findall(helps[name].split("\n\n")[0]) if found.startswith("-")}
        assert told <= known | spelled, f"%{name}: {told - known - spelled} is on the page and not in the magic"
        assert spelled <= told, f"%{name}: {spelled - told} is not on the page"
