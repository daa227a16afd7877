"""Corpora: rows in, ranked rows out; equal to brute force under any filter, resumable, the same bits once reopened."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import DimensionError, InvalidError, ProviderError
from workbench.search.corpus import embed_corpus, open_corpus, search
from workbench.search.distance import distances
from workbench.search.embed import WordllamaEmbedder, check_texts
from workbench.search.keys import text_keys
from workbench.search.slab import VectorSlab

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wordllama():
    return WordllamaEmbedder()


class ToyEmbedder:
    """Three dimensions from a hash; counts what it embeds; fails or refuses when told to."""

    def __init__(self, name: str = "toy", *, fail_at: int | None = None, error: BaseException | None = None) -> None:
        self.name, self.dimension = name, 3
        self.digest = hashlib.sha256(name.encode()).hexdigest()
        self.embedded: list[str] = []
        self._fail_at, self._error = fail_at, error

    def embed(self, texts, *, side):
        check_texts(texts)
        if any(text == "???" for text in texts):
            raise InvalidError("no word")
        if self._fail_at is not None and len(self.embedded) + len(texts) > self._fail_at:
            raise self._error or ProviderError("the server is gone")
        self.embedded.extend(texts)
        return np.stack([self.vector(text) for text in texts])

    @staticmethod
    def vector(text: str) -> np.ndarray:
        meaning = text.partition("#")[0]  # "a#1" and "a#2" are two texts with one vector
        raw = np.frombuffer(hashlib.sha256(meaning.encode()).digest()[:3], np.uint8).astype(np.float64) - 127.5
        return (raw / np.linalg.norm(raw)).astype(np.float32)


def batches(ids, texts, size: int = 3) -> Iterator[pa.RecordBatch]:
    kind = pa.string() if any(isinstance(key, str) for key in ids) else pa.int64()
    for start in range(0, len(ids), size):
        part = slice(start, start + size)
        yield pa.record_batch({"id": pa.array(ids[part], kind), "text": pa.array(texts[part], pa.string())})


def made(folder: Path, ids, texts, embedder=None):
    return embed_corpus(batches(ids, texts), embedder or ToyEmbedder(), folder, "workers@1")


@given(
    texts=st.lists(st.sampled_from(["a", "b", "c", "dd", "e", None, "", "  "]), min_size=1, max_size=25),
    chosen=st.sets(st.integers(0, 30)),
    everything=st.booleans(),
    k=st.integers(1, 30),
    strings=st.booleans(),
)
def test_the_answer_is_brute_force_over_the_allowed_rows_and_never_short(
    tmp_path_factory, texts, chosen, everything, k, strings
):
    ids = [f"w{row:02}" if strings else row for row in range(len(texts))]
    asked = [f"w{row:02}" if strings else row for row in chosen]
    corpus, _ = made(tmp_path_factory.mktemp("corpus"), ids, texts)
    query = ToyEmbedder.vector("query")

    found = corpus.search(query, k, allowed=None if everything else asked)

    mine = [row for row in range(len(texts)) if everything or ids[row] in asked]
    far = {
        row: float(distances(ToyEmbedder.vector(texts[row])[None], query, "cosine")[0])
        for row in mine
        if (texts[row] or "").strip()
    }
    want = sorted(far, key=lambda row: (far[row], row)) + [row for row in mine if row not in far]
    assert [hit.id for hit in found.hits] == [ids[row] for row in want][:k]
    assert [hit.distance for hit in found.hits] == [far.get(row, 2.0) for row in want][:k]
    assert len(found.hits) == min(k, len(mine))
    assert (found.matching, found.unknown) == (len(mine), 0 if everything else len(set(asked) - set(ids)))


def test_equal_texts_are_embedded_and_stored_once(tmp_path):
    embedder = ToyEmbedder()
    corpus, stats = made(tmp_path, [1, 2, 3, 4, 5], ["a", "b", "a", "a", "b"], embedder)
    assert sorted(embedder.embedded) == ["a", "b"]
    assert (stats.rows, stats.unique, stats.embedded, stats.reused) == (5, 2, 2, 0)
    assert [hit.id for hit in corpus.search(ToyEmbedder.vector("a"), 3).hits] == [1, 3, 4]


def test_ties_between_different_texts_go_by_id_whatever_was_embedded_first(tmp_path):
    corpus, _ = made(tmp_path, [9, 3, 5, 4], ["a#1", "a#2", "b", "a#3"])
    assert [hit.id for hit in corpus.search(ToyEmbedder.vector("a"), 2).hits] == [3, 4]


def test_damaged_vectors_are_computed_again(tmp_path):
    made(tmp_path, [1, 2], ["a", "b"])
    segment = next(tmp_path.rglob("*.vec"))
    content = segment.read_bytes()
    segment.unlink()
    segment.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    embedder = ToyEmbedder()
    corpus, _ = made(tmp_path, [1, 2], ["a", "b"], embedder)
    assert embedder.embedded == ["a", "b"]
    assert corpus.search(ToyEmbedder.vector("b"), 1).hits[0].score == pytest.approx(1.0)


def test_rows_without_id_or_text_and_repeated_ids_are_counted_and_the_last_wins(tmp_path):
    corpus, stats = made(tmp_path, [3, None, 1, 3, 2], ["old", "x", "a", "new", " "])
    assert (stats.rows, stats.no_id, stats.repeated_ids, stats.no_text) == (3, 1, 1, 1)
    assert corpus.ids.to_pylist() == [1, 2, 3]
    best = corpus.search(ToyEmbedder.vector("new"), 1).hits[0]
    assert (best.id, best.score) == (3, pytest.approx(1.0))


def test_a_text_that_the_model_cannot_embed_ranks_last_and_keeps_nobody_out(tmp_path):
    embedder = ToyEmbedder()
    corpus, stats = made(tmp_path, [1, 2, 3, 4], ["???", "a", "b", "???"], embedder)
    assert (stats.rows, stats.unique, stats.no_text) == (4, 2, 2)
    assert [hit.id for hit in corpus.search(ToyEmbedder.vector("a"), 9).hits][2:] == [1, 4]
    assert open_corpus(tmp_path, "workers@1", embedder) is not None


def test_an_empty_dataset_is_an_empty_corpus(tmp_path):
    corpus, stats = made(tmp_path, [], [])
    assert (len(corpus), stats.rows) == (0, 0)
    assert corpus.search([1, 0, 0], 5).hits == ()
    again = open_corpus(tmp_path, "workers@1", ToyEmbedder())
    assert again is not None
    assert again.search([1, 0, 0], 5, allowed=[7]).unknown == 1


def test_a_reopened_corpus_gives_the_same_ids_and_bits_without_embedding(tmp_path):
    texts = [f"text {row % 70}" for row in range(100)]
    corpus, _ = made(tmp_path, list(range(100)), texts)
    query = ToyEmbedder.vector("query")

    again = open_corpus(tmp_path, "workers@1", ToyEmbedder(fail_at=0))

    assert again is not None
    assert again.search(query, 100) == corpus.search(query, 100)
    assert again.search(query, 7, allowed=[5, 75, 3]) == corpus.search(query, 7, allowed=[3, 5, 75])


def test_a_new_version_embeds_only_what_is_new(tmp_path):
    made(tmp_path, [1, 2], ["a", "b"])
    embedder = ToyEmbedder()
    corpus, stats = embed_corpus(batches([1, 2, 3], ["a", "changed", "b"]), embedder, tmp_path, "workers@2")
    assert embedder.embedded == ["changed"]
    assert (stats.unique, stats.embedded, stats.reused) == (3, 1, 2)
    assert len(corpus) == 3
    first = open_corpus(tmp_path, "workers@1", embedder)
    assert first is not None
    assert [hit.id for hit in first.search(ToyEmbedder.vector("changed"), 9).hits] in ([1, 2], [2, 1])


@pytest.mark.parametrize("error", [ProviderError("gone"), KeyboardInterrupt()])
def test_an_interrupted_intake_goes_on_where_it_stopped(tmp_path, error):
    ids, texts = list(range(30)), [f"text {row}" for row in range(30)]
    stopped = ToyEmbedder(fail_at=18, error=error)
    with pytest.raises(type(error)):
        embed_corpus(batches(ids, texts), stopped, tmp_path, "workers@1", batch_texts=2)
    assert open_corpus(tmp_path, "workers@1", stopped) is None

    embedder = ToyEmbedder()
    _, stats = embed_corpus(batches(ids, texts), embedder, tmp_path, "workers@1")

    assert len(stopped.embedded) > 15
    assert sorted(embedder.embedded) == sorted(set(texts) - set(stopped.embedded))
    assert (stats.embedded, stats.reused) == (30 - len(stopped.embedded), len(stopped.embedded))


def test_progress_grows_to_the_whole(tmp_path):
    told = []
    embed_corpus(batches([1, 2, 3, 4], ["a", "b", "a", "c"]), ToyEmbedder(), tmp_path, "w", on_progress=told.append)
    assert [step.rows for step in told] == sorted(step.rows for step in told)
    assert (told[-1].rows, told[-1].unique, told[-1].embedded) == (4, 3, 3)


def test_what_is_damaged_changed_or_gone_is_made_again(tmp_path):
    embedder = ToyEmbedder()
    made(tmp_path, [1, 2], ["a", "b"], embedder)
    (saved,) = tmp_path.rglob("*.corpus")
    content = saved.read_bytes()
    flipped = [
        content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :] for at in (0, 8, 12, *range(64, len(content)))
    ]
    for damaged in (b"", content[:20], content[: len(content) // 2], content + b"x", *flipped):
        saved.unlink()
        saved.write_bytes(damaged)
        assert open_corpus(tmp_path, "workers@1", embedder) is None
    saved.unlink()
    saved.write_bytes(content)
    assert open_corpus(tmp_path, "workers@1", embedder) is not None
    assert open_corpus(tmp_path, "workers@2", embedder) is None
    saved.with_name(f"{hashlib.sha256(b'workers@2').hexdigest()[:32]}.corpus").write_bytes(content)
    assert open_corpus(tmp_path, "workers@2", embedder) is None
    assert open_corpus(tmp_path, "workers@1", ToyEmbedder("other")) is None

    next(tmp_path.rglob("*.vec")).unlink()
    assert open_corpus(tmp_path, "workers@1", embedder) is None
    _, stats = made(tmp_path, [1, 2], ["a", "b"])
    assert stats.embedded == 2


def test_a_query_of_another_model_is_refused_with_both_names(tmp_path):
    corpus, _ = made(tmp_path, [1], ["a"])
    with pytest.raises(DimensionError, match=r"embedded with toy .* the query with other"):
        search(corpus, ToyEmbedder("other"), "a")
    with pytest.raises(DimensionError, match="dimension 3, the vector has 2"):
        corpus.search([1, 0])


def test_an_empty_query_is_refused(tmp_path):
    embedder = ToyEmbedder()
    corpus, _ = made(tmp_path, [1], ["a"], embedder)
    with pytest.raises(InvalidError, match="empty"):
        search(corpus, embedder, "  ")


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"key": [1], "text": ["a"]}, "there is no id"),
        ({"id": [1]}, "there is no text"),
        ({"id": [1], "text": [5]}, "a column is int64"),
        ({"id": [1.5], "text": ["a"]}, "a column is double"),
        ({"id": pa.array([2**63], pa.uint64()), "text": ["a"]}, "does not fit int64"),
    ],
)
def test_other_columns_are_refused(tmp_path, columns, words):
    with pytest.raises(InvalidError, match=words):
        embed_corpus([pa.record_batch(columns)], ToyEmbedder(), tmp_path, "w")


def test_ids_of_two_types_are_refused(tmp_path):
    mixed = [*batches([1], ["a"]), *batches(["x"], ["b"])]
    with pytest.raises(InvalidError, match="from int64 to string"):
        embed_corpus(mixed, ToyEmbedder(), tmp_path, "w")


@pytest.mark.parametrize("kind", [pa.int8(), pa.int32(), pa.uint16(), pa.large_string(), pa.string_view()])
def test_ids_of_every_whole_or_text_type_come_back_as_they_are(tmp_path, kind):
    ids = pa.array([7, 5], pa.int64()).cast(kind) if pa.types.is_integer(kind) else pa.array(["7", "5"], kind)
    text = pa.array(["a", "b"], pa.large_string())
    corpus, _ = embed_corpus([pa.record_batch({"id": ids, "text": text})], ToyEmbedder(), tmp_path, "w")
    assert [hit.id for hit in corpus.search(ToyEmbedder.vector("b"), 1, allowed=ids).hits] == ids.to_pylist()[1:]


@pytest.mark.parametrize("bad", [["x"], [1.5], [[1]], [2**70]])
def test_allowed_ids_of_another_type_are_refused(tmp_path, bad):
    corpus, _ = made(tmp_path, [1, 2], ["a", "b"])
    with pytest.raises(InvalidError, match="allowed ids"):
        corpus.search([1, 0, 0], 1, allowed=bad)


@pytest.mark.parametrize("allowed", [[2, 2, 1], np.array([2, 1]), pa.array([2, 1, None]), pa.chunked_array([[2], [1]])])
def test_allowed_ids_come_as_list_numpy_or_arrow(tmp_path, allowed):
    corpus, _ = made(tmp_path, [1, 2, 3], ["a", "b", "c"])
    assert sorted(hit.id for hit in corpus.search([1, 0, 0], 9, allowed=allowed).hits) == [1, 2]


def test_threads_search_one_corpus(tmp_path):
    corpus, _ = made(tmp_path, list(range(200)), [f"text {row}" for row in range(200)])
    queries = [ToyEmbedder.vector(f"query {row}") for row in range(40)]
    alone = [corpus.search(query, 5) for query in queries]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda query: corpus.search(query, 5), queries)) == alone


CHILD = """
import sys
from pathlib import Path
import pyarrow as pa
from workbench.search.corpus import embed_corpus
from workbench.search.embed import WordllamaEmbedder

