"""Costs: what a step of a search takes on this machine, measured once; the planner chooses by them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from workbench.search.graphs.graph import Graph
from workbench.search.vectors.codes import Codes, nearest_by_codes
from workbench.search.vectors.distance import Distance
from workbench.search.vectors.scan import Blocks, nearest

_SCAN_ROWS = 32_768
_GATHER_ROWS = 2048
_TRIES = 4
_DEPTH, _FOUND = 256, 26
# Walks over the graph, each from a query of its own and once: a second one would find everything in the caches.
_WALKS = 8
# Where the system counts a thread's time in ticks only, the clock on the wall has to do.
_FINE = time.get_clock_info("thread_time").resolution <= 1e-6
_clock = time.thread_time_ns if _FINE else time.perf_counter_ns


@dataclass(frozen=True, slots=True)
class Costs:
    """Nanoseconds: ``scan`` a row in a pass over all, ``gather`` a row copied out, ``visit`` a step of graph depth.

    ``start`` is what any exact scan takes before its first row. The defaults are those of two Zen 4 cores at
    256 numbers a row, with codes.
    """

    scan: float = 20.0
    gather: float = 70.0
    visit: float = 3500.0
    start: float = 100_000.0

    def exact(self, rows: int, total: int) -> float:
        """Of the ``rows`` that match among ``total``: copied out or picked from a full pass, whichever is less."""
        return self.start + min(self.gather * rows, self.scan * total)


def measure(blocks: Blocks, distance: Distance, codes: Codes | None, graph: Graph | None) -> Costs:
    """Costs over the first rows of ``blocks``, in about 20 ms (40 for a deep graph). Of four tries the least counts.

    The time is this thread's own, so a busy machine does not change the plans: what counts are the ratios.
    """
    total = min(len(blocks), _SCAN_ROWS)
    if total < 2 * _GATHER_ROWS:
        return Costs()
    rng = np.random.default_rng(1)
    few = np.sort(rng.choice(len(blocks), _GATHER_ROWS, replace=False))
    # Halfway between two rows, as what people ask lies between what is stored: a walk from a row itself is too short.
    pairs = blocks.take(rng.choice(len(blocks), 2 * _WALKS))
    probes = pairs[:_WALKS] + pairs[_WALKS:]
    query = pairs[0]

    def exact(rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> object:
        if codes is None:
            return nearest(blocks, query, 10, distance, rows)
        return nearest_by_codes(codes, blocks, query, 10, rows)

    start = _least(lambda: exact(few[:16]))
    gather = (_least(lambda: exact(few)) - start) / _GATHER_ROWS
    if codes is None:
        part = Blocks(blocks.dimension, tuple(block for block, _, _ in blocks.parts(np.arange(total))))
        scan = (_least(lambda: nearest(part, query, 10, distance)) - start) / len(part)
    else:
        part_of = Codes(codes.codes[:total], codes.scales[:total], codes.residuals[:total])
        scan = (_least(lambda: nearest_by_codes(part_of, blocks, query, 10)) - start) / total
    visit = 0.0
    if graph is not None and len(graph) >= _FOUND:
        depth = min(max(graph.ef, _DEPTH), len(graph))  # a step of a deep walk is cheaper than one of a short walk
        each = [_took(lambda probe=probe: graph.visit(probe, depth, _FOUND)) for probe in probes]  # type: ignore[misc]
        visit = float(np.median(each)) / depth
    scan = max(scan, 1.0)
    return Costs(scan, max(gather, scan), visit, start)  # a copied row is also compared


def _least(step: Callable[[], object]) -> float:
    return min(_took(step) for _ in range(_TRIES))


def _took(step: Callable[[], object]) -> float:
    begin = _clock()
    step()
    return float(_clock() - begin)
