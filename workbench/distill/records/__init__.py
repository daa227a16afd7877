"""The records of the pipeline: one model each, their rules, their JSON Schemas."""

from workbench.distill.records.base import Provenance, Record
from workbench.distill.records.evidence import CATEGORIES, Category, EvidenceRecord, RetrievedContext, ScoredRun
from workbench.distill.records.reports import (
    DriftReport,
    FileFact,
    Receipt,
    RecordCounts,
    RunSummary,
    StageDrift,
    StageFiles,
    StageReceipt,
    StageStats,
    StageValidation,
)
from workbench.distill.records.samples import SFT_NEVER, PreferenceSample, RagSample, SftSample
from workbench.distill.records.validation import Errors, Problem, checked, encode, validate
from workbench.distill.records.work import ModelLedger, Playbook, ScratchpadSummary

__all__ = [
    "CATEGORIES",
    "SFT_NEVER",
    "Category",
    "DriftReport",
    "Errors",
    "EvidenceRecord",
    "FileFact",
    "ModelLedger",
    "Playbook",
    "PreferenceSample",
    "Problem",
    "Provenance",
    "RagSample",
    "Receipt",
    "Record",
    "RecordCounts",
    "RetrievedContext",
    "RunSummary",
    "ScoredRun",
    "ScratchpadSummary",
    "SftSample",
    "StageDrift",
    "StageFiles",
    "StageReceipt",
    "StageStats",
    "StageValidation",
    "checked",
    "encode",
    "validate",
]
