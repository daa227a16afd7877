"""Outcomes: judged again, recorded once, in an order that makes sense; and what is recorded counts from then on."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from desk_lake import AGO, START, TABLES, TODAY, again, codes, load

from workbench.errors import ConflictError, InvalidError, NotFoundError, RejectedError
from workbench.session import Workbench, connect
from workbench.staffing.outcomes import FOLLOWS, OUTCOMES
from workbench.staffing.outcomes import START as NOTHING
from workbench.staffing.validate import judge

JO3 = {"role": "Forklift Operator", "city": "Joliet", "state": "IL", "client_id": "CL-2", "shift": "1st"}
JO3 |= {"start": START.isoformat()}


@pytest.fixture(scope="module")
def agency(tmp_path_factory) -> Path:
    """A loaded lake, for copies."""
    folder = tmp_path_factory.mktemp("agency")
    load(folder).close()
    return folder / "lake"


@pytest.fixture
def wb(agency, tmp_path) -> Iterator[Workbench]:
    shutil.copytree(agency, tmp_path / "lake")
    with connect(tmp_path / "lake", folder=tmp_path) as opened:
        yield opened


def test_an_outcome_is_a_row_that_names_what_was_judged(wb):
    done = wb.record_outcome("jo-1", "w-1", "offered", by="ann", at=f"{AGO[10]}T08:30")
    (row,) = wb.sql("SELECT * FROM outcomes").table.to_pylist()
    assert (row["order_id"], row["worker"], row["worker_id"], row["outcome"], row["step"]) == (
        "JO-1", "W-1", 1, "offered", 1,
    )  # fmt: skip
    assert (row["recorded_by"], row["client_id"], row["start"]) == ("ann", "CL-1", START)
    assert row["happened_at"] == dt.datetime.fromisoformat(f"{AGO[10]}T08:30").astimezone(dt.UTC)
    assert row["passed"]
    verdict = done.report.verdict
    assert (row["verdict"], row["context_sha256"]) == (verdict.artifact_sha256, verdict.context_sha256)
    assert {"workers@1", "do_not_return@1", "job_orders@1"} <= set(row["snapshots"])
    assert wb.outcomes("JO-1") == (done.outcome,)
    assert wb.sql("SELECT w.role FROM outcomes JOIN workers AS w USING (worker_id)").row_count == 1


def test_the_digest_is_of_exactly_the_artifact_that_was_validated(wb):
    proposal = wb.desk.proposal("JO-1", "W-1")
    assert proposal.artifact == {"fills": [{"candidate_id": "W-1", "name": "Ana Diaz"}]}
    report = wb.validate("fill", proposal.artifact, proposal.context)
    assert report.ok
    digest = report.verdict.artifact_sha256
    assert wb.record_outcome("JO-1", "W-1", "offered", verdict=digest).outcome.verdict == digest
    assert wb.record_outcome("JO-1", "W-1", "accepted", verdict=report.verdict).outcome.verdict == digest


@pytest.mark.parametrize("edit", ["ANA DIAZ", "Ana  Diaz", "Ana Diaz "])
def test_any_edit_voids_a_verdict(wb, edit):
    proposal = wb.desk.proposal("JO-1", "W-1")
    digest = wb.validate("fill", proposal.artifact, proposal.context).verdict.artifact_sha256
    with pytest.raises(RejectedError, match="is of another artifact than W-1 for JO-1") as told:
        wb.record_outcome("JO-1", {"candidate_id": "W-1", "name": edit}, "offered", verdict=digest)
    assert "Any edit voids a verdict" in told.value.hint
    assert told.value.details["given"] == digest
    assert wb.outcomes() == ()


def test_a_verdict_of_a_whole_fill_is_none_of_a_part(wb):
    fill = {"fills": [{"candidate_id": "W-1", "name": "Ana Diaz"}, {"candidate_id": "W-2", "name": "Ben Ortiz"}]}
    whole = wb.validate("fill", fill, wb.desk.orders.of("JO-1").context | {"target_count": 2})
    assert whole.ok
    with pytest.raises(RejectedError, match="another artifact"):
        wb.record_outcome("JO-1", "W-1", "offered", verdict=whole.verdict.artifact_sha256)


def test_a_verdict_that_says_no_or_is_none_is_refused(wb):
    proposal = wb.desk.proposal("JO-1", "W-4")
    with pytest.raises(RejectedError, match="says no"):
        wb.record_outcome("JO-1", "W-4", "offered", verdict=wb.validate("fill", proposal.artifact, JO3).verdict)
    with pytest.raises(InvalidError, match="no digest"):
        wb.record_outcome("JO-1", "W-1", "offered", verdict="3f2a")


@pytest.mark.parametrize(
    ("worker", "code"),
    [("W-99812", "phantom_id"), ("W-4", "inactive"), ("W-6", "city_mismatch"), ("W-5", "do_not_return")],
)
@pytest.mark.parametrize("outcome", ["offered", "accepted", "placed"])
def test_nobody_is_promised_whom_the_validators_refuse(wb, worker, code, outcome):
    with pytest.raises(RejectedError, match=f"{outcome}' was not recorded") as told:
        wb.record_outcome("JO-1", worker, outcome)
    assert code in codes(told.value.details)
    assert code in told.value.message
    assert wb.catalog.find("outcomes") is None


def test_what_merely_happened_is_recorded_of_an_unfit_worker_and_says_so(wb):
    done = wb.record_outcome("JO-1", "W-5", "declined")
    assert not done.outcome.passed
    assert codes(done.report.to_dict()) == ["do_not_return"]
    with pytest.raises(RejectedError, match="phantom_id"):
        wb.record_outcome("JO-1", "W-99812", "declined")
    with pytest.raises(RejectedError, match="unknown_client"):
        wb.record_outcome(JO3 | {"client_id": "CL-77"}, "W-1", "no_answer")


def test_it_is_judged_by_the_newest_snapshots(wb, tmp_path):
    wb.record_outcome("JO-1", "W-1", "offered")
    with connect(wb.settings.lake) as other:  # somebody else loads what is new
        again(other, tmp_path, "do_not_return", TABLES["do_not_return"] + f"CL-1,1,{AGO[10]},left early\n")
    with pytest.raises(RejectedError, match="do_not_return"):
        wb.record_outcome("JO-1", "W-1", "accepted")
    assert wb.record_outcome("JO-1", "W-1", "declined").outcome.step == 2


def test_rules_of_the_house_are_judged_too(wb):
    with pytest.raises(RejectedError) as told:
        wb.record_outcome({name: value for name, value in JO3.items() if name != "city"}, "W-1", "offered")
    assert codes(told.value.details) == ["rule_rejected"]


def test_the_same_twice_is_a_conflict_that_names_the_first(wb):
    first = wb.record_outcome("JO-1", "W-1", "offered", by="ann")
    with pytest.raises(ConflictError, match=r"recorded already: W-1 offered JO-1 .* by ann") as told:
        wb.record_outcome("JO-1", "w-1", "offered", by="bob")
    assert told.value.details["last"]["outcome_id"] == first.outcome.outcome_id
    assert "accepted, declined, no_answer, placed" in told.value.hint
    wb.record_outcome("JO-1", "W-2", "offered")
    assert len(wb.outcomes("JO-1")) == 2


STEPS = {
    NOTHING: (), "offered": ("offered",), "no_answer": ("no_answer",), "accepted": ("accepted",),
    "declined": ("declined",), "placed": ("placed",), "no_show": ("accepted", "no_show"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), [*product(FOLLOWS, OUTCOMES)])
def test_what_may_follow_what(before, after, followed):
    wb, order = followed
    for step in STEPS[before]:
        wb.record_outcome(order, "W-1", step)
    if after in FOLLOWS[before]:
        assert wb.record_outcome(order, "W-1", after).outcome.step == len(STEPS[before]) + 1
        return
    with pytest.raises(ConflictError, match="recorded already" if before == after else "cannot be what comes") as told:
        wb.record_outcome(order, "W-1", after)
    assert told.value.details["may_follow"] == list(FOLLOWS[before])
    assert f"What may follow{'' if before == after else ' now'}: {FOLLOWS[before][0]}" in told.value.hint


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Iterator[Workbench]:
    """A lake with an order for each pair of outcomes, of a client each, so that none stands in another's way."""
    orders = "order_id,client_id,role,city,state,count,shift,start_date\n"
    days = [START + dt.timedelta(days=n) for n in range(60)]
    ids = "client_id,name,status\n" + "".join(f"CL-{n},Client {n},active\n" for n in range(60))
    rows = "".join(f"JO-{n},CL-{n},Forklift Operator,Joliet,IL,1,{n}th,{day}\n" for n, day in enumerate(days))
    with load(tmp_path_factory.mktemp("many"), job_orders=orders + rows, clients=ids, submissions="") as opened:
        yield opened


