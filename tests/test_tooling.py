"""What a new machine and a new contributor rely on: make, the constraints, the hooks, the changelog."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
TARGETS = [
    "demo",
    "lab",
    "test",
    "lint",
    "fmt",
    "notebooks",
    "bench",
    "doctor",
    "verify",
    "smoke",
    "install-hooks",
    "help",
]
CONFIGURATION = ["Makefile", ".ci/run", "constraints.txt", "pyproject.toml", ".pre-commit-config.yaml"]
ADDRESS = re.compile(r"https?://|git\+|(?:pypi|pythonhosted|githubusercontent)\.", re.IGNORECASE)


def make(*words: str, folder: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run make there, without the flags and variables of a make that runs these tests."""
    ours = ("MAKE", "MFLAGS", "GIT_", "ARGS", "WORKERS", "DEMO_LAKE", "PYTHON")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return subprocess.run(
        ["make", "--no-print-directory", *words],
        cwd=folder,
        env=clean | environ,
        capture_output=True,
        text=True,
        check=False,
    )


def planned(*words: str) -> str:
    """The commands that make would run with the environment in place."""
    return make("-n", "-o", ".venv/.runtime", "-o", ".venv/.dev", "-o", ".venv/.bench", *words).stdout


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in lines]
    assert all(pairs), "constraints.txt holds name==version lines only"
    return {canonicalize_name(pair[1]): pair[2] for pair in pairs if pair}


def requirements(*, without: str = "") -> list[Requirement]:
    project = PROJECT["project"]
    groups = [
        PROJECT["build-system"]["requires"],
        project["dependencies"],
        *project["optional-dependencies"].values(),
        *(lines for name, lines in PROJECT["dependency-groups"].items() if name != without),
    ]
    return [Requirement(line) for group in groups for line in group]


def test_make_alone_lists_every_target() -> None:
    listed = make().stdout
    assert [target for target in TARGETS if not re.search(rf"make {target} ", listed)] == []


def test_a_smoke_is_named_as_typed() -> None:
    assert planned("smoke", "d2").split() == [".venv/bin/lh", "smoke", "d2", ":"]
    assert planned("smoke").split() == [".venv/bin/lh", "smoke"]


@pytest.mark.parametrize(("words", "said"), [(["d2"], "make smoke d2"), (["smoke", "d99"], "No smoke is named d99.")])
def test_a_smoke_that_cannot_run_is_an_error(words: list[str], said: str) -> None:
    done = make("-o", ".venv/.dev", "-o", ".venv/.bench", *words)
    assert done.returncode
    assert said in done.stderr
    assert not done.stdout


def test_the_demo_keeps_to_its_own_lake() -> None:
    assert planned("demo").strip() == "env -u LH_LAKE .venv/bin/lh demo --lake '.lake/demo'"
    assert planned("demo", "WORKERS=500000").strip().endswith("--workers 500000")


def test_verify_runs_everything() -> None:
    plan = planned("verify")
    for part in ("ruff check", "ruff format --check", "mypy", "lint-imports", "pytest", "lh smoke"):
        assert part in plan


@pytest.mark.parametrize(("target", "said"), [("bench", "no benchmarks yet")])
def test_what_does_not_exist_yet_is_said(tmp_path: Path, target: str, said: str) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = make("-o", ".venv/.dev", "-o", ".venv/.bench", target, folder=tmp_path)
    assert (done.returncode, done.stdout.strip()) == (0, said)


def test_a_failing_benchmark_fails_the_run_and_the_others_still_run(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name, code in {"a.py": "raise SystemExit(1)", "b.py": "import sys; print(sys.argv[1])", "_c.py": "1/0"}.items():
        (tmp_path / "benchmarks").mkdir(exist_ok=True)
        (tmp_path / "benchmarks" / name).write_text(code)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    done = make("-o", ".venv/.dev", "-o", ".venv/.bench", "bench", folder=tmp_path)
    assert done.returncode
    assert "--quick" in done.stdout
    assert done.stderr.startswith("failed: benchmarks/a.py\n")


@pytest.fixture
def bare_machine(tmp_path: Path) -> Path:
    """The project's files, and ``tools``: all that is on the path of a machine without Python and compiler."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "tools").mkdir()
    for name in ("make", "uname", "cat"):
        (tmp_path / "tools" / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    return tmp_path


def add_python(machine: Path, name: str, *, version_fits: bool, has_venv: bool = True) -> None:
    """An interpreter that answers the questions of the Makefile and notes what else it is asked to do."""
    script = f"""#!/bin/sh
case "$*" in
  *"(3, 11)"*) exit {0 if version_fits else 1} ;;
  *ensurepip*) exit {0 if has_venv else 1} ;;
  *print*) echo 3.12 ;;
  *) echo "{name} $*" >&2; exit 3 ;;
