"""Forms: what a client may do with a resource, and the fields it fills in for that.

They are spelled in no media type. A shape that shows forms spells them, as
:mod:`~hyperapi.representations.hal_forms` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

FieldKind = Literal["text", "textarea", "number", "password", "email", "url", "hidden"]
"""How a field is filled in. A client sends a hidden field as it is."""


@dataclass(frozen=True, eq=False)
class Field:
    """One field of a form. Fields are compared by identity: they are made once and kept.

    :param prompt: the label that people read.
    :param value: the value that the field always begins with; None where the form tells it.
    :param pattern: a regular expression that Python and JavaScript read alike.
    :param minimum: the smallest number; ``maximum`` is the largest.
    :param min_length: the fewest characters; ``max_length`` is the most.
    :param options: the only values that the field takes; empty where it takes others.
    :param route: the route whose URIs the field takes; empty where it takes no URI of ours.
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
    """One form, as it is offered to one client.

    :param method: the HTTP method, in upper case.
    :param target: the absolute URI to send the filled-in form to.
    :param content_type: its encoding. The fields of a GET form become the target's query.
    :param values: what its fields begin with, by name. It may hold more than the fields.
    """

    name: str
    title: str
    method: str
    target: str
    content_type: str
    fields: Sequence[Field] = ()
    values: Mapping[str, Any] = field(default_factory=dict)

    def value_of(self, each: Field) -> str | int | None:
        """The value that a field begins with; None without one, and for several values."""
        value = self.values.get(each.name) if each.value is None else each.value
        if value is None or isinstance(value, list):
            return None
        return str(value).lower() if isinstance(value, bool) else value
