"""Conversions between members and columns, for members that are not stored as they are shown."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hyperapi.http.context import Context
from hyperapi.http.problems import invalid
from hyperapi.http.routes import Route
from hyperapi.storage.row_scope import Model, find, selected_columns, table_of


class Conversion(Protocol):
    """The conversion of one member."""

    @property
    def column(self) -> str:
        """The column that holds it; empty for the one with the member's name."""

    def to_column(self, ctx: Context, value: Any) -> Any:
        """The column's value for a member's."""

    def reader(self, ctx: Context) -> Callable[[Any], Any]:
        """A function from the column's value to the member's, for use over many rows."""


@dataclass(frozen=True)
class Choice:
    """One of a few words, stored as its number, so that a sort has their order."""

    words: Sequence[str]
    column: str = ""

    def to_column(self, ctx: Context, value: str) -> int:  # noqa: ARG002
        """The word's number."""
        return self.words.index(value)

    def reader(self, ctx: Context) -> Callable[[int], str]:  # noqa: ARG002
        """A function from number to word."""
        return self.words.__getitem__


@dataclass(frozen=True)
class Lines:
    """A list of texts without line feeds, stored as lines between line feeds."""

    column: str = ""

    def to_column(self, ctx: Context, value: list[str]) -> str:  # noqa: ARG002
        """The lines; empty for none."""
        return "\n" + "\n".join(value) + "\n" if value else ""

    def reader(self, ctx: Context) -> Callable[[str], list[str]]:  # noqa: ARG002
        """A function from lines to list."""
        return _split


def _split(lines: str) -> list[str]:
    return lines[1:-1].split("\n") if lines else []


@dataclass(frozen=True)
class Reference:
    """The URI of another resource of the same user, stored as its id.

    :param member: the member's name.
    :param route: the route of the other resource.
    :param model: its table.
    """

    member: str
    column: str
    route: Route
    model: Model

    def to_column(self, ctx: Context, value: str) -> str:
        """The id that a URI names.

        :raises Invalid: when the principal has no such resource; it does not say whether another
            user has.
        """
        key = ctx.uris.named_by(value, self.route.name)
        columns = selected_columns(self.model, "key")
        if key is None or find(ctx.tx, self.model, ctx.row_scope, key, columns) is None:
            raise invalid(
                f"/{self.member}", f"must be the URI of one of your {table_of(self.model).name}"
            )
        return key

    def reader(self, ctx: Context) -> Callable[[str], str]:
        """A function from id to URI."""
        return self.route.uri_of(ctx)
