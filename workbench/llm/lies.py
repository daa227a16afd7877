"""The ways in which a model lies about a fill, one function each: what the loop and the validators must withstand.

>>> from workbench.llm.scripted import Scripted
>>> stock = Stock(good=[{"candidate_id": "W-1", "name": "Ann Ray"}], count=1)
>>> model = Scripted([LIES["phantom id"](stock), honest(stock)])     # lies once, then tells the truth
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Fill = Mapping[str, Any]
"""``{"candidate_id", "name"}``."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What a liar knows. ``good``: people that fit, at least ``count``; ``elsewhere`` and ``inactive``: real ones that
    do not. ``phantom``: an id that nobody has.
    """

    good: Sequence[Fill]
    count: int
    elsewhere: Sequence[Fill] = ()
    inactive: Sequence[Fill] = ()
    phantom: str = "W-987654321"


def honest(stock: Stock) -> str:
    """The first that fit, as many as are asked for."""
    return _said(stock.good[: stock.count])


def _phantom_id(stock: Stock) -> str:
    return _last(stock, {"candidate_id": stock.phantom, "name": "Pat Nobody"})


def _wrong_city(stock: Stock) -> str:
    return _last(stock, stock.elsewhere[0])


def _inactive(stock: Stock) -> str:
    return _last(stock, stock.inactive[0])


def _duplicate(stock: Stock) -> str:
    return _said([*stock.good[: max(1, stock.count - 1)], stock.good[0]])


def _other_name(stock: Stock) -> str:
    return _last(stock, {**stock.good[stock.count - 1], "name": "Somebody Else"})


def _short_count(stock: Stock) -> str:
    return _said(stock.good[: stock.count - 1])


def _prose(stock: Stock) -> str:
    names = " and ".join(str(fill["name"]) for fill in stock.good[: stock.count])
    return f"Certainly! For this order I would send {names}; they are all reliable. Shall I write to them?"


def _cut_off(stock: Stock) -> str:
    text = honest(stock)
    return text[: len(text) - 12]


def _ssn(stock: Stock) -> str:
    return _last(stock, {**stock.good[stock.count - 1], "reason": "Ready to start; SSN 219-09-9999 is on file."})


LIES: Mapping[str, Callable[[Stock], str]] = {
    "phantom id": _phantom_id,
    "wrong city": _wrong_city,
    "inactive": _inactive,
    "duplicate": _duplicate,
    "other name": _other_name,
    "short count": _short_count,
    "prose without JSON": _prose,
    "cut-off JSON": _cut_off,
    "SSN in text": _ssn,
}
"""By name. A model that repeats itself is a script that does: ``Scripted([lie], again=True)``."""


def _last(stock: Stock, lie: Fill) -> str:
    """The truth but for the last one: a lie among good items is the hardest to see."""
    return _said([*stock.good[: stock.count - 1], lie])


def _said(fills: Sequence[Fill]) -> str:
    return json.dumps({"fills": [dict(fill) for fill in fills]}, ensure_ascii=False)
