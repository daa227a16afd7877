"""What the mask of a whole column passes over without a look holds nothing that a look would find."""

from __future__ import annotations

import random
import time

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from workbench import pii
from workbench.pii.suspects import SUSPECT

# What every finder looks for, whole and in pieces, and what stands between and beside.
PIECES = r"""
219-09-9999|219 09 9999|219.09.9999|219099999|SSN |ssn#|ss no 2|social security no |soc. sec |S.S.N: |815-555-0100
(815) 555-0100|+1 815 555 0100|+44 20 7946 0958|+442079460958|0044 20 7946 0958|020 7946 0958|(020) 7946 0958
07946 095812|call |Cell: |ph|text me at |number is|reach |voicemail|8155550100|555-0100|815)5550100| cell| (home| work
4111 1111 1111 1111|4111111111111111|3782 822463 10005|378282246310005|DE89 3704 0044 0532 0130 00|Checking account
GB82WEST12345698765432|gb82 west 1234 5698 7654 32|routing |aba#|021000021|sort code 12-34-56|Sort-Code: |12-34-56
12 Main St|12 MAIN ST|123 N. Oak Avenue, Apt 4|7-9 Old Mill Crescent|P.O. Box 12|po box #5|pobox 9|born 1/2/1990
DOB: 1990-01-02|Date of Birth |birthday |d.o.b. 1/2/90|5th of jan, 1990|Password: hunter22|pwd=abcdef|api key: abc12345
TOKEN=abc123def|secret 'abc|Bearer abcdefghijklmnop1234|Authorization: Basic dXNlcjpwYXNzMTIz|sk-abcdefghijklmnopqrstu1
sk_live_abcdefghij1|ghp_abcdefghijklmnopqrstuv1|AKIAIOSFODNN7EXAMPLE|eyJhbGciOi1.eyJzdWIiOi1|xoxb-12345678901|hf_|SG.|fax
a@b.com|a at b dot com|a (at) b.com|A [AT] B [DOT] COM|://u:pass1@h|-----BEGIN RSA PRIVATE KEY-----|order |2024-01-02
my password is hunter22|pw hunter22|hooks.slack.com/services/T1/B2/abcdefghijklmn0p|AccountKey=abc123def|ann%40acme.com
a.b @ c.com|a@\nb.com|"ann lee"@c.com|a@[192.0.2.1]|011 44 20 7946 0958|T 312 5550142|Cell312-555-0142|(312)\n555-0142
ssn 219/09/9999|ssn 2 1 9 - 0 9 - 9 9 9 9|SSN 2l9-O9-9999|Seguro Social: 219099999|telefono 5550142|ssn 219-099999
DOB;no\nAnn;219099999;1/2/1990|name,ssn\nAnn,219099999|Payroll tax\na\t219099999\t1
4111  1111  1111  1111|hf_ABcdEFghIJklMNopQRstUVwxYZabCD
4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1|41111111\n11111111|card4111111111111111|3782 - 822463 - 10005|219\n09\n9999
x|ext 5|1|0|00|2|31|ID|W-000123|12.50|06:30|é|２|•|٣
""".replace("\n", "|").strip("|").split("|")  # fmt: skip
PIECES = [piece.replace("\\n", "\n").replace("\\t", "\t") for piece in PIECES]
MARKS = [
    " ",
    "  ",
    "\n",
    "\r\n> ",
    "\t",
    "-",
    ".",
    "/",
    "(",
    ")",
    "+",
    ",",
    ":",
    "#",
    "$",
    "_",
    "'",
    '"',
    "=",
    "[",
    ";",
    "\0",
]
TYPED = "0123456789 -.()/\n\tabAB+:"


def a_text(rng: random.Random) -> str:
    """Pieces and marks, half of the time with strings of what people type among them; sometimes any characters."""
    kind = rng.randrange(5)
    if kind == 0:
        return "".join(chr(rng.choice((rng.randrange(128), rng.randrange(0xD800)))) for _ in range(rng.randrange(40)))
    parts = rng.choices(PIECES + MARKS, k=rng.randrange(8))
    if kind < 3:
        parts = [rng.choice((part, "".join(rng.choices(TYPED, k=rng.randrange(7))))) for part in parts]
    return "".join(parts)


@pytest.mark.parametrize("seed", range(40))
def test_a_column_is_masked_as_its_values_are_one_by_one(seed):
    """Ready-made texts cost less than those that hypothesis draws one by one, so there are more of them: 40,000."""
    rng = random.Random(seed)
    texts = [a_text(rng) for _ in range(1_000)]
    values = [text[seed % 5 : len(text) - rng.randrange(4)] for text in texts]
    masked = pii.mask_array(pa.array(values, pa.string()), None).to_pylist()
    assert [pair for pair in zip(masked, map(pii.mask_text, values), strict=True) if pair[0] != pair[1]] == []


@pytest.mark.parametrize("piece", [piece for piece in PIECES if pii.find(piece)])
def test_what_is_found_is_looked_at(piece):
    """Also at the ends of a long text, where a pattern that wants something before or after it would miss."""
    for text in (piece, f"{'x ' * 300}{piece}", f"{piece}{' x' * 300}", f"a\n{piece}\nb"):
        assert not pii.find(text) or pc.match_substring_regex(pa.array([text]), SUSPECT)[0].as_py(), text


def test_numbers_that_are_nobody_s_cost_little():
    texts = pa.array(
        [f"Lot {i:07d} at dock {i % 50}, {i % 30}.50 kg since 2024-01-{i % 28 + 1:02d} 06:30" for i in range(50_000)]
    )
    began = time.process_time()
    assert pii.mask_array(texts, None).equals(texts)
    whole = time.process_time() - began
    began = time.process_time()
    assert not any(map(pii.find, texts.slice(0, 2_500).to_pylist()))
    assert whole < time.process_time() - began  # twenty times as many in less time
