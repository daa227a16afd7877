"""Segment: one immutable file of vectors and the keys of their texts.

Layout, little-endian: header (128 bytes) · keys (n × 32 bytes, SHA-256 of each text) · zeros up to a multiple of 64 ·
vectors (n × d × float32). The header: magic ``LHVECSEG``, format version (u32), dimension d (u32), count n (u64),
identity of the model and side (32 bytes), CRC-32 of the keys and of the vectors (u32 each), zeros, and in its last four
bytes the CRC-32 of the 124 before. A file of another version is never read; it is left alone, its texts are embedded
again.

A segment appears under its name whole or not at all: it is written beside, flushed to the disk, then renamed. Any
number of processes may write segments into one folder.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ConfigError

Keys = NDArray[np.uint64]
"""SHA-256 digests, one per row: shape (n, 4), little-endian words."""

VERSION = 1
SUFFIX = ".vec"
PARTIAL = ".partial"
_MAGIC = b"LHVECSEG"
_FIELDS = struct.Struct("<8sIIQ32sII")
_HEADER_BYTES = 128
_KEY_BYTES = 32
# A writer needs seconds for a segment; what lies half-written for a day was left by one that died.
_ABANDONED_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a file is no segment for this slab. ``foreign``: of another version or model, not ours to remove."""

    reason: str
    foreign: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A mapped segment: ``keys`` (n, 4) uint64 and ``vectors`` (n, d) float32, both read-only views of the file."""

    name: str
    keys: Keys
    vectors: NDArray[np.float32]


def write_segment(folder: Path, identity: bytes, keys: Keys, vectors: NDArray[np.float32]) -> str:
    """Write ``keys`` and ``vectors`` (n, d) as a new segment of ``folder`` and return its file name.

    ``identity`` is 32 bytes. When this returns, the segment survives a kill and a power cut. Raises ConfigError when
    the folder cannot be written or the disk is full; nothing is left behind then.
    """
    key_bytes = np.ascontiguousarray(keys, dtype="<u8").tobytes()
    matrix = np.ascontiguousarray(vectors, dtype="<f4")
    header = _header(identity, key_bytes, matrix)
    name = f"{time.time_ns():020d}-{uuid4().hex[:12]}{SUFFIX}"
    partial = folder / (name + PARTIAL)
    with disk_errors(folder):
        try:
            with partial.open("xb") as file:
                file.write(header)
                file.write(key_bytes)
                file.write(bytes(_padding(len(keys))))
                file.write(matrix.data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(folder / name)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_folder(folder)
    return name


def read_segment(path: Path, identity: bytes, dimension: int, *, verify: bool) -> Segment | Unreadable:
    """Map the segment at ``path``, or say why it cannot be used.

    Checked always: sizes, header and keys; with ``verify`` also every vector byte.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < _HEADER_BYTES:
                return Unreadable("cut off in its header", foreign=False)
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        return Unreadable(f"cannot be opened: {error.strerror}", foreign=True)
    return _parse(path.name, view, identity, dimension, verify=verify)


def examine(path: Path) -> Segment | Unreadable:
    """Read every byte of the segment at ``path``, whichever model it is of, or say what is wrong with it."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER_BYTES)
    except OSError as error:
        return Unreadable(f"cannot be opened: {error.strerror}", foreign=True)
    if len(head) < _HEADER_BYTES:
        return Unreadable("cut off in its header", foreign=False)
    _, _, length, _, owner, _, _ = _FIELDS.unpack_from(head)
    return read_segment(path, owner, length, verify=True)


def _parse(name: str, view: memoryview, identity: bytes, dimension: int, *, verify: bool) -> Segment | Unreadable:
    magic, version, length, count, owner, keys_crc, vectors_crc = _FIELDS.unpack_from(view)
    if magic != _MAGIC or version != VERSION:
        return Unreadable(f"not a segment of format {VERSION}", foreign=True)
    if zlib.crc32(view[: _HEADER_BYTES - 4]) != int.from_bytes(view[_HEADER_BYTES - 4 : _HEADER_BYTES], "little"):
        return Unreadable("damaged header", foreign=False)
    if owner != identity or length != dimension:
        return Unreadable("vectors of another model", foreign=True)
    keys_end = _HEADER_BYTES + count * _KEY_BYTES
    vectors_start = keys_end + _padding(count)
    if len(view) != vectors_start + count * dimension * 4:
        return Unreadable("cut off, or longer than its header says", foreign=False)
    if zlib.crc32(view[_HEADER_BYTES:keys_end]) != keys_crc:
        return Unreadable("damaged keys", foreign=False)
    if verify and zlib.crc32(view[vectors_start:]) != vectors_crc:
        return Unreadable("damaged vectors", foreign=False)
    keys = np.frombuffer(view, "<u8", count * 4, _HEADER_BYTES).reshape(count, 4)
    vectors = np.frombuffer(view, "<f4", count * dimension, vectors_start).reshape(count, dimension)
    return Segment(name, keys, vectors)


def sweep(folder: Path) -> None:
    """Remove half-written files that writers left in ``folder`` more than a day ago."""
    oldest = time.time() - _ABANDONED_S
    for path in folder.glob(f"*{PARTIAL}"):
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
        except FileNotFoundError:
            continue  # another process swept it first


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Map what the operating system says about writing in ``folder`` to ConfigError."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"The vectors folder {folder} cannot be written: {error.strerror or error}.",
            hint="Free some space, or choose another folder for derived data. Its content can be deleted at any time.",
        ) from error


def sync_folder(folder: Path) -> None:
    """Make renames in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _header(identity: bytes, key_bytes: bytes, matrix: NDArray[np.float32]) -> bytes:
    count, dimension = matrix.shape
    crcs = zlib.crc32(key_bytes), zlib.crc32(matrix.data)
    fields = _FIELDS.pack(_MAGIC, VERSION, dimension, count, identity, *crcs)
    body = fields.ljust(_HEADER_BYTES - 4, b"\0")
    return body + zlib.crc32(body).to_bytes(4, "little")


def _padding(count: int) -> int:
    return -(_HEADER_BYTES + count * _KEY_BYTES) % 64
