"""Advice for what does not parse: brackets, commas, misspelled words, clauses in the wrong order, open quotes."""

from __future__ import annotations

import re
from collections.abc import Callable

from rapidfuzz.distance import OSA

from workbench.lake.sql.advising.mistake import Advice, Mistake
from workbench.lake.sql.guard import FUNCTIONS
from workbench.lake.sql.typed.edited import Edit
from workbench.lake.sql.versions import NEWEST
from workbench.lake.tables.mapping import literal

_ORDER = ("select", "from", "where", "group", "having", "qualify", "order", "limit")
_SAID = {"group": "GROUP BY", "order": "ORDER BY"}
_SPELLED = (
    "SELECT", "FROM", "WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "JOIN", "LEFT", "INNER", "UNION", "DISTINCT",
    "BETWEEN", "VALUES", "WITH", "USING",
)  # fmt: skip
_WANTS_MORE = frozenset(
    {"where", "and", "or", "not", "on", "by", "having", "from", "join", "select", "in", "like", ","}
)
_BETWEEN_MARKS = re.compile(r"\s*(?P<text>%[^%'\"()\n]+%)")
_WITH_MARK = re.compile(r"\s*(?P<text>[\w%]*%[\w%]*)")
_CLAUSE = re.compile(r"\b(?:and|or|not|like|ilike|group|having|order|limit)\b", re.IGNORECASE)


def syntax(mistake: Mistake) -> Advice | None:
    """What is wrong at the place that the parser names, by the first rule that knows."""
    if mistake.at is None or not mistake.tokens:
        return None
    if "unterminated" in mistake.words:
        return _unterminated(mistake)
    index = mistake.index_at(mistake.at)
    for rule in _RULES:
        found = rule(mistake, index)
        if found is not None:
            return found
    return mistake.advice(index, "")


def _unterminated(mistake: Mistake) -> Advice | None:
    token = mistake.tokens[-1]
    mark = (
        "'" if "string" in mistake.words else '"' if "quoted" in mistake.words or "identifier" in mistake.words else ""
    )
    if "comment" in mistake.words:
        at = mistake.sql.rfind("/*")
        return Advice(at, at + 2, "The comment is not closed.", (Edit(len(mistake.sql), len(mistake.sql), " */"),))
    if not mark:
        return mistake.advice(len(mistake.tokens) - 1, "")
    # 'O'Hare': the quotes before are whole, and a word is glued to them.
    glued = mistake.sql.rstrip(";")
    inner = _apostrophe(mistake, mark)
    if inner is not None:
        return inner
    opened = glued.rfind(mark)
    end = len(mistake.sql.rstrip().rstrip(";"))
    hint = f"The {'text' if mark == chr(39) else 'name'} is not closed."
    return Advice(min(token.start, opened), end, hint, (Edit(end, end, mark),))


def _apostrophe(mistake: Mistake, mark: str) -> Advice | None:
    places = [i for i, char in enumerate(mistake.sql) if char == mark]
    if mark != "'" or len(places) < 3 or len(places) % 2 == 0:
        return None
    for at in places[1:-1]:
        before, after = mistake.sql[at - 1 : at], mistake.sql[at + 1 : at + 2]
        if before.isalnum() and after.isalnum():
            return Advice(at, at + 1, "A quote inside a text is written twice.", (Edit(at, at + 1, "''"),))
    return None


def _brackets(mistake: Mistake, index: int) -> Advice | None:
    opened: list[int] = []
    for i, token in enumerate(mistake.tokens[: index + 1]):
        if token.text == "(":
            opened.append(i)
        elif token.text == ")" and opened:
            opened.pop()
        elif token.text == ")":
            return mistake.advice(i, "This ) closes nothing.", Edit(token.start, token.end, ""))
    token = mistake.tokens[index]
    last = index == len(mistake.tokens) - 1
    if not opened or not (token.low in _ORDER[1:] or last):
        return None
    if token.low not in _ORDER[1:] and token.low in _WANTS_MORE:
        return None
    if sum((t.text == "(") - (t.text == ")") for t in mistake.tokens) <= 0:
        return None
    at = mistake.tokens[-1].end if token.low not in _ORDER[1:] else mistake.tokens[index - 1].end
    return mistake.advice(opened[-1], "This ( is not closed.", Edit(at, at, ")"))


