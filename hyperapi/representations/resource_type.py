"""Resource types: what every representation of a resource has, declared beside the resource.

Documents promise what a resource type says, and the tests hold every reply to it. A shape says how
a resource type looks in it (its ``schema``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

_REFERENCE = "#/components/schemas/{model}"

Schema = dict[str, Any]
"""A JSON Schema (2020-12)."""

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339 in UTC, as it is shown."""
Uri = Annotated[str, Field(json_schema_extra={"format": "uri"})]
"""An absolute URI."""
Count = Annotated[int, Field(ge=0)]


class Members(BaseModel):
    """The base of tables of members; one that may be MISSING is there at times only."""


@dataclass(frozen=True)
class ResourceType:
    """What every representation of a kind of resource has.

    :param name: what documents call it.
    :param named: has it a URI of its own? What says how a request went has none.
    :param links: relations that it always has.
    :param sometimes: relations that are there for some who ask, or of some resources.
    :param empty: relations that lead nowhere at times.
    :param templates: relations that it has as a URI template.
    :param items: of a collection, the resource type of its items.
    :param items_name: what the items are called, as ``tasks``.
    :param entries: of a feed, the resource type of its entries.
    :param entries_name: the member that holds the entries, as ``changes``.
    :param titled_by: the member that people call a resource by; empty where none does.
    :param lead: the member that describes the resource in sentences; empty where none does.
    :param lead_has_code: whether the lead has names of code between backticks.
    """

    name: str
    members: type[Members] = Members
    links: tuple[str, ...] = ()
    sometimes: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    templates: tuple[str, ...] = ()
    sometimes_templates: tuple[str, ...] = ()
    items: Self | None = None
    items_name: str = ""
    entries: Self | None = None
    entries_name: str = ""
    named: bool = True
    titled_by: str = ""
    lead: str = ""
    lead_has_code: bool = False

    @property
    def all_links(self) -> tuple[str, ...]:
        """The relations that it may have."""
        return (*self.links, *self.sometimes, *self.empty)

    @cached_property
    def instants(self) -> frozenset[str]:
        """The members that are instants."""
        return self._of_format("date-time")

    @cached_property
    def uris(self) -> frozenset[str]:
        """The members that are URIs."""
        return self._of_format("uri")

    def _of_format(self, name: str) -> frozenset[str]:
        properties = self.described()["properties"].items()
        return frozenset(
            member
            for member, schema in properties
            if any(part.get("format") == name for part in (schema, *schema.get("anyOf", ())))
        )

    def described(self) -> Schema:
        """The JSON Schema of an object of its members, without links and items."""
        return described(self.members)


def described(members: type[BaseModel]) -> Schema:
    """The JSON Schema of a table of members; what it refers to is in its ``$defs``."""
    schema = members.model_json_schema(ref_template=_REFERENCE)
    return {"properties": {}, "required": [], **schema}


Refer = Callable[[ResourceType], Schema]
"""From a kind to a reference to its schema in the shape that is being described."""


def shared(name: str) -> Schema:
    """A reference to a schema that a shape has for all kinds (its ``SHARED``)."""
    return {"$ref": _REFERENCE.format(model=name)}
