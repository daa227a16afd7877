"""Graph child: a graph built in a process of its own, so that a build that runs out of memory kills nobody else.

``build_apart`` writes the vectors beside the graph, runs ``python -m workbench.search.graphs.graph_child`` on them,
passes its progress on, and loads what it saved. The child's memory can be limited.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ConfigError, TooLargeError, WorkbenchError
from workbench.search.graphs.graph import DEFAULT_EF_CONSTRUCTION, DEFAULT_M, Graph, Space, estimate
from workbench.search.vectors.index import Ids
from workbench.search.vectors.scan import Blocks
from workbench.search.vectors.segment import PARTIAL, Keys, disk_errors

_OUT_OF_MEMORY = 3
_COPY_ROWS = 8192
_LAST_LINES = 5
_HINT = "Searches go on exactly without the graph. Build it again with more memory, or a smaller m."


def build_apart(
    path: Path,
    blocks: Blocks,
    positions: Ids,
    *,
    keys: Keys | None = None,
    probes: NDArray[np.float32] | None = None,
    m: int = DEFAULT_M,
    ef_construction: int = DEFAULT_EF_CONSTRUCTION,
    space: Space = "cosine",
    threads: int | None = None,
    memory_bytes: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Graph:
    """Build the graph of the rows ``positions`` of ``blocks`` in a child process, save it at ``path`` and load it.

    Label i is row ``positions[i]``; ``probes`` (p, d) are queries to tune ``ef`` with. ``memory_bytes`` limits the
    address space of the child. Needs as much free disk again as the vectors take, meanwhile. Raises TooLargeError when
    the limit does not suffice, ConfigError when the child dies, refuses the vectors or finds the disk full; an earlier
    graph at ``path`` stays then.
    """
    need = estimate(len(positions), blocks.dimension, m=m).memory_bytes
    if memory_bytes is not None and need > memory_bytes:
        raise TooLargeError(
            f"A graph of {len(positions):,} vectors needs about {need / 1e6:,.0f} MB, allowed are "
            f"{memory_bytes / 1e6:,.0f} MB.",
            hint=_HINT,
        )
    options = {
        "path": str(path),
        "m": m,
        "ef_construction": ef_construction,
        "space": space,
        "threads": threads,
        "memory_bytes": memory_bytes,
    }
    with _handed_over(path, blocks, positions, keys, probes) as stem:
        _run(
            [sys.executable, "-m", "workbench.search.graphs.graph_child", str(stem), json.dumps(options)],
            path,
            on_progress,
        )
    graph = Graph.load(path, blocks.dimension)
    if graph is None:
        raise ConfigError(f"The graph at {path} cannot be read back after its build.", hint="Check the disk.")
    return graph


@contextmanager
def _handed_over(
    path: Path, blocks: Blocks, positions: Ids, keys: Keys | None, probes: NDArray[np.float32] | None
) -> Iterator[Path]:
    stem = path.with_name(f"{path.stem}.{uuid4().hex[:12]}")
    parts = {"vectors": _part(stem, "vectors"), "keys": _part(stem, "keys"), "probes": _part(stem, "probes")}
    try:
        with disk_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_vectors(parts["vectors"], blocks, positions)
            _write_array(parts["keys"], keys)
            _write_array(parts["probes"], probes)
        yield stem
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def _write_vectors(path: Path, blocks: Blocks, positions: Ids) -> None:
    with path.open("wb") as file:
        head = {"descr": "<f4", "fortran_order": False, "shape": (len(positions), blocks.dimension)}
        np.lib.format.write_array_header_2_0(file, head)
        for low in range(0, len(positions), _COPY_ROWS):
            file.write(blocks.take(positions[low : low + _COPY_ROWS]).data)


def _write_array(path: Path, array: NDArray[Any] | None) -> None:
    if array is not None:
        with path.open("wb") as file:
            np.save(file, array)


def _part(stem: Path, name: str) -> Path:
    return stem.with_name(f"{stem.name}.{name}{PARTIAL}")


def _run(command: list[str], path: Path, on_progress: Callable[[int, int], None] | None) -> None:
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said: list[str] = []
    try:
        for line in child.stdout or ():
            done = _progress(line)
            if done is None:
                said = [*said[1 - _LAST_LINES :], line.strip()]
            elif on_progress is not None:
                on_progress(*done)
        status = child.wait()
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        if child.stdout is not None:
            child.stdout.close()
    if status == _OUT_OF_MEMORY:
        raise TooLargeError(f"The build of the graph {path.stem} ran out of its memory.", hint=_HINT)
    if status:
        how = f"was killed by signal {-status}" if status < 0 else "failed: " + " | ".join(said)
        raise ConfigError(f"The build of the graph {path.stem} {how}.", hint=_HINT)


def _progress(line: str) -> tuple[int, int] | None:
    words = line.split()
    if len(words) == 3 and words[0] == "rows" and words[1].isdigit() and words[2].isdigit():
        return int(words[1]), int(words[2])
    return None


def _child(stem: Path, options: dict[str, Any]) -> int:
    memory = options["memory_bytes"]
    if memory is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        vectors = np.load(_part(stem, "vectors"), mmap_mode="r")
        graph = Graph.build(
            vectors,
            keys=_loaded(stem, "keys"),
            m=options["m"],
            ef_construction=options["ef_construction"],
            space=options["space"],
            threads=options["threads"],
            on_progress=_say,
        )
        probes = _loaded(stem, "probes")
        if probes is not None:
            graph.tune(vectors, probes)
        graph.save(Path(options["path"]))
    except WorkbenchError as error:
        sys.stdout.write(f"{error}\n")
        return 1
    except (MemoryError, RuntimeError, OSError) as error:  # hnswlib says "Not enough memory" as a RuntimeError
        sys.stdout.write(f"{type(error).__name__}: {error}\n")
        out = isinstance(error, MemoryError) or "memory" in str(error).lower()
        return _OUT_OF_MEMORY if out else 1
    return 0


def _say(done: int, rows: int) -> None:
    sys.stdout.write(f"rows {done} {rows}\n")
    sys.stdout.flush()


def _loaded(stem: Path, name: str) -> Any:
    with contextlib.suppress(FileNotFoundError):
        return np.load(_part(stem, name))
    return None


if __name__ == "__main__":
    sys.exit(_child(Path(sys.argv[1]), json.loads(sys.argv[2])))
