"""What can go wrong, as a tree of nouns, and the one door through which it leaves (RFC 9457).

Anything may raise a :class:`Problem`; :func:`init_app` turns it, and every failure that nobody
foresaw, into an ``application/problem+json`` reply, or into a page for browsers. A problem's
``name`` is the last part of its type's URI, ``problems/NAME``, where a page says what it means and
what to do about it.
"""

import logging
import re
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, Self

import orjson
from pydantic import MISSING
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from hyperapi.http.context import Context
from hyperapi.http.uris import without_long_query
from hyperapi.http.wsgi_response import Response
from hyperapi.representations import html
from hyperapi.representations.negotiation import choose
from hyperapi.representations.resource_type import Members
from hyperapi.representations.shapes import SHAPES
from hyperapi.storage.database import Busy, Uncertain

PROBLEM_JSON = "application/problem+json"


class PointedError(Members):
    """What is wrong with one member of a body, by its JSON Pointer (RFC 6901)."""

    pointer: str
    detail: str


class ParameterError(Members):
    """What is wrong with one parameter of a query."""

    parameter: str
    detail: str


class _Pointed(Members):
    errors: list[PointedError]


class _Parameters(Members):
    errors: list[ParameterError] | MISSING = MISSING


class _OAuth(Members):
    error: str
    error_description: str
    errors: list[PointedError] | MISSING = MISSING


class _Acceptable(Members):
    acceptable: list[str]


class _First(Members):
    first_uri: str


class _Quota(Members):
    quota: Literal["lists", "tasks", "text"]
    limit: int


class _TooMany(Members):
    count: int
    limit: int


class _Current(Members):
    current: dict[str, Any] | None = None


_log = logging.getLogger("hyperapi")

_VARY = "Accept, Accept-Encoding, Authorization, Origin"


class Problem(Exception):
    """A failure that the client is told about.

    :param detail: what happened this time and what to do next, where that is more than ``advice``.
    :param members: extension members of the problem document.
    :param headers: of the reply, beside those of every problem.
    :cvar advice: what to do next, as sentences; it does not repeat the title.
    :cvar extends: those members, as documents describe them.
    :cvar sends: the names of those headers.
    :cvar pages: is it a page for browsers? Else it is JSON for everyone.
    """

    name: ClassVar[str]
    status: ClassVar[int]
    title: ClassVar[str]
    advice: ClassVar[str]
    extends: ClassVar[type[Members]] = Members
    sends: ClassVar[tuple[str, ...]] = ()
    pages: ClassVar[bool] = True

    def __init__(
        self,
        detail: str | None = None,
        *,
        headers: Sequence[tuple[str, str]] = (),
        **members: Any,
    ) -> None:
        self.detail = detail or self.advice
        super().__init__(self.detail)
        self.headers = headers
        self.members = members

    @classmethod
    def meaning(cls) -> str:
        """What the problem type means, in words: its docstring."""
        return re.sub(r"\s+", " ", cls.__doc__ or "").strip()


def all_problems(kind: type[Problem] = Problem) -> list[type[Problem]]:
    """Every problem type that the service can emit, by name."""
    found = [each for child in kind.__subclasses__() for each in all_problems(child)]
    named = [kind] if "name" in vars(kind) else []
    return sorted(named + found, key=lambda each: each.name)


class Malformed(Problem):
    """The request's body is not one JSON object (or not a form, where a form was announced).
    Send well-formed UTF-8 JSON with an object at the top, and no member twice."""

    name, status, title = "malformed-body", 400, "The body cannot be read"
    advice = "Send one well-formed JSON object in UTF-8, with no member twice."


class BadQuery(Problem):
    """A parameter of the query is unknown, repeated, or has a value that it does not take.
    Each entry of `errors` names one and says what it takes."""

    name, status, title = "bad-query", 400, "The query cannot be understood"
    advice = "Correct the parameters that errors names, and send the request again."
    extends = _Parameters


class UntrustedHost(Problem):
    """The request's Host is none that this service answers to. Use the URI that you were given."""

    name, status, title = "untrusted-host", 400, "This host is not served here"
    advice = "Use the URI that you were given, with its host."


class BadRequest(Problem):
    """The request is not well-formed HTTP, or has a header that cannot be read. `detail` names
    what is wrong: correct it, and send the request again."""

    name, status, title = "bad-request", 400, "The request cannot be understood"
    advice = "Correct the request's headers, and send it again."


