"""Graph files: a graph on disk, whole or not at all.

A saved graph is three files in one folder::

    <name>.graph                      manifest: one line of JSON, then the CRC-32 of that line in hexadecimal
    <name>.<time>-<random>.hnsw       what hnswlib wrote
    <name>.<time>-<random>.keys       SHA-256 of the text of each label (n × 32 bytes), of its vector (n × 32), then the
                                      copies (c × 2 × int64: a label, the earlier label with the same vector)

The two data files appear under names that were never used before; the manifest, which names them with size and CRC-32,
is replaced last. A writer that dies at any moment leaves the graph that was there. Readers of the old files keep them.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import msgspec
import numpy as np

from workbench.errors import ConfigError
from workbench.search.graphs.copies import Copies
from workbench.search.vectors.segment import PARTIAL, Keys, disk_errors, sweep, sync_folder

VERSION = 1
SUFFIX = ".graph"
_MAGIC = "LHGRAPH"
_DATA, _KEYS = ".hnsw", ".keys"
_KEY_BYTES, _COPY_BYTES = 32, 16
# A reader opens the files a moment after it read the manifest; a writer publishes the manifest a moment after the
# files. Only what nobody can be waiting for any more is swept.
_STALE_S = 600.0
_READ_TRIES = 3


class FilePart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One data file of a saved graph."""

    name: str
    size: int
    crc: int


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has to be known about a graph before its bytes are read.

    ``labels`` counts texts, ``nodes`` distinct vectors; ``recall`` is recall@10 at ``ef``, measured on ``probes``
    queries after the build (None: not measured).
    """

    dimension: int
    space: str
    labels: int
    nodes: int
    m: int
    ef_construction: int
    ef: int
    recall: float | None = None
    probes: int = 0


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The manifest: format, facts, files."""

    magic: str
    version: int
    facts: Facts
    data: FilePart
    keys: FilePart


@dataclass(frozen=True, slots=True)
class Checked:
    """A saved graph whose every byte is as it was written; ``data`` is the path that hnswlib may read."""

    facts: Facts
    data: Path
    keys: Keys
    marks: Keys
    copies: Copies


def publish(path: Path, facts: Facts, keys: Keys, copies: Copies, write: Callable[[Path], int]) -> None:
    """Save a graph at ``path`` (``….graph``) in place of what is there.

    ``keys`` (2n, 4): those of the texts, then those of the vectors; ``write`` writes the data file, returns its size.
    On return it survives a kill and a power cut. Raises ConfigError when the folder cannot be written or the disk is
    full; what was saved before stays then.
    """
    folder, stem = path.parent, f"{path.stem}.{time.time_ns():020d}-{uuid4().hex[:8]}"
    before = _read_manifest(path)
    partials = [folder / f"{stem}{suffix}{PARTIAL}" for suffix in (_DATA, _KEYS, SUFFIX)]
    data, keys_file, manifest_file = partials
    with disk_errors(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            size = write(data)
            data_part = _finish(data, size)
            keys_file.write_bytes(np.ascontiguousarray(keys, "<u8").tobytes() + copies.astype("<i8").tobytes())
            keys_part = _finish(keys_file, len(keys) * _KEY_BYTES + len(copies) * _COPY_BYTES)
            line = msgspec.json.encode(Manifest(_MAGIC, VERSION, facts, data_part, keys_part))
            manifest_file.write_bytes(_signed(line))
            _flush(manifest_file)
            manifest_file.replace(path)
        finally:
            for partial in partials:
                partial.unlink(missing_ok=True)
        sync_folder(folder)
        _sweep(path, before)


def read_checked(path: Path, dimension: int) -> Checked | None:
    """The graph saved at ``path`` if each byte of it is as written and of this format and ``dimension``, else None."""
    for _ in range(_READ_TRIES):
        manifest = _read_manifest(path)
        if manifest is None or manifest.facts.dimension != dimension:
            return None
        facts, folder = manifest.facts, path.parent
        keys_view = _verified(folder / manifest.keys.name, manifest.keys)
        if keys_view is not None and _verified(folder / manifest.data.name, manifest.data) is not None:
            return _checked(facts, folder / manifest.data.name, keys_view)
        if _read_manifest(path) == manifest:  # nobody replaced it meanwhile: it is damaged
            return None
    return None


def read_facts(path: Path) -> Facts | None:
    """What the manifest at ``path`` says of its graph, without a look at the graph; None when there is none."""
    manifest = _read_manifest(path)
    return None if manifest is None else manifest.facts


def read_sound(path: Path) -> Checked | None:
    """As `read_checked`, of whatever dimension it is."""
    manifest = _read_manifest(path)
    return None if manifest is None else read_checked(path, manifest.facts.dimension)


def _checked(facts: Facts, data: Path, view: memoryview) -> Checked | None:
    split = 2 * facts.labels * _KEY_BYTES
    if len(view) != split + (facts.labels - facts.nodes) * _COPY_BYTES:
        return None
    digests = np.frombuffer(view, "<u8", 2 * facts.labels * 4).reshape(2, -1, 4)
    copies = np.frombuffer(view, "<i8", offset=split).reshape(-1, 2)
    return Checked(facts, data, digests[0], digests[1], copies)


def _read_manifest(path: Path) -> Manifest | None:
    try:
        whole = path.read_bytes()
    except OSError:
        return None
    try:
        line = whole[: whole.index(b"\n")]
        if whole != _signed(line):
            return None
        head = json.loads(line)
        if (head.get("magic"), head.get("version")) != (_MAGIC, VERSION):
            return None
        return msgspec.convert(head, Manifest)
    except (ValueError, AttributeError, msgspec.ValidationError):
        return None


def _signed(line: bytes) -> bytes:
    return b"%b\n%08x\n" % (line, zlib.crc32(line))


def _verified(path: Path, part: FilePart) -> memoryview | None:
    """The bytes of ``path``, mapped, when size and CRC-32 are those of ``part``."""
    if part.size == 0:
        return memoryview(b"")
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size != part.size:
                return None
            view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError:
        return None
    return view if zlib.crc32(view) == part.crc else None


def _finish(partial: Path, size: int) -> FilePart:
    """Check that ``partial`` holds ``size`` bytes (hnswlib does not say when the disk is full), flush it, name it."""
    written = partial.stat().st_size if partial.exists() else 0
    if written != size:
        raise ConfigError(
            f"The graph file {partial.name} has {written:,} of {size:,} bytes: the disk is full or {partial.parent} "
            "cannot be written.",
            hint="Free some space and build the graph again. Searches go on exactly without it.",
        )
    _flush(partial)
    part = FilePart(partial.name.removesuffix(PARTIAL), size, _crc(partial))
    partial.replace(partial.with_name(part.name))
    return part


def _crc(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            crc = zlib.crc32(piece, crc)
    return crc


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sweep(path: Path, before: Manifest | None) -> None:
    """Remove data files of this graph that no manifest names, save those of the manifest that was just replaced."""
    now = _read_manifest(path)
    kept = {part.name for manifest in (before, now) if manifest for part in (manifest.data, manifest.keys)}
    oldest = time.time() - _STALE_S
    for file in path.parent.glob(f"{path.stem}.*"):
        if file.suffix in {_DATA, _KEYS} and file.name not in kept:
            _remove_older(file, oldest)
    sweep(path.parent)


def _remove_older(file: Path, oldest: float) -> None:
    with contextlib.suppress(FileNotFoundError):  # another process swept it first
        if file.stat().st_mtime < oldest:
            file.unlink()
