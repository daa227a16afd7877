"""Does search answer well? The tuning half of the labelled queries over 2,000 workers, each arm beside all of them.

The other half is for `benchmarks/quality.py`: a test that fails invites to tune by it.
"""

from __future__ import annotations

import pytest

from workbench.search.ranking.evaluate import ALL, Report
from workbench.search.trial import Trial
from workbench.staffing.labelled import read_labelled


@pytest.fixture(scope="module")
def report(staffed) -> Report:
    return Trial(staffed.searcher, "workers").measure(read_labelled("tune"))


def mean(report: Report, system: str, class_: str, measure: str = "ndcg") -> float:
    return next(row.intervals[measure].mean for row in report.rows if (row.system, row.class_) == (system, class_))


def test_all_parts_together_are_better_than_each_arm_alone(report):
    against = {arm: report.compare("hybrid", arm) for arm in ("vector", "text")}
    assert {arm: found[0].verdict for arm, found in against.items()} == {"vector": "better", "text": "better"}


def test_no_class_of_query_is_worse_than_by_the_better_arm_beyond_noise(report):
    assert report.behind("hybrid", ["vector", "text"]) == ()


@pytest.mark.parametrize(
    ("class_", "least"),
    # What was measured on these workers, less about three times its noise.
    [("exact title", 0.95), ("alternate title", 0.85), ("typo", 0.9), ("abbreviation", 0.85), (ALL, 0.75)],
)
def test_what_coordinators_type_is_understood(report, class_, least):
    assert mean(report, "hybrid", class_) >= least


def test_a_query_that_is_far_from_everything_is_said_to_be_and_few_others_are(report):
    assert mean(report, "hybrid", "out of domain", "detected") >= 0.4
    assert mean(report, "hybrid", ALL, "false_alarm") <= 0.2
