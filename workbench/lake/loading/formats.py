"""The ways a value can be written in a text file: how each is recognised and read, as SQL over one text column.

A format is exact: what it does not recognise is not its value. A shape is a set of values that the same formats can
read, so one pass over the shapes says which formats a whole column fits (`mask_sql`). In the templates ``@`` stands
for the column. Digits are ASCII: values with other digits, a no-break space or the sign − (U+2212) fit nothing, so
their column stays text as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.lake.tables.mapping import literal

# What files write where there is no value; compared without case.
NULL_TOKENS = (
    "", "-", "–", "—", "n/a", "na", "#n/a", "null", "none", ".", "..", "...", "n.a.", ":", "*", "?",
)  # fmt: skip
CURRENCIES = ("£", "$", "€")
MAX_DIGITS = 15  # IEEE 754 binary64: every decimal of 15 significant digits comes back from a double


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write values. ``fits`` and ``value`` are SQL templates, ``type`` is Arrow's name, ``engine`` DuckDB's.

    ``needs`` names signs (see `SIGNS`) of which the column must show at least one. ``note`` says what was assumed.
    """

    name: str
    type: str
    engine: str
    fits: str
    value: str
    unit: str = ""
    needs: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """Values alike: ``when`` knows them; they fit all ``formats``, or with ``check`` those whose test they pass."""

    when: str
    formats: tuple[str, ...]
    signs: tuple[str, ...] = ()
    check: bool = False


def at(template: str, quoted: str) -> str:
    """A template with the column put in."""
    return template.replace("@", quoted)


def _full(pattern: str) -> str:
    return f"regexp_full_match(@, {literal(pattern)})"


_INT = "(?:0|[1-9][0-9]*)"
_GROUPED = "[1-9][0-9]{0,2}(?:,[0-9]{3})+"
_DOTTED = "[1-9][0-9]{0,2}(?:[.][0-9]{3})+"
_FRAC = "[.][0-9]+"
_EURO = f"(?:(?:{_INT}|{_GROUPED})(?:[.](?:[0-9]{{1,2}}|[0-9]{{4,}}))?)"  # €1.234 is a thousand or not: neither
_POINT = f"(?:(?:{_INT}|{_GROUPED})(?:{_FRAC})?|{_FRAC})"
_AMOUNT = {"£": _POINT, "$": _POINT, "€": _EURO}
# '1,234' and '1.234' mean two things: a decimal comma is one that cannot be a thousands sign, and the reverse.
_COMMA_FRAC = f"(?:0,[0-9]+|[1-9][0-9]{{0,2}},(?:[0-9]{{1,2}}|[0-9]{{4,}})|[1-9][0-9]{{3,}},[0-9]+|{_DOTTED},[0-9]+)"
_COMMA = f"(?:{_COMMA_FRAC}|[1-9][0-9]{{0,2}}(?:[.][0-9]{{3}}){{2,}}|{_INT})"

_DIGITS = "strlen(trim(regexp_replace({}, '[^0-9]', '', 'g'), '0'))"  # between the first and the last that is not 0
# Up to 300 characters keep the number within the range of normal doubles.
_FEW_DIGITS = f"(strlen(@) <= {MAX_DIGITS} OR (strlen(@) <= 300 AND {_DIGITS.format('@')} <= {MAX_DIGITS}))"
_SAME_TEXT = "CAST(TRY_CAST(@ AS DOUBLE) AS VARCHAR) = @"  # what programs write: the shortest text of a double
_NO_DIGIT = "NOT regexp_matches(@, '[0-9]')"
_IS_INT = "CAST(TRY_CAST(@ AS BIGINT) AS VARCHAR) = @"
_IS_SHORT_INT = "regexp_full_match(@, '-?(?:0|[1-9][0-9]{0,14})')"
_POINT_TEXT = _full(f"-?(?:{_INT}(?:{_FRAC})?|{_FRAC})")
_IS_SHORT_POINT = f"({_POINT_TEXT} AND {_FEW_DIGITS})"
_IS_POINT = f"({_POINT_TEXT} AND ({_FEW_DIGITS} OR {_SAME_TEXT}))"
_MANTISSA = "split_part(lower(@), 'e', 1)"
_NORMAL = "abs(TRY_CAST(@ AS DOUBLE)) BETWEEN 2.2250738585072014e-308 AND 1.7976931348623157e308"
_IS_EXPONENT = (
    f"({_full(f'-?{_INT}(?:{_FRAC})?[eE][+-]?[0-9]{{1,3}}')}"
    f" AND (({_DIGITS.format(_MANTISSA)} <= {MAX_DIGITS}"
    f" AND ({_NORMAL} OR NOT regexp_matches({_MANTISSA}, '[1-9]'))) OR {_SAME_TEXT}))"
)
_IS_GROUPED_INT = f"({_full(f'-?{_GROUPED}')} AND TRY_CAST(replace(@, ',', '') AS BIGINT) IS NOT NULL)"


