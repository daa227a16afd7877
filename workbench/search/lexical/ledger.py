"""Ledger: the keys of the texts of a lexical index, in order of their slots, in one file that only grows.

File, little-endian: header (16 bytes: magic ``LHLEXKEY``, format version u32, zeros), then blocks: count n (u32),
CRC-32 of the keys (u32), keys (n × 32 bytes). A block is written and flushed *before* the index commits the texts that
belong to it, so the ledger may be ahead of the index, never behind; ``append_ledger`` cuts off what is ahead.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from workbench.search.vectors.segment import Keys

VERSION = 1
_HEADER = struct.Struct("<8sI4x")
_BLOCK = struct.Struct("<II")
_MAGIC = b"LHLEXKEY"
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Ledger:
    """The blocks of keys of the first ``count`` slots, and where in the file they end."""

    blocks: tuple[Keys, ...]
    end: int


def create_ledger(path: Path) -> None:
    """Write an empty ledger. Raises OSError."""
    with path.open("xb") as file:
        file.write(_HEADER.pack(_MAGIC, VERSION))
        file.flush()
        os.fsync(file.fileno())


def read_ledger(path: Path, count: int, known: Ledger | None = None) -> Ledger | None:
    """The keys of the first ``count`` slots; None when the file is damaged, foreign, or does not have exactly them.

    ``known``, read before from the same file, saves reading its part again.
    """
    blocks, end = (list(known.blocks), known.end) if known else ([], _HEADER.size)
    missing = count - sum(len(block) for block in blocks)
    try:
        with path.open("rb") as file:
            if file.read(_HEADER.size) != _HEADER.pack(_MAGIC, VERSION):
                return None
            file.seek(end)
            while missing > 0 and (body := _block(file, missing)):
                blocks.append(np.frombuffer(body, "<u8").reshape(-1, 4))
                missing -= len(blocks[-1])
                end += _BLOCK.size + len(body)
    except OSError:
        return None
    return Ledger(tuple(blocks), end) if missing == 0 else None


def _block(file: BinaryIO, most: int) -> bytes:
    """The keys of the next block, none when it is cut off, damaged or longer than ``most``."""
    head = file.read(_BLOCK.size)
    size, crc = _BLOCK.unpack(head) if len(head) == _BLOCK.size else (0, 0)
    body = file.read(size * _KEY_BYTES) if size <= most else b""
    return body if len(body) == size * _KEY_BYTES and zlib.crc32(body) == crc else b""


def append_ledger(path: Path, end: int, keys: Keys) -> None:
    """Cut the ledger off at ``end`` and append a block of ``keys``; on the disk when this returns. Raises OSError."""
    body = np.ascontiguousarray(keys, "<u8").tobytes()
    with path.open("r+b") as file:
        file.truncate(end)
        file.seek(end)
        file.write(_BLOCK.pack(len(keys), zlib.crc32(body)) + body)
        file.flush()
        os.fsync(file.fileno())
