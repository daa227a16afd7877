"""A small agency for the tests of the desk: a roster, its records and three orders, as CSV."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import workbench
from workbench.session import Workbench

TODAY = dt.datetime.now().astimezone().date()
START = TODAY + dt.timedelta(days=3)
AGO = {days: (TODAY - dt.timedelta(days=days)).isoformat() for days in (10, 60, 200)}
TABLES = {
    "workers": """worker_id,name,role,city,state,availability
1,Ana Diaz,Forklift Operator,Joliet,IL,0.9
2,Ben Ortiz,Forklift Operator,Joliet,IL,0.5
3,Cy Young,Forklift Operator,Joliet,IL,0.7
4,Di Marsh,Forklift Operator,Joliet,IL,0.0
5,Ed Stone,Forklift Operator,Joliet,IL,0.8
6,Fay Wolf,Forklift Operator,Gary,IN,0.8
7,Gus Hale,Forklift Operator,Joliet,IL,0.6
""",
    "credentials": "worker_id,credential,issued,expires\n"
    + "".join(f"{n},Forklift Certification,2020-01-01,{TODAY.year + 3}-01-01\n" for n in range(1, 8)),
    "clients": "client_id,name,status\nCL-1,Acme,active\nCL-2,Bolt,active\n",
    "do_not_return": f"client_id,worker_id,since,reason\nCL-1,5,{AGO[60]},no-call no-show\n",
    "submissions": f"client_id,worker_id,at,outcome\nCL-2,7,{AGO[10]} 10:00:00,pending\n",
    "assignments": f"worker_id,client_id,shift,start,end\n3,CL-9,2nd,{AGO[200]},{AGO[60]}\n",
    "job_orders": "order_id,client_id,role,city,state,count,shift,start_date,must,must_not,status\n"
    f"JO-1,CL-1,Forklift Operator,Joliet,IL,2,1st,{START},,,open\n"
    f"JO-2,CL-1,Forklift Operator,Joliet,IL,1,1st,{START},,W-3,open\n"
    f"JO-3,CL-2,Forklift Operator,Joliet,IL,1,1st,{START},,,cancelled\n",
}


def load(folder: Path, **other: str) -> Workbench:
    """A lake below ``folder`` with these tables, or ``other`` texts in place of some; '' leaves one out."""
    wb = workbench.connect(folder / "lake", folder=folder)
    for name, text in (TABLES | other).items():
        if text:
            (folder / f"{name}.csv").write_text(text)
            wb.ingest(folder / f"{name}.csv", name)
    return wb


def again(wb: Workbench, folder: Path, name: str, text: str) -> None:
    """Another version of one of the tables."""
    (folder / f"{name}.csv").write_text(text)
    wb.ingest(folder / f"{name}.csv", name, mode="replace")


def codes(report: Any) -> list[str]:
    """What a report refuses for."""
    return [found["code"] for found in report["findings"] if found["severity"] == "error"]
