"""Time travel: diff, restore, compact, expire."""

from __future__ import annotations

import datetime as dt

import pytest

import workbench
from workbench.errors import InvalidError, NotFoundError
from workbench.lake import snapshots

ONE = "worker_id,name,city\n1,Ann Lee,Joliet\n2,Bo Cruz,Chicago\n3,Cy Oh,Gary\n"
TWO = "worker_id,name,city\n1,Ann Lee,Aurora\n2,Bo Cruz,Chicago\n9,Di Wu,Flint\n"


@pytest.fixture
def wb(tmp_path):
    (tmp_path / "one.csv").write_text(ONE)
    (tmp_path / "two.csv").write_text(TWO)
    with workbench.connect(tmp_path / "lake") as opened:
        opened.ingest(tmp_path / "one.csv", "workers")
        opened.ingest(tmp_path / "two.csv", "workers", mode="replace")
        yield opened


def cities(wb, ref="workers"):
    name, _, version = ref.partition("@")
    at = f"@{version}" if version else ""
    return wb.sql(f"SELECT city FROM {name}{at} ORDER BY worker_id").table.column(0).to_pylist()


def test_a_diff_by_key_counts_rows_and_values(wb):
    d = wb.lake.diff("workers@1", "workers@2")
    assert (d.key, d.added, d.removed, d.changed, d.changed_by_column) == (("worker_id",), 1, 1, 1, {"city": 1})
    sample = d.sample.to_pylist()[0]
    assert (sample["city (old)"], sample["city (new)"]) == ("Joliet", "Aurora")
    assert "Ann" not in str(sample)
    assert wb.lake.diff("workers@1", "workers@2", show_pii=True).sample.to_pylist()[0]["name (old)"] == "Ann Lee"


def test_a_diff_without_a_key_compares_whole_rows(wb, tmp_path):
    for i, text in enumerate(("a,b\n1,x\n1,x\n2,y\n", "a,b\n1,x\n3,z\n")):
        (tmp_path / f"{i}.csv").write_text(text)
        wb.ingest(tmp_path / f"{i}.csv", "pairs", mode="replace")
    d = wb.lake.diff("pairs@1", "pairs@2")
    assert (d.key, d.added, d.removed, d.changed) == ((), 1, 2, 0)


def test_appended_rows_are_found_without_reading_the_shared_file(wb, tmp_path):
    (tmp_path / "more.csv").write_text("worker_id,name,city\n20,Ed Fox,Toledo\n")
    wb.ingest(tmp_path / "more.csv", "workers")
    shared = wb.lake.get("workers@2").files[0]
    wb.storage.delete(f"datasets/workers/{shared.path}")
    d = wb.lake.diff("workers@2", "workers@3")
    assert (d.added, d.removed, d.changed) == (1, 0, 0)


def test_a_diff_between_datasets_or_by_an_absent_key_is_refused(wb, tmp_path):
    wb.ingest(tmp_path / "one.csv", "other")
    with pytest.raises(InvalidError, match="two datasets"):
        wb.lake.diff("workers@1", "other")
    with pytest.raises(NotFoundError, match="'wid'"):
        wb.lake.diff("workers@1", "workers@2", key=["wid"])


@pytest.mark.parametrize(
    ("old", "new", "key", "said"),
    [
        (
            "1,Gary,day\n2,Gary,day\n3,Elgin,day\n",
            "1,Gary,day\n2,Elgin,day\n",
            ["city"],
            "places@1 has 1 of its values",
        ),
        ("1,Gary,day\n", "1,Gary,day\n2,Gary,day\n3,Gary,x\n", ["city"], r"places@2 .* \(in 3 rows\)"),
        ("1,Gary,day\n", "1,,day\n2,Gary,day\n", ["city"], "places@2 has 1 row without it"),
        (
            "1,Gary,day\n",
            "1,Gary,\n2,Gary,day\n",
            ["city", "shift"],
            "city, shift is no key: places@2 has 1 row without",
        ),
        ("1,,day\n2,,day\n3,Gary,x\n4,Gary,x\n", "1,Gary,day\n", ["city"], "2 rows without it and 1 of its values"),
    ],
)
def test_a_diff_by_a_key_that_does_not_name_one_row_is_refused(wb, tmp_path, old, new, key, said):
    for text in (old, new):
        (tmp_path / "places.csv").write_text(f"nr,city,shift\n{text}")
        wb.ingest(tmp_path / "places.csv", "places", mode="replace")
    with pytest.raises(InvalidError, match=said) as refused:
        wb.lake.diff("places@1", "places@2", key=key)
    assert "--key" in refused.value.hint
    assert "Gary" not in str(refused.value)
    d = wb.lake.diff("places@1", "places@2", key=["nr"])
    more = new.count("\n") - old.count("\n")
    assert (d.added, d.removed) == (max(0, more), max(0, -more))


