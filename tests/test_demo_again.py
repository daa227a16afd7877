"""``lh demo`` in a lake that was worked in: what was written down there is its own; somebody's data is not."""

from __future__ import annotations

from pathlib import Path

import pytest

import workbench
from workbench.errors import InvalidError
from workbench.lake.logs import access
from workbench.llm import ledger, sessions
from workbench.search import journal
from workbench.session import Workbench
from workbench.staffing import outcomes, write_csvs
from workbench.staffing.demo import OWN, check_own, load_demo
from workbench.staffing.desk import saved_searches, shortlists

TAGGED = "worker_id,name\n1,Ana Diaz\n"


def test_the_names_of_the_workbench_s_own_datasets_are_all_known():
    logs = {access.DATASET, ledger.DATASET, sessions.DATASET, journal.DATASET}
    assert logs | {one.FORM.dataset for one in (outcomes, shortlists, saved_searches)} == OWN


def demo(wb: Workbench, folder: Path) -> list[str]:
    """What ``lh demo`` does before it searches; how each dataset was loaded."""
    check_own(wb.lake)
    return [done.outcome for done in load_demo(wb.lake, folder, only={"workers", "job_orders"})]


def test_the_demo_runs_again_after_a_day_of_work(tmp_path: Path):
    write_csvs(tmp_path / "csv", workers=400)
    with workbench.connect(tmp_path / "lake", folder=tmp_path, environ={"HOME": str(tmp_path)}) as wb:
        assert demo(wb, tmp_path / "csv") == ["created"] * 2
        wb.search("forklift operator", k=1)
        wb.sql("SELECT name FROM workers LIMIT 1", show_pii=True)
        wb.llm.chat("hi", model="scripted/honest")
        wb.shortlist(wb.sql("SELECT order_id FROM job_orders LIMIT 1").table["order_id"][0].as_py(), ["W-1"])
        wb.save_search("mine", "forklift operator")
        assert wb.journal is not None
        assert all([wb.logs.calls.flush(), wb.logs.access.flush(), wb.journal.flush()])
        there = {manifest.name for manifest in wb.datasets()}
        assert {"searches", "pii_access", "llm_calls", "shortlists", "saved_searches"} <= there
        assert demo(wb, tmp_path / "csv") == ["unchanged"] * 2


def test_a_log_of_other_people_is_not_the_demo_s(tmp_path: Path):
    (tmp_path / "searches.csv").write_text(TAGGED)
    with workbench.connect(tmp_path / "lake", folder=tmp_path) as wb:
        wb.ingest(tmp_path / "searches.csv")
        with pytest.raises(InvalidError, match="searches"):
            check_own(wb.lake)
