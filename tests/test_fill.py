"""Every clause of the fill validator: what it refuses, what it lets pass, and what it could not check."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from workbench.cli.app import app
from workbench.errors import InvalidError
from workbench.session import Workbench, connect
from workbench.staffing import scenarios, write_csvs
from workbench.staffing.demo import load_demo
from workbench.staffing.validate import Clients, Desk, Records, Report, Roster, judge

TODAY = date(2026, 11, 20)
START = date(2026, 11, 23)
PEOPLE = [
    # id, name, role, city, state, availability
    (1, "Ana Díaz", "Forklift Operator", "Joliet", "IL", 0.9),
    (2, "Ben Ortiz", "Forklift Operator", "Joliet", "IL", 0.5),
    (3, "Cy Young", "Forklift Operator", "Joliet", "IL", 0.7),
    (4, "Di Marsh", "Forklift Operator", "Joliet", "IL", 0.0),
    (5, "Ed Stone", "CNC Operator", "Joliet", "IL", 0.8),
    (6, "Fay Wolf", "Forklift Operator", "Gary", "IN", 0.8),
    (7, "Gus Hale", "Forklift Operator", None, None, None),
    (8, "Hal Moss", "Forklift Operator", "", "IL", 0.4),
    (9, None, None, "Joliet", "IL", 0.4),
    (10, "Joe Twin", "Forklift Operator", "Joliet", "IL", 0.4),
    (10, "Jim Twin", "Forklift Operator", "Joliet", "IL", 0.4),
    (12, "Mike Reynolds", "Forklift Operator", "Joliet", "IL", 0.4),
]
ORDER: dict[str, Any] = {"role": "Forklift Operator", "city": "Joliet", "state": "IL", "client_id": "CL-0001"}
ORDER |= {"shift": "1st", "start": START.isoformat()}


def roster(**more: list[Any]) -> Roster:
    names = ("worker_id", "name", "role", "city", "state", "availability")
    columns = {name: [row[n] for row in PEOPLE] for n, name in enumerate(names)}
    return Roster.of(pa.table(columns | more), snapshot="workers@12")


def records(name: str, rows: list[dict[str, Any]]) -> Records:
    return Records.of(name, pa.Table.from_pylist(rows), snapshot=f"{name}@3")


CREDENTIAL = {"worker_id": 1, "credential": "OSHA-30", "expires": date(2027, 5, 1)}
ASSIGNMENT = {"worker_id": 2, "client_id": "CL-0009", "shift": "1st", "start": date(2026, 11, 1), "end": START}
BAN = {"worker_id": 2, "client_id": "CL-0001", "since": date(2026, 1, 2), "reason": "no-call no-show"}
PITCH = {"worker_id": 2, "client_id": "CL-0001", "at": date(2026, 11, 8), "outcome": "pending"}
CLIENTS = Clients.of(pa.table({"client_id": ["CL-0001", "CL-0002"], "status": ["active", "on hold"]}))


def desk(**parts: Any) -> Desk:
    return Desk(**({"roster": roster(), "clients": CLIENTS} | parts))


def fills(*people: Any) -> dict[str, Any]:
    names = {str(row[0]): row[1] for row in PEOPLE}
    return {"fills": [{"candidate_id": f"W-{one}", "name": names.get(str(one)) or "Alex Nobody"} for one in people]}


def told(artifact: Any, context: Any = ORDER, at: Desk | None = None) -> Report:
    return judge("fill", artifact, context, desk=at or desk(), today=TODAY)


def errors(report: Report) -> list[tuple[str, str]]:
    return [(found.code, found.path) for found in report.findings if found.severity == "error"]


def test_an_honest_fill_passes() -> None:
    report = told(fills(1, 2, 3), ORDER | {"target_count": 3})
    assert report.ok
    assert report.error is None
    assert not [found for found in report.findings if found.severity == "warning"]


@pytest.mark.parametrize(
    ("artifact", "where"),
    [
        ({}, "fills"),
        ({"fills": None}, "fills"),
        ({"fills": {"candidate_id": "W-1"}}, "fills"),
        ({"fills": ["W-1"]}, "fills[0]"),
        ({"fills": [{"name": "Ana Díaz"}]}, "fills[0].candidate_id"),
        ({"fills": [{"candidate_id": 1, "name": "Ana Díaz"}]}, "fills[0].candidate_id"),
        ({"fills": [{"candidate_id": "W-1"}]}, "fills[0].name"),
        ({"fills": [{"candidate_id": "W-1", "name": "  "}]}, "fills[0].name"),
        ([], "artifact"),
        (None, "artifact"),
    ],
)
def test_schema_names_the_field(artifact: Any, where: str) -> None:
    report = told(artifact)
    assert not report.ok
    assert report.error is not None
    assert report.error.to_dict()["Schema"]["field"] == where


def test_the_other_fills_are_judged_beside_a_broken_one() -> None:
    report = told({"fills": [{"name": "x"}, *fills(4)["fills"]]})
    assert errors(report) == [("missing_field", "fills[0].candidate_id"), ("inactive", "fills[1].candidate_id")]


@pytest.mark.parametrize("count", [1, 4])
def test_the_count_is_the_target(count: int) -> None:
    report = told(fills(*(1, 2, 3, 12)[:count]), ORDER | {"target_count": 3})
    assert errors(report) == [("count_mismatch", "fills")]
    assert "Completeness" in report.error.to_dict()  # type: ignore[union-attr]


def test_without_a_target_any_number_but_none_will_do() -> None:
    assert told(fills(1, 2)).ok
    assert errors(told({"fills": []})) == [("count_mismatch", "fills")]


@pytest.mark.parametrize("again", ["W-1", "w-1", "1"])
def test_the_same_worker_twice_is_refused_however_it_is_written(again: str) -> None:
    artifact = {"fills": [*fills(1, 2)["fills"], {"candidate_id": again, "name": "Ana Díaz"}]}
    assert errors(told(artifact)) == [("duplicate_id", "fills[2].candidate_id")]


def test_an_invented_worker_is_refused_and_real_ones_are_named() -> None:
    report = told(fills(1, 99812))
    assert errors(report) == [("phantom_id", "fills[1].candidate_id")]
    found = report.findings[0]
    assert found.message.startswith("W-99812 is not on the roster; nearest active forklift operators in Joliet, IL: W-")
    assert set(found.nearest_valid) <= {"W-2", "W-3", "W-12"}
    assert "W-1" not in found.nearest_valid  # he is proposed already
    assert found.evidence["roster"] == "workers@12"
    assert told({"fills": [{"candidate_id": one, "name": "Ben Ortiz"} for one in found.nearest_valid]}).ok


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"role": "cnc operator"}, "nearest active CNC operators: W-5 Ed Stone."),
        ({"role": "Tow Motor Driver", "city": "Gary"}, "there are no other active Tow Motor Drivers in Gary."),
        ({"city": "Gary"}, "nearest active workers in Gary: W-6 Fay Wolf."),
        ({"state": "OH"}, "there are no other active workers in OH."),
    ],
)
def test_the_nearest_are_named_in_the_words_of_the_order(order: dict[str, Any], said: str) -> None:
    assert told(fills(99812), order).findings[0].message == f"W-99812 is not on the roster; {said}"
    assert "active" not in told(fills(99812), order, Desk()).findings[0].message


def test_two_invented_workers_are_not_offered_the_same_one_first() -> None:
    report = told({"fills": [{"candidate_id": f"W-{n}", "name": "Alex Nobody"} for n in (99812, 98812)]})
    taken = [found.nearest_valid[0] for found in report.findings if found.code == "phantom_id"]
    assert told({"fills": [{"candidate_id": one, "name": "Ben Ortiz"} for one in taken]}).ok


def test_who_has_the_name_is_the_nearest() -> None:
    report = told({"fills": [{"candidate_id": "W-1200", "name": "cy young"}]})
    assert report.findings[0].nearest_valid[0] == "W-3"


@pytest.mark.parametrize("id_", ["W-", "W-01", "W-1 ", "W-１", "1.0", "-1", "W-1\n", "9" * 40, "W-1;W-2", "\ud800"])
def test_what_only_looks_like_an_id_is_nobodys(id_: str) -> None:
    report = told({"fills": [{"candidate_id": id_, "name": "Ana Díaz"}]})
    assert not report.ok


def test_without_a_roster_every_existence_check_fails() -> None:
    report = told(fills(1, 2), at=Desk())
    assert errors(report) == [("phantom_id", f"fills[{n}].candidate_id") for n in range(2)]
    assert "no roster" in report.findings[0].message


def test_an_id_of_two_rows_names_nobody() -> None:
    assert errors(told(fills(10))) == [("ambiguous_id", "fills[0].candidate_id")]


def test_an_inactive_worker_is_refused() -> None:
    assert errors(told(fills(1, 4))) == [("inactive", "fills[1].candidate_id")]


def test_an_availability_that_is_no_number_is_not_checked_and_that_is_said() -> None:
    said = told(fills(1, 2, 4), at=desk(roster=roster(availability=["0.9", "weekends", None, "0", *["1"] * 8])))
    assert errors(said) == [("inactive", "fills[2].candidate_id")]
    assert [(one.code, one.path) for one in said.findings if "active was" in one.message] == [
        ("not_checked", "fills[1].candidate_id")
    ]


@pytest.mark.parametrize(
    ("column", "said"), [("status", ["terminated"] * 12), ("active", [False] * 12), ("is_active", ["no"] * 12)]
)
def test_a_status_or_a_flag_makes_inactive_too(column: str, said: list[Any]) -> None:
    assert errors(told(fills(1), at=desk(roster=roster(**{column: said})))) == [("inactive", "fills[0].candidate_id")]


def test_another_city_is_refused() -> None:
    order = ORDER | {"state": None}
    assert errors(told(fills(6), order)) == [("city_mismatch", "fills[0].candidate_id")]
    assert told(fills(1), order | {"city": " joliet "}).ok


def test_another_state_is_refused() -> None:
    assert errors(told(fills(6), ORDER | {"city": None})) == [("state_mismatch", "fills[0].candidate_id")]


def test_another_role_is_refused() -> None:
    assert errors(told(fills(5))) == [("role_mismatch", "fills[0].candidate_id")]
    assert told(fills(1), ORDER | {"role": "forklift  operator"}).ok


def test_roles_are_compared_by_the_function_that_is_passed_in() -> None:
    def trades(asked: str, role: str) -> bool:
        return (asked, role) == ("tow motor driver", "Forklift Operator")

    order = ORDER | {"role": "tow motor driver"}
    at = desk(same_role=trades)
    assert told(fills(1), order, at).ok
    report = told(fills(1, 5), order, at)
    assert errors(report) == [("role_mismatch", "fills[1].candidate_id")]
    assert set(report.findings[0].nearest_valid) <= {"W-2", "W-3", "W-12"}
    assert report.findings[0].nearest_valid


def test_what_is_not_known_is_not_compared() -> None:
    assert told(fills(7, 9)).ok  # no city, state, role, name or availability on the roster
    assert told(fills(6), {"role": "Forklift Operator"}).ok  # the order names no city


def test_empty_is_not_unknown() -> None:
    assert errors(told(fills(8))) == [("city_mismatch", "fills[0].candidate_id")]


def test_another_name_is_a_warning() -> None:
    report = told({"fills": [{"candidate_id": "W-1", "name": "Ana Smith"}]})
    assert report.ok
    assert [(f.code, f.severity, f.nearest_valid) for f in report.findings if f.severity != "info"] == [
        ("name_differs", "warning", ("Ana Díaz",))
    ]


@pytest.mark.parametrize("name", ["ana diaz", "Díaz, Ana", "ANA DÍAZ"])
def test_a_name_is_the_same_without_accents_case_or_order(name: str) -> None:
    report = told({"fills": [{"candidate_id": "W-1", "name": name}]})
    assert not [found for found in report.findings if found.code == "name_differs"]


@pytest.mark.parametrize("said", [[None, "CL-0009; cl-0001"] + [None] * 10, [[], ["CL-0001"]] + [None] * 10])
def test_the_clients_blacklist_of_the_roster_is_policy(said: list[Any]) -> None:
    report = told(fills(1, 2), at=desk(roster=roster(blacklisted_clients=said)))
    assert errors(report) == [("client_blacklist", "fills[1].candidate_id")]
    assert "Policy" in report.error.to_dict()  # type: ignore[union-attr]


def test_the_clients_blacklist_of_the_context_is_policy() -> None:
    assert errors(told(fills(1, 2), ORDER | {"blacklist": ["2"]})) == [("client_blacklist", "fills[1].candidate_id")]


@pytest.mark.parametrize(("expires", "ok"), [(START, True), (date(2026, 11, 22), False), (None, True)])
def test_a_paper_must_be_valid_on_the_day_of_the_shift(expires: date | None, *, ok: bool) -> None:
    held = records("credentials", [CREDENTIAL, CREDENTIAL | {"worker_id": 2, "expires": expires}])
    report = told(fills(1, 2), ORDER | {"must": ["osha-30"]}, desk(credentials=held))
    assert errors(report) == ([] if ok else [("expired_credential", "fills[1].candidate_id")])
    if not ok:
        found = next(found for found in report.findings if found.severity == "error")
        assert found.evidence["expires"] == "2026-11-22"


def test_a_renewed_paper_is_valid_and_lasts_to_the_last_day() -> None:
    held = records("credentials", [CREDENTIAL | {"expires": date(2020, 1, 1)}, CREDENTIAL])
    order = ORDER | {"must": ["OSHA-30"]}
    assert told(fills(1), order, desk(credentials=held)).ok
    late = order | {"end": "2027-06-01"}
    assert errors(told(fills(1), late, desk(credentials=held))) == [("expired_credential", "fills[0].candidate_id")]


def test_a_paper_that_the_trade_requires_must_not_have_expired() -> None:
    held = records("credentials", [CREDENTIAL | {"expires": date(2026, 1, 1)}])
    at = desk(credentials=held, required=lambda role: {"Forklift Operator": "OSHA-30"}.get(role, ""))
    report = told(fills(1, 2), at=at)
    assert errors(report) == [("expired_credential", "fills[0].candidate_id")]
    assert [f.path for f in report.findings if f.code == "missing_credential"] == ["fills[1].candidate_id"]


def test_a_paper_that_the_order_asks_for_must_be_held() -> None:
    at = desk(credentials=records("credentials", [CREDENTIAL]))
    assert errors(told(fills(1, 2), ORDER | {"must": ["OSHA-30"]}, at)) == [
        ("missing_credential", "fills[1].candidate_id")
    ]


@pytest.mark.parametrize(
    ("booking", "ok"),
    [
        ({}, False),
        ({"end": date(2026, 11, 22)}, True),
        ({"start": date(2026, 11, 24), "end": None}, True),
        ({"end": None}, False),
        ({"shift": "2nd"}, True),
        ({"shift": None}, False),
    ],
)
def test_a_worker_is_booked_once_at_a_time(booking: dict[str, Any], *, ok: bool) -> None:
    rows = [ASSIGNMENT | {"worker_id": 3, "end": date(2026, 11, 2)}, ASSIGNMENT | booking]
    report = told(fills(1, 2), at=desk(assignments=records("assignments", rows)))
    assert errors(report) == ([] if ok else [("double_booked", "fills[1].candidate_id")])


@pytest.mark.parametrize(
    ("ban", "ok"),
    [({}, False), ({"client_id": "cl-0001"}, False), ({"client_id": "CL-0002"}, True), ({"since": None}, False),
     ({"since": START}, False), ({"since": date(2026, 11, 24)}, True)],
)  # fmt: skip
def test_who_must_not_return_is_not_sent(ban: dict[str, Any], *, ok: bool) -> None:
    rows = [BAN | {"worker_id": 3, "client_id": "CL-0007"}, BAN | ban]
    report = told(fills(1, 2), at=desk(do_not_return=records("do_not_return", rows)))
    assert errors(report) == ([] if ok else [("do_not_return", "fills[1].candidate_id")])


@pytest.mark.parametrize(
    ("at", "ok"), [(date(2026, 11, 8), False), (date(2026, 8, 22), False), (date(2026, 8, 21), True)]
)
def test_a_client_is_not_shown_the_same_worker_twice_in_90_days(at: date, *, ok: bool) -> None:
    rows = [PITCH | {"at": at}, PITCH | {"client_id": "CL-0002"}, PITCH | {"at": date(2020, 1, 1)}]
    report = told(fills(1, 2), at=desk(submissions=records("submissions", rows)))
    assert errors(report) == ([] if ok else [("already_pitched", "fills[1].candidate_id")])


@pytest.mark.parametrize("said", ["Mike R.", "mike reynolds", "W-12", "12"])
def test_whom_the_order_rules_out_is_not_sent(said: str) -> None:
    order = ORDER | {"must_not": [said, "night shift"]}
    assert errors(told(fills(1, 12), order)) == [("excluded_by_order", "fills[1].candidate_id")]


def test_a_client_that_is_none_is_refused_for_no_ban_would_match() -> None:
    assert errors(told(fills(1), ORDER | {"client_id": "CL-001"})) == [("unknown_client", "_context.client_id")]
    held = told(fills(1), ORDER | {"client_id": "cl-0002"})
    assert held.ok
    assert [found.code for found in held.findings if found.severity == "warning"] == ["client_on_hold"]


def test_what_could_not_be_checked_is_said() -> None:
    report = told(fills(1), {}, Desk(roster=roster()))
    said = [found.message for found in report.findings if found.code == "not_checked"]
    assert report.ok
    assert len(said) == 4
    assert all("there is no dataset" in message for message in said)
    rows = {"credentials": CREDENTIAL, "assignments": ASSIGNMENT, "do_not_return": BAN, "submissions": PITCH}
    full = {name: records(name, [row]) for name, row in rows.items()}
    assert not [f for f in told(fills(1), at=desk(**full)).findings if f.code == "not_checked"]
    without = [f.message for f in told(fills(1), {}, desk(**full)).findings if f.code == "not_checked"]
    assert sum("names no start" in message for message in without) == 2
    assert sum("names no client_id" in message for message in without) == 2


def test_layers_come_in_order_whatever_is_found_first() -> None:
    artifact = {"fills": [*fills(2, 4)["fills"], {"candidate_id": "W-1"}]}
    # That the client is none is found behind whom the order rules out, and is of the layer before.
    order = ORDER | {"target_count": 2, "blacklist": ["2"], "must_not": ["W-2"], "client_id": "CL-404"}
    layers = [found.layer for found in told(artifact, order).findings if found.severity == "error"]
    assert layers == ["Schema", "Completeness", "Consistency", "Consistency", "Policy", "Policy"]


def test_consistency_is_told_in_the_order_of_the_contract() -> None:
    artifact = {"fills": [*fills(1, 1, 99812)["fills"], {"candidate_id": "W-4", "name": "Di Marsh"}]}
    said = [found.code for found in told(artifact, {"city": "Gary", "state": "IN", "role": "Welder"}).findings]
    own = ["inactive", "city_mismatch", "state_mismatch", "role_mismatch"]
    assert [code for code in said if code != "not_checked"] == ["duplicate_id", "phantom_id", *own[1:], *own[1:], *own]


@pytest.mark.parametrize(
    ("name", "value"),
    [("target_count", 0), ("target_count", "3"), ("target_count", True), ("city", ""), ("city", 5), ("role", ["x"]),
     ("start", "soon"), ("start", 20261123), ("must", "OSHA-30"), ("end", "2026-11-01"), ("blacklist", [2])],
)  # fmt: skip
def test_a_context_that_means_nothing_is_refused_not_guessed(name: str, value: Any) -> None:
    assert ("bad_context", f"_context.{name}") in errors(told(fills(1), ORDER | {name: value}))


def test_the_callers_context_wins_over_the_models() -> None:
    artifact = fills(5) | {"_context": {"role": "CNC Operator"}}
    assert told(artifact, None).ok
    report = told(artifact)
    assert errors(report) == [("role_mismatch", "fills[0].candidate_id")]
    # It was found last, and is told first: it is of the first layer.
    assert [(found.code, found.severity) for found in report.findings][:1] == [("bad_context", "warning")]


def test_a_shift_may_be_told_with_its_days() -> None:
    order = {"role": "Forklift Operator", "client_id": "CL-0001"}
    order |= {"shift": {"name": "1st", "start": "2026-11-20", "end": "2026-11-21"}}  # type: ignore[dict-item]
    at = desk(assignments=records("assignments", [ASSIGNMENT | {"end": date(2026, 11, 20)}]))
    assert errors(told(fills(2), order, at)) == [("double_booked", "fills[0].candidate_id")]


class Broken:
    """A roster whose file is torn."""

    snapshot = "workers@12"

    def find(self, ids: Any) -> Any:
        raise OSError(5, "Input/output error")

    def near(self, *args: Any, **more: Any) -> Any:
        raise OSError(5, "Input/output error")

    def called(self, names: Any) -> Any:
        raise OSError(5, "Input/output error")


@pytest.mark.parametrize("kind", ["fill", "email"])
def test_a_validator_that_crashes_refuses(kind: str) -> None:
    artifact = fills(1) if kind == "fill" else {"to": "a@example.com", "body": "Hello"}
    context = {"candidate_id": "W-1"}
    report = judge(kind, artifact, context, desk=Desk(roster=Broken()), today=TODAY)
    assert not report.ok
    assert errors(report) == [("validator_crashed", "artifact")]
    assert not report.allows(artifact, context)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
NEARLY = st.fixed_dictionaries({"fills": st.lists(st.fixed_dictionaries({"candidate_id": JSON, "name": JSON}) | JSON)})


@given(NEARLY | JSON, JSON | st.dictionaries(st.sampled_from(sorted([*ORDER, "must", "end", "target_count"])), JSON))
def test_no_artifact_crashes_the_validator_or_gets_an_invented_worker_through(artifact: Any, context: Any) -> None:
    report = told(artifact, context)
    assert "validator_crashed" not in {found.code for found in report.findings}
    if report.ok:
        known = {f"{prefix}{row[0]}" for row in PEOPLE for prefix in ("W-", "w-", "")}
        assert all(fill["candidate_id"] in known for fill in artifact["fills"])


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest demo, of the datasets that validators read."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "csv").mkdir()
    write_csvs(folder / "csv", workers=400, seed=99)
    names = ("workers", "clients", "credentials", "assignments", "do_not_return", "submissions")
    with connect(folder / "lake") as wb:
        assert [done.outcome for done in load_demo(wb.lake, folder / "csv", only=names)] == ["created"] * len(names)
    return folder / "lake"


@pytest.fixture
def wb(lake: Path) -> Any:
    with connect(lake) as open_lake:
        yield open_lake


DRAFTS = [scenario for scenario in scenarios() if scenario.draft]


@pytest.mark.parametrize("scenario", DRAFTS, ids=lambda one: f"{one.number} {one.title}")
def test_the_drafts_of_the_scenarios_get_their_verdict(scenario: Any, wb: Workbench) -> None:
    draft = scenario.draft
    context = dict(draft.context)
    if draft.kind == "fill":
        context |= {"must_not": list(scenario.parse.must_not)}
    report = wb.validate("fill" if draft.kind == "fill" else "email", draft.artifact, context, today=TODAY)
    assert ("passed" if report.error is None else report.error.layer) == draft.expect
    if draft.finding:
        assert draft.finding in {found.code for found in report.findings if found.severity != "info"}
    assert report.verdict is not None
    assert report.verdict.roster == "workers@2"


def test_an_order_in_other_words_is_compared_by_trade(wb: Workbench) -> None:
    fill = {"fills": [{"candidate_id": "W-1", "name": "Janice Fischer"}]}  # a forklift operator in Joliet
    assert wb.validate("fill", fill, {"role": "tow motor driver", "city": "Joliet"}, today=TODAY).ok
    for other in ("CNC Operator", "Warehouse Associate", "registered nurse", "no trade at all"):
        report = wb.validate("fill", fill, {"role": other, "city": "Joliet"}, today=TODAY)
        assert errors(report) == [("role_mismatch", "fills[0].candidate_id")]


def test_a_new_snapshot_is_read_and_a_missing_column_is_no_check(tmp_path: Path) -> None:
    csv = tmp_path / "workers.csv"
    csv.write_text("worker_id,name,city\nW-1,Ana,Joliet\n")
    (tmp_path / "do_not_return.csv").write_text("worker_id,reason\n1,late\n")
    with connect(tmp_path / "lake") as wb:
        fill = {"fills": [{"candidate_id": "2", "name": "Ben"}]}
        assert not wb.validate("fill", fill).ok  # no roster at all
        wb.ingest(csv, "workers")
        wb.ingest(tmp_path / "do_not_return.csv", "do_not_return")
        assert not wb.validate("fill", fill).ok
        csv.write_text("worker_id,name,city\nW-1,Ana,Joliet\nW-2,Ben,Joliet\n")
        wb.ingest(csv, "workers", mode="replace")
        report = wb.validate("fill", fill, {"client_id": "CL-1", "city": "Joliet"})
        assert report.ok
        assert any("no dataset do_not_return" in found.message for found in report.findings)


def test_the_command_exits_1_when_refused_and_prints_the_same_object(lake: Path, tmp_path: Path) -> None:
    good, order = tmp_path / "fill.json", tmp_path / "order.json"
    good.write_text(json.dumps(fills_of("W-1", "Janice Fischer")), encoding="utf-8-sig")
    order.write_text(json.dumps({"role": "Forklift Operator", "city": "Joliet", "target_count": 1}))
    run = CliRunner()
    line = ["--context", str(order), "--json", "--lake", str(lake)]
    done = run.invoke(app, ["validate", "fill", str(good), *line])
    assert done.exit_code == 0
    assert Report.from_dict(json.loads(done.stdout)).ok
    done = run.invoke(app, ["validate", "fill", "-", *line], input=json.dumps(fills_of("W-7777", "Nobody")))
    assert done.exit_code == 1
    report = Report.from_dict(json.loads(done.stdout))
    assert errors(report) == [("phantom_id", "fills[0].candidate_id")]
    done = run.invoke(app, ["validate", "fill", "-", "--lake", str(lake)], input="{")
    assert isinstance(done.exception, InvalidError)


def fills_of(id_: str, name: str) -> dict[str, Any]:
    return {"fills": [{"candidate_id": id_, "name": name}]}


@pytest.mark.parametrize("where", ["reason", "notes"])
def test_a_social_security_number_in_any_field_is_refused(where: str) -> None:
    proposal = fills(1)
    proposal["fills"][0][where] = ["works hard", "his SSN is 219-09-9999"]
    report = told(proposal)
    assert errors(report) == [("ssn", f"fills[0].{where}[1]")]
    assert "9999" not in json.dumps(report.to_dict())
    proposal["fills"][0][where] = ["works hard", "call 312-555-0134"]
    assert told(proposal).ok


@pytest.mark.parametrize(
    "more", [{"ssn": "219099999"}, {"ssn": 219099999}, {"note": "219\n09\n9999"}, {"219-09-9999": {}}]
)
def test_a_social_security_number_is_refused_by_the_name_of_its_field_and_over_lines(more: dict[str, Any]) -> None:
    assert [code for code, _ in errors(told({"fills": [fills(1)["fills"][0] | more]}))] == ["ssn"]
