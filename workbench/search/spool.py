"""A spool: rows that a process has written down on this machine and not yet handed on, one JSON object per line.

Each process appends to a file of its own and holds a lock beside it that the system drops when the process dies,
however it dies. Whoever comes later takes over the files of the dead; those of the living it never touches.

The first line says the format; a file of another one is left alone. A line that was cut off by a death is passed over.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import filelock

FORMAT = 1
_CROWD = 100
_LOCK, _ROWS = ".lock", ".jsonl"

Row = dict[str, Any]


class Spool:
    """The spool of this process in ``folder``, which it makes, for its user alone, when there is something to write.

    For one thread. Raises OSError for what the disk says.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.size_bytes = 0
        self._token = secrets.token_hex(8)
        self._number = 0
        self._lock: filelock.BaseFileLock | None = None
        self._file: BinaryIO | None = None

    @property
    def is_crowded(self) -> bool:
        """Whether so many processes have left something that it is time to move it on."""
        return sum(1 for _ in self.folder.glob(f"*{_ROWS}")) > _CROWD

    def append(self, rows: Sequence[Row]) -> None:
        """Write rows so that they survive the death of this process."""
        if self._file is None:
            self._file = self._begin()
        data = to_lines(rows)
        self._file.write(data)
        self._file.flush()
        self.size_bytes += len(data)

    def forget(self) -> None:
        """Drop what was appended: it has been handed on."""
        if self._file is not None:
            self._file.close()
            self._path().unlink(missing_ok=True)
        self._file, self.size_bytes = None, 0
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
        for path in sorted(self.folder.glob(f"*{_ROWS}")):
            if not path.name.startswith(self._token):
                yield from _take_over(path)

    def _begin(self) -> BinaryIO:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self._lock is None:
            lock = filelock.FileLock(self.folder / f"{self._token}{_LOCK}")
            lock.acquire(blocking=False)
            self._lock = lock
        file = self._path().open("ab")
        file.write(json.dumps({"format": FORMAT}).encode() + b"\n")
        return file

    def _path(self) -> Path:
        return self.folder / f"{self._token}-{self._number}{_ROWS}"


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
    return found[1:]
