"""Each transform with a good row, rows that become no evidence, and odd rows that must lose nothing."""

from __future__ import annotations

import ast
import copy
from pathlib import Path
from typing import Any

import pytest

from workbench.distill import streams
from workbench.distill.collect import materialize
from workbench.distill.records import EvidenceRecord, checked, encode
from workbench.distill.root import STREAMS, TIER_1, TIER_2
from workbench.distill.streams import TRANSFORMS, Skip
from workbench.records import encode as line_of
from workbench.records import parse, sig_hash

AT = "2026-04-27T00:00:00.000Z"
TS = "2026-04-26T10:00:00.000Z"

GOOD: dict[str, dict[str, Any]] = {
    "distilled_facts": {"run_id": "d-1", "source_label": "run-7", "created_at": TS, "extractor": "qwen", "text": "a"},
    "distilled_procedures": {"run_id": "d-1", "source_label": "run-7", "created_at": TS, "procedure": "1. a"},
    "distilled_config_hints": {"run_id": "d-1", "source_label": "run-7", "created_at": TS, "hint": "a = 1"},
    "contract_analyses": {
        "permit_id": 77,
        "contractor": "ACME",
        "ts": TS,
        "model": "m",
        "verdict": "accept",
        "confidence": 0.9,
        "analysis": "a",
        "matrix_corpora": {"permits": 3, "workers": 1},
        "matrix_hits": 0,
        "observer_notes": ["n"],
        "duration_ms": 0,
        "cost": 0.0,
    },
    "mode_experiments": {
        "ts": TS,
        "task_class": "review",
        "model": "m",
        "file_path": "a.rs",
        "response": "",
        "latency_ms": 130_000,
        "mode": "plain",
        "sources": {"matrix_corpus": ["w"], "matrix_chunks_kept": 2},
    },
    "scrum_reviews": {
        "file": "a.rs",
        "reviewed_at": TS,
        "accepted_model": "m",
        "accepted_on_attempt": 3,
        "attempts_made": 3,
        "text": "a",
        "tree_split_fired": True,
    },
    "observer_escalations": {
        "ts": TS,
        "cluster_endpoint": "/v1/chat",
        "model": "m",
        "analysis": "a",
        "prompt_tokens": 0,
        "completion_tokens": 9,
    },
    "audit_facts": {
        "head_sha": "abc",
        "pr_number": 9,
        "extracted_at": TS,
        "extractor": "qwen",
        "facts": ["a", "b", 7],
        "entities": [{"name": "x"}],
        "relationships": [],
    },
    "auto_apply": {"file": "a.rs", "action": "committed", "ts": TS, "model": "m", "text": "patch"},
    "observer_reviews": {
        "file": "a.rs",
        "ts": TS,
        "model": "m",
        "verdict": "cycle",
        "confidence": 0,
        "notes": "one",
        "text": "a",
    },
    "audits": {"finding_id": "f-1", "phase": "G1", "severity": "high", "ts": TS, "text": "a"},
    "outcomes": {
        "run_id": "s-1",
        "task_id": "scenario",
        "created_at": TS,
        "all_events_ok": False,
        "gap_signals": 0,
        "summary": "",
    },
    "sessions": {
        "schema": "session.iterate.v1",
        "session_id": "s-1",
        "timestamp": TS,
        "kind": "fill",
        "model": "m",
        "provider": "ollama",
        "prompt": "Need 1 packer.",
        "iterations": 1,
        "max_iterations": 3,
        "final_verdict": "accepted",
        "attempts": [{"raw": "first"}],
        "artifact": {"fills": [{"candidate_id": "W-2"}]},
        "grounded_in_roster": True,
        "duration_ms": 812,
    },
}
EACH = pytest.mark.parametrize("stream", STREAMS)


def turn(stream: str, row: Any, number: int = 4) -> dict[str, Any] | Skip:
    """The evidence of a source row, through the same door as collect."""
    raw = row if isinstance(row, bytes) else line_of(row).strip()
    made = materialize(raw, stream, f"data/_kb/{stream}.jsonl", number, AT)
    if isinstance(made, Skip):
        return made
    found = parse(made[1])
    assert isinstance(found, dict)
    return found


def good(stream: str, **changes: Any) -> dict[str, Any]:
    found = turn(stream, GOOD[stream] | changes)
    assert not isinstance(found, Skip), found
    return found


def test_there_is_one_transform_for_each_of_the_thirteen_streams():
    assert len(TIER_1) == 8
    assert len(TIER_2) == 4
    assert tuple(TRANSFORMS) == STREAMS == (*TIER_1, *TIER_2, "sessions")


