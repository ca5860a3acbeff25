"""Routes and operations. Each operation is declared once.

A :class:`Route` is one URL rule. ``@ROUTE.get(...)``, ``@ROUTE.post(...)`` and so on add an
operation to it. The pipeline, the forms, the OpenAPI document and the tests read the declaration.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, TypeVar

from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body
from hyperapi.http.context import Context
from hyperapi.http.problems import Problem, QuotaExceeded, own_problems
from hyperapi.http.scopes import ACCOUNT, LEVELS, SIGNED_IN, Scope
from hyperapi.querying.query_string import QuerySpec
from hyperapi.representations import html
from hyperapi.representations.relations import declare_relation
from hyperapi.representations.resource_type import ResourceType
from hyperapi.representations.shapes import SHAPES

PREFIX = "/api/v1"

_KEY = re.compile("<[^>]*>")

View = TypeVar("View", bound=Callable[..., Any])
P = ParamSpec("P")
Named = TypeVar("Named")


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """The declaration of an operation.

    :param scope: PUBLIC, OPEN, SIGNED_IN, or the scope that the token must have.
    :param body: the type of its body; None where a body means nothing.
    :param media: the media types that the body may have; see :attr:`Operation.body_types`.
    :param query: the parameters of its query string; None where it takes none.
    :param own_transactions: whether the view manages its own transactions, for work that must not
        hold one open. Otherwise the whole operation is one transaction.
    :param refused_when_bound: whether list-bound tokens are refused. Where they are not, the view
        selects rows with ``ctx.row_scope``. None leaves it to the route.
    :param statuses: the success statuses; the usual one of the method when None.
    :param returns: the resource type of the reply, when route and method do not determine it.
    :param problems: problems that the declaration does not imply.
    :param versioned_by_owner: whether the reply changes only with the owner's revision.
    :param streams: whether the reply is also available as an event stream.
    :param grants: whether it issues tokens, also for Basic credentials and OAuth 2 requests.
    """

    scope: str
    body: type[Body] | None = None
    media: tuple[str, ...] = (JSON,)
    query: QuerySpec | None = None
    own_transactions: bool = False
    refused_when_bound: bool | None = None
    statuses: tuple[int, ...] | None = None
    returns: ResourceType | tuple[ResourceType, ...] | None = None
    problems: tuple[type[Problem], ...] = ()
    grants: bool = False
    versioned_by_owner: bool = False
    streams: bool = False


@dataclass(frozen=True, kw_only=True)
class Operation(Declaration):
    """One method of one route."""

    route: "Route"
    method: str
    view: Callable[..., Any]

    @property
    def name(self) -> str:
        """The name in code and documents: ``change_task``."""
        return self.view.__name__

    @property
    def body_types(self) -> tuple[str, ...]:
        """The media types that its body may have.

        A whole document may also be sent back in the media type that it came in.
        """
        if self.body is not None and self.body.read_only:
            return tuple(dict.fromkeys((*self.media, *SHAPES.documents)))
        return self.media

    @cached_property
    def writes(self) -> bool:
        """Whether it may change data."""
        return self.method != "GET"

    @property
    def summary(self) -> str:
        """The first line of the view's docstring."""
        return (inspect.getdoc(self.view) or "").partition("\n")[0]


def _declares(
    method: str, declaration: Callable[P, Declaration]
) -> Callable[Concatenate["Route", P], Callable[[View], View]]:
    """Return a decorator factory of views for one HTTP method, with the arguments of
    ``declaration``."""

    def declare(route: "Route", /, *args: P.args, **declared: P.kwargs) -> Callable[[View], View]:
        return route.declare(method, declaration(*args, **declared))

    return declare


