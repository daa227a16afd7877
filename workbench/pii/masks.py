"""Masks: personal data covered in a text, a value, an Arrow array or a table.

Two ways to know what to hide: a tagged column is covered value by value, whatever stands in it; every other text is
covered where `find` finds something.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from workbench.pii.kinds import COVER, KINDS, Kind
from workbench.pii.plain import to_plain
from workbench.pii.spans import find
from workbench.pii.suspects import SUSPECT

WHOLE = COVER * 6  # always six, so that the length of what it covers is not told
ROUNDS = 8

_PART = COVER * 3
_LEAST_PHONE = 7  # digits; a shorter number would be half told by its last two
# What no text without it can hold personal data: a digit, an @ (also spelled out), the beginning of a key that may have
# no digit, the name of a password, the line above a private key, or a character that may be a look-alike of
# one of these.
_SUSPECT = r"(?i)[0-9@]|hf_|gh[pousr]_|akia|asia|[^\x00-\x7f]|passw|pwd| dot |[(\[]at[)\]]|-----begin "
_SUSPICIOUS = re.compile(_SUSPECT)
_FEW = 64  # values; so many are masked one by one in less time than Arrow takes to look at them
_MANY, _SAMPLE = 4_096, 512  # rows
_ENDING = re.compile(r"\.([A-Za-z]{2,4})\Z")


def mask_text(text: str, *, rounds: int = ROUNDS) -> str:
    """The text with everything covered that `find` finds; the rest stays. Masking it again changes nothing.

    A cover can bring a new find to light beside it, so this looks again until there is none. A text that goes on for
    ``rounds`` was built to deceive and is covered whole; that also keeps the time linear.
    """
    if not _SUSPICIOUS.search(text):
        return text
    for _ in range(rounds):
        spans = find(text)
        if not spans:
            return text
        pieces, done = [], 0
        for span in spans:
            pieces += [text[done : span.start], WHOLE]
            done = span.end
        text = "".join([*pieces, text[done:]])
    return WHOLE if find(text) else text


def mask_value(value: str, kind: str) -> str:
    """A value of a tagged column, covered but for a little that helps people and identifies nobody.

    name: initials of the first and the last word, ``A•• L••``. email: the first letter and the end of the domain,
    ``a•••@•••.com``. phone: the last two digits, ``••••••47``. Any other kind, known or not: ``••••••``. A blank stays
    blank in a column of a known kind: that a phone is missing is no secret.
    """
    if kind in KINDS and not value.strip():
        return value
    little = _LITTLE.get(kind)
    return little(value) if little else WHOLE


def mask_array(array: pa.Array | pa.ChunkedArray, kind: str | None) -> pa.Array | pa.ChunkedArray:
    """All values masked; nulls stay. Never changes the length.

    With a kind (also an unknown one) the result is a string array, each value through `mask_value`; what is neither
    text nor a whole number is covered whole. Without one the type stays and texts go through `mask_text`, also those
    inside lists, structs, maps, unions, dictionaries and extension types, and those in binary values.
    """
    if isinstance(array, pa.ChunkedArray):
        if not kind and _repeats(array):
            return _mask_repeated(array)
        kept = pa.string() if kind else array.type
        return pa.chunked_array([mask_array(chunk, kind) for chunk in array.chunks], type=kept)
    if kind:
        return _mask_tagged(array, kind)
    return _mask_untagged(array) if _may_hold_text(array.type) else array


def mask_table(table: pa.Table, kinds: Mapping[str, str]) -> pa.Table:
    """The table with every column masked; ``kinds``: tagged column → kind. Tagged columns become strings."""
    arrays = [
        mask_array(column, kinds.get(name)) for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    fields = [field.with_type(array.type) for field, array in zip(table.schema, arrays, strict=True)]
    return pa.table(arrays, schema=pa.schema(fields))


def _initials(name: str) -> str:
    # A sign of a script without capitals is a syllable or a whole surname, not an initial.
    firsts = [word[0] for word in re.split(r"[\s,;/]+", name) if word and word[0].lower() != word[0].upper()]
    kept = [firsts[0], firsts[-1]] if len(firsts) > 1 else firsts
    return " ".join(first + COVER * 2 for first in kept) or WHOLE


def _email_ends(email: str) -> str:
    local, at, domain = email.strip().partition("@")
    if not at or "@" in domain:
        return WHOLE
    first = local[0] if len(local) > 1 and local[0].isalpha() else ""
    ending = _ENDING.search(domain)
    return f"{first}{_PART}@{_PART}{ending[0] if ending else ''}"


def _last_digits(phone: str) -> str:
    digits = re.sub(r"[^0-9]", "", to_plain(phone)[0])
    return WHOLE + digits[-2:] if len(digits) >= _LEAST_PHONE else WHOLE


_LITTLE: Mapping[str, Callable[[str], str]] = {
    Kind.NAME: _initials,
    Kind.EMAIL: _email_ends,
    Kind.PHONE: _last_digits,
}


def _mask_tagged(array: pa.Array, kind: str) -> pa.Array:
    array = _plain_storage(array)
    if kind not in KINDS or not (_is_text(array.type) or pa.types.is_integer(array.type)):
        return pc.if_else(array.is_valid(), pa.scalar(WHOLE), pa.scalar(None, pa.string()))
    return _each_once(array.cast(pa.string()), lambda value: mask_value(value, kind))


def _plain_storage(array: pa.Array) -> pa.Array:
    """The array without its dictionary, runs or extension type."""
    if isinstance(array, pa.ExtensionArray):
        return _plain_storage(array.storage)
    if isinstance(array, pa.DictionaryArray):
        return _plain_storage(array.dictionary_decode())
    if isinstance(array, pa.RunEndEncodedArray):
        return _plain_storage(pc.run_end_decode(array))
    return array


def _each_once(array: pa.Array, mask: Callable[[str], str]) -> pa.Array:
    """``mask`` of every value of a string array, called once for equal ones."""
    if len(array) <= _FEW:
        return pa.array([None if value is None else mask(value) for value in array.to_pylist()], array.type)
    encoded = array.dictionary_encode()
    masked = pa.array([mask(value) for value in encoded.dictionary.to_pylist()], array.type)
    return masked.take(encoded.indices)


def _repeats(array: pa.ChunkedArray) -> bool:
    """Whether it looks like a column of few texts, by its first rows; then looking at each text once is cheaper."""
    if len(array) < _MANY or array.type not in {pa.string(), pa.large_string()}:
        return False
    return len(pc.unique(array.slice(0, _SAMPLE))) <= _SAMPLE // 8


def _mask_repeated(array: pa.ChunkedArray) -> pa.ChunkedArray:
    values = pc.unique(array)  # half the work of a dictionary, and mostly there is nothing to cover
    if _mask_untagged(values).equals(values):
        return array
    encoded = array.dictionary_encode().unify_dictionaries()
    masked = _mask_untagged(encoded.chunk(0).dictionary)
    return pa.chunked_array([masked.take(chunk.indices) for chunk in encoded.chunks], type=array.type)


def _mask_untagged(array: pa.Array) -> pa.Array:
    kind = array.type
    if not _may_hold_text(kind) or not len(array):
        return array
    if _is_text(kind):
        few = len(array) <= _FEW  # then two casts would take longer than the masking
        return _each_once(array, mask_text) if few else _mask_texts(array.cast(pa.large_string())).cast(kind)
    if _is_binary(kind):
        return _mask_binary(array)
    if isinstance(array, pa.ExtensionArray):
        return pa.ExtensionArray.from_storage(kind, _mask_untagged(array.storage))
    if isinstance(array, pa.DictionaryArray):
        values = _mask_untagged(array.dictionary)
        return pa.DictionaryArray.from_arrays(array.indices, values, ordered=kind.ordered, safe=False)
    if isinstance(array, pa.RunEndEncodedArray):
        decoded = _mask_untagged(pc.run_end_decode(array))
        return pc.run_end_encode(decoded, run_end_type=kind.run_end_type)
    return _mask_nested(array)


def _mask_nested(array: pa.Array) -> pa.Array:
    kind = array.type
    if isinstance(array, pa.StructArray):
        fields = [_mask_untagged(array.field(place)) for place in range(kind.num_fields)]
        return pa.StructArray.from_arrays(fields, fields=list(kind), mask=array.is_null())
    if isinstance(array, pa.UnionArray):
        return _mask_union(array)
    # A list of any make or a map: its values stay where they are, so its offsets and nulls stay too.
    buffers = array.buffers()[: kind.num_buffers]
    values = _mask_untagged(array.values)
    return pa.Array.from_buffers(kind, len(array), buffers, array.null_count, array.offset, children=[values])


def _mask_union(array: pa.UnionArray) -> pa.UnionArray:
    kind = array.type
    names = [kind.field(place).name for place in range(kind.num_fields)]
    fields = [_mask_untagged(array.field(place)) for place in range(kind.num_fields)]
    # `type_codes` and `offsets` of a slice begin with the first row of the whole array (pyarrow 26); the buffers tell.
    _, codes, *offsets = array.buffers()[: kind.num_buffers]
    which = _rebased(pa.int8(), array, codes)
    if kind.mode == "sparse":
        return pa.UnionArray.from_sparse(which, fields, names, kind.type_codes)
    return pa.UnionArray.from_dense(which, _rebased(pa.int32(), array, offsets[0]), fields, names, kind.type_codes)


def _rebased(kind: pa.DataType, array: pa.Array, buffer: pa.Buffer) -> pa.Array:
    """The numbers of one buffer that belong to the rows of ``array``, as an array with offset 0."""
    return pa.array(pa.Array.from_buffers(kind, len(array), [None, buffer], 0, array.offset).to_numpy())


def _mask_texts(texts: pa.Array) -> pa.Array:
    """A large_string array through `mask_text`; only what may hold something is looked at, and that once."""
    suspect = pc.fill_null(pc.match_substring_regex(texts, SUSPECT), fill_value=False)
    if not pc.any(suspect).as_py():
        return texts
    return pc.replace_with_mask(texts, suspect, _each_once(texts.filter(suspect), mask_text))


def _mask_binary(array: pa.Array) -> pa.Array:
    """Text in any encoding that keeps ASCII is found; bytes that are no UTF-8 stay as they are."""
    width = array.type.byte_width if pa.types.is_fixed_size_binary(array.type) else 0
    return pa.array([None if value is None else _mask_bytes(value, width) for value in array.to_pylist()], array.type)


def _mask_bytes(value: bytes, width: int) -> bytes:
    text = value.decode("utf-8", "surrogateescape")
    masked = mask_text(text)
    if masked == text:
        return value
    changed = masked.encode("utf-8", "surrogateescape")
    # A value of fixed width has no room for a cover inside: all of it is covered, without a torn character.
    return changed if not width else (COVER.encode() * (width // len(COVER.encode()))).ljust(width)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_binary(kind: pa.DataType) -> bool:
    makes = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view, pa.types.is_fixed_size_binary)
    return any(make(kind) for make in makes)


def _may_hold_text(kind: Any) -> bool:
    if isinstance(kind, pa.BaseExtensionType):
        return _may_hold_text(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _may_hold_text(kind.value_type)
    return (
        _is_text(kind)
        or _is_binary(kind)
        or any(_may_hold_text(kind.field(place).type) for place in range(kind.num_fields))
    )
