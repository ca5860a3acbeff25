"""Requests and replies, and all that is done about them without being asked: trying again where
that is safe, waiting as long as the server asks, and renewing tokens.

Nothing here does input or output. The logic is written as *talks*: generators that yield what is
to be done next (:class:`Ask`, :class:`Pause`, …) and are sent what came of it. A driver carries
them out, one with threads and one with coroutines, so both behave alike.
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
_NEEDED = ("users", "tokens", "lists")

log = logging.getLogger("hyperapi_client")
log.addHandler(logging.NullHandler())  # heard where somebody listens, and nowhere else


@dataclass(frozen=True, slots=True)
class Ask:
    """Send this request, and hand back its :class:`httpx.Response`, read to its end.

    :param repeatable: may it be sent again when no reply came?
    :param anonymous: must it go without a token?
    :param patience: seconds to wait for the reply, beside what the driver waits for every reply.
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
    """Wait so many seconds."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Alone:
    """Carry out a talk while no other thread of this client carries out one of these."""

    work: "Talk[Any]"


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand this to the user, who asked for one thing after another."""

    value: Any


Effect = Ask | Pause | Alone | Emit
Talk = Generator[Effect, Any, Result]


class Performance(Generic[Result]):
    """A talk that is being carried out: what a driver and a talk have to say to each other.

    :param wrap: from a state to what the user is to get, for conflicts to carry.
    :ivar reply: what came of the last effect.
    :ivar failure: or what it failed with.
    :ivar result: what the talk returned, once there is nothing more to do.
    """

    result: Result

    def __init__(self, talk: Talk[Result], wrap: Callable[[State], object]) -> None:
        self._talk = talk
        self._wrap = wrap
        self.reply: object = None
        self.failure: Exception | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._talk.close()

    def next(self) -> Effect | None:
        """What is to be done next, after that came of the last; None when the talk is over."""
        reply, failure = self.reply, self.failure
        self.reply = self.failure = None
        try:
            return self._talk.send(reply) if failure is None else self._talk.throw(failure)
        except StopIteration as end:
            self.result = end.value
        except Conflict as conflict:
            if conflict.current is None and conflict.current_state is not None:
                conflict.current = self._wrap(conflict.current_state)
            raise
        return None


def request(ask: Ask, timeout: httpx.Timeout) -> dict[str, Any]:
    """A request in the words of httpx.

    :param timeout: the usual one.
    """
    if ask.patience and timeout.read is not None:
        longer = {**timeout.as_dict(), "read": timeout.read + ask.patience}
        timeout = httpx.Timeout(**longer)
    return {
        "method": ask.method,
        "url": ask.url,
        "headers": dict(ask.headers),
        "content": ask.content,
        "timeout": timeout,
        "follow_redirects": False,
    }


@dataclass(frozen=True, slots=True)
class Answer:
    """The last reply to a request.

    :param uncertain: was it sent before, without a reply, so that it may have taken effect then?
    """

    response: httpx.Response
    uncertain: bool = False


