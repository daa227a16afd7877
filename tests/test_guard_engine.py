"""The guard's second fence (the engine itself), the reviewed functions, and what analysts write and must get."""

from __future__ import annotations

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import workbench
from workbench.errors import QueryError
from workbench.lake.sql import guard
from workbench.lake.sql.parser import Parser

# Functions that somebody looked at and left out: settings, variables, session, catalog, waiting, logging, errors that
# say their argument, binary states of the engine, files. A function that is on neither list fails the test below.
_LEFT_OUT = """
add_parquet_key alias assert_true bitstring_byte_comparable can_cast_implicitly cast_to_type col_description combine
combine_aggr constant_or_null create_sort_key current_catalog current_connection_id current_database current_query
current_query_id current_role current_schema current_schemas current_setting current_transaction_id current_user currval
decimal_average decimal_division error finalize format_pg_type format_type get_block_size getvariable
hive_partition_component icu_sort_key in_search_path index_key invoke is_histogram_other_bin json_copy_strftime_if_date
json_copy_strftime_if_timestamp json_deserialize_sql json_serialize_plan json_serialize_sql map_to_pg_oid nextval
obj_description parse_duckdb_log_message pg_collation_is_visible pg_conf_load_time pg_conversion_is_visible
pg_function_is_visible pg_get_constraintdef pg_get_expr pg_get_viewdef pg_has_role pg_is_other_temp_schema
pg_my_temp_schema pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible pg_postmaster_start_time pg_sleep
pg_table_is_visible pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible
pg_type_is_visible remap_struct session_user setseed setval shobj_description sleep_ms st_asbinary st_asgeojson
st_astext
st_aswkb st_aswkt st_crs st_geomfromgeojson st_geomfromwkb st_intersects_extent st_setcrs stats sum_no_overflow switch
timetz_byte_comparable to_aggregate_state txid_current unpivot_list user variant_bytes_to_variant variant_comparator
variant_group_array variant_group_object variant_normalize variant_to_parquet_variant vector_type vertex_extract
write_log
inet_client_addr inet_client_port inet_server_addr inet_server_port has_any_column_privilege has_column_privilege
has_database_privilege has_foreign_data_wrapper_privilege has_function_privilege has_language_privilege
has_schema_privilege has_sequence_privilege has_server_privilege has_table_privilege has_tablespace_privilege
"""
LEFT_OUT = frozenset(_LEFT_OUT.split())
# What the engine has for itself: one collation function per language, and the inside of its optimizer.
LEFT_OUT_STARTS = ("__", "collate_", "icu_collate_")


@pytest.fixture(scope="module")
def functions():
    rows = duckdb.connect().execute("SELECT DISTINCT function_type, lower(function_name) FROM duckdb_functions()")
    return rows.fetchall()


def _allowed(con, sql):
    try:
        guard.judge(Parser(con), sql, known=lambda _: False)
    except QueryError:
        return False
    return True


def test_every_function_of_the_engine_was_reviewed(functions):
    unknown = {
        name
        for kind, name in functions
        if kind not in {"table", "table_macro", "pragma"}
        and name not in guard.FUNCTIONS
        and name not in guard.TABLE_FUNCTIONS
        and name not in LEFT_OUT
        and not name.startswith(LEFT_OUT_STARTS)
        and "distinct from" not in name
    }
    assert not unknown, "look at these and put them into guard.FUNCTIONS or into LEFT_OUT"
    assert not guard.FUNCTIONS & LEFT_OUT


def test_only_reviewed_functions_pass(functions):
    con, known = duckdb.connect(config={"threads": 1}), guard.FUNCTIONS | guard.TABLE_FUNCTIONS
    for kind, name in functions:
        if "distinct from" in name:
            continue
        quoted = '"' + name + '"'
        for sql in (f"SELECT {quoted}()", f"SELECT {quoted}(1) OVER ()", f"SELECT 1 WHERE {quoted}(1)"):
            assert not _allowed(con, sql) or name in known, sql
        assert _allowed(con, f"SELECT * FROM {quoted}(1)") == (name in guard.TABLE_FUNCTIONS), (kind, name)


def test_the_list_names_no_function_that_is_gone(functions):
    # The parser makes these out of syntax, or they are other spellings of operators.
    syntax = {"->", "==", "<>", "||"}
    assert guard.FUNCTIONS - {name for _, name in functions} - syntax == set()


@pytest.fixture
def lake_file(tmp_path):
    pq.write_table(pa.table({"a": [1], "b": ["x"]}), tmp_path / "own.parquet")
    pq.write_table(pa.table({"a": ["c4n4ry"]}), tmp_path / "other.parquet")
    (tmp_path / "secret.csv").write_text("a\nc4n4ry\n")
    return tmp_path / "own.parquet"


