"""The OpenAPI 3.1 document, written from the declarations that the service itself works by.

:func:`document` is a pure function of the places and the base URI. Nothing is said twice: paths,
bodies, questions and statuses are the operations', schemas those that validate, and the examples
are replies that were given (``examples.json``, which a test keeps in step).
"""

import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hyperapi.hypermedia.kind import Kind, Refer, Schema, described, shared
from hyperapi.querying.page import Parameter
from hyperapi.web.forms import Body
from hyperapi.web.problems import (
    PROBLEM_JSON,
    BadQuery,
    BadRequest,
    InsufficientScope,
    InternalError,
    Invalid,
    KeyReused,
    Malformed,
    NotAcceptable,
    NotFound,
    PreconditionFailed,
    PreconditionRequired,
    Problem,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    TooLarge,
    TooManyRequests,
    Unavailable,
    UnsupportedMediaType,
    UntrustedHost,
    all_problems,
)
from hyperapi.web.replies import DESCRIBED, DOCUMENT_OFFERED, OFFERED
from hyperapi.web.routing import OPEN, PUBLIC, SCOPES, Operation, Place, operations

EXAMPLES_BASE = "https://todo.example.org"
"""The base URI that the examples were made under."""

DESCRIPTION = """\
A hypermedia to-do list. Programs need to know one URI, the root: every other one is a link or a
form that a reply holds. This document describes what links and forms lead to.

Register with `POST users`, sign in with `POST tokens`, and send the token as
`Authorization: Bearer …`. What is not yours is not there: it is 404, like what never was.
Every failure is a problem document (RFC 9457); its `type` is the URI of a page about it.
Text is Unicode in normal form C, without NUL; lengths are in characters. Times are RFC 3339.
"""

SCOPE_MEANINGS = {
    "account": "see and change the user and all its sessions",
    "tasks:read": "read lists and tasks",
    "tasks:write": "change lists and tasks, and read them",
}

HEADERS = {
    "Accept": "The media types that the operation takes.",
    "Accept-Patch": "The media types that PATCH takes here (RFC 5789).",
    "Allow": "The methods that are allowed here.",
    "Cache-Control": "Who may keep the reply, and for how long.",
    "Content-Location": "The URI of what the reply represents.",
    "Content-Security-Policy": "What a page may load and do.",
    "ETag": "A tag of this very representation, for If-None-Match and If-Match.",
    "Idempotent-Replayed": "`true` when this is the reply to an earlier request of the same key.",
    "Link": "The links of the resource (RFC 8288), in the default shape.",
    "Link-Template": "The templated links of the resource (RFC 9652), in the default shape.",
    "Location": "The URI of what was made.",
    "Pragma": "`no-cache`, as RFC 6749 wants it beside tokens.",
    "Preference-Applied": "Which preference of the request was honoured (RFC 7240).",
    "RateLimit": "How many requests are left, and for how long.",
    "RateLimit-Policy": "How many requests are let through in how many seconds.",
    "Referrer-Policy": "`no-referrer`, of pages.",
    "Retry-After": "In how many seconds to try again.",
    "Vary": "The request's headers that the reply depends on.",
    "WWW-Authenticate": "What a token has to be or to have (RFC 6750).",
    "X-Content-Type-Options": "`nosniff`, of pages.",
    "X-Request-Id": "The request's id, as the log has it.",
}
"""Every header that replies may have, beside those of HTTP's framing and of CORS."""

_TAGS: Schema = {
    "type": "string",
    "pattern": r'^(\*|(W/)?"[!#-~]*"(, ?(W/)?"[!#-~]*")*)$',
}
REQUEST_HEADERS: dict[str, tuple[str, Schema]] = {
    "Idempotency-Key": (
        "Any name for this request: sent again with the same, it is done once.",
        {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]*$"},
    ),
    "If-Match": ("Tags: do it only while the resource is as one of them says.", _TAGS),
    "If-None-Match": ("Tags: read it only when it is none of them; `*`: only make it.", _TAGS),
    "Prefer": (
        "Whether to show what came of it.",
        {"type": "string", "enum": ["return=minimal", "return=representation"]},
    ),
}
"""The headers that requests may have, beside those of negotiation and authorization."""

