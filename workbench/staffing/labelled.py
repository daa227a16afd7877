"""The labelled queries: what coordinators ask for, with the workers that are right, for measuring search.

Written by hand over every trade of the generated workers, a file per class under ``data``; relevance is a condition on
columns of ``workers``. Right is the trade asked for (with its paper and city, or without what is refused); near is a
trade that a coordinator would offer instead, or the trade without the paper or the city. Half of each class is for
tuning, half for measuring; what was tuned on the one is shown on the other.

- exact title: the name of the trade, bare or in a sentence
- alternate title: what people say instead; words may be shared with the workers' texts
- abbreviation: as written on a sticky note
- no shared word: no word stem stands in the trade's name, titles, skills, papers, duties or sites
- typo: letters swapped, missing or doubled, or spelt by ear
- credential + place: a paper and a city; near is the trade alone
- negation: a city, shift, paper or kind of work that is refused; a worker who has it is wrong, however near
- out of domain: nothing is right, the system should say so; ids with ``trap`` talk of things of the trades, not people
"""

from __future__ import annotations

from importlib.resources import files

from workbench.search.ranking.evaluate import Labelled, Split, parse_labelled

CLASSES = (
    "exact title",
    "alternate title",
    "abbreviation",
    "no shared word",
    "typo",
    "credential + place",
    "negation",
    "out of domain",
)


def read_labelled(split: Split | None = None) -> tuple[Labelled, ...]:
    """The packaged queries, class by class in the order of ``CLASSES``; of one split or, without, all."""
    folder = files("workbench.staffing") / "data"
    names = [f"labelled_{class_.replace(' + ', '_').replace(' ', '_')}.jsonl" for class_ in CLASSES]
    entries = parse_labelled({name: (folder / name).read_text(encoding="utf-8") for name in names})
    return tuple(entry for entry in entries if split in (None, entry.split))
