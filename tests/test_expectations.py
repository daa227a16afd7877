"""Data expectations: the lines that say them, what they find, and the SQL that finds the rows."""

from __future__ import annotations

import json
import math
import shlex
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import workbench
from workbench.cli.entry import main
from workbench.errors import InvalidError, NotFoundError, QueryCancelledError
from workbench.lake.expectations import FORMS, Expectation, Value, read_file
from workbench.lake.sql.engine import Watch

WORKERS = (
    "worker_id,name,city,state,zip,phone,availability,start,seen\n"
    "1,Ann Lee,Joliet,IL,60431,815-555-0101,0.5,2026-01-05,2026-01-05 10:00:00\n"
    "2,Bo Cruz,Gary,IN,6043,815-555-0102,1.5,2026-02-05,2026-01-31 18:30:00\n"
    "2,,Joliet,IL,60432,815-555-0103,0.25,2025-12-31,2026-02-01 00:00:00\n"
    "4,Di Wu,Flint,MI,,815-555-0104,,,\n"
)
CITIES = "city,state\nJoliet,IL\nGary,IN\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A lake of this file's own, for copies: to ingest it anew for each test would cost more than the tests."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "workers.csv").write_text(WORKERS)
    (folder / "cities.csv").write_text(CITIES)
    with workbench.connect(folder / "lake", folder=folder) as opened:
        opened.ingest(folder / "workers.csv", "workers", pii={"name": "name"})
        opened.ingest(folder / "cities.csv", "cities")
    return folder


@pytest.fixture
def wb(made, tmp_path):
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    with workbench.connect(tmp_path / "lake", folder=tmp_path) as opened:
        yield opened


def one(wb, line, **more):
    (found,) = wb.check("workers", [line], **more)
    return found


@pytest.mark.parametrize("line", [*FORMS.values(), "unique(client, day)", 'not_null("Job Title", "a ""b""")',
                                  "range(day, 2026-01-01, )", "range(day, , '2026')", "values(code, 01, 'it''s, (x)')",
                                  'reference(city, "ci ties"."C d")', 'reference(a, cities@2."x y")'])  # fmt: skip
def test_a_line_says_itself_again(line):
    assert Expectation.parse(line).text == line
    assert Expectation.parse(f"  {line} ".replace("(", " ( ", 1)) == Expectation.parse(line)


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=4, unique=True))
def test_any_name_and_any_text_come_back(name, texts):
    said = Expectation("values", (name,), tuple(Value(text, quoted=True) for text in texts))
    assert Expectation.parse(said.text) == said


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("uniqe(a)", "Did you mean unique"),
        ("nothing(a)", "is no expectation"),
        ("", "is no expectation"),
        ("unique", "no brackets"),
        ("unique(a", "no closing bracket"),
        ("unique(a) b", "cannot be read from 'b' on"),
        ("unique()", "names no column"),
        ("unique(a, A)", "names A twice"),
        ("unique('a')", "text 'a' for a column"),
        ("not_null(a,,b)", "names no column"),
        ("range(a, 1)", "two ends"),
        ("range(a, , )", "two open ends"),
        ("rows(x, )", "whole numbers"),
        ("pattern(a, b)", "pattern in single quotes"),
        ("values(a)", "names no value"),
        ("values(a, 1,)", "empty value"),
        ("reference(a, b)", "column of b"),
    ],
)
def test_a_line_that_says_nothing_is_told_with_its_form(line, said):
    with pytest.raises(InvalidError, match=said) as told:
        Expectation.parse(line)
    assert "(" in told.value.hint


