"""The labelled queries keep what they promise: counts, splits, relevance that exists, words that are not shared."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from pathlib import Path

import pytest
import tantivy

import workbench
from workbench.search.ranking.evaluate import Labelled, Ranking, evaluate
from workbench.staffing import SHIFTS, offers_shift_sql, read_trades, write_workers
from workbench.staffing.labelled import CLASSES, read_labelled
from workbench.trades.dictionary import Dictionary

TRADE_CLASSES = ("exact title", "alternate title", "abbreviation", "no shared word", "typo")
ROLES = {role.name: role for role in read_trades().roles}

Judge = Callable[[str], frozenset[int]]


def of(class_: str) -> list[Labelled]:
    return [entry for entry in read_labelled() if entry.class_ == class_]


def role_of(entry: Labelled) -> str:
    return re.match(r"role = '([^']+)'", entry.where_relevant)[1]


@pytest.fixture(scope="module")
def wb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[workbench.Workbench]:
    """The workers that the labels are made for: 20,000, default seed."""
    folder = tmp_path_factory.mktemp("labelled")
    write_workers(folder / "workers.csv")
    with workbench.connect(folder / "lake") as opened:
        opened.ingest(folder / "workers.csv", "workers")
        yield opened


@pytest.fixture(scope="module")
def judge(wb: workbench.Workbench) -> Judge:
    """Ids of the workers that match a condition, asked once each."""
    manifest, known = wb.lake.get("workers"), {"": frozenset()}

    def ask(condition: str) -> frozenset[int]:
        if condition not in known:
            known[condition] = frozenset(wb.lake.queries.matching(manifest, "worker_id", condition).to_pylist())
        return known[condition]

    return ask


def test_every_class_has_sixty_queries_and_two_equal_halves():
    assert {entry.class_ for entry in read_labelled()} == set(CLASSES)
    for class_ in CLASSES:
        halves = Counter(entry.split for entry in of(class_))
        assert sum(halves.values()) >= 60
        assert abs(halves["tune"] - halves["test"]) <= 1
    assert len(read_labelled("tune")) + len(read_labelled("test")) == len(read_labelled())
    assert {entry.split for entry in read_labelled("test")} == {"test"}


def test_each_half_of_each_trade_class_asks_for_every_role():
    for class_ in TRADE_CLASSES:
        for split in ("tune", "test"):
            assert {role_of(entry) for entry in of(class_) if entry.split == split} == set(ROLES)
    for class_ in ("credential + place", "negation"):
        asked = {role_of(entry) for entry in of(class_)}
        assert {ROLES[name].family for name in asked} == {role.family for role in ROLES.values()}
        assert len(asked) >= 30


def test_only_queries_out_of_domain_have_nothing_right():
    for entry in read_labelled():
        assert entry.in_domain == (entry.class_ != "out of domain")
        assert entry.in_domain or not entry.where_near


def test_every_query_has_right_workers_and_every_near_condition_adds_some(judge):
    for entry in read_labelled():
        if entry.in_domain:
            right, near = judge(entry.where_relevant), judge(entry.where_near)
            assert right, entry
            assert not entry.where_near or near - right, entry


def test_who_answers_with_the_right_workers_gets_full_marks(judge):
    entries = read_labelled()
    answers = {e.query: [*judge(e.where_relevant), *(judge(e.where_near) - judge(e.where_relevant))] for e in entries}
    oracle = {"oracle": lambda query, k: Ranking(tuple(answers[query][:k]), not answers[query])}
    found = evaluate(entries, oracle, judge, resamples=10)
    assert not found.unanswerable
    for row in found.rows:
        for measure, interval in row.intervals.items():
            assert interval.mean == pytest.approx(0 if measure == "false_alarm" else 1), row


def folded(text: str) -> str:
    """Words in small letters without a plural's s: "Box-Packers" → "box packer"."""
    words = re.findall(r"\w+", text.casefold())
    return " ".join(w[:-1] if len(w) > 3 and w.endswith("s") and not w.endswith("ss") else w for w in words)


@pytest.fixture(scope="module")
def titles() -> frozenset[str]:
    return frozenset(map(folded, Dictionary.load().titles))


