"""The ground that the other tests stand on."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from hypothesis import settings


def test_nothing_of_the_machine_reaches_a_test(home: Path) -> None:
    assert Path.home() == home
    assert not any(home.iterdir())
    assert os.environ["XDG_CONFIG_HOME"].startswith(str(home))
    assert not [name for name in os.environ if name.startswith("LH_")]
    assert [name for name in os.environ if name.startswith("AWS_")] == ["AWS_EC2_METADATA_DISABLED"]


def test_the_network_is_refused() -> None:
    # pytest-socket warns before it raises, so that code which swallows the error is found too.
    with socket.socket() as client, pytest.raises(UserWarning, match=r"192\.0\.2\.1"):
        client.connect(("192.0.2.1", 80))


def test_examples_are_the_same_in_every_run() -> None:
    assert settings().derandomize


@pytest.mark.s3
def test_the_s3_server_keeps_what_it_is_given(s3_bucket: str) -> None:
    import s3fs

    files = s3fs.S3FileSystem(skip_instance_cache=True)
    files.pipe_file(f"{s3_bucket}/a/b.txt", b"kept")
    assert files.cat_file(f"{s3_bucket}/a/b.txt") == b"kept"


@pytest.mark.s3
def test_a_conditional_put_is_enforced(s3_bucket: str) -> None:
    import deltalake
    import pyarrow as pa

    options = {"AWS_ALLOW_HTTP": "true", "aws_conditional_put": "etag"}
    for number in (1, 2):
        deltalake.write_deltalake(
            f"{s3_bucket}/numbers", pa.table({"n": [number]}), mode="append", storage_options=options
        )
    assert deltalake.DeltaTable(f"{s3_bucket}/numbers", storage_options=options).version() == 1


@pytest.mark.s3
def test_two_buckets_are_two_places(s3_bucket: str, s3_environ: Any) -> None:
    other = s3_environ.add_bucket()
    assert other != s3_bucket
    with urlopen(f"{s3_environ.endpoint_url}/{other.removeprefix('s3://')}?list-type=2", timeout=10) as answer:
        assert b"<Contents>" not in answer.read()
