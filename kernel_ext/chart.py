"""A drawing as a notebook shows it: HoloViews with Bokeh, its JavaScript in the page once, no other host asked."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING, Any

from kernel_ext import bar, grid
from kernel_ext.result import missing, terminal_width
from kernel_ext.style import PALETTE, page

if TYPE_CHECKING:
    import pyarrow as pa

    from kernel_ext.plot import Drawing
    from kernel_ext.session import Session

HEIGHT = 300
WIDEST = 820
_LONG = 9  # characters of a label from which bars lie
_MANY = 14  # bars from which they lie
_LABEL = 34
_PLAIN_ROWS = 20

# Bokeh reads these from the page when it paints, so the axes follow the theme.
_TEXT = "var(--jp-content-font-color1,var(--vscode-editor-foreground,CanvasText))"
_SOFT = "var(--jp-content-font-color2,var(--vscode-descriptionForeground,GrayText))"
_LINE = "var(--jp-border-color0,var(--vscode-panel-border,GrayText))"
_VARIABLES = ";".join((
    f"--bk-major-label-text-color:{_TEXT}", f"--bk-axis-label-text-color:{_SOFT}", f"--bk-axis-line-color:{_LINE}",
    f"--bk-major-tick-line-color:{_LINE}", "--bk-grid-line-color:var(--jp-border-color2,rgba(128,128,128,0.25))",
))  # fmt: skip
_PLACE = """
(function(){const item=%(item)s,id="%(id)s";let left=100;
function draw(){const at=document.getElementById(id);
if(window.Bokeh&&window.Bokeh.embed&&at){at.replaceChildren();window.Bokeh.embed.embed_item(item,id);}
else if(left--)setTimeout(draw,50);
else if(at)at.textContent="Run this cell again to draw the chart.";}
draw();})();
"""


class Chart:
    """A chart as a cell's value. ``table`` holds the points that were drawn, ``object`` is the HoloViews element."""

    def __init__(self, session: Session, drawing: Drawing, *, note: tuple[str, ...] = (), below: str = "") -> None:
        self._session = session
        self._drawing = drawing
        self._note = note
        self.caption = " · ".join(part for part in (drawing.caption, below) if part)
        self.object = _element(drawing) if hasattr(session.shell, "kernel") else None

    @property
    def table(self) -> pa.Table:
        """The points that are drawn."""
        return self._drawing.points

    def __repr__(self) -> str:
        # A notebook draws it; the text beside the picture is a sample of what it shows.
        drawn = _named(self._drawing).slice(0, _PLAIN_ROWS if self.object is not None else None)
        return grid.to_text(drawn, caption=self.caption, note=self._note, width=terminal_width())

    def _repr_html_(self) -> str | None:
        if self.object is None:
            return None
        return _library(self._session) + _html(self.object, self._drawing, self.caption, self._note)


def _named(drawing: Drawing) -> pa.Table:
    """The points under the names of what they are of."""
    import pyarrow as pa

    names = {"x": drawing.x.name, "y": drawing.y if drawing.y != drawing.x.name else f"{drawing.y} (y)"}
    kept = [name for name in drawing.points.column_names if name in {"x", "y", "n"}]
    points = drawing.points
    if drawing.kind == "bar":
        points = points.set_column(0, "x", pa.array(_labels(drawing)))
    elif drawing.x.kind == "time":
        points = points.set_column(0, "x", pa.array(_x(drawing)).cast(pa.timestamp("s"), safe=False))
    return points.select(kept).rename_columns([names.get(name, name) for name in kept])


def _library(session: Session) -> str:
    """Bokeh's JavaScript, in the first cell that draws, and in that cell again when it runs again."""
    here = bar.cell_id(session.shell)
    if session.chart_cell is not None and session.chart_cell != here:
        return ""
    session.chart_cell = here or "-"
    from bokeh.resources import Resources

    raw = "\n".join(Resources(mode="inline", components=["bokeh"], minified=True).js_raw)
    # A page that has this library already, from Panel or a chart above, keeps it.
    return f"<script>if(!window.Bokeh){{{raw.replace('</script', '<' + chr(92) + '/script')}}}</script>"


def _html(element: Any, drawing: Drawing, caption: str, note: tuple[str, ...]) -> str:
    from bokeh.embed import json_item

    name = f"lh-{uuid.uuid4().hex}"
    item = json.dumps(json_item(_figure(element, drawing), name))  # type: ignore[arg-type]
    item = item.replace("<", "\\u003c")  # "<!--<script" in a label would hide the end of this script
    label = escape(f"{drawing.kind} chart of {drawing.y} by {drawing.x.name}", quote=True)
    notes = "".join(f'<div class="lh-note">{escape(line)}</div>' for line in note)
    place = f'<div id="{name}" role="img" aria-label="{label}" style="max-width:{WIDEST}px;{_VARIABLES}"></div>'
    return (
        page(f'{notes}{place}<div class="lh-line">{escape(caption)}</div>')
        + f"<script>{_PLACE % {'item': item, 'id': name}}</script>"
    )


def _element(drawing: Drawing) -> Any:
    """The drawing as a HoloViews element. Raises MissingExtraError without HoloViews."""
    try:
        import holoviews as hv

        hv.renderer("bokeh")
    except ModuleNotFoundError as error:
        raise missing(error) from None
    make = {"bar": _bars, "line": _lines, "scatter": _points, "bins": _cells, "hist": _bins}
    return make[drawing.kind](hv, drawing)


