"""What can go wrong for a client, as a tree of nouns: catch as much of it as you can handle.

:class:`ClientError` is the root. Below it, :class:`ProblemError` is what the server said (RFC
9457), with a subclass for each problem type that a program may want to tell apart; the rest is
what the client found out by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import TYPE_CHECKING, Any, ClassVar

import httpx

if TYPE_CHECKING:
    from hyperapi_client.document import State

PROBLEM_JSON = "application/problem+json"


class ClientError(Exception):
    """Anything that this client raises; its text says what happened and what to do."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle it as other processes get it: with all but live resources."""
        kept = {name: value for name, value in vars(self).items() if name not in self._live}
        return _restored, (type(self), self.args, kept)

    _live: ClassVar[tuple[str, ...]] = ()


def _restored(kind: type[ClientError], args: tuple[Any, ...], kept: dict[str, Any]) -> ClientError:
    """An error as it was pickled."""
    error = kind.__new__(kind, *args)
    error.args = args
    vars(error).update(kept)
    return error


class Closed(ClientError, RuntimeError):
    """The client was closed before; nothing was sent."""


class Unreachable(ClientError):
    """No reply: nobody listens there, the name is unknown, or the connection broke down.

    What was asked for was not carried out, or can be asked for again without harm.
    """


class CertificateRefused(Unreachable):
    """The server's certificate has expired, or is not one that this machine trusts."""


class ReplyLost(Unreachable):
    """The connection broke down after something was sent that cannot be sent twice: whether it
    was carried out is not known."""


class Moved(ClientError):
    """The server sends us to another origin, where no token or password is taken unasked.

    :ivar location: where it wants us to go.
    """

    def __init__(self, message: str, location: str) -> None:
        super().__init__(message)
        self.location = location


class ForeignOrigin(ClientError):
    """A link, a form or a stored token leads to another origin than that of the client's root.
    Nothing was sent there.

    :ivar origin: the root's.
    :ivar other: where the request would have gone.
    """

    def __init__(self, origin: str, other: str) -> None:
        super().__init__(
            f"Nothing was sent to {other}: this client sends requests to {origin} alone. If both "
            "are the same server, use one of them as the root's URL and sign in there."
        )
        self.origin = origin
        self.other = other


class BadEnvironment(ClientError):
    """An environment variable that decides how requests are sent cannot be used. Nothing was sent.

    :ivar variable: its name.
    """

    def __init__(self, variable: str, problem: str) -> None:
        super().__init__(f"{variable} {problem}. Correct it or unset it.")
        self.variable = variable


class NotHyperapi(ClientError):
    """Something answered, but not as the contract says."""


class NotAToken(ClientError, ValueError):
    """What was given as a token cannot be one; nothing was sent."""


class NoSuchLink(ClientError, LookupError):
    """The resource has no link of this relation, now and for this user."""


class NoSuchForm(ClientError, LookupError):
    """The resource does not offer this, now and to this user: its state, or the token's scope,
    does not allow it."""


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field or parameter.

    :param name: of the field, as forms call it; inside of bulk bodies a path, ``tasks/3/title``.
    :param detail: what is taken, as the rest of a sentence that begins with the name.
    """

    name: str
    detail: str

    def __str__(self) -> str:
        return f"{self.name} {self.detail}"


class FieldErrors(ClientError):
    """Some fields are not valid, found before sending or by the server; nothing was done.

    :ivar errors: one for each field that is wrong.
    """

    errors: tuple[FieldError, ...] = ()


class FormError(FieldErrors, ValueError):
    """What was filled in does not fit the form. Nothing was sent."""

    def __init__(self, form: str, errors: Sequence[FieldError]) -> None:
        super().__init__(f"{form}: " + "; ".join(map(str, errors)))
        self.errors = tuple(errors)


class ProblemError(ClientError):
    """What the server refused or could not do, and why.

    :ivar type: the URI of the problem's type; its page says what it means.
    :ivar name: the last part of that URI.
    :ivar status: the reply's status.
    :ivar title: the type in a few words.
    :ivar detail: what happened this time, and what to do next.
    :ivar instance: names this one failure; operators find it in their logs.
    :ivar members: the whole problem document.
    :ivar retry_after: seconds to wait before another try, if the server told.
    :cvar names: the problem types that become this class.
    :cvar statuses: the statuses that become this class when the type is not known.
    """

    names: ClassVar[tuple[str, ...]] = ()
    statuses: ClassVar[tuple[int, ...]] = ()
    errors: tuple[FieldError, ...] = ()

    def __init__(self, response: httpx.Response, members: Mapping[str, Any]) -> None:
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
        """What went wrong, and where that is known, or what to do next."""
        if self.errors:
            return f"{self.title}: {'; '.join(map(str, self.errors))}"
        return self.title if self.detail == self.title else f"{self.title}. {self.detail}"


class Unauthorized(ProblemError):
    """The request needs a token that counts: sign in (again)."""

    statuses = (401,)


class TokenMissing(Unauthorized):
    """This needs a sign-in."""

    names = ("token-missing",)


class CredentialsInvalid(Unauthorized):
    """The name or the password is wrong."""

    names = ("credentials-invalid",)


class TokenInvalid(Unauthorized):
    """The token is none of this server's."""

    names = ("token-invalid",)


