"""``lh distill review``: what a person should look at, what was decided, and how far reviewers agree."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption
from workbench.cli.distill_options import AtOption, RootOption, now
from workbench.errors import InvalidError

review = typer.Typer(help="Judge what the scorer cannot: a queue, decisions, undo, agreement.", no_args_is_help=True)

ByOption = Annotated[str, typer.Option(help="The reviewer; else the login.")]
GuidelineOption = Annotated[str, typer.Option("--guideline", help="Its version; else the newest one.")]


@review.command()
def queue(
    root: RootOption = Path(),
    by: ByOption = "",
    limit: Annotated[int, typer.Option("-k", min=1, help="How many.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """List what to look at next, most valuable first, each with the reason."""
    from workbench.distill.backlog import candidates
    from workbench.distill.review import log
    from workbench.distill.review.decisions import standing
    from workbench.distill.review.queue import queue as queued
    from workbench.distill.root import Root

    place = Root(root)
    versions = [one.version for one in log.guidelines(place)]
    options = {"guideline_version": versions[-1] if versions else "", "reviewer": by or getpass.getuser()}
    found = queued(candidates(place), standing(log.read(place)), **options)
    if as_json:
        show.json_out([one.to_dict() for one in found[:limit]])
        return
    show.table(["value", "run", "why"], [(f"{one.value:.2f}", one.run_id, one.why) for one in found[:limit]], wrap=True)
    show.remark(f"{len(found):,} wait")


@review.command()
def decide(
    run_id: Annotated[str, typer.Argument(help="The run, as the queue names it.")],
    decision: Annotated[str, typer.Argument(help="accept, fix, reject or skip.")],
    root: RootOption = Path(),
    by: ByOption = "",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    text: Annotated[Path | None, typer.Option(help="For fix: a file with the text as it should be.")] = None,
    guideline: GuidelineOption = "",
    adjudicate: Annotated[bool, typer.Option("--adjudicate", help="Settle a dispute of others.")] = False,
    recorded_at: AtOption = "",
) -> None:
    """Record a decision; nothing is edited, the next export goes by it."""
    from workbench.distill.backlog import decide as decided
    from workbench.distill.review.decisions import Decision
    from workbench.distill.root import Root

    _check(decision)
    place, who = Root(root), by or getpass.getuser()
    corrected = text.read_text(encoding="utf-8") if text else ""
    version = guideline or _version(place)
    said = Decision(run_id, who, decision, now(recorded_at), version, reason, corrected, adjudicate)  # type: ignore[arg-type]
    found = decided(place, said)
    show.line(f"{decision}: {found.run_id} (was {found.category})")


@review.command()
def undo(root: RootOption = Path(), by: ByOption = "", reason: str = "", recorded_at: AtOption = "") -> None:
    """Take back what you decided last; again: the one before, down to the first."""
    from workbench.distill.review import log
    from workbench.distill.review.decisions import undo_of
    from workbench.distill.root import Root

    place = Root(root)
    line = undo_of(log.read(place), by or getpass.getuser(), at=now(recorded_at), reason=reason)
    log.write(place, line)
    show.line(f"taken back: {line.run_id}")


@review.command("log")
def show_log(root: RootOption = Path(), as_json: JsonOption = False) -> None:
    """List every decision, undone ones too."""
    from workbench.distill.review import log
    from workbench.distill.root import Root

    found = log.read(Root(root))
    if as_json:
        show.json_out([one.decision.to_dict() for one in found])
        return
    rows = [(f"{one.line}", one.decision.at, one.decision.reviewer, one.decision.decision, one.decision.run_id,
             one.decision.reason) for one in found]  # fmt: skip
    show.table(["line", "at", "by", "decision", "run", "reason"], rows, right=["line"])


@review.command()
def agreement(root: RootOption = Path()) -> None:
    """Print Cohen's kappa of every two reviewers with its 95 % interval, and each one beside the gold items."""
    from workbench.distill.review import log
    from workbench.distill.review.agreement import against_gold, between
    from workbench.distill.review.decisions import standing
    from workbench.distill.root import Root

    place = Root(root)
    made = standing(log.read(place)).decisions()
    pairs = [{"first": one.first, "second": one.second, **one.kappa.to_dict()} for one in between(made)]
    gold = [
        {"reviewer": one.reviewer, "right": one.right, "items": one.items, "interval": one.interval}
        for one in against_gold(made, log.gold(place))
    ]
    show.json_out({"pairs": pairs, "gold": gold})


@review.command()
def guideline(
    version: Annotated[str, typer.Argument(help="Its version: g2.")],
    text: Annotated[Path, typer.Argument(help="A file with its text.")],
    root: RootOption = Path(),
    recorded_at: AtOption = "",
) -> None:
    """Record a version of the guideline; what was judged under another one comes into the queue again."""
    from workbench.distill.review import log
    from workbench.distill.review.decisions import standing
    from workbench.distill.root import Root

    place = Root(root)
    log.add_guideline(place, version, text.read_text(encoding="utf-8"), at=now(recorded_at))
    again = standing(log.read(place)).under_another_guideline(version)
    show.line(f"guideline {version}; {len(again):,} decisions were made under another")


@review.command()
def gold(
    run_id: Annotated[str, typer.Argument(help="The run whose answer is known.")],
    decision: Annotated[str, typer.Argument(help="accept, fix or reject.")],
    root: RootOption = Path(),
    version: GuidelineOption = "",
) -> None:
    """Name the right answer of a run: reviewers are measured by it."""
    from workbench.distill.review import log
    from workbench.distill.review.decisions import Gold
    from workbench.distill.root import Root

    _check(decision)
    log.add_gold(Root(root), Gold(run_id, decision, version or _version(Root(root))))  # type: ignore[arg-type]
    show.line(f"gold: {run_id} is {decision}")


def _check(decision: str) -> None:
    if decision not in {"accept", "fix", "reject", "skip"}:
        raise InvalidError(f"{decision!r} is no decision.", hint="One of: accept, fix, reject, skip.")


def _version(root: object) -> str:
    from workbench.distill.review import log
    from workbench.distill.root import Root

    assert isinstance(root, Root)
    found = log.guidelines(root)
    if not found:
        raise InvalidError("There is no guideline yet.", hint="lh distill review guideline g1 guideline.md")
    return found[-1].version
