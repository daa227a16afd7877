"""Exchanges kept in a file and answered from it: notebooks, tests and demos then need no model server.

One JSON object a line: ``{"format": 1, "digest", "ask", "pieces", "completion"}``; ``digest`` is `Ask.digest`, and
``pieces`` are the parts in which the answer came (one, for a whole answer).
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from workbench.errors import InvalidError, NotFoundError
from workbench.llm.chat import Ask, ChatModel, Completion, check_cancel, closing_after

FORMAT = 1


class _Exchange(msgspec.Struct):
    format: int
    digest: str
    ask: dict[str, Any]
    pieces: list[str]
    completion: Completion


class Recorder:
    """A model whose answers are appended to ``file`` (made for its owner alone: it holds what was asked, in full).

    Only whole answers are kept: a failure or a broken stream leaves no line. Safe for threads, and for processes that
    record into one file.
    """

    def __init__(self, model: ChatModel, file: Path) -> None:
        self._model, self._file = model, file
        self._writing = threading.Lock()

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        """The whole answer at once; see `ChatModel`."""
        done = self._model.complete(ask, cancel=cancel)
        self._keep(ask, [done.text] if done.text else [], done)
        return done

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        """The answer as it comes; see `ChatModel`."""
        texts: list[str] = []
        with closing_after(self._model.stream(ask, cancel=cancel)) as pieces:
            for piece in pieces:
                if isinstance(piece, Completion):
                    self._keep(ask, texts, piece)
                else:
                    texts.append(piece)
                yield piece

    def _keep(self, ask: Ask, pieces: list[str], done: Completion) -> None:
        line = json.dumps(
            {
                "format": FORMAT,
                "digest": ask.digest,
                "ask": ask.to_dict(),
                "pieces": pieces,
                "completion": done.to_dict(),
            }
        )
        with self._writing:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            with os.fdopen(handle, "r+b", buffering=0) as file:
                # A line that a crash cut off gets an end, so that it spoils none but itself.
                start = b"" if _ends_whole(file) else b"\n"
                file.write(start + line.encode() + b"\n")


def _ends_whole(file: Any) -> bool:
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        return True
    file.seek(size - 1)
    return bool(file.read(1) == b"\n")


class Replay:
    """Answers from ``file`` alone. The same request again gets the next recorded answer to it, at last the last one.

    Raises NotFoundError for a file that is not there and for an exchange that is not in it, InvalidError for a file of
    another format.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._exchanges: dict[str, list[_Exchange]] = {}
        self._asked: dict[str, int] = {}
        self._lock = threading.Lock()
        for exchange in _read(file):
            self._exchanges.setdefault(exchange.digest, []).append(exchange)

    def complete(self, ask: Ask, *, cancel: threading.Event | None = None) -> Completion:
        """The whole answer at once; see `ChatModel`."""
        check_cancel(cancel)
        return self._next(ask).completion

    def stream(self, ask: Ask, *, cancel: threading.Event | None = None) -> Iterator[str | Completion]:
        """The answer in the pieces in which it once came; see `ChatModel`."""
        check_cancel(cancel)
        exchange = self._next(ask)
        for piece in exchange.pieces:
            yield piece
            check_cancel(cancel)
        yield exchange.completion

    def _next(self, ask: Ask) -> _Exchange:
        digest = ask.digest
        with self._lock:
            found = self._exchanges.get(digest)
            if not found:
                raise NotFoundError(
                    f"The recording {self._file} holds no answer of {ask.model!r} to this request.",
                    hint="Record it first (setting chat_record), or ask exactly as it was recorded.",
                    details={"digest": digest},
                )
            place = self._asked.get(digest, 0)
            self._asked[digest] = place + 1
        return found[min(place, len(found) - 1)]


def _read(file: Path) -> Iterator[_Exchange]:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"There is no recording {file}.", hint="Record one first (setting chat_record).") from None
    except OSError as error:
        raise InvalidError(f"The recording {file} cannot be read: {error.strerror}.") from error
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            head = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue  # cut off by a crash: it never was a whole exchange
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise InvalidError(f"Line {number} of {file} is no exchange of format {FORMAT}.", hint="Record it again.")
        try:
            yield msgspec.convert(head, _Exchange)
        except msgspec.ValidationError as error:
            raise InvalidError(f"Line {number} of {file} is no exchange: {error}.", hint="Record it again.") from None
