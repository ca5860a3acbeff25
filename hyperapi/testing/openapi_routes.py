"""Routes and operations, read from the OpenAPI document that a service publishes.

They are as good as the declared ones to a rule: their bodies and queries have the schemas of the
document. Nobody can call their views.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from pydantic import create_model

from hyperapi.http import published
from hyperapi.http.bodies import JSON, Body
from hyperapi.http.problems import Problem
from hyperapi.http.routes import PREFIX, Operation, Route
from hyperapi.http.scopes import OPEN, PUBLIC, SIGNED_IN, AnyScope, Scope
from hyperapi.querying.query_string import Filter, KeyOf, Parameter, Sort
from hyperapi.representations.resource_type import Members, ResourceType

Document = Mapping[str, Any]
_METHODS = ("get", "post", "put", "patch", "delete")
_SUCCESSES = ("200", "201", "204", "303")
_KEY = re.compile(r"\{([a-z]+)\}")


class PublishedBody(Body):
    """A body, by its schema in a document.

    :cvar schema: the schema.
    :cvar all_kinds: by media type, the bodies that one may be parsed as.
    """

    published_schema: ClassVar[dict[str, Any]] = {}
    all_kinds: ClassVar[Mapping[str, tuple[type[Body], ...]]] = {}

    @classmethod
    def kinds(cls, media: str = JSON) -> tuple[type[Body], ...]:
        return cls.all_kinds.get(media) or next(iter(cls.all_kinds.values()))

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        return cls.published_schema


@dataclass(frozen=True)
class PublishedQuery:
    """The query parameters of an operation in a document."""

    described: tuple[Parameter, ...]
    filters: Mapping[str, Filter]
    sorts: Mapping[str, Sort]

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of all parameters."""
        return tuple(each.name for each in self.described)

    def documented(self) -> list[Parameter]:
        """All parameters."""
        return list(self.described)

    def parse(self, arguments: Iterable[tuple[str, str]], key_of: KeyOf) -> Any:
        """Only the service itself parses queries."""
        raise NotImplementedError