def _is(pattern: str) -> str:
    return f"({_full(pattern)} AND {_FEW_DIGITS})"


_IS_GROUPED, _IS_COMMA = _is(f"-?{_POINT}"), _is(f"-?{_COMMA}")


def _money(number: str, symbol: str) -> str:
    s = f"[{symbol}]"
    return (
        f"(?:-?{s} ?{number}|- {s} ?{number}|{s} ?-{number}|-?{number} ?{s}|[(]{s} ?{number}[)]|{s} ?[(]{number}[)]"
        f"|[(]{number} ?{s}[)]|{s} ?{number}-|{number}- ?{s})"
    )


def _bracketed(number: str) -> str:
    return f"(?:[(]{number}[)]|{number}-)"


def _number(digits: str) -> str:
    """A double of what is left when signs, brackets and symbols are gone; a bracket or a minus makes it negative."""
    body = f"TRY_CAST(translate({digits}, '£$€ ,()-', '') AS DOUBLE)"
    return f"(CASE WHEN contains(@, '-') OR contains(@, '(') THEN -{body} ELSE {body} END)"


_POINTS, _COMMAS = "@", "replace(replace(@, '.', ''), ',', '.')"


def _percent(digits: str) -> str:
    # The exponent divides exactly; 12.3 / 100 would not.
    return f"TRY_CAST(concat(rtrim({digits}, '% '), 'e-2') AS DOUBLE)"


def _numbers() -> list[Format]:
    short = "decimal comma: 12,5 read as 12.5"
    out = [
        Format("integer", "int64", "BIGINT", _IS_INT, "TRY_CAST(@ AS BIGINT)"),
        Format(
            "decimal", "double", "DOUBLE", f"({_IS_POINT} OR {_IS_EXPONENT})", "TRY_CAST(@ AS DOUBLE)", needs=("point",)
        ),
        Format(
            "grouped integer", "int64", "BIGINT", f"({_IS_INT} OR {_IS_GROUPED_INT})",
            "TRY_CAST(replace(@, ',', '') AS BIGINT)", note="thousands sign: 1,234 read as 1234",
        ),
        Format(
            "grouped decimal", "double", "DOUBLE", _IS_GROUPED, "TRY_CAST(replace(@, ',', '') AS DOUBLE)",
            note="thousands sign: 1,234.5 read as 1234.5", needs=("point", "group"),
        ),
        Format("decimal comma", "double", "DOUBLE", _IS_COMMA, f"TRY_CAST({_COMMAS} AS DOUBLE)", needs=("comma",),
               note=short),
        Format(
            "accounting", "double", "DOUBLE", _is(f"(?:-?{_POINT}|{_bracketed(_POINT)})"), _number(_POINTS),
            needs=("plain", "point", "group"), note="(12) and 12- read as -12",
        ),
    ]  # fmt: skip
    for s in CURRENCIES:
        point, comma = (
            f"(?:-?{_POINT}|{_bracketed(_POINT)}|{_money(_AMOUNT[s], s)})",
            f"(?:-?{_COMMA}|{_money(_COMMA, s)})",
        )
        note = f"amounts in {s}"
        out += [
            Format(f"money {s}", "double", "DOUBLE", _is(point), _number(_POINTS), s, (s,), note),
            Format(f"money comma {s}", "double", "DOUBLE", _is(comma), _number(_COMMAS), s, (s,), f"{note}, {short}"),
        ]
    said, point = "45% read as 0.45", f"(?:{_INT}(?:{_FRAC})?|{_FRAC})"
    for name, number, digits, note in (
        ("percent", point, _POINTS, said), ("percent comma", _COMMA, _COMMAS, f"{said}, {short}"),
    ):  # fmt: skip
        out.append(Format(name, "double", "DOUBLE", _is(f"-?{number} ?%"), _percent(digits), "%", note=note))
    return out


