"""Forms: the operations that a client may submit to a resource, with their fields.

They are independent of media types. A shape that has forms serializes them, as
:mod:`~hyperapi.representations.hal_forms` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

FieldKind = Literal["text", "textarea", "number", "password", "email", "url", "hidden"]
"""The input types of fields. Clients submit hidden fields unchanged."""

Values = Mapping[str, Any]
"""The current members of the resource of a form, by name."""
NO_VALUES: Values = MappingProxyType({})


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
    :param multiple: whether it takes several values. A form-encoded body repeats the name.
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
    multiple: bool = False

    def value_in(self, values: Values) -> Any:
        """Return the initial value, numbers and flags as text; None without one, and for several
        values."""
        value = values.get(self.name) if self.value is None else self.value
        if value is None or isinstance(value, list):
            return None
        return str(value).lower() if isinstance(value, int) else value


@dataclass(frozen=True, eq=False)
class Form:
    """A form, as all resources of a type have it in the same state.

    Forms are compared by identity: they are created once and kept.

    :param method: the HTTP method in upper case.
    :param content_type: its encoding. The fields of a GET form become the target's query.
    :param query: what its target has after the target of :class:`Forms`.
    """

    name: str
    title: str
    method: str
    content_type: str
    fields: Sequence[Field] = ()
    query: str = ""


@dataclass(slots=True)
class Forms:
    """The forms that one client may submit to one resource.

    :param target: the absolute URI of the resource.
    :param values: initial values by name. It may have more members than the forms have fields.
    """

    forms: tuple[Form, ...]
    target: str
    values: Values

    def target_of(self, form: Form) -> str:
        """Return the absolute URI to submit a form to."""
        return self.target + form.query
