"""``%lh demo``: a lake of people who do not exist, to try things on."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernel_ext.session import Session

WORKERS = 2_000


def use_demo(session: Session, path: str, workers: int) -> None:
    """Work on the demo's lake: the one that is open if it is one, else ``path`` (default: this machine's cache).

    It is made where it is not there yet, about 4 s for 2,000 workers. Raises InvalidError for a lake of other data.
    """
    from workbench.staffing import write_csvs
    from workbench.staffing.demo import check_own, is_demo, load_demo

    if not path and is_demo(session.wb.lake):
        return
    session.use(path or str(_cached(workers)))
    if is_demo(session.wb.lake):
        return
    check_own(session.wb.lake)
    with tempfile.TemporaryDirectory(prefix="lh-demo-") as made, session.running(float("inf"), stage="demo") as watch:
        told = watch.on_progress or (lambda *_: None)
        write_csvs(Path(made), workers=workers, full=False, on_progress=lambda *at: told("making", *at[1:]))
        for _ in load_demo(session.wb.lake, Path(made), progress=told):
            pass


def _cached(workers: int) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "lakehouse" / f"demo-{workers}"
