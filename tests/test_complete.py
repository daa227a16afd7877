"""Completion of SQL: whatever prefix is typed it answers, and the name that was cut off is among its candidates."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench
from workbench.lake.sql.completion.complete import Candidate, Version, complete, complete_condition
from workbench.lake.sql.completion.facts import MOST_VALUES, Facts, Memory
from workbench.lake.sql.completion.scope import Field, output_fields
from workbench.lake.sql.completion.tokens import RESERVED, as_written, tokens, typed
from workbench.session import Workbench

TABLES = {
    "workers": {"worker_id": "int64", "name": "string", "city": "string", "state": "string", "role": "string",
                "availability": "double", "hired": "date32[day]", "Pay rate": "double", "order": "int64",
                "address": "struct<street: string, zip: string>"},
    "jobs": {"job_id": "int64", "worker_id": "int64", "city": "string", "title": "string", "starts_on": "date32[day]"},
    "shifts": {"shift_id": "int64", "job_id": "int64", "hours": "double", "kind": "string"},
}  # fmt: skip

# What is between « and » is a name that the statement makes; small letters are names, capitals are keywords.
CORPUS = [
    "SELECT city, state FROM workers",
    "SELECT w.city FROM workers «w»",
    "SELECT w.city, w.state AS «st» FROM workers AS «w» WHERE w.availability > 0.5 ORDER BY st",
    "SELECT city AS «town», count(*) AS «n» FROM workers GROUP BY town HAVING n > 3 ORDER BY n DESC",
    "SELECT role, avg(availability) «mean» FROM workers GROUP BY ALL ORDER BY mean LIMIT 5",
    "FROM workers SELECT city, role WHERE state = 'IL'",
    "FROM workers WHERE city = 'Joliet' ORDER BY hired",
    'SELECT "Pay rate", w."Pay rate" * 2 AS «twice» FROM workers «w» WHERE "order" > 1',
    "SELECT w.city, j.title FROM workers «w» JOIN jobs «j» ON w.worker_id = j.worker_id WHERE j.city <> w.city",
    "SELECT title, state FROM workers JOIN jobs USING (worker_id) WHERE state IN ('IL', 'IN')",
    "SELECT w.city, s.hours FROM workers «w» LEFT JOIN jobs «j» USING (worker_id) JOIN shifts «s» USING (job_id)",
    "SELECT w.city, s.hours FROM workers «w» JOIN jobs «j» USING (worker_id) JOIN shifts «s» ON s.job_id = j.job_id",
    "SELECT w.name, j.title FROM workers «w», jobs «j» WHERE w.worker_id = j.worker_id",
    "WITH «x» AS (SELECT city, state AS «st» FROM workers) SELECT st, x.city FROM x",
    "WITH «x» AS (SELECT * FROM workers), «y» AS (SELECT x.city «c», role FROM x) SELECT y.c, role FROM y WHERE c = ''",
    "WITH «x» AS (SELECT * EXCLUDE (name) FROM workers) SELECT role, city FROM x ORDER BY city",
    "WITH «x»(«a», «b») AS (SELECT city, count(*) FROM workers GROUP BY city) SELECT a, b FROM x WHERE b > 1",
    "WITH «x» AS (WITH «z» AS (SELECT role AS «r» FROM workers) SELECT r FROM z) SELECT r FROM x",
    "WITH RECURSIVE «t»(«n») AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n FROM t",
    "SELECT s.city, s.n FROM (SELECT city, count(*) AS «n» FROM workers GROUP BY city) AS «s» WHERE s.n > 1",
    "SELECT town FROM (SELECT city AS «town» FROM (SELECT city FROM workers) «a») «b» WHERE town LIKE 'J%'",
    "SELECT * FROM workers «w» WHERE EXISTS (SELECT 1 FROM jobs «j» WHERE j.worker_id = w.worker_id)",
    "SELECT city FROM workers WHERE worker_id IN (SELECT worker_id FROM jobs WHERE title = 'x')",
    "SELECT (SELECT max(hours) FROM shifts «s» WHERE s.job_id = j.job_id) AS «most» FROM jobs «j» ORDER BY most",
    "SELECT city FROM workers UNION ALL SELECT city FROM jobs ORDER BY city",
    "SELECT role, row_number() OVER (PARTITION BY city ORDER BY availability DESC) AS «nr» FROM workers QUALIFY nr = 1",
    "SELECT CASE WHEN state = 'IL' THEN city ELSE role END AS «what» FROM workers WHERE city IS NOT NULL",
    "SELECT count(*) FILTER (WHERE state = 'IL') AS «il», sum(availability) FROM workers",
    "SELECT extract(year FROM hired) AS «y», count(DISTINCT city) FROM workers GROUP BY y",
    "SELECT CAST(availability AS INTEGER) AS «a», hired::VARCHAR, role FROM workers ORDER BY a, role",
    "SELECT address.zip, w.address.street FROM workers «w» WHERE address.zip = '6'",
    "SELECT r.n, city FROM range(3) «r»(«n») CROSS JOIN workers ORDER BY n",
    "SELECT v.a, b FROM (VALUES (1, 'x'), (2, 'y')) «v»(«a», «b») WHERE a > 1",
    "SELECT list_transform([1, 2], «q» -> 2) AS «l», city FROM workers",
    "SELECT w.* EXCLUDE (city), upper(role) AS «big» FROM workers «w» WHERE starts_with(city, 'J')",
    "SELECT DISTINCT ON (city) city, role FROM workers ORDER BY city, availability DESC",
    "SELECT city -- the town, not the state\n, /* role */ state FROM workers WHERE role = 'a -- b'",
    "SELECT a.city FROM workers «a» JOIN workers «b» ON a.city = b.city AND a.worker_id < b.worker_id",
    "SELECT coalesce(city, state, 'none') AS «place», role FROM workers WHERE NOT (city = 'x' OR state = 'y')",
    "SELECT title FROM jobs ANTI JOIN workers USING (worker_id) WHERE starts_on >= DATE '2026-01-01'",
    "SELECT m.city, n FROM (SELECT city, count(*) «n» FROM workers GROUP BY ALL) «m» JOIN jobs USING (city) LIMIT 3",
    "SELECT w.city FROM workers@1 «w» JOIN workers@'2026-11-01' «o» USING (worker_id) WHERE o.state = w.state",
    "SELECT sum(CASE WHEN kind = 'night' THEN hours END) AS «nights» FROM shifts WHERE hours BETWEEN 4 AND 12",
    "SELECT place FROM (SELECT worker_id, unnest([city, state]) AS «place» FROM workers) «p» WHERE p.place = 'x'",
    "SELECT c FROM workers «w», LATERAL (SELECT count(*) AS «c» FROM jobs «j» WHERE j.worker_id = w.worker_id) «t»",
    "(SELECT city FROM workers) INTERSECT (SELECT city FROM jobs)",
    "SELECT w.role FROM workers AT (VERSION => 1) «w» UNION BY NAME SELECT j.title FROM jobs «j» WHERE j.city = 'y'",
    "FROM (FROM workers SELECT city, role WHERE state = 'IL') «q» SELECT q.city, role",
    "SELECT x.city FROM (workers «x» JOIN jobs «y» ON x.city = y.city) JOIN shifts «z» ON z.job_id = y.job_id",
    "SELECT count(*) FROM workers WHERE (city, state) IN (SELECT city, 'IL' FROM jobs WHERE title NOT IN ('a', 'b'))",
    "SELECT role FROM workers WHERE NOT EXISTS (FROM jobs WHERE jobs.worker_id = workers.worker_id)",
    "SELECT TRY_CAST(state AS INTEGER) + availability * (1 - availability) / 2 AS «f», NOT city = 'x' FROM workers",
]  # fmt: skip


class Toy:
    """Facts of three datasets, said at once."""

    def datasets(self) -> Sequence[str]:
        return list(TABLES)

    def fields(self, name: str, version: str) -> Sequence[Field] | None:
        if name.lower() == "found":
            return [Field("score", "double"), Field("a b", "string")]
        table = TABLES.get(name.lower())
        return table and [Field(c, kind, (name.lower(), version, c)) for c, kind in table.items()]

    def frames(self) -> Sequence[str]:
        return ["found"]

    def matching(self, prefix: str) -> Sequence[Field]:
        return [Field(c) for table in TABLES.values() for c in table if c.startswith(prefix)]

    def values(self, dataset: str, version: str, column: str) -> Sequence[str]:
        return {("workers", "city"): ["Joliet", "O'Fallon", "New Lenox"], ("workers", "state"): ["IL", "IN"]}.get(
            (dataset, column), []
        )

    def versions(self, dataset: str) -> Sequence[Version]:
        return [
            Version(12, "2026-11-03", "2026-11-03 10:00 weekly"),
            Version(2, "2026-11-01", "2026-11-01 09:00 first"),
        ]

    def names(self) -> Sequence[str]:
        return ["floor", "states"]


def plain(statement: str) -> str:
    return re.sub("[«»]", "", statement)


def unversioned(sql: str) -> str:
    """A statement as the engine's own parser takes it."""
    return re.sub(r"@(\d+|'[^']*')| AT \([^)]*\)", "", sql)


