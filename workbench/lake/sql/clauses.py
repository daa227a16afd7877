"""A condition taken apart at its outermost ANDs, so that each can be asked by itself why it drops a row."""

from __future__ import annotations

import copy

from workbench.lake.sql.parser import Parser
from workbench.lake.tables.mapping import quote


def clauses(parser: Parser, condition: str, *, table: str) -> tuple[str, ...]:
    """The parts of a condition that the guard has passed, in their order; one when it is no AND.

    They are written as the engine writes them, without comments.
    """
    before = f"SELECT 1 FROM {quote(table)} WHERE "
    tree = parser.tree(f"{before}(\n{condition}\n)")
    where = tree["statements"][0]["node"]["where_clause"]
    parts = where["children"] if where["type"] == "CONJUNCTION_AND" else [where]
    texts = []
    for part in parts:
        alone = copy.deepcopy(tree)
        alone["statements"][0]["node"]["where_clause"] = part
        texts.append(_bare(parser.text(alone).partition(" WHERE ")[2]))
    return tuple(texts)


def _bare(text: str) -> str:
    """``text`` without the one pair of brackets that the engine puts around a condition."""
    if not (text.startswith("(") and text.endswith(")")):
        return text
    depth = 0
    for place, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0 and place < len(text) - 1:
            return text
    return text[1:-1]