class Reader:
    """Reads one document.

    :ivar scopes: the scopes of tokens.
    :ivar routes: all routes, with their operations.
    """

    def __init__(self, document: Document) -> None:
        self._schemas = document["components"]["schemas"]
        told = document[published.NAME]
        self._told = told["operations"]
        self._routes_told = told["routes"]
        self._problems = {name: _problem(name, each) for name, each in told["problems"].items()}
        self._scopes = _scopes(told["scopes"])
        self.scopes = list(self._scopes.values())
        self.routes = list(self._read(document["paths"]))

    def _read(self, paths: Document) -> Iterator[Route]:
        for path, described in paths.items():
            operations = {name: each for name, each in described.items() if name in _METHODS}
            first = next(iter(operations.values()))
            name = self._told[first["operationId"]]["route"]
            route = self._route(name, path, operations)
            for method, each in operations.items():
                operation = self._operation(route, method.upper(), each)
                route.operations[operation.method] = operation
            yield route

    def _route(self, name: str, path: str, operations: Document) -> Route:
        told = self._routes_told[name]
        prefix = PREFIX if path.startswith(PREFIX) else ""
        bound = {self._told[each["operationId"]].get("when-bound") for each in operations.values()}
        return Route(
            name,
            self._rule(path.removeprefix(prefix), operations),
            prefix=prefix,
            document=told.get("document", False),
            protocol=told.get("protocol", False),
            resource=told.get("resource", ""),
            visible_when_bound=published.VISIBLE in bound,
            returns=self._returned(told, operations.get("get")),
        )

    def _rule(self, path: str, operations: Document) -> str:
        """A path as a URL rule, whose keys have types."""
        first = next(iter(operations.values()))
        formats = {
            each["name"]: "uuid" if each["schema"].get("format") == "uuid" else "string"
            for each in first["parameters"]
            if each["in"] == "path"
        }
        return _KEY.sub(lambda found: f"<{formats[found[1]]}:{found[1]}>", path)

    def _returned(self, told: Document, get: Document | None) -> ResourceType | None:
        """The type of what a GET shows; None where that is no representation."""
        schema = _shown(get, JSON) if get else None
        if schema is None or "$ref" not in schema:
            return None
        name = schema["$ref"].rpartition("/")[2]
        of_items = ResourceType("Item", Members)
        return ResourceType(
            name,
            Members,
            sometimes=tuple(self._links_of(get)),
            items=of_items if told.get("items") else None,
            items_name=told.get("items", ""),
            entries=of_items if told.get("entries") else None,
            entries_name=told.get("entries", ""),
        )

    def _links_of(self, get: Document | None) -> Iterator[str]:
        """The relations that a representation may have, by its schema in HAL."""
        schema = _shown(get, "application/hal+json") if get else None
        if schema is not None and "$ref" in schema:
            named = self._schemas[schema["$ref"].rpartition("/")[2]]
            yield from named["properties"].get("_links", {}).get("properties", {})

    def _operation(self, route: Route, method: str, described: Document) -> Operation:
        told = self._told[described["operationId"]]
        content = described.get("requestBody", {}).get("content", {})
        statuses = tuple(int(each) for each in described["responses"] if each in _SUCCESSES)
        return Operation(
            route=route,
            method=method,
            view=_view(described["operationId"], described["summary"]),
            scope=self._scope(described["security"]),
            body=self._body(described, told) if content else None,
            media=tuple(content) or (JSON,),
            query=self._query(described, told),
            grants=told.get("grants", False),
            refused_when_bound=told.get("when-bound") == published.REFUSED,
            statuses=statuses,
            returns=self._another(described, route),
            problems=tuple(self._problems_of(described)),
        )

    def _another(self, described: Document, route: Route) -> ResourceType | None:
        """The type of the reply, where it is another than that of the route."""
        shown = (_shown(described, JSON) or {}).get("$ref", "").rpartition("/")[2]
        usual = route.returns.name if route.returns else ""
        return ResourceType(shown, Members) if shown and shown != usual else None

    def _scope(self, security: list[Mapping[str, list[str]]]) -> str:
        required = [each["bearer"] for each in security if "bearer" in each]
        if {} in security:
            basic = any("basic" in each for each in security)
            return PUBLIC if required and not basic else OPEN
        names = [scope for each in required for scope in each]
        return AnyScope.of(self._scopes[name] for name in names) if names else SIGNED_IN

    def _problems_of(self, described: Document) -> Iterator[type[Problem]]:
        for each in described["responses"].values():
            for name in each.get("$ref", "").rpartition("/")[2].split(".")[1:]:
                if name in self._problems:
                    yield self._problems[name]

    # -- bodies and queries

    def _body(self, described: Document, told: Document) -> type[Body]:
        body = described["requestBody"]
        kinds = {
            media: tuple(self._kinds(each["schema"], told.get("names", {})))
            for media, each in body["content"].items()
        }
        members = {"all_kinds": kinds, "optional": not body["required"]}
        first = next(iter(kinds.values()))[0]
        return cast("type[Body]", type(first.__name__, (first,), members))

    def _kinds(self, schema: Document, names: Mapping[str, str]) -> Iterator[type[Body]]:
        for each in schema.get("anyOf", [schema]):
            name = each["$ref"].rpartition("/")[2]
            whole = {**self._schemas[name], "$defs": self._schemas}
            members = {
                member: {**found, "x-route": names[member]} if member in names else found
                for member, found in whole.get("properties", {}).items()
            }
            fields: dict[str, Any] = dict.fromkeys(members, (Any, None))
            kind = create_model(name, __base__=PublishedBody, **fields)
            kind.published_schema = {**whole, "properties": members}
            yield kind

    def _query(self, described: Document, told: Document) -> PublishedQuery | None:
        if "filters" not in told:
            return None
        found = tuple(_parameter(each) for each in described["parameters"] if each["in"] == "query")
        by_name = {each.name: each.schema for each in found}
        filters = {
            name: Filter(_no_condition, str, "", by_name[name], route=route or None)
            for name, route in told["filters"].items()
        }
        return PublishedQuery(found, filters, dict.fromkeys(told.get("sorts", ()), Sort(None)))


def _scopes(told: Mapping[str, list[str]]) -> dict[str, Scope]:
    """Scopes by name, each of which has those that it includes."""
    made: dict[str, Scope] = {}
    for name, included in sorted(told.items(), key=lambda each: len(each[1])):
        made[name] = Scope(name, "use the service", (made[each] for each in included))
    return {name: made[name] for name in told}


def _problem(name: str, told: Document) -> type[Problem]:
    """A problem type. It has no name of a class, since only services raise it."""
    members = {"title": told["title"], "advice": told["advice"], "status": told["status"]}
    return type("PublishedProblem", (Problem,), {**members, "name": name})


def _view(name: str, summary: str) -> Any:
    def view() -> None:
        raise NotImplementedError

    view.__name__, view.__doc__ = name, f"{summary}."
    return view


def _no_condition(value: Any) -> Any:
    raise NotImplementedError


def _parameter(described: Document) -> Parameter:
    """A query parameter, whose values are texts."""
    schema = described["schema"]
    repeatable = schema.get("type") == "array"
    schema = schema["items"] if repeatable else schema
    if schema.get("type") == "boolean":
        schema = {"type": "string", "enum": ["true", "false"]}
    return Parameter(described["name"], described["description"], schema, repeatable)


def _shown(described: Document, media_type: str) -> Any:
    """The schema of a success in one media type; None without one."""
    for status in _SUCCESSES:
        content = described["responses"].get(status, {}).get("content", {})
        if media_type in content:
            return content[media_type]["schema"]
    return None
