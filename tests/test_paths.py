"""A lake works in a folder of any name that the table format can hold, and says so of the others."""

from __future__ import annotations

import pytest

from workbench.errors import ConfigError
from workbench.session import connect

CSV = "worker_id,name,role\n1,Ann,forklift operator\n2,Bo,registered nurse\n3,Cy,welder\n"
MORE = "worker_id,name,role\n4,Di,line cook\n"


@pytest.mark.parametrize("folder", ["a b#ü", "what?#%", "50% of [all] & more; 'x'", "%zz", "a+b=c@d"])
def test_everything_works_in_a_folder_with_an_odd_name(tmp_path, folder):
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "b.csv").write_text(MORE)
    with connect(tmp_path / folder / "lake") as wb:
        wb.ingest(tmp_path / "a.csv", "workers")
        wb.ingest(tmp_path / "b.csv", "workers")
        wb.vectors.create("v", 3)
        wb.vectors.add("v", [{"id": "x", "vector": [1, 0, 0]}, {"id": "y", "vector": [0, 1, 0]}])

    with connect(tmp_path / folder / "lake") as wb:  # as the next process finds it
        assert wb.sql("SELECT count(*) FROM workers").table.column(0).to_pylist() == [4]
        assert wb.sql("SELECT count(*) FROM workers@1").table.column(0).to_pylist() == [3]
        assert [(s.version, s.operation, s.rows) for s in wb.lake.snapshots("workers")] == [
            (2, "appended", 4), (1, "created", 3),
        ]  # fmt: skip
        assert wb.search("forklift driver", k=4).hits[0].id == 1
        assert [hit.id for hit in wb.vectors.search("v", [1, 0.1, 0], 2)] == ["x", "y"]
        assert wb.vectors.add("v", [{"id": "z", "vector": [0, 0, 1]}]) == 1
        assert [(i.name, i.count) for i in wb.vectors.list()] == [("v", 3)]
        assert [c for c in wb.checks() if c.state != "ok"] == []


@pytest.mark.parametrize("folder", ["a b%20#ü", "a%2Fb", "x%c3%bc"])
def test_a_folder_that_the_table_format_takes_for_another_is_refused(tmp_path, folder):
    with pytest.raises(ConfigError, match="takes for an escape") as caught:
        connect(tmp_path / folder).datasets()
    assert "Rename the folder" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
    (tmp_path / folder).mkdir()
    (tmp_path / "link").symlink_to(tmp_path / folder, target_is_directory=True)
    with pytest.raises(ConfigError, match="takes for an escape"):
        connect(tmp_path / "link").datasets()
