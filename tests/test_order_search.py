"""From an order's text to the workers: everybody who may be sent is found, nobody else, and the funnel says why."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

import workbench
from workbench.errors import NotFoundError
from workbench.session import Workbench
from workbench.staffing import Scenario, scenarios, write_csvs
from workbench.staffing.order_conditions import PITCH_BLOCKS_DAYS, called_sql
from workbench.staffing.order_search import OrderAnswer
from workbench.staffing.synthetic import scenarios as told

TODAY = date(2026, 11, 20)  # a Friday
ALL = scenarios()
READ = ("workers", "credentials", "assignments", "do_not_return", "submissions", "clients", "places", "placements")
# A scenario's reason → how the gate is called that drops him.
GATES = {
    "inactive": "available", "role": "role ", "city": "in ", "shift": "offer ", "expired": "hold ",
    "must": ("hold ", "list "), "double_booked": "not booked", "do_not_return": "not barred by",
    "already_pitched": "not shown to", "must_not": "not Mike R.",
}  # fmt: skip
NEEDS_CLIENT = {"do_not_return", "already_pitched"}


@pytest.fixture(scope="module")
def wb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A lake with the smallest set, of another seed than the demo's."""
    folder = tmp_path_factory.mktemp("orders")
    write_csvs(folder / "csv", workers=400, seed=99)
    with workbench.connect(folder / "lake", environ={}, search_log="false") as wb:
        for name in READ:
            wb.ingest(folder / "csv" / f"{name}.csv")
        yield wb


@pytest.fixture(scope="module")
def answers(wb: Workbench) -> dict[int, OrderAnswer]:
    """The answer to each scenario, by its number, as long as there is anybody."""
    found = {scenario.number: wb.order(scenario.order_text, today=TODAY, k=1000) for scenario in ALL}
    assert all(len(answer) == 1 for answer in found.values())
    return {number: answer[0] for number, answer in found.items()}


by_number = pytest.mark.parametrize("scenario", ALL, ids=lambda scenario: f"{scenario.number:02d}-{scenario.trap}")


def unknowable(answer: OrderAnswer) -> set[str]:
    """Reasons that no reader can know: the text does not say for whom it is."""
    return set() if answer.order.to_search().client_id else NEEDS_CLIENT


@by_number
def test_who_may_be_sent_is_found_and_who_may_not_is_not(answers, scenario: Scenario):
    answer = answers[scenario.number]
    found = {hit.id for hit in answer.results.hits}
    assert set(scenario.eligible) <= found
    assert found & {who.id for who in scenario.forbidden if who.reason not in unknowable(answer)} == set()


@by_number
def test_the_gate_that_drops_him_is_the_reason_that_forbids_him(wb, answers, scenario: Scenario):
    answer = answers[scenario.number]
    for who in scenario.forbidden:
        if who.reason == "phantom":
            with pytest.raises(NotFoundError):
                wb.why_not(who.id, answer.results.query, **answer.options)
        elif not who.also and who.reason not in unknowable(answer):
            assert wb.why_not(who.id, answer.results.query, **answer.options).gate.startswith(GATES[who.reason])


def test_only_three_scenarios_do_not_say_for_whom_they_are_and_one_of_them_would_have_to(answers):
    silent = {number: answer for number, answer in answers.items() if unknowable(answer)}
    assert set(silent) == {6, 17, 40}
    assert {s.number for s in ALL for who in s.forbidden if who.reason in unknowable(answers[s.number])} == {17}
    assert all("does not say who the client is" in " ".join(answer.notes) for answer in silent.values())


@by_number
def test_the_funnel_counts_every_condition_down_to_the_answer(answers, scenario: Scenario):
    answer = answers[scenario.number]
    steps = answer.results.funnel
    assert [step.name for step in steps][-len(answer.conditions) :] == [c.name for c in answer.conditions]
    assert all(before.rows >= after.rows for before, after in pairwise(steps))
    assert steps[-1].rows == len(answer.results.hits)


def test_the_plain_order_goes_through_every_gate(answers):
    assert [c.name for c in answers[1].conditions] == [
        "available",
        "offer 1st shift",
        "hold Forklift Certification (valid on 23 Nov)",
        "not barred by Hollis & Vane Distribution",
        "not booked for 1st shift on 23 Nov",
        "not shown to Hollis & Vane Distribution since 22 Aug",
    ]


