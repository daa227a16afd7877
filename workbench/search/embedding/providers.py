"""Providers: an embedder by the name that a setting gives it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.errors import ConfigError
from workbench.outbound import Secret
from workbench.search.embedding.embed import Embedder, embedded

EMBEDDED = "embedded"
_FORMS = "embedded, ollama/nomic-embed-text, or openai/<model> with embeddings_url"


@dataclass(frozen=True, slots=True)
class Servers:
    """Where model servers are: Ollama's address, that of an OpenAI-compatible server, and where its key lies."""

    ollama_url: str
    embeddings_url: str
    key: Secret | None = None


def open_embedder(name: str, servers: Servers) -> Embedder:
    """The embedder called ``name``: ``embedded`` (offline), ``ollama/<model>``, or ``openai/<model>`` for any server
    that speaks OpenAI's protocol. Nothing is asked of a server yet. Raises ConfigError for another name.
    """
    provider, _, model = name.partition("/")
    if name == EMBEDDED:
        return embedded()
    if provider == "ollama" and model:
        from workbench.search.embedding.ollama import OllamaEmbedder

        return OllamaEmbedder(model, url=servers.ollama_url)
    if provider == "openai" and model:
        if not servers.embeddings_url:
            raise ConfigError(
                f"The embedder {name} needs the address of its server.",
                hint="Set embeddings_url, for example LH_EMBEDDINGS_URL=http://127.0.0.1:8080/v1",
            )
        from workbench.search.embedding.openai import OpenAIEmbedder

        return OpenAIEmbedder(model, url=servers.embeddings_url, secret=servers.key)
    raise ConfigError(f"There is no embedder {name!r}.", hint=f"The setting embedder is one of: {_FORMS}.")


def cache_folder(cache_dir: Path) -> Path:
    """Where vectors of queries from a server are kept."""
    return cache_dir / "queries"