class Exchange:
    """What a client remembers between requests.

    :param url: where the server is, as the user gave it.
    :param keeper: where tokens are kept.
    :param patience: the most seconds that a request may spend waiting because the server asks.
    :param retries: how often something is sent again when no reply came.
    """

    def __init__(
        self, url: str, keeper: Keeper, patience: float, retries: int, user_agent: str
    ) -> None:
        self.url = str(parsed_url(url))
        self.origin = origin_of(self.url)
        self.keeper = keeper
        self.tokens = self._own(keeper.load())
        self._patience = patience
        self._retries = retries
        self._user_agent = user_agent
        self._root: State | None = None
        self.route = Route()

    # -- tokens

    def keep(self, tokens: Tokens | None) -> None:
        """Use these tokens from now on; what the root shows depends on who asks."""
        self.tokens = self._own(tokens)
        self.keeper.save(tokens)
        self._root = None

    def _own(self, tokens: Tokens | None) -> Tokens | None:
        """Tokens, which must be those of the root's origin.

        :raises NotAToken: when they cannot be tokens.
        :raises ForeignOrigin: when their session is at another origin.
        """
        if tokens is None:
            return None
        if not re.fullmatch(r"[\x21-\x7e]+", tokens.access):
            raise NotAToken(
                "What is given as a token is none: it is empty, or holds spaces or other "
                "characters that no token has. Was it copied whole, and alone?"
            )
        if tokens.uri:
            self._check_origin(tokens.uri)
        return tokens

    def _check_origin(self, url: str) -> None:
        """Refuse to send anything to an origin that is not the root's.

        Every request passes here, so no link, form, redirect or stored URI can carry a token, a
        password or any other data to another server.

        :raises ForeignOrigin: naming both.
        """
        other = origin_of(url)
        if other != self.origin:
            raise ForeignOrigin(self.origin, other)

    def _renewed(self, used: Tokens) -> Talk[Tokens]:
        """Tokens newer than those used: renewed by somebody else meanwhile, or now by us."""
        with self.keeper.turn():
            kept = self._own(self.keeper.load())
            if kept is not None and kept.access != used.access:
                self.tokens = kept
                return kept
            form = yield from self.anonymous_form("tokens", "refresh")
            filled = form.fill({"refresh_token": used.refresh})
            headers = {"Accept": HAL_FORMS, "Content-Type": filled.content_type or ""}
            ask = Ask(filled.method, filled.uri, headers, filled.content, anonymous=True)
            made = yield from self.state(ask)
            tokens = Tokens.read(made.members, made.uri or used.uri)
            self.tokens = self._own(tokens)
            self.keeper.save(tokens)
            return tokens

    def anonymous_form(self, relation: str, name: str) -> Talk[Any]:
        """A form that the root's ``relation`` offers to whoever is not signed in."""
        root = yield from self.state(self.get(self.url, anonymous=True))
        _check_root(root, self.url)
        place = yield from self.state(self.get(root.links[relation].href, anonymous=True))
        form = (place.forms or {}).get(name)
        if form is None:
            raise NoSuchForm(f"{place.uri} does not offer to {name}")
        return form

    # -- requests

    def get(self, url: str, accept: str = HAL_FORMS, **also: Any) -> Ask:
        """A request for a representation."""
        headers = {"Accept": accept, **also.pop("headers", {})}
        return Ask("GET", url, headers, **also)

    def root(self) -> Talk[State]:
        """The root, asked for once.

        :raises NotHyperapi: when what answers there is none.
        """
        if self._root is None:
            state = yield from self.state(self.get(self.url))
            _check_root(state, self.url)
            self._root = state
        return self._root

    def state(self, ask: Ask) -> Talk[State]:
        """What a reply shows, which must be no problem."""
        answer = yield from self.send(ask)
        return shown(succeeded(answer.response), ask.url)

    def send(self, ask: Ask) -> Talk[Answer]:
        """Send a request, and again where that is safe and may help.

        Without a reply it is sent again a few times, if that cannot do anything twice. A reply
        that asks to wait is obeyed within the bounds of patience.

        :raises Unreachable: when there was no reply in the end.
        """
        patience, tries, uncertain = self._patience, 0, False
        while True:
            try:
                response = yield from self._redirected(ask)
            except (httpx.InvalidURL, httpx.DecodingError) as failure:
                raise NotHyperapi(f"{ask.url} is not a hyperapi's: {failure}.") from failure
            except httpx.TransportError as failure:
                never_sent = isinstance(failure, _NEVER_SENT)
                lost = not (never_sent or ask.repeatable)
                if lost or tries >= self._retries or _is_final(failure):
                    raise _unreachable(ask, failure, lost, self.route) from failure
                uncertain = uncertain or not never_sent
                pause = _FIRST_PAUSE * _LONGER**tries
                reason = "nobody answers" if never_sent else "the connection broke down"
                tries += 1
            else:
                wanted = _wanted_pause(ask, response, uncertain)
                if wanted is None or wanted > patience:
                    self._check_proxy(ask, response)
                    return Answer(response, uncertain)
                pause, reason = wanted, "the server asks to wait"
                patience -= max(pause, _FIRST_PAUSE)
            yield Pause(pause, reason)

    def _check_proxy(self, ask: Ask, response: httpx.Response) -> None:
        """Name the proxy where a failure is probably its own.

        :raises Unreachable: then.
        """
        if self.route.via and response.status_code >= 400 and problem_in(response) is None:
            status = f"{response.status_code} {response.reason_phrase}"
            raise Unreachable(f"{ask.url} was answered {status}. {self.route.via}")

    def _redirected(self, ask: Ask) -> Talk[httpx.Response]:
        """Send a request, and follow where a reply leads, within the origin."""
        for _ in range(_MOST_REDIRECTS):
            response: httpx.Response = yield from self._signed(ask)
            if response.status_code not in _REDIRECTS:
                return response
            location = _joined(ask.url, response.headers.get("Location", ""))
            if origin_of(location) != self.origin or ask.method != "GET":
                raise Moved(f"{ask.url} leads to {location}: use that URL instead.", location)
            ask = replace(ask, url=location)
        raise NotHyperapi(f"{ask.url} leads from one place to the next and never arrives.")

    def _signed(self, ask: Ask) -> Talk[httpx.Response]:
        """Send a request with our token; with a newer one, when it has expired."""
        self._check_origin(ask.url)
        tokens = self.tokens
        if ask.anonymous or tokens is None:
            response: httpx.Response = yield self._with(ask, None)
            return response
        response = yield self._with(ask, tokens)
        if response.status_code != 401 or tokens.refresh is None:
            return response
        if not isinstance(problem_in(response), TokenExpired):
            return response
        tokens = yield Alone(self._renewed(tokens))
        response = yield self._with(ask, tokens)
        return response

    def _with(self, ask: Ask, tokens: Tokens | None) -> Ask:
        headers = {"User-Agent": self._user_agent, **ask.headers}
        if tokens is not None:
            headers["Authorization"] = f"Bearer {tokens.access}"
        return replace(ask, headers=headers)


