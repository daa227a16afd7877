"""What every process of the search drill has and none changes: loaded once, when this is imported, before they fork.

Only what the package ships. What is on the disk each process reads for itself, or the drill would prove nothing.
"""

from __future__ import annotations

from workbench.search.embedding.embed import embedded
from workbench.search.reading.vocabulary import titles_of
from workbench.trades.roles import shipped_titles

embedded()
_index = shipped_titles()
_index.find(["no title"])  # asks every table
STOCK = (_index.words, _index.overlap, _index.shorthand, _index.dictionary.owners, titles_of(_index.dictionary.titles))
