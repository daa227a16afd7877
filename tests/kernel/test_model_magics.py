"""``%%lhchat`` and ``%lhvalidate`` in a real shell and a real kernel, over a real lake and a server on this machine."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.completer import provisionalcompleter
from shells import Kernel, Shell, kernel, shell

from kernel_ext import filled, model_html
from kernel_ext.covered import cover
from kernel_ext.live import settled
from kernel_ext.reply import Reply
from kernel_ext.verdict import Judged
from workbench.errors import InvalidError, NotFoundError, ProviderError, WorkbenchError
from workbench.llm import local_chat_server as faults
from workbench.llm.chat import Ask, Completion, Message, Usage
from workbench.llm.local_chat_server import LocalChatServer
from workbench.session import Workbench

HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script> **bold** $x^2$ <!-- ]]> &lt; \x1b[2J\u202e'
PHONE = "call 312-555-0147 now"
SLOW_S = 60


@pytest.fixture
def server() -> Iterator[LocalChatServer]:
    """A chat server that says what it is asked."""
    with LocalChatServer(lambda messages: messages[-1]["content"], models=["demo"]) as running:
        yield running


@pytest.fixture
def nb(staffed: Workbench, server: LocalChatServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A shell on a lake of 2,000 workers; its model is the server above."""
    monkeypatch.setenv("LH_LAKE", staffed.settings.lake)
    monkeypatch.setenv("LH_OLLAMA_URL", server.url)
    monkeypatch.setenv("LH_CHAT_MODEL", "ollama/demo")
    with shell() as opened:
        opened.run("%load_ext kernel_ext")
        yield opened


@pytest.fixture
def people(staffed: Workbench) -> list[dict[str, Any]]:
    """Two workers who fit the order below."""
    sql = "SELECT worker_id, name FROM workers WHERE role = $r AND city = $c ORDER BY 1 LIMIT 2"
    found = staffed.sql(sql, {"r": ORDER["role"], "c": ORDER["city"]}, show_pii=True).table.to_pylist()
    return [{"candidate_id": f"W-{row['worker_id']}", "name": row["name"]} for row in found]


ORDER = {"target_count": 2, "role": "Forklift Operator", "city": "Joliet", "state": "IL"}


