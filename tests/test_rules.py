"""Each rule of ``rules.py`` finds what it is for, and lets the neighbouring good case through."""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import importlinter.api  # noqa: F401  # configures import-linter
import pytest
import rules
from importlinter.application.use_cases import lint_imports
from rules import Source

Rule = Callable[[Source], Iterator[str]]

ROOT = Path(__file__).parents[1]
LONG = "\n".join(["x = 1"] * 401)
MANY = "def f():\n" + "    x = 1\n" * 41
FORKS = "def f(x):\n" + "    if x:\n        pass\n" * 10
DEEP = """
def f(x):
    for a in x:
        with a:
            try:
                pass
            except ValueError:
                if a:
                    pass
"""
BY_LOOP = """
def f(x):
    while x:
        for a in x:
            if a:
                pass
            elif x:
                pass
            else:
                pass
"""
DOOR = "@app.command('ls')\ndef ls():\n    '''List.'''\n" + "    x = 1\n" * 16
UNDOCUMENTED = '''
class Roster:
    """Documented."""
    def save(self): ...
'''
UNDECORATED = '''
class Roster:
    """Documented."""
    def _load(self): ...
    @workers.setter
    def workers(self, value): ...
    def save(self):
        """Documented."""
        def inner(): ...
'''
SWALLOWED = """
try:
    pass
except (ValueError, Exception):
    pass
"""
RERAISED = """
try:
    pass
except BaseException:
    clean()
    raise
"""
BARE = """
try:
    pass
except:  # noqa: E722
    pass
"""
EXPLAINED = """
try:
    pass
except Exception:  # noqa: BLE001 - an observer must not break the observed
    pass
"""
ENVIRON = "import os\nclass Settings:\n    lake = os.environ.get('LH_LAKE')\n"
DEFAULT = "import os\ndef load(environ=os.environ): ...\n"
LATER = "import os\ndef load():\n    return os.environ\n"


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (rules.long_files, LONG, LONG.removesuffix("\nx = 1")),
        (rules.long_functions, MANY, MANY.replace("    x = 1\n", "    '''Documented.'''\n", 1)),
        (rules.complex_functions, FORKS, FORKS.removesuffix("    if x:\n        pass\n")),
        (rules.deep_functions, DEEP, BY_LOOP),
        (rules.long_doors, DOOR, DOOR.removesuffix("    x = 1\n")),
        (rules.long_doors, DOOR.replace("app.command('ls')", "mcp.tool"), DOOR.replace("app.command", "lru_cache")),
        (rules.undocumented, UNDOCUMENTED, UNDECORATED),
        (rules.stray_errors, "class FullError(BusyError): ...", "class _Full(Exception): ..."),
        (rules.left_open, "x = 1  # TO" + "DO: finish", "todos = 1"),
        (rules.prints, "print('x')", "console.print('x')"),
        (rules.broad_excepts, SWALLOWED, RERAISED),
        (rules.broad_excepts, BARE, EXPLAINED),
        (rules.import_time_environment, ENVIRON, LATER),
        (rules.import_time_environment, DEFAULT, LATER),
        (rules.weak_tests, "from unittest import mock", "import time"),
        (rules.weak_tests, "def test_x(monkeypatch): monkeypatch.setattr(a, 'b', 1)", "monkeypatch.setenv('A', 'b')"),
        (rules.weak_tests, "def test_x(mocker): ...", "def test_x(home): ..."),
        (rules.weak_tests, "time.sleep(1)", "done.wait(1)"),
        (rules.weak_tests, "class TestLake: ...", "class Lake: ..."),
        (rules.weak_tests, "assert " + "True", "assert rows"),
    ],
)
def test_a_rule_finds_the_bad_and_only_the_bad(rule: Rule, bad: str, good: str) -> None:
    assert list(rule(Source.of("workbench/lake/sample.py", bad)))
    assert list(rule(Source.of("workbench/lake/sample.py", good))) == []


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        (rules.drawers, "workbench/lake/csv_utils.py", "workbench/lake/dialect.py"),
        (rules.drawers, "workbench/common/dialect.py", "workbench/lake/commonness.py"),
        (rules.shadows, "workbench/copilot/queue.py", "workbench/copilot/orders.py"),
    ],
)
def test_a_name_is_judged(rule: Rule, bad: str, good: str) -> None:
    assert list(rule(Source.of(bad, "")))
    assert list(rule(Source.of(good, ""))) == []


def test_an_outside_address_is_found() -> None:
    assert list(rules.outside_addresses(Path("app.css"), "@import url(//fonts.google" + "apis.com/x);"))
    assert list(rules.outside_addresses(Path("app.css"), "@import url(fonts/inter.css);")) == []


def test_a_folder_without_init_is_found() -> None:
    paths = [Path("workbench/__init__.py"), Path("workbench/lake/storage.py")]
    assert list(rules.unpackaged_folders(paths))
    assert list(rules.unpackaged_folders([*paths, Path("workbench/lake/__init__.py")])) == []


def test_commands_are_read_from_hints() -> None:
    source = Source.of("x.py", "raise NotFoundError('No.', hint=f'Try: lh ingest {path}, or (lh ls)')  # lh fly")
    assert [name for _, name in rules.commands_in(source)] == ["ingest", "ls"]


def test_commands_are_read_from_fences() -> None:
    page = "lh outside\n```\n$ lh ls --json | head   # every list\nworkers v1\n.venv/bin/lh doctor\nmake demo\n```\n"
    assert list(rules.fenced_lines(page, "lh")) == ["lh ls --json", "lh doctor"]
    assert list(rules.fenced_lines(page, "make")) == ["make demo"]


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of the product's shape, under the product's own contracts."""
    contracts = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.importlinter]")[2]
    name = f"sample_{tmp_path.name.strip('_')}".replace("-", "_")
    (tmp_path / "pyproject.toml").write_text("[tool.importlinter]" + contracts.replace("workbench", name))
    package = tmp_path / name
    for module in ("cli", "session", "staffing", "search", "lake", "settings", "errors"):
        (package / module).mkdir(parents=True)
        (package / module / "__init__.py").touch()
    (package / "__init__.py").write_text(f"from {name}.session import *\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert tomllib.loads((tmp_path / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"][0] == name
    return package


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("lake/storage.py", "from {name} import session"),
        ("lake/storage.py", "import {name}.search"),
        ("lake/storage.py", "from {name} import connect"),
        ("search/index.py", "def f():\n    from {name} import cli"),
        ("search/index.py", "import {name}.settings"),
        ("errors/tree.py", "import {name}.lake"),
        ("odds.py", ""),
    ],
)
def test_a_wrong_import_breaks_the_contract(
    sample: Path, place: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(sample.parent / "pyproject.toml")
    assert lint_imports(config, cache_dir=None, no_logo=True), capsys.readouterr().out
    (sample / place).write_text(textwrap.dedent(line.format(name=sample.name)))
    assert not lint_imports(config, cache_dir=None, no_logo=True)
    assert "broken" in capsys.readouterr().out.lower()


def test_a_cycle_breaks_the_contract(sample: Path) -> None:
    (sample / "lake" / "catalog.py").write_text(f"import {sample.name}.lake.storage\n")
    (sample / "lake" / "storage.py").write_text(f"import {sample.name}.lake.catalog\n")
    assert not lint_imports(str(sample.parent / "pyproject.toml"), cache_dir=None, no_logo=True)
