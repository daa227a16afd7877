"""Relations: pinned, composed, masked, with DataFrames as tables."""

from __future__ import annotations

import datetime as dt
import shutil
import threading

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import workbench
from workbench import pii
from workbench.errors import InvalidError, NotFoundError, QueryCancelledError, QueryError
from workbench.lake.sql.engine import Watch

ROSTER = (
    "worker_id,name,city,phone,state\n1,Ann Lee,Joliet,815-555-0100,IL\n"
    "2,Bo Cruz,Chicago,312-555-0101,IL\n3,Cy Oh,Gary,219-555-0102,IN\n"
)
JOBS = "job_id,city,pay\n1,Joliet,20\n2,Gary,30\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A lake of this file's own, for copies: to ingest it anew for each test would cost more than the tests."""
    folder = tmp_path_factory.mktemp("made")
    for name, text in (("workers", ROSTER), ("jobs", JOBS)):
        (folder / f"{name}.csv").write_text(text)
    with workbench.connect(folder / "lake") as opened:
        for name in ("workers", "jobs"):
            opened.ingest(folder / f"{name}.csv", name)
    return folder


@pytest.fixture
def wb(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    with workbench.connect(tmp_path / "lake") as opened:
        yield opened


def add_worker(wb, tmp_path):
    (tmp_path / "more.csv").write_text("worker_id,name,city,phone,state\n4,Di Fox,Joliet,815-555-0103,IL\n")
    wb.ingest(tmp_path / "more.csv", "workers")


def rows(relation):
    return relation.fetch().table.to_pylist()


def test_a_relation_stays_at_the_snapshot_of_its_making(wb, tmp_path):
    before = wb.relation("SELECT count(*) AS n FROM workers")
    add_worker(wb, tmp_path)
    assert rows(before) == [{"n": 3}]
    assert rows(wb.relation("SELECT count(*) AS n FROM workers")) == [{"n": 4}]
    assert (before.snapshots, before.sql) == ({"workers": 1}, "SELECT count(*) AS n FROM workers@1")
    assert before.typed == "SELECT count(*) AS n FROM workers"
    assert before.fetch().snapshots == {"workers": 1}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT city FROM workers ORDER BY 1",
        "SELECT workers.city FROM workers ORDER BY 1",
        "SELECT w.city FROM workers w ORDER BY 1",
        "SELECT w.city FROM workers AS w ORDER BY 1",
        "FROM workers SELECT city ORDER BY 1;",
        "-- a comment: FROM workers\n  /* and */ SELECT city FROM Workers ORDER BY 1 -- end",
        'SELECT city FROM "workers" ORDER BY 1 ; -- end',
        "WITH workers AS (SELECT 'x' AS y) SELECT y AS city FROM workers",
        "WITH w AS (SELECT * FROM workers), v AS (FROM w) SELECT city FROM v ORDER BY 1",
        "WITH workers AS (SELECT * FROM workers) SELECT city FROM workers ORDER BY 1",
        "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) "
        "SELECT n, city FROM r JOIN workers ON n = worker_id ORDER BY 1",
        "(SELECT city FROM workers) UNION (SELECT city FROM jobs) ORDER BY 1",
        "SELECT 'é–workers' AS e, city FROM workers, (SELECT 1) ORDER BY 2",
        "SELECT city FROM workers@1 ORDER BY 1",
        "SELECT workers.city FROM workers@1 ORDER BY 1",
        "SELECT city FROM workers@'2099-01-01' ORDER BY 1",
        "SELECT city FROM workers@today ORDER BY 1",
        "SELECT city FROM workers AT (VERSION => 1) ORDER BY 1",
        "SELECT a.city FROM workers a JOIN workers@1 b USING (worker_id) ORDER BY 1",
        "SELECT (SELECT max(pay) FROM jobs WHERE jobs.city = workers.city) AS p FROM workers ORDER BY 1",
        "SELECT workers FROM workers ORDER BY workers.worker_id",
        "SELECT city FROM workers TABLESAMPLE 100% ORDER BY 1",
        "SELECT * FROM jobs PIVOT (sum(pay) FOR city IN ('Joliet', 'Gary'))",
        "SELECT * FROM jobs UNPIVOT (v FOR k IN (pay, job_id)) ORDER BY ALL",
        "SELECT 1 AS one",
        "VALUES (1, 'workers')",
        "SELECT city FROM workers WHERE city IN (SELECT city FROM jobs) AND EXISTS (FROM jobs) ORDER BY 1",
    ],
)
def test_a_pinned_statement_says_what_the_typed_one_says(wb, tmp_path, sql):
    now = wb.sql(sql).table
    pinned = wb.relation(sql)
    add_worker(wb, tmp_path)
    assert pinned.fetch().table.to_pylist() == now.to_pylist()
    # what it shows as its SQL is a statement that says the same at any time
    assert wb.sql(pinned.sql).table.to_pylist() == now.to_pylist()
    assert wb.relation("SELECT * FROM a", frames={"a": pinned}).count() == now.num_rows


