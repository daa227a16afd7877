"""``lh models``: who can be asked."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workbench.cli import show
from workbench.cli.app import JsonOption, LakeOption, app, workbench
from workbench.errors import ProviderError

if TYPE_CHECKING:
    from workbench.llm.models import Models


@app.command()
def models(as_json: JsonOption = False, lake: LakeOption = None) -> None:
    """List who provides models, what each still lacks, and the models of this machine."""
    with workbench(lake) as wb:
        found = _found(wb.llm)
    show.json_out(found) if as_json else _told(found)


def _found(llm: Models) -> dict[str, Any]:
    providers = [{**asdict(row), "registered": row.registered} for row in llm.providers()]
    try:
        local, problem = [f"ollama/{name}" for name in llm.local_models()], ""
    except ProviderError as error:
        local, problem = [], str(error)
    return {"default": llm.default, "providers": providers, "local": local, "local_problem": problem}


def _told(found: dict[str, Any]) -> None:
    rows = [
        (row["name"], "registered" if row["registered"] else row["missing"], row["url"]) for row in found["providers"]
    ]
    show.table(["provider", "state", "address"], rows, wrap=True)
    if found["local"]:
        show.table(["model of this machine"], [(name,) for name in found["local"]])
    elif found["local_problem"]:
        show.caution(found["local_problem"])
    else:
        show.caution("Ollama has no model yet: ollama pull qwen3")
    for row in found["providers"]:
        if row["hint"]:
            show.remark(f"to use {row['name']}: {row['hint']}")
    show.remark(f"asked when none is named: {found['default']}")
