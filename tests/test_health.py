"""The doctor: a lake is broken in each way, and the finding says what is wrong and the command that mends it."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

import workbench
from workbench.cli.admin import compiler, packages, python, vectors
from workbench.lake import health, leftovers
from workbench.lake.tables.catalog import Catalog
from workbench.lake.tables.s3 import S3Storage, load_credentials
from workbench.lake.tables.storage import LocalStorage

SECRET = "s3cr3t-V4lue"
START_S = 60


@pytest.fixture
def lake(tmp_path):
    """A lake with ``workers`` in three versions, each with a file of its own."""
    with workbench.connect(tmp_path / "lake") as wb:
        for i in range(3):
            (tmp_path / f"{i}.csv").write_text(f"worker_id,city\n{i},Joliet\n{i + 10},Gary\n")
            wb.ingest(tmp_path / f"{i}.csv", "workers")
    return tmp_path / "lake"


def lh(*words, **environ):
    command = [str(Path(sys.executable).with_name("lh")), *words]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environ})


def check(lake):
    with workbench.connect(lake) as wb:
        return wb.checks()


def not_ok(lake):
    return [c for c in check(lake) if c.state != "ok"]


def log(lake, version):
    return lake / "datasets" / "workers" / "_delta_log" / f"{version - 1:020}.json"


def data(lake, ref="workers"):
    with workbench.connect(lake) as wb:
        return [lake / "datasets" / "workers" / f.path for f in wb.lake.get(ref).files]


def age(path, hours=2):
    then = path.stat().st_mtime - hours * 3600
    os.utime(path, (then, then))


def test_a_whole_lake_is_whole_and_the_doctor_leaves_nothing_behind(lake):
    before = sorted(p for p in lake.rglob("*") if p.is_file())
    found = check(lake)
    assert [(c.name, c.state) for c in found] == [
        ("storage", "ok"), ("several writers", "ok"), ("disk", "ok"), ("datasets", "ok"),
    ]  # fmt: skip
    assert "1 dataset," in found[-1].message
    assert sorted(p for p in lake.rglob("*") if p.is_file()) == before


def test_a_lake_that_is_not_there_yet_is_well_and_stays_away(tmp_path):
    found = check(tmp_path / "new" / "lake")
    assert [c.state for c in found] == ["ok", "ok"]
    assert "first ingest makes it" in found[0].message
    assert not (tmp_path / "new").exists()


def test_a_lost_data_file_and_the_way_back(lake):
    lost = data(lake)[-1]
    lost.unlink()
    [found] = not_ok(lake)
    assert (found.name, found.state) == ("dataset workers", "broken")
    assert lost.name in found.message
    assert "gone" in found.message
    assert found.fix.startswith("lh restore workers@2 ")
    assert lh("restore", "workers@2", "--lake", str(lake)).returncode == 0
    [after] = not_ok(lake)  # the newest is whole again; the version between is not
    assert (after.state, after.fix) == ("warning", "lh expire workers --keep 1")
    assert lh(*after.fix.split()[1:], "--lake", str(lake)).returncode == 0
    assert not_ok(lake) == []


def test_a_data_file_that_is_cut_off(lake):
    cut = data(lake)[0]
    cut.write_bytes(cut.read_bytes()[:-5])
    [found] = not_ok(lake)
    assert "bytes, its log says" in found.message
    assert found.fix == f"bring datasets/workers/{cut.name} back from a backup"  # every version needs it


@pytest.mark.parametrize(
    ("version", "body"), [(3, b'{"commitInfo":{"timest'), (3, b""), (1, b'{"commitInfo":'), (2, b"\x00\x00")]
)
def test_a_log_entry_that_is_cut_off(lake, version, body):
    log(lake, version).write_bytes(body)
    found = not_ok(lake)
    assert {c.state for c in found} == {"broken"}
    assert f"{version - 1:020}.json {'is cut off or damaged' if body else 'is empty'}" in found[0].message
    assert found[0].fix == f"bring datasets/workers/_delta_log/{version - 1:020}.json back from a backup"


def test_a_log_entry_that_is_gone(lake):
    log(lake, 2).unlink()
    assert next(c.message for c in not_ok(lake)) == f"datasets/workers/_delta_log/{1:020}.json is gone from the log"


def test_a_log_of_an_unknown_format(lake):
    text = log(lake, 3).read_text()
    assert '\\"format\\": 1' in text
    log(lake, 3).write_text(text.replace('\\"format\\": 1', '\\"format\\": 9'))
    [found] = not_ok(lake)
    assert "has the unknown format 9 (known: 1)" in found.message
    assert found.fix.startswith("update the workbench")


def test_a_damaged_listing_is_information_and_is_made_anew(lake):
    assert lh("ls", "--lake", str(lake)).returncode == 0
    (lake / "_catalog" / "listing.bin").write_bytes(b"\x00\x01\x02\x03unknown")
    [found] = not_ok(lake)
    assert (found.name, found.state, found.fix) == ("listing", "info", "lh ls makes it anew")
    assert lh("ls", "--lake", str(lake)).returncode == 0
    assert not_ok(lake) == []


def test_what_dead_writers_left_is_named_and_swept(lake):
    left = [
        lake / "datasets" / "workers" / "part-dead.parquet",
        lake / "datasets" / "never" / "part-dead.parquet",
        lake / "datasets" / "workers" / "_delta_log" / f"{3:020}.json#1",
        lake / "_rejects" / "workers" / "dead.parquet",
        lake / "_catalog" / ".listing.bin.0a0b0c.tmp",
        lake / "_catalog" / "doctor-dead",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 10)
    assert not_ok(lake) == []  # they may still be on their way in
    for path in left:
        age(path)
    found = not_ok(lake)
    assert {c.state for c in found} == {"info"}
    assert {c.fix for c in found} == {"lh doctor --sweep"}
    assert sum(int(c.message.split()[0]) for c in found) == len(left)
    keep = data(lake)
    done = lh("doctor", "--sweep", "--lake", str(lake))
    assert done.returncode == 0, done.stdout
    assert [p for p in left if p.exists()] == []
    assert all(p.exists() for p in keep)
    assert not_ok(lake) == []


def cut_off(lake):
    for version in (1, 2, 3):
        log(lake, version).write_bytes(b"{")


def from_the_future(lake):
    text = log(lake, 1).read_text()
    assert '"minReaderVersion":' in text
    log(lake, 1).write_text(re.sub(r'"minReaderVersion":\d+', '"minReaderVersion":99', text))


def test_a_sweep_keeps_rejects_that_a_snapshot_names(lake, tmp_path):
    (tmp_path / "bad.csv").write_text("worker_id,city\n77,Aurora\nseven,Elgin\n")
    with workbench.connect(lake) as wb:
        assert wb.ingest(tmp_path / "bad.csv", "workers", quarantine=True).rejected == 1
        for path in (lake / "_rejects").rglob("*.parquet"):
            age(path)
        assert leftovers.sweep(wb.lake.catalog, dt.datetime.now(dt.UTC)) == []
        assert wb.lake.rejects("workers")[0].rows.num_rows == 1


@pytest.mark.parametrize("damage", [cut_off, from_the_future])
def test_a_sweep_takes_nothing_from_a_log_that_cannot_be_read(lake, damage):
    damage(lake)
    files = sorted(p for p in (lake / "datasets").rglob("*") if p.is_file())
    for path in files:
        age(path)
    found = not_ok(lake)
    assert {(c.name, c.state) for c in found} == {("dataset workers", "broken")}
    assert ("update" in found[0].fix) == (damage is from_the_future)
    with workbench.connect(lake) as wb:
        later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
        assert leftovers.sweep(wb.lake.catalog, later) == []
    assert sorted(p for p in (lake / "datasets").rglob("*") if p.is_file()) == files


def test_a_lake_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "lake"):
        found = [c for c in health.checks(Catalog(LocalStorage(place)), dt.datetime.now(dt.UTC)) if c.state != "ok"]
        assert [c.state for c in found] == ["broken"]
        assert str(tmp_path / "file") in found[0].message
        assert "--lake" in found[0].fix


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere; run the tests as another user")
def test_a_folder_without_the_right_to_write(tmp_path):
    (tmp_path / "lake").mkdir(mode=0o500)
    [found] = not_ok(tmp_path / "lake")
    assert found.fix.startswith(f"chmod -R u+rwX {tmp_path / 'lake'}")


def test_a_dead_server(tmp_path):
    environ = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "me", "AWS_SECRET_ACCESS_KEY": SECRET}
    done = lh("doctor", "--json", "--lake", "s3://bucket/lake", **environ)
    assert done.returncode == 1
    [found] = [c for c in json.loads(done.stdout)["checks"] if c["state"] == "broken"]
    assert found["name"] == "storage"
    assert found["fix"].startswith("curl -I http://127.0.0.1:1")
    assert SECRET not in done.stdout + done.stderr


def test_a_missing_extra_is_named_with_its_command():
    code = "import sys; sys.modules['s3fs'] = None; from workbench.cli.entry import main; "
    code += "main(['doctor', '--lake', 's3://bucket/lake', '--json'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    found = {c["name"]: c for c in json.loads(done.stdout)["checks"]}["storage"]
    assert (done.returncode, found["state"]) == (1, "missing")
    assert "s3fs" in found["message"]
    assert found["fix"].startswith("pip install")


@pytest.fixture
def strict_s3():
    """An S3 server that knows no user, so every credential is wrong."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "1"},
    ) as server:  # fmt: skip
        deadline = threading.Timer(START_S, server.kill)
        deadline.start()
        address = next(m[1] for line in server.stderr if (m := re.search(r"on (http://127\S+)", line)))
        deadline.cancel()
        drain = threading.Thread(target=server.stderr.read, daemon=True)
        drain.start()
        urlopen(Request(f"{address}/my-bucket", method="PUT"), timeout=START_S).close()
        yield address
        server.kill()
        drain.join()