_ALWAYS = ("X-Request-Id", "Vary", "Cache-Control")
_COUNTED = ("RateLimit", "RateLimit-Policy")
_OF_PAGES = ("Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options")

_GUARDED = ("PUT", "PATCH", "DELETE")
_USUAL_STATUSES = {"GET": (200,), "POST": (201,), "PUT": (200,), "PATCH": (200,), "DELETE": (204,)}
_SUCCESSES = {
    200: "It is done; this is the resource, or what came of it.",
    201: "It was made; this is what it is.",
    204: "It is done, and there is nothing more to say.",
    304: "It is as If-None-Match says that you know it.",
}


def document(places: Sequence[Place], base: str) -> Schema:
    """The OpenAPI document of the service.

    :param base: scheme, host and prefix that all URIs begin with, without a slash at the end.
    """
    return _Writer(places, base).document()


def examples() -> dict[str, Any]:
    """The replies that were kept as examples: of operations by name, and of types of problem."""
    found: dict[str, Any] = json.loads(_EXAMPLES.read_text())
    return found


_EXAMPLES = Path(__file__).with_name("examples.json")


def problems_of(operation: Operation) -> list[type[Problem]]:
    """What an operation may fail with, by its declaration; by status and name."""
    found = {*operation.raises, UntrustedHost, BadRequest, InternalError, Unavailable}
    if operation.scope != OPEN:
        found |= {TokenInvalid, TokenExpired, TokenRevoked, TooManyRequests}
    if operation.scope not in (OPEN, PUBLIC):
        found.add(TokenMissing)
    if operation.scope in SCOPES:
        found.add(InsufficientScope)
    if operation.takes is not None:
        found |= {Malformed, TooLarge, UnsupportedMediaType, Invalid}
    if operation.asks is not None:
        found.add(BadQuery)
    if _keys(operation.place):
        found.add(NotFound)
    if not operation.place.document:
        found.add(NotAcceptable)
    if operation.method in _GUARDED:
        found.add(PreconditionFailed)
        if operation.place.guarded:
            found.add(PreconditionRequired)
    if _repeatable(operation):
        found.add(KeyReused)
    return sorted(found, key=lambda problem: (problem.status, problem.name))


def media_types(place: Place) -> tuple[str, ...]:
    """The media types that a place's replies may have when all is well."""
    return place.offers or (DOCUMENT_OFFERED if place.document else OFFERED)


def request_headers(operation: Operation) -> list[str]:
    """The headers that an operation heeds, beside those of negotiation and authorization."""
    found = []
    if operation.method == "GET":
        found.append("If-None-Match")
    if operation.method in _GUARDED:
        found += ["If-Match", "If-None-Match"]
    if _repeatable(operation):
        found.append("Idempotency-Key")
    if _prefers(operation):
        found.append("Prefer")
    return found


def successes(operation: Operation) -> list[int]:
    """The statuses that an operation succeeds with, by its declaration."""
    found = {*(operation.answers or _USUAL_STATUSES[operation.method])}
    if operation.method == "GET":
        found.add(304)
    elif _prefers(operation) and found != {201}:
        found.add(204)
    return sorted(found)


def _repeatable(operation: Operation) -> bool:
    return operation.method == "POST" and operation.scope != OPEN


def _prefers(operation: Operation) -> bool:
    """Does it show what it changed, which a client may not care to see?"""
    shown = {*(operation.answers or _USUAL_STATUSES[operation.method])} - {204}
    return operation.method != "GET" and bool(shown) and not operation.grants


