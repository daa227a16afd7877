"""An answer that comes line by line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Self


def split_lines(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The lines in a stream of bytes, without their ends and without empty ones.

    Only LF (and CR LF) ends a line: U+2028 and U+0085, at which ``str.splitlines`` cuts, may stand inside JSON.
    """
    held: list[bytes] = []
    for part in parts:
        held.append(part)
        if b"\n" in part:
            *whole, rest = b"".join(held).split(b"\n")
            held = [rest]
            yield from (line.strip() for line in whole if line.strip())
    if last := b"".join(held).strip():
        yield last


class Lines:
    """The lines of one answer, to be read once, inside ``with``: leaving it breaks off what is not yet here.

    Iterating raises ProviderError when the connection breaks, ProviderTimeoutError and CancelledError.
    """

    def __init__(self, lines: Iterator[bytes], begun: Callable[[], None], close: Callable[[], None]) -> None:
        self._lines, self._begun, self._close = lines, begun, close

    def __iter__(self) -> Iterator[bytes]:
        return self._lines

    def begun(self) -> None:
        """Say that the first piece of what was asked for is here: the limit for it no longer counts."""
        self._begun()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()
