"""Requests and replies: retries where they are safe, waits that the server asks for, refreshed
tokens, and the check of origins.

Nothing here does input or output. The logic is written as *flows*: generators that yield effects
(:class:`Request`, :class:`Pause`, …) and receive their results. A driver performs the effects, one
with threads and one with coroutines, so both clients behave alike.
"""

import logging
import re
import socket
import ssl
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Generic, Self, TypeVar
from urllib.parse import urljoin

import httpx

from hyperapi_client.document import HAL_FORMS, State, read
from hyperapi_client.environment import Route
from hyperapi_client.errors import (
    CertificateRefused,
    Conflict,
    ForeignOrigin,
    Moved,
    NoSuchForm,
    NotAToken,
    NotHyperapi,
    ReplyLost,
    TokenExpired,
    Unreachable,
    media_type,
    problem_in,
    retry_after,
)
from hyperapi_client.origins import origin_of, parsed_url
from hyperapi_client.tokens import Keeper, Tokens

Result = TypeVar("Result")

_SAFE_TO_REPEAT = ("GET", "HEAD", "PUT", "PATCH", "DELETE")
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 5
_FIRST_PAUSE, _LONGER = 0.2, 3.0
_STILL_RUNNING = 1.0
_NEEDED = ("users", "tokens")  # a service may do without lists

log = logging.getLogger("hyperapi_client")
log.addHandler(logging.NullHandler())  # silent unless the program configures logging


@dataclass(frozen=True, slots=True)
class Request:
    """Effect: send a request, and return its :class:`httpx.Response` with its content.

    :param repeatable: whether it may be sent again when no reply came.
    :param anonymous: whether it is sent without a token.
    :param patience: seconds to wait for the reply, beyond the driver's own timeout.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    content: bytes | None = None
    repeatable: bool = True
    anonymous: bool = False
    patience: float = 0.0


@dataclass(frozen=True, slots=True)
class Pause:
    """Effect: wait."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Exclusive:
    """Effect: run a flow while no other thread of this client runs an exclusive one."""

    work: "Flow[Any]"


@dataclass(frozen=True, slots=True)
class Emit:
    """Effect: yield a value to the user of the client."""

    value: Any


Effect = Request | Pause | Exclusive | Emit
Flow = Generator[Effect, Any, Result]


class FlowRunner(Generic[Result]):
    """A running flow, and its exchange with the driver.

    :param wrap: converts a state for the user, for conflicts.
    :ivar reply: the result of the last effect.
    :ivar failure: the error of the last effect.
    :ivar result: the result of the flow, at its end.
    """

    result: Result

    def __init__(self, flow: Flow[Result], wrap: Callable[[State], object]) -> None:
        self._flow = flow
        self._wrap = wrap
        self.reply: object = None
        self.failure: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flow.close()

    def next(self) -> Effect | None:
        """Return the next effect; None at the end of the flow."""
        reply, failure = self.reply, self.failure
        self.reply = self.failure = None
        try:
            return self._flow.send(reply) if failure is None else self._flow.throw(failure)
        except StopIteration as end:
            self.result = end.value
        except Conflict as conflict:
            if conflict.current is None and conflict.current_state is not None:
                conflict.current = self._wrap(conflict.current_state)
            raise
        return None


def httpx_options(request: Request, timeout: httpx.Timeout) -> dict[str, Any]:
    """Return a request as the arguments of ``httpx.Client.request``.

    :param timeout: of the httpx client.
    """
    if request.patience and timeout.read is not None:
        longer = {**timeout.as_dict(), "read": timeout.read + request.patience}
        timeout = httpx.Timeout(**longer)
    return {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "content": request.content,
        "timeout": timeout,
        "follow_redirects": False,
    }


@dataclass(frozen=True, slots=True)
class Reply:
    """The last reply to a request.

    :param uncertain: whether the request was sent before without a reply, so that it may have taken
        effect then.
    """

    response: httpx.Response
    uncertain: bool = False


