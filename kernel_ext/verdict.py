"""What ``%lhvalidate`` gives: all that is wrong with a proposal, what would pass, and what the verdict holds for."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kernel_ext import covered, model_html
from workbench.cli.grid import clean

if TYPE_CHECKING:
    import pyarrow as pa

    from workbench.llm.attempts import Finding
    from workbench.staffing.validate.report import Report
    from workbench.staffing.validate.verdict import Verdict as Digests

NEAREST = 5  # told of one finding
_DIGEST = 12  # digits that tell two digests apart for a reader


@dataclass(frozen=True)
class Judged:
    """A report on an artifact. ``report`` is what ``wb.validate`` gave; ``FROM name`` reads its findings as a table."""

    report: Report
    artifact: Any = field(repr=False)
    context: Any = field(default=None, repr=False)
    show_pii: bool = False

    @property
    def ok(self) -> bool:
        """Whether it passed."""
        return self.report.ok

    @property
    def allows(self) -> bool:
        """Whether it passed and artifact and context are still what was judged: an edit voids the verdict."""
        return self.report.allows(self.artifact, self.context)

    @cached_property
    def shown(self) -> tuple[Finding, ...]:
        """The findings with personal data covered."""
        return covered.findings(self.report.findings, covered.cover(show_pii=self.show_pii))

    @cached_property
    def table(self) -> pa.Table:
        """The findings: severity, layer, code, path, message, nearest_valid (texts)."""
        import pyarrow as pa

        rows = [
            (f.severity, whole.layer, f.code, f.path, f.message, list(f.nearest_valid))
            for f, whole in zip(self.shown, self.report.findings, strict=True)
        ]
        names = ("severity", "layer", "code", "path", "message", "nearest_valid")
        kinds = (*[pa.string()] * 5, pa.list_(pa.string()))
        return pa.table([pa.array([row[i] for row in rows], kind) for i, kind in enumerate(kinds)], names=list(names))

    @property
    def says(self) -> str:
        """``refused: 2 errors, 1 warning``."""
        return verdict_in_words(self.report.findings)

    @property
    def wire(self) -> str:
        """The first error in the form that other systems get; empty when it passed."""
        if self.report.error is None:
            return ""
        hide = covered.cover(show_pii=self.show_pii)
        return json.dumps(covered.nested(self.report.error.to_dict(), hide), ensure_ascii=False)

    @property
    def line(self) -> str:
        """What the verdict holds for."""
        return digests(self.report.verdict)

    def __repr__(self) -> str:
        return self.to_text()

    def to_text(self) -> str:
        """As plain text."""
        top = f"{'✓' if self.ok else '✗'} {self.report.kind} {self.says}"
        wire = f"first error: {clean(self.wire)}" if self.wire else ""
        return "\n".join(filter(None, [top, *finding_lines(self.shown), wire, self.line]))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython's own signature
        printer.text("…" if cycle else self.to_text())

    def _repr_html_(self) -> str:
        mark, tone = ("✓", "good") if self.ok else ("✗", "bad")
        return model_html.framed(
            model_html.head(f"{self.report.kind} {self.says.partition(':')[0]}",
                            self.says.partition(": ")[2], mark=mark, tone=tone),
            model_html.findings(self.shown),
            model_html.more("the first error as other systems get it", model_html.code(self.wire)) if self.wire else "",
            model_html.line(self.line),
        )  # fmt: skip


def verdict_in_words(found: tuple[Finding, ...]) -> str:
    """``passed``, or ``refused: 2 errors, 1 warning``."""
    errors = sum(f.severity == "error" for f in found)
    warnings = sum(f.severity == "warning" for f in found)
    counted = [f"{n} {word}{'' if n == 1 else 's'}" for n, word in ((errors, "error"), (warnings, "warning")) if n]
    told = f": {', '.join(counted)}" if counted else ""
    return f"{'refused' if errors else 'passed'}{told}"


def finding_lines(found: tuple[Finding, ...]) -> list[str]:
    """A line per error and warning, what would pass below it; what is only said in passing last."""
    loud = [f for f in found if f.severity != "info"]
    out = []
    for f in (*loud, *(f for f in found if f.severity == "info")):
        out.append(clean(f"  {model_html.MARKS[f.severity]} {f.path}  {f.code}  {f.message}"))
        near = [one for one in f.nearest_valid[:NEAREST] if one not in f.message]
        out += [clean(f"      nearest valid: {' · '.join(near)}")] if near else []
    return out


def digests(verdict: Digests | None) -> str:
    """``artifact 81976242e146 · context 722060e9ccec · workers@1 · clients@1 · fill/1 · 2026-11-22``."""
    if verdict is None:
        return "no verdict: this could not be judged"
    read = [one for one in (verdict.roster, *verdict.snapshots) if one] or ["no dataset read"]
    ours = [f"artifact {verdict.artifact_sha256[:_DIGEST]}", f"context {verdict.context_sha256[:_DIGEST]}"]
    return " · ".join([*ours, *read, verdict.validator, verdict.judged_on.isoformat()])
