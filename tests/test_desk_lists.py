"""Shortlists and saved searches, in Python and on the command line, and the outcomes of the command line."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desk_lake import AGO, START, load

from workbench.cli.entry import main
from workbench.errors import ConflictError, InvalidError, NotFoundError
from workbench.session import Workbench, connect
from workbench.staffing.desk.saved_searches import _FITS, OPTIONS


@pytest.fixture(scope="module")
def agency(tmp_path_factory) -> Path:
    """A loaded lake, for copies."""
    folder = tmp_path_factory.mktemp("agency")
    load(folder).close()
    return folder / "lake"


@pytest.fixture
def wb(agency, tmp_path) -> Iterator[Workbench]:
    shutil.copytree(agency, tmp_path / "lake")
    with connect(tmp_path / "lake", folder=tmp_path, user="ann") as opened:
        yield opened


@pytest.fixture
def lh(wb, monkeypatch, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run a command line on the same lake, in this process; its exit code, stdout and stderr."""
    monkeypatch.setenv("LH_LAKE", wb.settings.lake)
    monkeypatch.setenv("COLUMNS", "160")

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_a_shortlist_keeps_who_was_put_on_it_in_that_order(wb):
    made = wb.shortlist("JO-1", ["W-3", "w-1", 2], note="ask 815-555-0134 first", by="bob")
    assert (made.workers, made.changed, made.unchanged) == (("W-3", "W-1", "W-2"), ("W-3", "W-1", "W-2"), ())
    again = wb.shortlist("JO-1", "W-1")
    assert (again.workers, again.changed, again.unchanged) == (("W-3", "W-1", "W-2"), (), ("W-1",))
    assert wb.lake.get("shortlists").version == 1
    left = wb.shortlist("JO-1", ["W-1", "W-7"], remove=True)
    assert (left.workers, left.changed, left.unchanged) == (("W-3", "W-2"), ("W-1",), ("W-7",))
    assert wb.shortlist("jo-1").entries == left.entries
    assert (left.entries[0].added_by, left.entries[0].worker_id) == ("bob", 3)
    assert "0134" not in left.entries[0].note
    assert [row["event"] for row in wb.sql("SELECT event FROM shortlists ORDER BY step").table.to_pylist()] == [
        "added", "added", "added", "removed",
    ]  # fmt: skip
    assert wb.shortlist("JO-1", "W-1").workers == ("W-3", "W-2", "W-1")
    wb.shortlist("JO-2", ["W-7"])
    assert [one.order_id for one in wb.desk.shortlists.all()] == ["JO-1", "JO-2"]


def test_nobody_who_is_not_there_gets_on_a_shortlist(wb):
    with pytest.raises(NotFoundError, match="W-99812") as told:
        wb.shortlist("JO-1", ["W-1", "W-99812"])
    assert "W-99812: nearest W-" in told.value.hint
    with pytest.raises(NotFoundError, match="No order"):
        wb.shortlist("JO-77", ["W-1"])
    with pytest.raises(NotFoundError, match="No order"):
        wb.shortlist("JO-77")
    assert wb.shortlist("JO-1").entries == ()
    assert wb.catalog.find("shortlists") is None


def test_who_was_put_on_a_shortlist_is_chosen_in_the_log_of_that_search(wb):
    found = wb.search("forklift operator", k=5)
    wb.shortlist("JO-1", ["W-1", "W-2"], search_id=found.search_id)
    assert wb.shortlist("JO-1").entries[0].search_id == found.search_id
    assert wb.journal.flush()
    rows = wb.sql("SELECT search_id, chosen FROM searches WHERE event = 'choice'").table.to_pylist()
    assert rows == [{"search_id": found.search_id, "chosen": ["1", "2"]}]


CRITERIA = {
    "where": "availability > 0.5", "k": 4, "role": "Forklift Operator", "city": "Joliet, IL", "exclude": ["W-3", 7],
    "conditions": (("early ids", "worker_id < 6"),), "mode": "hybrid", "columns": ["worker_id", "city"],
    "dataset": "workers",
}  # fmt: skip


def test_a_saved_search_finds_the_same_again_in_another_process_s_hands(wb):
    found = wb.search("forklift operators, not nights", **CRITERIA)
    made = wb.save_search("Joliet forklifts", "forklift operators, not nights", **CRITERIA)
    assert (made.revision, made.saved_by) == (1, "ann")
    with connect(wb.settings.lake) as other:
        again = other.desk.run_saved("joliet  forklifts".replace("  ", " "))
        assert [(hit.id, hit.score) for hit in again.hits] == [(hit.id, hit.score) for hit in found.hits]
        assert again.hits
        assert again.table == found.table
        assert [(step.name, step.rows) for step in again.funnel] == [(step.name, step.rows) for step in found.funnel]
        assert len(other.desk.run_saved("Joliet forklifts", k=1).hits) == 1


def test_every_option_of_a_search_can_be_saved():
    assert set(_FITS) == set(OPTIONS) == set(CRITERIA)


def test_one_name_is_one_search_until_it_is_replaced_or_dropped(wb):
    wb.save_search("Welders", "welder", k=5)
    with pytest.raises(ConflictError, match="'Welders' already: 'welder'"):
        wb.save_search("WELDERS", "tig welder")
    assert wb.save_search("welders", "tig welder", replace=True).revision == 2
    assert [(one.name, one.query, dict(one.options)) for one in wb.desk.searches.all()] == [
        ("welders", "tig welder", {})
    ]
    assert wb.desk.searches.drop("Welders").query == "tig welder"
    assert wb.desk.searches.all() == ()
    with pytest.raises(NotFoundError):
        wb.desk.searches.drop("Welders")
    assert wb.save_search("Welders", "welder").revision == 4
    wb.save_search("Nurses", "registered nurse")
    with pytest.raises(NotFoundError, match="Nurse'") as told:
        wb.desk.run_saved("Nurse")
    assert "Nurses" in told.value.hint


