"""The OpenAPI 3.1 document, generated from the declarations of the operations.

:func:`document` is a pure function of the routes and the base URI. Paths, bodies, parameters and
statuses come from the operations, and schemas from the validators. The examples are recorded
replies (``examples.json``, which a test keeps current).
"""

import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from hyperapi.common.text import UUID, literal
from hyperapi.http import published
from hyperapi.http.about import LOGO, USUAL, About
from hyperapi.http.bodies import FORM, Body, as_fields
from hyperapi.http.operation_spec import (
    ALWAYS,
    COUNTED,
    HEADERS,
    OF_BODIES,
    headers_of,
    kinds_of,
    media_types,
    prefers,
    problems_of,
    request_headers,
    successes,
)
from hyperapi.http.problems import PROBLEM_JSON, Problem
from hyperapi.http.routes import Operation, Route, RouteTable
from hyperapi.http.scopes import OPEN, PUBLIC, Scope, scope_pattern
from hyperapi.querying.query_string import Parameter
from hyperapi.representations import html
from hyperapi.representations.relations import RELATIONS
from hyperapi.representations.resource_type import Refer, ResourceType, Schema, described, shared
from hyperapi.representations.shapes import SHAPES

EXAMPLES_BASE = "https://todo.example.org"
"""The base URI of the examples."""

GUIDE = "guide.md"
"""The name of the guide, below the page of the documentation."""

DESCRIPTION = """\
{lead} A program needs to know one URI, the root. Every other URI is a
link or a form in a reply. This document describes the operations behind links and forms.

Register with `POST users`, sign in with `POST tokens`, and send the token as
`Authorization: Bearer …`. Users cannot see each other's data: another user's resource gives the
same 404 as a missing one. Every failure is a problem document (RFC 9457); its `type` is the URI of
a page about it. Text is Unicode in normal form C, without NUL; lengths are in characters. Times
are RFC 3339.
"""

_SUCCESSES = {
    200: "The request succeeded. The body is the resource or the result.",
    201: "The resource was created. The body is its representation.",
    202: "The message was taken. There is no reply to it.",
    204: "The request succeeded. There is no body.",
    303: "The browser is sent to the redirect URI of the app.",
    304: "The representation has one of the tags in If-None-Match.",
    400: "The message is not valid. The body is an error of its protocol.",
    404: "The message names an unknown method. The body is an error of its protocol.",
}
_PREFER = "\n\nWith `Prefer: return=minimal` (RFC 7240) the reply has no body."


def document(routes: RouteTable, base: str, told: About = USUAL) -> Schema:
    """Return the OpenAPI document of the service.

    :param told: its title and texts.
    :param base: scheme, host and prefix of all URIs, without a slash at the end.
    """
    return _Writer(routes, base, told).document()


def examples() -> dict[str, Any]:
    """Return the recorded example replies, by name of the operation or problem type."""
    found: dict[str, Any] = json.loads(_EXAMPLES.read_text())
    return found


def rebased(written: str, base: str) -> str:
    """Replace the base of the examples in JSON by another one, also in regular expressions."""
    for form in (literal, str):  # neither spelling contains the other
        there, here = (json.dumps(form(each))[1:-1] for each in (EXAMPLES_BASE, base))
        written = written.replace(there, here)
    return written


_NO_EXAMPLES: dict[str, Any] = {"operations": {}, "problems": {}}
"""The examples of a service without lists and tasks: the recorded ones are about these."""
_EXAMPLES = Path(__file__).with_name("examples.json")


