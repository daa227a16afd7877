"""The report: each shape of the wire, the same object there and back, and a verdict that any edit voids."""

from __future__ import annotations

import copy
import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from workbench.cli.app import app
from workbench.errors import InvalidError
from workbench.staffing.validate import CODES, Desk, Finding, Report, Roster, WireError, judge, read_error
from workbench.staffing.validate.verdict import VERSION, canonical, digest

TODAY = date(2026, 11, 20)
DESK = Desk(roster=Roster.of(pa.table({"worker_id": [1], "name": ["Ana"], "city": ["Gary"]}), snapshot="workers@12"))
FILL: dict[str, Any] = {"fills": [{"candidate_id": "W-1", "name": "Ana"}]}
BAD: dict[str, Any] = {
    "Schema": ({"fills": [{"name": "Ana"}]}, {}),
    "Completeness": (FILL, {"target_count": 2}),
    "Consistency": (FILL, {"city": "Joliet"}),
    "Policy": (FILL, {"blacklist": ["W-1"]}),
}


@pytest.mark.parametrize("layer", BAD)
def test_the_first_error_has_the_wire_form_of_its_layer(layer: str) -> None:
    artifact, context = BAD[layer]
    wire = judge("fill", artifact, context, desk=DESK, today=TODAY).to_dict()["error"]
    assert list(wire) == [layer]
    assert set(wire[layer]) == ({"field", "reason"} if layer == "Schema" else {"reason"})
    if layer == "Schema":
        assert wire[layer]["field"] == "fills[0].candidate_id"


def test_the_first_error_is_that_of_the_first_layer_and_warnings_are_none() -> None:
    warning = Finding("name_differs", "fills[0].name", "warning", "w")
    errors = (Finding("phantom_id", "a", "error", "first"), Finding("ssn", "b", "error", "second"))
    assert Report("fill", (warning, *errors)).error == WireError("Consistency", "first")
    assert Report("fill", (warning,)).ok
    assert Report("fill", (warning,)).to_dict()["error"] is None


def test_a_report_is_one_object_there_and_back() -> None:
    artifact = {"fills": [{"candidate_id": "W-1", "name": "Bob"}, {"candidate_id": "W-2", "name": "X"}]}
    report = judge("fill", artifact, {"city": "Gary", "target_count": 2}, desk=DESK, today=TODAY)
    wire = json.loads(json.dumps(report.to_dict()))
    assert Report.from_dict(wire) == report
    assert set(wire) == {"ok", "kind", "error", "findings", "verdict"}
    assert set(wire["findings"][0]) == {
        "code", "path", "severity", "message", "got", "expected", "nearest_valid", "evidence",
    }  # fmt: skip


@pytest.mark.parametrize(
    "old",
    [
        {"kind": "schema", "field": "fills", "reason": "missing"},
        {"Kind": "Schema", "Field": "fills", "Reason": "missing"},
        {"type": "SCHEMA", "field": "fills", "reason": "missing"},
        {"Schema": {"field": "fills", "reason": "missing"}},
    ],
)
def test_the_old_flat_form_is_read_too(old: dict[str, Any]) -> None:
    assert read_error(old).to_dict() == {"Schema": {"field": "fills", "reason": "missing"}}
    report = Report.from_dict(old)
    assert not report.ok
    assert not report.allows(FILL)


@pytest.mark.parametrize("layer", ["completeness", "consistency", "policy"])
def test_the_old_form_of_the_other_layers(layer: str) -> None:
    assert read_error({"kind": layer, "reason": "no"}).to_dict() == {layer.capitalize(): {"reason": "no"}}


