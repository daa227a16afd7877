"""Several real processes at one desk: of the same outcome exactly one is written; a kill -9 leaves no half of any."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk_lake import TODAY, load

from workbench.session import Workbench, connect

CREW = 3

# Each line of stdin is the lake to sit down at, or a list of calls; each answer is a line of JSON.
CLERK = """
import json, sys
from workbench import WorkbenchError
from workbench.session import connect
wb = None
for line in sys.stdin:
    asked = json.loads(line)
    if isinstance(asked, str):
        if wb:
            wb.close()
        wb = connect(asked, user=sys.argv[1])
        wb.desk.proposal("JO-1", "W-1")
        print("ready", flush=True)
        continue
    for verb, args in asked:
        try:
            done = getattr(wb, verb)(*args).to_dict()
            said = {"ok": done.get("outcome", done)}
        except WorkbenchError as error:
            said = {"error": error.code, "details": error.details}
        print(json.dumps(said), flush=True)
"""


class Clerk:
    """A process of its own, at the desk of one lake after the other."""

    def __init__(self, name: str) -> None:
        words = [sys.executable, "-c", CLERK, name]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.name = name

    def sit_down(self, lake: str) -> None:
        self._say(lake)

    def ready(self) -> None:
        """It sits; what a test that failed never read is passed over."""
        assert "ready\n" in iter(self.process.stdout.readline, "")

    def ask(self, *calls: tuple[str, list[object]]) -> None:
        self._say(calls)

    def _say(self, line: object) -> None:
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, object]:
        return json.loads(self.process.stdout.readline())


@pytest.fixture(scope="module")
def agency(tmp_path_factory) -> Path:
    """A loaded lake, for copies."""
    folder = tmp_path_factory.mktemp("agency")
    load(folder).close()
    return folder / "lake"


@pytest.fixture
def wb(agency, tmp_path) -> Iterator[Workbench]:
    shutil.copytree(agency, tmp_path / "lake")
    with connect(tmp_path / "lake", folder=tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def clerks() -> Iterator[list[Clerk]]:
    """The processes, started once: a start costs more than all that a test asks of them."""
    clerks = [Clerk(f"clerk{n}") for n in range(CREW)]
    yield clerks
    for clerk in clerks:
        clerk.process.kill()
        clerk.process.communicate()


@pytest.fixture
def crew(wb, clerks) -> list[Clerk]:
    """They all sit at the lake of this test, which none of them has seen before."""
    for clerk in clerks:
        clerk.sit_down(wb.settings.lake)
    for clerk in clerks:
        clerk.ready()
    return clerks


def whole(lake: str) -> list[dict[str, object]]:
    """Every row, read by a process that has seen nothing before; the steps of each chain are 1, 2, 3 …"""
    with connect(lake) as fresh:
        rows = fresh.sql("SELECT * FROM outcomes ORDER BY recorded_at").table.to_pylist()
        assert [one.outcome_id for one in fresh.outcomes()] == [row["outcome_id"] for row in rows]
    chains = Counter((row["order_id"], row["worker"]) for row in rows)
    for key, count in chains.items():
        steps = sorted(row["step"] for row in rows if (row["order_id"], row["worker"]) == key)
        assert steps == list(range(1, count + 1))
    assert len({row["outcome_id"] for row in rows}) == len(rows)
    return rows


def test_of_the_same_outcome_recorded_at_once_exactly_one_wins(wb, crew):
    calls = [("record_outcome", ["JO-1", worker, "offered"]) for worker in ("W-1", "W-2", "W-3", "W-7")]
    for clerk in crew:
        clerk.ask(*calls)
    for _, (_, worker, _) in calls:
        answers = [clerk.answer() for clerk in crew]
        [won] = [one["ok"] for one in answers if "ok" in one]
        lost = [one for one in answers if "error" in one]
        assert [one["error"] for one in lost] == ["conflict"] * (CREW - 1)
        assert won["worker"] == worker
        assert {one["details"]["last"]["outcome_id"] for one in lost} == {won["outcome_id"]}
    assert len(whole(wb.settings.lake)) == len(calls)


def test_of_two_who_fill_the_last_place_at_once_one_wins(wb, crew):
    for clerk, worker in zip(crew, ("W-1", "W-2", "W-1"), strict=True):
        clerk.ask(("record_outcome", ["JO-2", worker, "placed"]))
    answers = [clerk.answer() for clerk in crew]
    assert Counter(one.get("error", "placed") for one in answers) == {"placed": 1, "conflict": CREW - 1}
    assert [row["outcome"] for row in whole(wb.settings.lake)] == ["placed"]


def test_what_different_people_record_at_once_is_all_kept(wb, crew):
    steps = ("no_answer", "declined", "accepted", "declined", "accepted")
    for clerk, worker in zip(crew, ("W-1", "W-2", "W-3"), strict=True):
        clerk.ask(*(("record_outcome", ["JO-1", worker, one]) for one in steps))
    for clerk in crew:
        assert [clerk.answer()["ok"]["step"] for _ in steps] == [1, 2, 3, 4, 5]
    rows = whole(wb.settings.lake)
    assert Counter(row["recorded_by"] for row in rows) == {clerk.name: len(steps) for clerk in crew}


def test_a_shortlist_that_all_change_at_once_has_everybody_once(wb, crew):
    for clerk in crew:
        clerk.ask(("shortlist", ["JO-1", ["W-1", "W-2"]]), ("shortlist", ["JO-1", ["W-3", "W-2", "W-7"]]))
    answers = [clerk.answer()["ok"] for clerk in crew for _ in range(2)]
    assert sorted(worker for one in answers for worker in one["changed"]) == ["W-1", "W-2", "W-3", "W-7"]
    assert sorted(wb.shortlist("JO-1").workers) == ["W-1", "W-2", "W-3", "W-7"]


@pytest.mark.drill
def test_a_kill_in_the_middle_leaves_whole_outcomes(wb, tmp_path):
    lake, acknowledged, sent = wb.settings.lake, [], 40
    for turn in range(3):
        clerk = Clerk(f"turn{turn}")
        clerk.sit_down(lake)
        clerk.ready()
        clerk.ask(*(("record_outcome", [order_of(turn, n), "W-1", "no_answer"]) for n in range(sent)))
        for _ in range(3 + 2 * turn):
            acknowledged.append(clerk.answer()["ok"]["outcome_id"])
        clerk.process.kill()  # while it writes the next one
        rest, _ = clerk.process.communicate()
        acknowledged += [json.loads(line)["ok"]["outcome_id"] for line in rest.splitlines() if line.endswith("}}")]
        rows = whole(lake)
        there = {row["outcome_id"] for row in rows}
        assert set(acknowledged) <= there
        # Of each death at most one was written and not told.
        assert len(there) - len(set(acknowledged)) <= turn + 1
        assert len(rows) < sent * (turn + 1)
    with connect(lake) as fresh:
        assert fresh.record_outcome("JO-1", "W-1", "offered", at=f"{TODAY}T00:00").outcome.step == 1
    assert list(Path(lake, "_staging").glob("*")) == []


def order_of(turn: int, n: int) -> dict[str, str]:
    return {"order_id": f"PO {turn}/{n}", "role": "Forklift Operator", "city": "Joliet", "client_id": "CL-2"}
