"""Collect: nothing lost, nothing twice, the same bytes after any number of kills, in little memory."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench import records
from workbench.distill import flow
from workbench.distill.collect import collect, turned
from workbench.distill.fixture import ACCEPTANCE, write_acceptance, write_fixture
from workbench.distill.fixture import ACCEPTANCE_RECORDED_AT as AT
from workbench.distill.records import EvidenceRecord, checked
from workbench.distill.root import STREAMS, Root, day
from workbench.distill.score import score_all
from workbench.distill.seen import DIGEST_BYTES, Seen
from workbench.distill.stage import Counts, alone
from workbench.errors import BusyError, InvalidError

NEXT_DAY = "2026-04-28T00:00:00.000Z"


def tree(root: Root) -> dict[str, bytes]:
    """Everything below the root that a run may write, by relative path."""
    found = [path for path in root.path.rglob("*") if path.is_file() and path != root.lock]
    return {root.relative(path): path.read_bytes() for path in found}


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for _, row in records.rows(path)]


def source(root: Root, stream: str, *lines: Any) -> None:
    root.kb.mkdir(parents=True, exist_ok=True)
    raw = [line if isinstance(line, bytes) else records.encode(line) for line in lines]
    root.source(stream).write_bytes(b"".join(raw))


@pytest.fixture
def root(tmp_path) -> Root:
    return write_acceptance(tmp_path / "root")


def test_the_acceptance_fixture_is_15_rows_in_6_files(root):
    assert {stream: len(rows) for stream, rows in ACCEPTANCE.items()} == {
        "scrum_reviews": 5,
        "audits": 3,
        "auto_apply": 2,
        "contract_analyses": 2,
        "observer_reviews": 2,
        "distilled_facts": 1,
    }
    assert set(root.sources()) == set(ACCEPTANCE)


def test_the_acceptance_rows_become_14_evidence_rows_and_one_skip(root):
    done = collect(root, recorded_at=AT)
    assert done.counts == Counts(records_in=15, records_out=14, skipped=1)
    assert done.skips == {"missing_reviewed_at": 1}
    assert done.by_stream["scrum_reviews"] == Counts(records_in=5, records_out=4, skipped=1)
    assert done.inputs == tuple(root.sources().values())
    assert set(done.outputs) == {*root.evidence_files(), root.skips}
    for path in root.evidence_files():
        for row in rows(path):
            checked(EvidenceRecord, row)


def test_evidence_lies_on_the_day_of_recorded_at(root):
    collect(root, recorded_at="2026-01-31T23:59:59-05:00")
    assert {path.parent.relative_to(root.path).as_posix() for path in root.evidence_files()} == {
        "data/evidence/2026/01/31"
    }
    assert day("2026-01-31T23:59:59-05:00") == "2026/01/31"


@pytest.mark.parametrize("recorded_at", ["", "yesterday", "2026-04-27", "2026-04-27T00:00:00", "2026-02-30T00:00:00Z"])
def test_recorded_at_has_a_zone(root, recorded_at):
    with pytest.raises(InvalidError, match="recorded_at"):
        collect(root, recorded_at=recorded_at)
    assert root.evidence_files() == ()


def test_every_sig_hash_is_that_of_its_source_line(root):
    collect(root, recorded_at=AT)
    for path in root.evidence_files():
        for row in rows(path):
            at = row["provenance"]
            lines = (root.path / at["source_file"]).read_bytes().split(b"\n")
            assert records.sig_hash(json.loads(lines[at["line_offset"]])) == at["sig_hash"]


def test_a_skip_says_where_what_and_why(root):
    collect(root, recorded_at=AT)
    (skip,) = rows(root.skips)
    assert list(skip) == [
        *("schema_version", "stream", "source_file", "line_offset", "sig_hash", "reason", "errors", "recorded_at"),
    ]
    assert (skip["stream"], skip["line_offset"], skip["reason"]) == ("scrum_reviews", 4, "missing_reviewed_at")
    assert skip["errors"] == ["reviewed_at: is absent or blank"]


def test_each_kind_of_bad_line_is_a_skip_with_its_reason(tmp_path):
    made = Root(tmp_path)
    good = dict(ACCEPTANCE["audits"][0])
    bad = [b"{torn\n", b"[]\n", b'{"a":9007199254740993}\n', good | {"ts": None}, good | {"text": 7}, b"\n", b"\xff\n"]
    source(made, "audits", good, *bad)
    done = collect(made, recorded_at=AT)
    assert done.counts == Counts(records_in=7, records_out=1, skipped=6)
    assert done.skips == {
        "missing_ts": 1,
        "no_canonical_form": 1,
        "not_an_object": 1,
        "not_json": 2,
        "schema_violation": 1,
    }
    assert [skip["line_offset"] for skip in rows(made.skips)] == [1, 2, 3, 4, 5, 7]
    assert all(skip["errors"] for skip in rows(made.skips))


def test_the_same_row_in_another_spelling_is_one_row(tmp_path):
    made = Root(tmp_path)
    row = dict(ACCEPTANCE["contract_analyses"][0])
    spaced = json.dumps(dict(reversed(row.items()))).replace('"matrix_hits": 8', '"matrix_hits": 8.0').encode()
    source(made, "contract_analyses", row, spaced + b"\n", row)
    assert collect(made, recorded_at=AT).counts == Counts(records_in=3, records_out=1, deduped=2)


def test_running_again_adds_nothing_and_the_skip_still_counts(root):
    collect(root, recorded_at=AT)
    before = tree(root)
    again = collect(root, recorded_at=AT)
    assert again.counts == Counts(records_in=15, records_out=0, skipped=1, deduped=14)
    assert tree(root) == before


def test_the_next_day_adds_nothing_unless_only_its_partition_counts(root):
    collect(root, recorded_at=AT)
    before = tree(root)
    assert collect(root, recorded_at=NEXT_DAY).counts.records_out == 0
    assert tree(root) == before
    old = collect(root, recorded_at=NEXT_DAY, partition_only=True)
    assert old.counts == Counts(records_in=15, records_out=14, skipped=1)
    assert len(root.evidence_files("audits")) == 2


def test_new_rows_are_added_behind_the_old_ones(root):
    collect(root, recorded_at=AT)
    before = root.evidence(AT, "audits").read_bytes()
    with root.source("audits").open("ab") as file:
        file.write(records.encode(dict(ACCEPTANCE["audits"][0]) | {"finding_id": "f-9"}))
    assert collect(root, recorded_at=AT).counts.records_out == 1
    after = root.evidence(AT, "audits").read_bytes()
    assert after.startswith(before)
    assert after.count(b"\n") == 4


def test_a_dry_run_counts_and_writes_nothing(root):
    before = tree(root)
    assert collect(root, recorded_at=AT, dry_run=True).counts == Counts(records_in=15, records_out=14, skipped=1)
    assert tree(root) == before
    assert not root.lock.exists()


def test_an_empty_root_is_an_empty_run(tmp_path):
    done = collect(Root(tmp_path), recorded_at=AT)
    assert (done.counts, done.skips, done.inputs, done.outputs) == (Counts(), {}, (), ())


def test_a_source_of_skips_only_makes_no_empty_partition(tmp_path):
    made = Root(tmp_path)
    source(made, "audits", b"{\n")
    done = collect(made, recorded_at=AT)
    assert made.evidence_files() == ()
    assert done.outputs == (made.skips,)


def test_only_one_stage_at_a_time_writes(root):
    with alone(root), pytest.raises(BusyError, match="at work"):
        collect(root, recorded_at=AT)
    collect(root, recorded_at=AT)


def test_progress_ends_at_the_size_of_the_sources(root):
    told: list[tuple[str, int, int]] = []
    collect(root, recorded_at=AT, progress=lambda *each: told.append(each))
    total = sum(path.stat().st_size for path in root.sources().values())
    assert told[-1] == ("collect", total, total)
    assert told == sorted(told)


def test_counts_add_up_in_a_mixed_tree_and_every_stream_has_evidence(tmp_path):
    done = collect(write_fixture(tmp_path, 1300, 3), recorded_at=AT)
    assert done.counts.records_in == 1300
    assert done.counts.lost() == 0
    assert set(done.by_stream) == set(STREAMS)
    assert all(counts.records_out and counts.lost() == 0 for counts in done.by_stream.values())
    assert {"not_json", "not_an_object", "no_canonical_form", "schema_violation"} < set(done.skips)
    assert done.counts.deduped > 0


def test_a_fixture_has_the_same_bytes_for_the_same_seed_only(tmp_path):
    one, two, other = (write_fixture(tmp_path / str(n), 260, seed) for n, seed in enumerate((1, 1, 2)))
    assert tree(one) == tree(two) != tree(other)


@pytest.mark.parametrize("rows_asked", [0, 1, 13, 14])
def test_a_fixture_has_exactly_the_rows_asked_for(tmp_path, rows_asked):
    made = write_fixture(tmp_path, rows_asked, 1)
    assert sum(path.read_bytes().count(b"\n") for path in made.sources().values()) == rows_asked


def test_several_workers_make_the_same_blocks_in_the_same_order(tmp_path):
    made = write_fixture(tmp_path, 390, 1)
    path = made.source("sessions")
    turn = partial(turned, stream="sessions", source_file=made.relative(path), recorded_at=AT)
    blocks = list(flow.blocks(path, 2_000))
    assert len(blocks) > 4
    with flow.crew(2, flow.PARALLEL_BYTES) as mapped:
        assert isinstance(mapped, partial)  # a pool, not this process
        assert list(mapped(turn, blocks)) == [(block, turn(block)) for block in blocks]


def test_a_small_tree_is_not_worth_a_second_process():
    for workers, size in ((1, flow.PARALLEL_BYTES), (2, flow.PARALLEL_BYTES - 1)):
        with flow.crew(workers, size) as mapped:
            assert mapped is flow._here


@given(st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b" ")), max_size=30), st.integers(1, 60))
def test_blocks_are_whole_lines_and_all_of_them(tmp_path_factory, lines, size):
    path = tmp_path_factory.mktemp("blocks") / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    found = [
        each
        for block in flow.blocks(path, size)
        for each in records.lines(path, start=block.start, stop=block.stop, first=block.first)
    ]
    assert found == list(records.lines(path))


@given(st.lists(st.lists(st.integers(0, 40), max_size=30), max_size=12))
def test_seen_is_a_set(batches):
    seen, known = Seen(), set()
    for batch in batches:
        digests = [_digest(number) for number in batch]
        expected = [digest not in known and digest not in digests[:n] for n, digest in enumerate(digests)]
        assert seen.add(b"".join(digests)) == expected
        known.update(digests)
    assert len(seen) == len(known)


def _digest(number: int) -> bytes:
    """Digests of which several agree in their first eight bytes."""
    return (number // 4).to_bytes(8, "big") + (number % 4).to_bytes(8, "big")


def test_seen_takes_little_memory():
    maker = random.Random(1)
    batch = [maker.randbytes(DIGEST_BYTES * 1000) for _ in range(50)]
    tracemalloc.start()
    seen = Seen()
    for digests in batch:
        seen.add(digests)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(seen) == 50_000
    assert used < 2 * DIGEST_BYTES * 50_000


CHILD = """
import sys
from pathlib import Path
from workbench.distill.collect import collect
from workbench.distill.score import score_all
from workbench.distill.root import Root
root = Root(Path(sys.argv[1]))
def tell(stage, done, total):
    print(stage, done, flush=True)
for stage in (collect, score_all):
    stage(root, recorded_at=sys.argv[2], progress=tell)
"""


@pytest.mark.drill
def test_killed_anywhere_and_run_again_the_bytes_are_the_same(tmp_path):
    whole = write_fixture(tmp_path / "whole", 1300, 9)
    collect(whole, recorded_at=AT)
    score_all(whole, recorded_at=AT)
    killed = write_fixture(tmp_path / "killed", 1300, 9)
    for tellings in (1, 4, 9, 14, 20):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(killed.path), AT], stdout=subprocess.PIPE, cwd=Path.cwd()
        )
        assert child.stdout is not None
        for _ in range(tellings):
            child.stdout.readline()
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        child.stdout.close()
    collect(killed, recorded_at=AT)
    score_all(killed, recorded_at=AT)
    parts = {path for path in tree(killed) if path.endswith(".part")}
    assert parts == set()
    assert tree(killed) == tree(whole)
