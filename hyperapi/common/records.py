"""Functions that convert rows of values, compiled for the shape of the rows, as named tuples are.

A compiled function costs a fraction of a loop over names or columns.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

Convert = Callable[[Any], Any]
Row = Sequence[Any]


class Inline:
    """A conversion that compiled functions contain, which costs a third of a call.

    :param expression: in Python, with ``{0}`` in place of the value. It uses no names.
    """

    def __init__(self, expression: str) -> None:
        self.expression = expression
        self._convert = compiled(f"lambda value: {expression.format('value')}")

    def __call__(self, value: Any) -> Any:
        return self._convert(value)


def tuples(
    width: int, conversions: Mapping[int, Convert]
) -> Callable[[Iterable[Row]], list[tuple[Any, ...]]]:
    """Return a function from rows to tuples with converted values.

    :param width: the number of values in a row.
    :param conversions: by place.
    """
    values = [f"_{place}" for place in range(width)]
    read, called = list(values), {}
    for place, convert in conversions.items():
        if isinstance(convert, Inline):
            read[place] = convert.expression.format(values[place])
        else:
            read[place] = f"convert_{place}({values[place]})"
            called[f"convert_{place}"] = convert
    source = f"[({', '.join([*read, ''])}) for {', '.join([*values, ''])} in rows]"
    made: Callable[[Iterable[Row]], list[tuple[Any, ...]]]
    made = _compiled(source, called)(*called.values())
    return made


def dicts(
    names: Sequence[str], converted: Sequence[str] = (), nullable: Collection[str] = ()
) -> Callable[..., Callable[[Iterable[Row]], list[dict[str, Any]]]]:
    """Return a function from conversions to a function from rows to dicts with these names.

    Values behind those with a name are ignored.

    :param converted: the names of the values that are converted, in the order of the conversions.
    :param nullable: the names of the values that may be null, which stays as it is.
    """
    pairs = []
    for place, name in enumerate(names):
        value = read = f"row[{place}]"
        if name in converted:
            read = f"convert_{converted.index(name)}({value})"
            read = f"None if {value} is None else {read}" if name in nullable else read
        pairs.append(f"{name!r}: {read}")
    source = f"[{{{', '.join(pairs)}}} for row in rows]"
    return _compiled(source, [f"convert_{place}" for place in range(len(converted))])


def _compiled(source: str, conversions: Iterable[str]) -> Callable[..., Callable[..., Any]]:
    """Return a function from conversions to a function of rows."""
    made: Callable[..., Callable[..., Any]]
    made = compiled(f"lambda {', '.join(conversions)}: lambda rows: {source}")
    return made


def compiled(source: str, **names: Any) -> Any:
    """Return the function of a lambda expression. Foreign text in it must be quoted by ``repr``.

    :param names: the names that it uses.
    """
    return eval(source, {"__builtins__": {"type": type}, **names})  # noqa: S307