def repeatable(method: str, headers: Mapping[str, str]) -> bool:
    """Can a request be sent twice without doing something twice?"""
    return method in _SAFE_TO_REPEAT or "Idempotency-Key" in headers


def succeeded(response: httpx.Response) -> httpx.Response:
    """The reply, which must be a success.

    :raises ProblemError: when it says what went wrong.
    :raises NotHyperapi: when it fails in words that the contract does not know.
    """
    if response.status_code < 400:
        return response
    problem = problem_in(response)
    if problem is None:
        raise NotHyperapi(
            f"{response.url} answered {response.status_code} {response.reason_phrase}, and not "
            "as a hyperapi does. Is the URL right?"
        )
    if isinstance(problem, Conflict):
        current = problem.members.get("current")
        if isinstance(current, dict):
            tag = response.headers.get("ETag")
            problem.current_state = read(current, str(response.url), tag)
    raise problem


def shown(response: httpx.Response, uri: str) -> State:
    """What a successful reply shows; a state that has only a URI when it has no content.

    :raises NotHyperapi: when it is no representation that we know.
    """
    named = response.headers.get("Content-Location") or response.headers.get("Location")
    uri = _joined(uri, named) if named else uri
    if not response.content:
        return State(uri, etag=response.headers.get("ETag"))
    if not media_type(response).endswith("json"):
        sent = media_type(response) or "no type"
        raise NotHyperapi(f"{uri} is no hyperapi: it sent {sent}. Is the URL right?")
    try:
        document = response.json()
        if not isinstance(document, dict):
            raise TypeError("not an object")
        return read(document, uri, response.headers.get("ETag"))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise NotHyperapi(f"{uri} sent what cannot be understood: {error}.") from error


def _joined(base: str, reference: str) -> str:
    """Where a reference leads (RFC 3986 §5).

    :raises NotHyperapi: when that is nowhere.
    """
    try:
        return urljoin(base, reference)
    except ValueError as error:
        raise NotHyperapi(f"{base} leads to {reference!r}, which is no URL: {error}.") from None


def _check_root(state: State, url: str) -> None:
    if not set(_NEEDED) <= state.links.keys():
        raise NotHyperapi(
            f"{url} answers, but is no hyperapi's root: it has no links to follow. "
            "Is the URL right?"
        )


def _wanted_pause(ask: Ask, response: httpx.Response, uncertain: bool) -> float | None:
    """How long to wait before sending the same again; None when that would not help."""
    if response.status_code in (429, 503):
        return retry_after(response)
    if response.status_code == 409 and uncertain and "Idempotency-Key" in ask.headers:
        return retry_after(response) or _STILL_RUNNING  # the first one, that is
    return None


def _is_final(failure: httpx.TransportError) -> bool:
    """Will it be the same each time?"""
    lasting = (httpx.UnsupportedProtocol, ssl.SSLCertVerificationError, socket.gaierror)
    return any(isinstance(cause, lasting) for cause in _causes(failure))


def _certificate(failure: BaseException) -> str | None:
    """What is wrong with the server's certificate, if it is that."""
    return next(
        (
            cause.verify_message
            for cause in _causes(failure)
            if isinstance(cause, ssl.SSLCertVerificationError)
        ),
        None,
    )


def _causes(failure: BaseException | None) -> Iterator[BaseException]:
    """A failure, and what it came from."""
    while failure is not None:
        yield failure
        failure = failure.__cause__ or failure.__context__


def _unreachable(ask: Ask, failure: httpx.TransportError, lost: bool, route: Route) -> Unreachable:
    """The failure in words: what happened, and what to do."""
    origin = origin_of(ask.url)
    reason = str(failure).strip() or type(failure).__name__
    certificate = _certificate(failure)
    if certificate is not None:
        return CertificateRefused(
            f"{origin} cannot be trusted: {certificate}. Nothing was sent. Whoever runs the "
            "server has to renew its certificate, or you have to trust who signed it. "
            f"{route.trust} {route.via}".rstrip()
        )
    if lost:
        return ReplyLost(
            f"The connection to {origin} broke down before it replied ({reason}). Whether this "
            "was carried out is not known: look before you try again. "
            f"{route.via}".rstrip()
        )
    return Unreachable(
        f"{origin} does not answer ({reason}). "
        f"{route.via or 'Is the URL right, and is the server running?'}"
    )
