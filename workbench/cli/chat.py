"""``lh chat``: ask a model once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli import grid, show
from workbench.cli.app import JsonOption, LakeOption, app, workbench
from workbench.errors import InvalidError

if TYPE_CHECKING:
    from workbench.llm.chat import Ask, ChatModel, Completion


@app.command()
def chat(
    text: Annotated[str, typer.Argument(help="What to ask; - reads it from stdin.")],
    model: Annotated[str, typer.Option(help="ollama/qwen3, kimi/k2, …; else the setting chat_model.")] = "",
    system: Annotated[str, typer.Option(help="How the model is to answer.")] = "",
    json_mode: Annotated[bool, typer.Option("--json-mode", help="Ask for one JSON value.")] = False,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it comes.")] = False,
    temperature: Annotated[float, typer.Option(help="0 (the likeliest words) to 2.")] = 0.2,
    max_tokens: Annotated[int, typer.Option(help="Longest answer, in tokens.")] = 4096,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """Ask a model once and print its answer; - reads the question from stdin."""
    prompt = _stdin() if text == "-" else text
    with workbench(lake) as wb:
        options = {"temperature": temperature, "max_tokens": max_tokens, "as_json": json_mode}
        ask = wb.llm.ask(prompt, model=model, system=system, **options)
        done = _streamed(wb.llm, ask, silent=as_json) if stream else wb.llm.complete(ask)
    if as_json:
        show.json_out(done.to_dict())
    elif not stream:
        show.line(done.text)
    _told(done)


def _streamed(model: ChatModel, ask: Ask, *, silent: bool) -> Completion:
    """Print the pieces as they come; the whole answer."""
    done = None
    begun = False
    try:
        for piece in model.stream(ask):
            if not isinstance(piece, str):
                done = piece
            elif not silent:
                begun = True
                sys.stdout.write("\n".join(map(grid.clean, piece.split("\n"))))
                sys.stdout.flush()
    finally:
        if begun:  # what follows, an error too, has a line of its own
            sys.stdout.write("\n")
    assert done is not None, "a stream that ends without an error ends with its completion"
    return done


def _told(done: Completion) -> None:
    used = done.usage
    counted = [n for n in (used.prompt_tokens, used.completion_tokens) if n is not None]
    tokens = f"{' + '.join(f'{n:,}' for n in counted)} tokens" if counted else ""
    said = (f"{done.provider}/{done.model}", tokens, f"{done.duration_s:.1f} s")
    show.remark(" · ".join(part for part in said if part))
    if done.pseudonymised:
        hidden = f"{done.pseudonymised:,} personal value{'s'[: done.pseudonymised != 1]}"
        show.remark(f"{done.provider} got placeholders for {hidden}; the setting trusted_providers names who gets all")
    for failed in done.failed:
        show.caution(f"asked before it: {failed}")
    if done.finish == "length":
        show.caution("the answer is cut off: --max-tokens allows a longer one")
    elif done.finish != "stop":
        show.caution("the provider ended the answer before its end")


def _stdin() -> str:
    if sys.stdin.isatty():
        show.remark("reading the question; Ctrl-D ends it")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidError("stdin is not UTF-8 text.", hint="iconv -t UTF-8 FILE | lh chat -") from None
