"""The access log: whoever is shown personal data as it is, or writes it out, leaves a row; others leave none."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import workbench
from workbench.cli.entry import main
from workbench.errors import QueryError
from workbench.lake.sql.query import Access
from workbench.pii.roster import Roster
from workbench.session import Workbench
from workbench.session.logs import Logs, Who

ROSTER = "worker_id,name,role,city,state,phone\n" + "".join(
    f'{n},"Ann Lee {n}",{"Welder" if n % 2 else "Packer"},Gary,IN,312-555-{1000 + n}\n' for n in range(1, 41)
)
ASKED = "SELECT phone, worker_id FROM workers WHERE phone = '312-555-1005'"


@pytest.fixture
def wb(tmp_path: Path, home: Path) -> Iterator[Workbench]:
    (tmp_path / "workers.csv").write_text(ROSTER)
    with workbench.connect(tmp_path / "lake", user="ann") as opened:
        opened.ingest(tmp_path / "workers.csv", pii={"phone": "phone", "name": "name"})
        yield opened


def looks(wb: Workbench) -> list[dict[str, Any]]:
    """The rows of the log, the oldest first; reading them leaves none."""
    assert wb.logs.access.flush(), wb.logs.access.stats()
    if wb.catalog.find("pii_access") is None:
        return []
    sql = "SELECT * FROM pii_access ORDER BY happened_at, access_id"
    return wb.lake.sql(sql, access=Access(row_cap=None)).table.to_pylist()


def test_a_query_that_shows_is_noted_with_who_what_and_which_columns(wb):
    assert wb.sql(ASKED, show_pii=True).row_count == 1
    (row,) = looks(wb)
    assert len(row.pop("access_id")) == 24
    assert row.pop("happened_at").timestamp() == pytest.approx(time.time(), abs=60)
    assert row == {
        "user": "ann", "door": "python", "what": "sql", "outcome": "ok", "datasets": ["workers@1"],
        "columns": ["phone"], "rows": 1, "purpose": None,
        "statement": "SELECT phone, worker_id FROM workers WHERE phone = '••••••'",
    }  # fmt: skip


def test_a_query_that_fails_is_noted_too(wb):
    with pytest.raises(QueryError):
        wb.sql("SELECT phone::INT FROM workers", show_pii=True)
    (row,) = looks(wb)
    assert (row["what"], row["outcome"]) == ("sql", QueryError.code)


SHOWN: dict[str, Callable[[Workbench, Path, bool], Any]] = {
    "sql": lambda wb, _, show: wb.sql(ASKED, show_pii=show),
    "relation": lambda wb, _, show: wb.relation(ASKED, show_pii=show).fetch(),
    "search": lambda wb, _, show: wb.search("welder", k=2, show_pii=show),
    "order": lambda wb, _, show: wb.order("2 welders in Gary, IN", show_pii=show),
    "why_not": lambda wb, _, show: wb.why_not(3, "packer", show_pii=show),
    "check": lambda wb, _, show: wb.check("workers", ["unique(phone)"], show_pii=show),
    "profile": lambda wb, _, show: wb.lake.profile("workers", show_pii=show),
    "diff": lambda wb, _, show: wb.lake.diff("workers@1", "workers", show_pii=show),
    "export": lambda wb, folder, show: wb.lake.export("workers", folder / "out.csv", show_pii=show),
}


@pytest.mark.parametrize("verb", SHOWN)
def test_each_verb_is_noted_once_when_it_shows_and_not_at_all_when_it_masks(wb, tmp_path, verb):
    SHOWN[verb](wb, tmp_path / "masked", False) if verb != "export" else None
    assert looks(wb) == []
    SHOWN[verb](wb, tmp_path, True)
    (row,) = looks(wb)
    assert row["what"] == ("sql" if verb == "relation" else verb)
    if verb != "why_not":
        assert row["datasets"] == ["workers@1"]
        # A hit shows the columns of a card; the others read the phone as well.
        assert ({"search", "order"} & {verb} and "name" in row["columns"]) or "phone" in row["columns"]


def test_an_export_that_masks_is_not_noted(wb, tmp_path):
    wb.lake.export("workers", tmp_path / "out.csv")
    assert looks(wb) == []


def test_what_is_saved_unmasked_is_noted_when_it_is_personal(wb):
    wb.save(wb.relation("SELECT worker_id, role FROM workers"), "roles")
    assert looks(wb) == []
    wb.save(wb.relation("SELECT worker_id, phone FROM workers"), "phones", message="for payroll")
    (row,) = looks(wb)
    assert (row["what"], row["datasets"], row["columns"]) == ("save", ["phones@1"], ["phone"])
    assert (row["rows"], row["purpose"]) == (40, "for payroll")


def test_rejected_rows_written_out_are_noted(wb, tmp_path):
    (tmp_path / "more.csv").write_text('worker_id,name,role,city,state,phone\nx,"Bo Lee",Packer,Gary,IN,312-555-2000\n')
    wb.ingest(tmp_path / "more.csv", "workers", quarantine=True)
    wb.lake.rejects_to_fix("workers", tmp_path / "fix.csv")
    (row,) = looks(wb)
    assert (row["what"], row["rows"], row["datasets"]) == ("rejects", 1, ["workers@2"])


def test_a_purpose_is_noted(wb, tmp_path):
    with workbench.connect(tmp_path / "lake", purpose="audit 7, asked by 312-555-0101") as other:
        other.sql(ASKED, show_pii=True)
        (row,) = looks(other)
    assert row["purpose"] == "audit 7, asked by ••••••"


def test_a_look_through_another_door_says_which(wb, tmp_path):
    with workbench.connect(tmp_path / "lake", door="notebook") as other:
        other.sql(ASKED, show_pii=True)
        assert [row["door"] for row in looks(other)] == ["notebook"]


def test_a_lake_that_takes_no_log_answers_all_the_same(wb, tmp_path):
    staging = tmp_path / "lake" / "_staging"
    if staging.is_dir():
        staging.rmdir()
    staging.write_bytes(b"in the way")
    assert wb.sql(ASKED, show_pii=True).table.column("phone").to_pylist() == ["312-555-1005"]
    assert not wb.logs.access.flush()
    staging.unlink()
    assert [row["what"] for row in looks(wb)] == ["sql"]


def test_where_nobody_is_at_home_the_log_is_written_at_the_end(wb):
    logs = Logs(lambda: wb.lake, None, Who("bo", "container"), lambda: None, Roster)
    with logs.looking("sql", ASKED, shown=True) as look:
        look.saw(wb.lake.sql(ASKED))
    logs.close()
    assert [(row["user"], row["door"], row["rows"]) for row in looks(wb)] == [("bo", "container", 1)]


@pytest.fixture
def lh(wb: Workbench, tmp_path: Path, monkeypatch, capsys):
    """Run a command line on the lake in this process; its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "lake"))
    monkeypatch.setenv("LH_USER", "bo")
    monkeypatch.setenv("COLUMNS", "220")

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(words))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_the_command_line_is_a_door_and_history_shows_what_went_through_it(lh):
    assert "Nobody has been noted" in lh("history", "--access")[2]
    assert "312-555-1005" in lh("sql", ASKED, "--show-pii")[1]
    assert lh("sql", ASKED)[0] == 0
    code, out, _ = lh("history", "--access")
    assert code == 0
    for words in ("bo", "cli", "sql", "workers@1", "phone"):
        assert words in out
    (row,) = json.loads(lh("history", "--access", "--json")[1])
    assert (row["user"], row["door"], row["columns"]) == ("bo", "cli", ["phone"])


@pytest.mark.parametrize(
    "words",
    [
        ("search", "welder", "-k", "2"),
        ("order", "2 welders in Gary, IN"),
        ("profile", "workers"),
        ("diff", "workers@1", "workers@1"),
        ("check", "workers", "--expect", "unique(phone)"),
        ("export", "workers", "all.csv"),
        ("rejects", "workers"),
    ],
    ids=lambda words: words[0],
)
def test_every_command_that_shows_is_noted(lh, wb, words):
    lh(*words, *(["--force"] if words[0] == "export" else []))
    assert looks(wb) == []
    said = lh(*words, "--show-pii", *(["--force"] if words[0] == "export" else []))
    assert [(row["what"], row["door"]) for row in looks(wb)] == [(words[0], "cli")], said
