"""Corpora of the datasets of a lake: found open, opened from disk, or made now; graphs and word indexes beside them.

A new version that only adds files is added to the corpus of the version before it, so rows that were ingested a moment
ago cost as much as they are. Everything here is derived from the lake and can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock

import numpy as np
import pyarrow as pa

from workbench.errors import InvalidError
from workbench.lake.lake import Lake
from workbench.lake.tables.manifest import Column, Manifest
from workbench.lake.tables.mapping import quote
from workbench.search.embedding.embed import Embedder
from workbench.search.graphs.graph import RECALL_GOAL, Graph
from workbench.search.graphs.graph_child import build_apart
from workbench.search.graphs.graph_file import read_facts
from workbench.search.graphs.planned import PlannedIndex
from workbench.search.lexical.lexical import LexicalIndex, open_lexical
from workbench.search.ranking.ranker import Ranker
from workbench.search.reading.gates import Kept
from workbench.search.texts.corpus import Corpus, corpus_folder, embed_corpus, forget_corpus, open_corpus, saved_rows
from workbench.search.texts.intake import CorpusStats, EmbedProgress
from workbench.search.texts.roll import CorpusRows
from workbench.search.texts.rowfile import RowFiles, RowWriter, open_rows, sweep_rows
from workbench.search.texts.slab import VectorSlab
from workbench.search.texts.template import TextTemplate, text_template
from workbench.search.vectors.codes import Codes, codes_work, encode
from workbench.search.vectors.codes_file import load_codes, save_codes
from workbench.search.vectors.keys import ABSENT, Positions
from workbench.search.vectors.segment import Keys

GRAPH_TEXTS = 1_000_000
"""From so many texts on ``index`` builds a graph. Below, the exact scan by codes takes at most some 15 ms on two
cores, while a graph of 500,000 workers' texts took minutes to build and found 78 % of the ten nearest to typed queries
at depth 2,048 (docs/decisions.md).
"""
_CODED_TEXTS = 20_000
_CODES = "codes.safetensors"
_GROWN = 1.1  # codes are saved again when there are so many times more
_STALE_GRAPH = 0.10  # of the texts unknown to the graph: build it again
_LOOK_BACK = 20  # versions looked through for one to add to
_KEPT_VERSIONS = 3
_KEPT_OPEN = 4
_SINK_TEXTS = 65_536
_MOST_ROW_FILES = 64  # then the corpus is read anew, into one
_IN_USE_S = 3600.0
_SHOWN = 7

OnEmbed = Callable[[EmbedProgress], None]
OnBuild = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Opened:
    """One version of a dataset, ready to be ranked. ``rows`` hold what a hit shows (columns ``c:name``, ``text``),
    where they can be read; ``fresh_rows``: how many rows had to be taken in to open it; ``gates``: conditions that were
    looked up before.
    """

    manifest: Manifest
    key: Column
    ranker: Ranker
    words: LexicalIndex
    rows: RowFiles | None = None
    fresh_rows: int = 0
    gates: Kept = field(default_factory=dict)

    @property
    def corpus(self) -> Corpus:
        """Its rows and texts."""
        return self.ranker.corpus


@dataclass(frozen=True, slots=True)
class Indexed:
    """What ``index`` did: the intake's counts, texts in the graph (0: none), its depth and its measured recall@10."""

    corpus: CorpusStats
    graph_texts: int = 0
    ef: int = 0
    recall: float | None = None
    build_s: float = 0.0


