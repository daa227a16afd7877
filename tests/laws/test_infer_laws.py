"""Laws of type inference, against a plain Python oracle: nothing is lost; one value that does not fit makes text."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.lake.loading import formats, infer
from workbench.lake.sql.engine import connect

few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def con():
    with connect() as opened:
        yield opened


def give(con, values):
    con.register("given", pa.table({"x": pa.array(values, pa.string())}))


def planned(con, values):
    give(con, values)
    return infer.plan_columns(con, "given", ["x"])[0]


def cast(con, plan, values):
    give(con, values)
    made = f"SELECT x, {infer.value_sql(plan, 'x')} AS v FROM given"
    odd = infer.odd_sql(plan, "x", "v") if infer.can_misfit(plan) else "false"
    assert con.sql(f"SELECT count(*) FROM ({made}) WHERE {odd}").fetchall() == [(0,)], "misfit"
    return con.sql(f"SELECT v FROM ({made})").to_arrow_table().column(0).to_pylist()


# ── the oracle ───────────────────────────────────────────────────────────────────────────────────────────────────────


def number(text: str, *, comma: bool = False) -> Decimal:
    """What the text says, exactly."""
    minus = "-" in re.sub(r"[eE]-", "", text) or "(" in text
    digits = re.sub(r"[£$€%() ]|^-|-$", "", text).replace("-", "" if "e" not in text.casefold() else "-")
    digits = digits.replace(".", "").replace(",", ".") if comma else digits.replace(",", "")
    value = Decimal(digits) / (100 if text.endswith("%") else 1)
    return -value if minus else value


def day(text: str, order: str) -> dt.date:
    a, b, year = (int(part) for part in re.split(r"[/.-]", text))
    year += 0 if year > 99 else 1900 if year >= 69 else 2000
    return dt.date(year, b, a) if order == "dmy" else dt.date(year, a, b)


def expected(plan, text):
    if plan.type == "int64":
        return int(number(text))
    if plan.type == "double":
        return float(number(text, comma="comma" in plan.format))
    if plan.type == "bool":
        return {"true": True, "false": False}[text.casefold()]
    if plan.type == "date32[day]":
        return dt.date.fromisoformat(text) if plan.format == "date iso" else day(text, plan.format.split()[1])
    if plan.type == "timestamp[us]":
        return dt.datetime.fromisoformat(text)
    assert plan.type == "string"
    return text


# ── what files hold ──────────────────────────────────────────────────────────────────────────────────────────────────

whole = st.integers(-(2**63), 2**63 - 1)
small = st.integers(-999_999_999, 999_999_999)
cents = small.map(lambda n: Decimal(n) / 100)
days = st.dates(dt.date(1000, 1, 1))


def european(value: Decimal) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


KINDS = {
    "integers": whole.map(str),
    "decimals": cents.map(lambda v: f"{v:.2f}"),
    "doubles": st.floats(allow_nan=False, allow_infinity=False).map(repr),
    "grouped": small.map(lambda n: f"{n:,}"),
    "grouped decimals": cents.map(lambda v: f"{v:,.2f}"),
    "european": cents.map(european),
    "pounds": cents.map(lambda v: f"-£{-v:,.2f}" if v < 0 else f"£{v:,.2f}"),
    "brackets": cents.map(lambda v: f"({-v:,.2f})" if v < 0 else f"{v:,.2f}"),
    "euros": cents.map(lambda v: f"{european(v)} €"),
    "percent": cents.map(lambda v: f"{v:.2f}%"),
    "bools": st.sampled_from(["true", "false", "TRUE", "False"]),
    "iso days": days.map(dt.date.isoformat),
    "dmy": days.map(lambda d: f"{d.day:02}/{d.month:02}/{d.year}"),
    "mdy": days.map(lambda d: f"{d.month}/{d.day}/{d.year}"),
    "timestamps": st.datetimes(dt.datetime.fromisoformat("1000-01-01")).map(lambda t: t.isoformat(" ")),
}
columns = st.sampled_from(sorted(KINDS)).flatmap(lambda kind: st.lists(KINDS[kind], min_size=1, max_size=30))
odd = st.sampled_from(
    ["007", "00.5", "1,23,456", "12a", "−5", "1\u00a0000", "٣", " 5", "5 ", "1e400", "31/02/2020", "2020-02-30", "Yes",
     "1..2", "--3", "(5", "£", "%", "1.2.3.4", "123456789012345678901", "0x1F", "1_000", "inf", "NaN", "24:00"]
)  # fmt: skip
pieces = st.text("0123456789.,-()/ :£$€%eETZ+ajnJAN", min_size=1, max_size=14)


@few
@given(values=columns)
def test_every_value_accepted_is_what_the_text_says(con, values):
    plan = planned(con, values)
    assert cast(con, plan, values) == [expected(plan, v) for v in values]


@few
@given(kind=st.sampled_from(["integers", "decimals", "doubles", "iso days", "timestamps"]), data=st.data())
def test_plain_columns_are_typed_and_written_back_to_the_same_value(con, kind, data):
    values = data.draw(st.lists(KINDS[kind], min_size=2, max_size=30))
    plan = planned(con, values)
    got = cast(con, plan, values)
    if kind == "integers":
        assert (plan.type, [str(v) for v in got]) == ("int64", values)
    elif kind == "iso days":
        assert (plan.type, [v.isoformat() for v in got]) == ("date32[day]", values)
    elif kind == "timestamps":
        assert (plan.type, [v.isoformat(" ") for v in got]) == ("timestamp[us]", values)
    elif plan.type != "string":  # doubles such as 1e+22 alone may be codes
        assert [Decimal(repr(v)) for v in got] == [Decimal(v) for v in values]


@few
@given(values=columns, misfit=odd, data=st.data())
def test_one_value_that_does_not_fit_makes_the_column_text(con, values, misfit, data):
    at = data.draw(st.integers(0, len(values)))
    mixed = [*values[:at], misfit, *values[at:]]
    plan = planned(con, mixed)
    assert plan.type == "string"
    assert cast(con, plan, mixed) == mixed


@few
@given(values=st.lists(pieces, min_size=1, max_size=60))
def test_the_quick_look_agrees_with_every_formats_own_test(con, values):
    give(con, values)
    every = sum(formats.BITS[name] for name in formats.FORMATS)
    tests = ", ".join(f"coalesce({formats.at(f.fits, 'x')}, false)" for f in formats.FORMATS.values())
    rows = con.execute(f"SELECT x, {formats.mask_sql('x', every)}, {tests} FROM given").fetchall()
    for text, mask, *fits in rows:
        want = {name for name, ok in zip(formats.FORMATS, fits, strict=True) if ok}
        assert {name for name in formats.FORMATS if (mask or 0) & formats.BITS[name]} == want, text


@few
@given(values=st.lists(pieces, min_size=1, max_size=60), kind=st.sampled_from(["int64", "double", "date32[day]"]))
def test_fits_and_cast_agree_for_any_text(con, values, kind):
    plan = infer.plan_for("x", kind)
    give(con, values)
    fits = [row[0] for row in con.execute(f"SELECT {infer.fits_sql(plan, 'x')} FROM given").fetchall()]
    assert None not in fits
    good = [v for v, ok in zip(values, fits, strict=True) if ok]
    for text, value in zip(good, cast(con, plan, good), strict=True):
        assert (value is None) == (text.casefold() in formats.NULL_TOKENS)


@few
@given(values=columns, tokens=st.lists(st.sampled_from(["N/A", "-", "null", "..", "*"]), min_size=1, max_size=4))
def test_null_tokens_change_no_type_and_become_null(con, values, tokens):
    before, after = planned(con, values), planned(con, [*values, *tokens])
    assert after.type == before.type
    if after.type != "string":
        assert cast(con, after, [*values, *tokens]) == [*cast(con, before, values), *[None] * len(tokens)]
        assert set(after.null_tokens) == {t.casefold() for t in tokens}
