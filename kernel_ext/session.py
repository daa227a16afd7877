"""What a notebook has open: one `Session` for one shell. Everything else lives in the user's own namespace."""

from __future__ import annotations

import builtins
import functools
import keyword
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType, ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from kernel_ext.bar import Bar
from kernel_ext.hints import speak
from workbench.errors import InvalidError, QueryCancelledError, WorkbenchError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kernel_ext.engine import OpenEngine
    from workbench.lake.sql.engine import Watch
    from workbench.session import Workbench

LAST = "_lh"
IMPATIENCE_S = 2.0
F = TypeVar("F", bound=Callable[..., Any])

# DuckDB's reserved words (`duckdb_keywords()`, category reserved, 2.0): a table of such a name cannot be read.
_RESERVED = """
all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
default deferrable desc describe distinct do else end except false fetch for foreign from group having in
initially intersect into lambda lateral leading limit not null offset on only or order pivot pivot_longer
pivot_wider placing primary qualify references returning select show some summarize symmetric table then to
trailing true union unique unpivot using variadic when where window with
"""
RESERVED = frozenset(_RESERVED.split())


@dataclass(frozen=True, slots=True)
class Asked:
    """One statement that ran in this session. ``rows``: those fetched; ``at`` is UTC."""

    sql: str
    params: Mapping[str, Any] | Sequence[Any]
    snapshots: Mapping[str, int]
    rows: int
    elapsed_s: float
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Session:
    """The workbench behind the magics of one shell, opened on first use by the usual settings."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.history: list[Asked] = []
        self.chart_cell: str | None = None  # the cell whose output carries the charts' JavaScript
        self._wb: Workbench | None = None
        self._engine: OpenEngine | None = None

    @property
    def wb(self) -> Workbench:
        """The open workbench. Raises ConfigError for settings that mean nothing."""
        if self._wb is None:
            self.use(None)
        assert self._wb is not None
        return self._wb

    def use(self, lake: str | Path | Workbench | None) -> None:
        """Work on another lake from now on; None is the one that the settings name."""
        from workbench.session import Workbench, connect

        opened = lake if isinstance(lake, Workbench) else connect(lake, door="notebook")
        self.close()
        self._wb = opened

    @property
    def engine(self) -> OpenEngine:
        """The whole engine, for ``--open``; made on first use, kept so that what it creates stays."""
        if self._engine is None:
            from kernel_ext.engine import OpenEngine

            self._engine = OpenEngine(self.wb)
        return self._engine

    def frames(self, local: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What of the namespace SQL may read: results, hits and tables, by name.

        IPython's own names for outputs (``_``, ``_3``) are left out; ``_lh``, the last result, is in.
        """
        names = self.shell.user_ns if local is None or local is self.shell.user_ns else {**self.shell.user_ns, **local}
        found = {}
        # A copy, for a thread of the user's may add a name meanwhile.
        for name, value in list(names.items()):
            if (name == LAST or not name.startswith("_")) and (frame := _frame(value)) is not None:
                found[name] = frame
        return found

    def check_free(self, name: str) -> None:
        """Raise InvalidError for a name that a result cannot have, or that means something else already."""
        check_name(name)
        if isinstance(self.shell.user_ns.get(name), ModuleType):
            raise InvalidError(
                f"--as {name}: {name} is a module here, and the next cells would miss it.",
                hint=f"Another name: --as {name}_found",
            )
        if (manifest := self.wb.catalog.find(name.casefold())) is not None:
            raise InvalidError(
                f"--as {name}: {manifest.name} is a dataset of the lake, and FROM {name} would read that.",
                hint=f"Another name: --as {name}_found",
            )

    def keep(self, name: str, value: Any) -> None:
        """Put a result into the namespace. Raises as `check_free`, which is best asked before the work is done."""
        self.check_free(name)
        self.shell.user_ns[name] = value

    def last(self, value: Any) -> None:
        """Remember the last result as ``_lh``."""
        self.shell.user_ns[LAST] = value

    @contextmanager
    def running(self, timeout_s: float | None = None, *, stage: str = "query") -> Iterator[Watch]:
        """A watch for one statement, with the bar and the time limit; the stop button ends it with one line."""
        from workbench.lake.sql.engine import Watch

        with stoppable(), Bar(self.shell, stage) as bar:
            yield Watch(timeout_s or self.wb.settings.timeout_s, on_progress=bar, stage=stage)

    def close(self) -> None:
        """Close what is open; the next magic opens it again."""
        for open_part in (self._engine, self._wb):
            if open_part is not None:
                open_part.close()
        self._engine = self._wb = None


