"""A private workplace for one writer: inside a local lake, so that a finished file moves in by a rename; for a bucket,
in one folder of this machine's temporary space that only this user can enter.

A workplace is held by a lock that the system drops when its process dies, however it dies: the next writer sweeps what
the dead left behind, and never touches the living.
"""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock

from workbench.errors import ForbiddenError
from workbench.lake.tables.storage import Storage

FOLDER = "_staging"
_LOCK = ".lock"


@contextmanager
def stage(storage: Storage) -> Iterator[Path]:
    """A fresh folder, removed at the end whatever happens. The workplaces of dead writers go first."""
    root = place(storage)
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    _check_ours(root)
    sweep(root)
    name = secrets.token_hex(8)
    # The lock lies beside the folder and comes first, so there is no moment at which a death leaves what no one sweeps.
    lock = filelock.FileLock(root / f"{name}{_LOCK}")
    lock.acquire()
    folder = root / name
    try:
        folder.mkdir()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _drop(lock)


def place(storage: Storage) -> Path:
    """Where writers to this storage have their workplaces; it need not exist."""
    if storage.filesystem() is None:
        return Path(storage.uri(FOLDER))
    return Path(tempfile.gettempdir()) / f"lakehouse-staging-{getpass.getuser()}"


def dead(root: Path) -> list[str]:
    """Names of the workplaces below ``root`` whose process is gone."""
    names = []
    for path in _locks(root):
        lock = _take(path)
        if lock is not None:
            names.append(path.name.removesuffix(_LOCK))
            lock.release()
    return names


def sweep(root: Path) -> int:
    """Remove the workplaces of dead processes; returns how many."""
    removed = 0
    for path in _locks(root):
        lock = _take(path)
        if lock is not None:
            shutil.rmtree(root / path.name.removesuffix(_LOCK), ignore_errors=True)
            _drop(lock)
            removed += 1
    return removed


def _locks(root: Path) -> list[Path]:
    return sorted(root.glob(f"*{_LOCK}")) if root.is_dir() else []


def _take(path: Path) -> filelock.BaseFileLock | None:
    """The lock of a workplace, or None while its owner lives."""
    lock = filelock.FileLock(path)
    try:
        lock.acquire(blocking=False)
    except (filelock.Timeout, OSError):  # alive, or swept by somebody else this moment
        return None
    return lock


def _drop(lock: filelock.BaseFileLock) -> None:
    # Gone before it is let go: who waits for it finds an unlinked file and makes a new one (filelock checks).
    with suppress(OSError):
        Path(lock.lock_file).unlink()
    lock.release()


def _check_ours(root: Path) -> None:
    """Customers' rows pass through here: outside a lake the folder must be this user's alone."""
    if root.name == FOLDER:
        return
    found = root.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        raise ForbiddenError(f"{root} belongs to somebody else.", hint="Set TMPDIR to a folder of your own.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        root.chmod(0o700)
