"""``lh why``: why a row is not among the hits of a search, and what would bring it in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, PiiOption, app, workbench
from workbench.cli.reasons import ordinal
from workbench.cli.search import CityOption, CountOption, ExcludeOption, InOption, RoleOption, WhereOption

if TYPE_CHECKING:
    from workbench.search.answer import WhyNot
    from workbench.search.ranking.hits import Id
    from workbench.session import Workbench

_WHO = ("name", "role", "city", "state")


@app.command()
def why(
    row: Annotated[str, typer.Argument(help="Id of the row: 12 or W-12.")],
    query: Annotated[str, typer.Argument(help="The search, as for lh search.")],
    dataset: InOption = "workers",
    where: WhereOption = "",
    k: CountOption = 10,
    role: RoleOption = "",
    city: CityOption = "",
    exclude: ExcludeOption = None,
    show_pii: PiiOption = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Say why a row is not among the hits of a search, and the smallest change that would bring it in."""
    options = {"where": where, "k": k, "role": role, "city": city, "exclude": exclude or (), "show_pii": show_pii}
    typed = _typed(row, role, city, exclude or ())
    with workbench(lake) as wb:
        found = wb.why_not(row, query, dataset=dataset, **options)
        facts = {} if as_json else _facts(wb, dataset, found.id, show_pii=show_pii)
    show.json_out(found.to_dict()) if as_json else told(found, facts, k, typed)


def _typed(row: str, role: str, city: str, exclude: Sequence[str]) -> dict[str, str]:
    """What an answer calls the options, and how they were typed."""
    said = {f"role:{role}": f"--role {shlex.quote(role)}"} if role else {}
    said |= {f"city:{city}": f"--city {shlex.quote(city)}"} if city else {}
    return said | ({"its id from those that are excluded": f"--exclude {row}"} if exclude else {})


def told(found: WhyNot, facts: dict[str, str], k: int, typed: dict[str, str]) -> None:
    """Who the row is, what became of it, and why.

    ``facts`` are its columns as they may be shown, ``typed`` the options that were typed for what the query could say.
    """
    who = " · ".join(facts[name] for name in _WHO if facts.get(name))
    show.line(f"{found.id}  {who}" if who else f"{found.id}")
    show.line(f"  {_verdict(found, facts, k)}")
    if not found.found:
        show.line(f"  To bring it in: {_change(found, typed)}.")
    if found.hit:
        show.hits([found.hit], first=0)


def _verdict(found: WhyNot, facts: dict[str, str], k: int) -> str:
    score = 0.0 if found.hit is None else found.hit.score
    if found.gate:
        own = ", ".join(f"{name} is {facts[name]}" for name in _about(found, facts))
        return f"Dropped by: {found.gate}{f' ({own})' if own else ''}. By the words it has {score:.3f}."
    if found.rank is None:
        return f"It ranks beyond the first 1,000 with {score:.3f}; {_last(found, k)}."
    if found.found:
        return f"It is there: {ordinal(found.rank)} with {score:.3f}; {_last(found, k)}."
    return f"It is {ordinal(found.rank)} with {score:.3f}; {_last(found, k)}."


def _last(found: WhyNot, k: int) -> str:
    return f"the last of the first {k:,} has {found.last_score or 0:.3f}"


def _change(found: WhyNot, typed: dict[str, str]) -> str:
    """The change in words, with the options that were typed by their names."""
    said = re.sub(r"ask for (\d+)", r"ask for more: -k \1", found.change)
    for what, option in typed.items():
        said = said.replace(what, option)
    return said


def _about(found: WhyNot, facts: dict[str, str]) -> list[str]:
    """The columns that the condition speaks of."""
    if found.gate.startswith(("in ", "within ")):
        return [name for name in ("city", "state") if name in facts]
    if found.gate.startswith("role ") and "role" in facts:
        return ["role"]
    said = set(re.findall(r"\w+", found.change.casefold()))
    return [name for name in facts if name.casefold() in said]


def _facts(wb: Workbench, dataset: str, row: Id, *, show_pii: bool) -> dict[str, str]:
    """The columns of a row as text, by name in lower case."""
    from workbench.cli.grid import cell
    from workbench.lake.tables.mapping import literal, quote
    from workbench.search.corpora import key_column

    manifest = wb.lake.get(dataset)
    own = str(row) if isinstance(row, int) else literal(row)
    sql = f"SELECT * FROM {quote(manifest.name)}@{manifest.version} WHERE {quote(key_column(manifest).name)} = {own}"
    table = wb.sql(sql, row_cap=1, show_pii=show_pii).table
    first = table.to_pylist()[0]
    return {name.casefold(): cell(value) for name, value in first.items()}
