"""What ``%%lhchat`` gives: a model's answer, with what it cost. It is text, whatever is in it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kernel_ext import model_html
from kernel_ext.bar import Bar
from kernel_ext.covered import cover
from kernel_ext.live import Place, Writing
from kernel_ext.result import duration
from workbench.cli.grid import clean
from workbench.errors import CancelledError, InvalidError

if TYPE_CHECKING:
    from kernel_ext.session import Session
    from workbench.llm.chat import Ask, Completion

_CUT = {"length": "the answer is cut off: --max-tokens allows a longer one"}


@dataclass(eq=False)
class Reply:
    """An answer. ``text`` is all of it as the model wrote it; what is shown has personal data covered.

    ``asked`` is the request as it was sent, ``completion`` what the provider said of it: tokens, finish, time.
    """

    completion: Completion
    asked: Ask = field(repr=False)
    notes: tuple[str, ...] = ()
    show_pii: bool = False
    _is_printed: bool = field(default=False, repr=False)  # a terminal has seen it come

    @property
    def text(self) -> str:
        """The whole answer."""
        return self.completion.text

    @property
    def data(self) -> Any:
        """The JSON object in the answer. Raises InvalidError when there is none."""
        from workbench.llm.extract import NoJson, find_json

        try:
            return json.loads(self.text)
        except (ValueError, RecursionError):
            found = find_json(self.text)
        if isinstance(found, NoJson):
            raise InvalidError(found.message, hint="%%lhchat --json asks the model for JSON.")
        return found.value

    @property
    def cautions(self) -> tuple[str, ...]:
        """What is wrong with the answer: cut off, or not from the model that was asked first."""
        done = self.completion
        end = "" if done.finish == "stop" else _CUT.get(done.finish, "the provider ended the answer before its end")
        covered = "" if self._shown == self.text else "personal data is covered (--show-pii)"
        return tuple(said for said in (*(f"asked before it: {one}" for one in done.failed), end, covered) if said)

    @property
    def line(self) -> str:
        """Who answered, what it took: ``ollama/qwen3 · 12 + 40 tokens · 1.2 s``."""
        done, used = self.completion, self.completion.usage
        counted = [n for n in (used.prompt_tokens, used.completion_tokens) if n is not None]
        tokens = f"{' + '.join(f'{n:,}' for n in counted)} tokens" if counted else ""
        hidden = f"{done.pseudonymised} personal values went as placeholders" if done.pseudonymised else ""
        told = (f"{done.provider}/{done.model}", tokens, _cost(done), duration(done.duration_s), hidden)
        return " · ".join(said for said in told if said)

    @property
    def _shown(self) -> str:
        return cover(show_pii=self.show_pii)(self.text)

    def __repr__(self) -> str:
        return self.to_text()

    def to_text(self) -> str:
        """The answer and the line below it, as plain text."""
        shown = "\n".join(map(clean, self._shown.split("\n")))
        return "\n".join([shown, *self._said()])

    def _said(self) -> list[str]:
        return [clean(said) for said in (*self.notes, *(f"! {one}" for one in self.cautions), self.line)]

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython's own signature
        is_printed, self._is_printed = self._is_printed, False
        printer.text("…" if cycle else "\n".join(self._said()) if is_printed else self.to_text())

    def _repr_html_(self) -> str:
        body = self._body()
        cautions = model_html.notes((*self.notes, *self.cautions))
        return model_html.framed(cautions, f'<div class="lh-reply">{body}</div>', model_html.line(self.line))

    def _body(self) -> str:
        if self.asked.as_json:
            try:
                return model_html.code(json.dumps(json.loads(self._shown), indent=2, ensure_ascii=False))
            except (ValueError, RecursionError):
                pass
        return f'<div class="lh-text">{model_html.safe(self._shown)}</div>'


def ask(session: Session, asked: Ask, *, notes: tuple[str, ...] = (), show_pii: bool = False) -> Reply:
    """Ask, show the answer as it comes, and give it. Stopped, it breaks off, and what came stays to be seen.

    Raises CancelledError when it is stopped, and as `ChatModel.stream` does.
    """
    place, began = Place(session.shell), time.monotonic()
    try:
        with session.wb.logs.looking("chat", asked.model, shown=show_pii):
            done = _streamed(session, asked, Writing(place, cover(show_pii=show_pii)))
    except KeyboardInterrupt:
        raise CancelledError(f"Stopped after {duration(time.monotonic() - began)}.") from None
    place.clear()
    return Reply(done, asked, notes, show_pii, place.is_terminal)


def _streamed(session: Session, asked: Ask, writing: Writing) -> Completion:
    from workbench.llm.chat import closing_after

    with closing_after(session.wb.llm.stream(asked)) as pieces:
        with Bar(session.shell, asked.model):
            piece = next(pieces)
        with writing:
            while isinstance(piece, str):
                writing.add(piece)
                piece = next(pieces)
    return piece


def _cost(done: Completion) -> str:
    """The price where the provider told it."""
    cost = done.usage.cost_usd
    return "" if not cost else f"${cost:.4f}" if cost < 1 else f"${cost:.2f}"