@pytest.fixture
def engine(lake_file):
    con = guard.guarded_connection(
        {"t": [str(lake_file)]}, {"t": f"SELECT a, b FROM read_parquet(['{lake_file}'])"}, threads=1
    )
    yield con
    con.close()


@pytest.mark.parametrize(
    "sql",
    ["FROM '%P/secret.csv'", "FROM '%P/other.parquet'", "FROM read_text('%P/secret.csv')",
    "FROM read_blob('%P/secret.csv')",
     "FROM read_csv('%P/secret.csv')", "FROM read_parquet('%P/*.parquet')", "FROM glob('%P/*')", "FROM glob('/*')",
     "FROM sniff_csv('%P/secret.csv')", "FROM read_json('%P/secret.csv')", "FROM parquet_metadata('%P/other.parquet')",
     "FROM read_text('/etc/passwd')", "FROM read_text('/proc/self/environ')",
     "FROM read_text('%P/./own.parquet/../secret.csv')",
     "COPY t TO '%P/new.csv'", "COPY t TO '/dev/stdout'", "COPY t TO '%P/own.parquet'", "EXPORT DATABASE '%P/x'",
     "IMPORT DATABASE '%P'", "ATTACH '%P/new.db'", "ATTACH '%P/new.db' (READ_ONLY)", "INSTALL httpfs", "LOAD httpfs",
     "LOAD '%P/x.duckdb_extension'", "FROM read_parquet('http://127.0.0.1:9/x')", "FROM read_csv('https://127.0.0.1:9/x')",
     "FROM 's3://b/x.parquet'", "SET threads = 2", "RESET threads", "SET enable_external_access = true",
     "SET GLOBAL enable_external_access = true", "SET lock_configuration = false", "SET allowed_paths = ['/']",
     "SET allowed_directories = ['/']", "SET temp_directory = '%P/tmp'", "SET memory_limit = '1TB'",
     "SET TimeZone = 'Asia/Tokyo'",
     "SET python_enable_replacements = true", "PRAGMA enable_profiling", "PRAGMA profiling_output='%P/p'",
     "CALL enable_logging(storage='file', storage_path='%P/logs')", "CREATE SECRET s (TYPE s3)",
     "CREATE PERSISTENT SECRET s (TYPE s3)", "SELECT * FROM some_python_table"],
)  # fmt: skip
def test_the_engine_alone_opens_nothing_else(engine, lake_file, sql):
    some_python_table = pa.table({"a": ["c4n4ry"]})
    assert some_python_table.num_rows == 1
    before = {p.name: p.read_bytes() for p in lake_file.parent.iterdir()}
    with pytest.raises(duckdb.Error) as refused:
        engine.execute(sql.replace("%P", str(lake_file.parent))).fetchall()
    assert "c4n4ry" not in str(refused.value)
    assert {p.name: p.read_bytes() for p in lake_file.parent.iterdir()} == before
    assert engine.execute("SELECT a, b FROM t").fetchall() == [(1, "x")]


def test_a_copy_onto_the_datasets_own_file_is_no_select_to_the_engine_either(engine, lake_file):
    # allowed_paths opens a file for writing too (DuckDB 2.0), so the engine's own parser is asked what it will run.
    for sql in (
        f"COPY (SELECT 1) TO '{lake_file}' (FORMAT parquet, USE_TMP_FILE false)",
        "SELECT 1; SELECT 2",
        "SET x = 1",
    ):
        with pytest.raises(QueryError):
            guard.only_select(engine, sql)
    assert engine.execute(guard.only_select(engine, "SELECT a FROM t -- x")).fetchall() == [(1,)]


def test_a_cursor_is_locked_too(engine):
    with pytest.raises(duckdb.Error, match="locked"):
        engine.cursor().execute("SET threads = 2")


