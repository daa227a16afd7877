"""The folder of a distillation: every path of the contract has one name here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import InvalidError

TIER_1 = (
    "distilled_facts",
    "distilled_procedures",
    "distilled_config_hints",
    "contract_analyses",
    "mode_experiments",
    "scrum_reviews",
    "observer_escalations",
    "audit_facts",
)
TIER_2 = ("auto_apply", "observer_reviews", "audits", "outcomes")
SESSIONS = "sessions"  # this product's own runs, session.iterate.v1
STREAMS = (*TIER_1, *TIER_2, SESSIONS)
EXPORTS = {"rag": "playbooks.jsonl", "sft": "instruction_response.jsonl", "preference": "chosen_rejected.jsonl"}
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}(?=[T ])")


@dataclass(frozen=True)
class Root:
    """A distillation root. Paths only: nothing is read or made; the listing methods look which files are there."""

    path: Path

    @property
    def kb(self) -> Path:
        """The folder of sources and append-only logs."""
        return self.path / "data" / "_kb"

    def source(self, stream: str) -> Path:
        """The source log of one stream, there or not."""
        return self.kb / f"{stream}.jsonl"

    def sources(self) -> dict[str, Path]:
        """The source logs that are there, in the order of ``STREAMS``."""
        return {stream: self.source(stream) for stream in STREAMS if self.source(stream).is_file()}

    def evidence(self, recorded_at: str, stream: str) -> Path:
        """The evidence partition of one stream on the day of ``recorded_at``."""
        return self.path / "data" / "evidence" / day(recorded_at) / f"{stream}.jsonl"

    def scored(self, recorded_at: str, stream: str) -> Path:
        """The scored runs of one stream on the day of ``recorded_at``."""
        return self.path / "data" / "scored-runs" / day(recorded_at) / f"{stream}.jsonl"

    def evidence_files(self, stream: str = "*") -> tuple[Path, ...]:
        """Every evidence partition there is, oldest day first, then by stream name."""
        return tuple(sorted((self.path / "data" / "evidence").glob(f"[0-9]*/[0-9]*/[0-9]*/{stream}.jsonl")))

    def scored_files(self, stream: str = "*") -> tuple[Path, ...]:
        """Every partition of scored runs there is, oldest day first, then by stream name."""
        return tuple(sorted((self.path / "data" / "scored-runs").glob(f"[0-9]*/[0-9]*/[0-9]*/{stream}.jsonl")))

    def scored_of(self, evidence: Path) -> Path:
        """The scored runs that belong to one evidence partition (any day)."""
        return self.path / "data" / "scored-runs" / evidence.relative_to(self.path / "data" / "evidence")

    def export(self, kind: str) -> Path:
        """The export file of ``rag``, ``sft`` or ``preference``."""
        return self.path / "exports" / kind / EXPORTS[kind]

    def quarantine(self, kind: str) -> Path:
        """The refused rows of ``rag``, ``sft`` or ``preference``."""
        return self.path / "exports" / "quarantine" / f"{kind}.jsonl"

    @property
    def skips(self) -> Path:
        """Source rows that could not become evidence."""
        return self.kb / "distillation_skips.jsonl"

    @property
    def baselines(self) -> Path:
        """The append-only log of audit baselines."""
        return self.kb / "audit_baselines.jsonl"

    @property
    def replays(self) -> Path:
        """The append-only log of replay runs."""
        return self.kb / "replay_runs.jsonl"

    @property
    def reviews(self) -> Path:
        """The append-only log of reviewers' decisions."""
        return self.kb / "reviews.jsonl"

    def reports(self, run_id: str = "") -> Path:
        """The folder of one run's receipts, or of all runs."""
        return self.path / "reports" / "distillation" / run_id

    @property
    def audit_report(self) -> Path:
        """The full audit's report."""
        return self.reports() / "phase8-full-audit-report.md"

    @property
    def lock(self) -> Path:
        """The file that the stage at work holds locked."""
        return self.kb / ".distill.lock"

    def relative(self, path: Path) -> str:
        """``path`` below the root, with ``/``: what provenance and receipts write."""
        return path.relative_to(self.path).as_posix()


def day(recorded_at: str) -> str:
    """``YYYY/MM/DD`` of a timestamp, as it is written there (no zone is converted).

    Raises ``InvalidError`` when the text has no date.
    """
    found = _DAY.match(recorded_at)
    if not found:
        raise InvalidError(
            f"recorded_at is {recorded_at!r}.", hint="Give ISO 8601 with zone, as in 2026-04-22T03:11:09Z."
        )
    return found[0].replace("-", "/")
