"""Workers in fields that nobody judges: an invented one, or one who does not fit, is refused wherever he stands."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from workbench.cli.validate import read_json
from workbench.errors import InvalidError
from workbench.staffing.validate import Desk, Report, Roster, judge
from workbench.staffing.validate.ids import normal_id
from workbench.staffing.validate.mentions import Mention, mentions

TODAY = date(2026, 11, 20)
TABLE = pa.table(
    {"worker_id": [12, 13, 14], "name": ["Ana Diaz", "Ben Ortiz", "Cy Young"], "city": ["Joliet"] * 2 + ["Gary"]}
)
DESK = Desk(roster=Roster.of(TABLE, snapshot="workers@7"))
GOOD = {"candidate_id": "W-12", "name": "Ana Diaz"}


def told(more: dict[str, Any], item: dict[str, Any] | None = None, desk: Desk = DESK) -> Report:
    return judge("fill", {"fills": [GOOD | (item or {})]} | more, {"city": "Joliet"}, desk=desk, today=TODAY)


def errors(report: Report) -> list[tuple[str, str]]:
    return [(found.code, found.path) for found in report.findings if found.severity == "error"]


INVENTED = [
    ({"alternates": [{"candidate_id": "W-99812", "name": "Pat Nobody"}]}, "alternates[0].candidate_id"),
    ({"backup": {"Candidate_ID": "99812"}}, "backup.Candidate_ID"),
    ({"worker_ids": ["W-12", 99812]}, "worker_ids[1]"),
    ({"note": "W-99812 is even better."}, "note"),
    ({"notes": [["w-99812"]]}, "notes[0][0]"),
]


@pytest.mark.parametrize(("more", "path"), INVENTED)
def test_an_invented_worker_is_refused_in_any_field(more: dict[str, Any], path: str) -> None:
    assert errors(told(more)) == [("phantom_id", path)]
    assert errors(told({}, more)) == [("phantom_id", f"fills[0].{path}")]


def test_a_worker_of_another_city_is_refused_where_he_would_not_be_judged() -> None:
    assert errors(told({"alternates": [{"candidate_id": "W-14"}]})) == [("wrong_type", "alternates[0].candidate_id")]
    assert errors(told({}, {"worker_id": 14})) == [("wrong_type", "fills[0].worker_id")]


@pytest.mark.parametrize(
    "item",
    [{"worker_id": 12}, {"id": "w-12"}, {"reason": "W-12 lives nearer than W-14."}, {"note": "brings his W-4"},
     {"employee": "Ana Diaz"}, {"candidate": None}, {"id": True}, {"client_id": "CL-9"}],
)  # fmt: skip
def test_what_names_nobody_else_passes(item: dict[str, Any]) -> None:
    assert errors(told({}, item)) == []


def test_without_a_roster_nobody_is_known() -> None:
    assert ("phantom_id", "note") in errors(told({"note": "or W-13"}, desk=Desk()))


@pytest.mark.parametrize("depth", [70, 300, 2_000, 100_000])
def test_no_depth_hides_an_invented_worker(depth: int) -> None:
    deep: Any = "W-99812"
    for _ in range(depth):
        deep = [deep]
    assert not told({"note": deep}).ok


def test_no_crowd_hides_an_invented_worker() -> None:
    assert ("phantom_id", "note") in errors(told({"note": "W-12 W-13 " * 2_000 + "W-99812"}))


def test_every_mention_is_found_in_its_place() -> None:
    assert list(mentions({"a": ["so W-1, W-2"]})) == [Mention("a[0]", one, proposed=False) for one in ("W-1", "W-2")]


@pytest.mark.parametrize("text", ["219<b>-09</b>-9999", "219&#45;09&#45;9999", "<td>219</td>-09-9999"])
def test_a_number_that_shows_once_markup_is_resolved_is_refused_in_a_fill(text: str) -> None:
    report = told({"note": text})
    assert errors(report) == [("ssn", "note")]
    assert "9999" not in json.dumps(report.to_dict())


@pytest.mark.parametrize("other", ["\u212a-9", "k\u200b-9", "\uff4b-9", "к-9"])
def test_an_id_that_only_looks_like_another_is_nobody(other: str) -> None:
    roster = Roster.of(pa.table({"worker_id": ["K-9"], "name": ["Ana Diaz"], "city": ["Joliet"]}))
    found = judge("fill", {"fills": [{"candidate_id": other, "name": "Ana Diaz"}]}, None, desk=Desk(roster=roster))
    assert [code for code, _ in errors(found)] == ["phantom_id"]
    assert normal_id("k-9") == normal_id("K-9") != normal_id(other)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '{"fills": [{"candidate_id": "W-99812", "name": "P"}], "fills": [{"candidate_id": "W-12", "name": "A"}]}',
            "twice",
        ),
        ('{"fills": [{"candidate_id": "W-99812", "candidate_id": "W-12", "name": "A"}]}', "twice"),
        ('{"fills": [], "n": NaN}', "NaN"),
        ('{"fills": [], "n": -Infinity}', "Infinity"),
        ('{"n": 1' + "0" * 5_000 + "}", "limit"),
    ],
)
def test_a_file_that_two_readers_read_differently_is_not_judged(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "fill.json").write_text(text)
    with pytest.raises(InvalidError, match=said):
        read_json(str(tmp_path / "fill.json"))
