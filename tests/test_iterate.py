"""The loop: what the model is given, each of its ends, how it fails closed, its history, what is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from small_desk import ROSTER, STOCK, TASK, Judged, go, judge, proposed

from workbench.errors import InvalidError, ProviderError, RateLimitedError, RejectedError
from workbench.llm.asking import FINDINGS
from workbench.llm.attempts import RAW_CHARS, Complaint, Limits, Ruled, Run
from workbench.llm.chat import Ask, Completion, Usage
from workbench.llm.lies import LIES, honest
from workbench.llm.scripted import Breaks, Scripted


def fills(*ids: str) -> str:
    return json.dumps({"fills": [{"candidate_id": i, "name": ROSTER.get(i, {}).get("name", "Pat")} for i in ids]})


# what the model is given


def test_the_first_request_holds_the_prompt_the_shape_and_the_real_candidates():
    model = Scripted([honest(STOCK)])
    go(model)
    system, user = model.asks[0].messages
    assert '"candidate_id"' in system.content
    assert user.content.startswith(TASK.prompt)
    assert all(json.dumps(row) in user.content.splitlines() for row in TASK.candidates)


def test_without_candidates_none_are_spoken_of():
    model = Scripted([honest(STOCK)])
    go(model, task=replace(TASK, candidates=()))
    assert model.asks[0].messages[1].content == TASK.prompt


def test_a_system_text_of_the_caller_takes_the_place_of_ours():
    model = Scripted([honest(STOCK)])
    go(model, task=replace(TASK, system="You are terse."))
    assert model.asks[0].messages[0].content.startswith("You are terse.")


def test_the_defaults_of_the_contract():
    model = Scripted([honest(STOCK)])
    run = go(model)
    assert (model.asks[0].temperature, model.asks[0].max_tokens, model.asks[0].as_json) == (0.2, 4096, True)
    assert run.limits.max_iterations == 3


def test_the_findings_go_back_with_the_refused_answer_and_what_would_pass():
    model = Scripted([fills("W-0", "W-1", "W-99"), fills("W-2")])
    go(model)
    *opening, refused, request = model.asks[1].messages
    assert tuple(opening) == model.asks[0].messages
    assert (refused.role, "W-99" in refused.content) == ("assistant", True)
    assert "fills[2].candidate_id: W-99 is not on the roster. Nearest valid: W-0, W-1, W-2" in request.content


def test_warnings_do_not_go_back_to_the_model():
    model = Scripted(['{"fills": [{"candidate_id": "W-0", "name": "Zed"}]}', fills("W-0", "W-1", "W-2")])
    go(model)
    assert "W-0 is Ann 0" not in model.asks[1].messages[-1].content


def test_half_characters_in_an_answer_do_not_break_the_next_request():
    run = go(["\ud800 what?", honest(STOCK)])
    assert (run.accepted, run.history[0]["raw"]) == (True, "? what?")


def test_an_empty_answer_is_quoted_in_words():
    model = Scripted([" ", honest(STOCK)])
    go(model)
    assert model.asks[1].messages[2].content == "(no answer)", "some providers refuse an empty message"


def test_a_flood_of_findings_is_cut_and_counted():
    model = Scripted([fills(*(f"W-{n}" for n in range(100, 160))), honest(STOCK)])
    go(model, validate=lambda artifact: judge(artifact, len(artifact["fills"])))
    request = model.asks[1].messages[-1].content
    assert request.count("is not on the roster") == FINDINGS
    assert f"and {60 - FINDINGS} more" in request


# the ends


def test_accepted_at_once():
    run = go([honest(STOCK)])
    assert (run.stopped, run.final_verdict, run.grounded, len(run.attempts)) == ("accepted", "accepted", True, 1)
    assert proposed(run) == ["W-0", "W-1", "W-2"]


def test_accepted_after_a_correction():
    run = go([LIES["prose without JSON"](STOCK), fills("W-0", "W-1", "W-99"), fills("W-2")])
    assert [attempt.status for attempt in run.attempts] == ["no_json", "validation_failed", "accepted"]


def test_warnings_do_not_refuse_and_are_told():
    run = go([LIES["other name"](STOCK)])
    assert run.accepted
    assert [finding.code for finding in run.attempts[0].findings] == ["name_differs"]


def test_the_attempts_are_used_up():
    model = Scripted([fills("W-0", "W-1", f"W-{n}") for n in (90, 91, 92, 93)])
    run = go(model)
    assert (run.stopped, run.final_verdict, len(model.asks)) == ("iterations", "max_iter_exhausted", 3)
    assert (run.artifact, run.report, run.grounded) == (None, None, None)


def test_max_iterations_is_the_callers():
    model = Scripted([fills("W-0", "W-1", f"W-{n}") for n in (90, 91, 92, 93)])
    assert go(model, limits=Limits(max_iterations=2)).stopped == "iterations"
    assert len(model.asks) == 2


def test_a_run_that_was_not_accepted_raises_with_its_history():
    run = go([fills("W-0", "W-1", f"W-{n}") for n in (90, 91, 92)])
    with pytest.raises(RejectedError, match="Not accepted after 3 attempts") as raised:
        run.require()
    assert "W-92 is not on the roster" in raised.value.hint
    assert [row["iteration"] for row in raised.value.details["history"]] == [1, 2, 3]
    assert raised.value.details["trace_id"] == "t-1"


def test_it_stops_when_the_same_findings_come_twice():
    model = Scripted([fills("W-0", "W-1", "W-99")], again=True)
    run = go(model, limits=Limits(max_iterations=9))
    assert (run.stopped, len(model.asks)) == ("repeated", 2)


def test_it_stops_when_earlier_findings_come_back():
    model = Scripted([fills("W-99"), fills("W-98"), fills("W-99")], again=True)
    run = go(model, limits=Limits(max_iterations=9))
    assert (run.stopped, len(model.asks)) == ("repeated", 3)


def test_it_goes_on_when_the_findings_change():
    assert go([fills("W-97"), fills("W-98"), honest(STOCK)]).accepted


def test_it_stops_when_there_is_no_json_twice():
    model = Scripted([LIES["prose without JSON"](STOCK)], again=True)
    run = go(model, limits=Limits(max_iterations=9))
    assert (run.stopped, [attempt.status for attempt in run.attempts]) == ("repeated", ["no_json"] * 2)


def tokens_of(*script: str) -> list[int]:
    """What each of these turns costs."""
    return [attempt.tokens for attempt in go(list(script), limits=Limits(max_iterations=len(script))).attempts]


def test_the_budget_of_tokens_is_used_up():
    turns = [fills("W-0", "W-1", f"W-{n}") for n in (90, 91, 92)]
    first, second, _ = tokens_of(*turns)
    model = Scripted(turns)
    run = go(model, limits=Limits(tokens=first + second))
    assert (run.stopped, run.final_verdict, len(model.asks)) == ("tokens", "max_iter_exhausted", 2)
    assert run.tokens == first + second


def test_a_request_that_the_budget_cannot_pay_is_not_made():
    model = Scripted([honest(STOCK)])
    assert go(model, limits=Limits(tokens=50)).stopped == "tokens"
    assert model.asks == []


def test_no_answer_may_be_longer_than_the_tokens_that_are_left():
    model = Scripted([fills("W-90"), honest(STOCK)])
    first, second = tokens_of(fills("W-90"), honest(STOCK))
    answer = -(-len(honest(STOCK)) // 4)
    assert go(model, limits=Limits(tokens=first + second)).accepted, "the budget to the token"
    assert model.asks[1].max_tokens == answer


def test_tokens_that_a_provider_did_not_count_are_estimated_and_say_so():
    class Uncounted(Scripted):
        def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
            return replace(super().complete(ask, cancel=cancel), usage=Usage())

    counted, uncounted = go([honest(STOCK)]), go(Uncounted([honest(STOCK)]))
    assert (counted.tokens, counted.attempts[0].estimated) == (uncounted.tokens, False)
    assert uncounted.attempts[0].estimated


class Hand:
    """A clock that stands until it is told to go on."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_budget_of_seconds_is_used_up():
    clock = Hand()

    def slow(ask: Ask) -> str:
        clock.now += 6
        return fills("W-0", f"W-{90 + clock.now}")

    run = go(Scripted(slow, piece=10_000), limits=Limits(max_iterations=9, seconds=10), clock=clock)
    assert (run.stopped, run.duration_s, len(run.attempts)) == ("seconds", 12, 1)


