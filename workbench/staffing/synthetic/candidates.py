"""Candidates: the applicant file of the branches, 15 columns; a fifth of them are also on the roster of workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.staffing.synthetic.days import Days
from workbench.staffing.synthetic.draws import Draws, Flags, Ints
from workbench.staffing.synthetic.people import draw_crowd, emails, homes, name_codes
from workbench.staffing.synthetic.phones import CANDIDATE_PEOPLE, phones
from workbench.staffing.synthetic.size import Size
from workbench.staffing.synthetic.slots import CANDIDATES, FIRST_SLOT, WORKERS
from workbench.staffing.synthetic.texts import decimals, where, words
from workbench.staffing.synthetic.vocabulary import Vocabulary

CALLED_OFTEN = 5
PLACED_PER_MILLE = 430
WORKERS_PER_CANDIDATE = 5


@dataclass(frozen=True, slots=True)
class Candidates:
    """The candidates by position 0 … n − 1 (``CAN-0000001`` is position 0), as codes and flags.

    ``placed`` ones have at least one placement. ``calls_out`` and ``calls_in`` are the least numbers of calls made to
    and got from each; who was never placed has exactly these, so ``called_in_vain`` is complete.
    """

    rows: Ints
    people: Ints
    """The number that names, phones and addresses are drawn for: a worker's id, or one of their own."""
    first: Ints
    last: Ints
    role: Ints
    place: Ints
    blocked: Flags
    placed: Flags
    calls_out: Ints
    calls_in: Ints
    created: Ints

    @property
    def called_in_vain(self) -> Flags:
        """Called five times or more and never placed."""
        return (self.calls_out >= CALLED_OFTEN) & ~self.placed


def draw_candidates(draws: Draws, vocabulary: Vocabulary, size: Size) -> Candidates:
    """Decide who the candidates are and what became of them (a few arrays of ``size.candidates`` numbers)."""
    rows = np.arange(1, size.candidates + 1)
    planted = CANDIDATES.at(rows, *CANDIDATES.position)
    workers = rows * WORKERS_PER_CANDIDATE
    on_roster = draws.chance("on roster", rows, 200) & ~planted & (workers <= size.workers)
    on_roster &= (workers >= FIRST_SLOT - 1) & ~WORKERS.at(workers, *WORKERS.position)
    crowd = draw_crowd(draws, vocabulary, workers)
    role = np.where(on_roster, crowd.role, draws.weighted("candidate role", rows, [r.weight for r in vocabulary.roles]))
    place = draws.weighted("candidate place", rows, [place.weight for place in vocabulary.places])
    place = np.where(on_roster, crowd.place, place)
    java = CANDIDATES.at(rows, *(kind for kind in CANDIDATES.position if kind.startswith("java_chicago")))
    people = np.where(on_roster, workers, CANDIDATE_PEOPLE + rows)
    first, last = name_codes(draws, vocabulary, people)
    blocked = draws.chance("blocked", rows, 15) & ~planted | CANDIDATES.at(rows, "blocked_but_placed")
    often = draws.chance("called in vain", rows, 25) & ~planted | CANDIDATES.at(rows, "java_chicago_five_calls")
    must_place = CANDIDATES.at(rows, "blocked_but_placed", "placed_before_created", "java_chicago_six_calls_placed")
    placed = draws.chance("placed", rows, PLACED_PER_MILLE) & ~java & ~often & ~blocked | must_place
    out = np.where(
        placed, draws.between("calls to placed", rows, 3, 9), draws.below("calls to idle", rows, CALLED_OFTEN)
    )
    out = np.where(often, CALLED_OFTEN + draws.below("calls in vain", rows, 5), out)
    four = CANDIDATES.at(rows, "java_chicago_four_calls", "java_chicago_four_out_two_in")
    created = draws.between("created", rows, -1500, -430)
    return Candidates(
        rows=rows,
        people=people,
        first=first,
        last=last,
        role=np.where(java, vocabulary.role_code("Java Developer"), role),
        place=np.where(java, vocabulary.place_code("Chicago, IL"), place),
        blocked=blocked,
        placed=placed,
        calls_out=np.where(four, 4, np.where(CANDIDATES.at(rows, "java_chicago_six_calls_placed"), 6, out)),
        calls_in=np.where(four, 2, draws.below("calls from", rows, 4)),
        created=np.where(
            CANDIDATES.at(rows, "placed_before_created"), draws.between("created late", rows, -20, -2), created
        ),
    )


def _years(draws: Draws, rows: Ints) -> Ints:
    """Years of experience: few have many."""
    return np.minimum(draws.below("candidate years", rows, 31), draws.below("candidate years again", rows, 31))


def candidate_ids(rows: Ints) -> Any:
    """Rows 1, 2, … as ``CAN-0000001``, …"""
    return pc.binary_join_element_wise("CAN-", pc.utf8_lpad(pc.cast(pa.array(rows), pa.string()), 7, "0"), "")


def candidate_table(draws: Draws, vocabulary: Vocabulary, days: Days, candidates: Candidates) -> pa.Table:
    """``candidates``: candidate_id, first_name, last_name, email, phone, city, state, zip, role, skills,
    years_experience int64, desired_pay decimal dollars an hour, status, source, created_on date32.
    """
    rows, role = candidates.rows, candidates.role
    phrases = vocabulary.phrases["candidate"]
    # A shared phone is the one of the row above; the people differ.
    callers = np.where(CANDIDATES.at(rows, "shared_phone"), np.roll(candidates.people, 1), candidates.people)
    mails = emails(draws, vocabulary, candidates.first, candidates.last, candidates.people)
    cities, states, zips = homes(draws, vocabulary, candidates.place, candidates.people)
    low, high = np.array([entry.pay_cents for entry in vocabulary.roles]).T
    pay = draws.between("desired pay", rows, low[role] // 50, high[role] // 50) * 50
    skills = vocabulary.skill_lists
    status = words(phrases["statuses"], draws.below("candidate status", rows, len(phrases["statuses"])))
    return pa.table(
        {
            "candidate_id": candidate_ids(rows),
            "first_name": words(vocabulary.first, candidates.first),
            "last_name": words(vocabulary.last, candidates.last),
            "email": where(CANDIDATES.at(rows, "email_without_at"), pc.replace_substring(mails, "@", "."), mails),
            "phone": phones(draws, callers),
            "city": cities,
            "state": states,
            "zip": zips,
            "role": words([entry.name for entry in vocabulary.roles], role),
            "skills": skills.take(role, draws.below("candidate skills", rows, skills.lengths[role])),
            "years_experience": pa.array(_years(draws, rows)),
            "desired_pay": decimals(pay, 2),
            "status": where(candidates.blocked, "blocked", status),
            "source": words(phrases["sources"], draws.below("source", rows, len(phrases["sources"]))),
            "created_on": days.dates(candidates.created),
        }
    )
