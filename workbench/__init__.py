"""Lakehouse Workbench: versioned tables, SQL and search for staffing analysts, in one process.

>>> import workbench
>>> wb = workbench.connect("demo-lake")                       # doctest: +SKIP
>>> wb.ingest("roster.csv", "workers")                        # doctest: +SKIP
>>> wb.sql("SELECT role, count(*) FROM workers GROUP BY 1").df()  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from workbench.errors import (
    BusyError,
    ConfigError,
    ConflictError,
    DimensionError,
    ForbiddenError,
    InvalidError,
    MissingExtraError,
    NotFoundError,
    ProviderError,
    ProviderTimeoutError,
    QueryError,
    RateLimitedError,
    RejectedError,
    SchemaDriftError,
    TooLargeError,
    WorkbenchError,
)

if TYPE_CHECKING:
    from workbench.session import Workbench, connect

__version__ = "0.1.0"

__all__ = [
    "BusyError",
    "ConfigError",
    "ConflictError",
    "DimensionError",
    "ForbiddenError",
    "InvalidError",
    "MissingExtraError",
    "NotFoundError",
    "ProviderError",
    "ProviderTimeoutError",
    "QueryError",
    "RateLimitedError",
    "RejectedError",
    "SchemaDriftError",
    "TooLargeError",
    "Workbench",
    "WorkbenchError",
    "connect",
]


def __getattr__(name: str) -> Any:
    # The engines behind these two take a third of a second to load; errors and the version need none of them.
    if name in {"Workbench", "connect"}:
        from workbench import session

        return getattr(session, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
