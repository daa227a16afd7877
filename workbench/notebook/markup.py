"""A page of HTML with personal data covered by value: in its texts, in attributes, in the strings of its scripts.

The page is taken apart by the standard library's parser and put together from its own characters: what is not covered
stays byte for byte. A value that tags or entities divide (``<b>Jane</b> D&#111;e``) is one text here, and a name whose
parts stand in two cells of a table is found too. What would load from the web is taken out.

Not found: what a script computes, what base64 data holds, what an image shows.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import islice
from urllib.parse import quote, unquote

from workbench.pii import find
from workbench.pii.kinds import COVER, Span
from workbench.pii.roster import Roster, settle

ROUNDS = 4
_LAST_SIGN = 0x10FFFF
_WHOLE = COVER * 6
_INLINE = frozenset([
    "a", "abbr", "b", "bdi", "bdo", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd", "label", "mark", "q",
    "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "tspan", "tt", "u", "var", "wbr",
])  # fmt: skip
# Attributes of a drawing and the like are numbers; only a name is looked for in what is not listed here.
_SAYING = frozenset([
    "title", "alt", "href", "src", "id", "name", "value", "placeholder", "content", "label", "summary", "for", "cite",
    "action", "poster", "srcset", "srcdoc",
])  # fmt: skip
_LOADING = frozenset([
    "script", "link", "img", "iframe", "frame", "embed", "object", "source", "video", "audio", "track", "use", "image",
])  # fmt: skip
_LOADS = frozenset(["src", "href", "xlink:href", "data", "poster", "srcset"])
_WEB = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//|\s*[a-z][a-z0-9+.-]*:(?<!data:)(?<!blob:)", re.IGNORECASE)
_STYLE_LOADS = re.compile(r"@import[^;]*;?|url\(\s*['\"]?\s*(?:[a-z]+:)?//[^)]*\)", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([^\s/>=]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s>"']+)""")
_KEPT_DATA = re.compile(r"data:(?:image/(?!svg)|audio/|video/|font/|application/(?:x-)?font)", re.IGNORECASE)
_CODE = re.compile(
    r"\s*(?:module|importmap|(?:text|application)/(?:x-)?(?:java|ecma)script.*|[\w./+-]*json.*)?\s*", re.IGNORECASE
)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,5})\}|([nrtv0]))")
_WORD = re.compile(r"\w+")
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|`(?:[^`\\]|\\.)*`')
_DATA = re.compile(r"[A-Za-z0-9+/=_-]{200,}")  # base64: pixels and numbers
_DATA_APART = re.compile(f"({_DATA.pattern})")


@dataclass
class Covered:
    """How many values were covered, and how many things were left out because they load from the web."""

    values: int = 0
    images: int = 0
    left_out: int = 0
    kinds: dict[str, int] = field(default_factory=dict)

    def add(self, spans: tuple[Span, ...]) -> None:
        """Count these."""
        self.values += len(spans)
        for span in spans:
            self.kinds[span.kind] = self.kinds.get(span.kind, 0) + 1

    def join(self, more: Covered) -> None:
        """Count what was covered in a page within."""
        self.values += more.values
        self.images += more.images
        self.left_out += more.left_out
        for kind, count in more.kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + count


@dataclass(slots=True)
class _Part:
    """A piece of the page: ``raw`` as it stands; ``text`` what a reader sees of it, None for markup."""

    raw: str
    text: str | None = None
    ends_block: bool = False


def cover_page(page: str, roster: Roster | None) -> tuple[str, Covered]:
    """The page with every known value and every find covered, offline; without a roster only made offline."""
    counted = Covered()
    reader = _Reader(roster, counted)
    reader.feed(page)
    reader.close()
    reader.flush()
    if roster is not None:
        _cover_texts(reader.parts, roster, counted)
    return "".join(part.raw for part in reader.parts), counted


def cover_text(text: str, roster: Roster, counted: Covered) -> str:
    """One text by itself, covered."""
    for _ in range(ROUNDS):
        spans = _spans(text, roster)
        if not spans:
            break
        counted.add(spans)
        text = _covered([text], spans)[0]
    return text


def _spans(text: str, roster: Roster) -> tuple[Span, ...]:
    spans = settle([*find(text), *roster.find(text), *_escaped_spans(text, roster)])
    return tuple(span for span in spans if text[span.start : span.end].strip(COVER))


def _escaped_spans(text: str, roster: Roster) -> Iterator[Span]:
    r"""What stands in a text with its escapes read: ``Jos\u00e9 Mu\u00f1oz`` as JSON and ``repr`` print it."""
    if "\\" not in text or not _ESCAPE.search(text):
        return
    pieces, places, done = [], [], 0
    for escape in _ESCAPE.finditer(text):
        pieces += [text[done : escape.start()], _said(escape)]
        places += [*range(done, escape.start()), escape.start()]
        done = escape.end()
    places += [*range(done, len(text)), len(text)]
    plain = "".join([*pieces, text[done:]])
    for span in (*find(plain), *roster.find(plain)):
        yield Span(places[span.start], places[span.end], span.kind)


def _said(escape: re.Match[str]) -> str:
    code = next((part for part in escape.groups()[:3] if part), "")
    sign = chr(int(code, 16)) if code and int(code, 16) <= _LAST_SIGN else " "
    return " " if "\ud800" <= sign <= "\udfff" else sign


def _covered_words(text: str, spans: Iterable[Span]) -> str:
    """The text with the words of these spans covered one by one: quotes, commas and brackets between them stay."""
    pieces, done = [], 0
    for span in spans:
        pieces += [text[done : span.start], _WORD.sub(_WHOLE, text[span.start : span.end])]
        done = span.end
    return "".join([*pieces, text[done:]])


def _covered(pieces: list[str], spans: tuple[Span, ...]) -> list[str]:
    """The pieces of one text with these spans of the whole covered, which are in order and do not overlap."""
    out, at, first = [], 0, 0
    for piece in pieces:
        end, kept, place = at + len(piece), [], at
        while first < len(spans) and spans[first].end <= at:
            first += 1
        for span in islice(spans, first, None):
            if span.start >= end:
                break
            begin, stop = max(span.start, at), min(span.end, end)
            hidden = piece[begin - at : stop - at]
            # In each piece that says something: both cells of a first and a last name.
            kept += [piece[place - at : begin - at], _WHOLE if hidden.strip() else hidden]
            place = stop
        out.append("".join([*kept, piece[place - at :]]))
        at = end
    return out


def _cover_texts(parts: list[_Part], roster: Roster, counted: Covered) -> None:
    """Everything that is found, block by block; then names across blocks, for the cells of a row are blocks."""
    block: list[_Part] = []
    for part in parts:
        if part.text is not None:
            block.append(part)
        if part.ends_block and block:
            _cover_block(block, roster, counted)
            block = []
    _cover_block(block, roster, counted)
    seen = [part for part in parts if part.text is not None or part.ends_block]
    texts = ["\t" if part.text is None else part.text for part in seen]
    spans = settle(list(roster.find_names("".join(texts))))
    counted.add(spans)
    _put(seen, texts, _covered(texts, spans))


def _cover_block(block: list[_Part], roster: Roster, counted: Covered) -> None:
    for _ in range(ROUNDS):
        texts = [part.text or "" for part in block]
        spans = _spans("".join(texts), roster)
        if not spans:
            return
        counted.add(spans)
        _put(block, texts, _covered(texts, spans))


def _put(parts: list[_Part], before: list[str], after: list[str]) -> None:
    for part, old, new in zip(parts, before, after, strict=True):
        if part.text is not None and old != new:
            part.text, part.raw = new, html.escape(new, quote=False)


class _Reader(HTMLParser):
    """Takes a page apart; covers attributes and scripts on the way, for each stands by itself."""

    def __init__(self, roster: Roster | None, counted: Covered) -> None:
        super().__init__(convert_charrefs=False)
        self.parts: list[_Part] = []
        self._roster = roster
        self._counted = counted
        self._said: list[str] = []
        self._inside = ""  # script or style
        self._is_code = True  # what is in it: code, not a text of another kind
        self._spelled: dict[str, str] = {}  # a tag as it was typed: drawings know case
        self._gone = 0  # depth of an element that is left out

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._start(tag, attrs, closed=False)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._start(tag, attrs, closed=True)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""
            if self._gone:
                self._gone = 0
                return
        self._markup(f"</{self._spelled.get(tag, tag)}>", ends_block=tag not in _INLINE)

    def handle_data(self, data: str) -> None:
        if self._gone:
            return
        if self._inside == "script":
            self._markup(self._script(data))
        elif self._inside == "style":
            self._markup(self._script(_STYLE_LOADS.sub("", data)))
        else:
            self._text(data)

    def handle_entityref(self, name: str) -> None:
        self._text(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self._text(f"&#{name};")

    def handle_comment(self, data: str) -> None:
        """Nobody sees a comment, and it may say anything."""

    def handle_decl(self, decl: str) -> None:
        self._markup(f"<!{self._names(decl)}>")

    def unknown_decl(self, data: str) -> None:
        """Left out, as a comment is."""

    def _start(self, tag: str, attrs: list[tuple[str, str | None]], *, closed: bool) -> None:
        given = dict(reversed(attrs))  # of two with one name a browser reads the first
        if tag in {"script", "style"} and not closed:
            self._inside = tag
            self._is_code = tag == "style" or bool(_CODE.fullmatch(given.get("type") or ""))
        if tag in _LOADING and any(_loads(value) for name, value in given.items() if name in _LOADS):
            self._counted.left_out += 1
            self._gone = int(tag == "script" and not closed)
            if tag != "script":
                self._text("[left out: it loads from the web]")
            return
        self._counted.images += tag in {"img", "image", "canvas"}
        whole = self.get_starttag_text() or ""
        self._spelled[tag] = whole[1 : len(tag) + 1]
        done = {name: self._attribute(name, value) for name, value in given.items()}
        changed = {name: value for name, value in done.items() if value != given[name]}
        raw = _tag(whole, tag, changed) if changed else whole
        if attrs and (len(given) < len(attrs) or self._names(raw) != raw):
            raw = f"<{tag}>"  # the same attribute twice, or a name in what is no value
        self._markup(raw, ends_block=tag not in _INLINE)
        if tag == "br":
            self.parts[-1].text, self.parts[-1].ends_block = "\n", False

    def _attribute(self, name: str, value: str | None) -> str | None:
        if value is None or name == "xmlns":
            return value
        if name in {"class", "style"}:
            return self._names(_STYLE_LOADS.sub("", value) if name == "style" else value)
        if name == "srcdoc" or (name in _LOADS and value.startswith("data:")):
            return self._page_within(value) if name == "srcdoc" else self._data(value)
        if self._roster is None:
            return value
        plain = unquote(value.replace("+", " ")) if name in _LOADS else value
        if name in _SAYING or name.startswith(("aria-", "data-", "on")) or name in _LOADS:
            done = cover_text(plain, self._roster, self._counted)
        else:
            spans = settle(list(self._roster.find_names(plain)))
            self._counted.add(spans)
            done = _covered([plain], spans)[0]
        if done == plain:
            return value
        return quote(done, safe="/:#?&=@%,;+ •") if name in _LOADS else done

    def _data(self, address: str) -> str:
        """A ``data:`` address; a drawing, a page or a table in it is covered as this one is.

        Pictures, sounds and fonts stay. What else nobody can read, a packed workbook for one, is left out.
        """
        head, _, body = address.partition(",")
        if self._roster is None or _KEPT_DATA.match(head):
            return address
        packed = head.rstrip().lower().endswith("base64")
        try:
            text = base64.b64decode(unquote(body), validate=True).decode() if packed else unquote(body, errors="strict")
        except ValueError:
            return f"{head},"
        done = self._page_within(text)
        if done == text:
            return address
        return f"{head},{base64.b64encode(done.encode()).decode() if packed else quote(done)}"

    def _names(self, text: str) -> str:
        """Markup or code with the words of known names in it covered."""
        if self._roster is None:
            return text
        spans = settle(list(self._roster.find_names(text)))
        self._counted.add(spans)
        return _covered_words(text, spans) if spans else text

    def _page_within(self, text: str) -> str:
        done, counted = cover_page(text, self._roster)
        self._counted.join(counted)
        return done

    def _script(self, code: str) -> str:
        """A script with the strings in it covered, and names anywhere; its numbers stay, or no chart would draw."""
        if self._roster is None:
            return code
        if not self._is_code:
            return cover_text(code, self._roster, self._counted)
        return self._names(_STRING.sub(self._string, code))

    def _string(self, found: re.Match[str]) -> str:
        raw, roster = found[0], self._roster
        if roster is None or _DATA.fullmatch(raw[1:-1]):
            return raw
        text = _unescaped(raw)
        done = "".join(
            part if _DATA.fullmatch(part) else cover_text(part, roster, self._counted)
            for part in _DATA_APART.split(text)
        )
        if "<" in done:  # a piece of a page
            inner, counted = cover_page(done, roster)
            if counted.values:
                done = inner
                self._counted.join(counted)
        if done == text:
            return raw
        return json.dumps(done, ensure_ascii=False).replace("<", "\\u003c")

    def _text(self, raw: str) -> None:
        if not self._gone:
            self._said.append(raw)

    def _markup(self, raw: str, *, ends_block: bool = False) -> None:
        self.flush()
        self.parts.append(_Part(raw, None, ends_block))

    def flush(self) -> None:
        """Make what was said since the last tag one text: entities come one by one."""
        if self._said:
            raw = "".join(self._said)
            self.parts.append(_Part(raw, html.unescape(raw)))
            self._said.clear()


def _loads(value: str | None) -> bool:
    return not value or bool(_WEB.match(value))


def _tag(whole: str, tag: str, changed: Mapping[str, str | None]) -> str:
    """The tag with these attributes changed; the rest as it was typed, for a drawing knows viewBox and no viewbox."""
    put = []

    def change(found: re.Match[str]) -> str:
        value = changed.get(found[1].lower())
        if value is None:
            return found[0]
        put.append(found[1])
        return f'{found[1]}{found[2]}"{html.escape(value)}"'

    head = len(tag) + 1
    done = whole[:head] + _ATTRIBUTE.sub(change, whole[head:])
    if len(put) >= len(changed):
        return done
    return f"<{tag}>"  # typed in a way that cannot be read twice alike


def _unescaped(raw: str) -> str:
    """What a string of JavaScript or JSON says."""
    try:
        text = json.loads(raw)
    except ValueError:
        text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), raw[1:-1]).replace("\\n", "\n")
    return str(text)
