"""The 22 checks of the full audit: each reads the tree below a root and says whether it holds, and what it saw.

Required checks fail the audit; the others inform: they compare with the newest baseline, and without one they say so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from workbench import records
from workbench.distill import acceptance, proofs, replay
from workbench.distill.baselines import WARN_ABOVE, Baseline, drift_rows
from workbench.distill.collect import collect
from workbench.distill.receipts import STAGES, read_receipts
from workbench.distill.records import DriftReport, Errors, RunSummary, StageReceipt, validate
from workbench.distill.records.schemas import MODELS, schema, shipped
from workbench.distill.root import EXPORTS, TIER_1, Root
from workbench.distill.summary import run_hash
from workbench.errors import ProviderError
from workbench.llm.chat import Ask
from workbench.llm.scripted import Scripted

_SHA256 = re.compile(r"[0-9a-f]{64}")
_GOOD = "The answer says what was done and what was seen, at a length that a reader can follow, and no more."


@dataclass(frozen=True, slots=True)
class Scene:
    """What an audit looks at: the tree, its newest run ("" for none), the newest baseline, the reference document.

    ``recorded_at`` is the time of the audit, ISO 8601 with zone.
    """

    root: Root
    run_id: str
    recorded_at: str
    baseline: Baseline | None
    reference: Path

    @property
    def metrics(self) -> dict[str, int]:
        """What a baseline would hold now."""
        return metrics(self.root)


Seen = tuple[bool, str]
"""Whether a check holds, and what was seen."""


@dataclass(frozen=True, slots=True)
class Check:
    """One of the 22: its phase 0 to 7, its name, whether the audit fails without it, and how it looks."""

    phase: int
    name: str
    required: bool
    look: Callable[[Scene], Seen]


def metrics(root: Root) -> dict[str, int]:
    """Rows on disk, by the names of a baseline."""
    by_category = proofs.categories(root)
    return {
        "p2_evidence_rows": proofs.count(root.evidence_files()),
        "p2_evidence_skips": proofs.count([root.skips]),
        "p3_accepted": by_category.get("accepted", 0),
        "p3_partial": by_category.get("partially_accepted", 0),
        "p3_rejected": by_category.get("rejected", 0),
        "p3_human": by_category.get("needs_human_review", 0),
        "p4_rag_rows": proofs.count([root.export("rag")]),
        "p4_sft_rows": proofs.count([root.export("sft")]),
        "p4_pref_pairs": proofs.count([root.export("preference")]),
        "p4_total_quarantined": proofs.count(map(root.quarantine, EXPORTS)),
    }


def schema_faults() -> list[str]:
    """Records whose shipped JSON Schema is not the one they give, or that let through what the contract refuses."""
    wrong = [f"{model.name}: the shipped schema is another" for model in MODELS if schema(model) != shipped(model.name)]
    for model in MODELS:
        empty = validate(model, {})
        required = {name for name, field in model.model_fields.items() if field.is_required()}
        told = {problem.path for problem in empty.problems} if isinstance(empty, Errors) else set()
        lost = sorted(required - told | {"provenance", "schema_version"} - required)
        wrong += [f"{model.name}: {name} may be left out" for name in lost]
        for version in (0, 99):
            found = validate(model, {"schema_version": version})
            if not (isinstance(found, Errors) and any(one.path == "schema_version" for one in found.problems)):
                wrong.append(f"{model.name}: schema_version {version} passes")
    return wrong


def acceptance_failures() -> list[str]:
    """The invariants that fail on the fixture, in a folder of their own; empty when 22 of 22 hold."""
    with TemporaryDirectory() as folder:
        done = acceptance.accept(Path(folder) / "acceptance")
    of = [] if len(done.invariants) == 22 else [f"{len(done.invariants)} invariants, not 22"]
    return [*done.failed, *of, *([done.stopped] if done.stopped else [])]


def _apart(work: Callable[[], list[str]]) -> list[str]:
    """What a function finds in a process of its own: nothing that this one has loaded or changed reaches it."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work).result()


def _none(found: list[str]) -> Seen:
    return not found, "none" if not found else f"{len(found)}: {'; '.join(found[:3])}"


def _reference(scene: Scene) -> Seen:
    there = scene.reference.is_file() and scene.reference.stat().st_size > 0
    return there, f"{scene.reference} {'is there' if there else 'is not there'}"


