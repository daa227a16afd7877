"""The desk of a coordinator: shortlists, outcomes and saved searches, over what judges and what searches."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from workbench.lake.lake import Lake
from workbench.search.answer import Results
from workbench.session.judging import Judging
from workbench.staffing.desk import (
    JobOrders,
    OrderRef,
    Proposal,
    Recorder,
    SavedSearches,
    Shortlist,
    Shortlists,
    WorkerRef,
)
from workbench.staffing.desk.crew import Crew
from workbench.staffing.validate.desks import LakeDesk
from workbench.staffing.validate.report import Report


class OrderDesk:
    """What is done with orders all day. ``search`` runs a query with its options, ``chosen`` notes whom one showed."""

    def __init__(
        self,
        lake: Lake,
        validators: LakeDesk,
        judging: Callable[[], Judging],
        search: Callable[..., Results],
        chosen: Callable[[str, Sequence[int | str]], None],
    ) -> None:
        self._lake = lake
        self._validators = validators
        self._judging = judging
        self._search = search
        self._chosen = chosen

    @cached_property
    def orders(self) -> JobOrders:
        """Orders by id."""
        return JobOrders(self._lake)

    @cached_property
    def crew(self) -> Crew:
        """Workers by id."""
        return Crew(self._lake, lambda: self._validators.desk("email").roster)

    @cached_property
    def recorder(self) -> Recorder:
        """Outcomes."""
        return Recorder(self._lake, self._validators.outcomes, self.orders, self.crew, self._judge)

    @cached_property
    def shortlists(self) -> Shortlists:
        """Who is considered for which order."""
        return Shortlists.of(self._lake, self.orders, self.crew)

    @cached_property
    def searches(self) -> SavedSearches:
        """Searches under names."""
        return SavedSearches.of(self._lake)

    def proposal(self, order: OrderRef, worker: WorkerRef, *, end: dt.date | None = None) -> Proposal:
        """The artifact and context that an outcome of this worker is judged by; see `Recorder.proposal`."""
        return self.recorder.proposal(order, worker, end=end)

    def shortlist(
        self,
        order: OrderRef,
        workers: Sequence[WorkerRef] = (),
        *,
        search_id: str = "",
        **options: Any,
    ) -> Shortlist:
        """Put workers on the shortlist of an order, or (``remove=True``) take them off; without workers, show it.

        ``search_id``: the search that showed them; its entry in the search log says then who was chosen.
        """
        if not isinstance(workers, str | int | Mapping) and not len(workers):
            return self.shortlists.of_order(order)
        made = self.shortlists.change(order, workers, search_id=search_id, **options)
        if search_id and made.changed and not options.get("remove"):
            ids = [one.worker_id for one in made.entries if one.worker in made.changed]
            self._chosen(search_id, ids)
        return made

    def run_saved(self, name: str, **options: Any) -> Results:
        """Run a saved search; ``options`` beside or in place of its own, such as ``show_pii`` or ``k``."""
        saved = self.searches.get(name)
        return self._search(saved.query, **{**saved.options, **options})

    def _judge(self, artifact: Any, context: Any, today: dt.date | None) -> Report:
        return self._judging().judge("fill", artifact, context, today=today).report
