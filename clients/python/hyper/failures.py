"""Failures: their messages for people, and their exit statuses for scripts."""

import os
from collections.abc import Iterator
from typing import Any

import click
from hyperapi_client import (
    BadEnvironment,
    ClientError,
    Conflict,
    CredentialsInvalid,
    FieldError,
    FieldErrors,
    Forbidden,
    ForeignOrigin,
    Gone,
    InsufficientScope,
    Invalid,
    LoginTooOld,
    Moved,
    NoSuchForm,
    NoSuchLink,
    NotAToken,
    NotFound,
    NotHyperapi,
    ProblemError,
    Taken,
    TokenExpired,
    TokenMissing,
    TokenRevoked,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
)

from hyper.wording import quoted

URL, TOKEN = "HYPERAPI_URL", "HYPERAPI_TOKEN"
"""Environment variables that replace the stored account."""

FAILED = 1
USAGE = 2
NOT_ALLOWED = 3
NOT_FOUND = 4
INVALID = 5
CONFLICT = 6
UNREACHABLE = 7
FILE = 8
BUSY = 9
INTERRUPTED = 130

MEANINGS = {
    0: "The command succeeded.",
    FAILED: "Another failure, or you answered no.",
    USAGE: "Wrong usage: an unknown option, or a missing argument.",
    NOT_ALLOWED: "Not signed in, the session has ended, outside the scope, or over a quota.",
    NOT_FOUND: "No such task or list, or the name matches several.",
    INVALID: "A value is not valid, or an import file has a malformed line. Nothing was changed.",
    CONFLICT: "The resource has changed since you saw it, or the name is taken.",
    UNREACHABLE: "No reply, not a hyperapi server, or a certificate that is not trusted.",
    FILE: "A local file cannot be read or written.",
    BUSY: "The server asked to wait longer than the command waits.",
    INTERRUPTED: "Interrupted from the keyboard.",
}
"""The meaning of each exit status."""

_STATUSES: tuple[tuple[type[ClientError], int], ...] = (
    (Unauthorized, NOT_ALLOWED),
    (Forbidden, NOT_ALLOWED),
    (NotAToken, NOT_ALLOWED),
    (NotFound, NOT_FOUND),
    (NoSuchLink, NOT_ALLOWED),
    (NoSuchForm, NOT_ALLOWED),
    (FieldErrors, INVALID),
    (TooLarge, INVALID),
    (Conflict, CONFLICT),
    (Taken, CONFLICT),
    (TooManyRequests, BUSY),
    (Unavailable, BUSY),
    (Unreachable, UNREACHABLE),
    (NotHyperapi, UNREACHABLE),
    (Moved, UNREACHABLE),
    (ForeignOrigin, UNREACHABLE),
    (BadEnvironment, UNREACHABLE),
)

_HINTS: tuple[tuple[type[ClientError], str], ...] = (
    (CredentialsInvalid, "Try again, or register: hyper register"),
    (TokenMissing, "Sign in: hyper login"),
    (TokenExpired, "Sign in again: hyper login"),
    (TokenRevoked, "Sign in again: hyper login"),
    (Unauthorized, "Sign in again: hyper login"),
    (InsufficientScope, "Sign in with your password, or use a token that may do this."),
    (LoginTooOld, "Sign in again: hyper login"),
    (NoSuchForm, "The token's scope may not include this. See it with: hyper tokens"),
    (Gone, "Start over."),
    (TooManyRequests, "Try again later."),
)

OPTIONS = {
    "title": "title",
    "description": "--note",
    "due_at": "--due",
    "tags": "--tag",
    "priority": "--priority",
    "list_uri": "--list",
    "expires_in": "--expires",
    "scope": "--scope",
    "label": "LABEL",
    "q": "-q",
}
"""The command-line names of fields."""


class Failure(click.ClickException):
    """A failure that the command itself finds.

    :param status: the exit status.
    :param hint: what to do next.
    """

    def __init__(self, message: str, status: int = FAILED, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint


def status_of(error: BaseException) -> int:
    """Return the exit status of a failure."""
    if isinstance(error, Failure):
        return error.status
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return INTERRUPTED
    if isinstance(error, click.ClickException):
        return error.exit_code
    if isinstance(error, OSError):
        return FILE
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), FAILED)


def as_document(error: BaseException) -> dict[str, Any]:
    """Return a failure as the document that ``--json`` prints on standard error.

    ``status`` is the exit status, ``problem`` the URI of the server's problem type, and ``errors``
    names the fields that are wrong.
    """
    message, *hints = in_words(error)
    fields = error.errors if isinstance(error, FieldErrors | ProblemError) else ()
    return {
        "error": message,
        "hint": "\n".join(hints),
        "status": status_of(error),
        "problem": error.type if isinstance(error, ProblemError) else None,
        "errors": [{"name": each.name, "detail": each.detail} for each in fields],
    }


def in_words(error: BaseException) -> Iterator[str]:
    """Return a failure as lines: what happened, which fields are wrong, what to do."""
    if isinstance(error, Failure):
        yield error.message
        yield from error.hint.splitlines()
    elif isinstance(error, KeyboardInterrupt | click.Abort):
        yield "Interrupted."
    elif isinstance(error, click.ClickException):
        yield from error.format_message().splitlines()
        if isinstance(error, click.UsageError) and error.ctx is not None:
            yield f"See: {error.ctx.command_path} --help"
    elif isinstance(error, Conflict):
        yield from _conflict(error)
    elif isinstance(error, FieldErrors):
        yield from _fields(error)
    elif isinstance(error, OSError):
        yield f"{about_file(error)}."
    else:
        yield str(error) or type(error).__name__
        if isinstance(error, TooManyRequests) and error.retry_after:
            yield f"Try again in {error.retry_after:.0f} seconds."
        else:
            yield from _hint(error)
        if isinstance(error, ProblemError) and error.status >= 500 and error.instance:
            yield f"The server's operator finds this in the log under {error.instance}."


def _hint(error: BaseException) -> list[str]:
    """Return what to do next, where that is known."""
    by_token = isinstance(error, Unauthorized | NotAToken) and os.environ.get(TOKEN)
    if by_token and not isinstance(error, CredentialsInvalid):
        return [f"It is the one in {TOKEN}: set another, or unset it and sign in: hyper login"]
    return [hint for kind, hint in _HINTS if isinstance(error, kind)][:1]


def _conflict(error: Conflict) -> Iterator[str]:
    yield "It has changed since you saw it. Nothing was done."
    if error.current is not None and "title" in error.current:
        yield f"It is now: {quoted(error.current['title'])}. Look at it, then try again."


def _fields(error: FieldErrors) -> Iterator[str]:
    found = [_named(each) for each in error.errors] or [str(error)]
    if isinstance(error, Invalid) and len(found) > 1:
        yield f"{error.title}."
    yield from found


def _named(error: FieldError) -> str:
    return f"{OPTIONS.get(error.name, error.name)} {error.detail}"


def about_file(error: OSError) -> str:
    """Name the file of an error and its reason; without a name it is standard output."""
    reason = error.strerror or str(error)
    return f"{error.filename or 'The output'}: {reason}"