def test_how_long_a_client_is_not_shown_somebody_again():
    assert PITCH_BLOCKS_DAYS == told.PITCH_BLOCKS_DAYS


ROSTER = """worker_id,name,role,city,state,skills,certifications,availability,resume_text
1,Ann Lee,Welder,Gary,IN,MIG; TIG,OSHA-10,0.9,Welder. Open to 1st shift (days).
2,Bo O'Neil,Welder,Gary,IN,MIG,OSHA-10; AWS D1.1,0.9,Welder. Open to 3rd shift (nights).
3,Bo Oster,Welder,Gary,IN,MIG; JavaScript,,0.9,Welder. Open to 1st shift (days) and 3rd shift (nights).
4,Cy Diaz,Welder,Gary,IN,MIG,,0.0,Welder. Open to 1st shift (days).
5,Bob Ohm,Welder,Gary,IN,Java,,0.9,Welder. Open to 1st shift (days).
"""
CLIENTS = "client_id,name,city,state,contact_name\nCL-1,Acme Steel Works,Gary,IN,Joan Park\n"
MORE = {
    "clients": CLIENTS,
    "assignments": "assignment_id,worker_id,client_id,shift,start,end\n"
    "A-1,1,CL-1,1st,2026-03-01,2026-04-01\nA-2,3,CL-1,1st,2026-11-24,2026-12-01\n",
    # A row without a worker must not make "not among these" unknown for everybody.
    "do_not_return": "client_id,worker_id,since,reason\nCL-1,5,2026-01-01,late\nCL-1,,2026-01-01,lost\n"
    "CL-1,2,2027-01-01,not yet\n",
}


def desk(folder: Path, **tables: str) -> Workbench:
    """A lake with these tables as CSV."""
    wb = workbench.connect(folder / "lake", environ={}, search_log="false")
    for name, text in tables.items():
        (folder / f"{name}.csv").write_text(text)
        wb.ingest(folder / f"{name}.csv")
    return wb


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    with desk(tmp_path_factory.mktemp("small"), workers=ROSTER, **MORE) as wb:
        yield wb


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    with desk(tmp_path_factory.mktemp("bare"), workers=ROSTER) as wb:
        yield wb


def found(wb: Workbench, text: str) -> set[int]:
    (answer,) = wb.order(text, today=TODAY)
    assert answer.results
    return {int(hit.id) for hit in answer.results.hits}


def said(wb: Workbench, text: str) -> str:
    (answer,) = wb.order(text, today=TODAY)
    return " ".join(answer.notes)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("2 welders in Gary", {1, 2, 3, 5}),
        ("2 welders in Gary, days", {1, 3, 5}),
        ("2 welders in Gary, must have OSHA-10", {1, 2}),
        ("2 welders in Gary, not W-1", {2, 3, 5}),
        ("2 welders in Gary, not Bo Oster", {1, 2, 5}),
        ("2 welders in Gary, not Bo O.", {1, 5}),
    ],
)
def test_a_roster_alone_is_enough_to_search(bare, text, ids):
    assert found(bare, text) == ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("2 welders in Gary", {1, 2, 3, 5}),
        ("Acme Steel Works needs 2 welders in Gary", {1, 2, 3}),
        ("Acme Steel Works needs 2 welders in Gary, 1st shift, starting 11/25", {1}),
        ("Acme Steel Works needs 2 welders in Gary, 3rd shift, starting 11/25", {2, 3}),
        ("Acme Steel Works needs 2 welders in Gary, 1st shift, starting 11/23", {1, 3}),
        ("Acme Steel Works needs 2 welders in Gary, not the guys from last time", {2, 3}),
    ],
)
def test_bans_bookings_and_last_time_count_for_the_client_who_asks(small, text, ids):
    assert found(small, text) == ids


def test_what_could_not_be_checked_is_said(bare, small):
    assert said(small, "Acme Steel Works needs 2 welders in Gary, starting 11/25") == ""
    assert "the text does not say who the client is" in said(bare, "2 welders in Gary")
    assert "Who is booked: the lake has no dataset assignments" in said(bare, "2 welders in Gary, starting 11/25")
    assert "called Zed Quine: nobody was left out" in said(bare, "2 welders in Gary, not Zed Quine")


