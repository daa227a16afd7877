"""Chosen: the rows that a search may return, as row numbers or as a mask, whichever is cheaper where it is used."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from workbench.search.vectors.index import Allowed, Ids, as_ids, check_mask
from workbench.search.vectors.scan import ascending

Mask: TypeAlias = NDArray[np.bool_]

# Looking up a few rows in ascending row numbers is cheaper than making a mask of all.
_LOOK_UP = 4096


class Chosen:
    """Some of the rows 0 … ``total`` − 1. Not changed by anybody; made anew for each search."""

    def __init__(self, total: int, *, rows: Ids | None = None, mask: Mask | None = None) -> None:
        self.total = total
        self._rows = rows
        self._mask = mask
        self.count = int(np.count_nonzero(mask)) if mask is not None else len(rows) if rows is not None else total

    @classmethod
    def of(cls, allowed: Allowed | None, members: Chosen) -> Chosen:
        """``allowed`` row numbers (any order, unknown ones passed over) or mask (total,), as far as in ``members``.

        Raises InvalidError for anything else.
        """
        if allowed is None:
            return members
        total = members.total
        if isinstance(allowed, np.ndarray) and allowed.dtype == np.bool_:
            mask: Mask = allowed.view(np.bool_)
            check_mask(mask, total)
            return cls(total, mask=mask if members.everything else mask & members.mask())
        rows = ascending(as_ids(allowed))
        if len(rows) and (rows[0] < 0 or rows[-1] >= total):
            rows = rows[slice(*np.searchsorted(rows, (0, total)))]
        return cls(total, rows=rows if members.everything else rows[members.holds(rows)])

    @property
    def everything(self) -> bool:
        """Whether all rows are chosen."""
        return self.count == self.total

    def mask(self) -> Mask:
        """A mask over all rows."""
        if self._mask is None:
            self._mask = np.full(self.total, self._rows is None)
            if self._rows is not None:
                self._mask[self._rows] = True
        return self._mask

    def rows(self) -> Ids:
        """The chosen row numbers, ascending."""
        if self._rows is None:
            self._rows = np.arange(self.total) if self._mask is None else np.flatnonzero(self._mask)
        return self._rows

    def ready_rows(self) -> Ids | None:
        """The row numbers if they are there already."""
        return self._rows

    def holds(self, rows: Ids) -> Mask:
        """Which of ``rows`` (numbers of rows that exist) are chosen."""
        if self._mask is None and self._rows is None:
            return np.ones(len(rows), np.bool_)
        if self._mask is None and self._rows is not None and len(rows) <= _LOOK_UP:
            places = np.searchsorted(self._rows, rows)
            places[places == len(self._rows)] = 0
            found: Mask = self._rows[places] == rows if len(self._rows) else np.zeros(len(rows), np.bool_)
            return found
        return self.mask()[rows]
