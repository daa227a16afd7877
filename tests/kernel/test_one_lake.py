"""Two notebooks and the command line on one lake at once: nobody locks it, and everybody sees what the others wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from shells import kernel

LH = [sys.executable, "-c", "from workbench.cli.entry import main; main()"]


def test_two_notebooks_and_the_command_line_work_on_one_lake(tmp_path: Path) -> None:
    (tmp_path / "first.csv").write_text("worker_id,city\n1,Joliet\n2,Gary\n")
    (tmp_path / "more.csv").write_text("worker_id,city\n3,Aurora\n")
    lake = str(tmp_path / "lake")
    asked = "%lhsql SELECT count(*) AS n FROM workers"

    def count(notebook) -> str:
        cell = notebook.run(asked)
        (shown,) = [m for m in cell.outputs if m["msg_type"] == "execute_result"]
        return shown["content"]["data"]["text/plain"].split()[1]

    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with kernel(tmp_path / "a", LH_LAKE=lake) as one, kernel(tmp_path / "b", LH_LAKE=lake) as other:
        for notebook in (one, other):
            notebook.run("%load_ext kernel_ext")
        one.run(f"%lhingest {tmp_path / 'first.csv'} --name workers")
        assert (count(one), count(other)) == ("2", "2")
        subprocess.run(
            [*LH, "ingest", str(tmp_path / "more.csv"), "--name", "workers", "--lake", lake],
            check=True, capture_output=True, env=dict(os.environ),
        )  # fmt: skip
        assert (count(one), count(other)) == ("3", "3")
