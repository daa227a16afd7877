"""Opening a lake: the settings of this place and call, and whether what they name can be one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench import settings as settings_table
from workbench.errors import ConfigError
from workbench.session.workbench import Workbench


def connect(
    lake: str | Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    door: str = "python",
    **more: Any,
) -> Workbench:
    """Open a workbench on a lake: a folder or ``s3://bucket/prefix``; by default the one that ``lh config`` names.

    ``more`` are settings by name (see ``lh config``); ``door`` is what the access log calls the way in. Nothing is
    created before something is written. Raises ConfigError for a setting that is unknown or means nothing.
    """
    env = os.environ if environ is None else environ
    asked = {"lake": None if lake is None else str(lake)} | more
    settings = settings_table.load(asked, env, folder or Path.cwd())
    _check_lake(settings.lake)
    return Workbench(settings, env, door)


def _check_lake(url: str) -> None:
    """Raise ConfigError for a lake that is no place. A password in an address is refused before anything prints it."""
    if url.startswith("s3://"):
        bucket = url.removeprefix("s3://").partition("/")[0]
        if "@" in bucket:
            raise ConfigError(
                "The address of the lake holds a user name or a password.",
                hint="Write s3://bucket/prefix; keys belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
            )
        if not bucket:
            raise ConfigError(f"The lake {url!r} names no bucket.", hint="Write s3://bucket/prefix.")
    elif not url.strip():
        raise ConfigError("The lake has an empty name.", hint="Give a folder or s3://bucket/prefix, or leave it out.")
    elif "://" not in url and (path := Path(url).expanduser()).exists() and not path.is_dir():
        raise ConfigError(f"The lake {url} is a file; a lake is a folder.", hint="To load a file: lh ingest FILE")
