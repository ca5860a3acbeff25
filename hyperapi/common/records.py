"""Dicts with the same names, made from rows of values."""

from collections.abc import Callable, Sequence
from typing import Any

Record = Callable[..., dict[str, Any]]


def record(names: Sequence[str]) -> Record:
    """Return a function from the values of a row to a dict with these names.

    It takes the values as arguments, and ignores those without a name. It is compiled for the
    names, as that of a named tuple is: ``dict(zip(names, row))`` costs several times as much.
    """
    values = [f"_{place}" for place in range(len(names))]
    pairs = ", ".join(f"{name!r}: {value}" for name, value in zip(names, values, strict=True))
    source = f"lambda {', '.join([*values, '*_'])}: {{{pairs}}}"
    made: Record = eval(source, {"__builtins__": {}})  # noqa: S307 - quoted names of our code
    return made
