"""Hits: scores made of their parts, reasons in the query's own words, snippets that show them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import InvalidError
from workbench.search.lexical.question import Question, ask
from workbench.search.ranking.fusion import TEXT_ONLY, VECTOR_ONLY, Part, Weights
from workbench.search.ranking.hits import Hit, hit

words = st.text("abz -+#S\n", max_size=60)
PARTS = (Part("meaning", 0.5, 0.25, 3), Part("words", 0.75, 0.75, 1), Part("trade", 1.0, 0.0))


def matched_words(question: Question, text: str) -> tuple[str, ...]:
    return hit(1, 0.5, PARTS, question, text).matched


def snippet(question: Question, text: str) -> str:
    return hit(1, 0.5, PARTS, question, text).snippet


@pytest.mark.parametrize(
    ("query", "text", "matched"),
    [
        ("forklift operator, nights", "Forklift Operator. OSHA-30. night shift", ("forklift", "operator", "nights")),
        ("someone who can drive a reach truck", "a can of paint, who is someone", ()),
        ("OSHA 30", "has OSHA-30", ("OSHA 30",)),
        ("OSHA-30", "has OSHA 30 hours", ("OSHA-30",)),
        ("C++ and C# developer", "wrote C++ for years", ("C++",)),
        ("night Night NIGHT", "night", ("night",)),
        ("Straße", "STRASSE", ("Straße",)),
        ("gas", "ga", ()),
        ("class", "clas", ()),
        ("nurse", "", ()),
        ("", "nurse", ()),
    ],
)
def test_the_words_of_the_query_that_stand_in_the_text_are_named(query, text, matched):
    assert matched_words(ask(query), text) == matched


def test_words_of_a_phrase_and_a_must_are_named_too():
    question = ask("nights", phrases=["reach truck"], must=["OSHA-30"])
    assert matched_words(question, "Reach truck, nights.") == ("nights", "reach", "truck")


def test_why_reads_as_a_sentence_and_leaves_out_parts_that_do_not_count():
    shown = hit(7, 0.6875, PARTS, ask("reach truck"), "truck driver", "reach truck = Operators")
    assert shown.why == "has truck · reach truck = Operators · meaning 0.50 × 0.25 + words 0.75 × 0.75"
    assert hit(7, 0.0, PARTS[:1], ask("nurse"), "welder").why == "shares no word · meaning 0.50 × 0.25"


def test_the_shares_of_the_parts_are_the_score_and_all_of_it_is_json():
    shown = hit("a", 0.6875, PARTS, ask("reach truck"), "truck driver")
    assert sum(part.share for part in shown.parts) == shown.score
    assert shown == Hit("a", 0.6875, PARTS, ask("reach truck"), "truck driver")
    assert shown.to_dict() == {
        "id": "a",
        "score": 0.6875,
        "parts": [
            {"part": "meaning", "value": 0.5, "weight": 0.25, "rank": 3},
            {"part": "words", "value": 0.75, "weight": 0.75, "rank": 1},
            {"part": "trade", "value": 1.0, "weight": 0.0, "rank": None},
        ],
        "matched": ["truck"],
        "trade": "",
        "snippet": "truck driver",
        "why": "has truck · meaning 0.50 × 0.25 + words 0.75 × 0.75",
    }


def test_a_short_text_is_its_own_snippet_on_one_line():
    assert snippet(ask("welder"), " Welder.\n MIG  and TIG ") == "Welder. MIG and TIG"


def test_a_snippet_begins_near_the_first_matched_word():
    text = "Picker. " + "ordinary filler words " * 20 + "drove a reach truck at night. " + "more of the same " * 20

    shown = snippet(ask("reach truck"), text)

    assert "reach truck" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(shown) <= 160


def test_a_snippet_without_a_match_is_the_beginning():
    assert snippet(ask("nurse"), "Welder " * 100).startswith("Welder Welder")


@given(query=words, text=st.text("abz -+#S\n", max_size=600))
def test_a_snippet_is_never_longer_than_said_and_never_fails(query, text):
    shown = snippet(ask(query), text)
    assert len(shown) <= 160
    assert "\n" not in shown
    assert shown.strip("…") in " ".join(text.split())


share = st.floats(0, 100, allow_nan=False)


@given(meaning=share, words=share, trade=share, power=st.floats(0, 10), coverage=st.floats(0, 1), known=st.booleans())
def test_the_weights_of_a_query_sum_to_one(meaning, words, trade, power, coverage, known):
    if not meaning + words + trade:
        return
    of_query = Weights(meaning, words, trade, power).of(coverage, trade=known)
    assert of_query.min() >= 0
    assert of_query.sum() == pytest.approx(1.0)
    if not known:
        assert of_query[2] == 0


def test_words_count_as_far_as_they_are_covered():
    weights = Weights(1.0, 3.0, 0.0, power=2.0)
    assert weights.of(1.0, trade=False).tolist() == [0.25, 0.75, 0.0]
    assert weights.of(0.0, trade=False).tolist() == [1.0, 0.0, 0.0]
    assert weights.of(0.5, trade=False).tolist() == pytest.approx([4 / 7, 3 / 7, 0.0])
    assert VECTOR_ONLY.of(1.0, trade=True).tolist() == [1.0, 0.0, 0.0]
    assert TEXT_ONLY.of(0.3, trade=True).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize(
    "given", [(-1, 1, 1), (0, 0, 0), (float("nan"), 1, 1), (float("inf"), 1, 1), (1, 1, 1, -1), (1, 1, 1, 11)]
)
def test_weights_that_cannot_rank_are_refused(given):
    with pytest.raises(InvalidError, match="cannot rank"):
        Weights(*given)
