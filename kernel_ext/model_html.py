"""How models and validators look in a notebook: findings, changes, answers, attempts. What they say is never HTML."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from kernel_ext.style import page
from workbench.cli.grid import clean

if TYPE_CHECKING:
    from workbench.llm.attempts import Finding
    from workbench.llm.changes import Change

MARKS = {"error": "✗", "warning": "!", "info": "·"}
CHANGES = 12  # told of one attempt; beyond, nobody reads a list
_SOFT = "var(--jp-content-font-color2,var(--vscode-descriptionForeground,GrayText))"
_HUE = "var(--jp-brand-color1,#3b82c4)"
_BAD = "var(--jp-error-color1,#d32f2f)"
_WARN = "var(--jp-warn-color1,#d9772b)"
_GOOD = "var(--jp-success-color1,#2f9e77)"
_GROUND = "var(--jp-layout-color1,var(--vscode-editor-background,Canvas))"
_CODE = "var(--jp-code-font-family,ui-monospace,monospace)"
_FAINT = "color-mix(in srgb,currentColor 16%,transparent)"
_LINE = "color-mix(in srgb,currentColor 28%,transparent)"
_CSS = f"""
.lh.lh .lh-model{{max-width:min(96ch,100%);padding-left:3px}}
.lh.lh .lh-head{{font-size:13px;padding:2px 0 4px;overflow-wrap:anywhere}}
.lh.lh .lh-head b{{font-weight:600}}
.lh.lh .lh-head span{{color:{_SOFT};font-size:12px;margin-left:8px}}
.lh.lh .lh-mark{{display:inline-block;min-width:1.4em;font-weight:700;font-style:normal}}
.lh.lh .lh-error>.lh-mark,.lh.lh .lh-head.lh-bad>.lh-mark{{color:{_BAD}}}
.lh.lh .lh-warning>.lh-mark{{color:{_WARN}}}
.lh.lh .lh-head.lh-good>.lh-mark{{color:{_GOOD}}}
.lh.lh ul.lh-findings,.lh.lh ol.lh-steps{{list-style:none;margin:0;padding:0}}
.lh.lh ul.lh-findings>li{{display:grid;grid-template-columns:1.4em minmax(0,1fr);margin:0;padding:3px 0}}
.lh.lh .lh-findings code,.lh.lh .lh-change code{{font-family:{_CODE};font-size:12px;background:none;color:inherit;
padding:0}}
.lh.lh .lh-findings .lh-code-name{{color:{_SOFT};font-size:12px;margin-left:8px}}
.lh.lh .lh-findings p{{margin:0;overflow-wrap:anywhere;font-size:13px;unicode-bidi:plaintext}}
.lh.lh .lh-near{{color:{_SOFT};font-size:12px;display:flex;flex-wrap:wrap;gap:4px 6px;padding-top:3px;
align-items:baseline}}
.lh.lh .lh-near code,.lh.lh .lh-findings p code{{border:1px solid {_LINE};border-radius:3px;padding:0 4px;
background:none;color:inherit;white-space:nowrap}}
.lh.lh .lh-facts{{display:flex;flex-wrap:wrap;gap:2px 16px;padding:2px 0 10px;font-size:12px}}
.lh.lh .lh-facts i{{color:{_SOFT};font-style:normal}}
.lh.lh .lh-facts>div{{flex-basis:100%;color:{_SOFT}}}
.lh.lh .lh-more{{margin:2px 0 0}}
.lh.lh .lh-more>summary{{width:auto;font-size:12px;display:block;padding:1px 0}}
.lh.lh .lh-more>summary::before{{content:"▸";display:inline-block;width:1.4em;transition:transform .1s;
transform-origin:.35em 55%}}
.lh.lh .lh-more[open]>summary{{transform:none;color:inherit}}
.lh.lh .lh-more[open]>summary::before{{transform:rotate(90deg);color:{_HUE}}}
.lh.lh .lh-more>summary:hover{{color:inherit}}
.lh.lh .lh-more>summary:focus-visible{{outline:2px solid {_HUE};outline-offset:1px;border-radius:2px}}
.lh.lh .lh-more>ul{{padding-left:0}}
.lh.lh .lh-model pre.lh-code{{word-break:normal}}
.lh.lh .lh-more pre.lh-code{{white-space:pre-wrap;overflow-wrap:anywhere;margin:3px 0 4px 1.4em;max-height:260px}}
.lh.lh ol.lh-steps>li{{position:relative;margin:0;padding:0 0 12px 26px}}
.lh.lh ol.lh-steps>li::before{{content:"";position:absolute;left:8px;top:18px;bottom:0;width:2px;background:{_FAINT}}}
.lh.lh ol.lh-steps>li:last-child::before{{display:none}}
.lh.lh ol.lh-steps>li:last-child{{padding-bottom:4px}}
.lh.lh .lh-dot{{position:absolute;left:0;top:1px;width:18px;height:18px;border-radius:50%;box-sizing:border-box;
border:2px solid currentColor;background:{_GROUND};font-size:11px;line-height:14px;text-align:center;font-weight:700}}
.lh.lh .lh-bad>.lh-dot{{color:{_BAD}}}
.lh.lh .lh-good>.lh-dot{{color:{_GOOD}}}
.lh.lh .lh-wait>.lh-dot{{color:{_SOFT};border-style:dashed}}
.lh.lh .lh-step-head{{font-size:13px;line-height:20px}}
.lh.lh .lh-step-head span{{color:{_SOFT};font-size:12px;margin-left:8px}}
.lh.lh .lh-change{{font-size:12px;padding:2px 0 2px 1.4em;overflow-wrap:anywhere;color:{_SOFT}}}
.lh.lh .lh-change code{{margin-right:8px}}
.lh.lh .lh-change del,.lh.lh .lh-change ins{{font-family:{_CODE};display:inline-block;max-width:100%;
padding:0 3px;border-radius:2px;text-decoration:none;background:none;color:var(--jp-content-font-color1,CanvasText)}}
.lh.lh .lh-change del{{text-decoration:line-through;
background:color-mix(in srgb,{_BAD} 16%,transparent)}}
.lh.lh .lh-change ins{{background:color-mix(in srgb,{_GOOD} 18%,transparent)}}
.lh.lh .lh-fields{{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:4px 14px;margin:4px 0;
font-size:13px}}
.lh.lh .lh-fields>dt{{color:{_SOFT};font-size:12px;line-height:19px;font-weight:400;margin:0}}
.lh.lh .lh-fields>dd{{margin:0}}
.lh.lh .lh-text{{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext;font-size:13px;line-height:1.55}}
.lh.lh .lh-reply{{border-left:2px solid {_HUE};padding:2px 0 2px 12px;margin:2px 0}}
.lh.lh .lh-open .lh-text::after{{content:"▍";color:{_HUE}}}
.lh.lh .lh-reply pre.lh-code{{border:0;padding:2px 0;white-space:pre-wrap;overflow-wrap:anywhere}}
""".strip().replace("\n", "")


def framed(*parts: str) -> str:
    """Parts of HTML as one output, with the sheet that they need."""
    return page(f'<div class="lh-model"><style>{_CSS}</style>{"".join(parts)}</div>')


def safe(text: object) -> str:
    """Text of a model, a file or a person as HTML that shows it and does nothing else."""
    return escape("\n".join(map(clean, str(text).split("\n"))), quote=True)


def head(title: str, said: str, *, mark: str = "", tone: str = "plain") -> str:
    """What an output is about, in bold, and a few words beside it; ``tone``: good, bad or plain."""
    sign = f'<i class="lh-mark">{mark}</i>' if mark else ""
    return f'<div class="lh-head lh-{tone}">{sign}<b>{safe(title)}</b> <span>{safe(said)}</span></div>'


def line(text: str) -> str:
    """A soft line below."""
    return f'<div class="lh-line">{safe(text)}</div>' if text else ""


def notes(texts: Iterable[str]) -> str:
    """What the reader should know, a line each."""
    return "".join(f'<div class="lh-note">{safe(text)}</div>' for text in texts)


def writing(text: str, *, is_open: bool) -> str:
    """An answer on its way, with a cursor at its end; not ``is_open``: one that came to no end."""
    said = "" if is_open else line("It was cut off here: this is no answer.")
    opened = " lh-open" if is_open else ""
    return framed(f'<div class="lh-reply{opened}"><div class="lh-text">{safe(text)}</div></div>', said)


def findings(found: Sequence[Finding]) -> str:
    """Errors and warnings one below the other; what is only said in passing opens below them."""
    loud = [finding for finding in found if finding.severity != "info"]
    quiet = [finding for finding in found if finding.severity == "info"]
    return _items(loud, _item) + (more(in_passing(quiet), _items(quiet, _aside)) if quiet else "")


def in_passing(found: Sequence[Finding]) -> str:
    """The words for findings that neither refuse nor warn: most say what could not be checked."""
    count, unchecked = len(found), all(finding.code == "not_checked" for finding in found)
    things = "1 thing" if count == 1 else f"{count} things"
    return f"{things} not checked" if unchecked else f"{things} more to know"


def more(summary: str, inside: str) -> str:
    """Something that opens with a click, without a script."""
    return f'<details class="lh-more"><summary>{safe(summary)}</summary>{inside}</details>'


def code(text: str) -> str:
    """Fixed-width text."""
    return f'<pre class="lh-code" tabindex="0">{safe(text)}</pre>'


def changes(diff: Sequence[Change]) -> str:
    """What changed: the path, the value that went, the value that came."""
    rows = [
        f'<div class="lh-change"><code>{safe(change.path)}</code><del>{safe(value(change.was))}</del> → '
        f"<ins>{safe(value(change.now))}</ins></div>"
        for change in diff[:CHANGES]
    ]
    if len(diff) > CHANGES:
        rows.append(f'<div class="lh-change">and {len(diff) - CHANGES} more</div>')
    return "".join(rows)


def value(of: Any, most: int = 80) -> str:
    """A JSON value in one line."""
    text = of if of == "(none)" else json.dumps(of, ensure_ascii=False, default=str)
    return text if len(text) <= most else text[: most - 1] + "…"


def artifact(made: Mapping[str, Any]) -> str:
    """An artifact: a list of objects as a table, text as text, anything else as JSON."""
    if len(made) == 1 and _is_table(only := next(iter(made.values()))):
        return f'<div style="margin:4px 0">{_table(only)}</div>'
    rows = [f"<dt>{safe(name)}</dt><dd>{_field(held)}</dd>" for name, held in made.items()]
    return f'<dl class="lh-fields">{"".join(rows)}</dl>'


def _field(held: Any) -> str:
    if _is_table(held):
        return _table(held)
    if isinstance(held, str):
        return f'<div class="lh-text">{safe(held)}</div>'
    return f"<code>{safe(value(held, 2_000))}</code>"


def _is_table(held: Any) -> bool:
    return isinstance(held, list) and bool(held) and all(isinstance(row, Mapping) for row in held)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    top = "".join(f'<th scope="col">{safe(name)}</th>' for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{_cell(row.get(name))}</td>' for name in names)}</tr>" for row in rows)
    box = '<div class="lh-box" tabindex="0" role="region" aria-label="proposed">'
    return f"{box}<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(held: Any) -> str:
    return safe(held if isinstance(held, str) else "" if held is None else value(held))


def _items(found: Sequence[Finding], item: Callable[[Finding], str]) -> str:
    return f'<ul class="lh-findings">{"".join(map(item, found))}</ul>' if found else ""


def _item(found: Finding) -> str:
    place = f'<code>{safe(found.path)}</code><span class="lh-code-name">' if found.path else "<span>"
    near = [one for one in found.nearest_valid if one not in found.message]
    chips = f'<div class="lh-near">nearest valid {"".join(map(_chip, near))}</div>' if near else ""
    return (
        f'<li class="lh-{safe(found.severity)}"><span class="lh-mark">{MARKS[found.severity]}</span><div>'
        f"{place}{safe(found.code)}</span><p>{_marked(found.message, found.nearest_valid)}</p>{chips}</div></li>"
    )


def _aside(found: Finding) -> str:
    """A finding that is only said in passing."""
    return f'<li><span class="lh-mark">{MARKS[found.severity]}</span><p>{safe(found.message)}</p></li>'


def _chip(text: str) -> str:
    return f"<code>{safe(text)}</code>"


def _marked(message: str, near: Sequence[str]) -> str:
    """A message in which the values that would pass stand out."""
    words = "|".join(re.escape(one) for one in sorted(near, key=len, reverse=True) if one)
    if not words:
        return safe(message)
    parts = re.split(rf"(?<!\w)({words})(?!\w)", message)
    return "".join(_chip(part) if at % 2 else safe(part) for at, part in enumerate(parts))
