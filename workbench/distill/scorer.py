"""The scorer: a category for an evidence row, by the rules of its stream. Pure; it changes only with its version."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from workbench.distill.records.evidence import Category
from workbench.distill.root import SESSIONS

SCORER_VERSION = "v1.0.0"
"""Changes in the commit that changes a rule below; never from the environment."""

SLOW_MS = 120_000
"""A mode experiment above this many milliseconds is not fully accepted."""
CHEAP_ATTEMPTS = 3
"""A review that needed more attempts is accepted at a high cost."""

Row = Mapping[str, Any]
Judgement = tuple[Category, str]
"""The category and the reason for it."""

_ATTEMPT = re.compile(r"accepted_on_attempt_([1-9][0-9]*)")
_ITERATION = re.compile(r"accepted_at_iteration_([1-9][0-9]*)")


def score(evidence: Row, *, scored_at: str) -> dict[str, Any]:
    """The ``ScoredRun`` of an evidence row, as a mapping in the record's order; provenance is the evidence's own.

    The stream is the name of the provenance's source file. ``evidence`` has passed its schema.
    """
    category, reason = judge(evidence)
    return {
        "schema_version": 1,
        "evidence_run_id": evidence["run_id"],
        "evidence_task_id": evidence["task_id"],
        "category": category,
        "reasons": [reason],
        "scored_at": scored_at,
        "scorer_version": SCORER_VERSION,
        "sub_scores": _sub_scores(evidence),
        "provenance": evidence["provenance"],
    }


def judge(evidence: Row) -> Judgement:
    """The category of an evidence row and why, by the rules of the stream that it came from."""
    stream = stream_of(evidence)
    rule = RULES.get(stream)
    if rule is None:
        return "needs_human_review", f"{stream}: no rule judges this kind of row"
    return rule(evidence)


def stream_of(evidence: Row) -> str:
    """The stream of an evidence row: the name of its source file without folder and ending."""
    source: str = evidence["provenance"]["source_file"]
    return source.rpartition("/")[2].removesuffix(".jsonl")


def _scrum_review(evidence: Row) -> Judgement:
    attempt = _number(evidence, _ATTEMPT)
    if attempt is None:
        return "needs_human_review", "no marker says on which attempt it was accepted"
    if attempt == 1:
        return "accepted", "accepted on attempt 1"
    if attempt <= CHEAP_ATTEMPTS:
        return "partially_accepted", f"accepted on attempt {attempt}"
    return "partially_accepted", f"high cost: accepted only on attempt {attempt}"


def _observer_review(evidence: Row) -> Judgement:
    verdict = evidence.get("observer_verdict")
    if verdict is None:
        return "needs_human_review", "the observer gave no verdict"
    return _OBSERVED[verdict], f"observer verdict {verdict}"


def _audit(evidence: Row) -> Judgement:
    for marker in (*_markers(evidence, "failure_markers"), *_markers(evidence, "success_markers")):
        severity = marker.removeprefix("audit_severity_")
        if marker != severity and severity in _SEVERITIES:
            return _SEVERITIES[severity], f"audit severity {severity}"
    return "needs_human_review", "no severity is known"


def _contract_analysis(evidence: Row) -> Judgement:
    verdict, failures = evidence.get("observer_verdict"), _markers(evidence, "failure_markers")
    if verdict == "reject":
        return "rejected", "observer verdict reject"
    if verdict == "accept" and failures:
        return "partially_accepted", f"observer verdict accept, with failures: {', '.join(failures)}"
    if verdict == "accept":
        return "accepted", "observer verdict accept, no failure"
    return "needs_human_review", f"observer verdict {verdict}" if verdict else "the observer gave no verdict"


def _auto_apply(evidence: Row) -> Judgement:
    reverted = [marker for marker in _markers(evidence, "failure_markers") if marker.endswith("_reverted")]
    if reverted:
        return "rejected", f"the patch was taken back: {reverted[0]}"
    if "committed" in _markers(evidence, "success_markers"):
        return "accepted", "the patch was committed"
    return "needs_human_review", "neither committed nor reverted"


def _outcome(evidence: Row) -> Judgement:
    if "all_events_ok" in _markers(evidence, "success_markers"):
        return "accepted", "all events ok"
    gaps = (evidence.get("validation_results") or {}).get("gap_signals")
    if isinstance(gaps, int | float) and not isinstance(gaps, bool) and gaps > 0:
        return "partially_accepted", f"gap signals: {gaps}"
    return "needs_human_review", "neither all events ok nor gap signals"


def _mode_experiment(evidence: Row) -> Judgement:
    if not (evidence.get("text") or "").strip():
        return "rejected", "the answer is empty"
    latency = evidence.get("latency_ms") or 0
    if latency > SLOW_MS:
        return "partially_accepted", f"slow: {latency / 1000:g} s"
    return "needs_human_review", "an answer in time; nothing says that it is right"


def _session(evidence: Row) -> Judgement:
    merits, faults = _markers(evidence, "success_markers"), _markers(evidence, "failure_markers")
    if "infra_error" in faults:
        return "needs_human_review", "the run broke for reasons outside the model"
    if faults:
        return "rejected", f"failed: {', '.join(faults)}"
    iteration = _number(evidence, _ITERATION)
    if iteration is None or "grounded_in_roster" not in merits:
        return "needs_human_review", "nothing says that it was accepted and grounded in the roster"
    if iteration == 1:
        return "accepted", "accepted at iteration 1, grounded in the roster"
    return "partially_accepted", f"accepted at iteration {iteration}, grounded in the roster"


_OBSERVED: Mapping[str, Category] = MappingProxyType(
    {"accept": "accepted", "cycle": "partially_accepted", "reject": "rejected"}
)
_SEVERITIES: Mapping[str, Category] = MappingProxyType(
    {
        "info": "accepted",
        "low": "accepted",
        "medium": "partially_accepted",
        "high": "rejected",
        "critical": "rejected",
    }
)
RULES: Mapping[str, Callable[[Row], Judgement]] = MappingProxyType(
    {
        "scrum_reviews": _scrum_review,
        "observer_reviews": _observer_review,
        "audits": _audit,
        "contract_analyses": _contract_analysis,
        "auto_apply": _auto_apply,
        "outcomes": _outcome,
        "mode_experiments": _mode_experiment,
        SESSIONS: _session,
    }
)
"""The streams that a rule judges; a row of any other (the extraction class, an unknown stream) is for a human."""


def _sub_scores(evidence: Row) -> dict[str, Any]:
    results = evidence.get("validation_results") or {}
    grounding, replayed = results.get("anchor_grounding"), results.get("pathway_replay_succeeded")
    found = {
        "anchor_grounding": grounding if _is_share(grounding) else None,
        "schema_valid": True,
        "pathway_replay_succeeded": replayed if isinstance(replayed, bool) else None,
        "observer_verdict": evidence.get("observer_verdict"),
    }
    return {name: value for name, value in found.items() if value is not None}


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _markers(evidence: Row, name: str) -> list[str]:
    return evidence.get(name) or []


def _number(evidence: Row, pattern: re.Pattern[str]) -> int | None:
    for marker in _markers(evidence, "success_markers"):
        if found := pattern.fullmatch(marker):
            return int(found[1])
    return None