class Tags(HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.said = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.said += data


def html(value: Any) -> str:
    return str(value._repr_html_())


# -- chat -------------------------------------------------------------------------------------------------------------


def test_the_cell_is_the_prompt_and_the_answer_is_its_value(nb: Shell, server: LocalChatServer) -> None:
    ran = nb.run("%%lhchat --system 'Be short.' --temperature 0.7 --max-tokens 50\nWho drives\na reach truck?")
    assert ran.value.text == "Who drives\na reach truck?"
    assert [m["content"] for m in server.requests[0]["messages"]] == ["Be short.", "Who drives\na reach truck?"]
    assert server.requests[0]["options"] == {"num_predict": 50, "temperature": 0.7}
    assert "ollama/demo · 7 + 5 tokens" in ran.value.line


def test_a_terminal_sees_the_answer_come_once(nb: Shell) -> None:
    said = nb.run("%lhchat one two three").text
    assert said.count("one two three") == 1
    assert "3 + 3 tokens" in said
    assert nb.run("%lhchat --as kept one two three").error is None
    assert nb.run("kept").text.count("one two three") == 1, "asked for again, it is shown again"


def test_an_answer_is_kept_under_its_name_and_as_the_last(nb: Shell) -> None:
    nb.run("%lhchat --as greeting hello")
    assert nb.names["greeting"].text == "hello"
    assert nb.names["_lh"] is nb.names["greeting"]


def test_a_name_that_cannot_be_kept_is_refused_before_anything_is_asked(nb: Shell, server: LocalChatServer) -> None:
    assert isinstance(nb.run("%lhchat --as workers hello").error, InvalidError)
    assert server.requests == []


def test_values_of_the_notebook_stand_in_the_prompt(nb: Shell) -> None:
    nb.names.update(city="Joliet", n=3, papers=["OSHA-30", "CDL A"])
    ran = nb.run('%%lhchat\n{{n}} people in {{ city }} with {{papers}}; keep {{"a": 1}} and {{n + 1}}')
    assert ran.value.text == '3 people in Joliet with ["OSHA-30", "CDL A"]; keep {{"a": 1}} and {{n + 1}}'


def test_rows_of_a_result_are_a_line_of_json_each_and_masked(nb: Shell) -> None:
    nb.run("%lhsql --as found SELECT worker_id, name, phone FROM workers ORDER BY 1 LIMIT 2")
    lines = nb.run("%%lhchat\n{{found}}").value.text.splitlines()
    assert [json.loads(line)["worker_id"] for line in lines] == [1, 2]
    assert "•" in json.loads(lines[0])["name"]


def test_a_long_table_is_cut_and_said(nb: Shell) -> None:
    nb.run("import pandas as pd\nmany = pd.DataFrame({'x': range(200)})")
    reply = nb.run("%%lhchat --max-tokens 10000\n{{many}}").value
    assert len(reply.text.splitlines()) == filled.ROWS
    assert reply.notes == ("{{many}}: the first 50 of 200 rows are in the prompt",)
    assert "first 50 of 200" in html(reply)


@pytest.mark.parametrize(
    ("code", "error", "words"),
    [
        ("%%lhchat", InvalidError, "There is no prompt."),
        ("%%lhchat\n{{cty}}", NotFoundError, "Did you mean city?"),
        ("%%lhchat\n{{shape}}", InvalidError, "no text stands for that"),
        ("%%lhchat\n{{nothing}}", InvalidError, "no text stands for that"),
        ("%lhchat --model ollama/none hi", NotFoundError, "none"),
        ("%lhchat --modl x hi", InvalidError, "Did you mean --model?"),
        ("%lhchat --temperature 9 hi", InvalidError, "temperature"),
    ],
)
def test_what_cannot_be_asked_is_told_in_few_lines(nb: Shell, code: str, error: type, words: str) -> None:
    nb.names.update(city="Joliet", shape=object(), nothing=None)
    ran = nb.run(code)
    assert isinstance(ran.error, error)
    assert words in ran.text
    assert "Traceback" not in ran.text


def test_json_is_asked_for_and_read(nb: Shell, server: LocalChatServer) -> None:
    reply = nb.run('%%lhchat --json\n{"role": "Welder", "n": 2}').value
    assert server.requests[0]["format"] == "json"
    assert reply.data == {"role": "Welder", "n": 2}
    assert "Welder" in Tags(html(reply)).said
    with pytest.raises(InvalidError):
        _ = nb.run("%lhchat no json here").value.data


def test_an_answer_that_is_cut_off_says_so(nb: Shell) -> None:
    reply = nb.run("%lhchat --max-tokens 2 one two three four").value
    assert reply.text.split() == ["one", "two"]
    assert "--max-tokens" in html(reply)
    assert "cut off" in repr(reply)


def test_a_stream_that_breaks_off_is_an_error_and_gives_no_answer(nb: Shell, server: LocalChatServer) -> None:
    server.faults.append(faults.cut(3))
    ran = nb.run("%lhchat --as broken one two three four five")
    assert isinstance(ran.error, ProviderError)
    assert "broken" not in nb.names


def test_personal_data_is_covered_when_shown_and_whole_in_the_object(nb: Shell) -> None:
    ran = nb.run(f"%lhchat {PHONE}")
    assert "0147" not in ran.text
    assert "0147" not in html(ran.value) + repr(ran.value)
    assert "--show-pii" in html(ran.value)
    assert ran.value.text == PHONE
    assert "0147" in html(nb.run(f"%lhchat --show-pii {PHONE}").value)


def test_an_answer_is_never_html_nor_markdown(nb: Shell) -> None:
    nb.names["hostile"] = HOSTILE
    reply = nb.run("%%lhchat\n{{hostile}}").value
    page = Tags(html(reply))
    assert page.tags <= {"div", "style"}
    assert page.attributes <= {"class"}
    assert "onerror" in page.said
    assert not {"\x1b", "\u202e"} & set(html(reply) + repr(reply))
    assert not [
        name for name in dir(Reply) if name.startswith("_repr_") and name not in {"_repr_html_", "_repr_pretty_"}
    ]


@given(st.text())
def test_no_text_becomes_a_tag(text: str) -> None:
    page = Tags(model_html.framed(f"<p>{model_html.safe(text)}</p>"))
    assert page.tags == {"div", "style", "p"}


@given(st.text(alphabet="0123456789-.() ab\n", max_size=300))
def test_what_may_go_on_is_held_back(text: str) -> None:
    shown = settled(text)
    assert text.startswith(shown)
    assert not settled(f"{text} 312-555-01").rstrip().endswith(("312", "-01"))


def test_a_phone_is_never_shown_in_part() -> None:
    whole = "Reach me at (312) 555-0147 ext 9 or never. "
    hide = cover(show_pii=False)
    for end in range(len(whole)):
        assert "555" not in hide(settled(whole[:end]))


def test_a_chat_on_an_answer_of_another_model(nb: Shell) -> None:
    nb.run("%lhchat --as first tell me")
    assert nb.run("%%lhchat\nShorter: {{first}}").value.text == "Shorter: tell me"


def test_cost_and_placeholders_are_said_where_there_are_any() -> None:
    asked = Ask("openrouter/x", (Message("user", "x"),))
    done = Completion("x", "x", "openrouter", Usage(10, 20, 0.00123), "stop", 2.0, pseudonymised=3)
    line = Reply(done, asked).line
    assert line == "openrouter/x · 10 + 20 tokens · $0.0012 · 2.0 s · 3 personal values went as placeholders"
    assert "$" not in Reply(Completion("x", "x", "ollama", Usage(10, 20), "stop", 2.0), asked).line


def test_a_fallback_is_said() -> None:
    done = Completion("x", "k2", "kimi", Usage(), "stop", 0.1, failed=("ollama/qwen3: does not answer",))
    reply = Reply(done, Ask("ollama/qwen3", (Message("user", "x"),)))
    assert "asked before it: ollama/qwen3: does not answer" in html(reply)


# -- in a kernel ------------------------------------------------------------------------------------------------------


@pytest.fixture
def running(staffed: Workbench, server: LocalChatServer, tmp_path: Path) -> Iterator[Kernel]:
    environ = {"LH_LAKE": staffed.settings.lake, "LH_OLLAMA_URL": server.url, "LH_CHAT_MODEL": "ollama/demo"}
    with kernel(tmp_path, **environ) as opened:
        opened.run("%load_ext kernel_ext")
        yield opened


def test_the_stop_button_breaks_off_an_answer_and_the_kernel_lives(running: Kernel, server: LocalChatServer) -> None:
    held = threading.Event()
    server.faults.append(faults.slow(held, after=3, limit_s=SLOW_S))
    cell = running.run("%%lhchat --as never\none two three four five", stop_at="lh-open")
    held.set()
    assert cell.status == "error"
    assert "Stopped after" in cell.text
    assert cell.stopped_s < 5
    assert "Traceback" not in cell.text
    shown = [m["content"]["data"]["text/html"] for m in cell.outputs if "text/html" in m["content"].get("data", {})]
    assert "this is no answer" in shown[-1], "what came stays to be seen"
    assert running.run("'never' in globals()").text == "False"


def test_a_page_sees_the_answer_grow_and_then_the_answer_alone(running: Kernel, server: LocalChatServer) -> None:
    held = threading.Event()
    server.faults.append(faults.slow(held, after=3, limit_s=0.5))
    cell = running.run("%%lhchat\none two three four five")
    drawn = [m for m in cell.outputs if m["msg_type"] in {"display_data", "update_display_data"}]
    last = drawn[-1]["content"]["data"]
    assert [m["msg_type"] for m in drawn].count("display_data") >= 1
    assert last == {}, "the place is empty again"
    assert "lh-open" in drawn[0]["content"]["data"]["text/html"]
    result = next(m for m in cell.outputs if m["msg_type"] == "execute_result")
    assert "one two three four five" in result["content"]["data"]["text/html"]


def test_papermill_keeps_the_answer_and_nothing_else(running: Kernel) -> None:
    cell = running.run("%%lhchat\none two", cell_id=None)
    assert [m["msg_type"] for m in cell.outputs] == ["execute_result"]


# -- validate ---------------------------------------------------------------------------------------------------------


def test_a_variable_is_judged_as_python_judges_it(nb: Shell, staffed: Workbench, people: list[dict[str, Any]]) -> None:
    nb.names.update(proposal={"fills": people}, order=ORDER)
    judged = nb.run("%lhvalidate fill proposal --context order --today 2026-11-22").value
    told = staffed.validate("fill", {"fills": people}, ORDER, today=judged.report.verdict.judged_on)
    assert judged.report == told
    assert (judged.ok, judged.allows) == (True, True)
    assert judged.report.verdict.artifact_sha256[:12] in html(judged)
    judged.artifact["fills"][0]["name"] = "Somebody Else"
    assert not judged.allows, "an edit voids the verdict"


def test_a_refusal_names_what_would_pass_and_is_no_exception(nb: Shell, people: list[dict[str, Any]]) -> None:
    nb.names["order"] = ORDER
    nb.names["one"] = people[0]
    ran = nb.run('%%lhvalidate fill --context order\n{"fills": [{{one}}, {"candidate_id": "W-99812", "name": "P"}]}')
    judged = ran.value
    assert ran.error is None
    assert not judged.ok
    assert "✗ fill refused: 1 error" in ran.text
    assert "W-99812 is not on the roster" in ran.text
    assert '{"Consistency": {"reason": "W-99812' in ran.text
    near = judged.report.findings[0].nearest_valid
    assert near
    assert [one for one in near if one not in Tags(html(judged)).said] == []


def test_the_findings_are_a_table_for_sql(nb: Shell) -> None:
    nb.names["order"] = ORDER
    nb.run('%%lhvalidate fill --as verdict --context order\n{"fills": []}')
    got = nb.run("%lhsql --to df SELECT layer, code FROM verdict WHERE severity = 'error'").value
    assert ["Completeness", "count_mismatch"] in got.values.tolist()


def test_json_in_the_cell_takes_values_inside_and_outside_of_strings(nb: Shell) -> None:
    nb.names.update(to='O"Hare\n', ids=[1, None], who="Ann")
    nb.run('%%lhvalidate email --as v\n{"to": "x {{to}}", "body": {{to}}, "ids": {{ids}}, "kind": "{{who}} {{{{who}}"}')
    assert nb.names["v"].artifact == {"to": 'x O"Hare\n', "body": 'O"Hare\n', "ids": [1, None], "kind": "Ann {{Ann"}


def test_a_file_and_an_answer_can_be_judged(nb: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mail.json").write_text('{"to": "a@b.co", "subject": "s", "body": "b", "kind": "email"}')
    assert nb.run("%lhvalidate email mail.json").value.ok
    nb.run(
        '%%lhchat --as drafted\nHere it is: {"to": "a@b.co", "subject": "s", "body": "$25 an hour", "kind": "email"}'
    )
    judged = nb.run("%lhvalidate email drafted").value
    assert [f.code for f in judged.report.findings if f.severity == "error"] == ["pay_rate"]


def test_a_leaked_number_is_not_shown_again(nb: Shell) -> None:
    nb.names["mail"] = {"to": "a@b.co", "subject": "s", "body": "SSN 219-09-9999, call 312-555-0147", "kind": "email"}
    ran = nb.run("%lhvalidate email mail --as v")
    assert not ran.value.ok
    assert "219-09-9999" not in ran.text + html(ran.value) + repr(ran.value) + str(nb.names["v"].table.to_pylist())


def test_a_hostile_proposal_stays_text(nb: Shell) -> None:
    nb.names.update(bad={"fills": [{"candidate_id": HOSTILE, "name": HOSTILE, HOSTILE: 1}]}, order=ORDER)
    judged = nb.run("%lhvalidate fill bad --context order").value
    page = Tags(html(judged))
    assert not page.tags & {"img", "script", "b<"}
    assert "onerror" not in page.attributes
    assert "\x1b" not in html(judged) + repr(judged)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("%lhvalidate fil proposal", "Did you mean fill?"),
        ("%lhvalidate fill propsal", "Did you mean proposal?"),
        ("%%lhvalidate fill", "There is nothing to judge."),
        ("%%lhvalidate fill\n{'a': 1}", "The cell is not JSON"),
        ("%%lhvalidate fill proposal\n{}", "One of them."),
        ("%lhvalidate fill proposal --context odrer", "Did you mean order?"),
        ("%lhvalidate fill proposal --today monday", "--today 2026-11-22"),
        ("%lhvalidate fill words", "words is not JSON"),
        ("%lhvalidate", "KIND"),
    ],
)
def test_what_cannot_be_judged_is_told_in_few_lines(nb: Shell, code: str, words: str) -> None:
    nb.names.update(proposal={"fills": []}, order=ORDER, words="no json")
    ran = nb.run(code)
    assert isinstance(ran.error, WorkbenchError)
    assert words in ran.text
    assert len(ran.text.splitlines()) <= 6


