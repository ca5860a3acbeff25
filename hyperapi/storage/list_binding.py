"""How rows behave for a token that is bound to one list. Every model declares it.

There is no default: a model without a declaration is an error at import.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListBinding:
    """The behaviour of one table. Use :data:`VISIBLE`, :data:`REFUSED` or :func:`by_list_column`.

    :param name: for messages.
    :param column: the column that holds the id of a row's list; None without one.
    """

    name: str
    column: str | None = None


VISIBLE = ListBinding("visible")
"""The token sees all rows of its user."""

REFUSED = ListBinding("refused")
"""The token sees no row, and adds none."""


def by_list_column(column: str) -> ListBinding:
    """The token sees the rows whose ``column`` holds the id of its list."""
    return ListBinding("by list column", column)
