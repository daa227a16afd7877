"""Generation: one tantivy index and its ledger of keys on disk, and which of them is the current one.

Folder::

    current                  the name of the current generation
    lock                     held by the one process that writes
    v<format>-<random>/      a tantivy index, and ``keys.ledger``

A generation only grows. To drop texts, a new one is made beside it and becomes current by one rename; the old one goes.
"""

from __future__ import annotations

import json
import shutil
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import filelock
import tantivy

from workbench.errors import BusyError, ConfigError
from workbench.search.lexical.ledger import Ledger, append_ledger, create_ledger, read_ledger
from workbench.search.vectors.segment import PARTIAL, Keys, sync_folder

VERSION = 1
TERMS = "terms"
SLOT = "slot"
CURRENT = "current"
_LOCK, _LEDGER = "lock", "keys.ledger"
_PREFIX = f"v{VERSION}-"
# tantivy 0.27: a segment's file ends in a JSON footer with the CRC-32 of what is before, its length, this number.
_FOOTER = struct.Struct("<II")
_FOOTER_MAGIC = 1337
_CHUNK_BYTES = 1 << 22
_SMALL_ADD = 10_000
_SMALL_HEAP, _LARGE_HEAP = 20_000_000, 200_000_000  # bytes; tantivy refuses less than 15 MB
_ATTEMPTS = 5  # a generation may be replaced while it is being opened


@dataclass(frozen=True, slots=True)
class Generation:
    """An open generation as of one moment: ``count`` texts, slots 0 to count − 1."""

    path: Path
    index: tantivy.Index
    searcher: tantivy.Searcher
    ledger: Ledger

    @property
    def count(self) -> int:
        """How many texts it has."""
        return int(self.searcher.num_docs)


def schema() -> tantivy.Schema:
    """Terms as they come from ``words`` (parts, then joined terms as a second value), and the slot."""
    builder = tantivy.SchemaBuilder()
    builder.add_text_field(TERMS, stored=True, tokenizer_name="whitespace", index_option="position")
    builder.add_unsigned_field(SLOT, indexed=True, fast=True)
    return builder.build()


@contextmanager
def writing(folder: Path, timeout_s: float) -> Iterator[None]:
    """Be the only writer of ``folder`` among all processes. Raises BusyError after ``timeout_s`` seconds."""
    try:
        with filelock.FileLock(folder / _LOCK, timeout=timeout_s):
            yield
    except filelock.Timeout as error:
        raise BusyError(
            f"Another process has been writing the text index {folder} for over {timeout_s:g} s.",
            hint="Searching works meanwhile. Try again when the other is done.",
        ) from error


def open_current(folder: Path, *, verify: bool) -> Generation | None:
    """The current generation, or None when there is none that can be used: absent, damaged, of another format."""
    for _ in range(_ATTEMPTS):
        name = _current(folder)
        if name is None:
            return None
        opened = _open(folder / name, verify=verify)
        if opened or _current(folder) == name:
            return opened
    return None


def is_current(generation: Generation) -> bool:
    """Whether no other generation has taken its place."""
    return _current(generation.path.parent) == generation.path.name


def renew(generation: Generation) -> Generation | None:
    """``generation`` with what was committed since; None when it cannot be read any more."""
    try:
        generation.index.reload()
        searcher = generation.index.searcher()
    except (ValueError, OSError):
        return None
    ledger = read_ledger(generation.path / _LEDGER, searcher.num_docs, generation.ledger)
    return Generation(generation.path, generation.index, searcher, ledger) if ledger else None


def begin(folder: Path) -> Generation:
    """A new, empty generation, not current yet. Raises OSError."""
    path = folder / f"{_PREFIX}{uuid4().hex[:12]}"
    path.mkdir()
    index = tantivy.Index(schema(), path=str(path), reuse=False)
    create_ledger(path / _LEDGER)
    searcher = index.searcher()
    return Generation(path, index, searcher, read_ledger(path / _LEDGER, 0) or Ledger((), 0))


def make_current(generation: Generation) -> None:
    """Let ``generation`` take the place of all others, which are removed; the caller holds ``writing``."""
    folder = generation.path.parent
    sync_folder(generation.path)
    partial = folder / f"{CURRENT}{PARTIAL}"
    partial.write_text(generation.path.name, "utf-8")
    partial.replace(folder / CURRENT)
    sync_folder(folder)
    for other in folder.glob("v*-*"):
        if other != generation.path:
            shutil.rmtree(other, ignore_errors=True)  # who reads it has it mapped


def grow(generation: Generation, batches: Iterator[tuple[Keys, Sequence[tuple[str, str]]]], total: int) -> None:
    """Append ``batches`` of (keys, terms), about ``total`` texts, each batch whole or not at all.

    The caller holds ``writing`` and ``generation`` is as of now. Raises ConfigError and OSError for the disk.
    """
    try:
        _grow(generation, batches, _SMALL_HEAP if total <= _SMALL_ADD else _LARGE_HEAP)
    except ValueError as error:  # all that tantivy raises
        raise ConfigError(
            f"The text index {generation.path} cannot be written: {error}",
            hint="Free some space, or choose another folder for derived data. Its content can be deleted at any time.",
        ) from error


def _grow(generation: Generation, batches: Iterator[tuple[Keys, Sequence[tuple[str, str]]]], heap: int) -> None:
    slot, end = generation.count, generation.ledger.end
    writer = generation.index.writer(heap, 1)
    try:
        for keys, rows in batches:
            append_ledger(generation.path / _LEDGER, end, keys)
            for number, row in enumerate(rows, slot):
                writer.add_document(_document(number, row))
            writer.commit()
            slot += len(keys)
            end = (generation.path / _LEDGER).stat().st_size
    except BaseException:
        with suppress(ValueError):  # the first error is the one to tell
            writer.rollback()
            writer.wait_merging_threads()
        raise
    writer.wait_merging_threads()  # also lets go of tantivy's own lock


def _document(slot: int, terms: tuple[str, str]) -> tantivy.Document:
    document = tantivy.Document()
    for value in terms:
        document.add_text(TERMS, value)
    document.add_unsigned(SLOT, slot)
    return document


def _current(folder: Path) -> str | None:
    try:
        name = (folder / CURRENT).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return name if name.startswith(_PREFIX) and name.replace("-", "").isalnum() else None


def _open(path: Path, *, verify: bool) -> Generation | None:
    with suppress(ValueError, OSError, KeyError):
        if verify and not all(_sound(file) for file in path.iterdir() if len(file.stem) == 32):
            return None
        index = tantivy.Index.open(str(path))
        searcher = index.searcher()
        ledger = read_ledger(path / _LEDGER, searcher.num_docs)
        return Generation(path, index, searcher, ledger) if ledger else None
    return None


def _sound(path: Path) -> bool:
    """Whether a segment's file has the bytes that tantivy wrote."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - _FOOTER.size))
        tail = file.read(_FOOTER.size)
        length, magic = _FOOTER.unpack(tail) if len(tail) == _FOOTER.size else (0, 0)
        body = size - _FOOTER.size - length
        if magic != _FOOTER_MAGIC or body < 0:
            return False
        file.seek(body)
        footer = json.loads(file.read(length))
        file.seek(0)
        crc = 0
        for start in range(0, body, _CHUNK_BYTES):
            crc = zlib.crc32(file.read(min(_CHUNK_BYTES, body - start)), crc)
    return isinstance(footer, dict) and footer.get("crc") == crc
