"""Roll: which rows a corpus has and which text each of them carries, in memory and as one file.

File: header (64 bytes: magic ``LHCORPUS``, format version u32, CRC-32 of all that follows u32, zeros), then an Arrow
IPC stream with the columns ``id``, ``key`` (dictionary of the texts' SHA-256, null for no text) and ``role``
(dictionary, null for none) and ``place``, the name and the files it was read from as metadata. It appears whole or not
at all; anything else than expected in it means "make it again".
"""

from __future__ import annotations

import json
import mmap
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.search.vectors.keys import ABSENT
from workbench.search.vectors.segment import PARTIAL, Keys, disk_errors, sync_folder

VERSION = 3
_MAGIC = b"LHCORPUS"
_HEADER = struct.Struct("<8sII48x")


@dataclass(frozen=True, slots=True)
class CorpusRows:
    """Rows of a corpus, ascending by id, each id once.

    ``ids`` (n,) int64 or string; ``slots`` (n,) int32, the place of the row's text in ``keys``, −1 for no text;
    ``keys`` (u, 4), distinct, each carried by a row. ``roles`` are the distinct role texts and ``role_of`` (u,) int32
    the place of each text's role among them, −1 for none. ``files`` are the data files that the rows were read
    from. ``places`` (n,) int64 say where each row stands in the ``row_files`` (name, rows); empty when there are
    none.
    """

    ids: pa.Array
    slots: NDArray[np.int32]
    keys: Keys
    roles: tuple[str, ...] = ()
    role_of: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    files: tuple[str, ...] = ()
    places: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    row_files: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if len(self.role_of) != len(self.keys):  # a corpus without roles
            object.__setattr__(self, "role_of", np.full(len(self.keys), ABSENT, np.int32))
        if len(self.places) != len(self.ids):
            object.__setattr__(self, "places", np.arange(len(self.ids)))


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
    metadata = table.schema.metadata or {}
    return _from_table(table, metadata) if metadata.get(b"name") == name.encode() else None


def _to_stream(rows: CorpusRows, name: str) -> memoryview:
    words = np.ascontiguousarray(rows.keys, "<u8")
    keys = pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(words), [None, pa.py_buffer(words)])
    slots = pa.array(rows.slots, mask=rows.slots == ABSENT)
    of_row = np.append(rows.role_of, np.int32(ABSENT))[rows.slots]
    roles = pa.DictionaryArray.from_arrays(pa.array(of_row, mask=of_row == ABSENT), pa.array(rows.roles, pa.string()))
    columns = [rows.ids, pa.DictionaryArray.from_arrays(slots, keys), roles, pa.array(rows.places)]
    table = pa.Table.from_arrays(columns, names=["id", "key", "role", "place"])
    said = {"name": name, "files": json.dumps(rows.files), "row_files": json.dumps(rows.row_files)}
    table = table.replace_schema_metadata(said)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue())


def _from_table(table: Any, metadata: Mapping[bytes, bytes]) -> CorpusRows:
    ids, pairs, roles, places = (table.column(name).combine_chunks() for name in ("id", "key", "role", "place"))
    slots = pairs.indices.fill_null(ABSENT).to_numpy()
    words = pairs.dictionary.buffers()[1]
    keys = np.frombuffer(words, "<u8", len(pairs.dictionary) * 4) if len(pairs.dictionary) else np.empty(0, np.uint64)
    role_of = np.full(len(pairs.dictionary) + 1, ABSENT, np.int32)
    role_of[slots] = roles.indices.fill_null(ABSENT).to_numpy()
    files = tuple(json.loads(metadata.get(b"files", b"[]")))
    row_files = tuple((name, rows) for name, rows in json.loads(metadata.get(b"row_files", b"[]")))
    names = tuple(roles.dictionary.to_pylist())
    return CorpusRows(ids, slots, keys.reshape(-1, 4), names, role_of[:-1], files, places.to_numpy(), row_files)
