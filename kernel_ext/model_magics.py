"""Models from a cell: ``%%lhchat`` asks one, ``%lhvalidate`` judges a proposal, ``%lhiterate`` lets a model propose
until the validators pass it.
"""

from __future__ import annotations

import threading
from argparse import Namespace
from collections import ChainMap
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, TypeVar

from IPython.core.magic import (  # noqa: TID253 - this is IPython's own door
    Magics,
    line_cell_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)

from kernel_ext import filled, proposals
from kernel_ext.bar import Bar
from kernel_ext.options import Options
from kernel_ext.search_magics import embedding
from kernel_ext.session import check_name, stop_sets, told
from kernel_ext.written import spoken
from workbench.errors import InvalidError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from kernel_ext.reply import Reply
    from kernel_ext.session import Session
    from kernel_ext.timeline import Timeline
    from kernel_ext.verdict import Judged

Names = Mapping[str, Any]
V = TypeVar("V")
TEMPERATURE, MAX_TOKENS, ITERATIONS, CANDIDATES = 0.2, 4096, 3, 20
_FILLED = "{{x}} stands for what the variable x holds: a text, a number, a list, a result (a JSON object a row)."


@magics_class
class ModelMagics(Magics):
    """The magics that speak with models and validators."""

    def __init__(self, shell: InteractiveShell, *, session: Session) -> None:
        super().__init__(shell)
        self._session = session

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    @told
    def lhchat(self, line: str, cell: str | None = None, local_ns: Names | None = None) -> Reply | None:
        """Ask a model; the cell is the prompt: ``%lhchat --help`` lists the options."""
        asked = _chat_options().read(line)
        return None if asked is None else chat(self._session, asked, cell, self._names(local_ns))

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    @told
    def lhvalidate(self, line: str, cell: str | None = None, local_ns: Names | None = None) -> Judged | None:
        """Judge a proposed fill, email or playbook: ``%lhvalidate --help`` lists the options."""
        asked = _validate_options().read(line)
        return None if asked is None else validate(self._session, asked, cell, self._names(local_ns))

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    @told
    def lhiterate(self, line: str, cell: str | None = None, local_ns: Names | None = None) -> Timeline | None:
        """Let a model propose until the validators pass it: ``%lhiterate --help`` lists the options."""
        asked = _iterate_options().read(line)
        return None if asked is None else iterate(self._session, asked, cell, self._names(local_ns))

    def _names(self, local: Names | None) -> Names:
        return ChainMap(dict(local or {}), self._session.shell.user_ns)


def chat(session: Session, asked: Namespace, cell: str | None, names: Names) -> Reply:
    """The answer to a prompt. Raises InvalidError for none, and as ``wb.llm.stream``."""
    from kernel_ext import reply

    _check_free(session, asked.name)
    prompt = _text(asked.prompt, cell, "prompt", "%%lhchat and the question below it")
    text = filled.prompt(prompt, names)
    system = filled.prompt(asked.system, names)
    ask = session.wb.llm.ask(
        text.text, model=spoken(asked.model, names, "--model"), system=system.text,
        temperature=asked.temperature, max_tokens=asked.max_tokens, as_json=asked.json,
    )  # fmt: skip
    notes = (*text.notes, *system.notes)
    return _kept(session, asked.name, reply.ask(session, ask, notes=notes, show_pii=asked.show_pii))


def validate(session: Session, asked: Namespace, cell: str | None, names: Names) -> Judged:
    """The report on a proposal. Raises NotFoundError and InvalidError for what cannot be judged at all."""
    from kernel_ext.verdict import Judged
    from workbench.staffing.validate.judge import check_kind

    check_kind(asked.kind)
    _check_free(session, asked.name)
    artifact = proposals.proposed(asked.variable, cell, names)
    context = proposals.described(asked.context, names) if asked.context else None
    looking = session.wb.logs.looking("validate", asked.kind, shown=asked.show_pii)
    with Bar(session.shell, f"validate {asked.kind}"), looking:
        report = session.wb.validate(asked.kind, artifact, context, today=_day(asked.today))
    return _kept(session, asked.name, Judged(report, artifact, context, asked.show_pii))


def iterate(session: Session, asked: Namespace, cell: str | None, names: Names) -> Timeline:
    """How the loop went; the stop button ends it, and what came so far is kept. Raises as ``wb.iterate``."""
    from kernel_ext import timeline
    from kernel_ext.covered import cover
    from kernel_ext.live import Place

    _check_free(session, asked.name)
    text = filled.prompt(_text(asked.prompt, cell, "order", "%%lhiterate fill and the order below it"), names)
    wanted = _wanted(asked, names)
    place, cancel, wb = Place(session.shell), threading.Event(), session.wb
    title = timeline.asked(asked.kind, wanted["model"] or wb.llm.default)
    growing = timeline.Growing(place, title, asked.max_iterations, cover(show_pii=asked.show_pii))
    with stop_sets(cancel), Bar(session.shell, asked.kind) as bar:
        on_progress = embedding(bar, lambda: wb.lake.get("workers").row_count)
        run = wb.iterate(
            asked.kind, text.text, cancel=cancel, begin=growing.begin, watch=growing, on_progress=on_progress, **wanted
        )
    place.clear()
    notes = (*text.notes, *growing.notes)
    return _kept(
        session, asked.name, timeline.Timeline(run, asked.show_pii, notes, growing.matching, [True] * place.is_terminal)
    )


