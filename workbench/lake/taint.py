"""Which columns of an answer may carry personal data, whatever they are called.

Columns tagged as PII are masked in results, not at the source, so that filters, joins and counts stay exact. A query
can rename, pack, cut and mix values; this module follows them through the parse tree by name, to a fixpoint, and takes
every doubt for a yes. A tagged column that comes out as itself keeps its kind; whatever was computed from one is
`DERIVED` and hidden whole, else a window of two characters, moved along, would read a phone number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from workbench.lake.guard import Judged

DERIVED = "derived"
# What these return says how many or whether, never what.
_SAFE_FUNCTIONS = frozenset(
    {"count", "count_star", "approx_count_distinct", "~~", "!~~", "~~*", "!~~*", "~~~", "regexp_matches",
     "regexp_full_match", "starts_with", "ends_with", "contains", "prefix", "suffix", "like_escape", "ilike_escape",
     "not_like_escape", "not_ilike_escape", "^@", "row_number", "rank", "dense_rank", "ntile", "percent_rank", "cume_dist",
     "bool_and", "bool_or", "countif", "count_if"}
)  # fmt: skip
_SAFE_CLASSES = frozenset({"COMPARISON", "BETWEEN", "CONJUNCTION", "CONSTANT", "PARAMETER"})
_SAFE_OPERATORS = frozenset(
    {"OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "OPERATOR_NOT", "COMPARE_IN", "COMPARE_NOT_IN", "OPERATOR_EXISTS"}
)
_PLAIN_NAME = re.compile(r"\w[\w ]*")


def tainted_columns(judged: Judged, *, pii: Mapping[str, Mapping[str, str]], outputs: Sequence[str]) -> dict[int, str]:
    """Output position → kind of personal data (a kind of `workbench.pii`, or DERIVED).

    ``pii``: table name in the statement → tagged column → kind. ``outputs``: names of the result's columns.
    """
    names: dict[str, str] = {}
    for tags in pii.values():
        for column, kind in tags.items():
            _add(names, column, kind)
    if not names:
        return {}
    flow = _Flow(names, _relations(judged.tree, set(pii)))
    while flow.spread(judged.tree):
        pass
    return flow.outputs(judged.tree, outputs)


def _add(names: dict[str, str], name: str, kind: str) -> bool:
    key = name.casefold()
    merged = kind if names.get(key, kind) == kind else DERIVED
    changed = names.get(key) != merged
    names[key] = merged
    return changed


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from _nodes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _nodes(item)


def _relations(tree: Mapping[str, Any], tables: set[str]) -> set[str]:
    """Every name by which a whole row could be meant: tables, their aliases, CTEs, subqueries."""
    found = {t.casefold() for t in tables}
    for node in _nodes(dict(tree)):
        if "class" not in node and node.get("alias"):
            found.add(str(node["alias"]).casefold())
        if "table_name" in node:
            found.add(str(node["table_name"]).casefold())
    for node in _nodes(dict(tree)):
        found |= {str(e["key"]).casefold() for e in (node.get("cte_map") or {}).get("map", [])}
    return found


class _Flow:
    """Names that may carry a tagged value, growing until nothing new is found."""

    def __init__(self, names: dict[str, str], relations: set[str]) -> None:
        self.names, self.relations = names, relations
        self.opaque = False  # some inner value has a name that cannot be followed

    def spread(self, tree: Mapping[str, Any]) -> bool:
        """One pass over all query nodes; True when a name was added."""
        changed = False
        for node in _nodes(dict(tree)):
            if node.get("type") == "SELECT_NODE":
                changed |= self._select(node)
            if node.get("type") == "SET_OPERATION_NODE":
                changed |= self._set_operation(node)
            changed |= self._renamed(node)
        return changed

    def _select(self, node: Mapping[str, Any]) -> bool:
        changed = False
        for item in node["select_list"]:
            kind = self.kind(item)
            if item["class"] == "STAR":
                changed |= self._star(item)
            elif kind:
                name = _output_name(item)
                if name:
                    changed |= _add(self.names, name, kind)
                else:
                    changed |= not self.opaque
                    self.opaque = True
        return changed

    def _star(self, item: Mapping[str, Any]) -> bool:
        changed = False
        for entry in item.get("replace_list", []):
            if self.kind(entry["value"]):
                changed |= _add(self.names, entry["key"], DERIVED)
        for entry in item.get("rename_list", []):
            old = str(entry["key"] if isinstance(entry["key"], str) else entry["key"].get("column", ""))
            if old.casefold() in self.names or not old:
                changed |= _add(self.names, str(entry["value"]), self.names.get(old.casefold(), DERIVED))
        if item.get("alias") and self.names:  # COLUMNS('(.*)') AS '\1_x' gives names that only the engine knows
            changed |= not self.opaque
            self.opaque = True
        return changed

    def _set_operation(self, node: Mapping[str, Any]) -> bool:
        """Columns meet by position and take the first side's names."""
        sides = [c for c in (node.get("children") or [node.get("left"), node.get("right")]) if c]
        lists = [_select_list(side) for side in sides]
        if any(items is None or any(_has_star(i) for i in items) for items in lists):
            return self._set_opaque([i for items in lists for i in items or []])
        changed = False
        first = lists[0] or []
        for items in lists[1:]:
            for mine, theirs in zip(first, items or [], strict=False):
                kind = self.kind(theirs)
                name = _output_name(mine)
                if kind and name:
                    changed |= _add(self.names, name, kind)
                elif kind and not self.opaque:
                    self.opaque = changed = True
        return changed

    def _set_opaque(self, items: Sequence[Mapping[str, Any]]) -> bool:
        changed = False
        for item in items:
            name = _output_name(item)
            if name:
                changed |= _add(self.names, name, DERIVED)
        changed |= not self.opaque
        self.opaque = True
        return changed

    def _renamed(self, node: Mapping[str, Any]) -> bool:
        """``t(a, b)`` and ``WITH c(a, b)`` rename by position: all of their names are taken."""
        if "function" in node and "column_name_alias" in node:
            carries = bool(self.kind(node["function"]))
            aliases = [*node["column_name_alias"], *([node["alias"]] if node.get("alias") else [])]
            aliases += [node["function"].get("function_name", "")] if carries else []
        elif node.get("type") == "EXPRESSION_LIST":
            carries = any(self.kind(e) for row in node.get("values", []) for e in row if isinstance(e, dict))
            aliases = [*(node.get("column_name_alias") or []), *(node.get("expected_names") or [])]
        else:
            carries = True
            aliases = [*(node.get("column_name_alias") or []), *(node.get("aliases") or [])]
            aliases += self._pivoted(node)
        changed = False
        for name in aliases if carries else ():
            changed |= _add(self.names, str(name), DERIVED)
        return changed

    def _pivoted(self, node: Mapping[str, Any]) -> list[str]:
        """PIVOT and UNPIVOT make columns out of values: their names are taken, and the rest is opaque."""
        if node.get("type") != "PIVOT":
            return []
        self.opaque = True
        return [*map(str, node.get("unpivot_names") or []), *(str(p) for p in node.get("groups") or [])]

    def kind(self, item: Any) -> str:
        """The kind that an expression may carry: '' for none, the column's own for a bare column, else DERIVED."""
        if not isinstance(item, dict):
            return next((DERIVED for i in item if self.kind(i)), "") if isinstance(item, list) else ""
        what = item.get("class", "")
        if what == "COLUMN_REF":
            return self._column(item["column_names"])
        if what == "STAR":
            return DERIVED
        if what == "SUBQUERY":
            return self._subquery(item)
        if what in _SAFE_CLASSES or item.get("type") in _SAFE_OPERATORS:
            return ""
        if what in {"FUNCTION", "WINDOW"} and str(item.get("function_name", "")).casefold() in _SAFE_FUNCTIONS:
            return ""
        if what == "CASE":
            branches = [c["then_expr"] for c in item["case_checks"]] + [item["else_expr"]]
            return DERIVED if any(self.kind(b) for b in branches) else ""
        if what == "POSITIONAL_REFERENCE":
            return DERIVED
        return DERIVED if any(self.kind(v) for k, v in item.items() if k not in {"filter"}) else ""

    def _column(self, parts: Sequence[str]) -> str:
        folded = [p.casefold() for p in parts]
        if folded[-1] in self.names and len(folded) <= 2:
            return self.names[folded[-1]]
        if any(p in self.names for p in folded):
            return DERIVED
        if len(folded) == 1 and folded[0] in self.relations:
            return DERIVED  # the row itself
        odd = not _PLAIN_NAME.fullmatch(parts[-1])
        return DERIVED if self.opaque and odd else ""

    def _subquery(self, item: Mapping[str, Any]) -> str:
        if item.get("subquery_type") in {"EXISTS", "NOT_EXISTS", "ANY"}:
            return ""
        items = _select_list(item["subquery"]["node"])
        if items is None:
            return DERIVED
        return DERIVED if any(self.kind(i) for i in items) else ""

    def outputs(self, tree: Mapping[str, Any], outputs: Sequence[str]) -> dict[int, str]:
        """The answer: by position where the select list tells positions, else by name, in doubt yes."""
        sides = [_select_list(s) for s in _sides(tree)]
        found: dict[int, str] = {}
        for items in sides:
            kinds = self._positions(items, outputs)
            for i, kind in enumerate(kinds):
                if kind:
                    found[i] = kind if found.get(i, kind) == kind else DERIVED
        return found

    def _positions(self, items: Sequence[Mapping[str, Any]] | None, outputs: Sequence[str]) -> list[str]:
        if items is None:
            return [DERIVED] * len(outputs)
        stars = [i for i, item in enumerate(items) if _has_star(item)]
        if not stars and len(items) == len(outputs):
            return [self.kind(item) for item in items]
        if len(stars) == 1 and items[stars[0]]["class"] == "STAR" and len(outputs) >= len(items) - 1:
            at, width = stars[0], len(outputs) - len(items) + 1
            inside = [self._named(outputs[at + i], items[at]) for i in range(width)]
            return [*map(self.kind, items[:at]), *inside, *map(self.kind, items[at + 1 :])]
        return [self._named(name, items[stars[0]] if stars else {}) or self._doubt(name) for name in outputs]

    def _named(self, name: str, star: Mapping[str, Any]) -> str:
        if star.get("alias"):
            return DERIVED
        kind = self.names.get(name.casefold(), "")
        return kind or (DERIVED if self.opaque and not _PLAIN_NAME.fullmatch(name) else "")

    def _doubt(self, name: str) -> str:
        return "" if _PLAIN_NAME.fullmatch(name) and not self.opaque else DERIVED


