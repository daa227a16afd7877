"""What every test stands on: a clean environment, one hypothesis profile and a real S3 server.

The network is refused by pytest-socket, loopback is allowed (see ``addopts`` in pyproject.toml).
"""

from __future__ import annotations

import atexit
import gc
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from hypothesis import settings

import workbench
from workbench.session import Workbench

SERVER_START_S = 60
XDG = ("CONFIG", "DATA", "STATE")
TERMINAL = ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "PAGER")

settings.register_profile("ci", deadline=None, derandomize=True, max_examples=30)
settings.register_profile("deep", deadline=None, max_examples=1000)  # pytest --hypothesis-profile=deep
settings.load_profile("ci")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Thousands of tests are half a million objects that all live to the end: nobody looks through them for garbage.

    That would be a third of the time to collect them, and a quarter of a second again and again while they run.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        atexit.register(gc.unfreeze)  # else nanobind takes what is left for leaks, and says so


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No setting, credential or terminal of the machine reaches a test or a process that it starts.

    The cache is one for all tests: what is in it is named by its content, and embedding the trade dictionary anew for
    each test would take minutes.
    """
    folder = tmp_path_factory.mktemp("session")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith(("LH_", "AWS_")) or name in TERMINAL:
                patch.delenv(name)
        # Some machines set it, and then every process that a test starts compiles the whole product again.
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("HOME", str(folder))
        for kind in (*XDG, "CACHE"):
            patch.setenv(f"XDG_{kind}_HOME", str(folder / kind.lower()))
        yield


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home folder of the test's own, also for the XDG variables but the cache."""
    folder = Path(tempfile.mkdtemp(prefix="home-", dir=tmp_path_factory.getbasetemp()))
    monkeypatch.setenv("HOME", str(folder))
    for kind in XDG:
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(folder / kind.lower()))
    return folder


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running S3 server and the credentials it accepts."""

    endpoint_url: str
    access_key_id: str = "test-key"
    secret_access_key: str = "test-secret"
    region: str = "us-east-1"

    def environ(self) -> dict[str, str]:
        """The variables by which a lake finds this server."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": self.region,
        }

    def add_bucket(self) -> str:
        """Make an empty bucket and return its address, ``s3://name``."""
        name = f"lake-{uuid.uuid4().hex[:12]}"
        with urlopen(Request(f"{self.endpoint_url}/{name}", method="PUT"), timeout=SERVER_START_S) as answer:
            assert answer.status == 200
        return f"s3://{name}"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """A moto server in its own process on a free loopback port: one per session, or per worker under xdist."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        # It names its port once it listens: reading the line is the wait, the timer is the deadline.
        deadline = threading.Timer(SERVER_START_S, process.kill)
        deadline.start()
        assert process.stderr is not None
        said = []
        address = None
        for line in process.stderr:
            said.append(line)
            if address := re.search(r"Running on (http://127\.0\.0\.1:\d+)", line):
                break
        deadline.cancel()
        assert address, f"moto's server did not start within {SERVER_START_S} s:\n{''.join(said)}"
        # Its log of requests would fill the pipe and block it.
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        yield S3Server(address[1])
        process.kill()
        drain.join()


@pytest.fixture
def s3_environ(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """The server, with the environment of this test pointing to it."""
    for name, value in s3_server.environ().items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture
def s3_bucket(s3_environ: S3Server) -> str:
    """The address of an empty bucket, reachable through the environment of this test."""
    return s3_environ.add_bucket()


@pytest.fixture(scope="session")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A lake with 2,000 generated workers, opened once and searched; tests that write make their own (``copied``)."""
    from workbench.staffing import write_workers

    folder = tmp_path_factory.mktemp("staffed")
    write_workers(folder / "workers.csv", workers=2000)
    with workbench.connect(folder / "lake", folder=folder) as opened:
        opened.ingest(folder / "workers.csv", "workers")
        opened.search("forklift operator")
        yield opened


@pytest.fixture
def copied(staffed: Workbench, tmp_path: Path) -> Iterator[Workbench]:
    """A copy of the staffed lake, with all that is derived, that a test may change."""
    # Without its logs: which tests have looked at it before is chance.
    logs = shutil.ignore_patterns("pii_access", "llm_calls", "iterate_sessions", "searches")
    shutil.copytree(staffed.settings.lake, tmp_path / "lake", ignore=logs)
    with workbench.connect(tmp_path / "lake", folder=tmp_path) as opened:
        yield opened