@pytest.mark.parametrize(
    ("name", "query", "options", "error"),
    [
        ("", "welder", {}, InvalidError), ("x" * 81, "welder", {}, InvalidError), ("w", " ", {}, InvalidError),
        ("w", "welder", {"cty": "Gary"}, NotFoundError), ("w", "welder", {"k": 0}, InvalidError),
        ("w", "welder", {"mode": "magic"}, InvalidError), ("w", "welder", {"show_pii": True}, NotFoundError),
        ("w", "welder", {"dataset": "wrokers"}, NotFoundError), ("w", "welder", {"conditions": ["x"]}, InvalidError),
        ("w", "welder", {"where": "1); DROP TABLE workers"}, InvalidError),
        ("w", "welder", {"exclude": "W-1"}, InvalidError),
    ],
)  # fmt: skip
def test_what_could_not_be_run_is_not_saved(wb, name, query, options, error):
    with pytest.raises(error):
        wb.save_search(name, query, **options)
    assert wb.catalog.find("saved_searches") is None


def test_the_command_line_of_shortlists(lh):
    code, out, _ = lh("shortlist", "JO-1", "W-1", "W-2", "--note", "reliable", "--by", "bob")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [["1", "W-1"], ["2", "W-2"]]
    assert "on it already: W-1" in lh("shortlist", "JO-1", "W-1")[2]
    assert json.loads(lh("shortlist", "JO-1", "W-1", "--remove", "--json")[1])["changed"] == ["W-1"]
    assert "W-2" in lh("shortlist", "JO-1")[1]
    assert lh("shortlist", "JO-2")[1] == "Nobody is on the shortlist of JO-2.\n"
    code, _, err = lh("shortlist", "JO-1", "W-99812")
    assert (code, "nearest" in err) == (1, True)


def test_the_command_line_of_outcomes(lh, wb, tmp_path):
    assert lh("outcome", "JO-1")[2].endswith("Nothing is recorded of that.\n")
    code, out, _ = lh("outcome", "JO-1", "W-1", "offered", "--at", f"{AGO[10]}T08:30", "--by", "bob")
    assert (code, out.startswith("W-1 offered JO-1 ("), "by bob" in out) == (0, True, True)
    code, _, err = lh("outcome", "JO-1", "W-1", "offered")
    assert (code, "recorded already: W-1 offered JO-1" in err) == (1, True)
    code, _, err = lh("outcome", "JO-1", "W-4", "offered")
    assert (code, "Consistency inactive" in err) == (1, True)
    code, out, _ = lh("outcome", "JO-1", "W-4", "offered", "--dry-run")
    assert (code, "fill: refused" in out) == (1, True)
    report = json.loads(lh("outcome", "JO-1", "W-2", "offered", "--dry-run", "--json")[1])
    assert len(wb.outcomes()) == 1
    said = lh("outcome", "JO-1", "W-2", "offered", "--verdict", report["verdict"]["artifact_sha256"], "--json")[1]
    assert json.loads(said)["outcome"]["verdict"] == report["verdict"]["artifact_sha256"]
    code, out, _ = lh("outcome", "JO-1", "W-2", "accepted", "--verdict", "0" * 64, "--json")
    assert (code, json.loads(out)["error"]["code"]) == (1, "rejected")
    (tmp_path / "order.json").write_text(json.dumps(wb.desk.orders.of("JO-3").context))
    last = (START + dt.timedelta(days=30)).isoformat()
    words = ("PO 7", "W-3", "placed", "--end", last, "--context", str(tmp_path / "order.json"), "--json")
    made = json.loads(lh("outcome", *words)[1])
    assert made["outcome"]["end"] == last
    assert [row["worker"] for row in json.loads(lh("outcome", "--json")[1])] == ["W-1", "W-2", "W-3"]
    assert "is cancelled in job_orders@1" in lh("outcome", "JO-3", "W-2", "offered")[2]
    assert len(lh("outcome", "JO-1", "W-1")[1].splitlines()) == 2


def test_the_command_line_of_saved_searches(lh):
    assert "No search is saved yet" in lh("saved")[2]
    assert lh("saved", "add", "Joliet", "forklift operator", "--city", "Joliet", "-k", "2")[1] == "saved: Joliet\n"
    code, out, _ = lh("saved", "run", "joliet")
    assert (code, len(out.splitlines())) == (0, 3)
    assert "city=Joliet" in lh("saved")[1]
    assert len(json.loads(lh("saved", "run", "Joliet", "-k", "1", "--json")[1])["hits"]) == 1
    assert lh("saved", "add", "Joliet", "picker")[0] == 1
    assert json.loads(lh("saved", "add", "Joliet", "picker", "--replace", "--json")[1])["revision"] == 2
    assert lh("saved", "drop", "Joliet")[1] == "dropped: Joliet\n"
    assert json.loads(lh("saved", "list", "--json")[1]) == []
    assert "One of: list, run, add, drop" in lh("saved", "burn")[2]
    assert "needs a name" in lh("saved", "run")[2]


def test_the_command_line_masks_what_a_saved_search_says_also_in_json(lh):
    phone, mail = "815-555-0101", "ana@agency.com"
    said = lh("saved", "add", "Her", f"whose phone is {phone}", "--where", f"name <> '{mail}'", "--json")[1]
    said += lh("saved")[1] + lh("saved", "list", "--json")[1] + lh("saved", "drop", "Her", "--json")[1]
    assert "Her" in said
    assert not [one for one in (phone, mail) if one in said]
