"""The predecessors' gates: each says what it checks, and fails when what it checks is not so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.cli.entry import main
from workbench.cli.smoke import COMING, FAILED, GATES, Gate, expect, refusal, run
from workbench.errors import InvalidError, NotFoundError, WorkbenchError

MAKEFILE = (Path(__file__).parents[1] / "Makefile").read_text(encoding="utf-8")


def lh(*words):
    return subprocess.run([str(Path(sys.executable).with_name("lh")), *words], capture_output=True, text=True)


@pytest.mark.s3
def test_all_gates_pass_and_those_to_come_are_counted():
    done = lh("smoke")
    assert done.returncode == 0, done.stdout
    for name in GATES:
        assert re.search(rf"^✓ {name}  passed in", done.stdout, re.MULTILINE)
    for name, capability in COMING.items():
        assert f"· {name}  not yet: it comes with {capability}" in done.stdout
    assert done.stdout.splitlines()[-1] == "7 passed, 2 not yet"
    for said in (
        "refused with 404: GET of an absent key",
        "refused with 413: PUT of 256 MiB and one byte",
        "refused with 503: a fifth PUT beside four",
        "refused with 409: another schema under the name",
        "another process finds it in storage alone",
        "zip and phone come back as text",
        "a fresh process counts what the first one stored",
        "recall@10 is 1.00 against brute force over 2,000 vectors",
        "refused with 400: a vector of 63 numbers for an index of 64",
        "two fresh processes answer with the same ids and the same bits",
        "each of 5 texts is found first by a paraphrase",
    ):
        assert f"  ✓ {said}" in done.stdout


def test_a_gate_by_name():
    one = lh("smoke", "d3")
    assert (one.returncode, one.stdout.splitlines()[-1]) == (0, "1 passed")


def test_a_gate_that_is_not_there_yet_and_one_that_never_was(capsys):
    with pytest.raises(SystemExit, match="1"):
        main(["smoke", "d6"])
    later = capsys.readouterr().out
    assert later.splitlines()[-1] == "1 not yet"
    assert "comes with the gateway" in later
    with pytest.raises(SystemExit, match="1"):
        main(["smoke", "d22"])
    assert "d2" in capsys.readouterr().err


def not_so(folder):
    expect(True, "this is so")
    expect(False, "this is not")


def crashes(folder):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(("check", "said"), [(not_so, "Not so: this is not."), (crashes, "No space left on device")])
def test_a_gate_that_does_not_hold_fails(capsys, check, said):
    assert run("d2", {"d2": Gate("d2", "objects", check)}) == FAILED
    assert said in capsys.readouterr().out


def test_a_refusal_must_come_and_be_of_its_kind():
    with pytest.raises(WorkbenchError, match="Not refused: nothing"), refusal(InvalidError, "nothing"):
        pass
    with pytest.raises(NotFoundError), refusal(InvalidError, "another kind"):
        raise NotFoundError("Not here.")


def test_make_knows_the_same_names():
    names = MAKEFILE.partition("SMOKES    := ")[2].partition("\n")[0].split()
    assert sorted(names) == sorted([*GATES, *COMING])
