"""Roll: which rows a corpus has and which text each of them carries, in memory and as one file.

File: header (64 bytes: magic ``LHCORPUS``, format version u32, CRC-32 of all that follows u32, zeros), then an Arrow
IPC stream with the columns ``id`` and ``key`` (dictionary of the texts' SHA-256, null for no text) and the corpus's
name as metadata. It appears whole or not at all; anything else than expected in it means "make it again".
"""

from __future__ import annotations

import mmap
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.search.keys import ABSENT
from workbench.search.segment import PARTIAL, Keys, disk_errors, sync_folder

VERSION = 1
_MAGIC = b"LHCORPUS"
_HEADER = struct.Struct("<8sII48x")


@dataclass(frozen=True, slots=True)
class CorpusRows:
    """Rows of a corpus, ascending by id, each id once.

    ``ids`` (n,) int64 or string; ``slots`` (n,) int32, the place of the row's text in ``keys``, −1 for no text;
    ``keys`` (u, 4), distinct.
    """

    ids: pa.Array
    slots: NDArray[np.int32]
    keys: Keys


def save_rows(rows: CorpusRows, path: Path, name: str) -> None:
    """Write ``rows`` of the corpus ``name`` to ``path``, in place of what is there. Raises ConfigError for the disk."""
    body = _to_stream(rows, name)
    partial = path.with_name(f"{path.name}-{uuid4().hex[:12]}{PARTIAL}")
    with disk_errors(path.parent):
        try:
            with partial.open("xb") as file:
                file.write(_HEADER.pack(_MAGIC, VERSION, zlib.crc32(body)))
                file.write(body)
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def load_rows(path: Path, name: str) -> CorpusRows | None:
    """The rows of the corpus ``name`` at ``path``, mapped; None when absent, damaged or of another format version."""
    try:
        with path.open("rb") as file:
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError):  # no file; an empty one cannot be mapped
        return None
    if len(view) < _HEADER.size:
        return None
    magic, version, crc = _HEADER.unpack_from(view)
    if (magic, version, crc) != (_MAGIC, VERSION, zlib.crc32(view[_HEADER.size :])):
        return None
    table = pa.ipc.open_stream(pa.py_buffer(view[_HEADER.size :])).read_all()
    return _from_table(table) if table.schema.metadata == {b"name": name.encode()} else None


def _to_stream(rows: CorpusRows, name: str) -> memoryview:
    words = np.ascontiguousarray(rows.keys, "<u8")
    keys = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(words), [None, pa.py_buffer(words)])
    slots = pa.array(rows.slots, mask=rows.slots == ABSENT)
    table = pa.table({"id": rows.ids, "key": pa.DictionaryArray.from_arrays(slots, keys)})
    table = table.replace_schema_metadata({"name": name})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue())


def _from_table(table: Any) -> CorpusRows:
    ids, pairs = table.column("id").combine_chunks(), table.column("key").combine_chunks()
    slots = pairs.indices.fill_null(ABSENT).to_numpy()
    words = pairs.dictionary.buffers()[1]
    keys = np.frombuffer(words, "<u8", len(pairs.dictionary) * 4) if len(pairs.dictionary) else np.empty(0, np.uint64)
    return CorpusRows(ids, slots, keys.reshape(-1, 4))
