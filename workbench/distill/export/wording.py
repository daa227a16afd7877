"""What a row asked for, in words: the instruction by source class, the context in short."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Evidence = Mapping[str, Any]


def instruction(stream: str, evidence: Evidence) -> str:
    """The request that the row's text answers, by the template of its source class; never blank."""
    return _TEMPLATES.get(stream, _default)(evidence)


def context(evidence: Evidence) -> str:
    """What the run was shown, in short; "" when it was shown nothing. Numbers have exactly four decimals."""
    shown = evidence.get("retrieved_context")
    if not isinstance(shown, Mapping):
        return ""
    parts = []
    if corpora := _listed(shown.get("matrix_corpora")):
        parts.append(f"Corpora: {corpora}.")
    if _is_number(hits := shown.get("matrix_hits")):
        parts.append(f"Hits: {hits:.4f}.")
    if seen := _listed(shown.get("pathway_fingerprints_seen")):
        parts.append(f"Pathways seen: {seen}.")
    # The contract names three fields; what another stream adds beside them is shown by its own name.
    known = {"matrix_corpora", "matrix_hits", "pathway_fingerprints_seen"}
    for name, value in shown.items():
        if name not in known and _is_number(value):
            parts.append(f"{name}: {value:.4f}.")
    return " ".join(parts)


def title(stream: str, evidence: Evidence) -> str:
    """One line for a retrieved row: the source class and what it is about."""
    return f"{stream.replace('_', ' ')}: {_file(evidence)}"


def _scrum_review(evidence: Evidence) -> str:
    return f"Review {_file(evidence)} and say what must change before it can be merged."


def _mode_experiment(evidence: Evidence) -> str:
    return f"Do the task {_said(evidence, 'task_class') or _task(evidence)} on {_file(evidence)}."


def _auto_apply(evidence: Evidence) -> str:
    return f"Write the change to {_file(evidence)} that its review asks for, so that the build stays green."


def _audit(evidence: Evidence) -> str:
    return f"Audit {_file(evidence)} and report what you find, with its severity."


def _observer_review(evidence: Evidence) -> str:
    return f"Review {_file(evidence)} as an observer: accept, reject or cycle, and why."


def _contract_analysis(evidence: Evidence) -> str:
    contractor = _said(evidence, "contractor")
    return f"Analyse {_task(evidence)}{f' of {contractor}' if contractor else ''} for what it asks of staffing."


def _outcome(evidence: Evidence) -> str:
    return f"Carry out {_task(evidence)} and report how each event ended."


def _session(evidence: Evidence) -> str:
    return _said(evidence, "prompt") or f"Propose an artifact for {_task(evidence)} that its validator passes."


def _default(evidence: Evidence) -> str:
    return f"Do the task {_task(evidence)} and give the result."


_TEMPLATES: Mapping[str, Callable[[Evidence], str]] = {
    "scrum_reviews": _scrum_review,
    "mode_experiments": _mode_experiment,
    "auto_apply": _auto_apply,
    "audits": _audit,
    "observer_reviews": _observer_review,
    "contract_analyses": _contract_analysis,
    "outcomes": _outcome,
    "sessions": _session,
}


def _file(evidence: Evidence) -> str:
    files = evidence.get("source_files")
    return files[0] if isinstance(files, list) and files and isinstance(files[0], str) else _task(evidence)


def _task(evidence: Evidence) -> str:
    return str(evidence.get("task_id") or "this task")


def _said(evidence: Evidence, name: str) -> str:
    metadata = evidence.get("metadata")
    value = metadata.get(name) if isinstance(metadata, Mapping) else None
    return value.strip() if isinstance(value, str) else ""


def _listed(value: Any) -> str:
    return ", ".join(str(item) for item in value) if isinstance(value, list) else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
