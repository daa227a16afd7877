"""Every clause of the playbook validator, and the kinds that are not judged."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from workbench.errors import InvalidError
from workbench.staffing.validate import KINDS, Report, judge

TODAY = date(2026, 11, 20)
GOOD = {
    "operation": "fill: Welder x2 in Toledo, OH",
    "endorsed_names": ["Ana Díaz", "Ben Ortiz"],
    "fingerprint": "a1b2",
}


def told(more: dict[str, Any], context: Any = None) -> Report:
    return judge("playbook", GOOD | more, context, today=TODAY)


def errors(report: Report) -> list[tuple[str, str]]:
    return [(found.code, found.path) for found in report.findings if found.severity == "error"]


def test_an_honest_playbook_passes() -> None:
    report = told({})
    assert report.ok
    assert report.findings == ()


@pytest.mark.parametrize("operation", ["Fill: Welder", "call: Welder", " fill: Welder", "refill: x", 5])
def test_the_operation_starts_with_fill(operation: Any) -> None:
    report = told({"operation": operation})
    assert errors(report) == [("bad_operation", "operation")]
    assert report.error.to_dict()["Schema"]["field"] == "operation"  # type: ignore[union-attr]


@pytest.mark.parametrize("operation", [None, ""])
def test_the_operation_is_there(operation: Any) -> None:
    assert errors(told({"operation": operation})) == [("missing_field", "operation")]


@pytest.mark.parametrize(("count", "ok"), [(0, False), (1, True), (4, True), (5, False)])
def test_one_to_twice_the_target_are_endorsed(count: int, *, ok: bool) -> None:
    report = told({"endorsed_names": [f"Worker {n}" for n in range(count)]})
    assert errors(report) == ([] if ok else [("count_mismatch", "endorsed_names")])
    if not ok:
        assert report.error.to_dict().keys() == {"Completeness"}  # type: ignore[union-attr]


def test_the_target_of_the_context_comes_first() -> None:
    names = {"endorsed_names": [f"Worker {n}" for n in range(5)]}
    assert told(names, {"target_count": 3}).ok
    assert not told(names, {"target_count": 2}).ok
    assert errors(told(names, {"target_count": "3"})) == [("bad_context", "_context.target_count")]


def test_without_a_target_the_most_is_said_not_to_be_checked() -> None:
    names = [f"Worker {n}" for n in range(50)]
    report = told({"operation": "fill: Welder", "endorsed_names": names})
    assert report.ok
    assert [(found.code, found.severity) for found in report.findings] == [("not_checked", "info")]


@pytest.mark.parametrize("names", [None, "Ana Díaz", {"name": "Ana"}])
def test_endorsed_names_are_a_list(names: Any) -> None:
    assert [path for _, path in errors(told({"endorsed_names": names}))] == ["endorsed_names"]


@pytest.mark.parametrize("name", ["", " ", 5, None])
def test_each_endorsed_name_is_one(name: Any) -> None:
    assert errors(told({"endorsed_names": ["Ana Díaz", name]})) == [("wrong_type", "endorsed_names[1]")]


def test_a_name_endorsed_twice_is_a_warning() -> None:
    report = told({"endorsed_names": ["Ana Díaz", "ana diaz"]})
    assert report.ok
    assert [(found.code, found.severity) for found in report.findings] == [("duplicate_name", "warning")]


@pytest.mark.parametrize("fingerprint", [None, "", "  ", 5])
def test_the_fingerprint_is_there(fingerprint: Any) -> None:
    assert errors(told({"fingerprint": fingerprint})) == [("missing_field", "fingerprint")]


@pytest.mark.parametrize("field", ["operation", "fingerprint", "endorsed_names", "note"])
def test_a_social_security_number_is_not_remembered(field: str) -> None:
    said = "fill: Welder x2, 219-09-9999"
    report = told({field: ["Ana Díaz", said] if field == "endorsed_names" else said})
    assert errors(report) == [("ssn", "endorsed_names[1]" if field == "endorsed_names" else field)]


@pytest.mark.parametrize("artifact", [None, [], "fill: x"])
def test_an_artifact_is_an_object(artifact: Any) -> None:
    assert errors(judge("playbook", artifact, today=TODAY)) == [("bad_artifact", "artifact")]


@pytest.mark.parametrize("kind", ["terraform", "ansible"])
def test_what_is_not_implemented_says_so_in_a_stable_shape(kind: str) -> None:
    report = judge(kind, {"resource": {}}, today=TODAY)
    assert not report.ok
    assert report.error is not None
    reason = f"Validation of {kind} artifacts is not implemented."
    assert report.error.to_dict() == {"Schema": {"field": "kind", "reason": reason}}
    assert [found.code for found in report.findings] == ["not_implemented"]


@pytest.mark.parametrize("kind", ["", "fills", "Fill", None])
def test_an_unknown_kind_is_no_verdict(kind: Any) -> None:
    with pytest.raises(InvalidError, match="no kind of artifact") as raised:
        judge(kind, GOOD)
    assert "fill" in raised.value.hint
    assert KINDS == ("fill", "email", "playbook", "terraform", "ansible")
