"""The session log: one line of JSON for each run of the loop, ``session.iterate.v1``, and its alarm."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from workbench.errors import InvalidError
from workbench.llm.asking import whole
from workbench.llm.attempts import RAW_CHARS, Attempt, Run

SCHEMA = "session.iterate.v1"
PROMPT_CHARS = 4_000
"""How much of the prompt a line keeps (contract: prompt ≤ 4,000)."""
DAEMON = "workbench"

Mask = Callable[[str], str]
_NAMES = {"code", "path", "severity", "status"}  # words of ours, not of a person or a model


def to_record(run: Run, *, timestamp: dt.datetime, daemon: str = DAEMON, mask: Mask | None = None) -> dict[str, Any]:
    """The fields of the contract in their order, ``schema`` before them; ``artifact`` is there only when accepted.

    ``timestamp``: when the run ended, with its zone; written in UTC. ``mask``: applied to every text that a person or
    a model wrote, prompt and attempts, before it is shortened; never to the artifact, which is what was judged.
    Raises InvalidError for a time without zone.
    """
    if timestamp.tzinfo is None:
        raise InvalidError("The time of a session line has no zone.", hint="For example datetime.now(timezone.utc).")
    hide = mask or str
    last = run.attempts[-1] if run.attempts else None
    record = {
        "schema": SCHEMA,
        "session_id": run.task.trace_id,
        "timestamp": timestamp.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "daemon": daemon,
        "kind": run.task.kind,
        "model": run.task.model,
        "provider": last.provider if last else "",
        "prompt": hide(whole(run.task.prompt))[:PROMPT_CHARS],
        "iterations": len(run.attempts),
        "max_iterations": run.limits.max_iterations,
        "final_verdict": run.final_verdict,
        "attempts": [_row(attempt, hide) for attempt in run.attempts],
        "artifact": run.artifact,
        "grounded_in_roster": run.grounded,
        "duration_ms": round(run.duration_s * 1000),
    }
    return record if run.accepted else {key: value for key, value in record.items() if key != "artifact"}


def to_line(run: Run, *, timestamp: dt.datetime, daemon: str = DAEMON, mask: Mask | None = None) -> bytes:
    """`to_record` as one line of UTF-8 JSON with its end of line; the same run gives the same bytes."""
    return msgspec.json.encode(to_record(run, timestamp=timestamp, daemon=daemon, mask=mask)) + b"\n"


def alarms(record: Mapping[str, Any]) -> bool:
    """Whether a line of the log must never have been written: an accepted fill that is not known to be grounded.

    Unknown (null, or the field left out) alarms too: what nobody looked up may be invented.
    """
    accepted_fill = record.get("kind") == "fill" and record.get("final_verdict") == "accepted"
    return accepted_fill and record.get("grounded_in_roster") is not True


def _row(attempt: Attempt, hide: Mask) -> dict[str, Any]:
    row = attempt.to_dict()
    hidden = {name: _hidden(row[name], hide) for name in ("findings", "diff")}
    return {**row, "raw": hide(attempt.raw)[:RAW_CHARS], **hidden}


def _hidden(value: Any, hide: Mask) -> Any:
    """The JSON value with every text masked, but for the names of our own."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {key: item if key in _NAMES else _hidden(item, hide) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(item, hide) for item in value]
    return value
