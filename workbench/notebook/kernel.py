"""A kernel as a process of its own: started, found again, watched, kept for a while, ended.

It is started without a kernel spec and talks through sockets in a private folder: nothing that two runs could both
write, no port that both could be given (nteract/papermill#239).
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import psutil  # comes with ipykernel
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.connect import write_connection_file

from workbench.errors import BusyError
from workbench.notebook.seat import FOLDER, Ticket, born, is_ours, lives

STARTS_IN_S = 60.0
ENDS_IN_S = 3.0
_LONGEST_SOCKET = 90  # a socket's path holds 107 bytes on Linux, 103 on macOS
_CONNECTION = "connection.json"
_SAID = "said.txt"
_INHERITED = ("JPY_PARENT_PID", "JPY_SESSION_NAME")  # a kernel that runs us is not the parent of ours


def ticket_of(out: Path) -> Path:
    """Where the ticket of the kernel of this output notebook is."""
    return out.with_name(f".{out.name}.kernel")


class Kernel:
    """A kernel's process by its ticket. ``process`` is None for one that another run started."""

    def __init__(self, path: Path, ticket: Ticket, process: subprocess.Popen[bytes] | None = None) -> None:
        self.path = path
        self.ticket = ticket
        self._process = process

    @classmethod
    def start(cls, path: Path, folder: Path, environ: Mapping[str, str]) -> Kernel:
        """Start one that works in ``folder`` and lives as long as this process."""
        place = _private_folder()
        connection = place / _CONNECTION
        write_connection_file(
            str(connection), ip=str(place / "s"), transport="ipc", key=secrets.token_hex(32).encode(), kernel_name=""
        )
        clean = {name: value for name, value in environ.items() if name not in _INHERITED}
        command = [sys.executable, "-m", "workbench.notebook.seat", str(path.absolute()), str(place)]
        # Parallel runs would wait for each other's history, and nobody asks for it.
        more = ["-f", str(connection), "--HistoryManager.hist_file=:memory:"]
        with (place / _SAID).open("wb") as said:
            process = subprocess.Popen(
                [*command, *more], cwd=folder, env=clean, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
            )  # fmt: skip
        ticket = Ticket(process.pid, born(process.pid), os.getpid(), born(os.getpid()), 0.0, str(place))
        ticket.save(path)
        return cls(path, ticket, process)

    @classmethod
    def find(cls, path: Path) -> Kernel | None:
        """The kernel of a ticket when it lives; what a dead one left is removed.

        Raises BusyError when another run is using it.
        """
        ticket = Ticket.load(path)
        if ticket is None:
            return None
        if ticket.owner != os.getpid() and lives(ticket.owner, ticket.owner_born):
            raise BusyError(
                f"Another run (process {ticket.owner}) is writing {path.name[1:].removesuffix('.kernel')}.",
                hint="Wait for it, or give this run another --out.",
            )
        kernel = cls(path, ticket)
        if kernel.lives():
            return kernel
        kernel.clean()
        return None

    def take(self) -> None:
        """Make this process its owner."""
        self.ticket = replace(self.ticket, owner=os.getpid(), owner_born=born(os.getpid()), until=0.0)
        self.ticket.save(self.path)

    def keep(self, seconds: float) -> None:
        """Let it live on without an owner for that long."""
        if self._process is not None:  # whoever stays behind as its parent buries it when it has ended
            threading.Thread(target=self._process.wait, daemon=True).start()
        self.ticket = replace(self.ticket, owner=0, owner_born=0.0, until=time.time() + seconds)
        self.ticket.save(self.path)

    def client(self) -> AsyncKernelClient:
        """A client of it, not yet connected, that asks the process itself whether it lives."""
        client = _Client(connection_file=str(Path(self.ticket.folder) / _CONNECTION))
        client.kernel = self
        client.load_connection_file()
        return client

    def lives(self) -> bool:
        """Whether its process is there."""
        if self._process is not None:
            return self._process.poll() is None
        return lives(self.ticket.pid, self.ticket.born)

    def ended(self) -> str:
        """How it ended, in words: the signal or the exit status; '' for one that another run started."""
        code = self._process.poll() if self._process is not None else None
        if code is None:
            return ""
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"

    def said(self) -> str:
        """The last lines of what the process itself wrote: what a crash in native code says."""
        try:
            text = (Path(self.ticket.folder) / _SAID).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return "\n".join(text.strip().splitlines()[-3:])

    def memory_mb(self) -> float:
        """Resident memory of it and of the processes that it started, in MB; 0 when it is gone."""
        try:
            process = psutil.Process(self.ticket.pid)
            family = [process, *process.children(recursive=True)]
        except psutil.Error:
            return 0.0
        return sum(map(_resident, family)) / 1e6

    def interrupt(self) -> None:
        """Press its Ctrl-C."""
        self._signal(signal.SIGINT, group=False)

    def kill(self) -> None:
        """End it at once, with all that it started."""
        self._signal(signal.SIGKILL, group=True)
        self._wait()

    def end(self, *, asked: bool = False) -> None:
        """End it, gently at first, and remove what it used. ``asked``: it has had a request to shut down."""
        if not (asked and self._wait()):
            self._signal(signal.SIGTERM, group=False)
        if not self._wait():
            self.kill()
        self._signal(signal.SIGKILL, group=True)  # what it started and left
        self.clean()

    def clean(self) -> None:
        """Remove its ticket and its folder."""
        self.path.unlink(missing_ok=True)
        if is_ours(Path(self.ticket.folder)):
            shutil.rmtree(self.ticket.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals, *, group: bool) -> None:
        try:
            if group:
                os.killpg(self.ticket.pid, number)
            elif self.lives():
                os.kill(self.ticket.pid, number)
        except (ProcessLookupError, PermissionError):
            return

    def _wait(self) -> bool:
        """Whether it has ended within a few seconds."""
        deadline = time.monotonic() + ENDS_IN_S
        while self.lives() and time.monotonic() < deadline:
            time.sleep(0.02)
        return not self.lives()


class _Client(AsyncKernelClient):
    """Asks the process, not its heartbeat: a kernel busy in native code lives, a killed one is dead at once."""

    kernel: Kernel

    async def is_alive(self) -> bool:
        return self.kernel.lives()

    _async_is_alive = is_alive


def _private_folder() -> Path:
    place = Path(tempfile.mkdtemp(prefix=FOLDER))
    if len(str(place)) <= _LONGEST_SOCKET:
        return place
    place.rmdir()
    return Path(tempfile.mkdtemp(prefix=FOLDER, dir="/tmp"))


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