_YEAR = "(?:[1-9][0-9]{3}|0001)"  # other years before 1000 are slips of the pen; 0001 is a known 'no date'
_CLOCK = "(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?(?: ?[AaPp][Mm])?"
_ISO_CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.][0-9]{1,6}0*)?)?"
_ISO_DAY = f"{_YEAR}-[0-9]{{2}}-[0-9]{{2}}"
_ZONE = "(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_MONTH = "[A-Za-z]{3,9}"
_CLOCKS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p")
_ORDERS = {"dmy": ("%d", "%m"), "mdy": ("%m", "%d")}
_OTHER = {"dmy": "mdy", "mdy": "dmy"}
SEPARATORS = ("/", "-", ".")
_SAID = {"dmy": "day/month/year", "mdy": "month/day/year"}


def _parsed(name: str, pattern: str, spec: Sequence[str], *, engine: str = "DATE", note: str = "") -> Format:
    specs = ", ".join(literal(s) for s in spec)
    parsed = f"try_strptime(@, [{specs}])"
    value = parsed if engine == "TIMESTAMP" else f"CAST({parsed} AS DATE)"
    kind = "timestamp[us]" if engine == "TIMESTAMP" else "date32[day]"
    return Format(name, kind, engine, f"({_full(pattern)} AND {parsed} IS NOT NULL)", value, note=note)


def _cast(name: str, kind: str, engine: str, pattern: str) -> Format:
    return Format(
        name, kind, engine, f"({_full(pattern)} AND TRY_CAST(@ AS {engine}) IS NOT NULL)", f"TRY_CAST(@ AS {engine})"
    )


def numeric_day(sep: str, year: str) -> str:
    """The pattern of dd/mm/yyyy or mm/dd/yyyy with that separator; ``year`` is 'Y' (four digits) or 'y' (two)."""
    if year == "Y":
        return f"[0-9]{{1,2}}[{sep}][0-9]{{1,2}}[{sep}]{_YEAR}"
    day = "[0-9]{1,2}" if sep == "/" else "[0-9]{2}"  # 1.12.10 is a version as often as a date
    return f"{day}[{sep}]{day}[{sep}][0-9]{{2}}"