def test_the_budget_of_seconds_ends_an_answer_under_way():
    clock = Hand()
    seen = []

    def slow(ask: Ask) -> str:
        clock.now += 11
        return honest(STOCK)

    run = go(Scripted(slow, piece=1), limits=Limits(seconds=10), clock=clock, watch=seen.append)
    assert (run.stopped, run.attempts, seen) == ("seconds", (), [])


class Deaf(Scripted):
    """A model that does not listen to a cancel."""

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        return super().complete(ask)


def test_a_model_that_cannot_be_cancelled_is_not_asked_again():
    clock, cancel = Hand(), threading.Event()

    def slow(ask: Ask) -> str:
        clock.now += 6
        return fills("W-0", f"W-{90 + clock.now}")

    run = go(Deaf(slow), limits=Limits(max_iterations=9, seconds=10), clock=clock)
    assert (run.stopped, len(run.attempts)) == ("seconds", 2)
    run = go(Deaf([fills("W-99"), honest(STOCK)]), cancel=cancel, watch=lambda attempt: cancel.set())
    assert (run.stopped, len(run.attempts)) == ("cancelled", 1)


def test_a_cancel_before_the_start_asks_nothing():
    cancel = threading.Event()
    cancel.set()
    model = Scripted([honest(STOCK)])
    run = go(model, cancel=cancel)
    assert (run.stopped, run.final_verdict, model.asks) == ("cancelled", "infra_error", [])