def _tier_1(scene: Scene) -> Seen:
    there = [stream for stream in scene.root.sources() if stream in TIER_1]
    return len(there) == len(TIER_1), f"{len(there)} of {len(TIER_1)}: {', '.join(there) or 'none'}"


def _schemas(scene: Scene) -> Seen:
    del scene
    return _none(_apart(schema_faults))


def _evidence(scene: Scene) -> Seen:
    counts = collect(scene.root, recorded_at=scene.recorded_at, dry_run=True).counts
    rows = counts.records_in - counts.skipped
    return rows > 0, f"{rows} of {counts.records_in} source rows become evidence"


def _within(*names: str, share: bool = False) -> Callable[[Scene], Seen]:
    """These metrics, or their shares of all that were scored, beside the newest baseline."""

    def look(scene: Scene) -> Seen:
        if scene.baseline is None:
            return True, "no baseline yet"
        now, before = scene.metrics, dict(scene.baseline.metrics)
        if share:
            now_all, was_all = sum(now[name] for name in names), sum(before.get(name, 0) for name in names)
            shares = {name: now[name] / now_all if now_all else 0.0 for name in names}
            was = {name: before.get(name, 0) / was_all if was_all else 0.0 for name in names}
        else:
            shares, was = {name: float(now[name]) for name in names}, {n: before[n] for n in names if n in before}
        rows = drift_rows(shares, Baseline(scene.baseline.recorded_at, scene.baseline.git_commit, was))
        moved = [f"{row.metric} {row.baseline:g} → {row.current:g}" for row in rows if row.flag == "warn"]
        return not moved, "; ".join(moved) or f"within {WARN_ABOVE:.0%} of {scene.baseline.recorded_at}"

    return look


def _accepted(scene: Scene) -> Seen:
    found = proofs.categories(scene.root)
    return found.get("accepted", 0) > 0, ", ".join(f"{count} {name}" for name, count in sorted(found.items())) or "none"


def _proof(proof: Callable[[Root], list[str]]) -> Callable[[Scene], Seen]:
    return lambda scene: _none(proof(scene.root))


def _receipts_present(scene: Scene) -> Seen:
    missing = [stage for stage, one in read_receipts(scene.root, scene.run_id).items() if one is None]
    says = f"{len(STAGES) - len(missing)} of {len(STAGES)} of run {scene.run_id or 'none'}"
    return bool(scene.run_id) and not missing, says


def _receipts_valid(scene: Scene) -> Seen:
    found = read_receipts(scene.root, scene.run_id)
    wrong = [f"{stage}: {one or 'missing'}" for stage, one in found.items() if not isinstance(one, StageReceipt)]
    told = [one for one in found.values() if isinstance(one, StageReceipt)]
    wrong += [f"{one.stage}: of run {one.run_id}" for one in told if one.run_id != scene.run_id]
    return _none(wrong)


def _summary(scene: Scene) -> RunSummary | str:
    row = _json(scene.root.reports(scene.run_id) / "summary.json") if scene.run_id else None
    if row is None:
        return "there is no readable summary"
    found = validate(RunSummary, row)
    return found if isinstance(found, RunSummary) else str(found)


def _summary_valid(scene: Scene) -> Seen:
    found = _summary(scene)
    return isinstance(found, RunSummary), found if isinstance(found, str) else "valid"


def _run_hash(scene: Scene) -> Seen:
    """A SHA-256, and the one that the receipts' outputs give."""
    said = (_json(scene.root.reports(scene.run_id) / "summary.json") or {}).get("run_hash") if scene.run_id else None
    told = [one for one in read_receipts(scene.root, scene.run_id).values() if isinstance(one, StageReceipt)]
    if not (isinstance(said, str) and _SHA256.fullmatch(said)):
        return False, f"{said!r} is no SHA-256"
    same = run_hash(told) == said
    return same, said if same else f"{said} is not the hash of the outputs that the receipts name"


def _drift(scene: Scene) -> Seen:
    row = _json(scene.root.reports(scene.run_id) / "drift.json") if scene.run_id else None
    found = validate(DriftReport, row) if row else None
    if not isinstance(found, DriftReport):
        return False, "there is no valid drift report"
    return found.severity != "alert", f"{found.severity}{''.join(f'; {flag}' for flag in found.flags)}"


def _acceptance(scene: Scene) -> Seen:
    del scene
    failed = _apart(acceptance_failures)
    return not failed, "22 of 22" if not failed else f"failed: {', '.join(failed)}"


