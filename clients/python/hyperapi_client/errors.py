"""The errors of the client, as a tree of classes.

:class:`ClientError` is the root. :class:`ProblemError` is a problem document of the server (RFC
    9457), with a subclass for each problem type that programs may handle. The client finds the
    others itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import httpx

    from hyperapi_client.document import State

PROBLEM_JSON = "application/problem+json"


class ClientError(Exception):
    """Any error of this client. Its text says what happened and what to do."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Support pickling, without live resources."""
        kept = {name: value for name, value in vars(self).items() if name not in self._not_pickled}
        return _restored, (type(self), self.args, kept)

    _not_pickled: ClassVar[tuple[str, ...]] = ()


def _restored(kind: type[ClientError], args: tuple[Any, ...], kept: dict[str, Any]) -> ClientError:
    """Return an unpickled error."""
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(kept)
    return error


class Closed(ClientError, RuntimeError):
    """The client was closed. Nothing was sent."""


class Unreachable(ClientError):
    """There was no reply: no connection, an unknown name, or a broken connection.

    The request was not carried out, or can be repeated without harm.
    """


class CertificateRefused(Unreachable):
    """The server's certificate has expired, or this machine does not trust it."""


class ReplyLost(Unreachable):
    """The connection broke after a request that cannot be repeated. It is not known whether it was
    carried out."""


class Moved(ClientError):
    """The server redirects to another origin, which gets no token and no password.

    :ivar location: the target of the redirect.
    """

    def __init__(self, message: str, location: str) -> None:
        super().__init__(message)
        self.location = location


class ForeignOrigin(ClientError):
    """A link, form or stored token leads to another origin than the root's. Nothing was sent there.

    :ivar origin: of the root.
    :ivar other: the refused origin.
    """

    def __init__(self, origin: str, other: str) -> None:
        super().__init__(
            f"Nothing was sent to {other}: this client sends requests to {origin} alone. If both "
            "are the same server, use one of them as the root's URL and sign in there."
        )
        self.origin = origin
        self.other = other


class BadEnvironment(ClientError):
    """An environment variable for proxies or certificates cannot be used. Nothing was sent.

    :ivar variable: its name.
    """

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable} {problem}. Correct it or unset it.")
        self.variable = variable


class NotHyperapi(ClientError):
    """The reply does not follow the contract."""


class NotAToken(ClientError, ValueError):
    """The given text cannot be a token. Nothing was sent."""


class NoSuchLink(ClientError, LookupError):
    """The resource has no link with this relation, now and for this user."""


class NoSuchForm(ClientError, LookupError):
    """The resource does not offer this form, now and to this user: its state or the token's scope
    does not allow it."""


@dataclass(frozen=True)
class FieldError:
    """An error in one field or parameter.

    :param name: of the field; in bulk bodies a path, ``tasks/3/title``.
    :param detail: the rest of a sentence that begins with the name.
    """

    name: str
    detail: str

    def __str__(self) -> str:
        return f"{self.name} {self.detail}"


class FieldErrors(ClientError):
    """Some fields are not valid. Nothing was done.

    :ivar errors: one for each wrong field.
    """

    errors: tuple[FieldError, ...] = ()


class FormError(FieldErrors, ValueError):
    """The values do not fit the form. Nothing was sent."""

    def __init__(self, form: str, errors: Sequence[FieldError]) -> None:
        super().__init__(f"{form}: " + "; ".join(map(str, errors)))
        self.errors = tuple(errors)


class ProblemError(ClientError):
    """The server refused the request or could not carry it out.

    :ivar type: the URI of the problem's type; its page explains it.
    :ivar name: the last part of that URI.
    :ivar status: of the reply.
    :ivar title: of the problem's type.
    :ivar detail: what happened, and what to do next.
    :ivar instance: identifies this failure in the server's log.
    :ivar members: the whole problem document.
    :ivar retry_after: the seconds to wait before another try; None without the header.
    :cvar names: the problem types of this class.
    :cvar statuses: the statuses of this class, for unknown types.
    """

    names: ClassVar[tuple[str, ...]] = ()
    statuses: ClassVar[tuple[int, ...]] = ()
    errors: tuple[FieldError, ...] = ()

    def __init__(self, response: "httpx.Response", members: Mapping[str, Any]) -> None:
        self.members = members
        self.status = response.status_code
        self.type = str(members.get("type", "about:blank"))
        self.name = problem_name(members)
        self.title = str(members.get("title") or f"Status {self.status}")
        self.detail = str(members.get("detail") or self.title)
        self.instance = str(members.get("instance", ""))
        self.retry_after = retry_after(response)
        self.errors = tuple(_field_errors(members))
        super().__init__(self._message())

    def _message(self) -> str:
        """Return the title with the wrong fields, or with what to do next."""
        if self.errors:
            return f"{self.title}: {'; '.join(map(str, self.errors))}"
        given = [str(self.members[name]) for name in ("title", "detail") if self.members.get(name)]
        return ". ".join(dict.fromkeys(given)) or self.title