def test_a_cancel_between_two_attempts():
    cancel = threading.Event()
    run = go([fills("W-99"), honest(STOCK)], cancel=cancel, watch=lambda attempt: cancel.set())
    assert (run.stopped, len(run.attempts)) == ("cancelled", 1)


@pytest.mark.parametrize("limits", [Limits(), Limits(seconds=3600)])
def test_a_cancel_ends_an_answer_under_way(limits):
    cancel = threading.Event()

    def cancelling(ask: Ask) -> str:
        cancel.set()
        return honest(STOCK)

    assert go(cancelling, cancel=cancel, limits=limits).stopped == "cancelled"


def test_a_model_that_waits_under_a_budget_of_seconds_sees_the_cancel_and_the_end():
    waits: list[bool] = []
    cancel = threading.Event()

    class Waiting(Scripted):
        def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
            assert cancel is not None
            waits.append(cancel.wait(0))
            threading.Timer(0.02, stop.set).start()
            waits.append(cancel.wait(30))
            return super().complete(ask, cancel=cancel)

    stop = cancel
    assert go(Waiting([honest(STOCK)]), cancel=cancel, limits=Limits(seconds=3600)).stopped == "cancelled"
    assert waits == [False, True]  # the second: it was woken, and did not wait its 30 s


def test_the_failure_of_a_model_is_passed_on_with_the_attempts_made():
    logged: list[Run] = []
    model = Scripted([fills("W-99"), RateLimitedError("Slow down.", retry_after_s=7, details={"status": 429})])
    with pytest.raises(RateLimitedError, match="Slow down") as raised:
        go(model, log=logged.append)
    assert raised.value.retry_after_s == 7
    assert raised.value.details["status"] == 429
    assert [row["status"] for row in raised.value.details["history"]] == ["validation_failed"]
    assert [(run.stopped, run.final_verdict, run.problem) for run in logged] == [
        ("model_failed", "infra_error", "Slow down.")
    ]


def test_an_answer_that_broke_off_is_no_attempt():
    with pytest.raises(ProviderError) as raised:
        go([Breaks(honest(STOCK), ProviderError("The line is dead."))])
    assert raised.value.details["history"] == []


# it fails closed


def refusing(message: str) -> Any:
    def crash(artifact: Mapping[str, Any]) -> Judged:
        raise ValueError(message)

    return crash


def test_a_validator_that_crashes_refuses_and_the_model_is_not_asked_again():
    model = Scripted([honest(STOCK)], again=True)
    run = go(model, validate=refusing("no such column"))
    assert (run.stopped, run.final_verdict, run.artifact, len(model.asks)) == (
        "validator_failed",
        "infra_error",
        None,
        1,
    )
    assert "ValueError: no such column" in run.attempts[0].findings[0].message


def test_a_validator_that_says_that_it_crashed_is_not_asked_again():
    report = Judged((Complaint("validator_crashed", "The fill validator crashed."),))
    assert go(Scripted([honest(STOCK)], again=True), validate=lambda artifact: report).stopped == "validator_failed"


