"""JSON records as bytes: canonical form, hashes, provenance; JSONL files, read by line, written whole or not at all.

The canonical form is RFC 8785 (JSON Canonicalization Scheme): keys sorted by UTF-16 code units at every depth,
separators ``,`` and ``:``, UTF-8 without ASCII escaping, numbers as ECMAScript writes them (``1.0`` → ``1``).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from workbench.errors import InvalidError

MAX_INTEGER = 2**53  # beyond it a reader that keeps numbers as doubles may round (RFC 7493, section 2.2)
COPY_BYTES = 1 << 20
_PLAIN_LEAST, _PLAIN_MOST = 1e-4, 1e15  # between these every shortest-digits writer prints what ECMAScript prints
_INFINITE = frozenset({float("inf"), float("-inf")})
_SIMPLE = frozenset({str, bool, type(None)})
_AFTER_SURROGATES = re.compile(rb"[\xee-\xff]")  # UTF-8 of U+E000 and above: there UTF-16 order is not code point order
_sorted = msgspec.json.Encoder(order="deterministic")
_as_declared = msgspec.json.Encoder()


def _number(text: str) -> int | float:
    """A number as its canonical form has it: 8.0 is the integer 8, for a reader with types too."""
    number = float(text)
    if number in _INFINITE:
        raise ValueError(f"the number {text} is too large")
    return int(number) if number.is_integer() and -MAX_INTEGER <= number <= MAX_INTEGER else number


_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=_number)


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a record came from.

    ``source_file`` is a path relative to the root, with ``/``. ``line_offset`` is the line's number from 0, None when
    the source is not a file of lines. ``sig_hash`` is the SHA-256 of the source row in canonical JSON (64 lower-case
    hex). ``recorded_at`` is ISO 8601 with zone, as given.
    """

    source_file: str
    sig_hash: str
    recorded_at: str
    line_offset: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The mapping in the contract's order; ``line_offset`` 0 is written, only None is left out."""
        offset = {} if self.line_offset is None else {"line_offset": self.line_offset}
        return {"source_file": self.source_file, **offset, "sig_hash": self.sig_hash, "recorded_at": self.recorded_at}


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that could not become a row, and why: ``not_json``, ``not_an_object``, ``no_canonical_form``."""

    reason: str
    detail: str


def canonical(value: Any) -> bytes:
    """``value`` (what JSON can hold) as RFC 8785 bytes.

    Raises ``InvalidError`` for NaN, Infinity, an integer beyond ±2^53, a key that is no text, a lone surrogate and
    for any other type.
    """
    try:
        if _is_plain(value):
            fast = _sorted.encode(value)
            if fast.isascii() or not _AFTER_SURROGATES.search(fast):
                return fast
    except (UnicodeEncodeError, RecursionError, TypeError):
        pass  # the exact writer below says what is wrong
    return _exact(value)


def sig_hash(row: Any) -> str:
    """SHA-256 of ``row`` in canonical JSON, 64 lower-case hex digits."""
    return hashlib.sha256(canonical(row)).hexdigest()


def encode(row: Any) -> bytes:
    r"""``row`` as one line of bytes ending in ``\\n``: keys in the order they have, numbers as RFC 8785 writes them.

    Raises ``InvalidError`` for what ``canonical`` refuses too.
    """
    try:
        if _is_plain(row):
            return _as_declared.encode(row) + b"\n"
    except (UnicodeEncodeError, RecursionError, TypeError):
        pass
    return _exact(row, in_order=True) + b"\n"


def is_plain(value: Any) -> bool:
    """Whether every writer prints ``value`` as RFC 8785 does, key order aside. False is no verdict: it may still."""
    try:
        return _is_plain(value)
    except RecursionError:
        return False


def encode_plain(row: Any) -> bytes:
    """What ``encode`` gives, without looking: only for a row of texts and of values that ``is_plain`` has passed."""
    return _as_declared.encode(row) + b"\n"


def parse(raw: bytes) -> dict[str, Any] | Unreadable:
    """One line as a row, numbers without a fraction as integers. What is no JSON object is told, not raised."""
    try:
        row = _decoder.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError) as problem:
        return Unreadable("not_json", str(problem) or type(problem).__name__)
    if type(row) is not dict:
        return Unreadable("not_an_object", f"a JSON object is expected, this is {_kind(row)}")
    return row


def signed(raw: bytes) -> tuple[dict[str, Any], str] | Unreadable:
    """One line as ``(row, sig_hash)``; what has no canonical form (an integer beyond 2^53) is told, not raised."""
    row = parse(raw)
    if isinstance(row, Unreadable):
        return row
    try:
        return row, hashlib.sha256(canonical(row)).hexdigest()
    except InvalidError as problem:
        return Unreadable("no_canonical_form", problem.message)


def lines(path: Path, *, start: int = 0, stop: int | None = None, first: int = 0) -> Iterator[tuple[int, bytes]]:
    """``(line number from 0, raw bytes without the line end)`` of a JSONL file; blank lines count and are not given.

    ``start`` and ``stop`` are byte positions at line starts, ``first`` the number of the line at ``start``. A missing
    file has no lines.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        file.seek(start)
        left = float("inf") if stop is None else stop - start
        for number, line in enumerate(file, first):
            left -= len(line)
            raw = line.strip()
            if raw:
                yield number, raw
            if left <= 0:
                return


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """``(line number from 0, row)`` of a file that we wrote.

    Raises ``InvalidError`` at a line that is no JSON object, with its place.
    """
    for number, raw in lines(path):
        row = parse(raw)
        if isinstance(row, Unreadable):
            raise InvalidError(f"{path}, line {number + 1}: {row.detail}", hint="Restore the file or remove the line.")
        yield number, row


