"""What can be wrong with a lake, looked for rather than assumed: each check says what it saw and what mends it."""

from __future__ import annotations

import datetime as dt
import json
import os
import secrets
import shlex
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, create_table_with_add_actions

from workbench.errors import MissingExtraError, NotFoundError, WorkbenchError
from workbench.lake import leftovers
from workbench.lake.tables import delta
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.listing import KEY as LISTING
from workbench.lake.tables.listing import Listing
from workbench.lake.tables.manifest import Manifest
from workbench.lake.tables.storage import Entry, Storage

LOG_ENTRIES = 200  # of each log are read, the newest; a checkpoint makes older ones history
_ROOM_BYTES = 2 * 1024**3


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
    """Storage answers, two racing writers cannot both win, every log, file and format is as it should be."""
    storage = catalog.storage
    found = [_reachable(storage)]
    if found[0].state == "missing":
        return found
    if found[0].failed or _absent(storage):
        return [*found, *_room(storage)]
    found += [_racing(storage), *_room(storage), *_listing(storage)]
    wrong = [c for name in storage.folders("datasets") for c in _dataset(catalog, name)]
    count = len(catalog.names())
    if not any(c.failed for c in wrong):
        found.append(
            Check("datasets", "ok", f"{count:,} dataset{'s'[: count == 0 or count > 1]}, every log and file is there")
        )
    left = leftovers.find(catalog, now)
    return found + wrong + [_left(one) for one in left]


def _absent(storage: Storage) -> bool:
    """A local lake that nobody has written to yet: the doctor does not make it."""
    return storage.filesystem() is None and not os.path.lexists(storage.url)


def _reachable(storage: Storage) -> Check:
    key = f"_catalog/doctor-{secrets.token_hex(4)}"
    try:
        if _absent(storage):
            return _could_be_made(Path(storage.url))
        storage.put(key, b"?")
        storage.delete(key)
    except OSError as error:
        return Check("storage", "broken", f"{storage.url} cannot be written: {error.strerror}", _writable(storage.url))
    except MissingExtraError as error:
        return Check("storage", "missing", error.message, error.hint)
    except WorkbenchError as error:
        return Check("storage", "broken", f"{storage.url} cannot be written: {error.message}", _s3_fix(storage, error))
    return Check("storage", "ok", f"{storage.url} can be read and written")


def _could_be_made(root: Path) -> Check:
    parent = next(p for p in root.parents if p.exists())
    if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):
        return Check("storage", "ok", f"{root} is not there yet; the first ingest makes it")
    why = "cannot be written" if parent.is_dir() else "is not a folder"
    return Check("storage", "broken", f"{root} cannot be made: {parent} {why}", _writable(str(parent)))


def _writable(path: str) -> str:
    there = Path(path)
    if there.exists() and not there.is_dir():
        return f"ls -l {shlex.quote(path)}; it is a file: name another lake with --lake or LH_LAKE"
    return f"chmod -R u+rwX {shlex.quote(path)}, or name another lake with --lake or LH_LAKE"


def _s3_fix(storage: Storage, error: WorkbenchError) -> str:
    options, cause = storage.delta_options(), type(error.__cause__).__name__
    bucket = storage.url.removeprefix("s3://").partition("/")[0]
    endpoint = options.get("AWS_ENDPOINT_URL", "")
    if isinstance(error, NotFoundError):
        at = f" --endpoint-url {endpoint}" if endpoint else ""
        return f"aws s3 mb s3://{bucket}{at}"
    if cause in {"NoCredentialsError", "PartialCredentialsError"} or not options.get("AWS_ACCESS_KEY_ID"):
        return "export AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…, or [s3.primary] in the file that `lh config` names"
    if cause == "PermissionError":
        return "the server refuses these credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY anew"
    return f"curl -I {endpoint or 'https://s3.amazonaws.com'}; start the server, or set AWS_ENDPOINT_URL"


def _room(storage: Storage) -> Iterator[Check]:
    if storage.filesystem() is not None:
        return
    there = next(p for p in (Path(storage.url), *Path(storage.url).parents) if p.exists())
    free = shutil.disk_usage(there).free
    state = "ok" if free > _ROOM_BYTES else "warning"
    yield Check(
        "disk", state, f"{free / 1e9:,.1f} GB free at {there}", "make room, or name a lake on a larger disk: LH_LAKE"
    )


def _racing(storage: Storage) -> Check:
    """Two commits on one version: exactly one may win, else the store cannot have several writers."""
    key = f"_catalog/race-{secrets.token_hex(6)}"
    local = storage.filesystem() is None
    try:
        if local:
            Path(storage.uri(key)).mkdir(parents=True)
        won = _race(storage, key)
    except (DeltaError, OSError) as error:
        message = f"two racing commits could not be tried: {_without_secrets(storage, str(error))[:200]}"
        return Check("several writers", "broken", message, "use a store with conditional PUT, or check its rights")
    finally:
        for entry in storage.entries(f"{key}/"):
            storage.delete(entry.key)
        if local:
            shutil.rmtree(storage.uri(key), ignore_errors=True)
    if won == 1:
        return Check("several writers", "ok", "of two racing commits one won and one was told")
    return Check("several writers", "broken", f"of two racing commits {won} won", "use a store with conditional PUT")


