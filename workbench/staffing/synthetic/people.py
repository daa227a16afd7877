"""People: the crowd of workers, drawn by id, and the identity columns every table of people shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.staffing.synthetic.draws import Draws, Flags, Ints
from workbench.staffing.synthetic.slots import BOOKED, WORKERS
from workbench.staffing.synthetic.texts import Ragged, join, numbers, where, words
from workbench.staffing.synthetic.vocabulary import Vocabulary, fold

FULL_SCORE = 10_000
INACTIVE_PER_MILLE = 80
LAPSED_PER_MILLE = 60

_DOMAINS = ("@example.com", "@example.org", "@example.net")


@dataclass(frozen=True, slots=True)
class Crowd:
    """Workers by id, before they become text. Arrays of length n: int64 codes and flags.

    ``twins`` is the id whose name, phone and home a row has (itself, but for a planted duplicate); ``shifts`` bit 0 …
    3 = 1st, 2nd, 3rd, weekend; ``holds`` bool[n, j] = holds credential j of the role; ``availability`` 0 … 10,000, 0 is
    inactive; ``lapsed``: the role's required credential ran out within the last four weeks.
    """

    ids: Ints
    twins: Ints
    role: Ints
    place: Ints
    shifts: Ints
    holds: NDArray[np.bool_]
    availability: Ints
    lapsed: Flags


def draw_crowd(draws: Draws, vocabulary: Vocabulary, ids: Ints) -> Crowd:
    """The workers of these ids; no worker depends on another, so any chunking gives the same people."""
    role = draws.weighted("role", ids, [role.weight for role in vocabulary.roles])
    role[WORKERS.at(ids, "expired_on_shift", "expires_before_issued")] = vocabulary.role_code("Forklift Operator")
    twins = np.where(WORKERS.at(ids, "duplicate_person"), ids - 1, ids)
    place = draws.weighted("place", twins, [place.weight for place in vocabulary.places])
    place[WORKERS.at(ids, "zip_without_leading_zero")] = vocabulary.place_code("Newark, NJ")
    inactive = draws.chance("inactive", ids, INACTIVE_PER_MILLE) & ~WORKERS.at(ids, *BOOKED)
    inactive |= WORKERS.at(ids, "inactive_on_assignment")
    lapsed = draws.chance("lapsed", ids, LAPSED_PER_MILLE) & ~WORKERS.at(ids, *BOOKED)
    available = (
        draws.between("available 1", ids, 1, FULL_SCORE) + draws.between("available 2", ids, 1, FULL_SCORE)
    ) // 2
    rates = vocabulary.credential_rates
    columns = [draws.chance(f"holds {j}", ids, rates[role, j]) for j in range(rates.shape[1])]
    return Crowd(
        ids=ids,
        twins=twins,
        role=role,
        place=place,
        shifts=draws.weighted_by("shifts", ids, role, vocabulary.worker_shifts),
        holds=np.column_stack(columns),
        availability=np.where(inactive, 0, available),
        lapsed=lapsed | WORKERS.at(ids, "expired_on_shift"),
    )


def name_codes(draws: Draws, vocabulary: Vocabulary, people: Ints) -> tuple[Ints, Ints]:
    """First- and last-name codes, drawn apart from each other and from everything else about a person."""
    first = draws.below("first name", people, len(vocabulary.first))
    return first, draws.below("last name", people, len(vocabulary.last))


def emails(draws: Draws, vocabulary: Vocabulary, first: Ints, last: Ints, people: Ints) -> Any:
    """Addresses under example.com, .org and .net, unique by the number in them."""
    folded_first = words([fold(name) for name in vocabulary.first], first)
    folded_last = words([fold(name) for name in vocabulary.last], last)
    dots = words([".", "_", ""], draws.below("address style", people, 3))
    return join([folded_first, dots, folded_last, numbers(people), words(_DOMAINS, draws.below("domain", people, 3))])


def homes(draws: Draws, vocabulary: Vocabulary, place: Ints, people: Ints) -> tuple[Any, Any, Any]:
    """City, state and ZIP columns of the places; the ZIP is text and keeps its leading zero."""
    cities = words([entry.city for entry in vocabulary.places], place)
    states = words([entry.state for entry in vocabulary.places], place)
    zips: Ragged = vocabulary.zips
    return cities, states, zips.take(place, draws.below("zip", people, zips.lengths[place]))


def wrong_states(draws: Draws, planted: Flags, states: Any, rows: Ints) -> Any:
    """The states with a neighbour's in the planted rows, one in which none of the places lies."""
    return where(planted, words(["IA", "MN", "NE"], draws.below("wrong state", rows, 3)), states)
