"""The session log: bytes, fields, lengths, masks, and the alarm."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from typing import Any

import pytest

from workbench.errors import InvalidError
from workbench.llm.attempts import ENDS, RAW_CHARS, Attempt, Complaint, Limits, Run, Task
from workbench.llm.changes import Change
from workbench.llm.sessions import PROMPT_CHARS, alarms, to_line, to_record

NOW = dt.datetime(2026, 11, 21, 9, 30, 0, 125_000, tzinfo=dt.timezone(dt.timedelta(hours=-6)))
ARTIFACT = {"fills": [{"candidate_id": "W-2", "name": "Zoë Ray"}]}
REFUSED = Attempt(
    iteration=1,
    raw='{"fills": [{"candidate_id": "W-9"}]}',
    status="validation_failed",
    findings=(Complaint("phantom_id", "W-9 is not on the roster.", "fills[0].candidate_id", nearest_valid=("W-2",)),),
    model="qwen3",
    provider="ollama",
    finish="stop",
    tokens=120,
    duration_s=0.5,
)
ACCEPTED = replace(
    REFUSED,
    iteration=2,
    raw='{"fills": []}',
    status="accepted",
    findings=(),
    diff=(Change("fills[0].candidate_id", "W-9", "W-2"),),
    kept=1,
    estimated=True,
    duration_s=0.25,
)
RUN = Run(
    task=Task("fill", "Need 1 packer in Gary.", "ollama/qwen3", trace_id="s-1"),
    limits=Limits(),
    attempts=(REFUSED, ACCEPTED),
    stopped="accepted",
    duration_s=0.8124,
    artifact=ARTIFACT,
    grounded=True,
)
FAILED = replace(RUN, stopped="iterations", artifact=None, grounded=None)

GOLDEN = (
    '{"schema":"session.iterate.v1","session_id":"s-1","timestamp":"2026-11-21T15:30:00.125Z","daemon":"workbench",'
    '"kind":"fill","model":"ollama/qwen3","provider":"ollama","prompt":"Need 1 packer in Gary.","iterations":2,'
    '"max_iterations":3,"final_verdict":"accepted","attempts":[{"iteration":1,'
    '"raw":"{\\"fills\\": [{\\"candidate_id\\": \\"W-9\\"}]}","status":"validation_failed","findings":[{'
    '"code":"phantom_id","path":"fills[0].candidate_id","severity":"error","message":"W-9 is not on the roster.",'
    '"got":null,"expected":null,"nearest_valid":["W-2"],"evidence":{}}],"diff":[],"kept":0,"tokens":120,'
    '"estimated":false,"duration_ms":500},{"iteration":2,"raw":"{\\"fills\\": []}","status":"accepted","findings":[],'
    '"diff":[{"path":"fills[0].candidate_id","was":"W-9","now":"W-2"}],"kept":1,"tokens":120,"estimated":true,'
    '"duration_ms":250}],"artifact":{"fills":[{"candidate_id":"W-2","name":"Zoë Ray"}]},"grounded_in_roster":true,'
    '"duration_ms":812}\n'
)
FIELDS = [
    *("session_id", "timestamp", "daemon", "kind", "model", "provider", "prompt", "iterations", "max_iterations"),
    *("final_verdict", "attempts", "artifact", "grounded_in_roster", "duration_ms"),
]


def test_the_bytes_of_a_line():
    assert to_line(RUN, timestamp=NOW).decode() == GOLDEN


def test_the_fields_are_those_of_the_contract_in_its_order():
    assert list(to_record(RUN, timestamp=NOW)) == ["schema", *FIELDS]


def test_the_artifact_is_there_only_when_accepted():
    assert list(to_record(FAILED, timestamp=NOW)) == ["schema", *(name for name in FIELDS if name != "artifact")]


def test_grounded_is_null_when_nobody_was_looked_up():
    assert to_record(FAILED, timestamp=NOW)["grounded_in_roster"] is None


def test_every_end_has_a_verdict_of_the_contract():
    assert {verdict for verdict, _ in ENDS.values()} == {"accepted", "max_iter_exhausted", "infra_error"}
    assert [end for end, (verdict, _) in ENDS.items() if verdict == "accepted"] == ["accepted"]
    assert to_record(replace(FAILED, stopped="model_failed"), timestamp=NOW)["final_verdict"] == "infra_error"


def test_a_run_without_an_attempt_has_no_provider():
    record = to_record(replace(FAILED, attempts=()), timestamp=NOW)
    assert (record["provider"], record["iterations"], record["attempts"]) == ("", 0, [])


def test_a_long_prompt_and_long_answers_are_shortened():
    long = replace(
        RUN, task=replace(RUN.task, prompt="p" * 9000), attempts=(replace(REFUSED, raw="r" * 9000),), artifact=None
    )
    record = to_record(long, timestamp=NOW)
    assert record["prompt"] == "p" * PROMPT_CHARS == "p" * 4000
    assert record["attempts"][0]["raw"] == "r" * RAW_CHARS == "r" * 2000


def test_a_line_is_one_line_whatever_was_said():
    run = replace(RUN, task=replace(RUN.task, prompt='two\nlines "and" \ud800 half\r\n'))
    line = to_line(run, timestamp=NOW)
    assert line.count(b"\n") == 1
    assert json.loads(line)["prompt"] == 'two\nlines "and" ? half\r\n'


def test_texts_are_masked_before_they_are_shortened():
    secret = "219-09-9999"
    at_the_cut = "x" * (RAW_CHARS - 4) + secret
    told = Complaint("ssn", f"It says {secret}.", "body", got=secret)
    run = replace(
        FAILED,
        task=replace(RUN.task, prompt="x" * (PROMPT_CHARS - 4) + secret),
        attempts=(replace(REFUSED, raw=at_the_cut, findings=(told,), diff=(Change("body", secret, "ok"),)),),
    )
    line = to_line(run, timestamp=NOW, mask=lambda text: text.replace(secret, "***"))
    assert b"219" not in line
    assert b'"code":"ssn"' in line


def test_a_mask_leaves_our_own_words_alone():
    record = to_record(RUN, timestamp=NOW, mask=lambda text: "*")
    texts = {"path": "", "message": "", "nearest_valid": []}  # a model may write a path, too
    assert record["attempts"][0]["findings"][0] | texts == {
        **REFUSED.findings[0].to_dict(),
        **texts,
    }
    assert record["artifact"] == ARTIFACT, "what was judged is kept as it was judged"


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(InvalidError, match="zone"):
        to_line(RUN, timestamp=NOW.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("change", "rings"),
    [
        ({}, False),
        ({"grounded_in_roster": False}, True),
        ({"grounded_in_roster": None}, True),
        ({"grounded_in_roster": "true"}, True),
        ({"grounded_in_roster": False, "final_verdict": "max_iter_exhausted"}, False),
        ({"grounded_in_roster": None, "kind": "email"}, False),
    ],
)
def test_the_alarm_rings_for_an_accepted_fill_that_is_not_known_to_be_grounded(change: dict[str, Any], rings):
    assert alarms({**to_record(RUN, timestamp=NOW), **change}) is rings


def test_the_alarm_rings_when_the_field_is_left_out():
    record = to_record(RUN, timestamp=NOW)
    del record["grounded_in_roster"]
    assert alarms(record)
