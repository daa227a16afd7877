"""Search over a generated lake: what is found, what is said of it, and each change of the lake is seen at once."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import workbench
from workbench.errors import InvalidError, NotFoundError
from workbench.session import Workbench

ROOT = Path(__file__).parent.parent
SCORES = ("reliability", "responsiveness", "engagement", "compliance", "availability")
HEADER = (
    "worker_id",
    "name",
    "role",
    "email",
    "phone",
    "city",
    "state",
    "zip",
    "skills",
    "certifications",
    "archetype",
)
HEADER += (*SCORES, "communications", "resume_text")
MAKER = "Glockenspiel Maker"
"""A role that nobody has in the generated lake."""


def workers(folder: Path, *rows: dict[str, Any]) -> Path:
    """A CSV of workers as the generator writes them; what is not given is as it is for a worker in Gary."""
    usual = dict.fromkeys(SCORES, 0.5) | {
        "name": "Mona Quill",
        "role": MAKER,
        "email": "mona@example.com",
        "phone": "(312) 555-0134",
        "city": "Gary",
        "state": "IN",
        "zip": "46402",
        "skills": "glockenspiel tuning",
        "certifications": "",
        "archetype": "steady",
        "communications": "",
        "resume_text": "Tunes glockenspiels by ear.",
    }
    path = folder / f"workers-{'-'.join(str(row['worker_id']) for row in rows)}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, HEADER)
        writer.writeheader()
        writer.writerows(usual | row for row in rows)
    return path


def ids(found: Any) -> list[int | str]:
    return [hit.id for hit in found.hits]


def roles(found: Any) -> Counter[str]:
    return Counter(row["role"] for row in found.table.to_pylist())


def told(found: Any, *without: str) -> dict[str, Any]:
    """All that an answer says, without what differs from one search to the next."""
    return {name: value for name, value in found.to_dict().items() if name not in {"elapsed_s", "search_id", *without}}


@pytest.mark.parametrize("query", ["tow motor", "hi-lo driver", "reach truck", "forklift operator, nights"])
def test_the_words_of_the_trade_find_it(staffed, query):
    found = staffed.search(query)
    assert roles(found)["Forklift Operator"] >= 8
    assert not found.nothing_close


def test_the_trade_is_said_in_the_why_with_its_code(staffed):
    found = staffed.search("tow motor")
    of_trade = [hit for hit in found.hits if hit.trade]
    assert len(of_trade) >= 8
    for hit in of_trade:
        assert hit.trade == "tow motor = Industrial Truck and Tractor Operators (O*NET 53-7051)"
        assert hit.trade in hit.why


def test_a_score_is_the_sum_of_its_parts_and_falls(staffed):
    for query in ("tow motor", "nurse with ACLS", "Joliet", "somebody who bends conduit"):
        hits = staffed.search(query, k=50).hits
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        for hit in hits:
            assert 0 <= hit.score <= 1
            assert (hit.parts[0].share + hit.parts[1].share) + hit.parts[2].share == hit.score
            assert sum(part.weight for part in hit.parts) == pytest.approx(1)


@pytest.mark.parametrize("mode", ["vector", "text", "hybrid"])
def test_every_mode_answers_in_full(staffed, mode):
    found = staffed.search("welder", mode=mode)
    assert len(found.hits) == 10
    assert roles(found)["Welder"] == 10
    alone = {"vector": "meaning", "text": "words"}.get(mode)
    assert not alone or {part.name for hit in found.hits for part in hit.parts if part.weight} == {alone}


@pytest.mark.parametrize("query", ["capital of Mongolia", "photosynthesis in algae", "quantum chromodynamics"])
def test_a_query_from_another_world_is_said_to_be_far(staffed, query):
    assert staffed.search(query).nothing_close
    assert staffed.search(query).to_dict()["nothing_close"] is True


def test_negation_phrases_and_musts_hold_for_every_hit(staffed):
    texts = {
        row["worker_id"]: f"{row['role']} {row['city']} {row['resume_text']} {row['skills']} {row['certifications']}"
        for row in staffed.sql("SELECT * FROM workers", show_pii=True).table.to_pylist()
    }
    first = ids(staffed.search("forklift operator"))[0]
    assert first not in ids(staffed.search(f"forklift operator, not W-{first}"))
    assert not any("Chicago" in texts[i] for i in ids(staffed.search("forklift operator -Chicago", k=200)))
    assert all("reach truck" in texts[i].casefold() for i in ids(staffed.search('forklift "reach truck"', k=50)))
    assert all("OSHA-30" in texts[i] for i in ids(staffed.search("forklift +OSHA-30", k=50)))


def test_more_than_there_are_gives_all_there_are(staffed):
    found = staffed.search("welder", where="worker_id <= 7", k=1000)
    assert sorted(ids(found)) == [1, 2, 3, 4, 5, 6, 7]
    assert (found.matching, found.table.num_rows) == (7, 7)
    nobody = staffed.search("welder", where="false")
    assert (nobody.hits, nobody.matching, nobody.nothing_close) == ((), 0, True)
    assert nobody.to_dict()["hits"] == []


@pytest.mark.parametrize("query", ["", "  \n", "???", '"', '""', "-nights", "+", "-W-12", "city:Gary", "🙂", "+-+-"])
def test_a_query_without_a_word_is_refused_and_says_what_to_do(staffed, query):
    with pytest.raises(InvalidError) as refused:
        staffed.search(query)
    assert refused.value.hint


@pytest.mark.parametrize(
    "query",
    [
        "welder " * 1400,
        "welder 🙂 \x00 \u202e",
        "'; DROP TABLE workers; --",
        "SELECT * FROM workers WHERE 1=1",
        'welder "',
        "a",
        "welder role:",
        "((([[[welder",
        "welder AND OR NOT *:* ^2 ~ /x/",
        "9" * 500 + " welder",
    ],
)
def test_anything_else_that_is_typed_is_a_query(staffed, query):
    assert len(staffed.search(query).hits) == 10
    assert staffed.sql("SELECT count(*) FROM workers").table.column(0).to_pylist() == [2000]


def test_what_was_not_understood_is_shown(staffed):
    found = staffed.search('welder rolle:cook "', k=3)
    assert found.to_dict()["not_understood"] == ["rolle:cook", '"']
    assert len(found.hits) == 3


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"k": 0}, InvalidError),
        ({"k": 1001}, InvalidError),
        ({"mode": "magic"}, InvalidError),
        ({"columns": ["nope"]}, NotFoundError),
        ({"dataset": "nope"}, NotFoundError),
        ({"dataset": "workers@99"}, NotFoundError),
    ],
)
def test_options_that_mean_nothing_are_refused(staffed, options, error):
    with pytest.raises(error):
        staffed.search("welder", **options)


def test_the_same_question_gets_the_same_answer(staffed):
    for query in ("tow motor", "welder near:Joliet,30mi -nights"):
        assert told(staffed.search(query, k=30)) == told(staffed.search(query, k=30))


def test_columns_are_shown_as_asked_and_in_the_order_of_the_hits(staffed):
    found = staffed.search("welder", columns=["zip", "role"])
    assert found.table.column_names == ["worker_id", "zip", "role"]
    assert found.table.column("worker_id").to_pylist() == ids(found)


def test_personal_data_is_masked_everywhere_unless_asked(copied, tmp_path):
    secret = "Glockenspiels. Call 312-555-0199 or mona.q@example.org, SSN 078-05-1120."
    copied.ingest(workers(tmp_path, {"worker_id": 9001, "resume_text": secret}), "workers")
    leaks = ("555-0199", "555-0134", "mona.q", "mona@", "078-05", "Quill")
    asked = {"columns": ["name", "phone", "email", "resume_text"], "k": 1}
    masked = copied.search("glockenspiel SSN 078", **asked)
    said = json.dumps(masked.to_dict()) + masked.hits[0].why + masked.hits[0].snippet + str(masked.table.to_pylist())
    said += json.dumps(copied.why_not(9001, "glockenspiel").to_dict())
    said += json.dumps(copied.why_not(9001, "welder", where="city = 'Joliet'").to_dict())
    assert ids(masked) == [9001]
    assert not [leak for leak in leaks if leak in said]

    shown = copied.search("glockenspiel", show_pii=True, **asked)
    said = json.dumps(shown.to_dict()) + json.dumps(copied.why_not(9001, "glockenspiel", show_pii=True).to_dict())
    assert not [leak for leak in leaks if leak not in said]
    assert "555-0199" in shown.hits[0].snippet


# --- why not ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "options", "gate", "change", "then"),
    [
        ("welder city:Joliet", {}, "in Joliet", "leave out city:Joliet", ("welder", {})),
        ("welder near:Joliet", {}, "within 25 mi of Joliet", "leave out near:Joliet", ("welder", {})),
        ("days role:packer", {}, "role packer", "leave out role:packer", ("days", {})),
        (
            "days role:packer role:nurse",
            {},
            "role packer or nurse",
            "leave out role:packer role:nurse",
            ("days", {}),
        ),
        (
            "welder -Gary -Flint",
            {"city": "Gary"},
            'not "Gary"',
            'leave out -"Gary"',
            ("welder -Flint", {"city": "Gary"}),
        ),
        ("welder +Gary +MIG", {}, '"MIG"', 'leave out the + of "MIG"', ("welder +Gary MIG", {})),
        (
            'packer "reach truck"',
            {},
            '"reach truck"',
            'leave out the quotes of "reach truck"',
            ("packer reach truck", {}),
        ),
        (
            "forklift",
            {"where": "city = 'Joliet' AND role = 'Welder' AND worker_id > 0"},
            "city = 'Joliet' AND role = 'Welder' AND worker_id > 0",
            "leave out \"role\" = 'Welder'",
            ("forklift", {"where": "city = 'Joliet' AND worker_id > 0"}),
        ),
        ("picker, no nights", {}, "not nights", 'leave out -"nights"', ("picker", {})),
        (
            "picker -W-12 -W-13",
            {"exclude": [14], "where": "worker_id IN (1, 2, 3, 12, 13)"},
            "not W-12, W-13, 14",
            'leave out -"W-{}"',
            ("picker", {"where": "worker_id IN (1, 2, 3, 12, 13)"}),
        ),
        (
            "welder",
            {"conditions": [("not busy", "worker_id < 40")]},
            "not busy",
            "leave out the condition 'not busy'",
            ("welder", {}),
        ),
        ("welder", {}, "", "", ("welder", {})),
    ],
)
def test_the_change_that_is_named_brings_the_row_in(staffed, query, options, gate, change, then):
    first = ids(staffed.search(query, k=1000 if gate else 10, **options))
    dropped = [worker for worker in ids(staffed.search(then[0], k=200, **then[1])) if worker not in first]
    for worker in (dropped[0], dropped[-1]):
        found = staffed.why_not(worker, query, **options)
        asked = re.search(r"(?:^| and )ask for (\d+)$", found.change)
        said = found.change[: asked.start()] if asked else found.change
        assert (found.gate, said) == (gate, change.format(worker))
        assert not found.found

        k = int(asked[1]) if asked else 10
        changed = staffed.search(then[0], k=k, **then[1])
        assert worker in ids(changed)
        hit = next(hit for hit in changed.hits if hit.id == worker)
        assert found.hit.score == pytest.approx(hit.score)
        if asked:
            assert worker not in ids(staffed.search(then[0], k=k - 1, **then[1]))


def test_a_row_that_several_gates_drop_is_told_all_that_has_to_change(staffed):
    (worker,) = ids(staffed.search("welder city:Dallas", k=1))
    found = staffed.why_not(worker, "welder city:Joliet -Dallas", where="role = 'Welder' AND state = 'IL'")
    assert found.gate == "role = 'Welder' AND state = 'IL'"
    change = "leave out state = 'IL' and leave out city:Joliet and leave out -\"Dallas\""
    assert re.fullmatch(re.escape(change) + r"( and ask for \d+)?", found.change)
    k = int(found.change.rpartition(" ")[2]) if "ask for" in found.change else 10
    assert worker in ids(staffed.search("welder", where="role = 'Welder'", k=k))


def test_a_row_that_is_there_is_said_to_be_there_with_its_rank(staffed):
    hits = staffed.search("tow motor").hits
    for rank, hit in enumerate(hits, 1):
        found = staffed.why_not(f"W-{hit.id}", "tow motor")
        assert (found.found, found.gate, found.rank) == (True, "", rank)
        assert found.score == found.hit.score == hit.score
        assert found.hit.to_dict()["parts"][0]["value"] == hit.parts[0].value
        assert found.last_score == hits[-1].score


def test_the_score_of_a_row_further_down_is_that_of_a_longer_search(staffed):
    longer = staffed.search("nurse with ACLS", k=40)
    for rank in (11, 25, 40):
        found = staffed.why_not(ids(longer)[rank - 1], "nurse with ACLS")
        assert (found.rank, found.change) == (rank, f"ask for {rank}")
        assert found.score == longer.hits[rank - 1].score < found.last_score


def test_a_row_far_down_is_told_to_be_beyond(staffed):
    last = {hit.id for hit in staffed.search("welder", k=1000).hits}
    worker = next(i for i in range(1, 2001) if i not in last)
    found = staffed.why_not(worker, "welder")
    assert (found.rank, found.found) == (None, False)
    assert "narrow the search" in found.change


@pytest.mark.parametrize("row", [99999, "W-99999", "nobody", "--5", 10**30])
def test_a_row_that_is_not_there_is_an_error(staffed, row):
    with pytest.raises(NotFoundError, match="has no row"):
        staffed.why_not(row, "welder")


# --- fresh -----------------------------------------------------------------------------------------------------------

CHILD = """
import json, sys, workbench
with workbench.connect(sys.argv[1]) as wb:
    for query in sys.stdin:
        found = wb.search(query.strip())
        print(json.dumps({"ids": [hit.id for hit in found.hits], **found.freshness.to_dict()}), flush=True)
