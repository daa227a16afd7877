"""S3 and everything that speaks it (MinIO, Ceph, moto), by ``s3fs`` for objects and Delta's own store for commits.

Credentials come from the environment (``AWS_*``) or from a secrets file outside the project that only its owner can
read; they never appear in the main config, in an error or in a log.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlparse

from workbench.errors import ConfigError, MissingExtraError, NotFoundError, ProviderError, WorkbenchError
from workbench.lake.tables.storage import (
    LIST_CAP,
    Entry,
    LocalStorage,
    Slots,
    Storage,
    cap_bytes,
    check_key,
    read_capped,
)

CONNECT_S, ATTEMPTS = 5, 3
_FIELDS = {
    "endpoint_url": "AWS_ENDPOINT_URL",
    "access_key_id": "AWS_ACCESS_KEY_ID",
    "secret_access_key": "AWS_SECRET_ACCESS_KEY",
    "session_token": "AWS_SESSION_TOKEN",
    "region": "AWS_REGION",
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """What it takes to reach a bucket. The secret parts are left out of ``repr``."""

    endpoint_url: str = ""
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    session_token: str = field(default="", repr=False)
    region: str = "us-east-1"


def load_credentials(environ: Mapping[str, str], secrets_file: Path | None) -> Credentials:
    """From the secrets file's ``[s3.primary]`` when there is one, then the environment, which wins.

    Raises ConfigError when the file can be read by others, is not TOML, or has a key that means nothing.
    """
    found: dict[str, str] = {}
    if secrets_file and secrets_file.exists():
        found = _read_secrets(secrets_file)
    for name, variable in _FIELDS.items():
        if environ.get(variable):
            found[name] = environ[variable]
    if environ.get("AWS_DEFAULT_REGION") and "region" not in found:
        found["region"] = environ["AWS_DEFAULT_REGION"]
    return Credentials(**found)


def _read_secrets(path: Path) -> dict[str, str]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ConfigError(
                f"The secrets file {path} can be read by others (mode {mode:o}).", hint=f"chmod 600 {path}"
            )
        section = tomllib.loads(path.read_text(encoding="utf-8")).get("s3", {}).get("primary", {})
    except OSError as error:
        raise ConfigError(f"The secrets file {path} cannot be read: {error.strerror}.", hint=f"ls -l {path}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # The parser's message can quote the line, and the line can hold a secret.
        raise ConfigError(f"The secrets file {path} is not TOML.", hint="It holds [s3.primary] tables.") from error
    unknown = sorted(set(section) - set(_FIELDS))
    if unknown:
        raise ConfigError(
            f"Unknown key {unknown[0]!r} in [s3.primary] of {path}.", hint=f"Known: {', '.join(_FIELDS)}."
        )
    return {k: str(v) for k, v in section.items()}


class S3Storage:
    """A bucket, or a prefix inside one: ``s3://bucket/prefix``."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self.url = url.rstrip("/")
        self.root = self.url.removeprefix("s3://")
        self.credentials = credentials
        self.slots = Slots()
        self._fs: Any = None

    def filesystem(self) -> Any:
        """The one s3fs filesystem of this storage, opened when first needed."""
        if self._fs is None:
            try:
                import s3fs
            except ImportError as error:
                raise MissingExtraError(
                    f"The lake {self.url} needs the package s3fs.", hint="pip install 'lakehouse-workbench[s3]'"
                ) from error
            c = self.credentials
            self._fs = s3fs.S3FileSystem(
                key=c.access_key_id or None,
                secret=c.secret_access_key or None,
                token=c.session_token or None,
                endpoint_url=c.endpoint_url or None,
                client_kwargs={"region_name": c.region},
                config_kwargs={"connect_timeout": CONNECT_S, "retries": {"max_attempts": ATTEMPTS}},
                use_listings_cache=False,
                default_fill_cache=False,
                skip_instance_cache=True,
            )
        return self._fs

    def get(self, key: str) -> bytes:
        """See `Storage`."""
        with self._mapped(key):
            data: bytes = self.filesystem().cat_file(self._path(check_key(key)))
            return data

    def put(self, key: str, data: bytes | BinaryIO) -> Entry:
        """See `Storage`."""
        check_key(key)
        with self.slots.one(), self._mapped(key):
            body = b"".join(read_capped(data, key)) if cap_bytes(key) <= 256 * 1024 * 1024 else None
            if body is not None:
                self.filesystem().pipe_file(self._path(key), body)
            else:
                self._put_large(key, read_capped(data, key))
        return self._entry(key)

    def adopt(self, local: Path, key: str) -> Entry:
        """See `Storage`."""
        with self._mapped(key):
            self.filesystem().put_file(str(local), self._path(check_key(key)))
        local.unlink()
        return self._entry(key)

    def entries(self, prefix: str = "", *, limit: int = LIST_CAP) -> list[Entry]:
        """See `Storage`."""
        with self._mapped(prefix):
            found = self.filesystem().find(self.root, prefix=prefix, detail=True) if prefix else self._all()
        ordered = sorted((self._to_entry(info) for info in found.values()), key=lambda e: e.key)
        return ordered[: min(limit, LIST_CAP)]

    def stat(self, key: str) -> Entry | None:
        """See `Storage`."""
        try:
            return self._entry(key)
        except NotFoundError as error:
            if _names_bucket(error):
                raise
            return None

    def delete(self, key: str) -> None:
        """See `Storage`."""
        if self.stat(check_key(key)) is None:
            raise NotFoundError(f"No object {key!r} in {self.url}.")
        with self._mapped(key):
            self.filesystem().rm_file(self._path(key))

    def folders(self, prefix: str) -> list[str]:
        """See `Storage`."""
        try:
            with self._mapped(prefix):
                found = self.filesystem().ls(self._path(prefix), detail=True)
        except NotFoundError as error:
            if _names_bucket(error):
                raise
            return []
        return sorted(i["name"].rsplit("/", 1)[-1] for i in found if i["type"] == "directory")

    def uri(self, key: str) -> str:
        """See `Storage`."""
        return f"{self.url}/{key}"

    def delta_options(self) -> dict[str, str]:
        """See `Storage`."""
        c = self.credentials
        options = {
            "AWS_ENDPOINT_URL": c.endpoint_url,
            "AWS_ACCESS_KEY_ID": c.access_key_id,
            "AWS_SECRET_ACCESS_KEY": c.secret_access_key,
            "AWS_SESSION_TOKEN": c.session_token,
            "AWS_REGION": c.region,
            "AWS_ALLOW_HTTP": "true" if c.endpoint_url.startswith("http://") else "",
            "aws_conditional_put": "etag",
        }
        return {k: v for k, v in options.items() if v}

    def _all(self) -> dict[str, Any]:
        found: dict[str, Any] = self.filesystem().find(self.root, detail=True)
        return found

    def _put_large(self, key: str, chunks: Iterator[bytes]) -> None:
        with self.filesystem().open(self._path(key), "wb") as out:  # multipart: visible at close only
            out.writelines(chunks)

    def _path(self, key: str) -> str:
        return f"{self.root}/{key}"

    def _entry(self, key: str) -> Entry:
        with self._mapped(key):
            return self._to_entry(self.filesystem().info(self._path(key)))

    def _to_entry(self, info: dict[str, Any]) -> Entry:
        key = info["name"].removeprefix(self.root).lstrip("/")
        modified = info.get("LastModified")
        return Entry(
            key, int(info["size"] or 0), str(info.get("ETag") or modified), modified.timestamp() if modified else 0.0
        )

    @contextmanager
    def _mapped(self, key: str) -> Iterator[None]:
        try:
            yield
        except _client_errors() as error:
            told = refusal(self.url, self.credentials.endpoint_url, _words(error))
            if told and _names_bucket(told):
                raise NotFoundError(told.message, hint=told.hint, details=told.details) from error
            if told is None and isinstance(error, FileNotFoundError):
                raise NotFoundError(f"No object {key!r} in {self.url}.") from None
            raise told or unanswered(self.url, key) from error


