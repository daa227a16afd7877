"""DuckDB as we run it: in memory, no extensions fetched, cancellable, with progress.

Every statement runs in a worker thread while the caller's thread watches it: Ctrl-C, a time limit or another thread's
`Watch.cancel` stop the engine within one poll, and the process lives on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from workbench.errors import QueryCancelledError, QueryError, QueryTimeoutError, WorkbenchError
from workbench.lake.storage import Storage

T = TypeVar("T")
POLL_S = 0.05

Progress = Callable[[str, float, float], None]
"""``(stage, done, total)``: units are the stage's own; total is 0 while it is not known."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may use: memory in MB (0: the engine's default), threads (0: all cores), spill folder."""

    memory_mb: int = 0
    threads: int = 0
    spill: Path | None = None


@dataclass
class Watch:
    """One running statement. `cancel` may be called from any thread, before or while it runs."""

    timeout_s: float | None = None
    on_progress: Progress | None = None
    stage: str = "query"
    _cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        """Stop the statement that this watch guards."""
        self._cancelled.set()

    def run(self, con: duckdb.DuckDBPyConnection, work: Callable[[], T]) -> T:
        """Run ``work`` (which uses ``con``) and return its result; its exception is raised here.

        Raises QueryTimeoutError or QueryCancelledError. KeyboardInterrupt stops the engine and is raised again.
        """
        job = _Job(work)
        started = time.monotonic()
        job.thread.start()
        try:
            # Short statements are the common case: the first wait is the whole story for them.
            while not job.done.wait(POLL_S):
                self._poll(con, started)
        except BaseException:
            self._stop(con, job)
            raise
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def _poll(self, con: duckdb.DuckDBPyConnection, started: float) -> None:
        elapsed = time.monotonic() - started
        if self._cancelled.is_set():
            raise QueryCancelledError(f"The query was cancelled after {elapsed:.1f} s.")
        if self.timeout_s is not None and elapsed > self.timeout_s:
            raise QueryTimeoutError(
                f"The query ran over its limit of {self.timeout_s:g} s and was stopped.",
                hint="Narrow it with WHERE or LIMIT, or raise the limit: --timeout 300.",
            )
        if self.on_progress:
            with suppress(duckdb.Error):
                done = con.query_progress()
                if done >= 0:
                    self.on_progress(self.stage, done, 100.0)

    @staticmethod
    def _stop(con: duckdb.DuckDBPyConnection, job: _Job) -> None:
        while not job.done.wait(POLL_S):
            con.interrupt()


class _Job:
    """A callable on its own thread, with its outcome."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="lh-query", daemon=True)

    def _run(self) -> None:
        try:
            self.result = self.work()
        except BaseException as error:  # noqa: BLE001 - handed to the waiting thread, which raises it
            self.error = error
        finally:
            self.done.set()


NO_LIMITS = Limits()


def connect(storage: Storage | None = None, limits: Limits = NO_LIMITS) -> duckdb.DuckDBPyConnection:
    """A fresh in-memory engine. Nothing is fetched or auto-loaded; Python variables are not tables."""
    config: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
        "preserve_insertion_order": True,
    }
    if limits.memory_mb:
        config["memory_limit"] = f"{limits.memory_mb}MB"
    if limits.threads:
        config["threads"] = limits.threads
    if limits.spill:
        config["temp_directory"] = str(limits.spill)
    con = duckdb.connect(":memory:", config=config)
    con.execute("SET enable_progress_bar = false; SET TimeZone = 'UTC'")
    filesystem = storage.filesystem() if storage else None
    if filesystem is not None:
        con.register_filesystem(filesystem)
    return con


def execute(
    con: duckdb.DuckDBPyConnection, sql: str, params: Mapping[str, Any] | Sequence[Any] | None = None
) -> duckdb.DuckDBPyConnection:
    """One statement, with bound parameters. Raises QueryError in the engine's own words."""
    try:
        return con.execute(sql, params) if params else con.execute(sql)
    except duckdb.Error as error:
        raise query_error(error) from error


def query_error(error: duckdb.Error) -> WorkbenchError:
    """The engine's exception as ours, its words kept."""
    return QueryError(str(error).strip(), details={"engine": type(error).__name__})
