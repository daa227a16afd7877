"""The full audit: 22 checks of a tree, 16 of them required. It only reads; its report is written by whoever asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench import records
from workbench.distill.baselines import DriftRow, drift_rows, read_last
from workbench.distill.checks import CHECKS, Check, Scene
from workbench.distill.receipts import STAGES
from workbench.distill.root import Root

PHASES = ("recon", "schemas", "evidence", "scoring", "exports", "receipts", "acceptance", "replay")
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check saw."""

    phase: int
    name: str
    required: bool
    ok: bool
    says: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Audit:
    """All findings, the drift from the newest baseline, and what was looked at."""

    run_id: str
    recorded_at: str
    findings: tuple[Finding, ...]
    drift: tuple[DriftRow, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Required checks that do not hold: any of them fails the audit."""
        return tuple(one.name for one in self.findings if one.required and not one.ok)

    @property
    def ok(self) -> bool:
        """Every required check holds."""
        return not self.failed

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {
            "ok": self.ok,
            "run_id": self.run_id,
            "recorded_at": self.recorded_at,
            "required": sum(one.required for one in self.findings),
            "failed": list(self.failed),
            "checks": [one.to_dict() for one in self.findings],
            "drift": [row.to_dict() for row in self.drift],
        }


def audit(root: Root, *, recorded_at: str, reference: Path | None = None, checks: Sequence[Check] = CHECKS) -> Audit:
    """Look at the tree below ``root`` and its newest run.

    ``reference`` is the document the tree is described by; else the page of the newest run (``summary.md``). Raises
    InvalidError when the last baseline is malformed: nothing can be compared with it.
    """
    run_id = newest_run(root)
    baseline = read_last(root.baselines)
    scene = Scene(root, run_id, recorded_at, baseline, reference or root.reports(run_id) / "summary.md")
    findings = tuple(_looked(check, scene) for check in checks)
    return Audit(run_id, recorded_at, findings, drift_rows(scene.metrics, baseline))


def newest_run(root: Root) -> str:
    """The run whose receipts or summary carry the latest ``recorded_at``, "" when there is none.

    A run whose summary is broken or gone is still the newest, and is told to be broken; a folder with the receipt of
    one stage that ran by itself is no run.
    """
    found = []
    for folder in sorted(path for path in root.reports().glob("*") if path.is_dir()):
        paths = [path for path in folder.glob("*.json") if path.stem in {*STAGES, "summary"}]
        if len(paths) > 1 or (paths and paths[0].stem == "summary"):
            newest = max(path.stat().st_mtime_ns for path in paths)
            found.append((max(map(_recorded, paths)), newest, folder.name))
    return max(found)[2] if found else ""


def to_markdown(done: Audit) -> str:
    """The report as a page: the verdict, a table of all checks, the drift."""
    required = [one for one in done.findings if one.required]
    lines = [
        "# Full audit",
        "",
        f"- {'**passed**' if done.ok else '**FAILED**'} at {done.recorded_at}, run {done.run_id or 'none'}",
        f"- {sum(one.ok for one in required)} of {len(required)} required checks hold",
        f"- {len(done.findings) - len(required)} more inform",
        "",
        "| phase | check | required | holds | seen |",
        "|---|---|---|---|---|",
    ]
    for one in done.findings:
        holds = "yes" if one.ok else "**no**"
        says = one.says.replace("|", "\\|").replace("\n", " ")
        required_ = "yes" if one.required else "informs"
        lines.append(f"| {one.phase} {PHASES[one.phase]} | {one.name} | {required_} | {holds} | {says} |")
    lines += ["", "| metric | baseline | now | change | flag |", "|---|---:|---:|---:|---|"]
    for row in done.drift:
        was = "" if row.baseline is None else f"{row.baseline:g}"
        change = "" if row.pct_change is None else f"{row.pct_change:+.1%}"
        lines.append(f"| {row.metric} | {was} | {row.current:g} | {change} | {row.flag} |")
    return "\n".join(lines) + "\n"


def _looked(check: Check, scene: Scene) -> Finding:
    try:
        ok, says = check.look(scene)
    except Exception as error:  # noqa: BLE001 - a tree may be broken in any way: the check does not hold, others go on
        ok, says = False, f"could not be looked at: {type(error).__name__}: {error}"
    return Finding(check.phase, check.name, check.required, ok, says)


def _recorded(path: Path) -> datetime:
    row = records.parse(path.read_bytes())
    where = row.get("provenance") if isinstance(row, dict) else None
    try:
        at = datetime.fromisoformat(where["recorded_at"]) if isinstance(where, dict) else _NEVER
    except (KeyError, TypeError, ValueError):
        return _NEVER
    return at if at.tzinfo else _NEVER