class Unauthorized(ProblemError):
    """The request needs a valid token: sign in."""

    statuses = (401,)


class TokenMissing(Unauthorized):
    """The request needs a token."""

    names = ("token-missing",)


class CredentialsInvalid(Unauthorized):
    """The user name or the password is wrong."""

    names = ("credentials-invalid",)


class TokenInvalid(Unauthorized):
    """The server does not know the token."""

    names = ("token-invalid",)


class TokenExpired(TokenInvalid):
    """The token has expired and could not be refreshed."""

    names = ("token-expired",)


class TokenRevoked(TokenInvalid):
    """The token's session has ended."""

    names = ("token-revoked",)


class Forbidden(ProblemError):
    """The token does not allow this."""

    statuses = (403,)


class InsufficientScope(Forbidden):
    """The token's scope does not include this."""

    names = ("insufficient-scope", "insufficient_scope")


class RegistrationClosed(Forbidden):
    """Only the operator can create users here."""

    names = ("registration-closed",)


class QuotaExceeded(Forbidden):
    """The user has as much as the server stores for one user. Delete something first.

    :ivar quota: what is limited, such as ``tasks``; empty when the server did not say.
    """

    names = ("quota-exceeded",)

    @property
    def quota(self) -> str:
        return str(self.members.get("quota", ""))


class LoginTooOld(Forbidden):
    """This needs a recent sign-in with a password."""

    names = ("login-too-old",)


class NotFound(ProblemError):
    """The resource does not exist, or is not yours."""

    statuses = (404,)


class Taken(ProblemError):
    """The name is taken, or the resource exists already."""

    names = ("taken",)
    statuses = (409,)


class ChangedSince(ProblemError):
    """A change cannot be undone, because of later changes. Nothing was put back.

    :ivar changed: the URIs of what was changed later; at most 100.
    """

    names = ("changed-since",)

    @property
    def changed(self) -> list[str]:
        return [str(uri) for uri in self.members.get("changed", ())]


class Gone(ProblemError):
    """The position in the feed, or the change to undo, is too old."""

    statuses = (410,)


class Conflict(ProblemError):
    """The resource has changed since it was last seen. Nothing was done.

    :ivar current: the current resource, to compare and change again; None when the server did not
        send it.
    """

    statuses = (412,)
    _not_pickled = ("current",)
    current: Any = None
    current_state: "State | None" = None


class Invalid(ProblemError, FieldErrors):
    """Members or parameters are not valid: ``errors`` names each. Nothing was done."""

    names = ("invalid", "bad-query")
    statuses = (422,)


class TooLarge(ProblemError):
    """The request is larger than the server accepts."""

    statuses = (413,)


class PreconditionRequired(ProblemError):
    """The server requires ``If-Match``."""

    statuses = (428,)


class TooManyRequests(ProblemError):
    """Too many requests. ``retry_after`` says how long to wait."""

    statuses = (429,)


class ServerFailure(ProblemError):
    """The server failed. It is not known whether the request took effect."""

    statuses = (500,)


class Unavailable(ProblemError):
    """The server is overloaded or down for now. Nothing was done."""

    statuses = (502, 503, 504)


def problem_name(members: Mapping[str, Any]) -> str:
    """Return the last part of a problem's type; empty without one."""
    return str(members.get("type", "")).rstrip("/").rpartition("/")[2]


def problem_in(response: "httpx.Response") -> ProblemError | None:
    """Return the problem of a reply; None when it is not a problem document.

    The class follows from the type, else from the status.
    """
    if media_type(response) != PROBLEM_JSON:
        return None
    try:
        members = response.json()
    except ValueError:
        return None
    if not isinstance(members, dict):
        return None
    kinds = list(_kinds(ProblemError))
    name = problem_name(members)
    named = [kind for kind in kinds if name in kind.names]
    fitting = [kind for kind in kinds if response.status_code in kind.statuses]
    return (named or fitting or [ProblemError])[0](response, members)


def media_type(response: "httpx.Response") -> str:
    """Return the media type of a reply without parameters, in lower case."""
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def retry_after(response: "httpx.Response") -> float | None:
    """Return the seconds of ``Retry-After`` (RFC 9110 §10.2.3); None without it."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except ValueError:
        return None


def _kinds(kind: type[ProblemError]) -> list[type[ProblemError]]:
    return [kind, *(each for child in kind.__subclasses__() for each in _kinds(child))]


def _field_errors(members: Mapping[str, Any]) -> list[FieldError]:
    errors = members.get("errors")
    if not isinstance(errors, list):
        return []
    return [
        FieldError(_field(each), str(each.get("detail", "is not valid")))
        for each in errors
        if isinstance(each, dict)
    ]


def _field(error: Mapping[str, Any]) -> str:
    """Return the name of a field: a parameter, or a member by its JSON Pointer (RFC 6901)."""
    pointer = str(error.get("pointer") or "").removeprefix("/")
    path = pointer.replace("~1", "/").replace("~0", "~")
    return str(error.get("parameter") or path or "the body")
