"""The crash drill keeps its promise on a whole storage, and breaks it on each kind of broken one."""

from __future__ import annotations

import csv
import getpass
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from workbench.lake.drill import Plan, drill, judge, open_by_url
from workbench.lake.drill_crew import BATCH_ROWS, PHASES, SHARED, STOP, Post, read, rows, unlike
from workbench.lake.loading.report import Request
from workbench.lake.tables.s3 import open_storage
from workbench.lake.tables.stage import dead, place, stage, sweep
from workbench.lake.tables.storage import Entry, LocalStorage, Storage

SHORT = Plan(writers=3, readers=1, batches=1, kills=8, seed=3)
HOLD = """
import sys
from pathlib import Path
from workbench.lake.tables.stage import stage
from workbench.lake.tables.storage import LocalStorage
with stage(LocalStorage(Path(sys.argv[1]))) as folder:
    (folder / "rows.parquet").write_text("half")
    print(folder.name, flush=True)
    sys.stdin.read()
"""


def unwatched(stage_name: str, done: float, total: float) -> None:
    pass


class Forgetful(LocalStorage):
    """Says that a file is in, and loses every one of them that another adoption follows."""

    last: Path | None = None

    def adopt(self, local: Path, key: str) -> Entry:
        entry = super().adopt(local, key)
        if self.last:
            self.last.unlink(missing_ok=True)
        self.last = self.path(key)
        return entry


class Hasty(LocalStorage):
    """Acknowledges a file at once and writes it behind the writer's back: who is killed meanwhile has promised air."""

    def adopt(self, local: Path, key: str) -> Entry:
        kept, target = local.with_name("kept"), self.path(key)
        local.rename(kept)
        body = kept.read_bytes()
        later = threading.Timer(30, target.write_bytes, [body])
        later.daemon = True
        later.start()
        return Entry(key, len(body), "")


def open_forgetful(url: str, environ: Mapping[str, str]) -> Storage:
    return Forgetful(Path(url))


def open_hasty(url: str, environ: Mapping[str, str]) -> Storage:
    return Hasty(Path(url))


@pytest.mark.drill
def test_a_whole_lake_loses_nothing(tmp_path):
    told = []
    outcome = drill(str(tmp_path / "lake"), SHORT, environ={}, progress=lambda *at: told.append(at))
    assert outcome.faults == ()
    assert outcome.kills == sum(outcome.killed_in.values()) == SHORT.kills
    assert set(outcome.killed_in) <= set(PHASES)
    assert outcome.batches >= outcome.acknowledged >= SHORT.writers * SHORT.batches + 1
    assert outcome.rows == outcome.batches * BATCH_ROWS
    assert outcome.reads > 0
    assert told[-1] == ("kill", SHORT.kills, SHORT.kills)


@pytest.mark.drill
@pytest.mark.s3
def test_a_bucket_loses_nothing(s3_server):
    plan = Plan(writers=2, readers=1, batches=1, kills=3)
    outcome = drill(f"{s3_server.add_bucket()}/lake", plan, environ=s3_server.environ(), progress=unwatched)
    assert outcome.faults == ()
    assert outcome.kills == plan.kills
    assert outcome.batches >= outcome.acknowledged >= 3


@pytest.mark.drill
@pytest.mark.parametrize("opener", [open_forgetful, open_hasty])
def test_a_storage_that_breaks_its_word_is_found_out(tmp_path, opener):
    plan = Plan(writers=1, readers=0, batches=3, kills=0)
    outcome = drill(str(tmp_path / "lake"), plan, environ={}, opener=opener, progress=unwatched)
    assert not outcome.passed
    said = "\n".join(outcome.faults)
    assert "gone" in said or "cannot be read" in said
    assert "acknowledged and lost" in said


@pytest.fixture
def post(tmp_path):
    (tmp_path / "notes").mkdir()
    return Post(str(tmp_path / "lake"), {}, str(tmp_path / "notes"), open_by_url)


