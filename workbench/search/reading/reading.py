"""Reading: what a query means for one corpus: operators, typing errors, the words to rank by, the words to embed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from workbench.errors import InvalidError
from workbench.lake.tables.manifest import Manifest
from workbench.search.lexical.lexical import LexicalIndex
from workbench.search.lexical.question import Question, ask, content
from workbench.search.reading.asked import Asked, Names, parse
from workbench.search.reading.gates import Limits, Offers
from workbench.search.reading.spelling import Change, Spelling
from workbench.search.reading.vocabulary import Titles, Vocabulary

_KEPT = 4


@dataclass(frozen=True, slots=True)
class Understood:
    """A query as understood: ``asked`` with its operators, ``changes`` made to what was typed, the ``question`` for the
    word index, and ``meaning``, the words to embed.
    """

    asked: Asked
    changes: tuple[Change, ...]
    question: Question
    meaning: str


@dataclass
class Reader:
    """Reads queries. ``titles`` gives the titles of the trade dictionary, ``cities`` names that are never misspelt,
    ``offers`` the SQL of words such as "night shift".
    """

    titles: Callable[[], Titles]
    cities: Callable[[], Collection[str]]
    offers: Offers | None = None
    _spellings: dict[str, Spelling] = field(default_factory=dict)

    def read(
        self, query: str, limits: Limits, manifest: Manifest, roles: tuple[str, ...], words: LexicalIndex | None
    ) -> Understood:
        """Read ``query`` as asked of a corpus with ``roles`` and the word index ``words``.

        Raises InvalidError when it has conditions and not one word to rank by.
        """
        asked = parse(query, Names(roles=roles, cities=self.cities()))
        asked, changes = self._spelling(manifest, roles, words).asked(asked)
        # Refused shifts are conditions on what a row offers, not on the words that name them.
        refused = [said for said in asked.must_not if not (self.offers and self.offers(said, manifest))]
        question = ask(asked.free, must=asked.must, must_not=refused, phrases=asked.phrases)
        meaning = asked.meaning or " ".join(asked.roles) or limits.role
        if not meaning.strip():
            raise InvalidError(
                "The query has conditions but no words to rank by.", hint='Add some: lh search "welder city:Gary"'
            )
        if not question.terms:
            question = ask(meaning, must=asked.must, must_not=refused, phrases=asked.phrases)
        return Understood(asked, tuple(changes), question, content(meaning) or meaning)

    def _spelling(self, manifest: Manifest, roles: tuple[str, ...], words: LexicalIndex | None) -> Spelling:
        key = f"{manifest.name}@{manifest.version}:{manifest.created_at.isoformat()}"
        if key not in self._spellings:
            while len(self._spellings) >= _KEPT:
                self._spellings.pop(next(iter(self._spellings)))
            terms = (lambda: ()) if words is None else words.vocabulary
            self._spellings[key] = Spelling(Vocabulary(terms, roles, self.titles()), names=self.cities())
        return self._spellings[key]
