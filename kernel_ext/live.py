"""An output that grows while the work goes on: one place in a notebook's cell, drawn anew; lines in a terminal.

Where nobody looks (papermill, a script's kernel) nothing is shown but what the cell gives in the end.
"""

from __future__ import annotations

import contextvars
import re
import sys
import threading
import uuid
from types import TracebackType
from typing import TYPE_CHECKING

from kernel_ext import model_html
from kernel_ext.bar import has_cells
from workbench.cli.grid import clean

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kernel_ext.covered import Cover

REDRAW_S = 0.1
# Digits and what stands between them, and the word under way: a number may go on, and is covered only when whole.
_UNSETTLED = re.compile(r"(?:[\d()+./-]+\s+)*\S*\Z")
_TAIL = 200  # characters; nothing that is covered is begun further back and still under way


class Place:
    """A place in the output of the running cell."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self.is_page = has_cells(shell)
        self.is_terminal = not hasattr(shell, "kernel")
        self._id = ""

    def draw(self, html: str, plain: str) -> None:
        """Put this where the last drawing was. In a terminal nothing: see `say`."""
        if self.is_page:
            self._publish({"text/html": html, "text/plain": plain})

    def say(self, text: str) -> None:
        """Print a piece of text in a terminal."""
        if self.is_terminal and text:
            sys.stdout.write("\n".join(map(clean, text.split("\n"))))
            sys.stdout.flush()

    def clear(self) -> None:
        """Take the drawing away: what the cell gives stands in its place."""
        if self._id:
            # No data at all is drawn as nothing; clearing the cell would take what it printed before, too.
            self._publish({})

    def _publish(self, data: dict[str, str]) -> None:
        is_new, self._id = not self._id, self._id or uuid.uuid4().hex
        self._shell.display_pub.publish(data=data, metadata={}, transient={"display_id": self._id}, update=not is_new)


class Writing:
    """A text that comes in pieces, shown as it comes, its personal data covered. A context manager.

    Left by an exception, what came stays to be seen, as no answer; a page's place is cleared by who has the whole.
    """

    def __init__(self, place: Place, hide: Cover) -> None:
        self._place, self._hide = place, hide
        self._said = ""  # printed in a terminal, which takes nothing back
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self.text = ""

    def add(self, piece: str) -> None:
        """The next piece; it is seen within `REDRAW_S`."""
        self.text += piece

    def __enter__(self) -> Writing:
        if self._place.is_page or self._place.is_terminal:
            # The thread draws into the cell that began the work: ipykernel keeps which one that is in a context.
            context = contextvars.copy_context()
            self._thread = threading.Thread(target=context.run, args=(self._follow,), name="lh-writing", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if kind is not None or self._place.is_terminal:
            self._show(self._hide(self.text), is_open=False)
        if self._said and not self._said.endswith("\n"):
            self._place.say("\n")

    def _follow(self) -> None:
        shown = 0
        while not self._over.wait(REDRAW_S):
            text = self.text
            if len(text) > shown:
                shown = len(text)
                self._show(self._hide(settled(text)), is_open=True)

    def _show(self, text: str, *, is_open: bool) -> None:
        self._place.draw(model_html.writing(text, is_open=is_open), text)
        # What is covered later may be shorter than what stands there: then only what follows it is printed.
        new = text[len(self._said) :]
        self._place.say(new)
        self._said += new


def settled(text: str) -> str:
    """``text`` without its end, as far as that may be the beginning of something that is covered."""
    tail = text[-_TAIL:]
    held = _UNSETTLED.search(tail)
    return text[: len(text) - len(tail) + (held.start() if held else len(tail))]