def test_an_id_of_another_kind_bars_nobody_and_says_so(tmp_path):
    bans = "client_id,worker_id,since,reason\nCL-1,W-five,2026-01-01,late\n"
    with desk(tmp_path, workers=ROSTER, clients=CLIENTS, do_not_return=bans) as wb:
        text = "Acme Steel Works needs 2 welders in Gary"
        assert found(wb, text) == {1, 2, 3, 5}
        assert "no dataset do_not_return about workers" in said(wb, text)


def test_a_roster_without_cities_and_roles_is_searched_and_that_is_said(tmp_path):
    with desk(tmp_path, workers="worker_id,resume_text\n1,Welder in Gary.\n2,Cook in Flint.\n") as wb:
        text = "2 welders in Gary, IN, OSHA-10 required, not Ann Lee"
        assert found(wb, text) == {1, 2}
        notes = said(wb, text)
    for what in ("role Welder", "city Gary", "state IN", "OSHA-10", "Ann Lee"):
        assert what in notes


def test_a_refused_shift_bars_only_who_offers_no_other(bare):
    assert found(bare, "2 welders in Gary, no night shift people") == {1, 3, 5}


def test_each_name_tells_how_many_it_barred(bare):
    (answer,) = bare.order("2 welders in Gary, not Bo O.", today=TODAY)
    assert answer.conditions[-1].name == "not Bo O. (2 of that name)"


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("Bo O'Neil", {"Bo O'Neil", "bo o'neil"}),
        ("Bo O.", {"Bo O'Neil", "Bo Oster", "bo o'neil", "Bo van Ohm"}),
        ("B. Oster", {"Bo Oster"}),
        ("Oster", set()),
        ("Bo (x", set()),
    ],
)
def test_a_name_is_a_roster_name_in_full_or_with_an_initial(name, called):
    rows = ["Bo O'Neil", "bo o'neil", "Bo Oster", "Bo van Ohm", "Bob Ohm", "Ann Lee", "Nobo Oster"]
    with duckdb.connect() as con:
        sql = f"SELECT name FROM (SELECT unnest(?::VARCHAR[]) AS name) WHERE {called_sql('name', name)}"
        assert {row[0] for row in con.execute(sql, [rows]).fetchall()} == called


@pytest.mark.parametrize(
    ("count", "k"), [("a welder", 10), ("3 welders", 10), ("20 welders", 60), ("450 welders", 1000)]
)
def test_three_for_each_place_are_shown_and_ten_at_least(bare, count, k):
    (answer,) = bare.order(f"{count} in Gary", today=TODAY)
    assert answer.options["k"] == k


def test_two_orders_in_one_text_are_two_answers(bare):
    both = bare.order("2 welders and 3 packers for Gary, IN", today=TODAY)
    assert [(one.order.role.value, one.order.count.value) for one in both] == [("Welder", 2), ("Packer", 3)]
    assert [len(one.results.hits) for one in both] == [4, 0]


def test_a_text_that_asks_for_nobody_runs_no_search(bare):
    (answer,) = bare.order("hello there", today=TODAY)
    assert answer.results is None
    assert answer.notes[0].startswith("The text names no role")
    assert answer.to_dict()["results"] is None


def test_a_role_by_a_title_of_the_dictionary_is_known(bare):
    (answer,) = bare.order("need 2 tig welder fabricators in Gary", today=TODAY)
    assert answer.results.hits


def test_the_json_form_tells_each_field_with_its_words(small):
    text = "Acme Steel Works needs 2 welders in Gary, 1st shift, starting 11/25, $24/hr, zorble"
    (answer,) = small.order(text, today=TODAY)
    told = json.loads(json.dumps(answer.to_dict(), default=str))
    assert told["order"]["role"] == {"value": "Welder", "words": "welders", "span": [25, 32], "sure": 1.0}
    assert told["order"]["pay"]["value"] == {"low": 24.0, "high": 24.0}
    assert [one["words"] for one in told["order"]["unparsed"]] == ["zorble"]
    assert [one["kind"] for one in told["conditions"]] == ["available", "shift", "do_not_return", "booked"]
    assert len(told["results"]["hits"]) == 1
