"""Logs: noted in microseconds, never in the way, nothing lost that was written down, nobody's dataset overwritten."""

from __future__ import annotations

import datetime as dt
import gc
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import workbench
from workbench.errors import InvalidError
from workbench.lake.lake import Lake
from workbench.lake.logs import Log, Shape
from workbench.lake.logs.spool import Spool
from workbench.lake.sql.query import Access
from workbench.lake.tables.storage import LocalStorage

SHAPE = Shape(
    "events",
    pa.schema(
        [
            ("event_id", pa.string()),
            ("happened_at", pa.timestamp("us", tz="UTC")),
            ("said", pa.string()),
            ("words", pa.list_(pa.field("element", pa.string()))),
            ("count", pa.int64()),
            ("share", pa.float64()),
            ("good", pa.bool_()),
        ]
    ),
    identity=("event_id",),
    plain=frozenset({"event_id"}),
    title="event log",
)
NARROW = replace(SHAPE, schema=SHAPE.schema.remove(6).remove(5))
ALL = Access(row_cap=None, show_pii=True)
NOTE_CPU_S = 50e-6


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(LocalStorage(tmp_path / "lake"), by="ann")


@contextmanager
def log(lake, spool: Path | None, shape: Shape = SHAPE, **more):
    made = Log(lake, spool, shape, **more)
    try:
        yield made
    finally:
        made.close(write=False)


def rows(lake: Lake, columns: str = "*") -> list[dict]:
    return lake.sql(f"SELECT {columns} FROM events ORDER BY happened_at, event_id", access=ALL).table.to_pylist()


def event(number: int, **more) -> dict:
    return {"event_id": f"e{number}", **more}


def test_an_entry_is_a_row_with_its_types(lake, tmp_path):
    before = dt.datetime.now(dt.UTC)
    with log(lake, tmp_path / "spool") as one:
        one.note(event(1, said="hello", words=["a", "b"], count=3, share=0.5, good=True))
        one.note(event(2, happened_at=dt.datetime(2020, 1, 2, tzinfo=dt.UTC)))
        assert one.flush()
    older, newer = rows(lake)
    assert older == event(2, happened_at=dt.datetime(2020, 1, 2, tzinfo=dt.UTC)) | dict.fromkeys(
        ["said", "words", "count", "share", "good"]
    )
    assert before <= newer.pop("happened_at") <= dt.datetime.now(dt.UTC)
    assert newer == event(1, said="hello", words=["a", "b"], count=3, share=0.5, good=True)
    (snapshot,) = lake.snapshots("events")
    assert (snapshot.message, snapshot.by, snapshot.added) == ("event log", "ann", 2)


def test_every_text_is_covered_unless_it_is_named(lake, tmp_path):
    secret = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789"
    with log(lake, tmp_path / "spool") as one:
        one.note(event(1, said=f"312-555-0101 and key {secret}", words=["ann@example.com"]))
        one.note({"event_id": "312-555-0102"})
        assert one.flush()
    first, second = rows(lake)
    assert "312" not in first["said"]
    assert secret not in first["said"]
    assert "ann" not in first["words"][0]
    assert second["event_id"] == "312-555-0102"


def test_a_spool_is_for_its_user_alone_and_holds_no_personal_data(lake, tmp_path):
    place = Path(lake.url)
    place.mkdir()
    (place / "_staging").write_bytes(b"in the way")
    with log(lake, tmp_path / "spool") as one:
        one.note(event(1, said="call 312-555-0101"))
        assert not one.flush()
        (file,) = (tmp_path / "spool").glob("*.jsonl")
        assert "e1" in file.read_text()
        assert "0101" not in file.read_text()
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_means_nothing_holds_nothing_up(lake, tmp_path):
    with log(lake, tmp_path / "spool") as one:
        for bad in ({"event_id": "x", "nope": 1}, event(1, count="three"), None, event(1, words=7)):
            one.note(bad)
        one.note(event(2, said="half a \ud800 character"))
        assert one.flush()
        assert (one.stats().dropped, one.stats().written) == (4, 1)
    assert [row["said"] for row in rows(lake)] == ["half a ? character"]
    with pytest.raises(InvalidError, match="no column nope"):
        SHAPE.row({"nope": 1})


