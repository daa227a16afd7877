"""A private workplace for one writer, inside the lake so that a finished file moves in by a rename.

The folder is held by a lock that the system drops when its process dies, however it dies: the next writer sweeps what
the dead left behind, and never touches the living.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from workbench.lake.storage import LocalStorage, Storage

FOLDER = "_staging"
_LOCK = "owner.lock"


@contextmanager
def stage(storage: Storage) -> Iterator[Path]:
    """A fresh folder, removed at the end whatever happens."""
    if not isinstance(storage, LocalStorage):
        with tempfile.TemporaryDirectory(prefix="lh-") as name:
            yield Path(name)
        return
    root = storage.root / FOLDER
    root.mkdir(parents=True, exist_ok=True)
    sweep(root)
    folder = root / secrets.token_hex(8)
    folder.mkdir()
    lock = filelock.FileLock(folder / _LOCK)
    lock.acquire()
    try:
        yield folder
    finally:
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)


def sweep(root: Path) -> int:
    """Remove the workplaces of dead processes; returns how many."""
    removed = 0
    for folder in root.iterdir():
        lock = filelock.FileLock(folder / _LOCK)
        try:
            # No lock file yet: its owner is between mkdir and lock, or died there; an empty folder costs nothing.
            if not (folder / _LOCK).exists():
                continue
            lock.acquire(blocking=False)
        except (filelock.Timeout, OSError):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()
        removed += 1
    return removed