class _Writer:
    """Writes one document and collects the components that operations refer to."""

    def __init__(self, table: RouteTable, base: str, told: About) -> None:
        self._about = told
        self._table = table
        self._operations = list(table.operations())
        self._base = base
        self._schemas: dict[str, Schema] = {}
        self._responses: dict[str, Schema] = {}
        self._routes = {route.name: route for route in table.routes}
        self._examples = examples() if told.has_guide else _NO_EXAMPLES

    def document(self) -> Schema:
        paths: dict[str, Schema] = {}
        for operation in self._operations:
            path = paths.setdefault(_path(operation.route), {})
            path[operation.method.lower()] = self._operation(operation)
        for shape in SHAPES:
            self._schemas |= shape.shared or {}
        for problem in self._table.problems:
            self._problem_schema(problem)
        self._any_problem_schema()
        components = {
            "schemas": dict(sorted(self._schemas.items())),
            "responses": dict(sorted(self._responses.items())),
            "headers": {name: _header(name) for name in HEADERS},
            "securitySchemes": self._security_schemes(),
        }
        written = {
            "openapi": "3.1.1",
            "info": self._info(),
            **self._guide(),
            "servers": [{"url": self._base}],
            "tags": self._tags(),
            "paths": paths,
            "components": components,
            published.NAME: published.published(self._table),
        }
        return written

    def _info(self) -> Schema:
        told = self._about
        logo = {"url": self._uri(LOGO), "altText": told.title} if told.has_logo else None
        return {
            "title": told.title,
            "version": "1",
            "summary": told.summary,
            "description": DESCRIPTION.format(lead=told.lead),
            "license": {"name": "MIT", "identifier": "MIT"},
            **({"x-logo": logo} if logo else {}),
        }

    def _guide(self) -> Schema:
        url = f"{self._uri('docs')}/{GUIDE}"
        guide = {"description": "Step-by-step guide", "url": url}
        return {"externalDocs": guide} if self._about.has_guide else {}

    def _uri(self, route: str) -> str:
        return self._base + _path(self._routes[route])

    def _tags(self) -> list[Schema]:
        """Return one tag per module of resources, described by its docstring."""
        modules = dict.fromkeys(operation.view.__module__ for operation in self._operations)
        return [
            {
                "name": _tag(module),
                "description": _first_line(sys.modules[module].__doc__ or ""),
            }
            for module in modules
        ]

    def _security_schemes(self) -> dict[str, Schema]:
        tokens = [self._base + _path(each.route) for each in self._operations if each.grants]
        scopes = {str(scope): scope.meaning for scope in self._table.scopes}
        password = {"tokenUrl": tokens[0], "refreshUrl": tokens[0], "scopes": scopes}
        bearer = {"type": "http", "scheme": "bearer", "description": "An access token."}
        basic = {"type": "http", "scheme": "basic", "description": "Username and password."}
        oauth2 = {"type": "oauth2", "flows": {"password": password}}
        return {"oauth2": oauth2, "bearer": bearer, "basic": basic}

    # -- operations

    def _operation(self, operation: Operation) -> Schema:
        summary, _, more = (inspect.getdoc(operation.view) or "").partition("\n")
        found: Schema = {
            "operationId": operation.name,
            "tags": [_tag(operation.view.__module__)],
            "summary": summary.rstrip("."),
            "description": (more.strip() or summary) + (_PREFER if prefers(operation) else ""),
            "parameters": [
                *_keys(operation.route),
                *self._query_parameters(operation),
                *(_request_header(*each) for each in request_headers(operation)),
            ],
            "security": _security(operation),
            "responses": self._replies(operation),
        }
        if operation.body is not None:
            found["requestBody"] = self._request_body(operation, operation.body)
        return found

    def _query_parameters(self, operation: Operation) -> Iterable[Schema]:
        for parameter in [] if operation.query is None else operation.query.documented():
            yield self._query_parameter(parameter)

    def _query_parameter(self, parameter: Parameter) -> Schema:
        """Describe a query parameter. An empty value counts as absent."""
        schema = self._with_patterns({**parameter.schema})
        if schema.get("enum") == ["true", "false"]:
            schema = {"type": "boolean"}
        if parameter.repeatable:
            schema = {"type": "array", "items": schema}
        return {
            "name": parameter.name,
            "in": "query",
            "description": parameter.meaning[0].upper() + parameter.meaning[1:] + ".",
            "allowEmptyValue": True,
            "schema": schema,
        }

    def _request_body(self, operation: Operation, takes: type[Body]) -> Schema:
        content = {}
        for media_type in operation.body_types:
            kinds = [self._body(kind, media_type) for kind in takes.kinds(media_type)]
            content[media_type] = {
                "schema": kinds[0] if len(kinds) == 1 else {"anyOf": kinds},
                **self._example(operation, "request", media_type),
            }
        return {"required": not takes.optional, "content": content}

    def _replies(self, operation: Operation) -> dict[str, Schema]:
        """Return the responses by status. A protocol may have errors of its own beside problems."""
        found = self._successes(operation)
        for status, failure in self._failures(operation).items():
            own = found.get(status)
            found[status] = failure if own is None else self._either(own, failure)
        return found

    def _either(self, own: Schema, failure: Schema) -> Schema:
        """Return the response for a status that a protocol and problems have."""
        problems = self._responses[failure["$ref"].rpartition("/")[2]]
        return {
            "description": f"{own['description']}\n\n{problems['description']}",
            "headers": problems["headers"],
            "content": {**own["content"], **problems["content"]},
        }

    def _successes(self, operation: Operation) -> dict[str, Schema]:
        return {str(status): self._success(operation, status) for status in successes(operation)}

    def _success(self, operation: Operation, status: int) -> Schema:
        response: Schema = {
            "description": _SUCCESSES[status],
            "headers": {name: _header_of(name) for name in headers_of(operation, status)},
        }
        offered = media_types(operation)
        if status not in (202, 204, 303, 304) and offered:
            response["content"] = {
                media_type: {
                    "schema": self._shown(operation, media_type),
                    **self._example(operation, str(status), media_type),
                }
                for media_type in offered
            }
        return response

    def _failures(self, operation: Operation) -> dict[str, Schema]:
        grouped = groupby(problems_of(operation), key=lambda problem: problem.status)
        return {str(status): self._failure(status, list(kinds)) for status, kinds in grouped}

    def _failure(self, status: int, kinds: list[type[Problem]]) -> Schema:
        """Return a reference to the response of these problems. Operations share responses."""
        name = ".".join([str(status), *(kind.name for kind in kinds)])
        if name not in self._responses:
            one = self._problem_schema(kinds[0]) if len(kinds) == 1 else shared("Problem")
            sent = dict.fromkeys(header for kind in kinds for header in kind.sends)
            headers = [*ALWAYS, *COUNTED, *sent, *OF_BODIES]
            self._responses[name] = {
                "description": "\n\n".join(f"{kind.title}. {kind.meaning()}" for kind in kinds),
                "headers": {header: _header_of(header) for header in headers},
                "content": {
                    PROBLEM_JSON: {"schema": one, **self._problem_examples(kinds)},
                    html.MEDIA_TYPE: {"schema": {"type": "string"}},
                },
            }
        return {"$ref": f"#/components/responses/{name}"}

    # -- schemas

    def _named(self, name: str, schema: Schema) -> Schema:
        """Register a schema and its definitions under a name. Return a reference to it."""
        for inner, definition in schema.pop("$defs", {}).items():
            self._named(inner, definition)
        self._schemas[name] = _with_descriptions(schema)
        return shared(name)

    def _shown(self, operation: Operation, media_type: str) -> Schema:
        """Return the schema of an operation's replies in one media type."""
        kinds = kinds_of(operation)
        if not kinds or media_type not in SHAPES.documents:
            return {"type": "string" if media_type.startswith("text/") else "object"}
        found = [self._representation(kind, media_type) for kind in kinds]
        return found[0] if len(found) == 1 else {"anyOf": found}

    def _representation(self, kind: ResourceType, media_type: str) -> Schema:
        name = kind.name + _camel(media_type.partition("/")[2].removesuffix("+json"))
        if name not in self._schemas:
            refer: Refer = lambda items: self._representation(items, media_type)  # noqa: E731
            self._schemas[name] = {}  # so that a kind may hold things of its own kind
            describe = SHAPES[media_type].schema
            assert describe is not None, "only documents of JSON have a schema"
            links = tuple(filter(self._serves, kind.sometimes))
            self._named(name, describe(replace(kind, sometimes=links), refer))
        return shared(name)

    def _serves(self, relation: str) -> bool:
        """Whether a relation, if it is one of ours, is one of this service."""
        return relation not in RELATIONS or relation in self._table.relations

    def _body(self, kind: type[Body], media_type: str) -> Schema:
        schema = self._with_patterns(described(kind))
        schema["properties"] = {
            name: each
            for name, each in schema.get("properties", {}).items()
            if not name.endswith("_uri") or self._serves(name.removesuffix("_uri"))
        }
        if media_type == FORM and as_fields(schema) != schema:
            return self._named(f"{kind.__name__}Form", as_fields(schema))
        return self._named(kind.__name__, schema)

    def _with_patterns(self, schema: Any) -> Any:
        """Return a schema in which values that depend on the service have a pattern: scopes, and
        URIs of a route."""
        if isinstance(schema, list):
            return [self._with_patterns(each) for each in schema]
        if not isinstance(schema, dict):
            return schema
        rest = {
            name: self._with_patterns(each)
            for name, each in schema.items()
            if name not in ("x-scopes", "x-route")
        }
        if "x-scopes" in schema:
            return {**rest, "pattern": scope_pattern(self._table.scopes)}
        return (
            {**rest, "pattern": self._uris_of(schema["x-route"])} if "x-route" in schema else rest
        )

    def _uris_of(self, route: str) -> str:
        """Return the regular expression of the URIs of a route."""
        before, _, after = (self._base + _path(self._routes[route])).partition("{key}")
        return f"^{literal(before)}{UUID}{literal(after)}$"

    def _problem_schema(self, kind: type[Problem]) -> Schema:
        """Register the schema of a problem type. It matches the end of the type's URI."""
        schema = described(kind.extends)
        common = _problem(f"/problems/{kind.name}$", {"const": kind.status})
        return self._named(
            problem_schema_name(kind.name),
            {
                **schema,
                "description": kind.meaning(),
                "properties": common | schema["properties"],
                "required": [*common, *schema["required"]],
            },
        )

    def _any_problem_schema(self) -> Schema:
        """Register the schema of any problem, with the extension members of all problems."""
        common = _problem("/problems/[^/]+$", {})
        found: dict[str, list[Schema]] = {}
        for kind in self._table.problems:
            for name, schema in described(kind.extends)["properties"].items():
                if schema not in found.setdefault(name, []):
                    found[name].append(schema)
        more = {
            name: schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
            for name, schemas in found.items()
        }
        schema = {"type": "object", "properties": common | more, "required": list(common)}
        return self._named("Problem", {**schema, "description": "Any failure (RFC 9457)."})

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
        """Return an example under this service's base URI."""
        return json.loads(rebased(json.dumps(example), self._base))