@pytest.fixture
def followed(many) -> tuple[Workbench, str]:
    used = {one.order_id for one in many.outcomes()}
    return many, next(f"JO-{n}" for n in range(60) if f"JO-{n}" not in used)


def test_every_outcome_has_a_way_on_and_can_be_reached():
    assert set(FOLLOWS) == {NOTHING, *OUTCOMES}
    assert all(FOLLOWS.values())
    assert {one for after in FOLLOWS.values() for one in after} == set(OUTCOMES)
    assert all(state not in after for state, after in FOLLOWS.items())


def test_times_that_cannot_be_are_refused(wb):
    wb.record_outcome("JO-1", "W-1", "offered", at=f"{TODAY - dt.timedelta(days=1)}T10:00")
    with pytest.raises(InvalidError, match="would come before what it follows"):
        wb.record_outcome("JO-1", "W-1", "accepted", at=f"{AGO[10]}T10:00")
    with pytest.raises(InvalidError, match="has not come yet"):
        wb.record_outcome("JO-1", "W-1", "accepted", at=f"{START}T10:00")
    with pytest.raises(InvalidError, match="is no time"):
        wb.record_outcome("JO-1", "W-1", "accepted", at="yesterday")


def test_no_more_are_placed_than_there_are_places(wb):
    assert wb.record_outcome("JO-2", "W-1", "placed").outcome.outcome == "placed"
    wb.record_outcome("JO-2", "W-2", "accepted")
    with pytest.raises(ConflictError, match="JO-2 has 1 place, and nobody more can be placed: W-1"):
        wb.record_outcome("JO-2", "W-2", "placed")
    wb.record_outcome("JO-2", "W-1", "no_show")
    assert wb.record_outcome("JO-2", "W-2", "placed").outcome.step == 2


