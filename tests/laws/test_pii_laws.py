"""Laws of personal data: for any text, found in order, covered once and for all."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import example, given
from hypothesis import strategies as st

from workbench import pii

# Pieces that finds are made of, so that drawn texts come near them.
PIECES = st.sampled_from(
    ["123-45-6789", "123456789", "ssn ", "312-555-0147", "ann@acme.com", "@", ".", "-", " ", "\n", "•", "••••••",
     "call ", "password: ", "=", "://", ":", "4111 1111 1111 1111", "GB82 WEST 1234 5698 7654 32", "routing ",
     "12 Main St", "born ", "04/12/1988", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "eyJ",
     "sk-", " at ", " dot com", "+", "(", "00", "1", "\u200b", "１", "İ", "\ud800", "𝟏", "x204", "api_key"]
)  # fmt: skip
ANY = st.text(max_size=40) | st.text(st.characters(), max_size=12)
TEXTS = st.lists(PIECES | ANY, max_size=12).map("".join)
VALID = TEXTS.map(lambda text: text.encode("utf-8", "ignore").decode())


@given(TEXTS)
def test_finds_stand_in_order_inside_the_text(text):
    end = 0
    for span in pii.find(text):
        assert end <= span.start < span.end <= len(text)
        assert span.kind in pii.KINDS
        end = span.end


@given(TEXTS)
@example("ssn 123-45-6789 123-45-6789")
def test_masking_again_changes_nothing(text):
    masked = pii.mask_text(text)
    assert pii.mask_text(masked) == masked
    assert pii.find(masked) == ()


@given(VALID, st.sampled_from(["", "ssn: ", "call ", "order "]), VALID)
def test_a_planted_ssn_does_not_survive(before, cue, after):
    masked = pii.mask_text(f"{before} {cue}539-48-0761 {after}")
    assert not any(part in masked for part in ("539-", "-48-", "-0761", "0761"))


@given(VALID, VALID)
def test_a_planted_address_does_not_survive(before, after):
    masked = pii.mask_text(f"{before} zoraquill@wexmoor.com {after}")
    assert "zoraquill" not in masked
    assert "wexmoor" not in masked


@given(st.lists(st.none() | VALID, max_size=8))
def test_an_array_is_masked_like_its_texts(texts):
    masked = pii.mask_array(pa.array(texts, pa.string()), None)
    assert masked.to_pylist() == [None if text is None else pii.mask_text(text) for text in texts]


@given(st.lists(st.none() | VALID, max_size=8), st.sampled_from([*pii.KINDS, "derived"]))
def test_a_tagged_array_is_masked_like_its_values(texts, kind):
    masked = pii.mask_array(pa.array(texts, pa.string()), kind)
    assert masked.to_pylist() == [None if text is None else pii.mask_value(text, kind) for text in texts]


@given(TEXTS, st.sampled_from([*pii.KINDS, "derived"]))
def test_a_mask_tells_four_characters_at_most(text, kind):
    """Beside covers, blanks and the frame of an address: initials, two digits, or a letter and an ending."""
    left = set(pii.mask_value(text, kind)) - set("•@. ") if text.strip() else set()
    assert len(left) <= 5


@given(TEXTS, st.lists(st.none() | TEXTS, max_size=5))
def test_a_tag_is_a_kind_or_none(name, values):
    assert pii.tag_column(name, values) in {"", *pii.KINDS}
