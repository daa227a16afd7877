"""Templates: which columns of a dataset make the text of a row, in which order.

For workers role and certifications come first. That order is a finding of the predecessor: with the résumé first, no
forklift operator was among the six nearest to "forklift operator with OSHA-30".
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.errors import InvalidError, NotFoundError
from workbench.lake.tables.manifest import Column
from workbench.lake.tables.mapping import quote

# (column, most characters; 0: all). A résumé repeats and dilutes what the first columns say; its head is enough.
_WORKER_PARTS = (
    ("role", 0),
    ("certifications", 0),
    ("skills", 0),
    ("city", 0),
    ("shift", 0),
    ("shifts", 0),
    ("resume_text", 600),
)
_WORKER_SIGNS = {"certifications", "skills", "resume_text"}
_TEXT = {"string", "large_string", "string_view"}


@dataclass(frozen=True, slots=True)
class TextPart:
    """One column of the text: its name, its Arrow type as text, and how many characters of it count (0: all)."""

    column: str
    type: str = "string"
    limit_chars: int = 0


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """The text of a row: its parts in order, joined by ``". "``, empty ones left out."""

    parts: tuple[TextPart, ...]

    def to_sql(self) -> str:
        """A DuckDB expression of type VARCHAR over the dataset's columns; empty text when every part is empty."""
        return f"concat_ws('. ', {', '.join(_part_sql(part) for part in self.parts)})"

    @property
    def digest(self) -> str:
        """Identity of the template, 16 hexadecimal digits: part of a corpus's name."""
        return hashlib.sha256(self.to_sql().encode()).hexdigest()[:16]


def text_template(columns: Sequence[Column], chosen: Sequence[str] = ()) -> TextTemplate:
    """The template for a dataset with ``columns``.

    ``chosen`` names columns in the order wanted, each as ``name`` or ``name:most_characters``. Else, a dataset of
    workers (a role, and certifications, skills or a résumé) gets role and certifications first; any other dataset all
    its text columns in order, those tagged as PII left out. Raises NotFoundError for an unknown chosen column,
    InvalidError for one that is not text and when there is no text column at all.
    """
    if chosen:
        return TextTemplate(tuple(_chosen_part(columns, entry) for entry in chosen))
    texts = {column.name.casefold(): column for column in columns if _is_text(column)}
    if "role" in texts and _WORKER_SIGNS & texts.keys():
        picked = tuple(
            TextPart(texts[name].name, texts[name].type, limit) for name, limit in _WORKER_PARTS if name in texts
        )
        return TextTemplate(picked)
    parts = tuple(TextPart(column.name, column.type) for column in texts.values() if not column.pii)
    if not parts:
        raise InvalidError(
            "The dataset has no text column to search (columns tagged as PII are left out).",
            hint=f"Name the columns to use; there are: {', '.join(column.name for column in columns)}.",
        )
    return TextTemplate(parts)


def _chosen_part(columns: Sequence[Column], entry: str) -> TextPart:
    name, _, limit = entry.partition(":")
    column = next((column for column in columns if column.name.casefold() == name.strip().casefold()), None)
    if column is None:
        raise NotFoundError.named("column", name, [column.name for column in columns])
    if not _is_text(column):
        raise InvalidError(f"Column {column.name} is {column.type}, not text.", hint="Choose text columns.")
    if limit and not limit.strip().isdecimal():
        raise InvalidError(f"{entry!r} is no column with a limit.", hint=f"Write {name} or {name}:600 (characters).")
    return TextPart(column.name, column.type, int(limit or 0))


def _is_text(column: Column) -> bool:
    return column.type in _TEXT or _is_list(column.type)


def _is_list(kind: str) -> bool:
    return kind.startswith(("list<", "large_list<")) and kind.rstrip(">").rpartition(" ")[2] in _TEXT


def _part_sql(part: TextPart) -> str:
    name = quote(part.column)
    text = f"array_to_string({name}, ', ')" if _is_list(part.type) else name
    if part.limit_chars:
        text = f"left({text}, {part.limit_chars})"
    return f"nullif(trim({text}), '')"
