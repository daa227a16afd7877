"""Gates: each condition of a search against SQL, the funnel that counts them, and what is refused."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

import workbench
from workbench.errors import InvalidError, NotFoundError, QueryError
from workbench.search.reading.asked import parse
from workbench.search.reading.gates import Limits
from workbench.search.reading.near import within
from workbench.session import Workbench
from workbench.staffing import read_places


def ids(found) -> set[int | str]:
    return {hit.id for hit in found.hits}


def sql_ids(wb: Workbench, condition: str) -> set[int | str]:
    table = wb.sql(f"SELECT worker_id FROM workers WHERE {condition}", show_pii=True).table
    return set(table.column(0).to_pylist())


def all_of(wb: Workbench, query: str, **options) -> set[int | str]:
    """Ids of every row that passes, for conditions that leave at most 1,000."""
    found = wb.search(query, k=1000, **options)
    assert len(found.hits) == found.matching <= 1000
    return ids(found)


@pytest.mark.parametrize(
    "where",
    [
        "state = 'OH'",
        "reliability > 0.9 AND city <> 'Chicago'",
        "city IN ('Gary', 'Joliet') OR worker_id < 50",
        "phone LIKE '%0155' -- a comment",
        "worker_id IN (SELECT max(worker_id) FROM workers GROUP BY city)",
        "NULL",
        "worker_id % 7 = 0",
    ],
)
def test_where_is_any_sql_condition(staffed, where):
    assert all_of(staffed, "picker", where=where) == sql_ids(staffed, f"(\n{where}\n)")


def test_where_may_name_an_earlier_version(staffed):
    condition = "worker_id IN (SELECT worker_id FROM workers@1 WHERE city = 'Gary')"
    assert all_of(staffed, "picker", where=condition) == sql_ids(staffed, "city = 'Gary'")
    assert staffed.why_not(next(iter(sql_ids(staffed, "city <> 'Gary'"))), "picker", where=condition).gate == condition


@pytest.mark.parametrize(
    ("query", "options", "sql"),
    [
        ("picker city:Joliet", {}, "city = 'Joliet'"),
        ("picker", {"city": "joliet"}, "city = 'Joliet'"),
        ("picker", {"city": "Aurora, CO"}, "city = 'Aurora' AND state = 'CO'"),
        ('picker city:"South Bend, IN"', {}, "city = 'South Bend'"),
        ("picker city:Joliet city:Gary", {}, "city IN ('Joliet', 'Gary')"),
        ("picker city:Joliet", {"city": "Gary"}, "city IN ('Joliet', 'Gary')"),
        ("picker city:Atlantis", {}, "false"),
        ("picker", {"city": "Gary' OR 1=1 --"}, "false"),
        ("picker", {"exclude": list(range(1, 1501))}, "worker_id > 1500"),
        ("picker -W-3 not W-4", {"exclude": ["W-5", "w-6", 7], "where": "worker_id < 9"}, "worker_id IN (1, 2, 8)"),
        ("picker", {"exclude": ["--5", "W-", "abc", -1], "where": "worker_id < 9"}, "worker_id < 9"),
        (
            'forklift "reach truck"',
            {"where": "role = 'Forklift Operator'"},
            "role = 'Forklift Operator' AND ⟦reach truck⟧",
        ),
        ("nurse +ACLS", {}, "⟦ACLS⟧"),
        ("welder -Chicago", {"where": "role = 'Welder'"}, "role = 'Welder' AND NOT ⟦Chicago⟧"),
        (
            "picker",
            {"conditions": [("busy", "worker_id < 90"), ("far", "city = 'Gary'")]},
            "worker_id < 90 AND city = 'Gary'",
        ),
    ],
)
def test_each_gate_keeps_what_sql_keeps(staffed, query, options, sql):
    # ⟦words⟧: the words stand in the text of a row, which is its columns and the head of its résumé.
    parts = "concat_ws('. ', role, certifications, skills, city, left(resume_text, 600))"
    condition = sql.replace("⟦", f"regexp_matches({parts}, '(?i)\\b").replace("⟧", "\\b')")
    assert all_of(staffed, query, **options) == sql_ids(staffed, condition)


@pytest.mark.parametrize(
    ("query", "city", "state", "miles"),
    [
        ("picker near:Joliet,30mi", "Joliet", None, 30),
        ("picker near:Gary", "Gary", None, 25),
        ('picker near:"Aurora, CO",50km', "Aurora", "CO", 31.069),
        ("picker near:Joliet,0mi", "Joliet", None, 0),
    ],
)
def test_near_is_great_circle_distance_over_the_places(staffed, query, city, state, miles):
    around = within(read_places(), city, state, miles)
    either = " OR ".join(f"(city = '{name}' AND state = '{where}')" for name, where, _ in around)
    assert all_of(staffed, query) == sql_ids(staffed, either)


def test_a_refused_shift_leaves_out_who_offers_it_and_keeps_who_also_refuses_it(staffed):
    rows = staffed.search("forklift operator, no nights", k=1000).table.to_pylist()
    kept = {row["worker_id"] for row in rows}
    texts = staffed.sql("SELECT worker_id, resume_text FROM workers", show_pii=True).table.to_pylist()
    refusing = {row["worker_id"] for row in texts if "Not available for 3rd shift." in row["resume_text"]}
    offering = {row["worker_id"] for row in texts if "Can do 3rd shift" in row["resume_text"]}
    assert len(refusing) > 30
    assert offering
    assert not kept & offering
    passing = staffed.search("forklift operator, no nights", k=1, where="resume_text LIKE '%Not available for 3rd%'")
    assert passing.matching == passing.funnel[1].rows == len(refusing)


@pytest.mark.parametrize("query", ["picker city:Gary", "picker near:Gary,5mi", "picker, no nights"])
def test_a_condition_of_ours_is_looked_up_once_for_a_version(staffed, query):
    first = staffed.search(query, k=1)
    manifest, asked = staffed.lake.get("workers"), []
    keeper = staffed.searcher.look(query, "workers").keeper

    def matching(sql: str):
        asked.append(sql)
        return staffed.lake.queries.matching(manifest, "worker_id", sql)

    counting = replace(keeper, matching=matching)
    where = Limits("worker_id > 0")
    gates = [counting.gates(parse(query), where)[0] for _ in range(2)]
    assert asked == ["worker_id > 0", "worker_id > 0"]
    assert [gate.rows.tobytes() for gate in gates[0]] == [gate.rows.tobytes() for gate in gates[1]]
    assert staffed.search(query, k=1).matching == first.matching == gates[0][1].rows.sum()


def test_the_funnel_counts_each_step_in_turn(staffed):
    found = staffed.search(
        'forklift near:Joliet,30mi role:"forklift operator" "reach truck" -Aurora -W-1', where="reliability > 0.3"
    )
    assert [step.name for step in found.funnel] == [
        "workers",
        "reliability > 0.3",
        "within 30 mi of Joliet",
        "role forklift operator",
        '"reach truck"',
        'not "Aurora"',
        "not W-1",
    ]
    counts = [step.rows for step in found.funnel]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 2000
    assert counts[1] == len(sql_ids(staffed, "reliability > 0.3"))
    assert counts[-1] == found.matching > 0


@pytest.mark.parametrize(
    ("asked", "role"),
    [
        ("forklift operator", "Forklift Operator"),
        ("hi-lo driver", "Forklift Operator"),
        ("tow motor operator", "Forklift Operator"),
        ("RN", "Registered Nurse"),
        ("packer", "Packer"),
        ("cnc operator", "CNC Operator"),
        ("welder", "Welder"),
        ("picker", "Picker"),
    ],
)
def test_a_role_gate_is_of_the_trade_and_not_of_the_spelling(staffed, asked, role):
    assert all_of(staffed, "days", role=asked) == sql_ids(staffed, f"role = '{role}'")


def test_a_role_that_nobody_knows_is_compared_by_name_and_said_to_be(staffed):
    found = staffed.search("days", role="zxqv blorp")
    assert (found.matching, found.hits) == (0, ())
    assert "no occupation we know" in found.notes[0]


@pytest.mark.parametrize(
    "where",
    [
        "1=1); DROP TABLE workers; --",
        "worker_id = 1; SELECT 1",
        "worker_id IN (SELECT 1 FROM read_csv('/etc/passwd'))",
        "no_such_column = 1",
        "worker_id = ",
        "worker_id IN (SELECT worker_id FROM no_such_dataset)",
        "city = 'Gary' ORDER BY 1",
    ],
)
def test_what_is_more_than_a_condition_is_refused(staffed, where):
    with pytest.raises((QueryError, NotFoundError)):
        staffed.search("picker", where=where)


def test_an_unknown_place_is_an_error_with_near_matches(staffed):
    with pytest.raises(NotFoundError, match="Joilet") as refused:
        staffed.search("picker near:Joilet,30mi")
    assert "Joliet" in (refused.value.hint or "")


def test_a_city_of_several_states_has_to_be_told_apart(staffed):
    with pytest.raises(InvalidError, match="lies in") as refused:
        staffed.search("picker near:Aurora,10mi")
    assert "Aurora, CO" in (refused.value.hint or "")


@pytest.fixture
def notes(tmp_path: Path):
    """A dataset without role, city and résumé, with text ids; one row says nothing, one has no id, one comes twice."""
    rows = [("a-1", "fix the conveyor"), ("W-12", "clean the hall"), ("12", ""), ("", "no id")]
    rows.append(("a-1", "paint the hall"))
    with (tmp_path / "notes.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("n", "note_id", "note"), *((n, *row) for n, row in enumerate(rows))])
    with workbench.connect(tmp_path / "lake", folder=tmp_path) as opened:
        opened.ingest(tmp_path / "notes.csv", "notes")
        yield opened


@pytest.mark.parametrize(
    ("query", "options", "said"),
    [
        ("hall city:Gary", {}, "no column city"),
        ("hall near:Joliet", {}, "no column city"),
        ("hall role:welder", {}, "no column role"),
        ("hall", {"role": "welder"}, "no column role"),
        ("hall", {"city": "Gary"}, "no column city"),
    ],
)
def test_a_condition_that_the_dataset_has_no_column_for_is_an_error(notes, query, options, said):
    with pytest.raises(InvalidError, match=said) as refused:
        notes.search(query, dataset="notes", **options)
    assert "n, note_id, note" in (refused.value.hint or "")


def test_any_dataset_with_an_id_is_searched_the_last_of_an_id_counts_and_never_short(notes):
    found = notes.search("hall", dataset="notes")
    assert {hit.id for hit in found.hits} == {"a-1", "W-12", "12"}
    assert found.table.to_pylist()[0]["note"] in {"clean the hall", "paint the hall"}
    assert [row["note"] for row in found.table.to_pylist() if row["note_id"] == "a-1"] == ["paint the hall"]
    assert found.hits[-1].id == "12"
    assert len(found.hits) == min(10, found.matching)
    assert [(step.name, step.rows) for step in found.funnel] == [("notes", 5), ("with an id of their own", 3)]


def test_ids_of_text_are_left_out_as_they_are_written(notes):
    assert ids(notes.search("hall", dataset="notes", exclude=["W-12"])) == {"a-1", "12"}
    assert ids(notes.search("hall -W-12", dataset="notes")) == {"a-1", "12"}
    assert ids(notes.search("hall not shift", dataset="notes", where="note_id <> 'a-1'")) == {"W-12", "12"}


def test_a_row_without_words_keeps_to_what_must_not_be_said(notes):
    assert ids(notes.search("paint -hall", dataset="notes")) == {"12"}
    assert ids(notes.search("paint +hall", dataset="notes")) == {"a-1", "W-12"}


def test_a_dataset_without_an_id_cannot_be_searched(tmp_path):
    (tmp_path / "plain.csv").write_text("name,text\nAnn,hello\n")
    with workbench.connect(tmp_path / "lake", folder=tmp_path) as wb:
        wb.ingest(tmp_path / "plain.csv", "plain")
        with pytest.raises(InvalidError, match="no id column"):
            wb.search("hello", dataset="plain")
