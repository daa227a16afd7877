"""What every storage promises, on a disk and on a real S3 server."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import BusyError, InvalidError, NotFoundError, TooLargeError
from workbench.lake.tables.s3 import open_storage
from workbench.lake.tables.storage import MIB, LocalStorage, Storage, cap_bytes, check_key


@pytest.fixture(params=["local", pytest.param("s3", marks=pytest.mark.s3)])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "local":
        return LocalStorage(tmp_path / "lake")
    return open_storage(f"{request.getfixturevalue('s3_bucket')}/some/prefix")


def test_an_object_comes_back_as_it_went_in(storage):
    entry = storage.put("a/b/c.bin", b"\x00\xffhello")
    assert storage.get("a/b/c.bin") == b"\x00\xffhello"
    assert (entry.key, entry.size_bytes) == ("a/b/c.bin", 7)
    assert storage.stat("a/b/c.bin") == entry


def test_a_second_put_replaces_and_changes_the_token(storage):
    first = storage.put("k", b"one")
    second = storage.put("k", io.BytesIO(b"three"))
    assert storage.get("k") == b"three"
    assert first.token != second.token


def test_absent_objects_are_not_found(storage):
    assert storage.stat("nope") is None
    for act in (storage.get, storage.delete):
        with pytest.raises(NotFoundError, match="'nope'"):
            act("nope")


def test_delete_removes_one_object(storage):
    storage.put("x/1", b"1")
    storage.put("x/2", b"2")
    storage.delete("x/1")
    assert [e.key for e in storage.entries("x/")] == ["x/2"]


def test_entries_are_in_key_order_and_end_at_the_limit(storage):
    for key in ("p/b", "p/a", "p/sub/c", "q/d", "pp"):
        storage.put(key, b"")
    assert [e.key for e in storage.entries("p/")] == ["p/a", "p/b", "p/sub/c"]
    assert [e.key for e in storage.entries("p/", limit=2)] == ["p/a", "p/b"]
    assert [e.key for e in storage.entries()] == ["p/a", "p/b", "p/sub/c", "pp", "q/d"]


def test_folders_are_the_names_directly_under_a_prefix(storage):
    for key in ("datasets/b/x", "datasets/a/x/y", "datasets/file", "other/z"):
        storage.put(key, b"1")
    assert storage.folders("datasets") == ["a", "b"]
    assert storage.folders("nothing") == []


def test_adopt_moves_a_finished_file_in(storage, tmp_path):
    local = tmp_path / "made.bin"
    local.write_bytes(b"data")
    entry = storage.adopt(local, "datasets/w/part.bin")
    assert storage.get("datasets/w/part.bin") == b"data"
    assert entry.size_bytes == 4
    assert not local.exists()


@pytest.mark.parametrize(
    ("key", "why"),
    [("", "empty"), ("/a", "starts with '/'"), ("a/../b", "'..'"), ("..", "'..'"), ("a\nb", "NUL, CR, LF or TAB"),
     ("a\tb", "TAB"), ("a\rb", "CR"), ("a\0b", "NUL"), ("é" * 513, "1,024 bytes")],
)  # fmt: skip
def test_keys_that_are_refused(storage, key, why):
    with pytest.raises(InvalidError) as refused:
        storage.put(key, b"")
    assert why in refused.value.message


@given(st.text(min_size=1, max_size=40))
def test_a_key_is_refused_only_for_a_rule(key):
    bad = key.startswith("/") or ".." in key.split("/") or any(c in key for c in "\0\r\n\t")
    try:
        assert check_key(key) == key
        assert not bad
    except InvalidError:
        assert bad


def test_an_object_over_the_cap_is_refused_while_it_is_read(storage):
    class Endless(io.RawIOBase):
        seen = 0

        def read(self, n: int = -1) -> bytes:
            self.seen += n
            return bytes(n)

    body = Endless()
    with pytest.raises(TooLargeError, match="256 MiB"):
        storage.put("big", body)
    assert body.seen <= 258 * MIB  # it stopped reading, it did not swallow the whole
    assert storage.stat("big") is None
    assert cap_bytes("_vectors/big") == 4096 * MIB


def test_a_fifth_upload_is_told_to_come_back(storage):
    gate, started = threading.Event(), threading.Semaphore(0)

    class Slow(io.RawIOBase):
        done = False

        def read(self, n: int = -1) -> bytes:
            if self.done:
                return b""
            started.release()
            gate.wait(30)
            self.done = True
            return b"x"

    threads = [threading.Thread(target=storage.put, args=(f"slow/{i}", Slow())) for i in range(4)]
    for thread in threads:
        thread.start()
    for _ in threads:
        started.acquire()
    with pytest.raises(BusyError) as busy:
        storage.put("slow/5", b"x")
    gate.set()
    for thread in threads:
        thread.join()
    assert busy.value.retry_after_s == 5
    assert len(storage.entries("slow/")) == 4
    storage.put("slow/5", b"x")


def test_a_write_that_fails_leaves_the_old_object_and_no_litter(tmp_path):
    storage = LocalStorage(tmp_path)
    storage.put("a/k", b"old")

    class Breaks(io.RawIOBase):
        parts = (b"new", b"")

        def read(self, n: int = -1) -> bytes:
            if self.parts == (b"",):
                raise OSError("the line went dead")
            first, *rest = self.parts
            self.parts = tuple(rest)
            return first

    with pytest.raises(OSError, match="line went dead"):
        storage.put("a/k", Breaks())
    assert storage.get("a/k") == b"old"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["k"]
