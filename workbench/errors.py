"""Every error the workbench raises on purpose.

::

    WorkbenchError                       code             HTTP  exit
    ├── ConfigError                      config            500     2
    ├── NotFoundError   (LookupError)    not_found         404     1
    ├── ConflictError                    conflict          409     1
    │   └── SchemaDriftError             schema_drift      409     1
    ├── InvalidError    (ValueError)     invalid           400     1
    │   ├── QueryError                   query             400     1
    │   │   ├── QueryTimeoutError        query_timeout     408     1
    │   │   └── QueryCancelledError      query_cancelled   499     1
    │   └── DimensionError               dimension         400     1
    ├── TooLargeError                    too_large         413     1
    ├── BusyError                        busy              503     1
    │   └── LostRaceError                lost_race         503     1
    ├── ForbiddenError                   forbidden         403     1
    ├── RejectedError                    rejected          422     1
    │   └── FirewallError                firewall          422     1
    ├── CancelledError                   cancelled         499     1
    ├── MissingExtraError                missing_extra     501     1
    └── ProviderError                    provider          502     1
        ├── ProviderTimeoutError         provider_timeout  504     1
        └── RateLimitedError             rate_limited      429     1

An error says what was wrong and where (``message``) and what to do next (``hint``). Doors (CLI, notebook, HTTP, MCP)
print these fields; they never classify an error themselves. Bad *data* is not an error but a report of findings.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, ClassVar


class WorkbenchError(Exception):
    """Base of the tree.

    ``message`` is one sentence that names what was wrong and where; ``hint`` is the next step, a command where there
    is one; ``details`` is a JSON-ready mapping for machines.
    """

    code: ClassVar[str] = "workbench"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details or {}

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions cross process boundaries (drill, child parsers): keep every field, keyword-only ones included.
        return (_rebuild, (type(self), self.message, self.hint, self.details, self._extra()))

    def _extra(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if k not in {"message", "hint", "details"}}

    def to_dict(self) -> dict[str, Any]:
        """The one wire shape: ``{"code", "message", "hint"?, "details"?}``."""
        out: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.hint:
            out["hint"] = self.hint
        if self.details:
            out["details"] = self.details
        return out

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback."""
        return [f"{type(self).__name__}: {self.message}", *([f"  → {self.hint}"] if self.hint else [])]


def _rebuild(
    cls: type[WorkbenchError], message: str, hint: str, details: dict[str, Any], extra: dict[str, Any]
) -> WorkbenchError:
    error = cls.__new__(cls)
    Exception.__init__(error, message)
    error.message, error.hint, error.details = message, hint, details
    vars(error).update(extra)
    return error


class ConfigError(WorkbenchError):
    """A setting is missing or wrong."""

    code = "config"
    exit_code = 2


class NotFoundError(WorkbenchError, LookupError):
    """Nothing goes by that name."""

    code = "not_found"
    http_status = 404

    @classmethod
    def named(cls, kind: str, name: str, known: Iterable[str], *, hint: str = "") -> NotFoundError:
        """Build the message from what was asked for and what exists: near matches first, else the first few names."""
        names = sorted(set(known))
        near = get_close_matches(name, names, n=3, cutoff=0.6)
        if near:
            said = "Did you mean " + " or ".join(near) + "?"
        elif names:
            said = f"There are: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}."
        else:
            said = f"There is no {kind} yet."
        return cls(f"No {kind} is named {name!r}.", hint=" ".join(x for x in (said, hint) if x), details={"near": near})


class ConflictError(WorkbenchError):
    """It exists already, or exists differently."""

    code = "conflict"
    http_status = 409


class SchemaDriftError(ConflictError):
    """New data does not have the dataset's columns. ``details`` holds the diff and the ways out, as commands."""

    code = "schema_drift"


class InvalidError(WorkbenchError, ValueError):
    """The request cannot mean anything."""

    code = "invalid"
    http_status = 400


class QueryError(InvalidError):
    """SQL that the engine or the guard refused, in the engine's own words."""

    code = "query"


class QueryTimeoutError(QueryError):
    """A statement ran over its time limit and was stopped."""

    code = "query_timeout"
    http_status = 408


class QueryCancelledError(QueryError):
    """A statement was stopped on request."""

    code = "query_cancelled"
    http_status = 499


class DimensionError(InvalidError):
    """Vectors of two different lengths or models met."""

    code = "dimension"


class TooLargeError(WorkbenchError):
    """Over a stated cap."""

    code = "too_large"
    http_status = 413


class BusyError(WorkbenchError):
    """Every slot is taken, or another writer kept winning; try again after ``retry_after_s`` seconds."""

    code = "busy"
    http_status = 503

    def __init__(
        self, message: str, *, hint: str = "", details: dict[str, Any] | None = None, retry_after_s: float = 5.0
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.retry_after_s = retry_after_s


class LostRaceError(BusyError):
    """Another writer committed first; the decision has to be made anew on the new version."""

    code = "lost_race"


class ForbiddenError(WorkbenchError):
    """Not allowed through this door."""

    code = "forbidden"
    http_status = 403


class RejectedError(WorkbenchError):
    """A validator said no; ``details`` carries its report."""

    code = "rejected"
    http_status = 422


class FirewallError(RejectedError):
    """A row that must never be trained on got as far as a training file; the file was not published."""

    code = "firewall"


class CancelledError(WorkbenchError):
    """A request was stopped by the one who made it."""

    code = "cancelled"
    http_status = 499


class MissingExtraError(WorkbenchError):
    """An optional package is not installed; the hint is the command that installs it."""

    code = "missing_extra"
    http_status = 501


class ProviderError(WorkbenchError):
    """A model or storage server failed."""

    code = "provider"
    http_status = 502


class ProviderTimeoutError(ProviderError):
    """A server did not answer in time."""

    code = "provider_timeout"
    http_status = 504


class RateLimitedError(ProviderError):
    """A server asked for a pause of ``retry_after_s`` seconds."""

    code = "rate_limited"
    http_status = 429

    def __init__(
        self, message: str, *, hint: str = "", details: dict[str, Any] | None = None, retry_after_s: float = 1.0
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.retry_after_s = retry_after_s