WORKERS = pa.table(
    {
        "worker_id": [1, 2, 3, 4],
        "city": ["Joliet", "Chicago", "Joliet", None],
        "pay": [18.5, 22.0, 19.25, 30.0],
        "tags": [["forklift"], ["nights", "reach"], [], None],
        "home": [{"state": "IL", "zip": "60431"}] * 4,
        "since": pa.array(["2024-01-05", "2023-07-01", "2024-03-10", "2022-02-28"]).cast(pa.date32()),
        "extra": ['{"shift": "day", "miles": [1, 2]}', "{}", '{"shift": "night"}', None],
        "jan": [1, 2, 3, 4],
        "feb": [5, 6, 7, 8],
    }
)
SHIFTS = pa.table(
    {
        "worker_id": [1, 1, 2, 9],
        "came": pa.array(["2024-01-10", "2024-02-10", "2024-01-01", "2024-01-01"]).cast(pa.date32()),
    }
)
QUERIES = """
SELECT * FROM workers ORDER BY ALL
FROM workers ORDER BY worker_id
FROM workers SELECT city, count(*) GROUP BY ALL ORDER BY ALL
SELECT city, pay, rank() OVER (PARTITION BY city ORDER BY pay DESC) AS r FROM workers ORDER BY ALL
SELECT worker_id, lag(pay, 1, 0.0) OVER w, sum(pay) OVER w FROM workers WINDOW w AS (ORDER BY worker_id ROWS 1 PRECEDING)
SELECT city, pay FROM workers QUALIFY row_number() OVER (PARTITION BY city ORDER BY pay) = 1 ORDER BY ALL
WITH a AS (SELECT city, avg(pay) p FROM workers GROUP BY 1), b AS (SELECT max(p) m FROM a) SELECT a.city FROM a, b WHERE p = m
WITH workers AS (SELECT * FROM workers WHERE pay > 19) SELECT count(*) FROM workers
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r ORDER BY n
WITH a(x, y) AS MATERIALIZED (SELECT worker_id, pay FROM workers) SELECT x FROM a ORDER BY y
SELECT w.city, s.came FROM workers w LEFT JOIN shifts s USING (worker_id) ORDER BY ALL
SELECT w.worker_id, s.came FROM workers w ASOF JOIN shifts s ON w.worker_id = s.worker_id AND w.since <= s.came ORDER BY ALL
SELECT * FROM workers SEMI JOIN shifts USING (worker_id) ORDER BY ALL
SELECT * FROM workers ANTI JOIN shifts USING (worker_id) ORDER BY ALL
SELECT a.worker_id, b.worker_id FROM Workers a JOIN WORKERS b ON a.city = b.city AND a.worker_id < b.worker_id
SELECT w.worker_id, t.tag FROM workers w, unnest(w.tags) AS t(tag) ORDER BY ALL
SELECT w.worker_id, x.n FROM workers w, LATERAL (SELECT w.pay * 2 AS n) x ORDER BY ALL
SELECT worker_id, unnest(tags) AS tag FROM workers ORDER BY ALL
SELECT list_transform(tags, lambda t: upper(t)) AS u, len(tags) AS n, [t FOR t IN tags IF t <> 'reach'] AS x FROM workers ORDER BY ALL
SELECT list_filter([1, 2, 3], lambda x: x > 1), list_sort([3, 1]), array_agg(pay ORDER BY pay) FROM workers
SELECT home.state, home['zip'], struct_pack(a := 1, b := 'x'), {'k': pay}, map {'a': 1} FROM workers ORDER BY ALL
SELECT * FROM (SELECT worker_id, jan, feb FROM workers) UNPIVOT (v FOR m IN (jan, feb)) ORDER BY ALL
SELECT * FROM (SELECT city, pay FROM workers) PIVOT (sum(pay) FOR city IN ('Joliet', 'Chicago'))
SELECT city, sum(pay), grouping(city) FROM workers GROUP BY ROLLUP (city) ORDER BY ALL
SELECT count(*) FILTER (city = 'Joliet') AS il, count(DISTINCT city), median(pay), quantile_cont(pay, 0.9) FROM workers
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY pay), mode(city), string_agg(city, ',' ORDER BY city) FROM workers
SELECT regexp_matches(city, '^J'), regexp_replace(city, 'o', '0'), city ~ 'J.*', city SIMILAR TO 'J%' FROM workers ORDER BY ALL
SELECT city LIKE 'J%', city ILIKE 'j%', city NOT LIKE '%x', city GLOB 'J*', city LIKE 'J!%' ESCAPE '!' FROM workers ORDER BY ALL
SELECT date_trunc('month', since), extract(year FROM since), since + INTERVAL 1 MONTH, date_diff('day', since, DATE '2024-06-01'), strftime(since, '%d %b'), dayname(since), age(TIMESTAMP '2024-01-01', since) FROM workers ORDER BY ALL
SELECT TIMESTAMPTZ '2024-01-01 12:00:00+00' AT TIME ZONE 'America/Chicago', time_bucket(INTERVAL 7 DAY, since) FROM workers ORDER BY ALL
SELECT * FROM generate_series(DATE '2024-01-01', DATE '2024-01-05', INTERVAL 1 DAY) AS g(d)
SELECT * FROM range(3) r(i), range(2) s(j) ORDER BY ALL
SELECT extra->>'shift', extra->'$.miles', json_extract_string(extra, '$.shift'), json_array_length(extra->'miles') FROM workers ORDER BY ALL
SELECT worker_id, j.key FROM workers, json_each(workers.extra) j WHERE extra <> '{}' ORDER BY ALL
SELECT CASE city WHEN 'Joliet' THEN 1 ELSE 0 END, coalesce(city, '-'), ifnull(city, '-'), nullif(city, 'Joliet'), if(pay > 20, 'a', 'b') FROM workers ORDER BY ALL
SELECT TRY_CAST('x' AS INT), '12'::INT, CAST(pay AS DECIMAL(5, 1)), pay::VARCHAR, TRY(ln(0)) FROM workers ORDER BY ALL
SELECT greatest(jan, feb), least(jan, feb), abs(-jan), @ -5, round(pay, 1), jan // 2, jan % 2, jan ** 2, 5!, jan & 1, -jan FROM workers ORDER BY ALL
SELECT city FROM workers WHERE pay BETWEEN 18 AND 20 AND city IN ('Joliet', 'Gary') AND city IS NOT NULL AND NOT (pay = 3) OR city IS DISTINCT FROM city ORDER BY ALL
SELECT city FROM workers WHERE pay > ALL (SELECT pay FROM workers WHERE city = 'Joliet') AND pay = ANY (SELECT pay FROM workers) AND EXISTS (SELECT 1 FROM shifts s WHERE s.worker_id = workers.worker_id)
SELECT (SELECT max(came) FROM shifts s WHERE s.worker_id = w.worker_id) AS last_at FROM workers w ORDER BY worker_id
SELECT ARRAY(SELECT pay FROM workers ORDER BY pay) AS pays
SELECT city FROM workers UNION SELECT 'x' EXCEPT SELECT 'Joliet' INTERSECT SELECT 'Joliet' ORDER BY 1
SELECT worker_id, city FROM workers UNION ALL BY NAME SELECT worker_id, came FROM shifts ORDER BY ALL
SELECT * EXCLUDE (tags, home, extra) REPLACE (pay * 2 AS pay) RENAME (city AS town) FROM workers ORDER BY ALL
SELECT min(COLUMNS('jan|feb')), COLUMNS(['jan', 'feb']) FROM workers GROUP BY ALL ORDER BY ALL
SELECT COLUMNS(lambda c: c LIKE 'j%') FROM workers ORDER BY ALL
SELECT * LIKE 'j%' FROM workers ORDER BY ALL
SELECT #2, #1 FROM workers ORDER BY ALL
SELECT DISTINCT ON (city) city, pay FROM workers ORDER BY city, pay DESC
SELECT city AS c, upper(c) AS u FROM workers WHERE c = 'Joliet' ORDER BY u
SELECT pay FROM workers ORDER BY pay DESC NULLS LAST LIMIT 2 OFFSET 1
SELECT pay FROM workers ORDER BY pay LIMIT 50%
SELECT count(*) FROM workers TABLESAMPLE 100%
SELECT count(*) FROM workers USING SAMPLE 100% (bernoulli)
SELECT corr(jan, feb), stddev(pay), histogram(city), arg_max(city, pay), approx_count_distinct(city), covar_pop(jan, feb) FROM workers
SELECT levenshtein('a', 'b'), jaro_winkler_similarity('ab', 'ac'), split_part('a-b', '-', 2), concat_ws('-', 'a', 'b'), lpad('1', 3, '0'), format('{} {}', 1, 2), printf('%d', 3), substring('abc', 2), 'abc'[1:2], left('abc', 1), trim(' a '), position('b' IN 'abc'), overlay('abc' PLACING 'x' FROM 2), strip_accents('é'), md5('a'), hash('a') IS NULL
VALUES (1, 'a'), (2, 'b')
TABLE shifts ORDER BY ALL
SELECT 1 AS "select", 'it''s' AS "a b", $$dollar$$ AS d, E'a\\nb' AS e -- comment ; not a statement
SELECT city COLLATE NOCASE FROM workers ORDER BY city COLLATE NOCASE, 1
SELECT typeof(pay), current_date IS NOT NULL, now() IS NOT NULL, today() IS NOT NULL FROM workers
SELECT x FROM (VALUES (1), (2)) t(x) WHERE x > 1;
""".strip().splitlines()  # noqa: E501


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A workbench and plain DuckDB over the same tables."""
    folder = tmp_path_factory.mktemp("both")
    plain = duckdb.connect()
    plain.execute("SET TimeZone = 'UTC'")
    with workbench.connect(folder / "lake") as wb:
        for name, table in (("workers", WORKERS), ("shifts", SHIFTS)):
            pq.write_table(table, folder / f"{name}.parquet")
            wb.ingest(folder / f"{name}.parquet", name)
            plain.register(name, table)
        yield wb, plain
    plain.close()


@pytest.mark.parametrize("sql", QUERIES)
def test_what_analysts_write_gives_what_duckdb_gives(both, sql):
    wb, plain = both
    expected = plain.sql(sql).to_arrow_table()
    answer = wb.sql(sql)
    assert answer.table.to_pylist() == expected.to_pylist()
    assert answer.table.column_names == expected.column_names
    assert answer.masked == ()
