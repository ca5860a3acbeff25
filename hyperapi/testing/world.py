"""A service on which people have things: made from what the service declares.

People register and sign in by the operations that are declared for it, and make one resource of
each type by the operations that make them. Where a resource is, the replies tell.

A :class:`World` is all that a rule knows of a service. There are two kinds: an application in this
process (:mod:`hyperapi.testing.app_world`), and a service at a URL
(:mod:`hyperapi.testing.url_world`).
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from typing import Any, ClassVar
from uuid import uuid4

from werkzeug.test import Client, TestResponse

from hyperapi.http.bodies import Body
from hyperapi.http.operation_spec import successes
from hyperapi.http.responses import EVENT_STREAM
from hyperapi.http.routes import PREFIX, Operation, Route, operations
from hyperapi.http.scopes import ACCOUNT, OPEN, Scope
from hyperapi.testing import contract, examples
from hyperapi.testing.declared import (
    body_of,
    creates_by_put,
    done_once,
    keyed,
    named_routes,
    owned,
    route_of_key,
    shows,
    takes_all,
    takes_body,
)
from hyperapi.testing.reports import Exchange, History

PASSWORD = "correct horse battery"
_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")


class NotChecked(Exception):
    """A rule cannot be judged here. The text says why."""


class CannotRun(Exception):
    """No rule can be judged here. The text says why, and what to do."""


@dataclass
class Things:
    """One resource of each type that somebody has.

    :ivar mark: text that begins each free text of these resources.
    :ivar visible_mark: the same for resources that bound tokens always see.
    :ivar keys: the key of the resource at a route, by the route's name.
    """

    mark: str = field(default_factory=lambda: f"mark{uuid4().hex[:12]}")
    visible_mark: str = field(default_factory=lambda: f"mark{uuid4().hex[:12]}")
    keys: dict[str, str] = field(default_factory=dict)


@dataclass
class Somebody:
    """Somebody at a service: a client, perhaps with a token and things.

    :ivar key: the key of the user.
    :ivar here: the things that requests are about, unless they say otherwise.
    :ivar there: more things of the same person.
    :ivar history: the last requests, with those of everybody in the same world.
    :ivar changes: what requests of this person have changed since joining, as methods and URIs.
    """

    client: Client
    name: str = ""
    password: str = PASSWORD
    key: str = ""
    token: str = ""
    refresh_token: str = ""
    here: Things = field(default_factory=Things)
    there: Things = field(default_factory=Things)
    history: History = field(default_factory=History)
    changes: list[str] = field(default_factory=list)

    def ask(self, method: str, uri: str, **request: Any) -> TestResponse:
        """Send a request, with the token if there is one."""
        headers = dict(request.pop("headers", {}))
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        reply = self.client.open(uri, method=method, headers=headers, **request)
        self.history.append(Exchange(request, reply))
        if method not in _SAFE and reply.status_code < 400:
            self.changes.append(f"{method} {uri}")
        return reply

    def without_token(self) -> "Somebody":
        """The same person before signing in, as a stranger who knows these URIs."""
        return replace(self, token="")


class World(ABC):
    """A service, two people who know nothing of each other, and anybody who is needed.

    :ivar inside: whether a rule may look into the application: its code, database and clock.
    :ivar base: the scheme, host and prefix of all URIs.
    :ivar history: the last requests of everybody.
    :ivar operations: those of resources and documents.
    :ivar protocols: those whose requests and replies another standard defines.
    :ivar spoilt: whether an operation that breaks a rule may have changed what people have.
    :ivar undocumented: by the name of an operation: how its replies differ from the OpenAPI
        document.
    """

    inside: ClassVar[bool]
    password = PASSWORD

    def __init__(
        self,
        base: str,
        routes: Iterable[Route],
        scopes: Iterable[Scope],
        promises: contract.Promises,
    ) -> None:
        self.base = base
        self._uris_in = re.compile(re.escape(base) + r"/[^\s\"'<>;,{}\\]*")
        self.routes = list(routes)
        every = list(operations(self.routes))
        self.operations = [each for each in every if not each.route.protocol]
        self.protocols = [each for each in every if each.route.protocol]
        self.undocumented: dict[str, list[str]] = {}
        self.scopes = list(scopes)
        self.promises = promises
        self.history = History()
        self._guest: Somebody | None = None
        self._unchanged: Somebody | None = None
        self._telling: set[str] = set()
        self._others: dict[tuple[str, str], Somebody] = {}
        self._numbers = count(1)
        self._shared_keys = self._keys_of_documents()
        self.renew()

    # -- what the two kinds of worlds have in different ways

    def not_checked(self, operation: Operation) -> str:  # noqa: ARG002
        """Why no rule may try an operation here; empty where rules may."""
        return ""

    @abstractmethod
    def client(self) -> Client:
        """A client of the service, without a token."""

    @abstractmethod
    def stored(self, whose: "Somebody | None" = None) -> Any:
        """What the service keeps, or what it keeps of one person, as far as it can be seen.

        :param whose: what this person has; what everybody has when None.
        """

    @abstractmethod
    def uri_at(self, route: Route, key: str | None) -> str:
        """The URI of a route, or of the resource with this key."""

    @abstractmethod
    def matched(self, uri: str) -> tuple[str, str] | None:
        """The name of the route of a URI, and the key in it; an empty one where it has none."""

    @property
    @abstractmethod
    def well_known(self) -> str:
        """The URI of the metadata of the service as a protected resource (RFC 9728)."""

    @abstractmethod
    def meaning_of(self, relation: str) -> str | None:
        """What a relation of the service means; None when it has no such relation."""

    @abstractmethod
    def unique_members(self, resource: str) -> set[str]:
        """The members whose values no two resources of a user share, by the name of their type."""

    @abstractmethod
    def refuses_deletion(self, resource: str) -> list[str]:
        """The types of resources that must be deleted before one of these can be."""

    @abstractmethod
    def changed_with(self, resource: str) -> set[str]:
        """The types of resources that change when one of these is deleted, itself included."""

    @abstractmethod
    def recovery_token(self) -> str:
        """A token that sets the password of somebody who is not needed.

        :raises NotChecked: where only the operator can make one.
        """

    # -- people

    def renew(self) -> None:
        """Replace all people, and forget how replies differed from the document."""
        self.spoilt = False
        self._guest = self._unchanged = None
        self._others.clear()
        self.undocumented.clear()
        self.alice, self.bob = self.join(), self.join()

    @property
    def stranger(self) -> Somebody:
        """Somebody without a token, who knows of nothing."""
        things = Things(keys=dict(self._shared_keys))
        return Somebody(self.client(), here=things, history=self.history)

    def newcomer(self) -> Somebody:
        """Somebody new, signed in, who has nothing yet."""
        person = replace(self.stranger, password=self.password)
        person.there.keys.update(self._shared_keys)
        registered = self._made(person, self.registration)
        self.learn(person.here, registered.headers["Location"])
        self.learn(person.there, registered.headers["Location"])
        person.name = (registered.json or {})["username"]
        _, person.key = self._named_by(registered.headers["Location"]) or ("", "")
        self.learn(person.here, self.sign_in(person))
        self._read_account(person)
        return person

    def _read_account(self, person: Somebody) -> None:
        """Learn where the resources are that an account has without making them."""
        for each in self.every(lambda each: each.method == "GET" and each.scope == ACCOUNT):
            if not keyed(each):
                for uri in self._uris_in.findall(self.ask(person, each).text):
                    self.learn(person.here, uri)
                    self.learn(person.there, uri)

    def join(self) -> Somebody:
        """Somebody new, who has things here and there."""
        person = self.newcomer()
        for things in (person.there, person.here):
            self._furnish(person, things)
        self.learn(person.there, self.sign_in(replace(person)))
        person.changes.clear()
        return person

    def guest(self, operation: Operation) -> Somebody:
        """Somebody whose things an operation may change.

        It is the same person again, since joining takes many requests, but for operations that
        delete, that can be done once, or that change an account.
        """
        if self._guest is None:
            self._guest = self.join()
        if not (spends(operation) and operation.writes):
            return self._guest
        person = self.spender(operation)
        if operation.method == "DELETE" and operation.route.resource:
            self._release(person, operation.route.resource)
        return person

    def spender(self, operation: Operation) -> Somebody:  # noqa: ARG002
        """Somebody whose things, or account, an operation uses up.

        It is the same person again until a request has changed anything.
        """
        if self._unchanged is None or self._unchanged.changes:
            self._unchanged = self.join()
        return self._unchanged

    def _release(self, person: Somebody, resource: str) -> None:
        """Delete what would refuse the deletion of a person's things of one type."""
        for name in self.refuses_deletion(resource):
            self._release(person, name)
            route = self.named(name)
            for things in (person.here, person.there):
                person.ask("DELETE", self.uri(route, person, self.key(route, things)))

    def sign_in(self, person: Somebody, **wanted: Any) -> str:
        """Give a person the tokens of a new session, whose URI is returned."""
        made = self._made(person.without_token(), self.grant, wanted)
        tokens = made.json or {}
        person.token = tokens["access_token"]
        person.refresh_token = tokens.get("refresh_token", "")
        return made.headers["Location"]

    def empty(self) -> Somebody:
        """Somebody who has nothing, and makes nothing."""
        return self.newcomer()

    def elsewhere(self, person: Somebody, *, scope: str) -> Somebody:
        """The same person with a token of this scope."""
        return self._once((person.name, scope), lambda: self._with_scope(person, scope))

    def bound(self, person: Somebody) -> Somebody:
        """The same person with a token that is bound to what is here."""
        return self._once((person.name, ""), lambda: self._with_bound_token(person))

    def _once(self, what: tuple[str, str], make: Callable[[], Somebody]) -> Somebody:
        """Make another token once: a person has a limited number of them."""
        if what not in self._others:
            self._others[what] = make()
        return self._others[what]

    def _with_scope(self, person: Somebody, scope: str) -> Somebody:
        other = replace(person)
        self.sign_in(other, scope=scope)
        return other

    def _with_bound_token(self, person: Somebody) -> Somebody:
        assert self.binding is not None
        member, route = self.binding
        made = self.ask(person, self.grant, json={member: self.uri(self.named(route), person)})
        assert made.status_code == 201, made.text
        token = (made.json or {})["access_token"]
        return replace(person, token=token, refresh_token="")

    @property
    def registration(self) -> Operation:
        """The operation that makes a user: a POST that heeds no token and gives none."""
        return next(
            each
            for each in self.operations
            if each.scope == OPEN and each.method == "POST" and not each.grants
        )

    @property
    def grant(self) -> Operation:
        """The operation that gives tokens."""
        return next(each for each in self.operations if each.grants)

    @property
    def binding(self) -> tuple[str, str] | None:
        """The member that binds a new token, and the route of what it is bound to; None in a
        service without such a route."""
        assert self.grant.body is not None
        found: dict[str, str] = {}
        for kind in self.grant.body.kinds():
            found |= named_routes(kind)
        served = {member: route for member, route in found.items() if self.serves(route)}
        return next(iter(served.items()), None)

    def sees_elsewhere(self, operation: Operation) -> bool:
        """Whether a bound token has the same rows as any other, as their table declares."""
        return operation.route.visible_when_bound

    @cached_property
    def visible(self) -> set[str]:
        """The types of resources that a bound token sees like any other token."""
        return {each.resource for each in self.routes if each.visible_when_bound}

    # -- where things are

    def serves(self, name: str) -> bool:
        """Whether there is a route of a name."""
        return any(each.name == name for each in self.routes)

    def named(self, name: str) -> Route:
        """The route of a name."""
        return next(each for each in self.routes if each.name == name)

    def uri(
        self, route: Route, who: Somebody, key: str | None = None, *, there: bool = False
    ) -> str:
        """The URI of a person's resource at a route, or of the one named by ``key``."""
        if "<" not in route.rule:
            return self.uri_at(route, None)
        return self.uri_at(route, key or self.key(route, who.there if there else who.here))

    def key(self, route: Route, things: Things) -> str:
        """The key in the URI of a resource at a route; a KeyError when there is none yet."""
        return things.keys[route_of_key(route, self.routes).name]

    def learn(self, things: Things, uri: str) -> None:
        """Keep the key of the resource at a URI, if it is the first of its route."""
        if found := self._named_by(uri):
            things.keys.setdefault(*found)

    def learn_last(self, things: Things, uri: str) -> None:
        """Keep the key of what can be done once, at a URI."""
        found = self._named_by(uri)
        if found and "GET" not in self.named(found[0]).operations:
            things.keys[found[0]] = found[1]

    def _named_by(self, uri: str) -> tuple[str, str] | None:
        """The name of the route of a URI and the key in it, if it names one of our resources."""
        found = self.matched(uri)
        return found if found and found[1] else None

    def operation_at(self, uri: str, method: str) -> Operation:
        """The operation that a request would meet."""
        found = self.matched(uri)
        assert found is not None, f"{uri} leads nowhere"
        return self.named(found[0]).operations[method]

    # -- requests

    def ask(
        self, who: Somebody, operation: Operation, uri: str | None = None, **request: Any
    ) -> TestResponse:
        """Ask for an operation, by default on the person's own things and with a good body."""
        if takes_body(operation) and not {"json", "data", "input_stream"} & request.keys():
            request["json"] = self.body(operation, who)
        if takes_all(operation):
            request.setdefault("query_string", "all=true")
        reply = who.ask(operation.method, uri or self.uri(operation.route, who), **request)
        self._note(operation, reply)
        return reply

    def body(
        self, operation: Operation, who: Somebody, things: Things | None = None
    ) -> dict[str, Any]:
        """A good body for an operation: what it needs, and one member that changes something.

        What makes the things that are there has every member, and is true where it can be.
        """
        kind, things = body_of(operation), things or who.here
        known = self.known(operation, who)
        names = [*examples.required(kind), *(name for name in known if name in kind.model_fields)]
        routes = named_routes(kind)
        others = {name for name, route in routes.items() if _is_other(operation, route, things)}
        if operation.method == "PUT":
            names += others
        if things is who.there:
            plain = (name for name in kind.model_fields if name not in routes or name in others)
            names += (name for name in plain if not examples.is_secret(kind, name))
        if not set(names) - set(known) - set(routes):
            names += self._changeable(kind, {*known, *self._alone(operation)})
        even = 2 if things is who.there else 1
        mark = things.visible_mark if self.sees_elsewhere(operation) else things.mark
        number = even * next(self._numbers)
        return {
            name: known.get(name) or self._value(kind, name, things, mark, number) for name in names
        }

    def known(self, operation: Operation, who: Somebody) -> dict[str, str]:
        """What only this person can know, by the names of members."""
        if operation.grants:
            return {"username": who.name, "password": who.password}
        if _recovers(operation):
            return {"token": self.recovery_token(), "password": self.password}
        if operation.scope == OPEN:
            return {"password": self.password}
        proof = {"username": who.name, "current_password": who.password}
        return proof if _has_proof(operation) else {}

    def _alone(self, operation: Operation) -> set[str]:
        """The members that many resources cannot all have the same value of."""
        resource = operation.route.resource
        return self.unique_members(resource) if resource and takes_all(operation) else set()

    def _changeable(self, kind: type[Body], left_out: Set[str]) -> list[str]:
        """A member that can be changed without knowing more: a free text, if there is one."""
        left = [
            name
            for name in kind.model_fields
            if name not in left_out
            and name not in named_routes(kind)
            and not examples.is_secret(kind, name)
        ]
        texts = [name for name in left if name in examples.texts_of(kind)]
        return (texts or left)[:1]

    def _value(self, kind: type[Body], name: str, things: Things, mark: str, number: int) -> Any:
        route = named_routes(kind).get(name)
        if route is not None:
            return self.uri_at(self.named(route), things.keys[route])
        return examples.value(kind, name, mark, number)

    def _made(
        self, who: Somebody, operation: Operation, wanted: Mapping[str, Any] | None = None
    ) -> TestResponse:
        made = self.ask(who, operation, json={**self.body(operation, who), **(wanted or {})})
        assert made.status_code == 201, made.text
        return made

    def _note(self, operation: Operation, reply: TestResponse) -> None:
        """Hold a reply to what the OpenAPI document promises."""
        if reply.content_type == EVENT_STREAM:
            return  # which has no end
        reply.get_data()
        found = self.promises.broken(operation, reply, self.base)
        kept = self.undocumented.setdefault(operation.name, [])
        kept += [f"{reply.status_code}: {each}" for each in found]

    # -- example resources

    def _keys_of_documents(self) -> dict[str, str]:
        """The keys of documents for everybody, as the root's links and a problem name them."""
        things, client = Things(), self.client()
        for path in (f"{PREFIX}/", f"{PREFIX}/there/is/nothing/here"):
            reply = client.get(self.base + path, headers={"Accept": "application/json"})
            for uri in self._uris_in.findall(f"{reply.headers}\n{reply.text}"):
                self.learn(things, uri)
        documents = {route.name for route in self.routes if route.document}
        return {name: key for name, key in things.keys.items() if name in documents}

    def _furnish(self, person: Somebody, things: Things) -> None:
        """Make one resource of each type that can be made, when its parts are there."""
        waiting = sorted(self.every(_makes), key=creates_by_put)
        while waiting:
            ready = [each for each in waiting if self._parts(each) <= things.keys.keys()]
            assert ready, f"nothing makes the parts of {[each.name for each in waiting]}"
            for operation in ready:
                self._make(person, things, operation)
            waiting = [each for each in waiting if each not in ready]
        self._discard(person, things)

    def _discard(self, person: Somebody, things: Things) -> None:
        """Delete one more resource of these things, and learn where it is since then.

        One that is a part of another resource is chosen, if there is any.
        """
        makers = [each for each in self.every(_makes) if not creates_by_put(each)]
        for maker in sorted(makers, key=keyed, reverse=True)[:1]:
            key = self.key(maker.route, things) if keyed(maker) else None
            uri = self.uri(maker.route, person, key)
            made = self.ask(person, maker, uri, json=self.body(maker, person, things))
            person.ask("DELETE", made.headers["Location"])
        readers = sorted(self.every(lambda each: shows(each) and owned(each)), key=self._asked_late)
        wanted = {route_of_key(each.route, self.routes).name for each in readers if keyed(each)}
        for each in readers:
            if wanted <= things.keys.keys():
                return
            route = route_of_key(each.route, self.routes) if keyed(each) else None
            if route is None or route.name in things.keys:
                uri = self.uri(each.route, person, things.keys[route.name] if route else None)
                known = len(things.keys)
                for found in self._uris_in.findall(self.ask(person, each, uri).text):
                    self.learn(things, found)
                if len(things.keys) > known:
                    self._telling.add(each.name)

    def _asked_late(self, reader: Operation) -> tuple[bool, bool]:
        """Readers that told somebody of further resources are asked first."""
        return reader.name not in self._telling, keyed(reader)

    def _parts(self, operation: Operation) -> set[str]:
        """The routes of the resources that the request for a new one names."""
        kind = body_of(operation)
        needed = {*examples.required(kind), *(kind.model_fields if _puts(operation) else ())}
        named = named_routes(kind).items()
        parts = {route for name, route in named if name in needed} - {operation.route.name}
        if operation.method == "POST" and keyed(operation):
            parts.add(route_of_key(operation.route, self.routes).name)
        return parts

    def _make(self, person: Somebody, things: Things, operation: Operation) -> None:
        if _puts(operation) and operation.route.name in things.keys:
            return
        key = str(uuid4()) if _puts(operation) else None
        if operation.method == "POST" and keyed(operation):
            key = self.key(operation.route, things)
        uri = self.uri(operation.route, person, key)
        made = self.ask(person, operation, uri, json=self.body(operation, person, things))
        assert made.status_code == 201, made.text
        self.learn(things, made.headers["Location"])
        for uri in self._uris_in.findall(made.headers.get("Link", "")):
            self.learn_last(things, uri)

    def every(self, applies: Callable[[Operation], bool]) -> Iterator[Operation]:
        """The operations that a condition holds for."""
        return filter(applies, self.operations)


def spends(operation: Operation) -> bool:
    """Whether an operation that writes uses up things, or changes an account."""
    return operation.method == "DELETE" or not owned(operation) or done_once(operation)


def _makes(operation: Operation) -> bool:
    """Whether it creates a resource that its owner keeps."""
    makes = 201 in successes(operation) and takes_body(operation)
    return owned(operation) and makes


def _is_other(operation: Operation, route: str, things: Things) -> bool:
    """Whether a body may name the resource of a route: it exists, and is not the one to replace."""
    return route in things.keys and route != operation.route.name


def _puts(operation: Operation) -> bool:
    return operation.method == "PUT"


def _has_proof(operation: Operation) -> bool:
    """Whether its body has the current password."""
    return "current_password" in body_of(operation).model_fields


def _recovers(operation: Operation) -> bool:
    """Whether its body has a token of the operator's that replaces the password."""
    open_body = operation.scope == OPEN and operation.body is not None
    return open_body and {"token", "password"} <= body_of(operation).model_fields.keys()
