"""Search over the datasets of a lake: SQL narrows, vectors rank, and the answer is never short."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench import pii
from workbench.errors import InvalidError, NotFoundError
from workbench.lake.lake import Lake
from workbench.lake.manifest import Column, Manifest
from workbench.lake.mapping import literal, quote
from workbench.lake.query import Access
from workbench.search.corpus import Corpus, embed_corpus, open_corpus, search
from workbench.search.embed import Embedder
from workbench.search.hits import Hit, explain
from workbench.search.intake import CorpusStats, EmbedProgress
from workbench.search.template import TextTemplate, text_template

FAR_SCORE = 0.33  # best scores were ≥ 0.37 for 21 queries in domain, ≤ 0.30 for 10 outside (docs/decisions.md)
_SHOWN = 7
MAX_K = 1_000


@dataclass(frozen=True)
class Results:
    """Ranked rows. ``table``: one row per hit, in order, masked; ``funnel``: rows in the dataset, rows that matched.

    ``nothing_close`` says that even the best hit is far from the query.
    """

    query: str
    dataset: str
    version: int
    hits: tuple[Hit, ...]
    table: pa.Table
    funnel: tuple[int, int]
    where: str = ""
    model: str = ""
    elapsed_s: float = 0.0

    @property
    def nothing_close(self) -> bool:
        """True when the best score is too low to mean anything."""
        return not self.hits or self.hits[0].score < FAR_SCORE

    def to_dict(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "query": self.query,
            "dataset": self.dataset,
            "version": self.version,
            "where": self.where,
            "model": self.model,
            "rows": self.funnel[0],
            "matching": self.funnel[1],
            "nothing_close": self.nothing_close,
            "hits": [
                {
                    "id": h.id,
                    "score": round(h.score, 6),
                    "distance": h.distance,
                    "why": str(h.why) if h.why else "",
                    "matched": list(h.why.matched) if h.why else [],
                    "snippet": h.snippet,
                    "row": row,
                }
                for h, row in zip(self.hits, self.table.to_pylist(), strict=True)
            ],
            "elapsed_s": round(self.elapsed_s, 4),
        }


class Searcher:
    """Corpora of one lake with one embedder. ``cache_dir`` holds derived vectors and can be deleted at any time."""

    def __init__(self, lake: Lake, embedder: Embedder, cache_dir: Path) -> None:
        self.lake, self.embedder, self.cache_dir = lake, embedder, cache_dir
        self._open: dict[str, Corpus] = {}

    def index(self, ref: str, *, on_progress: Callable[[EmbedProgress], None] | None = None) -> CorpusStats:
        """Embed what is new in a dataset; a dataset that has not changed costs nothing but a look."""
        return self._make(self.lake.get(ref), on_progress)[1]

    def search(
        self,
        query: str,
        *,
        dataset: str = "workers",
        where: str = "",
        k: int = 10,
        columns: Sequence[str] = (),
        show_pii: bool = False,
        on_progress: Callable[[EmbedProgress], None] | None = None,
    ) -> Results:
        """The ``k`` rows nearest in meaning to ``query`` among those that match ``where`` (any SQL condition).

        Always min(k, matching) rows. ``columns`` are shown beside each hit (default: the first few). Raises
        InvalidError for an empty query or a k outside 1..1000, QueryError for a condition the guard refuses.
        """
        started = time.perf_counter()
        if not query.strip():
            raise InvalidError("There is nothing to search for.", hint='lh search "forklift operator, nights"')
        if not 1 <= k <= MAX_K:
            raise InvalidError(f"k is {k}; it can be 1 to {MAX_K:,}.", hint="-k 10")
        manifest = self.lake.get(dataset)
        corpus = self.corpus(manifest, on_progress)
        key = _key(manifest)
        allowed = self.lake.queries.matching(manifest, key.name, where) if where.strip() else None
        found = search(corpus, self.embedder, query, k, allowed=allowed)
        ids = [h.id for h in found.hits]
        shown = _shown(manifest, key, columns)
        rows = self._rows(manifest, key, ids, shown)
        texts = rows.column(rows.num_columns - 1).to_pylist()
        explained = explain(found, query, dict(zip(ids, texts if show_pii else map(pii.mask_text, texts), strict=True)))
        table = rows.select(range(rows.num_columns - 1))
        return Results(
            query=query,
            dataset=manifest.name,
            version=manifest.version,
            hits=explained.hits,
            table=table if show_pii else pii.mask_table(table, manifest.pii),
            funnel=(manifest.row_count, found.matching + found.unknown),
            where=where,
            model=self.embedder.name,
            elapsed_s=time.perf_counter() - started,
        )

    def _rows(self, manifest: Manifest, key: Column, ids: Sequence[Any], shown: Sequence[str]) -> pa.Table:
        """The shown columns and, last, the text of the rows with these ids, in the order of the ids."""
        wanted = ", ".join(str(i) if isinstance(i, int) else literal(i) for i in ids) or "NULL"
        select = ", ".join([*map(quote, shown), text_template(manifest.columns).to_sql()])
        name = f"{quote(manifest.name)}@{manifest.version}"
        sql = f"SELECT {select} FROM {name} WHERE {quote(key.name)} IN ({wanted})"
        rows = self.lake.sql(sql, access=Access(row_cap=None, show_pii=True)).table
        place = {value: i for i, value in enumerate(rows.column(key.name).to_pylist())}
        return rows.take(pa.array([place[i] for i in ids], pa.int64()))

    def corpus(self, manifest: Manifest, on_progress: Callable[[EmbedProgress], None] | None = None) -> Corpus:
        """The corpus of a dataset version: open, saved, or made now."""
        name = self._name(manifest, text_template(manifest.columns))
        if name not in self._open:
            self._open[name] = open_corpus(self.cache_dir, name, self.embedder) or self._make(manifest, on_progress)[0]
        return self._open[name]

    def _make(
        self, manifest: Manifest, on_progress: Callable[[EmbedProgress], None] | None
    ) -> tuple[Corpus, CorpusStats]:
        key, template = _key(manifest), text_template(manifest.columns)
        _, batches = self.lake.queries.stream(
            f"SELECT {quote(key.name)} AS id, {template.to_sql()} AS text "
            f"FROM {quote(manifest.name)}@{manifest.version}",
            show_pii=True,
        )
        name = self._name(manifest, template)
        corpus, stats = embed_corpus(batches, self.embedder, self.cache_dir, name, on_progress=on_progress)
        self._open[name] = corpus
        return corpus, stats

    @staticmethod
    def _name(manifest: Manifest, template: TextTemplate) -> str:
        # The files of a version are its content; a version made again under another name shares nothing by accident.
        return f"{manifest.name}@{manifest.version}:{manifest.created_at.isoformat()}:{template.digest}"


def _key(manifest: Manifest) -> Column:
    """The column that names a row: worker_id, id, then any …_id of whole numbers or text."""
    ids = [c for c in manifest.columns if c.name.casefold() == "id" or c.name.casefold().endswith("_id")]
    usable = [c for c in ids if c.type in {"int64", "string"}]
    if not usable:
        raise InvalidError(
            f"Dataset {manifest.name} has no id column to search by.", hint="Ingest it with a column named id or …_id."
        )
    return usable[0]


def _shown(manifest: Manifest, key: Column, columns: Sequence[str]) -> list[str]:
    if columns:
        for name in columns:
            if manifest.column(name) is None:
                raise NotFoundError.named("column", name, (c.name for c in manifest.columns))
        return list(dict.fromkeys([key.name, *columns]))
    wanted = ("name", "role", "city", "state", "certifications", "availability")
    first = [c.name for c in manifest.columns if c.name.casefold() in wanted]
    return [key.name, *(first or [c.name for c in manifest.columns if c.name != key.name][: _SHOWN - 1])]
