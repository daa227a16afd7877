"""Models and validators in JupyterLab: an answer that comes word by word, a verdict, the timeline of attempts."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_page import LabPage
from lab_server import LabServer

from workbench.llm import local_chat_server as faults
from workbench.llm.local_chat_server import LocalChatServer

ANSWER = (
    "Three people fit the order best.\n\n"
    "1. Oliver Ho has driven reach trucks for six years and lives in Joliet.\n"
    "2. Vijay Singh holds OSHA-30 and works nights.\n"
    "3. Sasha Sanders is free from Monday; call 312-555-0147.\n\n"
    "<b>Nothing</b> of this is **HTML** or Markdown: <script>document.title = 'taken'</script>"
)
SLOW_S = 60
MANUAL_MS = 120_000
ROOT = Path(__file__).parents[2]
ORDER = "Need 3 forklift operators in Joliet, IL, from Monday."


@pytest.fixture(scope="module")
def server() -> Iterator[LocalChatServer]:
    """A server of Ollama's protocol that always gives the same answer."""
    with LocalChatServer(lambda _: ANSWER, models=["demo"]) as running:
        yield running


@pytest.fixture
def asking(notebook: LabPage, server: LocalChatServer) -> LabPage:
    """The notebook, its models those of the server."""
    names = {"LH_OLLAMA_URL": server.url, "LH_CHAT_MODEL": "ollama/demo"}
    notebook.run(f"import os, kernel_ext\nos.environ |= {names}\nkernel_ext.opened().close()")
    return notebook


def test_an_answer_is_text_and_its_phone_is_covered(asking: LabPage) -> None:
    cell = asking.run("%%lhchat --as answer\nWho should I send to Joliet?")
    said = asking.output(cell)
    assert "reach trucks for six years" in said
    assert "<b>Nothing</b> of this is **HTML**" in said
    assert "0147" not in said
    assert asking.page.title() != "taken"
    assert cell.locator(".lh-reply b, .lh-reply strong, .lh-reply script").count() == 0
    asking.shot("chat", cell)


def test_an_answer_grows_until_it_is_stopped(asking: LabPage, server: LocalChatServer) -> None:
    held = threading.Event()
    server.faults.append(faults.slow(held, after=30, limit_s=SLOW_S))
    cell = asking.start("%%lhchat\nAnd who else?")
    cell.locator(".lh-open").filter(has_text="OSHA-30").wait_for()
    asking.shot("chat-growing", cell)
    asking.page.locator(".jp-NotebookPanel:visible [data-jp-item-name='interrupt'] button").click()
    asking.done(cell)
    held.set()
    said = asking.output(cell)
    assert "Stopped after" in said
    assert "this is no answer" in said
    assert "Traceback" not in said
    asking.shot("chat-stopped", cell)


def test_a_verdict_names_what_would_pass(asking: LabPage) -> None:
    asking.run('order = {"target_count": 2, "role": "Forklift Operator", "city": "Joliet", "state": "IL"}')
    cell = asking.run(
        '%%lhvalidate fill --context order\n{"fills": [{"candidate_id": "W-99812", "name": "Pat <b>Nobody</b>"},\n'
        '           {"candidate_id": "W-1", "name": "Somebody Else"},\n'
        '           {"candidate_id": "W-1", "name": "Twice"}]}'
    )
    said = asking.output(cell)
    assert "fill refused" in said
    assert cell.locator(".lh-findings p code").filter(has_text="W-").count() >= 3
    assert "workers@1" in said
    cell.locator("details summary").first.click()
    asking.shot("verdict", cell)


def test_a_passed_verdict(asking: LabPage) -> None:
    asking.run(
        'mail = {"to": "ops@example.com", "subject": "Two operators", "body": "They are ready.", "kind": "email"}'
    )
    cell = asking.run("%lhvalidate email mail")
    assert "email passed" in asking.output(cell)
    asking.shot("verdict-passed", cell)


def test_the_timeline_shows_what_changed_and_what_was_accepted(asking: LabPage) -> None:
    cell = asking.run(f"%%lhiterate fill --model scripted/corrected --as run\n{ORDER}")
    said = asking.output(cell)
    assert [f"Attempt {n} {end}" in said for n, end in ((1, "refused"), (2, "refused"), (3, "accepted"))] == [True] * 3
    assert "Accepted after 3 attempts" in said
    assert cell.locator(".lh-change ins").count() >= 2
    assert cell.locator(".jp-OutputArea-output:visible").filter(has_text="Accepted").count() == 1
    asking.shot("timeline", cell)
    asking.shot("timeline-end", cell.locator(".lh-steps > li").nth(2))


def test_the_manual_runs_in_lab(
    open_page: Callable[[LabServer], LabPage], lab_server: LabServer, browser_lake: Path, tmp_path: Path
) -> None:
    """On a lake of its own: the loop notes its runs in it."""
    shutil.copytree(browser_lake, tmp_path / "lake")
    text = (ROOT / "notebooks" / "validate_and_iterate.ipynb").read_text(encoding="utf-8")
    set_lake = text.replace('lake = \\"\\"', f'lake = \\"{tmp_path / "lake"}\\"')
    assert set_lake != text
    (lab_server.folder / "manual.ipynb").write_text(set_lake, encoding="utf-8")
    lab = open_page(lab_server)
    lab.open("manual.ipynb")
    lab.run_all(timeout_ms=MANUAL_MS)
    for name, words in (
        ("manual-refused", "fill refused"),
        ("manual-passed", "fill passed"),
        ("manual-loop", "Accepted"),
    ):
        lab.shot(name, lab.cells().filter(has_text=words).first)
    assert lab.failures == []


def test_a_run_that_is_refused(asking: LabPage) -> None:
    cell = asking.run(f"%%lhiterate fill --model scripted/stubborn\n{ORDER}")
    assert "the same findings came twice" in asking.output(cell)
    cell.locator("details summary").last.click()
    asking.shot("timeline-refused", cell)
