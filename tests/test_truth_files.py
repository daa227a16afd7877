"""Files of truth rules: what they may say, what is refused and how it is said, folders, and hostile bytes."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import ConfigError
from workbench.memory.truth import CLASSES, Rule, RuleBook, read_book, stamp, with_files
from workbench.memory.truth.reading import SIZE_BYTES, read_rules

GOOD = """\
# our own
[[rule]]
id = "no-nights"
task_class = "staffing.fill"
description = "No night shifts."
condition = { type = "FieldEquals", field = "context.shift", value = "night" }
action = { type = "Reject", message = "We do not staff nights." }
"""
BUILT_IN = ["worker-active", "endorsed-count-matches-target", "city-required", "no-destructive-sql-in-context"]


def read(text: str | bytes) -> list[Rule]:
    return read_rules(text if isinstance(text, bytes) else text.encode(), "own.toml")


def ruled(condition: str = '"Always"', action: str = '"Pass"', **more: str) -> str:
    fields = {"id": '"r"', "task_class": '"staffing.fill"', "description": '"d"'} | more
    lines = [f"{name} = {value}" for name, value in fields.items() if value]
    return "\n".join(["[[rule]]", *lines, f"condition = {condition}", f"action = {action}"])


def refused(text: str | bytes) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value


def folder_of(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return folder


def test_the_built_in_rules_are_the_four_of_the_contract() -> None:
    rules = read_book(None).rules
    assert [rule.id for rule in rules] == BUILT_IN
    assert {rule.task_class for rule in rules[:3]} == {"staffing.fill"}
    assert rules[3].task_class == "staffing.any"
    assert {rule.source for rule in rules} == {"built-in"}


def test_the_task_classes_are_the_kinds_that_can_be_judged() -> None:
    from workbench.staffing.validate import KINDS

    assert tuple(f"staffing.{kind}" for kind in KINDS) == CLASSES


def test_a_rule_says_what_it_is_and_where_it_stands() -> None:
    [rule] = read(GOOD)
    assert (rule.id, rule.task_class, rule.description) == ("no-nights", "staffing.fill", "No night shifts.")
    assert rule.condition.says == "context.shift is 'night'"
    assert rule.action.says == "reject: We do not staff nights."
    assert rule.source == "own.toml:2"


@pytest.mark.parametrize(
    "condition",
    [
        '{ type = "Always" }',
        '{ type = "FieldEquals", field = "context.a", value = "x" }',
        '{ type = "FieldEquals", field = "context.a", value = ["x", 1, 2.5, true] }',
        '{ type = "FieldEquals", field = "context.a", other = "artifact.b" }',
        '{ type = "FieldMismatch", field = "workers.active", value = true }',
        '{ type = "FieldMismatch", field = "endorsed_count", other = "context.target_count" }',
        '{ type = "FieldEmpty", field = "artifact.fills.0.name" }',
        '{ type = "FieldGreater", field = "artifact.pay", threshold = 18.5 }',
        '{ type = "FieldGreater", field = "artifact.pay", other = "context.pay" }',
        '{ type = "FieldContainsAny", field = "artifact", needles = ["a", "b"] }',
        '{ type = "FieldContainsAny", field = "artifact", needles = ["a"], words = true }',
    ],
)
def test_every_condition_is_read_and_says_itself_again(condition: str) -> None:
    [rule] = read(ruled(condition))
    said = rule.condition.to_dict()
    [again] = read(ruled(f"{{ {', '.join(f'{name} = {json.dumps(value)}' for name, value in said.items())} }}"))
    assert again.condition == rule.condition
    assert rule.condition.says


@pytest.mark.parametrize(
    "action",
    [
        '{ type = "Pass" }',
        '{ type = "Reject", message = "no" }',
        '{ type = "Block", message = "never" }',
        '{ type = "Redact", fields = ["artifact.notes", "context.client.phone"] }',
    ],
)
def test_every_action_is_read_and_says_itself_again(action: str) -> None:
    [rule] = read(ruled(action=action))
    said = rule.action.to_dict()
    [again] = read(ruled(action=f"{{ {', '.join(f'{name} = {json.dumps(value)}' for name, value in said.items())} }}"))
    assert again.action == rule.action
    assert rule.action.says


@pytest.mark.parametrize(
    ("condition", "action"),
    [
        ('{ FieldEmpty = { field = "context.city" } }', '{ Reject = { message = "no" } }'),
        ('{ type = "FieldEmpty", field = "context.city" }', '{ type = "Reject", message = "  no\\n" }'),
    ],
)
def test_both_ways_to_name_a_condition_are_read(condition: str, action: str) -> None:
    [rule] = read(ruled(condition, action))
    assert rule.condition.to_dict() == {"type": "FieldEmpty", "field": "context.city"}
    assert rule.action.to_dict() == {"type": "Reject", "message": "no"}


def test_conditions_and_actions_may_stand_in_tables_of_their_own() -> None:
    head = '[[rules]]\nid = "r"\ntask_class = "staffing.any"\ndescription = "d"\n'
    tables = '[rules.condition]\ntype = "Always"\n[rules.action]\ntype = "Block"\nmessage = "never"\n'
    [rule] = read(head + tables)
    assert (rule.condition.says, rule.action.says, rule.line) == ("always", "block: never", 1)


def test_a_day_is_compared_as_json_writes_it() -> None:
    [rule] = read(ruled('{ type = "FieldEquals", field = "context.start", value = 2026-12-25 }'))
    assert list(rule.condition.hits({"context": {"start": "2026-12-25"}}))


@pytest.mark.parametrize(
    ("text", "where", "hint"),
    [
        (ruled('{ type = "FieldEqals", field = "context.a", value = 1 }'), "line 5, rule 'r'", "FieldEquals?"),
        (ruled('"always"'), "line 5, rule 'r'", "Always?"),
        (ruled("7"), "line 5, rule 'r'", "condition = {"),
        (ruled('{ type = "FieldEquals", field = "context.a", valeu = 1 }'), "line 5, rule 'r'", "value?"),
        (ruled('{ type = "FieldEquals", field = "context.a" }'), "rule 'r'", "other ="),
        (ruled('{ type = "FieldEquals", field = "context.a", value = 1, other = "context.b" }'), "rule 'r'", "other ="),
        (ruled('{ type = "FieldEquals", value = 1 }'), "lacks the field field", "field ="),
        (ruled('{ type = "FieldEquals", field = "context.a", value = {} }'), "no value", "true or false"),
        (ruled('{ type = "FieldEquals", field = "context.a", value = [] }'), "no value", "true or false"),
        (ruled('{ type = "FieldEquals", field = "context.a", value = nan }'), "no value", "true or false"),
        (ruled('{ type = "FieldGreater", field = "context.a", threshold = "9" }'), "no number", "18.5"),
        (ruled('{ type = "FieldGreater", field = "context.a", threshold = inf }'), "no number", "18.5"),
        (ruled('{ type = "FieldGreater", field = "context.a", threshold = true }'), "no number", "18.5"),
        (ruled('{ type = "FieldContainsAny", field = "context", needles = [] }'), "no list of texts", "["),
        (ruled('{ type = "FieldContainsAny", field = "context", needles = [" "] }'), "no list of texts", "["),
        (ruled('{ type = "FieldContainsAny", field = "context", needles = ["a"], words = 1 }'), "words", "true"),
        (ruled('{ type = "FieldEmpty", field = "contxt.city" }'), "no part of the facts", "context?"),
        (ruled('{ type = "FieldEmpty", field = "workers.stauts" }'), "leads to nothing", "status?"),
        (ruled('{ type = "FieldEmpty", field = "endorsed_count.x" }'), "leads to nothing", "nothing below"),
        (ruled('{ type = "FieldEmpty", field = "artifact._context.city" }'), "leads to nothing", "context.city"),
        (ruled('{ type = "FieldEmpty", field = "context..city" }'), "no dotted path", "artifact.fills.0"),
        (ruled('{ type = "FieldEmpty", field = "artifact.fills[0].name" }'), "no dotted path", "artifact.fills.0"),
        (ruled('{ type = "Always", field = "x" }'), "no field 'field'", "takes no field"),
        (ruled(action='"Rejct"'), "line 6, rule 'r'", "Reject?"),
        (ruled(action='{ type = "Reject" }'), "lacks the field message", "message ="),
        (ruled(action='{ type = "Reject", message = " " }'), "no text", 'message = "'),
        (ruled(action='{ type = "Reject", mesage = "x" }'), "no field 'mesage'", "message?"),
        (ruled(action='{ type = "Redact", fields = ["workers.city"] }'), "cannot be masked", "artifact.notes"),
        (ruled(action='{ type = "Redact", fields = ["artifact"] }'), "cannot be masked", "artifact.notes"),
        (ruled(action='{ type = "Redact", fields = "artifact.notes" }'), "no list of texts", "["),
        (ruled(task_class='"staffing.fil"'), "line 3, rule 'r'", "staffing.fill?"),
        (ruled(task_class='"cooking"'), "no task class", "There are: staffing.fill"),
        (ruled(id='"two words"'), "is no id", "night-shift-pay"),
        (ruled(id="5"), "id of the rule is no text", "id ="),
        (ruled(id=""), "lacks the field id", "id ="),
        (ruled(description=""), "lacks the field description", "description ="),
        (ruled(severity='"high"'), "no field 'severity'", "id, task_class"),
        ("[[ruel]]\nid = 'x'", "line 1: 'ruel' is no table of rules", "rule?"),
        ('[rule]\nid = "x"', "line 1: rule is no list", "two brackets"),
        ("rule = [1]", "line 1: rule is no list", "two brackets"),
        (GOOD + GOOD.replace("[[rule]]", "[[rules]]"), "under rule and under rules", "[[rule]]"),
        ("[[rule]\n", "is not TOML", "line 1"),
    ],
)
def test_what_cannot_be_meant_says_where_and_what_was_meant(text: str, where: str, hint: str) -> None:
    error = refused(text)
    assert error.message.startswith("own.toml")
    assert where in error.message
    assert hint in f"{error.message} {error.hint}"


def test_the_line_is_that_of_the_rule_that_is_wrong() -> None:
    text = GOOD + "\n" + ruled('{ type = "Nothing" }')
    assert "line 13, rule 'r'" in refused(text).message


def test_rules_in_one_line_are_read_and_their_faults_have_no_line() -> None:
    line = (
        'rule = [{ id = "r", task_class = "staffing.fill", description = "d", condition = "Always", action = "Pass" }]'
    )
    assert [rule.source for rule in read(line)] == ["own.toml"]
    assert refused(line.replace("Always", "Nothing")).message.startswith("own.toml, rule 'r': ")


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252", "utf-32"])
def test_another_encoding_than_utf_8_is_named(encoding: str) -> None:
    error = refused(GOOD.replace("nights.", "nights in Malmö.").encode(encoding))
    assert "own.toml is not UTF-8 at byte" in error.message
    assert "iconv" in error.hint


def test_a_byte_order_mark_is_no_part_of_the_rules() -> None:
    assert [rule.id for rule in read(GOOD.encode("utf-8-sig"))] == ["no-nights"]


def test_a_file_without_rules_has_none() -> None:
    assert read("") == read("# nothing yet\n") == []


@pytest.mark.parametrize(
    "text",
    [
        "rule = " + "[" * 100_000,
        "rule = " + "[" * 5_000 + "]" * 5_000,
        "a." * 20_000 + "b = 1",
        "rule = [" + "{}," * 50_000 + "]",
    ],
)
def test_hostile_nesting_is_refused_in_bounded_time(text: str) -> None:
    start = time.process_time()
    refused(text)
    assert time.process_time() - start < 10


def test_a_key_that_would_take_the_reader_minutes_is_refused_unread() -> None:
    assert "a key of 32 parts or more" in refused("a . " * 31 + "b = 1").message
    assert "is no table of rules" in refused("a . " * 30 + "b = 1").message


def test_a_file_that_no_hand_wrote_is_refused_unread() -> None:
    assert "more than the 262,144 bytes" in refused(b"#" * (SIZE_BYTES + 1)).message


def outcome(text: str) -> list[Rule] | ConfigError:
    """The rules of a text, or the error that it is; any other exception is the test's failure."""
    try:
        return read(text.encode("utf-8", "surrogatepass"))
    except ConfigError as error:
        return error