def _x(drawing: Drawing) -> Any:
    """The x values, (n,), float64, or datetime64[ms] for times."""
    import numpy as np

    x = drawing.points["x"].to_numpy().astype("float64")
    return (x * 1000).astype("int64").astype("datetime64[ms]") if drawing.x.kind == "time" else np.asarray(x)


def _dims(drawing: Drawing) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("x", drawing.x.name), ("y", drawing.y)


def _bars(hv: Any, drawing: Drawing) -> Any:
    labels = _labels(drawing)
    values = drawing.points["y"].to_pylist()
    lie = _lies(labels)
    if lie:  # the first bar is the top one
        labels, values = labels[::-1], values[::-1]
    x, y = _dims(drawing)
    height = max(90, 22 * len(labels) + 60) if lie else HEIGHT
    return hv.Bars((labels, values), x, y).opts(
        ylim=_from_zero(values),
        color=PALETTE[0],
        line_alpha=0,
        invert_axes=lie,
        height=height,
        bar_width=0.75,
        **_SHARED,
    )


def _from_zero(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    """The range of an axis on which lengths are compared: it begins at 0."""
    known = [value for value in values if value is not None]
    top = max(known, default=0.0)
    return (0.0, top * 1.04) if top > 0 and min(known) >= 0 else (None, None)


def _lies(labels: list[str]) -> bool:
    return len(labels) > _MANY or any(len(label) > _LONG for label in labels)


def _labels(drawing: Drawing) -> list[str]:
    """A label for each bar, no two alike."""
    out: list[str] = []
    for row in drawing.points.to_pylist():
        text = f"{row['place']:,} more" if row["rest"] else "NULL" if row["x"] is None else str(row["x"])
        text = text if len(text) <= _LABEL else text[: _LABEL - 1] + "…"
        same = out.count(text)
        out.append(text + "\u200b" * same)  # a character of no width tells them apart
    return out


def _lines(hv: Any, drawing: Drawing) -> Any:
    x, y = _dims(drawing)
    drawn = (_x(drawing), drawing.points["y"].to_numpy())
    return hv.Curve(drawn, x, y).opts(color=PALETTE[0], line_width=2, height=HEIGHT, **_SHARED)


def _points(hv: Any, drawing: Drawing) -> Any:
    x, y = _dims(drawing)
    drawn = (_x(drawing), drawing.points["y"].to_numpy())
    return hv.Scatter(drawn, x, y).opts(color=PALETTE[0], size=6, alpha=0.6, line_alpha=0, height=HEIGHT, **_SHARED)


def _cells(hv: Any, drawing: Drawing) -> Any:
    import numpy as np

    x, y = _dims(drawing)
    n = drawing.points["n"].to_numpy()
    size = 2 + 10 * np.sqrt(n / n.max())  # the area says how many
    drawn = (_x(drawing), drawing.points["y"].to_numpy(), n, size)
    return hv.Scatter(drawn, x, [y, ("n", "rows"), "size"]).opts(
        color=PALETTE[0], size="size", alpha=0.75, line_alpha=0, height=HEIGHT, **_SHARED
    )


def _bins(hv: Any, drawing: Drawing) -> Any:
    import numpy as np

    left, width = drawing.points["x"].to_numpy(), drawing.points["width"].to_numpy()
    right = left + width
    if drawing.x.kind == "time":
        left, right = ((side * 1000).astype("int64").astype("datetime64[ms]") for side in (left, right))
    x, y = _dims(drawing)
    count = drawing.points["y"].to_numpy()
    drawn = (left, np.zeros(len(count)), right, count)
    return hv.Rectangles(drawn, [x, "bottom", "right", y]).opts(
        ylim=_from_zero(count.tolist()),
        color=PALETTE[0],
        line_color=None,
        height=HEIGHT,
        ylabel="rows",
        xlabel=drawing.x.name,
        **_SHARED,
    )


_SHARED: dict[str, Any] = {"responsive": True, "toolbar": None, "tools": ["hover"], "show_grid": True}


def _figure(element: Any, drawing: Drawing) -> Any:
    """The Bokeh figure: on the page's own ground, with numbers that a person reads."""
    import holoviews as hv
    from bokeh.models import CategoricalAxis, DatetimeAxis, HoverTool, LinearAxis, NumeralTickFormatter

    figure = hv.render(element, backend="bokeh")
    figure.background_fill_color = figure.border_fill_color = figure.outline_line_color = None
    figure.min_border_right = 24
    for axis in figure.axis:
        axis.minor_tick_line_color = None
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = axis.major_label_text_font_size = "12px"
        if isinstance(axis, LinearAxis) and not isinstance(axis, DatetimeAxis):
            axis.update(formatter=NumeralTickFormatter(format="0,0.[000]"))
    # Lines are drawn across from the values; along the bars' own axis they say nothing.
    for grid_line in figure.grid:
        if isinstance(grid_line.axis, CategoricalAxis):
            grid_line.visible = False
    for tool in figure.select(HoverTool):
        tool.tooltips = _tooltips(drawing)
        if drawing.x.kind == "time" and drawing.kind != "bar":
            tool.formatters = {"@x": "datetime"}
    return figure


def _tooltips(drawing: Drawing) -> list[tuple[str, str]]:
    x = "@x" if drawing.kind == "bar" else "@x{%F %H:%M}" if drawing.x.kind == "time" else "@x{0,0.[000]}"
    rows = [("rows", "@n{0,0}")] if drawing.kind == "bins" else []
    return [(drawing.x.name, x), (drawing.y, "@y{0,0.[000]}"), *rows]
