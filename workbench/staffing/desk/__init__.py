"""The desk: what a coordinator does with an order all day, each act a row of a dataset, none of them twice.

`Recorder` takes outcomes down after the validators have looked again, `Shortlists` keeps who is considered, and
`SavedSearches` keeps what is looked for often.
"""

from workbench.staffing.desk.crew import WorkerRef
from workbench.staffing.desk.job_orders import JobOrder, JobOrders, OrderRef
from workbench.staffing.desk.recorder import Proposal, Recorded, Recorder
from workbench.staffing.desk.saved_searches import SavedSearch, SavedSearches
from workbench.staffing.desk.shortlists import Entry, Shortlist, Shortlists

__all__ = [
    "Entry",
    "JobOrder",
    "JobOrders",
    "OrderRef",
    "Proposal",
    "Recorded",
    "Recorder",
    "SavedSearch",
    "SavedSearches",
    "Shortlist",
    "Shortlists",
    "WorkerRef",
]
