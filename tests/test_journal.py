"""The search log: it never slows or breaks a search, loses nothing that was written down, and says nothing twice."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import workbench
from workbench.lake.lake import Lake
from workbench.lake.tables.storage import LocalStorage
from workbench.search.journal import DATASET, Journal, SearchEntry

ENTRY = SearchEntry("forklift operator", "workers", 3, [7, "w-9"], "state = 'IL'", "order 12", {"k": 10})
DEADLINE_S = 60


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(LocalStorage(tmp_path / "lake"))


@contextmanager
def journal(lake: Lake, tmp_path: Path, **more):
    made = Journal(lake, tmp_path / "spool", **more)
    try:
        yield made
    finally:
        made.close(write=False)


def logged(lake: Lake) -> list[dict]:
    return lake.sql(f"SELECT * FROM {DATASET} ORDER BY happened_at").table.to_pylist()


def until(condition) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline


def spooled(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "spool").glob("*.jsonl"))


def block(lake: Lake) -> Path:
    """Put something in the way of every writer to the lake."""
    Path(lake.url).mkdir(exist_ok=True)
    place = Path(lake.url) / "_staging"
    shutil.rmtree(place, ignore_errors=True)
    place.write_bytes(b"in the way")
    return place


def test_a_search_and_its_choice_are_rows_of_a_dataset(lake, tmp_path):
    with journal(lake, tmp_path) as log:
        search_id = log.note(ENTRY)
        log.choose(search_id, ["w-9"])
        assert log.flush()
        search, choice = logged(lake)
        assert search["happened_at"] <= choice["happened_at"]
        assert {k: v for k, v in search.items() if k != "happened_at"} == {
            "event": "search", "search_id": search_id, "position": "order 12", "dataset": "workers", "snapshot": 3,
            "query": "forklift operator", "filters": "state = 'IL'", "criteria": '{"k": 10}', "shown": ["7", "w-9"],
            "chosen": None,
        }  # fmt: skip
        assert (choice["event"], choice["search_id"], choice["chosen"]) == ("choice", search_id, ["w-9"])
        assert spooled(tmp_path) == []
        log.note(ENTRY)
        assert log.flush()
        assert [s.operation for s in lake.snapshots(DATASET)] == ["appended", "appended"]
        stats = log.stats()
        assert (stats.noted, stats.spooled, stats.written, stats.dropped, stats.failures) == (3, 3, 3, 0, 0)
        assert len(logged(lake)) == 3


def test_personal_data_is_covered_before_it_reaches_a_disk(lake, tmp_path):
    secret = SearchEntry(
        "call 312-555-0101", "workers", 1, [1], "email = 'ann@example.com'", "for bo@example.com",
        {"asked": ["ann@example.com"], "by": {"mail": "ann@example.com"}},
    )  # fmt: skip
    place = block(lake)
    with journal(lake, tmp_path) as log:
        log.note(secret)
        assert not log.flush()
        (spool,) = spooled(tmp_path)
        said = spool.read_text()
        assert "workers" in said
        assert "312-555" not in said
        assert "@example" not in said
        place.unlink()
        assert log.flush()
    (row,) = lake.sql(f"SELECT * FROM {DATASET}").table.to_pylist()
    assert "312-555" not in str(row)
    assert "@example" not in str(row)
    assert "call" in row["query"]
    assert spool.parent.stat().st_mode & 0o077 == 0


def test_entries_go_into_the_dataset_by_number_and_by_time(lake, tmp_path):
    with journal(lake, tmp_path, every=3, seconds=3600) as log:
        for _ in range(3):
            log.note(ENTRY)
        until(lambda: log.stats().written == 3)
    with journal(lake, tmp_path, every=1000, seconds=0.05) as log:
        log.note(ENTRY)
        until(lambda: log.stats().written == 1)
    assert len(logged(lake)) == 4


def test_closing_writes_what_waits(lake, tmp_path):
    log = Journal(lake, tmp_path / "spool")
    log.note(ENTRY)
    log.close()
    assert len(logged(lake)) == 1
    assert list((tmp_path / "spool").iterdir()) == []
    log.note(ENTRY)
    assert log.flush()
    assert (log.stats().noted, log.stats().dropped) == (1, 1)
    log.close()


def test_a_lake_that_takes_nothing_costs_a_search_nothing(lake, tmp_path):
    place = block(lake)
    with journal(lake, tmp_path, every=10, seconds=0.05) as log:
        for _ in range(2000):
            log.note(ENTRY)  # returns, though the writer gets nowhere
        until(lambda: log.stats().failures > 1)
        assert not log.flush()
        assert "_staging" in log.stats().last_error
        assert log.stats().written == 0
        place.unlink()
        assert log.flush()
    assert len(logged(lake)) == 2000


def test_a_spool_that_cannot_be_written_loses_nothing_while_the_process_lives(lake, tmp_path):
    (tmp_path / "spool").write_bytes(b"in the way")
    with journal(lake, tmp_path) as log:
        log.note(ENTRY)
        log.flush()
        assert log.stats().failures >= 1
        assert len(logged(lake)) == 1


def test_an_entry_that_means_nothing_holds_nothing_up(lake, tmp_path):
    with journal(lake, tmp_path) as log:
        log.note(SearchEntry("x", "workers", "three", [1]))  # type: ignore[arg-type]
        log.note(SearchEntry("half a \ud800 character", "workers", 1, ["\ud800"], criteria={"x": Path("/a"), 2: None}))
        assert log.flush()
        assert (log.stats().dropped, log.stats().failures) == (1, 1)
    (row,) = logged(lake)
    assert (row["query"], row["criteria"]) == ("half a ? character", '{"x": "/a", "2": null}')


def test_a_dataset_of_the_same_name_and_other_columns_is_left_alone(lake, tmp_path):
    own = tmp_path / "own.parquet"
    pq.write_table(pa.table({"mine": [1, 2]}), own)
    with workbench.connect(lake.url) as wb:
        wb.ingest(own, DATASET)
    with journal(lake, tmp_path) as log:
        log.note(ENTRY)
        assert not log.flush()
        assert "other columns" in log.stats().last_error
    assert lake.get(DATASET).row_count == 2
    assert len(spooled(tmp_path)) == 1


WRITER = """
import sys, workbench
from pathlib import Path
from workbench.search.journal import Journal, SearchEntry
wb = workbench.connect(sys.argv[1])
log = Journal(wb.lake, Path(sys.argv[2]), every=int(sys.argv[3]), seconds=3600)
for n in range(int(sys.argv[4])):
    log.note(SearchEntry(f"{sys.argv[5]} {n}", "workers", 1, [n]))
