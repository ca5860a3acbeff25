"""The operations of a client, as flows: follow links and submit forms."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

import httpx

from hyperapi_client.collection_reader import CollectionReader
from hyperapi_client.document import HAL, HAL_FORMS, State, read
from hyperapi_client.errors import (
    Conflict,
    FieldError,
    FormError,
    NoSuchForm,
    NoSuchLink,
    NotFound,
    NotHyperapi,
    Unavailable,
    Unreachable,
)
from hyperapi_client.forms import FORM, JSON, Field, Filled, Form, json_value, objections
from hyperapi_client.templates import expand, variables
from hyperapi_client.tokens import Tokens
from hyperapi_client.transport import (
    Emit,
    Flow,
    Pause,
    Request,
    Transport,
    log,
    raise_for_problem,
    repeatable,
    state_of,
)

Item = TypeVar("Item")
Other = TypeVar("Other")

_GUARDED = ("PUT", "PATCH", "DELETE")
_SHORTEST_POLL, _LONGEST_POLL = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Change(Generic[Item]):
    """A change of a resource, from the feed of changes.

    :param uri: of the resource.
    :param type: of the resource, such as ``task`` or ``list``. A server may have other types.
    :param deleted: whether the resource was deleted.
    :param changed_at: the time of the change, RFC 3339.
    :param resource: its current state; None when it was deleted.
    :param more: whether the server has further changes already.
    :param since: pass this to :meth:`Client.changes` to continue after this change. Changes of the
        same page may come again; none is missed.
    """

    uri: str
    type: str
    deleted: bool
    changed_at: str
    resource: Item | None
    more: bool
    since: str

    def of(self, wrap: Callable[[Item], Other]) -> "Change[Other]":
        """Return the same change with its resource converted."""
        resource = None if self.resource is None else wrap(self.resource)
        return Change(
            self.uri, self.type, self.deleted, self.changed_at, resource, self.more, self.since
        )


@dataclass(frozen=True, slots=True)
class How:
    """Options for submitting a form.

    :param idempotency_key: names the creation, so that it happens once however often it is sent
        (within a day, by the same user). By default each submission gets a new key.
    :param minimal: ask the server for a reply without content.
    :param force: send no ``If-Match``, so that changes of others are overwritten.
    """

    idempotency_key: str | None = None
    minimal: bool = False
    force: bool = False


DEFAULTS = How()


class Actions:
    """The operations of a client on its transport."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    # -- reading

    def at(self, uri: str, accept: str = HAL_FORMS) -> Flow[State]:
        """Return the resource at a URI."""
        return (yield from self.transport.state(self.transport.get(uri, accept)))

    def follow(self, state: State | None, relation: str, values: Mapping[str, Any]) -> Flow[State]:
        """Return the resource that a link of ``state`` leads to; None means the root."""
        start = state or (yield from self.transport.root())
        return (yield from self.at(uri_of(start, relation, values)))

    def resolve(self, state: State | None, relation: str, values: Mapping[str, Any]) -> Flow[str]:
        """Return the URI that a link leads to."""
        return uri_of(state or (yield from self.transport.root()), relation, values)

    def reload(self, state: State) -> Flow[State]:
        """Return the current version of a resource, with its forms."""
        headers = {}
        if state.etag is not None and state.forms is not None:
            headers["If-None-Match"] = state.etag
        reply = yield from self.transport.send(self.transport.get(state.uri, headers=headers))
        if reply.response.status_code == 304:
            return state
        return state_of(raise_for_problem(reply.response), state.uri)

    def forms(self, state: State) -> Flow[Mapping[str, Form]]:
        """Return the forms of a resource. Read it again when its representation had none."""
        if state.forms is not None:
            return state.forms
        return (yield from self.reload(state)).forms or {}

    def pages(self, state: State) -> Flow[None]:
        """Emit a page and the following ones, until a page has no new item."""
        page: State | None = _collection(state)
        seen: set[str] = set()
        while page is not None:
            yield Emit(page)
            found = {item.uri for item in page.items or () if item.uri != page.uri}
            known = found <= seen and len(found) == len(page.items or ())
            seen |= found
            page = None if known else (yield from self._next(page))

    def items(self, state: State) -> Flow[None]:
        """Emit the items of a collection, across its pages, each once."""
        return (
            yield from CollectionReader(_collection(state), lambda uri: self.at(uri, HAL)).items()
        )

    def _next(self, page: State) -> Flow[State | None]:
        """Return the next page. It is read as HAL, since forms would be most of its size."""
        link = page.links.get("next")
        return None if link is None else (yield from self.at(link.href, HAL))

    # -- writing

    def submit(
        self, state: State, name: str, given: Mapping[str, Any], how: How = DEFAULTS
    ) -> Flow[State]:
        """Fill in a form, check it, send it, and return the result.

        A change or deletion applies to the version that was seen (``If-Match``). The items of a
        page have no ETag, so an item is read once more first.

        :raises NoSuchForm: when the resource does not offer the form now.
        :raises FormError: when a value does not fit the form.
        :raises Conflict: when the resource has changed since.
        """
        form = form_of(state, (yield from self.forms(state)), name)
        filled = form.fill(given)
        headers = {}
        if form.method in _GUARDED and form.target == state.uri and not how.force:
            tag = yield from self._version(state)
            if tag is not None:
                headers["If-Match"] = tag
        return (yield from self._send(filled, how, headers))

    def create_many(
        self, state: State, items: Sequence[Mapping[str, Any]], name: str, how: How = DEFAULTS
    ) -> Flow[State]:
        """Create several resources at once, all or none. Each is checked against the ``create``
        form.

        :param name: the relation of the collection, which is the member that holds them.
        :raises FormError: naming fields as ``tasks/3/title``.
        """
        form = form_of(state, (yield from self.forms(state)), "create")
        members, errors = [], []
        for number, item in enumerate(items):
            try:
                members.append(form.fill(item).values)
            except FormError as error:
                errors += [FieldError(f"{name}/{number}/{e.name}", e.detail) for e in error.errors]
        if errors:
            raise FormError(form.name, errors)
        content = json.dumps({name: members}, ensure_ascii=False).encode()
        filled = Filled("POST", form.target, JSON, content, {})
        return (yield from self._send(filled, how, {"Accept": HAL}))

    def put(
        self,
        state: State | None,
        relation: str,
        members: Mapping[str, Any],
        values: Mapping[str, Any],
        create_only: bool,
    ) -> Flow[State]:
        """Create or replace the resource that a templated link names by ``values``."""
        uri = yield from self.resolve(state, relation, values)
        wanted = _sendable(relation, members)
        content = json.dumps(wanted, ensure_ascii=False).encode()
        filled = Filled("PUT", uri, JSON, content, wanted)
        headers = {"If-None-Match": "*"} if create_only else {}
        return (yield from self._send(filled, DEFAULTS, headers))

    def undo(self, state: State) -> Flow[State]:
        """Undo the change that a state is the result of. The result can be undone too.

        :raises NoSuchLink: when there is nothing to undo.
        """
        if state.undo is None:
            where = state.uri or "the result"
            raise NoSuchLink(
                f"{where} has no link 'undo': it is not the result of a change, or the server "
                "keeps no history."
            )
        return (yield from self._send(Filled("POST", state.undo, None, b"", {}), DEFAULTS, {}))

    def _version(self, state: State) -> Flow[str | None]:
        """Return the ETag of the version that was seen.

        :raises Conflict: when the resource has changed since.
        """
        if state.etag is not None:
            return state.etag
        current = yield from self.at(state.uri)
        seen = state.members.get("updated_at")
        if seen is not None and current.members.get("updated_at") != seen:
            raise _conflict(current)
        return current.etag

    def _send(self, filled: Filled, how: How, conditions: Mapping[str, str]) -> Flow[State]:
        headers = {"Accept": HAL_FORMS, **conditions}
        if filled.content_type is not None:
            headers["Content-Type"] = filled.content_type
        if filled.method == "POST" and self.transport.tokens is not None:
            headers["Idempotency-Key"] = how.idempotency_key or str(uuid4())
        if how.minimal:
            headers["Prefer"] = "return=minimal"
        again = repeatable(filled.method, headers)
        request = Request(filled.method, filled.uri, headers, filled.content, repeatable=again)
        reply = yield from self.transport.send(request)
        try:
            return state_of(raise_for_problem(reply.response), filled.uri)
        except (Conflict, NotFound) as problem:
            if not reply.uncertain:
                raise
            return _already_applied(filled, problem)

    # -- signing in and out

    def register(self, members: Mapping[str, Any]) -> Flow[State]:
        """Register a user."""
        users = yield from self.follow(None, "users", {})
        return (yield from self.submit(users, "register", members))

    def login(self, members: Mapping[str, Any]) -> Flow[State]:
        """Sign in with a user name and a password, and use the new tokens."""
        form = yield from self.transport.anonymous_form("tokens", "login")
        filled = form.fill(members)
        headers = {"Accept": HAL_FORMS, "Content-Type": filled.content_type or JSON}
        request = Request(filled.method, filled.uri, headers, filled.content, anonymous=True)
        session = yield from self.transport.state(request)
        self.transport.keep(Tokens.read(session.members, session.uri))
        return session

    def trade_code(self, fields: Mapping[str, str]) -> Flow[State]:
        """Trade an authorization code (RFC 6749 §4.1.3), and use the new tokens."""
        root = yield from self.transport.state(
            self.transport.get(self.transport.url, anonymous=True)
        )
        content = urlencode({"grant_type": "authorization_code", **fields}).encode()
        headers = {"Accept": JSON, "Content-Type": FORM}
        where = root.links["tokens"].href
        request = Request("POST", where, headers, content, anonymous=True)
        session = yield from self.transport.state(request)
        self.transport.keep(Tokens.read(session.members, session.uri))
        return session

    def logout(self) -> Flow[None]:
        """End the session, and forget its tokens."""
        tokens = self.transport.tokens
        if tokens is None:
            return
        session = yield from self._session(tokens)
        if session is not None:
            yield from self.submit(session, "revoke", {}, How(force=True))
        self.transport.keep(None)

    def _session(self, tokens: Tokens) -> Flow[State | None]:
        """Return the token resource of the current token."""
        if tokens.uri:
            return (yield from self.at(tokens.uri))
        page: State | None = yield from self.follow(None, "tokens", {})
        while page is not None:
            for session in page.items or ():
                if session.members.get("current"):
                    return session
            page = yield from self._next(page)
        return None

    def derive(self, on: State | None, members: Mapping[str, Any]) -> Flow[State]:
        """Derive a token. Its secret is a member of the result.

        :param on: the list to bind the token to; None for an unbound token.
        """
        if on is not None and "derive" in (yield from self.forms(on)):
            return (yield from self.submit(on, "derive", members))
        tokens = yield from self.follow(None, "tokens", {})
        form = form_of(tokens, (yield from self.forms(tokens)), "derive")
        if on is not None and "list_uri" not in form.fields:
            bound = Field("list_uri", "List", "hidden", value=on.uri)
            form = replace(form, fields={**form.fields, "list_uri": bound})
        return (yield from self._send(form.fill(members), DEFAULTS, {}))

    # -- changes

    def changes(self, since: str | None, follow: bool, existing: bool, wait: float) -> Flow[None]:
        """Emit the existing resources by their last change, and then further changes.

        :param since: the ``since`` of a change, to continue after it.
        :param follow: wait for further changes without end. When the server does not answer, it is
            asked again until it does.
        :param existing: emit the existing resources too, and not only further changes.
        :param wait: the seconds that the server may hold a request.
        :raises Gone: when ``since`` is too old.
        """
        uri = since or (yield from self.resolve(None, "changes", {}))
        headers: dict[str, str] = {}
        failures = 0
        while True:
            request = self.transport.get(uri, HAL, headers=headers, patience=wait)
            try:
                reply = yield from self.transport.send(request)
                page = state_of(raise_for_problem(reply.response), uri)
            except (Unreachable, Unavailable) as failure:
                if not (follow and headers):
                    raise
                failures += 1
                log.warning("waiting for changes: %s", failure)
                yield Pause(min(_SHORTEST_POLL * 2**failures, _LONGEST_POLL), str(failure))
                continue
            failures = 0
            behind = _next_changes(page)
            found = page.members["changes"]
            for number, item in enumerate(found if existing or headers else (), 1):
                last = number == len(found)
                yield Emit(_change(item, not last or page.members["more"], behind if last else uri))
            uri = behind
            if not page.members["more"]:
                if not follow:
                    return
                if headers and not found and "Preference-Applied" not in reply.response.headers:
                    yield Pause(_SHORTEST_POLL, "this server does not hold requests")
                headers = {"Prefer": f"wait={wait:.0f}"}


