"""Source trees to try the pipeline on: the 15 rows of the acceptance, and seeded trees of any size with all streams."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

from workbench import records
from workbench.distill.root import STREAMS, Root
from workbench.distill.specimens import MAKERS

ACCEPTANCE_RECORDED_AT = "2026-04-27T00:00:00.000Z"
_FILE = "crates/gateway/src/v1/iterate.rs"

ACCEPTANCE: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "scrum_reviews": (
        {
            "file": _FILE,
            "reviewed_at": "2026-04-26T10:00:00.000Z",
            "accepted_model": "kimi-k2",
            "accepted_on_attempt": 1,
            "attempts_made": 1,
            "text": "The loop stops after max_iterations. Verify that a refused attempt is kept with its findings.",
            "tree_split_fired": False,
        },
        {
            "file": "crates/vectord/src/index.rs",
            "reviewed_at": "2026-04-26T10:05:00.000Z",
            "accepted_model": "gpt-oss-120b",
            "accepted_on_attempt": 3,
            "attempts_made": 3,
            "text": "The index is rebuilt when the dimension changes. Check the manifest before the load.",
            "tree_split_fired": False,
        },
        {
            "file": "crates/catalogd/src/manifest.rs",
            "reviewed_at": "2026-04-26T10:10:00.000Z",
            "accepted_model": "qwen3-coder",
            "attempts_made": 4,
            "text": "The manifest lists its columns. No attempt was accepted.",
            "tree_split_fired": False,
        },
        {
            "file": "crates/ingestd/src/service.rs",
            "reviewed_at": "2026-04-26T10:15:00.000Z",
            "accepted_model": "kimi-k2",
            "accepted_on_attempt": 1,
            "attempts_made": 1,
            "text": "A file over the limit is split before the review. Ensure that each part names its lines.",
            "tree_split_fired": True,
        },
        {
            "file": "crates/queryd/src/plan.rs",
            "accepted_model": "kimi-k2",
            "accepted_on_attempt": 1,
            "attempts_made": 1,
            "text": "This row has no time of review.",
            "tree_split_fired": False,
        },
    ),
    "audits": (
        {
            "finding_id": "f-1",
            "phase": "G1",
            "severity": "info",
            "ts": "2026-04-26T11:00:00.000Z",
            "text": "The receipts name every output file. Verify the hash of each after the run.",
        },
        {
            "finding_id": "f-2",
            "phase": "G2",
            "severity": "high",
            "ts": "2026-04-26T11:05:00.000Z",
            "text": "A refused row reached the export.",
        },
        {
            "finding_id": "f-3",
            "phase": "G3",
            "severity": "medium",
            "ts": "2026-04-26T11:10:00.000Z",
            "text": "The drift report does not say which run it compares with.",
        },
    ),
    "auto_apply": (
        {
            "file": "crates/gateway/src/router.rs",
            "action": "committed",
            "ts": "2026-04-26T12:00:00.000Z",
            "model": "qwen3-coder",
            "text": "Return 404 with the near names when a route is unknown, and test it for every verb.",
        },
        {
            "file": "crates/gateway/src/limits.rs",
            "action": "build_red_reverted",
            "ts": "2026-04-26T12:05:00.000Z",
            "model": "qwen3-coder",
            "text": "Move the limit into the handler.",
        },
    ),
    "contract_analyses": (
        {
            "permit_id": "100995402",
            "contractor": "ACME Masonry",
            "ts": "2026-04-26T13:00:00.000Z",
            "model": "gpt-oss-120b",
            "verdict": "accept",
            "confidence": 0.92,
            "analysis": "The permit needs four masons for six weeks. Check the certificates before the first shift.",
            "matrix_corpora": ["permits", "workers"],
            "matrix_hits": 8,
        },
        {
            "permit_id": "100995403",
            "contractor": "Lakeside Roofing",
            "ts": "2026-04-26T13:05:00.000Z",
            "model": "gpt-oss-120b",
            "verdict": "reject",
            "confidence": 0.88,
            "analysis": "The permit needs roofers, and none is named.",
            "matrix_corpora": ["permits"],
            "matrix_hits": 0,
        },
    ),
    "observer_reviews": (
        {
            "file": "crates/memoryd/src/store.rs",
            "ts": "2026-04-26T14:00:00.000Z",
            "model": "kimi-k2",
            "verdict": "accept",
            "confidence": 0.9,
            "notes": ["names the lines"],
            "text": "The store appends an event and then answers. Verify that a torn last line is skipped and counted.",
        },
        {
            "file": "crates/memoryd/src/store.rs",
            "ts": "2026-04-26T14:05:00.000Z",
            "model": "kimi-k2",
            "verdict": "reject",
            "confidence": 0.85,
            "notes": ["invents a function"],
            "text": "The store should call flush_everything(), which is somewhere in the crate.",
        },
    ),
    "distilled_facts": (
        {
            "run_id": "distill-2026-04-26",
            "source_label": "run-0415",
            "created_at": "2026-04-26T15:00:00.000Z",
            "extractor": "qwen3.5:latest",
            "text": "Runs in South Bend need a forklift certificate.",
        },
    ),
}
"""The 15 source rows of the acceptance, in 6 files: 14 become evidence, one is a skip (no ``reviewed_at``)."""

_TIMES = ("ts", "created_at", "extracted_at", "reviewed_at", "timestamp")
_BAD_SHARE = 0.02


def write_acceptance(folder: Path) -> Root:
    """Write the 15 rows of the acceptance below ``folder`` and give the root. The same bytes each time."""
    root = Root(Path(folder))
    for stream, rows in ACCEPTANCE.items():
        with records.replacing(root.source(stream)) as file:
            file.writelines(map(records.encode, map(dict, rows)))
    return root


def write_fixture(folder: Path, rows: int, seed: int) -> Root:
    """Write a seeded source tree of ``rows`` lines over all streams below ``folder`` and give the root.

    About 2 lines in 100 are bad: no JSON, no object, no time, a broken schema, an integer beyond 2^53. Some rows come
    twice, some hold a person's name or a number in the form of an SSN, and tasks repeat, so that there are pairs. The
    same arguments give the same bytes; the file is written as it is made, in constant memory.
    """
    root = Root(Path(folder))
    for number, stream in enumerate(STREAMS):
        share = rows // len(STREAMS) + (number < rows % len(STREAMS))
        with records.replacing(root.source(stream)) as file:
            file.writelines(_lines(stream, share, Random(f"{seed}/{stream}")))
    return root


def _lines(stream: str, count: int, random: Random) -> Iterator[bytes]:
    line = b""
    for index in range(count):
        dice = random.random()
        if dice < _BAD_SHARE:
            yield _bad(stream, index, random)
        elif dice < _BAD_SHARE * 1.5 and line:
            yield line
        else:
            line = records.encode(MAKERS[stream](index, random))
            yield line


def _bad(stream: str, index: int, random: Random) -> bytes:
    row = MAKERS[stream](index, random)
    kind = random.randrange(6)
    if kind == 0:
        return records.encode(row)[: random.randrange(5, 40)] + b"\n"
    if kind == 1:
        return records.encode([row])
    if kind == 2:
        return records.encode({**row, "trace": 0}).replace(b'"trace":0', b'"trace":9007199254740993')
    if kind == 3:
        return records.encode({**row, "model": 7, "extractor": 7, "accepted_model": 7})
    times = dict.fromkeys(("ts", *(name for name in _TIMES if name in row)), "yesterday" if kind == 4 else None)
    return records.encode({**row, **times})
