"""The values of the corpus of `_pii_corpus`: each kind in each notation, the roster, and what only looks like one.

The formats and where they come from are in the docstring of `_pii_corpus`. Nothing here is anybody's: numbers are drawn
at random from what is kept for fiction and for tests where there is such a range.
"""

from __future__ import annotations

import random
import string
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Value:
    """What a slot becomes: the value between characters that are not part of it (``wide``: may be masked with it)."""

    text: str
    before: str = ""
    after: str = ""
    wide: bool = False


Make = Callable[[random.Random], Value]
Word = Callable[[random.Random], str]


# The roster ---------------------------------------------------------------------------------------------------------

_PEOPLE = """
Maria Lopez|Mark Chase|Will Grant|Rose Banks|Chase Porter|Dawn Price|April Young|Hope Carpenter|Grace Park
Jordan Baker|Austin Cole|Jackson Reed|Sydney Marsh|Hunter Mason|Faith Cook|Art Driver|Bill Long|Pat Day|Chloé Durand
Zoë Müller|José Peña|Lucía Hernández|Tomás García-Márquez|Nguyễn Văn An|Łukasz Wójcik|Søren Østergaard|Siobhan O'Neil
Marco D'Angelo|Anneke van der Berg|Kofi Mensah|Ifeoma Adeyemi|Priya Raghunathan|Wei Zhang|Yuki Tanaka|Fatima Al-Sayed
Omar Haddad|Dmitri Kuznetsov|Olga Petrenko|Tyrone Washington|Latoya Jefferson|DeShawn McCoy|Mary Ann Kowalczyk
Jean-Luc Moreau|Guadalupe Ibarra|Esperanza Quintero|Ximena Zapata|Rafael Batista|Bogdan Ionescu|Elif Yılmaz
Hassan Boateng|Thuy Hoang|Kwame Asante|Imani Oyelaran|Agnieszka Zielińska|Ramona Castellanos|Victor Eriksen
Winston Abernathy|Genevieve Lambert|Shanice Holloway|Reggie Fitzgerald|Beatriz Cárdenas|Obinna Okafor|Ingrid Johansson
Kenji Watanabe
"""


@dataclass(frozen=True, slots=True)
class Worker:
    """One person of the roster."""

    id: str
    first: str
    last: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first} {self.last}"


@cache
def roster() -> tuple[Worker, ...]:
    """The same workers for both halves; ids are ``W-`` and six digits."""
    rng, made = random.Random("roster"), []
    for name in (name for line in _PEOPLE.strip().splitlines() for name in line.split("|")):
        first, last = name.split(" ", 2 if name.startswith("Mary Ann") else 1)[0], name.split(" ", 1)[1]
        if name.startswith("Mary Ann"):
            first, last = "Mary Ann", "Kowalczyk"
        made.append(Worker(f"W-{rng.randrange(100_000, 999_999)}", first, last))
    return tuple(made)


# Values ---------------------------------------------------------------------------------------------------------------

_FULL_WIDTH = str.maketrans("0123456789-() +", "０１２３４５６７８９－（） ＋")


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(string.digits, k=count))


def _groups(rng: random.Random) -> tuple[str, str, str]:
    """Area, group and serial number that SSA can have given."""
    area = rng.choice([n for n in range(1, 900) if n != 666])
    return f"{area:03d}", f"{rng.randrange(1, 100):02d}", f"{rng.randrange(1, 10_000):04d}"


def _ssn(form: str) -> Make:
    """``{a}``, ``{g}`` and ``{s}`` are its groups."""

    def make(rng: random.Random) -> Value:
        a, g, s = _groups(rng)
        return Value(form.format(a=a, g=g, s=s))

    return make


def _touching(rng: random.Random) -> Value:
    text = "-".join(_groups(rng))
    return rng.choice([Value(text, "ssn"), Value(text, "SSN"), Value(text, "", "DOB"), Value(text, "SS")])


def _letters_for_digits(rng: random.Random) -> Value:
    a, g, s = _groups(rng)
    text = list(f"{a}-{g}-{s}".replace("0", "O").replace("1", "l"))
    if "O" not in text and "l" not in text:
        text[rng.choice([0, 4, 8])] = "O"
    return Value("".join(text))


def _itin(rng: random.Random) -> Value:
    group = rng.choice([*range(50, 66), *range(70, 89), 90, 91, 92, *range(94, 100)])
    return Value(f"9{digits(rng, 2)}-{group}-{digits(rng, 4)}")


def _slip(rng: random.Random) -> Value:
    _, g, s = _groups(rng)
    return Value(f"{rng.choice(['666', '000'])}-{g}-{s}")


