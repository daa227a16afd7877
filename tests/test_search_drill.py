"""The search drill keeps its promise on a whole lake, and sees each kind of broken one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from workbench.lake.loading.report import Request
from workbench.search import drill_crew
from workbench.search.drill import Plan, drill
from workbench.search.drill_crew import BATCH_ROWS, DATASET, PHASES, Place, Post, check, rows, vector


@pytest.mark.drill
def test_search_loses_nothing_when_processes_die(tmp_path):
    told = []
    outcome = drill(tmp_path / "lake", Plan(workers=2, kills=3, seed=11), progress=lambda *at: told.append(at))
    assert outcome.faults == ()
    assert outcome.kills == sum(outcome.killed_in.values()) == 3
    assert set(outcome.killed_in) <= set(PHASES)
    assert outcome.checks == 4
    assert outcome.rows >= outcome.batches * BATCH_ROWS
    assert outcome.stayed == 0
    assert told[-1] == ("kill", 3, 3)


@pytest.fixture
def post(tmp_path):
    (tmp_path / "notes").mkdir()
    yield Post(str(tmp_path / "lake"), str(tmp_path / "notes"))
    tempfile.tempdir = None  # a checker is a process of its own, and this one is not


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A lake with the batch "w1b1", promised and searched; for copies only."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "notes").mkdir()
    post = Post(str(folder / "lake"), str(folder / "notes"))
    load(post, "w1b1")
    Place(post).searcher.search("nurse", dataset=DATASET)
    return folder


@pytest.fixture
def loaded(made, post, tmp_path):
    """The post with that lake."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return post


def faults(post) -> str:
    check(post, 9, seed=1)
    return "".join(path.read_text() for path in post.here.glob("*.fault"))


def load(post, batch, *, keep=BATCH_ROWS):
    path = post.here / f"{batch}.csv"
    lines = ["worker_id,batch,role,skills", *(",".join(map(str, row)) for row in list(rows(batch))[:keep])]
    path.write_text("\n".join(lines) + "\n")
    Place(post).lake.ingest(Request(path, DATASET))
    (post.here / "1.acks").write_text(f"{batch}\n")


def test_a_lake_with_all_that_was_promised_passes(loaded):
    post = loaded
    place = Place(post)
    place.vectors.create("drill_cosine", drill_crew.DIMENSION)
    place.vectors.add("drill_cosine", [{"id": "a", "vector": vector("a", 3), "metadata": {"n": 3}}])
    (post.here / "1.vectors").write_text(
        "? drill_cosine a 3\n! drill_cosine a 3\n? drill_cosine a 4\n? drill_cosine b 1\n"
    )
    assert faults(post) == ""
    assert (post.here / "9.checked").exists()


def test_a_row_that_search_does_not_find_is_named(post):
    load(post, "w1b1", keep=30)
    assert "w1b1 is acknowledged and search finds 30 of its 40 rows" in faults(post)


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        ("? drill_cosine b 1\n! drill_cosine b 1\n", "b is acknowledged and lost"),
        ("? drill_cosine a 4\n! drill_cosine a 4\n", "a is of change 3, acknowledged are ['4']"),
        ("? drill_cosine a -\n! drill_cosine a -\n", "a is of change 3, acknowledged are ['-']"),
        ("", "a is of change 3"),
    ],
)
def test_a_vector_that_is_lost_or_another_is_named(loaded, notes, said):
    post = loaded
    place = Place(post)
    place.vectors.create("drill_cosine", drill_crew.DIMENSION)
    place.vectors.add("drill_cosine", [{"id": "a", "vector": vector("a", 3), "metadata": {"n": 3}}])
    (post.here / "1.vectors").write_text(notes)
    assert said in faults(post)


def test_a_vector_with_other_bits_is_named(loaded):
    post = loaded
    place = Place(post)
    place.vectors.create("drill_euclidean", drill_crew.DIMENSION, "euclidean")
    place.vectors.add("drill_euclidean", [{"id": "a", "vector": vector("a", 3) * 1.0001, "metadata": {"n": 3}}])
    (post.here / "1.vectors").write_text("? drill_euclidean a 3\n! drill_euclidean a 3\n")
    assert "instead of" in faults(post)


def test_what_the_doctor_finds_is_a_fault(loaded):
    post = loaded
    next(post.cache_dir.glob("*/*.vec")).with_suffix(".graph").write_bytes(b"short")
    assert "is damaged or of another format" in faults(post)


@pytest.mark.drill
def test_the_command_tells_and_exits_by_what_it_found(tmp_path):
    lh = str(Path(sys.executable).with_name("lh"))
    command = [lh, "drill", "--search", "--writers", "1", "--kills", "1", "--json", "--lake", str(tmp_path / "lake")]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    told = json.loads(done.stdout)
    assert (done.returncode, told["passed"], told["kills"], told["faults"]) == (0, True, 1, [])