@EACH
def test_a_good_row_becomes_evidence_with_its_provenance(stream):
    found = good(stream)
    assert found["provenance"] == {
        "source_file": f"data/_kb/{stream}.jsonl",
        "line_offset": 4,
        "sig_hash": sig_hash(GOOD[stream]),
        "recorded_at": AT,
    }
    assert found["timestamp"] == TS
    assert found["run_id"].startswith(f"{stream}:")
    assert found["run_id"].endswith(":4")


@EACH
def test_evidence_is_in_the_order_that_the_record_declares(stream):
    made = materialize(line_of(GOOD[stream]).strip(), stream, "s.jsonl", 0, AT)
    assert not isinstance(made, Skip)
    assert made[1] == encode(checked(EvidenceRecord, parse(made[1])))


@EACH
def test_a_transform_is_pure(stream):
    row = copy.deepcopy(GOOD[stream])
    assert turn(stream, row) == turn(stream, row)
    assert row == GOOD[stream]


@EACH
def test_two_rows_with_one_id_are_two_runs(stream):
    one, two = turn(stream, GOOD[stream], 0), turn(stream, GOOD[stream], 1)
    assert isinstance(one, dict)
    assert isinstance(two, dict)
    assert one["run_id"] != two["run_id"]
    assert one["task_id"] == two["task_id"]


@EACH
def test_streams_that_share_an_id_have_other_run_ids(stream):
    others = [good(other, run_id="same")["run_id"] for other in STREAMS if other != stream]
    assert good(stream, run_id="same")["run_id"] not in others


@EACH
def test_no_row_at_all_raises(stream):
    for row in ({}, {"a": None}, {key: [] for key in GOOD[stream]}, {key: {} for key in GOOD[stream]}):
        assert isinstance(turn(stream, row), Skip | dict)
    for raw in (b"{", b"[]", b"null", b'{"a":9007199254740993}'):
        assert isinstance(turn(stream, raw), Skip)


@EACH
@pytest.mark.parametrize("value", [7, True, [], {}, "later"])
def test_a_field_of_another_type_is_a_skip_that_names_it(stream, value):
    field = next(
        name for name in ("ts", "created_at", "extracted_at", "reviewed_at", "timestamp") if name in GOOD[stream]
    )
    found = turn(stream, GOOD[stream] | {field: value})
    assert isinstance(found, Skip)
    assert found.reason in {"schema_violation", f"missing_{field}"}
    assert all(error.partition(":")[0] in {"timestamp", field} for error in found.errors)


@pytest.mark.parametrize(
    ("stream", "field"),
    [
        ("distilled_facts", "created_at"),
        ("distilled_procedures", "created_at"),
        ("distilled_config_hints", "created_at"),
        ("contract_analyses", "ts"),
        ("mode_experiments", "ts"),
        ("scrum_reviews", "reviewed_at"),
        ("observer_escalations", "ts"),
        ("audit_facts", "extracted_at"),
        ("observer_reviews", "ts"),
        ("audits", "ts"),
        ("outcomes", "created_at"),
        ("sessions", "timestamp"),
    ],
)
def test_a_row_without_its_time_is_a_skip(stream, field):
    for row in (GOOD[stream] | {field: None}, {k: v for k, v in GOOD[stream].items() if k != field}):
        assert turn(stream, row) == Skip(f"missing_{field}", (f"{field}: is absent or blank",))


@pytest.mark.parametrize(("stream", "field"), [("scrum_reviews", "reviewed_at"), ("outcomes", "created_at")])
def test_a_blank_time_is_a_missing_one(stream, field):
    assert turn(stream, GOOD[stream] | {field: " "}) == Skip(f"missing_{field}", (f"{field}: is absent or blank",))


@pytest.mark.parametrize("stream", ["distilled_facts", "distilled_procedures", "distilled_config_hints", "audit_facts"])
def test_extractions_have_the_role_extractor(stream):
    assert good(stream)["model_role"] == "extractor"
    assert good(stream)["text"]


def test_extractions_are_about_what_they_were_distilled_from():
    assert good("distilled_facts")["task_id"] == "run-7"
    assert good("distilled_facts", source_label=None)["task_id"] == "distilled_facts:d-1:4"
    assert good("distilled_facts", text="")["text"] == ""


def test_audit_facts_keep_texts_as_prose_and_the_rest_as_metadata():
    found = good("audit_facts")
    assert found["text"] == "a\nb"
    assert found["task_id"] == "pr:9"
    assert found["metadata"] == {"head_sha": "abc", "entities": [{"name": "x"}], "relationships": []}


