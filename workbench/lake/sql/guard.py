"""The guard: which SQL a door may run, judged on the parse tree, and an engine that could do no more if it wanted to.

Two fences, each enough against what it is for. The *tree*: one statement, made of nothing but query nodes, reading
nothing but datasets by their plain names and a short list of table functions, calling nothing but functions that
somebody has reviewed; what nobody knows is refused. The *engine*: it may open the files of the datasets named and no
other, loads nothing, its settings are locked, and it runs what it too takes for one SELECT.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from workbench.errors import InvalidError, NotFoundError, QueryError
from workbench.lake.sql.parser import Parser
from workbench.lake.tables.mapping import quote

LONGEST_SQL = 200_000  # characters: a tree takes up to 600 bytes per character
MOST_JOINS = 100  # DuckDB 2.0 binds 100 in 0.8 s and 200 in 10 s, and nothing can interrupt that
QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"})
TABLE_NODES = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY", "PIVOT"})
TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"})
_EXPRESSIONS = frozenset(
    {"COLUMN_REF", "CONSTANT", "FUNCTION", "WINDOW", "OPERATOR", "CAST", "CASE", "CONJUNCTION", "COMPARISON", "BETWEEN",
     "SUBQUERY", "STAR", "LAMBDA", "COLLATE", "PARAMETER", "POSITIONAL_REFERENCE", "TYPE"}
)  # fmt: skip
_PARTS = frozenset(
    {"ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER", "ORDER_DEFAULT", "ASCENDING",
     "DESCENDING"}
)  # fmt: skip
# Functions reviewed for DuckDB 2.0: they compute from their arguments and the clock, nothing else. Left out are those
# that read settings, variables, the session or the catalog's inside, wait, log, throw their argument as an error text,
# or trust their argument to be a binary state of the engine. A test compares the list with the installed engine's.
_REVIEWED = """
abs acos acosh add age aggregate ago any_value apply approx_count_distinct approx_quantile approx_top_k arbitrary
arg_max arg_max_null arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg array_aggr
array_aggregate array_append array_apply array_cat array_concat array_contains array_cosine_distance
array_cosine_similarity array_cross_product array_distance array_distinct array_dot_product array_extract
array_filter array_grade_up array_has array_has_all array_has_any array_indexof array_inner_product array_intersect
array_length array_negative_dot_product array_negative_inner_product array_pop_back array_pop_front array_position
array_prepend array_push_back array_push_front array_reduce array_resize array_reverse array_reverse_sort
array_select array_slice array_sort array_to_json array_to_string array_to_string_comma_default array_transform
array_unique array_value array_where array_zip ascii asin asinh atan atan2 atanh avg bar base64 bin binom bit_and
bit_count bit_length bit_or bit_position bit_xor bitstring bitstring_agg bool_and bool_or cardinality cbrt ceil
ceiling century char_length character_length chr concat concat_ws contains corr cos cosh cot count count_if
count_star countif covar_pop covar_samp cume_dist current_date current_localtime current_localtimestamp
damerau_levenshtein date_add date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname
dayofmonth dayofweek dayofyear days_in_month decade decode degrees dense_rank divide editdist3 element_at encode
ends_with entropy enum_code enum_first enum_last enum_range enum_range_boundary epoch epoch_ms epoch_ns epoch_us
equi_width_bins era even exp factorial favg fdiv fill filter first first_value flatten floor fmod format
format_bytes formatreadabledecimalsize formatreadablesize from_base64 from_binary from_hex from_json
from_json_strict fsum gamma gcd gen_random_uuid generate_series generate_subscripts geomean geometric_mean get_bit
get_current_time get_current_timestamp get_type grade_up greatest greatest_common_divisor group_concat hamming hash
hex histogram histogram_exact hour if ilike_escape instr isfinite isinf isnan isodow isoyear jaccard jaro_similarity
jaro_winkler_similarity json json_array json_array_length json_contains json_deep_merge json_exists json_extract
json_extract_path json_extract_path_text json_extract_string json_group_array json_group_object json_group_structure
json_insert json_keys json_merge_patch json_merge_patch_diff json_normalize json_object json_pretty json_quote
json_remove json_replace json_set json_strip_nulls json_structure json_transform json_transform_strict json_type
json_valid json_value julian kahan_sum kurtosis kurtosis_pop lag last last_day last_value lcase lcm lead least
least_common_multiple left left_grapheme len length length_grapheme levenshtein lgamma like_escape list list_aggr
list_aggregate list_any_value list_append list_apply list_approx_count_distinct list_avg list_bit_and list_bit_or
list_bit_xor list_bool_and list_bool_or list_cat list_concat list_contains list_cosine_distance
list_cosine_similarity list_count list_distance list_distinct list_dot_product list_element list_entropy
list_extract list_filter list_first list_grade_up list_has list_has_all list_has_any list_histogram list_indexof
list_inner_product list_intersect list_kurtosis list_kurtosis_pop list_last list_mad list_max list_median list_min
list_mode list_negative_dot_product list_negative_inner_product list_pack list_position list_prepend list_product
list_reduce list_resize list_reverse list_reverse_sort list_select list_sem list_skewness list_slice list_sort
list_stddev_pop list_stddev_samp list_string_agg list_sum list_transform list_unique list_value list_var_pop
list_var_samp list_where list_zip listagg ln log log10 log2 lower lpad ltrim lttb mad make_date make_time
make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz make_type map map_concat map_contains
map_contains_entry map_contains_value map_entries map_extract map_extract_value map_from_entries map_keys map_values
max max_by md5 md5_number md5_number_lower md5_number_upper mean median microsecond millennium millisecond min
min_by minute mismatches mod mode month monthname multiply nanosecond nextafter nfc_normalize normalized_interval
not_ilike_escape not_like_escape now nth_value ntile nullif octet_length ord overlay parse_dirname parse_dirpath
parse_filename parse_formatted_bytes parse_path path_join percent_rank pg_size_pretty pg_typeof pi position pow
power prefix printf product quantile quantile_cont quantile_disc quarter radians random range rank rank_dense reduce
regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace
regexp_split_to_array regexp_split_to_table regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope
regr_sxx regr_sxy regr_syy repeat replace replace_type reservoir_quantile reverse right right_grapheme round
round_even roundbankers row row_number row_to_json rpad rtrim second sem set_bit sha1 sha256 sign signbit sin sinh
skewness split split_part sqrt starts_with stddev stddev_pop stddev_samp str_split str_split_regex strftime
string_agg string_split string_split_regex string_to_array strip_accents strlen strpos strptime struct_concat
struct_contains struct_extract struct_extract_at struct_has struct_indexof struct_insert struct_keys struct_pack
struct_position struct_update struct_values substr substring substring_grapheme subtract suffix sum sumkahan tan
tanh time_bucket timezone timezone_hour timezone_minute to_base to_base64 to_binary to_centuries to_days to_decades
to_hex to_hours to_json to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds
to_timestamp to_weeks to_years today transaction_timestamp translate trim trunc try_strptime typeof ucase unbin
unhex unicode union_extract union_tag union_value unnest upper url_decode url_encode uuid uuid_extract_timestamp
uuid_extract_version uuidv4 uuidv7 var_pop var_samp variance variant_array_length variant_contains variant_exists
variant_extract variant_extract_string variant_keys variant_type variant_typeof version wavg week weekday weekofyear
weighted_avg xor year yearweek
!= !__postfix !~~ !~~* % & && * ** + - -> ->> / // < <-> << <= <=> <@ = == <> > >= >> @ @> ^ ^@ | || ~ ~~ ~~* ~~~
"""
FUNCTIONS = frozenset(_REVIEWED.split())

TELLING = "SET enable_progress_bar_print = false; SET enable_progress_bar = true"
"""Lets a connection say how far its statement is, and print nothing; a setting of that connection alone."""
_CURSORS = 3
_LOCATION = ("position", "line", "column")


@dataclass(frozen=True, slots=True)
class Judged:
    """A statement that passed: its text, its tree (``node`` of the serialised statement), the datasets it reads.

    Names in ``tables`` are in lower case (ASCII, as the engine compares them).
    """

    sql: str
    tree: Mapping[str, Any]
    tables: frozenset[str]


def fold(name: str) -> str:
    """A name as the engine compares it: ASCII letters in lower case, all others as they are."""
    return name.encode(errors="surrogatepass").lower().decode(errors="surrogatepass")


def check_text(sql: str) -> None:
    """Raise QueryError for a text that no statement can be: a NUL, half a character, longer than `LONGEST_SQL`."""
    if len(sql) > LONGEST_SQL:
        raise QueryError(
            f"The SQL has {len(sql):,} characters; a statement may have {LONGEST_SQL:,}.",
            hint="Ingest long lists of values as a dataset and join it.",
        )
    if "\0" in sql or any("\ud800" <= c <= "\udfff" for c in sql):
        raise QueryError("The SQL holds a character that is none (NUL or a lone surrogate).", hint="Remove it.")


def judge(parser: Parser, sql: str, *, known: Callable[[str], bool]) -> Judged:
    """Judge one statement. ``known`` says whether a name is a dataset. Nothing is run or bound.

    Raises QueryError with the engine's words for what does not parse and with the SELECT form for what is no SELECT;
    NotFoundError for a table that is no dataset.
    """
    check_text(sql)
    reader = _Reader(known)
    try:
        node = _parse(parser, sql)
        reader.query(node, frozenset())
    except RecursionError:
        raise QueryError(
            "The statement is nested too deeply.", hint="Take parts of it into WITH … AS (…), or shorten its chains."
        ) from None
    except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
        # A shape of tree that this guard was not written for (another engine) is never waved through.
        raise QueryError("The statement cannot be judged.", hint="`lh doctor` names the engine's version.") from error
    return Judged(sql, node, frozenset(reader.tables))


def judge_condition(parser: Parser, condition: str, *, table: str, known: Callable[[str], bool]) -> Judged:
    """Judge a text that shall stand in a WHERE: alone in its brackets, and nothing beside it.

    Subqueries on datasets are fine. Raises QueryError for a text that is more than a condition.
    """
    check_text(condition)
    if not condition.strip() or not _balanced(condition):
        raise _no_condition(condition)
    try:
        judged = judge(parser, f"SELECT 1 FROM {quote(table)} WHERE (\n{condition}\n)", known=known)
    except QueryError as error:
        raise QueryError(
            f"The condition {condition[:80]!r} cannot be read: {error.message}",
            hint=error.hint if "line" not in error.details else "--where \"city = 'Joliet' AND availability > 0.5\"",
        ) from None
    node = judged.tree
    plain = node["type"] == "SELECT_NODE" and node["from_table"]["type"] == "BASE_TABLE" and node["where_clause"]
    more = any(node.get(part) for part in ("modifiers", "group_expressions", "having", "qualify", "sample"))
    if not plain or more or node["cte_map"]["map"] or len(node["select_list"]) != 1:
        raise _no_condition(condition)
    return judged


def _no_condition(condition: str) -> QueryError:
    return QueryError(
        f"{condition[:80]!r} is more than a condition.", hint="--where takes what stands after WHERE, and only that."
    )


def _balanced(text: str) -> bool:
    depth = 0
    raw = text.encode()
    for start, kind in duckdb.tokenize(text):
        if str(kind).endswith("operator"):
            depth += {b"(": 1, b")": -1}.get(raw[start : start + 1], 0)
        if depth < 0:
            return False
    return depth == 0


def _parse(parser: Parser, sql: str) -> dict[str, Any]:
    tree = parser.tree(sql)
    if tree["error"]:
        raise _refusal(tree, sql)
    if not tree["statements"]:
        raise InvalidError("There is no SQL to run.", hint='lh sql "SELECT * FROM workers LIMIT 5"')
    if len(tree["statements"]) != 1:
        raise QueryError(
            f"{len(tree['statements'])} statements were given; a query is one SELECT.", hint="Run them one by one."
        )
    node: dict[str, Any] = tree["statements"][0]["node"]
    return node


_INSTEAD = {
    "pivot": "Use the SELECT form: SELECT count(*) FILTER (state = 'IL') AS il FROM workers.",
    "show": "`lh ls` lists the datasets.",
    "describe": "`lh describe NAME` shows the columns.",
    "desc": "`lh describe NAME` shows the columns.",
    "summarize": "`lh profile NAME` shows facts of every column.",
    "explain": "Run the SELECT itself.",
    "copy": '`lh export "SELECT …" out.csv` writes a file.',
    "export": "`lh export NAME out.csv` writes a file.",
    "insert": "`lh ingest FILE --name NAME` adds rows.",
    "update": "`lh ingest FILE --name NAME --key ID` changes rows.",
    "merge": "`lh ingest FILE --name NAME --key ID` changes rows.",
    "create": "`lh ingest FILE --name NAME` makes a dataset.",
    "delete": "Datasets are never changed in place; ingest the rows that shall stay with --replace.",
}


def _refusal(tree: Mapping[str, Any], sql: str) -> QueryError:
    words = str(tree.get("error_message", ""))
    if "Only SELECT" in words:
        first = (sql.split() or [""])[0].casefold().rstrip(";")
        name = f"{first.upper()} is" if first in _INSTEAD or (first.isalpha() and len(first) < 12) else "This is"
        return QueryError(
            f"{name} not a SELECT, or holds one that is not; queries here only read.",
            hint=_INSTEAD.get(first, "One SELECT over the datasets; `lh ls` lists them."),
        )
    details: dict[str, Any] = {}
    if str(tree.get("position", "")).isdigit():
        at = int(tree["position"])
        before = sql.encode()[:at].decode(errors="ignore")
        place = (at, before.count("\n") + 1, len(before) - before.rfind("\n"))
        details = dict(zip(_LOCATION, place, strict=True))
    if "expression depth" in words:
        return QueryError("The statement is nested too deeply.", hint="Take parts of it into WITH … AS (…).")
    kind = "Parser Error: " if tree.get("error_type") == "parser" else ""
    hint = f"At line {details['line']}, column {details['column']}." if details else "Check the SQL."
    return QueryError(f"{kind}{words[:500]}", hint=hint, details=details)


class _Reader:
    """Walks a tree once, with the common table expressions in scope, and refuses what is not on a list."""

    def __init__(self, known: Callable[[str], bool]) -> None:
        self.known = known
        self.tables: set[str] = set()
        self.joins = 0

    def query(self, node: Mapping[str, Any], scope: frozenset[str]) -> None:
        """A query node: its CTEs first, each in the scope of those before it, and of itself only when recursive.

        That is the engine's own rule. A name taken for a CTE where the engine takes it for a table would be a hole:
        the engine looks for a file of that name.
        """
        if node["type"] not in QUERY_NODES:
            raise QueryError(
                f"A query may not hold {node['type'].replace('_NODE', '').replace('_', ' ').lower()}.",
                hint="Queries here only read: SELECT.",
            )
        for entry in node["cte_map"]["map"]:
            name, inner = fold(entry["key"]), entry["value"]["query_node"]
            self.query(inner, scope | {name} if inner["type"] == "RECURSIVE_CTE_NODE" else scope)
            scope |= {name}
        for key, item in node.items():
            if key != "cte_map":
                self.walk(item, scope)

    def walk(self, value: Any, scope: frozenset[str]) -> None:
        """Any value of the tree, by what it is and not by where it stands."""
        if isinstance(value, list):
            for item in value:
                self.walk(item, scope)
        elif isinstance(value, dict):
            if "cte_map" in value:
                self.query(value, scope)
                return
            self._check(value, scope)
            for item in value.values():
                self.walk(item, scope)

    def _check(self, value: Mapping[str, Any], scope: frozenset[str]) -> None:
        kind = value.get("type")
        if "class" in value:
            if value["class"] not in _EXPRESSIONS:
                raise QueryError(f"A query may not hold {value['class'].lower()}.", hint="Queries here only read.")
            if "function_name" in value:
                self._function(value)
        elif "table_name" in value or (isinstance(kind, str) and kind not in _PARTS):
            self._table(value, str(kind), scope)

    def _table(self, ref: Mapping[str, Any], kind: str, scope: frozenset[str]) -> None:
        if kind == "SHOW_REF":
            raise QueryError(
                "DESCRIBE, SHOW and SUMMARIZE are no queries here.",
                hint="`lh describe NAME`, `lh ls` and `lh profile NAME` show the same.",
            )
        if kind not in TABLE_NODES:
            raise QueryError(
                f"A query may not read from {kind.replace('_', ' ').lower() or 'this'}.", hint="`lh ls` lists datasets."
            )
        self.joins += kind == "JOIN"
        if self.joins > MOST_JOINS:
            raise QueryError(f"The statement has more than {MOST_JOINS} joins.", hint="Join in several steps.")
        if kind == "BASE_TABLE":
            self._base(ref, scope)
        elif kind == "TABLE_FUNCTION":
            name = ref["function"]["function_name"]
            if fold(name) not in TABLE_FUNCTIONS:
                raise QueryError(
                    f"The table function {name[:80]} is not available in a query.",
                    hint=f"Files come in by `lh ingest`. Available: {', '.join(sorted(TABLE_FUNCTIONS))}.",
                )

    def _base(self, ref: Mapping[str, Any], scope: frozenset[str]) -> None:
        name = ref["table_name"]
        if ref.get("catalog_name") or ref.get("schema_name") or len(ref["qualified_name"]["path"]) > 1:
            path = ".".join(p for p in (ref.get("catalog_name"), ref.get("schema_name"), name) if p)
            raise QueryError(f"{path[:80]} is not a dataset.", hint="Datasets have plain names; `lh ls` lists them.")
        if ref.get("at_clause"):
            raise QueryError("This AT clause names no version.", hint="workers@2 or workers@'2026-11-01'")
        if fold(name) in scope:
            return
        if not self.known(name):
            raise NotFoundError(
                f"No dataset is named {name[:80]!r}.", hint="`lh ls` lists them.", details={"table": name}
            )
        self.tables.add(fold(name))

    def _function(self, call: Mapping[str, Any]) -> None:
        name = fold(call["function_name"])
        if name not in FUNCTIONS and name not in TABLE_FUNCTIONS:
            raise QueryError(
                f"The function {name[:80]} is not available in a query.",
                hint="Queries compute from datasets and values only, with functions that DuckDB documents.",
            )


def guarded_connection(
    files: Mapping[str, Sequence[str]],
    views: Mapping[str, str],
    *,
    filesystem: Any = None,
    threads: int | None = None,
    memory_limit: str | None = None,
    spill: str = "",
    cursors: list[duckdb.DuckDBPyConnection] | None = None,
) -> duckdb.DuckDBPyConnection:
    """An engine that sees these views over these files and nothing else, and cannot be talked out of it.

    ``files``: view → addresses it reads; ``views``: view → its SELECT; ``spill``: folder for what does not fit in
    memory ('': nothing is spilled); ``cursors``: filled with a few that tell how far a statement is, which nobody can
    ask for once the settings are locked. Raises what the engine raises for a file that is not there.
    """
    config: dict[str, Any] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "allow_persistent_secrets": False,
        "python_enable_replacements": False,
        "temp_directory": spill,
    }
    config |= {"threads": threads} if threads else {}
    config |= {"memory_limit": memory_limit} if memory_limit else {}
    con = duckdb.connect(":memory:", config=config)
    if filesystem is not None:
        con.register_filesystem(filesystem)
    con.execute("SET GLOBAL TimeZone = 'UTC'; SET enable_object_cache = true")
    allowed = sorted({address for addresses in files.values() for address in addresses})
    con.execute("SET allowed_paths = ?", [allowed])
    for name, select in views.items():
        con.execute(f"CREATE VIEW {quote(name)} AS {select}")
    if cursors is not None:
        cursors += [con.cursor().execute(TELLING) for _ in range(_CURSORS)]
    con.execute("SET enable_external_access = false; SET lock_configuration = true")
    return con


def only_select(con: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """The statement, parsed by the engine that will run it. Raises QueryError unless that too sees one SELECT.

    The engine may open a dataset's files, and with COPY it may write what it may open; so this is part of its fence.
    """
    statements = con.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise QueryError("This is not one SELECT.", hint="Queries here only read.")
    return statements[0]
