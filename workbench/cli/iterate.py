"""``lh iterate``: a model proposes, the validators decide, and one sees how it went, attempt by attempt."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, app, workbench
from workbench.cli.order import chips
from workbench.cli.progress import Bar
from workbench.cli.search import embedding
from workbench.cli.validate import read_json, told
from workbench.errors import InvalidError

if TYPE_CHECKING:
    from workbench.llm.attempts import Attempt, Finding, Run
    from workbench.llm.changes import Change
    from workbench.session import Workbench
    from workbench.session.briefing import Brief

_MARKS = {"error": ("✗", "bold red"), "warning": ("!", "yellow"), "info": ("·", "dim")}
_SAID = {"accepted": "accepted", "validation_failed": "refused", "no_json": "no JSON in the answer"}
_RAW_CHARS = 200


@app.command()
def iterate(
    kind: Annotated[str, typer.Argument(help="fill, email or playbook.")],
    prompt: Annotated[str, typer.Argument(help="The order, or what to write; a file that holds it; - reads stdin.")],
    model: Annotated[str, typer.Option(help="ollama/qwen3, scripted/corrected, …; else the setting chat_model.")] = "",
    system: Annotated[str, typer.Option(help="How the model is to answer; else what the loop says.")] = "",
    context: Annotated[
        Path | None, typer.Option(help='A JSON file that wins over the text: {"target_count", "city", "client_id", …}.')
    ] = None,
    candidate: Annotated[
        list[str] | None, typer.Option(help="Id of somebody who may be proposed, instead of a search; repeat it.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many candidates the model is given.")] = 20,
    max_iterations: Annotated[int, typer.Option(help="Attempts, 1 to 20.")] = 3,
    seconds: Annotated[float | None, typer.Option(help="Budget of the whole run.")] = None,
    tokens: Annotated[int | None, typer.Option(help="Budget of the whole run, prompts included.")] = None,
    temperature: Annotated[float, typer.Option(help="0 (the likeliest words) to 2.")] = 0.2,
    max_tokens: Annotated[int, typer.Option(help="Longest answer, in tokens.")] = 4096,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Let a model propose and the validators decide, until it passes or the budget ends; exit 1 when it is refused."""
    asked = {"model": model, "system": system, "candidates": candidate, "k": k, "temperature": temperature}
    bounds = {"max_iterations": max_iterations, "seconds": seconds, "tokens": tokens, "max_tokens": max_tokens}
    given = read_json(str(context)) if context else None
    text = _text(prompt)
    with workbench(lake) as wb:
        run = _watched(wb, kind, text, {"context": given, **asked, **bounds}, silent=as_json)
    artifact = run.require()
    show.json_out(run.to_dict()) if as_json else _accepted(run, artifact)


def _text(prompt: str) -> str:
    """What was asked: the text itself, what a file of that name holds, or stdin."""
    if prompt == "-":
        data, name = sys.stdin.buffer.read(), "stdin"
    elif (file := _file(prompt)) is not None:
        data, name = file.read_bytes(), prompt
        show.remark(f"prompt read from {prompt}")
    else:
        return prompt
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidError(f"{name} is not UTF-8 text.", hint="iconv -t UTF-8 FILE") from None


def _file(prompt: str) -> Path | None:
    try:
        return Path(prompt) if Path(prompt).is_file() else None
    except (OSError, ValueError):  # too long for a name, or a NUL in it: a text
        return None


def _watched(wb: Workbench, kind: str, text: str, options: dict[str, Any], *, silent: bool) -> Run:
    """The run, told as it goes on."""
    with Bar() as bar:
        return wb.iterate(
            kind,
            text,
            begin=None if silent else _begun,
            watch=None if silent else attempted,
            on_progress=embedding(bar),
            **options,
        )


def _begun(brief: Brief) -> None:
    """What was understood, and whom the model may propose."""
    if brief.order is not None:
        chips(brief.order)
        for doubt in (*brief.order.doubts, *brief.notes):
            show.caution(doubt)
    if brief.candidates:
        of = f" of {brief.matching:,} who fit" if brief.matching is not None else ""
        many = "" if len(brief.candidates) == 1 else "s"
        show.remark(f"{len(brief.candidates)} candidate{many}{of} given to the model")


def attempted(attempt: Attempt) -> None:
    """An attempt: how it ended, what changed since the last one, what was found."""
    style = "green" if attempt.status == "accepted" else "bold red"
    kept = f", {attempt.kept} kept" if attempt.kept else ""
    ended = show.styled(_SAID[attempt.status], style, sys.stdout)
    show.line(f"\nattempt {attempt.iteration}  {ended}{kept}  ({_cost(attempt)})")
    if attempt.status == "no_json":
        show.line(f"  said: {' '.join(attempt.raw.split())[:_RAW_CHARS] or '(nothing)'}")
    elif attempt.diff:
        for change in attempt.diff:
            show.line(f"  {_changed(change)}")
    else:
        show.line(f"  proposed: {_proposed(attempt.artifact or {})}")
    for found in attempt.findings:
        if found.severity != "info":
            show.line(f"  {_found(found)}")


def _cost(attempt: Attempt) -> str:
    about = "about " if attempt.estimated else ""
    return f"{attempt.provider}/{attempt.model}, {about}{attempt.tokens:,} tokens, {attempt.duration_s:.1f} s"


def _found(found: Finding) -> str:
    mark, style = _MARKS[found.severity]
    return f"{show.styled(mark, style, sys.stdout)} {found.code}  {found.path}  {found.message}"


def _changed(change: Change) -> str:
    return f"{change.path}: {_value(change.was)} → {_value(change.now)}"


def _value(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _proposed(artifact: dict[str, Any]) -> str:
    """A fill as its people; another artifact as its fields."""
    fills = artifact.get("fills")
    if isinstance(fills, list) and all(isinstance(fill, dict) for fill in fills):
        return " · ".join(f"{fill.get('candidate_id')} {fill.get('name')}" for fill in fills) or "nobody"
    return " · ".join(f"{name}: {_value(value)}" for name, value in artifact.items())


def _accepted(run: Run, artifact: dict[str, Any]) -> None:
    """What was accepted, what could not be checked, and what the verdict stands for."""
    show.line("")
    told(run.report)  # type: ignore[arg-type]
    fills = artifact.get("fills")
    if isinstance(fills, list):
        show.table(["candidate", "name"], [(fill["candidate_id"], fill["name"]) for fill in fills])
    else:
        show.table(["field", "value"], [(name, _value(value)) for name, value in artifact.items()], wrap=True)
    where = "everybody is on the roster" if run.grounded else "it names nobody of the roster"
    ended = run.says.removesuffix(".")
    show.remark(f"{ended}; {where} · {run.tokens:,} tokens · {run.duration_s:.1f} s · run {run.task.trace_id}")
