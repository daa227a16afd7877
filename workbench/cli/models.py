"""``lh models``: who can be asked."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, app, workbench
from workbench.errors import ProviderError

if TYPE_CHECKING:
    from workbench.llm.models import Models


@app.command()
def models(
    all_: Annotated[bool, typer.Option("--all", help="Ask every provider with a key for its models.")] = False,
    as_json: JsonOption = False,
    lake: LakeOption = None,
) -> None:
    """List who provides models, what each lacks and may see, and the models of this machine."""
    with workbench(lake) as wb:
        found = _found(wb.llm, ask=all_)
    show.json_out(found) if as_json else _told(found)


def _found(llm: Models, *, ask: bool) -> dict[str, Any]:
    from workbench.llm import health
    from workbench.llm.router import LOCAL, SCRIPTED
    from workbench.llm.scripts import NAMES

    rows = llm.providers()
    seen = health.look(llm.router, [row.name for row in rows if row.registered and row.name != LOCAL] if ask else [])
    more = {name: asdict(one) for name, one in seen.items()}
    providers = [{**asdict(row), "registered": row.registered, **more.get(row.name, {})} for row in rows]
    try:
        local, problem = [f"{LOCAL}/{name}" for name in llm.local_models()], ""
    except ProviderError as error:
        local, problem = [], str(error)
    scripted = [f"{SCRIPTED}/{name}" for name in NAMES]
    return {
        "default": llm.default,
        "providers": providers,
        "local": local,
        "local_problem": problem,
        "scripted": scripted,
    }


def _told(found: dict[str, Any]) -> None:
    rows = [
        (row["name"], _state(row), "seen" if row["trusted"] else "hidden", row["url"]) for row in found["providers"]
    ]
    show.table(["provider", "state", "personal data", "address"], rows, wrap=True)
    listed = [f"{row['name']}/{model}" for row in found["providers"] for model in row.get("models", ())]
    if found["local"] or listed:
        show.table(["model"], [(name,) for name in [*found["local"], *listed]])
    if found["local_problem"]:
        show.caution(found["local_problem"])
    elif not found["local"]:
        show.caution("Ollama has no model yet: ollama pull qwen3")
    for row in found["providers"]:
        if row["hint"]:
            show.remark(f"to use {row['name']}: {row['hint']}")
    show.remark(f"without any server: {', '.join(found['scripted'])}")
    show.remark(f"asked when none is named: {found['default']}")


def _state(row: dict[str, Any]) -> str:
    if not row["registered"]:
        return str(row["missing"])
    if row.get("problem"):
        return str(row["problem"])
    if "latency_ms" in row:
        return f"registered, {len(row['models']):,} models in {row['latency_ms']:,.0f} ms"
    return "registered"
