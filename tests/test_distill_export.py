"""Exports on hand-made roots: gates, each quarantine reason, the three places of SFT_NEVER, pairs, reviews, formats."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.json
import pytest

from workbench import records
from workbench.distill.export import REASONS, engine, gate, rag, sft, wording
from workbench.distill.export.engine import Exported, Ready, export_rows, judge
from workbench.distill.export.formats import FORMATS, format_file, write_format
from workbench.distill.export.join import Joined, join
from workbench.distill.export.preference import export_preference
from workbench.distill.export.rag import export_rag, rag_exporter
from workbench.distill.export.sft import export_sft, sft_exporter
from workbench.distill.firewall import EvaluationSets, Firewall
from workbench.distill.records import SFT_NEVER, Errors, PreferenceSample, RagSample, SftSample, checked, validate
from workbench.distill.review import log
from workbench.distill.review.decisions import Decision
from workbench.distill.root import Root
from workbench.distill.scorer import SCORER_VERSION
from workbench.errors import BusyError, FirewallError, InvalidError, NotFoundError

AT = "2026-11-22T01:00:00Z"
EXAM = "the night shift at dock nine needs four welders with a lift card before snow"
WALL = Firewall.declare([("name", "Jane Doe"), ("worker_id", "W-104233")])
Pair = tuple[dict[str, Any], dict[str, Any]]


def pair(run_id: str, category: str = "accepted", **changes: Any) -> Pair:
    """An evidence row and its scored run; ``changes`` are of the evidence, None takes a field away."""
    hashed = records.sig_hash({"row": run_id})
    provenance = {"source_file": "data/_kb/scrum_reviews.jsonl", "line_offset": 0, "sig_hash": hashed}
    provenance["recorded_at"] = AT
    evidence: dict[str, Any] = {
        "run_id": run_id,
        "task_id": f"task:{run_id}",
        "timestamp": AT,
        "schema_version": 1,
        "provenance": provenance,
        "model_role": "executor",
        "text": f"Answer of {run_id}, long enough to be one.",
        "source_files": ["crates/a.rs"],
    } | changes
    evidence = {name: value for name, value in evidence.items() if value is not None}
    scored = {
        "schema_version": 1,
        "evidence_run_id": run_id,
        "evidence_task_id": evidence.get("task_id"),
        "category": category,
        "reasons": ["said so"],
        "scored_at": AT,
        "scorer_version": SCORER_VERSION,
        "provenance": provenance,
    }
    return evidence, scored


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(map(records.encode, rows)))


def rooted(tmp_path: Path, pairs: Iterable[Pair], *, stream: str = "scrum_reviews", at: str = AT) -> Root:
    root, pairs = Root(tmp_path), list(pairs)
    write(root.evidence(at, stream), (evidence for evidence, _ in pairs))
    write(root.scored(at, stream), (scored for _, scored in pairs))
    return root


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def exported(root: Root, kind: str, wall: Firewall = WALL, **options: Any) -> Exported:
    export = {"rag": export_rag, "sft": export_sft, "preference": export_preference}[kind]
    made: Exported = export(root, recorded_at=AT, firewall=wall, **options)
    assert made.counts.lost() == 0
    assert made.counts.records_out == len(lines(root.export(kind)))
    assert made.counts.quarantined == len(lines(root.quarantine(kind))) == sum(made.refused.values())
    return made


def joined(run_id: str = "r", category: str = "accepted", stream: str = "scrum_reviews", **changes: Any) -> Joined:
    evidence, scored = pair(run_id, category, **changes)
    return Joined(stream, scored, evidence, "here")


# --- gates


@pytest.mark.parametrize(
    ("category", "sft_without", "sft_with", "rag_without", "rag_with"),
    [
        ("accepted", "", "", "", ""),
        ("partially_accepted", "category_disallowed", "", "", ""),
        ("rejected", "unsafe_sft_category", "unsafe_sft_category", "unsafe_rag_category", "unsafe_rag_category"),
        ("needs_human_review", "unsafe_sft_category", "unsafe_sft_category", "category_disallowed", ""),
        ("invented", "unsafe_sft_category", "unsafe_sft_category", "unsafe_rag_category", "unsafe_rag_category"),
        ("", "unsafe_sft_category", "unsafe_sft_category", "unsafe_rag_category", "unsafe_rag_category"),
    ],
)
def test_which_category_passes_which_gate(
    category: str, sft_without: str, sft_with: str, rag_without: str, rag_with: str
) -> None:
    row = joined(category=category)
    for refusal, expected in (
        (gate.sft_category(row), sft_without),
        (gate.sft_category(row, include_partial=True), sft_with),
        (gate.rag_category(row), rag_without),
        (gate.rag_category(row, include_review=True), rag_with),
    ):
        assert (refusal.reason if refusal else "") == expected


@pytest.mark.parametrize(
    ("role", "verdict", "passes"),
    [
        ("executor", None, True),
        ("applier", None, True),
        ("reviewer", "accept", True),
        ("reviewer", None, False),
        ("extractor", None, False),
        ("verifier", "accept", False),
        (None, "accept", False),
    ],
)
def test_only_what_a_model_wrote_as_its_answer_is_trained_on(
    role: str | None, verdict: str | None, passes: bool
) -> None:
    made = judge(sft_exporter(), joined(model_role=role, observer_verdict=verdict), WALL)
    assert isinstance(made, Ready) == passes
    assert isinstance(judge(rag_exporter(), joined(model_role=role, observer_verdict=verdict), WALL), Ready)


def test_category_comes_before_provenance_and_provenance_before_content() -> None:
    nothing = {"provenance": None, "text": " "}
    assert judge(sft_exporter(), joined(category="rejected", **nothing), WALL).reason == "unsafe_sft_category"
    assert judge(sft_exporter(), joined(**nothing), WALL).reason == "missing_provenance"
    assert judge(sft_exporter(), joined(text=" "), WALL).reason == "empty_content"


# --- each reason, end to end


def provenance_without(name: str) -> dict[str, Any]:
    return {key: value for key, value in pair("r")[0]["provenance"].items() if key != name}


CASES: dict[str, tuple[str, Joined]] = {
    "missing_provenance": ("rag", joined(provenance=provenance_without("sig_hash"))),
    "missing_source_run_id": ("rag", replace(joined(), evidence=None)),
    "empty_content": ("rag", joined(text="\n")),
    "schema_violation": ("rag", joined(provenance=pair("r")[0]["provenance"] | {"recorded_at": "yesterday"})),
    "unsafe_sft_category": ("sft", joined(category="needs_human_review")),
    "unsafe_rag_category": ("rag", joined(category="rejected")),
    "hallucinated_file_path": ("rag", joined(text="See crates/b.rs for it.")),
    "category_disallowed": ("sft", joined(category="partially_accepted")),
    "pii_found": ("sft", joined(text="Her SSN: 536-22-8134.")),
    "contaminated": ("sft", joined(text=f"We said {EXAM} falls.")),
}


@pytest.mark.parametrize("reason", CASES)
def test_each_reason_puts_a_row_into_quarantine_with_its_source(reason: str, tmp_path: Path) -> None:
    kind, row = CASES[reason]
    wall = Firewall(WALL.roster, EvaluationSets([("exam", EXAM)]), frozenset({"crates/a.rs"}))
    evidence = [] if row.evidence is None else [dict(row.evidence)]
    root = Root(tmp_path)
    write(root.evidence(AT, row.stream), evidence)
    write(root.scored(AT, row.stream), [row.scored])
    made = exported(root, kind, wall)
    assert dict(made.refused) == {reason: 1}
    (entry,) = lines(root.quarantine(kind))
    assert list(entry) == ["exporter", "reason", "source_record", "errors", "recorded_at", "source_provenance"]
    assert (entry["exporter"], entry["reason"], entry["recorded_at"]) == (kind, reason, AT)
    assert entry["source_record"]["evidence_run_id"] == "r"
    assert entry["errors"]
    assert "8134" not in json.dumps(entry)
    assert EXAM not in json.dumps(entry)


def test_an_id_twice_in_one_partition_is_refused_and_in_two_is_deduped(tmp_path: Path) -> None:
    root = rooted(tmp_path, [pair("a"), pair("a", text="Another text under the same id.")])
    assert dict(exported(root, "rag").refused) == {"duplicate_id": 1}
    rooted(tmp_path, [pair("a")])
    rooted(tmp_path, [pair("a")], at="2026-11-23T01:00:00Z")
    made = exported(root, "rag")
    assert (made.counts.records_out, made.counts.deduped, made.counts.quarantined) == (1, 1, 0)


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([pair("a", task_id="t"), pair("a", "rejected", task_id="t", text="Other.")], "self_pairing"),
        ([pair("a", task_id="t", text="Same."), pair("b", "rejected", task_id="t", text="Same. ")],
         "invalid_preference_pairing"),
    ],
)  # fmt: skip
def test_pairs_that_are_none_are_refused(pairs: list[Pair], reason: str, tmp_path: Path) -> None:
    evidence, scored = pairs[1]
    if reason == "self_pairing":  # another source row under the same run id
        for row in (evidence, scored):
            row["provenance"] = row["provenance"] | {"sig_hash": "e" * 64}
    made = exported(rooted(tmp_path, pairs), "preference")
    assert dict(made.refused) == {reason: 1}


def test_two_streams_of_one_task_do_not_answer_the_same_request(tmp_path: Path) -> None:
    rooted(tmp_path, [pair("a", task_id="t")])
    root = rooted(tmp_path, [pair("b", "rejected", task_id="t")], stream="observer_reviews")
    assert dict(exported(root, "preference").refused) == {"invalid_preference_pairing": 1}


def test_every_reason_of_the_contract_has_a_test_here() -> None:
    assert {*CASES, "duplicate_id", "self_pairing", "invalid_preference_pairing"} == set(REASONS)


# --- SFT_NEVER in three places, each alone


def test_sft_never_is_exactly_these_two() -> None:
    assert {"rejected", "needs_human_review"} == SFT_NEVER


@pytest.mark.parametrize("category", sorted(SFT_NEVER))
def test_the_gate_alone_stops_it(category: str, tmp_path: Path) -> None:
    open_schema = replace(sft_exporter().shape, check=_anything)
    exporter = replace(sft_exporter(include_partial=True), shape=open_schema, verify=engine.not_read_again)
    made = export_rows(rooted(tmp_path, [pair("a", category)]), exporter, recorded_at=AT, firewall=WALL)
    assert (made.counts.records_out, dict(made.refused)) == (0, {"unsafe_sft_category": 1})


@pytest.mark.parametrize("category", sorted(SFT_NEVER))
def test_the_schema_alone_stops_it_and_calls_it_unsafe_not_malformed(category: str, tmp_path: Path) -> None:
    exporter = replace(sft_exporter(), gates=(gate.provenance, gate.content), verify=engine.not_read_again)
    made = export_rows(rooted(tmp_path, [pair("a", category)]), exporter, recorded_at=AT, firewall=WALL)
    assert (made.counts.records_out, dict(made.refused)) == (0, {"unsafe_sft_category": 1})


@pytest.mark.parametrize("category", sorted(SFT_NEVER))
def test_the_reading_again_alone_stops_it_and_publishes_nothing(category: str, tmp_path: Path) -> None:
    root = rooted(tmp_path, [pair("a")])
    exported(root, "sft")
    before = root.export("sft").read_bytes(), root.quarantine("sft").read_bytes()
    rooted(tmp_path, [pair("a"), pair("b", category)])
    exporter = replace(sft_exporter(), gates=(), shape=replace(sft_exporter().shape, check=_anything))
    with pytest.raises(FirewallError, match=f"Line 2 .*{category}"):
        export_rows(root, exporter, recorded_at=AT, firewall=WALL)
    assert (root.export("sft").read_bytes(), root.quarantine("sft").read_bytes()) == before
    assert not list(tmp_path.rglob("*.part"))


def test_a_violation_is_another_class_of_error_than_a_malformed_line(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("{")
    with pytest.raises(InvalidError):
        sft.verify_file(tmp_path / "bad.jsonl")
    assert not issubclass(FirewallError, InvalidError)


class _Open(SftSample):
    """A schema that lost its rule."""

    quality_score: str  # type: ignore[assignment]


def _anything(row: Mapping[str, Any]) -> SftSample | Errors:
    return validate(_Open, row)


# --- samples


def test_samples_are_valid_and_say_where_they_came_from(tmp_path: Path) -> None:
    root = rooted(tmp_path, [pair("a"), pair("b", "partially_accepted"), pair("c", "needs_human_review")])
    assert exported(root, "sft").counts.records_out == 1
    assert exported(root, "sft", include_partial=True).counts.records_out == 2
    assert exported(root, "rag").counts.records_out == 2
    assert exported(root, "rag", include_review=True).counts.records_out == 3
    for kind, model in (("rag", RagSample), ("sft", SftSample)):
        for row in lines(root.export(kind)):
            checked(model, row, include_review=True)
            assert row["id"].startswith(f"{kind}-")
            assert row["provenance"]["sig_hash"] == records.sig_hash({"row": row["source_run_id"]})
    assert isinstance(validate(RagSample, lines(root.export("rag"))[2]), Errors)


def test_people_are_replaced_alike_in_prompt_and_answer_and_nothing_keeps_the_mapping(tmp_path: Path) -> None:
    told = {"text": "Jane Doe (W-104233) took it.", "source_files": ["notes of Jane Doe"]}
    root = rooted(tmp_path, [pair("a", **told)])
    assert exported(root, "sft").replaced == 2
    (row,) = lines(root.export("sft"))
    assert row["response"] == "[NAME_1] ([WORKER_1]) took it."
    assert "notes of [NAME_1]" in row["instruction"]
    assert not [path for path in (tmp_path / "exports").rglob("*") if path.is_file() and b"Doe" in path.read_bytes()]


def test_nine_classes_of_instruction_and_none_is_blank() -> None:
    evidence = joined(metadata={"prompt": "Fill it.", "contractor": "ACME", "task_class": "codereview"}).evidence or {}
    streams = ("scrum_reviews", "mode_experiments", "auto_apply", "audits", "observer_reviews", "contract_analyses",
               "outcomes", "sessions", "anything else")  # fmt: skip
    said = {wording.instruction(stream, evidence) for stream in streams}
    assert len(said) == 9
    assert wording.instruction("sessions", evidence) == "Fill it."
    for stream in streams:
        assert wording.instruction(stream, {}).strip()


def test_numbers_in_the_context_have_four_decimals() -> None:
    shown = {
        "matrix_corpora": ["permits", "workers"],
        "matrix_hits": 3,
        "pathway_fingerprints_seen": ["p1"],
        "best": 0.5,
    }
    said = wording.context({"retrieved_context": shown})
    assert said == "Corpora: permits, workers. Hits: 3.0000. Pathways seen: p1. best: 0.5000."
    assert wording.context({}) == ""


# --- joining


def test_rows_are_joined_by_run_id_in_any_order(tmp_path: Path) -> None:
    pairs = [pair(f"r{n}") for n in range(5)]
    root = Root(tmp_path)
    write(root.evidence(AT, "audits"), (evidence for evidence, _ in reversed(pairs)))
    write(root.scored(AT, "audits"), (scored for _, scored in pairs))
    found = list(join(root))
    assert [row.run_id for row in found] == [f"r{n}" for n in range(5)]
    assert all(row.evidence and row.evidence["run_id"] == row.run_id for row in found)


def test_a_judgement_of_another_scorer_is_skipped(tmp_path: Path) -> None:
    evidence, scored = pair("a")
    root = rooted(tmp_path, [(evidence, scored | {"scorer_version": "v0.9.0"}), (evidence, scored)])
    for kind in ("rag", "sft"):
        made = exported(root, kind)
        assert (made.counts.records_out, made.counts.skipped) == (1, 1)


# --- pairs


def test_pairs_are_of_one_task_rejected_first_and_never_padded(tmp_path: Path) -> None:
    rows = [
        pair("a1", task_id="t"), pair("p1", "partially_accepted", task_id="t"), pair("r1", "rejected", task_id="t"),
        pair("a2", task_id="t"), pair("a3", task_id="t"), pair("h", "needs_human_review", task_id="t"),
        pair("x", task_id="only accepted"), pair("y", "rejected", task_id="only rejected"),
    ]  # fmt: skip
    root = rooted(tmp_path, rows)
    made = exported(root, "preference")
    found = [(row["chosen_run_id"], row["rejected_run_id"], row["reason"]) for row in lines(root.export("preference"))]
    assert found == [("a1", "r1", "rejected -> accepted"), ("a2", "p1", "partially_accepted -> accepted")]
    assert made.counts.skipped == 2  # tasks without a pair
    for row in lines(root.export("preference")):
        checked(PreferenceSample, row)


def test_a_row_that_fails_a_gate_leaves_its_place_to_the_next(tmp_path: Path) -> None:
    rows = [pair("a", task_id="t", text=" "), pair("b", task_id="t"), pair("c", "rejected", task_id="t")]
    root = rooted(tmp_path, rows)
    assert dict(exported(root, "preference").refused) == {"empty_content": 1}
    assert [row["chosen_run_id"] for row in lines(root.export("preference"))] == ["b"]
    made = exported(rooted(tmp_path, [rows[0], rows[2]]), "preference")
    assert (made.counts.records_in, made.counts.quarantined, made.counts.skipped) == (2, 1, 1)


# --- reviewers


def decide(root: Root, run_id: str, decision: str, at: str, text: str = "") -> None:
    said = Decision(run_id, "kim", decision, at, "g1", reason="because", corrected_text=text)  # type: ignore[arg-type]
    log.write(root, said)


def test_decisions_leave_in_the_originals_place_and_undo_withdraws_them(tmp_path: Path) -> None:
    rows = [pair("a", "needs_human_review"), pair("b", "partially_accepted"), pair("c")]
    root = rooted(tmp_path, rows)
    stored = root.scored(AT, "scrum_reviews").read_bytes()
    decide(root, "a", "accept", AT)
    decide(root, "b", "fix", AT, "What it should have said.")
    decide(root, "c", "reject", AT)
    exported(root, "sft")
    exported(root, "preference")
    left = {row["source_run_id"]: row["response"] for row in lines(root.export("sft"))}
    assert left == {"a#review:0": rows[0][0]["text"], "b#review:1": "What it should have said."}
    (fixed,) = lines(root.export("preference"))
    assert (fixed["chosen_run_id"], fixed["rejected_run_id"]) == ("b#review:1", "b")
    assert (fixed["chosen"], fixed["rejected"]) == ("What it should have said.", rows[1][0]["text"])
    decide(root, "c", "undo", "2026-11-22T02:00:00Z")
    exported(root, "sft")
    assert [row["source_run_id"] for row in lines(root.export("sft"))] == ["a#review:0", "b#review:1", "c"]
    assert root.scored(AT, "scrum_reviews").read_bytes() == stored


# --- files and formats


def test_a_second_export_adds_nothing_and_two_at_once_are_refused(tmp_path: Path) -> None:
    from workbench.distill.stage import alone

    root = rooted(tmp_path, [pair("a"), pair("b", "rejected", task_id="task:a")])
    for kind in ("rag", "sft", "preference"):
        exported(root, kind)
        before = root.export(kind).read_bytes(), root.quarantine(kind).read_bytes()
        assert before[0]
        exported(root, kind)
        assert (root.export(kind).read_bytes(), root.quarantine(kind).read_bytes()) == before
    with alone(root), pytest.raises(BusyError):
        export_rag(root, recorded_at=AT, firewall=WALL)


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_has_the_columns_its_trainer_reads(name: str, tmp_path: Path) -> None:
    root = rooted(tmp_path, [pair("a"), pair("b", "rejected", task_id="task:a")])
    exported(root, "sft")
    exported(root, "preference")
    path, count = write_format(root, name)
    # The JSON loader of `datasets` reads with pyarrow's reader; the same is used here without its hundred megabytes.
    table = pyarrow.json.read_json(path)
    columns = {
        "trl-sft": ["id", "prompt", "completion"],
        "chatml": ["id", "messages"],
        "sharegpt": ["id", "conversations"],
        "alpaca": ["id", "instruction", "input", "output"],
        "trl-dpo": ["id", "prompt", "chosen", "rejected"],
        "kto": ["id", "prompt", "completion", "label"],
    }
    assert table.column_names == columns[name]
    assert table.num_rows == count == (2 if name == "kto" else 1)
    row = table.to_pylist()[0]
    for message in (item for value in row.values() if isinstance(value, list) for item in value):
        assert set(message) in ({"role", "content"}, {"from", "value"})
        assert all(message.values())
    if name == "kto":
        assert table.column("label").to_pylist() == [True, False]


def test_canonical_exports_load_as_tables_too(tmp_path: Path) -> None:
    root = rooted(tmp_path, [pair("a"), pair("b", "rejected", task_id="task:a")])
    for kind in ("rag", "sft", "preference"):
        exported(root, kind)
        assert pyarrow.json.read_json(root.export(kind)).num_rows == 1


def test_a_format_of_nothing_unknown_or_tampered_is_an_error(tmp_path: Path) -> None:
    root = rooted(tmp_path, [pair("a")])
    with pytest.raises(NotFoundError, match="no sft export"):
        write_format(root, "chatml")
    with pytest.raises(NotFoundError, match="named 'chatlm'"):
        write_format(root, "chatlm")
    exported(root, "sft")
    path = root.export("sft")
    path.write_text(path.read_text().replace('"quality_score":"accepted"', '"quality_score":"rejected"'))
    with pytest.raises(FirewallError):
        write_format(root, "chatml")
    assert not format_file(root, "chatml").exists()


def test_rag_never_takes_an_unsafe_category_past_its_schema() -> None:
    exporter = replace(rag_exporter(), gates=(gate.provenance, gate.content))
    assert judge(exporter, joined(category="rejected"), WALL).reason == "unsafe_rag_category"
    assert rag.build(joined())["success_score"] == "accepted"
