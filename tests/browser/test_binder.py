"""What Binder's builder would do with `binder/`: install from its files, run postBuild, start, open the tour.

The builder itself cannot run here. Installing into a clean environment takes a minute and asks a package index, so
it is done where BINDER_CLEAN=1 says so (`.ci/run`); postBuild, start, the tour in JupyterLab and the proxy are tried
always, in the environment of the tests.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
from filelock import FileLock
from lab_page import LabPage
from lab_server import LabServer, serving

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"
WORKERS = "2000"
CLEAN = "BINDER_CLEAN"
INSTALL_S = 600

pytestmark = pytest.mark.timeout(INSTALL_S + 300)  # the first of them may wait for the installation


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python that the builder would make: a clean one with what `requirements.txt` says, or that of the tests."""
    if not os.environ.get(CLEAN):
        return Path(sys.executable)
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    made, done = shared / "binder-venv", shared / "binder-venv.done"
    python = made / "bin" / "python"
    with FileLock(shared / "binder-venv.lock"):  # workers that share out these tests make it once
        if not done.exists():
            subprocess.run([sys.executable, "-m", "venv", made], check=True)
            # Uncompiled: of the thousands of files few are ever imported, and those compile themselves.
            install = [python, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
            subprocess.run([*install, "-r", "binder/requirements.txt"], cwd=ROOT, check=True, timeout=INSTALL_S)
            done.touch()
    return python


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, python: Path) -> tuple[Path, dict[str, str]]:
    """The repository as the image has it, after postBuild; and the environment it is built and started in."""
    repository, home = tmp_path_factory.mktemp("repository"), tmp_path_factory.mktemp("home")
    for name in ("binder", "notebooks"):
        shutil.copytree(ROOT / name, repository / name)
    path = os.pathsep.join((str(python.parent), os.environ["PATH"]))
    environ = {"HOME": str(home), "PATH": path, "DEMO_WORKERS": WORKERS}
    for _ in range(2):  # a second build on the same home changes nothing
        done = subprocess.run(
            [repository / "binder" / "postBuild"],
            cwd=repository,
            env={**os.environ, **environ},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return repository, environ


@pytest.fixture(scope="module")
def binder(
    built: tuple[Path, dict[str, str]], python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabServer]:
    """The server as the image starts it, on its home folder's own settings."""
    repository, environ = built
    start = (str(repository / "binder" / "start"), str(python), "-m", "jupyterlab")
    state = tmp_path_factory.mktemp("binder-state")
    with serving(repository, state, environ=environ, command=start, own_settings=False) as server:
        yield server
        assert not server.connections_outside()


def test_its_files_are_what_the_builder_reads() -> None:
    """Commands are executable; the requirements name this repository, the tested versions and extras that exist."""
    assert all(os.access(BINDER / name, os.X_OK) for name in ("postBuild", "start"))
    lines = [line for line in (BINDER / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    constraints, package = lines
    assert (BINDER / constraints.removeprefix("-c ")).resolve() == ROOT / "constraints.txt"
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert package.startswith("-e .[")
    assert set(package[len("-e .[") : -1].split(",")) <= set(extras)


def test_the_magics_are_loaded_by_the_profile_once(built: tuple[Path, dict[str, str]]) -> None:
    """Also after a second build."""
    profile = Path(built[1]["HOME"], ".ipython", "profile_default", "ipython_config.py")
    assert profile.read_text().count("kernel_ext") == 1


def test_opens_on_the_tour_and_the_tour_runs(
    binder: LabServer, built: tuple[Path, dict[str, str]], open_page: Callable[[LabServer], LabPage]
) -> None:
    lab = open_page(binder)
    lab.page.goto(binder.address(""))
    lab.ready()
    assert "/lab/tree/notebooks/tour.ipynb" in lab.page.url
    assert lab.page.locator(".jp-NotebookPanel:visible h1").first.inner_text().startswith("A tour")
    lab.shot("binder-tour")
    last = lab.run_all(timeout_ms=90_000)
    assert "assert " in last.locator(".cm-content").inner_text()
    assert lab.output(last) == ""
    lab.command("kernelmenu:shutdown")
    assert {"workers", "placements", "shortlist"} <= _datasets(*built), "the tour used the lake that was built"


def _datasets(repository: Path, environ: dict[str, str]) -> set[str]:
    lh = shutil.which("lh", path=environ["PATH"])
    assert lh
    listed = subprocess.run(
        [lh, "ls", "--json", "--lake", repository / ".lake" / "demo"],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return {found["name"] for found in json.loads(listed.stdout)}


def test_the_proxy_reaches_a_web_app_beside_lab(binder: LabServer, open_page: Callable[[LabServer], LabPage]) -> None:
    """Pages and websockets, as the co-pilot's tile will need them."""
    with _web_app() as port:
        with urlopen(binder.address(f"proxy/{port}/hello?name=Ida"), timeout=30) as answer:
            assert answer.read() == b"Hello Ida at /hello"
        lab = open_page(binder)
        lab.page.goto(binder.address(f"proxy/{port}/"))
        socket = binder.url.replace("http", "ws") + f"proxy/{port}/echo"
        said = lab.page.evaluate(
            """address => new Promise((done, failed) => {
                const socket = new WebSocket(address);
                socket.onopen = () => socket.send("ping");
                socket.onmessage = event => done(event.data);
                socket.onerror = () => failed(new Error("the websocket did not open"));
            })""",
            socket,
        )
        assert said == "echo ping"


@contextmanager
def _web_app() -> Iterator[int]:
    """A small web app on loopback, with a page and a websocket, as the co-pilot will be."""
    from tornado.httpserver import HTTPServer
    from tornado.testing import bind_unused_port
    from tornado.web import Application, RequestHandler
    from tornado.websocket import WebSocketHandler

    class Page(RequestHandler):
        def get(self) -> None:
            self.write(f"Hello {self.get_argument('name', 'you')} at {self.request.path}")

    class Echo(WebSocketHandler):
        def on_message(self, message: str | bytes) -> None:
            self.write_message(f"echo {message!s}")

    listening, port = bind_unused_port()
    loop = asyncio.new_event_loop()

    def run() -> None:
        asyncio.set_event_loop(loop)
        HTTPServer(Application([("/echo", Echo), ("/.*", Page)])).add_sockets([listening])
        loop.run_forever()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listening.close()
        loop.close()
