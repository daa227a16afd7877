"""One pass over a file of text before anything is read from it: hash, encoding, line ends, what does not belong.

What is not plain UTF-8 (another encoding, a compressed file) is written out as that first, so that everything after
this module sees UTF-8 only.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import hashlib
import lzma
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from workbench.errors import InvalidError
from workbench.lake.files.tally import BLOCK, Tally

MIXED = "utf-8 with cp1252 lines"  # each line is UTF-8, or else cp1252: two exports put together
_SAMPLE = 64 << 10

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"PK\x03\x04": "zip"}
# First bytes of what is often taken for text by its name (magic numbers as in file(1)).
_FOREIGN = {
    b"%PDF": ("a PDF document", "Export the table itself, not its print."),
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", "Rename it to end in .xls."),
    b"\x89PNG": ("a picture", "Export the table itself."),
    b"\xff\xd8\xff": ("a picture", "Export the table itself."),
    b"\x28\xb5\x2f\xfd": ("compressed with Zstandard", "Unpack it first: zstd -d"),
    b"SQLite format 3": ("a SQLite database", "Export the table as CSV."),
}


@dataclass(frozen=True, slots=True)
class Survey:
    r"""Facts of a whole file. Sizes and counts are of bytes as they are in the file.

    ``crlf`` counts ``\r\n``, ``lf`` the other ``\n``, ``cr`` the other ``\r``. ``encoding`` is what Python calls
    it, or `MIXED`. ``guessed``: nothing in the file proves the encoding. ``long_line``: some line may be over 512 KiB.
    ``rows`` counts line ends that no pair of double quotes holds, without the ``blank_rows``. ``tidy``: the delimiter
    with which no cell has a blank at an end; '' is not known. ``again``: whether the line that was looked for is there;
    None if none was.
    """

    size_bytes: int
    sha256: str
    encoding: str
    lf: int
    crlf: int
    cr: int
    quotes: int
    nul: int
    compression: str = ""
    guessed: bool = False
    long_line: bool = False
    rows: int = 0
    blank_rows: int = 0
    tidy: str = ""
    again: bool | None = None


Progress = Callable[[int, int], None]


class Search:
    """Whether a line's bytes stand in a file at or after an offset; blocks come in order from the file's beginning."""

    def __init__(self, line: bytes, offset: int) -> None:
        self.line, self.found = line, False
        self._before, self._left_out = b"", offset

    def add(self, block: bytes) -> None:
        """Look into one block."""
        if self._left_out:
            block, self._left_out = block[self._left_out :], max(self._left_out - len(block), 0)
        if not self.found:
            self.found = self.line in block or self.line in self._before + block[: len(self.line)]
            self._before = block[-len(self.line) :]


@dataclass(frozen=True, slots=True)
class Expected:
    """What a file's head promises: cells, cut at ``delimiter``, have no blank at an end (``on_refuted`` is called where
    one has; '': they may), and the header does not come again.
    """

    delimiter: str = ""
    on_refuted: Callable[[], object] = bool
    header: Search | None = None

    def check(self, block: bytes, count: Tally) -> None:
        """Count one more block and look into it."""
        was = count.edges.tidy
        count.add(block)
        if was and not count.edges.tidy:
            self.on_refuted()
        if self.header:
            self.header.add(block)


NOTHING_EXPECTED = Expected()


def survey(
    path: Path,
    *,
    encoding: str | None = None,
    sha256: str = "",
    expected: Expected = NOTHING_EXPECTED,
    on_progress: Progress | None = None,
) -> Survey:
    """Read the whole file once, in bounded memory, as fast as it can be hashed.

    ``sha256`` is taken as it is if it is known. What is ``expected`` is looked into. Raises InvalidError for an
    empty file, one that is no text, an encoding that Python does not know or that does not fit the bytes.
    """
    size = path.stat().st_size
    if size == 0:
        raise InvalidError(f"{path.name} is empty.", hint="Check the export that made it.")
    if encoding is not None:
        encoding = _known(encoding)
    with path.open("rb") as f:
        head = f.read(_SAMPLE)
    compression = next((name for magic, name in _COMPRESSED.items() if head.startswith(magic)), "")
    if not compression:
        _check_text(path, head)
    count = Tally(head, expected.delimiter)
    digest = hashlib.sha256()
    # Hashing a block and counting in it both leave the interpreter, so the two run side by side.
    with path.open("rb") as f, ThreadPoolExecutor(1) as beside:
        while block := f.read(BLOCK):
            hashed = None if sha256 else beside.submit(digest.update, block)
            if not compression:
                expected.check(block, count)
            if hashed:
                hashed.result()
            if on_progress:
                on_progress(f.tell(), size)
    header = expected.header
    facts = Survey(
        size, sha256 or digest.hexdigest(), "", count.lf, count.crlf, count.cr, count.quotes, count.nul, compression,
        long_line=count.long_line, rows=count.all_rows(), blank_rows=count.blank_rows,
        tidy=expected.delimiter if count.edges.all_tidy() else "", again=header.found if header else None,
    )  # fmt: skip
    if compression:
        return facts
    if encoding:
        _check_decodes(path, encoding)
        return replace(facts, encoding=encoding)
    found, guessed = _encoding(path, head, count)
    return replace(facts, encoding=found, guessed=guessed)


def begins_tidy(path: Path, delimiter: str) -> bool:
    """Whether no cell in the first block of a file of UTF-8 text has a blank at an end."""
    with path.open("rb") as f:
        block = f.read(BLOCK)
    tally = Tally(block, delimiter)
    tally.add(block)
    return tally.edges.tidy


def survey_head(path: Path) -> Survey | None:
    """What the first 512 KiB say of a file, as a guess at the whole; None unless it is plain UTF-8 so far.

    ``rows`` are those of that part.
    """
    with path.open("rb") as f:
        block = f.read(BLOCK)
    packed = any(block.startswith(magic) for magic in _COMPRESSED)
    if packed or any(block.startswith(bom) for bom, _ in _BOMS) or _wide(block):
        return None
    _check_text(path, block[:_SAMPLE])
    tally = Tally(block)
    tally.add(block)
    if not tally.begins_as_utf8:
        return None
    return Survey(
        path.stat().st_size, "", "utf-8", tally.lf, tally.crlf, tally.cr, tally.quotes, tally.nul,
        long_line=tally.long_line, rows=tally.all_rows(),
    )  # fmt: skip


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError as error:
        raise InvalidError(
            f"{encoding!r} is no encoding.", hint="For example utf-8, cp1252, latin-1, utf-16, shift_jis."
        ) from error


def _check_text(path: Path, head: bytes) -> None:
    for magic, (what, way_out) in _FOREIGN.items():
        if head.startswith(magic):
            raise InvalidError(f"{path.name} is {what}, not a table of text.", hint=way_out)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:200].lower()
    if start.startswith((b"<!doctype html", b"<html", b"<table")):
        raise InvalidError(
            f"{path.name} is a web page, not a table of text.",
            hint="Often a login page saved by mistake, or a page called .xls: open it in a spreadsheet, save as CSV.",
        )
    if any(head.startswith(bom) for bom, _ in _BOMS) or _wide(head):
        return
    # 01 and 1C to 1F serve as delimiters, 1A ends old files.
    odd = sum(head.count(byte) for byte in (*range(2, 9), *range(14, 26), 127))
    if odd > len(head) * 0.02:
        raise InvalidError(f"{path.name} is not a table of text.", hint="CSV, Parquet, JSON and Excel files are read.")


def _encoding(path: Path, head: bytes, count: Tally) -> tuple[str, bool]:
    """The encoding's name, and whether it is a guess."""
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name, False
    wide = _wide(head)
    if wide:
        return wide, True
    if count.is_utf8():
        return "utf-8", False
    return _legacy(path), True


