"""The lake's magics in a real IPython shell over a real lake: what they show, give and refuse, and how they stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shells import Ran, shell

import kernel_ext
import workbench
from kernel_ext.hints import as_magics
from kernel_ext.lake_magics import LakeMagics
from kernel_ext.lake_views import age, number
from kernel_ext.sheet import Checked, Sheet
from workbench.errors import InvalidError, NotFoundError, QueryCancelledError, SchemaDriftError, WorkbenchError

Run = Callable[[str], Ran]
MORE = (
    "worker_id,name,role,state,availability,joined\n"
    "1,Ann Smith1,Packer,MI,0.5,2024-01-01\n9999,Zed,Welder,,7,2025-01-01\n"
)


def filled(folder: Path) -> Path:
    """A lake with 500 workers: ten without availability, names tagged as personal data at version 2."""
    roles = ("Forklift Operator", "Picker", "Welder", "Packer")
    rows = (
        f"{i},Ann Smith{i},{roles[i % 4]},{('IL', 'IN', 'OH')[i % 3]},{'' if i % 50 == 7 else i % 100 / 100},"
        f"2024-{i % 12 + 1:02d}-01\n"
        for i in range(500)
    )
    (folder / "workers.csv").write_text(MORE.partition("\n")[0] + "\n" + "".join(rows), encoding="utf-8")
    with workbench.connect(folder / "lake", folder=folder) as wb:
        wb.ingest(folder / "workers.csv", "workers")
        wb.lake.annotate("workers", owner="ann", pii_tags={"name": "name"})
    return folder / "lake"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Cells of a shell on a lake with 500 workers, its folder being the current one."""
    lake = filled(tmp_path)
    monkeypatch.setenv("LH_LAKE", str(lake))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more.csv").write_text(MORE, encoding="utf-8")
    with shell() as opened:
        opened.run("%load_ext kernel_ext")
        if "lhingest" not in opened.ipython.magics_manager.magics["line"]:
            opened.ipython.register_magics(LakeMagics(opened.ipython, session=kernel_ext._sessions[opened.ipython]))
        yield opened.run


def sheet(ran: Ran) -> Sheet:
    assert ran.error is None
    assert isinstance(ran.value, Sheet)
    assert "<table>" in ran.value._repr_html_() or len(ran.value) == 0
    return ran.value


def refused(ran: Ran, kind: type[Exception], said: str) -> Exception:
    assert isinstance(ran.error, kind)
    assert said in str(ran.error)
    assert "Traceback" not in ran.text
    return ran.error


def test_rows_are_shown_with_thousands_apart_and_stay_numbers(run: Run) -> None:
    run("%lhsql --save many SELECT range AS n FROM range(12345)")
    many = sheet(run("%lh"))
    assert " 12,345 " in many.to_text()
    assert "    500 " in many.to_text()
    assert many.df()["rows"].tolist() == [12345, 500]
    assert 'class="n">12,345<' in many._repr_html_()


def test_lh_says_where_one_is(run: Run, tmp_path: Path) -> None:
    ran = run("%lh")
    found = sheet(ran)
    assert found.df().loc[0, ["dataset", "v", "rows", "PII", "last"]].tolist() == [
        "workers", 2, 500, "name", "annotate",
    ]  # fmt: skip
    assert f"lake {tmp_path / 'lake'} (LH_LAKE) · embedder embedded" in ran.text
    assert "workers" in ran.text
    assert sheet(run("%lh ls")).data == found.data


def test_an_empty_lake_teaches_and_another_can_be_used(run: Run, tmp_path: Path) -> None:
    ran = run("%lh use elsewhere")
    assert len(sheet(ran)) == 0
    assert "No datasets yet: %lhingest FILE" in ran.text
    assert "not there yet" in ran.text
    assert "No datasets yet" in ran.value._repr_html_()
    assert sheet(run("%lhingest workers.csv")).data.version == 1
    assert sheet(run("%lh")).df()["v"].tolist() == [1]
    assert sheet(run(f"%lh use '{tmp_path / 'lake'}'")).df()["v"].tolist() == [2]


def test_a_dataset_is_described_and_sampled(run: Run) -> None:
    described = sheet(run("%lh describe workers"))
    assert described.df().set_index("column").loc["name", "PII"] == "name"
    assert described.caption.startswith("workers@2 · 500 rows × 6 columns")
    assert run("%lh workers@1").value.caption.startswith("workers@1")
    assert "role" in sheet(run("%lh describe workers --pii role=name")).data.pii
    sample = sheet(run("%lh sample workers -n 7"))
    assert (len(sample), sample.table) == (7, run("%lh sample workers -n 7").value.table)
    assert "Smith" not in str(sample.df())
    assert "masked: name, role (--show-pii)" in sample.caption
    assert "Smith" in str(run("%lh sample workers --show-pii").value.df())