@pytest.mark.s3
def test_wrong_credentials_are_named_and_never_shown(strict_s3):
    environ = {"AWS_ENDPOINT_URL": strict_s3, "AWS_ACCESS_KEY_ID": "AKIDWRONG", "AWS_SECRET_ACCESS_KEY": SECRET}
    done = lh("doctor", "--lake", "s3://my-bucket/lake", **environ)
    assert done.returncode == 1
    assert "refused the credentials" in done.stdout
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY anew" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert "AKIDWRONG" not in done.stdout + done.stderr


@pytest.mark.s3
def test_a_bucket_that_is_not_there_and_no_credentials(s3_server):
    done = lh("doctor", "--lake", "s3://no-such-bucket/lake", **s3_server.environ())
    assert done.returncode == 1
    assert f"aws s3 mb s3://no-such-bucket --endpoint-url {s3_server.endpoint_url}" in done.stdout
    bare = lh("doctor", "--lake", "s3://no-such-bucket/lake", AWS_ENDPOINT_URL=s3_server.endpoint_url)
    assert bare.returncode == 1
    assert "export AWS_ACCESS_KEY_ID=" in bare.stdout


class Careless(BaseHTTPRequestHandler):
    """A store that takes every PUT, whatever condition it came with: what the server behind it is never asked."""

    behind = ""
    protocol_version = "HTTP/1.1"

    def forward(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kept = {k: v for k, v in self.headers.items() if k.lower() not in {"if-none-match", "if-match", "host"}}
        connection = HTTPConnection(self.behind, timeout=START_S)
        connection.request(self.command, self.path, body, kept)
        answer = connection.getresponse()
        said = answer.read()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "content-length", "server", "date"}:
                self.send_header(name, value)
        self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(said)))
        self.end_headers()
        self.wfile.write(said)
        connection.close()

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

    def log_message(self, format, *args):  # noqa: A002 - the name that the base class gives it
        pass


