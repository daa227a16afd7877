"""Hits as HTML: a table with the score as a bar and, under each row, why it is there, which opens without a script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from kernel_ext.grid import nulls
from kernel_ext.style import page
from workbench.cli import grid, reasons

if TYPE_CHECKING:
    from workbench.search.answer import Results
    from workbench.search.ranking.hits import Hit

_LEAST_SHARE = 0.005
_PARTS = ("words", "meaning", "trade")  # in the order and shades of the bars
_SOFT = "var(--jp-content-font-color2,var(--vscode-descriptionForeground,GrayText))"
_HUE = "var(--jp-brand-color1,#3b82c4)"
# What hits have beside the sheet of all our tables.
_CSS = f"""
.lh.lh .lh-hits .lh-place{{color:{_SOFT}}}
.lh.lh .lh-hits .lh-box{{scrollbar-color:color-mix(in srgb,currentColor 30%,transparent) transparent;
max-height:min(720px,80vh);margin:5px 0 0}}
.lh.lh .lh-ask{{font-size:13px;padding:2px 0;overflow-wrap:anywhere}}
.lh.lh .lh-ask span{{color:{_SOFT};font-size:12px;margin-left:8px}}
.lh.lh .lh-read{{color:{_SOFT};font-size:12px;padding:0 0 2px}}
.lh.lh .lh-hits tr.lh-hit td{{border-bottom:0;padding-bottom:0;padding-top:6px}}
.lh.lh .lh-hits tr.lh-reason td{{white-space:normal;max-width:none;padding:0 12px 6px 0;overflow:visible;
border-bottom:1px solid color-mix(in srgb,currentColor 10%,transparent)}}
.lh.lh .lh-hits tbody tr:last-child td{{border-bottom:0}}
.lh.lh .lh-hits tr:hover td{{background:none}}
.lh.lh .lh-hits tr.lh-reason details{{position:sticky;left:0;max-width:min(86ch,76vw)}}
.lh.lh .lh-hits summary{{width:auto;font-size:12px;display:block}}
.lh.lh .lh-hits summary::before{{content:"▸";display:inline-block;width:14px;transition:transform .1s;
transform-origin:4px 55%}}
.lh.lh .lh-hits details[open]>summary{{transform:none;color:inherit}}
.lh.lh .lh-hits details[open]>summary::before{{transform:rotate(90deg);color:{_HUE}}}
.lh.lh .lh-hits summary:hover{{color:inherit}}
.lh.lh .lh-hits summary:focus-visible{{outline:2px solid {_HUE};outline-offset:1px;border-radius:2px}}
.lh.lh .lh-hits details>div{{margin:3px 0 2px 5px;padding:1px 0 1px 12px;border-left:2px solid {_HUE};font-size:12px}}
.lh.lh .lh-hits details>div>div+div{{color:{_SOFT};padding-top:2px}}
.lh.lh .lh-hits mark{{background:none;color:inherit;font-weight:600;text-decoration:underline;
text-decoration-color:{_HUE};text-decoration-thickness:2px;text-underline-offset:3px}}
.lh.lh .lh-bar{{display:inline-flex;width:72px;height:8px;margin-right:8px;border-radius:2px;overflow:hidden;
background:color-mix(in srgb,currentColor 10%,transparent)}}
.lh.lh .lh-bar i{{display:block;height:8px;background:{_HUE}}}
.lh.lh .lh-key{{display:inline-block;width:8px;height:8px;border-radius:2px;margin:0 5px 0 0;background:{_HUE}}}
.lh.lh .lh-p1{{opacity:.6}}
.lh.lh .lh-p2{{opacity:.3}}
""".strip().replace("\n", "")


def hits(found: Results, *, open_why: bool = False, notes: Sequence[str] = ()) -> str:
    """The hits as HTML that needs no script: what was asked, the table with a reason under each row, what to know.

    Without its style sheet, as in a notebook that is not trusted, it is still a table whose reasons open.
    """
    asked = f"<b>{escape(found.query)}</b> <span>{escape(reasons.funnel(found))}</span>"
    parts = [
        f'<div class="lh-ask">{asked}</div>',
        *(f'<div class="lh-read">{escape(said)}</div>' for said in found.notes),
        *(f'<div class="lh-note">{escape(said)}</div>' for said in (*notes, *reasons.cautions(found))),
        _table(found, open_why=open_why) if found.hits else "",
        f'<div class="lh-line">{_key(found)}</div>' if found.hits else "",
        f'<div class="lh-line">{escape(reasons.source(found))}</div>',
    ]
    return _styled("".join(parts))


def _table(found: Results, *, open_why: bool) -> str:
    body = grid.of_arrow(found.table)
    titles = [escape(f"{item.name}: {item.type}", quote=True) for item in found.table.schema]
    sides = [' class="n"' if place in body.right else "" for place in range(len(body.columns))]
    head = "".join(
        f'<th scope="col"{side} title="{title}">{escape(name)}</th>'
        for side, title, name in zip(sides, titles, body.columns, strict=True)
    )
    columns = [column or [False] * len(body.rows) for column in nulls(found.table)]
    blanks = list(zip(*columns, strict=True)) if columns else [()] * len(body.rows)
    alike = len({hit.trade for hit in found.hits}) == 1 < len(found.hits)
    rows = "".join(
        _row(place, hit, cells, sides, blank) + _reason(hit, len(cells), trade=not alike, is_open=open_why)
        for place, (hit, cells, blank) in enumerate(zip(found.hits, body.rows, blanks, strict=True), 1)
    )
    head = f'<thead><tr><th scope="col" class="n">#</th><th scope="col">score</th>{head}</tr></thead>'
    box = '<div class="lh-box" tabindex="0" role="region" aria-label="hits">'
    return f"{box}<table>{head}<tbody>{rows}</tbody></table></div>"


def _row(place: int, hit: Hit, cells: Sequence[str], sides: Sequence[str], blank: Sequence[bool]) -> str:
    shown = "".join(
        f"<td{side}{_whole(text)}>{_cell(text, null=null)}</td>"
        for side, text, null in zip(sides, cells, blank, strict=True)
    )
    return f'<tr class="lh-hit"><td class="n lh-place">{place}</td><td>{_bar(hit)}{hit.score:.3f}</td>{shown}</tr>'


def _whole(text: str) -> str:
    return f' title="{escape(text, quote=True)}"' if len(text) > 30 else ""


def _cell(text: str, *, null: bool) -> str:
    return f"<i>{grid.NULL}</i>" if null else escape(text)


def _bar(hit: Hit) -> str:
    """The score as a bar, in the shares that it is made of."""
    parts = "".join(
        f'<i class="lh-p{_PARTS.index(part.name)}" style="width:{min(part.share, 1):.1%}"'
        f' title="{part.name} {part.share:.2f}"></i>'
        for part in sorted(hit.parts, key=lambda part: _PARTS.index(part.name))
        if part.share >= _LEAST_SHARE
    )
    return f'<span class="lh-bar">{parts}</span>'


def _reason(hit: Hit, columns: int, *, trade: bool, is_open: bool) -> str:
    """The row below a hit: its reasons in a line, and under it, to open, how they come about and its text."""
    first = f"<summary>{escape(soft(reasons.reasons(hit, trade=trade)))}</summary>"
    more = [_marked(hit.snippet, hit.matched)] if hit.snippet else []
    more += [escape(hit.trade)] if hit.trade else []
    terms = [f"{p.name} {p.value:.3f} × {p.weight:.3f}" for p in hit.parts if p.share >= _LEAST_SHARE]
    more += [escape(f"{' + '.join(terms)} = {hit.score:.3f}")] if terms else []
    inside = f"<div>{''.join(f'<div>{text}</div>' for text in more)}</div>"
    details = f"<details{' open' if is_open else ''}>{first}{inside}</details>"
    return f'<tr class="lh-reason"><td></td><td colspan="{columns + 1}">{details}</td></tr>'


def _marked(text: str, words: tuple[str, ...]) -> str:
    if not words:
        return escape(text)
    out, at = [], 0
    for found in reasons.words_in(words).finditer(text):
        out += [escape(text[at : found.start()]), f"<mark>{escape(found[0])}</mark>"]
        at = found.end()
    return "".join([*out, escape(text[at:])])


def _key(found: Results) -> str:
    """How a score is made, each part with its shade in the bars."""
    parts = [p for p in found.hits[0].parts if p.weight >= _LEAST_SHARE] if found.hits else []
    terms = (
        f'<span class="lh-key lh-p{_PARTS.index(p.name)}"></span>{p.weight:.2f} × {p.name}'
        for p in sorted(parts, key=lambda p: -p.weight)
    )
    return f"score = {' + '.join(terms)}" if parts else ""


def soft(text: str) -> str:
    """``text`` with spaces where a line may break, as a browser and a table break lines themselves."""
    return text.replace("\u00a0", " ")


def lines(texts: Sequence[str]) -> str:
    """A few lines, the first of them a heading."""
    first, *rest = [escape(text.strip()) for text in texts]
    more = "".join(f'<div class="lh-read">{text}</div>' for text in rest)
    return _styled(f'<div class="lh-ask"><b>{first}</b></div>{more}')


def _styled(body: str) -> str:
    return page(f'<div class="lh-hits"><style>{_CSS}</style>{body}</div>')
