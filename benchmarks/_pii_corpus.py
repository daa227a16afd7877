"""A labelled corpus of staffing texts with personal data in many notations, and of what only looks like it.

Every text comes from a template written by hand and from values drawn by a seeded generator, so the exact characters
of each value are known. The templates are halved once and for all by the digest of their text, kind by kind:
``development`` is what patterns may be changed for, ``held_out`` is only counted. ``python benchmarks/_pii_corpus.py``
prints how many texts and values there are.

The corpus was written before the masks of `workbench.pii` were read, from these descriptions of the formats:

* SSN: the Social Security Administration (ssa.gov/employer/randomization.html: no area 000, 666 or 900 to 999, no
  group 00, no serial 0000) and the IRS for ITINs (900 to 999, fourth and fifth digit 50-65, 70-88, 90-92, 94-99).
* Telephone: the North American Numbering Plan (nanpa.com), ITU-T E.123 for spacing, RFC 3966 for ``tel:``; the numbers
  are those kept for fiction: 555-0100 to 555-0199, Ofcom's 020 7946 0xxx, ARCEP's 01 99 00 xx xx, the
  Bundesnetzagentur's 030 23125 xxx, ACMA's 02 5550 xxxx.
* E-mail: RFC 5322 and RFC 6531, domains of RFC 2606.
* Card: ISO/IEC 7812 with Luhn's check digit, prefixes of the issuers' published test numbers.
* Secrets: the token formats that AWS, GitHub, GitLab, Slack, Stripe, OpenAI, Anthropic, Google and Hugging Face
  document for their own secret scanning, RFC 7519 (JWT), RFC 6750 (bearer), RFC 7468 (PEM), RFC 3986 (user:password@).

What was decided where one may differ:

* An ITIN is a person's tax number as much as an SSN is: to be masked, under kind ``ssn``.
* Area 000 or 666 behind the word SSN is somebody's number with a slip in it; its other digits are true: to be masked.
  The same shape with no such word (a part, a lot) cannot be an SSN: not to be masked.
* Placeholders (000-00-0000, XXX-XX-1234), an invalid card number called a card, names of people outside the roster
  and worker ids outside it are ``either``: whether they are masked is not counted.
* Sixteen digits that fail Luhn's check and are not called a card are a tracking or an order number: not to be masked.
* Nine bare digits under a column called "Number" are an SSN when the sheet is about taxes, pay or dates of birth;
  under badge, order or account they are not.
* A first or last name alone is to be masked where it stands for a person (a greeting, a title, "call …"), and is not
  where it is the word or the town (mark, will, Jackson, Chase Bank).
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

import _pii_names as names
import _pii_texts as texts
import _pii_texts_none as others
import _pii_texts_people as people
import _pii_values as values
import _pii_words as words
from _pii_values import Make, Value, Worker, roster

__all__ = ["EITHER", "HALVES", "KINDS", "Document", "Label", "Worker", "corpus", "roster"]

KINDS = ("ssn", "phone", "email", "card", "secret", "name", "worker")
HALVES = ("development", "held_out")
EITHER = "either"
_SLOT = re.compile(r"<<([a-z0-9_:]+)>>")


@dataclass(frozen=True, slots=True)
class Label:
    """Characters ``start`` to ``end`` are one value; a mask may reach over ``wide_start`` to ``wide_end``."""

    start: int
    end: int
    kind: str
    notation: str
    wide_start: int
    wide_end: int


@dataclass(frozen=True, slots=True)
class Document:
    """One text with all its labels; ``about`` is the kind and notation (or the look-alike) it was made for."""

    text: str
    labels: tuple[Label, ...]
    template: str
    half: str
    about: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Template:
    id: str
    text: str
    half: str


@dataclass(frozen=True, slots=True)
class _Group:
    """Templates whose slot ``kind`` is filled in each of the notations."""

    kind: str
    templates: tuple[_Template, ...]
    notations: Mapping[str, Make]


_BY_THE_WAY: dict[str, tuple[str, str, Make]] = {  # values that a template for another kind has beside its own
    "who": ("name", "full", names.NAME["full"]),
    "mail": ("email", "dot", values.EMAIL["dot"]),
    "tel": ("phone", "dashed", values.PHONE["dashed"]),
}


def _halved(block: str) -> tuple[_Template, ...]:
    """The templates of one group: every second one, in the order of their digests, is held out."""
    found = [text.strip("\n") for text in block.split("\n%%\n")]
    digests = sorted((hashlib.sha256(text.encode()).hexdigest()[:10], text) for text in found)
    return tuple(_Template(id_, text, HALVES[place % 2]) for place, (id_, text) in enumerate(digests))


@cache
def _groups() -> tuple[_Group, ...]:
    bare = {"neutral_header": values.SSN_SAID["bare_nine"]}
    return tuple(
        _Group(kind, _halved(block), notations)
        for kind, block, notations in (
            ("ssn", texts.SSN_SAID, values.SSN_SAID),
            ("ssn", texts.SSN_UNSAID, values.SSN),
            ("ssn", texts.SSN_NEUTRAL, bare),
            ("phone", texts.PHONE_SAID, values.PHONE_SAID),
            ("phone", texts.PHONE_UNSAID, values.PHONE),
            ("email", people.EMAIL, values.EMAIL),
            ("card", texts.CARD, values.CARD),
            ("secret", people.SECRET, names.SECRET),
            ("name", people.NAME, names.NAME),
            ("name", people.NAME_FIRST, names.NAME_FIRST),
            ("name", people.NAME_LAST, names.NAME_LAST),
            ("worker", people.WORKER, names.WORKER),
            ("worker", people.WORKER_SAID, names.WORKER_SAID),
        )
    )


def _lookalikes(block: str) -> Iterator[tuple[str, _Template]]:
    """(what it looks like, template), halved look-alike by look-alike."""
    kinds: dict[str, list[str]] = {}
    for entry in block.strip("\n").split("\n%%\n"):
        kind, _, text = entry.partition(":: ")
        kinds.setdefault(kind, []).append(text)
    for kind, found in kinds.items():
        for template in _halved("\n%%\n".join(found)):
            yield kind, template


class _Writer:
    """Fills one template, piece by piece, and knows where it put what."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.text, self.labels = rng, "", list[Label]()

    def value(self, kind: str, notation: str, value: Value) -> None:
        """One labelled value and what stands around it."""
        before = len(self.text)
        start = before + len(value.before)
        end = start + len(value.text)
        self.text += value.before + value.text + value.after
        wide = (before, len(self.text)) if value.wide else (start, end)
        self.labels.append(Label(start, end, kind, notation, *wide))

    def slot(self, name: str, own: tuple[str, str, Make] | None) -> None:
        """Whatever the slot asks for."""
        known = own if own and name == own[0] else _BY_THE_WAY.get(name)
        if known:
            kind, notation, make = known
            self.value(kind, notation, make(self.rng))
        elif name.startswith("either:"):
            self.value(EITHER, name[7:], Value(words.EITHER[name[7:]](self.rng)))
        else:
            self.text += words.WORDS[name](self.rng)

    def write(self, template: str, own: tuple[str, str, Make] | None = None) -> None:
        """The whole template."""
        at = 0
        for found in _SLOT.finditer(template):
            self.text += template[at : found.start()]
            self.slot(found[1], own)
            at = found.end()
        self.text += template[at:]


