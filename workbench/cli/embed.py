"""``lh embed``: texts to vectors."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, cast

import typer

from workbench.cli import show
from workbench.cli.app import LakeOption, app, workbench
from workbench.errors import InvalidError

if TYPE_CHECKING:
    from workbench.search.embedding.embed import Side

_SIDES = ("query", "document")


@app.command()
def embed(
    text: Annotated[list[str], typer.Argument(help="Texts; - reads them from stdin, one a line.")],
    side: Annotated[str, typer.Option(help="query or document: models may treat the two differently.")] = "query",
    lake: LakeOption = None,
) -> None:
    """Print the vectors of texts as JSON: the model, its dimension, and a vector per text."""
    if side not in _SIDES:
        raise InvalidError(f"There is no side {side!r}.", hint="--side query, or --side document")
    texts = _lines() if text == ["-"] else text
    with workbench(lake) as wb:
        vectors = wb.embed(texts, side=cast("Side", side))
        head = {"model": wb.embedder.name, "dimension": int(vectors.shape[1]), "side": side}
    # One vector a line; as few digits as tell float32 numbers apart.
    rows = ",\n".join(f"    [{', '.join(map(str, row))}]" for row in vectors)
    sys.stdout.write(f'{json.dumps(head)[:-1]}, "vectors": [\n{rows}\n]}}\n')


def _lines() -> list[str]:
    if sys.stdin.isatty():
        show.remark("reading texts, one a line; Ctrl-D ends it")
    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InvalidError("stdin is not UTF-8 text.", hint="iconv -t UTF-8 FILE | lh embed -") from None