@dataclass
class Corpora:
    """Owner of the open corpora of one lake and one embedder. Safe for threads."""

    lake: Lake
    embedder: Embedder
    cache_dir: Path
    _open: dict[str, Opened] = field(default_factory=dict)
    _lock: RLock = field(default_factory=RLock)

    def of(self, manifest: Manifest, on_progress: OnEmbed | None = None) -> Opened:
        """The corpus of a dataset version: open, saved, or made now."""
        name = _version_name(manifest)
        with self._lock:
            if name not in self._open:
                opened = self._saved(manifest) or self._made(manifest, on_progress)[0]
                # What was taken in is fresh to this search only.
                self._keep(name, replace(opened, fresh_rows=0))
                return opened
            return self._open[name]

    def index(
        self,
        manifest: Manifest,
        *,
        probes: Sequence[str] = (),
        on_progress: OnEmbed | None = None,
        on_build: OnBuild | None = None,
        graph_texts: int = GRAPH_TEXTS,
    ) -> Indexed:
        """Take in what is new and, from ``graph_texts`` texts on, build the graph where it is missing or stale.

        ``probes`` are queries as people type them, by which the graph's depth is tuned. The build runs in a process of
        its own: if it dies, nothing else does.
        """
        with self._lock:
            opened, stats = self._made(manifest, on_progress)
            corpus, seconds = opened.corpus, 0.0
            if len(corpus.keys) >= graph_texts and self._stale(manifest, corpus):
                started = time.perf_counter()
                self._build(manifest, corpus, probes, on_build)
                seconds = time.perf_counter() - started
                opened = self._assembled(manifest, corpus, (opened.words, opened.ranker.slots))
            self._keep(_version_name(manifest), replace(opened, fresh_rows=0))
            facts = read_facts(self._graph_path(manifest))
            if facts is None:
                return Indexed(stats)
            return Indexed(stats, facts.labels, facts.ef, facts.recall, seconds)

    def _build(self, manifest: Manifest, corpus: Corpus, probes: Sequence[str], on_build: OnBuild | None) -> None:
        vectors = self.embedder.embed(list(probes), side="query") if probes else None
        order = np.argsort(corpus.positions)
        build_apart(
            self._graph_path(manifest),
            corpus.blocks,
            corpus.positions[order],
            keys=corpus.keys[order],
            probes=vectors,
            on_progress=on_build,
        )

    def _keep(self, name: str, opened: Opened) -> None:
        self._open.pop(name, None)
        self._open[name] = opened
        while len(self._open) > _KEPT_OPEN:
            self._open.pop(next(iter(self._open)))

    def _saved(self, manifest: Manifest) -> Opened | None:
        corpus = open_corpus(self.cache_dir, _version_name(manifest), self.embedder)
        if corpus is None:
            return None
        words = open_lexical(self._words_folder(manifest))
        if words is None:
            return None
        slots = words.find(corpus.keys)
        if (slots == ABSENT).any():
            return None
        return self._assembled(manifest, corpus, (words, slots))

    def _made(self, manifest: Manifest, on_progress: OnEmbed | None) -> tuple[Opened, CorpusStats]:
        words = open_lexical(self._words_folder(manifest), create=True)
        assert words is not None
        base = self._base(manifest, words)
        paths = [file.path for file in manifest.files]
        fresh = set(paths) - set(base.files) if base else None
        sink, writer = _Buffered(words), RowWriter(self._rows_folder(manifest))
        corpus, stats = embed_corpus(
            writer.through(self._batches(manifest, fresh)),
            self.embedder,
            self.cache_dir,
            _version_name(manifest),
            base=base,
            files=paths,
            sink=sink,
            keep=writer.keep,
            on_progress=on_progress,
        )
        sink.flush()
        words.keep(corpus.keys)
        self._forget_old(manifest)
        taken = sum(file.rows for file in manifest.files if fresh is None or file.path in fresh)
        return self._assembled(manifest, corpus, (words, words.find(corpus.keys)), taken), stats

    def _assembled(
        self, manifest: Manifest, corpus: Corpus, words: tuple[LexicalIndex, Positions], fresh_rows: int = 0
    ) -> Opened:
        graph, keys = self._good_graph(manifest, corpus)
        index = PlannedIndex(
            corpus.blocks,
            graph,
            None if keys is None else corpus.find(keys),
            members=None if len(corpus.keys) == len(corpus.blocks) else corpus.positions,
            codes=self._codes(corpus) if len(corpus.keys) >= _CODED_TEXTS and codes_work(corpus.dimension) else None,
        )
        rows = open_rows(self._rows_folder(manifest), corpus.rows.row_files)
        return Opened(manifest, key_column(manifest), Ranker(corpus, index, *words), words[0], rows, fresh_rows)

    def _forget_old(self, manifest: Manifest) -> None:
        """Remove what only versions before the last few need; files that another process may be at are left alone."""
        for version in range(max(manifest.version - _LOOK_BACK, 1), manifest.version - _KEPT_VERSIONS + 1):
            forget_corpus(self.cache_dir, _version_name(manifest, version), self.embedder)  # not every one was searched
        wanted: set[str] = set()
        for version in range(manifest.version, max(manifest.version - _KEPT_VERSIONS, 0), -1):
            rows = saved_rows(self.cache_dir, _version_name(manifest, version), self.embedder)
            wanted |= {name for name, _ in rows.row_files} if rows else set()
        sweep_rows(self._rows_folder(manifest), wanted, _IN_USE_S)

    def _good_graph(self, manifest: Manifest, corpus: Corpus) -> tuple[Graph, Keys] | tuple[None, None]:
        """The saved graph and the keys of its labels if it finds what it should.

        One that reached too little on real queries is not even read.
        """
        path = self._graph_path(manifest)
        facts = read_facts(path)
        if facts is None or (facts.recall is not None and facts.recall < RECALL_GOAL):
            return None, None
        graph = Graph.load(path, corpus.dimension)
        return (None, None) if graph is None or graph.keys is None else (graph, graph.keys)

    def _codes(self, corpus: Corpus) -> Codes | None:
        path = corpus_folder(self.cache_dir, self.embedder) / _CODES
        known = load_codes(path, corpus.segments)
        codes = known.extended(corpus.blocks) if known else encode(corpus.blocks)
        if codes is not None and len(codes) > _GROWN * (len(known) if known else 0):
            save_codes(path, codes, corpus.segments)
        return codes

    def _base(self, manifest: Manifest, words: LexicalIndex) -> CorpusRows | None:
        """The newest earlier version whose files are all still there, so that only the others need reading."""
        now = {file.path for file in manifest.files}
        for version in range(manifest.version, max(manifest.version - _LOOK_BACK, 0), -1):
            rows = saved_rows(self.cache_dir, _version_name(manifest, version), self.embedder)
            if rows is None or not rows.files or not set(rows.files) <= now:
                continue
            # A segment of vectors may be damaged or gone since: its texts have to be read again to be embedded.
            vectors = VectorSlab(corpus_folder(self.cache_dir, self.embedder), self.embedder).find(rows.keys)
            whole = not (words.find(rows.keys) == ABSENT).any() and not (vectors == ABSENT).any()
            whole = whole and len(rows.row_files) < _MOST_ROW_FILES
            return rows if whole and open_rows(self._rows_folder(manifest), rows.row_files) else None
        return None

    def _batches(self, manifest: Manifest, files: set[str] | None) -> Iterator[pa.RecordBatch]:
        role = next((c for c in manifest.columns if c.name.casefold() == "role" and c.type == "string"), None)
        select = f"{quote(key_column(manifest).name)} AS id, {_template(manifest).to_sql()} AS text"
        if role is not None:
            select += f", {quote(role.name)} AS role"
        for name in shown_columns(manifest):
            select += f", {quote(name)} AS {quote(f'c:{name}')}"
        return self.lake.queries.read(manifest, select, files=files)

    def _stale(self, manifest: Manifest, corpus: Corpus) -> bool:
        """Whether there is no graph, or too many texts have come or gone since it was built."""
        texts = len(corpus.keys)
        graph, keys = self._good_graph(manifest, corpus)
        if graph is None or keys is None:
            facts = read_facts(self._graph_path(manifest))
            return facts is None or abs(facts.labels - texts) > _STALE_GRAPH * texts
        known = np.zeros(len(corpus.blocks) + 1, np.bool_)
        known[corpus.find(keys)] = True
        missing = texts - int(known[corpus.positions].sum())
        return max(missing, len(graph) - (texts - missing)) > _STALE_GRAPH * texts

    def _graph_path(self, manifest: Manifest) -> Path:
        return corpus_folder(self.cache_dir, self.embedder) / f"{_lineage(manifest)}.graph"

    def _rows_folder(self, manifest: Manifest) -> Path:
        return self.cache_dir / "rows" / _lineage(manifest)

    def _words_folder(self, manifest: Manifest) -> Path:
        return self.cache_dir / "words" / _lineage(manifest)


