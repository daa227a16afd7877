"""A derived listing of all manifests, one small file under ``_catalog/``: it saves opening a thousand logs.

It is never trusted: the catalog checks every entry against storage before use, and a missing, damaged or foreign file
is an empty one. Written whole by whoever found it stale.
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from workbench.errors import WorkbenchError
from workbench.lake.tables.manifest import Manifest
from workbench.lake.tables.storage import Storage

FORMAT = 1
KEY = "_catalog/listing.bin"


@dataclass(frozen=True, slots=True)
class Known:
    """A manifest and the token of the commit file that made it."""

    manifest: Manifest
    token: str


@dataclass(frozen=True, slots=True)
class _Page:
    format: int
    datasets: dict[str, Known]


class Listing:
    """Reads and writes the listing of one lake."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._last: dict[str, str] = {}

    def read(self) -> dict[str, Known]:
        """What the file says, or nothing when it cannot be read or has another format version."""
        with suppress(WorkbenchError, msgspec.MsgspecError, ValueError):
            body = self.storage.get(KEY)
            if zlib.crc32(body[4:]).to_bytes(4, "big") == body[:4]:
                page = msgspec.msgpack.decode(body[4:], type=_Page)
                if page.format == FORMAT:
                    self._last = {name: known.token for name, known in page.datasets.items()}
                    return page.datasets
        return {}

    def write(self, known: dict[str, Known]) -> None:
        """Replace the file when it would say something new. Failing to is no failure: it is derived."""
        tokens = {name: k.token for name, k in known.items()}
        if tokens == self._last:
            return
        body = msgspec.msgpack.encode(_Page(FORMAT, known))
        with suppress(WorkbenchError, OSError):
            self.storage.put(KEY, zlib.crc32(body).to_bytes(4, "big") + body)
            self._last = tokens
