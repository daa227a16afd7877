"""Messages for the guard against social security numbers: full of other numbers, and with one planted.

Written from the contract alone (staffing.md, Validators), without sight of the patterns.
"""

from __future__ import annotations

import random

_PHONES = (
    "({a}) {b}-{c}", "{a}-{b}-{c}", "{a}.{b}.{c}", "{a} {b} {c}", "{a}{b}{c}", "+1 {a} {b} {c}", "+1-{a}-{b}-{c}",
    "1-{a}-{b}-{c}", "+1{a}{b}{c}", "1 ({a}) {b}-{c}", "({a}){b}-{c}", "{a}-{b}-{c} ext. {e}", "{a}/{b}-{c}",
    "{a}\u2013{b}\u2013{c}", "{a}\u00a0{b}\u00a0{c}", "{b}-{c}", "+44 20 {c} {d}", "+49 30 {c}{e}", "+41 44 {b} 18 00",
    "020 {c} {d}",
)  # fmt: skip
_NUMBERS = (
    "zip {z}-{c}", "{z}-{c}", "EIN 07-805{c}", "EIN {e2}-{s7}", "PO {n9}", "order JO-{n6}", "order {n9}", "W-{n6}",
    "(W-{n9})", "worker id {n9}", "invoice {n9}", "CL-{c}", "11/23/2026", "2026-11-23", "7:00-15:30", "$1,250.00",
    "ticket #{n9}", "{n6} units", "badge {c}", "{e2} x {e2}",
)  # fmt: skip
_WORDS = (
    "Call me at {}.", "Reach Dana on {} after 5.", "Questions to {}.", "Office {}, thanks.", "{} is the dock line.",
    "Text {} or", "Please confirm {} today.", "Our fax: {};", "See {}.", "My cell is {}!", "Ship to Joliet IL {}.",
    "Reference {} applies.", "{}", "Back-up:\n{}\n", "- {}\n",
)  # fmt: skip
_MARKS = ("-", "\u2013", "\u2014", "\u2011", ".", " ", "\u00a0", " - ", "-\n", " \n")
_AROUND = (
    "His number: {}.",
    "SSN {}",
    "({})",
    "It is {} as you asked.",
    "social security: {}\nThanks",
    "id={}",
    "\n{}\n",
)
_SAID = (
    "SSN {}",
    "SSN: {}",
    "ssn is {}",
    "SS# {}",
    "social security number {}",
    "{} is the SSN",
    "Social Security: {}",
)


def phone_text(rng: random.Random) -> str:
    """Up to nine sentences with phones, zip+4, EINs, orders and ids; no social security number."""
    return " ".join(rng.choice(_WORDS).format(_other_number(rng)) for _ in range(rng.randint(3, 9)))


def _other_number(rng: random.Random) -> str:
    digits = {
        "a": rng.randint(200, 999), "b": rng.randint(200, 999), "c": f"{rng.randint(0, 9999):04}",
        "d": f"{rng.randint(0, 9999):04}", "e": rng.randint(100, 999), "e2": rng.randint(10, 99),
        "z": f"{rng.randint(501, 99950):05}", "n6": rng.randint(100_000, 999_999),
        "s7": rng.randint(1_000_000, 9_999_999),
        "n9": rng.randint(100_000_000, 999_999_999),
    }  # fmt: skip
    return rng.choice(_PHONES if rng.random() < 0.6 else _NUMBERS).format(**digits)


def planted_text(rng: random.Random) -> str:
    """A text with one social security number: in a notation with marks anywhere, or bare beside its name."""
    area, group, serial = f"{rng.randint(1, 899):03}", f"{rng.randint(1, 99):02}", f"{rng.randint(1, 9999):04}"
    if rng.random() < 0.25:
        number, around = f"{area}{group}{serial}", rng.choice(_SAID)
    else:
        mark = rng.choice(_MARKS)
        # "Across a line break": across one; three numbers in a column are three numbers.
        second = rng.choice(_MARKS[:-1]) if rng.random() < 0.2 or mark == " \n" else mark
        number, around = f"{area}{mark}{group}{second}{serial}", rng.choice(_AROUND)
    if rng.random() < 0.25:
        number = number.translate({ord("0") + n: 0xFF10 + n for n in range(10)})
    return f"Hello Dana,\n\n{around.format(number)}\n\nCall (312) 555-0144 with questions."
