"""The JSON Schema of each record: generated from its model, shipped with the package as ``data/<name>.json``."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

from workbench.distill.records.base import Record
from workbench.distill.records.evidence import EvidenceRecord, ScoredRun
from workbench.distill.records.reports import DriftReport, Receipt, RunSummary, StageReceipt
from workbench.distill.records.samples import PreferenceSample, RagSample, SftSample
from workbench.distill.records.work import ModelLedger, Playbook, ScratchpadSummary
from workbench.errors import NotFoundError

MODELS: tuple[type[Record], ...] = (
    EvidenceRecord,
    ScoredRun,
    Receipt,
    Playbook,
    ScratchpadSummary,
    ModelLedger,
    RagSample,
    SftSample,
    PreferenceSample,
    StageReceipt,
    RunSummary,
    DriftReport,
)
"""Every record of the contract, in its order."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema(model: type[Record]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record, from its model. Rules between two fields are not in it."""
    return {"$schema": DIALECT, **model.model_json_schema(by_alias=True)}


def text(model: type[Record]) -> str:
    """The schema as the text of its file."""
    return json.dumps(schema(model), indent=2, ensure_ascii=False) + "\n"


def shipped(name: str) -> dict[str, Any]:
    """The schema that came with the package, by the record's name (``evidence``, ``sft_sample`` …).

    Raises ``NotFoundError`` for a name that no record has.
    """
    names = [model.name for model in MODELS]
    if name not in names:
        raise NotFoundError.named("record", name, names)
    file = resources.files("workbench.distill.records").joinpath("data", f"{name}.json")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def write(folder: Path) -> None:
    """Write every schema into ``folder``: how the shipped files are made."""
    for model in MODELS:
        (folder / f"{model.name}.json").write_text(text(model), encoding="utf-8")