def test_a_wrong_word_is_told_with_the_nearest(run: Run) -> None:
    refused(run("%lh descrbe workers"), NotFoundError, "describe")
    refused(run("%lh worker"), NotFoundError, "Did you mean workers")
    refused(run("%lh describe"), InvalidError, "needs a dataset")
    refused(run("%lhprofile"), InvalidError, "DATASET")
    refused(run("%lhcheck workers --sugest"), InvalidError, "--suggest")
    assert "%lhingest" in run("%lhingest --help").text


@pytest.mark.parametrize("name", ["lh", "lhingest", "lhprofile", "lhdiff", "lhcheck", "lhhistory"])
def test_every_magic_has_help(run: Run, name: str) -> None:
    ran = run(f"%{name} --help")
    assert (ran.error, ran.value) == (None, None)
    assert f"usage: %{name}" in ran.text


def test_a_file_is_loaded_and_reported_as_lh_would(run: Run) -> None:
    done = sheet(run("%lhingest more.csv --name people --pii name=name -m 'the {x} and $y'"))
    assert (done.data.outcome, done.data.rows, done.data.pii) == ("created", 2, {"name": "name"})
    assert done.caption.startswith("people  v1  2 rows × 6 columns")
    assert run("%lh describe people").value.data.snapshot.message == "the {x} and $y"
    assert "already ingested as v1" in sheet(run("%lhingest more.csv --name people")).caption
    dry = sheet(run("%lhingest more.csv --name other --dry-run"))
    assert "dry run: nothing was written" in dry.notes
    assert run("%lh").value.df()["dataset"].tolist() == ["people", "workers"]
    refused(run("%lhingest absent.csv"), Exception, "absent.csv")
    refused(run("%lhingest more.csv --key a --replace"), InvalidError, "exclude each other")


def test_drift_names_its_ways_out_as_magics(run: Run, tmp_path: Path) -> None:
    (tmp_path / "drift.csv").write_text(MORE.replace("joined", "hired"), encoding="utf-8")
    error = refused(run("%lhingest drift.csv --name workers"), SchemaDriftError, "hired")
    assert "%lhingest drift.csv --name workers --evolve" in str(error)
    assert " lh ingest" not in str(error)
    assert sheet(run("%lhingest drift.csv --name workers --evolve")).data.outcome == "appended"


def test_hints_become_magics() -> None:
    assert as_magics("`lh ls` lists them.") == "`%lh ls` lists them."
    assert as_magics('lh sql "SELECT 1"') == "%lhsql SELECT 1"
    assert as_magics("lh snapshots workers") == "!lh snapshots workers"
    assert as_magics("!lh demo, %lh ls") == "!lh demo, %lh ls"


def test_a_profile_and_a_diff(run: Run) -> None:
    profile = sheet(run("%lhprofile workers"))
    facts = profile.df().set_index("column")
    assert facts.loc["availability", "nulls"] == 10
    assert "Smith" not in str(facts.loc["name"].tolist())
    run("%lhingest more.csv --name workers --key worker_id")
    diff = sheet(run("%lhdiff workers@2 workers --key worker_id"))
    assert (diff.data.added, diff.data.changed) == (1, 1)
    assert "+ 1 added" in diff.caption
    assert "~ state: 1 value" in diff.notes
    assert "state (old)" in diff.df().columns
    refused(run("%lhdiff workers workers@99"), NotFoundError, "no snapshot 99")


def test_a_check_gives_its_findings(run: Run) -> None:
    ran = run("%lhcheck workers 'unique(worker_id)' \"range(availability, 0, 0.5)\" \"pattern(state, '[A-Z]{2}')\"")
    found = sheet(ran)
    assert isinstance(found, Checked)
    assert ([f.failed > 0 for f in found.findings], found.ok) == ([False, True, False], False)
    assert "1 of 3 failed · workers · 500 rows" in ran.text
    assert "%lhsql SELECT * FROM workers@2 WHERE availability" in ran.text
    assert "%lhsql SELECT" in found._repr_html_()
    assert found.df().loc[1, "failed"] == found.findings[1].failed
    refused(run("%lhcheck workers 'uniqe(worker_id)'"), InvalidError, "Did you mean unique")
    refused(run("%lhcheck workers 'unique(worker)'"), NotFoundError, "Did you mean worker_id")


def test_expectations_are_proposed_kept_and_dropped(run: Run, tmp_path: Path) -> None:
    ran = run("%lhcheck workers")
    assert "Nothing is expected of workers yet" in ran.text
    assert "values(role, 'Forklift Operator', 'Packer', 'Picker', 'Welder')" in ran.text
    assert "unique(worker_id)" in ran.value.df()["expectation"].tolist()
    run("%lhcheck workers --suggest --keep")
    assert sheet(run("%lhcheck workers")).ok  # type: ignore[attr-defined]
    (tmp_path / "e.toml").write_text("workers = ['rows(1000, )']")
    assert not run("%lhcheck workers --file e.toml --keep").value.ok
    assert not run("%lhcheck workers").value.ok
    run("%lhcheck workers --drop")
    assert run("%lh describe workers").value.data.about.expectations == ()


