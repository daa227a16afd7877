"""The embedders behind a server and behind the cache keep the laws of every embedder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from test_embedder_laws import (  # noqa: F401 - the laws are collected here again, with the embedders of this module
    test_a_long_batch_equals_its_parts,
    test_name_digest_and_dimension_identify_the_model,
    test_nearer_meaning_is_nearer_in_space,
    test_no_texts_and_empty_texts_are_refused,
    test_the_error_names_the_empty_text_and_never_its_neighbours,
    test_vectors_are_float32_unit_rows_in_the_order_of_the_texts,
    test_what_is_not_a_list_of_texts_is_refused,
)

from workbench.search.embedding.cache import CachedEmbedder, EmbedCache
from workbench.search.embedding.disk_cache import DiskCache
from workbench.search.embedding.embed import Embedder, WordllamaEmbedder
from workbench.search.embedding.local_server import LocalServer
from workbench.search.embedding.ollama import OllamaEmbedder
from workbench.search.embedding.openai import OpenAIEmbedder

wordllama = cache(WordllamaEmbedder)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(wordllama(), model="nomic-embed-text") as running:
        yield running


@pytest.fixture(params=["ollama", "openai", "cached", "cached-small", "cached-disk", "cached-off", "cached-ollama"])
def embedder(request: pytest.FixtureRequest, server: LocalServer, tmp_path: Path) -> Iterator[Embedder]:
    ollama = OllamaEmbedder("nomic-embed-text", url=server.url)
    openai = OpenAIEmbedder("nomic-embed-text", url=server.openai_url)
    disk = DiskCache(tmp_path / "cache")
    yield {
        "ollama": ollama,
        "openai": openai,
        "cached": CachedEmbedder(wordllama(), EmbedCache()),
        "cached-small": CachedEmbedder(wordllama(), EmbedCache(entries=3)),
        "cached-disk": CachedEmbedder(wordllama(), EmbedCache(entries=2, disk=disk)),
        "cached-off": CachedEmbedder(wordllama(), EmbedCache(entries=0)),
        "cached-ollama": CachedEmbedder(ollama, EmbedCache()),
    }[request.param]
    ollama.close()
    openai.close()
    disk.close()


def test_a_text_has_the_same_bits_alone_in_a_batch_and_the_second_time(embedder):
    batch = ["forklift operator", "-é ß漢🙂\n7", "welder " * 300, "a", "forklift operator"]
    for side in ("query", "document"):
        together = embedder.embed(batch, side=side)
        for place, text in enumerate(batch):
            assert embedder.embed([text], side=side)[0].tobytes() == together[place].tobytes()
        assert embedder.embed(batch[::-1], side=side)[::-1].tobytes() == together.tobytes()
