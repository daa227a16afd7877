"""Nasty files, one by one: what a careful person would type from them by hand, and what is set aside."""

from __future__ import annotations

import gzip
import hashlib
import io
import zipfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

import workbench
from workbench.errors import InvalidError
from workbench.lake.files.dialect import Overrides
from workbench.lake.files.sources import Reading
from workbench.lake.loading.report import Report


def read(
    folder: Path, body: bytes, name: str = "file.csv", *, text: bool = False, known: Sequence[str] = (), **overrides
) -> tuple[Report, list]:
    """What an ingest says of the file, and the rows that came of it as tuples of text, through the public verbs.

    What its columns are called a dry run says, unless it is ``known``.
    """
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(body)
    how = Reading(Overrides(**overrides), text=text)
    with workbench.connect(folder / "lake", user="tester") as wb:
        names = known or [c.name for c in wb.ingest(path, "t", how=how, dry_run=True, max_rejects=10**6).columns]
        types = {} if text else dict.fromkeys(names, "text")
        done = wb.ingest(path, "t", how=how, types=types, max_rejects=10**6)
        rows = wb.sql("SELECT * FROM t", show_pii=True).table.to_pylist()
    return done, [tuple(row.values()) for row in rows]


# name → (bytes, names, rows, reasons of rejects by line, words that the findings hold)
CASES: dict[str, tuple[bytes, list[str], list[tuple], dict[int, str], list[str]]] = {
    "plain": (b"a,b\n1,2\n", ["a", "b"], [("1", "2")], {}, []),
    "no line end at the end": (b"a,b\n1,2", ["a", "b"], [("1", "2")], {}, []),
    "semicolons, decimal commas": (b"pay;hours\n1,5;2,5\n2,5;3\n", ["pay", "hours"], [("1,5", "2,5"), ("2,5", "3")], {}, ["';'"]),
    "tabs": (b"a\tb\nx, y\t2\nz, w\t3\n", ["a", "b"], [("x, y", "2"), ("z, w", "3")], {}, ["tab"]),
    "pipes": (b"a|b|c\n1|2|3\n4||6\n", ["a", "b", "c"], [("1", "2", "3"), ("4", None, "6")], {}, ["'|'"]),
    "two pipes": (b"a||b||c\n1||x|y||3\n4||5||6\n", ["a", "b", "c"], [("1", "x|y", "3"), ("4", "5", "6")], {}, ["'||'"]),
    "a strange delimiter": (b"a<|>b<|>c\n1<|>2<|>3\n4<|><|>6\n", ["a", "b", "c"], [("1", "2", "3"), ("4", None, "6")], {}, ["'<|>'"]),
    "control characters": (b"a\x01b\n1\x012\n3\x014\n", ["a", "b"], [("1", "2"), ("3", "4")], {}, []),
    "sep line": (b"sep=;\na;b\n1;2\n", ["a", "b"], [("1", "2")], {}, ["above"]),
    "byte order mark": ("\ufeffa,b\n1,é\n".encode(), ["a", "b"], [("1", "é")], {}, []),
    "utf-16": ("a,b\n1,é\n".encode("utf-16"), ["a", "b"], [("1", "é")], {}, ["utf-16"]),
    "utf-16 without its mark": ("name,city\nAnn,Joliet\n".encode("utf-16-le"), ["name", "city"], [("Ann", "Joliet")], {}, ["utf-16-le"]),
    "cp1252": ("name,pay\nZoë,£5\nRené,£6\n".encode("cp1252"), ["name", "pay"], [("Zoë", "£5"), ("René", "£6")], {}, ["cp1252"]),
    "two encodings": ("name,b\nZoë,1\n".encode() + "René,2\n".encode("cp1252"), ["name", "b"], [("Zoë", "1"), ("René", "2")], {}, ["cp1252"]),
    "crlf": (b"a,b\r\n1,2\r\n3,4\r\n", ["a", "b"], [("1", "2"), ("3", "4")], {}, []),
    "cr": (b"a,b\r1,2\r3,4\r", ["a", "b"], [("1", "2"), ("3", "4")], {}, ["line ends are \\r"]),
    "mixed line ends": (b"a,b\n1,2\r\n3,4\r5,6\n", ["a", "b"], [("1", "2"), ("3", "4"), ("5", "6")], {}, ["mixed line ends"]),
    "quoted line ends and delimiters": (b'a,b\n1,"x,\n""y"""\n2,z\n', ["a", "b"], [("1", 'x,\n"y"'), ("2", "z")], {}, []),
    "backslash escapes": (b'a,b\n1,"say \\"hi\\", ok"\n2,"plain"\n', ["a", "b"], [("1", 'say "hi", ok'), ("2", "plain")], {}, ["backslash"]),
    "doubled and backslash escapes": (
        b'a,b\n1,"say ""hi"""\n2,"say \\"ho\\""\n3,"5 \\" wide"\n', ["a", "b"],
        [("1", 'say "hi"'), ("2", 'say "ho"'), ("3", '5 " wide')], {}, [],
    ),
    "a path is no escape": (b'a,b\n1,"C:\\dir\\"\n2,"x"\n', ["a", "b"], [("1", "C:\\dir\\"), ("2", "x")], {}, []),
    "single quotes": (b"a,b\n'1','x, y'\n'2','z'\n", ["a", "b"], [("1", "x, y"), ("2", "z")], {}, ["quoted with '"]),
    "space before quotes": (b'a, b\n1, "x, y"\n2, "z"\n', ["a", "b"], [("1", "x, y"), ("2", "z")], {}, []),
    "inches": (b'a,b\n1,5" pipe\n2,6" pipe\n', ["a", "b"], [("1", '5" pipe'), ("2", '6" pipe')], {}, []),
    "quotes in quotes": (b'a,b\n1,"Joe "Bud" Fox"\n2,z\n', ["a", "b"], [("1", 'Joe "Bud" Fox'), ("2", "z")], {}, ["quotes inside cells"]),
    "a quote never closed": (b'a,b,c\n1,"x,3\n2,y,4\n3,"z",5\n', ["a", "b", "c"], [("2", "y", "4"), ("3", "z", "5")], {2: "quote"}, []),
    "a quote never closed, none after": (b'a,b,c\n1,"x,3\n2,y,4\n', ["a", "b", "c"], [("2", "y", "4")], {2: "quote"}, []),
    "two quotes never closed": (
        b'a,b\n1,"x\n2,y\n3,"z\n4,w\n', ["a", "b"], [("2", "y"), ("4", "w")], {2: "quote", 4: "quote"}, [],
    ),
    "title": (b"Roster of March\n\nid,name,city\n1,Ann,Joliet\n2,Bo,Gary\n", ["id", "name", "city"], [("1", "Ann", "Joliet"), ("2", "Bo", "Gary")], {}, ["Roster of March"]),
    "padded title of two lines": (b'"Roster\nof March",,\n,,\nid,name,city\n1,Ann,Joliet\n2,Bo,Gary\n', ["id", "name", "city"], [("1", "Ann", "Joliet"), ("2", "Bo", "Gary")], {}, ["Roster of March"]),
    "names and values above": (
        b"Report:,Hours,,\nDate:,2026-03-01,,\nid,name,hours,rate\n1,Ann,8,20\n2,Bo,7,21\n", ["id", "name", "hours", "rate"],
        [("1", "Ann", "8", "20"), ("2", "Bo", "7", "21")], {}, ["2 rows above"],
    ),
    "header of two rows": (
        b"worker,,pay,\nfirst,last,rate,hours\nAnn,Lee,20,8\nBo,Cruz,21,7\n", ["worker first", "worker last", "pay rate", "pay hours"],
        [("Ann", "Lee", "20", "8"), ("Bo", "Cruz", "21", "7")], {}, ["header over 2 rows"],
    ),
    "units under the header": (b"id,pay,time\n,USD,hours\n1,20,8\n2,21,7\n", ["id", "pay USD", "time hours"], [("1", "20", "8"), ("2", "21", "7")], {}, ["header over 2"]),
    "no header": (b"1,Ann,2026-01-01\n2,Bo,2026-01-02\n3,Cy,2026-01-03\n", ["column_1", "column_2", "column_3"], [("1", "Ann", "2026-01-01"), ("2", "Bo", "2026-01-02"), ("3", "Cy", "2026-01-03")], {}, ["no header"]),
    "years for names": (b"state,2019,2020,2021\nIL,5,6,7\nIN,8,9,1\n", ["state", "2019", "2020", "2021"], [("IL", "5", "6", "7"), ("IN", "8", "9", "1")], {}, []),
    "names all words": (b"name,city\nAnn,Joliet\nBo,Gary\n", ["name", "city"], [("Ann", "Joliet"), ("Bo", "Gary")], {}, []),
    "one column": (b"name\nAnn Lee\nBo Cruz\n", ["name"], [("Ann Lee",), ("Bo Cruz",)], {}, []),
    "a name missing": (b"id,,city\n1,Ann,Joliet\n", ["id", "column_2", "city"], [("1", "Ann", "Joliet")], {}, ["column 2 without"]),
    "a column of nothing": (b"id,,city\n1,,Joliet\n2,,Gary\n", ["id", "city"], [("1", "Joliet"), ("2", "Gary")], {}, ["blank column 2"]),
    "names twice": (b"id,name,Name\n1,a,b\n", ["id", "name", "Name_2"], [("1", "a", "b")], {}, []),
    "header too short": (b"id,name\n1,Ann,x\n2,Bo,y\n", ["id", "name", "column_3"], [("1", "Ann", "x"), ("2", "Bo", "y")], {}, []),
    "a comma too many everywhere": (b"id,name\n1,Ann,\n2,Bo,\n", ["id", "name"], [("1", "Ann"), ("2", "Bo")], {}, []),
    "short row": (b"a,b,c\n1,2,3\n4,5\n", ["a", "b", "c"], [("1", "2", "3"), ("4", "5", None)], {}, ["1 row shorter"]),
    "long row": (b"a,b\n1,2\n3,4,5\n6,7\n", ["a", "b"], [("1", "2"), ("6", "7")], {3: "3 cells where 2"}, []),
    "blank rows": (b"a,b,c\n1,2,3\n\n,,\n  \n4,5,6\n", ["a", "b", "c"], [("1", "2", "3"), ("4", "5", "6")], {}, ["3 blank rows"]),
    "notes at the end": (
        b"a,b,c\n1,2,3\n4,5,6\n\nSource: payroll\n* estimated,,\n", ["a", "b", "c"], [("1", "2", "3"), ("4", "5", "6")],
        {5: "trailing note", 6: "trailing note"}, [],
    ),
    "a label between rows": (b"a,b,c\nx,2,3\nOf which:,,\ny,1,1\n", ["a", "b", "c"], [("x", "2", "3"), ("y", "1", "1")], {3: "section label"}, []),
    "a name alone is a row": (b"a,b,c\nx,2,3\ny,,\nz,1,1\n", ["a", "b", "c"], [("x", "2", "3"), ("y", None, None), ("z", "1", "1")], {}, []),
    "a total": (b"a,b\nx,2\nTotal,2\n", ["a", "b"], [("x", "2"), ("Total", "2")], {}, ["looks like a total"]),
    "the header again": (b"a,b\nx,2\na,b\ny,3\n", ["a", "b"], [("x", "2"), ("y", "3")], {3: "the header again"}, []),
    "NUL in a row": (b"a,b,c\n1,2,3\n4,x\x00y,6\n\x00\x00\n7,8,9\n", ["a", "b", "c"], [("1", "2", "3"), ("7", "8", "9")], {3: "NUL"}, ["1 blank"]),
    "the end mark of old systems": (b"a,b\n1,2\n\x1a", ["a", "b"], [("1", "2")], {}, []),
    "blanks around cells": ("a , b\n 1\t,\u00a02 \n3,4\n".encode(), ["a", "b"], [("1", "2"), ("3", "4")], {}, []),
    "header only": (b"a,b\n", ["a", "b"], [], {}, []),
    "quoted header only": (b'"a","b"', ["a", "b"], [], {}, []),
    "line ends in the header": (b'id,"full\nname"\n1,Ann\n', ["id", "full name"], [("1", "Ann")], {}, []),
    "other scripts": ("名前,都市\n田中,東京\n".encode(), ["名前", "都市"], [("田中", "東京")], {}, []),
    "gzip": (gzip.compress(b"a,b\n1,2\n"), ["a", "b"], [("1", "2")], {}, ["gzip"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_nasty_file_is_read_as_a_person_would(tmp_path, case):
    body, names, rows, rejects, findings = CASES[case]
    done, found = read(tmp_path, body)
    assert [c.name for c in done.columns] == names
    assert found == rows
    told = {r["line"]: r["reason"] for r in done.rejects.to_pylist()}
    assert set(told) == set(rejects)
    assert all(rejects[line] in told[line] for line in rejects)
    assert all(any(words in finding for finding in done.findings) for words in findings), done.findings


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("rows", [1, 2, 1_000, 30_000])
def test_every_line_end_gives_every_row(tmp_path, end, rows):
    for last in (b"", end):
        body = end.join([b"id,name", *(b'%d,"Ann, %d"' % (i, i) for i in range(rows))]) + last
        done, found = read(tmp_path / str(len(last)) if last else tmp_path, body)
        assert (done.rows, len(found), done.rejected) == (rows, rows, 0)
        assert found[-1] == (str(rows - 1), f"Ann, {rows - 1}")


def zipped(**files: bytes) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return body.getvalue()


@pytest.mark.parametrize(
    ("overrides", "body", "names", "rows"),
    [
        ({"delimiter": ";"}, b"a,b;c\n1,2;3\n", ["a,b", "c"], [("1,2", "3")]),
        ({"delimiter": "<>"}, b"a<>b\n1<>2\n", ["a", "b"], [("1", "2")]),
        ({"quote": "'"}, b"a,b\n1,'x,y'\n2,\"z\n", ["a", "b"], [("1", "x,y"), ("2", '"z')]),
        ({"quote": ""}, b'a,b\n1,"x\n2,y"\n', ["a", "b"], [("1", '"x'), ("2", 'y"')]),
        ({"escape": "backslash"}, b'a,b\n1,"\\"x\\""\n', ["a", "b"], [("1", '"x"')]),
        ({"skip_lines": 2}, b"x,y\n1,2\na,b\n3,4\n", ["a", "b"], [("3", "4")]),
        ({"header_rows": 0}, b"a,b\nc,d\n", ["column_1", "column_2"], [("a", "b"), ("c", "d")]),
        ({"header_rows": 2}, b"a,b\nc,d\ne,f\n", ["a c", "b d"], [("e", "f")]),
        ({"header_rows": 0, "names": ("x", "y")}, b"a,b\nc,d\n", ["x", "y"], [("a", "b"), ("c", "d")]),
        ({"names": ("x", "y")}, b"a,b\n1,2\n", ["x", "y"], [("1", "2")]),
        ({"trailing_lines": 2}, b"a,b\n1,2\nx,y\nz,w", ["a", "b"], [("1", "2")]),
        ({"encoding": "cp1251"}, "a,b\n1,Ж\n".encode("cp1251"), ["a", "b"], [("1", "Ж")]),
    ],
)
def test_everything_that_is_found_can_be_said(tmp_path, overrides, body, names, rows):
    done, found = read(tmp_path, body, **overrides)
    assert ([c.name for c in done.columns], found) == (names, rows)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"encoding": "klingon"}, "no encoding"),
        ({"encoding": "utf-16"}, "is not utf-16"),
        ({"encoding": "ascii"}, "byte 6 does not fit"),
        ({"delimiter": ""}, "delimiter is empty"),
        ({"quote": "''"}, "no quote"),
        ({"escape": "caret"}, "no escape"),
        ({"skip_lines": -1}, "--skip-lines is negative"),
        ({"skip_lines": 9}, "holds no rows"),
        ({"names": ("x",)}, "1 names are given for 2 columns"),
    ],
)
def test_overrides_that_mean_nothing_are_refused(tmp_path, overrides, said):
    with pytest.raises(InvalidError, match=said) as refused:
        read(tmp_path, "a,b\n1,é\n2".encode(), **overrides)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty"),
        (b" \n\n \n", "holds no rows"),
        (b"%PDF-1.7\n...", "a PDF document"),
        (b"<!DOCTYPE html>\n<html><body>Log in</body></html>", "a web page"),
        (bytes(range(256)) * 20, "not a table of text"),
        (zipped(**{"a.csv": b"x,y\n", "b.csv": b"x,y\n"}), "archive of 2 files"),
        (zipped(**{"[Content_Types].xml": b"<x/>"}), "Office document"),
        (gzip.compress(b"a,b\n" * 999)[:-9], "damaged"),
        (gzip.compress(gzip.compress(b"a,b\n")), "packed twice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",  # packed bytes hold the time
)
def test_what_is_no_table_is_refused_with_a_way_out(tmp_path, body, said):
    with pytest.raises(InvalidError, match=said) as refused:
        read(tmp_path, body)
    assert refused.value.hint


