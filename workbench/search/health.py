"""What can be wrong with what search keeps: callers' own vectors, which are data, and files derived from the datasets.

Derived files are never trusted: what is damaged is passed over and made anew, so here it is a warning at most.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from workbench.errors import BusyError, WorkbenchError
from workbench.lake.health import Check
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.manifest import Manifest
from workbench.lake.tables.storage import Storage
from workbench.search.corpora import _lineage as lineage
from workbench.search.corpora import _version_name as version_name
from workbench.search.graphs import graph_file
from workbench.search.lexical import generation
from workbench.search.named.log import ROOT, State, VectorLog
from workbench.search.texts.corpus import saved_rows
from workbench.search.vectors.segment import SUFFIX, Unreadable, examine

_LOOK_BACK = 20  # versions looked through for the one that was indexed last
_STALE_SHARE = 0.10  # of the texts that a graph does not know: more are worth a build
_SHOWN = 3
_WAIT_S = 5.0


class _Model:
    """The model of a folder of derived vectors, as far as a path depends on it."""

    def __init__(self, folder: Path) -> None:
        self.digest = self.name = folder.name
        self.dimension = 0


def checks(catalog: Catalog, cache_dir: Path) -> list[Check]:
    """Every named index has its log and files; every derived file can be read and belongs to a dataset as it is now.

    Reads every byte of the derived files (about 1 GB/s), and of named indexes their logs and the sizes of their files.
    """
    return [*_named(catalog.storage), *_derived(cache_dir, list(_readable(catalog)))]


def _readable(catalog: Catalog) -> Iterator[Manifest]:
    for name in catalog.names():
        with suppress(WorkbenchError):  # what is wrong with the others the lake's own checks say
            yield catalog.get(name)


def _named(storage: Storage) -> Iterator[Check]:
    names = [n for n in storage.folders(ROOT) if "_delta_log" in storage.folders(f"{ROOT}/{n}")]
    wrong = [found for name in names for found in _index(storage, name)]
    yield from wrong
    if names and not wrong:
        said = f"{len(names):,} vector index{'es'[: 2 * (len(names) != 1)]}, every log and file is there"
        yield Check("vector indexes", "ok", said)


def _index(storage: Storage, name: str) -> Iterator[Check]:
    here, log = f"vector index {name}", VectorLog(storage, name)
    try:
        state = log.load()
    except WorkbenchError as error:
        newer = "Update" in error.hint
        yield Check(here, "broken", error.message, error.hint if newer else _backup(f"{log.key}/_delta_log"))
        return
    if state is None:
        yield Check(here, "broken", "its log has no whole entry", _backup(f"{log.key}/_delta_log"))
    elif state.spec is not None:
        yield from _files(storage, log, state)


def _files(storage: Storage, log: VectorLog, state: State) -> Iterator[Check]:
    here = f"vector index {log.name}"
    for file in state.files:
        key = f"{log.key}/{file.path}"
        found = storage.stat(key)
        if found is None:
            yield Check(here, "broken", f"{key} is gone: {file.rows:,} vectors", _backup(key))
        elif found.size_bytes != file.size_bytes:
            said = f"{key} has {found.size_bytes:,} bytes, {file.size_bytes:,} were written"
            yield Check(here, "broken", said, _backup(key))


def _derived(cache_dir: Path, datasets: Sequence[Manifest]) -> Iterator[Check]:
    models = sorted(p for p in cache_dir.glob("[0-9a-f]" * 16) if p.is_dir())
    words = sorted(p for p in (cache_dir / "words").glob("*") if p.is_dir())
    graphs = [path for model in models for path in sorted(model.glob(f"*{graph_file.SUFFIX}"))]
    if not models and not words:
        return
    found = [*_segments(models), *_unreadable(words, graphs), *_strangers([*words, *graphs], datasets)]
    for model in models:
        for manifest in datasets:
            found += _stale(cache_dir, model, manifest)
    yield from found
    if not found:
        yield Check("search", "ok", f"{len(words)} word indexes, {len(graphs)} graphs, all vectors can be read")


def _segments(models: Sequence[Path]) -> Iterator[Check]:
    for model in models:
        said = {path: examine(path) for path in sorted(model.glob(f"*{SUFFIX}"))}
        bad = {path: found for path, found in said.items() if isinstance(found, Unreadable) and not found.foreign}
        if bad:
            message = f"{len(bad)} of {len(said)} vector files in {model} are damaged; their texts are embedded anew"
            yield Check("search", "warning", message, _remove(list(bad)))


def _unreadable(words: Sequence[Path], graphs: Sequence[Path]) -> Iterator[Check]:
    for folder in words:
        if (folder / generation.CURRENT).exists() and _is_damaged(folder):
            yield Check("search", "warning", f"the word index {folder} is damaged; it is made anew", _remove([folder]))
    for path in graphs:
        if graph_file.read_sound(path) is None:
            said = f"the graph {path} is damaged or of another format; searches go on exactly without it"
            yield Check("search", "warning", said, _remove([path]))


def _is_damaged(words: Path) -> bool:
    """Whether a word index cannot be read while nobody writes it: a writer moves files under a reader's eyes."""
    if generation.open_current(words, verify=True):
        return False
    try:
        with generation.writing(words, _WAIT_S):
            return generation.open_current(words, verify=True) is None
    except BusyError:
        return False


def _strangers(paths: Sequence[Path], datasets: Sequence[Manifest]) -> Iterator[Check]:
    known = {lineage(manifest) for manifest in datasets}
    strange = [path for path in paths if path.name.partition(".")[0] not in known]
    if strange:
        said = f"{len(strange)} word indexes and graphs belong to no dataset that is there; they only take room"
        yield Check("search", "info", said, _remove(strange))


def _stale(cache_dir: Path, model: Path, manifest: Manifest) -> Iterator[Check]:
    name, fix = f"search in {manifest.name}", f"lh index {shlex.quote(manifest.name)}"
    for version in range(manifest.version, max(manifest.version - _LOOK_BACK, 0), -1):
        rows = saved_rows(cache_dir, version_name(manifest, version), _Model(model))  # type: ignore[arg-type]
        if rows is None:
            continue
        if version < manifest.version:
            said = f"indexed at version {version} of {manifest.version}; the next search takes in the rest"
            yield Check(name, "info", said, fix)
        checked = graph_file.read_sound(model / f"{lineage(manifest)}{graph_file.SUFFIX}")
        if checked is not None:
            known = {key.tobytes() for key in np.asarray(checked.keys)}
            missing = sum(key.tobytes() not in known for key in rows.keys)
            if missing > _STALE_SHARE * len(rows.keys):
                said = f"its graph does not know {missing:,} of {len(rows.keys):,} texts; they are compared exactly"
                yield Check(name, "info", said, fix)
        return


def _backup(key: str) -> str:
    return f"bring {key} back from a backup"


def _remove(paths: Sequence[Path]) -> str:
    more = f"  # and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"rm -r {' '.join(shlex.quote(str(path)) for path in paths[:_SHOWN])}{more}"