def test_contract_analyses_carry_contractor_permit_and_context():
    found = good("contract_analyses")
    assert found["task_id"] == "permit:77"
    assert found["metadata"] == {"contractor": "ACME"}
    assert found["retrieved_context"] == {"matrix_corpora": ["permits", "workers"], "matrix_hits": 0}
    assert (found["observer_verdict"], found["observer_confidence"]) == ("accept", 0.9)
    assert (found["latency_ms"], found["cost_usd"]) == (0, 0)
    assert "failure_markers" not in found
    assert good("contract_analyses", contractor="")["metadata"] == {"contractor": ""}


def test_a_rejected_contract_has_its_marker_beside_those_it_brings():
    assert good("contract_analyses", verdict="reject")["failure_markers"] == ["observer_rejected"]
    found = good("contract_analyses", verdict="reject", failure_markers=["x"])
    assert found["failure_markers"] == ["x", "observer_rejected"]
    assert good("contract_analyses", failure_markers="x")["failure_markers"] == ["x"]


def test_mode_experiments_carry_latency_text_class_and_file():
    found = good("mode_experiments")
    assert (found["latency_ms"], found["text"], found["task_id"]) == (130_000, "", "review")
    assert found["source_files"] == ["a.rs"]
    assert found["metadata"] == {"mode": "plain", "task_class": "review"}
    assert found["retrieved_context"] == {"matrix_corpora": ["w"], "matrix_hits": 2}


@pytest.mark.parametrize("attempt", [1, 2, 3, 4, 17])
def test_a_scrum_review_accepted_on_attempt_n_has_that_marker(attempt):
    found = good("scrum_reviews", accepted_on_attempt=attempt)
    assert found["success_markers"] == [f"accepted_on_attempt_{attempt}"]


@pytest.mark.parametrize("attempt", [None, 0, -1, True, "1", 1.5])
def test_a_scrum_review_without_an_attempt_has_no_marker(attempt):
    assert "success_markers" not in good("scrum_reviews", accepted_on_attempt=attempt)


def test_a_scrum_review_is_about_its_file():
    found = good("scrum_reviews")
    assert (found["task_id"], found["source_files"]) == ("scrum_review:a.rs", ["a.rs"])
    assert found["metadata"] == {"attempts_made": 3, "tree_split_fired": True}
    assert good("scrum_reviews", file=None)["task_id"] == "scrum_reviews:4"


def test_observer_reviews_of_one_file_share_a_task():
    one, other = good("observer_reviews"), good("observer_reviews", verdict="reject", text="b")
    assert one["task_id"] == other["task_id"] == "observer_review:a.rs"
    assert (one["observer_verdict"], one["observer_confidence"], one["text"]) == ("cycle", 0, "a")
    assert one["observer_notes"] == ["one"]
    assert good("observer_reviews", file="b.rs")["task_id"] != one["task_id"]


@pytest.mark.parametrize(
    ("field", "value", "path"),
    [
        ("verdict", "maybe", "observer_verdict"),
        ("confidence", 95, "observer_confidence"),
        ("notes", [1], "observer_notes[0]"),
    ],
)
def test_an_observer_review_out_of_bounds_is_a_skip_not_a_guess(field, value, path):
    found = turn("observer_reviews", GOOD["observer_reviews"] | {field: value})
    assert isinstance(found, Skip)
    assert found.reason == "schema_violation"
    assert [error.partition(": ")[0] for error in found.errors] == [path]


def test_observer_escalations_carry_endpoint_and_tokens():
    found = good("observer_escalations")
    assert found["task_id"] == "observer_escalation:/v1/chat"
    assert (found["prompt_tokens"], found["completion_tokens"]) == (0, 9)


@pytest.mark.parametrize(
    ("severity", "good_marks", "bad_marks"),
    [
        ("info", ["audit_severity_info"], None),
        ("low", ["audit_severity_low"], None),
        ("medium", None, ["audit_severity_medium"]),
        ("high", None, ["audit_severity_high"]),
        ("critical", None, ["audit_severity_critical"]),
        ("unknown", None, None),
        (None, None, None),
        (["high"], None, None),
    ],
)
def test_the_severity_of_an_audit_becomes_a_marker(severity, good_marks, bad_marks):
    found = good("audits", severity=severity)
    assert (found.get("success_markers"), found.get("failure_markers")) == (good_marks, bad_marks)
    assert found["task_id"] == "phase:G1"