@dataclass(eq=False)
class Route:
    """A URL rule, and the operations on its resources.

    :param name: the name of the endpoint.
    :param rule: the URL rule below the prefix.
    :param document: whether it is a document for people, the same for every client.
    :param returns: the resource type of its representations; None without any.
    :param guarded: whether an operator may require If-Match for changes.
    :param offers: the media types of replies that are not representations.
    :param relation: the meaning of the link relation of its name; empty without one.
    :param relation_name: the name of that relation, where it is another than that of the route.
    :param root_link: the relation of the root's link to it; empty without one.
    :param root_template: whether the root has it as a URI template.
    :param refused_when_bound: whether its operations refuse list-bound tokens. None leaves it to
        each of them.
    :param visible_when_bound: whether list-bound tokens see the same resources as other tokens.
    :param resource: the name of the type of owned resources that it has one or all of, if any.
    :param has_quotas: whether POST, PUT and PATCH store what a quota counts.
    :param protocol: whether its requests and replies are those of another standard. Its views
        return finished responses, and nothing is negotiated.
    :param navigated: whether browsers only navigate to it, so that no script of another origin may
        read its replies.
    """

    name: str
    rule: str
    prefix: str = PREFIX
    document: bool = False
    returns: ResourceType | None = None
    guarded: bool = False
    offers: tuple[str, ...] = ()
    relation: str = ""
    relation_name: str = ""
    root_link: str = ""
    root_template: bool = False
    refused_when_bound: bool | None = None
    visible_when_bound: bool = False
    resource: str = ""
    has_quotas: bool = False
    protocol: bool = False
    navigated: bool = False
    operations: dict[str, Operation] = field(default_factory=dict)

    @property
    def for_programs(self) -> bool:
        """Whether it has nothing that a person opens: neither representations nor a page."""
        has_page = self.returns is not None or not self.offers or html.MEDIA_TYPE in self.offers
        return self.protocol or not has_page

    def __post_init__(self) -> None:
        self.relation_name = self.relation_name or self.name
        if self.relation:
            declare_relation(self.relation_name, self.relation)
        # A route that is made of another one has its operations, which must not lead back to it.
        held = self.operations.items()
        self.operations = {method: replace(each, route=self) for method, each in held}

    get = _declares("GET", Declaration)
    post = _declares("POST", Declaration)
    put = _declares("PUT", Declaration)
    patch = _declares("PATCH", Declaration)
    delete = _declares("DELETE", Declaration)

    def declare(self, method: str, declaration: Declaration) -> Callable[[View], View]:
        """Declare an operation. The decorated function is its view.

        :raises ValueError: for an unknown scope, for a change that a scope for reading permits, for
            an operation that does not declare whether it refuses list-bound tokens, or a method
            that is declared already.
        """
        if not isinstance(declaration.scope, Scope) and declaration.scope not in LEVELS:
            raise ValueError(f"{method} {self.rule}: {declaration.scope!r} is not a scope")
        if method != "GET" and getattr(declaration.scope, "only_reads", False):
            raise ValueError(
                f"{method} {self.rule} may change data, and {declaration.scope} only reads. "
                "Declare a scope for changes."
            )
        if method in self.operations:
            raise ValueError(f"{method} {self.rule} is declared twice")
        completed = self._completed(method, declaration)
        if completed.refused_when_bound is None and _takes_bound_tokens(declaration.scope):
            raise ValueError(
                f"{method} {self.rule} does not declare what a list-bound token may do. Declare "
                "refused_when_bound=True, or refused_when_bound=False if the view selects rows "
                "with ctx.row_scope."
            )

        def add(view: View) -> View:
            declared = vars(completed)
            self.operations[method] = Operation(route=self, method=method, view=view, **declared)
            return view

        return add

    def _completed(self, method: str, declaration: Declaration) -> Declaration:
        """A declaration with what holds for all operations of the route."""
        quota = (QuotaExceeded,) if self.has_quotas and method not in ("GET", "DELETE") else ()
        return replace(
            declaration,
            refused_when_bound=_refused(declaration.refused_when_bound, self.refused_when_bound),
            problems=(*quota, *declaration.problems),
        )

    @property
    def path(self) -> str:
        """The full URL rule, with the prefix."""
        return self.prefix + self.rule

    @property
    def methods(self) -> list[str]:
        """The value of ``Allow``."""
        head = ["HEAD"] if "GET" in self.operations else []
        return sorted([*self.operations, *head, "OPTIONS"])

    def uri(self, ctx: Context, key: str | None = None) -> str:
        """Return the absolute URI of a resource of this route. ``key`` is the id in it."""
        return ctx.uris.uri(self.name, key)

    def uri_of(self, ctx: Context) -> Callable[[str], str]:
        """Return a function from ids to URIs, for use over many rows."""
        return ctx.uris.uri_of(self.name)

    def uri_template(self, ctx: Context) -> str:
        """Return the URI with ``{uuid}`` as its id (RFC 6570)."""
        return ctx.uris.template(self.name)


