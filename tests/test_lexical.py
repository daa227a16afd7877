"""The lexical index: scores and conditions as a plain count of words gives them, and a folder that survives."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import BusyError, ConfigError, InvalidError
from workbench.search.lexical.bm25 import Costs, ideal
from workbench.search.lexical.lexical import Habits, LexicalIndex, open_lexical
from workbench.search.lexical.question import Question, Term, ask, matched
from workbench.search.lexical.words import index_terms
from workbench.search.vectors.keys import text_keys

WORDS = [
    "forklift",
    "driver",
    "nights",
    "OSHA-30",
    "osha 30",
    "hi-lo",
    "hilo",
    "fork lift",
    "C++",
    "Résumé",
    "the",
    "30",
]
TEXT = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join)
TEXTS = st.lists(TEXT, min_size=1, max_size=25, unique=True)
ASKED = st.lists(st.sampled_from([*WORDS, "zzz", "((("]), max_size=5).map(" ".join)


def filled(folder: Path, texts: list[str], habits: Habits | None = None) -> LexicalIndex:
    index = open_lexical(folder, create=True, habits=habits)
    assert index is not None
    index.add(text_keys(texts), texts)
    return index


@contextmanager
def temporary(texts: list[str], cuts: int = 1, habits: Habits | None = None) -> Iterator[LexicalIndex]:
    """An index over ``texts`` that came in ``cuts`` commits, so that it has several segments."""
    with tempfile.TemporaryDirectory() as folder:
        index = filled(Path(folder), [], habits)
        for start in range(cuts):
            part = texts[start::cuts]
            index.add(text_keys(part), part)
        yield index


def in_order(index: LexicalIndex, texts: list[str]) -> list[str]:
    """``texts`` by slot."""
    slots = index.find(text_keys(texts))
    return [texts[place] for place in np.argsort(slots)]


def quantised(length: int) -> int:
    """The length that tantivy remembers in one byte: 24 values as they are, then a float of four significant bits."""
    table = list(range(24)) + [
        24 + ((code & 7) if code < 8 else ((code & 7) | 8) << (code // 8 - 1)) for code in range(256 - 24)
    ]
    return max(value for value in table if value <= length)


def brute(index: LexicalIndex, texts: list[str], question: Question) -> np.ndarray:
    """BM25 as the books have it, over the terms that count."""
    bags = [Counter(" ".join(index_terms(text)).split()) for text in texts]
    lengths = [sum(bag.values()) for bag in bags]
    mean = sum(lengths) / len(lengths)
    out = np.zeros(len(texts))
    for term in index.terms(question):
        frequency = sum(term.term in bag for bag in bags)
        assert term.doc_freq == frequency
        idf = math.log(1 + (len(texts) - frequency + 0.5) / (frequency + 0.5))
        assert math.isclose(term.idf, idf, rel_tol=1e-6)
        for row, bag in enumerate(bags):
            saturated = bag[term.term] + 1.2 * (0.25 + 0.75 * quantised(lengths[row]) / mean)
            out[row] += idf * 2.2 * bag[term.term] / saturated
    return out


@given(TEXTS, ASKED, st.integers(1, 30), st.integers(1, 3))
def test_scores_are_bm25(texts, asked, k, cuts):
    with temporary(texts, cuts) as index:
        texts = in_order(index, texts)
        question = ask(asked)
        expected = brute(index, texts, question)
        hits = index.search(question, k)

        assert len(hits.slots) == min(k, np.count_nonzero(expected))
        assert np.allclose(hits.scores, expected[hits.slots], rtol=1e-4, atol=1e-4)
        assert np.allclose(hits.scores, np.sort(expected)[::-1][: len(hits.scores)], rtol=1e-4, atol=1e-4)
        order = list(zip(-hits.scores, hits.slots, strict=True))
        assert order == sorted(order)
        every = np.arange(len(texts))
        assert np.allclose(index.scores(question, every), expected, rtol=1e-4, atol=1e-4)
        assert index.scores(question, hits.slots).tolist() == hits.scores.tolist()
        parts = index.parts(question, index.scores(question, every))
        assert ((parts >= 0) & (parts < 1)).all()


@pytest.mark.parametrize("costs", [Costs(0, 0), Costs(0), Costs(99, 9, 0), Costs(99, 0, 99), Costs(99), Costs()])
@settings(max_examples=15)
@given(texts=TEXTS, asked=ASKED, k=st.integers(1, 8), seed=st.integers(0, 99), share=st.sampled_from([0, 0.1, 0.5, 1]))
def test_filtered_is_the_unfiltered_without_the_others_and_never_short(costs, texts, asked, k, seed, share):
    allowed = np.random.default_rng(seed).random(len(texts)) < share
    with temporary(texts, 2, Habits(costs=costs)) as index:
        question = ask(asked)
        every = index.search(question, len(texts))
        hits = index.search(question, k, allowed=allowed)

        keep = allowed[every.slots]
        assert hits.slots.tolist() == every.slots[keep][:k].tolist()
        assert hits.scores.tolist() == every.scores[keep][:k].tolist()


@given(st.lists(st.text(alphabet=st.characters(codec="utf-8"), max_size=40), min_size=1, max_size=8, unique=True))
def test_the_index_has_exactly_the_terms_of_its_texts(texts):
    with temporary(texts) as index:
        for text in texts:
            mask = np.array([bool(_words(other) & _words(text)) for other in in_order(index, texts)])
            question = Question(tuple(Term(word, word) for word in _words(text)))
            assert (index.scores(question, np.arange(len(texts))) > 0).tolist() == mask.tolist()


def _words(text: str) -> frozenset[str]:
    return frozenset(" ".join(index_terms(text)).split())


def test_ties_at_the_end_of_the_list_go_by_slot_over_all_segments(tmp_path):
    texts = [f"welder number{row}" for row in range(650)]
    index = filled(tmp_path, texts[:50])
    index.add(text_keys(texts[50:]), texts[50:])  # the larger segment, which tantivy puts first
    assert index.search(ask("welder"), 5).slots.tolist() == [0, 1, 2, 3, 4]
    allowed = np.arange(650) % 2 == 1
    assert index.search(ask("welder"), 3, allowed=allowed).slots.tolist() == [1, 3, 5]


@given(TEXTS, st.sampled_from(WORDS), st.sampled_from(WORDS), st.sampled_from(WORDS))
def test_conditions_hold_exactly(texts, must, must_not, phrase):
    with temporary(texts) as index:
        question = ask("", must=[must], must_not=[must_not], phrases=[f"{phrase} driver"])
        expected = [
            _has(text, must) and not _has(text, must_not) and _has(text, f"{phrase} driver")
            for text in in_order(index, texts)
        ]
        assert index.matching(question).tolist() == expected
        assert index.matching(ask("")).all()


def _has(text: str, asked: str) -> bool:
    words, joined = (part.split() for part in index_terms(text))
    wanted, whole = (part.split() for part in index_terms(asked))
    rows = [words[start : start + len(wanted)] for start in range(len(words))]
    is_one_run = len(whole) == 1 and len(wanted) == 2 and " driver" not in asked
    return wanted in rows or (is_one_run and whole[0] in joined)


@pytest.mark.parametrize("asked", ["osha-30", "osha 30", "OSHA30"])
def test_every_spelling_finds_every_spelling_first(tmp_path, asked):
    texts = ["has osha-10, lifts 30 lbs", "has OSHA-30", "has OSHA 30", "has osha30", "has a car"]
    index = filled(tmp_path, texts)
    assert set(index.search(ask(asked), 3).slots.tolist()) == {1, 2, 3}
    assert index.matching(ask("", must=[asked])).tolist() == [False, True, True, True, False]
    assert index.coverage(ask(asked)) == 1.0


def test_the_usual_spelling_is_found_by_the_unusual_one(tmp_path):
    index = filled(tmp_path, ["forklift driver", "forklift mechanic", "hi-lo driver", "lifts boxes", "lifts pallets"])
    assert index.search(ask("fork lift"), 2).slots.tolist() == [0, 1]
    assert index.coverage(ask("fork lift")) == 1.0
    assert index.search(ask("hilo"), 5).slots.tolist() == [2]
    assert [term.term for term in index.terms(ask("lift driver"))] == ["lift", "driver"]


def test_a_phrase_does_not_run_into_the_joined_terms(tmp_path):
    index = filled(tmp_path, ["drives a hi-lo", "hi-lo hilo"])
    assert index.matching(ask("", phrases=["lo hilo"])).tolist() == [False, True]


@pytest.mark.parametrize("asked", ["", "   ", "who are the people", "((( : ] + AND OR", "\udc80", "zzz"])
def test_a_question_that_finds_nothing(tmp_path, asked):
    index = filled(tmp_path, ["forklift driver", "nurse"])
    hits = index.search(ask(asked), 5)
    assert (hits.slots.tolist(), hits.scores.tolist()) == ([], [])
    assert index.scores(ask(asked), np.array([0, 1])).tolist() == [0.0, 0.0]
    assert index.coverage(ask(asked)) == 0.0
    assert index.parts(ask(asked), np.zeros(2, np.float32)).tolist() == [0.0, 0.0]


def test_an_empty_index_answers(tmp_path):
    index = filled(tmp_path, [])
    question = ask("forklift", must=["forklift"], phrases=["a b"])
    assert (len(index), len(index.search(question, 5).slots), len(index.matching(question))) == (0, 0, 0)
    assert index.find(text_keys(["forklift"])).tolist() == [-1]


def test_coverage_weighs_words_by_how_rare_they_are(tmp_path):
    index = filled(tmp_path, ["welder mig", "welder", "welder tig", "cook"])
    terms = {term.term: term.idf for term in index.terms(ask("welder mig zzz")) if not term.covers}
    assert terms["zzz"] > terms["mig"] > terms["welder"]
    best = (terms["welder"] + terms["mig"]) / sum(terms.values())
    assert math.isclose(index.coverage(ask("welder mig zzz")), best)
    only_cook = index.search(ask("welder mig zzz"), 1, allowed=np.array([False, True]))
    assert math.isclose(index.coverage(ask("welder mig zzz"), only_cook), terms["welder"] / sum(terms.values()))


def test_a_part_does_not_depend_on_the_other_hits(tmp_path):
    index = filled(tmp_path, ["welder", "welder mig tig", "cook"])
    question = ask("welder")
    hits = index.search(question, 5)
    assert index.parts(question, hits.scores)[:1].tolist() == index.parts(question, hits.scores[:1]).tolist()
    assert np.allclose(index.parts(question, hits.scores), hits.scores / ideal(index.terms(question)))


def test_matched_words_are_those_that_score(tmp_path):
    texts = ["Drives forklifts at night", "Has OSHA 30", "cook"]
    index = filled(tmp_path, texts)
    question = ask("night forklift with osha-30")
    scored = index.scores(question, np.arange(3)) > 0
    assert [bool(matched(question, text)) for text in texts] == scored.tolist()


def test_slots_go_by_arrival_and_a_known_text_is_passed_over(tmp_path):
    index = filled(tmp_path, ["a1", "b2"])
    keys = text_keys(["b2", "c3", "c3", "a1", "d4"])
    assert index.add(keys, ["b2", "c3", "c3", "a1", "d4"]) == 2
    assert index.find(keys).tolist() == [1, 2, 2, 0, 3]
    assert index.add(keys, ["b2", "c3", "c3", "a1", "d4"]) == 0
    assert (len(index), len(open_lexical(tmp_path))) == (4, 4)


def test_large_adds_are_committed_in_batches(tmp_path):
    texts = [f"word{row} welder" for row in range(40)]
    index = filled(tmp_path, texts, Habits(batch_texts=7))
    again = open_lexical(tmp_path)
    assert again.find(text_keys(texts)).tolist() == list(range(40)) == index.find(text_keys(texts)).tolist()
    assert again.search(ask("word33"), 1).slots.tolist() == [33]


def test_an_add_that_fails_leaves_whole_batches(tmp_path):
    index = filled(tmp_path, ["first"], Habits(batch_texts=2))
    with pytest.raises(TypeError):
        index.add(text_keys(["a", "b", "c", "d"]), ["a", "b", "c", None])  # type: ignore[list-item]
    assert index.find(text_keys(["first", "a", "b", "c", "d"])).tolist() == [0, 1, 2, -1, -1]
    index.add(text_keys(["c", "d"]), ["c", "d"])
    assert open_lexical(tmp_path, create=True).find(text_keys(["c", "d"])).tolist() == [3, 4]


def test_what_is_not_wanted_any_more_goes_when_it_is_more_than_a_third(tmp_path):
    texts = [f"welder w{row}" for row in range(30)]
    index, reader = filled(tmp_path, texts), open_lexical(tmp_path)
    before = index.generation
    assert not index.keep(text_keys(texts[10:]))
    assert index.generation == before

    assert index.keep(text_keys([*texts[15:], "never seen"]))
    assert index.generation != before
    assert index.find(text_keys([*texts[:15]])).tolist() == [-1] * 15
    assert index.find(text_keys(texts[15:])).tolist() == list(range(15))
    fresh = filled(tmp_path / "fresh", texts[15:])
    question = ask("welder w20")
    assert index.search(question, 30).scores.tolist() == fresh.search(question, 30).scores.tolist()
    assert len([path for path in tmp_path.iterdir() if path.is_dir() and path.name != "fresh"]) == 1

    assert len(reader.search(question, 40).slots) == 30  # what it has open stays
    assert reader.coverage(question) == 1.0
    assert reader.matching(ask("", must=["w20"])).sum() == 1
    assert reader.refresh()
    assert (len(reader), reader.generation) == (15, index.generation)


def test_an_erased_text_is_nowhere_in_the_folder(tmp_path):
    index = filled(tmp_path, ["welder zebrafinch", "welder a", "welder b", "welder c"])
    assert any(b"zebrafinch" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert index.keep(text_keys(["welder a", "welder b", "welder c"]), always=True)
    assert not any(b"zebrafinch" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not index.keep(text_keys(["welder a", "welder b", "welder c"]), always=True)  # nothing left to drop


def test_nothing_wanted_empties_the_index(tmp_path):
    index = filled(tmp_path, ["a1", "b2"])
    assert index.keep(text_keys([]))
    assert len(index) == 0
    assert index.add(text_keys(["a1"]), ["a1"]) == 1


def test_there_is_nothing_to_open(tmp_path):
    assert open_lexical(tmp_path / "no") is None
    (tmp_path / "current").write_bytes(b"\xff\x00")
    assert open_lexical(tmp_path) is None
    (tmp_path / "current").write_text("../elsewhere")
    assert open_lexical(tmp_path) is None


def test_another_format_is_left_out_and_made_anew(tmp_path):
    index = filled(tmp_path, ["a1"])
    (tmp_path / index.generation).rename(tmp_path / "v999-abc")
    (tmp_path / "current").write_text("v999-abc")
    assert open_lexical(tmp_path) is None
    assert len(open_lexical(tmp_path, create=True)) == 0


@settings(max_examples=60)
@given(data=st.data())
def test_a_damaged_file_is_seen_and_the_index_made_anew(data):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        index = filled(folder, [f"welder w{row}" for row in range(20)])
        files = [path for path in (folder / index.generation).iterdir() if len(path.stem) == 32 or "keys" in path.name]
        victim = data.draw(st.sampled_from(sorted(files, key=lambda path: path.suffix)))
        body = bytearray(victim.read_bytes())
        place = data.draw(st.integers(0, len(body) - 1))
        if data.draw(st.booleans()):
            body = body[:place]
        else:
            body[place] ^= data.draw(st.integers(1, 255))
        victim.write_bytes(body)

        found = open_lexical(folder, verify=True)
        assert found is None or found.search(ask("w3"), 1).slots.tolist() == [3]  # a footer has unused bytes
        assert len(open_lexical(folder, create=True)) in {0, 20}


def test_an_index_that_goes_away_says_so_and_is_made_again(tmp_path):
    index = filled(tmp_path / "i", ["a1"])
    shutil.rmtree(tmp_path / "i")
    with pytest.raises(ConfigError, match="removed"):
        index.refresh()
    assert len(open_lexical(tmp_path / "i", create=True)) == 0


def test_two_do_not_write_at_once_and_readers_do_not_wait(tmp_path):
    filled(tmp_path, ["a1 welder"])
    index = open_lexical(tmp_path, habits=Habits(timeout_s=0.01))
    with filelock.FileLock(tmp_path / "lock"):
        with pytest.raises(BusyError, match="writing the text index"):
            index.add(text_keys(["b2"]), ["b2"])
        assert index.add(text_keys(["a1 welder"]), ["a1 welder"]) == 0  # nothing to write
        assert open_lexical(tmp_path).search(ask("welder"), 1).slots.tolist() == [0]
    assert index.add(text_keys(["b2"]), ["b2"]) == 1


def test_wrong_arguments(tmp_path):
    index = filled(tmp_path, ["a1"])
    with pytest.raises(InvalidError, match="came with"):
        index.add(text_keys(["x"]), [])
    with pytest.raises(InvalidError, match="at least 1"):
        index.search(ask("a1"), 0)
    with pytest.raises(InvalidError, match="not a mask"):
        index.search(ask("a1"), 1, allowed=np.array([0]))
    with pytest.raises(InvalidError, match="slot"):
        index.scores(ask("a1"), np.array([1]))
    assert index.search(ask("a1"), 1, allowed=np.zeros(0, np.bool_)).slots.tolist() == []
    assert index.search(ask("a1"), 1, allowed=np.ones(9, np.bool_)).slots.tolist() == [0]


ADDING = """
import sys
from pathlib import Path
from workbench.search.vectors.keys import text_keys
from workbench.search.lexical.lexical import Habits, open_lexical
index = open_lexical(Path(sys.argv[1]), create=True, habits=Habits(batch_texts=40))
start = int(sys.argv[2])
while True:
    texts = [f"welder w{row}" for row in range(start, start + 80)]
    index.add(text_keys(texts), texts)
    start += 80
    print(start, flush=True)
