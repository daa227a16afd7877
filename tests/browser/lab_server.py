"""A JupyterLab server of a test's own: its folders, its settings, its token; what it and its kernels connect to."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_S = 60

# JupyterLab asks its makers for news and newer versions, and the extension manager asks a registry: all off.
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/extensionmanager-extension/plugin": {"enabled": False, "disclaimed": False},
    # every cell in the page, also those out of sight: a test looks at any of them
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}

# Every Python that the server starts runs this first. What it connects to outside this machine is written down and
# refused; the name service is asked only for names of this machine.
WATCH = """
import os, sys
HERE = ("127.", "::1", "localhost", "0.0.0.0", "::")
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        address = arguments[1] if event == "socket.connect" else arguments[0]
        host = address[0] if isinstance(address, tuple) else address
        host = host.decode() if isinstance(host, bytes) else host
        if host and not str(host).startswith((*HERE, "/", "\\0")):
            with open(os.environ["LAB_TEST_LEFT"], "a") as file:
                file.write(f"{event} {host!r} {sys.argv[:1]}\\n")
            raise OSError(f"a test refuses {host!r}")
sys.addaudithook(watch)
"""


@dataclass(frozen=True)
class LabServer:
    """A running server: its address with the token, the folder it shows, where its log and its leaks are."""

    url: str
    token: str
    folder: Path
    log: Path
    left: Path

    def address(self, path: str) -> str:
        """The whole address of ``path``, with the token."""
        return f"{self.url}{path}{'&' if '?' in path else '?'}token={self.token}"

    def connections_outside(self) -> str:
        """What the server and its kernels tried to reach outside this machine, a line each."""
        return self.left.read_text() if self.left.exists() else ""


@contextmanager
def serving(
    folder: Path,
    state: Path,
    *,
    environ: Mapping[str, str],
    command: tuple[str, ...] = (sys.executable, "-m", "jupyterlab"),
    own_settings: bool = True,
) -> Iterator[LabServer]:
    """JupyterLab on a free port in ``folder``; what it keeps is below ``state``.

    Without ``own_settings`` it reads those of the home folder that ``environ`` names.
    """
    token, log, left = secrets.token_hex(16), state / "server.log", state / "left.txt"
    runtime, watch = state / "runtime", state / "watch"
    watch.mkdir()
    (watch / "sitecustomize.py").write_text(WATCH)
    options = (
        "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}", "--LabApp.extension_manager=readonly", "--LabApp.expose_app_in_browser=True",
    )  # fmt: skip
    own = {
        "JUPYTER_RUNTIME_DIR": runtime,
        "PYTHONPATH": os.pathsep.join(filter(None, (str(watch), os.environ.get("PYTHONPATH")))),
        "LAB_TEST_LEFT": left,
        **(_settings(state) if own_settings else {}),
    }
    env = {**os.environ, **environ, **{name: str(at) for name, at in own.items()}}
    with (
        log.open("wb") as out,
        subprocess.Popen(
            [*command, *options], cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            yield LabServer(_address(process, runtime, log), token, folder, log, left)
        finally:
            process.terminate()
            try:
                process.wait(timeout=START_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _settings(state: Path) -> dict[str, Path]:
    """Where Jupyter keeps things, all of it below ``state``, with `SETTINGS` in place."""
    for name, value in SETTINGS.items():
        file = state / "settings" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(value))
    return {
        "IPYTHONDIR": state / "ipython",
        "JUPYTER_CONFIG_DIR": state / "config",
        "JUPYTER_DATA_DIR": state / "data",
        "JUPYTERLAB_SETTINGS_DIR": state / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": state / "workspaces",
    }


def _address(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """The server's address, once it is written down. It writes that file when it listens."""
    pause, deadline = threading.Event(), START_S * 20
    for _ in range(deadline):
        for file in runtime.glob("jpserver-*.json"):
            if text := file.read_text():
                return str(json.loads(text)["url"])
        if process.poll() is not None:
            break
        pause.wait(0.05)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-4000:]}")