def uri_of(state: State, relation: str, values: Mapping[str, Any]) -> str:
    """Return the URI that a link leads to, with its template expanded.

    :raises NoSuchLink: when the resource has no such link.
    :raises FormError: for values that the template does not have.
    """
    link = state.links.get(relation)
    if link is None:
        known = ", ".join(sorted(state.links)) or "none"
        raise NoSuchLink(f"{state.uri} has no link {relation!r}; it has {known}.")
    names = variables(link.href) if link.templated else []
    unknown = [name for name in values if name not in names]
    if unknown:
        takes = f"takes {', '.join(names)}" if names else "takes nothing"
        raise FormError(
            relation, [FieldError(name, f"is not known: it {takes}") for name in unknown]
        )
    if not link.templated:
        return link.href
    return expand(link.href, _sendable(relation, values))


def _sendable(what: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as JSON values.

    :param what: names the relation or form in errors.
    :raises FormError: for values that cannot be sent.
    """
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name, value in given.items():
        try:
            values[name] = json_value(value)
        except ValueError as error:
            errors.append(FieldError(name, str(error)))
        else:
            errors += [FieldError(name, said) for said in objections(values[name])]
    if errors:
        raise FormError(what, errors)
    return values


def form_of(state: State, forms: Mapping[str, Form], name: str) -> Form:
    """Return a form by its name.

    :raises NoSuchForm: when the resource does not offer it now.
    """
    if name not in forms:
        known = ", ".join(sorted(forms)) or "nothing"
        raise NoSuchForm(f"{state.uri} offers no form {name!r} now; it offers {known}.")
    return forms[name]


def _collection(state: State) -> State:
    if state.items is None:
        raise NotHyperapi(f"{state.uri} is not a collection: it has no items.")
    return state


def _conflict(current: State) -> Conflict:
    """Build the 412 that the server would send for a change to an outdated version."""
    said = {"title": "Changed meanwhile", "detail": "The resource has changed since you saw it."}
    problem = Conflict(httpx.Response(412), {**said, "current": current.members})
    problem.current_state = current
    return problem


def _already_applied(filled: Filled, problem: Conflict | NotFound) -> State:
    """Return the result of a request that was sent twice, when its second reply shows that the
    first one took effect: the resource is deleted, or has the wanted values.

    :raises Conflict, NotFound: the given problem, otherwise.
    """
    if isinstance(problem, NotFound):
        if filled.method == "DELETE":
            return State(filled.uri)
        raise problem
    current = problem.current_state
    if current is None or not all(
        name in current.members and _same(current.members[name], value)
        for name, value in filled.values.items()
    ):
        raise problem
    return current


def _same(shown: Any, wanted: Any) -> bool:
    """Compare two values. Forms send everything as text, and an instant can be written in several
    ways."""
    if isinstance(shown, bool):
        return wanted in (shown, str(shown).lower())
    if shown == wanted:
        return True
    try:
        return bool(datetime.fromisoformat(shown) == datetime.fromisoformat(wanted))
    except (TypeError, ValueError):
        return False


def _change(item: Mapping[str, Any], more: bool, since: str) -> Change[State]:
    """Read an entry of the feed.

    :raises NotHyperapi: when it is malformed.
    """
    try:
        resource = item.get("resource")
        return Change(
            uri=str(item["uri"]),
            type=str(item["type"]),
            deleted=bool(item["deleted"]),
            changed_at=str(item["changed_at"]),
            resource=None if resource is None else read(resource, str(item["uri"])),
            more=bool(more),
            since=since,
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotHyperapi(f"A change cannot be understood: {error!r}.") from error


def _next_changes(page: State) -> str:
    changes, links = page.members.get("changes"), page.links
    if not isinstance(changes, list) or "more" not in page.members or "next" not in links:
        raise NotHyperapi(f"{page.uri} is not a feed of changes.")
    return page.links["next"].href
