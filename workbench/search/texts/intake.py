"""Intake: a stream of rows becomes ids, text keys and vectors in the slab, in bounded memory and resumable.

Each distinct text is embedded once, and not at all when the slab has its vector. Vectors are committed as they come;
an intake that was interrupted goes on from its last commit when it is started again over the same texts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.errors import InvalidError
from workbench.search.embedding.embed import Embedder
from workbench.search.embedding.whole import embed_whole
from workbench.search.texts.roll import CorpusRows
from workbench.search.texts.slab import VectorSlab
from workbench.search.vectors.keys import ABSENT, KeyTable, Positions, text_keys
from workbench.search.vectors.segment import Keys

BATCH_TEXTS = 1024
# What an interruption may cost: this many calls to the embedder or this much time, whichever comes first.
_COMMIT_BATCHES = 8
_COMMIT_S = 5.0
# Rows turned into Python text at a time.
_CHUNK_ROWS = 8192


@dataclass(frozen=True, slots=True)
class EmbedProgress:
    """How far an intake is: rows read, distinct texts among them, texts embedded by this run, seconds so far."""

    rows: int
    unique: int
    embedded: int
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class CorpusStats:
    """What an intake did.

    ``rows`` have an id and are in the corpus; of these ``no_text`` have nothing to embed (no text, or blank) and rank
    last. ``unique`` distinct texts read: ``embedded`` by this run, ``reused`` from the slab; ``long`` of the embedded
    ones were beyond the model's window and embedded in pieces. Left out: ``no_id`` rows without an id and
    ``repeated_ids`` rows whose id came again later (the last wins).
    """

    rows: int
    unique: int
    embedded: int
    reused: int
    no_text: int
    no_id: int
    repeated_ids: int
    elapsed_s: float
    long: int = 0


Sink = Callable[[Keys, Sequence[str]], None]
"""Takes the keys (n, 4) and the texts of a batch of distinct texts that this run met for the first time."""


def gather(
    batches: Iterable[pa.RecordBatch],
    embedder: Embedder,
    slab: VectorSlab,
    *,
    base: CorpusRows | None = None,
    sink: Sink | None = None,
    on_progress: Callable[[EmbedProgress], None] | None = None,
    batch_texts: int = BATCH_TEXTS,
) -> tuple[CorpusRows, CorpusStats]:
    """Embed what ``slab`` lacks of ``batches`` (columns ``id``: int64 or string, ``text``: string, and if there is one
    ``role``: string; nulls allowed).

    With ``base`` the rows are added to those of an earlier corpus, whose texts the slab has. ``sink`` is told every
    text that is not in ``base``. ``batch_texts`` is the most texts of one call to the embedder. Whatever ends the
    stream early (Ctrl-C, a failing provider), the vectors that were already computed are committed before the exception
    goes on. Raises InvalidError for other columns or types, and what the embedder, the slab and the sink raise.
    """
    intake = _Intake(embedder, slab, on_progress, batch_texts, sink)
    if base is not None:
        intake.resume(base)
    try:
        for batch in batches:
            intake.take(batch)
    finally:
        intake.commit()
    return intake.finish()


class _Intake:
    def __init__(
        self,
        embedder: Embedder,
        slab: VectorSlab,
        on_progress: Callable[[EmbedProgress], None] | None,
        batch_texts: int,
        sink: Sink | None,
    ) -> None:
        self._embedder, self._slab = embedder, slab
        self._on_progress, self._batch_texts, self._sink = on_progress, batch_texts, sink
        self._seen = KeyTable()
        self._ids: list[pa.Array] = []
        self._slots: list[NDArray[np.int32]] = []
        self._places: list[NDArray[np.int64]] = []
        self._passed = 0  # rows that stand in row files before those of this run
        self._roles: dict[str, int] = {}
        self._role_of: list[NDArray[np.int32]] = []
        self._pending: list[tuple[Keys, NDArray[np.float32]]] = []
        self._refused: list[Keys] = []
        self._rows = self._embedded = self._long = 0
        self._started = self._committed = time.monotonic()

    def resume(self, base: CorpusRows) -> None:
        self._seen.add(base.keys)
        self._ids.append(base.ids)
        self._slots.append(base.slots)
        self._roles = {role: code for code, role in enumerate(base.roles)}
        self._role_of.append(base.role_of)
        self._places.append(base.places)
        self._passed = sum(rows for _, rows in base.row_files) if base.row_files else len(base.ids)

    def take(self, batch: pa.RecordBatch) -> None:
        ids, texts = _columns(batch)
        if self._ids and self._ids[0].type != ids.type:
            raise InvalidError(f"Ids changed from {self._ids[0].type} to {ids.type} between batches.")
        roles = _strings(batch.column("role")) if "role" in batch.schema.names else pa.nulls(len(ids), pa.string())
        for start in range(0, batch.num_rows, _CHUNK_ROWS):
            chunk = texts.slice(start, _CHUNK_ROWS).to_pylist()
            self._slots.append(self._take_texts(chunk, roles.slice(start, _CHUNK_ROWS)))
            self._rows += len(chunk)
            self._tell()
        self._ids.append(ids)
        self._places.append(np.arange(self._passed, self._passed + len(ids)))
        self._passed += len(ids)

    def commit(self) -> None:
        self._committed = time.monotonic()
        if self._pending:
            keys, vectors = (np.concatenate(part) for part in zip(*self._pending, strict=True))
            self._pending.clear()
            self._slab.append(keys, vectors)

    def finish(self) -> tuple[CorpusRows, CorpusStats]:
        keys, role_of = self._seen.keys(), np.concatenate([np.empty(0, np.int32), *self._role_of])
        slots = np.concatenate(self._slots) if self._slots else np.empty(0, np.int32)
        ids = pa.concat_arrays(self._ids) if self._ids else pa.array([], pa.int64())
        if self._refused:
            keys, slots, role_of = _without(keys, slots, role_of, self._seen.find(np.concatenate(self._refused)))
        order, no_id = _last_of_each(ids)
        places = np.concatenate([np.empty(0, np.int64), *self._places])[order]
        rows = _carried(ids.take(pa.array(order)), slots[order], keys, tuple(self._roles), role_of)
        rows = replace(rows, places=places)
        stats = CorpusStats(
            rows=len(order),
            unique=len(keys),
            embedded=self._embedded,
            reused=len(keys) - self._embedded,
            no_text=int((rows.slots == ABSENT).sum()),
            no_id=no_id,
            repeated_ids=len(ids) - no_id - len(order),
            elapsed_s=time.monotonic() - self._started,
            long=self._long,
        )
        return rows, stats

    def _take_texts(self, texts: list[str | None], roles: pa.Array) -> NDArray[np.int32]:
        slots = np.full(len(texts), ABSENT, np.int32)
        places = [place for place, text in enumerate(texts) if text is not None and text.strip()]
        present = [text for text in texts if text is not None and text.strip()]
        if not present:
            return slots
        keys = text_keys(present)
        found = self._seen.find(keys)
        fresh = np.flatnonzero(found == ABSENT)
        if len(fresh):
            first: dict[str, int] = {}
            for row in fresh.tolist():
                first.setdefault(present[row], row)
            news = np.fromiter(first.values(), np.int64, len(first))
            self._take_new(list(first), keys[news], roles.take(pa.array(np.asarray(places)[news])))
            found[fresh] = self._seen.find(keys[fresh])
        slots[places] = found
        return slots

    def _take_new(self, texts: list[str], keys: Keys, roles: pa.Array) -> None:
        self._seen.add(keys)
        self._role_of.append(self._coded(roles))
        if self._sink:
            self._sink(keys, texts)
        missing = np.flatnonzero(self._slab.find(keys) == ABSENT)
        for start in range(0, len(missing), self._batch_texts):
            picked = missing[start : start + self._batch_texts]
            self._embed([texts[row] for row in picked.tolist()], keys[picked])
            if len(self._pending) >= _COMMIT_BATCHES or time.monotonic() - self._committed >= _COMMIT_S:
                self.commit()
            self._tell()

    def _coded(self, roles: pa.Array) -> NDArray[np.int32]:
        """The code of each role text; the text of a row begins with its role, so a text has one."""
        pairs = roles.dictionary_encode()
        names = [name.strip() for name in pairs.dictionary.to_pylist()]
        codes = [self._roles.setdefault(name, len(self._roles)) if name else ABSENT for name in names]
        places = pairs.indices.fill_null(len(codes)).to_numpy(zero_copy_only=False)
        coded: NDArray[np.int32] = np.array([*codes, ABSENT], np.int32)[places]
        return coded

    def _embed(self, texts: list[str], keys: Keys) -> None:
        try:
            done = embed_whole(self._embedder, texts, side="document")
        except InvalidError:
            self._embed_halves(texts, keys)
            return
        self._pending.append((keys, done.vectors))
        self._embedded += len(texts)
        self._long += len(done.long)

    def _embed_halves(self, texts: list[str], keys: Keys) -> None:
        """A text without meaning to the model must not keep the others out: halve until it is alone."""
        if len(texts) == 1:
            self._refused.append(keys)
            return
        middle = len(texts) // 2
        self._embed(texts[:middle], keys[:middle])
        self._embed(texts[middle:], keys[middle:])

    def _tell(self) -> None:
        if self._on_progress:
            elapsed_s = time.monotonic() - self._started
            self._on_progress(EmbedProgress(self._rows, len(self._seen), self._embedded, elapsed_s))


def _columns(batch: pa.RecordBatch) -> tuple[pa.Array, pa.Array]:
    for name in ("id", "text"):
        if batch.schema.get_field_index(name) < 0:
            raise InvalidError(
                f"A corpus is made of columns id and text; there is no {name}.",
                hint=f"The columns are: {', '.join(batch.schema.names)}.",
            )
    return _ids(batch.column("id")), _strings(batch.column("text"))


def _ids(ids: pa.Array) -> pa.Array:
    if not pa.types.is_integer(ids.type):
        return _strings(ids)
    try:
        return ids.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise InvalidError("An id does not fit int64.", hint="Cast the id column to text.") from error


def _strings(column: pa.Array) -> pa.Array:
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_large_string(column.type) or pa.types.is_string_view(column.type):
        return column.cast(pa.string())
    raise InvalidError(
        f"A corpus takes ids of whole numbers or text, and texts as text; a column is {column.type}.",
        hint="CAST it AS VARCHAR in the query.",
    )


def _without(
    keys: Keys, slots: NDArray[np.int32], role_of: NDArray[np.int32], gone: Positions
) -> tuple[Keys, NDArray[np.int32], NDArray[np.int32]]:
    kept = np.ones(len(keys), np.bool_)
    kept[gone] = False
    renumbered = np.append(np.where(kept, np.cumsum(kept) - 1, ABSENT), ABSENT).astype(np.int32)
    return keys[kept], renumbered[slots], role_of[kept]


def _carried(
    ids: pa.Array, slots: NDArray[np.int32], keys: Keys, roles: Sequence[str], role_of: NDArray[np.int32]
) -> CorpusRows:
    """The rows with the texts and roles that one of them has, in the order of the rows: the same rows make the same
    corpus, whatever was read before them and is theirs no more.
    """
    texts, slots = _by_first(slots, len(keys))
    codes, role_of = _by_first(role_of[texts], len(roles))
    return CorpusRows(ids, slots, keys[texts], tuple(roles[code] for code in codes.tolist()), role_of)


def _by_first(pointers: NDArray[np.int32], count: int) -> tuple[Positions, NDArray[np.int32]]:
    """Which of ``count`` things are pointed at, in the order of the first pointer at each, and pointers into those."""
    first = np.full(count + 1, len(pointers))
    first[pointers[::-1]] = np.arange(len(pointers))[::-1]
    met = np.flatnonzero(first[:count] < len(pointers))
    met = met[np.argsort(first[met])]
    places = np.full(count + 1, ABSENT, np.int32)
    places[met] = np.arange(len(met))
    return met, places[pointers]


def _last_of_each(ids: pa.Array) -> tuple[Positions, int]:
    """Rows ordered by id, the last of each id, and how many rows have none."""
    order = pc.array_sort_indices(ids, null_placement="at_end")
    ranked = order.to_numpy().astype(np.int64)[: len(ids) - ids.null_count]
    ordered = ids.take(pa.array(ranked))
    last = np.ones(len(ranked), np.bool_)
    if len(ranked):
        last[:-1] = pc.not_equal(ordered.slice(1), ordered.slice(0, len(ranked) - 1)).to_numpy(zero_copy_only=False)
    return ranked[last], ids.null_count
