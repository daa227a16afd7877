"""The Lance table behind a ``LanceIndex``: how it is laid out, opened, checked and locked.

One row per id: ``id`` int64, ``norm`` float64 (the vector's length by the kernel), ``vector`` float32 (d,). The
distance is in the schema's metadata, the depth of a search in the table's configuration, the rows that the inverted
file was made of in its name. Readers take the newest version there is; a commit is one rename.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.errors import BusyError, ConfigError, DimensionError, InvalidError, MissingExtraError
from workbench.search.vectors.distance import Distance, row_norms
from workbench.search.vectors.index import Ids
from workbench.search.vectors.segment import disk_errors

ID, NORM, VECTOR = "id", "norm", "vector"
DEPTH = "lh.depth"
VERSIONS = "_versions"
_SAID = b"lh.distance"
_ADDRESS = "_rowaddr"
_LOCK_S = 60.0


@dataclass(frozen=True, slots=True)
class Table:
    """One version of the table. ``ids`` ascending, ``addresses`` (n,) uint64 of their rows; ``depth``: clusters looked
    at in a search (0: there is no inverted file), of ``clusters``; ``fresh``: places of the rows it does not know.
    """

    data: Any
    stamp: tuple[int, int]
    ids: Ids
    addresses: NDArray[np.uint64]
    fresh: NDArray[np.int64]
    clusters: int = 0
    depth: int = 0

    @classmethod
    def bare(cls, data: Any) -> Table:
        """For scans over all rows of ``data``: nothing is known of single ones."""
        return cls(data, (0, 0), np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0, np.int64))


def library() -> Any:
    """Lance. Raises MissingExtraError."""
    os.environ.setdefault("LANCE_LOG", "error")  # else it warns of every empty cluster
    try:
        import lance
    except ImportError as error:
        raise MissingExtraError(
            "An index on disk needs the package pylance.", hint="pip install 'lakehouse-workbench[lance]'"
        ) from error
    return lance


def make(folder: Path, dimension: int, distance: Distance) -> None:
    """Make an empty table in ``folder`` unless there is one."""
    lance = library()
    if (folder / VERSIONS).is_dir():
        return
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with writing(folder):
        if not (folder / VERSIONS).is_dir():
            lance.write_dataset(_schema(dimension, distance).empty_table(), str(folder), mode="create")


def read(folder: Path, dimension: int, distance: Distance) -> Table:
    """The newest version. Raises ConfigError, DimensionError, InvalidError as ``LanceIndex``."""
    token = stamp(folder)  # taken before: a commit meanwhile is then seen at the next look
    data = opened(folder)
    _check(folder, data.schema, dimension, distance)
    rows = data.to_table(columns=[ID], with_row_address=True)
    ids, addresses = rows.column(ID).to_numpy(), rows.column(_ADDRESS).to_numpy()
    order = np.argsort(ids, kind="stable")
    ids, addresses = ids[order], addresses[order]
    known = [number for i in data.describe_indices() for part in i.segments for number in part.fragment_ids]
    fresh = np.flatnonzero(~np.isin(addresses >> np.uint64(32), np.array(known, np.uint64)))
    clusters = clusters_of(made_of(data))
    said = str(data.config().get(DEPTH, ""))  # a build that was killed before it was tuned said nothing
    depth = min(int(said), clusters) if said.isdigit() else clusters
    return Table(data, token, ids, addresses, fresh, clusters, depth)


def opened(folder: Path) -> Any:
    """A handle of its own on the newest version. Raises ConfigError."""
    try:
        return library().dataset(str(folder))
    except (ValueError, OSError) as error:
        raise ConfigError(
            f"{folder} holds no Lance table that can be read: {str(error).splitlines()[0][:200]}",
            hint="Bring the folder back from a backup, or name another.",
        ) from error


def to_rows(ids: Ids, matrix: NDArray[np.float32], distance: Distance) -> pa.Table:
    """Rows of ``ids`` (n,) and ``matrix`` (n, d) as the table has them."""
    dimension = matrix.shape[1]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.reshape(-1)), dimension)
    return pa.Table.from_arrays(
        [pa.array(ids), pa.array(row_norms(matrix)), vectors], schema=_schema(dimension, distance)
    )


def to_matrix(vectors: Any, dimension: int) -> NDArray[np.float32]:
    """A column of vectors as (n, dimension)."""
    flat: NDArray[np.float32] = vectors.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(flat, np.float32).reshape(-1, dimension)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Be the only writer among all processes. Raises BusyError after a minute, ConfigError for the disk."""
    lock = filelock.FileLock(folder / ".lock", timeout=_LOCK_S)
    try:
        with disk_errors(folder), lock:
            yield
    except filelock.Timeout as error:
        raise BusyError(
            f"Another process has been writing {folder} for over {_LOCK_S:g} s.", hint="Try again."
        ) from error


def stamp(folder: Path) -> tuple[int, int]:
    """Changes with every commit."""
    with suppress(FileNotFoundError):
        found = (folder / VERSIONS).stat()
        return found.st_mtime_ns, found.st_ino
    return 0, 0


def metric(distance: Distance) -> str:
    """Lance's name of a distance."""
    return {"cosine": "cosine", "euclidean": "l2", "dot": "dot"}[distance]


def made_of(data: Any) -> int:
    """How many rows the inverted file was made of, 0 without one."""
    return max((int(i.name.rpartition("_")[2]) for i in data.describe_indices()), default=0)


def clusters_of(rows: int) -> int:
    """How many clusters an inverted file over so many rows has."""
    return int(rows**0.5)


def _schema(dimension: int, distance: Distance) -> pa.Schema:
    fields = [(ID, pa.int64()), (NORM, pa.float64()), (VECTOR, pa.list_(pa.float32(), dimension))]
    return pa.schema(fields, metadata={_SAID: distance})


def _check(folder: Path, schema: pa.Schema, dimension: int, distance: Distance) -> None:
    if not {ID, NORM, VECTOR} <= set(schema.names) or _SAID not in (schema.metadata or {}):
        raise ConfigError(f"{folder} holds a Lance table that is no index.", hint="Name another folder.")
    there, measured = schema.field(VECTOR).type.list_size, schema.metadata[_SAID].decode()
    if there != dimension:
        raise DimensionError(
            f"The index in {folder} has dimension {there}, asked for is {dimension}.",
            hint="Open it with its own dimension, or name another folder.",
            details={"expected": there, "got": dimension},
        )
    if measured != distance:
        raise InvalidError(
            f"The index in {folder} measures {measured}, asked for is {distance}.",
            hint="Open it with its own distance, or name another folder.",
        )
