"""Résumés and contact logs: several lines of plain language a worker, stating the shifts he takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from workbench.staffing.shifts import SHIFTS, say_shifts
from workbench.staffing.synthetic.days import Days
from workbench.staffing.synthetic.draws import Draws, Flags, Ints
from workbench.staffing.synthetic.people import Crowd
from workbench.staffing.synthetic.slots import WORKERS
from workbench.staffing.synthetic.texts import join, where, words
from workbench.staffing.synthetic.vocabulary import MOST_YEARS, Vocabulary

# The only numbers here that look like a social security number: 078-05-1120 was printed on wallet inserts and
# 219-09-9999 in a brochure of the agency; both are void (ssa.gov, "Social Security Cards Issued by Woolworth").
SSN_SHAPES = (
    "SSN 078-05-1120",
    "soc sec 219 09 9999",
    "SS# 078.05.1120",
    "219\u201309\u20139999 (social)",
    "SSN: 078\u00a005\u00a01120",
    "social \uff10\uff17\uff18-\uff10\uff15-\uff11\uff11\uff12\uff10",
)


def resumes(draws: Draws, vocabulary: Vocabulary, crowd: Crowd, leaks: Mapping[str, Any]) -> Any:
    """``resume_text``: four to seven lines. ``leaks`` holds the ``name``, ``phone`` and ``email`` columns, which only
    the rows planted for it repeat.
    """
    ids = crowd.ids
    headline = _headline(draws, vocabulary, crowd)
    duties = vocabulary.duties
    first = draws.below("duty", ids, duties.lengths[crowd.role])
    second = (first + draws.between("other duty", ids, 1, duties.lengths[crowd.role] - 1)) % duties.lengths[crowd.role]
    tools = where(draws.chance("says tools", ids, 650), _tools(draws, vocabulary, crowd), None)
    closers = vocabulary.closers
    closer = closers.take(crowd.role, draws.below("closer", ids, closers.lengths[crowd.role]))
    lines = [
        headline,
        duties.take(crowd.role, first),
        where(draws.chance("says duty", ids, 800), duties.take(crowd.role, second), None),
        tools,
        _shift_line(draws, vocabulary, crowd.shifts, ids),
        where(draws.chance("says closer", ids, 800), closer, None),
        _leak_line(ids, leaks),
    ]
    return join(lines, "\n", skip_nulls=True)


def communications(draws: Draws, vocabulary: Vocabulary, days: Days, crowd: Crowd) -> Any:
    """``communications``: the last one to three contacts, newest first."""
    ids = crowd.ids
    notes = vocabulary.phrases["worker"]["notes"]
    said = [f"{channel}: {note}" for channel in notes for note in notes[channel]]
    newest = draws.between("contact 0", ids, -45, -1)
    middle = newest - draws.between("contact 1", ids, 2, 60)
    entries: list[Any] = []
    for n, day in enumerate((newest, middle, middle - draws.between("contact 2", ids, 2, 90))):
        entry = join([days.say(day, "iso"), " ", words(said, draws.below(f"note {n}", ids, len(said)))])
        entries.append(entry if n == 0 else where(draws.below("contacts", ids, 3) >= n, entry, None))
    leak = join(["gave ", words(SSN_SHAPES, ids // WORKERS.block % len(SSN_SHAPES)), " by phone"])
    return join([*entries, where(WORKERS.at(ids, "ssn_in_communications"), leak, None)], "; ", skip_nulls=True)


def _headline(draws: Draws, vocabulary: Vocabulary, crowd: Crowd) -> Any:
    ids, role = crowd.ids, crowd.role
    phrases = vocabulary.phrases["resume"]
    title_first = draws.chance("title first", ids, 650)
    patterns = [*phrases["title_first"], *phrases["years_first"]]
    split = len(phrases["title_first"])
    pattern = np.where(
        title_first,
        draws.below("title-first pattern", ids, split),
        split + draws.below("years-first pattern", ids, len(phrases["years_first"])),
    )
    starts_line = words([part[0] for part in patterns], pattern)
    title = 2 * draws.below("title", ids, vocabulary.titles.lengths[role] // 2)
    opens = title_first & np.asarray([part[0] == "" for part in patterns])[pattern]
    titles = vocabulary.titles.take(role, title + (~opens).astype(np.int64))
    years = words(
        _years(), np.minimum(draws.below("years 1", ids, MOST_YEARS), draws.below("years 2", ids, MOST_YEARS))
    )
    setting = vocabulary.settings.take(role, draws.below("setting", ids, vocabulary.settings.lengths[role]))
    return join(
        [
            starts_line,
            where(title_first, titles, years),
            words([part[1] for part in patterns], pattern),
            where(title_first, years, titles),
            words([part[2] for part in patterns], pattern),
            setting,
            words([part[3] for part in patterns], pattern),
        ]
    )


def _years() -> list[str]:
    return ["1 year", *(f"{n} years" for n in range(2, MOST_YEARS + 1))]


def _tools(draws: Draws, vocabulary: Vocabulary, crowd: Crowd) -> Any:
    ids, skills = crowd.ids, vocabulary.skills
    count = skills.lengths[crowd.role]
    first = draws.below("tool", ids, count)
    second = (first + draws.between("other tool", ids, 1, count - 1)) % count
    patterns = vocabulary.phrases["resume"]["tools"]
    pattern = draws.below("tool pattern", ids, len(patterns))
    return join(
        [
            words([part[0] for part in patterns], pattern),
            skills.take(crowd.role, first),
            words([part[1] for part in patterns], pattern),
            skills.take(crowd.role, second),
            words([part[2] for part in patterns], pattern),
        ]
    )


def _shift_line(draws: Draws, vocabulary: Vocabulary, shifts: Ints, ids: Ints) -> Any:
    """Every way to say each set of shifts, as one table; a fifth also says which shift they refuse."""
    phrases = vocabulary.phrases["resume"]
    offers = phrases["shifts"]
    table = [
        pattern.format(say_shifts(shifts_of(mask), detail=detail))
        for mask in range(1, 1 << len(SHIFTS))
        for pattern in offers
        for detail in (False, True)
    ]
    style = draws.below("shift style", ids, 2 * len(offers))
    said = words(table, (shifts - 1) * 2 * len(offers) + style)
    refused = draws.below("refused shift", ids, len(SHIFTS))
    refuses: Flags = draws.chance("refuses", ids, 280) & ((shifts >> refused & 1) == 0)
    refusals = [pattern.format(say_shifts((shift,))) for shift in SHIFTS for pattern in phrases["refusals"]]
    way = draws.below("refusal", ids, len(phrases["refusals"]))
    refusal = where(refuses, words(refusals, refused * len(phrases["refusals"]) + way), None)
    return join([said, refusal], " ", skip_nulls=True)


def shifts_of(mask: int) -> tuple[str, ...]:
    """The shifts of a bitmask: bit 0 is the 1st shift."""
    return tuple(shift for bit, shift in enumerate(SHIFTS) if mask >> bit & 1)


def _leak_line(ids: Ints, leaks: Mapping[str, Any]) -> Any:
    ssn = words([f"{shape}." for shape in SSN_SHAPES], ids // WORKERS.block % len(SSN_SHAPES))
    contact = join(["Call ", leaks["phone"], " or write to ", leaks["email"], "."])
    line = where(WORKERS.at(ids, "ssn_in_resume"), ssn, None)
    line = where(WORKERS.at(ids, "contact_in_resume"), contact, line)
    return where(WORKERS.at(ids, "name_in_resume"), join(["Ask for ", leaks["name"], "."]), line)