@pytest.mark.parametrize(
    ("order", "worker", "outcome", "error"),
    [
        ("JO-1", "W-1", "oferred", InvalidError), ("JO-9", "W-1", "offered", NotFoundError),
        ("", "W-1", "offered", InvalidError), ("JO-1", "", "offered", InvalidError),
        ("JO-1", None, "offered", InvalidError), (7, "W-1", "offered", InvalidError),
        ({"order_id": 7}, "W-1", "offered", InvalidError), (JO3 | {"target_count": 0}, "W-1", "offered", InvalidError),
    ],
)  # fmt: skip
def test_what_means_nothing_is_refused(wb, order, worker, outcome, error):
    with pytest.raises(error):
        wb.record_outcome(order, worker, outcome)


def test_a_near_order_is_named(wb):
    with pytest.raises(NotFoundError, match=r"No order in job_orders@1 is 'JO-11'") as told:
        wb.record_outcome("JO-11", "W-1", "offered")
    assert told.value.details["near"] == ["JO-1", "JO-2", "JO-3"]


JO1 = {"order_id": "jo-1", "role": "forklift operator", "start": f"{START}T06:00"}


OTHERS = [{"city": "Gary"}, {"state": "IN"}, {"client_id": "CL-2"}, {"role": "Packer"}, {"start": f"{TODAY}"}]


@pytest.mark.parametrize("more", [*OTHERS, {"target_count": 9}])
def test_a_context_under_the_id_of_an_order_cannot_say_otherwise(wb, more):
    with pytest.raises(InvalidError, match="JO-1 says"):
        wb.record_outcome(JO1 | more, "W-6", "offered")
    assert wb.outcomes() == ()


def test_a_context_under_the_id_of_an_order_is_that_order(wb):
    with pytest.raises(RejectedError, match="Joliet"):
        wb.record_outcome(JO1, "W-6", "offered")  # who lives in Gary
    assert wb.record_outcome(JO1, "W-1", "offered").outcome.order_id == "JO-1"
    with pytest.raises(ConflictError):
        wb.record_outcome("JO-1", "W-1", "offered")
    with pytest.raises(RejectedError, match="excluded"):
        wb.record_outcome({"order_id": "JO-2", "must_not": ["W-2"]}, "W-3", "offered")
    with pytest.raises(RejectedError, match="excluded"):
        wb.record_outcome({"order_id": "JO-2", "must_not": ["W-2"]}, "W-2", "offered")


