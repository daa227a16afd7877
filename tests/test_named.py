"""Named vector indexes: a caller's vectors are data, and every promise about them holds across processes and deaths."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

import workbench
from workbench.errors import BusyError, ConflictError, DimensionError, InvalidError, NotFoundError
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.s3 import open_storage
from workbench.lake.tables.storage import LocalStorage
from workbench.search.named import table as vector_table
from workbench.search.named.store import VectorStore
from workbench.search.vectors.distance import distances

DIMENSION = 4


def store_at(folder: Path) -> VectorStore:
    return VectorStore(Catalog(LocalStorage(folder)))


@pytest.fixture
def store(tmp_path: Path) -> VectorStore:
    made = store_at(tmp_path / "lake")
    made.create("notes", DIMENSION, "euclidean")
    return made


def vector(*first: float) -> list[float]:
    return [*first, *[0.0] * (DIMENSION - len(first))]


def item(key: str, *first: float, **more: object) -> dict[str, object]:
    return {"id": key, "vector": vector(*first), **more}


def ids(hits) -> list[str]:
    return [hit.id for hit in hits]


def found(store: VectorStore, **more) -> dict[str, tuple[float, dict]]:
    return {hit.id: (hit.distance, hit.metadata) for hit in store.search("notes", vector(), 1000, **more)}


def files(store: VectorStore, name: str = "notes") -> set[str]:
    return {e.key.rpartition("/")[2] for e in store.storage.entries(f"_vectors/{name}/part-")}


def test_nearest_first_ties_by_id(store):
    store.add("notes", [item("far", 9), item("b", 1), item("c", 0, 1), item("a", 0, 0, 1), item("near", 0.5)])
    hits = store.search("notes", vector(), 3)
    assert [(h.id, h.distance) for h in hits] == [("near", 0.5), ("a", 1.0), ("b", 1.0)]
    assert hits[0].to_dict() == {"id": "near", "distance": 0.5, "metadata": {}}
    assert store.get("notes").count == 5


def test_what_is_known_of_an_index(store):
    store.create("other", 3, "dot", m=8, ef_construction=50, ef_search=20)
    told = store.get("other").to_dict()
    assert {k: told[k] for k in ("dimension", "distance", "count", "m", "ef_construction", "ef_search")} == {
        "dimension": 3, "distance": "dot", "count": 0, "m": 8, "ef_construction": 50, "ef_search": 20,
    }  # fmt: skip
    assert [i.name for i in store.list()] == ["notes", "other"]
    (Path(store.storage.url) / "_vectors" / "0123456789abcdef").mkdir()
    assert [i.name for i in store.list()] == ["notes", "other"], "a folder of derived vectors is no index"


def test_adding_again_replaces_and_metadata_keeps_or_clears(store):
    assert store.add("notes", [item("a", 1, metadata={"x": 1}), item("b", 2, metadata={"x": 2})]) == 2
    assert store.add("notes", [item("a", 3), item("b", 4, metadata={})]) == 0
    assert found(store) == {"a": (3.0, {"x": 1}), "b": (4.0, {})}
    assert store.add("notes", [item("a", 5, metadata=None)]) == 0
    assert found(store)["a"] == (5.0, {"x": 1}), "None says nothing"
    assert found(store_at(Path(store.storage.url))) == found(store)


def test_of_an_id_twice_in_a_batch_the_last_wins(store):
    assert store.add("notes", [item("a", 1, metadata={"x": 1}), item("b", 7), item("a", 2)]) == 2
    assert found(store) == {"a": (2.0, {"x": 1}), "b": (7.0, {})}


def test_a_removed_id_is_gone_with_its_metadata(store):
    store.add("notes", [item("a", 1, metadata={"x": 1}), item("b", 2)])
    assert store.remove("notes", ["a", "nobody", "a"]) == 1
    assert store.remove("notes", ["a"]) == 0
    assert ids(store.search("notes", vector())) == ["b"]
    store.add("notes", [item("a", 3)])
    assert found(store) == {"a": (3.0, {}), "b": (2.0, {})}
    assert found(store, where={"x": 1}) == {}


BAD = {
    "nan": (item("bad", float("nan")), "NaN"),
    "infinity": (item("bad", float("inf")), "infinity"),
    "too large for float32": (item("bad", 1e39), "infinity"),
    "zero": (item("bad"), "zero"),
    "short": ({"id": "bad", "vector": [1.0]}, "dimension 4.* has 1"),
    "words": ({"id": "bad", "vector": ["1", "2", "3", "4"]}, "numbers"),
    "metadata is no object": (item("bad", 1, metadata=[1]), "JSON object"),
    "metadata is no JSON": (item("bad", 1, metadata={"x": float("nan")}), "not JSON"),
    "metadata holds half a character": (item("bad", 1, metadata={"x": "\ud800"}), "not JSON"),
    "unknown field": (item("bad", 1, metdata={}), "'metdata'"),
}


@pytest.mark.parametrize(("bad", "said"), BAD.values(), ids=BAD)
def test_a_bad_item_refuses_the_whole_batch_and_is_named(tmp_path, bad, said):
    store = store_at(tmp_path)
    store.create("notes", DIMENSION)
    with pytest.raises(InvalidError, match=said) as refused:
        store.add("notes", [item("good", 1), item("too", 2), bad])
    assert "tem 2 (id 'bad')" in refused.value.message
    assert isinstance(refused.value, DimensionError) == ("has 1" in said)
    assert store.get("notes").version == 0
    assert files(store) == set()


@pytest.mark.parametrize("key", ["", None, 7, "x" * 1025, "\ud800"])
def test_an_id_is_a_text(store, key):
    with pytest.raises(InvalidError, match="Item 0"):
        store.add("notes", [item(key, 1)])
    with pytest.raises(InvalidError):
        store.remove("notes", [key])


@pytest.mark.parametrize("items", [{"id": "a", "vector": vector(1)}, [{"id": "a"}], ["a"], "a", 7])
def test_items_are_a_list_of_objects(store, items):
    with pytest.raises(InvalidError):
        store.add("notes", items)


def test_nothing_to_add_is_no_commit(store):
    assert store.add("notes", []) == 0
    assert store.get("notes").version == 0


@pytest.mark.parametrize("k", [0, -1, 1001, 1.5, True, "3"])
def test_k_is_1_to_1000(store, k):
    with pytest.raises(InvalidError, match="1,000"):
        store.search("notes", vector(), k)


def test_a_query_of_another_length_names_both(store):
    with pytest.raises(DimensionError, match=r"dimension 4.* has 2"):
        store.search("notes", [1.0, 2.0])


def test_what_is_not_there_names_what_is_near(store):
    for verb in (
        lambda: store.get("note"),
        lambda: store.delete("note"),
        lambda: store.add("note", []),
        lambda: store.remove("note", ["a"]),
        lambda: store.search("note", vector()),
        lambda: store.merge("note", "notes"),
    ):
        with pytest.raises(NotFoundError, match="Did you mean notes"):
            verb()


BAD_NAMES = ["", "/a", "a/b", "..", "a\nb", ".hidden", "x" * 101, "a b", "a%20b", None]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_name_is_one_plain_part_of_a_key(store, name):
    with pytest.raises(InvalidError, match="cannot name"):
        store.create(name, 3)
    with pytest.raises(NotFoundError):
        store.search(name, [1.0])


@pytest.mark.parametrize(
    "wrong", [{"dimension": 0}, {"dimension": 1.5}, {"distance": "hamming"}, {"m": 0}, {"ef_search": "x"}]
)
def test_numbers_of_an_index_mean_something(store, wrong):
    with pytest.raises(InvalidError):
        store.create("new", **({"dimension": 3} | wrong))


def test_a_name_is_taken_once_and_free_after_a_delete(store):
    store.add("notes", [item("a", 1)])
    other = store_at(Path(store.storage.url))
    assert ids(other.search("notes", vector())) == ["a"]
    with pytest.raises(ConflictError, match="dimension 4, euclidean"):
        other.create("notes", 9)
    store.delete("notes")
    assert files(store) == set()
    with pytest.raises(NotFoundError):
        other.search("notes", vector())
    assert other.list() == ()
    other.create("notes", 2, "dot")
    assert store.get("notes").dimension == 2
    assert store.search("notes", [1.0, 0.0]) == ()
    store.add("notes", [{"id": "new", "vector": [2.0, 0.0]}])
    assert [(h.id, h.distance) for h in other.search("notes", [1.0, 0.0])] == [("new", -1.0)]


def test_a_folder_of_something_else_is_not_taken(store):
    place = Path(store.storage.url) / "_vectors" / "0123456789abcdef"
    place.mkdir()
    (place / "1.vec").write_bytes(b"derived")
    with pytest.raises(InvalidError, match="something else"):
        store.create("0123456789abcdef", 3)


def test_filters(store):
    said = {
        "a": {"city": "Joliet", "level": 1},
        "b": {"city": "Joliet", "level": 2.0},
        "c": {"city": "Chicago", "level": 1.0},
        "d": {"city": "Chicago"},
        "e": {"level": True},
        "f": {"level": "1", "tags": ["x", "y"]},
    }
    store.add("notes", [item(k, n + 1, metadata=m) for n, (k, m) in enumerate(said.items())])
    store.add("notes", [item("g", 9)])
    assert sorted(found(store, where={"level": 1})) == ["a", "c"]
    assert sorted(found(store, where={"level": 1.0, "city": "Joliet"})) == ["a"]
    assert sorted(found(store, where={"city": ["Chicago", "Peoria"]})) == ["c", "d"]
    assert sorted(found(store, where={"level": [2, "1"]})) == ["b", "f"]
    assert sorted(found(store, where={"level": True})) == ["e"]
    assert sorted(found(store, where={"tags": [["x", "y"]]})) == ["f"]
    assert found(store, where={"nothing": None}) == {}
    assert found(store, where={"city": []}) == {}
    assert len(found(store, where={})) == 7
    store.add("notes", [item("d", 4, metadata={"city": "Joliet"}), item("a", 1, metadata={})])
    assert sorted(found(store, where={"city": "Joliet"})) == ["b", "d"], "the condition was kept up"
    with pytest.raises(InvalidError, match="not JSON"):
        found(store, where={"x": {1, 2}})


def test_excluded_ids_make_room_for_others(store):
    store.add("notes", [item(str(n), n + 1) for n in range(6)])
    assert ids(store.search("notes", vector(), 2, exclude_ids=["0", "2", "nobody"])) == ["1", "3"]
    assert store.search("notes", vector(), 9, exclude_ids=map(str, range(6))) == ()


def test_merge_adds_replaces_and_clears(store):
    store.create("more", DIMENSION)
    store.add("more", [item("a", 7, metadata={"of": "more"}), item("b", 8)])
    store.add("notes", [item("a", 1, metadata={"of": "notes"}), item("b", 2, metadata={"kept": 1})])
    assert store.merge("more", "notes") == 2
    assert found(store) == {"a": (7.0, {"of": "more"}), "b": (8.0, {"kept": 1})}
    assert store.get("more").count == 2
    assert store.merge("more", "notes", clear_source=True) == 2
    assert (store.get("more").count, files(store, "more")) == (0, set())
    assert store_at(Path(store.storage.url)).search("more", vector(1)) == ()
    assert store.merge("more", "notes", clear_source=True) == 0
    store.create("wide", 9)
    with pytest.raises(DimensionError, match="'wide' has dimension 9, 'notes' has 4"):
        store.merge("wide", "notes")
    with pytest.raises(InvalidError, match="itself"):
        store.merge("notes", "notes")


def test_a_zero_vector_stops_a_merge_into_cosine_and_the_source_stays(store):
    store.create("cosines", DIMENSION, "cosine")
    store.add("notes", [item("zero"), item("a", 1)])
    with pytest.raises(InvalidError, match="id 'zero'"):
        store.merge("notes", "cosines", clear_source=True)
    assert (store.get("notes").count, store.get("cosines").count) == (2, 0)


operations = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "remove", "other process", "merge files"]),
        st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 9), st.sampled_from([None, {}, {"x": 1}]))),
    ),
    max_size=12,
)


@settings(max_examples=25)
@given(operations)
def test_any_history_comes_to_what_it_says(tmp_path_factory, history):
    folder = tmp_path_factory.mktemp("lake")
    stores, truth = [store_at(folder), store_at(folder)], {}
    stores[0].create("notes", DIMENSION, "euclidean")
    for kind, rows in history:
        stores = stores[::-1] if kind == "other process" else stores
        if kind == "merge files":
            merge_files(stores[0])
        elif kind == "remove":
            stores[0].remove("notes", [key for key, _, _ in rows])
            for key, _, _ in rows:
                truth.pop(key, None)
        else:
            stores[0].add("notes", [item(key, n, metadata=m) for key, n, m in rows])
            for key, n, m in rows:
                truth[key] = (float(n), truth.get(key, (0, {}))[1] if m is None else m)
        assert found(stores[1]) == found(stores[0]) == truth
    assert found(store_at(folder)) == truth
    assert stores[0].get("notes").count == len(truth)


def merge_files(store: VectorStore) -> None:
    """The newest half of the files as one, as `tidy` would."""
    table = store._table("notes")
    old = table._open()[0].files
    if old:
        table._merge(old[len(old) // 2 :], store._decide)


def test_files_are_merged_when_a_third_of_their_rows_is_stale(store):
    follower = store_at(Path(store.storage.url))
    store.add("notes", [item(str(n), n + 1, metadata={"n": n}) for n in range(1000)])
    assert len(found(follower)) == 1000
    store.add("notes", [item(str(n), 5) for n in range(400)])
    assert len(files(store)) == 2
    store.remove("notes", map(str, range(300)))
    assert len(files(store)) == 1
    (file,) = store._table("notes")._open()[0].files
    assert file.rows == 700
    assert found(follower) == found(store) == found(store_at(Path(store.storage.url)))
    assert found(store)["399"] == (5.0, {"n": 399})


def test_many_small_adds_do_not_leave_many_files(store):
    for n in range(150):
        store.add("notes", [item(str(n), n)])
    assert len(files(store)) <= vector_table._MANY_FILES + 1
    assert len(found(store_at(Path(store.storage.url)))) == 150


def test_a_reader_that_fell_behind_while_files_were_merged_loads_anew(store):
    behind = store_at(Path(store.storage.url))
    assert found(behind) == {}
    store.add("notes", [item("a", 1)])
    store.add("notes", [item("b", 2)])
    merge_files(store)
    store.add("notes", [item("c", 3)])
    merge_files(store)
    assert found(behind) == found(store)


def test_merging_files_brings_no_metadata_back(store):
    store.add("notes", [item("a", 1, metadata={"x": 1}), item("b", 2, metadata={"x": 2})])
    store.remove("notes", ["a"])
    store.add("notes", [item("a", 3), item("b", 4)])
    table = store._table("notes")
    table._merge(table._open()[0].files[1:], store._decide)
    assert found(store_at(Path(store.storage.url))) == {"a": (3.0, {}), "b": (4.0, {"x": 2})}


def test_of_two_that_merge_the_same_files_one_gives_up(store):
    for n in range(4):
        store.add("notes", [item(str(n), n)])
    other = store_at(Path(store.storage.url))
    assert len(found(other)) == 4

    def after_the_other(step):
        merge_files(other)
        return step()

    table = store._table("notes")
    table._merge(table._open()[0].files, after_the_other)
    assert found(store) == found(other) == found(store_at(Path(store.storage.url)))
    assert len(found(store)) == 4
    kept = other._table("notes")._open()[0].files
    assert [f.rows for f in kept] == [1, 1, 2]
    assert files(store) == {f.path for f in kept}


def test_a_file_that_is_lost_for_good_is_told(store):
    store.add("notes", [item("a", 1)])
    for name in files(store):
        store.storage.delete(f"_vectors/notes/{name}")
    with pytest.raises(BusyError, match="notes"):
        store_at(Path(store.storage.url)).search("notes", vector())


def test_the_table_is_plain_delta_for_others(store):
    store.add("notes", [item("a", 1, metadata={"x": "ü"}), item("b", 2)])
    store.remove("notes", ["b"])
    rows = DeltaTable(store.storage.uri("_vectors/notes")).to_pyarrow_table().sort_by("seq").to_pylist()
    assert rows[0] == {"id": "a", "vector": vector(1), "metadata": '{"x":"ü"}', "seq": 1}
    assert rows[2] == {"id": "b", "vector": None, "metadata": None, "seq": 2}


def test_threads_lose_nothing_and_searches_go_on(store):
    wrong, stop = [], threading.Event()

    def look() -> None:
        seen = 0
        while not stop.is_set():
            now = len(store.search("notes", vector(), 1000))
            wrong.extend([now] if now < seen else [])
            seen = now

    watchers = [threading.Thread(target=look) for _ in range(2)]
    for thread in watchers:
        thread.start()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: store.add("notes", [item(f"{n}-{i}", i) for i in range(5)]), range(20)))
    stop.set()
    for thread in watchers:
        thread.join()
    assert not wrong
    assert len(found(store)) == len(found(store_at(Path(store.storage.url)))) == store.get("notes").count == 100


CREATE = """
import sys, workbench
wb = workbench.connect(sys.argv[1])
sys.stdin.readline()
try:
    wb.vectors.create("raced", 3)
    print("made")
