"""Operations, declared once: where, which method, who may, what is taken, what is asked.

A :class:`Place` is a kind of resource's one URL rule; ``@place.on(...)`` adds a method to it.
What is declared here is all there is: the checks, the documents and the tests read it.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hyperapi.http.bodies import FORM, JSON, MERGE_PATCH, Body
from hyperapi.http.problems import Problem
from hyperapi.querying.query import Askable
from hyperapi.representations import hal, hal_forms
from hyperapi.representations.resource_type import ResourceType

PREFIX = "/api/v1"

PUBLIC = "public"
"""Anyone may; a token is welcome, and must be good."""
OPEN = "open"
"""Anyone may; the operation looks at the Authorization header itself, or not at all."""
SIGNED_IN = "signed-in"
"""Whoever has a token may, whatever its scope."""
READ, WRITE, ACCOUNT = "tasks:read", "tasks:write", "account"
SCOPES = (ACCOUNT, READ, WRITE)

WHOLE = (JSON, hal.MEDIA_TYPE, hal_forms.MEDIA_TYPE)
"""The media types of a whole document that is sent back: clients name the one it came in."""

_LEVELS = (PUBLIC, OPEN, SIGNED_IN, *SCOPES)

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One method of one resource.

    :param scope: who may: PUBLIC, OPEN, SIGNED_IN, or the scope that a token must have.
    :param takes: what its body must be; None where a body means nothing.
    :param media: the media types that the body may have.
    :param asks: what its query string may ask; None where it takes none.
    :param alone: does the view open its transactions itself, since it has work to do that must
        not hold one open? Otherwise the whole operation is one transaction.
    :param unbound: is it more than a token of one list can do?
    :param answers: the statuses that it succeeds with; its method's usual one when None.
    :param shows: the kind of what it answers, where that is not what its place and method tell.
    :param raises: what it may fail with, beside what the rest of its declaration tells.
    :param revised: does what it answers change only with its user's revision?
    :param streams: may what it answers also be had as a stream of events?
    :param grants: does it give tokens, for a Basic header and for requests of OAuth 2 too?
    """

    route: "Route"
    method: str
    view: Callable[..., Any]
    scope: str
    body: type[Body] | None = None
    media: tuple[str, ...] = (JSON,)
    query: Askable | None = None
    own_transactions: bool = False
    refused_when_bound: bool = False
    statuses: tuple[int, ...] | None = None
    returns: ResourceType | tuple[ResourceType, ...] | None = None
    problems: tuple[type[Problem], ...] = ()
    grants: bool = False
    versioned_by_owner: bool = False
    streams: bool = False

    @property
    def name(self) -> str:
        """As code and documents call it: ``change_task``."""
        return self.view.__name__

    @property
    def writes(self) -> bool:
        """May it change something?"""
        return self.method != "GET"

    @property
    def summary(self) -> str:
        """What it does, in a sentence: the first line of the view's docstring."""
        return (inspect.getdoc(self.view) or "").partition("\n")[0]


@dataclass(eq=False)
class Route:
    """A kind of resource: its endpoint's name, its URL rule below the prefix, its operations.

    :param document: is it to be read by people, and the same for everybody?
    :param shows: what every representation of it has; None where it has none.
    :param guarded: may an operator want its changes to come with If-Match?
    :param offers: the media types of what has no representations.
    """

    name: str
    rule: str
    prefix: str = PREFIX
    document: bool = False
    returns: ResourceType | None = None
    guarded: bool = False
    offers: tuple[str, ...] = ()
    operations: dict[str, Operation] = field(default_factory=dict)

    def on(
        self,
        method: str,
        *,
        scope: str,
        body: type[Body] | None = None,
        media: tuple[str, ...] = (JSON,),
        query: Askable | None = None,
        own_transactions: bool = False,
        refused_when_bound: bool = False,
        statuses: tuple[int, ...] | None = None,
        returns: ResourceType | tuple[ResourceType, ...] | None = None,
        problems: tuple[type[Problem], ...] = (),
        grants: bool = False,
        versioned_by_owner: bool = False,
        streams: bool = False,
    ) -> Callable[[View], View]:
        """Declare a method of this resource; who may is said, never forgotten."""
        if scope not in _LEVELS:
            raise ValueError(f"{method} {self.rule}: {scope!r} does not say who may")
        if method in self.operations:
            raise ValueError(f"{method} {self.rule} is declared twice")

        def declare(view: View) -> View:
            self.operations[method] = Operation(
                route=self,
                method=method,
                view=view,
                scope=scope,
                body=body,
                media=media,
                query=query,
                own_transactions=own_transactions,
                refused_when_bound=refused_when_bound,
                statuses=statuses,
                returns=returns,
                problems=problems,
                grants=grants,
                versioned_by_owner=versioned_by_owner,
                streams=streams,
            )
            return view

        return declare

    @property
    def path(self) -> str:
        """The URL rule in full."""
        return self.prefix + self.rule

    @property
    def methods(self) -> list[str]:
        """What ``Allow`` says."""
        head = ["HEAD"] if "GET" in self.operations else []
        return sorted([*self.operations, *head, "OPTIONS"])

    def uri(self, key: str | None = None) -> str:
        """The absolute URI of the resource here, or of the one named ``key``."""
        return ctx.uris.uri(self.name, key)

    def uri_of(self) -> Callable[[str], str]:
        """A function from keys to URIs, for use over many rows."""
        return ctx.uris.uri_of(self.name)

    def uri_template(self) -> str:
        """The URI with ``{uuid}`` in place of the key (RFC 6570)."""
        return ctx.uris.template(self.name)


def operations(routes: list[Route]) -> Iterator[Operation]:
    """Every operation of the places, in their order."""
    for route in routes:
        yield from route.operations.values()


__all__ = ["FORM", "JSON", "MERGE_PATCH", "Operation", "Route"]