def _dates() -> list[Format]:
    out = [
        Format(
            "date iso",
            "date32[day]",
            "DATE",
            "(strlen(@) = 10 AND CAST(TRY_CAST(@ AS DATE) AS VARCHAR) = @ AND (@ >= '1000' OR starts_with(@, '0001')))",
            "TRY_CAST(@ AS DATE)",
        ),
        _parsed("date ymd /", f"{_YEAR}/[0-9]{{1,2}}/[0-9]{{1,2}}", ["%Y/%m/%d"]),
    ]
    for sep in SEPARATORS:
        for order, (a, b) in _ORDERS.items():
            note = f"dates read as {_SAID[order]}"
            # %y: 69–99 are 1969–1999, 00–68 are 2000–2068 (POSIX strptime).
            out += [
                _parsed(f"date {order} {sep}{y}", numeric_day(sep, y), [f"{a}{sep}{b}{sep}%{y}"], note=note)
                for y in ("Y", "y")
            ]
            spec = [f"{a}{sep}{b}{sep}%Y {clock}" for clock in _CLOCKS]
            pattern = f"{numeric_day(sep, 'Y')} {_CLOCK}"
            out.append(_parsed(f"timestamp {order} {sep}Y", pattern, spec, engine="TIMESTAMP", note=note))
    for sep in ("-", " ", "/"):
        for y, digits in (("Y", _YEAR), ("y", "[0-9]{2}")):
            spec = [f"%d{sep}{m}{sep}%{y}" for m in ("%b", "%B")]
            out.append(_parsed(f"date d{sep}mon{sep}{y}", f"[0-9]{{1,2}}{sep}{_MONTH}{sep}{digits}", spec))
    for comma in (",", ""):
        spec = [f"{m} %d{comma} %Y" for m in ("%b", "%B")]
        out.append(_parsed(f"date mon d{comma} Y", f"{_MONTH} [0-9]{{1,2}}{comma} {_YEAR}", spec))
    out += [
        _cast("timestamp iso", "timestamp[us]", "TIMESTAMP", f"{_ISO_DAY}[T ]{_ISO_CLOCK}"),
        _cast("timestamp zoned", "timestamp[us, tz=UTC]", "TIMESTAMPTZ", f"{_ISO_DAY}[T ]{_ISO_CLOCK}{_ZONE}"),
    ]
    return out


TEXT = Format("text", "string", "VARCHAR", "true", "@")
_BOOL = Format("bool", "bool", "BOOLEAN", "lower(@) IN ('true', 'false')", "(lower(@) = 'true')")
# In the order of choice: the first that a whole column fits is its format.
FORMATS: dict[str, Format] = {f.name: f for f in [*_numbers(), _BOOL, *_dates()]}
SIGNS = ("point", "group", "comma", "plain", *CURRENCIES)
BITS: dict[str, int] = {name: 1 << i for i, name in enumerate([*FORMATS, *SIGNS])}
PLAIN_NUMBERS = ("integer", "decimal", "grouped integer", "grouped decimal", "accounting")


def twin(name: str) -> str:
    """The format with day and month the other way round, or '' for one that has no such doubt."""
    return re.sub("dmy|mdy", lambda m: _OTHER[m[0]], name) if re.search("dmy|mdy", name) else ""


def _shapes() -> list[Shape]:
    money = tuple(f"money {s}" for s in CURRENCIES)
    grouped = ("grouped decimal", "accounting", *money)
    commas = ("decimal comma", *(f"money comma {s}" for s in CURRENCIES))
    plain = ("integer", "decimal", "grouped integer", *grouped, *commas)
    out = [
        Shape(_IS_SHORT_INT + " AND @ <> '-0'", plain, ("plain",)),
        Shape(_IS_INT, plain, ("plain",), check=True),
        Shape("@ = '-0'", ("decimal", *grouped, *commas), ("plain", "point")),
        Shape(_IS_SHORT_POINT, ("decimal", *grouped), ("point",)),
        Shape(_IS_POINT, ("decimal",), ("point",)),
        Shape(_NO_DIGIT, ("bool",), check=True),
        # '1E5' alone may be a code; a point or a sign in the exponent makes it a number.
        Shape(_IS_EXPONENT + " AND regexp_matches(@, '[.]|[eE][+-]')", ("decimal",), ("point",)),
        Shape(_IS_EXPONENT, ("decimal",)),
        Shape(f"{_IS_GROUPED_INT} AND {_FEW_DIGITS}", ("grouped integer", *grouped), ("group",)),
        Shape(_IS_GROUPED_INT, ("grouped integer",), ("group",)),
        Shape(_IS_GROUPED, grouped, ("group",)),
        Shape(f"{_IS_COMMA} AND contains(@, ',')", commas, ("comma",)),
        Shape(_IS_COMMA, commas),
        Shape(_is(_bracketed(_POINT)) + " AND regexp_matches(@, '[.,]')", ("accounting", *money), ("point",)),
        Shape(_is(_bracketed(_POINT)), ("accounting", *money)),
    ]  # fmt: skip
    for s in CURRENCIES:
        both = (f"money {s}", f"money comma {s}")
        out += [
            Shape(f"contains(@, '{s}') AND {_is(_money(_INT, s))}", both, (s,)),
            Shape(f"contains(@, '{s}') AND {_is(_money(_AMOUNT[s], s))}", both[:1], (s,)),
            Shape(f"contains(@, '{s}') AND {_is(_money(_COMMA, s))}", both[1:], (s,)),
        ]
    out += [
        Shape(_is(f"-?{_INT} ?%"), ("percent", "percent comma")),
        Shape(FORMATS["percent"].fits, ("percent",)),
        Shape(FORMATS["percent comma"].fits, ("percent comma",)),
    ]
    return out + _date_shapes()


