"""Which columns of an answer may carry personal data, whatever they are called.

Columns tagged as PII are masked in results, not at the source, so that filters, joins and counts stay exact. A query
can rename, pack, cut and mix values; this module follows them through the parse tree by the scopes that SQL gives to
names, and takes every doubt for a yes: a column that is not proven clean is covered. A tagged column that comes out as
itself keeps its kind; whatever was computed from one is `DERIVED` and hidden whole, else a window of two characters,
moved along, would read a phone number. What is compared with a tagged value counts as one too, else a table of all
letters, joined on ``substr(name, 1, 1)``, would spell it. This keeps values from being shown; it cannot keep somebody
from asking yes-or-no questions, since filters are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.lake.sql.guard import Judged, fold
from workbench.lake.sql.shape import DERIVED, Column, Frame, Shape, join, mixed, rest_of

_ROUNDS = 12
# What these return says how many or whether, never what.
_SAFE_FUNCTIONS = frozenset(
    {"count", "count_star", "approx_count_distinct", "~~", "!~~", "~~*", "!~~*", "~~~", "regexp_matches",
     "regexp_full_match", "starts_with", "ends_with", "contains", "prefix", "suffix", "like_escape", "ilike_escape",
     "not_like_escape", "not_ilike_escape", "^@", "row_number", "rank", "dense_rank", "ntile", "percent_rank",
     "cume_dist", "bool_and", "bool_or", "countif", "count_if", "list_contains", "array_contains", "list_has",
     "array_has"}
)  # fmt: skip
_STAR_FILTERS = frozenset({"~~", "!~~", "~~*", "!~~*", "~~~", "regexp_full_match", "regexp_matches"})
_SAFE_CLASSES = frozenset({"COMPARISON", "BETWEEN", "CONJUNCTION"})
_PLAIN_CLASSES = frozenset({"CONSTANT", "PARAMETER", "TYPE"})
_SAFE_OPERATORS = frozenset(
    {"OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "OPERATOR_NOT", "COMPARE_IN", "COMPARE_NOT_IN"}
)
# What decides about rows or their order, and is not in the value.
_BESIDE = {
    "WINDOW": {"filter", "filter_expr", "partitions", "orders"},
    "FUNCTION": {"filter"},
    "CASE": {"case_checks"},
}
_CLOCK = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})

Node = Mapping[str, Any]


def tainted_columns(
    judged: Judged, *, tables: Mapping[str, Mapping[str, str]], outputs: Sequence[str]
) -> dict[int, str]:
    """Output position → kind of personal data (a kind of `workbench.pii`, or DERIVED).

    ``tables``: table name in the statement → each of its columns → its kind, '' for none. ``outputs``: names of the
    result's columns. A statement that cannot be followed has all of its columns covered.
    """
    if not any(kind for columns in tables.values() for kind in columns.values()):
        return {}
    everything = dict.fromkeys(range(len(outputs)), DERIVED)
    flow = _Flow({fold(t): columns for t, columns in tables.items()})
    try:
        for _ in range(_ROUNDS):
            before = flow.learned()
            shape = flow.node(judged.tree, (), {})
            if flow.poisoned:
                return everything
            if flow.learned() == before:
                kinds = shape.named(outputs)
                return {i: kind for i, kind in enumerate(kinds) if kind}
    except (RecursionError, KeyError, TypeError, AttributeError, IndexError, ValueError):
        return everything
    return everything


Scope = tuple[Frame, ...]
Ctes = Mapping[str, Shape]


class _Flow:
    """One walk over the tree finds the shape of each node; walks are repeated until nothing new is learned.

    Learned across walks: columns of a FROM item that were compared with a tagged value, and recursive CTEs.
    """

    def __init__(self, tables: Mapping[str, Mapping[str, str]]) -> None:
        self.tables = tables
        self.compared: set[tuple[int, str]] = set()
        self.recursive: dict[int, Shape] = {}
        self.poisoned = False  # the number of rows depends on a tagged value

    def learned(self) -> object:
        """Everything that lives from one walk to the next, to see whether it grew."""
        return len(self.compared), {k: [c.kind for c in s.columns] for k, s in self.recursive.items()}

    def node(self, node: Node, scope: Scope, ctes: Ctes, aliases: Sequence[str] = ()) -> Shape:
        """The columns of a query node. ``aliases``: names by which a recursive one knows its own."""
        known = dict(ctes)
        for entry in node["cte_map"]["map"]:
            inner, aliases = entry["value"]["query_node"], entry["value"].get("aliases") or []
            known[fold(entry["key"])] = self.node(inner, scope, known, aliases).settled().renamed(aliases)
        if node["type"] == "SELECT_NODE":
            return self._select(node, scope, known)
        if node["type"] == "RECURSIVE_CTE_NODE":
            return self._recursive(node, scope, known, aliases)
        children = node.get("children") or [node["left"], node["right"]]
        shapes = [self.node(child, scope, known) for child in children]
        self._modifiers(node, (Frame(shapes), *scope), known)
        return self._union(shapes, by_name="BY_NAME" in str(node.get("setop_type", "")))

    def _union(self, shapes: Sequence[Shape], *, by_name: bool = False) -> Shape:
        first = shapes[0]
        if by_name:
            names = dict.fromkeys(c.name for s in shapes for c in s.columns)
            columns = [Column(n, join(c.kind for s in shapes for c in s.find(n))) for n in names]
            return Shape(columns, rest_of(s.rest for s in shapes), ordered=False)
        if any(not s.ordered or s.rest is not None or len(s.columns) != len(first.columns) for s in shapes):
            kind = mixed(s.any() for s in shapes)
            return Shape([Column(c.name, kind) for c in first.columns], kind, ordered=False)
        kinds = [join(s.columns[i].kind for s in shapes) for i in range(len(first.columns))]
        return Shape([Column(c.name, kind) for c, kind in zip(first.columns, kinds, strict=True)])

    def _recursive(self, node: Node, scope: Scope, ctes: Ctes, aliases: Sequence[str]) -> Shape:
        start = self.node(node["left"], scope, ctes)
        so_far = self.recursive.get(id(node), start)
        name = fold(node["cte_name"])
        step = self.node(node["right"], scope, {**ctes, name: so_far.renamed(aliases)})
        self.recursive[id(node)] = self._union([so_far, start, step])
        return self.recursive[id(node)]

    def _select(self, node: Node, scope: Scope, ctes: Ctes) -> Shape:
        frame = Frame()
        here = (frame, *scope)
        self._from(node["from_table"], here, ctes)
        out = Shape()
        for item in node["select_list"]:
            self._item(item, out, here, ctes)
        self._kind(node.get("group_expressions"), here, ctes)
        for part in ("where_clause", "having", "qualify"):
            self._condition(node.get(part), here, ctes)
        self._modifiers(node, here, ctes)
        return out

    def _modifiers(self, node: Node, scope: Scope, ctes: Ctes) -> None:
        for modifier in node["modifiers"]:
            kind = self._kind([v for k, v in modifier.items() if k != "type"], scope, ctes)
            if kind and modifier["type"].startswith("LIMIT"):
                self.poisoned = True

    def _item(self, item: Node, out: Shape, scope: Scope, ctes: Ctes) -> None:
        kind = self._kind(item, scope, ctes)
        name = fold(item.get("alias") or (item["column_names"][-1] if item["class"] == "COLUMN_REF" else ""))
        if item["class"] == "STAR" and not item.get("alias"):
            self._add_star(item, out, scope, ctes)
        elif _has_star(item):
            out.ordered = False
            filtered = fold(item.get("function_name", "")) in _STAR_FILTERS and not _has_star(item, columns=True)
            if filtered:
                self._add_star(item["arguments"][0]["expression"], out, scope, ctes)
            else:
                out.rest = rest_of([out.rest, kind])
        else:
            out.columns.append(Column(name, kind))
            if kind and (item["class"] == "POSITIONAL_REFERENCE" or fold(item.get("function_name", "")) == "unnest"):
                # Named by the engine: as the column meant, or as the fields of a struct, several of them.
                out.rest, out.ordered = DERIVED, False
        if name:
            scope[0].aliases[name] = join([kind, scope[0].aliases.get(name, "")])
            scope[0].meant[name] = item

    def _add_star(self, star: Node, out: Shape, scope: Scope, ctes: Ctes) -> None:
        relations = scope[0].relations
        relation_name = fold(star.get("relation_name") or "")
        if relation_name:
            relations = [r for r in relations if r.alias == relation_name]
        if not relations:  # the fields of a struct
            out.rest = rest_of([out.rest, join([self._reference([relation_name], scope)]) and DERIVED])
            out.ordered = False
        replaced = {fold(e["key"]): self._kind(e["value"], scope, ctes) for e in star.get("replace_list") or []}
        renamed = {fold(e["key"]["column"]): fold(e["value"]) for e in star.get("rename_list") or []}
        dropped = {fold(name) for name in star.get("exclude_list") or []}
        plain = not (star.get("expr") or star.get("qualified_exclude_list"))
        out.ordered &= plain
        for relation in relations:
            out.ordered &= relation.ordered
            out.rest = rest_of([out.rest, relation.rest])
            for column in relation.columns:
                if column.name not in dropped:
                    kind = replaced.get(column.name, column.kind)
                    out.columns.append(Column(renamed.get(column.name, column.name), kind))

    def _from(self, ref: Node, scope: Scope, ctes: Ctes) -> None:
        """Adds the relations of a FROM item to the frame, left to right: each may name those before it."""
        what = ref["type"]
        if what == "JOIN":
            self._joined(ref, scope, ctes)
            return
        if what == "EMPTY":
            return
        shape = self._source(ref, scope, ctes)
        alias = fold(ref.get("alias") or ref.get("table_name") or "")
        shape = Shape(
            [Column(c.name, DERIVED if (id(ref), c.name) in self.compared else c.kind) for c in shape.columns],
            DERIVED if shape.rest is not None and (id(ref), "") in self.compared else shape.rest,
            ordered=shape.ordered,
            alias=alias,
            source=id(ref),
        )
        scope[0].relations.append(shape)

    def _source(self, ref: Node, scope: Scope, ctes: Ctes) -> Shape:
        what, aliases = ref["type"], ref.get("column_name_alias") or []
        if what == "BASE_TABLE":
            name = fold(ref["table_name"])
            shape = ctes[name] if name in ctes else Shape([Column(fold(c), k) for c, k in self.tables[name].items()])
            return shape.renamed(aliases)
        if what == "SUBQUERY":
            return self.node(ref["subquery"]["node"], scope, ctes).settled().renamed(aliases)
        if what == "EXPRESSION_LIST":
            rows = [[self._kind(e, scope, ctes) for e in row] for row in ref["values"]]
            columns = [Column(f"col{i}", mixed(row[i] for row in rows)) for i in range(len(rows[0]))]
            return Shape(columns).renamed(aliases)
        if what == "TABLE_FUNCTION":
            kind = mixed([self._kind(ref["function"], scope, ctes)])
            if kind and fold(ref["function"]["function_name"]) != "unnest":
                self.poisoned = True
            return Shape([Column(fold(a), kind) for a in aliases], kind, ordered=False)
        return self._pivot(ref, scope, ctes)

    def _pivot(self, ref: Node, scope: Scope, ctes: Ctes) -> Shape:
        """PIVOT and UNPIVOT make columns out of values; those of the source that stay keep their names."""
        inner = Frame()
        self._from(ref["source"], (inner, *scope), ctes)
        here = (inner, *scope)
        used = [v for k, v in ref.items() if k not in {"source", "type", "alias"}]
        kind = mixed([self._kind(used, here, ctes)])
        if kind:
            return Shape([], DERIVED, ordered=False)
        columns = [Column(c.name, c.kind) for r in inner.relations for c in r.columns]
        return Shape(columns, rest_of(["", *(r.rest for r in inner.relations)]), ordered=False)

    def _joined(self, ref: Node, scope: Scope, ctes: Ctes) -> None:
        frame = scope[0]
        self._from(ref["left"], scope, ctes)
        split = len(frame.relations)
        self._from(ref["right"], scope, ctes)
        left, right = frame.relations[:split], frame.relations[split:]
        self._condition(ref.get("condition"), scope, ctes)
        shared = {fold(name) for name in ref.get("using_columns") or []}
        if ref.get("ref_type") == "NATURAL":
            shared = {c.name for r in left for c in r.columns} & {c.name for r in right for c in r.columns}
        for name in shared:
            columns = [c for r in frame.relations for c in r.find(name)]
            kind = join(c.kind for c in columns)
            for column in columns:
                column.kind = kind
        if shared:
            for relation in right:
                relation.ordered = False
        if ref.get("join_type") in {"SEMI", "ANTI"}:
            del frame.relations[split:]

    def _kind(self, item: Any, scope: Scope, ctes: Ctes) -> str:
        """The kind that an expression may carry: '' for none, the column's own for a bare column, else DERIVED."""
        if isinstance(item, list):
            return mixed([self._kind(i, scope, ctes) for i in item])
        if not isinstance(item, dict):
            return ""
        what = item.get("class", "")
        if what in _PLAIN_CLASSES:
            return ""
        if what == "COLUMN_REF":
            return self._reference([fold(p) for p in item["column_names"]], scope)
        if what in {"STAR", "POSITIONAL_REFERENCE"}:
            parts = [self._kind(v, scope, ctes) for v in (item.get("expr"), item.get("replace_list"))]
            return mixed([*parts, *(r.any() for r in scope[0].relations)])
        if what == "SUBQUERY":
            return self._subquery(item, scope, ctes)
        return self._computed(item, what, scope, ctes)

    def _computed(self, item: Node, what: str, scope: Scope, ctes: Ctes) -> str:
        if what == "LAMBDA":
            return mixed([self._kind(item["lhs"], scope, ctes), self._kind(item["expr"], scope, ctes)])
        beside = set(_BESIDE.get(what, ()))
        arguments = item.get("arguments")
        if what == "FUNCTION" and any(a["expression"]["class"] not in _PLAIN_CLASSES for a in arguments or ()):
            beside.add("order_bys")  # without an argument, what it is ordered by is its value: mode() WITHIN GROUP
        kinds = {k: self._kind(v, scope, ctes) for k, v in item.items() if k != "arguments"}
        kinds["arguments"] = self._arguments(arguments or (), scope, ctes)
        if called_on := _called_on(item):
            kinds["called_on"] = self._reference(called_on, scope)
        for check in item.get("case_checks") or ():
            self._condition(check["when_expr"], scope, ctes)
            kinds["then"] = mixed([kinds.get("then", ""), self._kind(check["then_expr"], scope, ctes)])
        if kinds.get("filter") or kinds.get("filter_expr"):
            self._compare([item.get("filter"), item.get("filter_expr")], scope)
        name = fold(str(item.get("function_name", "")))
        safe = what in _SAFE_CLASSES or item.get("type") in _SAFE_OPERATORS or name in _SAFE_FUNCTIONS
        carried = mixed(kind for key, kind in kinds.items() if key not in beside)
        if not safe:
            return carried
        if carried and what != "CONJUNCTION" and item.get("type") != "OPERATOR_NOT":
            self._compare(item, scope)
        return ""

    def _condition(self, item: Any, scope: Scope, ctes: Ctes) -> None:
        """What decides over rows: no output of its own, but it compares."""
        if self._kind(item, scope, ctes):
            self._compare(item, scope)

    def _arguments(self, arguments: Sequence[Node], scope: Scope, ctes: Ctes) -> str:
        """Arguments of a function; the parameters of a lambda are what its other arguments are."""
        given = [a["expression"] for a in arguments]
        lambdas = [e for e in given if e.get("syntax_type") == "LAMBDA_KEYWORD"]  # the arrow is JSON's
        kind = mixed([self._kind(e, scope, ctes) for e in given if e not in lambdas])
        for lambda_ in lambdas:
            names = {parts[-1] for parts in _references(lambda_["lhs"])}
            inner = Frame([Shape([Column(n, kind) for n in names])])
            kind = mixed([kind, self._kind(lambda_["expr"], (inner, *scope), ctes)])
        return kind

    def _subquery(self, item: Node, scope: Scope, ctes: Ctes) -> str:
        shape = self.node(item["subquery"]["node"], scope, ctes)
        if item.get("subquery_type") == "SCALAR":
            return join([shape.rest or "", *(c.kind for c in shape.columns)])
        child = self._kind(item.get("child"), scope, ctes)
        if shape.any() or child:
            self._compare(item.get("child"), scope)
            self._compare(item["subquery"]["node"].get("select_list"), scope)
        return ""

    def _compare(self, item: Any, scope: Scope) -> None:
        """Columns that stand in a comparison with a tagged value are as good as it."""
        for parts in _references(item):
            for frame in scope:
                if self._mark(frame, parts):
                    break
                if parts[0] in frame.meant:
                    self._compare(frame.meant.pop(parts[0]), scope)

    def _mark(self, frame: Frame, parts: Sequence[str]) -> bool:
        """Learn that a column of this frame was compared; False when no relation surely has it."""
        found = [(r, name) for r in frame.relations if r.find(name := _own_name(r, parts))]
        self.compared |= {(r.source, name) for r, name in found if not all(c.kind for c in r.find(name))}
        if not found:
            self.compared |= {(r.source, "") for r in frame.relations if r.rest == ""}
        return bool(found)

    def _reference(self, parts: Sequence[str], scope: Scope) -> str:
        for frame in scope:
            found = frame.lookup(parts)
            if found:
                return join(found)
        # Not a name that SQL's scopes explain here: a doubt.
        return "" if len(parts) == 1 and parts[0] in _CLOCK else DERIVED


def _has_star(item: Any, *, columns: bool = False) -> bool:
    if isinstance(item, list):
        return any(_has_star(i, columns=columns) for i in item)
    if not isinstance(item, dict) or item.get("class") == "SUBQUERY":
        return False
    if item.get("class") == "STAR" and (not columns or item.get("columns")):
        return True
    return any(_has_star(v, columns=columns) for v in item.values())


def _own_name(relation: Shape, parts: Sequence[str]) -> str:
    return parts[1] if len(parts) > 1 and parts[0] == relation.alias else parts[0]


def _called_on(item: Node) -> list[str]:
    """The column in ``name.upper()``, which the parser takes for the function's schema."""
    return [fold(p) for p in item["qualified_name"]["path"][:-1]] if "function_name" in item else []


def _references(item: Any) -> list[list[str]]:
    """Column references of an expression, folded, those inside its subqueries too."""
    if isinstance(item, list):
        return [r for i in item for r in _references(i)]
    if not isinstance(item, dict):
        return []
    if item.get("class") == "COLUMN_REF":
        return [[fold(p) for p in item["column_names"]]]
    found = [r for v in item.values() for r in _references(v)]
    return [*found, called_on] if (called_on := _called_on(item)) else found
