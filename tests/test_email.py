"""Every clause of the e-mail validator: what must be there, how long, what must never be in it, and whose name."""

from __future__ import annotations

import json
import random
from datetime import date
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ssn_texts import phone_text, planted_text

from workbench.staffing.validate import Desk, Report, Roster, judge

TODAY = date(2026, 11, 20)
NAMES = ["Jennifer Soto", "Irene Davis", "Zoë O'Neil", None, "Mary Ann Ruiz"]
ROSTER = Roster.of(pa.table({"worker_id": [156, 157, 158, 159, 160], "name": NAMES}), snapshot="workers@7")
DESK = Desk(roster=ROSTER)
TO_WORKER = {"audience": "worker", "pay_rate": 21.25}


def told(body: Any, context: Any = None, at: Desk = DESK, **more: Any) -> Report:
    return judge("email", {"to": "dana@example.com", "body": body} | more, context, desk=at, today=TODAY)


def errors(report: Report) -> list[tuple[str, str]]:
    return [(found.code, found.path) for found in report.findings if found.severity == "error"]


def refused(body: str, **more: Any) -> set[str]:
    return {code for code, _ in errors(told(body, **more))}


def test_an_honest_message_passes() -> None:
    body = "Hello Dana,\n\nJennifer Soto (W-156) can start on 11/23. Questions to (312) 555-0144.\n\nRegards"
    report = told(body, {"candidate_id": "W-156"}, subject="Forklift operators from 11/23", kind="email")
    assert report.ok
    assert report.findings == ()


@pytest.mark.parametrize(
    ("artifact", "path"),
    [
        ({"body": "x"}, "to"),
        ({"to": "", "body": "x"}, "to"),
        ({"to": ["a@example.com"], "body": "x"}, "to"),
        ({"to": "a@example.com\nBcc: all@example.com", "body": "x"}, "to"),
        ({"to": "a@example.com"}, "body"),
        ({"to": "a@example.com", "body": " \n"}, "body"),
        ({"to": "a@example.com", "body": {"text": "x"}}, "body"),
        ({"to": "a@example.com", "body": "x", "subject": 5}, "subject"),
        ({"to": "a@example.com", "body": "x", "subject": "a\r\nBcc: b"}, "subject"),
        ({"to": "a@example.com", "body": "x", "kind": "fax"}, "kind"),
        ({"to": "a@example.com", "body": "x", "kind": ["sms"]}, "kind"),
        ("Hello", "artifact"),
    ],
)
def test_schema_names_the_field(artifact: Any, path: str) -> None:
    report = judge("email", artifact, today=TODAY)
    assert report.error is not None
    assert report.error.to_dict()["Schema"]["field"] == path


def test_a_subject_has_at_most_78_characters() -> None:
    assert told("x", subject="é" * 78).ok
    report = told("x", subject="é" * 79)
    assert errors(report) == [("subject_too_long", "subject")]
    assert report.error.to_dict().keys() == {"Completeness"}  # type: ignore[union-attr]


def test_a_text_message_has_at_most_160_characters_and_an_email_as_many_as_it_likes() -> None:
    assert told("y" * 160, kind="sms").ok
    assert errors(told("y" * 161, kind="sms")) == [("sms_too_long", "body")]
    assert told("y" * 161, kind="email").ok
    assert told("y" * 161).ok


NOTATIONS = {
    "dashed": "078-05-1120",
    "dotted": "078.05.1120",
    "spaced": "078 05 1120",
    "no-break space": "078\u00a005\u00a01120",
    "narrow no-break space": "078\u202f05\u202f1120",
    "en dash": "078\u201305\u20131120",
    "em dash": "078\u201405\u20141120",
    "non-breaking hyphen": "078\u201105\u20111120",
    "full-width digits": "\uff10\uff17\uff18-\uff10\uff15-\uff11\uff11\uff12\uff10",
    "mixed marks": "078-05 1120",
    "spaces around dashes": "078 - 05 - 1120",
    "across a line break": "078-05-\n1120",
    "across a quoted line break": "078-05-\r\n> 1120",
    "bare line break": "078 05\n1120",
    "zero-width space": "078\u200b-05-1120",
    "over three lines": "078\n05\n1120",
    "over three quoted lines": "078\r\n> 05 \r\n> 1120",
    "over three lines with blank ones between": "078\n\n05\n\n1120",
}


