"""Negation: where plain English says what is not wanted, and how far that goes.

"not night shift", "no nights or weekends", "without a CDL", "except Chicago", "but not W-12". Phrases that have a "no"
but refuse nothing ("not only", "no experience needed", "no problem") are left alone.
"""

from __future__ import annotations

import re

Span = tuple[int, int]

_TRIGGER = re.compile(
    r"""(?ix) (?<![\w'’-])
    (?: (?:but|and|just|please|pls|only) \s+ )?
    (?: (?:who|that)\s+ )?
    (?: (?:do|does|did|is|are|will|can|should|must)\s+not
      | (?:do|does|is|are|wo|ca|should|must)n['’]?t
      | (?:any|every)(?:one|body)\s+(?:but|except|other\s+than) | all\s+but
      | (?:other|rather)\s+than | except(?:ing)?(?:\s+(?:for|from))? | exclud(?:e|ing) | minus
      | without | w/o | not | no | never | cannot
    ) (?=[ \t])"""
)
_VERBAL = re.compile(r"(?i)(?:\b(?:do|does|did|is|are|will|can|should|must)\s+not|n['’]?t|never|cannot)$")
_NO_NEGATION = re.compile(
    r"""(?ix) \s* (?:
      (?:only|just|sure|yet|bad|afraid|too|to\s+mention|necessarily|required|needed|necessary|again|later|earlier|longer
        |less|fewer|more|matter|rush|doubt|thanks?|worries|idea|one|limit|wonder|question|need|good|enough|exactly|so
        |really|very|now|today|return|happy|ok|okay|great|ideal|possible|urgent|working|there|here|clear|time|exceptions?
        |excuses|call|drama|no[- ]?shows?|to(?!\s+(?:send|include))) \b
      | (?:an?\s+|any\s+)? (?:problems?|issues?|big\s+deal|hurry|pressure|biggie) \b
      | (?:[^\W_][\w./-]*\s+){1,3} (?:is\s+|are\s+)? (?:needed|required|necessary) \b
    )"""
)
_FILLER = re.compile(
    r"""(?ix) [ \t]+ (?:an?|the|any|to|on|in|at|from|with|for|have|having|has|hold|holding|work|works|working|want|wants
    |wanting|need|needs|needing|send|sending|take|takes|do|doing|available|open|be|been|include|show|those|these|like)
    (?=[ \t])"""
)
_WORKER = re.compile(r"(?i)[ \t]*(w-?\d{1,18})\b(?!-)")
_SHIFT = re.compile(
    r"""(?ix) [ \t]* (
      (?:1st|2nd|3rd|first|second|third|night|day|evening|graveyard|swing|weekend|morning|afternoon|overnight|late|early)
        [ -] (?:shifts?|work)
      | nights | days | evenings | weekends | overnights | graveyards? | mornings | afternoons | night | overnight
    ) \b"""
)
# A paper or an abbreviation ("CDL", "OSHA 30", "CDL-A license") is a thing of its own.
_PAPER = re.compile(
    r"[ \t]*([A-Z][A-Z0-9]+(?:[-/][A-Za-z0-9]+)*(?:[ \t]\d+\b)?"
    r"(?:[ \t](?:license|card|cert|certificate)s?\b)?)(?![\w:])"
)
_NAME = re.compile(r"[ \t]*([A-Z][a-z'’]+(?:[ \t][A-Z](?:[a-z'’]+|\.|\b)){0,2})(?![\w:])")
_THING = re.compile(r"[ \t]*([^\W\d_][\w'’/&+#-]*)(?![\w:])")
_AND = re.compile(r"(?i)[ \t]*(?:,[ \t]*(?:and|or|nor)?|/|&|\+|[ \t](?:and|or|nor))[ \t]*")
_OR = re.compile(r"(?i)[ \t]+(?:or|nor)\b")
_STOP = frozenset(
    re.findall(
        r"\S+",
        """
    a again also an and any anybody anyone are at but by can either except for from had has have her him his if in
    into is it me must near need needs no nor not of off on or our out over please pls plz so than that the their
    them then they this thx to under until us was we were what when where which who will with within without you your
        """,
    )
)
_MOST_WORDS = 3
_AUXILIARY_CHARS = 8


def negated(text: str, at: int = 0) -> list[tuple[str, Span]]:
    """What a negation that begins at character ``at`` refuses: each thing's words and the characters it came from.

    The first span begins at ``at``, with the words that negate. Empty: no negation begins there.
    """
    trigger = _TRIGGER.match(text, at)
    if trigger is None or _NO_NEGATION.match(text, trigger.end()):
        return []
    start = trigger.end()
    while filler := _FILLER.match(text, start):
        start = filler.end()
    first = _thing(text, start)
    # "will not carry it", "has never touched a CNC": a verb of their own refuses nothing.
    verbal = _VERBAL.search(text[max(0, at - _AUXILIARY_CHARS) : trigger.end()])
    if first is None or (first[0] == "thing" and start == trigger.end() and verbal):
        return []
    things = [(first[1], (at, first[2]))]
    kind, end = first[0], first[2]
    while further := _further(text, end, kind):
        things.append((further[0], (further[1], further[2])))
        end = further[2]
    return things


def _thing(text: str, at: int) -> tuple[str, str, int] | None:
    """The kind, the words and the end of what is refused at ``at``."""
    for kind, pattern in (("worker", _WORKER), ("shift", _SHIFT), ("paper", _PAPER), ("name", _NAME)):
        found = pattern.match(text, at)
        if found and found[1].casefold() not in _STOP:
            return kind, _spaced(found[1]), found.end(1)
    words: list[str] = []
    end = at
    while len(words) < _MOST_WORDS and (found := _THING.match(text, end)):
        if found[1].casefold() in _STOP or (words and _SHIFT.match(text, end)):
            break
        words.append(found[1])
        end = found.end(1)
    return ("thing", " ".join(words), end) if words else None


def _further(text: str, at: int, kind: str) -> tuple[str, int, int] | None:
    """The next of a list: after "or" any thing, after a comma or "and" only one of the same plain kind."""
    same = kind in {"worker", "shift"}
    link = (_AND if same else _OR).match(text, at)
    if link is None:
        return None
    start = link.end()
    while filler := _FILLER.match(text, start):
        start = filler.end()
    thing = _thing(text, start)
    if thing is None or (same and thing[0] != kind):
        return None
    first = re.compile(r"\s*").match(text, start)
    return thing[1], first.end() if first else start, thing[2]


def _spaced(words: str) -> str:
    return " ".join(words.split())
