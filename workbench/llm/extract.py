"""A JSON object from what a model answered, in time linear in the length of the answer.

Where it is looked for, in this order; in each place the first object that is JSON wins:

1. the whole answer, 2. fences marked ``json``, 3. fences with no mark, 4. prose: the first balanced braces.

An array stands for its first object. What counts as JSON is RFC 8259 to the letter, as msgspec reads it: trailing
commas, single quotes, comments, NaN and Infinity are refused, and so is a key that an object has twice. Guessing what
was meant would put words in the model's mouth that a validator then judges; instead ``NoJson`` says what is wrong and
where, and the model is asked again. For the same reason nothing is dug out of braces that are not JSON: the inner
objects of an answer that was cut off are not the answer. In prose ``{}`` is punctuation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

How = Literal["whole", "json_fence", "fence", "prose"]
Why = Literal["empty", "nothing", "no_object", "cut_off", "not_json", "twice", "too_deep", "too_long"]

TEXT_CHARS = 4 * 1024 * 1024
"""Longer answers are refused unread: the largest body the chat contract lets through, far above what a model says."""
DEPTH = 64
"""Deeper nesting is refused, so that no later step has to recurse further."""
_RESTARTS = 8  # how often a quote in prose may send the search back; bounds the whole to nine passes

_BLANK = " \t\r\n\f\v\u00a0\u2028\u2029\u3000\ufeff\u200b"
_TICKS = re.compile(r"`{3,}|~{3,}")
_MARK = re.compile(r"[ \t]*+(?P<mark>[\w+.-]*+)[ \t]*+(?=[\r\n{\[]|\Z)")
_START = re.compile(r'\{(?=[ \t\r\n]*+")')  # a brace that JSON could begin with; "{name}" in prose is none
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]"]', re.DOTALL)
_HIDDEN = re.compile(r'\{[ \t\r\n]*+"\Z')
_FOLLOWS = re.compile(r"[ \t\r\n]*+(?:[,:}\]]|\Z)")  # what stands behind a string in JSON, or in JSON cut off there
_BYTE = re.compile(r" \(byte (\d+)\)")


@dataclass(frozen=True, slots=True)
class Extracted:
    """The object, and where it stood: ``text[start:end]`` is its JSON, counted in characters of the answer."""

    value: dict[str, Any]
    start: int
    end: int
    how: How
    from_array: bool = False
    """Whether it is the first object of an array; what else the array held is not used."""


@dataclass(frozen=True, slots=True)
class NoJson:
    """Why there is none: a reason for machines, and a sentence that a model can act on."""

    why: Why
    message: str
    at: int | None = None
    """The character of the answer where it went wrong, where that is known."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A stretch that is no JSON. Only the first one is told, so only for that one lines are counted."""

    why: Why
    said: str  # "{where}" stands for the line and column of ``at``
    at: int


@dataclass(frozen=True, slots=True)
class _Braces:
    end: int | None  # behind the closing brace
    hidden: int | None  # a brace in what was read as a string; the true JSON may begin there


_Found = Extracted | _Refusal


def extract_json(text: str) -> Extracted | None:
    """The JSON object in a model's answer, or None; never an error, whatever the text."""
    found = find_json(text)
    return found if isinstance(found, Extracted) else None


def find_json(text: str) -> Extracted | NoJson:
    """The JSON object in a model's answer, or why there is none; never an error, whatever the text."""
    if len(text) > TEXT_CHARS:
        return NoJson("too_long", f"The answer has {len(text):,} characters; at most {TEXT_CHARS:,} are read.")
    first: _Refusal | None = None
    for found in _candidates(text):
        if isinstance(found, Extracted):
            return found
        first = first or found
    if first is not None:
        where = f"line {text.count(chr(10), 0, first.at) + 1}, column {first.at - text.rfind(chr(10), 0, first.at)}"
        return NoJson(first.why, first.said.replace("{where}", where), first.at)
    if not text.strip(_BLANK):
        return NoJson("empty", "The answer is empty.")
    return NoJson("nothing", "The answer holds no JSON object.")


def _candidates(text: str) -> Iterator[_Found]:
    begin = _after_thought(text)
    if begin is None:
        yield _Refusal("cut_off", "The answer ends in its thinking, which begins at {where}.", 0)
        return
    whole = _block(text, begin, len(text), "whole")
    if whole is not None:
        yield whole
        return
    fences = [(how, _block(text, start, end, how)) for how, start, end in _fences(text, begin)]
    yield from (block for how, block in fences if how == "json_fence" and block is not None)
    yield from (block for how, block in fences if how == "fence" and block is not None)
    yield from _in_prose(text, begin)


def _after_thought(text: str) -> int | None:
    """Where the answer begins: the drafts in a model's thinking are not its answer. None: it never stopped thinking."""
    begin = len(text) - len(text.lstrip(_BLANK))
    if not text.startswith("<think>", begin):
        return begin
    end = text.find("</think>", begin)
    return None if end < 0 else end + len("</think>")


