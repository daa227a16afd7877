"""Real shells for tests: an IPython shell in this process, and a Jupyter kernel in one of its own."""

from __future__ import annotations

import os
import queue
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager
from traitlets.config import Config

import workbench

ROOT = Path(__file__).parents[2]
START_S = 60
REPLY_S = 60
# Hours of work that can be stopped at any moment.
ENDLESS = "SELECT count(*) AS n FROM range(100000000000) a(x), range(100000) b(y) WHERE x + y = -1"


def fill(folder: Path, rows: int = 500) -> Path:
    """A lake with the dataset workers: so many rows, some NULLs, names as personal data."""
    first = ("Janice", "Ryan", "Maria", "Devon", "Aisha", "Tomas", "Priya", "Carlos", "Hannah", "Omar")
    last = ("Fischer", "Valdez", "Okafor", "Nguyen", "Kowalski", "Brooks", "Haddad", "Lindgren", "Moreno", "Patel")
    roles = ("Forklift Operator", "Picker", "Welder", "Packer")
    lines = ["worker_id,name,role,state,availability,joined"]
    for i in range(rows):
        availability = "" if i % 50 == 7 else f"{i % 100 / 100}"
        state = ("IL", "IN", "OH")[i % 3]
        lines.append(
            f"{i},{first[i % 10]} {last[i // 10 % 10]},{roles[i % 4]},{state},{availability},2024-{i % 12 + 1:02d}-01"
        )
    (folder / "workers.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with workbench.connect(folder / "lake", folder=folder) as wb:
        wb.ingest(folder / "workers.csv", "workers")
    return folder / "lake"


@dataclass
class Ran:
    """What one cell gave in the shell of this process."""

    text: str
    value: Any
    error: BaseException | None


class Shell:
    """An IPython shell in this process, with the extension loaded on a lake."""

    def __init__(self, ipython: InteractiveShell) -> None:
        self.ipython = ipython

    def run(self, code: str) -> Ran:
        """Run one cell as it was typed."""
        with capture_output() as out:
            done = self.ipython.run_cell(code)
        return Ran(out.stdout + out.stderr, done.result, done.error_in_exec or done.error_before_exec)

    @property
    def names(self) -> dict[str, Any]:
        return self.ipython.user_ns


@contextmanager
def shell() -> Iterator[Shell]:
    """A shell without history and colours; the interpreter is as before afterwards."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.xmode = "Context"
    main = sys.modules["__main__"]
    ipython = InteractiveShell(config=config)
    try:
        yield Shell(ipython)
    finally:
        ipython.run_cell("%unload_ext kernel_ext", silent=True)
        ipython.restore_sys_module_state()
        sys.modules["__main__"] = main


@dataclass
class Cell:
    """What one cell gave in a kernel: its messages in order, and how long the kernel was busy after a stop."""

    status: str = ""
    error: dict[str, Any] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)
    stopped_s: float = 0.0

    @property
    def outputs(self) -> list[dict[str, Any]]:
        """What a front end would keep, without the code's echo and the kernel's states."""
        kinds = {"stream", "display_data", "execute_result", "error", "update_display_data"}
        return [m for m in self.messages if m["msg_type"] in kinds]

    @property
    def text(self) -> str:
        """Everything that is shown, as plain text."""
        said = []
        for message in self.outputs:
            content = message["content"]
            said += [content.get("text", ""), content.get("data", {}).get("text/plain", "")]
            said += content.get("traceback", [])
        return "\n".join(part for part in said if part)


class Kernel:
    """A running kernel and its client."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def run(self, code: str, *, cell_id: str | None = "cell-1", stop_at: str = "", presses: int = 1) -> Cell:
        """Run a cell; ``cell_id`` None: a front end that shows nothing. ``stop_at``: stop once this is seen."""
        content = {
            "code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False,
            "stop_on_error": True,
        }  # fmt: skip
        metadata = {"cellId": cell_id} if cell_id else {}
        message = self.client.session.msg("execute_request", content, metadata=metadata)
        self.client.shell_channel.send(message)
        cell, pressed = Cell(), 0.0
        for said in self._until_idle(message["header"]["msg_id"]):
            cell.messages.append(said)
            if stop_at and not pressed and stop_at in str(said["content"]):
                for _ in range(presses):
                    self.manager.interrupt_kernel()
                pressed = time.monotonic()
            if said["msg_type"] == "error":
                cell.error = said["content"]
        cell.stopped_s = time.monotonic() - pressed if pressed else 0.0
        cell.status = self._reply(message["header"]["msg_id"])["content"]["status"]
        return cell

    def _until_idle(self, asked: str) -> Iterator[dict[str, Any]]:
        deadline = time.monotonic() + REPLY_S
        while time.monotonic() < deadline:
            try:
                said = self.client.get_iopub_msg(timeout=1)
            except queue.Empty:
                continue
            if said["parent_header"].get("msg_id") != asked:
                continue
            yield said
            if said["msg_type"] == "status" and said["content"]["execution_state"] == "idle":
                return
        raise AssertionError(f"the kernel was still busy after {REPLY_S} s")

    def _reply(self, asked: str) -> dict[str, Any]:
        while True:
            reply = self.client.get_shell_msg(timeout=REPLY_S)
            if reply["parent_header"].get("msg_id") == asked:
                return dict(reply)


@contextmanager
def kernel(folder: Path, **environ: str) -> Iterator[Kernel]:
    """A Python kernel of this environment that works in ``folder``."""
    manager = KernelManager(kernel_name="python3")
    manager.kernel_spec.argv[0] = sys.executable
    env = {**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder / "ipython"), **environ}
    manager.start_kernel(cwd=str(folder), env=env)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=START_S)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
