"""Searches and orders, each with its entry in the search log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from workbench.lake.lake import Lake
from workbench.llm.chat import ChatModel
from workbench.search.answer import Results
from workbench.search.journal import Journal, SearchEntry
from workbench.search.searcher import Searcher
from workbench.search.trade_roles import Trades
from workbench.session.order_help import completed
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
    _known: dict[str, Known] = field(default_factory=dict)
    """What orders are read with, under the version of the clients that it knows."""

    def search(self, query: str, options: Mapping[str, Any]) -> Results:
        """The best rows, noted; options as in `Searcher.search`."""
        found = self.searcher.search(query, **options)
        criteria = {name: options[name] for name in ("k", "role", "city", "exclude", "mode") if options.get(name)}
        return self._noted(found, criteria)

    def read(self, text: str, today: date) -> tuple[Order, ...]:
        """The orders in a coordinator's text; its relative days count from ``today``."""
        clients = self.lake.catalog.find("clients")
        version = f"{clients.version} {clients.created_at}" if clients else ""
        known = self._known.get(version)
        if known is None:
            known = Known.packaged(known_clients(self.lake), self._title)
            self._known.clear()
            self._known[version] = known
        return tuple(read_orders(text, today, known))

    def answer(
        self,
        text: str,
        today: date | None,
        k: int | None,
        model: ChatModel | None = None,
        name: str = "",
        **options: Any,
    ) -> tuple[OrderAnswer, ...]:
        """The workers for each order in a text, noted. ``model``, of that ``name``, reads what the patterns leave.

        Options and errors as those of `search_order`.
        """
        day = today or local_today()
        orders = self.read(text, day)
        if model is not None:
            orders = tuple(completed(order, lambda words: self.read(words, day), model, name) for order in orders)
        return tuple(self.filled(order, day, k, **options) for order in orders)

    def filled(self, order: Order, today: date, k: int | None, **options: Any) -> OrderAnswer:
        """The workers for one order, noted."""
        found = search_order(self.searcher, self.lake, order, today, k, **options)
        if found.results is None:
            return found
        return replace(found, results=self._noted(found.results, found.criteria, found.position))

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