def _fences(text: str, begin: int) -> Iterator[tuple[How, int, int]]:
    """Fences marked json or not marked; one that is never closed runs to the end. Other marks hold other languages."""
    opened, mark, start = "", "", 0
    for ticks in _TICKS.finditer(text, begin):
        if not opened:
            info = _MARK.match(text, ticks.end())
            opened, mark = ticks[0], info["mark"].lower() if info else "prose"
            start = info.end() if info else ticks.end()
        elif ticks[0].startswith(opened):
            yield from _fence(mark, start, ticks.start())
            opened = ""
    if opened:
        yield from _fence(mark, start, len(text))


def _fence(mark: str, start: int, end: int) -> Iterator[tuple[How, int, int]]:
    if mark == "json":
        yield "json_fence", start, end
    elif not mark:
        yield "fence", start, end


def _block(text: str, start: int, end: int, how: How) -> _Found | None:
    """A stretch that is JSON from its first character to its last. Whatever else it is, is left to the prose."""
    piece = text[start:end].lstrip(_BLANK)
    start, piece = end - len(piece), piece.rstrip(_BLANK)
    if piece.startswith("{"):
        found = _object(piece, start, how)
        return found if isinstance(found, Extracted) else None
    if piece.startswith("["):
        return _array(piece, start, how)
    return None


def _array(piece: str, start: int, how: How) -> _Found | None:
    try:
        items = [bytes(raw).decode() for raw in msgspec.json.decode(piece.encode(), type=list[msgspec.Raw])]
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    at = 1
    for item in items:
        at = piece.index(item, at)  # nothing but blanks and a comma stand between
        if item.startswith("{"):
            return _object(item, start + at, how, from_array=True)
        at += len(item)
    return _Refusal("no_object", "The answer is a JSON array without an object, at {where}.", start)


def _in_prose(text: str, begin: int) -> Iterator[_Found]:
    """Balanced braces one after the other, and what follows a misread quote."""
    restarts = _RESTARTS
    while opening := _START.search(text, begin):
        start = opening.start()
        braces = _balance(text, start)
        if braces.end is None:
            yield _Refusal("cut_off", "The JSON that begins at {where} never ends: it was cut off.", start)
        else:
            yield _object(text[start : braces.end], start, "prose")
        begin = braces.end or len(text)
        if braces.hidden is not None and restarts:
            begin, restarts = braces.hidden, restarts - 1


def _balance(text: str, start: int) -> _Braces:
    """Follow the braces that stand outside of strings, from an opening one to its end."""
    depth, hidden = 0, None
    for token in _TOKEN.finditer(text, start):
        begin, end = token.span()
        if text[begin] == "{":
            depth += 1
        elif text[begin] == "}":
            depth -= 1
            if not depth:
                return _Braces(end, hidden)
        elif text[begin] == '"':
            hidden = hidden or _hidden(text, begin, end)
            if end - begin == 1:
                break  # a string that never ends
    return _Braces(None, hidden)


def _hidden(text: str, begin: int, end: int) -> int | None:
    # `{"so {"a": 1}`: no JSON goes on so behind a string; if the first brace is prose, its last quote opens a key.
    if _FOLLOWS.match(text, end):
        return None
    tail = _HIDDEN.search(text, max(begin + 1, end - 40), end)
    return tail.start() if tail else None


def _object(piece: str, start: int, how: How, *, from_array: bool = False) -> _Found:
    """The piece as one object, by the strict reader; ``start`` is where in the answer it begins."""
    too_deep = _Refusal("too_deep", f"The JSON that begins at {{where}} nests deeper than {DEPTH} levels.", start)
    if _depth(piece) > DEPTH:
        return too_deep
    try:
        value = msgspec.json.decode(piece.encode(), type=dict[str, Any])
    except UnicodeEncodeError as error:
        return _Refusal("not_json", "Half a surrogate pair stands at {where}.", start + error.start)
    except msgspec.DecodeError as error:
        return _broken(piece, start, str(error))
    except RecursionError:
        return too_deep
    key = _twice(piece)
    if key is not None:
        return _Refusal("twice", f"The JSON that begins at {{where}} has the key {key!r} twice in one object.", start)
    return Extracted(value, start, start + len(piece), how, from_array)


def _depth(piece: str) -> int:
    depth = deepest = 0
    for token in _TOKEN.finditer(piece):
        first = piece[token.start()]
        depth += (first in "{[") - (first in "}]")
        deepest = max(deepest, depth)
        if deepest > DEPTH:
            break
    return deepest


def _broken(piece: str, start: int, said: str) -> _Refusal:
    """The reader's own words, its byte as a place in the answer."""
    byte = _BYTE.search(said)
    if byte is None:
        return _Refusal("not_json", f"What begins at {{where}} is not JSON: {said}.", start)
    before = piece.encode()[: int(byte[1])].decode(errors="ignore")
    return _Refusal("not_json", f"{said[: byte.start()]} at {{where}}.", start + len(before))


def _twice(piece: str) -> str | None:
    """The first key that an object has twice: readers differ in which one counts, so none does."""
    doubled: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> None:
        seen: set[str] = set()
        for name, _ in items:
            if name in seen:
                doubled.append(name)
            seen.add(name)

    json.loads(piece, object_pairs_hook=pairs, parse_int=str, parse_float=str)  # msgspec has no such hook
    return doubled[0] if doubled else None
