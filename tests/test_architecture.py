"""The architecture is a rule: what ARCHITECTURE.md and CONTRIBUTING.md say of the code is checked here."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import importlinter.api  # noqa: F401  # configures import-linter
import pytest
import rules
import typer
from importlinter.application.use_cases import lint_imports
from rules import Source

ROOT = Path(__file__).parents[1]
TOOLKITS = {"panel", "IPython", "mcp", "pandas", "polars", "s3fs", "fsspec", "boto3"}
IMPORT_CPU_S = 0.5
ENGINES_CPU_S = 1.0
TEXT = {".py", ".toml", ".json", ".css", ".js", ".html", ".svg", ".md", ".txt", ".ipynb"}

Rule = Callable[[Source], Iterator[str]]


def read(*folders: str) -> list[Source]:
    """Every Python file below these folders of the repository, those that exist."""
    paths = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return [Source.of(path.relative_to(ROOT), path.read_text(encoding="utf-8")) for path in paths]


@pytest.fixture(scope="module")
def product() -> list[Source]:
    return read("workbench", "kernel_ext")


@pytest.fixture(scope="module")
def tests() -> list[Source]:
    return read("tests")


def obey(rule: Rule, sources: list[Source]) -> None:
    found = [line for source in sources for line in rule(source)]
    assert not found, f"{rule.__name__}:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "rule",
    [
        rules.long_files,
        rules.long_functions,
        rules.complex_functions,
        rules.deep_functions,
        rules.long_doors,
        rules.drawers,
        rules.undocumented,
        rules.stray_errors,
        rules.left_open,
        rules.broad_excepts,
        rules.import_time_environment,
    ],
    ids=lambda rule: rule.__name__,
)
def test_the_product_obeys(rule: Rule, product: list[Source]) -> None:
    assert product
    obey(rule, product)


@pytest.mark.parametrize(
    "rule",
    [rules.long_files, rules.long_functions, rules.complex_functions, rules.deep_functions, rules.drawers],
    ids=lambda rule: rule.__name__,
)
def test_the_benchmarks_obey(rule: Rule) -> None:
    obey(rule, read("benchmarks"))


def test_tests_are_short_files(tests: list[Source]) -> None:
    obey(rules.long_test_files, tests)


def test_tests_use_real_parts(tests: list[Source]) -> None:
    obey(rules.weak_tests, tests)


def test_scripts_do_not_hide_the_standard_library() -> None:
    obey(rules.shadows, read("workbench/serve", "workbench/copilot", "benchmarks"))


def test_only_the_command_line_prints(product: list[Source]) -> None:
    obey(rules.prints, [source for source in product if "cli" not in source.path.parts])


def test_every_asset_comes_with_the_product() -> None:
    files = [path for folder in ("workbench", "kernel_ext") for path in (ROOT / folder).rglob("*")]
    texts = [path for path in files if path.suffix in TEXT]
    assert texts
    found = [rules.outside_addresses(path.relative_to(ROOT), path.read_text(encoding="utf-8")) for path in texts]
    assert [line for lines in found for line in lines] == []


def test_every_folder_of_code_is_a_package(product: list[Source]) -> None:
    assert list(rules.unpackaged_folders([source.path for source in product])) == []


def test_imports_go_down(capsys: pytest.CaptureFixture[str]) -> None:
    kept = lint_imports(str(ROOT / "pyproject.toml"), cache_dir=None, no_logo=True)
    assert kept, capsys.readouterr().out


def test_every_package_of_the_product_is_under_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    there = [name for name in ("workbench", "kernel_ext") if (ROOT / name).is_dir()]
    assert sorted(contracts["root_packages"]) == sorted(there)


def import_cost(line: str) -> dict[str, Any]:
    """CPU seconds and loaded toolkits of this line in a fresh process."""
    code = (
        f"import json, sys, time; start = time.process_time(); {line}; "
        "cpu_s = time.process_time() - start; "
        "print(json.dumps({'cpu_s': cpu_s, 'loaded': sorted({name.partition('.')[0] for name in sys.modules})}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    cost: dict[str, Any] = json.loads(done.stdout)
    return cost


@pytest.mark.parametrize(
    ("line", "limit_s"), [("import workbench", IMPORT_CPU_S), ("from workbench import connect", ENGINES_CPU_S)]
)
def test_import_is_light(line: str, limit_s: float) -> None:
    costs = [import_cost(line) for _ in range(3)]
    assert TOOLKITS & set(costs[0]["loaded"]) == set()
    assert min(cost["cpu_s"] for cost in costs) <= limit_s


def test_a_toolkit_and_its_cost_would_be_seen() -> None:
    cost = import_cost("import pandas")
    assert "pandas" in cost["loaded"]
    assert cost["cpu_s"] > 0.05


def test_every_public_name_exists_and_says_what_it_is() -> None:
    import workbench

    assert workbench.__all__
    for name in workbench.__all__:
        value = getattr(workbench, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            assert value.__doc__, f"workbench.{name} has no docstring"


def commands(group: Any) -> dict[str, Any]:
    """``{"ls": command, "distill export": command, …}`` of the command line."""
    found = {}
    for name, command in group.commands.items():
        found[name] = command
        if hasattr(command, "commands"):
            found |= {f"{name} {inner}": each for inner, each in commands(command).items()}
    return found


@pytest.fixture(scope="module")
def command_line() -> Any:
    """The root of the command line with every file of commands loaded."""
    files = [import_module(f"workbench.cli.{path.stem}") for path in (ROOT / "workbench" / "cli").glob("[!_]*.py")]
    apps = {id(value): value for file in files for value in vars(file).values() if isinstance(value, typer.Typer)}
    [root] = [app for app in apps.values() if app.info.name == "lh"]
    return typer.main.get_command(root)


def unknown_parts(line: str, root: Any) -> list[str]:
    """What the command line does not have of a written command: the command, or options of it."""
    words = line.split()[1:]
    options, command = list(root.params), root
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
        options += command.params
    if hasattr(command, "commands") and words and not words[0].startswith("-"):
        return [f"{line}: no command {words[0]}"]
    known = {"--help", *(spelling for option in options for spelling in (*option.opts, *option.secondary_opts))}
    used = [word.partition("=")[0] for word in words if word.startswith("--")]
    return [f"{line}: no option {option}" for option in used if option not in known]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_commands_of_a_page_exist(page: str, command_line: Any) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    assert text.strip(), f"{page} is empty"
    assert [fault for line in rules.fenced_lines(text, "lh") for fault in unknown_parts(line, command_line)] == []


def test_a_command_that_does_not_exist_is_found(command_line: Any) -> None:
    assert unknown_parts("lh ingets roster.csv", command_line)
    assert unknown_parts("lh ingest roster.csv --colour", command_line)
    assert unknown_parts("lh ingest roster.csv --name workers", command_line) == []


def test_hints_name_commands_that_exist(product: list[Source], command_line: Any) -> None:
    known = {name.split()[0] for name in commands(command_line)}
    named = [pair for source in product for pair in rules.commands_in(source)]
    assert [f"{place}: lh {name}" for place, name in named if name not in known] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_make_targets_of_a_page_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = {line.partition(":")[0] for line in makefile.splitlines() if line[:1].isalpha() and ":" in line}
    targets |= set(makefile.partition("SMOKES    := ")[2].partition("\n")[0].split())
    words = [word for line in rules.fenced_lines(text, "make") for word in line.split()[1:]]
    called = {word for word in words if "=" not in word and not word.startswith(("-", "'"))}
    assert called
    assert called <= targets