@given(st.text(max_size=200))
def test_any_text_is_rules_or_an_error_of_ours(text: str) -> None:
    got = outcome(text)
    assert got.hint if isinstance(got, ConfigError) else got == []


@given(
    st.integers(0, len(GOOD)), st.integers(0, 12), st.sampled_from(["", "[", '"', "=", "{", "9", "\n", "\x00", "type"])
)
def test_a_damaged_file_is_rules_or_an_error_of_ours(at: int, cut: int, new: str) -> None:
    got = outcome(GOOD[:at] + new + GOOD[at + cut :])
    if isinstance(got, ConfigError):
        assert got.message.startswith("own.toml")
    else:
        assert all(rule.condition.to_dict() and rule.action.to_dict() for rule in got)


NAMES = st.text("abcxyz_", min_size=1, max_size=6)
TEXTS = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), min_size=1, max_size=20
)


def _spoken(text: str) -> bool:
    return bool(text.strip())


@given(NAMES, TEXTS.filter(_spoken), st.lists(TEXTS.filter(_spoken), min_size=1, max_size=3))
def test_what_a_rule_says_reads_back_the_same(name: str, message: str, needles: list[str]) -> None:
    fields = {"type": "FieldContainsAny", "field": f"artifact.{name}", "needles": needles}
    condition = ", ".join(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items())
    action = f'{{ type = "Reject", message = {json.dumps(message, ensure_ascii=False)} }}'
    [rule] = read(ruled(f"{{ {condition} }}", action))
    assert rule.condition.to_dict() == fields
    assert rule.action.to_dict() == {"type": "Reject", "message": " ".join(message.split())}


