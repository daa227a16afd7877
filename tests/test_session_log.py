"""The session log as a dataset: a row for each run, the exact line in it, and an alarm that names what must not be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import workbench
from workbench.cli.entry import main
from workbench.lake.lake import Lake
from workbench.lake.sql.query import Access
from workbench.lake.tables.storage import LocalStorage
from workbench.llm.attempts import Attempt, Complaint, Limits, Run, Task
from workbench.llm.sessions import ALARM, DATASET, SessionLog, alarms, to_record

ARTIFACT = {"fills": [{"candidate_id": "W-2", "name": "Zoë Ray"}]}
ATTEMPT = Attempt(1, '{"fills": []} or call 312-555-0101', "accepted", provider="scripted", tokens=12)
RUN = Run(
    Task("fill", "Need 1 packer; Ann is at 312-555-0101.", "scripted/demo", trace_id="s-1"),
    Limits(),
    (ATTEMPT,),
    "accepted",
    0.8124,
    artifact=ARTIFACT,
    grounded=True,
)
RAW = Access(row_cap=None, show_pii=True)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(LocalStorage(tmp_path / "lake"))


@pytest.fixture
def log(lake: Lake, tmp_path: Path) -> Iterator[SessionLog]:
    made = SessionLog(lake, tmp_path / "spool")
    yield made
    made.close(write=False)


def rows(lake: Lake, log: SessionLog, access: Access = RAW) -> list[dict[str, Any]]:
    assert log.flush(), log.stats()
    return lake.sql(f"SELECT * FROM {DATASET} ORDER BY timestamp", access=access).table.to_pylist()


def test_a_run_is_a_row_of_the_fields_of_the_contract_and_the_line(lake, log):
    assert log.note(RUN) == "s-1"
    (row,) = rows(lake, log)
    line = json.loads(row.pop("line"))
    assert list(row) == [*list(to_record(RUN, timestamp=row["timestamp"]))]
    assert line == to_record(RUN, timestamp=row["timestamp"], mask=lambda text: text.replace("312-555-0101", "••••••"))
    told = {name: json.loads(row[name]) for name in ("attempts", "artifact")}
    at = row["timestamp"].isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert row | told | {"timestamp": at} == line


def test_personal_data_is_covered_in_the_line_too_and_never_in_what_was_judged(lake, log):
    log.note(RUN)
    (row,) = rows(lake, log)
    assert "0101" not in json.dumps({**row, "timestamp": ""})
    assert json.loads(row["artifact"]) == json.loads(row["line"])["artifact"] == ARTIFACT


def test_sql_hides_the_artifact_and_the_line_from_who_may_not_see_people(lake, log):
    log.note(RUN)
    (row,) = rows(lake, log, Access())
    assert {row["artifact"], row["line"]} == {"••••••"}
    assert row["kind"] == "fill"


def test_a_run_that_was_not_accepted_has_no_artifact(lake, log):
    log.note(replace(RUN, stopped="iterations", artifact=None, grounded=None))
    (row,) = rows(lake, log)
    assert (row["artifact"], row["final_verdict"], row["grounded_in_roster"]) == (None, "max_iter_exhausted", None)
    assert "artifact" not in json.loads(row["line"])


def test_a_run_without_an_id_gets_one(lake, log):
    nameless = replace(RUN, task=replace(RUN.task, trace_id=""))
    ids = [log.note(nameless), log.note(nameless)]
    assert len(set(ids)) == 2
    assert sorted(row["session_id"] for row in rows(lake, log)) == sorted(ids)


def test_what_is_written_down_is_what_was_accepted_and_not_what_became_of_it(lake, log):
    artifact = json.loads(json.dumps(ARTIFACT))
    log.note(replace(RUN, artifact=artifact))
    artifact["fills"].clear()
    (row,) = rows(lake, log)
    assert json.loads(row["artifact"]) == ARTIFACT


def test_half_a_character_of_a_model_loses_no_line(lake, log):
    broken = replace(ATTEMPT, raw="half a \ud800 character")
    log.note(replace(RUN, attempts=(broken,), artifact={"fills": [{"name": "\udfff"}]}))
    (row,) = rows(lake, log)
    assert json.loads(row["line"])["attempts"][0]["raw"] == "half a ? character"


def test_what_a_rule_covered_is_not_in_the_line_either(lake, log):
    told = Complaint("rule_redacted", "ssn-redact covered notes.", "notes", severity="info")
    covered = replace(ATTEMPT, raw='{"notes": "her secret"}', findings=(told,), artifact={"notes": "••••••"})
    log.note(replace(RUN, attempts=(covered, replace(covered, artifact=None)), artifact=None, stopped="iterations"))
    (row,) = rows(lake, log)
    assert "secret" not in row["line"]
    assert [one["raw"] for one in json.loads(row["attempts"])] == ['{"notes": "••••••"}', ""]


CASES = [
    (RUN, False),
    (replace(RUN, grounded=False), True),
    (replace(RUN, grounded=None), True),
    (replace(RUN, grounded=False, stopped="iterations", artifact=None), False),
    (replace(RUN, grounded=None, task=replace(RUN.task, kind="email")), False),
]


def test_the_alarm_query_finds_what_the_alarm_finds(lake, log):
    wanted = []
    for number, (run, rings) in enumerate(CASES):
        log.note(replace(run, task=replace(run.task, trace_id=f"s-{number}")))
        wanted += [f"s-{number}"] if rings else []
    found = rows(lake, log)
    assert sorted(row["session_id"] for row in lake.sql(ALARM).table.to_pylist()) == wanted == ["s-1", "s-2"]
    assert sorted(row["session_id"] for row in found if alarms(json.loads(row["line"]))) == wanted


@pytest.fixture
def lh(tmp_path: Path, home: Path, monkeypatch, capsys):
    """Run a command line on the lake in this process; its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("COLUMNS", "220")

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def checked(lh) -> dict[str, Any]:
    code, out, _ = lh("doctor", "--json")
    told = json.loads(out)
    (check,) = [one for one in told["checks"] if one["name"] == DATASET]
    return check | {"code": code}


