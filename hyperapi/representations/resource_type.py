"""Resource types: what every representation of a resource has, declared beside the resource.

Documents promise what a resource type says, and the tests hold every reply to it. A shape says how
a resource type looks in it (its ``schema``).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import MISSING, BaseModel, Field
from pydantic_core import PydanticUndefined

_REFERENCE = "#/components/schemas/{model}"

Schema = dict[str, Any]
"""A JSON Schema (2020-12)."""

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""An instant in UTC, as RFC 3339 writes it."""
Uri = Annotated[str, Field(json_schema_extra={"format": "uri"})]
"""An absolute URI."""
UnlinkedUri = Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
"""A URI to which pages show no link: of a resource that may be gone, or that cannot be read."""
Count = Annotated[int, Field(ge=0)]


class Members(BaseModel):
    """Base class for declaring members. A member that may be MISSING is not always there."""


@dataclass(frozen=True)
class ResourceType:
    """What every representation of a resource has.

    :param name: its name in the OpenAPI document.
    :param members: the declaration of its members.
    :param links: relations that are always present.
    :param sometimes: relations that only some resources or principals have.
    :param empty: relations that may have no target.
    :param templates: relations that are always present as URI templates.
    :param sometimes_templates: relations that only some resources or principals have as templates.
    :param items: of a collection, the resource type of its items.
    :param items_name: what the items are called, as ``tasks``.
    :param entries: of a feed, the resource type of its entries.
    :param entries_name: the member that holds the entries, as ``changes``.
    :param named: whether it has a URI of its own. The outcome of a request has none.
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
        """All relations that it may have."""
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
        """The JSON Schema of its members, without links and items.

        The default of a member is for requests. A representation always has the member.
        """
        schema, fields = described(self.members), self.members.model_fields
        with_default = {
            name
            for name, each in fields.items()
            if each.default not in (MISSING, PydanticUndefined)
        }
        if not with_default:
            return schema
        required = {*schema["required"], *with_default}
        properties = {
            name: {key: each for key, each in member.items() if key != "default"}
            for name, member in schema["properties"].items()
        }
        return {
            **schema,
            "properties": properties,
            "required": [name for name in properties if name in required],
        }


def described(members: type[BaseModel]) -> Schema:
    """The JSON Schema of declared members. Its ``$defs`` hold the schemas that it refers to."""
    schema = members.model_json_schema(ref_template=_REFERENCE)
    return {"properties": {}, "required": [], **schema}


Refer = Callable[[ResourceType], Schema]
"""From a resource type to a reference to its schema in the same shape."""


def shared(name: str) -> Schema:
    """A reference to a schema that a shape shares between resource types."""
    return {"$ref": _REFERENCE.format(model=name)}
