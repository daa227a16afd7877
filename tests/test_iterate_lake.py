"""``wb.iterate`` on a lake: the order as context, real candidates, what is accepted, each end, what is written down."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from lake_desk import FIT, MISFITS, ORDER, STOCK, TODAY, answering, fill_of, model, name_of, open_desk

from workbench.errors import InvalidError, NotFoundError, ProviderError, RejectedError
from workbench.llm.attempts import Run
from workbench.llm.lies import honest
from workbench.llm.scripted import Scripted
from workbench.session import Workbench
from workbench.session.briefing import Brief
from workbench.staffing.validate.report import Report

WHO = {"candidate_id": "W-3", "audience": "client"}
GOOD = [f"W-{number}" for number in FIT]


@pytest.fixture(scope="module")
def wb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    with open_desk(tmp_path_factory.mktemp("desk"), search_log="false") as wb:
        yield wb


def fills(*numbers: int) -> str:
    return json.dumps({"fills": [dict(fill_of(number)) for number in numbers]})


def go(wb: Workbench, *turns: str, prompt: str = ORDER, **options: Any) -> Run:
    asked = options.pop("model", None) or model(*turns)
    return wb.iterate("fill", prompt, model=asked, **{"today": TODAY, "candidates": GOOD, **options})


def briefed(wb: Workbench, prompt: str = ORDER, **options: Any) -> Brief:
    seen: list[Brief] = []
    go(wb, model=model(honest(STOCK), again=True), prompt=prompt, begin=seen.append, **options)
    return seen[0]


def said(asked: Scripted) -> str:
    return asked.asks[0].messages[1].content


# the brief


def test_the_order_becomes_the_context_that_is_judged_by(wb):
    assert briefed(wb).context == {
        "target_count": 3,
        "role": "Forklift Operator",
        "city": "Joliet",
        "state": "IL",
        "client_id": "CL-1",
        "shift": "1st",
        "start": "2026-11-23",
        "exclude_ids": ["W-35"],
    }


def test_what_the_caller_says_wins_over_the_text(wb):
    context = {"target_count": 2, "shift": None, "blacklist": ["W-1"], "exclude_ids": ["W-2"]}
    made = briefed(wb, context=context).context or {}
    assert (made["target_count"], made["shift"], made["blacklist"]) == (2, None, ["W-1"])
    assert made["exclude_ids"] == ["W-35", "W-2"], "who is ruled out by either is ruled out"


def test_a_caller_who_names_another_city_is_not_held_to_the_state_of_the_text(wb):
    with pytest.raises(RejectedError, match="needs 3, and 0 on the roster fit"):
        go(wb, context={"city": "Peoria"}, candidates=None)


def test_the_candidates_are_those_who_fit_and_would_pass(wb):
    made = briefed(wb, candidates=None, k=40)
    assert {row["candidate_id"] for row in made.candidates} == set(GOOD)
    assert made.matching == len(FIT) + 1
    assert "W-29 (client_blacklist)" in made.notes[-1], "search knows nothing of a blacklist in the roster"


def test_k_is_how_many_candidates_are_given(wb):
    assert len(briefed(wb, candidates=None, k=5).candidates) == 5


def test_a_model_is_given_who_they_are_and_never_how_to_reach_them(wb):
    asked = model(honest(STOCK))
    go(wb, model=asked, candidates=None)
    text = "\n".join(message.content for message in asked.asks[0].messages)
    assert f'"name": "{name_of(1)}"' in text
    assert "Forklift Certification" in text
    assert "815-555" not in text
    assert "@example.com" not in text


def test_a_model_is_told_what_was_read_but_not_who_is_barred_for_whom(wb):
    asked = model(honest(STOCK))
    go(wb, model=asked, context={"blacklist": ["W-36"]})
    assert '"target_count": 3' in said(asked)
    assert "W-36" not in said(asked)
    assert "CL-1" not in said(asked)


def test_candidates_of_the_caller_take_the_place_of_a_search(wb):
    made = briefed(wb, candidates=[3, "w-1", "W-2", 3])
    assert [row["candidate_id"] for row in made.candidates] == ["W-3", "W-1", "W-2"]
    assert made.matching is None


def test_a_candidate_who_is_not_on_the_roster_is_refused(wb):
    with pytest.raises(NotFoundError, match="W-99 is not on the roster"):
        go(wb, candidates=["W-1", "W-99"])


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ({"prompt": "  "}, "prompt is empty"),
        ({"prompt": "3 forklift operators in Joliet, IL and 2 packers in Gary, IN"}, "holds 2 orders"),
        ({"prompt": "Hello there in Joliet", "candidates": None}, "no order"),
        ({"context": {"client_id": "CL-9"}}, "CL-9 is no client"),
        ({"context": {"target_count": 0}}, "whole number above 0"),
        ({"context": ["Joliet"]}, "context is no object"),
        ({"max_iterations": 0}, "max_iterations"),
    ],
)
def test_what_no_model_could_get_right_is_refused_before_one_is_asked(wb, asked, problem):
    untouched = model()
    with pytest.raises(InvalidError, match=problem):
        go(wb, model=untouched, **asked)
    assert untouched.asks == []


def test_nobody_is_asked_for_more_people_than_there_are(wb):
    untouched = model()
    with pytest.raises(RejectedError, match="needs 30, and 24 on the roster fit it") as raised:
        go(wb, model=untouched, prompt=ORDER.replace("3 fork", "30 fork"), candidates=None)
    assert untouched.asks == []
    assert "in Joliet, IL" in raised.value.hint
    assert "W-29 (client_blacklist)" in raised.value.hint


def test_a_rule_about_the_context_is_judged_before_a_model_is_asked(wb):
    untouched = model()
    with pytest.raises(RejectedError, match="city"):
        go(wb, model=untouched, prompt="3 forklift operators, first shift")
    assert untouched.asks == []


@pytest.mark.parametrize(("kind", "problem"), [("terraform", "not implemented"), ("flil", "no kind of artifact")])
def test_only_what_somebody_can_judge_is_asked_for(wb, kind, problem):
    with pytest.raises(InvalidError, match=problem):
        wb.iterate(kind, "Three servers.", model=model())


# what is accepted


def test_an_accepted_fill_carries_a_verdict_on_exactly_its_bytes(wb):
    run = go(wb, honest(STOCK))
    assert isinstance(run.report, Report)
    assert run.report.allows(run.require(), run.task.context)
    assert not run.report.allows({**run.require(), "note": "x"}, run.task.context)
    assert (run.grounded, run.report.verdict.roster) == (True, "workers@1")


def test_the_200_of_the_contract(wb):
    told = go(wb, fills(1, 2, 99), fills(3), trace_id="t-7").to_dict()
    assert list(told)[:5] == ["artifact", "validation", "iterations", "history", "trace_id"]
    assert told["artifact"]["fills"] == [dict(fill_of(number)) for number in (1, 2, 3)]
    assert (told["validation"]["ok"], told["iterations"], told["trace_id"]) == (True, 2, "t-7")
    assert [row["status"] for row in told["history"]] == ["validation_failed", "accepted"]


def test_good_people_are_kept_and_only_the_bad_asked_for_again(wb):
    asked = model(fills(1, 99, 2), fills(3))
    run = go(wb, model=asked)
    assert [fill["candidate_id"] for fill in run.require()["fills"]] == ["W-1", "W-3", "W-2"]
    assert "exactly 1 new item" in asked.asks[1].messages[-1].content
    assert next((change.was, change.now) for change in run.attempts[1].diff) == ("W-99", "W-3")


def test_it_says_which_candidates_are_left_when_it_asks_again(wb):
    asked = model(fills(1, 99, 2), fills(3))
    go(wb, model=asked, candidates=[1, 2, 3])
    assert asked.asks[1].messages[-1].content.endswith("Candidates that you have not named yet: W-3.")


@pytest.mark.parametrize("why", ["shift", "no paper"])
def test_whom_no_validator_refuses_is_held_to_the_words_of_the_order(wb, why):
    number = MISFITS[why]
    assert wb.validate("fill", json.loads(fills(1, 2, number)), {"city": "Joliet"}, today=TODAY).ok
    run = go(wb, fills(1, 2, number), fills(3))
    first = run.attempts[0].findings[0]
    assert (first.code, first.path) == ("order_condition", "fills[2].candidate_id")
    assert f"W-{number} does not meet the order: " in first.message
    assert first.nearest_valid == ("W-3", "W-4", "W-5")
    assert [fill["candidate_id"] for fill in run.require()["fills"]] == ["W-1", "W-2", "W-3"]


def test_somebody_who_fits_may_be_proposed_without_being_a_candidate(wb):
    assert go(wb, fills(1, 2, 9), candidates=[1, 2, 3]).accepted


def test_candidates_of_the_caller_are_his_to_choose(wb):
    assert go(wb, fills(1, 2, MISFITS["shift"]), candidates=[1, 2, MISFITS["shift"]]).accepted


class _Credulous:
    """Judges as the lake does, and passes everything, on the snapshot of the roster that is named."""

    def __init__(self, wb: Workbench, roster: str | None) -> None:
        self._judging, self._roster = wb.judging, roster
        self.admit = wb.judging.admit

    def judge(self, kind: str, artifact: Any, context: Any, **more: Any) -> Any:
        judged = self._judging.judge(kind, artifact, context, **more)
        verdict = replace(judged.report.verdict, passed=True)
        verdict = verdict if self._roster is None else replace(verdict, roster=self._roster)
        return SimpleNamespace(report=Report(kind, (), verdict), artifact=artifact, context=context)


@pytest.mark.parametrize(
    ("numbers", "roster", "code"),
    [
        ((1, 2, 99), None, "not_grounded"),
        ((1, 2, 3), "workers@77", "validator_crashed"),
        ((1, 2, 3), "", "validator_crashed"),
    ],
)
def test_what_a_broken_validator_lets_through_is_still_looked_up(tmp_path, numbers, roster, code):
    with open_desk(tmp_path, search_log="false") as wb:
        wb.__dict__["judging"] = _Credulous(wb, roster)
        run = go(wb, fills(*numbers), candidates=[1, 2, 3])
    assert (run.accepted, run.stopped, run.grounded) == (False, "validator_failed", None)
    assert run.attempts[0].findings[0].code == code


# how it ends


def test_used_up_is_422_with_the_history(wb):
    run = go(wb, *(fills(1, 2, number) for number in (90, 91, 92)))
    with pytest.raises(RejectedError) as raised:
        run.require()
    assert (raised.value.http_status, run.stopped) == (422, "iterations")
    assert [row["status"] for row in raised.value.details["history"]] == ["validation_failed"] * 3
    assert "artifact" not in raised.value.details


def test_the_same_findings_twice_end_it(wb):
    run = go(wb, fills(1, 2, 99), fills(99), fills(3))
    assert (run.stopped, len(run.attempts)) == ("repeated", 2)


def test_a_failing_server_is_502_with_the_history_so_far(wb):
    script = Scripted([fills(1, 2, 99), ProviderError("The server is gone.")])
    with pytest.raises(ProviderError) as raised:
        go(wb, model=script, trace_id="gone")
    assert raised.value.http_status == 502
    assert [row["status"] for row in raised.value.details["history"]] == ["validation_failed"]


def test_a_budget_of_tokens_and_one_of_seconds(wb):
    assert go(wb, honest(STOCK), tokens=1).stopped == "tokens"
    assert go(wb, honest(STOCK), seconds=1e-9).stopped == "seconds"


def test_a_set_cancel_ends_it(wb):
    cancel = threading.Event()
    cancel.set()
    assert go(wb, honest(STOCK), cancel=cancel).stopped == "cancelled"


def test_every_attempt_is_seen_as_it_ends(wb):
    seen: list[str] = []
    go(wb, "no", fills(1, 2, 99), fills(3), watch=lambda attempt: seen.append(attempt.status))
    assert seen == ["no_json", "validation_failed", "accepted"]


# what is written down


def interrupted(_ask: Any) -> str:
    raise KeyboardInterrupt


def test_each_run_has_a_line_in_the_session_log_whichever_way_it_ended(wb):
    ends: dict[str, str] = {
        "yes": "accepted",
        "no": "max_iter_exhausted",
        "stopped": "infra_error",
        "dead": "infra_error",
    }
    go(wb, fills(1, 2, 99), fills(3), trace_id="yes")
    go(wb, *[fills(1, 2, 99)] * 2, trace_id="no")
    with pytest.raises(KeyboardInterrupt):
        go(wb, model=answering(interrupted), trace_id="stopped")
    with pytest.raises(ProviderError):
        go(wb, model=Scripted([ProviderError("Gone.")]), trace_id="dead")
    rows = wb.sql(
        "SELECT * FROM iterate_sessions WHERE session_id IN ('yes', 'no', 'stopped', 'dead')"
    ).table.to_pylist()
    assert {row["session_id"]: row["final_verdict"] for row in rows} == ends
    assert {row["session_id"]: row["grounded_in_roster"] for row in rows}["yes"] is True
    assert [row["session_id"] for row in rows if row["artifact"] is not None] == ["yes"]
    assert wb.logs.alarm() == []


def test_each_call_is_a_row_of_the_ledger_under_its_run(wb):
    go(wb, fills(1, 2, 99), fills(3), trace_id="called")
    wb.iterate("fill", ORDER, model="scripted/honest", candidates=GOOD, today=TODAY, trace_id="named")
    rows = wb.sql(
        "SELECT trace_id, task, outcome FROM llm_calls WHERE trace_id IN ('called', 'named')"
    ).table.to_pylist()
    assert sorted(row["trace_id"] for row in rows) == ["called", "called", "named"]
    assert {(row["task"], row["outcome"]) for row in rows} == {("iterate:fill", "ok")}


def test_that_names_were_shown_is_noted(wb):
    go(wb, honest(STOCK), candidates=[1, 2, 3])
    rows = wb.sql("SELECT what, datasets, columns, rows FROM pii_access").table.to_pylist()
    assert {"what": "iterate", "datasets": ["workers@1"], "columns": ["name"], "rows": 3} in rows


# messages and playbooks


def email(body: str) -> str:
    return json.dumps({"to": "joan@example.com", "subject": "Monday", "body": body, "kind": "email"})


def test_a_message_is_written_about_somebody_on_the_roster(wb):
    asked = model(email("Dee Ash can start."), email(f"{name_of(3)} can start on Monday."))
    run = wb.iterate("email", "Tell the client who comes.", model=asked, context={**WHO, "candidate_id": "W-1"})
    assert [finding.code for finding in run.attempts[0].findings] == ["name_mismatch"]
    assert f'"name": "{name_of(1)}"' in said(asked)


def test_one_candidate_is_whom_the_message_is_about(wb):
    run = wb.iterate("email", "Tell the client.", model=model(email(f"{name_of(3)} can start.")), candidates=["W-3"])
    assert (run.accepted, run.grounded) == (True, True)
    assert run.task.context == {"candidate_id": "W-3"}
    with pytest.raises(InvalidError, match="about one worker"):
        wb.iterate("email", "Tell the client.", model=model(), candidates=["W-3", "W-4"])


def test_who_writes_to_a_client_is_not_told_what_the_order_pays(wb):
    asked = model(email(f"{name_of(3)} can start."), email(f"Hi {name_of(3).split()[0]}, it pays $24.50 an hour."))
    context = {**WHO, "order": "3 forklift operators in Joliet, IL, $24.50/hr, first shift", "pay_rate": 24.5}
    wb.iterate("email", "Tell them.", model=asked, context=context)
    assert "24.5" not in "".join(message.content for message in asked.asks[0].messages)
    assert '"shift": "1st"' in said(asked)


def test_who_writes_to_a_worker_is_told_and_may_say_exactly_that(wb):
    first = name_of(3).split()[0]
    asked = model(email(f"Hi {first}, it pays $25.50 an hour."), email(f"Hi {first}, it pays $24.50 an hour."))
    order = "3 forklift operators in Joliet, IL, $24.50/hr"
    run = wb.iterate("email", "Tell him.", model=asked, context={**WHO, "audience": "worker", "order": order})
    assert [attempt.status for attempt in run.attempts] == ["validation_failed", "accepted"]
    assert '"pay_rate": "24.50"' in said(asked)


def test_a_message_about_somebody_who_is_not_there_is_refused_at_once(wb):
    with pytest.raises(NotFoundError, match="W-99 is not on the roster"):
        wb.iterate("email", "Tell the client.", model=model(), context={**WHO, "candidate_id": "W-99"})


def test_a_playbook_is_judged_as_one(wb):
    good = {"operation": "fill: Forklift Operator x2 in Joliet, IL", "endorsed_names": ["Ann Ash"], "fingerprint": "f1"}
    asked = model(json.dumps({**good, "operation": "Forklift"}), json.dumps(good))
    run = wb.iterate("playbook", "What worked in Joliet?", model=asked)
    assert (run.require(), run.grounded, len(run.attempts)) == (good, None, 2)


# the packaged scripts


def test_the_demonstration_is_corrected_step_by_step(wb):
    run = wb.iterate("fill", ORDER, model="scripted/corrected", today=TODAY)
    codes = [[finding.code for finding in attempt.findings if finding.severity == "error"] for attempt in run.attempts]
    assert (codes[0], codes[2], run.accepted) == (["phantom_id"], [], True)
    assert [attempt.kept for attempt in run.attempts] == [0, 2, 2]


def test_the_honest_script_is_right_and_the_stubborn_one_ends_refused(wb):
    ends = {name: wb.iterate("fill", ORDER, model=f"scripted/{name}", today=TODAY) for name in ("honest", "stubborn")}
    assert {name: run.stopped for name, run in ends.items()} == {"honest": "accepted", "stubborn": "repeated"}


def test_the_scripts_write_messages_too(wb):
    ends = {
        name: wb.iterate("email", "Tell the client.", model=f"scripted/{name}", context=WHO)
        for name in ("honest", "corrected", "stubborn")
    }
    assert {name: run.stopped for name, run in ends.items()} == {
        "honest": "accepted", "corrected": "accepted", "stubborn": "repeated",
    }  # fmt: skip
    assert [[f.code for f in attempt.findings] for attempt in ends["corrected"].attempts] == [
        ["pay_rate"], ["name_mismatch"], [],
    ]  # fmt: skip


def test_a_script_that_there_is_not_is_told_with_the_nearest(wb):
    with pytest.raises(NotFoundError, match="corected") as raised:
        wb.iterate("fill", ORDER, model="scripted/corected", candidates=GOOD, today=TODAY)
    assert "corrected" in raised.value.hint
