"""Python values as the engine can bind them, without loss: numbers, texts, times, and lists of one kind of these.

Kinds of other libraries (numpy, pandas, polars, Arrow) are known by the module of their type, so none is imported here.
What cannot be bound as it is is refused with words, never rounded or turned into text.
"""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from collections.abc import Callable, ItemsView, KeysView, Mapping, ValuesView
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any

from workbench.errors import InvalidError

MOST_DIGITS = 38  # of a DECIMAL (DuckDB 2.0)
LEAST_INT, MOST_INT = -(2**127), 2**127 - 1  # HUGEINT; DuckDB 2.0 gives UHUGEINT to Arrow with its sign wrong
EXACT_IN_DOUBLE = 2**53
_PLAIN = (bool, int, float, str, bytes, Decimal, dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID)
_NUMBERS = ("int", "float", "Decimal")
_FRAMES = frozenset({"DataFrame", "LazyFrame", "Table", "RecordBatch", "RecordBatchReader", "Relation"})


def bindable(name: str, value: Any) -> Any:
    """``value`` as a plain Python value or a list of them. Raises InvalidError naming ``name`` for any other."""
    items = _items(name, value)
    if items is None:
        return _scalar(name, value)
    found = [_scalar(name, item, inside=True) for item in items]
    _of_one_kind(name, found)
    return found


def _items(name: str, value: Any) -> list[Any] | None:
    """The items of a list, None for a value that is none."""
    if isinstance(value, enum.Enum):
        return None
    if isinstance(value, list | tuple | range | KeysView | ValuesView):
        return list(value)
    if isinstance(value, AbstractSet) and not isinstance(value, ItemsView):
        return _ordered(list(value))
    library = _library(value)
    if type(value).__name__ in _FRAMES:
        return None
    if library == "numpy" and getattr(value, "ndim", 0) == 1:
        return list(value)
    if library == "pandas" and hasattr(value, "to_numpy") and hasattr(value, "isna"):
        return [None if gone else item for item, gone in zip(value, value.isna(), strict=True)]
    if library == "polars" and hasattr(value, "to_list"):
        return list(value.to_list())
    if library == "pyarrow" and hasattr(value, "to_pylist"):
        return list(value.to_pylist())
    if library == "numpy" and getattr(value, "ndim", 0) > 1:
        raise InvalidError(
            f"{{{{{name}}}}} is an array of {value.ndim} dimensions; a list has one.",
            hint=f"{name} = {name}.ravel(), or make it a DataFrame and read it: FROM name",
        )
    return None


def _ordered(items: list[Any]) -> list[Any]:
    """The items of a set in an order that is the same in every run, where they have one."""
    try:
        return sorted(items)
    except TypeError:
        return sorted(items, key=repr)