def _output_name(item: Mapping[str, Any]) -> str:
    if item.get("alias"):
        return str(item["alias"])
    return str(item["column_names"][-1]) if item["class"] == "COLUMN_REF" else ""


def _has_star(item: Mapping[str, Any]) -> bool:
    return any(n.get("class") == "STAR" for n in _nodes(dict(item)))


def _select_list(node: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The first select list that names a node's outputs; None when it is no such node."""
    if node["type"] == "SELECT_NODE":
        items: list[dict[str, Any]] = node["select_list"]
        return items
    sides = _sides(node)
    return _select_list(sides[0]) if sides and sides[0] is not node else None


def _sides(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The select nodes whose columns meet in a node's output."""
    if node["type"] == "SELECT_NODE":
        return [node]
    children = [c for c in (node.get("children") or [node.get("left"), node.get("right")]) if c]
    return [leaf for child in children for leaf in _sides(child)] or [node]


def scrub_error(message: str, sql: str) -> str:
    """The engine's words without values: a quoted piece that the user did not type himself becomes ‹value›.

    Parser, binder and catalog messages talk of names and stay as they are, but for paths of files.
    """
    plain = _PATH.sub("‹file›", message)
    if plain.startswith(("Parser Error", "Binder Error", "Catalog Error")):
        return plain
    return _QUOTED.sub(
        lambda m: m.group() if m.group()[1:-1] in sql else f"{m.group()[0]}‹value›{m.group()[-1]}", plain
    )


_QUOTED = re.compile(r'"(?:[^"]|"")*"|\'(?:[^\']|\'\')*\'')
_PATH = re.compile(r"(?:s3://|/|[A-Za-z]:\\)[^\s\"']*\.parquet")
