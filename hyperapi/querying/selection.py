"""What a filter selects, for doing the same to each: a query without an order or pages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    delete,
)

from hyperapi.querying.page import Asked, Listing, values_of
from hyperapi.querying.query import KeyOf, Parameter, Query, QueryError, QueryReader, Sort
from hyperapi.storage.database import Statement, Transaction
from hyperapi.storage.row_scope import RowScope, table_of


@dataclass(frozen=True)
class Selected:
    """What a filter selects.

    :param asked: all that decides the conditions' text; equal ones have the same.
    :param values: what the conditions leave open.
    """

    listing: Listing
    asked: Asked
    values: Mapping[str, Any]

    def delete(self, tx: Transaction) -> int:
        """Delete the rows, and tell how many there were."""
        return _deletion(self.listing, self.asked).run(tx, self.values)


@lru_cache(maxsize=256)
def _deletion(listing: Listing, asked: Asked) -> Statement:
    return Statement(delete(table_of(listing.model)).where(*listing.where(asked)))


class Selection:
    """What may be asked of a collection when the same is to be done to all that is selected.

    :param needs_filter: must there be a filter, or the words ``all=true``?
    """

    def __init__(self, listing: Listing, *, needs_filter: bool = True) -> None:
        self.listing = listing
        self.needs_filter = needs_filter
        self.filters = listing.filters
        self.sorts: Mapping[str, Sort] = {}
        self.parameters = tuple(parameter.name for parameter in self.documented())

    def documented(self) -> list[Parameter]:
        """All that may be asked, in words and as JSON Schema."""
        everything = Parameter(
            "all", "needed where there is no filter", {"type": "string", "enum": ["true"]}
        )
        names = set(self.filters)
        filters = [each for each in self.listing.documented() if each.name in names]
        return [*filters, everything] if self.needs_filter else filters

    def of(
        self, query: Query, row_scope: RowScope, fixed: Mapping[str, Any], also: Mapping[str, Any]
    ) -> Selected:
        """All rows that ``query`` selects; the other parameters are as a page's."""
        asked = self.listing.asked(query, row_scope, fixed)
        return Selected(self.listing, asked, values_of(query, row_scope, fixed, also))

    def parse(self, arguments: Iterable[tuple[str, str]], key_of: KeyOf) -> Query:
        """Read the pairs of a query string; an empty value is the same as an absent one.

        :raises QueryError: naming every parameter that is wrong, or that is missing.
        """
        reader = QueryReader(self, arguments, key_of)
        query = reader.query()
        said = reader.given.get("all")
        if said != ["true"] and (said or (self.needs_filter and not query.filters)):
            raise QueryError(
                [
                    {
                        "parameter": "all",
                        "detail": "must be true to select everything; otherwise add a filter",
                    }
                ]
            )
        return query
