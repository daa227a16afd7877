"""DuckDB as we run it: in memory, no extensions fetched, cancellable, with progress.

Every statement runs in a worker thread while the caller's thread watches it: Ctrl-C, a time limit or another thread's
`Watch.cancel` stop the engine within one poll, and the process lives on.
"""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from workbench.errors import QueryCancelledError, QueryError, QueryTimeoutError, WorkbenchError
from workbench.lake.tables.storage import Storage

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
        with _pressed() as pressed:
            try:
                job.thread.start()
                started = time.monotonic()
                # Short statements are the common case: the first wait is the whole story for them.
                while not job.done.wait(POLL_S):
                    self._poll(con, started, pressed)
            except BaseException:
                self._stop(con, job)
                raise
        if job.error is not None:
            raise job.error
        result: T = job.result
        return result

    def _poll(self, con: duckdb.DuckDBPyConnection, started: float, pressed: threading.Event) -> None:
        elapsed = time.monotonic() - started
        if pressed.is_set():
            raise KeyboardInterrupt
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
        """Until the engine has stopped; a second Ctrl-C must not leave it running behind a closed connection."""
        if job.drop():
            return
        while not job.done.is_set():
            with suppress(KeyboardInterrupt):
                con.interrupt()
                job.done.wait(POLL_S)


@contextmanager
def _pressed() -> Iterator[threading.Event]:
    """Set by Ctrl-C in place of an exception, which Python may raise where it is lost (a weakref's callback, any
    ``__del__``) or leaves a statement running. Only for the main thread, and where nobody else handles the signal.
    """
    pressed = threading.Event()
    ours = threading.current_thread() is threading.main_thread()
    if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield pressed
        return
    signal.signal(signal.SIGINT, lambda *_: pressed.set())
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if pressed.is_set():  # it came with the last row
        raise KeyboardInterrupt


class _Job:
    """A callable on its own thread, with its outcome."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.work = work
        self._gate = threading.Lock()
        self._begun = self._dropped = False
        self.done = threading.Event()
        self.result: Any = None
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="lh-query", daemon=True)

    def drop(self) -> bool:
        """See that it never begins; False when it has. A Ctrl-C may come before a started thread has run at all."""
        with self._gate:
            self._dropped = True
            return not self._begun

    def _run(self) -> None:
        with self._gate:
            if self._dropped:
                return
            self._begun = True
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
    con.execute("SET enable_progress_bar_print = false; SET enable_progress_bar = true; SET GLOBAL TimeZone = 'UTC'")
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


def scrub(message: str, sql: str, *, show: bool = False) -> tuple[str, str]:
    """The engine's words without values and places, and a hint: ``(words, hint)``.

    What the parser, the binder and the catalog say is of names. Anything else may hold a value of a row, even one built
    to look like the engine's words: only sentences known by heart pass, with their values covered. ``show``: the reader
    may see values, so the words stay.
    """
    words, _, line = message.partition("\n\nLINE ") if show else message.rpartition("\n\nLINE ")
    words = words or line or message
    said = _snippet(line) in sql if line and words != line else False
    kind, colon, rest = words.partition(": ")
    hint = _HINTS.get(kind, "")
    if kind == "IO Error":
        return "IO Error: a file of a dataset cannot be read; it is gone or damaged.", hint
    words = _PLACE.sub("‹file›", _QUOTED_PLACE.sub("‹file›", words))
    shown = f"{words}\n\nLINE {line}" if said else words
    if show or kind in _OF_NAMES:
        return shown, hint
    if not colon:
        return "The engine's words are kept back, as they may hold a value.", hint
    for known, told in _SENTENCES:
        if found := known.fullmatch(rest):
            return f"{kind}: {found.expand(told)}", hint
    return f"{kind}: a value does not fit. The engine's words are kept back, as they may hold it.", hint


def _snippet(line: str) -> str:
    """The piece of the statement that the engine quotes under its words."""
    return line.partition(": ")[2].split("\n", 1)[0].strip().removeprefix("...").removesuffix("...")


_OF_NAMES = ("Parser Error", "Syntax Error", "Binder Error", "Catalog Error", "Permission Error")
_HINTS = {
    "Conversion Error": "TRY_CAST(… AS …) gives NULL for what does not fit.",
    "Invalid Input Error": "TRY(…) gives NULL for what does not fit.",
    "Out of Range Error": "Cast to a wider type first: DOUBLE, HUGEINT or DECIMAL(38, 4).",
    "Out of Memory Error": "Aggregate or LIMIT it, or raise memory_mb: `lh config`.",
    "IO Error": "`lh doctor` says which file.",
    "Catalog Error": "`lh ls` lists the datasets, `lh describe NAME` the columns.",
    "Binder Error": "`lh describe NAME` shows the columns and their types.",
    "Permission Error": "A query reads datasets only; `lh ls` lists them.",
}
_QUOTED_PLACE = re.compile(r"\"[^\"\n]*/[^\"\n]*\"|'[^'\n]*/[^'\n]*'")
_PLACE = re.compile(r"\w+://\S*|(?<![\w.])/[\w.-]+/\S*")
# Greedy, so that the engine's own last words are the ones that match, whatever the value says.
_TYPE = r"([A-Z][A-Z0-9_]*(?:\([\d, ]*\))?(?:\[\])*)"
_FROM = r"((?: when casting from source column \w+)?)"
_SENTENCES = tuple(
    (re.compile(pattern, re.DOTALL), told)
    for pattern, told in (
        (rf"Could not convert string ['\"].*['\"] to {_TYPE}{_FROM}", r"Could not convert string ‹value› to \1\2"),
        (rf"Could not cast value .* to {_TYPE}{_FROM}", r"Could not cast ‹value› to \1\2"),
        (
            rf"[Tt]ype [A-Z0-9]+ with value .* can't be cast (?:because .*for|to) the destination type {_TYPE}{_FROM}",
            r"‹value› can't be cast to the destination type \1\2",
        ),
        (
            rf"(?:invalid )?(date|timestamp|time) field .*, expected format is \([^'\"]*\){_FROM}",
            r"invalid \1 ‹value›\2",
        ),
        (r"Malformed JSON .*", "Malformed JSON ‹value›"),
        (r"Could not parse string .*", "Could not parse string ‹value› according to the format"),
        (r"Overflow in (addition|subtraction|multiplication|division) of .*", r"Overflow in \1"),
        (r"(More than one row returned by a subquery used as an expression).*", r"\1"),
        (r"(Map keys must be unique|Lists larger than 2\^32 elements are not supported)\.?", r"\1"),
        (r"(?:failed to|could not) (allocate|pin|offload).*", r"Not enough memory to \1 a block"),
    )
)
