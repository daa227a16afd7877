"""Workers: the 18 columns of the roster, made chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.staffing.synthetic.days import Days
from workbench.staffing.synthetic.draws import Draws
from workbench.staffing.synthetic.people import Crowd, emails, homes, name_codes, wrong_states
from workbench.staffing.synthetic.phones import phones
from workbench.staffing.synthetic.resumes import communications, resumes
from workbench.staffing.synthetic.slots import WORKERS
from workbench.staffing.synthetic.texts import decimals, join, where, words
from workbench.staffing.synthetic.vocabulary import Vocabulary

SCORES = ("reliability", "responsiveness", "engagement", "compliance")


def worker_table(draws: Draws, vocabulary: Vocabulary, days: Days, crowd: Crowd) -> pa.Table:
    """The crowd as the 18 columns of ``workers``: worker_id int64, the five scores decimal 0 … 1 with four places, all
    others text. No certifications is null.
    """
    names, mails, numbers = _identity(draws, vocabulary, crowd)
    cities, states, zips = homes(draws, vocabulary, crowd.place, crowd.twins)
    ids = crowd.ids
    archetypes = vocabulary.phrases["worker"]["archetypes"]
    archetype = draws.below("archetype", ids, len(archetypes))
    masks = (crowd.holds << np.arange(crowd.holds.shape[1])).sum(axis=1).astype(np.int64)
    columns: dict[str, Any] = {
        "worker_id": pa.array(ids),
        "name": names,
        "role": words([role.name for role in vocabulary.roles], crowd.role),
        "email": mails,
        "phone": numbers,
        "city": cities,
        "state": wrong_states(draws, WORKERS.at(ids, "city_state_mismatch"), states, ids),
        "zip": where(WORKERS.at(ids, "zip_without_leading_zero"), pc.utf8_ltrim(zips, "0"), zips),
        "skills": _skills(draws, vocabulary, crowd),
        "certifications": vocabulary.certifications.take(crowd.role, masks),
        "archetype": words(archetypes, archetype),
    }
    ranges = np.asarray(vocabulary.phrases["worker"]["scores"], dtype=np.int64) * 10
    for n, score in enumerate(SCORES):
        low, high = ranges[archetype, 2 * n], ranges[archetype, 2 * n + 1]
        columns[score] = decimals(draws.between(score, ids, low, high), 4)
    columns["availability"] = decimals(crowd.availability, 4)
    columns["communications"] = communications(draws, vocabulary, days, crowd)
    columns["resume_text"] = resumes(draws, vocabulary, crowd, {"name": names, "email": mails, "phone": numbers})
    return pa.table(columns)


def _identity(draws: Draws, vocabulary: Vocabulary, crowd: Crowd) -> tuple[Any, Any, Any]:
    """Name, email and phone; a planted duplicate has the name and phone of the row above, but an address of his own."""
    first, last = name_codes(draws, vocabulary, crowd.twins)
    shared = WORKERS.at(crowd.ids, "shared_phone")
    above, _ = name_codes(draws, vocabulary, crowd.ids - 1)
    first = np.where(shared, (above + 1) % len(vocabulary.first), first)
    names = join([words(vocabulary.first, first), " ", words(vocabulary.last, last)])
    mails = emails(draws, vocabulary, first, last, crowd.ids)
    return names, mails, phones(draws, np.where(shared, crowd.ids - 1, crowd.twins))


def _skills(draws: Draws, vocabulary: Vocabulary, crowd: Crowd) -> Any:
    ids = crowd.ids
    general = vocabulary.phrases["worker"]["general_skills"]
    chosen = vocabulary.skill_lists.take(
        crowd.role, draws.below("skills", ids, vocabulary.skill_lists.lengths[crowd.role])
    )
    extra = words([word or None for word in general], draws.below("general skill", ids, len(general)))
    return join([chosen, extra], "; ", skip_nulls=True)
