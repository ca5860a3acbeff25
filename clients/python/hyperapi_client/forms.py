"""Forms (HAL-FORMS ``_templates``): fill in, check, and encode."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Self
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit
from uuid import UUID

from hyperapi_client.errors import FieldError, FormError
from hyperapi_client.text import normal

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # lone surrogates cannot be encoded
_SHOWN = 100  # longer regular expressions are not shown


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form.

    :param options: the accepted values, when there are a few.
    :param value: the initial value.
    :param placeholder: an example.
    """

    name: str
    prompt: str
    type: str = "text"
    required: bool = False
    read_only: bool = False
    value: Any = None
    regex: str | None = None
    least: float | None = None
    most: float | None = None
    shortest: int | None = None
    longest: int | None = None
    options: tuple[str, ...] | None = None
    placeholder: str | None = None

    def __hash__(self) -> int:
        return hash((self.name, self.type))

    @classmethod
    def read(cls, described: Mapping[str, Any]) -> Self:
        """Read a HAL-FORMS property."""
        name = str(described["name"])
        inline = described.get("options", {}).get("inline")
        return cls(
            name=name,
            prompt=str(described.get("prompt", name)),
            type=str(described.get("type", "text")),
            required=bool(described.get("required", False)),
            read_only=bool(described.get("readOnly", False)),
            value=described.get("value"),
            regex=described.get("regex"),
            least=described.get("min"),
            most=described.get("max"),
            shortest=described.get("minLength"),
            longest=described.get("maxLength"),
            options=None if inline is None else tuple(map(_option, inline)),
            placeholder=described.get("placeholder"),
        )

    def objections(self, value: Any) -> Iterator[str]:
        """Yield the errors of a value, each as the rest of a sentence."""
        unsendable = list(objections(value))
        if unsendable:
            yield from unsendable
            return
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                yield from self._objections(each)

    def _objections(self, value: Any) -> Iterator[str]:
        text = _text(value)
        if self.options is not None:
            if text not in self.options:
                yield f"must be {' or '.join(self.options)}"
            return
        if self.type in ("number", "range"):
            yield from self._against_bounds(text)
            return
        length = len(normal(text))
        if self.shortest is not None and length < self.shortest:
            yield f"must have at least {_characters(self.shortest)}"
        if self.longest is not None and length > self.longest:
            yield f"must have at most {_characters(self.longest)}, and has {length}"
        if self.regex is not None and text and not _matches(self.regex, text):
            yield self._wanted(self.regex)

    def _wanted(self, regex: str) -> str:
        """Describe the expected text in a few words."""
        if self.placeholder is not None:
            return f"must be written as {self.placeholder}"
        return f"must match {regex}" if len(regex) < _SHOWN else "is not written as the form asks"

    def _against_bounds(self, text: str) -> Iterator[str]:
        if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", text):
            yield "must be a number"
            return
        if self.least is not None and float(text) < self.least:
            yield f"must be {self.least} or more"
        if self.most is not None and float(text) > self.most:
            yield f"must be {self.most} or less"


