"""The doctor looks at callers' vectors and at what search derives, and ordinary use mends what is derived."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from workbench.lake.loading.report import Request
from workbench.search.drill_crew import BATCH_ROWS, DATASET, Place, Post, rows
from workbench.search.health import checks


def new(folder: Path) -> Post:
    (folder / "notes").mkdir()
    return Post(str(folder / "lake"), str(folder / "notes"))


@pytest.fixture
def post(tmp_path):
    return new(tmp_path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A lake with the batch "a", indexed with a graph and searched, and what the search found; for copies only."""
    folder = tmp_path_factory.mktemp("made")
    made = new(folder)
    load(made, "a")
    index(made)
    return folder, hits(made)


@pytest.fixture
def indexed(made, tmp_path):
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    return Post(str(tmp_path / "lake"), str(tmp_path / "notes"))


def load(post, batch):
    path = post.here / f"{batch}.csv"
    path.write_text("\n".join(["worker_id,batch,role,skills", *(",".join(map(str, r)) for r in rows(batch))]) + "\n")
    return Place(post).lake.ingest(Request(path, DATASET))


def found(post):
    return [(c.name, c.state) for c in checks(Place(post).lake.catalog, post.cache_dir) if c.state != "ok"]


def fixes(post):
    return " ".join(c.fix for c in checks(Place(post).lake.catalog, post.cache_dir))


def index(post, least=10):
    place = Place(post)
    return place.searcher.corpora.index(place.lake.get(DATASET), graph_texts=least)


def hits(post):
    return [hit.id for hit in Place(post).searcher.search("nurse", dataset=DATASET, k=2 * BATCH_ROWS).hits]


def test_nothing_yet_is_no_trouble(post):
    assert checks(Place(post).lake.catalog, post.cache_dir) == []
    load(post, "a")
    assert checks(Place(post).lake.catalog, post.cache_dir) == []


def test_all_is_well_after_an_index(post):
    load(post, "a")
    assert index(post).graph_texts > 0
    place = Place(post)
    place.vectors.create("v", 2)
    place.vectors.add("v", [{"id": "x", "vector": [1, 0]}])
    said = {c.name: (c.state, c.message) for c in checks(place.lake.catalog, post.cache_dir)}
    assert said == {
        "vector indexes": ("ok", "1 vector index, every log and file is there"),
        "search": ("ok", "1 word indexes, 1 graphs, all vectors can be read"),
    }


def test_a_dataset_that_went_on_is_stale_until_it_is_indexed(indexed):
    post = indexed
    load(post, "b")
    assert found(post) == [(f"search in {DATASET}", "info")]
    assert fixes(post) == f"lh index {DATASET}"
    hits(post)  # takes the rows in, but builds no graph
    [stale] = checks(Place(post).lake.catalog, post.cache_dir)
    assert "its graph does not know" in stale.message
    index(post)
    assert found(post) == []


def damage(post, kind):
    if kind == "vectors cut off":
        path = next(post.cache_dir.glob("*/*.vec"))
        path.write_bytes(path.read_bytes()[:-8])
    elif kind == "a bit of a vector":
        path = next(post.cache_dir.glob("*/*.vec"))
        path.write_bytes(path.read_bytes()[:-1] + b"\x7f")
    elif kind == "graph":
        path = next(post.cache_dir.glob("*/*.hnsw"))
        path.write_bytes(path.read_bytes()[:-1])
    elif kind == "graph manifest":
        next(post.cache_dir.glob("*/*.graph")).write_bytes(b"{}\n0\n")
    else:
        path = next(post.cache_dir.glob("words/*/v*/*.store"))
        path.write_bytes(path.read_bytes()[:40])


@pytest.mark.parametrize("kind", ["vectors cut off", "a bit of a vector", "graph", "graph manifest", "words"])
def test_what_is_damaged_is_named_and_the_fix_mends_it(made, indexed, kind):
    post, before = indexed, made[1]
    damage(post, kind)
    assert [state for name, state in found(post) if name == "search"] == ["warning"]
    subprocess.run(fixes(post), shell=True, check=True)
    assert hits(post) == before
    index(post)
    assert found(post) == []


@pytest.mark.parametrize("kind", ["vectors cut off", "graph", "graph manifest", "words"])
def test_the_next_process_searches_over_damage_without_being_told(made, indexed, kind):
    post, before = indexed, made[1]
    damage(post, kind)
    load(post, "b")
    after = hits(post)
    assert set(before) < set(after)
    assert len(after) == len(hits(post)) == 2 * BATCH_ROWS


def test_derived_files_of_a_dataset_that_is_gone_are_information(indexed):
    post = indexed
    shutil.rmtree(post.cache_dir.parent / "datasets" / DATASET)
    assert found(post) == [("search", "info")]
    assert "rm -r" in fixes(post)


def test_saved_corpora_do_not_pile_up_when_not_every_version_is_searched(post):
    for n in range(12):
        load(post, f"b{n}")
        if n % 2:
            hits(post)
    assert len(list(post.cache_dir.glob("*/*.corpus"))) <= 3


@pytest.mark.parametrize("kind", ["gone", "cut off", "log"])
def test_a_damaged_vector_index_is_broken(post, kind):
    vectors = Place(post).vectors
    vectors.create("v", 4)
    vectors.add("v", [{"id": str(i), "vector": np.eye(4)[i].tolist()} for i in range(4)])
    folder = post.cache_dir / "v"
    part = next(folder.glob("part-*"))
    if kind == "gone":
        part.unlink()
    elif kind == "cut off":
        part.write_bytes(part.read_bytes()[:-3])
    else:
        (folder / "_delta_log" / f"{1:020}.json").write_bytes(b'{"add": {')
    assert found(post) == [("vector index v", "broken")]
    assert "from a backup" in fixes(post)


def test_a_deleted_vector_index_is_no_finding(post):
    vectors = Place(post).vectors
    vectors.create("v", 4)
    vectors.delete("v")
    assert found(post) == []
