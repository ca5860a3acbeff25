"""A service at a URL, which is known by its replies and its OpenAPI document alone.

It keeps the number of accounts small, since services limit registrations: things that a rule uses
up are made again in the same account. In place of the database it compares what people see.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

from werkzeug.test import Client, TestResponse

from hyperapi.http.routes import Operation, Route
from hyperapi.http.scopes import ACCOUNT, OPEN
from hyperapi.representations.relations import IANA_RELATIONS
from hyperapi.testing import contract, examples
from hyperapi.testing.declared import gets, keyed, owned, shows
from hyperapi.testing.deployment import Deployment, UriClient
from hyperapi.testing.openapi_routes import Document, Reader
from hyperapi.testing.world import CannotRun, NotChecked, Somebody, Things, World

_UUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_KEY = re.compile(r"<(uuid|string):[a-z]+>")
_METADATA = "oauth-protected-resource"
_OF_A_SANDBOX = "control-refused"
"""The problem that only operations of a sandbox's control have."""


class UrlWorld(World):
    """A deployed service, and people on it.

    :param given: names and passwords of accounts to use. Without them, people register.
    """

    inside = False

    def __init__(
        self,
        deployment: Deployment,
        document: Document,
        given: Sequence[tuple[str, str]] = (),
    ) -> None:
        self.deployment = deployment
        self.password = uuid4().hex
        self._given = list(given)
        self._registers = not given
        self._spender: Somebody | None = None
        self._read_to: dict[str, str] = {}
        self._meanings: dict[str, str | None] = {}
        self._joined = False
        base = document["servers"][0]["url"]
        reader = Reader(document)
        self._patterns = [(_pattern(base, each), each.name) for each in reader.routes]
        promises = contract.Promises(dict(document), base)
        super().__init__(base, reader.routes, reader.scopes, promises)

    def client(self) -> Client:
        return UriClient(self.deployment, TestResponse, use_cookies=False)

    def not_checked(self, operation: Operation) -> str:
        if any(kind.name == _OF_A_SANDBOX for kind in operation.problems):
            return "belongs to the control of a sandbox, which acts on the data of everybody"
        if self._registers and self._uses_up_registrations(operation):
            self._reserve()
        changes_account = operation.writes and operation.scope in (ACCOUNT, OPEN)
        if not self._registers and changes_account and not operation.grants:
            return "needs accounts of its own, and these were given"
        return ""

    def _uses_up_registrations(self, operation: Operation) -> bool:
        """Whether a rule that tries an operation makes an account."""
        return operation == self.registration or _deletes_account(operation)

    def _reserve(self) -> None:
        """Register all who are needed before a limit of registrations can be reached."""
        self._guest = self._guest or self.join()
        self._spender = self._spender or self.join()
        self.empty()

    # -- people

    def renew(self) -> None:
        if not self._joined:
            super().renew()
            self._joined = True
            return
        self.spoilt = False
        self._others.clear()
        self.undocumented.clear()
        self.alice, self.bob = self._again(self.alice), self._again(self.bob)
        self._guest = None if self._guest is None else self._again(self._guest)

    def _again(self, person: Somebody, *, signed_in: bool = False) -> Somebody:
        """The same person with new things; another one when the account is gone."""
        try:
            return self._refurnished(person, signed_in=signed_in)
        except AssertionError:
            return self.join()

    def newcomer(self) -> Somebody:
        if self._registers:
            return super().newcomer()
        if not self._given:
            raise NotChecked("needs one more account. Name one more with --user")
        person = self.stranger
        person.there.keys.update(self._shared_keys)
        person.name, person.password = self._given.pop(0)
        self._learn_account(person, self._signed_in(person))
        if self.belongings(person):
            raise CannotRun(
                f"The account {person.name} has data, which the rules would change and delete. "
                "Name accounts without data with --user."
            )
        return person

    def _signed_in(self, person: Somebody) -> str:
        """The URI of a new session of a given account."""
        try:
            return self.sign_in(person)
        except AssertionError:
            raise CannotRun(
                f"The account {person.name} cannot sign in. Check its name and password."
            ) from None

    def belongings(self, person: Somebody) -> list[str]:
        """The URIs of what a person has in collections, and can delete there."""
        found: list[str] = []
        for each in self.every(lambda each: shows(each) and owned(each) and not keyed(each)):
            kind = each.route.returns
            if kind is not None and kind.items is not None:
                found += self._items(self.uri(each.route, person), person, kind.items_name)
        return [uri for uri in found if self._is_deletable(uri)]

    def _items(self, uri: str | None, person: Somebody, name: str) -> Iterator[str]:
        while uri is not None:
            reply = person.ask("GET", uri)
            assert reply.status_code == 200, reply.text
            page: Any = reply.json
            yield from (item["uri"] for item in page[name])
            uri = page.get("next_uri")

    def _is_deletable(self, uri: str) -> bool:
        found = self.matched(uri)
        return found is not None and "DELETE" in self.named(found[0]).operations

    def empty(self) -> Somebody:
        return self._empty

    @cached_property
    def _empty(self) -> Somebody:
        return self.newcomer()

    def guest(self, operation: Operation) -> Somebody:
        if reason := self.not_checked(operation):
            raise NotChecked(reason)
        return super().guest(operation)

    def spender(self, operation: Operation) -> Somebody:
        if operation.scope == OPEN and self._guest is not None:
            return self._guest
        if _deletes_account(operation):
            return self.join()
        if self._spender is None:
            self._spender = self.join()
        else:
            self._spender = self._again(self._spender, signed_in=owned(operation))
        return self._spender

    def _refurnished(self, person: Somebody, *, signed_in: bool) -> Somebody:
        """The same person with other things.

        :param signed_in: whether the sessions are those of before.
        """
        for name, scope in list(self._others):
            if name == person.name:
                del self._others[name, scope]
        again = replace(person, here=Things(), there=Things(), history=self.history)
        pairs = ((again.here, person.here), (again.there, person.there))
        for things, before in pairs:
            kept = before.keys if signed_in else self._shared_keys
            things.keys.update({name: kept[name] for name in kept if name not in self._made_anew})
        if not signed_in:
            self._learn_account(again, self.sign_in(again))
        for things in (again.there, again.here):
            self._furnish(again, things)
        if not signed_in:
            self.learn(again.there, self.sign_in(replace(again)))
        return again

    @cached_property
    def _made_anew(self) -> set[str]:
        """The routes of the things that people make."""
        return {each.route.name for each in self.operations if owned(each)}

    def _learn_account(self, person: Somebody, session: str) -> None:
        """Learn where a person's account is, from what the person sees."""
        self.learn(person.here, session)
        users = self.uri(self.registration.route, person)
        seen: Any = person.ask("GET", users).json
        kind = self.registration.route.returns
        assert kind is not None
        [account] = seen[kind.items_name]
        for things in (person.here, person.there):
            self.learn(things, account["uri"])
        _, person.key = self._named_by(account["uri"]) or ("", "")
        self._read_account(person)

    # -- URIs and declarations

    def uri_at(self, route: Route, key: str | None) -> str:
        return self.base + _KEY.sub(quote(key or "", safe=""), route.path)

    def matched(self, uri: str) -> tuple[str, str] | None:
        path, _, _ = uri.partition("?")
        for pattern, name in self._patterns:
            if found := pattern.fullmatch(path):
                key = found.groupdict().get("key") or ""
                return name, key.lower() if re.fullmatch(_UUID, key) else key
        return None

    def key(self, route: Route, things: Things) -> str:
        try:
            return super().key(route, things)
        except KeyError:
            raise NotChecked("needs the URI of such a resource, and no reply has one") from None

    @property
    def well_known(self) -> str:
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.netloc}/.well-known/{_METADATA}{parts.path}"

    def meaning_of(self, relation: str) -> str | None:
        if relation in IANA_RELATIONS:
            return None
        if relation not in self._meanings:
            self._meanings[relation] = self._explained(relation)
        return self._meanings[relation]

    def _explained(self, relation: str) -> str | None:
        """What the page of a relation says."""
        for route in self.routes:
            if route.document and keyed_document(route):
                uri = self.uri_at(route, relation)
                page = self.stranger.ask("GET", uri, headers={"Accept": "application/json"})
                told: Any = page.json if page.status_code == 200 else {}
                if told.get("name") == relation and "status" not in told:
                    return str(told["meaning"]) or None
        return None

    def unique_members(self, resource: str) -> set[str]:
        """All texts, where an operation of the type can be refused for a value that is taken."""
        every = [each for each in self.operations if each.route.resource == resource]
        if not any(kind.status == 409 for each in every for kind in each.problems):
            return set()
        kinds = [kind for each in every if each.body for kind in each.body.kinds()]
        return {name for kind in kinds for name in examples.texts_of(kind)}

    def refuses_deletion(self, resource: str) -> list[str]:
        deletion = self.named(resource).operations.get("DELETE")
        if deletion is None or not any(kind.status == 409 for kind in deletion.problems):
            return []
        return sorted(self.changed_with(resource) - {resource})

    def changed_with(self, resource: str) -> set[str]:
        named_by = {
            each.route.resource
            for each in self.operations
            if each.route.resource and each.body is not None
            for kind in each.body.kinds()
            if resource in self._names(kind.model_json_schema()).values()
        }
        return {resource, *named_by}

    def _names(self, schema: Mapping[str, Any]) -> dict[str, str]:
        members = schema["properties"].items()
        return {name: each["x-route"] for name, each in members if "x-route" in each}

    # -- what can be seen of the inside

    def recovery_token(self) -> str:
        raise NotChecked("needs a link for a new password, which only the operator can make")

    def stored(self, whose: Somebody | None = None) -> Any:
        """What one person sees, or both Alice and Bob: the account, the collections, and how
        far the change feed goes."""
        people = [whose] if whose else [self.alice, self.bob]
        return [self._seen_by(each) for each in people]

    def _seen_by(self, person: Somebody) -> list[tuple[str, int, bytes]]:
        found = []
        for each in self.every(self._tells):
            if is_feed(each.route):
                found.append((each.route.name, 200, self._end_of(each, person).encode()))
            else:
                reply = person.ask("GET", self.uri(each.route, person))
                shown = reply.data if reply.status_code == 200 else b""
                found.append((each.route.name, reply.status_code, shown))
        return found

    def _end_of(self, feed: Operation, person: Somebody) -> str:
        """The position behind the last change of a person, read from where the last look ended."""
        uri = self._read_to.get(person.key) or self.uri(feed.route, person)
        more = True
        while more:
            reply = person.ask("GET", uri)
            if reply.status_code != 200:
                return f"{reply.status_code}"
            page: Any = reply.json
            uri, more = page["next_uri"], page["more"]
        self._read_to[person.key] = uri
        return uri

    def _tells(self, operation: Operation) -> bool:
        """Whether a GET shows something that a change of what a person has must change."""
        account = operation.route.name == self._account
        return gets(operation) and (account or (owned(operation) and not keyed(operation)))

    @cached_property
    def _account(self) -> str:
        """The route of an account."""
        return next(self.every(_deletes_account)).route.name


def is_feed(route: Route) -> bool:
    """Whether it is that of the change feed."""
    return route.returns is not None and bool(route.returns.entries)


def _deletes_account(operation: Operation) -> bool:
    """Whether it deletes an account with all that its user has."""
    return operation.scope == ACCOUNT and operation.method == "DELETE" and keyed(operation)


def keyed_document(route: Route) -> bool:
    """Whether its documents have names."""
    return "<" in route.rule


def _pattern(base: str, route: Route) -> re.Pattern[str]:
    """The regular expression of the URIs of a route."""
    parts: Iterator[str] = iter(re.split(_KEY, route.path))
    before, kind, after = next(parts), next(parts, ""), next(parts, "")
    key = {"uuid": f"(?P<key>{_UUID})", "string": "(?P<key>[^/]+)"}.get(kind, "")
    return re.compile(re.escape(base + before) + key + re.escape(after))