@pytest.mark.parametrize("number", NOTATIONS.values(), ids=NOTATIONS)
def test_a_social_security_number_never_passes(number: str) -> None:
    report = told(f"Hello Dana,\n\nyes, {number} is right.\n")
    assert errors(report) == [("ssn", "body")]
    assert report.error.to_dict().keys() == {"Policy"}  # type: ignore[union-attr]


@pytest.mark.parametrize("audience", ["client", "worker"])
def test_nobody_is_told_a_social_security_number(audience: str) -> None:
    assert errors(told("It is 078-05-1120.", {"audience": audience})) == [("ssn", "body")]


@pytest.mark.parametrize("word", ["ssn", "SSN:", "SS# ", "SS#", "social security number", "Social Security:"])
def test_nine_bare_digits_are_one_beside_its_name(word: str) -> None:
    assert refused(f"Her {word} 078051120") == {"ssn"}


@pytest.mark.parametrize("said", ["ssn", "social security", "ss#"])
def test_nine_bare_digits_are_one_within_20_characters_only(said: str) -> None:
    assert refused(said + "." * 20 + "078051120") == {"ssn"}
    assert refused(said + "." * 21 + "078051120") == set()
    assert refused("078051120" + " " * 20 + said) == {"ssn"}
    assert refused("078051120" + " " * 21 + said) == set()


@pytest.mark.parametrize(
    "text",
    ["1078-05-11201", "2078-05-1120", "078-05-11209", "12-078-05-1120", "078-05-1120-44", "5.078.05.1120"],
)
def test_digits_beside_it_make_it_another_number(text: str) -> None:
    assert refused(f"Part {text} is on stock.") == set()


@pytest.mark.parametrize(
    "text",
    ["973-555-0184", "(973) 555-0184", "+1 973 555 0184", "9735550184", "973.555.0184", "555-0184", "+44 20 7946 0958"],
)
def test_phones_pass(text: str) -> None:
    assert refused(f"Call me at {text}.") == set()


@pytest.mark.parametrize(
    "text",
    ["Newark NJ 07105-2204", "EIN 07-8051120", "PO 078051120", "order 078051120", "W-078051120", "worker 078051120"],
)
def test_zips_employers_orders_and_workers_pass(text: str) -> None:
    assert refused(f"See {text} please.") - {"phantom_id"} == set()


@pytest.mark.parametrize("context", [None, {"candidate_id": "W-156"}, TO_WORKER])
@pytest.mark.parametrize(
    "more", [{}, {"subject": "W-99812 for you"}, {"ps": ["And w-99812."]}, {"worker_ids": [99812]}]
)
def test_a_worker_who_is_nowhere_on_the_roster_reaches_nobody(context: Any, more: Any) -> None:
    body = "Jennifer Soto can come" + (", or W-99812." if not more else ".")
    assert "phantom_id" in refused(body, context=context, **more)
    assert "phantom_id" not in refused("Jennifer Soto (W-156) can come, or W-157.", context=context)
    assert "phantom_id" in refused("Take W-156.", at=Desk())


def test_a_tax_form_is_no_worker() -> None:
    assert refused("Please bring your W-4 and W-9.") == set()


SEEN = [
    "219<b>-09</b>-9999",
    "219&#45;09&#45;9999",
    "&#50;19-09-9999",
    "219&nbsp;09&nbsp;9999",
    "219-<!-- x -->09-9999",
]


@pytest.mark.parametrize(
    "text", [*SEEN, "<i>SSN</i> 21909<u></u>9999", "①②③-④⑤-⑥⑦⑧⑨", "²¹⁹-⁰⁹-⁹⁹⁹⁹", "219-<br>09-9999"]
)
@pytest.mark.parametrize("field", ["body", "subject", "note"])
def test_a_number_that_shows_when_the_message_is_opened_is_seen(text: str, field: str) -> None:
    report = told(**{"body": "Hello.", field: f"About {text}."})
    assert ("ssn", field if field == "note" else "body") in errors(report) or ("ssn", field) in errors(report)
    assert "9999" not in json.dumps(report.to_dict()["findings"])