class Transport:
    """The state of a client between requests.

    :param url: of the server, as the user gave it.
    :param keeper: stores the tokens.
    :param patience: the most seconds that a request may wait because the server asks for it.
    :param retries: how often a request is repeated when no reply came.
    """

    def __init__(
        self, url: str, keeper: Keeper, patience: float, retries: int, user_agent: str
    ) -> None:
        self.url = str(parsed_url(url))
        self.origin = origin_of(self.url)
        self.keeper = keeper
        self.tokens = self._own_origin(keeper.load())
        self._patience = patience
        self._retries = retries
        self._user_agent = user_agent
        self._root: State | None = None
        self.route = Route()

    # -- tokens

    def keep(self, tokens: Tokens | None) -> None:
        """Use and store these tokens. The root is read again, since it depends on the user."""
        self.tokens = self._own_origin(tokens)
        self.keeper.save(tokens)
        self._root = None

    def _own_origin(self, tokens: Tokens | None) -> Tokens | None:
        """Return tokens that belong to the root's origin.

        :raises NotAToken: when the text cannot be a token.
        :raises ForeignOrigin: when the session is at another origin.
        """
        if tokens is None:
            return None
        if not re.fullmatch(r"[\x21-\x7e]+", tokens.access):
            raise NotAToken(
                "The given text is not a token: it is empty, or holds spaces or other "
                "characters that no token has. Copy the whole token, and nothing else."
            )
        if tokens.uri:
            self._check_origin(tokens.uri)
        return tokens

    def _check_origin(self, url: str) -> None:
        """Refuse to send anything to another origin than the root's.

        Every request passes here. So no link, form, redirect or stored URI can carry a token, a
        password or other data to another server.

        :raises ForeignOrigin: naming both origins.
        """
        other = origin_of(url)
        if other != self.origin:
            raise ForeignOrigin(self.origin, other)

    def _renewed(self, used: Tokens) -> Flow[Tokens]:
        """Return newer tokens: refreshed by another process meanwhile, or now."""
        with self.keeper.turn():
            kept = self._own_origin(self.keeper.load())
            if kept is not None and kept.access != used.access:
                self.tokens = kept
                return kept
            form = yield from self.anonymous_form("tokens", "refresh")
            client = {"client_id": used.client_id} if used.client_id else {}
            filled = form.fill({"refresh_token": used.refresh, **client})
            headers = {"Accept": HAL_FORMS, "Content-Type": filled.content_type or ""}
            request = Request(filled.method, filled.uri, headers, filled.content, anonymous=True)
            made = yield from self.state(request)
            tokens = Tokens.read(made.members, made.uri or used.uri)
            self.tokens = self._own_origin(tokens)
            self.keeper.save(tokens)
            return tokens

    def anonymous_form(self, relation: str, name: str) -> Flow[Any]:
        """Return a form that the root's ``relation`` offers without a token."""
        root = yield from self.state(self.get(self.url, anonymous=True))
        _check_root(root, self.url)
        place = yield from self.state(self.get(root.links[relation].href, anonymous=True))
        form = (place.forms or {}).get(name)
        if form is None:
            raise NoSuchForm(f"{place.uri} offers no form {name!r}")
        return form

    # -- requests

    def get(self, url: str, accept: str = HAL_FORMS, **also: Any) -> Request:
        """Return a request for a representation."""
        headers = {"Accept": accept, **also.pop("headers", {})}
        return Request("GET", url, headers, **also)

    def root(self) -> Flow[State]:
        """Return the root, which is read once.

        :raises NotHyperapi: when the reply is not a root.
        """
        if self._root is None:
            state = yield from self.state(self.get(self.url))
            _check_root(state, self.url)
            self._root = state
        return self._root

    def state(self, request: Request) -> Flow[State]:
        """Send a request, and return the state in its successful reply."""
        reply = yield from self.send(request)
        return state_of(raise_for_problem(reply.response), request.url)

    def send(self, request: Request) -> Flow[Reply]:
        """Send a request. Repeat it when that is safe and may help.

        A request without a reply is repeated a few times, unless that could do something twice.
        When the server asks to wait, the client waits, up to ``patience`` seconds.

        :raises Unreachable: when no reply came in the end.
        """
        patience, tries, uncertain = self._patience, 0, False
        while True:
            try:
                response = yield from self._redirected(request)
            except (httpx.InvalidURL, httpx.DecodingError) as failure:
                raise NotHyperapi(
                    f"{request.url} is not a hyperapi server: {failure}."
                ) from failure
            except httpx.TransportError as failure:
                never_sent = isinstance(failure, _NEVER_SENT)
                lost = not (never_sent or request.repeatable)
                if lost or tries >= self._retries or _is_final(failure):
                    raise _unreachable(request, failure, lost, self.route) from failure
                uncertain = uncertain or not never_sent
                pause = _FIRST_PAUSE * _LONGER**tries
                reason = "the server does not answer" if never_sent else "the connection broke"
                tries += 1
            else:
                wanted = _wanted_pause(request, response, uncertain)
                if wanted is None or wanted > patience:
                    self._check_proxy(request, response)
                    return Reply(response, uncertain)
                pause, reason = wanted, "the server asks to wait"
                patience -= max(pause, _FIRST_PAUSE)
            yield Pause(pause, reason)

    def _check_proxy(self, request: Request, response: httpx.Response) -> None:
        """Name the proxy when a failure is probably the proxy's own.

        :raises Unreachable: in that case.
        """
        if self.route.via and response.status_code >= 400 and problem_in(response) is None:
            status = f"{response.status_code} {response.reason_phrase}"
            raise Unreachable(f"{request.url} was answered {status}. {self.route.via}")

    def _redirected(self, request: Request) -> Flow[httpx.Response]:
        """Send a request, and follow redirects within the origin."""
        for _ in range(_MOST_REDIRECTS):
            response: httpx.Response = yield from self._signed(request)
            if response.status_code not in _REDIRECTS:
                return response
            location = _joined(request.url, response.headers.get("Location", ""))
            if origin_of(location) != self.origin or request.method != "GET":
                raise Moved(f"{request.url} leads to {location}: use that URL instead.", location)
            request = replace(request, url=location)
        raise NotHyperapi(f"{request.url} redirects without end.")

    def _signed(self, request: Request) -> Flow[httpx.Response]:
        """Send a request with the access token. Refresh the token when it has expired."""
        self._check_origin(request.url)
        tokens = self.tokens
        if request.anonymous or tokens is None:
            response: httpx.Response = yield self._with(request, None)
            return response
        response = yield self._with(request, tokens)
        if response.status_code != 401 or tokens.refresh is None:
            return response
        if not isinstance(problem_in(response), TokenExpired):
            return response
        tokens = yield Exclusive(self._renewed(tokens))
        response = yield self._with(request, tokens)
        return response

    def _with(self, request: Request, tokens: Tokens | None) -> Request:
        headers = {"User-Agent": self._user_agent, **request.headers}
        if tokens is not None:
            headers["Authorization"] = f"Bearer {tokens.access}"
        return replace(request, headers=headers)


