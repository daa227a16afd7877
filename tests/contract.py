"""Takes the clauses of ``contract.toml`` out of the product, one by one, in a copy, and shows that their tests fail.

``python tests/contract.py [words]`` for all, or for those whose text holds the words; about two seconds a clause. Exits
1 when a test passes though its clause is gone, or cannot even be run: then nobody would notice the clause's loss.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OPTIONS = ("-q", "-x", "-n0", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
HEAVY = ["pyarrow.compute", "pyarrow.parquet", "duckdb", "hypothesis.strategies", "typer.testing", "msgspec", "pytest"]
_WARM = multiprocessing.get_context("forkserver")  # processes begin with these imported, and with nothing of ours
_WARM.set_forkserver_preload(HEAVY)
FAILED = 1  # what pytest exits with when tests ran and some failed; 2 and more: they could not be run


@dataclass(frozen=True)
class Clause:
    """What the contract says, the test that pins it, and how the module ``where`` loses it."""

    clause: str
    test: str
    where: str
    take: str
    give: str

    def without(self, source: str) -> str:
        """The module without the clause; ValueError unless the text stands there exactly once."""
        if source.count(self.take) != 1:
            raise ValueError(f"{self.where} holds {source.count(self.take)} times: {self.take!r}")
        return source.replace(self.take, self.give)


def clauses() -> list[Clause]:
    """All of ``contract.toml``."""
    return [Clause(**one) for one in tomllib.loads((ROOT / "tests/contract.toml").read_text("utf-8"))["clause"]]


def fails_without(clause: Clause, copy: Path) -> str:
    """Empty when the test fails in the copy without the clause, else what happened instead."""
    module = copy / clause.where
    whole = module.read_text("utf-8")
    compiled = Path(importlib.util.cache_from_source(str(module)))
    said = copy / "said.txt"
    module.write_text(clause.without(whole), "utf-8")
    compiled.unlink(missing_ok=True)  # it is told from the source by size and second, which may both be the same
    try:
        test = _WARM.Process(target=_test, args=(clause.test, copy, said))
        test.start()
        test.join()
    finally:
        module.write_text(whole, "utf-8")
        compiled.unlink(missing_ok=True)
    told = said.read_text("utf-8")
    if test.exitcode == FAILED and "\nFAILED tests/" in told:
        return ""
    return "passes all the same" if test.exitcode == 0 else f"cannot be run:\n{told[-600:]}"


def _test(name: str, copy: Path, said: Path) -> None:
    """One test in a process of its own, which Python begins with the copy."""
    os.chdir(copy)
    sys.path[:0] = [str(copy)]
    with said.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        code = pytest.main([*OPTIONS, f"--basetemp={copy / 'made'}", f"tests/{name}"])
    sys.exit(int(code))


def is_imported(copy: Path) -> bool:
    """Whether Python takes the product from the copy, not from where it is installed."""
    ask = [sys.executable, "-c", "import workbench; print(workbench.__file__)"]
    said = subprocess.run(ask, cwd=copy, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True)
    return Path(said.stdout.strip()).is_relative_to(copy)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="?", default="")
    asked = parser.parse_args()
    wanted = [one for one in clauses() if asked.words in one.clause]
    unseen = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder).resolve()
        for name in ("workbench", "tests"):
            shutil.copytree(ROOT / name, copy / name)
        shutil.copy(ROOT / "pyproject.toml", copy)
        if not is_imported(copy):
            sys.exit("The copy is not what Python imports.")
        for one in wanted:
            said = fails_without(one, copy)
            unseen += bool(said)
            print(f"{'UNSEEN' if said else 'fails '} {one.clause}: {one.test} {said}", flush=True)
    print(f"{len(wanted)} clauses, {unseen} of them could go and nobody would notice")
    return 1 if unseen else 0


if __name__ == "__main__":
    sys.exit(main())
