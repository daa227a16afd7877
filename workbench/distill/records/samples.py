"""Rows that leave: what a retriever, a trainer and a preference trainer read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from workbench.distill.records.base import Instant, Provenance, Record, Relation, Text, Version1, differs
from workbench.distill.records.evidence import Category

SFT_NEVER: frozenset[Category] = frozenset({"rejected", "needs_human_review"})
"""The firewall: what never becomes an answer to learn from. Exactly these two."""


class RagSample(Record):
    """A row of the retrieval corpus, v1; needs_human_review passes only with ``include_review`` (see ``validate``)."""

    name: ClassVar[str] = "rag_sample"

    schema_version: Version1
    id: Text
    title: Text
    content: Text
    tags: list[str]
    source_run_id: Text
    success_score: Literal["accepted", "partially_accepted", "needs_human_review"]
    source_category: Text
    created_at: Instant
    provenance: Provenance


class SftSample(Record):
    """A prompt and the answer to learn, v1; ``quality_score`` is accepted or partially_accepted, nothing else."""

    name: ClassVar[str] = "sft_sample"

    schema_version: Version1
    id: Text
    instruction: Text
    context: str
    response: Text
    source_run_id: Text
    quality_score: Literal["accepted", "partially_accepted"]
    created_at: Instant
    provenance: Provenance


class PreferenceSample(Record):
    """Two answers to one prompt, the better one first, v1."""

    name: ClassVar[str] = "preference_sample"

    schema_version: Version1
    id: Text
    prompt: Text
    chosen: Text
    rejected: Text
    reason: Text
    chosen_run_id: Text
    rejected_run_id: Text
    created_at: Instant
    provenance: Provenance

    @classmethod
    def relations(cls, row: Mapping[str, Any]) -> Iterable[Relation]:
        """The two texts differ, and so do the two runs."""
        yield from differs(row, "chosen", "rejected")
        yield from differs(row, "chosen_run_id", "rejected_run_id")

    @model_validator(mode="after")
    def _relations_hold(self) -> Self:
        broken = [f"{path}: {what}" for path, what in self.relations(self.__dict__)]
        if broken:
            raise ValueError("; ".join(broken))
        return self
