"""What goes wrong, in words for people, and as exit statuses for scripts."""

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
"""What in the environment wins over who is signed in."""

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
    0: "It is done.",
    FAILED: "It went wrong in a way that is none of those below, or you said no.",
    USAGE: "The command was not understood: an unknown option, or an argument missing.",
    NOT_ALLOWED: "Not signed in, signed out meanwhile, outside the token's scope, or over a quota.",
    NOT_FOUND: "No such task or list, or several that could be meant.",
    INVALID: "A value is not taken, or an import file has a malformed line. Nothing was changed.",
    CONFLICT: "Somebody changed it meanwhile, or the name is taken.",
    UNREACHABLE: "No server, no hyperapi there, or none that can be trusted.",
    FILE: "A file of this machine cannot be read or written.",
    BUSY: "The server asked to wait longer than the command does.",
    INTERRUPTED: "Interrupted from the keyboard.",
}
"""Every exit status, and what it says."""

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
    (CredentialsInvalid, "Try again, or make yourself a user: hyper register"),
    (TokenMissing, "Sign in: hyper login"),
    (TokenExpired, "Sign in again: hyper login"),
    (TokenRevoked, "Sign in again: hyper login"),
    (Unauthorized, "Sign in again: hyper login"),
    (InsufficientScope, "Sign in with your password, or use a token that may do this."),
    (LoginTooOld, "Sign in again: hyper login"),
    (NoSuchForm, "Perhaps the token may not do this: hyper tokens shows its scope."),
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
"""What a field is called on the command line."""


class Failure(click.ClickException):
    """A failure that the command found by itself.

    :param status: what it exits with.
    :param hint: what to do.
    """

    def __init__(self, message: str, status: int = FAILED, hint: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.hint = hint


def status_of(error: BaseException) -> int:
    """The exit status that a failure has."""
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
    """A failure for programs, as ``--json`` prints it on standard error.

    ``status`` is the exit status, ``problem`` the URI of the problem's type where the server
    refused, and ``errors`` what is wrong with single fields.
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
    """A failure as lines: what happened, which fields are wrong, what to do."""
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
            yield f"Whoever runs the server finds this under {error.instance}."


def _hint(error: BaseException) -> list[str]:
    """What to do, if that is known."""
    by_token = isinstance(error, Unauthorized | NotAToken) and os.environ.get(TOKEN)
    if by_token and not isinstance(error, CredentialsInvalid):
        return [f"It is the one in {TOKEN}: set another, or unset it and sign in: hyper login"]
    return [hint for kind, hint in _HINTS if isinstance(error, kind)][:1]


def _conflict(error: Conflict) -> Iterator[str]:
    yield "Somebody changed it since you saw it. Nothing was done."
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
    """Which file it is, and what is wrong with it; without a name it is the standard output."""
    reason = error.strerror or str(error)
    return f"{error.filename or 'The output'}: {reason}"
