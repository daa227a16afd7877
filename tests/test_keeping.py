"""What is kept of a refused list, how answers are merged into it, and what is told of the change."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.llm.attempts import Complaint
from workbench.llm.changes import MISSING, MOST, changes
from workbench.llm.keeping import Keeping, keep, merge


def artifact(*ids: str) -> dict[str, Any]:
    return {"fills": [{"candidate_id": i} for i in ids]}


def bad(*places: int) -> list[Complaint]:
    return [Complaint("phantom_id", "Nobody.", f"fills[{at}].candidate_id") for at in places]


def count(got: int, expected: Any) -> Complaint:
    return Complaint("count_mismatch", "So many.", "fills", got=got, expected=expected)


def kept(proposed: dict[str, Any], *findings: Complaint) -> Keeping:
    keeping = keep(proposed, findings)
    assert keeping is not None
    return keeping


def merged(keeping: Keeping, *ids: str) -> list[str]:
    return [item["candidate_id"] for item in merge(keeping, artifact(*ids))["fills"]]


# what is kept


def test_items_without_an_error_are_kept():
    keeping = kept(artifact("a", "b", "c"), *bad(1))
    assert (keeping.kept, keeping.bad, keeping.wanted) == ([{"candidate_id": "a"}, {"candidate_id": "c"}], (1,), 1)


def test_two_errors_in_one_item_are_one_bad_item():
    assert kept(artifact("a", "b"), *bad(1, 1)).wanted == 1


def test_a_finding_on_the_item_itself_counts_too():
    assert kept(artifact("a", "b"), Complaint("wrong_type", "No.", "fills[1]")).bad == (1,)


def test_a_warning_does_not_make_an_item_bad():
    warning = Complaint("name_differs", "Hm.", "fills[0].name", "warning")
    assert kept(artifact("a", "b"), warning, *bad(1)).bad == (1,)


def test_a_list_that_is_too_short_wants_more_than_its_bad_items():
    assert kept(artifact("a", "b"), count(2, 5), *bad(1)).wanted == 4


def test_a_list_that_is_too_long_but_for_its_bad_items_wants_fewer():
    assert kept(artifact("a", "b", "c", "d"), count(4, 3), *bad(2, 3)).wanted == 1


@pytest.mark.parametrize(
    ("proposed", "findings"),
    [
        ({"to": "x"}, bad(0)),
        ({"fills": "none"}, bad(0)),
        (artifact("a", "b"), []),
        (artifact("a", "b"), bad(0, 1)),
        (artifact("a", "b"), bad(2)),
        (artifact("a", "b"), [*bad(0), Complaint("client_blacklist", "No.", "_context.client_id")]),
        (artifact("a", "b", "c"), [count(3, 2)]),
        (artifact("a", "b", "c"), [count(3, 2), *bad(2)]),
        (artifact("a"), [count(1, "at least 2")]),
        (artifact("a"), [count(1, True)]),
    ],
    ids=[
        "no list",
        "a list that is none",
        "no errors",
        "no good item",
        "a place beyond the list",
        "an error of no item",
        "too long",
        "right without the bad one",
        "a count that is no number",
        "a count that is a truth value",
    ],
)
def test_what_has_to_be_asked_for_whole(proposed, findings):
    assert keep(proposed, findings) is None


# merging


def test_replacements_alone_take_the_places_of_the_bad():
    assert merged(kept(artifact("a", "x", "c", "y"), *bad(1, 3)), "b", "d") == ["a", "b", "c", "d"]


def test_the_whole_list_again_is_understood():
    assert merged(kept(artifact("a", "x", "c"), *bad(1)), "a", "b", "c") == ["a", "b", "c"]


def test_the_whole_list_in_another_order_is_understood():
    assert merged(kept(artifact("a", "x", "c"), *bad(1)), "c", "a", "b") == ["a", "b", "c"]


def test_good_items_are_not_overwritten_by_another_list():
    assert merged(kept(artifact("a", "x", "c"), *bad(1)), "p", "q", "r") == ["a", "q", "c"]


def test_ids_are_compared_without_case_and_blanks():
    assert merged(kept(artifact("W-1", "x"), *bad(1)), " w-1 ", "b") == ["W-1", "b"]


def test_a_replacement_that_was_not_sent_leaves_no_gap():
    assert merged(kept(artifact("a", "x", "c"), *bad(1))) == ["a", "c"]


def test_what_a_short_list_lacked_comes_behind():
    assert merged(kept(artifact("a", "x"), count(2, 4), *bad(1)), "b", "c", "d") == ["a", "b", "c", "d"]


def test_more_than_was_asked_for_is_left_out():
    assert merged(kept(artifact("a", "x"), *bad(1)), "b", "c", "d") == ["a", "b"]


def test_a_single_item_without_its_list_is_a_replacement():
    keeping = kept(artifact("a", "x"), *bad(1))
    assert merge(keeping, {"candidate_id": "b"}) == artifact("a", "b")


def test_other_fields_come_from_the_newer_answer():
    keeping = kept({**artifact("a", "x"), "note": "old", "more": 1}, *bad(1))
    assert merge(keeping, {**artifact("b"), "note": "new"}) == {**artifact("a", "b"), "note": "new", "more": 1}


@pytest.mark.parametrize("answer", [{"people": []}, {"fills": {"candidate_id": "b"}}])
def test_an_answer_without_a_list_is_judged_as_it_is(answer):
    assert merge(kept(artifact("a", "x"), *bad(1)), answer) == answer


def test_merging_changes_neither_side():
    before, answer = artifact("a", "x"), artifact("b")
    merge(kept(before, *bad(1)), answer)
    assert (before, answer) == (artifact("a", "x"), artifact("b"))


# changes


def told(before: Any, after: Any) -> list[tuple[str, Any, Any]]:
    return [(change.path, change.was, change.now) for change in changes(before, after)]


def test_changes_are_told_by_path():
    assert told({"a": {"b": [1, 2]}, "c": 1}, {"a": {"b": [1, 3, 4]}, "d": 1}) == [
        ("a.b[1]", 2, 3),
        ("a.b[2]", MISSING, 4),
        ("c", 1, MISSING),
        ("d", MISSING, 1),
    ]


def test_equal_artifacts_have_no_changes():
    assert told(artifact("a"), artifact("a")) == []


def test_true_is_not_one():
    assert told({"a": 1}, {"a": True}) == [("a", 1, True)]


def test_a_value_that_becomes_a_list_is_one_change():
    assert told({"a": 1}, {"a": [1]}) == [("a", 1, [1])]


def test_no_more_changes_are_told_than_a_person_reads():
    assert len(changes(list(range(1000)), list(range(1, 1001)))) == MOST