def _document(template: _Template, about: tuple[str, str], make: Make | None, seed: str) -> Document:
    """One text: the template, in half of all cases with sentences that say nothing before or after it."""
    rng = random.Random(f"{seed} {template.id} {about}")
    fillers = [filler.text for filler in _halved(others.FILLERS) if filler.half == template.half]
    writer = _Writer(rng)
    if rng.random() < 0.3:
        writer.write(rng.choice(fillers) + rng.choice(["\n", "\n\n", "\r\n"]))
    writer.write(template.text, (*about, make) if make else None)
    if rng.random() < 0.3:
        writer.write(rng.choice(["\n", "\n\n"]) + rng.choice(fillers))
    return Document(writer.text, tuple(writer.labels), template.id, template.half, about)


def corpus(half: str, *, seed: int = 1, draws: int = 2) -> list[Document]:
    """All texts of one half: each template in each of its notations ``draws`` times, look-alikes ten times as often."""
    made = [
        _document(template, (group.kind, notation), make, f"{seed} {draw}")
        for group in _groups()
        for template in group.templates
        if template.half == half
        for notation, make in group.notations.items()
        for draw in range(draws)
    ]
    for block, kind in ((others.NONE, "none"), (others.EITHER, EITHER)):
        made += [
            _document(template, (kind, like), None, f"{seed} {draw}")
            for like, template in _lookalikes(block)
            if template.half == half
            for draw in range(draws * 10)
        ]
    return made


def main() -> int:
    """Count it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="the same: it takes a second")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    for half in HALVES:
        documents = corpus(half, seed=asked.seed)
        values_ = Counter(label.kind for document in documents for label in document.labels)
        without = sum(document.about[0] == "none" for document in documents)
        print(
            f"{half}: {len(documents):,} texts, {sum(len(d.text) for d in documents):,} characters, {without:,} without"
        )
        print("  " + ", ".join(f"{kind} {values_[kind]:,}" for kind in (*KINDS, EITHER)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