@pytest.fixture
def careless_s3(s3_server):
    behind = s3_server.endpoint_url.removeprefix("http://")
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Careless,), {"behind": behind})) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield s3_server.environ() | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
        server.shutdown()
        thread.join()


@pytest.mark.s3
def test_a_store_without_conditional_put_is_found_out(s3_server, careless_s3):
    url, now = f"{s3_server.add_bucket()}/lake", dt.datetime.now(dt.UTC)
    for environ, state, said in (
        (s3_server.environ(), "ok", "one won and one was told"),
        (careless_s3, "broken", "of two racing commits 2 won"),
    ):
        storage = S3Storage(url, load_credentials(environ, None))
        found = {c.name: c for c in health.checks(Catalog(storage), now)}
        assert found["storage"].state == "ok"
        assert (found["several writers"].state, said in found["several writers"].message) == (state, True)
        assert ("conditional PUT" in found["several writers"].fix) == (state == "broken")
        assert storage.entries() == []


def test_packages_there_too_old_and_missing():
    there = {"duckdb": "2.0.1", "numpy": "1.26"}

    def version_of(name):
        if name not in there:
            raise importlib.metadata.PackageNotFoundError(name)
        return there[name]

    asked = ["duckdb>=2.0", "numpy>=2.0", "rich>=14", "s3fs>=2025.9; extra == 's3'"]
    found = {c.name: c for c in packages(asked, version_of)}
    assert [c.state for c in found.values()] == ["ok", "broken", "missing", "info"]
    assert found["numpy"].message == "1.26 is too old, 2.0 is the least"
    assert found["rich"].fix == f"{sys.executable} -m pip install 'rich>=14'"
    assert found["s3fs"].message == "not installed; only lakes on S3 need it"
    assert found["s3fs"].fix == f"{sys.executable} -m pip install 's3fs>=2025.9'"


def test_python_and_the_compiler():
    assert python((3, 10, 4)).failed
    assert not python((3, 13, 0)).failed
    assert compiler(lambda name: None).state == "info"
    assert compiler(lambda name: f"/bin/{name}" if name == "clang++" else None).message == "clang++"


def test_vectors_of_another_format_are_information(tmp_path):
    assert vectors(tmp_path / "none").state == "ok"
    (tmp_path / "a.corpus").write_bytes(b"LHCORPUS" + (99).to_bytes(4, "little") + bytes(60))
    found = vectors(tmp_path)
    assert (found.state, found.fix) == ("info", f"rm {tmp_path / 'a.corpus'}")
    assert found.message.startswith("1 of 1 vector files")


def test_the_command_says_it_in_words_and_in_json(lake):
    done = lh("doctor", "--lake", str(lake))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "nothing to repair")
    for package in ("duckdb", "deltalake", "pyarrow", "s3fs"):
        assert f"{package}: {importlib.metadata.version(package)}" in done.stdout
    data(lake)[-1].unlink()
    sick = lh("doctor", "--lake", str(lake), "--json")
    told = json.loads(sick.stdout)
    assert (sick.returncode, told["ok"]) == (1, False)
    [found] = [c for c in told["checks"] if c["state"] == "broken"]
    assert set(found) == {"name", "state", "message", "fix"}
    assert all(c["fix"] for c in told["checks"] if c["state"] != "ok")
