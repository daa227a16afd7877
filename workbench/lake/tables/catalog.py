"""The catalog: every dataset of a lake, read from the transaction logs in storage and from nothing else.

What a process remembers is checked against storage before each use: the commit file that made the remembered version
is still the same file and the next one does not exist. That is exact, costs two look-ups, and makes a new dataset or
version visible to the next query of any process.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import tenacity

from workbench.errors import ConflictError, InvalidError, LostRaceError, NotFoundError
from workbench.lake.tables import delta
from workbench.lake.tables.listing import Known, Listing
from workbench.lake.tables.manifest import About, Column, DataFile, Manifest, Note, Snapshot, check_name, fingerprint
from workbench.lake.tables.storage import Storage

T = TypeVar("T")
ATTEMPTS_S = 60.0  # how long a writer keeps trying against other writers


class Catalog:
    """Datasets by name. Threads may share one; several processes may each have their own."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self._known: dict[str, Known] = {}
        self._versions: dict[tuple[str, int], Manifest] = {}
        self._listing = Listing(storage)

    def names(self) -> list[str]:
        """Names of all datasets, sorted."""
        return [n for n in self.storage.folders("datasets") if self._exists(n)]

    def all(self) -> list[Manifest]:
        """Every dataset's newest manifest, by name. The derived listing saves reading logs that have not moved."""
        names = self.storage.folders("datasets")
        if any(n not in self._known for n in names):
            self._known = self._listing.read() | self._known
        found = [m for m in (self._newest(n) for n in names) if m]
        self._listing.write({m.name: self._known[m.name] for m in found})
        return found

    def get(self, name: str, version: int | None = None) -> Manifest:
        """The manifest at the newest or a given version. Raises NotFoundError naming near matches."""
        newest = self._newest(name)
        if newest is None:
            raise self.unknown(name)
        if version is None or version == newest.version:
            return newest
        if 1 <= version < newest.about.expired_before:
            raise NotFoundError(f"Snapshot {version} of {name} has expired.", hint=f"lh snapshots {name}")
        if 1 <= version < newest.version:
            return _tagged_as(newest, self._old(name, version))
        raise NotFoundError(
            f"Dataset {name} has no snapshot {version}; it has 1 to {newest.version}.", hint=f"lh snapshots {name}"
        )

    def at(self, name: str, moment: dt.datetime) -> Manifest:
        """The manifest as it was at a moment (a naive one is taken as UTC). Raises NotFoundError before the first."""
        when = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
        snapshots = self.history(name)
        chosen = next((s for s in snapshots if s.created_at <= when), None)
        if chosen is None:
            first = snapshots[-1].created_at.astimezone(when.tzinfo)
            raise NotFoundError(
                f"Dataset {name} did not exist at {when:%Y-%m-%d %H:%M}; it begins at {first:%Y-%m-%d %H:%M}.",
                hint=f"lh snapshots {name}",
            )
        return self.get(name, chosen.version)

    def history(self, name: str) -> list[Snapshot]:
        """All snapshots of a dataset, newest first. Raises NotFoundError."""
        try:
            return delta.history(self.storage, name)
        except LookupError:
            raise self.unknown(name) from None

    def find(self, name: str) -> Manifest | None:
        """The newest manifest, or None when there is no such dataset."""
        return self._newest(name)

    def register(self, name: str, columns: Sequence[Column], *, about: About | None = None) -> tuple[Manifest, bool]:
        """Make a dataset known by its schema alone; returns its manifest and whether it existed.

        Same name and fingerprint: the existing one. Another fingerprint: ConflictError and nothing changed.
        """
        check_name(name)
        if not columns:
            raise InvalidError(
                f"Dataset {name!r} needs at least one column.", hint="Give its columns' names and types."
            )
        offered = fingerprint((c.name, c.type) for c in columns)

        def step() -> tuple[Manifest, bool]:
            found = self.find(name)
            if found is None:
                delta.create(self.storage, name, columns, (), Note("register"), about or About())
                return self.get(name), False
            if found.fingerprint != offered:
                raise ConflictError(
                    f"Dataset {name!r} exists with other columns.",
                    hint=f"lh describe {name} shows them; register the new schema under another name.",
                    details={"fingerprint": found.fingerprint, "offered": offered},
                )
            return found, True

        return self.decide(step)

    def commit(
        self,
        base: Manifest | None,
        name: str,
        columns: Sequence[Column],
        files: Sequence[DataFile],
        note: Note,
        *,
        mode: str = "append",
    ) -> Manifest:
        """One commit on exactly ``base`` (None: the dataset must not exist). Raises LostRaceError when base has moved.

        ``mode``: 'append', 'replace' (the old content goes), 'rewrite' (the old content is in ``files`` again), 'swap'
        (``files`` are those of an older version).
        """
        if base is None:
            delta.create(self.storage, name, columns, files, note, About())
        elif mode == "append":
            delta.append(self.storage, base, files, note)
        elif mode == "swap":
            delta.swap(self.storage, base, files, note)
        else:
            delta.replace(self.storage, base, columns, files, note, keep=mode == "rewrite")
        return self.get(name, 1 if base is None else base.version + 1)

    def annotate(
        self,
        name: str,
        *,
        about: Callable[[About], About] | None = None,
        pii: dict[str, str] | None = None,
        note: Note | None = None,
    ) -> Manifest:
        """Change owner, description, tags or PII tags in one commit. Raises NotFoundError for dataset or column."""

        def step() -> Manifest:
            base = self.get(name)
            for column in pii or {}:
                if base.column(column) is None:
                    raise NotFoundError.named("column", column, (c.name for c in base.columns))
            tags = {k.casefold(): v for k, v in (pii or {}).items()}
            columns = [replace(c, pii=tags.get(c.name.casefold(), c.pii)) for c in base.columns]
            said = about(base.about) if about else base.about
            delta.annotate(self.storage, base, columns, note or Note("annotate"), said)
            return self.get(name)

        return self.decide(step)

    def ingested(self, manifest: Manifest, key: str) -> int | None:
        """The version at which a source of this key went into this content, or None."""
        return delta.ingested(self.storage, manifest, key)

    def decide(self, step: Callable[[], T]) -> T:
        """Run ``step`` (look, then write) until its write is not lost to another writer; then BusyError."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(LostRaceError),
            wait=tenacity.wait_random_exponential(multiplier=0.02, max=1.0),
            stop=tenacity.stop_after_delay(ATTEMPTS_S),
            reraise=True,
        )
        return retrying(step)

    def unknown(self, name: str) -> NotFoundError:
        """The error for a dataset that is not there."""
        names = self.names()
        hint = "`lh ls` lists them." if names else "Make some: lh demo, or load one: lh ingest FILE"
        return NotFoundError.named("dataset", name, names, hint=hint)

    def _exists(self, name: str) -> bool:
        if name in self._known or self.storage.stat(delta.log_key(name, 1)):
            return True
        # A table of another engine may have expired its first commits.
        return self.storage.stat(f"{delta.folder(name)}/_delta_log/_last_checkpoint") is not None

    def _newest(self, name: str) -> Manifest | None:
        known = self._known.get(name)
        if known and self._fresh(known):
            return known.manifest
        if not name or "/" in name or name.startswith("."):
            return None
        try:
            manifest = delta.load(self.storage, name)
        except LookupError:
            self._known.pop(name, None)
            return None
        made_by = self.storage.stat(delta.log_key(name, manifest.version))
        self._known[name] = Known(manifest, made_by.token if made_by else "")
        return manifest

    def _old(self, name: str, version: int) -> Manifest:
        # A version never changes, so what was read once is right for ever.
        if (name, version) not in self._versions:
            try:
                self._versions[name, version] = delta.load(self.storage, name, version)
            except LookupError:
                raise NotFoundError(f"Snapshot {version} of {name} is gone.", hint=f"lh snapshots {name}") from None
        return self._versions[name, version]

    def _fresh(self, known: Known) -> bool:
        name, version = known.manifest.name, known.manifest.version
        made_by = self.storage.stat(delta.log_key(name, version))
        if made_by is None or made_by.token != known.token:
            return False  # dropped, or made again under the same name
        return self.storage.stat(delta.log_key(name, version + 1)) is None


def _tagged_as(newest: Manifest, old: Manifest) -> Manifest:
    """An older version with the tags of the newest beside its own: what was found to be PII later was so before."""
    tags = {name.casefold(): kind for name, kind in newest.pii.items()}
    if not any(c.name.casefold() in tags and not c.pii for c in old.columns):
        return old
    return replace(old, columns=tuple(replace(c, pii=c.pii or tags.get(c.name.casefold(), "")) for c in old.columns))
