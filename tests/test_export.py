"""Exports: every format comes back as it went out, PII is masked, a file is whole or not there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import workbench
from workbench.errors import ConflictError, InvalidError, NotFoundError, QueryError

ROSTER = '''worker_id,name,city,zip,phone,rate,started
1,Ann Lee,Joliet,06001,312-555-0101,18.50,2026-01-05
2,"Cruz, Bo ""B""",Gary,46401,219-555-0100,21.25,2025-11-30
3,Zoë Ng,,60601,,17.00,2026-03-01
'''
ENDINGS = ["csv", "tsv", "parquet", "ndjson", "jsonl", "json"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A lake of this file's own, for copies: to ingest it anew for each test would cost more than the tests."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "roster.csv").write_text(ROSTER, encoding="utf-8")
    with workbench.connect(folder / "lake") as opened:
        opened.ingest(folder / "roster.csv", "workers")
    return folder


@pytest.fixture
def wb(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    with workbench.connect(tmp_path / "lake") as opened:
        yield opened


def rows(wb, name):
    return wb.sql(f"SELECT * FROM {name} ORDER BY worker_id", show_pii=True).table


def files(folder):
    return sorted(p.name for p in folder.iterdir() if p.is_file())


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_format_comes_back_as_it_went_out(wb, tmp_path, ending):
    out = tmp_path / f"out.{ending}"
    assert wb.lake.export("workers", out, show_pii=True) == 3
    wb.ingest(out, "again")
    there, back = rows(wb, "workers"), rows(wb, "again")
    assert back.column_names == there.column_names
    assert [[str(v) for v in row.values()] for row in back.to_pylist()] == [
        [str(v) for v in row.values()] for row in there.to_pylist()
    ]
    assert back.column("zip").to_pylist() == ["06001", "46401", "60601"]


def test_parquet_keeps_the_types(wb, tmp_path):
    wb.lake.export("workers", tmp_path / "out.parquet", show_pii=True)
    assert pq.read_table(tmp_path / "out.parquet").schema.types == rows(wb, "workers").schema.types


@pytest.mark.parametrize("ending", ENDINGS)
def test_personal_data_is_masked_unless_asked_for(wb, tmp_path, ending):
    out = tmp_path / f"out.{ending}"
    for source in ("workers", "SELECT 'call ' || phone AS note, upper(name) AS n FROM workers"):
        wb.lake.export(source, out, force=True)
        body = out.read_bytes()
        for secret in (b"312-555-0101", b"5550101", b"Ann Lee", b"ANN LEE", b"Cruz"):
            assert secret not in body
    wb.lake.export("workers", out, show_pii=True, force=True)
    assert b"312-555-0101" in out.read_bytes()


def test_a_file_that_is_there_is_not_written_over_unless_forced(wb, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("mine")
    with pytest.raises(ConflictError, match=r"out\.csv is there already") as refused:
        wb.lake.export("workers", out)
    assert "--force" in refused.value.hint
    assert out.read_text() == "mine"
    assert wb.lake.export("workers", out, force=True) == 3
    assert out.read_text() != "mine"


def test_a_file_that_somebody_makes_meanwhile_is_not_written_over(wb, tmp_path):
    out = tmp_path / "out.csv"

    def meanwhile(stage, done, total):
        out.write_text("theirs")

    with pytest.raises(ConflictError):
        wb.lake.export("workers", out, progress=meanwhile)
    assert out.read_text() == "theirs"
    assert files(tmp_path) == ["out.csv", "roster.csv"]


@pytest.mark.parametrize("force", [False, True])
def test_an_export_that_stops_half_way_leaves_nothing(wb, tmp_path, force):
    out = tmp_path / "out.csv"
    if force:
        out.write_text("mine")

    def stop(stage, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wb.lake.export("workers", out, progress=stop, force=force)
    with pytest.raises(QueryError):  # fails in the second half of the rows
        wb.lake.export("SELECT 1 / CAST(CASE WHEN i < 40000 THEN '1' ELSE 'x' END AS INT) FROM range(80000) t(i)", out,
                       force=force)  # fmt: skip
    assert files(tmp_path) == (["out.csv", "roster.csv"] if force else ["roster.csv"])
    assert not force or out.read_text() == "mine"


def test_an_older_version_and_bind_parameters(wb, tmp_path):
    (tmp_path / "more.csv").write_text(ROSTER.replace("\n1,", "\n7,").replace("\n2,", "\n8,").replace("\n3,", "\n9,"))
    wb.ingest(tmp_path / "more.csv", "workers")
    assert wb.lake.export("workers@1", tmp_path / "old.csv") == 3
    assert wb.lake.export("workers", tmp_path / "new.csv") == 6
    some = "SELECT city FROM workers WHERE city = $city"
    assert wb.lake.export(some, tmp_path / "some.csv", params={"city": "Gary"}) == 2


def test_what_cannot_be_exported_is_said_before_anything_is_written(wb, tmp_path):
    for source, out, kind, words in (
        ("workers", "out.xls", InvalidError, "One of: .csv"),
        ("workers", "no/such/out.csv", InvalidError, "mkdir -p"),
        ("wrokers", "out.csv", NotFoundError, "workers"),
        ("DROP TABLE workers", "out.csv", QueryError, ""),
    ):
        with pytest.raises(kind) as refused:
            wb.lake.export(source, tmp_path / out)
        assert words in refused.value.hint
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InvalidError, match="is a folder"):
        wb.lake.export("workers", tmp_path / "folder.csv", force=True)
    for folder in (tmp_path, tmp_path / "folder.csv", Path(), Path("..")):
        with pytest.raises(InvalidError, match="is a folder") as refused:
            wb.lake.export("workers", folder)
        assert refused.value.message.startswith(str(folder))
        assert str(folder / "export.csv") in refused.value.hint
    assert files(tmp_path) == ["roster.csv"]


def test_a_type_that_the_format_cannot_hold_names_the_one_that_can(wb, tmp_path):
    lists = "SELECT city, list(worker_id ORDER BY 1) AS ids FROM workers GROUP BY 1 ORDER BY 1"
    with pytest.raises(InvalidError, match=r"\.csv cannot hold") as refused:
        wb.lake.export(lists, tmp_path / "out.csv")
    assert "out.parquet" in refused.value.hint
    assert wb.lake.export(lists, tmp_path / "out.json") == 3
    assert json.loads((tmp_path / "out.json").read_text())[0] == {"city": "Gary", "ids": [2]}


def test_json_is_json(wb, tmp_path):
    odd = (
        "SELECT 12.50::DECIMAL(9,2) AS d, 'nan'::DOUBLE AS n, 'a\"b' AS q, NULL AS z, 1 AS x, 2 AS x, "
        "TIME '08:30' AS t, DATE '2026-01-05' AS day"
    )
    wb.lake.export(odd, tmp_path / "out.json")
    text = (tmp_path / "out.json").read_text()
    [row] = json.loads(text)
    assert row == {"d": 12.5, "n": None, "q": 'a"b', "z": None, "x": 1, "x_2": 2, "t": "08:30:00", "day": "2026-01-05"}
    assert "12.50" in text
    assert wb.lake.export("SELECT 1 AS a WHERE false", tmp_path / "none.json") == 0
    assert json.loads((tmp_path / "none.json").read_text()) == []


def test_the_command_refuses_and_forces(wb, tmp_path):
    def lh(*words):
        command = [str(Path(sys.executable).with_name("lh")), "export", *words, "--lake", str(tmp_path / "lake")]
        return subprocess.run(command, capture_output=True, text=True, env=os.environ)

    out = tmp_path / "x.csv"
    first = lh("workers", str(out))
    assert (first.returncode, first.stdout.split()[:2]) == (0, ["3", "rows"])
    assert "Ann Lee" not in out.read_text()
    again = lh("workers", str(out))
    assert again.returncode == 1
    assert "is there already" in again.stderr
    assert lh("workers", str(out), "--force", "--show-pii").returncode == 0
    assert "Ann Lee" in out.read_text()
