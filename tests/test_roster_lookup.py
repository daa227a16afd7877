"""The roster: every form of an id, columns by their names, unknown and empty, and who is nearest."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import InvalidError
from workbench.staffing.validate import Roster, Wanted
from workbench.staffing.validate.desks import same_trade
from workbench.staffing.validate.ids import IdIndex, normal_id
from workbench.staffing.validate.roster import same_text
from workbench.trades.dictionary import Occupation
from workbench.trades.roles import Ranked, RoleMatch


def roster(**columns: Any) -> Roster:
    return Roster.of(pa.table(columns), snapshot="workers@1")


def ids_found(of: Roster, *ids: str) -> list[str | None]:
    return [one.id if one else None for one in of.find(ids)]


@pytest.mark.parametrize("ids", [[3, 12, 7], ["W-3", "w-12", "7"], ["3", "12", "7"], [3.0, 12.0, 7.0]])
def test_an_id_is_found_in_every_form(ids: list[Any]) -> None:
    people = roster(worker_id=ids, name=["C", "L", "G"])
    found = people.find(["W-12", "w-12", "12", "W-3", "W-4"])
    assert [one.name if one else None for one in found] == ["L", "L", "L", "C", None]


def test_ids_that_are_no_numbers_are_found_without_case() -> None:
    people = roster(id=["Emp-1a", "emp-2", "x" * 30, "007", "7"], name=list("abcde"))
    asked = ["EMP-1A", "emp-2", "X" * 30, "x" * 31, "007", "7", "W-7", "07"]
    assert [one.name if one else None for one in people.find(asked)] == ["a", "b", "c", None, "d", "e", "e", None]


@pytest.mark.parametrize("id_", ["", "W-", "W-03", " W-3", "W-3\0", "W-３", "3.0", "+3", "-3", "w_3", "9" * 19])
def test_what_only_looks_like_an_id_finds_nobody(id_: str) -> None:
    assert roster(worker_id=[3], name=["C"]).find([id_]) == [None]
    assert roster(worker_id=["W-3", "x"], name=["C", "D"]).find([id_]) == [None]


@pytest.mark.parametrize("column", ["worker_id", "ID", "candidate_id"])
def test_columns_are_found_by_their_names(column: str) -> None:
    people = roster(**{column: [1], "Full_Name": ["Ana"], "JOB_TITLE": ["Welder"], "City": ["Gary"], "state": ["IN"]})
    found = people.find(["1"])[0]
    assert found is not None
    assert (found.name, found.role, found.city, found.state, found.active) == ("Ana", "Welder", "Gary", "IN", None)


def test_a_roster_needs_ids() -> None:
    with pytest.raises(InvalidError, match="no column of ids"):
        roster(name=["Ana"])


def test_unknown_is_not_empty() -> None:
    people = roster(worker_id=[1, 2, None], name=[None, "", "x"], city=["", None, "y"], role=[None, "", "z"])
    one, two = people.find(["1", "2"])
    assert one is not None
    assert two is not None
    assert (one.name, one.city, one.role) == (None, "", None)
    assert (two.name, two.city, two.role) == ("", None, "")
    assert len(people) == 2  # a row without an id is nobody


@pytest.mark.parametrize(
    ("columns", "active"),
    [
        ({"availability": [0.0]}, False), ({"availability": [0.01]}, True), ({"availability": [None]}, None),
        ({"status": ["Active "]}, True), ({"status": ["terminated"]}, False), ({"status": [None]}, None),
        ({"active": [True]}, True), ({"is_active": [0]}, False), ({"active": ["Y"]}, True),
        ({"status": ["active"], "availability": [0.0]}, False), ({"status": ["gone"], "availability": [0.5]}, False),
        ({"status": [None], "availability": [0.5]}, True), ({}, None),
        ({"availability": [" 0.5 "]}, True), ({"availability": ["0"]}, False), ({"availability": ["-.1e2"]}, False),
        ({"availability": ["weekends"]}, None), ({"availability": [""]}, None), ({"availability": ["80%"]}, None),
        ({"availability": ["nan"]}, None), ({"availability": [[0.5]]}, None), ({"availability": [b"\xff"]}, None),
        ({"availability": [date(2026, 11, 23)]}, None), ({"availability": [Decimal("0.5")]}, True),
        ({"status": ["gone"], "availability": ["weekends"]}, False), ({"status": [["active"]]}, None),
    ],
)  # fmt: skip
def test_who_is_active(columns: dict[str, Any], active: bool | None) -> None:
    typed = {name: pa.array(value, pa.float64()) if value == [None] else value for name, value in columns.items()}
    found = roster(worker_id=[1], name=["Ana"], **typed).find(["1"])[0]
    assert found is not None
    assert found.active is active


def test_rows_in_any_order_and_ids_that_come_twice() -> None:
    people = roster(worker_id=[5, 1, 5, 3], name=["e", "a", "E", "c"], city=["v", "w", "x", "y"])
    found = people.find(["5", "1", "3"])
    assert [(one.name, one.city, one.rows) for one in found if one] == [("e", "v", 2), ("a", "w", 1), ("c", "y", 1)]


def test_the_nearest_are_active_as_wanted_and_not_taken() -> None:
    people = roster(
        worker_id=[10, 11, 12, 13, 14, 15],
        name=["Ana", "Ben", "Cy", "Di", "Ed", "Fay"],
        role=["Welder", "Welder", "Welder", "Packer", "Welder", "Welder"],
        city=["Gary", "Gary", "Gary", "Gary", "Flint", None],
        availability=[0.5, 0.0, 0.5, 0.5, 0.5, 0.5],
    )
    asked = [("W-16", "Nobody"), ("W-99", "cy")]
    near = people.near(asked, Wanted(role="welder", city="GARY"), same_text)
    assert [[one.id for one in each] for each in near] == [["W-10", "W-12"], ["W-12", "W-10"]]
    near = people.near(asked[:1], Wanted(role="welder", city="GARY"), same_text, without={"10"})
    assert [one.id for one in near[0]] == ["W-12"]
    assert people.near(asked[:1], Wanted(role="Pilot"), same_text) == [()]


def test_who_is_first_for_one_is_not_first_for_the_next() -> None:
    people = roster(worker_id=[10, 11, 12, 13], name=["Ana", "Ben", "Cy", "Di"])
    near = people.near([("W-1", "Nobody"), ("W-1", "Nobody"), ("W-1", "Ana")], Wanted(), same_text)
    assert len({each[0].id for each in near[:2]}) == 2
    assert near[2][0].id == "W-10"  # who has the name comes first all the same
    assert all(len({one.id for one in each}) == 3 for each in near)


def test_full_names_are_known_exactly() -> None:
    people = roster(worker_id=[1, 2, 3], name=["Ana Díaz", None, "Ben Ortiz"])
    assert people.called(["Ben Ortiz", "ana díaz", "Ben"]) == ("Ben Ortiz",)
    assert people.called([]) == ()


def test_an_empty_roster_knows_nobody() -> None:
    people = roster(worker_id=pa.array([], pa.int64()), name=pa.array([], pa.string()))
    assert people.find(["W-1"]) == [None]
    assert people.near([("W-1", "Ana")], Wanted(role="Welder"), same_text) == [()]


def test_a_roster_is_columns_not_objects() -> None:
    count = 100_000
    ids = np.arange(count)
    people = roster(
        worker_id=ids,
        name=pa.array([f"First Last{n % 5000}" for n in range(count)]),
        role=pa.array(["Welder", "Packer"] * (count // 2)),
        city=pa.array(["Gary"] * count),
        availability=np.ones(count),
    )
    assert people.nbytes < 60 * count  # 120 MB for half a million would be 240 each
    assert ids_found(people, "W-99999", "W-100000") == ["W-99999", None]


IDS = st.text(st.sampled_from("wW-0123aä \0"), max_size=6)


@given(st.lists(IDS | st.none(), max_size=20), st.lists(IDS, max_size=10))
def test_the_index_finds_what_a_dict_finds(held: list[str | None], asked: list[str]) -> None:
    column = pa.array([None if one is None else one.replace("\0", "") for one in held], pa.string())
    rows: dict[str, list[int]] = {}
    for row, one in enumerate(column.to_pylist()):
        if one is not None:
            rows.setdefault(normal_id(one), []).append(row)
    index = IdIndex.of(column)
    first, end = index.find(asked)
    for one, start, stop in zip(asked, first, end, strict=True):
        assert sorted(index.rows[start:stop].tolist()) == rows.get(normal_id(one), [])


def test_one_trade_is_one_role_unless_the_roster_tells_them_apart_or_the_title_is_ambiguous() -> None:
    movers = (Ranked(Occupation("53-7062.00", "Laborers and Freight Movers"), 1.0),)

    def trade_of(text: str) -> RoleMatch:
        return RoleMatch(text, "exact", text, movers, ambiguous=text == "Hand")

    same = same_trade(roster(worker_id=[1, 2], role=["Packer", "Loader"]), trade_of)
    assert same("freight mover", "Loader")
    assert same("LOADER", "Loader")
    assert not same("packer", "Loader")
    assert not same("Hand", "Loader")