@pytest.mark.parametrize(
    "data", [{}, {"kind": "odd", "reason": "x"}, {"Schema": {}}, {"Policy": "no"}, {"reason": "x"}]
)
def test_what_is_no_error_is_not_read_as_one(data: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        read_error(data)


def test_an_old_error_is_of_its_own_layer_and_names_no_field_but_in_schema() -> None:
    assert read_error({"kind": "policy", "field": "fills", "reason": "no"}) == WireError("Policy", "no")
    assert Report.from_dict({"kind": "policy", "reason": "no"}).error == WireError("Policy", "no")


def test_a_report_that_contradicts_itself_is_refused() -> None:
    wire = judge("fill", FILL, {"city": "Joliet"}, desk=DESK, today=TODAY).to_dict() | {"ok": True}
    with pytest.raises(InvalidError):
        Report.from_dict(wire)


def test_a_verdict_names_what_it_judged() -> None:
    report = judge("fill", FILL, {"city": "Gary"}, desk=DESK, today=TODAY)
    verdict = report.verdict
    assert verdict is not None
    assert (verdict.passed, verdict.roster, verdict.validator, verdict.judged_on) == (
        True,
        "workers@12",
        f"fill/{VERSION}",
        TODAY,
    )
    assert verdict.artifact_sha256 == digest(FILL)
    assert verdict.context_sha256 == digest({"city": "Gary"})
    # sha256sum of {"fills":[{"candidate_id":"W-1","name":"Ana"}]}
    assert canonical(FILL) == b'{"fills":[{"candidate_id":"W-1","name":"Ana"}]}'


def test_any_edit_of_artifact_or_context_voids_the_verdict() -> None:
    context = {"city": "Gary", "target_count": 1}
    report = judge("fill", FILL, context, desk=DESK, today=TODAY)
    assert report.allows(copy.deepcopy(FILL), {"target_count": 1, "city": "Gary"})  # the order of keys is no edit
    edits = [("candidate_id", "W-2"), ("candidate_id", "w-1"), ("name", "Ana "), ("note", "")]
    for key, value in edits:
        assert not report.covers({"fills": [FILL["fills"][0] | {key: value}]}, context)
    assert not report.covers(FILL | {"x": None}, context)
    assert not report.covers(FILL, context | {"target_count": 1.0})
    assert not report.covers(FILL, {"city": "Gary"})
    assert not report.covers(FILL)


def test_a_refusal_covers_but_never_allows() -> None:
    report = judge("fill", FILL, {"city": "Joliet"}, desk=DESK, today=TODAY)
    assert report.covers(FILL, {"city": "Joliet"})
    assert not report.allows(FILL, {"city": "Joliet"})


def test_findings_taken_out_do_not_make_a_refusal_pass() -> None:
    report = judge("fill", FILL, {"city": "Joliet"}, desk=DESK, today=TODAY)
    assert not Report("fill", (), report.verdict).allows(FILL, {"city": "Joliet"})


@pytest.mark.parametrize("odd", [float("nan"), {1, 2}, b"x", date(2026, 1, 1), "\ud800"])
def test_what_json_cannot_hold_is_refused_without_a_verdict(odd: Any) -> None:
    artifact = FILL | {"more": odd}
    report = judge("fill", artifact, desk=DESK, today=TODAY)
    assert not report.ok
    assert not report.covers(artifact)


def test_an_artifact_nested_without_end_is_refused() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert not judge("email", {"to": "a", "body": "b", "x": deep}, today=TODAY).ok


class Torn:
    """What breaks whoever reads it, with somebody's number in the words of the error."""

    snapshot = "workers@12"

    def __getattr__(self, name: str) -> Any:
        raise ValueError("invalid literal: '078-05-1120'")


@pytest.mark.parametrize("kind", ["fill", "email"])
def test_a_crash_refuses_and_repeats_no_number(kind: str) -> None:
    artifact = FILL if kind == "fill" else {"to": "a@example.com", "body": "Hello"}
    report = judge(kind, artifact, {"candidate_id": "W-1"}, desk=Desk(roster=Torn()), today=TODAY)
    assert [found.code for found in report.findings if found.severity == "error"] == ["validator_crashed"]
    assert report.error == WireError("Policy", report.findings[0].message)
    assert report.verdict is None
    assert not report.allows(artifact, {"candidate_id": "W-1"})
    assert "1120" not in json.dumps(report.to_dict())


class Trap(dict[str, Any]):
    """An artifact that breaks whoever looks into it."""

    def get(self, key: str, default: Any = None) -> Any:
        raise RuntimeError(key)


@pytest.mark.parametrize("kind", ["fill", "email", "playbook"])
def test_every_validator_fails_closed_whatever_the_artifact_does(kind: str) -> None:
    report = judge(kind, Trap(FILL), desk=DESK, today=TODAY)
    assert [found.code for found in report.findings] == ["validator_crashed"]
    assert not report.ok


NUMBER = "078-05-1120"


@pytest.mark.parametrize(
    ("kind", "artifact", "context"),
    [
        ("fill", {"fills": [{"candidate_id": NUMBER, "name": "Ana"}]}, {}),
        ("fill", {"fills": [{"candidate_id": "W-1", "name": f"Ana {NUMBER}"}]}, {}),
        ("fill", {"fills": [{"candidate_id": "W-1", "name": "Ana", NUMBER: NUMBER}]}, {}),
        ("fill", FILL, {"target_count": NUMBER}),
        ("email", {"to": "a", "body": "b", "kind": NUMBER}, {}),
        ("email", {"to": "a", "body": "b"}, {"candidate_id": NUMBER}),
        ("playbook", {"operation": f"call {NUMBER}", "endorsed_names": ["Ana"], "fingerprint": "x"}, {}),
    ],
)
def test_no_finding_repeats_a_social_security_number(kind: str, artifact: Any, context: Any) -> None:
    report = judge(kind, artifact, context, desk=DESK, today=TODAY)
    assert not report.ok
    assert "1120" not in json.dumps(report.to_dict())


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("email", {"to": "a@example.com", "body": "Hello"}, {"to": "a@example.com"}),
        (
            "playbook",
            {"operation": "fill: x1", "endorsed_names": ["Ana"], "fingerprint": "f"},
            {"operation": "fill: x"},
        ),
        ("fill", None, {"fills": []}),
        ("terraform", None, {}),
    ],
)
def test_every_kind_has_its_command_which_exits_1_when_refused(kind: str, good: Any, bad: Any, tmp_path: Path) -> None:
    for artifact, code in ((good, 0), (bad, 1)):
        if artifact is not None:
            line = ["validate", kind, "-", "--json", "--lake", str(tmp_path)]
            done = CliRunner().invoke(app, line, input=json.dumps(artifact))
            assert done.exit_code == code
            report = Report.from_dict(json.loads(done.stdout))
            assert (report.kind, report.ok) == (kind, code == 0)
            assert report.covers(artifact)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, JSON)
def test_two_values_have_one_digest_exactly_when_they_are_one_json(one: Any, other: Any) -> None:
    def dumped(value: Any) -> str:
        return json.dumps(value, sort_keys=True)

    try:
        assert (digest(one) == digest(other)) == (dumped(one) == dumped(other))
    except InvalidError:
        assert "\\ud" in dumped([one, other])  # a half of a surrogate pair is no text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a", "A"),
        ("a", "a "),
        (1, 1.0),
        (1, "1"),
        (1, True),
        (None, ""),
        ([], {}),
        ("\u00e9", "e\u0301"),
        ([1, 2], [2, 1]),
    ],
)
def test_what_differs_by_little_has_another_digest(one: Any, other: Any) -> None:
    assert digest({"x": one}) != digest({"x": other})
    assert digest({"x": one, "y": other}) == digest({"y": other, "x": one})


def test_a_code_has_one_layer_and_another_is_no_finding() -> None:
    assert {CODES[code] for code in CODES} == {"Schema", "Completeness", "Consistency", "Policy"}
    with pytest.raises(InvalidError):
        Finding("nothing", "a", "error", "m")