class _Buffered:
    """Hands texts on to the word index in large lots: each lot is a commit."""

    def __init__(self, words: LexicalIndex) -> None:
        self._words = words
        self._keys: list[Keys] = []
        self._texts: list[str] = []

    def __call__(self, keys: Keys, texts: Sequence[str]) -> None:
        self._keys.append(keys)
        self._texts += texts
        if len(self._texts) >= _SINK_TEXTS:
            self.flush()

    def flush(self) -> None:
        if self._texts:
            self._words.add(np.concatenate(self._keys), self._texts)
            self._keys, self._texts = [], []


def key_column(manifest: Manifest) -> Column:
    """The column that names a row: worker_id, id, then any …_id of whole numbers or text. Raises InvalidError."""
    ids = [c for c in manifest.columns if c.name.casefold() == "id" or c.name.casefold().endswith("_id")]
    usable = [c for c in ids if c.type in {"int64", "string"}]
    if not usable:
        raise InvalidError(
            f"Dataset {manifest.name} has no id column to search by.", hint="Ingest it with a column named id or …_id."
        )
    return usable[0]


def shown_columns(manifest: Manifest) -> list[str]:
    """The columns that are shown beside a hit when nobody chose: the key, then what tells most of a worker."""
    key = key_column(manifest).name
    wanted = ("name", "role", "city", "state", "certifications", "availability")
    first = [c.name for c in manifest.columns if c.name.casefold() in wanted]
    return [key, *(first or [c.name for c in manifest.columns if c.name != key][: _SHOWN - 1])]


def _template(manifest: Manifest) -> TextTemplate:
    return text_template(manifest.columns)


def _version_name(manifest: Manifest, version: int | None = None) -> str:
    # The files of a version are its content; a dataset made again under the same name shares nothing by accident.
    number = manifest.version if version is None else version
    return f"{manifest.name}@{number}:{manifest.created_at.isoformat()}:{_template(manifest).digest}"


def _lineage(manifest: Manifest) -> str:
    name = f"{manifest.name}:{manifest.created_at.isoformat()}:{_template(manifest).digest}"
    return hashlib.sha256(name.encode()).hexdigest()[:32]
