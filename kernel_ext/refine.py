"""The refining view: the parts of a search as controls beside its hits, and the one-line magic that asks the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any

from kernel_ext.hints import speak
from kernel_ext.session import stoppable
from kernel_ext.style import page
from workbench.errors import MissingExtraError, QueryError, WorkbenchError
from workbench.lake.sql.completion.tokens import Token, tokens
from workbench.lake.tables.mapping import quote

if TYPE_CHECKING:
    import ipywidgets
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from kernel_ext.hits import Hits, Search
    from kernel_ext.session import Session
    from workbench.session import Workbench

MODES = (("all parts", "hybrid"), ("meaning alone", "vector"), ("words alone", "text"))
_MOST_K = 1_000
_MOST_VALUES = 300  # of a column that a list offers; more can be typed
_OPENS, _CLOSES = frozenset("([{"), frozenset(")]}")
_CSS = (
    ".lh-chip.lh-chip{border-radius:14px;padding:0 12px;line-height:26px;height:26px}"
    ".lh-shown.lh-shown,.lh-shown>*{min-width:0;max-width:100%}"
    ".lh.lh pre.lh-code.lh-magic{white-space:pre-wrap;word-break:normal;overflow-wrap:break-word;"
    "user-select:all;cursor:copy}"
)

Split = Callable[[str], Sequence[str]]
"""A SQL condition → its parts at the outermost ANDs. Raises QueryError for a text that is no condition."""


class Refine:
    """A search that can be changed in place. ``hits`` are the newest that were found, ``magic`` is the line for them.

    A change is asked once it is made (Enter, or leaving the field); what cannot be asked is said below the controls and
    the hits stay. Raises MissingExtraError without ipywidgets. ``find`` asks a `Search` for `Hits`.
    """

    def __init__(self, session: Session, found: Hits, find: Callable[..., Hits]) -> None:
        self._session = session
        self._find = find
        self.hits = found
        self._given = (found.search.where, parts(found.wb, found.search, was_asked=True))
        self._filters = self._given[1]
        self._excluded = found.search.exclude
        self._quiet = False
        self._build(_widgets())
        self._show()

    @property
    def search(self) -> Search:
        """The search whose hits are shown."""
        return self.hits.search

    @property
    def magic(self) -> str:
        """The line that asks for exactly these hits."""
        return self.hits.magic

    @property
    def table(self) -> pa.Table:
        """The table of the hits, as SQL reads it by the name that ``--as`` gave."""
        return self.hits.table

    def arrow(self) -> pa.Table:
        """The hits as an Arrow table."""
        return self.hits.arrow()

    def df(self) -> pd.DataFrame:
        """The hits as a pandas DataFrame."""
        return self.hits.df()

    def pl(self) -> pl.DataFrame:
        """The hits as a polars DataFrame."""
        return self.hits.pl()

    def write(self, *_: Any) -> None:
        """Put the magic into a new cell. A front end takes it with the answer to a cell: that which calls this, or,
        after the button, the next that is run.
        """
        self._session.shell.set_next_input(self.magic, replace=False)
        _say(self.said, "lh-line", "The new cell comes below the next cell that you run; or copy the line above.")

    def __repr__(self) -> str:
        return repr(self.hits)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        bundle = dict(self.box._repr_mimebundle_(**options) or {})
        # What is seen where no widget can be: in a terminal, and in an exported page.
        return bundle | {"text/plain": self.hits.text(), "text/html": self.hits._repr_html_()}

    # -- the controls -------------------------------------------------------------------------------------------------

    def _build(self, w: Any) -> None:
        asked, manifest = self.search, self.hits.wb.lake.get(self.search.dataset)
        wide = {"width": "auto", "margin": "0"}
        self.query = w.Text(asked.query, description="Search", continuous_update=False, layout=wide)
        self.role = _offered(w, self.hits.wb, asked, "role", "any role")
        self.city = _offered(w, self.hits.wb, asked, "city", "any city")
        self.k = w.BoundedIntText(asked.k, min=1, max=_MOST_K, description="How many", layout=wide)
        self.mode = w.Dropdown(options=MODES, value=asked.mode, description="Rank by", layout=wide)
        self.chips = w.Box(layout={"flex_flow": "row wrap", "margin": "0", "width": "auto"})
        example = next((c.name for c in manifest.columns if c.type.casefold().startswith("double")), "")
        hint = (
            f"add one: {quote(example) if not example.isidentifier() else example} > 0.5"
            if example
            else "add a condition"
        )
        self.added = w.Text(placeholder=hint, description="Filters", continuous_update=False, layout=wide)
        self.problem, self.line, self.said, self.shown = w.HTML(), w.HTML(), w.HTML(), w.HTML()
        self.button = w.Button(description="Write as a new cell", icon="plus", layout={"width": "auto", "margin": "0"})
        self.button.on_click(self.write)
        asking = [self.query, *filter(None, [self.role, self.city]), self.k, self.mode]
        for control in asking:
            control.observe(self._changed, "value")
        self.added.observe(self._filter_typed, "value")
        controls = w.VBox(
            [*asking, self.added, self.chips, self.problem, self.line, self.button, self.said],
            layout={"flex": "1 1 300px", "grid_gap": "6px", "max_width": "100%", "overflow": "hidden"},
        )
        right = w.Box([self.shown], layout={"flex": "999 1 560px", "min_width": "0", "overflow": "hidden"})
        self.shown.layout = {"width": "100%", "margin": "0"}
        for place in (self.shown, self.line):
            place.add_class("lh-shown")
        self.box = w.Box([controls, right], layout={"flex_flow": "row wrap", "grid_gap": "8px 20px", "width": "100%"})

    def _show(self) -> None:
        """Everything that follows from the hits."""
        self.shown.value = self.hits._repr_html_()
        self.line.value = page(
            f'<style>{_CSS}</style><div class="lh-line">The same as a magic:</div>'
            f'<pre class="lh-code lh-magic" title="a click selects it all">{escape(self.magic)}</pre>'
        )
        _say(self.problem, "")
        _say(self.said, "")
        chips = [self._chip(text, "_filters") for text in self._filters]
        self.chips.children = [*chips, *(self._chip(row, "_excluded") for row in self._excluded)]

    def _chip(self, text: str, kind: str) -> ipywidgets.Button:
        """A part of the search that a click takes away."""
        said = text if kind == "_filters" else f"not {text}"
        layout = {"width": "auto", "max_width": "100%", "margin": "0 6px 6px 0"}
        chip = _widgets().Button(description=f"{said}  ×", tooltip=f"Remove: {said}", layout=layout)
        chip.add_class("lh-chip")
        chip.on_click(lambda _: self._without(kind, text))
        return chip

    # -- what is asked ------------------------------------------------------------------------------------------------

    def _changed(self, _: Any) -> None:
        if not self._quiet:
            self._ask(self._filters, self._excluded)

    def _filter_typed(self, _: Any) -> None:
        typed = self.added.value.strip()
        if self._quiet or not typed:
            return
        with_it = replace(self.search, where=typed)
        if self._tried(lambda: self._ask((*self._filters, *parts(self.hits.wb, with_it)), self._excluded)):
            self._set(self.added, "")

    def _without(self, kind: str, text: str) -> None:
        parts = {"_filters": self._filters, "_excluded": self._excluded}
        parts[kind] = tuple(part for part in parts[kind] if part != text)
        self._ask(parts["_filters"], parts["_excluded"])

    def _ask(self, filters: tuple[str, ...], excluded: tuple[str, ...]) -> bool:
        """Ask what the controls say with these filters; keep it all as it was where that cannot be asked."""
        where = self._given[0] if filters == self._given[1] else joined(filters)
        search = replace(
            self.search,
            query=self.query.value,
            where=where,
            k=self.k.value,
            role=self.role.value.strip() if self.role else self.search.role,
            city=self.city.value.strip() if self.city else self.search.city,
            exclude=excluded,
            mode=self.mode.value,
        )
        return self._tried(lambda: self._found(search, filters, excluded))

    def _found(self, search: Search, filters: tuple[str, ...], excluded: tuple[str, ...]) -> bool:
        self.hits = self._find(self._session, search, open_why=self.hits.open_why)
        self._filters, self._excluded = filters, excluded
        self._show()
        return True

    def _tried(self, ask: Callable[[], bool]) -> bool:
        """Whether it went well; what went wrong is said in place, for a control has no cell to say it in."""
        try:
            with stoppable():
                return ask()
        except WorkbenchError as error:
            speak(error)
            # Without the caret, which would not stand under its word here, and the line to copy, which is all filters.
            words, hint = error.message.partition("\n\n")[0], error.hint.partition(" Write: ")[0]
            said = " → ".join(filter(None, [words, hint]))
        except Exception as error:  # noqa: BLE001 - a fault that nobody sees would look like a control that does nothing
            said = f"{type(error).__name__}: {error}"
        _say(self.problem, "lh-note", said)
        return False

    def _set(self, control: Any, value: Any) -> None:
        """Change a control without asking anew."""
        self._quiet = True
        try:
            control.value = value
        finally:
            self._quiet = False


def parts(wb: Workbench, search: Search, *, was_asked: bool = False) -> tuple[str, ...]:
    """`conditions`; one that cannot be taken apart, as it reads a version (``workers@1``), is one part.

    ``was_asked``: hits were found with it, so that it is a condition whatever is in it. Raises QueryError for a text
    that is none, or whose brackets would close those around it.
    """
    from workbench.lake.sql.versions import rewrite_versions

    try:
        return conditions(wb, search)
    except QueryError:
        if not was_asked and not (_closed(search.where) and rewrite_versions(search.where).tables):
            raise
        return (search.where.strip(),)


def _closed(text: str) -> bool:
    """Whether each bracket is closed after it is opened, and none is left open."""
    depth = 0
    for token in tokens(text):
        depth += (token.text in _OPENS) - (token.text in _CLOSES)
        if depth < 0:
            return False
    return depth == 0


def conditions(wb: Workbench, search: Search) -> tuple[str, ...]:
    """The parts of the condition at its outermost ANDs, as they were typed where that can be told.

    Raises QueryError for a text that is no condition.
    """
    where = search.where.strip()
    if not where:
        return ()
    manifest = wb.lake.get(search.dataset)

    def split(text: str) -> Sequence[str]:
        return wb.lake.queries.clauses(manifest, text)

    return as_typed(where, split)


def as_typed(where: str, split: Split) -> tuple[str, ...]:
    """The parts of ``where`` in its own words: the engine's, where a comment or a bracket is in the way.

    The engine decides what a part is: a piece of text counts only when it reads as the same part.
    """
    parts = tuple(split(where))
    found = tokens(where)
    if len(parts) == 1 and not any(token.kind == "comment" for token in found):
        return (where,)
    out: list[str] = []
    start = 0
    for end, following in _cuts(where, found):
        if len(out) < len(parts) and _reads(where[start:end], parts[len(out)], split):
            out.append(where[start:end].strip())
            start = following
    return tuple(out) if len(out) == len(parts) and start > len(where) else parts


def _cuts(where: str, found: Sequence[Token]) -> list[tuple[int, int]]:
    """Where a part may end and the next begin: at each outer AND, and at the end."""
    cuts = [(token.start, token.end) for token in _outer(found) if token.word == "and"]
    return [] if any(token.kind == "comment" for token in found) else [*cuts, (len(where), len(where) + 1)]


def _reads(text: str, part: str, split: Split) -> bool:
    try:
        return tuple(split(text)) == (part,)
    except QueryError:  # "x BETWEEN 1" is half a part: the AND after it is not ours
        return False


def _outer(found: Sequence[Token]) -> list[Token]:
    """The tokens that stand in no bracket."""
    out, depth = [], 0
    for token in found:
        depth += (token.text in _OPENS) - (token.text in _CLOSES)
        if depth == 0:
            out.append(token)
    return out


def joined(parts: Sequence[str]) -> str:
    """One condition that holds where every part does."""
    if len(parts) == 1:
        return parts[0]
    ors = [any(token.word == "or" for token in _outer(tokens(part))) for part in parts]
    return " AND ".join(f"({part})" if has_or else part for part, has_or in zip(parts, ors, strict=True))


def _offered(w: Any, wb: Workbench, asked: Search, column: str, placeholder: str) -> Any:
    """A field with the values of a column to choose from, the most frequent first; None where it has no such column."""
    manifest = wb.lake.get(asked.dataset)
    known = manifest.column(column)
    if known is None:
        return None
    values: list[str] = []
    if known.name not in manifest.pii or asked.show_pii:
        name = f"{quote(manifest.name)}@{manifest.version}"
        sql = f"SELECT {quote(known.name)} FROM {name} GROUP BY ALL ORDER BY count(*) DESC, 1 LIMIT {_MOST_VALUES}"
        rows = wb.sql(sql, show_pii=asked.show_pii).table.column(0).to_pylist()
        values = [str(value) for value in rows if value not in {None, ""}]
    return w.Combobox(
        value=getattr(asked, column),
        options=values,
        placeholder=placeholder,
        description=column.capitalize(),
        continuous_update=False,
        layout={"width": "auto", "margin": "0"},
    )


def _say(place: Any, kind: str, text: str = "") -> None:
    """Show a text in its place; none takes no room."""
    place.value = page(f'<div class="{kind}" role="status">{escape(text)}</div>') if text else ""
    place.layout.display = None if text else "none"


def _widgets() -> Any:
    """The package ipywidgets. Raises MissingExtraError where it is not installed."""
    try:
        import ipywidgets
    except ImportError as error:
        raise MissingExtraError(
            "--refine needs ipywidgets, which is not installed.", hint="pip install 'lakehouse-workbench[notebook]'"
        ) from error
    return ipywidgets
