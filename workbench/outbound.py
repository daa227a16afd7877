"""The one HTTP client: JSON to and from model servers, with time limits, patience and errors that say what to do.

It never follows a redirect, never sends a request for this machine through a proxy, reads answers only up to a bound,
and repeats a request only when that can help: no connection, a broken connection, 429, and 5xx. A request that timed
out is not repeated: the server may still be at work on it.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
import time
import tomllib
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from workbench.errors import ConfigError, NotFoundError, ProviderError, ProviderTimeoutError, RateLimitedError

MIB = 1 << 20
TIMEOUT_S = 60.0
_SAID_CHARS = 200
# 501 and 505 say that the server will never do it; every other 5xx may pass.
_NEVER = {501, 505}

Answer = TypeVar("Answer")


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
        value = (os.environ if self.environ is None else self.environ).get(self.variable, "") or self._from_file()
        value = value.strip()
        if not value:
            raise ConfigError(f"There is no key: {self.variable} is not set.", hint=self._hint())
        if not value.isascii() or not value.isprintable():  # it would fail inside the client, with the key in the text
            raise ConfigError(f"The key in {self.variable} holds a character that no key has.", hint=self._hint())
        return value

    def _hint(self) -> str:
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


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a request may take and how it is repeated.

    ``timeout_s`` for one try from sending to the last byte, ``connect_s`` of it for the connection; ``tries`` in all;
    pauses are random, of up to ``first_pause_s`` doubled each time, or what the server asks for in ``Retry-After``.
    A server that asks for more than ``max_pause_s`` is not waited for: the error says how long it wants.
    """

    timeout_s: float = TIMEOUT_S
    connect_s: float = 5.0
    tries: int = 4
    first_pause_s: float = 0.5
    max_pause_s: float = 30.0


class _PassingError(Exception):
    """An error that another try may mend, and the pause the server asked for."""

    def __init__(self, error: ProviderError, pause_s: float | None = None) -> None:
        super().__init__(error.message)
        self.error, self.pause_s = error, pause_s


