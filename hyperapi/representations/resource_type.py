"""What every representation of a kind of resource has, declared where the resource is.

Views do not read it: it is what documents promise, and what tests hold every reply to. How a kind
looks in a shape, the shape knows (its ``schema``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

_REFERENCE = "#/components/schemas/{model}"

Schema = dict[str, Any]
"""A JSON Schema (2020-12)."""

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339 in UTC, as it is shown."""
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
    :param items: of a collection, what is in it.
    :param items_name: what the items are called, as ``tasks``.
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
    named: bool = True

    @property
    def all_links(self) -> tuple[str, ...]:
        """The relations that it may have."""
        return (*self.links, *self.sometimes, *self.empty)

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
