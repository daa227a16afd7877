"""The embedding cache: hits, misses, bounds, threads, processes, kills and damage."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import ConfigError, InvalidError, ProviderError, TooLargeError
from workbench.search.embedding.cache import CachedEmbedder, EmbedCache
from workbench.search.embedding.disk_cache import FORMAT, DiskCache
from workbench.search.embedding.embed import check_texts
from workbench.search.embedding.local_server import LocalServer
from workbench.search.embedding.ollama import OllamaEmbedder

ROOT = Path(__file__).parents[1]
DIMENSION = 8
DEADLINE_S = 30


class Counted:
    """An embedder that notes what it is asked; a text with ``bad`` in it means nothing to it."""

    name = "counted"
    dimension = DIMENSION

    def __init__(self, digest: str = "d" * 64) -> None:
        self.digest = digest
        self.asked: list[list[str]] = []
        self.fault: Exception | None = None

    def embed(self, texts, *, side):
        check_texts(texts)
        self.asked.append(list(texts))
        if self.fault:
            raise self.fault
        for place, text in enumerate(texts, start=1):
            if "bad" in text:
                raise InvalidError(f"Text {place} of {len(texts)} has no word that the model knows.")
        return np.stack([vector(f"{self.digest}{side}{text}") for text in texts])


def vector(text: str) -> np.ndarray:
    row = np.random.default_rng(list(text.encode())).standard_normal(DIMENSION).astype(np.float32)
    return row / np.linalg.norm(row)


@pytest.fixture
def inner() -> Counted:
    return Counted()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[DiskCache]:
    cache = DiskCache(tmp_path)
    yield cache
    cache.close()


def test_a_mixed_batch_embeds_only_what_is_missing_and_keeps_the_order(inner):
    cached = CachedEmbedder(inner, EmbedCache())
    cached.embed(["b", "d"], side="query")

    got = cached.embed(["a", "b", "c", "a", "d"], side="query")

    assert inner.asked == [["b", "d"], ["a", "c"]]
    assert np.array_equal(got, Counted().embed(["a", "b", "c", "a", "d"], side="query"))


def test_a_batch_that_is_all_there_asks_nothing(inner):
    cached = CachedEmbedder(inner, EmbedCache())
    first = cached.embed(["a", "b"], side="query")
    inner.fault = ProviderError("the server is gone")

    assert np.array_equal(cached.embed(["b", "a"], side="query"), first[::-1])
    assert np.array_equal(cached.embed(["a"], side="query"), first[:1])
    assert len(inner.asked) == 1


def test_sides_and_models_are_kept_apart(inner, disk):
    other = Counted("e" * 64)
    cache = EmbedCache(disk=disk)
    got = [
        CachedEmbedder(embedder, cache).embed(["a"], side=side).tobytes()
        for embedder in (inner, other)
        for side in ("query", "document")
    ]
    assert len(set(got)) == 4
    assert cache.stats().misses == 4


def test_a_hit_costs_microseconds(inner):
    cached = CachedEmbedder(inner, EmbedCache())
    texts = [f"forklift operator {number}, reach truck, nights" for number in range(256)]
    cached.embed(texts, side="query")

    def cpu_s() -> float:
        start = time.process_time()
        for _ in range(20):
            cached.embed(texts, side="query")
        return time.process_time() - start

    assert min(cpu_s() for _ in range(5)) / (20 * len(texts)) < 5e-6


def test_errors_are_not_kept(inner, disk):
    cached = CachedEmbedder(inner, EmbedCache(disk=disk))
    inner.fault = ProviderError("busy")
    for _ in range(2):
        with pytest.raises(ProviderError):
            cached.embed(["a"], side="query")
    inner.fault = None
    cached.embed(["a"], side="query")
    assert len(inner.asked) == 3


def test_an_error_counts_the_texts_of_the_caller(inner):
    cached = CachedEmbedder(inner, EmbedCache())
    cached.embed(["a", "b"], side="query")
    with pytest.raises(InvalidError, match="Text 4 of 4"):
        cached.embed(["a", "b", "c", "bad"], side="query")
    with pytest.raises(InvalidError, match="Text 2 of 2 is empty"):
        cached.embed(["a", " "], side="query")


def test_what_is_handed_out_cannot_be_changed(inner, disk):
    cached = CachedEmbedder(inner, EmbedCache(disk=disk))
    for texts in (["a"], ["a"], ["a", "b"], ["a", "b"]):
        got = cached.embed(texts, side="query")
        with pytest.raises(ValueError, match="read-only"):
            got[0, 0] = 7
    with pytest.raises(ValueError, match="WRITEABLE"):
        cached.embed(["a"], side="query").flags.writeable = True


def test_statistics(inner, disk):
    cache = EmbedCache(disk=disk)
    cached = CachedEmbedder(inner, cache)
    assert cache.stats().hit_rate == 0
    cached.embed(["a", "b", "a"], side="query")
    cached.embed(["a", "b", "c"], side="query")
    again = EmbedCache(disk=disk)
    CachedEmbedder(inner, again).embed(["a", "b", "c", "d", "a"], side="query")

    stats = cache.stats()
    assert (stats.memory_hits, stats.disk_hits, stats.misses, stats.hits, stats.size) == (3, 0, 3, 3, 3)
    assert stats.hit_rate == 0.5
    stats = again.stats()
    assert (stats.memory_hits, stats.disk_hits, stats.misses, stats.size, stats.disk_size) == (1, 3, 1, 4, 4)


def test_statistics_add_up_with_threads(inner):
    cache = EmbedCache()
    cached = CachedEmbedder(inner, cache)

    def ask(number: int) -> None:
        for turn in range(1000):
            cached.embed([f"text {(number + turn) % 40}", "always"], side="query")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))

    stats = cache.stats()
    assert stats.hits + stats.misses == 16_000
    assert stats.misses == sum(map(len, inner.asked)) == 41


def test_memory_is_bounded_and_what_is_used_stays(inner):
    cache = EmbedCache(entries=10)
    cached = CachedEmbedder(inner, cache)
    for number in range(200):
        cached.embed(["hot"], side="query")
        cached.embed([f"text {number}"], side="document")
        assert cache.stats().size <= 10
    assert [text for asked in inner.asked for text in asked].count("hot") == 1

    cached.embed([f"other {number}" for number in range(50)], side="query")
    assert cache.stats().size == 10
    assert np.array_equal(cached.embed(["hot"], side="query"), Counted().embed(["hot"], side="query"))


def test_size_0_is_off(inner):
    cache = EmbedCache(entries=0)
    cached = CachedEmbedder(inner, cache)
    for _ in range(2):
        cached.embed(["a", "b"], side="query")
    assert inner.asked == [["a", "b"]] * 2
    assert (cache.stats().size, cache.stats().misses, cache.stats().hits) == (0, 4, 0)
    with pytest.raises(InvalidError):
        EmbedCache(entries=-1)


@given(
    batches=st.lists(st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=6), max_size=30),
    entries=st.integers(1, 6),
)
def test_any_order_of_batches_gives_the_embedders_own_vectors(batches, entries):
    cache, plain = EmbedCache(entries=entries), Counted()
    inner = Counted()
    cached = CachedEmbedder(inner, cache)
    for batch in batches:
        assert np.array_equal(cached.embed(batch, side="query"), plain.embed(batch, side="query"))
        assert cache.stats().size <= entries
    stats = cache.stats()
    assert stats.hits + stats.misses == sum(map(len, batches))
    assert stats.misses == sum(map(len, inner.asked))


class Gated(Counted):
    """Waits in each call until it is let through."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.gate = threading.Semaphore(0), threading.Event()

    def embed(self, texts, *, side):
        self.asked.append(list(texts))
        self.entered.release()
        assert self.gate.wait(DEADLINE_S)
        return Counted().embed(texts, side=side)