def test_no_query_is_a_title_of_the_dictionary_except_exact_ones(titles):
    assert "tow motor operator" in titles
    taken = [e.query for e in read_labelled() if e.class_ != "exact title" and folded(e.query) in titles]
    assert taken == []


def test_a_query_without_a_shared_word_holds_no_title_of_several_words(titles):
    for entry in of("no shared word"):
        words = folded(entry.query).split()
        parts = {" ".join(words[a:b]) for a in range(len(words)) for b in range(a + 2, len(words) + 1)}
        assert parts & titles == set(), entry


def analyzer(*, stem: bool) -> tantivy.TextAnalyzer:
    built = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple()).filter(tantivy.Filter.lowercase())
    built = built.filter(tantivy.Filter.stopword("english"))
    return (built.filter(tantivy.Filter.stemmer("english")) if stem else built).build()


def shared(query: str, text: str) -> list[str]:
    """Words of the query whose stem, or whose first five letters, a word of the text has; grammar words left out."""
    plain, stemmed = analyzer(stem=False), analyzer(stem=True)
    stems, heads = set(stemmed.analyze(text)), {word[:5] for word in plain.analyze(text) if len(word) >= 5}
    return [word for word in plain.analyze(query) if word[:5] in heads or set(stemmed.analyze(word)) & stems]


def test_the_check_for_shared_words_sees_stems_and_heads():
    assert shared("maintaining the conveyor", "Maintenance Tech. conveyors") == ["maintaining", "conveyor"]
    assert shared("sparks for a house", "Electrician. conduit bending") == []


def test_no_query_without_a_shared_word_shares_one_with_its_role_or_the_columns_of_its_workers(wb):
    rows = wb.sql(
        "SELECT role, string_agg(DISTINCT skills, ' ') AS skills, string_agg(DISTINCT certifications, ' ') AS papers "
        "FROM workers GROUP BY 1"
    ).table.to_pylist()
    columns = {row["role"]: f"{row['role']} {row['skills']} {row['papers']}" for row in rows}
    for entry in of("no shared word"):
        role = ROLES[role_of(entry)]
        told = [*role.titles, *role.skills, *role.credentials, *role.duties, *role.settings]
        assert shared(entry.query, " ".join([columns[role.name], *told])) == [], entry


def nearness(query: str, title: str) -> float:
    return SequenceMatcher(None, query.casefold(), title.casefold()).ratio()


def test_a_typo_is_near_a_title_of_its_role_and_not_one_of_them():
    for entry in of("typo"):
        role = ROLES[role_of(entry)]
        names = [role.name, *role.titles]
        assert folded(entry.query) not in map(folded, names)
        assert max(nearness(entry.query, name) for name in names) >= 0.7, entry


def test_a_credential_and_a_place_are_both_right_and_the_role_alone_is_near():
    for entry in of("credential + place"):
        assert entry.where_near == f"role = '{role_of(entry)}'"
        assert entry.where_relevant.startswith(f"{entry.where_near} AND certifications LIKE '%")
        assert " AND city = '" in entry.where_relevant


def test_a_negation_bites(judge):
    """Enough workers of the trade have what is refused: an answer that overlooks the word "not" shows."""
    for entry in of("negation"):
        everyone = judge(f"role = '{role_of(entry)}'")
        assert judge(entry.where_relevant) < everyone
        assert len(everyone - judge(entry.where_relevant)) >= 8, entry


def test_refused_shifts_are_judged_as_the_shifts_module_says():
    conditions = [e.where_relevant for e in read_labelled() if "regexp" in e.where_relevant]
    known = {f"NOT {offers_shift_sql('resume_text', shift)}" for shift in SHIFTS}
    assert len(conditions) >= 10
    assert {condition.partition(" AND ")[2] for condition in conditions} <= known


def test_half_of_the_queries_out_of_domain_and_more_are_not_even_about_the_trades():
    traps = [entry for entry in of("out of domain") if "trap" in entry.id]
    assert 15 <= len(traps) <= len(of("out of domain")) / 2


def test_the_files_are_the_packaged_ones():
    folder = Path(workbench.__file__).parent / "staffing" / "data"
    lines = [line for file in folder.glob("labelled_*.jsonl") for line in file.read_text("utf-8").splitlines()]
    assert len(lines) == len(read_labelled())
