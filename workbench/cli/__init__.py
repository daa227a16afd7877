"""``lh``: the workbench in a terminal. One file per noun; commands call a verb and hand its answer to `show`."""

from __future__ import annotations

from workbench.cli.app import main

__all__ = ["main"]
