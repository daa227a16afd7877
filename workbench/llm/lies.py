"""The ways in which a model lies about a fill, one function each: what the loop and the validators must withstand.

>>> from workbench.llm.scripted import Scripted
>>> stock = Stock(good=[{"candidate_id": "W-1", "name": "Ann Ray"}], count=1)
>>> model = Scripted([LIES["phantom id"](stock), honest(stock)])     # lies once, then tells the truth
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

Fill = Mapping[str, Any]
"""``{"candidate_id", "name"}``."""


@dataclass(frozen=True, slots=True)
class Stock:
    """What a liar knows. ``good``: people that fit, at least ``count``; ``elsewhere`` and ``inactive``: real ones that
    do not; ``misfits``: others that do not, by what keeps them out. ``phantom``: an id that nobody has.
    """

    good: Sequence[Fill]
    count: int
    elsewhere: Sequence[Fill] = ()
    inactive: Sequence[Fill] = ()
    misfits: Mapping[str, Fill] = field(default_factory=dict)
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


def _own_context(stock: Stock) -> str:
    """It would rather be judged by an order that its one phantom fits."""
    phantom = {"candidate_id": stock.phantom, "name": "Pat Nobody"}
    context = {"target_count": 1, "client_id": None, "role": None, "city": None}
    return json.dumps({"fills": [phantom], "_context": context, "validated": True})


def _look_alike(stock: Stock) -> str:
    """The id of a good one, but for a hyphen that only looks like one."""
    good = stock.good[stock.count - 1]
    return _last(stock, {**good, "candidate_id": str(good["candidate_id"]).replace("-", "\u2011")})


def _leading_zero(stock: Stock) -> str:
    good = stock.good[stock.count - 1]
    return _last(stock, {**good, "candidate_id": str(good["candidate_id"]).replace("-", "-0")})


def _number_for_id(stock: Stock) -> str:
    return _last(stock, {**stock.good[stock.count - 1], "candidate_id": 17})


def _no_id(stock: Stock) -> str:
    return _last(stock, {"name": stock.good[stock.count - 1]["name"]})


def _no_list(stock: Stock) -> str:
    return json.dumps({"fills": {"0": dict(stock.good[0])}})


def _nobody(_stock: Stock) -> str:
    return _said([])


def _too_many(stock: Stock) -> str:
    return _said([*stock.good[: stock.count], {"candidate_id": stock.phantom, "name": "Pat Nobody"}])


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
    "a context of its own": _own_context,
    "look-alike id": _look_alike,
    "id with a leading zero": _leading_zero,
    "number for an id": _number_for_id,
    "no id": _no_id,
    "no list": _no_list,
    "nobody": _nobody,
    "one too many": _too_many,
}
"""By name. A model that repeats itself is a script that does: ``Scripted([lie], again=True)``."""


def all_lies(stock: Stock) -> Mapping[str, Callable[[Stock], str]]:
    """`LIES`, and one for each kind of misfit that the stock holds."""
    return {**LIES, **{why: partial(_misfit, why) for why in stock.misfits}}


def _misfit(why: str, stock: Stock) -> str:
    return _last(stock, stock.misfits[why])


def _last(stock: Stock, lie: Fill) -> str:
    """The truth but for the last one: a lie among good items is the hardest to see."""
    return _said([*stock.good[: stock.count - 1], lie])


def _said(fills: Sequence[Fill]) -> str:
    return json.dumps({"fills": [dict(fill) for fill in fills]}, ensure_ascii=False)