def test_an_order_may_be_a_context_and_the_same_context_is_the_same_order(wb):
    first = wb.record_outcome(JO3 | {"target_count": 3}, "W-1", "offered")
    assert first.outcome.order_id.startswith("ctx-")
    with pytest.raises(ConflictError):
        wb.record_outcome(dict(reversed(JO3.items())), "W-1", "offered")
    named = wb.record_outcome(JO3 | {"order_id": "PO 17"}, "W-2", "offered")
    assert wb.outcomes("po 17") == (named.outcome,)
    assert wb.outcomes(JO3) == (first.outcome,)
    assert wb.outcomes(worker="w-2") == (named.outcome,)


def test_what_an_order_rules_out_is_read_from_its_row(wb):
    with pytest.raises(RejectedError, match="excluded_by_order"):
        wb.record_outcome("JO-2", "W-3", "offered")


def test_a_closed_order_is_said(wb):
    assert wb.record_outcome("JO-3", "W-1", "offered").notes == ("JO-3 is cancelled in job_orders@1.",)


def errors(wb, worker, context):
    name = wb.sql("SELECT name FROM workers WHERE worker_id = $n", {"n": int(worker[2:])}, show_pii=True)
    fill = {"fills": [{"candidate_id": worker, "name": name.table.column(0)[0].as_py()}]}
    report = wb.validate("fill", fill, context)
    return {found.code: found for found in report.findings if found.severity == "error"}


def test_who_was_offered_is_pitched_to_that_client(wb):
    context = wb.desk.orders.of("JO-2").context
    assert not errors(wb, "W-1", context)
    wb.record_outcome("JO-1", "W-1", "offered")
    found = errors(wb, "W-1", context)
    assert set(found) == {"already_pitched"}
    assert found["already_pitched"].evidence["dataset"] == "outcomes@1"
    with pytest.raises(RejectedError, match="already_pitched"):
        wb.record_outcome("JO-2", "W-1", "offered")
    assert not errors(wb, "W-1", JO3)
    loaded = errors(wb, "W-7", JO3)["already_pitched"].evidence
    assert (loaded["dataset"], loaded["outcome"]) == ("submissions@1", "pending")


def shown(wb, client):
    text = f"{client} needs 3 forklift operators in Joliet, 1st shift, starting {START:%B %-d}"
    return {hit.id for answer in wb.order(text, k=10) for hit in answer.results.hits}


def test_the_search_for_an_order_leaves_out_whom_the_validators_would_refuse(wb):
    assert {1, 2, 7} <= shown(wb, "Acme")
    wb.record_outcome("JO-1", "W-1", "offered")
    wb.record_outcome("JO-1", "W-7", "no_answer")
    assert {2, 7} <= shown(wb, "Acme")
    assert 1 not in shown(wb, "Acme")
    assert 1 in shown(wb, "Bolt")
    wb.record_outcome(JO3, "W-2", "placed")
    assert 2 not in shown(wb, "Acme") | shown(wb, "Bolt")
    wb.record_outcome(JO3, "W-2", "no_show")
    assert 2 in shown(wb, "Acme")


def test_who_was_only_called_is_not_pitched(wb):
    for worker, outcome in (("W-1", "no_answer"), ("W-2", "declined")):
        wb.record_outcome("JO-1", worker, outcome)
        assert not errors(wb, worker, wb.desk.orders.of("JO-2").context)


def test_who_is_placed_is_booked_until_it_ends(wb):
    wb.record_outcome(JO3, "W-1", "placed", end=START + dt.timedelta(days=30))
    other = JO3 | {"client_id": "CL-1"}
    assert set(errors(wb, "W-1", other)) == {"double_booked"}
    assert errors(wb, "W-1", other)["double_booked"].evidence["dataset"] == "outcomes@1"
    assert not errors(wb, "W-1", other | {"shift": "2nd"})
    assert not errors(wb, "W-1", other | {"start": (START + dt.timedelta(days=31)).isoformat()})
    with pytest.raises(RejectedError, match="double_booked"):
        wb.record_outcome("JO-1", "W-1", "offered")
    wb.record_outcome(JO3, "W-1", "no_show")
    assert not errors(wb, "W-1", other)


