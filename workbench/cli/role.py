"""``lh role``: which trade a role text means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, app, workbench

if TYPE_CHECKING:
    from workbench.trades.roles import RoleMatch

_SHOWN = 10


@app.command()
def role(
    text: Annotated[str, typer.Argument(help='A role as people write it: "hi-lo driver".')],
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Say which trade a role text means, and how that is known."""
    with workbench(lake) as wb:
        found = wb.role(text)
    show.json_out(found.to_dict()) if as_json else told(found)


def told(found: RoleMatch) -> None:
    """One line that says it, the occupations it may be, and how it was recognised."""
    show.line(found.says)
    if len(found.ranked) > 1:
        rows = [
            (f"{r.score:.2f}", r.occupation.short, r.occupation.title, r.occupation.family)
            for r in found.ranked[:_SHOWN]
        ]
        show.table(["fits", "O*NET", "occupation", "family"], rows, right=["fits"])
    more = len(found.ranked) - _SHOWN
    said = {
        "synonym": "your synonyms",
        "exact": f"title {found.title!r}",
        "near": "nearest title",
        "unknown": "unknown",
    }
    rest = f"{more} more: --json shows all" if more > 0 else ""
    show.remark(" · ".join(part for part in (said[found.how], found.note, rest) if part))
