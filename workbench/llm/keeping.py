"""Keep the good items of a refused list, and put the model's replacements where the bad ones stood."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.llm.attempts import Finding

LIST = "fills"
"""The list whose items are judged one by one; artifacts without it are asked for whole."""
ID = "candidate_id"
_PLACE = re.compile(rf"{LIST}\[(\d+)\]")
_COUNT = "count_mismatch"


@dataclass(frozen=True, slots=True)
class Keeping:
    """An artifact of which some items are good: ``bad`` are the places of the others, ``wanted`` how many to ask for.

    ``wanted`` may be more than the bad ones, when the list was short.
    """

    artifact: dict[str, Any]
    bad: tuple[int, ...]
    wanted: int

    @property
    def kept(self) -> list[Any]:
        """The good items, in their order."""
        return [item for at, item in enumerate(self.artifact[LIST]) if at not in set(self.bad)]


def keep(artifact: dict[str, Any], findings: Sequence[Finding]) -> Keeping | None:
    """What can be kept of a refused artifact; None when it has to be asked for whole.

    That is: an error that no single item is to blame for, other than a list that is too short; no good item; a list
    that would have to lose items although they are good.
    """
    items = artifact.get(LIST)
    errors = [finding for finding in findings if finding.severity == "error"]
    if not isinstance(items, list) or not errors:
        return None
    places = {int(found[1]) for finding in errors if (found := _PLACE.match(finding.path))}
    general = [finding for finding in errors if not _PLACE.match(finding.path)]
    counts = [f.expected for f in general if f.code == _COUNT and type(f.expected) is int]
    if len(counts) < len(general) or len(set(counts)) > 1 or any(at >= len(items) for at in places):
        return None
    good = len(items) - len(places)
    wanted = counts[0] - good if counts else len(places)
    return Keeping(artifact, tuple(sorted(places)), wanted) if good and wanted > 0 else None


def merge(keeping: Keeping, answer: dict[str, Any]) -> dict[str, Any]:
    """The kept items at their places, the answer's new ones in place of the bad, any others behind them.

    The model may send the replacements alone, one of them without its list, or the whole list again. New is what is
    not kept, by id; when that leaves too many, the answer's items count by position. Good items are never overwritten.
    """
    sent = answer.get(LIST, [answer] if ID in answer else None)
    if not isinstance(sent, list):
        return answer
    items = keeping.artifact[LIST]
    ids = {_id(item) for item in keeping.kept}
    new = [item for item in sent if _id(item) is None or _id(item) not in ids]
    if len(new) > keeping.wanted and len(sent) == len(items):
        new = [sent[at] for at in keeping.bad]
    new = new[: keeping.wanted]
    merged = []
    rest = iter(new)
    for at, item in enumerate(items):
        if at not in keeping.bad:
            merged.append(item)
        elif (other := next(rest, None)) is not None:
            merged.append(other)
    others = answer if LIST in answer else {}
    return {**keeping.artifact, **others, LIST: [*merged, *rest]}


def _id(item: Any) -> str | None:
    found = item.get(ID) if isinstance(item, dict) else None
    return str(found).strip().casefold() if isinstance(found, str | int) else None
