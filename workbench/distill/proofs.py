"""What the files below a root prove by themselves: no rule of the exports is taken on trust, each is read again from
disk.

Every function gives the rows that break its rule, as ``file:line what``, and none when it holds. Files are streamed;
what is kept in memory are the run ids of one export, never its texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench import records
from workbench.distill.records import SFT_NEVER, Provenance
from workbench.distill.review import log
from workbench.distill.review.decisions import standing
from workbench.distill.review.derived import CATEGORY, REVIEWED, deciding
from workbench.distill.root import EXPORTS, Root

_RUNS = {"rag": ("source_run_id",), "sft": ("source_run_id",), "preference": ("chosen_run_id", "rejected_run_id")}


def count(paths: Iterable[Path]) -> int:
    """Lines that are not blank; a file that is not there has none."""
    return sum(1 for path in paths for _ in records.lines(path))


def categories(root: Root) -> dict[str, int]:
    """Scored runs on disk by category, reviews left out."""
    found: dict[str, int] = {}
    for path in root.scored_files():
        for _, row in records.rows(path):
            found[row.get("category", "")] = found.get(row.get("category", ""), 0) + 1
    return found


def categories_of(root: Root, runs: Iterable[str]) -> dict[str, str]:
    """The category of each of these runs, by the scored runs on disk and the reviews; a run nobody scored is left
    out.
    """
    wanted = set(runs)
    found = {
        f"{run}{REVIEWED}{one.line}": CATEGORY[one.decision.decision]
        for run, one in deciding(standing(log.read(root))).items()
    }
    found = {run: category for run, category in found.items() if run in wanted}
    for path in root.scored_files():
        for _, row in records.rows(path):
            if (run := row.get("evidence_run_id")) in wanted:
                found[run] = row.get("category", "")
    return found


def sft_leaks(root: Root) -> list[str]:
    """Training rows whose score, said by the row or by the scored run itself, is one of `SFT_NEVER`, or that have
    none.
    """
    return _scored_as(root, "sft", "quality_score", SFT_NEVER)


def sft_partial(root: Root) -> list[str]:
    """Training rows that are only partially accepted: there only under ``--include-partial``."""
    return _scored_as(root, "sft", "quality_score", {"partially_accepted"})


def rag_rejected(root: Root) -> list[str]:
    """Rows of the retrieval corpus that were rejected, or never scored."""
    return _scored_as(root, "rag", "success_score", {"rejected"})


def rag_human(root: Root) -> list[str]:
    """Rows of the retrieval corpus that wait for a human: there only under ``--include-review``."""
    return _scored_as(root, "rag", "success_score", {"needs_human_review"})


def _scored_as(root: Root, kind: str, field: str, never: Iterable[str]) -> list[str]:
    said = [(place, row.get(field), row.get("source_run_id", "")) for place, row in _exported(root, kind)]
    of = categories_of(root, (run for _, _, run in said))
    out = [f"{place} says {score}" for place, score, _ in said if score in set(never)]
    out += [f"{place} comes from a run that is {of[run]}" for place, _, run in said if of.get(run) in set(never)]
    return out + [f"{place} comes from a run that nobody scored: {run}" for place, _, run in said if run not in of]


def self_pairs(root: Root) -> list[str]:
    """Pairs of a run with itself."""
    return [
        place for place, row in _exported(root, "preference") if row.get("chosen_run_id") == row.get("rejected_run_id")
    ]


def identical_pairs(root: Root) -> list[str]:
    """Pairs of the same text."""
    return [
        place
        for place, row in _exported(root, "preference")
        if str(row.get("chosen")).strip() == str(row.get("rejected")).strip()
    ]


def pairs_across_tasks(root: Root) -> list[str]:
    """Pairs whose two runs belong to different tasks, or to none that is on disk."""
    pairs = [
        (place, row.get("chosen_run_id", ""), row.get("rejected_run_id", ""))
        for place, row in _exported(root, "preference")
    ]
    wanted = {_original(run) for _, *runs in pairs for run in runs}
    task: dict[str, str] = {}
    for path in root.evidence_files():
        for _, row in records.rows(path):
            if row.get("run_id") in wanted:
                task[row["run_id"]] = row.get("task_id", "")
    return [
        place
        for place, one, other in pairs
        if not task.get(_original(one)) or task[_original(one)] != task.get(_original(other))
    ]


def without_provenance(root: Root) -> list[str]:
    """Exported rows without whole provenance, or without the run they come from."""
    out = []
    for kind in EXPORTS:
        for place, row in _exported(root, kind):
            if lost := [name for name in _RUNS[kind] if not str(row.get(name) or "").strip()]:
                out.append(f"{place} has no {', '.join(lost)}")
            out += _provenance_faults(place, row)
    return out


def incomplete_provenance(root: Root) -> list[str]:
    """Evidence, scored runs and exports whose provenance is not whole, the line of the source included."""
    out = []
    for path in (*root.evidence_files(), *root.scored_files()):
        for number, row in records.rows(path):
            place = f"{root.relative(path)}:{number + 1}"
            out += _provenance_faults(place, row)
            if not _provenance_faults(place, row) and "line_offset" not in row["provenance"]:
                out.append(f"{place} does not say its line")
    return out + without_provenance(root)


def stale_hashes(root: Root) -> list[str]:
    """Evidence whose source line, read again, is not there or has another hash than the evidence says."""
    out: list[str] = []
    for path in root.evidence_files():
        claims: dict[str, list[tuple[str, int, str]]] = {}
        for number, row in records.rows(path):
            where = row.get("provenance") or {}
            place = f"{root.relative(path)}:{number + 1}"
            claim = (place, where.get("line_offset", -1), where.get("sig_hash", ""))
            claims.setdefault(where.get("source_file", ""), []).append(claim)
        for source, of in claims.items():
            out += _rehashed(root, source, of)
    return out


def _rehashed(root: Root, source: str, claims: list[tuple[str, int, str]]) -> Iterator[str]:
    by_line: dict[int, list[tuple[str, str]]] = {}
    for place, line, sig_hash in claims:
        by_line.setdefault(line, []).append((place, sig_hash))
    for number, raw in records.lines(root.path / source):
        told = by_line.pop(number, ())
        signed = records.signed(raw) if told else None
        now = signed[1] if isinstance(signed, tuple) else "no row"
        yield from (f"{place} says {claimed}, its line hashes to {now}" for place, claimed in told if claimed != now)
    for line, lost in by_line.items():
        yield from (
            f"{place} comes from line {line + 1} of {source or 'nowhere'}, which is not there" for place, _ in lost
        )


def _provenance_faults(place: str, row: Mapping[str, Any]) -> list[str]:
    given = row.get("provenance")
    if not isinstance(given, Mapping):
        return [f"{place} has no provenance"]
    try:
        Provenance.model_validate(given)
    except ValueError:
        return [f"{place} has no whole provenance"]
    return []


def _exported(root: Root, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    path = root.export(kind)
    for number, row in records.rows(path):
        yield f"{root.relative(path)}:{number + 1}", row


def _original(run: str) -> str:
    return run.partition(REVIEWED)[0]
