"""Functions that convert rows."""

from hyperapi.common.records import Inline, dicts, tuples

ROWS = [(1, "a", None), (0, None, "b")]


def test_tuples_have_the_converted_values() -> None:
    shout = Inline("{0} and {0}.upper()")
    assert tuples(3, {0: bool, 1: shout})(ROWS) == [(True, "A", None), (False, None, "b")]


def test_rows_of_one_value_stay_tuples() -> None:
    assert tuples(1, {0: str})([(1,), (2,)]) == [("1",), ("2",)]


def test_an_inline_conversion_can_be_called() -> None:
    assert Inline("{0} or 7")(0) == 7


def test_dicts_have_names_and_converted_values() -> None:
    of = dicts(("number", "it's"), ("it's", "number"), {"it's"})
    assert of(str.upper, str)(ROWS) == [
        {"number": "1", "it's": "A"},
        {"number": "0", "it's": None},
    ]
