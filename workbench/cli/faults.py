"""What went wrong, in words: any exception that reaches the door as an error of the tree and an exit code."""

from __future__ import annotations

import errno
import os
import re
import shlex
import sys
import traceback
from dataclasses import dataclass

from workbench.errors import InvalidError, WorkbenchError

_USAGE = 2
_LONGEST = 400
_NATIVE = re.compile(r"\(os error (\d+)\)")
_STYLING = re.compile(r"\x1b\[[0-9;]*m")
_FULL = {errno.ENOSPC, errno.EDQUOT}
_CLOSED = {errno.EACCES, errno.EPERM, errno.EROFS}


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as it is told, and the code that the process ends with."""

    error: WorkbenchError
    exit_code: int


def told(error: Exception) -> Fault:
    """The fault of an exception. Words for what a user can cause; the rest is said to be a fault of lh."""
    if isinstance(error, WorkbenchError):
        return Fault(error, error.exit_code)
    if isinstance(error, OSError):
        return Fault(_system(error), 1)
    if isinstance(error, MemoryError):
        said = WorkbenchError(
            "Out of memory.", hint="LH_MEMORY_MB and LH_INGEST_MEMORY_MB limit the engine; see lh config"
        )
        return Fault(said, 1)
    usage = _usage(error)
    return Fault(usage, _USAGE) if usage else Fault(_unexpected(error), 1)


def interrupted(error: Exception) -> bool:
    """Whether this is how the SQL engine says that somebody pressed Ctrl-C."""
    return isinstance(error, RuntimeError) and "Query interrupted" in str(error)


def _system(error: OSError) -> WorkbenchError:
    """What the operating system refused."""
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    words = os.strerror(error.errno) if error.errno else str(error)
    what = _one_line(words or type(error).__name__).rstrip(" .")
    hint = (
        "Look at the path, or give another lake: --lake FOLDER" if where else "lh doctor says whether the lake answers."
    )
    native = _NATIVE.search(what)  # a storage library wraps the number in its own words
    number = int(native[1]) if native else error.errno
    if number in _FULL:
        hint = "Make room on that disk (TMPDIR names the folder for large temporary files), then run it again."
    elif number in _CLOSED:
        path = shlex.quote(os.fsdecode(error.filename)) if where else "FOLDER"
        hint = f"See who may read and write there: ls -ld {path}"
    return WorkbenchError(f"{where}{what}.", hint=hint)


def _one_line(text: str) -> str:
    """A storage library's tree of causes as one line of plain text."""
    return " ".join(_STYLING.sub("", text).replace("↳", " ").split())[:_LONGEST]


def _usage(error: Exception) -> WorkbenchError | None:
    """A mistake in the command line, or None. Typer's usage errors have no public common base, but one method."""
    message = getattr(error, "format_message", None)
    if message is None:
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "lh"
    option = getattr(error, "option_name", "") or ""
    if re.match(r"-\w", option):  # one dash: more likely a text such as -nights
        return InvalidError(
            _plainer(message()), hint=f"A text that begins with a dash comes last, behind two: {path} -- TEXT"
        )
    return InvalidError(_plainer(message()), hint=f"{path} --help")


def _plainer(message: str) -> str:
    """Typer's words for a value of the wrong kind, without the validator's."""
    return message.replace("Input should be", "it should be").partition(", unable to parse")[0]


def _unexpected(error: Exception) -> WorkbenchError:
    """What nobody thought of: named in one line, in full when LH_DEBUG asks."""
    if os.environ.get("LH_DEBUG"):
        sys.stderr.write("".join(traceback.format_exception(error)))
    from workbench.pii import mask_text  # nobody waits for it when all goes well

    words = _one_line(mask_text(str(error)))
    return WorkbenchError(
        f"The command failed in a way nobody foresaw: {type(error).__name__}{f': {words}' if words else ''}",
        hint="The same command with LH_DEBUG=1 before it shows where; please report that.",
    )
