"""How long a request may take, and when it is worth repeating."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from tenacity import RetryCallState, wait_random_exponential

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request may take and how it is repeated.

    ``timeout_s`` for one try from sending to the last byte, ``connect_s`` of it for the connection; ``tries`` in all;
    pauses are random, of up to ``first_pause_s`` doubled each time, or what the server asks for in ``Retry-After``.
    A server that asks for more than ``max_pause_s`` is not waited for: the error says how long it wants. ``first_s``
    is how long a stream may take to begin (None: as long as the whole).
    """

    timeout_s: float = TIMEOUT_S
    connect_s: float = 5.0
    tries: int = 4
    first_pause_s: float = 0.5
    max_pause_s: float = 30.0
    first_s: float | None = None


def pauses(patience: Patience) -> Callable[[RetryCallState], float]:
    """The pause after a failed try: what its error asks for (``pause_s``), else drawn at random."""
    drawn = wait_random_exponential(multiplier=patience.first_pause_s, max=patience.max_pause_s)

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked: float | None = getattr(error, "pause_s", None)
        return asked if asked is not None else drawn(state)

    return pause


def retry_after(value: str) -> float | None:
    """Seconds of a Retry-After header, RFC 9110 section 10.2.3: a number, or a date; None for anything else."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None