def test_a_placement_without_an_end_is_booked_until_the_agency_s_own_records_know_better(wb, tmp_path):
    wb.record_outcome(JO3, "W-1", "placed")
    later = JO3 | {"client_id": "CL-1", "start": (START + dt.timedelta(days=400)).isoformat()}
    assert set(errors(wb, "W-1", later)) == {"double_booked"}
    ends = START + dt.timedelta(days=20)
    again(wb, tmp_path, "assignments", TABLES["assignments"] + f"1,CL-2,1st,{START},{ends}\n")
    assert not errors(wb, "W-1", later)
    assert set(errors(wb, "W-1", later | {"start": ends.isoformat()})) == {"double_booked"}


def test_records_of_other_doors_do_not_stop_what_was_begun_here(wb, tmp_path):
    wb.record_outcome("JO-1", "W-1", "offered")
    again(wb, tmp_path, "submissions", TABLES["submissions"] + f"CL-1,1,{TODAY} 09:00:00,pending\n")
    assert wb.record_outcome("JO-1", "W-1", "accepted").report.ok
    with pytest.raises(RejectedError, match="already_pitched"):
        wb.record_outcome("JO-2", "W-1", "offered")


def test_another_order_s_outcome_excuses_nothing(wb):
    last = wb.record_outcome("JO-1", "W-1", "offered").outcome
    context = wb.desk.orders.of("JO-2").context | {"order_id": "JO-2", "follows": last.outcome_id}
    assert set(errors(wb, "W-1", context)) == {"already_pitched"}
    artifact = {"fills": [{"candidate_id": "W-1", "name": "Ana Diaz"}], "_context": context | {"order_id": "JO-1"}}
    assert not wb.validate("fill", artifact).ok  # a model that writes its own context excuses nobody
    assert judge("fill", artifact, desk=wb.validators.desk("fill")).error is not None


def test_without_the_records_it_still_reads_its_own(tmp_path):
    with load(tmp_path, submissions="", assignments="") as wb:
        wb.record_outcome("JO-1", "W-1", "offered")
        assert set(errors(wb, "W-1", wb.desk.orders.of("JO-2").context)) == {"already_pitched"}


def test_a_dataset_of_that_name_that_is_none_of_ours_is_left_alone(wb, tmp_path):
    pq.write_table(pa.table({"mine": [1, 2]}), tmp_path / "own.parquet")
    wb.ingest(tmp_path / "own.parquet", "outcomes")
    with pytest.raises(ConflictError, match="other columns than outcomes of orders"):
        wb.record_outcome("JO-1", "W-1", "offered")
    assert wb.lake.get("outcomes").row_count == 2
    assert not errors(wb, "W-1", wb.desk.orders.of("JO-1").context)


def test_ids_that_are_text_are_kept_as_the_roster_has_them(tmp_path):
    roster = TABLES["workers"].replace("\n1,", "\nEMP-A1,").replace("\n2,", "\nEMP-B2,")
    papers = "worker_id,credential,issued,expires\nEMP-A1,Forklift Certification,2020-01-01,2040-01-01\n"
    with load(tmp_path, workers=roster, credentials=papers, submissions="", assignments="", do_not_return="") as wb:
        wb.record_outcome("JO-1", "emp-a1", "offered")
        assert wb.sql("SELECT w.city FROM outcomes JOIN workers AS w USING (worker_id)").row_count == 1
        with pytest.raises(ConflictError, match="recorded already"):
            wb.record_outcome("JO-1", "EMP-A1", "offered")


def test_compacted_restored_and_read_by_others_it_is_the_same(wb):
    with connect(wb.settings.lake) as other:
        wb.record_outcome("JO-1", "W-1", "offered")
        assert len(other.outcomes("JO-1")) == 1
        other.record_outcome("JO-1", "W-1", "accepted")
        wb.record_outcome("JO-1", "W-1", "placed")
        wb.lake.compact("outcomes")
        assert [one.outcome for one in other.outcomes("JO-1")] == ["offered", "accepted", "placed"]
        wb.lake.restore("outcomes@2")
        assert [one.outcome for one in other.outcomes("JO-1")] == ["offered", "accepted"]
        assert other.record_outcome("JO-1", "W-1", "declined").outcome.step == 3


def test_many_outcomes_do_not_become_as_many_files(wb):
    for n in range(33):
        wb.record_outcome(JO3 | {"order_id": f"PO {n}"}, "W-1", "no_answer")
        wb.record_outcome(JO3 | {"order_id": f"PO {n}"}, "W-1", "declined")
    assert len(wb.lake.get("outcomes").files) < 5
    assert len(wb.outcomes(worker="W-1")) == 66
    assert [one.outcome for one in wb.outcomes("PO 3")] == ["no_answer", "declined"]
