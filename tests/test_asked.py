from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.search.reading.asked import Asked, Names, parse

NAMES = Names(roles=("Forklift Operator", "Welder", "CDL-A Driver"), cities=("Joliet", "South Bend", "St. Louis"))


def said(asked: Asked) -> dict[str, object]:
    """The parts that are not empty."""
    parts = {
        "free": asked.free,
        "phrases": asked.phrases,
        "must": asked.must,
        "must_not": asked.must_not,
        "excluded": asked.excluded,
        "roles": asked.roles,
        "cities": tuple(item.place for item in asked.cities),
        "near": tuple((item.place, item.miles) for item in asked.near),
        "unread": tuple(item.value for item in asked.unread),
    }
    return {name: value for name, value in parts.items() if value}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("  \n ", {}),
        ("forklift operator  Joliet", {"free": "forklift operator Joliet"}),
        ('"reach truck" forklift', {"phrases": ("reach truck",), "free": "forklift"}),
        ("“reach  truck”", {"phrases": ("reach truck",)}),
        ("welder +OSHA-30 +TIG.", {"free": "welder", "must": ("OSHA-30", "TIG")}),
        ('+"Haas controls" -"line work" CNC', {"must": ("Haas controls",), "must_not": ("line work",), "free": "CNC"}),
        ("picker -nights,-freezer", {"free": "picker", "must_not": ("nights", "freezer")}),
        ("-W-12 -w15 packers", {"excluded": ("W-12", "W-15"), "free": "packers"}),
        ("role:welder TIG", {"roles": ("welder TIG",)}),
        ("role:welder, TIG", {"roles": ("welder",), "free": "TIG"}),
        ("role:forklift operator with OSHA-30", {"roles": ("forklift operator",), "free": "with OSHA-30"}),
        ('role:"forklift operator" reach', {"roles": ("forklift operator",), "free": "reach"}),
        ("ROLE: forklift operator city:Joliet", {"roles": ("forklift operator",), "cities": ("Joliet",)}),
        ("role:forklift operator not nights", {"roles": ("forklift operator",), "must_not": ("nights",)}),
        ("city:Joliet OSHA-30", {"cities": ("Joliet",), "free": "OSHA-30"}),
        ("city:Aurora IL packer", {"cities": ("Aurora, IL",), "free": "packer"}),
        ("city:aurora, co packer", {"cities": ("aurora, CO",), "free": "packer"}),
        ("city:joliet in a warehouse", {"cities": ("joliet",), "free": "in a warehouse"}),
        ('city:"South Bend, IN" welder', {"cities": ("South Bend, IN",), "free": "welder"}),
        ("city:South Bend welder", {"cities": ("South Bend",), "free": "welder"}),
        ("city:Joliet city:Gary", {"cities": ("Joliet", "Gary")}),
        ("-city:Gary welder", {"must_not": ("Gary",), "free": "welder"}),
        ("+city:Gary welder", {"cities": ("Gary",), "free": "welder"}),
        ("near:Joliet", {"near": (("Joliet", 25.0),)}),
        ("near:Joliet,30mi welder", {"near": (("Joliet", 30.0),), "free": "welder"}),
        ("near:Joliet, 30 miles welder", {"near": (("Joliet", 30.0),), "free": "welder"}),
        ("near:Joliet,12.5", {"near": (("Joliet", 12.5),)}),
        ("near:Joliet 3 forklifts", {"near": (("Joliet", 25.0),), "free": "3 forklifts"}),
        ('near:"South Bend, IN",50km', {"near": (("South Bend, IN", 31.069),)}),
        ("near:South Bend, IN, 50 km stainless", {"near": (("South Bend, IN", 31.069),), "free": "stainless"}),
    ],
)  # fmt: skip
def test_operators(text, expected):
    assert said(parse(text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("role:welder TIG stainless", {"roles": ("welder",), "free": "TIG stainless"}),
        ("role:cdl-a driver regional", {"roles": ("cdl-a driver",), "free": "regional"}),
        ("city:south bend welder", {"cities": ("south bend",), "free": "welder"}),
        ("near:st. louis,10mi cook", {"near": (("st. louis", 10.0),), "free": "cook"}),
    ],
)
def test_known_names_decide_where_a_value_ends(text, expected):
    assert said(parse(text, NAMES)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("forklift not night shift", {"free": "forklift", "must_not": ("night shift",)}),
        ("forklift, NOT NIGHT SHIFT Joliet", {"free": "forklift Joliet", "must_not": ("NIGHT SHIFT",)}),
        ("packer no nights Joliet", {"free": "packer Joliet", "must_not": ("nights",)}),
        ("packer no nights or weekends", {"free": "packer", "must_not": ("nights", "weekends")}),
        ("packer, no nights, weekends", {"free": "packer", "must_not": ("nights", "weekends")}),
        ("no 3rd shift and no weekends", {"must_not": ("3rd shift", "weekends")}),
        ("not night shift and forklift", {"free": "and forklift", "must_not": ("night shift",)}),
        ("driver without a CDL in Gary", {"free": "driver in Gary", "must_not": ("CDL",)}),
        ("without OSHA 30 welder", {"free": "welder", "must_not": ("OSHA 30",)}),
        ("w/o CDL-A license Toledo", {"free": "Toledo", "must_not": ("CDL-A license",)}),
        ("welders except Chicago", {"free": "welders", "must_not": ("Chicago",)}),
        ("welders except for South Bend", {"free": "welders", "must_not": ("South Bend",)}),
        ("welders not in Gary", {"free": "welders", "must_not": ("Gary",)}),
        ("welders but not W-12", {"free": "welders", "excluded": ("W-12",)}),
        ("not W-12, w-15 or W-9 welder", {"free": "welder", "excluded": ("W-12", "W-15", "W-9")}),
        ("please do not send W-7", {"excluded": ("W-7",)}),
        ("anyone but W-12", {"excluded": ("W-12",)}),
        ("forklift don't want clamp truck", {"free": "forklift", "must_not": ("clamp truck",)}),
        ("nurses who do not work weekends", {"free": "nurses", "must_not": ("weekends",)}),
        ("pickers other than freezer work", {"free": "pickers", "must_not": ("freezer work",)}),
        ("not Mike R. for forklift", {"free": "for forklift", "must_not": ("Mike R.",)}),
    ],
)
def test_negation_in_plain_english(text, expected):
    assert said(parse(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "24/7 coverage",
        "OSHA-30 C++ C#",
        "freezer at -5 or -10F",
        "self-starter sit-down",
        "forklift - Joliet",
        "not only nights",
        "no experience needed",
        "no CDL or degree required",
        "no problem with heights",
        "not a problem",
        "no later than Monday",
        "no longer temp",
        "not just sit-down",
        "whether or not",
        "notary clerk",
        "do-not-return list",
        "no. 5 press",
        "foo:bar 10:30 http://x",
        '12" pipe and 6" pipe',
        "rock'n'roll",
    ],
)
def test_these_are_words_and_no_operators(text):
    asked = parse(text)
    assert {item.kind for item in asked.items} == {"text"}
    assert asked.free.replace(" ", "") == text.replace(" - ", "").replace(" ", "")