@pytest.mark.parametrize(
    "text", ["&#36;31 an hour", "<b>$31</b>/hr", "p<i></i>ay: 31", "pay&nbsp;31", "pays &dollar;31"]
)
def test_pay_that_shows_when_the_message_is_opened_is_seen(text: str) -> None:
    assert refused(f"Jennifer {text}.") == {"pay_rate"}


@pytest.mark.parametrize(
    "text", ["a < b and c > d", "R&D at 312-555-0144", "<b>Jennifer</b> starts on 11/23", "5&nbsp;people"]
)
def test_markup_alone_is_no_fault(text: str) -> None:
    assert refused(f"See {text} please.") == set()


@pytest.mark.parametrize(
    "text", ["1,078\n05\n1120", "078\n05\n1120.50", "2078\n05\n1120", "078\n05\n11201", "78\n05\n1120"]
)
def test_three_lines_of_other_numbers_pass(text: str) -> None:
    assert refused(f"As counted:\n{text}\nThanks") == set()


@pytest.mark.parametrize("field", ["to", "subject", "cc", "attachments"])
def test_no_field_leaks(field: str) -> None:
    value: Any = [{"text": "SSN 078-05-1120"}] if field == "attachments" else "SSN 078-05-1120"
    found = errors(told("x", **{field: value}))
    assert found == [("ssn", "attachments[0].text" if field == "attachments" else field)]


def test_subject_and_body_are_read_as_one() -> None:
    assert errors(told("078051120", subject="Your ssn")) == [("ssn", "body")]


def test_a_finding_says_where_and_never_repeats_the_number() -> None:
    body = "Ｎo: \u200b078-05-1120, thanks"
    report = told(body, subject="Hi")
    place = report.findings[0].evidence
    assert body[place["start"] : place["end"]] == "078-05-1120"
    assert "1120" not in json.dumps(report.to_dict()["findings"])


@pytest.mark.parametrize(
    ("value", "said"), [("my number 078-05-1120.", "078-05-1120"), ("is\u200b 078-05-1120", "078-05-1120")]
)
def test_a_place_in_another_field_is_a_place_in_its_text(value: str, said: str) -> None:
    found = next(one for one in told("x", cc=value).findings if one.code == "ssn")
    assert value[found.evidence["start"] : found.evidence["end"]] == said


@pytest.mark.parametrize("field", [{"ssn": "078051120"}, {"ssn": 219099999}, {"078-05-1120": None}])
def test_the_name_of_a_field_counts(field: dict[str, Any]) -> None:
    assert [code for code, _ in errors(told("x", notes=field))] == ["ssn"]


def test_a_client_is_not_told_the_pay() -> None:
    report = told("The pay rate is $27.50 an hour.", {"pay_rate": 27.5})
    assert errors(report) == [("pay_rate", "body")]
    assert report.error.to_dict().keys() == {"Policy"}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        "She earns 27.50 now", "pay: 27", "Pay rate 27.50", "salary of 52,000", "his wage is USD 27", "$27.50/hr",
        "27.50 an hour", "27 dollars an hour", "wages are 52k", "bill rate $42", "our markup is $12.40",
        "at twenty-seven dollars an hour", "twenty-seven fifty an hour is the pay", "compensation: €30", "hourly $27",
        "pay\u00a0rate \uff04\uff12\uff17.50", "$27\nis the\nhourly pay",
    ],
)  # fmt: skip
def test_a_word_of_pay_near_an_amount_is_pay(text: str) -> None:
    assert refused(f"Note: {text}.") == {"pay_rate"}


@pytest.mark.parametrize(
    "text",
    [
        "The invoice is $1,250.00, due 11/30.", "Pay day is Friday 27 Nov.", "Pay questions to 973-555-0184.",
        "Five people at 40 boxes per hour.", "Payroll closes at 7:00 pm.", "The fill rate was 95%.",
        "He is paid weekly.",
        "Pay at 7 am on 11/23.", "We ship 120 an hour.", "Payment terms are net 30.",
    ],
)  # fmt: skip
def test_what_states_no_pay_passes(text: str) -> None:
    assert refused(text) == set()


