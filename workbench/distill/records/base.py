"""What all records share: strictness, the version, provenance, and the types that the contract's table names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

SHA256 = r"^[0-9a-f]{64}$"
GIT_SHA = r"^[0-9a-f]{40}$"
ZONE = r"(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})"
MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?"
_FRACTION = re.compile(r"[.,][0-9]+")  # taken off before the calendar check, which knows no nanoseconds


@lru_cache(maxsize=4096)
def _on_the_calendar(text: str) -> str:
    datetime.fromisoformat(_FRACTION.sub("", text, count=1).upper())
    return text


NOT_BLANK = r"\S"
SAID = {NOT_BLANK: "must not be blank", SHA256: "must be 64 lower-case hex digits", GIT_SHA: "must be 40 hex digits"}
"""What an error says of a text that does not match a pattern."""

Text = Annotated[str, StringConstraints(pattern=NOT_BLANK)]
Sha256 = Annotated[str, StringConstraints(pattern=SHA256)]
GitSha = Annotated[str, StringConstraints(pattern=GIT_SHA)]
Instant = Annotated[str, StringConstraints(pattern=MOMENT + ZONE + "$"), AfterValidator(_on_the_calendar)]
Moment = Annotated[str, StringConstraints(pattern=MOMENT + ZONE + "?$"), AfterValidator(_on_the_calendar)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Version1 = Annotated[int, Field(ge=1, le=1, json_schema_extra={"const": 1})]
Version2 = Annotated[int, Field(ge=2, le=2, json_schema_extra={"const": 2})]
Relation = tuple[str, str]
"""``(field path, what is wrong)`` of a rule that looks at several fields."""


class Part(BaseModel):
    """A piece of a record. Fields that the contract does not name are kept as they came, after the named ones."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow", protected_namespaces=())


class Provenance(Part):
    """Where the row came from; ``line_offset`` is the line's number from 0 in the source file."""

    source_file: Text
    line_offset: Count | None = None
    sig_hash: Sha256
    recorded_at: Instant


class Record(Part):
    """A record of the contract: version, provenance, and for some rules between fields (``relations``).

    ``name`` is the record's name in files: its golden file and its JSON Schema.
    """

    name: ClassVar[str]

    @classmethod
    def relations(cls, row: Mapping[str, Any]) -> Iterable[Relation]:
        """Broken rules between fields, told even when single fields are wrong too (so ``row`` may hold anything)."""
        del row
        return ()


def differs(row: Mapping[str, Any], one: str, other: str) -> Iterable[Relation]:
    """The rule that two text fields are not the same."""
    if isinstance(row.get(one), str) and row.get(one) == row.get(other):
        yield other, f"must differ from {one}"
