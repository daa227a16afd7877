"""What somebody was shown of personal data as it is, or wrote out of the lake: told to whoever keeps the access log."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from workbench.lake.tables.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Shown:
    """One access to unmasked personal data.

    ``what``: the verb (sql, search, order, export, save, …). ``columns``: those that hold personal data, of the answer,
    or of the datasets where an answer is not made yet. ``statement``: what was asked, in its words. ``outcome``: ok, or
    the code of the error that ended it. ``rows``: how many there were, where that is known.
    """

    what: str
    datasets: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    statement: str = ""
    purpose: str = ""
    rows: int | None = None
    outcome: str = "ok"


Noting = Callable[[Shown], None]


def nobody(shown: Shown) -> None:
    """For a lake that is opened without an access log, by the product's own parts."""


def of(what: str, manifests: Iterable[Manifest], *, statement: str = "", rows: int | None = None) -> Shown:
    """An access to these versions of datasets, whichever of their columns it is."""
    known = {f"{one.name}@{one.version}": one for one in manifests}
    columns = dict.fromkeys(name for one in known.values() for name in one.pii)
    return Shown(what, tuple(sorted(known)), tuple(columns), statement, rows=rows)
