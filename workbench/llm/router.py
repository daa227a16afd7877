"""The router: which provider answers for a model, by its name alone, and whether it may see personal data.

``ollama/<m>`` · ``ollama_cloud/<m>`` or ``<m>:cloud`` · ``openrouter/<vendor>/<m>`` · ``opencode/<m>`` · ``kimi/<m>`` ·
``scripted/<m>``, which answers by itself · any other name: Ollama on this machine, whose own names may hold a slash. A
colon may stand after a provider's name as well as a slash. The provider gets the name without prefix.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from workbench.errors import ConfigError, NotFoundError, ProviderError
from workbench.llm.chat import Ask, ChatModel, Completion, closing_after
from workbench.llm.ollama import CLOUD_SUFFIX, CLOUD_URL, URL, OllamaChat, ollama_endpoint
from workbench.llm.openai_chat import OpenAIChat
from workbench.llm.privacy import People, Pseudonymised
from workbench.llm.server_chat import ServerChat
from workbench.outbound import Endpoint, Secret
from workbench.pii.roster import Roster

LOCAL = "ollama"
CLOUD = "ollama_cloud"
SCRIPTED = "scripted"
_ALIKE = 0.75  # difflib's measure; openruter is 0.95 like openrouter, qwen3 is like none


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
_PREFIXES = {row.prefix: row for row in PROVIDERS}


@dataclass(frozen=True, slots=True)
class Registration:
    """Whether a provider can be used: ``missing`` says what it lacks, empty when nothing; ``hint`` how to give it.

    ``trusted``: it sees requests as they are; another gets placeholders for what is personal.
    """

    name: str
    label: str
    url: str
    variable: str
    missing: str = ""
    hint: str = ""
    trusted: bool = False

    @property
    def registered(self) -> bool:
        """Whether it has what it needs."""
        return not self.missing


def route(model: str) -> tuple[str, str]:
    """``(provider, model without prefix)`` of a model's name.

    >>> route("openrouter/qwen/qwen3-8b"), route("kimi:k2")
    (('openrouter', 'qwen/qwen3-8b'), ('kimi', 'k2'))
    """
    name = model.strip()
    for mark in "/:":
        prefix, found, rest = name.partition(mark)
        is_own = prefix in _PREFIXES or prefix == SCRIPTED
        if found and rest and is_own and f"{mark}{rest}" != CLOUD_SUFFIX:  # <m>:cloud is Ollama's, whatever <m> is
            return prefix, rest.removesuffix(CLOUD_SUFFIX) if prefix == CLOUD else rest
    if name.endswith(CLOUD_SUFFIX):
        return CLOUD, name.removesuffix(CLOUD_SUFFIX)
    return LOCAL, name


class Router:
    """Every model of every provider. A provider's key is looked for when a model of it is asked, and at each request.

    ``urls`` by provider replace the table's (an empty one does not); keys come from ``environ``, else from
    ``[<provider>]`` in ``secrets_file``; ``options`` go to each `ServerChat`. What leaves the machine is told to the
    ``trusted`` providers as it is and to all others without personal data, ``people`` and more (see `Pseudonymised`).
    Raises ConfigError for a name in ``trusted`` that is none, and NotFoundError that names the missing variable for a
    provider without its key.
    """

    def __init__(
        self,
        *,
        urls: Mapping[str, str] | None = None,
        secrets_file: Path | None = None,
        environ: Mapping[str, str] | None = None,
        trusted: Collection[str] = (),
        people: People = Roster,
        **options: Any,
    ) -> None:
        self._urls, self._options = urls or {}, options
        self._trusted, self._people = _known(trusted), people
        self._secrets = {
            row.prefix: Secret(row.variable, secrets_file, row.prefix, environ) for row in PROVIDERS if row.variable
        }
        self._open: dict[str, ServerChat] = {}
        self._opening = threading.Lock()

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        """The whole answer at once; see `ChatModel`."""
        model, own = self._routed(ask)
        with self._told_apart(ask):
            return model.complete(own, cancel=cancel)

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        """The answer as it comes; see `ChatModel`."""
        model, own = self._routed(ask)
        with self._told_apart(ask), closing_after(model.stream(own, cancel=cancel)) as pieces:
            yield from pieces

    def registrations(self) -> list[Registration]:
        """All five providers, each with what it lacks."""
        return [self._registration(provider) for provider in PROVIDERS]

    def server(self, name: str, wanted: str = "") -> ServerChat:
        """The server of a provider, ``wanted`` for a model. Raises NotFoundError that names the variable of a missing
        key.
        """
        provider = _PREFIXES[name]
        found = self._registration(provider)
        if not found.registered:
            so = f", so there is no model {wanted!r}" if wanted else ""
            raise NotFoundError(
                f"{provider.label} is not registered: {found.missing}{so}.",
                hint=found.hint,
                details={"provider": name, "variable": provider.variable},
            )
        with self._opening:
            if name not in self._open:
                self._open[name] = self._opened(provider)
            return self._open[name]

    def close(self) -> None:
        """Close the connections."""
        with self._opening:
            for server in self._open.values():
                server.close()
            self._open.clear()

    def _routed(self, ask: Ask) -> tuple[ChatModel, Ask]:
        name, model = route(ask.model)
        if name == SCRIPTED:
            from workbench.llm.scripts import Scripts

            return Scripts(), replace(ask, model=model)
        server = self.server(name, ask.model)
        is_open = self._is_trusted(name) and not self._goes_on(server, model)
        return server if is_open else Pseudonymised(server, self._people), replace(ask, model=model)

    def _is_trusted(self, name: str) -> bool:
        """Whether a provider may see personal data: when the settings say so, and always Ollama on this machine."""
        return name in self._trusted or (name == LOCAL and Endpoint(LOCAL, self._url(_PREFIXES[name])).is_loopback)

    def _goes_on(self, server: ServerChat, model: str) -> bool:
        """Whether Ollama on this machine would pass the request on to its cloud, which is not trusted."""
        return CLOUD not in self._trusted and isinstance(server, OllamaChat) and server.is_elsewhere(model)

    def _registration(self, provider: Provider) -> Registration:
        url, trusted = self._url(provider), self._is_trusted(provider.prefix)
        row = Registration(provider.prefix, provider.label, url, provider.variable, trusted=trusted)
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
    def _told_apart(self, ask: Ask) -> Iterator[None]:
        """A name that Ollama cannot answer for may be a provider's name written wrongly: say which there are, and what
        each of them lacks.
        """
        try:
            yield
        except (NotFoundError, ProviderError) as error:
            prefix = _prefix(ask.model)
            if prefix:
                rows = (f"{row.name}{f' ({row.missing})' if row.missing else ''}" for row in self.registrations())
                said = f"{prefix!r} is no provider. They are: {', '.join(rows)}, and {SCRIPTED}."
                error.hint = f"{error.hint}\n{said}" if error.hint else said
            raise


def _prefix(model: str) -> str:
    """What may be meant as a provider and is none: all before a slash, or before a colon when it is nearly one."""
    name = model.strip()
    before, slash, _ = name.partition("/")
    if slash:
        return "" if before in {*_PREFIXES, SCRIPTED} else before
    before, colon, _ = name.partition(":")
    return before if colon and before not in _PREFIXES and get_close_matches(before, _PREFIXES, 1, _ALIKE) else ""


def _known(trusted: Collection[str]) -> frozenset[str]:
    for name in trusted:
        if name not in _PREFIXES:
            hint = NotFoundError.named("provider", name, list(_PREFIXES)).hint
            raise ConfigError(f"The setting trusted_providers names {name!r}, which is no provider.", hint=hint)
    return frozenset(trusted)
