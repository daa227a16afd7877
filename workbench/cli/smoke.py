"""``lh smoke``: the predecessors' gates by name, each a short run of the real thing from start to end."""

from __future__ import annotations

import io
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO, cast
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

import typer

from workbench.cli import show
from workbench.cli.app import app
from workbench.errors import (
    BusyError,
    ConflictError,
    DimensionError,
    InvalidError,
    MissingExtraError,
    NotFoundError,
    SchemaDriftError,
    TooLargeError,
    WorkbenchError,
)
from workbench.lake.tables.manifest import Column
from workbench.lake.tables.storage import OBJECT_CAP_BYTES, Storage
from workbench.session import connect

PASSED, FAILED, NOT_YET = OUTCOMES = ("passed", "failed", "not yet")
_SERVER_START_S = 60
_ROSTER = (
    "worker_id,name,city,zip,phone\n1,Ann Lee,Joliet,06001,+1 815-555-0100\n2,Bo Cruz,Chicago,60601,312-555-0101\n"
)


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate: its name, what it shows, and the run on an empty folder."""

    name: str
    shows: str
    run: Callable[[Path], None]


def expect(told: bool, what: str) -> None:
    """Print what is so; raise WorkbenchError unless it is."""
    if not told:
        raise WorkbenchError(f"Not so: {what}.")
    show.line(f"  ✓ {what}")


@contextmanager
def refusal(kind: type[WorkbenchError], what: str) -> Iterator[None]:
    """The block must raise exactly this kind of error."""
    try:
        yield
    except kind as error:
        show.line(f"  ✓ refused with {error.http_status}: {what}")
        return
    raise WorkbenchError(f"Not refused: {what}.")


def d2(folder: Path) -> None:
    """Objects and their caps."""
    with connect(folder / "lake") as wb:
        store = wb.storage
        store.put("a/b", b"one")
        store.put("a/b", b"two")
        expect(store.get("a/b") == b"two", "the last PUT is what GET returns")
        expect([e.key for e in store.entries("a/")] == ["a/b"], "LIST shows the key")
        store.delete("a/b")
        with refusal(NotFoundError, "GET of an absent key"):
            store.get("a/b")
        for key in ("", "/a", "a/../b", "a\nb", "x" * 1025):
            with refusal(InvalidError, f"PUT under the key {key[:10]!r} of {len(key):,} characters"):
                store.put(key, b"")
        with refusal(TooLargeError, "PUT of 256 MiB and one byte"):
            store.put("big", cast(BinaryIO, _Zeros(OBJECT_CAP_BYTES + 1)))
        expect(store.stat("big") is None, "nothing of the refused object is there")
        _fifth_upload(store)


class _Zeros(io.RawIOBase):
    """So many zero bytes, never in memory at once."""

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, n: int = -1) -> bytes:
        n = min(n, self.left)
        self.left -= n
        return bytes(n)


class _Held(io.RawIOBase):
    """A body that does not end before it is let go."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def read(self, n: int = -1) -> bytes:  # noqa: ARG002
        self.begun.set()
        self.go.wait()
        return b""


def _fifth_upload(store: Storage) -> None:
    bodies = [_Held() for _ in range(4)]
    threads = [threading.Thread(target=store.put, args=(f"u/{i}", b)) for i, b in enumerate(bodies)]
    for thread, body in zip(threads, bodies, strict=True):
        thread.start()
        body.begun.wait()
    try:
        with refusal(BusyError, "a fifth PUT beside four, no queue"):
            store.put("u/5", b"")
    finally:
        for thread, body in zip(threads, bodies, strict=True):
            body.go.set()
            thread.join()


def d3(folder: Path) -> None:
    """Register, and again after a restart."""
    columns = [Column("id", "int64"), Column("phone", "string")]
    with connect(folder / "lake") as wb:
        first, existed = wb.lake.catalog.register("workers", columns)
        expect(not existed, "a new name is new")
        again, existed = wb.lake.catalog.register("workers", columns)
        expect(existed and again.dataset_id == first.dataset_id, "the same schema is the same dataset")
        with refusal(ConflictError, "another schema under the name"):
            wb.lake.catalog.register("workers", columns[:1])
    code = "import sys, workbench; print(workbench.connect(sys.argv[1]).lake.get('workers').dataset_id)"
    told = subprocess.run(
        [sys.executable, "-c", code, str(folder / "lake")], capture_output=True, text=True, check=True
    ).stdout.strip()
    expect(told == first.dataset_id, "another process finds it in storage alone")


