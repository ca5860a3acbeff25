"""Request bodies. One declaration validates a body, draws its form and documents it.

A :class:`Body` subclass is the declaration. :meth:`Body.read` parses and validates a request body
in JSON or form encoding, and raises one problem with all errors.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Self, get_args
from urllib.parse import parse_qsl

from pydantic import (
    MISSING,
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from hyperapi.common.clock import INSTANT, parse_instant, write_instant
from hyperapi.common.text import ANY_TEXT, NormalForm, normal
from hyperapi.http.context import Context
from hyperapi.http.problems import Invalid, Malformed, UnsupportedMediaType
from hyperapi.representations.shapes import SHAPES

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
FORM = "application/x-www-form-urlencoded"

MOST_BYTES = 1024 * 1024
LONGEST_URI = 2000
_MOST_ERRORS = 100
_MOST_FIELDS = 1000
_MOST_DIGITS = 40


def _instant(text: str) -> str:
    return write_instant(parse_instant(text))


Shown = Callable[[], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class TextOf:
    """The annotation of text members: ``Annotated[str, TextOf(200)]``.

    The length is checked before normalization too, because normalization is expensive.

    :param longest: the maximum number of code points of the normal form.
    :param shortest: the minimum number of code points.
    """

    longest: int
    shortest: int = 0
    form: NormalForm = "NFC"

    def read(self, text: str) -> str:
        """Return the text in its normal form.

        :raises ValueError: when it is too long, too short or cannot be stored.
        """
        found = normal(text, self.longest, self.form)
        if len(found) < self.shortest:
            raise ValueError(
                "must not be empty"
                if self.shortest == 1
                else f"must not be shorter than {self.shortest} characters"
            )
        return found

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        """Return pydantic's validator."""
        return core_schema.no_info_after_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Return the JSON Schema for documents and forms."""
        shortest = {"minLength": self.shortest} if self.shortest else {}
        return {"pattern": ANY_TEXT, **handler(schema), "maxLength": self.longest, **shortest}


InstantText = Annotated[
    str,
    AfterValidator(_instant),
    Field(json_schema_extra={"format": "date-time", "pattern": INSTANT}),
]


class Body(BaseModel):
    """The base class of request bodies.

    :cvar read_only: members of the representation that clients cannot change. With any of these, a
        client may send back a whole representation in any media type. Other members of it are
        ignored.
    :cvar answers_in: the media type of the reply, whatever Accept says; None to negotiate.
    :cvar optional: whether the body may be left out.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    read_only: ClassVar[frozenset[str]] = frozenset()
    answers_in: ClassVar[str | None] = None
    optional: ClassVar[bool] = False

    def sent(self) -> dict[str, Any]:
        """Return the members that the client sent, including null ones."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    def members(self) -> dict[str, Any]:
        """Return the sent members and the defaults of the others."""
        return {
            name: value
            for name in type(self).model_fields
            if (value := getattr(self, name)) is not MISSING
        }

    @classmethod
    def read(
        cls,
        ctx: Context,  # noqa: ARG003 - subclasses read more than the body
        body: bytes,
        content_type: str,
        media: tuple[str, ...],
        shown: Shown,
    ) -> "Body":
        """Parse and validate the body of a request.

        :param ctx: the request.
        :param media: the media types that the operation accepts.
        :param shown: returns the current representation in the default shape.
        :raises UnsupportedMediaType: for other media types.
        :raises Malformed: when the body cannot be decoded.
        :raises Invalid: when its members are not valid.
        """
        members = decoded(cls, body, content_type, media)
        return cls.of(_without_echoes(cls, members, shown) if cls.read_only else members)

    @classmethod
    def kinds(cls, media: str = JSON) -> tuple[type["Body"], ...]:  # noqa: ARG003
        """Return the body types that this one may be parsed as; by default only itself.

        :param media: the media type of the request.
        """
        return (cls,)

    @classmethod
    def of(cls, members: dict[str, Any]) -> Self:
        """Validate decoded members.

        :raises Invalid: with an error for each invalid member.
        """
        try:
            return cls.model_validate(members)
        except ValidationError as error:
            raise Invalid(errors=_errors(cls, error)) from None


def decoded(
    kind: type[Body], body: bytes, content_type: str, media: tuple[str, ...]
) -> dict[str, Any]:
    """Decode a body without validating it.

    :raises UnsupportedMediaType: when its media type is not in ``media``.
    :raises Malformed: when it does not match its media type.
    """
    sent_as = media_type(content_type)
    if sent_as not in media:
        missing = "" if sent_as else "The body has no Content-Type. "
        raise _unsupported(f"{missing}Send the body as {' or '.join(media)}.", media)
    if sent_as == FORM:
        require_form(body, media)
        return form_fields(kind, body)
    if FORM in media and _FORM_START.match(body):
        raise Malformed(
            f"The body looks like a form and was read as JSON. Send it with Content-Type: {FORM}."
        )
    return json_object(body)


def require_form(body: bytes, media: tuple[str, ...]) -> None:
    """Refuse JSON in a body that is declared as a form, as ``curl --data`` sends by default.

    :param media: the media types that the operation accepts.
    :raises UnsupportedMediaType: for a body that looks like JSON.
    """
    if _JSON_START.match(body):
        raise _unsupported(
            f"The body looks like JSON and was read as a form. Send it with Content-Type: {JSON}.",
            media,
        )


def _unsupported(detail: str, media: tuple[str, ...]) -> UnsupportedMediaType:
    names = ("Accept", "Accept-Patch") if MERGE_PATCH in media else ("Accept",)  # RFC 5789 §2.2
    return UnsupportedMediaType(detail, headers=[(name, ", ".join(media)) for name in names])


_JSON_START = re.compile(rb"\s*[{\[]")
_FORM_START = re.compile(rb"[A-Za-z_]+=")


def media_type(content_type: str) -> str:
    """Return the media type of a Content-Type in lower case, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def _without_echoes(kind: type[Body], members: dict[str, Any], shown: Shown) -> dict[str, Any]:
    """Remove the members of a whole representation that a client cannot change.

    A link with another value than the current one stays, and is refused as an unknown member. The
    client wants to change it, and must learn that it cannot.
    """
    left = {
        name: value
        for name, value in members.items()
        if name not in SHAPES.envelope and name not in kind.read_only
    }
    links = [name for name in left if _is_link(name) and name not in kind.model_fields]
    if links:
        current = shown()
        for name in links:
            if left[name] == current.get(name, left[name]):
                del left[name]
    return left