def _names_bucket(error: WorkbenchError) -> bool:
    """Whether it is the bucket that is not there: an empty listing would hide that."""
    return error.details.get("reason") == "bucket"


def _client_errors() -> tuple[type[Exception], ...]:
    """What the S3 client raises: OSError, and errors of its own once it is loaded."""
    if "botocore" not in sys.modules:
        return (OSError,)
    from botocore.exceptions import BotoCoreError, ClientError

    return (OSError, BotoCoreError, ClientError)


def _words(error: BaseException | None) -> str:
    """The names and words of an error and of what caused it."""
    said = []
    while error is not None:
        said.append(f"{type(error).__name__}: {error}")
        error = error.__cause__
    return "\n".join(said)


def refusal(url: str, endpoint_url: str, words: str) -> ProviderError | None:
    """What an error of any S3 client means to the user of the lake ``url``; None when its words say none of it.

    ``words`` (class names, codes and sentences of the client) are only searched, never quoted: they can hold keys.
    """
    bucket = url.removeprefix("s3://").partition("/")[0]
    where = _shown(endpoint_url) or "Amazon S3"
    told = {
        "credentials": (f"No credentials for {url} were found.", _GIVE_KEYS),
        "bucket": (f"There is no bucket {bucket!r} at {where}.", "Make it there first, or give another lake: --lake"),
        "region": (
            f"The bucket {bucket!r} is not in the region that was asked{_expected(words)}.",
            "Set AWS_REGION, or region in the secrets file, to the bucket's.",
        ),
        "keys": (f"{where} refused the credentials for {url}.", f"They are wrong or expired. {_GIVE_KEYS}"),
        "denied": (
            f"Access denied: {where} refused the credentials for {url}.",
            "Ask the bucket's owner for the rights to list, read and write, or use other keys.",
        ),
        "endpoint": (
            f"{where} does not answer, so {url} cannot be reached.",
            "Check AWS_ENDPOINT_URL and the network; lh doctor tries again.",
        ),
        "busy": (f"{where} is too busy to answer for {url}.", "Run the command again in a minute."),
    }
    kind = next((kind for kind, sign in _SIGNS if sign.search(words)), None)
    if kind is None:
        return None
    message, hint = told[kind]
    return ProviderError(message, hint=hint, details={"reason": kind})


