"""The rules of ARCHITECTURE as plain functions over source text; ``test_rules.py`` shows that each one can fail.

A rule takes a ``Source`` and yields one line per violation, ``path:line: what is wrong``.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FILE_LINES = 400
TEST_FILE_LINES = 600
STATEMENTS = 40
COMPLEXITY = 10
NESTING = 3
DOOR_LINES = 15

DRAWERS = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}
DOORS = {"command", "line_magic", "cell_magic", "line_cell_magic", "tool", "get", "post", "put", "delete", "route"}
LEFT_OPEN = re.compile(r"\b(NotImplementedError|TODO|FIXME|XXX)\b")
OUTSIDE = re.compile(r"\bcdn\b|unpkg|jsdelivr|googleapis|gstatic|cdnjs", re.IGNORECASE)
COMMAND = re.compile(r"(?:^|[\s`'\"(])lh ([a-z][a-z-]*)")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Block = ast.If | ast.For | ast.AsyncFor | ast.While | ast.With | ast.AsyncWith | ast.Try | ast.TryStar | ast.Match


@dataclass(frozen=True)
class Source:
    """A Python file: its path below the repository, its text, its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @classmethod
    def of(cls, path: str | Path, text: str) -> Source:
        return cls(Path(path), text, ast.parse(text))

    def at(self, node: ast.AST, what: str) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}: {what}"

    def functions(self) -> Iterator[Function]:
        return (node for node in ast.walk(self.tree) if isinstance(node, Function))


def long_files(source: Source, limit: int = FILE_LINES) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > limit:
        yield f"{source.path}: {lines} lines, at most {limit}"


def long_test_files(source: Source) -> Iterator[str]:
    return long_files(source, TEST_FILE_LINES)


def long_functions(source: Source) -> Iterator[str]:
    for function in source.functions():
        body = _without_docstring(function)
        count = sum(isinstance(node, ast.stmt) for statement in body for node in ast.walk(statement))
        if count > STATEMENTS:
            yield source.at(function, f"{function.name} has {count} statements, at most {STATEMENTS}")


def complex_functions(source: Source) -> Iterator[str]:
    """McCabe: one, and one more for each place where the path divides."""
    forks = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.match_case)
    for function in source.functions():
        count = 1 + sum(isinstance(node, forks) for node in ast.walk(function))
        if count > COMPLEXITY:
            yield source.at(function, f"{function.name} has complexity {count}, at most {COMPLEXITY}")


def deep_functions(source: Source) -> Iterator[str]:
    for function in source.functions():
        depth = _depth(function.body)
        if depth > NESTING:
            yield source.at(function, f"{function.name} nests {depth} blocks, at most {NESTING}")


def long_doors(source: Source) -> Iterator[str]:
    """The body of a command, magic, route or tool, without its docstring."""
    for function in source.functions():
        if not DOORS & {_decorator(node) for node in function.decorator_list}:
            continue
        body = _without_docstring(function)
        lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
        if lines > DOOR_LINES:
            yield source.at(function, f"{function.name} has a body of {lines} lines, at most {DOOR_LINES}")


def drawers(source: Source) -> Iterator[str]:
    """A module is a noun, not a drawer."""
    for part in source.path.with_suffix("").parts:
        if DRAWERS & set(part.split("_")):
            yield f"{source.path}: {part!r} is not a noun of the domain"


def shadows(source: Source) -> Iterator[str]:
    """``panel serve`` and ``python script.py`` put the script's folder first on the path."""
    if source.path.stem in sys.stdlib_module_names:
        yield f"{source.path}: hides the standard library's {source.path.stem}"


def undocumented(source: Source) -> Iterator[str]:
    if source.path.stem.startswith("_") and source.path.stem != "__init__":
        return
    yield from _undocumented(source, source.tree.body)


def stray_errors(source: Source) -> Iterator[str]:
    """One error tree: what a caller can catch is drawn in errors.py."""
    if source.path.as_posix() == "workbench/errors.py":
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            bases = [ast.unparse(base).rsplit(".", 1)[-1] for base in node.bases]
            if any(base.endswith(("Error", "Exception")) for base in bases):
                yield source.at(node, f"{node.name} belongs in workbench/errors.py")


def left_open(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.text.splitlines(), 1):
        if found := LEFT_OPEN.search(line):
            yield f"{source.path}:{number}: {found[0]}"


def outside_addresses(path: Path, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        if found := OUTSIDE.search(line):
            yield f"{path}:{number}: {found[0]}: every asset comes with the product"


def prints(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "pprint"}:
            yield source.at(node, "only the command line prints")


def broad_excepts(source: Source) -> Iterator[str]:
    """``except Exception`` re-raises, or a comment on its line says why it may not."""
    lines = source.text.splitlines()
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.ExceptHandler) or not _is_broad(node.type):
            continue
        raises = any(isinstance(statement, ast.Raise) and statement.exc is None for statement in node.body)
        reason = re.sub(r"noqa: \w+", "", lines[node.lineno - 1].partition("#")[2]).strip(" -:#")
        if not raises and len(reason) < 10:
            yield source.at(node, "catches everything and does not say why")


