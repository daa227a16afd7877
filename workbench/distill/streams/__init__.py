"""From a source row to an evidence row: one pure transform per stream, in one table.

``transform(row, at, recorded_at, index) -> dict | Skip``: ``row`` the parsed line, ``at`` its provenance, ``index`` its
line number from 0. The dict has the fields of ``EvidenceRecord`` in their order, without those that the row does not
have; it is not validated yet. Rows are never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from workbench.distill.streams.extractions import audit_facts, config_hints, facts, procedures
from workbench.distill.streams.reviews import (
    audits,
    contract_analyses,
    observer_escalations,
    observer_reviews,
    scrum_reviews,
)
from workbench.distill.streams.runs import auto_apply, mode_experiments, outcomes, sessions
from workbench.distill.streams.shape import Skip, Transform

TRANSFORMS: Mapping[str, Transform] = MappingProxyType(
    {
        "distilled_facts": facts,
        "distilled_procedures": procedures,
        "distilled_config_hints": config_hints,
        "contract_analyses": contract_analyses,
        "mode_experiments": mode_experiments,
        "scrum_reviews": scrum_reviews,
        "observer_escalations": observer_escalations,
        "audit_facts": audit_facts,
        "auto_apply": auto_apply,
        "observer_reviews": observer_reviews,
        "audits": audits,
        "outcomes": outcomes,
        "sessions": sessions,
    }
)

__all__ = ["TRANSFORMS", "Skip", "Transform"]