def _library(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def _scalar(name: str, value: Any, *, inside: bool = False) -> Any:
    value = _unpacked(name, value)
    if value is None:
        return None
    for kind in _PLAIN:
        if isinstance(value, kind):
            check = _CHECKS.get(kind.__name__)
            return check(name, value) if check else value
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise _refused(name, value, inside=inside)


def _unpacked(name: str, value: Any) -> Any:
    """Without the wrapper of an enum or of another library."""
    if isinstance(value, enum.Enum):
        value = value.value
    library = _library(value)
    if library == "numpy":
        return _from_numpy(name, value)
    if library == "pandas":
        return _from_pandas(name, value)
    if library == "pyarrow" and hasattr(value, "as_py"):
        return _unpacked(name, value.as_py())
    return value


def _from_numpy(name: str, value: Any) -> Any:
    kind = getattr(getattr(value, "dtype", None), "kind", "")
    if getattr(value, "ndim", 0) or kind == "V":
        return value
    if kind in "mM":
        return _from_numpy_time(name, value)
    if kind == "f" and value.dtype.itemsize > 8:
        raise InvalidError(f"{{{{{name}}}}} has more digits than a DOUBLE.", hint=f"{name} = float({name})")
    return value.item() if hasattr(value, "item") else value


def _from_numpy_time(name: str, value: Any) -> Any:
    if str(value) == "NaT":
        return None
    unit = "m8[us]" if value.dtype.kind == "m" else "M8[us]"
    rounded = value.astype(unit)
    if (rounded.astype(value.dtype) != value) or not isinstance(rounded.item(), dt.datetime | dt.timedelta):
        raise _too_fine(name)
    # A day of numpy is a date; anything finer is a time.
    return rounded.item().date() if value.dtype.str.endswith("M8[D]") else rounded.item()


def _from_pandas(name: str, value: Any) -> Any:
    kind = type(value).__name__
    if kind in {"NaTType", "NAType"}:
        return None
    if kind in {"Timestamp", "Timedelta"}:
        if value.nanosecond if kind == "Timestamp" else value.nanoseconds:
            raise _too_fine(name)
        return value.to_pydatetime() if kind == "Timestamp" else value.to_pytimedelta()
    return value


def _too_fine(name: str) -> InvalidError:
    return InvalidError(
        f"{{{{{name}}}}} is a time finer than a microsecond, or out of range; binding it would change it.",
        hint=f'{name} = {name}.floor("us") in pandas, {name}.astype("M8[us]") in numpy',
    )


def _int(name: str, value: int) -> int:
    if not LEAST_INT <= value <= MOST_INT:
        raise InvalidError(
            f"{{{{{name}}}}} does not fit into a HUGEINT (128 bits with the sign).",
            hint=f"Bind it as text: {name} = str({name})",
        )
    return int(value)


def _decimal(name: str, value: Decimal) -> Decimal:
    if not value.is_finite():
        raise InvalidError(f"{{{{{name}}}}} is {value}; a DECIMAL has no such value.", hint=f"{name} = float({name})")
    before, after = _widths(value)
    if before + after > MOST_DIGITS:
        raise InvalidError(
            f"{{{{{name}}}}} has {before + after} digits; a DECIMAL has {MOST_DIGITS}.", hint=f"{name} = float({name})"
        )
    return value


def _widths(value: Decimal) -> tuple[int, int]:
    """Digits before and after the point."""
    _, digits, exponent = value.as_tuple()
    scale = max(-int(exponent), 0)
    return max(len(digits) + int(exponent), 0), scale


def _str(name: str, value: str) -> str:
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise InvalidError(
            f"{{{{{name}}}}} holds half a character (a lone surrogate), which no text can hold.",
            hint=f'{name} = {name}.encode("utf-8", "replace").decode()',
        )
    return str(value)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {"int": _int, "Decimal": _decimal, "str": _str}


def _refused(name: str, value: Any, *, inside: bool) -> InvalidError:
    kind = type(value).__name__
    where = f"an item of {{{{{name}}}}}" if inside else f"{{{{{name}}}}}"
    if kind in _FRAMES or kind in {"Result", "Hits", "Answer"}:
        hint = (
            f"A table is read by its name: FROM {name}, without braces. A column of it: x = {name}['…'], then {{{{x}}}}"
        )
    elif isinstance(value, Mapping):
        hint = f"Bind one of its values: x = {name}['…'], then {{{{x}}}}; or its keys: x = list({name})"
    elif inside and isinstance(value, list | tuple | AbstractSet):
        hint = "A list is flat. Tables of values are read as a DataFrame: FROM name"
    elif callable(value):
        hint = f"Call it first: x = {name}(…), then {{{{x}}}}"
    else:
        hint = f"Bound are numbers, texts, times and lists of these. x = str({name}), then {{{{x}}}}"
    return InvalidError(f"A value of type {kind} cannot be bound ({where}).", hint=hint)


def _of_one_kind(name: str, items: list[Any]) -> None:
    """Refuse a list whose items only agree after a change of value."""
    kinds = sorted({_kind(item) for item in items if item is not None})
    if len(kinds) <= 1 and "Decimal" not in kinds and "int" not in kinds:
        return
    if any(kind not in _NUMBERS for kind in kinds):
        if len(kinds) > 1:
            raise InvalidError(
                f"{{{{{name}}}}} is a list of several kinds: {', '.join(kinds)}.",
                hint=f"Make them one kind first: {name} = [str(x) for x in {name}]",
            )
        return
    _check_numbers(name, [item for item in items if item is not None], set(kinds))


def _check_numbers(name: str, numbers: list[Any], kinds: set[str]) -> None:
    whole = [n for n in numbers if isinstance(n, int)]
    far = False
    lost = "float" in kinds and ("Decimal" in kinds or any(abs(n) > EXACT_IN_DOUBLE for n in whole))
    if "Decimal" in kinds:
        widths = [_widths(Decimal(n)) for n in numbers if not isinstance(n, float)]
        far = max(w[0] for w in widths) + max(w[1] for w in widths) > MOST_DIGITS
    if far or lost:
        raise InvalidError(
            f"The numbers of {{{{{name}}}}} have no common type that holds each of them exactly.",
            hint=f"Make them one kind first: {name} = [float(x) for x in {name}]",
        )


def _kind(item: Any) -> str:
    for kind in _PLAIN:
        if isinstance(item, kind):
            zoned = isinstance(item, dt.datetime | dt.time) and item.tzinfo is not None
            return f"{kind.__name__} with a time zone" if zoned else kind.__name__
    return type(item).__name__
