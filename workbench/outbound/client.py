"""Requests to one server: sent, repeated when that can help, read within bounds, their failures put into words."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import httpx
import msgspec
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from workbench.errors import (
    CancelledError,
    ConfigError,
    NotFoundError,
    ProviderError,
    ProviderTimeoutError,
    RateLimitedError,
    WorkbenchError,
)
from workbench.outbound.lifeline import Lifeline
from workbench.outbound.lines import Lines, split_lines
from workbench.outbound.patience import Patience, pauses, retry_after
from workbench.outbound.said import is_page, printable, said_in
from workbench.outbound.server import Endpoint

MIB = 1 << 20
# 501 and 505 say that the server will never do it; every other 5xx may pass.
_NEVER = {501, 505}

Answer = TypeVar("Answer")
Result = TypeVar("Result")
Final = Callable[[int, str], bool]


class _PassingError(Exception):
    """An error that another try may mend, and the pause the server asked for."""

    def __init__(self, error: ProviderError, pause_s: float | None = None) -> None:
        super().__init__(error.message)
        self.error, self.pause_s = error, pause_s


def _never(status: int, said: str) -> bool:  # noqa: ARG001 - the answer to any refusal
    return False


@dataclass(frozen=True, slots=True)
class _Request:
    method: str
    path: str
    body: bytes | None
    patience: Patience
    final: Final = _never
    cancel: threading.Event | None = None
    first_s: float | None = None

    def check(self) -> None:
        if self.cancel is not None and self.cancel.is_set():
            raise CancelledError("The request was cancelled.")

    def lifeline(self) -> Lifeline:
        return Lifeline(total_s=self.patience.timeout_s, first_s=self.first_s, cancel=self.cancel)


class Outbound:
    """JSON requests to one server. Safe for threads; connections are kept open and closed with the object.

    ``wait`` is called with the seconds of each pause. Errors: ProviderError (no connection, 5xx, an answer that is not
    what was asked for), ProviderTimeoutError, RateLimitedError (429, with ``retry_after_s``), NotFoundError (404),
    ConfigError (no key), CancelledError (``cancel`` was set, by any thread: the connection is shut, the server learns
    of it). Where the server answered, ``details`` holds ``status`` and ``said``, its words in short. ``keep_alive``
    false gives each request a connection of its own, which a cancel can end before the server has begun to answer.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        patience: Patience | None = None,
        wait: Callable[[float], None] = time.sleep,
        max_bytes: int = 64 * MIB,
        keep_alive: bool = True,
    ) -> None:
        self.endpoint, self.patience = endpoint, patience or Patience()
        self._wait, self._max_bytes = wait, max_bytes
        try:
            self._client = httpx.Client(
                timeout=httpx.Timeout(self.patience.timeout_s, connect=self.patience.connect_s),
                limits=httpx.Limits(max_connections=100, max_keepalive_connections=20 if keep_alive else 0),
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
        return self.decode(self._repeat(self._once, _Request("GET", path, None, patience or self.patience)), answer)

    def post(
        self,
        path: str,
        body: Any,
        answer: type[Answer],
        *,
        final: Final | None = None,
        cancel: threading.Event | None = None,
    ) -> Answer:
        """POST ``body`` as JSON and decode the answer as ``answer``.

        ``final(status, said)`` is true for a refusal that no repetition mends although its status looks passing.
        """
        asked = _Request("POST", path, msgspec.json.encode(body), self.patience, final or _never, cancel)
        return self.decode(self._repeat(self._once, asked), answer)

    def stream(
        self, path: str, body: Any, *, final: Final | None = None, cancel: threading.Event | None = None
    ) -> Lines:
        """POST ``body`` as JSON and read the answer line by line as it comes; use it in ``with``.

        Repeated as `post` is until the first line is here, never after it. ``patience.first_s`` runs until
        ``Lines.begun()``, ``patience.timeout_s`` until the last line. Iterating raises what `post` does.
        """
        first_s = self.patience.first_s or self.patience.timeout_s
        asked = _Request("POST", path, msgspec.json.encode(body), self.patience, final or _never, cancel, first_s)
        return self._repeat(self._begin, asked)

    def failure(self, said: str, status: int = 502) -> ProviderError:
        """The error for a failure that the server tells inside an answer of status 200, in its words ``said``."""
        key = self.endpoint.secret.find() if self.endpoint.secret else ""
        words = said_in(msgspec.json.encode({"error": said}), {}, key)
        details = {"status": status, "said": words}
        message = f"{self._place} failed{f': {words}' if words else ''}."
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return RateLimitedError(message, hint="Try again later, or send less at a time.", details=details)
        return ProviderError(message, hint=self.endpoint.hint, details=details)

    def decode(self, received: bytes, answer: type[Answer]) -> Answer:
        """What the server sent as ``answer``. Raises ProviderError for something else, without quoting it."""
        try:
            return msgspec.json.decode(received, type=answer)
        except msgspec.ValidationError as error:
            raise ProviderError(
                f"{self._place} answered in another form than it should: {error}.",
                hint=self.endpoint.hint,
                details={"status": 200, "said": "another form"},
            ) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            what = "a web page" if is_page(received) else "something that is not JSON"
            raise ProviderError(
                f"{self._place} sent {what}.", hint=self.endpoint.hint, details={"status": 200, "said": what}
            ) from error

    def _repeat(self, once: Callable[[_Request], Result], asked: _Request) -> Result:
        retrying = Retrying(
            stop=stop_after_attempt(asked.patience.tries),
            wait=pauses(asked.patience),
            retry=retry_if_exception_type(_PassingError),
            sleep=self._pause(asked.cancel),
            reraise=True,
        )
        try:
            return retrying(once, asked)
        except _PassingError as passing:
            raise passing.error from passing.__cause__

    def _pause(self, cancel: threading.Event | None) -> Callable[[float], Any]:
        return cancel.wait if cancel is not None and self._wait is time.sleep else self._wait

    def _once(self, asked: _Request) -> bytes:
        lifeline = asked.lifeline() if asked.cancel is not None else None
        with self._sent(asked, lifeline) as response, self._transport_errors(asked, lifeline):
            return b"".join(self._parts(response, asked))

    def _begin(self, asked: _Request) -> Lines:
        lifeline = asked.lifeline()
        with ExitStack() as stack:
            response = stack.enter_context(self._sent(asked, lifeline))
            lines = self._lines(response, asked, lifeline)
            first = next(lines, None)
            going_on = chain([] if first is None else [first], self._unrepeated(lines))
            return Lines(going_on, lifeline.begun, stack.pop_all().close)

    @contextmanager
    def _sent(self, asked: _Request, lifeline: Lifeline | None) -> Iterator[httpx.Response]:
        """A response that is a success and not yet read."""
        asked.check()
        key = self.endpoint.secret.read() if self.endpoint.secret else ""
        headers = {"Content-Type": "application/json"} if asked.body is not None else {}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        request = self._client.build_request(
            asked.method,
            self.endpoint.url + asked.path,
            content=asked.body,
            headers=headers,
            timeout=httpx.Timeout(asked.patience.timeout_s, connect=asked.patience.connect_s),
            extensions={"trace": lifeline.trace} if lifeline else None,
        )
        with ExitStack() as stack:
            if lifeline:
                lifeline.start()
                stack.callback(lifeline.release)
            with self._transport_errors(asked, lifeline):
                response = self._client.send(request, stream=True)
                stack.callback(response.close)
                if lifeline:
                    lifeline.hold(response.extensions["network_stream"])
                    stack.callback(lifeline.release)  # before the connection goes back to the others
                if not response.is_success:
                    received = b"".join(self._parts(response, asked))
                    raise self._refusal(response, said_in(received, response.headers, key), asked)
            yield response

    def _parts(self, response: httpx.Response, asked: _Request) -> Iterator[bytes]:
        """The bytes of an answer, up to the bounds of size and time."""
        size, deadline = 0, time.monotonic() + asked.patience.timeout_s
        for part in response.iter_bytes():
            size += len(part)
            if size > self._max_bytes:
                raise ProviderError(
                    f"{self._place} sent more than {self._max_bytes // MIB or self._max_bytes:,} "
                    f"{'MiB' if self._max_bytes >= MIB else 'bytes'}.",
                    hint="Ask for less at a time.",
                )
            if time.monotonic() > deadline:  # each part came in time, the whole did not
                raise self._late(asked.patience)
            yield part

    def _lines(self, response: httpx.Response, asked: _Request, lifeline: Lifeline) -> Iterator[bytes]:
        with self._transport_errors(asked, lifeline):
            yield from split_lines(self._parts(response, asked))

    def _unrepeated(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        try:
            yield from lines
        except _PassingError as passing:
            raise passing.error from passing.__cause__

    @property
    def _place(self) -> str:
        return f"{self.endpoint.name} at {self.endpoint.url}"

    def _late(self, patience: Patience) -> ProviderTimeoutError:
        return ProviderTimeoutError(
            f"{self._place} did not finish its answer within {patience.timeout_s:g} s.",
            hint="A model that is being loaded needs longer at first: try again, or allow more time.",
        )

    def _cut(self, asked: _Request, lifeline: Lifeline) -> WorkbenchError:
        if lifeline.cut == "cancelled":
            return CancelledError(f"The request to {self._place} was cancelled.")
        if lifeline.cut == "total":
            return self._late(asked.patience)
        return ProviderTimeoutError(
            f"{self._place} did not begin its answer within {asked.first_s:g} s.",
            hint="A model that is being loaded needs longer at first: try again, or allow more time.",
        )

    @contextmanager
    def _transport_errors(self, asked: _Request, lifeline: Lifeline | None) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            if lifeline and lifeline.cut:
                raise self._cut(asked, lifeline) from error
            raise self._fault(error, asked.patience) from error
        if lifeline and lifeline.cut:  # an answer of no stated length just ends when its socket is shut
            raise self._cut(asked, lifeline)

    def _fault(self, error: httpx.HTTPError, patience: Patience) -> Exception:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            reason = str(error) or "no connection in time"
            said = f"{self.endpoint.name} does not answer at {self.endpoint.url} ({reason})."
            return _PassingError(ProviderError(said, hint=self.endpoint.hint))
        if isinstance(error, httpx.TimeoutException):
            return self._late(patience)
        if isinstance(error, httpx.TransportError):
            return _PassingError(ProviderError(f"{self._place} broke off the connection.", hint=self.endpoint.hint))
        # an encoding that cannot be undone
        return ProviderError(f"{self._place} sent what cannot be read.", hint=self.endpoint.hint)

    def _refusal(self, response: httpx.Response, said: str, asked: _Request) -> Exception:
        status = response.status_code
        details = {"status": status, "said": said}
        words = f": {said}" if said else ""
        if response.has_redirect_location:
            target = httpx.URL(response.headers["location"]).host or self.endpoint.url
            return ProviderError(
                f"{self._place} redirects to {printable(target)}; redirects are not followed.",
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
        if asked.final(status, said) or (status != 429 and (status < 500 or status in _NEVER)):
            return error
        pause_s = retry_after(response.headers.get("retry-after", ""))
        if status == 429:
            error = RateLimitedError(
                f"{self._place} asks for a pause{words}.",
                hint=f"Try again in {pause_s:g} s." if pause_s else "Try again later, or send less at a time.",
                details=details,
                retry_after_s=pause_s or 1.0,
            )
        return error if (pause_s or 0) > asked.patience.max_pause_s else _PassingError(error, pause_s)