@pytest.mark.parametrize(
    ("line", "failed", "examples"),
    [
        ("unique(worker_id)", 2, ["worker_id = 2 (2 rows)"]),
        ("unique(city, state)", 2, ["city = Joliet, state = IL (2 rows)"]),
        ("unique(phone)", 0, []),
        ("not_null(zip)", 1, ["worker_id = 4"]),
        ("range(availability, 0, 1)", 1, ["availability = 1.5"]),
        ("range(availability, 0.3, )", 1, ["availability = 0.25"]),
        ("range(availability, , 1.5)", 0, []),
        ("range(start, 2026-01-01, )", 1, ["start = 2025-12-31"]),
        ("range(seen, 2026-01-05, 2026-01-31)", 1, ["seen = 2026-02-01 00:00:00"]),
        ("range(seen, , '2026-01-31 12:00')", 2, ["seen = 2026-01-31 18:30:00", "seen = 2026-02-01 00:00:00"]),
        (
            "range(seen, '2026-01-31 12:00', 2026-01-31)",
            2,
            ["seen = 2026-01-05 10:00:00", "seen = 2026-02-01 00:00:00"],
        ),
        ("range(state, 'IL', 'IN')", 1, ["state = MI"]),
        (r"pattern(zip, '\d{5}')", 1, ["zip = 6043"]),
        (r"pattern(worker_id, '[12]')", 1, ["worker_id = 4"]),
        ("values(state, 'IL', IN)", 1, ["state = MI"]),
        ("values(worker_id, 1, 2)", 1, ["worker_id = 4"]),
        ("values(start, 2026-01-05, 2026-02-05)", 1, ["start = 2025-12-31"]),
        ("reference(city, cities.city)", 1, ["city = Flint"]),
        ("reference(CITY, cities@1.CITY)", 1, ["city = Flint"]),
        ("rows(4, 4)", 0, []),
        ("rows(10, )", 6, []),
        ("rows(, 1)", 3, []),
    ],
)
def test_what_fails_is_counted_and_shown(wb, line, failed, examples):
    found = one(wb, line)
    assert (found.failed, [str(e) for e in found.examples]) == (failed, examples)
    assert found.severity == ("failed" if failed else "ok")
    assert found.rows == 4
    if found.columns:  # the SELECT gives the very rows that were counted
        assert wb.sql(found.sql, row_cap=None).row_count == failed


def test_several_are_told_in_their_order_one_for_each_column(wb):
    found = wb.check("workers", ["rows(1, )", "not_null(name, city)", "unique(worker_id)"])
    assert [f.expectation.text for f in found] == ["rows(1, )", "not_null(name)", "not_null(city)", "unique(worker_id)"]
    assert [f.failed for f in found] == [0, 1, 0, 2]
    assert found[1].says == "1 of 4 rows have none"
    assert json.loads(json.dumps(found[3].to_dict()))["examples"] == [{"values": {"worker_id": 2}, "rows": 2}]


def test_an_empty_table_meets_everything_but_a_number_of_rows(wb, tmp_path):
    (tmp_path / "none.csv").write_text("city\n")
    wb.ingest(tmp_path / "none.csv", "none")
    found = wb.check("none", ["unique(city)", "not_null(city)", "reference(city, cities.city)", "rows(1, )"])
    assert [f.failed for f in found] == [0, 0, 0, 1]
    assert one(wb, "reference(city, none.city)").failed == 4


def test_nan_is_in_no_range(wb, tmp_path):
    pq.write_table(pa.table({"share": [0.5, math.nan]}), tmp_path / "shares.parquet")
    wb.ingest(tmp_path / "shares.parquet", "shares")
    assert [f.failed for f in wb.check("shares", ["range(share, 0, )", "range(share, , 1)"])] == [1, 1]


def test_examples_of_personal_data_are_masked(wb):
    line = "pattern(name, 'Ann .*')"
    assert "Cruz" not in str(one(wb, line).examples)
    assert [e.values["name"] for e in one(wb, line, show_pii=True).examples] == ["Bo Cruz", "Di Wu"]
    shown = one(wb, "pattern(phone, 'x')")
    assert all("815" not in str(e) for e in shown.examples)


@pytest.mark.parametrize(
    ("line", "kind", "said"),
    [
        ("unique(worker)", NotFoundError, "Did you mean worker_id"),
        ("reference(city, cites.city)", NotFoundError, "Did you mean cities"),
        ("reference(city, cities.cty)", NotFoundError, "Did you mean city"),
        ("reference(city, cities@9.city)", NotFoundError, "no snapshot 9"),
        ("reference(worker_id, cities.city)", InvalidError, "worker_id is int64"),
        ("range(availability, low, )", InvalidError, "low is no number"),
        ("range(zip, 0, 99999)", InvalidError, "zip is text"),
        ("range(start, soon, )", InvalidError, "soon is no date"),
        ("range(availability, 1, 0)", InvalidError, "1 comes after 0"),
        ("range(start, 2026-02-01, 2026-01-31)", InvalidError, "2026-02-01 comes after"),
        ("range(seen, '2026-02-01 10:00', 2026-01-31)", InvalidError, "comes after"),
        ("range(state, 'IN', 'IL')", InvalidError, "'IN' comes after"),
        ("rows(10, 9)", InvalidError, "10 comes after 9"),
        ("pattern(zip, '(')", InvalidError, r"pattern\(zip, '\('\): .*missing \)"),
    ],
)
def test_what_cannot_be_checked_is_refused_by_name(wb, line, kind, said):
    with pytest.raises(kind, match=said):
        wb.check("workers", ["rows(1, )", "not_null(city)", line])


