"""What dead writers leave in a lake. None of it is ever read; it only takes room.

Whatever is younger than an hour may still be on its way in and is not counted. A workplace is held by a lock instead,
so there it is known at once.
"""

from __future__ import annotations

import datetime as dt
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import NotFoundError, WorkbenchError
from workbench.lake import snapshots
from workbench.lake.tables import stage
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.delta import folder
from workbench.lake.tables.storage import Entry, Storage

AGE_S = snapshots.ORPHAN_AGE_S
# Names that are on their way to another one: ours (`LocalStorage.put`), Delta's and its object store's.
_DRAFT = re.compile(r"\..+\.tmp|_commit_.+\.tmp|.+\.(json|parquet|crc)#\d+")


@dataclass(frozen=True, slots=True)
class Leftover:
    """One kind of thing in one place: ``kind`` in words, the keys (paths relative to the lake), and their bytes."""

    kind: str
    where: str
    keys: tuple[str, ...]
    size_bytes: int


def find(catalog: Catalog, now: dt.datetime) -> list[Leftover]:
    """Everything that dead writers left, in datasets that can be read."""
    storage, oldest = catalog.storage, now.timestamp() - AGE_S
    found = [
        _leftover("workplaces of dead writers", stage.FOLDER, _workplaces(storage)),
        _leftover("half-written files", "the lake", _drafts(storage, oldest)),
        _leftover("files of unfinished checks", "_catalog", _probes(storage, oldest)),
    ]
    for name in storage.folders("datasets"):
        found += _of_dataset(catalog, name, now, oldest)
    return [one for one in found if one.keys]


def sweep(catalog: Catalog, now: dt.datetime) -> list[Leftover]:
    """Remove what `find` finds; returns it."""
    found = find(catalog, now)
    for one in found:
        for key in one.keys:
            with suppress(NotFoundError):  # somebody else swept it
                _remove(catalog.storage, one, key)
    return found


def _remove(storage: Storage, one: Leftover, key: str) -> None:
    if one.where != stage.FOLDER:
        storage.delete(key)
        if "/race-" in key and storage.filesystem() is None:
            shutil.rmtree(storage.uri(key.partition("/_delta_log")[0]), ignore_errors=True)
        return
    stage.sweep(stage.place(storage))


def _of_dataset(catalog: Catalog, name: str, now: dt.datetime, oldest: float) -> Iterator[Leftover]:
    storage = catalog.storage
    try:
        manifest = catalog.find(name)
    except WorkbenchError:  # a log that cannot be read: nothing of it is to be swept
        return
    if manifest is None:
        if not has_log(storage, name):
            old = [e for e in storage.entries(f"{folder(name)}/") if e.modified_s < oldest]
            yield _leftover("files of a first ingest that never finished", f"dataset {name}", old)
        return
    with suppress(WorkbenchError, LookupError):
        yield _leftover("files no snapshot names", f"dataset {name}", snapshots.orphans(catalog, manifest, now))
        named = {s.rejects_key for s in catalog.history(name)}
        rejects = [e for e in storage.entries(f"_rejects/{name}/") if e.key not in named and e.modified_s < oldest]
        yield _leftover("rejects no snapshot names", f"dataset {name}", rejects)


def has_log(storage: Storage, name: str) -> bool:
    """Whether a dataset's folder has a commit or a checkpoint, readable or not."""
    found = storage.entries(f"{folder(name)}/_delta_log/", limit=50)
    return any(e.key.endswith((".json", ".parquet", "_last_checkpoint")) for e in found)


def has_any_dataset(storage: Storage) -> bool:
    """Whether there is anything that a listing could list."""
    return any(has_log(storage, name) for name in storage.folders("datasets"))


def _workplaces(storage: Storage) -> list[Entry]:
    root = stage.place(storage)
    return [Entry(n, sum(p.stat().st_size for p in (root / n).rglob("*")), "") for n in stage.dead(root)]


def _drafts(storage: Storage, oldest: float) -> list[Entry]:
    if storage.filesystem() is not None:  # a bucket shows an object whole or not at all
        return []
    root = Path(storage.uri(""))
    found = []
    for path in root.rglob("*"):
        with suppress(OSError):  # gone this moment
            if _DRAFT.fullmatch(path.name) and path.is_file() and path.stat().st_mtime < oldest:
                found.append(Entry(path.relative_to(root).as_posix(), path.stat().st_size, ""))
    return found


def _probes(storage: Storage, oldest: float) -> list[Entry]:
    found = [*storage.entries("_catalog/race-"), *storage.entries("_catalog/doctor-")]
    return [e for e in found if e.modified_s < oldest]


def _leftover(kind: str, where: str, entries: list[Entry]) -> Leftover:
    return Leftover(kind, where, tuple(e.key for e in entries), sum(e.size_bytes for e in entries))
