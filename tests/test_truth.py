"""Truth rules: every condition, every action, dotted paths, and what a rule that crashes does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.memory.truth import Block, Outcome, Pass, Redact, Reject, Rule, RuleBook, Ruling, cover
from workbench.memory.truth.conditions import (
    Against,
    Always,
    Condition,
    FieldContainsAny,
    FieldEmpty,
    FieldEquals,
    FieldGreater,
    FieldMismatch,
    number,
    same,
)
from workbench.memory.truth.paths import MISSING, DottedPath, shown
from workbench.pii.masks import WHOLE

FACTS: dict[str, Any] = {
    "context": {
        "city": " Joliet ",
        "count": 2,
        "pay": "$1,250.50",
        "must": ["OSHA-30", "Forklift"],
        "on": True,
        "no": None,
    },
    "artifact": {"fills": [{"name": "Ana", "score": 1}, {"name": "Ben", "score": 3}, {"name": ""}], "notes": "call 5"},
}


def path(text: str) -> DottedPath:
    return DottedPath(text)


def values(*given: Any) -> Against:
    return Against(given)


def other(text: str) -> Against:
    return Against(other=path(text))


def places(condition: Condition, facts: Mapping[str, Any] = FACTS) -> list[str]:
    return [shown(place.where) for place in condition.hits(facts)]


def rule(condition: Condition, action: Any, id_: str = "r", task_class: str = "staffing.fill") -> Rule:
    return Rule(id_, task_class, "a rule", condition, action)


def judged(*rules: Rule, facts: Mapping[str, Any] = FACTS) -> Ruling:
    return RuleBook(rules).judge("staffing.fill", facts)


def test_always_holds_everywhere() -> None:
    assert places(Always()) == [""]
    assert places(Always(), {}) == [""]


@pytest.mark.parametrize(
    ("field", "against", "at"),
    [
        ("context.city", values("joliet"), ["context.city"]),
        ("context.city", values("Gary", "JOLIET"), ["context.city"]),
        ("context.city", values("Gary"), []),
        ("context.count", values(2.0), ["context.count"]),
        ("context.count", values("2"), []),
        ("context.on", values(True), ["context.on"]),
        ("context.on", values(1), []),
        ("context.must", values("forklift"), ["context.must[1]"]),
        ("artifact.fills.name", values("ana", "ben"), ["artifact.fills[0].name", "artifact.fills[1].name"]),
        ("artifact.fills.1.name", values("Ben"), ["artifact.fills[1].name"]),
        ("context.no", values("x"), []),
        ("context.nothing", values("x"), []),
        ("artifact.fills.score", other("context.count"), []),
        ("context.count", other("context.count"), ["context.count"]),
    ],
)
def test_field_equals(field: str, against: Against, at: list[str]) -> None:
    assert places(FieldEquals(path(field), against)) == at


@pytest.mark.parametrize(
    ("field", "against", "at"),
    [
        ("context.city", values("Gary"), ["context.city"]),
        ("context.city", values("joliet"), []),
        ("context.city", values("Gary", "Joliet"), []),
        ("context.count", values("2"), ["context.count"]),
        ("context.on", values(1), ["context.on"]),
        ("artifact.fills.score", values(3), ["artifact.fills[0].score"]),
        ("artifact.fills.score", other("context.count"), ["artifact.fills[0].score", "artifact.fills[1].score"]),
        ("artifact.fills", values("x"), ["artifact.fills[0]", "artifact.fills[1]", "artifact.fills[2]"]),
    ],
)
def test_field_mismatch(field: str, against: Against, at: list[str]) -> None:
    assert places(FieldMismatch(path(field), against)) == at


@pytest.mark.parametrize("against", [values("x"), other("context.city")])
@pytest.mark.parametrize("field", ["context.no", "context.nothing", "artifact.fills.nothing", "workers.city"])
def test_what_is_not_known_is_no_mismatch(field: str, against: Against) -> None:
    assert places(FieldMismatch(path(field), against)) == []


@pytest.mark.parametrize("unknown", ["context.no", "context.nothing", "workers.active"])
def test_nothing_differs_from_what_is_not_known(unknown: str) -> None:
    assert places(FieldMismatch(path("context.count"), other(unknown))) == []
    assert places(FieldGreater(path("context.count"), other(unknown))) == []


@pytest.mark.parametrize(
    ("value", "empty"),
    [
        (None, True),
        ("", True),
        (" \n\t", True),
        ([], True),
        ({}, True),
        (0, False),
        (False, False),
        ("0", False),
        ([0], False),
    ],
)
def test_field_empty(value: Any, empty: bool) -> None:
    assert bool(places(FieldEmpty(path("context.x")), {"context": {"x": value}})) is empty


def test_field_empty_holds_of_what_is_missing_and_says_which_item() -> None:
    assert places(FieldEmpty(path("context.nothing"))) == ["context.nothing"]
    assert places(FieldEmpty(path("artifact.fills.name"))) == ["artifact.fills[2].name"]
    assert places(FieldEmpty(path("artifact.fills.score"))) == ["artifact.fills[2].score"]
    assert places(FieldEmpty(path("context.city.part"))) == ["context.city.part"]
    assert places(FieldEmpty(path("artifact.fills.name")), {"artifact": {"fills": []}}) == ["artifact.fills.name"]


@pytest.mark.parametrize(
    ("field", "against", "at"),
    [
        ("artifact.fills.score", values(2), ["artifact.fills[1].score"]),
        ("artifact.fills.score", values(3), []),
        ("artifact.fills.score", other("context.count"), ["artifact.fills[1].score"]),
        ("context.pay", values(1250.5), []),
        ("context.pay", values(1250), ["context.pay"]),
        ("context.nothing", values(1), []),
        ("context.no", values(1), []),
    ],
)
def test_field_greater(field: str, against: Against, at: list[str]) -> None:
    assert places(FieldGreater(path(field), against)) == at


@pytest.mark.parametrize("value", ["ninety", "1e99", "18/h", True, {"a": 1}, float("nan"), "１２ each"])
def test_what_is_no_number_is_not_within_a_limit(value: Any) -> None:
    assert places(FieldGreater(path("context.x"), values(1_000_000)), {"context": {"x": value}}) == ["context.x"]


def test_a_limit_that_is_no_number_is_no_limit_to_keep() -> None:
    facts = {"context": {"x": 1, "most": "a lot"}}
    assert places(FieldGreater(path("context.x"), other("context.most")), facts) == ["context.x"]


def test_greater_means_than_all_that_it_is_compared_with() -> None:
    facts = {"context": {"x": [3, 8], "bids": [5, 7]}}
    assert places(FieldGreater(path("context.x"), other("context.bids")), facts) == ["context.x[1]"]


@pytest.mark.parametrize(
    "text",
    [
        "please DROP TABLE workers",
        "drop \n\t table workers",
        "drop\u00a0table workers",
        "DR\u200bOP TABLE workers",
        "ｄｒｏｐ ｔａｂｌｅ workers",
        "drop/* now */table workers",
        "drop -- now\ntable workers",
    ],
)
def test_field_contains_any(text: str) -> None:
    condition = FieldContainsAny(path("context"), ("truncate", "drop table"))
    found = list(condition.hits({"context": {"a": [{"b": text}]}}))
    assert [(shown(one.where), one.value) for one in found] == [("context.a[0].b", "drop table")]


@pytest.mark.parametrize("text", ["drop/* now", "drop the table", "table drop", "droptable"])
def test_field_contains_any_does_not_hold_of_other_texts(text: str) -> None:
    assert places(FieldContainsAny(path("context"), ("truncate", "drop table")), {"context": text}) == []


def test_field_contains_any_looks_at_names_and_numbers_too() -> None:
    condition = FieldContainsAny(path("artifact"), ("secret", "555"))
    facts = {"artifact": {"my secret": 1, "phone": 3125550134, "flag": True, "none": None}}
    assert places(condition, facts) == ["artifact.my secret", "artifact.phone"]


def test_whole_words_only_where_the_rule_says_so() -> None:
    facts = {"context": {"a": "backdrop tables", "b": "a drop table;"}}
    assert places(FieldContainsAny(path("context"), ("drop table",)), facts) == ["context.a", "context.b"]
    assert places(FieldContainsAny(path("context"), ("drop table",), words=True), facts) == ["context.b"]


def test_a_needle_is_text_and_no_pattern() -> None:
    assert places(FieldContainsAny(path("context"), ("a.c", "(")), {"context": ["abc"]}) == []
    assert places(FieldContainsAny(path("context"), ("a.c", "(")), {"context": ["x A.C", "f("]}) == [
        "context[0]",
        "context[1]",
    ]


def test_pass_changes_nothing_and_outweighs_nothing() -> None:
    alone = judged(rule(Always(), Pass()))
    assert alone.ok
    assert alone.outcomes[0].state == "held"
    assert not judged(rule(Always(), Pass()), rule(Always(), Reject("no"), "s"), rule(Always(), Pass(), "t")).ok


def test_reject_refuses_and_does_not_end_the_task() -> None:
    ruling = judged(rule(FieldEmpty(path("context.no")), Reject("needed")))
    assert not ruling.ok
    assert not ruling.blocked
    assert judged(rule(FieldEmpty(path("context.city")), Reject("needed"))).ok


def test_block_refuses_and_ends_the_task() -> None:
    ruling = judged(rule(FieldEquals(path("context.city"), values("Joliet")), Block("never")))
    assert not ruling.ok
    assert ruling.blocked
    assert not judged(rule(FieldEquals(path("context.city"), values("Gary")), Block("never"))).blocked


def test_redact_covers_the_fields_and_refuses_nothing() -> None:
    ruling = judged(rule(Always(), Redact((path("artifact.notes"), path("artifact.fills.name")))))
    assert ruling.ok
    assert ruling.facts["artifact"]["notes"] == WHOLE
    assert [fill["name"] for fill in ruling.facts["artifact"]["fills"]] == [WHOLE, WHOLE, ""]
    assert FACTS["artifact"]["notes"] == "call 5"  # the caller's own stays as it was
    at = [shown(place.where) for place in ruling.outcomes[0].places]
    assert at == ["artifact.notes", "artifact.fills[0].name", "artifact.fills[1].name"]


def test_redact_does_nothing_when_its_condition_does_not_hold() -> None:
    ruling = judged(rule(FieldEquals(path("context.count"), values(3)), Redact((path("artifact.notes"),))))
    assert ruling.facts is FACTS


def test_a_redaction_hides_nothing_from_another_rule() -> None:
    """Were the text covered for the rules too, a file could switch off a rule that is built in."""
    hide = rule(Always(), Redact((path("artifact.notes"),)), "a")
    refuse = rule(FieldContainsAny(path("artifact.notes"), ("call",)), Block("no calls"), "b")
    assert judged(hide, refuse).blocked
    assert judged(refuse, hide).blocked


def test_a_rule_of_any_is_asked_of_its_family_alone() -> None:
    book = RuleBook((rule(Always(), Pass(), "a", "staffing.any"), rule(Always(), Pass(), "b", "staffing.email")))
    assert [one.id for one in book.of("staffing.fill")] == ["a"]
    assert [one.id for one in book.of("staffing.email")] == ["a", "b"]
    assert book.of("distill.score") == ()


class _Hostile(Mapping[str, Any]):
    """An object that no rule can look into."""

    def __getitem__(self, key: str) -> Any:
        raise ZeroDivisionError

    def __contains__(self, key: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        raise ZeroDivisionError

    def __len__(self) -> int:
        return 1


@pytest.mark.parametrize("action", [Pass(), Reject("no"), Block("no"), Redact((DottedPath("context.city"),))])
def test_a_rule_that_crashes_refuses_whatever_its_action(action: Any) -> None:
    ruling = judged(rule(FieldEquals(path("artifact.x"), values(1)), action), facts={**FACTS, "artifact": _Hostile()})
    assert ruling.outcomes == (Outcome(ruling.outcomes[0].rule, "crashed", crash="ZeroDivisionError"),)
    assert ruling.blocked
    assert ruling.crashed
    assert ruling.facts == {}  # what it would have covered is not known, so nothing may be seen


def test_a_redaction_that_crashes_refuses() -> None:
    redact = rule(Always(), Redact((path("artifact.x"),)))
    ruling = judged(redact, rule(Always(), Pass(), "s"), facts={"artifact": _Hostile()})
    assert [one.state for one in ruling.outcomes] == ["crashed", "held"]
    assert ruling.facts == {}


def test_what_is_nested_without_end_is_a_crash_and_refuses() -> None:
    deep: list[Any] = []
    deep.append(deep)
    ruling = judged(rule(FieldContainsAny(path("context"), ("x",)), Pass()), facts={"context": deep})
    assert ruling.outcomes[0].crash == "RecursionError"
    assert not ruling.ok


def test_without_the_part_that_it_looks_into_emptiness_is_not_checked() -> None:
    ruling = judged(rule(FieldEmpty(path("context.city")), Reject("needed")), facts={"artifact": {}})
    assert ruling.outcomes[0].state == "not checked"
    assert ruling.ok


def test_another_rule_is_another_version_and_another_place_is_not() -> None:
    one = RuleBook((Rule("r", "staffing.fill", "d", Always(), Reject("no")),))
    moved = RuleBook((Rule("r", "staffing.fill", "d", Always(), Reject("no"), "a.toml", 7),))
    assert one.digest == moved.digest
    others = [
        rule(Always(), Reject("No.")),
        rule(Always(), Block("no")),
        rule(FieldEmpty(path("context.a")), Reject("no")),
    ]
    assert len({one.digest, *(RuleBook((each,)).digest for each in others)}) == 4


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=False, width=16), st.text("aB é", max_size=3)
)
KEYS = st.sampled_from(["a", "b", "c"])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
PATHS = st.lists(KEYS, min_size=1, max_size=3).map(lambda parts: DottedPath(".".join(("context", *parts))))


def flat(value: Any, where: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value of a JSON value with its place: what a path leads to, found the long way."""
    yield where, value
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flat(inner, (*where, name))
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from flat(inner, (*where, n))