def test_a_check_of_an_older_version_reads_that_version(wb, tmp_path):
    (tmp_path / "more.csv").write_text(
        "worker_id,name,city,state,zip,phone,availability,start,seen\n5,E F,Gary,,,,,,\n"
    )
    wb.ingest(tmp_path / "more.csv", "workers")
    assert [wb.check(ref, ["rows(5, )"])[0].failed for ref in ("workers@1", "workers")] == [1, 0]
    assert "workers@1" in wb.check("workers@1", ["not_null(state)"])[0].sql


def test_a_check_can_be_cancelled(wb, tmp_path):
    pq.write_table(pa.table({"text": ["ab" * 200] * 400_000}), tmp_path / "long.parquet")
    wb.ingest(tmp_path / "long.parquet", "long")
    watch = Watch()
    watch.cancel()  # minutes of matching would follow
    with pytest.raises(QueryCancelledError):
        wb.check("long", [f"pattern(text, '(a|b|ab|ba){{1,{n}}}c')" for n in range(400, 440)], watch=watch)


def test_what_is_kept_is_checked_until_it_is_dropped(wb, tmp_path):
    with pytest.raises(NotFoundError, match="Nothing is expected of workers"):
        wb.check("workers")
    wb.lake.expect("workers", ["unique(worker_id)", "not_null( city )"])
    wb.lake.expect("workers", ["not_null(city)", "rows(1, )"])
    (tmp_path / "more.csv").write_text(WORKERS)
    wb.ingest(tmp_path / "more.csv", "workers", mode="replace", message="again")
    again = workbench.connect(tmp_path / "lake", folder=tmp_path)
    assert again.lake.get("workers").about.expectations == ("unique(worker_id)", "not_null(city)", "rows(1, )")
    assert [f.failed for f in again.check("workers")] == [2, 0, 0]
    assert again.lake.get("workers").to_dict()["expectations"] == ["unique(worker_id)", "not_null(city)", "rows(1, )"]
    again.lake.expect("workers", ["rows(1, )"], drop=True)
    assert len(again.check("workers")) == 2
    with pytest.raises(NotFoundError, match="rows"):
        again.lake.expect("workers", ["rows(1, )"], drop=True)
    with pytest.raises(NotFoundError, match="citi"):
        again.lake.expect("workers", ["not_null(citi)"])
    assert (again.lake.get("workers").about.owner, again.lake.get("workers").pii["name"]) == ("", "name")


def test_a_column_that_is_tagged_gives_no_values_away(wb, tmp_path):
    wb.lake.expect("workers", ["values(city, 'Joliet', 'Gary', 'Flint')", "values(state, 'IL')", "not_null(city)"])
    wb.lake.annotate("workers", pii_tags={"City": "address"})
    assert wb.lake.get("workers").about.expectations == ("values(state, 'IL')", "not_null(city)")
    wb.lake.annotate("workers", pii_tags={"state": ""}, owner="ops")
    assert wb.lake.get("workers").about.expectations == ("values(state, 'IL')", "not_null(city)")


def test_no_names_of_people_are_proposed_though_they_are_few(wb, tmp_path):
    (tmp_path / "shifts.csv").write_text("manager_name,site\n" + "Ann Lee,Joliet\nBo Cruz,Gary\n" * 30)
    wb.ingest(tmp_path / "shifts.csv", "shifts", pii={"manager_name": ""})
    assert wb.lake.get("shifts").pii == {}
    proposed = [e.text for e in wb.lake.suggest("shifts")]
    assert "values(site, 'Gary', 'Joliet')" in proposed
    assert "Lee" not in str(proposed)


def test_what_is_kept_and_cannot_be_checked_any_more_has_failed(wb, lh, tmp_path):
    wb.lake.expect("cities", ["not_null(state)", "range(city, 'A', 'Z')", "unique(city)"])
    wb.save(wb.relation("SELECT 5 AS city"), "cities", mode="replace")
    gone, other, held = wb.check("cities")
    assert (gone.severity, gone.says, gone.sql) == ("failed", "cannot be checked: cities has no column 'state'.", "")
    assert (other.severity, held.severity, held.says) == ("failed", "ok", "holds for 1 row")
    assert "'A' is no number, and city is int" in other.says
    code, out, _ = lh("check cities")
    assert (code, "lh sql" in out) == (1, False)
    ways = [line.partition("   expects it")[0].strip() for line in out.splitlines() if "--drop" in line]
    assert [lh(way.removeprefix("lh "))[0] for way in ways] == [0, 0]
    assert [f.expectation.text for f in wb.check("cities")] == ["unique(city)"]
    with pytest.raises(NotFoundError, match="no column 'state'"):
        wb.check("cities", ["not_null(state)"])