@pytest.mark.parametrize("entries", [0, 1, 100])
def test_ten_threads_that_miss_one_text_make_one_call(disk, entries):
    inner = Gated()
    cache = EmbedCache(entries=entries, disk=disk)
    cached = CachedEmbedder(inner, cache)
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(cached.embed, ["a"], side="query") for _ in range(10)]
        assert inner.entered.acquire(timeout=DEADLINE_S)
        inner.gate.set()
        got = {future.result(DEADLINE_S).tobytes() for future in asked}

    assert inner.asked == [["a"]]
    assert got == {Counted().embed(["a"], side="query").tobytes()}
    assert (cache.stats().misses, cache.stats().hits) == (1, 9)
    assert cache.flights == {}


def test_overlapping_batches_embed_each_text_once_and_do_not_block_each_other():
    inner = Gated()
    cached = CachedEmbedder(inner, EmbedCache())
    batches = [["a", "b"], ["b", "c"], ["c", "a", "d"]]
    with ThreadPoolExecutor(3) as pool:
        asked = []
        for batch in batches:
            asked.append(pool.submit(cached.embed, batch, side="query"))
            assert inner.entered.acquire(timeout=DEADLINE_S)
        inner.gate.set()
        got = [future.result(DEADLINE_S) for future in asked]

    assert inner.asked == [["a", "b"], ["c"], ["d"]]
    for batch, vectors in zip(batches, got, strict=True):
        assert np.array_equal(vectors, Counted().embed(batch, side="query"))


