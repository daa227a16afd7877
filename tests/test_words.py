"""Words: one way to cut texts for index, question, phrase and highlight; and what a question becomes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workbench.search.lexical.question import Needle, ask, matched
from workbench.search.lexical.words import EMPTY_WORDS, fold, index_terms, stem, tokens

ANY = st.text(alphabet=st.characters(codec="utf-8"), max_size=60)
SPOKEN = st.text(alphabet="abOSHA 30-.’'+#éß\u0301ﬁ½,_\n12", max_size=40)


def parts(text: str) -> list[str]:
    return index_terms(text)[0].split()


def joined(text: str) -> list[str]:
    return index_terms(text)[1].split()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("C++ and C#, F#.", ["c++", "and", "c#", "f#"]),
        ("ASP.NET or .NET?", ["asp", ".net", "or", ".net"]),
        ("Résumé, re\u0301sume\u0301, RESUME", ["resume"] * 3),
        ("Straße Œuvre Łódź ﬁnal", ["strasse", "oeuvre", "lodz", "final"]),
        ("C.D.L. at 7 a.m.", ["cdl", "at", "7", "am"]),
        ("the driver's drivers’ keys, O'Brien", ["the", "driver", "driver", "key", "obrien"]),
        ("1,000 lbs, 2.5 t, 1st shift, 22nd", ["1000", "lbs", "2.5", "t", "1st", "shift", "22nd"]),
        ("_foo_bar", ["foo", "bar"]),
        ("RNs and CDLs, GAS", ["rn", "and", "cdl", "gas"]),
        ("夜勤 ok", ["夜勤", "ok"]),
        ("... !!! ((( -", []),
        ("", []),
    ],
)
def test_parts(text, expected):
    assert parts(text) == expected


@pytest.mark.parametrize("text", ["OSHA-30", "osha 30", "Osha30", "OSHA\u201130", "osha\u00a030"])
def test_every_spelling_of_a_certificate_is_the_same_terms(text):
    assert (parts(text), joined(text)) == (["osha", "30"], ["osha30"])


def test_linked_words_are_known_joined_and_apart():
    assert joined("hi-los, pick-up; end-of-line") == ["hilo", "pickup", "endof", "ofline", "endofline"]
    assert parts("hi-lo, pick-ups") == ["hi", "lo", "pick", "ups"]
    assert stem("hilos") == "hilo"


def test_numbers_are_joined_to_a_word_only_where_they_belong():
    assert joined("up to 30 feet") == []
    assert joined("operator, 5 years") == []
    assert joined("(609) 555-0155, 12-11-2026") == []
    assert joined("CNA/LPN") == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("driver", "drivers"),
        ("drive", "driving"),
        ("pack", "packed"),
        ("license", "licensed"),
        ("pick", "picking"),
        ("cut", "cutting"),
        ("bus", "buses"),
        ("warehouse", "warehouses"),
        ("study", "studies"),
        ("box", "boxes"),
        ("schedule", "scheduling"),
        ("staff", "staffing"),
        ("wire", "wiring"),
        ("glass", "glasses"),
    ],
)
def test_inflections_meet(one, other):
    assert stem(one) == stem(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("operator", "operations"),
        ("manager", "management"),
        ("university", "universe"),
        ("general", "generic"),
        ("nurse", "nursing"),  # a nursing assistant is not a nurse
        ("even", "evening"),
        ("new", "news"),
        ("bus", "business"),
        ("stock", "stocker"),
    ],
)
def test_different_words_stay_apart(one, other):
    assert stem(one) != stem(other)


@given(ANY | SPOKEN)
@example("ǰ")
@example("İstanbul")
def test_folding_what_is_folded_changes_nothing(text):
    assert fold(fold(text)) == fold(text)


@given(ANY | SPOKEN)
def test_spans_lie_in_the_text_and_their_own_text_gives_the_term(text):
    found = tokens(text)
    for token in found:
        assert 0 <= token.start < token.end <= len(text)
        assert token.raw
        assert not any(letter.isspace() for letter in token.term)
    plain = [token for token in found if not token.covers]
    assert [token.position for token in plain] == list(range(len(plain)))
    assert all(left.start <= right.start for left, right in pairwise(plain))


@given(ANY | SPOKEN)
def test_index_and_highlight_cut_alike(text):
    found = tokens(text)
    assert parts(text) == [token.term for token in found if not token.covers]
    assert sorted(joined(text)) == sorted(token.term for token in found if token.covers)


@given(st.lists(st.sampled_from(["osha", "30", "hi-lo", "c++", "é", "1st", "nights"]), max_size=6))
def test_text_cut_at_its_commas_gives_the_same_parts(words):
    assert parts(", ".join(words)) == [part for word in words for part in parts(word)]


def test_a_span_covers_the_word_as_written():
    text = "Has Résumés, OSHA 30 and C++."
    spans = {token.term: text[token.start : token.end] for token in tokens(text)}
    assert spans == {
        "has": "Has",
        "resume": "Résumés",
        "osha": "OSHA",
        "30": "30",
        "osha30": "OSHA 30",
        "and": "and",
        "c++": "C++",
    }


def test_a_very_long_word_is_cut_the_same_on_both_sides():
    assert parts("x" * 5000) == [term.term for term in ask("x" * 5000).terms] == ["x" * 64]


def test_a_question_drops_grammar_and_keeps_each_word_once():
    question = ask("We need a Forklift driver, and drivers who can drive")
    assert [(term.term, term.word) for term in question.terms if not term.covers] == [
        ("forklift", "Forklift"),
        ("driver", "driver"),
        ("drive", "drive"),
    ]
    assert [term.term for term in question.terms if term.guessed] == ["forkliftdriver"]


@pytest.mark.parametrize("text", ["", "   ", "who are the people with", "((( : ] +-", "\udc80"])
def test_a_question_of_nothing_has_no_terms(text):
    assert ask(text).terms == ()


def test_words_in_capitals_are_not_grammar():
    assert [term.term for term in ask("IT support for us").terms if not term.covers] == ["it", "support"]
    assert [term.term for term in ask("FIND IT SUPPORT FOR US").terms if not term.covers] == ["support"]


def test_conditions_become_needles_and_rank_too():
    question = ask("welder", must=["OSHA-30", "+"], must_not=["nights"], phrases=["Tow Motors"])
    assert question.must == (Needle(("osha", "30"), "osha30"),)
    assert question.must_not == (Needle(("night",)),)
    assert question.phrases == (Needle(("tow", "motor")),)
    ranked = [term.term for term in question.terms if not term.covers]
    assert ranked == ["welder", "tow", "motor", "osha", "30"]


@given(ANY | SPOKEN)
def test_matched_words_stand_in_the_text_and_do_not_overlap(text):
    found = matched(ask("osha 30 hi-lo 12 a+ resume"), text)
    assert all(text[one.start : one.end] == one.word for one in found)
    assert all(left.end <= right.start for left, right in pairwise(found))


def test_matched_words_are_the_longest_forms():
    text = "Forklifts; has OSHA-30, drives a fork lift."
    assert [one.word for one in matched(ask("forklift with osha30"), text)] == ["Forklifts", "OSHA-30"]
    assert [one.word for one in matched(ask("fork lift"), text)] == ["Forklifts", "fork", "lift"]


def test_empty_words_are_folded_words():
    assert all(word == fold(word) and word.isalpha() for word in EMPTY_WORDS)
