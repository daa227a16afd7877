"""CSV files: tables written in chunks, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pa_csv


def write_csv(path: Path, chunks: Iterable[pa.Table], on_rows: Callable[[int], None] | None = None) -> tuple[int, int]:
    r"""Write the chunks as one CSV file with a header and give back (rows, size in bytes).

    UTF-8, ``\n``, text in double quotes, null as nothing. The file appears under its name when it is complete; an
    error leaves whatever was there before. ``on_rows`` hears the number of rows after each chunk.
    """
    beside = path.with_name(f".{path.name}.part")
    try:
        with beside.open("wb") as out:
            rows = _write(out, chunks, on_rows)
        size_bytes = beside.stat().st_size
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return rows, size_bytes


def _write(out: BinaryIO, chunks: Iterable[pa.Table], on_rows: Callable[[int], None] | None) -> int:
    rows = 0
    for chunk in chunks:
        if rows == 0:
            out.write((",".join(chunk.column_names) + "\n").encode())
        pa_csv.write_csv(chunk, out, pa_csv.WriteOptions(include_header=False))
        rows += chunk.num_rows
        if on_rows:
            on_rows(rows)
    return rows
