"""``%lh demo``: a lake to try things on, made once, kept apart from anybody's data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from shells import Ran, shell

import workbench
from workbench.errors import InvalidError

Run = Callable[[str], Ran]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("LH_LAKE", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with shell() as opened:
        opened.run("%load_ext kernel_ext")
        yield opened.run


def test_the_demo_is_made_once_and_used_from_then_on(run: Run, tmp_path: Path) -> None:
    lake = tmp_path / "cache" / "lakehouse" / "demo-400"
    assert str(lake) in run("%lh demo --workers 400").text
    assert run("%lhsql --to df SELECT count(*) AS n FROM workers").value.n.tolist() == [400]
    assert run("%lh demo").error is None  # the one that is open is a demo's
    with workbench.connect(lake) as wb:
        assert {m.about.tags for m in wb.datasets()} == {("made-up",)}
        assert len(wb.lake.snapshots("workers")) == 2
    run(f"%lh use {tmp_path / 'mine'}")
    assert run("%lh demo --workers 400").error is None
    with workbench.connect(lake) as wb:
        assert len(wb.lake.snapshots("workers")) == 2  # nothing was made again


def test_the_demo_never_mixes_with_somebodys_data(run: Run, tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text("worker_id,city\n1,Joliet\n")
    run(f"%lhingest {tmp_path / 'roster.csv'} --name roster")
    ran = run(f"%lh demo {tmp_path / 'mine'}")
    assert isinstance(ran.error, InvalidError)
    assert "roster" in str(ran.error)
    with workbench.connect(tmp_path / "mine") as wb:
        assert [m.name for m in wb.datasets()] == ["roster"]