class _Writer:
    """Writes one document, and gathers on its way what operations refer to."""

    def __init__(self, places: Sequence[Place], base: str) -> None:
        self._operations = list(operations(list(places)))
        self._base = base
        self._schemas: dict[str, Schema] = {}
        self._responses: dict[str, Schema] = {}
        self._problem = next(place for place in places if place.name == "problem")
        self._examples = examples()

    def document(self) -> Schema:
        paths: dict[str, Schema] = {}
        for operation in self._operations:
            path = paths.setdefault(_path(operation.place), {})
            path[operation.method.lower()] = self._operation(operation)
        for shape in DESCRIBED.values():
            self._schemas |= shape.SHARED
        for problem in all_problems():
            self._problem_schema(problem)
        components = {
            "schemas": dict(sorted(self._schemas.items())),
            "responses": dict(sorted(self._responses.items())),
            "headers": {name: _header(name) for name in HEADERS},
            "securitySchemes": self._security_schemes(),
        }
        written = {
            "openapi": "3.1.1",
            "info": {
                "title": "hyperapi",
                "version": "1",
                "summary": "A hypermedia REST API for to-do lists",
                "description": DESCRIPTION,
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": self._base}],
            "tags": self._tags(),
            "paths": paths,
            "components": components,
        }
        return written

    def _tags(self) -> list[Schema]:
        """One for each file of resources, described by its docstring."""
        modules = dict.fromkeys(operation.view.__module__ for operation in self._operations)
        return [
            {
                "name": _tag(module),
                "description": _first_line(sys.modules[module].__doc__ or ""),
            }
            for module in modules
        ]

    def _security_schemes(self) -> dict[str, Schema]:
        tokens = [self._base + _path(each.place) for each in self._operations if each.grants]
        password = {"tokenUrl": tokens[0], "refreshUrl": tokens[0], "scopes": SCOPE_MEANINGS}
        bearer = {"type": "http", "scheme": "bearer", "description": "An access token."}
        basic = {"type": "http", "scheme": "basic", "description": "Name and password."}
        oauth2 = {"type": "oauth2", "flows": {"password": password}}
        return {"oauth2": oauth2, "bearer": bearer, "basic": basic}

    # -- operations

    def _operation(self, operation: Operation) -> Schema:
        summary, _, more = (inspect.getdoc(operation.view) or "").partition("\n")
        found: Schema = {
            "operationId": operation.name,
            "tags": [_tag(operation.view.__module__)],
            "summary": summary.rstrip("."),
            "description": more.strip() or summary,
            "parameters": [
                *_keys(operation.place),
                *self._questions(operation),
                *(_request_header(name) for name in request_headers(operation)),
            ],
            "security": _security(operation),
            "responses": {**self._successes(operation), **self._failures(operation)},
        }
        if operation.takes is not None:
            found["requestBody"] = self._request_body(operation, operation.takes)
        return found

    def _questions(self, operation: Operation) -> Iterable[Schema]:
        for asked in [] if operation.asks is None else operation.asks.documented():
            yield _question(asked)

    def _request_body(self, operation: Operation, takes: type[Body]) -> Schema:
        content = {}
        for media_type in operation.media:
            kinds = [self._body(kind) for kind in takes.kinds(media_type)]
            content[media_type] = {
                "schema": kinds[0] if len(kinds) == 1 else {"anyOf": kinds},
                **self._example(operation, "request", media_type),
            }
        return {"required": not takes.optional, "content": content}

    def _successes(self, operation: Operation) -> dict[str, Schema]:
        return {str(status): self._success(operation, status) for status in successes(operation)}

    def _success(self, operation: Operation, status: int) -> Schema:
        headers = [*_ALWAYS, *(_COUNTED if operation.scope != OPEN or operation.raises else ())]
        response: Schema = {"description": _SUCCESSES[status]}
        if status == 201:
            headers += ["Location", "Content-Location"]
        if operation.method == "GET":
            headers.append("ETag")
        elif _repeatable(operation):
            headers.append("Idempotent-Replayed")
        if _prefers(operation):
            headers.append("Preference-Applied")
        if operation.grants:
            headers.append("Pragma")
        if status not in (204, 304):
            headers += ["ETag", "Link", "Link-Template", *_OF_PAGES]
            response["content"] = {
                media_type: {
                    "schema": self._shown(operation, media_type),
                    **self._example(operation, str(status), media_type),
                }
                for media_type in media_types(operation.place)
            }
        response["headers"] = {name: _header_of(name) for name in headers}
        return response

    def _failures(self, operation: Operation) -> dict[str, Schema]:
        grouped = groupby(problems_of(operation), key=lambda problem: problem.status)
        return {str(status): self._failure(status, list(kinds)) for status, kinds in grouped}

    def _failure(self, status: int, kinds: list[type[Problem]]) -> Schema:
        """A reference to the response of these problems, which operations share."""
        name = ".".join([str(status), *(kind.name for kind in kinds)])
        if name not in self._responses:
            schemas = [self._problem_schema(kind) for kind in kinds]
            sent = dict.fromkeys(header for kind in kinds for header in kind.sends)
            headers = [*_ALWAYS, *_COUNTED, *sent]
            self._responses[name] = {
                "description": "\n\n".join(f"{kind.title}. {kind.meaning()}" for kind in kinds),
                "headers": {header: _header_of(header) for header in headers},
                "content": {
                    PROBLEM_JSON: {
                        "schema": schemas[0] if len(schemas) == 1 else {"anyOf": schemas},
                        **self._problem_examples(kinds),
                    }
                },
            }
        return {"$ref": f"#/components/responses/{name}"}

    # -- schemas

    def _named(self, name: str, schema: Schema) -> Schema:
        """Keep a schema under a name, and what it defines beside it; a reference to it."""
        for inner, definition in schema.pop("$defs", {}).items():
            self._named(inner, definition)
        self._schemas[name] = _in_words(schema)
        return shared(name)

    def _shown(self, operation: Operation, media_type: str) -> Schema:
        """What an operation answers, in one shape."""
        kinds = _kinds(operation)
        if not kinds or media_type not in DESCRIBED:
            return {"type": "string" if media_type.startswith("text/") else "object"}
        found = [self._representation(kind, media_type) for kind in kinds]
        return found[0] if len(found) == 1 else {"anyOf": found}

    def _representation(self, kind: Kind, media_type: str) -> Schema:
        name = kind.name + _camel(media_type.partition("/")[2].removesuffix("+json"))
        if name not in self._schemas:
            refer: Refer = lambda items: self._representation(items, media_type)  # noqa: E731
            self._schemas[name] = {}  # so that a kind may hold things of its own kind
            self._named(name, DESCRIBED[media_type].schema(kind, refer))
        return shared(name)

    def _body(self, kind: type[BaseModel]) -> Schema:
        return self._named(kind.__name__, described(kind))

    def _problem_schema(self, kind: type[Problem]) -> Schema:
        uri = self._base + _path(self._problem).replace("{key}", kind.name)
        text: Schema = {"type": "string"}
        members = described(kind.extends)
        members["properties"] = {
            "type": {"type": "string", "const": uri},
            "title": {"type": "string", "const": kind.title},
            "status": {"type": "integer", "const": kind.status},
            "detail": text,
            "instance": {**text, "format": "uri"},
            **members["properties"],
        }
        always = ["type", "title", "status", "detail", "instance"]
        members["required"] = [*always, *members["required"]]
        members["description"] = kind.meaning()
        return self._named(f"{_camel(kind.name)}Problem", members)

    # -- examples

    def _example(self, operation: Operation, part: str, media_type: str) -> Schema:
        found = self._examples["operations"].get(operation.name, {}).get(part, {})
        return {"example": self._here(found[media_type])} if media_type in found else {}

    def _problem_examples(self, kinds: list[type[Problem]]) -> Schema:
        kept = self._examples["problems"]
        found = {
            kind.name: {"summary": kind.title, "value": self._here(kept[kind.name])}
            for kind in kinds
            if kind.name in kept
        }
        return {"examples": found} if found else {}

    def _here(self, example: Any) -> Any:
        """An example as this service would have given it."""
        return json.loads(json.dumps(example).replace(EXAMPLES_BASE, self._base))


def _path(place: Place) -> str:
    """A place's path as OpenAPI has it, ``{key}`` for what is filled in."""
    return re.sub(r"<[a-z]+:([a-z]+)>", r"{\1}", place.path)


def _keys(place: Place) -> list[Schema]:
    """The parameters in a place's path."""
    formats = {"uuid": {"format": "uuid"}, "string": {"minLength": 1}}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": "The last part of the resource's URI, as links give it.",
            "schema": {"type": "string", **formats[kind]},
        }
        for kind, name in re.findall(r"<([a-z]+):([a-z]+)>", place.path)
    ]


