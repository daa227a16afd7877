"""Corpora: the texts of a dataset's rows, each with its vector.

A corpus is a list of row ids, each pointing at the vector of its text in the slab of one model; rows with equal texts
share a vector. On disk it is one Arrow file per corpus beside the slab: derived, replaced whole, deletable. Folder::

    <cache_dir>/<model digest, 16 hex>/<time>-<random>.vec        the slab's segments
                                      /<SHA-256 of name>.corpus    ids, keys and roles of one corpus
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.errors import InvalidError
from workbench.search.embedding.embed import Embedder
from workbench.search.texts.intake import BATCH_TEXTS, CorpusStats, EmbedProgress, Sink, gather
from workbench.search.texts.roll import CorpusRows, load_rows, save_rows
from workbench.search.texts.slab import VectorSlab
from workbench.search.vectors.keys import ABSENT
from workbench.search.vectors.scan import Blocks
from workbench.search.vectors.segment import Keys

# Arrow carries no type information of its own, so its arrays stand here as Any.
Allowed: TypeAlias = NDArray[np.int64] | Sequence[int] | Sequence[str] | Any
"""Ids as numpy or Arrow array or as a list, in any order."""

Mask = NDArray[np.bool_]
Places = NDArray[np.int64]


class Corpus:
    """Rows of a dataset, the distinct texts they carry, and where the vector of each text lies. Never changes.

    Rows are numbered by ascending id, texts by the first row that carries them. ``model``, ``digest`` and ``dimension``
    are those of the embedder; ``blocks`` hold the vectors, ``positions`` (texts,) say where in them each text's vector
    lies, and ``find`` says it for any key; ``segments`` are the slab's files (name, rows) that hold them.
    """

    def __init__(self, rows: CorpusRows, slab: VectorSlab, embedder: Embedder) -> None:
        self.model, self.digest, self.dimension = embedder.name, embedder.digest, embedder.dimension
        self.rows = rows
        self.blocks: Blocks = slab.blocks
        self.segments = slab.segments
        self.find: Callable[[Keys], Places] = slab.find
        self.positions: Places = self.find(rows.keys)
        self._by_text = np.argsort(rows.slots, kind="stable")  # rows without text first
        self._starts = np.searchsorted(rows.slots[self._by_text], np.arange(len(rows.keys) + 1))
        self._every_row_its_text = len(rows.keys) == len(rows.slots) and not (rows.slots == ABSENT).any()
        self._dense_ids = _without_gap(rows.ids)

    def __len__(self) -> int:
        return len(self.rows.ids)

    @property
    def ids(self) -> pa.Array:
        """Ids of all rows, ascending: int64 or string."""
        return self.rows.ids

    @property
    def keys(self) -> Keys:
        """SHA-256 of each text, shape (texts, 4)."""
        return self.rows.keys

    def mask_of(self, ids: Allowed) -> tuple[Mask, int]:
        """Which rows have one of ``ids``, shape (rows,), and how many distinct ids are not in this corpus.

        Raises InvalidError for ids of another kind than this corpus has.
        """
        mask = np.zeros(len(self), np.bool_)
        asked = _as_ids(ids, self.rows.ids.type)
        if not pa.types.is_int64(asked.type):
            asked = pc.unique(asked)
            places = pc.index_in(asked, value_set=self.rows.ids).drop_null().to_numpy().astype(np.int64)
            mask[places] = True
            return mask, len(asked) - len(places)
        keys = asked.to_numpy(zero_copy_only=False)
        places, known = self._places(keys)
        mask[places[known]] = True
        strangers = np.unique(keys[~known]) if not known.all() else keys[:0]
        return mask, len(strangers)

    def texts_with(self, rows: Mask | None) -> Mask | None:
        """Which texts are carried by one of ``rows``, shape (texts,); None for all of them."""
        if rows is None or self._every_row_its_text:
            return rows
        mask = np.zeros(len(self.keys) + 1, np.bool_)
        mask[self.rows.slots[rows]] = True
        return mask[:-1]

    def rows_of(self, texts: Mask, *, textless: bool) -> Mask:
        """Which rows (rows,) carry one of ``texts`` (texts,); ``textless``: whether rows without a text count."""
        if self._every_row_its_text:
            return texts
        mask: Mask = np.append(texts, textless)[self.rows.slots]
        return mask

    def rows_with(self, texts: Places, rows: Mask | None) -> tuple[Places, Places]:
        """(row numbers, place of each one's text in ``texts``) of the rows that carry ``texts``, among ``rows``."""
        counts = self._starts[texts + 1] - self._starts[texts] if len(texts) else np.empty(0, np.int64)
        owners = np.repeat(np.arange(len(texts)), counts)
        within = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        picked = self._by_text[self._starts[texts][owners] + within] if len(owners) else owners
        if rows is not None:
            keep = rows[picked]
            picked, owners = picked[keep], owners[keep]
        return picked, owners

    def textless(self, rows: Mask | None) -> Places:
        """Rows without a text among ``rows``, ascending."""
        bare = self._by_text[: self._starts[0]] if len(self._starts) else self._by_text
        return bare if rows is None else bare[rows[bare]]

    def _places(self, keys: Places) -> tuple[Places, Mask]:
        ids = self.rows.ids.to_numpy()
        if self._dense_ids:
            return keys - ids[0], (keys >= ids[0]) & (keys <= ids[-1])
        places = np.searchsorted(ids, keys)
        known = places < len(ids)
        known[known] = ids[places[known]] == keys[known]
        return places, known


def embed_corpus(
    batches: Iterable[pa.RecordBatch],
    embedder: Embedder,
    cache_dir: Path,
    name: str,
    *,
    base: CorpusRows | None = None,
    files: Sequence[str] = (),
    sink: Sink | None = None,
    keep: Callable[[], tuple[tuple[str, int], ...]] | None = None,
    on_progress: Callable[[EmbedProgress], None] | None = None,
    batch_texts: int = BATCH_TEXTS,
) -> tuple[Corpus, CorpusStats]:
    """Make the corpus ``name`` from ``batches`` (columns as ``intake.gather`` says) and save it.

    Only texts that the slab in ``cache_dir`` lacks are embedded; see ``gather`` for ``base``, ``sink``, interruption
    and errors. ``name`` should say what the texts depend on: dataset, version, template digest. ``files`` are
    remembered as what the corpus was read from; ``keep`` is called when all is embedded and says in which row files
    the rows are. An earlier corpus of that name is replaced.
    """
    # Every byte of the slab is checked where a whole corpus is made; an addition trusts what was checked then.
    slab = VectorSlab(corpus_folder(cache_dir, embedder), embedder, verify=base is None)
    rows, stats = gather(
        batches, embedder, slab, base=base, sink=sink, on_progress=on_progress, batch_texts=batch_texts
    )
    rows = replace(rows, files=tuple(files), row_files=(*(base.row_files if base else ()), *(keep() if keep else ())))
    save_rows(rows, _file(cache_dir, embedder, name), name)
    return Corpus(rows, slab, embedder), stats


def open_corpus(cache_dir: Path, name: str, embedder: Embedder) -> Corpus | None:
    """The corpus ``name`` as saved, or None when there is none that can be used as it is.

    None also for another model, another format version, a damaged file, or vectors that are gone; ``embed_corpus``
    then makes it again and embeds only what is missing.
    """
    rows = load_rows(_file(cache_dir, embedder, name), name)
    if rows is None:
        return None
    corpus = Corpus(rows, VectorSlab(corpus_folder(cache_dir, embedder), embedder), embedder)
    return None if (corpus.positions == ABSENT).any() else corpus


def saved_rows(cache_dir: Path, name: str, embedder: Embedder) -> CorpusRows | None:
    """The rows of the saved corpus ``name``, or None; its vectors are not looked for."""
    return load_rows(_file(cache_dir, embedder, name), name)


def forget_corpus(cache_dir: Path, name: str, embedder: Embedder) -> None:
    """Remove the saved corpus ``name``, if there is one; its vectors stay in the slab."""
    _file(cache_dir, embedder, name).unlink(missing_ok=True)


def corpus_folder(cache_dir: Path, embedder: Embedder) -> Path:
    """Where everything that depends on the model of ``embedder`` lies."""
    return cache_dir / embedder.digest[:16]


def _file(cache_dir: Path, embedder: Embedder, name: str) -> Path:
    return corpus_folder(cache_dir, embedder) / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.corpus"


def _without_gap(ids: pa.Array) -> bool:
    """Whether ids are whole numbers one after another, so that an id says its row's number."""
    return bool(len(ids)) and pa.types.is_int64(ids.type) and ids[-1].as_py() - ids[0].as_py() == len(ids) - 1


def _as_ids(allowed: Allowed, kind: pa.DataType) -> pa.Array:
    try:
        array = allowed if isinstance(allowed, pa.Array | pa.ChunkedArray) else pa.array(allowed)
        if isinstance(array, pa.ChunkedArray):
            array = array.combine_chunks()
        return array.drop_null().cast(kind) if len(array) else pa.array([], kind)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError) as error:
        raise InvalidError(f"The allowed ids are not {kind}, as the ids of the corpus are.") from error