SSN: dict[str, Make] = {
    "dashed": _ssn("{a}-{g}-{s}"),
    "dotted": _ssn("{a}.{g}.{s}"),
    "spaced": _ssn("{a} {g} {s}"),
    "no_break_space": _ssn("{a}\u00a0{g}\u00a0{s}"),
    "no_break_hyphen": _ssn("{a}\u2011{g}\u2011{s}"),
    "en_dash": _ssn("{a}–{g}–{s}"),
    "em_dash": _ssn("{a}—{g}—{s}"),
    "minus_sign": _ssn("{a}−{g}−{s}"),
    "full_width": lambda rng: Value("-".join(_groups(rng)).translate(_FULL_WIDTH)),
    "spaces_around_dashes": _ssn("{a} - {g} - {s}"),
    "letters_touching": _touching,
    "itin": _itin,
}
SSN_SAID: dict[str, Make] = {  # only behind words that say what it is
    **SSN,
    "bare_nine": _ssn("{a}{g}{s}"),
    "slashes": _ssn("{a}/{g}/{s}"),
    "underscores": _ssn("{a}_{g}_{s}"),
    "line_break": _ssn("{a}-{g}-\n{s}"),
    "three_lines": _ssn("{a}\n{g}\n{s}"),
    "scanned_spacing": lambda rng: Value(" ".join("-".join(_groups(rng)))),
    "scanned_letters": _letters_for_digits,
    "zero_width": _ssn("{a}\u200b-{g}-\u200b{s}"),
    "soft_hyphen": _ssn("{a}\u00ad{g}\u00ad{s}"),
    "html_entity": _ssn("{a}&nbsp;{g}&nbsp;{s}"),
    "mixed_separators": _ssn("{a}-{g} {s}"),
    "three_six": _ssn("{a}-{g}{s}"),
    "five_four": _ssn("{a}{g}-{s}"),
    "area_slip": _slip,
}

_AREAS = "201 212 214 216 312 313 314 404 407 412 415 469 503 512 602 614 617 630 702 713 773 804 813 847 901 919"


def _phone(form: str) -> Make:
    """``{a}`` is the area code, ``{n}`` the four digits behind 555."""

    def make(rng: random.Random) -> Value:
        return Value(
            form.format(a=rng.choice(_AREAS.split()), n=f"01{digits(rng, 2)}", x=digits(rng, rng.choice([2, 3, 4])))
        )

    return make


def _abroad(rng: random.Random) -> Value:
    form = rng.choice(["+44 20 7946 0{d3}", "+33 1 99 00 {d2} {e2}", "+49 30 23125 {d3}", "+61 2 5550 {d2}{e2}"])
    return Value(form.format(d3=digits(rng, 3), d2=digits(rng, 2), e2=digits(rng, 2)))


def _exit_code(rng: random.Random) -> Value:
    return Value(rng.choice([f"0044 20 7946 0{digits(rng, 3)}", f"011 44 20 7946 0{digits(rng, 3)}"]))


def _phone_touching(rng: random.Random) -> Value:
    text = _phone("{a}-555-{n}")(rng).text
    return rng.choice([Value(text, "Cell"), Value(text, "ph"), Value(text, "", "cell"), Value(text, "c")])


PHONE: dict[str, Make] = {
    "parentheses": _phone("({a}) 555-{n}"),
    "parentheses_tight": _phone("({a})555-{n}"),
    "dashed": _phone("{a}-555-{n}"),
    "dotted": _phone("{a}.555.{n}"),
    "spaced": _phone("{a} 555 {n}"),
    "space_and_dash": _phone("{a} 555-{n}"),
    "plus_one_spaced": _phone("+1 {a} 555 {n}"),
    "plus_one_dashed": _phone("+1-{a}-555-{n}"),
    "plus_one_parentheses": _phone("+1 ({a}) 555-{n}"),
    "one_dashed": _phone("1-{a}-555-{n}"),
    "one_dotted": _phone("1.{a}.555.{n}"),
    "e164": _phone("+1{a}555{n}"),
    "slash": _phone("{a}/555-{n}"),
    "en_dash": _phone("{a}–555–{n}"),
    "no_break_hyphen": _phone("{a}\u2011555\u2011{n}"),
    "no_break_space": _phone("({a})\u00a0555-{n}"),
    "full_width": lambda rng: Value(_phone("({a})555-{n}")(rng).text.translate(_FULL_WIDTH)),
    "extension_x": _phone("{a}-555-{n} x{x}"),
    "extension_word": _phone("({a}) 555-{n} ext. {x}"),
    "tel_uri": lambda rng: Value(_phone("+1-{a}-555-{n}")(rng).text, "tel:", "", wide=True),
    "abroad": _abroad,
    "scanned_spacing": _phone("( {a} ) 555 - {n}"),
    "letters_touching": _phone_touching,
}
PHONE_SAID: dict[str, Make] = {
    **PHONE,
    "bare_ten": _phone("{a}555{n}"),
    "bare_eleven": _phone("1{a}555{n}"),
    "seven_dashed": _phone("555-{n}"),
    "seven_dotted": _phone("555.{n}"),
    "line_break": _phone("({a})\n555-{n}"),
    "exit_code": _exit_code,
    "two_groups": _phone("{a} 555{n}"),
}


