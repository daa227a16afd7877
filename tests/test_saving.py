"""A relation saved as a dataset: its rows as they are, where they came from, and what of it is personal data."""

from __future__ import annotations

import datetime as dt
import decimal
import shutil

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import workbench
from workbench.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    QueryCancelledError,
    QueryError,
    SchemaDriftError,
)
from workbench.lake.saving import Saved
from workbench.lake.sql.engine import Watch

WORKERS = (
    "worker_id,name,phone,city,pay\n"
    "1,Ann Lee,815-555-0101,Joliet,20\n2,Bo Cruz,815-555-0102,Gary,25\n3,Cy Oh,815-555-0103,Joliet,30\n"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A lake of this file's own, for copies: to ingest it anew for each test would cost more than the tests."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "workers.csv").write_text(WORKERS)
    with workbench.connect(folder / "lake", folder=folder, user="ann") as opened:
        opened.ingest(folder / "workers.csv", "workers", pii={"name": "name", "phone": "phone"})
    return folder


@pytest.fixture
def wb(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    with workbench.connect(tmp_path / "lake", folder=tmp_path, user="ann") as opened:
        yield opened


def rows(wb, sql):
    return wb.sql(sql, show_pii=True).table.to_pylist()


def test_rows_are_saved_as_they_are_with_what_they_came_from(wb):
    relation = wb.relation("SELECT city, count(*) AS n FROM workers WHERE pay >= $floor GROUP BY city ORDER BY city",
                           {"floor": 20})  # fmt: skip
    saved = wb.save(relation, "by_city", message="for the Monday call")
    assert (saved.name, saved.version, saved.outcome, saved.rows, saved.total, saved.was) == (
        "by_city", 1, "created", 2, 2, None,
    )  # fmt: skip
    assert rows(wb, "SELECT * FROM by_city") == [{"city": "Gary", "n": 1}, {"city": "Joliet", "n": 2}]
    manifest = wb.lake.get("by_city")
    assert (manifest.snapshot.message, manifest.snapshot.by, manifest.snapshot.operation) == (
        "for the Monday call", "ann", "created",
    )  # fmt: skip
    assert manifest.snapshot.lineage[0] == "workers@1"
    assert manifest.snapshot.lineage[1].startswith("sql:SELECT city, count(*)")
    assert manifest.pii == {}
    assert "from workers@1" in saved.says


def test_a_relation_is_saved_as_it_was_pinned(wb, tmp_path):
    relation = wb.relation("SELECT worker_id FROM workers")
    (tmp_path / "more.csv").write_text("worker_id,name,phone,city,pay\n4,D,815-555-0104,Gary,1\n")
    wb.ingest(tmp_path / "more.csv", "workers")
    assert wb.save(relation, "ids").total == 3
    assert wb.lake.get("ids").snapshot.lineage[0] == "workers@1"


def test_tags_come_along_and_what_was_computed_from_them_is_hidden(wb):
    sql = "SELECT name AS who, upper(name) AS shout, phone, city, substr(phone, 1, 3) AS area FROM workers"
    saved = wb.save(wb.relation(sql), "people")
    assert saved.pii == {"who": "name", "shout": "derived", "phone": "phone", "area": "derived"}
    assert rows(wb, "SELECT who, shout FROM people")[0] == {"who": "Ann Lee", "shout": "ANN LEE"}
    shown = wb.sql("SELECT who, shout, area, city FROM people").table.to_pylist()[0]
    assert (shown["city"], "Lee" in str(shown), "LEE" in str(shown), "815" in str(shown)) == ("Joliet", *[False] * 3)
    assert wb.save(wb.relation("SELECT shout AS s FROM people"), "again").pii == {"s": "derived"}
    assert not wb.save(wb.relation("SELECT count(DISTINCT name) AS n FROM workers"), "counted").pii


def test_a_frame_and_a_relation_are_read_and_named(wb):
    frame = pd.DataFrame({"city": ["Joliet", "Gary"], "email": ["ann@example.com", "bo@example.com"]})
    people = wb.relation("SELECT name, city FROM workers")
    both = wb.relation("SELECT p.name, f.email FROM people p JOIN f USING (city) ORDER BY ALL",
                       frames={"f": frame, "people": people})  # fmt: skip
    saved = wb.save(both, "contacts")
    assert (saved.rows, saved.pii) == (3, {"name": "name", "email": "email"})
    assert {"workers@1", "frame:f"} <= set(saved.lineage)
    assert "SELECT name, city FROM" in saved.lineage[-1]
    assert rows(wb, "SELECT email FROM contacts")[0]["email"].endswith("@example.com")


def test_an_existing_dataset_is_only_touched_when_told_how(wb):
    one, two = wb.relation("SELECT city FROM workers"), wb.relation("SELECT DISTINCT city FROM workers")
    wb.save(one, "cities")
    with pytest.raises(ConflictError, match="cities already") as told:
        wb.save(two, "cities")
    assert all(word in told.value.hint for word in ("--replace", "--append", "cities_2"))
    replaced = wb.save(two, "cities", mode="replace")
    assert (replaced.outcome, replaced.version, replaced.was, replaced.total) == ("replaced", 2, 3, 2)
    assert "3 → 2 rows (-1)" in replaced.says
    added = wb.save(one, "cities", mode="append")
    assert (added.outcome, added.version, added.rows, added.was, added.total) == ("appended", 3, 3, 2, 5)
    assert len(rows(wb, "SELECT * FROM cities@1")) == 3
    with pytest.raises(InvalidError, match="no way to save"):
        wb.save(one, "cities", mode="upsert")
    assert wb.save(wb.relation("SELECT * FROM cities WHERE city = 'Gary'"), "cities", mode="replace").total == 2


def test_rows_of_other_columns_are_not_appended(wb):
    wb.save(wb.relation("SELECT worker_id, city FROM workers"), "places")
    with pytest.raises(SchemaDriftError, match=r"\+ pay"):
        wb.save(wb.relation("SELECT worker_id, city, pay FROM workers"), "places", mode="append")
    with pytest.raises(SchemaDriftError, match=r"! worker_id int64 → string") as told:
        wb.save(wb.relation("SELECT worker_id::VARCHAR AS worker_id, city FROM workers"), "places", mode="append")
    assert "CAST(worker_id AS BIGINT)" in told.value.hint
    wb.save(wb.relation("SELECT 'Elgin' AS city, 9::SMALLINT AS WORKER_ID"), "places", mode="append")
    assert rows(wb, "SELECT * FROM places WHERE city = 'Elgin'") == [{"worker_id": 9, "city": "Elgin"}]
    assert wb.lake.get("places").version == 2


def test_personal_data_is_not_appended_to_a_column_that_shows_it(wb):
    wb.save(wb.relation("SELECT city AS said FROM workers"), "notes")
    with pytest.raises(ConflictError, match="said is personal data") as told:
        wb.save(wb.relation("SELECT name AS said FROM workers"), "notes", mode="append")
    assert "lh describe notes --pii said=name" in told.value.hint
    wb.lake.annotate("notes", pii_tags={"said": "name"})
    assert wb.save(wb.relation("SELECT name AS said FROM workers"), "notes", mode="append").pii == {"said": "name"}
    assert wb.save(wb.relation("SELECT city AS said FROM workers"), "notes", mode="replace").pii == {"said": "name"}


TYPED = """SELECT 1::TINYINT AS a, 2::UBIGINT AS b, 3.25::DECIMAL(9,2) AS c, DATE '2026-01-02' AS d,
    TIME '10:11:12' AS e, TIMESTAMP '2026-01-02 03:04:05' AS f, TIMESTAMPTZ '2026-01-02 03:04:05+00' AS g,
    [1, 2] AS h, {'x': 1, 'y': 'z'} AS i, 'äß€' AS j, true AS k, NULL AS l, uuid() IS NOT NULL AS m,
    170141183460469231731687303715884105727::HUGEINT % 1000 AS n
"""


def test_every_type_comes_back(wb):
    wb.save(wb.relation(TYPED), "typed")
    (found,) = wb.sql("SELECT * FROM typed").table.to_pylist()
    assert found == {
        "a": 1, "b": 2, "c": decimal.Decimal("3.25"), "d": dt.date(2026, 1, 2), "e": dt.time(10, 11, 12),
        "f": dt.datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 - a timestamp without a zone has none
        "g": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "h": [1, 2],
        "i": {"x": 1, "y": "z"}, "j": "äß€", "k": True, "l": None, "m": True, "n": 727,
    }  # fmt: skip


@pytest.mark.parametrize(
    "sql", ["SELECT count(*) FROM workers", "SELECT city, CITY FROM workers -- twice", 'SELECT 1 AS "a b, c;{}=";']
)
def test_columns_of_any_name_are_saved(wb, sql):
    saved = wb.save(wb.relation(sql), "odd")
    assert len(saved.columns) == wb.sql("SELECT * FROM odd").table.num_columns


def test_no_rows_make_a_dataset_without_rows(wb):
    saved = wb.save(wb.relation("SELECT * FROM workers WHERE false"), "none")
    assert (saved.rows, saved.total, wb.sql("SELECT * FROM none").row_count) == (0, 0, 0)
    assert saved.pii == {"name": "name", "phone": "phone"}


def left_over(folder):
    return [p for p in folder.rglob("*") if p.is_file() and ("_staging" in p.parts or "broken" in p.parts)]


def test_what_fails_leaves_nothing(wb, tmp_path):
    with pytest.raises(QueryError, match="Nothing was saved"):
        wb.save(wb.relation("SELECT name::INTEGER AS n FROM workers"), "broken")
    with pytest.raises(InvalidError, match="cannot name a dataset"):
        wb.save(wb.relation("SELECT 1 AS a"), "Not A Name")
    with pytest.raises(NotFoundError):
        wb.lake.get("broken")
    assert left_over(tmp_path / "lake") == []
    with pytest.raises(QueryError) as shown:
        wb.save(wb.relation("SELECT name::INTEGER AS n FROM workers"), "broken")
    assert "Lee" not in str(shown.value)


def test_a_save_can_be_cancelled(wb, tmp_path):
    told = []
    watch = Watch(on_progress=lambda *at: told.append(at))
    watch.cancel()  # hours of counting would follow
    relation = wb.relation("SELECT count(*) AS n FROM range(10000000000) t(a), range(100) u(b) WHERE a % 7 = b")
    with pytest.raises(QueryCancelledError):
        wb.save(relation, "broken", watch=watch)
    assert told == [("save", 0, 0)]
    assert wb.catalog.find("broken") is None
    assert left_over(tmp_path / "lake") == []


def test_the_engine_that_saves_opens_no_other_file(wb, tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    for sql in (f"SELECT * FROM read_parquet('{tmp_path}/other.parquet')", f"SELECT * FROM '{tmp_path}/other.parquet'"):
        with pytest.raises((QueryError, NotFoundError)):
            wb.save(wb.relation(sql), "stolen")


def test_a_relation_of_another_lake_is_refused(wb, tmp_path):
    with workbench.connect(tmp_path / "second", folder=tmp_path) as other:
        other.ingest(tmp_path / "workers.csv", "workers")
        with pytest.raises(InvalidError, match="another lake"):
            other.save(wb.relation("SELECT * FROM workers"), "copy")


def test_a_saved_statement_tells_nobody_s_phone(wb):
    saved = wb.save(wb.relation("SELECT city FROM workers WHERE phone = '815-555-0101'"), "found")
    assert "0101" not in str(saved.lineage)
    assert saved.to_dict()["was"] is None


@pytest.mark.s3
def test_a_save_into_a_bucket(s3_bucket, tmp_path):
    (tmp_path / "workers.csv").write_text(WORKERS)
    with workbench.connect(s3_bucket, folder=tmp_path) as wb:
        wb.ingest(tmp_path / "workers.csv", "workers")
        assert wb.save(wb.relation("SELECT city, pay FROM workers"), "pays").total == 3
        assert wb.sql("SELECT sum(pay) AS s FROM pays").table.to_pylist() == [{"s": 75}]


@pytest.mark.parametrize(("seconds", "said"), [(0.0, "1 ms"), (0.0123, "12 ms"), (0.9996, "1.0 s"), (61.24, "61.2 s")])
def test_a_short_save_is_told_in_milliseconds(seconds, said):
    saved = Saved("few", 1, "created", 1, 1, None, (), (), 10, elapsed_s=seconds)
    assert saved.says.rpartition(" · ")[2] == said
