"""Matching: who fits what, by trade and home, so that people are asked for work they do and near home."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.staffing.synthetic.draws import Draws, Ints

# More than there are states; and days of which every offset that is used is a positive number.
_STATES = 1_000
_DAY_ZERO = 5_000
_DAYS = 10_000


def share_out(wanted: Ints, offered: Ints) -> Ints:
    """For each seeker, who wants one of a kind, the position of an offer of that kind; the k-th seeker of a kind gets
    the k-th offer, and −1 when these have run out.
    """
    seekers, offers = np.argsort(wanted, kind="stable"), np.argsort(offered, kind="stable")
    kinds, there = wanted[seekers], offered[offers]
    turn = np.arange(len(kinds)) - np.searchsorted(kinds, kinds)
    position = np.searchsorted(there, kinds) + turn
    left = position < np.searchsorted(there, kinds, side="right")
    given = np.full(len(wanted), -1, dtype=np.int64)
    given[seekers[left]] = offers[position[left]]
    return given


@dataclass(frozen=True, slots=True)
class Near:
    """Positions 0 … n − 1 sorted by role and state."""

    positions: Ints
    keys: Ints

    @classmethod
    def of(cls, role: Ints, state: Ints) -> Near:
        """From the role and state codes of each position."""
        keys = role * _STATES + state
        order = np.argsort(keys, kind="stable")
        return cls(order, keys[order])

    def draw(self, draws: Draws, what: str, rows: Ints, role: Ints, state: Ints) -> Ints:
        """For each row a position of that role: in that state if there is one, else anywhere; if nobody has the role,
        any position.
        """
        low, high = self._span(role * _STATES + state, role * _STATES + state + 1)
        wide_low, wide_high = self._span(role * _STATES, (role + 1) * _STATES)
        nobody, stranger = wide_low == wide_high, low == high
        low = np.where(nobody, 0, np.where(stranger, wide_low, low))
        high = np.where(nobody, len(self.keys), np.where(stranger, wide_high, high))
        chosen: Ints = self.positions[low + draws.below(what, rows, high - low)]
        return chosen

    def _span(self, first: Ints, end: Ints) -> tuple[Ints, Ints]:
        return np.searchsorted(self.keys, first), np.searchsorted(self.keys, end)


@dataclass(frozen=True, slots=True)
class Recent:
    """Positions sorted by role and day."""

    positions: Ints
    keys: Ints

    @classmethod
    def of(cls, positions: Ints, role: Ints, day: Ints) -> Recent:
        """From positions with the role code and the day (an offset from the epoch) of each."""
        keys = role * _DAYS + day + _DAY_ZERO
        order = np.argsort(keys, kind="stable")
        return cls(positions[order], keys[order])

    def before(self, role: Ints, day: Ints, within_days: int) -> Ints:
        """The last position of that role before that day, but not longer before than ``within_days``; else −1."""
        asked = role * _DAYS + day + _DAY_ZERO
        last = np.searchsorted(self.keys, asked) - 1
        found = (last >= 0) & (asked - self.keys[last] <= within_days)
        return np.where(found, self.positions[last], np.int64(-1))
