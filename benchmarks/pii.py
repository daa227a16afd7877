"""Personal data found in the labelled texts of `_pii_corpus`, ours against Presidio's pattern recognisers, in one run.

Ours is `workbench.pii.find` with the roster; theirs are the recognisers of presidio-analyzer that work by pattern
(US_SSN, US_ITIN, PHONE_NUMBER, EMAIL_ADDRESS, CREDIT_CARD) with the context words around them, and a deny list that
holds the same roster. No language model is at hand here, so Presidio's recognisers of names by spaCy or a transformer
are not in this comparison, and it has none for keys; ``name`` and ``worker`` are its deny list. Its threshold is, for
each kind, the one that gives it the best F on the development half.

A value is found when all its letters and digits are covered by finds of its kind; a find is right when half of its own
are in values of its kind. ``any`` is the share of values that no mask of whatever kind leaves a sign of.

    python benchmarks/pii.py [--notations] [--show ssn/spaced] [--quick]
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from _pii_corpus import EITHER, HALVES, KINDS, Document, Label, corpus, roster

from workbench.pii import Kind, find, mask_text
from workbench.pii.roster import Roster

THRESHOLDS = (0.0, 0.01, 0.05, 0.1, 0.3, 0.4, 0.5, 0.6, 0.85, 1.0)


@dataclass(frozen=True, slots=True)
class Found:
    """Characters ``start`` to ``end`` are taken for a value of ``kind``."""

    start: int
    end: int
    kind: str
    score: float = 1.0


Side = Callable[[str], list[Found]]


def ours() -> Side:
    """`find` and the roster, which is what covers a text."""
    people = [pair for worker in roster() for pair in (("name", worker.name), ("worker", worker.id))]
    known = Roster(people)
    names = {Kind.KEY: "secret", Kind.ACCOUNT: "account"}

    def side(text: str) -> list[Found]:
        by_shape = [Found(s.start, s.end, names.get(s.kind, s.kind.value)) for s in find(text)]
        by_value = [Found(s.start, s.end, "name" if s.kind == Kind.NAME else "worker") for s in known.find(text)]
        return by_shape + by_value

    return side


def _words() -> Any:
    """An engine for Presidio without a model: a word is its own lemma."""
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

    class Words(NlpEngine):
        """Words and where they stand: what the recognisers' context words are looked for in."""

        def load(self) -> None: ...

        def is_loaded(self) -> bool:
            return True

        def process_text(self, text: str, language: str) -> Any:
            import spacy

            if not hasattr(self, "blank"):
                self.blank = spacy.blank(language)
            tokens = self.blank(text)
            lemmas = [token.text.lower() for token in tokens]
            return NlpArtifacts([], tokens, [token.idx for token in tokens], lemmas, self, language)

        def process_batch(self, texts: Any, language: str, **_: Any) -> Any:
            return ((text, self.process_text(text, language)) for text in texts)

        def is_stopword(self, word: str, language: str) -> bool:  # noqa: ARG002
            return False

        def is_punct(self, word: str, language: str) -> bool:  # noqa: ARG002
            return not any(sign.isalnum() for sign in word)

        def get_supported_entities(self) -> list[str]:
            return []

        def get_supported_languages(self) -> list[str]:
            return ["en"]

    return Words()


def presidio() -> Side:
    """Its analyzer with pattern recognisers and a tokenizer that knows the word as its own lemma."""
    from presidio_analyzer import AnalyzerEngine, PatternRecognizer, RecognizerRegistry
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        EmailRecognizer,
        PhoneRecognizer,
        UsItinRecognizer,
        UsSsnRecognizer,
    )

    recognizers = [UsSsnRecognizer(), UsItinRecognizer(), PhoneRecognizer(), EmailRecognizer(), CreditCardRecognizer()]
    for entity, listed in (("PERSON", [w.name for w in roster()]), ("WORKER", [w.id for w in roster()])):
        recognizers.append(PatternRecognizer(supported_entity=entity, deny_list=listed))
    engine = AnalyzerEngine(
        registry=RecognizerRegistry(recognizers=recognizers), nlp_engine=_words(), supported_languages=["en"]
    )
    kinds = {"US_SSN": "ssn", "US_ITIN": "ssn", "PHONE_NUMBER": "phone", "EMAIL_ADDRESS": "email"}
    kinds |= {"CREDIT_CARD": "card", "PERSON": "name", "WORKER": "worker"}

    def side(text: str) -> list[Found]:
        found = engine.analyze(text, "en", score_threshold=0)
        return [Found(one.start, one.end, kinds[one.entity_type], one.score) for one in found]

    return side


