"""The guarded graph: each sharp edge of hnswlib that was found, saving whole or not at all, the child, the index."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest

from workbench.errors import ConfigError, DimensionError, InvalidError, TooLargeError
from workbench.search.graphs.copies import Groups, marks_of
from workbench.search.graphs.graph import Graph, estimate
from workbench.search.graphs.graph_child import build_apart
from workbench.search.graphs.hnsw import HnswIndex
from workbench.search.graphs.turns import ReadWriteLock
from workbench.search.vectors.distance import distances
from workbench.search.vectors.scan import Block, Blocks

D = 16


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def made(n: int, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((n, D)))


def keys_of(n: int) -> np.ndarray:
    return np.arange(4 * n, dtype=np.uint64).reshape(n, 4)


ROWS = made(2000)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph.build(ROWS, keys=keys_of(len(ROWS)), threads=1)


@pytest.fixture
def saved(graph: Graph, tmp_path: Path) -> Path:
    path = tmp_path / "roles.graph"
    graph.save(path)
    return path


def part(path: Path, suffix: str) -> Path:
    return next(path.parent.glob(f"*{suffix}"))


def test_labels_are_those_of_the_exact_scan(graph):
    labels, rough = graph.search(ROWS[7], 10, 256)
    far = distances(ROWS, ROWS[7], "cosine")
    assert labels.tolist() == np.argsort(far)[:10].tolist()
    assert np.abs(rough - far[labels]).max() < 1e-5


@pytest.mark.parametrize("query", [np.ones(D + 1), np.ones(3), np.ones(0)])
def test_a_query_of_another_length_is_refused_before_it_reaches_the_graph(graph, query):
    with pytest.raises(DimensionError):
        graph.search(query.astype(np.float32), 3)
    with pytest.raises(InvalidError):
        graph.visit(query.astype(np.float32), 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_nan_infinity_and_zero_are_refused_in_query_build_and_extension(graph, bad):
    rows = np.full((1, D), bad, np.float32)
    with pytest.raises(InvalidError):
        graph.search(rows[0], 3)
    with pytest.raises(InvalidError):
        Graph.build(np.concatenate([ROWS[:5], rows]))
    with pytest.raises(InvalidError):
        graph.extend(rows, keys=keys_of(1))
    assert len(graph) == len(ROWS)


def test_wrong_vectors_and_parameters_are_refused(graph):
    with pytest.raises(InvalidError, match="not of length 1"):
        Graph.build(2 * ROWS[:5])
    with pytest.raises(InvalidError, match="longer than"):
        Graph.build(np.full((2, D), 1e18, np.float32), space="euclidean")
    with pytest.raises(DimensionError):
        graph.extend(unit(np.ones((2, D + 1))), keys=keys_of(2))
    with pytest.raises(InvalidError, match="for all labels"):
        graph.extend(ROWS[:2])
    with pytest.raises(InvalidError, match="m = 1"):
        Graph.build(ROWS, m=1)
    with pytest.raises(InvalidError, match="matrix"):
        Graph.build(ROWS[0])
    with pytest.raises(InvalidError, match="k must be"):
        graph.search(ROWS[0], 0)


def test_more_than_there_is_and_nothing_at_all_are_no_errors(tmp_path):
    small = Graph.build(ROWS[:5], threads=1)
    assert sorted(small.search(ROWS[0], 50)[0].tolist()) == [0, 1, 2, 3, 4]
    empty = Graph.build(np.empty((0, D), np.float32), threads=1)
    assert len(empty.search(ROWS[0], 3)[0]) == 0
    empty.save(tmp_path / "empty.graph")
    again = Graph.load(tmp_path / "empty.graph", D)
    again.extend(ROWS[:3])
    assert again.search(ROWS[2], 1)[0].tolist() == [2]


def test_copies_are_one_node_and_come_together(tmp_path):
    rows = np.concatenate([ROWS[:50], ROWS[3:4], -0.0 * ROWS[:1] + ROWS[3:4]])
    graph = Graph.build(rows, threads=1)
    graph.extend(np.concatenate([ROWS[3:4], ROWS[60:61], ROWS[60:61]]))
    graph.save(tmp_path / "c.graph")
    graph = Graph.load(tmp_path / "c.graph", D)
    graph.extend(ROWS[60:61])
    assert (len(graph), graph.facts.nodes) == (56, 51)
    assert sorted(graph.search(ROWS[3], 1, 50)[0].tolist()) == [3, 50, 51, 52]
    assert sorted(graph.search(ROWS[60], 1, 50)[0].tolist()) == [53, 54, 55]


def test_groups_spread_only_the_nodes_that_have_copies():
    groups = Groups.of(np.array([[5, 1], [6, 3], [7, 1]]))
    labels, rough = groups.spread(np.array([2, 1, 9]), np.array([0.1, 0.2, 0.3], np.float32))
    assert labels.tolist() == [2, 1, 5, 7, 9]
    assert rough.tolist() == pytest.approx([0.1, 0.2, 0.2, 0.2, 0.3])
    assert groups.spread(np.array([0, 9]), np.zeros(2, np.float32))[0].tolist() == [0, 9]
    assert (marks_of(np.zeros((1, 4), np.float32)) == marks_of(np.full((1, 4), -0.0, np.float32))).all()


def test_ef_is_raised_until_the_probes_are_found(graph, saved):
    ef, recall = graph.tune(ROWS, unit(ROWS[:30] + 0.2 * made(30, 9)))
    assert recall >= 0.99
    assert (graph.ef, graph.facts.recall, graph.facts.probes) == (ef, recall, 30)
    graph.save(saved)
    assert Graph.load(saved, D).facts == graph.facts


def test_a_saved_graph_comes_back_with_its_keys_and_its_answers(graph, saved):
    again = Graph.load(saved, D)
    assert again.facts == graph.facts
    assert again.keys.tolist() == keys_of(len(ROWS)).tolist()
    for query in made(20, 4):
        assert again.search(query, 10)[0].tolist() == graph.search(query, 10)[0].tolist()
    again.extend(made(5, 8), keys=keys_of(5))
    assert again.search(made(5, 8)[2], 1)[0].tolist() == [len(ROWS) + 2]


def test_absent_or_of_another_dimension_is_none(saved, tmp_path):
    assert Graph.load(tmp_path / "none.graph", D) is None
    assert Graph.load(tmp_path / "no" / "folder.graph", D) is None
    assert Graph.load(saved, D + 1) is None


@pytest.mark.parametrize("suffix", [".graph", ".hnsw", ".keys"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_flipped_byte_or_a_cut_anywhere_is_none(saved, suffix, share):
    file = part(saved, suffix)
    whole = file.read_bytes()
    place = int(share * len(whole))
    file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    assert Graph.load(saved, D) is None
    file.write_bytes(whole[:place])
    assert Graph.load(saved, D) is None
    file.unlink()
    assert Graph.load(saved, D) is None
    file.write_bytes(whole)
    assert Graph.load(saved, D) is not None


def test_another_format_version_is_none(saved):
    line = saved.read_bytes().splitlines()[0]
    for other in (line.replace(b'"version":1', b'"version":2'), line.replace(b"LHGRAPH", b"LHOTHER")):
        assert other != line
        saved.write_bytes(b"%b\n%08x\n" % (other, zlib.crc32(other)))
        assert Graph.load(saved, D) is None
    saved.write_bytes(b"%b\n%08x\n" % (line, zlib.crc32(line)))
    assert Graph.load(saved, D) is not None


def test_readers_of_the_old_files_keep_them_and_stale_ones_are_swept(graph, saved):
    old = part(saved, ".hnsw")
    graph.save(saved)
    assert old.exists()  # a reader may have read the manifest a moment ago
    os.utime(old, (0, 0))
    graph.save(saved)
    assert not old.exists()
    assert Graph.load(saved, D) is not None


def test_a_folder_that_cannot_be_made_is_an_error_with_a_hint(graph, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        graph.save(tmp_path / "file" / "roles.graph")
    assert caught.value.hint


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from workbench.errors import ConfigError
from workbench.search.graphs.graph import Graph
graph = Graph.load(Path(sys.argv[1]), 16)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    graph.save(Path(sys.argv[1]))
except ConfigError as error:
    print("refused", error)
"""