def test_not_inside_a_phrase_is_no_negation():
    assert said(parse('"not night shift" cook')) == {"phrases": ("not night shift",), "free": "cook"}


@pytest.mark.parametrize(
    ("text", "unread", "hint", "free"),
    [
        ('welder "reach truck', '"', "not closed", "welder reach truck"),
        ('welder -"', '-"', "not closed", "welder"),
        ('cook ""', '""', "no word", "cook"),
        ("near: ", "near:", "near:Joliet,30mi", ""),
        ("near:,30mi cook", "near:", "near:Joliet,30mi", "30mi cook"),
        ("city: +TIG", "city:", "city:Joliet", ""),
        ("role:", "role:", "role:welder", ""),
        ("rol:welder x", "rol:welder", "Did you mean role:?", "x"),
        ('citty:"South Bend" x', 'citty:"South Bend"', "Did you mean city:?", "x"),
        ("-near:Gary x", "near:Gary", "-city:", "x"),
    ],
)
def test_what_is_not_understood_is_kept_and_explained(text, unread, hint, free):
    asked = parse(text)
    assert [item.value for item in asked.unread] == [unread]
    assert hint in asked.unread[0].hint
    assert asked.free == free


def test_spans_point_at_what_was_typed():
    text = 'cook +"line work" not nights near:Gary,5mi'
    spans = {item.kind: text[slice(*item.span)] for item in parse(text).items}
    assert spans == {"text": "cook", "must": '+"line work"', "not": "not nights", "near": "near:Gary,5mi"}


def test_meaning_keeps_phrases_and_musts_and_leaves_out_what_is_negated():
    assert parse('reach "freezer work" +OSHA-30 -nights not W-4 city:Gary').meaning == "reach freezer work OSHA-30"


def test_written_out_it_is_plain_to_read():
    asked = parse('role:forklift operator near:Joliet,50km reach but not nights "x y" rol:z +TIG')
    assert asked.to_text() == 'role:"forklift operator" near:"Joliet",31.069mi reach -"nights" "x y" +"TIG"'


FRAGMENTS = (
    *('"', "“", "”", "+", "-", "role:", "city:", "near:", "rol:", "not", "no", "but", "without", "night", "shift"),
    *("nights", "W-12", "or", "and", ",", "CDL", "Joliet", "South Bend", "IN", "30mi", "50 km", "needed", "problem"),
    *("(", ")", " ", "\n", "C++", "-5", "24/7", "anyone but", "the", ".", ";", "Mike R.", "OSHA 30", "x:y", "-city:"),
)
pieces = st.lists(st.sampled_from(FRAGMENTS), max_size=14)
queries = st.one_of(st.text(), pieces.map("".join), pieces.map(" ".join))


@given(queries)
def test_spans_lie_in_the_text_in_order_and_never_overlap(text):
    end = 0
    for item in parse(text).items:
        assert end <= item.span[0] < item.span[1] <= len(text)
        end = item.span[1]


@given(queries)
def test_written_out_it_reads_back_the_same(text):
    asked = parse(text)
    again = parse(asked.to_text())
    meant = [(item.kind, item.value, item.state, item.miles) for item in asked.items if item.kind != "unread"]
    assert [(item.kind, item.value, item.state, item.miles) for item in again.items] == meant
    assert again.to_text() == asked.to_text()


@given(queries)
def test_known_names_change_no_law(text):
    asked = parse(text, NAMES)
    assert said(parse(asked.to_text(), NAMES)) == {k: v for k, v in said(asked).items() if k != "unread"}


@given(queries)
def test_no_word_is_lost(text):
    covered = {at for item in parse(text).items for at in range(*item.span)}
    between = "".join(char for at, char in enumerate(text) if at not in covered)
    assert not [word for word in between.split() if word.isalpha() and word.lower() not in {"or", "nor", "and"}]
