"""Selection of rows by filter for bulk operations: a query without order and pages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    delete,
)

from hyperapi.querying.page import Listing
from hyperapi.querying.page_statements import StatementKey
from hyperapi.querying.query_string import KeyOf, Parameter, Query, QueryError, QueryReader, Sort
from hyperapi.storage.database import Statement, Transaction
from hyperapi.storage.row_scope import RowScope, table_of


@dataclass(frozen=True)
class Selected:
    """The rows that a query selects.

    :param key: the parts of the query that decide the text of the conditions.
    :param values: the parameters of the conditions.
    """

    listing: Listing
    key: StatementKey
    values: Mapping[str, Any]

    def delete(self, tx: Transaction) -> int:
        """Delete the rows and return their number."""
        return _deletion(self.listing, self.key).run(tx, self.values)


@lru_cache(maxsize=256)
def _deletion(listing: Listing, key: StatementKey) -> Statement:
    return Statement(delete(table_of(listing.model)).where(*listing.where(key)))


class Selection:
    """The query parameters of a bulk operation on a collection.

    :param needs_filter: whether a filter or ``all=true`` is required.
    """

    def __init__(self, listing: Listing, *, needs_filter: bool = True) -> None:
        self.listing = listing
        self.needs_filter = needs_filter
        self.filters = listing.filters
        self.sorts: Mapping[str, Sort] = {}
        self.parameters = tuple(parameter.name for parameter in self.documented())

    def documented(self) -> list[Parameter]:
        """Return all parameters with descriptions and JSON Schema."""
        everything = Parameter(
            "all", "required when there is no filter", {"type": "string", "enum": ["true"]}
        )
        names = set(self.filters)
        filters = [each for each in self.listing.documented() if each.name in names]
        return [*filters, everything] if self.needs_filter else filters

    def of(
        self, query: Query, row_scope: RowScope, fixed: Mapping[str, Any], also: Mapping[str, Any]
    ) -> Selected:
        """Return the rows that ``query`` selects. The other parameters are those of a page."""
        key = self.listing.statement_key(query, row_scope, fixed)
        return Selected(self.listing, key, self.listing.values(query, row_scope, fixed, also))

    def parse(self, arguments: Iterable[tuple[str, str]], key_of: KeyOf) -> Query:
        """Parse the pairs of a query string. An empty value counts as absent.

        :raises QueryError: with every invalid or missing parameter.
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
