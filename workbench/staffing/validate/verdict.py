"""Verdicts: what exactly was judged, by its digests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from workbench.errors import InvalidError

VERSION = "3"
"""Of the rules; raised whenever a rule changes, so that an old verdict can be told from a new one."""


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, without spaces, in UTF-8. Raises InvalidError for what JSON cannot hold."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except (TypeError, ValueError, RecursionError) as problem:
        raise InvalidError(
            f"This is not JSON: {problem}", hint="Text, numbers, true, false, null, lists, objects."
        ) from None


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, hex."""
    return hashlib.sha256(canonical(value)).hexdigest()


def effective_context(artifact: Any, context: Any) -> Any:
    """The caller's context; only without one the ``_context`` that the artifact brings.

    A model writes artifacts: were the two merged, it could choose its own audience or client.
    """
    if context is not None:
        return context
    return artifact.get("_context") if isinstance(artifact, Mapping) else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """``passed``, and what it holds for: SHA-256 of artifact and context, the snapshots read, the rules, the day.

    ``roster`` is ``workers@12`` ('' without one); ``snapshots`` the other datasets in the same form.
    """

    passed: bool
    artifact_sha256: str
    context_sha256: str
    roster: str
    snapshots: tuple[str, ...]
    validator: str
    judged_on: date

    def covers(self, artifact: Any, context: Any = None) -> bool:
        """Whether these very bytes were judged."""
        try:
            now = (digest(artifact), digest(effective_context(artifact, context)))
        except InvalidError:
            return False
        return now == (self.artifact_sha256, self.context_sha256)

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "passed": self.passed,
            "artifact_sha256": self.artifact_sha256,
            "context_sha256": self.context_sha256,
            "roster": self.roster,
            "snapshots": list(self.snapshots),
            "validator": self.validator,
            "judged_on": self.judged_on.isoformat(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Verdict:
        """A verdict from its JSON form. Raises InvalidError."""
        try:
            return cls(
                data["passed"] is True,
                str(data["artifact_sha256"]),
                str(data["context_sha256"]),
                str(data["roster"]),
                tuple(map(str, data["snapshots"])),
                str(data["validator"]),
                date.fromisoformat(data["judged_on"]),
            )
        except (KeyError, TypeError, ValueError):
            raise InvalidError("This is no verdict: a field is missing or malformed.") from None
