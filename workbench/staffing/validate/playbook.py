"""Playbooks: what was learned from a fill, before it goes into memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from workbench.staffing.validate.names import fold_name
from workbench.staffing.validate.numbers import check_numbers
from workbench.staffing.validate.report import Finding, error

_PREFIX = "fill:"
_TIMES = re.compile(r"\bx ?([1-9][0-9]{0,3})\b", re.IGNORECASE)


def check_playbook(artifact: Any, context: Any) -> Iterator[Finding]:
    """All findings on ``{"operation": "fill: Welder x2 in Toledo, OH", "endorsed_names": […], "fingerprint"}``.

    The target is ``_context.target_count``, else the ``x2`` of the operation.
    """
    if not isinstance(artifact, Mapping):
        said = 'The artifact is no object: {"operation", "endorsed_names", "fingerprint"}.'
        yield error("bad_artifact", "artifact", said, got=type(artifact).__name__)
        return
    yield from _check_operation(artifact.get("operation"))
    fingerprint = artifact.get("fingerprint")
    if not isinstance(fingerprint, str) or not fingerprint.strip():
        yield error("missing_field", "fingerprint", "fingerprint is missing.", expected="text")
    target, problems = _target(artifact, context)
    yield from problems
    yield from _check_names(artifact.get("endorsed_names"), target)
    yield from check_numbers(artifact)


def _check_operation(operation: Any) -> Iterator[Finding]:
    if operation is None or operation == "":
        yield error("missing_field", "operation", "operation is missing.", expected=f"{_PREFIX} …")
    elif not isinstance(operation, str) or not operation.startswith(_PREFIX):
        got = operation if isinstance(operation, str) else type(operation).__name__
        yield error("bad_operation", "operation", f"operation must start with {_PREFIX!r}.", got=got, expected=_PREFIX)


def _target(artifact: Mapping[str, Any], context: Any) -> tuple[int | None, list[Finding]]:
    if context is not None and not isinstance(context, Mapping):
        return None, [error("bad_context", "_context", "_context is no object.")]
    asked = (context or {}).get("target_count")
    if asked is not None:
        if isinstance(asked, int) and not isinstance(asked, bool) and asked > 0:
            return asked, []
        said = "_context.target_count must be a whole number above 0."
        return None, [error("bad_context", "_context.target_count", said, got=str(asked))]
    operation = artifact.get("operation")
    times = _TIMES.search(operation) if isinstance(operation, str) else None
    return (int(times[1]) if times else None), []


def _check_names(names: Any, target: int | None) -> Iterator[Finding]:
    if not isinstance(names, list):
        code = "missing_field" if names is None else "wrong_type"
        yield error(code, "endorsed_names", "endorsed_names must be a list of names.", expected="a list of text")
        return
    for n, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            yield error("wrong_type", f"endorsed_names[{n}]", f"endorsed_names[{n}] is no name.", expected="text")
    if not names:
        yield error("count_mismatch", "endorsed_names", "Nobody is endorsed.", got=0, expected="at least 1")
    elif target is not None and len(names) > 2 * target:
        said = f"{len(names)} endorsed for {target} places, at most {2 * target}."
        yield error("count_mismatch", "endorsed_names", said, got=len(names), expected=f"1 to {2 * target}")
    elif target is None:
        said = "Whether too many are endorsed was not checked: neither context nor operation names a target."
        yield Finding("not_checked", "endorsed_names", "info", said)
    folded = [fold_name(name) for name in names if isinstance(name, str)]
    if len(set(folded)) < len(folded):
        said = "Somebody is endorsed twice."
        yield Finding("duplicate_name", "endorsed_names", "warning", said)
