"""An order as the context of a fill, and what a caller knows better than the text."""

from __future__ import annotations

from datetime import date

import pytest

from workbench.errors import InvalidError
from workbench.staffing.order_context import as_context, corrected
from workbench.staffing.order_reader import read_orders
from workbench.staffing.orders import Order

TODAY = date(2026, 11, 20)
TEXT = "Need 3 forklift operators in Joliet, IL, first shift, 11/23/2026 to 12/4/2026, OSHA-30 required, not W-7"


def read(text: str = TEXT) -> Order:
    return read_orders(text, TODAY)[0]


def context(text: str = TEXT, **given: object) -> dict[str, object]:
    return as_context(corrected(read(text), given))


def test_all_that_an_order_says():
    assert context() == {
        "target_count": 3,
        "role": "Forklift Operator",
        "city": "Joliet",
        "state": "IL",
        "shift": "1st",
        "start": "2026-11-23",
        "end": "2026-12-04",
        "must": ["OSHA-30"],
        "exclude_ids": ["W-7"],
    }


def test_what_it_does_not_say_is_left_out():
    made = context("forklift operators in Joliet")
    assert (made["role"], made["city"]) == ("Forklift Operator", "Joliet")
    assert not made.keys() & {"target_count", "shift", "start", "client_id", "must"}, "one place is the search's guess"


def test_a_name_that_is_ruled_out_is_not_an_id():
    assert context("3 packers in Gary, IN, not Mike R.")["must_not"] == ["Mike R."]


@pytest.mark.parametrize(
    ("given", "changed"),
    [
        ({"target_count": 5}, {"target_count": 5}),
        ({"role": "Packer"}, {"role": "Packer"}),
        ({"city": "Joliet", "state": "MO"}, {"state": "MO"}),
        ({"client_id": "CL-4"}, {"client_id": "CL-4"}),
        ({"shift": "night shift"}, {"shift": "3rd"}),
        ({"shift": {"name": "2nd", "start": "2026-12-01", "end": "2026-12-02"}},
         {"shift": "2nd", "start": "2026-12-01", "end": "2026-12-02"}),
        ({"shift_date": "2026-12-01", "end": "2026-12-09"}, {"start": "2026-12-01", "end": "2026-12-09"}),
        ({"end": "2026-12-09"}, {"end": "2026-12-09"}),
        ({"must": ["RF scanner"]}, {"must": ["RF scanner"]}),
        ({"must_not": ["W-9", "Ann L."]}, {"exclude_ids": ["W-7", "W-9"], "must_not": ["Ann L."]}),
    ],
)  # fmt: skip
def test_what_the_caller_says_wins(given, changed):
    assert context(**given) == context() | changed


@pytest.mark.parametrize(
    ("key", "gone"),
    [
        ("target_count", ["target_count"]),
        ("city", ["city", "state"]),
        ("shift", ["shift"]),
        ("start", ["start", "end"]),
        ("must", ["must"]),
    ],
)
def test_null_says_that_it_is_not_known(key, gone):
    assert context(**{key: None}) == {name: value for name, value in context().items() if name not in gone}


def test_another_city_is_in_another_state():
    assert "state" not in context(city="Peoria")


def test_a_shift_by_another_name_searches_nobody():
    assert "shift" not in context(shift="Crew B")


@pytest.mark.parametrize("given", [{"target_count": 0}, {"start": "soon"}, {"city": 5}, {"must": "OSHA-30"}])
def test_a_context_that_cannot_be_meant_is_refused(given):
    with pytest.raises(InvalidError, match="_context"):
        corrected(read(), given)


def test_without_a_context_the_order_stays_as_it_was():
    order = read()
    assert corrected(order, None) is order
    assert corrected(order, {}) is order