def load(post, batch, *, keep=BATCH_ROWS, name=SHARED, promise=True):
    path = post.here / f"{batch}-{keep}.csv"
    with path.open("w", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([["batch", "line", "mark"], *list(rows(batch))[:keep]])
    post.lake().ingest(Request(path, name))
    if promise:
        with (post.here / "1.acks").open("a") as acks:
            acks.write(f"{name} {batch}\n")


def test_a_lake_with_all_that_was_promised_passes(post):
    load(post, "w1-0")
    load(post, "w1-1")
    load(post, "w2-0", promise=False)  # committed, and killed before it could say so
    found = judge(post)
    assert (found.batches, found.versions, found.faults) == (3, 3, ())


def test_a_lost_commit_is_named(post):
    load(post, "w1-0")
    load(post, "w1-1")
    (Path(post.url) / "datasets" / SHARED / "_delta_log" / f"{1:020}.json").unlink()
    assert f"{SHARED}: acknowledged and lost: w1-1" in judge(post).faults


def test_a_torn_batch_is_named(post):
    load(post, "w1-0")
    load(post, "w1-1", keep=7)
    faults = "\n".join(judge(post).faults)
    assert f"{SHARED}: torn or doubled: w1-1" in faults
    assert f"{SHARED}@2 has 47 rows" in faults


def test_a_batch_in_two_places_is_named(post):
    load(post, "w1-0")
    load(post, "w1-0", name="drill_1")
    assert f"w1-0 is in drill_1 and in {SHARED}" in judge(post).faults


def test_one_changed_value_is_seen(post):
    load(post, "w1-0")
    table = post.lake().sql(f"SELECT batch, line, mark FROM {SHARED} ORDER BY line").table
    assert unlike(table) == ([], {"w1-0"})
    column = [*table.column("mark").to_pylist()[:-1], "m0"]
    assert unlike(table.set_column(2, "mark", [column])) == (["w1-0"], {"w1-0"})
    assert unlike(table.slice(1))[0] == ["w1-0"]


def test_an_older_version_without_its_files_is_named(post):
    load(post, "w1-0")
    load(post, "w1-1")
    old = post.lake().get(f"{SHARED}@1").files[0].path
    post.lake().compact(SHARED)
    (Path(post.url) / "datasets" / SHARED / old).unlink()
    assert f"{SHARED}@1: files gone or cut: {old}" in judge(post).faults


class Stopping(LocalStorage):
    """Ends the drill while the first answer is on its way, so that a reader reads once."""

    def stat(self, key: str) -> Entry | None:
        (self.root.parent / "notes" / STOP).touch()
        return super().stat(key)


def open_stopping(url: str, environ: Mapping[str, str]) -> Storage:
    return Stopping(Path(url))


@pytest.mark.parametrize(
    ("keep", "promised", "said"),
    [(BATCH_ROWS, "w1-0", ""), (7, "w1-0", "torn ['w1-0']"), (BATCH_ROWS, "w1-9", "not seen ['w1-9']")],
)
def test_a_reader_sees_what_is_torn_or_late(post, keep, promised, said):
    load(post, "w1-0", keep=keep, promise=False)
    (post.here / "1.acks").write_text(f"{SHARED} {promised}\n")
    try:
        read(replace(post, opener=open_stopping), 5)
    finally:
        tempfile.tempdir = None  # a reader is a process of its own, and this one is not
    faults = [p.read_text() for p in post.here.glob("*.fault")]
    assert (post.here / "5.reads").read_text() == "1"
    assert len(faults) == (1 if said else 0)
    assert all(said in fault for fault in faults)


def die_at_work(storage):
    """Kill a process that has a workplace; returns the workplace's name."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, storage.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        name = owner.stdout.readline().strip()
        assert sweep(place(storage)) == 0  # never the living's
        assert (place(storage) / name / "rows.parquet").exists()
        owner.kill()
    return name


def test_a_workplace_outlives_its_owner_only_until_the_next_writer(tmp_path):
    storage = LocalStorage(tmp_path / "lake")
    name = die_at_work(storage)
    assert dead(place(storage)) == [name]
    with stage(storage) as folder:
        assert {p.name for p in place(storage).iterdir()} == {folder.name, f"{folder.name}.lock"}
    assert list(place(storage).iterdir()) == []


def test_a_stale_workplace_is_named(post):
    load(post, "w1-0")
    name = die_at_work(LocalStorage(Path(post.url)))
    assert judge(post).faults == (f"stale workplace: {name}",)


@pytest.mark.s3
def test_a_bucket_has_its_workplaces_in_a_folder_of_the_users_own(s3_bucket):
    storage = open_storage(f"{s3_bucket}/lake")
    with stage(storage) as folder:
        assert folder.parent == place(storage)
        assert folder.parent.stat().st_mode & 0o077 == 0
        (folder / "rows.parquet").write_text("x")
        assert storage.entries() == []
    assert not folder.exists()


def test_a_workplace_in_a_folder_of_somebody_else_is_refused(tmp_path, s3_bucket, monkeypatch):
    code = "from workbench.lake.tables.stage import stage; from workbench.lake.tables.s3 import open_storage; "
    code += f"stage(open_storage({s3_bucket!r})).__enter__()"
    (tmp_path / f"lakehouse-staging-{getpass.getuser()}").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "belongs to somebody else" in done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


def lh(*words, **environ):
    command = [str(Path(sys.executable).with_name("lh")), *words]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environ})


@pytest.mark.drill
def test_the_command_tells_and_exits_by_what_it_found(tmp_path):
    done = lh("drill", "--lake", str(tmp_path / "lake"), "--writers", "1", "--readers", "1", "--kills", "1", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["passed"], told["kills"], told["faults"]) == (0, True, 1, [])
    again = lh("drill", "--lake", str(tmp_path / "lake"))
    assert again.returncode == 1
    assert "holds datasets" in again.stderr


@pytest.mark.drill
@pytest.mark.parametrize("more", [(), ("--search",)], ids=["lake", "search"])
def test_a_drill_that_is_killed_leaves_no_process_behind(tmp_path, more):
    command = [str(Path(sys.executable).with_name("lh")), "drill", "--lake", str(tmp_path / "lake"), *more]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as drill:
        try:
            deadline = time.monotonic() + 60
            while len(crew := psutil.Process(drill.pid).children(recursive=True)) < 4:
                assert drill.poll() is None
                assert time.monotonic() < deadline
        finally:
            drill.kill()
    _, alive = psutil.wait_procs(crew, timeout=60)
    assert alive == []