esac
"""
    path = machine / "tools" / name
    path.write_text(script)
    path.chmod(0o755)


def first_make(machine: Path) -> str:
    done = make("test", folder=machine, PATH=str(machine / "tools"))
    assert done.returncode
    return done.stderr


def test_without_python_and_compiler_it_says_what_to_do(bare_machine: Path) -> None:
    said = first_make(bare_machine)
    assert "No C++ compiler" in said
    assert "No Python 3.11 or newer" in said
    assert "make PYTHON=" in said


def test_an_old_python_is_passed_over(bare_machine: Path) -> None:
    add_python(bare_machine, "python3", version_fits=False)
    add_python(bare_machine, "python3.12", version_fits=True)
    assert "python3.12 -m venv --clear .venv" in first_make(bare_machine)


def test_a_python_without_venv_names_its_package(bare_machine: Path) -> None:
    add_python(bare_machine, "python3", version_fits=True, has_venv=False)
    assert "apt-get install python3.12-venv" in first_make(bare_machine)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository whose ``make verify`` leaves a trace and fails on request."""
    folder = tmp_path / "with space"
    folder.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True)
    shutil.copy(ROOT / "Makefile", folder)
    return folder


def push(folder: Path) -> subprocess.CompletedProcess[str]:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    (folder / "Makefile").write_text("verify:\n\t@echo verified; test ! -e broken\n")
    subprocess.run(["git", "init", "-q", "--bare", str(folder.parent / "far")], check=True)
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "x"], cwd=folder, check=True)
    command = ["git", "push", "../far", "main"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("hooks", ["", "my hooks"])
def test_a_push_waits_for_verify(repository: Path, hooks: str) -> None:
    if hooks:
        subprocess.run(["git", "config", "core.hooksPath", hooks], cwd=repository, check=True)
    assert make("install-hooks", folder=repository).returncode == 0
    assert make("install-hooks", folder=repository).returncode == 0
    (repository / "broken").touch()
    refused = push(repository)
    assert refused.returncode
    assert "verified" in refused.stdout + refused.stderr
    (repository / "broken").unlink()
    assert push(repository).returncode == 0


def test_a_foreign_hook_is_left_alone(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 0\n")
    done = make("install-hooks", folder=repository)
    assert done.returncode
    assert "make verify" in done.stderr
    assert hook.read_text() == "#!/bin/sh\nexit 0\n"


def test_every_dependency_has_an_exact_version_that_fits() -> None:
    exact = pins()
    for requirement in requirements():
        pinned = exact.get(canonicalize_name(requirement.name), "none")
        assert requirement.specifier.contains(pinned, prereleases=True), f"{requirement}: constraints.txt has {pinned}"


def test_what_the_dependencies_need_has_an_exact_version_too() -> None:
    known = requirements(without="bench")  # the peers of the benchmarks are not installed where tests run
    wanted = {(canonicalize_name(each.name), extra) for each in known for extra in each.extras | {""}}
    seen: set[tuple[str, str]] = set()
    while wanted - seen:
        name, extra = min(wanted - seen)
        seen.add((name, extra))
        for line in () if name == "setuptools" else requires(name) or ():
            each = Requirement(line)
            if each.marker is None or each.marker.evaluate({"extra": extra}):
                wanted |= {(canonicalize_name(each.name), inner) for inner in each.extras | {""}}
    assert sorted({name for name, _ in seen} - pins().keys()) == []


def test_constraints_are_sorted() -> None:
    names = [line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()]
    assert names == sorted(names)


@pytest.mark.parametrize("name", CONFIGURATION)
def test_no_address_is_in_the_configuration(name: str) -> None:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if ADDRESS.search(line)] == []


def test_ci_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)


def test_commit_hooks_call_installed_tools() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"repo: (\S+)", text)) == {"local"}
    entries = re.findall(r"entry: (\S+)", text)
    assert entries
    assert all(entry.startswith(".venv/bin/") for entry in entries)


def test_the_changelog_knows_this_version() -> None:
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest
    assert newest[1] in {PROJECT["project"]["version"], "Unreleased"}
    assert version("lakehouse-workbench") == PROJECT["project"]["version"]
