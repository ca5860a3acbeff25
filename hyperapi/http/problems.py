"""Problems: the tree of failures that a client learns about (RFC 9457).

Any code may raise a :class:`Problem`. :func:`from_exception` turns it, and every unexpected
exception, into an ``application/problem+json`` reply, or into a page for browsers. The ``name``
of a problem is the last part of its type's URI, ``problems/NAME``. The page there shows the
docstring.
"""

import logging
import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

import orjson
from pydantic import MISSING
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from hyperapi.http.about import site_of
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
    """An error of one member of a body, by its JSON Pointer (RFC 6901)."""

    pointer: str
    detail: str


class ParameterError(Members):
    """An error of one query parameter."""

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
    quota: str
    limit: int


class _TooMany(Members):
    count: int
    limit: int


class _Current(Members):
    current: dict[str, Any] | None = None


_log = logging.getLogger("hyperapi")

_VARY = "Accept, Accept-Encoding, Authorization, Origin"


class Problem(Exception):
    """A failure that the client learns about.

    :param detail: the reason and the next step, where that is more than ``advice``.
    :param members: extension members of the problem document.
    :param headers: further headers of the reply.
    :cvar advice: the next step, as sentences. It does not repeat the title.
    :cvar extends: the type of the extension members, for documents.
    :cvar sends: the names of the further headers, for documents.
    :cvar pages: whether browsers get a page. Otherwise every client gets JSON.
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
        """Return the meaning of the problem type: its docstring."""
        return re.sub(r"\s+", " ", cls.__doc__ or "").strip()


def all_problems(kind: type[Problem] = Problem) -> list[type[Problem]]:
    """Return every problem type that was imported, by name."""
    found = [each for child in kind.__subclasses__() for each in all_problems(child)]
    named = [kind] if "name" in vars(kind) else []
    return sorted(named + found, key=lambda each: each.name)


def own_problems() -> list[type[Problem]]:
    """Return the problem types that every service has, by name: those of this module."""
    return [kind for kind in all_problems() if kind.__module__ == __name__]


class Malformed(Problem):
    """The request body is not a JSON object, or not the form that its Content-Type declares. Send
    well-formed UTF-8 JSON with one object at the top level and without duplicate members."""

    name, status, title = "malformed-body", 400, "The body cannot be parsed"
    advice = "Send one well-formed JSON object in UTF-8, without duplicate members."


class BadQuery(Problem):
    """A query parameter is unknown, repeated, or has an invalid value. Each entry of `errors` names
    a parameter and the values that it accepts."""

    name, status, title = "bad-query", 400, "The query is not valid"
    advice = "Correct the parameters that errors names, and send the request again."
    extends = _Parameters


class UntrustedHost(Problem):
    """The service does not serve the host in the request's Host header. Use the URI that the
    operator published."""

    name, status, title = "untrusted-host", 400, "This host is not served here"
    advice = "Use the URI that the operator published, with its host."


class BadRequest(Problem):
    """The request is not well-formed HTTP, or a header is malformed. `detail` names the error.
    Correct it, and send the request again."""

    name, status, title = "bad-request", 400, "The request is malformed"
    advice = "Correct the headers of the request, and send it again."


class OAuthError(Problem):
    """An OAuth 2 token request was refused. `error` is the error code of RFC 6749 §5.2, and
    `error_description` explains it."""

    name, status, title = "oauth-error", 400, "The token request was refused"
    advice = "Correct the request, and send it again."
    pages = False  # RFC 6749 §5.2 asks for JSON
    extends = _OAuth

    @classmethod
    def of(cls, error: str, description: str) -> Self:
        """Return the problem for an error code of RFC 6749 §5.2."""
        detail = f"{description}. {cls.advice}"
        return cls(detail, error=error, error_description=description)

    @classmethod
    def invalid_request(cls, problem: Problem) -> Self:
        """Return the problem for a token request with invalid members."""
        errors = problem.members["errors"]
        code = "invalid_scope" if errors[0]["pointer"] == "/scope" else "invalid_request"
        refusal = cls.of(code, f"{errors[0]['pointer'].lstrip('/')} {errors[0]['detail']}")
        refusal.members["errors"] = errors
        return refusal


class Unauthorized(Problem):
    """The request requires a valid token."""

    status = 401
    sends = ("WWW-Authenticate",)
    challenge: ClassVar[str] = "Bearer"

    def __init__(self, detail: str | None = None, **members: Any) -> None:
        super().__init__(detail, headers=[("WWW-Authenticate", self.challenge)], **members)


class TokenMissing(Unauthorized):
    """The resource requires an access token, and the request has none. Sign in through the `tokens`
    link of the root, and send `Authorization: Bearer` with the token."""

    name, title = "token-missing", "A token is required"
    advice = (
        "Sign in through the tokens link of the root, and send "
        "Authorization: Bearer with the token."
    )


class CredentialsInvalid(Unauthorized):
    """No user has this username and password. The reply is the same for an unknown name, a wrong
    password and a disabled user. Check both, and sign in again."""

    name, title = "credentials-invalid", "The username or the password is wrong"
    advice = "Check both, and sign in again."


class TokenInvalid(Unauthorized):
    """The Authorization header has no access token of this service: it was cut, changed, or is a
    token of another kind. Sign in again."""

    name, title = "token-invalid", "The token is not valid"
    advice = "Send an access token exactly as the service issued it, or sign in again."
    challenge = 'Bearer error="invalid_token"'


class TokenExpired(TokenInvalid):
    """The access token has expired. Refresh it, or sign in again."""

    name, title = "token-expired", "The token has expired"
    advice = "Use the refresh token to get a new one, or sign in again."


class TokenRevoked(TokenInvalid):
    """The session of the token was revoked by its user, by the operator, or for security. Sign in
    again."""

    name, title = "token-revoked", "The token was revoked"
    advice = "Sign in again to get a new token."


class InsufficientScope(Problem):
    """The token is valid, but its scope does not include this operation. `WWW-Authenticate` names
    the required scope. There is no need to sign out."""

    name, status, title = "insufficient-scope", 403, "The token's scope does not include this"
    advice = "Use a token with the scope that WWW-Authenticate names. There is no need to sign out."
    sends = ("WWW-Authenticate",)


class PasswordGrantClosed(Problem):
    """This service takes passwords on its own page only. Open the `authorize` link of the root in a
    browser, as OAuth 2.1 describes it. The app gets its token there."""

    name, status, title = "password-grant-closed", 403, "Apps may not send passwords"
    advice = "Use the authorize link of the root in a browser: the app gets its token there."


class AuthorizationRefused(Problem):
    """The link of an app to the page for consent is wrong: its client or its redirect URI is
    unknown, or it is incomplete. The browser was not sent back to the app, because the link cannot
    be trusted. `detail` names the fault. Tell the author of the app."""

    name, status, title = "authorization-refused", 400, "The app cannot ask for access like this"
    advice = "Return to the app, and tell its author."


class RecoveryInvalid(Problem):
    """The link to set a new password is not valid: it is older than 30 minutes, it was used, the
    password has changed since, or the account is closed. Ask the operator for a new link."""

    name, status, title = "recovery-invalid", 403, "The link is not valid any more"
    advice = "Ask the operator of the service for a new link."


class ForeignOrigin(Problem):
    """A page of another origin sent the form of this page. Open the page itself, and fill in its
    form."""

    name, status, title = "foreign-origin", 403, "The form came from another site"
    advice = "Start again on the page of this service, and fill in its form."


class RegistrationClosed(Problem):
    """Only the operator creates users on this service. Ask the operator for an account."""

    name, status, title = "registration-closed", 403, "Registration is closed"
    advice = "Ask the operator of the service for an account."


class ControlRefused(Problem):
    """Only programs may use the control API of a sandbox. They must call its own address, send no
    `Origin`, and send its secret when other machines can connect. `detail` names the fault."""

    name, status, title = "control-refused", 403, "This request may not use the control API"
    advice = (
        "Call the control API from a program, at the sandbox's own address and with its secret."
    )


class LoginTooOld(Problem):
    """The operation requires a recent sign-in by password. Sign in again, and repeat the request
    with the new token."""

    name, status, title = "login-too-old", 403, "A recent sign-in is required"
    advice = "Sign in with the password again, and repeat the request with the new token."


class QuotaExceeded(Problem):
    """The request would exceed a quota of the user. `quota` is `text` (bytes of UTF-8) or what else
    is counted, and `limit` is its maximum. Nothing was stored. Delete something first."""

    name, status, title = "quota-exceeded", 403, "The quota is exceeded"
    advice = "Delete something first, or ask the operator for more. Nothing was stored."
    extends = _Quota


class NotFound(Problem):
    """No resource has this URI, or it belongs to another user. The reply is the same for both.
    Start at the root, and follow its links."""

    name, status, title = "not-found", 404, "There is nothing here"
    advice = "Check the URI, or follow links from the root."


class MethodNotAllowed(Problem):
    """The resource does not support this method. `Allow` lists the methods that it supports."""

    name, status, title = "method-not-allowed", 405, "The method is not allowed"
    advice = "Use a method that Allow names."
    sends = ("Allow", "Accept-Patch")


class NotAcceptable(Problem):
    """The resource has no representation in a media type of `Accept`, or in a content coding of
    `Accept-Encoding`. `acceptable` lists those that it has."""

    name, status, title = "not-acceptable", 406, "No acceptable representation"
    advice = "Send the header with a value that acceptable names, or leave it out."
    extends = _Acceptable


class Taken(Problem):
    """Another user has this name. Choose another one."""

    name, status, title = "taken", 409, "The name is taken"
    advice = "Choose another name."


class TooManySessions(Problem):
    """The user has the maximum number of sessions, and this token may not end the oldest one. End
    a session, or use a token with the scope `account`."""

    name, status, title = "too-many-sessions", 409, "There are too many sessions"
    advice = "End a session, or use a token with the scope account."


class TooManySelected(Problem):
    """The request would change more resources than one request may. `count` is their number, and
    `limit` is the maximum. Nothing was changed. Send several requests with narrower filters."""

    name, status, title = "too-many-selected", 409, "Too many changes for one request"
    advice = "Send several requests with narrower filters. Nothing was changed."
    extends = _TooMany


class TooLarge(Problem):
    """The body is larger than the service accepts. Send smaller requests."""

    name, status, title = "too-large", 413, "The body is too large"
    advice = "Send smaller requests."


class TargetTooLong(Problem):
    """The request target (path and query) is longer than 8 KiB, or the links of its pages would be.
    Send a shorter query."""

    name, status, title = "target-too-long", 414, "The request target is too long"
    advice = "Send a shorter query."


class UnsupportedMediaType(Problem):
    """The operation does not accept the Content-Type of the body. `Accept` lists the media types
    that it accepts."""

    name, status, title = "unsupported-media-type", 415, "The media type is not supported"
    advice = "Send the body in a media type that Accept names."
    sends = ("Accept", "Accept-Patch", "Accept-Encoding")


class Invalid(Problem):
    """Members of the body are not valid. Each entry of `errors` points at a member and states the
    values that it accepts. Nothing was stored."""

    name, status, title = "invalid", 422, "Some members are not valid"
    advice = (
        "Correct the members that errors points at, and send the request again. Nothing was stored."
    )
    extends = _Pointed


class KeyReused(Problem):
    """The Idempotency-Key was already used for a request with another body. Use a new key for each
    new request."""

    name, status, title = (
        "idempotency-key-reused",
        422,
        "The Idempotency-Key was used for another request",
    )
    advice = "Send the request with a new key."


class Gone(Problem):
    """The change log does not go back as far as the cursor. Start again at the link `first`."""

    name, status, title = "gone", 410, "The cursor is too old"
    advice = "Start again at the link first. Older changes are no longer stored."
    extends = _First
    sends = ("Link",)


class PreconditionFailed(Problem):
    """The resource has changed since the client read it, or exists although the request was to
    create it. `current` is its current representation, and `ETag` its tag. Compare them, and
    decide again."""

    name, status, title = "precondition-failed", 412, "The resource has another state"
    advice = (
        "Read the resource again, and repeat the request with its new ETag if it still applies."
    )
    extends = _Current
    sends = ("ETag",)


class PreconditionRequired(Problem):
    """The operator requires If-Match for changes. Read the resource, and send its `ETag` in
    `If-Match`."""

    name, status, title = "precondition-required", 428, "If-Match is required"
    advice = "Read the resource, and send its ETag in If-Match."


class TooManyRequests(Problem):
    """Too many requests in a short time. `Retry-After` has the seconds to wait."""

    name, status, title = "too-many-requests", 429, "Too many requests"
    advice = "Wait for the seconds in Retry-After, and try again."
    sends = ("Retry-After",)


class TooManyReaders(Problem):
    """This worker holds the maximum number of clients that wait for changes. Try again later, or
    request pages without waiting."""

    name, status, title = "too-many-readers", 503, "Too many clients wait for changes"
    advice = "Try again after the seconds in Retry-After, or request pages without waiting."
    sends = ("Retry-After",)


class InternalError(Problem):
    """The service has a bug. The log has an entry with the id in `instance`; report that id to the
    operator. The request may or may not have taken effect."""

    name, status, title = "internal-error", 500, "The service failed"
    advice = "Report the id in instance to the operator. Check whether the request took effect."


class Unavailable(Problem):
    """The service is too busy. Nothing was changed, unless `detail` says that this is unknown. Try
    again after the seconds in `Retry-After`."""

    name, status, title = "unavailable", 503, "The service is too busy"
    advice = "Try again after the seconds in Retry-After. Nothing was changed."
    sends = ("Retry-After",)


def invalid(pointer: str, detail: str) -> Invalid:
    """Build a 422 for one member, by its JSON Pointer (RFC 6901)."""
    return Invalid(errors=[{"pointer": pointer, "detail": detail}])


def bad_parameter(parameter: str, detail: str) -> BadQuery:
    """Build a 400 for one query parameter."""
    return BadQuery(errors=[{"parameter": parameter, "detail": detail}])


def from_exception(ctx: Context, failure: Exception) -> Response:
    """Build the reply to a failed request: a problem, or a redirect."""
    if isinstance(failure, Problem):
        return respond(ctx, failure)
    if isinstance(failure, HTTPException):
        return _from_http(ctx, failure)
    if isinstance(failure, Busy):
        return _from_busy(ctx, failure)
    return _from_unexpected(ctx, failure)


def respond(ctx: Context, problem: Problem) -> Response:
    """Build the response of a problem."""
    document: dict[str, Any] = {
        "type": ctx.uris.uri("problem", problem.name),
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": f"urn:uuid:{ctx.request_id}",
        **problem.members,
    }
    headers = [*challenged(ctx, problem), ("Vary", _VARY), ("Cache-Control", "no-store")]
    if problem.pages and prefers_pages(ctx.environ.get("HTTP_ACCEPT", "")):
        body, content_type = _page(ctx, problem, document).encode(), html.CONTENT_TYPE
        headers += html.headers(site_of(ctx))
    else:
        body, content_type = orjson.dumps(document), PROBLEM_JSON
    return Response(problem.status, [*headers, ("Content-Type", content_type)], body)


def challenged(ctx: Context, problem: Problem) -> Iterable[tuple[str, str]]:
    """Return the headers of a problem. The challenge of a 401 says where the metadata of this
    service is (RFC 9728 §5.1)."""
    for name, value in problem.headers:
        if name == "WWW-Authenticate" and problem.status == Unauthorized.status:
            where = ctx.uris.well_known("oauth-protected-resource")
            separator = ", " if " " in value else " "
            yield name, f'{value}{separator}resource_metadata="{where}"'
        else:
            yield name, value


def prefers_pages(accept: str) -> bool:
    """Whether a client names ``text/html`` and prefers it to JSON, as browsers do.

    The richest is last: a client that likes JSON as well gets JSON.
    """
    if html.MEDIA_TYPE not in accept.lower():
        return False
    offered = (html.MEDIA_TYPE, *SHAPES.documents, PROBLEM_JSON)
    return choose(accept, offered, only_by_name=(html.MEDIA_TYPE,)) == html.MEDIA_TYPE


def _page(ctx: Context, problem: Problem, document: dict[str, Any]) -> str:
    """Return a problem document as a page with links."""
    links = {"Start": ctx.uris.uri("root"), "About this problem": document["type"]}
    if problem.status == Unauthorized.status or isinstance(problem, LoginTooOld):
        links["Sign in"] = ctx.uris.uri("tokens")
    retry_after = dict(problem.headers).get("Retry-After")
    return html.problem_page(document, problem.meaning(), links, retry_after, site_of(ctx))


def _from_http(ctx: Context, error: HTTPException) -> Response:
    """Build the reply to a failure of Werkzeug's routing; a redirect stays a redirect."""
    if isinstance(error, RequestRedirect):
        return redirect(without_long_query(error.new_url), error.code)
    kinds: dict[int, type[Problem]] = {404: NotFound, 413: TooLarge}
    return respond(ctx, kinds.get(error.code or 400, BadRequest)())


def redirect(target: str, status: int = 302) -> Response:
    """Build a redirect to an absolute URI."""
    return Response(status, [("Location", target)])


_UNCERTAIN = (
    "The database connection was lost during the commit: the change may have been made. Read the "
    "resource, or repeat the request with the same Idempotency-Key."
)


def _from_busy(ctx: Context, error: Exception) -> Response:
    _log.warning("unavailable: %s", error, extra=ctx.log_extra)
    detail = _UNCERTAIN if isinstance(error, Uncertain) else None
    return respond(ctx, Unavailable(detail, headers=[("Retry-After", "1")]))


def _from_unexpected(ctx: Context, error: Exception) -> Response:
    _log.exception(
        "unexpected error in request %s", ctx.request_id, exc_info=error, extra=ctx.log_extra
    )
    return respond(ctx, InternalError())
