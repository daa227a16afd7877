"""Acceptance holds on the product as it is, and each of its 22 invariants fails when its rule is taken out of a
copy.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from workbench.distill import acceptance
from workbench.distill.acceptance import accept, judge
from workbench.distill.invariants import INVARIANTS, Runs
from workbench.distill.root import Root
from workbench.errors import InvalidError

ROOT = Path(__file__).parents[1]
RULES = tomllib.loads((ROOT / "tests/distill_rules.toml").read_text("utf-8"))["rule"]
JUDGE = """
import json, pathlib, sys
import workbench
from workbench.distill.acceptance import accept
assert pathlib.Path(workbench.__file__).is_relative_to(pathlib.Path.cwd()), workbench.__file__
done = accept(pathlib.Path(sys.argv[1]))
print(json.dumps({"failed": done.failed, "stopped": done.stopped, "of": len(done.invariants)}))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy").resolve()
    shutil.copytree(ROOT / "workbench", folder / "workbench", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def failed_in(copy: Path, folder: Path) -> dict[str, Any]:
    env = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    said = subprocess.run([sys.executable, "-c", JUDGE, folder], cwd=copy, env=env, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def test_all_22_hold(tmp_path: Path) -> None:
    done = accept(tmp_path / "a")
    assert [one.to_dict() for one in done.invariants if not one.ok] == []
    assert done.stopped == ""
    assert done.ok
    said = json.loads(json.dumps(done.to_dict()))
    assert (said["held"], said["of"], said["ok"]) == (22, 22, True)


def test_every_invariant_has_a_rule_that_can_be_taken_out() -> None:
    assert [rule["invariant"] for rule in RULES] == list(INVARIANTS)
    assert len(RULES) == 22


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["invariant"])
def test_an_invariant_fails_without_its_rule(rule: dict[str, Any], copy: Path, tmp_path: Path) -> None:
    whole: dict[Path, str] = {}
    try:
        for where, take, give in rule["edits"]:
            module = copy / "workbench" / where
            text = module.read_text("utf-8")
            whole.setdefault(module, text)
            assert text.count(take) == 1, f"{where} holds {text.count(take)} times: {take!r}"
            module.write_text(text.replace(take, give), "utf-8")
        found = failed_in(copy, tmp_path / "a")
    finally:
        for module, text in whole.items():
            module.write_text(text, "utf-8")
    assert rule["invariant"] in found["failed"], found


def test_the_copy_as_it_is_holds(copy: Path, tmp_path: Path) -> None:
    assert failed_in(copy, tmp_path / "a") == {"failed": [], "stopped": "", "of": 22}


def test_a_run_that_breaks_is_told_and_fails(tmp_path: Path) -> None:
    empty = Runs(Root(tmp_path / "a"), Root(tmp_path / "b"), "1", "2", "3", {})
    done = judge(empty, "first-run: broke")
    assert not done.ok
    assert list(done.failed) == list(INVARIANTS)  # none of them holds where there is nothing
    assert judge(empty, "broke", invariants={}).ok is False


def test_an_invariant_that_cannot_be_judged_does_not_hold(tmp_path: Path) -> None:
    def breaks(runs: Runs) -> Any:
        raise KeyError("gone")

    [one] = judge(Runs(Root(tmp_path), Root(tmp_path), "1", "2", "3", {}), invariants={"x": breaks}).invariants
    assert not one.ok
    assert "KeyError" in one.actual


def test_acceptance_needs_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidError):
        acceptance.accept(tmp_path)