def test_a_key_of_several_columns_may_repeat_in_each(wb, tmp_path):
    for text in ("1,Gary,5\n1,Elgin,6\n2,Gary,7\n", "1,Gary,5\n1,Elgin,8\n2,Elgin,7\n"):
        (tmp_path / "pay.csv").write_text(f"nr,city,rate\n{text}")
        wb.ingest(tmp_path / "pay.csv", "pay", mode="replace")
    d = wb.lake.diff("pay@1", "pay@2", key=["nr", "city"])
    assert (d.added, d.removed, d.changed) == (1, 1, 1)


def test_restore_makes_the_old_content_the_newest_version(wb, tmp_path):
    back = wb.lake.restore("workers@1", "the second file was wrong")
    assert (back.version, back.row_count) == (3, 3)
    assert cities(wb) == ["Joliet", "Chicago", "Gary"]
    assert cities(wb, "workers@2") == ["Aurora", "Chicago", "Flint"]
    assert wb.lake.snapshots("workers")[0].message == "the second file was wrong"
    assert wb.ingest(tmp_path / "one.csv", "workers").outcome == "unchanged"  # its rows are in there again
    assert wb.ingest(tmp_path / "two.csv", "workers").outcome == "appended"  # these are not


def test_restore_over_a_schema_change_brings_the_old_columns_back(wb, tmp_path):
    (tmp_path / "wide.csv").write_text("worker_id,name,city,shift\n5,Flo Ray,Gary,day\n")
    wb.ingest(tmp_path / "wide.csv", "workers", evolve=True)
    assert len(wb.lake.get("workers").columns) == 4
    wb.lake.restore("workers@2")
    assert [c.name for c in wb.lake.get("workers").columns] == ["worker_id", "name", "city"]
    assert cities(wb) == ["Aurora", "Chicago", "Flint"]


def test_restore_does_not_make_a_tagged_column_public(wb):
    wb.lake.annotate("workers", pii_tags={"city": "address"}, owner="ann")
    wb.lake.restore("workers@1")
    found = wb.lake.get("workers")
    assert (found.pii["city"], found.about.owner) == ("address", "ann")


def test_restoring_the_present_or_the_unknown_is_refused(wb):
    with pytest.raises(InvalidError, match="already"):
        wb.lake.restore("workers@2")
    with pytest.raises(NotFoundError):
        wb.lake.restore("workers@77")


def test_compact_makes_one_file_and_changes_no_row(wb, tmp_path):
    for i in range(3):
        (tmp_path / f"m{i}.csv").write_text(f"worker_id,name,city\n{50 + i},P{i} Q,City{i}\n")
        wb.ingest(tmp_path / f"m{i}.csv", "workers")
    before = cities(wb)
    done = wb.lake.compact("workers")
    assert len(done.files) == 1
    assert cities(wb) == before
    assert wb.ingest(tmp_path / "m1.csv", "workers").outcome == "unchanged"
    assert wb.lake.compact("workers").version == done.version


def test_expire_gives_files_back_and_says_so_afterwards(wb, tmp_path):
    assert cities(wb, "workers@1")
    assert wb.lake.expire("workers", keep=2).files == 0
    gone = wb.lake.expire("workers", keep=1)
    assert (gone.files, gone.size_bytes > 0) == (1, True)
    assert cities(wb) == ["Aurora", "Chicago", "Flint"]
    with pytest.raises(NotFoundError, match="has expired"):
        wb.lake.get("workers@1")
    with workbench.connect(tmp_path / "lake") as other, pytest.raises(NotFoundError, match="has expired"):
        other.sql("SELECT * FROM workers@1")
    version = wb.lake.get("workers").version
    assert (wb.lake.expire("workers", keep=1).files, wb.lake.get("workers").version) == (0, version)
    with pytest.raises(InvalidError):
        wb.lake.expire("workers", keep=0)


def test_files_of_dead_writers_go_after_an_hour_and_not_before(wb, tmp_path):
    stray = tmp_path / "lake" / "datasets" / "workers" / "part-stray.parquet"
    stray.write_bytes(b"x" * 10)
    base, now = wb.lake.get("workers"), dt.datetime.now(dt.UTC)
    assert snapshots.orphans(wb.lake.catalog, base, now) == []
    later = now + dt.timedelta(hours=2)
    assert [e.key for e in snapshots.orphans(wb.lake.catalog, base, later)] == ["datasets/workers/part-stray.parquet"]
    assert snapshots.sweep(wb.lake.catalog, base, later) == (1, 10)
    assert not stray.exists()
    assert cities(wb) == ["Aurora", "Chicago", "Flint"]


def test_versions_by_time(wb):
    first = wb.lake.snapshots("workers")[-1].created_at
    assert wb.lake.get(f"workers@{first.isoformat()}").version == 1
    with pytest.raises(NotFoundError, match="did not exist"):
        wb.lake.get("workers@2020-01-01")
