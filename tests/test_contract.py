"""The table of clauses is true to life: each names a test that is there, and text that can be taken out."""

from __future__ import annotations

import ast
from collections import Counter
from functools import cache

import pytest
from contract import ROOT, Clause, clauses, fails_without

CLAUSES = clauses()


@cache
def functions_of(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("one", CLAUSES, ids=lambda one: one.clause)
def test_a_clause_names_its_test_and_can_be_taken_out(one: Clause) -> None:
    file, _, name = one.test.partition("::")
    assert name.partition("[")[0] in functions_of(file)
    module = (ROOT / one.where).read_text("utf-8")
    ast.parse(one.without(module))  # otherwise its test would fail for another reason


def test_no_clause_is_told_twice_and_the_contract_is_covered() -> None:
    said = Counter(one.clause for one in CLAUSES)
    assert max(said.values()) == 1
    of = Counter(clause.partition(":")[0] for clause in said)
    assert min(of["fill"], of["email"]) >= 12
    assert {"fill", "email", "playbook", "wire", "verdict", "roster", "extract"} <= set(of)


def test_a_clause_that_is_not_there_cannot_be_taken_out() -> None:
    with pytest.raises(ValueError, match="0 times"):
        Clause("", "", "a.py", "x = 1", "").without("y = 1")


def test_a_lost_clause_is_seen_and_a_test_that_cannot_fail_is_told(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "tests").mkdir()
    (tmp_path / "rule.py").write_text("MOST = 78\n")
    (tmp_path / "tests/test_rule.py").write_text(
        "import rule\n\ndef test_sharp():\n    assert rule.MOST == 78\n\ndef test_dull():\n    assert rule.MOST\n"
    )
    sharp = Clause("", "test_rule.py::test_sharp", "rule.py", "78", "79")
    assert fails_without(sharp, tmp_path) == ""
    assert "passes" in fails_without(Clause("", "test_rule.py::test_dull", "rule.py", "78", "79"), tmp_path)
    assert "cannot be run" in fails_without(Clause("", "test_rule.py::test_gone", "rule.py", "78", "79"), tmp_path)
    assert (tmp_path / "rule.py").read_text() == "MOST = 78\n"
