"""The access log: who was shown personal data as it is, or wrote it out, through which door; dataset ``pii_access``."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workbench.errors import WorkbenchError
from workbench.lake.logs.log import Log
from workbench.lake.logs.shape import Shape
from workbench.lake.logs.writer import LogStats, Noted
from workbench.lake.shown import Shown

if TYPE_CHECKING:
    from workbench.lake.lake import Lake

DATASET = "pii_access"
_LIST = pa.list_(pa.field("element", pa.string()))
SHAPE = Shape(
    DATASET,
    pa.schema(
        [
            ("access_id", pa.string()),
            ("happened_at", pa.timestamp("us", tz="UTC")),
            ("user", pa.string()),
            ("door", pa.string()),  # python | cli | notebook | …
            ("what", pa.string()),  # sql | search | order | export | save | …
            ("outcome", pa.string()),  # ok, or the code of an error
            ("datasets", _LIST),
            ("columns", _LIST),
            ("rows", pa.int64()),
            ("statement", pa.string()),
            ("purpose", pa.string()),
        ]
    ),
    identity=("access_id",),
    plain=frozenset({"access_id", "user", "door", "what", "outcome", "datasets", "columns"}),
    title="access log",
)


class Look:
    """An access that is under way: ``shown`` is what will be noted of it."""

    def __init__(self, shown: Shown) -> None:
        self.shown = shown

    def saw(self, **facts: Any) -> None:
        """What is known by now; fields of `Shown`."""
        self.shown = replace(self.shown, **facts)


class AccessLog:
    """The access log of one lake. ``spool`` as for `Log`; ``purpose`` is noted where an access names none."""

    def __init__(
        self,
        lake: Lake | Callable[[], Lake],
        spool: Path | None,
        *,
        user: str = "",
        door: str = "python",
        purpose: str = "",
        **more: Any,
    ) -> None:
        self.log = Log(lake, spool, SHAPE, to_row=_to_row, **more)
        self._who = {"user": user or None, "door": door}
        self._purpose = purpose

    def note(self, shown: Shown) -> None:
        """Remember an access, in microseconds. Never raises and never waits."""
        self.log.note((self._who, shown if shown.purpose else replace(shown, purpose=self._purpose)))

    @contextmanager
    def looking(self, what: str, statement: str = "", *, purpose: str = "") -> Iterator[Look]:
        """Note what happens inside, also when it fails: an error can show values too."""
        look = Look(Shown(what, statement=statement, purpose=purpose))
        try:
            yield look
        except BaseException as error:
            look.saw(outcome=error.code if isinstance(error, WorkbenchError) else type(error).__name__)
            raise
        finally:
            self.note(look.shown)

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until every row is in the dataset; False when it is not."""
        return self.log.flush(timeout_s)

    def stats(self) -> LogStats:
        """What has become of the rows."""
        return self.log.stats()

    def close(self, *, write: bool = True, timeout_s: float = 10.0) -> None:
        """End it; see `Log.close`."""
        self.log.close(write=write, timeout_s=timeout_s)


def _to_row(noted: Noted) -> dict[str, Any]:
    who, shown = noted.what
    said = {name: value if value != "" else None for name, value in asdict(shown).items()}
    return {"access_id": secrets.token_hex(12), "happened_at": noted.at, **who, **said}