def d4(folder: Path) -> None:
    """A CSV there and back, and drift."""
    roster = folder / "roster.csv"
    roster.write_text(_ROSTER, encoding="utf-8")
    with connect(folder / "lake") as wb:
        made = wb.ingest(roster, "workers")
        expect((made.outcome, made.rows, made.rejected) == ("created", 2, 0), "two rows are loaded")
        expect(wb.ingest(roster, "workers").outcome == "unchanged", "the same bytes make no snapshot")
        back = wb.sql("SELECT * FROM workers ORDER BY 1", show_pii=True).table.to_pylist()
        expect(back[0]["zip"] == "06001" and back[1]["phone"] == "312-555-0101", "zip and phone come back as text")
        drifted = folder / "new.csv"
        drifted.write_text(
            _ROSTER.replace("city", "town,shift").replace(",Joliet", ",Joliet,1").replace(",Chi", ",1,Chi")
        )
        with refusal(SchemaDriftError, "other columns"):
            wb.ingest(drifted, "workers")
        expect(wb.lake.get("workers").version == 1, "a refused file changes nothing")


def d5(folder: Path) -> None:
    """SELECT over S3."""
    with _s3_server() as endpoint:
        environ = {
            "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "smoke", "AWS_SECRET_ACCESS_KEY": "smoke",
            "AWS_REGION": "us-east-1",
        }  # fmt: skip
        urlopen(HttpRequest(f"{endpoint}/smoke-lake", method="PUT"), timeout=_SERVER_START_S).close()  # noqa: S310
        roster = folder / "roster.csv"
        roster.write_text(_ROSTER, encoding="utf-8")
        with connect("s3://smoke-lake/d5", environ=environ) as wb:
            wb.ingest(roster, "workers")
        with connect("s3://smoke-lake/d5", environ=environ) as wb:
            rows = wb.sql("SELECT count(*) AS n FROM workers WHERE city = 'Joliet'").table.to_pylist()
            expect(rows == [{"n": 1}], "a fresh process counts what the first one stored")


@contextmanager
def _s3_server() -> Iterator[str]:
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    nothing = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=subprocess.PIPE, text=True) as server:
        try:
            found = next((m for line in server.stderr or () if (m := re.search(r"on (http://127\S+)", line))), None)
            if found is None:
                raise MissingExtraError("The smoke d5 needs moto's S3 server.", hint="make smoke d5 installs it")
            drain = threading.Thread(target=lambda: server.stderr.read() if server.stderr else None, daemon=True)
            drain.start()
            yield found[1]
        finally:
            server.kill()


def g1(folder: Path) -> None:
    """An index of a caller's vectors."""
    import numpy as np

    random = np.random.default_rng(1)
    vectors, queries = random.standard_normal((2_000, 64)), random.standard_normal((50, 64))
    with connect(folder / "lake") as wb:
        wb.vectors.create("notes", 64)
        wb.vectors.add("notes", [{"id": f"v{i}", "vector": v} for i, v in enumerate(vectors)])
        cosines = queries @ vectors.T / np.linalg.norm(vectors, axis=1)
        nearest = [{f"v{i}" for i in row} for row in np.argsort(-cosines)[:, :10]]
        found = [{hit.id for hit in wb.vectors.search("notes", q)} for q in queries]
        expect(found == nearest, "recall@10 is 1.00 against brute force over 2,000 vectors")
        with refusal(DimensionError, "a vector of 63 numbers for an index of 64"):
            wb.vectors.add("notes", [{"id": "x", "vector": [1.0] * 63}])
        with refusal(DimensionError, "a query of 65 numbers"):
            wb.vectors.search("notes", [1.0] * 65)
        with refusal(ConflictError, "another index of the name"):
            wb.vectors.create("notes", 64)
        with refusal(NotFoundError, "a search in an index that is not there"):
            wb.vectors.search("note", queries[0])


_ADDING = """
import sys, numpy, workbench
wb = workbench.connect(sys.argv[1])
for batch in range(1000):
    vectors = numpy.random.default_rng(batch).standard_normal((20, 32), numpy.float32)
    wb.vectors.add("kept", [{"id": f"{batch}-{i}", "vector": v} for i, v in enumerate(vectors)])
    print(batch, flush=True)
"""
_ASKING = """
import sys, numpy, workbench
query = numpy.random.default_rng(5000).standard_normal(32, numpy.float32)
with workbench.connect(sys.argv[1]) as wb:
    for hit in wb.vectors.search("kept", query, 1000):
        print(hit.id, hit.distance.hex())
"""


