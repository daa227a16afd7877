"""Validators: fills, messages and playbooks judged against the roster and the records, before anybody acts on them.

`judge` is the one door. A `Report` holds all findings, the first error in the wire form of the predecessors, and a
`Verdict` that is void after any edit.
"""

from workbench.staffing.validate.desks import LakeDesk
from workbench.staffing.validate.judge import KINDS, judge
from workbench.staffing.validate.records import Clients, Desk, Records
from workbench.staffing.validate.report import CODES, LAYERS, Finding, Report, WireError, read_error
from workbench.staffing.validate.roster import Lookup, Roster, Wanted, Worker
from workbench.staffing.validate.verdict import VERSION, Verdict

__all__ = [
    "CODES",
    "KINDS",
    "LAYERS",
    "VERSION",
    "Clients",
    "Desk",
    "Finding",
    "LakeDesk",
    "Lookup",
    "Records",
    "Report",
    "Roster",
    "Verdict",
    "Wanted",
    "WireError",
    "Worker",
    "judge",
    "read_error",
]
