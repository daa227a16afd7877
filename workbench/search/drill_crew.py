"""The processes of the search drill: what a worker and a checker do, and the notes by which they are judged.

A worker loads batches, indexes them (embeds, writes words, builds the graph), adds to and removes from named vector
indexes, and searches. It writes down what it is about to do with a vector before, and that it is done after.
"""

from __future__ import annotations

import csv
import hashlib
import os
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import ConflictError, NotFoundError, WorkbenchError
from workbench.lake.drill_crew import end_with_parent
from workbench.lake.lake import Lake
from workbench.lake.loading.report import Request
from workbench.lake.sql.query import Access
from workbench.lake.tables.storage import LocalStorage
from workbench.search import health
from workbench.search.embedding.embed import Side, embedded
from workbench.search.named.store import VectorStore
from workbench.search.searcher import Searcher
from workbench.search.texts.template import text_template
from workbench.search.trade_roles import Trades, open_trades
from workbench.search.vectors.distance import Distance, distances

DATASET, STOP = "drill", "stop"
INDEXES: dict[str, Distance] = {"drill_cosine": "cosine", "drill_euclidean": "euclidean"}
PHASES = ("start", "ingest", "embed", "save", "graph", "add", "remove", "search")
BATCH_ROWS, DIMENSION, OWN_KEYS = 40, 24, 6
GRAPH_TEXTS = 200  # the graph of so few texts is of no use, and is built and read as that of a million
_ALL = Access(row_cap=None, show_pii=True)
_ROLES = (
    "forklift operator", "registered nurse", "welder", "line cook", "warehouse picker", "truck driver",
    "electrician", "receptionist", "security guard", "machine operator", "carpenter", "janitor",
)  # fmt: skip
_PROBES = ("forklift driver, nights", "nurse", "somebody who welds", "cook for a kitchen", "office front desk")


@dataclass(frozen=True, slots=True)
class Post:
    """Where a process works: the lake's folder and the folder for files and notes."""

    lake: str
    folder: str

    @property
    def here(self) -> Path:
        """The folder for files and notes."""
        return Path(self.folder)

    @property
    def cache_dir(self) -> Path:
        """Where derived files lie."""
        return Path(self.lake) / "_vectors"

    def phase(self, pid: int) -> str:
        """What a process was doing last."""
        with suppress(FileNotFoundError):
            return (self.here / f"{pid}.phase").read_text().strip() or PHASES[0]
        return PHASES[0]

    def fault(self, who: str, what: str) -> None:
        """Note a broken promise."""
        with (self.here / f"{who}.fault").open("a", encoding="utf-8") as out:
            out.write(f"{who}: {what}\n")


