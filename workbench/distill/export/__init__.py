"""Exports: joined rows pass the gates one by one and leave as training data, or go to quarantine with the reason."""

from workbench.distill.export.engine import Exported
from workbench.distill.export.formats import FORMATS, format_file, write_format
from workbench.distill.export.join import Joined, join
from workbench.distill.export.preference import export_preference
from workbench.distill.export.quarantine import REASONS
from workbench.distill.export.rag import export_rag
from workbench.distill.export.sft import export_sft

__all__ = [
    "FORMATS",
    "REASONS",
    "Exported",
    "Joined",
    "export_preference",
    "export_rag",
    "export_sft",
    "format_file",
    "join",
    "write_format",
]
