"""The trade dictionary: 53,767 job titles in 1,016 occupations, as shipped with the package.

This product includes information from the O*NET Database by the U.S. Department of Labor, Employment and Training
Administration (USDOL/ETA), used under the CC BY 4.0 license, and modified. The modification: codes and titles only, in
the form of ``pack``.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from workbench.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Occupation:
    """One occupation of the O*NET-SOC 2019 taxonomy: ``code`` ("53-7051.00") and preferred ``title``."""

    code: str
    title: str

    @property
    def short(self) -> str:
        """The code as people write it: "53-7051"; detailed occupations keep theirs, "29-1141.03"."""
        return self.code.removesuffix(".00")

    @property
    def family(self) -> str:
        """Its broad group in the SOC, "53-7050".

        The major group ("53", all of transport) holds forklift drivers, pilots and packers, too much to be one trade.
        """
        return f"{self.code[:6]}0"

    def to_dict(self) -> dict[str, str]:
        """Code as people write it, title, family."""
        return {"code": self.short, "title": self.title, "family": self.family}


class Dictionary:
    """Occupations by code, their titles, and which title belongs to which occupations.

    ``occupations`` stand in the order of their codes, ``titles`` each once, as first met. The pairs of an occupation
    and one of its titles stand by occupation: those of occupation ``i`` are ``pair_titles[starts[i]:starts[i + 1]]``
    (numbers in ``titles``), its preferred title first.
    """

    def __init__(self, entries: Iterable[tuple[str, Iterable[str]]]) -> None:
        occupations, numbers, starts, pairs = [], dict[str, int](), [0], list[int]()
        for code, titles in entries:
            own = list(titles)
            occupations.append(Occupation(code, own[0]))
            pairs += [numbers.setdefault(title, len(numbers)) for title in own]
            starts.append(len(pairs))
        self.occupations: tuple[Occupation, ...] = tuple(occupations)
        self.titles: tuple[str, ...] = tuple(numbers)
        self.starts: NDArray[np.int64] = np.array(starts, np.int64)
        self.pair_titles: NDArray[np.int64] = np.array(pairs, np.int64)

    @classmethod
    def load(cls) -> Dictionary:
        """The dictionary that the package ships; about 30 ms of CPU time."""
        return cls(unpack((files("workbench.trades") / "data" / "titles.gz").read_bytes()))

    def __len__(self) -> int:
        return len(self.occupations)

    @cached_property
    def owners(self) -> tuple[tuple[int, ...], ...]:
        """Of each title the numbers of its occupations, ascending."""
        out: list[list[int]] = [[] for _ in self.titles]
        spans = zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True)
        pairs = self.pair_titles.tolist()
        for number, (start, end) in enumerate(spans):
            for title in pairs[start:end]:
                out[title].append(number)
        return tuple(map(tuple, out))

    def with_code(self, code: str) -> tuple[int, ...]:
        """Numbers of the occupations that a code means.

        "53-7051.00" and "53-7051" mean one; a code that has no ".00" means all its details. Raises NotFoundError.
        """
        exact = self._by_code.get(code, self._by_code.get(f"{code}.00"))
        found = (exact,) if exact is not None else tuple(n for c, n in self._by_code.items() if c[:7] == code)
        if not found:
            raise NotFoundError.named("occupation", code, [o.short for o in self.occupations])
        return found

    @cached_property
    def _by_code(self) -> dict[str, int]:
        return {occupation.code: number for number, occupation in enumerate(self.occupations)}


def pack(entries: Iterable[tuple[str, Iterable[str]]]) -> bytes:
    """Occupations with their titles, the preferred first, as shipped: one line each, tabs between, compressed."""
    lines = "\n".join("\t".join([code, *titles]) for code, titles in entries)
    return gzip.compress(lines.encode("utf-8"), 9, mtime=0)


def unpack(packed: bytes) -> list[tuple[str, list[str]]]:
    """The reverse of ``pack``."""
    rows = (line.split("\t") for line in gzip.decompress(packed).decode("utf-8").split("\n"))
    return [(code, titles) for code, *titles in rows]