class OAuthError(Problem):
    """A token request in the form of OAuth 2 was refused. `error` is the code of RFC 6749 §5.2,
    `error_description` says what was wrong."""

    name, status, title = "oauth-error", 400, "The token request was refused"
    advice = "Correct the request, and send it again."
    pages = False  # RFC 6749 §5.2 asks for JSON
    extends = _OAuth

    @classmethod
    def of(cls, error: str, description: str) -> Self:
        """The refusal with an error code of RFC 6749."""
        detail = f"{description}. {cls.advice}"
        return cls(detail, error=error, error_description=description)

    @classmethod
    def invalid_request(cls, problem: Problem) -> Self:
        """The refusal of a request with members that are not valid."""
        errors = problem.members["errors"]
        code = "invalid_scope" if errors[0]["pointer"] == "/scope" else "invalid_request"
        refusal = cls.of(code, f"{errors[0]['pointer'].lstrip('/')} {errors[0]['detail']}")
        refusal.members["errors"] = errors
        return refusal


class Unauthorized(Problem):
    """The request needs a token, and has none that counts."""

    status = 401
    sends = ("WWW-Authenticate",)
    challenge: ClassVar[str] = "Bearer"

    def __init__(self, detail: str | None = None, **members: Any) -> None:
        super().__init__(detail, headers=[("WWW-Authenticate", self.challenge)], **members)


class TokenMissing(Unauthorized):
    """This resource wants an access token and the request brought none. Sign in by the
    `tokens` link of the root, then send `Authorization: Bearer` with the token."""

    name, title = "token-missing", "A token is needed"
    advice = (
        "Sign in by the tokens link of the root, and send Authorization: Bearer with the token."
    )


class CredentialsInvalid(Unauthorized):
    """No user has this name and this password. The reply is the same for an unknown name, a
    wrong password and a user who was disabled. Check both, and sign in again."""

    name, title = "credentials-invalid", "The name or the password is wrong"
    advice = "Check both, and sign in again."


class TokenInvalid(Unauthorized):
    """What was sent as a token is none of ours: cut short, changed, or of another kind.
    Sign in again."""

    name, title = "token-invalid", "The token is not valid"
    advice = "Send an access token as the service gave it, or sign in again."
    challenge = 'Bearer error="invalid_token"'


class TokenExpired(TokenInvalid):
    """The token's life has ended. Refresh it, or sign in again."""

    name, title = "token-expired", "The token has expired"
    advice = "Use the refresh token to get a new one, or sign in again."


class TokenRevoked(TokenInvalid):
    """The token's session was ended, by its user, by an operator or by a measure of safety.
    Sign in again."""

    name, title = "token-revoked", "The token was revoked"
    advice = "Sign in again to get a new token."


class InsufficientScope(Problem):
    """The token is good, but what it may do does not include this. `WWW-Authenticate` names the
    scope that is needed; there is no reason to sign out."""

    name, status, title = "insufficient-scope", 403, "The token's scope does not cover this"
    advice = "Use a token with the scope that WWW-Authenticate names. There is no need to sign out."
    sends = ("WWW-Authenticate",)


class RegistrationClosed(Problem):
    """New users are made by the operator here. Ask whoever runs the service."""

    name, status, title = "registration-closed", 403, "Registration is closed"
    advice = "Ask the operator of the service for an account."


class ControlRefused(Problem):
    """Only programs may use the control of a sandbox. They call its own address, send no
    `Origin`, and send its secret where other machines can reach it. `detail` says what is wrong."""

    name, status, title = "control-refused", 403, "This request may not use the control"
    advice = "Call the control from a program, by the sandbox's own address and with its secret."


class LoginTooOld(Problem):
    """This needs a sign-in by password a few minutes old. Sign in again, then repeat it with the
    new token."""

    name, status, title = "login-too-old", 403, "A recent sign-in is needed"
    advice = "Sign in with the password again, and repeat the request with the new token."


class QuotaExceeded(Problem):
    """There would be more than one user may keep here. `quota` names what there would be too much
    of (`lists`, `tasks`, or `text`, which is counted in bytes of UTF-8), `limit` how much may be
    kept. Nothing was stored: delete something first."""

    name, status, title = "quota-exceeded", 403, "The quota is used up"
    advice = "Delete something first, or ask the operator for more. Nothing was stored."
    extends = _Quota