def repeatable(method: str, headers: Mapping[str, str]) -> bool:
    """Tell whether a request can be sent twice without doing something twice."""
    return method in _SAFE_TO_REPEAT or "Idempotency-Key" in headers


def raise_for_problem(response: httpx.Response) -> httpx.Response:
    """Return a successful reply.

    :raises ProblemError: for a problem document.
    :raises NotHyperapi: for any other failure.
    """
    if response.status_code < 400:
        return response
    problem = problem_in(response)
    if problem is None:
        raise NotHyperapi(
            f"{response.url} answered {response.status_code} {response.reason_phrase}, and not "
            "as a hyperapi server does. Check the URL."
        )
    if isinstance(problem, Conflict):
        current = problem.members.get("current")
        if isinstance(current, dict):
            tag = response.headers.get("ETag")
            problem.current_state = read(current, str(response.url), tag)
    raise problem


def state_of(response: httpx.Response, uri: str) -> State:
    """Return the state in a successful reply. Without content the state has only a URI.

    :raises NotHyperapi: when the content is not a known representation.
    """
    named = response.headers.get("Content-Location") or response.headers.get("Location")
    uri = _joined(uri, named) if named else uri
    undo = _undo_of(response, uri)
    if not response.content:
        return State(uri, etag=response.headers.get("ETag"), undo=undo)
    if not media_type(response).endswith("json"):
        sent = media_type(response) or "no type"
        raise NotHyperapi(f"{uri} is not a hyperapi server: it sent {sent}. Check the URL.")
    try:
        document = response.json()
        if not isinstance(document, dict):
            raise TypeError("not an object")
        return replace(read(document, uri, response.headers.get("ETag")), undo=undo)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NotHyperapi(f"{uri} sent a malformed representation: {error}.") from error


