"""The declarations that OpenAPI has no words for: the member ``x-hyperapi`` of the document.

Programs that test a service without its code read it (``hyperapi-rules``). Everything else is in
OpenAPI's own words.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hyperapi.http.bodies import Body
from hyperapi.http.routes import Operation, Route, RouteTable
from hyperapi.http.scopes import ACCOUNT, SIGNED_IN, Scope

NAME = "x-hyperapi"
"""The name of the member."""

Schema = dict[str, Any]

REFUSED, VISIBLE, OWN = "refused", "visible", "own"
"""What a list-bound token may do with an operation: nothing, the same as any other token, or what
concerns its list."""


def published(table: RouteTable) -> Schema:
    """Return the declarations of a service's scopes, routes, operations and problems."""
    return {
        "scopes": {str(each): sorted(map(str, each.all_included())) for each in table.scopes},
        "routes": {each.name: _route(each) for each in table.routes},
        "operations": {each.name: _operation(each, table) for each in table.operations()},
        "problems": {
            each.name: {"status": each.status, "title": each.title, "advice": each.advice}
            for each in table.problems
        },
    }


def _route(route: Route) -> Schema:
    kind = route.returns
    told = {
        "document": route.document,
        "protocol": route.protocol,
        "resource": route.resource,
        "items": kind.items_name if kind else "",
        "entries": kind.entries_name if kind else "",
    }
    return {name: value for name, value in told.items() if value}


def _operation(operation: Operation, table: RouteTable) -> Schema:
    told = {
        "route": operation.route.name,
        "when-bound": _when_bound(operation),
        "grants": operation.grants,
        "names": dict(_named_by(operation, table)),
    }
    return {name: value for name, value in told.items() if value} | _query(operation)


def _query(operation: Operation) -> Schema:
    """The filters with the routes that they name, and the columns that sort."""
    if operation.query is None:
        return {}
    filters = {name: each.route or "" for name, each in operation.query.filters.items()}
    return {"filters": filters, "sorts": list(operation.query.sorts)}


def _when_bound(operation: Operation) -> str:
    """What a list-bound token may do; empty where no token is needed."""
    if operation.refused_when_bound or operation.scope == ACCOUNT:
        return REFUSED
    if operation.scope != SIGNED_IN and not isinstance(operation.scope, Scope):
        return ""
    return VISIBLE if operation.route.visible_when_bound else OWN


def _named_by(operation: Operation, table: RouteTable) -> Iterator[tuple[str, str]]:
    """The members of bodies that take the URI of a resource, and the route that each names."""
    if operation.body is not None:
        for kind in operation.body.kinds():
            for name, route in routes_named_by(kind).items():
                if table.named(route) is not None:
                    yield name, route


def routes_named_by(body: type[Body]) -> Mapping[str, str]:
    """The members of a body that take a resource's URI, and the route that each names.

    The schema of a member says the route (``UriOf``). Without that, a member ``NAME_uri`` takes the
    URI of a resource at the route ``NAME``.
    """
    members = body.model_json_schema().get("properties", {})
    routes = {name: _route_in(each) for name, each in members.items()}
    return {
        name: route or name.removesuffix("_uri")
        for name, route in routes.items()
        if route or name.endswith("_uri")
    }


def _route_in(schema: Mapping[str, Any]) -> str:
    inner = (each["x-route"] for each in (schema, *schema.get("anyOf", ())) if "x-route" in each)
    return str(next(inner, ""))