def test_auto_apply_without_a_time_takes_recorded_at():
    row = {key: value for key, value in GOOD["auto_apply"].items() if key != "ts"}
    found = turn("auto_apply", row)
    assert isinstance(found, dict)
    assert found["timestamp"] == AT
    assert turn("auto_apply", row | {"ts": None}) != found  # the row is another, and so is its hash


@pytest.mark.parametrize(
    ("action", "good_marks", "bad_marks"),
    [
        ("committed", ["committed"], None),
        ("build_red_reverted", None, ["build_red_reverted"]),
        ("reverted", None, None),
        ("skipped", None, None),
        (None, None, None),
        (7, None, None),
    ],
)
def test_the_action_of_auto_apply_becomes_a_marker(action, good_marks, bad_marks):
    found = good("auto_apply", action=action)
    assert (found.get("success_markers"), found.get("failure_markers")) == (good_marks, bad_marks)
    assert found["model_role"] == "applier"


def test_outcomes_carry_what_the_scorer_needs_even_when_it_is_false_or_zero():
    found = good("outcomes")
    assert found["validation_results"] == {"all_events_ok": False, "gap_signals": 0}
    assert "success_markers" not in found
    assert found["text"] == ""
    assert good("outcomes", all_events_ok=True)["success_markers"] == ["all_events_ok"]
    assert "success_markers" not in good("outcomes", all_events_ok="true")


def test_a_session_is_the_answer_to_its_prompt():
    found = good("sessions")
    assert found["text"] == '{"fills":[{"candidate_id":"W-2"}]}'
    assert found["metadata"]["prompt"] == "Need 1 packer."
    assert found["success_markers"] == ["accepted_at_iteration_1", "grounded_in_roster"]
    assert found["validation_results"] == {"final_verdict": "accepted", "grounded_in_roster": True}


def test_sessions_of_one_prompt_share_a_task():
    assert good("sessions")["task_id"] == good("sessions", session_id="s-2", iterations=3)["task_id"]
    assert good("sessions")["task_id"] != good("sessions", prompt="Need 2 packers.")["task_id"]
    assert good("sessions")["task_id"] != good("sessions", kind="email")["task_id"]


@pytest.mark.parametrize("verdict", ["max_iter_exhausted", "infra_error"])
def test_a_refused_session_keeps_its_last_answer_and_says_how_it_ended(verdict):
    attempts = [{"raw": "first"}, {"raw": "last"}]
    found = good("sessions", final_verdict=verdict, artifact=None, attempts=attempts, grounded_in_roster=None)
    assert found["text"] == "last"
    assert found["failure_markers"] == [verdict]
    assert "success_markers" not in found


@pytest.mark.parametrize("attempts", [[], None, "x", [7], [{"raw": None}]])
def test_a_session_without_an_answer_has_no_text(attempts):
    assert "text" not in good("sessions", final_verdict="infra_error", artifact=None, attempts=attempts)


@pytest.mark.parametrize(("kind", "grounded"), [("fill", False), ("fill", None), ("email", False)])
def test_an_accepted_session_that_is_not_grounded_is_marked(kind, grounded):
    found = good("sessions", kind=kind, grounded_in_roster=grounded)
    assert found["failure_markers"] == ["not_grounded_in_roster"]


@pytest.mark.parametrize("schema", [None, "session.iterate.v2", ""])
def test_a_session_of_another_schema_is_a_skip(schema):
    found = turn("sessions", GOOD["sessions"] | {"schema": schema})
    assert isinstance(found, Skip)
    assert found.reason == "unknown_schema"


def test_the_pipeline_reads_what_our_own_session_log_writes():
    from test_sessions import FAILED, NOW, RUN

    from workbench.llm.sessions import to_line

    accepted = turn("sessions", to_line(RUN, timestamp=NOW).strip())
    failed = turn("sessions", to_line(FAILED, timestamp=NOW).strip())
    assert isinstance(accepted, dict)
    assert isinstance(failed, dict)
    assert accepted["success_markers"] == ["accepted_at_iteration_2", "grounded_in_roster"]
    assert failed["failure_markers"] == ["max_iter_exhausted"]
    assert accepted["task_id"] == failed["task_id"]


def test_transforms_give_only_declared_fields_and_in_the_declared_order():
    declared = list(EvidenceRecord.model_fields)
    folder = Path(streams.__file__).parent
    calls = [
        [keyword.arg for keyword in node.keywords]
        for path in folder.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "evidence"
    ]
    assert len(calls) == 11  # three streams share one
    for names in calls:
        assert names == [name for name in declared if name in names]
