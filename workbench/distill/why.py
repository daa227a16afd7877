"""Why a row is in an export: the chain back to its source line, every link read again and every hash computed again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench import records
from workbench.distill.export.engine import sample_id
from workbench.distill.review import log
from workbench.distill.review.derived import REVIEWED
from workbench.distill.root import EXPORTS, Root
from workbench.errors import NotFoundError

_RUN_FIELDS = ("source_run_id", "chosen_run_id", "rejected_run_id")


@dataclass(frozen=True, slots=True)
class Link:
    """One step of the chain: ``what`` it is, ``place`` as ``file:line``, what it ``says``, and whether it ``holds``."""

    what: str
    place: str
    says: str
    holds: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Chain:
    """From a row that left to the lines it came from; a preference pair has two of everything."""

    row: str
    links: tuple[Link, ...]

    @property
    def whole(self) -> bool:
        """Every link is there and every hash is the one that was recorded."""
        return all(link.holds for link in self.links)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {"row": self.row, "whole": self.whole, "links": [link.to_dict() for link in self.links]}


def why(root: Root, row: str) -> Chain:
    """The chain of an exported row by its id, or of a run by its id (then it begins at the evidence).

    Raises NotFoundError when no export, quarantine or evidence knows it.
    """
    links = list(_left(root, row))
    runs = [run for link in links for run in link[1]] if links else [row]
    chain = [link for link, _ in links]
    for run in dict.fromkeys(runs):
        chain += _run(root, run)
    if not links and not any(link.holds for link in chain):
        raise NotFoundError(
            f"No exported row, no quarantined row and no run below {root.path} has the id {row!r}.",
            hint="An id is the field id of an export, or the run_id of evidence.",
        )
    return Chain(row, tuple(chain))


def _left(root: Root, row: str) -> Iterable[tuple[Link, list[str]]]:
    """The export rows of that id, each with the runs it names; and the quarantine entries that hold that run."""
    for kind in EXPORTS:
        for place, found in _rows(root, [root.export(kind)]):
            if found.get("id") == row:
                runs = [found[name] for name in _RUN_FIELDS if found.get(name)]
                says = found.get("success_score") or found.get("quality_score") or found.get("reason") or ""
                yield Link(f"{kind} export", place, says, holds=_id_recomputes(found, runs)), runs
        for place, found in _rows(root, [root.quarantine(kind)]):
            if runs := _refused(found, row):
                says = f"refused: {found.get('reason')}" + "".join(f"; {one}" for one in found.get("errors") or [])
                yield Link(f"{kind} quarantine", place, says, holds=True), runs


def _id_recomputes(row: Mapping[str, Any], runs: list[str]) -> bool:
    """Whether the id is the hash of the run and its source line. A pair's holds two lines, and is not computed here."""
    if len(runs) != 1:
        return len(runs) == 2
    sig_hash = (row.get("provenance") or {}).get("sig_hash", "")
    return bool(sample_id(row["id"].partition("-")[0], runs[0], sig_hash) == row["id"])


def _refused(entry: Mapping[str, Any], row: str) -> list[str]:
    """The runs of a quarantine entry, if the row asked for is one of them: one, or the two sides of a pair."""
    source = entry.get("source_record")
    if not isinstance(source, Mapping):
        return []
    sides = [one for one in (source, source.get("chosen"), source.get("rejected")) if isinstance(one, Mapping)]
    runs = [one["evidence_run_id"] for one in sides if one.get("evidence_run_id")]
    return list(dict.fromkeys(runs)) if row in runs else []


def _run(root: Root, run: str) -> list[Link]:
    original, reviewed, line = run.partition(REVIEWED)
    links = [_review(root, original, line)] if reviewed else []
    scored = [pair for pair in _rows(root, root.scored_files()) if pair[1].get("evidence_run_id") == original]
    for place, row in scored:
        reasons = "; ".join(row.get("reasons") or [])
        links.append(
            Link("scored run", place, f"{row.get('category')} by {row.get('scorer_version')}: {reasons}", holds=True)
        )
    if not scored:
        links.append(Link("scored run", "", f"no scored run judges {original}", holds=False))
    found = [pair for pair in _rows(root, root.evidence_files()) if pair[1].get("run_id") == original]
    for place, row in found:
        links.append(Link("evidence", place, f"{original} of task {row.get('task_id')}", holds=True))
        links.append(_source(root, row))
    if not found:
        links.append(Link("evidence", "", f"no evidence has the run id {original}", holds=False))
    return links


def _review(root: Root, original: str, line: str) -> Link:
    place = f"{root.relative(root.reviews)}:{int(line) + 1 if line.isdigit() else line}"
    for one in log.read(root):
        if f"{one.line}" == line and one.decision.run_id == original:
            said = one.decision
            says = f"{said.decision} by {said.reviewer}: {said.reason or 'no reason given'}"
            return Link("review", place, says, holds=True)
    return Link("review", place, "no such decision in the log", holds=False)


def _source(root: Root, evidence: Mapping[str, Any]) -> Link:
    where = evidence.get("provenance") or {}
    file, line, claimed = where.get("source_file", ""), where.get("line_offset"), where.get("sig_hash", "")
    place = f"{file}:{line + 1 if isinstance(line, int) else '?'}"
    for number, raw in records.lines(root.path / file):
        if number == line:
            signed = records.signed(raw)
            now = signed[1] if isinstance(signed, tuple) else "no row"
            if now == claimed:
                return Link("source", place, f"re-hashed, {now[:12]} as recorded", holds=True)
            return Link("source", place, f"CHANGED: recorded as {claimed[:12]}, is {now[:12]}", holds=False)
    return Link("source", place, "the line is not there any more", holds=False)


def _rows(root: Root, paths: Iterable[Path]) -> Iterable[tuple[str, dict[str, Any]]]:
    for path in paths:
        for number, row in records.rows(path):
            yield f"{root.relative(path)}:{number + 1}", row