def g1p(folder: Path) -> None:
    """Vectors outlive a kill -9 of who adds them."""
    import numpy as np

    from workbench.search.vectors.distance import distances

    lake, batches = str(folder / "lake"), 10
    with connect(lake) as wb:
        wb.vectors.create("kept", 32)
    with subprocess.Popen([sys.executable, "-c", _ADDING, lake], stdout=subprocess.PIPE, text=True) as adder:
        assert adder.stdout is not None
        told = [int(adder.stdout.readline()) for _ in range(batches)]
        adder.kill()
        told += map(int, adder.stdout)
    expect(adder.returncode == -signal.SIGKILL, f"a process that adds was killed after {len(told)} acknowledged adds")
    asking = [sys.executable, "-c", _ASKING, lake]
    asked = [subprocess.run(asking, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    rows = dict(line.split() for line in asked[0].splitlines())
    query = np.random.default_rng(5000).standard_normal(32, np.float32)
    for batch in told:
        vectors = np.random.default_rng(batch).standard_normal((20, 32), np.float32)
        far = distances(vectors, query, "cosine").tolist()
        if any(rows.get(f"{batch}-{i}") != d.hex() for i, d in enumerate(far)):
            raise WorkbenchError(f"Not so: every vector of the acknowledged add {batch} is there, to the bit.")
    expect(
        len(rows) % 20 == 0, f"all {20 * len(told)} acknowledged vectors are there, to the bit, and no half of an add"
    )
    expect(asked[0] == asked[1], "two fresh processes answer with the same ids and the same bits")
    with connect(lake) as wb:
        wb.vectors.add("kept", [{"id": "after", "vector": query}])
        expect(
            wb.vectors.search("kept", query, 1)[0].id == "after", "the index takes new vectors and finds them at once"
        )


_TEXTS = {
    "forklift": ("Forklift operator in a warehouse", "operates lift trucks in a storehouse"),
    "nurse": ("Registered nurse for a hospital ward", "nursing staff for patients in a hospital"),
    "welder": ("Certified welder, steel and aluminium", "somebody who welds metal"),
    "cook": ("Line cook in a hotel kitchen", "a chef to prepare food"),
    "driver": ("Truck driver with a CDL", "delivery driver for a lorry"),
}


def g2(folder: Path) -> None:
    """From texts to vectors to answers."""
    from workbench.search.embedding.embed import WordllamaEmbedder

    embedder = WordllamaEmbedder()
    with connect(folder / "lake") as wb:
        wb.vectors.create("texts", embedder.dimension)
        made = embedder.embed([text for text, _ in _TEXTS.values()], side="document")
        given = zip(_TEXTS.items(), made, strict=True)
        wb.vectors.add("texts", [{"id": i, "vector": v, "metadata": {"text": t[0]}} for (i, t), v in given])
        for words, kind in ((0, "its own words"), (1, "a paraphrase")):
            asked = embedder.embed([said[words] for said in _TEXTS.values()], side="query")
            found = [wb.vectors.search("texts", vector, 1)[0].id for vector in asked]
            expect(found == list(_TEXTS), f"each of {len(_TEXTS)} texts is found first by {kind}")
        hit = wb.vectors.search("texts", made[0], 5, where={"text": _TEXTS["cook"][0]})
        expect([h.id for h in hit] == ["cook"], "a condition on metadata leaves only what meets it")


GATES = {
    g.name: g
    for g in (
        Gate("d2", "objects: put, get, list, delete, keys, caps, four uploads at a time", d2),
        Gate("d3", "register a dataset; it is there after a restart", d3),
        Gate("d4", "CSV in and out again; drift is a 409", d4),
        Gate("d5", "SELECT over a dataset on S3", d5),
        Gate("g1", "vectors: create, add, search, what is refused", g1),
        Gate("g1p", "vectors survive kill -9 and a restart", g1p),
        Gate("g2", "texts: embed, add, search", g2),
    )
}
COMING = {"d1": "the gateway", "d6": "the gateway"}


@app.command()
def smoke(
    names: Annotated[list[str] | None, typer.Argument(help="d2 d3 d4 d5 g1 g1p g2; all when none is named.")] = None,
) -> None:
    """Run the predecessors' gates, each on a lake of its own; exit 1 when one of them does not pass."""
    wanted = names or sorted([*GATES, *COMING])
    for name in wanted:
        if name not in {*GATES, *COMING}:
            raise NotFoundError.named("gate", name, [*GATES, *COMING])
    told = Counter(run(name) for name in wanted)
    show.line(", ".join(f"{told[outcome]} {outcome}" for outcome in OUTCOMES if told[outcome]))
    # A gate that was asked for by name and is not there has not been passed.
    raise typer.Exit(1 if told[FAILED] or (names and told[NOT_YET]) else 0)


def run(name: str, gates: Mapping[str, Gate] = GATES) -> str:
    """Run one gate on an empty folder, print each thing that it checks, and return its outcome."""
    gate = gates.get(name)
    if gate is None:
        show.line(f"· {name}  not yet: it comes with {COMING[name]}")
        return NOT_YET
    show.line(f"{name}  {gate.shows}")
    began = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(prefix=f"lh-{name}-") as folder:
            gate.run(Path(folder))
    except Exception as error:  # noqa: BLE001 - a gate that crashes has not been passed, and the others still run
        show.line(f"✗ {name}  failed: {getattr(error, 'message', f'{type(error).__name__}: {error}')}")
        return FAILED
    show.line(f"✓ {name}  passed in {time.perf_counter() - began:.1f} s")
    return PASSED
