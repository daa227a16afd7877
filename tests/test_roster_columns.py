"""Whole columns of known values: the same roster as value by value, and several times sooner."""

from __future__ import annotations

import random
import time
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from workbench.pii.hashes import Hashes, in_order, wrapped
from workbench.pii.kinds import KINDS
from workbench.pii.roster import Roster

PIECES = [
    "Jane", "DOE", "o'neil", "Mary-Ann", "Jr.", "Dr.", "Q", "x", "José", "山田太郎", "will", "van", "der", "Berg", "12",
    "4711", "W-104233", "(815) 555-0101", "+1 815-555-0101 x12", "078-05-1120", "1980-03-04 00:00:00", "03/04/1980",
    "a@b.example", ".A@B.example. ", "GB29 NWBK 6016 1331 9268 19", "Oak St", "Apt 4", ",", " , ", "\n", "\t", "",
    " ", "•", "\x1c", "seven-letter", "abcdefgh",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=8).map(" ".join) | st.sampled_from(PIECES)


def state(of: Roster) -> dict[str, Any]:
    """All that a roster knows."""

    def told(value: Any) -> Any:
        if isinstance(value, Hashes):
            return list(value._sorted)
        if isinstance(value, dict):
            return {key: told(inner) for key, inner in value.items()}
        return (
            vars(value) and {key: told(inner) for key, inner in vars(value).items()}
            if hasattr(value, "add") and (hasattr(value, "settle"))
            else value
        )

    return {name: told(value) for name, value in vars(of).items()}


@given(st.sampled_from([*KINDS, "badge"]), st.lists(TEXTS | st.none(), max_size=12))
@example("name", ["Doe, Jane", "Doe, Jane Mary", "Doe,", ", Doe Jane", "a b c d e f g h", "An Be Cor Da El Fi Go"])
@example("address", ["12 Oak St", "12", " ".join("abcdefghijklmn"), "w 1234", "W-1234", "12-34567"])
@example("phone", ["1" * 11, "1", "11234567", "0049 30 1234567 123", "call me", "555-0101"])
def test_a_column_is_known_as_its_values_one_by_one(kind: str, texts: list[str | None]) -> None:
    values = [(kind, one) for one in texts if one is not None]
    half = len(texts) // 2
    parts = [(kind, pa.array(part, pa.string())) for part in (texts[:half], texts[half:])]
    assert state(Roster(columns=parts)) == state(Roster(values))


def test_what_stands_in_a_column_is_covered() -> None:
    roster = Roster(
        columns=[
            ("name", pa.array(["Jane Doe", "Lopez, María", None])),
            ("phone", pa.array(["8155550101"])),
            ("address", pa.array(["12 Oak Street, Apt 4"])),
        ]
    )
    text = "doe jane, Maria Lopez, J. Doe at 12 oak street apt 4 or 815-555-0101; Jane Roe at 12 Oak Avenue"
    assert roster.mask(text).count("•" * 6) == 5
    assert roster.mask(text).endswith("; Jane Roe at 12 Oak Avenue")


@given(st.sets(st.integers(-(2**63), 2**63 - 1)), st.integers(-(2**63), 2**63 - 1))
def test_a_set_of_hashes_holds_what_was_added_and_nothing_else(known: set[int], other: int) -> None:
    hashes = Hashes()
    for one in known:
        hashes.add(one)
    hashes.settle()
    assert all(one in hashes for one in known)
    assert (other in hashes) is (other in known)
    assert len(hashes) == len(known)


@pytest.mark.parametrize("number", [0, 2**63, -(2**63) - 1, 2**64, 3 * 2**70 + 5])
def test_sums_overflow_as_numpy_has_it(number: int) -> None:
    assert -(2**63) <= wrapped(number) < 2**63
    assert (wrapped(number) - number) % 2**64 == 0
    assert in_order([1, 2]) != in_order([2, 1])


def test_a_column_is_several_times_as_fast_as_its_values() -> None:
    chosen = random.Random(1)
    words = ["".join(chosen.choices("abcdefghij", k=6)) for _ in range(2_000)]
    names = [f"{chosen.choice(words)} {chosen.choice(words)}" for _ in range(30_000)]
    column = pa.array(names)
    start = time.process_time()
    Roster(("name", one) for one in names)
    middle = time.process_time()
    Roster(columns=[("name", column)])
    assert (middle - start) > 2 * (time.process_time() - middle)
