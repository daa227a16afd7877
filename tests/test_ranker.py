"""Ranker: every arm's part for every row, one score, and the ranking of a brute force that computes all of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.lake.tables.manifest import Column
from workbench.search.embedding.embed import WordllamaEmbedder, check_texts
from workbench.search.graphs.planned import PlannedIndex
from workbench.search.lexical.lexical import open_lexical
from workbench.search.lexical.question import ask
from workbench.search.ranking.fusion import TEXT_ONLY, VECTOR_ONLY, Weights
from workbench.search.ranking.ranker import Probe, Ranked, Ranker
from workbench.search.texts.corpus import Corpus, embed_corpus
from workbench.search.texts.template import text_template
from workbench.search.vectors.distance import distances
from workbench.search.vectors.keys import ABSENT
from workbench.staffing import write_workers

VOCABULARY = ("forklift", "welder", "nights", "picker", "OSHA-30", "reach truck", "nurse", "cook")
ROLES = ("Forklift Operator", "Welder", "Nurse", None)


class WordsEmbedder:
    """Eight dimensions: one for each word of the vocabulary that stands in the text, and a little of all."""

    name, dimension = "words", 8
    digest = hashlib.sha256(b"words").hexdigest()

    def embed(self, texts, *, side):
        check_texts(texts)
        raw = np.array([[text.count(word) + 0.01 for word in VOCABULARY] for text in texts])
        return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32)


@dataclass
class Scene:
    """A corpus under a ranker, and all its parts by brute force."""

    corpus: Corpus
    ranker: Ranker

    def best(self, probe: Probe, weights: Weights, coverage: float, rows: np.ndarray | None) -> list[tuple[int, float]]:
        """Every allowed row with its score, best first."""
        values = self.values(probe)
        of_query = weights.of(coverage, trade=probe.trade is not None).tolist()
        scores = [m * of_query[0] + w * of_query[1] + t * of_query[2] for m, w, t in values.tolist()]
        allowed = range(len(self.corpus)) if rows is None else np.flatnonzero(rows).tolist()
        slots = self.corpus.rows.slots
        with_text = [(row, scores[slots[row]]) for row in allowed if slots[row] != ABSENT]
        bare = [(row, 0.0) for row in allowed if slots[row] == ABSENT]
        return sorted(with_text, key=lambda pair: (-pair[1], pair[0])) + bare

    def values(self, probe: Probe) -> np.ndarray:
        """Parts (texts, 3) of every text."""
        corpus, lexical = self.corpus, self.ranker.lexical
        out = np.zeros((len(corpus.keys), 3))
        if not len(out):
            return out
        far = distances(corpus.blocks.take(corpus.positions), probe.vector, "cosine")
        out[:, 0] = np.clip(1 - far, 0, 1)
        if probe.question.terms:
            scores = lexical.scores(probe.question, lexical.find(corpus.keys))
            out[:, 1] = lexical.parts(probe.question, scores)
        if probe.trade is not None:
            out[:, 2] = [probe.trade[code] if code != ABSENT else 0.0 for code in corpus.rows.role_of]
        return out


def scene(folder: Path, ids, texts, roles, embedder, others=()) -> Scene:
    """``others``: texts that the slab and the word index have beside those of the corpus."""
    lexical = open_lexical(folder / "words", create=True)
    if others:
        batch = pa.record_batch({"id": list(range(len(others))), "text": list(others)})
        embed_corpus([batch], embedder, folder, "others", sink=lexical.add)
    batch = pa.record_batch(
        {"id": pa.array(ids, pa.int64()), "text": pa.array(texts, pa.string()), "role": pa.array(roles, pa.string())}
    )
    corpus, _ = embed_corpus([batch], embedder, folder, "rows", sink=lexical.add)
    members = None if len(corpus.keys) == len(corpus.blocks) else corpus.positions
    return Scene(corpus, Ranker(corpus, PlannedIndex(corpus.blocks, members=members), lexical))


MODES = {"text": TEXT_ONLY, "vector": VECTOR_ONLY}
said = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=4).map(", ".join)
row = st.tuples(st.none() | said, st.sampled_from(ROLES), st.booleans())
weights_of = st.builds(
    Weights,
    st.sampled_from([0.5, 1.0, 2.0]),
    st.sampled_from([0.0, 1.0, 4.0]),
    st.sampled_from([0.0, 0.6]),
    st.sampled_from([0.0, 1.0, 2.0]),
) | st.sampled_from([VECTOR_ONLY, TEXT_ONLY])


@given(
    rows=st.lists(row, max_size=40),
    others=st.lists(said, max_size=5),
    query=said,
    weights=weights_of,
    k=st.integers(1, 50),
    trade=st.none() | st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=4, max_size=4),
    everything=st.booleans(),
)
def test_the_ranking_is_that_of_a_brute_force_over_all_parts(
    tmp_path_factory, rows, others, query, weights, k, trade, everything
):
    texts = [None if text is None else f"{role or ''}. {text}" for text, role, _ in rows]
    made = scene(
        tmp_path_factory.mktemp("ranker"),
        list(range(len(rows))),
        texts,
        [role for _, role, _ in rows],
        WordsEmbedder(),
        others,
    )
    mask = None if everything else np.array([allowed for *_, allowed in rows], np.bool_)
    vector = WordsEmbedder().embed([query], side="query")[0]
    known = None if trade is None else np.array(trade[: len(made.corpus.rows.roles)])
    probe = Probe(vector, ask(query), known)

    found = made.ranker.rank(probe, k, weights, rows=mask)

    want = made.best(probe, weights, found.coverage, mask)
    assert list(zip(found.rows.tolist(), found.scores.tolist(), strict=True)) == want[:k]
    assert len(found.rows) == min(k, len(want))
    assert found.matching == len(want)
    assert_scores_are_their_parts(found)


def assert_scores_are_their_parts(found: Ranked) -> None:
    scores = found.scores.tolist()
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert found.weights.sum() == pytest.approx(1.0)
    for place, score in enumerate(scores):
        parts = found.parts(place)
        assert [part.name for part in parts] == ["meaning", "words", "trade"]
        assert (parts[0].share + parts[1].share) + parts[2].share == score
        assert all(0 <= part.value <= 1 and 0 <= part.weight <= 1 for part in parts)


@pytest.fixture(scope="module")
def roster(tmp_path_factory) -> Scene:
    """5,000 generated workers under the embedded default."""
    folder = tmp_path_factory.mktemp("roster")
    write_workers(folder / "workers.csv", workers=5000, seed=11)
    with duckdb.connect() as con:
        table = con.sql(f"SELECT * FROM read_csv('{folder / 'workers.csv'}')")
        columns = [Column(name, "string") for name in table.columns]
        rows = table.project(f"worker_id, {text_template(columns).to_sql()}, role").order("worker_id").fetchall()
    ids, texts, roles = zip(*rows, strict=True)
    return scene(folder, ids, texts, roles, WordllamaEmbedder())


QUERIES = (
    "forklift operator, nights",
    "tow motor",
    "somebody to bend conduit",
    "RN for a medical floor, ACLS",
    "TIG welder stainless",
    "people who clean hotel rooms",
    "Joliet",
    "CDL driver",
    "soldering",
    "OSHA-30",
    "photosynthesis in algae",
    "the quick brown fox",
)


def probe_of(roster: Scene, query: str) -> Probe:
    embedder = WordllamaEmbedder()
    roles = embedder.embed(list(roster.corpus.rows.roles), side="document")
    vector = embedder.embed([query], side="query")[0]
    return Probe(vector, ask(query), np.clip(roles @ vector, 0, 1).astype(np.float64))


def filters(roster: Scene) -> list[np.ndarray | None]:
    rng = np.random.default_rng(5)
    masks = [rng.random(len(roster.corpus)) < share for share in (0.5, 0.05, 0.002)]
    return [None, *masks, np.zeros(len(roster.corpus), np.bool_)]


def test_over_many_rows_the_first_ten_are_those_of_the_brute_force(roster):
    agreed = wanted = 0
    for query in QUERIES:
        probe = probe_of(roster, query)
        for mask in filters(roster):
            found = roster.ranker.rank(probe, 10, Weights(), rows=mask)
            best = roster.best(probe, Weights(), found.coverage, mask)
            assert len(found.rows) == min(10, len(best))
            assert_scores_are_their_parts(found)
            assert mask is None or mask[found.rows].all()
            # A row that ties with the tenth is as right as the tenth.
            last = best[9][1] if len(best) > 9 else -1.0
            agreed += sum(score >= last for score in found.scores.tolist())
            wanted += len(found.rows)
    assert wanted > 400
    assert agreed / wanted >= 0.99


def test_a_score_does_not_depend_on_how_many_are_asked_for_nor_on_who_proposed_the_row(roster):
    for query in QUERIES[:4]:
        probe = probe_of(roster, query)
        wide = roster.ranker.rank(probe, 1000, Weights())
        of_row = dict(zip(wide.rows.tolist(), wide.scores.tolist(), strict=True))
        assert len(wide.rows) == 1000
        for k in (1, 10, 100):
            found = roster.ranker.rank(probe, k, Weights())
            assert [of_row[at] for at in found.rows.tolist()] == found.scores.tolist()
        values = roster.values(probe)[roster.corpus.rows.slots[wide.rows]]
        assert (wide.values == values).all()


def test_the_ranks_are_places_in_the_arms_own_lists(roster):
    probe = probe_of(roster, "forklift operator, nights")
    found = roster.ranker.rank(probe, 50, Weights())
    by_meaning = roster.ranker.rank(probe, 1000, VECTOR_ONLY)
    texts = list(dict.fromkeys(roster.corpus.rows.slots[by_meaning.rows].tolist()))
    for row, rank in zip(found.rows.tolist(), found.ranks[:, 0].tolist(), strict=True):
        slot = int(roster.corpus.rows.slots[row])
        assert rank == 0 or by_meaning.values[:, 0][rank - 1] == pytest.approx(roster.values(probe)[slot, 0])
        assert rank != 0 or slot not in texts[:100]
    assert found.parts(0)[2].rank is None


def test_an_arm_without_weight_is_not_asked_and_its_part_is_shown_all_the_same(roster):
    probe = probe_of(roster, "forklift operator, nights")
    asked = {name: roster.ranker.rank(probe, 20, weights) for name, weights in MODES.items()}
    every = roster.ranker.propose(probe, 150)
    for name, weights in MODES.items():
        whole = roster.ranker.order(every, 20, weights)
        assert asked[name].rows.tolist() == whole.rows.tolist()
        assert asked[name].scores.tobytes() == whole.scores.tobytes()
        assert asked[name].values.tobytes() == whole.values.tobytes()
    assert asked["text"].plan is None
    assert not asked["text"].ranks[:, 0].any()
    assert not asked["vector"].ranks[:, 1].any()
    assert asked["vector"].coverage == 0.0
    assert (asked["text"].coverage, asked["text"].ranks.any(), asked["vector"].ranks.any()) == (every.coverage, 1, 1)


def test_where_few_rows_have_a_word_the_others_follow_by_meaning(roster):
    probe = probe_of(roster, "Haas")
    found = roster.ranker.rank(probe, 1000, TEXT_ONLY)
    assert len(found.rows) == 1000
    assert 0 < np.count_nonzero(found.scores) < 1000
    assert found.plan is not None


def test_the_same_question_is_answered_by_the_same_bits(roster):
    probe = probe_of(roster, "TIG welder stainless")
    once, again = (roster.ranker.rank(probe, 20, Weights()) for _ in range(2))
    assert once.rows.tobytes() == again.rows.tobytes()
    assert once.scores.tobytes() == again.scores.tobytes()


def test_more_than_there_is_gives_all_there_is_the_bare_rows_last(tmp_path):
    made = scene(tmp_path, [5, 6, 7, 8], [None, "welder", " ", "cook"], [None] * 4, WordsEmbedder())
    probe = Probe(WordsEmbedder().embed(["cook"], side="query")[0], ask("cook"))
    found = made.ranker.rank(probe, 99, Weights())
    assert made.corpus.ids.take(pa.array(found.rows)).to_pylist() == [8, 6, 5, 7]
    assert found.scores.tolist()[2:] == [0.0, 0.0]
    only_bare = made.ranker.rank(probe, 1, Weights(), rows=np.array([True, False, True, False]))
    assert only_bare.rows.tolist() == [0]


def test_without_a_word_index_meaning_and_trade_rank(tmp_path):
    made = scene(tmp_path, [1, 2], ["welder", "cook"], ["Welder", "Cook"], WordsEmbedder())
    ranker = Ranker(made.corpus, PlannedIndex(made.corpus.blocks), None)
    probe = Probe(WordsEmbedder().embed(["cook"], side="query")[0], ask("cook"))
    found = ranker.rank(probe, 2, Weights())
    assert found.rows.tolist() == [1, 0]
    assert found.weights.tolist() == [1.0, 0.0, 0.0]
    assert ranker.having(ask("", must=["cook"])).all()


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        (ask("", must=["welder"]), {1, 3}),
        (ask("", must_not=["welder"]), {2, 4}),
        (ask("", phrases=["reach truck"]), {3, 4}),
        (ask("", must=["welder"], must_not=["reach truck"]), {1}),
        (ask("welder"), {1, 2, 3, 4}),
    ],
)
def test_conditions_on_words_hold_exactly(tmp_path, question, kept):
    texts = ["welder", "cook, truck reach", "welder on a reach truck", "Reach Truck"]
    made = scene(tmp_path, [1, 2, 3, 4], texts, [None] * 4, WordsEmbedder(), ["some other text"])
    texts_kept = np.append(made.ranker.having(question), False)
    assert set(np.flatnonzero(texts_kept[made.corpus.rows.slots]) + 1) == kept