def test_who_waited_for_a_call_that_failed_tries_itself():
    inner = Gated()
    cached = CachedEmbedder(inner, EmbedCache())
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(cached.embed, ["bad", "b"], side="query")
        assert inner.entered.acquire(timeout=DEADLINE_S)
        second = pool.submit(cached.embed, ["b", "c"], side="query")
        assert inner.entered.acquire(timeout=DEADLINE_S)  # it embeds c and waits for b
        inner.gate.set()
        with pytest.raises(InvalidError, match="Text 1 of 2"):
            first.result(DEADLINE_S)
        assert np.array_equal(second.result(DEADLINE_S), Counted().embed(["b", "c"], side="query"))
    assert inner.asked == [["bad", "b"], ["c"], ["b"]]
    assert cached.cache.flights == {}


def test_a_restart_embeds_nothing(inner, tmp_path):
    texts = [f"worker {number}" for number in range(2000)]
    disk = DiskCache(tmp_path)
    before = CachedEmbedder(inner, EmbedCache(disk=disk)).embed(texts, side="document")
    disk.close()
    inner.asked.clear()

    disk = DiskCache(tmp_path)
    after = CachedEmbedder(inner, EmbedCache(disk=disk)).embed(texts, side="document")

    assert inner.asked == []
    assert np.array_equal(before, after)
    assert texts[0].encode() not in disk.path.read_bytes()
    disk.close()


def test_the_disk_is_bounded_by_count_and_keeps_what_was_used(inner, tmp_path):
    now = [1e9]
    disk = DiskCache(tmp_path, max_count=100, clock=lambda: now[0])
    cached = CachedEmbedder(inner, EmbedCache(entries=0, disk=disk))
    cached.embed([f"old {number}" for number in range(50)], side="query")
    for turn in range(30):
        now[0] += 100
        cached.embed(["old 7"], side="query")
        cached.embed([f"new {turn} {number}" for number in range(10)], side="query")
        assert len(disk) <= 102
    assert [text for asked in inner.asked for text in asked].count("old 7") == 1
    inner.asked.clear()
    cached.embed(["old 8", "new 29 3"], side="query")
    assert inner.asked == [["old 8"]]
    disk.close()


def test_the_disk_is_bounded_by_bytes(inner, tmp_path):
    disk = DiskCache(tmp_path, max_bytes=300_000, max_count=5000)
    cached = CachedEmbedder(inner, EmbedCache(entries=0, disk=disk))
    for turn in range(60):
        cached.embed([f"text {turn} {number}" for number in range(100)], side="query")
    disk.close()
    assert 1000 < len(DiskCache(tmp_path)) < 4000
    assert disk.path.stat().st_size < 400_000


@pytest.mark.parametrize("damage", ["header", "middle", "cut", "empty", "text", "format"])
def test_a_damaged_file_is_set_aside_and_made_anew(inner, tmp_path, damage):
    texts = [f"worker {number}" for number in range(3000)]
    disk = DiskCache(tmp_path)
    right = CachedEmbedder(inner, EmbedCache(disk=disk)).embed(texts, side="query")
    disk.close()
    hurt(disk.path, damage)

    disk = DiskCache(tmp_path)
    for _ in range(2):
        assert np.array_equal(CachedEmbedder(inner, EmbedCache(disk=disk)).embed(texts, side="query"), right)
    inner.asked.clear()
    assert np.array_equal(CachedEmbedder(inner, EmbedCache(disk=disk)).embed(texts, side="query"), right)

    assert inner.asked == []
    assert len(disk) == 3000
    assert disk.path.with_name(f"{disk.path.name}.damaged").exists() is (damage != "empty")
    disk.close()