while log.stats().spooled < int(sys.argv[4]):
    pass
print("spooled", flush=True)
sys.stdin.readline()
log.close()
"""


def start(lake: Lake, tmp_path: Path, who: str, *, every: int = 1000, entries: int = 50) -> subprocess.Popen[str]:
    words = [lake.url, str(tmp_path / "spool"), str(every), str(entries), who]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_what_a_killed_process_wrote_down_the_next_one_moves_and_the_living_are_left_alone(lake, tmp_path):
    with start(lake, tmp_path, "dead") as dead, start(lake, tmp_path, "alive") as alive:
        for process in (dead, alive):
            assert process.stdout.readline() == "spooled\n"
        dead.kill()
        dead.wait()
        with journal(lake, tmp_path) as log:
            log.note(ENTRY)
            assert log.flush()
            assert log.stats().written == 51
        assert {row["query"].split()[0] for row in logged(lake)} == {"dead", "forklift"}
        assert len(spooled(tmp_path)) == 1
        alive.communicate("\n")
    assert sorted(row["query"] for row in logged(lake)) == sorted(
        ["forklift operator", *(f"{who} {n}" for who in ("dead", "alive") for n in range(50))]
    )
    assert list((tmp_path / "spool").iterdir()) == []


def test_processes_that_write_at_once_lose_nothing(lake, tmp_path):
    crew = [start(lake, tmp_path, who, every=10, entries=100) for who in "xy"]
    for process in crew:
        process.communicate("\n")
    assert sorted(row["query"] for row in logged(lake)) == sorted(f"{who} {n}" for who in "xy" for n in range(100))


def test_a_batch_whose_writer_died_just_after_the_commit_is_not_there_twice(lake, tmp_path):
    place = block(lake)
    with journal(lake, tmp_path) as log:
        log.note(ENTRY)
        assert not log.flush()
        (spool,) = spooled(tmp_path)
        kept = spool.read_bytes()
        place.unlink()
        assert log.flush()
    spool.write_bytes(kept)
    with journal(lake, tmp_path) as log:
        assert log.flush()
        assert log.stats().written == 0
    assert len(logged(lake)) == 1
    assert spooled(tmp_path) == []


def test_a_line_cut_off_by_a_death_is_passed_over_and_another_format_left_alone(lake, tmp_path):
    with start(lake, tmp_path, "dead", entries=3) as dead:
        assert dead.stdout.readline() == "spooled\n"
        dead.kill()
    (spool,) = spooled(tmp_path)
    spool.write_bytes(spool.read_bytes()[:-9])
    later = tmp_path / "spool" / "0123456789abcdef-0.jsonl"
    later.write_bytes(b'{"format": 2}\n{"of": "the future"}\n')
    empty = tmp_path / "spool" / "0123456789abcdee-0.jsonl"
    empty.write_bytes(b"")
    with journal(lake, tmp_path) as log:
        assert log.flush()
    assert [row["query"] for row in logged(lake)] == ["dead 0", "dead 1"]
    assert spooled(tmp_path) == [later]


def test_the_dataset_does_not_become_a_thousand_files(lake, tmp_path):
    with journal(lake, tmp_path) as log:
        for _ in range(70):
            log.note(ENTRY)
            assert log.flush()
        assert log.stats().failures == 0
    assert len(lake.get(DATASET).files) < 65
    assert len(logged(lake)) == 70


def test_an_interpreter_that_ends_without_closing_leaves_all_in_the_spool(lake, tmp_path):
    code = WRITER.replace("while log.stats()", "sys.exit()\nwhile log.stats()")
    words = [lake.url, str(tmp_path / "spool"), "1000", "20", "careless"]
    subprocess.run([sys.executable, "-c", code, *words], check=True)
    with journal(lake, tmp_path) as log:
        assert log.flush()
    assert len(logged(lake)) == 20
