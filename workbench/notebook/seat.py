"""The kernel's side of a run: an IPython kernel that knows who wants it, and ends when nobody does.

``python -m workbench.notebook.seat TICKET [kernel arguments]``. The ticket is a small private file beside the output
notebook. The kernel lives while the process that the ticket names as its owner lives, after that until the moment that
the ticket names, and it ends when the ticket is gone: a run that was killed leaves no kernel behind, and deleting the
file ends a kernel that was kept.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

LOOKS_EVERY_S = 0.5
FOLDER = "lh-kernel-"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Who the kernel is, who wants it and until when. ``born`` and ``owner_born``: a number may be given again."""

    pid: int
    born: float
    owner: int
    owner_born: float
    until: float  # seconds of the epoch; 0: as long as the owner lives
    folder: str  # private: the connection file and its sockets

    def save(self, path: Path) -> None:
        """Write it whole, readable by its user only: who can read it can run code in the kernel."""
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
        Path(draft).replace(path)

    @classmethod
    def load(cls, path: Path) -> Ticket | None:
        """The ticket of that file; None when there is none, or none that we wrote.

        A ticket names a folder to remove and a kernel to run cells in, and it lies beside a notebook that may have come
        from anywhere: only a file of this user's that nobody else may write counts, and only a folder of ours.
        """
        try:
            about = path.lstat()
            if not _is_own(about, stat.S_ISREG):
                return None
            said = json.loads(path.read_text(encoding="utf-8"))
            numbers = int(said["pid"]), float(said["born"]), int(said["owner"]), float(said["owner_born"])
            ticket = cls(*numbers, float(said["until"]), str(said["folder"]))
        except (OSError, ValueError, TypeError, KeyError, OverflowError):
            return None
        return ticket if ticket.pid > 1 and is_ours(Path(ticket.folder)) else None


def is_ours(folder: Path) -> bool:
    """Whether it is a private folder that `kernel` made, or was one and is gone: no other is ever removed."""
    if not folder.is_absolute() or not folder.name.startswith(FOLDER):
        return False
    try:
        return _is_own(folder.lstat(), stat.S_ISDIR)
    except FileNotFoundError:
        return True


def _is_own(about: os.stat_result, is_kind: Callable[[int], bool]) -> bool:
    """A thing of this kind, no link to one, that belongs to this user and that no other may write."""
    return is_kind(about.st_mode) and about.st_uid == os.geteuid() and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def lives(pid: int, born: float) -> bool:
    """Whether that very process is there and is more than a dead one that nobody buried."""
    import psutil

    try:
        process = psutil.Process(pid)
        there = abs(process.create_time() - born) < 1
        return there and bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def born(pid: int) -> float:
    """When a process began, seconds of the epoch. Raises psutil.Error when it is gone."""
    import psutil

    return float(psutil.Process(pid).create_time())


def wanted(path: Path) -> bool:
    """Whether the kernel of this ticket shall live on."""
    ticket = Ticket.load(path)
    return ticket is not None and (lives(ticket.owner, ticket.owner_born) or time.time() < ticket.until)


def stay(path: Path, end: Callable[[], None]) -> None:
    """Look at the ticket again and again; call ``end`` once nobody wants the kernel."""
    parent, seen = os.getppid(), False
    while True:
        time.sleep(LOOKS_EVERY_S)
        # The runner writes the ticket when it knows the kernel's number; until then being its child is enough.
        seen = seen or path.exists()
        if not (wanted(path) if seen else os.getppid() == parent):
            end()
            return


def main() -> None:
    """Serve as a kernel until nobody wants it."""
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    del sys.argv[1:3]
    # As ipykernel_launcher does: the folder of the notebook comes back when the kernel has been imported.
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():
        del sys.path[0]

    def end() -> None:
        mine = Ticket.load(path)
        if mine is None or mine.pid == os.getpid():
            path.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(0)

    threading.Thread(target=stay, args=(path, end), daemon=True).start()
    from ipykernel.kernelapp import launch_new_instance

    launch_new_instance()


if __name__ == "__main__":
    main()
