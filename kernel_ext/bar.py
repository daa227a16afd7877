"""A progress bar in a notebook: after half a second, only where somebody sees it, gone when the work is done."""

from __future__ import annotations

import contextvars
import html
import sys
import threading
import time
import uuid
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from workbench.cli.progress import Bar as TerminalBar

PATIENCE_S = 0.5
REDRAW_S = 0.25
_CELLS = 24


class Bar:
    """Called with (stage, done, total) as often as one likes; shows one bar, whose label is the stage.

    ``stage`` is the label until the first call.

    A context manager. Work that cannot say how far it is gets a bar that only tells the time.
    """

    def __init__(self, shell: InteractiveShell, stage: str = "query") -> None:
        self._shell = shell
        self._notebook = has_cells(shell)
        self._terminal: TerminalBar | None = None
        if not self._notebook and not hasattr(shell, "kernel"):
            from workbench.cli.progress import Bar as TerminalBar

            self._terminal = TerminalBar()
            self._terminal(stage, 0, 0)
        self._at: tuple[str, float, float] = (stage, 0, 0)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._id = ""
        self._begun = time.monotonic()

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Say how far a stage is; total 0 while it is not known."""
        self._at = (stage, done, total)
        if self._terminal is not None:
            self._terminal(stage, done, total)

    def __enter__(self) -> Bar:
        if self._terminal is not None:
            self._terminal.__enter__()
        elif self._notebook:
            # The thread draws into the cell that began the work: ipykernel keeps which one that is in a context.
            context = contextvars.copy_context()
            self._thread = threading.Thread(target=context.run, args=(self._draw,), name="lh-bar", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._terminal is not None:
            self._terminal.__exit__(kind, error, trace)
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            if self._id:
                # No data at all is drawn as nothing; clearing the cell would take what it printed before, too.
                self._publish({}, update=True)

    def _draw(self) -> None:
        wait_s = PATIENCE_S
        while not self._over.wait(wait_s):
            shown, self._id = bool(self._id), self._id or uuid.uuid4().hex
            stage, done, total = self._at
            elapsed_s = time.monotonic() - self._begun
            data = {
                "text/html": to_html(stage, done, total, elapsed_s),
                "text/plain": to_text(stage, done, total, elapsed_s),
            }
            self._publish(data, update=shown)
            wait_s = REDRAW_S

    def _publish(self, data: dict[str, str], *, update: bool) -> None:
        self._shell.display_pub.publish(data=data, metadata={}, transient={"display_id": self._id}, update=update)


def has_cells(shell: Any) -> bool:
    """Whether the running code came from a cell that somebody looks at: Lab names the cell, papermill does not."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return False
    return bool(cell_id(shell))


def cell_id(shell: Any) -> str:
    """The cell that runs, as the front end names it; empty without one."""
    parent = getattr(shell, "parent_header", None) or {}
    return str((parent.get("metadata") or {}).get("cellId") or "")


def is_seen(shell: Any) -> bool:
    """Whether somebody watches: a notebook's front end or a terminal."""
    return has_cells(shell) or (not hasattr(shell, "kernel") and sys.stderr.isatty())


def to_html(stage: str, done: float, total: float, elapsed_s: float) -> str:
    """The bar for a notebook."""
    value = f' value="{min(done / total, 1):.3f}"' if total else ""
    label = html.escape(to_text(stage, done, total, elapsed_s, bar=False))
    return (
        '<div role="status" style="display:flex;gap:10px;align-items:center;padding:4px 0;'
        "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:12px;"
        'color:var(--jp-content-font-color2,inherit)">'
        f'<progress max="1"{value} aria-label="{label}" style="width:180px;'
        f'accent-color:var(--jp-brand-color1,#2a78d6)"></progress><span>{label}</span></div>'
    )


def to_text(stage: str, done: float, total: float, elapsed_s: float, *, bar: bool = True) -> str:
    """``query 42 % · 3.1 s · about 4 s left``."""
    share = min(done / total, 1) if total else 0.0
    parts = [f"{stage} {share:.0%}".replace("%", " %") if total else stage, f"{elapsed_s:.1f} s"]
    # An estimate from the first percent would jump about.
    if total and 0.05 <= share < 1:
        parts.append(f"about {max(elapsed_s / share - elapsed_s, 1):.0f} s left")
    cells = f"[{'█' * round(share * _CELLS):·<{_CELLS}}] " if bar and total else ""
    return cells + " · ".join(parts)