@dataclass(frozen=True, slots=True)
class Filled:
    """A filled-in form: a request without its headers.

    :param values: the values, as Python values.
    """

    method: str
    uri: str
    content_type: str | None
    content: bytes | None
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Form:
    """A form that the server offers.

    :param method: the HTTP method, in upper case.
    :param target: an absolute URI.
    """

    name: str
    title: str
    method: str
    target: str
    content_type: str
    fields: Mapping[str, Field]

    def __hash__(self) -> int:
        return hash((self.name, self.method, self.target))

    @classmethod
    def read(cls, name: str, template: Mapping[str, Any], base: str) -> Self:
        """Read a HAL-FORMS template. Without a target, the form is sent to ``base``."""
        fields = [Field.read(each) for each in template.get("properties", ())]
        return cls(
            name=name,
            title=str(template.get("title", name)),
            method=str(template.get("method", "GET")).upper(),
            target=urljoin(base, str(template.get("target", ""))),
            content_type=str(template.get("contentType", JSON)),
            fields={field.name: field for field in fields},
        )

    def fill(self, given: Mapping[str, Any]) -> Filled:
        """Return the request that the form makes with these values.

        Values are text, numbers, booleans, datetimes with an offset, lists of these, None for
        nothing, and resources in place of their URIs. Initial values are sent too: those of hidden
        fields always, others unless the method is PATCH, where an absent member stays as it is.

        :raises FormError: naming every wrong field.
        """
        values, errors = self._beforehand(), []
        for name, value in given.items():
            try:
                values[name] = json_value(value)
            except ValueError as error:
                errors.append(FieldError(name, str(error)))
        errors += self.errors(values)
        if errors:
            raise FormError(self.name, errors)
        return self._encoded(values)

    def errors(self, values: Mapping[str, Any]) -> Iterator[FieldError]:
        """Yield the errors of values, as far as the form can tell."""
        for name, value in values.items():
            field = self.fields.get(name)
            if field is None:
                known = ", ".join(self.fields) or "none"
                yield FieldError(name, f"is not a field of this form; it has {known}")
            elif field.read_only and value != field.value:
                yield FieldError(name, "cannot be changed")
            else:
                yield from (FieldError(name, said) for said in field.objections(value))
        for field in self.fields.values():
            if field.required and values.get(field.name) is None:
                yield FieldError(field.name, "is required")

    def _beforehand(self) -> dict[str, Any]:
        return {
            field.name: field.value
            for field in self.fields.values()
            if field.value is not None and (field.type == "hidden" or self.method != "PATCH")
        }

    def _encoded(self, values: dict[str, Any]) -> Filled:
        if self.method == "GET":
            return Filled("GET", _with_query(self.target, values), None, None, values)
        if self.method == "DELETE" and not values:
            return Filled("DELETE", self.target, None, None, values)
        # A form-encoded body cannot express an empty list; JSON can.
        if self.content_type == FORM and [] not in values.values():
            content = urlencode(_pairs(values))
            return Filled(self.method, self.target, FORM, content.encode(), values)
        typed = {name: self._typed(name, value) for name, value in values.items()}
        return Filled(self.method, self.target, JSON, json.dumps(typed).encode(), values)

    def _typed(self, name: str, value: Any) -> Any:
        """Return a value as JSON: text for a number field becomes a number."""
        if self.fields[name].type in ("number", "range") and isinstance(value, str):
            return json.loads(value)
        return value


def _with_query(target: str, values: Mapping[str, Any]) -> str:
    """Return a target with the values as its query, in place of the old one."""
    asked = {name: value for name, value in values.items() if value is not None}
    return urlunsplit(urlsplit(target)._replace(query=urlencode(_pairs(asked))))


def _pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return values as text fields. A list becomes a repeated field."""
    return [
        (name, "" if each is None else _text(each))
        for name, value in values.items()
        for each in (value if isinstance(value, list) else [value])
    ]


def objections(value: Any) -> Iterator[str]:
    """Yield the reasons why a JSON value, or the values of a list, cannot be sent at all."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, str):
            if "\x00" in each:
                yield "must not contain NUL"
            if not each.isascii() and _SURROGATE.search(each):
                yield "must be Unicode, and is not"
            try:
                normal(each)
            except ValueError as error:
                yield str(error)


def json_value(value: Any) -> Any:
    """Convert a Python value to a JSON value."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("must have a time zone, as datetime.now(UTC) has")
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    named = getattr(value, "uri", None)
    if isinstance(named, str):
        return named
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str):
        return [json_value(each) for each in value]
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _option(choice: Any) -> str:
    return str(choice.get("value")) if isinstance(choice, Mapping) else str(choice)


def _characters(number: int) -> str:
    return "1 character" if number == 1 else f"{number} characters"


def _matches(regex: str, text: str) -> bool:
    """Match a JavaScript expression, as far as Python can. Its ``$`` is the end of the text."""
    compiled = _compiled(regex)
    return compiled is None or compiled.search(text) is not None


@cache
def _compiled(regex: str) -> re.Pattern[str] | None:
    ends = regex.endswith("$") and not regex.endswith(r"\$")
    try:
        return re.compile(regex[:-1] + r"\Z" if ends else regex)
    except re.error:
        return None