def _date_shapes() -> list[Shape]:
    out = [Shape(FORMATS["date iso"].fits, ("date iso",))]
    for sep in SEPARATORS:
        for kind, y, clock in (("date", "Y", ""), ("date", "y", ""), ("timestamp", "Y", f" {_CLOCK}")):
            pair = (f"{kind} dmy {sep}{y}", f"{kind} mdy {sep}{y}")
            out.append(Shape(_full(numeric_day(sep, y) + clock), pair, check=True))
    days = [f for f in FORMATS.values() if re.match("date|timestamp", f.name)]
    return out + [Shape(f.fits, (f.name,)) for f in days if f.name != "date iso" and not twin(f.name)]


SHAPES: tuple[Shape, ...] = tuple(_shapes())


def is_null_token_sql(quoted: str, tokens: Sequence[str] = NULL_TOKENS) -> str:
    """SQL: this is one of the words (lower case) that files write where there is no value."""
    return f"(strlen({quoted}) <= 7 AND lower({quoted}) IN ({', '.join(literal(t) for t in tokens)}))"


def mask_sql(quoted: str, alive: int) -> str:
    """SQL of a BIGINT: the bits (`BITS`) of the ``alive`` formats that a value fits, and of the signs it shows.

    Null for no value and for a null token. The AND over a column is what all its values fit, the OR what they show.
    """
    cases = []
    for shape in SHAPES:
        worth = _worth(shape, alive)
        if shape.when == _NO_DIGIT:
            # No null token has a digit, so this is the one place to look for them.
            cases.append(f"WHEN {shape.when} THEN CASE WHEN {is_null_token_sql('@')} THEN NULL ELSE {worth or 0} END")
        elif worth:
            cases.append(f"WHEN {shape.when} THEN {worth}")
    return at(f"CASE WHEN @ IS NULL THEN NULL ELSE CAST(CASE {' '.join(cases)} ELSE 0 END AS BIGINT) END", quoted)


def _worth(shape: Shape, alive: int) -> str:
    names = [f for f in shape.formats if BITS[f] & alive]
    worth = [f"CASE WHEN {FORMATS[f].fits} THEN {BITS[f]} ELSE 0 END" if shape.check else str(BITS[f]) for f in names]
    return " + ".join([*worth, *(str(BITS[s]) for s in shape.signs)]) if names else ""


ENGINES = {
    "bool": "BOOLEAN", "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT",
    "uint8": "UTINYINT", "uint16": "USMALLINT", "uint32": "UINTEGER", "uint64": "UBIGINT",
    "float": "FLOAT", "double": "DOUBLE", "string": "VARCHAR", "binary": "BLOB", "date32[day]": "DATE",
    "timestamp[us]": "TIMESTAMP", "timestamp[us, tz=UTC]": "TIMESTAMPTZ", "timestamp[s]": "TIMESTAMP_S",
    "timestamp[ms]": "TIMESTAMP_MS", "timestamp[ns]": "TIMESTAMP_NS", "time64[us]": "TIME", "time64[ns]": "TIME_NS",
    "month_day_nano_interval": "INTERVAL",
}  # fmt: skip


