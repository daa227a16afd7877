"""Nine public files as they were published, each beside the table that a careful person would type from it by hand.

The expected tables in ``golden/`` were read by eye against the files, column by column. To see what changed after a
change of the reader: ``python tests/test_real_csv.py`` writes them anew, and ``git diff`` shows it.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

import workbench

FILES = Path(__file__).parent / "real_csv"
GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in FILES.glob("*.csv"))


def load(path: Path) -> dict:
    """What the product makes of a file: columns with types and units, rows, rejects, findings."""
    with tempfile.TemporaryDirectory() as folder, workbench.connect(Path(folder, "lake"), user="tester") as wb:
        done = wb.ingest(path, "t")
        table = wb.sql("SELECT * FROM t", show_pii=True).table
        return json.loads(
            json.dumps(
                {
                    "columns": {c.name: " ".join(filter(None, (c.type, c.unit, c.pii))) for c in done.columns},
                    "rows": [list(row.values()) for row in table.to_pylist()],
                    "rejects": [[r["line"], r["byte_offset"], r["reason"], r["raw"]] for r in done.rejects.to_pylist()],
                    "findings": list(done.findings),
                },
                default=str,
            )
        )


def test_all_nine_are_here():
    assert len(NAMES) == 9


@pytest.mark.parametrize("name", NAMES)
def test_a_published_file_loads_as_a_person_would_type_it(name):
    expected = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    found = load(FILES / f"{name}.csv")
    assert found["columns"] == expected["columns"]
    assert found["rows"] == expected["rows"]
    assert found["rejects"] == expected["rejects"]
    assert found["findings"] == expected["findings"]


if __name__ == "__main__":
    for path in sorted(FILES.glob("*.csv")):
        told = load(path)
        rows = ",\n  ".join(json.dumps(row, ensure_ascii=False) for row in told.pop("rows"))
        body = json.dumps(told, indent=1, ensure_ascii=False)[:-2]
        (GOLDEN / f"{path.stem}.json").write_text(f'{body},\n "rows": [\n  {rows}\n ]\n}}\n', encoding="utf-8")
