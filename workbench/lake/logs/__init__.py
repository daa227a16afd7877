"""Logs: append-only datasets that nobody waits for: noted in microseconds, put into the lake later."""

from workbench.lake.logs.log import Log
from workbench.lake.logs.shape import Shape
from workbench.lake.logs.writer import LogStats, Noted

__all__ = ["Log", "LogStats", "Noted", "Shape"]