class _Noting:
    """The embedded default, saying when it embeds and when it is done."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._inner, self._note = embedded(), note

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def embed(self, texts: Sequence[str], *, side: Side) -> NDArray[np.float32]:
        """As ``Embedder.embed``."""
        if side == "query":
            return self._inner.embed(texts, side=side)
        self._note("embed")
        try:
            return self._inner.embed(texts, side=side)
        finally:
            self._note("save")


class Place:
    """Everything that one process has open."""

    def __init__(self, post: Post, note: Callable[[str], None] | None = None) -> None:
        self.post, self.note = post, note or _silent
        self.lake = Lake(LocalStorage(Path(post.lake)), by="drill")
        self.vectors = VectorStore(self.lake.catalog)
        self.searcher = Searcher(self.lake, _Noting(self.note), post.cache_dir, self._trades, lambda: ())

    def _trades(self) -> Trades:
        return open_trades(embedded(), self.post.cache_dir)


def _silent(_phase: str) -> None:
    """For who is not watched."""


def work(post: Post, number: int, seed: int) -> None:
    """Do one thing after another until told to stop."""
    end_with_parent()
    tempfile.tempdir = post.folder
    handle = os.open(post.here / f"{os.getpid()}.phase", os.O_CREAT | os.O_WRONLY)

    def note(phase: str) -> None:
        os.pwrite(handle, phase.ljust(12).encode(), 0)

    chance = random.Random(seed)
    try:
        place = Place(post, note)
        for n in range(1_000_000):
            if (post.here / STOP).exists():
                return
            step = chance.choices((_ingest, _index, _add, _remove, _search), (2, 4, 4, 1, 1))[0]
            step(place, number, n)
    except WorkbenchError as error:
        post.fault(f"worker {number}", f"{type(error).__name__}: {error.message}")


def _ingest(place: Place, number: int, n: int) -> None:
    place.note("ingest")
    batch = f"w{number}b{n}"
    path = place.post.here / f"{batch}.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, lineterminator="\n").writerows([["worker_id", "batch", "role", "skills"], *rows(batch)])
    place.lake.ingest(Request(path, DATASET))
    _append(place.post.here / f"{number}.acks", batch)
    path.unlink()


def _index(place: Place, _number: int, _n: int) -> None:
    def building(_done: int, _rows: int) -> None:
        place.note("graph")

    place.note("save")
    with suppress(NotFoundError):  # nothing has been loaded yet
        manifest = place.lake.get(DATASET)
        place.searcher.corpora.index(manifest, probes=_PROBES, graph_texts=GRAPH_TEXTS, on_build=building)


def _add(place: Place, number: int, n: int) -> None:
    place.note("add")
    name = list(INDEXES)[n % len(INDEXES)]
    keys = [f"w{number}k{i}" for i in range(1 + n % OWN_KEYS)]
    with suppress(ConflictError):
        place.vectors.create(name, DIMENSION, INDEXES[name])
    notes = place.post.here / f"{number}.vectors"
    _append(notes, *(f"? {name} {key} {n}" for key in keys))
    place.vectors.add(name, [{"id": key, "vector": vector(key, n), "metadata": {"n": n}} for key in keys])
    _append(notes, *(f"! {name} {key} {n}" for key in keys))


def _remove(place: Place, number: int, n: int) -> None:
    place.note("remove")
    name, key = list(INDEXES)[n % len(INDEXES)], f"w{number}k{n % OWN_KEYS}"
    notes = place.post.here / f"{number}.vectors"
    with suppress(NotFoundError):
        _append(notes, f"? {name} {key} -")
        place.vectors.remove(name, [key])
        _append(notes, f"! {name} {key} -")


def _search(place: Place, number: int, n: int) -> None:
    place.note("search")
    with suppress(NotFoundError):
        found = place.searcher.search(_PROBES[n % len(_PROBES)], dataset=DATASET, k=20)
        if len(found.hits) != 20:
            place.post.fault(f"worker {number}", f"a search gave {len(found.hits)} of 20 rows")


def check(post: Post, number: int, seed: int) -> None:
    """What the next process finds: it opens as it is, has everything that was promised, and answers exactly."""
    end_with_parent()
    tempfile.tempdir = post.folder
    who, chance = f"checker {number}", random.Random(seed)
    try:
        place = Place(post)
        for said in (*_rows_found(place, chance), *_vectors_found(place), *_examined(place)):
            post.fault(who, said)
        (post.here / f"{number}.checked").touch()
    except WorkbenchError as error:
        post.fault(who, f"{type(error).__name__}: {error.message}")


def _examined(place: Place) -> Iterator[str]:
    found = [*place.lake.checks(), *health.checks(place.lake.catalog, place.post.cache_dir)]
    yield from (f"doctor: {c.name}: {c.message}" for c in found if c.failed or c.state == "warning")


def _rows_found(place: Place, chance: random.Random) -> Iterator[str]:
    batches = [batch for path in place.post.here.glob("*.acks") for batch in _lines(path)]
    if not batches:
        return
    for batch in {batches[-1], *chance.sample(batches, min(2, len(batches)))}:
        found = place.searcher.search("worker", dataset=DATASET, where=f"batch = '{batch}'", k=BATCH_ROWS + 1)
        ids = sorted(int(hit.id) for hit in found.hits)
        if ids != sorted(int(row[0]) for row in rows(batch)):
            yield f"{batch} is acknowledged and search finds {len(ids)} of its {BATCH_ROWS} rows"
    for query in chance.sample(_PROBES, 2):
        yield from _exact(place, query)


def _exact(place: Place, query: str) -> Iterator[str]:
    """Compare a search by meaning with the kernel over every row of the version that it searched."""
    found = place.searcher.search(query, dataset=DATASET, k=20, mode="vector")
    manifest = place.lake.get(f"{DATASET}@{found.freshness.version}")
    sql = f"SELECT worker_id, {text_template(manifest.columns).to_sql()} FROM {DATASET}@{manifest.version}"
    ids, texts = place.lake.sql(sql, access=_ALL).table.columns
    embedder = place.searcher.embedder
    distinct = sorted(set(texts.to_pylist()))
    probe = place.searcher.look(query, DATASET, mode="vector").probe.vector  # what is searched for, fillers left out
    far = distances(embedder.embed(distinct, side="document"), probe, "cosine")
    of_text = dict(zip(distinct, far.tolist(), strict=True))
    all_rows = sorted((of_text[text], key) for key, text in zip(ids.to_pylist(), texts.to_pylist(), strict=True))
    of_row = {key: far for far, key in all_rows}
    got, want = [of_row[hit.id] for hit in found.hits], [far for far, _ in all_rows[:20]]
    right = sum(far <= want[-1] for far in got)
    # A graph may miss one of its ten nearest in a hundred; an exact plan none.
    if len(got) != len(want) or right < (19 if found.freshness.plan == "graph" else 20):
        yield f"{query!r} by {found.freshness.plan or 'scan'} at version {manifest.version}: {right} of 20 are right"


def _vectors_found(place: Place) -> Iterator[str]:
    before = _promises(place.post.here)
    probe = vector("probe", 0)
    for name, distance in INDEXES.items():
        with suppress(NotFoundError):
            hits = {h.id: h for h in place.vectors.search(name, probe, 1000)}
            after = _promises(place.post.here)
            for key in {k for at, k in after if at == name} | hits.keys():
                yield from _one(name, distance, key, hits.get(key), before[name, key], after[name, key], probe)


def _one(
    name: str, distance: Distance, key: str, hit: Any, before: list[str], after: list[str], probe: Any
) -> Iterator[str]:
    """A vector is as its last acknowledged change left it, or as a later change that was begun."""
    done = max((i for i, line in enumerate(before) if line[0] == "!"), default=-1)
    possible = {before[done][2:] if done >= 0 else "-"} | {line[2:] for line in after[done + 1 :]}
    if hit is None:
        if "-" not in possible:
            yield f"{name}: {key} is acknowledged and lost"
        return
    said = str(hit.metadata.get("n"))
    if said not in possible:
        yield f"{name}: {key} is of change {said}, acknowledged are {sorted(possible)}"
        return
    far = distances(vector(key, int(said))[None], probe, distance)[0]
    if hit.distance != far:
        yield f"{name}: {key} is at {hit.distance!r} instead of {far!r}"


def _promises(folder: Path) -> dict[tuple[str, str], list[str]]:
    """(index, id) → what was begun (``? change``) and done (``! change``), in order; ``-`` is a removal."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in folder.glob("*.vectors"):
        for line in _lines(path):
            sign, name, key, change = line.split(" ")
            found[name, key].append(f"{sign} {change}")
    return found


def acknowledged(folder: Path) -> tuple[int, int]:
    """How many batches and how many changes of vectors were acknowledged."""
    changes = [line for path in folder.glob("*.vectors") for line in _lines(path) if line[0] == "!"]
    return sum(len(_lines(path)) for path in folder.glob("*.acks")), len(changes)


def rows(batch: str) -> Iterator[tuple[int, str, str, str]]:
    """The rows of a batch, computed from its name: (worker_id, batch, role, skills)."""
    for i in range(BATCH_ROWS):
        digest = hashlib.blake2b(f"{batch}/{i}".encode(), digest_size=7).digest()
        key = int.from_bytes(digest, "big") // 8
        yield key, batch, _ROLES[key % len(_ROLES)], f"skill{key % 997}"


def vector(key: str, change: int) -> NDArray[np.float32]:
    """The vector that a change gives an id, shape (DIMENSION,)."""
    seed = hashlib.blake2b(f"{key}/{change}".encode(), digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(seed, "big")).standard_normal(DIMENSION).astype(np.float32)


def _append(path: Path, *lines: str) -> None:
    with path.open("a", encoding="utf-8") as out:
        out.write("".join(f"{line}\n" for line in lines))


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]
