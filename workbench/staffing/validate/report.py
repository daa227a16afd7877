"""What a validator says: every finding, and the first error in the wire form of the predecessors.

::

    {"Schema": {"field": "fills[0].name", "reason": "…"}}
    {"Completeness": {"reason": "…"}}      and the same for Consistency and Policy
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from workbench.errors import InvalidError
from workbench.staffing.validate.verdict import Verdict

Layer = Literal["Schema", "Completeness", "Consistency", "Policy"]
Severity = Literal["info", "warning", "error"]

LAYERS: tuple[Layer, ...] = get_args(Layer)
_SEVERITIES: tuple[Severity, ...] = get_args(Severity)

CODES: Mapping[str, Layer] = {
    "bad_artifact": "Schema",
    "bad_context": "Schema",
    "missing_field": "Schema",
    "wrong_type": "Schema",
    "bad_operation": "Schema",
    "not_implemented": "Schema",
    "count_mismatch": "Completeness",
    "subject_too_long": "Completeness",
    "sms_too_long": "Completeness",
    "duplicate_id": "Consistency",
    "duplicate_name": "Consistency",
    "phantom_id": "Consistency",
    "ambiguous_id": "Consistency",
    "inactive": "Consistency",
    "city_mismatch": "Consistency",
    "state_mismatch": "Consistency",
    "role_mismatch": "Consistency",
    "name_differs": "Consistency",
    "name_mismatch": "Consistency",
    "name_missing": "Consistency",
    "unknown_client": "Consistency",
    "client_on_hold": "Policy",
    "client_blacklist": "Policy",
    "expired_credential": "Policy",
    "missing_credential": "Policy",
    "double_booked": "Policy",
    "do_not_return": "Policy",
    "already_pitched": "Policy",
    "excluded_by_order": "Policy",
    "ssn": "Policy",
    "pay_rate": "Policy",
    "rule_rejected": "Policy",
    "rule_blocked": "Policy",
    "rule_crashed": "Policy",
    "rule_redacted": "Policy",
    "not_checked": "Policy",
    "validator_crashed": "Policy",
}
"""Every code a finding can have, and the layer that it belongs to."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: where (``path``: ``fills[3].candidate_id``), what was got, what was expected, what would pass.

    ``got``, ``expected``, ``nearest_valid`` and ``evidence`` are JSON-ready. Raises InvalidError for an unknown code.
    """

    code: str
    path: str
    severity: Severity
    message: str
    got: Any = None
    expected: Any = None
    nearest_valid: tuple[str, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise InvalidError(f"{self.code!r} is no code of a finding.", hint=f"One of: {', '.join(CODES)}")

    @property
    def layer(self) -> Layer:
        """Schema, Completeness, Consistency or Policy."""
        return CODES[self.code]

    def to_dict(self) -> dict[str, Any]:
        """The one JSON form, all fields always there."""
        return {
            "code": self.code,
            "path": self.path,
            "severity": self.severity,
            "message": self.message,
            "got": self.got,
            "expected": self.expected,
            "nearest_valid": list(self.nearest_valid),
            "evidence": dict(self.evidence),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        """A finding from its JSON form. Raises InvalidError for what is none."""
        if not all(isinstance(data.get(name), str) for name in ("code", "path", "severity", "message")):
            raise InvalidError("A finding needs code, path, severity and message as text.")
        if data["severity"] not in _SEVERITIES:
            raise InvalidError(f"{data['severity']!r} is no severity.", hint=f"One of: {', '.join(_SEVERITIES)}")
        return cls(
            data["code"],
            data["path"],
            cast("Severity", data["severity"]),
            data["message"],
            data.get("got"),
            data.get("expected"),
            tuple(data.get("nearest_valid") or ()),
            dict(data.get("evidence") or {}),
        )


def error(
    code: str,
    path: str,
    message: str,
    *,
    got: Any = None,
    expected: Any = None,
    nearest_valid: Iterable[str] = (),
    evidence: Mapping[str, Any] | None = None,
) -> Finding:
    """A finding that refuses."""
    return Finding(code, path, "error", message, got, expected, tuple(nearest_valid), evidence or {})


@dataclass(frozen=True, slots=True)
class WireError:
    """The first error as the predecessors send it; ``field`` is told of Schema errors alone."""

    layer: Layer
    reason: str
    field: str = ""

    def to_dict(self) -> dict[str, Any]:
        """``{"Schema": {"field", "reason"}}``, or ``{"Policy": {"reason"}}`` and so on."""
        inner = {"field": self.field, "reason": self.reason} if self.layer == "Schema" else {"reason": self.reason}
        return {self.layer: inner}


def read_error(data: Mapping[str, Any]) -> WireError:
    """An error from either form: ``{"Schema": {"field", "reason"}}`` or the old flat ``{"kind", "field", "reason"}``.

    Names are compared without case. Raises InvalidError for what is neither.
    """
    layers = {layer.casefold(): layer for layer in LAYERS}
    low = {str(key).casefold(): value for key, value in data.items()}
    nested = [key for key in low if key in layers]
    if len(nested) == 1 and isinstance(low[nested[0]], Mapping):
        inner = {str(key).casefold(): value for key, value in low[nested[0]].items()}
        layer = layers[nested[0]]
    else:
        inner = low
        layer = layers.get(str(low.get("kind", low.get("type", ""))).casefold(), cast("Layer", ""))
    reason, where = inner.get("reason"), inner.get("field")
    if not layer or not isinstance(reason, str):
        raise InvalidError(
            "This is no validation error.", hint='{"Schema": {"field", "reason"}} or {"Policy": {"reason"}}'
        )
    return WireError(layer, reason, where if isinstance(where, str) and layer == "Schema" else "")


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, in the order of the layers of its kind, and the verdict on exactly what was judged.

    ``verdict`` is None when the artifact cannot be written as JSON, and in reports of the old form.
    """

    kind: str
    findings: tuple[Finding, ...] = ()
    verdict: Verdict | None = None

    @property
    def ok(self) -> bool:
        """No finding is an error."""
        return not any(found.severity == "error" for found in self.findings)

    @property
    def error(self) -> WireError | None:
        """The first error."""
        first = next((found for found in self.findings if found.severity == "error"), None)
        return WireError(first.layer, first.message, first.path if first.layer == "Schema" else "") if first else None

    def covers(self, artifact: Any, context: Any = None) -> bool:
        """Whether this very artifact and context were judged; any edit voids it."""
        return self.verdict is not None and self.verdict.covers(artifact, context)

    def allows(self, artifact: Any, context: Any = None) -> bool:
        """Whether exactly these passed: what every door asks before it sends, copies out or exports."""
        return self.ok and self.verdict is not None and self.verdict.passed and self.covers(artifact, context)

    def to_dict(self) -> dict[str, Any]:
        """The same object through every door: ok, kind, error (the wire form or null), findings, verdict."""
        return {
            "ok": self.ok,
            "kind": self.kind,
            "error": self.error.to_dict() if self.error else None,
            "findings": [found.to_dict() for found in self.findings],
            "verdict": self.verdict.to_dict() if self.verdict else None,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        """A report from `to_dict`, from the bare wire form of an error, or from the old flat one.

        Raises InvalidError for anything else, also for a report whose ``ok`` its own findings contradict.
        """
        if "findings" not in data or "ok" not in data:
            return cls("", (_as_finding(read_error(data)),))
        verdict = data.get("verdict")
        report = cls(
            str(data.get("kind", "")),
            tuple(Finding.from_dict(found) for found in data["findings"]),
            Verdict.from_dict(verdict) if verdict else None,
        )
        if report.ok is not data["ok"]:
            raise InvalidError("This report says ok where its findings do not, or the reverse.")
        return report


def _as_finding(old: WireError) -> Finding:
    """An old error names its layer but no code: the code is the plainest of that layer."""
    codes = {
        "Schema": "bad_artifact",
        "Completeness": "count_mismatch",
        "Consistency": "phantom_id",
        "Policy": "client_blacklist",
    }
    return error(codes[old.layer], old.field, old.reason)


def in_order(findings: Iterable[Finding], layers: tuple[Layer, ...] = LAYERS) -> tuple[Finding, ...]:
    """The findings by layer; within a layer they stay as they were found."""
    return tuple(sorted(findings, key=lambda found: layers.index(found.layer)))
