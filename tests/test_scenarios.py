from __future__ import annotations

import re
from datetime import date, timedelta

import duckdb
import pytest

from workbench.staffing import (
    REASONS,
    SHIFTS,
    Scenario,
    offers_shift_sql,
    read_trades,
    scenarios,
    stated_shifts,
    write_csvs,
)
from workbench.staffing.synthetic.cast import read_cast

EPOCH = date(2026, 11, 20)
ALL = scenarios()
CAST = [worker.id for worker in read_cast().workers]
REQUIRED = {role.name: role.required for role in read_trades().roles}

# One row per gate that a worker fails for one order. Bind parameters are the expected parse.
GATES = """
WITH papers AS (SELECT unnest($papers::VARCHAR[]) AS paper),
held AS (SELECT worker_id, credential, max(expires) AS expires FROM credentials GROUP BY ALL)
SELECT worker_id, 'inactive' AS reason FROM workers WHERE availability = 0
UNION ALL SELECT worker_id, 'role' FROM workers WHERE role <> $role
UNION ALL SELECT worker_id, 'city' FROM workers WHERE city <> $city OR state <> $state
UNION ALL SELECT worker_id, 'shift' FROM workers WHERE NOT {offers}
UNION ALL SELECT DISTINCT w.worker_id, 'must' FROM workers w, papers
  WHERE NOT list_contains(string_split(w.skills, '; '), paper)
  AND NOT EXISTS (FROM held h WHERE h.worker_id = w.worker_id AND h.credential = paper)
UNION ALL SELECT DISTINCT h.worker_id, 'expired' FROM held h JOIN papers ON paper = h.credential
  WHERE h.expires < $start::DATE
UNION ALL SELECT DISTINCT worker_id, 'double_booked' FROM assignments WHERE $start::DATE BETWEEN start AND "end"
UNION ALL SELECT DISTINCT worker_id, 'do_not_return' FROM do_not_return
  WHERE client_id = $client_id AND since <= $start::DATE
UNION ALL SELECT DISTINCT worker_id, 'already_pitched' FROM submissions
  WHERE client_id = $client_id AND "at" >= $epoch::DATE - INTERVAL 90 DAY
UNION ALL SELECT worker_id, 'must_not' FROM workers
  WHERE list_contains($names::VARCHAR[], regexp_extract(name, '^\\S+ \\S') || '.')
"""


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """The CSV files of the smallest set, of another seed than any golden."""
    folder = tmp_path_factory.mktemp("scenarios")
    write_csvs(folder, workers=400, seed=99)
    return load(folder)


def load(folder) -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    for path in sorted(folder.glob("*.csv")):
        texts = [
            column
            for column in ("phone", "zip", "contact_phone")
            if column in path.read_text()[:400].split("\n")[0].split(",")
        ]
        types = ", ".join(f"'{column}': 'VARCHAR'" for column in texts)
        con.execute(
            f"CREATE TABLE {path.stem} AS FROM read_csv('{path}', header = true, sample_size = -1, types = {{{types}}})"
        )
    return con


def failures(lake: duckdb.DuckDBPyConnection, scenario: Scenario, epoch: date = EPOCH) -> dict[int, set[str]]:
    """The gates that each worker of the set fails, found by SQL over the files alone."""
    parse = scenario.parse
    papers = [*parse.must, *filter(None, [REQUIRED[parse.role]])]
    rows = lake.execute(
        GATES.format(offers=offers_shift_sql("resume_text", parse.shift)),
        {
            "papers": papers,
            "role": parse.role,
            "city": parse.city,
            "state": parse.state,
            "start": parse.start,
            "client_id": parse.client_id,
            "epoch": epoch,
            "names": [name for name in parse.must_not if name not in ("3rd shift",)],
        },
    ).fetchall()
    found: dict[int, set[str]] = {
        worker: set() for (worker,) in lake.execute("SELECT worker_id FROM workers").fetchall()
    }
    for worker, reason in rows:
        if worker in found:
            found[worker].add(reason)
    return found


by_number = pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: f"{scenario.number:02d}-{scenario.trap}")


@by_number
def test_exactly_the_eligible_of_the_cast_pass_every_gate(lake, scenario):
    failed = failures(lake, scenario)
    assert tuple(worker for worker in CAST if not failed[worker]) == scenario.eligible