def test_files_add_to_the_built_in_rules_by_the_names_of_the_files(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, b=ruled(id='"second"'), a=ruled(id='"first"') + "\n" + ruled(id='"also"'), c="")
    (folder / "notes.txt").write_text("no rules")
    (folder / ".a.toml.swp.toml").write_text("an editor's")
    assert [rule.id for rule in read_book(folder).rules] == [*BUILT_IN, "first", "also", "second"]


def test_an_ending_in_capitals_is_a_file_of_rules_too(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "A.TOML").write_text(ruled(id='"loud"'))
    assert read_book(folder).rules[-1].id == "loud"


@pytest.mark.parametrize("taken", ["worker-active", "Worker-Active", "city-required"])
def test_an_id_of_a_built_in_rule_is_refused(tmp_path: Path, taken: str) -> None:
    folder = folder_of(tmp_path, own=ruled(id=f'"{taken}"'))
    with pytest.raises(ConfigError) as caught:
        read_book(folder)
    assert f"{folder / 'own.toml'}, line 1: the id {taken!r} is there already, in the rules that are built in" in str(
        caught.value
    )


def test_an_id_of_another_file_is_refused_and_both_are_named(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a="\n" + ruled(id='"x"'), b=ruled(id='"x"'))
    with pytest.raises(ConfigError) as caught:
        read_book(folder)
    assert (
        f"{folder / 'b.toml'}, line 1: the id 'x' is there already, in {folder / 'a.toml'}, line 2."
        in caught.value.message
    )


