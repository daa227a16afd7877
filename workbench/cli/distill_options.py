"""What the commands of ``lh distill`` share."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

RootOption = Annotated[Path, typer.Option("--root", help="Folder of the distillation; else this one.")]
AtOption = Annotated[str, typer.Option("--recorded-at", help="The time that is written: ISO 8601 with zone; else now.")]


def now(recorded_at: str = "") -> str:
    """The time that was given, else this moment in UTC."""
    return recorded_at or datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
