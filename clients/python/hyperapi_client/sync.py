"""The blocking client. Threads may share one."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from hyperapi_client.actions import DEFAULTS, Actions, Change, How
from hyperapi_client.document import State
from hyperapi_client.environment import Route, route_to
from hyperapi_client.errors import Closed
from hyperapi_client.forms import Form
from hyperapi_client.resource_base import ResourceBase, Unpicklable
from hyperapi_client.tokens import InMemory, Keeper, Tokens
from hyperapi_client.transport import (
    Effect,
    Emit,
    Exclusive,
    Flow,
    FlowRunner,
    Pause,
    Request,
    Transport,
    httpx_options,
)

Result = TypeVar("Result")

USER_AGENT = "hyperapi-client"
TIMEOUT = 30.0


class Client(Unpicklable):
    """A client of a hyperapi server. It knows the root, and the names of relations and forms.

    :param root: the URL of the server, or of its API's root.
    :param token: an access token that you have already.
    :param keeper: stores tokens between runs; by default they are kept in memory.
    :param http: your own ``httpx.Client``, with proxies or certificates; you close it.
    :param transport: a transport of httpx, such as ``httpx.WSGITransport(app)``.
    :param patience: the most seconds that a request may wait because the server asks for it.
    :param retries: how often a request is repeated when no reply came.
    :param on_pause: called before each wait with its seconds and its reason.
    """

    def __init__(
        self,
        root: str,
        token: str | None = None,
        *,
        keeper: Keeper | None = None,
        http: httpx.Client | None = None,
        transport: httpx.BaseTransport | None = None,
        patience: float = 60.0,
        retries: int = 3,
        user_agent: str = USER_AGENT,
        on_pause: Callable[[float, str], object] | None = None,
    ) -> None:
        kept = keeper or InMemory(None if token is None else Tokens(token))
        self.actions = Actions(Transport(root, kept, patience, retries, user_agent))
        self._own_http: httpx.Client | None = None
        if http is None:
            route = Route() if transport else route_to(self.actions.transport.url)
            self.actions.transport.route = route
            http = self._own_http = httpx.Client(
                transport=transport, timeout=TIMEOUT, **route.options
            )
        self._http = http
        self._on_pause = on_pause
        self._renewing = threading.RLock()

    # -- signing in and out

    @property
    def tokens(self) -> Tokens | None:
        """The tokens in use."""
        return self.actions.transport.tokens

    def register(self, username: str, password: str, **members: Any) -> "Resource":
        """Register a user. Sign in afterwards.

        :raises Taken: when the user name is taken.
        """
        given = {"username": username, "password": password, **members}
        return self.resource(self.run(self.actions.register(given)))

    def login(self, username: str, password: str, **members: Any) -> "Resource":
        """Sign in, and use the new tokens.

        :param members: of the sign-in, such as ``label="laptop"`` or ``scope="tasks:read"``.
        :returns: the token resource.
        :raises CredentialsInvalid: when the user name or the password is wrong.
        """
        given = {"username": username, "password": password, **members}
        return self.resource(self.run(self.actions.login(given)))

    def trade_code(
        self, code: str, *, client_id: str, redirect_uri: str, verifier: str
    ) -> "Resource":
        """Trade the code of an OAuth 2.1 authorization, and use the new tokens.

        The `authorize` link of the root leads the user's browser to the page for consent.

        :param verifier: the code verifier, whose challenge was in that link (RFC 7636).
        :returns: the token resource.
        """
        fields = {
            "code": code,
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return self.resource(self.run(self.actions.trade_code(fields)))

    def logout(self) -> None:
        """End the session. Its tokens, and those derived from it, are revoked."""
        self.run(self.actions.logout())

    def derive(self, on: "Resource | None" = None, **members: Any) -> "Resource":
        """Derive a token with fewer rights, for a script. Its ``access_token`` is shown this once.

        :param on: the list to bind the token to; None for an unbound token.
        :param members: ``label``, ``scope``, ``expires_in`` (seconds).
        """
        place = None if on is None else on.state
        return self.resource(self.run(self.actions.derive(place, members)))

    # -- reading and writing

    def root(self) -> "Resource":
        """Return the root."""
        return self.resource(self.run(self.actions.transport.root()))

    def follow(self, relation: str, /, **values: Any) -> "Resource":
        """Return the resource that a link of the root leads to."""
        return self.resource(self.run(self.actions.follow(None, relation, values)))

    def uri_of(self, relation: str, /, **values: Any) -> str:
        """Return the URI that a link of the root leads to."""
        return self.run(self.actions.resolve(None, relation, values))

    def at(self, uri: str) -> "Resource":
        """Return the resource at a URI that the server gave earlier."""
        return self.resource(self.run(self.actions.at(uri)))

    def put(
        self,
        relation: str,
        members: Mapping[str, Any],
        /,
        *,
        create_only: bool = False,
        **values: Any,
    ) -> "Resource":
        """Create or replace the resource that a templated link of the root names, under an id of
        your own choice: ``client.put("task", {"title": …, "list_uri": …}, uuid=uuid4())``.

        :param create_only: fail when the resource exists.
        :raises Conflict: when it exists.
        """
        flow = self.actions.put(None, relation, members, values, create_only)
        return self.resource(self.run(flow))

    def undo(self, result: "Resource") -> "Resource":
        """Undo a change: ``client.undo(task.submit("delete"))``. Everything that the request
        changed is put back. To make the change again, undo the result of this.

        :param result: the result of the change.
        :raises NoSuchLink: when it is not the result of a change.
        :raises ChangedSince: when something was changed again later. Nothing was put back.
        :raises Gone: when the change is too old.
        """
        return self.resource(self.run(self.actions.undo(result.state)))

    def changes(
        self,
        since: str | None = None,
        *,
        follow: bool = False,
        existing: bool = True,
        wait: float = 25.0,
    ) -> Iterator[Change["Resource"]]:
        """Yield the existing resources by their last change, and then further changes.

        :param since: the ``since`` of a change, to continue after it.
        :param follow: wait for further changes without end.
        :param existing: yield the existing resources too; False for further changes only.
        :param wait: the seconds that the server may hold a request.
        :raises Gone: when ``since`` is too old. Start again without it.
        """
        return self.stream(self.actions.changes(since, follow, existing, wait), self._change)

    # -- running flows

    def run(self, flow: Flow[Result]) -> Result:
        """Run a flow, and return its result."""
        with FlowRunner(flow, self.resource) as runner:
            while (effect := runner.next()) is not None:
                try:
                    runner.reply = self._do(effect)
                except Exception as failure:
                    runner.failure = failure
            return runner.result

    def stream(self, flow: Flow[None], wrap: Callable[[Any], Result]) -> Iterator[Result]:
        """Run a flow, and yield what it emits."""
        with FlowRunner(flow, self.resource) as runner:
            while (effect := runner.next()) is not None:
                if isinstance(effect, Emit):
                    yield wrap(effect.value)
                    continue
                try:
                    runner.reply = self._do(effect)
                except Exception as failure:
                    runner.failure = failure

    def _do(self, effect: Effect) -> object:
        if isinstance(effect, Request):
            if self._http.is_closed:
                raise Closed("This client is closed. Create another one.")
            return self._http.request(**httpx_options(effect, self._http.timeout))
        if isinstance(effect, Pause):
            if self._on_pause is not None:
                self._on_pause(effect.seconds, effect.reason)
            time.sleep(effect.seconds)
            return None
        assert isinstance(effect, Exclusive), "the rest are emitted to the user"
        with self._renewing:
            return self.run(effect.work)

    def resource(self, state: State) -> "Resource":
        """Return a state as a resource of this client."""
        return Resource(self, state)

    def _change(self, change: Change[State]) -> Change["Resource"]:
        return change.of(self.resource)

    def close(self) -> None:
        """Close the connections that this client opened."""
        if self._own_http is not None:
            self._own_http.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.actions.transport.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Resource(ResourceBase):
    """A resource: its data, and the methods that follow its links and submit its forms.

    Members are attributes (``task.title``) and items (``task["title"]``). A resource is immutable:
    methods return a new one.
    """

    __slots__ = ()
    _client: Client

    def reload(self) -> "Resource":
        """Return the current version."""
        return self._made(self._actions.reload(self.state))

    def follow(self, relation: str, /, **values: Any) -> "Resource":
        """Return the resource that a link leads to; values expand its template.

        :raises NoSuchLink: when the resource has no such link.
        """
        return self._made(self._actions.follow(self.state, relation, values))

    def uri_of(self, relation: str, /, **values: Any) -> str:
        """Return the URI that a link leads to."""
        return self._client.run(self._actions.resolve(self.state, relation, values))

    def search(self, **asked: Any) -> "Resource":
        """Return the part of a collection that matches, by its ``search`` link:
        ``tasks.search(done=False, tag=["shop"], sort="-due_at", limit=100)``."""
        return self.follow("search", **asked)

    def forms(self) -> Mapping[str, Form]:
        """Return the forms that are offered now, by name."""
        return self._client.run(self._actions.forms(self.state))

    def submit(
        self,
        name: str,
        given: Mapping[str, Any] | None = None,
        /,
        *,
        how: How = DEFAULTS,
        **more: Any,
    ) -> "Resource":
        """Fill in a form and send it: ``tasks.submit("create", title="Milk")``.

        :param given: values by field name; keywords work too.
        :returns: the result; after a deletion, a resource with nothing but its URI.
        :raises NoSuchForm: when the form is not offered, now and to this user.
        :raises FormError: when a value does not fit. Nothing was sent.
        :raises Conflict: when the resource has changed since it was seen.
        """
        return self._made(self._actions.submit(self.state, name, {**(given or {}), **more}, how))

    def move(self, after: "Resource | str | None" = None, *, how: How = DEFAULTS) -> "Resource":
        """Move this resource in the order by hand: ``milk.move(after=bread)``.

        :param after: the resource that it is to stand behind, or the URI of that; None for the
            front.
        :returns: the resource, with its new version. Its neighbours keep theirs.
        """
        return self.submit("move", after_uri=after, how=how)

    def create_many(
        self, items: Sequence[Mapping[str, Any]], *, name: str = "tasks", how: How = DEFAULTS
    ) -> "Resource":
        """Create several resources in this collection at once, all or none.

        :param name: the relation of the collection: ``notes.create_many(items, name="notes")``.
        :raises FormError: naming fields as ``tasks/3/title``.
        """
        return self._made(self._actions.create_many(self.state, items, name, how))

    def pages(self) -> Iterator["Resource"]:
        """Yield this page of a collection and the following ones."""
        return self._client.stream(self._actions.pages(self.state), self._client.resource)

    def items(self) -> Iterator["Resource"]:
        """Yield the items of a collection, from this page on."""
        return self._client.stream(self._actions.items(self.state), self._client.resource)

    def __iter__(self) -> Iterator["Resource"]:
        """Return :meth:`items`.

        :raises TypeError: when this is not a collection.
        """
        self._check_items()
        return self.items()

    @property
    def _actions(self) -> Actions:
        return self._client.actions

    def _made(self, flow: Flow[State]) -> "Resource":
        return self._client.resource(self._client.run(flow))
