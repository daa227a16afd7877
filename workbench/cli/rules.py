"""``lh rules``: the truth rules in force, a file of them checked, and what they say of a task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, app, workbench
from workbench.errors import InvalidError

if TYPE_CHECKING:
    from workbench.memory.truth import RuleBook, Ruling
    from workbench.memory.truth.book import Outcome


@app.command()
def rules(
    file: Annotated[Path | None, typer.Argument(help="A file of rules to check, or a folder of them.")] = None,
    task_class: Annotated[str, typer.Option(help="Try the rules of this class: staffing.fill.")] = "",
    context: Annotated[Path | None, typer.Option(help="A JSON file with what is asked for.")] = None,
    artifact: Annotated[Path | None, typer.Option(help="A JSON file with what is proposed.")] = None,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """List the truth rules in force, check a file of rules, or try the rules on a task; exit 1 when they refuse it."""
    if (context or artifact) and not task_class:
        raise InvalidError("A context or an artifact is tried by a task class.", hint="--task-class staffing.fill")
    with workbench(lake) as wb:
        book = _checked(wb.judging.book, wb.settings.truth_folder, file)
        if task_class:
            ruling = wb.judging.trial(task_class, *map(_read, (artifact, context)), book=book)
            show.json_out(_tried(ruling)) if as_json else _told(ruling)
        else:
            show.json_out(_listed(book)) if as_json else _list(book)
    if task_class and not ruling.ok:
        raise typer.Exit(1)


def _checked(book: RuleBook, folder: str, file: Path | None) -> RuleBook:
    """The rules in force and those of a file or folder, a file that is in force already not twice."""
    if file is None:
        return book
    from workbench.memory.truth import rule_files, with_files

    new = rule_files(file) if file.is_dir() else [file]
    there = {one.resolve() for one in rule_files(Path(folder).expanduser())} if folder else set()
    return with_files(book, [one for one in new if one.resolve() not in there])


def _read(file: Path | None) -> Any:
    from workbench.cli.validate import read_json

    return None if file is None else read_json(str(file))


def _listed(book: RuleBook) -> dict[str, Any]:
    return {"digest": book.digest, "rules": [rule.to_dict() | {"from": rule.source} for rule in book.rules]}


def _list(book: RuleBook) -> None:
    rows = [(rule.id, rule.task_class, rule.condition.says, rule.action.says, rule.source) for rule in book.rules]
    show.table(["rule", "task class", "when", "then", "from"], rows)
    show.remark(f"{len(rows)} rules, version {book.digest[:12]}")


def _tried(ruling: Ruling) -> dict[str, Any]:
    return {"ok": ruling.ok, "blocked": ruling.blocked, "rules": [_row(one, ruling) for one in ruling.outcomes]}


def _row(one: Outcome, ruling: Ruling) -> dict[str, Any]:
    from workbench.memory.truth.paths import shown

    rule = one.rule
    return {
        "rule": rule.id,
        "from": rule.source,
        "state": one.state,
        "when": rule.condition.says,
        "then": rule.action.says,
        "at": [shown(place.where) for place in one.places if place.where],
        "leads_nowhere": [path.text for path in rule.condition.reads if not path.leads(ruling.facts)],
    }


def _told(ruling: Ruling) -> None:
    """A line per rule, what it did first, and where a path led to nothing: a misspelt name looks like that."""
    marks = {"held": "!", "not held": "✓", "not checked": "·", "crashed": "✗"}
    for one in ruling.outcomes:
        row = _row(one, ruling)
        at = f" at {', '.join(row['at'])}" if row["at"] else ""
        then = f"  {row['then']}" if one.state == "held" else ""
        nowhere = f"  (there is no {', no '.join(row['leads_nowhere'])} here)" if row["leads_nowhere"] else ""
        show.line(f"{marks[one.state]} {row['rule']}  {one.state}{at}{then}{nowhere}")
    show.line("refused" if not ruling.ok else "not refused")
