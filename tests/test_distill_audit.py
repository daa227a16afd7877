"""The full audit: 22 checks, 16 required, and each required one fails on a tree (or a product) that was tampered
with.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.distill.audit import Audit, audit, newest_run, to_markdown
from workbench.distill.baselines import Baseline, append
from workbench.distill.checks import BY_NAME, CHECKS, metrics, schema_faults
from workbench.distill.fixture import ACCEPTANCE_RECORDED_AT, write_acceptance
from workbench.distill.root import Root
from workbench.distill.run import Order, run
from workbench.distill.stage import GitState
from workbench.errors import InvalidError

ROOT = Path(__file__).parents[1]
AT = "2026-04-28T00:00:00Z"
RUN = "run-1"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Root:
    root = write_acceptance(tmp_path_factory.mktemp("whole"))
    run(root, Order(ACCEPTANCE_RECORDED_AT, RUN, GitState("0" * 40, dirty=False)))
    return root


@pytest.fixture
def tree(whole: Root, tmp_path: Path) -> Root:
    return Root(Path(shutil.copytree(whole.path, tmp_path / "tree")))


def look(root: Root, *names: str) -> Audit:
    return audit(root, recorded_at=AT, checks=[BY_NAME[name] for name in names])


def edit(path: Path, change: Callable[[Row], Any]) -> None:
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        change(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def in_files(paths: tuple[Path, ...], change: Callable[[Row], Any]) -> None:
    for path in paths:
        edit(path, change)


def other_hash(tree: Root) -> None:
    edit(tree.reports(RUN) / "summary.json", lambda row: row.update(run_hash="a" * 64))


def without_sources(tree: Root) -> None:
    for path in tree.sources().values():
        path.unlink()


def escalated(tree: Root) -> None:
    tree.replays.write_text(json.dumps({"allow_escalation": False, "attempts": [{}, {}]}) + "\n")


TAMPERED: list[tuple[str, Callable[[Root], Any]]] = [
    ("reference_document", lambda tree: (tree.reports(RUN) / "summary.md").unlink()),
    ("reference_document", lambda tree: (tree.reports(RUN) / "summary.md").write_text("")),
    ("evidence_rows", without_sources),
    ("accepted_on_disk", lambda tree: in_files(tree.scored_files(), lambda row: row.update(category="rejected"))),
    ("accepted_on_disk", lambda tree: shutil.rmtree(tree.path / "data/scored-runs")),
    ("sft_no_leak", lambda tree: edit(tree.export("sft"), lambda row: row.update(quality_score="needs_human_review"))),
    ("sft_no_leak", lambda tree: in_files(tree.scored_files(), lambda row: row.update(category="rejected"))),
    ("sft_no_leak", lambda tree: edit(tree.export("sft"), lambda row: row.update(source_run_id="invented"))),
    ("rag_no_rejected", lambda tree: edit(tree.export("rag"), lambda row: row.update(success_score="rejected"))),
    ("rag_no_rejected", lambda tree: in_files(tree.scored_files(), lambda row: row.update(category="rejected"))),
    (
        "no_self_pair",
        lambda tree: edit(tree.export("preference"), lambda r: r.update(rejected_run_id=r["chosen_run_id"])),
    ),
    ("no_identical_pair", lambda tree: edit(tree.export("preference"), lambda r: r.update(rejected=r["chosen"] + " "))),
    ("no_row_without_provenance", lambda tree: edit(tree.export("rag"), lambda row: row.pop("provenance"))),
    ("no_row_without_provenance", lambda tree: edit(tree.export("sft"), lambda row: row["provenance"].pop("sig_hash"))),
    ("no_row_without_provenance", lambda tree: edit(tree.export("preference"), lambda row: row.pop("chosen_run_id"))),
    ("receipts_present", lambda tree: (tree.reports(RUN) / "export-sft.json").unlink()),
    ("receipts_present", lambda tree: shutil.rmtree(tree.reports(RUN))),
    ("receipts_valid", lambda tree: edit(tree.reports(RUN) / "score.json", lambda row: row.pop("git_commit"))),
    ("receipts_valid", lambda tree: edit(tree.reports(RUN) / "score.json", lambda row: row.update(run_id="other"))),
    ("summary_valid", lambda tree: edit(tree.reports(RUN) / "summary.json", lambda row: row.pop("totals"))),
    ("summary_valid", lambda tree: (tree.reports(RUN) / "summary.json").write_text("{torn")),
    ("run_hash", lambda tree: edit(tree.reports(RUN) / "summary.json", lambda row: row.update(run_hash="123"))),
    ("run_hash", other_hash),
    ("replay_dry_runs", lambda tree: tree.export("rag").write_text("")),
    ("replay_dry_runs", lambda tree: tree.export("rag").write_text("{torn\n")),
    ("escalation_guard", escalated),
]
OF_THE_PRODUCT = {"schemas", "acceptance"}


def test_the_whole_tree_passes_and_the_audit_only_reads(whole: Root) -> None:
    before = {path: path.read_bytes() for path in whole.path.rglob("*") if path.is_file()}
    done = audit(whole, recorded_at=AT)
    assert {one.name: one.says for one in done.findings if one.required and not one.ok} == {}
    assert done.ok
    assert (len(done.findings), sum(one.required for one in done.findings)) == (22, 16)
    assert {path: path.read_bytes() for path in whole.path.rglob("*") if path.is_file()} == before
    assert json.loads(json.dumps(done.to_dict()))["ok"] is True
    page = to_markdown(done)
    assert "16 of 16 required checks hold" in page
    assert all(f"| {check.name} |" in page for check in CHECKS)


def test_every_required_check_is_shown_to_fail() -> None:
    assert {name for name, _ in TAMPERED} | OF_THE_PRODUCT == {one.name for one in CHECKS if one.required}


@pytest.mark.parametrize(("name", "tamper"), TAMPERED, ids=[f"{at}-{name}" for at, (name, _) in enumerate(TAMPERED)])
def test_a_required_check_fails_on_a_tampered_tree(name: str, tamper: Callable[[Root], Any], tree: Root) -> None:
    assert look(tree, name).ok
    tamper(tree)
    done = look(tree, name)
    assert done.failed == (name,)
    assert "**FAILED**" in to_markdown(done)


@pytest.mark.parametrize(
    ("name", "where", "take", "give"),
    [
        ("schemas", "distill/records/data/evidence.json", '"run_id"', '"runid"'),
        ("schemas", "distill/records/evidence.py", "    run_id: Text\n", "    run_id: str = ''\n"),
        ("acceptance", "distill/scorer.py", '"info": "accepted"', '"info": "rejected"'),
    ],
)
def test_a_required_check_fails_on_a_tampered_product(
    name: str, where: str, take: str, give: str, whole: Root, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "workbench", tmp_path / "workbench", ignore=shutil.ignore_patterns("__pycache__"))
    module = tmp_path / "workbench" / where
    text = module.read_text("utf-8")
    assert take in text
    module.write_text(text.replace(take, give), "utf-8")
    ask = (
        "import pathlib, sys; from workbench.distill.audit import audit; from workbench.distill.checks import BY_NAME; "
        "from workbench.distill.root import Root; root = Root(pathlib.Path(sys.argv[1])); "
        f"print(audit(root, recorded_at='{AT}', checks=[BY_NAME['{name}']]).failed)"
    )
    env = os.environ | {"PYTHONPATH": str(tmp_path)}
    told = {"cwd": tmp_path, "env": env, "capture_output": True, "text": True}
    said = subprocess.run([sys.executable, "-c", ask, whole.path], **told)
    assert said.stdout.strip() == f"('{name}',)", said.stderr


def test_the_shipped_schemas_have_no_fault() -> None:
    assert schema_faults() == []


def test_an_empty_root_fails_and_nothing_is_raised(tmp_path: Path) -> None:
    names = [check.name for check in CHECKS if check.required and check.name not in OF_THE_PRODUCT]
    done = look(Root(tmp_path), *names)
    proven_by_absence = {"sft_no_leak", "rag_no_rejected", "no_self_pair", "no_identical_pair"}
    still = {"no_row_without_provenance", "escalation_guard"}
    assert set(done.failed) == set(names) - proven_by_absence - still
    assert list(tmp_path.iterdir()) == []


def test_the_newest_run_is_audited_even_when_its_summary_is_broken(tree: Root) -> None:
    run(tree, Order("2026-05-01T00:00:00Z", "run-0", GitState("0" * 40, dirty=False)))
    (tree.reports("run-0") / "summary.json").write_text("{torn")
    assert newest_run(tree) == "run-0"
    assert look(tree, "summary_valid").failed == ("summary_valid",)


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("skips_near_baseline", "p2_evidence_skips"),
        ("shares_near_baseline", "p3_accepted"),
        ("quarantine_near_baseline", "p4_total_quarantined"),
    ],
)
def test_far_from_the_baseline_informs_and_does_not_fail(name: str, metric: str, tree: Root) -> None:
    now = metrics(tree)
    append(tree.baselines, Baseline(AT, "0" * 40, now))
    assert look(tree, name).findings[0].ok
    append(tree.baselines, Baseline(AT, "0" * 40, now | {metric: now[metric] * 3 + 5}))
    done = look(tree, name)
    assert not done.findings[0].ok
    assert done.ok
    assert {row.metric for row in done.drift if row.flag == "warn"} == {metric}


def test_a_malformed_baseline_is_an_error(tree: Root) -> None:
    tree.baselines.write_text("{torn")
    with pytest.raises(InvalidError):
        look(tree, "evidence_rows")


def test_the_metrics_are_those_of_the_fixture(whole: Root) -> None:
    found = metrics(whole)
    assert [found[f"p3_{name}"] for name in ("accepted", "partial", "rejected", "human")] == [6, 2, 4, 2]
    assert (found["p2_evidence_rows"], found["p2_evidence_skips"], found["p4_pref_pairs"]) == (14, 1, 1)


def test_what_informs_tells_a_failed_live_replay_and_an_alert(tree: Root) -> None:
    names = ("last_live_replay", "drift_no_alert", "tier_1_streams")
    assert [one.ok for one in look(tree, *names).findings] == [True, True, False]
    tree.replays.write_text(json.dumps({"schema": "replay_run.v1", "dry_run": False, "passed": False}) + "\n")
    edit(tree.reports(RUN) / "drift.json", lambda row: row.update(severity="alert"))
    done = look(tree, *names)
    assert [one.ok for one in done.findings] == [False, False, False]
    assert done.ok