def hurt(path: Path, damage: str) -> None:
    content = bytearray(path.read_bytes())
    if damage == "header":
        content[:100] = os.urandom(100)
    elif damage == "middle":
        content[4096 : len(content) // 2] = os.urandom(len(content) // 2 - 4096)
    elif damage == "cut":
        del content[len(content) // 2 :]
    elif damage == "text":
        content[:] = b"this is no database\n" * 1000
    elif damage == "empty":
        content.clear()
    else:
        with sqlite3.connect(path) as base:
            base.execute(f"PRAGMA user_version = {FORMAT + 1}")
        base.close()
        return
    path.write_bytes(content)


def test_a_flipped_bit_in_a_vector_is_a_miss(inner, tmp_path):
    disk = DiskCache(tmp_path)
    right = CachedEmbedder(inner, EmbedCache(disk=disk)).embed(["a", "b"], side="query")
    disk.close()
    place = (content := bytearray(disk.path.read_bytes())).index(right[0].tobytes())
    content[place + 2] ^= 1
    disk.path.write_bytes(content)
    inner.asked.clear()

    disk = DiskCache(tmp_path)
    got = CachedEmbedder(inner, EmbedCache(disk=disk)).embed(["a", "b"], side="query")

    assert np.array_equal(got, right)
    assert inner.asked == [["a"]]
    disk.close()


def test_a_file_damaged_while_it_is_open(inner, tmp_path):
    first, second = DiskCache(tmp_path), DiskCache(tmp_path)
    texts = [f"worker {number}" for number in range(3000)]
    right = CachedEmbedder(inner, EmbedCache(disk=first)).embed(texts, side="query")
    first.close()  # one writes its log back when the last closes; the other still has the file open
    with sqlite3.connect(first.path) as base:
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    base.close()
    hurt(first.path, "middle")

    for _ in range(3):
        assert np.array_equal(CachedEmbedder(inner, EmbedCache(disk=second)).embed(texts, side="query"), right)
    inner.asked.clear()
    CachedEmbedder(inner, EmbedCache(disk=second)).embed(texts, side="query")
    assert inner.asked == []
    second.close()


def test_of_several_that_see_the_damage_one_replaces_the_file(inner, tmp_path):
    writer, one, two = DiskCache(tmp_path), DiskCache(tmp_path), DiskCache(tmp_path)
    texts = [f"worker {number}" for number in range(3000)]
    CachedEmbedder(inner, EmbedCache(disk=writer)).embed(texts, side="query")
    with sqlite3.connect(writer.path) as base:
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    base.close()
    hurt(writer.path, "middle")

    CachedEmbedder(inner, EmbedCache(disk=one)).embed([*texts, "kept by one"], side="query")
    CachedEmbedder(inner, EmbedCache(disk=two)).embed(texts, side="query")

    assert "malformed" in one.trouble
    assert "malformed" in two.trouble
    assert len(two) == len(one) == 3001
    for disk in (writer, one, two):
        disk.close()


def test_an_addition_that_fails_half_way_holds_nobody_up(inner, disk):
    other = sqlite3.connect(disk.path, isolation_level=None, timeout=0)
    other.execute("DROP TABLE vectors")
    CachedEmbedder(inner, EmbedCache(disk=disk)).embed(["a"], side="query")
    assert "no such table" in disk.trouble
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")
    other.close()


def test_a_disk_that_does_not_let_us_never_fails_an_embedding(inner, tmp_path):
    (tmp_path / f"embeddings-{FORMAT}.sqlite").mkdir()  # no file can be made there, by whoever runs this
    disk = DiskCache(tmp_path)
    cache = EmbedCache(entries=0, disk=disk)
    for _ in range(2):
        CachedEmbedder(inner, cache).embed(["a"], side="query")
    assert len(inner.asked) == 2
    assert "embeddings-1.sqlite" in cache.stats().trouble
    assert cache.stats().disk_size == 0
    disk.close()

    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        DiskCache(tmp_path / "file" / "below")


def test_a_closed_disk_only_misses(inner, disk):
    cached = CachedEmbedder(inner, EmbedCache(disk=disk))
    disk.close()
    cached.embed(["a"], side="query")
    assert len(disk) == 0


def test_a_file_that_another_holds_is_waited_for_or_passed_over(inner, tmp_path):
    disk = DiskCache(tmp_path, busy_s=0.05)
    other = sqlite3.connect(disk.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    CachedEmbedder(inner, EmbedCache(disk=disk)).embed(["a"], side="query")
    assert "locked" in disk.trouble
    other.execute("ROLLBACK")
    other.close()
    CachedEmbedder(inner, EmbedCache(disk=disk)).embed(["b"], side="query")
    assert len(disk) == 1
    disk.close()


def test_threads_share_a_disk(inner, disk):
    def ask(number: int) -> bool:
        cached = CachedEmbedder(inner, EmbedCache(entries=5, disk=disk))
        texts = [f"worker {(number * 37 + step) % 300}" for step in range(200)]
        return bool(np.array_equal(cached.embed(texts, side="query"), Counted().embed(texts, side="query")))

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(12)))
    assert disk.trouble == ""


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_cache import Counted
from workbench.search.embedding.cache import CachedEmbedder, EmbedCache
from workbench.search.embedding.disk_cache import DiskCache
cached = CachedEmbedder(Counted(), EmbedCache(entries=0, disk=DiskCache(Path(sys.argv[1]))))
for turn in range(int(sys.argv[2]), int(sys.argv[3])):
    cached.embed([f"worker {turn} {number}" for number in range(20)], side="query")
    print(turn, flush=True)
"""


def child(folder: Path, start: int, stop: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", CHILD, str(folder), str(start), str(stop)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def test_processes_share_a_disk(inner, tmp_path):
    children = [child(tmp_path, start, start + 40) for start in (0, 20, 40)]
    assert [process.communicate(timeout=DEADLINE_S)[0].count("\n") for process in children] == [40, 40, 40]

    disk = DiskCache(tmp_path)
    cached = CachedEmbedder(inner, EmbedCache(disk=disk))
    texts = [f"worker {turn} {number}" for turn in range(80) for number in range(20)]
    assert np.array_equal(cached.embed(texts, side="query"), Counted().embed(texts, side="query"))
    assert inner.asked == []
    assert len(disk) == 1600
    disk.close()


@pytest.mark.drill
def test_a_killed_process_loses_nothing_it_had_kept(inner, tmp_path):
    for round_ in range(4):
        process = child(tmp_path, round_ * 100_000, round_ * 100_000 + 99_999)
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(15 + 7 * round_)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.communicate(timeout=DEADLINE_S)[0].splitlines()]
        assert process.returncode == -signal.SIGKILL

        disk = DiskCache(tmp_path)
        texts = [f"worker {turn} {number}" for turn in told for number in range(20)]
        got = CachedEmbedder(inner, EmbedCache(disk=disk)).embed(texts, side="query")
        assert inner.asked == []
        assert np.array_equal(got, Counted().embed(texts, side="query"))
        assert disk.trouble == ""
        disk.close()
        check = sqlite3.connect(disk.path)
        assert check.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        check.close()


def in_a_fork(cached: CachedEmbedder, answers: multiprocessing.SimpleQueue) -> None:
    cached.embed(["b"], side="query")
    answers.put((cached.cache.stats().trouble, handles(cached.cache.disk.path)))


def handles(path: Path) -> int:
    """How often this process has the file open."""
    return sum(os.path.realpath(handle) == str(path) for handle in Path("/proc/self/fd").iterdir())


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are listed on Linux alone")
def test_a_fork_opens_the_file_for_itself(inner, disk):
    cached = CachedEmbedder(inner, EmbedCache(entries=0, disk=disk))
    cached.embed(["a"], side="query")
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    process = context.Process(target=in_a_fork, args=(cached, answers))
    process.start()
    process.join(DEADLINE_S)
    assert process.exitcode == 0
    assert answers.get() == ("", handles(disk.path) + 1)
    inner.asked.clear()
    cached.embed(["a", "b"], side="query")
    assert inner.asked == []


def test_a_text_beyond_the_window_is_not_kept_and_the_others_are(disk):
    from workbench.search.embedding.embed import WordllamaEmbedder

    with LocalServer(WordllamaEmbedder(), model="demo", window_words=60) as server:
        ollama = OllamaEmbedder("demo", url=server.url)
        cached = CachedEmbedder(ollama, EmbedCache(disk=disk))
        texts = ["welder", "forklift " * 80, "nurse"]
        with pytest.raises(TooLargeError) as caught:
            cached.embed(texts, side="query")
        assert caught.value.details == {"positions": [1]}
        server.requests.clear()

        found = cached.embed_fitting(texts, side="query")
        assert found.long.tolist() == [1]
        assert server.requests == []  # the two others were kept; the third was refused again before it was embedded
        assert np.array_equal(found.vectors[[0, 2]], cached.embed(["welder", "nurse"], side="query"))
        ollama.close()
