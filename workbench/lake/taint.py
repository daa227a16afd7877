"""Which columns of an answer may carry personal data, whatever they are called.

Columns tagged as PII are masked in results, not at the source, so that filters, joins and counts stay exact. A query
can rename, pack, cut and mix values; this module follows them through the parse tree by the scopes that SQL gives to
names, and takes every doubt for a yes: a column that is not proven clean is covered. A tagged column that comes out as
itself keeps its kind; whatever was computed from one is `DERIVED` and hidden whole, else a window of two characters,
moved along, would read a phone number. What is compared with a tagged value counts as one too, else a table of all
letters, joined on ``substr(name, 1, 1)``, would spell it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workbench.lake.guard import Judged, fold

DERIVED = "derived"
_ROUNDS = 12
# What these return says how many or whether, never what.
_SAFE_FUNCTIONS = frozenset(
    {"count", "count_star", "approx_count_distinct", "~~", "!~~", "~~*", "!~~*", "~~~", "regexp_matches",
     "regexp_full_match", "starts_with", "ends_with", "contains", "prefix", "suffix", "like_escape", "ilike_escape",
     "not_like_escape", "not_ilike_escape", "^@", "row_number", "rank", "dense_rank", "ntile", "percent_rank", "cume_dist",
     "bool_and", "bool_or", "countif", "count_if", "list_contains", "array_contains", "list_has", "array_has"}
)  # fmt: skip
_STAR_FILTERS = frozenset({"~~", "!~~", "~~*", "!~~*", "~~~", "regexp_full_match", "regexp_matches"})
_SAFE_CLASSES = frozenset({"COMPARISON", "BETWEEN", "CONJUNCTION"})
_PLAIN_CLASSES = frozenset({"CONSTANT", "PARAMETER", "TYPE"})
_SAFE_OPERATORS = frozenset(
    {"OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL", "OPERATOR_NOT", "COMPARE_IN", "COMPARE_NOT_IN"}
)
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
    except (RecursionError, KeyError, TypeError, AttributeError, IndexError):
        return everything
    return everything


def _join(kinds: Iterable[str]) -> str:
    """The kind of what may be any of these: the one that there is, DERIVED for several."""
    found = {k for k in kinds if k}
    return found.pop() if len(found) == 1 else DERIVED if found else ""


def _mixed(kinds: Iterable[str]) -> str:
    """The kind of what is computed from these."""
    return DERIVED if any(kinds) else ""


@dataclass(slots=True)
class _Column:
    name: str  # '' when only the engine knows it
    kind: str


@dataclass(slots=True)
class _Shape:
    """Columns of a relation. ``rest``: kind of further columns of unknown names, None when there are none.

    ``ordered``: the columns stand in this order and there are no others.
    """

    columns: list[_Column] = field(default_factory=list)
    rest: str | None = None
    ordered: bool = True
    alias: str = ""
    source: int = 0  # the FROM item that it stands for, by its identity in the tree

    def any(self) -> str:
        """DERIVED when anything in it is tainted."""
        return _mixed([self.rest or "", *(c.kind for c in self.columns)])

    def find(self, name: str) -> list[_Column]:
        return [c for c in self.columns if fold(c.name) == name]

    def kind(self, name: str) -> str | None:
        """Kind of a column by folded name; None when it surely has none of that name."""
        found = [c.kind for c in self.find(name)]
        if self.rest is not None:
            found.append(self.rest)
        return _join(found) if found else None

    def settled(self) -> _Shape:
        """As a table to read from: of columns with one name the engine renames all but the first."""
        names = [fold(c.name) for c in self.columns if c.name]
        if len(set(names)) < len(names) and self.any():
            self.rest = DERIVED
        return self

    def renamed(self, aliases: Sequence[str]) -> _Shape:
        """With the first columns renamed, as ``t(a, b)`` does."""
        if not aliases:
            return self
        if not self.ordered or self.rest is not None:
            kind = self.any()
            return _Shape([_Column(a, kind) for a in aliases], kind, ordered=False, alias=self.alias)
        fresh = [_Column(a, c.kind) for a, c in zip(aliases, self.columns, strict=False)]
        return _Shape([*fresh, *self.columns[len(fresh) :]], None, alias=self.alias)

    def named(self, outputs: Sequence[str]) -> list[str]:
        """Kinds of the result's columns: by position when all names agree, else by name, in doubt yes."""
        pairs = list(zip(self.columns, outputs, strict=False))
        exact = self.ordered and self.rest is None and len(self.columns) == len(outputs)
        if exact and all(not c.name or fold(c.name) == fold(name) for c, name in pairs):
            return [c.kind for c, _ in pairs]
        return [k if (k := self.kind(fold(name))) is not None else self.any() for name in outputs]


