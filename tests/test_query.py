"""SQL through the workbench: fresh, read-only, capped, cancellable, masked."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pytest

import workbench
from workbench.errors import InvalidError, NotFoundError, QueryCancelledError, QueryError, QueryTimeoutError
from workbench.lake.sql.engine import Watch, connect
from workbench.lake.sql.query import Access

ROSTER = (
    "worker_id,name,city,phone,notes\n1,Ann Lee,Joliet,815-555-0100,calls 312-555-0199\n"
    "2,Bo Cruz,Chicago,312-555-0101,ssn 123-45-6789\n"
)
SLOW = "SELECT count(*) FROM range(100000000) a, range(100000) b WHERE (a.range * b.range) % 7 = 1"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A lake of this file's own, for copies: to ingest it anew for each test would cost more than the tests."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "roster.csv").write_text(ROSTER)
    with workbench.connect(folder / "lake") as opened:
        opened.ingest(folder / "roster.csv", "workers")
    return folder


@pytest.fixture
def wb(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    with workbench.connect(tmp_path / "lake") as opened:
        yield opened


def test_an_answer_says_what_it_read(wb):
    answer = wb.sql("SELECT city, count(*) AS n FROM workers GROUP BY 1 ORDER BY 1")
    assert answer.table.to_pylist() == [{"city": "Chicago", "n": 1}, {"city": "Joliet", "n": 1}]
    assert answer.snapshots == {"workers": 1}
    assert answer.to_dict()["columns"] == [{"name": "city", "type": "string"}, {"name": "n", "type": "int64"}]
    assert answer.to_dict()["rows"] == [["Chicago", 1], ["Joliet", 1]]
    assert answer.df().shape == answer.pl().shape == (2, 2)


def test_parameters_are_bound_by_name_and_by_place(wb):
    assert wb.sql("SELECT worker_id FROM workers WHERE city = $city", {"city": "Gary' OR 1=1 --"}).row_count == 0
    assert wb.sql("SELECT worker_id FROM workers WHERE city = ? AND worker_id = ?", ["Joliet", 1]).row_count == 1


@pytest.mark.parametrize(
    ("sql", "params", "said", "hint"),
    [
        ("SELECT $x", None, "parameter x", '--param x=… on the command line, params={"x": …}'),
        ("SELECT $x, $y", {"x": 1}, "parameter y", "--param y=…"),
        ("SELECT $b, $a", {}, "parameters a, b", "--param a=…"),
        ("SELECT ?, ?", [1], "parameter 2", "params=[…]"),
        ("SELECT $x", [1], "parameter x", "--param x=…"),
        ("SELECT $x", {"x": 1, "z": 2}, "no place for parameter z", "$x"),
        ("SELECT 1", {"z": 2}, "no place for parameter z", "none"),
        ("SELECT 1", [5], "no place for parameter 1", "none"),
    ],
)
def test_parameters_without_a_value_and_values_without_a_parameter_are_named(wb, sql, params, said, hint):
    with pytest.raises(QueryError, match=said) as refused:
        wb.sql(sql, params)
    assert hint in refused.value.hint
    with pytest.raises(QueryError, match=said):
        wb.lake.queries.stream(sql, params)


def test_a_parameter_is_found_whatever_its_case_and_its_value(wb):
    assert wb.sql("SELECT $City AS c, $n2 AS n, $City AS d", {"City": None, "n2": 0}).table.to_pylist() == [
        {"c": None, "n": 0, "d": None}
    ]


def test_a_new_version_is_in_the_next_answer_of_any_process(wb, tmp_path):
    with workbench.connect(tmp_path / "lake") as other:
        assert other.sql("SELECT count(*) AS n FROM workers").table.to_pylist() == [{"n": 2}]
        (tmp_path / "more.csv").write_text("worker_id,name,city,phone,notes\n3,Cy Oh,Gary,219-555-0102,\n")
        wb.ingest(tmp_path / "more.csv", "workers")
        assert other.sql("SELECT count(*) AS n FROM workers").table.to_pylist() == [{"n": 3}]
        assert other.sql("SELECT count(*) AS n FROM workers@1").table.to_pylist() == [{"n": 2}]
        joined = "SELECT count(*) AS n FROM workers a JOIN workers@1 b USING (worker_id)"
        assert other.sql(joined).table.to_pylist() == [{"n": 2}]


def test_names_are_found_without_case(wb):
    assert wb.sql("SELECT count(*) AS n FROM Workers").table.to_pylist() == [{"n": 2}]


def test_unknown_things_are_named_with_their_neighbours(wb):
    with pytest.raises(NotFoundError) as missing:
        wb.sql("SELECT * FROM worker")
    assert "workers" in missing.value.hint
    with pytest.raises(QueryError, match="nme"):
        wb.sql("SELECT nme FROM workers")
    with pytest.raises(QueryError, match="syntax error"):
        wb.sql("SELEC 1")
    for nothing in ("", "  \n", "-- only a comment"):
        with pytest.raises(InvalidError):
            wb.sql(nothing)


def test_the_row_cap_cuts_and_says_so(wb):
    answer = wb.sql("SELECT * FROM range(100000)", row_cap=10)
    assert (answer.row_count, answer.truncated) == (10, True)
    assert not wb.sql("SELECT * FROM range(10)", row_cap=10).truncated
    assert wb.sql("SELECT * FROM range(100000)").row_count == 100_000


def test_a_timeout_stops_the_engine_and_the_next_query_runs(wb):
    with pytest.raises(QueryTimeoutError, match=r"limit of 0\.2 s"):
        wb.sql(SLOW, timeout_s=0.2)  # to its end it would take hours, and no test is given those
    assert wb.sql("SELECT 1 AS one").row_count == 1


# A press that comes between two statements may land where Python cannot raise it: the next one counts.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_runs_on_behind_a_ctrl_c_whenever_it_comes():
    """From before the engine's thread runs until well into the statement, in steps of microseconds."""
    con = connect()
    before = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        for after_us in [*range(1, 402, 10), *range(500, 10_000, 1_000)]:
            with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it may come at once
                signal.setitimer(signal.ITIMER_REAL, after_us / 1e6, 1.0)  # and again, as people do
                Watch().run(con, lambda: con.execute(SLOW).fetchall())
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert con.execute("SELECT 1").fetchone() == (1,)  # it would refuse while another call is running
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        con.close()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_can_cancel(wb):
    watch = Watch()
    timer = threading.Timer(0.2, watch.cancel)
    timer.start()
    with pytest.raises(QueryCancelledError, match="cancelled after"):
        wb.sql(SLOW, watch=watch)
    timer.join()
    assert wb.sql("SELECT 1 AS one").row_count == 1


