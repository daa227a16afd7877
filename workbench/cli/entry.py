"""The way in: commands run here, and their errors become words and exit codes here and nowhere else."""

from __future__ import annotations

import _thread
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.cli.faults import Fault

# Only what an interrupt needs is imported above: a Ctrl-C while the rest loads is told like any other.
_INTERRUPTED = 130


def main(argv: list[str] | None = None) -> None:
    """Run ``lh``. Exit codes: 0 done, 1 refused or failed, 2 configuration or usage, 130 interrupted."""
    args = sys.argv[1:] if argv is None else argv
    sys.unraisablehook = _unraisable
    try:
        code = _run(args or ["--help"])
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; what was not finished is not in the lake\n")
        code = _INTERRUPTED
    sys.exit(code)


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    """A Ctrl-C that came where Python cannot raise it, such as a weakref's callback, is pressed again."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        _thread.interrupt_main()
    else:
        sys.__unraisablehook__(lost)


def _run(args: list[str]) -> int:
    from workbench.cli import faults, show

    show.fit_streams()
    try:
        from workbench.cli.app import run

        code = run(args)
        sys.stdout.flush()
    except BrokenPipeError:  # `lh sql … | head`
        show.silence()
        return 0
    except Exception as error:  # noqa: BLE001 - the last door: what is not an error of ours is told as a fault of lh
        if faults.interrupted(error):
            raise KeyboardInterrupt from None
        return _told(faults.told(error), as_json="--json" in args)
    return code


def _told(fault: Fault, *, as_json: bool) -> int:
    from workbench.cli import show

    try:
        if as_json:
            show.json_out({"error": fault.error.to_dict()})
        show.error(fault.error)
    except BrokenPipeError:
        show.silence()
    return fault.exit_code
