"""Hits: scores that mean something alone, reasons in the query's own words, snippets that show them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.search.hits import FARTHEST, Found, Hit, explain, snippet, why

words = st.text("abz -+#S\n", max_size=60)


@pytest.mark.parametrize(("distance", "score"), [(0.0, 1.0), (0.25, 0.75), (1.0, 0.0), (FARTHEST, 0.0)])
def test_the_score_is_the_cosine_cut_at_zero(distance, score):
    assert Hit.at(7, distance) == Hit(7, score, distance)


@pytest.mark.parametrize(
    ("query", "text", "matched"),
    [
        ("forklift operator, nights", "Forklift Operator. OSHA-30. night shift", ("forklift", "operator", "nights")),
        ("someone who can drive a reach truck", "a can of paint, who is someone", ()),
        ("OSHA 30", "has OSHA-30", ("OSHA", "30")),
        ("C++ and C# developer", "wrote C++ for years", ("C++",)),
        ("night Night NIGHT", "night", ("night",)),
        ("bosses", "boss", ()),
        ("Straße", "STRASSE", ("Straße",)),
        ("gas", "ga", ()),
        ("class", "clas", ()),
    ],
)
def test_why_names_the_words_of_the_query_that_stand_in_the_text(query, text, matched):
    assert why(query, text, 0.5).matched == matched


def test_why_reads_as_a_sentence():
    assert str(why("reach truck", "truck driver", 0.416)) == "has truck · cosine 0.42"
    assert str(why("nurse", "welder", 0.1)) == "shares no word · cosine 0.10"


def test_a_short_text_is_its_own_snippet_on_one_line():
    assert snippet("welder", " Welder.\n MIG  and TIG ") == "Welder. MIG and TIG"


def test_a_snippet_begins_near_the_first_matched_word():
    text = "Picker. " + "ordinary filler words " * 20 + "drove a reach truck at night. " + "more of the same " * 20

    shown = snippet("reach truck", text)

    assert "reach truck" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(shown) <= 160


def test_a_snippet_without_a_match_is_the_beginning():
    assert snippet("nurse", "Welder " * 100).startswith("Welder Welder")


@given(query=words, text=st.text("abz -+#S\n", max_size=600))
def test_a_snippet_is_never_longer_than_said_and_never_fails(query, text):
    shown = snippet(query, text)
    assert len(shown) <= 160
    assert "\n" not in shown
    assert shown.strip("…") in " ".join(text.split())


def test_explain_adds_the_reason_where_there_is_a_text():
    found = Found((Hit.at("a", 0.2), Hit.at("b", 0.4), Hit.at("c", FARTHEST)), matching=3)

    explained = explain(found, "welder", {"a": "A welder.", "c": "  "})

    assert explained.hits[0].why == why("welder", "A welder.", 0.8)
    assert explained.hits[0].snippet == "A welder."
    assert explained.hits[1:] == found.hits[1:]
    assert explained.matching == 3