def test_an_archive_of_one_file_is_that_file(tmp_path):
    done, rows = read(tmp_path, zipped(**{"a.csv": b"a,b\n1,2\n", "__MACOSX/a.csv": b"junk"}), "roster.zip")
    assert ([c.name for c in done.columns], rows) == (["a", "b"], [("1", "2")])
    assert done.findings == ("packed with zip",)


def test_text_keeps_every_cell_exactly(tmp_path):
    body = 'a,b,c\n 007 ,N/A,"x\ny"\n1e5,," - "\n\u00a0,\t,1.50\n'.encode()
    for overrides in ({}, {"trailing_lines": 0}):
        _, rows = read(tmp_path, body, text=True, **overrides)
        assert rows == [(" 007 ", "N/A", "x\ny"), ("1e5", "", " - "), ("\u00a0", "\t", "1.50")]


def test_rejects_know_their_place_in_the_file_as_it_came(tmp_path):
    text = "name,city\nZoë,Joliet\nRené,Gary,extra\nÉmile,Flint\n"
    for encoding in ("utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"):
        body = text.encode(encoding)
        done, _ = read(tmp_path / encoding, body)
        [reject] = done.rejects.to_pylist()
        mark = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}.get(encoding, encoding)
        assert body[reject["byte_offset"] :].decode(mark).startswith("René,Gary,extra"), encoding
        assert reject["line"] == 3


