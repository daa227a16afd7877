"""A file becomes a snapshot: what is loaded, what is refused, what is set aside, and what is said of it."""

from __future__ import annotations

import datetime as dt
import gzip
import json
from pathlib import Path

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import workbench
from workbench.errors import InvalidError, NotFoundError, SchemaDriftError
from workbench.lake.sql.parquet import ROW_GROUP, group_rows

ROSTER = """worker_id,name,city,zip,phone,reliability,started
1,Ann Lee,Joliet,06001,+1 815-555-0100,0.5,2026-01-31
2,Bo Cruz,Chicago,60601,312-555-0101,1,2026-02-28
3,Cy Oh,Gary,46402,219-555-0102,0.25,2026-03-31
"""


@pytest.fixture
def wb(tmp_path):
    with workbench.connect(tmp_path / "lake", user="tester") as opened:
        yield opened


def put(tmp_path: Path, text: str | bytes, name: str = "roster.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def rows(wb, name: str, order: str = "1") -> list[dict]:
    return wb.sql(f"SELECT * FROM {name} ORDER BY {order}", show_pii=True).table.to_pylist()


def types(wb, name: str) -> dict[str, str]:
    return {c.name: c.type for c in wb.lake.get(name).columns}


def test_a_roster_is_typed_tagged_and_counted(wb, tmp_path):
    done = wb.ingest(put(tmp_path, ROSTER), "workers", message="first")
    assert (done.outcome, done.version, done.rows, done.total, done.rejected) == ("created", 1, 3, 3, 0)
    assert types(wb, "workers") == {
        "worker_id": "int64", "name": "string", "city": "string", "zip": "string", "phone": "string",
        "reliability": "double", "started": "date32[day]",
    }  # fmt: skip
    assert done.pii == {"name": "name", "phone": "phone"}
    assert rows(wb, "workers")[0] == {
        "worker_id": 1, "name": "Ann Lee", "city": "Joliet", "zip": "06001", "phone": "+1 815-555-0100",
        "reliability": 0.5, "started": dt.date(2026, 1, 31),
    }  # fmt: skip
    snapshot = wb.lake.snapshots("workers")[0]
    assert (snapshot.message, snapshot.by, snapshot.source.file) == ("first", "tester", "roster.csv")


def test_the_same_bytes_make_no_new_snapshot_under_any_name(wb, tmp_path):
    wb.ingest(put(tmp_path, ROSTER), "workers")
    again = wb.ingest(put(tmp_path, ROSTER, "copy of roster.csv"), "workers")
    assert (again.outcome, again.version) == ("unchanged", 1)
    assert wb.lake.get("workers").version == 1


def test_other_rows_are_appended_or_replace_as_asked(wb, tmp_path):
    wb.ingest(put(tmp_path, ROSTER), "workers")
    more = put(tmp_path, ROSTER.replace("\n1,", "\n11,").replace("\n2,", "\n12,").replace("\n3,", "\n13,"), "more.csv")
    assert wb.ingest(more, "workers").total == 6
    assert wb.ingest(more, "workers").outcome == "unchanged"
    replaced = wb.ingest(more, "workers", mode="replace")
    assert (replaced.outcome, replaced.total) == ("replaced", 3)
    assert wb.ingest(more, "workers", mode="replace").outcome == "unchanged"
    assert [r["worker_id"] for r in rows(wb, "workers")] == [11, 12, 13]
    assert [r["worker_id"] for r in rows(wb, '"workers"@1')] == [1, 2, 3]
    back = wb.ingest(tmp_path / "roster.csv", "workers", mode="replace")
    assert (back.outcome, back.version) == ("replaced", 4)


def test_the_name_comes_from_the_file_when_none_is_given(wb, tmp_path):
    assert wb.ingest(put(tmp_path, ROSTER, "Job Orders (2).csv")).name == "job_orders_2"


def test_upsert_changes_adds_and_keeps_with_a_plan(wb, tmp_path):
    wb.ingest(put(tmp_path, ROSTER), "workers")
    new = "worker_id,name,city,zip,phone,reliability,started\n2,Bo Cruz,Aurora,60505,312-555-0101,1,2026-02-28\n"
    new += "3,Cy Oh,Gary,46402,219-555-0102,0.25,2026-03-31\n9,Di Wu,Flint,48502,810-555-0109,,\n"
    path = put(tmp_path, new, "changes.csv")
    plan = wb.ingest(path, "workers", mode="upsert", key=("worker_id",), dry_run=True)
    assert (dict(plan.plan), plan.total) == ({"inserted": 1, "updated": 1, "same": 1}, 4)
    assert wb.lake.get("workers").version == 1
    done = wb.ingest(path, "workers", mode="upsert", key=("WORKER_ID",))
    assert (dict(done.plan), done.version, done.total) == ({"inserted": 1, "updated": 1, "same": 1}, 2, 4)
    assert [(r["worker_id"], r["city"]) for r in rows(wb, "workers")] == [
        (1, "Joliet"), (2, "Aurora"), (3, "Gary"), (9, "Flint"),
    ]  # fmt: skip
    again = wb.ingest(path, "workers", mode="upsert", key=("worker_id",))
    assert (again.outcome, wb.lake.get("workers").version) == ("unchanged", 2)


@pytest.mark.parametrize(("body", "said"), [("1,a\n1,b\n", "more than once"), (",a\n2,b\n", "without it")])
def test_a_key_that_is_no_key_is_refused(wb, tmp_path, body, said):
    wb.ingest(put(tmp_path, "id,x\n1,z\n2,y\n"), "t")
    with pytest.raises(InvalidError, match=said):
        wb.ingest(put(tmp_path, f"id,x\n{body}", "n.csv"), "t", mode="upsert", key=("id",))
    with pytest.raises(NotFoundError, match="'ix'"):
        wb.ingest(put(tmp_path, "id,x\n1,q\n", "n.csv"), "t", mode="upsert", key=("ix",))
    assert wb.lake.get("t").version == 1


DRIFTED = """worker_id,name,city,zip_code,phone,reliability,started,shift
1,Ann Lee,Joliet,06001,+1 815-555-0100,0.5,2026-01-31,day
2,Bo Cruz,Chicago,60601,312-555-0101,1,2026-02-28,night
3,Cy Oh,Gary,46402,219-555-0102,high,2026-03-31,day
"""


def test_drift_names_every_change_and_three_ways_out(wb, tmp_path):
    wb.ingest(put(tmp_path, ROSTER), "workers")
    path = put(tmp_path, DRIFTED, "roster new.csv")
    with pytest.raises(SchemaDriftError) as drift:
        wb.ingest(path, "workers")
    assert "+ shift string" in drift.value.message
    assert "~ zip → zip_code (100.0% same values)" in drift.value.message
    ways = drift.value.details["ways_out"]
    last = [way.split(" --")[-1].split("=")[0] for way in ways]
    assert last == ["rename zip_code", "ignore shift", "name workers_new"]
    assert all(f"lh ingest '{path}'" in w for w in ways)  # a space in the path is quoted for the shell
    assert wb.lake.get("workers").version == 1
    assert drift.value.http_status == 409


def test_evolve_takes_new_columns_and_wider_types(wb, tmp_path):
    wb.ingest(put(tmp_path, ROSTER), "workers")
    done = wb.ingest(put(tmp_path, DRIFTED, "new.csv"), "workers", evolve=True, rename={"zip_code": "zip"})
    assert (done.version, done.total) == (2, 6)
    found = types(wb, "workers")
    assert (found["zip"], found["reliability"], found["shift"]) == ("string", "string", "string")
    assert "zip_code" not in found
    asked = "SELECT reliability, shift FROM workers WHERE worker_id = 3 ORDER BY shift NULLS FIRST"
    got = wb.sql(asked).table.to_pylist()
    assert got == [{"reliability": "0.25", "shift": None}, {"reliability": "high", "shift": "day"}]
    assert types_at(wb, "workers@1")["reliability"] == "double"
    assert wb.ingest(tmp_path / "new.csv", "workers").outcome == "unchanged"


def types_at(wb, ref):
    return {c.name: c.type for c in wb.lake.get(ref).columns}


def test_quarantine_keeps_the_columns_and_sets_rows_aside(wb, tmp_path):
    wb.ingest(put(tmp_path, ROSTER), "workers")
    text = ROSTER.replace(",1,2026-02-28", ",high,2026-02-28").replace("\n1,", "\n7,")
    done = wb.ingest(put(tmp_path, text, "odd.csv"), "workers", quarantine=True)
    assert (done.rows, done.rejected, done.total) == (2, 1, 5)
    reject = wb.lake.rejects("workers")[0].rows.to_pylist()[0]
    assert (reject["line"], reject["column"]) == (3, "reliability")
    assert reject["byte_offset"] == text.encode().index(b"2,Bo Cruz")
    assert reject["raw"] == "2,Bo Cruz,Chicago,60601,312-555-0101,high,2026-02-28"
    assert "reliability" in reject["reason"]


def test_a_value_late_in_the_file_decides_the_type(wb, tmp_path):
    body = "".join(f"{i},{i}\n" for i in range(1, 30_001)) + "30001,late\n"
    done = wb.ingest(put(tmp_path, f"id,code_x\n{body}"), "t")
    assert types(wb, "t") == {"id": "int64", "code_x": "string"}
    assert done.rows == 30_001
    assert wb.sql("SELECT count(code_x) AS n FROM t").table.to_pylist() == [{"n": 30_001}]


def test_a_bad_row_is_set_aside_with_its_place_and_can_be_mended_and_replayed(wb, tmp_path):
    text = ROSTER + "4,Di Wu,Flint,48502,810-555-0103,0.1,2026-04-30,extra,cells\n"
    text += "5,Ed Fox,Toledo,43604,419-555-0104,0.2,2026-05-31\n"
    done = wb.ingest(put(tmp_path, text), "workers")
    assert (done.rows, done.rejected) == (4, 1)
    reject = wb.lake.rejects("workers")[0].rows.to_pylist()[0]
    assert (reject["line"], reject["byte_offset"]) == (5, text.index("4,Di Wu"))
    assert "extra,cells" in reject["raw"]
    fix = tmp_path / "fix.csv"
    assert wb.lake.rejects_to_fix("workers", fix) == 1
    mended = fix.read_text().replace(",extra,cells", "")
    assert mended.splitlines()[0] == ROSTER.splitlines()[0]
    fix.write_text(mended)
    replayed = wb.lake.replay("workers", fix)
    assert (replayed.outcome, replayed.total) == ("appended", 5)
    assert wb.lake.snapshots("workers")[0].lineage == ("rejects:workers@1",)


def test_too_many_bad_rows_refuse_the_file_whole(wb, tmp_path):
    bad = "".join(f"{i},ok\n{i},a,b,c\n" for i in range(150))
    path = put(tmp_path, f"id,x\n{bad}1,ok\n")
    with pytest.raises(InvalidError, match="150 of 301 rows") as refused:
        wb.ingest(path, "t")
    assert "--max-errors 150" in refused.value.hint
    assert wb.lake.catalog.names() == []
    assert wb.ingest(path, "t", dry_run=True).rejected == 150
    assert wb.ingest(path, "t", max_rejects=150).rows == 151
    with pytest.raises(InvalidError):
        wb.ingest(put(tmp_path, "id,x\n1,ok\n2,a,b\n3,ok\n", "one.csv"), "other", max_rejects=0)


def test_a_dry_run_shows_all_and_writes_nothing(wb, tmp_path):
    done = wb.ingest(put(tmp_path, ROSTER), "workers", dry_run=True)
    assert (done.dry_run, done.version, done.rows, done.pii["name"]) == (True, 1, 3, "name")
    assert wb.lake.catalog.names() == []
    assert list((tmp_path / "lake").rglob("*.parquet")) == []


def test_text_keeps_every_cell_exactly(wb, tmp_path):
    text = 'a,b,c\n 007 ,N/A,"x\ny"\n1e5,,-\n'
    done = wb.ingest(put(tmp_path, text), "t", how=reading(text=True))
    assert set(types(wb, "t").values()) == {"string"}
    assert done.rows == 2
    assert rows(wb, "t", "b") == [{"a": "1e5", "b": "", "c": "-"}, {"a": " 007 ", "b": "N/A", "c": "x\ny"}]


def reading(**options):
    from workbench.lake.files.sources import Reading

    return Reading(**options)


def test_types_and_tags_can_be_said(wb, tmp_path):
    done = wb.ingest(put(tmp_path, ROSTER), "workers", types={"worker_id": "text"}, pii={"city": "address", "name": ""})
    assert types(wb, "workers")["worker_id"] == "string"
    assert done.pii == {"city": "address", "phone": "phone"}
    with pytest.raises(NotFoundError, match="'wid'"):
        wb.ingest(put(tmp_path, ROSTER + "4,D,E,1,2,,\n", "b.csv"), "other", types={"wid": "text"})


def test_gzip_is_read_as_what_it_holds(wb, tmp_path):
    done = wb.ingest(put(tmp_path, gzip.compress(ROSTER.encode()), "roster.csv.gz"), "workers")
    assert (done.rows, done.name) == (3, "workers")


def test_parquet_keeps_its_types_and_odd_ones_are_restored(wb, tmp_path):
    table = pa.table(
        {
            "id": pa.array([1, 2], pa.int32()),
            "big": pa.array([2**64 - 1, 5], pa.uint64()),
            "at": pa.array([dt.time(8, 0), None], pa.time64("us")),
            "ns": pa.array([1_000, 2_000], pa.timestamp("ns")),
            "fine": pa.array([1_001, None], pa.timestamp("ns")),
            "s": pa.array([1, 2], pa.timestamp("s")),
            "tags": pa.array([["a"], []], pa.list_(pa.string())),
            "money": pa.array([None, 3], pa.decimal128(18, 2)),
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    done = wb.ingest(tmp_path / "t.parquet", "t")
    assert types(wb, "t") == {
        "id": "int32", "big": "uint64", "at": "time64[us]", "ns": "timestamp[us]", "fine": "timestamp[ns]",
        "s": "timestamp[us]", "tags": "list<element: string>", "money": "decimal128(18, 2)",
    }  # fmt: skip
    assert any("ns: nanosecond" in f for f in done.findings)
    assert any("big: UBIGINT is stored as" in f for f in done.findings)
    back = wb.sql("SELECT * FROM t ORDER BY id").table
    assert back.column("big").to_pylist() == [2**64 - 1, 5]
    assert back.column("at").to_pylist() == [dt.time(8, 0), None]
    assert back.schema.field("fine").type == pa.timestamp("ns")
    assert back.column("fine").cast(pa.int64()).to_pylist() == [1_001, None]


def test_a_parquet_file_with_other_types_is_drift(wb, tmp_path):
    wb.ingest(put(tmp_path, "phone,x\n312-555-0100,1\n"), "t")
    pq.write_table(pa.table({"phone": pa.array([3125550100]), "x": pa.array([1])}), tmp_path / "t.parquet")
    with pytest.raises(SchemaDriftError, match="! phone string → int64"):
        wb.ingest(tmp_path / "t.parquet", "t")


def test_headers_equal_but_for_case_get_a_suffix(wb, tmp_path):
    pq.write_table(pa.table({"Id": [1], "ID": [2]}), tmp_path / "t.parquet")
    wb.ingest(tmp_path / "t.parquet", "t")
    wb.ingest(put(tmp_path, "Id,ID\n1,2\n"), "u")
    assert list(types(wb, "u")) == ["Id", "ID_2"]


def test_ndjson_and_json_load(wb, tmp_path):
    people = [{"id": 1, "name": "Ann", "skills": ["a", "b"]}, {"id": 2, "name": None, "skills": []}]
    wb.ingest(put(tmp_path, "\n".join(map(json.dumps, people)), "p.ndjson"), "lines")
    wb.ingest(put(tmp_path, json.dumps(people), "p.json"), "whole")
    assert rows(wb, "lines") == rows(wb, "whole") == people


def test_a_workbook_loads_like_the_table_a_person_sees(wb, tmp_path):
    book = openpyxl.Workbook()
    sheet = book.active
    body = [[1, "06001", 7.5, dt.date(2026, 3, 16)], [2, "60601", 8, dt.date(2026, 3, 17)]]
    for line in (["Hours, week 12"], [], ["worker_id", "zip", "hours", "day"], *body):
        sheet.append(line)
    book.create_sheet("notes")
    book.save(tmp_path / "hours.xlsx")
    done = wb.ingest(tmp_path / "hours.xlsx", "hours")
    assert types(wb, "hours") == {"worker_id": "int64", "zip": "string", "hours": "double", "day": "date32[day]"}
    assert rows(wb, "hours")[0] == {"worker_id": 1, "zip": "06001", "hours": 7.5, "day": dt.date(2026, 3, 16)}
    assert any("not read: notes" in f for f in done.findings)
    with pytest.raises(NotFoundError, match="'nots'"):
        wb.ingest(tmp_path / "hours.xlsx", "h2", how=reading(sheet="nots"))


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [("empty.csv", b"", "empty"), ("empty.parquet", b"", "empty"), ("bad.parquet", b"PAR1junk", "cannot be read"),
     ("x.csv", b"PK\x03\x04" + bytes(200), "x.csv"), ("bad.json", b"{oops", "cannot be read")],
)  # fmt: skip
def test_files_that_are_refused(wb, tmp_path, name, body, said):
    with pytest.raises(InvalidError, match=said) as refused:
        wb.ingest(put(tmp_path, body, name), "t")
    assert refused.value.hint
    assert wb.lake.catalog.names() == []


def test_an_absent_file_names_its_neighbours(wb, tmp_path):
    put(tmp_path, ROSTER)
    with pytest.raises(NotFoundError) as missing:
        wb.ingest(tmp_path / "rosters.csv", "t")
    assert "roster.csv" in missing.value.hint
    with pytest.raises(InvalidError, match="is a folder"):
        wb.ingest(tmp_path, "t")


@pytest.mark.parametrize(
    "options",
    [{"mode": "upsert"}, {"key": ("id",)}, {"mode": "merge"}, {"evolve": True, "quarantine": True}],
)
def test_options_that_contradict_are_refused(wb, tmp_path, options):
    with pytest.raises(InvalidError) as refused:
        wb.ingest(put(tmp_path, ROSTER), "workers", **options)
    assert refused.value.hint


def test_a_header_without_rows_is_an_empty_table(wb, tmp_path):
    done = wb.ingest(put(tmp_path, "id,name\n"), "t")
    assert (done.rows, list(types(wb, "t"))) == (0, ["id", "name"])
    assert rows(wb, "t") == []
    assert wb.ingest(put(tmp_path, "id,name\n1,x\n", "b.csv"), "t").total == 1


def test_interrupted_writers_leave_no_litter(wb, tmp_path):
    class Stop(Exception):
        pass

    def stop(stage, done, total):
        raise Stop

    with pytest.raises(Stop):
        wb.ingest(put(tmp_path, ROSTER), "workers", progress=stop)
    assert wb.lake.catalog.names() == []
    assert list((tmp_path / "lake" / "_staging").iterdir()) == []


def test_the_report_is_json(wb, tmp_path):
    done = wb.ingest(put(tmp_path, ROSTER), "workers")
    told = json.loads(json.dumps(done.to_dict()))
    assert (told["name"], told["rows"], told["columns"][3]) == (
        "workers", 3, {"name": "zip", "type": "string", "nullable": True, "pii": None},
    )  # fmt: skip


def test_the_raw_text_of_rejects_is_covered_where_people_are_in_it(wb, tmp_path):
    done = wb.ingest(put(tmp_path, ROSTER + "4,Di Wu,Flint,1,810-555-0103,0.1,2026-04-30,extra\n"), "workers")
    [told] = done.to_dict()["rejects"]
    assert (told["line"], told["raw"]) == (5, "••••••")
    done = wb.ingest(put(tmp_path, "id,note\n1,ok\n2,call 312-555-0103,extra\n3,ok\n", "notes.csv"), "notes")
    [told] = done.to_dict()["rejects"]
    assert told["raw"].startswith("2,call ")
    assert "555" not in told["raw"]
    assert "312-555-0103" in wb.lake.rejects("notes")[0].rows.column("raw")[0].as_py()


SPEND = 'posted,amount,share\n22/12/2014,£512.20,45%\n05/06/2014,"£1,029.00",5%\n'


def test_the_next_file_is_read_in_the_way_of_the_first(wb, tmp_path):
    wb.ingest(put(tmp_path, SPEND), "spend")
    more = "posted,amount,share\n05/06/2015,£7.50,45%\n06/07/2015,9.00,-\n"
    assert wb.ingest(put(tmp_path, more, "june.csv"), "spend").total == 4
    found = rows(wb, "spend", "posted")[2:]
    assert found == [
        {"posted": dt.date(2015, 6, 5), "amount": 7.5, "share": 0.45},
        {"posted": dt.date(2015, 7, 6), "amount": 9.0, "share": None},
    ]


@pytest.mark.parametrize("row", ["05/13/2015,£7.50,45%", "05/06/2015,$7.50,45%", "05/06/2015,£7.50,45"])
def test_another_order_currency_or_unit_is_drift_and_not_a_wrong_value(wb, tmp_path, row):
    wb.ingest(put(tmp_path, SPEND), "spend")
    with pytest.raises(SchemaDriftError, match="1 value do"):
        wb.ingest(put(tmp_path, f"posted,amount,share\n{row}\n", "odd.csv"), "spend")


def test_the_three_ways_out_of_drift_work(wb, tmp_path):
    wb.ingest(put(tmp_path, ROSTER), "workers")
    path = put(tmp_path, DRIFTED.replace("\n1,", "\n4,").replace("\n2,", "\n5,"), "new.csv")
    with pytest.raises(SchemaDriftError) as drift:
        wb.ingest(path, "workers")
    assert "! reliability double → string (1 value do" in drift.value.message  # beside the other changes
    assert "--quarantine" in drift.value.details["ways_out"][1]
    assert "--ignore shift" in drift.value.details["ways_out"][1]
    with pytest.raises(NotFoundError, match="'shft'"):
        wb.ingest(path, "workers", ignore=("shft",))
    done = wb.ingest(path, "workers", quarantine=True, ignore=("shift",), rename={"zip_code": "zip"})
    assert (done.rows, done.rejected, done.total) == (2, 1, 5)
    assert "left out as asked: shift" in done.findings
    assert "shift" not in types(wb, "workers")
    assert wb.ingest(path, "workers_new").rows == 3


def test_a_file_that_was_read_wrongly_is_read_anew_by_replace(wb, tmp_path):
    path = put(tmp_path, "id,day\n1,03/04/2026\n2,05/06/2026\n")
    wb.ingest(path, "t")
    assert types(wb, "t")["day"] == "string"
    assert wb.ingest(path, "t", mode="replace").outcome == "unchanged"
    done = wb.ingest(path, "t", mode="replace", types={"day": "date dmy"})
    assert (done.outcome, types(wb, "t")["day"]) == ("replaced", "date32[day]")
    with pytest.raises(InvalidError, match="cannot change it"):
        wb.ingest(put(tmp_path, "id,day\n3,04/04/2026\n", "more.csv"), "t", types={"day": "text"})


def test_each_sheet_of_a_workbook_is_a_source_of_its_own(wb, tmp_path):
    book = openpyxl.Workbook()
    for name, day in (("May", 1), ("June", 2)):
        sheet = book.active if name == "May" else book.create_sheet()
        sheet.title = name
        for line in (["worker_id", "hours"], [day, 8], [day + 10, 7]):
            sheet.append(line)
    book.save(tmp_path / "hours.xlsx")
    wb.ingest(tmp_path / "hours.xlsx", "hours", how=reading(sheet="May"))
    assert wb.ingest(tmp_path / "hours.xlsx", "hours", how=reading(sheet="June")).total == 4
    assert wb.ingest(tmp_path / "hours.xlsx", "hours", how=reading(sheet="June")).outcome == "unchanged"
    assert [s.source.sheet for s in wb.lake.snapshots("hours")] == ["June", "May"]


NESTED = """SELECT {n} AS id, ['a', NULL] AS tags, [[1, 2], []] AS grid, MAP {{'k': {n}}} AS m,
    [1.5::DECIMAL(9, 2)] AS money,
    {{'a': {n}, 'b b': 'x', 'c': [1.5]}} AS s, [{{'when': TIMESTAMP '2026-01-01', 'ok': true}}] AS shifts,
    [1, 2]::DOUBLE[2] AS pair, [TIMESTAMPTZ '2026-01-01 00:00:00+00'] AS moments"""


def test_lists_structs_and_maps_take_a_second_file(wb, tmp_path):
    con = duckdb.connect()
    for n in (1, 2):
        con.execute(f"COPY ({NESTED.format(n=n)}) TO '{tmp_path / f'{n}.parquet'}'")
        assert wb.ingest(tmp_path / f"{n}.parquet", "t").outcome == ("created", "appended")[n - 1]

    assert {c.name: c.type for c in wb.lake.get("t").columns} == {
        "id": "int32", "tags": "list<element: string>", "grid": "list<element: list<element: int32>>",
        "m": "map<string, int32>", "money": "list<element: decimal128(9, 2)>",
        "s": "struct<a: int32, b b: string, c: list<element: decimal128(2, 1)>>",
        "shifts": "list<element: struct<when: timestamp[us], ok: bool>>", "pair": "list<element: double>",
        "moments": "list<element: timestamp[us, tz=UTC]>",
    }  # fmt: skip
    found = wb.sql('SELECT tags, grid, m, s.a, s."b b", shifts[1].ok FROM t ORDER BY id').table.to_pylist()
    assert [tuple(row.values()) for row in found] == [
        (["a", None], [[1, 2], []], [("k", n)], n, "x", True) for n in (1, 2)
    ]  # fmt: skip


def test_a_list_of_something_else_is_drift(wb, tmp_path):
    for name, tags in (("a", [["x"]]), ("b", [[1]])):
        pq.write_table(pa.table({"tags": tags}), tmp_path / f"{name}.parquet")
    wb.ingest(tmp_path / "a.parquet", "t")
    with pytest.raises(SchemaDriftError, match=r"tags list<element: string> → list<element: int64>"):
        wb.ingest(tmp_path / "b.parquet", "t")


def test_a_table_with_an_empty_cell_in_every_column_loads_and_a_row_of_nothing_else_is_left_out(wb, tmp_path):
    path = tmp_path / "gaps.csv"
    path.write_text("a,b,c\n1,,x\n,2,\n,,\n3,4,\n", encoding="utf-8")
    report = wb.ingest(path, "gaps")
    assert wb.sql("SELECT * FROM gaps").table.to_pylist() == [
        {"a": 1, "b": None, "c": "x"},
        {"a": None, "b": 2, "c": None},
        {"a": 3, "b": 4, "c": None},
    ]
    assert "1 blank row left out" in report.findings


def wide_rows(tmp_path: Path) -> Path:
    """4,200 rows of 5 KB: so large a file that its load starts from its head alone."""
    words = [f"{(i * 7919) % 999_983:06d}abcdefghi" for i in range(4_000)]
    texts = (" ".join(words[(i * 13 + j * 17) % 4_000] for j in range(320)) for i in range(4_200))
    return put(tmp_path, "id,text,city\n" + "".join(f"{i},{text},Joliet\n" for i, text in enumerate(texts)))


# Groups of 30,720 rows do not fit in 60 MB; the careful reader's own text takes more than they do.
@pytest.mark.parametrize(("quarantine", "memory_mb"), [(False, 50), (True, 240)])
def test_wide_rows_go_in_small_groups_and_need_no_more_memory(tmp_path, quarantine, memory_mb):
    with workbench.connect(tmp_path / "lake", ingest_memory_mb=memory_mb) as small:
        assert small.ingest(wide_rows(tmp_path), "texts", quarantine=quarantine).rows == 4_200
    (part,) = (tmp_path / "lake" / "datasets" / "texts").glob("*.parquet")
    facts = pq.ParquetFile(part).metadata
    assert max(facts.row_group(i).num_rows for i in range(facts.num_row_groups)) <= 2_048


def test_a_file_that_needs_more_memory_says_which_setting_allows_it(tmp_path):
    with (
        workbench.connect(tmp_path / "lake", ingest_memory_mb=8) as tiny,
        pytest.raises(InvalidError, match=r"roster\.csv needs more memory") as caught,
    ):
        tiny.ingest(wide_rows(tmp_path), "texts")
    assert "LH_INGEST_MEMORY_MB" in caught.value.hint


def test_row_groups_hold_whole_vectors_and_about_as_much_text():
    sizes = [group_rows(width) for width in (0, 100, 576, 1_000, 5_000, 50_000)]
    assert sizes == [ROW_GROUP, ROW_GROUP, ROW_GROUP, 16_384, 2_048, 2_048]
