"""The roster: known people, found in any text by their values, whatever the column or the variable was called.

`find` knows personal data by its shape; a name has none. What the lake's tagged columns hold is known exactly, so it is
looked up: names as sets of words in any order, addresses as runs of words, numbers without their separators.

A name in part ("J. Doe", "Jane D.", "Mr. Doe", "Hi Jane") is found where `shortened` says so. An id such as W-104233 is
found in any spelling, and its number alone behind "worker id" or in a column of that name.

Not found: a first or a last name that could be another word (Will, May) and anything else alone, a nickname, a name
misspelt, cut off or run together ("janedoe"), a value shorter than `LEAST` signs that is no such id, an image.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from workbench.pii import gather
from workbench.pii.gather import LEAST, MOST_STREET, MOST_WORDS, TITLES
from workbench.pii.hashes import Hashes, in_order, wrapped
from workbench.pii.kinds import COVER, KINDS, Kind, Span
from workbench.pii.plain import to_plain
from workbench.pii.shortened import Shortened

_WHOLE = COVER * 6
_MARKS = "\u00ad\u0300-\u036f\u200b-\u200d\u2060\ufeff"
_LETTERS = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{_MARKS}])*")
_ASCII_LETTERS = re.compile(r"[a-z]+")
# A key of a struct, a dict or a call between two parts of a name: {'first': 'Jane', 'last': 'Doe'}.
_KEYED = re.compile(
    rf"['\"]?(?:(?:[Ff]irst|[Mm]iddle|[Ll]ast|[Gg]iven|[Ff]amily) )?\w+['\"]?[ \t]*[:=][ \t]*['\"]?"
    rf"|(?P<word>{_LETTERS.pattern})"
)
_KEY = re.compile(r"\w['\"]?[ \t]*[:=]")
_SIGNS = re.compile(r"[^\W_]+")
_EMAIL = re.compile(r"[\w.+%'-]+@[\w.-]+")
_ISO_DATE = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[ T].*)?")
_BETWEEN_DIGITS = re.compile(r"[ .,_\-()/+\u2010-\u2013\u00a0\u202f]{0,3}")
# "they will grant": not Will Grant.
_MODALS = frozenset(["will", "may"])
_PRONOUNS = frozenset(["i", "you", "he", "she", "it", "we", "they", "who", "that", "this", "which", "there"])
# Letters that no decomposition takes a mark from.
_UNMARKED = str.maketrans(
    {"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "đ": "d", "Đ": "D", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe"}
)
_ID = re.compile(r"([A-Za-z]{1,4})[-_ ]?([0-9]{4,12})")
_ID_COLUMN = r"^\s*[A-Za-z]{1,4}[-_ ]?[0-9]{4,12}\s*$"
_ID_NUMBER = re.compile(r"[0-9](?<![0-9][0-9])[0-9]{3,11}(?![0-9])")
_PERSON_ID = r"(?:worker|candidate|employee|associate|talent)[ _-]?(?:id|no\.?|number|nr\.?|#)(?![a-z])"
_ID_SAID = re.compile(rf"(?i:{_PERSON_ID})[\"']?[ \t]{{0,3}}[:=#]?[ \t]{{0,3}}[\"']?\Z")
_ID_HEAD = re.compile(rf"(?i:(?:^|[,;|\t])[ \"']*{_PERSON_ID}[ \"']*(?:$|[,;|\t\r]))", re.MULTILINE)
_CELL_BEFORE = re.compile(r"(?:\A|[\n,;|\t])[ \"']*\Z")
_CELL_AFTER = re.compile(r"[ \"']*(?:\Z|[\r\n,;|\t])")
_WIDEST = 40  # characters between two words of one name: columns of a printed table
_MARKS_BETWEEN = 3  # of them no blanks
_MOST_PARTS = 9  # of a number: an IBAN in groups of four


class Roster:
    """Known values: ``(kind, value)``, kinds as in `Kind`; another kind is taken as text. Holds hashes, not values, but
    for the single words of names and house numbers. ``columns``: the same as Arrow arrays of text, many times as fast.

    A megabyte of text takes 0.2 to 0.5 s, up to 2 s when it is all names.
    """

    def __init__(self, values: Iterable[tuple[str, str]] = (), columns: Iterable[tuple[str, Any]] = ()) -> None:
        self._words: dict[str, int] = {}
        self._names = Hashes()
        self._sizes: set[int] = set()
        self._alone: set[str] = set()
        self._codes: dict[str, Hashes] = {}
        self._longest = 0
        self._emails = Hashes()
        self._streets: dict[str, set[int]] = {}
        self._runs = Hashes()
        self._ids: dict[int, str] = {}
        self._parts = Shortened()
        for kind, value in values:
            self._add(kind, value)
        for kind, array in columns:
            self._add_column(kind, array.cast(pa.string()).drop_null().unique())
        for hashes in (self._names, self._emails, self._runs, *self._codes.values()):
            hashes.settle()
        self._parts.settle()
        self._order = sorted(self._sizes, reverse=True)

    def __bool__(self) -> bool:
        return bool(self._names or self._alone or self._codes or self._emails or self._runs or self._ids)

    def find(self, text: str) -> tuple[Span, ...]:
        """Where known values stand, in order, not overlapping; linear in the text."""
        return settle([*self.find_names(text), *self.find_values(text)])

    def find_names(self, text: str) -> Iterator[Span]:
        """Names alone, by their words: also across columns, lines and the keys of a struct. May overlap."""
        if not self._names and not self._alone:
            return
        low = text.lower() if text.isascii() else text
        yield from self._in_runs(low, _ASCII_LETTERS.finditer(low) if low.isascii() else _LETTERS.finditer(low))
        if _KEY.search(low):
            yield from self._in_runs(low, _KEYED.finditer(low), keyed=True)
        for match in _ASCII_LETTERS.finditer(low) if low.isascii() else _LETTERS.finditer(low):
            if _fold(match[0]) in self._words and (part := self._parts.find(text, *match.span(), _fold)):
                yield Span(*part, Kind.NAME)

    def find_values(self, text: str) -> Iterator[Span]:
        """Everything but names: e-mails, phones, numbers, addresses. May overlap."""
        if self._emails and "@" in text:
            for found in _EMAIL.finditer(text):
                if hash(found[0].strip(".").casefold()) in self._emails:
                    yield Span(*found.span(), Kind.EMAIL)
        if not self._codes and not self._runs and not self._ids:
            return
        plain, places = to_plain(text)
        parts = [(found.start(), found.end(), found[0].casefold()) for found in _SIGNS.finditer(plain)]
        for span in (*self._in_numbers(plain, parts), *self._in_streets(parts), *self._in_ids(plain)):
            yield span if places is None else Span(places[span.start], places[span.end - 1] + 1, span.kind)

    def mask(self, text: str) -> str:
        """The text with every known value covered; the rest stays."""
        return cover(text, self.find(text))

    # --- names

    def _in_runs(self, text: str, found: Iterator[re.Match[str]], *, keyed: bool = False) -> Iterator[Span]:
        """Known words that stand side by side, run by run; initials, titles and keys between them are passed over."""
        words, end, lead, before = self._words, 0, (0, -2), None
        run: list[tuple[int, int, int]] = []
        for match in found:
            start, stop = match.span()
            word = None if keyed and match["word"] is None else _fold(match[0])
            known = words.get(word) if word else None
            if word in _MODALS and before in _PRONOUNS and match[0].islower() and start - end <= 1:
                known = None
            if word in self._alone:
                yield Span(start, stop, Kind.NAME)
            passes = known is None and (word is None or len(word) < 2 or word in TITLES)
            if run and not _near(text, end, start):
                yield from self._windows(run)
                run = []
            if known is not None:
                # The O of O'Neil is covered with it.
                run.append((lead[0] if start - lead[1] <= 1 else start, stop, known))
            elif not passes and run:
                yield from self._windows(run)
                run = []
            end, before = stop, word
            if passes and word:
                lead = (start, stop)
        yield from self._windows(run)

    def _windows(self, run: list[tuple[int, int, int]]) -> Iterator[Span]:
        last = len(run)
        for i in range(last - 1):
            for size in self._order:
                if i + size <= last and wrapped(sum(part[2] for part in run[i : i + size])) in self._names:
                    yield Span(run[i][0], run[i + size - 1][1], Kind.NAME)
                    break

    # --- numbers and addresses

    def _in_numbers(self, text: str, parts: list[tuple[int, int, str]]) -> Iterator[Span]:
        if not self._codes:
            return
        for i, (start, stop, first) in enumerate(parts):
            if first.isalpha() and len(first) < LEAST:
                continue
            joined, end, j = first, stop, i
            while len(joined) <= self._longest:
                if len(joined) >= LEAST and (kind := self._kind_of(hash(joined))):
                    yield Span(start, end, Kind(kind))
                j += 1
                if j >= len(parts) or j - i >= _MOST_PARTS or not _BETWEEN_DIGITS.fullmatch(text, end, parts[j][0]):
                    break
                joined, end = joined + parts[j][2], parts[j][1]

    def _kind_of(self, code: int) -> str | None:
        return next((kind for kind, hashes in self._codes.items() if code in hashes), None)

    def _in_streets(self, parts: list[tuple[int, int, str]]) -> Iterator[Span]:
        if not self._runs:
            return
        for i, (start, _, first) in enumerate(parts):
            for size in self._streets.get(first, ()):
                run = parts[i : i + size]
                if len(run) == size and in_order(hash(part[2]) for part in run) in self._runs:
                    yield Span(start, run[-1][1], Kind.ADDRESS)

    def _in_ids(self, text: str) -> Iterator[Span]:
        """Ids by their number: with their letters before it, or said to be one, or in a column that says so."""
        if not self._ids:
            return
        columns = bool(_ID_HEAD.search(text))
        for match in _ID_NUMBER.finditer(text):
            letters = self._ids.get(hash(match[0]))
            if letters is None:
                continue
            start, end = match.span()
            if (place := _letters_start(text, start, letters)) is not None:
                yield Span(place, end, Kind.ACCOUNT)
            elif _ID_SAID.search(text, max(start - 40, 0), start) or (
                columns and _CELL_BEFORE.search(text, max(start - 8, 0), start) and _CELL_AFTER.match(text, end)
            ):
                yield Span(start, end, Kind.ACCOUNT)

    # --- what is known

    def _add_column(self, kind: str, array: Any) -> None:
        """As `_add` of each value of an Arrow array of distinct texts."""
        plain = pc.string_is_ascii(array)
        if kind == Kind.ADDRESS or kind not in KINDS:
            plain = pc.and_(plain, pc.invert(pc.match_substring_regex(array, _ID_COLUMN)))
        few = array if kind == Kind.BIRTH_DATE else array.filter(pc.invert(plain))
        for value in few.to_pylist():
            self._add(kind, value)
        many = pc.ascii_lower(array.filter(plain))
        if not len(many) or kind == Kind.BIRTH_DATE:
            return
        if kind == Kind.NAME:
            comma = pc.match_substring(many, ",")
            self._add_names(gather.names_of(many.filter(comma), turned=True))
            self._add_names(gather.names_of(many.filter(pc.invert(comma)), turned=False))
        elif kind == Kind.EMAIL:
            at = pc.match_substring(many, "@")
            self._emails.extend(gather.emails_of(many.filter(at)))
            self._add_codes(kind, many.filter(pc.invert(at)))
        elif kind == Kind.ADDRESS or kind not in KINDS:
            runs, streets, single = gather.runs_of(many)
            self._runs.extend(runs)
            for first, size in streets:
                self._streets.setdefault(first, set()).add(size)
            self._add_codes(Kind.ACCOUNT, single)
        else:
            self._add_codes(kind, many)

    def _add_names(self, names: gather.Names) -> None:
        self._words.update(names.words)
        self._names.extend(names.names)
        self._sizes |= names.sizes
        self._parts.add_hashes(names.initials, names.pairs)

    def _add_codes(self, kind: str, array: Any) -> None:
        hashes, longest = gather.phones_of(array) if kind == Kind.PHONE else gather.codes_of(array)
        if len(hashes):
            self._codes.setdefault(kind, Hashes()).extend(hashes)
            self._longest = max(self._longest, longest)

    def _add(self, kind: str, value: str) -> None:
        if kind == Kind.NAME:
            self._add_name(value)
        elif kind == Kind.EMAIL and "@" in value:
            self._emails.add(hash(value.strip().strip(".").casefold()))
        elif kind == Kind.ADDRESS or kind not in KINDS:
            self._add_run(value)
        else:
            for code in _codes(kind, value):
                self._add_code(code, kind)

    def _add_name(self, name: str) -> None:
        folded = name.lower() if name.isascii() else name
        found = _ASCII_LETTERS.findall(folded) if folded.isascii() else map(_fold, _LETTERS.findall(folded))
        words = [word for word in found if len(word) > 1 and word not in TITLES]
        if len(words) > 1:
            first, comma, rest = name.partition(",")
            ordered = _LETTERS.findall(f"{rest} {first}" if comma and rest.strip() else name)
            self._parts.add([word for word in map(_fold, ordered) if word and word not in TITLES][:MOST_WORDS])
        if len(words) < 2:
            # Scripts without capitals write a whole name as one word.
            self._alone.update(word for word in words if len(word) > 2 and word.upper() == word.lower())
            return
        for kept in {tuple(words[:MOST_WORDS]), (words[0], words[-1])}:
            self._names.add(wrapped(sum(self._words.setdefault(word, hash(word)) for word in kept)))
            self._sizes.add(len(kept))

    def _add_run(self, value: str) -> None:
        if found := _ID.fullmatch(to_plain(value)[0].strip()):
            self._ids[hash(found[2])] = found[1].casefold()
        words = [word.casefold() for word in _SIGNS.findall(to_plain(value)[0])]
        if 2 <= len(words) <= MOST_STREET:
            self._streets.setdefault(words[0], set()).add(len(words))
            self._runs.add(in_order(map(hash, words)))
        elif len(words) == 1:
            self._add_code(words[0], Kind.ACCOUNT)

    def _add_code(self, code: str, kind: str) -> None:
        # A single word of letters is a word of the language as well.
        if len(code) >= LEAST and not code.isalpha():
            self._codes.setdefault(kind, Hashes()).add(hash(code))
            self._longest = max(self._longest, len(code))


def settle(spans: list[Span]) -> tuple[Span, ...]:
    """Spans in order, those that overlap as one, of the first one's kind."""
    settled: list[Span] = []
    for span in sorted(spans, key=lambda each: (each.start, -each.end)):
        if settled and span.start < settled[-1].end:
            last = settled[-1]
            settled[-1] = Span(last.start, max(last.end, span.end), last.kind)
        else:
            settled.append(span)
    return tuple(settled)


