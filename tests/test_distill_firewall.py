"""The firewall of the exports: people become placeholders, secrets and pieces of evaluation sets stop a row."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.distill.firewall import GRAM, EvaluationSets, Firewall, Passed, Stopped, replace_people
from workbench.errors import InvalidError, NotFoundError
from workbench.pii.roster import Roster

PEOPLE = [
    ("name", "Jane Doe"),
    ("name", "Bob Miller"),
    ("phone", "(312) 555-0147"),
    ("email", "jane.doe@example.com"),
    ("worker_id", "W-104233"),
]
WALL = Firewall.declare(PEOPLE)
SET = "the night shift at dock nine needs four welders with a lift card before the first snow falls"
WORDS = SET.split()


def passed(texts: dict[str, str], wall: Firewall = WALL) -> dict[str, str]:
    verdict = wall.judge(texts)
    assert isinstance(verdict, Passed), verdict
    return verdict.texts


def stopped(texts: dict[str, str], wall: Firewall = WALL) -> Stopped:
    verdict = wall.judge(texts)
    assert isinstance(verdict, Stopped), verdict
    return verdict


# --- people


def test_a_person_has_one_placeholder_in_prompt_and_answer() -> None:
    texts = passed(
        {"prompt": "Who covers for Jane Doe?", "answer": "DOE, JANE is off; Bob Miller can. Call Bob Miller."}
    )
    assert texts == {
        "prompt": "Who covers for [NAME_1]?",
        "answer": "[NAME_1] is off; [NAME_2] can. Call [NAME_2].",
    }


def test_ids_phones_and_emails_of_the_roster_are_replaced() -> None:
    texts = passed({"a": "Put W-104233 on it, worker id 104233.", "b": "312.555.0147 or jane.doe@example.com"})
    assert texts == {"a": "Put [WORKER_1] on it, worker id [WORKER_1].", "b": "[PHONE_1] or [EMAIL_1]"}


def test_who_is_not_on_the_roster_but_has_a_known_shape_is_replaced_too() -> None:
    assert passed({"a": "mail kim@client.org"}, Firewall()) == {"a": "mail [EMAIL_1]"}


def test_names_stop_at_word_boundaries_and_ordinary_words_stay() -> None:
    text = "Janet Doering may miller the grain; bob is a float."
    assert passed({"a": text}) == {"a": text}


def test_a_placeholder_that_stands_there_already_is_not_given_away() -> None:
    assert passed({"a": "[NAME_1] met Jane Doe"}) == {"a": "[NAME_1] met [NAME_2]"}


def test_a_name_inside_json_inside_a_text_is_replaced() -> None:
    text = json.dumps({"worker": {"first": "Jane", "last": "Doe"}, "note": 'said "Bob Miller"'})
    told = passed({"a": text})["a"]
    assert not {"Jane", "Doe", "Bob", "Miller"} & set(told.replace('"', " ").replace("\\", " ").split())
    json.loads(told)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Her SSN: 536-22-8134.", "SSN"),
        ("card 4111 1111 1111 1111 exp 04/29", "CARD"),
        ("password: hunter2-Blue!9", "SECRET"),
        ("AKIAIOSFODNN7EXAMPLE", "SECRET"),
    ],
)
def test_ssn_card_and_key_stop_the_row_and_are_not_told(text: str, label: str) -> None:
    verdict = stopped({"prompt": "fine", "answer": text})
    assert verdict.reason == "pii_found"
    assert any(line.startswith(f"answer: {label} at ") for line in verdict.errors)
    assert "8134" not in str(verdict)
    assert "hunter2" not in str(verdict)


def test_a_field_that_must_stay_as_it_is_stops_the_row() -> None:
    verdict = WALL.judge({"a": "fine"}, {"source_run_id": "order-W-104233"})
    assert verdict == Stopped("pii_found", ("source_run_id: cannot be replaced",))
    assert isinstance(WALL.judge({"a": "fine"}, {"source_run_id": "outcomes-7:3"}), Passed)


def test_what_quarantine_keeps_is_covered_at_every_depth() -> None:
    wall = Firewall(WALL.roster, EvaluationSets([("exam", SET)]))
    kept = wall.mask({"texts": ["Jane Doe", {"deep": "SSN: 536-22-8134"}], "said": f"so {SET} then", "n": 7, "b": None})
    assert kept["n"] == 7
    assert kept["b"] is None
    left = json.dumps(kept)
    for secret in ("Jane", "Doe", "536", "8134", "welders"):
        assert secret not in left
    assert kept["said"].startswith("so ")


pieces = st.sampled_from(
    [value for _, value in PEOPLE]
    + ["DOE, Jane", "[NAME_1]", "[PHONE_2]", "536-22-8134", '{"first": "Jane", "last": "Doe"}', "\\n", '\\"', "the",
       "order", "3.0000", "2026-11-21", "é", "\u200b", "X", ".", ":"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(pieces, max_size=8).map(" ".join), min_size=1, max_size=3))
def test_what_leaves_holds_nobody_and_passes_again_unchanged(texts: list[str]) -> None:
    told = replace_people(texts, WALL.roster)
    if told.left:
        return
    for text in told.texts:
        assert "Doe" not in text
        assert "104233" not in text
        assert "example.com" not in text
    again = replace_people(told.texts, WALL.roster)
    assert again.texts == told.texts
    assert not again.left


def test_the_fingerprint_is_of_what_is_declared_in_any_order(tmp_path: Path) -> None:
    exam = tmp_path / "exam.txt"
    exam.write_text(SET)
    prints = [
        Firewall.declare(PEOPLE).fingerprint,
        Firewall.declare(PEOPLE[1:]).fingerprint,
        Firewall.declare(PEOPLE, evaluation=[exam]).fingerprint,
        Firewall.declare(PEOPLE, files=[]).fingerprint,
        Firewall.declare(PEOPLE, files=["a/b.rs"]).fingerprint,
    ]
    assert len(set(prints)) == len(prints)
    assert Firewall.declare(reversed(PEOPLE)).fingerprint == prints[0]


# --- contamination


def test_thirteen_words_in_a_row_stop_a_row_and_twelve_do_not() -> None:
    wall = Firewall(Roster(), EvaluationSets([("exam.jsonl", SET)]))
    assert GRAM == 13
    for start in range(len(WORDS) - GRAM + 1):
        text = f"Well, {' '.join(WORDS[start : start + GRAM])} indeed"
        verdict = stopped({"prompt": "fine", "answer": text}, wall)
        assert verdict.reason == "contaminated"
        assert verdict.errors == (f"answer: characters 6 to {len(text) - 7} are in exam.jsonl",)
        passed({"a": f"Well, {' '.join(WORDS[start : start + GRAM - 1])} indeed"}, wall)


def test_case_blanks_and_marks_hide_no_overlap() -> None:
    sets = EvaluationSets([("exam", SET)])
    text = "*".join(word.upper() for word in WORDS) + "\n"
    (overlap,) = sets.find(text)
    assert (overlap.start, overlap.end, overlap.name) == (0, len(text) - 1, "exam")


def test_an_overlap_with_a_name_in_it_is_found_though_the_name_would_be_replaced() -> None:
    said = SET.replace("four welders", "Jane Doe")
    assert stopped({"a": said}, Firewall(WALL.roster, EvaluationSets([("exam", said)]))).reason == "contaminated"


def test_a_short_text_of_a_set_counts_only_whole() -> None:
    sets = EvaluationSets([("exam", "Name the best welder in Gary."), ("exam", "yes")])
    assert sets.find("name THE best welder, in gary")
    assert not sets.find("Please name the best welder in Gary.")
    assert not sets.find("yes")


def test_overlaps_are_those_of_a_slow_search() -> None:
    rng = random.Random(7)
    words = [f"w{n}" for n in range(4)]
    sets = [" ".join(rng.choices(words, k=40)) for _ in range(5)]
    known = {tuple(text.split()[i : i + GRAM]) for text in sets for i in range(40 - GRAM + 1)}
    found = EvaluationSets([("exam", text) for text in sets])
    hits = 0
    for _ in range(200):
        given = rng.choice(sets).split()
        cut = rng.randrange(10, 20)
        place = rng.randrange(0, 20)
        text = [*rng.choices(words, k=20), *given[place : place + cut], *rng.choices([*words, "new"], k=20)]
        slow = any(tuple(text[i : i + GRAM]) in known for i in range(len(text) - GRAM + 1))
        assert bool(found.find(" ".join(text))) == slow
        hits += slow
    assert 50 < hits < 200


def test_sets_are_read_from_json_lines_json_and_text(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"q": {"deep": [SET]}}) + "\n\n")
    (tmp_path / "b.json").write_text(json.dumps([SET.replace("dock", "gate")]))
    (tmp_path / "c.txt").write_text("Short.\n\n" + SET.replace("dock", "door") + "\n")
    sets = EvaluationSets.read([tmp_path / name for name in ("a.jsonl", "b.json", "c.txt")])
    for word, name in (("dock", "a.jsonl"), ("gate", "b.json"), ("door", "c.txt")):
        assert {overlap.name for overlap in sets.find(SET.replace("dock", word))} == {name}


def test_a_set_that_cannot_be_read_is_an_error_and_says_where(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"gone\.jsonl"):
        EvaluationSets.read([tmp_path / "gone.jsonl"])
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n{"a":')
    with pytest.raises(InvalidError, match=r"bad\.jsonl line 2"):
        EvaluationSets.read([tmp_path / "bad.jsonl"])
    (tmp_path / "odd.txt").write_bytes(b"ab\xff")
    with pytest.raises(InvalidError, match="byte 2"):
        EvaluationSets.read([tmp_path / "odd.txt"])


# --- invented files


def test_a_cited_file_that_is_none_of_the_declared_is_stopped() -> None:
    wall = Firewall.declare(files=["crates/gate/src/lib.rs", "./docs/plan.md"])
    passed({"a": "See crates/gate/src/lib.rs and ./docs/plan.md, https://x.org/a/b.rs or 1/2.5 and lib.rs"}, wall)
    verdict = stopped({"a": "See `crates/gate/src/main.rs`:14."}, wall)
    assert verdict == Stopped("hallucinated_file_path", ("a: there is no crates/gate/src/main.rs",))
    passed({"a": "crates/gate/src/main.rs"}, Firewall())
