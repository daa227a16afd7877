"""The `Workbench`: owns what is open, one noun per domain, the daily verbs also on it. The only place that composes."""

from __future__ import annotations

import getpass
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from workbench import settings as settings_table
from workbench.errors import ConfigError
from workbench.settings import Settings

if TYPE_CHECKING:  # the engines are loaded by the verbs that use them, so that each waits for its own only
    from workbench.lake.catalog import Catalog
    from workbench.lake.engine import Progress, Watch
    from workbench.lake.health import Check
    from workbench.lake.lake import Lake
    from workbench.lake.manifest import Manifest
    from workbench.lake.query import Answer, Params
    from workbench.lake.report import Report
    from workbench.lake.storage import Storage
    from workbench.search.intake import EmbedProgress
    from workbench.search.searcher import Results, Searcher


def connect(
    lake: str | Path | None = None, *, environ: Mapping[str, str] | None = None, folder: Path | None = None, **more: Any
) -> Workbench:
    """Open a workbench on a lake: a folder or ``s3://bucket/prefix``; by default the one that ``lh config`` names.

    ``more`` are settings by name (see ``lh config``). Nothing is created before something is written. Raises
    ConfigError for a setting that is unknown or means nothing.
    """
    env = os.environ if environ is None else environ
    asked = {"lake": None if lake is None else str(lake)} | more
    settings = settings_table.load(asked, env, folder or Path.cwd())
    _check_lake(settings.lake)
    return Workbench(settings, env)


def _check_lake(url: str) -> None:
    """Raise ConfigError for a lake that is no place. A password in an address is refused before anything prints it."""
    if url.startswith("s3://"):
        bucket = url.removeprefix("s3://").partition("/")[0]
        if "@" in bucket:
            raise ConfigError(
                "The address of the lake holds a user name or a password.",
                hint="Write s3://bucket/prefix; keys belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
            )
        if not bucket:
            raise ConfigError(f"The lake {url!r} names no bucket.", hint="Write s3://bucket/prefix.")
    elif not url.strip():
        raise ConfigError("The lake has an empty name.", hint="Give a folder or s3://bucket/prefix, or leave it out.")
    elif "://" not in url and (path := Path(url).expanduser()).exists() and not path.is_dir():
        raise ConfigError(f"The lake {url} is a file; a lake is a folder.", hint="To load a file: lh ingest FILE")


class Workbench:
    """Everything that is open, for one lake. Use it as a context manager, or call `close`."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self._environ = environ

    @cached_property
    def storage(self) -> Storage:
        """Where the lake's bytes live."""
        from workbench.lake.s3 import open_storage

        secrets_file = Path(self.settings.secrets_file).expanduser()
        return open_storage(self.settings.lake, environ=self._environ, secrets_file=secrets_file)

    @cached_property
    def lake(self) -> Lake:
        """Datasets: ingest, SQL, snapshots, rejects, exports."""
        from workbench.lake.engine import Limits
        from workbench.lake.lake import Lake

        s = self.settings
        return Lake(
            self.storage,
            by=s.user or _login(),
            loading=Limits(memory_mb=s.ingest_memory_mb, threads=s.threads),
            asking=Limits(memory_mb=s.memory_mb, threads=s.threads),
        )

    @cached_property
    def searcher(self) -> Searcher:
        """Search by meaning over the datasets."""
        from workbench.search.embed import WordllamaEmbedder
        from workbench.search.searcher import Searcher

        return Searcher(self.lake, WordllamaEmbedder(), self._vectors())

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog by itself: what there is, without the engines."""
        from workbench.lake.catalog import Catalog

        return self.lake.catalog if "lake" in self.__dict__ else Catalog(self.storage)

    def datasets(self) -> list[Manifest]:
        """Every dataset's newest manifest, by name."""
        return self.catalog.all()

    def ingest(self, path: str | Path, name: str = "", *, progress: Progress | None = None, **options: Any) -> Report:
        """Load a file into a dataset; options as in `Request`. Raises SchemaDriftError with the ways out."""
        from workbench.lake.ingest import quiet
        from workbench.lake.report import Request

        return self.lake.ingest(Request(Path(path), name, **options), progress or quiet)

    def sql(
        self,
        sql: str,
        params: Params = None,
        *,
        row_cap: int | None = None,
        timeout_s: float | None = None,
        show_pii: bool = False,
        watch: Watch | None = None,
    ) -> Answer:
        """One SELECT over the datasets: read-only, all rows unless ``row_cap``, PII masked unless ``show_pii``."""
        from workbench.lake.engine import Watch
        from workbench.lake.query import Access

        return self.lake.sql(
            sql, params, access=Access(row_cap=row_cap, show_pii=show_pii), watch=watch or Watch(timeout_s=timeout_s)
        )

    def search(
        self,
        query: str,
        *,
        dataset: str = "workers",
        where: str = "",
        k: int = 10,
        columns: Sequence[str] = (),
        show_pii: bool = False,
        on_progress: Callable[[EmbedProgress], None] | None = None,
    ) -> Results:
        """The rows nearest in meaning to ``query`` among those that match ``where``; see `Searcher.search`."""
        return self.searcher.search(
            query, dataset=dataset, where=where, k=k, columns=columns, show_pii=show_pii, on_progress=on_progress
        )

    def checks(self) -> list[Check]:
        """What ``lh doctor`` says of the lake."""
        return self.lake.checks()

    def close(self) -> None:
        """Close what was opened. Nothing of the lake is held open, so forgetting to costs only memory."""
        if "lake" in self.__dict__:
            self.lake.close()

    def __enter__(self) -> Workbench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _vectors(self) -> Path:
        from workbench.lake.storage import LocalStorage

        if isinstance(self.storage, LocalStorage):
            return self.storage.root / "_vectors"
        # Derived data of a bucket lives on this machine, one folder per lake.
        cache = Path(self._environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "lakehouse" / hashlib.sha256(self.storage.url.encode()).hexdigest()[:16]


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container without a passwd entry
        return ""