def import_time_environment(source: Source) -> Iterator[str]:
    for node in _import_time(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}:
            yield source.at(node, "reads the environment on import")


def weak_tests(source: Source) -> Iterator[str]:
    """Patched parts, sleeps, classes, and assertions that cannot fail."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and "mock" in _imported(node):
            yield source.at(node, "a real part behind a seam, not a mock")
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in {"monkeypatch.setattr", "patch.setattr"}:
            yield source.at(node, "pass the part in instead of patching it")
        elif isinstance(node, ast.arg) and node.arg == "mocker":
            yield source.at(node, "a real part behind a seam, not a mock")
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in {"sleep", "time.sleep", "asyncio.sleep"}:
            yield source.at(node, "wait for an event with a deadline, not for a while")
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield source.at(node, "tests are functions")
        elif isinstance(node, ast.Assert) and isinstance(node.test, ast.Constant):
            yield source.at(node, "this assertion cannot fail")


def unpackaged_folders(paths: list[Path]) -> Iterator[str]:
    """import-linter does not see a folder without ``__init__.py``."""
    for folder in sorted({path.parent for path in paths}):
        if folder / "__init__.py" not in paths:
            yield f"{folder}: no __init__.py, so no layer holds it"


def commands_in(source: Source) -> Iterator[tuple[str, str]]:
    """``(place, command)`` for every ``lh command`` that a string of the product names."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for name in COMMAND.findall(node.value):
                yield source.at(node, "").rstrip(": "), name


def fenced_lines(markdown: str, program: str) -> Iterator[str]:
    """The lines of fenced blocks that call ``program``, without prompt, output, comment and pipe."""
    fenced = False
    for line in markdown.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
            continue
        command = line.strip().removeprefix("$ ").removeprefix(".venv/bin/")
        if fenced and command.startswith(f"{program} "):
            yield re.split(r"\s(?:\||#|→|&&|>)\s", command + " ")[0].strip()


def drawn_errors(docstring: str) -> dict[str, tuple[str, str, str, int, int]]:
    """``name: (parent, second base, code, HTTP status, exit status)`` as the docstring of errors.py draws them."""
    row = re.compile(r"^([│├└─ ]*)(\w+Error)\s+(?:\((\w+)\)\s+)?([a-z_]+)\s+(\d{3})\s+(\d)$")
    drawn: dict[str, tuple[str, str, str, int, int]] = {}
    above: dict[int, str] = {}
    for line in docstring.splitlines():
        if root := re.match(r"^( *)(\w+)\s+code\s+HTTP\s+exit$", line):
            above[len(root[1])] = root[2]
        elif found := row.match(line):
            indent = len(found[1])
            parent = above[max(width for width in above if width < indent)]
            above[indent] = found[2]
            drawn[found[2]] = (parent, found[3] or "", found[4], int(found[5]), int(found[6]))
    return drawn


def _without_docstring(function: Function) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function) is not None else function.body


def _depth(body: list[ast.stmt]) -> int:
    return max((1 + _inside(block) for block in body if isinstance(block, Block)), default=0)


def _inside(block: Block) -> int:
    inner = [getattr(block, "body", []), getattr(block, "finalbody", [])]
    inner += [handler.body for handler in getattr(block, "handlers", [])]
    inner += [case.body for case in getattr(block, "cases", [])]
    orelse = getattr(block, "orelse", [])
    if isinstance(block, ast.If) and len(orelse) == 1 and isinstance(orelse[0], ast.If):
        return max(_inside(orelse[0]), *map(_depth, inner))  # an elif is not a level
    return max(map(_depth, [*inner, orelse]))


def _decorator(node: ast.expr) -> str:
    called = node.func if isinstance(node, ast.Call) else node
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _undocumented(source: Source, body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        if {_decorator(decorator) for decorator in node.decorator_list} & {"overload", "setter"}:
            continue
        if not ast.get_docstring(node):
            yield source.at(node, f"{node.name} has no docstring")
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(source, node.body)


def _is_broad(caught: ast.expr | None) -> bool:
    names = [ast.unparse(node) for node in (caught.elts if isinstance(caught, ast.Tuple) else [caught]) if node]
    return not names or bool({"Exception", "BaseException"} & set(names))


def _import_time(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        yield node
        if isinstance(node, Function | ast.Lambda):
            for default in (*node.args.defaults, *filter(None, node.args.kw_defaults)):
                yield from ast.walk(default)
        else:
            yield from _import_time(node)


def _imported(node: ast.Import | ast.ImportFrom) -> set[str]:
    names = {alias.name for alias in node.names} | {getattr(node, "module", None) or ""}
    return {part for name in names for part in name.split(".")}