def cover(text: str, spans: Iterable[Span]) -> str:
    """The text with these spans covered, which are in order and do not overlap."""
    pieces, done = [], 0
    for span in spans:
        pieces += [text[done : span.start], _WHOLE]
        done = span.end
    return "".join([*pieces, text[done:]])


def _fold(word: str) -> str:
    """Without case, accents and invisible signs: José and JOSE are one."""
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFKD", word.translate(_UNMARKED))
    return "".join(sign for sign in apart if unicodedata.category(sign) not in {"Mn", "Cf"}).casefold()


def _letters_start(text: str, start: int, letters: str) -> int | None:
    """Where the letters of an id begin that end before ``start``: ``W-``, ``w_``, the W of ``idW-``; else None."""
    mark = re.search(r" ?[-_]? ?\Z", text[max(start - 3, 0) : start])
    end = start - (len(mark[0]) if mark else 0)
    begin = end - len(letters)
    if begin < 0 or text[begin:end].casefold() != letters:
        return None
    touches = begin > 0 and text[begin - 1].isalnum()
    return None if touches and not (text[begin].isupper() and text[begin - 1].islower()) else begin


def _near(text: str, end: int, start: int) -> bool:
    """Whether two words belong together: blanks between them, and no more than a few marks."""
    if start - end <= 1:
        return True
    return start - end <= _WIDEST and len("".join(text[end:start].split())) <= _MARKS_BETWEEN


def _codes(kind: str, value: str) -> set[str]:
    """A number as it may be written, without separators."""
    plain = to_plain(value)[0].casefold()
    squeezed = "".join(_SIGNS.findall(plain))
    if kind == Kind.PHONE:
        digits = "".join(sign for sign in squeezed if sign.isdecimal())
        national = digits.removeprefix("1")[:10]  # North American numbers: with and without country code and extension
        return {digits, national, digits[-10:]}
    if kind == Kind.BIRTH_DATE and (date := _ISO_DATE.fullmatch(plain)):
        year, month, day = date.groups()
        return {year + month + day, month + day + year, day + month + year}
    return {squeezed}
