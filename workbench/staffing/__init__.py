"""Staffing: the domain. Generated data with planted violations, and the scenarios that every layer is tested with."""

from workbench.staffing.places import Place, read_places
from workbench.staffing.questions import called_never_placed_sql
from workbench.staffing.roles import Role, Trades, read_trades
from workbench.staffing.shifts import SHIFTS, offers_shift_sql, stated_shifts
from workbench.staffing.synthetic.planted import Called, Finding, Planted, read_planted
from workbench.staffing.synthetic.scenarios import REASONS, Draft, Forbidden, Parse, Scenario, scenarios
from workbench.staffing.synthetic.size import Size
from workbench.staffing.synthetic.write import Written, WrittenTable, write_csvs, write_workers

__all__ = [
    "REASONS",
    "SHIFTS",
    "Called",
    "Draft",
    "Finding",
    "Forbidden",
    "Parse",
    "Place",
    "Planted",
    "Role",
    "Scenario",
    "Size",
    "Trades",
    "Written",
    "WrittenTable",
    "called_never_placed_sql",
    "offers_shift_sql",
    "read_places",
    "read_planted",
    "read_trades",
    "scenarios",
    "stated_shifts",
    "write_csvs",
    "write_workers",
]