def test_noting_takes_microseconds_and_no_lake(tmp_path):
    def never() -> Lake:
        raise AssertionError("nothing is written, so nobody needs the lake")

    with log(never, tmp_path / "spool") as one:
        one.note(event(0))
        costs = []
        for number in range(2_000):
            began = time.thread_time()
            one.note(event(number))
            costs.append(time.thread_time() - began)
    assert sorted(costs)[len(costs) // 2] < NOTE_CPU_S
    (file,) = (tmp_path / "spool").glob("*.jsonl")
    assert len(file.read_text().splitlines()) == 2_002


def test_a_short_process_never_loads_the_engines(tmp_path):
    code = (
        "import sys; from pathlib import Path; from workbench.llm.ledger import SHAPE, to_row\n"
        "from workbench.lake.logs import Log\n"
        "log = Log(lambda: 1 / 0, Path(sys.argv[1]), SHAPE); log.note({'call_id': 'a'}); log.close(write=False)\n"
        "print([name for name in ('duckdb', 'deltalake') if name in sys.modules], log.stats().spooled)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "spool")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[] 1\n"


@pytest.mark.parametrize("place", ["nobody's home", "a file in the way"])
def test_where_nothing_can_wait_closing_writes(lake, tmp_path, place):
    spool = None if place == "nobody's home" else tmp_path / "spool"
    if spool:
        spool.write_bytes(b"in the way")
    with log(lake, spool) as one:
        one.note(event(1))
    assert [row["event_id"] for row in rows(lake)] == ["e1"]


FULL = """
import os, resource, signal, sys
from pathlib import Path
from workbench.lake.logs.spool import Spool, to_lines
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
spool = Spool(Path(sys.argv[1]))
spool.append(to_lines([{"n": 1, "text": "x" * 100}]))
resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
try:
    spool.append(to_lines([{"n": 2, "text": "x" * 100}]))
except OSError as error:
    print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
spool.append(to_lines([{"n": 3}, {"n": 4}]))
sys.stdout.flush()
os._exit(0)
"""


def test_a_line_that_no_longer_had_room_spoils_none_but_itself(tmp_path):
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "OSError\n"
    assert [[row["n"] for row in rows] for rows in Spool(tmp_path).left()] == [[1, 3, 4]]


def test_a_lake_that_takes_nothing_takes_all_later(lake, tmp_path):
    place = Path(lake.url)
    place.mkdir()
    (place / "_staging").write_bytes(b"in the way")
    with log(lake, tmp_path / "spool") as one:
        one.note(event(1))
        assert not one.flush()
    (place / "_staging").unlink()
    with log(lake, tmp_path / "spool") as one:
        assert one.flush()
    assert [row["event_id"] for row in rows(lake)] == ["e1"]
    assert list((tmp_path / "spool").iterdir()) == []


def test_ending_an_abandoned_generator_while_noting_does_not_lock_up(lake, tmp_path):
    with log(lake, tmp_path / "spool") as one:

        class Entry(dict):
            """Something that is tidied up in the midst of noting, as a stream is that nobody reads."""

            def __del__(self):
                one.note(event(9))

        with one._lock:
            entry = Entry()
            entry["self"] = entry
            del entry
            gc.collect()
        assert one.flush()
    assert len(rows(lake)) == 1


def test_an_older_dataset_gets_the_new_columns_and_keeps_its_rows(lake, tmp_path):
    with log(lake, tmp_path / "spool", NARROW) as one:
        for number in range(3):
            one.note(event(number, said="old", words=["w"], count=number))
            assert one.flush()
    lake.annotate("events", owner="ann", pii_tags={"said": "name"})
    with log(lake, tmp_path / "spool") as one:
        one.note(event(3, said="new", share=0.25, good=False))
        assert one.flush(), one.stats()
        one.note(event(4, good=True))
        assert one.flush(), one.stats()
    manifest = lake.get("events")
    assert [c.name for c in manifest.columns] == SHAPE.schema.names
    assert (manifest.pii, manifest.about.owner) == ({"said": "name"}, "ann")
    found = rows(lake, "event_id, happened_at, said, words, count, good")
    assert [(r["event_id"], r["said"], r["words"], r["count"], r["good"]) for r in found] == [
        *((f"e{n}", "old", ["w"], n, None) for n in range(3)),
        ("e3", "new", None, None, False),
        ("e4", None, None, None, True),
    ]
    # What went in before still counts as being in: a dead process's leftover is not moved twice.
    assert lake.catalog.ingested(manifest, next(s for s in lake.snapshots("events") if s.version == 1).source.key)


def test_an_older_process_writes_into_a_newer_dataset(lake, tmp_path):
    with log(lake, tmp_path / "spool") as one:
        one.note(event(1, share=0.5))
        assert one.flush()
    with log(lake, tmp_path / "spool", NARROW) as one:
        one.note(event(2, said="old hand"))
        assert one.flush(), one.stats()
    assert [(row["event_id"], row["share"], row["said"]) for row in rows(lake)] == [
        ("e1", 0.5, None),
        ("e2", None, "old hand"),
    ]


@pytest.mark.parametrize(
    "own",
    [
        {"mine": [1, 2]},
        {"event_id": ["a", "b"], "mine": [1, 2]},
        {"event_id": ["a", "b"], "count": ["x", "y"]},
    ],
    ids=["other columns", "our key and others", "another type"],
)
def test_a_dataset_that_somebody_made_is_left_alone(lake, tmp_path, own):
    file = tmp_path / "events.parquet"
    pq.write_table(pa.table(own), file)
    with workbench.connect(lake.url) as wb:
        wb.ingest(file, "events")
    before = lake.get("events")
    with log(lake, tmp_path / "spool") as one:
        one.note(event(1))
        assert not one.flush()
        assert "The dataset events has other columns than the event log" in one.stats().last_error
    assert lake.get("events") == before
    assert len(list((tmp_path / "spool").glob("*.jsonl"))) == 1


def test_many_small_files_become_few_and_stay_in_order(lake, tmp_path):
    with log(lake, tmp_path / "spool") as one:
        for number in range(66):
            one.note(event(number))
            assert one.flush()
    assert len(lake.get("events").files) < 66
    assert [row["event_id"] for row in rows(lake)] == [f"e{n}" for n in range(66)]


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[4])
from test_logs import SHAPE, event
from workbench.lake.lake import Lake
from workbench.lake.logs import Log
from workbench.lake.tables.storage import LocalStorage
log = Log(Lake(LocalStorage(Path(sys.argv[1]))), Path(sys.argv[2]), SHAPE, every=20)
for n in range(100):
    log.note({"event_id": f"{sys.argv[3]}{n}"})
while log.stats().spooled < 100:
    pass
print("spooled", flush=True)
sys.stdin.readline()
log.close()
"""


def start(lake: Lake, spool: Path, who: str) -> subprocess.Popen[str]:
    words = [lake.url, str(spool), who, str(Path(__file__).parent)]
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_processes_that_write_at_once_and_one_that_is_killed_lose_and_double_nothing(lake, tmp_path):
    spool = tmp_path / "spool"
    with start(lake, spool, "a") as a, start(lake, spool, "b") as b:
        for process in (a, b):
            assert process.stdout.readline() == "spooled\n"
        b.kill()
        b.wait()
        a.communicate("\n")
    with log(lake, spool) as one:
        assert one.flush()
    assert sorted(row["event_id"] for row in rows(lake)) == sorted(f"{who}{n}" for who in "ab" for n in range(100))
    assert list(spool.iterdir()) == []
