"""``lh order``: from a coordinator's text to the workers it may be filled with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, PiiOption, app, workbench
from workbench.cli.progress import Bar
from workbench.cli.search import InOption, embedding
from workbench.cli.why import told
from workbench.errors import InvalidError

if TYPE_CHECKING:
    from workbench.search.answer import WhyNot
    from workbench.session import Workbench
    from workbench.staffing.order_search import OrderAnswer
    from workbench.staffing.orders import Order, Said

_CHIPS = {
    "role": "role", "count": "count", "city": "city", "state": "state", "shift": "shift", "start": "from", "end": "to",
    "pay": "pay", "client": "client", "exclude_last_time": "not last time's",
}  # fmt: skip
_LISTS = {"must": "must", "wishes": "wish", "must_not": "must not"}
_GUESS = 0.5


@app.command()
def order(
    text: Annotated[str, typer.Argument(help="The order as it came in; - reads it from stdin.")],
    dataset: InOption = "workers",
    k: Annotated[
        int | None, typer.Option("-k", min=1, help="How many; else three for each place, at least 10.")
    ] = None,
    why: Annotated[bool, typer.Option("--why/--no-why", help="Say why each is there.")] = False,
    model: Annotated[str, typer.Option(help="Model to read what the patterns leave: ollama/qwen3.")] = "",
    why_not: Annotated[str, typer.Option(help="Id of a worker: say what keeps him from this order.")] = "",
    show_pii: PiiOption = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Read a client's order and rank the workers who may fill it: papers, bookings and bans checked."""
    said = sys.stdin.read() if text == "-" else text
    if not said.strip():
        raise InvalidError(
            "The order is empty.", hint='lh order "3 forklift ops in Joliet, nights from Monday, OSHA-30"'
        )
    with workbench(lake) as wb, Bar() as bar:
        found = wb.order(said, k=k, model=model, dataset=dataset, show_pii=show_pii, on_progress=embedding(bar))
        asked = [_asked(wb, one, why_not) for one in found] if why_not else []
    if as_json:
        more = [{"why_not": one.to_dict() if one else None} for one in asked] or [{} for _ in found]
        show.json_out([one.to_dict() | extra for one, extra in zip(found, more, strict=True)])
    else:
        _told(found, asked, why=why)
    if not any(one.results for one in found):
        raise typer.Exit(1)


def _asked(wb: Workbench, one: OrderAnswer, row: str) -> WhyNot | None:
    return wb.why_not(row, one.results.query, **one.options) if one.results else None


def _told(found: tuple[OrderAnswer, ...], asked: list[WhyNot | None], *, why: bool) -> None:
    for number, one in enumerate(found, 1):
        if len(found) > 1:
            show.line(f"{'' if number == 1 else chr(10)}Order {number} of {len(found)}")
        chips(one.order)
        _cautions(one)
        if one.results:
            show.line("")
            show.results(one.results, why=why)
        if asked and (answer := asked[number - 1]):
            told(answer, {}, one.options["k"], {})


def chips(read: Order) -> None:
    """What was understood, each field with the words it came from."""
    rows = [
        (name, _value(said), f'"{_words(read, said)}"', "a guess" if said.sure < _GUESS else "")
        for name, said in _fields(read)
    ]
    if rows:
        show.table(["field", "value", "from", "sure"], rows, wrap=True)


def _fields(read: Order) -> Iterator[tuple[str, Said[Any]]]:
    for field, name in _CHIPS.items():
        if (said := getattr(read, field)) is not None:
            yield name, said
    for field, name in _LISTS.items():
        for said in getattr(read, field):
            yield name, said


def _value(said: Said[Any]) -> str:
    value = said.value
    if hasattr(value, "low"):
        return f"${value.low:.2f}" if value.low == value.high else f"${value.low:.2f} to ${value.high:.2f}"
    return "yes" if value is True else str(value)


def _words(read: Order, said: Said[Any]) -> str:
    return " ".join(read.text[slice(*said.span)].split())


def _cautions(one: OrderAnswer) -> None:
    """What was not understood, what is doubted, what could not be checked."""
    for said in one.order.unparsed:
        if not said.kind:
            show.caution(f'Not understood: "{_words(one.order, said)}"')
    aside = [f'{said.kind} "{_words(one.order, said)}"' for said in one.order.unparsed if said.kind]
    if aside:
        show.remark(f"set aside: {', '.join(aside)}")
    for doubt in (*one.order.doubts, *one.notes):
        show.caution(doubt)