def test_to_ask_for_money_one_must_not_say_pay() -> None:
    """By the letter of the contract: a word of pay within 40 characters of an amount, whatever it means."""
    assert refused("Please pay $1,250 by Friday.") == {"pay_rate"}
    for text in ("Please settle the invoice of $1,250.", "We ask for payment of $1,250.", "Please pay invoice 1250."):
        assert refused(text) == set()


def test_the_word_counts_within_40_characters() -> None:
    assert refused("salary" + "." * 40 + "$900") == {"pay_rate"}
    assert refused("salary" + "." * 41 + "$900") == set()
    assert refused("$900" + "." * 40 + "salary") == {"pay_rate"}
    assert refused("$900" + "." * 41 + "salary") == set()


@pytest.mark.parametrize("text", ["$21.25/hr", "pay is 21.25", "21.25 an hour", "Pay rate: $21.25"])
@pytest.mark.parametrize("rate", [21.25, "21.25", "$21.250"])
def test_a_worker_may_be_told_exactly_the_orders_pay_rate(text: str, rate: Any) -> None:
    assert told(f"Box truck, {text}. Reply YES.", {"audience": "worker", "pay_rate": rate}).ok
    assert not told(f"Box truck, {text}. Reply YES.", {"audience": "client", "pay_rate": rate}).ok


@pytest.mark.parametrize(
    "text", ["$21.50/hr", "pay is 21", "$21.25-25/hr", "Pay $21.25 – 25", "$21.25/hr, bill rate $30", "$850 a week"]
)
def test_a_worker_is_told_no_other_amount(text: str) -> None:
    report = told(f"Box truck, {text}. Reply YES.", TO_WORKER)
    assert {code for code, _ in errors(report)} == {"pay_rate"}


def test_a_worker_is_not_told_what_the_client_pays_even_if_it_is_equal() -> None:
    assert not told("The bill rate is $21.25.", TO_WORKER).ok


def test_without_a_known_rate_no_amount_can_be_right() -> None:
    assert not told("Pay is $21.25.", {"audience": "worker"}).ok


@pytest.mark.parametrize("audience", ["Worker", "", 5, ["worker"]])
def test_an_unknown_audience_is_told_as_little_as_a_client(audience: Any) -> None:
    report = told("Pay is $21.25.", {"audience": audience, "pay_rate": 21.25})
    assert {code for code, _ in errors(report)} == {"bad_context", "pay_rate"}


@pytest.mark.parametrize("rate", ["much", -1, True, [21], "NaN", 0])
def test_a_pay_rate_is_an_amount(rate: Any) -> None:
    assert ("bad_context", "_context.pay_rate") in errors(told("x", {"audience": "worker", "pay_rate": rate}))


def test_a_message_about_nobody_on_the_roster_is_refused() -> None:
    about = {"candidate_id": "W-999"}
    assert errors(told("Hello", about)) == [("phantom_id", "_context.candidate_id")]
    assert errors(told("Hello", {"candidate_id": "W-156"}, Desk())) == [("phantom_id", "_context.candidate_id")]


@pytest.mark.parametrize(
    "said", ["Jennifer Soto", "JENNIFER SOTO", "Jennifer", "Jennifer (W-156)", "Mr. Soto and Jennifer"]
)
def test_the_candidate_may_be_named_in_full_or_by_first_name(said: str) -> None:
    report = told(f"Hello Derek Malik,\n\n{said} is free on Monday.\n", {"candidate_id": "w-156"})
    assert report.findings == ()


@pytest.mark.parametrize("said", ["Irene Davis", "Yes Irene Davis", "Jennifer Sota", "Irene Davis (W-156)"])
def test_another_name_than_the_candidates_is_refused(said: str) -> None:
    report = told(f"Hello Oscar,\n\n{said} is free on Monday.", {"candidate_id": "W-156"})
    assert errors(report) == [("name_mismatch", "body")]
    assert report.findings[0].nearest_valid == ("Jennifer Soto",)
    assert report.error.to_dict().keys() == {"Consistency"}  # type: ignore[union-attr]


