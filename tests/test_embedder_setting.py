"""The setting ``embedder``: who makes the vectors, through the workbench's own verbs and a real local server."""

from __future__ import annotations

from pathlib import Path

import pytest

import workbench
from workbench.errors import ConfigError, NotFoundError, ProviderError
from workbench.search.embedding.embed import WordllamaEmbedder
from workbench.search.embedding.local_server import LocalServer
from workbench.session import Workbench


def opened(folder: Path, **settings: str) -> Workbench:
    (folder / "workers.csv").write_text(
        "worker_id,role,skills\n1,Welder,MIG and TIG\n2,Picker,RF scanner\n3,Line Cook,grill\n", encoding="utf-8"
    )
    wb = workbench.connect(folder / "lake", folder=folder, search_log="false", **settings)
    wb.ingest(folder / "workers.csv", "workers")
    return wb


@pytest.mark.parametrize("protocol", ["ollama", "openai"])
def test_a_server_makes_the_vectors_and_is_not_asked_twice(tmp_path, protocol):
    with LocalServer(WordllamaEmbedder(), model="demo") as server:
        urls = {"ollama_url": server.url, "embeddings_url": server.openai_url, "embeddings_key": ""}
        with opened(tmp_path, embedder=f"{protocol}/demo", **urls) as wb:
            found = wb.search("welder", k=1)
            assert (found.hits[0].id, found.model) == (1, "demo")
            assert wb.search("welder", k=1).hits == found.hits
            assert wb.query_embedder.cache.stats().memory_hits == 1
        with opened(tmp_path, embedder=f"{protocol}/demo", **urls) as again:
            assert again.search("welder", k=1).hits == found.hits
            assert again.query_embedder.cache.stats().disk_hits == 1
            assert again.searcher.index("workers").corpus.embedded == 0


def test_another_model_has_vectors_of_its_own(tmp_path):
    with opened(tmp_path) as wb:
        own = wb.search("cook", k=3)
    with (
        LocalServer(WordllamaEmbedder(), model="demo") as server,
        opened(tmp_path, embedder="ollama/demo", ollama_url=server.url) as wb,
    ):
        assert wb.searcher.index("workers").corpus.embedded == 3
        assert {hit.id for hit in wb.search("cook", k=3).hits} == {hit.id for hit in own.hits}


@pytest.mark.parametrize(
    ("settings", "error", "said"),
    [
        ({"embedder": "magic"}, ConfigError, "ollama/nomic-embed-text"),
        ({"embedder": "openai/small"}, ConfigError, "LH_EMBEDDINGS_URL"),
        ({"embedder": "ollama/demo", "ollama_url": "http://127.0.0.1:1"}, ProviderError, "ollama serve"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(tmp_path, settings, error, said):
    with opened(tmp_path, **settings) as wb, pytest.raises(error) as caught:
        wb.search("welder")
    assert said in caught.value.hint


def test_a_model_that_ollama_does_not_have_is_named_with_the_command(tmp_path):
    with (
        LocalServer(WordllamaEmbedder(), model="demo") as server,
        opened(tmp_path, embedder="ollama/demon", ollama_url=server.url) as wb,
        pytest.raises(NotFoundError) as caught,
    ):
        wb.search("welder")
    assert "demo" in str(caught.value.details) + caught.value.hint


def test_embed_gives_unit_rows_through_the_cache(tmp_path):
    with opened(tmp_path) as wb:
        vectors = wb.embed(["welder", "cook", "welder"], side="document")
        assert vectors.shape == (3, 256)
        assert vectors[0].tobytes() == vectors[2].tobytes()
        assert wb.query_embedder.cache.stats().size == 2