def test_a_line_of_many_megabytes_and_a_cell_of_many_lines(tmp_path):
    wide = "x" * (17 << 20)
    tall = "\n".join(f"line {i}, with a comma" for i in range(5_000))
    _, rows = read(tmp_path, f'id,text\n1,{wide}\n2,"{tall}"\n3,y\n'.encode())
    assert [(row[0], len(row[1])) for row in rows] == [("1", len(wide)), ("2", len(tall)), ("3", 1)]


def test_a_damaged_row_late_in_a_big_file_costs_itself(tmp_path):
    good = [f'{i},"Ann, {i}",Joliet' for i in range(60_000)]
    good[40_000] = '40000,"Ann, Joliet'
    done, rows = read(tmp_path, "\n".join(["id,name,city", *good]).encode())
    assert len(rows) == 59_999
    [reject] = done.rejects.to_pylist()
    assert (reject["line"], reject["raw"]) == (40_002, '40000,"Ann, Joliet')


ROWS = 25_000  # beyond those that are looked at first


@cache
def big() -> list[str]:
    """Rows of a file so large that its load starts before the whole of it was looked at (over 8 MiB)."""
    return [f'{i},"Ann, {i % 99}",{"x" * 350} {i},Joliet' for i in range(ROWS)]


LATE = {
    "nothing": (lambda rows: rows, ROWS, {}),
    "NUL": (lambda rows: [*rows[:-5], "1,a,\x00b,c", *rows[-5:]], ROWS, {ROWS - 3: "NUL"}),
    "a stray quote": (lambda rows: [*rows[:-5], '1,"a,b,c', *rows[-5:]], ROWS, {ROWS - 3: "quote"}),
    "the header": (lambda rows: [*rows[:-5], "id,name,text,city", *rows[-5:]], ROWS, {ROWS - 3: "header again"}),
    "a note": (lambda rows: [*rows, "", "Source: payroll"], ROWS, {ROWS + 3: "trailing note"}),
    "a long line": (lambda rows: [*rows[:-5], f"1,a,{'y' * (5 << 20)},c", *rows[-5:]], ROWS + 1, {}),
    "a blank beside a cell": (lambda rows: [*rows[:-5], '1,a ,b," c"', *rows[-5:]], ROWS + 1, {}),
    "a row of two lines": (lambda rows: [*rows[:-5], '1,"a\nb",x,c', *rows[-5:]], ROWS + 1, {}),
    "a cell too many": (lambda rows: [*rows[:-5], "1,a,b,c,d", *rows[-5:]], ROWS, {ROWS - 3: "5 cells"}),
}


@pytest.mark.parametrize("case", LATE)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_comes_late_in_a_large_file_is_seen(tmp_path, case, end):
    change, rows, rejects = LATE[case]
    body = end.join(["id,name,text,city", *change(big())]).encode() + end.encode()
    known = ("id", "name", "text", "city")
    done, found = read(tmp_path, body, known=known if end == "\r\n" else ())  # one dry run of each is enough
    assert tuple(c.name for c in done.columns) == known
    assert (done.rows, len(found), done.source.size_bytes) == (rows, rows, len(body))
    assert done.source.sha256 == hashlib.sha256(body).hexdigest()
    told = {r["line"]: r["reason"] for r in done.rejects.to_pylist()}
    assert set(told) == set(rejects)
    assert all(words in told[line] for line, words in rejects.items())
    assert all(cell == cell.strip() for row in found for cell in row if isinstance(cell, str))


def test_another_encoding_late_in_a_large_file_is_seen(tmp_path):
    body = "\n".join(["id,name,text,city", *big()]).encode() + "\n1,René,x,y\n".encode("cp1252")
    done, found = read(tmp_path, body)
    assert done.rows == ROWS + 1
    assert found[-1][1].startswith("René")
    assert any("cp1252" in finding for finding in done.findings)