def sha256_file(path: Path) -> str:
    """SHA-256 of the file's bytes, 64 lower-case hex digits, in constant memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path, *, keep: bool = False) -> Iterator[IO[bytes]]:
    """Write a file whole or not at all: into ``<name>.part`` beside it, renamed when the block ends well.

    ``keep`` begins with the whole lines that are there (a torn last line goes), and leaves the file as it is, there or
    not, when the block adds nothing. A killed process leaves the old file and a ``.part`` that the next write replaces.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            there = path.stat().st_size if keep and path.exists() else 0
            kept = _copy_whole_lines(path, file) if there else 0
            yield file
            unchanged = keep and file.tell() == kept == there
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if unchanged:
        part.unlink()
    else:
        part.replace(path)


def append(path: Path, row: Any) -> None:
    """Append one record to an append-only log and push it to the disk. A torn last line stays, on a line of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = encode(row)
    with path.open("ab+") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _copy_whole_lines(path: Path, target: IO[bytes]) -> int:
    with path.open("rb") as source:
        while block := source.read(COPY_BYTES):
            target.write(block)
    kept = _end_of_last_line(path)
    target.seek(kept)
    target.truncate()
    return kept


def _end_of_last_line(path: Path) -> int:
    position = path.stat().st_size
    with path.open("rb") as file:
        while position > 0:
            begin = max(0, position - COPY_BYTES)
            file.seek(begin)
            found = file.read(position - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            position = begin
    return 0


def _is_plain(value: Any) -> bool:
    """Whether any JSON writer with sorted keys prints ``value`` as RFC 8785 does (keys aside)."""
    kind = type(value)
    if kind in _SIMPLE:
        return True
    if kind is int:
        return bool(-MAX_INTEGER <= value <= MAX_INTEGER)
    if kind is float:
        return _is_plain_float(value)
    if kind is list:
        return all(type(item) in _SIMPLE or _is_plain(item) for item in value)
    return kind is dict and _is_plain_mapping(value)


def _is_plain_mapping(row: dict[Any, Any]) -> bool:
    for key, value in row.items():
        if type(key) is not str or not (type(value) in _SIMPLE or _is_plain(value)):
            return False
    return True


def _is_plain_float(number: float) -> bool:
    return _PLAIN_LEAST <= abs(number) < _PLAIN_MOST and number != int(number)


def _exact(value: Any, *, in_order: bool = False) -> bytes:
    import rfc8785

    try:
        return _written(value, in_order=in_order)
    except (rfc8785.CanonicalizationError, RecursionError, UnicodeEncodeError) as problem:
        raise InvalidError(
            f"This value has no canonical JSON: {str(problem) or type(problem).__name__}",
            hint="JSON holds finite numbers, integers up to 2^53 and Unicode text; send larger numbers as text.",
        ) from problem


def _written(value: Any, *, in_order: bool) -> bytes:
    import rfc8785

    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise rfc8785.CanonicalizationError("a key is not a text")
        keys = value if in_order else sorted(value, key=_utf_16)
        members = (rfc8785.dumps(key) + b":" + _written(value[key], in_order=in_order) for key in keys)
        return b"{%s}" % b",".join(members)
    if isinstance(value, list | tuple):
        return b"[%s]" % b",".join(_written(item, in_order=in_order) for item in value)
    if type(value) is int and abs(value) == MAX_INTEGER:  # the library stops one earlier
        return str(value).encode()
    return rfc8785.dumps(value)


def _utf_16(key: str) -> bytes:
    return key.encode("utf-16-be")


def _kind(value: Any) -> str:
    names = {list: "a list", str: "a text", int: "a number", float: "a number", bool: "true or false"}
    return names.get(type(value), "null")
