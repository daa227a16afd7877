"""How our output looks in a notebook: one style sheet, whose colours are the theme's own, and the charts' palette.

Every colour is a variable of JupyterLab (or VS Code) with a fallback that follows the system, so light and dark work.
"""

from __future__ import annotations

# Categorical colours that are told apart on white and on near-black, and by colour-blind readers (each at least 3:1
# against both grounds).
PALETTE = ("#3b82c4", "#d9772b", "#2f9e77", "#b35fb0", "#a08a1e", "#d1577a")
BAR = PALETTE[0]
# A grey that reads on both grounds, for axes before the page's own colour is known.
GREY = "#808080"

_TEXT = "var(--jp-content-font-color1,var(--vscode-editor-foreground,CanvasText))"
_SOFT = "var(--jp-content-font-color2,var(--vscode-descriptionForeground,GrayText))"
_GROUND = "var(--jp-layout-color1,var(--vscode-editor-background,Canvas))"
_LINE = "var(--jp-border-color2,color-mix(in srgb,currentColor 20%,transparent))"
_FAINT = "var(--jp-border-color3,color-mix(in srgb,currentColor 12%,transparent))"
_BRAND = "var(--jp-brand-color1,#3b82c4)"

# `.lh.lh` outweighs the rules of the page for tables in outputs (centred, zebra, right-aligned text).
CSS = f"""
.lh.lh{{color:{_TEXT};font-size:13px;line-height:1.45;margin:2px 0 4px;max-width:100%;
font-family:var(--jp-content-font-family,system-ui,sans-serif)}}
.lh.lh .lh-box{{max-height:min(440px,70vh);overflow:auto;border:1px solid {_LINE};border-radius:4px;
width:fit-content;max-width:100%;box-sizing:border-box;scrollbar-width:thin}}
.lh.lh .lh-box:focus-visible{{outline:2px solid {_BRAND};outline-offset:1px}}
.lh.lh table{{border-collapse:separate;border-spacing:0;margin:0;font-size:12px;table-layout:auto;border:0;
width:auto;font-variant-numeric:tabular-nums;color:inherit}}
.lh.lh th,.lh.lh td{{text-align:left;vertical-align:baseline;padding:3px 12px;border:0;white-space:nowrap;
max-width:320px;overflow:hidden;text-overflow:ellipsis;background:none;line-height:1.5}}
.lh.lh thead th{{position:sticky;top:0;z-index:2;background:{_GROUND};font-weight:600;
border-bottom:1px solid {_LINE};padding-top:5px;padding-bottom:5px;cursor:default}}
.lh.lh tbody tr,.lh.lh tbody tr:nth-child(odd),.lh.lh tbody tr:nth-child(even){{background:none}}
.lh.lh tbody td{{border-bottom:1px solid {_FAINT}}}
.lh.lh tbody tr:last-child td{{border-bottom:0}}
.lh.lh tbody tr:hover td{{background:var(--jp-rendermime-table-row-hover-background,
color-mix(in srgb,currentColor 7%,transparent))}}
.lh.lh .n{{text-align:right}}
.lh.lh td>i{{color:{_SOFT};font-size:11px;letter-spacing:.02em}}
.lh.lh td.w{{padding-right:0;width:1em}}
.lh.lh details>summary{{cursor:pointer;list-style:none;color:{_SOFT};width:1em;transition:transform .1s}}
.lh.lh details>summary::-webkit-details-marker{{display:none}}
.lh.lh details>summary::before{{content:"▸"}}
.lh.lh details[open]>summary{{transform:rotate(90deg);color:{_BRAND}}}
.lh.lh tr.lh-why{{display:none}}
.lh.lh tr:has(details[open])+tr.lh-why{{display:table-row}}
.lh.lh tr:has(details[open])>td{{border-bottom-color:transparent}}
.lh.lh tr.lh-why>td{{max-width:none;white-space:normal;padding:0 12px 8px;overflow:visible}}
.lh.lh tr.lh-why>td>div{{position:sticky;left:12px;width:fit-content;max-width:min(90ch,80vw);white-space:pre-wrap;
border-left:2px solid {_BRAND};padding:2px 0 2px 10px;color:{_SOFT}}}
.lh.lh .lh-line{{color:{_SOFT};font-size:12px;padding:5px 1px 0;overflow-wrap:anywhere}}
.lh.lh .lh-note{{font-size:12px;padding:0 0 4px;overflow-wrap:anywhere}}
.lh.lh .lh-note::before{{content:"";display:inline-block;width:3px;height:1em;vertical-align:-2px;margin-right:7px;
border-radius:1px;background:var(--jp-warn-color1,#d9772b)}}
.lh.lh pre.lh-code{{font-family:var(--jp-code-font-family,ui-monospace,monospace);font-size:12px;line-height:1.35;
margin:0;padding:8px 12px;overflow:auto;max-height:440px;border:1px solid {_LINE};border-radius:4px;background:none;
color:inherit;white-space:pre}}
.lh.lh .lh-said{{font-size:13px;overflow-wrap:anywhere}}
@media print{{.lh.lh .lh-box{{max-height:none;overflow:visible}}}}
""".strip().replace("\n", "")


def page(body: str) -> str:
    """A piece of HTML in our style; the sheet travels with it, for an output may be moved, cleared or exported."""
    return f'<div class="lh"><style>{CSS}</style>{body}</div>'
