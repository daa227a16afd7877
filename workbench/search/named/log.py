"""The table of one named vector index: a Delta table under ``_vectors/<name>/``, its commits, states and files.

Columns: ``id`` text, ``vector`` list of float32 (null: the id was removed), ``metadata`` JSON text (null: as it was)
and ``seq``, the number of the commit that brought the row, as a partition column: of two rows with one id the higher
wins. It stands in the log alone, so a write that lost a race commits the same file again under the next number. An id
is at most once under one ``seq``. Files merged into one keep the highest of their numbers, so what others add meanwhile
still wins.

Every commit is a compare-and-swap on the state it was decided against (as in `workbench.lake.tables.delta`). Deleting
an index is a commit too, so no one can read half of an old table as a new one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.transaction import AddAction, RemoveAction, create_table_with_add_actions

from workbench.errors import InvalidError, NotFoundError
from workbench.lake.tables.delta import commits, mapped
from workbench.lake.tables.storage import Storage
from workbench.search.vectors.distance import Distance

FORMAT = 1
ROOT = "_vectors"
_SAID = "lh.index"
_READ = {"add", "remove"}  # commits whose new files say something new; "compact" says the same again


@dataclass(frozen=True, slots=True)
class VectorSpec:
    """What was fixed when an index was made. ``created_at`` is ISO 8601 in UTC."""

    dimension: int
    distance: Distance
    m: int
    ef_construction: int
    ef_search: int
    created_at: str


@dataclass(frozen=True, slots=True)
class VectorFile:
    """One Parquet file of an index. ``rows`` counts removals too; ``seq`` is 0 before its commit."""

    path: str
    rows: int
    size_bytes: int
    seq: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """An index at one version. ``spec`` is None when it is deleted; ``files`` by ``seq``, ``count`` ids that are there
    (None when another program wrote it), ``token`` of the commit file.
    """

    version: int
    token: str
    spec: VectorSpec | None
    files: tuple[VectorFile, ...]
    count: int | None

    @property
    def rows(self) -> int:
        """Rows in all files, those that no longer count included."""
        return sum(f.rows for f in self.files)


class VectorLog:
    """The log of one index. Holds nothing: states are values, and who has one asks whether it is still the newest."""

    def __init__(self, storage: Storage, name: str) -> None:
        self.storage, self.name = storage, name
        self.key = f"{ROOT}/{name}"

    def load(self) -> State | None:
        """The newest state, or None when there has never been such an index. Raises InvalidError for a format of the
        future, ProviderError for a log that cannot be read.
        """
        try:
            with self._mapped():
                table = DeltaTable(self.storage.uri(self.key), storage_options=self.storage.delta_options())
                last = next(iter(commits(self.storage, self.key, table, 1)), {})
        except LookupError:
            return None
        field = pa.schema(table.schema().to_arrow()).field(0)
        said = json.loads((field.metadata or {}).get(_SAID.encode(), b"{}"))
        spec = None if said.get("deleted") else self._to_spec(said)
        # Through its stream: pa.table() would import pandas to ask whether this is one of its frames.
        actions = pa.RecordBatchReader.from_stream(table.get_add_actions(flatten=True)).read_all().to_pylist()
        files = [VectorFile(a["path"], a["num_records"], a["size_bytes"], a["partition.seq"]) for a in actions]
        version = table.version()
        return State(version, self._token(version), spec, _ordered(files), _record(last).get("count"))

    def is_newest(self, state: State) -> bool:
        """Whether nobody has committed since: the commit file is still the same and there is no next one."""
        made_by = self.storage.stat(self._commit_key(state.version))
        if made_by is None or made_by.token != state.token:
            return False
        return self.storage.stat(self._commit_key(state.version + 1)) is None

    def after(self, state: State) -> tuple[State, tuple[VectorFile, ...]] | None:
        """The state one commit later and the files to read for it; None when all has to be loaded anew."""
        version = state.version + 1
        made_by = self.storage.stat(self._commit_key(state.version))
        if made_by is None or made_by.token != state.token:
            return None
        try:
            actions = [json.loads(line) for line in self.storage.get(self._commit_key(version)).splitlines()]
        except (NotFoundError, ValueError):
            return None
        said = next((_record(a["commitInfo"]) for a in actions if "commitInfo" in a), {})
        if said.get("operation") not in {*_READ, "compact"} or any("metaData" in a for a in actions):
            return None
        gone = {a["remove"]["path"] for a in actions if "remove" in a}
        new = tuple(_to_file(a["add"]) for a in actions if "add" in a)
        files = _ordered([*(f for f in state.files if f.path not in gone), *new])
        later = State(version, self._token(version), state.spec, files, said.get("count"))
        return later, new if said["operation"] in _READ else ()

    def create(self, spec: VectorSpec, deleted: State | None) -> State:
        """Make the index, in one commit: a new table, or a new life for a deleted one. Raises LostRaceError."""
        if deleted is not None:
            return self._restart(deleted, spec, "create")
        with self._mapped():
            create_table_with_add_actions(
                self.storage.uri(self.key),
                _schema(spec),
                [],
                partition_by=["seq"],
                name=self.name,
                storage_options=self.storage.delta_options(),
                commit_properties=_properties("create", 0),
            )
        return State(0, self._token(0), spec, (), 0)

    def delete(self, base: State) -> State:
        """Say that exactly ``base`` is the end of the index. Raises LostRaceError."""
        return self._restart(base, None, "delete")

    def commit(
        self, base: State, operation: str, added: Iterable[VectorFile], removed: Sequence[VectorFile], count: int
    ) -> State:
        """Put files in and take files out of exactly ``base``. ``operation``: add | remove | compact | clear.

        A file without a ``seq`` gets the number of this commit. Raises LostRaceError.
        """
        version = base.version + 1
        new = [f if f.seq else replace(f, seq=version) for f in added]
        now_ms = int(time.time() * 1000)
        gone = [RemoveAction(f.path, True, now_ms, f.size_bytes, {"seq": str(f.seq)}) for f in removed]  # noqa: FBT003
        assert base.spec is not None
        self._write(base, [*gone, *(_add(f, now_ms) for f in new)], "append", base.spec, _properties(operation, count))
        out = {f.path for f in removed}
        files = _ordered([*(f for f in base.files if f.path not in out), *new])
        return State(version, self._token(version), base.spec, files, count)

    def _restart(self, base: State, spec: VectorSpec | None, operation: str) -> State:
        self._write(base, [], "overwrite", spec, _properties(operation, 0))
        return State(base.version + 1, self._token(base.version + 1), spec, (), 0)

    def _write(
        self,
        base: State,
        actions: list[AddAction | RemoveAction],
        mode: str,
        spec: VectorSpec | None,
        properties: CommitProperties,
    ) -> None:
        with self._mapped():
            table = DeltaTable(
                self.storage.uri(self.key), version=base.version, storage_options=self.storage.delta_options()
            )
            table.create_write_transaction(
                actions, mode, _schema(spec), partition_by=["seq"], commit_properties=properties
            )

    def _to_spec(self, said: dict[str, Any]) -> VectorSpec:
        if said.get("format") != FORMAT:
            raise InvalidError(
                f"Vector index {self.name!r} is in format {said.get('format')}, and this reader knows {FORMAT}.",
                hint="Update the workbench: a newer one wrote it.",
            )
        return VectorSpec(**{k: said[k] for k in VectorSpec.__slots__})

    def _mapped(self) -> Any:
        return mapped(self.storage, self.name, noun="vector index", key=self.key)

    def _commit_key(self, version: int) -> str:
        return f"{self.key}/_delta_log/{version:020}.json"

    def _token(self, version: int) -> str:
        found = self.storage.stat(self._commit_key(version))
        return found.token if found else ""


def _schema(spec: VectorSpec | None) -> Schema:
    said = json.dumps({"format": FORMAT} | ({"deleted": True} if spec is None else asdict(spec)))
    fields = [
        # Delta has no place for facts about a table but its own settings, so the first column carries them.
        pa.field("id", pa.string(), nullable=False, metadata={_SAID: said}),
        pa.field("vector", pa.list_(pa.field("element", pa.float32()))),
        pa.field("metadata", pa.string()),
        pa.field("seq", pa.int64()),
    ]
    return Schema.from_arrow(pa.schema(fields))


def _add(file: VectorFile, now_ms: int) -> AddAction:
    stats = json.dumps({"numRecords": file.rows})
    return AddAction(file.path, file.size_bytes, {"seq": str(file.seq)}, now_ms, data_change=True, stats=stats)


def _to_file(add: dict[str, Any]) -> VectorFile:
    rows = json.loads(add["stats"])["numRecords"]
    return VectorFile(add["path"], rows, add["size"], int(add["partitionValues"]["seq"]))


def _properties(operation: str, count: int) -> CommitProperties:
    record = json.dumps({"format": FORMAT, "operation": operation, "count": count})
    return CommitProperties(custom_metadata={"lh": record}, max_commit_retries=0)


def _record(entry: dict[str, Any]) -> dict[str, Any]:
    """What we said of a commit; nothing when another program made it."""
    said = json.loads(entry.get("lh") or "{}")
    return said if said.get("format") == FORMAT else {}


def _ordered(files: Iterable[VectorFile]) -> tuple[VectorFile, ...]:
    return tuple(sorted(files, key=lambda f: (f.seq, f.path)))
