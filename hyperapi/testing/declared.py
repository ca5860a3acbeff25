"""What a declaration says about an operation, as the rules ask for it."""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from hyperapi.http.bodies import Body
from hyperapi.http.operation_spec import successes
from hyperapi.http.published import routes_named_by
from hyperapi.http.routes import Operation, Route
from hyperapi.http.scopes import ACCOUNT, OPEN, PUBLIC, Scope

_KEY = re.compile(r"<[^>]*>")


def any_operation(_: Operation) -> bool:
    """Every operation."""
    return True


def keyed(operation: Operation) -> bool:
    """Whether its URI names one resource of an owner."""
    return "<" in operation.route.rule and not operation.route.document


def owned(operation: Operation) -> bool:
    """Whether it takes a token, and reads or changes what one user has."""
    return scoped(operation) and operation.scope != ACCOUNT


def needs_token(operation: Operation) -> bool:
    """Whether a request without a token is refused."""
    return operation.scope not in (PUBLIC, OPEN)


def scoped(operation: Operation) -> bool:
    """Whether it requires a scope."""
    return isinstance(operation.scope, Scope)


def gets(operation: Operation) -> bool:
    """Whether it is a GET."""
    return operation.method == "GET"


def shows(operation: Operation) -> bool:
    """Whether it is a GET of a resource, which has shapes."""
    return gets(operation) and operation.route.returns is not None and not operation.route.document


def takes_body(operation: Operation) -> bool:
    """Whether it takes a body."""
    return operation.body is not None


def creates_by_put(operation: Operation) -> bool:
    """Whether it is a PUT that creates a missing resource."""
    return operation.method == "PUT" and 201 in (operation.statuses or ())


def done_once(operation: Operation) -> bool:
    """Whether it can be done once: a POST to one resource that creates none."""
    return operation.method == "POST" and keyed(operation) and 201 not in successes(operation)


def takes_all(operation: Operation) -> bool:
    """Whether it acts on all that a filter selects, and requires ``all=true`` without one."""
    return operation.query is not None and "all" in operation.query.parameters


def in_pages(operation: Operation) -> bool:
    """Whether it is a GET of a collection in pages, which can be sorted."""
    pages = operation.query is not None and "cursor" in operation.query.parameters
    return shows(operation) and pages


def body_of(operation: Operation) -> type[Body]:
    """The first of the bodies that it takes."""
    assert operation.body is not None
    return operation.body.kinds()[0]


@cache
def named_routes(body: type[Body]) -> Mapping[str, str]:
    """The members of a body that take a resource's URI, and the route that each names."""
    return routes_named_by(body)


def route_of_key(route: Route, routes: list[Route]) -> Route:
    """The route of the resource whose key is in a route's rule: the rule up to the key."""
    rule = route.prefix + route.rule[: _key_end(route)]
    return next(each for each in routes if each.path == rule)


def _key_end(route: Route) -> int:
    found = _KEY.search(route.rule)
    assert found is not None
    return found.end()


def filters_by_uri(operation: Operation) -> Iterator[tuple[str, str]]:
    """The query parameters that take a resource's URI, and the route that each names."""
    if operation.query is not None:
        for name, declared in operation.query.filters.items():
            if declared.route is not None:
                yield name, declared.route
