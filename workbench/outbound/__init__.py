"""The one HTTP client: JSON to and from model servers, with time limits, patience and errors that say what to do.

It never follows a redirect, never sends a request for this machine through a proxy, reads answers only up to a bound,
and repeats a request only when that can help: no connection, a broken connection, 429, and 5xx. A request that timed
out is not repeated: the server may still be at work on it. A stream is repeated only until its first line is here.
"""

from workbench.outbound.client import Outbound
from workbench.outbound.lines import Lines
from workbench.outbound.patience import Patience
from workbench.outbound.server import Endpoint, Secret

__all__ = ["Endpoint", "Lines", "Outbound", "Patience", "Secret"]