def asked(marked: str) -> list[Candidate]:
    """Candidates at the bar in a text."""
    return list(complete(marked.replace("|", "", 1), marked.index("|"), Toy()))


def texts(marked: str, kind: str = "") -> list[str]:
    return [c.text for c in asked(marked) if not kind or c.kind == kind]


def references(statement: str) -> Iterator[tuple[str, int, str]]:
    """(statement, start, name as written) for each table and column that a statement of the corpus uses."""
    sql = plain(statement)
    made, shift = set(), 0
    for found in re.finditer("«([^»]*)»", statement):
        made.add(found.start() - shift)
        shift += 2
    found_tokens = [t for t in tokens(sql) if t.kind != "comment"]
    for i, token in enumerate(found_tokens):
        called = i + 1 < len(found_tokens) and found_tokens[i + 1].text == "(" and found_tokens[i + 1].glued
        small = token.quoted or (token.kind == "name" and token.text.islower() and not called)
        if small and token.start not in made and token.text != "year":  # a part of a date, no column
            yield sql, token.start, token.text


def test_the_corpus_is_sql_and_uses_names() -> None:
    con = duckdb.connect()
    for statement in CORPUS:
        text = unversioned(plain(statement))
        said = con.execute("SELECT json_serialize_sql(?)", [text]).fetchall()[0][0]
        assert '"error":false' in said, (text, said[:200])
    assert sum(1 for statement in CORPUS for _ in references(statement)) > 200


