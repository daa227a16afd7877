"""Corpora: rows in, their texts and vectors out; resumable, added to file by file, the same bits once reopened."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import InvalidError, ProviderError
from workbench.search.embedding.embed import WordllamaEmbedder, check_texts
from workbench.search.texts.corpus import Corpus, embed_corpus, forget_corpus, open_corpus, saved_rows
from workbench.search.texts.slab import VectorSlab
from workbench.search.vectors.keys import ABSENT, text_keys

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


def batches(ids, texts, size: int = 3, roles=None) -> Iterator[pa.RecordBatch]:
    kind = pa.string() if any(isinstance(key, str) for key in ids) else pa.int64()
    for start in range(0, len(ids), size):
        part = slice(start, start + size)
        columns = {"id": pa.array(ids[part], kind), "text": pa.array(texts[part], pa.string())}
        if roles is not None:
            columns["role"] = pa.array(roles[part], pa.string())
        yield pa.record_batch(columns)


def made(folder: Path, ids, texts, embedder=None):
    return embed_corpus(batches(ids, texts), embedder or ToyEmbedder(), folder, "workers@1")


def has_text(text: str | None) -> bool:
    return bool((text or "").strip())


def texts_of(corpus: Corpus, texts) -> dict[object, str]:
    """The text that each row of a corpus points at, found by its key among ``texts``; rows without one are absent."""
    known = sorted({text for text in texts if has_text(text)})
    by_key = {key.tobytes(): text for key, text in zip(text_keys(known), known, strict=True)} if known else {}
    slots = corpus.rows.slots.tolist()
    return {
        key: by_key[corpus.keys[slot].tobytes()]
        for key, slot in zip(corpus.ids.to_pylist(), slots, strict=True)
        if slot != ABSENT
    }


def vector_of(corpus: Corpus, row: int) -> np.ndarray:
    return corpus.blocks.take(corpus.positions[corpus.rows.slots[row : row + 1]])[0]


rows_of_texts = st.lists(st.sampled_from(["a", "b", "c", "dd", "e", None, "", "  "]), max_size=25)


@given(texts=rows_of_texts, strings=st.booleans(), chosen=st.lists(st.integers(0, 30), max_size=20), everything=...)
def test_rows_texts_and_masks_belong_together(
    tmp_path_factory, texts: list[str | None], strings: bool, chosen: list[int], everything: bool
):
    ids = [f"w{row:02}" if strings else row for row in range(len(texts))]
    asked = [f"w{row:02}" if strings else row for row in chosen]
    corpus, _ = made(tmp_path_factory.mktemp("corpus"), ids, texts)
    want = {key: text for key, text in zip(ids, texts, strict=True) if has_text(text)}
    assert texts_of(corpus, texts) == want

    if not ids:
        return
    mask, unknown = corpus.mask_of(asked)
    assert [key for key, inside in zip(ids, mask.tolist(), strict=True) if inside] == sorted(set(asked) & set(ids))
    assert unknown == len(set(asked) - set(ids))

    rows = None if everything else mask
    inside = np.ones(len(ids), np.bool_) if everything else mask
    carried = {want[key] for key, here in zip(ids, inside.tolist(), strict=True) if here and key in want}
    texts_there = corpus.texts_with(rows)
    if everything:
        assert texts_there is None
    else:
        places = np.flatnonzero(texts_there)
        assert {corpus.keys[place].tobytes() for place in places} == {k.tobytes() for k in text_keys(sorted(carried))}

    order = np.arange(len(corpus.keys))[::-1]
    picked, owners = corpus.rows_with(order, rows)
    assert sorted(picked.tolist()) == np.flatnonzero(inside & (corpus.rows.slots != ABSENT)).tolist()
    assert (corpus.rows.slots[picked] == order[owners]).all()
    assert corpus.textless(rows).tolist() == np.flatnonzero(inside & (corpus.rows.slots == ABSENT)).tolist()


def test_the_rows_of_no_text_are_none(tmp_path):
    corpus, _ = made(tmp_path, [1, 2], ["a", "b"])
    picked, owners = corpus.rows_with(np.empty(0, np.int64), None)
    assert (len(picked), len(owners)) == (0, 0)


@pytest.mark.parametrize("ids", [[10, 11, 12], [-5, 0, 2**62], [-(2**63), 2**63 - 1]])
def test_ids_are_found_with_and_without_gaps_up_to_the_ends_of_int64(tmp_path, ids):
    corpus, _ = made(tmp_path, ids, ["a"] * len(ids))
    for key in ids:
        mask, unknown = corpus.mask_of([key])
        assert (corpus.ids.filter(pa.array(mask)).to_pylist(), unknown) == ([key], 0)
    ends = [-(2**63), 2**63 - 1, 9, 13]
    mask, unknown = corpus.mask_of(ends)
    assert (set(corpus.ids.filter(pa.array(mask)).to_pylist()), unknown) == (
        set(ends) & set(ids),
        len(set(ends) - set(ids)),
    )


def test_equal_texts_are_embedded_and_stored_once(tmp_path):
    embedder = ToyEmbedder()
    corpus, stats = made(tmp_path, [1, 2, 3, 4, 5], ["a", "b", "a", "a", "b"], embedder)
    assert sorted(embedder.embedded) == ["a", "b"]
    assert (stats.rows, stats.unique, stats.embedded, stats.reused) == (5, 2, 2, 0)
    assert texts_of(corpus, ["a", "b"]) == {1: "a", 2: "b", 3: "a", 4: "a", 5: "b"}
    assert corpus.positions.shape == (2,)


def test_damaged_vectors_are_computed_again(tmp_path):
    made(tmp_path, [1, 2], ["a", "b"])
    segment = next(tmp_path.rglob("*.vec"))
    content = segment.read_bytes()
    segment.unlink()
    segment.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    embedder = ToyEmbedder()
    corpus, _ = made(tmp_path, [1, 2], ["a", "b"], embedder)
    assert embedder.embedded == ["a", "b"]
    assert (vector_of(corpus, 1) == ToyEmbedder.vector("b")).all()


def test_rows_without_id_or_text_and_repeated_ids_are_counted_and_the_last_wins(tmp_path):
    corpus, stats = made(tmp_path, [3, None, 1, 3, 2], ["old", "x", "a", "new", " "])
    assert (stats.rows, stats.no_id, stats.repeated_ids, stats.no_text) == (3, 1, 1, 1)
    assert corpus.ids.to_pylist() == [1, 2, 3]
    assert texts_of(corpus, ["old", "a", "new"]) == {1: "a", 3: "new"}


def test_a_text_that_the_model_cannot_embed_ranks_last_and_keeps_nobody_out(tmp_path):
    embedder = ToyEmbedder()
    corpus, stats = made(tmp_path, [1, 2, 3, 4], ["???", "a", "b", "???"], embedder)
    assert (stats.rows, stats.unique, stats.no_text) == (4, 2, 2)
    assert corpus.ids.take(pa.array(corpus.textless(None))).to_pylist() == [1, 4]
    assert texts_of(corpus, ["a", "b"]) == {2: "a", 3: "b"}
    assert (vector_of(corpus, 1) == ToyEmbedder.vector("a")).all()
    assert open_corpus(tmp_path, "workers@1", embedder) is not None


def test_an_empty_dataset_is_an_empty_corpus(tmp_path):
    corpus, stats = made(tmp_path, [], [])
    assert (len(corpus), stats.rows) == (0, 0)
    assert corpus.textless(None).tolist() == []
    again = open_corpus(tmp_path, "workers@1", ToyEmbedder())
    assert again is not None
    assert again.mask_of([7]) == (pytest.approx([]), 1)


def test_a_reopened_corpus_is_the_same_without_embedding(tmp_path):
    texts = [f"text {row % 70}" for row in range(100)]
    corpus, _ = embed_corpus(
        batches(list(range(100)), texts, roles=[None, "Welder", "Picker"] * 33 + [" "]),
        ToyEmbedder(),
        tmp_path,
        "workers@1",
        files=["a.parquet", "b.parquet"],
    )

    again = open_corpus(tmp_path, "workers@1", ToyEmbedder(fail_at=0))

    assert again is not None
    assert_same(again, corpus)
    assert again.rows.files == ("a.parquet", "b.parquet")
    assert (again.model, again.digest, again.dimension) == (corpus.model, corpus.digest, 3)
    assert saved_rows(tmp_path, "workers@1", ToyEmbedder()).files == again.rows.files


def assert_same(one: Corpus, other: Corpus) -> None:
    """Same rows, texts, roles and vectors."""
    assert one.ids.equals(other.ids)
    assert one.keys.tobytes() == other.keys.tobytes()
    assert one.rows.slots.tolist() == other.rows.slots.tolist()
    assert one.rows.roles == other.rows.roles
    assert one.rows.role_of.tolist() == other.rows.role_of.tolist()
    assert one.blocks.take(one.positions).tobytes() == other.blocks.take(other.positions).tobytes()


def test_a_forgotten_corpus_is_gone_and_its_vectors_are_not(tmp_path):
    made(tmp_path, [1], ["a"])
    forget_corpus(tmp_path, "workers@1", ToyEmbedder())
    forget_corpus(tmp_path, "never there", ToyEmbedder())
    assert saved_rows(tmp_path, "workers@1", ToyEmbedder()) is None
    assert made(tmp_path, [1], ["a"])[1].embedded == 0


def test_each_text_has_the_role_it_came_with(tmp_path):
    roles = ["Welder", None, " Welder ", "Picker", "", "Cook"]
    corpus, _ = embed_corpus(
        batches([1, 2, 3, 4, 5, 6], ["w", "x", "v", "p", "y", None], roles=roles), ToyEmbedder(), tmp_path, "w"
    )
    names = (*corpus.rows.roles, None)
    of_text = {text: names[code] for text, code in zip("wxvpy", corpus.rows.role_of.tolist(), strict=True)}
    assert of_text == {"w": "Welder", "x": None, "v": "Welder", "p": "Picker", "y": None}


files_of_rows = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, 12) | st.none(), st.sampled_from(["a", "b", "c", "d", "???", None, " "]), st.booleans()
        ),
        max_size=8,
    ),
    min_size=2,
    max_size=4,
)


@given(files=files_of_rows, strings=st.booleans())
def test_files_added_one_by_one_give_what_one_rebuild_gives(tmp_path_factory, files, strings):
    folder, rebuilt = tmp_path_factory.mktemp("corpus"), tmp_path_factory.mktemp("rebuilt")

    def stream(some):
        rows = [row for file in some for row in file]
        ids = [f"w{row[0]}" if strings and row[0] is not None else row[0] for row in rows]
        # The text of a row begins with its role: equal texts have equal roles.
        texts = [row[1] for row in rows]
        roles = [text if row[1] and text in "abc" else None for row in rows for text in [row[1]]]
        kind = pa.string() if strings else pa.int64()
        columns = {
            "id": pa.array(ids, kind),
            "text": pa.array(texts, pa.string()),
            "role": pa.array(roles, pa.string()),
        }
        return [pa.record_batch(columns)]

    embedder, base = ToyEmbedder(), None
    for count in range(1, len(files) + 1):
        paths = [f"{number}.parquet" for number in range(count)]
        corpus, stats = embed_corpus(
            stream(files[count - 1 : count]), embedder, folder, f"workers@{count}", base=base, files=paths
        )
        base = saved_rows(folder, f"workers@{count}", embedder)
    whole_corpus, whole_stats = embed_corpus(stream(files), ToyEmbedder(), rebuilt, "workers@1")

    assert_same(corpus, whole_corpus)
    assert len(embedder.embedded) == len(set(embedder.embedded))
    assert (stats.rows, stats.no_text) == (whole_stats.rows, whole_stats.no_text)


def test_a_sink_is_told_each_text_once_and_only_new_ones(tmp_path):
    told: list[str] = []

    def sink(keys, texts):
        assert keys.tobytes() == text_keys(texts).tobytes()
        told.extend(texts)

    embed_corpus(batches([1, 2, 3], ["a", "b", "a"]), ToyEmbedder(), tmp_path, "w@1", sink=sink)
    assert told == ["a", "b"]
    told.clear()
    base = saved_rows(tmp_path, "w@1", ToyEmbedder())
    embed_corpus(batches([3, 4], ["b", "c"]), ToyEmbedder(), tmp_path, "w@2", base=base, sink=sink)
    assert told == ["c"]


def test_a_new_version_embeds_only_what_is_new(tmp_path):
    made(tmp_path, [1, 2], ["a", "b"])
    embedder = ToyEmbedder()
    corpus, stats = embed_corpus(batches([1, 2, 3], ["a", "changed", "b"]), embedder, tmp_path, "workers@2")
    assert embedder.embedded == ["changed"]
    assert (stats.unique, stats.embedded, stats.reused) == (3, 1, 2)
    assert len(corpus) == 3
    first = open_corpus(tmp_path, "workers@1", embedder)
    assert first is not None
    assert texts_of(first, ["a", "b"]) == {1: "a", 2: "b"}


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
    assert corpus.ids.to_pylist() == sorted(ids.to_pylist())
    assert corpus.mask_of(ids.slice(1))[0].tolist() == [True, False]
    assert texts_of(corpus, ["a", "b"]) == dict(zip(ids.to_pylist(), ["a", "b"], strict=True))


@pytest.mark.parametrize("bad", [["x"], [1.5], [[1]], [2**70]])
def test_allowed_ids_of_another_type_are_refused(tmp_path, bad):
    corpus, _ = made(tmp_path, [1, 2], ["a", "b"])
    with pytest.raises(InvalidError, match="allowed ids"):
        corpus.mask_of(bad)


@pytest.mark.parametrize("allowed", [[2, 2, 1], np.array([2, 1]), pa.array([2, 1, None]), pa.chunked_array([[2], [1]])])
def test_allowed_ids_come_as_list_numpy_or_arrow(tmp_path, allowed):
    corpus, _ = made(tmp_path, [1, 2, 3], ["a", "b", "c"])
    assert [part.tolist() if n == 0 else part for n, part in enumerate(corpus.mask_of(allowed))] == [
        [True, True, False],
        0,
    ]


CHILD = """
import sys
from pathlib import Path
import pyarrow as pa
from workbench.search.texts.corpus import embed_corpus
from workbench.search.embedding.embed import WordllamaEmbedder

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
