"""``lh rules``: the list, a file checked, a trial, and what each exits with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from workbench.cli.app import app
from workbench.errors import ConfigError, InvalidError, NotFoundError

OWN = """\
[[rule]]
id = "{id}"
task_class = "staffing.fill"
description = "d"
condition = {{ type = "FieldEmpty", field = "artifact.reson" }}
action = {{ type = "Reject", message = "Say why." }}
"""
BUILT_IN = ["worker-active", "endorsed-count-matches-target", "city-required", "no-destructive-sql-in-context"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a lake that does not exist yet and files of JSON."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("COLUMNS", "250")
    for name, value in {
        "order": {"city": "Joliet", "target_count": 1},
        "nowhere": {"target_count": 1},
        "fill": {"fills": [{"candidate_id": "W-1", "name": "Ana"}]},
        "none": {"fills": []},
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(value))
    return tmp_path


def folder(place: Path, monkeypatch: pytest.MonkeyPatch, *ids: str) -> Path:
    """A folder of rules in force, a file for each id."""
    rules = place / "rules"
    rules.mkdir()
    for one in ids:
        (rules / f"{one}.toml").write_text(OWN.format(id=one))
    monkeypatch.setenv("LH_TRUTH_FOLDER", "rules")
    return rules


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["rules", *words])


def listed(*words: str) -> list[str]:
    done = run(*words, "--json")
    assert done.exit_code == 0
    return [rule["id"] for rule in json.loads(done.stdout)["rules"]]


def test_the_list_shows_every_rule_with_what_it_does_and_where_it_stands(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder(place, monkeypatch, "own")
    done = run()
    assert done.exit_code == 0
    for said in (
        *BUILT_IN,
        "staffing.any",
        "context.city is empty",
        "block: The context holds",
        "built-in",
        "own.toml:1",
    ):
        assert said in done.stdout
    assert "5 rules, version " in done.stderr


def test_the_list_as_json_has_the_rules_as_they_are_written(place: Path) -> None:
    done = run("--json")
    said = json.loads(done.stdout)
    assert [rule["id"] for rule in said["rules"]] == BUILT_IN
    assert said["rules"][2]["condition"] == {"type": "FieldEmpty", "field": "context.city"}
    assert said["rules"][2]["action"]["type"] == "Reject"
    assert len(said["digest"]) == 64


def test_a_file_is_checked_beside_the_rules_in_force(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = folder(place, monkeypatch, "own")
    (place / "new.toml").write_text(OWN.format(id="new"))
    assert listed("new.toml") == [*BUILT_IN, "own", "new"]
    assert listed(str(rules / "own.toml")) == [*BUILT_IN, "own"]  # it is in force already, and not twice
    assert listed("rules") == [*BUILT_IN, "own"]
    for taken in ("own", "city-required"):
        (place / "new.toml").write_text(OWN.format(id=taken))
        assert isinstance(run("new.toml").exception, ConfigError)


def test_a_file_that_is_wrong_is_an_error_of_the_configuration(place: Path) -> None:
    (place / "new.toml").write_text(OWN.format(id="new").replace("FieldEmpty", "FieldEmty"))
    error = run("new.toml").exception
    assert isinstance(error, ConfigError)
    assert error.exit_code == 2
    assert "new.toml, line 5, rule 'new': there is no condition 'FieldEmty'" in error.message
    assert error.hint == "Did you mean FieldEmpty?"
    assert isinstance(run("gone.toml").exception, ConfigError)


def trial(*words: str) -> tuple[int, dict[str, Any]]:
    done = run("--task-class", "staffing.fill", *words, "--json")
    assert done.stdout, done.exception
    return done.exit_code, json.loads(done.stdout)


def test_a_context_alone_is_tried(place: Path) -> None:
    code, said = trial("--context", "order.json")
    assert (code, said["ok"]) == (0, True)
    code, said = trial("--context", "nowhere.json")
    assert (code, said["ok"], said["blocked"]) == (1, False, False)
    assert [(row["rule"], row["at"]) for row in said["rules"] if row["state"] == "held"] == [
        ("city-required", ["context.city"])
    ]


def test_an_artifact_is_tried_and_counted(place: Path) -> None:
    assert trial("--context", "order.json", "--artifact", "fill.json")[0] == 0
    code, said = trial("--context", "order.json", "--artifact", "none.json")
    assert code == 1
    assert [row["rule"] for row in said["rules"] if row["state"] == "held"] == ["endorsed-count-matches-target"]


def test_a_path_that_leads_nowhere_is_told(place: Path) -> None:
    (place / "new.toml").write_text(OWN.format(id="new"))
    code, said = trial("new.toml", "--context", "order.json", "--artifact", "fill.json")
    assert (code, said["rules"][-1]["leads_nowhere"]) == (1, ["artifact.reson"])
    done = run("new.toml", "--task-class", "staffing.fill", "--context", "order.json", "--artifact", "fill.json")
    assert done.exit_code == 1
    assert "! new  held at artifact.reson  reject: Say why.  (there is no artifact.reson here)" in done.stdout
    assert done.stdout.endswith("refused\n")


def test_a_trial_that_refuses_nothing_says_so(place: Path) -> None:
    done = run("--task-class", "staffing.fill", "--context", "order.json")
    assert done.exit_code == 0
    assert done.stdout.endswith("not refused\n")


def test_a_trial_needs_a_task_class_and_files_that_are_there(place: Path) -> None:
    assert isinstance(run("--context", "order.json").exception, InvalidError)
    wrong = run("--task-class", "staffing.fil").exception
    assert isinstance(wrong, InvalidError)
    assert "staffing.fill" in wrong.hint
    assert isinstance(run("--task-class", "staffing.fill", "--context", "gone.json").exception, NotFoundError)


def test_validate_judges_by_the_rules_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(place, monkeypatch, "own")
    done = CliRunner().invoke(app, ["validate", "fill", "fill.json", "--context", "nowhere.json", "--json"])
    assert done.exit_code == 1
    ruled = [one for one in json.loads(done.stdout)["findings"] if one["code"] == "rule_rejected"]
    assert [(one["path"], one["evidence"]["rule"]) for one in ruled] == [
        ("_context.city", "city-required"),
        ("reson", "own"),
    ]
