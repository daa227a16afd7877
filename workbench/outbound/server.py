"""A server: where it is, and where the key for it lies."""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from workbench.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Secret:
    """Where a key is: an environment variable, else ``api_key`` in a table of a private file. Read when it is used.

    ``variable`` is the variable's name, ``table`` the table's name in ``file`` (TOML, readable by its owner alone),
    ``environ`` the environment to look in (default: the process's).
    """

    variable: str
    file: Path | None = None
    table: str = ""
    environ: Mapping[str, str] | None = field(default=None, repr=False)

    def read(self) -> str:
        """The key. Raises ConfigError when there is none, or the file is open to others or not TOML."""
        if value := self.find():
            return value
        raise ConfigError(f"There is no key: {self.variable} is not set.", hint=self.hint)

    def find(self) -> str:
        """The key, or an empty text when there is none. Raises ConfigError for a file or a key that cannot be used."""
        value = (os.environ if self.environ is None else self.environ).get(self.variable, "") or self._from_file()
        value = value.strip()
        if not value.isascii() or (
            value and not value.isprintable()
        ):  # the client would fail, with the key in its text
            raise ConfigError(f"The key in {self.variable} holds a character that no key has.", hint=self.hint)
        return value

    @property
    def hint(self) -> str:
        """How to give the key."""
        other = f", or write api_key under [{self.table}] in {self.file}" if self.file and self.table else ""
        return f"Set {self.variable}{other}."

    def _from_file(self) -> str:
        if not self.file or not self.table or not self.file.exists():
            return ""
        mode = self.file.stat().st_mode & 0o777
        if mode & 0o077:
            raise ConfigError(
                f"The secrets file {self.file} can be read by others (mode {mode:o}).", hint=f"chmod 600 {self.file}"
            )
        try:
            table = tomllib.loads(self.file.read_text(encoding="utf-8")).get(self.table, {})
        except OSError as error:
            raise ConfigError(f"The secrets file {self.file} cannot be read: {error.strerror}.") from error
        except ValueError:  # the parser's message can quote the line, and the line can hold a key
            raise ConfigError(f"The secrets file {self.file} is not TOML.", hint="It holds tables of keys.") from None
        value = table.get("api_key", "") if isinstance(table, dict) else ""
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server: its ``name`` in messages, the base ``url``, what to do when it does not answer, and its key.

    Raises ConfigError for an address that is not http or https, or that carries a user, a password or a query.
    """

    name: str
    url: str
    hint: str = ""
    secret: Secret | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", self.url.strip().rstrip("/"))
        example = "For example http://127.0.0.1:11434"
        try:
            parts = httpx.URL(self.url)
        except (httpx.InvalidURL, TypeError) as error:
            raise ConfigError(f"The address of {self.name} is not a URL.", hint=example) from error
        if parts.userinfo or parts.query or parts.fragment:  # not quoted: it may hold a password
            raise ConfigError(
                f"The address of {self.name} carries a user, a password, a query or a fragment.",
                hint=f"{example}; a key comes from an environment variable.",
            )
        if parts.scheme not in {"http", "https"} or not parts.host:
            raise ConfigError(f"The address of {self.name} is {self.url!r}, not http or https.", hint=example)

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        host = httpx.URL(self.url).host
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")
