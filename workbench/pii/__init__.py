"""Personal data and secrets: where they stand in a text, which columns hold them, how they are covered.

`find` knows e-mail addresses, phones, SSNs, cards, accounts, keys, birth dates and street addresses by their shape and
by the words beside them. `tag_table` says which columns hold one kind throughout; a column of names is known by this
alone. `mask_table` and its parts cover both. Nothing here infers anything about a person.
"""

from workbench.pii.columns import tag_column, tag_table
from workbench.pii.kinds import KINDS, Kind, Span, check_kind
from workbench.pii.masks import mask_array, mask_table, mask_text, mask_value
from workbench.pii.spans import find

__all__ = [
    "KINDS",
    "Kind",
    "Span",
    "check_kind",
    "find",
    "mask_array",
    "mask_table",
    "mask_text",
    "mask_value",
    "tag_column",
    "tag_table",
]
