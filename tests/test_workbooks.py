"""Workbooks as users have them: under another name, empty, damaged, behind a password."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import openpyxl
import pytest

import workbench
from workbench.errors import InvalidError

ROWS = [["worker_id", "city"], [1, "Joliet"], [2, "Gary"]]


@pytest.fixture
def wb(tmp_path):
    with workbench.connect(tmp_path / "lake") as opened:
        yield opened


def book(path: Path, **sheets: list[list[object]]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for title, rows in sheets.items():
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(row)
    with path.open("wb") as out:
        made.save(out)
    return path


def protected(path: Path) -> Path:
    """What Excel makes of a workbook with a password: a compound file with an EncryptedPackage ([MS-CFB], 2.2)."""
    free, end, is_fat = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD

    def entry(name: str, kind: int, child: int = free, right: int = free) -> bytes:
        raw = (name + "\0").encode("utf-16-le")
        links = struct.pack("<HBBIII", len(raw), kind, 1, free, right, child)
        return raw.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", end, 0)

    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<5H", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<9I", 0, 1, 1, 0, 4096, end, 0, end, 0) + struct.pack("<109I", 0, *[free] * 108)
    fat = struct.pack("<128I", is_fat, end, *[free] * 126)
    entries = entry("Root Entry", 5, child=1) + entry("EncryptedPackage", 2, right=2) + entry("EncryptionInfo", 2)
    path.write_bytes(head + fat + entries.ljust(512, b"\0"))
    return path


def cut(path: Path) -> Path:
    path.write_bytes(book(path, hours=ROWS).read_bytes()[:-2000])
    return path


def noise(path: Path) -> Path:
    path.write_bytes(b"no workbook at all" * 50)
    return path


def broken_sheet(path: Path) -> Path:
    """The archive is whole, the table in it is not."""
    with zipfile.ZipFile(book(path.with_name("whole.xlsx"), hours=ROWS)) as whole, zipfile.ZipFile(path, "w") as out:
        for name in whole.namelist():
            out.writestr(name, whole.read(name)[: 200 if "sheet1" in name else None])
    return path


@pytest.mark.parametrize("make", [cut, noise, broken_sheet])
def test_a_damaged_workbook_is_told_without_the_words_of_a_library(wb, tmp_path, make):
    with pytest.raises(InvalidError, match=r"hours\.xlsx cannot be read: it is damaged, or no workbook") as refused:
        wb.ingest(make(tmp_path / "hours.xlsx"))
    assert "save it anew" in refused.value.hint
    assert wb.datasets() == []


def test_a_password_is_named_as_what_it_is(wb, tmp_path):
    with pytest.raises(InvalidError, match=r"hours\.xlsx cannot be read: it is protected by a password") as refused:
        wb.ingest(protected(tmp_path / "hours.xlsx"))
    assert "without the password" in refused.value.hint


@pytest.mark.parametrize("rows", [[], [["", None], [None, None]]])
def test_an_empty_sheet_names_the_workbook_and_a_sheet_to_read(wb, tmp_path, rows):
    path = book(tmp_path / "hours.xlsx", cover=rows, June=ROWS)
    with pytest.raises(InvalidError, match=r"Sheet 'cover' of hours\.xlsx is empty") as refused:
        wb.ingest(path)
    assert refused.value.hint.endswith("--sheet June")
    with pytest.raises(InvalidError, match="Sheet 'alone'"):
        wb.ingest(book(tmp_path / "alone.xlsx", alone=rows))


@pytest.mark.parametrize("name", ["hours.csv", "hours.txt", "hours", "hours.json"])
def test_a_workbook_under_another_name_is_read_as_one(wb, tmp_path, name):
    done = wb.ingest(book(tmp_path / name, hours=ROWS), "hours")
    assert wb.sql("SELECT * FROM hours ORDER BY worker_id").table.to_pylist() == [
        {"worker_id": 1, "city": "Joliet"},
        {"worker_id": 2, "city": "Gary"},
    ]
    assert done.source.file == name
    assert "sheet 'hours'" in done.findings


def test_a_zipped_table_and_another_office_document_are_no_workbooks(wb, tmp_path):
    with zipfile.ZipFile(tmp_path / "hours.csv", "w") as archive:
        archive.writestr("hours.csv", "worker_id,city\n1,Joliet\n")
    assert wb.ingest(tmp_path / "hours.csv", "hours").rows == 1
    with zipfile.ZipFile(tmp_path / "letter.csv", "w") as archive:
        for part in ("[Content_Types].xml", "word/document.xml"):
            archive.writestr(part, "<x/>")
    with pytest.raises(InvalidError, match=r"letter\.csv is an Office document"):
        wb.ingest(tmp_path / "letter.csv", "letter")
