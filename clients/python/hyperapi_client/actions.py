"""What a client can do, each as a talk: by following links and submitting forms."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import uuid4

import httpx

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
from hyperapi_client.forms import JSON, Field, Filled, Form, json_value, objections
from hyperapi_client.sweep import Sweep
from hyperapi_client.templates import expand, variables
from hyperapi_client.tokens import Tokens
from hyperapi_client.transport import (
    Ask,
    Emit,
    Exchange,
    Pause,
    Talk,
    log,
    repeatable,
    shown,
    succeeded,
)

Seen = TypeVar("Seen")
Other = TypeVar("Other")

_GUARDED = ("PUT", "PATCH", "DELETE")
_SHORTEST_POLL, _LONGEST_POLL = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Change(Generic[Seen]):
    """Something that changed, as the feed of changes tells it.

    :param uri: of what changed.
    :param type: what it is, such as ``task`` or ``list``; a server may have other types.
    :param deleted: is it no longer there?
    :param changed_at: when, RFC 3339.
    :param resource: its latest state; None when it is no longer there.
    :param more: are further changes known already?
    :param since: give this to :meth:`Client.changes` to go on behind this change. What came
        together with it may come again, but nothing is missed.
    """

    uri: str
    type: str
    deleted: bool
    changed_at: str
    resource: Seen | None
    more: bool
    since: str

    def of(self, wrap: Callable[[Seen], Other]) -> "Change[Other]":
        """The same, with its resource as something else."""
        resource = None if self.resource is None else wrap(self.resource)
        return Change(
            self.uri, self.type, self.deleted, self.changed_at, resource, self.more, self.since
        )


@dataclass(frozen=True, slots=True)
class How:
    """How a form is submitted, where the usual way is not wanted.

    :param idempotency_key: names a creation, so that it happens once however often it is sent
        (within a day, by the same user); one is made up for each submission otherwise.
    :param minimal: spare the server showing what came of it.
    :param force: change it even if somebody else changed it since it was seen.
    """

    idempotency_key: str | None = None
    minimal: bool = False
    force: bool = False


USUAL = How()


class Actions:
    """What can be done through an exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    # -- reading

    def at(self, uri: str, accept: str = HAL_FORMS) -> Talk[State]:
        """The resource at a URI that some link gave."""
        return (yield from self.exchange.state(self.exchange.get(uri, accept)))

    def follow(self, state: State | None, relation: str, values: Mapping[str, Any]) -> Talk[State]:
        """What a link of ``state`` (of the root, when it is None) leads to."""
        start = state or (yield from self.exchange.root())
        return (yield from self.at(uri_of(start, relation, values)))

    def located(self, state: State | None, relation: str, values: Mapping[str, Any]) -> Talk[str]:
        """The URI that a link leads to."""
        return uri_of(state or (yield from self.exchange.root()), relation, values)

    def reload(self, state: State) -> Talk[State]:
        """The same resource as it is now, with its forms."""
        headers = {}
        if state.etag is not None and state.forms is not None:
            headers["If-None-Match"] = state.etag
        answer = yield from self.exchange.send(self.exchange.get(state.uri, headers=headers))
        if answer.response.status_code == 304:
            return state
        return shown(succeeded(answer.response), state.uri)

    def forms(self, state: State) -> Talk[Mapping[str, Form]]:
        """What may be done with a resource; asked for where its shape did not tell."""
        if state.forms is not None:
            return state.forms
        return (yield from self.reload(state)).forms or {}

    def pages(self, state: State) -> Talk[None]:
        """Emit a page, and those behind it, to the last that has an item not on those before."""
        page: State | None = _collection(state)
        seen: set[str] = set()
        while page is not None:
            yield Emit(page)
            found = {item.uri for item in page.items or () if item.uri != page.uri}
            known = found <= seen and len(found) == len(page.items or ())
            seen |= found
            page = None if known else (yield from self._next(page))

    def items(self, state: State) -> Talk[None]:
        """Emit the items of a collection, across its pages, each once."""
        return (yield from Sweep(_collection(state), lambda uri: self.at(uri, HAL)).items())

    def _next(self, page: State) -> Talk[State | None]:
        """The page behind this one; without forms, which would be most of it."""
        link = page.links.get("next")
        return None if link is None else (yield from self.at(link.href, HAL))

    # -- doing

    def submit(
        self, state: State, name: str, given: Mapping[str, Any], how: How = USUAL
    ) -> Talk[State]:
        """Fill in a form, check it, send it; what came of it.

        What is to be changed or deleted must be as it was when it was seen (If-Match). An item of
        a page came without the tag that names its version: it is asked for once more first.

        :raises NoSuchForm: when the resource does not offer this now.
        :raises FormError: when what was filled in does not fit.
        :raises Conflict: when somebody changed it since.
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
        self, state: State, items: Sequence[Mapping[str, Any]], how: How = USUAL
    ) -> Talk[State]:
        """Create several at once, all or none; each is checked against the ``create`` form.

        :raises FormError: naming what is wrong as ``tasks/3/title``.
        """
        form = form_of(state, (yield from self.forms(state)), "create")
        members, errors = [], []
        for number, item in enumerate(items):
            try:
                members.append(form.fill(item).values)
            except FormError as error:
                errors += [FieldError(f"tasks/{number}/{e.name}", e.detail) for e in error.errors]
        if errors:
            raise FormError(form.name, errors)
        content = json.dumps({"tasks": members}, ensure_ascii=False).encode()
        filled = Filled("POST", form.target, JSON, content, {})
        return (yield from self._send(filled, how, {"Accept": HAL}))

    def put(
        self,
        state: State | None,
        relation: str,
        members: Mapping[str, Any],
        values: Mapping[str, Any],
        create_only: bool,
    ) -> Talk[State]:
        """Create or replace the resource that a templated link names by ``values``."""
        uri = yield from self.located(state, relation, values)
        wanted = _sendable(relation, members)
        content = json.dumps(wanted, ensure_ascii=False).encode()
        filled = Filled("PUT", uri, JSON, content, wanted)
        headers = {"If-None-Match": "*"} if create_only else {}
        return (yield from self._send(filled, USUAL, headers))

    def _version(self, state: State) -> Talk[str | None]:
        """The tag of the version that was seen.

        :raises Conflict: when there is a newer one.
        """
        if state.etag is not None:
            return state.etag
        current = yield from self.at(state.uri)
        seen = state.members.get("updated_at")
        if seen is not None and current.members.get("updated_at") != seen:
            raise _conflict(current)
        return current.etag

    def _send(self, filled: Filled, how: How, conditions: Mapping[str, str]) -> Talk[State]:
        headers = {"Accept": HAL_FORMS, **conditions}
        if filled.content_type is not None:
            headers["Content-Type"] = filled.content_type
        if filled.method == "POST" and self.exchange.tokens is not None:
            headers["Idempotency-Key"] = how.idempotency_key or str(uuid4())
        if how.minimal:
            headers["Prefer"] = "return=minimal"
        again = repeatable(filled.method, headers)
        ask = Ask(filled.method, filled.uri, headers, filled.content, repeatable=again)
        answer = yield from self.exchange.send(ask)
        try:
            return shown(succeeded(answer.response), filled.uri)
        except (Conflict, NotFound) as problem:
            if not answer.uncertain:
                raise
            return _done_before(filled, problem)

    # -- signing in and out

    def register(self, members: Mapping[str, Any]) -> Talk[State]:
        """Become a user."""
        users = yield from self.follow(None, "users", {})
        return (yield from self.submit(users, "register", members))

    def login(self, members: Mapping[str, Any]) -> Talk[State]:
        """Trade a name and a password for tokens, and use them from now on."""
        form = yield from self.exchange.anonymous_form("tokens", "login")
        filled = form.fill(members)
        headers = {"Accept": HAL_FORMS, "Content-Type": filled.content_type or JSON}
        ask = Ask(filled.method, filled.uri, headers, filled.content, anonymous=True)
        session = yield from self.exchange.state(ask)
        self.exchange.keep(Tokens.read(session.members, session.uri))
        return session

    def logout(self) -> Talk[None]:
        """End our session, and forget its tokens."""
        tokens = self.exchange.tokens
        if tokens is None:
            return
        session = yield from self._session(tokens)
        if session is not None:
            yield from self.submit(session, "revoke", {}, How(force=True))
        self.exchange.keep(None)

    def _session(self, tokens: Tokens) -> Talk[State | None]:
        """The token resource behind our token."""
        if tokens.uri:
            return (yield from self.at(tokens.uri))
        page: State | None = yield from self.follow(None, "tokens", {})
        while page is not None:
            for session in page.items or ():
                if session.members.get("current"):
                    return session
            page = yield from self._next(page)
        return None

    def derive(self, on: State | None, members: Mapping[str, Any]) -> Talk[State]:
        """Make a token that can do no more than ours; its secret is among the members.

        :param on: the list that it is to be for; None for one that is not bound to a list.
        """
        if on is not None and "derive" in (yield from self.forms(on)):
            return (yield from self.submit(on, "derive", members))
        tokens = yield from self.follow(None, "tokens", {})
        form = form_of(tokens, (yield from self.forms(tokens)), "derive")
        if on is not None and "list_uri" not in form.fields:
            bound = Field("list_uri", "List", "hidden", value=on.uri)
            form = replace(form, fields={**form.fields, "list_uri": bound})
        return (yield from self._send(form.fill(members), USUAL, {}))

    # -- changes

    def changes(self, since: str | None, follow: bool, existing: bool, wait: float) -> Talk[None]:
        """Emit what exists, in order of its last change, and then what changes.

        :param since: of a change: go on behind it.
        :param follow: wait for news when there are no more, for ever; a server that does not
            answer for a while is asked again until it does.
        :param existing: emit what exists too, and not only what changes from now on.
        :param wait: seconds that the server may hold a request for news.
        :raises Gone: when ``since`` is too old.
        """
        uri = since or (yield from self.located(None, "changes", {}))
        headers: dict[str, str] = {}
        failures = 0
        while True:
            ask = self.exchange.get(uri, HAL, headers=headers, patience=wait)
            try:
                answer = yield from self.exchange.send(ask)
                page = shown(succeeded(answer.response), uri)
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
                if headers and not found and "Preference-Applied" not in answer.response.headers:
                    yield Pause(_SHORTEST_POLL, "this server does not hold requests for news")
                headers = {"Prefer": f"wait={wait:.0f}"}


def uri_of(state: State, relation: str, values: Mapping[str, Any]) -> str:
    """The URI that a link leads to, its template filled in.

    :raises NoSuchLink: when there is no such link.
    :raises FormError: for values that its template does not have.
    """
    link = state.links.get(relation)
    if link is None:
        known = ", ".join(sorted(state.links)) or "none"
        raise NoSuchLink(f"{state.uri} has no link {relation!r}; it has {known}.")
    names = variables(link.href) if link.templated else []
    strange = [name for name in values if name not in names]
    if strange:
        takes = f"takes {', '.join(names)}" if names else "takes nothing"
        raise FormError(
            relation, [FieldError(name, f"is not known: it {takes}") for name in strange]
        )
    if not link.templated:
        return link.href
    return expand(link.href, _sendable(relation, values))


def _sendable(what: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Values as JSON has them.

    :param what: they are for.
    :raises FormError: for those that cannot be sent to anybody.
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
    """A form by its name.

    :raises NoSuchForm: when the resource does not offer it now.
    """
    if name not in forms:
        known = ", ".join(sorted(forms)) or "nothing"
        raise NoSuchForm(f"{state.uri} does not offer to {name} now; it offers {known}.")
    return forms[name]


def _collection(state: State) -> State:
    if state.items is None:
        raise NotHyperapi(f"{state.uri} is no collection: it has no items.")
    return state


def _conflict(current: State) -> Conflict:
    """What a server would say, had it been asked to change an outdated version."""
    said = {"title": "Changed meanwhile", "detail": "Somebody changed this since you saw it."}
    problem = Conflict(httpx.Response(412), {**said, "current": current.members})
    problem.current_state = current
    return problem


def _done_before(filled: Filled, problem: Conflict | NotFound) -> State:
    """What came of a request that was sent twice, when its second reply shows that the first took
    effect: what was to be deleted is gone, or what was to be changed is as it was wanted.

    :raises Conflict, NotFound: the problem, when that is not so.
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
    """Do two values say the same? Forms say all in text, and instants have many spellings."""
    if isinstance(shown, bool):
        return wanted in (shown, str(shown).lower())
    if shown == wanted:
        return True
    try:
        return bool(datetime.fromisoformat(shown) == datetime.fromisoformat(wanted))
    except (TypeError, ValueError):
        return False


def _change(item: Mapping[str, Any], more: bool, since: str) -> Change[State]:
    """An item of the feed.

    :raises NotHyperapi: for what is none.
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
        raise NotHyperapi(f"{page.uri} is no feed of changes.")
    return page.links["next"].href