def problem_schema_name(name: str) -> str:
    """Return the schema name of a problem type."""
    return f"{_camel(name)}Problem"


def _problem(type_ends: str, status: Schema) -> dict[str, Schema]:
    """Return the schemas of the members that every problem has."""
    text: Schema = {"type": "string"}
    uri: Schema = {**text, "format": "uri"}
    return {
        "type": {**uri, "pattern": type_ends},
        "title": text,
        "status": {"type": "integer", **status},
        "detail": text,
        "instance": uri,
    }


def _path(route: Route) -> str:
    """Return a route's path in OpenAPI's syntax, with ``{key}`` for the id."""
    return re.sub(r"<[a-z]+:([a-z]+)>", r"{\1}", route.path)


def _keys(route: Route) -> list[Schema]:
    """Return the path parameters of a route."""
    formats: dict[str, Schema] = {"uuid": {"format": "uuid"}, "string": {"minLength": 1}}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": "The last part of the resource's URI, taken from a link.",
            "schema": {"type": "string", **formats[kind]},
        }
        for kind, name in re.findall(r"<([a-z]+):([a-z]+)>", route.path)
    ]


def _request_header(name: str, meaning: str, schema: Schema) -> Schema:
    return {"name": name, "in": "header", "description": meaning, "schema": schema}


