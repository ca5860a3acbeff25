"""Conversions between members and columns, for members that are not stored as they are shown."""

from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, Protocol, get_args

from hyperapi.http.context import Context

Convert = Callable[[Any], Any]
OnDelete = Literal["restrict", "cascade", "clear"]


class Conversion(Protocol):
    """The conversion of one member. A null member is a null column, without conversion."""

    def column_of(self, member: str) -> str:
        """The name of the column that holds the member."""

    def writer(self, ctx: Context, values: Sequence[Any]) -> Convert:
        """A function from the member's value to the column's, for use over these values.

        It raises a ValueError, which says what the value must be.
        """

    def reader(self, ctx: Context) -> Convert:
        """A function from the column's value to the member's, for use over many rows."""


@dataclass(frozen=True)
class Choice:
    """One of a few words, stored as its number, so that a sort has their order.

    :param words: the words in order.
    :param column: the column; the one with the member's name when empty.
    """

    words: Sequence[str]
    column: str = ""

    def column_of(self, member: str) -> str:
        """The name of the column that holds the member."""
        return self.column or member

    def writer(self, ctx: Context, values: Sequence[str]) -> Convert:  # noqa: ARG002
        """A function from word to number."""
        return self.words.index

    def reader(self, ctx: Context) -> Convert:  # noqa: ARG002
        """A function from number to word."""
        return self.words.__getitem__


@dataclass(frozen=True)
class Lines:
    """A list of texts without line feeds, stored as lines between line feeds.

    :param column: the column; the one with the member's name when empty.
    """

    column: str = ""

    def column_of(self, member: str) -> str:
        """The name of the column that holds the member."""
        return self.column or member

    def writer(self, ctx: Context, values: Sequence[list[str]]) -> Convert:  # noqa: ARG002
        """A function from list to lines; empty for none."""
        return _joined

    def reader(self, ctx: Context) -> Convert:  # noqa: ARG002
        """A function from lines to list."""
        return _split


@dataclass(frozen=True)
class DeclaredReference:
    """What a :class:`hyperapi.extension.references.Reference` declares, which converts the values.

    The conversion needs the other resources of the application, and their declarations need this.
    """

    type: str
    _: KW_ONLY
    on_delete: OnDelete
    column: str = ""

    def __post_init__(self) -> None:
        if self.on_delete not in get_args(OnDelete):
            raise ValueError(f"on_delete is one of {', '.join(get_args(OnDelete))}")

    def column_of(self, member: str) -> str:
        """The name of the column that holds the id."""
        return self.column or member.removesuffix("_uri")


def unless_null(convert: Convert) -> Convert:
    """Return a conversion that leaves null as it is."""
    return lambda value: None if value is None else convert(value)


def _joined(texts: list[str]) -> str:
    return "\n" + "\n".join(texts) + "\n" if texts else ""


def _split(lines: str) -> list[str]:
    return lines[1:-1].split("\n") if lines else []
