"""What only looks like personal data in the corpus of `_pii_corpus`, and what may be masked or not."""

from __future__ import annotations

import random
import string

from _pii_values import SIXTEEN, Word, card, digits, roster


def _choice(*options: str) -> Word:
    return lambda rng: rng.choice(options)


def _unlike_card(rng: random.Random) -> str:
    """Sixteen digits whose check digit is wrong."""
    good = card(SIXTEEN, 16)(rng).text
    bad = good[:-1] + str((int(good[-1]) + rng.randrange(1, 10)) % 10)
    return rng.choice([bad, " ".join(bad[at : at + 4] for at in range(0, 16, 4))])


def _hex(count: int) -> Word:
    return lambda rng: "".join(rng.choices("0123456789abcdef", k=count))


def _guid(rng: random.Random) -> str:
    return "-".join(_hex(size)(rng) for size in (8, 4, 4, 4, 12))


def _isbn(rng: random.Random) -> str:
    return f"978-{rng.randrange(10)}-{digits(rng, 3)}-{digits(rng, 5)}-{rng.randrange(10)}"


def _day(rng: random.Random) -> str:
    return f"2026-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}"


WORDS: dict[str, Word] = {
    "zip4": lambda rng: f"{rng.randrange(10_000, 99_999)}-{digits(rng, 4)}",
    "zip": lambda rng: f"{rng.randrange(10_000, 99_999)}",
    "ein": lambda rng: f"{rng.randrange(10, 99)}-{digits(rng, 7)}",
    "order": lambda rng: f"JO-{digits(rng, 6)}",
    "po": lambda rng: f"PO-{digits(rng, 7)}",
    "invoice": lambda rng: rng.choice([f"INV-{digits(rng, 9)}", f"2026-{digits(rng, 5)}", digits(rng, 8)]),
    "nine": lambda rng: f"{rng.randrange(100_000_000, 899_999_999)}",
    "ten": lambda rng: f"{rng.randrange(1_000_000_000, 1_999_999_999)}",
    "stamp": lambda rng: f"{_day(rng)}T{rng.randrange(24):02d}:{rng.randrange(6)}5:09.{digits(rng, 6)}Z",
    "epoch": lambda rng: str(rng.randrange(1_700_000_000, 1_790_000_000)),
    "epoch_ms": lambda rng: str(rng.randrange(1_700_000_000_000, 1_790_000_000_000)),
    "date": lambda rng: rng.choice(
        [
            f"{rng.randrange(1, 13)}/{rng.randrange(1, 29)}/2026",
            f"2026-{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}",
            f"{rng.randrange(1, 29):02d}.{rng.randrange(1, 13):02d}.2026",
            f"{rng.randrange(1, 13):02d}-{rng.randrange(1, 29):02d}-2026",
        ]
    ),
    "range": lambda rng: f"{_day(rng)[5:].replace('-', '/')}/26-{_day(rng)[5:].replace('-', '/')}/26",
    "time": lambda rng: f"{rng.randrange(5, 12)}:{rng.choice(['00', '30', '45'])}",
    "pay": lambda rng: f"${rng.randrange(16, 60)}.{rng.choice(['00', '25', '50', '75'])}",
    "ip": lambda rng: ".".join(str(rng.randrange(1, 255)) for _ in range(4)),
    "ipv6": lambda rng: f"2001:db8:{_hex(4)(rng)}:{_hex(4)(rng)}::{_hex(2)(rng)}",
    "mac": lambda rng: ":".join(_hex(2)(rng) for _ in range(6)),
    "guid": _guid,
    "sha": _hex(40),
    "sha256": _hex(64),
    "part": lambda rng: rng.choice(
        [
            f"{digits(rng, 4)}-{digits(rng, 3)}-{digits(rng, 2)}",
            f"{rng.choice('ABX')}{digits(rng, 3)}-{digits(rng, 3)}-{digits(rng, 4)}",
            f"{digits(rng, 2)}-{digits(rng, 4)}-{digits(rng, 3)}",
        ]
    ),
    "impossible": lambda rng: f"{rng.choice(['000', '666'])}-{rng.randrange(10, 99)}-{digits(rng, 4)}",
    "version": lambda rng: rng.choice(
        [
            f"{digits(rng, 1)}.{rng.randrange(99)}.{rng.randrange(4000)}",
            f"{rng.randrange(100, 200)}.{rng.randrange(9)}.{rng.randrange(1000, 7000)}.{rng.randrange(10, 200)}",
            f"{rng.randrange(10, 20)}.{rng.randrange(10)}.{rng.randrange(100, 999)}-rc1",
        ]
    ),
    "isbn": _isbn,
    "coordinates": lambda rng: f"{rng.randrange(25, 48)}.{digits(rng, 6)}, -{rng.randrange(70, 120)}.{digits(rng, 6)}",
    "bad_card": _unlike_card,
    "tracking": lambda rng: rng.choice(
        [
            f"1Z{digits(rng, 3)}E{digits(rng, 2)}{digits(rng, 10)}",
            f"9400 1{digits(rng, 3)} {digits(rng, 4)} {digits(rng, 4)} {digits(rng, 4)} {digits(rng, 2)}",
        ]
    ),
    "thousands": lambda rng: f"{rng.randrange(1, 999)},{digits(rng, 3)},{digits(rng, 3)}",
    "amounts": lambda rng: f"{digits(rng, 3)}.{digits(rng, 2)} {rng.randrange(1000, 9999)}.{digits(rng, 2)}",
    "four": lambda rng: f"{rng.randrange(1000, 9999)}",
    "two": lambda rng: str(rng.randrange(10, 60)),
    "shift": lambda rng: f"{rng.randrange(5, 9)}00-{rng.randrange(13, 20)}30",
    "city": _choice("Rockford", "Joliet", "Aurora", "Gary", "Elgin", "Toledo", "Mesa", "Reno", "Plano"),
    "role": _choice("forklift operator", "CNA", "picker/packer", "CNC machinist", "line cook", "RN", "welder", "LPN"),
    "client": _choice("Acme Cold Storage", "Northwind Foods", "Lakeside Rehab", "Contoso Metals", "Fabrikam Logistics"),
    "stranger": _choice("Theodora Blackwell", "Quincy Applegate", "Marguerite Stonefield", "Barnaby Thistlewood"),
    "words": lambda rng: rng.choice(
        [
            "risk-assessment-2026-northwest-region",
            "desk-reservation-form-second-floor",
            "task-force-on-overtime-and-attendance",
            "disk-usage-report-warehouse-servers",
            "sk-learn",
            "ask-me-anything-about-benefits",
        ]
    ),
    "lower40": lambda rng: "".join(rng.choices(string.ascii_letters + string.digits, k=40)),
    "worker_digits": lambda rng: rng.choice(roster()).id[2:],
}

EITHER: dict[str, Word] = {
    "placeholder_ssn": _choice("000-00-0000", "XXX-XX-4321", "***-**-4321", "999-99-9999", "xxx-xx-xxxx"),
    "called_card": _unlike_card,
    "outside_name": WORDS["stranger"],
    "outside_worker": lambda rng: f"W-{rng.randrange(10_000, 99_999)}",
    "assignment": lambda rng: f"A-{rng.choice(roster()).id[2:]}-2",
    "service_address": _choice("git@github.com", "no-reply@example.com", "root@localhost.localdomain"),
    "toll_free": lambda rng: f"1-800-555-01{digits(rng, 2)}",
    "iban": lambda rng: (
        f"DE{digits(rng, 2)} {digits(rng, 4)} {digits(rng, 4)} {digits(rng, 4)} {digits(rng, 4)} {digits(rng, 2)}"
    ),
}
