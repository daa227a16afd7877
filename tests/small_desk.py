"""A small desk for the tests of the loop: sixty workers, a real validator of fills, and a run against a script."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.llm.attempts import Complaint, Run, Task
from workbench.llm.iterate import iterate
from workbench.llm.lies import Stock
from workbench.llm.scripted import Scripted

CITY = "Joliet"


@dataclass(frozen=True)
class Judged:
    """A report of the small validator below."""

    findings: tuple[Complaint, ...]

    @property
    def ok(self) -> bool:
        return not any(finding.severity == "error" for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        return {"ok": self.ok, "findings": [finding.to_dict() for finding in self.findings]}


ROSTER = {
    f"W-{n}": {"name": f"Ann {n}", "city": "Gary" if n % 5 == 3 else CITY, "active": n % 5 != 4} for n in range(60)
}
FIT = [{"candidate_id": i, "name": w["name"]} for i, w in ROSTER.items() if w["city"] == CITY and w["active"]]
STOCK = Stock(
    good=FIT,
    count=3,
    elsewhere=[{"candidate_id": i, "name": w["name"]} for i, w in ROSTER.items() if w["city"] != CITY],
    inactive=[{"candidate_id": i, "name": w["name"]} for i, w in ROSTER.items() if not w["active"]],
)
TASK = Task("fill", "Need 3 forklift operators in Joliet.", "scripted/small", candidates=FIT[:6], trace_id="t-1")


def judge(artifact: Mapping[str, Any], count: int = 3) -> Judged:
    """A real validator of fills, small: shape, count, phantom, duplicate, inactive, city, SSN; another name warns."""
    fills = artifact.get("fills")
    if not isinstance(fills, list) or not all(
        isinstance(f, dict) and isinstance(f.get("candidate_id"), str) for f in fills
    ):
        return Judged((Complaint("missing_field", "fills is not a list of {candidate_id, name}.", "fills"),))
    found = []
    if len(fills) != count:
        said = f"{len(fills)} proposed for {count} places."
        found.append(Complaint("count_mismatch", said, "fills", got=len(fills), expected=count))
    for at, fill in enumerate(fills):
        found += judge_one(at, fill, [other["candidate_id"] for other in fills[:at]])
    return Judged(tuple(found))


def judge_one(at: int, fill: Mapping[str, Any], before: list[str]) -> list[Complaint]:
    where, who = f"fills[{at}].candidate_id", fill["candidate_id"]
    worker = ROSTER.get(who)
    near = tuple(FIT[n]["candidate_id"] for n in range(3))
    if worker is None:
        return [Complaint("phantom_id", f"{who} is not on the roster.", where, got=who, nearest_valid=near)]
    found = []
    if who in before:
        found.append(Complaint("duplicate_id", f"{who} is proposed twice.", where, got=who))
    if not worker["active"]:
        found.append(Complaint("inactive", f"{who} is not active.", where, got=who))
    if worker["city"] != CITY:
        found.append(Complaint("city_mismatch", f"{who} lives in {worker['city']}.", where, got=worker["city"]))
    if re.search(r"(?<!\d)\d{3}-\d\d-\d{4}(?!\d)", json.dumps(fill)):
        found.append(Complaint("ssn", "A social security number.", f"fills[{at}].reason"))
    if fill.get("name") != worker["name"]:
        found.append(Complaint("name_differs", f"{who} is {worker['name']}.", f"fills[{at}].name", "warning"))
    return found


def ground(artifact: Mapping[str, Any]) -> bool:
    return all(fill["candidate_id"] in ROSTER for fill in artifact["fills"])


def go(script: Any, **options: Any) -> Run:
    """A run against a script, or against a model that is given as it is."""
    model = script if hasattr(script, "complete") else Scripted(script)
    return iterate(model, options.pop("validate", judge), options.pop("task", TASK), **{"ground": ground, **options})


def proposed(run: Run) -> list[str]:
    return [fill["candidate_id"] for fill in run.require()["fills"]]
