"""Questions: sentences an analyst asks from day one, with the SQL that answers them."""

from __future__ import annotations

_CALLED_NEVER_PLACED = """\
SELECT c.candidate_id, c.first_name, c.last_name, c.state, count(*) AS calls, max(l.called_at) AS last_call
FROM candidates AS c
JOIN call_log AS l USING (candidate_id)
WHERE c.role = $role
  AND c.city = $city
  AND l.direction = 'outbound'
  AND NOT EXISTS (SELECT 1 FROM placements AS p WHERE p.candidate_id = c.candidate_id)
GROUP BY ALL
HAVING count(*) >= $calls
ORDER BY calls DESC, c.candidate_id"""


def called_never_placed_sql() -> str:
    """The sentence "every Java developer in Chicago we called five times and never placed", for any role and city.

    DuckDB SQL over ``candidates``, ``call_log`` and ``placements`` with the parameters ``$role``, ``$city`` (texts) and
    ``$calls`` (int: so many calls or more, only those we made). A row per candidate: candidate_id, first_name,
    last_name, state (a city may lie in two), calls and last_call; the most called first.
    """
    return _CALLED_NEVER_PLACED