def test_a_relation_reads_another_by_its_name(wb, tmp_path):
    local = wb.relation("SELECT * FROM workers WHERE state = $state -- mine", {"state": "IL"})
    add_worker(wb, tmp_path)
    sql = "SELECT l.city, pay FROM local l JOIN jobs USING (city) WHERE pay > $state"
    joined = wb.relation(sql, {"state": 5}, frames={"local": local})
    assert rows(joined) == [{"city": "Joliet", "pay": 20}]
    assert joined.snapshots == {"workers": 1, "jobs": 1}
    again = wb.relation("SELECT count(*) AS n FROM joined, local, workers", frames={"joined": joined, "local": local})
    assert rows(again) == [{"n": 1 * 2 * 4}]
    assert again.snapshots == {"jobs": 1, "workers@1": 1, "workers@2": 2}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS n FROM a",
        "FROM a SELECT count(*) AS n;",
        "/* with */ WITH b AS (SELECT * FROM a) SELECT count(*) AS n FROM b",
        "with/**/a as (select * from a) select count(*) as n from a",
        "WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT 2 FROM r WHERE i < 2) SELECT count(*) / 2 AS n FROM r, a",
        "-- é\nSELECT count(*) AS n FROM A AS x",
        "(SELECT count(*) AS n FROM a) UNION (SELECT 3)",
        "SELECT count(a.city) AS n FROM a",
    ],
)
def test_composing_keeps_every_form_of_statement(wb, sql):
    a = wb.relation("WITH a AS (SELECT * FROM workers) SELECT city FROM a ORDER BY city LIMIT $n", {"n": 3})
    assert rows(wb.relation(sql, frames={"a": a})) == [{"n": 3}]


def test_values_of_two_relations_never_meet(wb):
    first = wb.relation("SELECT ? AS a, ? AS b", ["x", 1])
    second = wb.relation("SELECT $b AS b, $a AS a", {"a": 2, "b": "y"})
    sql = "SELECT f.a AS fa, s.a AS sa, f.b AS fb, $a AS mine FROM f, s"
    assert rows(wb.relation(sql, {"a": "z"}, frames={"f": first, "s": second})) == [
        {"fa": "x", "sa": 2, "fb": 1, "mine": "z"}
    ]
    assert (first.params, second.params) == (["x", 1], {"a": 2, "b": "y"})


def test_frames_of_every_make_are_tables(wb):
    data = {"city": ["Joliet", "Gary"], "rank": [1, 2]}
    for made in (pd.DataFrame(data), pl.DataFrame(data), pa.table(data), pa.table(data).to_batches()[0]):
        sql = "SELECT w.city, r.rank FROM workers w JOIN ranks r USING (city) ORDER BY r.rank"
        assert rows(wb.relation(sql, frames={"ranks": made})) == [
            {"city": "Joliet", "rank": 1},
            {"city": "Gary", "rank": 2},
        ]
        assert rows(wb.relation("SELECT sum(Ranks.rank) AS n FROM Ranks", frames={"ranks": made})) == [{"n": 3}]
    with pytest.raises(NotFoundError, match="ranks"):
        wb.sql("SELECT * FROM ranks")


