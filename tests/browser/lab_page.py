"""A notebook in JupyterLab as a person has it before them: cells to type into, outputs to read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from lab_server import LabServer
    from playwright.sync_api import Locator, Page

WAIT_MS = 30_000
TABS = 10
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
WIDTHS = (1400, 700)
ERROR = "[data-mime-type='application/vnd.jupyter.error']"
RAN = re.compile(r"\[\d+\]")
SHOTS = "LAB_SHOTS"


class LabPage:
    """One browser page on one server; what it asked for and what it complained of is kept."""

    def __init__(self, page: Page, server: LabServer) -> None:
        self.page, self.server = page, server
        self.hosts: set[str] = set()
        self.failures: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).hostname or ""))
        page.on("websocket", lambda socket: self.hosts.add(urlsplit(socket.url).hostname or ""))
        page.on("pageerror", lambda error: self.failures.append(str(error)))

    def open(self, path: str) -> None:
        """Show a notebook of the server's folder, its kernel started."""
        self.page.goto(self.server.address(f"lab/tree/{path}?reset"))
        self.ready()

    def ready(self) -> None:
        """Wait until the notebook is drawn and its kernel is idle."""
        self.page.locator(".jp-NotebookPanel:visible .jp-Cell").first.wait_for()
        self.idle()

    def idle(self) -> None:
        """Wait until the kernel has nothing to do."""
        self.page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()

    def cells(self) -> Locator:
        """The code cells of the open notebook, top to bottom."""
        return self.page.locator(".jp-NotebookPanel:visible .jp-CodeCell")

    def write(self, text: str) -> Locator:
        """Put ``text`` into the last code cell, in place of what it has. Returns the cell."""
        cell = self.cells().last
        cell.locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(text)
        return cell

    def run(self, text: str) -> Locator:
        """Run ``text`` in the last cell, wait until it is done, and return the cell. A fresh cell stands below it."""
        cell = self.start(text)
        self.done(cell)
        return cell

    def start(self, text: str) -> Locator:
        """Run ``text`` in the last cell without waiting for it."""
        self.write(text)
        return self.submit()

    def submit(self) -> Locator:
        """Shift+Enter in the last cell. Returns that cell; a fresh one stands below it."""
        at = self.cells().count() - 1
        self.page.keyboard.press("Shift+Enter")
        self.cells().nth(at + 1).wait_for()
        return self.cells().nth(at)

    def done(self, cell: Locator, *, timeout_ms: int = WAIT_MS) -> None:
        """Wait until ``cell`` has run."""
        cell.locator(".jp-InputPrompt").filter(has_text=RAN).wait_for(timeout=timeout_ms)

    def complete(self, wanted: str) -> Locator:
        """Press Tab where the cursor is until ``wanted`` is offered, and return that offer.

        Values of a column are looked up behind the first Tab that asks for them, so a second one may be needed.
        """
        from playwright.sync_api import TimeoutError as Late

        offer = self.page.locator(".jp-Completer:visible .jp-Completer-item").filter(has_text=wanted).first
        for _ in range(TABS - 1):
            self.page.keyboard.press("Tab")
            try:
                offer.wait_for(timeout=WAIT_MS / TABS)
            except Late:
                continue
            return offer
        self.page.keyboard.press("Tab")
        offer.wait_for()
        return offer

    def run_all(self, *, timeout_ms: int = WAIT_MS) -> Locator:
        """Run every cell, top to bottom, and return the last one. Fails with what a cell said that failed."""
        errors = self.page.locator(f".jp-NotebookPanel:visible {ERROR}")
        last = self.cells().last
        self.command("runmenu:run-all")
        last.locator(".jp-InputPrompt").filter(has_text=RAN).or_(errors).first.wait_for(timeout=timeout_ms)
        assert errors.count() == 0, errors.all_inner_texts()
        return last

    def output(self, cell: Locator) -> str:
        """What ``cell`` shows below itself, as text."""
        return "\n".join(cell.locator(".jp-OutputArea-output").all_inner_texts()).strip()

    def command(self, name: str, **arguments: object) -> None:
        """Run a command of JupyterLab, as its menus do."""
        self.page.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, arguments])

    def theme(self, name: str) -> None:
        """Make the page light or dark."""
        self.command("apputils:change-theme", theme=THEMES[name])
        light = "true" if name == "light" else "false"
        self.page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=light)

    def shot(self, name: str, at: Locator | None = None) -> None:
        """Keep a picture of what is seen, in both themes and two widths, in the folder that LAB_SHOTS names."""
        if not (folder := os.environ.get(SHOTS)):
            return
        for theme, width, file in _pictures(Path(folder), name):
            self.theme(theme)
            self.page.set_viewport_size({"width": width, "height": 900})
            if at is not None:
                at.evaluate("node => node.scrollIntoView({block: 'start'})")
            self.page.screenshot(path=file, animations="disabled")
        self.theme("light")
        self.page.set_viewport_size({"width": WIDTHS[0], "height": 900})


def _pictures(folder: Path, name: str) -> Iterator[tuple[str, int, Path]]:
    folder.mkdir(parents=True, exist_ok=True)
    return ((theme, width, folder / f"{name}-{theme}-{width}.png") for theme in THEMES for width in WIDTHS)
