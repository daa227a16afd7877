"""Questions: sentences an analyst asks from day one, with the SQL that answers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CALLED_NEVER_PLACED_SQL = """\
SELECT c.candidate_id, c.first_name, c.last_name, c.state, count(*) AS calls, max(l.called_at) AS last_call
FROM candidates AS c
JOIN call_log AS l USING (candidate_id)
WHERE c.role = $role
  AND c.city = $city
  AND l.direction = 'outbound'
  AND NOT EXISTS (FROM placements AS p WHERE p.candidate_id = c.candidate_id)
GROUP BY ALL
HAVING count(*) >= $calls
ORDER BY calls DESC, c.candidate_id"""


@dataclass(frozen=True, slots=True)
class Question:
    """A sentence, its SQL with bind parameters, and their values."""

    sentence: str
    sql: str
    parameters: Mapping[str, str | int]


def called_never_placed(role: str = "Java Developer", city: str = "Chicago", calls: int = 5) -> Question:
    """The sentence "every Java developer in Chicago we called five times and never placed", for any role and city.

    The answer has a row per candidate: candidate_id, first_name, last_name, state (a city may lie in two), calls (made
    to them, five or more) and last_call.
    """
    return Question(
        sentence=f"Every {role} in {city} we called {calls} times and never placed",
        sql=CALLED_NEVER_PLACED_SQL,
        parameters={"role": role, "city": city, "calls": calls},
    )