def test_a_frame_is_read_as_it_was_when_the_relation_was_made(wb):
    numbers = pd.DataFrame({"a": np.arange(5), "s": ["x"] * 5})
    polar = pl.DataFrame({"a": [1, 2, 3]})
    kept = wb.relation(
        "SELECT sum(n.a) AS s, max(n.s) AS t, (SELECT sum(a) FROM p) AS p FROM n", frames={"n": numbers, "p": polar}
    )
    numbers.loc[0, "a"] = 1000
    numbers["s"] = "y"
    numbers.iloc[1:, 0] += 7
    polar[0, "a"] = 99
    assert rows(kept) == [{"s": 10, "t": "x", "p": 6}]
    # also through a relation that reads it, after the first is gone
    outer = wb.relation("SELECT s + 1 AS s FROM kept", frames={"kept": kept})
    del kept
    numbers.loc[0, "a"] = 5
    assert rows(outer) == [{"s": 11}]


def test_a_dataset_comes_before_a_frame_of_its_name_and_says_so(wb):
    frame = pd.DataFrame({"city": ["Mars"]})
    answer = wb.relation("SELECT count(*) AS n FROM workers", frames={"workers": frame}).fetch()
    assert answer.table.to_pylist() == [{"n": 3}]
    assert answer.notes == ("workers: the dataset was read, not the DataFrame of that name",)
    inner = "WITH workers AS (SELECT 1 AS x) SELECT * FROM workers"
    assert wb.relation(inner, frames={"workers": frame}).notes == ()


def test_an_index_that_is_left_out_is_said(wb):
    frame = pd.DataFrame({"n": [1]}, index=pd.Index(["a"], name="key"))
    assert "f.reset_index()" in wb.relation("FROM f", frames={"f": frame}).fetch().notes[0]


def test_periods_are_read_as_text_and_it_is_said(wb):
    frame = pd.DataFrame({"n": [1, 2], "month": pd.PeriodIndex(["2026-01", None], freq="M")})
    answer = wb.relation("SELECT month FROM f ORDER BY n", frames={"f": frame}).fetch()
    assert answer.table.to_pylist() == [{"month": "2026-01"}, {"month": None}]
    assert answer.notes == ('f: month holds periods, read as text; f["month"].dt.to_timestamp() makes it times',)
    assert str(frame["month"].dtype) == "period[M]"


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pd.DataFrame({"ok": [1, 2], "bad": [1, "a"]}), "'bad' holds values of several types: int, str"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "two columns of one name"),
        (pd.DataFrame({"Id": [1], "ID": [2]}), "several columns named 'id'"),
        (pd.DataFrame({"a": [object()]}), "cannot be read"),
        (pl.DataFrame({"a": [1]}).lazy(), "LazyFrame, which SQL cannot read"),
        (pd.Series([1]), "Series, which SQL cannot read"),
        ([1, 2], "list, which SQL cannot read"),
        (pd.DataFrame(), "no columns"),
    ],
)
def test_what_is_no_table_is_refused_with_words(wb, frame, said):
    with pytest.raises(InvalidError, match=said) as refused:
        wb.relation("SELECT * FROM f", frames={"f": frame})
    assert refused.value.hint
    assert ("ID" in refused.value.hint) == ("columns named" in said)
    # nobody asks for it, nobody minds
    assert wb.relation("SELECT 1 AS one", frames={"f": frame}).count() == 1


def test_masking_follows_through_composed_relations(wb):
    shown = wb.relation("SELECT name AS a, city FROM workers", show_pii=True)
    renamed = wb.relation("SELECT a AS b, upper(a) AS c FROM x", frames={"x": shown})
    answer = wb.relation("WITH z AS (FROM y) SELECT b || '!' AS d, b, c FROM z", frames={"y": renamed}).fetch()
    assert answer.masked == ("d", "b", "c")
    assert "Ann" not in str(answer.table.to_pylist()).replace("ANN", "Ann")
    assert "Ann Lee" in str(shown.fetch().table.to_pylist())
    schema, batches = renamed.stream()
    assert schema.names == ["b", "c"]
    assert "Ann" not in str([b.to_pylist() for b in batches])


def test_values_in_frames_are_masked_by_what_they_are(wb):
    frame = pd.DataFrame({"note": ["ssn 123-45-6789", "call 312-555-0199"], "n": [1, 2]})
    told = str(rows(wb.relation("SELECT note || '.' AS x, n FROM f", frames={"f": frame})))
    assert "123-45-6789" not in told
    assert "312-555-0199" not in told
    assert "ssn" in told
    assert "123-45-6789" in str(rows(wb.relation("FROM f", frames={"f": frame}, show_pii=True)))


