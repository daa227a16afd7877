from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import InvalidError, NotFoundError
from workbench.search.reading.near import Spot, distance_miles, find, spots, within
from workbench.staffing import read_places

PLACES = read_places()


def labels(rows: list[tuple[str, str, float]]) -> list[str]:
    return [f"{city}, {state}" for city, state, _ in rows]


def test_the_city_itself_comes_first_then_the_nearest():
    rows = within(PLACES, "Joliet", "IL", 30)
    assert rows[0] == ("Joliet", "IL", 0.0)
    assert labels(rows) == ["Joliet, IL", "Romeoville, IL", "Naperville, IL", "Aurora, IL"]
    assert [row[2] for row in rows] == sorted(row[2] for row in rows)


# Great-circle distances as published between city centers, right to about a mile.
@pytest.mark.parametrize(
    ("one", "other", "miles"),
    [
        (("Chicago", "IL"), ("Milwaukee", "WI"), 82),
        (("Chicago", "IL"), ("Houston", "TX"), 940),
        (("Boston", "MA"), ("Denver", "CO"), 1766),
        (("Dallas", "TX"), ("Houston", "TX"), 225),
    ],
)
def test_distances_are_those_of_an_atlas(one, other, miles):
    assert distance_miles(find(PLACES, *one), find(PLACES, *other)) == pytest.approx(miles, rel=0.015)


def test_no_miles_is_the_city_alone_and_a_circle_may_cross_a_state_line():
    assert labels(within(PLACES, "Louisville", "KY", 0)) == ["Louisville, KY"]
    assert "Covington, KY" in labels(within(PLACES, "Cincinnati", None, 10))


@pytest.mark.parametrize("written", ["st. louis", "St Louis", "SAINT LOUIS", "  St.  Louis "])
def test_names_are_compared_without_case_and_dots(written):
    assert find(PLACES, written).state == "MO"


def test_an_unknown_place_is_an_error_with_near_matches():
    with pytest.raises(NotFoundError, match=r"No place is named 'joilet'") as caught:
        within(PLACES, "joilet", None, 30)
    assert caught.value.hint == "Did you mean Joliet?"
    assert str(caught.value).startswith("No place is named 'joilet'.")


def test_a_city_of_another_state_names_the_states_it_lies_in():
    with pytest.raises(NotFoundError) as caught:
        within(PLACES, "Aurora", "TX", 30)
    assert caught.value.hint == "Did you mean Aurora, CO or Aurora, IL?"


def test_a_city_in_several_states_needs_its_state():
    with pytest.raises(InvalidError, match="Springfield lies in IL and MA and MO and OH") as caught:
        within(PLACES, "Springfield", None, 30)
    assert 'near:"Springfield, IL"' in caught.value.hint
    assert labels(within(PLACES, "Springfield", "oh", 30)) == ["Springfield, OH", "Dayton, OH"]


@pytest.mark.parametrize("miles", [-1.0, float("nan"), float("inf")])
def test_a_radius_is_a_distance(miles):
    with pytest.raises(InvalidError, match="no distance"):
        within(PLACES, "Joliet", "IL", miles)


def test_places_come_from_an_arrow_table_too():
    table = pa.table(
        {"city": ["Gary", "Hammond", None], "state": ["IN", "IN", "IN"], "latitude": [41.6, 41.58, 1.0],
         "longitude": [-87.35, -87.5, 1.0]}
    )  # fmt: skip
    assert spots(table) == [Spot("Gary", "IN", 41.6, -87.35), Spot("Hammond", "IN", 41.58, -87.5)]
    assert labels(within(spots(table), "gary", None, 20)) == ["Gary, IN", "Hammond, IN"]
    with pytest.raises(InvalidError, match="no column longitude"):
        spots(table.drop_columns(["longitude"]))


def test_no_places_at_all_is_said():
    with pytest.raises(NotFoundError, match="Joliet") as caught:
        within([], "Joliet", None, 30)
    assert caught.value.hint == "There is no place yet."


degrees = st.tuples(st.floats(-90, 90), st.floats(-180, 180))


@given(degrees, degrees)
def test_distance_is_symmetric_and_at_most_half_way_round(one, other):
    here, there = Spot("a", "", *one), Spot("b", "", *other)
    miles = distance_miles(here, there)
    assert 0 <= miles <= 12_437
    assert miles == pytest.approx(distance_miles(there, here), abs=1e-6)
