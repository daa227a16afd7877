"""A notebook as one HTML file: all in it, nothing loaded from elsewhere, personal data covered by value.

nbconvert draws it with JupyterLab's template. Formulas stay as they are typed and widgets show their text, for both
would load scripts from the web; a content security policy forbids the browser whatever else would.
"""

from __future__ import annotations

import html
import logging
from copy import deepcopy
from pathlib import Path

from nbconvert.exporters.html import HTMLExporter
from nbformat import NotebookNode

from workbench.notebook.markup import Covered, cover_page
from workbench.pii.roster import Roster

_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:; "
    "font-src data:; media-src data: blob:; frame-src data: blob:; worker-src blob:; "
    "form-action 'none'; base-uri 'none'"
)
_TEMPLATE = """{%- extends 'lab/index.html.j2' -%}
{%- block html_head_js -%}{%- endblock -%}
{%- block html_head_js_mathjax -%}{%- endblock -%}
{%- block html_head_js_mermaidjs -%}{%- endblock -%}
{%- block jupyter_widgets -%}{%- endblock -%}
{%- block body_header -%}{{ super() }}<div id="lakehouse-note"></div>{%- endblock -%}
"""
_SLOT = '<div id="lakehouse-note"></div>'
_LOOK = "margin:8px;padding:6px 10px;border-left:3px solid #888;font:13px sans-serif;color:#555"
# What the template draws. A widget's view needs its scripts, so the next best form is shown; the rest is never shown.
_DRAWN = frozenset([
    "text/html", "text/markdown", "text/latex", "text/plain", "image/svg+xml", "image/png", "image/jpeg",
    "application/javascript",
])  # fmt: skip


def to_html(notebook: NotebookNode, name: str, folder: Path, roster: Roster | None) -> tuple[str, Covered]:
    """The page and what was covered; ``folder`` is where the notebook's own images are. None covers nothing."""
    exporter = HTMLExporter(template_name="lab", embed_images=True)  # type: ignore[no-untyped-call]
    exporter.log = logging.Logger("nbconvert", logging.ERROR)  # it warns of images without a description
    exporter.raw_template = _TEMPLATE
    resources = {"metadata": {"name": name, "path": str(folder)}}
    drawn, _ = exporter.from_notebook_node(_drawable(notebook), resources=resources)
    page, covered = cover_page(drawn, roster)
    policy = f'<head><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    note = "" if roster is None else f'<p style="{_LOOK}">{html.escape(told(covered))}</p>'
    return page.replace("<head>", policy, 1).replace(_SLOT, note, 1), covered


def told(covered: Covered) -> str:
    """One line about a page: what is covered and what is not."""
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in sorted(covered.kinds.items()))
    said = [f"personal data covered by value: {covered.values:,}{f' ({kinds})' if kinds else ''}"]
    if covered.images:
        count = f"{covered.images:,} image{'s'[: covered.images != 1]}"
        said.append(f"{count} shown as drawn: nothing in an image is covered")
    if covered.left_out:
        said.append(f"{covered.left_out:,} left out that would load from the web")
    return " · ".join(said)


def _drawable(notebook: NotebookNode) -> NotebookNode:
    """A copy with nothing in it that the page does not show."""
    copy = deepcopy(notebook)
    kept = {name: copy.metadata[name] for name in ("kernelspec", "language_info", "title") if name in copy.metadata}
    copy.metadata.clear()
    copy.metadata.update(kept)
    for cell in copy.cells:
        cell.metadata.pop("lakehouse", None)
        for output in cell.get("outputs", ()):
            data = output.get("data")
            if data:
                output["data"] = type(data)({kind: data[kind] for kind in data if kind in _DRAWN})
    return copy