class TokenExpired(TokenInvalid):
    """The token's life has ended, and it could not be refreshed."""

    names = ("token-expired",)


class TokenRevoked(TokenInvalid):
    """The token's session was ended."""

    names = ("token-revoked",)


class Forbidden(ProblemError):
    """The token is good, but this is not for it."""

    statuses = (403,)


class InsufficientScope(Forbidden):
    """The token's scope does not include this."""

    names = ("insufficient-scope", "insufficient_scope")


class RegistrationClosed(Forbidden):
    """New users are made by the operator here."""

    names = ("registration-closed",)


class QuotaExceeded(Forbidden):
    """There would be more than the server keeps for one user: delete some first.

    :ivar quota: what there would be too much of, as ``tasks``; empty where the server did not say.
    """

    names = ("quota-exceeded",)

    @property
    def quota(self) -> str:
        return str(self.members.get("quota", ""))


class LoginTooOld(Forbidden):
    """This needs a sign-in by password a few minutes old."""

    names = ("login-too-old",)


class NotFound(ProblemError):
    """There is nothing there, or it is not yours."""

    statuses = (404,)


class Taken(ProblemError):
    """Somebody else has this name, or this already exists."""

    names = ("taken",)
    statuses = (409,)


class Gone(ProblemError):
    """The place in the changes is too old to go on from: start over."""

    statuses = (410,)


class Conflict(ProblemError):
    """Somebody changed the resource since it was last seen; nothing was done.

    :ivar current: its state now, to look at, merge with and change again; None when the server
        did not tell. Client methods hand it out as a resource.
    """

    statuses = (412,)
    _live = ("current",)
    current: Any = None
    current_state: "State | None" = None


class Invalid(ProblemError, FieldErrors):
    """Some members or parameters are not valid: ``errors`` names each; nothing was done."""

    names = ("invalid", "bad-query")
    statuses = (422,)


class TooLarge(ProblemError):
    """The request is larger than the server takes."""

    statuses = (413,)


class PreconditionRequired(ProblemError):
    """The server wants If-Match with this."""

    statuses = (428,)


class TooManyRequests(ProblemError):
    """There were too many attempts; ``retry_after`` says for how long to wait."""

    statuses = (429,)


class ServerFailure(ProblemError):
    """The server made a mistake: whether the request took effect is not known."""

    statuses = (500,)


class Unavailable(ProblemError):
    """The server is too busy just now; nothing was done."""

    statuses = (502, 503, 504)


def problem_name(members: Mapping[str, Any]) -> str:
    """The last part of a problem's type; empty where it has none."""
    return str(members.get("type", "")).rstrip("/").rpartition("/")[2]


def problem_in(response: httpx.Response) -> ProblemError | None:
    """The problem that a reply is; None when it is no problem document.

    The class is the one for its type, else the one for its status.
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


def media_type(response: httpx.Response) -> str:
    """The type and subtype of a reply's content, in lower case."""
    return str(response.headers.get("Content-Type", "")).partition(";")[0].strip().lower()


def retry_after(response: httpx.Response) -> float | None:
    """The seconds that ``Retry-After`` asks to wait (RFC 9110 §10.2.3); None without it."""
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
    """What an error is about: a parameter, or a member by its JSON Pointer (RFC 6901)."""
    pointer = str(error.get("pointer") or "").removeprefix("/")
    path = pointer.replace("~1", "/").replace("~0", "~")
    return str(error.get("parameter") or path or "the body")