def batches(count):
    for start in range(0, count, 500):
        rows = range(start, start + 500)
        yield pa.record_batch({"id": list(rows), "text": [f"worker {row % 3000} picks and packs" for row in rows]})

def tell(progress):
    print(progress.embedded, flush=True)

embed_corpus(batches(4000), WordllamaEmbedder(), Path(sys.argv[1]), "drill", on_progress=tell, batch_texts=100)
"""


def child(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def whole(folder: Path, wordllama) -> tuple[VectorSlab, list[str]]:
    texts = [f"worker {row} picks and packs" for row in range(3000)]
    (model,) = folder.iterdir()
    slab = VectorSlab(model, wordllama, verify=True)
    assert slab.skipped == {}
    return slab, texts


@pytest.mark.drill
@pytest.mark.parametrize("lines", [1, 9, 12, 23, 33])
def test_a_killed_intake_leaves_only_whole_vectors_and_is_taken_up_again(tmp_path, wordllama, lines):
    with child(tmp_path) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(lines)]
        process.kill()

    slab, texts = whole(tmp_path, wordllama)
    assert len(slab) > told[-1] - 8 * 100
    assert open_corpus(tmp_path, "drill", wordllama) is None

    with child(tmp_path) as process:
        process.communicate()
        assert process.returncode == 0
    slab, texts = whole(tmp_path, wordllama)
    assert len(slab) == 3000
    assert_all_right(slab, texts, wordllama)
    assert open_corpus(tmp_path, "drill", wordllama) is not None


@pytest.mark.drill
def test_two_processes_embed_one_corpus_at_once(tmp_path, wordllama):
    processes = [child(tmp_path), child(tmp_path)]
    for process in processes:
        with process:
            process.communicate()
            assert process.returncode == 0

    slab, texts = whole(tmp_path, wordllama)
    assert_all_right(slab, texts, wordllama)
    corpus = open_corpus(tmp_path, "drill", wordllama)
    assert corpus is not None
    assert len(corpus) == 4000


def assert_all_right(slab: VectorSlab, texts: list[str], wordllama) -> None:
    positions = slab.find(text_keys(texts))
    assert positions.min() >= 0
    assert slab.take(positions).tobytes() == wordllama.embed(texts, side="document").tobytes()
