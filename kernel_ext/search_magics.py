"""``%lhsearch``: ask in plain words, from a cell."""

from __future__ import annotations

import re
from argparse import Namespace
from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from IPython.core.magic import (  # noqa: TID253 - this is IPython's own door
    Magics,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
    output_can_be_silenced,
)

from kernel_ext import hits
from kernel_ext.bar import Bar
from kernel_ext.options import Options
from kernel_ext.session import check_name, told
from kernel_ext.written import spoken, written
from workbench.errors import InvalidError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kernel_ext.hits import Hits, Search
    from kernel_ext.session import Session

# A word as a shell reads it; what stands in quotes is never an option, whatever it begins with.
_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s"'\\])+""")
_QUOTED_DASH = re.compile(r"""["']-""")
_HELD = "\ue000"  # stands before such a dash while the options are read; no text of a person has it


@magics_class
class SearchMagics(Magics):
    """Search as magics of one shell."""

    def __init__(self, shell: InteractiveShell, *, session: Session) -> None:
        super().__init__(shell)
        self._session = session

    @no_var_expand
    @output_can_be_silenced
    @needs_local_scope
    @line_magic
    @told
    def lhsearch(self, line: str, local_ns: Mapping[str, Any] | None = None) -> Any:
        """Find the best rows for a query in plain words: ``%lhsearch --help`` lists the options."""
        asked = read(line)
        names = ChainMap(dict(local_ns or {}), self._session.shell.user_ns)
        return None if asked is None else answer(self._session, asked, names)


def options() -> Options:
    """What ``%lhsearch`` understands: the options of ``lh search``, and what becomes of the hits."""
    made = Options(
        "lhsearch",
        "Find the best rows for a query in plain words, each with its score and why it is there.",
        epilog='In the query: "exact phrase", +must, -not, role:welder, city:Gary, near:Joliet,30mi, and plain "no\n'
        'nights". For example: %lhsearch "forklift, OSHA-30, nights" --where "city = \'Joliet\'" -k 20 --why',
    )
    made.add("query", nargs="+", help="in plain words")
    made.add(
        "--in", "--dataset", dest="dataset", default="workers", metavar="DATASET", help="dataset or a version of it"
    )
    made.add(
        "--where", default="", metavar="SQL", help="any SQL condition on its columns; {{x}} is a value of the notebook"
    )
    made.add("-k", type=int, default=10, help="how many")
    made.add("--role", default="", help="only this trade, by any of its names")
    made.add("--city", default="", help='only this city: Joliet, or "Joliet, IL"')
    made.add("--exclude", action="append", default=[], metavar="ID", help="id of a row to leave out; repeatable")
    made.add("--mode", default="hybrid", help="hybrid, vector (by meaning alone) or text (by words alone)")
    made.add("--column", action="append", default=[], metavar="NAME", help="column to show; repeatable")
    made.add("--why", action="store_true", help="open the reasons of every hit")
    made.add("--why-not", default="", metavar="ID", help="say why this row is not among the hits")
    made.add("--show-pii", action="store_true", help="show personal data unmasked")
    made.add("--to", choices=("df", "pl", "arrow"), default="", help="hits as pandas, polars or Arrow")
    made.add("--as", dest="name", default="", metavar="NAME", help="keep the hits under a name that SQL can read FROM")
    made.add("--refine", action="store_true", help="change the search with the mouse, and see its hits beside it")
    return made


def read(line: str) -> Namespace | None:
    """The options on a line; None after ``--help`` was answered. Raises InvalidError for what means nothing."""
    asked = options().read(_WORD.sub(lambda word: _held(word[0]), line.rstrip().removesuffix(";")))
    if asked is None:
        return None
    asked.query = " ".join(asked.query)
    for name, value in vars(asked).items():
        if isinstance(value, str):
            setattr(asked, name, value.replace(_HELD, ""))
        elif isinstance(value, list):
            setattr(asked, name, [each.replace(_HELD, "") for each in value])
    if asked.name:
        check_name(asked.name)
    if asked.refine and (asked.to or asked.why_not):
        raise InvalidError(
            "--refine shows hits that change; --to and --why-not speak of hits as they are.", hint="One of them."
        )
    return asked


def _held(word: str) -> str:
    return f"{word[0]}{_HELD}{word[1:]}" if _QUOTED_DASH.match(word) else word


def search_of(asked: Namespace, names: Mapping[str, Any]) -> Search:
    """The search that the options describe, each ``{{x}}`` with its value. Raises as `spoken` and `written`."""
    return hits.Search(
        query=spoken(asked.query, names, "the query"),
        dataset=asked.dataset,
        where=written(asked.where, names).sql,
        k=asked.k,
        role=spoken(asked.role, names, "--role"),
        city=spoken(asked.city, names, "--city"),
        exclude=tuple(asked.exclude),
        mode=asked.mode,
        columns=tuple(asked.column),
        show_pii=asked.show_pii,
    )


def answer(session: Session, asked: Namespace, names: Mapping[str, Any]) -> Any:
    """What a line shows: `Hits`, or what the options make of them. Raises as ``wb.search``, and for a ``{{x}}`` that
    ``names`` does not hold.
    """
    if asked.name:
        session.check_free(asked.name)
    search = search_of(asked, names)
    if asked.why_not:
        return hits.why_not(session.wb, asked.why_not, search)
    found = replace(find(session, search, open_why=asked.why), notes=written(asked.where, names).notes)
    if asked.refine:
        from kernel_ext.refine import Refine

        return _kept(session, asked.name, Refine(session, found, find))
    forms = {"df": found.df, "pl": found.pl, "arrow": found.arrow}
    return _kept(session, asked.name, forms[asked.to]() if asked.to else found)


def _kept(session: Session, name: str, value: Any) -> Any:
    if name:
        session.keep(name, value)
    session.last(value)
    return value


def find(session: Session, search: Search, *, open_why: bool = False) -> Hits:
    """Ask, with a bar while texts are read for the first time; the stop button ends it and loses nothing."""
    wb = session.wb
    with Bar(session.shell, "search") as bar:
        return hits.find(
            wb, search, open_why=open_why, on_progress=embedding(bar, lambda: wb.lake.get(search.dataset).row_count)
        )


def embedding(bar: Bar, rows: Callable[[], int]) -> Callable[[Any], None]:
    """Shows on ``bar`` how far an intake is; ``rows`` says, when there is one, of how many rows."""
    total: list[int] = []

    def on_progress(at: Any) -> None:
        if not total:
            total.append(rows())
        bar("embed", at.rows, total[0])

    return on_progress
