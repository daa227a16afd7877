"""Days: dates and times as whole days and seconds from the epoch day of the generated set, never from today."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from workbench.staffing.synthetic.draws import Ints
from workbench.staffing.synthetic.texts import words

DEFAULT_EPOCH = date(2026, 11, 20)

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def say_day(day: date, style: str) -> str:
    """A day as people write it: ``md`` 11/23, ``day`` Monday, ``dy`` Mon, ``long`` Mon 11/23, ``iso`` 2026-11-23."""
    weekday = _WEEKDAYS[day.weekday()]
    short = f"{day.month}/{day.day}"
    return {"md": short, "day": weekday, "dy": weekday[:3], "long": f"{weekday[:3]} {short}", "iso": day.isoformat()}[
        style
    ]


@dataclass(frozen=True, slots=True)
class Days:
    """Arrow columns from offsets in days to ``epoch``."""

    epoch: date = DEFAULT_EPOCH

    def dates(self, offsets: Ints) -> Any:
        """A date32 column."""
        first = self.epoch.toordinal() - date(1970, 1, 1).toordinal()
        return pa.array((offsets + first).astype(np.int32)).view(pa.date32())

    def times(self, offsets: Ints, seconds: Ints) -> Any:
        """A timestamp[s] column (local wall time) at ``seconds`` after midnight of each day."""
        midnight = datetime(self.epoch.year, self.epoch.month, self.epoch.day, tzinfo=UTC)
        return pa.array(int(midnight.timestamp()) + offsets * 86_400 + seconds).view(pa.timestamp("s"))

    def say(self, offsets: Ints, style: str) -> Any:
        """The days as text (see ``say_day``)."""
        low, high = int(offsets.min(initial=0)), int(offsets.max(initial=0))
        table = [say_day(self.epoch + timedelta(days=offset), style) for offset in range(low, high + 1)]
        return words(table, offsets - low)
