"""The router: which provider answers for a model, by its name alone.

``ollama/<m>`` · ``ollama_cloud/<m>`` or ``<m>:cloud`` · ``openrouter/<vendor>/<m>`` · ``opencode/<m>`` · ``kimi/<m>`` ·
any other name: Ollama on this machine, whose own names may hold a slash. The provider gets the name without prefix.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from workbench.errors import ConfigError, NotFoundError
from workbench.llm.chat import Ask, ChatModel, Completion
from workbench.llm.ollama import CLOUD_URL, URL, OllamaChat, ollama_endpoint
from workbench.llm.openai_chat import OpenAIChat
from workbench.llm.server_chat import ServerChat
from workbench.outbound import Endpoint, Secret

LOCAL = "ollama"
CLOUD = "ollama_cloud"
_CLOUD_SUFFIX = ":cloud"


@dataclass(frozen=True, slots=True)
class Provider:
    """A row of the table: the prefix, the name in messages, the wire form, where it is, which variable holds its key.

    Addresses: docs.ollama.com/cloud, openrouter.ai/docs, opencode.ai/docs/zen, platform.moonshot.ai/docs.
    """

    prefix: str
    label: str
    wire: Literal["ollama", "openai"]
    url: str
    variable: str = ""


PROVIDERS = (
    Provider(LOCAL, "Ollama", "ollama", URL),
    Provider(CLOUD, "Ollama's cloud", "ollama", CLOUD_URL, "OLLAMA_API_KEY"),
    Provider("openrouter", "OpenRouter", "openai", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    Provider("opencode", "OpenCode", "openai", "https://opencode.ai/zen/v1", "OPENCODE_API_KEY"),
    Provider("kimi", "Kimi", "openai", "https://api.moonshot.ai/v1", "KIMI_API_KEY"),
)


@dataclass(frozen=True, slots=True)
class Registration:
    """Whether a provider can be used: ``missing`` says what it lacks, empty when nothing; ``hint`` how to give it."""

    name: str
    label: str
    url: str
    variable: str
    missing: str = ""
    hint: str = ""

    @property
    def registered(self) -> bool:
        """Whether it has what it needs."""
        return not self.missing


def route(model: str) -> tuple[str, str]:
    """``(provider, model without prefix)`` of a model's name.

    >>> route("openrouter/qwen/qwen3-8b")
    ('openrouter', 'qwen/qwen3-8b')
    """
    prefix, slash, rest = model.strip().partition("/")
    if slash and rest and prefix in {provider.prefix for provider in PROVIDERS}:
        return prefix, rest.removesuffix(_CLOUD_SUFFIX) if prefix == CLOUD else rest
    if model.strip().endswith(_CLOUD_SUFFIX):
        return CLOUD, model.strip().removesuffix(_CLOUD_SUFFIX)
    return LOCAL, model.strip()


class Router:
    """Every model of every provider. A provider's key is looked for when a model of it is asked, and at each request.

    ``urls`` by provider replace the table's (an empty one does not); keys come from ``environ``, else from
    ``[<provider>]`` in ``secrets_file``; ``options`` go to each `ServerChat`. Raises NotFoundError that names the
    missing variable for a provider without its key.
    """

    def __init__(
        self,
        *,
        urls: Mapping[str, str] | None = None,
        secrets_file: Path | None = None,
        environ: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self._urls, self._options = urls or {}, options
        self._secrets = {
            row.prefix: Secret(row.variable, secrets_file, row.prefix, environ) for row in PROVIDERS if row.variable
        }
        self._open: dict[str, ServerChat] = {}
        self._opening = threading.Lock()

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        """The whole answer at once; see `ChatModel`."""
        model, own = self._routed(ask)
        with _known_prefixes(ask):
            return model.complete(own, cancel=cancel)

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        """The answer as it comes; see `ChatModel`."""
        model, own = self._routed(ask)
        with _known_prefixes(ask):
            yield from model.stream(own, cancel=cancel)

    def registrations(self) -> list[Registration]:
        """All five providers, each with what it lacks."""
        return [self._registration(provider) for provider in PROVIDERS]

    def close(self) -> None:
        """Close the connections."""
        with self._opening:
            for server in self._open.values():
                server.close()
            self._open.clear()

    def _routed(self, ask: Ask) -> tuple[ChatModel, Ask]:
        name, model = route(ask.model)
        provider = next(row for row in PROVIDERS if row.prefix == name)
        found = self._registration(provider)
        if not found.registered:
            raise NotFoundError(
                f"{provider.label} is not registered: {found.missing}, so there is no model {ask.model!r}.",
                hint=found.hint,
                details={"provider": name, "variable": provider.variable},
            )
        with self._opening:
            if name not in self._open:
                self._open[name] = self._opened(provider)
            return self._open[name], replace(ask, model=model)

    def _registration(self, provider: Provider) -> Registration:
        row = Registration(provider.prefix, provider.label, self._url(provider), provider.variable)
        secret = self._secrets.get(provider.prefix)
        try:
            if secret is None or secret.find():
                return row
        except ConfigError as error:  # a key that is there and cannot be used
            return replace(row, missing=error.message.rstrip("."), hint=error.hint)
        return replace(row, missing=f"{provider.variable} is not set", hint=secret.hint)

    def _opened(self, provider: Provider) -> ServerChat:
        secret, url = self._secrets.get(provider.prefix), self._url(provider)
        if provider.wire == "ollama":
            return OllamaChat(ollama_endpoint(url, secret), provider.prefix, **self._options)
        hint = f"Check the network and the setting {provider.prefix}_url."
        return OpenAIChat(Endpoint(provider.label, url, hint, secret), provider.prefix, **self._options)

    def _url(self, provider: Provider) -> str:
        return self._urls.get(provider.prefix) or provider.url


@contextmanager
def _known_prefixes(ask: Ask) -> Iterator[None]:
    """A name with a slash that Ollama does not know may be a provider's name written wrongly: say which there are."""
    try:
        yield
    except NotFoundError as error:
        prefix, slash, _ = ask.model.strip().partition("/")
        known = [row.prefix for row in PROVIDERS]
        if slash and prefix not in known:
            error.hint = f"{error.hint}\nBefore the slash stands a provider ({', '.join(known)}) or a part of the name."
        raise
