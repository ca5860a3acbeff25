"""Forms: the operations that a client may submit to a resource, with their fields.

They are independent of media types. A shape that has forms serializes them, as
:mod:`~hyperapi.representations.hal_forms` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

FieldKind = Literal["text", "textarea", "number", "password", "email", "url", "hidden"]
"""The input types of fields. Clients submit hidden fields unchanged."""


@dataclass(frozen=True, eq=False)
class Field:
    """A field of a form. Fields are compared by identity: they are created once and kept.

    :param prompt: the label for people.
    :param value: a fixed initial value; None when the form provides it.
    :param pattern: a regular expression for Python and JavaScript.
    :param minimum: the minimum number; ``maximum`` is the maximum.
    :param min_length: the minimum number of characters; ``max_length`` is the maximum.
    :param options: the accepted values; empty for any value.
    :param route: the route whose URIs the field accepts; empty for other values.
    """

    name: str
    prompt: str
    kind: FieldKind = "text"
    required: bool = False
    read_only: bool = False
    value: str | int | None = None
    pattern: str | None = None
    minimum: int | None = None
    maximum: int | None = None
    min_length: int | None = None
    max_length: int | None = None
    options: tuple[str, ...] = ()
    route: str = ""


@dataclass(slots=True)
class Form:
    """A form for one client and one resource.

    :param method: the HTTP method in upper case.
    :param target: the absolute URI to submit the form to.
    :param content_type: its encoding. The fields of a GET form become the target's query.
    :param values: initial values by name. It may have more members than the form has fields.
    """

    name: str
    title: str
    method: str
    target: str
    content_type: str
    fields: Sequence[Field] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    def value_of(self, each: Field) -> str | int | None:
        """Return the initial value of a field; None without one, and for several values."""
        value = self.values.get(each.name) if each.value is None else each.value
        if value is None or isinstance(value, list):
            return None
        return str(value).lower() if isinstance(value, bool) else value
