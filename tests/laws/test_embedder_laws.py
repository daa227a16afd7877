"""What every embedder promises. Add an implementation to EMBEDDERS and it is held to the same."""

from __future__ import annotations

import string
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import InvalidError
from workbench.search.embedding.embed import Embedder, WordllamaEmbedder

EMBEDDERS: dict[str, Callable[[], Embedder]] = {"wordllama": cache(WordllamaEmbedder)}
SIDES = ("query", "document")
texts = st.text(string.ascii_letters + string.digits + " -éß漢🙂\n", min_size=1, max_size=40).filter(str.strip)


@pytest.fixture(params=sorted(EMBEDDERS))
def embedder(request):
    return EMBEDDERS[request.param]()


@pytest.mark.parametrize("side", SIDES)
def test_vectors_are_float32_unit_rows_in_the_order_of_the_texts(embedder, side):
    given_texts = ["forklift operator", "registered nurse", "forklift operator", "welder " * 500]

    vectors = embedder.embed(given_texts, side=side)

    assert vectors.shape == (4, embedder.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors.astype(np.float64), axis=1), 1.0, atol=1e-6)
    assert vectors[0].tobytes() == vectors[2].tobytes()
    assert np.array_equal(vectors[1], embedder.embed(["registered nurse"], side=side)[0])


@pytest.mark.parametrize("name", sorted(EMBEDDERS))
@settings(max_examples=25, deadline=None)
@given(batch=st.lists(texts, min_size=1, max_size=12), data=st.data())
def test_a_text_has_the_same_bits_alone_and_in_any_batch(name, batch, data):
    embedder = EMBEDDERS[name]()
    place = data.draw(st.integers(0, len(batch) - 1))

    together = embedder.embed(batch, side="document")

    assert together[place].tobytes() == embedder.embed([batch[place]], side="document")[0].tobytes()
    assert np.isfinite(together).all()


def test_a_long_batch_equals_its_parts(embedder):
    batch = [f"worker {number} packs boxes" for number in range(4500)]

    whole = embedder.embed(batch, side="document")

    assert np.array_equal(whole[4490:], embedder.embed(batch[4490:], side="document"))
    assert np.array_equal(whole[2040:2060], embedder.embed(batch[2040:2060], side="document"))


def test_neither_order_nor_repetition_nor_length_of_neighbours_changes_a_bit(embedder):
    batch = [
        " ".join(["forklift", "operator", "nights", "and", "weekends"] * (n % 7) + [f"dock {n}"]) for n in range(300)
    ]

    forwards = embedder.embed(batch, side="document")
    backwards = embedder.embed([*batch, *batch][::-1], side="document")[::-1]

    assert forwards.tobytes() == backwards[:300].tobytes() == backwards[300:].tobytes()


@pytest.mark.parametrize("bad", [[], [""], ["  \n\t"], ["a picker", ""]])
@pytest.mark.parametrize("side", SIDES)
def test_no_texts_and_empty_texts_are_refused(embedder, side, bad):
    with pytest.raises(InvalidError):
        embedder.embed(bad, side=side)


def test_the_error_names_the_empty_text_and_never_its_neighbours(embedder):
    with pytest.raises(InvalidError, match=r"Text 2 of 3 is empty") as caught:
        embedder.embed(["Maria Lopez, 555-0100", " ", "welder"], side="document")
    assert "Maria" not in str(caught.value)


@pytest.mark.parametrize("bad", ["forklift", ["forklift", 7], ["forklift", None], ["caf\udce9"]])
def test_what_is_not_a_list_of_texts_is_refused(embedder, bad):
    with pytest.raises(InvalidError):
        embedder.embed(bad, side="query")


def test_name_digest_and_dimension_identify_the_model(embedder):
    assert embedder.name
    assert len(embedder.digest) >= 32
    assert set(embedder.digest) <= set(string.hexdigits.lower())
    assert embedder.dimension > 0


def test_nearer_meaning_is_nearer_in_space(embedder):
    query = embedder.embed(["someone who can drive a reach truck"], side="query")[0]
    forklift, nurse = embedder.embed(
        ["Forklift Operator. reach truck, pallet jack", "Registered Nurse. patient care"], side="document"
    )

    assert query @ forklift > query @ nurse
