"""Tables as a notebook and a terminal show them."""

from __future__ import annotations

import datetime as dt
import html
import re
import threading
from decimal import Decimal
from types import SimpleNamespace

import pyarrow as pa
import pytest

from kernel_ext import bar, grid, style

TABLE = pa.table({
    "id": [1001, 1002, 1003],
    "role": ["Forklift <b>Operator</b>", None, "NULL"],
    "pay": [Decimal("21.50"), None, Decimal("9.00")],
    "rate": [0.5, 12.25, None],
    "since": [dt.date(2024, 1, 1), None, dt.date(2025, 2, 3)],
})  # fmt: skip


def cells(page: str) -> list[str]:
    return re.findall(r"<td[^>]*>(.*?)</td>", page)


def test_numbers_are_right_aligned_and_written_as_they_are() -> None:
    page = grid.to_html(TABLE)
    assert '<td class="n">1001</td>' in page
    assert '<td class="n">21.50</td>' in page
    assert '<td class="n">12.25</td>' in page
    assert '<th scope="col" class="n" title="id: int64">id</th>' in page
    assert '<th scope="col" title="role: string">role</th>' in page


def test_null_is_seen_and_is_not_the_word() -> None:
    page = grid.to_html(TABLE)
    assert page.count("<i>NULL</i>") == 4
    assert "<td>NULL</td>" in page


def test_no_value_is_read_as_html() -> None:
    table = pa.table({"<script>x</script>": ["<img src=x onerror=1>", '"><i>']})
    page = grid.to_html(table, caption="<u>", note=["<s>"], details=["<a>", ""])
    for tag in ("<script>", "<img", "<u>", "<s>", "<a>", '"><i>'):
        assert tag not in page.replace(f"<style>{style.CSS}</style>", "")


def test_long_text_is_cut_and_its_whole_is_in_the_title() -> None:
    text = "many words " * 20
    page = grid.to_html(pa.table({"t": [text, "short", "x" * 100_000]}))
    assert f'title="{text.strip()}"' in page
    assert "<td>short</td>" in page
    assert len(page) < len(style.CSS) + 5_000


def test_a_line_below_and_notes_above() -> None:
    page = grid.to_html(TABLE, caption="3 of 9 rows", note=["raw SQL inserted: {{x!sql}}"])
    assert page.index("raw SQL inserted") < page.index("<table") < page.index('<div class="lh-line">3 of 9 rows</div>')


def test_too_many_columns_are_counted_not_drawn() -> None:
    wide = pa.table({f"c{i}": [i] for i in range(250)})
    page = grid.to_html(wide, caption="1 row")
    assert page.count("<th ") == grid.COLUMNS
    assert "the first 100 of 250 columns are shown · 1 row" in page
    assert grid.to_text(wide, width=80).splitlines()[-1].endswith("more columns")


def test_a_row_opens_to_its_reasons() -> None:
    page = grid.to_html(TABLE, details=["words: forklift", "", "trade & city"])
    assert page.count("<details>") == 2
    assert page.count('<tr class="lh-why">') == 2
    assert "trade &amp; city" in page
    assert 'colspan="6"' in page
    with pytest.raises(ValueError, match="zip"):
        grid.to_html(TABLE, details=["one too few", ""])


@pytest.mark.parametrize("table", [pa.table({}), pa.table({"a": pa.array([], pa.int64())})], ids=["nothing", "no rows"])
def test_empty_answers_are_shown_too(table: pa.Table) -> None:
    assert "0 rows" in grid.to_html(table, caption="0 rows")
    assert grid.to_text(table, caption="0 rows").splitlines()[-1] == "0 rows"


def test_strange_types_are_text() -> None:
    table = pa.table({
        "list": [[1, 2], None], "map": [{"a": 1}, {"a": None}], "bytes": [b"\x00\xff", None], "bool": [True, None],
        "time": [dt.timedelta(hours=30), None], "dir": ["left\u202eright", "bell\x07"],
    })  # fmt: skip
    shown = html.unescape(" ".join(cells(grid.to_html(table))))
    for said in ("[1, 2]", '{"a": 1}', "base64:AP8=", "true"):
        assert said in shown
    assert "\u202e" not in shown
    assert "\x07" not in shown


def test_the_style_asks_no_other_host_and_takes_its_colours_from_the_theme() -> None:
    assert "url(" not in style.CSS
    assert "@import" not in style.CSS
    # Each colour written out is a fallback inside var(…).
    bare = re.sub(r"var\([^()]*(?:\([^()]*(?:\([^()]*\)[^()]*)*\)[^()]*)*\)", "", style.CSS)
    assert re.findall(r"#[0-9a-f]{3,6}\b|rgb", bare) == []


def test_a_terminal_gets_plain_text_within_its_width() -> None:
    text = grid.to_text(TABLE, caption="3 rows", note=["a note"], width=60)
    lines = text.splitlines()
    assert lines[0] == "a note"
    assert lines[1].split() == ["id", "role", "pay", "rate", "since"]
    assert lines[-1] == "3 rows"
    assert max(map(len, lines)) <= 60
    assert "\x1b" not in text
    narrow = grid.to_text(TABLE, caption="3 rows", width=30)
    assert narrow.splitlines()[-1] == "3 more columns · 3 rows"


def test_a_plan_keeps_its_spaces_and_is_not_html() -> None:
    page = grid.text_to_html("scan <t>\n    rows", caption="below")
    assert ">scan &lt;t&gt;\n    rows</pre>" in page


@pytest.mark.parametrize(
    ("done", "total", "elapsed_s", "said"),
    [
        (0, 0, 3.14, "query · 3.1 s"),
        (1, 100, 1.0, "query 1 % · 1.0 s"),
        (25, 100, 2.0, "query 25 % · 2.0 s · about 6 s left"),
        (150, 100, 2.0, "query 100 % · 2.0 s"),
    ],
)
def test_a_bar_says_what_it_knows(done: float, total: float, elapsed_s: float, said: str) -> None:
    assert bar.to_text("query", done, total, elapsed_s, bar=False) == said
    page = bar.to_html("query", done, total, elapsed_s)
    assert said in page
    assert ("value=" in page) == bool(total)


def test_a_number_that_is_shown_shorter_has_all_its_digits_in_the_title() -> None:
    page = grid.to_html(pa.table({"f": [0.123456789, 0.5, float("nan"), float("inf"), None], "n": [1, 2, 3, 4, 5]}))
    assert 'title="0.123456789">0.1235<' in page
    assert page.count('title="') == 3  # that one, and the two headers'


def test_the_bar_names_its_stage_before_the_work_says_anything() -> None:
    said: list[str] = []
    seen = threading.Event()

    def publish(data: dict[str, str], **_: object) -> None:
        said.append(data.get("text/plain", ""))
        seen.set()

    shell = SimpleNamespace(
        kernel=object(), parent_header={"metadata": {"cellId": "a"}}, display_pub=SimpleNamespace(publish=publish)
    )
    with bar.Bar(shell, "plot"):  # type: ignore[arg-type]
        assert seen.wait(10)
    assert said[0].startswith("plot · ")
    assert said[-1] == ""