def test_an_id_twice_in_one_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 7: the id 'r' is there already"):
        read_book(folder_of(tmp_path, a=ruled() + "\n" + ruled()).parent / "rules")


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory") as caught:
        read_book(tmp_path / "no rules here")
    assert f"mkdir -p '{tmp_path / 'no rules here'}'" in caught.value.hint


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(GOOD)
    with pytest.raises(ConfigError, match="Not a directory"):
        read_book(file)


def test_what_is_named_like_rules_and_is_none_is_an_error(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "gone.toml").symlink_to(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigError, match=r"gone\.toml is no file"):
        read_book(folder)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"b\.toml cannot be read"):
        with_files(RuleBook(()), [tmp_path / "b.toml"])


def test_every_change_of_a_folder_changes_its_stamp(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, a=GOOD)
    stamps = [stamp(None), stamp(folder)]
    (folder / "b.toml").write_text("")
    stamps.append(stamp(folder))
    os.utime(folder / "b.toml", ns=(1, 1))
    stamps.append(stamp(folder))
    (folder / "b.toml").rename(folder / "c.toml")
    stamps.append(stamp(folder))
    (folder / "a.toml").unlink()
    stamps.append(stamp(folder))
    assert len(set(stamps)) == len(stamps)
    assert stamp(folder) == stamps[-1]


def test_the_example_file_is_good_and_shows_every_condition_and_action() -> None:
    example = Path(__file__).parents[1] / "docs" / "truth_rules.toml"
    rules = with_files(read_book(None), [example]).rules[len(BUILT_IN) :]
    assert {rule.condition.to_dict()["type"] for rule in rules} == {
        "Always",
        "FieldEquals",
        "FieldMismatch",
        "FieldEmpty",
        "FieldGreater",
        "FieldContainsAny",
    }
    kinds: set[Any] = {rule.action.to_dict()["type"] for rule in rules}
    assert kinds == {"Pass", "Reject", "Redact", "Block"}
