"""Rules and validators together: what is refused, what is covered, what ends, and what the verdict then holds for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from workbench import connect
from workbench.errors import ConfigError, InvalidError, RejectedError
from workbench.llm.scripted import Scripted
from workbench.pii.masks import WHOLE
from workbench.session import Workbench
from workbench.session.judging import Judged
from workbench.staffing.validate.report import Report

TODAY = date(2026, 11, 20)
PEOPLE = """\
worker_id,name,role,city,state,availability
1,Ana Diaz,Welder,Joliet,IL,0.9
2,Ben Ortiz,Welder,Joliet,IL,0.4
3,Cy Young,Welder,Joliet,IL,0
4,Di Marsh,Welder,Gary,IN,0.7
"""
NAMES = {1: "Ana Diaz", 2: "Ben Ortiz", 3: "Cy Young", 4: "Di Marsh", 99: "Alex Nobody"}
ORDER = {"role": "Welder", "city": "Joliet", "state": "IL", "target_count": 2}


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("truth")
    (folder / "workers.csv").write_text(PEOPLE)
    with connect(folder / "lake", folder=folder) as wb:
        wb.ingest(folder / "workers.csv", "workers")
    return folder / "lake"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    return folder


@pytest.fixture
def wb(lake: Path, rules: Path) -> Iterator[Workbench]:
    with connect(lake, folder=rules, truth_folder=str(rules)) as opened:
        yield opened


def add(folder: Path, condition: str, action: str, id_: str = "own", task_class: str = "staffing.fill") -> None:
    lines = ["[[rule]]", f'id = "{id_}"', f'task_class = "{task_class}"', 'description = "d"']
    (folder / f"{id_}.toml").write_text("\n".join([*lines, f"condition = {condition}", f"action = {action}"]))


def fills(*numbers: int, **more: Any) -> dict[str, Any]:
    return {"fills": [{"candidate_id": f"W-{n}", "name": NAMES[n]} for n in numbers]} | more


def judged(wb: Workbench, artifact: Any, context: Any = None, kind: str = "fill") -> Judged:
    return wb.judging.judge(kind, artifact, context, today=TODAY)


def said(report: Report, *, errors: bool = True) -> list[tuple[str, str]]:
    """Code and place of the errors, or of what the rules said beside them."""
    return [
        (found.code, found.path)
        for found in report.findings
        if (found.severity == "error") is errors and (errors or found.evidence.get("rule"))
    ]


def test_what_no_rule_and_no_validator_refuses_passes(wb: Workbench) -> None:
    found = judged(wb, fills(1, 2), ORDER)
    assert found.ok
    assert found.report.allows(fills(1, 2), ORDER)
    assert (found.artifact, found.context) == (fills(1, 2), ORDER)
    assert said(found.report, errors=False) == []


def test_the_worker_active_rule_names_who_is_not(wb: Workbench) -> None:
    report = judged(wb, fills(1, 3), ORDER).report
    assert said(report) == [("inactive", "fills[1].candidate_id"), ("rule_rejected", "fills[1].candidate_id")]
    found = report.findings[-1] if report.findings[-1].code == "rule_rejected" else report.findings[1]
    assert found.evidence == {"rule": "worker-active", "from": "built-in", "task_class": "staffing.fill"}
    assert (found.got, found.expected) == (False, True)


def test_the_endorsed_count_rule_compares_with_the_order(wb: Workbench) -> None:
    report = judged(wb, fills(1), ORDER).report
    assert said(report) == [("count_mismatch", "fills"), ("rule_rejected", "fills")]
    ruled = next(found for found in report.findings if found.code == "rule_rejected")
    assert (ruled.got, ruled.expected, ruled.evidence["rule"]) == (1, 2, "endorsed-count-matches-target")


def test_the_city_required_rule_wants_a_city_of_an_order(wb: Workbench) -> None:
    without = {name: value for name, value in ORDER.items() if name != "city"}
    for order in (without, without | {"city": None}):
        report = judged(wb, fills(1, 2), order).report
        assert said(report) == [("rule_rejected", "_context.city")]
        assert report.verdict
        assert not report.verdict.passed  # though no validator refused it
        assert report.error
        assert report.error.to_dict() == {
            "Policy": {"reason": "The order must say in which city the work is. (rule city-required)"}
        }


def test_without_an_order_the_city_is_not_checked_and_that_is_said(wb: Workbench) -> None:
    report = judged(wb, fills(1)).report
    assert report.ok
    assert said(report, errors=False) == [("not_checked", "_context")]


@pytest.mark.parametrize("kind", ["fill", "email", "playbook", "terraform"])
def test_the_sql_rule_ends_a_task_of_any_kind(wb: Workbench, kind: str) -> None:
    order = ORDER | {"notes": ["first", "Drop  TABLE workers;--"]}
    found = judged(wb, {"anything": 1}, order, kind)
    assert said(found.report) == [("rule_blocked", "_context.notes[1]")]  # no validator has said a word
    assert found.report.verdict
    assert not found.report.verdict.passed
    assert found.report.verdict.covers({"anything": 1}, order)
    assert not found.report.allows({"anything": 1}, order)


def test_the_wire_keeps_the_order_of_the_layers(wb: Workbench, rules: Path) -> None:
    add(rules, '"Always"', '{ type = "Reject", message = "Not today." }')
    report = judged(wb, fills(99, 4), ORDER | {"target_count": 1, "blacklist": ["4"], "client_id": "CL-1"}).report
    layers = [found.layer for found in report.findings if found.severity == "error"]
    assert layers == ["Completeness", *["Consistency"] * 3, *["Policy"] * 3]
    policy = [found.code for found in report.findings if found.layer == "Policy" and found.severity == "error"]
    assert policy == ["rule_rejected", "rule_rejected", "client_blacklist"]  # judged first, so told first
    assert report.error
    assert list(report.error.to_dict()) == ["Completeness"]


def test_the_wire_of_a_message_has_the_order_of_messages(wb: Workbench, rules: Path) -> None:
    add(rules, '"Always"', '{ type = "Reject", message = "Not today." }', task_class="staffing.any")
    sms = {"to": "312-555-0134", "kind": "sms", "body": "Hello Ben Ortiz, " + "please call us back. " * 8}
    report = judged(wb, sms, {"candidate_id": "W-99"}, "email").report
    codes = [found.code for found in report.findings if found.severity == "error"]
    assert codes == ["sms_too_long", "rule_rejected", "phantom_id"]  # a validator of messages judges names last


def test_a_rule_for_another_kind_is_not_asked(wb: Workbench, rules: Path) -> None:
    add(rules, '"Always"', '{ type = "Block", message = "never" }', task_class="staffing.email")
    assert judged(wb, fills(1, 2), ORDER).ok
    assert said(judged(wb, {"to": "a@b.example", "body": "hello"}, None, "email").report) == [
        ("rule_blocked", "artifact")
    ]


def test_a_rejected_email_still_hears_its_validator(wb: Workbench, rules: Path) -> None:
    add(
        rules,
        '{ type = "FieldContainsAny", field = "artifact.body", needles = ["guarantee"] }',
        '{ type = "Reject", message = "No promises." }',
        task_class="staffing.email",
    )
    report = judged(wb, {"to": "a@b.example", "subject": "s" * 79, "body": "We guarantee it."}, None, "email").report
    assert said(report) == [("subject_too_long", "subject"), ("rule_rejected", "body")]
    assert next(found.got for found in report.findings if found.code == "rule_rejected") == "guarantee"


def test_what_is_covered_no_validator_sees_and_the_verdict_is_on_the_covered(wb: Workbench, rules: Path) -> None:
    add(rules, '"Always"', '{ type = "Redact", fields = ["artifact.fills.note", "context.notes"] }')
    proposal = fills(1, 2)
    proposal["fills"][1]["note"] = "his SSN is 219-09-9999"  # the validator would refuse it
    order = ORDER | {"notes": "internal"}
    found = judged(wb, proposal, order)
    assert found.ok
    assert said(found.report, errors=False) == [("rule_redacted", "fills[1].note"), ("rule_redacted", "_context.notes")]
    assert found.artifact["fills"][1] == proposal["fills"][1] | {"note": WHOLE}
    assert found.context["notes"] == WHOLE
    assert proposal["fills"][1]["note"] == "his SSN is 219-09-9999"
    assert "9999" not in json.dumps(found.report.to_dict())
    assert found.report.allows(found.artifact, found.context)
    assert not found.report.allows(proposal, order)
    again = judged(wb, found.artifact, found.context)
    assert (again.artifact, again.context) == (found.artifact, found.context)
    assert again.report.verdict == found.report.verdict


@pytest.mark.parametrize("given", [True, False])
def test_a_context_in_the_artifact_is_covered_too(wb: Workbench, rules: Path, given: bool) -> None:
    add(rules, '"Always"', '{ type = "Redact", fields = ["context.notes"] }')
    proposal = fills(1, 2, _context=ORDER | {"notes": "internal"})
    found = judged(wb, proposal, ORDER if given else None)
    assert found.ok
    assert found.artifact["_context"]["notes"] == WHOLE
    assert found.context == (ORDER if given else None)
    assert found.report.allows(found.artifact, found.context)


def test_what_is_covered_is_told_by_no_other_rule(wb: Workbench, rules: Path) -> None:
    add(rules, '"Always"', '{ type = "Redact", fields = ["artifact.note"] }', "a")
    secret = '{ type = "FieldContainsAny", field = "artifact.note", needles = ["hepatitis"] }'
    add(rules, secret, '{ type = "Reject", message = "Nothing about health." }', "b")
    add(
        rules,
        '{ type = "FieldMismatch", field = "artifact.note", value = "x" }',
        '{ type = "Reject", message = "no" }',
        "c",
    )
    report = judged(wb, fills(1, 2, note="has hepatitis"), ORDER).report
    assert [(found.code, found.got) for found in report.findings if found.code == "rule_rejected"] == [
        ("rule_rejected", WHOLE),
        ("rule_rejected", WHOLE),
    ]
    assert "hepatitis" not in json.dumps(report.to_dict())


def test_personal_data_in_a_value_is_told_covered(wb: Workbench, rules: Path) -> None:
    add(rules, '{ type = "FieldMismatch", field = "artifact.x", value = "y" }', '{ type = "Reject", message = "no" }')
    report = judged(wb, fills(1, 2, x="call 312-555-0134"), ORDER).report
    assert "0134" not in json.dumps(report.to_dict())


def test_pass_is_silent(wb: Workbench, rules: Path) -> None:
    add(rules, '"Always"', '"Pass"')
    assert said(judged(wb, fills(1, 2), ORDER).report, errors=False) == []


def test_the_verdict_names_the_version_of_the_rules(wb: Workbench, rules: Path) -> None:
    before = judged(wb, fills(1, 2), ORDER).report.verdict
    assert before
    assert before.validator.endswith(f" rules/{wb.judging.book.digest[:12]}")
    add(rules, '"Always"', '"Pass"')
    after = judged(wb, fills(1, 2), ORDER).report.verdict
    assert after
    assert after.validator != before.validator
    assert Report.from_dict(judged(wb, fills(1, 2), ORDER).report.to_dict()).verdict == after


def test_a_rule_added_while_the_lake_is_open_is_asked_at_once(wb: Workbench, rules: Path) -> None:
    assert judged(wb, fills(1, 2), ORDER).ok
    add(rules, '"Always"', '{ type = "Reject", message = "closed" }')
    assert not judged(wb, fills(1, 2), ORDER).ok
    (rules / "own.toml").unlink()
    assert judged(wb, fills(1, 2), ORDER).ok
    (rules / "own.toml").write_text("[[rule]]\n")
    with pytest.raises(ConfigError, match="lacks the field id"):
        judged(wb, fills(1, 2), ORDER)


def test_a_missing_folder_judges_nothing(lake: Path, tmp_path: Path) -> None:
    with connect(lake, truth_folder=str(tmp_path / "gone")) as wb, pytest.raises(ConfigError, match="cannot be read"):
        wb.validate("fill", fills(1, 2), ORDER)


class _Hostile(Mapping[str, Any]):
    """A field that no rule can look into."""

    def __getitem__(self, key: str) -> Any:
        raise ZeroDivisionError

    def __contains__(self, key: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 1


def test_a_rule_that_crashes_refuses_and_lets_nothing_on(wb: Workbench, rules: Path) -> None:
    add(rules, '{ type = "FieldEquals", field = "artifact.x.y", value = 1 }', '"Pass"')
    found = judged(wb, fills(1, 2, x=_Hostile(), note="secret"), ORDER)
    assert said(found.report) == [("rule_crashed", "artifact")]
    assert (found.artifact, found.context, found.report.verdict) == ({}, None, None)
    assert "secret" not in json.dumps(found.report.to_dict())


def test_an_artifact_that_cannot_be_looked_at_is_refused(wb: Workbench) -> None:
    class Broken(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            raise ZeroDivisionError

    found = judged(wb, Broken(fills(1, 2)), ORDER)
    assert said(found.report) == [("rule_crashed", "artifact")]
    assert found.artifact == {}


@pytest.mark.parametrize("artifact", [None, [], "text", 7, {"fills": None}, {"fills": [None, 7, {"candidate_id": 5}]}])
def test_any_artifact_is_judged(wb: Workbench, artifact: Any) -> None:
    report = judged(wb, artifact, ORDER).report
    assert not report.ok
    assert "rule_crashed" not in {found.code for found in report.findings}


def test_without_a_roster_nobody_is_said_to_be_inactive(tmp_path: Path) -> None:
    with connect(tmp_path / "lake") as empty:
        assert [code for code, _ in said(judged(empty, fills(1, 2), ORDER).report)] == ["phantom_id", "phantom_id"]


def test_validate_is_the_same_judgement(wb: Workbench) -> None:
    assert wb.validate("fill", fills(1, 3), ORDER, today=TODAY) == judged(wb, fills(1, 3), ORDER).report
    with pytest.raises(InvalidError, match="no kind of artifact"):
        wb.validate("fil", fills(1))


def test_a_context_is_admitted_as_a_model_may_see_it(wb: Workbench, rules: Path) -> None:
    assert wb.judging.admit("fill", ORDER) is ORDER
    assert wb.judging.admit("email", None) is None
    add(rules, '"Always"', '{ type = "Redact", fields = ["context.notes", "artifact.note"] }')
    assert wb.judging.admit("fill", ORDER | {"notes": "internal"}) == ORDER | {"notes": WHOLE}


@pytest.mark.parametrize(
    ("order", "rule"),
    [
        ({"role": "Welder"}, "city-required"),
        (ORDER | {"x": {"y": "truncate table workers"}}, "no-destructive-sql-in-context"),
    ],
)
def test_a_context_that_a_rule_refuses_asks_no_model(wb: Workbench, order: Any, rule: str) -> None:
    with pytest.raises(RejectedError) as caught:
        wb.judging.admit("fill", order)
    assert [found["evidence"]["rule"] for found in caught.value.details["findings"]] == [rule]
    assert rule in caught.value.message
    assert caught.value.http_status == 422


def test_rules_on_the_artifact_wait_for_one(wb: Workbench, rules: Path) -> None:
    add(rules, '{ type = "FieldEmpty", field = "artifact.reason" }', '{ type = "Reject", message = "Say why." }')
    assert wb.judging.admit("fill", ORDER) == ORDER
    assert said(judged(wb, fills(1, 2), ORDER).report) == [("rule_rejected", "reason")]


def test_a_trial_says_what_every_rule_did(wb: Workbench) -> None:
    ruling = wb.judging.trial("staffing.fill", fills(1, 3), ORDER)
    assert [(one.rule.id, one.state) for one in ruling.outcomes] == [
        ("worker-active", "held"),
        ("endorsed-count-matches-target", "not held"),
        ("city-required", "not held"),
        ("no-destructive-sql-in-context", "not held"),
    ]
    assert not ruling.ok
    assert wb.judging.trial("staffing.fill", context=ORDER).ok
    with pytest.raises(InvalidError, match="no task class"):
        wb.judging.trial("staffing.any")


def iterated(wb: Workbench, *answers: Any) -> Any:
    model = Scripted([json.dumps(answer) for answer in answers])
    return wb.iterate("fill", "Two welders.", model=model, context=ORDER, candidates=["W-1", "W-2"], today=TODAY)


def test_the_loop_hears_a_rejection_and_mends_it(wb: Workbench, rules: Path) -> None:
    add(rules, '{ type = "FieldEmpty", field = "artifact.reason" }', '{ type = "Reject", message = "Say why." }')
    run = iterated(wb, fills(1, 2), fills(1, 2, reason="both weld"))
    assert run.accepted
    assert [found.message for found in run.attempts[0].findings if found.severity == "error"] == ["Say why. (rule own)"]


def test_the_loop_ends_at_a_block(wb: Workbench, rules: Path) -> None:
    blocked = '{ type = "FieldContainsAny", field = "artifact", needles = ["hepatitis"] }'
    add(rules, blocked, '{ type = "Block", message = "Nothing about health." }')
    run = iterated(wb, fills(1, 2, note="hepatitis"), fills(1, 2))
    assert not run.accepted
    assert len(run.attempts) == 1


def test_the_loop_gives_out_what_is_covered_alone(wb: Workbench, rules: Path) -> None:
    add(rules, '"Always"', '{ type = "Redact", fields = ["artifact.note"] }')
    run = iterated(wb, fills(1, 2, note="hepatitis"))
    assert run.accepted
    assert run.artifact == fills(1, 2, note=WHOLE)
    assert "hepatitis" not in str(run.attempts[0].artifact)
    assert run.report.allows(run.artifact, run.task.context)
