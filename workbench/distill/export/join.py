"""Scored runs joined to their evidence by run id, one partition at a time, in the order in which they were scored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.distill.root import Root
from workbench.distill.stage import Progress
from workbench.records import rows

_EVERY = 1_000  # rows between two calls of progress


@dataclass(frozen=True, slots=True)
class Joined:
    """A scored run and what it judged. ``evidence`` is None when no evidence row of its partition has its run id.

    ``partition`` is the file of the scored run below the root. ``original`` is there in a row made from a reviewer's
    fix: what was fixed.
    """

    stream: str
    scored: Mapping[str, Any]
    evidence: Mapping[str, Any] | None
    partition: str = ""
    original: Joined | None = None

    @property
    def category(self) -> str:
        """The scored category; "" when the row has none."""
        return _text(self.scored.get("category"))

    @property
    def run_id(self) -> str:
        """The evidence's run id as the scored run says it; "" when it says none."""
        return _text(self.scored.get("evidence_run_id"))

    @property
    def task_id(self) -> str:
        """The task as the scored run says it; "" when it says none."""
        return _text(self.scored.get("evidence_task_id"))

    @property
    def sig_hash(self) -> str:
        """The hash of the source row, of the evidence first; "" when there is none."""
        return _hash_of(self.evidence or {}) or _hash_of(self.scored)

    @property
    def text(self) -> str:
        """The evidence's text; "" when it has none."""
        return _text((self.evidence or {}).get("text"))


def join(root: Root, *, stage: str = "", progress: Progress | None = None) -> Iterator[Joined]:
    """Every scored run below the root, oldest partition first, with its evidence.

    Both files of a partition are read side by side, so memory stays flat while they have one order, which is how they
    are written; evidence that is met before it is asked for is kept until it is. Progress counts bytes of scored runs.
    Raises InvalidError at a line that is no JSON.
    """
    files = root.scored_files()
    total = sum(path.stat().st_size for path in files)
    done = 0
    for path in files:
        size = path.stat().st_size
        for count, joined in enumerate(_join_partition(path, evidence_of(root, path), root.relative(path))):
            yield joined
            if progress and count % _EVERY == 0:
                progress(stage, done, total)
        done += size
        if progress:
            progress(stage, done, total)


def evidence_of(root: Root, scored: Path) -> Path:
    """The evidence partition that a file of scored runs judged."""
    return root.path / "data" / "evidence" / scored.relative_to(root.path / "data" / "scored-runs")


def _join_partition(scored: Path, evidence: Path, partition: str) -> Iterator[Joined]:
    ahead = _Ahead(evidence)
    for _, row in rows(scored):
        found = ahead.take(_text(row.get("evidence_run_id")), _hash_of(row))
        yield Joined(scored.stem, row, found, partition)


class _Ahead:
    """An evidence file read as far as it is needed; rows that nobody asked for yet wait under their run id."""

    def __init__(self, path: Path) -> None:
        self._rows = rows(path)
        self._waiting: dict[str, list[dict[str, Any]]] = {}

    def take(self, run_id: str, sig_hash: str) -> dict[str, Any] | None:
        """The row of this run id, of two the one with this hash; None when there is none."""
        if not run_id:
            return None
        if (row := self._kept(run_id, sig_hash)) is not None:
            return row
        for _, row in self._rows:
            if row.get("run_id") == run_id and _hash_of(row) in {"", sig_hash}:
                return row
            self._waiting.setdefault(_text(row.get("run_id")), []).append(row)
        # No row has both: the run id decides.
        waiting = self._waiting.get(run_id)
        return waiting.pop(0) if waiting else None

    def _kept(self, run_id: str, sig_hash: str) -> dict[str, Any] | None:
        waiting = self._waiting.get(run_id, [])
        for place, row in enumerate(waiting):
            if _hash_of(row) in {"", sig_hash}:
                return waiting.pop(place)
        return None


def _hash_of(row: Mapping[str, Any]) -> str:
    provenance = row.get("provenance")
    return _text(provenance.get("sig_hash")) if isinstance(provenance, Mapping) else ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
