"""A spool: rows that a process has written down on this machine and not yet handed on, one JSON object per line.

Each process appends to a file of its own and holds a lock beside it that the system drops when the process dies,
however it dies. Whoever comes later takes over the files of the dead; those of the living it never touches.

The first line says the format; a file of another one is left alone. A line that was cut off by a death is passed over.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any

import filelock

FORMAT = 1
_CROWD = 100
_LOCK, _ROWS = ".lock", ".jsonl"

Row = dict[str, Any]


class Spool:
    """The spool of this process in ``folder``, which it makes, for its user alone, when there is something to write.

    Without a folder (nobody's home) it keeps nothing. For one thread. Raises OSError for what the disk says.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.size_bytes = 0
        self._token = secrets.token_hex(8)
        self._number = 0
        self._lock: filelock.BaseFileLock | None = None
        self._file: FileIO | None = None
        self._torn = False

    @property
    def is_crowded(self) -> bool:
        """Whether so many processes have left something that it is time to move it on."""
        return self.folder is not None and sum(1 for _ in self.folder.glob(f"*{_ROWS}")) > _CROWD

    def append(self, lines: bytes) -> bool:
        """Write rows (`to_lines`) so that they survive the death of this process; False when there is no place."""
        if self.folder is None:
            return False
        if self._file is None:
            self._file = self._begin(self.folder)
        # After half a line comes an end, so that it spoils none but itself.
        data = b"\n" + lines if self._torn else lines
        self._torn = self._file.write(data) != len(data)
        if self._torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.folder))
        self.size_bytes += len(lines)
        return True

    def forget(self) -> None:
        """Drop what was appended: it has been handed on."""
        if self._file is not None and self.folder is not None:
            file, self._file = self._file, None
            file.close()
            self._path(self.folder).unlink(missing_ok=True)
        self.size_bytes, self._torn = 0, False
        self._number += 1

    def leave(self) -> None:
        """Let go. What was not handed on stays for the next process."""
        if self._file is not None:
            self._file.close()
        if self._lock is not None:
            if self._file is None:
                Path(self._lock.lock_file).unlink(missing_ok=True)
            self._lock.release()

    def left(self) -> Iterator[list[Row]]:
        """The rows of each dead process's file. A file is gone once the next one is asked for."""
        for path in sorted(self.folder.glob(f"*{_ROWS}")) if self.folder else ():
            if not path.name.startswith(self._token):
                yield from _take_over(path)

    def _begin(self, folder: Path) -> FileIO:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._lock is None:
            lock = filelock.FileLock(folder / f"{self._token}{_LOCK}")
            lock.acquire(blocking=False)
            self._lock = lock
        # Without a buffer nothing that failed once is written a second time.
        handle = os.open(self._path(folder), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        file = FileIO(handle, "ab")
        file.write(json.dumps({"format": FORMAT}).encode() + b"\n")
        return file

    def _path(self, folder: Path) -> Path:
        return folder / f"{self._token}-{self._number}{_ROWS}"


def to_lines(rows: Sequence[Row]) -> bytes:
    """Rows as they stand in a spool."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def _take_over(path: Path) -> Iterator[list[Row]]:
    lock = filelock.FileLock(path.with_name(f"{path.stem.partition('-')[0]}{_LOCK}"))
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:  # its process lives
        return
    try:
        rows = _read(path)
        if rows is not None:
            if rows:
                yield rows
            path.unlink()
            Path(lock.lock_file).unlink(missing_ok=True)
    finally:
        lock.release()


def _read(path: Path) -> list[Row] | None:
    """The rows of a file; None when it is gone or of another format."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:  # somebody else took it over
        return None
    found = []
    for line in lines:
        with suppress(ValueError):
            found.append(json.loads(line))
    if lines and found[:1] != [{"format": FORMAT}]:
        return None if found else []
    return [row for row in found[1:] if isinstance(row, dict)]
