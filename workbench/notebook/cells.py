"""Cells run in a kernel one by one, with an eye on the kernel: nbclient does the messages, the watch the rest.

nbclient is asynchronous; all of that stays inside `run_cells`.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode

from workbench.errors import WorkbenchError
from workbench.notebook.kernel import ENDS_IN_S, STARTS_IN_S, Kernel

LOOKS_EVERY_S = 0.2
SAVES_EVERY_S = 5.0
STOPS_IN_S = 5.0  # from the interrupt of a cell that ran too long to the end of its kernel
_NO_EXIT = "Take exit() or quit() out of the cell."
_STYLING = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Limits:
    """What one cell may take: seconds, and MB of resident memory of the kernel and its children; None: no limit."""

    timeout_s: float | None = None
    memory_mb: float | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """Why a run did not get to its end. ``dead``: the kernel is gone."""

    place: int  # of the cell in the notebook
    error: str  # in its own words, without colours
    advice: str = ""
    dead: bool = False


@dataclass
class _Seen:
    """What the watch has seen of the cell that is running."""

    memory_mb: float = 0.0
    reason: str = ""
    advice: str = ""
    saved: float = field(default_factory=time.monotonic)
    exits: bool = False

    def hear(self, **told: Any) -> None:
        """What the kernel replied to the cell."""
        payload = told["execute_reply"]["content"].get("payload") or []
        self.exits = any(part.get("source") == "ask_exit" for part in payload)


@dataclass(frozen=True, slots=True)
class Hooks:
    """Called before a cell with its place, after a cell that ended well with place and seconds, and to save."""

    begin: Callable[[int], None]
    done: Callable[[int, float], None]
    save: Callable[[], None]


def run_cells(
    notebook: NotebookNode, places: Sequence[int], kernel: Kernel, limits: Limits, hooks: Hooks, *, keep: bool = False
) -> Stopped | None:
    """Run the cells at these places, in order, into ``notebook``; None when all ended well.

    Then the kernel is asked to shut down, unless a cell failed and ``keep``. Raises WorkbenchError when it does not
    start, KeyboardInterrupt.
    """
    return asyncio.run(_run(notebook, places, kernel, limits, hooks, keep=keep))


async def _run(
    notebook: NotebookNode, places: Sequence[int], kernel: Kernel, limits: Limits, hooks: Hooks, *, keep: bool
) -> Stopped | None:
    client = NotebookClient(notebook, timeout=None, allow_errors=False)
    client.kc = kernel.client()
    client.kc.start_channels()
    try:
        notebook.metadata["language_info"] = await _ready(client.kc, kernel)
        stopped = None
        for place in places:
            hooks.begin(place)
            began = time.monotonic()
            stopped = await _run_cell(client, place, kernel, limits, hooks)
            if stopped:
                break
            hooks.done(place, time.monotonic() - began)
        client.set_widgets_metadata()
        if stopped is None or not keep:
            await _ask_to_end(client.kc, kernel)
        return stopped
    finally:
        client.kc.stop_channels()
        client.kc.context.destroy(linger=500)


async def _ready(client: Any, kernel: Kernel) -> Any:
    """Wait until the kernel answers; its words about its language."""
    waiting = asyncio.ensure_future(client.wait_for_ready(timeout=STARTS_IN_S))
    while not waiting.done() and kernel.lives():
        await asyncio.wait([waiting], timeout=LOOKS_EVERY_S)
    if not waiting.done() or waiting.exception():
        waiting.cancel()
        how = kernel.ended() or f"no answer within {STARTS_IN_S:.0f} s"
        raise WorkbenchError(f"The kernel did not start: {how}.\n{kernel.said()}".rstrip(), hint="lh doctor")
    reply = await client.kernel_info(reply=True, timeout=STARTS_IN_S)
    return reply["content"]["language_info"]


async def _ask_to_end(client: Any, kernel: Kernel) -> None:
    """Let it end as it would at the end of a program: what the notebook registered with atexit runs."""
    if kernel.lives():
        with suppress(Empty, TimeoutError):
            await client.shutdown(reply=True, timeout=ENDS_IN_S)


async def _run_cell(client: NotebookClient, place: int, kernel: Kernel, limits: Limits, hooks: Hooks) -> Stopped | None:
    seen = _Seen()
    client.on_cell_executed = seen.hear
    watch = asyncio.ensure_future(_watch(client, kernel, limits, seen, hooks))
    try:
        await client.async_execute_cell(client.nb.cells[place], place)
    except CellExecutionError as error:
        words = _STYLING.sub("", f"{error.ename}: {error.evalue}" if error.evalue else error.ename)
        return Stopped(place, seen.reason or words, seen.advice)
    except DeadKernelError:
        if kernel.lives() and not seen.reason:  # how nbclient tells that somebody pressed our Ctrl-C
            raise asyncio.CancelledError from None
        kernel.kill()
        return _dead(place, kernel, seen)
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
    return Stopped(place, "The cell asked its kernel to end.", _NO_EXIT, dead=True) if seen.exits else None


async def _watch(client: NotebookClient, kernel: Kernel, limits: Limits, seen: _Seen, hooks: Hooks) -> None:
    """Until the cell ends: note its memory, hold it to its limits, save what it said, notice when its kernel dies."""
    began, pressed = time.monotonic(), 0.0
    while kernel.lives():
        took = time.monotonic() - began
        seen.memory_mb = kernel.memory_mb() or seen.memory_mb
        if limits.memory_mb and seen.memory_mb > limits.memory_mb:
            seen.reason = (
                f"The cell took {seen.memory_mb:,.0f} MB of memory; --memory allows {limits.memory_mb:,.0f} MB."
            )
            seen.advice = "Let the engine do it (a smaller SELECT, fewer columns, LIMIT), or give a larger --memory."
            kernel.kill()
        elif limits.timeout_s and took > limits.timeout_s and not pressed:
            seen.reason = f"The cell ran longer than --timeout {limits.timeout_s:g} s and was stopped."
            seen.advice = "Give a larger --timeout, or make the cell do less."
            pressed = took
            kernel.interrupt()
        elif pressed and took > pressed + STOPS_IN_S:
            kernel.kill()
        if time.monotonic() - seen.saved > SAVES_EVERY_S:
            seen.saved = time.monotonic()
            hooks.save()
        await asyncio.sleep(LOOKS_EVERY_S)
    await asyncio.sleep(LOOKS_EVERY_S)  # for what it said last
    if client.task_poll_for_reply is not None:
        client.task_poll_for_reply.cancel()


def _dead(place: int, kernel: Kernel, seen: _Seen) -> Stopped:
    if seen.reason:
        return Stopped(place, seen.reason, seen.advice, dead=True)
    how = kernel.ended()
    held = f"; it held {seen.memory_mb:,.0f} MB of memory when last seen" if seen.memory_mb else ""
    error = f"The kernel died{f' ({how})' if how else ''} in this cell{held}."
    said = kernel.said()
    if how == "SIGKILL":
        advice = "Somebody ended it, or the system did because memory ran out: --memory MB stops such a cell earlier."
    elif how.startswith("exit status"):
        advice = "The cell ended its own process, as os._exit() does."
    else:
        advice = "A crash in native code: run the cell's lines one by one to find which."
    return Stopped(place, f"{error}\n{said}".rstrip(), advice, dead=True)