def check_name(name: str) -> None:
    """Raise InvalidError for a name that Python or SQL cannot read."""
    if not name.isidentifier():
        raise InvalidError(f"--as {name}: this is no name for a Python variable.", hint="Letters, digits and _ only.")
    if keyword.iskeyword(name) or hasattr(builtins, name):
        raise InvalidError(
            f"--as {name}: Python has a {name} of its own, and the next cells would miss it.",
            hint=f"Another name: --as {name}_found",
        )
    if name.casefold() in RESERVED:
        raise InvalidError(
            f"--as {name}: SQL keeps this word for itself, and FROM {name} could not be read.",
            hint=f"Another name: --as {name}_found",
        )


@contextmanager
def stoppable() -> Iterator[None]:
    """The stop button inside ends as a QueryCancelledError that says how long it ran."""
    started = time.monotonic()
    try:
        with _pressed_once():
            yield
    except KeyboardInterrupt:
        raise _stopped(started) from None
    except WorkbenchError:
        raise
    except Exception as error:
        from workbench.cli import faults

        # The engine turns a stop into an exception of its own where no watch stands beside it.
        if faults.interrupted(error):
            raise _stopped(started) from None
        raise


def _stopped(started: float) -> QueryCancelledError:
    return QueryCancelledError(f"Stopped after {time.monotonic() - started:.1f} s.")


@contextmanager
def _pressed_once() -> Iterator[None]:
    """The first press stops; those of an impatient finger do not break off the stopping itself."""
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed_at = time.monotonic() - 2 * IMPATIENCE_S

    def press(_number: int, _frame: FrameType | None) -> None:
        nonlocal pressed_at
        if time.monotonic() - pressed_at > IMPATIENCE_S:
            pressed_at = time.monotonic()
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def stop_sets(cancel: threading.Event) -> Iterator[None]:
    """The stop button inside asks the work to end itself, so that it can say how far it came.

    Pressed again later, because the work does not listen, it breaks it off as everywhere.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed_at = 0.0

    def press(_number: int, _frame: FrameType | None) -> None:
        nonlocal pressed_at
        if cancel.is_set() and time.monotonic() - pressed_at > IMPATIENCE_S:
            raise KeyboardInterrupt
        pressed_at = pressed_at or time.monotonic()
        cancel.set()

    signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def told(magic: F) -> F:
    """A magic whose failures are a few lines that name magics: the stop button, a fault of our own with its place."""

    @functools.wraps(magic)
    def run(*args: Any, **named: Any) -> Any:
        try:
            with stoppable():
                return magic(*args, **named)
        except WorkbenchError as error:
            speak(error)
            raise
        except (OSError, MemoryError) as error:
            from workbench.cli import faults

            raise faults.told(error).error from error
        except Exception as error:
            _shorten(error)
            raise

    return run  # type: ignore[return-value]


def _shorten(error: Exception) -> None:
    """Let IPython show an exception of ours in two lines; the traceback stays within reach.

    What it says may hold a value of the data, and an output is passed on.
    """
    from workbench import pii

    place = traceback.extract_tb(error.__traceback__)[-1]
    lines = [
        f"{type(error).__name__}: {pii.mask_text(str(error))}",
        f"  → This is a fault of the workbench ({Path(place.filename).name}:{place.lineno}), please report it. The "
        "traceback: import sys, traceback; traceback.print_exception(sys.last_value)",
    ]
    error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]


def _frame(value: Any) -> Any:
    """A value as SQL can read it; None for one that it cannot. No library is imported for the look."""
    kind = type(value)
    home = kind.__module__.partition(".")[0]
    if home == "kernel_ext":
        relation = getattr(value, "relation", None)
        return getattr(value, "table", None) if relation is None else relation
    if home == "workbench":
        return value if kind.__name__ == "Relation" else None
    if (home, kind.__name__) in _TABLES:
        return value
    return None


_TABLES = frozenset({
    ("pandas", "DataFrame"), ("polars", "DataFrame"), ("pyarrow", "Table"), ("pyarrow", "RecordBatch"),
})  # fmt: skip