@pytest.mark.parametrize("statement", CORPUS)
def test_no_prefix_raises(statement: str) -> None:
    sql = plain(statement)
    for i in range(len(sql) + 1):
        for text in (sql[:i], sql):
            starts = {c.start for c in complete(text, i, Toy())}
            assert all(0 <= start <= i for start in starts)
            assert len(starts) <= 1


def test_a_name_that_was_cut_off_comes_back() -> None:
    total, missed = 0, []
    for statement in CORPUS:
        for sql, start, name in references(statement):
            for kept in range(len(name)):
                text = sql[: start + kept] + sql[start + len(name) :]
                offered = [c.text for c in complete(text, start + kept, Toy())]
                total += 1
                if not any(o == name or o.endswith(f".{name}") for o in offered):
                    missed.append((text[: start + kept] + "|" + text[start + kept :], name))
    assert len(missed) <= 0.05 * total, f"{len(missed)} of {total}: {missed[:20]}"
    assert not missed, f"{len(missed)} of {total}: {missed[:12]}"


@given(st.text(alphabet="SELECT from w.c,()'\"@{}!$1/*-\n\\;[]:é\u2028😀", max_size=60), st.data())
def test_any_text_has_an_answer(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    for candidate in complete(text, at, Toy()):
        assert 0 <= candidate.start <= at


@given(st.text(max_size=80))
def test_tokens_cover_the_text_in_order(text: str) -> None:
    found = tokens(text)
    assert all(text[t.start : t.end] == t.text for t in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    covered = {i for t in found for i in range(t.start, t.end)}
    assert all(c.isspace() for i, c in enumerate(text) if i not in covered)


@pytest.mark.parametrize("statement", [plain(s) for s in CORPUS])
def test_a_pasted_candidate_leaves_a_statement_that_parses(statement: str) -> None:
    """Columns and tables offered at a whole statement's names are SQL, quoted where they have to be."""
    con = duckdb.connect()
    text = unversioned(statement)
    for sql, start, name in [(text, s, n) for _, s, n in references(text) if text[s : s + len(n)] == n][:3]:
        for candidate in complete(sql[:start] + sql[start + len(name) :], start, Toy()):
            if candidate.kind == "column":
                made = sql[: candidate.start] + candidate.text + sql[start + len(name) :]
                said = con.execute("SELECT json_serialize_sql(?)", [made]).fetchall()[0][0]
                assert '"error":false' in said, made


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("SELECT * FROM |", "table", ["workers", "jobs", "shifts", "found"]),
        ("SELECT * FROM workers w JOIN s|", "table", ["shifts"]),
        ("WITH mine AS (SELECT 1 AS a) SELECT * FROM m|", "table", ["mine"]),
        ("SELECT * FROM workers w WHERE w.ci|", "column", ["city"]),
        ("SELECT * FROM workers JOIN jobs USING (|)", "column", ["worker_id", "city"]),
        ("SELECT ci| FROM workers w JOIN jobs j ON w.worker_id = j.worker_id", "column", ["w.city", "j.city"]),
        ("SELECT ci| FROM workers JOIN jobs USING (city)", "column", ["city"]),
        ("SELECT 1 FROM jobs j JOIN shifts s ON |", "column", ["j.job_id = s.job_id"]),
        ("SELECT 1 FROM jobs j JOIN shifts s ON j.|", "column", list(TABLES["jobs"])),
        ("SELECT pa| FROM workers", "column", ['"Pay rate"']),
        ('SELECT "Pa| FROM workers', "column", ['"Pay rate"']),
        ('SELECT "Pa|" FROM workers', "column", ['"Pay rate']),
        ("SELECT o| FROM workers", "column", ['"order"']),
        ("SELECT rate| FROM workers", "column", ['"Pay rate"']),
        ("SELECT count( FROM workers WHERE ro|", "column", ["role"]),
        ("SELECT | FROM found", "column", ["score", '"a b"']),
        ("SELECT availab|", "column", ["availability"]),
        ("SELECT w.addr| FROM workers@2 w", "column", ["address"]),
        ("SELECT address.| FROM workers", "column", ["street", "zip"]),
        ("SELECT * FROM workers GROUP BY |", "keyword", []),
    ],
)
def test_names(text: str, kind: str, expected: list[str]) -> None:
    found = texts(text, kind)
    assert found[: len(expected)] == expected if expected else "ALL" in found
    assert len(found) == len(expected) or kind == "keyword" or " ON |" in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT * FROM workers WHERE city = '|", ["'Joliet'", "'O''Fallon'", "'New Lenox'"]),
        ("SELECT * FROM workers WHERE city = '|' AND state = 'IL'", ["Joliet", "O''Fallon", "New Lenox"]),
        ("SELECT * FROM workers WHERE city = '| AND state = 'IL'", ["'Joliet'", "'O''Fallon'", "'New Lenox'"]),
        ("SELECT * FROM workers w WHERE w.city IN ('Joliet', 'N|", ["'New Lenox'"]),
        ("SELECT * FROM workers w WHERE w.city NOT IN ('Joliet', '|')", ["O''Fallon", "New Lenox"]),
        ("SELECT * FROM workers WHERE city <> 'jo|'", ["Joliet"]),
        ("SELECT * FROM workers WHERE city IS NOT DISTINCT FROM 'jo|'", ["Joliet"]),
        ("WITH x AS (SELECT w.city AS c FROM workers w) SELECT * FROM x WHERE c = 'J|", ["'Joliet'"]),
        ("SELECT count(*) FILTER (WHERE state = '|') FROM workers", ["IL", "IN"]),
        ("SELECT * FROM workers WHERE upper(city) = '|", []),
        ("SELECT * FROM (SELECT concat(city, 'x') AS city FROM workers) WHERE city = '|", []),
        ("SELECT '|", []),
        ("SELECT * FROM workers WHERE nowhere = '|", []),
        ("SELECT * FROM workers WHERE availability > '|", []),
    ],
)
def test_values_in_a_string(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_values_before_the_quote() -> None:
    assert texts("SELECT * FROM workers WHERE state = |")[:3] == ["'IL'", "'IN'", "worker_id"]
    assert texts("SELECT * FROM workers WHERE state IN ('IL', |")[:2] == ["'IN'", "worker_id"]
    assert not texts("SELECT * FROM workers WHERE state = ci|", "value")


def test_snapshots_of_a_dataset() -> None:
    assert texts("SELECT * FROM workers@|") == ["12", "2", "today", "yesterday"]
    assert [(c.text, c.kind, c.detail) for c in asked("SELECT * FROM workers@1| w")] == [
        ("12", "snapshot", "2026-11-03 10:00 weekly")
    ]
    assert texts("SELECT * FROM workers@'2026-11-03|'") == ["2026-11-03"]
    assert texts("SELECT * FROM workers@y|") == ["yesterday"]


def test_placeholders() -> None:
    assert texts("SELECT * FROM workers WHERE availability > {{fl|") == ["floor}}"]
    assert texts("SELECT * FROM workers WHERE state IN {{ st|}} AND 1 = 1") == ["states"]
    assert texts("SELECT {{states!|}} FROM workers") == ["ident", "sql"]


@pytest.mark.parametrize(
    ("text", "some", "never"),
    [
        ("|", ["SELECT", "FROM", "WITH"], ["WHERE"]),
        ("sel|", ["select"], ["SELECT"]),
        ("SELECT city |", ["FROM", "AS"], ["SELECT", "JOIN"]),
        ("SELECT city FROM workers |", ["WHERE", "JOIN", "GROUP BY"], ["SELECT", "ON"]),
        ("SELECT city FROM workers w JOIN jobs j |", ["ON", "USING ("], ["SELECT"]),
        ("SELECT city FROM workers WHERE city = 'x' |", ["AND", "GROUP BY"], ["FROM", "WHERE"]),
        ("SELECT city FROM workers GROUP |", ["BY"], ["WHERE"]),
        ("SELECT city FROM workers ORDER BY city |", ["DESC", "LIMIT"], ["WHERE"]),
        ("SELECT city FROM workers WHERE city IS |", ["NOT NULL"], ["AND"]),
        ("SELECT CASE WHEN city = 'x' |", ["THEN"], ["END"]),
        ("SELECT city::|", ["VARCHAR"], ["FROM"]),
        ("WITH x AS (|", ["SELECT"], ["AS"]),
    ],
)
def test_keywords_where_they_can_stand(text: str, some: list[str], never: list[str]) -> None:
    found = texts(text)
    assert set(some) <= set(found)
    assert not set(never) & set(found)


@pytest.mark.parametrize(
    "text", ["SELECT 1 -- ci|", "SELECT /* ci| */ 1", "SELECT city AS |", "SELECT 12|", "SELECT * FROM workers AS |"]
)
def test_nothing_in_comments_numbers_and_new_names(text: str) -> None:
    assert texts(text) == []


def test_functions_of_the_guard_with_their_bracket() -> None:
    assert "count(" in texts("SELECT cou| FROM workers", "function")
    assert "count" in texts("SELECT cou|(*) FROM workers", "function")
    assert not texts("SELECT read_t| FROM workers")


def test_a_condition_alone() -> None:
    where = "availability > 0.5 AND city = 'Jo"
    found = complete_condition(where, len(where), "workers", Toy())
    assert [(c.text, where[c.start :]) for c in found] == [("'Joliet'", "'Jo")]
    assert complete_condition("ro", 2, "workers@2", Toy())[0].text == "role"


def test_columns_of_a_relation_from_its_text() -> None:
    found = output_fields("SELECT w.city AS c, w.*, 1 + 1 FROM workers w", Toy().fields)
    assert [f.name for f in found] == ["c", *TABLES["workers"]]
    assert found[0].origin == ("workers", "", "city")


def test_reserved_words_are_the_engines() -> None:
    said = duckdb.connect().execute(
        "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')"
    )
    assert {row[0] for row in said.fetchall()} == RESERVED
    assert as_written("role") == "role"
    assert as_written("Order") == '"Order"'


def test_a_thousand_datasets_of_fifty_columns_are_no_burden() -> None:
    names = [f"set_{i:03}" for i in range(1000)]
    columns = [Field(f"column_{i}", "string") for i in range(50)]

    class Many(Toy):
        def datasets(self) -> Sequence[str]:
            return names

        def fields(self, name: str, version: str) -> Sequence[Field] | None:
            return columns if name in names else None

    joined = "WITH x AS (SELECT * FROM set_001), y AS (SELECT x.* FROM x JOIN set_002 b USING (column_1)) "
    pair = "SELECT | FROM set_005 a JOIN set_006 b USING (column_3)"
    for marked in ("SELECT * FROM |", pair, f"{joined}SELECT | FROM y"):
        used = []
        for _ in range(9):
            started = time.process_time()
            assert len(complete(marked.replace("|", ""), marked.index("|"), Many())) > 50
            used.append(time.process_time() - started)
        assert sorted(used)[4] < 0.05


def test_an_open_quote_swallows_nothing() -> None:
    around = typed("WHERE city = 'Jo AND x = 'IL'", 16)
    assert [t.text for t in around.tokens[around.at + 1 :]] == ["AND", "x", "=", "'IL'"]


# -- facts of a real lake ------------------------------------------------------------------------------------------


def patient(queries: object) -> Facts:
    """Facts that wait as long as a test may, so that nothing depends on the machine's mood."""
    facts = Facts(queries, budget_s=20.0)  # type: ignore[arg-type]
    facts.begin()
    return facts


def test_values_of_a_dataset_are_few_and_never_personal(staffed: Workbench) -> None:
    facts = patient(staffed.lake.queries)
    states = facts.values("workers", "", "state")
    counted = staffed.sql("SELECT state FROM workers GROUP BY ALL ORDER BY count(*) DESC, state").table
    assert list(states) == counted.column(0).to_pylist()
    assert not facts.values("workers", "", "name")
    assert not facts.values("workers", "", "email")
    assert not facts.values("workers", "", "resume_text")  # more than a list can hold
    assert not facts.values("workers", "", "availability")
    facts.close()


def test_a_value_that_looks_personal_is_not_offered(tmp_path: Path) -> None:
    rows = "\n".join(f"{i},{'ok' if i % 3 else 'ask ann.lee@example.com'}" for i in range(60))
    (tmp_path / "notes.csv").write_text(f"id,remark\n{rows}\n")
    with workbench.connect(tmp_path / "lake", folder=tmp_path) as wb:
        wb.ingest(tmp_path / "notes.csv", "notes")
        wb.lake.annotate("notes", pii_tags={"remark": ""})
        facts = patient(wb.lake.queries)
        assert list(facts.values("notes", "", "remark")) == ["ok"]
        wb.lake.annotate("notes", pii_tags={"remark": "email"})
        facts.begin()
        assert not facts.values("notes", "", "remark")
        assert not facts.values("notes", "1", "remark")
        facts.close()


def test_facts_follow_the_lake(copied: Workbench, tmp_path: Path) -> None:
    facts = patient(copied.lake.queries)
    assert not facts.fields("pools", "")
    (tmp_path / "pools.csv").write_text("pool,size\n" + "".join(f"p{i},{i}\n" for i in range(MOST_VALUES + 1)))
    copied.ingest(tmp_path / "pools.csv", "pools", message="first")
    facts.begin()
    assert [f.name for f in facts.fields("Pools", "") or ()] == ["pool", "size"]
    assert not facts.values("pools", "", "pool")
    assert [f.name for f in facts.matching("avail")] == ["availability"]
    assert [v.line[17:] for v in facts.versions("pools")] == ["first"]
    facts.close()


def test_late_answers_are_none_and_there_next_time() -> None:
    let_go, memory = threading.Event(), Memory(budget_s=0.005)
    memory.begin()
    started = time.process_time()
    assert memory.ask("q", lambda: let_go.wait(20) and 7, 0) == 0
    assert time.process_time() - started < 0.05
    let_go.set()
    memory.budget_s = 20.0
    memory.begin()
    assert memory.ask("q", lambda: 8, 0) in {7, 8}
    assert memory.ask("broken", lambda: 1 // 0, 5) == 5


def test_a_process_that_ends_while_values_are_looked_up_ends_well(staffed: Workbench) -> None:
    code = (
        "import sys, workbench\nfrom workbench.lake.sql.completion.facts import Facts\n"
        "f = Facts(workbench.connect(sys.argv[1]).lake.queries, budget_s=0.0)\nf.begin()\n"
        "f._memory.budget_s = 5.0; f.begin(); f.fields('workers', ''); f._memory.budget_s = 0.0; f.begin()\n"
        "[f.values('workers', '', c) for c in ('skills', 'resume_text', 'communications', 'city')]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, staffed.settings.lake], capture_output=True, timeout=60, env=dict(os.environ)
    )
    assert (done.returncode, done.stderr) == (0, b"")
