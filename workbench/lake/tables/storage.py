"""Where bytes live: a local folder or an S3 bucket, behind one protocol.

Every write is visible whole or not at all: a temporary name and a rename on a disk, one PUT on S3. Keys are relative,
'/'-separated paths; their rules and the caps below are wire promises of the object API (substrate.md, Storage).
"""

from __future__ import annotations

import os
import re
import secrets as random_names
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from workbench.errors import BusyError, ConfigError, InvalidError, NotFoundError, TooLargeError

MIB = 1024 * 1024
OBJECT_CAP_BYTES = 256 * MIB
VECTOR_CAP_BYTES = 4096 * MIB
LIST_CAP = 10_000
KEY_CAP_BYTES = 1024
PUT_SLOTS = 4
RETRY_AFTER_S = 5.0
CHUNK_BYTES = MIB
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


@dataclass(frozen=True, slots=True)
class Entry:
    """One object: its key, its size, a token that changes when its content is written anew, its time (epoch, s)."""

    key: str
    size_bytes: int
    token: str
    modified_s: float = 0.0


class Storage(Protocol):
    """A flat namespace of whole objects, plus what Delta and DuckDB need to open the same place themselves."""

    url: str

    def get(self, key: str) -> bytes:
        """The object's bytes. Raises NotFoundError."""

    def put(self, key: str, data: bytes | BinaryIO) -> Entry:
        """Write one object whole. Raises TooLargeError over the cap, BusyError when every slot is taken."""

    def adopt(self, local: Path, key: str) -> Entry:
        """Move a finished local file in under ``key`` (the engine's own data files: no cap)."""

    def entries(self, prefix: str = "", *, limit: int = LIST_CAP) -> list[Entry]:
        """Objects whose key starts with ``prefix``, in key order, at most ``limit``."""

    def stat(self, key: str) -> Entry | None:
        """The object's entry, or None."""

    def delete(self, key: str) -> None:
        """Remove one object. Raises NotFoundError."""

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly under ``prefix/``, sorted."""

    def uri(self, key: str) -> str:
        """The address by which DuckDB and Delta reach ``key``."""

    def delta_options(self) -> dict[str, str]:
        """Options for ``deltalake``; holds credentials, never logged."""

    def filesystem(self) -> Any | None:
        """The fsspec filesystem DuckDB needs for `uri`, or None for local paths."""


def check_key(key: str) -> str:
    """``key`` itself, or InvalidError saying which rule it breaks (substrate.md, Storage: fixed)."""
    broken = ""
    if not key:
        broken = "it is empty"
    elif len(key.encode("utf-8", "surrogatepass")) > KEY_CAP_BYTES:
        broken = f"it is over {KEY_CAP_BYTES:,} bytes"
    elif any(c in key for c in "\0\r\n\t"):
        broken = "it holds NUL, CR, LF or TAB"
    elif key.startswith("/"):
        broken = "it starts with '/'"
    elif ".." in key.split("/"):
        broken = "it has a '..' part"
    if broken:
        raise InvalidError(f"{key[:80]!r} is not a storage key: {broken}.", hint="Keys look like datasets/workers/x.")
    return key


def cap_bytes(key: str) -> int:
    """How large one object may be under this key."""
    return VECTOR_CAP_BYTES if key.startswith("_vectors/") else OBJECT_CAP_BYTES


def read_capped(data: bytes | BinaryIO, key: str) -> Iterator[bytes]:
    """The body in chunks, counted while it is read. Raises TooLargeError as soon as it is over the cap."""
    cap, seen = cap_bytes(key), 0
    if isinstance(data, bytes):
        if len(data) > cap:
            raise too_large(key, len(data))
        yield data
        return
    while chunk := data.read(CHUNK_BYTES):
        seen += len(chunk)
        if seen > cap:
            raise too_large(key, seen)
        yield chunk


def too_large(key: str, size_bytes: int) -> TooLargeError:
    """The error for a body over the cap, before or while it is read."""
    cap = cap_bytes(key) // MIB
    return TooLargeError(
        f"The object {key!r} has {size_bytes / MIB:,.0f} MiB or more; the cap is {cap:,} MiB.",
        hint="Load tables with `lh ingest`; it has no such cap.",
    )


@dataclass(frozen=True)
class Slots:
    """Uploads in flight: four at a time and no queue, so a fifth is told to come back."""

    gate: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(PUT_SLOTS))

    @contextmanager
    def one(self) -> Iterator[None]:
        """Hold one slot. Raises BusyError at once when none is free."""
        if not self.gate.acquire(blocking=False):
            raise BusyError(
                f"{PUT_SLOTS} uploads are running already.",
                hint=f"Try again in {RETRY_AFTER_S:.0f} s.",
                retry_after_s=RETRY_AFTER_S,
            )
        try:
            yield
        finally:
            self.gate.release()


def _write_through(path: Path, chunks: Iterator[bytes]) -> None:
    with path.open("wb") as out:
        out.writelines(chunks)
        out.flush()
        os.fsync(out.fileno())


class LocalStorage:
    """A folder. Created when absent; `url` is its absolute path.

    Raises ConfigError for a path with an escape like ``%20`` in it: Delta reads and writes it as two different folders.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().absolute()
        # deltalake 1.6 decodes the path twice where it reads, once where it writes; a symbolic link it follows first.
        if found := _ESCAPE.search(os.path.realpath(self.root)):
            raise ConfigError(
                f"The path of the lake, {self.root}, holds {found[0]!r}, which the table format takes for an escape.",
                hint="Rename the folder, or name another lake with --lake or LH_LAKE; % alone is no trouble.",
            )
        self.url = str(self.root)
        self.slots = Slots()

    def path(self, key: str) -> Path:
        """Where ``key`` lies on the disk."""
        return self.root / check_key(key)

    def get(self, key: str) -> bytes:
        """See `Storage`."""
        try:
            return self.path(key).read_bytes()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFoundError(f"No object {key!r} in {self.url}.") from None

    def put(self, key: str, data: bytes | BinaryIO) -> Entry:
        """See `Storage`."""
        target = self.path(key)
        with self.slots.one():
            target.parent.mkdir(parents=True, exist_ok=True)
            draft = target.with_name(f".{target.name[:60]}.{random_names.token_hex(6)}.tmp")
            try:
                _write_through(draft, read_capped(data, key))
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)
        return self._entry(target)

    def adopt(self, local: Path, key: str) -> Entry:
        """See `Storage`."""
        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with local.open("rb") as done:
            os.fsync(done.fileno())
        try:
            local.replace(target)
        except OSError:  # another filesystem: copy beside the target, then rename
            draft = target.with_name(f".{target.name}.tmp")
            shutil.copyfile(local, draft)
            draft.replace(target)
            local.unlink()
        return self._entry(target)

    def entries(self, prefix: str = "", *, limit: int = LIST_CAP) -> list[Entry]:
        """See `Storage`."""
        base = self.root / prefix.rpartition("/")[0]
        found = [
            p
            for p in base.rglob("*")
            if not p.name.startswith(".") and p.is_file() and p.relative_to(self.root).as_posix().startswith(prefix)
        ]
        found.sort(key=lambda p: p.relative_to(self.root).as_posix())
        return [self._entry(p) for p in found[: min(limit, LIST_CAP)]]

    def stat(self, key: str) -> Entry | None:
        """See `Storage`."""
        try:
            return self._entry(self.root / key, key)
        except OSError:
            return None

    def delete(self, key: str) -> None:
        """See `Storage`."""
        try:
            self.path(key).unlink()
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise NotFoundError(f"No object {key!r} in {self.url}.") from None

    def folders(self, prefix: str) -> list[str]:
        """See `Storage`."""
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(self.root / prefix) as found:
            return sorted(e.name for e in found if e.is_dir() and not e.name.startswith("."))
        return []

    def uri(self, key: str) -> str:
        """See `Storage`."""
        return str(self.root / key)

    def delta_options(self) -> dict[str, str]:
        """See `Storage`."""
        return {}

    def filesystem(self) -> Any | None:
        """See `Storage`."""
        return None

    def _entry(self, path: Path, key: str = "") -> Entry:
        found = path.stat()
        key = key or path.relative_to(self.root).as_posix()
        return Entry(key, found.st_size, f"{found.st_ino}-{found.st_mtime_ns}", found.st_mtime)