def _plain(text: str) -> str:
    """Without accents, in lower case, letters only: what an address is made of."""
    text = unicodedata.normalize("NFKD", text.replace("Ł", "L").replace("ł", "l").replace("Ø", "O").replace("ı", "i"))
    return "".join(letter for letter in text.lower() if letter in string.ascii_lowercase)


def _email(form: str) -> Make:
    """``{f}`` and ``{l}`` are the names, ``{i}`` the first letter, ``{n}`` two digits, ``{d}`` the domain."""

    def make(rng: random.Random) -> Value:
        who, domain = (
            rng.choice(roster()),
            rng.choice(["example.com", "example.org", "example.net", "mail.example.com"]),
        )
        parts = {"f": _plain(who.first), "l": _plain(who.last), "i": _plain(who.first)[0], "n": digits(rng, 2)}
        return Value(form.format(**parts, d=domain, u=parts["f"].upper(), dn=domain.rpartition(".")[0]))

    return make


EMAIL: dict[str, Make] = {
    "dot": _email("{f}.{l}@{d}"),
    "initial_digits": _email("{i}{l}{n}@{d}"),
    "plus_tag": _email("{f}+jobs{n}@{d}"),
    "underscore": _email("{f}_{l}@{d}"),
    "hyphen": _email("{f}-{l}@{d}"),
    "upper_case": lambda rng: Value(_email("{f}.{l}@{d}")(rng).text.upper()),
    "long_suffix": _email("{f}@{l}.careers"),
    "apostrophe": _email("o'{l}@{d}"),
    "quoted": _email('"{f} {l}"@{d}'),
    "unicode": _email("{f}.ñandú@{d}"),
    "angle_brackets": lambda rng: Value(_email("{f}.{l}@{d}")(rng).text, "<", ">", wide=True),
    "mailto": lambda rng: Value(_email("{f}.{l}@{d}")(rng).text, "mailto:", "?subject=Shift", wide=True),
    "full_width_at": _email("{f}.{l}＠{d}"),
    "scanned_spacing": _email("{f}.{l} @ {d}"),
    "at_dot_brackets": _email("{f}.{l} [at] {dn} [dot] com"),
    "at_dot_words": _email("{f}.{l} at {dn} dot com"),
    "percent_encoded": _email("{f}.{l}%40{d}"),
    "line_break": _email("{f}.{l}@\n{d}"),
    "address_literal": _email("{f}@[192.0.2.{n}]"),
}


def _luhn(body: str) -> str:
    """``body`` with its check digit."""
    total = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(reversed(body)))
    return f"{body}{-total % 10}"


def card(prefixes: str, length: int, *groups: int, between: str = " ") -> Make:
    def make(rng: random.Random) -> Value:
        prefix = rng.choice(prefixes.split())
        text, parts = _luhn(prefix + digits(rng, length - 1 - len(prefix))), []
        for size in groups or (length,):
            parts.append(text[:size])
            text = text[size:]
        return Value(between.join(parts))

    return make


_FOURS, SIXTEEN = (4, 4, 4, 4), "424242 400000 555555 510510 222300 601111 356600 620000"
CARD: dict[str, Make] = {
    "fours_spaced": card(SIXTEEN, 16, *_FOURS),
    "fours_dashed": card(SIXTEEN, 16, *_FOURS, between="-"),
    "bare_sixteen": card(SIXTEEN, 16),
    "amex_spaced": card("378282 371449", 15, 4, 6, 5),
    "amex_dashed": card("378282 371449", 15, 4, 6, 5, between="-"),
    "amex_bare": card("378282 371449", 15),
    "diners_spaced": card("305693 385200", 14, 4, 6, 4),
    "diners_bare": card("305693 385200", 14),
    "nineteen": card("620000 601100", 19, 6, 13),
    "no_break_space": card(SIXTEEN, 16, *_FOURS, between="\u00a0"),
    "dotted": card(SIXTEEN, 16, *_FOURS, between="."),
    "en_dash": card(SIXTEEN, 16, *_FOURS, between="–"),
    "full_width": lambda rng: Value(card(SIXTEEN, 16, *_FOURS)(rng).text.translate(_FULL_WIDTH)),
    "two_spaces": card(SIXTEEN, 16, *_FOURS, between="  "),
    "spaces_around_dashes": card(SIXTEEN, 16, *_FOURS, between=" - "),
    "line_break": card(SIXTEEN, 16, 8, 8, between="\n"),
    "scanned_spacing": lambda rng: Value(" ".join(card(SIXTEEN, 16)(rng).text)),
    "letters_touching": lambda rng: Value(card(SIXTEEN, 16)(rng).text, "card"),
}