def _dry_runs(scene: Scene) -> Seen:
    """Three tasks of the corpus itself: each finds rows again, passes the gate, and gives the same run twice."""
    corpus = sorted(replay.read_corpus(scene.root.export("rag")), key=lambda one: one.id)
    passed = 0
    for at in (0, len(corpus) // 2, len(corpus) - 1) if corpus else ():
        runs = [_dry(corpus[at].title, corpus, scene.recorded_at) for _ in range(2)]
        passed += runs[0].passed and bool(runs[0].bundle.retrieved) and runs[0] == runs[1]
    return passed == 3, f"{passed} of 3"


def _dry(task: str, corpus: list[replay.Sample], recorded_at: str) -> replay.ReplayRun:
    return replay.replay(task, corpus, recorded_at=recorded_at, models=None)


def _escalation(scene: Scene) -> Seen:
    """The stronger model is asked once and only when that is allowed, now and in every run of the log."""
    asked = {allowed: _models_asked(scene.recorded_at, allow=allowed) for allowed in (False, True)}
    wrong = [] if asked == {False: ["local"], True: ["local", "strong"]} else [f"asked {asked}"]
    for number, run in records.rows(scene.root.replays):
        attempts = run.get("attempts")
        if not isinstance(attempts, list) or not 1 <= len(attempts) <= (
            2 if run.get("allow_escalation") is True else 1
        ):
            wrong.append(f"line {number + 1} of the log escalated without leave")
    return _none(wrong)


def _models_asked(recorded_at: str, *, allow: bool) -> list[str]:
    def fails(ask: Ask) -> ProviderError | str:
        return ProviderError("not today") if ask.model == "local" else _GOOD

    chat = Scripted(fails)
    models = replay.Models(chat, "local", "strong")
    replay.replay("any task", (), recorded_at=recorded_at, models=models, allow_escalation=allow)
    return [ask.model for ask in chat.asks]


def _last_live(scene: Scene) -> Seen:
    run = replay.last_live(scene.root.replays)
    if run is None:
        return True, "none was recorded yet"
    passed = run.get("passed") is True
    return passed, f"{'passed' if passed else 'failed'} at {run.get('recorded_at')}"


def _json(path: Path) -> dict[str, Any] | None:
    row = records.parse(path.read_bytes()) if path.is_file() else None
    return row if isinstance(row, dict) else None


def _required(phase: int, name: str, look: Callable[[Scene], Seen]) -> Check:
    return Check(phase, name, required=True, look=look)


def _informs(phase: int, name: str, look: Callable[[Scene], Seen]) -> Check:
    return Check(phase, name, required=False, look=look)


_P3 = ("p3_accepted", "p3_partial", "p3_rejected", "p3_human")
CHECKS: tuple[Check, ...] = (
    _required(0, "reference_document", _reference),
    _informs(0, "tier_1_streams", _tier_1),
    _required(1, "schemas", _schemas),
    _required(2, "evidence_rows", _evidence),
    _informs(2, "skips_near_baseline", _within("p2_evidence_skips")),
    _required(3, "accepted_on_disk", _accepted),
    _informs(3, "shares_near_baseline", _within(*_P3, share=True)),
    _required(4, "sft_no_leak", _proof(proofs.sft_leaks)),
    _required(4, "rag_no_rejected", _proof(proofs.rag_rejected)),
    _required(4, "no_self_pair", _proof(proofs.self_pairs)),
    _required(4, "no_identical_pair", _proof(proofs.identical_pairs)),
    _required(4, "no_row_without_provenance", _proof(proofs.without_provenance)),
    _informs(4, "quarantine_near_baseline", _within("p4_total_quarantined")),
    _required(5, "receipts_present", _receipts_present),
    _required(5, "receipts_valid", _receipts_valid),
    _required(5, "summary_valid", _summary_valid),
    _required(5, "run_hash", _run_hash),
    _informs(5, "drift_no_alert", _drift),
    _required(6, "acceptance", _acceptance),
    _required(7, "replay_dry_runs", _dry_runs),
    _required(7, "escalation_guard", _escalation),
    _informs(7, "last_live_replay", _last_live),
)
"""All 22 in their order; 16 of them are required."""
BY_NAME: Mapping[str, Check] = {check.name: check for check in CHECKS}