class RouteTable:
    """The routes of an application, and the names that they use.

    :param relations: further relations with their meanings, which no route is named after.
    :param problems: further problem types, which no operation declares.
    :ivar scopes: the scopes of its tokens, in the order of their names.
    :ivar relations: the meanings of its own relations, by name.
    :ivar problems: its problem types, in the order of their names.
    :ivar links_for_programs: the relations of the root's links that lead to nothing for people.
    :raises ValueError: when two routes, operations, scopes or problem types have one name, or two
        routes one path.
    """

    def __init__(
        self,
        routes: Iterable[Route],
        relations: Mapping[str, str] = MappingProxyType({}),
        problems: Iterable[type[Problem]] = (),
    ) -> None:
        self.routes = list(routes)
        self._by_name = _unique("route", ((route.name, route) for route in self.routes))
        _unique("path", ((_KEY.sub("<>", route.path), route) for route in self.routes))
        _unique("operation", ((each.name, each) for each in self.operations()))
        self.scopes = sorted({ACCOUNT, *_scopes(self.routes)})
        named = {each.relation_name: each.relation for each in self.routes if each.relation}
        self.relations = {**named, **relations}
        for name, meaning in relations.items():
            declare_relation(name, meaning)
        declared = (each for operation in self.operations() for each in operation.problems)
        kinds = {*own_problems(), *declared, *problems}
        _unique("problem type", ((kind.name, kind) for kind in kinds))
        self.problems = sorted(kinds, key=lambda kind: kind.name)
        self.links_for_programs = [
            each.root_link for each in self.routes if each.root_link and each.for_programs
        ]

    def named(self, name: str) -> Route | None:
        """Return the route of an endpoint; None for other endpoints."""
        return self._by_name.get(name)

    def operations(self) -> Iterator[Operation]:
        """Yield every operation in the order of the routes."""
        return operations(self.routes)


def _scopes(routes: Iterable[Route]) -> Iterator[Scope]:
    """Yield the scopes that operations require, with those that they include.

    :raises ValueError: when two scopes have one name.
    """
    required = {
        id(scope): scope
        for operation in operations(routes)
        if isinstance(operation.scope, Scope)
        for alternative in operation.scope.alternatives
        for scope in (alternative, *alternative.all_included())
    }
    _unique("scope", ((str(scope), scope) for scope in required.values()))
    yield from required.values()


def _unique(what: str, pairs: Iterable[tuple[str, Named]]) -> dict[str, Named]:
    """Return pairs as a dictionary.

    :param what: what is named, for the message.
    :raises ValueError: when two things have one name.
    """
    found: dict[str, Named] = {}
    for name, each in pairs:
        if found.setdefault(name, each) is not each:
            raise ValueError(f"There are two of the {what} {name}. Rename one of them.")
    return found


def _takes_bound_tokens(scope: str) -> bool:
    """Whether a token that is bound to a list may have a scope."""
    return scope == SIGNED_IN or (isinstance(scope, Scope) and scope != ACCOUNT)


def _refused(*declared: bool | None) -> bool | None:
    """Whether an operation or its route refuses list-bound tokens; None where neither says it."""
    return True if True in declared else None if set(declared) == {None} else False


def accept_patch(route: Route) -> list[tuple[str, str]]:
    """Return the Accept-Patch header of a route with PATCH (RFC 5789 §3.1)."""
    patch = route.operations.get("PATCH")
    return [("Accept-Patch", ", ".join(patch.body_types))] if patch else []


def operations(routes: Iterable[Route]) -> Iterator[Operation]:
    """Yield every operation of the routes in order."""
    for route in routes:
        yield from route.operations.values()


__all__ = ["FORM", "JSON", "MERGE_PATCH", "Operation", "Route"]
