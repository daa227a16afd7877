"""JupyterLab driven as an analyst drives it: type, see, complete, stop, plot, search."""

from __future__ import annotations

import re
import time
from pathlib import Path

from lab_page import LabPage

BY_ROLE = (
    "SELECT role, count(*) AS n, round(avg(reliability), 2) AS reliability FROM workers GROUP BY ALL ORDER BY n DESC"
)
# 2,000 workers four times over: no machine of ours gets to the end of it
ENDLESS = (
    "SELECT count(*) FROM workers a, workers b, workers c, workers d "
    "WHERE a.availability + b.availability + c.availability + d.availability > 3.99"
)
STOPPED_WITHIN_S = 5  # of a click in a browser on a busy machine; the magic itself is timed in tests/kernel


def test_a_query_typed_into_a_cell_shows_its_table(notebook: LabPage) -> None:
    cell = notebook.run(f"%%lhsql\n{BY_ROLE} LIMIT 8")
    table = cell.locator(".jp-OutputArea-output table")
    assert table.locator("thead th").all_inner_texts()[-3:] == ["role", "n", "reliability"]
    assert table.locator("tbody tr").count() == 8
    said = notebook.output(cell)
    assert said.count("Forklift Operator") == 1  # the plain text that is kept beside the table is not shown
    assert "8 rows × 3 columns" in said
    assert "workers@1" in said
    notebook.shot("table", cell)


def test_a_page_of_a_long_answer_says_how_many_there_are(notebook: LabPage) -> None:
    cell = notebook.run("%lhsql SELECT * FROM workers")
    said = notebook.output(cell)
    assert "100 of 2,000 rows × 18 columns" in said
    assert "masked: name, email, phone (--show-pii)" in said
    assert "•" in cell.locator(".jp-OutputArea-output tbody tr").first.inner_text()
    notebook.shot("page", cell)


def test_a_wrong_column_is_told_in_a_few_lines(notebook: LabPage) -> None:
    cell = notebook.run("%%lhsql\nSELECT rolle, count(*) FROM workers GROUP BY 1")
    said = notebook.output(cell)
    assert '"rolle"' in said
    assert "role" in said
    assert "Traceback" not in said
    assert len(said.splitlines()) <= 8
    notebook.shot("error", cell)


def test_tab_completes_a_column_and_offers_values(notebook: LabPage) -> None:
    notebook.write("%%lhsql\nSELECT w.role FROM workers AS w WHERE w.availab")
    notebook.complete("availability")
    notebook.shot("completion")
    notebook.page.keyboard.press("Enter")
    typed = notebook.cells().last.locator(".cm-content")
    assert typed.inner_text().endswith("w.availability")
    notebook.page.keyboard.insert_text(" > 0.5 AND w.state = 'I")
    notebook.complete("'IL'")
    notebook.complete("'IN'").click()
    assert typed.inner_text().endswith("w.state = 'IN'")


def test_the_stop_button_ends_a_query_and_the_kernel_lives(notebook: LabPage) -> None:
    notebook.run("kept = 'still here'")
    cell = notebook.start(f"%%lhsql\n{ENDLESS}")
    cell.locator(".jp-OutputArea-output").first.wait_for()  # the bar: it runs
    notebook.shot("progress", cell)
    clicked = time.monotonic()
    notebook.page.locator(".jp-NotebookPanel:visible [data-jp-item-name='interrupt'] button").click()
    notebook.done(cell)
    assert time.monotonic() - clicked < STOPPED_WITHIN_S
    assert "Stopped after" in notebook.output(cell)
    assert "Traceback" not in notebook.output(cell)
    assert notebook.output(notebook.run("kept")) == "'still here'"
    notebook.shot("stopped", cell)


def test_a_chart_is_drawn(notebook: LabPage) -> None:
    cell = notebook.run(f"%%lhsql --plot bar role n\n{BY_ROLE}")
    cell.locator(".bk-Figure canvas, .bk-Canvas canvas").first.wait_for()
    notebook.shot("plot", cell)


def test_a_search_opens_its_reasons(notebook: LabPage) -> None:
    cell = notebook.run('%lhsearch "drives a reach truck, no nights, near:Joliet,50mi" -k 5 --as drivers')
    why = cell.locator("details").first
    why.locator("summary").click()
    assert "reach" in why.inner_text()
    assert "2,000 workers →" in notebook.output(cell)
    notebook.shot("search", cell)
    joined = notebook.run("%lhsql SELECT count(*) AS n, max(score) AS best FROM drivers")
    assert "1 row × 2 columns" in notebook.output(joined)


def test_the_search_is_refined_with_the_mouse(notebook: LabPage) -> None:
    cell = notebook.run('%lhsearch "order picker" -k 5 --refine')
    cell.locator(".jupyter-widgets input").first.wait_for()
    cell.get_by_text("%lhsearch", exact=False).last.wait_for()
    notebook.shot("refine", cell)


def test_lh_says_where_we_are(notebook: LabPage, browser_lake: Path) -> None:
    cell = notebook.run("%lh")
    said = notebook.output(cell)
    assert str(browser_lake) in said
    assert re.search(r"workers\s+1\s+2,?000", said)
    notebook.shot("lh", cell)
