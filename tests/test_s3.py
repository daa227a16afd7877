"""Credentials: where they may come from, and where they may never appear."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import workbench
from workbench.errors import ConfigError, NotFoundError, ProviderError
from workbench.lake.tables.s3 import Credentials, load_credentials, open_storage
from workbench.lake.tables.storage import LocalStorage

SECRET = "s3cr3t-value"
INSIDE = re.compile(r"Error:|Errno|Exception|Kernel|botocore|os error|\\x1b|<\\?xml")


def secrets_file(tmp_path, text, mode=0o600):
    path = tmp_path / "secrets.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_the_secrets_file_gives_credentials_and_the_environment_wins(tmp_path):
    path = secrets_file(
        tmp_path, f'[s3.primary]\naccess_key_id = "file"\nsecret_access_key = "{SECRET}"\nregion = "eu"\n'
    )
    found = load_credentials({"AWS_ACCESS_KEY_ID": "env"}, path)
    assert (found.access_key_id, found.secret_access_key, found.region) == ("env", SECRET, "eu")


def test_a_secrets_file_that_others_can_read_is_refused(tmp_path):
    path = secrets_file(tmp_path, "[s3.primary]\n", mode=0o644)
    with pytest.raises(ConfigError, match="mode 644") as refused:
        load_credentials({}, path)
    assert refused.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize("text", [f"[s3.primary\nsecret_access_key = '{SECRET}'", f"[s3.primary]\n{SECRET}x = '1'"])
def test_a_broken_secrets_file_never_quotes_its_values(tmp_path, text):
    path = secrets_file(tmp_path, f"[s3.primary]\nwrong_key = '{SECRET}'" if "x =" in text else text)
    with pytest.raises(ConfigError) as refused:
        load_credentials({}, path)
    assert SECRET not in str(refused.value)


def test_secrets_do_not_show_in_repr_or_errors(s3_server):
    credentials = Credentials(s3_server.endpoint_url, "the-key", SECRET)
    assert SECRET not in repr(credentials)
    assert "the-key" not in repr(credentials)
    environ = s3_server.environ() | {"AWS_SECRET_ACCESS_KEY": SECRET}
    storage = open_storage("s3://no-such-bucket-here/x", environ=environ)
    with pytest.raises((ProviderError, NotFoundError)) as failed:
        storage.put("k", b"1")
    assert SECRET not in str(failed.value)
    assert SECRET not in repr(failed.value.details)


def test_a_dead_server_is_a_provider_error_with_a_hint():
    environ = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": SECRET}
    with pytest.raises(ProviderError) as failed:
        open_storage("s3://bucket/x", environ=environ).get("k")
    assert "http://127.0.0.1:1 does not answer" in failed.value.message
    assert "AWS_ENDPOINT_URL" in failed.value.hint
    assert SECRET not in str(failed.value)


class Refusing(BaseHTTPRequestHandler):
    """An S3 server with one answer to everything, in the words of the real one, which name the key that was used."""

    protocol_version = "HTTP/1.1"
    answer = (403, "AccessDenied", "")

    def refuse(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, code, words = self.answer
        said = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>{words} {SECRET}</Message></Error>'
        body = b"" if self.command == "HEAD" else said.encode()
        self.send_response(status)
        if status in {301, 400}:
            self.send_header("x-amz-bucket-region", "eu-west-1")
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = refuse

    def log_message(self, *words):
        """Not into the test's output."""


@pytest.fixture
def refusing():
    """An address for each answer that a server may give."""
    servers = []

    def start(*answer):
        handler = type("One", (Refusing,), {"answer": answer})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.s3
@pytest.mark.parametrize(
    ("answer", "said", "hint"),
    [
        ((403, "AccessDenied", "Access Denied"), "Access denied", "rights"),
        ((403, "InvalidAccessKeyId", "does not exist in our records"), "refused the credentials", "AWS_ACCESS_KEY_ID"),
        ((403, "SignatureDoesNotMatch", ""), "refused the credentials", "secret_access_key"),
        ((301, "PermanentRedirect", "must be addressed"), "'bucket' is not in the region", "AWS_REGION"),
        ((400, "AuthorizationHeaderMalformed", "wrong; expecting 'eu-west-1'"), "but in eu-west-1", "AWS_REGION"),
        ((404, "NoSuchBucket", "The specified bucket does not exist"), "There is no bucket 'bucket' at http", "--lake"),
        ((418, "Teapot", "short and stout"), "s3://bucket/lake", "lh doctor"),
    ],
)  # fmt: skip
def test_what_a_server_refuses_is_told_alike_by_every_verb(refusing, tmp_path, answer, said, hint):
    (tmp_path / "roster.csv").write_text("worker_id,city\n1,Gary\n")
    environ = {"AWS_ENDPOINT_URL": refusing(*answer), "AWS_ACCESS_KEY_ID": SECRET, "AWS_SECRET_ACCESS_KEY": SECRET}
    with workbench.connect("s3://bucket/lake", environ=environ) as wb:
        verbs = {
            "datasets": wb.datasets,
            "ingest": lambda: wb.ingest(tmp_path / "roster.csv"),
            "sql": lambda: wb.sql("SELECT * FROM roster"),
            "put": lambda: wb.storage.put("k", b"1"),
        }
        for verb, call in verbs.items():
            with pytest.raises((ProviderError, NotFoundError)) as refused:
                call()
            assert said in refused.value.message, verb
            assert hint in refused.value.hint, verb
            assert SECRET not in str(refused.value.to_dict()), verb
            assert not INSIDE.search(str(refused.value)), verb


@pytest.mark.s3
@pytest.mark.parametrize("half", [{}, {"AWS_ACCESS_KEY_ID": "only-half"}])
def test_missing_credentials_are_told_with_the_places_they_may_come_from(half):
    storage = open_storage("s3://bucket/x", environ={"AWS_ENDPOINT_URL": "http://127.0.0.1:1", **half})
    with pytest.raises(ProviderError, match="No credentials for s3://bucket/x were found") as failed:
        storage.get("k")
    for place in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "[s3.primary]", "lh config"):
        assert place in failed.value.hint
    assert "only-half" not in str(failed.value)


def test_a_secrets_file_that_cannot_be_read_is_named(tmp_path):
    folder = tmp_path / "secrets.toml"
    folder.mkdir(mode=0o700)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_credentials({}, folder)


def test_a_damaged_log_is_no_missing_dataset(tmp_path):
    (tmp_path / "versions.csv").write_text("version,city\n1,Gary\n")
    with workbench.connect(tmp_path / "lake") as wb:
        for _ in range(3):
            wb.ingest(tmp_path / "versions.csv", "versions", mode="replace")
            (tmp_path / "versions.csv").write_text((tmp_path / "versions.csv").read_text() + "2,Elgin\n")
        with pytest.raises(NotFoundError, match="no snapshot 9"):
            wb.lake.get("versions@9")
    log = tmp_path / "lake" / "datasets" / "versions" / "_delta_log"
    (log / f"{1:020}.json").unlink()  # its words name versions, and yet no version was asked for
    with workbench.connect(tmp_path / "lake") as wb, pytest.raises(ProviderError, match="log of dataset") as failed:
        wb.sql("SELECT * FROM versions")
    assert str(tmp_path) not in str(failed.value)


def test_addresses(tmp_path):
    assert isinstance(open_storage(str(tmp_path)), LocalStorage)
    assert isinstance(open_storage(f"file://{tmp_path}"), LocalStorage)
    with pytest.raises(ConfigError, match="gs://"):
        open_storage("gs://bucket/x")