@by_number
def test_each_forbidden_worker_fails_on_the_stated_reason_and_no_other(lake, scenario):
    failed = failures(lake, scenario)
    for forbidden in scenario.forbidden:
        if forbidden.reason == "phantom":
            assert forbidden.id not in failed
        else:
            assert forbidden.id in CAST
            assert failed[forbidden.id] == {forbidden.reason, *forbidden.also}


@by_number
def test_the_order_stands_in_job_orders_as_its_client_wrote_it(lake, scenario):
    parse = scenario.parse
    row = lake.execute(
        """SELECT order_text, role, city, state, count, shift, start_date, client_id, must, must_not, pay_rate
        FROM job_orders WHERE order_id = ?""",
        [scenario.order_id],
    ).fetchone()
    must, must_not = ("; ".join(items) or None for items in (parse.must, parse.must_not))
    expected = (
        scenario.order_text,
        parse.role,
        parse.city,
        parse.state,
        parse.count,
        parse.shift,
        parse.start,
        parse.client_id,
        must,
        must_not,
    )
    assert row[:10] == expected
    assert parse.pay is None or float(row[10]) == parse.pay
    assert lake.execute("SELECT name FROM clients WHERE client_id = ?", [parse.client_id]).fetchone() == (parse.client,)


@by_number
def test_the_text_says_what_the_parse_says(scenario):
    text, parse = scenario.order_text.lower(), scenario.parse
    counts = {
        1: r"\b(1|one)\b",
        2: r"\b(2|two)\b",
        3: r"\b(3|three)\b",
        4: r"\b(4|four)\b",
        5: r"\b(5|five)\b",
        6: r"\b(6|six|half a dozen)\b",
    }
    assert re.search(counts[parse.count], text)
    typos = {40: ["journeyman electrician"]}.get(scenario.number, [])
    for item in (*parse.must, *parse.must_not):
        assert item.lower() in text or item.lower() in typos or item == "3rd shift"
    assert parse.pay is None or f"{parse.pay:.2f}" in text
    assert parse.shift in SHIFTS
    assert not re.search(r"[{}]", scenario.order_text)


def test_forty_four_scenarios_and_one_day():
    assert len(ALL) == 44
    assert [scenario.number for scenario in ALL] == list(range(1, 45))
    assert [(s.time, s.parse.count) for s in ALL if s.time] == [
        ("08:00", 3),
        ("10:30", 2),
        ("12:15", 5),
        ("14:00", 4),
        ("15:45", 1),
    ]
    assert len({scenario.order_text for scenario in ALL}) == 44
    assert all(scenario.lesson and scenario.eligible and scenario.forbidden for scenario in ALL)


def test_every_reason_and_trap_occurs():
    assert {forbidden.reason for scenario in ALL for forbidden in scenario.forbidden} == set(REASONS)
    traps = {scenario.trap for scenario in ALL}
    assert {
        "synonym",
        "role_bleed",
        "same_city_name",
        "negation",
        "count_mismatch",
        "nights",
        "bilingual",
        "phantom",
    } <= traps
    assert {"pay_leak", "sms_length", "ssn_leak", "shortage", "unlawful_preference", "instruction_in_text"} <= traps


def test_only_the_shortage_has_fewer_eligible_than_asked():
    assert [s.trap for s in ALL if len(s.eligible) < s.parse.count] == ["shortage"]


def test_everybody_in_the_cast_has_a_part():
    parts = {worker for s in ALL for worker in (*s.eligible, *(forbidden.id for forbidden in s.forbidden))}
    assert set(CAST) <= parts


def test_no_resume_claims_the_skill_that_its_worker_is_forbidden_for(lake):
    notes = {worker.id: worker.note for worker in read_cast().workers}
    resumes = dict(lake.execute("SELECT worker_id, resume_text FROM workers").fetchall())
    lacking = [(s, forbidden.id) for s in ALL for forbidden in s.forbidden if forbidden.reason == "must"]
    assert len(lacking) >= 15
    skills = dict(lake.execute("SELECT worker_id, skills FROM workers").fetchall())
    for scenario, worker in lacking:
        drawn = resumes[worker].removesuffix(notes[worker])
        missing = [item for item in scenario.parse.must if item not in skills[worker].split("; ")]
        assert not [item for item in missing if item.lower() in drawn.lower()], f"W-{worker}: {drawn}"