def test_pages_counts_and_all_rows(wb):
    numbers = wb.relation("SELECT i, i % 7 AS k FROM range(100000) t(i) ORDER BY i")
    page = numbers.fetch(10)
    assert (page.row_count, page.truncated) == (10, True)
    assert numbers.count() == 100_000
    assert numbers.arrow().num_rows == len(numbers.df()) == len(numbers.pl()) == 100_000
    assert sum(batch.num_rows for batch in numbers.stream()[1]) == 100_000
    assert not wb.relation("SELECT 1").fetch(1).truncated
    with pytest.raises(InvalidError):
        numbers.fetch(0)


def test_a_plan_shows_no_value_and_runs_only_when_asked(wb):
    relation = wb.relation("SELECT phone FROM workers WHERE city = $c ORDER BY phone LIMIT 1", {"c": "Joliet"})
    plan, run = relation.explain(), relation.explain(analyze=True)
    assert "parquet" in plan
    assert "city = 'Joliet'" in plan
    assert " ms" in run
    assert " ms" not in plan
    assert "815-555-0100" not in plan + run
    assert str(wb.settings.lake) not in plan + run


def test_a_plan_of_one_row_says_one_row(wb):
    plan = wb.relation("SELECT city FROM workers WHERE worker_id = 1").explain(analyze=True)
    assert "· 1 row ·" in plan
    assert " 1 rows" not in plan


def test_a_plan_does_not_tell_what_a_join_found(wb):
    sql = "SELECT a.city FROM workers a JOIN (SELECT name FROM workers ORDER BY worker_id LIMIT 1) b USING (name)"
    assert "Ann" not in wb.relation(sql).explain(analyze=True)
    assert "Ann Lee" in wb.relation(sql, show_pii=True).explain(analyze=True)


def test_unknown_names_are_refused_before_anything_runs(wb):
    frames = {"by_role": pd.DataFrame({"a": [1]})}
    for sql, near in (("FROM by_rol", "by_role"), ("FROM worker", "workers"), ("FROM jobs, by_roles", "by_role")):
        with pytest.raises(NotFoundError) as missing:
            wb.relation(sql, frames=frames)
        assert near in missing.value.hint
    with pytest.raises(NotFoundError):
        wb.relation("FROM workers@7")


@pytest.mark.parametrize(
    ("sql", "params", "said", "hint"),
    [
        ("SELECT $x", None, "parameter x", "{{x}} binds"),
        ("SELECT $x", {"x": 1, "y": 2}, "no place for parameter y", "$x"),
        ("SELECT ?", [], "parameter 1", "params"),
        ("SELECT 1; SELECT 2", None, "2 statements", ""),
        ("DROP TABLE x", None, "not a SELECT", ""),
        ("SELECT * FROM read_csv('x')", None, "read_csv", ""),
        ("SELECT * FROM 'x.parquet'", None, "x.parquet", ""),
        ("SELEC 1", None, "syntax error", ""),
        ("", None, "no SQL", ""),
        ("SELECT '\ud800'", None, "lone surrogate", ""),
        ("WITH x AS (INSERT INTO workers VALUES (1) RETURNING *) SELECT * FROM x", None, "insert", "only read"),
    ],
)
def test_what_wb_sql_refuses_a_relation_refuses(wb, sql, params, said, hint):
    with pytest.raises(workbench.WorkbenchError, match=said) as refused:
        wb.relation(sql, params)
    assert hint in refused.value.hint


def test_names_that_were_put_in_are_no_door(wb):
    inner = wb.relation("SELECT * FROM workers")
    part = inner.part.name
    for sql in (f'SELECT * FROM "{part}"', 'SELECT * FROM "workers@1"', 'SELECT * FROM "df·1"'):
        with pytest.raises(workbench.WorkbenchError):
            wb.relation(sql, frames={"x": inner})
    # a name of a frame is a name, whatever it holds
    odd = 'a" AS (SELECT 1), "b'
    quoted = odd.replace('"', '""')
    assert wb.relation(f'SELECT n FROM "{quoted}"', frames={odd: pa.table({"n": [5]})}).count() == 1