def _kinds(operation: Operation) -> tuple[Kind, ...]:
    """The kinds of what an operation may answer."""
    kind = operation.shows or operation.place.shows
    if kind is None or isinstance(kind, tuple):
        return kind or ()
    makes_one = operation.shows is None and operation.method == "POST"
    return (kind.items,) if makes_one and kind.items else (kind,)


def _request_header(name: str) -> Schema:
    meaning, schema = REQUEST_HEADERS[name]
    return {"name": name, "in": "header", "description": meaning, "schema": schema}


def _question(asked: Parameter) -> Schema:
    """A parameter of a query."""
    schema = {name: value for name, value in asked.schema.items() if not name.startswith("x-")}
    if schema.get("enum") == ["true", "false"]:
        schema = {"type": "boolean"}
    if asked.repeatable:
        schema = {"type": "array", "items": schema}
    meaning = asked.meaning[0].upper() + asked.meaning[1:] + "."
    return {"name": asked.name, "in": "query", "description": meaning, "schema": schema}


def _security(operation: Operation) -> list[Schema]:
    """The ways to be let in; an empty one where nobody has to be known."""
    nobody: Schema = {}
    scopes = [operation.scope] if operation.scope in SCOPES else []
    token: list[Schema] = [{"oauth2": scopes}, {"bearer": scopes}]
    if operation.grants:
        return [nobody, {"basic": []}, {"bearer": []}]
    if operation.scope == OPEN:
        return [nobody]
    return [nobody, *token] if operation.scope == PUBLIC else token