@pytest.mark.parametrize(
    "report",
    [
        None,
        type("Truthy", (), {"ok": "false", "findings": ()})(),
        type("Silent", (), {"ok": True, "findings": None})(),
        type("Torn", (), {"ok": True, "findings": (Complaint("phantom_id", "Nobody."),)})(),
        type("Mute", (), {"ok": False, "findings": ()})(),
        Judged((Complaint("phantom_id", 7),)),
        Judged((Complaint("phantom_id", "Nobody.", got=object()),)),
    ],
    ids=["none", "truthy", "no findings", "ok with errors", "refused without errors", "no text", "not JSON"],
)
def test_a_validator_that_does_not_clearly_say_yes_refuses(report):
    assert go([honest(STOCK)], validate=lambda artifact: report).stopped == "validator_failed"


def test_what_the_validator_passed_and_the_roster_does_not_know_is_refused():
    run = go([fills("W-99")], validate=lambda artifact: Judged(()))
    assert (run.stopped, run.artifact) == ("validator_failed", None)
    assert run.attempts[0].findings[0].code == "not_grounded"


@pytest.mark.parametrize("answer", [None, 1, "true"])
def test_a_roster_that_does_not_clearly_say_yes_refuses_a_fill(answer):
    assert go([honest(STOCK)], ground=lambda artifact: answer).stopped == "validator_failed"


def test_a_roster_that_crashes_refuses():
    run = go([honest(STOCK)], ground=refusing("no roster"))
    assert (run.stopped, run.artifact) == ("validator_failed", None)


def test_a_fill_needs_a_roster():
    with pytest.raises(InvalidError, match="roster"):
        go([honest(STOCK)], ground=None)


def test_an_email_needs_none_and_is_neither_grounded_nor_not():
    task = replace(TASK, kind="email")
    run = go(['{"to": "a@b.c", "body": "Hi"}'], task=task, ground=None, validate=lambda artifact: Judged(()))
    assert (run.accepted, run.grounded) == (True, None)


def test_a_validator_cannot_change_what_it_judges():
    def greedy(artifact: dict[str, Any]) -> Judged:
        report = judge(artifact)
        artifact["fills"].append({"candidate_id": "W-99"})
        return report

    assert proposed(go([honest(STOCK)], validate=greedy)) == ["W-0", "W-1", "W-2"]


def test_a_model_cannot_set_the_context_that_it_is_judged_by():
    seen: list[dict[str, Any]] = []

    def watching(artifact: dict[str, Any]) -> Judged:
        seen.append(artifact)
        return judge(artifact)

    run = go([honest(STOCK)[:-1] + ', "_context": {"target_count": 0}}'], validate=watching)
    assert "_context" not in seen[0]
    assert "_context" not in run.require()


# what cannot be asked


@pytest.mark.parametrize("change", [{"max_tokens": 0}, {"temperature": 3.0}, {"model": ""}])
def test_a_task_that_no_model_can_be_asked_is_refused_and_not_logged(change):
    logged: list[Run] = []
    with pytest.raises(InvalidError):
        go([honest(STOCK)], task=replace(TASK, **change), log=logged.append)
    assert logged == []


@pytest.mark.parametrize("limits", [{"max_iterations": 0}, {"max_iterations": 21}, {"tokens": 0}, {"seconds": 0.0}])
def test_limits_without_room_for_an_attempt_are_refused(limits):
    with pytest.raises(InvalidError):
        Limits(**limits)


# the history


def test_the_history_tells_each_attempt_and_what_changed():
    run = go([fills("W-0", "W-1", "W-99"), fills("W-2")])
    first, second = run.history
    assert list(first)[:3] == ["iteration", "raw", "status"]
    assert (first["iteration"], first["status"], first["diff"], first["kept"]) == (1, "validation_failed", [], 0)
    assert first["findings"][0]["code"] == "phantom_id"
    assert second["raw"] == fills("W-2")
    assert (second["status"], second["kept"]) == ("accepted", 2)
    assert second["diff"] == [
        {"path": "fills[2].candidate_id", "was": "W-99", "now": "W-2"},
        {"path": "fills[2].name", "was": "Pat", "now": "Ann 2"},
    ]


def test_the_history_keeps_no_more_of_an_answer_than_the_contract_says():
    run = go(["x" * 5000, honest(STOCK)])
    assert run.history[0]["raw"] == "x" * RAW_CHARS


def test_an_answer_that_was_cut_at_the_limit_is_told_so():
    model = Scripted([honest(STOCK)], again=True)
    run = go(model, task=replace(TASK, max_tokens=5))
    assert "cut off at the limit of tokens" in run.attempts[0].findings[0].message


def test_a_run_without_a_trace_gets_one():
    runs = [go([honest(STOCK)], task=replace(TASK, trace_id="")) for _ in range(2)]
    assert runs[0].task.trace_id != runs[1].task.trace_id != ""


