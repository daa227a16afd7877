"""The session log: one line of JSON for each run of the loop, ``session.iterate.v1``, and its alarm.

`SessionLog` keeps the lines as rows of the dataset ``iterate_sessions``: the fields of the contract, and the line.
"""

from __future__ import annotations

import copy
import datetime as dt
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from workbench.errors import InvalidError
from workbench.lake.logs import Log, LogStats, Noted, Shape
from workbench.llm.asking import whole
from workbench.llm.attempts import RAW_CHARS, Attempt, Run
from workbench.pii import mask_text

if TYPE_CHECKING:
    from workbench.lake.lake import Lake

SCHEMA = "session.iterate.v1"
PROMPT_CHARS = 4_000
"""How much of the prompt a line keeps (contract: prompt ≤ 4,000)."""
DAEMON = "workbench"
REDACTED = "rule_redacted"
"""The finding of a truth rule that covered fields."""

Mask = Callable[[str], str]

DATASET = "iterate_sessions"
_TEXTS = ("schema", "session_id", "daemon", "kind", "model", "provider", "prompt", "final_verdict")
SHAPE = Shape(
    DATASET,
    pa.schema(
        [
            ("schema", pa.string()),
            ("session_id", pa.string()),
            ("timestamp", pa.timestamp("us", tz="UTC")),
            ("daemon", pa.string()),
            ("kind", pa.string()),
            ("model", pa.string()),
            ("provider", pa.string()),
            ("prompt", pa.string()),
            ("iterations", pa.int64()),
            ("max_iterations", pa.int64()),
            ("final_verdict", pa.string()),
            ("attempts", pa.string()),  # JSON
            ("artifact", pa.string()),  # JSON, null unless accepted
            ("grounded_in_roster", pa.bool_()),
            ("duration_ms", pa.int64()),
            ("line", pa.string()),
        ]
    ),
    identity=("session_id", "timestamp"),
    # What a person or a model wrote is covered before the line is made, so that line and columns say the same.
    plain=frozenset({*_TEXTS, "attempts", "artifact", "line"}),
    # The artifact is kept as it was judged, with its names: SQL shows it only to who may see them.
    tags={"artifact": "derived", "line": "derived"},  # `lake.sql.shape.DERIVED`: hidden whole
    title="session log",
)
ALARM = """\
SELECT session_id, timestamp, model, provider, grounded_in_roster FROM iterate_sessions
WHERE kind = 'fill' AND final_verdict = 'accepted' AND grounded_in_roster IS DISTINCT FROM true
ORDER BY timestamp DESC, session_id"""
"""The alarm query. It must be empty: no invented worker ever reaches a contract. The same as `alarms`, in SQL."""

_NAMES = {"code", "severity", "status"}  # words of ours, not of a person or a model, as a path may be
_FIELDS = {"code", "path", "severity", "message", "got", "expected", "nearest_valid", "evidence", "was", "now"}


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
    return _line(to_record(run, timestamp=timestamp, daemon=daemon, mask=mask)) + b"\n"


def _line(record: Mapping[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(record)
    except UnicodeEncodeError:  # half a character, of a model: the line is worth more than it
        return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def alarms(record: Mapping[str, Any]) -> bool:
    """Whether a line of the log must never have been written: an accepted fill that is not known to be grounded.

    Unknown (null, or the field left out) alarms too: what nobody looked up may be invented.
    """
    accepted_fill = record.get("kind") == "fill" and record.get("final_verdict") == "accepted"
    return accepted_fill and record.get("grounded_in_roster") is not True


class SessionLog:
    """The session log of one lake: a line for each run, whichever way it ended. ``spool`` as for `Log`.

    ``mask`` covers what people and models wrote; the artifact of an accepted run stays as it was judged.
    """

    def __init__(
        self, lake: Lake | Callable[[], Lake], spool: Path | None, *, mask: Mask = mask_text, **more: Any
    ) -> None:
        self._mask = mask
        self.log = Log(lake, spool, SHAPE, to_row=self._to_row, **more)

    def note(self, run: Run) -> str:
        """Remember a run, in microseconds; returns its session id, a new one when it has none. Never raises or waits.

        A caller may go on to change the artifact: what is written down is what it was now.
        """
        session_id = run.task.trace_id or secrets.token_hex(12)
        task = replace(run.task, trace_id=session_id)
        self.log.note(replace(run, task=task, artifact=copy.deepcopy(run.artifact)))
        return session_id

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until every line is in the dataset; False when it is not."""
        return self.log.flush(timeout_s)

    def stats(self) -> LogStats:
        """What has become of the lines."""
        return self.log.stats()

    def close(self, *, write: bool = True, timeout_s: float = 10.0) -> None:
        """End it; see `Log.close`."""
        self.log.close(write=write, timeout_s=timeout_s)

    def _to_row(self, noted: Noted) -> dict[str, Any]:
        # The line says milliseconds; the column says what the line says.
        at = dt.datetime.fromtimestamp(round(noted.at, 3), dt.UTC)
        record = to_record(noted.what, timestamp=at, mask=self._mask)
        told: dict[str, Any] = {name: _text(record[name]) for name in ("attempts", "artifact") if name in record}
        return {**record, **told, "timestamp": at, "line": _line(record).decode()}


def _row(attempt: Attempt, hide: Mask) -> dict[str, Any]:
    row = attempt.to_dict()
    hidden = {name: _hidden(row[name], hide) for name in ("findings", "diff")}
    return {**row, "raw": hide(_raw(attempt))[:RAW_CHARS], **hidden}


def _raw(attempt: Attempt) -> str:
    """The answer; where a rule covered fields of it, what was judged, for the answer still says what was covered."""
    if all(finding.code != REDACTED for finding in attempt.findings):
        return attempt.raw
    return "" if attempt.artifact is None else json.dumps(attempt.artifact, ensure_ascii=False)


def _hidden(value: Any, hide: Mask) -> Any:
    """The JSON value with every text masked, but for the names of our own."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {key: item if key in _NAMES else _hidden(item, hide) for key, item in _hidden_keys(value, hide)}
    if isinstance(value, list | tuple):
        return [_hidden(item, hide) for item in value]
    return value


def _hidden_keys(value: Mapping[Any, Any], hide: Mask) -> Iterator[tuple[Any, Any]]:
    """A model may write a name of a field as well as a value; those of findings and changes are ours."""
    return ((hide(key) if isinstance(key, str) and key not in _FIELDS else key, item) for key, item in value.items())
