"""Connections are used again by the next statement: nothing of one may be there for another."""

from __future__ import annotations

import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import workbench
from workbench.errors import WorkbenchError
from workbench.lake.sql.engine import Watch

ENDLESS = "SELECT count(*) AS n FROM workers, range(100000000000) a(x), range(100000) b(y) WHERE x + y = -pay"
SECRET = pa.table({"s": [f"secret {i}" for i in range(50_000)]})


@pytest.fixture
def wb(tmp_path):
    pq.write_table(pa.table({"name": ["Zyxwv Ab"] * 30_000, "pay": range(30_000)}), tmp_path / "w.parquet")
    with workbench.connect(tmp_path / "lake") as opened:
        opened.ingest(tmp_path / "w.parquet", "workers", pii={"name": "name"})
        yield opened


def idle(wb):
    """All connections that wait for a statement, of all engines."""
    return [con for engine in wb.lake.queries._engines._kept.values() for con in engine.idle]


def held(con):
    """What a connection could pass on: relations, variables, prepared statements, settings, an open transaction."""
    asked = (
        "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY ALL",
        "SELECT table_name FROM duckdb_tables() ORDER BY ALL",
        "SELECT name FROM duckdb_variables() ORDER BY ALL",
        "SELECT name FROM duckdb_prepared_statements() ORDER BY ALL",
        "SELECT name, value FROM duckdb_settings() WHERE name NOT LIKE '%thread%' ORDER BY ALL",
    )
    state = [con.execute(sql).fetchall() for sql in asked]
    first, second = (con.execute("SELECT txid_current()").fetchall() for _ in range(2))
    return [*state, "a transaction is open" if first == second else ""]


def cancelled(run):
    watch = Watch()
    timer = threading.Timer(0.15, watch.cancel)
    timer.start()
    run(watch)


def framed(wb):
    return wb.relation(f"{ENDLESS} AND x < (SELECT count(*) FROM f)", frames={"f": SECRET})


def warm(wb):
    """Make the engines of the newest version and of a pinned one."""
    wb.sql("SELECT 1 FROM workers")
    wb.relation("SELECT 1 FROM workers").fetch(1)


STATEMENTS = {
    "answered": lambda wb: wb.sql("SELECT name, $p AS p FROM workers", {"p": "secret 1"}, show_pii=True),
    "a page": lambda wb: wb.relation("SELECT * FROM workers").fetch(3),
    "unknown": lambda wb: wb.sql("SELECT nothing FROM workers"),
    "no value": lambda wb: wb.sql("SELECT $p FROM workers"),
    "refused": lambda wb: wb.sql("SELECT 1 FROM workers; SET VARIABLE x = 'secret 1'"),
    "fails": lambda wb: wb.sql("SELECT name::INT FROM workers"),
    "fails late": lambda wb: wb.relation("SELECT CASE WHEN pay > 29000 THEN name::INT END FROM workers").arrow(),
    "a frame": lambda wb: wb.relation("SELECT * FROM f, workers", frames={"f": SECRET.slice(0, 2)}).fetch(5),
    "a frame fails": lambda wb: wb.relation("SELECT s::INT FROM f, workers", frames={"f": SECRET}).fetch(),
    "a plan": lambda wb: wb.relation("SELECT * FROM f, workers", frames={"f": SECRET}).explain(),
    "stopped": lambda wb: cancelled(lambda watch: wb.sql(ENDLESS, watch=watch)),
    "a frame stopped": lambda wb: cancelled(lambda watch: framed(wb).fetch(watch=watch)),
    "too long": lambda wb: wb.sql(ENDLESS, watch=Watch(timeout_s=0.1)),
    "half read": lambda wb: next(wb.relation("SELECT * FROM f, workers", frames={"f": SECRET}).stream()[1]),
}


@pytest.mark.parametrize("what", STATEMENTS)
def test_nothing_of_a_statement_stays_on_its_connection(wb, what):
    warm(wb)
    fresh = {id(con): held(con) for con in idle(wb)}
    assert len(fresh) >= 4
    kept = []
    for _ in range(4):  # each of them has had it
        try:
            STATEMENTS[what](wb)
        except WorkbenchError as error:  # as a notebook keeps the last one, with all that it holds
            kept.append(error)
    assert {id(con): held(con) for con in idle(wb)} == fresh
    assert wb.sql("SELECT count(*) AS n FROM workers").table.to_pydict() == {"n": [30_000]}


def test_a_frame_is_of_one_statement_alone(wb):
    """While one statement reads a frame, another connection of the same engine does not see it."""
    warm(wb)
    relation = wb.relation("SELECT * FROM f, workers", frames={"f": SECRET})
    _, batches = relation.stream()
    next(batches)
    (name,) = relation.part.frames
    for con in idle(wb):
        assert name not in str(held(con))
    with pytest.raises(WorkbenchError):
        wb.sql(f'SELECT * FROM "{name}", workers')
    batches.close()
    assert all(name not in str(held(con)) for con in idle(wb))


def test_a_stream_that_nobody_reads_gives_its_connection_back(wb):
    warm(wb)
    before = len(idle(wb))
    for _ in range(before + 2):
        _, batches = wb.relation("SELECT * FROM f, workers", frames={"f": SECRET}).stream()
        del batches
    assert len(idle(wb)) == before