def test_a_relation_of_another_lake_is_refused(wb, tmp_path):
    with workbench.connect(tmp_path / "other") as other, pytest.raises(InvalidError, match="another lake"):
        other.relation("FROM x", frames={"x": wb.relation("SELECT 1")})


def test_a_relation_is_read_after_its_lake_was_opened_again(wb, tmp_path):
    before = wb.relation("SELECT city, phone FROM workers ORDER BY worker_id")
    wb.close()
    with workbench.connect(tmp_path / "lake") as again:
        made = again.relation("SELECT * FROM before WHERE city <> 'Gary'", frames={"before": before})
        assert [row["city"] for row in rows(made)] == ["Joliet", "Chicago"]
        assert "815" not in str(rows(made))
        assert again.save(made, "kept").rows == 2


def test_a_fetch_can_be_cancelled_and_the_lake_lives(wb):
    slow = wb.relation("SELECT count(*) FROM range(100000000) a, range(100000) b WHERE (a.range * b.range) % 7 = 1")
    watch = Watch()
    timer = threading.Timer(0.2, watch.cancel)
    timer.start()
    with pytest.raises(QueryCancelledError):
        slow.fetch(watch=watch)  # to its end it would take hours, and no test is given those
    timer.join()
    assert wb.relation("SELECT 1").count() == 1


def test_threads_can_make_and_fetch_relations_at_once(wb):
    found: list[int] = []

    def work(number: int) -> None:
        frame = pa.table({"n": [number] * number})
        relation = wb.relation("SELECT count(*) AS c FROM f, workers WHERE n = $n", {"n": number}, frames={"f": frame})
        found.append(relation.fetch().table.column(0)[0].as_py() == number * 3)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 8


def test_dates_and_lists_bind_as_themselves(wb):
    when = dt.date(2026, 11, 1)
    sql = "SELECT $d AS d, 2 IN (SELECT unnest($l)) AS yes, typeof($l) AS t"
    assert rows(wb.relation(sql, {"d": when, "l": [1, 2]})) == [{"d": when, "yes": True, "t": "INTEGER[]"}]


def test_engine_errors_keep_their_words_and_hide_values(wb):
    with pytest.raises(QueryError, match="nme"):
        wb.relation("SELECT nme FROM workers").fetch()
    with pytest.raises(QueryError) as failed:
        wb.relation("SELECT CAST(name AS INTEGER) FROM workers").fetch()
    assert "Ann" not in str(failed.value)


def test_a_short_code_or_a_day_is_no_cover_for_what_follows_it():
    for text in ("815-555-0100", "W-0001234567", "2026-01-01\nssn 123-45-6789", "123456\n815-555-0100"):
        column = pii.mask_array(pa.array([text]), None)
        assert (column[0].as_py() == text) == (not pii.find(text))


def test_an_answer_that_is_read_again_as_a_frame_is_masked_as_what_it_came_from(wb):
    asked = wb.relation("SELECT worker_id, name AS who, {'n': name} AS packed FROM workers", show_pii=True)
    for frame in (asked.df(), asked.df().query("worker_id > 0").copy(), asked.arrow()):
        again = wb.relation("SELECT who AS w, upper(who) AS u, f.packed.n AS p FROM f", frames={"f": frame})
        assert not {"Ann", "Lee", "ANN", "LEE"} & set(repr(again.arrow().to_pydict()).replace("'", " ").split())
        assert "Ann Lee" in repr(
            wb.relation("SELECT who FROM f", frames={"f": frame}, show_pii=True).arrow().to_pydict()
        )


def test_a_frame_is_looked_at_as_a_file_is(wb):
    frame = pd.DataFrame({"candidate_name": ["Ann Lee", "Bo Cruz"], "what": ["x", "y"]})
    for value in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        answer = wb.relation("SELECT candidate_name AS a, what FROM f", frames={"f": value}).fetch()
        assert answer.table.to_pydict() == {"a": ["A•• L••", "B•• C••"], "what": ["x", "y"]}
        assert answer.masked == ("a",)
    for said in ('{"b": "name", "a": ""}', "[1]", "{", "\xff"):
        odd = pa.table({"a": ["x"]}).replace_schema_metadata({"workbench.pii": said.encode("latin-1")})
        assert wb.relation("SELECT a FROM f", frames={"f": odd}).fetch().table.to_pydict() == {"a": ["x"]}
