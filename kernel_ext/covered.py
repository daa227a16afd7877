"""What models and validators said, with personal data covered: an output is kept with the notebook and passed on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from workbench.llm.attempts import Complaint, Finding
from workbench.llm.changes import Change

Cover = Callable[[str], str]


def cover(*, show_pii: bool) -> Cover:
    """What covers phones, SSNs, addresses, keys and their kind in a text; with ``show_pii`` what leaves it alone.

    Names and ids stay: a report on people says whom it speaks of, to somebody who gave it their names.
    """
    from workbench import pii

    return str if show_pii else pii.mask_text


def findings(found: Iterable[Finding], hide: Cover) -> tuple[Complaint, ...]:
    """Findings as they are shown."""
    return tuple(
        Complaint(
            f.code, hide(f.message), hide(f.path), f.severity, nested(f.got, hide), nested(f.expected, hide),
            tuple(hide(near) for near in f.nearest_valid),
        )
        for f in found
    )  # fmt: skip


def changes(diff: Iterable[Change], hide: Cover) -> tuple[Change, ...]:
    """Changes as they are shown."""
    return tuple(Change(hide(c.path), nested(c.was, hide), nested(c.now, hide)) for c in diff)


def nested(value: Any, hide: Cover) -> Any:
    """A JSON value with every text in it covered."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {hide(str(key)): nested(item, hide) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [nested(item, hide) for item in value]
    return value
