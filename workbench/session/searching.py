"""Searches and orders, each with its entry in the search log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from workbench.lake.lake import Lake
from workbench.search.answer import Results
from workbench.search.corpora import OnEmbed
from workbench.search.journal import Journal, SearchEntry
from workbench.search.searcher import Searcher
from workbench.search.trade_roles import Trades
from workbench.staffing.order_reader import read_orders
from workbench.staffing.order_search import OrderAnswer, known_clients, local_today, search_order
from workbench.staffing.orders import Known, Order


@dataclass(frozen=True, slots=True)
class Searching:
    """What searches and orders need. ``journal`` is None where nothing is noted; the trades are opened when asked."""

    lake: Lake
    searcher: Searcher
    trades: Callable[[], Trades]
    journal: Journal | None

    def search(self, query: str, options: Mapping[str, Any]) -> Results:
        """The best rows, noted; options as in `Searcher.search`."""
        found = self.searcher.search(query, **options)
        criteria = {name: options[name] for name in ("k", "role", "city", "exclude", "mode") if options.get(name)}
        return self._noted(found, criteria)

    def read(self, text: str, today: date) -> tuple[Order, ...]:
        """The orders in a coordinator's text; its relative days count from ``today``."""
        return tuple(read_orders(text, today, Known.packaged(known_clients(self.lake), self._title)))

    def answer(
        self,
        text: str,
        today: date | None,
        k: int | None,
        *,
        dataset: str,
        show_pii: bool,
        on_progress: OnEmbed | None,
    ) -> tuple[OrderAnswer, ...]:
        """The workers for each order in a text, noted. Raises as `search_order` does."""
        day = today or local_today()
        found = [
            search_order(
                self.searcher, self.lake, order, day, k, dataset=dataset, show_pii=show_pii, on_progress=on_progress
            )
            for order in self.read(text, day)
        ]
        return tuple(
            replace(one, results=self._noted(one.results, one.criteria, one.position)) if one.results else one
            for one in found
        )

    def _noted(self, found: Results, criteria: Mapping[str, Any], position: str = "") -> Results:
        """The same answer with its entry in the search log; without, where there is none."""
        if self.journal is None:
            return found
        shown = [hit.id for hit in found.hits]
        entry = SearchEntry(found.query, found.dataset, found.version, shown, found.where, position, criteria)
        try:
            return replace(found, search_id=self.journal.note(entry))
        except RuntimeError:  # the machine has no thread left for the log
            return found

    def _title(self, words: str) -> str | None:
        """The title in the dictionary of occupations that these words are, if they are one."""
        match = self.trades().role(words)
        return match.title or None if match.how in {"exact", "synonym"} else None
