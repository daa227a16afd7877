"""Codes on disk: the int8 codes of a slab's first segments, so that a process that opens it need not make them anew.

A safetensors file, derived like the slab's other neighbours; it appears whole or not at all. A byte that is not as it
was written, another format or other segments than the slab has now: it counts as absent.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import numpy as np

from workbench.search.vectors.codes import Codes
from workbench.search.vectors.segment import PARTIAL, disk_errors, sync_folder

VERSION = 1
_NAMES = ("codes", "scales", "residuals")

Segments = Sequence[tuple[str, int]]
"""Name and rows of each segment, in the order of the slab."""


def save_codes(path: Path, codes: Codes, segments: Segments) -> None:
    """Save ``codes``, those of all rows of ``segments``, at ``path``. Raises ConfigError for the disk."""
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(getattr(codes, name)) for name in _NAMES}
    said = {"version": str(VERSION), "segments": json.dumps(list(segments)), "crc": str(_crc(codes))}
    partial = path.with_name(f"{path.name}-{uuid4().hex[:12]}{PARTIAL}")
    with disk_errors(path.parent):
        try:
            partial.write_bytes(save(arrays, metadata=said))
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def load_codes(path: Path, segments: Segments) -> Codes | None:
    """The codes at ``path`` when they are those of the first of ``segments``, else None."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np") as file:
            said = file.metadata() or {}
            known = [(str(name), int(rows)) for name, rows in json.loads(said.get("segments", "[]"))]
            if said.get("version") != str(VERSION) or known != list(segments)[: len(known)]:
                return None
            codes = Codes(*(file.get_tensor(name) for name in _NAMES))
    except (OSError, SafetensorError, ValueError, TypeError):
        return None
    whole = len(codes) == sum(rows for _, rows in known) and str(_crc(codes)) == said.get("crc")
    return codes.settled() if whole else None


def _crc(codes: Codes) -> int:
    crc = 0
    for name in _NAMES:
        crc = zlib.crc32(np.ascontiguousarray(getattr(codes, name)).data.cast("B"), crc)
    return crc