def test_a_full_disk_is_noticed_and_leaves_the_old_graph(saved):
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(saved)], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("refused"), done.stderr
    assert "100,000 of" in done.stdout
    assert not list(saved.parent.glob("*.partial"))
    assert Graph.load(saved, D) is not None


SAVER = """
import sys
from pathlib import Path
from workbench.search.graphs.graph import Graph
path = Path(sys.argv[1])
graph = Graph.load(path, 16)
print("ready", flush=True)
while True:
    graph.set_ef(graph.ef + 1)
    graph.save(path)
    print(graph.ef, flush=True)
"""


@pytest.mark.drill
def test_a_save_killed_at_any_moment_leaves_the_old_graph_or_the_new_one(saved):
    rng = np.random.default_rng(0)
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", SAVER, str(saved)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout.readline() == "ready\n"
            said = [child.stdout.readline() for _ in range(int(rng.integers(1, 5)))]
            threading.Event().wait(float(rng.uniform(0, 0.02)))  # somewhere within the next save
            child.send_signal(signal.SIGKILL)
            said += child.stdout.readlines()
        after = Graph.load(saved, D)
        published = [int(line) for line in said if line.endswith("\n")]
        assert after is not None
        assert after.ef in {published[-1], published[-1] + 1}
        assert after.search(ROWS[3], 1)[0].tolist() == [3]


