"""``lh order``: what it understood, what it did not, and who may fill the order."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import workbench
from workbench.cli.entry import main

ROSTER = """worker_id,name,role,city,state,skills,certifications,availability,resume_text
1,Ann Lee,Welder,Gary,IN,MIG; TIG,OSHA-10,0.9,Welder. Open to 1st shift (days).
2,Bo Ohm,Welder,Gary,IN,MIG,OSHA-10; AWS D1.1,0.9,Welder. Open to 3rd shift (nights).
3,Cy Diaz,Welder,Gary,IN,MIG,,0.0,Welder. Open to 1st shift (days).
"""
BANS = "client_id,worker_id,since,reason\nCL-1,2,2026-01-01,late\n"
CLIENTS = "client_id,name,city,state,contact_name\nCL-1,Acme Steel Works,Gary,IN,Joan Park\n"


LH = Path(sys.executable).with_name("lh")


def piped(text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """``lh order - …`` in a process of its own that reads the text from stdin."""
    return subprocess.run([LH, "order", "-", *words], input=text, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of three welders, for copies."""
    folder = tmp_path_factory.mktemp("made")
    with workbench.connect(folder / "lake") as wb:
        for name, text in {"workers": ROSTER, "do_not_return": BANS, "clients": CLIENTS}.items():
            (folder / f"{name}.csv").write_text(text)
            wb.ingest(folder / f"{name}.csv")
    return folder


@pytest.fixture
def lh(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run a command line on that lake, in this process; its exit code, stdout and stderr."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("COLUMNS", "160")

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_an_order_shows_its_fields_with_their_words_then_the_workers_and_the_funnel(lh):
    code, out, err = lh("order", "Acme Steel Works needs 2 welders in Gary, OSHA-10 required, zorble")
    assert code == 0
    lines = [line.split() for line in out.splitlines()]
    assert ["role", "Welder", '"welders"'] in lines
    assert ["must", "OSHA-10", '"OSHA-10"'] in lines
    assert 'Not understood: "zorble"' in err
    assert "The text does not say from when." in err
    assert "3 workers → 3 in Gary, IN → 3 role Welder → 2 available → 2 hold OSHA-10 (dates not known)" in err
    assert "→ 1 not barred by Acme Steel Works → 1 shown" in err


@pytest.mark.usefixtures("lh")
def test_a_dash_reads_the_order_from_stdin():
    done = piped("2 welders\nin Gary, IN\n", "-k", "1", "--json")
    (answer,) = json.loads(done.stdout)
    assert done.returncode == 0
    assert answer["order"]["city"]["words"] == "Gary, IN"
    assert len(answer["results"]["hits"]) == 1
    assert answer["results"]["matching"] == 2


def test_several_orders_are_told_one_after_the_other(lh):
    _, out, err = lh("order", "2 welders and 3 packers for Gary, IN")
    assert [line for line in out.splitlines() if line.startswith("Order")] == ["Order 1 of 2", "Order 2 of 2"]
    assert "No row is left after: role Packer" in err


def test_why_is_told_when_asked(lh):
    assert "meaning" not in lh("order", "2 welders in Gary")[1]
    assert "meaning" in lh("order", "2 welders in Gary", "--why")[1]


def test_why_not_names_the_condition_that_keeps_somebody_out(lh):
    text = "Acme Steel Works needs 2 welders in Gary"
    _, out, _ = lh("order", text, "--why-not", "W-2")
    assert "Dropped by: not barred by Acme Steel Works" in out
    answers = json.loads(lh("order", text, "--why-not", "3", "--json")[1])
    assert answers[0]["why_not"]["gate"] == "available"


def test_names_are_masked_unless_asked(lh):
    assert "Ann Lee" not in lh("order", "2 welders in Gary")[1]
    assert "Ann Lee" in lh("order", "2 welders in Gary", "--show-pii")[1]


def test_a_text_that_asks_for_nobody_ends_with_1(lh):
    code, _, err = lh("order", "hello there")
    assert code == 1
    assert "names no role, paper, skill or shift to search by" in err


@pytest.mark.usefixtures("lh")
def test_an_empty_order_is_refused():
    done = piped(" \n")
    assert done.returncode == 1
    assert "The order is empty." in done.stderr
