"""Spelling: what people type is read into known words, every change is told, and nothing known is touched."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workbench.search.lexical.words import fold, index_terms, stem
from workbench.search.reading.asked import parse
from workbench.search.reading.spelling import Change, Spelling, Titles, Vocabulary
from workbench.search.reading.vocabulary import english, usual_short_words, words_meant
from workbench.trades.dictionary import Dictionary

ROLES = [
    "Forklift Operator", "Warehouse Associate", "Picker", "Packer", "Loader", "Shipping Clerk", "Welder", "Line Cook",
    "Maintenance Tech", "Front Desk Agent", "Data Entry Clerk", "Accounts Payable Clerk", "Registered Nurse",
    "Help Desk Technician", "Banquet Server", "Receptionist", "Machine Operator", "Delivery Driver", "Housekeeper",
    "Customer Service Representative", "JavaScript Developer", "Certified Nursing Assistant", "Yard Spotter",
]  # fmt: skip
TEXTS = [
    *ROLES,
    "Runs a sit-down forklift on 2nd shift in Gary, holds OSHA-30 and a CDL-A.",
    "MIG and TIG welding in a job shop; reads blueprints. Lives in Joliet.",
    "Answers phones at a hotel, inbound calls, bilingual, night audit.",
    "Orders picked with an RF scanner; pallets wrapped; dock work on weekends.",
    "Registered nurse, RN, CPR, med-surg floor of a hospital.",
    "Patient charts, CNA and HHA; Haas lathes; the Zubrowka ERP.",
]
ANY = st.text(alphabet=st.characters(codec="utf-8"), max_size=60)
TYPED = ["forklift", "forlift", "ord", "pkr", "FD", "agt", "DE", "clk", "S/R", "hand", "paker", "recept.", "OSHA-30",
         "CDL-A", "RN", "MA", "OP", '"line cok"', "role:pkr", "-nites", ",", "guy", "lbs", "soon", "Kowalski", "teh",
         "WLDR", "Line", "cok", "ship/rec", "tech", "HD", "sr", "dk", "ldr", "xyzzy", "C++", "3rd",
         "nurse's"]  # fmt: skip
NOTES = st.lists(st.sampled_from(TYPED), max_size=9).map(" ".join)
WORDS = st.text(alphabet="abcdefgiklnoprstuwy", min_size=1, max_size=12)


def speller(roles: list[str], texts: list[str], names: tuple[str, ...] = ()) -> Spelling:
    counts = Counter(term for text in texts for term in set(" ".join(index_terms(text)).split()))
    return Spelling(Vocabulary(counts.items, roles, titles()), names)


@cache
def titles() -> Titles:
    return Titles(Dictionary.load().titles)


@cache
def staffing() -> Spelling:
    return speller(ROLES, TEXTS, ("South Bend", "Elkhart"))


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        # letters wrong, missing, doubled, swapped
        ("recieving clerk", "receiving clerk"),
        ("machne oprator 3rd", "machine operator 3rd"),
        ("forklfit driver", "forklift driver"),
        ("electrican", "electrician"),
        ("maintanance mechanic", "maintenance mechanic"),
        ("recepcionist", "receptionist"),
        ("nurce", "nurse"),
        ("truk driver", "truck driver"),
        ("houskeeping", "housekeeping"),
        ("custommer service", "customer service"),
        ("ecretary", "secretary"),
        ("hand paker", "hand packer"),
        ("line cok", "line cook"),
        ("Recptionist In Elkhart", "Receptionist In Elkhart"),
        ("RECPTIONIST", "RECEPTIONIST"),
        ("WLDR NITES", "WELDER NIGHTS"),
        ("picker/packr", "picker/packer"),
        ("bartendr, weekends", "bartender, weekends"),
        # short forms
        ("whs wkr", "warehouse worker"),
        ("wrhs assoc", "warehouse associate"),
        ("shpng clk", "shipping clerk"),
        ("hskpr", "housekeeper"),
        ("dshwshr", "dishwasher"),
        ("admin. asst.", "administrative assistant"),
        ("cust svc rep", "customer service representative"),
        ("sftwr eng", "software engineer"),
        ("part-time recpt", "part-time receptionist"),
        ("ord pkr", "order picker"),
        ("dk ldr", "dock loader"),
        ("regstrd nrs", "registered nurse"),
        ("fork lift oprtr", "fork lift operator"),
        ("jr acct", "junior accountant"),
        ("matl hndlr", "material handler"),
        ("welder w/ 5 yrs exp", "welder w/ 5 years experience"),
        # first letters
        ("FD agt", "front desk agent"),
        ("FD AGT", "FRONT DESK AGENT"),
        ("DE clk", "data entry clerk"),
        ("HD tech", "help desk tech"),
        ("AP clerk", "accounts payable clerk"),
        ("A/P clk", "accounts payable clerk"),
        ("S/R clk", "shipping receiving clerk"),
        ("FL op", "forklift operator"),
        ("LN ck", "line cook"),
    ],
)
def test_what_people_type_is_read_as_what_they_mean(typed: str, read: str) -> None:
    assert staffing().read(typed).text == read


@pytest.mark.parametrize(
    "text",
    [
        "forklift operator with OSHA-30 and CDL-A in Gary",
        "RN nights",
        "nurse FL",
        "welder, FL",
        "CMA or RMA",
        "CNA PCT LVN STNA",  # credentials that nobody here has are not words gone wrong
        '"line cok" "pkr"',
        "role:pkr city:Elkhrt +wldr -nites",
        "Zubrowka",
        "someone named Kowalski",
        "worker W-12 ASMEB31 D1.1 C++ a@b.com www.forlift.com #forlift",
        "how soon can they start, tall guys",
        "shelving merchandise chicken degrees divorce",  # English that no title has
        "asdfgh qwerty zxcv",
        "the teh adn",
        "elkhart near south bend",  # names passed in
        "guard in Del Rio",
        "a" * 10_000,
        "pab" * 20,
        "picker packer loader",
        "",
        " ,;() ",
    ],
)
def test_what_is_known_or_no_word_stays_as_typed(text: str) -> None:
    assert staffing().read(text) == type(staffing().read(text))(text, ())


def test_no_guess_when_two_readings_fit_equally() -> None:
    both = speller(["Zapper", "Zamper"], ["zapper zamper"])
    assert both.read("zaqper").changes == ()
    assert speller(["Zapper"], ["zapper"]).read("zaqper").text == "zapper"


def test_the_words_beside_it_decide() -> None:
    assert staffing().read("hand paker").text == "hand packer"
    bakers = speller(["Baker", "Pastry Baker"], ["Pastry baker"])
    assert bakers.read("pastry bakr").text == "pastry baker"


def test_what_a_corpus_itself_says_stays() -> None:
    assert staffing().read("bqt svr").text == "banquet server"
    assert speller(ROLES, [*TEXTS, "bqt svr, 2 yrs"]).read("bqt svr, 2 yrs").changes == ()


def test_changes_say_what_was_typed_where_and_why() -> None:
    read = staffing().read("forlift recept. for an FD agt")
    assert read.changes == (
        Change("forlift", "forklift", (0, 7), "typo"),
        Change("recept.", "receptionist", (8, 15), "short for"),
        Change("FD", "front desk", (23, 25), "initials"),
        Change("agt", "agent", (26, 29), "short for"),
    )
    assert read.changes[0].says == "read 'forlift' as forklift"


def test_items_of_a_query_keep_their_spans_and_operators() -> None:
    asked = parse('ord pkr "line cok" city:Gary -nites +wldr')
    new, changes = staffing().asked(asked)
    assert new.free == "order picker"
    assert [item.span for item in new.items] == [item.span for item in asked.items]
    assert new.text == asked.text
    assert (new.phrases, new.must, new.must_not, new.cities) == (
        asked.phrases, asked.must, asked.must_not, asked.cities,
    )  # fmt: skip
    assert [change.read for change in changes] == ["order", "picker"]


def test_a_query_without_anything_to_read_comes_back_as_it_is() -> None:
    asked = parse("forklift operator, nights")
    assert staffing().asked(asked) == (asked, ())


def test_terms_are_asked_for_once_and_only_when_needed() -> None:
    calls: list[int] = []

    def terms() -> list[tuple[str, int]]:
        calls.append(1)
        return [("welder", 3)]

    own = Spelling(Vocabulary(terms, ["Welder"], titles()))
    assert not calls
    assert own.read("weldr").text == "welder"
    own.read("weldr")
    assert calls == [1]


@given(st.one_of(ANY, NOTES))
@example("A/B/C.")
@example("ﬁrst ſhift ß")
@example("İ İ.")
@example("S/R S/R pkr.")
def test_reading_never_fails_and_tells_every_change(text: str) -> None:
    read = staffing().read(text)
    rebuilt, at = "", 0
    for change in read.changes:
        start, end = change.span
        assert at <= start < end <= len(text)
        assert text[start:end] == change.typed
        assert change.read != change.typed
        rebuilt, at = rebuilt + text[at:start] + change.read, end
    assert rebuilt + text[at:] == read.text


@given(st.one_of(ANY, NOTES))
def test_what_was_read_is_read_as_it_is(text: str) -> None:
    once = staffing().read(text)
    assert staffing().read(once.text).text == once.text


@given(st.lists(st.sampled_from([word for text in TEXTS for word in text.split()]), max_size=8).map(" ".join))
def test_known_words_are_never_touched(text: str) -> None:
    changed = {change.typed for change in staffing().read(text).changes}
    # A known word in capitals may be first letters ("AP clerk"); that is all.
    assert all(word.isupper() and len(word) < 4 for word in changed)


@given(NOTES)
def test_items_and_text_are_read_alike(text: str) -> None:
    assert staffing().asked(parse(text))[1] == staffing().read(text).changes


@given(WORDS)
def test_a_typo_is_close_and_a_short_form_is_inside(word: str) -> None:
    for change in staffing().read(word).changes:
        if change.why == "typo":
            assert abs(len(change.read) - len(word)) <= 2
        elif word not in usual_short_words():
            letters = iter(change.read)
            assert change.read[0] == word[0]
            assert all(letter in letters for letter in word)


def test_the_shipped_words_are_what_the_code_takes_them_for() -> None:
    assert len(english()) > 15_000
    assert {"guy", "chicken", "week", stem("shelves")} <= english()
    assert not any(word.startswith("#") for word in english())
    for short, means in usual_short_words().items():
        assert means, short
        assert short == short.lower() or short == short.upper()
        assert all(one == fold(one) and one for one in means)
    assert "forklift" not in usual_short_words()
    assert {"outpatient", "surg"} <= words_meant()