def blocks() -> Blocks:
    return Blocks(D, (Block(ROWS[:700]), Block(np.ascontiguousarray(ROWS[700:]))))


def test_a_child_builds_tunes_and_saves(tmp_path):
    seen: list[tuple[int, int]] = []
    positions = np.arange(0, 2000, 2)
    graph = build_apart(
        tmp_path / "in" / "roles.graph",
        blocks(),
        positions,
        keys=keys_of(1000),
        probes=ROWS[:20],
        threads=1,
        on_progress=lambda done, rows: seen.append((done, rows)),
    )
    assert graph.search(ROWS[8], 1, 64)[0].tolist() == [4]
    assert graph.facts.recall >= 0.99
    assert graph.keys.tolist() == keys_of(1000).tolist()
    assert seen == [(512, 1000), (1000, 1000)]
    assert sorted(path.suffix for path in (tmp_path / "in").iterdir()) == [".graph", ".hnsw", ".keys"]


def test_too_little_memory_is_refused_before_and_caught_within(tmp_path):
    with pytest.raises(TooLargeError, match="needs about"):
        build_apart(tmp_path / "a.graph", blocks(), np.arange(2000), memory_bytes=1000)
    enough_for_the_graph_alone = estimate(2000, D).memory_bytes + 1
    with pytest.raises((TooLargeError, ConfigError)) as caught:
        build_apart(tmp_path / "a.graph", blocks(), np.arange(2000), memory_bytes=enough_for_the_graph_alone)
    assert "Searches go on" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_child_that_is_killed_is_an_error_of_the_tree_and_leaves_the_old_graph(saved, tmp_path):
    def kill(done: int, rows: int) -> None:
        children = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children").read_text().split()
        os.kill(int(children[-1]), signal.SIGKILL)

    rows = made(9000, 2)
    with pytest.raises(ConfigError, match="killed by signal 9"):
        build_apart(saved, Blocks(D, (Block(rows),)), np.arange(9000), threads=1, on_progress=kill)
    assert len(Graph.load(saved, D)) == len(ROWS)
    assert not list(tmp_path.glob("*.partial"))