def unanswered(url: str, what: str) -> ProviderError:
    """For a failure of S3 whose words are none of those known."""
    return ProviderError(f"{url} failed on {what!r} in a way nobody foresaw.", hint="lh doctor")


def _shown(endpoint_url: str) -> str:
    """An address without the user name and password that may stand in it."""
    parts = urlparse(endpoint_url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if parts.netloc else ""


def _expected(words: str) -> str:
    found = re.search(r"expecting '([a-z0-9-]{1,30})'", words)
    return f", but in {found[1]}" if found else ""


_GIVE_KEYS = (
    "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write both as access_key_id and secret_access_key under "
    "[s3.primary] in the secrets file (its place: lh config)."
)
# Codes of the S3 API (docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html), names of botocore's exceptions,
# sentences of the object_store that Delta uses; a HEAD request has only the number. The first that is found counts.
_SIGNS = tuple(
    (kind, re.compile(sign))
    for kind, sign in (
        # Without keys both clients ask the machine for some, at the address of its metadata service.
        ("credentials", r"NoCredentialsError|PartialCredentialsError|169\.254\.169\.254"),
        ("bucket", r"NoSuchBucket|InvalidBucketName"),
        (
            "region",
            r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|\((?:301|307)\)"
            r"|incorrectly configured region",
        ),
        (
            "keys",
            r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|ExpiredToken|InvalidSecurity|TokenRefreshRequired"
            r"|lacked valid authentication",
        ),
        ("denied", r"AccessDenied|PermissionError|AllAccessDisabled|lacked the necessary privileges"),
        ("busy", r"SlowDown|ServiceUnavailable|\((?:429|503)\)|503 Service Unavailable"),
        (
            "endpoint",
            r"EndpointConnectionError|ConnectTimeoutError|ReadTimeoutError|ConnectionClosedError|HTTPClientError"
            r"|ConnectionError|TimeoutError|SSLError|ProxyConnectionError|error sending request|InvalidEndpoint",
        ),
    )
)


def open_storage(url: str, *, environ: Mapping[str, str] | None = None, secrets_file: Path | None = None) -> Storage:
    """The storage behind a path or an ``s3://bucket/prefix`` address. Raises ConfigError for another scheme."""
    scheme = urlparse(url).scheme
    if scheme == "s3":
        return S3Storage(url, load_credentials(os.environ if environ is None else environ, secrets_file))
    if scheme and len(scheme) > 1 and scheme != "file":  # a one-letter scheme is a Windows drive
        raise ConfigError(f"A lake cannot live at {url!r}.", hint="Use a folder, or s3://bucket/prefix.")
    return LocalStorage(Path(url.removeprefix("file://")))