def test_another_id_than_the_candidates_is_refused() -> None:
    assert errors(told("Jennifer Soto (W-157)", {"candidate_id": "W-156"})) == [("name_mismatch", "body")]


def test_a_message_that_names_nobody_is_a_warning() -> None:
    report = told("Hello Dana,\n\na forklift operator is free.", {"candidate_id": "W-156"})
    assert report.ok
    assert [found.code for found in report.findings] == ["name_missing"]


@pytest.mark.parametrize(
    ("greeting", "ok"), [("Jennifer", True), ("jennifer", True), ("Ms. Soto", True), ("all", True), ("Irene", False)]
)
def test_a_worker_is_greeted_by_the_own_name(greeting: str, *, ok: bool) -> None:
    report = told(f"Hi {greeting}, can you work Monday?", TO_WORKER | {"candidate_id": "W-156"}, kind="sms")
    assert errors(report) == ([] if ok else [("name_mismatch", "body")])


def test_accents_and_middle_names_are_no_other_name() -> None:
    assert told("Hi Zoe, Monday?", TO_WORKER | {"candidate_id": "W-158"}).ok
    assert told("Mary Ruiz is free.", {"candidate_id": "W-160"}).ok
    assert told("Zoe ONeil is free.", {"candidate_id": "W-158"}).findings == ()


def test_a_name_in_the_context_is_the_rosters() -> None:
    about = {"candidate_id": "W-156", "name": "Irene Davis"}
    assert errors(told("Jennifer Soto is free", about)) == [("name_mismatch", "_context.name")]
    assert told("x", {"candidate_id": "W-159"}).findings[0].code == "not_checked"  # the roster has no name


def test_policy_comes_before_names() -> None:
    report = told("Irene Davis, 078-05-1120, pay $27", {"candidate_id": "W-156"}, subject="s" * 79, kind="nope")
    layers = [found.layer for found in report.findings]
    assert layers == ["Schema", "Completeness", "Policy", "Policy", "Consistency"]


def test_messages_full_of_phones_hold_no_social_security_number() -> None:
    rng = random.Random(20)
    false = [text for _ in range(20_000) if "ssn" in refused(text := phone_text(rng))]
    assert false == []


def test_no_planted_number_is_missed() -> None:
    rng = random.Random(21)
    missed = [text for _ in range(4_000) if "ssn" not in refused(text := planted_text(rng))]
    assert missed == []


@given(st.text() | st.none() | st.integers(), st.text(max_size=90), st.sampled_from(["client", "worker", None, 1]))
def test_no_message_crashes_the_validator(body: Any, subject: str, audience: Any) -> None:
    report = told(body, {"audience": audience, "candidate_id": "W-156"}, subject=subject)
    assert "validator_crashed" not in {found.code for found in report.findings}


@given(st.text(alphabet=st.sampled_from("078-05 1120.\n$pay/hr\u200b\u2013İ\uff10,k"), max_size=400))
def test_hostile_text_is_judged_and_its_places_are_its_own(body: str) -> None:
    report = told(body)
    for found in report.findings:
        assert found.code != "validator_crashed"
        if found.path == "body" and found.evidence:
            assert 0 <= found.evidence["start"] < found.evidence["end"] <= len(body)


@pytest.mark.parametrize(
    "text", ["31$/hr", "31 € an hour", "paid 31", "is paid $31", "hourly: 31", "earns 31", "comp: $62,000", "OTE 62k"]
)
def test_pay_in_other_words_is_pay(text: str) -> None:
    assert refused(f"Jennifer {text}.") == {"pay_rate"}


@pytest.mark.parametrize(
    "text", ["lifts 31 boxes an hour", "was paid for 3 weeks", "earns 2 days off", "competes in 10 races", "has 62 K/D"]
)
def test_other_numbers_are_no_pay(text: str) -> None:
    assert refused(f"Jennifer {text}.") == set()
