"""Operations, declared once: where, which method, who may, what is taken, what is asked.

A :class:`Place` is a kind of resource's one URL rule; ``@place.on(...)`` adds a method to it.
What is declared here is all there is: the checks, the documents and the tests read it.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hyperapi.hypermedia import hal, hal_forms
from hyperapi.hypermedia.kind import Kind
from hyperapi.querying.query import Askable
from hyperapi.web.forms import FORM, JSON, MERGE_PATCH, Body
from hyperapi.web.problems import Problem
from hyperapi.web.uris import uri, uri_of, uri_template

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

    place: "Place"
    method: str
    view: Callable[..., Any]
    scope: str
    takes: type[Body] | None = None
    media: tuple[str, ...] = (JSON,)
    asks: Askable | None = None
    alone: bool = False
    unbound: bool = False
    answers: tuple[int, ...] | None = None
    shows: Kind | tuple[Kind, ...] | None = None
    raises: tuple[type[Problem], ...] = ()
    grants: bool = False
    revised: bool = False
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
class Place:
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
    shows: Kind | None = None
    guarded: bool = False
    offers: tuple[str, ...] = ()
    operations: dict[str, Operation] = field(default_factory=dict)

    def on(
        self,
        method: str,
        *,
        scope: str,
        takes: type[Body] | None = None,
        media: tuple[str, ...] = (JSON,),
        asks: Askable | None = None,
        alone: bool = False,
        unbound: bool = False,
        answers: tuple[int, ...] | None = None,
        shows: Kind | tuple[Kind, ...] | None = None,
        raises: tuple[type[Problem], ...] = (),
        grants: bool = False,
        revised: bool = False,
        streams: bool = False,
    ) -> Callable[[View], View]:
        """Declare a method of this resource; who may is said, never forgotten."""
        if scope not in _LEVELS:
            raise ValueError(f"{method} {self.rule}: {scope!r} does not say who may")
        if method in self.operations:
            raise ValueError(f"{method} {self.rule} is declared twice")

        def declare(view: View) -> View:
            self.operations[method] = Operation(
                place=self,
                method=method,
                view=view,
                scope=scope,
                takes=takes,
                media=media,
                asks=asks,
                alone=alone,
                unbound=unbound,
                answers=answers,
                shows=shows,
                raises=raises,
                grants=grants,
                revised=revised,
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
        return uri(self.name, key)

    def uri_of(self) -> Callable[[str], str]:
        """A function from keys to URIs, for use over many rows."""
        return uri_of(self.name)

    def uri_template(self) -> str:
        """The URI with ``{uuid}`` in place of the key (RFC 6570)."""
        return uri_template(self.name)


def operations(places: list[Place]) -> Iterator[Operation]:
    """Every operation of the places, in their order."""
    for place in places:
        yield from place.operations.values()


__all__ = ["FORM", "JSON", "MERGE_PATCH", "Operation", "Place"]
