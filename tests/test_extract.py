"""JSON out of model answers: every form of the contract, what is refused, and hostile text."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.llm.extract import DEPTH, TEXT_CHARS, Extracted, NoJson, extract_json, find_json

A = {"a": 1}


def found(text: str) -> Extracted:
    extracted = extract_json(text)
    assert extracted is not None, find_json(text)
    assert json.loads(text[extracted.start : extracted.end]) == extracted.value, "the span is the JSON"
    return extracted


def refused(text: str) -> NoJson:
    reason = find_json(text)
    assert isinstance(reason, NoJson)
    assert extract_json(text) is None
    return reason


# what is found


def test_the_whole_answer():
    assert found(' \n{"a": 1}\n').how == "whole"


def test_a_fence_marked_json():
    answer = found('Here it is:\n```json\n{"a": 1}\n```\nAnything else?')
    assert (answer.value, answer.how, answer.start) == (A, "json_fence", 20)


def test_the_mark_of_a_fence_is_read_without_case_and_the_object_may_follow_on_its_line():
    assert found('```JSON {"a": 1}```').how == "json_fence"


def test_a_fence_of_tildes():
    assert found('~~~json\n{"a": 1}\n~~~').how == "json_fence"


def test_a_bare_fence():
    assert found('So:\n```\n{"a": 1}\n```').how == "fence"


def test_a_fence_that_is_never_closed():
    assert found('So:\n```json\n{"a": 1}\n').how == "json_fence"


def test_the_first_balanced_braces_in_prose():
    assert found('I propose {"a": 1}; or rather {"a": 2}?').value == A


def test_an_array_stands_for_its_first_object():
    answer = found('[1, "{}", {"a": 1}, {"a": 2}]')
    assert (answer.value, answer.how, answer.from_array) == (A, "whole", True)


def test_an_array_in_a_fence_stands_for_its_first_object():
    assert found('See:\n```json\n[{"a": 1}, {"a": 2}]\n```').from_array


def test_an_array_in_prose_stands_for_its_first_object():
    assert found('They are [ {"a": 1}, {"a": 2} ] as asked.').value == A


def test_nested_objects_and_lists():
    assert found('Well: {"a": {"b": [{"c": {}}, []]}} done').value == {"a": {"b": [{"c": {}}, []]}}


def test_escaped_quotes_and_braces_in_strings():
    assert found(r'So {"a": "a \"}\" b \\", "b": "{["} it is').value == {"a": 'a "}" b \\', "b": "{["}


def test_unicode_as_it_is_and_escaped():
    answer = found('Žižková 😀 → {"näme": "Zoë 😀 \\u00e9\\ud83d\\ude00\u2028"} 😀')
    assert answer.value == {"näme": "Zoë 😀 é😀\u2028"}


def test_a_byte_order_mark_before_the_answer():
    assert found('\ufeff{"a": 1}').how == "whole"


def test_a_byte_order_mark_inside_a_fence():
    assert found('So:\n```json\n\ufeff{"a": 1}\n```').how == "json_fence"


def test_a_fence_inside_a_string_of_the_whole_answer_is_text():
    assert found('{"body": "```json\\n{\\"b\\": 2}\\n```"}').how == "whole"


def test_what_stands_in_a_string_of_ticks_in_a_fence_does_not_end_the_object():
    assert found('So:\n```json\n{"a": "x ``` y"}\n```').value == {"a": "x ``` y"}


# which one wins


def test_of_several_json_fences_the_first_that_is_json_wins():
    assert found('```json\n{"a": 0,}\n```\n```json\n{"a": 1}\n```\n```json\n{"a": 2}\n```').value == A


def test_a_json_fence_wins_over_a_bare_one_before_it():
    assert found('```\n{"b": 2}\n```\n```json\n{"a": 1}\n```').value == A


def test_a_bare_fence_wins_over_prose_before_it():
    assert found('Not {"b": 2} but\n```\n{"a": 1}\n```').value == A


def test_a_fence_of_another_language_is_prose():
    assert found('```python\n{"b": 2}\n```\n```\n{"a": 1}\n```').value == A
    assert found('```python\nx = {"a": 1}\n```').how == "prose"


def test_drafts_in_a_models_thinking_are_not_its_answer():
    assert found('<think>perhaps {"b": 2}\n```json\n{"b": 3}\n```</think>\n{"a": 1}').value == A
    assert refused('<think>perhaps {"b": 2}').why == "cut_off"


def test_braces_that_json_cannot_begin_with_are_passed_over():
    assert found('Use {name}, {{curly}} and {} so: {"a": 1}').value == A


def test_double_braces_of_a_template_hold_an_object():
    assert found('{{"a": 1}}').value == A


def test_a_quote_in_prose_does_not_hide_the_object_behind_it():
    assert found('{"like this {"a": 1} it "said"').value == A


# what is refused, and what is said of it


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1,}', "trailing comma in object at line 1, column 9"),
        ('So:\n{"a": [1, 2,\n]}', "trailing comma in array at line 3, column 1"),
        ('{"a": NaN}', "line 1, column 7"),
        ('{"a": -Infinity}', "line 1, column 8"),
        ('{"a": 1e999}', "out of range"),
        ('{"a": True}', "line 1, column 7"),
        ('{"a": 1} // so', None),
        ('{"a": "line\nbreak"}', "line 1, column 12"),
        ('{"a": "\\ude00"}', "surrogate"),
        ('{"a": "\ud800"}', "surrogate"),
        ('{"ä": 01}', "line 1, column 8"),
    ],
)
def test_what_is_not_json_is_refused_with_its_place(text, said):
    if said is None:
        assert found(text).value == A, "what follows the braces is prose"
        return
    reason = refused(text)
    assert reason.why == "not_json"
    assert said in reason.message


def test_single_quotes_are_not_json():
    assert refused("{'a': 1}").why == "nothing"


def test_a_key_twice_in_one_object_is_refused():
    reason = refused('{"a": 1, "fills": [{"id": 1, "\\u0069d": 2}]}')
    assert (reason.why, "'id'" in reason.message) == ("twice", True)
    assert found('{"a": {"id": 1}, "b": {"id": 2}}'), "the same key in two objects is two keys"


def test_an_answer_that_was_cut_off_is_refused_and_nothing_is_dug_out_of_it():
    reason = refused('Sure: {"fills": [{"candidate_id": "W-1"}, {"candidate_id": "W')
    assert (reason.why, reason.at) == ("cut_off", 6)


def test_a_brace_at_the_end_of_a_key_is_no_beginning():
    assert refused('{"s": {"{": {"}": 1}').why == "cut_off"


def test_nothing_is_dug_out_of_an_object_that_is_not_json():
    assert refused('{"fills": [{"candidate_id": "W-1"},]}').why == "not_json"


def test_the_second_object_of_an_array_does_not_stand_in_for_its_first():
    assert refused('[{"a": 1, "a": 2}, {"b": 1}]').why == "twice"


def test_of_several_refusals_the_first_is_told():
    assert "line 1, column 9" in refused('{"a": 1,} or {"a": tru}').message


def test_an_array_without_an_object_is_refused():
    assert refused('[1, "{\\"a\\": 1}"]').why == "no_object"


def test_prose_is_refused():
    assert refused("I would send Ann and Bob.").why == "nothing"


def test_blanks_are_an_empty_answer():
    assert refused(" \n\ufeff").why == "empty"


def test_the_deepest_nesting_that_is_read():
    deep = '{"a":' * (DEPTH - 1) + "{}" + "}" * (DEPTH - 1)
    assert found(deep)
    assert refused('{"a":' + deep + "}").why == "too_deep"
    assert refused('{"a":' + "[" * 100_000 + "]" * 100_000 + "}").why == "too_deep"


def test_an_answer_beyond_the_cap_is_refused_unread():
    assert refused(" " * TEXT_CHARS + "{}").why == "too_long"


# hostile text

BLOCKS = {
    "braces": "{",
    "open keys": '{"a":',
    "brackets": "[",
    "keys of lists": '{"a":[',
    "quotes": '"',
    "brace and quote": '{"',
    "escapes": '{"\\',
    "ticks": "`",
    "fences": "```json\n{",
    "broken objects": '{"a":1,}',
    "hidden starts": '{"b {"c":',
    "blanks after a brace": "{ \n",
    "thoughts": "<think>",
    "line ends": "\n",
    "half characters": '{"a":"\ud800"}',
    "zeros": "0,",
}
CHARS = 200_000
CPU_S = 3.0  # measured 0.01 to 0.3 s; a search that begins anew at every brace takes minutes


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS.keys())
@pytest.mark.parametrize("head", ["", '{"x": [', "```"])
def test_hostile_text_is_read_in_bounded_time(head, block):
    text = head + block * (CHARS // len(block))
    began = time.process_time()
    assert find_json(text) is not None
    assert time.process_time() - began < CPU_S


def test_a_megabyte_of_braces_is_read_in_bounded_time():
    began = time.process_time()
    assert refused("{" * 1_000_000).why == "nothing"
    assert time.process_time() - began < CPU_S


PIECES = st.sampled_from(
    [*BLOCKS.values(), "}", "]", '"', "\\", "é", "```", "~~~", ",", ":", "1", '{"a": 1}', " ", "json"]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join)))
def test_no_text_is_an_error_and_a_span_is_always_the_value(text):
    answer = find_json(text)
    if isinstance(answer, Extracted):
        assert json.loads(text[answer.start : answer.end]) == answer.value
    else:
        assert answer.message
        assert answer.at is None or 0 <= answer.at <= len(text)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=4)
    ),
    max_leaves=20,
)
OBJECTS = st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES, min_size=1, max_size=4)
PROSE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters='{}[]"`~<'), max_size=40)


@given(OBJECTS, PROSE, PROSE, st.booleans(), st.sampled_from([None, 2]))
def test_whatever_a_model_wraps_around_an_object_the_object_is_found(value, before, after, ascii_only, indent):
    said = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    for text in (
        said,
        f"{before}\n```json\n{said}\n```\n{after}",
        f"{before}\n```\n{said}\n```",
        f"{before}{said}{after}",
    ):
        assert found(text).value == value
    assert found(f"[{said}, 1]").value == value


@given(OBJECTS, st.data())
def test_no_part_of_a_cut_off_object_is_taken_for_it(value, data):
    said = json.dumps(value)
    cut = data.draw(st.integers(1, len(said) - 1))
    assert extract_json(said[:cut]) is None
