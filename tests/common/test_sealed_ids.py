"""Ids that only the server reads."""

from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st

from hyperapi.common.sealed_ids import SealedIds

OLD, NEW = "a key of many characters from long ago", "a key of many characters of today"
NUMBERS = st.integers(0, 2**63 - 1)


@given(NUMBERS, NUMBERS)
def test_an_id_holds_its_number_and_hides_it(number: int, other: int) -> None:
    ids = SealedIds([OLD])
    sealed = ids.write(number, "alice")
    assert ids.read(sealed, "alice") == number
    assert ids.read(sealed.upper(), "alice") == number
    assert ids.write(number, "alice") == sealed
    assert (ids.write(other, "alice") == sealed) == (number == other)
    assert f"{number:016x}" not in sealed.replace("-", "")


def test_an_id_is_valid_for_what_it_is_bound_to_alone() -> None:
    ids = SealedIds([OLD])
    sealed = ids.write(1, "alice")
    assert ids.read(sealed, "bob") is None
    assert ids.read(str(uuid4()), "alice") is None
    assert SealedIds([NEW]).read(sealed, "alice") is None
    assert ids.write(2, "alice")[:23] != sealed[:23], "near numbers have ids that differ all over"


def test_keys_rotate() -> None:
    sealed = SealedIds([OLD]).write(7, "alice")
    both = SealedIds([OLD, NEW])
    assert both.read(sealed, "alice") == 7
    assert both.write(7, "alice") == SealedIds([NEW]).write(7, "alice") != sealed
