"""A progress bar for long work: after half a second, on a terminal only, with the time left."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PATIENCE_S = 0.5


class Bar:
    """Called with (stage, done, total) as often as one likes; shows one bar, whose label is the stage."""

    def __init__(self) -> None:
        self._wanted = sys.stderr.isatty()
        self._began = time.monotonic()
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._stage = ""

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Say how far a stage is; total 0 while it is not known."""
        if not self._wanted or time.monotonic() - self._began < PATIENCE_S:
            return
        if self._progress is None:
            self._progress = Progress(
                TextColumn("{task.description:<8}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
        if stage != self._stage or self._task is None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(stage, total=total or None)
            self._stage = stage
        self._progress.update(self._task, completed=done, total=total or None)

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