def names(where: tuple[str | int, ...]) -> tuple[str, ...]:
    return tuple(part for part in where if isinstance(part, str))


@given(JSON, PATHS)
def test_a_path_leads_where_the_names_say(value: Any, to: DottedPath) -> None:
    facts = {"context": value}
    led = [(place.where, place.value) for place in to.find(facts) if place.value is not MISSING]
    assert led == [
        (where, one) for where, one in flat(facts) if names(where) == to.parts and isinstance(where[-1], str)
    ]


@given(JSON, PATHS)
def test_covering_covers_what_the_path_leads_to_and_nothing_else(value: Any, to: DottedPath) -> None:
    facts = {"context": value}
    masked = cover(facts, to.parts)
    assert cover(masked, to.parts) is masked
    now = dict(flat(masked))
    for where, old in flat(facts):
        if names(where)[: len(to.parts)] != to.parts and not isinstance(old, dict | list):
            assert now[where] == old
    for place in to.find(facts):
        if place.value is not MISSING:
            is_there = place.value not in (None, [], {}) and not (
                isinstance(place.value, str) and not place.value.strip()
            )
            assert now[place.where] == (WHOLE if is_there else place.value)


@given(JSON, SCALARS.filter(lambda one: one is not None), PATHS)
def test_what_is_known_is_equal_or_different_and_never_both(value: Any, wanted: Any, to: DottedPath) -> None:
    facts = {"context": value}
    equal = places(FieldEquals(to, values(wanted)), facts)
    different = places(FieldMismatch(to, values(wanted)), facts)
    assert not set(equal) & set(different)
    assert len(equal) + len(different) == sum(1 for _ in to.values(facts))