def test_fill_drafts_deserve_their_verdict(lake):
    names = dict(lake.execute("SELECT worker_id, name FROM workers").fetchall())
    drafts = [scenario for scenario in ALL if scenario.draft and scenario.draft.kind == "fill"]
    assert len(drafts) >= 14
    for scenario in drafts:
        draft, parse = scenario.draft, scenario.parse
        ids = [int(fill["candidate_id"][2:]) for fill in draft.artifact["fills"]]
        assert draft.context["target_count"] == parse.count
        wrong = _fill_fault(ids, [fill["name"] for fill in draft.artifact["fills"]], scenario, names)
        assert (draft.expect, draft.finding) == wrong


def _fill_fault(ids, proposed, scenario, names):
    """The first fault of a fill, in the validators' order."""
    reasons = {forbidden.id: forbidden.reason for forbidden in scenario.forbidden}
    codes = {
        "phantom": ("Consistency", "phantom_id"),
        "inactive": ("Consistency", "inactive"),
        "role": ("Consistency", "role_mismatch"),
    }
    policy = {"expired": "expired_credential", "must_not": "excluded_by_order"}
    if len(ids) != scenario.parse.count:
        return "Completeness", "count_mismatch"
    if len(set(ids)) < len(ids):
        return "Consistency", "duplicate_id"
    for worker in ids:
        if worker in reasons:
            return codes.get(reasons[worker], ("Policy", policy.get(reasons[worker], reasons[worker])))
        assert worker in scenario.eligible
    same = all(names[worker] == name for worker, name in zip(ids, proposed, strict=True))
    return "passed", "" if same else "name_differs"


def test_message_drafts_deserve_their_verdict(lake):
    drafts = {s.trap: s.draft for s in ALL if s.draft and s.draft.kind != "fill"}
    assert set(drafts) == {"sms_length", "pay_leak", "pay_to_worker", "ssn_leak", "ssn_lookalikes"}
    assert len(drafts["sms_length"].artifact["body"]) > 160
    assert len(drafts["pay_to_worker"].artifact["body"]) <= 160
    assert f"${drafts['pay_to_worker'].context['pay_rate']:.2f}" in drafts["pay_to_worker"].artifact["body"]
    assert re.search(r"pay rate is \$\d", drafts["pay_leak"].artifact["body"])
    ssn = r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)"
    assert re.search(ssn, drafts["ssn_leak"].artifact["body"])
    assert not re.search(ssn, drafts["ssn_lookalikes"].artifact["body"])
    for draft in drafts.values():
        about = int(draft.context["candidate_id"][2:])
        name = lake.execute("SELECT name FROM workers WHERE worker_id = ?", [about]).fetchone()[0]
        assert name.split(" ")[0] in draft.artifact["body"]


def test_another_epoch_moves_every_date_and_keeps_every_answer(tmp_path):
    epoch = EPOCH - timedelta(days=70)
    write_csvs(tmp_path, workers=400, epoch=epoch)
    lake, moved = load(tmp_path), scenarios(epoch)
    assert [s.parse.start for s in moved] == [s.parse.start - timedelta(days=70) for s in ALL]
    assert "{" not in "".join(s.order_text for s in moved)
    for scenario in moved:
        failed = failures(lake, scenario, epoch)
        assert tuple(worker for worker in CAST if not failed[worker]) == scenario.eligible


def test_a_refused_shift_is_not_an_offered_one(lake):
    text = "Loves the dock.\nOpen to 2nd shift (evenings) and weekends. No 3rd shift.\nNever 1st shift, ask why."
    assert stated_shifts(text) == {"2nd", "weekend"}
    for shift in SHIFTS:
        offered = lake.execute(f"SELECT {offers_shift_sql('t', shift)} FROM (SELECT ? AS t)", [text]).fetchone()[0]
        assert offered == (shift in stated_shifts(text))


def test_sql_and_python_read_the_same_shifts_from_every_resume(lake):
    for shift in SHIFTS:
        rows = lake.execute(f"SELECT resume_text, {offers_shift_sql('resume_text', shift)} FROM workers").fetchall()
        assert all((shift in stated_shifts(text)) == offered for text, offered in rows)
        assert any(offered for _, offered in rows)
