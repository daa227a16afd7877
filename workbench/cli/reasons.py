"""The answer of a search in words: why each row is there, how so few were left, and how fresh they are."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.search.answer import Freshness, Results
    from workbench.search.ranking.hits import Hit

_SHORTEST = 40  # columns of text that a narrow terminal gets at least
_TRADES = 3
_LEAST_SHARE = 0.005  # shown with two decimals
_HARD = "\u00a0"


def hit_lines(place: int, hit: Hit, width: int | None, *, trade: bool = True) -> list[str]:
    """The reasons of a hit, numbered, and below its text around the words; no ``width``: as long as they are.

    Place 0 is a row by itself: it has no number, and its ranks say nothing. Without ``trade`` its trade is not named,
    as it is that of all.
    """
    number = f"{place:>3}. " if place else "  "
    room = max((width or 10_000) - len(number), _SHORTEST)
    said = reasons(hit, trade=trade, ranks=place > 0)
    out = textwrap.wrap(said, room, break_long_words=False, break_on_hyphens=False)
    if hit.snippet:
        out.append(cut(hit.snippet, room, hit.matched))
    return [f"{' ' * len(number) if i else number}{text.replace(_HARD, ' ')}" for i, text in enumerate(out)]


def reasons(hit: Hit, *, trade: bool = True, ranks: bool = True) -> str:
    """``has welder, tig · trade welder · words 0.51 (1st) + trade 0.11 + meaning 0.08 (7th)``: the score as a sum.

    The spaces within a term are hard ones, where no line breaks.
    """
    shares = sorted((p for p in hit.parts if p.share >= _LEAST_SHARE), key=lambda p: -p.share)
    terms = (f"{p.name} {p.share:.2f}{f' ({ordinal(p.rank)})' if p.rank and ranks else ''}" for p in shares)
    total = f" +{_HARD}".join(term.replace(" ", _HARD) for term in terms)
    named = [f"trade {short_trade(hit)}"] if hit.trade and trade else []
    words = f"has {', '.join(hit.matched)}" if hit.matched else "no shared word"
    return " · ".join([words, *named, total or "nothing speaks for it"])


def short_trade(hit: Hit) -> str:
    """What a hit's trade is called, without the occupation that it means."""
    return hit.trade.partition(" = ")[0]


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 11th."""
    end = "th" if number % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{end}"


def cut(text: str, room: int, words: tuple[str, ...] = ()) -> str:
    """At most ``room`` characters of ``text``: where it must be cut, those around the first of the words."""
    if len(text) <= room:
        return text
    found = words_in(words).search(text) if words else None
    first = found.start() if found and found.end() > room - 1 else 0
    start = text.rfind(" ", 0, first - room // 3) + 1 if first > room // 3 else 0
    kept = text[start : start + room - 1 - bool(start)]
    if start + len(kept) < len(text):
        kept = f"{kept.rpartition(' ')[0] or kept}…"
    return f"{'…' if start else ''}{kept}"


def words_in(words: tuple[str, ...]) -> re.Pattern[str]:
    """Finds the words of a query in a text, with other endings too."""
    stems = (re.escape(word.rstrip("s") or word) for word in words)
    return re.compile(rf"\b(?:{'|'.join(stems)})\w*", re.IGNORECASE)


def funnel(found: Results) -> str:
    """``20,000 workers → 445 in Joliet → 5 shown``."""
    steps = [f"{step.rows:,} {step.name}" for step in found.funnel]
    return " → ".join([*steps, f"{len(found.hits):,} shown"])


def source(found: Results) -> str:
    """What was searched, how fresh it is, and how long it took."""
    parts = [f"v{found.version}", *_fresh(found.freshness), found.model, f"{found.elapsed_s * 1000:,.0f} ms"]
    return " · ".join(part for part in parts if part)


def _fresh(at: Freshness) -> Iterator[str]:
    if at.rows:
        yield f"{at.rows:,} new row{'s'[: at.rows != 1]} taken in"
    if at.from_graph and at.from_scan:
        yield f"{at.from_graph:,} from the graph, {at.from_scan:,} from exact scan"
    elif at.from_graph:
        yield "all from the graph"
    elif at.from_scan:
        yield "all from exact scan"


def formula(found: Results) -> str:
    """How a score is made, "" where it is one part alone."""
    parts = [p for p in found.hits[0].parts if p.weight >= _LEAST_SHARE] if found.hits else []
    if len(parts) < 2:
        return ""
    terms = " + ".join(f"{p.weight:.2f} × {p.name}" for p in sorted(parts, key=lambda p: -p.weight))
    return f"score = {terms}"


def meant(found: Results) -> list[str]:
    """Which occupation each role or trade means that the answer speaks of."""
    trades = list(dict.fromkeys(h.trade for h in found.hits if " = " in h.trade and h.trade not in found.notes))
    more = [f"{len(trades) - _TRADES} more trades: --json names them"] if len(trades) > _TRADES else []
    return [*found.notes, *trades[:_TRADES], *more]


def cautions(found: Results) -> Iterator[str]:
    """What the reader must know before they trust the answer."""
    for item in found.asked.unread:
        yield f"Not understood and left out: {item.value}. {item.hint}".rstrip()
    if not found.hits:
        empty = next((step.name for step in found.funnel[1:] if not step.rows), "")
        yield f"No row is left after: {empty}" if empty else f"{found.dataset} has no row to search in."
    elif found.nothing_close:
        yield "Nothing here is close to that query: these are the nearest of what there is, not answers."