def _wide(head: bytes) -> str:
    """UTF-16 without its mark: every other byte of what people write in it is zero."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if half >= 4 and odd > 0.7 * half and even < 0.05 * half:
        return "utf-16-le"
    return "utf-16-be" if half >= 4 and even > 0.7 * half and odd < 0.05 * half else ""


def _legacy(path: Path) -> str:
    """Bytes that are no UTF-8: most often cp1252, else what the letters look like."""
    from charset_normalizer import from_bytes  # only for the few files that need it

    strange, proper = [], 0
    size = 0
    with path.open("rb") as f:
        for line in f:
            if line.isascii():
                continue
            if _is_utf8(line):
                proper += 1
            elif size < _SAMPLE:
                strange.append(line)
                size += len(line)
    if proper > 0 and all(_decodes(line, "cp1252") for line in strange):
        return MIXED
    sample = b"".join(strange)
    best = from_bytes(sample, cp_isolation=list(_CANDIDATES), threshold=0.35).best()
    western = _decodes(sample, "cp1252")
    if best is None or (western and best.encoding in {"cp1252", "latin_1", "cp1250", "mac_roman"}):
        return "cp1252" if western else "latin-1"
    return str(best.encoding)


_CANDIDATES = (
    "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r", "mac_roman", "shift_jis", "cp932",
    "euc_jp", "gb18030", "big5", "euc_kr", "cp949",
)  # fmt: skip


def _is_utf8(line: bytes) -> bool:
    return _decodes(line, "utf-8")


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True


def _check_decodes(path: Path, encoding: str) -> None:
    done = 0
    decode = codecs.getincrementaldecoder(encoding)().decode
    with path.open("rb") as f:
        try:
            while block := f.read(BLOCK):
                decode(block)
                done += len(block)
            decode(b"", final=True)
        except UnicodeError as error:
            place = f": byte {done + error.start} does not fit it" if isinstance(error, UnicodeDecodeError) else ""
            raise InvalidError(
                f"{path.name} is not {encoding}{place}.", hint="Leave --encoding away to have it found."
            ) from error


def plain(path: Path, facts: Survey, folder: Path, *, encoding: str | None = None) -> tuple[Path, Survey]:
    """The file as plain UTF-8 without a mark, in ``folder`` if it is not that already, and the survey of that text.

    The survey keeps the size and hash of the file itself, and ``encoding`` says what the text was in. Raises
    InvalidError for a damaged archive or one that holds several files.
    """
    outer = facts
    if facts.compression:
        path = _unpack(path, facts.compression, folder / "unpacked.csv")
        facts = survey(path, encoding=encoding)
        if facts.compression:
            raise InvalidError("The file is packed twice.", hint="Unpack it first.")
    if facts.encoding != "utf-8":
        target = folder / "plain.csv"
        with target.open("w", encoding="utf-8", newline="") as out:
            out.writelines(_decoded(path, facts.encoding))
        path, was = target, facts.encoding
        facts = replace(survey(path, encoding="utf-8"), encoding=was, guessed=facts.guessed)
    return path, replace(facts, size_bytes=outer.size_bytes, sha256=outer.sha256, compression=outer.compression)


def _decoded(path: Path, encoding: str) -> Iterator[str]:
    if encoding == MIXED:
        with path.open("rb") as f:
            yield from (line.decode("utf-8" if _is_utf8(line) else "cp1252") for line in f)
        return
    decode = codecs.getincrementaldecoder(encoding)().decode
    with path.open("rb") as f:
        try:
            while block := f.read(BLOCK):
                yield decode(block)
            yield decode(b"", final=True)
        except UnicodeError as error:
            raise InvalidError(
                f"{path.name} is not {encoding} throughout.", hint="Say what it is: --encoding cp1252"
            ) from error


def _unpack(path: Path, compression: str, target: Path) -> Path:
    openers: dict[str, Callable[[Path], Any]] = {
        "gzip": gzip.GzipFile,
        "bzip2": bz2.BZ2File,
        "xz": lzma.LZMAFile,
        "zip": _zip_member,
    }
    try:
        with openers[compression](path) as packed, target.open("wb") as out:
            while block := packed.read(BLOCK):
                out.write(block)
    except (EOFError, OSError, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise InvalidError(f"{path.name} is damaged: {error}", hint="Fetch it again.") from error
    return target


def _zip_member(path: Path) -> Any:
    archive = zipfile.ZipFile(path)
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    if any(name == "[Content_Types].xml" for name in names):
        raise InvalidError(f"{path.name} is an Office document, no table of text.", hint="Rename it to end in .xlsx.")
    if len(names) != 1:
        raise InvalidError(
            f"{path.name} is an archive of {len(names)} files.", hint="Unpack it and ingest each file by itself."
        )
    return archive.open(names[0])


def original_offsets(path: Path, encoding: str, offsets: list[int]) -> dict[int, int]:
    """Where bytes of the plain text stood in the text as it came: offset in UTF-8 → offset in ``encoding``."""
    if encoding in {"utf-8", MIXED} or not offsets:
        return {offset: offset for offset in offsets}
    encode = codecs.getincrementalencoder(encoding)().encode  # writes the mark by itself where the encoding has one
    found, here, there = {}, 0, 0
    with path.open("rb") as f:
        for offset in sorted(set(offsets)):
            for text in _characters(f, offset - here):
                there += len(encode(text))
            found[offset], here = there, offset
    return found


def _characters(file: IO[bytes], n: int) -> Iterator[str]:
    """The next ``n`` bytes of UTF-8 text; they end with a whole character."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    while n > 0:
        block = file.read(min(BLOCK, n))
        n -= len(block)
        yield decode(block)
