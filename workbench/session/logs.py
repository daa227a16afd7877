"""The logs of one lake: calls of models, runs of the loop, looks at personal data; and the search log beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from workbench.errors import WorkbenchError
from workbench.lake.logs import Log
from workbench.lake.logs.access import DATASET as ACCESS
from workbench.lake.logs.access import AccessLog, Look
from workbench.settings import Settings

if TYPE_CHECKING:
    from workbench.lake.health import Check
    from workbench.lake.lake import Lake
    from workbench.lake.sql.query import Answer
    from workbench.llm.ledger import Book
    from workbench.llm.sessions import SessionLog
    from workbench.pii.roster import Roster
    from workbench.search.answer import Results

CALLS, SESSIONS, SEARCHES = "llm_calls", "iterate_sessions", "searches"
"""Datasets of logs; those of `llm.ledger`, `llm.sessions` and `search.journal`, which are loaded by who needs them."""
T = TypeVar("T")
_BEFORE_SQL_S = 5.0
_NAMED = 10


class Flushing(Protocol):
    """What every log can do."""

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Put what waits into the dataset; False when that failed."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks, through which door, and why they look at personal data, if they say so."""

    user: str
    door: str = "python"
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Seeing:
    """What somebody sees: told to the access log, where there is a ``look`` to be noted."""

    lake: Callable[[], Lake]
    look: Look | None = None

    def saw(self, made: T) -> T:
        """The answer itself, after its datasets, columns and rows were noted: of SQL, of a search, of orders."""
        if self.look is None:
            return made
        said: Any = made
        if hasattr(said, "snapshots"):
            self.look.saw(**_of_sql(said))
        else:
            self.look.saw(**self._of_hits([one.results for one in said] if isinstance(said, tuple) else [said]))
        return made

    def _of_hits(self, found: Sequence[Results | None]) -> dict[str, Any]:
        there = [one for one in found if one is not None]
        shown = {f"{one.dataset}@{one.version}": one.table.column_names for one in there}
        columns = (name for ref, names in shown.items() for name in self.lake().get(ref).pii if name in names)
        return {
            "datasets": tuple(shown),
            "columns": tuple(dict.fromkeys(columns)),
            "rows": sum(len(one.hits) for one in there),
        }


def _of_sql(answer: Answer) -> dict[str, Any]:
    from workbench.lake.sql import carriers

    names = tuple(name if "@" in name else f"{name}@{version}" for name, version in answer.snapshots.items())
    return {"datasets": names, "columns": tuple(carriers.carried(answer.table)), "rows": answer.row_count}


@dataclass(frozen=True)
class Logs:
    """Every log is opened when it is first noted in. ``state``: where they wait on this machine; None: in memory.

    ``people`` are those whose names no log of texts may hold.
    """

    lake: Callable[[], Lake]
    state: Path | None
    who: Who
    searches: Callable[[], Flushing | None]
    people: Callable[[], Roster]

    @cached_property
    def calls(self) -> Log:
        """The ledger: a row for each call of a model."""
        from workbench.llm.ledger import SHAPE, to_row

        return Log(self.lake, self._spool("calls"), SHAPE, to_row=to_row)

    @cached_property
    def sessions(self) -> SessionLog:
        """The session log: a line for each run of the loop. ``wb.logs.sessions.note(run)``."""
        from workbench.llm.sessions import SessionLog
        from workbench.session.covering import covering

        return SessionLog(self.lake, self._spool("sessions"), mask=covering(self.people))

    @cached_property
    def access(self) -> AccessLog:
        """The access log: a row for each look at unmasked personal data."""
        who = self.who
        return AccessLog(self.lake, self._spool("access"), user=who.user, door=who.door, purpose=who.purpose)

    def book(self, settings: Settings) -> Book | None:
        """The ledger for the models of this lake; None when it is turned off."""
        from workbench.llm.ledger import Book
        from workbench.session.covering import covering

        s = settings
        if not s.chat_log:
            return None
        cover = covering(self.people)
        return Book(self.calls, self.who.user, s.chat_log_text, s.chat_prices, bool(s.chat_replay), cover)

    @contextmanager
    def looking(self, what: str, statement: str, *, shown: bool) -> Iterator[Seeing]:
        """Note in the access log what happens inside, when personal data is ``shown``."""
        if not shown:
            yield Seeing(self.lake)
            return
        with self.access.looking(what, statement) as look:
            yield Seeing(self.lake, look)

    def settle(self, sql: str) -> None:
        """Before a statement that reads a log's dataset: put into it what was noted so far. Others cost nothing."""
        said = sql.casefold()
        for name, log in self._by_dataset():
            if name in said and (opened := log()) is not None:
                opened.flush(_BEFORE_SQL_S)

    def alarm(self) -> list[dict[str, Any]]:
        """Runs of the loop that must not be: accepted fills that are not known to be grounded. The newest first."""
        from workbench.llm.sessions import ALARM

        self.sessions.flush()
        lake = self.lake()
        return [] if lake.catalog.find(SESSIONS) is None else list(lake.sql(ALARM).table.to_pylist())

    def checks(self) -> list[Check]:
        """What ``lh doctor`` says of the session log, if there is one: broken when the alarm query finds anything."""
        from workbench.lake.health import Check

        try:
            found = self.alarm()
        except WorkbenchError as error:  # somebody's own dataset of that name, or a damaged one
            said = f"the alarm query could not be asked: {error.message}"
            return [Check(SESSIONS, "warning", said, f"lh describe {SESSIONS}")]
        if not found and not self.sessions.flush():
            said = f"lines wait on this machine and were not looked at: {self.sessions.stats().last_error}"
            return [Check(SESSIONS, "warning", said, "mend what is said of the storage, then: lh doctor")]
        if self.lake().catalog.find(SESSIONS) is None:
            return []
        if not found:
            return [Check(SESSIONS, "ok", "no accepted fill that is not known to be grounded")]
        ids = [str(row["session_id"]) for row in found]
        more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
        said = (
            f"{len(ids):,} accepted fill{'s'[: len(ids) > 1]} not known to be grounded: {', '.join(ids[:_NAMED])}{more}"
        )
        return [Check(SESSIONS, "broken", said, "withdraw them, and look at each: lh history --sessions")]

    def close(self) -> None:
        """What is not yet in the lake waits on this machine: no command waits for it."""
        for name in {"calls", "sessions", "access"} & self.__dict__.keys():
            self.__dict__[name].close(write=False)

    def _by_dataset(self) -> Iterator[tuple[str, Callable[[], Flushing | None]]]:
        yield CALLS, lambda: self.calls
        yield SESSIONS, lambda: self.sessions
        yield ACCESS, lambda: self.access
        yield SEARCHES, self.searches

    def _spool(self, name: str) -> Path | None:
        return self.state / name if self.state else None
