"""Canonical JSON against the RFC 8785 library, lines that are no rows, files written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import math
import os
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from workbench import records
from workbench.errors import InvalidError
from workbench.records import Unreadable, append, canonical, encode, lines, parse, replacing, sig_hash, signed

NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=20
)
ROWS = st.dictionaries(TEXTS, VALUES, max_size=6)
READABLE = ROWS.filter(lambda row: not _reads_as_large_integer(row))


def _reads_as_large_integer(value) -> bool:
    """A double between 2^53 and 10^21 is written without point and exponent, so a reader takes it for an integer."""
    if isinstance(value, dict | list):
        return any(map(_reads_as_large_integer, value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and 2**53 < abs(value) < 1e21


@given(VALUES)
def test_canonical_is_what_the_rfc_8785_library_writes(value):
    assert canonical(value) == rfc8785.dumps(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_written_as_ecmascript_does(number):
    assert canonical({"n": number}) == rfc8785.dumps({"n": number})


@given(READABLE)
def test_encode_keeps_the_order_and_writes_the_numbers_of_the_canonical_form(row):
    line = encode(row)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert list(json.loads(line)) == list(row)
    assert canonical(json.loads(line)) == canonical(row)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (1e21, "1e+21"),
        (1e16, "10000000000000000"),
        (0.000001, "0.000001"),
        (1e-7, "1e-7"),
        (333333333.33333329, "333333333.3333333"),
        ({"b": 1, "a": {"d": [3.0], "c": ""}}, '{"a":{"c":"","d":[3]},"b":1}'),
        ({"\ue000": 1, "\U0001f600": 2}, '{"\U0001f600":2,"\ue000":1}'),
        ('é\u2028\x00\x1f\x7f"\\/\b\f\n\r\t', '"é\u2028\\u0000\\u001f\x7f\\"\\\\/\\b\\f\\n\\r\\t"'),
    ],
)
def test_canonical_bytes(value, written):
    assert canonical(value).decode() == written


def test_keys_are_sorted_at_every_depth():
    assert canonical([{"b": {"z": 1, "y": [{"q": 0, "p": 0}]}, "a": 2}]) == (
        b'[{"a":2,"b":{"y":[{"p":0,"q":0}],"z":1}}]'
    )


@pytest.mark.parametrize("number", [2**53, -(2**53)])
def test_an_integer_of_2_to_53_is_written(number):
    assert canonical({"n": number, "x": 1e21}) == b'{"n":%d,"x":1e+21}' % number
    assert canonical({"n": number}) == b'{"n":%d}' % number


@pytest.mark.parametrize(
    "value",
    [
        2**53 + 1,
        -(2**53) - 1,
        10**30,
        math.nan,
        math.inf,
        -math.inf,
        "\ud800",
        {1: 2},
        {"a": {None: 1}},
        b"",
        pytest.param(object(), id="object"),
    ],
    ids=repr,
)
def test_what_has_no_canonical_form_is_refused(value):
    for writer in (canonical, sig_hash, encode):
        with pytest.raises(InvalidError, match="no canonical JSON"):
            writer({"deep": [value]} if not isinstance(value, dict) else value)


def test_a_value_nested_too_deep_is_refused_not_a_crash():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidError):
        canonical(deep)
    assert isinstance(signed(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), Unreadable)


def test_sig_hash_is_the_sha_256_of_the_canonical_bytes():
    assert sig_hash({"b": 1.0, "a": "ü"}) == hashlib.sha256('{"a":"ü","b":1}'.encode()).hexdigest()
    assert sig_hash({"a": "ü", "b": 1}) == sig_hash({"b": 1.0, "a": "ü"})
    assert sig_hash({"a": "ü", "b": 2}) != sig_hash({"a": "ü", "b": 1})


@given(READABLE)
def test_a_written_row_has_the_hash_that_its_line_has(row):
    read = signed(encode(row).strip())
    assert not isinstance(read, Unreadable)
    assert read[1] == sig_hash(row)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"{", "not_json"),
        (b"nan", "not_json"),
        (b'{"a":NaN}', "not_json"),
        (b'{"a":1e999}', "not_json"),
        (b'{"a":"\xff"}', "not_json"),
        (b'{"a":"\\ud800"}', "not_json"),
        (b'\xef\xbb\xbf{"a":1}', "not_json"),
        (b'{"a":1} {"a":2}', "not_json"),
        (b"[1]", "not_an_object"),
        (b"7", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"a"', "not_an_object"),
        (b"true", "not_an_object"),
        (b'{"a":9007199254740993}', "no_canonical_form"),
        (b'{"a":[{"b":-100000000000000000000000}]}', "no_canonical_form"),
    ],
)
def test_a_line_that_is_no_row_is_told_not_raised(raw, reason):
    read = signed(raw)
    assert isinstance(read, Unreadable)
    assert read.reason == reason
    assert read.detail


def test_provenance_writes_offset_zero_and_leaves_out_only_an_absent_one():
    there = records.Provenance("a.jsonl", "f" * 64, "2026-04-27T00:00:00Z", 0)
    assert list(there.to_dict().items())[:2] == [("source_file", "a.jsonl"), ("line_offset", 0)]
    assert "line_offset" not in records.Provenance("a", "f" * 64, "2026-04-27T00:00:00Z").to_dict()


def test_lines_have_their_number_and_blank_ones_are_counted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a":1}\r\n\n  \n{"b":2}\n{"torn')
    assert list(lines(path)) == [(0, b'{"a":1}'), (3, b'{"b":2}'), (4, b'{"torn')]
    assert list(lines(path, start=13, stop=21, first=3)) == [(3, b'{"b":2}')]
    assert list(lines(tmp_path / "absent")) == []


def test_rows_of_our_own_files_say_where_a_bad_line_is(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a":1}\n{"b"\n')
    with pytest.raises(InvalidError, match=r"a\.jsonl, line 2"):
        list(records.rows(path))


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "deep" / "a.jsonl"
    with replacing(path) as file:
        file.write(b"1\n")
        assert not path.exists()
    assert path.read_bytes() == b"1\n"
    assert [each.name for each in path.parent.iterdir()] == ["a.jsonl"]


def _write_and_fail(path: Path) -> None:
    with replacing(path, keep=True) as file:
        file.write(b"new\n")
        raise RuntimeError("in the middle")


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"old\n")
    with pytest.raises(RuntimeError, match="in the middle"):
        _write_and_fail(path)
    assert path.read_bytes() == b"old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_keep_adds_to_the_whole_lines_and_drops_a_torn_one(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n2\n{torn")
    with replacing(path, keep=True) as file:
        file.write(b"3\n")
    assert path.read_bytes() == b"1\n2\n3\n"


@pytest.mark.parametrize("torn", [records.COPY_BYTES - 1, records.COPY_BYTES, 3 * records.COPY_BYTES])
def test_a_torn_line_of_any_length_goes(tmp_path, torn):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"1\n" + b"x" * torn)
    with replacing(path, keep=True) as file:
        file.write(b"2\n")
    assert path.read_bytes() == b"1\n2\n"


def test_keep_leaves_an_unchanged_file_alone(tmp_path):
    path, absent = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    path.write_bytes(b"1\n")
    os.utime(path, ns=(1, 1))
    for each in (path, absent):
        with replacing(each, keep=True):
            pass
    assert path.stat().st_mtime_ns == 1
    assert list(tmp_path.iterdir()) == [path]


def test_append_keeps_what_is_there_and_starts_a_line_of_its_own(tmp_path):
    path = tmp_path / "deep" / "a.jsonl"
    append(path, {"a": 1.0})
    with path.open("ab") as file:
        file.write(b'{"torn')
    append(path, {"b": ""})
    assert path.read_bytes() == b'{"a":1}\n{"torn\n{"b":""}\n'


def test_sha256_of_a_file(tmp_path):
    path: Path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert records.sha256_file(path) == hashlib.sha256(b"abc").hexdigest()


def test_a_number_without_a_fraction_is_an_integer_however_it_is_written():
    row = parse(b'{"a":1.0,"b":-0.0,"c":2e3,"d":0.5,"e":1e300,"f":9007199254740992.0}')
    assert row == {"a": 1, "b": 0, "c": 2000, "d": 0.5, "e": 1e300, "f": 2**53}
    assert isinstance(row, dict)
    assert [type(value).__name__ for value in row.values()] == ["int", "int", "int", "float", "float", "int"]