class NotFound(Problem):
    """There is nothing here, or it is not yours; the service does not tell which. Begin at the
    root, and follow its links."""

    name, status, title = "not-found", 404, "There is nothing here"
    advice = "Check the URI, or follow links from the root to find what you may see."


class MethodNotAllowed(Problem):
    """The resource does not take this method. `Allow` lists those it takes."""

    name, status, title = "method-not-allowed", 405, "The method is not allowed here"
    advice = "Use a method that Allow lists."
    sends = ("Allow", "Accept-Patch")


class NotAcceptable(Problem):
    """None of the media types in `Accept` is one that this resource has; `acceptable` names
    those that it has."""

    name, status, title = "not-acceptable", 406, "No acceptable representation"
    advice = "Send Accept with a media type that acceptable lists, or leave it out."
    extends = _Acceptable


class Taken(Problem):
    """Somebody else has this name. Choose another."""

    name, status, title = "taken", 409, "The name is taken"
    advice = "Choose another name."


class TooManySessions(Problem):
    """There are as many sessions as a user may have, and the token that asks for another may not
    end those that would have to make room. End a session that is not needed, or use a token with
    the scope `account`."""

    name, status, title = "too-many-sessions", 409, "There are too many sessions"
    advice = "End a session that is not needed, or use a token with the scope account."


class TooManySelected(Problem):
    """The request would change more tasks at once than the service does in one transaction, while
    which others wait. `count` says how many it would be, `limit` how many it may be. Nothing was
    changed: send several requests, each for a part."""

    name, status, title = "too-many-selected", 409, "Too many tasks for one request"
    advice = "Send several requests, each for a part. Nothing was changed."
    extends = _TooMany


class TooLarge(Problem):
    """The body is larger than the service takes. Send less at a time."""

    name, status, title = "too-large", 413, "The body is too large"
    advice = "Send less at a time."


class TargetTooLong(Problem):
    """The request target (path and query) is longer than 8 KiB, or the links of its pages would
    be. Send a shorter query."""

    name, status, title = "target-too-long", 414, "The request target is too long"
    advice = "Send a shorter query."


class UnsupportedMediaType(Problem):
    """The body's Content-Type is none that this operation takes. `Accept` names those it takes."""

    name, status, title = "unsupported-media-type", 415, "The body's type is not taken here"
    advice = "Send the body in a media type that Accept lists."
    sends = ("Accept", "Accept-Patch", "Accept-Encoding")


class Invalid(Problem):
    """The body was read, but something in it is wrong. Each entry of `errors` points at a member
    and says what it takes; nothing was stored."""

    name, status, title = "invalid", 422, "Some members are not valid"
    advice = (
        "Correct the members that errors points at, and send the request again. Nothing was stored."
    )
    extends = _Pointed


class KeyReused(Problem):
    """This Idempotency-Key came before, with another body. A key belongs to one request: make a
    new one for each thing that is to happen."""

    name, status, title = (
        "idempotency-key-reused",
        422,
        "The Idempotency-Key was used for another request",
    )
    advice = "Make a new key for each request, and send it again with that."


class Gone(Problem):
    """What happened since then is not kept any more. Start over, from the link `first`."""

    name, status, title = "gone", 410, "The cursor is too old"
    advice = "Start over from the link first: what has changed since is not kept any more."
    extends = _First
    sends = ("Link",)


class PreconditionFailed(Problem):
    """Somebody changed this since you last saw it, or it is there although it was not to be.
    `current` is what it is now, `ETag` its tag: look, and decide again."""

    name, status, title = "precondition-failed", 412, "The resource is not as you last saw it"
    advice = (
        "Read the resource again, and repeat the request with its new ETag if it is still right."
    )
    extends = _Current
    sends = ("ETag",)


class PreconditionRequired(Problem):
    """The operator wants every change to say what it changes. Read the resource, and send its
    `ETag` in `If-Match`."""

    name, status, title = "precondition-required", 428, "If-Match is needed"
    advice = "Read the resource, and send its ETag in If-Match."


class TooManyRequests(Problem):
    """There were too many attempts. `Retry-After` says in how many seconds to try again."""

    name, status, title = "too-many-requests", 429, "Too many attempts"
    advice = "Wait for the seconds in Retry-After, and try again."
    sends = ("Retry-After",)


class TooManyReaders(Problem):
    """As many readers wait for changes here as this worker carries. Try again in a while, or ask
    for pages without waiting."""

    name, status, title = "too-many-readers", 503, "Too many clients wait for changes"
    advice = "Try again after the seconds in Retry-After, or ask for pages without waiting."
    sends = ("Retry-After",)


