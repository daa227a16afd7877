"""Ollama: a model server on this machine or another, asked over HTTP without a package of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from workbench.errors import NotFoundError, ProviderError
from workbench.outbound import Endpoint, Outbound, Patience
from workbench.search.embedding.prefixes import Prefixes
from workbench.search.embedding.remote import BATCH_TEXTS, RemoteEmbedder, is_too_long

URL = "http://127.0.0.1:11434"
MODEL = "nomic-embed-text"
GLANCE = Patience(timeout_s=0.3, connect_s=0.3, tries=1)
"""Patience for a look whether a server is there."""


class _Model(msgspec.Struct):
    name: str
    digest: str


class _Tags(msgspec.Struct):
    models: list[_Model]


class _Vectors(msgspec.Struct):
    embeddings: list[list[float]]


class OllamaEmbedder(RemoteEmbedder):
    """A model of an Ollama server, by ``POST /api/embed``; never cut (``truncate: false``), at most 32 texts a request.

    ``model`` as ``ollama list`` shows it; ``prefixes`` default to the model's own (``prefixes.TABLE``);
    ``dimensions`` asks for shorter vectors where the model can. ``digest`` holds the digest of the model's manifest
    from ``/api/tags``: pulling a newer model makes old vectors unusable, as it must. Raises NotFoundError with the
    ``ollama pull`` command when the model is not installed, ProviderError when something else answers there.
    """

    def __init__(
        self,
        model: str = MODEL,
        *,
        url: str = URL,
        prefixes: Prefixes | None = None,
        dimensions: int | None = None,
        batch_texts: int = BATCH_TEXTS,
        patience: Patience | None = None,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        server = Outbound(_endpoint(url), patience=patience, wait=wait)
        super().__init__(server, model, prefixes=prefixes, dimensions=dimensions, batch_texts=batch_texts, clock=clock)

    def _identity(self) -> str:
        models = _models(self.server)
        wanted = self.name.casefold()
        for model in models:
            if model.name.casefold() in {wanted, f"{wanted}:latest"}:
                return f"ollama/{model.digest.removeprefix('sha256:')}"
        installed = [model.name.removesuffix(":latest") for model in models]
        raise NotFoundError.named("Ollama model", self.name, installed, hint=f"ollama pull {self.name}")

    def _ask(self, texts: list[str]) -> list[list[float]]:
        body: dict[str, Any] = {"model": self.name, "input": texts, "truncate": False}
        if self._dimensions:
            body["dimensions"] = self._dimensions
        try:
            with _as_ollama(self.server):
                return self.server.post("/api/embed", body, _Vectors, final=is_too_long).embeddings
        except NotFoundError as error:
            if "model" in str(error.details.get("said", "")):
                self._identity()  # raises, with the names of the models that are there
                raise NotFoundError(f"Ollama lost the model {self.name!r}.", hint=f"ollama pull {self.name}") from error
            raise ProviderError(
                f"The server at {self.server.endpoint.url} has no /api/embed.",
                hint="Update Ollama to 0.3 or later, or set the address of an Ollama.",
            ) from error


def installed_models(url: str = URL, *, patience: Patience = GLANCE) -> list[str]:
    """Names of the models that the Ollama at ``url`` has; by default waits 0.3 s at most. Raises ProviderError."""
    server = Outbound(_endpoint(url), patience=patience)
    try:
        return [model.name.removesuffix(":latest") for model in _models(server)]
    finally:
        server.close()


def _models(server: Outbound) -> list[_Model]:
    try:
        with _as_ollama(server):
            return server.get("/api/tags", _Tags).models
    except NotFoundError as error:
        raise _impostor(server, "it has no /api/tags") from error


@contextmanager
def _as_ollama(server: Outbound) -> Iterator[None]:
    """An answer that went well but is not Ollama's comes from some other server."""
    try:
        yield
    except ProviderError as error:
        if error.details.get("status") != 200:
            raise
        raise _impostor(server, f"it sent {error.details['said']}") from error


def _impostor(server: Outbound, why: str) -> ProviderError:
    return ProviderError(
        f"What answers at {server.endpoint.url} is not Ollama: {why}.",
        hint=f"Set the address of Ollama; it is {URL} unless it was changed.",
    )


def _endpoint(url: str) -> Endpoint:
    there = Endpoint("Ollama", url)
    start = "Start it with `ollama serve`" if there.is_loopback else "Check that Ollama runs there and may be reached"
    return Endpoint("Ollama", url, hint=f"{start}, or set another address.")
