"""Refusals: what a query leaves out, where the words alone would mislead.

"No nights" must leave out who works nights and keep who wrote "no night shift", though both name it.
"""

from __future__ import annotations

from workbench.lake.tables.manifest import Manifest
from workbench.lake.tables.mapping import quote
from workbench.staffing.order_fields import shift_named
from workbench.staffing.shifts import offers_shift_sql


def offered_sql(words: str, manifest: Manifest) -> str:
    """The SQL condition on a dataset of workers that a row offers the shift which ``words`` name.

    "" when they name none, or the dataset has no résumés to read it from.
    """
    column = manifest.column("resume_text")
    shift = shift_named(words) if column else None
    return offers_shift_sql(quote(column.name), shift) if column and shift else ""