# Counting -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Count:
    """How many values there are, how many were found, how many finds are right and how many wrong."""

    values: int = 0
    found: int = 0
    covered: int = 0
    right: int = 0
    wrong: int = 0

    @property
    def recall(self) -> float:
        """Share of the values that were found."""
        return self.found / self.values if self.values else float("nan")

    @property
    def precision(self) -> float:
        """Share of the finds that are right; 1 without any."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 1.0

    @property
    def f(self) -> float:
        """Harmonic mean of both."""
        both = self.recall + self.precision
        return 2 * self.recall * self.precision / both if both else 0.0


@dataclass(slots=True)
class Score:
    """Counts by kind and by (kind, notation); wrong finds by what was taken for them; texts to look at."""

    kinds: dict[str, Count] = field(default_factory=lambda: defaultdict(Count))
    notations: dict[tuple[str, str], Count] = field(default_factory=lambda: defaultdict(Count))
    alarms: Counter[tuple[str, str]] = field(default_factory=Counter)
    looks: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


def _signs(text: str, start: int, end: int) -> set[int]:
    return {place for place in range(start, end) if text[place].isalnum()}


def _within(labels: Sequence[Label], kinds: set[str]) -> set[int]:
    return {place for one in labels if one.kind in kinds for place in range(one.wide_start, one.wide_end)}


def _count(score: Score, document: Document, found: Sequence[Found]) -> None:
    text = document.text
    covered: dict[str, set[int]] = defaultdict(set)
    for one in found:
        covered[one.kind] |= _signs(text, one.start, one.end)
    everything = set().union(*covered.values())
    for label in document.labels:
        if label.kind == EITHER:
            continue
        signs = _signs(text, label.start, label.end)
        hit = signs <= covered[label.kind]
        for count in (score.kinds[label.kind], score.notations[label.kind, label.notation]):
            count.values += 1
            count.found += hit
            count.covered += signs <= everything
        if not hit:
            score.looks[f"{label.kind}/{label.notation}"].append(
                f"missed {text[label.start : label.end]!r} in {text!r}"
            )
    for one in found:
        _count_find(score, document, one)


def _count_find(score: Score, document: Document, one: Found) -> None:
    text = document.text
    signs = _signs(text, one.start, one.end)
    # Known people inside of an address are no mistake, nor is what may be masked or not.
    free = {EITHER, "email"} if one.kind == "name" else {EITHER}
    own = _within(document.labels, {one.kind})
    if one.kind not in KINDS or (not signs & own and 2 * len(signs & _within(document.labels, free)) >= len(signs)):
        return
    right = 2 * len(signs & own) >= len(signs)
    about = document.about if document.about[0] == one.kind else (one.kind, f"in {'/'.join(document.about)}")
    for count in (score.kinds[one.kind], score.notations[about]):
        count.right += right
        count.wrong += not right
    if not right:
        score.alarms[one.kind, "/".join(document.about)] += 1
        score.looks[f"{one.kind}/wrong"].append(f"{text[one.start : one.end]!r} in {text!r}")


def scored(documents: Sequence[Document], finds: Sequence[Sequence[Found]], least: Mapping[str, float]) -> Score:
    """All texts counted, with the finds whose score is at least that of their kind."""
    score = Score()
    for document, found in zip(documents, finds, strict=True):
        _count(score, document, [one for one in found if one.score >= least.get(one.kind, 0.0)])
    return score


def best_thresholds(documents: Sequence[Document], finds: Sequence[Sequence[Found]]) -> dict[str, float]:
    """For each kind the threshold of the best F."""
    tried = [(scored(documents, finds, dict.fromkeys(KINDS, least)), least) for least in THRESHOLDS]
    return {kind: max(tried, key=lambda one: (one[0].kinds[kind].f, -one[1]))[1] for kind in KINDS}


# Printing -----------------------------------------------------------------------------------------------------------


def print_kinds(half: str, scores: Mapping[str, Score]) -> None:
    """One line per kind, one block of columns per side."""
    print(f"\n{half.replace('_', ' ')}: {'':<9}" + "".join(f"| {name:<32}" for name in scores))
    print(f"{'kind':<10}{'values':>8}  " + "| precision recall     F    any  " * len(scores))
    for kind in KINDS:
        line = f"{kind:<10}{next(iter(scores.values())).kinds[kind].values:>8}  "
        for score in scores.values():
            count = score.kinds[kind]
            whole = count.covered / count.values
            line += f"| {count.precision:>9.3f} {count.recall:>6.3f} {count.f:>6.3f} {whole:>6.3f} "
        print(line)


def print_notations(half: str, scores: Mapping[str, Score]) -> None:
    """One line per notation, and the wrong finds by what was taken for them."""
    print(f"\n{half.replace('_', ' ')}, by notation (precision and recall): " + ", ".join(scores))
    for key in sorted({key for score in scores.values() for key in score.notations}):
        counts = [score.notations[key] for score in scores.values()]
        if counts[0].values:
            shares = " | ".join(f"{count.precision:.2f} {count.recall:.2f}" for count in counts)
            print(f"  {'/'.join(key):<32}{counts[0].values:>5}  {shares}")
    for name, score in scores.items():
        print(f"  wrong, {name}: " + ", ".join(f"{k} {what} {n}" for (k, what), n in score.alarms.most_common()))


def hostile() -> Iterator[tuple[str, str]]:
    """Texts of one line, 1 MB each."""
    size = 1_000_000
    for part in ("7", "412-68-", "12 ", "ssn 4\n1\n", "(312) ", "4242 ", "a@", "Maria ", "password=", "x", "W-1"):
        yield part, part * (size // len(part))
    yield "order text", "Maria Lopez W-104233 call (312) 555-0142 ssn 412-68-1234, a@example.com; " * (size // 74)


def print_speed(sides: Mapping[str, Side], documents: Sequence[Document], rounds: int) -> None:
    """Characters per CPU second, side by side in turn, as a ratio to the first side."""
    signs = sum(len(document.text) for document in documents)
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(rounds):
        for name, side in sides.items():
            began = time.process_time()
            for document in documents:
                side(document.text)
            rates[name].append(signs / (time.process_time() - began))
    first = statistics.median(next(iter(rates.values())))
    for name, each in rates.items():
        rate = statistics.median(each)
        print(f"{name}: {rate / 1e6:.3f} million characters a second, {rate / first:.3f} of the first")


def print_hostile(side: Side) -> None:
    """CPU seconds for each text, and how many times as long it takes as its first quarter (4: linear)."""
    print("\n1 MB in one line: seconds of find with the roster, times its first quarter; seconds of mask_text")
    for part, text in hostile():
        took = []
        for given in (text[: len(text) // 4], text):
            began = time.process_time()
            side(given)
            took.append(time.process_time() - began)
        began = time.process_time()
        mask_text(text)
        print(
            f"  {part!r:<12} {took[1]:.2f} s, {took[1] / max(took[0], 1e-3):.1f}; {time.process_time() - began:.2f} s"
        )


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one draw of each text, one round, nothing hostile")
    parser.add_argument("--notations", action="store_true", help="by notation too; of the held-out half only numbers")
    parser.add_argument("--show", default="", help="KIND/NOTATION or KIND/wrong: our faults in the development half")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help="without Presidio")
    parser.add_argument("--half", choices=HALVES, help="only this one")
    asked = parser.parse_args()
    sides: dict[str, Side] = {"ours": ours()}
    if find_spec("presidio_analyzer") and not asked.alone:
        sides["Presidio patterns"] = presidio()
    elif not asked.alone:
        print("presidio-analyzer is not installed (dependency group bench): ours alone")
    least: dict[str, dict[str, float]] = {}
    for half in [asked.half] if asked.half else HALVES:
        documents = corpus(half, seed=asked.seed, draws=1 if asked.quick else 2)
        finds = {name: [side(document.text) for document in documents] for name, side in sides.items()}
        if half == HALVES[0]:
            least = {name: best_thresholds(documents, found) for name, found in finds.items() if name != "ours"}
        scores = {name: scored(documents, found, least.get(name, {})) for name, found in finds.items()}
        print_kinds(half, scores)
        if asked.notations:
            print_notations(half, scores)
        if asked.show and half == HALVES[0]:
            print("\n".join(re.sub(r"(.{400}).*", r"\1…", one) for one in scores["ours"].looks[asked.show]))
    if not asked.half:
        print(f"\nthresholds: {least}")
        print_speed(sides, documents, 1 if asked.quick else 3)
        if not asked.quick:
            print_hostile(sides["ours"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
