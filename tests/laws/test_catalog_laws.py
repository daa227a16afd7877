"""What the catalog promises, on a disk and on a real S3 server."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.errors import ConflictError, InvalidError, LostRaceError, NotFoundError
from workbench.lake.tables import delta
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.listing import KEY
from workbench.lake.tables.manifest import Column, DataFile, Note, Source, dataset_id, fingerprint
from workbench.lake.tables.s3 import open_storage
from workbench.lake.tables.storage import LocalStorage, Storage

COLUMNS = (Column("id", "int64"), Column("phone", "string"))
RICH = (
    Column("t", "time64[us]", stored="string", restore="TIME"),
    Column("u", "uint64", stored="decimal128(20, 0)", restore="UBIGINT"),
    Column("tags", "list<element: string>"),
    Column("s", "struct<a: int32, b: list<element: double>>"),
    Column("m", "map<string, int64>"),
    Column("d", "decimal128(18, 2)", unit="$"),
    Column("z", "timestamp[us, tz=UTC]"),
    Column("n", "timestamp[us]", pii="birth_date"),
    Column("day", "date32[day]"),
)


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return LocalStorage(tmp_path / "lake")
    return open_storage(f"{request.getfixturevalue('s3_bucket')}/lake")


@pytest.fixture
def catalog(storage):
    return Catalog(storage)


def part(name: str, rows: int = 3) -> DataFile:
    return DataFile(f"part-{name}.parquet", rows, 10)


def source(letter: str) -> Source:
    return Source(f"{letter}.csv", letter * 64, 7)


def test_registering_twice_is_the_same_dataset(catalog):
    made, existed = catalog.register("workers", COLUMNS)
    again, existed_again = catalog.register("workers", COLUMNS)
    assert (existed, existed_again) == (False, True)
    assert made.dataset_id == again.dataset_id == dataset_id("workers")
    assert made == again


def test_the_dataset_id_is_the_published_uuid():
    # uuid.uuid5(UUID("a8f3c1d2-4e5b-5a6c-9d8e-7f0a1b2c3d4e"), "workers"), computed once and fixed here.
    assert dataset_id("workers") == "4ee908eb-05e4-5c26-a4ad-4ca54bb01062"


def test_another_schema_is_a_conflict_and_changes_nothing(catalog):
    made, _ = catalog.register("workers", COLUMNS)
    with pytest.raises(ConflictError) as refused:
        catalog.register("workers", (*COLUMNS, Column("extra", "double")))
    assert refused.value.http_status == 409
    assert catalog.get("workers") == made


def test_nullability_is_left_out_of_the_fingerprint_and_order_is_not(catalog):
    catalog.register("workers", COLUMNS)
    assert catalog.register("workers", [replace(c, nullable=False) for c in COLUMNS])[1]
    with pytest.raises(ConflictError):
        catalog.register("workers", COLUMNS[::-1])
    assert fingerprint([("a", "int64")]) == "801bf044f1036f63ab509cccc221424d523ffcce257831a1a0ade66b2be30220"


@pytest.mark.parametrize("name", ["", "Workers", "1st", "a b", "a/b", "..", "é", "a" * 64])
def test_names_that_are_refused(catalog, name):
    with pytest.raises(InvalidError) as refused:
        catalog.register(name, COLUMNS)
    assert "--name" in refused.value.hint
    assert catalog.names() == []


def test_an_unknown_dataset_names_its_neighbours(catalog):
    catalog.register("workers", COLUMNS)
    with pytest.raises(NotFoundError) as missing:
        catalog.get("worker")
    assert "workers" in missing.value.hint


def test_every_kind_of_column_comes_back_as_it_went_in(catalog, storage):
    catalog.register("rich", RICH)
    assert Catalog(storage).get("rich").columns == RICH


def test_commits_make_versions_that_stay_readable(catalog):
    one = catalog.commit(None, "workers", COLUMNS, [part("a")], Note("created", source=source("a"), added=3))
    two = catalog.commit(one, "workers", COLUMNS, [part("b", 2)], Note("appended", message="more", by="ann", added=2))
    assert (one.version, one.row_count, two.version, two.row_count) == (1, 3, 2, 5)
    assert catalog.get("workers", 1).files == one.files
    history = catalog.history("workers")
    assert [(s.version, s.operation, s.rows, s.message, s.by) for s in history] == [
        (2, "appended", 5, "more", "ann"),
        (1, "created", 3, "", ""),
    ]
    assert history[1].source == source("a")


def test_a_commit_on_a_version_that_has_moved_is_lost(catalog, storage):
    base = catalog.commit(None, "workers", COLUMNS, [part("a")], Note("created"))
    catalog.commit(base, "workers", COLUMNS, [part("b")], Note("appended"))
    other = Catalog(storage)
    for mode in ("append", "replace", "rewrite"):
        with pytest.raises(LostRaceError):
            other.commit(base, "workers", COLUMNS, [part("c")], Note("appended"), mode=mode)
    with pytest.raises(LostRaceError):
        other.commit(None, "workers", COLUMNS, [part("d")], Note("created"))
    assert [f.path for f in other.get("workers").files] == ["part-a.parquet", "part-b.parquet"]


def test_what_one_process_commits_another_sees_in_its_next_look(catalog, storage):
    other = Catalog(storage)
    base = catalog.commit(None, "workers", COLUMNS, [part("a")], Note("created"))
    assert other.get("workers").version == 1
    catalog.commit(base, "workers", COLUMNS, [part("b")], Note("appended"))
    assert other.get("workers").version == 2
    assert other.names() == ["workers"]


def test_the_same_file_counts_as_ingested_until_its_rows_are_gone(catalog):
    one = catalog.commit(None, "w", COLUMNS, [part("a")], Note("created", source=source("a")))
    assert catalog.ingested(one, "a" * 64) == 1
    assert catalog.ingested(one, "b" * 64) is None
    two = catalog.commit(one, "w", COLUMNS, [part("b")], Note("appended", source=source("b")))
    assert (catalog.ingested(two, "a" * 64), catalog.ingested(two, "b" * 64)) == (1, 2)
    three = catalog.commit(two, "w", COLUMNS, [part("c")], Note("replaced", source=source("c")), mode="replace")
    assert [catalog.ingested(three, x * 64) for x in "abc"] == [None, None, 3]
    four = catalog.commit(three, "w", COLUMNS, [part("d")], Note("compact"), mode="rewrite")
    assert catalog.ingested(four, "c" * 64) == 3


def test_annotations_live_with_the_table(catalog, storage):
    catalog.register("workers", COLUMNS)
    catalog.annotate(
        "workers",
        about=lambda a: replace(a, owner="ann", description="people · ✓", tags=("hr",)),
        pii={"PHONE": "phone"},
    )
    found = Catalog(storage).get("workers")
    assert (found.about.owner, found.about.description, found.about.tags) == ("ann", "people · ✓", ("hr",))
    assert found.pii == {"phone": "phone"}
    with pytest.raises(NotFoundError, match="telephone"):
        catalog.annotate("workers", pii={"telephone": "phone"})


def test_annotations_survive_commits_and_new_schemas(catalog):
    base = catalog.commit(None, "w", COLUMNS, [part("a")], Note("created"))
    base = catalog.annotate("w", about=lambda a: replace(a, owner="ann"), pii={"phone": "phone"})
    base = catalog.commit(base, "w", base.columns, [part("b")], Note("appended"))
    wider = (*base.columns, Column("x", "double"))
    last = catalog.commit(base, "w", wider, [part("c")], Note("evolved"), mode="rewrite")
    assert (last.about.owner, last.pii, last.columns[2].name) == ("ann", {"phone": "phone"}, "x")


def test_the_listing_is_derived_and_never_trusted(catalog, storage):
    for name in ("a", "b"):
        catalog.register(name, COLUMNS)
    assert [m.name for m in catalog.all()] == ["a", "b"]
    assert storage.stat(KEY) is not None
    Catalog(storage).commit(catalog.get("b"), "b", COLUMNS, [part("x")], Note("appended"))
    assert [m.version for m in Catalog(storage).all()] == [1, 2]  # the file still said 1
    body = storage.get(KEY)
    for damage in (b"", b"junk", body[:-3], body[:10] + b"\x00" + body[11:]):
        storage.put(KEY, damage)
        assert [m.version for m in Catalog(storage).all()] == [1, 2]


def test_a_dataset_made_again_under_its_name_is_not_mistaken_for_the_old(catalog, storage):
    catalog.register("w", COLUMNS)
    catalog.all()
    for entry in storage.entries("datasets/w/"):
        storage.delete(entry.key)
    Catalog(storage).register("w", (Column("other", "double"),))
    assert [c.name for c in catalog.get("w").columns] == ["other"]
    assert [c.name for c in Catalog(storage).all()[0].columns] == ["other"]


def test_many_threads_register_and_append_without_losing_one(storage):
    # Who loses a race begins again: on a server each round costs as much as five on a disk, and the race is the same.
    writers, each = 4, 5 if isinstance(storage, LocalStorage) else 3
    gate = threading.Barrier(writers)

    def work(i: int) -> None:
        catalog = Catalog(storage)
        gate.wait()
        for n in range(each):

            def step(n: int = n) -> None:
                base = catalog.find("w")
                catalog.commit(base, "w", COLUMNS, [part(f"{i}-{n}", 1)], Note("appended", added=1))

            catalog.decide(step)

    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(work, range(writers)))
    found = Catalog(storage).get("w")
    assert found.row_count == writers * each
    assert found.version == writers * each
    assert len({f.path for f in found.files}) == writers * each


def test_a_table_of_an_unknown_protocol_is_refused(tmp_path):
    storage = LocalStorage(tmp_path)
    Catalog(storage).register("w", COLUMNS)
    log = tmp_path / delta.log_key("w", 1)
    text = log.read_text().replace(
        '{"minReaderVersion":1,"minWriterVersion":2}',
        '{"minReaderVersion":3,"minWriterVersion":7,"readerFeatures":["deletionVectors"],"writerFeatures":["deletionVectors"]}',
    )
    assert "deletionVectors" in text
    log.write_text(text)
    with pytest.raises(InvalidError, match="deletionVectors"):
        Catalog(storage).get("w")