# good items are kept


def test_only_the_bad_items_are_asked_for_again():
    model = Scripted([fills("W-0", "W-99", "W-2"), fills("W-1")])
    run = go(model)
    request = model.asks[1].messages[-1].content
    assert "do not send them again: W-0, W-2." in request
    assert "exactly 1 new item in place" in request
    assert proposed(run) == ["W-0", "W-1", "W-2"]


def test_a_short_list_is_filled_up():
    model = Scripted([fills("W-0"), fills("W-1", "W-2")])
    assert proposed(go(model)) == ["W-0", "W-1", "W-2"]
    assert "exactly 2 new items" in model.asks[1].messages[-1].content


def test_what_is_kept_outlives_an_answer_without_json():
    run = go([fills("W-0", "W-99", "W-2"), "Sorry?", fills("W-1")])
    assert proposed(run) == ["W-0", "W-1", "W-2"]


def test_an_error_that_no_item_is_to_blame_for_asks_for_all_of_it():
    model = Scripted(['{"people": []}', honest(STOCK)])
    assert go(model).accepted
    assert "the whole object" in model.asks[1].messages[-1].content


# what a rule changes, and what no model can mend


def masked(artifact: dict[str, Any]) -> Ruled:
    """Judges what was proposed, and gives back all names as dots."""
    covered = [{**fill, "name": "••"} if isinstance(fill, dict) else fill for fill in artifact.get("fills", [])]
    return Ruled(judge(artifact), {**artifact, "fills": covered})


def test_what_a_rule_masked_is_what_is_shown_kept_and_accepted():
    model = Scripted([fills("W-0", "W-1", "W-99"), fills("W-2")])
    run = go(model, validate=masked)
    assert "Ann 0" not in model.asks[1].messages[2].content
    assert not any("Ann 0" in row["raw"] for row in run.history), "nor in what is kept of the raw answer"
    assert [fill["name"] for fill in run.require()["fills"]] == ["••"] * 3
    assert [attempt.artifact["fills"][0]["name"] for attempt in run.attempts if attempt.artifact] == ["••"] * 2


@pytest.mark.parametrize("code", ["validator_crashed", "rule_crashed", "rule_blocked"])
def test_what_no_model_can_mend_ends_it_at_once(code):
    refusal = Judged((Complaint(code, "No.", "fills[0].candidate_id"),))
    run = go([honest(STOCK)] * 3, validate=lambda _artifact: refusal)
    assert (run.stopped, len(run.attempts)) == ("validator_failed", 1)


@pytest.mark.parametrize(
    ("error", "stopped"), [(KeyboardInterrupt(), "cancelled"), (ZeroDivisionError(), "model_failed")]
)
def test_whatever_breaks_a_run_its_line_is_written_first(error, stopped):
    lines: list[Run] = []

    def broken(_ask: Ask) -> str:
        raise error

    with pytest.raises(type(error)):
        go(Scripted(broken), log=lines.append)
    assert [(run.stopped, run.final_verdict, run.problem) for run in lines] == [
        (stopped, "infra_error", type(error).__name__)
    ]


# what else is told


def test_facts_are_told_and_the_context_is_not():
    model = Scripted([honest(STOCK)])
    go(model, task=replace(TASK, facts={"target_count": 3}, context={"blacklist": ["W-50"]}))
    said = model.asks[0].messages[1].content
    assert 'What is known: {"target_count": 3}' in said
    assert "W-50" not in said


def test_a_message_has_somebody_it_is_about_and_no_candidates():
    model = Scripted(['{"to": "x", "body": "y"}'])
    go(model, task=replace(TASK, kind="email"), validate=lambda _artifact: Judged(()))
    assert "Whom the message is about:" in model.asks[0].messages[1].content


def test_a_refusal_names_the_candidates_that_are_left():
    model = Scripted([fills("W-0", "W-1", "W-99"), fills("W-2")])
    go(model)
    left = [str(row["candidate_id"]) for row in TASK.candidates[2:]]
    assert model.asks[1].messages[-1].content.endswith(f"Candidates that you have not named yet: {', '.join(left)}.")


def test_an_accepted_run_tells_artifact_and_validation():
    told = go([honest(STOCK)]).to_dict()
    assert (told["artifact"]["fills"], told["validation"]["ok"]) == (STOCK.good[:3], True)
    refused = go([fills("W-99")] * 2).to_dict()
    assert "artifact" not in refused
    assert "validation" not in refused
