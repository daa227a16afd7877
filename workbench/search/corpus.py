"""Corpora: the texts of a dataset's rows, searchable by meaning.

A corpus is a list of row ids, each pointing at the vector of its text in the slab of one model; rows with equal texts
share a vector. On disk it is one Arrow file per corpus beside the slab: derived, replaced whole, deletable. Folder::

    <cache_dir>/<model digest, 16 hex>/<time>-<random>.vec        the slab's segments
                                      /<SHA-256 of name>.corpus    ids and keys of one corpus
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from workbench.errors import DimensionError, InvalidError
from workbench.search.embed import Embedder
from workbench.search.hits import FARTHEST, Found, Hit
from workbench.search.index import DEFAULT_K, BlockIndex, Index
from workbench.search.intake import BATCH_TEXTS, CorpusStats, EmbedProgress, gather
from workbench.search.keys import ABSENT
from workbench.search.roll import CorpusRows, load_rows, save_rows
from workbench.search.scan import ascending
from workbench.search.slab import VectorSlab

# Arrow carries no type information of its own, so its arrays stand here as Any.
Allowed: TypeAlias = NDArray[np.int64] | Sequence[int] | Sequence[str] | Any
"""Ids as numpy or Arrow array or as a list, in any order."""


class Corpus:
    """Rows of a dataset with the vectors of their texts, from ``embed_corpus`` or ``open_corpus``. Safe for threads.

    ``model`` and ``digest`` name the embedder it was made with, ``dimension`` the length of its vectors.
    """

    def __init__(self, rows: CorpusRows, index: Index, positions: NDArray[np.int64], embedder: Embedder) -> None:
        self.model, self.digest, self.dimension = embedder.name, embedder.digest, embedder.dimension
        self._ids = rows.ids
        self._index = index
        order = np.argsort(positions)
        rank = np.empty(len(order) + 1, np.int64)
        rank[order], rank[ABSENT] = np.arange(len(order)), ABSENT
        self._positions = positions[order]  # of each text in the index, ascending: scans read the disk forwards
        self._slots = rank[rows.slots]  # of each row's text in _positions
        self._by_slot = np.argsort(self._slots, kind="stable")
        self._starts = np.searchsorted(self._slots[self._by_slot], np.arange(len(order) + 1))

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> pa.Array:
        """Ids of all rows, ascending: int64 or string."""
        return self._ids

    def search(self, vector: ArrayLike, k: int = DEFAULT_K, *, allowed: Allowed | None = None) -> Found:
        """The ``k`` rows whose texts are nearest to ``vector`` (d,) by cosine, among ``allowed`` ids (None: all rows).

        Never shorter than min(k, allowed rows of this corpus): rows without text come last, at the farthest distance.
        Nearest first, ties by id. Raises DimensionError and InvalidError as ``Index.search`` does.
        """
        rows: NDArray[np.int64] | None = None
        unknown = 0
        if allowed is not None:
            rows, unknown = self._rows_of(allowed)
        near = self._index.search(vector, k, allowed=self._wanted(rows), ties=True)
        slots = np.searchsorted(self._positions, near.ids)
        counts = self._starts[slots + 1] - self._starts[slots]
        picked = np.concatenate([np.empty(0, np.int64), *(self._rows_with(slot) for slot in slots)])
        far = np.repeat(near.distances, counts)
        if rows is not None:
            mine = np.isin(picked, rows, assume_unique=True)
            picked, far = picked[mine], far[mine]
        order = np.lexsort((picked, far))[:k]
        picked, far = picked[order], far[order]
        if len(picked) < k:
            rest = self._textless(rows)[: k - len(picked)]
            picked, far = np.concatenate([picked, rest]), np.concatenate([far, np.full(len(rest), FARTHEST)])
        ids = self._ids.take(pa.array(picked)).to_pylist()
        hits = tuple(Hit.at(key, distance) for key, distance in zip(ids, far.tolist(), strict=True))
        return Found(hits, matching=len(self) if rows is None else len(rows), unknown=unknown)

    def _wanted(self, rows: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
        if rows is None:
            return None if len(self._positions) == len(self._index) else self._positions
        wanted = np.zeros(len(self._positions) + 1, np.bool_)
        wanted[self._slots[rows]] = True
        return self._positions[wanted[:-1]]

    def _rows_with(self, slot: int) -> NDArray[np.int64]:
        return self._by_slot[self._starts[slot] : self._starts[slot + 1]]

    def _textless(self, rows: NDArray[np.int64] | None) -> NDArray[np.int64]:
        if rows is None:
            return self._by_slot[: self._starts[0]]
        textless: NDArray[np.int64] = rows[self._slots[rows] == ABSENT]
        return textless

    def _rows_of(self, allowed: Allowed) -> tuple[NDArray[np.int64], int]:
        """Rows of the allowed ids, ascending, and how many distinct ids are not in this corpus."""
        asked = _as_ids(allowed, self._ids.type)
        if pa.types.is_int64(self._ids.type):
            keys, ids = ascending(asked.to_numpy(zero_copy_only=False)), self._ids.to_numpy()
            places = np.searchsorted(ids, keys)
            known = places < len(ids)
            known[known] = ids[places[known]] == keys[known]
            return places[known], len(keys) - int(known.sum())
        asked = pc.unique(asked)
        places = pc.index_in(asked, value_set=self._ids).drop_null().to_numpy().astype(np.int64)
        return np.sort(places), len(asked) - len(places)


def embed_corpus(
    batches: Iterable[pa.RecordBatch],
    embedder: Embedder,
    cache_dir: Path,
    name: str,
    *,
    on_progress: Callable[[EmbedProgress], None] | None = None,
    batch_texts: int = BATCH_TEXTS,
) -> tuple[Corpus, CorpusStats]:
    """Make the corpus ``name`` from ``batches`` (columns ``id``: int64 or string, ``text``: string) and save it.

    Only texts that the slab in ``cache_dir`` lacks are embedded; see ``intake.gather`` for interruption and errors.
    ``name`` should say what the texts depend on: dataset, version, template digest. An earlier corpus of that name is
    replaced.
    """
    slab = VectorSlab(_folder(cache_dir, embedder), embedder, verify=True)
    rows, stats = gather(batches, embedder, slab, on_progress=on_progress, batch_texts=batch_texts)
    save_rows(rows, _file(cache_dir, embedder, name), name)
    return Corpus(rows, BlockIndex(slab.blocks), slab.find(rows.keys), embedder), stats


def open_corpus(cache_dir: Path, name: str, embedder: Embedder) -> Corpus | None:
    """The corpus ``name`` as saved, or None when there is none that can be used as it is.

    None also for another model, another format version, a damaged file, or vectors that are gone; ``embed_corpus``
    then makes it again and embeds only what is missing.
    """
    rows = load_rows(_file(cache_dir, embedder, name), name)
    if rows is None:
        return None
    slab = VectorSlab(_folder(cache_dir, embedder), embedder)
    positions = slab.find(rows.keys)
    if (positions == ABSENT).any():
        return None
    return Corpus(rows, BlockIndex(slab.blocks), positions, embedder)


def search(
    corpus: Corpus, embedder: Embedder, query: str, k: int = DEFAULT_K, *, allowed: Allowed | None = None
) -> Found:
    """The ``k`` rows of ``corpus`` nearest in meaning to ``query``, among ``allowed`` ids; as ``Corpus.search``.

    Raises InvalidError for an empty query, DimensionError when ``embedder`` is not the model of the corpus.
    """
    if embedder.digest != corpus.digest:
        raise DimensionError(
            f"The corpus was embedded with {corpus.model} ({corpus.dimension} dimensions, {corpus.digest[:8]}), "
            f"the query with {embedder.name} ({embedder.dimension} dimensions, {embedder.digest[:8]}).",
            hint="Search with the model of the corpus, or embed the corpus again with the other.",
        )
    return corpus.search(embedder.embed([query], side="query")[0], k, allowed=allowed)


def _folder(cache_dir: Path, embedder: Embedder) -> Path:
    return cache_dir / embedder.digest[:16]


def _file(cache_dir: Path, embedder: Embedder, name: str) -> Path:
    return _folder(cache_dir, embedder) / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.corpus"


def _as_ids(allowed: Allowed, kind: pa.DataType) -> pa.Array:
    try:
        array = allowed if isinstance(allowed, pa.Array | pa.ChunkedArray) else pa.array(allowed)
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        return array.drop_null().cast(kind) if len(array) else pa.array([], kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        raise InvalidError(f"The allowed ids are not {kind}, as the ids of the corpus are.") from error
