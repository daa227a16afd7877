"""The slab on disk: what is committed stays, what is damaged is never believed, what is foreign is left alone."""

from __future__ import annotations

import hashlib
import os
import signal
import struct
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import ConfigError, DimensionError, InvalidError
from workbench.search.texts.slab import VectorSlab
from workbench.search.vectors.keys import KeyTable, text_keys
from workbench.search.vectors.segment import write_segment


@dataclass(frozen=True)
class Model:
    """Just the identity of an embedder; the slab asks for no more."""

    name: str = "toy"
    digest: str = "ab" * 32
    dimension: int = 4

    def embed(self, texts, *, side):
        raise AssertionError("a slab embeds nothing")


def unit(count: int, dimension: int = 4, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def keys_of(*numbers: int) -> np.ndarray:
    return text_keys(f"text {number}" for number in numbers)


def filled(folder: Path, count: int = 5) -> VectorSlab:
    slab = VectorSlab(folder, Model())
    slab.append(keys_of(*range(count)), unit(count))
    return slab


def only_segment(folder: Path) -> Path:
    (path,) = folder.glob("*.vec")
    return path


def test_a_key_is_the_sha256_of_the_text():
    assert text_keys(["né"]).tobytes() == hashlib.sha256("né".encode()).digest()


def test_what_was_appended_is_found_again_bit_for_bit(tmp_path):
    filled(tmp_path)

    again = VectorSlab(tmp_path, Model())
    positions = again.find(keys_of(4, 99, 0))

    assert positions.tolist() == [4, -1, 0]
    assert again.take(positions[[0, 2]]).tobytes() == unit(5)[[4, 0]].tobytes()
    assert (len(again), again.skipped) == (5, {})


def test_segments_of_other_processes_come_with_refresh_and_move_no_position(tmp_path):
    mine, other = filled(tmp_path), VectorSlab(tmp_path, Model())
    other.append(keys_of(10, 11), unit(2, seed=1))
    assert mine.find(keys_of(11)).tolist() == [-1]

    assert mine.refresh() == 2
    mine.append(keys_of(20), unit(1, seed=2))

    assert mine.find(keys_of(0, 11, 20)).tolist() == [0, 6, 7]
    assert (
        mine.take(np.array([7, 0, 6, 0])).tobytes()
        == np.concatenate([unit(1, seed=2), unit(5)[:1], unit(2, seed=1)[1:], unit(5)[:1]]).tobytes()
    )
    assert mine.refresh() == 0


def test_a_text_stored_twice_is_found_once_and_first(tmp_path):
    filled(tmp_path)
    slab = VectorSlab(tmp_path, Model())
    slab.append(keys_of(3), unit(1, seed=9))
    assert slab.find(keys_of(3)).tolist() == [3]


def test_models_and_sides_do_not_see_each_other(tmp_path):
    filled(tmp_path)
    for other in (
        VectorSlab(tmp_path, Model(digest="cd" * 32), verify=True),
        VectorSlab(tmp_path, Model(), side="query", verify=True),
        VectorSlab(tmp_path, Model(dimension=5), verify=True),
    ):
        assert len(other) == 0
        assert list(other.skipped.values()) == ["vectors of another model"]
    assert len(VectorSlab(tmp_path, Model())) == 5


@settings(max_examples=150)
@given(place=st.integers(0, 5 * 16 + 5 * 32 + 128 + 31), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed_or_changes_nothing(tmp_path_factory, place, bit):
    folder = tmp_path_factory.mktemp("slab")
    filled(folder)
    path = only_segment(folder)
    content = bytearray(path.read_bytes())
    assert len(content) == 128 + 5 * 32 + 32 + 5 * 16
    content[place] ^= 1 << bit
    path.write_bytes(content)

    slab = VectorSlab(folder, Model(), verify=True)

    positions = slab.find(keys_of(*range(5)))
    if len(slab):
        assert slab.take(positions).tobytes() == unit(5).tobytes()
        assert 128 + 5 * 32 <= place < 128 + 5 * 32 + 32  # the padding
    else:
        assert positions.tolist() == [-1] * 5


@pytest.mark.parametrize("verify", [False, True])
def test_a_cut_segment_is_absent_wherever_it_was_cut(tmp_path, verify):
    filled(tmp_path)
    content = only_segment(tmp_path).read_bytes()
    for size in [*range(0, len(content), 7), len(content) - 1]:
        path = tmp_path / f"{size:020d}-cut.vec"
        path.write_bytes(content[:size])
        slab = VectorSlab(tmp_path, Model(), verify=verify)
        assert len(slab) == 5
        assert slab.skipped
        path.unlink(missing_ok=True)


def test_a_longer_file_is_absent_too(tmp_path):
    filled(tmp_path)
    path = only_segment(tmp_path)
    path.write_bytes(path.read_bytes() + b"\0")
    assert len(VectorSlab(tmp_path, Model())) == 0


def test_damaged_files_are_removed_by_the_next_writer_and_foreign_ones_never(tmp_path):
    filled(tmp_path)
    content = bytearray(only_segment(tmp_path).read_bytes())
    damaged, newer, text = (tmp_path / f"{name}.vec" for name in ("damaged", "newer", "text"))
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    newer.write_bytes(content[:8] + struct.pack("<I", 2) + content[12:])
    text.write_bytes(b"not a segment at all" * 20)

    reader = VectorSlab(tmp_path, Model())
    assert damaged.exists()
    assert reader.skipped.keys() == {"newer.vec", "text.vec"}
    writer = VectorSlab(tmp_path, Model(), verify=True)

    assert writer.skipped["damaged.vec"] == "damaged vectors"
    assert not damaged.exists()
    assert newer.exists()
    assert text.exists()
    assert len(writer) == 5


def test_half_written_files_are_ignored_and_swept_after_a_day(tmp_path):
    fresh, old = tmp_path / "a.vec.partial", tmp_path / "b.vec.partial"
    for path in (fresh, old):
        path.write_bytes(b"LHVECSEG")
    yesterday = fresh.stat().st_mtime - 90_000
    os.utime(old, (yesterday, yesterday))

    assert len(VectorSlab(tmp_path, Model())) == 0

    assert fresh.exists()
    assert not old.exists()


@pytest.mark.parametrize(
    ("vectors", "error"),
    [
        ([[np.nan, 0, 0, 1]], InvalidError),
        ([[0, 0, 0, 0]], InvalidError),
        ([[0, 0, 0, 1.001]], InvalidError),
        ([[0, 0, 1]], DimensionError),
        ([[0, 0, 0, 1], [0, 0, 1, 0]], InvalidError),
    ],
)
def test_what_is_no_unit_vector_is_refused_and_nothing_is_written(tmp_path, vectors, error):
    slab = VectorSlab(tmp_path, Model())
    with pytest.raises(error):
        slab.append(keys_of(1), np.array(vectors, np.float32))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ConfigError, match="taken"):
        VectorSlab(tmp_path / "taken", Model())


def test_a_full_disk_is_an_error_with_a_hint_and_leaves_nothing(tmp_path):
    script = (
        "import resource, signal, sys, pathlib, numpy as np\n"
        "from workbench.errors import ConfigError\n"
        "from workbench.search.vectors.segment import write_segment\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "try:\n    write_segment(folder, b'i' * 32, np.zeros((100, 4), 'u8'), np.ones((100, 64), 'f4'))\n"
        "except ConfigError as error:\n    print(error.message, error.hint, sep='|')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent,
    )
    assert f"The vectors folder {tmp_path} cannot be written: File too large.|Free some space" in done.stdout, (
        done.stderr
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.drill
@pytest.mark.parametrize("size_bytes", [0, 64, 128, 1000, 3327, 4000, 28927])
def test_a_writer_killed_at_any_byte_leaves_no_segment(tmp_path, size_bytes):
    # The default action of SIGXFSZ kills the process in the write that passes the limit.
    script = (
        "import resource, sys, signal, pathlib, numpy as np\n"
        "from workbench.search.vectors.segment import write_segment\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\n"
        "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))\n"
        "write_segment(pathlib.Path(sys.argv[1]), b'i' * 32, np.zeros((100, 4), 'u8'), np.ones((100, 64), 'f4'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path), str(size_bytes)], cwd=Path(__file__).parent.parent
    )
    assert done.returncode == -signal.SIGXFSZ
    assert list(tmp_path.glob("*.vec")) == []
    assert len(VectorSlab(tmp_path, Model())) == 0


def test_the_format_is_what_its_docstring_says(tmp_path):
    keys, vectors = keys_of(1), np.array([[0, 0.6, 0.8, 0]], np.float32)
    name = write_segment(tmp_path, b"i" * 32, keys, vectors)
    header = struct.pack(
        "<8sIIQ32sII", b"LHVECSEG", 1, 4, 1, b"i" * 32, zlib.crc32(keys.tobytes()), zlib.crc32(vectors.tobytes())
    ).ljust(124, b"\0")
    want = header + struct.pack("<I", zlib.crc32(header)) + keys.tobytes() + bytes(32) + vectors.tobytes()
    assert (tmp_path / name).read_bytes() == want


word = st.integers(0, 3)


@settings(max_examples=100)
@given(
    batches=st.lists(st.lists(st.tuples(word, word, word, word), max_size=12), max_size=8),
    asked=st.lists(st.tuples(word, word, word, word), min_size=1, max_size=12),
)
def test_the_key_table_is_a_dictionary_of_first_positions(batches, asked):
    table, truth, position = KeyTable(), {}, 0
    for batch in batches:
        table.add(np.array(batch, np.uint64).reshape(-1, 4))
        for key in batch:
            truth.setdefault(key, position)
            position += 1

    found = table.find(np.array(asked, np.uint64))

    assert found.tolist() == [truth.get(key, -1) for key in asked]
    assert len(table) == position
    assert table.keys().tolist() == [list(key) for batch in batches for key in batch]
