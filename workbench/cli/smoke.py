"""``lh smoke``: the predecessors' gates by name, each a short run of the real thing from start to end."""

from __future__ import annotations

import io
import re
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
    InvalidError,
    MissingExtraError,
    NotFoundError,
    SchemaDriftError,
    TooLargeError,
    WorkbenchError,
)
from workbench.lake.manifest import Column
from workbench.lake.storage import OBJECT_CAP_BYTES, Storage
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


GATES = {
    g.name: g
    for g in (
        Gate("d2", "objects: put, get, list, delete, keys, caps, four uploads at a time", d2),
        Gate("d3", "register a dataset; it is there after a restart", d3),
        Gate("d4", "CSV in and out again; drift is a 409", d4),
        Gate("d5", "SELECT over a dataset on S3", d5),
    )
}
COMING = {"d1": "the gateway", "d6": "the gateway", "g1": "vectors", "g1p": "vectors", "g2": "embeddings"}


@app.command()
def smoke(
    names: Annotated[list[str] | None, typer.Argument(help="d2 d3 d4 d5; all when none is named.")] = None,
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
