"""``lh distill`` from source logs to an audited training set, and what a reviewer and a broken tree do to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.cli.entry import main
from workbench.distill import proofs
from workbench.distill.backlog import candidates, shown
from workbench.distill.fixture import ACCEPTANCE_RECORDED_AT, write_acceptance
from workbench.distill.rescoring import compared, rescore
from workbench.distill.root import Root
from workbench.distill.why import why
from workbench.errors import NotFoundError

AT = ("--recorded-at", ACCEPTANCE_RECORDED_AT)
NAME = "Wilhelmina Vanderbosch"
Lh = Callable[..., tuple[int, str]]


@pytest.fixture
def lh(capsys: pytest.CaptureFixture[str]) -> Lh:
    def call(*args: object) -> tuple[int, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as done:
            main([str(arg) for arg in args])
        said = capsys.readouterr()
        return int(done.value.code or 0), said.out + said.err

    return call


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return write_acceptance(tmp_path / "root")


@pytest.fixture
def ran(root: Root, lh: Lh) -> Root:
    code, said = lh("distill", "run", "--root", root.path, *AT, "--run-id", "r1", "--no-roster")
    assert code == 1, said  # a source row was skipped, and the command says so
    assert "missing_reviewed_at" in said
    return root


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_stages_alone_give_the_bytes_of_the_run(ran: Root, tmp_path: Path, lh: Lh) -> None:
    alone = write_acceptance(tmp_path / "alone")
    where = ("--root", alone.path, *AT, "--run-id", "r2")
    assert lh("distill", "collect", *where)[0] == 1
    assert lh("distill", "score", *where)[0] == 0
    for kind in ("rag", "sft", "preference"):
        assert lh("distill", "export", kind, *where, "--no-roster")[0] == 0
        assert alone.export(kind).read_bytes() == ran.export(kind).read_bytes()
    assert lh("distill", "receipts", "r2", "--root", alone.path)[0] == 0
    alone.export("rag").write_text("")
    code, said = lh("distill", "receipts", "r2", "--root", alone.path)
    assert code == 1
    assert "exports/rag/playbooks.jsonl" in said


def test_options_and_formats_reach_the_export(ran: Root, lh: Lh) -> None:
    where = ("--root", ran.path, *AT, "--no-roster")
    strict = len(rows(ran.export("sft")))
    assert lh("distill", "export", "sft", *where, "--include-partial", "--format", "trl-sft")[0] == 0
    assert len(rows(ran.export("sft"))) > strict
    made = rows(ran.export("sft").with_name("instruction_response.trl-sft.jsonl"))
    assert set(made[0]) == {"id", "prompt", "completion"}
    assert lh("distill", "export", "sft", *where, "--format", "kto")[0] == 1
    assert lh("distill", "export", "everything", *where)[0] == 1


def test_the_people_of_the_lake_do_not_leave(root: Root, tmp_path: Path, lh: Lh) -> None:
    people = tmp_path / "workers.csv"
    people.write_text(f"worker_id,name,phone\nW-1,{NAME},815-555-0134\nW-2,Ann Lee,815-555-0135\n")
    lake = ("--lake", tmp_path / "lake")
    assert lh("ingest", people, *lake)[0] == 0
    source = root.source("scrum_reviews")
    source.write_text(source.read_text().replace("The loop stops", f"{NAME} stops"))
    lh("distill", "run", "--root", root.path, *AT, *lake)
    texts = root.export("sft").read_text()
    assert "[NAME_1] stops" in texts
    assert NAME not in texts


def test_acceptance_and_the_audit_end_as_they_found(ran: Root, lh: Lh) -> None:
    code, said = lh("distill", "acceptance", "--json")
    assert (code, json.loads(said)["held"]) == (0, 22)
    code, said = lh("distill", "audit-full", "--root", ran.path)
    assert code == 0, said
    assert "16 of 16" in said
    assert "**passed**" in ran.audit_report.read_text()
    ran.export("sft").write_text(ran.export("sft").read_text().replace('"accepted"', '"rejected"'))
    assert lh("distill", "audit-full", "--root", ran.path, "--no-report")[0] == 1


def test_a_baseline_is_appended_and_compared(ran: Root, lh: Lh) -> None:
    where = ("--root", ran.path, *AT, "--json")
    first, again = (json.loads(lh("distill", "baseline", *where)[1]) for _ in range(2))
    assert {row["flag"] for row in first} == {"first_run"}
    assert {row["flag"] for row in again} == {"ok"}
    lh("distill", "baseline", *where, "--dry-run")
    assert len(rows(ran.baselines)) == 2


def test_drift_of_the_run_and_of_the_scorer(ran: Root, lh: Lh) -> None:
    assert json.loads(lh("distill", "drift", "--root", ran.path)[1])["flags"] == ["first_run"]
    path = ran.scored_files()[0]
    path.write_text(path.read_text().replace('"category":"accepted"', '"category":"rejected"', 1))
    found = json.loads(lh("distill", "drift", "--scorer", "--root", ran.path)[1])
    assert (found["matched"], found["drifted"], found["rate"]) == (13, 1, 1 / 14)
    assert found["moves"] == [{"from": "rejected", "to": "accepted", "count": 1}]


def test_scored_runs_without_evidence_are_told(ran: Root) -> None:
    ran.evidence_files()[0].unlink()
    assert rescore(ran).lost > 0
    assert compared([("accepted", None)]).rate == 0


def test_a_replay_is_appended_and_its_gate_decides(ran: Root, lh: Lh) -> None:
    code, said = lh("distill", "replay", "Verify the hash of the receipts", "--root", ran.path, *AT, "--dry-run")
    assert code == 0, said
    [run] = rows(ran.replays)
    assert run["dry_run"]
    assert run["bundle"]["retrieved"]


def test_why_follows_a_row_and_sees_a_changed_source(ran: Root, lh: Lh) -> None:
    for kind in ("rag", "sft", "preference"):
        for row in rows(ran.export(kind)):
            assert why(ran, row["id"]).whole
    row = rows(ran.export("sft"))[0]
    refused = rows(ran.quarantine("sft"))[0]["source_record"]["evidence_run_id"]
    assert any(link.what == "sft quarantine" for link in why(ran, refused).links)
    code, said = lh("distill", "why", row["id"], "--root", ran.path)
    assert code == 0
    assert row["provenance"]["source_file"] in said
    source = ran.path / row["provenance"]["source_file"]
    source.write_text(source.read_text().replace("2026", "2025"))
    code, said = lh("distill", "why", row["id"], "--root", ran.path)
    assert code == 1
    assert "CHANGED" in said
    with pytest.raises(NotFoundError):
        why(ran, "nothing of that name")


def test_an_id_that_is_not_the_hash_of_its_row_breaks_the_chain(ran: Root) -> None:
    path = ran.export("rag")
    row = rows(path)[0]
    path.write_text(path.read_text().replace(row["id"], "rag-" + "0" * 64))
    assert not why(ran, "rag-" + "0" * 64).whole


def test_a_review_lets_a_row_leave_and_an_undo_takes_it_back(ran: Root, tmp_path: Path, lh: Lh) -> None:
    where = ("--root", ran.path)
    [waits] = [one for one in candidates(ran) if one.stream == "scrum_reviews" and one.category == "needs_human_review"]
    page = tmp_path / "page.md"
    page.write_text("Be strict.")
    assert lh("distill", "review", "decide", waits.run_id, "accept", *where)[0] == 1  # there is no guideline yet
    assert lh("distill", "review", "guideline", "g1", page, *where)[0] == 0
    queued = json.loads(lh("distill", "review", "queue", *where, "--json")[1])
    assert waits.run_id in {one["run_id"] for one in queued}
    page.write_text("The corrected answer, which names its lines.")
    fix = ("distill", "review", "decide", waits.run_id, "fix", *where, "--by", "ann", "--text", page)
    assert lh(*fix)[0] == 0
    again = ("distill", "run", *where, "--recorded-at", "2026-05-01T00:00:00Z", "--no-roster")
    lh(*again)
    run = f"{waits.run_id}#review:0"
    [left] = [row for row in rows(ran.export("sft")) if row["source_run_id"] == run]
    assert left["response"] == "The corrected answer, which names its lines."
    [pair] = [row for row in rows(ran.export("preference")) if row["chosen_run_id"] == run]
    assert pair["rejected_run_id"] == waits.run_id
    assert proofs.sft_leaks(ran) == proofs.rag_rejected(ran) == proofs.pairs_across_tasks(ran) == []
    assert why(ran, left["id"]).links[1].what == "review"
    assert why(ran, left["id"]).whole
    assert lh("distill", "review", "undo", *where, "--by", "ann")[0] == 0
    assert proofs.sft_leaks(ran)  # the row is still there, and nobody stands by it any more
    lh(*again)
    assert run not in {row["source_run_id"] for row in rows(ran.export("sft"))}
    assert lh("distill", "review", "undo", *where, "--by", "ann")[0] == 1


def test_reviewers_and_gold_items_are_compared(ran: Root, tmp_path: Path, lh: Lh) -> None:
    where = ("--root", ran.path, "--guideline", "g1")
    run = next(candidates(ran)).run_id
    assert shown(ran, run).run_id == run
    assert lh("distill", "review", "decide", "no such run", "accept", *where)[0] == 1
    assert lh("distill", "review", "decide", run, "perhaps", *where)[0] == 1
    lh("distill", "review", "decide", run, "accept", *where, "--by", "ann")
    lh("distill", "review", "decide", run, "reject", *where, "--by", "bob")
    lh("distill", "review", "gold", run, "accept", *where)
    said = json.loads(lh("distill", "review", "agreement", "--root", ran.path)[1])
    assert said["pairs"][0]["items"] == 1
    assert [one["right"] for one in said["gold"]] == [1, 0]
    assert len(json.loads(lh("distill", "review", "log", "--root", ran.path, "--json")[1])) == 2


def test_a_fixture_has_the_size_that_was_asked_for(tmp_path: Path, lh: Lh) -> None:
    assert lh("distill", "fixture", tmp_path / "f", "--rows", 39)[0] == 0
    made = Root(tmp_path / "f").sources()
    assert len(made) == 13
    assert sum(len(path.read_bytes().splitlines()) for path in made.values()) == 39


def test_a_model_that_cannot_be_reached_is_data(ran: Root, tmp_path: Path, lh: Lh) -> None:
    asked = ("--model", "nobody/knows", "--strong", "nobody/else", "--lake", tmp_path / "lake")
    code, said = lh("distill", "replay", "Verify the receipts", "--root", ran.path, *AT, *asked)
    assert code == 1, said
    [run] = rows(ran.replays)
    assert [one["model"] for one in run["attempts"]] == ["nobody/knows", "nobody/else"]
    assert all(one["error"] for one in run["attempts"])
    assert (run["passed"], run["escalated"], run["dry_run"]) == (False, True, False)


@pytest.mark.parametrize("command", [["run", "--no-roster"], ["collect"]], ids=["run", "collect"])
def test_a_folder_without_logs_is_no_run_of_nothing(tmp_path: Path, lh: Lh, command: list[str]) -> None:
    code, said = lh("distill", *command, "--root", tmp_path / "none")
    assert code == 1
    assert "There are no source logs in" in said
    assert not (tmp_path / "none").exists()
