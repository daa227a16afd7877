"""A progress bar for long work: after half a second, on a terminal only, with the time that has gone and is left."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE_S = 0.5


class Bar:
    """Called with (stage, done, total) as often as one likes; shows one bar, whose label is the stage.

    Work that cannot say how far it is gets a bar too, one that only moves: silence looks like a hang.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._timer = threading.Timer(PATIENCE_S, self._show)
        self._timer.daemon = True
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._at: tuple[str, float, float] = ("work", 0, 0)
        self._over = False

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Say how far a stage is; total 0 while it is not known."""
        with self._lock:
            begun, self._at = stage != self._at[0], (stage, done, total)
            if self._progress is None or self._task is None or self._over:
                return
            if begun:
                self._progress.remove_task(self._task)
                self._task = self._progress.add_task(stage, total=None)
            self._progress.update(self._task, completed=done, total=total or None)

    def _show(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as Remaining

        with self._lock:
            if self._over:
                return
            self._progress = Progress(
                TextColumn("{task.description:<8}"), BarColumn(), TaskProgressColumn(),
                TimeElapsedColumn(), TextColumn("left"), Remaining(),
                console=Console(stderr=True), transient=True, redirect_stdout=sys.stdout.isatty(),
            )  # fmt: skip
            stage, done, total = self._at
            self._task = self._progress.add_task(stage, total=None)
            self._progress.update(self._task, completed=done, total=total or None)
            self._progress.start()

    def __enter__(self) -> Bar:
        if sys.stderr.isatty():
            self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
        if self._progress is not None:
            self._progress.stop()