"""


def _adding(folder: Path, start: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", ADDING, str(folder), str(start)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.drill
def test_what_was_added_survives_kill_and_nothing_else_is_believed(tmp_path):
    acknowledged = 0
    for round_ in range(5):
        child = _adding(tmp_path, acknowledged)
        lines = iter(child.stdout)
        for _ in range(round_ + 1):
            acknowledged = int(next(lines))
        os.kill(child.pid, signal.SIGKILL)  # in the middle of the next add
        acknowledged = max([acknowledged, *(int(line) for line in lines)])
        child.communicate()

        index = open_lexical(tmp_path, verify=True)
        texts = [f"welder w{row}" for row in range(acknowledged + 80)]
        slots = index.find(text_keys(texts))
        known = slots >= 0
        assert known[:acknowledged].all()
        assert len(index) == known.sum()
        for row in np.flatnonzero(known)[-60:].tolist():
            assert index.search(ask(f"w{row}"), 1).slots.tolist() == [slots[row]]


@pytest.mark.drill
def test_a_process_reads_while_another_adds(tmp_path):
    filled(tmp_path, ["welder first"])
    reader = open_lexical(tmp_path)
    child = _adding(tmp_path, 0)
    try:
        for line in child.stdout:
            reader.refresh()
            count = len(reader)
            hits = reader.search(ask("welder"), count)
            assert count > int(line)
            assert sorted(hits.slots.tolist()) == list(range(count))
            if int(line) >= 800:
                break
    finally:
        child.kill()
        child.communicate()


def test_threads_may_read_while_one_adds(tmp_path):
    index = filled(tmp_path, ["welder first"])
    wrong: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            hits = index.search(ask("welder"), 500)
            # A batch of twenty is there whole or not at all.
            if len(hits.slots) % 20 != 1 or index.find(text_keys(["welder first"])).tolist() != [0]:
                wrong.append(hits)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for round_ in range(10):
        texts = [f"welder w{round_} t{row}" for row in range(20)]
        index.add(text_keys(texts), texts)
    done.set()
    for thread in threads:
        thread.join()
    assert (wrong, len(index)) == ([], 201)