def _case(mistake: Mistake, index: int) -> Advice | None:
    words = [t.low for t in mistake.tokens[:index]]
    if words.count("case") <= words.count("end"):
        return None
    at = mistake.tokens[index - 1].end
    return mistake.advice(len(words) - 1 - words[::-1].index("case"), "CASE ends with END.", Edit(at, at, " END"))


def _misspelled(mistake: Mistake, index: int) -> Advice | None:
    """The word itself or the one before it, which the parser took for a name."""
    for i in (index, index - 1):
        if i < 0 or mistake.tokens[i].kind not in {"identifier", "keyword"}:
            continue
        word = mistake.tokens[i].text.upper()
        if word in _SPELLED or len(word) < 4 or (i and mistake.tokens[i - 1].text in {".", "(", ","}):
            continue
        if mistake.tokens[i].low in {c.casefold() for c in mistake.columns()}:
            continue
        alike = [s for s in _SPELLED if OSA.distance(word, s) <= (1 if len(s) < 5 else 2)]
        if alike:
            best = min(alike, key=lambda s: OSA.distance(word, s))
            return mistake.instead(i, best, f"Did you mean {best}?")
    return None


def _by(mistake: Mistake, index: int) -> Advice | None:
    if index and mistake.tokens[index - 1].low in {"group", "order"} and mistake.tokens[index].low != "by":
        at, word = mistake.tokens[index - 1].end, mistake.tokens[index - 1].text.upper()
        return mistake.advice(index - 1, f"It is {word} BY.", Edit(at, at, " BY"))
    return None


def _top(mistake: Mistake, index: int) -> Advice | None:
    before, token = mistake.tokens[index - 1], mistake.tokens[index]
    if not index or before.low != "top" or token.kind != "numeric_const":
        return None
    end = mistake.tokens[-1].end - (mistake.tokens[-1].text == ";")
    edits = (Edit(before.start, token.end + 1, ""), Edit(end, end, f" LIMIT {token.text}"))
    return mistake.advice(index - 1, "TOP is LIMIT here, at the end.", *edits, last=index)


def _like(mistake: Mistake, index: int) -> Advice | None:
    """``LIKE %IL%``: a pattern without its quotes."""
    near = [i for i in range(max(index - 6, 0), index + 1) if mistake.tokens[i].low in {"like", "ilike"}]
    if not near:
        return None
    after = mistake.tokens[near[-1]].end
    found = _BETWEEN_MARKS.match(mistake.sql, after)
    if found is None or _CLAUSE.search(found["text"]):
        found = _WITH_MARK.match(mistake.sql, after)
    if found is None:
        return None
    start, end = found.span("text")
    hint = "A pattern is a text and stands in single quotes."
    return Advice(start, end, hint, (Edit(start, end, literal(found["text"])),))


def _limit(mistake: Mistake, index: int) -> Advice | None:
    """``LIMIT 5, 10``, as MySQL has it: leave out 5, give 10."""
    around = mistake.tokens[max(index - 2, 0) : index + 2]
    if len(around) < 4 or around[0].low != "limit" or around[2].text != ",":
        return None
    _, skipped, _, wanted = around
    if {skipped.kind, wanted.kind} != {"numeric_const"}:
        return None
    edit = Edit(skipped.start, wanted.end, f"{wanted.text} OFFSET {skipped.text}")
    return mistake.advice(index - 2, "How many come first here, then how many are left out.", edit, last=index + 1)


def _newest(mistake: Mistake, index: int) -> Advice | None:
    """``workers@latest``: no version, for a name alone is the newest."""
    at = next((i for i in (index, index - 1) if i > 0 and mistake.tokens[i].text == "@"), 0)
    if not at or at + 1 >= len(mistake.tokens) or mistake.tokens[at + 1].low not in NEWEST:
        return None
    edit = Edit(mistake.tokens[at].start, mistake.tokens[at + 1].end, "")
    return mistake.advice(at, "The name alone is the newest version.", edit, last=at + 1)


def _distinct_on(mistake: Mistake, index: int) -> Advice | None:
    words = [t.low for t in mistake.tokens[max(index - 2, 0) : index]]
    if words != ["distinct", "on"]:
        return None
    token = mistake.tokens[index]
    return mistake.instead(index, f"({token.text}) *", "DISTINCT ON takes brackets.")


