"""Rows of a named vector index: their Parquet files, and what a run of files comes to."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from workbench.errors import WorkbenchError
from workbench.lake.tables.stage import stage
from workbench.lake.tables.storage import MIB, Storage
from workbench.search.named.log import VectorFile, VectorLog

CLEARED = "{}"
_FILE_BYTES = 64 * MIB  # of vectors: what a reader holds in memory beside the index
_GROUP_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class VectorRows:
    """``ids`` (n); ``there`` (n,) bool, False where the id was removed; ``vectors`` (rows that are there, d) float32 in
    their order; ``metadata`` (n) JSON text, None where nothing was said.
    """

    ids: list[str]
    there: NDArray[np.bool_]
    vectors: NDArray[np.float32]
    metadata: list[str | None]

    def __len__(self) -> int:
        return len(self.ids)

    @classmethod
    def present(cls, ids: list[str], vectors: NDArray[np.float32], metadata: list[str | None]) -> VectorRows:
        """Rows of which none is a removal."""
        return cls(ids, np.ones(len(ids), np.bool_), vectors, metadata)

    @classmethod
    def removed(cls, ids: list[str], dimension: int) -> VectorRows:
        """Removals alone."""
        return cls(ids, np.zeros(len(ids), np.bool_), np.empty((0, dimension), np.float32), [None] * len(ids))


def save(log: VectorLog, rows: VectorRows) -> list[VectorFile]:
    """Put rows into the index's folder as files that no commit names yet."""
    made = []
    with stage(log.storage) as folder:
        for table in _tables(rows):
            path = folder / "part.parquet"
            # Floats of a vector are all different: a dictionary, statistics and compression would gain nothing.
            pq.write_table(
                table,
                path,
                use_dictionary=False,
                compression="none",
                write_statistics=False,
                row_group_size=_GROUP_ROWS,
            )
            name = f"part-{secrets.token_hex(12)}.parquet"
            entry = log.storage.adopt(path, f"{log.key}/{name}")
            made.append(VectorFile(name, table.num_rows, entry.size_bytes))
    return made


def load(storage: Storage, key: str, file: VectorFile, dimension: int) -> VectorRows:
    """The rows of one file. Raises NotFoundError when it is gone."""
    table = pq.read_table(pa.BufferReader(storage.get(f"{key}/{file.path}")))
    vector = table.column("vector").combine_chunks()
    there: NDArray[np.bool_] = vector.is_valid().to_numpy(zero_copy_only=False)
    flat: NDArray[np.float32] = vector.flatten().to_numpy()
    return VectorRows(
        table.column("id").to_pylist(), there, flat.reshape(-1, dimension), table.column("metadata").to_pylist()
    )


def drop(log: VectorLog, files: Iterable[VectorFile]) -> None:
    """Remove files that no commit names any more or ever will. What stays because of a failure only takes room."""
    for file in files:
        with suppress(WorkbenchError, OSError):
            log.storage.delete(f"{log.key}/{file.path}")


def folded(parts: Sequence[VectorRows], *, whole: bool) -> VectorRows:
    """What these rows, oldest first, come to: each id once.

    ``whole`` says that nothing lies before them, so removals need not be remembered.
    """
    last: dict[str, tuple[int, int]] = {}
    said: dict[str, str | None] = {}
    for number, part in enumerate(parts):
        places = np.where(part.there, np.cumsum(part.there) - 1, -1).tolist()
        for key, place, metadata in zip(part.ids, places, part.metadata, strict=True):
            last[key] = number, place
            # After a removal nothing of the old metadata may come back.
            said[key] = CLEARED if place < 0 else said.get(key) if metadata is None else metadata
    kept = sorted((at, key) for key, at in last.items() if not (whole and at[1] < 0))
    ids = [key for _, key in kept]
    there = np.fromiter((at[1] >= 0 for at, _ in kept), np.bool_, len(kept))
    picked = [[at[1] for at, _ in kept if at[0] == n and at[1] >= 0] for n in range(len(parts))]
    vectors = np.concatenate([part.vectors[rows] for part, rows in zip(parts, picked, strict=True)])
    return VectorRows(ids, there, vectors, [said[key] if here else None for key, here in zip(ids, there, strict=True)])


def _tables(rows: VectorRows) -> Iterator[pa.Table]:
    step = max(1, _FILE_BYTES // (4 * rows.vectors.shape[1]))
    ends = np.concatenate([[0], np.cumsum(rows.there)])
    for start in range(0, len(rows), step):
        stop = min(start + step, len(rows))
        yield _table(rows, start, stop, ends)


def _table(rows: VectorRows, start: int, stop: int, ends: NDArray[np.int64]) -> pa.Table:
    dimension = rows.vectors.shape[1]
    here = ends[start : stop + 1] - ends[start]
    values = pa.array(rows.vectors[ends[start] : ends[stop]].reshape(-1), pa.float32())
    lists = pa.ListArray.from_arrays(
        pa.array(here * dimension, pa.int32()),
        values,
        type=pa.list_(pa.field("element", pa.float32())),
        mask=pa.array(~rows.there[start:stop]),
    )
    return pa.table(
        {
            "id": pa.array(rows.ids[start:stop], pa.string()),
            "vector": lists,
            "metadata": pa.array(rows.metadata[start:stop], pa.string()),
        }
    )