class InternalError(Problem):
    """A mistake of ours. It was written down under the id in `instance`; tell the operator that
    id. Whether the request took effect is not known."""

    name, status, title = "internal-error", 500, "Something went wrong on our side"
    advice = "Tell the operator the id in instance. Check whether the request took effect."


class Unavailable(Problem):
    """The service is too busy to do this now. Nothing was changed, unless `detail` says that this
    is not known; try again after the seconds in `Retry-After`."""

    name, status, title = "unavailable", 503, "The service is too busy"
    advice = "Try again after the seconds in Retry-After. Nothing was changed."
    sends = ("Retry-After",)


def invalid(pointer: str, detail: str) -> Invalid:
    """A 422 about one member, by its JSON Pointer (RFC 6901)."""
    return Invalid(errors=[{"pointer": pointer, "detail": detail}])


def bad_parameter(parameter: str, detail: str) -> BadQuery:
    """A 400 about one parameter of the query."""
    return BadQuery(errors=[{"parameter": parameter, "detail": detail}])


def from_exception(ctx: Context, failure: Exception) -> Response:
    """The reply to a request that failed: a problem, or a redirect."""
    if isinstance(failure, Problem):
        return respond(ctx, failure)
    if isinstance(failure, HTTPException):
        return _from_http(ctx, failure)
    if isinstance(failure, Busy):
        return _from_busy(ctx, failure)
    return _from_mistake(ctx, failure)


def respond(ctx: Context, problem: Problem) -> Response:
    """A problem as its response."""
    document: dict[str, Any] = {
        "type": ctx.uris.uri("problem", problem.name),
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": f"urn:uuid:{ctx.request_id}",
        **problem.members,
    }
    headers = [*problem.headers, ("Vary", _VARY), ("Cache-Control", "no-store")]
    if problem.pages and _prefers_pages(ctx.environ.get("HTTP_ACCEPT", "")):
        body, content_type = _page(ctx, problem, document).encode(), html.CONTENT_TYPE
        headers += html.HEADERS
    else:
        body, content_type = orjson.dumps(document), PROBLEM_JSON
    return Response(problem.status, [*headers, ("Content-Type", content_type)], body)


def _prefers_pages(accept: str) -> bool:
    """Does a client name ``text/html`` and prefer it to JSON, as browsers do?

    The richest is last: a client that likes JSON as well gets JSON.
    """
    if html.MEDIA_TYPE not in accept.lower():
        return False
    offered = (html.MEDIA_TYPE, *SHAPES.documents, PROBLEM_JSON)
    return choose(accept, offered, only_by_name=(html.MEDIA_TYPE,)) == html.MEDIA_TYPE


def _page(ctx: Context, problem: Problem, document: dict[str, Any]) -> str:
    """A problem document as a page that leads on."""
    links = {"Start": ctx.uris.uri("root"), "About this problem": document["type"]}
    if problem.status == Unauthorized.status or isinstance(problem, LoginTooOld):
        links["Sign in"] = ctx.uris.uri("tokens")
    retry_after = dict(problem.headers).get("Retry-After")
    return html.problem_page(document, problem.meaning(), links, retry_after)


def _from_http(ctx: Context, error: HTTPException) -> Response:
    """A failure that Werkzeug's routing found, as the problem it is; a redirect as it is."""
    if isinstance(error, RequestRedirect):
        return redirect(without_long_query(error.new_url), error.code)
    kinds: dict[int, type[Problem]] = {404: NotFound, 413: TooLarge}
    return respond(ctx, kinds.get(error.code or 400, BadRequest)())


def redirect(target: str, status: int = 302) -> Response:
    """A redirect to an absolute URI."""
    return Response(status, [("Location", target)])


_NOT_KNOWN = (
    "The database was lost at the last moment: whether the change was made is not known. Read the "
    "resource, or repeat the request with the Idempotency-Key that it had."
)


def _from_busy(ctx: Context, error: Exception) -> Response:
    _log.warning("busy: %s", error, extra=ctx.log_extra)
    detail = _NOT_KNOWN if isinstance(error, Uncertain) else None
    return respond(ctx, Unavailable(detail, headers=[("Retry-After", "1")]))


def _from_mistake(ctx: Context, error: Exception) -> Response:
    _log.exception("mistake in request %s", ctx.request_id, exc_info=error, extra=ctx.log_extra)
    return respond(ctx, InternalError())