def test_a_dataset_without_expectations_is_recorded_as_before(wb, tmp_path):
    log = "".join(p.read_text() for p in (tmp_path / "lake/datasets/cities/_delta_log").glob("*.json"))
    assert "pii" in log
    assert "expectations" not in log


def test_what_is_proposed_holds(wb, tmp_path):
    rows = "".join(
        f"{i},Ann L{i},{'IL' if i % 3 else 'IN'},0.{i % 10},2026-01-{1 + i % 28:02},{i % 7 or ''},815-555-{i:04}\n"
        for i in range(300)
    )
    (tmp_path / "many.csv").write_text("worker_id,name,state,availability,start,score,phone\n" + rows)
    wb.ingest(tmp_path / "many.csv", "many", pii={"phone": "phone"})
    proposed = wb.lake.suggest("many")
    assert [e.text for e in proposed] == [
        "rows(1, )",
        "unique(worker_id)",
        "unique(phone)",
        "not_null(worker_id, name, state, availability, start, phone)",
        "values(state, 'IL', 'IN')",
        "range(availability, 0, 1)",
        "range(start, 2026-01-01, )",
        "range(score, 0, )",
    ]
    assert not any(f.failed for f in wb.check("many", proposed))
    (tmp_path / "none.csv").write_text("city\n")
    wb.ingest(tmp_path / "none.csv", "none")
    assert wb.lake.suggest("none") == ()


def test_expectations_come_from_a_file(tmp_path):
    path = tmp_path / "expectations.toml"
    path.write_text("workers = ['unique(worker_id)']\ncities = '''\npattern(city, '\\w+')\nrows(1, )\n'''\n")
    assert [e.text for e in read_file(path, "workers")] == ["unique(worker_id)"]
    assert [e.text for e in read_file(path, "cities")] == [r"pattern(city, '\w+')", "rows(1, )"]
    with pytest.raises(NotFoundError, match="'worker'"):
        read_file(path, "worker")
    with pytest.raises(NotFoundError, match="no file"):
        read_file(tmp_path / "absent.toml", "workers")
    for text in ("workers = 3", "workers = [1]", "workers = [", "workers = ['uniq(a)']"):
        path.write_text(text)
        with pytest.raises(InvalidError):
            read_file(path, "workers")


@pytest.fixture
def lh(wb, tmp_path, monkeypatch, capsys):
    """Run a command line in this process; its exit code, stdout and stderr."""
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "lake"))
    monkeypatch.chdir(tmp_path)

    def run(line):
        with pytest.raises(SystemExit) as end:
            main(shlex.split(line))
        return end.value.code, *capsys.readouterr()

    return run


def test_lh_check_ends_with_1_when_something_failed(lh):
    code, out, err = lh('check workers --expect "unique(worker_id)" --expect "not_null(city)"')
    assert (code, "✗ unique(worker_id): 2 of 4 rows" in out, "✓ not_null(city): holds" in out) == (1, True, True)
    assert "1 of 2 failed" in err
    command = next(line for line in out.splitlines() if "lh sql" in line)
    assert lh(command.strip().removeprefix("lh "))[1].count("Joliet") == 1
    code, out, _ = lh('check workers --expect "not_null(city)" --json')
    assert (code, json.loads(out)[0]["severity"]) == (0, "ok")
    assert lh('check workers --expect "uniq(city)"')[0] == 1


def test_lh_check_proposes_keeps_and_drops(lh, tmp_path):
    code, out, err = lh("check cities")
    assert (code, "Nothing is expected of cities yet" in err) == (0, True)
    assert '--expect "not_null(city, state)"' in out
    assert lh("check cities --suggest --keep")[0] == 0
    assert lh("check cities")[1].splitlines() == ["✓ rows(1, ): 2 rows", "✓ not_null(city): holds for 2 rows",
                                                  "✓ not_null(state): holds for 2 rows"]  # fmt: skip
    (tmp_path / "e.toml").write_text("cities = ['unique(city)']")
    assert lh("check cities --file e.toml --keep")[0] == 0
    assert "1 dropped, 2 kept" in lh('check cities --drop --expect "unique(city)"')[1]
    assert "2 dropped, 0 kept" in lh("check cities --drop")[1]
    assert "nothing was expected" in lh("check cities --drop")[1]
    for wrong in ("--keep", "--keep --drop --expect 'unique(city)'", "--suggest --drop"):
        assert lh(f"check cities {wrong}")[0] == 1