except workbench.errors.ConflictError:
    print("taken")
"""
ADD = """
import sys, workbench
wb = workbench.connect(sys.argv[1])
for n in range(15):
    own = {"id": f"{sys.argv[2]}-{n}", "vector": [float(n), 1, 0, 0]}
    wb.vectors.add("notes", [own, {"id": "both", "vector": [n, 2, 0, 0]}])
"""


REPLACE = """
import sys, workbench
wb = workbench.connect(sys.argv[1])
for batch in range(int(sys.argv[2]), 10**6):
    wb.vectors.add("notes", [{"id": str(batch % 3 + 3 * n), "vector": [batch, 0, 0, 0]} for n in range(200)])
    print(batch, flush=True)
"""


def start(code: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_of_processes_that_create_at_once_one_wins(tmp_path):
    racing = [start(CREATE, str(tmp_path / "lake")) for _ in range(3)]
    for process in racing:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate() for process in racing]
    assert sorted(out.strip() for out, _ in told) == ["made", "taken", "taken"], told


def test_processes_that_add_at_once_lose_nothing(store):
    adding = [start(ADD, store.storage.url, who) for who in "xyz"]
    told = [process.communicate() for process in adding]
    assert [process.returncode for process in adding] == [0, 0, 0], told
    assert set(found(store)) == {f"{who}-{n}" for who in "xyz" for n in range(15)} | {"both"}
    assert found(store) == found(store_at(Path(store.storage.url)))


def test_killed_while_it_adds_and_merges_files_nothing_acknowledged_is_lost(store):
    last = -1
    for kill in range(4):
        with start(REPLACE, store.storage.url, str(last + 1)) as adding:
            for _ in range(4 + kill):
                assert adding.stdout.readline()
            adding.kill()
            last = max(map(int, adding.stdout.read().split()), default=last + 4 + kill)
        state = {key: far for key, (far, _) in found(store).items()}
        assert state == {key: far for key, (far, _) in found(store_at(Path(store.storage.url))).items()}
        newest = int(max(state.values()))
        assert newest in {last, last + 1}, "an add that was not acknowledged is there whole or not at all"
        assert state == {str(b % 3 + 3 * n): float(b) for b in range(newest - 2, newest + 1) for n in range(200)}
        last = newest
    assert len(files(store)) < last, "files were merged on the way"


def test_distances_are_the_kernels_to_the_bit_after_a_restart(tmp_path):
    random = np.random.default_rng(3)
    rows, query = random.standard_normal((300, 33), np.float32), random.standard_normal(33, np.float32)
    for distance in ("cosine", "euclidean", "dot"):
        store = store_at(tmp_path / distance)
        store.create("x", 33, distance)
        for batch in range(3):
            part = range(100 * batch, 100 * batch + 100)
            store.add("x", [{"id": str(i), "vector": rows[i]} for i in part])
        told = {str(i): far for i, far in enumerate(distances(rows, query, distance).tolist())}
        again = store_at(tmp_path / distance)
        for one in (store, again):
            assert {h.id: h.distance for h in one.search("x", query, 1000)} == told


@pytest.mark.s3
def test_the_same_on_s3(s3_bucket):
    stores = [VectorStore(Catalog(open_storage(s3_bucket))) for _ in range(2)]
    stores[0].create("notes", DIMENSION, "euclidean")
    with pytest.raises(ConflictError):
        stores[1].create("notes", DIMENSION)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda n: stores[n % 2].add("notes", [item(str(n), n, metadata={"n": n})]), range(8)))
    assert found(stores[0]) == found(stores[1]) == {str(n): (float(n), {"n": n}) for n in range(8)}
    stores[0].remove("notes", ["1", "2"])
    assert sorted(found(stores[1])) == list("034567")
    assert [i.count for i in stores[1].list()] == [6]
    stores[0].delete("notes")
    with pytest.raises(NotFoundError):
        stores[1].search("notes", vector())


def test_the_doctor_sweeps_none_of_it(tmp_path):
    with workbench.connect(tmp_path / "lake") as wb:
        wb.vectors.create("notes", DIMENSION, "euclidean")
        wb.vectors.add("notes", [item("a", 1)])
        for check in wb.checks():
            assert check.state in {"ok", "warning"}, check
            assert "_vectors" not in check.message


def test_a_disk_that_takes_nothing_is_told_and_loses_nothing(store):
    store.add("notes", [item("a", 1)])
    place = Path(store.storage.url) / "_staging"
    place.rmdir()
    place.write_bytes(b"in the way")
    with pytest.raises(OSError, match="_staging"):
        store.add("notes", [item("b", 2)])
    assert list(found(store)) == ["a"]
    place.unlink()
    store.add("notes", [item("b", 2)])
    assert list(found(store)) == ["a", "b"]