@dataclass(slots=True)
class _Frame:
    """What one SELECT can name: the relations of its FROM, and its own aliases."""

    relations: list[_Shape] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)

    def lookup(self, parts: Sequence[str]) -> list[str]:
        """Every kind that the reference may have here; empty when the name is not of this frame."""
        found: list[str] = []
        for relation in self.relations:
            if len(parts) > 1 and parts[0] == relation.alias:
                kind = relation.kind(parts[1])
                found += [] if kind is None else [kind if len(parts) == 2 else _mixed([kind])]
            columns = relation.find(parts[0])
            found += [c.kind if len(parts) == 1 else _mixed([c.kind]) for c in columns]
            if columns and relation.rest:
                found.append(relation.rest)
            if len(parts) == 1 and parts[0] == relation.alias and not columns:
                found.append(relation.any())
        if not found and parts[0] in self.aliases:
            found.append(self.aliases[parts[0]] if len(parts) == 1 else _mixed([self.aliases[parts[0]]]))
        if not found:
            found = [r.rest for r in self.relations if r.rest is not None]
        return found


Scope = tuple[_Frame, ...]
Ctes = Mapping[str, _Shape]


class _Flow:
    """One walk over the tree finds the shape of each node; walks are repeated until nothing new is learned.

    Learned across walks: columns of a FROM item that were compared with a tagged value, and recursive CTEs.
    """

    def __init__(self, tables: Mapping[str, Mapping[str, str]]) -> None:
        self.tables = tables
        self.compared: set[tuple[int, str]] = set()
        self.recursive: dict[int, _Shape] = {}
        self.poisoned = False  # the number of rows depends on a tagged value

    def learned(self) -> object:
        """Everything that lives from one walk to the next, to see whether it grew."""
        return len(self.compared), {k: [c.kind for c in s.columns] for k, s in self.recursive.items()}

    def node(self, node: Node, scope: Scope, ctes: Ctes, aliases: Sequence[str] = ()) -> _Shape:
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
        self._modifiers(node, (_Frame(shapes), *scope), known)
        return self._union(shapes, by_name="BY_NAME" in str(node.get("setop_type", "")))

    def _union(self, shapes: Sequence[_Shape], *, by_name: bool = False) -> _Shape:
        first = shapes[0]
        if by_name:
            names = {fold(c.name): c.name for s in shapes for c in s.columns}
            columns = [_Column(n, _join(c.kind for s in shapes for c in s.find(f))) for f, n in names.items()]
            return _Shape(columns, _rest(s.rest for s in shapes), ordered=False)
        if any(not s.ordered or s.rest is not None or len(s.columns) != len(first.columns) for s in shapes):
            kind = _mixed(s.any() for s in shapes)
            return _Shape([_Column(c.name, kind) for c in first.columns], kind, ordered=False)
        kinds = [_join(s.columns[i].kind for s in shapes) for i in range(len(first.columns))]
        return _Shape([_Column(c.name, kind) for c, kind in zip(first.columns, kinds, strict=True)])

    def _recursive(self, node: Node, scope: Scope, ctes: Ctes, aliases: Sequence[str]) -> _Shape:
        start = self.node(node["left"], scope, ctes)
        so_far = self.recursive.get(id(node), start)
        name = fold(node["cte_name"])
        step = self.node(node["right"], scope, {**ctes, name: so_far.renamed(aliases)})
        self.recursive[id(node)] = self._union([so_far, start, step])
        return self.recursive[id(node)]

    def _select(self, node: Node, scope: Scope, ctes: Ctes) -> _Shape:
        frame = _Frame()
        here = (frame, *scope)
        self._from(node["from_table"], here, ctes)
        out = _Shape()
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

    def _item(self, item: Node, out: _Shape, scope: Scope, ctes: Ctes) -> None:
        kind = self._kind(item, scope, ctes)
        name = item.get("alias") or (item["column_names"][-1] if item["class"] == "COLUMN_REF" else "")
        if item["class"] == "STAR" and not item.get("alias"):
            self._add_star(item, out, scope, ctes)
        elif _has_star(item):
            out.ordered = False
            filtered = fold(item.get("function_name", "")) in _STAR_FILTERS and not _has_star(item, columns=True)
            if filtered:
                self._add_star(item["arguments"][0]["expression"], out, scope, ctes)
            else:
                out.rest = _rest([out.rest, kind])
        else:
            out.columns.append(_Column(name, kind))
            if kind and (item["class"] == "POSITIONAL_REFERENCE" or fold(item.get("function_name", "")) == "unnest"):
                # Named by the engine: as the column meant, or as the fields of a struct, several of them.
                out.rest, out.ordered = DERIVED, False
        if name:
            scope[0].aliases[fold(name)] = _join([kind, scope[0].aliases.get(fold(name), "")])

    def _add_star(self, star: Node, out: _Shape, scope: Scope, ctes: Ctes) -> None:
        relations = scope[0].relations
        relation_name = fold(star.get("relation_name") or "")
        if relation_name:
            relations = [r for r in relations if r.alias == relation_name]
        if not relations:  # the fields of a struct
            out.rest = _rest([out.rest, _join([self._reference([relation_name], scope)]) and DERIVED])
            out.ordered = False
        replaced = {fold(e["key"]): self._kind(e["value"], scope, ctes) for e in star.get("replace_list") or []}
        renamed = {fold(e["key"]["column"]): e["value"] for e in star.get("rename_list") or []}
        dropped = {fold(name) for name in star.get("exclude_list") or []}
        plain = not (star.get("expr") or star.get("qualified_exclude_list"))
        out.ordered &= plain
        for relation in relations:
            out.ordered &= relation.ordered
            out.rest = _rest([out.rest, relation.rest])
            for column in relation.columns:
                key = fold(column.name)
                if key not in dropped:
                    kind = replaced.get(key, column.kind)
                    out.columns.append(_Column(renamed.get(key, column.name), kind))

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
        shape = _Shape(
            [_Column(c.name, DERIVED if (id(ref), fold(c.name)) in self.compared else c.kind) for c in shape.columns],
            DERIVED if shape.rest is not None and (id(ref), "") in self.compared else shape.rest,
            ordered=shape.ordered,
            alias=alias,
            source=id(ref),
        )
        scope[0].relations.append(shape)

    def _source(self, ref: Node, scope: Scope, ctes: Ctes) -> _Shape:
        what, aliases = ref["type"], ref.get("column_name_alias") or []
        if what == "BASE_TABLE":
            name = fold(ref["table_name"])
            shape = ctes[name] if name in ctes else _Shape([_Column(c, k) for c, k in self.tables[name].items()])
            return shape.renamed(aliases)
        if what == "SUBQUERY":
            return self.node(ref["subquery"]["node"], scope, ctes).settled().renamed(aliases)
        if what == "EXPRESSION_LIST":
            rows = [[self._kind(e, scope, ctes) for e in row] for row in ref["values"]]
            names = [*aliases, *(f"col{i}" for i in range(len(aliases), len(rows[0])))]
            return _Shape([_Column(n, _mixed(row[i] for row in rows)) for i, n in enumerate(names)])
        if what == "TABLE_FUNCTION":
            kind = _mixed([self._kind(ref["function"], scope, ctes)])
            if kind and fold(ref["function"]["function_name"]) != "unnest":
                self.poisoned = True
            return _Shape([_Column(a, kind) for a in aliases], kind, ordered=False)
        return self._pivot(ref, scope, ctes)

    def _pivot(self, ref: Node, scope: Scope, ctes: Ctes) -> _Shape:
        """PIVOT and UNPIVOT make columns out of values; those of the source that stay keep their names."""
        inner = _Frame()
        self._from(ref["source"], (inner, *scope), ctes)
        here = (inner, *scope)
        used = [v for k, v in ref.items() if k not in {"source", "type", "alias"}]
        kind = _mixed([self._kind(used, here, ctes)])
        if kind:
            return _Shape([], DERIVED, ordered=False)
        columns = [_Column(c.name, c.kind) for r in inner.relations for c in r.columns]
        return _Shape(columns, _rest(["", *(r.rest for r in inner.relations)]), ordered=False)

    def _joined(self, ref: Node, scope: Scope, ctes: Ctes) -> None:
        frame = scope[0]
        self._from(ref["left"], scope, ctes)
        split = len(frame.relations)
        self._from(ref["right"], scope, ctes)
        left, right = frame.relations[:split], frame.relations[split:]
        self._condition(ref.get("condition"), scope, ctes)
        shared = {fold(name) for name in ref.get("using_columns") or []}
        if ref.get("ref_type") == "NATURAL":
            shared = {fold(c.name) for r in left for c in r.columns} & {fold(c.name) for r in right for c in r.columns}
        for name in shared:
            columns = [c for r in frame.relations for c in r.find(name)]
            kind = _join(c.kind for c in columns)
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
            return _mixed([self._kind(i, scope, ctes) for i in item])
        if not isinstance(item, dict):
            return ""
        what = item.get("class", "")
        if what in _PLAIN_CLASSES:
            return ""
        if what == "COLUMN_REF":
            return self._reference([fold(p) for p in item["column_names"]], scope)
        if what in {"STAR", "POSITIONAL_REFERENCE"}:
            parts = [self._kind(v, scope, ctes) for v in (item.get("expr"), item.get("replace_list"))]
            return _mixed([*parts, *(r.any() for r in scope[0].relations)])
        if what == "SUBQUERY":
            return self._subquery(item, scope, ctes)
        return self._computed(item, what, scope, ctes)

    def _computed(self, item: Node, what: str, scope: Scope, ctes: Ctes) -> str:
        name = fold(str(item.get("function_name", "")))
        safe = what in _SAFE_CLASSES or item.get("type") in _SAFE_OPERATORS or name in _SAFE_FUNCTIONS
        if what == "LAMBDA":
            return _mixed([self._kind(item["lhs"], scope, ctes), self._kind(item["expr"], scope, ctes)])
        beside = {"filter", "filter_expr", "partitions", "orders", "case_checks"}
        arguments = item.get("arguments")
        if arguments and any(a["expression"]["class"] not in _PLAIN_CLASSES for a in arguments):
            beside.add("order_bys")
        kinds = {key: self._arguments(v, scope, ctes) if key == "arguments" else self._kind(v, scope, ctes)
                 for key, v in item.items()}  # fmt: skip
        if what == "CASE":
            for check in item["case_checks"]:
                self._condition(check["when_expr"], scope, ctes)
                kinds["then"] = _mixed([kinds.get("then", ""), self._kind(check["then_expr"], scope, ctes)])
        carried = _mixed(kind for key, kind in kinds.items() if key not in beside)
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
        kind = _mixed([self._kind(e, scope, ctes) for e in given if e not in lambdas])
        for lambda_ in lambdas:
            names = {fold(n["column_names"][-1]) for n in _references(lambda_["lhs"])}
            inner = _Frame([_Shape([_Column(n, kind) for n in names])])
            kind = _mixed([kind, self._kind(lambda_["expr"], (inner, *scope), ctes)])
        return kind

    def _subquery(self, item: Node, scope: Scope, ctes: Ctes) -> str:
        shape = self.node(item["subquery"]["node"], scope, ctes)
        if item.get("subquery_type") == "SCALAR":
            return _join([shape.rest or "", *(c.kind for c in shape.columns)])
        child = self._kind(item.get("child"), scope, ctes)
        if shape.any() or child:
            self._compare(item.get("child"), scope)
            self._compare(item["subquery"]["node"].get("select_list"), scope)
        return ""

    def _compare(self, item: Any, scope: Scope) -> None:
        """Columns that stand in a comparison with a tagged value are as good as it."""
        for reference in _references(item):
            parts = [fold(p) for p in reference["column_names"]]
            for frame in scope:
                for relation in frame.relations:
                    name = parts[1] if len(parts) > 1 and parts[0] == relation.alias else parts[0]
                    known = relation.find(name)
                    if (relation.source and not all(c.kind for c in known)) or (not known and relation.rest == ""):
                        self.compared.add((relation.source, name if known else ""))

    def _reference(self, parts: Sequence[str], scope: Scope) -> str:
        for frame in scope:
            found = frame.lookup(parts)
            if found:
                return _join(found)
        # Not a name that SQL's scopes explain here: a doubt.
        return "" if len(parts) == 1 and parts[0] in _CLOCK else DERIVED


def _rest(kinds: Iterable[str | None]) -> str | None:
    known = [k for k in kinds if k is not None]
    return _mixed(known) if known else None


def _has_star(item: Any, *, columns: bool = False) -> bool:
    if isinstance(item, list):
        return any(_has_star(i, columns=columns) for i in item)
    if not isinstance(item, dict) or item.get("class") == "SUBQUERY":
        return False
    if item.get("class") == "STAR" and (not columns or item.get("columns")):
        return True
    return any(_has_star(v, columns=columns) for v in item.values())


def _references(item: Any) -> list[Node]:
    """Column references of an expression, those inside its subqueries too."""
    if isinstance(item, list):
        return [r for i in item for r in _references(i)]
    if not isinstance(item, dict):
        return []
    if item.get("class") == "COLUMN_REF":
        return [item]
    return [r for v in item.values() for r in _references(v)]
