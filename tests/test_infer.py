"""Types of text columns: what a careful person would type, and text wherever there is doubt."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from workbench.errors import InvalidError, NotFoundError
from workbench.lake.loading import infer
from workbench.lake.sql.engine import connect
from workbench.lake.tables.mapping import quote


@pytest.fixture(scope="module")
def con():
    with connect() as opened:
        yield opened


def plan(con, values, name="x", **options):
    con.register("given", pa.table({name: pa.array(values, pa.string())}))
    return infer.plan_columns(con, "given", [name], **options)[0]


def read(con, plan, values):
    """The values as the loader would store them; AssertionError if it would say that one does not fit."""
    con.register("given", pa.table({"x": pa.array(values, pa.string())}))
    made = f"SELECT x, {infer.value_sql(plan, quote('x'))} AS v FROM given"
    odd = infer.odd_sql(plan, quote("x"), "v") if infer.can_misfit(plan) else "false"
    assert con.sql(f"SELECT count(*) FROM ({made}) WHERE {odd}").fetchall() == [(0,)], "misfit"
    return con.sql(f"SELECT v FROM ({made})").to_arrow_table().column(0).to_pylist()


at = dt.datetime.fromisoformat
INT, DOUBLE, TEXT, DATE = "int64", "double", "string", "date32[day]"


@pytest.mark.parametrize(
    ("values", "kind", "want"),
    [
        (["1", "-2", None], INT, [1, -2, None]),
        (["9223372036854775807", "-9223372036854775808"], INT, [2**63 - 1, -(2**63)]),
        (["9223372036854775808", "1"], TEXT, None),
        (["007", "12"], TEXT, None),
        (["-0", "1"], DOUBLE, [0.0, 1.0]),
        (["+1", "2"], TEXT, None),
        (["1.50", "2"], DOUBLE, [1.5, 2.0]),
        (["0.30000000000000004", "1.5"], DOUBLE, [0.30000000000000004, 1.5]),
        (["0.3000000000000000412345", "1.5"], TEXT, None),
        (["0.30000000000000001", "1.5"], TEXT, None),
        (["£9,007,199,254,740,993", "£1"], TEXT, None),
        (["9007199254740993", "1.5"], TEXT, None),
        (["1234567890123456789", "1.5"], TEXT, None),
        (["1e-05", "2.5E3"], DOUBLE, [1e-05, 2500.0]),
        (["1e-400", "1.5"], TEXT, None),
        (["1e999", "1.5"], TEXT, None),
        (["1E5", "2E7"], TEXT, None),
        (["nan", "1.5"], TEXT, None),
        (["1,234", "12"], INT, [1234, 12]),
        (["1,234.50", "-2"], DOUBLE, [1234.5, -2.0]),
        (["12,34", "1,234"], TEXT, None),
        (["1.234,56", "7,5", "-1.000.000,00"], DOUBLE, [1234.56, 7.5, -1000000.0]),
        (["(12.50)", "3"], DOUBLE, [-12.5, 3.0]),
        (["(1)", "(2)"], TEXT, None),
        (["£1,234.50", "-£5", "(£7)", "8"], DOUBLE, [1234.5, -5.0, -7.0, 8.0]),
        (["$5", "£5"], TEXT, None),
        (["€1.234", "€5"], TEXT, None),
        (["45%", "-12.3 %"], DOUBLE, [0.45, -0.123]),
        (["45%", "3"], TEXT, None),
        (["true", "False", "TRUE"], "bool", [True, False, True]),
        (["yes", "no"], TEXT, None),
        (["Y", "N"], TEXT, None),
        (["0", "1"], INT, [0, 1]),
        (["2024-02-29", "0001-01-01"], DATE, [dt.date(2024, 2, 29), dt.date(1, 1, 1)]),
        (["2023-02-29", "2024-01-01"], TEXT, None),
        (["14/07/2017", "01/02/2017"], DATE, [dt.date(2017, 7, 14), dt.date(2017, 2, 1)]),
        (["07/14/2017", "01/02/2017"], DATE, [dt.date(2017, 7, 14), dt.date(2017, 1, 2)]),
        (["14/07/2017", "07/14/2017"], TEXT, None),
        (["13.04.16", "01.02.99"], DATE, [dt.date(2016, 4, 13), dt.date(1999, 2, 1)]),
        (["1.13.10", "1.2.3"], TEXT, None),
        (["5-Jan-2016", "06-FEBRUARY-2016"], DATE, [dt.date(2016, 1, 5), dt.date(2016, 2, 6)]),
        (["March 5, 2016", "Apr 6, 2016"], DATE, [dt.date(2016, 3, 5), dt.date(2016, 4, 6)]),
        (["2016", "2017"], INT, [2016, 2017]),
        (["08:30", "09:15"], TEXT, None),
        (["2016-01-02T03:04:05.5", "2016-01-02 03:04"], "timestamp[us]",
         [at("2016-01-02T03:04:05.5"), at("2016-01-02T03:04")]),
        (["2016-01-02 03:04:05.1234567"], TEXT, None),
        (["01/31/2016 3:04 PM", "01/02/2016 11:00 am"], "timestamp[us]",
         [at("2016-01-31T15:04"), at("2016-01-02T11:00")]),
        (["2016-01-02T03:04:05Z", "2016-01-02T03:04:05+02:00"], "timestamp[us, tz=UTC]",
         [dt.datetime(2016, 1, 2, 3, 4, 5, tzinfo=dt.UTC), dt.datetime(2016, 1, 2, 1, 4, 5, tzinfo=dt.UTC)]),
        (["2016-01-02T03:04:05Z", "2016-01-02T03:04:05"], TEXT, None),
        (["١٢", "3"], TEXT, None),
        (["−5", "3"], TEXT, None),
        (["1\u00a0234", "3"], TEXT, None),
        ([" 5", "3"], TEXT, None),
        ([None, None], TEXT, None),
        (["N/A", "-"], TEXT, None),
        (["Nil", "3"], TEXT, None),
        ([], TEXT, None),
    ],
)  # fmt: skip
def test_values_decide_the_type(con, values, kind, want):
    made = plan(con, values)
    assert made.type == kind
    assert read(con, made, values) == (values if want is None else want)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("Phone", ["3125550100"], TEXT), ("mobile_no", ["1"], TEXT), ("homeZip", ["60601"], TEXT), ("SSN", ["1"], TEXT),
        ("postal code", ["60601"], TEXT), ("id", ["3", "1"], INT), ("worker_id", ["7"], INT), ("workerId", ["7"], INT),
        ("worker_id", ["007", "12"], TEXT), ("id", ["1.5"], TEXT), ("paid", ["1.5"], DOUBLE),
        ("Transaction number", ["5100080972"], TEXT), ("Doc Nbr", ["5", "6"], TEXT), ("Line Number", ["1", "2"], INT),
        ("Line No", ["2", "3", "1"], INT), ("Line No", ["1", "3", "3"], TEXT),
        ("Number of Posts in FTE", ["4.00"], DOUBLE),
        ("No. of accounts", ["4"], INT), ("Total number of toilets", ["10", "7"], INT), ("cost code", ["4100"], TEXT),
        ("Merchant Category Code (MCC)", ["9399"], TEXT), ("account", ["12"], TEXT), ("Account balance", ["12"], INT),
        ("phone_calls", ["3", "9"], INT), ("zip count", ["3"], INT), ("Number", ["3", "5"], INT),
    ],
)  # fmt: skip
def test_names_keep_codes_as_text_and_quantities_as_numbers(con, name, values, kind):
    assert plan(con, values, name).type == kind


def test_units_come_from_the_values_or_the_header(con):
    assert plan(con, ["£5", "6"]).unit == "£"
    assert plan(con, ["5%"]).unit == "%"
    assert plan(con, ["49007"], "Payscale Minimum (£)").unit == "£"
    assert plan(con, ["many"], "Payscale Minimum (£)").unit == ""


def test_null_tokens_are_told_and_only_in_typed_columns(con):
    values = ["N/A", "3", "-", "..", ":", "*", "null", None]
    made = plan(con, values)
    assert (made.type, made.null_tokens) == (INT, ("*", "-", "..", ":", "n/a", "null"))
    assert all(repr(token) in made.note for token in made.null_tokens)
    assert read(con, made, values) == [None, 3, *[None] * 6]
    words = plan(con, ["N/A", "three"])
    assert (words.type, words.null_tokens, words.note) == (TEXT, (), "")


def test_dates_in_doubt_stay_text_with_both_ways_out(con):
    made = plan(con, ["01/02/2017", "03/03/2017"], "start day")
    assert made.type == TEXT
    assert "--type 'start day=date dmy'" in made.note
    assert "--type 'start day=date mdy'" in made.note
    for word, want in (("date dmy", dt.date(2017, 2, 1)), ("date mdy", dt.date(2017, 1, 2))):
        assert read(con, plan(con, ["01/02/2017"], types={"x": word}), ["01/02/2017"]) == [want]
    with pytest.raises(InvalidError, match="2 values cannot be read as date32") as doubt:
        plan(con, ["01/02/2017", "03/04/2017"], types={"x": "date"})
    assert "date dmy" in doubt.value.hint


@pytest.mark.parametrize("late", ["late", "007", "1.5"])
@pytest.mark.parametrize("row", [255, 256, 20_000, 30_000])
def test_a_late_value_is_never_lost(con, late, row):
    values = [str(i + 5) for i in range(30_001)]
    values[row] = late
    whole = plan(con, values)
    assert whole.type == (DOUBLE if late == "1.5" else TEXT)
    first = plan(con, values, sample_rows=20_000)
    if row >= 20_000:
        assert first.type == INT
        with pytest.raises(AssertionError, match="misfit"):
            read(con, first, values)
    got = read(con, whole, values)
    assert got[row] == (1.5 if late == "1.5" else late)
    assert got.count(None) == 0


def test_a_late_day_decides_the_order_of_all(con):
    values = ["01/02/2017"] * 30_000 + ["13/02/2017"]
    first = plan(con, values, sample_rows=20_000)
    assert not infer.settled([first])
    assert plan(con, values).format == "date dmy /Y"


def test_plans_of_the_first_rows_are_settled_only_when_others_can_only_refute_them(con):
    assert infer.settled([plan(con, [str(i + 5) for i in range(300)], sample_rows=300)])
    assert infer.settled([plan(con, ["word"] * 300, sample_rows=300)])
    assert not infer.settled([plan(con, [None] * 300, sample_rows=300)])
    counter = [str(i + 1) for i in range(300)]
    assert not infer.settled([plan(con, counter, "line no", sample_rows=300)])
    assert plan(con, [*counter, "7"], "line no").type == TEXT


@pytest.mark.parametrize(
    ("word", "engine"),
    [("text", "VARCHAR"), ("int", "BIGINT"), ("Double", "DOUBLE"), ("decimal(18,2)", "DECIMAL(18, 2)"),
     ("bool", "BOOLEAN"),
     ("date dmy", "DATE"), ("dmy", "DATE"), ("timestamp mdy", "TIMESTAMP"), ("timestamp[us, tz=UTC]", "TIMESTAMPTZ"),
     ("int32", "INTEGER")],
)  # fmt: skip
def test_words_for_types(word, engine):
    assert infer.engine_word(word) == engine


@pytest.mark.parametrize("word", ["", "txt", "decimal(40,2)", "decimal(2,3)", "int dmy", "text; DROP"])
def test_unknown_words_are_refused(con, word):
    with pytest.raises(InvalidError, match="is no type"):
        infer.engine_word(word)


def test_types_asked_for_are_given_or_refused(con):
    assert plan(con, ["60601"], "zip", types={"zip": "int"}).type == INT
    assert plan(con, ["5"], types={"x": "text"}).type == TEXT
    assert plan(con, ["5"], text=True).type == TEXT
    assert read(con, plan(con, ["1.25", "2"], types={"x": "decimal(9,2)"}), ["1.25"])[0].as_tuple().exponent == -2
    assert read(con, plan(con, ["7,5", "1.234,5"], types={"x": "double"}), ["7,5"]) == [7.5]
    with pytest.raises(InvalidError, match="1 value cannot be read as int64"):
        plan(con, ["5", "five"], types={"x": "int"})
    with pytest.raises(InvalidError, match="1 value cannot be read as decimal128"):
        plan(con, ["1.255"], types={"x": "decimal(9,2)"})
    with pytest.raises(NotFoundError, match="'y'"):
        plan(con, ["5"], types={"y": "int"})


@pytest.mark.parametrize(
    ("kind", "text", "want"),
    [
        (INT, "1,234", 1234), (INT, "-", None), (INT, "", None), (INT, "(5)", -5), ("int8", "127", 127),
        (DOUBLE, "£5.50", 5.5), (DOUBLE, "45%", 0.45), (DOUBLE, "1e3", 1000.0),
        (DOUBLE, "0.30000000000000004", 0.1 + 0.2),
        (DATE, "14/07/2017", dt.date(2017, 7, 14)), (DATE, "07/14/2017", dt.date(2017, 7, 14)),
        (DATE, "05/05/2017", dt.date(2017, 5, 5)), ("bool", "TRUE", True), (TEXT, "N/A", "N/A"),
        ("timestamp[us]", "2016-01-02", at("2016-01-02")),
        ("time64[us]", "08:30:00", dt.time(8, 30)), ("list<element: int64>", "[1, 2]", [1, 2]),
    ],
)  # fmt: skip
def test_a_datasets_column_takes_every_plain_way_of_writing(con, kind, text, want):
    made = infer.plan_for("x", kind)
    assert made.type == kind
    assert read(con, made, [text, None]) == [want, None]


@pytest.mark.parametrize(
    ("kind", "text"),
    [(INT, "007"), (INT, "1.5"), (INT, "x"), ("int8", "128"), ("uint8", "-1"), (DOUBLE, "1,5"), (DOUBLE, "€1.234"),
     (DATE, "01/02/2017"),
     ("bool", "yes"), ("decimal128(9, 2)", "1.255"), ("timestamp[us, tz=UTC]", "2016-01-02 03:04:05")],
)  # fmt: skip
def test_what_a_datasets_column_does_not_take_is_loud(con, kind, text):
    made = infer.plan_for("x", kind)
    con.register("given", pa.table({"x": [text]}))
    assert con.execute(f"SELECT {infer.fits_sql(made, 'x')} FROM given").fetchall() == [(False,)]
    with pytest.raises(AssertionError, match="misfit"):
        read(con, made, [text])


def test_a_unit_narrows_the_amounts_and_an_order_the_dates(con):
    assert read(con, infer.plan_for("x", DATE, order="mdy"), ["01/02/2017"]) == [dt.date(2017, 1, 2)]
    with pytest.raises(AssertionError, match="misfit"):
        read(con, infer.plan_for("x", DOUBLE, unit="£"), ["$5"])
    with pytest.raises(AssertionError, match="misfit"):
        read(con, infer.plan_for("x", DOUBLE, unit="%"), ["5"])


def test_odd_column_names_are_quoted(con):
    for name in ('a"b', "it's", "a@b", "select", "Größe (€)"):
        made = plan(con, ["1", "2"], name)
        got = con.execute(f"SELECT {infer.value_sql(made, quote(name))} FROM given").fetchall()
        assert got == [(1,), (2,)]


def test_columns_of_one_file_do_not_disturb_each_other(con):
    names = [f"c{i}" for i in range(40)]
    kinds = [("3", INT), ("x", TEXT), ("1.5", DOUBLE), ("true", "bool")]
    con.register("wide", pa.table({n: [kinds[i % 4][0]] * 300 for i, n in enumerate(names)}))
    made = infer.plan_columns(con, "wide", names)
    assert [(p.name, p.type) for p in made] == [(n, kinds[i % 4][1]) for i, n in enumerate(names)]
