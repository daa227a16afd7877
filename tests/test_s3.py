"""Credentials: where they may come from, and where they may never appear."""

from __future__ import annotations

import pytest

from workbench.errors import ConfigError, NotFoundError, ProviderError
from workbench.lake.s3 import Credentials, load_credentials, open_storage
from workbench.lake.storage import LocalStorage

SECRET = "s3cr3t-value"


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


def test_addresses(tmp_path):
    assert isinstance(open_storage(str(tmp_path)), LocalStorage)
    assert isinstance(open_storage(f"file://{tmp_path}"), LocalStorage)
    with pytest.raises(ConfigError, match="gs://"):
        open_storage("gs://bucket/x")