def _is_link(name: str) -> bool:
    return name == "uri" or name.endswith(("_uri", "_uri_template"))


def json_object(body: bytes) -> dict[str, Any]:
    """Decode one JSON object (RFC 8259) without duplicate members.

    :raises Malformed: for anything else.
    """
    try:
        decoded = json.loads(
            body.decode(),
            object_pairs_hook=_unique,
            parse_constant=_no_such_number,
            parse_int=_whole_number,
        )
    except RecursionError:
        raise Malformed(
            "The JSON is nested too deeply. Send one object, as the form describes it."
        ) from None
    except (ValueError, MemoryError) as error:  # includes UnicodeDecodeError and JSONDecodeError
        reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise Malformed(f"Send one JSON object in UTF-8. Found: {reason}."[:200]) from None
    if not isinstance(decoded, dict):
        raise Malformed("Send one JSON object, with the members at the top level.")
    return decoded


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has the same member twice")
    return members


def _whole_number(text: str) -> int:
    """Parse a whole number. Python refuses thousands of digits; a cut one is too large as well."""
    return int(text[:_MOST_DIGITS])


def _no_such_number(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def form_fields(kind: type[Body], body: bytes) -> dict[str, Any]:
    """Decode a form-encoded body. ``kind`` declares the type of each field."""
    try:
        pairs = parse_qsl(
            body.decode(),  # `curl --data` sends non-ASCII characters without encoding
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise Malformed(f"Send a form in UTF-8, with at most {_MOST_FIELDS} fields.") from None
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    schema = _schema(kind)
    repeated = [
        name
        for name, found in values.items()
        if len(found) > 1 and not _takes(schema.get(name, {}), "array")
    ]
    if repeated:
        raise Invalid(
            errors=[
                {"pointer": pointer(name), "detail": "must not be repeated"} for name in repeated
            ]
        )
    return {
        name: _typed(found, schema.get(name, {}))
        for name, found in values.items()
        if name not in schema or found != [""] or not _left_empty(schema[name])
    }


def as_fields(schema: dict[str, Any]) -> dict[str, Any]:
    """Adapt a body's JSON Schema to form encoding, where an empty field means null or absent."""
    required = schema.get("required", ())
    properties = {
        name: _as_field(member, required=name in required)
        for name, member in schema["properties"].items()
    }
    return {**schema, "properties": properties}


def _as_field(member: dict[str, Any], *, required: bool) -> dict[str, Any]:
    if _NULL in member.get("anyOf", ()):
        default = {"default": ""} if member.get("default", "") is None else {}
        choices = [_NOTHING if each == _NULL else each for each in member["anyOf"]]
        return {**member, **default, "anyOf": choices}
    if "items" in member:
        return {**member, "items": {"anyOf": [member["items"], _NOTHING]}}
    if not required and _left_empty(member):
        about = ("title", "default")
        said = {name: value for name, value in member.items() if name in about}
        rest = {name: value for name, value in member.items() if name not in about}
        return {**said, "anyOf": [rest, _NOTHING]}
    return member


_NULL, _NOTHING = {"type": "null"}, {"type": "string", "maxLength": 0}


@cache
def _schema(kind: type[Body]) -> dict[str, Any]:
    properties: dict[str, Any] = kind.model_json_schema()["properties"]
    return properties


def _left_empty(schema: dict[str, Any]) -> bool:
    """Whether an empty field counts as absent. Text, null and arrays have an empty value."""
    says = ("string", "null", "array")
    return "enum" in schema or not any(_takes(schema, kind) for kind in says)


def _takes(schema: dict[str, Any], kind: str) -> bool:
    return schema.get("type") == kind or any(
        option.get("type") == kind for option in schema.get("anyOf", ())
    )


def _typed(found: list[str], schema: dict[str, Any]) -> Any:
    """Convert a field to the JSON type of its schema. Text that does not fit stays text."""
    if _takes(schema, "array"):
        return [text for text in found if text]
    value = found[0]
    if value == "" and _takes(schema, "null"):
        return None
    if _takes(schema, "boolean"):
        return {"true": True, "on": True, "false": False}.get(value.lower(), value)
    if _takes(schema, "integer") and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    if _takes(schema, "number") and re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,18})?", value):
        return float(value)
    return value


