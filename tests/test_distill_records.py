"""Every rule of the contract's table of records, each seen to refuse what breaks it; golden bytes and schemas."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from distill_samples import PROVENANCE, SAMPLES, SHA
from jsonschema import Draft202012Validator

from workbench.distill.records import (
    SFT_NEVER,
    Errors,
    EvidenceRecord,
    PreferenceSample,
    Problem,
    RagSample,
    Record,
    SftSample,
    checked,
    encode,
    validate,
)
from workbench.distill.records import schemas as shipped
from workbench.errors import InvalidError, NotFoundError
from workbench.records import parse

GOLDEN = Path(__file__).parent / "golden" / "distill"
MODELS = {model.name: model for model in shipped.MODELS}
ABSENT = object()
EACH = pytest.mark.parametrize("name", sorted(MODELS))


def changed(name: str, path: str, value: Any) -> dict[str, Any]:
    """The sample with one field replaced, or removed when the value is ABSENT."""
    row = copy.deepcopy(SAMPLES[name])
    *above, last = path.split(".")
    at: Any = row
    for step in above:
        at = at[int(step) if step.isdigit() else step]
    if value is ABSENT:
        del at[last]
    else:
        at[last] = value
    return row


def paths(name: str, row: Any) -> list[str]:
    found = validate(MODELS[name], row)
    return [problem.path for problem in found.problems] if isinstance(found, Errors) else []


def test_every_record_of_the_contract_has_a_model_and_a_sample():
    assert len(MODELS) == 12
    assert set(MODELS) == set(SAMPLES)


@EACH
def test_golden_bytes(name):
    golden = (GOLDEN / f"{name}.json").read_bytes()
    assert encode(checked(MODELS[name], SAMPLES[name])) == golden
    assert encode(checked(MODELS[name], parse(golden))) == golden


@EACH
def test_the_golden_file_is_in_the_order_that_the_model_declares(name):
    mixed = dict(reversed(SAMPLES[name].items()))
    assert encode(checked(MODELS[name], mixed)) == (GOLDEN / f"{name}.json").read_bytes()


@EACH
def test_the_shipped_schema_is_generated_from_the_record_and_checks_the_golden_file(name):
    schema = shipped.shipped(name)
    assert schema == json.loads(shipped.text(MODELS[name])), "run workbench.distill.records.schemas.write on its folder"
    Draft202012Validator.check_schema(schema)
    checker = Draft202012Validator(schema)
    golden = json.loads((GOLDEN / f"{name}.json").read_bytes())
    assert [error.message for error in checker.iter_errors(golden)] == []
    assert not checker.is_valid({**golden, "schema_version": 99})


def test_schemas_are_written_by_name(tmp_path):
    shipped.write(tmp_path)
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(MODELS)
    with pytest.raises(NotFoundError, match="evidenc"):
        shipped.shipped("evidenc")


@EACH
def test_every_required_field_is_required_and_named(name):
    required = shipped.schema(MODELS[name])["required"]
    assert {"schema_version", "provenance"} <= set(required)
    for field in required:
        assert paths(name, changed(name, field, ABSENT)) == [field]
        nullable = field == "prior_run_id"  # the first run has none before it
        assert paths(name, changed(name, field, None)) == ([] if nullable else [field])


@EACH
def test_all_errors_are_told_at_once(name):
    assert set(paths(name, {})) == set(shipped.schema(MODELS[name])["required"])


@EACH
@pytest.mark.parametrize("step", [-1, 1])
def test_an_older_or_newer_version_is_refused(name, step):
    version = SAMPLES[name]["schema_version"]
    assert paths(name, changed(name, "schema_version", version + step)) == ["schema_version"]


@EACH
@pytest.mark.parametrize("version", [True, 1.0, "1", None])
def test_the_version_is_an_integer_constant(name, version):
    assert paths(name, changed(name, "schema_version", version)) == ["schema_version"]


@EACH
def test_unknown_fields_are_kept_after_the_known_ones(name):
    row = {"zzz": "", **SAMPLES[name]}
    assert list(parse(encode(checked(MODELS[name], row)))) == [*SAMPLES[name], "zzz"]


@EACH
def test_a_record_is_frozen(name):
    record = checked(MODELS[name], SAMPLES[name])
    with pytest.raises(ValueError, match="frozen"):
        record.schema_version = 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("provenance.sig_hash", SHA.upper()),
        ("provenance.sig_hash", SHA[:-1]),
        ("provenance.sig_hash", SHA + "0"),
        ("provenance.sig_hash", SHA + "\n"),
        ("provenance.recorded_at", "2026-04-27T00:00:00"),
        ("provenance.recorded_at", "2026-02-30T00:00:00Z"),
        ("provenance.recorded_at", "2026-04-27"),
        ("provenance.recorded_at", "yesterday"),
        ("provenance.recorded_at", 1777248000),
        ("provenance.source_file", ""),
        ("provenance.line_offset", -1),
        ("provenance.line_offset", 1.0),
        ("provenance.line_offset", True),
    ],
)
def test_a_broken_provenance_is_refused_at_its_path(path, value):
    assert paths("evidence", changed("evidence", path, value)) == [path]


@pytest.mark.parametrize(
    "text",
    [
        "2026-04-27T00:00:00Z",
        "2026-04-27T00:00:00+02:00",
        "2026-04-27 00:00:00.123456789-0500",
        "2026-04-27t00:00z",
        "2024-02-29T23:59:59,5Z",
    ],
)
def test_a_time_is_carried_as_the_text_it_arrived_as(text):
    row = changed("evidence", "provenance.recorded_at", text) | {"timestamp": text}
    again = parse(encode(checked(EvidenceRecord, row)))
    assert again["timestamp"] == again["provenance"]["recorded_at"] == text


@pytest.mark.parametrize("field", ["sig_hash", "recorded_at", "source_file"])
def test_provenance_has_its_required_fields(field):
    assert paths("sft_sample", changed("sft_sample", f"provenance.{field}", ABSENT)) == [f"provenance.{field}"]


def test_line_offset_is_optional_and_zero_is_written():
    assert paths("evidence", changed("evidence", "provenance.line_offset", ABSENT)) == []
    assert b'"line_offset":0' in encode(checked(EvidenceRecord, SAMPLES["evidence"]))


def test_empty_texts_lists_and_zeros_are_never_dropped_and_absent_fields_never_added():
    least = {name: SAMPLES["evidence"][name] for name in ("run_id", "task_id", "timestamp", "schema_version")}
    least["provenance"] = PROVENANCE
    assert list(parse(encode(checked(EvidenceRecord, least)))) == list(least)
    zeros = {"text": "", "source_files": [], "latency_ms": 0, "cost_usd": 0, "metadata": {"a": "", "b": None}}
    again = parse(encode(checked(EvidenceRecord, {**least, **zeros})))
    assert {name: again[name] for name in zeros} == zeros


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("evidence", "run_id", " "),
        ("evidence", "task_id", ""),
        ("evidence", "timestamp", "26 April"),
        ("evidence", "model_role", "manager"),
        ("evidence", "observer_verdict", "maybe"),
        ("evidence", "observer_confidence", 1.01),
        ("evidence", "observer_confidence", -0.01),
        ("evidence", "observer_confidence", "0.9"),
        ("evidence", "latency_ms", -1),
        ("evidence", "cost_usd", -0.01),
        ("evidence", "cost_usd", float("inf")),
        ("evidence", "prompt_tokens", 1.5),
        ("evidence", "completion_tokens", -1),
        ("evidence", "text", 7),
        ("evidence", "source_files", "a.rs"),
        ("evidence", "metadata", []),
        ("evidence", "validation_results", "ok"),
        ("evidence", "retrieved_context.matrix_hits", -1),
        ("evidence", "retrieved_context.matrix_corpora", "permits"),
        ("scored_run", "category", "perfect"),
        ("scored_run", "reasons", []),
        ("scored_run", "scored_at", "2026-04-27T00:00:00"),
        ("scored_run", "scorer_version", ""),
        ("scored_run", "sub_scores.anchor_grounding", 1.5),
        ("scored_run", "sub_scores.schema_valid", "yes"),
        ("scored_run", "sub_scores.observer_verdict", "perhaps"),
        ("receipt", "git_sha", SHA),
        ("receipt", "git_dirty", 0),
        ("receipt", "duration_ms", -1),
        ("receipt", "validation_pass", "true"),
        ("receipt", "record_counts.in", -1),
        ("receipt", "started_at", "noon"),
        ("playbook", "acceptance_criteria", []),
        ("playbook", "source_run_ids", []),
        ("scratchpad_summary", "validation_status", "done"),
        ("scratchpad_summary", "source_scratchpad_hash", "abc"),
        ("model_ledger", "sample_count", 0),
        ("model_ledger", "success_rate", 1.1),
        ("model_ledger", "success_rate", -0.1),
        ("model_ledger", "mean_latency_ms", -1),
        ("rag_sample", "content", "  "),
        ("rag_sample", "success_score", "rejected"),
        ("sft_sample", "instruction", " \n"),
        ("sft_sample", "response", ""),
        ("sft_sample", "context", None),
        ("sft_sample", "quality_score", "rejected"),
        ("sft_sample", "quality_score", "needs_human_review"),
        ("sft_sample", "quality_score", "Accepted"),
        ("preference_sample", "reason", "  "),
        ("stage_receipt", "git_commit", "24434da"),
        ("stage_receipt", "validation.passed", 1),
        ("stage_receipt", "stats.quarantined", -1),
        ("run_summary", "run_hash", "run-1"),
        ("run_summary", "git_commit", ""),
        ("run_summary", "overall_passed", "yes"),
        ("drift_report", "severity", "fatal"),
    ],
)
def test_a_broken_invariant_is_refused_at_its_path(name, path, value):
    assert paths(name, changed(name, path, value)) == [path]


@pytest.mark.parametrize(
    ("name", "where", "value", "path"),
    [
        ("evidence", "observer_notes", ["a", 1], "observer_notes[1]"),
        ("scored_run", "reasons", ["a", " "], "reasons[1]"),
        ("receipt", "input_files", [{"path": "a", "sha256": "x", "bytes": 0}], "input_files[0].sha256"),
        ("receipt", "output_files", [{"path": "a", "sha256": SHA, "bytes": -1}], "output_files[0].bytes"),
        ("stage_receipt", "inputs", {"files": [], "record_count": 0, "hash": "x"}, "inputs.hash"),
    ],
)
def test_the_path_of_an_error_reaches_into_lists_and_parts(name, where, value, path):
    assert paths(name, changed(name, where, value)) == [path]


@pytest.mark.parametrize("matched", [True, False, None])
def test_a_match_is_true_false_or_not_computed(matched):
    row = changed("drift_report", "stages.0.input_hash_match", matched)
    assert paths("drift_report", row) == []
    assert parse(encode(checked(MODELS["drift_report"], row)))["stages"][0]["input_hash_match"] is matched
    assert paths("drift_report", changed("drift_report", "stages.0.input_hash_match", "yes")) == [
        "stages[0].input_hash_match"
    ]


def test_many_errors_of_one_record_come_together_with_their_paths():
    row = changed("evidence", "provenance", {"sig_hash": "A", "recorded_at": "noon"})
    row |= {"run_id": "", "observer_confidence": 2, "observer_notes": ["a", 1]}
    assert paths("evidence", row) == [
        "run_id",
        "provenance.source_file",
        "provenance.sig_hash",
        "provenance.recorded_at",
        "observer_confidence",
        "observer_notes[1]",
    ]


def test_sft_never_is_exactly_two_categories_and_the_schema_refuses_both():
    assert {"rejected", "needs_human_review"} == SFT_NEVER
    allowed = shipped.schema(SftSample)["properties"]["quality_score"]["enum"]
    assert allowed == ["accepted", "partially_accepted"]


def test_needs_human_review_reaches_rag_only_under_the_opt_in():
    row = changed("rag_sample", "success_score", "needs_human_review")
    assert paths("rag_sample", row) == ["success_score"]
    assert isinstance(validate(RagSample, row, include_review=True), RagSample)
    refused = validate(RagSample, changed("rag_sample", "success_score", "rejected"), include_review=True)
    assert isinstance(refused, Errors)


def test_a_preference_is_between_two_texts_of_two_runs_and_both_errors_come_with_the_others():
    row = SAMPLES["preference_sample"] | {"rejected": "same", "chosen": "same", "reason": ""}
    row["rejected_run_id"] = row["chosen_run_id"]
    assert paths("preference_sample", row) == ["reason", "rejected", "rejected_run_id"]
    only = SAMPLES["preference_sample"] | {"rejected": SAMPLES["preference_sample"]["chosen"]}
    assert paths("preference_sample", only) == ["rejected"]
    with pytest.raises(ValueError, match="must differ from chosen"):
        PreferenceSample.model_validate(only)


@pytest.mark.parametrize("row", [None, [], "text", 7])
def test_what_is_no_mapping_is_one_error(row):
    assert validate(SftSample, row) == Errors((Problem("", "a mapping is expected"),))


def test_checked_raises_with_all_errors():
    with pytest.raises(InvalidError, match="no sft_sample") as raised:
        checked(SftSample, changed("sft_sample", "response", "") | {"id": ""})
    assert [text.partition(":")[0] for text in raised.value.details["errors"]] == ["id", "response"]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("run_id", " ", "must not be blank"),
        ("timestamp", "noon", "must be a time in ISO 8601"),
        ("provenance.recorded_at", "2026-04-27T00:00:00", "must be a time in ISO 8601 with zone"),
        ("provenance.recorded_at", "2026-02-30T00:00:00Z", "day is out of range for month"),
        ("provenance.sig_hash", "A", "must be 64 lower-case hex digits"),
    ],
)
def test_an_error_says_in_words_what_is_wrong(path, value, message):
    found = validate(EvidenceRecord, changed("evidence", path, value))
    assert isinstance(found, Errors)
    assert found.texts() == [f"{path}: {message}"]


def test_validation_does_not_change_the_row():
    row = copy.deepcopy(SAMPLES["evidence"])
    record = validate(EvidenceRecord, row)
    assert isinstance(record, Record)
    assert row == SAMPLES["evidence"]
