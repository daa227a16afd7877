"""What callers hand to a named vector index, checked: items, ids, metadata, and conditions on metadata."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import DimensionError, InvalidError
from workbench.search.named.rows import CLEARED, VectorRows
from workbench.search.vectors.distance import Distance, check_vector, check_vectors

ID_CAP_BYTES = 1024
Value = tuple[str, Any]
"""A metadata value as it is compared: its kind and itself, so that 1 equals 1.0 and neither equals true or "1"."""

_FIELDS = {"id", "vector", "metadata"}


def check_items(items: Iterable[Mapping[str, Any]], dimension: int, distance: Distance) -> VectorRows:
    """``items`` {id, vector, metadata?} as rows, of an id that is there twice only the last.

    Metadata is a JSON object; absent or None says nothing, ``{}`` clears. One bad item refuses all: raises InvalidError
    or DimensionError whose message begins with the item's place (from 0) and id.
    """
    if isinstance(items, Mapping | str) or not isinstance(items, Iterable):
        raise InvalidError("Items are a list of {id, vector, metadata?}.", hint="Nothing was added.")
    given = list(items)
    said = [_check_item(place, item) for place, item in enumerate(given)]
    vectors = _check_all([item["vector"] for item in given], [key for key, _ in said], dimension, distance)
    last = {key: place for place, (key, _) in enumerate(said)}
    rows = list(last.values())
    # Earlier items of an id lose as if each had been added by itself: what they said of metadata stays.
    metadata: dict[str, str | None] = {}
    for key, text in said:
        metadata[key] = metadata.get(key) if text is None else text
    return VectorRows.present(list(last), vectors[rows], [metadata[key] for key in last])


def check_ids(ids: Iterable[str]) -> list[str]:
    """``ids`` each once, in their order. Raises InvalidError."""
    if isinstance(ids, str) or not isinstance(ids, Iterable):
        raise InvalidError("Ids are a list of texts.", hint="Nothing was done.")
    return list(dict.fromkeys(_check_id(f"Id {place}", key) for place, key in enumerate(ids)))


def normal(value: Any) -> Value:
    """A metadata value as it is compared."""
    if isinstance(value, bool):
        return "bool", value
    if isinstance(value, int | float):
        return "number", value
    if isinstance(value, str):
        return "text", value
    return "json", json.dumps(value, sort_keys=True)


def check_where(where: Mapping[str, Any] | None) -> dict[str, frozenset[Value]]:
    """A condition on metadata: for each key the values of which one must be there. A list means any of its items.

    Raises InvalidError for what is no JSON object.
    """
    if not where:
        return {}
    _check_json("The condition", where)
    return {k: frozenset(map(normal, v if isinstance(v, list | tuple) else [v])) for k, v in where.items()}


def _check_item(place: int, item: Any) -> tuple[str, str | None]:
    if not isinstance(item, Mapping) or "id" not in item or "vector" not in item:
        raise InvalidError(f"Item {place} is not {{id, vector, metadata?}}.", hint="Nothing was added.")
    key = _check_id(f"Item {place}", item["id"])
    if len(item) > 2 and (unknown := item.keys() - _FIELDS):
        raise InvalidError(
            f"Item {place} (id {key!r}) has {', '.join(map(repr, sorted(map(str, unknown))))} beside id, vector and "
            "metadata.",
            hint="Nothing was added. What is said of a vector belongs in its metadata.",
        )
    metadata = item.get("metadata")
    if metadata is None:
        return key, None
    return key, _check_json(f"The metadata of item {place} (id {key!r})", metadata) if metadata else CLEARED


def _check_id(what: str, key: Any) -> str:
    if not isinstance(key, str) or not key:
        raise InvalidError(f"{what} has the id {key!r}; an id is a text that is not empty.", hint="Nothing was done.")
    try:
        size = len(key) if key.isascii() else len(key.encode())
    except UnicodeEncodeError:
        raise InvalidError(f"{what} has an id that is no valid text: {key!r}.", hint="Nothing was done.") from None
    if size > ID_CAP_BYTES:
        raise InvalidError(f"{what} has an id of {size:,} bytes; {ID_CAP_BYTES:,} at most.", hint="Nothing was done.")
    return key


def _check_json(what: str, value: Any) -> str:
    try:
        if isinstance(value, Mapping) and all(isinstance(k, str) for k in value):
            text = json.dumps(dict(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            text.encode()
            return text
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidError(f"{what} is not JSON: {error}.", hint="Nothing was done.") from None
    raise InvalidError(f"{what} is not a JSON object with text keys.", hint="Nothing was done.")


def _check_all(vectors: Sequence[Any], ids: Sequence[str], dimension: int, distance: Distance) -> NDArray[np.float32]:
    if not vectors:
        return np.empty((0, dimension), np.float32)
    try:
        return check_vectors(vectors, dimension=dimension, distance=distance, what="index")
    except InvalidError:
        for place, (key, vector) in enumerate(zip(ids, vectors, strict=True)):
            _check_one(place, key, vector, dimension, distance)
        raise


def _check_one(place: int, key: str, vector: Any, dimension: int, distance: Distance) -> None:
    """Raise the error of this vector, if it has one, with its item's place and id."""
    try:
        check_vector(vector, dimension=dimension, distance=distance, what="index")
    except InvalidError as error:
        kind = DimensionError if isinstance(error, DimensionError) else InvalidError
        said = error.message.removeprefix("Vector 0 of 1 ")
        message = f"Item {place} (id {key!r}): {said if said == error.message else f'its vector {said}'}"
        raise kind(message, hint=error.hint, details=error.details | {"item": place, "id": key}) from None
