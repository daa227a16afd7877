"""Heads of orders: which role and which number belong together ("3 forklift ops", "AP clerk, one", "Qty: 5")."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.staffing.mention import Mention
from workbench.staffing.orders import Normalise

_PEOPLE = r"(?:people|ppl|guys?|persons?|folks|bodies|temps|hands|more|additional|extra)"
_SMALL = r"(?!(?:in|at|from|until|weeks?|days?|years?|months?|hours?|and|or|boxes|but|not|per|the|this|that)\b)"
_BEFORE = re.compile(
    rf"(?i)[ \t]*(?:{_PEOPLE}[ \t]+)?(?:(?:for|to|on|of|as)[ \t]+)?(?:(?:the|our|a|your)[ \t]+)?"
    rf"(?:{_SMALL}[\w/'-]+[ \t]+){{0,2}}\(?"
)
_AFTER = re.compile(r"[ \t]*[,:(–-]?[ \t]*")
_AFTER_END = re.compile(r"[ \t]*(?:[,.;:)\n!?]|$|[a-z]+ unit\b|(?:@|at|in|on|for)\b)")
_PLURAL = re.compile(r"(?i)(?:[^s]s|people|staff|ppl|temps|assoc\.?|ops|techs)$")
_WANTED = re.compile(
    r"(?i)\b(?:need(?:s|ed)?|looking\s+for|send|get|want(?:s|ed)?|find|short|add|have|line\s+up|cover|anyone\s+for)"
    r"\b[^.;\n]{0,40}$"
)
_UNKNOWN = re.compile(r"(?:[ \t]*x)?[ \t]+([A-Za-z][\w/'-]{2,}(?:[ \t]+[A-Za-z][\w/'-]{2,}){0,2})")
_STOP = re.compile(
    r"(?i)[ \t]+(?:in|at|for|from|on|with|starting|start|needed|nights?|days?|tomorrow|tonight|today|asap|this|next|by"
    r"|who|to|must|and|monday|tuesday|wednesday|thursday|friday|saturday|sunday|mon|tue|wed|thu|fri|sat|sun)\b.*"
)
_NO_ROLE = re.compile(r"(?i)(?:more|people|guys|ppl|folks|to|for|of|from|and|or|weeks?|days?|the|on|in|at|shifts?)\b")


@dataclass(frozen=True, slots=True)
class Head:
    """A role with its number, either of which may be missing; ``start`` is where its order begins in the text."""

    role: Mention | None
    count: Mention | None
    start: int
    paired: bool = False


def find_heads(text: str, mentions: Sequence[Mention], normalise: Normalise | None) -> list[Head]:
    """One head for each order in the text, at least one."""
    roles = [mention for mention in mentions if mention.kind == "role"]
    counts = [mention for mention in mentions if mention.kind == "count"]
    pairs = _pairs(text, roles, counts)
    if len(pairs) > 1:
        return pairs
    if pairs:
        return [Head(pairs[0].role, pairs[0].count, 0, paired=True)]
    role = _wanted(text, roles) or _stranger(text, counts, normalise)
    return [Head(role, _loose(text, counts, role), 0)]


def _pairs(text: str, roles: Sequence[Mention], counts: Sequence[Mention]) -> list[Head]:
    heads: list[Head] = []
    used: set[int] = set()
    for role in sorted(roles, key=lambda mention: mention.start):
        before = [c for c in counts if c.end <= role.start and c.start not in used]
        if before and _BEFORE.fullmatch(text, before[-1].end, role.start):
            heads.append(Head(role, before[-1], before[-1].start, paired=True))
            used.add(before[-1].start)
    paired = {head.role.start for head in heads if head.role}
    for role in roles:
        after = [c for c in counts if c.start >= role.end and c.start not in used]
        if role.start in paired or not after or not _AFTER.fullmatch(text, role.end, after[0].start):
            continue
        if after[0].rank or _AFTER_END.match(text, after[0].end):
            heads.append(Head(role, after[0], role.start, paired=True))
            used.add(after[0].start)
    return sorted(heads, key=lambda head: head.start)


def _wanted(text: str, roles: Sequence[Mention]) -> Mention | None:
    """The role most likely asked for: strong before weak, after "need" or "looking for" before elsewhere, the first."""
    return max(roles, key=lambda role: (role.rank, bool(_WANTED.search(text[: role.start])), -role.start), default=None)


def _loose(text: str, counts: Sequence[Mention], role: Mention | None) -> Mention | None:
    free = [count for count in counts if role is None or count.end <= role.start or count.start >= role.end]
    if free:
        best = max(free, key=lambda count: (count.rank, -count.start))
        return Mention("count", best.value, best.start, best.end, sure=0.9 if best.rank else 0.6)
    if role is not None and not _PLURAL.search(text[role.start : role.end]):
        return Mention("count", 1, role.start, role.end, sure=0.6)
    return None


def _stranger(text: str, counts: Sequence[Mention], normalise: Normalise | None) -> Mention | None:
    """A role that is no known phrase: the words after a number, as the normaliser calls them or as written."""
    for count in counts:
        found = _UNKNOWN.match(text, count.end)
        phrase = _STOP.sub("", found[1]) if found else ""
        if not found or not phrase or _NO_ROLE.match(phrase):
            continue
        start = found.start(1)
        if normalise and (role := normalise(phrase)):
            return Mention("role", role, start, start + len(phrase), sure=0.7)
        singular = phrase[:-1] if phrase.endswith("s") and not phrase.endswith("ss") else phrase
        return Mention("role", singular, start, start + len(phrase), sure=0.5)
    return None
