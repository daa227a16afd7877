"""What some models want written before a text, by side: without it they find worse. Servers do not add it."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from workbench.search.embedding.embed import Side


@dataclass(frozen=True, slots=True)
class Prefixes:
    """Texts put before a query and before a document; part of a model's identity."""

    query: str = ""
    document: str = ""

    def on(self, text: str, side: Side) -> str:
        """``text`` as it is sent."""
        return (self.query if side == "query" else self.document) + text


NONE = Prefixes()
_PASSAGES = Prefixes(query="Represent this sentence for searching relevant passages: ")

TABLE: tuple[tuple[str, Prefixes, str], ...] = (
    (
        "nomic-embed-text*",
        Prefixes("search_query: ", "search_document: "),
        "huggingface.co/nomic-ai/nomic-embed-text-v1.5",
    ),
    ("mxbai-embed-large*", _PASSAGES, "huggingface.co/mixedbread-ai/mxbai-embed-large-v1"),
    ("snowflake-arctic-embed2*", Prefixes(query="query: "), "huggingface.co/Snowflake/snowflake-arctic-embed-l-v2.0"),
    (
        "snowflake-arctic-embed-*v2*",
        Prefixes(query="query: "),
        "huggingface.co/Snowflake/snowflake-arctic-embed-m-v2.0",
    ),
    ("snowflake-arctic-embed*", _PASSAGES, "huggingface.co/Snowflake/snowflake-arctic-embed-m"),
    ("bge-large", _PASSAGES, "ollama.com/library/bge-large is bge-large-en-v1.5"),
    ("bge-*-en*", _PASSAGES, "huggingface.co/BAAI/bge-large-en-v1.5"),
    (
        "embeddinggemma*",
        Prefixes("task: search result | query: ", "title: none | text: "),
        "huggingface.co/google/embeddinggemma-300m",
    ),
    (
        "qwen3-embedding*",
        Prefixes(
            query="Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
        ),
        "huggingface.co/Qwen/Qwen3-Embedding-0.6B",
    ),
    ("multilingual-e5*", Prefixes("query: ", "passage: "), "huggingface.co/intfloat/multilingual-e5-large"),
    ("e5-*", Prefixes("query: ", "passage: "), "huggingface.co/intfloat/e5-large-v2"),
)
"""Pattern of the model's name without vendor and tag · prefixes · where the model's makers say so. First match wins."""


def prefixes_of(model: str) -> Prefixes:
    """The prefixes of ``model`` (``vendor/name:tag`` in any case); none for a model that is not in the table."""
    name = model.rpartition("/")[2].partition(":")[0].lower()
    return next((prefixes for pattern, prefixes, _ in TABLE if fnmatchcase(name, pattern)), NONE)