@given(st.integers(-(10**20), 10**20) | st.floats(allow_nan=False), st.integers(-100, 100) | st.floats(-100, 100))
def test_greater_is_what_python_says(value: float, limit: float) -> None:
    assert bool(places(FieldGreater(path("context.x"), values(limit)), {"context": {"x": value}})) is (value > limit)


@given(st.text("abcX-", max_size=12), st.lists(st.text("abcx-", min_size=1, max_size=2), min_size=1, max_size=3))
def test_contains_is_what_python_says(text: str, needles: list[str]) -> None:
    held = places(FieldContainsAny(path("context.x"), tuple(needles)), {"context": {"x": text}})
    assert bool(held) is any(needle in text.lower() for needle in needles)


@given(SCALARS, SCALARS)
def test_sameness_goes_both_ways(one: Any, two: Any) -> None:
    assert same(one, two) is same(two, one)
    assert one is None or same(one, one)


@pytest.mark.parametrize(
    ("value", "as_number"),
    [
        ("18", 18),
        (" $18.50 ", 18.5),
        ("1,250", 1250),
        ("-3", -3),
        ("1,25", None),
        ("1.2.3", None),
        ("", None),
        (True, None),
        (7, 7),
    ],
)
def test_a_text_counts_as_a_number_only_when_it_is_plainly_one(value: Any, as_number: float | None) -> None:
    assert number(value) == as_number
