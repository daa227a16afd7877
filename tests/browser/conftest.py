"""A real JupyterLab on loopback and a real Chromium that drives it, for these tests."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lab_page import LabPage
from lab_server import LabServer, serving

import workbench

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ("--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage")
WORKERS = 2000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here is a browser test, all on one worker of xdist; without Chromium it says how to get it.

    Binder's come first: what they wait for is minutes, which at the end of a run all other workers would wait for too.
    """
    items.sort(key=lambda item: item.path != Path(__file__).with_name("test_binder.py"))
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        item.add_marker("browser")
        item.add_marker(pytest.mark.xdist_group("browser"))
        if CHROMIUM is None and "REQUIRE_BROWSER" not in os.environ:
            item.add_marker(pytest.mark.skip(reason="no Chromium: apt-get install chromium"))


@pytest.fixture(scope="session")
def browser_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of a staffing agency with 2,000 made-up workers, indexed for search. Browser tests only read it."""
    from workbench.staffing import write_csvs

    folder = tmp_path_factory.mktemp("browser-lake")
    csvs = folder / "csv"
    csvs.mkdir()
    write_csvs(csvs, workers=WORKERS, seed=7, full=False)
    with workbench.connect(folder / "lake", folder=folder) as opened:
        for name in ("workers", "placements", "clients"):
            opened.ingest(csvs / f"{name}.csv")
        opened.search("forklift operator")
    return folder / "lake"


@pytest.fixture(scope="session")
def lab_server(tmp_path_factory: pytest.TempPathFactory, browser_lake: Path) -> Iterator[LabServer]:
    """JupyterLab in an empty folder, its kernels on the demo lake."""
    folder = tmp_path_factory.mktemp("lab")
    with serving(folder, tmp_path_factory.mktemp("lab-state"), environ={"LH_LAKE": str(browser_lake)}) as server:
        yield server
        assert not server.connections_outside()


@pytest.fixture(scope="module")
def open_page() -> Iterator[Callable[[LabServer], LabPage]]:
    """Opens pages of one browser, closes them all, and fails when one of them asked any other machine.

    One browser a module and not a session: while Playwright is open, its event loop runs in this thread, and other
    tests run loops of their own.
    """
    from playwright.sync_api import sync_playwright

    opened: list[LabPage] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))

        def open_(server: LabServer) -> LabPage:
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            opened.append(LabPage(page, server))
            return opened[-1]

        yield open_
        browser.close()
    hosts = set[str]().union(*(page.hosts for page in opened))
    assert hosts <= {"127.0.0.1", "localhost"}, f"the page asked {hosts}"


@pytest.fixture(scope="module")
def opened(open_page: Callable[[LabServer], LabPage], lab_server: LabServer) -> LabPage:
    """A notebook in JupyterLab with the magics loaded, one for all tests of a module: a start takes seconds."""
    lab = open_page(lab_server)
    # A name of its own: a worker that steals a test opens a second notebook, and a kernel belongs to a name.
    name = f"typed{len(list(lab_server.folder.glob('*.ipynb'))) + 1}.ipynb"
    (lab_server.folder / name).write_text(json.dumps(_empty_notebook()))
    lab.open(name)
    assert lab.output(lab.run("%load_ext kernel_ext")) == ""
    return lab


@pytest.fixture
def notebook(opened: LabPage) -> Iterator[LabPage]:
    """The notebook with an empty cell at its end. No test may make the page fail."""
    yield opened
    failures, opened.failures[:] = list(opened.failures), []
    assert not failures


def _empty_notebook() -> dict[str, object]:
    cell = {"cell_type": "code", "id": "first", "metadata": {}, "source": "", "outputs": [], "execution_count": None}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": [cell]}
