"""The guard, attacked through the public verbs: what is no SELECT over datasets is refused, and nothing is touched."""

from __future__ import annotations

import hashlib

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import workbench
from workbench.errors import InvalidError, NotFoundError, QueryError, WorkbenchError

CANARY = "c4n4ry-1f2e3d"
WORKERS = pa.table(
    {
        "worker_id": [1, 2, 3],
        "name": ["Ann Lee", "Bo Cruz", "Cy Oh"],
        "city": ["Joliet", "Chicago", "Joliet"],
        "pay": [18.5, 22.0, 19.25],
        "tags": [["forklift"], ["nights", "reach"], []],
        "since": pa.array(["2024-01-05", "2023-07-01", "2024-03-10"]).cast(pa.date32()),
    }
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a lake in it, a secret beside it, and a database beside that."""
    folder = tmp_path_factory.mktemp("place")
    for name in ("secret.csv", "secret.txt", "secret.json"):
        (folder / name).write_text(f"a,b\n{CANARY},1\n")
    pq.write_table(pa.table({"a": [CANARY]}), folder / "secret.parquet")
    duckdb.connect(str(folder / "secret.db")).execute(f"CREATE TABLE t AS SELECT '{CANARY}' AS a").close()
    pq.write_table(WORKERS, folder / "in.parquet")
    with workbench.connect(folder / "lake") as wb:
        wb.ingest(folder / "in.parquet", "workers", pii={"name": "name"})
        wb.ingest(folder / "in.parquet", "sales", pii={"name": "name"})
    return folder


@pytest.fixture(scope="module")
def wb(place):
    with workbench.connect(place / "lake") as opened:
        yield opened


def _tree(folder):
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else ""
        for p in sorted(folder.rglob("*"))
    }


@pytest.fixture
def untouched(place, tmp_path, monkeypatch):
    """The place, which must look the same afterwards; so must the current folder."""
    monkeypatch.chdir(tmp_path)
    before = _tree(place)
    yield place
    assert _tree(place) == before
    assert not list(tmp_path.iterdir())


def _own_file(wb):
    return str(next((wb.storage.root / "datasets" / "workers").rglob("*.parquet")))


def _fill(text, wb, place):
    return text.replace("%P", str(place)).replace("%OWN", _own_file(wb)).replace("%C", CANARY)


STATEMENTS = r"""
SELECT 1; SELECT 2
SELECT 1; DROP VIEW workers
SELECT 1; COPY workers TO '%P/out.csv'
SELECT 1 -- \n; ATTACH '%P/secret.db'
/* SELECT */ COPY (SELECT 1) TO '%P/out.csv'
COPY workers TO '%P/out.csv'
COPY (SELECT 1) TO '%OWN' (FORMAT parquet, USE_TMP_FILE false)
COPY workers FROM '%P/secret.csv'
EXPORT DATABASE '%P/out'
IMPORT DATABASE '%P'
ATTACH '%P/secret.db' AS s
ATTACH '%P/new.db'
DETACH memory
USE memory
INSTALL httpfs
LOAD '%P/x.duckdb_extension'
FORCE INSTALL spatial
UPDATE EXTENSIONS
PRAGMA database_list
PRAGMA table_info('workers')
PRAGMA enable_profiling
SET threads = 1
SET enable_external_access = true
RESET threads
SET VARIABLE x = 1
CALL pragma_version()
CALL enable_logging()
EXPLAIN SELECT 1
EXPLAIN ANALYZE INSERT INTO workers VALUES (1)
EXPLAIN ANALYZE COPY workers TO '%P/out.csv'
PREPARE p AS SELECT 1
EXECUTE p
DEALLOCATE p
CREATE TABLE t AS SELECT 1
CREATE TEMP TABLE t AS SELECT 1
CREATE OR REPLACE VIEW workers AS SELECT 1
CREATE MACRO m() AS 1
CREATE FUNCTION m() AS TABLE SELECT 1
CREATE SCHEMA s
CREATE SEQUENCE s
CREATE TYPE t AS ENUM ('a')
CREATE SECRET s (TYPE s3)
DROP VIEW workers
ALTER TABLE workers RENAME TO w
TRUNCATE workers
VACUUM
ANALYZE
CHECKPOINT
BEGIN
COMMIT
INSERT INTO workers VALUES (1)
UPDATE workers SET city = 'x'
DELETE FROM workers
MERGE INTO workers USING workers w2 ON true WHEN MATCHED THEN DELETE
COMMENT ON VIEW workers IS 'x'
WITH x AS (INSERT INTO workers VALUES (1) RETURNING *) SELECT * FROM x
WITH x AS (DELETE FROM workers RETURNING *) SELECT * FROM x
WITH x AS (UPDATE workers SET city = 'x' RETURNING *) FROM x
WITH x AS MATERIALIZED (WITH y AS (DELETE FROM workers RETURNING *) FROM y) FROM x
SELECT * FROM (WITH x AS (DELETE FROM workers RETURNING *) SELECT * FROM x)
SELECT (WITH x AS (DELETE FROM workers RETURNING *) SELECT count(*) FROM x)
PIVOT workers ON city
DESCRIBE workers
DESCRIBE SELECT 1
SUMMARIZE workers
SHOW TABLES
SHOW ALL TABLES
SELECT * FROM (DESCRIBE workers)
SELECT * FROM (SUMMARIZE workers)
SELECT * FROM (SHOW TABLES)
""".strip().splitlines()

READERS = r"""
FROM '%P/secret.csv'
SELECT * FROM '%P/secret.parquet'
SELECT * FROM "%P/secret.json"
SELECT * FROM '%OWN'
SELECT * FROM "%OWN" AS workers
WITH "%OWN" AS (SELECT * FROM "%OWN") SELECT * FROM "%OWN"
WITH "%P/secret.csv" AS (SELECT * FROM "%P/secret.csv") FROM "%P/secret.csv"
WITH a AS (SELECT * FROM "%OWN"), "%OWN" AS (SELECT 1) FROM a
WITH x AS (WITH "%OWN" AS (SELECT 1) SELECT 2) SELECT * FROM "%OWN"
SELECT * FROM (WITH "%OWN" AS (SELECT 1) SELECT 2) t, "%OWN"
SELECT (WITH "%OWN" AS (SELECT 1) SELECT 2), * FROM "%OWN"
WITH "ſales" AS (SELECT 1) SELECT * FROM "ſaleſ"
SELECT * FROM workers WHERE EXISTS (SELECT 1 FROM '%P/secret.csv')
SELECT * FROM workers JOIN '%P/secret.csv' ON true
SELECT * FROM workers, LATERAL (FROM '%P/secret.csv')
SELECT (SELECT a FROM '%P/secret.csv')
SELECT 1 UNION ALL FROM '%P/secret.csv'
SELECT 1 ORDER BY (SELECT a FROM '%P/secret.csv')
SELECT 1 LIMIT (SELECT count(*) FROM '%P/secret.csv')
SELECT count(*) FILTER (EXISTS (FROM '%P/secret.csv')) FROM workers
SELECT sum(pay) OVER (ORDER BY (SELECT a FROM '%P/secret.csv')) FROM workers
SELECT list_transform([1], lambda x: (SELECT a FROM '%P/secret.csv'))
SELECT [(SELECT a FROM '%P/secret.csv') FOR x IN [1]]
SELECT CASE WHEN true THEN (SELECT a FROM '%P/secret.csv') END
SELECT DISTINCT ON ((SELECT a FROM '%P/secret.csv')) 1
VALUES ((SELECT a FROM '%P/secret.csv'))
TABLE '%P/secret.csv'
FROM workers PIVOT (count(*) FOR city IN (SELECT a FROM '%P/secret.csv'))
FROM (FROM '%P/secret.csv') UNPIVOT (v FOR n IN (a, b))
WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT a FROM '%P/secret.csv') FROM r
FROM read_text('%P/secret.txt')
FROM read_blob('%P/secret.txt')
FROM read_csv('%P/secret.csv')
FROM read_csv_auto('%P/secret.csv')
FROM read_parquet('%P/secret.parquet')
FROM read_parquet('%OWN')
FROM parquet_scan('%OWN')
FROM parquet_metadata('%OWN')
FROM parquet_kv_metadata('%OWN')
FROM parquet_bloom_probe('%OWN', 'name', 'Ann Lee')
FROM read_json('%P/secret.json')
FROM read_ndjson_objects('%P/secret.json')
FROM read_duckdb('%P/secret.db')
FROM sniff_csv('%P/secret.csv')
FROM glob('%P/*')
FROM glob('%OWN')
FROM "read_text"('%P/secret.txt')
FROM READ_TEXT('%P/secret.txt')
FROM main.read_text('%P/secret.txt')
FROM system.main.read_text('%P/secret.txt')
FROM Read_Text /* x */ ('%P/secret.txt')
FROM query('FROM read_text(''%P/secret.txt'')')
FROM query_table('%P/secret.csv')
FROM query_table(['workers'])
FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))
FROM seq_scan('workers')
FROM arrow_scan(1, 2, 3)
FROM pandas_scan(1)
FROM python_map_function()
FROM summary(workers)
FROM test_all_types()
FROM duckdb_settings()
FROM duckdb_secrets()
FROM duckdb_views()
FROM duckdb_tables()
FROM duckdb_functions()
FROM pragma_table_info('workers')
FROM pragma_show('workers')
FROM which_secret('s3://x', 's3')
FROM checkpoint()
FROM enable_logging()
FROM duckdb_logs()
FROM information_schema.tables
FROM pg_catalog.pg_class
FROM sqlite_master
FROM duckdb_views
FROM memory.main.workers
FROM main.workers
FROM workers AT (VERSION => 1 + 0)
SELECT getenv('HOME')
SELECT current_setting('allowed_paths')
SELECT "current_setting"('allowed_paths')
SELECT system.main.current_setting('allowed_paths')
SELECT getvariable('x')
SELECT 'allowed_paths'.current_setting()
SELECT list_transform(['allowed_paths'], lambda x: current_setting(x))
SELECT read_text('%P/secret.txt')
SELECT '%P/secret.txt'.read_text()
SELECT error('x')
SELECT write_log('x')
SELECT sleep_ms(1)
SELECT pg_sleep(1)
SELECT nextval('x')
SELECT stats(name) FROM workers
SELECT json_serialize_plan('FROM workers')
SELECT pg_get_viewdef(1)
SELECT invoke(lambda x: x, 1)
SELECT to_aggregate_state('x'::BLOB, 'sum')
SELECT finalize('x'::BLOB)
SELECT __internal_decompress_string(1)
SELECT txid_current()
SELECT current_query()
SELECT count(*) FILTER (current_setting('x') = 'y') FROM workers
SELECT sum(pay) OVER (PARTITION BY current_setting('x')) FROM workers
SELECT 1 ORDER BY current_setting('x')
SELECT 1 LIMIT current_setting('x')::INT
SELECT * REPLACE (current_setting('x') AS city) FROM workers
SELECT COLUMNS(c -> current_setting('x') = c) FROM workers
FROM range(current_setting('x')::INT)
FROM workers TABLESAMPLE 1 ROWS, duckdb_settings()
""".strip().splitlines()

ODD = [
    "SELECT 1 /* /* nested */",
    "SELECT 1 /* unterminated",
    "SELECT 'unterminated",
    'SELECT "unterminated',
    "SELECT $$unterminated",
    "SELECT $a$ x $b$",
    "SELECT (1",
    "SELECT 1)",
    "",
    "   ",
    ";",
    ";;",
    "-- nothing",
    "/* nothing */",
    "SELECT\0 1",
    "SELECT '\0'",
    "SELECT '\ud800'",
    "ＳＥＬＥＣＴ 1",
    "SELECT * FROM ｗorkers",
    "SELECT * FROM work\u200bers",
    "SELECT * FROM w\u043erkers",
    "SELECT re\u0430d_text('x')",
    "SELECT * FROM \ufeffread_text('%P/secret.txt')",
    "FROM\u00a0read_text('%P/secret.txt')",
    "FROM\u2003'%P/secret.csv'",
    'FROM\u3000"%OWN"',
    "SELECT * FROM workers\u202e",
    "SELECT 1;\u00a0ATTACH '%P/secret.db'",
    "SELECT 1\uff1bSELECT 2",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT " + "(" * 900 + "1" + ")" * 900 + " FROM nowhere",
    "SELECT 1" + " + 1" * 900,
    "SELECT " + "(SELECT " * 300 + "1" + ")" * 300,
    "SELECT * FROM " + "(SELECT * FROM " * 400 + "workers" + ")" * 400,
    "SELECT " + "[" * 800 + "]" * 800,
    "SELECT " + "NOT " * 900 + "true",
    "SELECT 1 FROM workers a" + " JOIN workers USING (worker_id)" * 400,
    "SELECT '" + "x" * 300_000 + "'",
    "SELECT " + "1," * 150_000 + "1",
    "SELECT $x",
    "SELECT ?",
    "SELECT $1",
    "\\x",
    ".read x",
    "SELECT * FROM ''",
    'SELECT * FROM ""',
    "SELECT * FROM '*'",
    "SELECT * FROM '../../secret.csv'",
    "SELECT * FROM '%P/lake/../secret.csv'",
    "SELECT * FROM 'file://%P/secret.csv'",
    "SELECT * FROM 'http://127.0.0.1:9/x.csv'",
    "SELECT * FROM 's3://bucket/x.parquet'",
]


@pytest.mark.parametrize("text", STATEMENTS + READERS)
def test_it_is_refused_with_a_reason_and_a_way_on(wb, untouched, text):
    with pytest.raises((QueryError, NotFoundError, InvalidError)) as refused:
        wb.sql(_fill(text.replace("\\n", "\n"), wb, untouched), show_pii=True)
    assert refused.value.message
    assert refused.value.hint
    assert CANARY not in str(refused.value)
    assert "Ann Lee" not in str(refused.value) or "Ann Lee" in text


@pytest.mark.parametrize("text", ODD, ids=range(len(ODD)))
def test_odd_texts_end_in_an_error_of_ours(wb, untouched, text):
    with pytest.raises(WorkbenchError) as refused:
        wb.sql(_fill(text, wb, untouched))
    assert refused.value.message
    assert len(str(refused.value)) < 2000


@pytest.mark.parametrize("text", STATEMENTS + READERS + [t for t in ODD if len(t) < 200])
def test_no_condition_gets_further_than_a_statement(wb, untouched, text):
    manifest = wb.lake.get("workers")
    filled = _fill(text.replace("\\n", "\n"), wb, untouched)
    for condition in (f"EXISTS ({filled})", filled, f"true) AND EXISTS ({filled}", f"true; {filled}"):
        with pytest.raises(WorkbenchError) as refused:
            wb.lake.queries.matching(manifest, "worker_id", condition)
        assert CANARY not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["true) UNION SELECT 1 --", "1=1 ORDER BY 1", "true) OR (1=1", "true LIMIT 1", "true GROUP BY 1",
    "true) FROM sales --",
     "true) QUALIFY (true", "true) HAVING (true", "true WINDOW w AS ()", "true USING SAMPLE 1", ") OR (", "", " ",
     "-- x",
     "/*", "true) /*", "*/ true", "1, 2", "true AS x", "COLUMNS(*) = 1; SELECT 2", "true)\n--\n; SELECT (1"],
)  # fmt: skip
def test_a_condition_is_one_condition(wb, text):
    with pytest.raises(InvalidError) as refused:
        wb.lake.queries.matching(wb.lake.get("workers"), "worker_id", text)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("text", "ids"),
    [("city = 'Joliet'", [1, 3]), ("pay > 19 AND city = 'Joliet' -- note", [3]), ("'a)(b' <> city", [1, 2, 3]),
     ("workers.pay > (SELECT avg(pay) FROM workers)", [2]), ("worker_id IN (SELECT worker_id FROM sales@1)", [1, 2, 3]),
     ("len(tags) = 0 /* ( */", [3]), ("name LIKE 'A%'", [1]), ("CASE WHEN true THEN worker_id = 1 END", [1])],
)  # fmt: skip
def test_conditions_that_people_write(wb, text, ids):
    assert wb.lake.queries.matching(wb.lake.get("workers"), "worker_id", text).to_pylist() == ids


def test_a_condition_that_fails_tells_no_value(wb):
    with pytest.raises(QueryError) as failed:
        wb.lake.queries.matching(wb.lake.get("workers"), "worker_id", "CAST(name AS INTEGER) = 1")
    assert "Ann" not in str(failed.value)
    assert "Cruz" not in str(failed.value)