"""


class Other:
    """Another process that has the lake open and answers what it is asked."""

    def __init__(self, wb: Workbench) -> None:
        command = [sys.executable, "-c", CHILD, wb.settings.lake]
        self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, query: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{query}\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer


@pytest.fixture
def other(copied) -> Iterator[Other]:
    opened = Other(copied)
    yield opened
    opened.process.kill()
    opened.process.communicate()


def test_what_was_ingested_is_found_by_the_next_search_of_every_process(copied, other, tmp_path):
    assert other.ask("glockenspiel maker")["version"] == 1
    before = copied.search("glockenspiel maker")
    assert (before.version, before.freshness.rows) == (1, 0)

    copied.ingest(workers(tmp_path, {"worker_id": 9001}, {"worker_id": 9002}), "workers")
    found = copied.search("glockenspiel maker")
    assert ids(found)[:2] == [9001, 9002]
    # Only the new file was read, and it is new to one search only.
    assert (found.version, found.freshness.rows) == (2, 2)
    assert copied.search("glockenspiel maker").freshness.rows == 0

    theirs = other.ask("glockenspiel maker")
    assert (theirs["ids"], theirs["version"]) == (ids(found), 2)

    copied.ingest(workers(tmp_path, {"worker_id": 9003}), "workers")
    theirs = other.ask("glockenspiel maker")
    assert (theirs["ids"][:3], theirs["version"], theirs["new_rows"]) == ([9001, 9002, 9003], 3, 1)
    mine = copied.search("glockenspiel maker")
    assert (ids(mine), mine.freshness.rows) == (theirs["ids"], 0)


def rebuilt(wb: Workbench, query: str, tmp_path: Path, **options: Any) -> Any:
    """The answer of a search over the same lake that has nothing derived but vectors and the titles of the trades."""
    lake = tmp_path / "again"
    shutil.rmtree(lake, ignore_errors=True)
    shutil.copytree(wb.settings.lake, lake, ignore=shutil.ignore_patterns("words", "rows", "*.corpus", "*.graph"))
    with workbench.connect(lake, folder=tmp_path) as opened:
        found = opened.search(query, **options)
        assert found.freshness.rows == found.funnel[0].rows
        return found


def test_every_change_of_the_dataset_is_seen_as_if_all_were_made_anew(copied, tmp_path):
    def check(makers: list[int], rows: int) -> None:
        found = copied.search("glockenspiel maker", k=40)
        here = [hit.id for hit in found.hits if hit.trade or hit.matched]
        assert [worker for worker in here if worker > 9000] == makers
        assert found.freshness.rows == rows
        again = rebuilt(copied, "glockenspiel maker", tmp_path, k=40)
        assert told(found, "freshness", "hits", "coverage") == told(again, "freshness", "hits", "coverage")
        assert ids(found) == ids(again)
        # Texts that are no row's any more count in the word index until a third of them are.
        scores = [[hit.score for hit in answer.hits] for answer in (found, again)]
        assert scores[0] == pytest.approx(scores[1], abs=0.01)

    copied.ingest(workers(tmp_path, {"worker_id": 9001}, {"worker_id": 9002}), "workers")
    check([9001, 9002], 2)
    # An id again: the newer row counts.
    packer = {"worker_id": 9002, "role": "Packer", "skills": "", "resume_text": "Packs."}
    copied.ingest(workers(tmp_path, packer), "workers")
    check([9001], 1)
    copied.lake.compact("workers")
    check([9001], copied.lake.get("workers").row_count)
    copied.lake.restore("workers@2")
    check([9001, 9002], 0)
    changed = workers(tmp_path, packer | {"city": "Flint"}, {"worker_id": 9004})
    copied.ingest(changed, "workers", mode="upsert", key=["worker_id"])
    check([9001, 9004], copied.lake.get("workers").row_count)
    copied.ingest(workers(tmp_path, {"worker_id": 9005}), "workers", mode="replace")
    check([9005], 1)


def test_two_versions_are_searched_side_by_side(copied, tmp_path):
    copied.ingest(workers(tmp_path, {"worker_id": 9001}), "workers")
    for _ in range(2):
        now, then = copied.search("glockenspiel maker"), copied.search("glockenspiel maker", dataset="workers@1")
        assert (ids(now)[0], now.version, now.funnel[0].rows) == (9001, 2, 2001)
        assert 9001 not in ids(then)
        assert (then.version, then.funnel[0].rows) == (1, 2000)
    assert copied.why_not(9001, "glockenspiel").found
    with pytest.raises(NotFoundError):
        copied.why_not(9001, "glockenspiel", dataset="workers@1")


def test_deleting_all_that_is_derived_costs_time_only(staffed, copied):
    shutil.rmtree(Path(copied.settings.lake) / "_vectors")
    for query in ("tow motor", "welder near:Joliet,30mi"):
        assert told(copied.search(query), "freshness") == told(staffed.search(query), "freshness")


def test_it_is_deleted_under_an_open_search(copied, tmp_path):
    copied.search("tow motor")
    shutil.rmtree(Path(copied.settings.lake) / "_vectors")
    assert len(copied.search("tow motor").hits) == 10
    copied.ingest(workers(tmp_path, {"worker_id": 9001}), "workers")
    assert ids(copied.search("glockenspiel maker"))[0] == 9001


@pytest.mark.drill
@pytest.mark.parametrize("steps", [1, 2])
def test_a_search_after_a_killed_index_is_right(staffed, copied, steps):
    derived = Path(copied.settings.lake) / "_vectors"
    for each in (derived / "words", derived / "rows", *derived.glob("*/*.corpus"), *derived.glob("*/*.vec")):
        shutil.rmtree(each, ignore_errors=True)
        each.unlink(missing_ok=True)
    script = (
        "import sys, workbench\n"
        "with workbench.connect(sys.argv[1]) as wb:\n"
        "    wb.searcher.index('workers', on_progress=lambda step: print(step.embedded, flush=True))\n"
    )
    command = [sys.executable, "-c", script, copied.settings.lake]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(steps):
            assert process.stdout.readline()
        process.kill()
    assert told(copied.search("tow motor"), "freshness") == told(staffed.search("tow motor"), "freshness")


def test_an_index_is_made_once_and_a_graph_changes_no_answer(staffed, copied, tmp_path):
    first = copied.searcher.index("workers")
    assert (first.corpus.rows, first.corpus.embedded, first.graph_texts) == (2000, 0, 0)
    made = copied.searcher.corpora.index(copied.lake.get("workers"), graph_texts=500, probes=["welder", "cook"])
    assert made.graph_texts == made.corpus.unique
    assert made.recall >= 0.95
    again = copied.searcher.corpora.index(copied.lake.get("workers"), graph_texts=500)
    assert (again.graph_texts, again.build_s) == (made.graph_texts, 0.0)
    for query in ("tow motor", "nurse with ACLS", "welder near:Joliet,30mi"):
        assert ids(copied.search(query)) == ids(staffed.search(query))

    copied.ingest(workers(tmp_path, {"worker_id": 9001}), "workers")
    assert ids(copied.search("glockenspiel maker"))[0] == 9001
    (graph,) = (Path(copied.settings.lake) / "_vectors").rglob("*.graph")
    graph.write_bytes(graph.read_bytes()[:-100])
    with workbench.connect(copied.settings.lake, folder=tmp_path) as opened:
        assert ids(opened.search("tow motor")) == ids(copied.search("tow motor"))


def test_what_an_index_took_in_is_new_to_no_search(tmp_path):
    (tmp_path / "workers.csv").write_text("worker_id,role,skills\n1,Welder,MIG\n2,Picker,RF\n", encoding="utf-8")
    with workbench.connect(tmp_path / "lake", folder=tmp_path, search_log="false") as wb:
        wb.ingest(tmp_path / "workers.csv", "workers")
        assert wb.searcher.index("workers").corpus.embedded == 2
        assert wb.search("welder").freshness.rows == 0


def test_an_id_to_leave_out_that_is_nobody_is_told(staffed):
    found = staffed.search("welder -W-99999999", exclude=["W-88888888", 3])
    assert "workers has no row W-99999999, W-88888888: nobody was left out for it." in found.notes
    assert not any("no row" in note for note in staffed.search("welder", exclude=[3]).notes)


def test_a_city_where_nobody_is_names_those_written_alike(staffed):
    found = staffed.search("welder", city="Jolliet")
    assert not found.hits
    assert "Nobody is in Jolliet. Did you mean Joliet?" in found.notes
    assert not any("Nobody is" in note for note in staffed.search("welder", city="Joliet").notes)