def _header(name: str) -> Schema:
    required: Schema = {"required": True} if name in _ALWAYS else {}
    schema = {"type": "integer" if name == "Retry-After" else "string"}
    return {"description": HEADERS[name], **required, "schema": schema}


def _header_of(name: str) -> Schema:
    return {"$ref": f"#/components/headers/{name}"}


def _in_words(schema: Schema) -> Schema:
    """A schema whose members are described by their titles, where nothing else does it."""
    schema = {name: value for name, value in schema.items() if name != "title"}
    properties: Mapping[str, Schema] = schema.get("properties", {})
    written = {}
    for name, member in properties.items():
        title = member.get("title", "")
        plain = title in ("", name.replace("_", " ").title())
        telling: Schema = {} if plain else {"description": title}
        rest = {key: value for key, value in member.items() if key not in ("title", "x-place")}
        written[name] = {**telling, **rest}
    return {**schema, "properties": written} if properties else schema


def _tag(module: str) -> str:
    return module.rpartition(".")[2]


def _first_line(text: str) -> str:
    return inspect.cleandoc(text).partition("\n")[0]


def _camel(name: str) -> str:
    """``prs.hal-forms`` as ``HalForms``; ``json`` as nothing, being the default."""
    words = re.split(r"[-_.]", name.removeprefix("prs."))
    return "".join(word.capitalize() for word in words if word != "json")
