"""The search log in a session: noted after the answer, never in its way, in the lake only when nobody waits for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import workbench
from workbench.cli.entry import main
from workbench.errors import InvalidError
from workbench.session import Workbench

ROSTER = "worker_id,name,role,city,resume_text\n" + "".join(
    f"{i},Ann Lee {i},Welder,Gary,Welds {'pipes' if i % 2 else 'frames'}.\n" for i in range(1, 7)
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "workers.csv").write_text(ROSTER)
    with connect(tmp_path) as wb:
        wb.ingest(tmp_path / "workers.csv")
    return tmp_path


def connect(place: Path, **more: str) -> Workbench:
    return workbench.connect(place / "lake", **more)


def spooled(home: Path) -> list[dict]:
    """What waits on this machine, without the first line of each file."""
    files = sorted((home / "state").glob("lakehouse/*/searches/*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()[1:]]


def logged(wb: Workbench) -> list[dict]:
    return wb.sql("SELECT * FROM searches ORDER BY happened_at").table.to_pylist()


def test_a_search_waits_on_this_machine_and_adds_no_dataset(place, home):
    with connect(place) as wb:
        found = wb.search("weld pipes", k=3, city="Gary", where="worker_id > 1")
        assert [m.name for m in wb.datasets()] == ["workers"]
    with connect(place) as wb:
        assert [m.name for m in wb.datasets()] == ["workers"]
    (row,) = spooled(home)
    assert (row["search_id"], row["event"], row["query"]) == (found.search_id, "search", "weld pipes")
    assert (row["dataset"], row["snapshot"], row["filters"]) == ("workers", found.version, "worker_id > 1")
    assert row["shown"] == [str(hit.id) for hit in found.hits]
    assert json.loads(row["criteria"]) == {"k": 3, "city": "Gary"}


def test_what_short_sessions_left_goes_into_the_lake_as_one_version(place, home):
    ids = []
    for _ in range(3):
        with connect(place) as wb:
            found = wb.search("weld")
            wb.chosen(found.search_id, [found.hits[0].id])
            ids.append(found.search_id)
    with connect(place) as wb:
        assert wb.journal.flush()
        rows = logged(wb)
        assert wb.lake.get("searches").version == 1
    assert sorted(row["search_id"] for row in rows if row["event"] == "search") == sorted(ids)
    assert sorted(row["search_id"] for row in rows if row["event"] == "choice") == sorted(ids)
    assert spooled(home) == []


def test_who_died_while_taking_over_leaves_nothing_twice(place, home):
    with connect(place) as wb:
        wb.search("weld")
    (file,) = (home / "state").glob("lakehouse/*/searches/*.jsonl")
    file.with_name("0123456789abcdef-0.jsonl").write_bytes(file.read_bytes())
    with connect(place) as wb:
        assert wb.journal.flush()
        assert len(logged(wb)) == 1


def test_the_log_can_be_turned_off(place, home):
    with connect(place, search_log="false") as wb:
        found = wb.search("weld")
        wb.chosen(found.search_id, [1])
        assert (wb.journal, found.search_id) == (None, "")
    assert spooled(home) == []


def test_a_search_that_fails_is_not_noted(place, home):
    with connect(place) as wb, pytest.raises(InvalidError):
        wb.search("   ")
    assert spooled(home) == []


def test_a_machine_without_a_place_for_the_log_still_searches(place, monkeypatch):
    (place / "state").write_text("a file, not a folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    with connect(place) as wb:
        assert wb.search("weld").hits


def test_an_order_is_noted_with_its_position_and_without_names(place, home):
    with connect(place) as wb:
        (answer,) = wb.order("2 welders in Gary, IN, not Ann Lee 3 and not W-2, call 219-555-0100")
    (row,) = spooled(home)
    assert row["search_id"] == answer.results.search_id
    assert row["position"] == "Welder, Gary, IN"
    assert "Ann" not in json.dumps(row)
    # When it was and how it is called are digits of chance.
    assert "555" not in json.dumps(
        {name: told for name, told in row.items() if name not in {"search_id", "happened_at"}}
    )


def test_a_search_without_its_id_is_the_same_answer(place):
    with connect(place) as wb:
        found, again = wb.search("weld"), wb.search("weld")
    assert found.search_id != again.search_id
    assert replace(found, search_id="").hits == replace(again, search_id="").hits
    assert found.to_dict()["search_id"] == found.search_id


@pytest.fixture
def lh(place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple]:
    """Run a command line on the lake in this process; its exit code, stdout and stderr."""
    monkeypatch.setenv("LH_LAKE", str(place / "lake"))
    monkeypatch.setenv("COLUMNS", "160")

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_history_shows_the_last_searches_first_with_who_was_chosen(lh, place):
    with connect(place) as wb:
        first = wb.search("weld pipes", k=2)
        wb.chosen(first.search_id, [first.hits[1].id])
        wb.search("weld frames", k=2)
    code, out, _ = lh("history", "--json")
    rows = json.loads(out)
    assert code == 0
    assert [row["query"] for row in rows] == ["weld frames", "weld pipes"]
    assert [row["chosen"] for row in rows] == [None, [str(first.hits[1].id)]]
    code, out, _ = lh("history", "-k", "1")
    assert "weld frames" in out
    assert "weld pipes" not in out


def test_history_of_a_lake_in_which_nobody_searched_says_so(lh):
    code, out, err = lh("history")
    assert (code, out) == (0, "")
    assert "No search has been noted" in err


def test_history_says_what_the_lake_does_not_take(lh, place):
    with connect(place) as wb:
        wb.search("weld")
    staging = place / "lake" / "_staging"
    if staging.is_dir():
        staging.rmdir()
    staging.write_bytes(b"in the way")
    code, out, err = lh("history")
    assert (code, out) == (0, "")
    assert "could not be written into the lake; they wait on this machine" in err
