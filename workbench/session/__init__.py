"""The `Workbench`: owns what is open, one noun per domain, the daily verbs also on it. The only place that composes."""

from workbench.session.opening import connect
from workbench.session.workbench import Workbench

__all__ = ["Workbench", "connect"]
