"""Where this machine keeps what belongs to a lake and is not in it."""

from __future__ import annotations

import getpass
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workbench.lake.tables.storage import LocalStorage, Storage


@dataclass(frozen=True, slots=True)
class Folders:
    """The folders of one lake on this machine; nothing is made before something is written."""

    storage: Storage
    environ: Mapping[str, str]

    @property
    def vectors(self) -> Path:
        """Vectors and graphs: derived data. That of a bucket lives on this machine, one folder per lake."""
        if isinstance(self.storage, LocalStorage):
            return self.storage.root / "_vectors"
        return cache(self.environ) / self._lake_hash

    @property
    def state(self) -> Path | None:
        """What waits to be put into the lake, for its user alone. None on a machine where nobody is at home."""
        try:
            state = Path(self.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        except RuntimeError:
            return None
        return state / "lakehouse" / self._lake_hash

    @property
    def _lake_hash(self) -> str:
        return hashlib.sha256(self.storage.url.encode()).hexdigest()[:16]


def cache(environ: Mapping[str, str]) -> Path:
    """What can be made again, of all lakes."""
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lakehouse"


def login() -> str:
    """Who works here; '' in a container without a passwd entry."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""