def pointer(*path: str | int) -> str:
    """Return a JSON Pointer (RFC 6901) to a member. Long or unprintable parts are cut."""
    return "".join(
        "/"
        + str(part)[:100].replace("~", "~0").replace("/", "~1").encode(errors="replace").decode()
        for part in path
    )


def _errors(kind: type[Body], failure: ValidationError) -> list[dict[str, str]]:
    found = failure.errors(include_url=False, include_input=False)[:_MOST_ERRORS]
    return [{"pointer": pointer(*error["loc"]), "detail": _detail(kind, error)} for error in found]


_DETAILS = {
    "missing": "is required",
    "extra_forbidden": "is unknown; known members: {known}",
    "string_type": "must be text",
    "string_unicode": "must not contain lone surrogates",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "list_type": "must be an array",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "string_too_short": "must not be shorter than {min_length} characters",
    "too_short": "must not have fewer than {min_length} items",
    "string_too_long": "must not be longer than {max_length} characters",
    "too_long": "must not have more than {max_length} items",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
    "value_error": "{error}",
}
"""Details by pydantic's error type. None of them quotes the request."""


def _detail(kind: type[Body], error: Any) -> str:
    words = _DETAILS.get(error["type"], "is not valid")
    known = _inside(kind, error["loc"][:-1]).model_fields
    return words.format(known=", ".join(known), **error.get("ctx", {}))


def _inside(kind: type[Body], path: Sequence[str | int]) -> type[Body]:
    """Return the body type at a path; the outer type when it is not a body."""
    for name in path:
        field = kind.model_fields.get(str(name))
        for inner in get_args(field.annotation) if field else ():
            if isinstance(inner, type) and issubclass(inner, Body):
                kind = inner
    return kind