def test_a_report_can_be_judged_again(nb: Shell) -> None:
    nb.names["order"] = ORDER
    first = nb.run('%%lhvalidate fill --as v --context order\n{"fills": []}').value
    assert nb.run("%lhvalidate fill v --context order").value.report == first.report
    assert isinstance(first, Judged)


def test_a_look_at_personal_data_is_noted(copied: Workbench, server: LocalChatServer, tmp_path: Path) -> None:
    environ = {
        "LH_LAKE": copied.settings.lake,
        "LH_OLLAMA_URL": server.url,
        "LH_CHAT_MODEL": "ollama/demo",
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        with shell() as nb:
            nb.run("%load_ext kernel_ext")
            nb.run(f"%lhchat {PHONE}")
            nb.run(f"%lhchat --show-pii {PHONE}")
            nb.run("%%lhvalidate playbook --show-pii\n{}")
            noted = nb.run("%lhsql --to df SELECT what, door FROM pii_access ORDER BY what").value
    assert noted.values.tolist() == [["chat", "notebook"], ["validate", "notebook"]]


# -- at the keyboard --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("%lhvalidate em", ["email"]),
        ("%lhiterate ", ["fill", "email", "playbook"]),
        ("%lhvalidate fill propo", ["proposal"]),
        ("%lhvalidate fill --context ord", ["order"]),
        ("%%lhiterate fill --max-i", ["--max-iterations"]),
        ("%%lhchat --tem", ["--temperature"]),
    ],
)
def test_tab_knows_kinds_variables_and_options(nb: Shell, typed: str, expected: list[str]) -> None:
    nb.names.update(proposal={}, order={})
    with provisionalcompleter():
        found = [one.text for one in nb.ipython.Completer.completions(typed, len(typed))]
    assert found == expected


def test_the_words_of_a_prompt_may_stand_around_the_options(nb: Shell, server: LocalChatServer) -> None:
    nb.run("%lhchat one --temperature 0 two 'three  four'")
    assert server.requests[-1]["messages"][-1]["content"] == "one two three  four"


def test_a_hint_names_the_magic(nb: Shell) -> None:
    from kernel_ext.hints import as_magics

    assert as_magics("lh chat - and lh validate fill FILE") == "%lhchat - and %lhvalidate fill FILE"
