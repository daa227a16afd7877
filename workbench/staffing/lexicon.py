"""Lexicon: phrases that name a role, a paper or a skill, however it is spelled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from workbench.staffing.mention import Mention
from workbench.staffing.order_words import (
    GENERAL_SKILLS,
    PAPER_ALIASES,
    ROLE_ALIASES,
    SHORT,
    SKILL_ALIASES,
    WEAK_ROLES,
)
from workbench.staffing.roles import Trades

_TOKEN = re.compile(r"[^\W_]+(?:['’]s\b)?\+*#?")
# "return" in "do-not-return" is no word of its own.
_COMPOUND_BEFORE = re.compile(r"[^\W\d_]-$")
_COMPOUND_AFTER = re.compile(r"-[^\W\d_]")
_MOST_TOKENS = 6
# Between the words of one phrase stand blanks, hyphens and the like; no line end and no full stop but in "AWS D1.1".
_INSIDE = re.compile(r"(?:[ \t]?[-/&.+,][ \t]?|[ \t]+|[ \t]?\(|\)|)")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a phrase stands for: ``kind`` role, paper or skill, and its ``name``; ``weak``: only beside a count."""

    kind: str
    name: str
    weak: bool = False


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Phrases by their words run together ("forklift operators" and "fork lift ops" are both ``forkliftoperator``)."""

    phrases: Mapping[str, Meaning]
    words: frozenset[str]

    @classmethod
    def of(cls, trades: Trades) -> Lexicon:
        """Every name, title, plural, paper and skill of the packaged roles, with the usual short forms."""
        phrases: dict[str, Meaning] = {}
        words: set[str] = set()
        weak = {_key(phrase) for phrase in WEAK_ROLES}
        for kind, name, phrase in _phrases(trades):
            key = _key(phrase)
            phrases.setdefault(key, Meaning(kind, name, weak=kind == "role" and key in weak))
            for word in re.findall(r"[^\W\d_]+", phrase.casefold()):
                words |= {word, f"{word}s"}
        return cls(phrases, frozenset(words))

    def find(self, text: str) -> list[Mention]:
        """``role``, ``paper`` and ``skill`` mentions, the longest phrases first, none overlapping another."""
        tokens = [(match, _normal(match[0])) for match in _TOKEN.finditer(text)]
        found: list[Mention] = []
        at = 0
        while at < len(tokens):
            length, meaning = self._longest(text, tokens, at)
            if meaning:
                first, last = tokens[at][0], tokens[at + length - 1][0]
                rank = 0 if meaning.weak else 1
                found.append(Mention(meaning.kind, meaning.name, first.start(), last.end(), rank=rank))
            at += max(length, 1)
        return found

    def named(self, phrase: str, kind: str) -> str | None:
        """The canonical name of exactly this phrase, if it is one of that kind."""
        meaning = self.phrases.get(_key(phrase))
        return meaning.name if meaning and meaning.kind == kind else None

    def _longest(self, text: str, tokens: list[tuple[re.Match[str], str]], at: int) -> tuple[int, Meaning | None]:
        best: tuple[int, Meaning | None] = (0, None)
        joined = ""
        if _COMPOUND_BEFORE.search(text[: tokens[at][0].start()][-2:]):
            return best
        for length, (match, normal) in enumerate(tokens[at : at + _MOST_TOKENS], 1):
            if length > 1 and not _INSIDE.fullmatch(text[tokens[at + length - 2][0].end() : match.start()]):
                break
            joined += normal
            meaning = self.phrases.get(joined)
            if meaning and not _COMPOUND_AFTER.match(text, match.end()):
                best = (length, meaning)
        return best


def role_in(lexicon: Lexicon, phrase: str) -> str | None:
    """The role that a phrase names, alone or as part of it ("experienced forklift operators"), or None."""
    found = [mention for mention in lexicon.find(phrase) if mention.kind == "role"]
    return str(max(found, key=lambda mention: mention.end - mention.start).value) if found else None


def _phrases(trades: Trades) -> Iterator[tuple[str, str, str]]:
    """(kind, name, phrase): what is said first wins over what is said later."""
    for role in trades.roles:
        yield from _each("role", role.name, (role.name, *role.titles, *role.plurals))
    for name, aliases in ROLE_ALIASES.items():
        yield from _each("role", name, aliases)
    for paper in trades.credential_years:
        yield from _each("paper", paper, (paper, f"{paper} card", *PAPER_ALIASES.get(paper, ())))
    skills = dict.fromkeys([*(skill for role in trades.roles for skill in role.skills), *GENERAL_SKILLS])
    for skill in skills:
        yield from _each("skill", skill, (skill, *SKILL_ALIASES.get(skill, ())))


def _each(kind: str, name: str, phrases: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    for phrase in phrases:
        yield kind, name, phrase


def _key(phrase: str) -> str:
    return "".join(_normal(word) for word in _TOKEN.findall(phrase))


def _normal(word: str) -> str:
    said = re.sub(r"['’]s$", "", word.casefold())
    said = SHORT.get(said, said)
    # "CMMS" is no plural of "CMM": letters without a vowel are an abbreviation.
    if len(said) > 3 and said.endswith("s") and not said.endswith("ss") and re.search(r"[aeiouy]", said):
        said = said[:-1]
    return SHORT.get(said, said).replace(" ", "")
