"""Training formats: the canonical exports in the shapes that trainers read, row by row.

The columns of the three TRL formats are those of TRL's "Dataset formats and types" (conversational where the trainer
applies a chat template); ChatML messages, ShareGPT and Alpaca as their first users wrote them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench import records
from workbench.distill.export.sft import SAFE
from workbench.distill.root import Root
from workbench.errors import FirewallError, NotFoundError

Row = Mapping[str, Any]
Shape = Callable[[Row], Iterator[dict[str, Any]]]


def trl_sft(row: Row) -> Iterator[dict[str, Any]]:
    """TRL prompt-completion, conversational: ``{id, prompt: [message], completion: [message]}``."""
    yield {"id": row["id"], "prompt": [_user(_asked(row))], "completion": [_assistant(row["response"])]}


def chatml(row: Row) -> Iterator[dict[str, Any]]:
    """ChatML messages: ``{id, messages: [{role, content}, …]}``."""
    yield {"id": row["id"], "messages": [_user(_asked(row)), _assistant(row["response"])]}


def sharegpt(row: Row) -> Iterator[dict[str, Any]]:
    """ShareGPT: ``{id, conversations: [{from, value}, …]}``."""
    yield {
        "id": row["id"],
        "conversations": [{"from": "human", "value": _asked(row)}, {"from": "gpt", "value": row["response"]}],
    }


def alpaca(row: Row) -> Iterator[dict[str, Any]]:
    """Alpaca: ``{id, instruction, input, output}``; ``input`` may be empty."""
    yield {"id": row["id"], "instruction": row["instruction"], "input": row["context"], "output": row["response"]}


def trl_dpo(row: Row) -> Iterator[dict[str, Any]]:
    """TRL preference with an explicit prompt, conversational: ``{id, prompt, chosen, rejected}``."""
    yield {
        "id": row["id"],
        "prompt": [_user(row["prompt"])],
        "chosen": [_assistant(row["chosen"])],
        "rejected": [_assistant(row["rejected"])],
    }


def kto(row: Row) -> Iterator[dict[str, Any]]:
    """TRL unpaired preference: ``{id, prompt, completion, label}``, two rows for each pair."""
    for side in ("chosen", "rejected"):
        yield {
            "id": f"{row['id']}:{side}",
            "prompt": [_user(row["prompt"])],
            "completion": [_assistant(row[side])],
            "label": side == "chosen",
        }


FORMATS: Mapping[str, tuple[str, Shape]] = {
    "trl-sft": ("sft", trl_sft),
    "chatml": ("sft", chatml),
    "sharegpt": ("sft", sharegpt),
    "alpaca": ("sft", alpaca),
    "trl-dpo": ("preference", trl_dpo),
    "kto": ("preference", kto),
}
"""A format's name: the canonical export it is made of, and its shape."""


def format_file(root: Root, name: str) -> Path:
    """Where a format is written: beside its canonical file, ``instruction_response.trl-sft.jsonl``."""
    kind, _ = _known(name)
    canonical = root.export(kind)
    return canonical.with_name(f"{canonical.stem}.{name}.jsonl")


def write_format(root: Root, name: str) -> tuple[Path, int]:
    """Write one format of the canonical export that is there: the file and its rows.

    Raises NotFoundError for an unknown format, or when that export was not written yet; FirewallError for a canonical
    row whose category must never be trained on, and writes nothing then.
    """
    kind, shape = _known(name)
    canonical = root.export(kind)
    if not canonical.exists():
        raise NotFoundError(f"There is no {kind} export below {root.path}.", hint=f"lh distill export {kind}")
    path, count = format_file(root, name), 0
    with records.replacing(path) as file:
        for number, row in records.rows(canonical):
            if kind == "sft" and row.get("quality_score") not in SAFE:
                raise FirewallError(
                    f"Line {number + 1} of {canonical} has quality_score {row.get('quality_score')!r}.",
                    hint="Someone changed the export; write it anew: lh distill export sft",
                    details={"line": number + 1, "id": row.get("id")},
                )
            for made in shape(row):
                file.write(records.encode(made))
                count += 1
    return path, count


def _known(name: str) -> tuple[str, Shape]:
    if name not in FORMATS:
        raise NotFoundError.named("format", name, FORMATS)
    return FORMATS[name]


def _asked(row: Row) -> str:
    return f"{row['instruction']}\n\n{row['context']}" if row["context"] else str(row["instruction"])


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def _assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