def _race(storage: Storage, key: str) -> int:
    uri, options = storage.uri(key), storage.delta_options()
    schema = Schema.from_arrow(pa.schema([("a", pa.int64())]))
    create_table_with_add_actions(uri, schema, [], storage_options=options)
    tables = [DeltaTable(uri, storage_options=options) for _ in range(2)]
    start = Barrier(2)

    def commit(i: int) -> bool:
        action = AddAction(f"{i}.parquet", 1, {}, 0, data_change=True, stats='{"numRecords":1}')
        start.wait()
        try:
            properties = CommitProperties(max_commit_retries=0)
            tables[i].create_write_transaction([action], "append", schema, commit_properties=properties)
        except CommitFailedError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        return sum(pool.map(commit, range(2)))


def _without_secrets(storage: Storage, text: str) -> str:
    for name, value in storage.delta_options().items():
        if value and name.startswith("AWS_") and any(word in name for word in ("KEY", "TOKEN")):
            text = text.replace(value, "…")
    return text


def _listing(storage: Storage) -> Iterator[Check]:
    """The derived listing is never trusted: of another format or damaged, it is made anew."""
    if storage.stat(LISTING) is not None and not Listing(storage).read() and leftovers.has_any_dataset(storage):
        message = f"{LISTING} is damaged or of another format; it is not used"
        yield Check("listing", "info", message, "lh ls makes it anew")


def _dataset(catalog: Catalog, name: str) -> Iterator[Check]:
    here = f"dataset {name}"
    try:
        manifest = catalog.find(name)
    except WorkbenchError as error:
        yield from _log(catalog.storage, name) or [Check(here, "broken", error.message, _hint(error, name))]
        return
    if manifest is None:
        if leftovers.has_log(catalog.storage, name):
            said = "every entry of its log is whole, and yet it cannot be read"
            fix = f"update the workbench: a newer one wrote it; or {_backup(f'{delta.folder(name)}/_delta_log')}"
            yield from _log(catalog.storage, name) or [Check(here, "broken", said, fix)]
        return
    yield from _log(catalog.storage, name)
    yield from _files(catalog, manifest)


def _hint(error: WorkbenchError, name: str) -> str:
    return error.hint if error.hint and error.hint != "lh doctor" else _backup(f"{delta.folder(name)}/_delta_log")


def _backup(key: str) -> str:
    return f"bring {key} back from a backup"


def _log(storage: Storage, name: str) -> list[Check]:
    """Every entry is whole JSON, in a format that is known, and none is missing between two others."""
    entries = [e for e in storage.entries(f"{delta.folder(name)}/_delta_log/") if _number(e) is not None]
    entries = entries[-LOG_ENTRIES:]
    found = []
    for before, entry in zip([None, *entries], entries, strict=False):
        if before is not None and (_number(before) or 0) + 1 != _number(entry):
            gone = delta.log_key(name, (_number(before) or 0) + 2)
            found.append(Check(f"dataset {name}", "broken", f"{gone} is gone from the log", _backup(gone)))
        if wrong := _entry(storage, entry):
            known = "format" in wrong
            fix = "update the workbench: a newer one wrote this" if known else _backup(entry.key)
            found.append(Check(f"dataset {name}", "broken", f"{entry.key} {wrong}", fix))
    return found


def _number(entry: Entry) -> int | None:
    stem, _, ending = entry.key.rpartition("/")[2].partition(".")
    return int(stem) if ending == "json" and stem.isdigit() else None


def _entry(storage: Storage, entry: Entry) -> str:
    """What is wrong with one entry of a log, in words that follow its name."""
    try:
        actions = [json.loads(line) for line in storage.get(entry.key).splitlines() if line.strip()]
    except ValueError:
        return f"is cut off or damaged ({entry.size_bytes:,} bytes)"
    if not actions:
        return "is empty"
    said = next((a["commitInfo"].get("lh", "{}") for a in actions if "commitInfo" in a), "{}")
    number = (json.loads(said) if isinstance(said, str) else said).get("format", delta.FORMAT)
    return "" if number == delta.FORMAT else f"has the unknown format {number} (known: {delta.FORMAT})"


def _files(catalog: Catalog, manifest: Manifest) -> Iterator[Check]:
    """Every file of the newest version, then those that only older ones name."""
    name, here = manifest.name, f"dataset {manifest.name}"
    prefix = f"{delta.folder(name)}/"
    there = {e.key.removeprefix(prefix): e.size_bytes for e in catalog.storage.entries(prefix + "part-")}

    def size(path: str) -> int | None:
        found = None if path in there else catalog.storage.stat(prefix + path)  # a listing is capped, and of our names
        return there.get(path, found.size_bytes if found else None)

    older = {}
    for version in range(max(manifest.about.expired_before, 1), manifest.version):
        older[version] = catalog.get(name, version).files
    bad = [f for f in manifest.files if size(f.path) != f.size_bytes]
    whole = [v for v, files in older.items() if all(size(f.path) == f.size_bytes for f in files)]
    for file in bad:
        got = size(file.path)
        what = "is named by the log and gone" if got is None else f"has {got:,} bytes, its log says {file.size_bytes:,}"
        back = f"lh restore {name}@{max(whole)} goes back to the last whole version; or " if whole else ""
        yield Check(here, "broken", f"{file.path} {what}", back + _backup(prefix + file.path))
    lost = sorted(older.keys() - whole)
    if lost and not bad:
        keep = manifest.version - max(lost)
        message = (
            f"{len(lost)} older version{'s'[: len(lost) > 1]} ({lost[0]} to {lost[-1]}) lack files; the newest is whole"
        )
        yield Check(here, "warning", message, f"lh expire {name} --keep {keep}")


def _left(one: leftovers.Leftover) -> Check:
    message = f"{len(one.keys):,} {one.kind}, {one.size_bytes:,} bytes; nothing reads them"
    return Check(one.where, "info", message, "lh doctor --sweep")