def test_history_has_sql_and_searches(run: Run) -> None:
    assert "Nothing has been asked yet" in run("%lhhistory").text
    run("%lhsql SELECT count(*) AS n FROM workers")
    run("import kernel_ext")
    assert run("kernel_ext._sessions[get_ipython()].wb.search('welder', k=2)").error is None
    found = sheet(run("%lhhistory")).df()
    assert set(found["what"]) == {"sql", "search"}
    assert "welder" in found["asked"].tolist()
    assert run("%lhhistory --sql").value.df()["what"].tolist() == ["sql"]
    assert len(run("%lhhistory -k 1").value) == 1
    refused(run("%lhhistory -k 0"), InvalidError, "at least one")


def test_the_stop_button_ends_an_ingest_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    with (tmp_path / "big.csv").open("w", encoding="utf-8") as file:
        file.writelines(["id,text\n", *(f"{i},{'word ' * 20}\n" for i in range(300_000))])
    press = threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT))
    press.start()
    ran = run("%lhingest big.csv")
    press.join()
    refused(ran, QueryCancelledError, "Stopped after")
    assert run("%lh").value.df()["dataset"].tolist() == ["workers"]


def test_a_sheet_is_a_table_for_sql(run: Run) -> None:
    run("facts = get_ipython().run_line_magic('lhprofile', 'workers')")
    ran = run("%lhsql SELECT sum(nulls) AS n FROM facts")
    assert ran.error is None
    assert ran.value.table.to_pylist() == [{"n": 10}]


def test_ages() -> None:
    import datetime as dt

    now = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
    ago = [now - dt.timedelta(seconds=s) for s in (5, 300, 7300, 200_000)]
    assert [age(moment, now) for moment in ago] == ["just now", "5 min ago", "2 h ago", "2 d ago"]


def test_an_expectation_that_cannot_be_checked_any_more_is_a_finding_among_the_others(run: Run) -> None:
    run("%lhsql --save few SELECT worker_id, state FROM workers LIMIT 5")
    run('%lhcheck few "unique(worker_id)" "not_null(state)" "range(worker_id, 0, 1000)" --keep')
    run("%lhsql --save few --replace SELECT worker_id::VARCHAR AS worker_id FROM workers LIMIT 5")
    checked = run("%lhcheck few").value
    assert isinstance(checked, Checked)
    assert not checked.ok
    told = {f.expectation.text: (f.severity, f.says) for f in checked.findings}
    assert told["unique(worker_id)"] == ("ok", "holds for 5 rows")
    assert told["not_null(state)"] == ("failed", "cannot be checked: few has no column 'state'.")
    assert told["range(worker_id, 0, 1000)"][1].startswith("cannot be checked: worker_id is text")
    way = next(line for line in checked.to_text().splitlines() if "state" in line and line.startswith("%lhcheck"))
    assert run(way.partition(" expects")[0]).error is None
    assert "not_null(state)" not in str(run("%lhcheck few").value)
    # What is asked for now is still refused, as it was never right.
    assert isinstance(run('%lhcheck few "not_null(state)"').error, NotFoundError)


def test_means_are_written_as_people_write_numbers() -> None:
    said = {0.7237123: "0.7237", 10_000.5: "10,000", 123_456.7: "123,457", -2_500.4: "-2,500", 0.0: "0", 3e20: "3e+20"}
    assert {value: number(value) for value in said} == said


def test_a_file_that_may_not_be_read_is_told_without_a_traceback(run: Run, tmp_path: Path) -> None:
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    ran = run("%lhingest loop.csv")
    assert isinstance(ran.error, WorkbenchError)
    assert "fault of the workbench" not in ran.text


def test_a_history_of_neither_is_refused(run: Run) -> None:
    assert isinstance(run("%lhhistory --sql --searches").error, InvalidError)


def test_nothing_is_proposed_of_no_rows(run: Run) -> None:
    run("%lhsql --save none SELECT 1 AS a WHERE false")
    said = str(run("%lhcheck none").value)
    assert "none has no rows that something could be read from." in said
    assert "keeps all" not in said


def test_a_word_in_double_braces_is_the_value_of_a_variable_so_that_a_loop_can_say_it(run: Run) -> None:
    run("from pathlib import Path\nmore = Path('more.csv'); here = str(more)")
    run("kept = 'again'; holds = 'unique(worker_id)'")
    assert sheet(run("%lhingest {{more}} --name {{kept}}")).data.name == "again"
    loop = "for name in ('workers', 'again'):\n    seen = %lhprofile {{name}}\n    print(seen.caption)"
    assert "workers · 500 rows" in run(loop).text
    assert "again · 2 rows" in run(loop).text
    assert run("%lhcheck {{kept}} {{holds}}").value.ok
    assert isinstance(run("%lhprofile {{nam}}").error, NotFoundError)
    assert "stands alone" in run("%lhprofile again@{{kept}}").text
    assert run("%lhingest {{here}} --name third").error is None
