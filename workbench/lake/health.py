"""What can be wrong with a lake, looked for rather than assumed: each check says what it saw and what mends it."""

from __future__ import annotations

import datetime as dt
import secrets
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError
from deltalake.transaction import AddAction, create_table_with_add_actions

from workbench.errors import WorkbenchError
from workbench.lake import snapshots
from workbench.lake.catalog import Catalog
from workbench.lake.delta import folder
from workbench.lake.manifest import Manifest
from workbench.lake.storage import LocalStorage, Storage


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. ``state``: ok | info | warning | missing | broken; the last two make `lh doctor` exit with 1."""

    name: str
    state: str
    message: str
    fix: str = ""

    @property
    def failed(self) -> bool:
        """Whether something required is missing or broken."""
        return self.state in {"missing", "broken"}

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {"name": self.name, "state": self.state, "message": self.message, "fix": self.fix}


def checks(catalog: Catalog, now: dt.datetime) -> list[Check]:
    """Storage answers, two racing writers cannot both win, every dataset's log and files are whole."""
    found = [_reachable(catalog.storage)]
    if found[0].failed:
        return found
    found.append(_racing(catalog.storage))
    broken = list(_datasets(catalog, now))
    count = len(catalog.names())
    if not any(c.failed for c in broken):
        found.append(Check("datasets", "ok", f"{count:,} dataset{'s'[: count != 1]}, every log and file is there"))
    return found + broken


def _reachable(storage: Storage) -> Check:
    key = f"_catalog/doctor-{secrets.token_hex(4)}"
    try:
        storage.put(key, b"?")
        storage.delete(key)
    except (WorkbenchError, OSError) as error:
        return Check("storage", "broken", f"{storage.url} cannot be written: {error}", "check the path and its rights")
    return Check("storage", "ok", f"{storage.url} can be read and written")


def _racing(storage: Storage) -> Check:
    """Two commits on one version: exactly one may win, else the store cannot have several writers."""
    key = f"_catalog/race-{secrets.token_hex(6)}"
    uri, options = storage.uri(key), storage.delta_options()
    schema = Schema.from_arrow(pa.schema([("a", pa.int64())]))
    if isinstance(storage, LocalStorage):
        storage.path(key).mkdir(parents=True)
    create_table_with_add_actions(uri, schema, [], storage_options=options)
    tables = [DeltaTable(uri, storage_options=options) for _ in range(2)]
    won: list[int] = []
    start = threading.Barrier(2)

    def commit(i: int) -> None:
        action = AddAction(f"{i}.parquet", 1, {}, 0, data_change=True, stats='{"numRecords":1}')
        start.wait()
        try:
            properties = CommitProperties(max_commit_retries=0)
            tables[i].create_write_transaction([action], "append", schema, commit_properties=properties)
            won.append(i)
        except CommitFailedError:
            pass

    threads = [threading.Thread(target=commit, args=(i,)) for i in range(2)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for entry in storage.entries(f"{key}/"):
        storage.delete(entry.key)
    if isinstance(storage, LocalStorage):
        shutil.rmtree(storage.path(key), ignore_errors=True)
    if len(won) == 1:
        return Check("several writers", "ok", "of two racing commits one won and one was told")
    return Check(
        "several writers", "broken", f"of two racing commits {len(won)} won", "use a store with conditional PUT"
    )


def _datasets(catalog: Catalog, now: dt.datetime) -> Iterator[Check]:
    for name in catalog.storage.folders("datasets"):
        try:
            manifest = catalog.find(name)
        except WorkbenchError as error:
            yield Check(f"dataset {name}", "broken", error.message, f"restore {folder(name)}/_delta_log from a backup")
            continue
        if manifest is None:
            yield Check(f"dataset {name}", "info", "a folder without a commit: an ingest that never finished", "")
            continue
        yield from _files(catalog, manifest, now)


def _files(catalog: Catalog, manifest: Manifest, now: dt.datetime) -> Iterator[Check]:
    prefix = f"{folder(manifest.name)}/"
    there = {e.key.removeprefix(prefix): e.size_bytes for e in catalog.storage.entries(prefix + "part-")}
    for file in manifest.files:
        size = there.get(file.path, there.get(file.path.rsplit("/", 1)[-1]))
        if size is None and catalog.storage.stat(prefix + file.path) is None:
            yield Check(
                f"dataset {manifest.name}", "broken", f"{file.path} is named by the log and gone",
                f"lh restore {manifest.name}@{max(manifest.version - 1, 1)}, or bring the file back from a backup",
            )  # fmt: skip
        elif size is not None and size != file.size_bytes:
            yield Check(
                f"dataset {manifest.name}", "broken",
                f"{file.path} has {size:,} bytes, its log says {file.size_bytes:,}", "bring the file back from a backup",
            )  # fmt: skip
    left = snapshots.orphans(catalog, manifest, now)
    if left:
        yield Check(
            f"dataset {manifest.name}",
            "info",
            f"{len(left)} files of interrupted or expired writes, {sum(e.size_bytes for e in left):,} bytes",
            f"lh expire {manifest.name} --keep {manifest.version}",
        )