def _wanted(asked: Namespace, names: Names) -> dict[str, Any]:
    """The keywords of ``wb.iterate``."""
    same = ("k", "max_iterations", "temperature", "max_tokens", "tokens", "seconds", "trace_id")
    return {
        **{name: getattr(asked, name) for name in same},
        "model": spoken(asked.model, names, "--model"),
        "system": filled.prompt(asked.system, names).text,
        "context": proposals.described(asked.context, names) if asked.context else None,
        "candidates": asked.candidate,
        "today": _day(asked.today),
    }


def _text(words: list[str], cell: str | None, what: str, hint: str) -> str:
    """The words of the line and the cell below it. Raises InvalidError where there are none."""
    text = "\n".join(part for part in (" ".join(words), (cell or "").strip("\n")) if part.strip())
    if not text:
        raise InvalidError(f"There is no {what}.", hint=hint)
    return text


def _check_free(session: Session, name: str) -> None:
    if name:
        check_name(name)
        session.check_free(name)


def _kept(session: Session, name: str, value: V) -> V:
    if name:
        session.keep(name, value)
    session.last(value)
    return value


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise InvalidError(f"--today {text} is no day.", hint="--today 2026-11-22") from None


def _shared(options: Options) -> Options:
    options.add("--as", dest="name", default="", metavar="NAME", help="keep what comes under this name")
    options.add("--show-pii", action="store_true", help="show personal data as it is")
    return options


def _models(options: Options) -> Options:
    options.add("--model", default="", metavar="MODEL", help="ollama/qwen3, kimi/k2, …; else the setting chat_model")
    options.add("--system", default="", metavar="TEXT", help="how the model is to answer")
    options.add("--temperature", type=float, default=TEMPERATURE, metavar="T", help=f"0 to 2 ({TEMPERATURE})")
    options.add("--max-tokens", type=int, default=MAX_TOKENS, metavar="N", help=f"longest answer ({MAX_TOKENS:,})")
    return _shared(options)


def _chat_options() -> Options:
    options = _models(
        Options(
            "lhchat",
            "Ask a model. The cell is the prompt; the answer is shown as it comes.",
            epilog=_FILLED,
            mixed=True,
        )
    )
    options.add("--json", action="store_true", help="ask for one JSON value; NAME.data reads it")
    options.add("prompt", nargs="*", metavar="PROMPT", help="the question, when it stands on the line")
    return options


def _validate_options() -> Options:
    options = Options(
        "lhvalidate",
        "Judge a proposed fill, email or playbook by roster and records: what is wrong, and what would pass.",
        epilog="A variable: %lhvalidate fill proposal --context order. JSON: %%lhvalidate fill and the object\n"
        "below it, in which {{x}} is the JSON of the variable x.",
    )
    options.add("kind", metavar="KIND", help="fill, email or playbook")
    options.add("variable", nargs="?", default="", metavar="VARIABLE", help="the proposal: a variable, or a JSON file")
    options.add("--context", default="", metavar="VARIABLE", help="what was asked for: a variable, or a JSON file")
    options.add("--today", default="", metavar="DAY", help="judge as of this day: 2026-11-22")
    return _shared(options)


def _iterate_options() -> Options:
    options = _models(
        Options(
            "lhiterate",
            "Let a model propose until the validators pass it: each attempt with what was found and what changed.",
            epilog="%%lhiterate fill and the order below it. Real candidates come from the roster.\n" + _FILLED,
            mixed=True,
        )
    )
    options.add("kind", metavar="KIND", help="fill, email or playbook")
    options.add("prompt", nargs="*", metavar="PROMPT", help="the order, when it stands on the line")
    options.add("--context", default="", metavar="VARIABLE", help="what is asked for, where the order leaves it open")
    options.add("--candidate", action="append", metavar="ID", help="who may be proposed, instead of a search; repeat")
    options.add("-k", type=int, default=CANDIDATES, metavar="N", help=f"candidates given to the model ({CANDIDATES})")
    options.add("--max-iterations", type=int, default=ITERATIONS, metavar="N", help=f"attempts ({ITERATIONS})")
    options.add("--tokens", type=int, metavar="N", help="budget of tokens, prompts included")
    options.add("--seconds", type=float, metavar="S", help="budget of time")
    options.add("--today", default="", metavar="DAY", help="the day that the order was written: 2026-11-22")
    options.add("--trace-id", default="", metavar="ID", help="its name in the session log")
    return options
