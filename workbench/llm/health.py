"""Who can be asked, looked for rather than assumed: is the key there, does the server answer, has it the model."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from workbench.errors import WorkbenchError
from workbench.lake.health import Check
from workbench.llm.chat import Ask, Message
from workbench.llm.ollama import GLANCE
from workbench.llm.router import LOCAL, SCRIPTED, Registration, Router, route
from workbench.llm.server_chat import LOOK

_TEST = Message("user", "Answer yes.")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a provider said when it was asked for its models: their names and how long that took, or what went wrong."""

    models: tuple[str, ...] = ()
    latency_ms: float = 0.0
    problem: str = ""
    hint: str = ""


def look(router: Router, providers: Iterable[str]) -> dict[str, Seen]:
    """Ask each of these providers for the names of its models, all at once: no tokens, 5 s at most, 0.5 s for Ollama on
    this machine.
    """
    names = list(providers)
    with ThreadPoolExecutor(max(1, len(names))) as pool:
        return dict(zip(names, pool.map(lambda name: _look(router, name), names), strict=True))


def checks(router: Router, models: Sequence[str], *, ask: bool = False) -> list[Check]:
    """A finding per provider, and one per model of ``models``, those that the settings name.

    Without ``ask`` only Ollama on this machine is spoken to, and nothing is broken: one can work without a model. With
    it every provider with a key is, and each of ``models`` is asked for one token.
    """
    rows = router.registrations()
    asked = {row.name for row in rows if row.registered and (ask or (row.name == LOCAL and row.trusted))}
    seen = look(router, sorted(asked))
    found = [_provider(row, seen.get(row.name), ask=ask) for row in rows]
    named = list(dict.fromkeys(models))
    if not ask:
        return [*found, *(check for name in named if (check := _there(name, seen)))]
    with ThreadPoolExecutor(max(1, len(named))) as pool:
        return [*found, *pool.map(lambda name: _tested(router, name), named)]


def _look(router: Router, name: str) -> Seen:
    began = time.perf_counter()
    try:
        server = router.server(name)
        models = server.models(patience=GLANCE if server.server.endpoint.is_loopback else LOOK)
    except WorkbenchError as error:
        return Seen(problem=error.message, hint=error.hint)
    return Seen(tuple(models), (time.perf_counter() - began) * 1000)


def _provider(row: Registration, seen: Seen | None, *, ask: bool) -> Check:
    name = f"provider {row.name}"
    if row.missing:
        return Check(name, "info", f"off: {row.missing}", row.hint)
    key = f"key in {row.variable}" if row.variable else "needs no key"
    sees = "sees personal data" if row.trusted else "gets placeholders for personal data"
    if seen is None:
        return Check(name, "ok", f"{key}; {sees}; not spoken to", "lh doctor --models")
    if seen.problem:
        return Check(name, "broken" if ask and row.variable else "info", f"{key}; {seen.problem}", seen.hint)
    return Check(name, "ok", f"{key}; {sees}; {_count(seen)} in {seen.latency_ms:,.0f} ms")


def _count(seen: Seen) -> str:
    return f"{len(seen.models):,} model{'s'[: len(seen.models) != 1]}"


def _there(model: str, seen: dict[str, Seen]) -> Check | None:
    """Whether a model is among those of a provider that was asked and answered."""
    provider, name = route(model)
    if provider == SCRIPTED or provider not in seen or seen[provider].problem:
        return None
    if name.removesuffix(":latest") in seen[provider].models:
        return Check(f"model {model}", "ok", "is there")
    return Check(f"model {model}", "warning", f"{provider} has no such model", f"ollama pull {name}")


def _tested(router: Router, model: str) -> Check:
    began = time.perf_counter()
    try:
        done = router.complete(Ask(model, (_TEST,), max_tokens=1))
    except WorkbenchError as error:
        return Check(f"model {model}", "broken", error.message, error.hint)
    took = time.perf_counter() - began
    counted = done.usage.completion_tokens
    tokens = f"{counted:,} token{'s'[: counted != 1]}" if counted is not None else "an answer"
    return Check(f"model {model}", "ok", f"{tokens} in {took * 1000:,.0f} ms")