def _order(mistake: Mistake, index: int) -> Advice | None:
    """A clause that stands after one that comes later."""
    if mistake.tokens[index].low not in _ORDER:
        return None
    starts, depth = [], 0
    for i, token in enumerate(mistake.tokens):
        depth += (token.text == "(") - (token.text == ")")
        if not depth and token.low in _ORDER:
            starts.append(i)
    words = [mistake.tokens[i].low for i in starts]
    if len(set(words)) < len(words) or words == sorted(words, key=_ORDER.index) or words[0] != "select":
        return None
    ends = [mistake.tokens[i - 1].end for i in starts[1:]]
    closing = mistake.tokens[-1]
    ends.append(closing.start if closing.text == ";" else closing.end)
    parts = {w: mistake.sql[mistake.tokens[i].start : e] for w, i, e in zip(words, starts, ends, strict=True)}
    text = " ".join(" ".join(parts[w].split()) if "'" not in parts[w] else parts[w] for w in _ORDER if w in parts)
    later = [
        w
        for w in words[: words.index(mistake.tokens[index].low)]
        if _ORDER.index(w) > _ORDER.index(mistake.tokens[index].low)
    ]
    hint = (
        f"{mistake.tokens[index].text.upper()} stands before {_SAID.get(later[0], later[0].upper())}."
        if later
        else "The order of clauses."
    )
    return mistake.advice(index, hint, Edit(mistake.tokens[starts[0]].start, ends[-1], text))


def _commas(mistake: Mistake, index: int) -> Advice | None:
    """A comma too many, or missing between columns."""
    token = mistake.tokens[index]
    before = mistake.tokens[index - 1] if index else token
    if token.text == "," and before.text in {",", "("}:
        return mistake.instead(index, "", "A comma too many.")
    if before.text == "," and (token.low in _ORDER or token.text == ")"):
        return mistake.instead(index - 1, "", "A comma too many.")
    if token.text == "(" and before.low in FUNCTIONS and index > 1:
        return _comma_before_call(mistake, index - 1)
    if not (token.is_name or token.kind in {"string_const", "numeric_const"}) or not index or not before.is_name:
        return None
    known = {c.casefold() for c in mistake.columns()}
    if token.name.casefold() not in known:
        return None
    edits = []
    i = index
    while i and mistake.tokens[i].name.casefold() in known and mistake.tokens[i - 1].name.casefold() in known:
        edits.append(Edit(mistake.tokens[i - 1].end, mistake.tokens[i - 1].end, ","))
        i -= 1
    if not edits:
        edits = [Edit(before.end, before.end, ",")]
    return mistake.advice(index, "A comma is missing between the columns.", *edits)


def _comma_before_call(mistake: Mistake, index: int) -> Advice | None:
    """``SELECT state count(*)``: the function was taken for the column's other name."""
    left = mistake.tokens[index - 1]
    if left.name.casefold() not in {c.casefold() for c in mistake.columns()}:
        return None
    return mistake.advice(index, "A comma is missing between the columns.", Edit(left.end, left.end, ","))


def _unfinished(mistake: Mistake, index: int) -> Advice | None:
    token = mistake.tokens[index]
    following = mistake.tokens[index + 1].text if index + 1 < len(mistake.tokens) else ";"
    last = following == ";"
    before = mistake.tokens[index - 1] if index else token
    if [t.low for t in mistake.tokens[max(index - 1, 0) : index]] == ["between"] and last:
        return mistake.advice(index, "BETWEEN takes two ends: BETWEEN 0.1 AND 0.5.")
    if last and (token.low in _WANTS_MORE or token.kind == "operator") and token.text != ")":
        first = index
        while first > 1 and mistake.tokens[first - 1].low in _WANTS_MORE:
            first -= 1
        edit = Edit(mistake.tokens[first - 1].end, token.end, "")
        return mistake.advice(index, f"Something is missing after {token.text.upper()}.", edit)
    doubled = token.low == before.low and token.low in {"and", "or", "where", "from", "select", "not"}
    if doubled and index:
        return mistake.advice(index, f"{token.text.upper()} stands there twice.", Edit(before.end, token.end, ""))
    if before.kind == "operator" and before.text not in {")", "*", ","} and token.low in _ORDER and index:
        return mistake.advice(index - 1, f"Something is missing after {before.text}.")
    return None


_RULES: tuple[Callable[[Mistake, int], Advice | None], ...] = (
    _by, _top, _like, _limit, _newest, _distinct_on, _unfinished, _case, _brackets, _misspelled, _commas, _order,
)  # fmt: skip