class Outbound:
    """JSON requests to one server. Safe for threads; connections are kept open and closed with the object.

    ``wait`` is called with the seconds of each pause. Errors: ProviderError (no connection, 5xx, an answer that is not
    what was asked for), ProviderTimeoutError, RateLimitedError (429, with ``retry_after_s``), NotFoundError (404),
    ConfigError (no key). Where the server answered, ``details`` holds ``status`` and ``said``, its words in short.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        patience: Patience | None = None,
        wait: Callable[[float], None] = time.sleep,
        max_bytes: int = 64 * MIB,
    ) -> None:
        self.endpoint, self.patience = endpoint, patience or Patience()
        self._wait, self._max_bytes = wait, max_bytes
        try:
            self._client = httpx.Client(
                timeout=httpx.Timeout(self.patience.timeout_s, connect=self.patience.connect_s),
                follow_redirects=False,
                trust_env=not endpoint.is_loopback,  # a proxy is for other machines
                verify=endpoint.url.startswith("https:"),  # loading certificates takes 50 ms; plain http needs none
                headers={"Accept": "application/json", "User-Agent": "lakehouse-workbench"},
            )
        except (ValueError, ImportError, OSError) as error:  # a proxy or a certificate file that cannot be used
            raise ConfigError(
                f"The HTTP client cannot start: {error}.", hint="Check HTTP_PROXY, HTTPS_PROXY, SSL_CERT_FILE."
            ) from error
        self._finalizer = weakref.finalize(self, self._client.close)

    def __repr__(self) -> str:
        return f"Outbound({self.endpoint.name!r}, {self.endpoint.url!r})"

    def close(self) -> None:
        """Close the connections."""
        self._finalizer()

    def get(self, path: str, answer: type[Answer], *, patience: Patience | None = None) -> Answer:
        """GET ``path`` (below the base URL) and decode the answer as ``answer``."""
        return self._decode(self._ask("GET", path, None, _never, patience or self.patience), answer)

    def post(
        self,
        path: str,
        body: Any,
        answer: type[Answer],
        *,
        final: Callable[[int, str], bool] | None = None,
    ) -> Answer:
        """POST ``body`` as JSON and decode the answer as ``answer``.

        ``final(status, said)`` is true for a refusal that no repetition mends although its status looks passing.
        """
        return self._decode(self._ask("POST", path, msgspec.json.encode(body), final or _never, self.patience), answer)

    def _ask(
        self, method: str, path: str, body: bytes | None, final: Callable[[int, str], bool], patience: Patience
    ) -> bytes:
        retrying = Retrying(
            stop=stop_after_attempt(patience.tries),
            wait=_pauses(patience),
            retry=retry_if_exception_type(_PassingError),
            sleep=self._wait,
            reraise=True,
        )
        try:
            return retrying(self._once, method, path, body, final, patience)
        except _PassingError as passing:
            raise passing.error from passing.__cause__

    def _once(
        self, method: str, path: str, body: bytes | None, final: Callable[[int, str], bool], patience: Patience
    ) -> bytes:
        key = self.endpoint.secret.read() if self.endpoint.secret else ""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        limits = httpx.Timeout(patience.timeout_s, connect=patience.connect_s)
        deadline = time.monotonic() + patience.timeout_s
        with (
            self._transport_errors(patience),
            self._client.stream(
                method, self.endpoint.url + path, content=body, headers=headers, timeout=limits
            ) as response,
        ):
            received = self._read(response, deadline, patience)
        if response.is_success:
            return received
        raise self._refusal(response, _said(received, response.headers, key), final, patience)

    def _read(self, response: httpx.Response, deadline: float, patience: Patience) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in response.iter_bytes():
            size += len(part)
            if size > self._max_bytes:
                raise ProviderError(
                    f"{self._place} sent more than {self._max_bytes // MIB or self._max_bytes:,} "
                    f"{'MiB' if self._max_bytes >= MIB else 'bytes'}.",
                    hint="Ask for less at a time.",
                )
            if time.monotonic() > deadline:  # each part came in time, the whole did not
                raise self._late(patience)
            parts.append(part)
        return b"".join(parts)

    @property
    def _place(self) -> str:
        return f"{self.endpoint.name} at {self.endpoint.url}"

    def _late(self, patience: Patience) -> ProviderTimeoutError:
        return ProviderTimeoutError(
            f"{self._place} did not finish its answer within {patience.timeout_s:g} s.",
            hint="A model that is being loaded needs longer at first: try again, or allow more time.",
        )

    @contextmanager
    def _transport_errors(self, patience: Patience) -> Iterator[None]:
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            reason = str(error) or "no connection in time"
            gone = ProviderError(
                f"{self.endpoint.name} does not answer at {self.endpoint.url} ({reason}).", hint=self.endpoint.hint
            )
            raise _PassingError(gone) from error
        except httpx.TimeoutException as error:
            raise self._late(patience) from error
        except httpx.TransportError as error:
            broken = ProviderError(f"{self._place} broke off the connection.", hint=self.endpoint.hint)
            raise _PassingError(broken) from error
        except httpx.HTTPError as error:  # an encoding that cannot be undone
            raise ProviderError(f"{self._place} sent what cannot be read.", hint=self.endpoint.hint) from error

    def _refusal(
        self, response: httpx.Response, said: str, final: Callable[[int, str], bool], patience: Patience
    ) -> Exception:
        status = response.status_code
        details = {"status": status, "said": said}
        words = f": {said}" if said else ""
        if response.has_redirect_location:
            target = httpx.URL(response.headers["location"]).host or self.endpoint.url
            return ProviderError(
                f"{self._place} redirects to {_printable(target)}; redirects are not followed.",
                hint="Set the address to where the server really is.",
                details=details,
            )
        if status == httpx.codes.NOT_FOUND:
            return NotFoundError(f"{self._place} answered 404{words}.", hint=self.endpoint.hint, details=details)
        if status in {401, 403}:
            secret = self.endpoint.secret
            hint = f"Check the key in {secret.variable}." if secret else "The server wants a key."
            return ProviderError(f"{self._place} refused the key ({status}){words}.", hint=hint, details=details)
        error = ProviderError(f"{self._place} answered {status}{words}.", hint=self.endpoint.hint, details=details)
        if final(status, said) or (status != 429 and (status < 500 or status in _NEVER)):
            return error
        pause_s = _retry_after(response.headers.get("retry-after", ""))
        if status == 429:
            error = RateLimitedError(
                f"{self._place} asks for a pause{words}.",
                hint=f"Try again in {pause_s:g} s." if pause_s else "Try again later, or send less at a time.",
                details=details,
                retry_after_s=pause_s or 1.0,
            )
        return error if (pause_s or 0) > patience.max_pause_s else _PassingError(error, pause_s)

    def _decode(self, received: bytes, answer: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(received, type=answer)
        except msgspec.ValidationError as error:
            raise ProviderError(
                f"{self._place} answered in another form than it should: {error}.",
                hint=self.endpoint.hint,
                details={"status": 200, "said": "another form"},
            ) from error
        except msgspec.DecodeError as error:
            what = "a web page" if _is_page(received) else "something that is not JSON"
            raise ProviderError(
                f"{self._place} sent {what}.", hint=self.endpoint.hint, details={"status": 200, "said": what}
            ) from error


def _never(status: int, said: str) -> bool:  # noqa: ARG001 - the answer to any refusal
    return False


def _pauses(patience: Patience) -> Callable[[RetryCallState], float]:
    drawn = wait_random_exponential(multiplier=patience.first_pause_s, max=patience.max_pause_s)

    def pause(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.pause_s if isinstance(error, _PassingError) else None
        return asked if asked is not None else drawn(state)

    return pause


def _retry_after(value: str) -> float | None:
    """Seconds of a Retry-After header, RFC 9110 section 10.2.3: a number, or a date; None for anything else."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _said(body: bytes, headers: Mapping[str, str], key: str) -> str:
    """The server's own words in short, never the key, and nothing of a list: some servers repeat the input there."""
    text = ""
    try:
        text = _words(msgspec.json.decode(body))
    except msgspec.DecodeError:
        if _is_page(body) or "html" in headers.get("content-type", ""):
            text = "a web page"
        elif headers.get("content-type", "").startswith("text/plain"):
            text = body[:_SAID_CHARS].decode("utf-8", "replace")
    if key:
        text = text.replace(key, "***")
    return _printable(re.sub(r"\bsk-[\w*-]{4,}", "***", text))[:_SAID_CHARS].strip().rstrip(".")


def _words(answer: Any) -> str:
    """``{"error": "…"}`` (Ollama), ``{"error": {"message": "…"}}`` (OpenAI), ``message`` or ``detail`` (others)."""
    if not isinstance(answer, dict):
        return ""
    said = answer.get("error") or answer.get("message") or answer.get("detail") or ""
    if isinstance(said, dict):
        said = said.get("message", "")
    return said if isinstance(said, str) else ""


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _is_page(body: bytes) -> bool:
    return body[:200].lstrip().lower().startswith((b"<!doctype", b"<html"))
