"""What ends an exchange from outside: a cancel from another thread, or a limit of time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

POLL_S = 0.05
"""How soon a cancel is seen: an ``Event`` cannot wake two waiters of different kinds, so it is looked at."""

Cut = Literal["", "cancelled", "first", "total"]


class Lifeline:
    """Shuts the socket of one exchange when ``cancel`` is set, or its first piece or its whole is late: a thread that
    waits for bytes wakes at once, and the server learns that nobody listens. Seconds count from `start`.

    ``cut`` says why it did: "" (it did not), "cancelled", "first" or "total". Made for a connection of its own.
    """

    def __init__(self, *, total_s: float, first_s: float | None = None, cancel: threading.Event | None = None) -> None:
        self.cut: Cut = ""
        self._total_s, self._first_s, self._cancel = total_s, first_s, cancel
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._began = time.monotonic()
        threading.Thread(target=self._watch, daemon=True, name="lifeline").start()

    def begun(self) -> None:
        """The first piece is here: the limit for it no longer counts."""
        self._first_s = None

    def release(self) -> None:
        """Watch no more. After this the socket is left alone."""
        with self._lock:
            self._socket = None
            self._done.set()

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """The hook by which httpx tells of the connections that it opens (``extensions={"trace": …}``)."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self.hold(info["return_value"])

    def hold(self, stream: Any) -> None:
        """Remember the connection; shut it when it comes too late."""
        with self._lock:
            self._socket = stream.get_extra_info("socket")
            if self.cut:
                self._shut()

    def _watch(self) -> None:
        while not self._done.is_set():
            left_s, why = self._left()
            if why:
                self._end(why)
                return
            if self._cancel is None:
                self._done.wait(left_s)
            else:
                self._cancel.wait(min(left_s, POLL_S))

    def _left(self) -> tuple[float, Cut]:
        """Seconds to the next limit; and the reason to end, if there is one."""
        spent = time.monotonic() - self._began
        if self._cancel is not None and self._cancel.is_set():
            return 0.0, "cancelled"
        if spent >= self._total_s:
            return 0.0, "total"
        first_s = self._first_s
        if first_s is None:
            return self._total_s - spent, ""
        return min(self._total_s, first_s) - spent, "first" if spent >= first_s else ""

    def _end(self, why: Cut) -> None:
        with self._lock:
            if not self._done.is_set():
                self.cut = why
                self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # it is gone already
                # The plain socket's own: that of TLS takes its state away under the thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
