"""Fuzz the JSON extraction: random answers, good ones and broken ones, until the time is up.

``python benchmarks/extract.py --seconds 60 --seed 1`` prints how many answers were read, what became of them, and the
slowest character. It exits 1 on the first answer that is an error, whose span is not its value, or that is slow.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter

from workbench.llm.extract import Extracted, find_json

PIECES = [
    *('{"a":', '{"', "{", "}", "[", "]", '"', "\\", '\\"', ",", ":", "1", "-", "1e999", "NaN", "true", "null", "'"),
    *("```json\n", "```", "~~~", "`", "\n", " ", "\t", "\ufeff", "\u2028", "\x00", "\ud800", "é", "😀", "<think>"),
    *("</think>", '{"a": 1}', '{"fills": [{"candidate_id": "W-1"}]}', "{}", "[]", "// so", "/*", "Here it is: "),
]
SLOW_US = 60.0  # CPU for each character of an answer of 1,000 or more; a usual one takes 0.1 to 1
SHORT = 1000


def answer(rng: random.Random) -> str:
    """Pieces in any order; or a good answer with some of its characters changed, left out or said twice."""
    if rng.random() < 0.5:
        return "".join(rng.choices(PIECES, k=rng.choice([3, 10, 40, 2000])))
    rows = [
        {"candidate_id": f"W-{n}", "name": rng.choice(["Ann", 'B"o}', "Zoë"])} for n in range(rng.choice([1, 9, 99]))
    ]
    text = rng.choice(["{}", "```json\n{}\n```", "So {} then"]).replace("{}", json.dumps({"fills": rows}))
    for _ in range(rng.choice([0, 1, 3])):
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(["", text[at] * 2, rng.choice(PIECES)]) + text[at + 1 :]
    return text


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--quick", action="store_true", help="two seconds of it")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    if asked.quick:
        asked.seconds = 2.0
    rng, ends, slowest = random.Random(asked.seed), Counter[str](), 0.0
    until = time.monotonic() + asked.seconds
    while time.monotonic() < until:
        text = answer(rng)
        began = time.process_time()
        found = find_json(text)
        if len(text) >= SHORT:
            slowest = max(slowest, (time.process_time() - began) / len(text) * 1e6)
        if slowest > SLOW_US or (
            isinstance(found, Extracted) and json.loads(text[found.start : found.end]) != found.value
        ):
            print(f"Wrong or slow ({slowest:.1f} µs a character): {text!r}")
            return 1
        ends[found.how if isinstance(found, Extracted) else f"none: {found.why}"] += 1
    print(f"{sum(ends.values()):,} answers, the slowest {slowest:.2f} µs a character")
    for end, count in ends.most_common():
        print(f"  {count:>9,}  {end}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