def spilling() -> list[Path]:
    """The files that this process holds open below a folder for what does not fit into memory."""
    links = [fd.readlink() for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    return [link for link in links if "/lh-spill-" in str(link) and not link.name.endswith("(deleted)")]


def test_a_query_that_spills_to_the_disk_can_be_cancelled_and_leaves_nothing_there(tmp_path):
    watch, spilled = Watch(), []

    def look() -> None:
        while not watch._cancelled.wait(0.02):
            if found := spilling():
                spilled.extend(found)
                watch.cancel()

    with workbench.connect(tmp_path / "lake", folder=tmp_path, memory_mb=100, threads=1) as wb:
        looking = threading.Thread(target=look)
        looking.start()
        try:
            with pytest.raises(QueryCancelledError):
                wb.sql(
                    "SELECT md5(n::VARCHAR) AS m FROM range(30000000) AS r (n) ORDER BY m OFFSET 25000000", watch=watch
                )
        finally:
            watch.cancel()
            looking.join()
        assert spilled
        assert not [path for path in spilled if path.exists() and path.stat().st_size]
        assert wb.sql("SELECT 1 AS one").row_count == 1
    assert not [path for path in spilled if path.exists()]


@pytest.mark.parametrize(
    "sql",
    ["SELECT name FROM workers", "SELECT name AS x FROM workers", "SELECT name || ' of ' || city AS x FROM workers",
     "SELECT upper(name) FROM workers", "SELECT w.name n FROM workers w", "SELECT * FROM workers",
     "SELECT x FROM (SELECT name AS x FROM workers)", "WITH a AS (SELECT name n FROM workers) SELECT n AS m FROM a",
     "SELECT list(name) FROM workers", "SELECT {'a': name} AS s FROM workers", "SELECT min(name) FROM workers",
     "SELECT string_agg(name, ',') FROM workers", "SELECT workers FROM workers",
     "SELECT t.a FROM (SELECT name FROM workers) t(a)",
     "SELECT city FROM workers UNION ALL SELECT name FROM workers", "SELECT name AS city FROM workers ORDER BY 1",
     "SELECT (SELECT name FROM workers LIMIT 1) AS city", "SELECT first_value(name) OVER () FROM workers",
     "SELECT unnest([name, city]) FROM workers", "SELECT to_json(workers) FROM workers",
     "SELECT * RENAME (name AS city2) FROM workers",
     "SELECT COLUMNS('na.*') FROM workers", "SELECT substr(name, 1, 7) AS a FROM workers",
     "FROM workers SELECT name", "SELECT name FROM workers@1", "SELECT CASE WHEN true THEN name END FROM workers"],
)  # fmt: skip
def test_no_wording_of_a_query_shows_a_tagged_value(wb, sql):
    assert "Ann Lee" not in str(wb.sql(sql).table.to_pylist()).replace("ANN LEE", "Ann Lee")
    shown = str(wb.sql(sql, show_pii=True).table.to_pylist())
    assert "Ann Lee" in shown or "ANN LEE" in shown


def test_filters_joins_and_counts_stay_exact_under_the_mask(wb):
    answer = wb.sql("SELECT count(DISTINCT name) AS n, count(phone) AS p FROM workers WHERE name LIKE 'A%'")
    assert answer.table.to_pylist() == [{"n": 1, "p": 1}]
    assert answer.masked == ()
    assert wb.sql("SELECT city FROM workers WHERE name = 'Ann Lee'").table.to_pylist() == [{"city": "Joliet"}]


def test_shapes_in_free_text_are_masked_by_value(wb):
    told = str(wb.sql("SELECT notes FROM workers").table.to_pylist())
    assert "123-45-6789" not in told
    assert "312-555-0199" not in told
    assert "ssn" in told


def test_an_error_does_not_carry_a_value(wb):
    for sql in (
        "SELECT CAST(name AS INTEGER) FROM workers",
        "SELECT error(name) FROM workers",
        "SELECT name::DATE FROM workers",
    ):
        with pytest.raises(QueryError) as failed:
            wb.sql(sql)
        assert "Ann" not in str(failed.value)
        assert "Cruz" not in str(failed.value)


def test_errors_do_not_carry_the_place_of_the_lake(wb, tmp_path):
    wb.storage.delete(f"datasets/workers/{wb.lake.get('workers').files[0].path}")
    with pytest.raises(workbench.WorkbenchError) as failed:
        wb.sql("SELECT * FROM workers")
    assert str(tmp_path) not in str(failed.value)


@pytest.mark.parametrize(
    "sql",
    ["SELECT 1; SELECT 2", "COPY workers TO 'x.csv'", "CREATE TABLE t AS SELECT 1", "INSERT INTO workers VALUES (1)",
     "DELETE FROM workers", "ATTACH 'x.db'", "SET threads = 1", "SELECT * FROM read_csv('/etc/passwd')",
     "SELECT * FROM '/etc/passwd'", "SELECT * FROM glob('/*')", "SELECT getenv('HOME')", "PRAGMA version",
     "SELECT * FROM duckdb_settings()"],
)  # fmt: skip
def test_the_door_is_read_only(wb, sql):
    with pytest.raises((QueryError, NotFoundError)) as refused:
        wb.sql(sql)
    assert refused.value.hint


def test_a_condition_is_only_a_condition(wb):
    manifest = wb.lake.get("workers")
    assert wb.lake.queries.matching(manifest, "worker_id", "city = 'Joliet' OR false").to_pylist() == [1]
    assert wb.lake.queries.matching(
        manifest, "worker_id", "city IN (SELECT city FROM workers@1) -- all"
    ).to_pylist() == [1, 2]
    for text in ("true) UNION SELECT 1 --", "true; DROP TABLE x", "1=1 ORDER BY 1", "true) OR (1=1", "true LIMIT 1"):
        with pytest.raises((QueryError, InvalidError)):
            wb.lake.queries.matching(manifest, "worker_id", text)


@pytest.mark.parametrize(
    ("condition", "caret", "fix"),
    [
        ("citty = 'Joliet'", "citty = 'Joliet'\n^^^^^", "city = 'Joliet'"),
        ("worker_id > 0 AND city = Joliet", "Joliet\n                         ^^^^^^", "city = 'Joliet'"),
        ("city IN (SELECT city FROM workrs)", "workrs)\n                          ^^^^^^", "FROM workers"),
    ],
)
def test_a_condition_is_told_with_its_place(wb, condition, caret, fix):
    with pytest.raises((QueryError, NotFoundError)) as told:
        wb.lake.queries.matching(wb.lake.get("workers"), "worker_id", condition)
    assert told.value.message.endswith(caret)
    assert fix in told.value.details["fix"]


def test_a_stream_is_masked_like_an_answer(wb):
    schema, batches = wb.lake.queries.stream("SELECT name, notes FROM workers")
    table = pa.Table.from_batches(batches, schema)
    assert "Ann" not in str(table.to_pylist())
    assert "6789" not in str(table.to_pylist())
    schema, batches = wb.lake.queries.stream("SELECT name FROM workers", show_pii=True)
    assert pa.Table.from_batches(batches, schema).column(0).to_pylist() == ["Ann Lee", "Bo Cruz"]


def test_threads_share_one_workbench(wb):
    seen = []

    def ask():
        seen.append(wb.sql("SELECT count(*) AS n FROM workers", show_pii=True).table.to_pylist()[0]["n"])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert seen == [2] * 8


def test_access_defaults_protect():
    assert Access() == Access(row_cap=10_000, show_pii=False)


def test_a_long_statement_says_how_far_it_is(wb):
    told: list[float] = []

    def progress(stage: str, done: float, total: float) -> None:
        told.append(done)
        if len(told) > 5 and max(told) > 0:
            watch.cancel()

    watch = Watch(timeout_s=60, on_progress=progress)
    for _ in range(4):  # more often than there are such connections: each comes back after it was stopped
        told.clear()
        watch = Watch(timeout_s=60, on_progress=progress)
        with pytest.raises(QueryCancelledError):
            wb.sql("SELECT count(*) FROM range(100000000000) AS t(i) WHERE i % 7 = 3", watch=watch)
        assert max(told) > 0


def test_times_are_in_utc_on_a_machine_that_is_elsewhere(tmp_path):
    code = (
        "import sys, workbench; wb = workbench.connect(sys.argv[1]);"
        "print(wb.sql(\"SELECT timestamptz '2026-01-01 00:00:00+00' :: varchar AS t\").table.to_pylist()[0]['t'])"
    )
    environ = {**os.environ, "TZ": "America/Chicago"}
    said = subprocess.run(
        [sys.executable, "-c", code, tmp_path], env=environ, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "2026-01-01 00:00:00+00"
