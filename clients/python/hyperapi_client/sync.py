"""The client for ordinary programs: every call returns when it is done. Threads may share one."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from hyperapi_client.actions import USUAL, Actions, Change, How
from hyperapi_client.document import State
from hyperapi_client.environment import Route, route_to
from hyperapi_client.errors import Closed
from hyperapi_client.forms import Form
from hyperapi_client.resource_base import Shown, Unpicklable
from hyperapi_client.tokens import InMemory, Keeper, Tokens
from hyperapi_client.transport import (
    Alone,
    Ask,
    Effect,
    Emit,
    Exchange,
    Pause,
    Performance,
    Talk,
    request,
)

Result = TypeVar("Result")

USER_AGENT = "hyperapi-client"
TIMEOUT = 30.0


class Client(Unpicklable):
    """Somebody at a hyperapi: knows its root, and the names of relations and forms.

    :param root: the URL of the server, or of its API's root.
    :param token: an access token, for those who have one already.
    :param keeper: keeps tokens between runs; in memory unless told.
    :param http: an ``httpx.Client`` of your own, with proxies or certificates as you need them;
        it is yours to close.
    :param transport: how requests travel, as ``httpx.WSGITransport(app)``.
    :param patience: the most seconds that a request may wait because the server asks for it.
    :param retries: how often something is sent again when no reply came.
    :param on_pause: is told before each wait: for how long, and why.
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
        self.actions = Actions(Exchange(root, kept, patience, retries, user_agent))
        self._own: httpx.Client | None = None
        if http is None:
            exchange = self.actions.exchange
            exchange.route = Route() if transport else route_to(exchange.url)
            http = self._own = httpx.Client(
                transport=transport, timeout=TIMEOUT, **exchange.route.options
            )
        self._http = http
        self._on_pause = on_pause
        self._renewing = threading.RLock()

    # -- who we are

    @property
    def tokens(self) -> Tokens | None:
        """The tokens in use."""
        return self.actions.exchange.tokens

    def register(self, username: str, password: str, **members: Any) -> "Resource":
        """Become a user; sign in afterwards.

        :raises Taken: when somebody has the name.
        """
        given = {"username": username, "password": password, **members}
        return self.resource(self.run(self.actions.register(given)))

    def login(self, username: str, password: str, **members: Any) -> "Resource":
        """Sign in, and use the tokens from now on.

        :param members: of the sign-in, as ``label="laptop"`` or ``scope="tasks:read"``.
        :returns: the token resource.
        :raises CredentialsInvalid: when the name or the password is wrong.
        """
        given = {"username": username, "password": password, **members}
        return self.resource(self.run(self.actions.login(given)))

    def logout(self) -> None:
        """End this session: its tokens, and those derived from it, are void from now on."""
        self.run(self.actions.logout())

    def derive(self, on: "Resource | None" = None, **members: Any) -> "Resource":
        """Make a token that can do less, for a script; its ``access_token`` is shown this once.

        :param on: the list that it is for; None for one that is not bound to a list.
        :param members: ``label``, ``scope``, ``expires_in`` (seconds).
        """
        place = None if on is None else on.state
        return self.resource(self.run(self.actions.derive(place, members)))

    # -- where things are

    def root(self) -> "Resource":
        """The root, where everything begins."""
        return self.resource(self.run(self.actions.exchange.root()))

    def follow(self, relation: str, /, **values: Any) -> "Resource":
        """What a link of the root leads to."""
        return self.resource(self.run(self.actions.follow(None, relation, values)))

    def uri_of(self, relation: str, /, **values: Any) -> str:
        """The URI that a link of the root leads to."""
        return self.run(self.actions.located(None, relation, values))

    def at(self, uri: str) -> "Resource":
        """The resource at a URI that the server gave earlier."""
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
        """Create or replace what a templated link of the root names, under a key of your own
        choice: ``client.put("task", {"title": …, "list_uri": …}, uuid=uuid4())``.

        :param create_only: leave it alone when it is there already.
        :raises Conflict: when it is.
        """
        talk = self.actions.put(None, relation, members, values, create_only)
        return self.resource(self.run(talk))

    def changes(
        self,
        since: str | None = None,
        *,
        follow: bool = False,
        existing: bool = True,
        wait: float = 25.0,
    ) -> Iterator[Change["Resource"]]:
        """What exists, in order of its last change, and then what changes.

        :param since: a change's ``since``: go on behind it.
        :param follow: go on for ever, waiting for news.
        :param existing: what exists too; False for what changes from now on alone.
        :param wait: seconds that the server may hold a request for news.
        :raises Gone: when ``since`` is too old: start over without it.
        """
        return self.stream(self.actions.changes(since, follow, existing, wait), self._change)

    # -- carrying out talks

    def run(self, talk: Talk[Result]) -> Result:
        """Carry out a talk, and return what it returns."""
        with Performance(talk, self.resource) as performance:
            while (effect := performance.next()) is not None:
                try:
                    performance.reply = self._do(effect)
                except Exception as failure:
                    performance.failure = failure
            return performance.result

    def stream(self, talk: Talk[None], wrap: Callable[[Any], Result]) -> Iterator[Result]:
        """Carry out a talk, and yield what it emits."""
        with Performance(talk, self.resource) as performance:
            while (effect := performance.next()) is not None:
                if isinstance(effect, Emit):
                    yield wrap(effect.value)
                    continue
                try:
                    performance.reply = self._do(effect)
                except Exception as failure:
                    performance.failure = failure

    def _do(self, effect: Effect) -> object:
        if isinstance(effect, Ask):
            if self._http.is_closed:
                raise Closed("This client was closed. Make another one.")
            return self._http.request(**request(effect, self._http.timeout))
        if isinstance(effect, Pause):
            if self._on_pause is not None:
                self._on_pause(effect.seconds, effect.reason)
            time.sleep(effect.seconds)
            return None
        assert isinstance(effect, Alone), "the rest are emitted to the user"
        with self._renewing:
            return self.run(effect.work)

    def resource(self, state: State) -> "Resource":
        """A state, as something that can be acted on."""
        return Resource(self, state)

    def _change(self, change: Change[State]) -> Change["Resource"]:
        return change.of(self.resource)

    def close(self) -> None:
        """Close the connections that this client opened."""
        if self._own is not None:
            self._own.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.actions.exchange.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class Resource(Shown):
    """Something that the server showed: what it said, and what can be done with it.

    Members are attributes (``task.title``) and items (``task["title"]``). It does not change: what
    is done to it returns a new one.
    """

    __slots__ = ()
    _client: Client

    def reload(self) -> "Resource":
        """It as it is now."""
        return self._made(self._actions.reload(self.state))

    def follow(self, relation: str, /, **values: Any) -> "Resource":
        """What a link leads to; values fill in its template.

        :raises NoSuchLink: when there is no such link.
        """
        return self._made(self._actions.follow(self.state, relation, values))

    def uri_of(self, relation: str, /, **values: Any) -> str:
        """The URI that a link leads to."""
        return self._client.run(self._actions.located(self.state, relation, values))

    def search(self, **asked: Any) -> "Resource":
        """The part of a collection that is asked for, by its ``search`` link:
        ``tasks.search(done=False, tag=["shop"], sort="-due_at", limit=100)``."""
        return self.follow("search", **asked)

    def forms(self) -> Mapping[str, Form]:
        """What may be done with it now, by name."""
        return self._client.run(self._actions.forms(self.state))

    def submit(
        self, name: str, given: Mapping[str, Any] | None = None, /, *, how: How = USUAL, **more: Any
    ) -> "Resource":
        """Fill in a form and send it: ``tasks.submit("create", title="Milk")``.

        :param given: values, by the names of fields; as keywords too.
        :returns: what came of it; of a deletion, a resource that has nothing but its URI.
        :raises NoSuchForm: when this is not offered, now and to this user.
        :raises FormError: when what was filled in does not fit; nothing was sent.
        :raises Conflict: when somebody changed it since it was seen.
        """
        return self._made(self._actions.submit(self.state, name, {**(given or {}), **more}, how))

    def create_many(self, items: Sequence[Mapping[str, Any]], *, how: How = USUAL) -> "Resource":
        """Create several on this collection at once, all or none.

        :raises FormError: naming each field that is wrong as ``tasks/3/title``.
        """
        return self._made(self._actions.create_many(self.state, items, how))

    def pages(self) -> Iterator["Resource"]:
        """This page of a collection, and those behind it."""
        return self._client.stream(self._actions.pages(self.state), self._client.resource)

    def items(self) -> Iterator["Resource"]:
        """The items of a collection, on this page and those behind it."""
        return self._client.stream(self._actions.items(self.state), self._client.resource)

    def __iter__(self) -> Iterator["Resource"]:
        """The same as :meth:`items`.

        :raises TypeError: for what is no collection.
        """
        self._check_items()
        return self.items()

    @property
    def _actions(self) -> Actions:
        return self._client.actions

    def _made(self, talk: Talk[State]) -> "Resource":
        return self._client.resource(self._client.run(talk))