def _undo_of(response: httpx.Response, base: str) -> str | None:
    """Return the link ``undo`` of a reply. Relations of hyperapi are URIs in headers."""
    links = response.links.values() if "Link" in response.headers else ()
    for link in links:
        if link.get("rel", "").rpartition("/")[2] == "undo" and "url" in link:
            return _joined(base, link["url"])
    return None


def _joined(base: str, reference: str) -> str:
    """Resolve a reference (RFC 3986 §5).

    :raises NotHyperapi: when the result is not a URL.
    """
    try:
        return urljoin(base, reference)
    except ValueError as error:
        raise NotHyperapi(f"{base} leads to {reference!r}, which is not a URL: {error}.") from None


def _check_root(state: State, url: str) -> None:
    if not set(_NEEDED) <= state.links.keys():
        raise NotHyperapi(
            f"{url} answers, but is not the root of a hyperapi API: it has no links. Check the URL."
        )


def _wanted_pause(request: Request, response: httpx.Response, uncertain: bool) -> float | None:
    """Return the seconds to wait before the same request; None when repeating would not help."""
    if response.status_code in (429, 503):
        return retry_after(response)
    if response.status_code == 409 and uncertain and "Idempotency-Key" in request.headers:
        return retry_after(response) or _STILL_RUNNING  # the first request is still running
    return None


def _is_final(failure: httpx.TransportError) -> bool:
    """Tell whether a repeated request would fail the same way."""
    lasting = (httpx.UnsupportedProtocol, ssl.SSLCertVerificationError, socket.gaierror)
    return any(isinstance(cause, lasting) for cause in _causes(failure))


def _certificate(failure: BaseException) -> str | None:
    """Return the error in the server's certificate; None when it is another failure."""
    return next(
        (
            cause.verify_message
            for cause in _causes(failure)
            if isinstance(cause, ssl.SSLCertVerificationError)
        ),
        None,
    )


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and its causes."""
    while failure is not None:
        yield failure
        failure = failure.__cause__ or failure.__context__


def _unreachable(
    request: Request, failure: httpx.TransportError, lost: bool, route: Route
) -> Unreachable:
    """Build the error: what happened, and what to do."""
    origin = origin_of(request.url)
    reason = str(failure).strip() or type(failure).__name__
    certificate = _certificate(failure)
    if certificate is not None:
        return CertificateRefused(
            f"{origin} cannot be trusted: {certificate}. Nothing was sent. The server's operator "
            "must renew the certificate, or this machine must trust its issuer. "
            f"{route.trust} {route.via}".rstrip()
        )
    if lost:
        return ReplyLost(
            f"The connection to {origin} broke before the reply came ({reason}). "
            "Whether the request was carried out is not known: check before you try again. "
            f"{route.via}".rstrip()
        )
    return Unreachable(
        f"{origin} does not answer ({reason}). "
        f"{route.via or 'Check the URL, and that the server is running.'}"
    )
