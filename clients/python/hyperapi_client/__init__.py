"""A client for hyperapi, and for any server that keeps its contract.

It knows a root URL and the names of relations and forms, never a path::

    from hyperapi_client import Client

    with Client("https://todo.example.org") as client:
        client.login("ann", "correct horse battery")
        groceries = client.follow("lists").submit("create", title="Groceries")
        groceries.follow("tasks").submit("create", title="Milk", tags=["shop"])
        for task in client.follow("tasks").search(done=False).items():
            print(task.title, task.due_at)

``docs/client.md`` tells the rest.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if find_spec("httpx") is None:
    raise ModuleNotFoundError(
        "hyperapi_client needs httpx. Install it from the folder of a clone: "
        "pip install ./clients/python",
        name="httpx",
    )

from hyperapi_client.document import Link, State
from hyperapi_client.errors import (
    BadEnvironment,
    CertificateRefused,
    ChangedSince,
    ClientError,
    Closed,
    Conflict,
    CredentialsInvalid,
    FieldError,
    FieldErrors,
    Forbidden,
    ForeignOrigin,
    FormError,
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
    PreconditionRequired,
    ProblemError,
    QuotaExceeded,
    RegistrationClosed,
    ReplyLost,
    ServerFailure,
    Taken,
    TokenExpired,
    TokenInvalid,
    TokenMissing,
    TokenRevoked,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unreachable,
)
from hyperapi_client.forms import Field, Form
from hyperapi_client.tokens import InMemory, Keeper, Tokens

if TYPE_CHECKING:
    from hyperapi_client.actions import Change, How
    from hyperapi_client.asynchronous import AsyncClient, AsyncResource
    from hyperapi_client.sync import Client, Resource

__all__ = [
    "AsyncClient",
    "AsyncResource",
    "BadEnvironment",
    "CertificateRefused",
    "Change",
    "ChangedSince",
    "Client",
    "ClientError",
    "Closed",
    "Conflict",
    "CredentialsInvalid",
    "Field",
    "FieldError",
    "FieldErrors",
    "Forbidden",
    "ForeignOrigin",
    "Form",
    "FormError",
    "Gone",
    "How",
    "InMemory",
    "InsufficientScope",
    "Invalid",
    "Keeper",
    "Link",
    "LoginTooOld",
    "Moved",
    "NoSuchForm",
    "NoSuchLink",
    "NotAToken",
    "NotFound",
    "NotHyperapi",
    "PreconditionRequired",
    "ProblemError",
    "QuotaExceeded",
    "RegistrationClosed",
    "ReplyLost",
    "Resource",
    "ServerFailure",
    "State",
    "Taken",
    "TokenExpired",
    "TokenInvalid",
    "TokenMissing",
    "TokenRevoked",
    "Tokens",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
]

_LATER = {
    "AsyncClient": "asynchronous",
    "AsyncResource": "asynchronous",
    "Change": "actions",
    "Client": "sync",
    "How": "actions",
    "Resource": "sync",
}
"""Names by module that are imported at their first use, because httpx and asyncio take long."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
