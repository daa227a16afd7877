"""Any server that speaks OpenAI's ``/embeddings``: OpenAI itself, vLLM, llama.cpp, LM Studio and others."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

from workbench.errors import NotFoundError, ProviderError
from workbench.outbound import Endpoint, Outbound, Patience, Secret
from workbench.search.embedding.prefixes import Prefixes
from workbench.search.embedding.remote import BATCH_TEXTS, RemoteEmbedder, is_too_long


class _Item(msgspec.Struct):
    index: int
    embedding: list[float]


class _Data(msgspec.Struct):
    data: list[_Item]


class OpenAIEmbedder(RemoteEmbedder):
    """A model behind ``POST {url}/embeddings``; ``url`` usually ends in ``/v1``.

    ``secret`` says where the key is (none: no key is sent); it is read for each request. ``dimensions`` asks for
    shorter vectors where the model can. Such servers do not tell their weights: ``digest`` is made of the address, the
    model's name, the dimensions and the prefixes, so a model that is exchanged behind one name goes unnoticed.
    """

    def __init__(
        self,
        model: str,
        *,
        url: str,
        secret: Secret | None = None,
        prefixes: Prefixes | None = None,
        dimensions: int | None = None,
        batch_texts: int = BATCH_TEXTS,
        patience: Patience | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        hint = "Check the address (most end in /v1) and that the server runs."
        server = Outbound(Endpoint("The embedding server", url, hint, secret), patience=patience, wait=wait)
        super().__init__(server, model, prefixes=prefixes, dimensions=dimensions, batch_texts=batch_texts)

    def _identity(self) -> str:
        return f"openai/{self.server.endpoint.url}/{self.name}"

    def _ask(self, texts: list[str]) -> list[list[float]]:
        body: dict[str, Any] = {"model": self.name, "input": texts}
        if self._dimensions:
            body["dimensions"] = self._dimensions
        try:
            items = self.server.post("/embeddings", body, _Data, final=is_too_long).data
        except NotFoundError as error:
            said = str(error.details.get("said", "")) or "nothing more"
            raise NotFoundError(
                f"The server at {self.server.endpoint.url} has no model {self.name!r} or no /embeddings ({said}).",
                hint="Check the model's name and the address (most end in /v1).",
            ) from error
        rows = {item.index: item.embedding for item in items}
        if sorted(rows) != list(range(len(items))):
            raise ProviderError(
                f"The embedding server at {self.server.endpoint.url} numbered its vectors wrongly.",
                hint="Nothing of this answer was kept.",
            )
        return [rows[place] for place in range(len(items))]