def test_the_estimate_grows_with_rows_numbers_and_links():
    half = estimate(500_000, 256, threads=2)
    assert 0.95 < half.memory_bytes / 623e6 < 1.1  # measured: design/vectors.md 2.2
    assert 0.8 < half.build_s / 87.6 < 1.2
    assert estimate(500_000, 768).memory_bytes > half.memory_bytes
    assert estimate(500_000, 256, m=32).memory_bytes > half.memory_bytes
    assert estimate(1_000_000, 256, threads=2).build_s > 2 * half.build_s


def test_readers_share_and_a_waiting_writer_goes_first():
    lock, order = ReadWriteLock(), []
    lock.begin_reading()
    with lock.reading():
        order.append("two readers")
    asking = threading.Event()

    def write() -> None:
        asking.set()
        with lock.writing():
            order.append("writer")

    def read() -> None:
        with lock.reading():
            order.append("late reader")

    writer = threading.Thread(target=write)
    writer.start()
    asking.wait()
    while not lock._waiting:
        pass
    reader = threading.Thread(target=read)
    reader.start()
    lock.end_reading()
    writer.join()
    reader.join()
    assert order == ["two readers", "writer", "late reader"]


def test_a_reader_that_a_writer_held_back_goes_before_the_next_writer():
    lock, order = ReadWriteLock(), []
    inside, release = threading.Event(), threading.Event()

    def first() -> None:
        with lock.writing():
            inside.set()
            release.wait()
            order.append("writer")

    def read() -> None:
        with lock.reading():
            order.append("reader")

    def second() -> None:
        with lock.writing():
            order.append("next writer")

    threads = [threading.Thread(target=first)]
    threads[0].start()
    inside.wait()
    for target, name in ((read, "_queued"), (second, "_waiting")):
        threads.append(threading.Thread(target=target))
        threads[-1].start()
        while not getattr(lock, name):
            pass
    release.set()
    for thread in threads:
        thread.join()
    assert order == ["writer", "reader", "next writer"]


def test_labels_are_seen_when_an_extension_is_whole_and_a_save_waits_for_it(tmp_path):
    rows = made(1500, 11)
    graph = Graph.build(rows[:300], threads=1)
    seen, saver = [], threading.Thread(target=graph.save, args=(tmp_path / "e.graph",))

    def look(done: int, count: int) -> None:
        if not seen:
            saver.start()
        seen.append((len(graph), int(graph.search(rows[400], 10, 64)[0].max())))

    graph.extend(rows[300:], on_progress=look)
    saver.join()

    assert all(size == 300 and top < 300 for size, top in seen)
    assert len(seen) == 3
    assert graph.search(rows[400], 1, 64)[0].tolist() == [400]
    assert len(Graph.load(tmp_path / "e.graph", D)) == 1500


def test_searches_go_on_while_rows_are_added_replaced_and_removed():
    rows = made(6000, 3)
    index = HnswIndex(D, ef=64, graph_from=500)
    index.add(np.arange(1000), rows[:1000])
    failures: list[BaseException] = []
    over = threading.Event()

    def search() -> None:
        try:
            while not over.is_set():
                assert len(index.search(rows[5], 10)) == 10
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    for low in range(1000, 6000, 250):
        index.add(np.arange(low, low + 250), rows[low : low + 250])
        index.remove(np.arange(low - 900, low - 850))
    over.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(index) == 6000 - 20 * 50


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_recall_after_half_of_the_rows_were_replaced(distance):
    rng = np.random.default_rng(6)
    rows = (made(6000, 5) * rng.uniform(0.5, 2, (6000, 1))).astype(np.float32)
    index = HnswIndex(D, distance, graph_from=1000)
    index.add(np.arange(6000), rows)
    for low in range(0, 3000, 500):
        ids = rng.choice(6000, 500, replace=False)
        rows[ids] = (made(500, 100 + low) * rng.uniform(0.5, 2, (500, 1))).astype(np.float32)
        index.add(ids, rows[ids])
    found = []
    for query in rows[:50] + np.float32(0.05) * made(50, 1):
        got = index.search(query, 10)
        want = np.sort(distances(rows, query, distance))[9]
        found.append(np.mean(got.distances <= want))
    assert index.graph is not None
    assert np.mean(found) >= 0.99