def test_the_doctor_fails_and_names_the_runs_until_the_alarm_is_silent(lh, tmp_path):
    assert not (tmp_path / "lake").exists()
    with workbench.connect(tmp_path / "lake") as wb:
        wb.logs.sessions.note(RUN)
        assert wb.logs.alarm() == []
    quiet = checked(lh)
    assert (quiet["state"], quiet["message"]) == ("ok", "no accepted fill that is not known to be grounded")
    with workbench.connect(tmp_path / "lake") as wb:
        wb.logs.sessions.note(replace(RUN, grounded=None, task=replace(RUN.task, trace_id="s-bad")))
    # The line still waits on this machine: the doctor looks there too.
    loud = checked(lh)
    assert (loud["state"], loud["code"]) == ("broken", 1)
    assert "1 accepted fill not known to be grounded: s-bad" in loud["message"]
    with workbench.connect(tmp_path / "lake") as wb:
        assert [row["session_id"] for row in wb.logs.alarm()] == ["s-bad"]


def test_the_doctor_of_a_lake_that_is_not_there_makes_none(lh, tmp_path):
    assert "iterate_sessions" not in lh("doctor", "--json")[1]
    assert not (tmp_path / "lake").exists()


def test_lines_that_the_lake_does_not_take_are_a_warning(tmp_path, home):
    with workbench.connect(tmp_path / "lake") as wb:
        wb.logs.sessions.note(replace(RUN, grounded=False))
        (tmp_path / "lake").mkdir()
        (tmp_path / "lake" / "_staging").write_bytes(b"in the way")
        (check,) = wb.logs.checks()
    assert check.state == "warning"
    assert "lines wait on this machine and were not looked at" in check.message


def test_a_dataset_of_that_name_that_is_no_log_is_a_warning(lh, tmp_path):
    (tmp_path / f"{DATASET}.csv").write_text("mine\n1\n")
    lh("ingest", f"{DATASET}.csv")
    assert checked(lh)["state"] == "warning"


def test_history_shows_the_runs(lh, tmp_path):
    assert lh("history", "--sessions")[:2] == (0, "")
    with workbench.connect(tmp_path / "lake") as wb:
        wb.logs.sessions.note(RUN)
    code, out, _ = lh("history", "--sessions")
    assert code == 0
    for words in ("s-1", "scripted/demo", "accepted", "yes", "1 of 3"):
        assert words in out
    (row,) = json.loads(lh("history", "--sessions", "--json")[1])
    assert row["artifact"] == "••••••"
