"""``%lhiterate`` in a real shell and a real kernel: the attempts as they come, the stop button, what is kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from shells import Kernel, Shell, kernel, shell

from kernel_ext import model_html
from kernel_ext.timeline import Timeline
from workbench.errors import InvalidError, ProviderError, RejectedError, WorkbenchError
from workbench.llm import local_chat_server as faults
from workbench.llm.attempts import Attempt, Complaint, Limits, Run, Task
from workbench.llm.changes import Change
from workbench.llm.local_chat_server import LocalChatServer
from workbench.session import Workbench

ORDER = "Need 2 forklift operators in Joliet, IL, from Monday."
PHANTOM = json.dumps({"fills": [{"candidate_id": "W-99812", "name": "Pat Nobody"}]})
HOSTILE = '<img src=x onerror="alert(1)"></li></ol><script>alert(2)</script> **b** \x1b[2J'
SLOW_S = 60


@pytest.fixture
def lake(copied: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lake of 2,000 workers of the test's own: a run of the loop writes its session into it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("LH_LAKE", copied.settings.lake)
    return Path(copied.settings.lake)


@pytest.fixture
def nb(lake: Path) -> Iterator[Shell]:
    with shell() as opened:
        opened.run("%load_ext kernel_ext")
        yield opened


def html(value: Any) -> str:
    return str(value._repr_html_())


def tags(text: str) -> set[str]:
    found: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.add(tag)

    Reader().feed(text)
    return found


def test_a_small_model_is_corrected_step_by_step(nb: Shell) -> None:
    ran = nb.run(f"%%lhiterate fill --model scripted/corrected --as run --today 2026-11-20\n{ORDER}")
    line = ran.value
    assert [a.status for a in line.run.attempts] == ["validation_failed", "validation_failed", "accepted"]
    assert line.accepted
    assert len(line.artifact["fills"]) == 2
    assert line.run.grounded is True
    assert nb.names["run"] is line
    assert nb.names["_lh"] is line
    for words in ("is not on the roster", "Accepted after 3 attempts", "role Forklift Operator", "→"):
        assert words in ran.text
    assert ran.text.count("1 ✗ refused") == 1, "a terminal sees each attempt once"
    assert nb.run("run").text.count("1 ✗ refused") == 1, "asked for again, all is shown again"


def test_the_page_has_every_attempt_its_changes_and_what_was_accepted(nb: Shell) -> None:
    line = nb.run(f"%%lhiterate fill --model scripted/corrected\n{ORDER}").value
    page = html(line)
    assert page.count('<li class="lh-bad"') == 2
    assert page.count('<li class="lh-good"') == 1
    assert page.count("<del>") == sum(len(a.diff) for a in line.run.attempts)
    assert all(fill["candidate_id"] in page for fill in line.artifact["fills"])
    assert line.report.verdict.artifact_sha256[:12] in page
    assert "the model may propose" in page


def test_the_attempts_are_a_table_for_sql_and_the_artifact_is_judged_again(nb: Shell) -> None:
    nb.run(f"%%lhiterate fill --model scripted/corrected --as run\n{ORDER}")
    got = nb.run("%lhsql --to df SELECT iteration, status, errors > 0 AS bad FROM run ORDER BY 1").value
    assert got.values.tolist() == [
        [1, "validation_failed", True],
        [2, "validation_failed", True],
        [3, "accepted", False],
    ]
    nb.names["order"] = {"target_count": 2, "role": "Forklift Operator", "city": "Joliet", "state": "IL"}
    assert nb.run("%lhvalidate fill run --context order").value.ok


def test_a_refusal_is_a_value_and_require_is_the_error(nb: Shell) -> None:
    ran = nb.run(f"%lhiterate fill --model scripted/stubborn --max-iterations 5 {ORDER}")
    assert ran.error is None
    assert ran.value.run.stopped == "repeated"
    assert ran.value.artifact is None
    assert "the same findings came twice" in ran.text
    with pytest.raises(RejectedError):
        ran.value.require()
    nb.names["run"] = ran.value
    assert isinstance(nb.run("%lhvalidate fill run").error, RejectedError)


def test_values_of_the_notebook_are_the_order_and_its_context(nb: Shell) -> None:
    nb.names.update(mail=ORDER, known={"target_count": 1})
    run = nb.run("%lhiterate fill {{mail}} --context known --model scripted/honest -k 5").value.run
    assert run.task.prompt == ORDER
    assert len(run.artifact["fills"]) == 1, "what the context says wins"
    assert len(run.task.candidates) == 5


def test_who_may_be_proposed_can_be_named(nb: Shell) -> None:
    found = nb.run(f"%lhiterate fill {ORDER} --model scripted/honest --candidate W-1 --candidate W-2").value.run
    assert [row["candidate_id"] for row in found.task.candidates] == ["W-1", "W-2"]


def test_calls_and_runs_can_be_asked_in_sql(nb: Shell) -> None:
    trace = nb.run(f"%%lhiterate fill --model scripted/corrected --trace-id mine\n{ORDER}").value.run.task.trace_id
    calls = nb.run("%lhsql --to df SELECT count(*) FROM llm_calls WHERE trace_id = 'mine' AND task = 'iterate:fill'")
    assert calls.value.iloc[0, 0] == 3
    history = {name: nb.run(f"%lhhistory --{name}").value for name in ("calls", "sessions", "access")}
    assert history["calls"].table.column("run").to_pylist() == ["mine"] * 3
    assert history["sessions"].table.column("verdict").to_pylist() == ["accepted"]
    assert history["access"].table.column("door").to_pylist() == ["notebook"], "names were given to a model"
    assert "exclude each other" in nb.run("%lhhistory --calls --access").text
    runs = nb.run("%lhsql --to df SELECT session_id, final_verdict, grounded_in_roster FROM iterate_sessions").value
    assert runs.values.tolist() == [[trace, "accepted", True]]


@pytest.mark.parametrize(("name", "words"), [("calls", "No call"), ("sessions", "No run"), ("access", "Nobody")])
def test_a_log_without_rows_says_so(nb: Shell, name: str, words: str) -> None:
    ran = nb.run(f"%lhhistory --{name}")
    assert ran.error is None
    assert words in ran.text
    assert words in html(ran.value)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("%%lhiterate fill", InvalidError, "There is no order."),
        ("%lhiterate", InvalidError, "KIND"),
        (f"%lhiterate fil {ORDER}", InvalidError, "Did you mean fill?"),
        (f"%lhiterate fill --max-iterations 99 {ORDER}", InvalidError, "max_iterations"),
        (f"%lhiterate fill --model scripted/corected {ORDER}", WorkbenchError, "corrected"),
        (f"%lhiterate fill --context nowhere {ORDER}", WorkbenchError, "nowhere"),
        ("%lhiterate fill --model scripted/honest hello", InvalidError, "no order"),
        ("%lhiterate fill --model ollama/none --as workers x", InvalidError, "dataset of the lake"),
    ],
)
def test_what_cannot_be_tried_is_told_in_few_lines(nb: Shell, code: str, error: type, words: str) -> None:
    ran = nb.run(code)
    assert isinstance(ran.error, error)
    assert words in ran.text
    assert "Traceback" not in ran.text


# -- what a model says is text ----------------------------------------------------------------------------------------


def ended(raw: str, message: str, was: Any, now: Any, artifact: dict[str, Any] | None = None) -> Timeline:
    """A run of one attempt that says these things."""
    found = (Complaint("no_json", message, path=message, got=raw, nearest_valid=(message, "W-1")),)
    attempt = Attempt(1, raw, "validation_failed", found, (Change(message, was, now),), artifact, model=raw)
    task = Task("fill", raw, raw, candidates=({"candidate_id": raw},), facts={raw: raw}, trace_id=raw)
    return Timeline(Run(task, Limits(), (attempt,), "model_failed", 0.1, artifact, problem=raw), notes=(raw,))


def test_a_hostile_model_writes_no_html() -> None:
    line = ended(HOSTILE, HOSTILE, HOSTILE, {HOSTILE: [HOSTILE]}, {HOSTILE: HOSTILE, "fills": [{HOSTILE: HOSTILE}]})
    plain = ended("a", "a", "a", {"a": ["a"]}, {"a": "a", "fills": [{"a": "a"}]})
    assert tags(html(line)) == tags(html(plain))
    assert 'onerror="' not in html(line)
    assert "\x1b" not in html(line) + repr(line)


def test_personal_data_is_covered_wherever_it_stands() -> None:
    said = "SSN 219-09-9999, phone 312-555-0147"
    line = ended(said, said, said, {"x": [said]}, {"body": said, "fills": [{"note": said}]})
    for shown in (html(line), repr(line), str(line.table.to_pylist())):
        assert "219-09-9999" not in shown
        assert "555-0147" not in shown
    assert line.artifact == {"body": said, "fills": [{"note": said}]}, "what was judged stays as it is"


def test_values_that_would_pass_stand_out_in_the_message() -> None:
    found = Complaint(
        "phantom_id", "W-9 is not there; nearest: W-1 Ann, W-12 Bo.", nearest_valid=("W-1", "W-12", "W-7")
    )
    page = model_html.findings([found])
    assert "<code>W-1</code> Ann, <code>W-12</code> Bo" in page
    assert "nearest valid <code>W-7</code>" in page, "what the message does not say stands below it"


def test_a_long_diff_is_counted() -> None:
    page = model_html.changes([Change(f"a[{n}]", n, n + 1) for n in range(40)])
    assert page.count("<del>") == model_html.CHANGES
    assert "and 28 more" in page


# -- in a kernel ------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[LocalChatServer]:
    with LocalChatServer(lambda _: PHANTOM, models=["demo"]) as running:
        yield running


@pytest.fixture
def running(lake: Path, server: LocalChatServer, tmp_path: Path) -> Iterator[Kernel]:
    environ = {"LH_OLLAMA_URL": server.url, "LH_CHAT_MODEL": "ollama/demo"}
    with kernel(tmp_path, **environ) as opened:
        opened.run("%load_ext kernel_ext")
        yield opened


def drawn(cell: Any) -> list[str]:
    kinds = {"display_data", "update_display_data", "execute_result"}
    return [
        page
        for m in cell.outputs
        if m["msg_type"] in kinds and "lh-model" in (page := m["content"]["data"].get("text/html", ""))
    ]


def test_the_stop_button_ends_a_run_which_keeps_what_came(running: Kernel, server: LocalChatServer) -> None:
    held = threading.Event()
    server.faults.extend([lambda served: served, faults.slow(held, limit_s=SLOW_S)])
    cell = running.run(f"%%lhiterate fill --as run\n{ORDER}", stop_at="attempt 2 of at most 3")
    held.set()
    assert cell.status == "ok"
    assert cell.stopped_s < 5
    assert "it was cancelled" in cell.text
    said = running.run("run.run.stopped, len(run.run.attempts), run.artifact").text
    assert said == "('cancelled', 1, None)"


def test_a_page_sees_the_attempts_grow_and_then_the_timeline_alone(running: Kernel) -> None:
    cell = running.run(f"%%lhiterate fill --model scripted/corrected\n{ORDER}")
    pages = drawn(cell)
    assert [page.count('<li class="lh-bad"') for page in pages[:3]] == [0, 1, 2]
    assert "the model is asked" in pages[1]
    updates = [m["content"]["data"] for m in cell.outputs if m["msg_type"] == "update_display_data"]
    assert {} in updates, "the place is empty again"
    assert cell.outputs[-1]["msg_type"] == "execute_result"


def test_a_server_that_fails_is_an_error_and_the_attempts_stay_to_be_seen(
    running: Kernel, server: LocalChatServer
) -> None:
    server.faults.extend([lambda served: served, *[faults.refuse(500)] * 9])
    cell = running.run(f"%%lhiterate fill --as run\n{ORDER}")
    assert cell.status == "error"
    assert cell.error["ename"] == ProviderError.__name__
    assert "W-99812" in drawn(cell)[-1]
    assert running.run("'run' in globals()").text == "False"


def test_papermill_keeps_the_timeline_and_nothing_else(running: Kernel) -> None:
    cell = running.run(f"%%lhiterate fill --model scripted/corrected\n{ORDER}", cell_id=None)
    assert [m["msg_type"] for m in cell.outputs] == ["execute_result"]