def engine_name(kind: str) -> str:
    """DuckDB's name of an Arrow type (VARCHAR for one that text cannot become)."""
    if kind.startswith("list<"):
        return f"{engine_name(kind[5:-1].partition(': ')[2])}[]"
    return f"DECIMAL{kind[10:]}" if kind.startswith("decimal128") else ENGINES.get(kind, "VARCHAR")


def any_format(kind: str, *, unit: str = "", order: str = "") -> Format:
    """Every way to write a value of an Arrow type that means one thing by itself: what a dataset's column takes.

    '1,234' is a thousand, so no decimal comma; 03/04/2017 is no date unless ``order`` ('dmy', 'mdy') says which.
    ``unit`` narrows currencies to one sign, '%' to percentages.
    """
    engine = engine_name(kind)
    if engine in (fixed := {"VARCHAR": TEXT, "BOOLEAN": FORMATS["bool"]}):
        return fixed[engine]
    if engine in {"DATE", "TIMESTAMP"}:
        value = f"CAST({_any_day(kind, order)} AS {engine})"
    elif re.fullmatch("u?int[0-9]+", kind):
        value = _any_number(_INT_OR_GROUPED, engine, unit)
    elif engine.startswith("DECIMAL"):
        scale = int(kind[11:-1].split(",")[1])
        frac = f"[.][0-9]{{1,{scale}}}0*" if scale else "[.]0+"
        value = _any_number(f"(?:{_INT_OR_GROUPED}(?:{frac})?|{frac})", engine, unit)
    elif engine in {"DOUBLE", "FLOAT"}:
        value = _any_number(_POINT, engine, unit)
        percent = f"WHEN {FORMATS['percent'].fits} THEN {FORMATS['percent'].value}"
        value = f"CASE {percent} END" if unit == "%" else f"CASE {percent} ELSE {value} END"
    elif engine == "TIMESTAMPTZ":
        value = f"CASE WHEN {FORMATS['timestamp zoned'].fits} THEN TRY_CAST(@ AS TIMESTAMPTZ) END"
    else:
        value = f"TRY_CAST(@ AS {engine})"
    return Format("any", kind, engine, f"({value}) IS NOT NULL", f"({value})", unit)


_INT_OR_GROUPED = f"(?:{_INT}|{_GROUPED})"


def _any_number(number: str, engine: str, unit: str) -> str:
    signs = [unit] if unit else CURRENCIES
    money = [_money(_AMOUNT.get(s, _POINT) if number == _POINT else number, s) for s in signs]
    written = _full("|".join([f"-?{number}", _bracketed(number), *money]))
    body = "translate(@, '£$€ ,()-', '')"
    signed = f"concat(CASE WHEN contains(@, '-') OR contains(@, '(') THEN '-' ELSE '' END, {body})"
    if engine in {"DOUBLE", "FLOAT"}:
        plain = f"WHEN {_IS_POINT} OR {_IS_EXPONENT} THEN TRY_CAST(@ AS {engine})"
        return f"CASE {plain} WHEN {written} AND {_FEW_DIGITS} THEN TRY_CAST({signed} AS {engine}) END"
    return f"CASE WHEN {_IS_INT} THEN TRY_CAST(@ AS {engine}) WHEN {written} THEN TRY_CAST({signed} AS {engine}) END"


def _any_day(kind: str, order: str) -> str:
    same = [f for f in FORMATS.values() if f.type == kind or (kind == "timestamp[us]" and f.name == "date iso")]
    parts = [f"WHEN {f.fits} THEN {f.value}" for f in same if "dmy" not in f.name and "mdy" not in f.name]
    for f in same:
        if order and f" {order} " in f.name:
            parts.append(f"WHEN {f.fits} THEN {f.value}")
        elif not order and " dmy " in f.name:
            other = FORMATS[twin(f.name)]
            parts += [
                f"WHEN {f.fits} AND coalesce({other.value} = {f.value}, true) THEN {f.value}",
                f"WHEN {other.fits} AND NOT {f.fits} THEN {other.value}",
            ]
    return f"CASE {' '.join(parts)} END"