def _security(operation: Operation) -> list[Schema]:
    """Return the security requirements. An empty one means that none is required."""
    nobody: Schema = {}
    alternatives = operation.scope.alternatives if isinstance(operation.scope, Scope) else ("",)
    scopes = [[str(scope)] if scope else [] for scope in alternatives]
    token: list[Schema] = [{kind: each} for each in scopes for kind in ("oauth2", "bearer")]
    if operation.grants:
        return [nobody, {"basic": []}, {"bearer": []}]
    if operation.scope == OPEN:
        return [nobody]
    return [nobody, *token] if operation.scope == PUBLIC else token


def _header(name: str) -> Schema:
    required: Schema = {"required": True} if name in ALWAYS else {}
    schema = {"type": "integer" if name == "Retry-After" else "string"}
    return {"description": HEADERS[name], **required, "schema": schema}


def _header_of(name: str) -> Schema:
    return {"$ref": f"#/components/headers/{name}"}


def _with_descriptions(schema: Schema) -> Schema:
    """Turn the titles of a schema's members into descriptions."""
    schema = {name: value for name, value in schema.items() if name != "title"}
    properties: Mapping[str, Schema] = schema.get("properties", {})
    written = {}
    for name, member in properties.items():
        title = member.get("title", "")
        plain = title in ("", name.replace("_", " ").title())
        description: Schema = {} if plain else {"description": title}
        rest = {key: value for key, value in member.items() if key != "title"}
        written[name] = {**description, **rest}
    return {**schema, "properties": written} if properties else schema


def _tag(module: str) -> str:
    return module.rpartition(".")[2]


def _first_line(text: str) -> str:
    return inspect.cleandoc(text).partition("\n")[0]


def _camel(name: str) -> str:
    """Return a media subtype in camel case: ``prs.hal-forms`` is ``HalForms``, ``json`` empty."""
    words = re.split(r"[-_.]", name.removeprefix("prs."))
    return "".join(word.capitalize() for word in words if word != "json")
